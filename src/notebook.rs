//! The contact notebook (電子＠連絡帳) as a view of resources: who the citizen is, and what happened
//! when, in words a care team reads.
//!
//! Everything here is pure: resources in, rows out. The rows are derived and can be rebuilt at any
//! time; the resource stays the truth. May use: `format`, `r4`. Must not know: storage, HTTP, the
//! clock.

pub mod category;
pub mod lens;
pub mod medication_now;
pub mod model;
mod project;
mod texts;
mod when;

pub use crate::store::{CitizenRow, EntryRow, NotebookRows};
pub use project::{name_of, project};
