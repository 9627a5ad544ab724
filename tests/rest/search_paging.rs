//! Pages while others write (FHIR R4 http.html#paging): what is there all the time is on just one page.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{Server, agent, exchange};
use crate::support::{bundle, entries, entry, link, on_each_alone, patient, tagged, with};

const TAG: &str = "paging";
const STABLE: usize = 240;
const WRITERS: usize = 4;

fn named(family: usize, day: usize, more: Value) -> Value {
    let names = ["青木", "石井", "上田", "江口", "岡田"];
    let born = json!({ "name": [{ "family": names[family % 5] }], "birthDate": format!("19{:02}-05-{:02}", 40 + day % 9, 1 + day % 3) });
    tagged(with(patient(born), more), TAG)
}

/// Creates and deletes until the end is asked for; the number of both.
fn write(server: &Server, writer: usize, is_over: &AtomicBool) -> usize {
    let (agent, base) = (agent(), server.base.as_str());
    let mut written = 0;
    let mut here: Vec<String> = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        if here.len() < 5 {
            let body = serde_json::to_vec(&named(written + writer, written, json!({}))).unwrap();
            let answer = exchange(&agent, base, "POST", "Patient", &[], Some(body)).unwrap();
            assert_eq!(answer.status, 201, "{}", answer.body);
            here.push(answer.body["id"].as_str().unwrap().to_owned());
        } else {
            let id = here.swap_remove(written % here.len());
            let answer = exchange(&agent, base, "DELETE", &format!("Patient/{id}"), &[], None).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        written += 1;
    }
    written
}

/// Follows the next links; how often each id was on a page.
fn all_pages(server: &Server, path: &str) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    let mut next = Some(path.to_owned());
    let mut pages = 0;
    while let Some(path) = next {
        let answer = server.get(&path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        for entry in entries(&answer.body) {
            *seen.entry(entry["resource"]["id"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
        pages += 1;
        assert!(pages < 2000, "{path} has no last page");
        next = link(server, &answer.body, "next");
    }
    seen
}

/// Follows all pages of each search, again and again, while others create and delete. `stable` are those
/// that match all the time.
fn pages_stay_whole(server: &Server, stable: &[String], searches: &[&str], count: usize) {
    let is_over = AtomicBool::new(false);
    let written = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (is_over, written) = (&is_over, &written);
            scope.spawn(move || written.fetch_add(write(server, writer, is_over), Ordering::Relaxed));
        }
        let started = Instant::now();
        let mut failure = None;
        'rounds: for _ in 0..3 {
            for search in searches {
                let path = format!("Patient?{search}&_count={count}");
                let seen = all_pages(server, &path);
                let wrong: Vec<(&String, usize)> = stable
                    .iter()
                    .map(|id| (id, seen.get(id).copied().unwrap_or(0)))
                    .filter(|(_, times)| *times != 1)
                    .collect();
                // Those that come and go may be missed, but none stands on two pages.
                let twice: Vec<(&String, &usize)> = seen.iter().filter(|(_, times)| **times > 1).collect();
                if !wrong.is_empty() || !twice.is_empty() {
                    failure = Some(format!("{path}: {wrong:?}, twice {twice:?}"));
                    break 'rounds;
                }
            }
            if started.elapsed() > Duration::from_secs(15) {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(failure.is_none(), "{}", failure.unwrap_or_default());
    });
    assert!(written.into_inner() > 40, "nobody wrote meanwhile");
}

fn put_all(server: &Server, all: &[Value]) {
    for part in all.chunks(500) {
        let put = |resource: &Value| {
            let path = format!("Patient/{}", resource["id"].as_str().unwrap());
            entry("PUT", &path, resource.clone())
        };
        let answer = server.post("", &bundle("transaction", part.iter().map(put).collect()));
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

#[test]
fn no_row_is_lost_or_repeated_while_others_write() {
    on_each_alone(|server| {
        let stable: Vec<String> = (0..STABLE).map(|number| format!("stable-{number}")).collect();
        let all: Vec<Value> =
            stable.iter().enumerate().map(|(number, id)| named(number, number / 3, json!({ "id": id }))).collect();
        put_all(server, &all);
        let tagged = [
            "_tag=paging",
            "_tag=paging&_sort=family,-birthdate",
            "_tag=paging&_sort=-birthdate,family,_id",
            "_tag=paging&_sort=birthdate",
            "_tag=paging&_sort=-birthdate",
            "_tag=paging&_sort=-_lastUpdated",
        ];
        pages_stay_whole(server, &stable, &tagged, 7);
        let untagged = ["_sort=family,-birthdate", "_sort=-birthdate,family", "_sort=-family,_id", "_sort=_id"];
        pages_stay_whole(server, &stable, &untagged, 11);
    });
}

/// Many with the same name and birthday: pages go along several indexes and in sets that change meanwhile.
#[test]
fn no_row_is_lost_or_repeated_among_many_equals() {
    on_each_alone(|server| {
        let ids: Vec<String> = (0..1500).map(|number| format!("stable-{number}")).collect();
        let one = |(number, id): (usize, &String)| {
            let gender = if number % 3 == 0 { json!({ "id": id }) } else { json!({ "id": id, "gender": "female" }) };
            named(usize::from(number % 10 == 0), if number % 4 == 0 { 1 } else { number }, gender)
        };
        put_all(server, &ids.iter().enumerate().map(one).collect::<Vec<_>>());
        let searches = ["_sort=family,-birthdate", "_tag=paging&_sort=-birthdate,family", "_sort=family"];
        pages_stay_whole(server, &ids, &searches, 90);
        let some: Vec<String> =
            ids.iter().enumerate().filter(|(place, _)| place % 3 == 0).map(|(_, id)| id.clone()).collect();
        let searches = ["gender:not=female", "gender:missing=true&_tag=paging&_sort=-family,birthdate"];
        pages_stay_whole(server, &some, &searches, 60);
    });
}

/// FHIR R4 search.html#sort: by the first key, then the next, what has no value last (here) in either direction; and
/// the pages backward are those forward.
#[test]
fn pages_of_many_equals_are_in_order() {
    struct One {
        id: String,
        family: Option<&'static str>,
        born: Option<String>,
        gender: &'static str,
    }
    let families = [Some("ア"), Some("ア"), Some("ア"), Some("ア"), Some("イ"), Some("ウ"), Some("エ"), None];
    let everyone: Vec<One> = (0..2400_usize)
        .map(|number| One {
            id: format!("o{number:05}"),
            family: families[number * 7 % 8],
            born: (number % 6 != 0).then(|| format!("19{:02}-0{}-11", 30 + number * 13 % 20, 1 + number % 3)),
            gender: if number % 5 == 0 { "male" } else { "female" },
        })
        .collect();
    let resources: Vec<Value> = everyone
        .iter()
        .map(|one| {
            let mut resource = json!({ "resourceType": "Patient", "id": one.id, "gender": one.gender });
            if let Some(family) = one.family {
                resource["name"] = json!([{ "family": family }]);
            }
            if let Some(born) = &one.born {
                resource["birthDate"] = json!(born);
            }
            resource
        })
        .collect();
    type Field = fn(&One) -> Option<String>;
    let fields: [(&str, Field); 4] = [
        ("family", |one| one.family.map(str::to_owned)),
        ("birthdate", |one| one.born.clone()),
        ("gender", |one| Some(one.gender.to_owned())),
        ("_id", |one| Some(one.id.clone())),
    ];
    on_each_alone(|server| {
        put_all(server, &resources);
        for (sort, condition) in [
            ("family,-birthdate", ""),
            ("-family,birthdate", ""),
            ("gender,family,-birthdate", ""),
            ("-gender", ""),
            ("gender,-_id", ""),
            ("-birthdate,family,_id", ""),
            ("family,-birthdate", "gender=female"),
            ("-family,gender", "birthdate:missing=true"),
            ("birthdate,-family", "gender:not=male&family:missing=false"),
            ("", "gender:not=male&birthdate=ge1940"),
            ("", "family:missing=true&gender:not=male"),
        ] {
            let keys: Vec<(bool, Field)> = sort
                .split(',')
                .filter(|key| !key.is_empty())
                .map(|key| {
                    let name = key.trim_start_matches('-');
                    (key.starts_with('-'), fields.iter().find(|(field, _)| *field == name).unwrap().1)
                })
                .collect();
            let meets = |one: &One| match condition {
                "" => true,
                "gender=female" => one.gender == "female",
                "birthdate:missing=true" => one.born.is_none(),
                "gender:not=male&family:missing=false" => one.gender == "female" && one.family.is_some(),
                "gender:not=male&birthdate=ge1940" => {
                    one.gender == "female" && one.born.as_deref().is_some_and(|born| born >= "1940")
                }
                _ => one.gender == "female" && one.family.is_none(),
            };
            let mut wanted: Vec<(usize, &One)> = everyone.iter().enumerate().filter(|(_, one)| meets(one)).collect();
            wanted.sort_by(|(left_place, left), (right_place, right)| {
                for (descending, field) in &keys {
                    let (left, right) = (field(left), field(right));
                    let order = left.is_none().cmp(&right.is_none());
                    let values = if *descending { right.cmp(&left) } else { left.cmp(&right) };
                    let order = order.then(values);
                    if order.is_ne() {
                        return order;
                    }
                }
                // Equal ones are in the order in which they came, or the other way round.
                let order = left_place.cmp(right_place);
                if keys.last().is_some_and(|(descending, _)| *descending) { order.reverse() } else { order }
            });
            let wanted: Vec<&str> = wanted.iter().map(|(_, one)| one.id.as_str()).collect();
            let mut next = Some(
                format!("Patient?{condition}&_sort={sort}&_count=170").replace("?&", "?").replace("&_sort=&", "&"),
            );
            let (mut forward, mut pages, mut last) = (Vec::new(), Vec::new(), Value::Null);
            while let Some(path) = next {
                last = server.get(&path).body;
                assert_eq!(last["total"], wanted.len(), "{path}");
                let ids: Vec<String> =
                    entries(&last).iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()).collect();
                forward.extend(ids.clone());
                pages.push(ids);
                next = link(server, &last, "next");
            }
            assert_eq!(forward, wanted, "{sort} {condition}");
            while let Some(previous) = link(server, &last, "previous") {
                pages.pop();
                last = server.get(&previous).body;
                let ids: Vec<&str> =
                    entries(&last).iter().map(|entry| entry["resource"]["id"].as_str().unwrap()).collect();
                assert_eq!(
                    Some(ids),
                    pages.last().map(|ids| ids.iter().map(String::as_str).collect()),
                    "{sort} {condition}"
                );
            }
            assert_eq!(pages.len(), 1, "{sort} {condition}");
        }
    });
}
