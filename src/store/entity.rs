//! Typed notebook tables: a row for each thing of the notebook, found by citizen and by its columns.
//!
//! The tables select and order; what a row says is read again from the resource, which is at hand
//! then. They are described by who knows the notebook ([`EntityTable`]), written in the transaction of
//! the resource, and rebuilt with all that is derived.

use std::collections::BTreeMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};

use super::StoreError;
use super::connection::{Connection, Statement, Value};
use super::notebook::{Cell, EntityRow, Membership};
use super::record::VersionRecord;
use super::search::Found;
use super::type_of_key;

/// What orders rows without a date.
const MISSING: i64 = i64::MIN + 1;

/// A table of the notebook.
#[derive(Debug, PartialEq, Eq)]
pub struct EntityTable {
    /// Its name.
    pub name: String,
    /// Its columns after key, ordinal and citizen; a date has a second one, `<name>_at`, in µs.
    pub columns: Vec<EntityColumn>,
}

/// A column of a notebook table.
#[derive(Debug, PartialEq, Eq)]
pub struct EntityColumn {
    /// Its name.
    pub name: &'static str,
    /// Text, number or date.
    pub kind: ColumnKind,
    /// Whether rows are looked up by it.
    pub indexed: bool,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Text; several references as a JSON array.
    Text,
    /// A whole number or a boolean.
    Integer,
    /// Text as written, and its beginning in a column beside it.
    Date,
}

impl EntityTable {
    /// The names of all columns, in order.
    #[must_use]
    pub fn column_names(&self) -> Vec<String> {
        let mut names: Vec<String> = ["key", "ordinal", "citizen"].map(str::to_owned).to_vec();
        for column in &self.columns {
            names.push(column.name.to_owned());
            if column.kind == ColumnKind::Date {
                names.push(format!("{}_at", column.name));
            }
        }
        names
    }

    /// The table in SQL, as the migrations of both databases have it.
    #[must_use]
    pub fn definition(&self, is_postgres: bool) -> String {
        let integer = if is_postgres { "BIGINT" } else { "INTEGER" };
        let mut lines = vec![
            format!("    key {integer} NOT NULL"),
            format!("    ordinal {integer} NOT NULL"),
            format!("    citizen {integer} NOT NULL"),
        ];
        for column in &self.columns {
            match column.kind {
                ColumnKind::Text => lines.push(format!("    {} TEXT", column.name)),
                ColumnKind::Integer => lines.push(format!("    {} {integer}", column.name)),
                ColumnKind::Date => {
                    lines.push(format!("    {} TEXT", column.name));
                    lines.push(format!("    {}_at {integer}", column.name));
                }
            }
        }
        lines.push("    PRIMARY KEY (citizen, key, ordinal)".to_owned());
        let end = if is_postgres { ")" } else { ") WITHOUT ROWID" };
        let mut sql = format!("CREATE TABLE {} (\n{}\n{end};\n", self.name, lines.join(",\n"));
        for column in self.columns.iter().filter(|column| column.indexed) {
            let (table, name) = (&self.name, column.name);
            let columns = match column.kind {
                ColumnKind::Date => format!("citizen, {name}_at, key, ordinal"),
                _ => format!("{name}, citizen"),
            };
            sql.push_str(&format!("CREATE INDEX {table}_by_{name} ON {table} ({columns});\n"));
        }
        sql
    }
}

/// Which rows of a notebook table.
#[derive(Debug, Clone)]
pub struct EntityQuery {
    /// The table.
    pub table: &'static EntityTable,
    /// Key of the Patient; `None` for all.
    pub citizen: Option<i64>,
    /// Those in whose teams somebody is, when no citizen is named.
    pub team: Option<Membership>,
    /// Columns that have this text.
    pub equal: Vec<(&'static str, String)>,
    /// Columns of several references that hold this one.
    pub holding: Vec<(&'static str, String)>,
    /// Columns (dates) at or after, at or before, µs.
    pub between: Vec<(&'static str, Option<i64>, Option<i64>)>,
    /// The date column to order by, newest first; by key without one.
    pub order: Option<&'static str>,
    /// Oldest first.
    pub ascending: bool,
    /// Most rows.
    pub count: u32,
    /// Where the page before ended: (order value, key, ordinal).
    pub after: Option<(i64, i64, i64)>,
}

impl EntityQuery {
    /// All rows of a citizen, in order of their keys.
    #[must_use]
    pub const fn of(table: &'static EntityTable, citizen: i64, count: u32) -> Self {
        Self {
            table,
            citizen: Some(citizen),
            team: None,
            equal: Vec::new(),
            holding: Vec::new(),
            between: Vec::new(),
            order: None,
            ascending: false,
            count,
            after: None,
        }
    }
}

/// A row that was found, with its resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityFound {
    /// The resource.
    pub resource: Found,
    /// Place among the rows of the resource.
    pub ordinal: i64,
    /// The value it was ordered by.
    pub order: i64,
}

#[derive(QueryableByName)]
struct Record {
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = BigInt)]
    ordinal: i64,
    #[diesel(sql_type = BigInt)]
    place: i64,
    #[diesel(embed)]
    version: VersionRecord,
}

/// Rows without a date come last, whichever way they are ordered; in the order of an index, at its
/// beginning.
fn order_by(query: &EntityQuery) -> String {
    let missing = if query.ascending { i64::MAX } else { MISSING };
    let Some(column) = query.order else { return "e.key".to_owned() };
    let is_indexed = query.table.columns.iter().any(|known| known.name == column && known.indexed);
    if is_indexed { format!("e.{column}_at") } else { format!("coalesce(e.{column}_at, {missing})") }
}

/// One page of a notebook table: its rows are chosen first, then their resources read.
pub(super) fn find(connection: &mut Connection, query: &EntityQuery) -> Result<Vec<EntityFound>, StoreError> {
    let order = order_by(query);
    let mut statement = Statement::new(
        "SELECT p.key, r.id, p.ordinal, p.place, r.version, r.updated, r.method, r.body FROM (SELECT e.key AS key, e.ordinal AS ordinal, ",
    );
    statement.sql(&order).sql(" AS place FROM ").sql(&query.table.name).sql(" e WHERE ");
    match (&query.citizen, &query.team) {
        (Some(citizen), _) => statement.sql("e.citizen = ").bind(*citizen),
        (None, Some(team)) => {
            statement.sql("e.citizen IN ");
            team.citizens(&mut statement)
        }
        (None, None) => statement.sql("e.citizen >= 0"),
    };
    for (column, text) in &query.equal {
        statement.sql(" AND e.").sql(column).sql(" = ").bind(text.as_str());
    }
    for (column, reference) in &query.holding {
        // A reference has none of LIKE's signs but perhaps `_`, which its own text meets as well.
        statement.sql(" AND e.").sql(column).sql(" LIKE ").bind(format!("%\"{reference}\"%"));
    }
    for (column, from, to) in &query.between {
        if let Some(from) = from {
            statement.sql(" AND e.").sql(column).sql("_at >= ").bind(*from);
        }
        if let Some(to) = to {
            statement.sql(" AND e.").sql(column).sql("_at <= ").bind(*to);
            statement.sql(" AND e.").sql(column).sql("_at > ").bind(MISSING);
        }
    }
    let (sign, direction) = if query.ascending { (" > ", " ASC") } else { (" < ", " DESC") };
    if let Some((place, key, ordinal)) = query.after {
        statement.sql(" AND (").sql(&order).sql(", e.key, e.ordinal)").sql(sign).sql("(");
        statement.bind(place).sql(", ").bind(key).sql(", ").bind(ordinal).sql(")");
    }
    for (table, is_outer) in [("e", false), ("p", true)] {
        let place = if is_outer { "p.place" } else { order.as_str() };
        statement.sql(" ORDER BY ").sql(place).sql(direction);
        statement.sql(", ").sql(table).sql(".key").sql(direction).sql(", ").sql(table).sql(".ordinal").sql(direction);
        if !is_outer {
            statement.sql(" LIMIT ").bind(i64::from(query.count));
            statement.sql(") p JOIN resource r ON r.key = p.key WHERE r.state = 1");
        }
    }
    let found: Vec<Record> = connection.load(&statement)?;
    Ok(found
        .into_iter()
        .map(|record| EntityFound {
            resource: Found {
                type_number: type_of_key(record.key),
                id: record.id,
                version: record.version.into(),
                key: record.key,
            },
            ordinal: record.ordinal,
            order: record.place,
        })
        .collect())
}

/// The rows of an overlay, by table.
pub(super) type Written = BTreeMap<&'static str, (Vec<String>, Vec<Vec<Value>>)>;

/// Adds a row to what is to be written.
pub(super) fn add(written: &mut Written, row: &EntityRow, key: i64, citizen: i64) {
    let table: &'static EntityTable = row.table;
    let (_, rows) = written.entry(&table.name).or_insert_with(|| (table.column_names(), Vec::new()));
    let mut values = vec![Value::Integer(key), i64::from(row.ordinal).into(), citizen.into()];
    for (column, cell) in table.columns.iter().zip(&row.cells) {
        match (column.kind, cell) {
            (ColumnKind::Integer, Cell::Integer(value)) => values.push((*value).into()),
            (ColumnKind::Integer, _) => values.push(Value::OptionalInteger(None)),
            (ColumnKind::Text, cell) => values.push(text(cell)),
            (ColumnKind::Date, Cell::Date(written, begins)) => {
                values.push(written.as_str().into());
                values.push(at(column, *begins));
            }
            (ColumnKind::Date, cell) => {
                values.push(text(cell));
                values.push(at(column, None));
            }
        }
    }
    rows.push(values);
}

/// Without a date, the beginning of an index.
fn at(column: &EntityColumn, begins: Option<i64>) -> Value {
    Value::OptionalInteger(if column.indexed { Some(begins.unwrap_or(MISSING)) } else { begins })
}

fn text(cell: &Cell) -> Value {
    match cell {
        Cell::Nothing => Value::OptionalText(None),
        Cell::Text(text) | Cell::Date(text, _) => text.as_str().into(),
        Cell::Integer(value) => value.to_string().into(),
        Cell::Texts(all) => serde_json::to_string(all).unwrap_or_default().into(),
    }
}

/// Takes out a row; which it is, is known from the body it came from.
pub(super) fn remove(connection: &mut Connection, row: &EntityRow, key: i64, citizen: i64) -> Result<(), StoreError> {
    let mut statement = Statement::new("DELETE FROM ");
    statement.sql(&row.table.name).sql(" WHERE citizen = ").bind(citizen).sql(" AND key = ").bind(key);
    statement.sql(" AND ordinal = ").bind(i64::from(row.ordinal));
    connection.execute(&statement)?;
    Ok(())
}
