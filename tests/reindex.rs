//! `renraku reindex`: what is derived can be derived again, and comes out the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod common;

use std::collections::BTreeMap;

use common::{Database, Server, databases};
use serde_json::json;

/// Every row of the derived tables, as text, sorted.
fn derived(database: &Database) -> BTreeMap<String, Vec<String>> {
    let entities = renraku::notebook::model::tables().iter();
    let entities = entities.map(|table| (table.name.as_str(), table.column_names().join(", ")));
    let tables = [
        ("token", "parameter, code, system, key"),
        ("string", "parameter, start, key, exact, rest"),
        ("date", "parameter, low, high, key"),
        ("quantity", "parameter, code, system, key"),
        ("reference", "parameter, target, key"),
        ("uri", "parameter, uri, version, key"),
        ("composite", "parameter, code, system, text, text_system, key"),
        ("owner", "key, citizen, current"),
        ("label", "kind, key, current"),
        ("notebook_citizen", "key, name, kana, birth_date"),
        ("notebook_entry", "key, ordinal, citizen, category, low, title, detail, labels"),
    ];
    tables
        .into_iter()
        .map(|(table, columns)| (table, columns.to_owned()))
        .chain(entities)
        .map(|(table, columns)| {
            let line = columns.split(", ").map(|column| format!("coalesce(CAST({column} AS TEXT), '-')"));
            let sql = format!("SELECT {} AS line FROM {table}", line.collect::<Vec<_>>().join(" || ' ' || "));
            let mut lines = common::query_lines(database, &sql);
            lines.sort();
            (table.to_owned(), lines)
        })
        .collect()
}

#[test]
fn rebuilt_rows_equal_those_written_one_by_one() {
    for database in databases() {
        let mut server = Server::start(&database.url, &["--demo"]);
        let patient = json!({"resourceType": "Patient", "id": "a", "name": [{"family": "見本"}], "birthDate": "1940"});
        assert_eq!(server.put("/Patient/a", &patient).status, 201);
        let changed = json!({"resourceType": "Patient", "id": "a", "name": [{"family": "標本"}], "gender": "female"});
        assert_eq!(server.put("/Patient/a", &changed).status, 200);
        let observation = json!({"resourceType": "Observation", "id": "b", "status": "final", "code": {"text": "x"},
            "subject": {"reference": "Patient/not-here"}, "valueQuantity": {"value": 1.50, "unit": "kg"}});
        assert_eq!(server.put("/Observation/b", &observation).status, 201);
        assert_eq!(
            server.put("/Patient/c", &json!({"resourceType": "Patient", "id": "c", "active": true})).status,
            201
        );
        assert_eq!(server.delete("/Patient/c").status, 200);
        assert_eq!(server.delete("/Observation/b").status, 200);
        // A Provenance follows what it is about, also where that comes later.
        for (id, about) in [("early", "Observation/later"), ("late", "Patient/a")] {
            let provenance = json!({"resourceType": "Provenance", "id": id, "recorded": "2026-11-25T10:00:00Z",
                "target": [{"reference": about}], "agent": [{"who": {"display": "x"}}]});
            assert_eq!(server.put(&format!("/Provenance/{id}"), &provenance).status, 201);
        }
        let later = json!({"resourceType": "Observation", "id": "later", "status": "final", "code": {"text": "x"},
            "subject": {"reference": "Patient/a"}, "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}});
        assert_eq!(server.put("/Observation/later", &later).status, 201);
        server.terminate();
        let before = derived(&database);
        for (table, lines) in &before {
            let is_shown = ["medication", "team_member", "measurement", "visit", "plan_activity"];
            let is_expected =
                table.strip_prefix("notebook_").is_none_or(|name| is_shown.contains(&name) || name == "citizen");
            assert!(!is_expected || !lines.is_empty(), "{table} has rows");
        }

        let rebuild = |arguments: &[&str]| {
            let output = common::renraku(std::path::Path::new("."))
                .args(["reindex", "--database", &database.url])
                .args(arguments)
                .output()
                .expect("the command runs");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        rebuild(&[]);
        let differ = |after: &BTreeMap<String, Vec<String>>| -> Vec<String> {
            let lines = |all: &BTreeMap<String, Vec<String>>, table: &str| all.get(table).cloned().unwrap_or_default();
            let of = |table: &String| {
                let (was, is) = (lines(&before, table), lines(after, table));
                let gone = was.iter().filter(|line| !is.contains(line)).map(|line| format!("{table} - {line}"));
                let come = is.iter().filter(|line| !was.contains(line)).map(|line| format!("{table} + {line}"));
                gone.chain(come).collect::<Vec<_>>()
            };
            before.keys().flat_map(of).collect()
        };
        assert_eq!(differ(&derived(&database)), Vec::<String>::new(), "{}", database.kind());
        // Rows of the notebook that are lost or wrong come back; the index is not touched.
        for sql in [
            "DELETE FROM notebook_measurement",
            "UPDATE notebook_entry SET title = 'x'",
            "DELETE FROM date WHERE parameter IN (SELECT min(parameter) FROM date)",
        ] {
            common::run(&database, sql);
        }
        let dates = derived(&database)["date"].clone();
        assert!(dates.len() < before["date"].len());
        rebuild(&["--notebook"]);
        let mut after = derived(&database);
        assert_eq!(after.insert("date".to_owned(), before["date"].clone()), Some(dates));
        assert_eq!(after, before, "{}", database.kind());
    }
}

#[test]
fn another_time_zone_asks_for_a_rebuild() {
    let database = common::sqlite_database();
    Server::start(&database.url, &[]).terminate();
    let run = |arguments: &[&str]| {
        common::renraku(std::path::Path::new("."))
            .args(arguments)
            .args(["--database", &database.url, "--time-zone", "+00:00"])
            .output()
            .expect("the command runs")
    };
    let refused = run(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("renraku reindex"));
    let refused = run(&["reindex", "--notebook"]);
    assert!(!refused.status.success(), "the index is of another time zone");
    assert!(run(&["reindex"]).status.success());
    let server = Server::start(&database.url, &["--time-zone", "+00:00"]);
    assert_eq!(server.get("/metadata").status, 200);
}

/// What was stored before a search parameter came is indexed in the background; a server that is killed
/// meanwhile goes on where it was, and in the end the rows are those of a rebuild.
#[test]
fn indexing_in_the_background_survives_a_kill() {
    for database in databases() {
        let mut server = Server::start(&database.url, &[]);
        for part in 0..8 {
            let entries: Vec<_> = (0..500)
                .map(|place| {
                    json!({ "request": { "method": "PUT", "url": format!("Patient/p{part}-{place}") },
                        "resource": { "resourceType": "Patient", "id": format!("p{part}-{place}"),
                            "extension": [{ "url": "http://example.org/eye", "valueCode": format!("c{}", place % 7) }] } })
                })
                .collect();
            let batch = json!({ "resourceType": "Bundle", "type": "batch", "entry": entries });
            assert_eq!(server.post("", &batch).status, 200);
        }
        let is_complete = |server: &Server| {
            let status = server.get("SearchParameter/$reindex-status");
            status.body["parameter"][0]["valueBoolean"].as_bool().unwrap_or_else(|| panic!("{}", status.body))
        };
        let building = "SELECT code AS line FROM search_parameter WHERE state = 0";
        let mut interrupted = 0;
        for round in 0..6 {
            let code = format!("eye{round}");
            let parameter = json!({ "resourceType": "SearchParameter", "id": code, "name": "Eye", "status": "active",
                "url": format!("http://example.org/sp/{code}"), "description": "test", "code": code, "base": ["Patient"],
                "type": "token", "expression": "Patient.extension('http://example.org/eye').value" });
            assert_eq!(server.put(&format!("SearchParameter/{code}"), &parameter).status, 201);
            // Meanwhile others write, behind and before the place the index has come to.
            for id in ["p0-1", "p7-499"] {
                let changed = json!({ "resourceType": "Patient", "id": id,
                    "extension": [{ "url": "http://example.org/eye", "valueCode": format!("new{round}") }] });
                assert_eq!(server.put(&format!("Patient/{id}"), &changed).status, 200);
                if common::query_lines(&database, building).contains(&code) {
                    break;
                }
            }
            server.kill();
            interrupted += usize::from(common::query_lines(&database, building).contains(&code));
            server = Server::start(&database.url, &[]);
            let started = std::time::Instant::now();
            while !is_complete(&server) {
                assert!(started.elapsed().as_secs() < 60, "it does not go on");
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            let found = server.get(&format!("Patient?{code}:missing=false&_summary=count"));
            assert_eq!(found.body["total"], 4000, "{}", found.body);
            let changed = server.get(&format!("Patient?{code}=new{round}&_id=p0-1&_summary=count"));
            assert_eq!(changed.body["total"], 1, "{}", changed.body);
        }
        assert!(interrupted > 0, "no kill came while the index was being made");
        server.terminate();
        let before = derived(&database);
        let rebuilt = common::renraku(std::path::Path::new("."))
            .args(["reindex", "--database", &database.url])
            .output()
            .expect("the command runs");
        assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
        assert_eq!(derived(&database), before, "{}", database.kind());
    }
}
