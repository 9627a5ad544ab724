//! What labels hide, by who asks.

use serde_json::json;

use crate::common::databases;
use crate::town::{SUBJECTS, Town};

/// JP-CLINS: 未告知 is never shown to patient or family, 未提供 not to other institutions either; v3 Confidentiality
/// R not to laymen and outside systems, V to no person; what the family says in private not to the patient; what is
/// for one member to them and its writer only.
#[test]
fn a_label_hides_from_whom_it_is_meant_to() {
    const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
    const AUDIENCE: &str = "http://renraku.example/fhir/CodeSystem/notebook-audience";
    const CLINS: &str = "http://jpfhir.jp/fhir/clins/CodeSystem/JP_CLINS_CommonCategory";
    // Name, system, code; seen by a member, the citizen, the daughter, a system of a facility, a whole system.
    let table = [
        ("plain", "", "", [true, true, true, true, true]),
        ("uninformed", CLINS, "UNINFORMED", [true, false, false, true, true]),
        ("undelivered", CLINS, "UNDELIVERED", [false, false, false, false, true]),
        ("restricted", CONFIDENTIALITY, "R", [true, false, false, false, true]),
        ("very", CONFIDENTIALITY, "V", [false, false, false, false, true]),
        ("family", AUDIENCE, "family-private", [true, false, true, true, true]),
        ("direct", AUDIENCE, "member", [true, false, false, false, true]),
        ("others", AUDIENCE, "member", [false, false, false, false, true]),
    ];
    let who = [0, 8, 9, 15, 16].map(|place: usize| &SUBJECTS[place]);
    for database in databases() {
        let town = Town::start(&database);
        for (name, system, code, _) in &table {
            let mut article = json!({
                "resourceType": "Communication", "id": format!("label-{name}"), "status": "completed", "subject": { "reference": "Patient/shimin-a" },
                "sent": "2026-05-10T10:00:00+09:00", "sender": { "reference": "Practitioner/officer" }, "payload": [{ "contentString": format!("kotoba-{name}") }],
                "recipient": [{ "reference": if *name == "direct" { "Practitioner/member" } else { "Practitioner/liaison" } }]
            });
            if !code.is_empty() {
                let place = if *system == CLINS { "tag" } else { "security" };
                article["meta"] = json!({ place: [{ "system": system, "code": code }] });
            }
            town.put(&article);
        }
        let mut wrong = Vec::new();
        for (place, subject) in who.iter().enumerate().rev() {
            let token = town.token(subject);
            for (name, _, _, seen) in &table {
                let paths = [
                    format!("fhir/Communication/label-{name}"),
                    "fhir/Communication?_count=100".to_owned(),
                    "fhir/Communication?_sort=-sent&_count=100".to_owned(),
                    format!("fhir/Communication?_id=label-{name}&_total=accurate"),
                    "fhir/Communication/_history?_count=100".to_owned(),
                    "fhir/Patient/shimin-a/$everything".to_owned(),
                    "notebook/v1/citizens/shimin-a/articles?count=100".to_owned(),
                    "notebook/v1/citizens/shimin-a/timeline?count=100".to_owned(),
                    format!("notebook/v1/articles/label-{name}"),
                ];
                for path in &paths {
                    let answer = town.ask(&token, "GET", path, &[], None);
                    let is_shown = String::from_utf8_lossy(&answer.bytes).contains(&format!("kotoba-{name}"));
                    // Whom a past version was for is not looked at: a history hides it from all who do not see everything.
                    let is_hidden_past = path.contains("_history") && *name == "direct" && place == 0;
                    if is_shown != (seen[place] && !is_hidden_past) {
                        wrong.push(format!(
                            "{} / {name} / {path}: shown {is_shown} ({} {})",
                            subject.name, answer.status, answer.body["issue"][0]["diagnostics"]
                        ));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{} on {}:\n{}", wrong.len(), database.kind(), wrong.join("\n"));
    }
}
