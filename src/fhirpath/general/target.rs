//! Literals, and the types that `is`, `as` and `ofType` ask for.

use super::{Entry, List, Quantity, Stamp, System, value};
use crate::fhirpath::FhirPathError;
use crate::fhirpath::ast::{Literal, TypeSpecifier};
use crate::r4::{Kind, TypeId, definitions};

pub(super) fn literal(literal: &Literal) -> Result<Vec<Entry<'static>>, FhirPathError> {
    let wrong = |text: &str| FhirPathError::Invalid(format!("{text:?} is not a date, a time or a number"));
    let value = match literal {
        Literal::Empty => return Ok(List::new()),
        Literal::Boolean(value) => System::Boolean(*value),
        Literal::String(text) => System::String(text.clone().into()),
        Literal::Number(digits) if !digits.contains('.') => {
            let value = digits.parse::<i64>().ok().filter(|value| *value <= 1 << 31);
            System::Integer(value.ok_or_else(|| wrong(digits))?)
        }
        Literal::Number(digits) => System::Decimal(value::decimal(digits).ok_or_else(|| wrong(digits))?),
        Literal::Date(text) => System::Stamp(Stamp::date(text).ok_or_else(|| wrong(text))?),
        Literal::DateTime(text) => System::Stamp(Stamp::date_time(text).ok_or_else(|| wrong(text))?),
        Literal::Time(text) => System::Stamp(Stamp::time(text).ok_or_else(|| wrong(text))?),
        Literal::Quantity(digits, unit) => {
            let value = value::decimal(digits).ok_or_else(|| wrong(digits))?;
            System::Quantity(Quantity { value, unit: unit.clone() })
        }
    };
    Ok(vec![Entry::Value(value)])
}

/// The type that `is`, `as` and `ofType` ask for.
#[derive(Debug)]
pub(super) enum Target {
    /// Of FHIR; with the system type of the same name (`Quantity`).
    Fhir(TypeId, Option<String>),
    System(String),
}

impl Target {
    pub(super) fn new(specifier: &TypeSpecifier) -> Result<Self, FhirPathError> {
        let all = definitions();
        let name = specifier.name.as_str();
        let is_system = all.type_id(&format!("System.{name}")).is_some();
        match (specifier.namespace.as_deref(), all.type_id(name)) {
            (Some("System"), _) => Ok(Self::System(name.to_owned())),
            (None, Some(id)) => Ok(Self::Fhir(id, is_system.then(|| name.to_owned()))),
            (None, None) if is_system => Ok(Self::System(name.to_owned())),
            (Some("FHIR"), Some(id)) => Ok(Self::Fhir(id, None)),
            _ => Err(FhirPathError::UnknownType(name.to_owned())),
        }
    }

    /// As the standard's and others' invariants write them: `value as String` means FHIR's string too.
    pub(super) fn lenient(specifier: &TypeSpecifier) -> Result<Self, FhirPathError> {
        let target = Self::new(specifier)?;
        let mut letters = specifier.name.chars();
        let lower: String =
            letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default();
        match (target, definitions().type_id(&lower)) {
            (Self::System(name), Some(id)) if specifier.namespace.is_none() => Ok(Self::Fhir(id, Some(name))),
            (target, _) => Ok(target),
        }
    }

    pub(super) fn admits(&self, entry: &Entry<'_>) -> bool {
        match (self, entry) {
            (Self::Fhir(id, _), Entry::Part(item)) => definitions().is_a(item.type_id, *id),
            (Self::Fhir(_, Some(name)) | Self::System(name), entry) => entry.type_of() == ("System", name.as_str()),
            _ => false,
        }
    }

    /// As [`Self::admits`], but a `code` is not cast to `string`: HL7's cases ask for the very type
    /// of a primitive.
    pub(super) fn keeps(&self, entry: &Entry<'_>) -> bool {
        match (self, entry) {
            (Self::Fhir(id, _), Entry::Part(item)) if definitions().get(*id).kind == Kind::Primitive => {
                item.type_id == *id
            }
            _ => self.admits(entry),
        }
    }
}
