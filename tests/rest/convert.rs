//! `$convert` (FHIR R4 resource-operation-convert.html) and `$versions` (capabilitystatement-operation-versions.html).

use serde_json::json;

use crate::common::{agent, exchange};
use crate::support::{got, on_each, patient, refused};

/// JSON to XML and back, digits kept, nothing stored.
#[test]
fn converts_between_json_and_xml() {
    on_each(|server| {
        let body = r#"{"resourceType":"Observation","status":"final","code":{"text":"身長"},"valueQuantity":{"value":148.50}}"#;
        let send = |headers: &[(&str, &str)], body: &[u8]| {
            exchange(&agent(), &server.base, "POST", "$convert", headers, Some(body.to_vec())).unwrap()
        };
        let xml = send(&[("Accept", "application/fhir+xml")], body.as_bytes());
        assert_eq!(xml.header("content-type"), "application/fhir+xml; charset=utf-8");
        let text = String::from_utf8(xml.bytes).unwrap();
        assert!(text.contains("<value value=\"148.50\"/>"), "{text}");
        let back =
            send(&[("Content-Type", "application/fhir+xml"), ("Accept", "application/fhir+json")], text.as_bytes());
        assert_eq!(String::from_utf8(back.bytes).unwrap(), body);
    });
}

#[test]
fn wrong_resources_are_refused() {
    on_each(|server| {
        refused(&server.post("$convert", &json!({ "resourceType": "Patient", "birthday": 1 })), 400);
        refused(&server.post("$convert", &json!({ "resourceType": "Nonsense" })), 400);
        refused(&server.post("$convert", &json!({ "resourceType": "Parameters" })), 400);
        refused(&server.get("$convert"), 405);
        refused(&server.post("Patient/$convert", &patient(json!({}))), 404);
    });
}

/// "Use the major.minor version like 3.0".
#[test]
fn versions_are_major_and_minor() {
    on_each(|server| {
        let versions = got(server, "$versions");
        let expected = json!([{ "name": "version", "valueCode": "4.0" }, { "name": "default", "valueCode": "4.0" }]);
        assert_eq!(versions["parameter"], expected);
        refused(&server.get("$versions?nonsense=1"), 400);
    });
}
