//! Representations of resources: the JSON tree and its lossless reader and writer; folded text; packages.
//!
//! May use: nothing above. Must not know: FHIR semantics, storage, HTTP.

pub mod fold;
pub mod json;
pub mod package;
