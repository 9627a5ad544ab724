//! Past versions: one resource's, a type's, everything's.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};

use super::connection::{Connection, Statement};
use super::cursor::{Cursor, CursorKey};
use super::record::VersionRecord;
use super::{StoreError, Version, type_of_key};
use crate::r4::definitions;
use crate::search::registry::registry;

/// Whose history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryScope {
    /// One resource.
    Instance(u8, String),
    /// All of a type.
    Type(u8),
    /// Everything.
    System,
}

/// What to show of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Whose.
    pub scope: HistoryScope,
    /// `_since`: versions made at or after, µs.
    pub since: Option<i64>,
    /// `_at`: versions current at some time of this span, µs, inclusive.
    pub at: Option<(i64, i64)>,
    /// `_list`: versions of what a List, by its id, points at.
    pub list: Option<String>,
    /// Oldest first.
    pub ascending: bool,
    /// Versions a page.
    pub count: u32,
    /// Position where the page before ended.
    pub cursor: Option<String>,
}

/// A page of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// In order.
    pub changes: Vec<Change>,
    /// Versions on all pages.
    pub total: i64,
    /// Position of the next page.
    pub next: Option<String>,
}

/// One version in a history, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Number of the resource type.
    pub type_number: u8,
    /// Logical id.
    pub id: String,
    /// The version.
    pub version: Version,
    /// Position in the order of the history.
    pub position: i64,
}

#[derive(QueryableByName)]
struct Record {
    #[diesel(sql_type = BigInt)]
    position: i64,
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(embed)]
    version: VersionRecord,
    #[diesel(sql_type = BigInt)]
    compressed: i64,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// All versions as rows `h(position, key, id, version, updated, method, body, compressed, until)`.
fn versions(query: &HistoryQuery) -> Statement {
    let mut statement = Statement::default();
    match &query.scope {
        HistoryScope::Instance(type_number, id) => {
            for (place, source) in ["r", "v"].into_iter().enumerate() {
                if place > 0 {
                    statement.sql(" UNION ALL ");
                }
                let compressed = i32::from(source == "v");
                statement.sql(&format!("SELECT {source}.version AS position, r.key, r.id, {source}.version, {source}.updated, {source}.method, {source}.body, {compressed} AS compressed, "));
                statement.sql(if source == "r" {
                    "CAST(NULL AS BIGINT) AS until FROM resource r"
                } else {
                    "coalesce((SELECT n.updated FROM version n WHERE n.key = v.key AND n.version = v.version + 1), r.updated) AS until FROM resource r JOIN version v ON v.key = r.key"
                });
                statement
                    .sql(" WHERE r.state <> 0 AND r.type = ")
                    .bind(i64::from(*type_number))
                    .sql(" AND r.id = ")
                    .bind(id.as_str());
            }
        }
        scope => {
            statement.sql("SELECT c.seq AS position, c.key, r.id, c.version, c.updated, c.method, coalesce(v.body, r.body) AS body, CASE WHEN v.key IS NULL THEN 0 ELSE 1 END AS compressed, ");
            statement.sql("coalesce((SELECT n.updated FROM version n WHERE n.key = c.key AND n.version = c.version + 1), CASE WHEN r.version > c.version THEN r.updated END) AS until ");
            statement.sql("FROM change c JOIN resource r ON r.key = c.key LEFT JOIN version v ON v.key = c.key AND v.version = c.version");
            if let HistoryScope::Type(type_number) = scope {
                statement.sql(" WHERE c.type = ").bind(i64::from(*type_number));
            }
        }
    }
    statement
}

fn restrict(statement: &mut Statement, query: &HistoryQuery) {
    statement.sql(" WHERE 1 = 1");
    if let Some(since) = query.since {
        statement.sql(" AND h.updated >= ").bind(since);
    }
    if let Some((low, high)) = query.at {
        statement.sql(" AND h.updated <= ").bind(high).sql(" AND (h.until IS NULL OR h.until > ").bind(low).sql(")");
    }
    if let Some(list) = &query.list {
        // The reference parameter of List.entry.item.
        let of = definitions().resource_number("List").unwrap_or_default();
        let item = registry().find(of, "item").map_or(0, |parameter| i64::from(parameter.number));
        statement.sql(
            " AND h.key IN (SELECT f.target FROM reference f JOIN resource l ON l.key = f.key WHERE f.parameter = ",
        );
        statement.bind(item).sql(" AND l.state = 1 AND l.type = ").bind(i64::from(of)).sql(" AND l.id = ");
        statement.bind(list.as_str()).sql(")");
    }
}

/// One page and the number of versions over all pages.
pub(super) fn page(connection: &mut Connection, query: &HistoryQuery) -> Result<HistoryPage, StoreError> {
    let about = format!("history {:?} {}{}", query.scope, query.ascending, super::view::name());
    let position = match &query.cursor {
        Some(text) => Some(Cursor::read(text, &CursorKey::load(connection)?, &about)?.k),
        None => None,
    };
    let total = total(connection, query)?;
    if query.count == 0 {
        return Ok(HistoryPage { changes: Vec::new(), total, next: None });
    }
    let mut changes = changes(connection, query, position)?;
    let goes_on = changes.len() > query.count as usize;
    changes.truncate(query.count as usize);
    let next = match changes.last().filter(|_| goes_on) {
        Some(last) => {
            let cursor = Cursor { s: Vec::new(), k: last.position, t: None, b: false };
            Some(cursor.write(&CursorKey::load(connection)?, &about))
        }
        None => None,
    };
    Ok(HistoryPage { changes, total, next })
}

/// The versions from a position on; one more than asked when there is another page.
fn changes(
    connection: &mut Connection,
    query: &HistoryQuery,
    position: Option<i64>,
) -> Result<Vec<Change>, StoreError> {
    let mut statement = Statement::new(
        "SELECT h.position, h.key, h.id, h.version, h.updated, h.method, h.body, CAST(h.compressed AS BIGINT) AS compressed FROM (",
    );
    statement.append(versions(query)).sql(") h");
    restrict(&mut statement, query);
    if let Some(position) = position {
        statement.sql(if query.ascending { " AND h.position > " } else { " AND h.position < " }).bind(position);
    }
    let direction = if query.ascending { "" } else { " DESC" };
    statement.sql(&format!(" ORDER BY h.position{direction} LIMIT ")).bind(i64::from(query.count) + 1);
    connection.load::<Record>(&statement)?.into_iter().map(Record::change).collect()
}

/// Number of versions over all pages.
fn total(connection: &mut Connection, query: &HistoryQuery) -> Result<i64, StoreError> {
    let mut statement = match (&query.scope, query.at.is_none() && query.list.is_none()) {
        // The log alone answers; no join.
        (HistoryScope::Type(type_number), true) => {
            let mut statement = Statement::new("SELECT count(*) AS n FROM (SELECT updated FROM change WHERE type = ");
            statement.bind(i64::from(*type_number)).sql(") h");
            statement
        }
        (HistoryScope::System, true) => Statement::new("SELECT count(*) AS n FROM (SELECT updated FROM change) h"),
        _ => {
            let mut statement = Statement::new("SELECT count(*) AS n FROM (");
            statement.append(versions(query)).sql(") h");
            statement
        }
    };
    restrict(&mut statement, query);
    Ok(connection.load::<Count>(&statement)?.first().map_or(0, |count| count.n))
}

/// One past version by its number.
pub(super) fn version(
    connection: &mut Connection,
    type_number: u8,
    id: &str,
    version: i64,
) -> Result<Option<Version>, StoreError> {
    let query = HistoryQuery {
        scope: HistoryScope::Instance(type_number, id.to_owned()),
        since: None,
        at: None,
        list: None,
        ascending: false,
        count: 1,
        cursor: None,
    };
    Ok(changes(connection, &query, Some(version.saturating_add(1)))?
        .into_iter()
        .next()
        .map(|change| change.version)
        .filter(|found| found.version == version))
}

impl Record {
    fn change(self) -> Result<Change, StoreError> {
        let mut version = self.version;
        if self.compressed == 1 && !version.body.is_empty() {
            version.body = zstd::stream::decode_all(version.body.as_slice())
                .map_err(|error| StoreError::Database(format!("a past version is damaged: {error}")))?;
        }
        Ok(Change { type_number: type_of_key(self.key), id: self.id, version: version.into(), position: self.position })
    }
}
