//! Conditional update (FHIR R4 http.html#cond-update).

use serde_json::{Value, json};

use crate::common::Answer;
use crate::support::{created, finds, got, on_each, patient, refused, stored, unique, with};

fn identified(value: &str, more: Value) -> Value {
    with(patient(json!({ "identifier": [{ "system": "urn:example:cu", "value": value }] })), more)
}

/// "No matches, no id provided: The server creates the resource."
#[test]
fn without_match_and_id_creates() {
    on_each(|server| {
        let value = unique("cu");
        let answer = server.put(&format!("Patient?identifier={value}"), &identified(&value, json!({})));
        assert_eq!((answer.status, answer.header("etag")), (201, "W/\"1\""));
        let id = answer.body["id"].as_str().unwrap();
        assert_eq!(answer.header("location"), format!("{}/Patient/{id}/_history/1", server.base));
        finds(server, &format!("Patient?identifier={value}"), &[id]);
    });
}

/// "No matches, id provided: The server treats the interaction as an Update as Create interaction
/// (or rejects it, if it does not support Update as Create)".
#[test]
fn without_match_but_with_an_id_creates_under_it() {
    on_each(|server| {
        let value = unique("cu");
        let sent = identified(&value, json!({ "id": value }));
        let answer = server.put(&format!("Patient?identifier={value}"), &sent);
        assert_eq!((answer.status, &answer.body["id"]), (201, &json!(value)));
    });
}

/// "No matches, id provided and already exist: The server rejects the update with a 409 Conflict".
#[test]
fn without_match_but_with_an_id_in_use_is_a_conflict() {
    on_each(|server| {
        let value = unique("cu");
        stored(server, &patient(json!({ "id": value })));
        let sent = identified(&value, json!({ "id": value }));
        refused(&server.put(&format!("Patient?identifier={value}"), &sent), 409);
        assert_eq!(got(server, &format!("Patient/{value}"))["meta"]["versionId"], "1");
    });
}

/// "One Match, no resource id provided OR (resource id provided and it matches the found
/// resource): The server performs the update against the matching resource".
#[test]
fn with_one_match_updates_it() {
    on_each(|server| {
        let value = unique("cu");
        let id = created(server, &identified(&value, json!({})));
        let path = format!("Patient?identifier=urn:example:cu%7C{value}");
        let answer = server.put(&path, &identified(&value, json!({ "active": true })));
        assert_eq!((answer.status, &answer.body["id"], answer.header("etag")), (200, &json!(id), "W/\"2\""));
        let answer = server.put(&path, &identified(&value, json!({ "id": id, "active": false })));
        assert_eq!((answer.status, answer.header("etag")), (200, "W/\"3\""));
        // Unchanged content: no new version here either.
        let answer = server.put(&path, &identified(&value, json!({ "active": false })));
        assert_eq!((answer.status, answer.header("etag")), (200, "W/\"3\""));
    });
}

/// "One Match, resource id provided but does not match resource found: The server returns a 400".
#[test]
fn with_one_match_of_another_id_is_refused() {
    on_each(|server| {
        let value = unique("cu");
        created(server, &identified(&value, json!({})));
        let sent = identified(&value, json!({ "id": "other" }));
        refused(&server.put(&format!("Patient?identifier={value}"), &sent), 400);
    });
}

/// "Multiple matches: The server returns a 412".
#[test]
fn with_several_matches_is_refused() {
    on_each(|server| {
        let value = unique("cu");
        created(server, &identified(&value, json!({})));
        created(server, &identified(&value, json!({})));
        refused(&server.put(&format!("Patient?identifier={value}"), &identified(&value, json!({}))), 412);
    });
}

/// Criteria must select.
#[test]
fn without_criteria_is_refused() {
    on_each(|server| {
        for path in ["Patient", "Patient?", "Patient?identifier=", "Patient?_format=json"] {
            refused(&server.put(path, &patient(json!({}))), 412);
        }
        refused(&server.put("Patient?nonsense=1", &patient(json!({}))), 400);
    });
}

/// `_format` and `_pretty` shape the answer; they are not criteria.
#[test]
fn format_is_not_a_criterion() {
    on_each(|server| {
        let value = unique("cu");
        let path = format!("Patient?identifier={value}&_format=json&_pretty=true");
        assert_eq!(server.put(&path, &identified(&value, json!({}))).status, 201);
        assert_eq!(server.put(&path, &identified(&value, json!({}))).status, 200);
    });
}

/// http.html#concurrency: If-Match holds for the resource found.
#[test]
fn honours_if_match() {
    on_each(|server| {
        let value = unique("cu");
        created(server, &identified(&value, json!({})));
        let put = |tag: &str| -> Answer {
            let sent = identified(&value, json!({ "active": true }));
            server.send("PUT", &format!("Patient?identifier={value}"), &[("If-Match", tag)], Some(&sent))
        };
        refused(&put("W/\"2\""), 412);
        refused(&put("nonsense"), 400);
        assert_eq!(put("W/\"1\"").status, 200);
    });
}

/// However many come at once, there is one resource.
#[test]
fn sixteen_at_once_make_one_resource() {
    on_each(|server| {
        let value = unique("cu");
        let put = || server.put(&format!("Patient?identifier={value}"), &identified(&value, json!({})));
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..16).map(|_| scope.spawn(put)).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
        assert!(answers.iter().all(|answer| answer.body["id"] == answers[0].body["id"]));
    });
}
