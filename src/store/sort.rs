//! A page in order: sort values are gathered for the matches only, then ordered, then cut; bodies
//! are read for the page alone.
//!
//! The values of all sort keys come from one `UNION ALL … GROUP BY key`, so that no plan depends on
//! how many rows the database believes a table to have. Cost: the rows of each sorted parameter are
//! read once. `_lastUpdated` and `_id` follow an index.

use super::StoreError;
use super::connection::{Connection, Statement, Value};
use super::cursor::Cursor;
use super::query_sql::table_of;
use super::search::{COLUMNS, SortRecord, from_where, unhex};
use crate::r4::parameters::ParameterKind;
use crate::search::parse::MOST_SORT_KEYS;
use crate::search::query::{Query, SortBy, SortKey, Sorted};

/// The type of a sort value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SortValue {
    Integer,
    Text,
    Bytes,
}

/// One sort key as SQL.
struct Column {
    /// Orders rows.
    expression: String,
    value: SortValue,
    descending: bool,
    /// The page is read from its end.
    reversed: bool,
    /// The indexed parameter and its kind; `None` for columns of `resource`.
    parameter: Option<(i32, ParameterKind)>,
}

impl Column {
    fn new(place: usize, key: &SortKey) -> Self {
        let own = |expression: &str, value| Self {
            expression: expression.to_owned(),
            value,
            descending: key.descending,
            reversed: false,
            parameter: None,
        };
        match key.by {
            SortBy::Id => own("r.id", SortValue::Text),
            SortBy::LastUpdated => own("r.updated", SortValue::Integer),
            SortBy::Parameter { parameter, kind } => Self {
                expression: format!("v.v{place}"),
                value: match kind {
                    ParameterKind::Date | ParameterKind::Reference => SortValue::Integer,
                    ParameterKind::Number | ParameterKind::Quantity => SortValue::Bytes,
                    _ => SortValue::Text,
                },
                descending: key.descending,
                reversed: false,
                parameter: Some((parameter, kind)),
            },
        }
    }

    /// R4 search.html#sort: of several values the lowest counts ascending, the highest descending.
    fn source(&self) -> &'static str {
        match self.parameter.map(|(_, kind)| kind) {
            Some(ParameterKind::Number | ParameterKind::Quantity) if self.descending => "high",
            // A period counts from its start in either direction: so the index is in order.
            Some(ParameterKind::Date | ParameterKind::Number | ParameterKind::Quantity) => "low",
            Some(ParameterKind::String) => "start",
            Some(ParameterKind::Reference) => "target",
            Some(ParameterKind::Uri) => "uri",
            _ => "code",
        }
    }

    /// `NULL` of the value's type, as the first part of the union says what the others are.
    fn none(&self, postgres: bool) -> &'static str {
        match (self.value, postgres) {
            (SortValue::Integer, _) => "CAST(NULL AS BIGINT)",
            (SortValue::Text, true) => "CAST(NULL AS TEXT) COLLATE \"C\"",
            (SortValue::Text, false) => "CAST(NULL AS TEXT)",
            (SortValue::Bytes, true) => "CAST(NULL AS BYTEA)",
            (SortValue::Bytes, false) => "CAST(NULL AS BLOB)",
        }
    }

    /// Picks one of the values of a resource.
    fn pick(&self, place: usize, postgres: bool) -> String {
        // PostgreSQL has no min over bytea before version 18; an ordered array does the same.
        if self.value == SortValue::Bytes && postgres {
            let direction = if self.descending { " DESC" } else { "" };
            return format!(
                "(array_agg(v{place} ORDER BY v{place}{direction}) FILTER (WHERE v{place} IS NOT NULL))[1]"
            );
        }
        format!("{}(v{place})", if self.descending { "max" } else { "min" })
    }

    /// The value as text, for the page position.
    fn as_text(&self, postgres: bool) -> String {
        let expression = &self.expression;
        match (self.value, postgres) {
            (SortValue::Text, _) => expression.clone(),
            (SortValue::Integer, _) => format!("CAST({expression} AS TEXT)"),
            (SortValue::Bytes, true) => format!("encode({expression}, 'hex')"),
            // hex(NULL) is '' in SQLite.
            (SortValue::Bytes, false) => format!("nullif(lower(hex({expression})), '')"),
        }
    }

    fn can_be_missing(&self) -> bool {
        self.parameter.is_some()
    }

    fn order(&self, expression: &str) -> String {
        let direction = if self.descending == self.reversed { "ASC" } else { "DESC" };
        if self.can_be_missing() {
            let missing = if self.reversed { " DESC" } else { "" };
            format!("({expression} IS NULL){missing}, {expression} {direction}")
        } else {
            format!("{expression} {direction}")
        }
    }
}

/// The rows of a page, and one more when there is another page; from the end when the cursor goes
/// backward.
pub(super) fn rows(
    connection: &mut Connection,
    query: &Query,
    count: u32,
    cursor: Option<&Cursor>,
) -> Result<Vec<SortRecord>, StoreError> {
    let statement = statement(connection, query, count, cursor)?;
    connection.load::<SortRecord>(&statement)
}

pub(super) fn statement(
    connection: &mut Connection,
    query: &Query,
    count: u32,
    cursor: Option<&Cursor>,
) -> Result<Statement, StoreError> {
    let postgres = connection.is_postgres();
    let reversed = cursor.is_some_and(|cursor| cursor.b);
    let sort: Vec<Column> = query
        .sort
        .iter()
        .take(MOST_SORT_KEYS)
        .enumerate()
        .map(|(place, key)| Column { reversed, ..Column::new(place, key) })
        .collect();
    // Equal values are ordered by key, in the direction of the last sort key: an index can serve it.
    let descending = sort.last().is_some_and(|column| column.descending) != reversed;
    let last = if descending { "key DESC" } else { "key" };
    let inner: String = sort.iter().map(|column| column.order(&column.expression) + ", ").collect();
    let outer: String =
        sort.iter().enumerate().map(|(place, column)| column.order(&format!("p.o{place}")) + ", ").collect();

    let is_indexed = sort.iter().any(|column| column.parameter.is_some());
    let mut statement = Statement::default();
    if is_indexed {
        statement.sql("WITH m AS MATERIALIZED (SELECT r.key");
        from_where(connection, &mut statement, query)?;
        let values = known_values(&sort, query, postgres).unwrap_or_else(|| values(&sort, postgres));
        statement.sql("), ").append(values).sql(" ");
    }
    statement.sql("SELECT ").sql(COLUMNS).sql(", p.s0, p.s1, p.s2, p.s3 FROM (SELECT r.key");
    for place in 0..MOST_SORT_KEYS {
        let text = sort.get(place).map_or_else(|| "CAST(NULL AS TEXT)".to_owned(), |column| column.as_text(postgres));
        statement.sql(&format!(", {text} AS s{place}"));
    }
    for (place, column) in sort.iter().enumerate() {
        statement.sql(&format!(", {} AS o{place}", column.expression));
    }
    if is_indexed {
        statement.sql(" FROM v JOIN resource r ON r.key = v.key WHERE 1 = 1");
    } else {
        from_where(connection, &mut statement, query)?;
    }
    if let Some(cursor) = cursor {
        after(&mut statement, &sort, descending, cursor)?;
    }
    statement.sql(&format!(" ORDER BY {inner}r.{last} LIMIT ")).bind(i64::from(count) + 1);
    statement.sql(&format!(") p JOIN resource r ON r.key = p.key ORDER BY {outer}p.{last}"));
    Ok(statement)
}

/// The same from values that are known, when all of them are.
fn known_values(sort: &[Column], query: &Query, postgres: bool) -> Option<Statement> {
    let among = query.among.as_ref().filter(|among| !among.is_empty())?;
    let indexed: Vec<(usize, &Column)> =
        sort.iter().enumerate().filter(|(_, column)| column.parameter.is_some()).collect();
    let mut statement = Statement::new("v AS (SELECT column1 AS key");
    for (column, (place, of)) in (2..).zip(&indexed) {
        let collation = if postgres && of.value == SortValue::Text { " COLLATE \"C\"" } else { "" };
        statement.sql(&format!(", column{column}{collation} AS v{place}"));
    }
    statement.sql(" FROM (VALUES ");
    for (row, found) in among.iter().enumerate() {
        statement.sql(if row == 0 { "(" } else { ", (" }).bind(found.key);
        for (place, column) in &indexed {
            statement.sql(", ");
            match found.values.get(*place)?.as_ref()? {
                Sorted::None => statement.sql(column.none(postgres)),
                Sorted::Integer(number) => statement.bind(*number),
                Sorted::Text(text) => statement.bind(text.as_str()),
                Sorted::Bytes(bytes) => statement.bind(bytes.clone()),
            };
        }
        statement.sql(")");
    }
    statement.sql(") k WHERE column1 IN (SELECT key FROM m))").uncached();
    Some(statement)
}

/// `v AS (…)`: key and sort values of every match.
fn values(sort: &[Column], postgres: bool) -> Statement {
    let mut statement = Statement::new("v AS (SELECT key");
    for (place, column) in sort.iter().enumerate().filter(|(_, column)| column.parameter.is_some()) {
        statement.sql(&format!(", {} AS v{place}", column.pick(place, postgres)));
    }
    statement.sql(" FROM (SELECT key");
    let indexed: Vec<(usize, &Column)> =
        sort.iter().enumerate().filter(|(_, column)| column.parameter.is_some()).collect();
    for (place, column) in &indexed {
        statement.sql(&format!(", {} AS v{place}", column.none(postgres)));
    }
    statement.sql(" FROM m");
    for (own, column) in &indexed {
        let Some((parameter, kind)) = column.parameter else { continue };
        statement.sql(" UNION ALL SELECT key");
        for (place, other) in &indexed {
            statement.sql(", ").sql(if place == own { column.source() } else { other.none(postgres) });
        }
        statement.sql(" FROM ").sql(table_of(kind)).sql(" WHERE parameter = ").bind(i64::from(parameter));
        statement.sql(" AND key IN (SELECT key FROM m)");
    }
    statement.sql(") u GROUP BY key)");
    statement
}

/// Rows after the position: for each prefix of the sort keys, equal so far and then beyond.
/// Missing values sort last in either direction.
fn after(statement: &mut Statement, sort: &[Column], descending: bool, cursor: &Cursor) -> Result<(), StoreError> {
    if cursor.s.len() != sort.len() {
        return Err(StoreError::Cursor);
    }
    let mut values = Vec::new();
    for (column, text) in sort.iter().zip(&cursor.s) {
        values.push(match (text, column.value) {
            (None, _) => None,
            (Some(text), SortValue::Text) => Some(Value::Text(text.clone())),
            (Some(text), SortValue::Integer) => Some(Value::Integer(text.parse().map_err(|_| StoreError::Cursor)?)),
            (Some(text), SortValue::Bytes) => Some(Value::Bytes(unhex(text).ok_or(StoreError::Cursor)?.into())),
        });
    }
    statement.sql(" AND (");
    for depth in 0..=sort.len() {
        statement.sql(if depth > 0 { " OR (" } else { "(" });
        for (column, value) in sort.iter().zip(&values).take(depth) {
            match value {
                Some(value) => statement.sql(&column.expression).sql(" = ").bind(value.clone()),
                None => statement.sql(&column.expression).sql(" IS NULL"),
            };
            statement.sql(" AND ");
        }
        match (sort.get(depth), values.get(depth)) {
            (Some(column), Some(Some(value))) => {
                let (expression, beyond) =
                    (&column.expression, if column.descending == column.reversed { ">" } else { "<" });
                statement.sql(&format!("({expression} {beyond} ")).bind(value.clone());
                if column.can_be_missing() && !column.reversed {
                    statement.sql(&format!(" OR {expression} IS NULL"));
                }
                statement.sql(")")
            }
            // Before what has no value is all that has one; nothing comes after.
            (Some(column), _) if column.reversed => statement.sql(&format!("{} IS NOT NULL", column.expression)),
            (Some(_), _) => statement.sql("1 = 0"),
            (None, _) => statement.sql(if descending { "r.key < " } else { "r.key > " }).bind(cursor.k),
        };
        statement.sql(")");
    }
    statement.sql(")");
    Ok(())
}
