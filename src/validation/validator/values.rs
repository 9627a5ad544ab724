//! Values against values: fixed, pattern, bounds.
//!
//! FHIR R4 elementdefinition.html: a fixed value must match exactly, a pattern may be exceeded.

use std::cmp::Ordering;

use crate::format::json::Node;
use crate::r4::{datetime, decimal, ucum};

/// Exactly equal; the order of members and the writing of numbers do not matter.
pub(super) fn equal(value: &Node<'_>, fixed: &Node<'_>) -> bool {
    match (value, fixed) {
        (Node::Object(left), Node::Object(right)) => {
            left.len() == right.len()
                && right.iter().all(|(name, wanted)| value.get(name).is_some_and(|found| equal(found, wanted)))
        }
        (Node::Array(left), Node::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(found, wanted)| equal(found, wanted))
        }
        _ => same_value(value, fixed),
    }
}

/// Everything the pattern has is in the value; each item of an array is somewhere in the value's.
pub(super) fn contains(value: &Node<'_>, pattern: &Node<'_>) -> bool {
    match (value, pattern) {
        (Node::Object(_), Node::Object(wanted)) => {
            wanted.iter().all(|(name, wanted)| value.get(name).is_some_and(|found| contains(found, wanted)))
        }
        (Node::Array(found), Node::Array(wanted)) => {
            wanted.iter().all(|wanted| found.iter().any(|found| contains(found, wanted)))
        }
        _ => same_value(value, pattern),
    }
}

fn same_value(left: &Node<'_>, right: &Node<'_>) -> bool {
    match (left, right) {
        (Node::Number(left), Node::Number(right)) => {
            left == right || matches!((decimal::parse(left), decimal::parse(right)), (Some(l), Some(r)) if l == r)
        }
        (Node::String(left), Node::String(right)) => left == right,
        (Node::Bool(left), Node::Bool(right)) => left == right,
        (Node::Null, Node::Null) => true,
        _ => false,
    }
}

/// Order of two values of one type; `None` when it cannot be told.
pub(super) fn compare(value: &Node<'_>, bound: &Node<'_>) -> Option<Ordering> {
    match (value, bound) {
        (Node::Number(left), Node::Number(right)) => Some(decimal::parse(left)?.cmp(&decimal::parse(right)?)),
        (Node::String(left), Node::String(right)) => {
            if let (Some(left), Some(right)) = (datetime::parse_time(left), datetime::parse_time(right)) {
                let key = |time: datetime::TimeOfDay| (time.hour, time.minute, time.second, time.micros);
                return Some(key(left).cmp(&key(right)));
            }
            let (left, right) = (datetime::span(left, 0)?, datetime::span(right, 0)?);
            if left.high < right.low {
                Some(Ordering::Less)
            } else if left.low > right.high {
                Some(Ordering::Greater)
            } else {
                Some(Ordering::Equal)
            }
        }
        (Node::Object(_), Node::Object(_)) => compare_quantities(value, bound),
        _ => None,
    }
}

/// Quantities of one unit, or of units that convert.
fn compare_quantities(value: &Node<'_>, bound: &Node<'_>) -> Option<Ordering> {
    let unit = |node: &Node<'_>| node.text("code").or_else(|| node.text("unit")).map(str::to_owned);
    match (unit(value), unit(bound)) {
        (Some(own), Some(other)) if own != other => {
            let (Some(Node::Number(left)), Some(Node::Number(right))) = (value.get("value"), bound.get("value")) else {
                return None;
            };
            Some(ucum::convert(&decimal::parse(left)?, &own, &other)?.cmp(&decimal::parse(right)?))
        }
        _ => compare(value.get("value")?, bound.get("value")?),
    }
}

/// A value as people read it: short.
pub(super) fn shown(node: &Node<'_>) -> String {
    let text = String::from_utf8_lossy(&node.to_bytes()).into_owned();
    if text.chars().count() <= 200 {
        return text;
    }
    let mut short: String = text.chars().take(200).collect();
    short.push('…');
    short
}
