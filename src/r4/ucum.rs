//! Units of measure by UCUM (FHIR R4 datatypes.html#Quantity, <http://unitsofmeasure.org>): whether a
//! code is one, what it is in base units, conversion.
//!
//! The tables and the grammar are those of `octofhir-ucum`; its factors are decimals of 28 digits, and
//! the arithmetic here is on decimals as well, so that `5.4 mg` is `0.0054 g` and nothing near it.
//! What cannot be a finite decimal (a 60th, five ninths) is rounded to [`DIGITS`] digits, so that
//! both ways to write a value meet in one.

use std::num::NonZeroU64;
use std::sync::{Arc, LazyLock};

use bigdecimal::{BigDecimal, RoundingMode, Zero};
use quick_cache::sync::Cache;

/// The system of UCUM codes.
pub const SYSTEM: &str = "http://unitsofmeasure.org";

/// Significant digits of values in base units.
pub const DIGITS: u64 = 24;

/// Longest code that is read; real ones have a dozen letters.
const LONGEST: usize = 100;
/// Most zeros of a factor; the prefixes of UCUM go to 24, and `10*` has any exponent, with which nobody can calculate.
const ZEROS: i64 = 400;
/// Codes that are remembered.
const REMEMBERED: usize = 2_000;

/// A unit in base units: a value `v` of it is `v × factor + offset` of `unit`.
#[derive(Debug, Clone, PartialEq)]
pub struct Canonical {
    /// Base units (`g.m-3`, `1`) and arbitrary ones (`m-3.[iU]`); the same for all units of one kind.
    pub unit: String,
    /// Size in base units.
    pub factor: BigDecimal,
    /// Where zero is, for temperatures: 273.15 for `Cel`.
    pub offset: BigDecimal,
}

impl Canonical {
    /// A value of the unit in base units.
    #[must_use]
    pub fn of(&self, value: &BigDecimal) -> BigDecimal {
        round(&(value * &self.factor + &self.offset))
    }

    /// A value in base units in the unit again.
    #[must_use]
    pub fn back(&self, value: &BigDecimal) -> BigDecimal {
        if self.factor.is_zero() {
            return value.clone();
        }
        round(&((value - &self.offset) / &self.factor))
    }
}

fn round(value: &BigDecimal) -> BigDecimal {
    let digits = NonZeroU64::new(DIGITS).unwrap_or(NonZeroU64::MIN);
    value.with_precision_round(digits, RoundingMode::HalfEven).normalized()
}

/// Whether a code is UCUM (case-sensitive form).
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn check(code: &str) -> Result<(), String> {
    if code.len() > LONGEST {
        return Err(format!("a UCUM code of {} letters is too long", code.len()));
    }
    octofhir_ucum::validate(code).map_err(|error| error.to_string())
}

/// A unit in base units; `None` when the code is not UCUM, and for units whose scale is no straight line
/// (`[pH]`, `dB`) or too long (`10*-999999999`), which are equal only to themselves.
#[must_use]
pub fn canonical(code: &str) -> Option<Arc<Canonical>> {
    static KNOWN: LazyLock<Cache<String, Option<Arc<Canonical>>>> = LazyLock::new(|| Cache::new(REMEMBERED));
    if code.is_empty() || code.len() > LONGEST {
        return None;
    }
    if let Some(known) = KNOWN.get(code) {
        return known;
    }
    let found = read(code).map(Arc::new);
    KNOWN.insert(code.to_owned(), found.clone());
    found
}

fn read(code: &str) -> Option<Canonical> {
    let found = octofhir_ucum::get_canonical_units(code).ok()?;
    let decimal = |number: octofhir_ucum::Number| {
        let (digits, exponent) = number.to_integer_and_exponent();
        BigDecimal::new(digits.into(), -i64::from(exponent))
    };
    let factor = decimal(found.factor);
    let is_usable = |number: &BigDecimal| number.fractional_digit_count().abs() <= ZEROS;
    if !is_usable(&factor) {
        return None;
    }
    (!factor.is_zero()).then(|| Canonical { unit: found.unit, factor, offset: decimal(found.offset) })
}

/// A value in base units, with their code.
#[must_use]
pub fn to_base(value: &BigDecimal, code: &str) -> Option<(BigDecimal, Arc<Canonical>)> {
    let unit = canonical(code)?;
    Some((unit.of(value), unit))
}

/// A value in another unit; `None` when there is no conversion.
#[must_use]
pub fn convert(value: &BigDecimal, from: &str, to: &str) -> Option<BigDecimal> {
    if from == to {
        return Some(value.clone());
    }
    let (from, to) = (canonical(from)?, canonical(to)?);
    (from.unit == to.unit).then(|| to.back(&(value * &from.factor + &from.offset)))
}

/// Whether values of both units can be compared.
#[must_use]
pub fn comparable(left: &str, right: &str) -> bool {
    left == right || matches!((canonical(left), canonical(right)), (Some(left), Some(right)) if left.unit == right.unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn convert_text(value: &str, from: &str, to: &str) -> Option<String> {
        convert(&value.parse().unwrap(), from, to).map(|value| value.to_plain_string())
    }

    #[test]
    fn conversions_are_exact() {
        for (value, from, to, expected) in [
            ("5.4", "mg", "g", "0.0054"),
            ("0.1", "mg/dL", "mg/L", "1"),
            ("98.6", "[degF]", "Cel", "37"),
            ("37", "Cel", "[degF]", "98.6"),
            ("0", "Cel", "K", "273.15"),
            ("140", "mm[Hg]", "Pa", "18665.08"),
            ("72", "/min", "Hz", "1.2"),
            ("60", "/min", "/s", "1"),
            ("1", "[lb_av]", "kg", "0.45359237"),
            ("5", "10*3/uL", "10*9/L", "5"),
            ("7", "%", "1", "0.07"),
            ("2", "wk", "d", "14"),
            ("1", "mmol/L", "mol/m3", "1"),
            ("3", "mg{total}", "mg", "3"),
            ("1", "[IU]/mL", "k[IU]/L", "1"),
        ] {
            assert_eq!(convert_text(value, from, to).as_deref(), Some(expected), "{value} {from} in {to}");
        }
    }

    #[test]
    fn no_exponent_is_too_large() {
        for code in ["10*-999999999", "10*999999999", "10*99999", "m999999.kg", "km99999", "Ym9.Ym9.Ym9"] {
            let small = super::convert(&"2".parse().unwrap(), "m", code);
            assert!(small.is_none(), "{code}");
            assert!(!super::comparable(code, "1") || super::canonical(code).is_some());
        }
        assert_eq!(convert_text("2", "10*-6.m", "um").as_deref(), Some("2"));
    }

    #[test]
    fn what_measures_different_things_does_not_convert() {
        for (from, to) in [("mg", "mL"), ("[IU]", "mg"), ("[IU]/L", "[arb'U]/L"), ("mg", "no unit"), ("[pH]", "mol/L")]
        {
            assert_eq!(convert_text("1", from, to), None, "{from} {to}");
            assert!(!comparable(from, to));
        }
        assert!(comparable("[pH]", "[pH]") && comparable("[degF]", "K"));
    }

    #[test]
    fn codes_are_checked() {
        for code in ["mg", "mm[Hg]", "kg/m2", "10*6/uL", "{score}", "1", "Cel", "[pH]", "mg/(24.h)"] {
            assert_eq!(check(code), Ok(()), "{code}");
        }
        for code in ["", "mgs", "mmHg", "°C", "kg m", "mg/", "((", "患者"] {
            assert!(check(code).is_err(), "{code}");
        }
        assert!(check(&"m.".repeat(200)).is_err() && canonical(&"(".repeat(5000)).is_none());
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(code in "\\PC{0,20}", unit in "[mkgLds0-9*./()\\[\\]{}Hg%-]{0,16}") {
            for code in [code, unit] {
                let _ = (check(&code), canonical(&code));
            }
        }

        #[test]
        fn there_and_back_is_the_same(units in -1_000_000_i64..1_000_000, scale in 0_i64..6) {
            let value = BigDecimal::new(units.into(), scale);
            for (from, to) in [("mg", "kg"), ("Cel", "[degF]"), ("/min", "/s"), ("[in_i]", "cm"), ("mo", "d")] {
                let there = convert(&value, from, to).unwrap();
                let back = convert(&there, to, from).unwrap();
                let apart = (&back - &value).abs();
                prop_assert!(apart <= BigDecimal::new(1.into(), 10), "{value} {from} {there} {to} {back}");
            }
        }
    }
}
