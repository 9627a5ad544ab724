//! Dates and times of any precision (N1 "Date", "DateTime", "Time"): reading, comparing by the
//! components both sides have, adding calendar units, and the boundaries of what was not written.

use std::cmp::Ordering;
use std::fmt;

/// Places of the components in [`Stamp::parts`].
const HOUR: usize = 3;
const SECOND: usize = 5;
const MICROS: i64 = 1_000_000;
const DAY_MICROS: i64 = 86_400 * MICROS;
/// No two places on earth are further apart: from +14:00 to -12:00.
const WIDEST_OFFSET: i64 = 26 * 3600 * MICROS;

/// Which of the three types a stamp is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum StampKind {
    Date,
    DateTime,
    Time,
}

/// A date, date and time, or time of day with the precision it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Which type.
    pub kind: StampKind,
    /// Year, month, day, hour, minute, microseconds of the minute.
    parts: [i64; 6],
    /// How many of the parts, counted from the year, were written.
    depth: usize,
    fraction_digits: usize,
    offset_minutes: Option<i64>,
}

fn number(text: &str, digits: usize, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    let valid = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|value| valid && range.contains(value))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, years counted from March.
fn to_days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + shifted.div_euclid(146_097) * 400 + i64::from(month <= 2), month, day)
}

impl Stamp {
    /// Reads a date (`2015-02`).
    pub fn date(text: &str) -> Option<Self> {
        let mut stamp = Self {
            kind: StampKind::Date,
            parts: [1, 1, 1, 0, 0, 0],
            depth: 0,
            fraction_digits: 0,
            offset_minutes: None,
        };
        for (place, piece) in text.split('-').enumerate() {
            stamp.parts[place] = match place {
                0 => number(piece, 4, 1..=9999)?,
                1 => number(piece, 2, 1..=12)?,
                2 => number(piece, 2, 1..=days_in_month(stamp.parts[0], stamp.parts[1]))?,
                _ => return None,
            };
            stamp.depth = place + 1;
        }
        Some(stamp)
    }

    /// Reads a date and time (`2015T`, `2015-02-04T14:34:28.123+09:00`); a date alone is one too.
    pub fn date_time(text: &str) -> Option<Self> {
        let (date, clock) = text.split_once('T').unwrap_or((text, ""));
        let mut stamp = Self::date(date)?;
        stamp.kind = StampKind::DateTime;
        if clock.is_empty() {
            return Some(stamp);
        }
        let offset_at = clock.find(['Z', '+', '-']).unwrap_or(clock.len());
        let (clock, offset) = clock.split_at_checked(offset_at)?;
        if stamp.depth < HOUR {
            return None;
        }
        stamp.clock(clock)?;
        stamp.offset_minutes = match offset {
            "" => None,
            "Z" => Some(0),
            written => {
                let (hours, minutes) = written.get(1..)?.split_once(':')?;
                let minutes = number(hours, 2, 0..=14)? * 60 + number(minutes, 2, 0..=59)?;
                Some(if written.starts_with('-') { -minutes } else { minutes })
            }
        };
        Some(stamp)
    }

    /// Reads a time of day (`14:34`).
    pub fn time(text: &str) -> Option<Self> {
        let mut stamp = Self {
            kind: StampKind::Time,
            parts: [1970, 1, 1, 0, 0, 0],
            depth: 0,
            fraction_digits: 0,
            offset_minutes: None,
        };
        stamp.clock(text)?;
        Some(stamp)
    }

    fn clock(&mut self, text: &str) -> Option<()> {
        for (place, piece) in text.split(':').enumerate() {
            let value = match place {
                0 => number(piece, 2, 0..=23)?,
                1 => number(piece, 2, 0..=59)?,
                2 => {
                    let (seconds, fraction) = piece.split_once('.').unwrap_or((piece, ""));
                    let digits = fraction.get(..fraction.len().min(6))?;
                    let is_plain = fraction.bytes().all(|byte| byte.is_ascii_digit());
                    let is_empty = piece.len() > seconds.len() && fraction.is_empty();
                    if is_empty || !is_plain {
                        return None;
                    }
                    self.fraction_digits = digits.len();
                    number(seconds, 2, 0..=60)? * MICROS + format!("{digits:0<6}").parse::<i64>().ok()?
                }
                _ => return None,
            };
            self.parts[HOUR + place] = value;
            self.depth = HOUR + place + 1;
        }
        Some(())
    }

    /// The same point as another of the types; a time stays a time.
    #[must_use]
    pub fn as_kind(mut self, kind: StampKind) -> Self {
        if kind == StampKind::Date {
            self.depth = self.depth.min(HOUR);
            self.offset_minutes = None;
        }
        self.kind = kind;
        self
    }

    /// Microseconds since 1970, of local time.
    fn micros(&self) -> i64 {
        let [year, month, day, hour, minute, micros] = self.parts;
        to_days(year, month, day) * DAY_MICROS + (hour * 60 + minute) * 60 * MICROS + micros
    }

    fn set_micros(&mut self, micros: i64) -> Option<()> {
        let rest = micros.rem_euclid(DAY_MICROS);
        let minutes = rest / (60 * MICROS);
        let (year, month, day) = from_days(micros.div_euclid(DAY_MICROS));
        self.parts = [year, month, day, minutes / 60, minutes % 60, rest % (60 * MICROS)];
        (1..=9999).contains(&year).then_some(())
    }

    fn in_utc(&self) -> Option<Self> {
        let mut moved = *self;
        moved.set_micros(self.micros() - self.offset_minutes? * 60 * MICROS)?;
        Some(moved)
    }

    /// Component by component; `None` when the one with fewer components leaves it open (N1
    /// "Comparison"). Seconds and their fraction are one component.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        let (left, right) = match (self.offset_minutes, other.offset_minutes) {
            (Some(_), Some(_)) => (self.in_utc()?, other.in_utc()?),
            (None, None) => (*self, *other),
            _ if self.depth > HOUR && other.depth > HOUR => {
                let apart = self.in_utc().unwrap_or(*self).micros() - other.in_utc().unwrap_or(*other).micros();
                return (apart.abs() > WIDEST_OFFSET).then(|| apart.cmp(&0));
            }
            _ => (*self, *other),
        };
        for place in 0..left.depth.min(right.depth) {
            match left.parts[place].cmp(&right.parts[place]) {
                Ordering::Equal => {}
                unequal => return Some(unequal),
            }
        }
        (left.depth == right.depth).then_some(Ordering::Equal)
    }

    /// Adds a whole number of a calendar unit (`month`, not `months`); finer units than what was
    /// written count as whole units of it (N1 "Date/Time Arithmetic"). `None` beyond year 1 or 9999.
    #[must_use]
    pub fn plus(&self, amount: i64, unit: &str) -> Option<Self> {
        let mut moved = *self;
        let amount = Some(amount).filter(|amount| amount.abs() < 1_000_000_000_000)?;
        let whole = match unit {
            "year" => return moved.add_months(amount * 12).map(|()| moved),
            "month" => return moved.add_months(amount).map(|()| moved),
            "week" => 7 * DAY_MICROS,
            "day" => DAY_MICROS,
            "hour" => 3600 * MICROS,
            "minute" => 60 * MICROS,
            "second" => MICROS,
            _ => 1_000,
        };
        let change = amount.checked_mul(whole)?;
        match self.depth {
            1 => moved.add_months(change / (365 * DAY_MICROS) * 12)?,
            2 => moved.add_months(change / (30 * DAY_MICROS))?,
            3 => moved.set_micros(moved.micros().checked_add(change / DAY_MICROS * DAY_MICROS)?)?,
            _ => moved.set_micros(moved.micros().checked_add(change)?)?,
        }
        if self.kind == StampKind::Time {
            moved.parts[..HOUR].copy_from_slice(&self.parts[..HOUR]);
        }
        Some(moved)
    }

    fn add_months(&mut self, months: i64) -> Option<()> {
        let total = self.parts[0] * 12 + self.parts[1] - 1 + months;
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
        let day = self.parts[2].min(days_in_month(year, month));
        self.parts[..HOUR].copy_from_slice(&[year, month, day]);
        (1..=9999).contains(&year).then_some(())
    }

    /// Digits written: 4 for a year, 17 for milliseconds (N1 `precision()`).
    pub fn precision(&self) -> i64 {
        let digits = match self.depth {
            1 => 4,
            depth if depth <= SECOND => 2 + 2 * i64::try_from(depth).unwrap_or(0),
            _ if self.fraction_digits > 0 => 17,
            _ => 14,
        };
        if self.kind == StampKind::Time { digits - 8 } else { digits }
    }

    /// The first or last moment it may stand for, to so many digits (N1 `lowBoundary()`).
    #[must_use]
    pub fn boundary(&self, is_low: bool, digits: Option<i64>) -> Option<Self> {
        let mut out = *self;
        let digits = match (self.kind, digits) {
            (StampKind::Date, digits) => digits.unwrap_or(8),
            (StampKind::DateTime, digits) => digits.unwrap_or(17),
            (StampKind::Time, digits) => digits.unwrap_or(9).saturating_add(8),
        };
        let wanted = match digits {
            4 => 1,
            6 | 8 | 10 | 12 => usize::try_from(digits).ok()? / 2 - 1,
            14 | 17 => 6,
            _ => return None,
        };
        for place in self.depth..6 {
            out.parts[place] = match (is_low, place) {
                (true, 1 | 2) => 1,
                (true, _) => 0,
                (false, 1) => 12,
                (false, 2) => days_in_month(out.parts[0], out.parts[1]),
                (false, HOUR) => 23,
                (false, 4) => 59,
                (false, _) => 60 * MICROS - 1_000,
            };
        }
        if self.depth == 6 && self.fraction_digits == 0 && !is_low {
            out.parts[SECOND] += 999_000;
        }
        out.depth = wanted;
        out.fraction_digits = if digits == 17 { 3 } else { 0 };
        if self.kind == StampKind::DateTime && wanted > HOUR && out.offset_minutes.is_none() {
            out.offset_minutes = Some(if is_low { 14 * 60 } else { -12 * 60 });
        }
        if wanted <= HOUR {
            out.offset_minutes = None;
        }
        Some(out)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [year, month, day, hour, minute, micros] = self.parts;
        if self.kind != StampKind::Time {
            write!(out, "{year:04}")?;
            for (place, part) in [(1, month), (2, day)] {
                if self.depth > place {
                    write!(out, "-{part:02}")?;
                }
            }
        }
        for (place, part, mark) in [(HOUR, hour, "T"), (4, minute, ":"), (SECOND, micros / MICROS, ":")] {
            if self.depth > place {
                let mark = if place == HOUR && self.kind == StampKind::Time { "" } else { mark };
                write!(out, "{mark}{part:02}")?;
            }
        }
        if self.depth > SECOND && self.fraction_digits > 0 {
            let fraction = format!("{:06}", micros % MICROS);
            write!(out, ".{}", fraction.get(..self.fraction_digits).unwrap_or(&fraction))?;
        }
        match self.offset_minutes {
            None => Ok(()),
            Some(0) => out.write_str("Z"),
            Some(minutes) => {
                let sign = if minutes < 0 { '-' } else { '+' };
                write!(out, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_printed_as_written() {
        for text in ["2015", "2015-02", "2015-02-04", "2015-02-04T14", "2015-02-04T14:34:28.123+09:00"] {
            assert_eq!(Stamp::date_time(text).unwrap().to_string(), text);
        }
        assert_eq!(Stamp::time("14:30").unwrap().to_string(), "14:30");
        for text in ["", "2015-13", "2015-02-30", "2015-02-04T25", "2015T10", "2015-02-04T14:34:28.", "2015-02-04Tx"] {
            assert!(Stamp::date_time(text).is_none(), "{text}");
        }
    }

    #[test]
    fn months_end_at_their_last_day() {
        let plus = |text: &str, amount, unit| Stamp::date(text).unwrap().plus(amount, unit).unwrap().to_string();
        assert_eq!(plus("2024-01-31", 1, "month"), "2024-02-29");
        assert_eq!(plus("2024-02-29", -1, "year"), "2023-02-28");
        assert_eq!(plus("2024-12-31", 1, "day"), "2025-01-01");
        assert!(Stamp::date("9999").unwrap().plus(1, "year").is_none());
    }
}
