//! The guide of the notebook holds together: its profiles can be used, right examples are right, and each
//! wrong one is found wrong.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use renraku::format::json;
use renraku::r4::canonical::{Canonicals, Layers, standard};
use renraku::r4::guide::guide;
use renraku::r4::outcome::Severity;
use renraku::terminology::Terminology;
use renraku::validation::{Language, Options, Validator};

fn errors(validator: &Validator, folder: &str, file: &Path) -> Vec<String> {
    let text = fs::read(file).unwrap();
    let node = json::parse(&text).unwrap();
    let options = Options { unknown_profile: Severity::Error, ..Options::default() };
    let findings = validator.validate(&node, &[], &options);
    let text = |language| findings.iter().map(move |finding| (finding.issue(language), language));
    for (issue, _) in text(Language::English) {
        println!(
            "{folder}/{}: {:?} {:?} {}",
            file.file_name().unwrap().display(),
            issue.severity,
            issue.expression,
            issue.diagnostics
        );
    }
    let errors = text(Language::English).filter(|(issue, _)| issue.severity == Severity::Error);
    errors.map(|(issue, _)| issue.diagnostics).collect()
}

fn files(folder: &str) -> Vec<std::path::PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fhir-profiles/renraku").join(folder);
    let mut files: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn right_examples_are_right_and_wrong_ones_wrong() {
    let layers: Arc<dyn Canonicals> = Arc::new(Layers(vec![standard(), guide()]));
    let validator = Validator::new(Arc::clone(&layers), Arc::new(Terminology::new(Arc::clone(&layers))));
    let mut surprises = Vec::new();
    for file in files("examples") {
        let found = errors(&validator, "examples", &file);
        if !found.is_empty() {
            surprises.push(format!("{}: {found:?}", file.display()));
        }
    }
    for file in files("wrong") {
        if errors(&validator, "wrong", &file).is_empty() {
            surprises.push(format!("{}: nothing is wrong with it", file.display()));
        }
    }
    assert!(surprises.is_empty(), "{surprises:#?}");
}
