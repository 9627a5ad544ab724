//! The columns of a version, as every query that reads one names them.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary};

use super::{Method, Version};

#[derive(QueryableByName)]
pub(super) struct VersionRecord {
    #[diesel(sql_type = BigInt)]
    pub(super) version: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) updated: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) method: i64,
    #[diesel(sql_type = Binary)]
    pub(super) body: Vec<u8>,
}

impl From<VersionRecord> for Version {
    fn from(record: VersionRecord) -> Self {
        Self {
            version: record.version,
            updated: record.updated,
            method: Method::from_number(record.method),
            body: record.body.into(),
        }
    }
}
