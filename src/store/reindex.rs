//! Index and notebook rows are derived: they can be rebuilt from the bodies at any time.
//!
//! When a version is superseded its rows are computed again to be removed, so they must come out as
//! they were written. What they depend on beside the body is remembered in `setting`; a server that
//! would derive other rows refuses to start and asks for a rebuild.

use bytes::Bytes;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary, Text};

use super::connection::{Connection, Statement};
use super::index::TABLES;
use super::parameters;
use super::write::WriteTransaction;
use super::writer::load_memory;
use super::{EntityTable, StoreError, StoreOptions};
use crate::format::json;
use crate::r4::definitions;
use crate::search::extract::{ExtractOptions, extract};
use crate::search::rows::IndexRows;

/// Raised whenever the same body gives other rows than before.
const INDEX_FORMAT: u32 = 7;
/// Resources a step.
const STEP: i64 = 500;

/// What is made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuild {
    /// All index and notebook rows.
    Everything,
    /// The notebook's rows; those of the index stay, and must be of the present derivation.
    Notebook,
}

#[derive(QueryableByName)]
struct SettingRecord {
    #[diesel(sql_type = Text)]
    value: String,
}

#[derive(QueryableByName)]
struct BodyRecord {
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Binary)]
    body: Vec<u8>,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// What rows depend on beside the body.
fn derivation(options: &StoreOptions) -> String {
    let base_url = options.base_url.as_ref().map(|base_url| format!(", base_url {base_url}")).unwrap_or_default();
    format!(
        "format {INDEX_FORMAT}, time zone {} s, full_text {}{base_url}",
        options.default_offset_seconds,
        options.full_text.name()
    )
}

fn remembered(connection: &mut Connection) -> Result<Option<String>, StoreError> {
    let statement = Statement::new("SELECT value FROM setting WHERE name = 'index'");
    Ok(connection.load::<SettingRecord>(&statement)?.pop().map(|record| record.value))
}

fn remember(connection: &mut Connection, options: &StoreOptions) -> Result<(), StoreError> {
    let value = derivation(options);
    let mut statement = Statement::new("INSERT INTO setting (name, value) VALUES ('index', ");
    statement.bind(value.as_str()).sql(") ON CONFLICT (name) DO UPDATE SET value = ").bind(value.as_str());
    connection.execute(&statement)?;
    Ok(())
}

/// Checks that the rows in the database are the ones this server would write.
pub(super) fn check(connection: &mut Connection, options: &StoreOptions) -> Result<(), StoreError> {
    match remembered(connection)? {
        None => remember(connection, options),
        Some(known) if known == derivation(options) => Ok(()),
        Some(known) => Err(StoreError::Unavailable(format!(
            "the search index was made with other settings ({known}; now {}); run `renraku reindex`, or set time_zone, full_text and base_url back",
            derivation(options)
        ))),
    }
}

/// Rebuilds rows in one transaction; the store must not be open. Answers the number of resources.
/// `tables` are those of the notebook, `progress` is told (done, of).
///
/// # Errors
/// What the database says; then everything is as before.
pub fn reindex(
    options: &StoreOptions,
    what: Rebuild,
    tables: &[&'static EntityTable],
    progress: &mut dyn FnMut(u64, u64),
) -> Result<u64, StoreError> {
    let _owner = super::read::own(&options.database)?;
    let mut connection = Connection::open(&options.database, super::connection::Role::Writer)?;
    connection.migrate()?;
    if what == Rebuild::Notebook {
        check(&mut connection, options)?;
    }
    connection.batch("BEGIN")?;
    connection.lock_writers()?;
    let rebuilt = parameters::synchronise(&mut connection).and_then(|_| parameters::load(&mut connection));
    let rebuilt = rebuilt.and_then(|registry| {
        let extract_options = options.extract_options(registry);
        rebuild(&mut connection, options, &extract_options, (what, tables), progress)
    });
    let rebuilt = rebuilt.and_then(|count| {
        if what == Rebuild::Everything {
            parameters::all_built(&mut connection)?;
            remember(&mut connection, options)?;
        }
        connection.batch("COMMIT")?;
        Ok(count)
    });
    if rebuilt.is_err() {
        // The first error says more than that of a rollback on a broken connection.
        let _ = connection.batch("ROLLBACK");
    }
    rebuilt
}

fn rebuild(
    connection: &mut Connection,
    options: &StoreOptions,
    extract_options: &ExtractOptions,
    (what, tables): (Rebuild, &[&'static EntityTable]),
    progress: &mut dyn FnMut(u64, u64),
) -> Result<u64, StoreError> {
    let with_index = what == Rebuild::Everything;
    for table in TABLES
        .iter()
        .map(|table| table.name)
        .filter(|_| with_index)
        .chain(["notebook_entry", "notebook_citizen"])
        .chain(tables.iter().map(|table| table.name.as_str()))
    {
        connection.batch(&format!("DELETE FROM {table}"))?;
    }
    if with_index {
        super::text::clear(connection)?;
        super::owner::clear(connection)?;
    }
    let total = Statement::new("SELECT count(*) AS n FROM resource WHERE state = 1");
    let total = connection.load::<Count>(&total)?.first().map_or(0, |count| count.n);
    let total = u64::try_from(total).unwrap_or(0);
    let mut memory = load_memory(connection, None)?;
    let (mut after, mut done) = (0, 0_u64);
    loop {
        let mut statement = Statement::new("SELECT key, id, body FROM resource WHERE state = 1 AND key > ");
        statement.bind(after).sql(" ORDER BY key LIMIT ").bind(STEP);
        let found = connection.load::<BodyRecord>(&statement)?;
        let Some(last) = found.last() else {
            if with_index {
                super::owner::add_past(connection, extract_options)?;
            }
            return Ok(done);
        };
        after = last.key;
        done += found.len() as u64;
        let mut transaction = WriteTransaction::new(connection, &mut memory, 0, extract_options.clone());
        transaction.only_index = true;
        for record in found {
            let body = Bytes::from(record.body);
            let resource = json::parse(&body)
                .map_err(|error| StoreError::Database(format!("resource {} is damaged: {error}", record.id)))?;
            let type_number = super::type_of_key(record.key);
            let name = definitions().resource_by_number(type_number).map_or("", |found| found.name.as_str());
            let rows = if with_index { extract(type_number, &resource, extract_options) } else { IndexRows::default() };
            let notebook = (options.project)(name, &resource);
            drop(resource);
            transaction.reindex(record.key, record.id, body, rows, notebook);
        }
        transaction.flush()?;
        progress(done, total);
    }
}
