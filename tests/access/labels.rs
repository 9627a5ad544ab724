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

/// FHIR R4 provenance.html: a Provenance says where other resources come from. It is seen by those who see all of
/// them, and follows when that changes.
#[test]
fn a_provenance_is_seen_as_its_targets_are() {
    for database in databases() {
        let town = Town::start(&database);
        let article = |label: &str| {
            let mut article = json!({
                "resourceType": "Communication", "id": "told", "status": "completed", "subject": { "reference": "Patient/shimin-a" },
                "sent": "2026-05-10T10:00:00+09:00", "sender": { "reference": "Practitioner/officer" }, "recipient": [{ "reference": "Practitioner/liaison" }]
            });
            if !label.is_empty() {
                article["meta"] = json!({ "security": [{ "system": "http://renraku.example/fhir/CodeSystem/notebook-audience", "code": label }] });
            }
            article
        };
        let provenance = |id: &str, targets: &[&str]| {
            let targets: Vec<_> = targets.iter().map(|target| json!({ "reference": target })).collect();
            json!({ "resourceType": "Provenance", "id": id, "recorded": "2026-05-10T10:00:00+09:00", "target": targets, "agent": [{ "who": { "display": "himitsu-source" } }] })
        };
        // One comes before its target, one after; one is about what one may see and what one may not.
        town.put(&provenance("early", &["Communication/told"]));
        town.put(&article(""));
        town.put(&provenance("late", &["Communication/told/_history/1"]));
        town.put(&provenance("both", &["Patient/shimin-a", "Observation/weight-b"]));
        town.put(&provenance("of-provenance", &["Provenance/late"]));
        let seen = |town: &Town, place: usize| {
            let token = town.token(&SUBJECTS[place]);
            ["early", "late", "both", "of-provenance"].map(|id| {
                let read = town.ask(&token, "GET", &format!("fhir/Provenance/{id}"), &[], None).status == 200;
                for path in [
                    "fhir/Provenance?_count=100",
                    "fhir/Provenance?target=Communication/told",
                    "fhir/Communication?_id=told&_revinclude=Provenance:target",
                ] {
                    let found = town.ask(&token, "GET", path, &[], None);
                    let is_shown = String::from_utf8_lossy(&found.bytes).contains(&format!("fhir/Provenance/{id}\""));
                    assert!(!is_shown || read, "{path} shows {id} to {}", SUBJECTS[place].name);
                }
                read
            })
        };
        // A member, the citizen, her daughter, somebody without a relation, a family of b, a system that sees all.
        let all = |town: &Town| [0, 8, 9, 13, 10, 16].map(|place| seen(town, place));
        let (yes, no, whole) = ([true, true, false, true], [false; 4], [true; 4]);
        assert_eq!(all(&town), [yes, yes, yes, no, no, whole], "{}", database.kind());
        town.put(&article("family-private"));
        assert_eq!(all(&town), [yes, no, yes, no, no, whole], "{}", database.kind());
        town.put(&article("member"));
        assert_eq!(all(&town), [no, no, no, no, no, whole], "{}", database.kind());
        town.put(&article(""));
        assert_eq!(all(&town), [yes, yes, yes, no, no, whole], "{}", database.kind());
        let mut moved = article("");
        moved["subject"] = json!({ "reference": "Patient/shimin-b" });
        town.put(&moved);
        assert_eq!(all(&town), [no, no, no, no, [true, true, false, true], whole], "{}", database.kind());
        let root = town.token(&SUBJECTS[16]);
        assert_eq!(town.ask(&root, "DELETE", "fhir/Communication/told", &[], None).status, 200);
        // Of what is gone all count whose it ever was, as for any resource.
        assert_eq!(all(&town), [no, no, no, no, no, whole], "{}", database.kind());
    }
}

/// Who writes about a citizen may say where it comes from, with the scope to create a Provenance; nobody changes what
/// was said, or says it of what others wrote.
#[test]
fn a_member_says_where_their_own_writing_comes_from() {
    for database in databases() {
        let town = Town::start(&database);
        let member = town.token(&SUBJECTS[0]);
        let header = json!({ "resourceType": "Provenance", "recorded": "2026-05-10T10:00:00+09:00", "agent": [{ "who": { "reference": "Practitioner/member" } }] }).to_string();
        let about = |citizen: &str| {
            json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" }, "subject": { "reference": format!("Patient/shimin-{citizen}") } }).to_string()
        };
        let write = |token: &str, citizen: &str| {
            town.ask(token, "POST", "fhir/Observation", &[("X-Provenance", &header)], Some(about(citizen).as_bytes()))
        };
        let written = write(&member, "a");
        assert_eq!(written.status, 201, "{}", written.body);
        let target = format!("Observation/{}", written.body["id"].as_str().unwrap());
        let found = |place: usize| {
            let path = format!("fhir/Provenance?target={target}");
            town.ask(&town.token(&SUBJECTS[place]), "GET", &path, &[], None).body["total"].clone()
        };
        assert_eq!([0, 1, 8, 13, 10].map(found), [1, 1, 1, 0, 0].map(|count| json!(count)));
        assert!(matches!(write(&member, "b").status, 403 | 404));
        let claims = |scope: &str| {
            town.signed(json!({ "sub": "m", "client_id": "app", "fhirUser": "Practitioner/member", "scope": scope }))
        };
        assert_eq!(write(&claims("user/Observation.cruds user/Provenance.rs"), "a").status, 403);
        assert_eq!(write(&claims("user/Observation.cruds user/Provenance.c"), "a").status, 201);
        let id = town.ask(&member, "GET", &format!("fhir/Provenance?target={target}"), &[], None).body["entry"][0]["resource"].clone();
        let path = format!("fhir/Provenance/{}", id["id"].as_str().unwrap());
        let changed = town.ask(&member, "PUT", &path, &[], Some(id.to_string().as_bytes()));
        assert!(matches!(changed.status, 403 | 404), "{}", changed.body);
        assert!(matches!(town.ask(&member, "DELETE", &path, &[], None).status, 403 | 404));
    }
}
