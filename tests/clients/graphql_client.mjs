// graphql-js reads the schema that introspection tells: node graphql_client.mjs BASE_URL
import assert from 'node:assert/strict';
import { buildClientSchema, getIntrospectionQuery, parse, validate, validateSchema } from 'graphql';
import { run } from './checks.mjs';

const base = process.argv[2];
const post = async (path, type, body) => {
  const headers = { 'Content-Type': type };
  const answer = await fetch(`${base}/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  return answer.json();
};
const ask = async (query) => {
  const { data, errors } = await post('$graphql', 'application/json', { query });
  assert.equal(errors, undefined);
  return data;
};

await run('graphql-js', {
  async 'finds the schema whole'() {
    const schema = buildClientSchema(await ask(getIntrospectionQuery()));
    assert.deepEqual(validateSchema(schema).slice(0, 3), []);
  },
  async 'finds queries right that are answered'() {
    const name = [{ use: 'official', family: 'GraphQL', given: ['g'] }];
    const { id } = await post('Patient', 'application/fhir+json', { resourceType: 'Patient', name });
    const query = `{
      Patient(id: "${id}") { id name(use: "official") { family given } ObservationList(_reference: "subject", _count: 1) { id } }
      PatientConnection(family: "GraphQL") { count edges { resource { id ... on Resource { meta { versionId } } } } }
    }`;
    const schema = buildClientSchema(await ask(getIntrospectionQuery()));
    assert.deepEqual(validate(schema, parse(query)), []);
    const data = await ask(query);
    assert.equal(data.Patient.name[0].family, 'GraphQL');
    assert.ok(data.PatientConnection.count >= 1);
  },
});
