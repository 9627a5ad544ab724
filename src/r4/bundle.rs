//! References between the entries of a Bundle (FHIR R4 bundle.html#references): an entry is found by
//! its `fullUrl`, and a relative reference is made absolute with the base of the `fullUrl` of the
//! entry it is written in.

use std::collections::HashMap;

use super::reference::Reference;
use crate::format::json::Node;

/// The entries of a Bundle by `fullUrl`.
#[derive(Debug, Default)]
pub struct Entries<'r> {
    by_url: HashMap<&'r str, Vec<&'r Node<'r>>, foldhash::fast::RandomState>,
}

/// What a reference leads to within a Bundle.
#[derive(Debug, Clone, Copy)]
pub enum Found<'r> {
    /// No entry.
    Nothing,
    /// The resource of one entry.
    One(&'r Node<'r>),
    /// Several entries: the reference says too little (the same resource in several versions).
    Several(&'r Node<'r>),
}

/// The base of a RESTful URL: `http://a/fhir` of `http://a/fhir/Patient/1`.
#[must_use]
pub fn base_of(full_url: &str) -> Option<&str> {
    match Reference::parse(full_url) {
        Reference::Absolute { base, .. } => Some(base),
        _ => None,
    }
}

impl<'r> Entries<'r> {
    /// Reads the entries of a Bundle.
    #[must_use]
    pub fn new(bundle: &'r Node<'r>) -> Self {
        let mut by_url: HashMap<&str, Vec<&Node<'_>>, foldhash::fast::RandomState> = HashMap::default();
        for entry in bundle.list("entry") {
            if let (Some(url), Some(resource)) = (entry.text("fullUrl"), entry.get("resource")) {
                by_url.entry(url).or_default().push(resource);
            }
        }
        Self { by_url }
    }

    /// What `reference`, written in the entry with `full_url`, leads to.
    #[must_use]
    pub fn find(&self, reference: &str, full_url: Option<&str>) -> Found<'r> {
        let reference = reference.split_once('#').map_or(reference, |(before, _)| before);
        let (absolute, version) = match Reference::parse(reference) {
            Reference::Local { resource_type, id, version } => match full_url.and_then(base_of) {
                Some(base) => (format!("{base}/{resource_type}/{id}"), version),
                None => return Found::Nothing,
            },
            Reference::Absolute { base, resource_type, id, version } => {
                (format!("{base}/{resource_type}/{id}"), version)
            }
            Reference::Urn(urn) => (urn.to_owned(), None),
            _ => (reference.to_owned(), None),
        };
        let Some(candidates) = self.by_url.get(absolute.as_str()) else { return Found::Nothing };
        let version_of = |node: &Node<'r>| node.get("meta").and_then(|meta| meta.text("versionId").map(str::to_owned));
        let mut fitting = candidates
            .iter()
            .filter(|node| version.is_none_or(|version| version_of(node).is_none_or(|found| found == version)));
        match (fitting.next(), fitting.next()) {
            (None, _) => Found::Nothing,
            (Some(only), None) => Found::One(only),
            (Some(first), Some(_)) => Found::Several(first),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;

    /// FHIR R4 bundle.html#references, its three ways and the version of a reference.
    #[test]
    fn entries_are_found_by_the_rules_of_the_standard() {
        let text = r#"{"resourceType":"Bundle","entry":[
            {"fullUrl":"http://a/fhir/Patient/1","resource":{"resourceType":"Patient","meta":{"versionId":"2"}}},
            {"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","resource":{"resourceType":"Group"}},
            {"fullUrl":"http://a/fhir/Device/1","resource":{"resourceType":"Device","meta":{"versionId":"1"}}},
            {"fullUrl":"http://a/fhir/Device/1","resource":{"resourceType":"Device","meta":{"versionId":"2"}}}]}"#;
        let bundle = json::parse(text.as_bytes()).unwrap();
        let entries = Entries::new(&bundle);
        let one = |reference, from| matches!(entries.find(reference, from), Found::One(_));
        assert!(one("Patient/1", Some("http://a/fhir/Observation/9")));
        assert!(one("http://a/fhir/Patient/1/_history/2", None) && !one("http://a/fhir/Patient/1/_history/3", None));
        assert!(!one("Patient/1", Some("http://b/fhir/Observation/9")));
        assert!(!one("Patient/1", Some("urn:uuid:c757873d-ec9a-4326-a141-556f43239520")) && !one("Patient/1", None));
        assert!(one("urn:uuid:c757873d-ec9a-4326-a141-556f43239520", None));
        assert!(matches!(entries.find("http://a/fhir/Device/1", None), Found::Several(_)));
        assert!(one("http://a/fhir/Device/1/_history/2", None));
    }
}
