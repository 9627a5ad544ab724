//! `List/$find` (FHIR R4 list-operation-find.html).

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{created, got, on_each, patient, refused};

fn list(server: &Server, patient: &str, more: Value) -> String {
    let base = json!({ "resourceType": "List", "status": "current", "mode": "working", "subject": { "reference": format!("Patient/{patient}") } });
    created(server, &crate::support::with(base, more))
}

/// The current list for a function, the latest of several.
#[test]
fn finds_the_current_list() {
    on_each(|server| {
        let patient = created(server, &patient(json!({})));
        let code = json!({ "coding": [{ "code": "$current-problems" }] });
        list(server, &patient, json!({ "code": code, "date": "2025-01-01" }));
        let latest = list(server, &patient, json!({ "code": code, "date": "2025-02-01" }));
        list(server, &patient, json!({ "code": code, "date": "2025-03-01", "status": "retired" }));
        list(server, &patient, json!({ "code": { "coding": [{ "code": "current-allergies" }] } }));
        for name in ["$current-problems", "current-problems"] {
            assert_eq!(got(server, &format!("List/$find?patient={patient}&name={name}"))["id"], json!(latest));
        }
        assert_eq!(
            got(server, &format!("List/$find?patient={patient}&name=$current-allergies"))["resourceType"],
            "List"
        );
        refused(&server.get(&format!("List/$find?patient={patient}&name=current-medications")), 404);
        refused(&server.get("List/$find?patient=nobody&name=current-problems"), 404);
        refused(&server.get(&format!("List/$find?patient={patient}")), 400);
        refused(&server.get("List/$find?patient=no_id&name=x"), 400);
    });
}
