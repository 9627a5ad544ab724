//! `Patient/$match` (FHIR R4 patient-operation-match.html): scores, grades, and what is not enough.

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{created, entries, on_each, patient, refused, unique, with};

fn ask(server: &Server, patient: Value, more: Value) -> Value {
    let mut list = vec![json!({ "name": "resource", "resource": patient })];
    list.extend(more.as_array().unwrap().iter().cloned());
    let answer = server.post("Patient/$match", &json!({ "resourceType": "Parameters", "parameter": list }));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["type"], "searchset");
    answer.body
}

/// Ids with grade and score.
fn graded(bundle: &Value) -> Vec<(String, String, f64)> {
    let matches = entries(bundle).iter().filter(|entry| entry["search"]["mode"] == "match");
    let grade = |entry: &Value| {
        let extension = &entry["search"]["extension"][0];
        assert_eq!(extension["url"], "http://hl7.org/fhir/StructureDefinition/match-grade");
        let score = entry["search"]["score"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&score));
        (
            entry["resource"]["id"].as_str().unwrap().to_owned(),
            extension["valueCode"].as_str().unwrap().to_owned(),
            score,
        )
    };
    matches.map(grade).collect()
}

fn person(name: &str, more: Value) -> Value {
    with(
        patient(
            json!({ "name": [{ "text": format!("見本　{name}"), "family": "見本", "given": [name] }], "birthDate": "1942-05-03", "gender": "female" }),
        ),
        more,
    )
}

/// "ordered from most likely to least likely", each with score and grade.
#[test]
fn the_most_likely_comes_first() {
    on_each(|server| {
        let name = unique("花子");
        let phone = json!([{ "system": "phone", "value": format!("03-{name}") }]);
        let same = created(server, &person(&name, json!({ "telecom": phone })));
        let other_day = created(server, &person(&name, json!({ "birthDate": "1950-01-01", "telecom": phone })));
        created(server, &patient(json!({ "name": [{ "family": "別", "given": [name] }], "birthDate": "1942-05-03" })));
        let found = graded(&ask(server, person(&name, json!({ "telecom": phone })), json!([])));
        assert_eq!(found.first().map(|found| (found.0.as_str(), found.1.as_str())), Some((same.as_str(), "certain")));
        assert!(found.iter().all(|found| found.0 != other_day || found.1 != "certain"), "{found:?}");
        assert!(found.windows(2).all(|pair| pair[0].2 >= pair[1].2));
        let less = graded(&ask(server, person(&name, json!({})), json!([{ "name": "count", "valueInteger": 1 }])));
        assert_eq!(less.len(), 1);
        assert_eq!((less[0].0.as_str(), less[0].1.as_str()), (same.as_str(), "probable"));
    });
}

/// An identifier in common is certain, unless the day of birth contradicts.
#[test]
fn identifiers_are_certain() {
    on_each(|server| {
        let number = unique("match");
        let identifier = json!([{ "system": "urn:hospital", "value": number }]);
        let id = created(server, &patient(json!({ "identifier": identifier, "birthDate": "1942-05-03" })));
        let found = graded(&ask(server, patient(json!({ "identifier": identifier })), json!([])));
        assert_eq!(found, [(id.clone(), "certain".to_owned(), 0.96)]);
        assert_eq!(
            graded(&ask(server, patient(json!({ "identifier": identifier, "birthDate": "1999-01-01" })), json!([]))),
            []
        );
        let certain = json!([{ "name": "onlyCertainMatches", "valueBoolean": true }]);
        assert_eq!(graded(&ask(server, patient(json!({ "identifier": identifier })), certain.clone())).len(), 1);
        created(server, &patient(json!({ "identifier": identifier })));
        let two = ask(server, patient(json!({ "identifier": identifier })), certain);
        assert_eq!((graded(&two).len(), &two["total"]), (0, &json!(0)));
        assert_eq!(two["entry"][0]["resource"]["resourceType"], "OperationOutcome");
    });
}

/// "If there are no patient matches, the MPI SHALL return an empty search set with no error".
#[test]
fn nobody_is_an_empty_searchset() {
    on_each(|server| {
        let bundle = ask(server, patient(json!({ "identifier": [{ "value": unique("nobody") }] })), json!([]));
        assert_eq!((&bundle["total"], bundle.get("entry")), (&json!(0), None));
    });
}

#[test]
fn wrong_input_is_refused() {
    on_each(|server| {
        refused(&server.post("Patient/$match", &patient(json!({ "gender": "male" }))), 400);
        refused(&server.post("Patient/$match", &patient(json!({ "birthday": "x" }))), 400);
        refused(&server.post("Patient/$match", &json!({ "resourceType": "Organization", "name": "x" })), 400);
        refused(&server.post("Patient/$match", &json!({ "resourceType": "Parameters" })), 400);
        refused(&server.get("Patient/$match"), 405);
        let body = json!({ "resourceType": "Parameters", "parameter": [{ "name": "resource", "resource": person("x", json!({})) }, { "name": "count", "valueInteger": 0 }] });
        refused(&server.post("Patient/$match", &body), 400);
    });
}
