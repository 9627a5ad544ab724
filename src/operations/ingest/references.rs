//! References within a document: where they lead, and how they are written in the transaction
//! (FHIR R4 bundle.html#references).

use std::collections::HashMap;

use super::document::Document;
use super::keys::{Fate, Item};
use crate::format::json::Node;
use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::reference::Reference;

/// Finds the entry a reference leads to.
#[derive(Debug)]
pub(super) struct Resolver<'d> {
    by_url: HashMap<&'d str, usize>,
    /// `Type/id` of the resource itself; `None` when several have it.
    by_local: HashMap<String, Option<usize>>,
    urls: Vec<Option<&'d str>>,
}

impl<'d> Resolver<'d> {
    pub(super) fn new(document: &Document<'d>) -> Self {
        let mut by_local: HashMap<String, Option<usize>> = HashMap::new();
        for (place, entry) in document.entries.iter().enumerate() {
            if let Some(id) = entry.resource.text("id") {
                let known = by_local.entry(format!("{}/{id}", entry.type_name));
                known.and_modify(|known| *known = None).or_insert(Some(place));
            }
        }
        let urls: Vec<Option<&'d str>> = document.entries.iter().map(|entry| entry.full_url).collect();
        let by_url = urls.iter().enumerate().filter_map(|(place, url)| Some(((*url)?, place))).collect();
        Self { by_url, by_local, urls }
    }

    /// The entry `reference` leads to from the entry at `from`: by fullUrl; relative ones on the base
    /// of the entry they stand in; else, as senders do, by type and id alone.
    pub(super) fn resolve(&self, reference: &str, from: usize) -> Option<usize> {
        let reference = reference.split_once("/_history/").map_or(reference, |(plain, _)| plain);
        if let Some(place) = self.by_url.get(reference) {
            return Some(*place);
        }
        if reference.starts_with('#') || reference.contains(':') {
            return None;
        }
        let absolute = match Reference::parse(self.urls.get(from).copied().flatten().unwrap_or_default()) {
            Reference::Absolute { base, .. } => Some(format!("{base}/{reference}")),
            _ => None,
        };
        let found = absolute.and_then(|url| self.by_url.get(url.as_str()).copied());
        found.or_else(|| self.by_local.get(reference).copied().flatten())
    }
}

/// How other entries refer to the entry at `place`.
pub(super) fn target(document: &Document<'_>, items: &[Item], place: usize) -> Option<String> {
    let item = items.get(place)?;
    Some(match &item.fate {
        Fate::Existing { id } => format!("Patient/{id}"),
        Fate::SameAs(first) if *first != place => return target(document, items, *first),
        Fate::Withdrawn => format!("{}/{}", document.entries.get(place)?.type_name, item.id),
        _ => item.full_url(),
    })
}

/// Types whose subject is the document's when they name none: in published examples the stay itself
/// does not say whose it is.
const SUBJECT_OF_DOCUMENT: [&str; 6] =
    ["Encounter", "Observation", "DocumentReference", "Media", "DiagnosticReport", "QuestionnaireResponse"];

/// A copy of an entry's resource whose references hold within the transaction.
pub(super) fn rewritten(
    document: &Document<'_>,
    resolver: &Resolver<'_>,
    items: &[Item],
    place: usize,
    issues: &mut Vec<Issue>,
) -> Node<'static> {
    let Some(entry) = document.entries.get(place) else { return Node::Null };
    let mut resource = entry.resource.clone().into_owned();
    let path = format!("Bundle.entry[{place}].resource");
    let mut rewriting = Rewriting { document, resolver, items, place, issues };
    rewriting.node(&mut resource, &path);
    let subject = target(document, items, document.subject);
    if let Some(subject) = subject
        && SUBJECT_OF_DOCUMENT.contains(&entry.type_name)
        && resource.get("subject").is_none()
    {
        resource.set("subject", Node::object([("reference", Node::string(subject))]));
        let text = format!("this {} names no subject: that of the document is taken", entry.type_name);
        issues.push(Issue::information(text).at(path + ".subject"));
    }
    resource
}

struct Rewriting<'w, 'd> {
    document: &'w Document<'d>,
    resolver: &'w Resolver<'d>,
    items: &'w [Item],
    place: usize,
    issues: &'w mut Vec<Issue>,
}

impl Rewriting<'_, '_> {
    fn node(&mut self, node: &mut Node<'static>, path: &str) {
        match node {
            Node::Array(items) => {
                for (place, item) in items.iter_mut().enumerate() {
                    self.node(item, &format!("{path}[{place}]"));
                }
            }
            Node::Object(members) => {
                for (name, value) in members.iter_mut() {
                    let linked = match value {
                        Node::String(text) if is_link(name) => self.resolve(text),
                        _ => None,
                    };
                    match linked {
                        Some(target) => *value = Node::string(target),
                        None => self.node(value, &format!("{path}.{name}")),
                    }
                }
                self.reference(node, path);
            }
            _ => {}
        }
    }

    fn resolve(&self, link: &str) -> Option<String> {
        target(self.document, self.items, self.resolver.resolve(link, self.place)?)
    }

    /// A Reference that leads nowhere, or has an identifier only.
    fn reference(&mut self, node: &mut Node<'static>, path: &str) {
        if let Some(lost) = node.text("reference").filter(|text| self.is_lost(text)).map(str::to_owned) {
            let text = format!("{lost} is no entry of this document: kept as an identifier");
            self.issues.push(Issue::warning(IssueCode::NotFound, text).at(path));
            node.remove("reference");
            if node.get("identifier").is_none() {
                let system = ("system", Node::string("urn:ietf:rfc:3986"));
                node.set("identifier", Node::object([system, ("value", Node::string(lost))]));
            }
            return;
        }
        let names_patient = node.text("reference").is_none()
            && matches!(node.text("type"), Some("Patient"))
            && node.get("identifier").is_some_and(|identifier| self.is_the_patient(identifier));
        if names_patient && let Some(subject) = target(self.document, self.items, self.document.subject) {
            node.set("reference", Node::string(subject));
        }
    }

    fn is_lost(&self, reference: &str) -> bool {
        let ours = self.items.iter().any(|item| reference.strip_prefix("urn:uuid:") == Some(item.id.as_str()));
        reference.starts_with("urn:") && !ours
    }

    fn is_the_patient(&self, identifier: &Node<'_>) -> bool {
        let pair = |node: &Node<'_>| Some((node.text("system")?.to_owned(), node.text("value")?.to_owned()));
        let Some(patient) = self.document.entries.get(self.document.subject) else { return false };
        pair(identifier).is_some_and(|wanted| {
            patient.resource.list("identifier").iter().any(|one| pair(one).as_ref() == Some(&wanted))
        })
    }
}

/// Members that may link to another entry (FHIR R4 http.html#trules: references and URIs).
fn is_link(name: &str) -> bool {
    matches!(name, "reference" | "url" | "valueUri" | "valueUrl" | "valueUuid" | "valueOid")
}
