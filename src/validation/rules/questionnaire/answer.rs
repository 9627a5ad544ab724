//! One answer: its type, its bounds, its options.

use std::cmp::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bigdecimal::BigDecimal;

use super::{Check, extension, is_true, value};
use crate::fhirpath::general::pattern::Pattern;
use crate::format::json::Node;
use crate::r4::outcome::{IssueCode, Severity};
use crate::r4::reference::Reference;
use crate::r4::{datetime, decimal, ucum};
use crate::validation::rules::remark::Remark;

const CORE: &str = "http://hl7.org/fhir/StructureDefinition/";
const SDC: &str = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-";

/// The members that an answer to a question of a type may have.
fn members(kind: &str) -> &'static [&'static str] {
    match kind {
        "boolean" => &["valueBoolean"],
        "decimal" => &["valueDecimal"],
        "integer" => &["valueInteger"],
        "date" => &["valueDate"],
        "dateTime" => &["valueDateTime"],
        "time" => &["valueTime"],
        "string" | "text" => &["valueString"],
        "url" => &["valueUri"],
        "attachment" => &["valueAttachment"],
        "reference" => &["valueReference"],
        "quantity" => &["valueQuantity"],
        // `answerOption` may be of these types (FHIR R4 questionnaire.html#2.39.7.3).
        "choice" | "open-choice" => {
            &["valueCoding", "valueDate", "valueTime", "valueInteger", "valueString", "valueReference"]
        }
        _ => &[],
    }
}

fn number(node: &Node<'_>) -> Option<BigDecimal> {
    match node {
        Node::Number(digits) => decimal::parse(digits),
        _ => None,
    }
}

/// The amount of a quantity in the unit of another, both with their codes.
fn amounts(left: &Node<'_>, right: &Node<'_>) -> Option<(BigDecimal, BigDecimal)> {
    let (one, other) = (number(left.get("value")?)?, number(right.get("value")?)?);
    let unit = |node: &Node<'_>| node.text("code").map(str::to_owned);
    let (from, to) = (unit(left)?, unit(right)?);
    if left.text("system")? != right.text("system")? {
        return None;
    }
    if from == to {
        return Some((one, other));
    }
    (left.text("system") == Some(ucum::SYSTEM)).then(|| Some((ucum::convert(&one, &from, &to)?, other)))?
}

/// Order of two values of one type; `None` when they have none, or their precision leaves it open.
pub(super) fn compare(left: &Node<'_>, right: &Node<'_>) -> Option<Ordering> {
    match (left, right) {
        (Node::Number(_), Node::Number(_)) => Some(number(left)?.cmp(&number(right)?)),
        (Node::String(left), Node::String(right)) => match (datetime::span(left, 0), datetime::span(right, 0)) {
            (Some(one), Some(other)) if one.high < other.low => Some(Ordering::Less),
            (Some(one), Some(other)) if one.low > other.high => Some(Ordering::Greater),
            (Some(_), Some(_)) => Some(Ordering::Equal),
            _ => Some(left.cmp(right)),
        },
        (Node::Object(_), Node::Object(_)) => amounts(left, right).map(|(left, right)| left.cmp(&right)),
        _ => None,
    }
}

/// Whether an answer is the value asked for: codings by system and code, quantities by amount.
pub(super) fn same(given: &Node<'_>, wanted: &Node<'_>) -> bool {
    match (given, wanted) {
        (Node::Object(_), Node::Object(_)) => {
            if wanted.get("value").is_some() {
                return amounts(given, wanted).map_or(given == wanted, |(given, wanted)| given == wanted);
            }
            if let Some(reference) = wanted.text("reference") {
                return given.text("reference") == Some(reference);
            }
            let agrees = |name: &str| wanted.text(name).is_none_or(|wanted| given.text(name) == Some(wanted));
            wanted.text("code").is_some() && agrees("code") && given.text("system") == wanted.text("system")
        }
        (Node::Number(_), Node::Number(_)) => number(given) == number(wanted),
        _ => given == wanted,
    }
}

fn shown(node: &Node<'_>) -> String {
    match node {
        Node::Object(_) => match (node.text("system"), node.text("code")) {
            (system, Some(code)) if node.get("value").is_none() => format!("{}#{code}", system.unwrap_or_default()),
            _ => String::from_utf8(node.to_bytes()).unwrap_or_default().chars().take(100).collect(),
        },
        Node::String(text) => text.chars().take(100).collect(),
        other => String::from_utf8(other.to_bytes()).unwrap_or_default(),
    }
}

/// Whether a contained value set lists a code; `None` when it does more than list codes.
fn enumerated(set: &Node<'_>, coding: &Node<'_>) -> Option<bool> {
    let compose = set.get("compose")?;
    let includes = compose.list("include");
    if includes.is_empty() || !compose.list("exclude").is_empty() {
        return None;
    }
    let mut found = false;
    for include in includes {
        let concepts = include.list("concept");
        if concepts.is_empty() || !include.list("valueSet").is_empty() || !include.list("filter").is_empty() {
            return None;
        }
        found |= include.text("system") == coding.text("system")
            && concepts.iter().any(|concept| concept.text("code") == coding.text("code"));
    }
    Some(found)
}

impl<'c> Check<'c> {
    /// Checks one of `count` answers to a question that is neither group nor display.
    pub(super) fn answer(&mut self, question: &'c Node<'c>, kind: &str, given: &'c Node<'c>, count: usize, path: &str) {
        let link = question.text("linkId").unwrap_or_default();
        let allowed = members(kind);
        if allowed.is_empty() {
            self.error(IssueCode::Invalid, "qr-question-type", path, &[link, kind]);
            return;
        }
        let Some((member, node)) = value(given) else {
            // A value that is not known says why in an extension.
            if !given.members().iter().any(|(name, _)| name.starts_with("_value") || name == "extension") {
                self.error(IssueCode::Required, "qr-no-value", path, &[link]);
            }
            return;
        };
        let here = format!("{path}.value");
        if !allowed.contains(&member) {
            let wanted: Vec<&str> = allowed.iter().map(|name| name.trim_start_matches("value")).collect();
            let given = member.trim_start_matches("value");
            self.error(IssueCode::Structure, "qr-type", &here, &[link, given, &wanted.join(", ")]);
            return;
        }
        self.bounds(question, node, &here);
        match kind {
            "string" | "text" => self.text(question, kind, node, &here),
            "attachment" => self.attachment(question, node, &here),
            "quantity" => self.units(question, node, &here),
            "reference" => self.reference(question, node, &here),
            _ => {}
        }
        self.options(question, kind, node, count, &here);
    }

    /// The least and greatest value, and the number of decimal places.
    fn bounds(&mut self, question: &Node<'_>, node: &Node<'_>, path: &str) {
        let urls = [
            (format!("{CORE}minValue"), true),
            (format!("{CORE}maxValue"), false),
            (format!("{SDC}minQuantity"), true),
            (format!("{SDC}maxQuantity"), false),
        ];
        for (url, is_least) in urls {
            let Some((_, bound)) = extension(question, &url).and_then(value) else { continue };
            let is_object = |node: &Node<'_>| matches!(node, Node::Object(_));
            match compare(node, bound) {
                Some(Ordering::Less) if is_least => {
                    self.error(IssueCode::Invalid, "qr-least", path, &[&shown(node), &shown(bound)]);
                }
                Some(Ordering::Greater) if !is_least => {
                    self.error(IssueCode::Invalid, "qr-greatest", path, &[&shown(node), &shown(bound)]);
                }
                None if is_object(node) && is_object(bound) => {
                    self.error(IssueCode::Invalid, "qr-incomparable", path, &[&shown(node), &shown(bound)]);
                }
                _ => {}
            }
        }
        let places = super::whole(question, &format!("{CORE}maxDecimalPlaces"));
        let amount = if matches!(node, Node::Object(_)) { node.get("value") } else { Some(node) };
        if let (Some(most), Some(Node::Number(digits))) = (places, amount) {
            let found = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            if found > most {
                self.error(IssueCode::Invalid, "qr-places", path, &[digits, &most.to_string()]);
            }
        }
    }

    fn text(&mut self, question: &Node<'_>, kind: &str, node: &Node<'_>, path: &str) {
        let Some(text) = node.as_str() else { return };
        let length = text.chars().count();
        let most = match question.get("maxLength") {
            Some(Node::Number(digits)) => digits.parse::<usize>().ok(),
            _ => None,
        };
        if let Some(most) = most.filter(|most| length > *most) {
            self.error(IssueCode::TooLong, "qr-long", path, &[&length.to_string(), &most.to_string()]);
        }
        if let Some(least) = super::whole(question, &format!("{CORE}minLength")).filter(|least| length < *least) {
            self.error(IssueCode::Invalid, "qr-short", path, &[&length.to_string(), &least.to_string()]);
        }
        if kind == "string" && text.contains(['\r', '\n']) {
            self.report(Remark::warning(IssueCode::Invalid, "qr-lines", path));
        }
        if let Some((_, Node::String(pattern))) = extension(question, &format!("{CORE}regex")).and_then(value) {
            let mut budget = 200_000;
            match Pattern::new(pattern).and_then(|compiled| compiled.covers(text, &mut budget)) {
                Ok(true) => {}
                Ok(false) => {
                    let format = extension(question, &format!("{CORE}entryFormat")).and_then(value);
                    let wanted = format.and_then(|(_, node)| node.as_str()).unwrap_or(pattern);
                    self.error(IssueCode::Invalid, "qr-pattern", path, &[&shown(node), wanted]);
                }
                Err(error) => {
                    let remark = Remark::warning(IssueCode::NotSupported, "qr-pattern-unreadable", path);
                    self.report(remark.with(pattern.as_ref()).with(error.to_string()));
                }
            }
        }
    }

    fn attachment(&mut self, question: &Node<'_>, node: &Node<'_>, path: &str) {
        let url = format!("{CORE}mimeType");
        let types: Vec<&str> = question
            .list("extension")
            .iter()
            .filter(|extension| extension.text("url") == Some(&url))
            .filter_map(|extension| value(extension)?.1.as_str())
            .collect();
        let given = node.text("contentType").unwrap_or_default();
        let fits = |allowed: &&str| {
            given.split(';').next().is_some_and(|bare| bare.trim() == *allowed)
                || allowed
                    .strip_suffix('*')
                    .or(Some(allowed))
                    .is_some_and(|start| start.ends_with('/') && given.starts_with(start))
        };
        if !types.is_empty() && !types.iter().any(fits) {
            self.error(IssueCode::Invalid, "qr-media", path, &[given, &types.join(", ")]);
        }
        let most = extension(question, &format!("{CORE}maxSize")).and_then(value).and_then(|(_, most)| number(most));
        // In mebibytes by its definition; questionnaires are written with bytes. Bytes are what is counted.
        let size = node.text("data").map(|data| {
            let packed: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            STANDARD.decode(packed).map_or(0, |bytes| bytes.len())
        });
        if let (Some(most), Some(size)) = (most, size)
            && most < size as u64
        {
            self.error(IssueCode::TooLong, "qr-size", path, &[&size.to_string(), &most.to_plain_string()]);
        }
    }

    /// The types that the question allows references to (`questionnaire-referenceResource`).
    fn reference(&mut self, question: &Node<'_>, node: &Node<'_>, path: &str) {
        let url = format!("{CORE}questionnaire-referenceResource");
        let allowed: Vec<&str> = question
            .list("extension")
            .iter()
            .filter(|extension| extension.text("url") == Some(&url))
            .filter_map(|extension| extension.text("valueCode"))
            .collect();
        let named = match node.text("reference").map(Reference::parse) {
            Some(Reference::Local { resource_type, .. } | Reference::Absolute { resource_type, .. }) => {
                Some(resource_type)
            }
            _ => node.text("type"),
        };
        if let Some(named) = named.filter(|named| !allowed.is_empty() && !allowed.contains(named)) {
            self.error(IssueCode::Invalid, "qr-reference", path, &[named, &allowed.join(", ")]);
        }
    }

    /// The units that the question offers.
    fn units(&mut self, question: &Node<'_>, node: &Node<'_>, path: &str) {
        let url = format!("{CORE}questionnaire-unitOption");
        let options: Vec<&Node<'_>> = question
            .list("extension")
            .iter()
            .filter(|extension| extension.text("url") == Some(&url))
            .filter_map(|extension| extension.get("valueCoding"))
            .collect();
        let fits = |option: &&Node<'_>| {
            ["system", "code"].iter().all(|name| option.text(name).is_none_or(|wanted| node.text(name) == Some(wanted)))
        };
        if !options.is_empty() && !options.iter().any(fits) {
            let wanted: Vec<String> = options.iter().map(|option| shown(option)).collect();
            self.error(IssueCode::CodeInvalid, "qr-unit", path, &[&shown(node), &wanted.join(", ")]);
        }
        let set = extension(question, &format!("{CORE}questionnaire-unitValueSet")).and_then(value);
        if let Some(set) = set.and_then(|(_, set)| set.as_str())
            && self.is_member(set, node) == Some(false)
        {
            self.error(IssueCode::CodeInvalid, "qr-not-in-set", path, &[&shown(node), set]);
        }
    }

    fn is_member(&self, set: &str, node: &Node<'_>) -> Option<bool> {
        node.text("code").map_or(Some(false), |_| {
            let contained = set.strip_prefix('#').and_then(|id| {
                // A form contained in its response has its value sets beside it.
                let lists = [self.questionnaire.list("contained"), self.response.list("contained")];
                lists.into_iter().flatten().find(|inner| inner.text("id") == Some(id))
            });
            match contained {
                Some(contained) => enumerated(contained, node),
                None => (self.member_of)(set, node),
            }
        })
    }

    fn options(&mut self, question: &'c Node<'c>, kind: &str, node: &Node<'_>, count: usize, path: &str) {
        let options = question.list("answerOption");
        let is_open = kind == "open-choice";
        let is_free_text = is_open && matches!(node, Node::String(_));
        if !options.is_empty() && !is_free_text {
            if !self.spend(options.len()) {
                return;
            }
            let chosen = options.iter().find(|option| value(option).is_some_and(|(_, wanted)| same(node, wanted)));
            let exclusive = format!("{CORE}questionnaire-optionExclusive");
            match chosen {
                None if is_open => {}
                None => {
                    let link = question.text("linkId").unwrap_or_default();
                    self.error(IssueCode::CodeInvalid, "qr-option", path, &[&shown(node), link]);
                }
                Some(option) if count > 1 => {
                    if extension(option, &exclusive).is_some_and(|found| is_true(found, "valueBoolean")) {
                        self.error(IssueCode::Invalid, "qr-exclusive", path, &[&shown(node)]);
                    }
                }
                Some(_) => {}
            }
        }
        if let Some(set) = question.text("answerValueSet")
            && matches!(node, Node::Object(_))
            && self.is_member(set, node) == Some(false)
        {
            let remark = Remark::error(IssueCode::CodeInvalid, "qr-not-in-set", path).with(shown(node)).with(set);
            // Who may write text may choose another code too.
            self.report(if is_open { Remark { severity: Severity::Warning, ..remark } } else { remark });
        }
    }
}
