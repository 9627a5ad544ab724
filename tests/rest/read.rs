//! Read and vread (FHIR R4 http.html#read, #vread, #cread).

use serde_json::json;

use crate::support::{created, got, observation, on_each, patient, refused, stored, unique};

/// http.html#read: 404 for what was never here, 410 for what was deleted.
#[test]
fn tells_unknown_from_deleted() {
    on_each(|server| {
        refused(&server.get(&format!("Patient/{}", unique("nobody"))), 404);
        let id = created(server, &patient(json!({})));
        assert_eq!(server.get(&format!("Patient/{id}")).status, 200);
        server.delete(&format!("Patient/{id}"));
        refused(&server.get(&format!("Patient/{id}")), 410);
        refused(&server.get("Patient/what_is_this"), 400);
    });
}

/// http.html#vread: past versions as they were; 404 for unknown, 410 for the deletion.
#[test]
fn reads_versions() {
    on_each(|server| {
        let id = unique("versions");
        for active in [true, false] {
            stored(server, &patient(json!({ "id": id, "active": active })));
        }
        server.delete(&format!("Patient/{id}"));
        for (version, active) in [(1, true), (2, false)] {
            let answer = server.get(&format!("Patient/{id}/_history/{version}"));
            assert_eq!((answer.status, answer.header("etag")), (200, format!("W/\"{version}\"").as_str()));
            assert_eq!(answer.body["active"], json!(active));
            assert_eq!(answer.body["meta"]["versionId"], json!(version.to_string()));
        }
        refused(&server.get(&format!("Patient/{id}/_history/3")), 410);
        refused(&server.get(&format!("Patient/{id}/_history/4")), 404);
        refused(&server.get(&format!("Patient/{id}/_history/x")), 404);
        refused(&server.get(&format!("Patient/{}/_history/1", unique("nobody"))), 404);
    });
}

/// http.html#cread: If-None-Match with the current ETag, If-Modified-Since with its time.
#[test]
fn answers_304_when_the_client_has_it() {
    on_each(|server| {
        let id = created(server, &patient(json!({})));
        let path = format!("Patient/{id}");
        let modified = server.get(&path).header("last-modified").to_owned();
        let get = |name: &str, value: &str| server.send("GET", &path, &[(name, value)], None);
        for (name, value) in
            [("If-None-Match", "W/\"1\""), ("If-None-Match", "W/\"9\", \"1\""), ("If-Modified-Since", &modified)]
        {
            let answer = get(name, value);
            assert_eq!((answer.status, answer.bytes.len()), (304, 0), "{name}: {value}");
            assert_eq!(answer.header("etag"), "W/\"1\"");
        }
        assert_eq!(get("If-None-Match", "W/\"2\"").status, 200);
        assert_eq!(get("If-Modified-Since", "Sat, 01 Jan 2000 00:00:00 GMT").status, 200);
        // RFC 9110 section 13.1.3: a date that is none is ignored.
        assert_eq!(get("If-Modified-Since", "yesterday").status, 200);
    });
}

/// RFC 9110 section 13.2.2: If-None-Match wins over If-Modified-Since.
#[test]
fn if_none_match_wins_over_if_modified_since() {
    on_each(|server| {
        let id = created(server, &patient(json!({})));
        let path = format!("Patient/{id}");
        let modified = server.get(&path).header("last-modified").to_owned();
        let headers = [("If-None-Match", "W/\"2\""), ("If-Modified-Since", modified.as_str())];
        assert_eq!(server.send("GET", &path, &headers, None).status, 200);
    });
}

/// http.html#read: HEAD is GET without the body.
#[test]
fn head_has_the_headers_only() {
    on_each(|server| {
        let id = created(server, &patient(json!({})));
        let (get, head) =
            (server.get(&format!("Patient/{id}")), server.send("HEAD", &format!("Patient/{id}"), &[], None));
        assert_eq!((head.status, head.bytes.len()), (200, 0));
        for name in ["etag", "last-modified", "content-type", "content-length"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
        assert_eq!(server.send("HEAD", "Patient/nobody", &[], None).status, 404);
        assert_eq!(server.send("HEAD", "Patient?_count=1", &[], None).status, 200);
        assert_eq!(server.send("HEAD", "metadata", &[], None).status, 200);
    });
}

/// search.html#summary, #elements on a read: parts, tagged SUBSETTED, mandatory elements kept.
#[test]
fn summary_and_elements_cut() {
    on_each(|server| {
        let id = created(
            server,
            &observation(json!({
                "text": { "status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>" },
                "note": [{ "text": "n" }],
                "valueString": "v"
            })),
        );
        let names = |query: &str| -> Vec<String> {
            let body = got(server, &format!("Observation/{id}?{query}"));
            assert_eq!(body["meta"]["tag"][0]["code"], "SUBSETTED", "{query}");
            let mut names: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
            names.retain(|name| !matches!(name.as_str(), "resourceType" | "id" | "meta"));
            names.sort();
            names
        };
        assert_eq!(names("_elements=note"), ["code", "note", "status"]);
        assert_eq!(names("_elements=value"), ["code", "status", "valueString"]);
        assert_eq!(names("_summary=true"), ["code", "status", "valueString"]);
        assert_eq!(names("_summary=text"), ["code", "status", "text"]);
        assert_eq!(names("_summary=data"), ["code", "note", "status", "valueString"]);
        assert_eq!(got(server, &format!("Observation/{id}?_summary=false"))["meta"]["tag"], json!(null));
        refused(&server.get(&format!("Observation/{id}?_summary=all")), 400);
        refused(&server.get(&format!("Observation/{id}?nonsense=1")), 400);
    });
}

/// http.html#parameters: _pretty indents, the content is the same.
#[test]
fn pretty_is_indented() {
    on_each(|server| {
        let id = created(server, &patient(json!({ "name": [{ "given": ["a", "b"] }] })));
        let (plain, pretty) = (server.get(&format!("Patient/{id}")), server.get(&format!("Patient/{id}?_pretty=true")));
        assert_eq!(plain.body, pretty.body);
        assert!(pretty.bytes.len() > plain.bytes.len());
        assert!(pretty.bytes.iter().filter(|byte| **byte == b'\n').count() > 5);
    });
}
