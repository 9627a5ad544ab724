//! Definitions by canonical URL (FHIR R4 references.html#canonical), wherever they come from: the
//! standard's own, those of installed packages, those stored here as resources.
//!
//! Sources are asked in order ([`Layers`]); a definition is read when it is first asked for and
//! shared from then on. The types of the standard are not here but in [`mod@super::definitions`]: they
//! have a form of their own.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use super::pack::{self, Section};
use crate::format::json::{self, Node};

/// A definition: a whole conformance or terminology resource.
pub type Definition = Arc<Node<'static>>;

/// Somewhere definitions can be had from.
pub trait Canonicals: Send + Sync + Debug {
    /// The definition of this resource type with this URL; without a version the newest one known.
    fn find(&self, resource_type: &str, url: &str, version: Option<&str>) -> Option<Definition>;

    /// URL and business version of everything of this resource type, in no order.
    fn list(&self, resource_type: &str) -> Vec<(String, Option<String>)>;

    /// URL of the definition of this resource type that has an identifier (`urn:oid:…`).
    fn by_identifier(&self, resource_type: &str, value: &str) -> Option<String> {
        let _ = (resource_type, value);
        None
    }

    /// A number that is another one as soon as anything found here may have changed. Who keeps what was
    /// made from definitions reads it *before* looking them up and keeps it with the result.
    fn generation(&self) -> u64 {
        0
    }
}

/// Takes `url|version#fragment` apart; the fragment names a contained resource and is dropped.
#[must_use]
pub fn split(canonical: &str) -> (&str, Option<&str>) {
    let canonical = canonical.split_once('#').map_or(canonical, |(before, _)| before);
    match canonical.split_once('|') {
        Some((url, version)) if !version.is_empty() => (url, Some(version)),
        Some((url, _)) => (url, None),
        None => (canonical, None),
    }
}

/// Several sources; the first that knows a definition answers.
#[derive(Debug, Clone, Default)]
pub struct Layers(pub Vec<Arc<dyn Canonicals>>);

impl Canonicals for Layers {
    fn find(&self, resource_type: &str, url: &str, version: Option<&str>) -> Option<Definition> {
        self.0.iter().find_map(|source| source.find(resource_type, url, version))
    }

    fn list(&self, resource_type: &str) -> Vec<(String, Option<String>)> {
        self.0.iter().flat_map(|source| source.list(resource_type)).collect()
    }

    fn by_identifier(&self, resource_type: &str, value: &str) -> Option<String> {
        self.0.iter().find_map(|source| source.by_identifier(resource_type, value))
    }

    fn generation(&self) -> u64 {
        self.0.iter().fold(0, |sum, source| sum.wrapping_add(source.generation()))
    }
}

/// What HL7 publishes with R4: profiles, extensions, terminology, search parameters, operations.
#[derive(Debug)]
pub struct Standard {
    sections: Vec<Vec<u8>>,
    /// Resource type → URL → where its line is, and the definition once it was read.
    lines: BTreeMap<String, BTreeMap<String, Line>>,
    /// Identifier of a code system → its URL.
    code_systems: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Line {
    section: usize,
    start: usize,
    end: usize,
    version: Option<String>,
    read: OnceLock<Definition>,
}

/// The standard's definitions, unpacked at the first call (about 0.1 s).
///
/// # Panics
/// When the pack built into the binary is damaged.
#[must_use]
pub fn standard() -> Arc<Standard> {
    static STANDARD: OnceLock<Arc<Standard>> = OnceLock::new();
    Arc::clone(STANDARD.get_or_init(|| match Standard::load() {
        Ok(standard) => Arc::new(standard),
        Err(error) => panic!("{error}"),
    }))
}

impl Standard {
    fn load() -> Result<Self, pack::PackError> {
        let mut sections = Vec::new();
        let mut lines: BTreeMap<String, BTreeMap<String, Line>> = BTreeMap::new();
        let mut code_systems = BTreeMap::new();
        for (section, name) in [Section::Search, Section::Terminology, Section::Profiles].into_iter().enumerate() {
            let text = pack::section(name)?;
            let mut start = 0;
            for line in text.split_inclusive(|byte| *byte == b'\n') {
                let end = start + line.len();
                let node = json::parse(line).map_err(|error| pack::PackError(error.to_string()))?;
                if let (Some(resource_type), Some(url)) = (node.text("resourceType"), node.text("url")) {
                    let version = node.text("version").map(str::to_owned);
                    if resource_type == "CodeSystem" {
                        let identifiers = node.list("identifier").iter().filter_map(|one| one.text("value"));
                        code_systems.extend(identifiers.map(|value| (value.to_owned(), url.to_owned())));
                    }
                    let place = Line { section, start, end, version, read: OnceLock::new() };
                    lines.entry(resource_type.to_owned()).or_default().insert(url.to_owned(), place);
                }
                start = end;
            }
            sections.push(text);
        }
        Ok(Self { sections, lines, code_systems })
    }

    /// Whether it is one of these, without reading it.
    #[must_use]
    pub fn has(&self, resource_type: &str, url: &str) -> bool {
        self.line(resource_type, url).is_some()
    }

    fn line(&self, resource_type: &str, url: &str) -> Option<&Line> {
        self.lines.get(resource_type)?.get(url)
    }
}

impl Canonicals for Standard {
    fn find(&self, resource_type: &str, url: &str, version: Option<&str>) -> Option<Definition> {
        let line = self.line(resource_type, url)?;
        if version.is_some() && line.version.as_deref().is_some_and(|own| Some(own) != version) {
            return None;
        }
        if let Some(read) = line.read.get() {
            return Some(Arc::clone(read));
        }
        let text = self.sections.get(line.section)?.get(line.start..line.end)?;
        let node = json::parse(text).ok()?.into_owned();
        Some(Arc::clone(line.read.get_or_init(|| Arc::new(node))))
    }

    fn list(&self, resource_type: &str) -> Vec<(String, Option<String>)> {
        let known = self.lines.get(resource_type).into_iter().flatten();
        known.map(|(url, line)| (url.clone(), line.version.clone())).collect()
    }

    fn by_identifier(&self, resource_type: &str, value: &str) -> Option<String> {
        (resource_type == "CodeSystem").then(|| self.code_systems.get(value).cloned()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonicals_come_apart() {
        assert_eq!(split("http://x/a|1.0#b"), ("http://x/a", Some("1.0")));
        assert_eq!(split("http://x/a"), ("http://x/a", None));
        assert_eq!(split("http://x/a|"), ("http://x/a", None));
    }

    #[test]
    fn the_standard_is_found_by_url_and_version() {
        let gender = "http://hl7.org/fhir/ValueSet/administrative-gender";
        let found = standard().find("ValueSet", gender, None).unwrap();
        assert_eq!(found.text("url"), Some(gender));
        assert!(Arc::ptr_eq(&found, &standard().find("ValueSet", gender, Some("4.0.1")).unwrap()));
        assert!(standard().find("ValueSet", gender, Some("5.0.0")).is_none());
        assert!(standard().find("CodeSystem", gender, None).is_none());
        let layers = Layers(vec![standard()]);
        assert!(layers.find("StructureDefinition", "http://hl7.org/fhir/StructureDefinition/bp", None).is_some());
        assert!(layers.list("SearchParameter").len() > 1000);
    }
}
