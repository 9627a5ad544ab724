//! Conditional create (FHIR R4 http.html#ccreate).

use serde_json::{Value, json};

use crate::common::{Answer, Server};
use crate::support::{created, finds, on_each, patient, refused, unique};

const SYSTEM: &str = "http://example.org/ids?a=b&c";

fn identified(value: &str) -> Value {
    patient(json!({ "identifier": [{ "system": SYSTEM, "value": value }] }))
}

fn create(server: &Server, criteria: &str, resource: &Value) -> Answer {
    server.send("POST", "Patient", &[("If-None-Exist", criteria)], Some(resource))
}

/// "No matches: The server processes the create".
#[test]
fn without_a_match_creates() {
    on_each(|server| {
        let value = unique("cc");
        let answer = create(server, &format!("identifier={value}"), &identified(&value));
        assert_eq!((answer.status, answer.header("etag")), (201, "W/\"1\""));
        assert!(answer.header("location").ends_with("/_history/1"));
    });
}

/// "One Match: The server ignores the post and returns 200 OK".
#[test]
fn with_one_match_answers_200_and_changes_nothing() {
    on_each(|server| {
        let value = unique("cc");
        let id = created(server, &identified(&value));
        let other = patient(json!({ "active": false }));
        let answer = create(server, &format!("identifier={value}"), &other);
        assert_eq!((answer.status, answer.header("etag")), (200, "W/\"1\""));
        assert_eq!(answer.header("location"), format!("{}/Patient/{id}/_history/1", server.base));
        assert_eq!(answer.body["id"], json!(id));
        finds(server, &format!("Patient?identifier={value}"), &[&id]);
    });
}

/// "Multiple matches: The server returns a 412".
#[test]
fn with_several_matches_is_refused() {
    on_each(|server| {
        let value = unique("cc");
        let both = [created(server, &identified(&value)), created(server, &identified(&value))];
        refused(&create(server, &format!("identifier={value}"), &identified(&value)), 412);
        finds(server, &format!("Patient?identifier={value}"), &[&both[0], &both[1]]);
    });
}

/// The criteria are a query string: percent-encoded, plus is a space.
#[test]
fn criteria_are_percent_decoded() {
    on_each(|server| {
        let value = unique("山 cc");
        let id = created(server, &identified(&value));
        let encoded = value.replace('山', "%E5%B1%B1").replace(' ', "+");
        let criteria = format!("identifier=http%3A%2F%2Fexample.org%2Fids%3Fa%3Db%26c%7C{encoded}");
        let answer = create(server, &criteria, &identified(&value));
        assert_eq!((answer.status, &answer.body["id"]), (200, &json!(id)));
        let absent = create(server, &criteria.replace("ids", "other"), &identified(&value));
        assert_eq!(absent.status, 201);
    });
}

/// Criteria that select nothing in particular would match anything.
#[test]
fn without_criteria_is_refused() {
    on_each(|server| {
        for criteria in ["", "?", "identifier=", "_count=1", "_sort=birthdate"] {
            refused(&create(server, criteria, &patient(json!({}))), 412);
        }
        for criteria in ["nonsense=1", "birthdate=nonsense", "identifier:nonsense=1"] {
            refused(&create(server, criteria, &patient(json!({}))), 400);
        }
    });
}

/// Wrong content is refused even when something matches.
#[test]
fn of_wrong_content_is_refused() {
    on_each(|server| {
        let value = unique("cc");
        created(server, &identified(&value));
        let wrong = patient(json!({ "nmae": [] }));
        refused(&create(server, &format!("identifier={value}"), &wrong), 400);
    });
}

/// A deleted resource does not match.
#[test]
fn deleted_resources_do_not_match() {
    on_each(|server| {
        let value = unique("cc");
        let id = created(server, &identified(&value));
        server.delete(&format!("Patient/{id}"));
        assert_eq!(create(server, &format!("identifier={value}"), &identified(&value)).status, 201);
    });
}

/// However many come at once, one creates and the others find it.
#[test]
fn sixteen_at_once_make_one_resource() {
    on_each(|server| {
        let value = unique("cc");
        let criteria = format!("identifier={value}");
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let clients: Vec<_> =
                (0..16).map(|_| scope.spawn(|| create(server, &criteria, &identified(&value)))).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 15);
        let id = answers[0].body["id"].as_str().unwrap();
        assert!(answers.iter().all(|answer| answer.body["id"] == id));
        finds(server, &format!("Patient?identifier={value}"), &[id]);
    });
}
