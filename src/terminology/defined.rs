//! A code system in memory, made from a CodeSystem resource (FHIR R4 codesystem.html).
//!
//! The hierarchy is what is nested, and what properties say that mean parent or child
//! (`http://hl7.org/fhir/concept-properties#parent`). A concept may have several parents; circles
//! that a resource describes are walked once.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::concept::{
    CodeSystem, Concept, Content, Designation, Header, Hierarchy, Property, PropertyDefinition, Selection, Unavailable,
};
use crate::format::json::Node;

const PROPERTIES: &str = "http://hl7.org/fhir/concept-properties#";
const STANDARDS_STATUS: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-standards-status";

type Map<K, V> = HashMap<K, V, RandomState>;

/// Concepts in the order of the resource, depth first.
#[derive(Debug)]
pub(super) struct DefinedSystem {
    header: Header,
    concepts: Vec<Arc<Concept>>,
    by_code: Map<String, usize>,
    /// Lower case → place; absent where case matters.
    by_folded: Option<Map<String, usize>>,
    parents: Vec<Vec<usize>>,
    children: Vec<Vec<usize>>,
    size: usize,
}

/// Roles of properties that have one, by their codes.
#[derive(Default)]
struct Roles {
    parent: HashSet<String>,
    child: HashSet<String>,
    inactive: HashSet<String>,
    status: HashSet<String>,
    not_selectable: HashSet<String>,
    deprecated: HashSet<String>,
}

impl Roles {
    fn read(properties: &[PropertyDefinition]) -> Self {
        let mut roles = Self::default();
        // Codes of the standard need no definition (FHIR R4 codesystem-concept-properties.html).
        for code in ["parent", "child", "inactive", "status", "notSelectable", "deprecationDate", "deprecated"] {
            roles.add(code, code);
        }
        roles.add("abstract", "notSelectable");
        roles.add("subsumedBy", "parent");
        for property in properties {
            if let Some(meaning) = property.uri.as_deref().and_then(|uri| uri.strip_prefix(PROPERTIES)) {
                roles.add(&property.code, meaning);
            }
        }
        roles
    }

    fn add(&mut self, code: &str, meaning: &str) {
        let set = match meaning {
            "parent" => &mut self.parent,
            "child" => &mut self.child,
            "inactive" => &mut self.inactive,
            "status" => &mut self.status,
            "notSelectable" => &mut self.not_selectable,
            "deprecationDate" | "deprecated" => &mut self.deprecated,
            _ => return,
        };
        set.insert(code.to_owned());
    }
}

fn text(node: &Node<'_>, name: &str) -> Option<String> {
    node.text(name).map(str::to_owned)
}

/// `designation` of a concept, of a CodeSystem or of a ValueSet.
pub(super) fn designations(concept: &Node<'_>) -> Vec<Designation> {
    let read = |designation: &Node<'_>| {
        Some(Designation {
            language: text(designation, "language"),
            usage: designation.get("use").map(|usage| usage.clone().into_owned()),
            value: text(designation, "value")?,
        })
    };
    concept.list("designation").iter().filter_map(read).collect()
}

/// One concept without those below. `links` gets what its properties say of the hierarchy: code below
/// code.
fn read_concept(node: &Node<'_>, roles: &Roles, links: &mut Vec<(String, String)>) -> Concept {
    let mut concept = Concept {
        code: text(node, "code").unwrap_or_default(),
        display: text(node, "display"),
        definition: text(node, "definition"),
        designations: designations(node),
        ..Concept::default()
    };
    for property in node.list("property") {
        read_property(&mut concept, property, roles, links);
    }
    for extension in node.list("extension") {
        if extension.text("url") == Some(STANDARDS_STATUS) && extension.text("valueCode") == Some("deprecated") {
            concept.is_deprecated = true;
        }
    }
    concept
}

fn read_property(concept: &mut Concept, node: &Node<'_>, roles: &Roles, links: &mut Vec<(String, String)>) {
    let Some(code) = node.text("code") else { return };
    let Some((element, value)) = node.members().iter().find(|(name, _)| name.starts_with("value")) else { return };
    let property = Property { code: code.to_owned(), element: element.to_string(), value: value.clone().into_owned() };
    let is_true = property.value.as_bool() == Some(true) || property.value.as_str() == Some("true");
    if roles.parent.contains(code) {
        links.push((concept.code.clone(), property.text().to_owned()));
        return;
    }
    if roles.child.contains(code) {
        links.push((property.text().to_owned(), concept.code.clone()));
        return;
    }
    if roles.not_selectable.contains(code) {
        concept.is_abstract |= is_true;
    } else if roles.inactive.contains(code) {
        concept.is_inactive |= is_true;
    } else if roles.status.contains(code) {
        concept.is_inactive |= matches!(property.text(), "retired" | "inactive");
        concept.is_deprecated |= property.text() == "deprecated";
    } else if roles.deprecated.contains(code) {
        concept.is_deprecated |= property.value.as_bool() != Some(false);
    }
    concept.properties.push(property);
}

impl Concept {
    /// Reads `CodeSystem.concept` of a system, without the concepts below.
    #[must_use]
    pub fn read(node: &Node<'_>, header: &Header) -> Self {
        read_concept(node, &Roles::read(&header.properties), &mut Vec::new())
    }

    /// The codes that its properties say are directly above it.
    pub(super) fn parents_of(node: &Node<'_>, header: &Header) -> Vec<String> {
        let mut links = Vec::new();
        let concept = read_concept(node, &Roles::read(&header.properties), &mut links);
        links.into_iter().filter(|(below, _)| *below == concept.code).map(|(_, above)| above).collect()
    }
}

struct Reading {
    system: DefinedSystem,
    roles: Roles,
    /// Code below code, by properties: resolved when all codes are known.
    links: Vec<(String, String)>,
}

impl DefinedSystem {
    /// Reads a CodeSystem; what makes no sense in it is left out.
    pub(super) fn read(resource: &Node<'_>) -> Self {
        let header = Self::header_of(resource);
        let by_folded = (header.case_sensitive != Some(true)).then(Map::default);
        let roles = Roles::read(&header.properties);
        let system = Self {
            header,
            concepts: Vec::new(),
            by_code: Map::default(),
            by_folded,
            parents: Vec::new(),
            children: Vec::new(),
            size: 512,
        };
        let mut reading = Reading { system, roles, links: Vec::new() };
        reading.concepts(resource.list("concept"), None);
        reading.link();
        reading.system
    }

    /// What a CodeSystem says of itself as a whole.
    pub(super) fn header_of(resource: &Node<'_>) -> Header {
        let properties = resource.list("property").iter().filter_map(|property| {
            Some(PropertyDefinition {
                code: text(property, "code")?,
                uri: text(property, "uri"),
                description: text(property, "description"),
            })
        });
        Header {
            url: text(resource, "url").unwrap_or_default(),
            version: text(resource, "version"),
            name: text(resource, "name"),
            title: text(resource, "title"),
            language: text(resource, "language"),
            case_sensitive: resource.get("caseSensitive").and_then(Node::as_bool),
            hierarchy: match resource.text("hierarchyMeaning") {
                None => Hierarchy::Unspecified,
                Some("is-a") => Hierarchy::IsA,
                Some(other) => Hierarchy::Other(other.to_owned()),
            },
            content: match resource.text("content") {
                Some("complete") => Content::Complete,
                Some("not-present" | "example") => Content::Name,
                _ => Content::Part,
            },
            properties: properties.collect(),
            compositional: resource.get("compositional").and_then(Node::as_bool) == Some(true),
        }
    }

    fn place(&self, code: &str) -> Option<usize> {
        if let Some(place) = self.by_code.get(code) {
            return Some(*place);
        }
        self.by_folded.as_ref()?.get(&code.to_lowercase()).copied()
    }

    /// Everything below a place, each once.
    fn descendants(&self, place: usize) -> HashSet<usize> {
        let mut found = HashSet::new();
        let mut open = vec![place];
        while let Some(place) = open.pop() {
            for child in self.children.get(place).into_iter().flatten() {
                if found.insert(*child) {
                    open.push(*child);
                }
            }
        }
        found
    }

    fn codes(&self, places: Option<&Vec<usize>>) -> Vec<String> {
        let concepts = places.into_iter().flatten().filter_map(|place| self.concepts.get(*place));
        concepts.map(|concept| concept.code.clone()).collect()
    }
}

impl Reading {
    fn concepts(&mut self, concepts: &[Node<'_>], parent: Option<usize>) {
        for node in concepts {
            let Some(code) = node.text("code") else { continue };
            let place = match self.system.by_code.get(code) {
                // The same code twice: one concept with two places in the hierarchy.
                Some(place) => *place,
                None => self.add(code, node),
            };
            if let Some(parent) = parent {
                self.below(place, parent);
            }
            self.concepts(node.list("concept"), Some(place));
        }
    }

    fn add(&mut self, code: &str, node: &Node<'_>) -> usize {
        let concept = read_concept(node, &self.roles, &mut self.links);
        let system = &mut self.system;
        let place = system.concepts.len();
        let texts = concept.designations.iter().map(|designation| designation.value.len() + 160);
        let own = concept.code.len() * 3 + concept.display.as_ref().map_or(0, String::len);
        system.size += 400
            + own
            + concept.definition.as_ref().map_or(0, String::len)
            + texts.sum::<usize>()
            + concept.properties.len() * 160;
        system.by_code.insert(code.to_owned(), place);
        if let Some(folded) = &mut system.by_folded {
            folded.entry(code.to_lowercase()).or_insert(place);
        }
        system.concepts.push(Arc::new(concept));
        system.parents.push(Vec::new());
        system.children.push(Vec::new());
        place
    }

    fn below(&mut self, child: usize, parent: usize) {
        if let Some(parents) = self.system.parents.get_mut(child)
            && !parents.contains(&parent)
            && child != parent
        {
            parents.push(parent);
            if let Some(children) = self.system.children.get_mut(parent) {
                children.push(child);
            }
        }
    }

    fn link(&mut self) {
        for (child, parent) in std::mem::take(&mut self.links) {
            if let (Some(child), Some(parent)) = (self.system.place(&child), self.system.place(&parent)) {
                self.below(child, parent);
            }
        }
    }
}

impl CodeSystem for DefinedSystem {
    fn header(&self) -> &Header {
        &self.header
    }

    fn find(&self, code: &str) -> Result<Option<Arc<Concept>>, Unavailable> {
        Ok(self.place(code).and_then(|place| self.concepts.get(place)).cloned())
    }

    fn contains(&self, code: &str) -> Result<bool, Unavailable> {
        Ok(self.place(code).is_some())
    }

    fn is_below(&self, code: &str, ancestor: &str) -> Result<bool, Unavailable> {
        let (Some(place), Some(ancestor)) = (self.place(code), self.place(ancestor)) else { return Ok(false) };
        if place == ancestor {
            return Ok(false);
        }
        let mut seen = HashSet::new();
        let mut open = vec![place];
        while let Some(place) = open.pop() {
            for parent in self.parents.get(place).into_iter().flatten() {
                if *parent == ancestor {
                    return Ok(true);
                }
                if seen.insert(*parent) {
                    open.push(*parent);
                }
            }
        }
        Ok(false)
    }

    fn parents(&self, code: &str) -> Result<Vec<String>, Unavailable> {
        Ok(self.codes(self.place(code).and_then(|place| self.parents.get(place))))
    }

    fn children(&self, code: &str) -> Result<Vec<String>, Unavailable> {
        Ok(self.codes(self.place(code).and_then(|place| self.children.get(place))))
    }

    fn walk(
        &self,
        selection: &Selection,
        skip: usize,
        visit: &mut dyn FnMut(&Arc<Concept>) -> ControlFlow<()>,
    ) -> Result<(), Unavailable> {
        let below = match &selection.below {
            None => None,
            Some((code, with_itself)) => {
                let Some(place) = self.place(code) else { return Ok(()) };
                let mut below = self.descendants(place);
                if *with_itself {
                    below.insert(place);
                } else {
                    below.remove(&place);
                }
                Some(below)
            }
        };
        let selected = self.concepts.iter().enumerate().filter(|(place, concept)| {
            below.as_ref().is_none_or(|below| below.contains(place))
                && !(selection.active_only && concept.is_inactive)
                && !(selection.selectable_only && concept.is_abstract)
                && concept.matches(&selection.words)
        });
        for (_, concept) in selected.skip(skip) {
            if visit(concept).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        self.size
    }
}
