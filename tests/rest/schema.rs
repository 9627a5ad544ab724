//! JSON Schemas of the resource types.

use serde_json::{Value, json};

use crate::common::{Answer, Server, agent, exchange};
use crate::support::on_each;

fn root(server: &Server, path: &str) -> Answer {
    exchange(&agent(), server.base.trim_end_matches("/fhir"), "GET", path, &[], None).unwrap()
}

#[test]
fn every_type_has_a_schema_at_its_address() {
    on_each(|server| {
        let list = root(server, "schema");
        assert_eq!(list.status, 200);
        assert_eq!(list.body["schemas"].as_array().unwrap().len(), 147);
        let patient = root(server, "schema/Patient.json");
        assert_eq!(patient.header("content-type"), "application/schema+json");
        let validator = jsonschema::draft202012::new(&patient.body).unwrap();
        assert!(validator.is_valid(&json!({ "resourceType": "Patient", "birthDate": "1941-05-03" })));
        assert!(!validator.is_valid(&json!({ "resourceType": "Patient", "birthDate": 1941 })));
    });
}

/// A profile adds to the schema of its type what JSON Schema can say: here cardinality, small bindings, slices.
#[test]
fn a_profile_has_a_schema_too() {
    on_each(|server| {
        let bp = "http://hl7.org/fhir/StructureDefinition/bp";
        let schema = root(server, &format!("schema/Observation.json?profile={bp}"));
        assert_eq!(schema.status, 200, "{}", schema.body);
        let validator = jsonschema::draft202012::new(&schema.body).unwrap();
        let component = |code: &str| {
            json!({ "code": { "coding": [{ "system": "http://loinc.org", "code": code }] },
                "valueQuantity": { "value": 80, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]" } })
        };
        let good = json!({ "resourceType": "Observation", "status": "final",
            "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs" }] }],
            "code": { "coding": [{ "system": "http://loinc.org", "code": "85354-9" }] }, "subject": { "reference": "Patient/1" },
            "effectiveDateTime": "2026-01-05", "component": [component("8480-6"), component("8462-4")] });
        let complaints: Vec<String> = validator.iter_errors(&good).map(|error| error.to_string()).collect();
        assert!(complaints.is_empty(), "{complaints:?}");
        for (change, value) in [
            ("/status", json!("unheard-of")),
            ("/subject", Value::Null),
            ("/component", json!([component("8480-6")])),
            ("/component/0/valueQuantity/code", json!("kPa")),
        ] {
            let mut wrong = good.clone();
            if value.is_null() {
                wrong.as_object_mut().unwrap().remove(change.trim_start_matches('/'));
            } else {
                *wrong.pointer_mut(change).unwrap() = value;
            }
            assert!(!validator.is_valid(&wrong), "{change}");
        }
        assert_eq!(root(server, &format!("schema/Patient.json?profile={bp}")).status, 400);
        assert_eq!(root(server, "schema?profile=http://nowhere.example/p").status, 404);
    });
}

#[test]
fn what_is_no_schema_is_not_found() {
    on_each(|server| {
        let answer = root(server, "schema/Patiens.json");
        assert_eq!(answer.status, 404);
        assert_eq!(answer.body["resourceType"], "OperationOutcome");
    });
}
