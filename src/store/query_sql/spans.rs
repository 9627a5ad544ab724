//! Dates as spans of time, by the length of the span, so that what reaches into some time is found
//! in bounded ranges.
//!
//! Rows of `date` are clustered by the start of a span. A search that asks for spans which end after
//! something says nothing about their start, unless it is known how long they are. So those longer
//! than a day are in `long_date` as well, by the class of their length: of each class a range is read
//! that begins the class's greatest length before. What is left are open periods, which do reach
//! there, and spans beyond eleven years.

use super::super::connection::Statement;
use super::super::index::{DAY, LONG_CLASSES, OPEN_CLASS};
use super::{any, date, from_table};
use crate::search::query::{DateTest, Prefix};

/// What must hold of a span at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    least_low: i64,
    most_low: i64,
    least_high: i64,
}

impl Bounds {
    const NONE: Self = Self { least_low: i64::MIN, most_low: i64::MAX, least_high: i64::MIN };

    /// Of one comparison; a span begins before it ends.
    fn of(test: &DateTest) -> Self {
        let DateTest { prefix, low, high } = *test;
        match prefix {
            Prefix::Eq => Self { least_low: low, most_low: high, least_high: low },
            Prefix::Ne => Self::NONE,
            Prefix::Gt => Self { least_high: high.saturating_add(1), ..Self::NONE },
            Prefix::Ge => Self { least_high: low, ..Self::NONE },
            Prefix::Lt | Prefix::Eb => Self { most_low: low, ..Self::NONE },
            Prefix::Le => Self { most_low: high, ..Self::NONE },
            Prefix::Sa => Self { least_low: high, least_high: high, ..Self::NONE },
            Prefix::Ap => Self { most_low: high, least_high: low, ..Self::NONE },
        }
    }

    fn either(self, other: Self) -> Self {
        Self {
            least_low: self.least_low.min(other.least_low),
            most_low: self.most_low.max(other.most_low),
            least_high: self.least_high.min(other.least_high),
        }
    }

    fn both(self, other: Self) -> Self {
        Self {
            least_low: self.least_low.max(other.least_low),
            most_low: self.most_low.min(other.most_low),
            least_high: self.least_high.max(other.least_high),
        }
    }
}

/// The keys with a span that meets one test of each list.
pub(super) fn keys(parameters: &[i32], lists: &[&[DateTest]]) -> Statement {
    let of_list = |list: &&[DateTest]| list.iter().map(Bounds::of).reduce(Bounds::either).unwrap_or(Bounds::NONE);
    let bounds = lists.iter().map(of_list).fold(Bounds::NONE, Bounds::both);
    let mut statement = from_table("date", parameters);
    if bounds.least_high <= bounds.least_low {
        // Where they begin says it all.
        let is_plain = matches!(lists, [[_]]);
        tests(&mut statement, lists, if is_plain { Bounds::NONE } else { bounds });
        return statement;
    }
    let beginning = |longest: i64| bounds.least_low.max(bounds.least_high.saturating_sub(longest));
    tests(&mut statement, lists, Bounds { least_low: beginning(DAY), ..bounds });
    for (class, longest) in (1..).zip(LONG_CLASSES).chain([(OPEN_CLASS, i64::MAX)]) {
        statement.sql(" UNION ALL ").append(from_table("long_date", parameters)).sql(" AND class = ").bind(class);
        let least_low = if class == OPEN_CLASS { bounds.least_low } else { beginning(longest) };
        tests(&mut statement, lists, Bounds { least_low, ..bounds });
    }
    statement
}

/// ` AND …`: the tests, behind a range of the index.
fn tests(statement: &mut Statement, lists: &[&[DateTest]], bounds: Bounds) {
    if bounds.least_low > i64::MIN {
        statement.sql(" AND low >= ").bind(bounds.least_low);
    }
    if bounds.most_low < i64::MAX {
        statement.sql(" AND low <= ").bind(bounds.most_low);
    }
    for list in lists {
        statement.sql(" AND (");
        any(statement, list, |statement, test| date(statement, test, "low", "high"));
        statement.sql(")");
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::holds::in_time;
    use super::super::super::index::{DAY, LONG_CLASSES, OPEN_CLASS, long_class};
    use super::*;

    /// No span that meets a test lies outside the bounds, nor outside the range read of its class.
    #[test]
    fn bounds_leave_nothing_out() {
        let ends = [i64::MIN, -DAY * 5000, -1, 0, 1, DAY - 1, DAY, DAY * 8, DAY * 70, DAY * 600, DAY * 5000, i64::MAX];
        let prefixes = [
            Prefix::Eq,
            Prefix::Ne,
            Prefix::Gt,
            Prefix::Lt,
            Prefix::Ge,
            Prefix::Le,
            Prefix::Sa,
            Prefix::Eb,
            Prefix::Ap,
        ];
        let pairs = |of: &[i64]| -> Vec<(i64, i64)> {
            of.iter().flat_map(|low| of.iter().map(|high| (*low, *high))).filter(|(low, high)| low <= high).collect()
        };
        for prefix in prefixes {
            for (from, to) in pairs(&ends[1..ends.len() - 1]) {
                let test = DateTest { prefix, low: from, high: to };
                let bounds = Bounds::of(&test);
                for (low, high) in pairs(&ends) {
                    if !in_time(&test, low, high) {
                        continue;
                    }
                    let is_within = low >= bounds.least_low && low <= bounds.most_low && high >= bounds.least_high;
                    assert!(is_within, "{test:?} {low} {high}");
                    let longest = match long_class(low, high) {
                        None => DAY,
                        Some(OPEN_CLASS) => continue,
                        Some(class) => LONG_CLASSES[usize::try_from(class).unwrap() - 1],
                    };
                    assert!(low >= bounds.least_high.saturating_sub(longest), "{test:?} {low} {high}");
                }
            }
        }
    }
}
