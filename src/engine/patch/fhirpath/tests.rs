use proptest::prelude::*;

use super::FhirPathPatch;
use crate::engine::patch::PatchError;
use crate::format::json::parse;
use crate::r4::definitions;
use crate::validation::structure::check_resource;

const PATIENT: &str = r##"{"resourceType":"Patient","identifier":[{"value":"a"},{"value":"b"},{"value":"c"}],"active":true,"name":[{"use":"official","family":"F","given":["g","h"],"_given":[null,{"id":"x"}]},{"use":"usual","text":"T"}],"birthDate":"1920-01-01","_birthDate":{"extension":[{"url":"urn:e","valueCode":"x"}]},"deceasedBoolean":false,"maritalStatus":{"text":"m"}}"##;

fn patched_as(resource: &str, operations: &[&str]) -> Result<String, PatchError> {
    let text = format!(r#"{{"resourceType":"Parameters","parameter":[{}]}}"#, operations.join(","));
    let parameters = parse(text.as_bytes()).unwrap();
    assert_eq!(check_resource(&parameters, Some("Parameters")).map(|_| ()), Ok(()), "{text}");
    let resource = parse(resource.as_bytes()).unwrap();
    let root = definitions().resource(resource.text("resourceType").unwrap()).unwrap();
    let patch = FhirPathPatch::read(&parameters, root)?;
    let result = patch.apply(resource)?;
    Ok(String::from_utf8(result.to_bytes()).unwrap())
}

fn patched(operations: &[&str]) -> Result<String, PatchError> {
    patched_as(PATIENT, operations)
}

/// An operation with further parts.
fn operation(kind: &str, path: &str, parts: &[&str]) -> String {
    let first =
        [format!(r#"{{"name":"type","valueCode":"{kind}"}}"#), format!(r#"{{"name":"path","valueString":"{path}"}}"#)];
    let all: Vec<&str> = first.iter().map(String::as_str).chain(parts.iter().copied()).collect();
    format!(r#"{{"name":"operation","part":[{}]}}"#, all.join(","))
}

fn add(path: &str, name: &str, value: &str) -> String {
    operation("add", path, &[&format!(r#"{{"name":"name","valueString":"{name}"}}"#), value])
}

fn index(name: &str, number: usize) -> String {
    format!(r#"{{"name":"{name}","valueInteger":{number}}}"#)
}

/// The patched Patient must contain `part`, and be a right resource.
fn gives(operation: &str, part: &str) {
    let result = patched(&[operation]).unwrap_or_else(|error| panic!("{operation}: {error}"));
    assert!(result.contains(part), "{operation}: {result}");
    let checked = check_resource(&parse(result.as_bytes()).unwrap(), Some("Patient")).map(|_| ());
    assert_eq!(checked, Ok(()), "{operation}: {result}");
}

fn refused(operation: &str) -> String {
    match patched(&[operation]) {
        Err(PatchError::Unprocessable(why)) => why,
        other => panic!("{operation}: {other:?}"),
    }
}

#[test]
fn add_sets_an_element_or_appends_to_a_list() {
    gives(&add("Patient", "gender", r#"{"name":"value","valueCode":"male"}"#), r#""gender":"male""#);
    let name = r#"{"name":"value","valueHumanName":{"text":"N"}}"#;
    gives(&add("Patient", "name", name), r#"{"use":"usual","text":"T"},{"text":"N"}]"#);
    gives(
        &add("Patient", "telecom", r#"{"name":"value","valueContactPoint":{"value":"1"}}"#),
        r#""telecom":[{"value":"1"}]"#,
    );
    let given = r#"{"name":"value","valueString":"i"}"#;
    gives(
        &add("Patient.name.where(use = 'official')", "given", given),
        r#""given":["g","h","i"],"_given":[null,{"id":"x"},null]"#,
    );
    gives(&add("Patient.name[1]", "given", given), r#""text":"T","given":["i"]"#);
    gives(&add("Patient", "multipleBirth", r#"{"name":"value","valueInteger":2}"#), r#""multipleBirthInteger":2"#);
    gives(
        &add("Patient", "multipleBirthBoolean", r#"{"name":"value","valueBoolean":true}"#),
        r#""multipleBirthBoolean":true"#,
    );
}

/// fhirpatch.html: values of types that have no value[x] come as parts.
#[test]
fn values_may_be_built_of_parts() {
    let contact = r#"{"name":"value","part":[{"name":"name","valueHumanName":{"text":"C"}},{"name":"telecom","valueContactPoint":{"value":"1"}},{"name":"telecom","valueContactPoint":{"value":"2"}},{"name":"extension","part":[{"name":"url","valueUri":"urn:e"},{"name":"value","valueDecimal":1.50}]}]}"#;
    gives(
        &add("Patient", "contact", contact),
        r#""contact":[{"name":{"text":"C"},"telecom":[{"value":"1"},{"value":"2"}],"extension":[{"url":"urn:e","valueDecimal":1.50}]}]"#,
    );
    let twice =
        r#"{"name":"value","part":[{"name":"gender","valueCode":"male"},{"name":"gender","valueCode":"male"}]}"#;
    assert!(refused(&add("Patient", "contact", twice)).contains("does not repeat"));
}

/// Id and extensions of a primitive are in its sibling.
#[test]
fn primitives_have_children_too() {
    // Extension is no value[x] of R4: it comes as parts.
    let parts = r#"{"name":"value","part":[{"name":"url","valueUri":"urn:n"},{"name":"value","valueCode":"y"}]}"#;
    let added = r#"{"url":"urn:n","valueCode":"y"}"#;
    gives(&add("Patient.active", "extension", parts), &format!(r#""_active":{{"extension":[{added}]}}"#));
    gives(&add("Patient.birthDate", "extension", parts), &format!(r#""valueCode":"x"}},{added}]"#));
    gives(
        &add("Patient.name[0].given[0]", "extension", parts),
        &format!(r#""_given":[{{"extension":[{added}]}},{{"id":"x"}}]"#),
    );
    gives(&operation("delete", "Patient.birthDate.extension('urn:e')", &[]), r#""birthDate":"1920-01-01","deceased"#);
    gives(&operation("delete", "Patient.name.given[1]", &[]), r#""given":["g"]}"#);
    gives(
        &operation("replace", "Patient.birthDate", &[r#"{"name":"value","valueDate":"1930-01-01"}"#]),
        r#""birthDate":"1930-01-01","deceased"#,
    );
}

#[test]
fn delete_takes_what_becomes_empty_along() {
    gives(&operation("delete", "Patient.maritalStatus.text", &[]), r#""deceasedBoolean":false}"#);
    gives(
        &operation("delete", "Patient.identifier.where(value = 'b')", &[]),
        r#""identifier":[{"value":"a"},{"value":"c"}]"#,
    );
    gives(&operation("delete", "Patient.identifier[1].value", &[]), r#""identifier":[{"value":"a"},{"value":"c"}]"#);
    gives(&operation("delete", "Patient.deceased", &[]), r#"}]},"maritalStatus""#);
    let all = ["delete"; 3].map(|kind| operation(kind, "Patient.identifier[0]", &[]));
    let result = patched(&all.each_ref().map(String::as_str)).unwrap();
    assert!(!result.contains("identifier"), "{result}");
    // "Except for the delete operation, it is an error if no element matches".
    assert_eq!(patched(&[&operation("delete", "Patient.photo", &[])]).as_deref(), Ok(PATIENT));
    assert!(refused(&operation("delete", "Patient.identifier", &[])).contains("3 elements"));
    refused(&operation("delete", "Patient", &[]));
}

#[test]
fn replace_keeps_the_place_and_may_change_the_type_of_a_choice() {
    let date = r#"{"name":"value","valueDateTime":"2020-01-01"}"#;
    gives(&operation("replace", "Patient.deceased", &[date]), r#","deceasedDateTime":"2020-01-01","marital"#);
    gives(&operation("replace", "Patient.name[1].text", &[r#"{"name":"value","valueString":"U"}"#]), r#""text":"U""#);
    gives(
        &operation("replace", "Patient.name[0].given[1]", &[r#"{"name":"value","valueString":"z"}"#]),
        r#""given":["g","z"]}"#,
    );
    gives(
        &operation("replace", "Patient.identifier[2]", &[r#"{"name":"value","valueIdentifier":{"value":"d"}}"#]),
        r#"{"value":"b"},{"value":"d"}]"#,
    );
    let value = r#"{"name":"value","valueBoolean":true}"#;
    refused(&operation("replace", "Patient.photo", &[value]));
    refused(&operation("replace", "Patient.identifier", &[value]));
    refused(&operation("replace", "Patient.maritalStatus", &[value]));
    refused(&operation("replace", "Patient.deceased", &[r#"{"name":"value","valueString":"x"}"#]));
    refused(&operation("replace", "Patient.active = true", &[value]));
}

/// "The type of the value must be correct for the place at which it will be added/inserted."
#[test]
fn the_type_of_a_value_must_be_right() {
    let text = |kind: &str| format!(r#"{{"name":"value","value{kind}":"urn:x"}}"#);
    gives(&add("Patient", "implicitRules", &text("Uri")), r#""implicitRules":"urn:x""#);
    gives(&add("Patient", "implicitRules", &text("Url")), r#""implicitRules":"urn:x""#);
    gives(&add("Patient", "language", r#"{"name":"value","valueString":"ja"}"#), r#""language":"ja""#);
    for operation in [
        add("Patient", "implicitRules", &text("String")),
        add("Patient", "language", r#"{"name":"value","valueUri":"ja"}"#),
        add("Patient", "identifier", r#"{"name":"value","valueCoding":{"system":"urn:x"}}"#),
        add("Patient", "contact", r#"{"name":"value","valueHumanName":{"text":"C"}}"#),
        add("Patient", "photo", r#"{"name":"value","valueString":"C"}"#),
        add("Patient", "gender", r#"{"name":"value","valueHumanName":{"text":"C"}}"#),
        add("Patient", "gender", r#"{"name":"value","part":[{"name":"value","valueCode":"male"}]}"#),
    ] {
        refused(&operation);
    }
}

#[test]
fn insert_and_move_change_a_whole_list() {
    let value = r#"{"name":"value","valueIdentifier":{"value":"n"}}"#;
    for (place, values) in [(0, ["n", "a", "b", "c"]), (1, ["a", "n", "b", "c"]), (3, ["a", "b", "c", "n"])] {
        let list = values.map(|value| format!(r#"{{"value":"{value}"}}"#)).join(",");
        gives(
            &operation("insert", "Patient.identifier", &[&index("index", place), value]),
            &format!(r#""identifier":[{list}]"#),
        );
    }
    for (source, destination, values) in [(0, 2, ["b", "c", "a"]), (2, 0, ["c", "a", "b"]), (1, 1, ["a", "b", "c"])] {
        let list = values.map(|value| format!(r#"{{"value":"{value}"}}"#)).join(",");
        let parts = [index("source", source), index("destination", destination)];
        gives(
            &operation("move", "Patient.identifier", &parts.each_ref().map(String::as_str)),
            &format!(r#""identifier":[{list}]"#),
        );
    }
    let parts = [index("source", 0), index("destination", 1)];
    gives(
        &operation("move", "Patient.name[0].given", &parts.each_ref().map(String::as_str)),
        r#""given":["h","g"],"_given":[{"id":"x"},null]"#,
    );
    refused(&operation("insert", "Patient.identifier", &[&index("index", 4), value]));
    refused(&operation("insert", "Patient.identifier.where(value = 'a')", &[&index("index", 0), value]));
    refused(&operation("insert", "Patient.photo", &[&index("index", 0), value]));
    refused(&operation("insert", "Patient.active", &[&index("index", 0), value]));
    refused(&operation("move", "Patient.identifier", &[&index("source", 0), &index("destination", 3)]));
}

#[test]
fn what_is_no_patch_is_said() {
    let value = r#"{"name":"value","valueBoolean":true}"#;
    assert!(refused(&add("Patient", "active", value)).contains("use replace"));
    assert!(refused(&add("Patient", "deceased", value)).contains("use replace"));
    assert!(refused(&add("Patient", "nonsense", value)).contains("nonsense"));
    assert!(refused(&operation("delete", "Patient.nonsense", &[])).contains("nonsense"));
    for operation in [
        operation("upsert", "Patient", &[]),
        operation("delete", "Patient..", &[]),
        operation("add", "Patient", &[value]),
        operation("add", "Patient", &[r#"{"name":"name","valueString":"active"}"#]),
        operation("insert", "Patient.name", &[value]),
        operation("insert", "Patient.name", &[value, r#"{"name":"index","valueInteger":-1}"#]),
        operation("delete", "Patient", &[r#"{"name":"nonsense","valueInteger":-1}"#]),
        r#"{"name":"change"}"#.to_owned(),
        r#"{"name":"operation"}"#.to_owned(),
    ] {
        assert!(matches!(patched(&[&operation]), Err(PatchError::Malformed(_))), "{operation}");
    }
    let counted = operation("delete", "Patient.name.skip(1)", &[]);
    assert!(matches!(patched(&[&counted]), Err(PatchError::Unsupported(why)) if why.contains("skip()")));
}

#[test]
fn contained_resources_and_bundles_are_reached() {
    let bundle = r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","active":true}}]}"#;
    let change = operation("replace", "Bundle.entry[0].resource.active", &[r#"{"name":"value","valueBoolean":false}"#]);
    assert_eq!(patched_as(bundle, &[&change]).unwrap(), bundle.replace("true", "false"));
    let change = add("Bundle.entry[0].resource", "gender", r#"{"name":"value","valueCode":"male"}"#);
    assert!(patched_as(bundle, &[&change]).unwrap().contains(r#""active":true,"gender":"male""#));
}

/// Each operation may add depth; many must not make a tree that is too deep to walk.
#[test]
fn nesting_is_bounded() {
    let mut path = "Patient".to_owned();
    let mut operations = Vec::new();
    for _ in 0..200 {
        operations.push(add(&path, "extension", r#"{"name":"value","part":[{"name":"url","valueUri":"urn:e"}]}"#));
        path.push_str(".extension");
    }
    let operations: Vec<&str> = operations.iter().map(String::as_str).collect();
    assert!(matches!(patched(&operations), Err(PatchError::Unprocessable(why)) if why.contains("deeper")));
}

/// The operations share their steps: a patch takes a bounded time, whatever its paths.
#[test]
fn work_is_bounded() {
    let names = vec![r#"{"text":"x"}"#; 1_000].join(",");
    let resource = format!(r#"{{"resourceType":"Patient","name":[{names}]}}"#);
    let path = "Patient.name.where(%resource.name.where(text = 'y').exists())";
    let operations = vec![operation("delete", path, &[]); 50];
    let operations: Vec<&str> = operations.iter().map(String::as_str).collect();
    assert!(patched_as(&resource, &operations[..1]).is_ok());
    assert!(matches!(patched_as(&resource, &operations), Err(PatchError::TooCostly(_))));
}

proptest! {
    #[test]
    fn never_panics(
        steps in prop::collection::vec((0_usize..5, 0_usize..12, 0_usize..5, 0_usize..5, 0_usize..5), 0..6),
    ) {
        let paths = [
            "Patient", "Patient.name", "Patient.name[0].given", "Patient.name.given[1]", "Patient.birthDate",
            "Patient.birthDate.extension", "Patient.deceased", "Patient.identifier[1]", "Patient.identifier.value",
            "Patient.maritalStatus.text", "Patient.extension.value", "Patient.contact",
        ];
        let names = ["name", "given", "extension", "deceased", "id"];
        let values = [
            r#"{"name":"value","valueString":"s"}"#,
            r#"{"name":"value","valueHumanName":{"given":["x"]}}"#,
            r#"{"name":"value","part":[{"name":"url","valueUri":"urn:e"},{"name":"value","valueString":"y"}]}"#,
            r#"{"name":"value","_valueString":{"extension":[{"url":"urn:q","valueCode":"c"}]}}"#,
            r#"{"name":"value","valueBoolean":false}"#,
        ];
        let operations: Vec<String> = steps
            .into_iter()
            .map(|(kind, path, name, value, number)| match kind {
                0 => add(paths[path], names[name], values[value]),
                1 => operation("delete", paths[path], &[]),
                2 => operation("replace", paths[path], &[values[value]]),
                3 => operation("insert", paths[path], &[&index("index", number), values[value]]),
                _ => operation("move", paths[path], &[&index("source", number), &index("destination", name)]),
            })
            .collect();
        for count in 1..=operations.len() {
            let _ = patched(&operations[..count].iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}
