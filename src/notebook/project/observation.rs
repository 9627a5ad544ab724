//! Measurements and findings, sorted into what a care team looks for (codes: DOMAIN §5).

use super::Draft;
use crate::format::json::Node;
use crate::notebook::category;
use crate::notebook::texts::{codes, concept, concept_at, concepts, joined, labelled, notes, or_missing, value};
use crate::notebook::when::When;

/// LOINC and MEDIS codes of mobility, strength and ADL: TUG, gait speed, sit-to-stand, grip, Barthel.
const FUNCTION_CODES: [&str; 9] =
    ["89423-8", "89422-0", "83172-7", "66247-8", "83174-3", "83173-5", "96761-2", "31006215", "31006216"];

/// Falls in twelve months, Morse fall scale.
const FALL_CODES: [&str; 2] = ["75856-5", "59460-6"];

pub(super) fn observation(resource: &Node<'_>) -> Draft {
    let when = When::first(
        resource,
        &["effectiveDateTime", "effectivePeriod", "effectiveInstant", "effectiveTiming", "issued"],
    );
    let name = concept_at(resource, "code");
    let kind = kind(resource, name.as_deref());
    let measured = value(resource).or_else(|| joined(resource.list("component").iter().filter_map(component), "、"));
    let absent = concept_at(resource, "dataAbsentReason").map(|reason| format!("（値なし：{reason}）"));
    let measured = or_missing(measured.or(absent));
    let name = or_missing(name);
    // 握力（右）14.5 kg, but 体重：41.2 kg.
    let between = if name.ends_with(['）', ')']) { "" } else { "：" };
    Draft::new(kind, when, format!("{name}{between}{measured}")).detail([
        labelled("部位", concept_at(resource, "bodySite")),
        labelled("方法", concept_at(resource, "method")),
        labelled("判定", concepts(resource, "interpretation")),
        notes(resource),
    ])
}

fn component(component: &Node<'_>) -> Option<String> {
    let name = concept_at(component, "code")?;
    let value = value(component).or_else(|| concept(component.get("dataAbsentReason")?));
    Some(format!("{name} {}", or_missing(value)))
}

fn kind(resource: &Node<'_>, name: Option<&str>) -> &'static str {
    let code = codes(resource, "code");
    let group = codes(resource, "category");
    let named = |words: &[&str]| name.is_some_and(|name| words.iter().any(|word| name.contains(word)));
    let coded = |known: &[&str]| code.iter().any(|code| known.contains(code));
    if code.contains(&"care-level") || named(&["要介護", "要支援", "介護度"]) {
        category::CARE_LEVEL
    } else if coded(&FALL_CODES) || code.contains(&"fall-event") || named(&["転倒"]) {
        category::FALL
    } else if code.contains(&"meal-intake") {
        // What is eaten is an activity of the day too.
        category::NUTRITION
    } else if coded(&FUNCTION_CODES)
        || group.iter().any(|group| matches!(*group, "functional-status" | "disability-status"))
        || named(&["握力", "Barthel", "ADL", "FIM"])
    {
        category::FUNCTION
    } else if group.contains(&"activity") || named(&["歩数", "運動"]) {
        category::EXERCISE
    } else if named(&["食事", "栄養", "摂取"]) {
        category::NUTRITION
    } else {
        category::OBSERVATION
    }
}
