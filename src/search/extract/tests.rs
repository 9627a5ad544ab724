use std::path::PathBuf;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::fhirpath::compile_for;
use crate::format::json;
use crate::r4::decimal::{just_above, just_below, sortable};
use crate::search::fold::exact_hash;
use crate::search::registry::registry;

static OPTIONS: LazyLock<ExtractOptions> = LazyLock::new(|| ExtractOptions {
    registry: Arc::clone(registry()),
    default_offset_seconds: 9 * 3600,
    full_text: crate::search::text::FullText::Off,
    base_url: None,
});

#[expect(clippy::print_stdout)]
/// The files the standard publishes as examples, where they are at hand.
fn examples() -> Vec<(PathBuf, Vec<u8>)> {
    let given = std::env::var_os("RENRAKU_SHARED").map(PathBuf::from);
    let root = env!("CARGO_MANIFEST_DIR");
    let near = ["../shared", "../../shared"].map(|place| PathBuf::from(root).join(place));
    let folders = given.into_iter().chain(near).map(|folder| folder.join("suites/r4-examples"));
    let Some(entries) = folders.filter_map(|folder| std::fs::read_dir(folder).ok()).next() else {
        println!("skipped: no r4-examples (set RENRAKU_SHARED)");
        return Vec::new();
    };
    let paths = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "json"));
    paths.filter_map(|path| std::fs::read(&path).ok().map(|bytes| (path, bytes))).collect()
}

fn rows(text: &str) -> IndexRows {
    let node = json::parse(text.as_bytes()).unwrap();
    extract(definitions().resource_number(node.text("resourceType").unwrap()).unwrap(), &node, &OPTIONS)
}

fn number(name: &str, code: &str) -> i32 {
    registry().find(definitions().resource_number(name).unwrap(), code).unwrap().number
}

fn token_pairs(rows: &IndexRows, parameter: i32) -> Vec<(&str, &str)> {
    rows.tokens
        .iter()
        .filter(|row| row.parameter == parameter)
        .map(|row| (row.system.as_str(), row.code.as_str()))
        .collect()
}

fn folded(rows: &IndexRows, parameter: i32) -> Vec<&str> {
    rows.strings.iter().filter(|row| row.parameter == parameter).map(|row| row.folded.as_str()).collect()
}

/// Every expression of the standard compiles for every type it applies to, and evaluates on the
/// standard's examples of that type.
#[test]
#[expect(clippy::print_stdout)]
fn every_search_parameter_of_the_standard_evaluates() {
    let all = definitions();
    let mut evaluated = 0;
    let files = examples();
    for (path, bytes) in &files {
        let node = json::parse(bytes).unwrap();
        let Some(id) = node.text("resourceType").and_then(|name| all.resource(name)) else { continue };
        for parameter in all.parameters.iter().filter(|parameter| {
            parameter.base.iter().any(|base| all.type_id(base).is_some_and(|base| all.is_a(id, base)))
        }) {
            let Some(expression) = &parameter.expression else { continue };
            let compiled = compile_for(expression, id).unwrap_or_else(|error| panic!("{}: {error}", parameter.url));
            let items = compiled.evaluate(Item::new(id, &node));
            items.unwrap_or_else(|error| panic!("{} on {}: {error}", parameter.url, path.display()));
            evaluated += 1;
        }
    }
    for parameter in &all.parameters {
        for id in parameter.base.iter().filter_map(|base| all.type_id(base)) {
            let Some(expression) = &parameter.expression else { continue };
            compile_for(expression, id).unwrap_or_else(|error| panic!("{}: {error}", parameter.url));
        }
    }
    println!("{evaluated} evaluations on {} examples", files.len());
}

/// FHIR R4 search.html#token: all codings, identifiers as written, contact points, booleans.
#[test]
fn tokens_of_each_form() {
    let rows = rows(
        r#"{"resourceType":"Patient","active":true,"gender":"female","identifier":[{"system":"urn:oid:1.2","value":"AbC"}],
        "telecom":[{"system":"phone","use":"mobile","value":"０９０-1234-5678"},{"system":"email","value":"Hanako@Example.JP"}],
        "communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"ja-JP"},{"code":"ja"}],"text":"日本語"}}],
        "meta":{"tag":[{"system":"http://x","code":"UNINFORMED"}]}}"#,
    );
    let of = |code| token_pairs(&rows, number("Patient", code));
    assert_eq!(of("active"), [("", "true")]);
    assert_eq!(of("gender"), [("", "female")]);
    assert_eq!(of("identifier"), [("urn:oid:1.2", "AbC")]);
    assert_eq!(of("phone"), [("mobile", "09012345678")]);
    assert_eq!(of("email"), [("", "hanako@example.jp")]);
    assert_eq!(of("telecom").len(), 2);
    assert_eq!(of("language"), [("", "ja"), ("urn:ietf:bcp:47", "ja-jp")]);
    assert_eq!(of("deceased"), [("", "false")]);
    assert_eq!(of("_tag"), [("http://x", "uninformed")]);
}

/// FHIR R4 search.html#string; DOMAIN: 山田太郎 finds 山田　太郎.
#[test]
fn names_are_found_whole_and_in_parts() {
    let rows = rows(
        r#"{"resourceType":"Patient","name":[{"family":"山田","given":["太郎"]},{"family":"ヤマダ","given":["ﾀﾛｳ"]},
        {"family":"Chalmers","given":["Peter","James"]}],"address":[{"state":"愛知県","city":"大府市","line":["森岡町"]}]}"#,
    );
    let names = folded(&rows, number("Patient", "name"));
    for expected in ["山田太郎", "山田", "太郎", "ヤマタタロウ", "chalmers peter james", "chalmerspeter james", "james"]
    {
        assert!(names.contains(&expected), "{expected} in {names:?}");
    }
    let written = rows.strings.iter().find(|row| row.folded == "山田" && row.parameter == number("Patient", "family"));
    assert_eq!(written.unwrap().exact, exact_hash("山田"));
    assert!(folded(&rows, number("Patient", "address")).contains(&"愛知県大府市森岡町"));
    assert_eq!(folded(&rows, number("Patient", "address-city")), ["大府市"]);
}

/// FHIR R4 search.html#date: periods may be open, timings count from first to last.
#[test]
fn dates_are_spans_with_open_ends() {
    let of = |member: &str| {
        let rows = rows(&format!(r#"{{"resourceType":"Observation",{member}}}"#));
        let parameter = number("Observation", "date");
        rows.dates.iter().filter(|row| row.parameter == parameter).map(|row| (row.low, row.high)).collect::<Vec<_>>()
    };
    let day = 86_400_000_000;
    let whole = of(r#""effectiveDateTime":"2024-05-31""#);
    assert_eq!(whole[0].1 - whole[0].0 + 1, day);
    assert_eq!(of(r#""effectivePeriod":{"start":"2024-05-31"}"#), [(whole[0].0, i64::MAX)]);
    assert_eq!(of(r#""effectivePeriod":{"end":"2024-05-31"}"#), [(i64::MIN, whole[0].1)]);
    assert_eq!(of(r#""effectivePeriod":{"start":"2024-05-31","end":"2023"}"#), []);
    assert_eq!(of(r#""effectiveTiming":{"event":["2024-05-31","2024-06-01"]}"#), [(whole[0].0, whole[0].1 + day)]);
    assert_eq!(of(r#""effectiveDateTime":"someday""#), []);
}

/// FHIR R4 search.html#quantity: code, or the unit as people read it; comparators open an end.
#[test]
fn quantities_keep_unit_and_ends() {
    let of = |quantity: &str| {
        let rows = rows(&format!(r#"{{"resourceType":"Observation","valueQuantity":{quantity}}}"#));
        let parameter = number("Observation", "value-quantity");
        rows.quantities.into_iter().filter(|row| row.parameter == parameter).collect::<Vec<_>>()
    };
    let plain = of(r#"{"value":18.50,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}"#);
    assert_eq!(plain.len(), 1);
    assert_eq!((plain[0].low.clone(), plain[0].code.as_str()), (sortable("18.5").unwrap(), "kg"));
    let both = of(r#"{"value":140,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}"#);
    assert_eq!(both.iter().map(|row| row.code.as_str()).collect::<Vec<_>>(), ["mmHg", "mm[Hg]"]);
    let below = of(r#"{"value":5,"comparator":"<"}"#);
    assert!(below[0].low < sortable("-1e9999").unwrap() && below[0].high == just_below(&sortable("5").unwrap()));
    let above = of(r#"{"value":5,"comparator":">"}"#);
    assert!(above[0].high > sortable("1e9999").unwrap() && above[0].low == just_above(&sortable("5").unwrap()));
    assert!(of(r#"{"unit":"kg"}"#).is_empty());
}

/// FHIR R4 search.html#reference: local, elsewhere, by identifier; contained ones are skipped.
#[test]
fn references_of_each_form() {
    let rows = rows(
        r##"{"resourceType":"Observation","subject":{"reference":"Patient/1","identifier":{"system":"urn:x","value":"A"}},
        "performer":[{"reference":"#p"},{"reference":"https://x/fhir/Practitioner/2/_history/9"},{"reference":"Practitioner/3/_history/4"}]}"##,
    );
    let local = |code| {
        let parameter = number("Observation", code);
        let found = rows.references.iter().filter(move |row| row.parameter == parameter);
        found.map(|row| (row.target_type, row.target_id.as_str())).collect::<Vec<_>>()
    };
    let patient = definitions().resource_number("Patient").unwrap();
    assert_eq!(local("subject"), [(patient, "1")]);
    assert_eq!(local("patient"), [(patient, "1")]);
    assert_eq!(local("performer"), [(definitions().resource_number("Practitioner").unwrap(), "3")]);
    assert_eq!(rows.uris.iter().map(|row| row.uri.as_str()).collect::<Vec<_>>(), ["https://x/fhir/Practitioner/2"]);
    assert_eq!(token_pairs(&rows, number("Observation", "subject:identifier")), [("urn:x", "A")]);
}

/// `subject.where(resolve() is Patient)`: another type of subject is no patient.
#[test]
fn resolve_filters_by_the_type_in_the_reference() {
    let rows = rows(r#"{"resourceType":"Observation","subject":{"reference":"Group/1"}}"#);
    assert_eq!(rows.references.len(), 1);
    assert_eq!(rows.references[0].parameter, number("Observation", "subject"));
}

/// FHIR R4 search.html#composite: both values come from the same element.
#[test]
fn composites_stay_within_their_element() {
    let rows = rows(
        r#"{"resourceType":"Observation","code":{"coding":[{"code":"bp"}]},"component":[
        {"code":{"coding":[{"code":"sys"}]},"valueQuantity":{"value":140,"code":"mm[Hg]"}},
        {"code":{"coding":[{"code":"dia"}]},"valueQuantity":{"value":90,"code":"mm[Hg]"}}]}"#,
    );
    let of = |code| {
        let parameter = number("Observation", code);
        let found = rows.composites.iter().filter(move |row| row.parameter == parameter);
        found.map(|row| (row.code.clone(), row.low.clone())).collect::<Vec<_>>()
    };
    let expected = [("dia".to_owned(), sortable("90").unwrap()), ("sys".to_owned(), sortable("140").unwrap())];
    assert_eq!(of("component-code-value-quantity"), expected);
    assert_eq!(of("combo-code-value-quantity"), expected);
    assert_eq!(of("code-value-quantity"), []);
}

/// FHIR R4 search.html#uri: canonicals give up their version.
#[test]
fn canonicals_are_split_and_plain_uris_are_not() {
    let rows = rows(r#"{"resourceType":"ValueSet","url":"http://x/v|1","meta":{"profile":["http://x/p|2.0"]}}"#);
    let found: Vec<_> = rows.uris.iter().map(|row| (row.uri.as_str(), row.version.as_str())).collect();
    assert_eq!(found, [("http://x/p", "2.0"), ("http://x/v|1", "")]);
}

/// Genetics parameters of the standard select extensions and mean their values.
#[test]
fn parameters_on_extensions_take_the_value() {
    let rows = rows(
        r#"{"resourceType":"Device","extension":[{"url":"http://hl7.org/fhir/SearchParameter/device-extensions-Device-din",
        "valueIdentifier":{"value":"W1"}}]}"#,
    );
    assert_eq!(token_pairs(&rows, number("Device", "din")), [("", "W1")]);
}

/// An active Consent that denies something to somebody is found by it.
#[test]
fn a_consent_that_denies_is_known_by_a_token() {
    let found = |status: &str, provision: &str| {
        let text = format!(r#"{{"resourceType":"Consent","status":"{status}"{provision}}}"#);
        let consent = definitions().resource_number("Consent").unwrap();
        token_pairs(&rows(&text), denial(consent)) == [("", DENIAL)]
    };
    let inner = r#","provision":{"type":"permit","provision":[{"type":"permit"},{"provision":[{"type":"deny"}]}]}"#;
    assert!(found("active", r#","provision":{"type":"deny"}"#));
    assert!(found("active", inner));
    assert!(!found("inactive", inner));
    assert!(!found("active", r#","provision":{"type":"permit"}"#));
    assert!(!found("active", ""));
}

#[test]
fn lists_are_sorted_without_duplicates_and_numbers_known() {
    for (path, bytes) in examples() {
        let node = json::parse(&bytes).unwrap();
        let Some(number) = node.text("resourceType").and_then(|name| definitions().resource_number(name)) else {
            continue;
        };
        let rows = extract(number, &node, &OPTIONS);
        assert!(rows.tokens.is_sorted_by(|left, right| left < right), "{}", path.display());
        assert!(rows.strings.is_sorted_by(|left, right| left < right));
        assert!(rows.references.iter().all(|row| registry().by_number(row.parameter).is_some()
            || row.parameter == security_context(row.parameter.to_be_bytes()[2])));
        assert!(
            rows.tokens
                .iter()
                .all(|row| registry().by_number(row.parameter.abs()).is_some() || row.parameter == denial(number))
        );
    }
}

/// Changes a tree at random: other kinds of values, members moved and doubled into lists.
fn mutate(node: Node<'static>, seed: &mut u64) -> Node<'static> {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let odd = ["", "#", "/", "|", "é", "9999-99", "-0", "1e99999", "Patient/", "urn:", "\u{0}", "2024-02-30T99:00:00Z"];
    match *seed >> 58 {
        0 => Node::Null,
        1 => Node::Array(vec![node.clone(), node]),
        2 => Node::String(odd[usize::try_from(*seed >> 32).unwrap() % odd.len()].into()),
        3 => Node::Number("1e308".into()),
        4 => Node::Bool(true),
        5 => Node::Object(vec![("value".into(), node), ("_value".into(), Node::Null)]),
        _ => match node {
            Node::Array(items) => Node::Array(items.into_iter().map(|item| mutate(item, seed)).collect()),
            Node::Object(members) => {
                Node::Object(members.into_iter().map(|(name, value)| (name, mutate(value, seed))).collect())
            }
            other => other,
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn extraction_survives_any_resource(seed in any::<u64>()) {
        for (_, bytes) in examples() {
            let node = json::parse(&bytes).unwrap().into_owned();
            let Some(number) = node.text("resourceType").and_then(|name| definitions().resource_number(name)) else { continue };
            let mut seed = seed;
            let _ = extract(number, &mutate(node, &mut seed), &OPTIONS);
        }
    }
}

/// A large resource is indexed whole: the budget of an evaluation bounds hostile work, not size.
#[test]
fn large_resources_are_indexed_whole() {
    let components: Vec<String> =
        (0..20_000).map(|place| format!(r#"{{"code":{{"coding":[{{"code":"c{place}"}}]}}}}"#)).collect();
    let text = format!(r#"{{"resourceType":"Observation","component":[{}]}}"#, components.join(","));
    let rows = rows(&text);
    assert_eq!(token_pairs(&rows, number("Observation", "combo-code")).len(), 20_000);
}
