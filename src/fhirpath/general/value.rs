//! What an expression of the whole language yields: parts of the resource, or values of the eight
//! system types; and how a part becomes a value (N1 "Using FHIR types": implicit conversion).

use std::borrow::Cow;
use std::cmp::Ordering;

use bigdecimal::{BigDecimal, RoundingMode};

use super::quantity::Quantity;
use super::stamp::{Stamp, StampKind};
use crate::fhirpath::{FhirPathError, Item};
use crate::format::json::Node;
use crate::r4;
use crate::r4::{Kind, definitions};

/// A value of a system type.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum System<'r> {
    Boolean(bool),
    Integer(i64),
    Decimal(BigDecimal),
    String(Cow<'r, str>),
    Stamp(Stamp),
    Quantity(Quantity),
}

/// One result.
#[derive(Debug, Clone)]
pub enum Entry<'r> {
    /// A part of the resource.
    Part(Item<'r>),
    /// A literal, or something computed.
    Value(System<'r>),
    /// What `type()` answers.
    Type {
        /// `FHIR` or `System`.
        namespace: &'static str,
        /// `Patient`
        name: &'static str,
    },
}

/// Reads a decimal as N1 writes them; as bounded as the numbers of resources are.
pub(super) fn decimal(text: &str) -> Option<BigDecimal> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if text.contains(['e', 'E']) {
        return None;
    }
    let negative = text.starts_with('-');
    let digits = text.strip_prefix('-').unwrap_or(text);
    let trimmed = digits.trim_start_matches('0');
    let trimmed =
        if trimmed.is_empty() || trimmed.starts_with('.') { format!("0{trimmed}") } else { trimmed.to_owned() };
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    r4::decimal::parse(&if negative { format!("-{trimmed}") } else { trimmed })
}

/// `~` of decimals: equal when rounded to the fewer of both fractions.
pub(super) fn equivalent_decimals(left: &BigDecimal, right: &BigDecimal) -> bool {
    let digits = left.fractional_digit_count().min(right.fractional_digit_count());
    let round = |value: &BigDecimal| value.with_scale_round(digits, RoundingMode::HalfUp);
    round(left) == round(right)
}

impl<'r> System<'r> {
    /// `Integer`
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "Boolean",
            Self::Integer(_) => "Integer",
            Self::Decimal(_) => "Decimal",
            Self::String(_) => "String",
            Self::Stamp(stamp) => match stamp.kind {
                StampKind::Date => "Date",
                StampKind::DateTime => "DateTime",
                StampKind::Time => "Time",
            },
            Self::Quantity(_) => "Quantity",
        }
    }

    /// As `toString()` writes it.
    pub fn to_text(&self) -> Cow<'r, str> {
        match self {
            Self::Boolean(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Self::Integer(value) => value.to_string().into(),
            Self::Decimal(value) => value.to_plain_string().into(),
            Self::String(text) => text.clone(),
            Self::Stamp(stamp) => stamp.to_string().into(),
            Self::Quantity(quantity) => quantity.to_string().into(),
        }
    }

    /// The number, for both kinds of them.
    pub fn number(&self) -> Option<BigDecimal> {
        match self {
            Self::Integer(value) => Some(BigDecimal::from(*value)),
            Self::Decimal(value) => Some(value.clone()),
            _ => None,
        }
    }

    /// A quantity, or a number as one.
    pub fn quantity(&self) -> Option<Quantity> {
        match self {
            Self::Quantity(quantity) => Some(quantity.clone()),
            other => other.number().map(Quantity::plain),
        }
    }

    /// `=`; `None` when precision leaves it open.
    ///
    /// # Errors
    /// Units outside the table.
    pub fn equal(&self, other: &Self) -> Result<Option<bool>, FhirPathError> {
        Ok(match (self, other) {
            (Self::Boolean(left), Self::Boolean(right)) => Some(left == right),
            (Self::String(left), Self::String(right)) => Some(left == right),
            (Self::Stamp(left), Self::Stamp(right)) => {
                if (left.kind == StampKind::Time) != (right.kind == StampKind::Time) {
                    return Ok(Some(false));
                }
                left.compare(right).map(|order| order == Ordering::Equal)
            }
            (Self::Integer(left), Self::Integer(right)) => Some(left == right),
            _ => match (self.number(), other.number(), self.quantity(), other.quantity()) {
                (Some(left), Some(right), ..) => Some(left == right),
                (.., Some(left), Some(right)) => return left.equal(&right),
                _ => Some(false),
            },
        })
    }

    /// `~`
    ///
    /// # Errors
    /// Units outside the table.
    pub fn equivalent(&self, other: &Self) -> Result<bool, FhirPathError> {
        Ok(match (self, other) {
            (Self::String(left), Self::String(right)) => {
                let fold = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
                fold(left) == fold(right)
            }
            _ => match (self.number(), other.number(), self.quantity(), other.quantity()) {
                (Some(left), Some(right), ..) => equivalent_decimals(&left, &right),
                (.., Some(left), Some(right)) => left.equivalent(&right)?,
                _ => self.equal(other)? == Some(true),
            },
        })
    }

    /// `<` and its kin; `None` when precision leaves it open.
    ///
    /// # Errors
    /// Types that have no order together, units outside the table.
    pub fn compare(&self, other: &Self) -> Result<Option<Ordering>, FhirPathError> {
        match (self, other) {
            (Self::String(left), Self::String(right)) => return Ok(Some(left.cmp(right))),
            (Self::Stamp(left), Self::Stamp(right))
                if (left.kind == StampKind::Time) == (right.kind == StampKind::Time) =>
            {
                return Ok(left.compare(right));
            }
            _ => {}
        }
        if let (Some(left), Some(right)) = (self.number(), other.number()) {
            return Ok(Some(left.cmp(&right)));
        }
        if let (Some(left), Some(right)) = (self.quantity(), other.quantity()) {
            return left.compare(&right);
        }
        let (left, right) = (self.type_name(), other.type_name());
        Err(FhirPathError::Invalid(format!("{left} and {right} cannot be compared")))
    }
}

impl<'r> Entry<'r> {
    /// The value; for parts, that of a primitive or of a Quantity. `None` for everything else.
    pub fn system(&self) -> Option<System<'r>> {
        let item = match self {
            Self::Value(value) => return Some(value.clone()),
            Self::Type { .. } => return None,
            Self::Part(item) => item,
        };
        let all = definitions();
        let definition = all.get(item.type_id);
        let name = definition.name.as_str();
        let node = item.node()?;
        if matches!(definition.kind, Kind::Complex) {
            let is_quantity = all.type_id("Quantity").is_some_and(|id| all.is_a(item.type_id, id));
            if !is_quantity || node.get("comparator").is_some() {
                return None;
            }
            let Some(Node::Number(digits)) = node.get("value") else { return None };
            let unit = node.text("code").or_else(|| node.text("unit")).unwrap_or("1");
            let value = r4::decimal::parse(digits)?;
            return Some(System::Quantity(Quantity { value, unit: unit.to_owned() }));
        }
        if !matches!(definition.kind, Kind::Primitive | Kind::System) {
            return None;
        }
        match node {
            Node::Bool(value) => Some(System::Boolean(*value)),
            Node::Number(digits) if name == "decimal" => r4::decimal::parse(digits).map(System::Decimal),
            Node::Number(digits) => digits.parse().ok().map(System::Integer),
            Node::String(text) => Some(match name {
                "date" => Stamp::date(text).map_or(System::String(text.as_ref().into()), System::Stamp),
                "dateTime" | "instant" => {
                    Stamp::date_time(text).map_or(System::String(text.as_ref().into()), System::Stamp)
                }
                "time" => Stamp::time(text).map_or(System::String(text.as_ref().into()), System::Stamp),
                _ => System::String(text.as_ref().into()),
            }),
            _ => None,
        }
    }

    /// Namespace and name of its type.
    pub fn type_of(&self) -> (&'static str, &'static str) {
        match self {
            Self::Part(item) => {
                let name = definitions().get(item.type_id).name.as_str();
                name.strip_prefix("System.").map_or(("FHIR", name), |system| ("System", system))
            }
            Self::Value(value) => ("System", value.type_name()),
            Self::Type { .. } => ("System", "TypeInfo"),
        }
    }

    /// As `toString()` writes it; `None` for what has no text.
    pub fn to_text(&self) -> Option<Cow<'r, str>> {
        self.system().map(|value| value.to_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equivalence_rounds_to_the_coarser_number() {
        let read = |text: &str| decimal(text).unwrap();
        assert!(equivalent_decimals(&read("0.6666667"), &read("0.67")));
        assert!(!equivalent_decimals(&read("0.6666667"), &read("0.66")));
        assert!(decimal("1.").is_none() && decimal("a").is_none() && decimal("-007.50").is_some());
    }
}
