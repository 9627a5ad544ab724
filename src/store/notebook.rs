//! Notebook rows: what the contact notebook shows, beside the resources it comes from.

mod citizens;
mod unread;

use std::borrow::Cow;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::connection::{Connection, Statement, Value};
use super::{EntityTable, StoreError, type_of_key};
use crate::format::json::Node;
use crate::r4::definitions;

pub(super) use citizens::citizens;
pub use citizens::{CitizenQuery, Membership};
pub use unread::{Reader, UnreadQuery, UnreadRow};
pub(super) use unread::{comment_counts, count_unread, unread};

/// The notebook rows of one resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotebookRows {
    /// Set for a Patient.
    pub citizen: Option<CitizenRow>,
    /// What the timeline shows.
    pub entries: Vec<EntryRow>,
    /// Typed rows.
    pub entities: Vec<EntityRow>,
}

/// How the notebook rows of a resource are made, from its type and content. What it makes must depend on
/// nothing else: when a version is superseded, its rows are made again to be removed.
pub type Projection = fn(&str, &Node<'_>) -> NotebookRows;

/// One value of a typed row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Not stated.
    Nothing,
    /// A text, a code, a reference, or a number with its digits.
    Text(String),
    /// A whole number, or 0 and 1 for a boolean.
    Integer(i64),
    /// A date as it was written, with its beginning in µs since 1970 UTC.
    Date(String, Option<i64>),
    /// Several references.
    Texts(Vec<String>),
}

/// One row of a typed notebook table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityRow {
    /// The entity's table.
    pub table: &'static EntityTable,
    /// Place among the rows of its resource.
    pub ordinal: i32,
    /// The citizen: id of the Patient; empty for what is about nobody.
    pub citizen_id: String,
    /// Values, in the order of the entity's fields.
    pub cells: Vec<Cell>,
}

/// A citizen as the notebook's front page shows them; unknown values are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CitizenRow {
    pub name: String,
    pub kana: String,
    /// As written, with its precision.
    pub birth_date: String,
    pub gender: String,
    pub address: String,
    pub notebook_id: String,
    pub hospital_id: String,
    pub insured_id: String,
    /// Id of the Organization that manages them.
    pub municipality: String,
    /// Names and numbers, folded for searches, a line each.
    pub folded: String,
}

/// One line of the timeline.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryRow {
    /// Place among the entries of its resource.
    pub ordinal: i32,
    /// The citizen: id of the Patient.
    pub subject_id: String,
    /// A code of the notebook's categories.
    pub category: Cow<'static, str>,
    /// When it begins, µs since 1970 UTC; `None` when the resource has no date at all.
    pub happened_low: Option<i64>,
    /// When it ends, for periods.
    pub happened_high: Option<i64>,
    /// The date as written.
    pub date_text: String,
    /// One line, Japanese.
    pub title: String,
    /// More, Japanese; may be empty.
    pub detail: String,
    /// Status code of the resource.
    pub status: String,
    /// Security labels and handling tags, separated by commas.
    pub labels: String,
}

/// What to show of a timeline.
#[derive(Debug, Clone, Default)]
pub struct TimelineQuery {
    /// Key of the Patient.
    pub citizen: i64,
    /// Categories; empty for all.
    pub categories: Vec<String>,
    /// Only what happened at or after, µs.
    pub from: Option<i64>,
    /// Only what happened at or before, µs.
    pub to: Option<i64>,
    /// Entries a page.
    pub count: u32,
    /// Where the page before ended: (low, key, ordinal).
    pub after: Option<(i64, i64, i64)>,
}

/// One line of the timeline with the resource it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// Type of the resource.
    pub resource_type: &'static str,
    /// Its id.
    pub resource_id: String,
    /// Its key.
    pub key: i64,
    /// The line.
    pub entry: EntryRow,
}

#[derive(QueryableByName)]
struct CitizenRecord {
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kana: String,
    #[diesel(sql_type = Text)]
    birth_date: String,
    #[diesel(sql_type = Text)]
    gender: String,
    #[diesel(sql_type = Text)]
    address: String,
    #[diesel(sql_type = Text)]
    notebook_id: String,
    #[diesel(sql_type = Text)]
    hospital_id: String,
    #[diesel(sql_type = Text)]
    insured_id: String,
    #[diesel(sql_type = Text)]
    municipality: String,
    #[diesel(sql_type = Text)]
    folded: String,
    #[diesel(sql_type = Text)]
    id: String,
}

const CITIZEN: &str = "SELECT c.key, c.name, c.kana, c.birth_date, c.gender, c.address, c.notebook_id, c.hospital_id, c.insured_id, c.municipality, c.folded, r.id FROM notebook_citizen c JOIN resource r ON r.key = c.key ";

impl CitizenRecord {
    fn split(self) -> (i64, String, CitizenRow) {
        let row = CitizenRow {
            name: self.name,
            kana: self.kana,
            birth_date: self.birth_date,
            gender: self.gender,
            address: self.address,
            notebook_id: self.notebook_id,
            hospital_id: self.hospital_id,
            insured_id: self.insured_id,
            municipality: self.municipality,
            folded: self.folded,
        };
        (self.key, self.id, row)
    }
}

/// The citizen with a Patient id: key, id and row.
pub(super) fn citizen(
    connection: &mut Connection,
    patient_number: u8,
    id: &str,
) -> Result<Option<(i64, CitizenRow)>, StoreError> {
    let mut statement = Statement::new(CITIZEN);
    statement
        .sql("WHERE r.type = ")
        .bind(i64::from(patient_number))
        .sql(" AND r.id = ")
        .bind(id)
        .sql(" AND r.state = 1");
    let found: Vec<CitizenRecord> = connection.load(&statement)?;
    Ok(found.into_iter().next().map(|record| {
        let (key, _, row) = record.split();
        (key, row)
    }))
}

#[derive(QueryableByName)]
struct EntryRecord {
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = BigInt)]
    ordinal: i64,
    #[diesel(sql_type = Text)]
    category: String,
    #[diesel(sql_type = BigInt)]
    low: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    high: Option<i64>,
    #[diesel(sql_type = Text)]
    date_text: String,
    #[diesel(sql_type = Text)]
    title: String,
    #[diesel(sql_type = Text)]
    detail: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Text)]
    labels: String,
}

/// One page of a timeline, newest first; entries without any date come last.
pub(super) fn timeline(connection: &mut Connection, query: &TimelineQuery) -> Result<Vec<TimelineEntry>, StoreError> {
    let mut statement = Statement::new(
        "SELECT e.key, r.id, e.ordinal, e.category, e.low, e.high, e.date_text, e.title, e.detail, e.status, e.labels FROM notebook_entry e JOIN resource r ON r.key = e.key WHERE e.citizen = ",
    );
    statement.bind(query.citizen);
    if !query.categories.is_empty() {
        statement.sql(" AND e.category IN ").bind_list(query.categories.iter().map(String::as_str));
    }
    if let Some(from) = query.from {
        // A period that began before and still runs belongs to the asked time as well.
        statement.sql(" AND (e.low >= ").bind(from).sql(" OR e.high >= ").bind(from).sql(")");
    }
    if let Some(to) = query.to {
        statement.sql(" AND e.low <= ").bind(to);
    }
    if let Some((low, key, ordinal)) = query.after {
        statement
            .sql(" AND (e.low, e.key, e.ordinal) < (")
            .bind(low)
            .sql(", ")
            .bind(key)
            .sql(", ")
            .bind(ordinal)
            .sql(")");
    }
    statement.sql(" ORDER BY e.low DESC, e.key DESC, e.ordinal DESC LIMIT ").bind(i64::from(query.count));
    let found: Vec<EntryRecord> = connection.load(&statement)?;
    let definitions = definitions();
    Ok(found
        .into_iter()
        .map(|record| TimelineEntry {
            resource_type: definitions
                .resource_by_number(type_of_key(record.key))
                .map_or("", |found| found.name.as_str()),
            resource_id: record.id,
            key: record.key,
            entry: EntryRow {
                ordinal: i32::try_from(record.ordinal).unwrap_or(0),
                subject_id: String::new(),
                category: Cow::Owned(record.category),
                happened_low: (record.low != i64::MIN).then_some(record.low),
                happened_high: record.high,
                date_text: record.date_text,
                title: record.title,
                detail: record.detail,
                status: record.status,
                labels: record.labels,
            },
        })
        .collect())
}

/// The columns of the table of citizens.
pub const CITIZEN_COLUMNS: [&str; 11] = [
    "key",
    "name",
    "kana",
    "birth_date",
    "gender",
    "address",
    "notebook_id",
    "hospital_id",
    "insured_id",
    "municipality",
    "folded",
];

/// Values of a citizen row after its key, in the order of the table.
pub(super) fn citizen_values(row: &CitizenRow) -> Vec<Value> {
    [
        &row.name,
        &row.kana,
        &row.birth_date,
        &row.gender,
        &row.address,
        &row.notebook_id,
        &row.hospital_id,
        &row.insured_id,
        &row.municipality,
        &row.folded,
    ]
    .into_iter()
    .map(|text| Value::from(text.as_str()))
    .collect()
}
