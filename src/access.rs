//! Who may do what: callers, scopes, tokens, passwords, relations to citizens. Decisions are functions of plain
//! values; `engine/relations` gathers what they need, `store/view` holds every statement to them.
//!
//! May use: `store` (types), `search`, `r4`, OpenSSL for signatures. Must not know: HTTP, SQL, interactions.

pub mod audit;
mod caller;
pub mod claims;
pub mod consent;
pub mod jwt;
mod known;
pub mod password;
pub mod policy;
pub mod relation;
mod scope;

pub use caller::{Caller, Certificate, FhirUser, Subject};
pub use known::KnownTokens;
pub use policy::Policy;
pub use scope::{Grant, GrantContext, Interaction, Scopes};
