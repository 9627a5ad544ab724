//! Create (FHIR R4 http.html#create).

use serde_json::{Value, json};

use crate::support::{content, got, on_each, patient, unique};

/// http.html#create: 201, a Location with the version, ETag and Last-Modified.
#[test]
fn answers_201_with_location_etag_and_last_modified() {
    on_each(|server| {
        let answer = server.post("Patient", &patient(json!({ "active": true })));
        assert_eq!(answer.status, 201);
        let id = answer.body["id"].as_str().unwrap();
        assert_eq!(answer.header("location"), format!("{}/Patient/{id}/_history/1", server.base));
        assert_eq!(answer.header("etag"), "W/\"1\"");
        assert!(answer.header("last-modified").ends_with(" GMT"), "{:?}", answer.headers);
        assert!(answer.header("content-type").starts_with("application/fhir+json"));
    });
}

/// http.html#create: "If an id is provided, the server SHALL ignore it"; meta.versionId and
/// lastUpdated are the server's.
#[test]
fn ignores_the_clients_id_version_and_time() {
    on_each(|server| {
        let id = unique("mine");
        let meta = json!({ "versionId": "77", "lastUpdated": "2001-01-01T00:00:00Z", "profile": ["http://e/p"] });
        let answer = server.post("Patient", &patient(json!({ "id": id, "meta": meta })));
        assert_eq!(answer.status, 201);
        assert_ne!(answer.body["id"], json!(id));
        assert_eq!(answer.body["meta"]["versionId"], "1");
        assert!(answer.body["meta"]["lastUpdated"].as_str().unwrap() > "2020");
        assert_eq!(answer.body["meta"]["profile"], json!(["http://e/p"]));
        assert_eq!(server.get(&format!("Patient/{id}")).status, 404);
    });
}

/// What was answered is what is read later.
#[test]
fn the_answer_is_the_resource_as_it_is_read() {
    on_each(|server| {
        let answer = server.post("Patient", &patient(json!({ "gender": "female" })));
        let id = answer.body["id"].as_str().unwrap();
        let read = server.get(&format!("Patient/{id}"));
        assert_eq!(read.bytes, answer.bytes);
        assert_eq!(read.header("etag"), answer.header("etag"));
        assert_eq!(read.header("last-modified"), answer.header("last-modified"));
    });
}

/// json.html: decimals keep their precision, members their order, extensions their content.
#[test]
fn keeps_decimals_extensions_and_order() {
    on_each(|server| {
        let text = r#"{"resourceType":"Observation","status":"final","extension":[{"url":"http://example.org/unknown","valueDecimal":0.10}],"code":{"text":"身長"},"_effectiveDateTime":{"extension":[{"url":"http://example.org/about","valueCode":"estimated"}]},"effectiveDateTime":"2024-05","valueQuantity":{"value":151.200,"unit":"cm"},"component":[{"code":{"text":"a"},"valueQuantity":{"value":1.0E2}},{"code":{"text":"b"},"valueQuantity":{"value":-0.00}}],"note":[{"text":"1\n2","_text":{"id":"t1"}}]}"#;
        let sent: Value = serde_json::from_str(text).unwrap();
        let answer = server.post("Observation", &sent);
        assert_eq!(answer.status, 201, "{}", answer.body);
        let read = got(server, &format!("Observation/{}", answer.body["id"].as_str().unwrap()));
        assert_eq!(content(&read), sent);
        let raw = read.to_string();
        for kept in ["0.10", "151.200", "-0.00"] {
            assert!(raw.contains(kept), "{kept} in {raw}");
        }
        let order = |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
        let mut names = order(&read);
        names.retain(|name| name != "id" && name != "meta");
        assert_eq!(names, order(&sent));
    });
}

/// json.html#primitive: nulls hold the places of primitives that have only an extension.
#[test]
fn keeps_extensions_of_primitives_in_lists() {
    on_each(|server| {
        let extension = json!([null, { "extension": [{ "url": "http://example.org/x", "valueString": "y" }] }]);
        let sent = patient(json!({ "name": [{ "given": ["花子", null], "_given": extension }] }));
        let answer = server.post("Patient", &sent);
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(content(&answer.body), sent);
    });
}

/// http.html#ops: Prefer chooses the body.
#[test]
fn prefer_return_chooses_the_body() {
    on_each(|server| {
        let create = |prefer: &str| server.send("POST", "Patient", &[("Prefer", prefer)], Some(&patient(json!({}))));
        let minimal = create("return=minimal");
        assert_eq!((minimal.status, minimal.bytes.len()), (201, 0));
        assert!(minimal.header("location").ends_with("/_history/1"));
        let representation = create("return=representation");
        assert_eq!((representation.status, &representation.body["resourceType"]), (201, &json!("Patient")));
        let outcome = create("return=OperationOutcome");
        assert_eq!((outcome.status, &outcome.body["resourceType"]), (201, &json!("OperationOutcome")));
        assert_eq!(outcome.header("etag"), "W/\"1\"");
    });
}

/// http.html#custom: the client's X-Request-Id is echoed.
#[test]
fn echoes_the_request_id() {
    on_each(|server| {
        let headers = [("X-Request-Id", "abc-123")];
        let answer = server.send("POST", "Patient", &headers, Some(&patient(json!({}))));
        assert_eq!(answer.header("x-request-id"), "abc-123");
        let refused = server.send("POST", "Patient", &headers, Some(&json!({ "resourceType": "Patient", "x": 1 })));
        assert_eq!((refused.status, refused.header("x-request-id")), (400, "abc-123"));
        // Without one it is given a name of its own.
        let (one, other) = (server.get("Patient?_count=0"), server.get("Patient?x=y"));
        assert!(!one.header("x-request-id").is_empty() && one.header("x-request-id") != other.header("x-request-id"));
    });
}

/// Each create makes a resource of its own.
#[test]
fn two_creates_make_two_resources() {
    on_each(|server| {
        let sent = patient(json!({ "name": [{ "text": unique("twice") }] }));
        let (first, second) = (server.post("Patient", &sent), server.post("Patient", &sent));
        assert_ne!(first.body["id"], second.body["id"]);
    });
}
