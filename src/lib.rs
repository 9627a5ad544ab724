//! An HL7 FHIR R4 (4.0.1) server whose resources are the contact notebook of a care team.
//!
//! The modules are floors; imports go down only. `ARCHITECTURE.md` is the map.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod access;
pub mod engine;
pub mod fhirpath;
pub mod fls;
pub mod format;
pub mod http;
pub mod media;
pub mod notebook;
pub mod operations;
pub mod r4;
pub mod search;
pub mod store;
pub mod terminology;
pub mod validation;
pub mod xml;
