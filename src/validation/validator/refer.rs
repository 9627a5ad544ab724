//! What a resource is in (a container, a bundle), and where its references lead inside that.
//!
//! FHIR R4 references.html#contained, bundle.html#references.

use std::cell::OnceCell;
use std::collections::HashMap;

use super::{Run, is_example};
use crate::fhirpath::{Environment, Item};
use crate::format::json::Node;
use crate::r4::bundle::{Entries, Found};
use crate::r4::outcome::{IssueCode, Severity};
use crate::r4::reference::Reference;
use crate::r4::{TypeId, definitions};
use crate::validation::instance::{self, Instance, node_of};
use crate::validation::place::Place;
use crate::validation::profile::element::{CORE, TypeRef};

/// A resource with what surrounds it.
#[derive(Debug)]
pub(crate) struct Scope<'s, 'r> {
    /// `%resource`
    pub(crate) resource: Item<'r>,
    /// `%rootResource`: the container of a contained resource.
    pub(crate) root: Item<'r>,
    /// The bundle it is an entry of.
    pub(crate) bundle: Option<&'s BundleScope<'r>>,
    /// Its `fullUrl` there.
    pub(crate) full_url: Option<&'r str>,
    /// Steps from the start to this resource.
    depth: usize,
    own: OnceCell<BundleScope<'r>>,
}

/// A bundle with its entries by URL, made when first asked.
#[derive(Debug)]
pub(crate) struct BundleScope<'r> {
    node: &'r Node<'r>,
    entries: OnceCell<Entries<'r>>,
    /// The `fullUrl` of each resource, by where the resource is.
    urls: OnceCell<HashMap<usize, &'r str>>,
}

/// Where a reference leads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'r> {
    /// To a resource at hand.
    Here { resource: Item<'r>, full_url: Option<&'r str>, how: How },
    /// To a resource elsewhere, of which at most the type is known.
    Elsewhere,
}

/// `http://hl7.org/fhir/resource-aggregation-mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Contained,
    Bundled,
}

impl<'r> BundleScope<'r> {
    pub(crate) const fn new(node: &'r Node<'r>) -> Self {
        Self { node, entries: OnceCell::new(), urls: OnceCell::new() }
    }

    /// The bundle itself.
    pub(crate) const fn node(&self) -> &'r Node<'r> {
        self.node
    }

    pub(crate) fn entries(&self) -> &Entries<'r> {
        self.entries.get_or_init(|| Entries::new(self.node))
    }

    /// The entry that holds a resource; where several could be meant, the first.
    fn find(&self, reference: &str, full_url: Option<&str>) -> Option<(&'r Node<'r>, Option<&'r str>)> {
        let urls = self.urls.get_or_init(|| {
            let entries = self.node.list("entry").iter();
            let pair = |entry: &'r Node<'r>| Some((address(entry.get("resource")?), entry.text("fullUrl")?));
            entries.filter_map(pair).collect()
        });
        let with_url = |found: &'r Node<'r>| (found, urls.get(&address(found)).copied());
        if self.node.text("resourceType") == Some("Parameters") {
            let Reference::Local { resource_type, id, .. } = Reference::parse(reference) else { return None };
            return parameter(self.node.list("parameter"), resource_type, id, 0).map(|found| (found, None));
        }
        if let Found::One(found) | Found::Several(found) = self.entries().find(reference, full_url) {
            return Some(with_url(found));
        }
        // Where an entry has no RESTful address, relative references in it are taken by type and id.
        let Reference::Local { resource_type, id, .. } = Reference::parse(reference) else { return None };
        if full_url.and_then(crate::r4::bundle::base_of).is_some() {
            return None;
        }
        let mut resources = self.node.list("entry").iter().filter_map(|entry| entry.get("resource"));
        let is_it = |resource: &&'r Node<'r>| {
            resource.text("resourceType") == Some(resource_type) && resource.text("id") == Some(id)
        };
        resources.find(is_it).map(with_url)
    }
}

impl<'s, 'r> Scope<'s, 'r> {
    pub(crate) const fn root(resource: Item<'r>) -> Self {
        Self { resource, root: resource, bundle: None, full_url: None, depth: 1, own: OnceCell::new() }
    }

    /// A copy, for what stays in the same resource.
    pub(crate) fn same(&self) -> Scope<'s, 'r> {
        self.with(self.resource, self.root, self.bundle, self.full_url, self.depth)
    }

    fn with<'t>(
        &self,
        resource: Item<'r>,
        root: Item<'r>,
        bundle: Option<&'t BundleScope<'r>>,
        full_url: Option<&'r str>,
        depth: usize,
    ) -> Scope<'t, 'r> {
        Scope { resource, root, bundle, full_url, depth, own: OnceCell::new() }
    }

    /// The scope of a resource below `owner`: contained, an entry of a bundle, a parameter.
    pub(crate) fn below<'t>(&'t self, owner: Item<'r>, child: &Instance<'r>, place: &Place<'_>) -> Scope<'t, 'r> {
        if child.name == "contained" {
            return self.with(child.item, self.root, self.bundle, self.full_url, place.depth());
        }
        self.below_item(owner, child.item, place)
    }

    /// As [`Self::below`], for what is not contained.
    pub(crate) fn below_item<'t>(&'t self, owner: Item<'r>, item: Item<'r>, place: &Place<'_>) -> Scope<'t, 'r> {
        let owner_name = definitions().get(owner.type_id).name.as_str();
        let is_entry = owner_name == "Bundle.entry";
        let bundle = if is_entry || owner_name == "Parameters.parameter" {
            Some(self.own.get_or_init(|| BundleScope::new(node_of(&self.resource))))
        } else {
            self.bundle
        };
        let full_url = if is_entry { node_of(&owner).text("fullUrl") } else { None };
        self.with(item, item, bundle, full_url, place.depth())
    }

    /// The path of an element from its resource on, without indexes: `Patient.contact.name`.
    pub(crate) fn path_of(&self, place: &Place<'_>) -> String {
        let mut names = Vec::new();
        let mut current = Some(place);
        for _ in self.depth..place.depth() {
            let Some(step) = current else { break };
            names.push(step.name());
            current = step.parent();
        }
        names.push(&definitions().get(self.resource.type_id).name);
        names.reverse();
        names.join(".")
    }

    /// The type of what is at a path of this resource before its last steps `rest`.
    pub(crate) fn path_types(&self, path: &str, rest: &str) -> Option<TypeId> {
        let before = path.strip_suffix(rest)?.strip_suffix('.')?;
        let all = definitions();
        let mut current = self.resource.type_id;
        for name in before.split('.').skip(1) {
            let element = all.get(current).elements.iter().find(|element| element.name == name)?;
            current = element.types.first()?.type_id;
        }
        Some(current)
    }

    /// What expressions may ask of the surroundings.
    pub(crate) fn environment(&self) -> Environment<'_>
    where
        'r: 's,
    {
        Environment {
            resource: Some(self.resource),
            root: Some(self.root),
            bundle: self.bundle.map(|bundle| (bundle.entries(), self.full_url)),
            ..Environment::default()
        }
    }

    /// The scope of what a reference of this one leads to.
    pub(crate) fn of_target(&self, target: Item<'r>, full_url: Option<&'r str>, how: How) -> Scope<'s, 'r> {
        match how {
            How::Contained => self.with(target, self.root, self.bundle, self.full_url, self.depth),
            How::Bundled => self.with(target, target, self.bundle, full_url, self.depth),
        }
    }

    /// Finds the resource a literal reference means.
    pub(crate) fn resolve(&self, reference: &str) -> Target<'r> {
        let here = |node: &'r Node<'r>, full_url, how| match instance::resource_type(node) {
            Some(type_id) => Target::Here { resource: Item::new(type_id, node), full_url, how },
            None => Target::Elsewhere,
        };
        let root = node_of(&self.root);
        if let Reference::Fragment(id) = Reference::parse(reference) {
            if id.is_empty() {
                return Target::Here { resource: self.root, full_url: self.full_url, how: How::Contained };
            }
            let found = root.list("contained").iter().find(|contained| contained.text("id") == Some(id));
            return found.map_or(Target::Elsewhere, |found| here(found, self.full_url, How::Contained));
        }
        match self.bundle.and_then(|bundle| bundle.find(reference, self.full_url)) {
            Some((resource, full_url)) => here(resource, full_url, How::Bundled),
            None => Target::Elsewhere,
        }
    }

    fn is_at(&self, item: &Item<'r>) -> bool {
        std::ptr::eq(node_of(&self.resource), node_of(item))
    }
}

impl<'r> Run<'_, 'r> {
    /// Checks what a Reference leads to against the types and profiles its element allows.
    pub(super) fn reference(
        &mut self,
        item: Item<'r>,
        allowed: &[TypeRef],
        place: &Place<'_>,
        scope: &Scope<'_, 'r>,
        of: &str,
    ) {
        let Some(reference) = node_of(&item).text("reference") else {
            self.target_type(node_of(&item).text("type"), allowed, place, of);
            return;
        };
        let target = scope.resolve(reference);
        let aggregation: Vec<&str> = allowed.iter().flat_map(|found| &found.aggregation).map(String::as_str).collect();
        if !aggregation.is_empty() {
            let how = match target {
                Target::Here { how: How::Contained, .. } => "contained",
                Target::Here { how: How::Bundled, .. } => "bundled",
                Target::Elsewhere if reference.starts_with('#') => "contained",
                Target::Elsewhere => "referenced",
            };
            let is_allowed = aggregation.contains(&how) || how == "bundled" && aggregation.contains(&"referenced");
            if !is_allowed {
                let parameters = vec![reference.to_owned(), how.to_owned(), aggregation.join(", "), of.to_owned()];
                self.report(Severity::Error, IssueCode::Structure, "aggregation", parameters, place);
            }
        }
        if self.options.resolve_references
            && matches!(target, Target::Elsewhere)
            && !reference.starts_with('#')
            && !is_example(reference)
        {
            let parameters = vec![reference.to_owned()];
            self.report(Severity::Error, IssueCode::NotFound, "reference-unresolved", parameters, place);
        }
        let targets: Vec<&str> = allowed.iter().flat_map(|found| &found.targets).map(String::as_str).collect();
        if targets.is_empty() {
            return;
        }
        match target {
            Target::Here { resource, full_url, how } => {
                let type_name = definitions().get(resource.type_id).name.as_str();
                if !self.target_type(Some(type_name), allowed, place, of) {
                    return;
                }
                let profiles: Vec<&str> = targets.iter().copied().filter(|url| !is_core_type(url)).collect();
                let is_met_by_type = targets
                    .iter()
                    .filter_map(|url| url.strip_prefix(CORE))
                    .filter_map(|name| definitions().type_id(name))
                    .any(|id| definitions().is_a(resource.type_id, id));
                if profiles.is_empty() || is_met_by_type || scope.is_at(&resource) {
                    return;
                }
                let inner = scope.of_target(resource, full_url, how);
                let is_known = |profile: &&str| self.validator.profile(profile, false).is_ok();
                let (known, unknown): (Vec<&str>, Vec<&str>) = profiles.iter().copied().partition(is_known);
                if known.iter().any(|profile| self.is_conformant(profile, resource, place, &inner)) {
                    return;
                }
                // It must conform to one of them (elementdefinition-definitions.html#type.targetProfile): where one is
                // unknown that cannot be said of what is at hand, which HL7's validator takes for an error as well.
                if !unknown.is_empty() {
                    let parameters = vec![reference.to_owned(), unknown.join(", "), of.to_owned()];
                    self.report(Severity::Error, IssueCode::NotFound, "target-profile-unknown", parameters, place);
                } else {
                    let parameters = vec![reference.to_owned(), profiles.join(", "), of.to_owned()];
                    self.report(Severity::Error, IssueCode::Structure, "target-profile", parameters, place);
                }
            }
            Target::Elsewhere => {
                let named = named_type(reference, node_of(&item)).map(|id| definitions().get(id).name.as_str());
                self.target_type(named, allowed, place, of);
            }
        }
    }

    /// Whether a type may be referred to; an unknown type may.
    fn target_type(&mut self, name: Option<&str>, allowed: &[TypeRef], place: &Place<'_>, of: &str) -> bool {
        let all = definitions();
        let Some(id) = name.and_then(|name| all.resource(name)) else { return true };
        let mut names: Vec<String> = Vec::new();
        for url in allowed.iter().flat_map(|found| &found.targets) {
            let type_name = match url.strip_prefix(CORE).filter(|name| all.type_id(name).is_some()) {
                Some(name) => name.to_owned(),
                None => match self.validator.profile(url, false) {
                    Ok(profile) => profile.snapshot.type_name.clone(),
                    // Nobody knows what an unknown profile is about.
                    Err(_) => return true,
                },
            };
            if all.type_id(&type_name).is_none_or(|allowed| all.is_a(id, allowed)) {
                return true;
            }
            names.push(type_name);
        }
        if names.is_empty() {
            return true;
        }
        let parameters = vec![all.get(id).name.clone(), names.join(", "), of.to_owned()];
        self.report(Severity::Error, IssueCode::Structure, "target-type", parameters, place);
        false
    }
}

/// The type that a reference to something elsewhere names.
pub(super) fn named_type(reference: &str, node: &Node<'_>) -> Option<TypeId> {
    let name = match Reference::parse(reference) {
        Reference::Local { resource_type, .. } | Reference::Absolute { resource_type, .. } => Some(resource_type),
        _ => node.text("type"),
    };
    definitions().resource(name?)
}

/// A resource among parameters and their parts, which stand beside each other like entries of a Bundle.
fn parameter<'r>(list: &'r [Node<'r>], type_name: &str, id: &str, depth: usize) -> Option<&'r Node<'r>> {
    let is_it =
        |resource: &&'r Node<'r>| resource.text("resourceType") == Some(type_name) && resource.text("id") == Some(id);
    list.iter().filter(|_| depth < 20).find_map(|part| {
        part.get("resource").filter(is_it).or_else(|| parameter(part.list("part"), type_name, id, depth + 1))
    })
}

fn address(node: &Node<'_>) -> usize {
    std::ptr::from_ref(node) as usize
}

fn is_core_type(url: &str) -> bool {
    url.strip_prefix(CORE).is_some_and(|name| definitions().type_id(name).is_some())
}
