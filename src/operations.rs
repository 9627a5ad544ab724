//! Operations that turn what others send into interactions the engine knows.
//!
//! `table` has all operations (`$name`) and says how to add one, `call` runs one, `inputs` reads what it is
//! given; each room named in the table does what its operations do. `ingest` makes a transaction of a document, `demo` makes citizens to
//! look at: both are pure. `document` carries an ingest out, `offer` makes the built-in guide resources. May use: everything below. Must not know: HTTP, SQL.

mod call;
mod composition;
mod convert;
pub mod demo;
mod difference;
mod document;
mod everything;
mod fhirpath;
pub mod fls;
mod graphql;
pub mod ingest;
mod inputs;
mod lastn;
mod lists;
mod matching;
pub mod measure;
pub mod media;
mod meta;
pub mod notebook;
pub mod offer;
mod package;
mod reindex;
mod stats;
mod summary;
mod table;
mod terminology;
mod validate;

pub use call::{Call, NoTarget, Request, Target, parameters, part, run, run_entry};
pub use document::{Ingested, ingest_blocking};
pub use inputs::{Inputs, Value};
pub use package::{InstalledNow, build_package, install_package, remove_package};
pub use table::{BodyForm, Described, Level, Operation, OwnDefinitions, Parameter, is_primitive, operations};
