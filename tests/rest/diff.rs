//! `$diff`: a FHIRPath Patch (FHIR R4 fhirpatch.html) that makes one version or resource another.

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{content, created, got, on_each, patient, refused, stored, with};

/// Type, path and index of each operation.
fn said(parameters: &Value) -> Vec<String> {
    assert_eq!(parameters["resourceType"], "Parameters", "{parameters}");
    let part = |operation: &Value, name: &str| {
        let parts = operation["part"].as_array().unwrap();
        let found = parts.iter().find(|part| part["name"] == name)?;
        ["valueCode", "valueString", "valueInteger"]
            .iter()
            .map(|name| &found[*name])
            .find(|value| !value.is_null())
            .cloned()
    };
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let operations = parameters["parameter"].as_array().into_iter().flatten();
    operations
        .map(|operation| {
            let parts = ["type", "path", "name", "index"].into_iter().filter_map(|name| part(operation, name));
            parts.map(text).collect::<Vec<_>>().join(" ")
        })
        .collect()
}

fn versions(server: &Server) -> String {
    let first =
        patient(json!({ "gender": "male", "name": [{ "family": "見本", "given": ["一郎"] }, { "text": "T" }] }));
    let id = created(server, &first);
    let second = json!({
        "id": id, "name": [{ "family": "見本", "given": ["一郎", "太郎"] }, { "text": "U" }], "birthDate": "1941-02-03",
        "meta": { "tag": [{ "code": "x" }] }
    });
    stored(server, &patient(second));
    stored(server, &patient(json!({ "id": id, "active": true, "contact": [{ "name": { "text": "娘" } }] })));
    format!("Patient/{id}")
}

/// On a resource: with the version before, or another; of a version with the one before it.
#[test]
fn versions_are_compared() {
    on_each(|server| {
        let path = versions(server);
        let last = said(&got(server, &format!("{path}/$diff")));
        assert!(
            last.contains(&"add Patient active".to_owned()) && last.contains(&"delete Patient.birthDate".to_owned())
        );
        let first = [
            "add Patient birthDate",
            "add Patient.name[0] given",
            "replace Patient.name[1].text",
            "delete Patient.gender",
        ];
        assert_eq!(said(&got(server, &format!("{path}/_history/2/$diff"))), first);
        let with_meta = said(&got(server, &format!("{path}/_history/2/$diff?includeMeta=true")));
        assert!(with_meta.contains(&"add Patient meta".to_owned()), "{with_meta:?}");
        assert_eq!(said(&got(server, &format!("$diff?from={path}/_history/1&to={path}/_history/2"))), first);
        let none = got(server, &format!("{path}/$diff?fromVersion=3"));
        assert_eq!(said(&none), Vec::<String>::new());
    });
}

/// The answer is a patch: sent as PATCH of the first it gives the second.
#[test]
fn the_answer_is_a_patch() {
    on_each(|server| {
        let path = versions(server);
        let copy = with(content(&got(server, &format!("{path}/_history/1"))), json!({ "id": "diff-copy" }));
        for version in [2, 3] {
            stored(server, &copy);
            let patch = got(server, &format!("$diff?from=Patient/diff-copy&to={path}/_history/{version}"));
            let answer = server.send("PATCH", "Patient/diff-copy", &[], Some(&patch));
            assert_eq!(answer.status, 200, "{}", answer.body);
            let mut wanted = content(&got(server, &format!("{path}/_history/{version}")));
            wanted.as_object_mut().unwrap().remove("meta");
            assert_eq!(content(&got(server, "Patient/diff-copy")), wanted);
        }
    });
}

#[test]
fn what_cannot_be_compared_is_refused() {
    on_each(|server| {
        let id = created(server, &patient(json!({})));
        let other = created(server, &json!({ "resourceType": "Basic", "code": { "text": "x" } }));
        assert!(refused(&server.get(&format!("Patient/{id}/$diff")), 422).contains("no version before"));
        assert!(refused(&server.get(&format!("Patient/{id}/$diff?fromVersion=7")), 404).contains("no version"));
        refused(&server.get(&format!("Patient/{id}/$diff?from=Patient/{id}")), 400);
        refused(&server.get("Patient/nobody/$diff"), 404);
        assert!(refused(&server.get(&format!("$diff?from=Patient/{id}")), 400).contains("to is missing"));
        refused(&server.get(&format!("$diff?from=Patient/{id}&to=elsewhere")), 400);
        assert!(refused(&server.get(&format!("$diff?from=Patient/{id}&to=Basic/{other}")), 400).contains("one type"));
        server.delete(&format!("Patient/{id}"));
        refused(&server.get(&format!("$diff?from=Patient/{id}/_history/1&to=Patient/{id}/_history/2")), 410);
    });
}
