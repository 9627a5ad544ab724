//! The capabilities interaction (FHIR R4 http.html#capabilities).

use serde_json::json;

use crate::support::{got, on_each, refused};

/// What the server says of itself.
#[test]
fn is_a_capability_statement_of_r4() {
    on_each(|server| {
        let statement = got(server, "metadata");
        assert_eq!(statement["resourceType"], "CapabilityStatement");
        assert_eq!(statement["fhirVersion"], "4.0.1");
        assert_eq!(statement["kind"], "instance");
        assert_eq!(statement["implementation"]["url"], json!(server.base));
        assert_eq!(
            statement["format"],
            json!([
                "application/fhir+json",
                "json",
                "application/fhir+xml",
                "xml",
                "application/fhir+ndjson",
                "ndjson"
            ])
        );
    });
}

/// Every resource type with its interactions and search parameters; every parameter it names works.
#[test]
fn lists_what_the_server_really_does() {
    on_each(|server| {
        let statement = got(server, "metadata");
        let resources = statement["rest"][0]["resource"].as_array().unwrap();
        assert_eq!(resources.len(), 146);
        let patient = resources.iter().find(|resource| resource["type"] == "Patient").unwrap();
        assert_eq!(patient["conditionalDelete"], "single");
        assert_eq!(patient["updateCreate"], json!(true));
        for kind in ["Patient", "Observation", "MedicationRequest", "Location", "Questionnaire", "MolecularSequence"] {
            let resource = resources.iter().find(|resource| resource["type"] == kind).unwrap();
            for parameter in resource["searchParam"].as_array().unwrap() {
                let name = parameter["name"].as_str().unwrap();
                if parameter["type"] != "composite" && !name.starts_with('_') {
                    let sort = if parameter["type"] == "special" { "_id" } else { name };
                    let answer = server.get(&format!("{kind}?{name}:missing=true&_count=1&_sort=-{sort}"));
                    assert_eq!(answer.status, 200, "{kind}?{name}: {}", answer.body);
                }
            }
            for include in resource["searchInclude"].as_array().unwrap() {
                let include = include.as_str().unwrap();
                let answer = server.get(&format!("{kind}?_count=1&_include={include}"));
                assert_eq!(answer.status, 200, "{kind}?_include={include}: {}", answer.body);
            }
            for include in resource["searchRevInclude"].as_array().into_iter().flatten() {
                let include = include.as_str().unwrap();
                let answer = server.get(&format!("{kind}?_count=1&_revinclude={include}"));
                assert_eq!(answer.status, 200, "{kind}?_revinclude={include}: {}", answer.body);
            }
        }
    });
}

/// http.html#capabilities: `mode`; other methods are not possible.
#[test]
fn takes_mode_and_nothing_else() {
    on_each(|server| {
        got(server, "metadata?mode=full");
        got(server, "metadata?_format=json");
        assert_eq!(got(server, "metadata?mode=terminology")["resourceType"], "TerminologyCapabilities");
        refused(&server.get("metadata?mode=nonsense"), 501);
        refused(&server.get("metadata?nonsense=1"), 400);
        assert!(refused(&server.post("metadata", &json!({})), 405).contains("GET"));
    });
}
