//! Writes an overlay: rows of all kinds, sorted so that neighbouring tree pages are visited
//! together, several rows a statement.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use sha2::{Digest, Sha256};

use super::connection::{Connection, Statement, Value};
use super::entity;
use super::notebook::{CITIZEN_COLUMNS, EntityRow, citizen_values};
use super::write::{FastMap, Memory, WriteTransaction};
use super::{STATE_LIVE, STATE_REFERENCED, StoreError};
use crate::format::json;
use crate::r4::definitions;
use crate::search::extract::extract;
use crate::search::rows::IndexRows;

/// Characters of folded text in the clustered part of a string row.
pub(super) const STRING_START: usize = 48;
/// Longest text kept whole in an index; PostgreSQL refuses entries beyond 2,700 bytes.
const LONGEST_TEXT: usize = 512;
/// System URIs whose numbers are remembered.
const MOST_SYSTEMS: usize = 100_000;
/// Rows a statement, largest first. Three sizes keep the statement cache small.
const CHUNKS: [usize; 3] = [64, 8, 1];

/// Folded text as the string table keeps it: start and rest.
pub(super) fn split_string(folded: &str) -> (&str, &str) {
    match folded.char_indices().nth(STRING_START) {
        Some((place, _)) => folded.split_at(place),
        None => (folded, ""),
    }
}

/// A text as indexes keep it: whole, or its start with a hash of all of it.
pub(super) fn fit(text: &str) -> String {
    if text.len() <= LONGEST_TEXT {
        return text.to_owned();
    }
    let start: String = text.chars().take(LONGEST_TEXT / 8).collect();
    let hash = Sha256::digest(text.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{start}\u{2026}{hash}")
}

/// A span of time beyond this has a row in `long_date`, too.
pub(super) const DAY: i64 = 86_400_000_000;
/// The classes of long spans from 1 on: below how many µs.
pub(super) const LONG_CLASSES: [i64; 4] = [8 * DAY, 64 * DAY, 512 * DAY, 4096 * DAY];
/// The class of what is longer, or open.
pub(super) const OPEN_CLASS: i64 = 5;

/// The class of a span of time that is longer than a day.
pub(super) fn long_class(low: i64, high: i64) -> Option<i64> {
    let length = if low == i64::MIN || high == i64::MAX { i64::MAX } else { high.saturating_sub(low) };
    if length < DAY {
        return None;
    }
    let class = (1..).zip(LONG_CLASSES).find(|(_, longest)| length < *longest);
    Some(class.map_or(OPEN_CLASS, |(class, _)| class))
}

/// Index rows of one table, as values in the order of its columns (key included).
type Rows = Vec<Vec<Value>>;

/// A table and its columns, in the order in which it is clustered.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
}

pub(super) const TABLES: [Table; 10] = [
    Table { name: "token", columns: &["parameter", "code", "system", "key"] },
    Table { name: "string", columns: &["parameter", "start", "key", "exact", "rest"] },
    Table { name: "date", columns: &["parameter", "low", "high", "key"] },
    Table { name: "number", columns: &["parameter", "low", "high", "key"] },
    Table { name: "quantity", columns: &["parameter", "low", "high", "code", "system", "key"] },
    Table { name: "reference", columns: &["parameter", "target", "key"] },
    Table { name: "uri", columns: &["parameter", "uri", "version", "key"] },
    Table { name: "composite", columns: &["parameter", "code", "system", "text", "text_system", "low", "high", "key"] },
    Table { name: "position", columns: &["parameter", "x", "y", "z", "key"] },
    Table { name: "long_date", columns: &["parameter", "class", "low", "high", "key"] },
];

/// Rows to add and to remove, a list a table.
#[derive(Default)]
struct Delta {
    add: [Rows; 10],
    remove: [Rows; 10],
}

#[derive(QueryableByName)]
struct KeyRecord {
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = Text)]
    id: String,
}

/// Writes everything the overlay holds.
pub(super) fn write_overlay(transaction: &mut WriteTransaction<'_>) -> Result<(), StoreError> {
    let mut placeholders: Rows = Vec::new();
    let mut delta = Delta::default();
    let options = transaction.extract_options.clone();
    let mut old_rows: FastMap<i64, IndexRows> = FastMap::default();
    let mut old_entities: Vec<(i64, EntityRow)> = Vec::new();
    for (key, touched) in &transaction.touched {
        if let Some(body) = &touched.stored_body
            && let Ok(resource) = json::parse(body)
        {
            old_rows.insert(*key, extract(touched.type_number, &resource, &options));
            let name = definitions().resource_by_number(touched.type_number).map_or("", |found| found.name.as_str());
            old_entities.extend((transaction.project)(name, &resource).entities.into_iter().map(|row| (*key, row)));
        }
    }
    resolve_references(transaction, &old_rows, &old_entities, &mut placeholders)?;
    // Emptied before anything is looked up in it: what is known below must stay known until the end.
    if transaction.memory.systems.len() > MOST_SYSTEMS {
        transaction.memory.systems.clear();
    }
    let mut systems = BTreeSet::new();
    for rows in transaction.touched.values().map(|touched| &touched.rows).chain(old_rows.values()) {
        collect_systems(rows, &transaction.memory.systems, &mut systems);
    }
    intern_systems(transaction.connection, transaction.memory, &systems)?;

    let none = IndexRows::default();
    let mut texts = Vec::new();
    for (key, touched) in &transaction.touched {
        let names = Names { memory: transaction.memory, by_id: &transaction.by_id };
        let old = old_rows.get(key).unwrap_or(&none);
        difference(*key, old, &touched.rows, &names, &mut delta);
        texts.push((*key, old.text.as_deref(), touched.rows.text.as_deref()));
    }
    super::text::write(transaction.connection, &texts)?;
    super::owner::record(transaction, &old_rows)?;
    super::blob::record_uses(transaction)?;
    write_resources(transaction, placeholders)?;
    write_history(transaction)?;
    let Delta { add, remove } = delta;
    for ((table, mut add), remove) in TABLES.iter().zip(add).zip(remove) {
        for row in remove {
            let mut statement = Statement::new("DELETE FROM ");
            statement.sql(table.name);
            for (place, (column, value)) in table.columns.iter().zip(row).enumerate() {
                statement.sql(if place == 0 { " WHERE " } else { " AND " }).sql(column).sql(" = ").bind(value);
            }
            transaction.connection.execute(&statement)?;
        }
        add.sort_by(|left, right| compare_rows(left, right));
        insert(transaction.connection, table.name, table.columns, add)?;
    }
    write_notebook(transaction, old_entities)
}

/// What the rows' names stand for, all resolved by now.
struct Names<'a> {
    memory: &'a Memory,
    by_id: &'a FastMap<(u8, String), i64>,
}

impl Names<'_> {
    fn system(&self, uri: &str) -> i64 {
        if uri.is_empty() { 0 } else { self.memory.systems.get(uri).copied().unwrap_or(0) }
    }

    fn key(&self, type_number: u8, id: &str) -> Option<i64> {
        let name = (type_number, id.to_owned());
        self.by_id.get(&name).or_else(|| self.memory.keys.get(&name)).copied()
    }
}

/// Adds what is new and removes what is gone; both lists are sorted.
fn difference(key: i64, old: &IndexRows, new: &IndexRows, names: &Names<'_>, delta: &mut Delta) {
    fn part<T: Ord>(old: &[T], new: &[T], place: usize, delta: &mut Delta, row: impl Fn(&T) -> Option<Vec<Value>>) {
        let (mut left, mut right) = (old.iter().peekable(), new.iter().peekable());
        loop {
            match (left.peek(), right.peek()) {
                (Some(gone), Some(come)) if gone == come => {
                    left.next();
                    right.next();
                }
                (Some(gone), come) if come.is_none_or(|come| gone < come) => {
                    delta.remove[place].extend(row(gone));
                    left.next();
                }
                (_, Some(come)) => {
                    delta.add[place].extend(row(come));
                    right.next();
                }
                _ => break,
            }
        }
    }
    let number = |parameter: i32| Value::Integer(i64::from(parameter));
    let key_value = Value::Integer(key);
    part(&old.tokens, &new.tokens, 0, delta, |row| {
        Some(vec![number(row.parameter), fit(&row.code).into(), names.system(&row.system).into(), key_value.clone()])
    });
    part(&old.strings, &new.strings, 1, delta, |row| {
        let (start, rest) = split_string(&row.folded);
        Some(vec![number(row.parameter), start.into(), key_value.clone(), row.exact.into(), rest.into()])
    });
    part(&old.dates, &new.dates, 2, delta, |row| {
        Some(vec![number(row.parameter), row.low.into(), row.high.into(), key_value.clone()])
    });
    part(&old.numbers, &new.numbers, 3, delta, |row| {
        Some(vec![number(row.parameter), row.low.clone().into(), row.high.clone().into(), key_value.clone()])
    });
    part(&old.quantities, &new.quantities, 4, delta, |row| {
        Some(vec![
            number(row.parameter),
            row.low.clone().into(),
            row.high.clone().into(),
            fit(&row.code).into(),
            names.system(&row.system).into(),
            key_value.clone(),
        ])
    });
    part(&old.references, &new.references, 5, delta, |row| {
        let target = names.key(row.target_type, &row.target_id)?;
        Some(vec![number(row.parameter), target.into(), key_value.clone()])
    });
    part(&old.uris, &new.uris, 6, delta, |row| {
        Some(vec![number(row.parameter), fit(&row.uri).into(), fit(&row.version).into(), key_value.clone()])
    });
    part(&old.composites, &new.composites, 7, delta, |row| {
        Some(vec![
            number(row.parameter),
            fit(&row.code).into(),
            names.system(&row.system).into(),
            fit(&row.text).into(),
            names.system(&row.text_system).into(),
            row.low.clone().into(),
            row.high.clone().into(),
            key_value.clone(),
        ])
    });
    part(&old.positions, &new.positions, 8, delta, |row| {
        let point = row.point;
        Some(vec![number(row.parameter), point.x.into(), point.y.into(), point.z.into(), key_value.clone()])
    });
    part(&old.dates, &new.dates, 9, delta, |row| {
        let class = long_class(row.low, row.high)?;
        Some(vec![number(row.parameter), class.into(), row.low.into(), row.high.into(), key_value.clone()])
    });
}

fn collect_systems(rows: &IndexRows, known: &FastMap<String, i64>, out: &mut BTreeSet<String>) {
    let mut note = |uri: &str| {
        if !uri.is_empty() && !known.contains_key(uri) {
            out.insert(uri.to_owned());
        }
    };
    rows.tokens.iter().for_each(|row| note(&row.system));
    rows.quantities.iter().for_each(|row| note(&row.system));
    for row in &rows.composites {
        note(&row.system);
        note(&row.text_system);
    }
}

#[derive(QueryableByName)]
struct SystemRecord {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Gives every system a number. The table keeps the text cut by [`fit`]; memory the whole.
fn intern_systems(connection: &mut Connection, memory: &mut Memory, uris: &BTreeSet<String>) -> Result<(), StoreError> {
    for uri in uris {
        let fitted = fit(uri);
        let mut look_up = Statement::new("SELECT id FROM system WHERE uri = ");
        look_up.bind(fitted.as_str());
        let id = match connection.load::<SystemRecord>(&look_up)?.first() {
            Some(found) => found.id,
            None => {
                let mut add = Statement::new("INSERT INTO system (id, uri) SELECT coalesce(max(id), 0) + 1, ");
                add.sql("CAST(").bind(fitted.as_str()).sql(" AS TEXT) FROM system");
                connection.execute(&add)?;
                connection.load::<SystemRecord>(&look_up)?.first().map_or(0, |found| found.id)
            }
        };
        memory.systems.insert(uri.clone(), id);
    }
    Ok(())
}

/// Makes sure that every referenced resource has a key; those never seen get a placeholder.
fn resolve_references(
    transaction: &mut WriteTransaction<'_>,
    old_rows: &FastMap<i64, IndexRows>,
    old_entities: &[(i64, EntityRow)],
    placeholders: &mut Rows,
) -> Result<(), StoreError> {
    let mut unknown: FastMap<u8, BTreeSet<String>> = FastMap::default();
    let limit = 500_000;
    if transaction.memory.keys.len() > limit {
        transaction.memory.keys.clear();
    }
    let references = transaction
        .touched
        .values()
        .map(|touched| &touched.rows)
        .chain(old_rows.values())
        .flat_map(|rows| &rows.references);
    let notebooks = || transaction.touched.values().map(|touched| &touched.notebook);
    let citizens = notebooks().flat_map(|rows| &rows.entries).map(|entry| &entry.subject_id);
    let citizens = citizens.chain(notebooks().flat_map(|rows| &rows.entities).map(|row| &row.citizen_id));
    let citizens = citizens.chain(old_entities.iter().map(|(_, row)| &row.citizen_id));
    let patient = patient_number();
    let names = references
        .map(|row| (row.target_type, row.target_id.as_str()))
        .chain(citizens.filter(|id| !id.is_empty()).map(|id| (patient, id.as_str())));
    let mut last: Option<(u8, &str)> = None;
    for (type_number, id) in names {
        if last == Some((type_number, id)) {
            continue;
        }
        last = Some((type_number, id));
        let name = (type_number, id.to_owned());
        if !transaction.by_id.contains_key(&name) && !transaction.memory.keys.contains_key(&name) {
            unknown.entry(type_number).or_default().insert(name.1);
        }
    }
    for (type_number, ids) in unknown {
        let ids: Vec<String> = ids.into_iter().collect();
        for chunk in ids.chunks(64) {
            let mut statement = Statement::new("SELECT key, id FROM resource WHERE type = ");
            statement.bind(i64::from(type_number)).sql(" AND id IN ");
            // Padded to a power of two, so that few statement texts occur.
            let padding = chunk.len().next_power_of_two() - chunk.len();
            let last = chunk.last().cloned().into_iter().cycle().take(padding);
            statement.bind_list(chunk.iter().cloned().chain(last));
            for found in transaction.connection.load::<KeyRecord>(&statement)? {
                transaction.memory.keys.insert((type_number, found.id), found.key);
            }
            for id in chunk {
                let name = (type_number, id.clone());
                if !transaction.memory.keys.contains_key(&name) {
                    let key = transaction.new_key(type_number);
                    placeholders.push(vec![
                        key.into(),
                        i64::from(type_number).into(),
                        id.clone().into(),
                        0.into(),
                        0.into(),
                        0.into(),
                        STATE_REFERENCED.into(),
                        Vec::new().into(),
                    ]);
                    transaction.memory.keys.insert(name.clone(), key);
                    transaction.heads.remove(&name);
                }
            }
        }
    }
    Ok(())
}

fn patient_number() -> u8 {
    definitions().resource_number("Patient").unwrap_or(0)
}

fn write_resources(transaction: &mut WriteTransaction<'_>, placeholders: Rows) -> Result<(), StoreError> {
    let mut inserts = placeholders;
    let touched = if transaction.only_index { None } else { Some(transaction.touched.values()) };
    for touched in touched.into_iter().flatten() {
        let head = &touched.head;
        if touched.is_new {
            inserts.push(vec![
                head.key.into(),
                i64::from(touched.type_number).into(),
                touched.id.as_str().into(),
                head.version.into(),
                head.updated.into(),
                (head.method as i64).into(),
                head.state.into(),
                Value::Bytes(head.body.clone()),
            ]);
        } else {
            let mut statement = Statement::new("UPDATE resource SET version = ");
            statement
                .bind(head.version)
                .sql(", updated = ")
                .bind(head.updated)
                .sql(", method = ")
                .bind(head.method as i64);
            statement.sql(", state = ").bind(head.state).sql(", body = ").bind(Value::Bytes(head.body.clone()));
            statement.sql(" WHERE key = ").bind(head.key);
            transaction.connection.execute(&statement)?;
        }
    }
    inserts.sort_by(|left, right| compare_rows(left, right));
    let columns = ["key", "type", "id", "version", "updated", "method", "state", "body"];
    insert_strict(transaction.connection, "resource", &columns, inserts)
}

fn write_history(transaction: &mut WriteTransaction<'_>) -> Result<(), StoreError> {
    let mut past = Vec::with_capacity(transaction.past.len());
    for version in transaction.past.drain(..) {
        let body = zstd::bulk::compress(&version.body, 3).map_err(|error| StoreError::Database(error.to_string()))?;
        past.push(vec![
            version.key.into(),
            version.version.into(),
            version.updated.into(),
            (version.method as i64).into(),
            body.into(),
        ]);
    }
    insert_strict(transaction.connection, "version", &["key", "version", "updated", "method", "body"], past)?;
    let mut changes = Vec::with_capacity(transaction.changes.len());
    for change in transaction.changes.drain(..) {
        changes.push(vec![
            transaction.memory.next_seq.into(),
            change.key.into(),
            change.version.into(),
            i64::from(change.type_number).into(),
            change.updated.into(),
            (change.method as i64).into(),
        ]);
        transaction.memory.next_seq += 1;
    }
    insert_strict(transaction.connection, "change", &["seq", "key", "version", "type", "updated", "method"], changes)
}

fn write_notebook(transaction: &mut WriteTransaction<'_>, gone: Vec<(i64, EntityRow)>) -> Result<(), StoreError> {
    let patient = patient_number();
    let mut entries = Vec::new();
    let mut citizens = Vec::new();
    let mut superseded = Vec::new();
    let mut entities = entity::Written::new();
    for (key, touched) in &transaction.touched {
        if touched.stored_body.is_some() {
            superseded.push((*key, touched.type_number == patient));
        }
        if let Some(citizen) = &touched.notebook.citizen
            && touched.head.state == STATE_LIVE
        {
            let mut row = vec![(*key).into()];
            row.extend(citizen_values(citizen));
            citizens.push(row);
        }
        let names = Names { memory: transaction.memory, by_id: &transaction.by_id };
        for row in &touched.notebook.entities {
            let citizen = if row.citizen_id.is_empty() { Some(0) } else { names.key(patient, &row.citizen_id) };
            if let Some(citizen) = citizen {
                entity::add(&mut entities, row, *key, citizen);
            }
        }
        for entry in &touched.notebook.entries {
            let Some(citizen) = names.key(patient, &entry.subject_id) else { continue };
            entries.push(vec![
                (*key).into(),
                i64::from(entry.ordinal).into(),
                citizen.into(),
                entry.category.as_ref().into(),
                entry.happened_low.unwrap_or(i64::MIN).into(),
                Value::OptionalInteger(entry.happened_high),
                entry.date_text.as_str().into(),
                entry.title.as_str().into(),
                entry.detail.as_str().into(),
                entry.status.as_str().into(),
                entry.labels.as_str().into(),
            ]);
        }
    }
    for (key, row) in gone {
        let citizen = if row.citizen_id.is_empty() {
            Some(0)
        } else {
            Names { memory: transaction.memory, by_id: &transaction.by_id }.key(patient, &row.citizen_id)
        };
        if let Some(citizen) = citizen {
            entity::remove(transaction.connection, &row, key, citizen)?;
        }
    }
    for (key, is_citizen) in superseded {
        let mut statement = Statement::new("DELETE FROM notebook_entry WHERE key = ");
        statement.bind(key);
        transaction.connection.execute(&statement)?;
        if is_citizen {
            let mut statement = Statement::new("DELETE FROM notebook_citizen WHERE key = ");
            statement.bind(key);
            transaction.connection.execute(&statement)?;
        }
    }
    insert_strict(transaction.connection, "notebook_citizen", &CITIZEN_COLUMNS, citizens)?;
    for (table, (columns, mut rows)) in entities {
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        rows.sort_by(|left, right| {
            left.get(2)
                .zip(right.get(2))
                .map_or(Ordering::Equal, |(left, right)| {
                    compare_rows(std::slice::from_ref(left), std::slice::from_ref(right))
                })
                .then_with(|| compare_rows(left, right))
        });
        insert_strict(transaction.connection, table, &columns, rows)?;
    }
    let columns =
        ["key", "ordinal", "citizen", "category", "low", "high", "date_text", "title", "detail", "status", "labels"];
    entries.sort_by(|left, right| compare_rows(left, right));
    insert_strict(transaction.connection, "notebook_entry", &columns, entries)
}

fn compare_rows(left: &[Value], right: &[Value]) -> Ordering {
    for (left, right) in left.iter().zip(right) {
        let order = match (left, right) {
            (Value::Integer(left), Value::Integer(right)) => left.cmp(right),
            (Value::Text(left), Value::Text(right)) => left.cmp(right),
            (Value::Bytes(left), Value::Bytes(right)) => left.cmp(right),
            _ => Ordering::Equal,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Inserts rows; one that is there already stays (two equal values of one resource cut to one).
pub(super) fn insert(connection: &mut Connection, table: &str, columns: &[&str], rows: Rows) -> Result<(), StoreError> {
    insert_rows(connection, table, columns, rows, " ON CONFLICT DO NOTHING")
}

/// Inserts rows; one that is there already is an error.
fn insert_strict(connection: &mut Connection, table: &str, columns: &[&str], rows: Rows) -> Result<(), StoreError> {
    insert_rows(connection, table, columns, rows, "")
}

fn insert_rows(
    connection: &mut Connection,
    table: &str,
    columns: &[&str],
    rows: Rows,
    end: &str,
) -> Result<(), StoreError> {
    let mut rows = rows.into_iter();
    for size in CHUNKS {
        while rows.len() >= size {
            let mut statement = Statement::new("INSERT INTO ");
            statement.sql(table).sql(" (").sql(&columns.join(", ")).sql(") VALUES ");
            for (place, row) in rows.by_ref().take(size).enumerate() {
                if place > 0 {
                    statement.sql(", ");
                }
                statement.bind_list(row);
            }
            statement.sql(end);
            connection.execute(&statement)?;
        }
    }
    Ok(())
}
