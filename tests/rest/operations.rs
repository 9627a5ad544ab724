//! How operations are invoked (FHIR R4 operations.html#executing): place, method, parameters.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::{agent, exchange};
use crate::support::{bundle, entry, got, on_each, on_each_alone, place, refused, versions};

fn document() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/samples/discharge-hip-fracture.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn parameters(list: Value) -> Value {
    match list.as_array() {
        Some(list) if list.is_empty() => json!({ "resourceType": "Parameters" }),
        _ => json!({ "resourceType": "Parameters", "parameter": list }),
    }
}

/// An unknown name, and a known one at a place where it is not, say so.
#[test]
fn an_operation_that_is_not_there_says_where_it_is() {
    on_each(|server| {
        for path in ["$nonsense", "Patient/$nonsense", "Patient/1/$nonsense", "Patient/1/_history/1/$nonsense"] {
            assert!(refused(&server.get(path), 404).contains("metadata"));
            refused(&server.post(path, &parameters(json!([]))), 404);
        }
        for path in ["$ingest-document", "Patient/$ingest-document", "Bundle/1/$ingest-document"] {
            assert!(refused(&server.post(path, &document()), 404).contains("[base]/Bundle/$ingest-document"));
        }
        refused(&server.get("Nonsense/$ingest-document"), 404);
        refused(&server.get("Patient/$ingest-document/more"), 404);
        refused(&server.get("Patient/!/$ingest-document"), 400);
    });
}

/// operations.html: only what does not affect state goes by GET.
#[test]
fn what_writes_goes_by_post() {
    on_each(|server| {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = server.send(method, "Bundle/$ingest-document", &[], None);
            assert_eq!(answer.header("allow"), "POST");
            refused(&answer, 405);
        }
    });
}

/// A resource that is the only one among the parameters may be the body, or be in Parameters.
#[test]
fn a_resource_comes_bare_or_in_parameters() {
    on_each_alone(|server| {
        let inside = parameters(json!([{ "name": "document", "resource": document() }]));
        for body in [document(), inside] {
            let answer = server.post("Bundle/$ingest-document", &body);
            assert_eq!((answer.status, &answer.body["resourceType"]), (200, &json!("Parameters")), "{}", answer.body);
        }
        let headers = [("Prefer", "return=OperationOutcome")];
        let answer = server.send("POST", "Bundle/$ingest-document", &headers, Some(&document()));
        assert_eq!(answer.body["resourceType"], "OperationOutcome");
    });
}

/// Names, numbers and types of parameters are those of the OperationDefinition.
#[test]
fn parameters_are_compared_with_the_definition() {
    on_each_alone(|server| {
        let invoke = |list: Value| server.post("Bundle/$ingest-document", &parameters(list));
        let document = || json!({ "name": "document", "resource": document() });
        let missing = refused(&invoke(json!([])), 400);
        assert!(missing.contains("document is missing"), "{missing}");
        let answer = invoke(json!([document(), { "name": "nonsense", "valueString": "x" }]));
        assert!(refused(&answer, 400).contains("it takes document"));
        assert_eq!(place(&answer.body), "Parameters.parameter.where(name='nonsense')");
        refused(&invoke(json!([document(), document()])), 400);
        refused(&invoke(json!([{ "name": "document", "valueString": "x" }])), 400);
        refused(&invoke(json!([{ "name": "document", "resource": { "resourceType": "Patient" } }])), 400);
        refused(&invoke(json!([{ "valueString": "x" }])), 400);
        refused(&server.post("Bundle/$ingest-document?nonsense=1", &parameters(json!([document()]))), 400);
        refused(&server.post("Bundle/$ingest-document?document=1", &parameters(json!([]))), 400);
        assert_eq!(versions(server), 0);
        let lenient = [("Prefer", "handling=lenient")];
        let body = parameters(json!([document(), { "name": "nonsense", "valueString": "x" }]));
        let answer = server.send("POST", "Bundle/$ingest-document", &lenient, Some(&body));
        assert_eq!(answer.status, 200, "{}", answer.body);
    });
}

/// What is neither a resource nor JSON is refused.
#[test]
fn other_bodies_are_refused() {
    on_each(|server| {
        let send = |media: &str, body: &str| {
            let headers = [("Content-Type", media)];
            exchange(&agent(), &server.base, "POST", "Bundle/$ingest-document", &headers, Some(body.into())).unwrap()
        };
        refused(&send("text/plain", "x"), 415);
        refused(&send("application/fhir+json", "{"), 400);
        refused(&send("application/fhir+json", "{}"), 400);
        refused(&send("application/fhir+json", "[]"), 400);
        refused(&send("application/fhir+json", ""), 400);
    });
}

/// http.html#transaction: operations are entries of a batch; a transaction could not undo them.
#[test]
fn an_operation_is_an_entry_of_a_batch() {
    on_each_alone(|server| {
        let entries = || {
            vec![
                entry("POST", "Bundle/$ingest-document", document()),
                entry("POST", "Bundle/$nonsense", Value::Null),
                entry("GET", "Bundle/$ingest-document", Value::Null),
            ]
        };
        let answer = server.post("", &bundle("batch", entries()));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let entries_of = &answer.body["entry"];
        assert_eq!(entries_of[0]["resource"]["resourceType"], "Parameters", "{entries_of}");
        assert_eq!(entries_of[0]["response"]["status"], "200 OK");
        assert_eq!(entries_of[1]["response"]["status"], "404 Not Found");
        assert_eq!(entries_of[2]["response"]["status"], "405 Method Not Allowed");
        refused(&server.post("", &bundle("transaction", entries())), 501);
    });
}

/// The CapabilityStatement names every operation with its definition.
#[test]
fn the_capability_statement_names_them() {
    on_each(|server| {
        let statement = got(server, "metadata");
        let resources = statement["rest"][0]["resource"].as_array().unwrap();
        let of_bundle = resources.iter().find(|resource| resource["type"] == "Bundle").unwrap();
        let named = of_bundle["operation"].as_array().unwrap();
        let ingest = named.iter().find(|operation| operation["name"] == "ingest-document").unwrap();
        assert_eq!(ingest["definition"], "http://renraku.example/fhir/OperationDefinition/Bundle-ingest-document");
    });
}
