//! What the topics share: servers on every database, and short ways to say what is expected.
//!
//! Tests that run at the same time share a server on each database; the last one to end stops it.
//! So a test names its resources with [`unique`] and never counts what others may have stored;
//! one that must be alone uses [`on_each_alone`].

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::{Value, json};

use crate::common::{Answer, Database, Server, agent, databases, exchange};

/// A server with its database; the server ends first.
struct Running {
    server: Server,
    database: Database,
}

fn start() -> Vec<Running> {
    databases().map(|database| Running { server: Server::start(&database.url, &[]), database }).collect()
}

fn run(running: &[Running], test: impl Fn(&Server)) {
    for Running { server, database } in running {
        println!("on {}", database.kind());
        test(server);
    }
}

/// Runs a test on each database, on servers shared with other tests.
pub(crate) fn on_each(test: impl Fn(&Server)) {
    static SHARED: Mutex<Weak<Vec<Running>>> = Mutex::new(Weak::new());
    let running = {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let running = Arc::new(start());
            *shared = Arc::downgrade(&running);
            running
        })
    };
    run(&running, test);
}

/// Runs a test on each database, on servers and databases of its own.
pub(crate) fn on_each_alone(test: impl Fn(&Server)) {
    run(&start(), test);
}

/// A name that no other test has; also a FHIR id.
pub(crate) fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{what}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A Patient with a tag of its own, with further members.
pub(crate) fn patient(more: Value) -> Value {
    with(json!({ "resourceType": "Patient" }), more)
}

/// An Observation (laboratory value) with further members.
pub(crate) fn observation(more: Value) -> Value {
    with(
        json!({
            "resourceType": "Observation",
            "status": "final",
            "code": { "coding": [{ "system": "http://loinc.org", "code": "8302-2" }] }
        }),
        more,
    )
}

/// `base` with the members of `more`.
pub(crate) fn with(mut base: Value, more: Value) -> Value {
    let Value::Object(more) = more else { return base };
    for (name, value) in more {
        base[name] = value;
    }
    base
}

/// The same resource with a tag, so that a search by `_tag` finds what belongs to a test.
pub(crate) fn tagged(resource: Value, tag: &str) -> Value {
    with(resource, json!({ "meta": { "tag": [{ "system": "urn:example:test", "code": tag }] } }))
}

/// Creates a resource; its id.
pub(crate) fn created(server: &Server, resource: &Value) -> String {
    let kind = resource["resourceType"].as_str().unwrap();
    let answer = server.post(kind, resource);
    assert_eq!(answer.status, 201, "create {resource}: {}", answer.body);
    answer.body["id"].as_str().unwrap().to_owned()
}

/// Puts a resource under its own id; the answer's body.
pub(crate) fn stored(server: &Server, resource: &Value) -> Value {
    let answer = server.put(&address(resource), resource);
    assert!(matches!(answer.status, 200 | 201), "PUT {resource}: {} {}", answer.status, answer.body);
    answer.body
}

/// `Type/id`
pub(crate) fn address(resource: &Value) -> String {
    format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())
}

/// GET that must succeed.
pub(crate) fn got(server: &Server, path: &str) -> Value {
    let answer = server.get(path);
    assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
    answer.body
}

/// POST of a form.
pub(crate) fn post_form(server: &Server, path: &str, form: &str) -> Answer {
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    exchange(&agent(), &server.base, "POST", path, &headers, Some(form.into())).unwrap()
}

/// The entries of a Bundle.
pub(crate) fn entries(bundle: &Value) -> &[Value] {
    bundle["entry"].as_array().map_or(&[], Vec::as_slice)
}

/// Ids of the entries of a Bundle with a search mode.
pub(crate) fn ids_of(bundle: &Value, mode: &str) -> Vec<String> {
    entries(bundle)
        .iter()
        .filter(|entry| entry["search"]["mode"] == mode)
        .map(|entry| entry["resource"]["id"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Percent-encodes what is no ASCII.
pub(crate) fn ascii(path: &str) -> String {
    let encoded = |letter: char| letter.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    path.chars().map(|letter| if letter.is_ascii() { letter.to_string() } else { encoded(letter) }).collect()
}

/// `path` (a search) must match just these ids, in any order, and say their number.
pub(crate) fn finds(server: &Server, path: &str, ids: &[&str]) {
    let bundle = got(server, &ascii(path));
    let mut found = ids_of(&bundle, "match");
    found.sort_unstable();
    let mut wanted: Vec<&str> = ids.to_vec();
    wanted.sort_unstable();
    assert_eq!(found, wanted, "GET {path}");
    assert_eq!(bundle["total"], json!(ids.len()), "total of GET {path}");
}

/// `path` (a search) must match these ids in this order.
pub(crate) fn lists(server: &Server, path: &str, ids: &[&str]) {
    assert_eq!(ids_of(&got(server, path), "match"), ids, "GET {path}");
}

/// The URL of a link of a Bundle, relative to the base.
pub(crate) fn link(server: &Server, bundle: &Value, relation: &str) -> Option<String> {
    let links = bundle["link"].as_array()?;
    let url = links.iter().find(|link| link["relation"] == relation)?["url"].as_str()?;
    let inside = url.strip_prefix(&server.base).unwrap_or_else(|| panic!("{url} is not under {}", server.base));
    Some(inside.trim_start_matches('/').to_owned())
}

/// Follows the next links from a path to the end.
pub(crate) fn pages(server: &Server, path: &str) -> Vec<Value> {
    let mut pages = vec![got(server, path)];
    while let Some(next) = link(server, pages.last().unwrap(), "next") {
        assert!(pages.len() < 1000, "{path} has no last page");
        pages.push(got(server, &next));
    }
    pages
}

/// The answer must be a refusal: this status, an OperationOutcome in FHIR JSON. Its text.
pub(crate) fn refused(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.bytes));
    assert!(answer.header("content-type").starts_with("application/fhir+json"), "{:?}", answer.headers);
    assert_eq!(answer.body["resourceType"], "OperationOutcome", "{}", answer.body);
    let issues = answer.body["issue"].as_array().unwrap();
    assert!(issues.iter().all(|issue| issue["severity"] == "error"), "{}", answer.body);
    let texts: Vec<&str> = issues.iter().filter_map(|issue| issue["diagnostics"].as_str()).collect();
    assert_eq!(texts.len(), issues.len(), "every issue says what is wrong: {}", answer.body);
    texts.join("\n")
}

/// The place of the first issue of an outcome.
pub(crate) fn place(outcome: &Value) -> &str {
    outcome["issue"][0]["expression"][0].as_str().unwrap_or_default()
}

/// A resource without what the server sets itself: id, version and time.
pub(crate) fn content(resource: &Value) -> Value {
    let mut content = resource.clone();
    if let Some(members) = content.as_object_mut() {
        members.remove("id");
        if let Some(meta) = members.get_mut("meta").and_then(Value::as_object_mut) {
            meta.remove("versionId");
            meta.remove("lastUpdated");
            if meta.is_empty() {
                members.remove("meta");
            }
        }
    }
    content
}

/// A batch or transaction.
pub(crate) fn bundle(kind: &str, entries: Vec<Value>) -> Value {
    json!({ "resourceType": "Bundle", "type": kind, "entry": entries })
}

/// An entry with a method and URL and, unless it is null, a resource.
pub(crate) fn entry(method: &str, url: &str, resource: Value) -> Value {
    let mut entry = json!({ "request": { "method": method, "url": url } });
    if !resource.is_null() {
        entry["resource"] = resource;
    }
    entry
}

/// The number of versions on the whole server.
pub(crate) fn versions(server: &Server) -> u64 {
    got(server, "_history?_count=1")["total"].as_u64().unwrap()
}
