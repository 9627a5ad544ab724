//! The headers that every answer carries (OWASP REST security; RFC 9111 for what is kept; MHLW guideline 6.0).

use serde_json::json;

use crate::common::{Answer, Server, agent, exchange};
use crate::support::{on_each, unique};

fn root(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    exchange(&agent(), server.base.trim_end_matches("/fhir"), "GET", path, headers, None).unwrap()
}

#[track_caller]
fn assert_guarded(answer: &Answer, what: &str) {
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "{what}");
    assert_eq!(answer.header("cross-origin-resource-policy"), "same-site", "{what}");
    assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{what}: {:?}", answer.headers);
    for name in ["cache-control", "content-security-policy", "referrer-policy", "x-content-type-options"] {
        assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{what}: {name}");
    }
}

#[test]
fn every_answer_is_guarded_whatever_made_it() {
    on_each(|server| {
        let id = unique("guarded");
        let made = server.put(&format!("Patient/{id}"), &json!({ "resourceType": "Patient", "id": id }));
        assert_guarded(&made, "create");
        for (path, status) in [
            (format!("fhir/Patient/{id}"), 200),
            (format!("fhir/Patient/{id}/_history"), 200),
            ("fhir/Patient?_count=0".to_owned(), 200),
            ("fhir/metadata".to_owned(), 200),
            ("fhir/Patient/nowhere".to_owned(), 404),
            ("fhir/Nothing".to_owned(), 404),
            ("nothing".to_owned(), 404),
            ("notebook/v1/citizens".to_owned(), 200),
            ("notebook/v1/nothing".to_owned(), 404),
            ("openapi.json".to_owned(), 200),
            ("schema/Patient.json".to_owned(), 200),
            ("health".to_owned(), 200),
        ] {
            let answer = root(server, &path, &[]);
            assert_eq!(answer.status, status, "{path}");
            assert_guarded(&answer, &path);
        }
    });
}

/// FHIR R4 http.html#caching: conditional reads work; nothing that was read stays in a cache.
#[test]
fn records_are_kept_nowhere_and_conditional_reads_work() {
    on_each(|server| {
        let id = unique("kept");
        let path = format!("Patient/{id}");
        server.put(&path, &json!({ "resourceType": "Patient", "id": id }));
        let read = server.get(&path);
        assert_eq!(read.header("cache-control"), "private, no-store");
        let again = server.send("GET", &path, &[("If-None-Match", read.header("etag"))], None);
        assert_eq!(again.status, 304);
        assert_guarded(&again, "304");
        // Definitions are nobody's.
        assert_eq!(root(server, "schema/Patient.json", &[]).header("cache-control"), "public, max-age=86400");
    });
}

/// Pages load and run nothing, and stand in no frame of others.
#[test]
fn pages_are_shown_in_no_frame() {
    on_each(|server| {
        let id = unique("page");
        server.put(
            &format!("Patient/{id}"),
            &json!({ "resourceType": "Patient", "id": id, "name": [{ "text": "見本" }] }),
        );
        for path in [
            format!("fhir/Patient/{id}"),
            "fhir/Patient?_count=1".to_owned(),
            "notebook/v1/mapping".to_owned(),
            format!("notebook/v1/citizens/{id}/summary.html"),
        ] {
            let answer = root(server, &path, &[("Accept", "text/html")]);
            assert_eq!(answer.status, 200, "{path}");
            assert!(
                answer.header("content-type").starts_with("text/html"),
                "{path}: {}",
                answer.header("content-type")
            );
            assert_guarded(&answer, &path);
            let policy = answer.header("content-security-policy");
            for rule in ["frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"] {
                assert!(policy.contains(rule), "{path}: {policy}");
            }
            assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{path}: {policy}");
        }
    });
}

/// A stored page or drawing with scripts is saved, never shown: it would run as this server.
#[test]
fn active_content_is_saved_not_shown() {
    on_each(|server| {
        for (media, is_shown) in [
            ("text/html", false),
            ("image/svg+xml", false),
            ("application/xhtml+xml", false),
            ("application/javascript", false),
            ("text/xml", false),
            ("image/png", true),
        ] {
            let id = unique("binary");
            let binary =
                json!({ "resourceType": "Binary", "id": id, "contentType": media, "data": "PHNjcmlwdD5hPC9zY3JpcHQ+" });
            assert_eq!(server.put(&format!("Binary/{id}"), &binary).status, 201);
            let answer = server.send("GET", &format!("Binary/{id}"), &[("Accept", media)], None);
            assert_eq!((answer.status, answer.header("content-type")), (200, media));
            assert_guarded(&answer, media);
            assert!(answer.header("content-security-policy").starts_with("sandbox"), "{media}");
            let disposition = answer.header("content-disposition");
            assert_eq!(disposition.starts_with("inline"), is_shown, "{media}: {disposition}");
            assert_eq!(disposition.starts_with("attachment"), !is_shown, "{media}: {disposition}");
        }
    });
}
