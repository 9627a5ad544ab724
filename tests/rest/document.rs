//! `Composition/$document` (FHIR R4 composition-operation-document.html).

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{got, observation, on_each, patient, refused, stored, unique, with};

fn composition(server: &Server, more: Value) -> String {
    let name = unique("compose");
    stored(server, &json!({ "resourceType": "Organization", "id": format!("{name}-org"), "name": "見本病院" }));
    stored(
        server,
        &json!({ "resourceType": "PractitionerRole", "id": format!("{name}-role"), "organization": { "reference": format!("Organization/{name}-org") } }),
    );
    stored(server, &patient(json!({ "id": format!("{name}-patient") })));
    stored(
        server,
        &observation(
            json!({ "id": format!("{name}-obs"), "subject": { "reference": format!("Patient/{name}-patient") } }),
        ),
    );
    let composition = json!({
        "resourceType": "Composition", "id": name, "status": "final", "type": { "text": "退院時サマリー" }, "date": "2025-07-14", "title": "見本",
        "subject": { "reference": format!("Patient/{name}-patient") }, "author": [{ "reference": format!("PractitionerRole/{name}-role") }],
        "section": [{ "title": "検査", "entry": [{ "reference": format!("{}/Observation/{name}-obs", server.base) }] }]
    });
    stored(server, &with(composition, more));
    name
}

fn types(bundle: &Value) -> Vec<&str> {
    let mut types: Vec<&str> = bundle["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["resource"]["resourceType"].as_str().unwrap())
        .collect();
    assert_eq!(types.remove(0), "Composition", "documents.html: the Composition is the first entry");
    types.sort_unstable();
    types
}

/// The Composition comes first, then all it refers to, directly or not.
#[test]
fn has_all_the_composition_refers_to() {
    on_each(|server| {
        let name = composition(server, json!({}));
        for path in [
            format!("Composition/{name}/$document"),
            format!("Composition/$document?id={name}"),
            format!("Composition/$document?id=Composition/{name}"),
        ] {
            let bundle = got(server, &path);
            assert_eq!((&bundle["resourceType"], &bundle["type"]), (&json!("Bundle"), &json!("document")));
            assert!(bundle["identifier"]["value"].is_string() && bundle["timestamp"].is_string());
            assert_eq!(types(&bundle), ["Observation", "Organization", "Patient", "PractitionerRole"]);
            let url = bundle["entry"][0]["fullUrl"].as_str().unwrap();
            assert_eq!(url, format!("{}/Composition/{name}", server.base));
            assert_eq!(server.post("Bundle", &bundle).status, 201);
        }
    });
}

/// "If the document is stored … it SHOULD be provided explicitly in the HTTP Location header".
#[test]
fn can_be_stored() {
    on_each(|server| {
        let name = composition(server, json!({}));
        let answer = server
            .post(&format!("Composition/{name}/$document?persist=true"), &json!({ "resourceType": "Parameters" }));
        assert_eq!((answer.status, types(&answer.body).len()), (201, 4), "{}", answer.body);
        let location = answer.header("location").strip_prefix(&format!("{}/", server.base)).unwrap().to_owned();
        assert_eq!(got(server, &location)["type"], "document");
        refused(&server.get(&format!("Composition/{name}/$document?persist=true")), 405);
    });
}

/// "either returns a full document bundle, or returns an error".
#[test]
fn what_would_not_be_whole_is_refused() {
    on_each(|server| {
        let name = composition(server, json!({ "encounter": { "reference": "Encounter/nowhere" } }));
        assert!(refused(&server.get(&format!("Composition/{name}/$document")), 422).contains("Encounter/nowhere"));
        let name = composition(
            server,
            json!({ "custodian": { "reference": "http://elsewhere.example/fhir/Organization/1" } }),
        );
        refused(&server.get(&format!("Composition/{name}/$document")), 422);
    });
}

#[test]
fn wrong_input_is_refused() {
    on_each(|server| {
        let name = composition(server, json!({}));
        refused(&server.get("Composition/nobody/$document"), 404);
        refused(&server.get("Composition/$document"), 400);
        refused(&server.get("Composition/$document?id=http://elsewhere.example/Composition/1"), 400);
        refused(&server.get(&format!("Composition/{name}/$document?id={name}")), 400);
        refused(&server.get(&format!("Composition/{name}/$document?graph=http://x")), 501);
        refused(&server.get(&format!("Composition/{name}/$document?persist=yes")), 400);
    });
}
