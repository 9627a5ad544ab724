//! Conditional delete (FHIR R4 http.html#3.1.0.7.1): single, as the CapabilityStatement says.

use serde_json::{Value, json};

use crate::support::{created, finds, on_each, patient, refused, unique};

fn identified(value: &str) -> Value {
    patient(json!({ "identifier": [{ "value": value }] }))
}

/// "No matches or One Match: The server performs an ordinary delete on the matching resource".
#[test]
fn with_one_match_deletes_it() {
    on_each(|server| {
        let value = unique("cd");
        let id = created(server, &identified(&value));
        let answer = server.delete(&format!("Patient?identifier={value}"));
        assert_eq!((answer.status, &answer.body["resourceType"]), (200, &json!("OperationOutcome")));
        refused(&server.get(&format!("Patient/{id}")), 410);
    });
}

/// Nothing to delete is no error.
#[test]
fn without_a_match_is_no_error() {
    on_each(|server| {
        let answer = server.delete(&format!("Patient?identifier={}", unique("cd")));
        assert_eq!((answer.status, &answer.body["resourceType"]), (200, &json!("OperationOutcome")));
        assert!(answer.body["issue"][0]["diagnostics"].as_str().unwrap().contains("nothing was deleted"));
    });
}

/// "Multiple matches: A server may choose to … return a 412".
#[test]
fn with_several_matches_deletes_none() {
    on_each(|server| {
        let value = unique("cd");
        let (one, two) = (created(server, &identified(&value)), created(server, &identified(&value)));
        refused(&server.delete(&format!("Patient?identifier={value}")), 412);
        finds(server, &format!("Patient?identifier={value}"), &[&one, &two]);
    });
}

/// Without criteria it would delete anything; an unknown parameter must not widen it.
#[test]
fn without_criteria_is_refused() {
    on_each(|server| {
        for path in ["Patient", "Patient?", "Patient?identifier=", "Patient?_count=1"] {
            refused(&server.delete(path), 412);
        }
        refused(&server.delete("Patient?nonsense=1"), 400);
        let lenient = server.send("DELETE", "Patient?nonsense=1", &[("Prefer", "handling=lenient")], None);
        assert!(matches!(lenient.status, 400 | 412), "{}", lenient.body);
    });
}
