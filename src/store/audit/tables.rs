//! The tables of the audit, on either database.

use std::path::Path;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary, Text};

use super::journal::Row;
use super::seal::{Anchor, Hash, Seal};
use super::{Indexed, unavailable};
use crate::store::StoreError;
use crate::store::connection::{Connection, Database, Role, Statement, Value};

/// Rows of one INSERT.
const AT_ONCE: usize = 64;
/// Rows of one page of a walk.
const PAGE: i64 = 5000;

/// A row as it is in the tables.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct AuditRow {
    /// The number of its chain.
    #[diesel(sql_type = BigInt)]
    pub chain: i64,
    /// Its number there.
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
    /// When it was, µs since 1970 UTC.
    #[diesel(sql_type = BigInt)]
    pub at: i64,
    /// What was written down.
    #[diesel(sql_type = Binary)]
    pub content: Vec<u8>,
    /// Its hash.
    #[diesel(sql_type = Binary)]
    pub hash: Vec<u8>,
}

/// What is looked for, newest first.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// A name by which rows are found.
    pub name: Option<String>,
    /// Not before, µs since 1970 UTC.
    pub from: Option<i64>,
    /// Not after.
    pub to: Option<i64>,
    /// Behind this place (time, chain, number).
    pub before: Option<(i64, i64, i64)>,
    /// Most rows.
    pub limit: i64,
}

#[derive(Debug, QueryableByName)]
pub(super) struct Chain {
    #[diesel(sql_type = BigInt)]
    pub(super) number: i64,
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = Text)]
    pub(super) public_key: String,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct End {
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Binary)]
    hash: Vec<u8>,
}

#[derive(QueryableByName)]
struct SignedRow {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = BigInt)]
    at: i64,
    #[diesel(sql_type = Binary)]
    hash: Vec<u8>,
    #[diesel(sql_type = Binary)]
    signature: Vec<u8>,
}

#[derive(QueryableByName)]
struct Noted {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Binary)]
    content: Vec<u8>,
}

#[derive(QueryableByName)]
pub(super) struct NameOf {
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = BigInt)]
    pub(super) at: i64,
    #[diesel(sql_type = BigInt)]
    chain: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) seq: i64,
}

/// The database the tables are in.
fn place(database: &Database, folder: &Path) -> Database {
    match database {
        Database::Sqlite(_) => Database::Sqlite(folder.join("audit.db")),
        Database::Postgres(_) => database.clone(),
    }
}

/// Opens the tables; makes them when they are not there.
pub(super) fn open(database: &Database, folder: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(&place(database, folder), Role::Writer)?;
    connection.migrate_audit()?;
    Ok(connection)
}

pub(super) fn open_for_reading(database: &Database, folder: &Path) -> Result<Connection, StoreError> {
    let place = place(database, folder);
    if let Database::Sqlite(path) = &place
        && !path.exists()
    {
        return Err(unavailable(format!("there is none at {}", folder.display())));
    }
    Connection::open(&place, Role::Reader)
}

fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.batch(if connection.is_postgres() { "BEGIN" } else { "BEGIN IMMEDIATE" })?;
    let done = work(connection);
    if let Err(error) = connection.batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }) {
        return done.and(Err(error));
    }
    done
}

/// `INSERT INTO table (columns) VALUES (…), (…)`, a few statements of the same text.
fn insert_all(connection: &mut Connection, into: &str, rows: Vec<Vec<Value>>) -> Result<(), StoreError> {
    let mut rows = rows;
    while !rows.is_empty() {
        let size = if rows.len() >= AT_ONCE { AT_ONCE } else { 1 };
        let rest = rows.split_off(size);
        let mut statement = Statement::new(&format!("INSERT INTO {into} VALUES "));
        for (place, row) in rows.into_iter().enumerate() {
            if place > 0 {
                statement.sql(", ");
            }
            statement.bind_list(row);
        }
        connection.execute(&statement)?;
        rows = rest;
    }
    Ok(())
}

/// The number of the chain of a key; a new one the first time.
pub(super) fn chain(connection: &mut Connection, seal: &Seal) -> Result<i64, StoreError> {
    transact(connection, |connection| {
        connection.lock_writers()?;
        let mut select = Statement::new("SELECT number FROM audit_chain WHERE name = ");
        select.bind(seal.chain.as_str());
        if let Some(known) = connection.load::<Number>(&select)?.first() {
            return Ok(known.number);
        }
        let next = Statement::new("SELECT coalesce(max(number), 0) + 1 AS number FROM audit_chain");
        let number = connection.load::<Number>(&next)?.first().map_or(1, |row| row.number);
        let row = vec![
            number.into(),
            seal.chain.as_str().into(),
            seal.public_key.as_str().into(),
            jiff::Timestamp::now().as_microsecond().into(),
        ];
        insert_all(connection, "audit_chain (number, name, public_key, created)", vec![row])?;
        Ok(number)
    })
}

/// The last row of a chain, or what retention left of it.
pub(super) fn end(connection: &mut Connection, chain: i64) -> Result<Option<(i64, Hash)>, StoreError> {
    let mut select = Statement::new("SELECT seq, hash FROM audit_event WHERE chain = ");
    select.bind(chain).sql(" ORDER BY seq DESC LIMIT 1");
    let mut found = connection.load::<End>(&select)?;
    if found.is_empty() {
        let mut marks = Statement::new("SELECT seq, hash FROM audit_anchor WHERE kind = 'retention' AND chain = ");
        marks.bind(chain).sql(" ORDER BY seq DESC LIMIT 1");
        found = connection.load::<End>(&marks)?;
    }
    Ok(found.pop().and_then(|end| Some((end.seq, Hash::try_from(end.hash.as_slice()).ok()?))))
}

/// Moves rows in, with their names, and what was signed; in one transaction.
pub(super) fn insert(
    connection: &mut Connection,
    chain: i64,
    rows: &[Row],
    indexed: Indexed,
    head: &Anchor,
    is_kept: bool,
) -> Result<(), StoreError> {
    transact(connection, |connection| {
        let mut names = Vec::with_capacity(rows.len() * 2);
        // A few at a time: memory that was just used is used again.
        for rows in rows.chunks(AT_ONCE) {
            let event = |row: &Row| {
                let (at, found) = indexed(&row.content);
                names.extend(found.into_iter().map(|name| (name, at, row.seq)));
                let (content, hash) = (row.content.clone().into(), row.hash.to_vec().into());
                vec![chain.into(), row.seq.into(), at.into(), content, hash]
            };
            let events = rows.iter().map(event).collect();
            insert_all(connection, "audit_event (chain, seq, at, content, hash)", events)?;
        }
        // Neighbours in the tree are inserted one after the other.
        names.sort_unstable();
        let mut names = names.into_iter().peekable();
        while names.peek().is_some() {
            let row = |(name, at, seq): (String, i64, i64)| vec![name.into(), at.into(), chain.into(), seq.into()];
            let some = names.by_ref().take(AT_ONCE).map(row).collect();
            insert_all(connection, "audit_name (name, at, chain, seq)", some)?;
        }
        let signed = || -> Vec<Value> { vec![head.at.into(), head.hash.clone().into(), head.signature.clone().into()] };
        let mut old = Statement::new("DELETE FROM audit_head WHERE chain = ");
        old.bind(chain);
        connection.execute(&old)?;
        let row = [vec![chain.into(), head.seq.into()], signed()].concat();
        insert_all(connection, "audit_head (chain, seq, at, hash, signature)", vec![row])?;
        if is_kept {
            let row = [vec![chain.into(), head.seq.into(), "anchor".into()], signed()].concat();
            insert_all(connection, "audit_anchor (chain, seq, kind, at, hash, signature)", vec![row])?;
        }
        Ok(())
    })
}

pub(super) fn chains(connection: &mut Connection) -> Result<Vec<Chain>, StoreError> {
    connection.load(&Statement::new("SELECT number, name, public_key FROM audit_chain ORDER BY number"))
}

const COLUMNS: &str = "SELECT e.chain, e.seq, e.at, e.content, e.hash FROM audit_event e";

/// The rows behind a number, in order.
pub(super) fn page(connection: &mut Connection, chain: i64, after: i64) -> Result<Vec<AuditRow>, StoreError> {
    let mut select = Statement::new(&format!("{COLUMNS} WHERE e.chain = "));
    select.bind(chain).sql(" AND e.seq > ").bind(after).sql(" ORDER BY e.seq LIMIT ").bind(PAGE);
    connection.load(&select)
}

pub(super) fn get(connection: &mut Connection, chain: i64, seq: i64) -> Result<Option<AuditRow>, StoreError> {
    let mut select = Statement::new(&format!("{COLUMNS} WHERE e.chain = "));
    select.bind(chain).sql(" AND e.seq = ").bind(seq);
    Ok(connection.load(&select)?.pop())
}

pub(super) fn find(connection: &mut Connection, query: &AuditQuery) -> Result<Vec<AuditRow>, StoreError> {
    let mut select = match &query.name {
        Some(name) => {
            let mut select = Statement::new(
                "SELECT e.chain, e.seq, e.at, e.content, e.hash FROM audit_name n JOIN audit_event e ON e.chain = n.chain AND e.seq = n.seq WHERE n.name = ",
            );
            select.bind(name.as_str());
            select
        }
        None => Statement::new(&format!("{COLUMNS} WHERE e.at IS NOT NULL")),
    };
    let of = if query.name.is_some() { "n" } else { "e" };
    if let Some(from) = query.from {
        select.sql(&format!(" AND {of}.at >= ")).bind(from);
    }
    if let Some(to) = query.to {
        select.sql(&format!(" AND {of}.at <= ")).bind(to);
    }
    if let Some((at, chain, seq)) = query.before {
        select.sql(&format!(" AND ({of}.at, {of}.chain, {of}.seq) < "));
        select.bind_list([at, chain, seq]);
    }
    select.sql(&format!(" ORDER BY {of}.at DESC, {of}.chain DESC, {of}.seq DESC LIMIT ")).bind(query.limit);
    connection.load(&select)
}

fn signed(chain: &Chain, row: SignedRow) -> Anchor {
    let SignedRow { kind, seq, at, hash, signature } = row;
    Anchor { chain: chain.name.clone(), kind, seq, at, hash, signature }
}

/// What was signed of a chain, in order.
pub(super) fn anchors(connection: &mut Connection, chain: &Chain) -> Result<Vec<Anchor>, StoreError> {
    let mut select = Statement::new("SELECT kind, seq, at, hash, signature FROM audit_anchor WHERE chain = ");
    select.bind(chain.number).sql(" ORDER BY seq, kind");
    Ok(connection.load(&select)?.into_iter().map(|row| signed(chain, row)).collect())
}

/// The newest that was signed.
pub(super) fn head(connection: &mut Connection, chain: &Chain) -> Result<Option<Anchor>, StoreError> {
    let mut select = Statement::new("SELECT 'head' AS kind, seq, at, hash, signature FROM audit_head WHERE chain = ");
    select.bind(chain.number);
    Ok(connection.load(&select)?.pop().map(|row| signed(chain, row)))
}

/// All that rows of a chain are found by, a page at a time.
pub(super) fn each_name(
    connection: &mut Connection,
    chain: i64,
    mut each: impl FnMut(NameOf),
) -> Result<(), StoreError> {
    let mut after = (String::new(), i64::MIN, 0, 0);
    loop {
        let mut select = Statement::new("SELECT name, at, chain, seq FROM audit_name WHERE (name, at, chain, seq) > (");
        select.bind(after.0.as_str()).sql(", ").bind(after.1).sql(", ").bind(after.2).sql(", ").bind(after.3);
        select.sql(") ORDER BY name, at, chain, seq LIMIT ").bind(PAGE);
        let rows: Vec<NameOf> = connection.load(&select)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = (last.name.clone(), last.at, last.chain, last.seq);
        rows.into_iter().filter(|row| row.chain == chain).for_each(&mut each);
    }
}

/// Whether a row is found by a name.
pub(super) fn has_name(
    connection: &mut Connection,
    name: &str,
    at: i64,
    chain: i64,
    seq: i64,
) -> Result<bool, StoreError> {
    let mut select = Statement::new("SELECT seq AS number FROM audit_name WHERE name = ");
    select.bind(name).sql(" AND at = ").bind(at).sql(" AND chain = ").bind(chain).sql(" AND seq = ").bind(seq);
    Ok(!connection.load::<Number>(&select)?.is_empty())
}

/// What commands noted in the main database.
pub(super) fn inbox(main: &mut Connection) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let rows: Vec<Noted> = main.load(&Statement::new("SELECT id, content FROM audit_inbox ORDER BY id LIMIT 1000"))?;
    Ok(rows.into_iter().map(|noted| (noted.id, noted.content)).collect())
}

pub(super) fn empty_inbox(main: &mut Connection, ids: &[String]) -> Result<(), StoreError> {
    let mut remove = Statement::new("DELETE FROM audit_inbox WHERE id IN ");
    remove.bind_list(ids.iter().map(String::as_str)).uncached();
    main.execute(&remove).map(|_| ())
}

/// The newest row before a time; none when there is no older one.
pub(super) fn newest_before(
    connection: &mut Connection,
    chain: i64,
    at: i64,
) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    let mut select = Statement::new("SELECT seq, hash FROM audit_event WHERE chain = ");
    select.bind(chain).sql(" AND at < ").bind(at).sql(" ORDER BY at DESC, seq DESC LIMIT 1");
    Ok(connection.load::<End>(&select)?.pop().map(|end| (end.seq, end.hash)))
}

/// Removes the rows up to the one that was signed for, and says so.
pub(super) fn remove_until(connection: &mut Connection, chain: i64, mark: &Anchor) -> Result<usize, StoreError> {
    transact(connection, |connection| {
        let row = vec![
            chain.into(),
            mark.seq.into(),
            mark.kind.as_str().into(),
            mark.at.into(),
            mark.hash.clone().into(),
            mark.signature.clone().into(),
        ];
        insert_all(connection, "audit_anchor (chain, seq, kind, at, hash, signature)", vec![row])?;
        let until = |table: &str, and: &str| {
            let mut remove = Statement::new(&format!("DELETE FROM {table} WHERE chain = "));
            remove.bind(chain).sql(" AND seq <= ").bind(mark.seq).sql(and);
            remove
        };
        connection.execute(&until("audit_name", ""))?;
        connection.execute(&until("audit_anchor", " AND kind <> 'retention'"))?;
        connection.execute(&until("audit_event", ""))
    })
}
