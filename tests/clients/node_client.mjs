// fhir-kit-client against a running server: node node_client.mjs BASE_URL
import assert from 'node:assert/strict';
import { Client } from 'fhir-kit-client';

const client = new Client({ baseUrl: process.argv[2] });
const SYSTEM = 'http://renraku.example/fhir/clients';

const person = (value, family = '見本') => ({
  resourceType: 'Patient',
  identifier: [{ system: SYSTEM, value }],
  name: [{ family, given: ['花子'] }],
  birthDate: '1944-11-23',
});

const refused = async (promise, status) => {
  try {
    await promise;
  } catch (error) {
    assert.equal(error.response?.status, status, String(error));
    assert.equal(error.response?.data?.resourceType, 'OperationOutcome');
    return error.response.data;
  }
  throw new assert.AssertionError({ message: `expected ${status}` });
};

const checks = {
  async 'reads the CapabilityStatement'() {
    const statement = await client.capabilityStatement();
    assert.equal(statement.fhirVersion, '4.0.1');
  },
  async 'creates, reads, reads versions, updates, deletes'() {
    const created = await client.create({ resourceType: 'Patient', body: person('kit-1') });
    const { id } = created;
    const updated = await client.update({ resourceType: 'Patient', id, body: { ...created, active: true } });
    assert.equal(updated.meta.versionId, '2');
    const first = await client.vread({ resourceType: 'Patient', id, version: '1' });
    assert.equal(first.active, undefined);
    await client.delete({ resourceType: 'Patient', id });
    await refused(client.read({ resourceType: 'Patient', id }), 410);
    const history = await client.history({ resourceType: 'Patient', id });
    assert.equal(history.total, 3);
  },
  async 'refuses an update of another version'() {
    const { id } = await client.create({ resourceType: 'Patient', body: person('kit-match') });
    const options = { headers: { 'If-Match': 'W/"7"' } };
    const body = { ...person('kit-match'), id };
    await refused(client.update({ resourceType: 'Patient', id, body, options }), 412);
  },
  async 'creates once (If-None-Exist)'() {
    const options = { headers: { 'If-None-Exist': `identifier=${SYSTEM}|kit-once` } };
    const first = await client.create({ resourceType: 'Patient', body: person('kit-once'), options });
    const again = await client.create({ resourceType: 'Patient', body: person('kit-once'), options });
    assert.equal(first.id, again.id);
  },
  async 'updates and deletes by criteria'() {
    const searchParams = { identifier: `${SYSTEM}|kit-criteria` };
    const first = await client.update({ resourceType: 'Patient', searchParams, body: person('kit-criteria') });
    const body = { ...person('kit-criteria'), active: true };
    const again = await client.update({ resourceType: 'Patient', searchParams, body });
    assert.equal(first.id, again.id);
  },
  async 'searches by GET and POST, follows pages'() {
    for (let number = 0; number < 5; number += 1) {
      await client.create({ resourceType: 'Patient', body: person(`kit-page-${number}`, '節') });
    }
    const searchParams = { family: '節', _count: 2 };
    let page = await client.search({ resourceType: 'Patient', searchParams });
    assert.equal(page.total, 5);
    const ids = new Set();
    while (page) {
      page.entry.forEach((entry) => ids.add(entry.resource.id));
      page = await client.nextPage({ bundle: page });
    }
    assert.equal(ids.size, 5);
    const options = { postSearch: true };
    const posted = await client.resourceSearch({ resourceType: 'Patient', searchParams, options });
    assert.equal(posted.total, 5);
  },
  async 'carries out batch and transaction'() {
    const entry = (value) => ({ resource: person(value), request: { method: 'POST', url: 'Patient' } });
    const batch = await client.batch({
      body: { resourceType: 'Bundle', type: 'batch', entry: [entry('kit-b1'), { ...entry('kit-b2'), resource: { resourceType: 'Patient', nothing: 1 } }] },
    });
    assert.deepEqual(batch.entry.map((answer) => answer.response.status.slice(0, 3)), ['201', '400']);
    const transaction = await client.transaction({
      body: { resourceType: 'Bundle', type: 'transaction', entry: [entry('kit-t1'), entry('kit-t2')] },
    });
    assert.equal(transaction.type, 'transaction-response');
    const wrong = { resourceType: 'Bundle', type: 'transaction', entry: [entry('kit-none'), { ...entry('x'), resource: { resourceType: 'Patient', nothing: 1 } }] };
    await refused(client.transaction({ body: wrong }), 400);
    const none = await client.search({ resourceType: 'Patient', searchParams: { identifier: `${SYSTEM}|kit-none` } });
    assert.equal(none.total, 0);
  },
  async 'resolves references'() {
    const { id } = await client.create({ resourceType: 'Patient', body: person('kit-ref') });
    const condition = await client.create({
      resourceType: 'Condition',
      body: { resourceType: 'Condition', subject: { reference: `Patient/${id}` }, code: { text: '骨折' } },
    });
    const subject = await client.resolve({ reference: condition.subject.reference });
    assert.equal(subject.id, id);
    const history = await client.systemHistory();
    assert.equal(history.type, 'history');
    assert.equal((await client.typeHistory({ resourceType: 'Condition' })).entry[0].resource.id, condition.id);
  },
  async 'says what is wrong'() {
    const outcome = await refused(client.create({ resourceType: 'Patient', body: { resourceType: 'Patient', nothing: 1 } }), 400);
    assert.deepEqual(outcome.issue[0].expression, ['Patient.nothing']);
    await refused(client.search({ resourceType: 'Patient', searchParams: { nothing: 1 } }), 400);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    console.log('ok    ', name);
  } catch (error) {
    failed += 1;
    console.log('FAILED', name, error);
  }
}
const count = Object.keys(checks).length;
console.log(`node: ${count - failed} of ${count} passed`);
process.exit(failed ? 1 : 0);
