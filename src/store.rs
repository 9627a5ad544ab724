//! Durable storage: current versions, history, one ordered change log, index tables, notebook rows.
//!
//! May use: `search`, `r4`, `format`. Must not know: HTTP, FHIR interactions, who may do what.
//!
//! # Layout
//!
//! - A resource has an integer `key` for life: `counter << 8 | number of its type`. The type of a
//!   reference's target can be read off the key, and every index row is integers and one value.
//! - `resource` holds the current version, bytes exactly as served; `version` the superseded ones
//!   (zstd), written when they are superseded, so that a create costs no history row; `change` is
//!   one ordered log. `state`: 0 only referenced so far, 1 live, 2 deleted.
//! - An index table a value kind, clustered by (parameter, value, key): a search never touches a
//!   body to decide. There is no second index by key: when a version is superseded, its rows are
//!   computed again from its body and the difference is written. Creates, the bulk of the work, pay
//!   one tree insertion a value.
//! - A reference to a resource that is not (yet) here gets a key with state 0: chains are integer
//!   joins, and the report of dangling references is one look-up.
//!
//! # Writing
//!
//! One writer thread takes all waiting jobs, runs each against an overlay in memory, writes the sum
//! in one transaction, commits once, then answers all (`writer.rs`). PostgreSQL is written the same
//! way under an advisory lock, so that several servers on one database stay correct and the change
//! log has no holes that fill later.

mod access;
mod audit;
mod blob;
mod cache;
mod canonical;
mod closure;
mod code_system;
pub mod connection;
mod content;
mod cursor;
mod database;
mod deadline;
mod entity;
mod explain;
mod fls;
mod gather;
mod history;
mod holds;
mod import;
mod index;
mod narrow;
pub mod notebook;
mod owner;
mod package;
mod parameters;
mod query_sql;
mod read;
mod record;
mod reindex;
mod search;
mod sets;
mod shown;
mod sort;
mod text;
mod values;
mod view;
mod walk;
mod write;
mod writer;

use std::sync::Arc;

use bytes::Bytes;

use crate::search::extract::ExtractOptions;
use crate::search::registry::Registry;
use crate::search::text::FullText;

pub use access::{AccessCertificate, AccessClient, AccessDirectory, AccessGrant, AccessKey, AccessUser, Ended, Used};
pub use audit::{Anchor, AuditFinding, AuditLog, AuditOptions, AuditQuery, AuditReader, AuditReport, AuditRow};
pub use blob::{
    BlobError, BlobId, BlobRead, Blobs, Bucket, Chunks, Collected, Encoding, Hole, Incoming, Kept, MediaOptions,
    MediaPlace, Part, Scanner, Syntax, Verified,
};
pub use canonical::StoredDefinitions;
pub use closure::{Closure, ClosureConcept, ClosureEntry};
pub use code_system::{StoredCodeSystem, StoredCodeSystems};
pub use connection::Database;
pub use content::Content;
pub use deadline::until;
pub use entity::{ColumnKind, EntityColumn, EntityFound, EntityQuery, EntityTable};
pub use explain::{ExplainedCondition, ExplainedStatement, Explanation};
pub use fls::{
    AlarmRow, EpisodeRow, LiaisonChange, LiaisonRows, LiaisonState, Registered, RegistryOrder, RegistryQuery,
};
pub use gather::{Gathering, Wanted};
pub use history::{Change, HistoryPage, HistoryQuery, HistoryScope};
pub use import::ImportProgress;
pub use notebook::{CITIZEN_COLUMNS, Cell, CitizenRow, EntityRow, EntryRow, NotebookRows, Projection};
pub use owner::{CitizenConsent, EMERGENCY_TAGS, Label};
pub use package::{InstalledPackage, NewPackage, PackagedDefinitions};
pub use parameters::{ParameterState, Unfinished};
pub use read::{Pending, Store};
pub use reindex::{Rebuild, reindex};
pub use search::{Found, SearchPage};
pub use view::{Citizens, Managed, View, ViewClause, ViewLiaison, open_types};
pub use write::{Prepared, WriteTransaction, Written};

/// Settings of a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Where the data lives.
    pub database: Database,
    /// Number of reading connections.
    pub readers: u32,
    /// Bytes of current versions kept in memory; 0 for none. Must be 0 when other processes write
    /// to the same database.
    pub cache_bytes: u64,
    /// Time zone of dates without one, in seconds east of UTC.
    pub default_offset_seconds: i32,
    /// What is kept for `_text` and `_content`.
    pub full_text: FullText,
    /// How notebook rows are made.
    pub project: Projection,
    /// Where photos, videos and large attachments lie.
    pub media: MediaOptions,
    /// The base URL of the server, when it is fixed: absolute references to it are references to what is here.
    pub base_url: Option<std::sync::Arc<str>>,
}

impl StoreOptions {
    /// The defaults for a database: 64 MiB of cache on SQLite (which one process owns), none on
    /// PostgreSQL; Japanese time. `project` makes the notebook rows of what is stored.
    #[must_use]
    pub fn new(database: Database, project: Projection) -> Self {
        let cache_bytes = if database.is_postgres() { 0 } else { 64 << 20 };
        Self {
            media: MediaOptions::beside(&database),
            database,
            readers: 8,
            cache_bytes,
            default_offset_seconds: 9 * 3600,
            full_text: FullText::default(),
            base_url: None,
            project,
        }
    }

    /// How index values are taken from resources.
    #[must_use]
    pub fn extract_options(&self, registry: Arc<Registry>) -> ExtractOptions {
        ExtractOptions {
            registry,
            default_offset_seconds: self.default_offset_seconds,
            full_text: self.full_text,
            base_url: self.base_url.clone(),
        }
    }
}

/// How a version came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Post = 1,
    Put = 2,
    Delete = 3,
    Patch = 4,
}

impl Method {
    /// The HTTP verb.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
        }
    }

    const fn from_number(number: i64) -> Self {
        match number {
            1 => Self::Post,
            3 => Self::Delete,
            4 => Self::Patch,
            _ => Self::Put,
        }
    }
}

/// One version of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// 1, 2, 3, …
    pub version: i64,
    /// When it was written, µs since 1970 UTC, whole milliseconds.
    pub updated: i64,
    /// How it came to be; `Delete` has no body.
    pub method: Method,
    /// JSON as served.
    pub body: Bytes,
}

impl Version {
    /// Whether this version says that the resource is gone.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.method == Method::Delete
    }
}

/// Why storage could not do something.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database refused; nothing of the job was stored.
    #[error("the database reported: {0}")]
    Database(String),
    /// The queue of writes is full.
    #[error("too many writes are waiting")]
    Busy,
    /// The content store refused; nothing of the job was stored.
    #[error(transparent)]
    Content(#[from] BlobError),
    /// No connection.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// The audit cannot be written or read: what it is about must not be answered.
    #[error("the audit: {0}")]
    Audit(String),
    /// The time for it was over; nothing was changed.
    #[error("the time was over")]
    Timeout,
    /// A page position that this server did not give.
    #[error("the page position is not one this server gave")]
    Cursor,
    /// A search parameter was changed or removed since the query was read.
    #[error("a search parameter changed meanwhile")]
    Outdated,
    /// A decision would rest on a search parameter that not all resources are indexed by yet.
    #[error("the search parameter {:?} is not complete yet", .0.code)]
    Unfinished(Unfinished),
    /// The caller may not see what this would ask.
    #[error("{0} is not open to callers who may not see everything")]
    Closed(String),
    /// The caller may not see the resource: for them there is none.
    #[error("there is no such resource")]
    Hidden,
    /// The caller may not write this.
    #[error("{0}")]
    Denied(String),
    /// Another SearchParameter defines this code on the same type.
    #[error("the search parameter {0:?} is defined twice")]
    DefinedTwice(String),
}

impl StoreError {
    #[allow(clippy::needless_pass_by_value)]
    fn connect(error: diesel::ConnectionError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<diesel::result::Error> for StoreError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.to_string())
    }
}

const STATE_REFERENCED: i64 = 0;
const STATE_LIVE: i64 = 1;
const STATE_DELETED: i64 = 2;

/// The resource type in a key.
#[must_use]
pub const fn type_of_key(key: i64) -> u8 {
    (key & 0xff) as u8
}
