//! U+0000, which JSON can carry and PostgreSQL's text cannot, harms nobody's writes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod common;

use common::{Server, databases};
use serde_json::json;

#[test]
fn a_nul_is_refused_or_stored_but_never_an_internal_error() {
    for database in databases() {
        let server = Server::start(&database.url, &[]);
        assert_eq!(server.put("/Patient/p", &json!({"resourceType": "Patient", "id": "p"})).status, 201);
        let coding = |code: &str, system: &str| json!({"coding": [{"system": system, "code": code, "display": "a"}]});
        let subject = json!({"reference": "Patient/p"});
        let bodies = [
            json!({"resourceType": "Observation", "status": "fi\0nal", "code": coding("a", "urn:x"), "subject": subject}),
            json!({"resourceType": "Observation", "status": "final", "code": coding("a\0b", "urn:x"), "subject": subject}),
            json!({"resourceType": "Observation", "status": "final", "code": coding("a", "urn:\0x"), "subject": subject}),
            json!({"resourceType": "Observation", "status": "final", "code": {"text": "a\0"}, "subject": subject}),
            json!({"resourceType": "Observation", "status": "final", "code": {"text": "a"}, "subject": {"reference": "Pat\0/x"}}),
            json!({"resourceType": "Observation", "status": "final", "code": {"text": "a"}, "subject": subject,
                "meta": {"security": [{"code": "R\0"}], "profile": ["http://x/\0"]}}),
        ];
        for body in bodies {
            let answer = server.post("/Observation", &body);
            assert!(matches!(answer.status, 201 | 400), "{} {body} {}", database.kind(), answer.status);
        }
    }
}
