//! One behaviour a test; the rule is named where it has a name.

use std::fs;
use std::path::{Path as FilePath, PathBuf};

use proptest::prelude::*;

use super::wording::edits;
use super::*;
use crate::format::json::parse;
use crate::validation::shared;

fn issues(json: &str) -> Vec<Issue> {
    check_resource(&parse(json.as_bytes()).unwrap(), None).err().unwrap_or_default()
}

/// The one issue of `json`: code, place, diagnostics.
#[track_caller]
fn only(json: &str) -> (IssueCode, String, String) {
    let found = issues(json);
    assert_eq!(found.len(), 1, "{json}: {found:#?}");
    let issue = found.into_iter().next().unwrap();
    (issue.code, issue.expression.unwrap_or_default(), issue.diagnostics)
}

#[track_caller]
fn refused(json: &str, code: IssueCode, place: &str, says: &str) {
    let found = only(json);
    assert_eq!((found.0, found.1.as_str()), (code, place), "{}", found.2);
    assert!(found.2.contains(says), "{:?} does not say {says:?}", found.2);
}

#[track_caller]
fn accepted(json: &str) {
    assert_eq!(issues(json), [], "{json}");
}

/// An Observation with what it requires, and more.
fn observation(more: &str) -> String {
    format!(r#"{{"resourceType":"Observation","status":"final","code":{{"text":"x"}}{more}}}"#)
}

use IssueCode::{Invalid, Invariant, Required, Structure, Value};

#[test]
fn no_type_has_more_elements_than_bits() {
    let tables = definitions();
    for place in 0..shapes().len() {
        let definition = tables.get(TypeId(u16::try_from(place).unwrap()));
        assert!(definition.elements.len() <= 128, "{}", definition.name);
    }
}

#[test]
fn a_right_resource_gives_its_type() {
    let node = parse(br#"{"id":"1","resourceType":"Patient"}"#).unwrap();
    let id = check_resource(&node, Some("Patient")).unwrap();
    assert_eq!(definitions().get(id).name, "Patient");
}

#[test]
fn the_resource_type_is_present_and_known() {
    refused("[]", Structure, "", "must be a JSON object");
    refused("{}", Structure, "", "resourceType is missing");
    refused(r#"{"resourceType":1}"#, Structure, "", "must be a JSON string");
    refused(r#"{"resourceType":"patient"}"#, Structure, "", "did you mean 'Patient'?");
    refused(r#"{"resourceType":"DomainResource"}"#, Structure, "", "unknown resource type");
    refused(r#"{"resourceType":"HumanName"}"#, Structure, "", "unknown resource type");
}

#[test]
fn the_resource_type_is_the_expected_one() {
    let node = parse(br#"{"resourceType":"Patient"}"#).unwrap();
    let found = check_resource(&node, Some("Group")).unwrap_err();
    assert_eq!((found[0].code, found[0].expression.as_deref()), (Invalid, Some("Patient")));
    assert!(found[0].diagnostics.contains("'Group' belongs here"));
}

#[test]
fn unknown_elements_are_refused_with_a_hint() {
    let unknown = |member: &str| format!(r#"{{"resourceType":"Patient",{member}}}"#);
    refused(
        &unknown(r#""nmae":[]"#),
        Structure,
        "Patient.nmae",
        "unknown element 'nmae' in Patient; did you mean 'name'?",
    );
    refused(&unknown(r#""fhir_comments":["a"]"#), Structure, "Patient", "unknown element 'fhir_comments'");
    refused(&unknown(r#""xyzzy":1"#), Structure, "Patient.xyzzy", "allowed are id, meta");
    refused(&unknown(r#""_nmae":1"#), Structure, "Patient", "did you mean 'name'?");
    refused(
        &unknown(r#""name":[{"resourceType":"a","text":"b"}]"#),
        Structure,
        "Patient.name[0].resourceType",
        "HumanName",
    );
}

#[test]
fn choices_are_written_with_their_type() {
    refused(&observation(r#","value":1"#), Structure, "Observation.value", "one of valueQuantity, ");
    refused(&observation(r#","valueDecimal":1"#), Structure, "Observation.valueDecimal", "one of valueQuantity, ");
}

#[test]
fn a_choice_has_one_type() {
    refused(
        &observation(r#","valueString":"a","valueInteger":1"#),
        Structure,
        "Observation.value",
        "valueString and valueInteger are both given",
    );
    refused(
        &observation(r#","valueString":"a","_valueInteger":{"extension":[{"url":"a","valueString":"a"}]}"#),
        Structure,
        "Observation.value",
        "valueString and valueInteger",
    );
    accepted(&observation(r#","valueString":"a","_valueString":{"id":"a"}"#));
}

#[test]
fn arrays_are_where_elements_repeat_and_only_there() {
    refused(r#"{"resourceType":"Patient","name":{"text":"a"}}"#, Structure, "Patient.name", "must be a JSON array");
    refused(r#"{"resourceType":"Patient","gender":["male"]}"#, Structure, "Patient.gender", "single value");
    refused(
        r#"{"resourceType":"Patient","maritalStatus":[{"text":"a"}]}"#,
        Structure,
        "Patient.maritalStatus",
        "single",
    );
    refused(r#"{"resourceType":"Patient","name":[{"given":"a"}]}"#, Structure, "Patient.name[0].given", "JSON array");
}

#[test]
fn objects_are_where_elements_have_children_and_only_there() {
    refused(r#"{"resourceType":"Patient","name":["a"]}"#, Structure, "Patient.name[0]", "must be a JSON object");
    refused(r#"{"resourceType":"Patient","gender":{"a":1}}"#, Structure, "Patient.gender", "must be a code");
    refused(r#"{"resourceType":"Patient","name":[[{"text":"a"}]]}"#, Structure, "Patient.name[0]", "an array");
}

/// FHIR R4 json.html: "Properties can never be empty".
#[test]
fn nothing_is_empty() {
    refused(r#"{"resourceType":"Patient","name":[]}"#, Structure, "Patient.name", "must not be empty");
    refused(r#"{"resourceType":"Patient","name":[{}]}"#, Structure, "Patient.name[0]", "must not be empty");
    refused(r#"{"resourceType":"Patient","name":[{"text":""}]}"#, Value, "Patient.name[0].text", "must be");
    refused(r#"{"resourceType":"Patient","name":[{"given":[]}]}"#, Structure, "Patient.name[0].given", "empty");
    refused(r#"{"resourceType":"Patient","gender":"male","_gender":{}}"#, Structure, "Patient.gender", "empty");
}

#[test]
fn null_only_fills_a_place_beside_its_sibling() {
    let given = |members: &str| format!(r#"{{"resourceType":"Patient","name":[{{{members}}}]}}"#);
    accepted(&given(r#""given":["a",null],"_given":[null,{"id":"b","extension":[{"url":"a","valueCode":"b"}]}]"#));
    refused(&given(r#""given":["a",null]"#), Structure, "Patient.name[0].given[1]", "must not be null");
    refused(&given(r#""given":["a",null],"_given":[{"id":"a"},null]"#), Structure, "Patient.name[0].given[1]", "null");
    refused(&given(r#""_given":[null]"#), Structure, "Patient.name[0].given[0]", "must not be null");
    refused(r#"{"resourceType":"Patient","gender":null}"#, Structure, "Patient.gender", "must not be null");
    refused(r#"{"resourceType":"Patient","name":[null]}"#, Structure, "Patient.name[0]", "found null");
}

#[test]
fn paired_arrays_have_the_same_length() {
    let json = r#"{"resourceType":"Patient","name":[{"given":["a","b"],"_given":[{"id":"a"}]}]}"#;
    refused(json, Structure, "Patient.name[0].given", "_given has 1 items but given has 2");
}

#[test]
fn siblings_belong_to_primitives() {
    refused(r#"{"resourceType":"Patient","_name":[{"id":"a"}]}"#, Structure, "Patient.name", "only primitive elements");
    refused(r#"{"resourceType":"Patient","_gender":"a"}"#, Structure, "Patient.gender", "must be a JSON object");
    refused(r#"{"resourceType":"Patient","_gender":[{"id":"a"}]}"#, Structure, "Patient.gender", "single value");
    refused(
        r#"{"resourceType":"Patient","gender":"male","_gender":{"value":"a"}}"#,
        Structure,
        "Patient.gender.value",
        "unknown element 'value' in code",
    );
    let json = r#"{"resourceType":"Patient","extension":[{"url":"a","_url":{"id":"a"},"valueCode":"b"}]}"#;
    refused(json, Structure, "Patient.extension[0].url", "an attribute");
}

#[test]
fn primitives_have_their_format() {
    refused(
        r#"{"resourceType":"Patient","birthDate":"1974-02-30"}"#,
        Value,
        "Patient.birthDate",
        "birthDate must be a date that exists in the calendar",
    );
    refused(r#"{"resourceType":"Patient","active":"true"}"#, Value, "Patient.active", "without quotes");
    refused(&observation(r#","valueDateTime":"x""#), Value, "Observation.value", "valueDateTime must be");
    refused(
        r#"{"resourceType":"Patient","name":[{"given":["a","\u0001"]}]}"#,
        Value,
        "Patient.name[0].given[1]",
        "given must be",
    );
}

#[test]
fn resource_ids_follow_the_id_format_and_element_ids_do_not() {
    refused(r#"{"resourceType":"Patient","id":"a_b"}"#, Value, "Patient.id", "id must be an id of 1 to 64");
    accepted(r#"{"resourceType":"Patient","name":[{"id":"a_b","text":"c"}]}"#);
}

#[test]
fn required_elements_are_present() {
    refused(
        r#"{"resourceType":"Observation","status":"final"}"#,
        Required,
        "Observation.code",
        "Observation requires code",
    );
    let found = only(r#"{"resourceType":"Patient","link":[{"type":"refer"}]}"#);
    assert_eq!((found.0, found.1.as_str()), (Required, "Patient.link[0].other"));
}

#[test]
fn a_required_choice_names_its_forms() {
    let json = r#"{"resourceType":"MedicationRequest","status":"active","intent":"order","subject":{"reference":"Patient/1"}}"#;
    refused(json, Required, "MedicationRequest.medication", "medicationCodeableConcept, medicationReference");
}

#[test]
fn a_required_primitive_may_be_an_extension_alone() {
    accepted(
        r#"{"resourceType":"Observation","code":{"text":"x"},"_status":{"extension":[{"url":"a","valueCode":"unknown"}]}}"#,
    );
}

#[test]
fn prohibited_elements_are_absent() {
    let div = r#"{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>","_div":{"extension":[{"url":"a","valueCode":"b"}]}}}"#;
    refused(div, Structure, "Patient.text.div.extension", "must not occur in xhtml");
}

#[test]
fn contained_resources_are_checked() {
    let json = r#"{"resourceType":"Patient","contained":[{"resourceType":"Group","id":"a","type":"person"}]}"#;
    refused(json, Required, "Patient.contained[0].actual", "Group requires actual");
    refused(
        r#"{"resourceType":"Patient","contained":[{"id":"a"}]}"#,
        Structure,
        "Patient.contained[0]",
        "resourceType",
    );
}

#[test]
fn dom_2_contained_resources_contain_no_others() {
    let json = r#"{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"a","contained":[{"resourceType":"Patient"}]}]}"#;
    refused(json, Invariant, "Patient.contained[0].contained", "dom-2");
}

#[test]
fn bundles_and_parameters_hold_any_resource() {
    let bundle = |resource: &str| {
        format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{resource}}}]}}"#)
    };
    accepted(&bundle(r#"{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"a"}]}"#));
    refused(&bundle(r#"{"resourceType":"Patient","nmae":1}"#), Structure, "Bundle.entry[0].resource.nmae", "'name'");
    refused(&bundle("1"), Structure, "Bundle.entry[0].resource", "a resource must be a JSON object");
    let parameters = r#"{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b","resource":{"resourceType":"Nope"}}]}]}"#;
    refused(parameters, Structure, "Parameters.parameter[0].part[0].resource", "unknown resource type 'Nope'");
}

#[test]
fn ele_1_an_id_alone_is_no_element() {
    refused(r#"{"resourceType":"Patient","name":[{"id":"a"}]}"#, Invariant, "Patient.name[0]", "ele-1");
    refused(r#"{"resourceType":"Patient","_gender":{"id":"a"}}"#, Invariant, "Patient.gender", "ele-1");
}

#[test]
fn ext_1_an_extension_has_a_value_or_extensions() {
    let extension = |members: &str| format!(r#"{{"resourceType":"Patient","extension":[{{{members}}}]}}"#);
    accepted(&extension(r#""url":"a","extension":[{"url":"b","valueCode":"c"}]"#));
    refused(&extension(r#""url":"a""#), Invariant, "Patient.extension[0]", "ext-1");
    refused(
        &extension(r#""url":"a","valueCode":"b","extension":[{"url":"b","valueCode":"c"}]"#),
        Invariant,
        "Patient.extension[0]",
        "both",
    );
    refused(&extension(r#""valueCode":"b""#), Required, "Patient.extension[0].url", "Extension requires url");
    refused(&extension(r#""url":"a b","valueCode":"b""#), Value, "Patient.extension[0].url", "without spaces");
}

#[test]
fn content_references_lead_to_the_type_they_name() {
    let json = r#"{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"group","item":[{"linkId":"2","type":"group","item":[{"linkid":"3","type":"display"}]}]}]}"#;
    let found = issues(json);
    assert_eq!(found[0].expression.as_deref(), Some("Questionnaire.item[0].item[0].item[0].linkid"));
    assert!(found[0].diagnostics.contains("did you mean 'linkId'?"));
    assert_eq!(found[1].code, Required);
}

#[test]
fn narratives_carry_no_scripts() {
    let json = r#"{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>a</script></div>"}}"#;
    refused(json, Value, "Patient.text.div", "<script> is not allowed");
}

#[test]
fn the_walk_stops_after_100_issues() {
    let names = vec![r#"{"a":1,"b":2}"#; 500].join(",");
    assert_eq!(issues(&format!(r#"{{"resourceType":"Patient","name":[{names}]}}"#)).len(), MAX_ISSUES);
}

#[test]
fn hints_are_for_near_names_only() {
    assert_eq!(nearest("nmae", ["name", "text"].into_iter()), Some("name"));
    assert_eq!(nearest("xyzzy", ["name", "text"].into_iter()), None);
    assert_eq!(edits("kitten", "sitting"), 3);
}

fn json_files(folder: &FilePath, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            json_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
}

/// The place of the first issue of a file; what is no JSON has none.
fn first_issue(file: &FilePath) -> Option<String> {
    let bytes = fs::read(file).unwrap();
    match parse(&bytes) {
        Err(error) => Some(error.message),
        Ok(node) => {
            let issue = check_resource(&node, None).err()?.into_iter().next()?;
            Some(format!("{}: {}", issue.expression.unwrap_or_default(), issue.diagnostics))
        }
    }
}

/// Examples that break a rule, each with the start of its first issue.
const WRONG_EXAMPLES: [(&str, &str); 2] = [
    ("bundle-questionnaire.json", "Questionnaire.item[0].item[0].linkId: Questionnaire.item requires linkId"),
    // Not JSON at all.
    ("Bundle-example17-ng-pat-1.json", "expected a JSON value"),
];

#[test]
fn the_examples_of_the_standard_and_of_japan_are_right() {
    let mut files = Vec::new();
    for folder in ["suites/r4-examples", "samples"].into_iter().filter_map(shared) {
        json_files(&folder, &mut files);
    }
    files.sort();
    let mut unexpected = Vec::new();
    for file in files {
        let found = first_issue(&file);
        let is_expected = match WRONG_EXAMPLES.iter().find(|(wrong, _)| file.ends_with(wrong)) {
            Some((_, start)) => found.as_ref().is_some_and(|found| found.starts_with(start)),
            None => found.is_none(),
        };
        if !is_expected {
            unexpected.push((file, found));
        }
    }
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

/// What HL7's validator finds no error in must pass; structure is only a part of what it checks.
#[test]
fn what_the_validator_of_hl7_accepts_is_right() {
    let Some(folder) = shared("suites/validator") else { return };
    let bytes = fs::read(folder.join("cases.json")).unwrap();
    let cases = parse(&bytes).unwrap();
    let mut unexpected = Vec::new();
    for case in cases.items() {
        let file = folder.join(case.text("file").unwrap());
        // The `-ignore` case of a contained id of 65 characters tells HL7's validator to look away.
        let is_right = case.get("errors") == Some(&Node::Number("0".into()))
            && case.text("name") != Some("contained-resource-bad-id-ignore");
        if is_right && file.extension().is_some_and(|extension| extension == "json") {
            unexpected.extend(first_issue(&file).map(|found| (file, found)));
        }
    }
    unexpected.dedup();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

/// Trees made of the names that steer the walk.
fn any_tree() -> impl Strategy<Value = Node<'static>> {
    const NAMES: [&str; 16] = [
        "resourceType",
        "id",
        "_id",
        "name",
        "_name",
        "given",
        "_given",
        "extension",
        "url",
        "valueString",
        "_valueCode",
        "contained",
        "text",
        "div",
        "_",
        "parameter",
    ];
    let leaf = prop_oneof![
        Just(Node::Null),
        any::<bool>().prop_map(Node::Bool),
        "[0-9]{1,3}".prop_map(|digits| Node::Number(digits.into())),
        prop::sample::select(vec!["Patient", "Parameters", "Nope", "", "<div>"]).prop_map(Node::string),
    ];
    leaf.prop_recursive(5, 64, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Node::Array),
            prop::collection::btree_map(prop::sample::select(&NAMES[..]), inner, 0..5).prop_map(Node::object),
        ]
    })
}

proptest! {
    #[test]
    fn any_tree_gets_an_answer(tree in any_tree(), name in "[A-Za-z_\u{3040}-\u{309f}]{0,12}") {
        let members = [("resourceType".to_owned(), Node::string("Patient")), ("name".to_owned(), tree.clone()), (name, tree.clone())];
        let _ = (check_resource(&tree, None), check_resource(&Node::object(members), Some("Patient")));
    }
}
