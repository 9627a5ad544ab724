//! Quantities with the units of a small table. This is no UCUM library: units outside the table are
//! equal only to themselves, and comparing them with another unit is an error that says so.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use bigdecimal::{BigDecimal, RoundingMode, Zero};

use crate::fhirpath::FhirPathError;

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

const PREFIXES: [(&str, i64); 12] = [
    ("da", 1),
    ("k", 3),
    ("h", 2),
    ("d", -1),
    ("c", -2),
    ("m", -3),
    ("u", -6),
    ("n", -9),
    ("p", -12),
    ("M", 6),
    ("G", 9),
    ("T", 12),
];

/// Units that take a prefix, as a number of a base unit to a power.
const METRIC: [(&str, &str, &str, i32); 14] = [
    ("m", "1", "m", 1),
    ("g", "1", "g", 1),
    ("s", "1", "s", 1),
    ("L", "0.001", "m", 3),
    ("l", "0.001", "m", 3),
    ("mol", "1", "mol", 1),
    ("eq", "1", "mol", 1),
    ("Pa", "1", "Pa", 1),
    ("m[Hg]", "133322", "Pa", 1),
    ("J", "1", "J", 1),
    ("cal", "4.184", "J", 1),
    ("W", "1", "W", 1),
    ("V", "1", "V", 1),
    ("K", "1", "K", 1),
];

/// Units without a prefix.
const PLAIN: [(&str, &str, &str, i32); 12] = [
    ("min", "60", "s", 1),
    ("h", "3600", "s", 1),
    ("d", "86400", "s", 1),
    ("wk", "604800", "s", 1),
    ("mo", "2629800", "s", 1),
    ("a", "31557600", "s", 1),
    ("%", "0.01", "", 0),
    ("[in_i]", "0.0254", "m", 1),
    ("[ft_i]", "0.3048", "m", 1),
    ("[lb_av]", "453.59237", "g", 1),
    ("[oz_av]", "28.349523125", "g", 1),
    ("[iU]", "1", "[iU]", 1),
];

/// A unit as a ratio of numbers and powers of base units.
struct Measure {
    numerator: BigDecimal,
    denominator: BigDecimal,
    bases: BTreeMap<String, i32>,
}

/// The calendar unit (singular) a word names, `None` for UCUM codes.
pub(super) fn calendar_unit(unit: &str) -> Option<&'static str> {
    let singular = unit.strip_suffix('s').unwrap_or(unit);
    CALENDAR.iter().find(|(name, _)| *name == singular).map(|(name, _)| *name)
}

/// The calendar unit that a UCUM code means exactly in date arithmetic (`d`, not `mo`).
pub(super) fn calendar_of_ucum(unit: &str) -> Option<&'static str> {
    CALENDAR.iter().find(|(_, code)| !code.is_empty() && *code == unit).map(|(name, _)| *name)
}

fn atom(text: &str) -> Option<(BigDecimal, &'static str, i32)> {
    let find = |table: &[(&'static str, &str, &'static str, i32)], name: &str| {
        let row = table.iter().find(|row| row.0 == name)?;
        Some((row.1.parse::<BigDecimal>().ok()?, row.2, row.3))
    };
    find(&PLAIN, text).or_else(|| find(&METRIC, text)).or_else(|| {
        let (prefix, power) = PREFIXES
            .iter()
            .find(|(prefix, _)| text.strip_prefix(prefix).is_some_and(|rest| METRIC.iter().any(|row| row.0 == rest)))?;
        let (factor, base, exponent) = find(&METRIC, text.strip_prefix(prefix)?)?;
        Some((factor * BigDecimal::new(1.into(), -power), base, exponent))
    })
}

fn measure(unit: &str) -> Option<Measure> {
    let unit =
        calendar_unit(unit).map_or(unit, |name| CALENDAR.iter().find(|row| row.0 == name).map_or("", |row| row.1));
    let mut out = Measure { numerator: 1.into(), denominator: 1.into(), bases: BTreeMap::new() };
    if unit.is_empty() || unit.len() > 60 {
        return None;
    }
    let mut divides = false;
    for piece in unit.split_inclusive(['.', '/']) {
        let text = piece.trim_end_matches(['.', '/']);
        let text = text.split('{').next().unwrap_or_default();
        if !text.is_empty() && text != "1" {
            let (name, exponent) = match text.rfind(|letter: char| !letter.is_ascii_digit() && letter != '-') {
                Some(last) if last + 1 < text.len() && !text.ends_with(']') => {
                    let (name, digits) = text.split_at_checked(last + 1)?;
                    (name, digits.parse::<i32>().ok()?)
                }
                _ => (text, 1),
            };
            let exponent = if divides { -exponent } else { exponent };
            let (factor, base, power) = atom(name)?;
            if !(-9..=9).contains(&exponent) {
                return None;
            }
            for _ in 0..exponent.abs() {
                if exponent > 0 { out.numerator *= &factor } else { out.denominator *= &factor }
            }
            if !base.is_empty() {
                *out.bases.entry(base.to_owned()).or_default() += exponent * power;
            }
        }
        divides = piece.ends_with('/');
    }
    out.bases.retain(|_, exponent| *exponent != 0);
    Some(out)
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

    /// Whether both measure the same thing, as far as the table tells.
    pub fn comparable(&self, other: &Self) -> bool {
        self.same_unit(other)
            || matches!((measure(&self.unit), measure(&other.unit)), (Some(left), Some(right)) if left.bases == right.bases)
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
        let known = |unit: &str| {
            measure(unit)
                .ok_or_else(|| FhirPathError::Unsupported(format!("comparison of the unit {unit:?} with others")))
        };
        let (left, right) = (known(&self.unit)?, known(&other.unit)?);
        if left.bases != right.bases {
            return Ok(None);
        }
        let scaled =
            (&self.value * &left.numerator * &right.denominator, &other.value * &right.numerator * &left.denominator);
        Ok(Some(scaled))
    }

    /// Order by value; `None` when there is none.
    ///
    /// # Errors
    /// Units outside the table.
    pub fn compare(&self, other: &Self) -> Result<Option<Ordering>, FhirPathError> {
        Ok(self.aligned(other)?.map(|(left, right)| left.cmp(&right)))
    }

    /// `=`: no answer for calendar against definite durations, false for other dimensions.
    ///
    /// # Errors
    /// Units outside the table.
    pub fn equal(&self, other: &Self) -> Result<Option<bool>, FhirPathError> {
        let is_open = |quantity: &Self| matches!(calendar_unit(&quantity.unit), Some("year" | "month"));
        match self.aligned(other)? {
            Some((left, right)) => Ok(Some(left == right)),
            None if is_open(self) != is_open(other) => Ok(None),
            None => Ok(Some(false)),
        }
    }

    /// `~`: equal when rounded to the coarser of both.
    ///
    /// # Errors
    /// Units outside the table.
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
        let Some((left_scaled, right_scaled)) = left.aligned(&right)? else { return Ok(false) };
        if left.value.is_zero() {
            return Ok(right.value.is_zero());
        }
        // What `other` is in the unit of `self`.
        let converted = (&right_scaled * &left.value / &left_scaled).with_prec(40).normalized();
        Ok(super::value::equivalent_decimals(&left.value, &converted))
    }

    /// `*` and `/`.
    ///
    /// # Errors
    /// Units outside the table.
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
        let left = measure(&self.unit).ok_or_else(|| unknown(&self.unit))?;
        let right = measure(&other.unit).ok_or_else(|| unknown(&other.unit))?;
        let left_value = &self.value * left.numerator / left.denominator;
        let right_value = &other.value * right.numerator / right.denominator;
        let mut bases = left.bases;
        for (base, exponent) in right.bases {
            *bases.entry(base).or_default() += if divides { -exponent } else { exponent };
        }
        bases.retain(|_, exponent| *exponent != 0);
        let power =
            |base: &str, exponent: i32| if exponent == 1 { base.to_owned() } else { format!("{base}{exponent}") };
        let over: Vec<String> = bases.iter().filter(|pair| *pair.1 > 0).map(|pair| power(pair.0, *pair.1)).collect();
        let under: String =
            bases.iter().filter(|pair| *pair.1 < 0).map(|pair| format!("/{}", power(pair.0, -pair.1))).collect();
        let over = if over.is_empty() { "1".to_owned() } else { over.join(".") };
        let unit = if over == "1" && !under.is_empty() { under } else { format!("{over}{under}") };
        Ok(Some(Self { value: compute(&left_value, &right_value), unit }))
    }

    /// `+` and `-`, in the unit of the left side.
    ///
    /// # Errors
    /// Units outside the table.
    pub fn sum(&self, other: &Self, subtracts: bool) -> Result<Option<Self>, FhirPathError> {
        let Some((left, right)) = self.aligned(other)? else { return Ok(None) };
        let total = if subtracts { &left - &right } else { &left + &right };
        let value = if self.value.is_zero() || left == self.value {
            total
        } else {
            (total * &self.value / left).with_prec(40).normalized()
        };
        let unit = if self.value.is_zero() && !self.same_unit(other) { return Ok(None) } else { self.unit.clone() };
        Ok(Some(Self { value, unit }))
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
