//! Quantities: compared, converted and multiplied across units by UCUM ([`crate::r4::ucum`]). Calendar
//! years and months have no exact length and are compared with each other only (N1 "Time-valued
//! quantities"). A unit that is no UCUM is equal to nothing but itself.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use bigdecimal::{BigDecimal, RoundingMode, Zero};

use crate::fhirpath::FhirPathError;
use crate::r4::ucum::{self, Canonical};

/// A value with a unit: a UCUM code, or a calendar unit (`week`) by its singular name.
#[derive(Debug, Clone)]
pub struct Quantity {
    /// The number.
    pub value: BigDecimal,
    /// `mg`, `1`, `week`, `weeks`.
    pub unit: String,
}

/// Calendar units with the UCUM unit of the same length; a year and a month have none.
const CALENDAR: [(&str, &str); 8] = [
    ("year", ""),
    ("month", ""),
    ("week", "wk"),
    ("day", "d"),
    ("hour", "h"),
    ("minute", "min"),
    ("second", "s"),
    ("millisecond", "ms"),
];

/// The calendar unit (singular) a word names, `None` for UCUM codes.
pub(super) fn calendar_unit(unit: &str) -> Option<&'static str> {
    let singular = unit.strip_suffix('s').unwrap_or(unit);
    CALENDAR.iter().find(|(name, _)| *name == singular).map(|(name, _)| *name)
}

/// The calendar unit that a UCUM code means exactly in date arithmetic (`d`, not `mo`).
pub(super) fn calendar_of_ucum(unit: &str) -> Option<&'static str> {
    CALENDAR.iter().find(|(_, code)| !code.is_empty() && *code == unit).map(|(name, _)| *name)
}

/// The UCUM code of a unit; years and months of the calendar have none.
fn code(unit: &str) -> &str {
    calendar_unit(unit).map_or(unit, |name| CALENDAR.iter().find(|row| row.0 == name).map_or("", |row| row.1))
}

fn known(unit: &str) -> Option<Arc<Canonical>> {
    ucum::canonical(code(unit))
}

impl Quantity {
    /// A value without a unit.
    pub fn plain(value: BigDecimal) -> Self {
        Self { value, unit: "1".to_owned() }
    }

    fn same_unit(&self, other: &Self) -> bool {
        self.unit == other.unit
            || calendar_unit(&self.unit).is_some_and(|name| calendar_unit(&other.unit) == Some(name))
    }

    /// Whether both measure the same thing.
    pub fn comparable(&self, other: &Self) -> bool {
        self.same_unit(other)
            || matches!((known(&self.unit), known(&other.unit)), (Some(left), Some(right)) if left.unit == right.unit)
    }

    /// The same amount in another unit; `None` when there is no conversion.
    #[must_use]
    pub fn to_unit(&self, unit: &str) -> Option<Self> {
        if self.same_unit(&Self { value: BigDecimal::zero(), unit: unit.to_owned() }) {
            return Some(Self { value: self.value.clone(), unit: unit.to_owned() });
        }
        let value = ucum::convert(&self.value, code(&self.unit), code(unit))?;
        Some(Self { value, unit: unit.to_owned() })
    }

    /// Both values in one unit; `None` for different dimensions and for calendar years and months
    /// against definite durations.
    fn aligned(&self, other: &Self) -> Result<Option<(BigDecimal, BigDecimal)>, FhirPathError> {
        if self.same_unit(other) {
            return Ok(Some((self.value.clone(), other.value.clone())));
        }
        let is_open = |unit: &str| matches!(calendar_unit(unit), Some("year" | "month"));
        let months = |unit: &str| if calendar_unit(unit) == Some("year") { 12 } else { 1 };
        match (is_open(&self.unit), is_open(&other.unit)) {
            (true, true) => {
                return Ok(Some((&self.value * months(&self.unit), &other.value * months(&other.unit))));
            }
            (false, false) => {}
            _ => return Ok(None),
        }
        match (known(&self.unit), known(&other.unit)) {
            (Some(left), Some(right)) if left.unit == right.unit => {
                Ok(Some((left.of(&self.value), right.of(&other.value))))
            }
            // A unit that is no UCUM is comparable to nothing but itself.
            _ => Ok(None),
        }
    }

    /// Order by value; `None` when there is none.
    ///
    /// # Errors
    /// Units that cannot be multiplied.
    pub fn compare(&self, other: &Self) -> Result<Option<Ordering>, FhirPathError> {
        Ok(self.aligned(other)?.map(|(left, right)| left.cmp(&right)))
    }

    /// `=`: no answer for calendar against definite durations, false for other dimensions.
    ///
    /// # Errors
    /// Units that cannot be multiplied.
    pub fn equal(&self, other: &Self) -> Result<Option<bool>, FhirPathError> {
        let is_open = |quantity: &Self| matches!(calendar_unit(&quantity.unit), Some("year" | "month"));
        match self.aligned(other)? {
            Some((left, right)) => Ok(Some(left == right)),
            None if is_open(self) != is_open(other) => Ok(None),
            // N1: "Attempting to operate on quantities with invalid units will result in empty".
            None if known(&self.unit).is_none() || known(&other.unit).is_none() => Ok(None),
            None => Ok(Some(false)),
        }
    }

    /// `~`: equal when rounded to the coarser of both.
    ///
    /// # Errors
    /// Units that cannot be multiplied.
    pub fn equivalent(&self, other: &Self) -> Result<bool, FhirPathError> {
        let definite = |quantity: &Self| {
            let unit = match calendar_unit(&quantity.unit) {
                Some("year") => "a",
                Some("month") => "mo",
                _ => quantity.unit.as_str(),
            };
            Self { value: quantity.value.clone(), unit: unit.to_owned() }
        };
        let (left, right) = (definite(self), definite(other));
        match right.to_unit(&left.unit) {
            Some(right) => Ok(super::value::equivalent_decimals(&left.value, &right.value)),
            None => Ok(false),
        }
    }

    /// `*` and `/`.
    ///
    /// # Errors
    /// Units that cannot be multiplied.
    pub fn product(&self, other: &Self, divides: bool) -> Result<Option<Self>, FhirPathError> {
        if divides && other.value.is_zero() {
            return Ok(None);
        }
        let unknown = |unit: &str| FhirPathError::Unsupported(format!("arithmetic with the unit {unit:?}"));
        let compute = |left: &BigDecimal, right: &BigDecimal| {
            if divides { (left / right).with_scale_round(28, RoundingMode::HalfUp).normalized() } else { left * right }
        };
        let value = compute(&self.value, &other.value);
        if other.unit == "1" || (divides && self.same_unit(other)) {
            let unit = if other.unit == "1" { self.unit.clone() } else { "1".to_owned() };
            return Ok(Some(Self { value, unit }));
        }
        if self.unit == "1" && !divides {
            return Ok(Some(Self { value, unit: other.unit.clone() }));
        }
        let left = known(&self.unit).ok_or_else(|| unknown(&self.unit))?;
        let right = known(&other.unit).ok_or_else(|| unknown(&other.unit))?;
        if !left.offset.is_zero() || !right.offset.is_zero() {
            return Err(FhirPathError::Invalid("temperatures with a zero of their own are not multiplied".to_owned()));
        }
        let operator = if divides { '/' } else { '.' };
        let unit = match (left.unit.as_str(), right.unit.as_str()) {
            (_, "1") => left.unit.clone(),
            ("1", other) if !divides => other.to_owned(),
            (one, other) => format!("({one}){operator}({other})"),
        };
        // In base units, written as UCUM writes them.
        let unit = ucum::canonical(&unit).map_or(unit, |canonical| canonical.unit.clone());
        Ok(Some(Self { value: compute(&left.of(&self.value), &right.of(&other.value)), unit }))
    }

    /// `+` and `-`, in the unit of the left side.
    ///
    /// # Errors
    /// Units that cannot be multiplied.
    pub fn sum(&self, other: &Self, subtracts: bool) -> Result<Option<Self>, FhirPathError> {
        let Some(other) = other.to_unit(&self.unit) else { return Ok(None) };
        let value = if subtracts { &self.value - &other.value } else { &self.value + &other.value };
        Ok(Some(Self { value, unit: self.unit.clone() }))
    }

    /// Reads `4 days`, `10 'mg'`, `1.5`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|letter: char| letter.is_whitespace() || letter == '\'').unwrap_or(text.len());
        let (digits, unit) = text.split_at_checked(end)?;
        let value = super::value::decimal(digits)?;
        let unit = unit.trim();
        let unit = match unit.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
            _ if unit.is_empty() => "1",
            Some(code) if !code.is_empty() => code,
            _ => calendar_unit(unit).map(|_| unit)?,
        };
        Some(Self { value, unit: unit.to_owned() })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.value.to_plain_string();
        if calendar_unit(&self.unit).is_some() {
            write!(out, "{digits} {}", self.unit)
        } else {
            write!(out, "{digits} '{}'", self.unit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Quantity {
        Quantity::parse(text).unwrap()
    }

    /// FHIRPath N1 "Quantity": comparison, conversion and arithmetic across units.
    #[test]
    fn units_are_converted_exactly() {
        assert_eq!(read("1 'kg'").equal(&read("1000 'g'")), Ok(Some(true)));
        assert_eq!(read("5.4 'mg/dL'").compare(&read("54 'mg/L'")), Ok(Some(Ordering::Equal)));
        assert_eq!(read("37 'Cel'").equal(&read("98.6 '[degF]'")), Ok(Some(true)));
        assert_eq!(read("1 'kg'").compare(&read("1 'm'")), Ok(None));
        assert_eq!(read("2 weeks").equal(&read("14 days")), Ok(Some(true)));
        assert_eq!(read("1 year").equal(&read("12 months")), Ok(Some(true)));
        assert_eq!(read("1 year").equal(&read("1 'a'")), Ok(None));
        assert_eq!(read("3 'min'").sum(&read("30 's'"), false).unwrap().unwrap().to_string(), "3.5 'min'");
        let product = read("2 'm'").product(&read("30 'cm'"), false).unwrap().unwrap();
        assert_eq!(product.equal(&read("0.6 'm2'")), Ok(Some(true)));
        let quotient = read("6 'kg'").product(&read("2 'm2'"), true).unwrap().unwrap();
        assert_eq!(quotient.equal(&read("3 'kg/m2'")), Ok(Some(true)));
        assert_eq!(read("72 '/min'").to_unit("/s").unwrap().to_string(), "1.2 '/s'");
        assert_eq!(read("1 'foo'").equal(&read("1 'foo'")), Ok(Some(true)));
        assert_eq!(read("1 'foo'").equal(&read("1 'kg'")), Ok(None));
        assert_eq!(read("1 's'").equal(&read("1 'kg'")), Ok(Some(false)));
    }
}
