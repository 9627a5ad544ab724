//! `/openapi.json`: the API described, from the tables that serve it.

use serde_json::Value;

use crate::common::{Answer, Server, agent, exchange};
use crate::support::{created, on_each, patient, refused};

fn document(server: &Server, query: &str) -> Answer {
    let root = format!("http://{}", server.address());
    exchange(&agent(), &root, "GET", &format!("openapi.json{query}"), &[], None).unwrap()
}

/// Each example of a request body is taken where the document says it goes.
#[test]
fn the_examples_work() {
    on_each(|server| {
        let document = document(server, "").body;
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["servers"][0]["url"], format!("http://{}", server.address()));
        let mut sent = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            let Some(reference) = item["post"]["requestBody"]["$ref"].as_str() else { continue };
            let body = document.pointer(reference.trim_start_matches('#')).unwrap();
            let examples = &body["content"]["application/fhir+json"]["examples"];
            for (_, example) in examples.as_object().into_iter().flatten() {
                let path = path.strip_prefix("/fhir").unwrap().trim_start_matches('/');
                let answer = server.post(path, &example["value"]);
                assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.body);
                let statuses = answer.body["entry"].as_array().into_iter().flatten();
                let statuses: Vec<&Value> = statuses.map(|entry| &entry["response"]["status"]).collect();
                assert!(statuses.iter().all(|status| status.as_str().is_some_and(|status| status.starts_with('2')) || status.is_null()));
                sent += 1;
            }
        }
        assert!(sent > 8, "{sent}");
        let patch = &document["components"]["requestBodies"]["patch"]["content"]["application/json-patch+json"];
        let id = created(server, &patient(serde_json::json!({})));
        let headers = [("Content-Type", "application/json-patch+json")];
        let example = &patch["examples"]["replace"]["value"];
        assert_eq!(server.send("PATCH", &format!("Patient/{id}"), &headers, Some(example)).status, 200);
    });
}

/// Every path that needs no id answers GET.
#[test]
fn the_paths_are_there() {
    on_each(|server| {
        let document = document(server, "").body;
        let root = format!("http://{}", server.address());
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.len() > 6 * 146, "{}", paths.len());
        for (path, item) in paths {
            let needs = item["get"]["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|parameter| parameter["required"] == true);
            if item["get"].is_object() && !path.contains(['{', '$']) && !needs {
                let answer = exchange(&agent(), &root, "GET", path.trim_start_matches('/'), &[], None).unwrap();
                assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            }
        }
    });
}

/// Narrowed to some types it brings their schemas along.
#[test]
fn some_types_bring_their_schemas() {
    on_each(|server| {
        let narrowed = document(server, "?type=Patient").body;
        assert!(narrowed["paths"]["/fhir/Patient/{id}"].is_object());
        assert!(narrowed["paths"].get("/fhir/Observation").is_none());
        let contact = &narrowed["components"]["schemas"]["Patient"]["properties"]["contact"]["items"]["$ref"];
        assert_eq!(contact, "#/components/schemas/Patient.contact");
        for wrong in ["?type=Patiens", "?nonsense=1"] {
            refused(&document(server, wrong), 400);
        }
    });
}
