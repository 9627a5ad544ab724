//! Tree → XML, elements in the order of the standard.

use quick_xml::escape::{resolve_html5_entity, resolve_xml_entity};
use smallvec::SmallVec;

use super::{FHIR, holds_resource, is_attribute};
use crate::format::json::Node;
use crate::r4::definitions::{Definitions, Field, TypeDef, definitions};
use crate::r4::primitives::Primitive;

/// A tree that is not a resource of the standard cannot be written: nothing is left out silently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot be written as XML: {0}")]
pub struct XmlWriteError(String);

/// Appends a resource as an XML document in UTF-8 to `out`, indented by two spaces a level when
/// `is_pretty`.
///
/// Characters that XML 1.0 cannot hold become U+FFFD; HTML's named entities in narratives become
/// character references.
///
/// # Errors
/// When the tree is not a resource, or has members that the standard does not know.
pub fn write_xml(node: &Node<'_>, is_pretty: bool, out: &mut Vec<u8>) -> Result<(), XmlWriteError> {
    out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let mut writer = Writer { out, is_pretty, tables: definitions() };
    writer.resource(node, 0)?;
    if is_pretty {
        out.push(b'\n');
    }
    Ok(())
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    is_pretty: bool,
    tables: &'static Definitions,
}

/// One member on its way out. Sorted, a value comes right before its `_name`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    element: u16,
    choice: u16,
    is_extra: bool,
    member: usize,
}

impl Writer<'_> {
    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn line(&mut self, level: usize) {
        if self.is_pretty {
            self.out.push(b'\n');
            self.out.extend(std::iter::repeat_n(b' ', level * 2));
        }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(b' ');
        self.text(name);
        self.text("=\"");
        escape(value, self.out);
        self.out.push(b'"');
    }

    fn resource(&mut self, node: &Node<'_>, level: usize) -> Result<(), XmlWriteError> {
        let name = node.text("resourceType").unwrap_or_default();
        let Some(type_id) = self.tables.resource(name) else {
            return Err(XmlWriteError(format!("{name:?} is not a resource type")));
        };
        self.line(level);
        self.out.push(b'<');
        self.text(name);
        if level == 0 {
            self.attribute("xmlns", FHIR);
        }
        self.content(self.tables.get(type_id), name, node, level)
    }

    /// The rest of an element whose tag is open: elements and end tag, or `/>`.
    fn content(
        &mut self,
        definition: &'static TypeDef,
        name: &str,
        node: &Node<'_>,
        level: usize,
    ) -> Result<(), XmlWriteError> {
        let places = self.places(definition, node)?;
        if places.is_empty() {
            self.text("/>");
            return Ok(());
        }
        self.out.push(b'>');
        let members = node.members();
        let mut rest = places.as_slice();
        while let [first, after @ ..] = rest {
            let (value, extra, after) = match after {
                _ if first.is_extra => (None, Some(first), after),
                [next, after @ ..] if (next.element, next.choice) == (first.element, first.choice) => {
                    (Some(first), Some(next), after)
                }
                _ => (Some(first), None, after),
            };
            rest = after;
            let member =
                |place: Option<&Place>| place.and_then(|place| members.get(place.member)).map(|found| &found.1);
            let element = definition.elements.get(usize::from(first.element));
            let Some(kind) = element.and_then(|element| element.types.get(usize::from(first.choice))) else { continue };
            let Some(field) = definition.field(&kind.json_name) else { continue };
            self.element(&kind.json_name, field, member(value), member(extra), level + 1)?;
        }
        self.line(level);
        self.text("</");
        self.text(name);
        self.out.push(b'>');
        Ok(())
    }

    /// The members that become elements, in the order of the standard.
    fn places(&self, definition: &'static TypeDef, node: &Node<'_>) -> Result<SmallVec<[Place; 16]>, XmlWriteError> {
        let Node::Object(members) = node else {
            return Err(XmlWriteError(format!("{} must be an object", definition.name)));
        };
        let mut places: SmallVec<[Place; 16]> = SmallVec::new();
        for (member, (name, _)) in members.iter().enumerate() {
            let bare = name.strip_prefix('_');
            let field = definition.field(bare.unwrap_or(name));
            let field = field.filter(|field| bare.is_none() || field.is_primitive);
            match field {
                Some(_) if is_attribute(definition, bare.unwrap_or(name)) && bare.is_none() => {}
                Some(field) if !is_attribute(definition, bare.unwrap_or(name)) => places.push(Place {
                    element: field.element,
                    choice: field.choice,
                    is_extra: bare.is_some(),
                    member,
                }),
                None if name == "resourceType" => {}
                _ => return Err(XmlWriteError(format!("{} has no element {name:?}", definition.name))),
            }
        }
        if !places.is_sorted() {
            places.sort_unstable();
        }
        Ok(places)
    }

    /// All repetitions of one element.
    fn element(
        &mut self,
        name: &str,
        field: Field,
        value: Option<&Node<'_>>,
        extra: Option<&Node<'_>>,
        level: usize,
    ) -> Result<(), XmlWriteError> {
        let is_list = |node: Option<&Node<'_>>| matches!(node, Some(Node::Array(_)));
        if !is_list(value) && !is_list(extra) {
            return self.single(name, field, value, extra, level);
        }
        let values = value.map_or(&[][..], Node::items);
        let extras = extra.map_or(&[][..], Node::items);
        for place in 0..values.len().max(extras.len()) {
            self.single(name, field, values.get(place), extras.get(place), level)?;
        }
        Ok(())
    }

    fn single(
        &mut self,
        name: &str,
        field: Field,
        value: Option<&Node<'_>>,
        extra: Option<&Node<'_>>,
        level: usize,
    ) -> Result<(), XmlWriteError> {
        let value = value.filter(|value| **value != Node::Null);
        let extra = extra.filter(|extra| **extra != Node::Null);
        if let (true, Some(Node::String(source))) = (Primitive::of(field.type_id) == Some(Primitive::Xhtml), value) {
            self.line(level);
            narrative(source.trim_ascii(), self.out);
            return Ok(());
        }
        self.line(level);
        self.out.push(b'<');
        self.text(name);
        if field.is_primitive {
            return self.primitive(name, value, extra, level);
        }
        let definition = self.tables.get(field.type_id);
        let empty = Node::Object(Vec::new());
        let value = value.unwrap_or(&empty);
        if holds_resource(definition) {
            self.out.push(b'>');
            self.resource(value, level + 1)?;
            self.line(level);
            self.text("</");
            self.text(name);
            self.out.push(b'>');
            return Ok(());
        }
        for attribute in ["id", "url"] {
            if let (Some(text), true) = (value.text(attribute), is_attribute(definition, attribute)) {
                self.attribute(attribute, text);
            }
        }
        self.content(definition, name, value, level)
    }

    fn primitive(
        &mut self,
        name: &str,
        value: Option<&Node<'_>>,
        extra: Option<&Node<'_>>,
        level: usize,
    ) -> Result<(), XmlWriteError> {
        if let Some(id) = extra.and_then(|extra| extra.text("id")) {
            self.attribute("id", id);
        }
        match value {
            Some(Node::String(text) | Node::Number(text)) => self.attribute("value", text),
            Some(Node::Bool(value)) => self.attribute("value", if *value { "true" } else { "false" }),
            Some(_) => return Err(XmlWriteError(format!("{name} must be a single value"))),
            None => {}
        }
        match (extra, self.tables.find("Element")) {
            (Some(extra), Some(element)) => self.content(element, name, extra, level),
            _ => {
                self.text("/>");
                Ok(())
            }
        }
    }
}

/// Appends the value of an attribute. Line ends and tabs are written as references, else readers
/// would make them spaces (XML 1.0 section 3.3.3).
fn escape(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut start = 0;
    for (place, byte) in bytes.iter().enumerate() {
        let (replacement, length): (&[u8], usize) = match byte {
            b'&' => (b"&amp;", 1),
            b'<' => (b"&lt;", 1),
            b'>' => (b"&gt;", 1),
            b'"' => (b"&quot;", 1),
            b'\n' => (b"&#10;", 1),
            b'\r' => (b"&#13;", 1),
            b'\t' => (b"&#9;", 1),
            0..0x20 => ("\u{fffd}".as_bytes(), 1),
            0xef if matches!(bytes.get(place + 1..place + 3), Some([0xbf, 0xbe | 0xbf])) => ("\u{fffd}".as_bytes(), 3),
            _ => continue,
        };
        out.extend_from_slice(bytes.get(start..place).unwrap_or_default());
        out.extend_from_slice(replacement);
        start = place + length;
    }
    out.extend_from_slice(bytes.get(start..).unwrap_or_default());
}

/// Appends a `div` as it is, but for named entities that XML does not define.
fn narrative(source: &str, out: &mut Vec<u8>) {
    let mut rest = source;
    while let Some(next) = rest.find(['&', '<']) {
        let (before, after) = rest.split_at_checked(next).unwrap_or((rest, ""));
        out.extend_from_slice(before.as_bytes());
        let verbatim = if after.starts_with("<!--") {
            after.find("-->").map(|end| end + 3)
        } else if after.starts_with("<![CDATA[") {
            after.find("]]>").map(|end| end + 3)
        } else if after.starts_with('&') {
            let end = after.find(';').filter(|end| *end <= 40);
            let name = end.and_then(|end| after.get(1..end)).unwrap_or_default();
            if name.starts_with('#') || resolve_xml_entity(name).is_some() {
                end.map(|end| end + 1)
            } else if let (Some(characters), Some(end)) = (resolve_html5_entity(name), end) {
                for character in characters.chars() {
                    out.extend_from_slice(format!("&#{};", u32::from(character)).as_bytes());
                }
                rest = after.get(end + 1..).unwrap_or_default();
                continue;
            } else {
                out.extend_from_slice(b"&amp;");
                rest = after.get(1..).unwrap_or_default();
                continue;
            }
        } else {
            Some(1)
        };
        let (taken, left) = after.split_at_checked(verbatim.unwrap_or(after.len())).unwrap_or((after, ""));
        out.extend_from_slice(taken.as_bytes());
        rest = left;
    }
    out.extend_from_slice(rest.as_bytes());
}
