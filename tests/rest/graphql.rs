//! `$graphql` (FHIR R4 graphql.html): reads, searches, references, directives; errors in GraphQL's own form.

use serde_json::{Value, json};

use crate::common::{Answer, Server, agent, exchange};
use crate::support::{observation, on_each, on_each_alone, patient, stored, unique, with};

/// The Patient of the standard's page on GraphQL, with an Observation by a Practitioner. The prefix of all ids.
fn example(server: &Server) -> String {
    let name = unique("graph");
    stored(
        server,
        &patient(json!({
            "id": name, "active": true, "birthDate": "1974-12-25",
            "_birthDate": { "extension": [{ "url": "http://x/birthTime", "valueDateTime": "1974-12-25T14:35:45-05:00" }] },
            "identifier": [{ "system": "urn:oid:1.2.36.146.595.217.0.1", "value": name }],
            "name": [
                { "use": "official", "family": "Chalmers", "given": ["Peter", "James"] },
                { "use": "usual", "given": ["Jim"] },
                { "use": "maiden", "family": "Windsor", "given": ["Peter", "James"] }
            ]
        })),
    );
    stored(
        server,
        &json!({ "resourceType": "Practitioner", "id": format!("{name}-doc"), "name": [{ "family": "見本" }] }),
    );
    for number in 1..=3 {
        stored(
            server,
            &observation(json!({
                "id": format!("{name}-obs{number}"), "subject": { "reference": format!("Patient/{name}") },
                "performer": [{ "reference": format!("Practitioner/{name}-doc") }],
                "effectiveDateTime": format!("2025-07-0{number}"), "valueQuantity": { "value": 40.50, "unit": "kg" }
            })),
        );
    }
    name
}

fn post(server: &Server, path: &str, media: &str, body: &str) -> Answer {
    exchange(&agent(), &server.base, "POST", path, &[("Content-Type", media)], Some(body.into())).unwrap()
}

/// What a query that must succeed gives.
fn data(server: &Server, path: &str, query: &str) -> Value {
    let answer = post(server, path, "application/graphql", query);
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(answer.body.get("errors").is_none());
    answer.body["data"].clone()
}

/// The error of a query that must fail: its message, after a look at its form.
fn error(server: &Server, path: &str, query: &str, status: u16) -> String {
    let answer = post(server, path, "application/graphql", query);
    assert_eq!(answer.status, status, "{query}: {}", answer.body);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.body["data"], Value::Null);
    let error = &answer.body["errors"][0];
    assert_eq!(error["extensions"]["resource"]["resourceType"], "OperationOutcome");
    error["message"].as_str().unwrap().to_owned()
}

/// graphql.html#fields: elements by their JSON names, what is beside primitives by `_name`.
#[test]
fn fields_are_selected() {
    on_each(|server| {
        let name = example(server);
        let instance = format!("Patient/{name}/$graphql");
        let query =
            "{ resourceType __typename birthDate _birthDate { extension { valueDateTime } } n: name { family given } }";
        let expected = json!({
            "resourceType": "Patient", "__typename": "Patient", "birthDate": "1974-12-25",
            "_birthDate": { "extension": [{ "valueDateTime": "1974-12-25T14:35:45-05:00" }] },
            "n": [{ "family": "Chalmers", "given": ["Peter", "James"] }, { "given": ["Jim"] }, { "family": "Windsor", "given": ["Peter", "James"] }]
        });
        assert_eq!(data(server, &instance, query), expected);
        // Fields that are asked for twice are merged, as GraphQL says.
        assert_eq!(
            data(server, &instance, "{ name { use } name { family } id id }")["name"][0],
            json!({ "use": "official", "family": "Chalmers" })
        );
        let quantity = post(
            server,
            &format!("Observation/{name}-obs1/$graphql"),
            "application/graphql",
            "{ valueQuantity { value } }",
        );
        assert!(String::from_utf8(quantity.bytes).unwrap().contains("40.5"), "digits are kept");
    });
}

/// graphql.html#list: by FHIRPath, by the value of a field, by place.
#[test]
fn lists_are_navigated() {
    on_each(|server| {
        let name = example(server);
        let families = |arguments: &str| {
            let found =
                data(server, &format!("Patient/{name}/$graphql"), &format!("{{ name({arguments}) {{ use }} }}"));
            found["name"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|name| name["use"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(families("fhirpath: \"family.exists()\""), ["official", "maiden"]);
        assert_eq!(families("use: official"), ["official"]);
        assert_eq!(families("use: [usual, maiden]"), ["usual", "maiden"]);
        assert_eq!(families("given: \"James\", use: maiden"), ["maiden"]);
        assert_eq!(families("_count: 1, _offset: 1"), ["usual"]);
        assert_eq!(families("use: old"), [""; 0]);
    });
}

/// graphql.html#references: `resource`, with type and optional; contained ones too.
#[test]
fn references_are_followed() {
    on_each(|server| {
        let name = example(server);
        let path = format!("Observation/{name}-obs1/$graphql");
        let expected =
            json!({ "subject": { "reference": format!("Patient/{name}"), "resource": { "birthDate": "1974-12-25" } } });
        for query in [
            "{ subject { reference resource { birthDate } } }",
            "{ subject { reference resource(type: Patient) { birthDate } resource(type: Group) { name } } }",
            "{ subject { reference resource { ... on Patient { birthDate } ... on Group { name } } } }",
            "query q { subject { ...who } } fragment who on Reference { reference resource { ...person } } fragment person on Patient { birthDate }",
        ] {
            assert_eq!(data(server, &path, query), expected, "{query}");
        }
        assert_eq!(data(server, &path, "{ subject { resource(type: Group) { name } } }"), json!({ "subject": {} }));
        assert_eq!(
            data(server, &path, "{ performer { resource(type: Practitioner) { name { family } } } }")["performer"][0]["resource"]
                ["name"][0]["family"],
            "見本"
        );
        let lost = with(
            observation(json!({ "id": format!("{name}-lost") })),
            json!({
                "subject": { "reference": "Patient/nowhere" }, "performer": [{ "reference": "#p" }],
                "contained": [{ "resourceType": "Practitioner", "id": "p", "name": [{ "family": "内" }] }]
            }),
        );
        stored(server, &lost);
        let path = format!("Observation/{name}-lost/$graphql");
        assert!(error(server, &path, "{ subject { resource { id } } }", 404).contains("optional"));
        assert_eq!(
            data(server, &path, "{ subject { reference resource(optional: true) { id } } }"),
            json!({ "subject": { "reference": "Patient/nowhere" } })
        );
        assert_eq!(
            data(
                server,
                &path,
                "{ performer { resource { ... on Practitioner { name { family } } } } contained { id } }"
            )["performer"][0]["resource"]["name"][0]["family"],
            "内"
        );
    });
}

/// graphql.html#searching: read, list, with the parameters of search.
#[test]
fn the_system_is_searched() {
    on_each(|server| {
        let name = example(server);
        let one = data(server, "$graphql", &format!("{{ Patient(id: \"{name}\") {{ id active }} }}"));
        assert_eq!(one, json!({ "Patient": { "id": name, "active": true } }));
        let list = |arguments: &str| {
            let found = data(server, "$graphql", &format!("{{ ObservationList({arguments}) {{ id }} }}"));
            found["ObservationList"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["id"].as_str().unwrap().replacen(&format!("{name}-"), "", 1))
                .collect::<Vec<_>>()
        };
        assert_eq!(list(&format!("patient: \"{name}\", _sort: \"-date\"")), ["obs3", "obs2", "obs1"]);
        assert_eq!(list(&format!("patient: \"{name}\", date: [\"2025-07-01\", \"2025-07-03\"]")), ["obs1", "obs3"]);
        assert_eq!(list(&format!("patient: \"{name}\", value_quantity: \"gt50\"")), [""; 0]);
        assert_eq!(list(&format!("patient: \"{name}\", fhirpath: \"effective > @2025-07-02\"")), ["obs3"]);
        assert_eq!(list(&format!("patient: \"{name}\", _count: 2")), ["obs1", "obs2"]);
    });
}

/// graphql.html#reverse: what refers to the resource in focus.
#[test]
fn what_refers_back_is_found() {
    on_each(|server| {
        let name = example(server);
        let found = data(
            server,
            &format!("Patient/{name}/$graphql"),
            "{ id ObservationList(_reference: patient, _sort: date) { effectiveDateTime } }",
        );
        assert_eq!(
            found["ObservationList"],
            json!([{ "effectiveDateTime": "2025-07-01" }, { "effectiveDateTime": "2025-07-02" }, { "effectiveDateTime": "2025-07-03" }])
        );
        let nested = data(
            server,
            "$graphql",
            &format!(
                "{{ PatientList(_id: \"{name}\") {{ ObservationConnection(_reference: subject, _count: 1) {{ count edges {{ mode resource {{ id }} }} }} }} }}"
            ),
        );
        assert_eq!(
            nested["PatientList"][0]["ObservationConnection"],
            json!({ "count": 3, "edges": [{ "mode": "match", "resource": { "id": format!("{name}-obs1") } }] })
        );
        error(server, &format!("Patient/{name}/$graphql"), "{ ObservationList(code: \"x\") { id } }", 400);
        error(server, &format!("Patient/{name}/$graphql"), "{ ObservationList(_reference: code) { id } }", 400);
        error(server, "$graphql", "{ ObservationList(_reference: patient) { id } }", 400);
    });
}

/// graphql.html#searching: a connection pages by cursors, which stand alone.
#[test]
fn connections_page() {
    on_each(|server| {
        let name = example(server);
        let fields = "{ count pagesize offset first next previous edges { resource { id } } }";
        let mut page = data(
            server,
            "$graphql",
            &format!("{{ c: ObservationConnection(patient: \"{name}\", _count: 2, _sort: date) {fields} }}"),
        )["c"]
            .clone();
        assert_eq!((&page["count"], &page["pagesize"], &page["offset"]), (&json!(3), &json!(2), &json!(0)));
        assert_eq!(page["previous"], Value::Null);
        assert_eq!(page["edges"].as_array().unwrap().len(), 2);
        let first = page["first"].as_str().unwrap().to_owned();
        let next = page["next"].as_str().unwrap().to_owned();
        page = data(server, "$graphql", &format!("{{ c: ObservationConnection(cursor: \"{next}\") {fields} }}"))["c"]
            .clone();
        assert_eq!(page["edges"], json!([{ "resource": { "id": format!("{name}-obs3") } }]));
        assert_eq!((&page["next"], &page["count"]), (&Value::Null, &json!(3)));
        page = data(server, "$graphql", &format!("{{ c: ObservationConnection(_cursor: \"{first}\") {fields} }}"))["c"]
            .clone();
        assert_eq!(page["edges"].as_array().unwrap().len(), 2);
        error(server, "$graphql", &format!("{{ PatientConnection(cursor: \"{next}\") {{ count }} }}"), 400);
        error(
            server,
            "$graphql",
            &format!("{{ ObservationConnection(cursor: \"{next}\", code: \"x\") {{ count }} }}"),
            400,
        );
        error(server, "$graphql", "{ ObservationConnection(cursor: \"nonsense\") { count } }", 400);
    });
}

/// graphql.html#flattening: the examples of the page.
#[test]
fn directives_flatten() {
    on_each(|server| {
        let name = example(server);
        let path = format!("Patient/{name}/$graphql");
        for (query, expected) in [
            (
                "{ active name @flatten { text given family } }",
                json!({ "active": true, "given": ["Peter", "James", "Jim", "Peter", "James"], "family": ["Chalmers", "Windsor"] }),
            ),
            (
                "{ name @flatten { given @first family } }",
                json!({ "given": ["Peter", "Jim", "Peter"], "family": ["Chalmers", "Windsor"] }),
            ),
            (
                "{ identifier @flatten { system @singleton } name @flatten @first { text given family @singleton } }",
                json!({ "system": "urn:oid:1.2.36.146.595.217.0.1", "given": ["Peter", "James"], "family": "Chalmers" }),
            ),
            (
                "{ name @flatten @slice(path: \"use\") { given family @singleton } }",
                json!({
                    "given.official": ["Peter", "James"], "family.official": "Chalmers", "given.usual": ["Jim"],
                    "given.maiden": ["Peter", "James"], "family.maiden": "Windsor"
                }),
            ),
            (
                "{ name @flatten @slice(path: \"$index\") { given family @singleton } }",
                json!({ "given.0": ["Peter", "James"], "family.0": "Chalmers", "given.1": ["Jim"], "given.2": ["Peter", "James"], "family.2": "Windsor" }),
            ),
        ] {
            assert_eq!(data(server, &path, query), expected, "{query}");
        }
        assert!(error(server, &path, "{ name @flatten { family @singleton } }", 422).contains("singleton"));
    });
}

/// Variables, `@skip` and `@include`, several operations; GET and the JSON form of GraphQL over HTTP.
#[test]
fn variables_and_the_ways_to_ask() {
    on_each(|server| {
        let name = example(server);
        let query = "query one($id: ID!, $short: Boolean = false) { Patient(id: $id) { id active @skip(if: $short) } } query two { PatientList(_count: 1) { id } }";
        let ask = |variables: Value, operation: &str| {
            post(
                server,
                "$graphql",
                "application/json",
                &json!({ "query": query, "operationName": operation, "variables": variables }).to_string(),
            )
        };
        assert_eq!(ask(json!({ "id": name }), "one").body["data"]["Patient"], json!({ "id": name, "active": true }));
        assert_eq!(ask(json!({ "id": name, "short": true }), "one").body["data"]["Patient"], json!({ "id": name }));
        assert_eq!(ask(json!({}), "two").status, 200);
        assert_eq!(ask(json!({}), "one").status, 400);
        assert_eq!(ask(json!({ "id": { "a": 1 } }), "one").status, 400);
        assert_eq!(ask(json!({}), "three").status, 400);
        let get = server.get(&format!("Patient/{name}/$graphql?query=%7Bid%7D"));
        assert_eq!(get.body, json!({ "data": { "id": name } }));
        let xml = server.get(&format!("Patient/{name}/$graphql?query=%7Bid%7D&_format=xml"));
        assert_eq!(xml.header("content-type"), "application/json", "the answer is no resource");
        let parameters =
            json!({ "resourceType": "Parameters", "parameter": [{ "name": "query", "valueString": "{id}" }] });
        assert_eq!(server.post(&format!("Patient/{name}/$graphql"), &parameters).body["data"]["id"], json!(name));
        assert_eq!(
            post(server, &format!("Patient/{name}/$graphql"), "application/json", &parameters.to_string()).status,
            200
        );
    });
}

/// The query that tools ask for a schema with.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { queryType { name } mutationType { name } \
    subscriptionType { name } types { ...FullType } directives { name description locations args { ...InputValue } } } } \
    fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description \
    args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } inputFields { ...InputValue } \
    interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } \
    possibleTypes { ...TypeRef } } fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue } \
    fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// graphql.html: the schema can be asked for; it tells what a query may say.
#[test]
fn the_schema_can_be_asked_for() {
    on_each_alone(|server| {
        let whole = data(server, "$graphql", INTROSPECTION);
        let schema = &whole["__schema"];
        assert_eq!((&schema["queryType"]["name"], &schema["mutationType"]), (&json!("Query"), &Value::Null));
        let types = schema["types"].as_array().unwrap();
        let of = |name: &str| types.iter().find(|found| found["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        let field = |of: &Value, name: &str| {
            let fields = of["fields"].as_array().unwrap();
            fields.iter().find(|field| field["name"] == name).unwrap_or_else(|| panic!("no {name}")).clone()
        };
        assert_eq!(
            types
                .iter()
                .filter(|found| found["kind"] == "OBJECT" && found["interfaces"][0]["name"] == "Resource")
                .count(),
            146
        );
        assert_eq!(of("Resource")["possibleTypes"].as_array().unwrap().len(), 146);
        let name = field(of("Patient"), "name");
        assert_eq!(
            name["type"],
            json!({ "kind": "LIST", "name": null, "ofType": { "kind": "OBJECT", "name": "HumanName", "ofType": null } })
        );
        let arguments: Vec<&str> =
            name["args"].as_array().unwrap().iter().map(|argument| argument["name"].as_str().unwrap()).collect();
        assert!(["use", "fhirpath", "_count"].iter().all(|wanted| arguments.contains(wanted)), "{arguments:?}");
        assert_eq!(field(of("Patient"), "contact")["type"]["ofType"]["name"], "PatientContact");
        assert_eq!(field(of("Query"), "PatientList")["type"]["ofType"]["name"], "Patient");
        assert_eq!(of("date")["kind"], "SCALAR");
        // Of one type, also on a resource.
        stored(server, &patient(json!({ "id": "p", "contact": [{ "name": { "text": "娘" } }] })));
        let one = data(
            server,
            "Patient/p/$graphql",
            "{ __schema { queryType { name } } __type(name: \"Coding\") { fields { name } } __typename contact { __typename ... on PatientContact { name { text } } } }",
        );
        assert_eq!(one["__schema"]["queryType"]["name"], "Patient");
        assert_eq!(field(&one["__type"], "system")["name"], "system");
        assert_eq!(
            (&one["__typename"], &one["contact"][0]),
            (&json!("Patient"), &json!({ "__typename": "PatientContact", "name": { "text": "娘" } }))
        );
        assert_eq!(data(server, "$graphql", "{ __type(name: \"Nonsense\") { name } }")["__type"], Value::Null);
        let page = data(server, "$graphql", "{ PatientConnection { edges { __typename resource { id } } } }");
        assert_eq!(page["PatientConnection"]["edges"][0]["__typename"], "PatientEdge");
    });
}

/// "SHALL return an error when fields that are not valid or not supported are used", whatever the data.
#[test]
fn wrong_queries_are_refused() {
    on_each_alone(|server| {
        stored(server, &patient(json!({ "id": "p", "name": [{ "use": "official" }] })));
        for (query, right) in [
            ("{ nonsense }", "no field"),
            ("{ name { nonsense } }", "HumanName has no field"),
            ("{ name }", "object"),
            ("{ id { x } }", "scalar"),
            ("{ id(x: 1) }", "no arguments"),
            ("{ name @nonsense { text } }", "directive"),
            ("{ name @slice { text } }", "path"),
            ("{ id @skip }", "if"),
            ("{ ...nothing }", "no fragment"),
            ("{ ...a } fragment a on Patient { ...b } fragment b on Patient { ...a }", "contains itself"),
            ("{ ... on Nonsense { id } }", "not a type"),
            ("{ id", "not a GraphQL query"),
            ("", "not a GraphQL query"),
            ("mutation { PatientDelete(id: \"p\") { id } }", "only queries"),
            ("{ __schema { nonsense } }", "__Schema has no field"),
            ("{ __schema { types { kind { x } } } }", "scalar"),
            ("{ name { __schema { types { name } } } }", "where a query begins"),
            ("{ __type { name } }", "argument name"),
            ("query($a: ID) { name(use: $b) { text } }", "not declared"),
            ("{ name(fhirpath: \"(\") { text } }", "FHIRPath"),
        ] {
            let answer = post(server, "Patient/p/$graphql", "application/graphql", query);
            let status = if query.starts_with("mutation") { 501 } else { 400 };
            assert_eq!(answer.status, status, "{query}: {}", answer.body);
            let message = answer.body["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains(right), "{query}: {message}");
        }
        for body in ["[null, null]", "3", "\"x\""] {
            let answer = post(server, "$graphql", "application/json", body);
            assert_eq!((answer.status, answer.body["errors"][0]["message"].is_string()), (400, true), "{body}");
        }
        error(server, "$graphql", "{ id }", 400);
        error(server, "$graphql", "{ Patient { id } }", 400);
        error(server, "$graphql", "{ Patient(id: \"nobody\") { id } }", 404);
        error(server, "Patient/nobody/$graphql", "{ id }", 404);
        error(server, "$graphql", "{ PatientList(nonsense: 1) { id } }", 400);
        error(server, "$graphql", "{ PatientList(_include: \"*\") { id } }", 400);
        error(server, "$graphql", &format!("{{ {} }}", "Patient(id: \"p\") { id } ".repeat(4000)), 400);
    });
}

/// The work of one query is bounded: searches, and fragments spread over and over.
#[test]
fn costly_queries_are_refused() {
    on_each_alone(|server| {
        for number in 0..30 {
            stored(server, &patient(json!({ "id": format!("p{number}") })));
        }
        let many: String = (0..10)
            .map(|number| format!("a{number}: PatientList {{ ObservationList(_reference: patient) {{ id }} }} "))
            .collect();
        assert!(error(server, "$graphql", &format!("{{ {many} }}"), 422).contains("searches"));
        let mut doubled = String::from("{ Patient(id: \"p1\") { ...f0 } } fragment f40 on Patient { id }");
        for number in 0..40 {
            let next = number + 1;
            doubled.push_str(&format!(" fragment f{number} on Patient {{ ...f{next} ...f{next} }}"));
        }
        assert!(error(server, "$graphql", &doubled, 400).contains("fields"));
        let deep = format!(
            "{{ Patient(id: \"p1\") {} id {}",
            "{ managingOrganization { resource ".repeat(40),
            "} }".repeat(41)
        );
        error(server, "$graphql", &deep, 400);
        for number in 0..1001 {
            stored(server, &json!({ "resourceType": "Basic", "id": format!("b{number}"), "code": { "text": "x" } }));
        }
        assert!(error(server, "$graphql", "{ BasicList { id } }", 422).contains("BasicConnection"));
    });
}
