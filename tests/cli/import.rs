//! `renraku import`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use renraku::store::connection::{Connection, Role, Statement};
use serde_json::{Value, json};

use crate::common::{Database, TempDir, databases, renraku, sqlite_database};
use crate::{Said, run};

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Live resources, and versions ever written, of a database.
fn stored(database: &Database) -> (i64, i64) {
    let place = renraku::store::Database::parse(&database.url).expect("a database URL");
    let mut connection = Connection::open(&place, Role::Reader).expect("a connection");
    let mut count = |sql: &str| connection.load::<Number>(&Statement::new(sql)).map_or(0, |rows| rows[0].number);
    (count("SELECT count(*) AS number FROM resource WHERE state = 1"), count("SELECT count(*) AS number FROM change"))
}

fn import(folder: &TempDir, database: &Database, arguments: &[&str]) -> Said {
    run(folder.path(), &[&["import", "--database", &database.url], arguments].concat())
}

fn ndjson(folder: &TempDir, name: &str, lines: &[Value]) -> PathBuf {
    let path = folder.path().join(name);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(&path, text).expect("room for a file");
    path
}

fn patient(id: &str) -> Value {
    json!({ "resourceType": "Patient", "id": id, "name": [{ "family": "見本" }] })
}

fn observation(subject: &str) -> Value {
    json!({ "resourceType": "Observation", "status": "final", "code": { "text": "握力" }, "subject": { "reference": subject } })
}

fn bundle(kind: &str, entries: &[Value]) -> Value {
    json!({ "resourceType": "Bundle", "type": kind, "entry": entries })
}

fn post(full_url: &str, resource: &Value) -> Value {
    json!({ "fullUrl": full_url, "resource": resource, "request": { "method": "POST", "url": resource["resourceType"] } })
}

/// A transaction that creates two resources which refer to each other.
fn pair(number: usize) -> Value {
    let url = format!("urn:uuid:00000000-0000-4000-8000-{number:012}");
    let citizen =
        json!({ "resourceType": "Patient", "identifier": [{ "system": "urn:x", "value": number.to_string() }] });
    bundle(
        "transaction",
        &[post(&url, &citizen), post("urn:uuid:00000000-0000-4000-9000-000000000000", &observation(&url))],
    )
}

#[test]
fn resources_and_bundles_of_every_kind_are_taken() {
    for database in databases() {
        let folder = TempDir::new();
        let request = json!({ "method": "PUT", "url": "Patient/b" });
        ndjson(
            &folder,
            "mixed.ndjson",
            &[
                patient("a"),
                observation("Patient/a"),
                pair(1),
                bundle("batch", &[json!({ "resource": patient("b"), "request": request })]),
                bundle(
                    "collection",
                    &[json!({ "resource": patient("c") }), json!({ "resource": observation("Patient/c") })],
                ),
                bundle("searchset", &[json!({ "fullUrl": "http://x/fhir/Patient/d", "resource": patient("d") })]),
            ],
        );
        let said = import(&folder, &database, &["mixed.ndjson"]);
        assert_eq!(said.code, Some(0), "{}: {said:?}", database.kind());
        assert!(said.out.starts_with("imported 8 resources of 1 file in "), "{said:?}");
        assert_eq!(stored(&database), (8, 8), "{}", database.kind());
    }
}

#[test]
fn one_resource_over_several_lines_is_taken() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    let text = serde_json::to_string_pretty(&pair(1)).expect("JSON");
    fs::write(folder.path().join("pair.json"), text).expect("room for a file");
    let said = import(&folder, &database, &["pair.json"]);
    assert_eq!((said.code, stored(&database).0), (Some(0), 2), "{said:?}");
}

/// References between the entries of a collection hold (FHIR R4 bundle.html#references).
#[test]
fn references_inside_a_collection_are_kept() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    let citizen = json!({ "resourceType": "Patient" });
    let entries =
        [json!({ "fullUrl": "urn:uuid:1", "resource": citizen }), json!({ "resource": observation("urn:uuid:1") })];
    ndjson(&folder, "collection.ndjson", &[bundle("collection", &entries)]);
    let said = import(&folder, &database, &["collection.ndjson"]);
    assert_eq!((said.code, stored(&database).0), (Some(0), 2), "{said:?}");
}

#[test]
fn standard_input_is_taken() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    let mut child = renraku(folder.path())
        .args(["import", "-", "--database", &database.url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    writeln!(stdin, "{}\n\n{}", patient("a"), patient("b")).expect("a reader");
    drop(stdin);
    let said = Said::from(child.wait_with_output().expect("it ends"));
    assert_eq!((said.code, stored(&database).0), (Some(0), 2), "{said:?}");
}

#[test]
fn packed_files_are_read() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    let packed = zstd::encode_all(format!("{}\n", patient("a")).as_bytes(), 3).expect("memory");
    fs::write(folder.path().join("a.ndjson.zst"), packed).expect("room for a file");
    assert_eq!(import(&folder, &database, &["a.ndjson.zst"]).code, Some(0));
    assert_eq!(stored(&database).0, 1);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    write!(packed, "{}\n{}\n", patient("b"), patient("c")).expect("memory");
    let mut packed = packed.finish().expect("memory");
    fs::write(folder.path().join("b.ndjson.gz"), &packed).expect("room for a file");
    assert_eq!(import(&folder, &database, &["b.ndjson.gz"]).code, Some(0));
    assert_eq!(stored(&database).0, 3);
    packed.truncate(packed.len() / 2);
    fs::write(folder.path().join("cut.ndjson.gz"), packed).expect("room for a file");
    assert_eq!(import(&folder, &database, &["cut.ndjson.gz"]).code, Some(2));
}

#[test]
fn a_resource_or_bundle_in_xml_is_read() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    let patient = |id: &str| format!("<Patient xmlns=\"http://hl7.org/fhir\">\n  <id value=\"{id}\"/>\n</Patient>");
    fs::write(folder.path().join("a.xml"), format!("\u{feff}<?xml version=\"1.0\"?>\n{}\n", patient("a")))
        .expect("a file");
    assert_eq!(import(&folder, &database, &["a.xml"]).code, Some(0));
    let entries = ["b", "c"].map(|id| format!("<entry><resource>{}</resource></entry>", patient(id))).concat();
    let bundle = format!("<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"collection\"/>{entries}</Bundle>");
    fs::write(folder.path().join("b.xml"), bundle).expect("a file");
    assert_eq!(import(&folder, &database, &["b.xml"]).code, Some(0));
    assert_eq!(stored(&database).0, 3);
    fs::write(folder.path().join("wrong.xml"), "<Patient xmlns=\"http://hl7.org/fhir\"><nonsense/></Patient>")
        .expect("a file");
    let said = import(&folder, &database, &["wrong.xml"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("nonsense"), "{said:?}");
}

#[test]
fn what_is_wrong_is_refused_alone_and_named() {
    for database in databases() {
        let folder = TempDir::new();
        let wrong = json!({ "resourceType": "Patient", "id": "wrong", "birthDate": "yesterday" });
        let mut lines: Vec<Value> = (0..20).map(|number| patient(&format!("p{number}"))).collect();
        lines.insert(7, wrong.clone());
        let path = ndjson(&folder, "feed.ndjson", &lines);
        let mut text = fs::read_to_string(&path).expect("the file");
        text.push_str("{\"resourceType\": nonsense}\n");
        fs::write(&path, text).expect("room for a file");
        let said = import(&folder, &database, &["feed.ndjson", "--errors", "refused.ndjson"]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains("feed.ndjson:8: Patient/wrong: "), "{said:?}");
        assert!(said.err.contains("(Patient.birthDate)"), "{said:?}");
        assert!(said.err.contains("feed.ndjson:22: "), "{said:?}");
        assert!(said.out.contains("imported 20 resources") && said.out.contains("2 refused"), "{said:?}");
        assert_eq!(stored(&database), (20, 20), "{}", database.kind());
        let refused = fs::read_to_string(folder.path().join("refused.ndjson")).expect("the refused ones");
        assert_eq!(refused.lines().count(), 2);
        assert!(refused.lines().any(|line| serde_json::from_str::<Value>(line).is_ok_and(|value| value == wrong)));
        // Called again it tries the refused ones only.
        let again = import(&folder, &database, &["feed.ndjson"]);
        assert!(again.out.contains("imported 0 resources") && again.out.contains("2 refused"), "{again:?}");
        assert_eq!(stored(&database), (20, 20), "{}", database.kind());
    }
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    let mut half = pair(1);
    half["entry"][1]["resource"]["status"] = json!(7);
    ndjson(&folder, "half.ndjson", &[half, pair(2)]);
    let said = import(&folder, &database, &["half.ndjson"]);
    assert_eq!((said.code, stored(&database).0), (Some(1), 2), "{said:?}");
    assert!(
        said.err.contains("half.ndjson:1: Bundle: ") && said.err.contains("Bundle.entry[1].resource.status"),
        "{said:?}"
    );
}

/// A batch and a collection are not all or nothing; what is refused can be mended and imported.
#[test]
fn entries_that_stand_for_themselves_are_refused_alone() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    let wrong = json!({ "resourceType": "Patient", "gender": 3 });
    let batch = bundle("batch", &[post("urn:uuid:1", &wrong), post("urn:uuid:2", &patient("x"))]);
    let collection = bundle("collection", &[json!({ "resource": patient("a") }), json!({ "resource": wrong })]);
    ndjson(&folder, "feed.ndjson", &[batch, collection]);
    let said = import(&folder, &database, &["feed.ndjson", "--jobs", "1", "--errors", "refused.ndjson"]);
    assert_eq!((said.code, stored(&database).0), (Some(1), 2), "{said:?}");
    assert!(said.err.contains("feed.ndjson:1: Bundle.entry[0]: Patient: "), "{said:?}");
    assert!(said.err.contains("feed.ndjson:2: Bundle.entry[1]: Patient: "), "{said:?}");
    assert_eq!(said.err.matches("(Patient.gender)").count(), 2, "{said:?}");
    let refused = fs::read_to_string(folder.path().join("refused.ndjson")).expect("the refused ones");
    let mended = refused.replace("\"gender\":3", "\"gender\":\"female\"");
    fs::write(folder.path().join("mended.ndjson"), mended).expect("room for a file");
    let said = import(&folder, &database, &["mended.ndjson"]);
    assert_eq!((said.code, stored(&database).0), (Some(0), 4), "{said:?}");
}

#[test]
fn many_refusals_are_counted_not_listed() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    let wrong = json!({ "resourceType": "Patient", "active": "perhaps" });
    ndjson(&folder, "wrong.ndjson", &vec![wrong; 150]);
    let said = import(&folder, &database, &["wrong.ndjson"]);
    assert_eq!(said.code, Some(1));
    assert_eq!(said.err.lines().filter(|line| line.starts_with("wrong.ndjson:")).count(), 100, "{said:?}");
    assert!(said.err.contains("50 more"), "{said:?}");
}

#[test]
fn the_same_id_twice_becomes_two_versions() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    let mut later = patient("a");
    later["active"] = json!(true);
    ndjson(&folder, "twice.ndjson", &[patient("a"), later]);
    let said = import(&folder, &database, &["twice.ndjson", "--jobs", "1"]);
    assert_eq!((said.code, stored(&database)), (Some(0), (1, 2)), "{said:?}");
}

/// `Patient?identifier=…` is found when the Patient is in an earlier file, or line with `--jobs 1`.
#[test]
fn conditional_references_find_what_came_before() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    let reference = observation("Patient?identifier=urn:x|1");
    ndjson(&folder, "first.ndjson", &[pair(1), bundle("transaction", &[post("urn:uuid:1", &reference)])]);
    ndjson(&folder, "second.ndjson", &[bundle("transaction", &[post("urn:uuid:1", &reference)])]);
    let strict = ["first.ndjson", "second.ndjson", "--jobs", "1", "--strict-references"];
    let said = import(&folder, &database, &strict);
    assert_eq!((said.code, stored(&database).0), (Some(0), 4), "{said:?}");
}

#[test]
fn a_file_is_imported_once() {
    for database in databases() {
        let folder = TempDir::new();
        let path = ndjson(&folder, "feed.ndjson", &[patient("a"), observation("Patient/a")]);
        assert_eq!(import(&folder, &database, &["feed.ndjson"]).code, Some(0));
        let second = import(&folder, &database, &["feed.ndjson"]);
        assert_eq!(second.code, Some(0));
        assert!(second.err.contains("already imported (use --again"), "{second:?}");
        assert_eq!(stored(&database), (2, 2), "{}", database.kind());
        // The Patient has an id and is as it was: no new version. The Observation is created anew.
        assert_eq!(import(&folder, &database, &["feed.ndjson", "--again"]).code, Some(0));
        assert_eq!(stored(&database), (3, 3), "{}", database.kind());
        // A file that has changed is another one.
        fs::write(&path, format!("{}\n", patient("b"))).expect("room for a file");
        assert_eq!(import(&folder, &database, &["feed.ndjson"]).code, Some(0));
        assert_eq!(stored(&database), (4, 4), "{}", database.kind());
    }
}

#[test]
fn resources_without_a_change_are_remembered_as_done() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    ndjson(&folder, "feed.ndjson", &[patient("a")]);
    ndjson(&folder, "copy.ndjson", &[patient("a")]);
    assert_eq!(import(&folder, &database, &["feed.ndjson", "copy.ndjson"]).code, Some(0));
    assert!(import(&folder, &database, &["copy.ndjson"]).err.contains("already imported"));
    assert_eq!(stored(&database), (1, 1));
}

#[test]
fn a_dry_run_checks_and_stores_nothing() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    ndjson(&folder, "feed.ndjson", &[patient("a"), json!({ "resourceType": "Patient", "active": 1 }), pair(1)]);
    let said = import(&folder, &database, &["feed.ndjson", "--dry-run"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.starts_with("checked 3 resources") && said.err.contains("feed.ndjson:2: Patient: "), "{said:?}");
    assert!(!database.folder().expect("SQLite").join("renraku.db").exists());
}

#[test]
fn an_import_that_cannot_run_says_why() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    let missing = import(&folder, &database, &["nowhere.ndjson"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.err.contains("nowhere.ndjson"), "{missing:?}");
    ndjson(&folder, "feed.ndjson", &[patient("a")]);
    let unopened = run(folder.path(), &["import", "feed.ndjson", "--database", "sqlite://no/such.db"]);
    assert_eq!(unopened.code, Some(2), "{unopened:?}");
}

/// Killed again and again, it writes every transaction exactly once.
#[test]
fn an_import_that_was_killed_goes_on_where_it_was() {
    for database in databases() {
        let folder = TempDir::new();
        let transactions = 1500;
        let lines: Vec<Value> = (0..transactions).map(pair).collect();
        ndjson(&folder, "pairs.ndjson", &lines);
        let wanted = 2 * i64::try_from(transactions).expect("few");
        let mut kills = 0;
        for after in [1, wanted / 3, wanted / 3 * 2] {
            kills += usize::from(kill_when(folder.path(), &database, after, wanted));
        }
        assert!(kills > 0, "{}: it was always finished before it could be killed", database.kind());
        let before = stored(&database).0;
        let said = import(&folder, &database, &["pairs.ndjson"]);
        assert_eq!(said.code, Some(0), "{}: {said:?}", database.kind());
        if before < wanted {
            assert!(said.err.contains("resuming at line "), "{}: {said:?}", database.kind());
        }
        assert_eq!(stored(&database), (wanted, wanted), "{}, {kills} kills", database.kind());
        assert!(import(&folder, &database, &["pairs.ndjson"]).err.contains("already imported"));
    }
}

/// Imports until at least `after` resources are there, then kills; `false` when it was too late.
fn kill_when(folder: &Path, database: &Database, after: i64, wanted: i64) -> bool {
    let mut child = renraku(folder)
        .args(["import", "pairs.ndjson", "--database", &database.url])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let started = Instant::now();
    while stored_if_any(database) < after && started.elapsed() < Duration::from_secs(60) {
        if child.try_wait().expect("a child").is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("a child");
    child.wait().expect("a child");
    stored(database).0 < wanted
}

/// Resources in a database whose schema may not be there yet.
fn stored_if_any(database: &Database) -> i64 {
    let there = database.folder().is_none_or(|folder| folder.join("renraku.db").exists());
    if there { stored(database).0 } else { 0 }
}
