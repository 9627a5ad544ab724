//! What the citizen takes, and what is injected.

use super::Draft;
use crate::format::json::Node;
use crate::notebook::category;
use crate::notebook::texts::{
    concept, concept_at, concepts, joined, labelled, notes, or_missing, quantity, reference_at, text,
};
use crate::notebook::when::When;

pub(super) fn request(resource: &Node<'_>) -> Draft {
    let supply = resource.path(&["dispenseRequest", "expectedSupplyDuration"]).and_then(days);
    prescribed(resource, "服薬", "dosageInstruction", supply, &["authoredOn"])
}

pub(super) fn statement(resource: &Node<'_>) -> Draft {
    let mut draft =
        prescribed(resource, "服薬", "dosage", None, &["effectiveDateTime", "effectivePeriod", "dateAsserted"]);
    let reason = labelled("理由", concepts(resource, "statusReason"));
    draft.detail = joined(draft.detail.into_iter().chain(reason), "／");
    draft
}

pub(super) fn dispense(resource: &Node<'_>) -> Draft {
    let supply = resource.get("daysSupply").and_then(days);
    prescribed(resource, "調剤", "dosageInstruction", supply, &["whenHandedOver", "whenPrepared"])
}

fn prescribed(resource: &Node<'_>, swallowed: &str, dosages: &str, supply: Option<String>, dates: &[&str]) -> Draft {
    let drug = drug(resource);
    let dosage = resource.list(dosages).first();
    let (kind, word) = if is_injected(resource, dosage, drug.as_deref()) {
        (category::INJECTION, "注射")
    } else {
        (category::MEDICATION, swallowed)
    };
    let usage =
        dosage.and_then(|dosage| dosage.path(&["timing", "code"]).and_then(concept).or_else(|| text(dosage, "text")));
    let supply = supply.or_else(|| dosage?.path(&["timing", "repeat", "boundsDuration"]).and_then(days));
    // Some hospitals write the number of days into the usage already.
    let supply = supply.filter(|supply| !usage.as_deref().is_some_and(|usage| usage.contains(supply.as_str())));
    let parts = [Some(or_missing(drug)), usage.clone(), supply];
    let title = format!("{word}：{}", joined(parts.into_iter().flatten(), " ").unwrap_or_default());
    let amount = dosage.and_then(|dosage| dosage.path(&["doseAndRate", "doseQuantity"]).and_then(quantity));
    let amount = amount.map(|amount| format!("1回 {amount}"));
    let full = dosage.and_then(|dosage| text(dosage, "text")).filter(|full| usage.as_ref() != Some(full));
    let needed = dosage
        .and_then(|dosage| dosage.get("asNeededBoolean").and_then(Node::as_bool))
        .is_some_and(|needed| needed)
        .then(|| "必要時".to_owned());
    Draft::new(kind, When::first(resource, dates), title).detail([full.or(amount), needed, notes(resource)])
}

/// Given by staff: an injection unless it says that it was swallowed or applied.
pub(super) fn administration(resource: &Node<'_>) -> Draft {
    let drug = drug(resource);
    let dosage = resource.get("dosage");
    let injected = is_injected(resource, dosage, drug.as_deref());
    let other_way = dosage.and_then(|dosage| concept_at(dosage, "route")).is_some() || is_swallowed(drug.as_deref());
    let (kind, word) =
        if injected || !other_way { (category::INJECTION, "注射") } else { (category::MEDICATION, "与薬") };
    let when = When::first(resource, &["effectiveDateTime", "effectivePeriod"]);
    let amount = dosage.and_then(|dosage| text(dosage, "text").or_else(|| dosage.get("dose").and_then(quantity)));
    Draft::new(kind, when, format!("{word}：{}", or_missing(drug))).detail([
        amount,
        labelled("実施者", resource.list("performer").iter().find_map(|performer| reference_at(performer, "actor"))),
        notes(resource),
    ])
}

pub(in crate::notebook) fn drug(resource: &Node<'_>) -> Option<String> {
    concept_at(resource, "medicationCodeableConcept").or_else(|| reference_at(resource, "medicationReference")).or_else(
        || {
            // A contained Medication is the only one in reach here.
            let name =
                resource.path(&["medicationReference", "reference"]).and_then(Node::as_str)?.strip_prefix('#')?;
            let medication = resource.list("contained").iter().find(|item| item.text("id") == Some(name))?;
            concept_at(medication, "code").or_else(|| {
                medication.list("ingredient").iter().find_map(|part| concept_at(part, "itemCodeableConcept"))
            })
        },
    )
}

pub(in crate::notebook) fn is_injected(resource: &Node<'_>, dosage: Option<&Node<'_>>, drug: Option<&str>) -> bool {
    let profiled = resource.get("meta").is_some_and(|meta| {
        meta.list("profile").iter().filter_map(Node::as_str).any(|profile| profile.contains("Injection"))
    });
    let has = |text: &str, words: &[&str]| words.iter().any(|word| text.contains(word));
    let route = dosage.and_then(|dosage| concept_at(dosage, "route"));
    profiled
        || route.is_some_and(|route| {
            has(&route, &["注", "皮下", "静脈", "筋肉内", "点滴"])
                || has(&route.to_lowercase(), &["inject", "subcut", "intraven", "intramus"])
        })
        || drug.is_some_and(|drug| has(drug, &["注射", "皮下注", "静注", "筋注", "点滴"]))
}

fn is_swallowed(drug: Option<&str>) -> bool {
    drug.is_some_and(|drug| ["錠", "カプセル", "散", "顆粒", "内用", "シロップ"].iter().any(|form| drug.contains(form)))
}

/// `28日分` for a duration in days.
fn days(duration: &Node<'_>) -> Option<String> {
    let is_day = matches!(duration.text("code"), Some("d")) || matches!(duration.text("unit"), Some("日" | "d"));
    match duration.get("value") {
        Some(Node::Number(digits)) if is_day => Some(format!("{digits}日分")),
        _ => None,
    }
}
