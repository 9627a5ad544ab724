//! Fracture liaison's lists and measures: rows of one's own citizens, sums of an area for its officer.

use serde_json::{Value, json};

use crate::common::databases;
use crate::town::{SUBJECTS, Town};

/// A fiscal year that is over, and a day in it.
fn year() -> (String, String, String) {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    let ended = if today.month() >= 4 { today.year() } else { today.year() - 1 };
    (format!("{}-04-01", ended - 1), format!("{ended}-03-31"), format!("{}-06-10", ended - 1))
}

fn fracture(town: &Town, id: &str, citizen: &str, onset: &str) {
    town.put(&json!({
        "resourceType": "Condition", "id": id, "subject": { "reference": format!("Patient/{citizen}") }, "onsetDateTime": onset,
        "code": { "coding": [{ "system": "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full", "code": "S72.0" }] },
        "bodySite": [{ "extension": [{ "url": "http://renraku.example/fhir/StructureDefinition/laterality", "valueCode": "right" }], "text": "部位" }]
    }));
}

/// A town whose two citizens have a fracture each.
fn start(database: &crate::common::Database) -> Town {
    let town = Town::start(database);
    for citizen in ["a", "b"] {
        fracture(&town, &format!("fracture-{citizen}"), &format!("shimin-{citizen}"), &year().2);
    }
    town
}

/// The patients that rows name, in order.
fn patients(rows: &Value) -> Vec<String> {
    let mut found: Vec<String> =
        rows.as_array().into_iter().flatten().filter_map(|row| row["patient"].as_str().map(str::to_owned)).collect();
    found.sort();
    found.dedup();
    found
}

fn measure(query: &str) -> String {
    let (from, to, _) = year();
    format!("fhir/Measure/fls-kpi-03/$evaluate-measure?periodStart={from}&periodEnd={to}{query}")
}

/// The count of a population of the first group; `None` where it is masked.
fn counted(report: &Value, place: usize) -> Option<u64> {
    let population = &report["group"][0]["population"][place];
    assert!(population["count"].is_u64() || population["_count"]["extension"][0]["valueCode"] == "masked", "{report}");
    population["count"].as_u64()
}

#[test]
fn rows_are_of_citizens_one_has_to_do_with() {
    for database in databases() {
        let town = start(&database);
        for (place, subject) in SUBJECTS.iter().enumerate() {
            let token = town.token(subject);
            let get = |path: &str| town.ask(&token, "GET", path, &[], None);
            let expected: &[&str] = match place {
                // A member, a colleague, one in another city, the service of the hospital, a system of a facility.
                0 | 1 | 5 | 12 | 15 => &["Patient/shimin-a"],
                16 => &["Patient/shimin-a", "Patient/shimin-b"],
                _ => &[],
            };
            let ways = [
                ("fls/registry", "/episodes"),
                ("fls/alarms", "/alarms"),
                ("fls/registry?sort=-fracture&count=1000", "/episodes"),
            ];
            for (path, pointer) in ways {
                let answer = get(path);
                if expected.is_empty() {
                    assert_eq!(answer.status, 403, "{} {path}: {}", subject.name, answer.body);
                    continue;
                }
                assert_eq!(answer.status, 200, "{} {path}: {}", subject.name, answer.body);
                let found = patients(answer.body.pointer(pointer).unwrap());
                let is_right = if pointer == "/alarms" {
                    found.iter().all(|one| expected.contains(&one.as_str()))
                } else {
                    found == expected
                };
                assert!(is_right, "{} {path}: {found:?}", subject.name);
            }
            let list = get(&measure("&reportType=subject-list"));
            let gaps = |citizen: &str| {
                let (from, to, _) = year();
                get(&format!("fhir/Measure/$care-gaps?periodStart={from}&periodEnd={to}&topic=fls&subject=Patient/shimin-{citizen}")).status
            };
            if expected.is_empty() {
                assert_eq!((list.status, gaps("a")), (403, 403), "{}", subject.name);
                continue;
            }
            assert_eq!(list.status, 200, "{}: {}", subject.name, list.body);
            let text = list.body.to_string();
            assert_eq!(counted(&list.body, 0), Some(expected.len() as u64), "{}", subject.name);
            assert_eq!(text.contains("shimin-b"), place == 16, "{}", subject.name);
            assert_eq!(text.contains("fracture-b"), place == 16, "{}", subject.name);
            assert_eq!((gaps("a"), gaps("b")), (200, if place == 16 { 200 } else { 404 }), "{}", subject.name);
            for path in [measure("&subject=Patient/shimin-b"), "fls/registry?patient=Patient/shimin-b".to_owned()] {
                assert_eq!(get(&path).status, if place == 16 { 200 } else { 404 }, "{} {path}", subject.name);
            }
            let sum = get(&measure(""));
            assert_eq!(counted(&sum.body, 0), Some(expected.len() as u64), "{}", subject.name);
        }
    }
}

/// What a row is made of must all be seen: a label that hides some of it hides the row, and so does a narrow scope.
#[test]
fn rows_are_not_made_of_what_is_hidden() {
    for database in databases() {
        let town = start(&database);
        let seen = |claims: &Value| {
            let answer = town.ask(&town.signed(claims.clone()), "GET", "fls/registry", &[], None);
            (answer.status, patients(&answer.body["episodes"]).len())
        };
        let nurse = json!({ "scope": "user/*.rs", "sub": "n", "client_id": "t", "fhirUser": "Practitioner/liaison" });
        assert_eq!(seen(&nurse), (200, 1));
        let narrow = json!({ "scope": "user/Patient.rs user/EpisodeOfCare.rs", "sub": "n", "client_id": "t", "fhirUser": "Practitioner/liaison" });
        assert_eq!(seen(&narrow).0, 403);
        let mut memo = json!({
            "resourceType": "Observation", "id": "very", "status": "final", "subject": { "reference": "Patient/shimin-a" }, "code": { "text": "memo" },
            "meta": { "security": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V" }] }
        });
        town.put(&memo);
        assert_eq!(seen(&nurse), (200, 0));
        memo.as_object_mut().unwrap().remove("meta");
        town.put(&memo);
        assert_eq!(seen(&nurse), (200, 1));
        let mut episode = town.ask(&town.token(&SUBJECTS[16]), "GET", "fhir/EpisodeOfCare/episode-a", &[], None).body;
        episode["status"] = json!("finished");
        town.put(&episode);
        assert_eq!(seen(&nurse), (200, 0), "whom the service no longer follows");
    }
}

/// An officer counts their area, without those who refuse, and never so that few can be told.
#[test]
fn an_officer_gets_sums_that_tell_of_nobody() {
    for database in databases() {
        let town = start(&database);
        let officer = town.token(&SUBJECTS[11]);
        let get = |path: &str| town.ask(&officer, "GET", path, &[], None);
        let alone = get(&measure(""));
        assert_eq!(alone.status, 200, "{}", alone.body);
        assert_eq!((counted(&alone.body, 0), counted(&alone.body, 1)), (None, None), "one citizen is few");
        for number in 0..14 {
            let city = if number < 12 { "city" } else { "town" };
            town.put(&json!({
                "resourceType": "Patient", "id": format!("more-{number}"), "managingOrganization": { "reference": format!("Organization/{city}") },
                "gender": if number == 0 { "male" } else { "female" }, "birthDate": "1940-01-01"
            }));
            fracture(&town, &format!("more-fracture-{number}"), &format!("more-{number}"), &year().2);
        }
        let all = get(&measure(""));
        assert_eq!(counted(&all.body, 1), Some(13), "{}", all.body);
        let series = get("fls/indicators?measure=fls-kpi-03&step=month");
        assert_eq!(series.status, 200, "{}", series.body);
        let points = series.body["points"].as_array().unwrap();
        assert!(points.iter().any(|point| point["denominator"] == 13) && points.len() <= 2 * 4, "{}", series.body);
        // Nothing by citizen, and nothing that is a difference away from few.
        let (from, to, _) = year();
        for path in [
            "fls/registry".to_owned(),
            "fls/alarms".to_owned(),
            measure("&reportType=subject-list"),
            measure("&subject=Patient/shimin-a"),
            measure("&subject=Organization/hospital"),
            measure("&sex=female"),
            measure("&ageBand=80-89"),
            measure("&municipality=Organization/city"),
            measure("&facility=Organization/hospital"),
            measure("&threshold=dxa-days=10"),
            measure("&asOf=2020-01-01"),
            measure("&suppress=false"),
            format!(
                "fhir/Measure/fls-kpi-03/$evaluate-measure?periodStart={from}&periodEnd={}",
                to.replace("-31", "-30")
            ),
            format!("fhir/Measure/fls-kpi-03/$collect-data?periodStart={from}&periodEnd={to}"),
            format!("fhir/Measure/$care-gaps?periodStart={from}&periodEnd={to}&topic=fls&subject=Patient/shimin-a"),
            "fls/indicators?measure=fls-kpi-03&facility=Organization/hospital".to_owned(),
            format!("fls/indicators?measure=fls-kpi-03&from={}", from.replace("-01", "-02")),
        ] {
            let answer = get(&path);
            assert_eq!(answer.status, 403, "{path}: {}", answer.body);
            assert_eq!(answer.body["resourceType"], "OperationOutcome", "{path}");
        }
        let strata = get(&measure("&stratify=sex"));
        let text = strata.body.to_string();
        assert!(!text.contains("shimin-") && !text.contains("more-"), "{text}");
        let shown: Vec<Option<u64>> = strata.body["group"][0]["stratifier"][0]["stratum"]
            .as_array()
            .unwrap()
            .iter()
            .map(|stratum| stratum["population"][1]["count"].as_u64())
            .collect();
        assert_eq!(shown, [None, None], "one man, and the women who would tell him: {text}");
        // Who refuses is not counted.
        town.put(&json!({
            "resourceType": "Consent", "id": "not-me", "status": "active", "patient": { "reference": "Patient/more-3" },
            "scope": { "coding": [{ "code": "patient-privacy" }] }, "category": [{ "coding": [{ "code": "59284-0" }] }],
            "policyRule": { "text": "town" }, "provision": { "type": "deny", "actor": [{ "role": { "text": "who" }, "reference": { "reference": "Organization/city" } }] }
        }));
        assert_eq!(counted(&get(&measure("")).body, 1), Some(12));
        // Five of them are the officer's own: the seven that are left are few.
        for number in 4..9 {
            town.put(&json!({
                "resourceType": "CareTeam", "id": format!("own-{number}"), "status": "active", "subject": { "reference": format!("Patient/more-{number}") },
                "participant": [{ "member": { "reference": "Practitioner/officer" } }]
            }));
        }
        let beside = get(&measure(""));
        assert_eq!((counted(&beside.body, 0), counted(&beside.body, 1)), (None, None), "{}", beside.body);
        assert_eq!(patients(&get("fls/registry").body["episodes"]).len(), 5);
    }
}
