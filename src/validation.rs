//! Whether content is right: structure first (every way in), then, as configured, bindings,
//! invariants and profiles.
//!
//! May use: `format`, `r4`, `fhirpath`. Must not know: storage, HTTP, the notebook; terminology only
//! through [`codes::CodeChecker`].

pub mod codes;
mod instance;
mod locate;
pub mod message;
mod place;
mod profile;
mod rules;
pub mod schema;
pub mod structure;
mod validator;

pub use locate::{Locator, places_in_xml};
pub use message::{Finding, Language};
pub use profile::snapshot::ProfileError;
#[cfg(test)]
pub(crate) use rules::vital_signs;
pub use validator::{Options, Validator};

/// Reference inputs outside the repository, for tests; `None` (and a line that says so) in a clone
/// that has none.
#[cfg(test)]
#[allow(clippy::print_stderr)]
pub(crate) fn shared(path: &str) -> Option<std::path::PathBuf> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let configured = std::env::var_os("RENRAKU_SHARED").map(std::path::PathBuf::from);
    let candidates = configured.into_iter().chain([root.join("../shared"), root.join("../../shared")]);
    let found = candidates.map(|folder| folder.join(path)).find(|candidate| candidate.exists());
    if found.is_none() {
        eprintln!("skipped: no shared {path}");
    }
    found
}
