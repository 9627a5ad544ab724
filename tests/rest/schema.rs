//! JSON Schemas of the resource types.

use serde_json::json;

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

#[test]
fn what_is_no_schema_is_not_found() {
    on_each(|server| {
        let answer = root(server, "schema/Patiens.json");
        assert_eq!(answer.status, 404);
        assert_eq!(answer.body["resourceType"], "OperationOutcome");
    });
}
