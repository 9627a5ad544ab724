//! `POST [base]/Bundle/$ingest-document`: a discharge summary becomes resources and a timeline.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::{Answer, Server, agent, exchange};
use crate::support::{entries, got, on_each_alone, refused, versions};

fn sample(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/samples").join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn first() -> Value {
    sample("discharge-hip-fracture.json")
}

fn corrected() -> Value {
    sample("discharge-hip-fracture-corrected.json")
}

fn send(server: &Server, document: &Value) -> Answer {
    server.post("Bundle/$ingest-document", document)
}

/// The numbers of the answer: created, updated, deleted, unchanged.
fn counts(answer: &Answer) -> [u64; 4] {
    assert_eq!(answer.status, 200, "{}", answer.body);
    ["created", "updated", "deleted", "unchanged"]
        .map(|name| part(&answer.body, name)["valueUnsignedInt"].as_u64().unwrap())
}

fn part<'a>(parameters: &'a Value, name: &str) -> &'a Value {
    let parts = parameters["parameter"].as_array().unwrap();
    parts.iter().find(|part| part["name"] == name).unwrap_or_else(|| panic!("no {name} in {parameters}"))
}

/// GET of something outside the FHIR base; the notebook's own links are relative to it.
fn outside(server: &Server, url: &str) -> Value {
    let root = format!("http://{}", server.address());
    let path = match url.strip_prefix(&root) {
        Some(path) => path.trim_start_matches('/').to_owned(),
        None => format!("notebook/v1/{url}"),
    };
    let answer = exchange(&agent(), &root, "GET", &path, &[], None).unwrap();
    assert_eq!(answer.status, 200, "{url}: {}", answer.body);
    answer.body
}

/// The first time everything is created: the document, its entries, a Provenance.
#[test]
fn the_first_time_everything_is_created() {
    on_each_alone(|server| {
        let answer = send(server, &first());
        let [created, updated, deleted, unchanged] = counts(&answer);
        assert_eq!((updated, deleted, unchanged), (0, 0, 0));
        assert!(created as usize > entries(&first()).len(), "entries, document and Provenance: {created}");
        assert_eq!(versions(server), created);
        let document = part(&answer.body, "document")["valueReference"]["reference"].as_str().unwrap();
        let stored = got(server, document);
        assert_eq!((&stored["type"], &stored["entry"]), (&json!("document"), &first()["entry"]));
        for name in ["document", "patient"] {
            got(server, part(&answer.body, name)["valueReference"]["reference"].as_str().unwrap());
        }
        assert_eq!(got(server, "Provenance")["total"], 1);
    });
}

/// Sent again, nothing changes.
#[test]
fn the_same_again_changes_nothing() {
    on_each_alone(|server| {
        let [created, ..] = counts(&send(server, &first()));
        let before = versions(server);
        let again = send(server, &first());
        assert_eq!(counts(&again), [0, 0, 0, created]);
        for name in ["document", "patient"] {
            got(server, part(&again.body, name)["valueReference"]["reference"].as_str().unwrap());
        }
        outside(server, part(&again.body, "timeline")["valueUrl"].as_str().unwrap());
        assert_eq!(versions(server), before);
    });
}

/// A correction updates what it changes, deletes what it no longer has, and leaves a history.
#[test]
fn a_correction_updates_and_deletes() {
    on_each_alone(|server| {
        let answer = send(server, &first());
        let patient = part(&answer.body, "patient")["valueReference"]["reference"].clone();
        let before = versions(server);
        let answer = send(server, &corrected());
        let [created, updated, deleted, unchanged] = counts(&answer);
        // A Provenance for this version is new, the removed medication is gone.
        assert_eq!((created, deleted), (1, 1), "{}", answer.body);
        assert_eq!(got(server, "Provenance")["total"], 2);
        assert!(updated >= 3, "diagnosis, medication, document at least: {updated}");
        assert!(unchanged > updated, "most stays: {unchanged}");
        assert_eq!(versions(server), before + created + updated + deleted);
        assert_eq!(part(&answer.body, "patient")["valueReference"]["reference"], patient);
        assert_eq!(got(server, "Patient")["total"], 1);
        // The correction again: nothing.
        let again = counts(&send(server, &corrected()));
        assert_eq!((again[0], again[1], again[2]), (0, 0, 0));
        // The older one afterwards: refused, and nothing changes.
        let before = versions(server);
        refused(&send(server, &first()), 409);
        assert_eq!(versions(server), before);
    });
}

/// The timeline shows the document in Japanese; every link of it leads somewhere.
#[test]
fn the_timeline_shows_it_in_japanese() {
    on_each_alone(|server| {
        let answer = send(server, &first());
        let timeline = part(&answer.body, "timeline")["valueUrl"].as_str().unwrap();
        let shown = outside(server, &format!("{timeline}?count=500"));
        let list = shown["entries"].as_array().unwrap();
        assert!(list.len() >= 10, "{} entries", list.len());
        let is_japanese = |text: &Value| text.as_str().unwrap_or_default().chars().any(|letter| letter > '\u{3000}');
        for entry in list {
            assert!(is_japanese(&entry["categoryName"]["ja"]), "{entry}");
            assert!(!entry["title"].as_str().unwrap().is_empty(), "{entry}");
            assert!(outside(server, entry["fhir"].as_str().unwrap())["resourceType"].is_string());
        }
        assert!(list.iter().filter(|entry| is_japanese(&entry["title"])).count() * 10 >= list.len() * 9);
        let citizen = &shown["citizen"];
        assert!(is_japanese(&citizen["name"]), "{citizen}");
        assert_eq!(outside(server, citizen["fhir"].as_str().unwrap())["resourceType"], "Patient");
        // By pages: the same entries in the same order.
        let mut paged = Vec::new();
        let mut next = format!("{timeline}?count=3");
        loop {
            let page = outside(server, &next);
            paged.extend(page["entries"].as_array().unwrap().clone());
            match page["next"].as_str() {
                Some(url) => url.clone_into(&mut next),
                None => break,
            }
        }
        assert_eq!(&paged, list);
    });
}

/// After a correction the timeline shows the corrected content only.
#[test]
fn the_timeline_follows_a_correction() {
    on_each_alone(|server| {
        let url = part(&send(server, &first()).body, "timeline")["valueUrl"].as_str().unwrap().to_owned();
        let titles = || {
            let shown = outside(server, &format!("{url}?count=500"));
            shown["entries"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| format!("{} {}", entry["title"], entry["detail"]))
                .collect::<Vec<_>>()
                .join("\n")
        };
        let before = titles();
        counts(&send(server, &corrected()));
        let after = titles();
        assert!(before.contains("センノシド") && !after.contains("センノシド"), "{after}");
        assert!(after.contains("病的骨折あり"), "{after}");
    });
}

/// What is no document is refused, and nothing is stored.
#[test]
fn what_is_no_document_is_refused() {
    on_each_alone(|server| {
        let without = |name: &str| {
            let mut document = first();
            document.as_object_mut().unwrap().remove(name);
            document
        };
        let mut collection = first();
        collection["type"] = json!("collection");
        let mut unnamed = without("identifier");
        unnamed["entry"][0]["resource"].as_object_mut().unwrap().remove("identifier");
        let mut misspelt = first();
        misspelt["entry"][0]["resource"]["nonsense"] = json!(1);
        for wrong in
            [unnamed, without("entry"), without("type"), collection, misspelt, json!({ "resourceType": "Patient" })]
        {
            refused(&send(server, &wrong), 400);
        }
        assert_eq!(versions(server), 0);
    });
}
