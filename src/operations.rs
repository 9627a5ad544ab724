//! Operations that turn what others send into interactions the engine knows.
//!
//! `ingest` makes a transaction of a document; `demo` makes citizens to look at. Both are pure.
//! May use: everything below. Must not know: HTTP, SQL.

pub mod demo;
pub mod ingest;
