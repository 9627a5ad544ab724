//! What must be the only one, and what must be absolute: ids of elements (element-definitions.html:
//! "unique within the resource"), ids of contained resources, security labels (resource.html#Meta: a set),
//! canonical URLs (references.html#canonical), identifiers (datatypes.html#Identifier).

use std::collections::HashSet;

use super::remark::Remark;
use crate::fhirpath::Item;
use crate::format::json::Node;
use crate::r4::definitions;
use crate::r4::outcome::{IssueCode, Severity};
use crate::validation::instance::node_of;
use crate::validation::place::Place;
use crate::validation::validator::{Run, Scope};

/// Ids of elements; those of a StructureDefinition stand in its differential and its snapshot alike.
pub(super) fn element<'r>(run: &mut Run<'_, 'r>, item: Item<'r>, place: &Place<'_>, scope: &Scope<'_, 'r>) {
    let node = node_of(&item);
    let holder = if matches!(node, Node::Object(_)) { Some(node) } else { item.extra };
    let Some(id) = holder.and_then(|holder| holder.text("id")) else { return };
    let is_exempt = std::ptr::eq(node, node_of(&scope.resource))
        || matches!(definitions().get(item.type_id).name.as_str(), "ElementDefinition" | "StructureDefinition");
    if !is_exempt && !run.is_new_id(node_of(&scope.resource), id) {
        run.report(Severity::Error, IssueCode::Duplicate, "id-twice", vec![id.to_owned()], place);
    }
}

/// A resource's own.
pub(super) fn resource<'r>(run: &mut Run<'_, 'r>, item: Item<'r>, place: &Place<'_>) {
    let node = node_of(&item);
    let mut seen = HashSet::new();
    for (index, contained) in node.list("contained").iter().enumerate() {
        let Some(id) = contained.text("id") else { continue };
        if !seen.insert(id) {
            let here = place.child("contained", Some(index));
            run.report(Severity::Error, IssueCode::Duplicate, "contained-twice", vec![id.to_owned()], &here);
        }
    }
    let labels = node.get("meta").map_or(&[][..], |meta| meta.list("security"));
    let mut seen = HashSet::new();
    for (index, label) in labels.iter().enumerate() {
        let key = (label.text("system"), label.text("code"));
        if key.1.is_some() && !seen.insert(key) {
            let shown = format!("{}#{}", key.0.unwrap_or_default(), key.1.unwrap_or_default());
            let meta = place.child("meta", None);
            let here = meta.child("security", Some(index));
            run.report(Severity::Error, IssueCode::Duplicate, "security-twice", vec![shown], &here);
        }
    }
    // What others refer to by its URL.
    let is_canonical = node.get("status").is_some() && node.get("name").is_some();
    if is_canonical && let Some(url) = node.text("url").filter(|url| !is_absolute(url)) {
        let here = place.child("url", None);
        run.report(Severity::Error, IssueCode::Invalid, "canonical-relative", vec![url.to_owned()], &here);
    }
}

/// A canonical: absolute, or a contained resource.
pub(super) fn canonical(text: &str, remarks: &mut Vec<Remark>) {
    if !text.starts_with('#') && !is_absolute(text) {
        remarks.push(Remark::error(IssueCode::Invalid, "canonical-relative", "").with(text));
    }
}

/// An Identifier: its system is absolute, and where that says that the value is a URI, it is one.
pub(super) fn identifier(node: &Node<'_>, remarks: &mut Vec<Remark>) {
    let Some(system) = node.text("system") else { return };
    if !is_absolute(system) {
        remarks.push(Remark::error(IssueCode::Invalid, "identifier-system", ".system").with(system));
    }
    if system == "urn:ietf:rfc:3986"
        && let Some(value) = node.text("value").filter(|value| !is_absolute(value))
    {
        remarks.push(Remark::error(IssueCode::Invalid, "identifier-uri", ".value").with(value));
    }
}

/// RFC 3986: a scheme, a colon and something behind it.
fn is_absolute(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;

    fn judge(check: impl Fn(&mut Vec<Remark>)) -> Vec<(&'static str, String)> {
        let mut remarks = Vec::new();
        check(&mut remarks);
        remarks.into_iter().map(|remark| (remark.message, remark.path)).collect()
    }

    #[test]
    fn identifiers_have_absolute_systems() {
        let judge = |text: &str| judge(|remarks| identifier(&json::parse(text.as_bytes()).unwrap(), remarks));
        assert_eq!(judge(r#"{"system":"urn:oid:1.2.392.100495","value":"1"}"#), []);
        assert_eq!(judge(r#"{"system":"urn:ietf:rfc:3986","value":"urn:uuid:1"}"#), []);
        assert_eq!(judge(r#"{"value":"1"}"#), []);
        assert_eq!(judge(r#"{"system":"hospital/mrn","value":"1"}"#), [("identifier-system", ".system".to_owned())]);
        assert_eq!(judge(r#"{"system":"urn:ietf:rfc:3986","value":"17"}"#), [("identifier-uri", ".value".to_owned())]);
    }

    #[test]
    fn canonicals_are_absolute_or_contained() {
        for fine in ["http://a/b|1", "#x", "urn:oid:1.2.3"] {
            assert_eq!(judge(|remarks| canonical(fine, remarks)), [], "{fine}");
        }
        assert_eq!(judge(|remarks| canonical("Questionnaire/1", remarks)).len(), 1);
    }
}
