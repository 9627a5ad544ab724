//! The XML representation of resources (FHIR R4 xml.html): the same tree as JSON, read and written
//! by the tables of the standard.
//!
//! Nothing is lost on the way there and back: decimals keep their digits, narratives their source,
//! extensions of primitives their place. What XML alone can get wrong is refused with its line and
//! column here; what is wrong in both representations is left to `validation`.
//!
//! May use: `format`, `r4`. Must not know: storage, HTTP, the notebook.

pub mod locate;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use read::parse_xml;
pub use write::{XmlWriteError, write_xml};

use crate::r4::definitions::{Kind, TypeDef};

/// The namespace of all elements but narratives.
const FHIR: &str = "http://hl7.org/fhir";

/// The namespace of narratives.
const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// Why bytes are not acceptable FHIR XML, with the place (1-based line and column).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at line {line} column {column}")]
pub struct XmlError {
    /// What is wrong.
    pub message: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in bytes, counted from 1.
    pub column: usize,
}

/// Whether an element of a type is an XML attribute: `id` of elements, `url` of extensions. The `id`
/// of a resource is an element (FHIR R4 xml.html).
fn is_attribute(owner: &TypeDef, name: &str) -> bool {
    owner.kind != Kind::Resource && (name == "id" || (name == "url" && owner.name == "Extension"))
}

/// Whether an element holds a whole resource (`contained`, `Bundle.entry.resource`).
fn holds_resource(definition: &TypeDef) -> bool {
    definition.kind == Kind::Resource && definition.is_abstract
}
