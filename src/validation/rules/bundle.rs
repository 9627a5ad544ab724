//! Bundles (FHIR R4 bundle.html, documents.html, messaging.html): what `fullUrl` may be, what the
//! first entry is, that the entries of documents and messages hang together, and what a searchset
//! may hold. `bdl-*` are invariants and evaluated as such.

use std::collections::{HashMap, HashSet};

use super::remark::Remark;
use crate::format::json::Node;
use crate::r4::bundle::{Entries, Found};
use crate::r4::definitions;
use crate::r4::outcome::IssueCode;
use crate::r4::reference::Reference;

/// Most references of one entry that are followed.
const MAX_REFERENCES: usize = 20_000;

/// Checks a Bundle; the resources in it are checked elsewhere.
#[must_use]
pub(crate) fn check(bundle: &Node<'_>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let kind = bundle.text("type").unwrap_or_default();
    let entries = bundle.list("entry");
    for (index, entry) in entries.iter().enumerate() {
        url(kind, entry, &format!(".entry[{index}]"), &mut remarks);
    }
    match kind {
        "document" => linked(bundle, "document", &mut remarks),
        "message" => linked(bundle, "message", &mut remarks),
        "searchset" => searchset(bundle, &mut remarks),
        _ => {}
    }
    links(bundle, &mut remarks);
    remarks
}

/// FHIR R4 bundle-definitions.html#Bundle.entry.fullUrl.
fn url(kind: &str, entry: &Node<'_>, path: &str, remarks: &mut Vec<Remark>) {
    let is_request = matches!(kind, "batch" | "transaction");
    // "Except for transactions and batches, each entry in a Bundle must have a fullUrl" (bundle.html#bundle-unique).
    let is_answer = matches!(kind, "batch-response" | "transaction-response");
    let Some(resource) = entry.get("resource") else { return };
    let Some(full_url) = entry.text("fullUrl") else {
        if !is_request && !is_answer {
            let remark = Remark::error(IssueCode::Required, "bundle-url-missing", path);
            remarks.push(remark.with(kind));
        }
        return;
    };
    let here = format!("{path}.fullUrl");
    let is_absolute = full_url.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && !scheme.is_empty()
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    if !is_absolute {
        remarks.push(Remark::error(IssueCode::Invalid, "bundle-url-relative", here).with(full_url));
        return;
    }
    let Reference::Absolute { resource_type, id, .. } = Reference::parse(full_url) else { return };
    let type_name = resource.text("resourceType").unwrap_or_default();
    if resource_type != type_name {
        remarks.push(Remark::error(IssueCode::Invalid, "bundle-url-type", here).with(full_url).with(type_name));
    } else if !is_request && resource.text("id") != Some(id) {
        let own = resource.text("id").unwrap_or("(none)");
        remarks.push(Remark::error(IssueCode::Invalid, "bundle-url-id", here).with(full_url).with(own));
    }
}

/// Everything in a document or message can be reached from its first entry, along references in
/// either direction (FHIR R4 documents.html#content, messaging.html#bundle), and what the first
/// entry refers to is there.
fn linked(bundle: &Node<'_>, kind: &str, remarks: &mut Vec<Remark>) {
    let list = bundle.list("entry");
    let entries = Entries::new(bundle);
    let mut places: HashMap<*const Node<'_>, usize> = HashMap::new();
    for (index, entry) in list.iter().enumerate() {
        if let Some(resource) = entry.get("resource") {
            places.insert(std::ptr::from_ref(resource), index);
        }
    }
    let mut along: Vec<Vec<usize>> = vec![Vec::new(); list.len()];
    for (index, entry) in list.iter().enumerate() {
        let Some(resource) = entry.get("resource") else { continue };
        let full_url = entry.text("fullUrl");
        let mut references = Vec::new();
        collect(resource, &mut String::new(), &mut references, 0);
        for (path, text) in references {
            let found = match entries.find(text, full_url) {
                Found::One(node) | Found::Several(node) => places.get(&std::ptr::from_ref(node)).copied(),
                Found::Nothing => None,
            };
            match found {
                Some(target) => {
                    if let Some(targets) = along.get_mut(index) {
                        targets.push(target);
                    }
                    if let Some(targets) = along.get_mut(target) {
                        targets.push(index);
                    }
                }
                None if index == 0 && !text.starts_with('#') && must_be_here(kind, &path) => {
                    let here = format!(".entry[0].resource{path}");
                    remarks.push(missing(&here, text, full_url, list, kind));
                }
                None => {}
            }
        }
    }
    let mut reached: HashSet<usize> = HashSet::from([0]);
    let mut waiting = vec![0];
    while let Some(index) = waiting.pop() {
        for next in along.get(index).into_iter().flatten() {
            if reached.insert(*next) {
                waiting.push(*next);
            }
        }
    }
    for (index, entry) in list.iter().enumerate() {
        let Some(resource) = entry.get("resource").filter(|_| !reached.contains(&index)) else { continue };
        let type_name = resource.text("resourceType").unwrap_or_default();
        // A stylesheet may stand alone (documents.html#content).
        if type_name == "Binary" {
            continue;
        }
        let name = entry.text("fullUrl").unwrap_or(type_name);
        let path = format!(".entry[{index}]");
        // What the standard says of documents it says less strictly of messages.
        let remark = match kind {
            "document" => Remark::error(IssueCode::Structure, "bundle-orphan", path),
            _ => Remark::warning(IssueCode::Structure, "bundle-orphan", path),
        };
        remarks.push(remark.with(name).with(kind));
    }
}

/// The references of a Composition or MessageHeader whose targets belong into the Bundle
/// (documents.html#content: "SHALL include … any resources directly referenced"; messaging.html: focus).
fn must_be_here(kind: &str, path: &str) -> bool {
    let bare: String = path.chars().filter(|letter| !letter.is_ascii_digit() && !"[]".contains(*letter)).collect();
    match kind {
        "document" => {
            matches!(
                bare.as_str(),
                ".subject" | ".encounter" | ".author" | ".attester.party" | ".custodian" | ".event.detail"
            ) || bare.ends_with(".section.entry")
                || bare.ends_with(".section.author")
                || bare.ends_with(".section.focus")
        }
        _ => matches!(bare.as_str(), ".focus"),
    }
}

fn missing(path: &str, text: &str, full_url: Option<&str>, list: &[Node<'_>], kind: &str) -> Remark {
    if let Reference::Local { resource_type, id, .. } = Reference::parse(text) {
        let end = format!("/{resource_type}/{id}");
        let alike = list.iter().find(|entry| {
            let by_url = entry.text("fullUrl").is_some_and(|url| url.ends_with(&end));
            let resource = entry.get("resource");
            let of_type = resource.and_then(|resource| resource.text("resourceType")) == Some(resource_type);
            by_url || of_type && resource.and_then(|resource| resource.text("id")) == Some(id)
        });
        if let Some(alike) = alike {
            let meant = match full_url.and_then(crate::r4::bundle::base_of) {
                Some(base) => format!("{base}{end}"),
                None => "unresolvable".to_owned(),
            };
            return Remark::error(IssueCode::NotFound, "bundle-reference-hint", path)
                .with(text)
                .with(alike.text("fullUrl").unwrap_or_default())
                .with(meant);
        }
    }
    Remark::error(IssueCode::NotFound, "bundle-reference", path).with(text).with(kind)
}

/// The literal references of a resource with their paths.
fn collect<'n>(node: &'n Node<'n>, path: &mut String, out: &mut Vec<(String, &'n str)>, depth: usize) {
    if depth > 100 || out.len() >= MAX_REFERENCES {
        return;
    }
    for (name, value) in node.members() {
        if let ("reference", Some(text)) = (name.as_ref(), value.as_str()) {
            out.push((path.clone(), text));
            continue;
        }
        let length = path.len();
        match value {
            Node::Object(_) => {
                path.push('.');
                path.push_str(name);
                collect(value, path, out, depth + 1);
            }
            Node::Array(items) => {
                for (index, item) in items.iter().enumerate().filter(|(_, item)| matches!(item, Node::Object(_))) {
                    path.push_str(&format!(".{name}[{index}]"));
                    collect(item, path, out, depth + 1);
                    path.truncate(length);
                }
            }
            _ => {}
        }
        path.truncate(length);
    }
}

/// FHIR R4 http.html#search, search.html#Summary: matches are of the types asked for and have ids,
/// outcomes are OperationOutcomes.
fn searchset(bundle: &Node<'_>, remarks: &mut Vec<Remark>) {
    let own = bundle.list("link").iter().find(|link| link.text("relation") == Some("self"));
    let asked = own.and_then(|link| link.text("url")).map(types_of).unwrap_or_default();
    for (index, entry) in bundle.list("entry").iter().enumerate() {
        let path = format!(".entry[{index}]");
        let Some(resource) = entry.get("resource") else {
            remarks.push(Remark::error(IssueCode::Required, "bundle-search-resource", path));
            continue;
        };
        let type_name = resource.text("resourceType").unwrap_or_default();
        let mode = entry.get("search").and_then(|search| search.text("mode"));
        let is_outcome = type_name == "OperationOutcome";
        match mode {
            Some("outcome") if !is_outcome => {
                remarks.push(Remark::error(IssueCode::Invalid, "bundle-outcome", path).with(type_name));
                continue;
            }
            Some("match" | "include") if is_outcome && !asked.contains(&"OperationOutcome") => {
                remarks.push(Remark::error(IssueCode::Invalid, "bundle-match-outcome", path));
                continue;
            }
            _ => {}
        }
        if is_outcome {
            continue;
        }
        if resource.get("id").is_none() {
            remarks.push(Remark::error(IssueCode::Required, "bundle-search-id", format!("{path}.resource")));
        }
        if mode == Some("match") && !asked.is_empty() && !asked.contains(&type_name) {
            let remark = Remark::error(IssueCode::Invalid, "bundle-search-type", format!("{path}.resource"));
            remarks.push(remark.with(type_name).with(asked.join(", ")));
        }
    }
}

/// The types a search asks for; empty when its URL does not tell.
fn types_of(url: &str) -> Vec<&str> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let all = definitions();
    let known = |name: &&str| all.resource(name).is_some();
    let listed = query.split('&').find_map(|pair| pair.strip_prefix("_type="));
    if let Some(listed) = listed {
        return listed.split(',').flat_map(|name| name.split("%2C")).filter(known).collect();
    }
    let last = path.trim_end_matches("/_search").rsplit('/').next();
    last.into_iter().filter(known).collect()
}

/// A link relation that has one meaning occurs once, and pages are those of searches and histories
/// (http.html#paging).
fn links(bundle: &Node<'_>, remarks: &mut Vec<Remark>) {
    let mut seen = HashSet::new();
    let kind = bundle.text("type").unwrap_or_default();
    for (index, link) in bundle.list("link").iter().enumerate() {
        let Some(relation) = link.text("relation") else { continue };
        let is_page = matches!(relation, "first" | "previous" | "prev" | "next" | "last");
        if is_page && !matches!(kind, "searchset" | "history" | "") {
            let path = format!(".link[{index}]");
            remarks.push(Remark::error(IssueCode::Invalid, "bundle-link-page", path).with(relation).with(kind));
        }
        let is_unique = matches!(relation, "self" | "first" | "last" | "next" | "previous" | "prev");
        if !seen.insert(relation) && is_unique {
            let path = format!(".link[{index}]");
            remarks.push(Remark::error(IssueCode::Invalid, "bundle-link-twice", path).with(relation));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;

    fn judge(text: &str) -> Vec<(&'static str, String)> {
        let bundle = json::parse(text.as_bytes()).unwrap();
        check(&bundle).into_iter().map(|remark| (remark.message, remark.path)).collect()
    }

    fn one(message: &'static str, path: &str) -> Vec<(&'static str, String)> {
        vec![(message, path.to_owned())]
    }

    /// bundle-definitions.html#Bundle.entry.fullUrl
    #[test]
    fn full_urls_are_absolute_and_agree_with_the_resource() {
        let entry =
            |entry: &str| judge(&format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{entry}]}}"#));
        assert_eq!(
            entry(r#"{"fullUrl":"http://a/fhir/Patient/1","resource":{"resourceType":"Patient","id":"1"}}"#),
            []
        );
        assert_eq!(
            entry(
                r#"{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","resource":{"resourceType":"Patient"}}"#
            ),
            []
        );
        let relative = entry(r#"{"fullUrl":"Patient/1","resource":{"resourceType":"Patient","id":"1"}}"#);
        assert_eq!(relative, one("bundle-url-relative", ".entry[0].fullUrl"));
        let other = entry(r#"{"fullUrl":"http://a/fhir/Patient/1","resource":{"resourceType":"Patient","id":"2"}}"#);
        assert_eq!(other, one("bundle-url-id", ".entry[0].fullUrl"));
        let kind = entry(r#"{"fullUrl":"http://a/fhir/Patient/1","resource":{"resourceType":"Group","id":"1"}}"#);
        assert_eq!(kind, one("bundle-url-type", ".entry[0].fullUrl"));
        assert_eq!(entry(r#"{"resource":{"resourceType":"Patient"}}"#), one("bundle-url-missing", ".entry[0]"));
        assert_eq!(
            judge(
                r#"{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient"}}]}"#
            ),
            []
        );
    }

    /// documents.html#content: what the Composition refers to is there, and nothing else.
    #[test]
    fn documents_hang_together() {
        let document = |subject: &str, more: &str| {
            judge(&format!(
                r#"{{"resourceType":"Bundle","type":"document","entry":[
                {{"fullUrl":"http://a/Composition/1","resource":{{"resourceType":"Composition","id":"1","subject":{{"reference":"{subject}"}}}}}},
                {{"fullUrl":"http://a/Patient/1","resource":{{"resourceType":"Patient","id":"1"}}}}{more}]}}"#
            ))
        };
        assert_eq!(document("Patient/1", ""), []);
        let found = document("Patient/2", "");
        assert_eq!(found[0], ("bundle-reference", ".entry[0].resource.subject".to_owned()));
        let backwards = r#",{"fullUrl":"http://a/Observation/1","resource":{"resourceType":"Observation","id":"1","subject":{"reference":"Patient/1"}}}"#;
        assert_eq!(document("Patient/1", backwards), []);
        let orphan = r#",{"fullUrl":"http://a/Observation/1","resource":{"resourceType":"Observation","id":"1"}}"#;
        assert_eq!(document("Patient/1", orphan), one("bundle-orphan", ".entry[2]"));
    }

    /// search.html: matches are of the type asked for, outcomes are OperationOutcomes.
    #[test]
    fn searchsets_hold_what_was_asked_for() {
        let search = |entry: &str| {
            judge(&format!(
                r#"{{"resourceType":"Bundle","type":"searchset","link":[{{"relation":"self","url":"http://a/fhir/Patient?name=x"}}],
                "entry":[{entry}]}}"#
            ))
        };
        let entry = |kind: &str, id: &str, mode: &str| {
            format!(
                r#"{{"fullUrl":"http://a/fhir/{kind}/{id}","resource":{{"resourceType":"{kind}","id":"{id}"}},"search":{{"mode":"{mode}"}}}}"#
            )
        };
        assert_eq!(search(&entry("Patient", "1", "match")), []);
        assert_eq!(search(&entry("Group", "1", "include")), []);
        assert_eq!(search(&entry("Group", "1", "match")), one("bundle-search-type", ".entry[0].resource"));
        assert_eq!(search(&entry("Group", "1", "outcome")), one("bundle-outcome", ".entry[0]"));
        assert_eq!(search(&entry("OperationOutcome", "1", "match")), one("bundle-match-outcome", ".entry[0]"));
    }
}
