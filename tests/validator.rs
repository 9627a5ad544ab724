//! HL7's validator cases for R4: does the validator find errors where HL7's does, and none where it finds none?
//!
//! A case without a profile asks about the standard (and what the resource claims), one with a profile about that.
//! The shares agreed on are printed with every disagreement, and may not fall below the floors here.
//! The cases are read from `../shared/suites/validator`; where they are absent the test says "skipped".

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use renraku::format::json::{self, Node};
use renraku::r4::canonical::{Canonicals, Definition, Layers, standard};
use renraku::r4::outcome::Severity;
use renraku::terminology::Terminology;
use renraku::validation::{Finding, Language, Options, Validator};

/// Least shares of cases agreed on, in percent. They only go up.
const BASE_FLOOR: f64 = 93.5;
const PROFILE_FLOOR: f64 = 90.0;

/// A definition with its version.
type Versioned = (Option<String>, Definition);

/// The definitions of a case by type and URL.
#[derive(Debug, Default)]
struct Supporting(BTreeMap<(String, String), Vec<Versioned>>);

impl Supporting {
    fn add(&mut self, node: Node<'static>) {
        if let (Some(kind), Some(url)) = (node.text("resourceType"), node.text("url")) {
            let key = (kind.to_owned(), url.to_owned());
            let version = node.text("version").map(str::to_owned);
            self.0.entry(key).or_default().insert(0, (version, Arc::new(node)));
        }
    }
}

impl Canonicals for Supporting {
    fn find(&self, resource_type: &str, url: &str, version: Option<&str>) -> Option<Definition> {
        let known = self.0.get(&(resource_type.to_owned(), url.to_owned()))?;
        // `0.2` is any `0.2.x`.
        let fits = |own: &str, wanted: &str| {
            own == wanted || own.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
        };
        let is_it =
            |(own, _): &&Versioned| version.is_none_or(|wanted| own.as_deref().is_some_and(|own| fits(own, wanted)));
        known.iter().find(is_it).map(|(_, definition)| Arc::clone(definition))
    }

    fn list(&self, resource_type: &str) -> Vec<(String, Option<String>)> {
        let of_type = self.0.iter().filter(|((kind, _), _)| kind == resource_type);
        of_type.flat_map(|((_, url), all)| all.iter().map(|(version, _)| (url.clone(), version.clone()))).collect()
    }
}

fn suite() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["../shared", "../../shared"].map(|folder| root.join(folder).join("suites/validator"));
    folders.into_iter().find(|folder| folder.join("cases.json").exists())
}

/// What is found; text that is no JSON is an error too.
fn run(folder: &Path, case: &Node<'_>) -> Vec<String> {
    let mut supporting = Supporting::default();
    for file in case.list("supporting").iter().filter_map(Node::as_str) {
        let text = fs::read(folder.join(file)).unwrap();
        supporting.add(json::parse(&text).unwrap().into_owned());
    }
    let layers: Arc<dyn Canonicals> = Arc::new(Layers(vec![Arc::new(supporting), standard()]));
    let validator = Validator::new(Arc::clone(&layers), Arc::new(Terminology::new(Arc::clone(&layers))));
    let text = fs::read(folder.join(case.text("file").unwrap())).unwrap();
    let node = match json::parse(&text) {
        Ok(node) => node,
        Err(error) => return vec![error.to_string()],
    };
    let profiles: Vec<&str> = case.text("profile").into_iter().collect();
    let options = Options::default();
    let findings = validator.validate(&node, &profiles, &options);
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let shown = |finding: &Finding| {
        format!("{}: {}", finding.expression.as_deref().unwrap_or("-"), finding.text(Language::English))
    };
    errors.map(shown).collect()
}

#[test]
fn agrees_with_hl7() {
    let Some(folder) = suite() else {
        println!("skipped: no shared suites/validator");
        return;
    };
    let text = fs::read(folder.join("cases.json")).unwrap();
    let cases = json::parse(&text).unwrap();
    let wanted = std::env::var("CASE").ok();
    let mut shares: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for case in cases.items() {
        let name = case.text("name").unwrap();
        if wanted.as_ref().is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        let kind = case.text("kind").unwrap();
        let expected = match case.get("errors") {
            Some(Node::Number(digits)) => digits.parse::<usize>().unwrap(),
            _ => panic!("{name}: no number of errors"),
        };
        let found = run(&folder, case);
        let agreed = (expected > 0) != found.is_empty();
        let share = shares.entry(if kind == "base" { "base" } else { "profile" }).or_default();
        share.0 += usize::from(agreed);
        share.1 += 1;
        if !agreed || wanted.is_some() {
            println!("{} {kind} {name}: HL7 {expected}, here {}", if agreed { "same" } else { "DIFFERS" }, found.len());
            for error in found.iter().take(if wanted.is_some() { 100 } else { 3 }) {
                println!("    {error}");
            }
        }
    }
    if wanted.is_some() {
        return;
    }
    for (kind, floor) in [("base", BASE_FLOOR), ("profile", PROFILE_FLOOR)] {
        let (agreed, all) = shares[kind];
        #[allow(clippy::cast_precision_loss)]
        let percent = agreed as f64 / all as f64 * 100.0;
        println!("{kind}: {agreed} of {all} agree, {percent:.1} %");
        assert!(percent >= floor, "{kind}: {percent:.1} % is below the floor of {floor} %");
    }
}
