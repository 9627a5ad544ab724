//! Nearly right input, much of it, for a bounded time: nothing panics, nothing runs over its budget, and what
//! was read can be written and read again.
//!
//! Each target runs for `RENRAKU_FUZZ_SECONDS` (3 unless set) from `RENRAKU_FUZZ_SEED` (the day's number unless
//! set, so that every day tries something else). A failure names the seed and the case, which make it again:
//! `RENRAKU_FUZZ_SEED=… RENRAKU_FUZZ_CASE=… cargo test --test fuzz TARGET`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod mutate;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use mutate::{Dice, Pool};
use renraku::fhirpath::{Environment, FhirPathError, Item, Query, Typing, compile};
use renraku::format::json::{self, Node, locate};
use renraku::r4::canonical::{Canonicals, Layers, Standard, standard};
use renraku::r4::definitions;
use renraku::r4::guide::guide;
use renraku::r4::loaded::LoadedPackages;
use renraku::terminology::{ExpandOptions, Terminology};
use renraku::validation::{Language, Locator, Options, Validator, places_in_xml};
use renraku::xml::{parse_xml, write_xml};

/// Longest time of one case: far above what any takes in a test build, far below what a budget that does not hold
/// would take.
const LONGEST: Duration = Duration::from_secs(20);

static POOL: LazyLock<Pool> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders =
        ["fhir-profiles/renraku/examples", "fhir-profiles/renraku/wrong", "fhir-profiles/renraku/definitions"];
    let shared = ["../shared", "../../shared"].map(|folder| root.join(folder).join("suites/r4-examples"));
    let mut seeds = Vec::new();
    for folder in folders.map(|folder| root.join(folder)).into_iter().chain(shared) {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let text = fs::read(&file).unwrap();
            if let (true, Ok(node)) = (text.len() < 60_000, json::parse(&text)) {
                seeds.push(node.into_owned());
            }
        }
    }
    assert!(seeds.len() >= 100, "{} seeds", seeds.len());
    Pool::new(seeds)
});

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Ends the tests, with the name of the case, when one does not end by itself.
fn watch(target: String, seed: u64, at_work: Arc<AtomicU64>) {
    thread::spawn(move || {
        let (mut last, mut since) = (u64::MAX, Instant::now());
        loop {
            thread::sleep(Duration::from_secs(1));
            let now = at_work.load(Ordering::Relaxed);
            if now != last {
                (last, since) = (now, Instant::now());
            } else if now == u64::MAX {
                return;
            } else if since.elapsed() > LONGEST {
                println!("{target}: RENRAKU_FUZZ_SEED={seed} RENRAKU_FUZZ_CASE={now} does not end");
                process::exit(1);
            }
        }
    });
}

/// Tries cases until the time is over; says how many, and which took longest.
fn fuzz(target: &str, case: impl Fn(&mut Dice)) {
    let pool = &*POOL;
    let day = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 86_400;
    let seed = number("RENRAKU_FUZZ_SEED").unwrap_or(day);
    let only = number("RENRAKU_FUZZ_CASE");
    let time = Duration::from_secs(number("RENRAKU_FUZZ_SECONDS").unwrap_or(3));
    let started = Instant::now();
    let (mut cases, mut longest) = (0_u64, (Duration::ZERO, 0));
    let mut at = only.unwrap_or(0);
    let at_work = Arc::new(AtomicU64::new(at));
    watch(target.to_owned(), seed, Arc::clone(&at_work));
    while only.map_or(started.elapsed() < time, |_| cases == 0) {
        let mut dice = Dice(seed.wrapping_mul(0x0001_0000_0000).wrapping_add(at));
        dice.roll();
        let began = Instant::now();
        at_work.store(at, Ordering::Relaxed);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| case(&mut dice))) {
            println!("{target}: RENRAKU_FUZZ_SEED={seed} RENRAKU_FUZZ_CASE={at} fails");
            resume_unwind(panic);
        }
        let took = began.elapsed();
        assert!(took < LONGEST, "{target}: RENRAKU_FUZZ_SEED={seed} RENRAKU_FUZZ_CASE={at} took {took:?}");
        longest = longest.max((took, at));
        cases += 1;
        at += 1;
    }
    at_work.store(u64::MAX, Ordering::Relaxed);
    println!(
        "{target}: {cases} cases of seed {seed} from {} seeds, the longest ({}) {:?}",
        pool.seeds.len(),
        longest.1,
        longest.0
    );
    assert!(cases > 0);
}

#[test]
fn json() {
    fuzz("json", |dice| {
        let text = mutate::bytes(POOL.resource(dice).to_bytes(), dice);
        match json::parse(&text) {
            Ok(node) => {
                let written = node.to_bytes();
                assert_eq!(json::parse(&written).unwrap().to_bytes(), written);
            }
            Err(error) => assert!(error.line >= 1 && error.column >= 1, "{error:?}"),
        }
    });
}

#[test]
fn xml() {
    fuzz("xml", |dice| {
        let node = POOL.resource(dice);
        let mut text = Vec::new();
        if write_xml(&node, dice.below(2) == 0, &mut text).is_err() {
            text = b"<Patient xmlns=\"http://hl7.org/fhir\"><name><family value=\"x\"/></name></Patient>".to_vec();
        }
        // As it is written it can be read, and written again the same.
        if let Ok(read) = parse_xml(&text) {
            let mut again = Vec::new();
            if write_xml(&read, false, &mut again).is_ok() {
                let mut third = Vec::new();
                write_xml(&parse_xml(&again).unwrap(), false, &mut third).unwrap();
                assert_eq!(String::from_utf8(third), String::from_utf8(again));
            }
        }
        let broken = mutate::bytes(text, dice);
        let _ = parse_xml(&broken);
        let _ = places_in_xml(&broken, None, &[Some("Patient.name[0].family"), Some("Bundle.entry[1].resource"), None]);
    });
}

/// Where names of a resource are, for all types that have it.
fn focus<'r>(node: &'r Node<'_>) -> Option<Item<'r>> {
    Some(Item::new(definitions().resource(node.text("resourceType")?)?, node))
}

#[test]
fn fhirpath() {
    fuzz("fhirpath", |dice| {
        let node = POOL.resource(dice);
        let text = POOL.expression(dice);
        if std::env::var_os("RENRAKU_FUZZ_CASE").is_some() {
            println!("{text}\n{}", String::from_utf8_lossy(&node.to_bytes()));
        }
        let Some(item) = focus(&node) else { return };
        let environment = Environment { budget: Some(50_000), ..Environment::default() };
        for typing in [Typing::Strict, Typing::Lenient] {
            match Query::build(&text, None, typing) {
                Ok(query) => match query.evaluate_with(item, &environment) {
                    Ok(done) => assert!(done.steps <= 50_000),
                    Err(failure) => assert!(failure.position.is_none_or(|at| at <= text.len())),
                },
                Err(failure) => assert!(failure.position.is_none_or(|at| at <= text.len())),
            }
        }
        match compile(&text) {
            Ok(compiled) => drop(compiled.evaluate(item)),
            Err(FhirPathError::Syntax { position, .. }) => assert!(position <= text.len()),
            Err(_) => {}
        }
    });
}

fn options(dice: &mut Dice) -> Options {
    let is = |dice: &mut Dice| dice.below(2) == 0;
    Options {
        must_support: is(dice),
        security_checks: is(dice),
        resolve_references: is(dice),
        allow_examples: is(dice),
        ..Options::default()
    }
}

/// All there is to be said of a resource, in both languages and with its places in the text.
fn validate(validator: &Validator, node: &Node<'_>, profiles: &[&str], options: &Options) {
    let findings = validator.validate(node, profiles, options);
    assert!(findings.len() <= 1_200, "{} findings", findings.len());
    let text = node.to_bytes();
    let mut locator = Locator::new(&text, locate::whole(&text));
    for finding in &findings {
        assert!(!finding.text(Language::English).is_empty() && !finding.text(Language::Japanese).is_empty());
        if let Some(expression) = &finding.expression {
            let _ = locator.line_and_column(expression);
        }
    }
}

#[test]
fn validator() {
    let layers: Arc<dyn Canonicals> = Arc::new(Layers(vec![standard(), guide()]));
    let validator = Validator::new(Arc::clone(&layers), Arc::new(Terminology::new(Arc::clone(&layers))));
    let profiles: Vec<String> = layers.list("StructureDefinition").into_iter().map(|(url, _)| url).collect();
    fuzz("validator", |dice| {
        let node = POOL.resource(dice);
        let options = options(dice);
        let wanted: Vec<&str> = (0..dice.below(3)).map(|_| dice.one_of(&profiles).as_str()).collect();
        validate(&validator, &node, &wanted, &options);
    });
}

/// Definitions that are nearly right, and resources held against them.
#[test]
fn definitions_as_input() {
    let source: Arc<Standard> = standard();
    let kinds = ["StructureDefinition", "ValueSet", "CodeSystem", "ConceptMap"];
    let own: Vec<&Node<'static>> =
        POOL.seeds.iter().filter(|node| node.text("resourceType").is_some_and(|kind| kinds.contains(&kind))).collect();
    let types: BTreeSet<&str> = POOL.seeds.iter().filter_map(|node| node.text("resourceType")).collect();
    assert!(own.len() > 50 && types.len() > 20);
    let definitions = Pool::new(own.into_iter().cloned().collect());
    fuzz("definitions", |dice| {
        let mut loaded = LoadedPackages::default();
        let mut urls = Vec::new();
        for _ in 0..=dice.below(3) {
            let node = definitions.resource(dice);
            loaded.add(&node);
            urls.extend(
                node.text("url").map(|url| (node.text("resourceType").unwrap_or_default().to_owned(), url.to_owned())),
            );
        }
        let layers: Arc<dyn Canonicals> =
            Arc::new(Layers(vec![Arc::new(loaded), guide(), Arc::<Standard>::clone(&source)]));
        let terminology = Arc::new(Terminology::new(Arc::clone(&layers)));
        let validator = Validator::new(Arc::clone(&layers), Arc::<Terminology>::clone(&terminology));
        let node = dice.one_of(&POOL.seeds);
        for (kind, url) in &urls {
            match kind.as_str() {
                "StructureDefinition" => {
                    validate(&validator, node, &[url], &Options::default());
                    let _ = validator.json_schema(url, &|_| None);
                }
                "ValueSet" => drop(terminology.expand(url, &ExpandOptions::default())),
                _ => drop(
                    terminology.code_system(url, None).map(|system| terminology.subsumes(system.as_ref(), "a", "b")),
                ),
            }
        }
    });
}
