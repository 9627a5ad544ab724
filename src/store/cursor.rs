//! Positions of pages: opaque, and signed with a key of the database, so that servers that share it
//! know each other's and nobody makes one up.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel::QueryableByName;
use diesel::sql_types::Text;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::StoreError;
use super::connection::{Connection, Statement};

/// Bytes of the signature that are kept.
const SIGNATURE: usize = 16;
/// Block size of SHA-256.
const BLOCK: usize = 64;

/// Where a page starts: the sort values and key of the row before it (or, backward, after it), and
/// the total found first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    pub(super) s: Vec<Option<String>>,
    pub(super) k: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) t: Option<i64>,
    /// The page ends before this position.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) b: bool,
}

impl Cursor {
    /// As clients see it. `about` says what it is a position in.
    pub(super) fn write(&self, key: &CursorKey, about: &str) -> String {
        let body = serde_json::to_vec(self).unwrap_or_default();
        let mut bytes = key.sign(about, &body).to_vec();
        bytes.extend_from_slice(&body);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn read(text: &str, key: &CursorKey, about: &str) -> Result<Self, StoreError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| StoreError::Cursor)?;
        let (signature, body) = bytes.split_at_checked(SIGNATURE).ok_or(StoreError::Cursor)?;
        // All bytes are compared, however many are right.
        let differences =
            signature.iter().zip(key.sign(about, body)).fold(0, |sum, (left, right)| sum | (left ^ right));
        if differences != 0 {
            return Err(StoreError::Cursor);
        }
        serde_json::from_slice(body).map_err(|_| StoreError::Cursor)
    }
}

#[derive(QueryableByName)]
struct SettingRecord {
    #[diesel(sql_type = Text)]
    value: String,
}

/// The key of a database.
pub(super) struct CursorKey(String);

impl CursorKey {
    /// Makes the key of a new database.
    pub(super) fn ensure(connection: &mut Connection) -> Result<(), StoreError> {
        // Each has 74 random bits.
        let random: String = (0..4).map(|_| uuid::Uuid::now_v7().simple().to_string()).collect();
        let mut statement = Statement::new("INSERT INTO setting (name, value) VALUES ('cursor_key', ");
        statement.bind(random).sql(") ON CONFLICT (name) DO NOTHING");
        connection.execute(&statement).map(|_| ())
    }

    #[cfg(test)]
    pub(super) fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn load(connection: &mut Connection) -> Result<Self, StoreError> {
        let statement = Statement::new("SELECT value FROM setting WHERE name = 'cursor_key'");
        let found = connection.load::<SettingRecord>(&statement)?.pop();
        found.map(|record| Self(record.value)).ok_or_else(|| StoreError::Database("there is no cursor_key".to_owned()))
    }

    /// HMAC-SHA-256 (RFC 2104), cut.
    pub(super) fn sign(&self, about: &str, body: &[u8]) -> [u8; SIGNATURE] {
        let key = Sha256::digest(self.0.as_bytes());
        let padded = |with: u8| {
            let mut block = [with; BLOCK];
            block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
            block
        };
        let mut inner = Sha256::new_with_prefix(padded(0x36));
        inner.update((about.len() as u64).to_be_bytes());
        inner.update(about.as_bytes());
        inner.update(body);
        let outer = Sha256::new_with_prefix(padded(0x5c)).chain_update(inner.finalize()).finalize();
        let mut signature = [0; SIGNATURE];
        signature.iter_mut().zip(outer).for_each(|(byte, from)| *byte = from);
        signature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_signed_for_the_same_search_is_read() {
        let key = CursorKey("a".to_owned());
        let cursor = Cursor { s: vec![Some("山".to_owned()), None], k: 7, t: Some(3), b: true };
        let text = cursor.write(&key, "Patient name");
        assert_eq!(Cursor::read(&text, &key, "Patient name").ok(), Some(cursor));
        assert!(Cursor::read(&text, &key, "Patient birthdate").is_err());
        assert!(Cursor::read(&text, &CursorKey("b".to_owned()), "Patient name").is_err());
        for place in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[place] = if other[place] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            // The last letter may have bits that count for nothing; then decoding refuses.
            assert!(Cursor::read(&other, &key, "Patient name").is_err(), "{place}");
        }
        assert!(Cursor::read("", &key, "").is_err());
    }
}
