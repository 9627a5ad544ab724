//! What is said of a medicine: by who took it, prescribed it, handed it over or gave it.
//!
//! An injection given in hospital is absent from the discharge prescription: a dose counts wherever it stands.

use super::read::{day, end, extension, number};
use super::{Fact, Kind, Resolve, Use};
use crate::fls::{Day, Rules};
use crate::format::json::Node;
use crate::r4::reference::Reference;

/// Adds the facts of a MedicationRequest, -Statement, -Administration or -Dispense.
pub(super) fn facts(
    rules: &Rules,
    type_name: &str,
    resource: &Node<'_>,
    source: &str,
    resolve: Resolve<'_>,
    out: &mut Vec<Fact>,
) {
    let Some(drug) = drug(rules, resource, resolve) else { return };
    let status = resource.text("status").unwrap_or_default();
    let mut add = |day: Option<Day>, used: Use| {
        if let Some(day) = day {
            out.push(Fact { day, source: source.to_owned(), kind: Kind::Drug { drug: drug.clone(), used } });
        }
    };
    match type_name {
        "MedicationStatement" => statement(resource, status, &mut add),
        "MedicationRequest" => request(resource, status, &mut add),
        "MedicationDispense" if status == "completed" => {
            let days = resource.get("daysSupply").and_then(days);
            add(day(resource, &["whenHandedOver", "whenPrepared"]), Use::Supply { days });
        }
        "MedicationAdministration" if status == "completed" => add(day(resource, &["effective"]), Use::Dose),
        "MedicationAdministration" if status == "not-done" && is_refusal(resource) => {
            add(day(resource, &["effective"]), Use::Refused);
        }
        _ => {}
    }
}

fn drug(rules: &Rules, resource: &Node<'_>, resolve: Resolve<'_>) -> Option<String> {
    let place = match resource.get("medicationCodeableConcept") {
        Some(concept) => rules.drugs.concept(concept),
        None => {
            let reference = resource.get("medicationReference")?;
            let by_display = || rules.drugs.words(reference.text("display")?);
            let contained = reference
                .text("reference")
                .and_then(|text| text.strip_prefix('#'))
                .and_then(|id| resource.list("contained").iter().find(|one| one.text("id") == Some(id)));
            let coded = match (contained, reference.text("reference").map(Reference::parse)) {
                (Some(medication), _) => rules.drugs.concept(medication.get("code")?),
                (None, Some(Reference::Local { resource_type: "Medication", id, .. })) => {
                    resolve(&format!("Medication/{id}"))
                        .and_then(|medication| rules.drugs.concept(medication.get("code")?))
                }
                _ => None,
            };
            coded.or_else(by_display)
        }
    };
    place.map(|place| rules.drugs.code(place).to_owned())
}

fn reason(resource: &Node<'_>) -> String {
    let concept = match resource.get("statusReason") {
        Some(Node::Array(items)) => items.first(),
        other => other,
    };
    let of = |concept: &Node<'_>| {
        let coded = concept.path(&["coding", "code"]).and_then(Node::as_str);
        coded.or(concept.text("text")).map(str::to_owned)
    };
    concept.and_then(of).unwrap_or_default()
}

fn is_refusal(resource: &Node<'_>) -> bool {
    let reason = reason(resource);
    reason == "refused" || reason.contains("拒否") || reason.contains("辞退")
}

fn statement(resource: &Node<'_>, status: &str, add: &mut impl FnMut(Option<Day>, Use)) {
    let asserted = resource.text("dateAsserted").and_then(Day::parse);
    let start = day(resource, &["effective"]).or(asserted);
    let Some(start) = start else { return };
    let asserted = asserted.unwrap_or(start);
    let stated_end = end(resource, "effectivePeriod");
    let next = extension(resource, "next-dose-date").and_then(|one| Day::parse(one.text("valueDate")?));
    let taken = |end: Option<Day>| Use::Taken { end, asserted, next };
    match status {
        "intended" => add(Some(start), Use::Recommended),
        "not-taken" if is_refusal(resource) => add(Some(asserted), Use::Refused),
        "stopped" | "on-hold" => {
            // A single date is one dose; a period that was stopped ended at the latest when this was said.
            let end = stated_end.unwrap_or(asserted).max(start);
            add(Some(start), taken(Some(end)));
            add(Some(end), Use::Stopped { reason: reason(resource) });
        }
        "active" | "completed" => {
            let is_point = resource.get("effectiveDateTime").is_some();
            match (status, stated_end) {
                ("completed", None) if is_point => add(Some(start), Use::Dose),
                ("completed", None) => add(Some(start), taken(Some(asserted))),
                (_, end) => add(Some(start), taken(end)),
            }
        }
        _ => {}
    }
}

fn request(resource: &Node<'_>, status: &str, add: &mut impl FnMut(Option<Day>, Use)) {
    let authored = day(resource, &["authoredOn"]);
    if resource.get("doNotPerform").and_then(Node::as_bool) == Some(true) {
        return;
    }
    match resource.text("intent") {
        Some("proposal" | "plan") if matches!(status, "active" | "completed" | "draft" | "on-hold") => {
            return add(authored, Use::Recommended);
        }
        Some("order" | "original-order" | "reflex-order" | "filler-order" | "instance-order") => {}
        _ => return,
    }
    match status {
        "active" | "completed" | "stopped" => {}
        _ => return,
    }
    let dosage = resource.list("dosageInstruction").first();
    let repeat = dosage.and_then(|dosage| dosage.path(&["timing", "repeat"]));
    let bounds = repeat.and_then(|repeat| repeat.get("boundsPeriod"));
    let start = bounds.and_then(|bounds| Day::parse(bounds.text("start")?)).or(authored);
    let until = bounds.and_then(|bounds| Day::last_of(bounds.text("end")?));
    let supply = resource.path(&["dispenseRequest", "expectedSupplyDuration"]).and_then(days);
    let bounded = repeat.and_then(|repeat| repeat.get("boundsDuration")).and_then(days);
    let spanned = start.zip(until).map(|(start, until)| until.since(start) + 1);
    add(start, Use::Supply { days: supply.or(bounded).or(spanned).filter(|days| *days > 0) });
}

/// A duration in days: days, weeks, months of 30 and years of 365 days.
#[allow(clippy::cast_possible_truncation, reason = "bounded to ten years")]
fn days(quantity: &Node<'_>) -> Option<i32> {
    let value = number(quantity.get("value")?)?;
    let each = match quantity.text("code").or_else(|| quantity.text("unit"))? {
        "d" | "day" | "days" | "日" | "日分" => 1.0,
        "wk" | "week" | "weeks" | "週" => 7.0,
        "mo" | "month" | "months" | "か月" => 30.0,
        "a" | "year" | "年" => 365.0,
        _ => return None,
    };
    let days = (value * each).floor();
    (days > 0.0).then_some(days.min(3660.0) as i32)
}
