//! Values with units, as people write them.

use std::str::FromStr;

use serde::Deserialize;

/// A number of bytes: `50MiB`, `64 kB`, `1024`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct Size(pub(super) u64);

/// A length of time: `30s`, `500ms`, `2min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct Duration(pub(super) std::time::Duration);

/// Seconds east of UTC: `+09:00`, `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct TimeZone(pub(super) i32);

/// As it may stand in the file.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a number or a text such as \"50MiB\" or \"30s\"")]
enum Written {
    Number(u64),
    Text(String),
}

impl Written {
    fn text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

fn number_and_unit(text: &str) -> Option<(u64, String)> {
    let text = text.trim();
    let end = text.find(|symbol: char| !symbol.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim().to_ascii_lowercase()))
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let factor = |unit: &str| {
            Some(match unit {
                "" | "b" => 1,
                "k" | "kib" => 1 << 10,
                "m" | "mib" => 1 << 20,
                "g" | "gib" => 1 << 30,
                "kb" => 1_000,
                "mb" => 1_000_000,
                "gb" => 1_000_000_000,
                _ => return None,
            })
        };
        number_and_unit(text)
            .and_then(|(number, unit)| number.checked_mul(factor(&unit)?))
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a size; sizes look like 50MiB, 512kB or 1048576"))
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let milliseconds = |unit: &str| {
            Some(match unit {
                "ms" => 1,
                "" | "s" => 1_000,
                "m" | "min" => 60_000,
                "h" => 3_600_000,
                _ => return None,
            })
        };
        number_and_unit(text)
            .and_then(|(number, unit)| number.checked_mul(milliseconds(&unit)?))
            .filter(|length| *length > 0)
            .map(|length| Self(std::time::Duration::from_millis(length)))
            .ok_or_else(|| format!("{text:?} is not a length of time; they look like 30s, 500ms or 2min"))
    }
}

impl FromStr for TimeZone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = || {
            if matches!(text, "Z" | "z" | "UTC") {
                return Some(0);
            }
            let (sign, rest) = match text.strip_prefix('-') {
                Some(rest) => (-1, rest),
                None => (1, text.strip_prefix('+')?),
            };
            let (hours, minutes) = rest.split_once(':')?;
            let two = |digits: &str| (digits.len() == 2).then(|| digits.parse::<u8>().ok()).flatten().map(i32::from);
            let (hours, minutes) = (two(hours)?, two(minutes)?);
            (hours <= 14 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
        };
        seconds().map(Self).ok_or_else(|| format!("{text:?} is not a time zone; they look like +09:00 or Z"))
    }
}

impl TryFrom<Written> for Size {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        written.text().parse()
    }
}

impl TryFrom<Written> for Duration {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        written.text().parse()
    }
}

impl TryFrom<String> for TimeZone {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_as_people_write_them() {
        assert_eq!("50MiB".parse(), Ok(Size(50 << 20)));
        assert_eq!("64 kB".parse(), Ok(Size(64_000)));
        assert_eq!("0".parse(), Ok(Size(0)));
        assert!(
            "-1".parse::<Size>().is_err()
                && "50MeB".parse::<Size>().is_err()
                && "99999999999GiB".parse::<Size>().is_err()
        );
        assert_eq!("500ms".parse(), Ok(Duration(std::time::Duration::from_millis(500))));
        assert!("0s".parse::<Duration>().is_err());
        assert_eq!("-03:30".parse(), Ok(TimeZone(-12_600)));
        assert_eq!("+09:00".parse(), Ok(TimeZone(32_400)));
        assert!("09:00".parse::<TimeZone>().is_err() && "+9:00".parse::<TimeZone>().is_err());
    }
}
