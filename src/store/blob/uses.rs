//! Which content the versions of resources hold: a row each, written in the version's own transaction.

use std::collections::{BTreeSet, HashSet};

use diesel::QueryableByName;
use diesel::sql_types::Binary;

use super::super::StoreError;
use super::super::connection::{Connection, Statement, Value};
use super::super::write::WriteTransaction;
use super::{BlobId, holes};

#[derive(QueryableByName)]
struct HashRecord {
    #[diesel(sql_type = Binary)]
    hash: Vec<u8>,
}

/// Notes what the versions hold that a batch is about to write.
pub(in crate::store) fn record_uses(transaction: &mut WriteTransaction<'_>) -> Result<(), StoreError> {
    if transaction.only_index {
        return Ok(());
    }
    let current = transaction.touched.iter().map(|(key, touched)| (*key, touched.head.version, &touched.head.body));
    let past = transaction.past.iter().map(|past| (past.key, past.version, &past.body));
    let mut uses = BTreeSet::new();
    for (key, version, body) in current.chain(past) {
        uses.extend(holes::mentioned(body).map(|id| (id, key, version)));
    }
    for (id, key, version) in uses {
        let mut statement = Statement::new("INSERT INTO blob_use (hash, key, version) VALUES ");
        statement.bind_list([Value::from(id.bytes().to_vec()), key.into(), version.into()]);
        statement.sql(" ON CONFLICT (hash, key, version) DO NOTHING");
        transaction.connection.execute(&statement)?;
    }
    Ok(())
}

/// Those of some contents that are in use.
pub(super) fn used(connection: &mut Connection, ids: &[BlobId]) -> Result<HashSet<BlobId>, StoreError> {
    let mut found = HashSet::new();
    for ids in ids.chunks(100) {
        let mut statement = Statement::new("SELECT DISTINCT hash FROM blob_use WHERE hash IN ");
        statement.bind_list(ids.iter().map(|id| Value::from(id.bytes().to_vec())));
        let records = connection.load::<HashRecord>(&statement)?;
        found.extend(records.iter().filter_map(|record| BlobId::from_bytes(&record.hash)));
    }
    Ok(found)
}

/// Some contents in use, in order, after one.
pub(super) fn used_after(
    connection: &mut Connection,
    after: Option<BlobId>,
    count: i64,
) -> Result<Vec<BlobId>, StoreError> {
    let mut statement = Statement::new("SELECT DISTINCT hash FROM blob_use WHERE hash > ");
    statement.bind(after.map_or_else(Vec::new, |after| after.bytes().to_vec()));
    statement.sql(" ORDER BY hash LIMIT ").bind(count);
    let records = connection.load::<HashRecord>(&statement)?;
    Ok(records.iter().filter_map(|record| BlobId::from_bytes(&record.hash)).collect())
}
