// @medplum/core against a running server: node medplum_client.mjs BASE_URL
import assert from 'node:assert/strict';
import { MedplumClient, OperationOutcomeError } from '@medplum/core';
import { run } from './checks.mjs';

const base = process.argv[2];
const SYSTEM = 'http://renraku.example/fhir/clients';
const client = new MedplumClient({
  baseUrl: base.slice(0, base.lastIndexOf('/') + 1),
  fhirUrlPath: base.slice(base.lastIndexOf('/') + 1),
  cacheTime: 0,
  fetch,
});

const person = (value, family = '見本') => ({
  resourceType: 'Patient',
  identifier: [{ system: SYSTEM, value }],
  name: [{ family, given: ['花子'] }],
  birthDate: '1944-11-23',
});

const refused = async (promise, code) => {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof OperationOutcomeError, String(error));
    assert.equal(error.outcome.issue[0].code, code, JSON.stringify(error.outcome));
    return true;
  });
};

await run('medplum', {
  async 'creates, reads, updates, deletes'() {
    const created = await client.createResource(person('md-1'));
    const read = await client.readResource('Patient', created.id);
    assert.equal(read.name[0].family, '見本');
    const updated = await client.updateResource({ ...read, active: true });
    assert.equal(updated.meta.versionId, '2');
    await client.deleteResource('Patient', created.id);
    await refused(client.readResource('Patient', created.id), 'deleted');
    await refused(client.readResource('Patient', 'never-there'), 'not-found');
  },
  async 'patches'() {
    const { id } = await client.createResource(person('md-patch'));
    const patched = await client.patchResource('Patient', id, [{ op: 'add', path: '/active', value: false }]);
    assert.equal(patched.active, false);
  },
  async 'creates once, updates or creates'() {
    const criteria = `identifier=${SYSTEM}|md-once`;
    const first = await client.createResourceIfNoneExist(person('md-once'), criteria);
    const again = await client.createResourceIfNoneExist(person('md-once'), criteria);
    assert.equal(first.id, again.id);
    const put = await client.upsertResource({ ...person('md-once'), active: true }, criteria);
    assert.equal(put.id, first.id);
    assert.equal(put.meta.versionId, '2');
  },
  async 'searches and follows pages'() {
    for (let number = 0; number < 5; number += 1) {
      await client.createResource(person(`md-page-${number}`, '章節'));
    }
    const query = { family: '章節', _count: '2', _total: 'accurate' };
    const bundle = await client.search('Patient', query);
    assert.equal(bundle.total, 5);
    const ids = new Set();
    for await (const page of client.searchResourcePages('Patient', query)) page.forEach((each) => ids.add(each.id));
    assert.equal(ids.size, 5);
    const one = await client.searchOne('Patient', { identifier: `${SYSTEM}|md-page-3` });
    assert.equal(one.identifier[0].value, 'md-page-3');
    const many = await client.searchResources('Patient', 'family=章節&_sort=-_lastUpdated');
    assert.equal(many.length, 5);
  },
  async 'reads history and versions'() {
    const created = await client.createResource(person('md-history'));
    await client.updateResource({ ...created, active: true });
    const history = await client.readHistory('Patient', created.id);
    assert.equal(history.entry.length, 2);
    const first = await client.readVersion('Patient', created.id, '1');
    assert.equal(first.active, undefined);
  },
  async 'carries out batch and transaction'() {
    const entry = (value) => ({ resource: person(value), request: { method: 'POST', url: 'Patient' } });
    const batch = await client.executeBatch({ resourceType: 'Bundle', type: 'batch', entry: [entry('md-b1'), entry('md-b2')] });
    assert.deepEqual(batch.entry.map((each) => each.response.status.slice(0, 3)), ['201', '201']);
    const transaction = await client.executeBatch({ resourceType: 'Bundle', type: 'transaction', entry: [entry('md-t1')] });
    assert.equal(transaction.type, 'transaction-response');
  },
  async 'resolves references'() {
    const patient = await client.createResource(person('md-ref'));
    const condition = await client.createResource({
      resourceType: 'Condition',
      subject: { reference: `Patient/${patient.id}` },
      code: { text: '骨折' },
    });
    assert.equal((await client.readReference(condition.subject)).id, patient.id);
  },
  async 'is told what is wrong'() {
    await refused(client.createResource({ resourceType: 'Patient', nothing: 1 }), 'structure');
    await refused(client.search('Patient', { nothing: '1' }), 'not-supported');
  },
});
