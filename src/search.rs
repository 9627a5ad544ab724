//! Search without a database: which values of a resource are indexed, what a query means.
//!
//! May use: `r4`, `format`, `fhirpath`. Must not know: SQL (that is `store`), HTTP.

pub mod custom;
pub mod describe;
pub mod extract;
pub mod parse;
pub mod position;
pub mod query;
pub mod registry;
pub mod rows;
pub mod shape;
pub mod text;
pub mod value_sets;
mod values;

pub use crate::format::fold;
