//! `renraku validate`: results, exit codes, formats.

use std::fs;

use crate::common::TempDir;
use crate::run;

const GOOD: &str = r#"{"resourceType":"Patient","gender":"female"}"#;
const WRONG: &str = "{\"resourceType\":\"Patient\",\n\"gender\":\"unclear\"}";

#[test]
fn what_is_valid_ends_with_0() {
    let folder = TempDir::new();
    fs::write(folder.path().join("good.json"), GOOD).unwrap();
    let said = run(folder.path(), &["validate", "good.json"]);
    assert_eq!(said.code, Some(0), "{} {}", said.out, said.err);
    assert!(said.err.contains("1 resources checked"), "{}", said.err);
}

#[test]
fn errors_have_file_line_and_path_and_end_with_1() {
    let folder = TempDir::new();
    fs::create_dir(folder.path().join("in")).unwrap();
    fs::write(folder.path().join("in/wrong.json"), WRONG).unwrap();
    fs::write(folder.path().join("in/lines.ndjson"), format!("{GOOD}\n{}\n", WRONG.replace('\n', ""))).unwrap();
    fs::write(folder.path().join("in/broken.json"), "{\n\"a\":}").unwrap();
    let said = run(folder.path(), &["validate", "in"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.out.contains("wrong.json:2:1: error: Patient.gender: "), "{}", said.out);
    assert!(said.out.contains("lines.ndjson:2:"), "{}", said.out);
    assert!(said.out.contains("broken.json") && said.out.contains("line 2"), "{}", said.out);
    let japanese = run(folder.path(), &["validate", "in/wrong.json", "--language", "ja"]);
    assert!(japanese.out.contains("バリューセット"), "{}", japanese.out);
}

#[test]
fn programs_get_json_and_build_servers_junit() {
    let folder = TempDir::new();
    fs::write(folder.path().join("wrong.json"), WRONG).unwrap();
    let said = run(folder.path(), &["validate", "wrong.json", "--format", "json"]);
    let line: serde_json::Value = serde_json::from_str(said.out.lines().next().unwrap()).unwrap();
    assert_eq!((line["valid"].as_bool(), &line["source"]), (Some(false), &"wrong.json".into()));
    assert_eq!(line["outcome"]["resourceType"], "OperationOutcome");
    let said = run(folder.path(), &["validate", "wrong.json", "--format", "junit"]);
    assert!(said.out.contains("failures=\"1\"") && said.out.contains("<failure message="), "{}", said.out);
}

#[test]
fn wrong_use_ends_with_2() {
    let folder = TempDir::new();
    assert_eq!(run(folder.path(), &["validate", "absent.json"]).code, Some(2));
    fs::write(folder.path().join("good.json"), GOOD).unwrap();
    assert_eq!(run(folder.path(), &["validate", "good.json", "--package", "good.json"]).code, Some(2));
}
