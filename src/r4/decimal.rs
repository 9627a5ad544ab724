//! FHIR decimals as text: their order, and the range a search value stands for.
//!
//! A decimal keeps the digits it was written with (`1.50` is not `1.5` when shown), but it is
//! compared by value. [`sortable`] turns the text into bytes whose `memcmp` order is the numeric
//! order, so that a plain index column of the database serves `gt`, `lt` and equality without
//! rounding through `f64`.
//!
//! Layout: one sign byte (`7f` negative, `80` zero, `81` positive), the decimal exponent as two
//! bytes, then two digits a byte (plus one). Negative values are complemented and end in `ff`, so
//! that a longer number sorts before its prefix.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};

use crate::format::json::is_json_number;

/// Most digits of a number that can be indexed.
pub const MAX_DIGITS: usize = 200;
/// Largest exponent, in either direction, of a number that can be indexed.
pub const MAX_EXPONENT: i32 = 9999;

const NEGATIVE: u8 = 0x7f;
const ZERO: u8 = 0x80;
const POSITIVE: u8 = 0x81;

/// Bytes whose order is the order of the numbers; equal for equal values (`1.0` and `1.00`).
///
/// `None` when `text` is not a JSON number, has more than [`MAX_DIGITS`] digits or an exponent
/// beyond [`MAX_EXPONENT`].
#[must_use]
pub fn sortable(text: &str) -> Option<Vec<u8>> {
    let (negative, digits, exponent) = split(text)?;
    Some(encode(negative, &digits, exponent))
}

/// The implicit range `[low, high)` of a number by its precision, and its exact value, all
/// [`sortable`]: `100` is 99.5 to 100.5, `1e2` is 95 to 105, `5.40` is 5.395 to 5.405
/// (FHIR R4 search.html#number). The answer is `(low, high, exact)`.
#[must_use]
pub fn precision_range(text: &str) -> Option<(Vec<u8>, Vec<u8>, Vec<u8>)> {
    let (low, high) = precision_bounds(text)?;
    Some((encode_decimal(&low), encode_decimal(&high), sortable(text)?))
}

/// The ends of [`precision_range`] as numbers.
///
/// With an exponent and no fraction one place more counts: R4 gives `1e2` as "[95 ... 105)". Later releases say 50
/// to 150, which is what the digits alone would mean.
#[must_use]
pub fn precision_bounds(text: &str) -> Option<(BigDecimal, BigDecimal)> {
    let (mut units, mut scale) = parse(text)?.into_bigint_and_exponent();
    if text.contains(['e', 'E']) && !text.contains('.') {
        (units, scale) = (units * 10, scale + 1);
    }
    let tenths = units * 10;
    Some((BigDecimal::new(&tenths - 5, scale + 1), BigDecimal::new(tenths + 5, scale + 1)))
}

/// The range of `ap`: the value less and plus 10 % (FHIR R4 search.html#prefix), both ends
/// inclusive and [`sortable`].
#[must_use]
pub fn approximate_range(text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (low, high) = approximate_bounds(text)?;
    Some((encode_decimal(&low), encode_decimal(&high)))
}

/// The ends of [`approximate_range`] as numbers.
#[must_use]
pub fn approximate_bounds(text: &str) -> Option<(BigDecimal, BigDecimal)> {
    let (units, scale) = parse(text)?.into_bigint_and_exponent();
    let (nearer, farther) = (BigDecimal::new(&units * 9, scale + 1), BigDecimal::new(units * 11, scale + 1));
    Some(if nearer <= farther { (nearer, farther) } else { (farther, nearer) })
}

/// What sorts right before a [`sortable`] number, and after every smaller one: the end of an open range.
#[must_use]
pub fn just_below(number: &[u8]) -> Vec<u8> {
    let mut bytes = number.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last = last.saturating_sub(1);
    }
    bytes.push(0xff);
    bytes
}

/// What sorts right after a [`sortable`] number, and before every larger one.
#[must_use]
pub fn just_above(number: &[u8]) -> Vec<u8> {
    let mut bytes = number.to_vec();
    bytes.push(0);
    bytes
}

/// The number itself, for arithmetic; `None` as in [`sortable`].
#[must_use]
pub fn parse(text: &str) -> Option<BigDecimal> {
    split(text)?;
    text.parse().ok()
}

/// [`sortable`] for a number that was computed.
#[must_use]
pub fn encode_decimal(value: &BigDecimal) -> Vec<u8> {
    let (units, scale): (BigInt, i64) = value.as_bigint_and_exponent();
    let (sign, magnitude) = units.into_parts();
    let digits = magnitude.to_radix_be(10);
    // A scale beyond i32 cannot come from a number that `parse` accepted.
    let exponent = i32::try_from(-scale).unwrap_or(if scale > 0 { -MAX_EXPONENT } else { MAX_EXPONENT });
    encode(sign == Sign::Minus, &digits, exponent)
}

/// Sign, digits (0–9, as values) and the exponent of the last digit.
fn split(text: &str) -> Option<(bool, Vec<u8>, i32)> {
    if !is_json_number(text) {
        return None;
    }
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    if mantissa.len() > MAX_DIGITS + 1 || !(-MAX_EXPONENT..=MAX_EXPONENT).contains(&exponent) {
        return None;
    }
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
    if digits.len() > MAX_DIGITS {
        return None;
    }
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    Some((negative, digits, exponent - i32::try_from(fraction).ok()?))
}

fn encode(negative: bool, digits: &[u8], last_exponent: i32) -> Vec<u8> {
    let Some(first) = digits.iter().position(|digit| *digit != 0) else { return vec![ZERO] };
    let significant = digits.get(first..).unwrap_or_default();
    // The value is 0.d1d2d3… × 10^exponent; it does not depend on zeros at the end.
    let exponent = last_exponent.saturating_add(i32::try_from(significant.len()).unwrap_or(i32::MAX));
    let end = significant.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1);
    let significant = significant.get(..end).unwrap_or_default();
    let biased = u16::try_from(exponent.clamp(-32_768, 32_767) + 32_768).unwrap_or(u16::MAX);
    let mut out = Vec::with_capacity(significant.len() / 2 + 5);
    out.push(POSITIVE);
    out.extend_from_slice(&biased.to_be_bytes());
    for pair in significant.chunks(2) {
        let tens = pair.first().copied().unwrap_or(0);
        let ones = pair.get(1).copied().unwrap_or(0);
        out.push(tens * 10 + ones + 1);
    }
    if negative {
        for byte in &mut out {
            *byte = !*byte;
        }
        if let Some(sign) = out.first_mut() {
            *sign = NEGATIVE;
        }
        out.push(0xff);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_values_have_equal_bytes_whatever_their_digits() {
        for (left, right) in [("1.0", "1.00"), ("100", "1e2"), ("0", "-0.000"), ("0e5", "0"), ("0.010", "1E-2")] {
            assert_eq!(sortable(left), sortable(right), "{left} {right}");
        }
    }

    #[test]
    fn refuses_what_is_no_number_or_too_long() {
        let long = "1".repeat(201);
        for text in ["", "+1", "1.", ".5", "01", "1e10000", "1e-10000", "1e99999999999", "NaN", long.as_str()] {
            assert_eq!(sortable(text), None, "{text}");
            assert_eq!(precision_range(text), None, "{text}");
        }
        assert!(sortable(&"1".repeat(200)).is_some() && sortable("1e9999").is_some() && sortable("-1e-9999").is_some());
    }

    /// FHIR R4 search.html#number.
    #[test]
    fn the_implicit_range_follows_the_digits_given() {
        for (text, low, high) in [
            ("100", "99.5", "100.5"),
            ("1e2", "95", "105"),
            ("1.0e2", "95", "105"),
            ("5.40", "5.395", "5.405"),
            ("-5", "-5.5", "-4.5"),
            ("0", "-0.5", "0.5"),
        ] {
            let expected = (sortable(low).unwrap(), sortable(high).unwrap(), sortable(text).unwrap());
            assert_eq!(precision_range(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn approximately_is_ten_percent_either_way() {
        for (text, low, high) in [("100", "90", "110"), ("-100", "-110", "-90"), ("0.50", "0.45", "0.55")] {
            assert_eq!(approximate_range(text).unwrap(), (sortable(low).unwrap(), sortable(high).unwrap()));
        }
    }

    fn number() -> impl Strategy<Value = String> {
        prop_oneof!["-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", "-?[0-9](\\.[0-9]{1,2})?"]
    }

    proptest! {
        #[test]
        fn byte_order_is_numeric_order(left in number(), right in number()) {
            let values: (BigDecimal, BigDecimal) = (left.parse().unwrap(), right.parse().unwrap());
            prop_assert_eq!(sortable(&left).unwrap().cmp(&sortable(&right).unwrap()), values.0.cmp(&values.1));
        }

        #[test]
        fn nothing_lies_between_a_number_and_its_neighbours(left in number(), right in number()) {
            let (left, right) = (sortable(&left).unwrap(), sortable(&right).unwrap());
            prop_assert!(just_below(&left) < left && left < just_above(&left));
            prop_assert_eq!(right < left, right < just_below(&left));
            prop_assert_eq!(right > left, right > just_above(&left));
        }

        #[test]
        fn a_value_lies_in_its_own_ranges(text in number()) {
            let (low, high, exact) = precision_range(&text).unwrap();
            prop_assert!(low <= exact && exact < high);
            let (low, high) = approximate_range(&text).unwrap();
            prop_assert!(low <= exact && exact <= high);
            prop_assert_eq!(encode_decimal(&text.parse().unwrap()), exact);
        }
    }
}
