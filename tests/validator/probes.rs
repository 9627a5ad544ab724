//! Small resources with what is expected of them, a table a topic (`probes/*.txt`): as many that are right as wrong,
//! so that what is not found and what is found without reason both show.
//!
//! A line of a table: `fine` or `wrong`, what it shows, where the first error stands (for wrong ones; `-` when the text
//! cannot be read), and the resource, JSON or XML, with tabs between. Lines that begin with `#` cite the rules.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use renraku::format::json;
use renraku::r4::canonical::{Canonicals, standard};
use renraku::r4::outcome::Severity;
use renraku::terminology::Terminology;
use renraku::validation::{Finding, Language, Options, Validator};
use renraku::xml::parse_xml;

/// Errors with their places; a text that cannot be read is one without place.
fn judge(validator: &Validator, text: &str) -> Vec<(String, String)> {
    let node = if text.starts_with('<') {
        parse_xml(text.as_bytes()).map_err(|error| error.to_string())
    } else {
        json::parse(text.as_bytes()).map_err(|error| error.to_string())
    };
    let node = match node {
        Ok(node) => node,
        Err(error) => return vec![("-".to_owned(), error)],
    };
    let found = validator.validate(&node, &[], &Options::default());
    let errors = found.iter().filter(|finding| finding.severity == Severity::Error);
    let place = |finding: &Finding| finding.expression.clone().unwrap_or_else(|| "-".to_owned());
    errors.map(|finding| (place(finding), finding.text(Language::English))).collect()
}

#[test]
fn tables_of_right_and_wrong() {
    let layers: Arc<dyn Canonicals> = standard();
    let validator = Validator::new(Arc::clone(&layers), Arc::new(Terminology::new(layers)));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/validator/probes");
    let (mut fine, mut wrong, mut missed) = (0, 0, Vec::new());
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let topic = path.file_stem().unwrap().to_string_lossy().into_owned();
        for line in fs::read_to_string(&path).unwrap().lines().filter(|line| !line.starts_with('#')) {
            let [kind, shows, place, text] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("{topic}: no row: {line}");
            };
            let found = judge(&validator, text);
            let is_as_expected = match kind {
                "fine" => {
                    fine += 1;
                    found.is_empty()
                }
                _ => {
                    wrong += 1;
                    found.iter().any(|(at, _)| at == place)
                }
            };
            if !is_as_expected {
                missed.push(format!("{topic}, {shows}: {kind} {place}, found {found:?}: {text}"));
            }
        }
    }
    assert!(fine >= 300 && wrong >= 200, "{fine} that are fine, {wrong} that are wrong");
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
