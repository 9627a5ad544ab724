//! `/notebook/v1/mapping`: how the notebook and FHIR go together, told by the tables that map.

use serde_json::{Value, json};

use crate::notebook_support::{citizen, member, notebook_with, read, unique_name, write};
use crate::support::{got, on_each};

/// Whether something is at a path of element names, through lists.
fn has(node: &Value, path: &[&str]) -> bool {
    match (node, path) {
        (Value::Array(items), _) => items.iter().any(|item| has(item, path)),
        (node, []) => !node.is_null(),
        (node, [first, rest @ ..]) => node.get(first).is_some_and(|inner| has(inner, rest)),
    }
}

#[test]
fn each_field_is_told_with_its_place_and_is_there() {
    on_each(|server| {
        let told = read(server, "", "mapping");
        let entities = told["entities"].as_array().unwrap();
        let schemas = read(server, "", "schema");
        assert_eq!(entities.len(), schemas["schemas"].as_array().unwrap().len(), "every kind is there");
        let one = read(server, "", "mapping/blood_pressure");
        assert!(entities.contains(&one));
        let source = &one["sources"][0];
        assert_eq!((&source["resource"], &source["isWritten"]), (&json!("Observation"), &json!(true)));
        let systolic = &source["fields"][0];
        assert_eq!((&systolic["field"], &systolic["direction"]), (&json!("systolic"), &json!("both")));
        assert!(systolic["path"].as_str().unwrap().contains("code.coding.code = '8480-6'"), "{systolic}");
        assert!(
            source["writtenAlong"]
                .as_array()
                .unwrap()
                .contains(&json!({ "path": "category.coding.code", "value": "vital-signs" })),
            "{source}"
        );
        // What is told is what a written entry has.
        let (id, nurse) = (citizen(server, &unique_name()), member(server, "見本 看護師"));
        let body = json!({ "happened": "2026-05-01", "text": "居間で転倒", "note": "見本" });
        let entry = write(server, &nurse, &format!("citizens/{id}/fall"), &body);
        let resource = got(server, entry["resource"].as_str().unwrap());
        let fall = read(server, "", "mapping/fall");
        for field in fall["sources"][0]["fields"].as_array().unwrap() {
            for path in field["writes"].as_array().unwrap() {
                let path: Vec<&str> = path.as_str().unwrap().split('.').collect();
                assert!(has(&resource, &path), "{path:?} {resource}");
            }
        }
        for along in fall["sources"][0]["writtenAlong"].as_array().unwrap() {
            let path: Vec<&str> = along["path"].as_str().unwrap().split('.').collect();
            assert!(has(&resource, &path), "{path:?} {resource}");
        }
        assert_eq!(notebook_with(server, "", "GET", "mapping/nothing", &[], None).status, 404);
    });
}

#[test]
fn it_is_a_page_in_japanese_and_english() {
    on_each(|server| {
        let page = |language| {
            let headers = [("Accept", "text/html,application/xhtml+xml"), ("Accept-Language", language)];
            let answer = notebook_with(server, "", "GET", "mapping", &headers, None);
            assert_eq!(answer.status, 200);
            assert!(answer.header("content-type").starts_with("text/html"));
            assert!(answer.header("content-security-policy").contains("default-src 'none'"));
            String::from_utf8(answer.bytes.clone()).unwrap()
        };
        let (ja, en) = (page("ja"), page("en"));
        assert!(ja.contains("<html lang=\"ja\">") && ja.contains("血圧") && ja.contains("収縮期血圧"));
        assert!(
            en.contains("<html lang=\"en\">") && en.contains("Blood pressure") && !en.contains("収縮期血圧（mmHg）")
        );
        let told = read(server, "", "mapping");
        for entity in told["entities"].as_array().unwrap() {
            assert!(ja.contains(&format!("<code>{}</code>", entity["entity"].as_str().unwrap())));
            for field in entity["sources"][0]["fields"].as_array().unwrap() {
                assert!(en.contains(&format!("<code>{}</code>", field["field"].as_str().unwrap())), "{field}");
            }
        }
    });
}

/// The translations of codes are ConceptMaps: FHIR R4 conceptmap-operation-translate.html.
#[test]
fn codes_are_translated() {
    on_each(|server| {
        for (map, system, code, target) in [
            (
                "notebook-entity-to-resource",
                "http://renraku.example/fhir/CodeSystem/notebook-entity",
                "blood_pressure",
                "Observation",
            ),
            (
                "notebook-entity-to-resource",
                "http://renraku.example/fhir/CodeSystem/notebook-entity",
                "article",
                "Communication",
            ),
            ("written-unit-to-ucum", "http://renraku.example/fhir/CodeSystem/written-unit", "℃", "Cel"),
            ("measurement-to-category", "http://loinc.org", "29463-7", "vital-signs"),
        ] {
            let code = code.replace('℃', "%E2%84%83");
            let path = format!(
                "ConceptMap/$translate?url=http://renraku.example/fhir/ConceptMap/{map}&system={system}&code={code}"
            );
            let told = got(server, &path);
            let parameters = told["parameter"].as_array().unwrap();
            let matches = parameters.iter().filter(|part| part["name"] == "match");
            let found =
                matches.flat_map(|part| part["part"].as_array().unwrap()).filter(|part| part["name"] == "concept");
            let found: Vec<&Value> = found.map(|part| &part["valueCoding"]["code"]).collect();
            assert!(found.contains(&&json!(target)), "{map} {code}: {told}");
        }
    });
}
