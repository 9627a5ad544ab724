//! The bytes of a resource as they are stored and served, with the holes the writer fills.
//!
//! Version and time are known only when the write happens. So the JSON is prepared with a place for
//! `meta.versionId` and `meta.lastUpdated`, and the writer renders it by copying.

use bytes::Bytes;

use crate::format::json::{Node, write_string};
use crate::r4::datetime;

/// A resource ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Compact JSON without id, version and time.
    bytes: Vec<u8>,
    /// Where `"id":"…","meta":{"versionId":"…","lastUpdated":"…"` goes.
    hole: usize,
    /// `meta` has other members after the hole.
    has_meta: bool,
}

impl Content {
    /// Prepares a resource (an object with `resourceType`): takes the sender's id, `meta.versionId`
    /// and `meta.lastUpdated` out (FHIR R4 http.html#create: the server sets them) and leaves
    /// everything else in its order. Id and meta are served right after `resourceType`.
    #[must_use]
    pub fn prepare(resource: &Node<'_>) -> Self {
        let meta: Vec<_> = resource
            .get("meta")
            .map_or(&[][..], Node::members)
            .iter()
            .filter(|(name, _)| !matches!(name.as_ref(), "versionId" | "lastUpdated" | "_versionId" | "_lastUpdated"))
            .collect();
        let mut bytes = Vec::with_capacity(1024);
        bytes.extend_from_slice(b"{\"resourceType\":");
        write_string(resource.text("resourceType").unwrap_or_default(), &mut bytes);
        bytes.push(b',');
        let hole = bytes.len();
        for (place, (name, value)) in meta.iter().enumerate() {
            if place > 0 {
                bytes.push(b',');
            }
            write_string(name, &mut bytes);
            bytes.push(b':');
            value.write(&mut bytes);
        }
        bytes.push(b'}');
        for (name, value) in resource.members() {
            if matches!(name.as_ref(), "resourceType" | "id" | "meta") {
                continue;
            }
            bytes.push(b',');
            write_string(name, &mut bytes);
            bytes.push(b':');
            value.write(&mut bytes);
        }
        bytes.push(b'}');
        Self { bytes, hole, has_meta: !meta.is_empty() }
    }

    /// The bytes of a version.
    #[must_use]
    pub fn render(&self, id: &str, version: i64, updated: i64) -> Bytes {
        let mut out = Vec::with_capacity(self.bytes.len() + id.len() + 96);
        let (before, after) = self.bytes.split_at(self.hole.min(self.bytes.len()));
        out.extend_from_slice(before);
        out.extend_from_slice(b"\"id\":");
        write_string(id, &mut out);
        out.extend_from_slice(b",\"meta\":{\"versionId\":\"");
        out.extend_from_slice(version.to_string().as_bytes());
        out.extend_from_slice(b"\",\"lastUpdated\":\"");
        datetime::write_instant(updated, &mut out);
        out.push(b'"');
        if self.has_meta {
            out.push(b',');
        }
        out.extend_from_slice(after);
        out.into()
    }

    /// Size in bytes of the prepared JSON.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json::parse;

    #[test]
    fn renders_id_version_and_time_and_keeps_the_rest() {
        let resource = parse(br#"{"resourceType":"Patient","active":true,"meta":{"versionId":"9","tag":[{"code":"x"}]},"id":"old","n":1.50}"#).unwrap();
        let bytes = Content::prepare(&resource).render("new", 3, 0);
        assert_eq!(
            std::str::from_utf8(&bytes).unwrap(),
            r#"{"resourceType":"Patient","id":"new","meta":{"versionId":"3","lastUpdated":"1970-01-01T00:00:00.000Z","tag":[{"code":"x"}]},"active":true,"n":1.50}"#
        );
        let bare = Content::prepare(&parse(br#"{"resourceType":"Patient"}"#).unwrap()).render("a", 1, 0);
        assert_eq!(
            std::str::from_utf8(&bare).unwrap(),
            r#"{"resourceType":"Patient","id":"a","meta":{"versionId":"1","lastUpdated":"1970-01-01T00:00:00.000Z"}}"#
        );
    }
}
