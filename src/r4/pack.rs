//! Reads the definitions pack that is built into the binary.
//!
//! Container: a magic line, one JSON header line that names each section with its offset and
//! lengths, then one zstd frame a section; every section is NDJSON. `fhir-profiles/README.md`
//! describes it, `fhir-profiles/build_pack.py` writes it.

use crate::format::json::{self, Node};

static PACK: &[u8] = include_bytes!("../../fhir-profiles/hl7.fhir.r4.core-4.0.1.pack");

/// Why the built-in pack cannot be read; only a broken build can cause it.
#[derive(Debug, thiserror::Error)]
#[error("the definitions pack is unreadable: {0}")]
pub struct PackError(pub(crate) String);

/// The parts of the pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Resource, complex and primitive types, in compact form.
    Types,
    /// Search parameters, compartments, operations.
    Search,
    /// Value sets, code systems, concept maps, naming systems.
    Terminology,
    /// Profiles, extensions and logical models.
    Profiles,
}

impl Section {
    const fn name(self) -> &'static str {
        match self {
            Self::Types => "types",
            Self::Search => "search",
            Self::Terminology => "terminology",
            Self::Profiles => "profiles",
        }
    }
}

/// The NDJSON text of one section, decompressed.
///
/// # Errors
/// When the pack that was built in is damaged.
pub fn section(section: Section) -> Result<Vec<u8>, PackError> {
    let broken = |what: &str| PackError(what.to_owned());
    let rest = PACK.strip_prefix(b"renraku-pack 1\n").ok_or_else(|| broken("no magic line"))?;
    let header_end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| broken("no header line"))?;
    let (header, frames) = rest.split_at(header_end);
    let frames = frames.get(1..).unwrap_or_default();
    let header = json::parse(header).map_err(|error| broken(&error.to_string()))?;
    let entry = header
        .list("sections")
        .iter()
        .find(|entry| entry.text("name") == Some(section.name()))
        .ok_or_else(|| broken("section missing"))?;
    let number = |name: &str| match entry.get(name) {
        Some(Node::Number(digits)) => digits.parse::<usize>().map_err(|error| broken(&error.to_string())),
        _ => Err(broken("header without lengths")),
    };
    let (offset, length, raw) = (number("offset")?, number("length")?, number("raw")?);
    let frame = frames.get(offset..offset + length).ok_or_else(|| broken("section beyond the end"))?;
    zstd::bulk::decompress(frame, raw).map_err(|error| broken(&error.to_string()))
}
