//! Calendar days of Japan. A date without a time is the day it says; a time is the day it falls on in Japan.

use serde::{Deserialize, Serialize};

use crate::r4::datetime::{JST_SECONDS, Moment, Precision, civil_from_days, days_from_civil};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i32);

impl Day {
    /// The day of a date, dateTime or instant; of a year or month its first. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::with_precision(text).map(|(day, _)| day)
    }

    /// The day, and whether it was written to the day.
    #[must_use]
    pub fn with_precision(text: &str) -> Option<(Self, bool)> {
        let moment = Moment::parse(text)?;
        Some((Self::of_micros(moment.span(JST_SECONDS).low), moment.precision >= Precision::Day))
    }

    /// The last day of a date, month or year.
    #[must_use]
    pub fn last_of(text: &str) -> Option<Self> {
        Some(Self::of_micros(Moment::parse(text)?.span(JST_SECONDS).high))
    }

    /// The day in Japan at a moment, µs since 1970 UTC.
    #[must_use]
    pub fn of_micros(micros: i64) -> Self {
        let local = micros.saturating_add(i64::from(JST_SECONDS) * 1_000_000);
        Self(i32::try_from(local.div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX))
    }

    /// A day of the calendar.
    #[must_use]
    pub fn of(year: i32, month: u8, day: u8) -> Self {
        Self(i32::try_from(days_from_civil(i64::from(year), month, day)).unwrap_or(i32::MAX))
    }

    /// Year, month and day.
    #[must_use]
    pub fn civil(self) -> (i32, u8, u8) {
        let (year, month, day) = civil_from_days(i64::from(self.0));
        (i32::try_from(year).unwrap_or(0), month, day)
    }

    /// The day so many days later.
    #[must_use]
    pub const fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Days from another day to this one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i32 {
        self.0.saturating_sub(earlier.0)
    }

    /// Months from the first month of our era: neighbouring months are neighbours.
    #[must_use]
    pub fn month_number(self) -> i32 {
        let (year, month, _) = self.civil();
        year * 12 + i32::from(month) - 1
    }

    /// Age in completed years. Who was born on 29 February is a year older on 1 March of other years.
    #[must_use]
    pub fn age(self, birth: Self) -> i32 {
        let ((year, month, day), (birth_year, birth_month, birth_day)) = (self.civil(), birth.civil());
        year - birth_year - i32::from((month, day) < (birth_month, birth_day))
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = self.civil();
        write!(formatter, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_day_it_falls_on_in_japan() {
        let day = Day::parse("2026-04-08").unwrap();
        assert_eq!(day.to_string(), "2026-04-08");
        assert_eq!(Day::parse("2026-04-07T15:00:00Z"), Some(day));
        assert_eq!(Day::parse("2026-04-07T14:59:59.999Z"), Some(day.plus(-1)));
        assert_eq!(Day::parse("2026-04-08T23:59:59+09:00"), Some(day));
        assert_eq!(Day::with_precision("2026-04"), Some((day.plus(-7), false)));
        assert_eq!(Day::last_of("2026-04").unwrap().to_string(), "2026-04-30");
        assert_eq!(Day::parse("8 April"), None);
    }

    #[test]
    fn leap_days_count() {
        let of = |text| Day::parse(text).unwrap();
        assert_eq!(of("2024-03-01").since(of("2024-02-28")), 2);
        assert_eq!(of("2024-02-29").plus(365).to_string(), "2025-02-28");
        assert_eq!(of("2023-02-28").age(of("1964-02-29")), 58);
        assert_eq!(of("2023-03-01").age(of("1964-02-29")), 59);
        assert_eq!(of("2024-02-29").age(of("1964-02-29")), 60);
        assert_eq!(Day::of(2024, 2, 29), of("2024-02-29"));
        assert_eq!(of("2024-01-31").month_number() + 1, of("2024-02-01").month_number());
    }
}
