//! A reference to a contained resource must find it, and a contained resource must be referred to
//! (FHIR R4 references.html#contained; `dom-3`, with references in narratives as well). The type that a
//! reference states is that of its target (references-definitions.html#Reference.type).

use std::collections::HashSet;

use crate::fhirpath::Item;
use crate::format::json::Node;
use crate::r4::definitions;
use crate::r4::outcome::{IssueCode, Severity};
use crate::r4::reference::Reference;
use crate::validation::instance::node_of;
use crate::validation::place::Place;
use crate::validation::profile::element::CORE;
use crate::validation::validator::{Run, Scope, Target};

pub(super) fn element<'r>(run: &mut Run<'_, 'r>, item: Item<'r>, place: &Place<'_>, scope: &Scope<'_, 'r>) {
    if definitions().get(item.type_id).name != "Reference" {
        return;
    }
    let node = node_of(&item);
    let Some(reference) = node.text("reference") else { return };
    let declared = node.text("type").map(|name| name.strip_prefix(CORE).unwrap_or(name));
    let declared = declared.and_then(|name| definitions().resource(name));
    let is_contained = reference.starts_with('#');
    if !is_contained && declared.is_none() {
        return;
    }
    let actual = match scope.resolve(reference) {
        Target::Here { resource, .. } => Some(resource.type_id),
        Target::Elsewhere => match Reference::parse(reference) {
            Reference::Local { resource_type, .. } | Reference::Absolute { resource_type, .. } => {
                definitions().resource(resource_type)
            }
            _ => None,
        },
    };
    if is_contained && actual.is_none() {
        run.report(Severity::Error, IssueCode::NotFound, "contained-missing", vec![reference.to_owned()], place);
    }
    // "If both … are populated and Reference.reference is a FHIR URL, both SHALL be consistent."
    if let (Some(declared), Some(actual)) = (declared, actual)
        && declared != actual
    {
        let name = |id| definitions().get(id).name.clone();
        let parameters = vec![name(declared), reference.to_owned(), name(actual)];
        run.report(Severity::Error, IssueCode::Invalid, "reference-type", parameters, &place.child("type", None));
    }
}

/// `dom-3`: each contained resource is referred to from its container, from another one that is, or refers to
/// its container. References among contained resources that nothing outside them leads to do not count.
pub(super) fn resource<'r>(run: &mut Run<'_, 'r>, item: Item<'r>, place: &Place<'_>) {
    let node = node_of(&item);
    let contained = node.list("contained");
    if contained.is_empty() {
        return;
    }
    let mut named = HashSet::new();
    for (_, value) in node.members().iter().filter(|(name, _)| name != "contained") {
        fragments(value, &mut named);
    }
    let own: Vec<HashSet<&str>> = contained
        .iter()
        .map(|resource| {
            let mut own = HashSet::new();
            fragments(resource, &mut own);
            own
        })
        .collect();
    let mut is_reached = vec![false; contained.len()];
    loop {
        let mut has_grown = false;
        for ((resource, own), reached) in contained.iter().zip(&own).zip(&mut is_reached) {
            let is_named = own.contains("") || resource.text("id").is_some_and(|id| named.contains(id));
            if is_named && !*reached {
                *reached = true;
                has_grown = true;
                named.extend(own);
            }
        }
        if !has_grown {
            break;
        }
    }
    for (index, resource) in contained.iter().enumerate() {
        if is_reached.get(index) == Some(&false) {
            let id = resource.text("id").unwrap_or_default().to_owned();
            let here = place.child("contained", Some(index));
            run.report(Severity::Error, IssueCode::Invariant, "contained-unnamed", vec![id], &here);
        }
    }
}

/// The ids that texts of the form `#id` name, and links in narratives.
fn fragments<'n>(node: &'n Node<'_>, out: &mut HashSet<&'n str>) {
    match node {
        Node::String(text) => {
            if let Some(id) = text.strip_prefix('#') {
                out.insert(id);
            } else if text.starts_with("<div") {
                for quoted in ["\"#", "'#"] {
                    let links = text.split(quoted).skip(1).filter_map(|rest| rest.split(['"', '\'']).next());
                    out.extend(links);
                }
            }
        }
        Node::Array(items) => items.iter().for_each(|item| fragments(item, out)),
        Node::Object(members) => members.iter().for_each(|(_, value)| fragments(value, out)),
        _ => {}
    }
}
