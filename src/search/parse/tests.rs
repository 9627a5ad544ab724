use std::sync::LazyLock;

use super::*;
use crate::search::query::{
    CompositeSecond, QuantityTest, ReferenceTest, SortBy, SortKey, StringTest, TokenTest, UriTest,
};
use crate::search::registry::registry;

const JST: i32 = 9 * 3600;
static OPTIONS: LazyLock<ParseOptions> = LazyLock::new(|| ParseOptions {
    registry: Arc::clone(registry()),
    lenient: false,
    max_count: 1000,
    default_offset_seconds: JST,
    now_micros: 1_700_000_000_000_000,
    full_text: crate::search::text::FullText::All,
    base_url: None,
    value_sets: None,
});

fn number(name: &str) -> u8 {
    definitions().resource_number(name).unwrap()
}

fn parse(name: &str, pairs: &[(&str, &str)]) -> Result<Query, Vec<Issue>> {
    let pairs: Vec<(String, String)> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    parse_query(number(name), &pairs, &OPTIONS)
}

fn only(name: &str, parameter: &str, value: &str) -> Condition {
    let mut query = parse(name, &[(parameter, value)]).unwrap();
    assert_eq!(query.conditions.len(), 1, "{parameter}={value}");
    query.conditions.remove(0)
}

fn test(name: &str, parameter: &str, value: &str) -> Test {
    match only(name, parameter, value) {
        Condition::Indexed { test, .. } => test,
        other => panic!("{other:?}"),
    }
}

fn token(codes: &[&str], system: Option<&str>) -> TokenTest {
    TokenTest { codes: codes.iter().map(|code| (*code).to_owned()).collect(), system: system.map(str::to_owned) }
}

/// FHIR R4 search.html#token: `code`, `system|code`, `|code`, `system|`.
#[test]
fn tokens_have_four_forms() {
    let Test::Token(tests) = test("Observation", "code", "8867-A,http://loinc.org|8867-4,|x,http://loinc.org|") else {
        panic!()
    };
    assert_eq!(
        tests,
        [
            token(&["8867-a"], None),
            token(&["8867-4"], Some("http://loinc.org")),
            token(&["x"], Some("")),
            token(&[], Some("http://loinc.org")),
        ]
    );
    assert!(parse("Observation", &[("code", "|")]).is_err());
}

/// FHIR R4 search.html#token: identifiers are compared as written, `code` has an implicit system.
#[test]
fn the_type_of_the_value_decides_the_form_of_a_token() {
    assert_eq!(test("Patient", "identifier", "urn:x|AB"), Test::Token(vec![token(&["AB"], Some("urn:x"))]));
    let gender = test("Patient", "gender", "http://hl7.org/fhir/administrative-gender|male");
    assert_eq!(gender, Test::Token(vec![token(&["male"], None)]));
    let phone = test("Patient", "phone", "０９０-1234-5678");
    assert!(matches!(phone, Test::Token(tests) if tests[0].codes.contains(&"09012345678".to_owned())));
    assert!(parse("Patient", &[("active", "yes")]).is_err());
}

/// FHIR R4 search.html#modifiers.
#[test]
fn modifiers_change_the_test() {
    assert!(matches!(only("Patient", "gender:not", "male"), Condition::Indexed { negated: true, .. }));
    assert!(matches!(only("Patient", "gender:missing", "true"), Condition::Missing { missing: true, .. }));
    assert!(parse("Patient", &[("gender:missing", "maybe")]).is_err());
    let Test::String(tests) = test("Patient", "name:exact", "山田") else { panic!() };
    assert!(matches!(&tests[..], [StringTest::Exact { folded, .. }] if folded == "山田"));
    assert_eq!(test("Patient", "name:contains", "ダ"), Test::String(vec![StringTest::Contains("タ".into())]));
    let below = test("ValueSet", "url:below", "http://x/fhir/");
    assert_eq!(below, Test::Uri(vec![UriTest { uri: "http://x/fhir/".into(), version: None, below: true }]));
    for unsupported in ["gender:exact", "name:not", "birthdate:contains", "gender:foo", "name:"] {
        let issues = parse("Patient", &[(unsupported, "x")]).unwrap_err();
        assert_eq!(issues[0].code, IssueCode::NotSupported, "{unsupported}");
        assert!(issues[0].diagnostics.contains("missing"), "{}", issues[0].diagnostics);
    }
}

/// FHIR R4 search.html#escaping.
#[test]
fn escaped_separators_belong_to_the_value() {
    let Test::String(tests) = test("Patient", "name", r"a\,b,c\\") else { panic!() };
    assert_eq!(tests, [StringTest::StartsWith("a,b".into()), StringTest::StartsWith(r"c\".into())]);
    let identifier = test("Patient", "identifier", r"urn:x|1\|2\$3");
    assert_eq!(identifier, Test::Token(vec![token(&["1|2$3"], Some("urn:x"))]));
}

/// FHIR R4 search.html#date: a date without zone is meant in the server's zone.
#[test]
fn dates_are_spans() {
    let Test::Date(tests) = test("Patient", "birthdate", "ge2024-05-31") else { panic!() };
    let day = 86_400_000_000;
    assert_eq!(tests[0].prefix, Prefix::Ge);
    assert_eq!(tests[0].high - tests[0].low + 1, day);
    assert_eq!((tests[0].low + i64::from(JST) * 1_000_000) % day, 0);
    let encoded = test("Observation", "date", "2024-05-31T09:30:00 09:00");
    assert_eq!(encoded, test("Observation", "date", "eq2024-05-31T09:30:00+09:00"));
    for wrong in ["2024-13", "xx2024", "gt", "20240531"] {
        assert!(parse("Patient", &[("birthdate", wrong)]).is_err(), "{wrong}");
    }
}

/// FHIR R4 search.html#prefix: `ap` is 10 % of the distance to now.
#[test]
fn approximate_dates_widen_with_distance() {
    let Test::Date(near) = test("Patient", "birthdate", "ap2023") else { panic!() };
    let Test::Date(far) = test("Patient", "birthdate", "ap1923") else { panic!() };
    let width = |test: &DateTest| test.high - test.low;
    assert!(width(&far[0]) > width(&near[0]) * 5);
}

/// FHIR R4 search.html#number and #quantity.
#[test]
fn numbers_and_quantities_have_precision_and_unit() {
    let Test::Number(tests) = test("RiskAssessment", "probability", "gt0.8") else { panic!() };
    assert!(tests[0].prefix == Prefix::Gt && tests[0].low < tests[0].exact && tests[0].exact < tests[0].high);
    let Test::Quantity(tests) = test("Observation", "value-quantity", "5.4|http://unitsofmeasure.org|mg,le7||kg")
    else {
        panic!()
    };
    assert!(
        matches!(&tests[0], QuantityTest { code: Some(code), system: None, is_canonical: true, .. } if code == "g")
    );
    assert!(
        matches!(&tests[1], QuantityTest { code: Some(code), system: None, is_canonical: false, .. } if code == "kg")
    );
    assert!(parse("Observation", &[("value-quantity", "heavy")]).is_err());
}

/// FHIR R4 search.html#reference.
#[test]
fn references_have_several_forms() {
    let local = |types: Vec<u8>| Test::Reference(vec![ReferenceTest::Local { types, id: "1".into() }]);
    assert_eq!(test("Observation", "subject", "Patient/1"), local(vec![number("Patient")]));
    assert_eq!(test("Observation", "subject:Patient", "1"), local(vec![number("Patient")]));
    let Test::Reference(any) = test("Observation", "subject", "1") else { panic!() };
    assert!(matches!(&any[..], [ReferenceTest::Local { types, .. }] if types.len() == 4));
    let Test::Reference(elsewhere) = test("Observation", "subject", "https://x/fhir/Patient/1,urn:uuid:1") else {
        panic!()
    };
    assert!(elsewhere.iter().all(|test| matches!(test, ReferenceTest::Uri(_))));
    let versioned = test("QuestionnaireResponse", "questionnaire", "http://x/Q|2");
    let expected = UriTest { uri: "http://x/Q".into(), version: Some("2".into()), below: false };
    assert_eq!(versioned, Test::Reference(vec![ReferenceTest::Uri(expected)]));
    assert!(matches!(test("Observation", "subject:identifier", "urn:x|A"), Test::Token(_)));
    assert!(parse("Observation", &[("subject", "Medication/1")]).is_err());
    assert!(parse("Observation", &[("subject:Medication", "1")]).is_err());
}

/// FHIR R4 search.html#composite.
#[test]
fn composites_join_two_values() {
    let Test::Composite(tests) = test("Observation", "code-value-quantity", "http://loinc.org|8480-6$gt140||mm[Hg]")
    else {
        panic!()
    };
    assert_eq!(tests[0].first, token(&["8480-6"], Some("http://loinc.org")));
    assert!(matches!(&tests[0].second, CompositeSecond::Quantity(test) if test.number.prefix == Prefix::Gt));
    let Test::Composite(tests) = test("DocumentReference", "relationship", "replaces$DocumentReference/1") else {
        panic!()
    };
    assert_eq!(tests[0].second, CompositeSecond::Token(token(&["DocumentReference/1"], None)));
    assert!(parse("Observation", &[("code-value-quantity", "x")]).is_err());
}

/// FHIR R4 search.html#return.
#[test]
fn result_parameters_shape_the_answer() {
    let query = parse(
        "Observation",
        &[
            ("_sort", "-date,_id"),
            ("_count", "5000"),
            ("_include", "Observation:subject:Patient"),
            ("_revinclude:iterate", "Provenance:target"),
            ("_include", "Observation:*"),
            ("_total", "accurate"),
            ("_summary", "data"),
            ("_elements", "id,code"),
            ("_cursor", "abc"),
            ("_format", "json"),
            ("status", ""),
        ],
    )
    .unwrap();
    assert!(matches!(
        &query.sort[..],
        [
            SortKey { by: SortBy::Parameter { kind: ParameterKind::Date, .. }, descending: true },
            SortKey { by: SortBy::Id, descending: false }
        ]
    ));
    assert_eq!((query.count, query.total, query.summary), (Some(1000), Total::Accurate, Summary::Data));
    assert_eq!(query.includes[0].target_type, Some(number("Patient")));
    assert!(query.includes[1].reverse && query.includes[1].iterate && query.includes[2].parameters.len() > 5);
    assert_eq!(query.elements, ["id", "code"]);
    assert_eq!(query.cursor.as_deref(), Some("abc"));
    assert!(query.conditions.is_empty());
    let names: Vec<&str> = query.used.iter().map(|(name, _)| name.as_str()).collect();
    assert!(!names.contains(&"_cursor") && !names.contains(&"_format") && !names.contains(&"status"));
    assert!(query.used.contains(&("_count".to_owned(), "1000".to_owned())));
    assert_eq!(parse("Patient", &[("_count", "0")]).unwrap().summary, Summary::Count);
    for (name, value) in
        [("_count", "-1"), ("_total", "all"), ("_summary", "x"), ("_include", "Foo:bar"), ("_include", "x")]
    {
        assert!(parse("Patient", &[(name, value)]).is_err(), "{name}={value}");
    }
}

/// FHIR R4 search.html#errors: lenient clients have unknown parameters ignored, never bad values.
#[test]
fn lenient_ignores_the_unknown_but_not_the_malformed() {
    let lenient = ParseOptions { lenient: true, ..(*OPTIONS).clone() };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let patient = number("Patient");
    let query = parse_query(patient, &[pair("color", "red"), pair("gender", "male")], &lenient).unwrap();
    assert_eq!((query.conditions.len(), query.used.len(), query.ignored), (1, 1, vec!["color".to_owned()]));
    assert!(parse_query(patient, &[pair("birthdate", "soon")], &lenient).is_err());
    for name in ["color", "_has:Observation:color:code", "organization.color", "_id:not", "link:Color.name"] {
        let issues = parse("Patient", &[(name, "x")]).unwrap_err();
        assert_eq!(issues[0].code, IssueCode::NotSupported, "{name}");
    }
    let issues = parse("Patient", &[("color", "red")]).unwrap_err();
    assert!(issues[0].diagnostics.contains("birthdate") && issues[0].diagnostics.contains("color"));
}

/// FHIR R4 search.html#all: `_id` and `_lastUpdated` are conditions of their own.
#[test]
fn id_and_last_updated_stand_apart() {
    assert_eq!(only("Patient", "_id", "a,b"), Condition::Id(vec!["a".into(), "b".into()]));
    assert!(matches!(only("Patient", "_lastUpdated", "gt2024"), Condition::LastUpdated(tests) if tests.len() == 1));
    assert!(matches!(test("Patient", "_tag", "x|UNINFORMED"), Test::Token(_)));
    assert!(matches!(test("Patient", "_profile", "http://x|1"), Test::Uri(tests) if tests[0].version.is_some()));
}

/// FHIR R4 search.html#chaining, #has: conditions within conditions.
#[test]
fn references_are_followed() {
    let Condition::Chain { targets, .. } = only("Observation", "subject.name", "x") else { panic!() };
    let types: Vec<u8> = targets.iter().map(|(target, _)| *target).collect();
    assert!(
        types.contains(&number("Patient")) && types.contains(&number("Location")) && !types.contains(&number("Group"))
    );
    let Condition::Chain { targets, .. } = only("Observation", "subject:Patient.organization.name", "x") else {
        panic!()
    };
    assert!(matches!(&targets[..], [(_, Condition::Chain { targets, .. })] if targets.len() == 1));
    let Condition::Has { condition, parameter } = only("Patient", "_has:Observation:patient:code:not", "x") else {
        panic!()
    };
    assert_eq!(parameter >> 8, i32::from(number("Observation")));
    assert!(matches!(*condition, Condition::Indexed { negated: true, .. }));
    assert_eq!(parse("Patient", &[("general-practitioner.name", "　")]).unwrap().conditions, []);
}

/// Chains without types branch; the branches are bounded before they are made.
#[test]
fn the_branches_of_a_chain_are_bounded() {
    let list = (0..5000).map(|n| format!("a{n}")).collect::<Vec<_>>().join(",");
    assert!(parse("AuditEvent", &[("entity.identifier", "x")]).is_ok());
    for (kind, name, value) in [
        ("AuditEvent", "entity.identifier", list.as_str()),
        ("Composition", "subject.subject.subject.subject.subject.subject.subject.status", "final"),
        ("Provenance", "target.target.target.target.target.target.target.target.target", "x"),
    ] {
        assert!(parse(kind, &[(name, value)]).is_err(), "{kind}?{name}");
    }
}

/// AND by repeating, OR by commas (FHIR R4 search.html#combining).
#[test]
fn repeats_are_and_commas_are_or() {
    let query = parse("Patient", &[("given", "a,b"), ("given", "c")]).unwrap();
    assert_eq!(query.conditions.len(), 2);
    assert!(parse("Patient", &[("given", ","), ("name", "　")]).unwrap().conditions.is_empty());
}

/// A search of a size that no client means is refused before the database sees it.
#[test]
fn the_size_of_a_search_is_bounded() {
    let list = |count: usize| (0..count).map(|n| format!("a{n}")).collect::<Vec<_>>().join(",");
    assert!(parse("Patient", &[("_id", &list(5000))]).is_ok());
    assert!(parse("Patient", &[("identifier", &list(5000))]).is_ok());
    assert!(parse("Patient", &[("name", &list(500))]).is_ok());
    for (name, value) in [("_id", list(5001)), ("name", list(501))] {
        assert_eq!(parse("Patient", &[(name, &value)]).unwrap_err()[0].code, IssueCode::TooCostly, "{name}");
    }
    assert_eq!(parse("Patient", &[("gender", "male"); 101]).unwrap_err()[0].code, IssueCode::TooCostly);
    assert!(parse("Patient", &[("_sort", "name,family,given,birthdate,_id")]).is_err());
}

/// A number that no integer holds is still a number.
#[test]
fn a_count_beyond_all_bounds_is_the_largest_page() {
    assert_eq!(parse("Patient", &[("_count", "99999999999")]).unwrap().count, Some(1000));
    for wrong in ["-1", "1.5", "abc", "+5"] {
        assert!(parse("Patient", &[("_count", wrong)]).is_err(), "{wrong}");
    }
}

/// PostgreSQL refuses text with a NUL.
#[test]
fn a_nul_in_a_value_is_refused() {
    for name in ["_id", "name", "identifier", "_cursor"] {
        assert!(parse("Patient", &[(name, "a\0b")]).is_err(), "{name}");
    }
}
