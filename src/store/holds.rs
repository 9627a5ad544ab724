//! Conditions decided from the index rows of one resource, without the database: the same
//! comparisons that `query_sql` writes as SQL. What is not decided here stays SQL.

use crate::r4::parameters::ParameterKind;
use crate::search::query::{
    Condition, DateTest, LONG_LIST, NumberTest, Prefix, QuantityTest, ReferenceTest, RowTest, StringTest, Test,
    TokenTest, UriTest,
};
use crate::search::rows::{IndexRows, UriRow, second_form};

/// A resource with what its index rows would be.
pub(super) struct Candidate<'c> {
    pub(super) id: &'c str,
    pub(super) updated: i64,
    pub(super) rows: &'c IndexRows,
}

/// Whether [`holds`] can decide a condition.
pub(super) fn is_decidable(condition: &Condition) -> bool {
    let uri = |test: &UriTest| !(test.below && test.version.is_some());
    match condition {
        Condition::Id(_) | Condition::LastUpdated(_) => true,
        Condition::Indexed { test, .. } => match test {
            Test::Token(_) | Test::String(_) | Test::Date(_) | Test::Number(_) | Test::Quantity(_) => true,
            Test::Uri(tests) => tests.iter().all(uri),
            Test::Reference(tests) => tests.iter().all(|test| match test {
                ReferenceTest::Local { .. } => true,
                other => matches!(other, ReferenceTest::Uri(test) if uri(test)),
            }),
            Test::Row(test) => matches!(test, RowTest::Dates(_)),
            _ => false,
        },
        Condition::Missing { kind, .. } => !matches!(kind, ParameterKind::Composite | ParameterKind::Special),
        _ => false,
    }
}

/// The parameters whose rows a condition reads.
pub(super) fn parameter(condition: &Condition) -> Option<i32> {
    match condition {
        Condition::Indexed { parameter, .. } | Condition::Missing { parameter, .. } => Some(*parameter),
        _ => None,
    }
}

/// Whether a condition that [`is_decidable`] holds.
pub(super) fn holds(condition: &Condition, candidate: &Candidate<'_>) -> bool {
    match condition {
        Condition::Id(ids) => ids.iter().any(|id| id == candidate.id),
        Condition::LastUpdated(tests) => tests.iter().any(|test| in_time(test, candidate.updated, candidate.updated)),
        Condition::Indexed { parameter, test, negated } => any_row(*parameter, test, candidate.rows) != *negated,
        Condition::Missing { parameter, kind, missing } => has_any(*parameter, *kind, candidate.rows) != *missing,
        _ => false,
    }
}

fn has_any(parameter: i32, kind: ParameterKind, rows: &IndexRows) -> bool {
    let is_own = |number: i32| number == parameter;
    // What is there without anything to look it up by is a token of the second form.
    let is_there = |number: i32| is_own(number) || number == second_form(parameter);
    match kind {
        ParameterKind::Token => rows.tokens.iter().any(|row| is_there(row.parameter)),
        ParameterKind::String => rows.strings.iter().any(|row| is_own(row.parameter)),
        ParameterKind::Date => rows.dates.iter().any(|row| is_own(row.parameter)),
        ParameterKind::Number => rows.numbers.iter().any(|row| is_own(row.parameter)),
        ParameterKind::Quantity => rows.quantities.iter().any(|row| is_own(row.parameter)),
        ParameterKind::Uri => rows.uris.iter().any(|row| is_own(row.parameter)),
        ParameterKind::Reference => {
            rows.references.iter().any(|row| is_own(row.parameter))
                || rows.uris.iter().any(|row| is_own(row.parameter))
                || rows.tokens.iter().any(|row| row.parameter == second_form(parameter))
        }
        ParameterKind::Composite | ParameterKind::Special => false,
    }
}

fn any_row(parameter: i32, test: &Test, rows: &IndexRows) -> bool {
    match test {
        Test::Token(tests) => rows
            .tokens
            .iter()
            .filter(|row| row.parameter == parameter)
            .any(|row| tests.iter().any(|test| token(test, &row.code, &row.system))),
        Test::String(tests) => rows
            .strings
            .iter()
            .filter(|row| row.parameter == parameter)
            .any(|row| tests.iter().any(|test| string(test, &row.folded, row.exact))),
        Test::Date(tests) => rows
            .dates
            .iter()
            .filter(|row| row.parameter == parameter)
            .any(|row| tests.iter().any(|test| in_time(test, row.low, row.high))),
        Test::Number(tests) => rows
            .numbers
            .iter()
            .filter(|row| row.parameter == parameter)
            .any(|row| tests.iter().any(|test| in_range(test, &row.low, &row.high))),
        Test::Quantity(tests) => rows.quantities.iter().any(|row| {
            tests.iter().any(|test| {
                let number = if test.is_canonical { second_form(parameter) } else { parameter };
                row.parameter == number && quantity(test, &row.code, &row.system, &row.low, &row.high)
            })
        }),
        Test::Uri(tests) => {
            let own = rows.uris.iter().filter(|row| row.parameter == parameter);
            own.into_iter().any(|row| tests.iter().any(|test| uri(test, row)))
        }
        Test::Reference(tests) => tests.iter().any(|test| reference(parameter, test, rows)),
        Test::Row(RowTest::Dates(lists)) => rows
            .dates
            .iter()
            .filter(|row| row.parameter == parameter)
            .any(|row| lists.iter().all(|tests| tests.iter().any(|test| in_time(test, row.low, row.high)))),
        _ => false,
    }
}

/// No code is any code. A long list is that of a value set, and sorted.
fn has_code(codes: &[String], code: &str) -> bool {
    match codes.len() {
        0 => true,
        length if length > LONG_LIST => codes.binary_search_by(|wanted| wanted.as_str().cmp(code)).is_ok(),
        _ => codes.iter().any(|wanted| wanted == code),
    }
}

fn token(test: &TokenTest, code: &str, system: &str) -> bool {
    has_code(&test.codes, code) && test.system.as_ref().is_none_or(|wanted| wanted == system)
}

fn string(test: &StringTest, text: &str, hash: i64) -> bool {
    match test {
        StringTest::StartsWith(start) => text.starts_with(start.as_str()),
        StringTest::Contains(part) => text.contains(part.as_str()),
        StringTest::Exact { folded, hash: wanted } => text == folded && hash == *wanted,
    }
}

/// FHIR R4 search.html#prefix on spans.
pub(super) fn in_time(test: &DateTest, low: i64, high: i64) -> bool {
    let contained = low >= test.low && high <= test.high;
    match test.prefix {
        Prefix::Eq => contained,
        Prefix::Ne => !contained,
        Prefix::Gt => high > test.high,
        Prefix::Lt => low < test.low,
        Prefix::Ge => high > test.high || contained,
        Prefix::Le => low < test.low || contained,
        Prefix::Sa => low > test.high,
        Prefix::Eb => high < test.low,
        Prefix::Ap => low <= test.high && high >= test.low,
    }
}

/// FHIR R4 search.html#prefix on numbers; sortable bytes compare like the numbers.
fn in_range(test: &NumberTest, low: &[u8], high: &[u8]) -> bool {
    let (from, to, exact) = (test.low.as_slice(), test.high.as_slice(), test.exact.as_slice());
    match test.prefix {
        Prefix::Eq => low >= from && low < to && high < to,
        Prefix::Ne => low < from || high >= to,
        Prefix::Gt => high > exact,
        Prefix::Lt => low < exact,
        Prefix::Ge => high >= exact,
        Prefix::Le => low <= exact,
        Prefix::Sa => low > exact,
        Prefix::Eb => high < exact,
        Prefix::Ap => low <= to && high >= from,
    }
}

fn quantity(test: &QuantityTest, code: &str, system: &str, low: &[u8], high: &[u8]) -> bool {
    in_range(&test.number, low, high)
        && test.code.as_ref().is_none_or(|wanted| wanted == code)
        && test.system.as_ref().is_none_or(|wanted| wanted == system)
}

fn uri(test: &UriTest, row: &UriRow) -> bool {
    let is_meant = row.uri == test.uri
        || (test.below
            && row
                .uri
                .strip_prefix(test.uri.as_str())
                .is_some_and(|rest| test.uri.ends_with('/') || rest.starts_with('/')));
    is_meant && test.version.as_ref().is_none_or(|wanted| *wanted == row.version)
}

fn reference(parameter: i32, test: &ReferenceTest, rows: &IndexRows) -> bool {
    match test {
        ReferenceTest::Local { types, id } => rows
            .references
            .iter()
            .any(|row| row.parameter == parameter && row.target_id == *id && types.contains(&row.target_type)),
        other => {
            let own = rows.uris.iter().filter(|row| row.parameter == parameter);
            matches!(other, ReferenceTest::Uri(test) if own.into_iter().any(|row| uri(test, row)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FHIR R4 search.html#prefix: what only overlaps is neither in the span nor beyond it.
    #[test]
    fn spans_compare_as_in_sql() {
        let at = |prefix| DateTest { prefix, low: 10, high: 20 };
        for (prefix, inside, overlapping) in [
            (Prefix::Eq, true, false),
            (Prefix::Ne, false, true),
            (Prefix::Ge, true, false),
            (Prefix::Le, true, true),
            (Prefix::Gt, false, false),
            (Prefix::Lt, false, true),
            (Prefix::Ap, true, true),
        ] {
            assert_eq!(in_time(&at(prefix), 12, 18), inside, "{prefix:?}");
            assert_eq!(in_time(&at(prefix), 5, 15), overlapping, "{prefix:?}");
        }
    }

    #[test]
    fn below_is_by_folders() {
        let row = |uri: &str| UriRow { parameter: 1, uri: uri.to_owned(), version: String::new() };
        let test = UriTest { uri: "http://a/b".to_owned(), version: None, below: true };
        assert!(uri(&test, &row("http://a/b")) && uri(&test, &row("http://a/b/c")));
        assert!(!uri(&test, &row("http://a/bc")) && !uri(&test, &row("http://a")));
    }
}
