//! What only `_filter` asks: conditions joined by and, or, not, and comparisons of its own.
//!
//! Cost: alternatives that are all sets of keys are one set, and can lead a search. What ends with a
//! text, and what is unequal, reads all rows of its parameter.

use super::super::connection::Statement;
use super::super::index::{fit, split_string};
use super::{any_of, from_table, key_set, keys as keys_of_test, like, predicate, restrict, starts_with, token, uri};
use crate::search::query::{Condition, Prefix, RowTest, Test};

/// Whether the resource row `r` meets all of them.
pub(super) fn all(statement: &mut Statement, list: &[Condition]) {
    statement.sql("(1 = 1");
    for condition in list {
        restrict(statement, condition);
    }
    statement.sql(")");
}

/// Whether the resource row `r` meets one of them.
pub(super) fn any(statement: &mut Statement, list: &[Condition]) {
    match keys_of_any(list) {
        // One set asked once is cheaper than a set for each.
        Some(keys) => {
            statement.sql("r.key IN (").append(keys).sql(")");
        }
        None => any_of(statement, list, &mut |statement, condition| predicate(statement, condition)),
    }
    statement.uncached();
}

/// The keys that meet one of them, when each is a set of keys.
pub(super) fn keys_of_any(list: &[Condition]) -> Option<Statement> {
    let sets = list.iter().map(key_set).collect::<Option<Vec<_>>>()?;
    let mut statement = Statement::default();
    for (place, set) in sets.into_iter().enumerate() {
        statement.sql(if place > 0 { " UNION ALL SELECT key FROM (" } else { "SELECT key FROM (" });
        statement.append(set).sql(&format!(") a{place}"));
    }
    statement.uncached();
    Some(statement)
}

/// The keys that meet all of them, when one is a set of keys: it leads.
pub(super) fn keys_of_all(list: &[Condition]) -> Option<Statement> {
    let (place, set) = list.iter().enumerate().find_map(|(place, condition)| Some((place, key_set(condition)?)))?;
    let mut statement = Statement::new("SELECT r.key FROM resource r WHERE r.state = 1 AND r.key IN (");
    statement.append(set).sql(")");
    for (_, condition) in list.iter().enumerate().filter(|(other, _)| *other != place) {
        restrict(&mut statement, condition);
    }
    statement.uncached();
    Some(statement)
}

/// The keys that have a value for which the comparison holds.
pub(super) fn keys(parameters: &[i32], test: &RowTest) -> Statement {
    let mut statement;
    match test {
        RowTest::TextOrder { prefix, folded } => {
            statement = from_table("string", parameters);
            text_order(&mut statement, *prefix, folded);
        }
        RowTest::TextEnds(folded) => {
            statement = from_table("string", parameters);
            // Without the % in front of the end.
            let pattern = like(folded);
            let pattern = pattern.strip_suffix('%').unwrap_or(&pattern);
            statement.sql(" AND start || rest LIKE ").bind(pattern).sql(" ESCAPE '\\'");
        }
        RowTest::Around { low, high } => {
            statement = from_table("date", parameters);
            statement.sql(" AND low <= ").bind(*low).sql(" AND high >= ").bind(*high);
        }
        RowTest::Dates(lists) => {
            let lists: Vec<&[_]> = lists.iter().map(Vec::as_slice).collect();
            statement = super::spans::keys(parameters, &lists);
        }
        RowTest::UriStarts(start) => {
            statement = from_table("uri", parameters);
            statement.sql(" AND ");
            starts_with(&mut statement, "uri", &fit(start));
        }
        RowTest::Unequal(test) => match test.as_ref() {
            Test::Token(tests) => {
                statement = from_table("token", parameters);
                statement.sql(" AND (");
                super::any(&mut statement, tests, |statement, test| token(statement, test, "code", "system"));
                // NULL, for a system that is not known here, is unequal too.
                statement.sql(") IS NOT TRUE");
            }
            Test::Uri(tests) => {
                statement = from_table("uri", parameters);
                statement.sql(" AND (");
                super::any(&mut statement, tests, uri);
                statement.sql(") IS NOT TRUE");
            }
            other => return keys_of_test(parameters, other),
        },
    }
    statement
}

fn text_order(statement: &mut Statement, prefix: Prefix, folded: &str) {
    let (start, rest) = split_string(folded);
    match prefix {
        Prefix::Gt | Prefix::Ge | Prefix::Lt | Prefix::Le => {
            let (beyond, last) = match prefix {
                Prefix::Gt => (">", ">"),
                Prefix::Ge => (">", ">="),
                Prefix::Lt => ("<", "<"),
                _ => ("<", "<="),
            };
            statement.sql(&format!(" AND (start {beyond} ")).bind(start);
            statement.sql(" OR (start = ").bind(start).sql(&format!(" AND rest {last} ")).bind(rest).sql("))");
        }
        // Names joined from their parts (exact is 0) are in the index for matching, nobody wrote them.
        Prefix::Ne => {
            statement.sql(" AND exact <> 0 AND NOT (start = ").bind(start).sql(" AND rest = ").bind(rest).sql(")");
        }
        _ => {
            statement.sql(" AND start = ").bind(start).sql(" AND rest = ").bind(rest);
        }
    }
}
