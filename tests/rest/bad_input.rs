//! Whatever is wrong gets a 4xx with an OperationOutcome that says where, and nothing is stored.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::common::{Answer, Server, agent, exchange};
use crate::support::{bundle, entry, on_each, on_each_alone, patient, place, refused, versions};

fn raw(server: &Server, method: &str, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    exchange(&agent(), &server.base, method, path, &[], Some(body.into())).unwrap()
}

/// The refusals, one after the other; the system's history stays as it was.
#[test]
fn nothing_of_it_is_stored() {
    on_each_alone(|server| {
        assert_eq!(server.put("Patient/a", &patient(json!({ "id": "a" }))).status, 201);
        let before = versions(server);
        let bodies: [&[u8]; 8] = [
            b"",
            b"nonsense",
            b"{\"resourceType\":\"Patient\"",
            b"[]",
            b"{}",
            b"{\"resourceType\":\"Patient\",\"nmae\":1}",
            b"{\"resourceType\":\"Observation\"}",
            b"{\"resourceType\":\"Patient\"} trailing",
        ];
        for body in bodies {
            for (method, path) in
                [("POST", "Patient"), ("PUT", "Patient/b"), ("PUT", "Patient?identifier=1"), ("POST", "")]
            {
                let answer = raw(server, method, path, body);
                refused(&answer, 400);
            }
        }
        assert_eq!(versions(server), before);
        assert_eq!(server.get("Patient?_count=0").body["total"], 1);
    });
}

/// What is not JSON: the place is a line and a column.
#[test]
fn what_is_not_json_is_400_with_the_place() {
    on_each(|server| {
        let answer = raw(server, "POST", "Patient", "{\"resourceType\":\"Patient\",\n  \"active\": tru }");
        let why = refused(&answer, 400);
        assert!(why.contains("line 2"), "{why}");
        assert_eq!(answer.body["issue"][0]["code"], "structure");
    });
}

/// json.html: property names are unique.
#[test]
fn duplicate_keys_are_400() {
    on_each(|server| {
        let body = r#"{"resourceType":"Patient","active":true,"active":false}"#;
        let why = refused(&raw(server, "POST", "Patient", body), 400);
        assert!(why.contains("active"), "{why}");
    });
}

/// FHIR is UTF-8.
#[test]
fn invalid_utf_8_is_400() {
    on_each(|server| {
        let body = b"{\"resourceType\":\"Patient\",\"name\":[{\"text\":\"\xff\xfe\"}]}".to_vec();
        refused(&raw(server, "POST", "Patient", body), 400);
        let lone = r#"{"resourceType":"Patient","name":[{"text":"\ud800"}]}"#;
        refused(&raw(server, "POST", "Patient", lone), 400);
    });
}

/// Nesting has a bound; beyond it is a refusal, not a crash.
#[test]
fn ten_thousand_levels_are_400() {
    on_each(|server| {
        let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        let body = format!("{{\"resourceType\":\"Patient\",\"extension\":{}}}", deep("[", "]"));
        refused(&raw(server, "POST", "Patient", body), 400);
        refused(&raw(server, "POST", "Patient", deep("{\"a\":", "}")), 400);
        refused(&raw(server, "POST", "", deep("{\"entry\":[", "]}")), 400);
        assert_eq!(server.get("metadata").status, 200);
    });
}

/// Each issue has its place; a misspelt name gets a suggestion.
#[test]
fn wrong_content_is_400_with_its_place() {
    on_each(|server| {
        let refuse = |resource: Value, at: &str, says: &str| {
            let answer = server.post("Patient", &resource);
            let why = refused(&answer, 400);
            assert_eq!(place(&answer.body), at, "{why}");
            assert!(why.contains(says), "{why}");
        };
        refuse(patient(json!({ "nmae": [] })), "Patient.nmae", "did you mean 'name'?");
        refuse(patient(json!({ "name": [{ "given": ["a", 1] }] })), "Patient.name[0].given[1]", "");
        refuse(patient(json!({ "birthDate": "1941-02-30" })), "Patient.birthDate", "");
        refuse(patient(json!({ "gender": ["female"] })), "Patient.gender", "");
        refuse(patient(json!({ "name": {} })), "Patient.name", "");
        refuse(patient(json!({ "link": [{ "type": "seealso" }] })), "Patient.link[0].other", "");
        let two = server.post("Patient", &patient(json!({ "active": "yes", "birthDate": "soon" })));
        refused(&two, 400);
        assert_eq!(two.body["issue"].as_array().unwrap().len(), 2);
    });
}

/// A resource goes to its own type.
#[test]
fn the_wrong_resource_type_is_400() {
    on_each(|server| {
        let why = refused(&server.post("Patient", &json!({ "resourceType": "Person" })), 400);
        assert!(why.contains("Patient") && why.contains("Person"), "{why}");
        let why = refused(&server.post("Patient", &json!({ "resourceType": "patient" })), 400);
        assert!(why.contains("Patient"), "{why}");
        refused(&server.post("Patient", &json!({ "active": true })), 400);
    });
}

/// Unknown types and paths are 404, with an OperationOutcome.
#[test]
fn unknown_places_are_404() {
    on_each(|server| {
        assert!(refused(&server.get("patient/1"), 404).contains("did you mean Patient?"));
        refused(&server.get("Nonsense"), 404);
        refused(&server.post("Nonsense", &json!({ "resourceType": "Nonsense" })), 404);
        refused(&server.get("Patient/1/nonsense"), 404);
        refused(&server.get("Patient/1/_history/1/2"), 404);
        refused(&server.get("Patient/$nonsense"), 404);
        let outside = exchange(&agent(), &format!("http://{}", server.address()), "GET", "nowhere", &[], None).unwrap();
        refused(&outside, 404);
    });
}

/// Wrong methods are 405 and say which are right.
#[test]
fn wrong_methods_are_405_with_allow() {
    on_each(|server| {
        let allow = |method: &str, path: &str| {
            let answer = server.send(method, path, &[], Some(&patient(json!({}))));
            refused(&answer, 405);
            answer.header("allow").to_owned()
        };
        assert!(allow("POST", "Patient/1").contains("PUT"));
        assert!(allow("PUT", "metadata").contains("GET"));
        assert!(allow("PUT", "Patient/1/_history/1").contains("GET"));
        assert!(allow("DELETE", "Patient/1/_history").contains("GET"));
        assert!(allow("PUT", "").contains("POST"));
        assert!(allow("PUT", "Patient/_search").contains("POST"));
        assert!(allow("OPTIONS", "Patient").contains("POST"));
    });
}

/// A body over the limit is 413, and the client gets to read it.
#[test]
fn a_body_over_the_limit_is_413() {
    on_each(|server| {
        let body = vec![b' '; 60 << 20];
        let why = refused(&raw(server, "POST", "Patient", body), 413);
        assert!(why.contains("50"), "{why}");
    });
}

/// A POST to the base takes batches and transactions.
#[test]
fn other_posts_to_the_base_are_400() {
    on_each(|server| {
        refused(&server.post("", &patient(json!({}))), 400);
        refused(&server.post("", &json!({ "resourceType": "Bundle" })), 400);
        let answer = server.post("", &bundle("document", vec![]));
        refused(&answer, 400);
        assert_eq!(place(&answer.body), "Bundle.type");
        refused(&server.post("", &with_unknown(bundle("batch", vec![entry("GET", "Patient", Value::Null)]))), 400);
    });
}

fn with_unknown(mut bundle: Value) -> Value {
    bundle["nonsense"] = json!(1);
    bundle
}

/// What is not even HTTP does not stop the server.
#[test]
fn what_is_not_http_does_no_harm() {
    on_each(|server| {
        for junk in
            [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"GET /fhir/Patient HTTP/1.1\r\nHost:\xff\r\n\r\n", b"\r\n\r\nx\r\n"]
        {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.set_read_timeout(Some(std::time::Duration::from_secs(1))).unwrap();
            stream.write_all(junk).unwrap();
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read(&mut [0; 1024]);
        }
        assert_eq!(server.get("metadata").status, 200);
    });
}

/// Search values with odd bytes are refused or find nothing; never a 5xx.
#[test]
fn odd_queries_are_no_server_errors() {
    on_each(|server| {
        for query in [
            "name=%00",
            "name=%FF%FE",
            "identifier=%00%7C%00",
            "_id=%00",
            "birthdate=%00",
            "name=%F0%9F%A6%B4",
            "_id=%E5%B1%B1",
            "name:exact=%00",
            "_sort=%00",
            "_include=%00",
            "&&&",
            "=",
            "==",
            "name",
            "_cursor=00",
            "_cursor=zz",
            "_count=99999999999",
            "_count=-1",
            "_elements=%00",
            "_lastUpdated=%00",
        ] {
            let answer = server.get(&format!("Patient?{query}"));
            assert!(answer.status < 500, "{query}: {} {}", answer.status, answer.body);
        }
        let answer = server.post("Patient", &patient(json!({ "name": [{ "text": "a\u{0}b" }] })));
        assert!(answer.status < 500, "{}", answer.body);
    });
}
