//! Profiles against instances, one probe a rule: a profile, an instance that conforms (or not), and what is said.
//!
//! FHIR R4 profiling.html, elementdefinition.html, extensibility.html, defining-extensions.html. Each probe is
//! small on purpose: what it shows depends on nothing else.

#![allow(clippy::unnecessary_to_owned, clippy::unwrap_used)]

mod definitions;
mod derived;
mod elements;
mod extensions;
mod slicing;

use std::sync::Arc;

use renraku::format::json::{self, Node};
use renraku::r4::canonical::{Canonicals, Definition, Layers, standard};
use renraku::r4::outcome::Severity;
use renraku::terminology::Terminology;
use renraku::validation::{Language, Options, Validator};

/// Definitions of one probe.
#[derive(Debug, Default)]
struct Shelf(Vec<Definition>);

impl Canonicals for Shelf {
    fn find(&self, resource_type: &str, url: &str, version: Option<&str>) -> Option<Definition> {
        let is_it = |found: &&Definition| {
            found.text("resourceType") == Some(resource_type)
                && found.text("url") == Some(url)
                && version.is_none_or(|version| found.text("version") == Some(version))
        };
        self.0.iter().find(is_it).map(Arc::clone)
    }

    fn list(&self, resource_type: &str) -> Vec<(String, Option<String>)> {
        let of_type = self.0.iter().filter(|found| found.text("resourceType") == Some(resource_type));
        of_type.map(|found| (found.text("url").unwrap().to_owned(), found.text("version").map(str::to_owned))).collect()
    }
}

/// A profile on `base` (`Patient`, or the last part of the URL of another of these); `more` are members.
pub(crate) fn profile(name: &str, of: &str, base: &str, more: &str, elements: &str) -> String {
    let core = base.starts_with(|first: char| first.is_ascii_uppercase());
    let base =
        if core { format!("http://hl7.org/fhir/StructureDefinition/{base}") } else { format!("http://a/{base}") };
    format!(
        r#"{{"resourceType":"StructureDefinition","url":"http://a/{name}","name":"P","status":"active","kind":"resource",
        "abstract":false,"type":"{of}","baseDefinition":"{base}","derivation":"constraint",{more}
        "differential":{{"element":[{elements}]}}}}"#
    )
}

/// A simple or complex extension `http://a/{name}` allowed at `contexts`.
pub(crate) fn extension(name: &str, contexts: &str, more: &str, elements: &str) -> String {
    let url = format!(r#"{{"id":"Extension.url","path":"Extension.url","fixedUri":"http://a/{name}"}}"#);
    let elements = if elements.is_empty() { url } else { format!("{elements},{url}") };
    let contexts = format!(r#""context":[{contexts}],{more}"#);
    profile(name, "Extension", "Extension", &contexts, &elements)
        .replace(r#""kind":"resource""#, r#""kind":"complex-type""#)
}

fn validator(definitions: &[String]) -> Validator {
    let read = |text: &String| {
        Arc::new(json::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}")).into_owned())
    };
    let shelf = Shelf(definitions.iter().map(read).collect());
    let layers: Arc<dyn Canonicals> = Arc::new(Layers(vec![Arc::new(shelf), standard()]));
    Validator::new(Arc::clone(&layers), Arc::new(Terminology::new(layers)))
}

/// Errors as `place: message`.
fn errors(validator: &Validator, instance: &str, profiles: &[&str]) -> Vec<String> {
    let node: Node<'_> = json::parse(instance.as_bytes()).unwrap_or_else(|error| panic!("{error}: {instance}"));
    let found = validator.validate(&node, profiles, &Options::default());
    let errors = found.iter().filter(|finding| finding.severity == Severity::Error);
    errors
        .map(|finding| format!("{}: {}", finding.expression.as_deref().unwrap_or("-"), finding.text(Language::English)))
        .collect()
}

/// Each probe: what it is about, an instance, and the place and a part of the message of each error.
type Probe<'p> = (&'p str, &'p str, &'p [(&'p str, &'p str)]);

fn differences(validator: &Validator, profiles: &[&str], probes: &[Probe<'_>]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (about, instance, expected) in probes {
        let found = errors(validator, instance, profiles);
        let is_met = |(place, message): &(&str, &str)| {
            found.iter().any(|error| error.starts_with(&format!("{place}: ")) && error.contains(message))
        };
        if found.len() != expected.len() || !expected.iter().all(is_met) {
            wrong.push(format!("{about}: expected {expected:?}, found {found:#?}"));
        }
    }
    wrong
}

pub(crate) fn holds(definitions: &[String], profiles: &[&str], probes: &[Probe<'_>]) {
    let wrong = differences(&validator(definitions), profiles, probes);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

macro_rules! probes {
    ($name:ident, [$($definition:expr),* $(,)?], $profile:expr, [$(($about:expr, $instance:expr, [$($error:expr),* $(,)?])),* $(,)?]) => {
        #[test]
        fn $name() {
            holds(&[$($definition),*], $profile, &[$(($about, &$instance, &[$($error),*])),*]);
        }
    };
}

pub(crate) fn observation(content: &str) -> String {
    let code =
        if content.contains("\"code\":{") && content.starts_with("\"code\"") { "" } else { r#""code":{"text":"x"},"# };
    format!(r#"{{"resourceType":"Observation","status":"final",{code}{content}}}"#)
}

pub(crate) fn patient(content: &str) -> String {
    format!(r#"{{"resourceType":"Patient",{content}}}"#)
}

pub(crate) use probes;
