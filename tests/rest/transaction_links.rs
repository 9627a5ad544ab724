//! References between the entries of a transaction (FHIR R4 http.html#trules, bundle.html#references).

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{bundle, created, entries, entry, got, observation, on_each, patient, refused, unique, with};

const UUID: &str = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a";
const OID: &str = "urn:oid:1.2.392.100495.20.3.51";

fn post(full_url: &str, resource: Value) -> Value {
    let kind = resource["resourceType"].as_str().unwrap().to_owned();
    with(entry("POST", &kind, resource), json!({ "fullUrl": full_url }))
}

/// Sends a transaction; `Type/id` of each entry of the answer.
fn sent(server: &Server, list: Vec<Value>) -> Vec<String> {
    let answer = server.post("", &bundle("transaction", list));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let location = |entry: &Value| {
        let location = entry["response"]["location"].as_str().unwrap().trim_start_matches(&server.base).to_owned();
        location.trim_start_matches('/').split("/_history/").next().unwrap().to_owned()
    };
    entries(&answer.body).iter().map(location).collect()
}

fn about(reference: &str) -> Value {
    observation(json!({ "subject": { "reference": reference } }))
}

/// "replace any references … to the entry's fullUrl": urn:uuid and urn:oid, forwards and backwards.
#[test]
fn urns_become_what_was_stored() {
    on_each(|server| {
        let list = vec![
            post("urn:uuid:1c0c3a38-9a0c-4c36-8d0f-6a44c5f0a001", about(UUID)),
            post(UUID, patient(json!({ "managingOrganization": { "reference": OID } }))),
            post(OID, json!({ "resourceType": "Organization", "name": "サンプル病院" })),
        ];
        let stored = sent(server, list);
        assert_eq!(got(server, &stored[0])["subject"]["reference"], json!(stored[1]));
        assert_eq!(got(server, &stored[1])["managingOrganization"]["reference"], json!(stored[2]));
    });
}

/// bundle.html#references: a relative reference means the entry under the same base.
#[test]
fn absolute_full_urls_take_relative_references() {
    on_each(|server| {
        let list = vec![
            post("http://hospital.example/fhir/Patient/123", patient(json!({}))),
            post("http://hospital.example/fhir/Observation/1", about("Patient/123")),
            post("http://hospital.example/fhir/Observation/2", about("http://hospital.example/fhir/Patient/123")),
            post("http://elsewhere.example/fhir/Observation/3", about("Patient/123")),
        ];
        let stored = sent(server, list);
        for place in [1, 2] {
            assert_eq!(got(server, &stored[place])["subject"]["reference"], json!(stored[0]));
        }
        assert_eq!(got(server, &stored[3])["subject"]["reference"], "Patient/123");
    });
}

/// Wherever a reference is: contained resources, extensions, lists, narratives.
#[test]
fn references_are_found_everywhere() {
    on_each(|server| {
        let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"{UUID}\">{UUID}</a></div>");
        let everywhere = observation(json!({
            "text": { "status": "generated", "div": div },
            "contained": [{ "resourceType": "Provenance", "id": "p", "target": [{ "reference": UUID }],
                "recorded": "2024-05-31T09:30:00+09:00", "agent": [{ "who": { "reference": UUID } }] }],
            "extension": [{ "url": "http://example.org/e", "valueReference": { "reference": UUID } },
                { "url": "http://example.org/f", "extension": [{ "url": "g", "valueReference": { "reference": UUID } }] }],
            "_status": { "extension": [{ "url": "http://example.org/e", "valueReference": { "reference": UUID } }] },
            "identifier": [{ "system": "urn:ietf:rfc:3986", "value": UUID }],
            "performer": [{ "reference": UUID }, { "display": "nobody" }],
            "derivedFrom": [{ "reference": "#p" }]
        }));
        let stored = sent(
            server,
            vec![post(UUID, patient(json!({}))), post("urn:uuid:1c0c3a38-9a0c-4c36-8d0f-6a44c5f0a002", everywhere)],
        );
        let read = got(server, &stored[1]);
        let target = json!(stored[0]);
        for place in [
            "/contained/0/target/0/reference",
            "/contained/0/agent/0/who/reference",
            "/extension/0/valueReference/reference",
            "/extension/1/extension/0/valueReference/reference",
            "/_status/extension/0/valueReference/reference",
            "/performer/0/reference",
        ] {
            assert_eq!(read.pointer(place), Some(&target), "{place}");
        }
        let div = read["text"]["div"].as_str().unwrap();
        assert!(div.contains(&format!("href=\"{}\"", stored[0])), "{div}");
        assert!(div.contains(&format!(">{UUID}<")), "the text is no link: {div}");
        // What merely looks like a reference stays.
        assert_eq!(read["identifier"][0]["value"], json!(UUID));
        assert_eq!(read["derivedFrom"][0]["reference"], "#p");
    });
}

/// A conditional create that finds a resource: references mean what was found.
#[test]
fn a_conditional_create_stands_for_what_it_finds() {
    on_each(|server| {
        let value = unique("links");
        let known = patient(json!({ "identifier": [{ "value": value }] }));
        let id = created(server, &known);
        let mut conditional = post(UUID, known);
        conditional["request"]["ifNoneExist"] = json!(format!("identifier={value}"));
        let stored =
            sent(server, vec![post("urn:uuid:1c0c3a38-9a0c-4c36-8d0f-6a44c5f0a003", about(UUID)), conditional]);
        assert_eq!(stored[1], format!("Patient/{id}"));
        assert_eq!(got(server, &stored[0])["subject"]["reference"], json!(stored[1]));
    });
}

/// http.html#trules: a reference may be a search that finds one resource.
#[test]
fn conditional_references_are_resolved() {
    on_each(|server| {
        let value = unique("links");
        let id = created(server, &patient(json!({ "identifier": [{ "system": "urn:x", "value": value }] })));
        let criteria = format!("Patient?identifier=urn:x|{value}");
        let stored = sent(server, vec![post("urn:uuid:1c0c3a38-9a0c-4c36-8d0f-6a44c5f0a004", about(&criteria))]);
        assert_eq!(got(server, &stored[0])["subject"]["reference"], json!(format!("Patient/{id}")));
        created(server, &patient(json!({ "identifier": [{ "system": "urn:x", "value": value }] })));
        let several = bundle("transaction", vec![entry("POST", "Observation", about(&criteria))]);
        refused(&server.post("", &several), 412);
    });
}

/// A urn that names no entry could never be resolved.
#[test]
fn a_urn_that_names_no_entry_is_refused() {
    on_each(|server| {
        let list = vec![
            post(UUID, patient(json!({}))),
            entry("POST", "Observation", about("urn:uuid:0c7d9d5c-0000-4000-8000-000000000000")),
        ];
        let answer = server.post("", &bundle("transaction", list));
        assert!(refused(&answer, 400).contains("0c7d9d5c"));
        assert!(answer.body["issue"][0]["expression"][0].as_str().unwrap().starts_with("Bundle.entry[1]"));
    });
}

/// References of a search in the same transaction see the new index.
#[test]
fn rewritten_references_are_searchable() {
    on_each(|server| {
        let stored = sent(server, vec![post(UUID, patient(json!({}))), post(OID, about(UUID))]);
        let found = got(server, &format!("Observation?subject={}", stored[0]));
        assert_eq!(found["total"], 1);
    });
}

/// PUT entries have known ids: full URLs lead to them.
#[test]
fn updates_are_referred_to_by_full_url() {
    on_each(|server| {
        let id = unique("links");
        let put =
            with(entry("PUT", &format!("Patient/{id}"), patient(json!({ "id": id }))), json!({ "fullUrl": UUID }));
        let stored = sent(server, vec![post(OID, about(UUID)), put]);
        assert_eq!(got(server, &stored[0])["subject"]["reference"], json!(format!("Patient/{id}")));
    });
}
