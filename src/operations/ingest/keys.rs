//! Which entry of one version is which entry of the next: keys, and the ids made of them.
//!
//! In order of trust:
//!
//! 1. **A business identifier** (`identifier` system and value). `resourceInstance-identifier` first,
//!    where there is one. The numbers of a prescription (RP number, order in it) are no identity:
//!    every prescription has an RP 1.
//! 2. **A fullUrl that is not a `urn:uuid`**: the sender's own, lasting address.
//! 3. **What it is**: type, section and main code (`code`, `type`, `class`, `title`, `name` …), and,
//!    among several such, their order. Better than order alone: when one drug is taken out of a list,
//!    those after it remain themselves.
//!
//! Some senders give the same identifier to several entries of a document (seen in published
//! examples). Then "what it is" is added to the key of each, and the sender is told.

use std::collections::HashMap;

use super::document::{Document, name_id};
use super::patient::best_identifier;
use super::sections::Placed;
use crate::format::json::Node;
use crate::r4::outcome::{Issue, IssueCode};

/// What becomes of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// Belongs to the document: stored under its own id.
    Put,
    /// Shared: created unless somebody has the identifier.
    Create {
        /// For `ifNoneExist`.
        criteria: String,
    },
    /// A Patient who is here already and gets something added.
    Merge { id: String, version: Option<String> },
    /// A Patient who is here already and has all of it.
    Existing { id: String },
    /// The same organization or person as an earlier entry.
    SameAs(usize),
    /// Of a document entered in error.
    Withdrawn,
}

/// An entry with its id.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) place: usize,
    pub(super) id: String,
    pub(super) fate: Fate,
}

impl Item {
    pub(super) fn full_url(&self) -> String {
        format!("urn:uuid:{}", self.id)
    }
}

/// Identifiers that number a line of a prescription, not a thing.
const NUMBERING: [&str; 2] = ["Medication-RPGroupNumber", "MedicationAdministrationIndex"];

/// Ids and fates of all entries, in the order of the document.
pub(super) fn assign(document: &Document<'_>, placed: &Placed, issues: &mut Vec<Issue>) -> Vec<Item> {
    let mut keys: Vec<String> = Vec::new();
    for (place, entry) in document.entries.iter().enumerate() {
        let key = if place == document.composition {
            "document".to_owned()
        } else if let Some(identifier) = business_identifier(entry.resource) {
            identifier
        } else if let Some(url) = entry.full_url.filter(|url| !url.starts_with("urn:")) {
            url.to_owned()
        } else {
            content_key(entry.resource, placed.section_of(place))
        };
        keys.push(format!("{}\n{key}", entry.type_name));
    }
    let mut shared: HashMap<String, usize> = HashMap::new();
    let mut items: Vec<Item> = Vec::new();
    let repeated = repeated(&keys);
    let mut ordinals: HashMap<String, usize> = HashMap::new();
    for (place, (entry, key)) in document.entries.iter().zip(&keys).enumerate() {
        let fate = match shared_criteria(entry.type_name, entry.resource) {
            Some(criteria) => match shared.get(&format!("{}?{criteria}", entry.type_name)) {
                Some(first) if same_name(document, *first, place) => Fate::SameAs(*first),
                Some(first) => {
                    let text = format!("entry[{first}] has the same identifier and another name: kept apart");
                    let path = format!("Bundle.entry[{place}].resource.identifier");
                    issues.push(Issue::warning(IssueCode::Duplicate, text).at(path));
                    Fate::Put
                }
                None => {
                    shared.insert(format!("{}?{criteria}", entry.type_name), place);
                    Fate::Create { criteria }
                }
            },
            None => Fate::Put,
        };
        let mut full = key.clone();
        if repeated.contains_key(key.as_str()) {
            full = format!("{full}\n{}", content_key(entry.resource, placed.section_of(place)));
            let identified = business_identifier(entry.resource).is_some();
            let first = repeated.get(key.as_str()).copied().unwrap_or(place);
            if identified && fate == Fate::Put && first != place {
                let text = format!("entry[{first}] has the same identifier: told apart by what they are about");
                let path = format!("Bundle.entry[{place}].resource.identifier");
                issues.push(Issue::warning(IssueCode::Duplicate, text).at(path));
            }
        }
        let ordinal = ordinals.entry(full.clone()).or_insert(0);
        let id = name_id(&[&document.identity.key, &full, &ordinal.to_string()]);
        *ordinal += 1;
        items.push(Item { place, id, fate });
    }
    items
}

/// Keys that occur more than once, with the place of the first.
fn repeated(keys: &[String]) -> HashMap<&str, usize> {
    let mut first: HashMap<&str, usize> = HashMap::new();
    let mut repeated = HashMap::new();
    for (place, key) in keys.iter().enumerate() {
        match first.get(key.as_str()) {
            Some(earlier) => {
                repeated.entry(key.as_str()).or_insert(*earlier);
            }
            None => {
                first.insert(key, place);
            }
        }
    }
    repeated
}

fn shared_criteria(type_name: &str, resource: &Node<'_>) -> Option<String> {
    matches!(type_name, "Patient" | "Organization" | "Practitioner").then(|| best_identifier(resource)).flatten()
}

fn same_name(document: &Document<'_>, first: usize, second: usize) -> bool {
    let name = |place: usize| document.entries.get(place).and_then(|entry| words(entry.resource.get("name")?));
    match (name(first), name(second)) {
        (Some(first), Some(second)) => first == second,
        _ => true,
    }
}

fn business_identifier(resource: &Node<'_>) -> Option<String> {
    let identifiers = match resource.get("identifier")? {
        Node::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let usable = |identifier: &&Node<'_>| {
        let system = identifier.text("system").unwrap_or_default();
        identifier.text("value").is_some_and(|value| !value.trim().is_empty())
            && !NUMBERING.iter().any(|numbering| system.ends_with(numbering))
    };
    let instance = |identifier: &&&Node<'_>| {
        identifier.text("system").is_some_and(|system| system.ends_with("resourceInstance-identifier"))
    };
    let usable: Vec<&Node<'_>> = identifiers.iter().filter(usable).collect();
    let chosen = usable.iter().find(instance).or_else(|| usable.first())?;
    Some(format!(
        "{}|{}",
        chosen.text("system").unwrap_or_default(),
        chosen.text("value").unwrap_or_default().trim().replace('^', "-")
    ))
}

/// What an entry is about, in as few words as tell it from others.
fn content_key(resource: &Node<'_>, section: Option<&str>) -> String {
    const TELLING: [&str; 13] = [
        "code",
        "medicationCodeableConcept",
        "vaccineCode",
        "type",
        "relationship",
        "description",
        "title",
        "name",
        "class",
        "category",
        "subscriberId",
        "url",
        "contentType",
    ];
    let words = TELLING.iter().filter_map(|name| words(resource.get(name)?)).take(2).collect::<Vec<_>>().join("\n");
    format!("{}\n{words}", section.unwrap_or_default())
}

/// A string, a concept, a coding or a name as one word; of a list the first.
fn words(node: &Node<'_>) -> Option<String> {
    match node {
        Node::String(text) => Some(text.split_whitespace().collect()),
        Node::Array(items) => items.iter().find_map(words),
        Node::Object(_) => {
            if let Some(coding) = node.list("coding").first() {
                return words(coding);
            }
            let of = |name: &str| node.text(name).filter(|text| !text.is_empty());
            let text = match of("code") {
                Some(code) => format!("{}|{code}", of("system").unwrap_or_default()),
                None => of("text").or_else(|| of("family")).or_else(|| of("display"))?.to_owned(),
            };
            Some(text.split_whitespace().collect())
        }
        _ => None,
    }
}
