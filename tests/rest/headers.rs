//! Negotiation and headers (FHIR R4 http.html#mime-type, #version-parameter).

use serde_json::json;

use crate::common::{Answer, Server};
use crate::support::{on_each, patient, refused};

fn get(server: &Server, path: &str, accept: &str) -> Answer {
    server.send("GET", path, &[("Accept", accept)], None)
}

/// JSON and XML in FHIR 4.0 are what there is; JSON wins ties.
#[test]
fn what_can_be_served_is_served() {
    on_each(|server| {
        for accept in [
            "application/fhir+json",
            "application/fhir+json; fhirVersion=4.0",
            "application/fhir+json;fhirVersion=\"4.0\"",
            "text/turtle, application/fhir+json;q=0.1",
            "application/fhir+xml;q=0.1, application/fhir+json;q=0.2",
            "application/fhir+xml, application/fhir+json",
            "*/*",
            "application/*",
        ] {
            let answer = get(server, "Patient?_count=0", accept);
            assert_eq!(answer.status, 200, "{accept}: {}", answer.body);
            assert!(answer.header("content-type").starts_with("application/fhir+json"), "{accept}");
        }
        assert!(get(server, "metadata", "application/json").header("content-type").starts_with("application/json"));
    });
}

/// 406 for other formats and other versions of FHIR, as an OperationOutcome nevertheless.
#[test]
fn what_cannot_be_served_is_406() {
    on_each(|server| {
        for accept in [
            "text/turtle",
            "application/fhir+turtle",
            "application/fhir+xml; fhirVersion=3.0",
            "application/fhir+json;q=0",
            "application/fhir+json; fhirVersion=3.0",
            "application/fhir+json; fhirVersion=5.0",
        ] {
            refused(&get(server, "Patient?_count=0", accept), 406);
        }
    });
}

/// http.html#parameters: `_format` overrides Accept.
#[test]
fn format_overrides_accept() {
    on_each(|server| {
        for format in ["json", "application/json", "application/fhir%2Bjson", "application/fhir+json", "text/json"] {
            let answer = get(server, &format!("Patient?_count=0&_format={format}"), "application/fhir+xml");
            assert_eq!(answer.status, 200, "{format}: {}", answer.body);
        }
        for format in ["ttl", "application/fhir%2Bturtle", "nonsense"] {
            refused(&get(server, &format!("Patient?_count=0&_format={format}"), "application/fhir+json"), 406);
        }
    });
}

/// Bodies are JSON or XML in UTF-8; anything else is 415.
#[test]
fn bodies_of_other_types_are_415() {
    on_each(|server| {
        let post = |kind: &str| server.send("POST", "Patient", &[("Content-Type", kind)], Some(&patient(json!({}))));
        for kind in [
            "application/fhir+turtle",
            "text/turtle",
            "application/fhir+xml; charset=utf-16",
            "application/fhir+xml; fhirVersion=5.0",
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/fhir+json; charset=shift_jis",
            "application/fhir+json; fhirVersion=3.0",
        ] {
            refused(&post(kind), 415);
        }
        for kind in
            ["application/json", "application/fhir+json; charset=UTF-8", "application/fhir+json; fhirVersion=4.0"]
        {
            assert_eq!(post(kind).status, 201, "{kind}");
        }
        let compressed = [("Content-Encoding", "compress")];
        refused(&server.send("POST", "Patient", &compressed, Some(&patient(json!({})))), 415);
    });
}

/// Links and Locations use the host the client used.
#[test]
fn links_use_the_requests_host() {
    on_each(|server| {
        let answer = server.send("POST", "Patient", &[("Host", "fhir.example:8443")], Some(&patient(json!({}))));
        assert!(answer.header("location").starts_with("http://fhir.example:8443/fhir/Patient/"));
        // Nobody said that this client is a proxy.
        let headers = [("X-Forwarded-Host", "evil.example"), ("Forwarded", "host=evil.example")];
        let answer = server.send("GET", "Patient?_count=0", &headers, None);
        assert!(!answer.body.to_string().contains("evil.example"));
    });
}
