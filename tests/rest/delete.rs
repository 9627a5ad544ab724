//! Delete (FHIR R4 http.html#delete).

use serde_json::json;

use crate::support::{created, finds, on_each, patient, refused, unique};

/// 200 with an OperationOutcome, twice; afterwards 410.
#[test]
fn twice_is_no_error() {
    on_each(|server| {
        let id = created(server, &patient(json!({})));
        let path = format!("Patient/{id}");
        let first = server.delete(&path);
        assert_eq!((first.status, first.header("etag")), (200, "W/\"2\""));
        assert_eq!(first.body["resourceType"], "OperationOutcome");
        assert_eq!(first.body["issue"][0]["severity"], "information");
        let second = server.delete(&path);
        assert_eq!((second.status, &second.body["resourceType"]), (200, &json!("OperationOutcome")));
        refused(&server.get(&path), 410);
        refused(&server.get(&format!("{path}/_history/2")), 410);
        refused(&server.get(&format!("{path}/_history/3")), 404);
    });
}

/// What was never here: nothing to do, and nothing made (http.html#delete).
#[test]
fn of_what_never_was_leaves_it_unknown() {
    on_each(|server| {
        let path = format!("Patient/{}", unique("never"));
        assert_eq!(server.delete(&path).status, 200);
        refused(&server.get(&path), 404);
        refused(&server.get(&format!("{path}/_history")), 404);
    });
}

/// http.html#delete: a deleted resource is no longer found.
#[test]
fn takes_it_out_of_searches() {
    on_each(|server| {
        let tag = unique("gone");
        let sent = patient(json!({ "identifier": [{ "system": "urn:x", "value": tag }] }));
        let id = created(server, &sent);
        finds(server, &format!("Patient?identifier={tag}"), &[&id]);
        server.delete(&format!("Patient/{id}"));
        finds(server, &format!("Patient?identifier={tag}"), &[]);
        finds(server, &format!("Patient?_id={id}"), &[]);
    });
}

/// http.html#concurrency: If-Match holds for deletes.
#[test]
fn honours_if_match() {
    on_each(|server| {
        let id = created(server, &patient(json!({})));
        let delete = |tag: &str| server.send("DELETE", &format!("Patient/{id}"), &[("If-Match", tag)], None);
        refused(&delete("W/\"2\""), 412);
        refused(&delete("x"), 400);
        assert_eq!(delete("W/\"1\"").status, 200);
        refused(&server.get(&format!("Patient/{id}")), 410);
    });
}

/// What cannot be the address of a resource.
#[test]
fn of_an_impossible_id_is_refused() {
    on_each(|server| {
        refused(&server.delete("Patient/what_is_this"), 400);
        refused(&server.delete("Nonsense/1"), 404);
    });
}
