//! One value, read in the ways the kinds of search parameter want it.

use bigdecimal::BigDecimal;

use crate::fhirpath::Item;
use crate::format::json::Node;
use crate::r4::{datetime, decimal, ucum};

use super::fold::{exact_hash, index_form, is_japanese, key_form};
use super::position::Point;
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

/// The text that goes with a code (FHIR R4 search.html#token, `:text`): of a `CodeableConcept` and its
/// codings, of the type of an identifier. Folded, with the hash of what was written.
pub(super) fn token_texts(item: &Item<'_>, emit: &mut dyn FnMut(String, i64)) {
    let Some(node) = item.node() else { return };
    let mut written = |text: Option<&str>| {
        let Some(text) = text else { return };
        let folded = index_form(text);
        if !folded.is_empty() {
            emit(folded, exact_hash(text));
        }
    };
    let mut concept = |node: &Node<'_>| {
        written(node.text("text"));
        node.list("coding").iter().for_each(|coding| written(coding.text("display")));
    };
    match Shape::of(item.type_id) {
        Shape::Coding => written(node.text("display")),
        Shape::CodeableConcept => concept(node),
        Shape::Identifier => {
            if let Some(kind) = node.get("type") {
                concept(kind);
            }
        }
        _ => {}
    }
}

/// What `:of-type` looks for: system of the type, and [`typed_identifier`].
pub(super) fn identifier_types(item: &Item<'_>, emit: &mut dyn FnMut(String, String)) {
    let Some(node) = item.node().filter(|_| Shape::of(item.type_id) == Shape::Identifier) else { return };
    let Some(value) = node.text("value").filter(|value| !value.is_empty()) else { return };
    for coding in node.path(&["type", "coding"]).into_iter().flat_map(Node::items) {
        if let Some(code) = coding.text("code") {
            emit(typed_identifier(code, value), key_form(coding.text("system").unwrap_or_default()));
        }
    }
}

/// Type and value of an identifier as one code.
pub(super) fn typed_identifier(code: &str, value: &str) -> String {
    key_form(&format!("{}\u{1f}{value}", code_form(code)))
}

/// `Location.position`.
pub(super) fn point(item: &Item<'_>) -> Option<Point> {
    let node = item.node()?;
    let degrees = |name: &str| match node.get(name) {
        Some(Node::Number(digits)) => digits.parse::<f64>().ok(),
        _ => None,
    };
    Point::new(degrees("latitude")?, degrees("longitude")?)
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

/// Lower and upper end of a number, as sortable bytes.
pub(super) fn numbers(item: &Item<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    match (Shape::of(item.type_id), item.digits()) {
        (Shape::Number, Some(digits)) => decimal::sortable(digits).map(|value| (value.clone(), value)),
        (Shape::Range | Shape::Quantity, _) => {
            let mut ends = None;
            quantities(item, &mut |measured| {
                ends.get_or_insert((measured.low, measured.high));
            });
            ends
        }
        _ => None,
    }
}

fn amount<'n>(quantity: &'n Node<'_>) -> Option<&'n str> {
    match quantity.get("value") {
        Some(Node::Number(digits)) => Some(digits),
        _ => None,
    }
}

/// A quantity as it is indexed.
pub(super) struct Measured {
    /// Unit or code.
    pub(super) code: String,
    /// System of the code.
    pub(super) system: String,
    /// Lower end.
    pub(super) low: Vec<u8>,
    /// Upper end.
    pub(super) high: Vec<u8>,
    /// Whether it is in base units (see [`ucum`]) instead of its own.
    pub(super) is_canonical: bool,
}

/// Where a value may lie (FHIR R4 datatypes.html#Quantity, `comparator`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Exact,
    Below,
    UpTo,
    Above,
    From,
}

impl Ends {
    fn of(quantity: &Node<'_>) -> Self {
        match quantity.text("comparator") {
            Some("<") => Self::Below,
            Some("<=") => Self::UpTo,
            Some(">") => Self::Above,
            Some(">=") => Self::From,
            _ => Self::Exact,
        }
    }

    /// Both ends of a value: `<5` is everything before 5.
    fn around(self, value: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::Exact => (value.clone(), value),
            Self::Below => (OPEN_LOW.to_vec(), decimal::just_below(&value)),
            Self::UpTo => (OPEN_LOW.to_vec(), value),
            Self::Above => (decimal::just_above(&value), OPEN_HIGH.to_vec()),
            Self::From => (value, OPEN_HIGH.to_vec()),
        }
    }
}

/// The values of a quantity: in its own unit, by the unit's text (`5.4||mg` matches "the code or the
/// unit", FHIR R4 search.html#quantity), and for UCUM in base units.
pub(super) fn quantities(item: &Item<'_>, emit: &mut dyn FnMut(Measured)) {
    let Some(node) = item.node() else { return };
    match Shape::of(item.type_id) {
        Shape::Quantity => {
            let Some(digits) = amount(node) else { return };
            let ends = Ends::of(node);
            let Some(value) = decimal::sortable(digits) else { return };
            let (low, high) = ends.around(value);
            as_written(node, low, high, emit);
            if let Some((value, unit)) = base(node) {
                let (low, high) = ends.around(decimal::encode_decimal(&value));
                canonical(unit, low, high, emit);
            }
        }
        Shape::Money => {
            if let Some(value) = amount(node).and_then(decimal::sortable) {
                let code = key_form(node.text("currency").unwrap_or_default());
                let system = CURRENCY.to_owned();
                emit(Measured { code, system, low: value.clone(), high: value, is_canonical: false });
            }
        }
        Shape::Range => {
            let (low, high) = (node.get("low"), node.get("high"));
            let written = |end: Option<&Node<'_>>| end.and_then(amount).and_then(decimal::sortable);
            let ends = (written(low), written(high));
            let Some(unit) = low.or(high).filter(|_| ends.0.is_some() || ends.1.is_some()) else { return };
            let (open_low, open_high) = (OPEN_LOW.to_vec(), OPEN_HIGH.to_vec());
            as_written(unit, ends.0.unwrap_or(open_low), ends.1.unwrap_or(open_high), emit);
            match (low.and_then(base), high.and_then(base)) {
                (Some((low, unit)), Some((high, other))) if unit == other => {
                    canonical(unit, decimal::encode_decimal(&low), decimal::encode_decimal(&high), emit);
                }
                (Some((low, unit)), None) if high.is_none() => {
                    canonical(unit, decimal::encode_decimal(&low), OPEN_HIGH.to_vec(), emit);
                }
                (None, Some((high, unit))) if low.is_none() => {
                    canonical(unit, OPEN_LOW.to_vec(), decimal::encode_decimal(&high), emit);
                }
                _ => {}
            }
        }
        Shape::SampledData => sampled(node, emit),
        _ => {}
    }
}

fn as_written(node: &Node<'_>, low: Vec<u8>, high: Vec<u8>, emit: &mut dyn FnMut(Measured)) {
    let text = |name: &str| node.text(name).unwrap_or_default();
    let (code, unit) = (text("code"), text("unit"));
    if !code.is_empty() && !unit.is_empty() && code != unit {
        let (low, high) = (low.clone(), high.clone());
        emit(Measured { code: key_form(unit), system: String::new(), low, high, is_canonical: false });
    }
    let code = if code.is_empty() { unit } else { code };
    emit(Measured { code: key_form(code), system: key_form(text("system")), low, high, is_canonical: false });
}

fn canonical(unit: String, low: Vec<u8>, high: Vec<u8>, emit: &mut dyn FnMut(Measured)) {
    emit(Measured { code: unit, system: String::new(), low, high, is_canonical: true });
}

/// A quantity in base units, when its code is UCUM.
fn base(quantity: &Node<'_>) -> Option<(BigDecimal, String)> {
    let code = quantity.text("code").filter(|_| quantity.text("system") == Some(ucum::SYSTEM))?;
    let unit = ucum::canonical(code)?;
    let value = decimal::parse(amount(quantity)?)?;
    Some((unit.of(&value), unit.unit.clone()))
}

/// `Observation.value-quantity`: of sampled data "the bounds of the values".
fn sampled(node: &Node<'_>, emit: &mut dyn FnMut(Measured)) {
    let number = |name: &str| match node.get(name) {
        Some(Node::Number(digits)) => decimal::parse(digits),
        _ => None,
    };
    let (Some(origin), Some(data)) = (node.get("origin"), node.text("data")) else { return };
    let Some(zero) = amount(origin).and_then(decimal::parse) else { return };
    let points = data.split_ascii_whitespace().filter_map(|point| match point {
        "L" => number("lowerLimit"),
        "U" => number("upperLimit"),
        "E" => None,
        digits => decimal::parse(digits),
    });
    let bounds = points.fold(None, |bounds: Option<(BigDecimal, BigDecimal)>, point| {
        Some(match bounds {
            None => (point.clone(), point),
            Some((low, high)) if point < low => (point, high),
            Some((low, high)) if point > high => (low, point),
            Some(bounds) => bounds,
        })
    });
    let Some((low, high)) = bounds else { return };
    let factor = number("factor").unwrap_or_else(|| 1.into());
    let (one, other) = (&low * &factor + &zero, &high * &factor + &zero);
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    as_written(origin, decimal::encode_decimal(&low), decimal::encode_decimal(&high), emit);
    let code = origin.text("code").filter(|_| origin.text("system") == Some(ucum::SYSTEM));
    if let Some(unit) = code.and_then(ucum::canonical) {
        let ends = (unit.of(&low), unit.of(&high));
        let unit = unit.unit.clone();
        canonical(unit, decimal::encode_decimal(&ends.0), decimal::encode_decimal(&ends.1), emit);
    }
}
