//! Consents by type, label and resource: what a citizen refuses is gone by every way in, and nothing else.

use serde_json::{Value, json};

use crate::common::databases;
use crate::town::{SUBJECTS, Town};

fn consent(id: &str, provision: &Value) -> Value {
    json!({
        "resourceType": "Consent", "id": id, "status": "active", "patient": { "reference": "Patient/shimin-a" },
        "scope": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy" }] },
        "category": [{ "coding": [{ "system": "http://loinc.org", "code": "59284-0" }] }],
        "policyRule": { "text": "town" }, "provision": provision
    })
}

fn actor(who: &str) -> Value {
    json!([{ "role": { "text": "who" }, "reference": { "reference": who } }])
}

fn class(name: &str) -> Value {
    json!([{ "system": "http://hl7.org/fhir/resource-types", "code": name }])
}

/// Whether something is shown by reading, searching, counting, including and in the notebook; all must agree.
fn shows(town: &Town, place: usize, kind: &str, id: &str) -> bool {
    let token = town.token(&SUBJECTS[place]);
    let get = |path: String| town.ask(&token, "GET", &path, &[], None);
    let is_read = get(format!("fhir/{kind}/{id}")).status == 200;
    // Others may refer to it.
    let own = format!("\"id\":\"{id}\"");
    let named = |path: String| get(path).body.to_string().contains(&own);
    for (way, found) in [
        ("search", named(format!("fhir/{kind}?_count=100&_elements=id"))),
        ("by id", get(format!("fhir/{kind}?_id={id}&_summary=count")).body["total"] == 1),
        ("included", named(format!("fhir/Patient?_id=shimin-a&_revinclude={kind}:patient"))),
        ("everything", named("fhir/Patient/shimin-a/$everything?_count=1000".to_owned())),
        ("history", named(format!("fhir/{kind}/_history?_count=100"))),
    ] {
        assert_eq!(found, is_read, "{} {kind}/{id} by {way}", SUBJECTS[place].name);
    }
    is_read
}

#[test]
fn consents_deny_by_type_label_and_resource() {
    for database in databases() {
        let town = Town::start(&database);
        town.put(&json!({
            "resourceType": "Observation", "id": "secret-a", "status": "final", "subject": { "reference": "Patient/shimin-a" }, "code": { "text": "memo" },
            "meta": { "security": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R" }] }
        }));
        // Member, colleague, officer, the citizen; weight, what is labelled R, the condition.
        let seen = || {
            [0, 1, 11, 8].map(|place| {
                [("Observation", "weight-a"), ("Observation", "secret-a"), ("Condition", "condition-a")]
                    .map(|(kind, id)| shows(&town, place, kind, id))
            })
        };
        let (all, own) = ([true, true, true], [true, false, true]);
        assert_eq!(seen(), [all, all, all, own]);
        let cases = [
            // The hospital sees no Observation; the station does, and so does the city.
            (
                json!({ "type": "deny", "actor": actor("Organization/hospital"), "class": class("Observation") }),
                [[false, false, true], all, all, own],
            ),
            // Nobody sees what is labelled.
            (
                json!({ "type": "deny", "securityLabel": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R" }] }),
                [[true, false, true], [true, false, true], [true, false, true], own],
            ),
            // One resource, for the station and the city.
            (
                json!({ "type": "permit", "provision": [
                { "type": "deny", "actor": actor("Organization/station"), "data": [{ "meaning": "instance", "reference": { "reference": "Condition/condition-a" } }] },
                { "type": "deny", "actor": actor("Organization/city"), "data": [{ "meaning": "instance", "reference": { "reference": "Condition/condition-a" } }] }] }),
                [all, [true, true, false], [true, true, false], own],
            ),
            // All is refused but Conditions, and to the city also these.
            (
                json!({ "type": "deny", "provision": [{ "type": "permit", "actor": actor("Organization/hospital"),
                "class": [class("Condition")[0], class("Patient")[0]] }] }),
                [[false, false, true], [false; 3], [false; 3], own],
            ),
            // The team is refused Observations, not the officer.
            (
                json!({ "type": "deny", "actor": actor("CareTeam/team-a"), "class": class("Observation") }),
                [[false, false, true], [false, false, true], all, own],
            ),
            // What cannot be told denies more.
            (
                json!({ "type": "deny", "class": class("Observation"), "purpose": [{ "code": "HRESCH" }] }),
                [[false, false, true], [false, false, true], [false, false, true], own],
            ),
            (json!({ "type": "deny", "code": [{ "text": "weight" }] }), [[false; 3], [false; 3], [false; 3], own]),
            (
                json!({ "type": "deny", "class": class("Observation"), "period": { "end": "2020-01-01" } }),
                [all, all, all, own],
            ),
        ];
        for (provision, expected) in &cases {
            let mut own = consent("by-category", provision);
            town.put(&own);
            assert_eq!(&seen(), expected, "{provision}");
            // Withdrawn, at once.
            own["status"] = json!("inactive");
            town.put(&own);
        }
        assert_eq!(seen(), [all, all, all, own]);
    }
}

#[test]
fn explain_names_the_consent_and_what_it_widens() {
    for database in databases() {
        let town = Town::start(&database);
        let auditor = town.token(&SUBJECTS[16]);
        let why = |on: &str| {
            let path = format!("access/explain?as=Practitioner/member&do=read&on={on}");
            town.ask(&auditor, "GET", &path, &[], None).body
        };
        town.put(&consent(
            "partly",
            &json!({ "type": "deny", "class": class("Observation"), "purpose": [{ "code": "HRESCH" }] }),
        ));
        let told = why("Observation/weight-a");
        assert!(
            told["allowed"] == false
                && told.to_string().contains("Consent/partly denies Observation, more than it says"),
            "{told}"
        );
        let told = why("Condition/condition-a");
        assert_eq!(told["allowed"], true, "{told}");
        // Rows of fracture liaison are made of Observations too.
        let token = town.token(&SUBJECTS[0]);
        let rows = town.ask(&token, "GET", "fls/registry", &[], None);
        assert!(rows.status == 200 && rows.body["episodes"].as_array().unwrap().is_empty(), "{}", rows.body);
        // Nothing is written where nothing is seen.
        let memo = json!({ "resourceType": "Observation", "status": "final", "subject": { "reference": "Patient/shimin-a" }, "code": { "text": "x" } });
        let answer = town.ask(&token, "POST", "fhir/Observation", &[], Some(memo.to_string().as_bytes()));
        assert_eq!(answer.status, 403, "{}", answer.body);
    }
}

/// Across municipalities what is permitted is shown, and nothing else.
#[test]
fn a_permit_of_some_types_crosses_with_these() {
    for database in databases() {
        let town = Town::start(&database);
        let mut yes = town.ask(&town.token(&SUBJECTS[16]), "GET", "fhir/Consent/yes", &[], None).body;
        yes["provision"]["class"] = class("Observation");
        town.put(&yes);
        let token = town.token(&SUBJECTS[5]);
        let status = |path: &str| town.ask(&token, "GET", &format!("fhir/{path}"), &[], None).status;
        assert_eq!(
            (status("Observation/weight-a"), status("Condition/condition-a"), status("Patient/shimin-a")),
            (200, 404, 404)
        );
        yes["provision"]["purpose"] = json!([{ "code": "TREAT" }]);
        town.put(&yes);
        assert_eq!(status("Observation/weight-a"), 404, "a purpose nobody can tell permits nothing");
    }
}
