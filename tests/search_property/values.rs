//! Values as R4 reads them: times as spans, decimals as numbers, text folded, codes with systems.
//! Written for this test from search.html and datatypes.html; shares no code with the server.

use std::str::FromStr;

use bigdecimal::BigDecimal;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use crate::parameters::{Form, Path};

/// The zone of times that name none: the server's default, UTC+9.
const ZONE_SECONDS: i64 = 9 * 3600;
const SECOND: i64 = 1_000_000;

/// From the first to the last µs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

/// `2024`, `2024-05`, `2024-05-31`, `2024-05-31T09:30`, with seconds, fractions and a zone.
pub(crate) fn span(text: &str) -> Span {
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let parts: Vec<i64> = date.split('-').map(|part| part.parse().unwrap()).collect();
    let Some(time) = time else {
        let (first, next) = match parts.as_slice() {
            [year] => (days(*year, 1, 1), days(*year + 1, 1, 1)),
            [year, 12] => (days(*year, 12, 1), days(*year + 1, 1, 1)),
            [year, month] => (days(*year, *month, 1), days(*year, *month + 1, 1)),
            [year, month, day] => (days(*year, *month, *day), days(*year, *month, *day) + 1),
            _ => panic!("{text} is no date"),
        };
        let micros = |day: i64| (day * 86_400 - ZONE_SECONDS) * SECOND;
        return Span { low: micros(first), high: micros(next) - 1 };
    };
    let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone_at);
    let offset = match zone {
        "" => ZONE_SECONDS,
        "Z" => 0,
        zone => {
            let (hours, minutes) = zone[1..].split_once(':').unwrap();
            let seconds = hours.parse::<i64>().unwrap() * 3600 + minutes.parse::<i64>().unwrap() * 60;
            if zone.starts_with('-') { -seconds } else { seconds }
        }
    };
    let (clock, fraction) = clock.split_once('.').map_or((clock, ""), |(clock, fraction)| (clock, fraction));
    let numbers: Vec<i64> = clock.split(':').map(|part| part.parse().unwrap()).collect();
    let seconds = numbers[0] * 3600 + numbers[1] * 60 + numbers.get(2).copied().unwrap_or(0);
    let micros: i64 = format!("{fraction:0<6}")[..6].parse().unwrap();
    let low = (days(parts[0], parts[1], parts[2]) * 86_400 + seconds - offset) * SECOND + micros;
    let length = match (numbers.len(), fraction.len()) {
        (2, _) => 60 * SECOND,
        (_, 0) => SECOND,
        (_, digits) => 10_i64.pow(6 - u32::try_from(digits.min(6)).unwrap()),
    };
    Span { low, high: low + length - 1 }
}

/// Days since 1970-01-01 in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let years: i64 = if year >= 1970 {
        (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum()
    } else {
        -(year..1970).map(|year| if leap(year) { 366 } else { 365 }).sum::<i64>()
    };
    years + lengths.iter().take(usize::try_from(month - 1).unwrap()).sum::<i64>() + day - 1
}

/// FHIR R4 search.html#date: a value stands for a span; a Period may be open, a Timing counts from
/// its outer limits.
pub(crate) fn moment(value: &Value, form: Form) -> Option<Span> {
    match form {
        Form::Moment => value.as_str().map(span),
        Form::Period => {
            let end = |name: &str| value[name].as_str().map(span);
            let (start, end) = (end("start"), end("end"));
            if start.is_none() && end.is_none() {
                return None;
            }
            Some(Span { low: start.map_or(i64::MIN, |span| span.low), high: end.map_or(i64::MAX, |span| span.high) })
        }
        Form::Timing => {
            let events = value["event"].as_array().into_iter().flatten().filter_map(Value::as_str).map(span);
            let bounds = moment(&value["repeat"]["boundsPeriod"], Form::Period);
            events
                .chain(bounds)
                .reduce(|one, other| Span { low: one.low.min(other.low), high: one.high.max(other.high) })
        }
        _ => None,
    }
}

/// A number or a range of them; an open end is `None`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Amount {
    pub(crate) low: Option<BigDecimal>,
    pub(crate) high: Option<BigDecimal>,
    /// Whether the ends themselves are not meant: `<5`, `>5`.
    pub(crate) is_open: bool,
    pub(crate) system: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) unit: Option<String>,
}

/// Units of one kind with what one of each is in the smallest, for conversions by UCUM.
const MASSES: [(&str, i64); 3] = [("mg", 1), ("g", 1_000), ("kg", 1_000_000)];

/// How many `to` one `from` is, for two units of one kind.
pub(crate) fn factor(from: &str, to: &str) -> Option<BigDecimal> {
    let of = |unit: &str| MASSES.iter().find(|(name, _)| *name == unit).map(|(_, size)| BigDecimal::from(*size));
    Some(of(from)? / of(to)?)
}

pub(crate) fn decimal(value: &Value) -> Option<BigDecimal> {
    value.as_number().map(|number| BigDecimal::from_str(&number.to_string()).unwrap())
}

pub(crate) fn amount(value: &Value, form: Form) -> Option<Amount> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match form {
        Form::Decimal => decimal(value).map(|number| Amount {
            low: Some(number.clone()),
            high: Some(number),
            is_open: false,
            system: None,
            code: None,
            unit: None,
        }),
        Form::Quantity => {
            let number = decimal(&value["value"])?;
            // FHIR R4 search.html#quantity: a comparator opens the value on one side.
            let (low, high) = match value["comparator"].as_str() {
                Some("<" | "<=") => (None, Some(number)),
                Some(_) => (Some(number), None),
                None => (Some(number.clone()), Some(number)),
            };
            Some(Amount {
                low,
                high,
                is_open: matches!(value["comparator"].as_str(), Some("<" | ">")),
                system: text(&value["system"]),
                code: text(&value["code"]),
                unit: text(&value["unit"]),
            })
        }
        Form::Range => {
            let (low, high) = (decimal(&value["low"]["value"]), decimal(&value["high"]["value"]));
            let of = if value["low"].is_object() { &value["low"] } else { &value["high"] };
            (low.is_some() || high.is_some()).then(|| Amount {
                low,
                high,
                is_open: false,
                system: text(&of["system"]),
                code: text(&of["code"]),
                unit: text(&of["unit"]),
            })
        }
        _ => None,
    }
}

/// A code with its system.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) code: String,
    /// `None` for what has no system by its form: codes, booleans, telephone numbers.
    pub(crate) system: Option<String>,
    /// Identifiers are compared as written.
    pub(crate) cased: bool,
}

/// FHIR R4 search.html#token, the table of datatypes.
pub(crate) fn tokens(value: &Value, form: Form) -> Vec<Token> {
    let coding = |value: &Value, cased: bool, name: &str| {
        let code = value[name].as_str()?.to_owned();
        Some(Token { code, system: Some(value["system"].as_str().unwrap_or_default().to_owned()), cased })
    };
    let plain = |code: String| vec![Token { code, system: None, cased: false }];
    match form {
        Form::Code => value.as_str().map(|code| plain(code.to_owned())).unwrap_or_default(),
        Form::Boolean => value.as_bool().map(|value| plain(value.to_string())).unwrap_or_default(),
        Form::Died => {
            let dead = value["deceasedDateTime"].is_string() || value["deceasedBoolean"] == true;
            plain(dead.to_string())
        }
        Form::Concept => {
            value["coding"].as_array().into_iter().flatten().filter_map(|value| coding(value, false, "code")).collect()
        }
        Form::Coding => coding(value, false, "code").into_iter().collect(),
        Form::Identifier => coding(value, true, "value").into_iter().collect(),
        Form::Contact => value["value"].as_str().map(|value| plain(contact(value))).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// The texts that go with a code: "the text value associated with the code", the text and displays of a
/// concept, those of the type of an identifier.
pub(crate) fn token_texts(value: &Value, form: Form) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match form {
        Form::Coding => text(&value["display"]).into_iter().collect(),
        Form::Concept => {
            let displays = each(&value["coding"]).filter_map(|coding| text(&coding["display"]));
            text(&value["text"]).into_iter().chain(displays).collect()
        }
        Form::Identifier => token_texts(&value["type"], Form::Concept),
        _ => Vec::new(),
    }
}

/// Telephone numbers without punctuation, anything else as it is.
pub(crate) fn contact(text: &str) -> String {
    if text.chars().all(|letter| letter.is_ascii_digit() || "+-() ".contains(letter)) {
        return text.chars().filter(|letter| letter.is_ascii_digit() || *letter == '+').collect();
    }
    text.to_owned()
}

/// The strings of a value as written. "May match any of the string fields", and what people type as
/// a whole: family and given name, a Japanese address from its largest part.
pub(crate) fn texts(value: &Value, form: Form) -> Vec<(String, bool)> {
    let written = |names: &[&str]| -> Vec<(String, bool)> {
        let values = names.iter().flat_map(|name| each(&value[*name]));
        values.filter_map(Value::as_str).map(|text| (text.to_owned(), true)).collect()
    };
    match form {
        Form::Plain => value.as_str().map(|text| vec![(text.to_owned(), true)]).unwrap_or_default(),
        Form::ConceptText => value["text"].as_str().map(|text| vec![(text.to_owned(), true)]).unwrap_or_default(),
        Form::Name => {
            let mut all = written(&["text", "family", "given", "prefix", "suffix"]);
            let given: Vec<&str> = each(&value["given"]).filter_map(Value::as_str).collect();
            if let (Some(family), false) = (value["family"].as_str(), given.is_empty()) {
                let given = given.join(" ");
                all.push((format!("{family} {given}"), false));
                all.push((format!("{family}{given}"), false));
            }
            all
        }
        Form::Address => {
            let mut all = written(&["text", "line", "city", "district", "state", "country", "postalCode"]);
            let whole: String =
                written(&["state", "district", "city", "line"]).into_iter().map(|(text, _)| text).collect();
            if whole.chars().any(|letter| matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}')) {
                all.push((whole, false));
            }
            all
        }
        _ => Vec::new(),
    }
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    let list = value.as_array();
    list.into_iter().flatten().chain(list.is_none().then_some(value))
}

/// FHIR R4 search.html#string: without case and accents; Japanese text also without width, kind of
/// kana, voicing marks, variants of characters, and spaces (README, "Japanese text").
pub(crate) fn fold(text: &str) -> String {
    let letters: String = text
        .nfkd()
        .flat_map(char::to_lowercase)
        .filter(|letter| !matches!(letter, '\u{300}'..='\u{36f}' | '\u{3099}' | '\u{309a}'))
        .map(|letter| match letter {
            'ぁ'..='ゖ' => char::from_u32(u32::from(letter) + 0x60).unwrap(),
            '髙' => '高',
            '﨑' => '崎',
            '邊' => '辺',
            '斎' | '齋' => '斉',
            '・' => ' ',
            letter => letter,
        })
        .collect();
    let japanese = |word: &str| word.chars().next().is_some_and(|letter| !letter.is_ascii());
    let mut out = String::new();
    for word in letters.split_whitespace() {
        if !out.is_empty() && out.ends_with(|letter: char| letter.is_ascii()) && !japanese(word) {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// The values at a path, lists flattened.
pub(crate) fn at<'v>(value: &'v Value, path: &str) -> Vec<&'v Value> {
    let (filter, path) = path.split_once(':').map_or((None, path), |(filter, path)| (Some(filter), path));
    let mut found = vec![value];
    for name in path.split('.').filter(|name| !name.is_empty()) {
        found = found.into_iter().flat_map(|value| each(&value[name])).filter(|value| !value.is_null()).collect();
    }
    if let Some((name, wanted)) = filter.and_then(|filter| filter.split_once('=')) {
        found.retain(|value| value[name] == wanted);
    }
    found
}

/// The values at several paths with their forms.
pub(crate) fn all<'v>(value: &'v Value, paths: &[Path]) -> Vec<(&'v Value, Form)> {
    paths.iter().flat_map(|(path, form)| at(value, path).into_iter().map(|value| (value, *form))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spans_in_the_default_zone() {
        assert_eq!(span("1970-01-01T09:00:00+09:00"), Span { low: 0, high: 999_999 });
        assert_eq!(span("1970-01-01").low, -9 * 3600 * SECOND);
        assert_eq!(span("2024-02").high + 1, span("2024-03").low);
        assert_eq!(span("2024-12").high + 1, span("2025").low);
        assert_eq!(span("1969-12-31T23:59Z"), Span { low: -60 * SECOND, high: -1 });
    }

    #[test]
    fn folding() {
        assert_eq!(fold("ﾔﾏﾀﾞ　はなこ"), "ヤマタハナコ");
        assert_eq!(fold("Ève  van Dijk"), "eve van dijk");
    }
}
