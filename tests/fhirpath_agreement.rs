//! Two evaluators, one language: the compiled form that indexing uses and the evaluator of the whole language
//! must give the same for every expression both take. Asked are all expressions of the standard's search
//! parameters and invariants, on example resources and on what becomes of them when members are lost, repeated
//! and exchanged at random (the same each run; `SEED` chooses another).
//!
//! The examples are read from `../shared/suites/r4-examples`; where they are absent a few of our own serve.

#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use renraku::fhirpath::general::Entry;
use renraku::fhirpath::{Compiled, Item, Query, compile, compile_for};
use renraku::format::json::{self, Node};
use renraku::r4::canonical::{Canonicals, standard};
use renraku::r4::{TypeId, definitions};

/// Own examples, rich in what makes the two differ: choices, nulls beside extensions, references of all kinds.
const OWN: &[&str] = &[
    r##"{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"1"}],"text":"x"},
    "subject":{"reference":"Patient/1"},"focus":[{"reference":"#p"},{"identifier":{"value":"1"},"type":"Device"}],"effectivePeriod":{"start":"2026-01"},
    "valueQuantity":{"value":1.50,"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"},"performer":[{"reference":"http://a/fhir/Practitioner/2/_history/1"}],
    "component":[{"code":{"text":"y"},"valueCodeableConcept":{"coding":[{"code":"z"}]}},{"code":{"text":"z"},"valueString":"s"}],
    "contained":[{"resourceType":"Patient","id":"p","birthDate":"1942"}]}"##,
    r##"{"resourceType":"Patient","id":"1","active":true,"_birthDate":{"extension":[{"url":"http://a","valueCode":"x"}]},
    "name":[{"family":"A","given":["b",null],"_given":[null,{"extension":[{"url":"u","valueString":"v"}]}]},{"text":"t"}],
    "telecom":[{"system":"phone","value":"1"},{"system":"email","value":"2"}],"deceasedBoolean":false,"multipleBirthInteger":2,
    "link":[{"other":{"reference":"RelatedPerson/9"},"type":"seealso"}],"generalPractitioner":[{"reference":"Organization/1"}]}"##,
    r##"{"resourceType":"Bundle","type":"document","identifier":{"value":"1"},"timestamp":"2026-01-01T00:00:00Z","entry":[
    {"fullUrl":"http://a/Composition/1","resource":{"resourceType":"Composition","id":"1","status":"final","type":{"text":"x"},"date":"2026",
    "author":[{"display":"x"}],"title":"t","section":[{"title":"s","entry":[{"reference":"Patient/1"}]}]}}]}"##,
];

fn examples() -> Vec<Node<'static>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = ["../shared", "../../shared"].map(|place| root.join(place).join("suites/r4-examples"));
    let mut found: Vec<Node<'static>> =
        OWN.iter().map(|text| json::parse(text.as_bytes()).unwrap().into_owned()).collect();
    match folder.into_iter().find(|folder| folder.is_dir()) {
        None => println!("skipped: no shared suites/r4-examples"),
        Some(folder) => {
            for entry in fs::read_dir(folder).unwrap() {
                let text = fs::read(entry.unwrap().path()).unwrap();
                found.extend(json::parse(&text).ok().map(Node::into_owned));
            }
        }
    }
    found
}

/// A small generator: the same numbers from the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }
}

/// Loses, repeats and exchanges parts of a resource. What comes out need not be valid: indexing meets only valid
/// ones, but both evaluators must agree on any tree.
fn shaken(node: &Node<'static>, dice: &mut Dice, spare: &[Node<'static>]) -> Node<'static> {
    match node {
        Node::Object(members) => {
            let mut out = Vec::new();
            for (name, value) in members {
                match dice.below(24) {
                    0 if name != "resourceType" => {}
                    1 if name != "resourceType" => {
                        let other = spare.get(dice.below(spare.len())).and_then(|other| other.get(name));
                        out.push((name.clone(), other.cloned().unwrap_or_else(|| value.clone())));
                    }
                    _ => out.push((name.clone(), shaken(value, dice, spare))),
                }
            }
            Node::Object(out)
        }
        Node::Array(items) => {
            let mut out = Vec::new();
            for item in items {
                match dice.below(16) {
                    0 => {}
                    1 => out.extend([shaken(item, dice, spare), shaken(item, dice, spare)]),
                    _ => out.push(shaken(item, dice, spare)),
                }
            }
            Node::Array(out)
        }
        other => other.clone(),
    }
}

struct Question {
    text: String,
    type_id: TypeId,
    compiled: Vec<Compiled>,
    query: Query,
}

/// Every expression with every type it is for, as far as both take it.
fn questions() -> (Vec<Question>, usize) {
    let all = definitions();
    let mut asked: Vec<(String, TypeId)> = Vec::new();
    for (url, version) in standard().list("SearchParameter") {
        let Some(parameter) = standard().find("SearchParameter", &url, version.as_deref()) else { continue };
        let Some(expression) = parameter.text("expression") else { continue };
        for base in parameter.list("base").iter().filter_map(Node::as_str) {
            let id = all.type_id(base).unwrap();
            let below: Vec<TypeId> = all.resources().iter().copied().filter(|known| all.is_a(*known, id)).collect();
            asked.extend(below.into_iter().map(|id| (expression.to_owned(), id)));
        }
    }
    for id in all.resources() {
        asked.extend(all.get(*id).invariants.iter().map(|rule| (rule.expression.clone(), *id)));
    }
    asked.sort();
    asked.dedup();
    let number = asked.len();
    let question = |(text, type_id): (String, TypeId)| {
        let compiled: Vec<Compiled> = [compile_for(&text, type_id), compile(&text)].into_iter().flatten().collect();
        let query = Query::lenient(&text).ok()?;
        (!compiled.is_empty()).then_some(Question { text, type_id, compiled, query })
    };
    (asked.into_iter().filter_map(question).collect(), number)
}

/// A result that can be compared: where it is in the resource, or its value.
type Seen = (String, Option<usize>, Option<String>);

/// The name of a type. The tables call the id of a resource a string (a known mistake of R4's definitions), the whole
/// language calls it an id; what is computed has a system type of the same name.
fn plain(name: &str) -> String {
    let name = name.trim_start_matches("System.").to_ascii_lowercase();
    if name == "id" { "string".to_owned() } else { name }
}

/// Equal values once, each where it came first.
fn distinct(list: Vec<Seen>) -> Vec<Seen> {
    let mut out: Vec<Seen> = Vec::new();
    for (name, place, value) in list {
        let place = if value.is_some() { None } else { place };
        let seen = (name, place, value);
        if !out.contains(&seen) {
            out.push(seen);
        }
    }
    out
}

fn seen_by_compiled(compiled: &Compiled, item: Item<'_>) -> Option<Vec<Seen>> {
    let items = compiled.evaluate(item).ok()?;
    let seen = |item: &Item<'_>| {
        let node = item.node().filter(|node| **node != Node::Null);
        let value = match (item.text(), item.boolean(), item.digits()) {
            (Some(text), ..) => Some(text.to_owned()),
            (_, Some(value), _) => Some(value.to_string()),
            (.., Some(digits)) => Some(digits.to_owned()),
            _ => node.map(|node| String::from_utf8_lossy(&node.to_bytes()).into_owned()),
        };
        (plain(&definitions().get(item.type_id).name), node.map(|node| std::ptr::from_ref(node) as usize), value)
    };
    Some(items.iter().map(seen).collect())
}

fn seen_by_query(query: &Query, item: Item<'_>) -> Option<Vec<Seen>> {
    let entries = query.evaluate(item).ok()?;
    let seen = |entry: &Entry<'_>| match entry {
        Entry::Part(item) => {
            let node = item.node().filter(|node| **node != Node::Null);
            let value = match (item.text(), item.boolean(), item.digits()) {
                (Some(text), ..) => Some(text.to_owned()),
                (_, Some(value), _) => Some(value.to_string()),
                (.., Some(digits)) => Some(digits.to_owned()),
                _ => node.map(|node| String::from_utf8_lossy(&node.to_bytes()).into_owned()),
            };
            let type_name = plain(&definitions().get(item.type_id).name);
            (type_name, node.map(|node| std::ptr::from_ref(node) as usize), value)
        }
        Entry::Value(value) => (plain(entry.type_of().1), None, Some(value.to_text().into_owned())),
        Entry::Type { name, .. } => ((*name).to_string(), None, None),
    };
    Some(entries.iter().map(seen).collect())
}

#[test]
fn both_evaluators_give_the_same() {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_123);
    let mut dice = Dice(seed);
    let examples = examples();
    let (questions, asked) = questions();
    println!("{} of {asked} expressions are taken by both; seed {seed}", questions.len());
    assert!(questions.len() > 3_000, "{} expressions", questions.len());
    let rounds = 20;
    let (mut compared, mut found) = (0_u64, 0_u64);
    for round in 0..=rounds {
        for example in &examples {
            let node = if round == 0 { example.clone() } else { shaken(example, &mut dice, &examples) };
            let Some(type_id) = node.text("resourceType").and_then(|name| definitions().resource(name)) else {
                continue;
            };
            for question in questions.iter().filter(|question| question.type_id == type_id) {
                let item = Item::new(type_id, &node);
                // What is a wrong operand for one may be an error; there is no value to compare then.
                let Some(wanted) = seen_by_query(&question.query, item) else { continue };
                for compiled in &question.compiled {
                    let Some(given) = seen_by_compiled(compiled, item) else { continue };
                    compared += 1;
                    found += given.len() as u64;
                    let text = || String::from_utf8_lossy(&node.to_bytes()).into_owned();
                    // `|` keeps one of equal values (N1 "union"); index rows are sets, so the compiled form keeps one of
                    // the same element only.
                    let (given, wanted) = if question.text.contains('|') {
                        (distinct(given), distinct(wanted.clone()))
                    } else {
                        (given, wanted.clone())
                    };
                    assert_eq!(given, wanted, "{} on {}", question.text, text());
                }
            }
        }
    }
    println!("{compared} comparisons, {found} results");
    assert!(compared > 1_000 && found > 500);
}
