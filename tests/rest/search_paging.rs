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

#[test]
fn no_row_is_lost_or_repeated_while_others_write() {
    on_each_alone(|server| {
        let stable: Vec<String> = (0..STABLE).map(|number| format!("stable-{number}")).collect();
        let put = |(number, id): (usize, &String)| {
            entry("PUT", &format!("Patient/{id}"), named(number, number / 3, json!({ "id": id })))
        };
        let answer = server.post("", &bundle("transaction", stable.iter().enumerate().map(put).collect()));
        assert_eq!(answer.status, 200, "{}", answer.body);

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
                for order in [
                    "",
                    "&_sort=family,-birthdate",
                    "&_sort=-birthdate,family,_id",
                    "&_sort=birthdate",
                    "&_sort=-birthdate",
                    "&_sort=-_lastUpdated",
                ] {
                    let path = format!("Patient?_tag={TAG}{order}&_count=7");
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
    });
}
