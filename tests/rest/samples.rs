//! Real resources come back as they were sent. Reads reference inputs from `../shared`; where they
//! are absent the tests say "skipped".

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{address, content, entries, got, on_each_alone, versions};

/// The JSON files of a folder of reference inputs.
pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.join("../shared").join(folder), root.join("../../shared").join(folder)];
    let Some(listing) = folders.iter().find_map(|folder| fs::read_dir(folder).ok()) else {
        println!("skipped: no {folder}");
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = listing
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files
}

pub(crate) fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Japanese referral documents and data bundles, stored as Bundles (json.html: nothing is lost).
#[test]
fn document_bundles_come_back_equal() {
    on_each_alone(|server| {
        for path in files("samples/ereferral").into_iter().chain(files("samples/jp-clins")) {
            let sent = read(&path);
            if sent["resourceType"] != "Bundle" {
                continue;
            }
            let answer = server.post("Bundle", &sent);
            assert_eq!(answer.status, 201, "{}: {}", path.display(), answer.body);
            let read = got(server, &format!("Bundle/{}", answer.body["id"].as_str().unwrap()));
            assert_eq!(content(&read), content(&sent), "{}", path.display());
        }
    });
}

/// Every example of the standard that is valid is stored and read back equal.
#[test]
fn examples_of_the_standard_come_back_equal() {
    on_each_alone(|server| {
        let (mut kept, mut refused) = (0, Vec::new());
        for path in files("suites/r4-examples") {
            let sent = read(&path);
            if !sent["id"].is_string() || !sent["resourceType"].is_string() {
                continue;
            }
            let answer = server.put(&address(&sent), &sent);
            if answer.status == 400 {
                refused.push(format!(
                    "{}: {}",
                    path.file_name().unwrap().display(),
                    answer.body["issue"][0]["diagnostics"]
                ));
                continue;
            }
            assert!(matches!(answer.status, 200 | 201), "{}: {} {}", path.display(), answer.status, answer.body);
            // A Binary is answered as it is, unless FHIR is asked for.
            let read = server.send("GET", &address(&sent), &[("Accept", "application/fhir+json")], None).body;
            assert_eq!(read["id"], sent["id"]);
            assert_eq!(content(&read), content(&sent), "{}", path.display());
            kept += 1;
        }
        println!("{kept} examples kept, refused: {refused:#?}");
        assert!(refused.len() <= 3, "{refused:#?}");
    });
}

/// A Synthea transaction: each entry is stored as sent, but for ids and what they rename.
#[test]
fn a_synthea_transaction_comes_back_equal() {
    on_each_alone(|server| {
        for path in files("samples/synthea") {
            let sent = read(&path);
            let answer = server.post("", &sent);
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert_eq!(entries(&answer.body).len(), entries(&sent).len());
            let mut renamed: BTreeMap<String, String> = BTreeMap::new();
            let mut stored = Vec::new();
            for (entry, response) in entries(&sent).iter().zip(entries(&answer.body)) {
                let location = response["response"]["location"].as_str().unwrap();
                let address = location
                    .split("/_history/")
                    .next()
                    .unwrap()
                    .trim_start_matches(&server.base)
                    .trim_matches('/')
                    .to_owned();
                renamed.insert(entry["fullUrl"].as_str().unwrap().to_owned(), address.clone());
                stored.push(address);
            }
            for (entry, address) in entries(&sent).iter().zip(&stored) {
                let mut expected = content(&entry["resource"]);
                rename(&mut expected, &renamed, "");
                let mut read = content(&got(server, address));
                settle(&mut expected, &mut read);
                assert_eq!(read, expected, "{address}");
            }
            assert_eq!(versions(server), entries(&sent).len() as u64);
        }
    });
}

/// Renames what refers: `reference` members and whole strings in uri places.
fn rename(value: &mut Value, renamed: &BTreeMap<String, String>, name: &str) {
    match value {
        Value::String(text) => {
            if let Some(target) =
                renamed.get(text.as_str()).filter(|_| matches!(name, "reference" | "valueUri" | "url"))
            {
                *value = json!(target);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, renamed, name)),
        Value::Object(members) => members.iter_mut().for_each(|(name, item)| rename(item, renamed, name)),
        _ => {}
    }
}

/// Conditional references (`Practitioner?identifier=…`) become what they find: checked for their
/// form, then left out of the comparison.
fn settle(expected: &mut Value, read: &mut Value) {
    match (expected, read) {
        (Value::Object(expected), Value::Object(read)) => {
            for (name, value) in expected {
                if let Some(other) = read.get_mut(name) {
                    if name == "reference" && value.as_str().is_some_and(|text| text.contains('?')) {
                        let kind = value.as_str().unwrap().split('?').next().unwrap().to_owned();
                        assert!(other.as_str().unwrap().starts_with(&kind), "{value} became {other}");
                        *value = other.clone();
                    }
                    settle(value, other);
                }
            }
        }
        (Value::Array(expected), Value::Array(read)) => {
            expected.iter_mut().zip(read).for_each(|(expected, read)| settle(expected, read));
        }
        _ => {}
    }
}
