//! References between entries of a transaction become references to what they were stored as
//! (FHIR R4 http.html#trules).
//!
//! The walk follows the types of the standard, so that only links are touched: `Reference.reference`,
//! values of type uri, url, oid, uuid and canonical, and `href`/`src` in narratives. Strings that
//! merely look like a link (an identifier's value) stay as they are. Canonicals are rewritten only
//! when they name an entry by its `urn:`, which could resolve nowhere else.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::format::json::Node;
use crate::r4::definitions;
use crate::r4::definitions::{Definitions, TypeId};
use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::reference::Reference;

/// What the full URLs of a bundle became.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// `urn:uuid:…` or absolute URL → `Type/id`
    by_url: HashMap<String, String>,
    /// `Patient?identifier=…` → `Type/id`
    by_criteria: HashMap<String, String>,
}

impl Links {
    /// `false` when the full URL leads elsewhere already.
    pub(super) fn insert(&mut self, full_url: &str, target: String) -> bool {
        *self.by_url.entry(full_url.to_owned()).or_insert_with(|| target.clone()) == target
    }

    pub(super) fn insert_criteria(&mut self, criteria: &str, target: String) {
        self.by_criteria.insert(criteria.to_owned(), target);
    }

    /// What a link becomes; a fragment or version behind it is kept off the look-up.
    fn find(&self, link: &str, base: Option<&str>) -> Option<&str> {
        if let Some(found) = self.by_url.get(link).or_else(|| self.by_criteria.get(link)) {
            return Some(found);
        }
        // bundle.html#references: a relative reference is resolved against the entry's own full URL.
        if let (Reference::Local { .. }, Some(base)) = (Reference::parse(link), base) {
            let plain = link.split("/_history/").next().unwrap_or(link);
            return self.by_url.get(&format!("{base}/{plain}")).map(String::as_str);
        }
        None
    }
}

/// The base of a RESTful full URL: `http://x/fhir` of `http://x/fhir/Patient/1`.
pub(super) fn base_of(full_url: &str) -> Option<&str> {
    match Reference::parse(full_url) {
        Reference::Absolute { base, .. } => Some(base.trim_end_matches('/')),
        _ => None,
    }
}

/// Collects the conditional references (`Patient?identifier=…`) of a resource.
pub(super) fn conditional_references(resource: &Node<'_>, found: &mut Vec<String>) {
    match resource {
        Node::Object(members) => {
            for (name, value) in members {
                if name == "reference"
                    && let Some(text) = value.as_str()
                    && is_conditional(text)
                {
                    found.push(text.to_owned());
                }
                conditional_references(value, found);
            }
        }
        Node::Array(items) => items.iter().for_each(|item| conditional_references(item, found)),
        _ => {}
    }
}

fn is_conditional(text: &str) -> bool {
    text.split_once('?').is_some_and(|(type_name, _)| definitions().resource_number(type_name).is_some())
}

/// Rewrites a resource in place; answers what could not be resolved.
pub(super) fn rewrite(resource: &mut Node<'_>, links: &Links, full_url: Option<&str>, issues: &mut Vec<Issue>) {
    let definitions = definitions();
    // The references of a Bundle are resolved inside it (bundle.html#references): it stays as sent.
    if resource.text("resourceType") == Some("Bundle") {
        return;
    }
    let Some(type_id) = resource.text("resourceType").and_then(|name| definitions.resource(name)) else { return };
    let walk = Walk {
        definitions,
        links,
        base: full_url.and_then(base_of),
        reference: definitions.type_id("Reference"),
        linking: ["uri", "url", "oid", "uuid", "canonical"].map(|name| definitions.type_id(name)),
        canonical: definitions.type_id("canonical"),
        xhtml: definitions.type_id("xhtml"),
    };
    walk.object(resource, type_id, issues);
}

struct Walk<'a> {
    definitions: &'a Definitions,
    links: &'a Links,
    base: Option<&'a str>,
    reference: Option<TypeId>,
    linking: [Option<TypeId>; 5],
    canonical: Option<TypeId>,
    xhtml: Option<TypeId>,
}

impl Walk<'_> {
    fn object(&self, node: &mut Node<'_>, type_id: TypeId, issues: &mut Vec<Issue>) {
        let type_id = match node.text("resourceType") {
            Some(name) => self.definitions.resource(name).unwrap_or(type_id),
            None => type_id,
        };
        let definition = self.definitions.get(type_id);
        let is_reference = Some(type_id) == self.reference;
        let Node::Object(members) = node else { return };
        for (name, value) in members {
            if is_reference && name == "reference" {
                self.reference(value, issues);
                continue;
            }
            // Extensions on primitives live in the sibling with the underscore.
            let (plain, sibling) = name.strip_prefix('_').map_or((name.as_ref(), false), |plain| (plain, true));
            let Some(field) = definition.field(plain) else { continue };
            let type_id = field.type_id;
            match value {
                Node::Array(items) => items.iter_mut().for_each(|item| self.value(item, type_id, sibling, issues)),
                single => self.value(single, type_id, sibling, issues),
            }
        }
    }

    fn value(&self, node: &mut Node<'_>, type_id: TypeId, sibling: bool, issues: &mut Vec<Issue>) {
        match node {
            Node::Object(_) if sibling => {
                if let Some(element) = self.definitions.type_id("Element") {
                    self.object(node, element, issues);
                }
            }
            Node::Object(_) => self.object(node, type_id, issues),
            Node::String(text) if Some(type_id) == self.xhtml => {
                if let Some(changed) = self.narrative(text) {
                    *text = Cow::Owned(changed);
                }
            }
            Node::String(text) if self.linking.contains(&Some(type_id)) => {
                let names_entry = Some(type_id) != self.canonical || text.starts_with("urn:");
                if names_entry && let Some(target) = self.links.by_url.get(text.as_ref()) {
                    *text = Cow::Owned(target.clone());
                }
            }
            _ => {}
        }
    }

    fn reference(&self, value: &mut Node<'_>, issues: &mut Vec<Issue>) {
        let Node::String(text) = value else { return };
        if let Some(target) = self.links.find(text, self.base) {
            *text = Cow::Owned(target.to_owned());
        } else if text.starts_with("urn:uuid:") || text.starts_with("urn:oid:") {
            let issue = Issue::error(
                IssueCode::NotFound,
                format!("the reference {text:?} names no entry of this transaction; it must equal the fullUrl of one"),
            );
            if issues.len() < 20 && !issues.contains(&issue) {
                issues.push(issue);
            }
        }
    }

    /// Links in `href="…"` and `src="…"`; everything else is untouched.
    fn narrative(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        let mut changed = false;
        while let Some(start) =
            rest.find("href=").map(|place| place + 5).into_iter().chain(rest.find("src=").map(|place| place + 4)).min()
        {
            let (before, after) = rest.split_at(start);
            out.push_str(before);
            rest = after;
            let Some(quote) = after.chars().next().filter(|quote| matches!(quote, '"' | '\'')) else { continue };
            let Some(end) = after.get(1..).and_then(|inner| inner.find(quote)) else { break };
            let link = after.get(1..=end).unwrap_or_default();
            out.push(quote);
            match self.links.find(link, self.base) {
                Some(target) => {
                    out.push_str(target);
                    changed = true;
                }
                None => out.push_str(link),
            }
            rest = after.get(end + 1..).unwrap_or_default();
        }
        out.push_str(rest);
        changed.then_some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json::parse;

    fn rewritten(text: &str) -> (String, Vec<Issue>) {
        let mut links = Links::default();
        links.insert("urn:uuid:1", "Patient/a".to_owned());
        links.insert("http://x/fhir/Practitioner/9", "Practitioner/b".to_owned());
        let mut node = parse(text.as_bytes()).unwrap();
        let mut issues = Vec::new();
        rewrite(&mut node, &links, Some("http://x/fhir/Observation/1"), &mut issues);
        (String::from_utf8(node.to_bytes()).unwrap(), issues)
    }

    #[test]
    fn links_are_rewritten_and_look_alikes_are_not() {
        let (text, issues) = rewritten(
            r#"{"resourceType":"Observation","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"urn:uuid:1\">urn:uuid:1</a><img src='urn:uuid:1'/></div>"},"identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:1"}],"_status":{"extension":[{"url":"http://e","valueReference":{"reference":"urn:uuid:1"}}]},"subject":{"reference":"urn:uuid:1"},"performer":[{"reference":"Practitioner/9"},{"reference":"Practitioner/8"}],"extension":[{"url":"http://e","valueUri":"urn:uuid:1"}]}"#,
        );
        assert!(issues.is_empty());
        assert_eq!(
            text,
            r#"{"resourceType":"Observation","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"Patient/a\">urn:uuid:1</a><img src='Patient/a'/></div>"},"identifier":[{"system":"urn:ietf:rfc:3986","value":"urn:uuid:1"}],"_status":{"extension":[{"url":"http://e","valueReference":{"reference":"Patient/a"}}]},"subject":{"reference":"Patient/a"},"performer":[{"reference":"Practitioner/b"},{"reference":"Practitioner/8"}],"extension":[{"url":"http://e","valueUri":"Patient/a"}]}"#
        );
    }

    #[test]
    fn a_urn_that_names_no_entry_is_an_error() {
        let (_, issues) = rewritten(r#"{"resourceType":"Observation","subject":{"reference":"urn:uuid:2"}}"#);
        assert_eq!(issues.len(), 1);
    }
}
