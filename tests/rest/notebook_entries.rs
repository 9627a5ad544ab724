//! Entries of every kind through the notebook API: they are FHIR resources, with history and locking.

use serde_json::json;

use crate::notebook_support::{citizen, issues, member, notebook, notebook_with, read, unique_name, write};
use crate::support::{created, got, on_each};

#[test]
fn a_measurement_becomes_an_observation_and_comes_back_with_its_digits() {
    on_each(|server| {
        let (id, nurse) = (citizen(server, &unique_name()), member(server, "見本 看護師"));
        let raw = r#"{"system":"http://loinc.org","code":"29463-7","name":"体重","value":38.90,"unit":"kg","ucum":"kg","measured":"2026-05-01T09:30"}"#;
        let body: serde_json::Value = serde_json::from_str(raw).unwrap();
        let path = format!("citizens/{id}/measurement");
        let answer = notebook(server, &nurse, "POST", &path, Some(&body));
        assert_eq!(answer.status, 201, "{}", answer.body);
        let entry = &answer.body;
        assert_eq!(answer.header("etag"), "W/\"1\"");
        assert!(answer.header("location").ends_with(entry["self"].as_str().unwrap()), "{:?}", answer.headers);
        assert!(String::from_utf8_lossy(&answer.bytes).contains("38.90"), "digits stay");
        assert_eq!((&entry["measured"], &entry["performer"]), (&json!("2026-05-01T09:30:00+09:00"), &json!(nurse)));
        assert_eq!(entry["names"]["performer"], "見本 看護師");
        let resource = got(server, entry["resource"].as_str().unwrap());
        assert_eq!(resource["resourceType"], "Observation");
        assert_eq!(resource["subject"]["reference"], format!("Patient/{id}"));
        assert_eq!(resource["code"]["coding"][0]["code"], "29463-7");
        let list = read(server, "", &format!("{path}?code=29463-7&from=2026-05-01&to=2026-05-01"));
        assert_eq!(list["entries"].as_array().unwrap().len(), 1, "{list}");
        assert_eq!(read(server, "", &format!("{path}?from=2026-05-02"))["entries"], json!([]));
        let mut single = read(server, "", entry["self"].as_str().unwrap());
        single.as_object_mut().unwrap().remove("warnings");
        assert_eq!(single, list["entries"][0]);
    });
}

#[test]
fn wrong_fields_are_named_in_japanese_and_english_and_nothing_is_stored() {
    on_each(|server| {
        let id = citizen(server, &unique_name());
        let path = format!("citizens/{id}/care_level");
        let wrong = json!({ "level": "3", "ends": "2026-02-30", "colour": "x" });
        let answer = notebook(server, "", "POST", &path, Some(&wrong));
        assert_eq!(answer.status, 422, "{}", answer.body);
        let found = issues(&answer);
        let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
        for field in ["care_level.level", "care_level.starts", "care_level.colour"] {
            assert!(fields.contains(&field), "{fields:?}");
        }
        for (_, text) in &found {
            assert!(text.contains(" / "), "Japanese and English: {text}");
        }
        let text = |language| {
            let answer = notebook_with(server, "", "POST", &path, &[("Accept-Language", language)], Some(&wrong));
            issues(&answer).into_iter().find(|(field, _)| field == "care_level.starts").unwrap().1
        };
        assert_eq!(text("ja"), "有効期間の開始（starts）は必須です");
        assert_eq!(text("en"), "Valid from (starts) is required");
        let order = json!({ "level": "23", "starts": "2026-05-01", "ends": "2026-04-01" });
        let answer = notebook(server, "", "POST", &path, Some(&order));
        assert_eq!((answer.status, issues(&answer)[0].0.as_str()), (422, "care_level.ends"));
        assert_eq!(read(server, "", &path)["entries"], json!([]));
        assert_eq!(got(server, &format!("Observation?subject=Patient/{id}"))["total"], 0);
        let twice = r#"{"level":"23","level":"22","starts":"2026-05-01"}"#;
        let root = format!("{}/notebook/v1", server.base.trim_end_matches("/fhir"));
        let headers = [("Content-Type", "application/json")];
        let answer =
            crate::common::exchange(&crate::common::agent(), &root, "POST", &path, &headers, Some(twice.into()));
        assert_eq!(answer.unwrap().status, 400);
    });
}

/// What the notebook has no field for stays in the resource, and is named.
#[test]
fn an_edit_keeps_what_the_notebook_does_not_show() {
    on_each(|server| {
        let id = citizen(server, &unique_name());
        let observation = created(
            server,
            &json!({
                "resourceType": "Observation", "status": "final", "subject": { "reference": format!("Patient/{id}") },
                "code": { "coding": [{ "system": "http://loinc.org", "code": "29463-7", "display": "Body weight" }], "text": "体重" },
                "effectiveDateTime": "2026-05-01", "valueQuantity": { "value": 40.0, "unit": "kg", "comparator": "<" },
                "referenceRange": [{ "low": { "value": 38 } }], "note": [{ "text": "朝食前", "time": "2026-05-01" }, { "text": "二つ目" }]
            }),
        );
        let path = format!("citizens/{id}/measurement/{observation}");
        let shown = read(server, "", &path);
        let warned = shown["warnings"][0]["expression"].as_array().unwrap();
        for element in ["Observation.referenceRange", "Observation.valueQuantity.comparator", "Observation.note"] {
            assert!(warned.contains(&json!(element)), "{warned:?}");
        }
        let before = got(server, &format!("Observation/{observation}"));
        let patch = json!({ "note": "昼食前" });
        let none = notebook(server, "", "PATCH", &path, Some(&patch));
        assert_eq!(none.status, 428, "{}", none.body);
        let stale = notebook_with(server, "", "PATCH", &path, &[("If-Match", "W/\"7\"")], Some(&patch));
        assert_eq!(stale.status, 412, "{}", stale.body);
        let done = notebook_with(server, "", "PATCH", &path, &[("If-Match", "W/\"1\"")], Some(&patch));
        assert_eq!((done.status, done.header("etag")), (200, "W/\"2\""), "{}", done.body);
        let mut expected = before.clone();
        expected["note"][0]["text"] = json!("昼食前");
        expected["meta"] = json!(null);
        let mut after = got(server, &format!("Observation/{observation}"));
        after["meta"] = json!(null);
        assert_eq!(after, expected);
        // The whole entry, as it was read, may come back.
        let mut whole = done.body.clone();
        whole.as_object_mut().unwrap().remove("unit");
        let done = notebook(server, "", "PUT", &path, Some(&whole));
        assert_eq!(done.status, 200, "{}", done.body);
        let after = got(server, &format!("Observation/{observation}"));
        assert!(after["valueQuantity"].get("unit").is_none() && after["valueQuantity"]["comparator"] == "<", "{after}");
        let history = read(server, "", &format!("{path}/history"));
        assert_eq!(history["versions"].as_array().unwrap().len(), 3, "{history}");
        assert_eq!(history["versions"][2]["note"], "朝食前");
    });
}

#[test]
fn a_deleted_entry_keeps_its_history() {
    on_each(|server| {
        let id = citizen(server, &unique_name());
        let fall = json!({ "happened": "2026-05-01T06:00", "text": "居間で転倒" });
        let refused = notebook(server, "", "POST", &format!("citizens/{id}/fall"), Some(&fall));
        assert_eq!((refused.status, issues(&refused)[0].0.as_str()), (422, "fall.reporter"), "{}", refused.body);
        let entry = write(server, &member(server, "ヘルパー"), &format!("citizens/{id}/fall"), &fall);
        let path = entry["self"].as_str().unwrap();
        assert_eq!(notebook(server, "", "DELETE", path, None).status, 200);
        assert_eq!(notebook(server, "", "GET", path, None).status, 410);
        assert_eq!(notebook(server, "", "DELETE", path, None).status, 410);
        let history = read(server, "", &format!("{path}/history"));
        assert_eq!(history["versions"][0]["deleted"], true, "{history}");
        assert_eq!(history["versions"][1]["text"], "居間で転倒");
        let other = citizen(server, &unique_name());
        let answer = notebook(
            server,
            "",
            "GET",
            &format!("citizens/{other}/fall/{}/history", entry["id"].as_str().unwrap()),
            None,
        );
        assert_eq!(answer.status, 404, "of another citizen");
    });
}

/// Items of a list are entries of their own.
#[test]
fn activities_of_a_plan_come_and_go() {
    on_each(|server| {
        let id = citizen(server, &unique_name());
        let plan = write(
            server,
            "",
            &format!("citizens/{id}/plan"),
            &json!({ "title": "骨折後の計画", "starts": "2026-05-01" }),
        );
        let path = format!("citizens/{id}/plan_activity");
        let activity = json!({ "name": "DXA", "status": "scheduled", "due": "2026-07-01" });
        let answer = notebook(server, "", "POST", &path, Some(&activity));
        assert_eq!((answer.status, issues(&answer)[0].0.as_str()), (422, "plan_activity.of"));
        let of = format!("CarePlan/{}", plan["id"].as_str().unwrap());
        let with = |name: &str| json!({ "of": of, "name": name, "status": "scheduled", "due": "2026-07-01" });
        write(server, "", &path, &with("DXA"));
        let second = write(server, "", &path, &with("握力"));
        assert!(second["id"].as_str().unwrap().ends_with(":1"), "{second}");
        let change = json!({ "status": "completed", "version": second["version"] });
        let changed = notebook(server, "", "PATCH", second["self"].as_str().unwrap(), Some(&change));
        assert_eq!((changed.status, &changed.body["status"]), (200, &json!("completed")), "{}", changed.body);
        let first = second["self"].as_str().unwrap().replace(":1", ":0");
        assert_eq!(notebook(server, "", "DELETE", &first, None).status, 200);
        let list = read(server, "", &path);
        assert_eq!(list["entries"].as_array().unwrap().len(), 1, "{list}");
        assert_eq!(list["entries"][0]["name"], "握力");
    });
}

#[test]
fn pages_of_entries_are_complete() {
    on_each(|server| {
        let id = citizen(server, &unique_name());
        let path = format!("citizens/{id}/visit");
        for day in 1..=7 {
            let visit = json!({ "title": format!("訪問{day}"), "starts": format!("2026-05-0{day}T10:00:00+09:00"), "ends": format!("2026-05-0{day}T11:00:00+09:00") });
            write(server, "", &path, &visit);
        }
        for order in ["asc", "desc"] {
            let mut titles = Vec::new();
            let mut next = Some(format!("{path}?count=3&order={order}"));
            while let Some(link) = next {
                let page = read(server, "", &link);
                titles.extend(
                    page["entries"].as_array().unwrap().iter().map(|entry| entry["title"].as_str().unwrap().to_owned()),
                );
                next = page["next"].as_str().map(str::to_owned);
            }
            if order == "desc" {
                titles.reverse();
            }
            assert_eq!(titles, (1..=7).map(|day| format!("訪問{day}")).collect::<Vec<_>>());
        }
        let calendar = read(server, "", &format!("citizens/{id}/visits?from=2026-05-03&to=2026-05-04"));
        assert_eq!(calendar["entries"].as_array().unwrap().len(), 2, "{calendar}");
    });
}

#[test]
fn what_is_about_nobody_has_a_place_of_its_own() {
    on_each(|server| {
        let facility = write(server, "", "facility", &json!({ "name": "見本病院", "institution_no": "2319999999" }));
        let reference = format!("Organization/{}", facility["id"].as_str().unwrap());
        let person = write(server, "", "member", &json!({ "name": "見本 医師" }));
        let role = json!({ "member": format!("Practitioner/{}", person["id"].as_str().unwrap()), "facility": reference, "name": "医師" });
        let role = write(server, "", "role", &role);
        assert_eq!(role["names"]["facility"], "見本病院", "{role}");
        let list = read(server, "", &format!("role?facility={reference}"));
        assert_eq!(list["entries"].as_array().unwrap().len(), 1);
        assert_eq!(notebook(server, "", "GET", "nothing", None).status, 404);
        assert_eq!(notebook(server, "", "DELETE", "role", None).status, 405);
        let schema = read(server, "", "schema/visit");
        assert_eq!(schema["required"], json!(["title", "starts"]), "{schema}");
    });
}
