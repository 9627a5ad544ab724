//! How a search would be done: its conditions with their measured sizes, the statements with their
//! values, and the plan the database makes of them.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};

use super::StoreError;
use super::connection::{Connection, Statement, Value};
use super::query_sql::key_set;
use super::search::{PROBED, leader, probe, total_statement};
use super::sort;
use crate::search::describe::describe;
use crate::search::query::Query;

/// How a search would be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Name of the database system.
    pub database: &'static str,
    /// The conditions, in the order of the request.
    pub conditions: Vec<ExplainedCondition>,
    /// The statements: page, total.
    pub statements: Vec<ExplainedStatement>,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedCondition {
    /// In words.
    pub words: String,
    /// Index rows that meet it, counted up to a bound; `None` when it cannot lead.
    pub rows: Option<i64>,
    /// There are more rows than were counted.
    pub is_more: bool,
    /// The search starts from it.
    pub leads: bool,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedStatement {
    /// What for.
    pub purpose: &'static str,
    /// The SQL with `?` for each value.
    pub sql: String,
    /// The values.
    pub values: Vec<String>,
    /// The database's plan, indented.
    pub plan: Vec<String>,
    /// Rows the database expects, where it says so.
    pub expected_rows: Option<i64>,
}

#[derive(QueryableByName)]
struct SqliteStep {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    parent: i64,
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct PostgresLine {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

pub(super) fn explain(
    connection: &mut Connection,
    query: &Query,
    count: u32,
    with_total: bool,
) -> Result<Explanation, StoreError> {
    connection.snapshot(|connection| {
        let leading = leader(connection, query)?.map(|(place, _)| place);
        let mut conditions = Vec::new();
        for (place, condition) in query.conditions.iter().enumerate() {
            let rows = key_set(condition).map(|keys| probe(connection, keys)).transpose()?;
            conditions.push(ExplainedCondition {
                words: describe(condition),
                rows,
                is_more: rows.is_some_and(|rows| rows >= PROBED),
                leads: leading == Some(place),
            });
        }
        let mut statements = Vec::new();
        if count > 0 {
            let page = sort::statement(connection, query, count, None)?;
            statements.push(explained(connection, "page", page)?);
        }
        if with_total {
            let total = total_statement(connection, query)?;
            statements.push(explained(connection, "total", total)?);
        }
        let database = if connection.is_postgres() { "PostgreSQL" } else { "SQLite" };
        Ok(Explanation { database, conditions, statements })
    })
}

fn explained(
    connection: &mut Connection,
    purpose: &'static str,
    statement: Statement,
) -> Result<ExplainedStatement, StoreError> {
    let (sql, values) = statement.text(connection.is_postgres());
    let (plan, expected_rows) = if connection.is_postgres() {
        let mut asked = Statement::new("EXPLAIN ");
        asked.append(statement).uncached();
        let lines: Vec<String> =
            connection.load::<PostgresLine>(&asked)?.into_iter().map(|record| record.line).collect();
        let rows = lines.first().and_then(|line| line.split_once("rows=")).map(|(_, rest)| rest);
        let digits = rows.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
        (lines, digits.and_then(|digits| digits.parse().ok()))
    } else {
        let mut asked = Statement::new("EXPLAIN QUERY PLAN ");
        asked.append(statement).uncached();
        let mut depths = std::collections::HashMap::from([(0, 0_usize)]);
        let mut lines = Vec::new();
        for step in connection.load::<SqliteStep>(&asked)? {
            let depth = depths.get(&step.parent).copied().unwrap_or(0);
            depths.insert(step.id, depth + 1);
            lines.push(format!("{}{}", "  ".repeat(depth), step.detail));
        }
        (lines, None)
    };
    Ok(ExplainedStatement { purpose, sql, values: values.iter().map(shown).collect(), plan, expected_rows })
}

fn shown(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::OptionalInteger(number) => number.map_or_else(|| "NULL".to_owned(), |number| number.to_string()),
        Value::Text(text) => format!("{text:?}"),
        Value::OptionalText(text) => text.as_ref().map_or_else(|| "NULL".to_owned(), |text| format!("{text:?}")),
        Value::Bytes(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("x'{digits}'")
        }
    }
}
