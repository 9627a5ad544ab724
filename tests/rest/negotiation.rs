//! Which representation an answer has (FHIR R4 http.html#mime-type): NDJSON, browsers, versions.

use serde_json::{Value, json};

use crate::common::Answer;
use crate::support::{created, got, on_each, patient, refused, tagged, unique};

fn lines(answer: &Answer) -> Vec<Value> {
    let text = std::str::from_utf8(&answer.bytes).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The target of a `Link` header with a relation.
fn link(answer: &Answer, relation: &str) -> Option<String> {
    let links = answer.headers.get_all("link").iter().filter_map(|value| value.to_str().ok());
    let mut found = links.filter(|value| value.ends_with(&format!("; rel=\"{relation}\"")));
    found.next().map(|value| value[1..].split('>').next().unwrap().to_owned())
}

/// One resource a line, the same as in the Bundle; the next page is in a `Link` header (RFC 8288).
#[test]
fn a_searchset_as_ndjson_has_a_resource_a_line() {
    on_each(|server| {
        let tag = unique("ndjson");
        let ids: Vec<String> = (0..5).map(|_| created(server, &tagged(patient(json!({})), &tag))).collect();
        let mut path = format!("Patient?_tag={tag}&_count=2");
        let mut found = Vec::new();
        loop {
            let answer = server.send("GET", &path, &[("Accept", "application/fhir+ndjson")], None);
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert_eq!(answer.header("content-type"), "application/fhir+ndjson; charset=utf-8");
            assert!(link(&answer, "self").is_some());
            found.extend(lines(&answer));
            let Some(next) = link(&answer, "next") else { break };
            path = next.strip_prefix(&format!("{}/", server.base)).unwrap().to_owned();
        }
        let found_ids: Vec<&str> = found.iter().filter_map(|resource| resource["id"].as_str()).collect();
        assert_eq!(found_ids, ids);
        assert_eq!(found[0], got(server, &format!("Patient/{}", ids[0])));
        let by_name = server.get(&format!("Patient?_tag={tag}&_format=ndjson"));
        assert_eq!(lines(&by_name).len(), 5);
        assert!(server.get(&format!("Patient?_tag=none-{tag}&_format=ndjson")).bytes.is_empty());
    });
}

/// Histories give the versions that have a body; one resource is one line; refusals stay FHIR JSON.
#[test]
fn other_answers_as_ndjson() {
    on_each(|server| {
        let id = created(server, &patient(json!({ "active": true })));
        server.put(&format!("Patient/{id}"), &patient(json!({ "id": id, "active": false })));
        let history = server.get(&format!("Patient/{id}/_history?_format=application/x-ndjson"));
        let active: Vec<Value> = lines(&history).iter().map(|version| version["active"].clone()).collect();
        assert_eq!(active, [json!(false), json!(true)]);
        let one = server.get(&format!("Patient/{id}?_format=ndjson"));
        assert_eq!(lines(&one).len(), 1);
        refused(&server.get("Patient/not-here?_format=ndjson"), 404);
        let body = [("Content-Type", "application/fhir+ndjson")];
        refused(&server.send("POST", "Patient", &body, Some(&patient(json!({})))), 415);
    });
}

/// A person at a browser reads a page: narrative, links, JSON; nothing in it can run or load anything.
#[test]
fn browsers_get_a_page() {
    on_each(|server| {
        let div = "<div xmlns=\"http://www.w3.org/1999/xhtml\"><b>骨折</b></div>";
        let id = created(
            server,
            &patient(
                json!({ "text": { "status": "generated", "div": div }, "name": [{ "family": "<script>x</script>" }],
                "managingOrganization": { "reference": "Organization/o" } }),
            ),
        );
        let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
        let read = |path: &str| {
            let headers = [("Accept", accept), ("Accept-Language", "ja,en;q=0.5")];
            let answer = server.send("GET", path, &headers, None);
            assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{path}");
            assert!(answer.header("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-"));
            (answer.status, String::from_utf8(answer.bytes).unwrap())
        };
        let (status, page) = read(&format!("Patient/{id}"));
        assert_eq!(status, 200);
        assert!(page.starts_with("<!DOCTYPE html>") && page.contains(div) && !page.contains("<script"), "{page}");
        assert!(page.contains(&format!("href=\"{}/Organization/o\"", server.base)), "{page}");
        let (_, list) = read(&format!("Patient?_id={id}"));
        assert!(
            list.contains(&format!("href=\"{}/Patient/{id}\"", server.base)) && list.contains("全件数: 1"),
            "{list}"
        );
        let (status, wrong) = read("Patient?nonsense=1");
        assert!(status == 400 && wrong.contains("<b>error</b>"), "{wrong}");
        let named = server.get(&format!("Patient/{id}?_format=html"));
        assert_eq!(named.header("content-type"), "text/html; charset=utf-8");
        let json = server.get(&format!("Patient/{id}?_format=json"));
        assert_eq!(json.body["id"], id.as_str());
    });
}

#[test]
fn only_r4_and_what_is_here_is_served() {
    on_each(|server| {
        let id = created(server, &patient(json!({})));
        let status = |accept: &str| server.send("GET", &format!("Patient/{id}"), &[("Accept", accept)], None).status;
        assert_eq!(status("application/fhir+json; fhirVersion=4.0"), 200);
        assert_eq!(status("application/fhir+json; charset=utf-8"), 200);
        assert_eq!(status("application/fhir+json; fhirVersion=3.0"), 406);
        assert_eq!(status("application/fhir+json; fhirVersion=5.0, application/fhir+xml;q=0.1"), 200);
        assert_eq!(status("text/turtle"), 406);
        assert_eq!(server.get(&format!("Patient/{id}?_format=ttl")).status, 406);
        assert_eq!(
            server.get(&format!("Patient/{id}?_format=json")).header("content-type"),
            "application/fhir+json; charset=utf-8"
        );
        assert_eq!(
            server.get(&format!("Patient/{id}?_format=xml")).header("content-type"),
            "application/fhir+xml; charset=utf-8"
        );
    });
}
