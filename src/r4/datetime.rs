//! Dates and times with the precision they were written with, and the span of time they stand for.
//!
//! Lexical rules: FHIR R4 datatypes.html#date and its neighbours; matching by span: search.html#date.
//! The calendar is the proleptic Gregorian one, in plain integer arithmetic: no time zone database
//! is needed, because FHIR writes offsets and a value without one gets a configured offset.

use std::fmt::Write as _;

/// Seconds that Japan Standard Time is ahead of UTC.
pub const JST_SECONDS: i32 = 9 * 3600;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// How exactly a moment was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// `2026`
    Year,
    /// `2026-11`
    Month,
    /// `2026-11-23`
    Day,
    /// `2026-11-23T00:05`: search values only.
    Minute,
    /// `2026-11-23T00:05:49`
    Second,
    /// `2026-11-23T00:05:49.123`: with this many digits.
    Fraction(u8),
}

/// A date or date and time as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// 1 to 9999.
    pub year: u16,
    /// 1 to 12; 1 where not written.
    pub month: u8,
    /// 1 to 31; 1 where not written.
    pub day: u8,
    /// The time of day; midnight where not written.
    pub time: TimeOfDay,
    /// Seconds ahead of UTC, where written (`Z` is 0).
    pub offset: Option<i32>,
    /// What was written.
    pub precision: Precision,
}

/// A time of day as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeOfDay {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60: leap seconds are allowed.
    pub second: u8,
    /// The fraction of the second in microseconds; further digits are cut off.
    pub micros: u32,
    /// Digits of the fraction as written; `None` where no second was written.
    pub fraction_digits: Option<u8>,
}

/// A stretch of time, both ends inclusive, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first microsecond.
    pub low: i64,
    /// The last microsecond.
    pub high: i64,
}

/// Reads bytes from the left; every step answers `None` when the text is something else.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == byte).then(|| self.0 = rest)
    }

    fn digits(&mut self, count: usize) -> Option<u16> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let mut value = 0u16;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            value = value * 10 + u16::from(digit - b'0');
        }
        self.0 = rest;
        Some(value)
    }

    fn two(&mut self, range: std::ops::RangeInclusive<u16>) -> Option<u8> {
        let value = self.digits(2)?;
        range.contains(&value).then_some(value)?;
        u8::try_from(value).ok()
    }

    fn time(&mut self, seconds_required: bool) -> Option<TimeOfDay> {
        let hour = self.two(0..=23)?;
        self.take(b':')?;
        let minute = self.two(0..=59)?;
        let mut time = TimeOfDay { hour, minute, ..TimeOfDay::default() };
        if self.take(b':').is_none() {
            return (!seconds_required).then_some(time);
        }
        time.second = self.two(0..=60)?;
        let mut digits = 0u8;
        if self.take(b'.').is_some() {
            let mut weight = 100_000;
            while let Some((digit, rest)) = self.0.split_first()
                && digit.is_ascii_digit()
            {
                time.micros += u32::from(digit - b'0') * weight;
                weight /= 10;
                digits = digits.saturating_add(1);
                self.0 = rest;
            }
            if digits == 0 {
                return None;
            }
        }
        time.fraction_digits = Some(digits);
        Some(time)
    }

    /// `Z` or `±hh:mm`, at most 14:00.
    fn offset(&mut self) -> Option<i32> {
        if self.take(b'Z').is_some() {
            return Some(0);
        }
        let sign = if self.take(b'-').is_some() {
            -1
        } else {
            self.take(b'+')?;
            1
        };
        let hours = i32::from(self.two(0..=14)?);
        self.take(b':')?;
        let minutes = i32::from(self.two(0..=59)?);
        let seconds = hours * 3600 + minutes * 60;
        (seconds <= 14 * 3600).then_some(sign * seconds)
    }

    fn moment(&mut self, seconds_required: bool) -> Option<Moment> {
        let year = self.digits(4)?;
        if year == 0 {
            return None;
        }
        let mut moment =
            Moment { year, month: 1, day: 1, time: TimeOfDay::default(), offset: None, precision: Precision::Year };
        if self.take(b'-').is_none() {
            return self.0.is_empty().then_some(moment);
        }
        moment.month = self.two(1..=12)?;
        moment.precision = Precision::Month;
        if self.take(b'-').is_none() {
            return self.0.is_empty().then_some(moment);
        }
        moment.day = self.two(1..=u16::from(days_in_month(year, moment.month)))?;
        moment.precision = Precision::Day;
        if self.take(b'T').is_none() {
            return self.0.is_empty().then_some(moment);
        }
        moment.time = self.time(seconds_required)?;
        moment.precision = match moment.time.fraction_digits {
            None => Precision::Minute,
            Some(0) => Precision::Second,
            Some(digits) => Precision::Fraction(digits),
        };
        if !self.0.is_empty() {
            moment.offset = Some(self.offset()?);
        }
        self.0.is_empty().then_some(moment)
    }
}

impl Moment {
    /// Reads a `date`, `dateTime` or `instant`; also what searches may write: hours and minutes
    /// without seconds, a time without an offset. `None` for anything else, 30 February included.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Cursor(text.as_bytes()).moment(false)
    }

    /// The time it covers; `default_offset_seconds` is for values that state no offset. A leap
    /// second counts as the second before it, so that it stays on its day.
    #[must_use]
    pub fn span(&self, default_offset_seconds: i32) -> Span {
        let offset = i64::from(self.offset.unwrap_or(default_offset_seconds));
        let day = days_from_civil(i64::from(self.year), self.month, self.day);
        let seconds =
            i64::from(self.time.hour) * 3600 + i64::from(self.time.minute) * 60 + i64::from(self.time.second.min(59));
        let low = (day * SECONDS_PER_DAY + seconds - offset) * MICROS_PER_SECOND + i64::from(self.time.micros);
        let days = |count: i64| count * SECONDS_PER_DAY * MICROS_PER_SECOND;
        let length = match self.precision {
            Precision::Year => days(if is_leap(self.year) { 366 } else { 365 }),
            Precision::Month => days(i64::from(days_in_month(self.year, self.month))),
            Precision::Day => days(1),
            Precision::Minute => 60 * MICROS_PER_SECOND,
            Precision::Second => MICROS_PER_SECOND,
            Precision::Fraction(digits) => 10_i64.pow(6 - u32::from(digits.min(6))),
        };
        Span { low, high: low + length - 1 }
    }
}

/// The time a date, dateTime or instant covers; see [`Moment::parse`] and [`Moment::span`].
#[must_use]
pub fn span(text: &str, default_offset_seconds: i32) -> Option<Span> {
    Moment::parse(text).map(|moment| moment.span(default_offset_seconds))
}

/// Whether `text` is a FHIR `date`: `2026`, `2026-11` or `2026-11-23`.
#[must_use]
pub fn is_date(text: &str) -> bool {
    Moment::parse(text).is_some_and(|moment| moment.precision <= Precision::Day)
}

/// Whether `text` is a FHIR `dateTime`: a date, or date and time with seconds and offset.
#[must_use]
pub fn is_date_time(text: &str) -> bool {
    Cursor(text.as_bytes())
        .moment(true)
        .is_some_and(|moment| moment.precision <= Precision::Day || moment.offset.is_some())
}

/// Whether `text` is a FHIR `instant`: date, time to the second at least, and offset.
#[must_use]
pub fn is_instant(text: &str) -> bool {
    Cursor(text.as_bytes()).moment(true).is_some_and(|moment| moment.offset.is_some())
}

/// Reads a FHIR `time`: `hh:mm:ss` with an optional fraction, without an offset.
#[must_use]
pub fn parse_time(text: &str) -> Option<TimeOfDay> {
    let mut cursor = Cursor(text.as_bytes());
    let time = cursor.time(true)?;
    cursor.0.is_empty().then_some(time)
}

/// An instant in milliseconds UTC, always 24 bytes: `2026-11-23T00:05:49.123Z`.
#[must_use]
pub fn format_instant(micros: i64) -> String {
    let (year, month, day, millis) = civil(micros);
    let seconds = millis / 1000;
    let mut out = String::with_capacity(24);
    // Writing to a String does not fail.
    let _ = write!(
        out,
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        millis % 1000
    );
    out
}

/// Appends what [`format_instant`] answers, without allocating.
pub fn write_instant(micros: i64, out: &mut Vec<u8>) {
    let (year, month, day, millis) = civil(micros);
    let seconds = millis / 1000;
    let mut number = |value: i64, width: u32, after: u8| {
        for place in (0..width).rev() {
            let digit = value / 10_i64.pow(place) % 10;
            out.push(b'0' + u8::try_from(digit).unwrap_or(0));
        }
        out.push(after);
    };
    number(year, 4, b'-');
    number(i64::from(month), 2, b'-');
    number(i64::from(day), 2, b'T');
    number(seconds / 3600, 2, b':');
    number(seconds / 60 % 60, 2, b':');
    number(seconds % 60, 2, b'.');
    number(millis % 1000, 3, b'Z');
}

/// Year (kept within 0 to 9999), month, day and milliseconds of the day.
fn civil(micros: i64) -> (i64, u8, u8, i64) {
    let millis = micros.div_euclid(1000);
    let millis_per_day = SECONDS_PER_DAY * 1000;
    let (year, month, day) = civil_from_days(millis.div_euclid(millis_per_day));
    (year.clamp(0, 9999), month, day, millis.rem_euclid(millis_per_day))
}

const fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01. Years are counted from March, so that the leap day comes last.
#[must_use]
pub fn days_from_civil(year: i64, month: u8, day: u8) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day counted from 1970-01-01.
#[must_use]
pub fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, u8::try_from(month).unwrap_or(1), u8::try_from(day).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn micros(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
    }

    fn check(text: &str, low: &str, high: &str) {
        let expected = Span { low: micros(low), high: micros(high) };
        assert_eq!(span(text, JST_SECONDS), Some(expected), "{text}");
    }

    #[test]
    fn a_value_covers_what_it_leaves_open() {
        check("2026", "2025-12-31T15:00:00Z", "2026-12-31T14:59:59.999999Z");
        check("2024-02", "2024-01-31T15:00:00Z", "2024-02-29T14:59:59.999999Z");
        check("2026-11-23", "2026-11-22T15:00:00Z", "2026-11-23T14:59:59.999999Z");
        check("2026-11-23T10:00", "2026-11-23T01:00:00Z", "2026-11-23T01:00:59.999999Z");
        check("2026-11-23T10:00Z", "2026-11-23T10:00:00Z", "2026-11-23T10:00:59.999999Z");
        check("2026-11-23T10:00:01+09:00", "2026-11-23T01:00:01Z", "2026-11-23T01:00:01.999999Z");
        check("2026-11-23T10:00:01.12-05:30", "2026-11-23T15:30:01.12Z", "2026-11-23T15:30:01.129999Z");
        check("2026-11-23T10:00:01.123456789Z", "2026-11-23T10:00:01.123456Z", "2026-11-23T10:00:01.123456Z");
    }

    #[test]
    fn a_leap_second_stays_on_its_day() {
        check("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z", "2016-12-31T23:59:59.999999Z");
    }

    /// FHIR R4 datatypes.html: "Dates SHALL be valid dates".
    #[test]
    fn refuses_dates_the_calendar_does_not_have() {
        for text in ["2026-02-29", "2026-02-30", "2100-02-29", "2026-04-31", "2026-13", "2026-00", "0000", "2026-11-00"]
        {
            assert_eq!(span(text, 0), None, "{text}");
        }
        assert!(is_date("2024-02-29") && is_date("2000-02-29"));
    }

    #[test]
    fn each_type_takes_only_its_own_forms() {
        for text in ["2026", "2026-11", "2026-11-23"] {
            assert!(is_date(text) && is_date_time(text) && !is_instant(text), "{text}");
        }
        for text in ["2026-11-23T00:00:00Z", "2026-11-23T00:00:60.5+14:00", "2026-11-23T23:59:59.123456789-00:30"] {
            assert!(!is_date(text) && is_date_time(text) && is_instant(text), "{text}");
        }
        for text in [
            "",
            "26-11-23",
            "2026-1-1",
            "2026-11-23T",
            "2026-11-23 00:00:00Z",
            "2026-11-23T00:00:00",
            "2026-11-23T00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T00:60:00Z",
            "2026-11-23T00:00:61Z",
            "2026-11-23T00:00:00.Z",
            "2026-11-23T00:00:00+14:01",
            "2026-11-23T00:00:00+9:00",
            "2026-11-23T00:00:00Zx",
            "2026-11-23t00:00:00z",
            "2026-11-23Z",
            "２０２６",
        ] {
            assert!(!is_date(text) && !is_date_time(text) && !is_instant(text), "{text}");
        }
    }

    #[test]
    fn a_time_has_seconds_and_no_offset() {
        assert_eq!(parse_time("08:05:30.25").map(|time| (time.hour, time.second, time.micros)), Some((8, 30, 250_000)));
        for text in ["08:05", "8:05:00", "24:00:00", "08:05:00Z", "08:05:00.", "08:05:00 "] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn instants_are_written_in_24_bytes() {
        assert_eq!(format_instant(micros("2026-11-23T00:05:49.123456Z")), "2026-11-23T00:05:49.123Z");
        assert_eq!(format_instant(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(format_instant(i64::MAX).len(), 24);
        assert_eq!(format_instant(i64::MIN).len(), 24);
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(seconds in -62_135_596_800_i64..253_402_300_800, millis in 0_i64..1000) {
            let value = seconds * 1_000_000 + millis * 1000;
            let text = format_instant(value);
            prop_assert_eq!(span(&text, JST_SECONDS).unwrap().low, value);
            if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
                prop_assert_eq!(timestamp.as_microsecond(), value);
            }
            let mut bytes = Vec::new();
            write_instant(value, &mut bytes);
            prop_assert_eq!(bytes, text.into_bytes());
        }

        #[test]
        fn never_panics(text in "[-0-9T:.Z+]{0,32}|.*", micros in any::<i64>()) {
            let _ = (span(&text, JST_SECONDS), parse_time(&text), is_date_time(&text), format_instant(micros));
        }
    }
}
