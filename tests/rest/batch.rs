//! Batch (FHIR R4 http.html#transaction): entries are independent of each other.

use serde_json::{Value, json};

use crate::support::{bundle, created, entries, entry, finds, got, on_each, patient, refused, stored, unique, with};

fn statuses(answer: &Value) -> Vec<&str> {
    entries(answer).iter().map(|entry| &entry["response"]["status"].as_str().unwrap()[..3]).collect()
}

/// "a batch: the success or failure of one entry does not alter the others".
#[test]
fn a_wrong_entry_does_not_stop_the_others() {
    on_each(|server| {
        let (one, two) = (unique("batch"), unique("batch"));
        let answer = server.post(
            "",
            &bundle(
                "batch",
                vec![
                    entry("PUT", &format!("Patient/{one}"), patient(json!({ "id": one }))),
                    entry("POST", "Patient", patient(json!({ "nmae": [] }))),
                    entry("PUT", &format!("Patient/{two}"), patient(json!({ "id": two }))),
                    entry("GET", "Patient/never-there", Value::Null),
                    entry("NONSENSE", "Patient", Value::Null),
                    entry("GET", "Nonsense/1", Value::Null),
                    json!({}),
                    json!("x"),
                    with(entry("GET", "Patient?_count=0", Value::Null), json!({ "nonsense": 1 })),
                ],
            ),
        );
        assert_eq!((answer.status, &answer.body["type"]), (200, &json!("batch-response")), "{}", answer.body);
        assert_eq!(statuses(&answer.body), ["201", "400", "201", "404", "400", "400", "400", "400", "400"]);
        for (place, entry) in entries(&answer.body).iter().enumerate() {
            let outcome = &entry["response"]["outcome"];
            if entry["response"]["status"].as_str().unwrap().starts_with('4') {
                assert_eq!(outcome["resourceType"], "OperationOutcome", "{entry}");
                let at = outcome["issue"][0]["expression"][0].as_str().unwrap();
                assert!(at.starts_with(&format!("Bundle.entry[{place}]")), "{at}");
            }
        }
        got(server, &format!("Patient/{one}"));
        got(server, &format!("Patient/{two}"));
    });
}

/// bundle.html#batch-response: one entry for each of the request, in its order, with its details.
#[test]
fn answers_are_in_the_order_of_the_request() {
    on_each(|server| {
        let (old, new) = (unique("batch"), unique("batch"));
        stored(server, &patient(json!({ "id": old })));
        let answer = server.post(
            "",
            &bundle(
                "batch",
                vec![
                    entry("GET", &format!("Patient/{old}"), Value::Null),
                    entry("PUT", &format!("Patient/{new}"), patient(json!({ "id": new }))),
                    entry("GET", &format!("Patient?_id={old}"), Value::Null),
                    entry("GET", &format!("Patient/{old}/_history/1"), Value::Null),
                    entry("POST", "Patient", patient(json!({}))),
                ],
            ),
        );
        assert_eq!(statuses(&answer.body), ["200", "201", "200", "200", "201"]);
        let list = entries(&answer.body);
        assert_eq!(list[0]["resource"]["id"], json!(old));
        assert_eq!(list[0]["response"]["etag"], "W/\"1\"");
        assert!(list[1]["response"]["location"].as_str().unwrap().ends_with(&format!("Patient/{new}/_history/1")));
        assert!(list[1]["response"]["lastModified"].is_string());
        assert_eq!(list[2]["resource"]["type"], "searchset");
        assert_eq!(list[2]["resource"]["total"], 1);
        assert_eq!(list[3]["resource"]["meta"]["versionId"], "1");
    });
}

/// Conditions of entries: ifMatch, ifNoneMatch, ifNoneExist, criteria in the URL.
#[test]
fn entries_may_have_conditions() {
    on_each(|server| {
        let value = unique("batch");
        let identified = |more: Value| with(patient(json!({ "identifier": [{ "value": value }] })), more);
        let id = created(server, &identified(json!({})));
        let conditional = |mut entry: Value, name: &str, value: &str| {
            entry["request"][name] = json!(value);
            entry
        };
        let path = format!("Patient/{id}");
        let other = format!("Patient/{}", created(server, &patient(json!({}))));
        let criteria = format!("identifier={value}");
        let answer = server.post(
            "",
            &bundle(
                "batch",
                vec![
                    conditional(entry("PUT", &path, identified(json!({ "id": id }))), "ifMatch", "W/\"9\""),
                    conditional(entry("GET", &other, Value::Null), "ifNoneMatch", "W/\"1\""),
                    conditional(entry("POST", "Patient", identified(json!({}))), "ifNoneExist", &criteria),
                    entry("PUT", &format!("Patient?{criteria}"), identified(json!({ "active": true }))),
                    entry("DELETE", &format!("Patient?identifier={}", unique("nobody")), Value::Null),
                ],
            ),
        );
        assert_eq!(statuses(&answer.body), ["412", "304", "200", "200", "200"], "{}", answer.body);
        assert_eq!(got(server, &path)["active"], json!(true));
        finds(server, &format!("Patient?{criteria}"), &[&id]);
    });
}

/// An empty batch is answered with an empty one.
#[test]
fn may_be_empty() {
    on_each(|server| {
        let answer = server.post("", &json!({ "resourceType": "Bundle", "type": "batch" }));
        assert_eq!((answer.status, &answer.body["type"]), (200, &json!("batch-response")));
        assert_eq!(answer.body.get("entry"), None);
    });
}

/// What is wrong with the Bundle itself refuses it whole.
#[test]
fn that_is_no_bundle_is_refused() {
    on_each(|server| {
        refused(&server.post("", &json!({ "resourceType": "Bundle", "type": "batch", "entry": {} })), 400);
        refused(&server.post("", &json!({ "resourceType": "Bundle", "type": "batch", "entry": [] })), 400);
    });
}

/// http.html#ops: Prefer holds for the entries.
#[test]
fn prefer_representation_gives_what_was_written() {
    on_each(|server| {
        let sent = bundle("batch", vec![entry("POST", "Patient", patient(json!({ "active": true })))]);
        let headers = [("Prefer", "return=representation")];
        let answer = server.send("POST", "", &headers, Some(&sent));
        assert_eq!(entries(&answer.body)[0]["resource"]["active"], json!(true));
    });
}
