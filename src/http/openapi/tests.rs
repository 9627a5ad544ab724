use std::collections::HashSet;

use serde_json::Value;

use super::{document, types};
use crate::format::json::parse;
use crate::search::registry::registry;
use crate::validation::structure::check_resource;

fn references<'d>(node: &'d Value, found: &mut Vec<&'d str>) {
    match node {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "$ref" => found.push(text),
                    other => references(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

fn check(document: &Value) {
    let mut found = Vec::new();
    references(document, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut ids = HashSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path}");
            let names: Vec<(&str, &str)> = operation["parameters"]
                .as_array()
                .unwrap()
                .iter()
                .map(|parameter| match parameter["$ref"].as_str() {
                    Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
                    None => parameter,
                })
                .map(|parameter| (parameter["in"].as_str().unwrap(), parameter["name"].as_str().unwrap()))
                .collect();
            assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{method} {path}: {names:?}");
            for wanted in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                assert!(names.contains(&("path", wanted)), "{method} {path}");
            }
        }
    }
}

/// References lead somewhere, ids and parameters are unique, those of the path are declared.
#[test]
fn is_consistent() {
    let whole = document(&[], registry(), false);
    check(&whole);
    let size = whole.to_string().len();
    assert!(size < 4 << 20, "{size}");
    assert!(whole["paths"]["/fhir/Patient/{id}/$everything"]["get"].is_object());
    check(&document(&["Patient".to_owned(), "Observation".to_owned()], registry(), false));
}

#[test]
fn types_are_read() {
    let pair = |value: &str| types(&[("type".to_owned(), value.to_owned())]);
    assert_eq!(pair("Patient,Observation,Patient"), Ok(vec!["Patient".to_owned(), "Observation".to_owned()]));
    assert!(pair("Patiens").is_err());
    assert!(types(&[("kind".to_owned(), String::new())]).is_err());
}

#[test]
fn examples_are_valid() {
    let whole = document(&[], registry(), false);
    for (name, body) in whole["components"]["requestBodies"].as_object().unwrap() {
        for example in body["content"]["application/fhir+json"]["examples"].as_object().into_iter().flatten() {
            let text = example.1["value"].to_string();
            assert!(check_resource(&parse(text.as_bytes()).unwrap(), None).is_ok(), "{name}");
        }
    }
}
