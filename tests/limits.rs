//! Requests of a size or form that nobody means are answered, never a 500: on both databases.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Server, agent, databases};
use serde_json::json;

fn list(count: usize) -> String {
    (0..count).map(|number| format!("a{number}")).collect::<Vec<_>>().join(",")
}

#[test]
fn long_lists_of_alternatives_are_searched_or_refused() {
    for database in databases() {
        let server = Server::start(&database.url, &[]);
        server.put("Patient/a7", &json!({"resourceType": "Patient", "id": "a7", "name": [{"family": "A7"}]}));
        server.put("Patient/b", &json!({"resourceType": "Patient", "id": "b", "link": [{"other": {"reference": "Patient/a7"}, "type": "seealso"}]}));
        for (search, total) in [
            (format!("_id={}", list(5000)), 1),
            (format!("identifier={}", list(5000)), 0),
            (format!("link={}", list(5000)), 1),
            (format!("name:exact=A7,{}", list(499)), 1),
            (format!("birthdate={}", vec!["2020"; 500].join(",")), 0),
            (vec!["gender:not=male"; 100].join("&"), 2),
        ] {
            let answer = server.get(&format!("Patient?{search}"));
            assert_eq!((answer.status, &answer.body["total"]), (200, &json!(total)), "{}", &search[..20]);
        }
        for search in [format!("_id={}", list(5001)), format!("name={}", list(501)), vec!["gender=male"; 101].join("&")]
        {
            let answer = server.get(&format!("Patient?{search}"));
            assert_eq!((answer.status, &answer.body["issue"][0]["code"]), (400, &json!("too-costly")));
        }
    }
}

/// PostgreSQL takes no NUL in text.
#[test]
fn a_nul_in_a_search_is_refused() {
    for database in databases() {
        let server = Server::start(&database.url, &[]);
        for search in ["_id=%00", "name=a%00", "name:contains=%00", "identifier=%00%7C%00", "_sort=%00"] {
            assert_eq!(server.get(&format!("Patient?{search}")).status, 400, "{search}");
        }
        // A forged page position: {"s":["\u0000"],"k":1}
        let forged = "7b2273223a5b225c7530303030225d2c226b223a317d";
        assert_eq!(server.get(&format!("Patient?_sort=family&_cursor={forged}")).status, 400);
    }
}

/// A condition that cannot be read as ASCII is still a condition: without it the second would be created.
#[test]
fn if_none_exist_may_be_plain_utf8() {
    let database = common::sqlite_database();
    let server = Server::start(&database.url, &[]);
    let patient = json!({"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "山"}]});
    let create = || {
        let uri = format!("{}/Patient", server.base);
        let request = agent()
            .post(uri)
            .header("content-type", "application/fhir+json")
            .header("if-none-exist", ureq::http::HeaderValue::from_bytes("identifier=urn:x|山".as_bytes()).unwrap());
        request.send(serde_json::to_vec(&patient).unwrap()).unwrap().status().as_u16()
    };
    assert_eq!((create(), create()), (201, 200));
}

/// A document that is sent again names its citizen again.
#[test]
fn an_unchanged_document_answers_with_its_patient() {
    let database = common::sqlite_database();
    let server = Server::start(&database.url, &[]);
    let document: serde_json::Value =
        serde_json::from_str(include_str!("../conformance/samples/discharge-hip-fracture.json")).unwrap();
    let patient_of = || {
        let answer = server.post("Bundle/$ingest-document", &document);
        let parameters = answer.body["parameter"].as_array().cloned().unwrap();
        parameters.into_iter().find(|parameter| parameter["name"] == "patient").unwrap()
    };
    assert_eq!(patient_of(), patient_of());
}
