//! `$meta`, `$meta-add`, `$meta-delete` (FHIR R4 resource-operation-meta.html, -meta-add, -meta-delete).

use serde_json::{Value, json};

use crate::common::{Answer, Server};
use crate::support::{created, finds, got, on_each, patient, refused, unique};

fn labels(meta: Value) -> Value {
    json!({ "resourceType": "Parameters", "parameter": [{ "name": "meta", "valueMeta": meta }] })
}

fn meta(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let only = &answer.body["parameter"][0];
    assert_eq!((&answer.body["resourceType"], &only["name"]), (&json!("Parameters"), &json!("return")));
    only["valueMeta"].clone()
}

fn labelled(server: &Server) -> (String, String) {
    let tag = unique("meta");
    let id = created(
        server,
        &patient(json!({
            "meta": { "profile": ["http://x/a"], "tag": [{ "system": "urn:x", "code": tag, "display": "first" }] },
            "birthDate": "1942-05-03"
        })),
    );
    (format!("Patient/{id}"), tag)
}

/// "returns the same meta as would be returned by accessing the resource directly", of past versions too.
#[test]
fn meta_is_that_of_the_resource() {
    on_each(|server| {
        let (path, _) = labelled(server);
        assert_eq!(meta(&server.get(&format!("{path}/$meta"))), got(server, &path)["meta"]);
        server.post(&format!("{path}/$meta-add"), &labels(json!({ "profile": ["http://x/b"] })));
        let old = meta(&server.get(&format!("{path}/_history/1/$meta")));
        assert_eq!((&old["versionId"], &old["profile"]), (&json!("1"), &json!(["http://x/a"])));
        assert_eq!(meta(&server.get(&format!("{path}/$meta")))["versionId"], "2");
        refused(&server.get(&format!("{path}/_history/7/$meta")), 404);
        refused(&server.get(&format!("{path}/_history/x/$meta")), 404);
        refused(&server.get("Patient/nobody/$meta"), 404);
        // "Systems are not obligated to implement the operation at this level (and should return a 4xx error)".
        refused(&server.get("Patient/$meta"), 404);
        refused(&server.get("$meta"), 404);
    });
}

/// "profiles, tags, and security labels are sets, and duplicates are not created … version and display are ignored".
#[test]
fn add_makes_no_duplicates() {
    on_each(|server| {
        let (path, tag) = labelled(server);
        let more = json!({
            "profile": ["http://x/a", "http://x/b"],
            "tag": [{ "system": "urn:x", "code": tag, "display": "other" }, { "system": "urn:y", "code": tag }],
            "security": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R" }]
        });
        let added = meta(&server.post(&format!("{path}/$meta-add"), &labels(more.clone())));
        assert_eq!(added["profile"], json!(["http://x/a", "http://x/b"]));
        assert_eq!(
            added["tag"],
            json!([{ "system": "urn:x", "code": tag, "display": "first" }, { "system": "urn:y", "code": tag }])
        );
        assert_eq!(added["versionId"], "2");
        let stored = got(server, &path);
        assert_eq!((&stored["meta"], &stored["birthDate"]), (&added, &json!("1942-05-03")));
        finds(server, &format!("Patient?_tag=urn:y|{tag}&_security=R"), &[path.trim_start_matches("Patient/")]);
        // The same again changes nothing.
        assert_eq!(meta(&server.post(&format!("{path}/$meta-add"), &labels(more)))["versionId"], "2");
    });
}

/// "It is not an error if these tags, profiles, and labels do not exist."
#[test]
fn delete_takes_labels_away() {
    on_each(|server| {
        let (path, tag) = labelled(server);
        let less = json!({ "profile": ["http://x/a", "http://x/z"], "tag": [{ "system": "urn:x", "code": tag }] });
        let left = meta(&server.post(&format!("{path}/$meta-delete"), &labels(less)));
        assert_eq!((left.get("profile"), left.get("tag")), (None, None));
        finds(server, &format!("Patient?_tag={tag}"), &[]);
        let history = got(server, &format!("{path}/_history"));
        assert_eq!(history["total"], 2);
        assert_eq!(history["entry"][1]["resource"]["meta"]["profile"], json!(["http://x/a"]));
        let none =
            meta(&server.post(&format!("{path}/$meta-delete"), &labels(json!({ "profile": ["http://x/none"] }))));
        assert_eq!(none["versionId"], "2");
    });
}

/// Labels come as a Meta, by POST, to a resource that is there.
#[test]
fn wrong_input_is_refused() {
    on_each(|server| {
        let (path, _) = labelled(server);
        let add = format!("{path}/$meta-add");
        assert_eq!(server.get(&add).header("allow"), "POST");
        refused(&server.get(&add), 405);
        refused(&server.post(&add, &json!({ "resourceType": "Parameters" })), 400);
        refused(&server.post(&add, &labels(json!({ "profiles": ["http://x"] }))), 400);
        refused(
            &server.post(
                &add,
                &json!({ "resourceType": "Parameters", "parameter": [{ "name": "meta", "valueString": "x" }] }),
            ),
            400,
        );
        refused(&server.post("Patient/nobody/$meta-add", &labels(json!({ "profile": ["http://x"] }))), 404);
        server.delete(&path);
        refused(&server.post(&add, &labels(json!({ "profile": ["http://x"] }))), 410);
        refused(&server.get(&format!("{path}/$meta")), 410);
    });
}

/// Many at once: none is lost.
#[test]
fn labels_added_at_once_are_all_there() {
    on_each(|server| {
        let (path, _) = labelled(server);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let add = format!("{path}/$meta-add");
                scope.spawn(move || {
                    let tag = json!({ "tag": [{ "system": "urn:many", "code": number.to_string() }] });
                    while server.post(&add, &labels(tag.clone())).status == 409 {}
                });
            }
        });
        let tags = got(server, &path)["meta"]["tag"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|tag| tag["system"] == "urn:many")
            .count();
        assert_eq!(tags, 8);
    });
}
