//! FHIR data types in words a Japanese reader expects. Nothing here fails: what is not there
//! yields `None`, and [`or_missing`] says so in the open.

use crate::format::json::Node;

/// What stands where a document says nothing.
pub(super) const MISSING: &str = "（記載なし）";

/// The text, or "not stated" when there is none.
pub(super) fn or_missing(text: Option<String>) -> String {
    text.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| MISSING.to_owned())
}

/// A non-empty string below `name`.
pub(super) fn text(node: &Node<'_>, name: &str) -> Option<String> {
    node.text(name).filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

/// Whether a text has Japanese letters: kana, ideographs, full-width forms.
fn is_japanese(text: &str) -> bool {
    text.chars().any(|letter| matches!(u32::from(letter), 0x3040..=0x30ff | 0x3400..=0x9fff | 0xf900..=0xfaff | 0xff00..=0xffef | 0x20000..=0x3ffff))
}

/// A CodeableConcept (or the first of a list): its text, else a Japanese display, else any display,
/// else a code.
pub(super) fn concept(node: &Node<'_>) -> Option<String> {
    if let Node::Array(items) = node {
        return items.iter().find_map(concept);
    }
    let codings = node.list("coding");
    let displays = || codings.iter().filter_map(|coding| text(coding, "display"));
    text(node, "text")
        .or_else(|| displays().find(|display| is_japanese(display)))
        .or_else(|| displays().next())
        .or_else(|| codings.iter().find_map(|coding| text(coding, "code")))
}

/// The concept below `name`.
pub(super) fn concept_at(node: &Node<'_>, name: &str) -> Option<String> {
    concept(node.get(name)?)
}

/// All concepts below `name`, joined.
pub(super) fn concepts(node: &Node<'_>, name: &str) -> Option<String> {
    joined(node.list(name).iter().filter_map(concept), "、")
}

/// Every code of the CodeableConcept (or list of them) below `name`.
pub(super) fn codes<'n>(node: &'n Node<'_>, name: &str) -> Vec<&'n str> {
    let one = |concept: &'n Node<'_>| concept.list("coding").iter().filter_map(|coding| coding.text("code"));
    match node.get(name) {
        Some(Node::Array(items)) => items.iter().flat_map(one).collect(),
        Some(concept) => one(concept).collect(),
        None => Vec::new(),
    }
}

/// A Reference in words: its display, else its identifier.
pub(super) fn reference(node: &Node<'_>) -> Option<String> {
    text(node, "display").or_else(|| text(node.get("identifier")?, "value"))
}

/// The reference below `name` in words.
pub(super) fn reference_at(node: &Node<'_>, name: &str) -> Option<String> {
    reference(node.get(name)?)
}

/// The texts of `note` (Annotations).
pub(super) fn notes(node: &Node<'_>) -> Option<String> {
    joined(node.list("note").iter().filter_map(|note| text(note, "text")), " ")
}

/// Joins what there is; `None` when there is nothing.
pub(super) fn joined(parts: impl IntoIterator<Item = String>, between: &str) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.trim().is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(between))
}

/// `label：value`, when there is a value.
pub(super) fn labelled(label: &str, value: Option<String>) -> Option<String> {
    value.map(|value| format!("{label}：{value}"))
}

/// A number or string as it was written.
fn scalar(node: &Node<'_>) -> Option<String> {
    match node {
        Node::Number(digits) => Some(digits.to_string()),
        Node::String(text) => Some(text.to_string()),
        _ => None,
    }
}

/// A Quantity with its comparator and unit; digits as written.
pub(super) fn quantity(node: &Node<'_>) -> Option<String> {
    let value = scalar(node.get("value")?)?;
    let comparator = node.text("comparator").unwrap_or_default();
    let unit = node.text("unit").or_else(|| node.text("code")).filter(|unit| !unit.trim().is_empty());
    let unit = match unit {
        Some("{score}") => Some("点"),
        Some("{#}" | "1") | None => None,
        other => other,
    };
    Some(match unit {
        Some(unit) => format!("{comparator}{value} {unit}"),
        None => format!("{comparator}{value}"),
    })
}

/// The value of a `value[x]` of Observation, component, or extension, in words.
pub(super) fn value(node: &Node<'_>) -> Option<String> {
    let (name, value) = node.members().iter().find(|(name, _)| name.starts_with("value"))?;
    let ends = |low: &str, high: &str, show: &dyn Fn(&Node<'_>) -> Option<String>| {
        let end = |name: &str| value.get(name).and_then(show);
        match (end(low), end(high)) {
            (None, None) => None,
            (low, high) => Some(format!("{}〜{}", low.unwrap_or_default(), high.unwrap_or_default())),
        }
    };
    match name.as_ref() {
        "valueQuantity" => quantity(value),
        "valueCodeableConcept" => concept(value),
        "valueBoolean" => value.as_bool().map(|value| if value { "はい" } else { "いいえ" }.to_owned()),
        "valueRange" => ends("low", "high", &quantity),
        "valuePeriod" => ends("start", "end", &scalar),
        "valueRatio" => {
            let part = |name: &str| value.get(name).and_then(quantity);
            Some(format!("{}／{}", part("numerator")?, part("denominator")?))
        }
        "valueSampledData" => Some("波形データ".to_owned()),
        _ => scalar(value).filter(|text| !text.trim().is_empty()),
    }
}

/// A HumanName on one line; a full-width space between the parts is kept as it was written.
pub(super) fn human_name(name: &Node<'_>) -> Option<String> {
    text(name, "text").or_else(|| {
        let given = name.list("given").iter().filter_map(Node::as_str).map(str::to_owned);
        joined(text(name, "family").into_iter().chain(given), " ")
    })
}

/// An Address on one line.
pub(super) fn address(node: &Node<'_>) -> Option<String> {
    text(node, "text").or_else(|| {
        let lines = node.list("line").iter().filter_map(Node::as_str).map(str::to_owned);
        joined([text(node, "state"), text(node, "city")].into_iter().flatten().chain(lines), "")
    })
}

/// The first sentence of a longer text, at most `limit` letters, for a title.
pub(super) fn shortened(text: &str, limit: usize) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if line.chars().count() <= limit {
        return line.to_owned();
    }
    line.chars().take(limit).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json::parse;

    fn of(json: &str, read: impl Fn(&Node<'_>) -> Option<String>) -> Option<String> {
        read(&parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn a_concept_prefers_its_text_then_japanese() {
        let text = r#"{"coding":[{"display":"Fracture"},{"display":"骨折"}],"text":"右の骨折"}"#;
        assert_eq!(of(text, concept).unwrap(), "右の骨折");
        assert_eq!(of(r#"{"coding":[{"display":"Fracture"},{"display":"骨折"}]}"#, concept).unwrap(), "骨折");
        assert_eq!(of(r#"{"coding":[{"code":"S72.1"},{"display":"Fracture"}]}"#, concept).unwrap(), "Fracture");
        assert_eq!(of(r#"{"coding":[{"code":"S72.1"}],"text":" "}"#, concept).unwrap(), "S72.1");
        assert_eq!(of("{}", concept), None);
    }

    #[test]
    fn quantities_keep_their_digits() {
        assert_eq!(of(r#"{"valueQuantity":{"value":13.0,"unit":"kg"}}"#, value).unwrap(), "13.0 kg");
        assert_eq!(of(r#"{"valueQuantity":{"value":5,"comparator":"<","code":"mg"}}"#, value).unwrap(), "<5 mg");
        assert_eq!(of(r#"{"valueQuantity":{"value":75,"code":"{score}"}}"#, value).unwrap(), "75 点");
        assert_eq!(of(r#"{"valueRange":{"low":{"value":1}}}"#, value).unwrap(), "1〜");
        assert_eq!(of(r#"{"valueQuantity":{"unit":"kg"}}"#, value), None);
    }
}
