//! A hospital's own system brings the summary of somebody whom it is the first to know, and of somebody it is not.

use serde_json::{Value, json};

use crate::common::{Answer, databases};
use crate::town::{SUBJECTS, Town, secret};

const SAMPLE: &str = include_str!("../../conformance/samples/discharge-hip-fracture.json");

fn hospital(town: &Town, organization: &str) -> String {
    town.signed(json!({ "sub": organization, "client_id": organization, "organization": format!("Organization/{organization}"), "scope": "system/*.cruds" }))
}

/// The sample with numbers of its own.
fn document(number: &str) -> Value {
    serde_json::from_str(&SAMPLE.replace("0000123", number)).unwrap()
}

fn send(town: &Town, token: &str, document: &Value) -> Answer {
    town.ask(token, "POST", "fhir/Bundle/$ingest-document", &[], Some(document.to_string().as_bytes()))
}

fn said<'a>(answer: &'a Answer, name: &str) -> &'a Value {
    let parts = answer.body["parameter"].as_array().unwrap();
    parts.iter().find(|part| part["name"] == name).unwrap_or(&Value::Null)
}

fn patient_of(answer: &Answer) -> String {
    said(answer, "patient")["valueReference"]["reference"].as_str().unwrap().to_owned()
}

#[test]
fn a_hospital_brings_somebody_whom_it_is_the_first_to_know() {
    for database in databases() {
        let town = Town::start(&database);
        let (own, other) = (hospital(&town, "hospital"), hospital(&town, "hut"));
        let answer = send(&town, &own, &document("0000777"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(said(&answer, "created")["valueUnsignedInt"].as_u64().unwrap() > 30);
        let patient = patient_of(&answer);
        let status = |token: &str, path: &str| town.ask(token, "GET", &format!("fhir/{path}"), &[], None).status;
        assert_eq!((status(&own, &patient), status(&other, &patient)), (200, 404));
        let count = |token: &str, path: String| {
            town.ask(token, "GET", &format!("fhir/{path}"), &[], None).body["total"].as_u64()
        };
        assert!(count(&own, format!("Condition?patient={patient}")).unwrap() > 0);
        assert_eq!(count(&other, format!("Condition?patient={patient}")), Some(0));
        // Who sent it is told to those who see the citizen.
        let told = town.ask(&own, "GET", &format!("fhir/Provenance?target={patient}"), &[], None);
        assert!(told.body.to_string().contains("Organization/hospital"), "{}", told.body);
        let team = town.ask(&own, "GET", &format!("fhir/CareTeam?patient={patient}"), &[], None).body;
        assert_eq!(team["entry"][0]["resource"]["participant"][0]["member"]["reference"], "Organization/hospital");
        // Sent twice, it changes nothing.
        let again = send(&town, &own, &document("0000777"));
        assert_eq!(again.status, 200, "{}", again.body);
        for name in ["created", "updated", "deleted"] {
            assert_eq!(said(&again, name)["valueUnsignedInt"], 0, "{name}: {}", again.body);
        }
        // Another's document of the same name is not overwritten, nor is the citizen taken over.
        let before = town.ask(&town.token(&SUBJECTS[16]), "GET", &format!("fhir/{patient}"), &[], None).body;
        let stolen = send(&town, &other, &document("0000777"));
        assert!(matches!(stolen.status, 400..=499), "{}", stolen.body);
        assert!(!stolen.body.to_string().contains(patient.trim_start_matches("Patient/")));
        assert_eq!(town.ask(&town.token(&SUBJECTS[16]), "GET", &format!("fhir/{patient}"), &[], None).body, before);
    }
}

/// A citizen who is here and not the hospital's to see is neither found, changed nor told of.
#[test]
fn a_hospital_does_not_learn_who_is_here() {
    for database in databases() {
        let town = Town::start(&database);
        let root = town.token(&SUBJECTS[16]);
        let place = document("1")["entry"]
            .as_array()
            .unwrap()
            .iter()
            .position(|entry| entry["resource"]["resourceType"] == "Patient")
            .unwrap();
        let of = |number: &str, identifier: String| {
            let mut document = document(number);
            document["entry"][place]["resource"]["identifier"] = json!([{ "system": "urn:town", "value": identifier }]);
            document
        };
        let before = town.ask(&root, "GET", "fhir/Patient/shimin-b", &[], None).body;
        let own = hospital(&town, "hospital");
        // Institutions and people that came with a document are not made anew.
        assert_eq!(send(&town, &own, &of("0000800", "no-one-else".to_owned())).status, 200);
        let (known, unknown) = (
            send(&town, &own, &of("0000801", format!("no-{}", secret("b")))),
            send(&town, &own, &of("0000802", "no-nobody".to_owned())),
        );
        assert_eq!((known.status, unknown.status), (200, 200), "{} {}", known.body, unknown.body);
        assert_ne!(patient_of(&known), "Patient/shimin-b");
        for name in ["created", "updated", "deleted", "unchanged"] {
            assert_eq!(said(&known, name)["valueUnsignedInt"], said(&unknown, name)["valueUnsignedInt"], "{name}");
        }
        assert_eq!(town.ask(&root, "GET", "fhir/Patient/shimin-b", &[], None).body, before);
        assert_eq!(town.ask(&own, "GET", "fhir/Patient/shimin-b", &[], None).status, 404);
        // Nor does a document carry something to somebody it is not about, or a role.
        let mut smuggled = of("0000803", "no-nobody-2".to_owned());
        smuggled["entry"].as_array_mut().unwrap().push(json!({ "fullUrl": "urn:uuid:5f3c2a00-0000-4000-8000-0000000000aa", "resource": {
            "resourceType": "Observation", "status": "final", "code": { "text": "x" }, "subject": { "reference": "Patient/shimin-b" } } }));
        assert!(matches!(send(&town, &own, &smuggled).status, 400..=499));
        let mut role = of("0000804", "no-nobody-3".to_owned());
        role["entry"].as_array_mut().unwrap().push(json!({ "fullUrl": "urn:uuid:5f3c2a00-0000-4000-8000-0000000000ab", "resource": {
            "resourceType": "PractitionerRole", "practitioner": { "reference": "Practitioner/nobody" }, "organization": { "reference": "Organization/city" },
            "code": [{ "coding": [{ "system": "urn:x", "code": "municipal-officer" }] }] } }));
        assert!(matches!(send(&town, &own, &role).status, 400..=499));
        // Outside of a document it writes what it always might.
        let bundle = json!({ "resourceType": "Bundle", "id": "mine", "type": "collection" }).to_string();
        let answer = town.ask(&own, "PUT", "fhir/Bundle/mine", &[], Some(bundle.as_bytes()));
        assert!(matches!(answer.status, 403 | 404), "{} {}", answer.status, answer.body);
    }
}
