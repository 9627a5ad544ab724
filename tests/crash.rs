//! What was acknowledged survives `kill -9`, and of what was not, nothing is there by half.
//!
//! Clients create Patients and send transactions without a pause; at a random moment the server is
//! killed, started again on the same database, and asked for everything. `RENRAKU_CRASH_ROUNDS`
//! sets the number of rounds (default 3; 50 for a proof worth the name).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod common;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{Database, Server, agent, exchange};
use serde_json::{Value, json};

const CLIENTS: usize = 4;
const IDENTIFIERS: &str = "urn:example:crash";

/// What the clients know when the connection breaks.
#[derive(Default)]
struct Ledger {
    /// Created Patients that were answered with 201: id → identifier.
    created: BTreeMap<String, String>,
    /// Transactions that were sent (their ids are `p-NAME` and `o-NAME`): name → was it answered with 200?
    transactions: BTreeMap<String, bool>,
}

impl Ledger {
    fn acknowledged(&self) -> usize {
        self.created.len() + self.transactions.values().filter(|answered| **answered).count()
    }

    fn merge(&mut self, other: Self) {
        self.created.extend(other.created);
        self.transactions.extend(other.transactions);
    }
}

#[test]
fn acknowledged_resources_survive_kill_9_on_sqlite() {
    crash_rounds(&common::sqlite_database());
}

#[test]
fn acknowledged_resources_survive_kill_9_on_postgres() {
    if let Some(database) = common::postgres_database() {
        crash_rounds(&database);
    }
}

fn crash_rounds(database: &Database) {
    let rounds = std::env::var("RENRAKU_CRASH_ROUNDS").map_or(3, |text| text.parse().expect("a number of rounds"));
    let mut everything = Ledger::default();
    let mut server = Server::start(&database.url, &[]);
    for round in 0..rounds {
        let ledger = load_until_killed(&mut server, round);
        server = Server::start(&database.url, &[]);
        check(&server, &ledger);
        everything.merge(ledger);
    }
    // Later crashes and recoveries took nothing from earlier rounds.
    check(&server, &everything);
    let unanswered = everything.transactions.values().filter(|answered| !**answered).count();
    println!(
        "{}: {rounds} kills, {} acknowledged requests all there, {unanswered} unanswered transactions whole or absent",
        database.kind(),
        everything.acknowledged()
    );
}

/// Lets the clients write, kills the server in the middle, and gathers what the clients know.
fn load_until_killed(server: &mut Server, round: usize) -> Ledger {
    let base = server.base.clone();
    let acknowledged = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (base, acknowledged) = (&base, &acknowledged);
                scope.spawn(move || write_until_broken(base, &format!("{round}-{client}"), acknowledged))
            })
            .collect();
        let started = Instant::now();
        while acknowledged.load(Ordering::Relaxed) == 0 && started.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(50 + random() % 351));
        server.kill();
        let mut ledger = Ledger::default();
        for client in clients {
            ledger.merge(client.join().expect("a client thread"));
        }
        assert!(ledger.acknowledged() > 0, "nothing was acknowledged before the kill; log:\n{}", server.log());
        ledger
    })
}

/// One client: a create and a transaction in turn, until the connection breaks.
fn write_until_broken(base: &str, client: &str, acknowledged: &AtomicUsize) -> Ledger {
    let agent = agent();
    let mut ledger = Ledger::default();
    for number in 0.. {
        let name = format!("{client}-{number}");
        let (path, resource) = if number % 2 == 0 {
            ("Patient", patient(&name, None))
        } else {
            ledger.transactions.insert(name.clone(), false);
            ("", transaction(&name))
        };
        let body = serde_json::to_vec(&resource).expect("JSON");
        let Ok(answer) = exchange(&agent, base, "POST", path, &[], Some(body)) else { break };
        if number % 2 == 0 {
            assert_eq!(answer.status, 201, "create: {}", answer.body);
            ledger.created.insert(id_of_location(answer.header("location")), name);
        } else {
            assert_eq!(answer.status, 200, "transaction: {}", answer.body);
            ledger.transactions.insert(name, true);
        }
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    ledger
}

/// Compares a restarted server with what the clients know.
fn check(server: &Server, ledger: &Ledger) {
    for (id, identifier) in &ledger.created {
        let answer = server.get(&format!("Patient/{id}"));
        assert_eq!(answer.status, 200, "acknowledged Patient/{id}: {}", answer.body);
        assert_eq!(answer.body["identifier"][0]["value"], json!(identifier), "content of Patient/{id}");
    }
    // The index is written in the same transaction as the resource; a sample is enough here.
    for (id, identifier) in ledger.created.iter().rev().take(20) {
        let found = server.get(&format!("Patient?identifier={IDENTIFIERS}|{identifier}"));
        assert_eq!(found.status, 200, "search by identifier: {}", found.body);
        let ids: Vec<&Value> =
            found.body["entry"].as_array().into_iter().flatten().map(|e| &e["resource"]["id"]).collect();
        assert_eq!(ids, [&json!(id)], "Patient?identifier={identifier}");
    }
    for (name, answered) in &ledger.transactions {
        let mut both = presence(server, name);
        if both.0 != both.1 {
            // PostgreSQL may finish a COMMIT that was under way when its client died.
            std::thread::sleep(Duration::from_secs(1));
            both = presence(server, name);
        }
        assert_eq!(both.0, both.1, "transaction {name} is there by half (Patient, Observation)");
        assert!(both.0 || !answered, "transaction {name} was answered with 200 and is gone");
    }
}

/// Whether the Patient and the Observation of a transaction are there.
fn presence(server: &Server, name: &str) -> (bool, bool) {
    let there = |path: String| {
        let answer = server.get(&path);
        assert!(matches!(answer.status, 200 | 404), "{path}: {} {}", answer.status, answer.body);
        answer.status == 200
    };
    (there(format!("Patient/p-{name}")), there(format!("Observation/o-{name}")))
}

/// `http://host/fhir/Patient/ID/_history/1` → `ID`.
fn id_of_location(location: &str) -> String {
    let mut parts = location.split('/').skip_while(|part| *part != "Patient");
    parts.nth(1).unwrap_or_else(|| panic!("Location without an id: {location:?}")).to_owned()
}

fn patient(name: &str, id: Option<String>) -> Value {
    let mut resource = json!({
        "resourceType": "Patient",
        "identifier": [{ "system": IDENTIFIERS, "value": name }],
        "name": [{ "family": "山田", "given": ["花子"] }],
        "birthDate": "1941-02-03"
    });
    if let Some(id) = id {
        resource["id"] = json!(id);
    }
    resource
}

fn transaction(name: &str) -> Value {
    let (patient_id, observation_id) = (format!("p-{name}"), format!("o-{name}"));
    json!({
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "resource": patient(name, Some(patient_id.clone())),
                "request": { "method": "PUT", "url": format!("Patient/{patient_id}") }
            },
            {
                "resource": {
                    "resourceType": "Observation",
                    "id": observation_id,
                    "status": "final",
                    "code": { "coding": [{ "system": "http://loinc.org", "code": "8302-2" }] },
                    "subject": { "reference": format!("Patient/{patient_id}") },
                    "valueQuantity": { "value": 151.2, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm" }
                },
                "request": { "method": "PUT", "url": format!("Observation/{observation_id}") }
            }
        ]
    })
}

/// A number that differs from run to run: the standard library seeds its hashers at random.
fn random() -> u64 {
    RandomState::new().hash_one(Instant::now())
}
