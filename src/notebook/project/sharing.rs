//! What people tell and show each other: articles, documents, photos; who they are; and the rest.

use super::Draft;
use crate::format::json::Node;
use crate::notebook::category;
use crate::notebook::texts::{
    codes, concept_at, concepts, human_name, joined, labelled, notes, or_missing, reference, reference_at, shortened,
    text, value,
};
use crate::notebook::when::When;

pub(super) fn communication(resource: &Node<'_>) -> Draft {
    let body = joined(resource.list("payload").iter().filter_map(|payload| text(payload, "contentString")), "\n");
    let word = if resource.list("inResponseTo").is_empty() { "記事" } else { "コメント" };
    let name = concept_at(resource, "topic").or_else(|| body.as_deref().map(|body| shortened(body, 40)));
    let name = name.or_else(|| concepts(resource, "category"));
    Draft::new(category::ARTICLE, When::first(resource, &["sent", "received"]), format!("{word}：{}", or_missing(name)))
        .detail([body, labelled("投稿者", reference_at(resource, "sender")), notes(resource)])
}

pub(super) fn media(resource: &Node<'_>) -> Draft {
    let content = resource.get("content");
    let kinds = [concept_at(resource, "type"), content.and_then(|content| text(content, "contentType"))];
    let is = |word: &str| kinds.iter().flatten().any(|kind| kind.to_lowercase().contains(word));
    let codes = crate::notebook::texts::codes(resource, "type");
    let word = if codes.contains(&"video") || is("video") || is("動画") {
        "動画"
    } else if codes.contains(&"audio") || is("audio") || is("音声") {
        "音声"
    } else {
        "写真"
    };
    let name = content
        .and_then(|content| text(content, "title"))
        .or_else(|| notes(resource).map(|note| shortened(&note, 40)))
        .or_else(|| concepts(resource, "reasonCode"))
        .or_else(|| concept_at(resource, "view"));
    let when = When::first(resource, &["createdDateTime", "createdPeriod", "issued"]);
    Draft::new(category::PHOTO_VIDEO, when, format!("{word}：{}", or_missing(name))).detail([
        labelled("撮影者", reference_at(resource, "operator")),
        labelled("部位", concept_at(resource, "bodySite")),
        notes(resource),
    ])
}

pub(super) fn document_reference(resource: &Node<'_>) -> Draft {
    let attachment = resource.path(&["content", "attachment"]);
    let title = attachment.and_then(|attachment| text(attachment, "title"));
    let name = text(resource, "description").or_else(|| title.clone()).or_else(|| concept_at(resource, "type"));
    let when = When::first(resource, &["date"]).or_else(|| attachment?.text("creation").map(When::date));
    Draft::new(category::DOCUMENT, when, format!("文書：{}", or_missing(name.clone()))).detail([
        labelled("種別", concept_at(resource, "type").filter(|kind| Some(kind) != name.as_ref())),
        labelled("ファイル", title.filter(|title| Some(title) != name.as_ref())),
        labelled("作成者", joined(resource.list("author").iter().filter_map(reference), "、")),
    ])
}

pub(super) fn composition(resource: &Node<'_>) -> Draft {
    let name = text(resource, "title").or_else(|| concept_at(resource, "type"));
    let authors = joined(resource.list("author").iter().filter_map(reference), "、");
    let event = resource.list("event").iter().find_map(|event| When::period(event.get("period")?));
    Draft::new(category::DOCUMENT, When::first(resource, &["date"]), format!("文書：{}", or_missing(name)))
        .detail([labelled("作成者", authors), labelled("期間", event.map(|event| event.text))])
}

pub(super) fn care_team(resource: &Node<'_>) -> Draft {
    let members = resource.list("participant").iter().filter_map(|participant| {
        let member = reference_at(participant, "member")?;
        Some(match concepts(participant, "role") {
            Some(role) => format!("{role} {member}"),
            None => member,
        })
    });
    let name = text(resource, "name").or_else(|| concepts(resource, "category"));
    Draft::new(category::TEAM, When::first(resource, &["period"]), format!("チーム：{}", or_missing(name)))
        .detail([joined(members, "、"), notes(resource)])
}

pub(super) fn related_person(resource: &Node<'_>) -> Draft {
    let name = or_missing(resource.list("name").iter().find_map(human_name));
    let title = match concepts(resource, "relationship") {
        Some(relation) => format!("家族：{name}（{relation}）"),
        None => format!("家族：{name}"),
    };
    Draft::new(category::TEAM, When::first(resource, &["period"]), title)
}

/// What a consent is about, by the standard's code system of scopes.
const SCOPES: [(&str, &str); 4] =
    [("patient-privacy", "情報の共有"), ("treatment", "治療"), ("research", "研究への参加"), ("adr", "事前の意思表示")];

pub(super) fn consent(resource: &Node<'_>) -> Draft {
    let codes = codes(resource, "scope");
    let known = SCOPES.iter().find(|(code, _)| codes.contains(code)).map(|(_, name)| (*name).to_owned());
    let said = resource.get("scope").and_then(|scope| text(scope, "text"));
    let name = said.or(known).or_else(|| concept_at(resource, "scope")).or_else(|| concepts(resource, "category"));
    let kind = resource.path(&["provision", "type"]).and_then(Node::as_str).map(|kind| match kind {
        "permit" => "許可",
        "deny" => "拒否",
        other => other,
    });
    let period = resource.path(&["provision", "period"]).and_then(When::period);
    let when = When::first(resource, &["dateTime"]).or_else(|| period.clone());
    let actors = resource.get("provision").map(|provision| provision.list("actor")).unwrap_or_default();
    let actors = actors.iter().filter_map(|actor| reference_at(actor, "reference"));
    Draft::new(category::CONSENT, when, format!("同意：{}", or_missing(name))).detail([
        labelled("内容", kind.map(str::to_owned)),
        labelled("有効期間", period.map(|period| period.text)),
        labelled("管理", joined(resource.list("organization").iter().filter_map(reference), "、")),
        labelled("相手", joined(actors, "、")),
    ])
}

/// Everything else that is about a patient and has a date.
const OTHERS: [(&str, &str, &[&str]); 22] = [
    ("ClinicalImpression", "所見", &["date", "effectiveDateTime", "effectivePeriod"]),
    ("Coverage", "保険", &["period"]),
    ("DetectedIssue", "注意事項", &["identifiedDateTime", "identifiedPeriod"]),
    ("DeviceRequest", "機器の依頼", &["occurrenceDateTime", "occurrencePeriod", "authoredOn"]),
    ("DeviceUseStatement", "機器の使用", &["timingDateTime", "timingPeriod", "timingTiming", "recordedOn"]),
    ("DiagnosticReport", "検査報告", &["effectiveDateTime", "effectivePeriod", "issued"]),
    ("EpisodeOfCare", "ケース管理", &["period"]),
    ("FamilyMemberHistory", "家族歴", &["date"]),
    ("Flag", "注意", &["period"]),
    ("ImagingStudy", "画像検査", &["started"]),
    ("Immunization", "予防接種", &["occurrenceDateTime", "occurrenceString", "recorded"]),
    ("Invoice", "請求", &["date"]),
    ("List", "一覧", &["date"]),
    ("MeasureReport", "指標", &["date", "period"]),
    ("CommunicationRequest", "連絡の依頼", &["occurrenceDateTime", "occurrencePeriod", "authoredOn"]),
    ("QuestionnaireResponse", "問診", &["authored"]),
    ("RequestGroup", "依頼", &["authoredOn"]),
    ("RiskAssessment", "リスク評価", &["occurrenceDateTime", "occurrencePeriod"]),
    ("ServiceRequest", "依頼", &["occurrenceDateTime", "occurrencePeriod", "occurrenceTiming", "authoredOn"]),
    ("Specimen", "検体", &["receivedTime"]),
    ("Task", "作業", &["executionPeriod", "authoredOn", "lastModified"]),
    ("VisionPrescription", "眼鏡処方", &["dateWritten", "created"]),
];

pub(super) fn other(type_name: &str, resource: &Node<'_>) -> Option<Draft> {
    let common: &[&str] = &["date", "authoredOn", "recordedDate", "created", "issued", "period", "start"];
    let (word, dates) = OTHERS
        .iter()
        .find(|(name, ..)| *name == type_name)
        .map_or((type_name, common), |(_, word, dates)| (*word, *dates));
    let when = When::first(resource, dates)?;
    let name = ["code", "vaccineCode", "type", "category", "scope"].iter().find_map(|name| concept_at(resource, name));
    let name = text(resource, "title").or(name).or_else(|| text(resource, "description").map(|t| shortened(&t, 60)));
    let category = if type_name == "DiagnosticReport" { category::OBSERVATION } else { category::OTHER };
    Some(Draft::new(category, Some(when), format!("{word}：{}", or_missing(name))).detail([
        text(resource, "conclusion"),
        value(resource),
        text(resource, "summary"),
        notes(resource),
    ]))
}
