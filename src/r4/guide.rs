//! Our own implementation guide: profiles, extensions and terminology of the contact notebook and of
//! fracture liaison, as `fhir-profiles/renraku/` has them, built into the program.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::canonical::{Canonicals, Definition};
use crate::format::json::{self, Node};

static DEFINITIONS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guide-definitions.json"));
static EXAMPLES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guide-examples.json"));

/// The description of the guide as a package.
pub const PACKAGE: &str = include_str!("../../fhir-profiles/renraku/package.json");

/// Base of the guide's canonical URLs.
pub const CANONICAL: &str = "http://renraku.example/fhir";

/// The guide; see [`guide`].
#[derive(Debug, Default)]
pub struct Guide {
    by_type: BTreeMap<String, BTreeMap<String, Definition>>,
}

/// The guide, read at the first call.
#[must_use]
pub fn guide() -> Arc<Guide> {
    static GUIDE: OnceLock<Arc<Guide>> = OnceLock::new();
    Arc::clone(GUIDE.get_or_init(|| Arc::new(Guide::read())))
}

impl Guide {
    /// A damaged guide would be an empty one: a test reads it.
    fn read() -> Self {
        let mut guide = Self::default();
        let Ok(Node::Array(definitions)) = json::parse(DEFINITIONS) else { return guide };
        for definition in definitions {
            let name = |member: &str| definition.text(member).unwrap_or_default().to_owned();
            let (resource_type, url) = (name("resourceType"), name("url"));
            guide.by_type.entry(resource_type).or_default().insert(url, Arc::new(definition.into_owned()));
        }
        guide
    }

    /// A right example of each profile.
    #[must_use]
    pub fn examples() -> Vec<Node<'static>> {
        json::parse(EXAMPLES).map(|examples| examples.items().to_vec()).unwrap_or_default()
    }

    /// Everything in the guide, by resource type and URL.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.by_type.values().flat_map(BTreeMap::values)
    }
}

impl Canonicals for Guide {
    fn find(&self, resource_type: &str, url: &str, version: Option<&str>) -> Option<Definition> {
        let found = self.by_type.get(resource_type)?.get(url)?;
        let fits = version.is_none_or(|wanted| found.text("version").is_none_or(|own| own == wanted));
        fits.then(|| Arc::clone(found))
    }

    fn list(&self, resource_type: &str) -> Vec<(String, Option<String>)> {
        let known = self.by_type.get(resource_type).into_iter().flatten();
        known.map(|(url, definition)| (url.clone(), definition.text("version").map(str::to_owned))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::r4::canonical::standard;

    fn all_texts<'n>(node: &'n Node<'_>, name: &str, found: &mut Vec<&'n str>) {
        for (member, value) in node.members() {
            if member == name
                && let Some(text) = value.as_str()
            {
                found.push(text);
            }
            all_texts(value, name, found);
        }
        for item in node.items() {
            all_texts(item, name, found);
        }
    }

    #[test]
    fn every_definition_is_found_by_its_url_and_named_once() {
        let guide = guide();
        let mut ids = HashSet::new();
        for definition in guide.definitions() {
            let (kind, url) = (definition.text("resourceType").unwrap(), definition.text("url").unwrap());
            assert!(url.starts_with(&format!("{CANONICAL}/{kind}/")), "{url}");
            assert_eq!(url.rsplit('/').next(), definition.text("id"), "{url}");
            assert!(ids.insert((kind, definition.text("id"))), "{url} is there twice");
            assert!(guide.find(kind, url, definition.text("version")).is_some());
        }
        assert!(ids.len() > 50, "{}", ids.len());
    }

    /// No binding, filter or include leads nowhere.
    #[test]
    fn what_the_guide_names_is_there() {
        let guide = guide();
        let known =
            |kind: &str, url: &str| guide.find(kind, url, None).is_some() || standard().find(kind, url, None).is_some();
        for definition in guide.definitions() {
            let url = definition.text("url").unwrap();
            let mut value_sets = Vec::new();
            all_texts(definition, "valueSet", &mut value_sets);
            for value_set in value_sets {
                assert!(known("ValueSet", value_set), "{url} names {value_set}");
            }
            let mut systems = Vec::new();
            all_texts(definition, "system", &mut systems);
            for system in systems.iter().filter(|system| system.starts_with(CANONICAL)) {
                assert!(known("CodeSystem", system), "{url} names {system}");
            }
        }
    }

    /// A sender reads the page: it must say every element and rule of the profile.
    #[test]
    fn every_profile_has_its_page_and_examples() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fhir-profiles/renraku");
        let guide = guide();
        let profiles = guide.definitions().filter(|definition| definition.text("kind") == Some("resource"));
        let mut count = 0;
        for profile in profiles {
            let id = profile.text("id").unwrap();
            let page = std::fs::read_to_string(folder.join(format!("pages/{id}.md"))).unwrap();
            assert!(page.contains(profile.text("url").unwrap()), "{id}");
            for element in profile.path(&["differential"]).unwrap().list("element") {
                let named = element.text("short").is_none_or(|short| page.contains(short));
                let path = element.text("id").unwrap().split_once('.').map_or("", |(_, path)| path);
                assert!(
                    named && (element.text("short").is_none() || page.contains(&format!("`{path}`"))),
                    "{id} {path}"
                );
                for rule in element.list("constraint") {
                    assert!(page.contains(rule.text("human").unwrap()), "{id} {:?}", rule.text("key"));
                }
            }
            for kind in ["examples", "wrong"] {
                let text = std::fs::read(folder.join(format!("{kind}/{id}.json"))).unwrap();
                let example = json::parse(&text).unwrap();
                let claimed = example.get("meta").unwrap().list("profile").first().and_then(Node::as_str);
                assert_eq!(claimed, profile.text("url"), "{kind}/{id}");
            }
            count += 1;
        }
        assert_eq!(count, 18);
    }
}
