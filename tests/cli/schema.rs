//! `renraku schema`

use super::run;
use crate::common::TempDir;

#[test]
fn prints_the_schema_of_a_type() {
    let folder = TempDir::new();
    let said = run(folder.path(), &["schema", "Patient"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let schema: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(schema["$ref"], "#/$defs/Patient");
    assert!(schema["$defs"]["Patient"]["properties"]["birthDate"].is_object());
}

#[test]
fn a_type_that_is_none_is_a_usage_error() {
    let folder = TempDir::new();
    let said = run(folder.path(), &["schema", "patient"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("not a resource type"), "{}", said.err);
}
