//! Stays, diagnoses, operations, allergies.

use super::Draft;
use crate::format::json::Node;
use crate::notebook::category;
use crate::notebook::texts::{
    concept, concept_at, concepts, labelled, notes, or_missing, reference_at, shortened, text,
};
use crate::notebook::when::When;

/// ActCodes of a stay in a hospital (`http://terminology.hl7.org/CodeSystem/v3-ActCode`).
const STAYS: [&str; 4] = ["IMP", "ACUTE", "NONAC", "SS"];

/// A stay gives its admission and, once it has ended, its discharge; anything else is a visit.
pub(super) fn encounter(resource: &Node<'_>) -> Vec<Draft> {
    let place = reference_at(resource, "serviceProvider")
        .or_else(|| resource.list("location").iter().find_map(|place| reference_at(place, "location")));
    let titled = |word: &str| match &place {
        Some(place) => format!("{word}（{place}）"),
        None => word.to_owned(),
    };
    let reason = labelled("理由", concepts(resource, "reasonCode"));
    let period = resource.get("period");
    let end = |name: &str| period.and_then(|period| period.text(name)).map(When::date);
    if !resource.path(&["class", "code"]).and_then(Node::as_str).is_some_and(|code| STAYS.contains(&code)) {
        let when = period.and_then(When::period);
        let kind = labelled("種別", concepts(resource, "type"));
        return vec![Draft::new(category::VISIT, when, titled("受診")).detail([kind, reason])];
    }
    let stay = resource.get("hospitalization");
    let from = labelled("入院元", stay.and_then(|stay| concept_at(stay, "admitSource")));
    let mut drafts = vec![Draft::new(category::ADMISSION, end("start"), titled("入院")).detail([reason, from])];
    if let Some(discharged) = end("end") {
        let to = labelled("退院先", stay.and_then(|stay| concept_at(stay, "dischargeDisposition")));
        let admitted = period.and_then(|period| text(period, "start"));
        let admitted = labelled("入院日", admitted);
        drafts
            .push(Draft::new(category::DISCHARGE, Some(discharged), titled("退院")).detail([to, admitted]).ordinal(1));
    }
    drafts
}

pub(super) fn condition(resource: &Node<'_>) -> Draft {
    let when = When::first(resource, &["onsetDateTime", "onsetPeriod", "onsetString", "recordedDate"]);
    let title = format!("診断：{}", or_missing(concept_at(resource, "code")));
    let course = resource.get("clinicalStatus").and_then(code_of).map(|code| match code {
        "active" => "治療中",
        "recurrence" => "再発",
        "relapse" => "再燃",
        "inactive" => "非活動",
        "remission" => "寛解",
        "resolved" => "治癒",
        other => other,
    });
    let certainty = resource.get("verificationStatus").and_then(code_of).and_then(|code| match code {
        "unconfirmed" => Some("未確認"),
        "provisional" | "differential" => Some("疑い"),
        "refuted" => Some("否定"),
        _ => None,
    });
    let mut draft = Draft::new(category::DIAGNOSIS, when, title).detail([
        labelled("部位", concepts(resource, "bodySite")),
        labelled("状態", course.map(str::to_owned)),
        labelled("確からしさ", certainty.map(str::to_owned)),
        labelled("重症度", concept_at(resource, "severity")),
        notes(resource),
    ]);
    draft.status = resource.get("clinicalStatus").and_then(code_of).map(str::to_owned);
    draft
}

fn code_of<'n>(node: &'n Node<'_>) -> Option<&'n str> {
    node.path(&["coding", "code"]).and_then(Node::as_str)
}

pub(super) fn procedure(resource: &Node<'_>) -> Draft {
    let when = When::first(resource, &["performedDateTime", "performedPeriod", "performedString"]);
    let name = concept_at(resource, "code");
    let kind = concept_at(resource, "category");
    let is_operation = [&name, &kind].iter().any(|text| text.as_deref().is_some_and(|text| text.contains("手術")));
    let word = if is_operation { "手術" } else { "処置" };
    Draft::new(category::SURGERY, when, format!("{word}：{}", or_missing(name))).detail([
        labelled("部位", concepts(resource, "bodySite")),
        labelled("実施者", resource.list("performer").iter().find_map(|performer| reference_at(performer, "actor"))),
        labelled("結果", concept_at(resource, "outcome")),
        notes(resource),
    ])
}

pub(super) fn allergy(resource: &Node<'_>) -> Draft {
    let when = When::first(resource, &["recordedDate", "onsetDateTime", "onsetPeriod", "lastOccurrence"]);
    let signs = resource.list("reaction").iter().find_map(|reaction| concepts(reaction, "manifestation"));
    let substance = concept_at(resource, "code")
        .or_else(|| resource.list("reaction").iter().find_map(|reaction| concept(reaction.get("substance")?)));
    let title = match signs {
        Some(signs) => format!("アレルギー：{}（{signs}）", or_missing(substance)),
        None => format!("アレルギー：{}", or_missing(substance)),
    };
    let risk = resource.text("criticality").map(|code| match code {
        "high" => "高い",
        "low" => "低い",
        _ => "判断できない",
    });
    let mut draft = Draft::new(category::ALLERGY, when, shortened(&title, 120))
        .detail([labelled("重篤化の危険", risk.map(str::to_owned)), notes(resource)]);
    draft.status = resource.get("clinicalStatus").and_then(code_of).map(str::to_owned);
    draft
}
