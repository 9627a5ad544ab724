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
fn xml_has_lines_too() {
    let folder = TempDir::new();
    let xml = "<Patient xmlns=\"http://hl7.org/fhir\">\n <name>\n  <given value=\"a\"/>\n </name>\n <gender value=\"unclear\"/>\n</Patient>";
    fs::write(folder.path().join("wrong.xml"), xml).unwrap();
    fs::write(folder.path().join("broken.xml"), "<Patient xmlns=\"http://hl7.org/fhir\">\n <name>\n</Patient>")
        .unwrap();
    let said = run(folder.path(), &["validate", "wrong.xml", "broken.xml"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.out.contains("wrong.xml:5:2: error: Patient.gender: "), "{}", said.out);
    assert!(said.out.contains("broken.xml:3:"), "{}", said.out);
}

/// Structural errors are whole sentences in Japanese, too.
#[test]
fn japanese_is_japanese_all_through() {
    let folder = TempDir::new();
    let wrong = r#"{"resourceType":"Patient","birthDate":"23.11.2026","nmae":[{}],"active":"true","contact":{}}"#;
    fs::write(folder.path().join("wrong.json"), wrong).unwrap();
    let said = run(folder.path(), &["validate", "wrong.json", "--language", "ja"]);
    for sentence in [
        "birthDate は暦にある日付",
        "要素「nmae」は Patient にありません。「name」ではありませんか",
        "active は引用符なしの JSON 値 true または false である必要があります。値: \"true\"",
        "contact は繰り返す要素なので",
    ] {
        assert!(said.out.contains(sentence), "{sentence}: {}", said.out);
    }
    assert!(!said.out.contains(" must "), "{}", said.out);
}

/// Settings that ask for more than R4 does, and one that asks for less.
#[test]
fn settings_say_what_is_an_error() {
    let folder = TempDir::new();
    let text = r#"{"resourceType":"Communication","status":"completed","note":[{"text":"a <b>c</b>"}],
        "extension":[{"url":"http://unknown.example/e","valueUrl":"http://example.org/a"}],"subject":{"reference":"Patient/1"}}"#;
    fs::write(folder.path().join("a.json"), text).unwrap();
    assert_eq!(run(folder.path(), &["validate", "a.json"]).code, Some(0));
    for (flag, sentence) in [
        ("--known-extensions", "http://unknown.example/e is not known here"),
        ("--no-examples", "http://example.org/a is made for examples"),
        ("--no-html-in-markdown", "the text holds HTML"),
        ("--security-checks", "the text holds HTML"),
        ("--resolve-references", "Patient/1 leads to nothing"),
    ] {
        let said = run(folder.path(), &["validate", "a.json", flag]);
        assert_eq!(said.code, Some(1), "{flag}: {}", said.out);
        assert!(said.out.contains(sentence), "{flag}: {}", said.out);
    }
    let ignored =
        ["validate", "a.json", "--resolve-references", "--ignore", "reference-unresolved@Communication.subject"];
    assert_eq!(run(folder.path(), &ignored).code, Some(0));
}

/// Definitions in plain files are used like those of packages.
#[test]
fn definitions_come_from_files() {
    let folder = TempDir::new();
    fs::create_dir(folder.path().join("profiles")).unwrap();
    let profile = r#"{"resourceType":"StructureDefinition","url":"http://a.example/p","name":"P","status":"active","kind":"resource",
        "abstract":false,"type":"Patient","derivation":"constraint","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient",
        "differential":{"element":[{"path":"Patient.birthDate","min":1}]}}"#;
    fs::write(folder.path().join("profiles/p.json"), profile).unwrap();
    fs::write(folder.path().join("good.json"), GOOD).unwrap();
    let asked = ["validate", "good.json", "--definitions", "profiles", "--profile", "http://a.example/p"];
    let said = run(folder.path(), &asked);
    assert_eq!(said.code, Some(1), "{} {}", said.out, said.err);
    assert!(said.out.contains("birthDate"), "{}", said.out);
}

#[test]
fn wrong_use_ends_with_2() {
    let folder = TempDir::new();
    assert_eq!(run(folder.path(), &["validate", "absent.json"]).code, Some(2));
    fs::write(folder.path().join("good.json"), GOOD).unwrap();
    assert_eq!(run(folder.path(), &["validate", "good.json", "--package", "good.json"]).code, Some(2));
}
