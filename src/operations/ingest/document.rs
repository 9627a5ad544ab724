//! A document Bundle taken apart, with the checks that decide whether it can be taken at all.

use uuid::Uuid;

use crate::format::json::Node;
use crate::r4::datetime;
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};

/// Namespace of all ids made here (UUIDv5). Changing it would make every document a new one.
const NAMESPACE: Uuid = Uuid::from_u128(0x8c7d_4b1e_52a6_5f0e_9d3a_6b2f_10c4_e7d5);

/// A UUIDv5 of these parts, in order.
pub(crate) fn name_id(parts: &[&str]) -> String {
    Uuid::new_v5(&NAMESPACE, parts.join("\n").as_bytes()).to_string()
}

/// Which document this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentIdentity {
    /// System of the identifier, as sent; may be empty.
    pub system: String,
    /// Its value, as sent.
    pub value: String,
    /// Id under which the document is stored.
    pub bundle_id: String,
    /// What ids of its entries are made of.
    pub(super) key: String,
}

impl DocumentIdentity {
    fn new(identifier: &Node<'_>) -> Option<Self> {
        let value = identifier.text("value").filter(|value| !value.trim().is_empty())?;
        let system = identifier.text("system").unwrap_or_default();
        // Institution, year and number are joined by "^" in one guide and by "-" in another.
        let key = format!("{}|{}", system.trim(), value.trim().replace('^', "-"));
        let bundle_id = name_id(&[&key, "Bundle"]);
        Some(Self { system: system.to_owned(), value: value.to_owned(), bundle_id, key })
    }

    /// Id under which its Composition is stored.
    #[must_use]
    pub fn composition_id(&self) -> String {
        // As `keys::assign` names it.
        name_id(&[&self.key, "Composition\ndocument", "0"])
    }
}

/// One entry with a resource.
#[derive(Debug)]
pub(super) struct Entry<'d> {
    pub(super) full_url: Option<&'d str>,
    pub(super) type_name: &'d str,
    pub(super) resource: &'d Node<'d>,
}

/// A document that can be worked with.
#[derive(Debug)]
pub(super) struct Document<'d> {
    pub(super) bundle: &'d Node<'d>,
    pub(super) identity: DocumentIdentity,
    pub(super) entries: Vec<Entry<'d>>,
    /// Place of the Composition.
    pub(super) composition: usize,
    /// Place of the Patient it is about.
    pub(super) subject: usize,
    /// When this version was made, as written.
    pub(super) timestamp: String,
    /// The same in µs since 1970 UTC.
    pub(super) instant: i64,
    /// What deserves a remark already.
    pub(super) issues: Vec<Issue>,
}

pub(super) fn identity(bundle: &Node<'_>) -> Result<DocumentIdentity, Issue> {
    if bundle.text("resourceType") != Some("Bundle") || bundle.text("type") != Some("document") {
        let text = "a Bundle of type \"document\" is needed (FHIR R4 documents.html)";
        return Err(Issue::error(IssueCode::Invalid, text).at("Bundle.type"));
    }
    let composition = bundle.list("entry").iter().filter_map(|entry| entry.get("resource"));
    let mut composition = composition.filter(|resource| resource.text("resourceType") == Some("Composition"));
    bundle
        .get("identifier")
        .and_then(DocumentIdentity::new)
        .or_else(|| DocumentIdentity::new(composition.next()?.get("identifier")?))
        .ok_or_else(|| {
            let text = "the document has no identifier: give Bundle.identifier a system and a value, \
                        so that a correction can be told from a new document";
            Issue::error(IssueCode::Required, text).at("Bundle.identifier")
        })
}

impl<'d> Document<'d> {
    pub(super) fn read<'n: 'd>(bundle: &'d Node<'n>) -> Result<Self, Vec<Issue>> {
        let identity = identity(bundle).map_err(|issue| vec![issue])?;
        let mut issues = Vec::new();
        if identity.system.trim().is_empty() {
            let text = "the document's identifier has no system: another sender's document may have the same value";
            issues.push(Issue::warning(IssueCode::Value, text).at("Bundle.identifier.system"));
        }
        if bundle.get("identifier").and_then(DocumentIdentity::new).is_none() {
            let text = "Bundle.identifier is missing (FHIR R4 bdl-9); Composition.identifier is taken for it";
            issues.push(Issue::warning(IssueCode::Required, text).at("Bundle.identifier"));
        }
        let entries = entries(bundle)?;
        let composition = entries.iter().position(|entry| entry.type_name == "Composition").ok_or_else(|| {
            let text = "a document begins with a Composition (FHIR R4 bdl-11); there is none";
            vec![Issue::error(IssueCode::Required, text).at("Bundle.entry[0].resource")]
        })?;
        if composition != 0 {
            let text = "the Composition should be the first entry (FHIR R4 bdl-11)";
            issues.push(Issue::warning(IssueCode::Invariant, text).at(format!("Bundle.entry[{composition}]")));
        }
        let (timestamp, instant) = timestamp(bundle, entries.get(composition), &mut issues)?;
        let mut document =
            Self { bundle, identity, entries, composition, subject: 0, timestamp, instant, issues: Vec::new() };
        document.subject = document.find_subject(&mut issues)?;
        document.issues = issues;
        Ok(document)
    }

    pub(super) fn composition(&self) -> &'d Node<'d> {
        self.entries.get(self.composition).map_or(self.bundle, |entry| entry.resource)
    }

    pub(super) fn composition_path(&self) -> String {
        format!("Bundle.entry[{}].resource", self.composition)
    }

    fn find_subject(&self, issues: &mut Vec<Issue>) -> Result<usize, Vec<Issue>> {
        let path = self.composition_path() + ".subject";
        let resolver = super::Resolver::new(self);
        let reference = self.composition().path(&["subject", "reference"]).and_then(Node::as_str);
        let is_patient = |place: &usize| self.entries.get(*place).is_some_and(|entry| entry.type_name == "Patient");
        let named = reference.and_then(|reference| resolver.resolve(reference, self.composition)).filter(is_patient);
        if let Some(place) = named {
            return Ok(place);
        }
        let mut patients = (0..self.entries.len()).filter(is_patient);
        match (patients.next(), patients.next()) {
            (Some(only), None) => {
                let text = "Composition.subject does not lead to a Patient of the document; its only Patient is taken";
                issues.push(Issue::warning(IssueCode::Invalid, text).at(path));
                Ok(only)
            }
            _ => {
                let text = "the document does not say which Patient it is about: \
                            Composition.subject must lead to a Patient entry of the same Bundle";
                Err(vec![Issue::error(IssueCode::Required, text).at(path)])
            }
        }
    }
}

fn entries<'d>(bundle: &'d Node<'_>) -> Result<Vec<Entry<'d>>, Vec<Issue>> {
    let mut errors = Vec::new();
    let mut entries: Vec<Entry<'d>> = Vec::new();
    for (place, entry) in bundle.list("entry").iter().enumerate() {
        let path = format!("Bundle.entry[{place}]");
        let resource = entry.get("resource");
        let known = resource.and_then(|resource| {
            let type_name = resource.text("resourceType")?;
            definitions().resource(type_name)?;
            Some((resource, type_name))
        });
        let Some((resource, type_name)) = known else {
            let text = "an entry of a document needs a resource of a type FHIR R4 has";
            errors.push(Issue::error(IssueCode::Structure, text).at(path + ".resource"));
            continue;
        };
        let full_url = entry.text("fullUrl");
        if let Some(url) = full_url
            && let Some(first) = entries.iter().position(|earlier| earlier.full_url == Some(url))
        {
            let text = format!("fullUrl {url} is that of entry[{first}] too (FHIR R4 bdl-7)");
            errors.push(Issue::error(IssueCode::Invariant, text).at(path + ".fullUrl"));
        }
        entries.push(Entry { full_url, type_name, resource });
    }
    if errors.is_empty() { Ok(entries) } else { Err(errors) }
}

fn timestamp(
    bundle: &Node<'_>,
    composition: Option<&Entry<'_>>,
    issues: &mut Vec<Issue>,
) -> Result<(String, i64), Vec<Issue>> {
    let instant = |text: &str| {
        let span = datetime::span(text, datetime::JST_SECONDS).filter(|_| datetime::is_instant(text))?;
        Some((text.to_owned(), span.low))
    };
    if let Some(text) = bundle.text("timestamp") {
        return instant(text).ok_or_else(|| {
            let text = format!("{text:?} is not an instant such as 2025-07-14T15:00:00+09:00");
            vec![Issue::error(IssueCode::Value, text).at("Bundle.timestamp")]
        });
    }
    let date = composition.and_then(|entry| entry.resource.text("date")).and_then(instant);
    let date = date.ok_or_else(|| {
        let text = "a document needs Bundle.timestamp (FHIR R4 bdl-10): it tells a correction from what it corrects";
        vec![Issue::error(IssueCode::Required, text).at("Bundle.timestamp")]
    })?;
    let text = "Bundle.timestamp is missing (FHIR R4 bdl-10); Composition.date is taken for it";
    issues.push(Issue::warning(IssueCode::Required, text).at("Bundle.timestamp"));
    Ok(date)
}
