//! `_explain`: how a search is done, in words, SQL and the database's own plan.

use serde_json::{Value, json};

use crate::support::{bundle, created, entries, entry, on_each, patient, refused, tagged, unique};

fn parts<'v>(parameters: &'v Value, name: &str) -> Vec<&'v Value> {
    assert_eq!(parameters["resourceType"], "Parameters", "{parameters}");
    parameters["parameter"].as_array().unwrap().iter().filter(|part| part["name"] == name).collect()
}

fn texts(part: &Value, name: &str) -> Vec<String> {
    let parts = part["part"].as_array().unwrap().iter().filter(|part| part["name"] == name);
    parts.map(|part| part["valueString"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn says_what_leads_and_what_is_sent_to_the_database() {
    on_each(|server| {
        let tag = unique("explain");
        for _ in 0..3 {
            created(server, &tagged(patient(json!({ "gender": "female" })), &tag));
        }
        let path = format!("Patient?_tag={tag}&gender=female&_sort=family");
        let asked = server.get(&format!("{path}&_explain=true"));
        assert_eq!(asked.status, 200, "{}", asked.body);
        let conditions = parts(&asked.body, "condition");
        assert_eq!(conditions.len(), 2);
        let leads =
            |part: &&&Value| part["part"].as_array().unwrap().iter().any(|part| part["valueBoolean"] == json!(true));
        let leading: Vec<_> = conditions.iter().filter(leads).collect();
        assert_eq!(leading.len(), 1);
        assert!(texts(leading[0], "words")[0].contains(&tag), "{}", leading[0]);
        let statements = parts(&asked.body, "statement");
        let purposes: Vec<String> = statements.iter().flat_map(|statement| texts(statement, "purpose")).collect();
        assert_eq!(purposes, ["page", "total"]);
        for statement in statements {
            assert!(texts(statement, "sql")[0].contains("FROM"));
            assert!(texts(statement, "value").iter().any(|value| value.contains(&tag)));
            assert!(!texts(statement, "plan").is_empty());
        }
        let by_header = server.send("GET", &path, &[("X-Explain", "true")], None);
        assert_eq!(parts(&by_header.body, "condition").len(), 2);
        // The search itself is as ever.
        assert_eq!(server.get(&format!("{path}&_explain=false")).body["total"], 3);
        refused(&server.get("Patient?_explain=maybe"), 400);
    });
}

#[test]
fn every_kind_of_condition_is_explained() {
    on_each(|server| {
        for query in [
            "Patient?_id=a&_lastUpdated=gt2020&name=x&name:contains=y&name:exact=z&birthdate=le2000&active:missing=true",
            "Observation?subject:Patient.name=x&value-quantity=gt5&code-value-quantity=a$5&code:not=b",
            "Patient?_has:Observation:patient:code=x&_text=a+or+%22b+c%22&_list=x",
            "Patient?_filter=name%20co%20x%20or%20not%20(gender%20eq%20male)",
            "?_tag=x&_type=Patient",
            "Patient/x/Observation?code=y",
            "RiskAssessment?probability=gt0.5",
            "ValueSet?url:below=http://x&_count=0",
        ] {
            let asked = server.get(&format!("{query}&_explain=true"));
            assert_eq!(asked.status, 200, "{query}: {}", asked.body);
            assert!(!parts(&asked.body, "statement").is_empty(), "{query}");
        }
        let batch = bundle("batch", vec![entry("GET", "Patient?name=x&_explain=true", Value::Null)]);
        let answer = server.post("", &batch);
        assert_eq!(entries(&answer.body)[0]["resource"]["resourceType"], "Parameters");
    });
}
