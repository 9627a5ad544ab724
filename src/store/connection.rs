//! One connection type over SQLite and PostgreSQL, and SQL with bound values that runs on both.
//!
//! Both backends share one SQL text; Diesel writes the placeholders of each. What differs between
//! them is in [`Connection::open`] and in `writer.rs` (the lock that serialises writers).

use std::os::unix::fs::OpenOptionsExt as _;

use diesel::backend::Backend;
use diesel::connection::{Connection as _, SimpleConnection};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Binary, HasSqlType, Nullable, Text, Untyped};
use diesel::sqlite::Sqlite;
use diesel::{PgConnection, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{StoreError, view};

pub use super::database::Database;

const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
/// The audit of a SQLite database is a file of its own.
const AUDIT_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/audit");
const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgresql");

/// Number of the advisory lock that serialises writers of one PostgreSQL database.
const WRITER_LOCK: i64 = 0x7265_6e72_616b_7501;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reads only; sees committed data.
    Reader,
    /// The one that writes.
    Writer,
}

/// A connection to either backend.
pub enum Connection {
    /// SQLite.
    Sqlite(Box<SqliteConnection>),
    /// PostgreSQL.
    Postgres(Box<PgConnection>),
}

impl Connection {
    /// Opens and configures a connection.
    ///
    /// SQLite: WAL with `synchronous=FULL`, so that a commit that was answered survives a crash of
    /// the machine. The writer checkpoints in larger steps than the default to keep commits short.
    ///
    /// # Errors
    /// When the database cannot be reached or configured.
    pub fn open(database: &Database, role: Role) -> Result<Self, StoreError> {
        match database {
            Database::Sqlite(path) => {
                super::deadline::sqlite::install();
                // Records, and the key that signs tokens: a new file is for this user alone, and SQLite makes those
                // beside it alike. Who may read one that is there is up to whoever runs this.
                let _ = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path);
                let path = path.to_string_lossy();
                let mut connection = SqliteConnection::establish(&path).map_err(StoreError::connect)?;
                connection.batch_execute("PRAGMA busy_timeout = 10000; PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF;")?;
                connection.batch_execute(match role {
                    Role::Reader => "PRAGMA query_only = ON; PRAGMA cache_size = -8192;",
                    Role::Writer => "PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 16000; PRAGMA journal_size_limit = 134217728;",
                })?;
                super::sets::sqlite::install(&mut connection)?;
                Ok(Self::Sqlite(Box::new(connection)))
            }
            Database::Postgres(url) => {
                let mut connection = PgConnection::establish(url).map_err(StoreError::connect)?;
                connection.batch_execute(
                    "SET TIME ZONE 'UTC'; SET synchronous_commit = on; SET client_min_messages = warning;",
                )?;
                if role == Role::Reader {
                    connection.batch_execute("SET default_transaction_read_only = on")?;
                }
                Ok(Self::Postgres(Box::new(connection)))
            }
        }
    }

    /// Brings the schema up to date; answers the names of the migrations that ran.
    ///
    /// # Errors
    /// When a migration fails; what it did is rolled back.
    pub fn migrate(&mut self) -> Result<Vec<String>, StoreError> {
        let ran = match self {
            Self::Sqlite(connection) => connection
                .run_pending_migrations(SQLITE_MIGRATIONS)
                .map(|versions| versions.iter().map(ToString::to_string).collect()),
            Self::Postgres(connection) => connection
                .run_pending_migrations(POSTGRES_MIGRATIONS)
                .map(|versions| versions.iter().map(ToString::to_string).collect()),
        };
        ran.map_err(|error| StoreError::Database(format!("migration failed: {error}")))
    }

    /// The same for the tables of the audit, which in PostgreSQL are among the others.
    pub(super) fn migrate_audit(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => connection
                .run_pending_migrations(AUDIT_MIGRATIONS)
                .map(|_| ())
                .map_err(|error| StoreError::Database(format!("migration of the audit failed: {error}"))),
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Runs a statement; answers how many rows it touched.
    ///
    /// # Errors
    /// What the database says.
    pub fn execute(&mut self, statement: &Statement) -> Result<usize, StoreError> {
        Ok(match self {
            Self::Sqlite(connection) => RunQueryDsl::execute(statement, &mut **connection)?,
            Self::Postgres(connection) => RunQueryDsl::execute(statement, &mut **connection)?,
        })
    }

    /// Runs a query, over what the view in force shows.
    ///
    /// # Errors
    /// What the database says.
    pub fn load<T>(&mut self, statement: &Statement) -> Result<Vec<T>, StoreError>
    where
        T: QueryableByName<Sqlite> + QueryableByName<Pg> + 'static,
    {
        let shown;
        let statement = match view::current() {
            None => statement,
            Some(view) => {
                shown = view::restricted(&view, statement, self.is_postgres()).map_err(StoreError::Closed)?;
                &shown
            }
        };
        Ok(match self {
            Self::Sqlite(connection) => RunQueryDsl::load::<T>(statement, &mut **connection)?,
            Self::Postgres(connection) => RunQueryDsl::load::<T>(statement, &mut **connection)?,
        })
    }

    /// Runs SQL without values.
    ///
    /// # Errors
    /// What the database says.
    pub fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => connection.batch_execute(sql)?,
            Self::Postgres(connection) => connection.batch_execute(sql)?,
        }
        Ok(())
    }

    /// Waits until no other transaction writes. SQLite has one writer anyway.
    ///
    /// # Errors
    /// What the database says.
    pub(super) fn lock_writers(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(_) => self.batch(&format!("SELECT pg_advisory_xact_lock({WRITER_LOCK})")),
        }
    }

    /// Runs `read` on one snapshot of the data.
    ///
    /// # Errors
    /// What `read` or the database says.
    pub fn snapshot<T, E: From<StoreError>>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let begin = match self {
            Self::Sqlite(_) => "BEGIN",
            Self::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ",
        };
        self.batch(begin)?;
        if self.is_postgres()
            && let Some(milliseconds) = super::deadline::milliseconds_left()
        {
            self.batch(&format!("SET LOCAL statement_timeout = {milliseconds}"))?;
        }
        let result = read(self);
        self.batch("ROLLBACK")?;
        result
    }

    /// Whether it is PostgreSQL.
    #[must_use]
    pub const fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.is_postgres() { "Connection(PostgreSQL)" } else { "Connection(SQLite)" })
    }
}

/// A value bound to a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// 64-bit integer.
    Integer(i64),
    /// 64-bit integer or NULL.
    OptionalInteger(Option<i64>),
    /// Text.
    Text(String),
    /// Text or NULL.
    OptionalText(Option<String>),
    /// Bytes.
    Bytes(bytes::Bytes),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        value.to_owned().into()
    }
}

/// PostgreSQL takes no U+0000 in text, and one row it refuses would fail all writes that share its
/// commit: derived text holds a replacement character instead. Bodies are bytes and stay as they are.
impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(if value.contains('\0') { value.replace('\0', "\u{fffd}") } else { value })
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value.into())
    }
}

/// SQL with its values. Values never become part of the SQL text.
#[derive(Debug, Clone, Default)]
pub struct Statement {
    sql: String,
    /// What belongs before a place in `sql`, in ascending order.
    pieces: Vec<(usize, Piece)>,
    uncached: bool,
}

/// What SQL text cannot say.
#[derive(Debug, Clone)]
enum Piece {
    Value(Value),
    /// What only one of the backends understands.
    OfEach(Box<Dialects>),
}

#[derive(Debug, Clone)]
struct Dialects {
    sqlite: Statement,
    postgres: Statement,
}

/// Tells the backends apart.
pub trait Dialect {
    /// Whether it is PostgreSQL.
    const IS_POSTGRES: bool;
}

impl Dialect for Sqlite {
    const IS_POSTGRES: bool = false;
}

impl Dialect for Pg {
    const IS_POSTGRES: bool = true;
}

impl Statement {
    /// A statement from fixed SQL without values.
    #[must_use]
    pub fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned(), pieces: Vec::new(), uncached: false }
    }

    /// One that each backend writes in its own way.
    #[must_use]
    pub fn of_each(sqlite: Self, postgres: Self) -> Self {
        let uncached = sqlite.uncached || postgres.uncached;
        let dialects = Dialects { sqlite, postgres };
        Self { sql: String::new(), pieces: vec![(0, Piece::OfEach(Box::new(dialects)))], uncached }
    }

    /// Appends SQL text.
    pub fn sql(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Appends a placeholder and its value.
    pub fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.pieces.push((self.sql.len(), Piece::Value(value.into())));
        self
    }

    /// Appends another statement.
    pub fn append(&mut self, other: Self) -> &mut Self {
        let offset = self.sql.len();
        self.sql.push_str(&other.sql);
        self.pieces.extend(other.pieces.into_iter().map(|(place, piece)| (place + offset, piece)));
        self.uncached |= other.uncached;
        self
    }

    /// `(?, ?, ?)`
    pub fn bind_list<V: Into<Value>>(&mut self, values: impl IntoIterator<Item = V>) -> &mut Self {
        self.sql("(");
        for (place, value) in values.into_iter().enumerate() {
            if place > 0 {
                self.sql(", ");
            }
            self.bind(value);
        }
        self.sql(")")
    }

    /// Whether there is nothing in it yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sql.is_empty() && self.pieces.is_empty()
    }

    /// A subquery of any number of texts, as one value.
    pub fn bind_texts<V: Into<String>>(&mut self, values: impl IntoIterator<Item = V>) -> &mut Self {
        let texts = values.into_iter().map(|text| serde_json::Value::String(text.into().replace('\0', "\u{fffd}")));
        let array = serde_json::Value::Array(texts.collect()).to_string();
        let around = |before: &str, after: &str| {
            let mut statement = Self::new(before);
            statement.bind(array.as_str()).sql(after);
            statement
        };
        self.append(Self::of_each(
            around("SELECT value FROM json_each(", ")"),
            around("SELECT json_array_elements_text(CAST(", " AS json))"),
        ))
    }

    /// The same in one dialect, so that places in the text are those of [`Self::text`].
    pub(super) fn resolved(&self, is_postgres: bool) -> Self {
        let mut resolved = Self { uncached: self.uncached, ..Self::default() };
        let mut start = 0;
        for (place, piece) in &self.pieces {
            resolved.sql(self.sql.get(start..*place).unwrap_or_default());
            start = *place;
            match piece {
                Piece::Value(value) => {
                    resolved.bind(value.clone());
                }
                Piece::OfEach(each) => {
                    resolved.append(each.of(is_postgres).resolved(is_postgres));
                }
            }
        }
        resolved.sql(self.sql.get(start..).unwrap_or_default());
        resolved
    }

    /// The same without its first letters, in which there are no values.
    pub(super) fn without_start(mut self, length: usize) -> Self {
        self.sql = self.sql.get(length..).unwrap_or_default().to_owned();
        for (place, _) in &mut self.pieces {
            *place = place.saturating_sub(length);
        }
        self
    }

    /// The same with a schema before each of these tables where it is read from.
    pub(super) fn in_schema(&self, schema: &str, is_table: impl Fn(&str) -> bool) -> Self {
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let (mut places, mut before, mut place) = (Vec::new(), "", 0);
        for part in self.sql.split_inclusive(|letter| !is_word(letter)) {
            let word = part.trim_end_matches(|letter| !is_word(letter));
            if !word.is_empty() {
                if matches!(before, "FROM" | "JOIN") && is_table(word) {
                    places.push(place);
                }
                before = word;
            }
            place += part.len();
        }
        let mut sql = String::with_capacity(self.sql.len() + places.len() * schema.len());
        let mut start = 0;
        for place in &places {
            sql.push_str(self.sql.get(start..*place).unwrap_or_default());
            sql.push_str(schema);
            start = *place;
        }
        sql.push_str(self.sql.get(start..).unwrap_or_default());
        let moved = |at: usize| at + schema.len() * places.iter().filter(|place| **place < at).count();
        let pieces = self.pieces.iter().map(|(at, piece)| (moved(*at), piece.clone())).collect();
        Self { sql, pieces, uncached: self.uncached }
    }

    /// Keeps a statement whose text rarely recurs out of the connection's cache.
    pub fn uncached(&mut self) -> &mut Self {
        self.uncached = true;
        self
    }

    /// The SQL with `?` for each value, and the values, as a backend gets them.
    #[must_use]
    pub fn text(&self, is_postgres: bool) -> (String, Vec<Value>) {
        let (mut text, mut values) = (String::with_capacity(self.sql.len() + self.pieces.len()), Vec::new());
        self.write_text(is_postgres, &mut text, &mut values);
        (text, values)
    }

    fn write_text(&self, is_postgres: bool, text: &mut String, values: &mut Vec<Value>) {
        let mut start = 0;
        for (place, piece) in &self.pieces {
            text.push_str(self.sql.get(start..*place).unwrap_or_default());
            start = *place;
            match piece {
                Piece::Value(value) => {
                    text.push('?');
                    values.push(value.clone());
                }
                Piece::OfEach(each) => each.of(is_postgres).write_text(is_postgres, text, values),
            }
        }
        text.push_str(self.sql.get(start..).unwrap_or_default());
    }
}

impl Dialects {
    const fn of(&self, is_postgres: bool) -> &Statement {
        if is_postgres { &self.postgres } else { &self.sqlite }
    }
}

impl<DB> QueryFragment<DB> for Statement
where
    DB: Backend + Dialect + HasSqlType<BigInt> + HasSqlType<Text> + HasSqlType<Binary>,
    i64: ToSql<BigInt, DB>,
    Option<i64>: ToSql<Nullable<BigInt>, DB>,
    str: ToSql<Text, DB>,
    Option<String>: ToSql<Nullable<Text>, DB>,
    [u8]: ToSql<Binary, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if self.uncached {
            out.unsafe_to_cache_prepared();
        }
        let mut start = 0;
        for (place, piece) in &self.pieces {
            out.push_sql(self.sql.get(start..*place).unwrap_or_default());
            start = *place;
            let value = match piece {
                Piece::Value(value) => value,
                Piece::OfEach(each) => {
                    each.of(DB::IS_POSTGRES).walk_ast(out.reborrow())?;
                    continue;
                }
            };
            match value {
                Value::Integer(value) => out.push_bind_param::<BigInt, i64>(value)?,
                Value::OptionalInteger(value) => out.push_bind_param::<Nullable<BigInt>, Option<i64>>(value)?,
                Value::Text(value) => out.push_bind_param::<Text, str>(value)?,
                Value::OptionalText(value) => out.push_bind_param::<Nullable<Text>, Option<String>>(value)?,
                Value::Bytes(value) => out.push_bind_param::<Binary, [u8]>(value)?,
            }
        }
        out.push_sql(self.sql.get(start..).unwrap_or_default());
        Ok(())
    }
}

impl QueryId for Statement {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement {
    type SqlType = Untyped;
}

impl<Conn> RunQueryDsl<Conn> for &Statement {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_get_their_schema_and_values_stay_in_place() {
        let mut statement = Statement::new("SELECT key FROM token WHERE code = ");
        statement.bind("a").sql(" AND key IN (SELECT token FROM other o JOIN token t ON t.key = ").bind(1_i64).sql(")");
        let (sql, values) = statement.in_schema("main.", |table| table == "token").text(false);
        assert_eq!(
            sql,
            "SELECT key FROM main.token WHERE code = ? AND key IN (SELECT token FROM other o JOIN main.token t ON t.key = ?)"
        );
        assert_eq!(values.len(), 2);
    }

    /// Of two migrations with the same date and time only one would run.
    #[test]
    fn every_migration_has_a_time_of_its_own_and_a_twin() {
        let names = |folder: &str| {
            let path = format!("{}/migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
            let entries = std::fs::read_dir(path).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let sqlite = names("sqlite");
        assert_eq!(sqlite, names("postgresql"));
        let mut times: Vec<&str> = sqlite.iter().filter_map(|name| name.split('_').next()).collect();
        times.dedup();
        assert_eq!(times.len(), sqlite.len(), "{sqlite:?}");
    }
}
