//! Subjects × doors × citizens.

use std::collections::BTreeSet;

use crate::common::{Answer, databases};
use crate::doors::{Door, Shows, doors};
use crate::town::{SUBJECTS, Subject, Town, secret};

/// A Media that never was.
const NOWHERE: &str = "01a21d0c-0000-7000-8000-000000000000";

/// Everything of an answer in which a secret could stand.
fn whole(answer: &Answer) -> String {
    let headers: Vec<String> = answer
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    format!("{}\n{}", headers.join("\n"), String::from_utf8_lossy(&answer.bytes))
}

/// The answer without what the question itself said, and without times and names that are new each time.
fn shape(answer: &Answer, said: &[&str]) -> (u16, String) {
    let mut text = String::from_utf8_lossy(&answer.bytes).into_owned();
    for word in said {
        text = text.replace(word, "…");
    }
    (answer.status, text)
}

fn go(town: &Town, token: &str, door: &Door) -> Answer {
    let headers: Vec<(&str, &str)> = door.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    town.ask(token, door.method, &door.path, &headers, door.body.as_deref().map(str::as_bytes))
}

/// What is wrong with what a subject got through a door to a citizen.
fn wrong(town: &Town, subject: &Subject, token: &str, door: &Door, citizen: &str, other: &str) -> Vec<String> {
    let sees = |who: &str| if who == "a" { subject.sees.0 } else { subject.sees.1 };
    // Where what counts is a role, and not what somebody has to do with a citizen.
    let comes_in = match door.shows {
        Shows::Auditors => subject.is_auditor(),
        Shows::Accesses => subject.is_auditor() || subject.is_citizen(citizen),
        // Officers have a list of their own, and are not told which rule decides.
        Shows::Reviewers => {
            subject.is_auditor() || subject.sees == (true, true) || (subject.is_officer() && door.name == "emergencies")
        }
        _ => false,
    };
    let answer = go(town, token, door);
    let text = whole(&answer);
    let mut wrong = Vec::new();
    let mut complain = |what: String| {
        let body: String = String::from_utf8_lossy(&answer.bytes).chars().take(300).collect();
        wrong.push(format!("{} / {} → {citizen}: {what} ({} {body})", subject.name, door.name, answer.status));
    };
    let asked = format!("{}{}", door.path, door.body.as_deref().unwrap_or_default());
    for who in [citizen, other] {
        let hidden = secret(who);
        // What the question itself says may come back, in a link; and in what auditors read, as the questions of all.
        if !comes_in && !sees(who) && !asked.contains(hidden) && text.contains(hidden) {
            complain(format!("LEAK of {who}"));
        }
    }
    let body = String::from_utf8_lossy(&answer.bytes);
    let is_refused = matches!(answer.status, 401 | 403 | 404);
    match door.shows {
        Shows::Secret if sees(citizen) && (answer.status != 200 || !body.contains(secret(citizen))) => {
            complain("should see".to_owned());
        }
        Shows::Secret if sees(citizen) => {}
        Shows::Secret if asked.contains(secret(citizen)) && !is_refused => {
            // A search that names the secret: no match may come.
            let matches = answer.body["entry"].as_array().map_or(0, Vec::len)
                + answer.body["citizens"].as_array().map_or(0, Vec::len);
            if matches > 0 {
                complain("LEAK: a match".to_owned());
            }
        }
        Shows::Existence if sees(citizen) && !(200..400).contains(&answer.status) => {
            complain("should come in".to_owned());
        }
        Shows::Count(pointer, each) => {
            let expected = each * (u64::from(subject.sees.0) + u64::from(subject.sees.1));
            let counted = answer.body.pointer(pointer).and_then(serde_json::Value::as_u64);
            if counted != Some(expected) {
                complain(format!("LEAK: counts {counted:?}, {expected} expected"));
            }
        }
        Shows::Auditors | Shows::Accesses | Shows::Reviewers | Shows::Nobody => {
            if comes_in && answer.status != 200 {
                complain("should come in".to_owned());
            }
            if !comes_in && !matches!(answer.status, 400 | 403) {
                complain("LEAK: should be refused".to_owned());
            }
        }
        Shows::NoEvents if body.contains("\"AuditEvent\"") => complain("LEAK: an event".to_owned()),
        Shows::Rows if !matches!(answer.status, 200 | 403 | 404) => {
            complain("should be answered or refused".to_owned())
        }
        // A refusal says no more than what was asked, as it does of what was never there.
        Shows::Rows if answer.status == 200 => {
            for who in [citizen, other] {
                if !sees(who) && body.contains(&format!("shimin-{who}")) {
                    complain(format!("LEAK: names {who}"));
                }
            }
        }
        _ => {}
    }
    // Whether it is there at all is not to be told from what was never there.
    if !sees(citizen) && !comes_in {
        let never = "zzzzz";
        let kinds = ["shimin", "weight", "condition", "letter", "list", "file", "article", "encounter", "drug"];
        let named = |text: &str| {
            let mut text = text.to_owned();
            for kind in kinds {
                text = text.replace(&format!("{kind}-{citizen}"), &format!("{kind}-{never}"));
            }
            let place = usize::from(citizen == "b");
            text.replace(&town.media[place], NOWHERE).replace(&town.binaries[place], NOWHERE)
        };
        let mut ghost = door.clone();
        ghost.path = named(&ghost.path);
        ghost.body = ghost.body.as_deref().map(named);
        if ghost.path != door.path || ghost.body != door.body {
            let other = go(town, token, &ghost);
            if other.status != answer.status {
                complain(format!("LEAK: what never was answers {}", other.status));
            } else if answer.status >= 400 {
                let place = usize::from(citizen == "b");
                let (media, binary) = (town.media[place].clone(), town.binaries[place].clone());
                let said = [media, binary, NOWHERE.to_owned(), format!("-{citizen}"), format!("-{never}")];
                let said: Vec<&str> = said.iter().map(String::as_str).collect();
                let (one, two) = (shape(&answer, &said), shape(&other, &said));
                if one != two {
                    complain(format!("LEAK: what never was answers differently: {}", two.1));
                }
            }
        }
    }
    wrong
}

/// What is wrong, and the doors that were tried.
fn tried(town: &Town) -> (Vec<String>, BTreeSet<&'static str>, usize) {
    let everything = &SUBJECTS[16];
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    let mut asked = 0;
    let (mut partial, mut shown) = (BTreeSet::new(), BTreeSet::new());
    // Twice by the one who sees everything, so that everything that is kept is kept.
    for subject in [everything, everything].into_iter().chain(&SUBJECTS) {
        let token = town.token(subject);
        for (citizen, other) in [("a", "b"), ("b", "a")] {
            for door in doors(town, citizen) {
                names.insert(door.name);
                asked += 1;
                if door.shows == Shows::Sometimes {
                    partial.insert(door.name);
                    let sees = if citizen == "a" { subject.sees.0 } else { subject.sees.1 };
                    if sees && !shown.contains(door.name) && whole(&go(town, &token, &door)).contains(secret(citizen)) {
                        shown.insert(door.name);
                    }
                }
                found.extend(wrong(town, subject, &token, &door, citizen, other));
            }
        }
    }
    // Nobody at all.
    for door in doors(town, "a") {
        let answer = go(town, "", &door);
        if answer.status != 401 {
            found.push(format!("anonymous / {}: {}", door.name, answer.status));
        }
    }
    found.extend(partial.difference(&shown).map(|name| format!("{name}: shows nobody anything")));
    found.sort();
    found.dedup();
    (found, names, asked)
}

#[test]
fn nobody_reaches_beyond_what_they_have_to_do_with() {
    for database in databases() {
        let (found, names, asked) = tried(&Town::start(&database));
        println!("{}: {} subjects × {} doors, {asked} requests", database.kind(), SUBJECTS.len(), names.len());
        assert!(found.is_empty(), "{} wrong on {}:\n{}", found.len(), database.kind(), found.join("\n"));
    }
}

/// For a program whose filter was taken out (`mutate.sh`): each door that shows something must then leak, or this test
/// could not notice if it did.
#[test]
fn every_door_leaks_without_its_filter() {
    if std::env::var_os("RENRAKU_EXPECT_LEAKS").is_none() {
        println!("skipped: the filter is there (tests/access/mutate.sh takes it out)");
        return;
    }
    let database = crate::common::sqlite_database();
    let town = Town::start(&database);
    let (found, ..) = tried(&town);
    let tight: BTreeSet<&str> = doors(&town, "a")
        .iter()
        .filter(|door| {
            !matches!(
                door.shows,
                Shows::Rows | Shows::Auditors | Shows::Accesses | Shows::Reviewers | Shows::Nobody | Shows::NoEvents
            )
        })
        .map(|door| door.name)
        .filter(|name| !found.iter().any(|line| line.contains(&format!(" / {name} → ")) && line.contains("LEAK")))
        .collect();
    println!("{} leaks", found.len());
    assert!(tight.is_empty(), "these did not leak: {tight:?}");
}
