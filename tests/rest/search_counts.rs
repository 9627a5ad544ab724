//! Totals and pages of broad searches right after each write: what the server keeps in memory of a search says
//! what is stored at this moment (FHIR R4 http.html#search, bundle-definitions.html#Bundle.total).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{bundle, entries, entry, link, on_each_alone};

const MANY: usize = 2300;

/// What should be stored: gender by id, and what each Observation says of whom.
#[derive(Default)]
struct Model {
    patients: BTreeMap<String, &'static str>,
    observations: BTreeMap<String, (&'static str, String)>,
}

impl Model {
    fn patient(&mut self, id: usize, gender: &'static str) -> Value {
        let id = format!("p{id:05}");
        let resource = json!({ "resourceType": "Patient", "id": id, "gender": gender });
        self.patients.insert(id.clone(), gender);
        entry("PUT", &format!("Patient/{id}"), resource)
    }

    fn observation(&mut self, id: usize, code: &'static str, of: usize) -> Value {
        let (id, of) = (format!("o{id:05}"), format!("p{of:05}"));
        let resource = json!({ "resourceType": "Observation", "id": id, "status": "final",
            "code": { "coding": [{ "system": "http://example.org/counts", "code": code }] },
            "subject": { "reference": format!("Patient/{of}") } });
        self.observations.insert(id.clone(), (code, of));
        entry("PUT", &format!("Observation/{id}"), resource)
    }

    fn patients(&self, meets: impl Fn(&str, &str) -> bool) -> BTreeSet<String> {
        let met = self.patients.iter().filter(|(id, gender)| meets(id, gender));
        met.map(|(id, _)| id.clone()).collect()
    }

    fn observations(&self, meets: impl Fn(&str, &str) -> bool) -> BTreeSet<String> {
        let met = self.observations.iter().filter(|(_, (code, of))| meets(code, of));
        met.map(|(id, _)| id.clone()).collect()
    }

    fn is_female(&self, id: &str) -> bool {
        self.patients.get(id) == Some(&"female")
    }

    fn has(&self, id: &str, wanted: &str) -> bool {
        self.observations.values().any(|(code, of)| *code == wanted && of == id)
    }

    /// All pages of each search, and its count alone.
    fn compare(&self, server: &Server, after: &str) {
        let searches: [(&str, BTreeSet<String>); 9] = [
            ("Patient?gender=female", self.patients(|_, gender| gender == "female")),
            ("Patient?gender:not=female", self.patients(|_, gender| gender != "female")),
            ("Patient?_sort=-gender", self.patients(|_, _| true)),
            ("Observation?code=common&status=final", self.observations(|code, _| code == "common")),
            ("Observation?code:not=common", self.observations(|code, _| code != "common")),
            ("Observation?patient.gender=female&status=final", self.observations(|_, of| self.is_female(of))),
            ("Patient?_has:Observation:patient:code=common", self.patients(|id, _| self.has(id, "common"))),
            ("Patient?_has:Observation:patient:code=rare", self.patients(|id, _| self.has(id, "rare"))),
            (
                "Patient?gender=female&_has:Observation:patient:status=final",
                self.patients(|id, gender| gender == "female" && (self.has(id, "common") || self.has(id, "rare"))),
            ),
        ];
        for (search, wanted) in searches {
            let count = server.get(&format!("{search}&_summary=count"));
            assert_eq!(count.body["total"], wanted.len(), "{search} after {after}");
            let mut found = BTreeSet::new();
            let mut next = Some(format!("{search}&_count=1000&_elements=id"));
            while let Some(path) = next {
                let page = server.get(&path).body;
                for entry in entries(&page) {
                    assert!(
                        found.insert(entry["resource"]["id"].as_str().unwrap().to_owned()),
                        "{search} after {after}"
                    );
                }
                next = link(server, &page, "next");
            }
            let differ: Vec<&String> = found.symmetric_difference(&wanted).take(5).collect();
            assert!(differ.is_empty(), "{search} after {after}: {differ:?}");
        }
    }
}

fn send(server: &Server, entries: Vec<Value>) {
    for part in entries.chunks(600) {
        let answer = server.post("", &bundle("transaction", part.to_vec()));
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

#[test]
fn every_write_counts_at_once() {
    on_each_alone(|server| {
        let mut model = Model::default();
        let gender = |number: usize| if number.is_multiple_of(9) { "male" } else { "female" };
        let code = |number: usize| if number.is_multiple_of(400) { "rare" } else { "common" };
        let patients = (0..MANY).map(|number| model.patient(number, gender(number))).collect();
        send(server, patients);
        let observations = (0..MANY).map(|number| model.observation(number, code(number), number)).collect();
        send(server, observations);
        model.compare(server, "the beginning");
        let changed = model.patient(5, "male");
        send(server, vec![changed]);
        model.compare(server, "an update");
        let moved = vec![
            model.observation(7, "rare", 8),
            model.observation(400, "common", 9),
            model.observation(11, "common", 5),
        ];
        send(server, moved);
        model.compare(server, "changes of what is referred to");
        for id in ["o00012", "o00800"] {
            model.observations.remove(id);
            assert_eq!(server.delete(&format!("Observation/{id}")).status, 200);
        }
        model.compare(server, "deletions");
        let more = vec![model.patient(MANY, "unknown"), model.observation(MANY, "rare", MANY)];
        send(server, more);
        model.compare(server, "creations");
        // More than are tested one by one.
        let many = (100..1400).map(|number| model.patient(number, gender(number + 1))).collect();
        send(server, many);
        model.compare(server, "many updates");
    });
}
