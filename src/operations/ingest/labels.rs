//! Labels that keep things from whom they must not reach (未告知 UNINFORMED, 未提供 UNDELIVERED, and
//! security labels), carried to where access is decided: every single resource.

use super::document::Document;
use super::insert_second;
use crate::format::json::Node;
use crate::r4::outcome::Issue;

/// JP-CLINS tags.
const INDICATION: &str = "http://jpfhir.jp/fhir/clins/CodeSystem/JP_ehrshrs_indication";
const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

type Label = (&'static str, Node<'static>);

/// Labels of a document.
#[derive(Debug)]
pub(super) struct Labels {
    /// Of the Bundle and the Composition: for every entry that is the document's own.
    of_document: Vec<Label>,
    /// Of single entries: for the Bundle and the Composition too, which contain them.
    of_entries: Vec<Label>,
}

impl Labels {
    pub(super) fn of(document: &Document<'_>) -> Self {
        let mut of_document = labels(document.bundle);
        merge(&mut of_document, labels(document.composition()));
        if let Some(code) = document.composition().text("confidentiality").filter(|code| matches!(*code, "R" | "V")) {
            let coding = [("system", Node::string(CONFIDENTIALITY)), ("code", Node::string(code.to_owned()))];
            merge(&mut of_document, vec![("security", Node::object(coding))]);
        }
        let mut of_entries = Vec::new();
        for entry in &document.entries {
            // Labels of a person or an institution are about them, not about this document.
            if !matches!(entry.type_name, "Patient" | "Organization" | "Practitioner" | "RelatedPerson") {
                merge(&mut of_entries, labels(entry.resource));
            }
        }
        // LTS (long-term storage) is about keeping, not about hiding.
        of_entries.retain(|label| !of_document.contains(label) && label.1.text("code") != Some("LTS"));
        Self { of_document, of_entries }
    }

    pub(super) fn tell(&self, issues: &mut Vec<Issue>) {
        let codes = |labels: &[Label]| {
            labels.iter().filter_map(|(_, coding)| coding.text("code")).collect::<Vec<_>>().join(", ")
        };
        if !self.of_document.is_empty() {
            let text = format!("every entry is labelled like the document: {}", codes(&self.of_document));
            issues.push(Issue::information(text).at("Bundle.meta"));
        }
        if !self.of_entries.is_empty() {
            let text = format!("the document is labelled like the entries it contains: {}", codes(&self.of_entries));
            issues.push(Issue::information(text).at("Bundle.meta"));
        }
    }

    /// Adds what the document demands; `contains_all` for the Bundle and the Composition.
    pub(super) fn protect(&self, resource: &mut Node<'static>, contains_all: bool) {
        let more: &[Label] = if contains_all { &self.of_entries } else { &[] };
        for (list, coding) in self.of_document.iter().chain(more) {
            add(resource, list, coding);
        }
    }
}

fn labels(resource: &Node<'_>) -> Vec<Label> {
    let Some(meta) = resource.get("meta") else { return Vec::new() };
    let tags = meta.list("tag").iter().filter(|tag| tag.text("system") == Some(INDICATION));
    let tags = tags.map(|tag| ("tag", bare(tag)));
    meta.list("security").iter().map(|label| ("security", bare(label))).chain(tags).collect()
}

/// System and code alone, so that equal labels are equal.
fn bare(coding: &Node<'_>) -> Node<'static> {
    let part = |name: &'static str| Some((name, Node::string(coding.text(name)?.to_owned())));
    Node::object([part("system"), part("code")].into_iter().flatten())
}

fn merge(into: &mut Vec<Label>, labels: Vec<Label>) {
    for label in labels {
        if !into.contains(&label) {
            into.push(label);
        }
    }
}

fn add(resource: &mut Node<'static>, list: &'static str, coding: &Node<'static>) {
    if resource.get("meta").is_none() {
        insert_second(resource, "meta", Node::Object(Vec::new()));
    }
    let Some(meta) = resource.get_mut("meta") else { return };
    if meta.list(list).iter().any(|known| bare(known) == *coding) {
        return;
    }
    match meta.get_mut(list) {
        Some(Node::Array(items)) => items.push(coding.clone()),
        _ => meta.set(list, Node::Array(vec![coding.clone()])),
    }
}
