//! Searches find exactly what reading lets be read: two ways to the same answer, which share no code.
//!
//! What a caller must find follows from what a system finds that sees everything, by asking for each resource as the
//! caller. Along references only what can be read leads on.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::common::databases;
use crate::town::{SUBJECTS, Town};

/// The place of the system that sees everything.
const EVERYBODY: usize = 16;

/// Conditions on resources themselves, orders, pages.
const PLAIN: [&str; 34] = [
    "Observation",
    "Observation?_sort=-date",
    "Observation?_sort=date,-_id&_count=2",
    "Observation?_count=1",
    "Observation?code=29463-7",
    "Observation?code=29463-7&_sort=-date",
    "Observation?code=29463-7&status=final&_count=2",
    "Observation?code:not=29463-7",
    "Observation?status:not=amended&_sort=code",
    "Observation?patient=shimin-a",
    "Observation?patient=shimin-b&_sort=-date",
    "Observation?patient=shimin-a,shimin-b&date=ge2020",
    "Observation?encounter:missing=true",
    "Observation?value-quantity=gt1",
    "Observation?_lastUpdated=ge2020&_sort=-_lastUpdated",
    "Observation?_tag=weighed",
    "Observation?_id=weight-a,weight-b,weight-open",
    "Patient?_sort=birthdate",
    "Patient?_sort=-_lastUpdated&gender=female",
    "Patient?active:missing=true",
    "Condition?category=problem-list-item&_sort=onset-date",
    "Communication?_sort=-sent",
    "Communication?sent=ge2020",
    "Appointment",
    "Appointment?patient=shimin-a",
    "Practitioner?_sort=name",
    "PractitionerRole?active=true",
    "Organization?name=hospital",
    "CareTeam?status=active",
    "?_type=Observation,Condition&_id=weight-a,condition-a,condition-b",
    "?_type=Observation,Patient&_tag=weighed",
    "Patient/shimin-a/Observation",
    "Patient/shimin-a/*",
    "Patient/shimin-b/*?_type=Condition,Observation",
];

/// Includes along with their matches.
const INCLUDING: [&str; 6] = [
    "Observation?_include=Observation:encounter&_include=Observation:subject",
    "Encounter?_revinclude=Observation:encounter&_revinclude=Condition:encounter",
    "Patient?_revinclude=Observation:subject&_revinclude=Appointment:patient&_sort=-birthdate",
    "Condition?_include=Condition:encounter&_include:iterate=Encounter:subject",
    "List?_include=List:item",
    "Composition?_include=Composition:entry&_include=Composition:author",
];

/// Which way a search goes.
#[derive(Clone, Copy)]
enum Way {
    /// The matches refer to what the inner search finds.
    To,
    /// What the inner search finds refers to the matches.
    From,
}

/// Searches along one reference: the search; its type alone; what it leads over; the way; the element with the reference.
const LINKED: [(&str, &str, &str, Way, &str); 10] = [
    ("Observation?encounter.status=finished", "Observation", "Encounter?status=finished", Way::To, "encounter"),
    ("Observation?encounter:Encounter.date=ge2020", "Observation", "Encounter?date=ge2020", Way::To, "encounter"),
    ("Observation?subject:Patient.gender=female", "Observation", "Patient?gender=female", Way::To, "subject"),
    ("Condition?patient.birthdate=1940-01-01", "Condition", "Patient?birthdate=1940-01-01", Way::To, "subject"),
    (
        "Condition?encounter.class=AMB&category=problem-list-item",
        "Condition",
        "Encounter?class=AMB",
        Way::To,
        "encounter",
    ),
    ("Patient?organization.name=city", "Patient", "Organization?name=city", Way::To, "managingOrganization"),
    ("Patient?_has:Observation:patient:code=29463-7", "Patient", "Observation?code=29463-7", Way::From, "subject"),
    (
        "Encounter?_has:Observation:encounter:code=29463-7",
        "Encounter",
        "Observation?code=29463-7",
        Way::From,
        "encounter",
    ),
    (
        "Encounter?_has:Condition:encounter:category=problem-list-item&status=finished",
        "Encounter",
        "Condition?category=problem-list-item",
        Way::From,
        "encounter",
    ),
    (
        "Patient?_has:Appointment:patient:status=booked",
        "Patient",
        "Appointment?status=booked",
        Way::From,
        "participant",
    ),
];

/// What a search finds over all pages, with the total of the first.
struct Answers {
    matches: Vec<Value>,
    included: BTreeSet<String>,
    total: Option<u64>,
}

fn name(resource: &Value) -> String {
    format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())
}

fn names<'a>(resources: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    resources.into_iter().map(name).collect()
}

fn search(town: &Town, token: &str, query: &str) -> Answers {
    let (mut matches, mut included, mut total) = (Vec::new(), BTreeSet::new(), None);
    let joint = if query.contains('?') { "&" } else { "?" };
    let mut next = Some(format!("fhir/{query}{joint}_total=accurate"));
    while let Some(path) = next {
        let answer = town.ask(token, "GET", &path, &[], None);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        total = total.or(answer.body["total"].as_u64());
        for entry in answer.body["entry"].as_array().into_iter().flatten() {
            match entry["search"]["mode"].as_str() {
                Some("match") => matches.push(entry["resource"].clone()),
                Some("include") => drop(included.insert(name(&entry["resource"]))),
                _ => {}
            }
        }
        let links = answer.body["link"].as_array().into_iter().flatten();
        let link = links.clone().find(|link| link["relation"] == "next").and_then(|link| link["url"].as_str());
        next = link.and_then(|url| url.find("/fhir").map(|at| url[at + 1..].to_owned()));
        assert!(matches.len() < 500, "{query} does not end");
    }
    Answers { matches, included, total }
}

fn refers(resource: &Value, element: &str) -> BTreeSet<String> {
    let of = |node: &Value| node["reference"].as_str().map(str::to_owned);
    match &resource[element] {
        Value::Array(list) => list.iter().filter_map(|each| of(each).or_else(|| of(&each["actor"]))).collect(),
        node => of(node).into_iter().collect(),
    }
}

/// What makes the two citizens hang together, and hides some.
fn add(town: &Town) {
    let observation = |id: &str, subject: &str, encounter: &str, more: Value| {
        let mut resource = json!({
            "resourceType": "Observation", "id": id, "status": "final", "code": { "coding": [{ "system": "http://loinc.org", "code": "29463-7" }] },
            "effectiveDateTime": format!("2026-04-0{}", 1 + id.len() % 9),
            "valueQuantity": { "value": 50, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg" }
        });
        if !subject.is_empty() {
            resource["subject"] = json!({ "reference": subject });
        }
        if !encounter.is_empty() {
            resource["encounter"] = json!({ "reference": encounter });
        }
        for (name, value) in more.as_object().unwrap() {
            resource[name] = value.clone();
        }
        resource
    };
    let label = |code: &str| json!({ "meta": { "security": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": code }] } });
    for resource in [
        observation("weight-crossed", "Patient/shimin-a", "Encounter/encounter-b", json!({})),
        observation("weight-crossing", "Patient/shimin-b", "Encounter/encounter-a", json!({})),
        observation("weight-secret", "Patient/shimin-a", "Encounter/encounter-a", label("V")),
        observation("weight-restricted", "Patient/shimin-a", "", label("R")),
        observation("weight-open", "Group/nobody", "", json!({})),
        observation("weight-of-none", "", "Encounter/encounter-a", json!({})),
    ] {
        town.put(&resource);
    }
    let actor = |who: &str| json!({ "actor": { "reference": who }, "status": "accepted" });
    for (id, actors) in [
        ("both", vec![actor("Patient/shimin-a"), actor("Patient/shimin-b")]),
        ("staff", vec![actor("Practitioner/member")]),
    ] {
        town.put(
            &json!({ "resourceType": "Appointment", "id": id, "status": "booked", "start": "2030-01-01T00:00:00Z",
            "end": "2030-01-01T01:00:00Z", "participant": actors }),
        );
    }
    town.put(&json!({ "resourceType": "Encounter", "id": "encounter-hidden", "status": "finished", "class": { "code": "AMB" },
        "meta": label("V")["meta"], "subject": { "reference": "Patient/shimin-a" } }));
    town.put(&json!({ "resourceType": "Condition", "id": "condition-behind", "subject": { "reference": "Patient/shimin-a" }, "code": { "text": "x" },
        "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "problem-list-item" }] }],
        "encounter": { "reference": "Encounter/encounter-hidden" } }));
    town.put(&json!({ "resourceType": "Communication", "id": "among-staff", "status": "completed", "sent": "2026-05-02T10:00:00+09:00",
        "sender": { "reference": "Practitioner/member" }, "recipient": [{ "reference": "Practitioner/colleague" }], "payload": [{ "contentString": "x" }] }));
}

/// Every caller, every search. Twice, so that what was kept is asked again.
fn compare(town: &Town, when: &str) {
    let system = town.token(&SUBJECTS[EVERYBODY]);
    let all: Vec<Answers> = PLAIN.iter().chain(&INCLUDING).map(|query| search(town, &system, query)).collect();
    let linked: Vec<[Vec<Value>; 2]> = LINKED
        .iter()
        .map(|(_, outer, inner, ..)| [outer, inner].map(|query| search(town, &system, query).matches))
        .collect();
    let (mut wrong, mut found) = (Vec::new(), 0);
    for subject in SUBJECTS.iter().filter(|subject| !subject.name.contains("auditor")) {
        let token = town.token(subject);
        let mut known = std::collections::BTreeMap::new();
        let mut is_readable = |name: &String| {
            *known
                .entry(name.clone())
                .or_insert_with(|| town.ask(&token, "GET", &format!("fhir/{name}"), &[], None).status == 200)
        };
        for round in 0..2 {
            for (query, all) in PLAIN.iter().chain(&INCLUDING).zip(&all) {
                let own = search(town, &token, query);
                let matched = names(&own.matches);
                let expected: BTreeSet<String> =
                    names(&all.matches).into_iter().filter(|name| is_readable(name)).collect();
                found += matched.len();
                if matched != expected || own.matches.len() != matched.len() || own.total != Some(expected.len() as u64)
                {
                    wrong.push(format!(
                        "{when} {round}, {}: {query} finds {matched:?} of {expected:?}, total {:?}",
                        subject.name, own.total
                    ));
                }
                if let Some(strange) = own.included.iter().find(|name| !is_readable(name)) {
                    wrong.push(format!("{when} {round}, {}: {query} includes {strange}", subject.name));
                }
                if own.matches.len() == all.matches.len() {
                    let expected: BTreeSet<String> =
                        all.included.iter().filter(|name| is_readable(name)).cloned().collect();
                    if own.included != expected {
                        wrong.push(format!(
                            "{when} {round}, {}: {query} includes {:?} of {expected:?}",
                            subject.name, own.included
                        ));
                    }
                }
            }
            for query in PLAIN.iter().chain(&INCLUDING).copied().chain(LINKED.iter().map(|(query, ..)| *query)) {
                let joint = if query.contains('?') { "&" } else { "?" };
                let explained = town.ask(&token, "GET", &format!("fhir/{query}{joint}_explain=true"), &[], None);
                if !matches!(explained.status, 200 | 403) {
                    wrong.push(format!(
                        "{when} {round}, {}: {query} is not explained: {}",
                        subject.name, explained.body
                    ));
                }
            }
            for ((query, _, _, way, element), [outer, inner]) in LINKED.iter().zip(&linked) {
                let matched = names(&search(town, &token, query).matches);
                let inner: Vec<&Value> = inner.iter().filter(|each| is_readable(&name(each))).collect();
                let leads = |each: &Value| match way {
                    Way::To => refers(each, element).iter().any(|to| inner.iter().any(|inner| name(inner) == *to)),
                    Way::From => inner.iter().any(|inner| refers(inner, element).contains(&name(each))),
                };
                let own = |each: &&Value| !query.contains("&category") || each["category"].is_array();
                let expected: BTreeSet<String> =
                    outer.iter().filter(own).filter(|each| is_readable(&name(each)) && leads(each)).map(name).collect();
                found += matched.len();
                if matched != expected {
                    wrong.push(format!("{when} {round}, {}: {query} finds {matched:?} of {expected:?}", subject.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(found > 1_000, "only {found} found");
}

#[test]
fn searches_find_what_reading_reads() {
    for database in databases() {
        println!("on {}", database.kind());
        let town = Town::start(&database);
        add(&town);
        compare(&town, "at first");
        // Everything by which a set is kept changes: what is there, whom it is about, who hides it, who has to do with it.
        let system = town.token(&SUBJECTS[EVERYBODY]);
        let get = |path: &str| town.ask(&system, "GET", &format!("fhir/{path}"), &[], None).body;
        let mut moved = get("Observation/weight-crossing");
        moved["subject"] = json!({ "reference": "Patient/shimin-a" });
        town.put(&moved);
        let mut told = get("Observation/weight-secret");
        told["meta"].as_object_mut().unwrap().remove("security");
        town.put(&told);
        let mut hidden = get("Observation/weight-b");
        hidden["meta"]["security"] =
            json!([{ "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V" }]);
        town.put(&hidden);
        let deleted = town.ask(&system, "DELETE", "fhir/Observation/weight-crossed", &[], None);
        assert!(matches!(deleted.status, 200 | 204), "{}", deleted.body);
        let mut citizen = get("Patient/shimin-b");
        citizen["managingOrganization"] = json!({ "reference": "Organization/city" });
        town.put(&citizen);
        compare(&town, "after writes");
        let mut team = get("CareTeam/team-a");
        team["participant"][2]["period"] = json!({ "start": "2020-01-01" });
        team["participant"][0]["period"] = json!({ "start": "2020-01-01", "end": "2021-01-01" });
        team["subject"] = json!({ "reference": "Patient/shimin-b" });
        town.put(&team);
        compare(&town, "after a change of the team");
    }
}
