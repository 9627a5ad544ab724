//! Conditions along references: everything is one statement, the innermost set first.
//!
//! Cost: a chain is one range of `reference` for each key of the inner set. `_has` goes the other
//! way, for which there is no index (see ARCHITECTURE.md): it reads all rows of its parameter,
//! unless another condition leads; then it is a range for each candidate.

use super::super::connection::Statement;
use super::{from_table, key_set, restrict};
use crate::search::query::{Condition, Named};
use crate::search::registry::type_of;

/// Ends `AND (key IN (…` where no index goes from the key: the set is made once and asked for each
/// row. As a bare `IN`, SQLite tries every key of the set at every target, and PostgreSQL may join
/// by a scan for each key.
const IS_TRUE: &str = ")) IS TRUE";

/// The keys of resources whose reference points at one that meets the condition for its type.
pub(super) fn referring(parameter: i32, targets: &[(u8, Condition)]) -> Statement {
    let mut statement = Statement::new("SELECT key FROM reference WHERE parameter = ");
    statement.bind(i64::from(parameter)).sql(" AND target IN (");
    for (place, (type_number, condition)) in targets.iter().enumerate() {
        if place > 0 {
            statement.sql(" UNION ALL ");
        }
        statement.append(live(i64::from(*type_number), condition));
    }
    statement.sql(")");
    if targets.len() > 1 {
        statement.uncached();
    }
    statement
}

/// The keys that the references of resources which meet a condition point at.
pub(super) fn targets(parameter: i32, condition: &Condition) -> Statement {
    let mut statement = Statement::new("SELECT target AS key FROM reference WHERE parameter = ");
    statement.bind(i64::from(parameter)).sql(" AND (key IN (").append(live(source(parameter), condition));
    statement.sql(IS_TRUE);
    statement
}

/// Whether something refers to the resource row `r` that the condition.
pub(super) fn referred(statement: &mut Statement, parameter: i32, condition: &Condition) {
    statement.sql("EXISTS (SELECT 1 FROM reference h WHERE h.parameter = ").bind(i64::from(parameter));
    statement.sql(" AND h.target = r.key AND (h.key IN (").append(live(source(parameter), condition));
    statement.sql(IS_TRUE).sql(")");
}

/// Canonicals `u` with what they name, `t`: the same URL, and the version where one is named.
fn canonicals(select: &str, parameter: i32, target: &Named) -> Statement {
    let mut statement = Statement::new("SELECT ");
    statement.sql(select).sql(" AS key FROM uri u JOIN uri t ON t.uri = u.uri AND t.parameter = ");
    statement.bind(i64::from(target.url)).sql(" WHERE u.parameter = ").bind(i64::from(parameter));
    statement.sql(" AND (u.version = ''");
    if let Some(version) = target.version {
        statement.sql(" OR EXISTS (SELECT 1 FROM token v WHERE v.parameter = ").bind(i64::from(version));
        statement.sql(" AND v.code = lower(u.version) AND v.key = t.key)");
    }
    statement.sql(")");
    statement
}

/// The keys of resources with a canonical that names one which meets the condition.
pub(super) fn naming(parameter: i32, target: &Named, condition: &Condition) -> Statement {
    let mut statement = canonicals("u.key", parameter, target);
    statement.sql(" AND t.key IN (").append(live(i64::from(target.type_number), condition)).sql(")");
    statement
}

/// The keys of resources that a canonical of one which meets the condition names.
pub(super) fn named_by(parameter: i32, target: &Named, condition: &Condition) -> Statement {
    let mut statement = canonicals("t.key", parameter, target);
    statement.sql(" AND (u.key IN (").append(live(source(parameter), condition)).sql(IS_TRUE);
    statement
}

/// The keys of a resource and of all that is below or above it. `UNION` ends at circles.
pub(super) fn hierarchy(type_number: u8, id: &str, parent: i32, below: bool) -> Statement {
    let mut statement = Statement::new("WITH RECURSIVE h(key) AS (SELECT key FROM resource_name WHERE type = ");
    statement.bind(i64::from(type_number)).sql(" AND id = ").bind(id).sql(" UNION ");
    statement.sql(if below {
        "SELECT p.key FROM h JOIN reference p ON p.target = h.key"
    } else {
        "SELECT p.target FROM h JOIN reference p ON p.key = h.key"
    });
    statement.sql(" AND p.parameter = ").bind(i64::from(parent)).sql(") SELECT key FROM h");
    statement
}

/// The keys of resources that one of these references ties to the owner of a compartment.
pub(super) fn compartment(owner_type: u8, owner_id: &str, parameters: &[i32], itself: bool) -> Statement {
    let mut owner = Statement::new("SELECT key FROM resource_name WHERE type = ");
    owner.bind(i64::from(owner_type)).sql(" AND id = ").bind(owner_id);
    let mut statement = from_table("reference", parameters);
    statement.sql(" AND target IN (").append(owner.clone()).sql(")");
    match (itself, parameters) {
        (false, _) => statement,
        (true, []) => owner,
        (true, _) => {
            statement.sql(" UNION ALL ").append(owner);
            statement
        }
    }
}

/// The type that a parameter belongs to.
const fn source(parameter: i32) -> i64 {
    type_of(parameter) as i64
}

/// The keys of live resources of a type that meet a condition.
fn live(type_number: i64, condition: &Condition) -> Statement {
    match condition {
        // Index rows are of one type, and exist for live resources only.
        Condition::Indexed { negated: false, .. } | Condition::Chain { .. } => key_set(condition).unwrap_or_default(),
        _ => {
            let mut statement = Statement::new("SELECT r.key FROM resource r WHERE r.state = 1 AND r.type = ");
            statement.bind(type_number).uncached();
            match condition {
                Condition::Has { parameter, condition } => {
                    statement.sql(" AND r.key IN (").append(targets(*parameter, condition)).sql(")");
                }
                _ => restrict(&mut statement, condition),
            }
            statement
        }
    }
}
