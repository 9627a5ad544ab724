//! How far imports came: remembered in the same transaction as what was imported, so that an import
//! that is stopped goes on exactly where it was.
//!
//! A source has one row of its own and, while its import runs, one row for each part that is done,
//! named `SOURCE#PART`. Parts may be done in any order. When all are done they are deleted.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};

use super::StoreError;
use super::connection::{Connection, Statement};
use super::read::Store;
use super::write::WriteTransaction;

/// What is remembered of the import of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportProgress {
    /// How far it came: 0 for never begun or not noted.
    pub position: i64,
    /// It came to its end.
    pub finished: bool,
    /// The parts that are done: what follows `#` in their names, and their positions.
    pub parts: Vec<(String, i64)>,
}

#[derive(QueryableByName)]
struct ProgressRecord {
    #[diesel(sql_type = Text)]
    source: String,
    #[diesel(sql_type = BigInt)]
    position: i64,
    #[diesel(sql_type = BigInt)]
    finished: i64,
}

/// `SOURCE#`, and the condition that a row is one of its parts. Collations would make a range wrong.
fn parts_condition(source: &str, statement: &mut Statement) -> String {
    let prefix = format!("{source}#");
    let length = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX);
    statement.sql("substr(source, 1, CAST(").bind(length).sql(" AS INTEGER)) = ").bind(prefix.as_str());
    prefix
}

impl Store {
    /// What is remembered of an import of `source`. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn import_progress(&self, source: &str) -> Result<ImportProgress, StoreError> {
        let mut statement = Statement::new("SELECT source, position, finished FROM import_progress WHERE source = ");
        statement.bind(source).sql(" OR ");
        let prefix = parts_condition(source, &mut statement);
        let mut progress = ImportProgress::default();
        for record in self.reader()?.load::<ProgressRecord>(&statement)? {
            match record.source.strip_prefix(&prefix) {
                Some(part) => progress.parts.push((part.to_owned(), record.position)),
                None => {
                    progress.position = record.position;
                    progress.finished = record.finished != 0;
                }
            }
        }
        Ok(progress)
    }

    /// How far an import of `source` came before it stopped: 0 for never begun. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn import_position(&self, source: &str) -> Result<i64, StoreError> {
        Ok(self.import_progress(source)?.position)
    }

    /// Notes that an import of `source` came to its end. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn finish_import(&self, source: &str, position: i64) -> Result<(), StoreError> {
        let source = source.to_owned();
        self.write_blocking(move |transaction| {
            transaction.note_directly();
            forget_parts(transaction.connection, &source)?;
            upsert(transaction.connection, &source, position, true)
        })?
        .wait()
    }

    /// Forgets an import of `source`, so that it begins anew. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn forget_import(&self, source: &str) -> Result<(), StoreError> {
        let source = source.to_owned();
        self.write_blocking(move |transaction| {
            transaction.note_directly();
            forget_parts(transaction.connection, &source)?;
            let mut statement = Statement::new("DELETE FROM import_progress WHERE source = ");
            statement.bind(source.as_str());
            transaction.connection.execute(&statement).map(|_| ())
        })?
        .wait()
    }
}

impl WriteTransaction<'_> {
    /// Remembers how far an import came, in the same transaction as what it wrote.
    ///
    /// # Errors
    /// What the database says.
    pub fn set_import_position(&mut self, source: &str, position: i64) -> Result<(), StoreError> {
        self.note_directly();
        upsert(self.connection, source, position, false)
    }
}

fn upsert(connection: &mut Connection, source: &str, position: i64, finished: bool) -> Result<(), StoreError> {
    let finished = i64::from(finished);
    let mut statement = Statement::new("INSERT INTO import_progress (source, position, finished) VALUES (");
    statement
        .bind(source)
        .sql(", ")
        .bind(position)
        .sql(", ")
        .bind(finished)
        .sql(") ON CONFLICT (source) DO UPDATE SET position = ")
        .bind(position)
        .sql(", finished = ")
        .bind(finished);
    connection.execute(&statement).map(|_| ())
}

fn forget_parts(connection: &mut Connection, source: &str) -> Result<(), StoreError> {
    let mut statement = Statement::new("DELETE FROM import_progress WHERE ");
    parts_condition(source, &mut statement);
    connection.execute(&statement).map(|_| ())
}
