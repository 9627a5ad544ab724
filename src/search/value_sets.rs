//! What search asks of terminology: the codes of a value set, those above and below a code (FHIR R4
//! search.html#token, `:in`, `:not-in`, `:above`, `:below`).

use std::fmt::Debug;

use crate::r4::outcome::Issue;

/// Codes of one system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Codes {
    /// URI of the system; empty when there is none.
    pub system: String,
    /// The codes.
    pub codes: Vec<String>,
}

/// Which way along a hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To what subsumes the code.
    Above,
    /// To what the code subsumes.
    Below,
}

/// A source of codes. Answers may block.
pub trait ValueSets: Send + Sync + Debug {
    /// The codes of a value set, each system once. It is named by its canonical URL (`url|version`) or
    /// as a resource of this server (`ValueSet/id`).
    ///
    /// # Errors
    /// Why there is no answer, for the client: not known, not supported, too many.
    fn expand(&self, value_set: &str) -> Result<Vec<Codes>, Issue>;

    /// Every name of a code system or namespace, itself first: an OID and a URL can be one.
    fn names(&self, system: &str) -> Vec<String>;

    /// The codes on one way from a code, with itself.
    ///
    /// # Errors
    /// As [`ValueSets::expand`].
    fn along(&self, way: Way, system: &str, code: &str) -> Result<Vec<String>, Issue>;
}
