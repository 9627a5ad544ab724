//! Update (FHIR R4 http.html#update, #concurrency).

use serde_json::json;

use crate::common::{Answer, Server};
use crate::support::{entries, got, on_each, patient, place, refused, stored, unique};

fn put_with(server: &Server, id: &str, header: (&str, &str)) -> Answer {
    let body = patient(json!({ "id": id, "name": [{ "text": unique("changed") }] }));
    server.send("PUT", &format!("Patient/{id}"), &[header], Some(&body))
}

/// http.html#upsert: an id the client chose.
#[test]
fn creates_under_the_clients_id() {
    on_each(|server| {
        let id = unique("own.Id-1");
        let answer = server.put(&format!("Patient/{id}"), &patient(json!({ "id": id })));
        assert_eq!(answer.status, 201);
        assert_eq!(answer.header("location"), format!("{}/Patient/{id}/_history/1", server.base));
        assert_eq!(answer.header("etag"), "W/\"1\"");
        assert_eq!(got(server, &format!("Patient/{id}"))["id"], json!(id));
    });
}

/// http.html#update: 200 with the new version.
#[test]
fn makes_a_new_version() {
    on_each(|server| {
        let id = unique("new-version");
        stored(server, &patient(json!({ "id": id, "active": true })));
        let answer = server.put(&format!("Patient/{id}"), &patient(json!({ "id": id, "active": false })));
        assert_eq!((answer.status, answer.header("etag")), (200, "W/\"2\""));
        assert_eq!(answer.body["meta"]["versionId"], "2");
        assert_eq!(got(server, &format!("Patient/{id}"))["active"], json!(false));
        assert_eq!(got(server, &format!("Patient/{id}/_history/1"))["active"], json!(true));
    });
}

/// http.html#update: the same content again is no new version, whatever version the client names.
#[test]
fn of_unchanged_content_makes_no_version() {
    on_each(|server| {
        let id = unique("unchanged");
        let first = stored(server, &patient(json!({ "id": id, "active": true })));
        let again = server.put(&format!("Patient/{id}"), &first);
        assert_eq!((again.status, again.header("etag")), (200, "W/\"1\""));
        assert_eq!(again.body, first);
        assert_eq!(got(server, &format!("Patient/{id}/_history"))["total"], 1);
    });
}

/// A change of precision is a change: 1.0 is not 1.00 (datatypes.html#decimal).
#[test]
fn of_precision_is_a_change() {
    on_each(|server| {
        let id = unique("precision");
        for (place, value) in ["1.0", "1.00"].into_iter().enumerate() {
            let text = format!(
                r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"x"}},"valueQuantity":{{"value":{value}}}}}"#
            );
            let answer = server.put(&format!("Observation/{id}"), &serde_json::from_str(&text).unwrap());
            assert_eq!(answer.header("etag"), format!("W/\"{}\"", place + 1));
            assert_eq!(answer.body["valueQuantity"]["value"].to_string(), value);
        }
    });
}

/// http.html#update: "if no id element is provided, or the id disagrees with the id in the URL, the
/// server SHALL respond with an HTTP 400 error".
#[test]
fn refuses_an_id_that_differs_or_is_missing() {
    on_each(|server| {
        let id = unique("mismatch");
        let other = server.put(&format!("Patient/{id}"), &patient(json!({ "id": "other" })));
        assert!(refused(&other, 400).contains("other"));
        assert_eq!(place(&other.body), "Patient.id");
        let missing = server.put(&format!("Patient/{id}"), &patient(json!({})));
        assert!(refused(&missing, 400).contains(&id));
        assert_eq!(server.get(&format!("Patient/{id}")).status, 404);
    });
}

/// datatypes.html#id: 1 to 64 letters, digits, '-' and '.'.
#[test]
fn refuses_what_is_no_id() {
    on_each(|server| {
        let long = "x".repeat(65);
        for id in ["a_b", "a%20b", long.as_str(), "%E5%B1%B1"] {
            refused(&server.put(&format!("Patient/{id}"), &patient(json!({ "id": id }))), 400);
        }
        let longest = unique(&"y".repeat(56));
        assert_eq!(server.put(&format!("Patient/{longest}"), &patient(json!({ "id": longest }))).status, 201);
    });
}

/// http.html#concurrency: If-Match lets the holder of the current version write, 412 for others.
#[test]
fn honours_if_match() {
    on_each(|server| {
        let id = unique("if-match");
        stored(server, &patient(json!({ "id": id })));
        assert_eq!(put_with(server, &id, ("If-Match", "W/\"1\"")).status, 200);
        assert!(refused(&put_with(server, &id, ("If-Match", "W/\"1\"")), 412).contains("W/\"2\""));
        assert_eq!(put_with(server, &id, ("If-Match", "W/\"7\", W/\"2\"")).status, 200);
        assert_eq!(put_with(server, &id, ("If-Match", "\"3\"")).status, 200);
        assert_eq!(put_with(server, &id, ("If-Match", "*")).status, 200);
        refused(&put_with(server, &id, ("If-Match", "W/\"x\"")), 400);
        refused(&put_with(server, &id, ("If-Match", "yesterday")), 400);
        assert_eq!(got(server, &format!("Patient/{id}"))["meta"]["versionId"], "5");
        refused(&put_with(server, &unique("never-there"), ("If-Match", "W/\"1\"")), 412);
    });
}

/// RFC 9110 section 13.1.2: If-None-Match: * writes only where nothing is.
#[test]
fn honours_if_none_match() {
    on_each(|server| {
        let id = unique("if-none-match");
        assert_eq!(put_with(server, &id, ("If-None-Match", "*")).status, 201);
        refused(&put_with(server, &id, ("If-None-Match", "*")), 412);
        assert_eq!(got(server, &format!("Patient/{id}"))["meta"]["versionId"], "1");
    });
}

/// http.html#delete: an update brings a deleted resource back; versions go on.
#[test]
fn brings_a_deleted_resource_back_as_version_3() {
    on_each(|server| {
        let id = unique("back");
        stored(server, &patient(json!({ "id": id })));
        assert_eq!(server.delete(&format!("Patient/{id}")).status, 200);
        let answer = server.put(&format!("Patient/{id}"), &patient(json!({ "id": id })));
        assert_eq!((answer.status, answer.header("etag")), (201, "W/\"3\""));
        assert_eq!(answer.header("location"), format!("{}/Patient/{id}/_history/3", server.base));
        assert_eq!(server.get(&format!("Patient/{id}")).status, 200);
        let history = got(server, &format!("Patient/{id}/_history"));
        assert_eq!((history["total"].as_u64(), entries(&history).len()), (Some(3), 3));
    });
}

/// resource.html#id: ids are case sensitive and belong to a type.
#[test]
fn ids_are_case_sensitive_and_of_a_type() {
    on_each(|server| {
        let id = unique("Case");
        stored(server, &patient(json!({ "id": id })));
        assert_eq!(server.get(&format!("Patient/{}", id.to_lowercase())).status, 404);
        assert_eq!(server.get(&format!("Person/{id}")).status, 404);
    });
}

/// Two writers with the same version in hand: one wins, the other learns of it.
#[test]
fn of_two_with_the_same_if_match_one_wins() {
    on_each(|server| {
        let id = unique("race");
        stored(server, &patient(json!({ "id": id })));
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let writers: Vec<_> =
                (0..8).map(|_| scope.spawn(|| put_with(server, &id, ("If-Match", "W/\"1\"")).status)).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 7, "{statuses:?}");
    });
}
