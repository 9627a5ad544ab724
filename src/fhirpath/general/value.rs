//! What an expression of the whole language yields: parts of the resource, or values of the eight
//! system types; and how a part becomes a value (N1 "Using FHIR types": implicit conversion).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::OnceLock;

use bigdecimal::{BigDecimal, RoundingMode};

use super::quantity::Quantity;
use super::stamp::{Stamp, StampKind};
use crate::fhirpath::{FhirPathError, Item, Value};
use crate::format::json::Node;
use crate::r4;
use crate::r4::{Kind, TypeId, definitions};

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

/// How a type's JSON form becomes a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Quantity,
    Decimal,
    Date,
    DateTime,
    Time,
    Plain,
    /// An object.
    Other,
}

fn class(id: TypeId) -> Class {
    static CLASSES: OnceLock<Vec<Class>> = OnceLock::new();
    let classes = CLASSES.get_or_init(|| {
        let all = definitions();
        let quantity = all.type_id("Quantity");
        let of = |id: TypeId| {
            let definition = all.get(id);
            match (definition.kind, definition.name.as_str()) {
                (Kind::Complex, _) if quantity.is_some_and(|quantity| all.is_a(id, quantity)) => Class::Quantity,
                (Kind::Primitive | Kind::System, name) => match name {
                    "decimal" => Class::Decimal,
                    "date" => Class::Date,
                    "dateTime" | "instant" => Class::DateTime,
                    "time" => Class::Time,
                    _ => Class::Plain,
                },
                _ => Class::Other,
            }
        };
        (0..all.len()).filter_map(|place| u16::try_from(place).ok()).map(|place| of(TypeId(place))).collect()
    });
    classes.get(usize::from(id.0)).copied().unwrap_or(Class::Other)
}

/// The type `id`.
pub(super) fn id_type() -> TypeId {
    static TYPE: OnceLock<TypeId> = OnceLock::new();
    *TYPE.get_or_init(|| definitions().type_id("id").unwrap_or(TypeId(0)))
}

impl<'r> Entry<'r> {
    /// Its text without a copy, for strings that mean nothing but their letters.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Value(System::String(text)) => Some(text),
            Self::Part(item) if class(item.type_id) == Class::Plain => item.text(),
            _ => None,
        }
    }

    /// Its truth, for booleans.
    pub(super) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Value(System::Boolean(value)) => Some(*value),
            Self::Part(item) => item.boolean(),
            _ => None,
        }
    }

    /// Whether it is a primitive that has only extensions.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Part(item) if matches!(item.value, Value::Node(Node::Null)))
    }

    /// The same, with texts lent.
    pub(super) fn borrowed(&'r self) -> Entry<'r> {
        match self {
            Self::Value(System::String(text)) => Entry::Value(System::String(Cow::Borrowed(text))),
            other => other.clone(),
        }
    }

    /// The value; for parts, that of a primitive or of a Quantity. `None` for everything else.
    pub fn system(&self) -> Option<System<'r>> {
        let item = match self {
            Self::Value(value) => return Some(value.clone()),
            Self::Type { .. } => return None,
            Self::Part(item) => item,
        };
        let node = item.node()?;
        let class = class(item.type_id);
        match (class, node) {
            (Class::Other, _) => None,
            (Class::Quantity, _) => {
                if node.get("comparator").is_some() {
                    return None;
                }
                let Some(Node::Number(digits)) = node.get("value") else { return None };
                let unit = node.text("code").or_else(|| node.text("unit")).unwrap_or("1");
                let value = r4::decimal::parse(digits)?;
                Some(System::Quantity(Quantity { value, unit: unit.to_owned() }))
            }
            (_, Node::Bool(value)) => Some(System::Boolean(*value)),
            (Class::Decimal, Node::Number(digits)) => r4::decimal::parse(digits).map(System::Decimal),
            (_, Node::Number(digits)) => digits.parse().ok().map(System::Integer),
            (_, Node::String(text)) => {
                let stamp = match class {
                    Class::Date => Stamp::date(text),
                    Class::DateTime => Stamp::date_time(text),
                    Class::Time => Stamp::time(text),
                    _ => None,
                };
                Some(stamp.map_or(System::String(text.as_ref().into()), System::Stamp))
            }
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
