//! History (FHIR R4 http.html#history): of a resource, a type, the whole system.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{entries, got, link, on_each, on_each_alone, pages, patient, refused, stored, unique};

/// Creates, updates and deletes one Patient: three versions.
fn three_versions(server: &Server, id: &str) {
    stored(server, &patient(json!({ "id": id, "active": true })));
    stored(server, &patient(json!({ "id": id, "active": false })));
    assert_eq!(server.delete(&format!("Patient/{id}")).status, 200);
}

/// `id/version` of each entry.
fn names(bundle: &Value) -> Vec<String> {
    entries(bundle)
        .iter()
        .map(|entry| {
            let id = entry["fullUrl"].as_str().unwrap().rsplit('/').next().unwrap();
            format!("{id} {}", entry["response"]["etag"].as_str().unwrap().trim_matches(['W', '/', '"']))
        })
        .collect()
}

/// Newest first, each entry with its request and response; the deletion has no resource.
#[test]
fn of_an_instance_has_every_version_newest_first() {
    on_each(|server| {
        let id = unique("history");
        three_versions(server, &id);
        let history = got(server, &format!("Patient/{id}/_history"));
        assert_eq!((&history["type"], &history["total"]), (&json!("history"), &json!(3)));
        assert_eq!(link(server, &history, "self").unwrap(), format!("Patient/{id}/_history"));
        let list = entries(&history);
        let expected = [("DELETE", "200", "3"), ("PUT", "200", "2"), ("PUT", "201", "1")];
        assert_eq!(list.len(), expected.len());
        for (entry, (method, status, version)) in list.iter().zip(expected) {
            assert_eq!(entry["fullUrl"], json!(format!("{}/Patient/{id}", server.base)));
            assert_eq!(entry["request"], json!({ "method": method, "url": format!("Patient/{id}") }));
            assert!(entry["response"]["status"].as_str().unwrap().starts_with(status), "{entry}");
            assert_eq!(entry["response"]["etag"], json!(format!("W/\"{version}\"")));
            assert!(entry["response"]["lastModified"].is_string());
            if method == "DELETE" {
                assert_eq!(entry["resource"], Value::Null);
            } else {
                assert_eq!(entry["resource"]["meta"]["versionId"], json!(version));
                assert_eq!(entry["resource"]["meta"]["lastUpdated"], entry["response"]["lastModified"]);
            }
        }
    });
}

/// A create is a POST to the type.
#[test]
fn of_a_created_resource_names_post() {
    on_each(|server| {
        let id = server.post("Patient", &patient(json!({}))).body["id"].as_str().unwrap().to_owned();
        let history = got(server, &format!("Patient/{id}/_history"));
        assert_eq!(entries(&history)[0]["request"], json!({ "method": "POST", "url": "Patient" }));
    });
}

/// A resource that never was has no history.
#[test]
fn of_an_unknown_resource_is_404() {
    on_each(|server| {
        refused(&server.get(&format!("Patient/{}/_history", unique("nobody"))), 404);
        refused(&server.get("Nonsense/_history"), 404);
    });
}

/// Type and system: every version of every resource, in the order of time.
#[test]
fn of_type_and_system_have_everything() {
    on_each_alone(|server| {
        three_versions(server, "a");
        stored(server, &json!({ "resourceType": "Person", "id": "p" }));
        three_versions(server, "b");
        let patients = ["b 3", "b 2", "b 1", "a 3", "a 2", "a 1"];
        let of_type = got(server, "Patient/_history");
        assert_eq!((names(&of_type), &of_type["total"]), (patients.map(str::to_owned).to_vec(), &json!(6)));
        let of_system = got(server, "_history");
        let all = ["b 3", "b 2", "b 1", "p 1", "a 3", "a 2", "a 1"];
        assert_eq!((names(&of_system), &of_system["total"]), (all.map(str::to_owned).to_vec(), &json!(7)));
        assert_eq!(got(server, "Practitioner/_history")["total"], 0);
    });
}

/// http.html#paging: pages cover everything, nothing twice, also while more is written.
#[test]
fn pages_cover_everything_once() {
    on_each_alone(|server| {
        for number in 0..7 {
            three_versions(server, &format!("x{number}"));
        }
        for path in ["_history?_count=4", "Patient/_history?_count=4"] {
            let pages = pages(server, path);
            assert_eq!(pages.len(), 6, "{path}");
            let all: Vec<String> = pages.iter().flat_map(names).collect();
            let distinct: BTreeSet<&String> = all.iter().collect();
            assert_eq!((all.len(), distinct.len()), (21, 21), "{path}");
            assert!(pages.iter().all(|page| page["total"] == json!(21)), "{path}");
        }
        let first = got(server, "_history?_count=10");
        three_versions(server, "late");
        let second = got(server, &link(server, &first, "next").unwrap());
        let seen: BTreeSet<String> = names(&first).into_iter().chain(names(&second)).collect();
        assert_eq!(seen.len(), 20);
        assert!(!seen.iter().any(|name| name.starts_with("late")));
    });
}

/// A page of an instance's history ends where the versions end.
#[test]
fn pages_of_an_instance_end() {
    on_each(|server| {
        let id = unique("paged");
        for number in 0..5 {
            stored(server, &patient(json!({ "id": id, "name": [{ "text": number.to_string() }] })));
        }
        let pages = pages(server, &format!("Patient/{id}/_history?_count=2"));
        let sizes: Vec<usize> = pages.iter().map(|page| entries(page).len()).collect();
        assert_eq!(sizes, [2, 2, 1]);
        let all: Vec<String> = pages.iter().flat_map(names).collect();
        assert_eq!(all, (1..=5).rev().map(|version| format!("{id} {version}")).collect::<Vec<_>>());
    });
}

/// `_count=0` gives the number alone.
#[test]
fn count_0_gives_the_total() {
    on_each(|server| {
        let id = unique("count");
        three_versions(server, &id);
        let history = got(server, &format!("Patient/{id}/_history?_count=0"));
        assert_eq!((&history["total"], entries(&history).len()), (&json!(3), 0));
        assert_eq!(link(server, &history, "next"), None);
    });
}

/// http.html#history: `_since` has what changed at or after an instant, `_at` what was current then.
#[test]
fn since_and_at_choose_versions() {
    on_each(|server| {
        let id = unique("since");
        let mut times = Vec::new();
        for number in 0..3 {
            let body = stored(server, &patient(json!({ "id": id, "name": [{ "text": number.to_string() }] })));
            times.push(body["meta"]["lastUpdated"].as_str().unwrap().replace('+', "%2B"));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let list = |query: String| names(&got(server, &format!("Patient/{id}/_history?{query}")));
        let named = |versions: &[u8]| versions.iter().map(|version| format!("{id} {version}")).collect::<Vec<_>>();
        assert_eq!(list(format!("_since={}", times[1])), named(&[3, 2]));
        assert_eq!(list("_since=2001-01-01".to_owned()), named(&[3, 2, 1]));
        assert_eq!(list("_since=2999-01-01T00:00:00Z".to_owned()), named(&[]));
        assert_eq!(list(format!("_at={}", times[1])), named(&[2]));
        assert_eq!(list(format!("_at={}", times[2])), named(&[3]));
        assert_eq!(list("_at=2001".to_owned()), named(&[]));
        let since = got(server, &format!("Patient/{id}/_history?_since={}", times[1]));
        assert_eq!(since["total"], 2);
        for wrong in ["_since=yesterday", "_at=nonsense", "_count=x", "_count=-1", "nonsense=1", "_cursor=x"] {
            refused(&server.get(&format!("Patient/{id}/_history?{wrong}")), 400);
        }
    });
}

/// A history entry of every version is what vread gives.
#[test]
fn entries_are_what_vread_gives() {
    on_each(|server| {
        let id = unique("vread");
        for number in 0..3 {
            let text = "long enough to be compressed ".repeat(20);
            stored(server, &patient(json!({ "id": id, "name": [{ "text": format!("{text}{number}") }] })));
        }
        let history = got(server, &format!("Patient/{id}/_history"));
        for (entry, version) in entries(&history).iter().zip([3, 2, 1]) {
            assert_eq!(entry["resource"], got(server, &format!("Patient/{id}/_history/{version}")));
        }
    });
}

/// http.html#history: `_list` has versions of what a List points at; `_sort` turns the order.
#[test]
fn list_and_sort() {
    on_each(|server| {
        let (one, two, other) = (unique("listed"), unique("listed"), unique("listed"));
        for id in [&one, &two, &other, &one] {
            let number = got(server, "_history?_count=0")["total"].as_u64().unwrap();
            stored(server, &patient(json!({ "id": id, "name": [{ "text": number.to_string() }] })));
        }
        let item = |id: &str| json!({ "item": { "reference": format!("Patient/{id}") } });
        let list = unique("list");
        stored(
            server,
            &json!({ "resourceType": "List", "id": list, "status": "current", "mode": "working", "entry": [item(&one), item(&two)] }),
        );
        let newest = [format!("{one} 2"), format!("{two} 1"), format!("{one} 1")];
        for path in ["_history", "Patient/_history"] {
            let found = got(server, &format!("{path}?_list={list}"));
            assert_eq!((names(&found), &found["total"]), (newest.to_vec(), &json!(3)), "{path}");
            let oldest = pages(server, &format!("{path}?_list={list}&_sort=_lastUpdated&_count=1"));
            let all: Vec<String> = oldest.iter().flat_map(names).collect();
            assert_eq!(all, newest.iter().rev().cloned().collect::<Vec<_>>(), "{path}");
        }
        let sorted = got(server, &format!("Patient/{one}/_history?_sort=_lastUpdated"));
        assert_eq!(names(&sorted), [format!("{one} 1"), format!("{one} 2")]);
        assert_eq!(got(server, &format!("_history?_list={}", unique("no-list")))["total"], 0);
        refused(&server.get("_history?_sort=name"), 400);
        refused(&server.get("_history?_list=a/b"), 400);
        server.delete(&format!("Patient/{one}"));
        let deleted = got(server, &format!("Patient/{one}/_history"));
        assert_eq!(deleted["total"], 3);
        assert_eq!(entries(&deleted)[0]["request"]["method"], "DELETE");
        assert_eq!(got(server, &format!("Patient/{one}/_history?_count=1"))["link"].as_array().unwrap().len(), 2);
    });
}
