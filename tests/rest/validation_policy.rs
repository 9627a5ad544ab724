//! How strictly writes must be valid: `--validation` and `--validation-rules`.

use serde_json::json;

use crate::common::{Server, agent, databases, exchange};
use crate::support::{bundle, entry, patient, refused, unique, with};

fn with_policy(arguments: &[&str], test: impl Fn(&Server)) {
    for database in databases() {
        println!("on {}", database.kind());
        test(&Server::start(&database.url, arguments));
    }
}

#[test]
fn what_is_to_be_valid_is_refused_with_422_on_every_way() {
    with_policy(&["--validation=off", "--validation-rules=Patient=reject"], |server| {
        let wrong = patient(json!({ "gender": "unclear" }));
        let answer = server.post("Patient", &wrong);
        assert!(refused(&answer, 422).contains("gender"), "{}", answer.body);
        assert_eq!(answer.body["issue"][0]["expression"], json!(["Patient.gender"]));
        let id = unique("policy");
        refused(&server.put(&format!("Patient/{id}"), &with(wrong.clone(), json!({ "id": id }))), 422);
        let transaction = bundle("transaction", vec![entry("POST", "Patient", wrong)]);
        refused(&server.post("", &transaction), 422);
        assert_eq!(server.post("Patient", &patient(json!({ "gender": "female" }))).status, 201);
        let other = json!({ "resourceType": "Practitioner", "gender": "unclear" });
        assert_eq!(server.post("Practitioner", &other).status, 201, "another type is not looked at");
    });
}

#[test]
fn a_warning_is_stored_and_told() {
    with_policy(&["--validation=warn"], |server| {
        let headers = [("Prefer", "return=OperationOutcome"), ("Content-Type", "application/fhir+json")];
        let body = patient(json!({ "gender": "unclear" })).to_string();
        let answer = exchange(&agent(), &server.base, "POST", "Patient", &headers, Some(body.into())).unwrap();
        assert_eq!(answer.status, 201);
        assert!(!answer.header("x-validation-issues").is_empty());
        assert!(answer.body.to_string().contains("Patient.gender"), "{}", answer.body);
    });
}

/// The rule of a profile that a resource claims goes before that of its type.
#[test]
fn profiles_decide_before_types() {
    let rules = "--validation-rules=http://hl7.org/fhir/StructureDefinition/bp=reject,Observation=off";
    with_policy(&["--validation=off", rules], |server| {
        let plain = crate::support::observation(json!({}));
        assert_eq!(server.post("Observation", &plain).status, 201);
        let claiming = with(plain, json!({ "meta": { "profile": ["http://hl7.org/fhir/StructureDefinition/bp"] } }));
        refused(&server.post("Observation", &claiming), 422);
    });
}
