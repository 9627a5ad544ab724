//! FHIRPath (N1, <http://hl7.org/fhirpath/N1/>) over borrowed JSON.
//!
//! text → [`lexer`] → [`parser`] → [`ast`] (the whole grammar) → [`mod@compile`] (names resolved against
//! the R4 tables, once an expression) → [`evaluate`]. The compiler knows the part of the language
//! that the standard's search parameters use; anything else is [`FhirPathError::Unsupported`],
//! said when compiling, never while a resource is being written.
//!
//! Paths whose types are known beforehand become chains of JSON member names: `(Observation.value
//! as Quantity)` is one look-up of `valueQuantity`.
//!
//! [`general`] evaluates the whole language from the tree, for invariants, patches and questions; it
//! is slower than the compiled form and says so where something is not supported.
//!
//! May use: `r4`, `format`. Must not know: search, storage, HTTP.

pub mod ast;
pub mod compile;
pub mod environment;
pub mod evaluate;
pub mod general;
pub mod lexer;
pub mod parser;

pub use compile::{Compiled, compile, compile_for};
pub use environment::{Code, Conformance, Environment, Evaluation, Failure, Resolver, Shelf, Terminology};
pub use evaluate::{Item, Items, Value};
pub use general::{Query, Typing};

/// Why an expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FhirPathError {
    /// Not in the grammar.
    #[error("FHIRPath syntax error at character {position}: {message}")]
    Syntax {
        /// Byte offset in the expression.
        position: usize,
        /// What was expected.
        message: String,
    },
    /// In the language, but not in the part built so far.
    #[error("FHIRPath {0} is not supported")]
    Unsupported(String),
    /// A name that no possible type of the input has.
    #[error("FHIRPath name {name:?} is not an element of {types}")]
    UnknownName {
        /// The name.
        name: String,
        /// The types it was looked up in.
        types: String,
    },
    /// A type that R4 does not define.
    #[error("FHIRPath type {0:?} is unknown in FHIR R4")]
    UnknownType(String),
    /// More steps than one evaluation may take.
    #[error("FHIRPath evaluation takes too many steps")]
    TooCostly,
    /// An operand is a list where one value is needed.
    #[error("FHIRPath {0} needs a single value")]
    NotSingleton(&'static str),
    /// Operands of the wrong type, or a literal that means nothing.
    #[error("FHIRPath: {0}")]
    Invalid(String),
}
