//! Large data in stored JSON: a hole that says which content belongs there.
//!
//! A hole stands where the base64 text was and is itself base64, so that whatever carries a resource from
//! the store to the edge carries it along as any other text: searches, histories, bundles, XML. It is filled
//! where bodies leave (`http/filled`), a chunk at a time, or in memory by [`Blobs::whole`] for those who look
//! at the data itself. It is signed with a key of the database: nobody can write one and read other people's
//! content through it.
//!
//! ```text
//! renrakuBlob/ b 00000000019a2f1 <64 digits of SHA-256> <32 digits of signature>
//! ```
//!
//! The letter says what the content is: `b`, the bytes that the base64 stood for (the same photo sent as
//! base64 and as it is takes its room once), or `t`, the text itself, where its writer broke lines.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use memchr::memmem;

use super::{BlobError, BlobId, BlobRead, Blobs};
use crate::format::json::Node;

const PREFIX: &str = "renrakuBlob/";
const SIZE_DIGITS: usize = 15;
const HASH_DIGITS: usize = 64;
/// Length of a hole: a multiple of 4, as base64 must have.
const LENGTH: usize = PREFIX.len() + 1 + SIZE_DIGITS + HASH_DIGITS + 32;
/// Bytes that become one chunk of base64 text.
const CHUNK: usize = 48 << 10;

/// What content in a hole is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The bytes; the hole's text is their base64.
    Bytes,
    /// The text of the hole.
    Text,
}

/// A place in a body that content belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// What the content is.
    pub encoding: Encoding,
    /// Size of the content in bytes.
    pub size: u64,
    /// Which content.
    pub id: BlobId,
}

/// What a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// JSON.
    Json,
    /// XML.
    Xml,
}

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// As it is.
    Bytes(Bytes),
    /// To be filled.
    Hole(Hole),
}

impl Part {
    /// Length when filled; `None` when it is not known before.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Hole(Hole { encoding: Encoding::Bytes, size, .. }) => Some(size.div_ceil(3) * 4),
            Self::Hole(_) => None,
        }
    }
}

/// What a hole says, without its signature.
fn read(text: &[u8]) -> Option<Hole> {
    let text = std::str::from_utf8(text.get(..LENGTH)?).ok()?.strip_prefix(PREFIX)?;
    let encoding = match text.as_bytes().first()? {
        b'b' => Encoding::Bytes,
        b't' => Encoding::Text,
        _ => return None,
    };
    let size = u64::from_str_radix(text.get(1..=SIZE_DIGITS)?, 16).ok()?;
    let id = BlobId::parse(text.get(1 + SIZE_DIGITS..1 + SIZE_DIGITS + HASH_DIGITS)?)?;
    Some(Hole { encoding, size, id })
}

/// Content that a stored body names, signed or not.
pub(super) fn mentioned(body: &[u8]) -> impl Iterator<Item = BlobId> + '_ {
    memmem::find_iter(body, PREFIX).filter_map(|place| Some(read(body.get(place..)?)?.id))
}

/// A large text where base64 may stand.
fn is_large(name: &str, value: &Node<'_>, inline: usize) -> bool {
    name == "data" && matches!(value, Node::String(text) if text.len() > inline)
}

fn has_large(node: &Node<'_>, inline: usize) -> bool {
    match node {
        Node::Object(members) => {
            members.iter().any(|(name, value)| is_large(name, value, inline) || has_large(value, inline))
        }
        Node::Array(items) => items.iter().any(|item| has_large(item, inline)),
        _ => false,
    }
}

impl Blobs {
    /// The text that stands for content.
    #[must_use]
    pub fn hole(&self, hole: &Hole) -> String {
        let letter = match hole.encoding {
            Encoding::Bytes => 'b',
            Encoding::Text => 't',
        };
        let mut text = format!("{PREFIX}{letter}{:0SIZE_DIGITS$x}{}", hole.size, hole.id);
        let signature = self.0.key.sign("content", text.as_bytes());
        signature.iter().for_each(|byte| text.push_str(&format!("{byte:02x}")));
        text
    }

    /// The hole that a text is, if it is one of ours.
    #[must_use]
    pub fn hole_at(&self, text: &[u8]) -> Option<Hole> {
        let hole = read(text)?;
        let right = self.hole(&hole);
        let differences = text.iter().zip(right.bytes()).fold(0, |sum, (left, right)| sum | (left ^ right));
        (differences == 0).then_some(hole)
    }

    /// Size in characters beyond which data is moved.
    #[must_use]
    pub fn inline(&self) -> usize {
        self.0.inline
    }

    /// Moves large `data` of a resource to the content store; the resource with holes, or nothing when
    /// none is large. Blocks.
    ///
    /// # Errors
    /// As [`Blobs::keep`].
    pub fn moved_out<'n>(&self, resource: &Node<'n>) -> Result<Option<Node<'n>>, BlobError> {
        if has_large(resource, self.0.inline) { self.with_holes(resource).map(Some) } else { Ok(None) }
    }

    fn with_holes<'n>(&self, node: &Node<'n>) -> Result<Node<'n>, BlobError> {
        Ok(match node {
            Node::Object(members) => {
                let mut with_holes = Vec::with_capacity(members.len());
                for (name, value) in members {
                    let value = match value {
                        Node::String(text) if is_large(name, value, self.0.inline) => {
                            Node::String(self.text_moved(text)?)
                        }
                        value => self.with_holes(value)?,
                    };
                    with_holes.push((name.clone(), value));
                }
                Node::Object(with_holes)
            }
            Node::Array(items) => {
                Node::Array(items.iter().map(|item| self.with_holes(item)).collect::<Result<_, _>>()?)
            }
            value => value.clone(),
        })
    }

    fn text_moved<'n>(&self, text: &Cow<'n, str>) -> Result<Cow<'n, str>, BlobError> {
        let mut incoming = self.receive()?;
        let mut encoding = Encoding::Bytes;
        // Decoding takes nothing but what encoding gives back exactly.
        for piece in text.as_bytes().chunks(CHUNK / 3 * 4) {
            match STANDARD.decode(piece) {
                Ok(bytes) => incoming.write_all(&bytes)?,
                Err(_) => {
                    encoding = Encoding::Text;
                    break;
                }
            }
        }
        if encoding == Encoding::Bytes && incoming.size().div_ceil(3) * 4 != text.len() as u64 {
            encoding = Encoding::Text;
        }
        if encoding == Encoding::Text {
            if text.bytes().any(|byte| !byte.is_ascii_alphanumeric() && !b"+/= \t\r\n".contains(&byte)) {
                // Not base64 at all: whatever it is, it stays where it is.
                return Ok(text.clone());
            }
            incoming = self.receive()?;
            incoming.write_all(text.as_bytes())?;
        }
        let kept = self.keep(incoming)?;
        Ok(Cow::Owned(self.hole(&Hole { encoding, size: kept.size, id: kept.id })))
    }

    /// The pieces of a body, when it has holes.
    #[must_use]
    pub fn parts(&self, body: &Bytes) -> Option<Vec<Part>> {
        let mut parts = Vec::new();
        let mut done = 0;
        for place in memmem::find_iter(body, PREFIX) {
            let Some(hole) = body.get(place..).and_then(|text| self.hole_at(text)) else { continue };
            parts.push(Part::Bytes(body.slice(done..place)));
            parts.push(Part::Hole(hole));
            done = place + LENGTH;
        }
        if parts.is_empty() {
            return None;
        }
        parts.push(Part::Bytes(body.slice(done..)));
        Some(parts)
    }

    /// A body in JSON with its holes filled, for those who look at the data. Blocks.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`] beyond `limit` bytes, or what the store says.
    pub fn whole(&self, body: &Bytes, limit: usize) -> Result<Bytes, BlobError> {
        let Some(parts) = self.parts(body) else { return Ok(body.clone()) };
        let size: u64 = parts.iter().map(|part| part.length().unwrap_or_else(|| sized(part))).sum();
        if size > limit as u64 {
            return Err(BlobError::TooLarge);
        }
        let mut out = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        let mut chunks = Chunks::new(self.clone(), parts, Syntax::Json)?;
        while let Some(chunk) = chunks.next_chunk()? {
            out.extend_from_slice(&chunk);
        }
        Ok(out.into())
    }
}

fn sized(part: &Part) -> u64 {
    match part {
        Part::Bytes(bytes) => bytes.len() as u64,
        Part::Hole(hole) => hole.size,
    }
}

/// A body that is filled a chunk at a time.
pub struct Chunks {
    blobs: Blobs,
    parts: VecDeque<Part>,
    opened: VecDeque<Box<dyn BlobRead>>,
    syntax: Syntax,
    /// How far the first part came.
    offset: u64,
}

impl std::fmt::Debug for Chunks {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Chunks").field("parts", &self.parts.len()).finish_non_exhaustive()
    }
}

/// Contents of one body that are held open from its beginning; a file each.
const OPENED: usize = 64;

impl Chunks {
    /// Opens the content before anything is sent, so that what is missing is an error and not half a body.
    /// Blocks.
    ///
    /// # Errors
    /// [`BlobError::Missing`], or what the store says.
    pub fn new(blobs: Blobs, parts: Vec<Part>, syntax: Syntax) -> Result<Self, BlobError> {
        let mut opened = VecDeque::new();
        for part in &parts {
            let Part::Hole(hole) = part else { continue };
            let content = blobs.open(&hole.id)?;
            if content.size() != hole.size {
                return Err(BlobError::Missing(hole.id));
            }
            if opened.len() < OPENED {
                opened.push_back(content);
            }
        }
        Ok(Self { blobs, parts: parts.into(), opened, syntax, offset: 0 })
    }

    /// The next piece; nothing at the end. Blocks.
    ///
    /// # Errors
    /// What the store says.
    pub fn next_chunk(&mut self) -> Result<Option<Bytes>, BlobError> {
        loop {
            let hole = match self.parts.front() {
                None => return Ok(None),
                Some(Part::Hole(hole)) => *hole,
                Some(Part::Bytes(_)) => match self.parts.pop_front() {
                    Some(Part::Bytes(bytes)) if !bytes.is_empty() => return Ok(Some(bytes)),
                    _ => continue,
                },
            };
            if self.opened.is_empty() {
                self.opened.push_back(self.blobs.open(&hole.id)?);
            }
            let left = hole.size.saturating_sub(self.offset);
            let Some(content) = self.opened.front().filter(|_| left > 0) else {
                self.parts.pop_front();
                self.opened.pop_front();
                self.offset = 0;
                continue;
            };
            let mut buffer = vec![0; usize::try_from(left.min(CHUNK as u64)).unwrap_or(CHUNK)];
            if content.read_at(self.offset, &mut buffer)? != buffer.len() {
                return Err(BlobError::Missing(hole.id));
            }
            self.offset += buffer.len() as u64;
            return Ok(Some(match hole.encoding {
                Encoding::Bytes => STANDARD.encode(&buffer).into(),
                Encoding::Text => escaped(&buffer, self.syntax).into(),
            }));
        }
    }
}

/// Base64 with its spaces as they are written inside a JSON string or an XML attribute.
fn escaped(text: &[u8], syntax: Syntax) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 16);
    for byte in text {
        let escape: &[u8] = match (byte, syntax) {
            (b'\n', Syntax::Json) => b"\\n",
            (b'\r', Syntax::Json) => b"\\r",
            (b'\t', Syntax::Json) => b"\\t",
            (b'\n', Syntax::Xml) => b"&#10;",
            (b'\r', Syntax::Xml) => b"&#13;",
            (b'\t', Syntax::Xml) => b"&#9;",
            _ => std::slice::from_ref(byte),
        };
        out.extend_from_slice(escape);
    }
    out
}
