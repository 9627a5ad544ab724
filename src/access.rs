//! Who may do what: callers, scopes, tokens, passwords, relations to citizens. Decisions are functions of plain
//! values. Whose citizens a caller may see is not filtered yet: persons and systems that act for one organization are
//! refused ([`Caller::may`]).
//!
//! May use: `store` (types), `search`, `r4`, OpenSSL for signatures. Must not know: HTTP, SQL, interactions.

mod caller;
pub mod claims;
pub mod jwt;
pub mod password;
pub mod relation;
mod scope;

pub use caller::{Caller, Certificate, FhirUser, Subject};
pub use scope::{Grant, GrantContext, Interaction, Scopes};
