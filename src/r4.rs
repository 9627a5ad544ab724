//! The R4 (4.0.1) standard as tables: types and their elements, search parameters, compartments,
//! and the primitive values (dates with their precision, decimals with their digits, references).
//!
//! May use: `format`. Must not know: storage, HTTP, the notebook.

pub mod bundle;
pub mod canonical;
pub mod datetime;
pub mod decimal;
pub mod definitions;
pub mod guide;
pub mod loaded;
pub mod outcome;
pub mod pack;
pub mod parameters;
pub mod primitives;
pub mod reference;
pub mod ucum;
pub mod url;
pub mod wording;

pub use definitions::{Definitions, Field, Kind, TypeDef, TypeId, definitions};
