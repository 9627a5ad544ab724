//! What is planned: care plans with their activities, appointments, goals, diets.

use super::Draft;
use crate::format::json::Node;
use crate::notebook::category;
use crate::notebook::texts::{
    codes, concept, concept_at, concepts, joined, labelled, notes, or_missing, quantity, reference_at, shortened, text,
};
use crate::notebook::when::When;

/// The plan itself, then its activities; an activity keeps its place as its ordinal.
pub(super) fn care_plan(resource: &Node<'_>) -> Vec<Draft> {
    let when = When::first(resource, &["period", "created"]);
    let description = text(resource, "description");
    let name = text(resource, "title").or_else(|| concepts(resource, "category"));
    let name = name.or_else(|| description.as_deref().map(|text| shortened(text, 40)));
    let plan = Draft::new(category::INSTRUCTION, when.clone(), format!("計画：{}", or_missing(name)))
        .detail([description, notes(resource)]);
    let mut drafts = vec![plan];
    for (place, activity) in resource.list("activity").iter().enumerate() {
        let Some(detail) = activity.get("detail") else { continue };
        if detail.text("status") == Some("entered-in-error") {
            continue;
        }
        let ordinal = i32::try_from(place + 1).unwrap_or(i32::MAX);
        drafts.push(planned(detail, when.as_ref()).ordinal(ordinal));
    }
    drafts
}

fn planned(detail: &Node<'_>, plan: Option<&When>) -> Draft {
    let scheduled = When::first(detail, &["scheduledPeriod", "scheduledTiming", "scheduledString"]);
    let (kind, word) = activity_kind(detail, scheduled.is_some());
    let description = text(detail, "description");
    let name = concept_at(detail, "code").or_else(|| description.as_deref().map(|text| shortened(text, 40)));
    let mut draft = Draft::new(kind, scheduled.or_else(|| plan.cloned()), format!("{word}：{}", or_missing(name)))
        .detail([
            description,
            labelled("場所", reference_at(detail, "location")),
            labelled(
                "担当",
                joined(detail.list("performer").iter().filter_map(crate::notebook::texts::reference), "、"),
            ),
            labelled("薬剤", concept_at(detail, "productCodeableConcept")),
            labelled("1日量", detail.get("dailyAmount").and_then(quantity)),
        ]);
    draft.status = text(detail, "status");
    draft
}

/// What an activity is about: by its code (profile fls-care-plan), its words, its kind.
fn activity_kind(detail: &Node<'_>, is_scheduled: bool) -> (&'static str, &'static str) {
    let code = codes(detail, "code");
    let name = concept_at(detail, "code").unwrap_or_default();
    let is = |known: &str, words: &[&str]| code.contains(&known) || words.iter().any(|word| name.contains(word));
    if is("home-check", &["住まい", "家屋", "住環境"]) {
        (category::INSTRUCTION, "指導")
    } else if is("nutrition", &["栄養", "食事"]) || detail.text("kind") == Some("NutritionOrder") {
        (category::NUTRITION, "食事・栄養")
    } else if is("exercise", &["運動", "訓練", "体操", "リハビリ"]) {
        (category::EXERCISE, "運動")
    } else if is("injection", &["注射", "皮下注", "静注"]) {
        (category::INJECTION, "注射予定")
    } else if detail.text("kind") == Some("MedicationRequest") || is("medication", &["服薬", "内服"]) {
        (category::MEDICATION, "服薬予定")
    } else if is("dxa", &["骨密度"]) {
        (category::VISIT, "検査予定")
    } else if detail.text("kind") == Some("Appointment")
        || code.iter().any(|code| code.starts_with("follow-up"))
        || (is_scheduled && is("visit", &["外来", "受診", "通院", "訪問"]))
    {
        (category::VISIT, "受診予定")
    } else {
        (category::INSTRUCTION, "指導")
    }
}

pub(super) fn appointment(resource: &Node<'_>) -> Draft {
    let when = match (resource.text("start"), resource.text("end")) {
        (None, None) => resource.list("requestedPeriod").iter().find_map(When::period),
        _ => When::period(resource),
    };
    let name = text(resource, "description")
        .or_else(|| concepts(resource, "serviceType"))
        .or_else(|| concepts(resource, "reasonCode"))
        .or_else(|| concept_at(resource, "appointmentType"));
    let others = resource.list("participant").iter().filter_map(|part| {
        let is_patient = part.path(&["actor", "reference"]).and_then(Node::as_str)?.starts_with("Patient/");
        if is_patient { None } else { reference_at(part, "actor") }
    });
    // What took place is no plan any more.
    let word = match resource.text("status") {
        Some("arrived" | "fulfilled" | "checked-in") => "受診・訪問",
        _ => "受診予定",
    };
    Draft::new(category::VISIT, when, format!("{word}：{}", or_missing(name))).detail([
        labelled("相手", joined(others, "、")),
        text(resource, "patientInstruction"),
        text(resource, "comment"),
    ])
}

pub(super) fn goal(resource: &Node<'_>) -> Draft {
    let due = resource.list("target").iter().find_map(|target| text(target, "dueDate"));
    let when = When::first(resource, &["startDate", "statusDate"]).or_else(|| due.as_deref().map(When::date));
    let targets = resource.list("target").iter().filter_map(|target| {
        let measure = concept_at(target, "measure");
        let wanted = target
            .get("detailQuantity")
            .and_then(quantity)
            .or_else(|| target.get("detailCodeableConcept").and_then(concept).or_else(|| text(target, "detailString")));
        joined(measure.into_iter().chain(wanted), " ")
    });
    let mut draft =
        Draft::new(category::GOAL, when, format!("目標：{}", or_missing(concept_at(resource, "description")))).detail(
            [
                labelled("目標値", joined(targets, "、")),
                labelled("期限", due),
                labelled("達成", concept_at(resource, "achievementStatus")),
                notes(resource),
            ],
        );
    draft.status = text(resource, "lifecycleStatus");
    draft
}

pub(super) fn nutrition_order(resource: &Node<'_>) -> Draft {
    let diet = resource.get("oralDiet");
    let name = diet
        .and_then(|diet| concepts(diet, "type"))
        .or_else(|| resource.list("supplement").iter().find_map(|item| concept_at(item, "type")))
        .or_else(|| concept_at(resource.get("enteralFormula")?, "baseFormulaType"));
    let texture = diet.and_then(|diet| {
        joined(diet.list("texture").iter().filter_map(|texture| concept_at(texture, "modifier")), "、")
    });
    Draft::new(category::NUTRITION, When::first(resource, &["dateTime"]), format!("食事：{}", or_missing(name)))
        .detail([labelled("形態", texture), diet.and_then(|diet| text(diet, "instruction")), notes(resource)])
}
