//! The whole of what a profile says: its snapshot, read where there is one, otherwise made from the
//! definition it derives from and its differential.
//!
//! FHIR R4 profiling.html: a differential says what changes; elements of data types are walked into
//! (`identifier.system`), a slice starts as a copy of what it slices, `valueQuantity` is the slice of
//! `value[x]` with that type, a content reference has the children of what it names.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock};

use super::element::{CORE, DiscriminatorKind, ElementDef, Slicing, SlicingRules, Strength};
use super::tree::{Step, Tree, capitalised, steps_of};
use crate::format::json::{self, Node};
use crate::r4::canonical::{self, Canonicals};
use crate::r4::pack::{self, Section};

/// What the profiles of vital signs are derived from.
const VITAL_SIGNS: &str = "http://hl7.org/fhir/StructureDefinition/vitalsigns";
/// Deepest chain of definitions that need each other.
const MAX_CHAIN: usize = 40;

/// What a definition is about and says, whichever way it was written.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) url: String,
    /// `Patient`, `Extension`; for logical models the last part of the URL.
    pub(crate) type_name: String,
    /// A constraint on a type rather than a type.
    pub(crate) is_profile: bool,
    pub(crate) is_logical: bool,
    /// Where an extension may be used: (kind, expression).
    pub(crate) contexts: Vec<(String, String)>,
    /// What must be true of an element that has an extension (StructureDefinition.contextInvariant).
    pub(crate) context_invariants: Vec<String>,
    pub(crate) tree: Tree,
}

/// Why a definition cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// No source knows it.
    #[error("the definition {0} is not known here")]
    Unknown(String),
    /// It needs itself.
    #[error("the definition {0} is derived from itself")]
    Circular(String),
    /// It cannot be understood.
    #[error("the definition {url} cannot be used: {reason}")]
    Unusable {
        /// Which.
        url: String,
        /// Why.
        reason: String,
    },
}

/// Snapshots by canonical URL, made when first asked for.
#[derive(Debug)]
pub(crate) struct Snapshots {
    pub(crate) source: Arc<dyn Canonicals>,
    made: RwLock<HashMap<String, Result<Arc<Snapshot>, ProfileError>>>,
}

impl Snapshots {
    pub(crate) fn new(source: Arc<dyn Canonicals>) -> Self {
        Self { source, made: RwLock::default() }
    }

    /// The snapshot of a canonical (`url|version`).
    ///
    /// # Errors
    /// When it, or something it is derived from, is unknown or cannot be used.
    pub(crate) fn get(&self, canonical: &str) -> Result<Arc<Snapshot>, ProfileError> {
        self.chained(canonical, &mut Vec::new())
    }

    fn chained(&self, canonical: &str, chain: &mut Vec<String>) -> Result<Arc<Snapshot>, ProfileError> {
        if let Some(found) = self.made.read().ok().and_then(|made| made.get(canonical).cloned()) {
            return found;
        }
        if chain.iter().any(|earlier| earlier == canonical) || chain.len() > MAX_CHAIN {
            return Err(ProfileError::Circular(canonical.to_owned()));
        }
        chain.push(canonical.to_owned());
        let made = self.make(canonical, chain).map(Arc::new);
        chain.pop();
        // Within a chain a circle may have left out what a fresh start would find.
        if (chain.is_empty() || made.is_ok())
            && let Ok(mut cache) = self.made.write()
        {
            cache.insert(canonical.to_owned(), made.clone());
        }
        made
    }

    fn make(&self, canonical: &str, chain: &mut Vec<String>) -> Result<Snapshot, ProfileError> {
        if let Some((whole, id)) = canonical.split_once('#') {
            return self.part(whole, id, chain);
        }
        let (url, version) = canonical::split(canonical);
        if let Some(name) = url.strip_prefix(CORE)
            && let Some(snapshot) = core_type(name)
        {
            return Ok(snapshot);
        }
        let found = self.source.find("StructureDefinition", url, version);
        let definition = found.ok_or_else(|| ProfileError::Unknown(canonical.to_owned()))?;
        let unusable = |reason: &str| ProfileError::Unusable { url: url.to_owned(), reason: reason.to_owned() };
        let elements = |view: &str| -> Vec<ElementDef> {
            let elements = definition.get(view).map_or(&[][..], |view| view.list("element"));
            elements.iter().map(ElementDef::read).map(|element| with_usable_binding(element, &definition)).collect()
        };
        let snapshot = elements("snapshot");
        let tree = if snapshot.is_empty() {
            self.derive(&definition, elements("differential"), chain)?
        } else {
            Tree::from_snapshot(snapshot).ok_or_else(|| unusable("its snapshot is empty"))?
        };
        let type_name = definition.text("type").unwrap_or_default();
        let text = |node: &Node<'_>, name: &str| node.text(name).unwrap_or_default().to_owned();
        let context = |node: &Node<'_>| (text(node, "type"), text(node, "expression"));
        Ok(Snapshot {
            url: url.to_owned(),
            type_name: type_name.rsplit_once('/').map_or(type_name, |(_, name)| name).to_owned(),
            is_profile: true,
            is_logical: definition.text("kind") == Some("logical"),
            contexts: definition.list("context").iter().map(context).collect(),
            context_invariants: definition
                .list("contextInvariant")
                .iter()
                .filter_map(Node::as_str)
                .map(str::to_owned)
                .collect(),
            tree,
        })
    }

    /// An element of a profile, for elements elsewhere that must be as it is
    /// (the extension elementdefinition-profile-element).
    fn part(&self, canonical: &str, id: &str, chain: &mut Vec<String>) -> Result<Snapshot, ProfileError> {
        let whole = self.chained(canonical, chain)?;
        let mut tree = whole.tree.element(id).cloned().ok_or_else(|| ProfileError::Unusable {
            url: canonical.to_owned(),
            reason: format!("it has no element {id}"),
        })?;
        // How often it may be there, and what it is told apart by, is said where it is used.
        tree.def = ElementDef { slicing: None, slice_name: None, min: None, max: None, ..tree.def };
        Ok(Snapshot {
            url: format!("{}#{id}", whole.url),
            type_name: tree.def.path.clone(),
            is_profile: true,
            is_logical: whole.is_logical,
            contexts: Vec::new(),
            context_invariants: Vec::new(),
            tree,
        })
    }

    /// The tree of a definition that no source has.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn derive_from(&self, definition: &Node<'_>) -> Result<Tree, ProfileError> {
        let view = definition.get("differential").map_or(&[][..], |view| view.list("element"));
        self.derive(definition, view.iter().map(ElementDef::read).collect(), &mut Vec::new())
    }

    fn derive(
        &self,
        definition: &Node<'_>,
        changes: Vec<ElementDef>,
        chain: &mut Vec<String>,
    ) -> Result<Tree, ProfileError> {
        let url = definition.text("url").unwrap_or_default();
        let base = definition.text("baseDefinition").ok_or_else(|| ProfileError::Unusable {
            url: url.to_owned(),
            reason: "it has neither a snapshot nor a baseDefinition".to_owned(),
        })?;
        let mut tree = match self.chained(base, chain) {
            Ok(base) => base.tree.clone(),
            Err(ProfileError::Unknown(_)) if definition.text("kind") == Some("logical") => Tree::default(),
            Err(error) => return Err(error),
        };
        let type_name = definition.text("type").unwrap_or_default();
        let mut work = Derivation { snapshots: self, chain, type_name };
        let places = steps_of(&changes);
        for (change, steps) in changes.iter().zip(&places) {
            work.apply(&mut tree, steps, change).map_err(|reason| match reason {
                Reason::Definition(error) => error,
                Reason::Text(reason) => ProfileError::Unusable { url: url.to_owned(), reason },
            })?;
        }
        finish(&mut tree);
        Ok(tree)
    }
}

/// What slices leave unsaid.
/// An element whose binding can be used outside of its definition.
///
/// A value set that the definition contains (`#id`) is named by the definition as well. And R4's vital signs
/// ask for units of `ucum-vitals-common` in values of components of every type, codes and ratios included:
/// an error in the standard, which HL7's validator reads as extensible.
fn with_usable_binding(mut element: ElementDef, definition: &Node<'_>) -> ElementDef {
    let url = definition.text("url").unwrap_or_default();
    let is_vital_sign = url == VITAL_SIGNS || definition.text("baseDefinition") == Some(VITAL_SIGNS);
    if let Some(binding) = &mut element.binding {
        if binding.value_set.starts_with('#') {
            let version = definition.text("version").map(|version| format!("|{version}")).unwrap_or_default();
            binding.value_set = format!("{url}{version}{}", binding.value_set);
        } else if is_vital_sign
            && url.starts_with(CORE)
            && element.path == "Observation.component.value[x]"
            && binding.value_set.starts_with("http://hl7.org/fhir/ValueSet/ucum-vitals-common")
        {
            binding.strength = Strength::Extensible;
        }
    }
    element
}

fn finish(tree: &mut Tree) {
    tree.imply_slicing();
    for below in tree.children.iter_mut().chain(&mut tree.slices) {
        finish(below);
    }
}

enum Reason {
    Definition(ProfileError),
    Text(String),
}

struct Derivation<'s> {
    snapshots: &'s Snapshots,
    chain: &'s mut Vec<String>,
    type_name: &'s str,
}

impl Derivation<'_> {
    fn apply(&mut self, tree: &mut Tree, steps: &[Step], change: &ElementDef) -> Result<(), Reason> {
        let [step, rest @ ..] = steps else {
            let path = tree.def.path.clone();
            tree.def.merge(change);
            if path.is_empty() {
                tree.def.path.clone_from(&change.path);
            }
            return Ok(());
        };
        self.expand(tree)?;
        let Some((place, chosen)) = tree.place_of(&step.segment) else {
            // A logical model, or a type of its own, adds elements.
            if rest.is_empty() && step.slice.is_none() {
                tree.children.push(Tree::leaf(change.clone()));
                return Ok(());
            }
            return Err(Reason::Text(format!("{} is not an element of {}", step.segment, tree.def.path)));
        };
        let Some(child) = tree.children.get_mut(place) else { return Ok(()) };
        if let Some(chosen) = chosen {
            let name = step.segment.clone();
            let slice = step.slice.as_ref().filter(|slice| **slice != name).unwrap_or(&name);
            let only = child.def.types.len() == 1
                && !child.slices.iter().any(|tree| tree.def.slice_name.as_ref() == Some(slice));
            if only && step.slice.is_none() && !rest.is_empty() {
                return self.apply(child, rest, change);
            }
            if child.def.slicing.is_none() {
                // The short form leaves no other type (as HL7's own snapshots have it).
                child.def.slicing = Some(Slicing {
                    discriminators: vec![(DiscriminatorKind::Type, "$this".to_owned())],
                    ordered: false,
                    rules: SlicingRules::Closed,
                });
            }
            let target = Self::slice(child, slice);
            target.def.types.retain(|found| capitalised(&found.code) == chosen);
            return self.apply(target, rest, change);
        }
        match &step.slice {
            Some(slice) => {
                let is_new = child.slice_mut(slice).is_none();
                let target = Self::slice(child, slice);
                if is_new
                    && target.def.is_choice()
                    && change.types.is_empty()
                    && let Some(chosen) = slice.strip_prefix(target.def.name())
                {
                    let chosen = chosen.to_owned();
                    if target.def.types.iter().any(|found| capitalised(&found.code) == chosen) {
                        target.def.types.retain(|found| capitalised(&found.code) == chosen);
                    }
                }
                self.apply(target, rest, change)
            }
            None => self.apply(child, rest, change),
        }
    }

    /// The slice of this name, made when it is new.
    fn slice<'t>(element: &'t mut Tree, name: &str) -> &'t mut Tree {
        if element.slice_mut(name).is_none() {
            let parent = match name.rsplit_once('/') {
                Some((outer, _)) if element.slice_mut(outer).is_some() => element.slice_mut(outer),
                _ => None,
            };
            match parent {
                Some(parent) => {
                    let new = parent.new_slice(name);
                    parent.slices.push(new);
                }
                None => {
                    let new = element.new_slice(name);
                    element.slices.push(new);
                }
            }
        }
        // Found above, or just made.
        match element.slices.iter().position(|tree| tree.def.slice_name.as_deref() == Some(name)) {
            Some(place) => &mut element.slices[place],
            None => match name.rsplit_once('/') {
                Some((outer, _)) => {
                    let outer = Self::slice(element, outer);
                    Self::slice(outer, name)
                }
                None => element,
            },
        }
    }

    /// Gives an element the children that its type (or profile, or content reference) has.
    fn expand(&mut self, tree: &mut Tree) -> Result<(), Reason> {
        if !tree.children.is_empty() {
            return Ok(());
        }
        if let Some(reference) = &tree.def.content_reference {
            let owner = reference.split_once('.').map_or(reference.as_str(), |(owner, _)| owner);
            let owner = if owner.is_empty() { self.type_name } else { owner };
            let definition = self.find(&format!("{CORE}{owner}"))?;
            let mut found = Some(&definition.tree);
            for segment in reference.split('.').skip(1) {
                found = found.and_then(|tree| tree.child(segment.strip_suffix("[x]").unwrap_or(segment)));
            }
            tree.children = found.map(|found| found.children.clone()).unwrap_or_default();
            return Ok(());
        }
        let definition = match self.expansion(&tree.def) {
            Some(url) => self.find(&url),
            None => return Ok(()),
        };
        let definition = match (definition, tree.def.types.first()) {
            (Ok(definition), _) => definition,
            // A profile that needs this one, or is not here: the type's own elements do.
            (Err(_), Some(found)) if !found.profiles.is_empty() => self.find(&format!("{CORE}{}", found.code))?,
            (Err(error), _) => return Err(error),
        };
        tree.children = definition.tree.children.clone();
        Ok(())
    }

    fn expansion(&self, def: &ElementDef) -> Option<String> {
        let first = def.types.first()?;
        let is_one = def.types.iter().all(|found| found.code == first.code);
        if !is_one {
            return Some(format!("{CORE}Element"));
        }
        match first.profiles.as_slice() {
            [profile] if def.types.len() == 1 => Some(profile.clone()),
            _ => Some(format!("{CORE}{}", first.code)),
        }
    }

    fn find(&mut self, url: &str) -> Result<Arc<Snapshot>, Reason> {
        self.snapshots.chained(url, self.chain).map_err(Reason::Definition)
    }
}

/// One of the standard's own types, from its tables.
fn core_type(name: &str) -> Option<Snapshot> {
    let (text, lines) = type_lines();
    let (start, end) = *lines.get(name)?;
    let node = json::parse(text.get(start..end)?).ok()?;
    let mut elements: Vec<ElementDef> = node.list("elements").iter().map(ElementDef::read_compact).collect();
    let root = ElementDef::read_compact(&Node::object([("inv", Node::Array(node.list("constraints").to_vec()))]));
    if let Some(first) = elements.first_mut() {
        first.constraints = root.constraints;
    }
    Some(Snapshot {
        url: format!("{CORE}{name}"),
        type_name: name.to_owned(),
        is_profile: false,
        is_logical: false,
        contexts: Vec::new(),
        context_invariants: Vec::new(),
        tree: Tree::from_snapshot(elements)?,
    })
}

type Lines = (Vec<u8>, HashMap<String, (usize, usize)>);

fn type_lines() -> &'static Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    LINES.get_or_init(|| {
        let text = pack::section(Section::Types).unwrap_or_default();
        let mut lines = HashMap::new();
        let mut start = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let end = start + line.len();
            if let Ok(node) = json::parse(line)
                && let Some(name) = node.text("name")
            {
                lines.insert(name.to_owned(), (start, end));
            }
            start = end;
        }
        (text, lines)
    })
}
