//! The `div` of a narrative: the one element whose source is its value.

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};

use super::{MAX_ATTRIBUTES, Walk};
use crate::format::json::Node;
use crate::r4::primitives::shorten;
use crate::xml::{XHTML, XmlError};

/// Deepest nesting inside a narrative, which is read without recursion.
const MAX_NARRATIVE_DEPTH: usize = 1024;

impl Walk<'_> {
    /// A `div`, kept as its source; only where prefixes carry its namespace it is written anew.
    pub(super) fn narrative(&mut self, start: &BytesStart<'_>) -> Result<Node<'static>, XmlError> {
        let begin = self.start;
        let is_plain = start.name().prefix().is_none()
            && start.attributes().flatten().any(|found| found.key.into_inner() == "xmlns");
        let mut rewritten = String::new();
        let mut open = 1_usize;
        self.narrative_tag(start, (!is_plain).then_some(&mut rewritten), true)?;
        while open > 0 {
            let event = self.event()?;
            let source = self.text.get(self.start..self.position()).unwrap_or_default();
            match &event {
                Event::Start(start) => {
                    open += 1;
                    if open > MAX_NARRATIVE_DEPTH {
                        return self.fail(format!("the narrative is nested deeper than {MAX_NARRATIVE_DEPTH} levels"));
                    }
                    self.narrative_tag(start, (!is_plain).then_some(&mut rewritten), false)?;
                    continue;
                }
                Event::End(end) => {
                    open -= 1;
                    // The end of `<br/>` has no text of its own.
                    if !is_plain && !source.is_empty() {
                        rewritten.push_str(&format!("</{}>", end.local_name().into_inner()));
                    }
                    continue;
                }
                Event::GeneralRef(found) if !found.is_char_ref() && resolve_xml_entity(found).is_none() => {
                    let name = shorten(found).to_string();
                    return self.ill_formed(format!("&{name}; is not defined in XML; write the character itself"));
                }
                Event::Eof => return self.never_closed(),
                _ => {}
            }
            if !is_plain {
                rewritten.push_str(source);
            }
        }
        if is_plain {
            let source = self.text.get(begin..self.position()).unwrap_or_default();
            return Ok(Node::string(source.to_owned()));
        }
        Ok(Node::string(rewritten))
    }

    /// Checks a tag inside a narrative; writes it without prefixes when `out` is there.
    fn narrative_tag(&self, start: &BytesStart<'_>, out: Option<&mut String>, is_root: bool) -> Result<(), XmlError> {
        let name = start.local_name().into_inner();
        if !self.is_in(start, XHTML) {
            return self.fail(format!("<{}> must be XHTML: write <div xmlns=\"{XHTML}\">", shorten(name)));
        }
        let mut attributes = String::new();
        for (place, attribute) in start.attributes().enumerate() {
            if place == MAX_ATTRIBUTES {
                return self.fail(format!("an element has more than {MAX_ATTRIBUTES} attributes"));
            }
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(error) => return self.ill_formed(error),
            };
            let key = attribute.key.into_inner();
            if let Err(error) = attribute.normalized_value_with(XmlVersion::Implicit1_0, 1, resolve_xml_entity) {
                return self.ill_formed(format!("the attribute {key}: {error}"));
            }
            if attribute.value.contains('<') {
                return self.ill_formed(format!("write &lt; for < in the attribute {key}"));
            }
            if out.is_some() && key != "xmlns" && !key.starts_with("xmlns:") {
                attributes.push_str(&format!(" {key}=\"{}\"", attribute.value.replace('"', "&quot;")));
            }
        }
        if let Some(out) = out {
            let source = self.text.get(self.start..self.position()).unwrap_or_default();
            let space = if is_root { format!(" xmlns=\"{XHTML}\"") } else { String::new() };
            let end = if source.ends_with("/>") { "/>" } else { ">" };
            out.push_str(&format!("<{name}{space}{attributes}{end}"));
        }
        Ok(())
    }
}
