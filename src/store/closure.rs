//! Named closure tables (FHIR R4 terminology-service.html#closure): which concepts a client put into
//! one, and which of them stand below which, by the version at which the client was told.

use std::collections::HashSet;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};

use super::StoreError;
use super::connection::{Connection, Statement};
use super::read::Store;

/// A concept: system and code.
pub type ClosureConcept = (String, String);

/// One concept below another of the same system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosureEntry {
    /// Their system.
    pub system: String,
    /// The one below.
    pub code: String,
    /// The one above.
    pub above: String,
}

/// A closure table as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closure {
    /// Grows with every change.
    pub version: i64,
    /// The concepts in it.
    pub concepts: HashSet<ClosureConcept>,
}

#[derive(QueryableByName)]
struct VersionRow {
    #[diesel(sql_type = BigInt)]
    version: i64,
}

#[derive(QueryableByName)]
struct ConceptRow {
    #[diesel(sql_type = Text)]
    system: String,
    #[diesel(sql_type = Text)]
    code: String,
}

#[derive(QueryableByName)]
struct EntryRow {
    #[diesel(sql_type = Text)]
    system: String,
    #[diesel(sql_type = Text)]
    code: String,
    #[diesel(sql_type = Text)]
    above: String,
}

fn version(connection: &mut Connection, name: &str) -> Result<Option<i64>, StoreError> {
    let mut statement = Statement::new("SELECT version FROM closure WHERE name = ");
    statement.bind(name);
    Ok(connection.load::<VersionRow>(&statement)?.first().map(|row| row.version))
}

impl Store {
    /// A closure table; `None` when nobody began one with this name. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn closure(&self, name: &str) -> Result<Option<Closure>, StoreError> {
        self.reader()?.snapshot(|connection| {
            let Some(version) = version(connection, name)? else { return Ok(None) };
            let mut statement = Statement::new("SELECT system, code FROM closure_concept WHERE name = ");
            statement.bind(name);
            let concepts = connection.load::<ConceptRow>(&statement)?.into_iter();
            Ok(Some(Closure { version, concepts: concepts.map(|row| (row.system, row.code)).collect() }))
        })
    }

    /// What was added after a version. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn closure_entries(&self, name: &str, since: i64) -> Result<Vec<ClosureEntry>, StoreError> {
        let mut statement = Statement::new("SELECT system, code, above FROM closure_entry WHERE name = ");
        statement.bind(name).sql(" AND version > ").bind(since).sql(" ORDER BY version, system, code, above");
        let rows = self.reader()?.load::<EntryRow>(&statement)?.into_iter();
        Ok(rows.map(|row| ClosureEntry { system: row.system, code: row.code, above: row.above }).collect())
    }

    /// Begins a closure table anew, empty. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn begin_closure(&self, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.write_blocking(move |transaction| {
            transaction.note_directly();
            for table in ["closure_entry", "closure_concept", "closure"] {
                let mut statement = Statement::new("DELETE FROM ");
                statement.sql(table).sql(" WHERE name = ").bind(name.as_str());
                transaction.connection.execute(&statement)?;
            }
            let mut statement = Statement::new("INSERT INTO closure (name, version) VALUES (");
            statement.bind(name.as_str()).sql(", 0)");
            transaction.connection.execute(&statement).map(|_| ())
        })?
        .wait()
    }

    /// Adds to a closure table that is still of version `expected`; answers the new version, or
    /// `None` when it is another one by now. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn add_to_closure(
        &self,
        name: &str,
        expected: i64,
        concepts: Vec<ClosureConcept>,
        entries: Vec<ClosureEntry>,
    ) -> Result<Option<i64>, StoreError> {
        let name = name.to_owned();
        self.write_blocking(move |transaction| {
            if version(transaction.connection, &name)? != Some(expected) {
                return Ok(None);
            }
            transaction.note_directly();
            let next = expected + 1;
            let mut statement = Statement::new("UPDATE closure SET version = ");
            statement.bind(next).sql(" WHERE name = ").bind(name.as_str());
            transaction.connection.execute(&statement)?;
            for some in concepts.chunks(200) {
                let mut statement = Statement::new("INSERT INTO closure_concept (name, system, code) VALUES ");
                for (place, (system, code)) in some.iter().enumerate() {
                    statement.sql(if place > 0 { ", " } else { "" });
                    statement.bind_list([name.as_str(), system.as_str(), code.as_str()]);
                }
                transaction.connection.execute(statement.uncached())?;
            }
            for some in entries.chunks(200) {
                let mut statement =
                    Statement::new("INSERT INTO closure_entry (name, version, system, code, above) VALUES ");
                for (place, entry) in some.iter().enumerate() {
                    statement.sql(if place > 0 { ", (" } else { "(" }).bind(name.as_str());
                    statement.sql(", ").bind(next).sql(", ").bind(entry.system.as_str());
                    statement.sql(", ").bind(entry.code.as_str()).sql(", ").bind(entry.above.as_str()).sql(")");
                }
                transaction.connection.execute(statement.uncached())?;
            }
            Ok(Some(next))
        })?
        .wait()
    }
}
