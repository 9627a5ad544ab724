use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::format::json::parse;
use crate::r4::canonical::{Definition, standard};

const GENDER: &str = "http://hl7.org/fhir/ValueSet/administrative-gender";
const GENDERS: &str = "http://hl7.org/fhir/administrative-gender";

/// A few definitions over those of the standard; what is put in anew is a new generation.
#[derive(Debug, Default)]
struct Shelf {
    definitions: std::sync::Mutex<Vec<Definition>>,
    generation: std::sync::atomic::AtomicU64,
}

impl Shelf {
    fn put(&self, json: &str) {
        let node = parse(json.as_bytes()).unwrap().into_owned();
        self.definitions.lock().unwrap().push(Arc::new(node));
        self.generation.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Canonicals for Shelf {
    fn find(&self, resource_type: &str, url: &str, version: Option<&str>) -> Option<Definition> {
        let found = self.definitions.lock().unwrap();
        let mut found = found.iter().rev().filter(|one| one.text("resourceType") == Some(resource_type));
        found
            .find(|one| {
                one.text("url") == Some(url) && version.is_none_or(|version| one.text("version") == Some(version))
            })
            .cloned()
    }

    fn list(&self, resource_type: &str) -> Vec<(String, Option<String>)> {
        let found = self.definitions.lock().unwrap();
        let found = found.iter().filter(|one| one.text("resourceType") == Some(resource_type));
        found.filter_map(|one| Some((one.text("url")?.to_owned(), one.text("version").map(str::to_owned)))).collect()
    }

    fn generation(&self) -> u64 {
        self.generation.load(std::sync::atomic::Ordering::SeqCst)
    }
}

fn with(definitions: &[&str]) -> (Terminology, Arc<Shelf>) {
    let shelf = Arc::new(Shelf::default());
    for definition in definitions {
        shelf.put(definition);
    }
    let layers = crate::r4::canonical::Layers(vec![standard(), Arc::clone(&shelf) as Arc<dyn Canonicals>]);
    (Terminology::new(Arc::new(layers)), shelf)
}

fn terminology() -> Terminology {
    Terminology::new(standard())
}

fn coding<'a>(system: Option<&'a str>, code: &'a str) -> Coding<'a> {
    Coding { system, code: Some(code), ..Coding::default() }
}

const ANIMALS: &str = r#"{"resourceType":"CodeSystem","url":"http://x/animals","version":"1","status":"active",
 "content":"complete","caseSensitive":true,"hierarchyMeaning":"is-a",
 "property":[{"code":"legs","type":"integer"},{"code":"inactive","uri":"http://hl7.org/fhir/concept-properties#inactive","type":"boolean"},
   {"code":"parent","uri":"http://hl7.org/fhir/concept-properties#parent","type":"code"}],
 "concept":[{"code":"animal","display":"Animal","property":[{"code":"notSelectable","valueBoolean":true}],"concept":[
   {"code":"mammal","display":"Mammal","concept":[
     {"code":"dog","display":"Dog","designation":[{"language":"ja","value":"イヌ"}],"property":[{"code":"legs","valueInteger":4}]},
     {"code":"whale","display":"Whale","property":[{"code":"legs","valueInteger":0}]}]},
   {"code":"bird","display":"Bird","concept":[{"code":"dodo","display":"Dodo","property":[{"code":"inactive","valueBoolean":true},{"code":"legs","valueInteger":2}]}]}]},
  {"code":"bat","display":"Bat","property":[{"code":"parent","valueCode":"mammal"},{"code":"parent","valueCode":"animal"}]}]}"#;

fn filtered(name: &str, filter: &str) -> String {
    format!(
        r#"{{"resourceType":"ValueSet","url":"http://x/{name}","status":"active","compose":{{"include":[{{"system":"http://x/animals","filter":[{filter}]}}]}}}}"#
    )
}

fn codes(expansion: &Expansion) -> Vec<&str> {
    expansion.contains.iter().map(|one| one.code.as_str()).collect()
}

#[test]
fn a_code_of_the_standard_is_a_member_or_not() {
    let terminology = terminology();
    assert_eq!(terminology.member(GENDER, GENDERS, "female"), Membership::Member);
    assert_eq!(terminology.member(GENDER, GENDERS, "Female2"), Membership::NotMember);
    assert_eq!(terminology.member(GENDER, "http://other", "female"), Membership::NotMember);
    assert!(matches!(terminology.member("http://no/such", GENDERS, "female"), Membership::Unknown(_)));
}

/// A value of type code has no system: the value set says it.
#[test]
fn a_code_without_system_is_looked_for_in_the_value_set() {
    let terminology = terminology();
    let found = terminology.validate_code(GENDER, &coding(None, "male"), &[]);
    assert_eq!((found.verdict, found.system.as_deref()), (Verdict::Valid, Some(GENDERS)));
    assert_eq!(found.display.as_deref(), Some("Male"));
    assert_eq!(terminology.validate_code(GENDER, &coding(None, "mail"), &[]).verdict, Verdict::Invalid);
}

/// What depends on SNOMED CT or LOINC is unknown, never wrong.
#[test]
fn systems_that_are_not_here_make_answers_unknown() {
    let terminology = terminology();
    let condition = "http://hl7.org/fhir/ValueSet/condition-code";
    let outcome = terminology.validate_code(condition, &coding(Some("http://snomed.info/sct"), "404684003"), &[]);
    assert_eq!(outcome.verdict, Verdict::Unknown);
    assert!(outcome.message.unwrap().contains("http://snomed.info/sct"));
    // Another system cannot be in it.
    let outcome = terminology.validate_code(condition, &coding(Some(GENDERS), "male"), &[]);
    assert_eq!(outcome.verdict, Verdict::Invalid);
}

#[test]
fn systems_with_a_grammar_are_asked() {
    let terminology = terminology();
    let mime = "http://hl7.org/fhir/ValueSet/mimetypes";
    assert!(terminology.validate_code(mime, &coding(None, "image/jpeg"), &[]).is_valid());
    assert_eq!(terminology.validate_code(mime, &coding(None, "jpeg"), &[]).verdict, Verdict::Invalid);
    let languages = "http://hl7.org/fhir/ValueSet/all-languages";
    assert!(terminology.validate_code(languages, &coding(None, "ja-JP"), &[]).is_valid());
    let units = "http://hl7.org/fhir/ValueSet/ucum-units";
    assert!(terminology.validate_code(units, &coding(None, "mm[Hg]"), &[]).is_valid());
    assert_eq!(terminology.validate_code(units, &coding(None, "mmHgg"), &[]).verdict, Verdict::Invalid);
    let countries = "http://hl7.org/fhir/ValueSet/iso3166-1-2";
    assert!(terminology.validate_code(countries, &coding(None, "JP"), &[]).is_valid());
    let country = terminology.validate_coding(&coding(Some("urn:iso:std:iso:3166"), "JP"), &[]);
    assert_eq!(country.display.as_deref(), Some("Japan"));
    let jurisdiction = |code| {
        terminology.validate_code(
            "http://hl7.org/fhir/ValueSet/jurisdiction",
            &coding(Some("urn:iso:std:iso:3166"), code),
            &[],
        )
    };
    assert_eq!(jurisdiction("JP").verdict, Verdict::Valid);
    assert_eq!(jurisdiction("JJ").verdict, Verdict::Invalid);
    assert_eq!(jurisdiction("JPN").verdict, Verdict::Unknown);
}

/// FHIR R4 valueset.html#filters
#[test]
fn filters_select_by_hierarchy_and_property() {
    let cases = [
        ("isa", r#"{"property":"concept","op":"is-a","value":"mammal"}"#, vec!["mammal", "dog", "whale", "bat"]),
        ("desc", r#"{"property":"concept","op":"descendent-of","value":"mammal"}"#, vec!["dog", "whale", "bat"]),
        ("not", r#"{"property":"concept","op":"is-not-a","value":"mammal"}"#, vec!["animal", "bird", "dodo"]),
        ("gen", r#"{"property":"concept","op":"generalizes","value":"dog"}"#, vec!["animal", "mammal", "dog"]),
        ("eq", r#"{"property":"legs","op":"=","value":"4"}"#, vec!["dog"]),
        ("in", r#"{"property":"legs","op":"in","value":"0, 4"}"#, vec!["dog", "whale"]),
        (
            "notin",
            r#"{"property":"legs","op":"not-in","value":"0,4"}"#,
            vec!["animal", "mammal", "bird", "dodo", "bat"],
        ),
        ("ex", r#"{"property":"legs","op":"exists","value":"true"}"#, vec!["dog", "whale", "dodo"]),
        ("re", r#"{"property":"code","op":"regex","value":"[db]..?"}"#, vec!["dog", "bat"]),
        ("codes", r#"{"property":"code","op":"in","value":"dog,bird"}"#, vec!["dog", "bird"]),
        ("parent", r#"{"property":"parent","op":"=","value":"mammal"}"#, vec!["dog", "whale", "bat"]),
        ("child", r#"{"property":"child","op":"=","value":"dog"}"#, vec!["mammal"]),
        ("leaf", r#"{"property":"child","op":"exists","value":"false"}"#, vec!["dog", "whale", "dodo", "bat"]),
        (
            "both",
            r#"{"property":"concept","op":"is-a","value":"mammal"},{"property":"legs","op":"=","value":"0"}"#,
            vec!["whale"],
        ),
    ];
    for (name, filter, expected) in cases {
        let (terminology, _) = with(&[ANIMALS, &filtered(name, filter)]);
        let url = format!("http://x/{name}");
        let expansion = terminology.expand(&url, &ExpandOptions::default()).unwrap();
        assert_eq!(codes(&expansion), expected, "{name}");
        for code in ["animal", "mammal", "dog", "whale", "bird", "dodo", "bat"] {
            let member = terminology.member(&url, "http://x/animals", code) == Membership::Member;
            assert_eq!(member, expected.contains(&code), "{name} {code}");
        }
        assert_eq!(terminology.member(&url, "http://x/animals", "DOG"), Membership::NotMember);
    }
}

#[test]
fn a_filter_that_cannot_be_applied_is_no_false_error() {
    let (terminology, _) = with(&[ANIMALS, &filtered("odd", r#"{"property":"wings","op":"=","value":"2"}"#)]);
    assert!(matches!(terminology.member("http://x/odd", "http://x/animals", "bat"), Membership::Unknown(_)));
    assert!(matches!(terminology.expand("http://x/odd", &ExpandOptions::default()), Err(TermError::NotSupported(_))));
}

/// FHIR R4 valueset.html#compositions: value sets in one include intersect, includes add up.
#[test]
fn imports_intersect_and_excludes_take_away() {
    let mammals = filtered("mammals", r#"{"property":"concept","op":"is-a","value":"mammal"}"#);
    let legged = filtered("legged", r#"{"property":"legs","op":"exists","value":"true"}"#);
    let both = r#"{"resourceType":"ValueSet","url":"http://x/both","status":"active","compose":{"include":[
        {"valueSet":["http://x/mammals","http://x/legged"]},{"system":"http://x/animals","concept":[{"code":"bird","display":"Tori"}]}],
        "exclude":[{"system":"http://x/animals","concept":[{"code":"whale"}]}]}}"#;
    let (terminology, _) = with(&[ANIMALS, &mammals, &legged, both]);
    let expansion = terminology.expand("http://x/both", &ExpandOptions::default()).unwrap();
    assert_eq!(codes(&expansion), ["dog", "bird"]);
    assert_eq!(expansion.contains[1].display.as_deref(), Some("Tori"));
    assert_eq!(terminology.member("http://x/both", "http://x/animals", "whale"), Membership::NotMember);
    assert_eq!(terminology.member("http://x/both", "http://x/animals", "bat"), Membership::NotMember);
}

#[test]
fn circles_are_refused_and_end() {
    let set = |own: &str, other: &str| {
        format!(
            r#"{{"resourceType":"ValueSet","url":"http://x/{own}","status":"active","compose":{{"include":[{{"valueSet":["http://x/{other}"]}}]}}}}"#
        )
    };
    let (terminology, _) = with(&[&set("a", "b"), &set("b", "a")]);
    assert!(
        matches!(terminology.member("http://x/a", "http://s", "c"), Membership::Unknown(why) if why.contains("circle"))
    );
    assert!(terminology.expand("http://x/b", &ExpandOptions::default()).is_err());
}

/// Value sets that multiply end in an answer, not in hours.
#[test]
fn value_sets_that_multiply_are_bounded() {
    let mut sets = vec![
        r#"{"resourceType":"ValueSet","url":"http://x/0","status":"active","compose":{"include":[{"system":"http://s","concept":[{"code":"a"}]}]}}"#.to_owned(),
    ];
    for level in 1..35 {
        let below = level - 1;
        sets.push(format!(
            r#"{{"resourceType":"ValueSet","url":"http://x/{level}","status":"active","compose":{{"include":[{{"valueSet":["http://x/{below}"]}},{{"valueSet":["http://x/{below}"]}}]}}}}"#
        ));
    }
    let (terminology, _) = with(&sets.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(terminology.member("http://x/34", "http://s", "a"), Membership::Member);
    assert!(!matches!(terminology.member("http://x/34", "http://s", "b"), Membership::Member));
    let _ = terminology.expand("http://x/34", &ExpandOptions::default());
}

#[test]
fn deep_imports_are_refused() {
    let mut sets = Vec::new();
    for level in 0..200 {
        let below = level + 1;
        sets.push(format!(
            r#"{{"resourceType":"ValueSet","url":"http://x/{level}","status":"active","compose":{{"include":[{{"valueSet":["http://x/{below}"]}}]}}}}"#
        ));
    }
    let (terminology, _) = with(&sets.iter().map(String::as_str).collect::<Vec<_>>());
    for level in (0..200).rev() {
        assert!(!matches!(terminology.member(&format!("http://x/{level}"), "http://s", "b"), Membership::Member));
    }
}

/// FHIR R4 codesystem-definitions.html#CodeSystem.caseSensitive: not said, "accept codes in any case".
#[test]
fn case_matters_where_the_system_says_so() {
    let lax = r#"{"resourceType":"CodeSystem","url":"http://x/lax","status":"active","content":"complete","concept":[{"code":"Ab","display":"AB"}]}"#;
    let (terminology, _) = with(&[lax, ANIMALS]);
    let outcome = terminology.validate_coding(&coding(Some("http://x/lax"), "aB"), &[]);
    assert_eq!((outcome.verdict, outcome.warnings.len()), (Verdict::Valid, 1));
    assert_eq!(terminology.validate_coding(&coding(Some("http://x/animals"), "Dog"), &[]).verdict, Verdict::Invalid);
}

#[test]
fn a_fragment_does_not_make_others_wrong() {
    let part = r#"{"resourceType":"CodeSystem","url":"http://x/part","status":"active","content":"fragment","concept":[{"code":"a"}]}"#;
    let (terminology, _) = with(&[part]);
    assert_eq!(terminology.validate_coding(&coding(Some("http://x/part"), "a"), &[]).verdict, Verdict::Valid);
    assert_eq!(terminology.validate_coding(&coding(Some("http://x/part"), "b"), &[]).verdict, Verdict::Unknown);
}

#[test]
fn displays_are_checked_and_given_in_the_language_asked_for() {
    let (terminology, _) = with(&[ANIMALS]);
    let check = |display, languages: &[String]| {
        let coding = Coding { display: Some(display), ..coding(Some("http://x/animals"), "dog") };
        terminology.validate_coding(&coding, languages)
    };
    let japanese = ["ja".to_owned()];
    assert!(!check("ｄｏｇ", &[]).display_differs);
    assert!(!check("いぬ", &[]).display_differs);
    let wrong = check("cat", &japanese);
    assert!(wrong.is_valid() && wrong.display_differs);
    assert_eq!(wrong.display.as_deref(), Some("イヌ"));
}

#[test]
fn inactive_and_abstract_concepts_can_be_left_out() {
    let all = r#"{"resourceType":"ValueSet","url":"http://x/all","status":"active","compose":{"include":[{"system":"http://x/animals"}]}}"#;
    let active = r#"{"resourceType":"ValueSet","url":"http://x/active","status":"active","compose":{"inactive":false,"include":[{"system":"http://x/animals"}]}}"#;
    let (terminology, _) = with(&[ANIMALS, all, active]);
    let options = ExpandOptions { active_only: true, exclude_not_for_ui: true, ..ExpandOptions::default() };
    let found = terminology.expand("http://x/all", &options).unwrap();
    assert_eq!(codes(&found), ["mammal", "dog", "whale", "bird", "bat"]);
    assert_eq!(found.versions, ["http://x/animals|1"]);
    assert_eq!(terminology.expand("http://x/active", &ExpandOptions::default()).unwrap().total, 6);
    assert_eq!(terminology.member("http://x/active", "http://x/animals", "dodo"), Membership::NotMember);
    assert_eq!(terminology.member("http://x/all", "http://x/animals", "dodo"), Membership::Member);
}

#[test]
fn pages_filters_and_nesting() {
    let all = r#"{"resourceType":"ValueSet","url":"http://x/all","status":"active","compose":{"include":[{"system":"http://x/animals"}]}}"#;
    let (terminology, _) = with(&[ANIMALS, all]);
    let page = ExpandOptions { offset: 1, count: Some(2), ..ExpandOptions::default() };
    let found = terminology.expand("http://x/all", &page).unwrap();
    assert_eq!((codes(&found), found.total, found.offset), (vec!["mammal", "dog"], 7, 1));
    let words = ExpandOptions { words: filter_words("いぬ"), ..ExpandOptions::default() };
    assert_eq!(codes(&terminology.expand("http://x/all", &words).unwrap()), ["dog"]);
    let nested = ExpandOptions { exclude_nested: false, ..ExpandOptions::default() };
    let found = terminology.expand("http://x/all", &nested).unwrap();
    assert_eq!(codes(&found), ["animal"]);
    let mammal = &found.contains[0].contains[0];
    assert_eq!(mammal.contains.iter().map(|one| one.code.as_str()).collect::<Vec<_>>(), ["dog", "whale", "bat"]);
    let small = ExpandOptions { limit: 3, ..ExpandOptions::default() };
    assert!(matches!(terminology.expand("http://x/all", &small), Err(TermError::TooCostly(_))));
}

#[test]
fn a_stored_expansion_is_used_where_the_definition_leads_nowhere() {
    let set = r#"{"resourceType":"ValueSet","url":"http://x/stored","status":"active",
        "compose":{"include":[{"system":"http://not/here"}]},
        "expansion":{"timestamp":"2026-01-01","contains":[{"system":"http://not/here","code":"a","display":"A","contains":[{"system":"http://not/here","code":"b"}]}]}}"#;
    let only = r#"{"resourceType":"ValueSet","url":"http://x/only","status":"active",
        "expansion":{"timestamp":"2026-01-01","contains":[{"system":"http://not/here","code":"a","display":"A"}]}}"#;
    let (terminology, _) = with(&[set, only]);
    assert_eq!(terminology.member("http://x/stored", "http://not/here", "b"), Membership::Member);
    assert!(matches!(terminology.member("http://x/stored", "http://not/here", "c"), Membership::Unknown(_)));
    assert_eq!(codes(&terminology.expand("http://x/stored", &ExpandOptions::default()).unwrap()), ["a", "b"]);
    assert_eq!(terminology.member("http://x/only", "http://not/here", "c"), Membership::NotMember);
}

#[test]
fn contained_definitions_are_found() {
    let set = r##"{"resourceType":"ValueSet","url":"http://x/outer","status":"active","contained":[
        {"resourceType":"ValueSet","id":"inner","status":"active","compose":{"include":[{"system":"http://s","concept":[{"code":"a"}]},{"valueSet":["#inner"]}]}}],
        "compose":{"include":[{"valueSet":["#inner"]}]}}"##;
    let (terminology, _) = with(&[set]);
    assert_eq!(terminology.member("http://x/outer", "http://s", "a"), Membership::Member);
}

#[test]
fn what_is_stored_anew_counts_at_once() {
    let set = |code: &str| {
        format!(
            r#"{{"resourceType":"ValueSet","url":"http://x/s","status":"active","compose":{{"include":[{{"system":"http://s","concept":[{{"code":"{code}"}}]}}]}}}}"#
        )
    };
    let (terminology, shelf) = with(&[&set("a")]);
    assert_eq!(terminology.member("http://x/s", "http://s", "b"), Membership::NotMember);
    shelf.put(&set("b"));
    assert_eq!(terminology.member("http://x/s", "http://s", "b"), Membership::Member);
}

/// DOMAIN: OID and URL forms of one system are equal.
#[test]
fn a_system_has_one_meaning_under_all_its_names() {
    let naming = r#"{"resourceType":"NamingSystem","url":"http://x/ns","name":"N","status":"active","kind":"codesystem","date":"2026-01-01",
        "uniqueId":[{"type":"oid","value":"1.2.3.4"},{"type":"uri","value":"http://x/animals"}]}"#;
    let all = r#"{"resourceType":"ValueSet","url":"http://x/all","status":"active","compose":{"include":[{"system":"urn:oid:1.2.3.4"}]}}"#;
    let (terminology, _) = with(&[ANIMALS, naming, all]);
    assert_eq!(terminology.member("http://x/all", "http://x/animals", "dog"), Membership::Member);
    assert_eq!(terminology.member("http://x/all", "urn:oid:1.2.3.4", "dog"), Membership::Member);
    assert_eq!(terminology.names("urn:oid:1.2.3.4"), ["urn:oid:1.2.3.4", "http://x/animals"]);
    assert!(terminology.names("http://medis.or.jp/CodeSystem/master-HOT9").len() > 2);
    // The OIDs that HL7's own code systems have as identifiers.
    assert_eq!(terminology.preferred("urn:oid:2.16.840.1.113883.4.642.4.2"), GENDERS);
}

#[test]
fn subsumption() {
    let (terminology, _) = with(&[ANIMALS]);
    let system = terminology.code_system("http://x/animals", None).unwrap();
    let ask = |a, b| terminology.subsumes(system.as_ref(), a, b);
    assert_eq!(ask("animal", "dog"), Ok("subsumes"));
    assert_eq!(ask("bat", "animal"), Ok("subsumed-by"));
    assert_eq!(ask("dog", "dog"), Ok("equivalent"));
    assert_eq!(ask("dog", "bird"), Ok("not-subsumed"));
    assert!(ask("dog", "cat").is_err());
}

#[test]
fn a_circle_in_a_hierarchy_ends() {
    let circle = r#"{"resourceType":"CodeSystem","url":"http://x/circle","status":"active","content":"complete","concept":[
        {"code":"a","property":[{"code":"parent","valueCode":"b"}]},{"code":"b","property":[{"code":"parent","valueCode":"a"}]},
        {"code":"c","property":[{"code":"parent","valueCode":"c"}]}]}"#;
    let all = r#"{"resourceType":"ValueSet","url":"http://x/all","status":"active","compose":{"include":[{"system":"http://x/circle","filter":[{"property":"concept","op":"descendent-of","value":"a"}]}]}}"#;
    let (terminology, _) = with(&[circle, all]);
    let nested = ExpandOptions { exclude_nested: false, ..ExpandOptions::default() };
    assert_eq!(codes(&terminology.expand("http://x/all", &nested).unwrap()), ["b"]);
}

/// FHIR R4 conceptmap.html: the map of the standard from address uses to v3.
#[test]
fn translations_forward_and_back() {
    let terminology = terminology();
    let map = "http://hl7.org/fhir/ConceptMap/101";
    let query = TranslateQuery {
        url: Some(map),
        codings: vec![coding(Some("http://hl7.org/fhir/address-use"), "home")],
        ..TranslateQuery::default()
    };
    let found = terminology.translate(&query, None).unwrap();
    assert!(found.result);
    assert_eq!(found.matches[0].code.as_deref(), Some("H"));
    let back = TranslateQuery {
        url: Some(map),
        codings: vec![coding(Some("http://terminology.hl7.org/CodeSystem/v3-AddressUse"), "H")],
        reverse: true,
        ..TranslateQuery::default()
    };
    assert_eq!(terminology.translate(&back, None).unwrap().matches[0].code.as_deref(), Some("home"));
    let nothing = TranslateQuery { codings: vec![coding(Some("http://elsewhere"), "home")], ..query };
    let found = terminology.translate(&nothing, None).unwrap();
    assert!(!found.result && found.message.is_some());
}

/// FHIR R4 conceptmap.html#unmapped
#[test]
fn codes_without_a_mapping_follow_the_group() {
    let map = |unmapped: &str| {
        format!(
            r#"{{"resourceType":"ConceptMap","url":"http://x/map","status":"active","group":[{{"source":"http://a","target":"http://b",
            "element":[{{"code":"known","target":[{{"code":"K","equivalence":"wider"}}]}}],"unmapped":{unmapped}}}]}}"#
        )
    };
    let ask = |unmapped: &str, others: &[&str]| {
        let own = map(unmapped);
        let (terminology, _) = with(&[&[own.as_str()], others].concat());
        let query = TranslateQuery {
            url: Some("http://x/map"),
            codings: vec![coding(Some("http://a"), "new")],
            ..TranslateQuery::default()
        };
        terminology.translate(&query, None).unwrap().matches.first().and_then(|one| one.code.clone())
    };
    assert_eq!(ask(r#"{"mode":"provided"}"#, &[]).as_deref(), Some("new"));
    assert_eq!(ask(r#"{"mode":"fixed","code":"other"}"#, &[]).as_deref(), Some("other"));
    let further = r#"{"resourceType":"ConceptMap","url":"http://x/further","status":"active","group":[{"source":"http://a","target":"http://b","element":[{"code":"new","target":[{"code":"N","equivalence":"equal"}]}]}]}"#;
    assert_eq!(ask(r#"{"mode":"other-map","url":"http://x/further"}"#, &[further]).as_deref(), Some("N"));
    assert_eq!(ask(r#"{"mode":"other-map","url":"http://x/map"}"#, &[]), None);
}

/// Every value set of the standard: expansion and membership agree, or both say what is missing.
#[test]
fn in_the_expansion_is_who_is_a_member() {
    let terminology = terminology();
    let mut expanded = 0;
    for (url, _) in standard().list("ValueSet") {
        let set = terminology.value_set(&url).unwrap();
        let Ok(expansion) = terminology.expand_set(&set, &ExpandOptions::default()) else { continue };
        expanded += 1;
        for one in expansion.contains.iter().take(300) {
            let membership = terminology.member_of(&set, &one.system, None, &one.code);
            assert_eq!(membership, Membership::Member, "{url} {} {}", one.system, one.code);
            assert_ne!(
                terminology.member_of(&set, &one.system, None, &format!("{}\u{1}", one.code)),
                Membership::Member,
                "{url}"
            );
        }
    }
    assert!(expanded > 1100, "{expanded} of 1,316");
}

proptest! {
    /// expand ∋ code ⇔ the code is valid, for value sets made of any filters and lists.
    #[test]
    fn expansion_and_membership_agree(
        clauses in proptest::collection::vec((0_usize..9, 0_usize..7, 0_usize..7, any::<bool>()), 1..5)
    ) {
        let names = ["animal", "mammal", "dog", "whale", "bird", "dodo", "bat"];
        let ops = ["is-a", "descendent-of", "is-not-a", "generalizes", "=", "in", "not-in", "regex"];
        let mut parts = [Vec::new(), Vec::new()];
        for (op, code, other, exclude) in clauses {
            let (code, other) = (names[code], names[other]);
            let part = match ops.get(op) {
                None => format!(r#"{{"system":"http://x/animals","concept":[{{"code":"{code}"}},{{"code":"{other}"}}]}}"#),
                Some(op) => {
                    let value = if matches!(*op, "in" | "not-in") { format!("{code},{other}") } else { code.to_owned() };
                    format!(r#"{{"system":"http://x/animals","filter":[{{"property":"concept","op":"{op}","value":"{value}"}}]}}"#)
                }
            };
            parts[usize::from(exclude)].push(part);
        }
        if parts[0].is_empty() {
            parts[0].push(r#"{"system":"http://x/animals"}"#.to_owned());
        }
        let exclude = if parts[1].is_empty() { String::new() } else { format!(r#","exclude":[{}]"#, parts[1].join(",")) };
        let set = format!(
            r#"{{"resourceType":"ValueSet","url":"http://x/any","status":"active","compose":{{"include":[{}]{exclude}}}}}"#,
            parts[0].join(",")
        );
        let (terminology, _) = with(&[ANIMALS, &set]);
        let expansion = terminology.expand("http://x/any", &ExpandOptions::default()).unwrap();
        for name in names {
            let valid = terminology.validate_code("http://x/any", &coding(Some("http://x/animals"), name), &[]).is_valid();
            prop_assert_eq!(valid, codes(&expansion).contains(&name), "{} in {}", name, set);
        }
    }
}
