//! `List/$find` (FHIR R4 list-operation-find.html).

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{created, finds, got, on_each, patient, refused, tagged, unique};

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

/// search.html#list: `_list=$current-problems` is what the current Lists for the function hold; of patients without
/// one, what their records say is current.
#[test]
fn functional_lists_are_searched() {
    on_each(|server| {
        let tag = unique("list");
        let coded = |code: &str| json!({ "coding": [{ "code": code }] });
        let problem = |patient: &str, status: &str| {
            let about = json!({ "resourceType": "Condition", "subject": { "reference": format!("Patient/{patient}") },
                "clinicalStatus": coded(status), "verificationStatus": coded("confirmed"), "code": { "text": "x" } });
            created(server, &tagged(about, &tag))
        };
        let (with, without) = (created(server, &patient(json!({}))), created(server, &patient(json!({}))));
        let (listed, _) = (problem(&with, "inactive"), problem(&with, "active"));
        let item = |id: &str| json!([{ "item": { "reference": format!("Condition/{id}") } }]);
        list(server, &with, json!({ "code": coded("$current-problems"), "entry": item(&listed) }));
        let (current, past) = (problem(&without, "relapse"), problem(&without, "resolved"));
        list(server, &without, json!({ "code": coded("current-problems"), "status": "retired", "entry": item(&past) }));
        list(server, &without, json!({ "code": coded("current-allergies"), "entry": item(&past) }));
        let is = |query: &str, ids: &[&str]| finds(server, &format!("Condition?_tag={tag}&{query}"), ids);
        is("_list=$current-problems", &[&listed, &current]);
        is(&format!("_list=$current-problems&patient={with}"), &[&listed]);
        is(&format!("_list=$current-problems&patient={without}"), &[&current]);
        is("_list=$current-allergies", &[&past]);
        is("_list=$current-medications", &[]);
        let allergy = |kind: &str| {
            let about = json!({ "resourceType": "AllergyIntolerance", "patient": { "reference": format!("Patient/{with}") },
                "clinicalStatus": coded("active"), "category": [kind] });
            created(server, &tagged(about, &tag))
        };
        let (food, drug) = (allergy("food"), allergy("medication"));
        finds(server, &format!("AllergyIntolerance?_tag={tag}&_list=$current-allergies"), &[&food, &drug]);
        finds(server, &format!("AllergyIntolerance?_tag={tag}&_list=$current-drug-allergies"), &[&drug]);
        let why = refused(&server.get("Condition?_list=$current-nonsense"), 400);
        assert!(why.contains("$current-problems"), "{why}");
        refused(&server.get("?_list=$current-problems"), 400);
    });
}
