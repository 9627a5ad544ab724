//! Operations that turn what others send into interactions the engine knows.
//!
//! `ingest` makes a transaction of a document, `demo` makes citizens to look at: both are pure.
//! `document` carries an ingest out. May use: everything below. Must not know: HTTP, SQL.

pub mod demo;
mod document;
pub mod ingest;

pub use document::{Ingested, ingest_blocking, ingest_document};
