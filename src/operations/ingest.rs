//! A FHIR document → one transaction.
//!
//! Takes a discharge summary (退院時サマリー, eDischargeSummary) or, leniently, any FHIR document
//! (診療情報提供書, JP-CLINS, municipal checkups) and plans what is stored: the document as sent, its
//! Composition, every entry, and a Provenance that ties them to the document.
//!
//! **The same thing has the same id.** A document is its `Bundle.identifier`. Its entries get UUIDv5
//! ids made of that identifier and a key that does not depend on their order nor on `urn:uuid`s,
//! which senders draw anew each time (see `ingest/keys.rs`). Hence: sent twice, nothing changes; a correction
//! (same identifier, later `timestamp`) updates the same resources and leaves their history; what it
//! no longer has is deleted; an older version is refused.
//!
//! **People and institutions are shared**, not owned by a document: patients, organizations and
//! practitioners with an identifier are created only when nobody has that identifier yet. A Patient
//! who exists is added to, never overwritten.
//!
//! **Nothing is lost silently.** What has no place of its own stays in the stored document and is
//! named in an issue with its path.
//!
//! References between entries are rewritten to fullUrls of this transaction, which are unlike those
//! of the document, so that an engine that rewrites references leaves the stored document as it is.

mod document;
mod keys;
mod labels;
mod patient;
mod provenance;
mod references;
mod sections;

use std::collections::BTreeSet;

pub use document::DocumentIdentity;
pub(crate) use document::name_id;

use crate::format::json::Node;
use crate::r4::outcome::{Issue, IssueCode};
use document::Document;
use keys::{Fate, Item};
use references::Resolver;

/// What to do with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestPlan {
    /// A transaction Bundle. Every fullUrl is a `urn:uuid`.
    pub transaction: Node<'static>,
    /// Warnings and information: what could not be placed, what was assumed.
    pub issues: Vec<Issue>,
    /// System and value of the document's identifier, as sent.
    pub document_identifier: (String, String),
    /// Id under which the document itself is stored (`Bundle/<id>`).
    pub bundle_id: String,
    /// What becomes of the document's patient.
    pub patient: PlannedPatient,
}

/// Where the Patient of a document is found afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedPatient {
    /// Here already, and not changed: the id.
    Kept(String),
    /// Written by this entry of the transaction.
    Written(usize),
}

/// Which document this is; the previous version, if there is one, is `Bundle/<bundle_id>`.
///
/// # Errors
/// When it is not a document, or has no identifier.
pub fn identity(document: &Node<'_>) -> Result<DocumentIdentity, Issue> {
    document::identity(document)
}

/// A search that finds the document's patient on this server
/// (`identifier=system|value,system|value`, percent-encoded), by any of their identifiers. `None`
/// when there is no identifier to search by.
#[must_use]
pub fn patient_criteria(document: &Node<'_>) -> Option<String> {
    let document = Document::read(document).ok()?;
    patient::criteria_of_all(document.entries.get(document.subject)?.resource)
}

/// Plans the transaction for a document.
///
/// `previous` is the stored Bundle of the same document, `existing_patient` the Patient that
/// [`patient_criteria`] finds; both as stored on this server.
///
/// # Errors
/// Every reason why the document cannot be taken: not a document, no identifier, no patient that
/// can be told from others, older than what is stored, a correction that changes the patient.
pub fn plan(
    document: &Node<'_>,
    previous: Option<&Node<'_>>,
    existing_patient: Option<&Node<'_>>,
) -> Result<IngestPlan, Vec<Issue>> {
    let document = Document::read(document)?;
    let mut issues = document.issues.clone();
    let resolver = Resolver::new(&document);
    let placed = sections::examine(&document, &resolver, &mut issues);
    let mut items = keys::assign(&document, &placed, &mut issues);
    let patient = patient::place(&document, &mut items, existing_patient, &mut issues)?;
    let labels = labels::Labels::of(&document);
    labels.tell(&mut issues);
    let stored_bundle = stored_bundle(&document, &labels);
    let mut removed = match previous {
        Some(previous) => compare(&document, &stored_bundle, previous, &items)?,
        None => BTreeSet::new(),
    };
    if document.composition().text("status") == Some("entered-in-error") {
        withdraw(&document, &mut items, &mut removed, &mut issues);
    }

    let mut entries = Vec::new();
    let mut targets = Vec::new();
    let mut patient_entry = PlannedPatient::Written(0);
    for item in &items {
        if item.place == document.subject {
            patient_entry = match &item.fate {
                Fate::Existing { id } => PlannedPatient::Kept(id.clone()),
                _ => PlannedPatient::Written(entries.len()),
            };
        }
        match &item.fate {
            // Named all the same, or a Provenance would change when a document is sent again.
            Fate::Existing { id } => targets.push(format!("Patient/{id}")),
            Fate::SameAs(_) | Fate::Withdrawn => {}
            Fate::Put | Fate::Create { .. } | Fate::Merge { .. } => targets.push(item.full_url()),
        }
        let resource = match &item.fate {
            Fate::Put | Fate::Create { .. } => {
                references::rewritten(&document, &resolver, &items, item.place, &mut issues)
            }
            Fate::Merge { .. } => patient.merged.clone().unwrap_or(Node::Null),
            _ => continue,
        };
        entries.extend(item_entry(&document, item, resource, &labels));
    }
    let bundle_id = document.identity.bundle_id.clone();
    let bundle_url = format!("urn:uuid:{bundle_id}");
    targets.push(bundle_url.clone());
    entries.push(transaction_entry(bundle_url.clone(), stored_bundle, put("Bundle", &bundle_id)));
    let (provenance_id, mut provenance) = provenance::provenance(&document, &resolver, &items, &targets, &bundle_url);
    labels.protect(&mut provenance, false);
    let provenance_url = format!("urn:uuid:{provenance_id}");
    entries.push(transaction_entry(provenance_url, provenance, put("Provenance", &provenance_id)));
    entries.extend(removed.iter().map(|url| {
        let request = [("method", Node::string("DELETE")), ("url", Node::string(url.clone()))];
        Node::object([("request", Node::object(request))])
    }));
    Ok(IngestPlan {
        transaction: Node::object([
            ("resourceType", Node::string("Bundle")),
            ("type", Node::string("transaction")),
            ("entry", Node::Array(entries)),
        ]),
        issues,
        document_identifier: (document.identity.system.clone(), document.identity.value.clone()),
        bundle_id,
        patient: patient_entry,
    })
}

/// The entry that stores an item of the document.
fn item_entry(
    document: &Document<'_>,
    item: &Item,
    mut resource: Node<'static>,
    labels: &labels::Labels,
) -> Option<Node<'static>> {
    let type_name = document.entries.get(item.place)?.type_name;
    let request = match &item.fate {
        Fate::Put => {
            set_id(&mut resource, &item.id);
            labels.protect(&mut resource, item.place == document.composition);
            put(type_name, &item.id)
        }
        Fate::Create { criteria } => {
            resource.remove("id");
            Node::object([
                ("method", Node::string("POST")),
                ("url", Node::string(type_name.to_owned())),
                ("ifNoneExist", Node::string(criteria.clone())),
            ])
        }
        Fate::Merge { id, version } => {
            let mut request = put(type_name, id);
            if let Some(version) = version {
                request.set("ifMatch", Node::string(format!("W/\"{version}\"")));
            }
            request
        }
        Fate::Existing { .. } | Fate::SameAs(_) | Fate::Withdrawn => return None,
    };
    Some(transaction_entry(item.full_url(), resource, request))
}

fn put(type_name: &str, id: &str) -> Node<'static> {
    Node::object([("method", Node::string("PUT")), ("url", Node::string(format!("{type_name}/{id}")))])
}

fn transaction_entry(full_url: String, resource: Node<'static>, request: Node<'static>) -> Node<'static> {
    Node::object([("fullUrl", Node::string(full_url)), ("resource", resource), ("request", request)])
}

/// Sets the id, right after `resourceType` when there was none.
pub(crate) fn set_id(resource: &mut Node<'static>, id: &str) {
    insert_second(resource, "id", Node::string(id.to_owned()));
}

/// Sets a member; a new one comes after `resourceType` and `id`.
fn insert_second(resource: &mut Node<'static>, name: &'static str, value: Node<'static>) {
    let Node::Object(members) = resource else { return };
    if let Some((_, old)) = members.iter_mut().find(|(member, _)| member == name) {
        *old = value;
        return;
    }
    let place = members.iter().take_while(|(member, _)| member == "resourceType" || member == "id").count();
    members.insert(place, (name.into(), value));
}

/// The document as sent, under its own id and with the labels that keep it from whom it must not
/// reach. (A signature over a document does not cover `Bundle.id` and `Bundle.meta`: FHIR R4
/// signatures, canonicalization `#document`.)
fn stored_bundle(document: &Document<'_>, labels: &labels::Labels) -> Node<'static> {
    let mut bundle = document.bundle.clone().into_owned();
    set_id(&mut bundle, &document.identity.bundle_id);
    labels.protect(&mut bundle, true);
    bundle
}

/// Checks a new version against the stored one; answers what is to be deleted (`Type/id`).
fn compare(
    document: &Document<'_>,
    stored_bundle: &Node<'static>,
    previous: &Node<'_>,
    items: &[Item],
) -> Result<BTreeSet<String>, Vec<Issue>> {
    let conflict = |text: String| vec![Issue::error(IssueCode::Conflict, text).at("Bundle.timestamp")];
    let earlier = Document::read(previous)?;
    if earlier.identity.bundle_id != document.identity.bundle_id {
        let text = format!(
            "the version compared with is another document ({}|{})",
            earlier.identity.system, earlier.identity.value
        );
        return Err(vec![Issue::error(IssueCode::Conflict, text).at("Bundle.identifier")]);
    }
    if document.instant < earlier.instant {
        return Err(conflict(format!(
            "this version of the document is of {}, the stored one of {}: an older version does not replace a newer one",
            document.timestamp, earlier.timestamp
        )));
    }
    if document.instant == earlier.instant && comparable(stored_bundle) != comparable(previous) {
        return Err(conflict(format!(
            "the stored version of this document has the same timestamp {} and other content: a correction needs a later timestamp",
            document.timestamp
        )));
    }
    patient::same_person(document, &earlier)?;
    let resolver = Resolver::new(&earlier);
    let placed = sections::examine(&earlier, &resolver, &mut Vec::new());
    let before = keys::assign(&earlier, &placed, &mut Vec::new());
    let kept = owned(document, items);
    Ok(owned(&earlier, &before).difference(&kept).cloned().collect())
}

/// `Type/id` of what belongs to the document alone.
fn owned(document: &Document<'_>, items: &[Item]) -> BTreeSet<String> {
    let puts = items.iter().filter(|item| item.fate == Fate::Put);
    puts.filter_map(|item| Some(format!("{}/{}", document.entries.get(item.place)?.type_name, item.id))).collect()
}

/// A Bundle without what the server adds to it, whatever the order of its members.
fn comparable(bundle: &Node<'_>) -> Node<'static> {
    let mut bundle = bundle.clone().into_owned();
    bundle.remove("id");
    if let Some(meta) = bundle.get_mut("meta") {
        meta.remove("versionId");
        meta.remove("lastUpdated");
        if let Node::Object(members) = meta {
            members.sort_by(|left, right| left.0.cmp(&right.0));
        }
        if meta.members().is_empty() {
            bundle.remove("meta");
        }
    }
    if let Node::Object(members) = &mut bundle {
        members.sort_by(|left, right| left.0.cmp(&right.0));
    }
    bundle
}

/// A document entered in error: it and its Composition stay as a record, its entries go.
fn withdraw(document: &Document<'_>, items: &mut [Item], removed: &mut BTreeSet<String>, issues: &mut Vec<Issue>) {
    removed.extend(owned(document, items));
    for item in items.iter_mut().filter(|item| item.fate == Fate::Put) {
        if item.place == document.composition {
            removed.remove(&format!("Composition/{}", item.id));
        } else {
            item.fate = Fate::Withdrawn;
        }
    }
    let text = "the document is entered in error: it is kept as a record, what it had brought in is deleted";
    issues.push(Issue::warning(IssueCode::BusinessRule, text).at(document.composition_path() + ".status"));
}

#[cfg(test)]
#[path = "ingest/tests.rs"]
mod tests;
