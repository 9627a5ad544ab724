//! One value, read in the ways the kinds of search parameter want it.

use crate::fhirpath::Item;
use crate::format::json::Node;
use crate::r4::{datetime, decimal};

use super::fold::{exact_hash, index_form, is_japanese, key_form};
use super::shape::Shape;

/// System of `Money.currency`.
const CURRENCY: &str = "urn:iso:std:iso:4217";
/// Sorts before every decimal (see `r4::decimal`): the open lower end of a range.
pub(super) const OPEN_LOW: [u8; 1] = [0];
/// Sorts after every decimal: the open upper end of a range.
pub(super) const OPEN_HIGH: [u8; 1] = [0xff];

/// Codes with their system (FHIR R4 search.html#token). The text of a `CodeableConcept` is none.
pub(super) fn tokens(item: &Item<'_>, emit: &mut dyn FnMut(String, String)) {
    let none = String::new;
    if let Some(value) = item.boolean() {
        return emit(value.to_string(), none());
    }
    match (Shape::of(item.type_id), item.text(), item.node()) {
        // A `code` has an implicit system, that of its bound value set. It is not stored: it is the
        // same in every row. Instead the parser drops the system from searches on such parameters.
        (Shape::Code | Shape::Text, Some(text), _) => emit(code_form(text), none()),
        (Shape::Id | Shape::Uri | Shape::Canonical, Some(text), _) => emit(key_form(text), none()),
        (Shape::Coding, _, Some(node)) => coding(node, emit),
        (Shape::CodeableConcept, _, Some(node)) => node.list("coding").iter().for_each(|node| coding(node, emit)),
        (Shape::Identifier, _, Some(node)) => identifier(node, emit),
        (Shape::ContactPoint, _, Some(node)) => {
            if let Some(value) = node.text("value").filter(|value| !value.trim().is_empty()) {
                let code = telephone(value).unwrap_or_else(|| code_form(value));
                emit(code, node.text("use").unwrap_or_default().to_owned());
            }
        }
        _ => {}
    }
}

/// A code as it is indexed: R4 leaves case to the code system, most ignore it, so lower case.
pub(super) fn code_form(code: &str) -> String {
    key_form(&if code.is_ascii() { code.to_ascii_lowercase() } else { code.to_lowercase() })
}

fn coding(node: &Node<'_>, emit: &mut dyn FnMut(String, String)) {
    let (code, system) = (node.text("code").unwrap_or_default(), node.text("system").unwrap_or_default());
    if !code.is_empty() || !system.is_empty() {
        emit(code_form(code), key_form(system));
    }
}

/// An identifier keeps its case: a folded match could take two patients for one.
pub(super) fn identifier(node: &Node<'_>, emit: &mut dyn FnMut(String, String)) {
    let (value, system) = (node.text("value").unwrap_or_default(), node.text("system").unwrap_or_default());
    if !value.is_empty() || !system.is_empty() {
        emit(key_form(value), key_form(system));
    }
}

/// The digits of a telephone number however it is punctuated (FHIR R4 search.html#token: "special
/// handling, such as ignoring punctuation"); `None` for anything else.
pub(super) fn telephone(text: &str) -> Option<String> {
    use unicode_normalization::UnicodeNormalization;
    let mut digits = String::new();
    for letter in text.nfkc() {
        match letter {
            '0'..='9' => digits.push(letter),
            '+' if digits.is_empty() => digits.push('+'),
            ' ' | '(' | ')' | '-' | '.' | '/' | '‐' | '‑' | '–' | '−' | 'ー' => {}
            _ => return None,
        }
    }
    (5..=20).contains(&digits.len()).then_some(digits)
}

/// Folded texts with the hash of each as written; 0 for what nobody wrote as a whole.
pub(super) fn strings(item: &Item<'_>, emit: &mut dyn FnMut(String, i64)) {
    let written = |text: &str, emit: &mut dyn FnMut(String, i64)| {
        let folded = index_form(text);
        if !folded.is_empty() {
            emit(folded, exact_hash(text));
        }
    };
    match (Shape::of(item.type_id), item.text(), item.node()) {
        (_, Some(text), _) => written(text, emit),
        (Shape::HumanName, _, Some(node)) => {
            for part in parts(node, &["text", "family", "given", "prefix", "suffix"]) {
                written(part, emit);
            }
            let given: Vec<&str> = parts(node, &["given"]).collect();
            if let (Some(family), false) = (node.text("family"), given.is_empty()) {
                // A full name is typed with a space, without one, and folded Japanese has none.
                let given = given.join(" ");
                let spaced = index_form(&format!("{family} {given}"));
                let joined = index_form(&format!("{family}{given}"));
                if joined != spaced {
                    emit(joined, 0);
                }
                emit(spaced, 0);
            }
        }
        (Shape::Address, _, Some(node)) => {
            let names = ["text", "line", "city", "district", "state", "country", "postalCode"];
            for part in parts(node, &names) {
                written(part, emit);
            }
            // A Japanese address is typed as a whole from the largest part: 愛知県大府市…
            let whole: String = parts(node, &["state", "district", "city", "line"]).collect();
            if whole.chars().any(is_japanese) {
                emit(index_form(&whole), 0);
            }
        }
        (Shape::CodeableConcept, _, Some(node)) => {
            if let Some(text) = node.text("text") {
                written(text, emit);
            }
        }
        _ => {}
    }
}

/// The strings below these names, in their order, whether alone or in lists.
fn parts<'n>(node: &'n Node<'_>, names: &'n [&'n str]) -> impl Iterator<Item = &'n str> {
    names.iter().filter_map(|name| node.get(name)).flat_map(|value| {
        let list = if let Node::Array(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
        list.iter().filter_map(Node::as_str)
    })
}

/// The span of time a value stands for, in µs, both ends inclusive.
pub(super) fn span(item: &Item<'_>, default_offset: i32) -> Option<(i64, i64)> {
    let moment = |text: &str| datetime::span(text, default_offset);
    match (Shape::of(item.type_id), item.text(), item.node()) {
        (Shape::Moment, Some(text), _) => moment(text).map(|span| (span.low, span.high)),
        (Shape::Period, _, Some(node)) => period(node, default_offset),
        (Shape::Timing, _, Some(node)) => {
            // FHIR R4 search.html#date: a Timing counts from its earliest to its latest time.
            let events = node.list("event").iter().filter_map(Node::as_str).filter_map(moment);
            let bounds = node.path(&["repeat", "boundsPeriod"]).and_then(|bounds| period(bounds, default_offset));
            let spans = events.map(|span| (span.low, span.high)).chain(bounds);
            spans.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))
        }
        _ => None,
    }
}

/// A period without start or end reaches to the end of time; malformed ends count as absent only
/// together with a good one.
fn period(node: &Node<'_>, default_offset: i32) -> Option<(i64, i64)> {
    let end = |name: &str| node.text(name).map(|text| datetime::span(text, default_offset));
    match (end("start"), end("end")) {
        (Some(Some(start)), Some(Some(end))) => (start.low <= end.high).then_some((start.low, end.high)),
        (Some(Some(start)), None) => Some((start.low, i64::MAX)),
        (None, Some(Some(end))) => Some((i64::MIN, end.high)),
        _ => None,
    }
}

/// Numbers; both ends of a `Range`.
pub(super) fn numbers(item: &Item<'_>, emit: &mut dyn FnMut(Vec<u8>)) {
    match (Shape::of(item.type_id), item.digits(), item.node()) {
        (Shape::Number, Some(digits), _) => decimal::sortable(digits).into_iter().for_each(emit),
        (Shape::Range, _, Some(node)) => {
            let ends = ["low", "high"].into_iter().filter_map(|name| node.get(name)).filter_map(amount);
            ends.for_each(emit);
        }
        (Shape::Quantity, _, Some(node)) => amount(node).into_iter().for_each(emit),
        _ => {}
    }
}

fn amount(quantity: &Node<'_>) -> Option<Vec<u8>> {
    match quantity.get("value") {
        Some(Node::Number(digits)) => decimal::sortable(digits),
        _ => None,
    }
}

/// Quantities: unit, system, lower and upper end. The unit's text counts as a unit too, since
/// `5.4||mg` matches "the code or the unit" (FHIR R4 search.html#quantity).
pub(super) fn quantities(item: &Item<'_>, emit: &mut dyn FnMut(String, String, Vec<u8>, Vec<u8>)) {
    let Some(node) = item.node() else { return };
    match Shape::of(item.type_id) {
        Shape::Quantity => {
            let Some(value) = amount(node) else { return };
            let (low, high) = match node.text("comparator") {
                Some("<" | "<=") => (OPEN_LOW.to_vec(), value),
                Some(">" | ">=") => (value, OPEN_HIGH.to_vec()),
                _ => (value.clone(), value),
            };
            with_units(node, low, high, emit);
        }
        Shape::Money => {
            if let Some(value) = amount(node) {
                let code = key_form(node.text("currency").unwrap_or_default());
                emit(code, CURRENCY.to_owned(), value.clone(), value);
            }
        }
        Shape::Range => {
            let (low, high) = (node.get("low"), node.get("high"));
            let ends = (low.and_then(amount), high.and_then(amount));
            let Some(unit) = low.or(high) else { return };
            if ends.0.is_some() || ends.1.is_some() {
                let low = ends.0.unwrap_or_else(|| OPEN_LOW.to_vec());
                with_units(unit, low, ends.1.unwrap_or_else(|| OPEN_HIGH.to_vec()), emit);
            }
        }
        _ => {}
    }
}

fn with_units(node: &Node<'_>, low: Vec<u8>, high: Vec<u8>, emit: &mut dyn FnMut(String, String, Vec<u8>, Vec<u8>)) {
    let text = |name: &str| node.text(name).unwrap_or_default();
    let (code, unit) = (text("code"), text("unit"));
    if !code.is_empty() && !unit.is_empty() && code != unit {
        emit(key_form(unit), String::new(), low.clone(), high.clone());
    }
    let code = if code.is_empty() { unit } else { code };
    emit(key_form(code), key_form(text("system")), low, high);
}
