// fhirclient (SMART's JavaScript client) in Node against a running server: node smart_client.mjs BASE_URL
import assert from 'node:assert/strict';
import { run } from './checks.mjs';
import smart from 'fhirclient';

const base = process.argv[2];
const SYSTEM = 'http://renraku.example/fhir/clients';

// In Node a client belongs to a request; without a sign-in only its shape matters.
const request = { url: '/', headers: { host: 'localhost' }, socket: {} };
const memory = new Map();
const storage = {
  get: async (key) => memory.get(key),
  set: async (key, value) => void memory.set(key, value),
  unset: async (key) => memory.delete(key),
};
const client = smart(request, {}, storage).client({ serverUrl: base });

const person = (value, family = '見本') => ({
  resourceType: 'Patient',
  identifier: [{ system: SYSTEM, value }],
  name: [{ family, given: ['花子'] }],
  birthDate: '1944-11-23',
});

const refused = async (promise, status) => {
  await assert.rejects(promise, (error) => {
    assert.equal(error.status ?? error.statusCode, status, String(error));
    return true;
  });
};

await run('fhirclient.js', {
  async 'knows the version of FHIR'() {
    assert.equal(await client.getFhirVersion(), '4.0.1');
    assert.equal(await client.getFhirRelease(), 4);
  },
  async 'creates, reads, updates, deletes'() {
    const created = await client.create(person('js-1'));
    const read = await client.request(`Patient/${created.id}`);
    assert.equal(read.name[0].family, '見本');
    const updated = await client.update({ ...read, active: true });
    assert.equal(updated.meta.versionId, '2');
    await client.delete(`Patient/${created.id}`);
    await refused(client.request(`Patient/${created.id}`), 410);
    await refused(client.request('Patient/never-there'), 404);
  },
  async 'patches'() {
    const { id } = await client.create(person('js-patch'));
    const patched = await client.patch(`Patient/${id}`, [{ op: 'add', path: '/active', value: false }]);
    assert.equal(patched.active, false);
    assert.equal(patched.meta.versionId, '2');
  },
  async 'searches, follows pages and flattens them'() {
    for (let number = 0; number < 5; number += 1) {
      await client.create(person(`js-page-${number}`, '頁々'));
    }
    const query = `Patient?family=${encodeURIComponent('頁々')}&_count=2`;
    assert.equal((await client.request(query)).total, 5);
    const everyone = await client.request(query, { pageLimit: 0, flat: true });
    assert.equal(new Set(everyone.map((each) => each.id)).size, 5);
    let pages = 0;
    await client.request(query, { pageLimit: 0, onPage: () => { pages += 1; } });
    assert.equal(pages, 3);
    const found = [];
    for await (const resource of client.resources(query)) found.push(resource.id);
    assert.equal(found.length, 5);
  },
  async 'resolves references'() {
    const { id } = await client.create(person('js-ref'));
    const condition = await client.create({
      resourceType: 'Condition',
      subject: { reference: `Patient/${id}` },
      code: { text: '大腿骨頚部骨折' },
    });
    const graph = await client.request(`Condition/${condition.id}`, { resolveReferences: 'subject', graph: true });
    assert.equal(graph.subject.name[0].family, '見本');
  },
  async 'reads history and versions'() {
    const created = await client.create(person('js-history'));
    await client.update({ ...created, active: true });
    const history = await client.request(`Patient/${created.id}/_history`);
    assert.deepEqual(history.entry.map((entry) => entry.request.method), ['PUT', 'POST']);
    const first = await client.request(`Patient/${created.id}/_history/1`);
    assert.equal(first.active, undefined);
  },
  async 'carries out a batch'() {
    const entry = (value) => ({ resource: person(value), request: { method: 'POST', url: 'Patient' } });
    const body = JSON.stringify({ resourceType: 'Bundle', type: 'batch', entry: [entry('js-b1'), entry('js-b2')] });
    const headers = { 'Content-Type': 'application/fhir+json' };
    const answer = await client.request({ url: base, method: 'POST', body, headers });
    assert.deepEqual(answer.entry.map((each) => each.response.status.slice(0, 3)), ['201', '201']);
  },
  async 'is told what is wrong'() {
    await refused(client.create({ resourceType: 'Patient', nothing: 1 }), 400);
    await refused(client.request('Patient?nothing=1'), 400);
  },
});
