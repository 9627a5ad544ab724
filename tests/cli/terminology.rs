//! `renraku terminology`: code systems from files into tables, and what the operations make of them.

use std::fs;

use serde_json::Value;

use crate::common::{Database, Server, TempDir, databases, sqlite_database};
use crate::{Said, run};

const SYSTEM: &str = "http://example.org/big";

fn terminology(folder: &TempDir, database: &Database, arguments: &[&str]) -> Said {
    let (command, rest) = arguments.split_first().unwrap();
    run(folder.path(), &[&["terminology", command, "--database", &database.url], rest].concat())
}

/// A file of made-up drugs below two groups.
fn csv(folder: &TempDir, count: usize) {
    let mut text = String::from("コード,名称,カナ,上位,単位,廃止\nG1,錠剤,ジョウザイ,,,\nG2,注射,チュウシャ,,,\n");
    for number in 0..count {
        let group = if number % 2 == 0 { "G1" } else { "G2" };
        let retired = if number % 10 == 9 { "1" } else { "" };
        text.push_str(&format!("D{number:05},\"見本薬{number} 5mg, 改\",ミホンヤク{number},{group},錠,{retired}\n"));
    }
    fs::write(folder.path().join("big.csv"), text).unwrap();
}

const IMPORT: [&str; 8] = [
    "import",
    "big.csv",
    "--system",
    SYSTEM,
    "--version",
    "2026",
    "--columns",
    "code=コード,display=名称,kana=カナ,parent=上位,prop:unit=単位,inactive=廃止",
];

fn got(server: &Server, path: &str) -> Value {
    let answer = server.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body.clone()
}

fn codes(value_set: &Value) -> Vec<&str> {
    let contains = value_set["expansion"]["contains"].as_array().map_or(&[][..], Vec::as_slice);
    contains.iter().map(|one| one["code"].as_str().unwrap_or_default()).collect()
}

fn value(parameters: &Value, name: &str) -> Value {
    let list = parameters["parameter"].as_array().unwrap();
    let found = list.iter().find(|one| one["name"] == name).and_then(Value::as_object);
    found
        .and_then(|found| found.iter().find(|(key, _)| key.starts_with("value")))
        .map_or(Value::Null, |(_, value)| value.clone())
}

#[test]
fn a_loaded_code_system_answers_every_operation() {
    for database in databases() {
        let folder = TempDir::new();
        csv(&folder, 2_500);
        let said = terminology(&folder, &database, &IMPORT);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.out.contains("2502 codes"), "{}", said.out);
        let again = terminology(&folder, &database, &IMPORT);
        assert!(again.out.contains("all there already"), "{}", again.out);
        let listed = terminology(&folder, &database, &["list"]);
        assert_eq!(listed.out, format!("{SYSTEM}\t2026\t2502\n"));

        let server = Server::start(&database.url, &[]);
        let lookup = got(&server, &format!("CodeSystem/$lookup?system={SYSTEM}&code=D00007"));
        assert_eq!(value(&lookup, "display"), "見本薬7 5mg, 改");
        let all = lookup.to_string();
        assert!(all.contains("ミホンヤク7") && all.contains("\"unit\"") && all.contains("\"G2\""), "{all}");
        let subsumes = |a, b| {
            value(&got(&server, &format!("CodeSystem/$subsumes?system={SYSTEM}&codeA={a}&codeB={b}")), "outcome")
        };
        assert_eq!((subsumes("G1", "D00002"), subsumes("D00002", "G2")), ("subsumes".into(), "not-subsumed".into()));
        let validate =
            |code| value(&got(&server, &format!("CodeSystem/$validate-code?url={SYSTEM}&code={code}")), "result");
        assert_eq!((validate("D00001"), validate("d00001")), (true.into(), false.into()));

        let set = |id: &str, include: Value| {
            let body = serde_json::json!({ "resourceType": "ValueSet", "id": id, "url": format!("{SYSTEM}/{id}"), "status": "active",
                "compose": { "include": [include] } });
            assert_eq!(server.put(&format!("ValueSet/{id}"), &body).status, 201);
        };
        set("all", serde_json::json!({ "system": SYSTEM }));
        set(
            "tablets",
            serde_json::json!({ "system": SYSTEM, "filter": [{ "property": "concept", "op": "descendent-of", "value": "G1" }] }),
        );
        set(
            "unit",
            serde_json::json!({ "system": SYSTEM, "filter": [{ "property": "unit", "op": "=", "value": "錠" }, { "property": "concept", "op": "is-a", "value": "G2" }] }),
        );
        let page = got(&server, "ValueSet/all/$expand?offset=1000&count=3");
        assert_eq!((codes(&page), &page["expansion"]["total"]), (vec!["D00998", "D00999", "D01000"], &2502.into()));
        // Hiragana, without voicing marks, finds the reading.
        let found = got(&server, "ValueSet/all/$expand?filter=%E3%81%BF%E3%81%BB%E3%82%93%E3%82%84%E3%81%8F2499");
        assert_eq!(codes(&found), ["D02499"]);
        let found = got(&server, "ValueSet/tablets/$expand?filter=d0000&count=2&activeOnly=true");
        assert_eq!((codes(&found), &found["expansion"]["total"]), (vec!["D00000", "D00002"], &5.into()));
        assert_eq!(got(&server, "ValueSet/all/$expand?count=0&activeOnly=true")["expansion"]["total"], 2252);
        assert_eq!(got(&server, "ValueSet/unit/$expand?count=2")["expansion"]["total"], 1250);
        let member = |set: &str, code: &str| {
            value(&got(&server, &format!("ValueSet/{set}/$validate-code?system={SYSTEM}&code={code}")), "result")
        };
        assert_eq!(
            (member("tablets", "D00004"), member("tablets", "D00005"), member("unit", "D00005")),
            (true.into(), false.into(), true.into())
        );
        drop(server);

        // A new version of the file replaces the old one.
        csv(&folder, 10);
        assert_eq!(terminology(&folder, &database, &IMPORT).code, Some(0));
        assert_eq!(terminology(&folder, &database, &["list"]).out, format!("{SYSTEM}\t2026\t12\n"));
        assert_eq!(terminology(&folder, &database, &["remove", SYSTEM]).code, Some(0));
        assert_eq!(terminology(&folder, &database, &["remove", SYSTEM]).code, Some(2));
        let server = Server::start(&database.url, &[]);
        assert_eq!(server.get(&format!("CodeSystem/$lookup?system={SYSTEM}&code=D00001")).status, 404);
    }
}

#[test]
fn wrong_rows_are_named_and_nothing_is_stored() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    fs::write(folder.path().join("big.csv"), "コード,名称,カナ,上位,単位,廃止\nA,a,,,,\nA,b,,,,\nB,b,,Z,,\n").unwrap();
    let said = terminology(&folder, &database, &IMPORT);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("line 3") && said.err.contains("line 4"), "{}", said.err);
    assert_eq!(terminology(&folder, &database, &["list"]).out, "");
    let dry = terminology(&folder, &database, &[&IMPORT[..], &["--dry-run"]].concat());
    assert_eq!((dry.code, dry.out.contains("2 codes are right, 2 rows are wrong")), (Some(1), true), "{}", dry.out);
    let some = terminology(&folder, &database, &[&IMPORT[..], &["--skip-wrong"]].concat());
    assert_eq!(some.code, Some(1));
    assert_eq!(terminology(&folder, &database, &["list"]).out, format!("{SYSTEM}\t2026\t2\n"));
    let missing = terminology(&folder, &database, &["import", "big.csv", "--system", SYSTEM, "--columns", "code=番号"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.contains("コード"), "{}", missing.err);
}

#[test]
fn a_code_system_resource_can_be_loaded() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    let resource = serde_json::json!({ "resourceType": "CodeSystem", "url": SYSTEM, "version": "1", "status": "active", "content": "complete",
        "concept": [{ "code": "a", "display": "A", "concept": [{ "code": "b", "designation": [{ "language": "ja", "value": "ビー" }] }] }] });
    fs::write(folder.path().join("big.json"), resource.to_string()).unwrap();
    assert_eq!(terminology(&folder, &database, &["import", "big.json"]).code, Some(0));
    let server = Server::start(&database.url, &[]);
    let outcome = got(&server, &format!("CodeSystem/$subsumes?system={SYSTEM}&codeA=A&codeB=b"));
    assert_eq!(value(&outcome, "outcome"), "subsumes", "case is not said to matter");
}
