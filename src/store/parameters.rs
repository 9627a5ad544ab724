//! Search parameters beyond the standard: which there are, and how their rows come and go while the
//! server runs.
//!
//! A number stands for one definition on one resource type, for ever: a changed definition gets new
//! numbers, and none is given twice. So the rows of a number are at any time some of those that its
//! definition gives for the current bodies, and what becomes of them is one of four states:
//!
//! - *building*: every write keeps its rows, and the writer goes through what was there before, in
//!   order of keys, a step a transaction. How far it came is in the table: a process that is killed
//!   goes on where it was. What lies behind that place has all its rows; what lies before it may
//!   lack some, which are added when the writer comes there.
//! - *active*: all rows are there.
//! - *removing*: nobody reads or writes the rows; the writer deletes them, a step a transaction.
//! - *gone*: no rows are left. The entry stays, lest the number be given again.
//!
//! The resources that define parameters, this table and the `registry` setting change in one
//! transaction. Whoever writes compares the setting first; a search that reads such rows looks at the
//! table in its own snapshot. So several servers on one database agree.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary, Text};

use super::connection::{Connection, Statement};
use super::index::TABLES;
use super::notebook::NotebookRows;
use super::write::{Memory, WriteTransaction};
use super::{Store, StoreError};
use crate::format::json;
use crate::r4::definitions;
use crate::search::custom::{self, definition_text};
use crate::search::extract::{ExtractOptions, extract_some};
use crate::search::query::Query;
use crate::search::registry::{Custom, Registry, custom_number, identifier_number, registry, serial_of};
use crate::search::rows::second_form;

const BUILDING: i64 = 0;
const ACTIVE: i64 = 1;
const REMOVING: i64 = 2;
const GONE: i64 = 3;

/// Resources whose rows are added in one transaction.
const BUILD_STEP: i64 = 200;
/// Rows of a table that are removed in one transaction.
const REMOVE_STEP: i64 = 2000;

/// The registry that is in use; a reader takes it once.
#[derive(Debug)]
pub(super) struct InUse(RwLock<Arc<Registry>>);

impl InUse {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self(RwLock::new(registry))
    }

    pub(super) fn get(&self) -> Arc<Registry> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, registry: Arc<Registry>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = registry;
    }
}

/// What becomes of a parameter on one resource type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterState {
    /// Number of the resource type.
    pub type_number: u8,
    /// Its code.
    pub code: String,
    /// Canonical URL of its definition.
    pub url: String,
    /// `None` while its rows are removed; else whether all of them are there.
    pub complete: Option<bool>,
    /// Resources looked at so far.
    pub done: i64,
    /// Resources there were when it began.
    pub total: i64,
}

/// A parameter that a search used although not all resources are indexed by it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Number of the resource type.
    pub type_number: u8,
    /// The code of the parameter.
    pub code: String,
    /// Share of the resources that are indexed, in percent.
    pub percent: i64,
}

#[derive(QueryableByName, Debug, Clone)]
struct Row {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = BigInt, column_name = "type")]
    type_number: i64,
    #[diesel(sql_type = Text)]
    code: String,
    #[diesel(sql_type = Text)]
    url: String,
    #[diesel(sql_type = Text)]
    source: String,
    #[diesel(sql_type = Text)]
    definition: String,
    #[diesel(sql_type = BigInt)]
    state: i64,
    #[diesel(sql_type = BigInt)]
    position: i64,
    #[diesel(sql_type = BigInt)]
    done: i64,
    #[diesel(sql_type = BigInt)]
    total: i64,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Body {
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Binary)]
    body: Vec<u8>,
}

const COLUMNS: &str =
    "SELECT number, type, code, url, source, definition, state, position, done, total FROM search_parameter";
/// The `registry` setting, as a number, in a statement of any kind.
pub(super) const GENERATION: &str = "coalesce((SELECT CAST(value AS BIGINT) FROM setting WHERE name = 'registry'), 0)";

fn rows(connection: &mut Connection, condition: &str) -> Result<Vec<Row>, StoreError> {
    connection.load(&Statement::new(&format!("{COLUMNS} WHERE {condition} ORDER BY number")))
}

fn number(connection: &mut Connection, statement: &Statement) -> Result<i64, StoreError> {
    Ok(connection.load::<Number>(statement)?.first().map_or(0, |found| found.n))
}

impl Row {
    fn custom(&self) -> Option<Custom> {
        Some(Custom {
            number: i32::try_from(self.number).ok()?,
            type_number: u8::try_from(self.type_number).ok()?,
            definition: Arc::new(custom::frozen(&self.definition)?),
            source: (!self.source.is_empty()).then(|| self.source.as_str().into()),
        })
    }

    fn percent(&self) -> i64 {
        if self.total <= 0 { 99 } else { (self.done.max(0) * 100 / self.total).min(99) }
    }
}

/// The generation of the parameters in the database.
pub(super) fn generation(connection: &mut Connection) -> Result<i64, StoreError> {
    number(connection, &Statement::new(&format!("SELECT {GENERATION} AS n")))
}

/// The parameters as the database has them.
pub(super) fn load(connection: &mut Connection) -> Result<Arc<Registry>, StoreError> {
    let generation = generation(connection)?;
    let customs: Vec<Custom> =
        rows(connection, &format!("state IN ({BUILDING}, {ACTIVE})"))?.iter().filter_map(Row::custom).collect();
    if customs.is_empty() && generation == 0 {
        return Ok(Arc::clone(registry()));
    }
    let (made, unusable) = Registry::with(generation, &customs);
    if !unusable.is_empty() {
        tracing::error!(?unusable, "stored search parameters cannot be used by this version");
    }
    Ok(Arc::new(made))
}

/// A parameter that there should be.
struct Wanted {
    type_number: u8,
    code: String,
    url: String,
    source: String,
    definition: String,
}

/// What the stored SearchParameter resources and our own guide ask for. A code has one definition on
/// a type: stored ones come first, older ones before younger ones.
fn wanted(connection: &mut Connection) -> Result<Vec<Wanted>, StoreError> {
    let mut statement = Statement::new("SELECT key, id, body FROM resource WHERE state = 1 AND type = ");
    statement.bind(i64::from(defining_type())).sql(" ORDER BY key");
    let mut definitions = Vec::new();
    for record in connection.load::<Body>(&statement)? {
        let Ok(resource) = json::parse(&record.body) else { continue };
        definitions.extend(custom::active(&resource).map(|definition| (record.id, definition)));
    }
    definitions.extend(custom::own().iter().map(|definition| (String::new(), definition.clone())));
    let known: Vec<_> = definitions.iter().map(|(_, definition)| definition.clone()).collect();
    let mut taken: HashSet<(u8, String)> = HashSet::new();
    let mut wanted = Vec::new();
    for (source, definition) in definitions {
        let Some(frozen) = custom::freeze(&definition, &known) else { continue };
        for type_number in custom::types(&definition) {
            if custom::check_on(&frozen, type_number).is_ok() && taken.insert((type_number, definition.code.clone())) {
                wanted.push(Wanted {
                    type_number,
                    code: definition.code.clone(),
                    url: definition.url.clone(),
                    source: source.clone(),
                    definition: definition_text(&frozen),
                });
            }
        }
    }
    Ok(wanted)
}

/// The number of the resource type that defines parameters.
pub(super) fn defining_type() -> u8 {
    definitions().resource_number("SearchParameter").unwrap_or(0)
}

/// Makes the table what the definitions ask for, in the open transaction. Answers the parameters
/// when they changed.
pub(super) fn synchronise(connection: &mut Connection) -> Result<Option<Arc<Registry>>, StoreError> {
    let wanted = wanted(connection)?;
    let there = rows(connection, &format!("state IN ({BUILDING}, {ACTIVE})"))?;
    let mut there: BTreeMap<(i64, String, String, String), Row> = there
        .into_iter()
        .map(|row| ((row.type_number, row.code.clone(), row.source.clone(), row.definition.clone()), row))
        .collect();
    let mut new = Vec::new();
    for wanted in wanted {
        let name =
            (i64::from(wanted.type_number), wanted.code.clone(), wanted.source.clone(), wanted.definition.clone());
        if there.remove(&name).is_none() {
            new.push(wanted);
        }
    }
    if new.is_empty() && there.is_empty() {
        return Ok(None);
    }
    // What is defined alike elsewhere now is the same parameter, rows and all: our guide's, once they are resources.
    let mut added = Vec::new();
    for wanted in new {
        let is_same = |row: &&Row| {
            row.type_number == i64::from(wanted.type_number)
                && row.code == wanted.code
                && row.definition == wanted.definition
        };
        let name = there.iter().find(|(_, row)| is_same(row)).map(|(name, _)| name.clone());
        match name.and_then(|name| there.remove(&name)) {
            Some(row) => set_source(connection, row.number, &wanted)?,
            None => added.push(wanted),
        }
    }
    if !added.is_empty() || !there.is_empty() {
        let codes = |codes: Vec<&str>| codes.join(" ");
        let come = codes(added.iter().map(|wanted| wanted.code.as_str()).collect());
        let go = codes(there.values().map(|row| row.code.as_str()).collect());
        tracing::info!(come, go, "search parameters beyond the standard change");
    }
    for row in there.values() {
        tracing::debug!(code = row.code, url = row.url, number = row.number, "a search parameter goes");
        set_state(connection, row.number, REMOVING)?;
    }
    let highest = number(connection, &Statement::new("SELECT coalesce(max(number), 0) AS n FROM search_parameter"))?;
    let highest = i32::try_from(highest).unwrap_or(i32::MAX);
    let next = if highest == 0 { 0 } else { serial_of(highest).saturating_add(1) };
    for (serial, wanted) in (next..).zip(added) {
        let Some(given) = custom_number(serial, wanted.type_number) else {
            return Err(StoreError::Database("all numbers of search parameters are given".to_owned()));
        };
        let mut count = Statement::new("SELECT count(*) AS n FROM resource WHERE state = 1 AND type = ");
        count.bind(i64::from(wanted.type_number));
        let total = number(connection, &count)?;
        let state = if total == 0 { ACTIVE } else { BUILDING };
        tracing::debug!(code = wanted.code, url = wanted.url, number = given, total, "a search parameter comes");
        let mut add = Statement::new(
            "INSERT INTO search_parameter (number, type, code, url, source, definition, state, position, done, total) VALUES ",
        );
        add.bind_list([
            i64::from(given).into(),
            i64::from(wanted.type_number).into(),
            wanted.code.into(),
            wanted.url.into(),
            wanted.source.into(),
            wanted.definition.into(),
            state.into(),
            0.into(),
            0.into(),
            super::connection::Value::Integer(total),
        ]);
        connection.execute(&add)?;
    }
    let generation = generation(connection)? + 1;
    let mut statement = Statement::new("INSERT INTO setting (name, value) VALUES ('registry', ");
    let text = generation.to_string();
    statement.bind(text.as_str()).sql(") ON CONFLICT (name) DO UPDATE SET value = ").bind(text.as_str());
    connection.execute(&statement)?;
    load(connection).map(Some)
}

fn set_source(connection: &mut Connection, number: i64, wanted: &Wanted) -> Result<(), StoreError> {
    let mut statement = Statement::new("UPDATE search_parameter SET source = ");
    statement.bind(wanted.source.as_str()).sql(", url = ").bind(wanted.url.as_str());
    statement.sql(" WHERE number = ").bind(number);
    connection.execute(&statement).map(|_| ())
}

fn set_state(connection: &mut Connection, number: i64, state: i64) -> Result<(), StoreError> {
    let mut statement = Statement::new("UPDATE search_parameter SET state = ");
    statement.bind(state).sql(" WHERE number = ").bind(number);
    connection.execute(&statement).map(|_| ())
}

/// The parameters at start: what our guide defines may have changed with the program.
pub(super) fn open(connection: &mut Connection) -> Result<Arc<Registry>, StoreError> {
    connection.batch(if connection.is_postgres() { "BEGIN" } else { "BEGIN IMMEDIATE" })?;
    connection.lock_writers()?;
    let registry = match synchronise(connection)? {
        Some(changed) => changed,
        None => load(connection)?,
    };
    connection.batch("COMMIT")?;
    Ok(registry)
}

/// Whether there is work for [`step`].
pub(super) fn is_pending(connection: &mut Connection) -> Result<bool, StoreError> {
    let count = format!("SELECT count(*) AS n FROM search_parameter WHERE state IN ({BUILDING}, {REMOVING})");
    Ok(number(connection, &Statement::new(&count))? > 0)
}

/// One step of adding or removing rows, in the open transaction; `false` when nothing is left to do.
pub(super) fn step(
    connection: &mut Connection,
    memory: &mut Memory,
    options: &ExtractOptions,
) -> Result<bool, StoreError> {
    let waiting = rows(connection, &format!("state IN ({BUILDING}, {REMOVING})"))?;
    if let Some(first) = waiting.iter().find(|row| row.state == BUILDING) {
        // Those that are at the same place go together.
        let is_along =
            |row: &&Row| (row.state, row.type_number, row.position) == (BUILDING, first.type_number, first.position);
        let group: Vec<&Row> = waiting.iter().filter(is_along).collect();
        build(connection, memory, options, &group)?;
        return Ok(true);
    }
    let Some(first) = waiting.first() else { return Ok(false) };
    remove(connection, first)?;
    Ok(true)
}

fn build(
    connection: &mut Connection,
    memory: &mut Memory,
    options: &ExtractOptions,
    group: &[&Row],
) -> Result<(), StoreError> {
    let Some(first) = group.first() else { return Ok(()) };
    let mut statement = Statement::new("SELECT key, id, body FROM resource WHERE state = 1 AND type = ");
    statement.bind(first.type_number).sql(" AND key > ").bind(first.position);
    statement.sql(" ORDER BY key LIMIT ").bind(BUILD_STEP);
    let found = connection.load::<Body>(&statement)?;
    let count = i64::try_from(found.len()).unwrap_or(BUILD_STEP);
    let position = found.last().map_or(first.position, |last| last.key);
    let numbers: HashSet<i64> = group.iter().map(|row| row.number).collect();
    let mut transaction = WriteTransaction::new(connection, memory, 0, options.clone());
    transaction.only_index = true;
    for record in found {
        let body = Bytes::from(record.body);
        // A damaged body has no rows; reading it says so.
        let Ok(resource) = json::parse(&body) else { continue };
        let rows = extract_some(super::type_of_key(record.key), &resource, options, |parameter| {
            numbers.contains(&i64::from(parameter.number))
        });
        drop(resource);
        transaction.reindex(record.key, record.id, body, rows, NotebookRows::default());
    }
    transaction.flush()?;
    drop(transaction);
    let is_last = count < BUILD_STEP;
    for row in group {
        let mut statement = Statement::new("UPDATE search_parameter SET position = ");
        statement.bind(position).sql(", done = done + ").bind(count);
        statement.sql(", state = ").bind(if is_last { ACTIVE } else { BUILDING });
        statement.sql(" WHERE number = ").bind(row.number);
        connection.execute(&statement)?;
        let percent = |done: i64| if row.total > 0 { done * 10 / row.total } else { 0 };
        if is_last {
            tracing::info!(
                code = row.code,
                url = row.url,
                resources = row.done + count,
                "a search parameter is complete"
            );
        } else if percent(row.done) != percent(row.done + count) {
            tracing::info!(code = row.code, url = row.url, done = row.done + count, total = row.total, "reindexing");
        }
    }
    Ok(())
}

fn remove(connection: &mut Connection, row: &Row) -> Result<(), StoreError> {
    let own = i32::try_from(row.number).unwrap_or(0);
    let mut removed = 0;
    let numbers = [own, identifier_number(own)];
    for number in numbers.into_iter().chain(numbers.map(second_form)) {
        for table in &TABLES {
            let columns = table.columns.join(", ");
            let mut statement = Statement::new("DELETE FROM ");
            statement.sql(table.name).sql(" WHERE (").sql(&columns).sql(") IN (SELECT ").sql(&columns);
            statement.sql(" FROM ").sql(table.name).sql(" WHERE parameter = ").bind(i64::from(number));
            statement.sql(" LIMIT ").bind(REMOVE_STEP).sql(")");
            removed += connection.execute(&statement)?;
        }
    }
    if removed == 0 {
        tracing::info!(code = row.code, url = row.url, "the rows of a search parameter are removed");
        set_state(connection, row.number, GONE)?;
    }
    Ok(())
}

/// After a rebuild of everything: what was building is complete, what was going is gone.
pub(super) fn all_built(connection: &mut Connection) -> Result<(), StoreError> {
    for (from, to) in [(BUILDING, ACTIVE), (REMOVING, GONE)] {
        let mut statement = Statement::new("UPDATE search_parameter SET state = ");
        statement.bind(to).sql(" WHERE state = ").bind(from);
        connection.execute(&statement)?;
    }
    Ok(())
}

/// Whether the rows that a query reads are there: those that are not all there yet; an error when a
/// parameter is no longer what it was when the query was read.
pub(super) fn unfinished(connection: &mut Connection, query: &Query) -> Result<Vec<Unfinished>, StoreError> {
    let mut numbers = query.customs();
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    // A derived number stands and falls with its reference.
    for number in &mut numbers {
        if (*number >> 8) & 1 == 1 {
            *number -= 256;
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    let mut statement = Statement::new(COLUMNS);
    statement.sql(&format!(" WHERE state IN ({BUILDING}, {ACTIVE}) AND number IN "));
    statement.bind_list(numbers.iter().map(|number| i64::from(*number))).sql(" ORDER BY number").uncached();
    let there = connection.load::<Row>(&statement)?;
    if there.len() < numbers.len() {
        return Err(StoreError::Outdated);
    }
    let building = there.iter().filter(|row| row.state == BUILDING);
    Ok(building
        .map(|row| Unfinished {
            type_number: u8::try_from(row.type_number).unwrap_or(0),
            code: row.code.clone(),
            percent: row.percent(),
        })
        .collect())
}

/// Refuses to decide by rows that are not all there.
pub(super) fn must_be_finished(connection: &mut Connection, query: &Query) -> Result<(), StoreError> {
    match unfinished(connection, query)?.into_iter().next() {
        None => Ok(()),
        Some(unfinished) => Err(StoreError::Unfinished(unfinished)),
    }
}

impl Store {
    /// The search parameters as they are now. A request takes them once.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.get()
    }

    /// What becomes of the parameters that a SearchParameter defines or defined, by its id; without
    /// one of all. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn parameter_states(&self, source: Option<&str>) -> Result<Vec<ParameterState>, StoreError> {
        let mut statement = Statement::new(COLUMNS);
        statement.sql(&format!(" WHERE state <> {GONE}"));
        if let Some(source) = source {
            statement.sql(" AND source = ").bind(source);
        }
        statement.sql(" ORDER BY number");
        let found = self.reader()?.load::<Row>(&statement)?;
        Ok(found
            .into_iter()
            .map(|row| ParameterState {
                type_number: u8::try_from(row.type_number).unwrap_or(0),
                complete: (row.state != REMOVING).then_some(row.state == ACTIVE),
                code: row.code,
                url: row.url,
                done: row.done,
                total: row.total,
            })
            .collect())
    }
}
