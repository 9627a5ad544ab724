//! From a resource to its rows. Total: whatever the resource looks like, there is an answer, if an
//! empty one.

mod citizen;
mod clinical;
pub(in crate::notebook) mod medication;
mod observation;
mod plans;
mod sharing;

use super::model;
use super::texts::{self, or_missing};
use super::when::When;
use crate::format::json::Node;
use crate::r4::reference::Reference;
use crate::store::{EntryRow, NotebookRows};

/// One entry while it is being made; what all entries of a resource share is added at the end.
#[derive(Debug, Default)]
struct Draft {
    ordinal: i32,
    category: &'static str,
    when: When,
    title: String,
    detail: Option<String>,
    /// Where it is not the resource's own.
    status: Option<String>,
}

impl Draft {
    fn new(category: &'static str, when: Option<When>, title: String) -> Self {
        Self { category, when: when.unwrap_or_default(), title, ..Self::default() }
    }

    fn detail(mut self, parts: impl IntoIterator<Item = Option<String>>) -> Self {
        self.detail = texts::joined(parts.into_iter().flatten(), "／");
        self
    }

    fn ordinal(mut self, ordinal: i32) -> Self {
        self.ordinal = ordinal;
        self
    }
}

/// The rows of a resource. Never fails.
///
/// A resource entered in error has none; neither has one without a Patient of this server (a
/// reference `Patient/<id>`) as its subject.
#[must_use]
pub fn project(type_name: &str, resource: &Node<'_>) -> NotebookRows {
    if type_name == "Patient" {
        return NotebookRows { citizen: Some(citizen::citizen(resource)), ..NotebookRows::default() };
    }
    if is_entered_in_error(resource) {
        return NotebookRows::default();
    }
    let entities = model::rows(type_name, resource);
    let subjects = subjects(type_name, resource);
    if subjects.is_empty() {
        return NotebookRows { entities, ..NotebookRows::default() };
    }
    let labels = labels(resource);
    let status = resource.text("status").map(str::to_owned);
    let mut entries = Vec::new();
    let drafts = drafts(type_name, resource);
    for subject_id in subjects {
        for draft in &drafts {
            entries.push(EntryRow {
                ordinal: draft.ordinal,
                subject_id: subject_id.clone(),
                category: draft.category.into(),
                happened_low: draft.when.low,
                happened_high: draft.when.high,
                date_text: or_missing(Some(draft.when.text.clone())),
                title: or_missing(Some(draft.title.clone())),
                detail: or_missing(draft.detail.clone()),
                status: or_missing(draft.status.clone().or_else(|| status.clone())),
                labels: labels.clone(),
            });
        }
    }
    NotebookRows { citizen: None, entries, entities }
}

fn drafts(type_name: &str, resource: &Node<'_>) -> Vec<Draft> {
    match type_name {
        "Encounter" => clinical::encounter(resource),
        "Condition" => vec![clinical::condition(resource)],
        "Procedure" => vec![clinical::procedure(resource)],
        "AllergyIntolerance" => vec![clinical::allergy(resource)],
        "MedicationRequest" => vec![medication::request(resource)],
        "MedicationStatement" => vec![medication::statement(resource)],
        "MedicationAdministration" => vec![medication::administration(resource)],
        "MedicationDispense" => vec![medication::dispense(resource)],
        "Observation" => vec![observation::observation(resource)],
        "CarePlan" => plans::care_plan(resource),
        "Appointment" => vec![plans::appointment(resource)],
        "Goal" => vec![plans::goal(resource)],
        "NutritionOrder" => vec![plans::nutrition_order(resource)],
        "Communication" => vec![sharing::communication(resource)],
        "Media" => vec![sharing::media(resource)],
        "DocumentReference" => vec![sharing::document_reference(resource)],
        "Composition" => vec![sharing::composition(resource)],
        "CareTeam" => vec![sharing::care_team(resource)],
        "RelatedPerson" => vec![sharing::related_person(resource)],
        "Consent" => vec![sharing::consent(resource)],
        _ => sharing::other(type_name, resource).into_iter().collect(),
    }
}

/// What people call a person, an organization, a team; `None` when the resource does not say.
#[must_use]
pub fn name_of(type_name: &str, resource: &Node<'_>) -> Option<String> {
    match type_name {
        "Patient" | "Practitioner" | "RelatedPerson" | "Person" => citizen::written_name(resource),
        "PractitionerRole" => resource.get("practitioner").and_then(texts::reference),
        "Device" => texts::text(resource.list("deviceName").first()?, "name"),
        _ => texts::text(resource, "name"),
    }
}

/// Ids of the local patients a resource is about; an appointment may have several.
fn subjects(type_name: &str, resource: &Node<'_>) -> Vec<String> {
    let mut ids: Vec<String> = if type_name == "Appointment" {
        resource.list("participant").iter().filter_map(|part| local_patient(part.get("actor")?)).collect()
    } else {
        ["subject", "patient", "for", "beneficiary", "individual"]
            .iter()
            .filter_map(|name| local_patient(resource.get(name)?))
            .take(1)
            .collect()
    };
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn local_patient(reference: &Node<'_>) -> Option<String> {
    match Reference::parse(reference.text("reference")?) {
        Reference::Local { resource_type: "Patient", id, .. } => Some(id.to_owned()),
        _ => None,
    }
}

fn is_entered_in_error(resource: &Node<'_>) -> bool {
    resource.text("status") == Some("entered-in-error")
        || texts::codes(resource, "verificationStatus").contains(&"entered-in-error")
}

/// Codes that access control looks at: security labels, and tags such as UNINFORMED (未告知).
fn labels(resource: &Node<'_>) -> String {
    let Some(meta) = resource.get("meta") else { return String::new() };
    let mut codes: Vec<&str> = ["security", "tag"]
        .iter()
        .flat_map(|name| meta.list(name))
        .filter_map(|coding| coding.text("code"))
        .filter(|code| !code.is_empty() && !code.contains(','))
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes.join(",")
}

#[cfg(test)]
#[path = "project/tests.rs"]
mod tests;
