//! The person a document is about: found by identifier, added to, never overwritten.

use super::document::Document;
use super::keys::{Fate, Item};
use crate::format::json::Node;
use crate::r4::outcome::{Issue, IssueCode};

/// Roots of identifiers by which a person is best told from others: the patient number of the
/// institution (JP Core, older guides), then the insurance number.
const BEST_FIRST: [&str; 3] = [
    "urn:oid:1.2.392.100495.20.3.51.",
    "urn:oid:1.2.392.200119.6.102.",
    "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID",
];

/// What was found out about the patient.
#[derive(Debug, Default)]
pub(super) struct PlacedPatient {
    /// The stored Patient with what the document adds.
    pub(super) merged: Option<Node<'static>>,
}

fn usable<'n, 'd>(resource: &'n Node<'d>) -> impl Iterator<Item = (&'n str, &'n str)> + use<'n, 'd> {
    let pair = |identifier: &'n Node<'d>| Some((identifier.text("system")?, identifier.text("value")?));
    resource
        .list("identifier")
        .iter()
        .filter_map(pair)
        .filter(|(system, value)| !system.trim().is_empty() && !value.trim().is_empty())
}

/// `identifier=system|value` of the best identifier.
pub(super) fn best_identifier(resource: &Node<'_>) -> Option<String> {
    let rank = |system: &str| BEST_FIRST.iter().position(|root| system.starts_with(root)).unwrap_or(BEST_FIRST.len());
    let (system, value) = usable(resource).min_by_key(|(system, _)| rank(system))?;
    Some(format!("identifier={}", token(system, value)))
}

/// `identifier=` with all identifiers: any of them finds the person.
pub(super) fn criteria_of_all(resource: &Node<'_>) -> Option<String> {
    let tokens: Vec<String> = usable(resource).map(|(system, value)| token(system, value)).collect();
    (!tokens.is_empty()).then(|| format!("identifier={}", tokens.join(",")))
}

/// A token value: `\ , | $` escaped (FHIR R4 search.html#escaping), then percent-encoded.
fn token(system: &str, value: &str) -> String {
    let escaped = |text: &str| {
        let mut out = String::new();
        for letter in text.chars() {
            if matches!(letter, '\\' | ',' | '|' | '$') {
                out.push('\\');
            }
            out.push(letter);
        }
        out
    };
    let mut out = String::new();
    for byte in format!("{}|{}", escaped(system), escaped(value)).bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'|' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Decides what becomes of the document's patient.
pub(super) fn place(
    document: &Document<'_>,
    items: &mut [Item],
    existing: Option<&Node<'_>>,
    issues: &mut Vec<Issue>,
) -> Result<PlacedPatient, Vec<Issue>> {
    let path = format!("Bundle.entry[{}].resource", document.subject);
    let Some(entry) = document.entries.get(document.subject) else { return Ok(PlacedPatient::default()) };
    if usable(entry.resource).next().is_none() {
        let text = "the Patient has no identifier with system and value: without one nobody can tell \
                    whether this person is here already";
        return Err(vec![Issue::error(IssueCode::Required, text).at(path + ".identifier")]);
    }
    // What has an identifier of its own is no reason to be less careful with other persons.
    for item in items.iter().filter(|item| item.fate == Fate::Put) {
        if document.entries.get(item.place).is_some_and(|entry| entry.type_name == "Patient") {
            let text = "this Patient has no identifier with system and value: kept as the document's own";
            let path = format!("Bundle.entry[{}].resource.identifier", item.place);
            issues.push(Issue::warning(IssueCode::Required, text).at(path));
        }
    }
    let Some(existing) = existing else { return Ok(PlacedPatient::default()) };
    let Some(id) = existing.text("id") else { return Ok(PlacedPatient::default()) };
    if !share_identifier(entry.resource, existing) {
        let text = format!("Patient/{id} has none of the identifiers of the document's patient");
        return Err(vec![Issue::error(IssueCode::Conflict, text).at(path + ".identifier")]);
    }
    differences(entry.resource, existing, &path, issues);
    let mut merged = existing.clone().into_owned();
    let is_changed = add_missing(&mut merged, entry.resource);
    let fate = if is_changed {
        let version = existing.path(&["meta", "versionId"]).and_then(Node::as_str).map(str::to_owned);
        Fate::Merge { id: id.to_owned(), version }
    } else {
        Fate::Existing { id: id.to_owned() }
    };
    if let Some(item) = items.get_mut(document.subject) {
        item.fate = fate;
    }
    Ok(PlacedPatient { merged: is_changed.then_some(merged) })
}

/// A correction is about the same person.
pub(super) fn same_person(document: &Document<'_>, earlier: &Document<'_>) -> Result<(), Vec<Issue>> {
    let patient = |document: &Document<'_>| {
        document.entries.get(document.subject).map(|entry| entry.resource.clone().into_owned())
    };
    match (patient(document), patient(earlier)) {
        (Some(now), Some(before)) if !share_identifier(&now, &before) => {
            let text = "the stored version of this document is about another patient: withdraw it \
                        (Composition.status entered-in-error) and send a new document";
            let path = format!("Bundle.entry[{}].resource.identifier", document.subject);
            Err(vec![Issue::error(IssueCode::Conflict, text).at(path)])
        }
        _ => Ok(()),
    }
}

fn share_identifier(one: &Node<'_>, other: &Node<'_>) -> bool {
    usable(one).any(|pair| usable(other).any(|known| known == pair))
}

/// Says where document and server disagree about the person; the server's word stands.
fn differences(sent: &Node<'_>, stored: &Node<'_>, path: &str, issues: &mut Vec<Issue>) {
    for name in ["birthDate", "gender"] {
        if let (Some(sent), Some(stored)) = (sent.text(name), stored.text(name))
            && sent != stored
        {
            let text = format!(
                "{name} is {sent} in the document and {stored} on this server, which stays: is it the same person?"
            );
            issues.push(Issue::warning(IssueCode::Conflict, text).at(format!("{path}.{name}")));
        }
    }
    let names = |patient: &Node<'_>| patient.list("name").iter().map(name_key).collect::<Vec<_>>();
    let (before, now) = (names(stored), names(sent));
    if !before.is_empty() && !now.is_empty() && !now.iter().any(|name| before.contains(name)) {
        let text = "none of the names is one this server has; they are added, is it the same person?";
        issues.push(Issue::warning(IssueCode::Conflict, text).at(format!("{path}.name")));
    }
}

/// What makes two items of a list the same.
type Key = fn(&Node<'_>) -> String;

/// Adds what the stored Patient lacks; answers whether there was anything.
fn add_missing(stored: &mut Node<'static>, sent: &Node<'_>) -> bool {
    let mut is_changed = false;
    for name in ["active", "gender", "birthDate"] {
        if stored.get(name).is_none()
            && let Some(value) = sent.get(name)
        {
            stored.set(name, value.clone().into_owned());
            is_changed = true;
        }
    }
    let lists: [(&'static str, Key); 5] = [
        ("identifier", plain_key),
        ("name", name_key),
        ("telecom", plain_key),
        ("address", address_key),
        ("contact", contact_key),
    ];
    for (name, key) in lists {
        for item in sent.list(name) {
            if stored.list(name).iter().any(|known| key(known) == key(item)) {
                continue;
            }
            is_changed = true;
            let item = item.clone().into_owned();
            match stored.get_mut(name) {
                Some(Node::Array(items)) => items.push(item),
                _ => stored.set(name, Node::Array(vec![item])),
            }
        }
    }
    is_changed
}

/// Without any space, full-width ones included: hospitals disagree about them.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

fn plain_key(node: &Node<'_>) -> String {
    format!("{}|{}", node.text("system").unwrap_or_default(), node.text("value").unwrap_or_default())
}

fn name_key(node: &Node<'_>) -> String {
    let given: String = node.list("given").iter().filter_map(Node::as_str).collect();
    let parts = format!("{}{given}", node.text("family").unwrap_or_default());
    squeezed(if parts.is_empty() { node.text("text").unwrap_or_default() } else { &parts })
}

fn address_key(node: &Node<'_>) -> String {
    let lines: String = node.list("line").iter().filter_map(Node::as_str).collect();
    let parts = format!("{}{}{lines}", node.text("state").unwrap_or_default(), node.text("city").unwrap_or_default());
    squeezed(node.text("text").unwrap_or(&parts))
}

fn contact_key(node: &Node<'_>) -> String {
    let telecom: String = node.list("telecom").iter().map(plain_key).collect();
    format!("{}|{telecom}", node.get("name").map(name_key).unwrap_or_default())
}
