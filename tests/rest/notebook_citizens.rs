//! Citizens are found, written, and shown with all that matters on one page.

use serde_json::{Value, json};

use crate::notebook_support::{citizen, join, member, notebook, read, unique_name, write};
use crate::support::{ascii, created, on_each, unique};

fn found(server: &crate::common::Server, query: &str) -> Vec<String> {
    let list = read(server, "", &ascii(&format!("citizens?{query}")));
    list["citizens"].as_array().unwrap().iter().map(|found| found["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn citizens_are_found_by_name_kana_and_number() {
    on_each(|server| {
        let number = unique("N");
        let name = unique_name();
        let body = json!({ "name": format!("{name} 梅子"), "kana": "ミホン ウメコ", "birth_date": "1941-05-03", "gender": "female",
            "notebook_id": number, "insured_id": "9900000001" });
        let made = write(server, "", "citizens", &body);
        let id = made["id"].as_str().unwrap();
        assert_eq!(made["resource"], format!("Patient/{id}/_history/1"));
        for query in [
            format!("q={name}"),
            format!("q={name}梅子"),
            format!("q={name}%20うめこ"),
            format!("q=ﾐﾎﾝ%20{}", number.to_lowercase()),
        ] {
            assert_eq!(found(server, &query), [id], "{query}");
        }
        assert!(found(server, &format!("q={name}%25")).is_empty(), "no wildcards from outside");
        assert_eq!(notebook(server, "", "GET", "citizens?colour=red", None).status, 400);
        let change = json!({ "address": "見本市1-2-3", "version": 1 });
        let changed = notebook(server, "", "PATCH", &format!("citizens/{id}"), Some(&change));
        assert_eq!((changed.status, &changed.body["kana"]), (200, &json!("ミホン ウメコ")), "{}", changed.body);
        let none = notebook(server, "", "GET", "citizens/nobody", None);
        assert_eq!(none.status, 404);
        assert!(none.body["issue"][0]["diagnostics"].as_str().unwrap().contains("支援対象者"), "{}", none.body);
    });
}

#[test]
fn citizens_are_found_by_municipality_facility_member_and_care_level() {
    on_each(|server| {
        let city = created(server, &json!({ "resourceType": "Organization", "name": "見本市" }));
        let home = created(server, &json!({ "resourceType": "Organization", "name": "見本訪問看護" }));
        let nurse = member(server, "見本 看護師");
        let role = json!({ "member": nurse, "facility": format!("Organization/{home}") });
        write(server, "", "role", &role);
        let body = json!({ "name": unique_name(), "municipality": format!("Organization/{city}") });
        let id = write(server, "", "citizens", &body)["id"].as_str().unwrap().to_owned();
        join(server, &id, &nurse);
        for (level, starts, ends) in [("21", "2024-01-01", "2025-12-31"), ("23", "2026-01-01", "2036-12-31")] {
            write(
                server,
                "",
                &format!("citizens/{id}/care_level"),
                &json!({ "level": level, "starts": starts, "ends": ends }),
            );
        }
        for query in [
            format!("municipality={city}"),
            format!("municipality=Organization/{city}&care_level=22,23"),
            format!("facility=Organization/{home}"),
            format!("member={nurse}"),
        ] {
            assert_eq!(found(server, &query), [id.as_str()], "{query}");
        }
        assert!(found(server, &format!("municipality={city}&care_level=21")).is_empty(), "that was before");
        let page = read(server, &nurse, &format!("citizens/{id}"));
        assert_eq!(page["careLevel"]["names"]["level"]["ja"], "要介護3", "{page}");
        assert_eq!(page["municipalityName"], "見本市");
    });
}

#[test]
fn one_page_has_all_that_matters() {
    on_each(|server| {
        let id = citizen(server, &unique_name());
        let (doctor, helper) = (member(server, "見本 医師"), member(server, "見本 ヘルパー"));
        join(server, &id, &doctor);
        join(server, &id, &helper);
        let entry = |entity: &str, body: Value| write(server, &helper, &format!("citizens/{id}/{entity}"), &body);
        entry("diagnosis", json!({ "name": "大腿骨頚部骨折", "onset": "2026-04-01" }));
        entry("medication", json!({ "drug": "アレンドロン酸錠35mg", "usage": "週1回 起床時", "starts": "2026-04-20" }));
        entry("visit", json!({ "title": "整形外科", "starts": "2036-05-01T10:00", "ends": "2036-05-01T10:30" }));
        entry("visit", json!({ "title": "前回", "starts": "2026-05-01T10:00", "ends": "2026-05-01T10:30" }));
        entry("alarm", json!({ "title": "転倒の危険" }));
        entry("alarm", json!({ "title": "終わった注意", "status": "inactive" }));
        entry("article", json!({ "title": "今日", "text": "元気です" }));
        let page = read(server, &doctor, &format!("citizens/{id}"));
        let names: Vec<&str> = page["team"]["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found["names"]["member"].as_str().unwrap())
            .collect();
        assert_eq!(names.len(), 2, "{page}");
        assert_eq!(page["diagnoses"][0]["name"], "大腿骨頚部骨折");
        assert_eq!(page["nextVisits"].as_array().unwrap().len(), 1, "{page}");
        assert_eq!(page["alarms"][0]["title"], "転倒の危険", "{page}");
        assert_eq!(page["alarms"].as_array().unwrap().len(), 1);
        assert_eq!(page["unread"], 1);
        let medication = &page["medication"]["current"][0];
        assert_eq!(
            (&medication["drug"], &medication["state"]),
            (&json!("アレンドロン酸錠35mg"), &json!("taking")),
            "{page}"
        );
        assert!(page["latest"].as_array().unwrap().len() >= 5, "{page}");
        let timeline = read(server, "", &format!("citizens/{id}/timeline?category=visit"));
        assert_eq!(timeline["entries"].as_array().unwrap().len(), 2, "{timeline}");
        let calendar = read(server, &doctor, "visits?from=2036-05-01&to=2036-05-31");
        assert_eq!(calendar["entries"][0]["title"], "整形外科", "{calendar}");
        assert_eq!(notebook(server, "", "GET", "visits", None).status, 400, "whose?");
    });
}

/// A dose given in hospital is in no prescription; the rule of the medicine says when the next one is due.
#[test]
fn an_injection_has_its_next_dose() {
    on_each(|server| {
        let id = citizen(server, &unique_name());
        let injection = json!({ "drug": "デノスマブ皮下注60mg", "given_at": "2026-10-20" });
        write(server, "", &format!("citizens/{id}/injection"), &injection);
        let medications = read(server, "", &format!("citizens/{id}/medications"));
        let course = &medications["current"][0];
        assert_eq!(
            (&course["nextDose"], &course["nextDoseFrom"]),
            (&json!("2027-04-21"), &json!("rule")),
            "{medications}"
        );
        assert_eq!(course["kind"], "injection");
        let stop = json!({ "drug": "デノスマブ皮下注60mg", "status": "stopped", "stop_reason": "転院", "asserted": "2026-11-01" });
        write(server, "", &format!("citizens/{id}/medication"), &stop);
        let medications = read(server, "", &format!("citizens/{id}/medications"));
        assert_eq!(
            (&medications["current"], &medications["former"][0]["stopReason"]),
            (&json!([]), &json!("転院")),
            "{medications}"
        );
    });
}

/// By the state of their episodes of fracture liaison.
#[test]
fn citizens_are_found_by_their_state_in_fracture_liaison() {
    on_each(|server| {
        let name = unique_name();
        let id = write(server, "", "citizens", &json!({ "name": name, "birth_date": "1941-05-03" }))["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let by = |state: &str| found(server, &format!("q={name}&fls={state}"));
        assert_eq!((by("none"), by("any"), by("active")), (vec![id.clone()], vec![], vec![]));
        created(
            server,
            &json!({
                "resourceType": "Condition", "subject": { "reference": format!("Patient/{id}") }, "recordedDate": "2026-10-01",
                "clinicalStatus": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active" }] },
                "code": { "coding": [{ "system": "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full", "code": "S7200" }], "text": "大腿骨頚部骨折" },
                "onsetDateTime": "2026-10-01"
            }),
        );
        assert_eq!((by("any"), by("active,completed"), by("died")), (vec![id.clone()], vec![id], vec![]));
        assert!(by("none").is_empty());
        let wrong = notebook(server, "", "GET", "citizens?fls=happy", None);
        assert_eq!(wrong.status, 400, "{}", wrong.body);
    });
}
