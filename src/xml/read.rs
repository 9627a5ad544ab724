//! XML → tree. One pass over the events of `quick-xml`; each element is one look-up in the tables.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::reader::NsReader;
use smallvec::SmallVec;

use super::{FHIR, XmlError, holds_resource, is_attribute};
use crate::format::json::{MAX_DEPTH, Node, is_json_number, place};
use crate::r4::definitions::{Definitions, Field, TypeDef, TypeId, definitions};
use crate::r4::primitives::{Primitive, shorten};

/// Most attributes of one element: each is compared with all before it.
const MAX_ATTRIBUTES: usize = 128;

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

mod narrative;

type Members = Vec<(Cow<'static, str>, Node<'static>)>;
type Attributes = SmallVec<[(&'static str, String); 2]>;

/// Reads one resource in XML.
///
/// Comments, processing instructions and `xsi:schemaLocation` are passed over; a document type
/// declaration is refused, so that no entity can be declared.
///
/// # Errors
/// [`XmlError`] for anything that is not exactly one resource in well-formed XML in UTF-8, with the
/// elements of its type in the order of the standard.
pub fn parse_xml(bytes: &[u8]) -> Result<Node<'static>, XmlError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let index = error.valid_up_to();
        at(bytes, index, format!("not UTF-8: invalid byte at {index}; FHIR is always UTF-8"))
    })?;
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_comments = true;
    let mut walk = Walk { text, reader, start: 0, tables: definitions() };
    walk.document()
}

fn at(bytes: &[u8], index: usize, message: String) -> XmlError {
    let (line, column) = place(bytes, index);
    XmlError { message, line, column }
}

struct Walk<'a> {
    text: &'a str,
    reader: NsReader<&'a [u8]>,
    /// Where the last event starts.
    start: usize,
    tables: &'static Definitions,
}

/// The element being read at one level; its values when it repeats.
#[derive(Default)]
struct Group {
    field: Option<(Field, &'static str)>,
    values: Vec<Node<'static>>,
    /// What stands below `_name`, one for each value of a primitive.
    extras: Vec<Node<'static>>,
}

impl Group {
    /// Takes one value; of an element that does not repeat it is the member itself.
    fn take(&mut self, members: &mut Members, value: Node<'static>, extra: Node<'static>) {
        let Some((field, name)) = self.field else { return };
        if field.is_array {
            self.values.push(value);
            if field.is_primitive {
                self.extras.push(extra);
            }
            return;
        }
        if value != Node::Null {
            members.push((Cow::Borrowed(name), value));
        }
        if extra != Node::Null {
            members.push((Cow::Owned(format!("_{name}")), extra));
        }
    }

    /// Moves the repetitions that were collected into the members of the object.
    fn finish(&mut self, members: &mut Members) {
        let Some((_, name)) = self.field.take() else { return };
        let (values, extras) = (std::mem::take(&mut self.values), std::mem::take(&mut self.extras));
        if values.iter().any(|value| *value != Node::Null) {
            members.push((Cow::Borrowed(name), Node::Array(values)));
        }
        if extras.iter().any(|extra| *extra != Node::Null) {
            members.push((Cow::Owned(format!("_{name}")), Node::Array(extras)));
        }
    }
}

impl<'a> Walk<'a> {
    #[cold]
    fn fail<T>(&self, message: impl Into<String>) -> Result<T, XmlError> {
        Err(at(self.text.as_bytes(), self.start, message.into()))
    }

    #[cold]
    fn ill_formed<T>(&self, what: impl std::fmt::Display) -> Result<T, XmlError> {
        self.fail(format!("not well-formed XML: {what}"))
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    /// The next event of any kind; refuses document types.
    fn event(&mut self) -> Result<Event<'a>, XmlError> {
        self.start = self.position();
        match self.reader.read_event() {
            Ok(Event::DocType(_)) => {
                self.fail("a document type declaration (DOCTYPE) is not allowed in FHIR; remove it")
            }
            Ok(event) => Ok(event),
            Err(error) => {
                self.start = usize::try_from(self.reader.error_position()).unwrap_or(self.start).max(self.start);
                self.ill_formed(error)
            }
        }
    }

    /// The next tag or the end; nothing else may stand between elements.
    fn tag(&mut self) -> Result<Event<'a>, XmlError> {
        loop {
            match self.event()? {
                Event::Comment(_) | Event::PI(_) => {}
                Event::Decl(declaration) => self.declaration(&declaration)?,
                Event::Text(text) if text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) => {}
                Event::Text(text) => {
                    self.start += text.len() - text.trim_ascii_start().len();
                    let found = shorten(text.trim_ascii());
                    return self
                        .fail(format!("text is not allowed here, values are written as value=\"…\"; found {found:?}"));
                }
                Event::CData(_) | Event::GeneralRef(_) => {
                    return self.fail("text is not allowed here, values are written as value=\"…\"");
                }
                event => return Ok(event),
            }
        }
    }

    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), XmlError> {
        if self.start != 0 {
            return self.ill_formed("<?xml …?> stands at the very beginning only");
        }
        match declaration.encoding() {
            None => Ok(()),
            Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("utf-8") => Ok(()),
            Some(_) => self.fail("the encoding must be UTF-8: write <?xml version=\"1.0\" encoding=\"UTF-8\"?>"),
        }
    }

    fn document(&mut self) -> Result<Node<'static>, XmlError> {
        let Event::Start(start) = self.tag()? else {
            return self.fail("a FHIR resource in XML is expected, such as <Patient xmlns=\"http://hl7.org/fhir\">");
        };
        let resource = self.resource(&start, 0)?;
        match self.tag()? {
            Event::Eof => Ok(resource),
            _ => self.ill_formed("a document has one outermost element; there is more after it"),
        }
    }

    /// The namespace of an element: `true` for the wanted one.
    fn is_in(&self, start: &BytesStart<'_>, wanted: &str) -> bool {
        matches!(self.reader.resolver().resolve_element(start.name()).0, ResolveResult::Bound(Namespace(found)) if found == wanted)
    }

    fn require_fhir(&self, start: &BytesStart<'_>) -> Result<(), XmlError> {
        if self.is_in(start, FHIR) {
            return Ok(());
        }
        let name = shorten(start.name().into_inner());
        self.fail(format!("<{name}> must be in the namespace of FHIR: write xmlns=\"{FHIR}\" on the outermost element"))
    }

    /// The attributes of an element, of which only those named may be there.
    fn attributes(&self, start: &BytesStart<'_>, allowed: &[&'static str]) -> Result<Attributes, XmlError> {
        let mut found = Attributes::new();
        for (place, attribute) in start.attributes().enumerate() {
            if place == MAX_ATTRIBUTES {
                return self.fail(format!("an element has more than {MAX_ATTRIBUTES} attributes"));
            }
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(error) => return self.ill_formed(error),
            };
            let name = attribute.key.into_inner();
            if name == "xmlns" || name.starts_with("xmlns:") {
                continue;
            }
            if attribute.value.contains('<') {
                return self.ill_formed(format!("write &lt; for < in the attribute {name}"));
            }
            let value = match attribute.normalized_value_with(XmlVersion::Implicit1_0, 1, resolve_xml_entity) {
                Ok(value) => value,
                Err(error) => return self.ill_formed(format!("the attribute {name}: {error}")),
            };
            if let Some(known) = allowed.iter().find(|known| **known == name) {
                found.push((known, value.into_owned()));
                continue;
            }
            let (space, _) = self.reader.resolver().resolve_attribute(attribute.key);
            if !matches!(space, ResolveResult::Bound(Namespace(XSI))) {
                let element = start.local_name().into_inner();
                let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
                return self.fail(format!(
                    "unknown attribute '{}' of <{}>; allowed: {allowed}",
                    shorten(name),
                    shorten(element)
                ));
            }
        }
        Ok(found)
    }

    fn resource(&mut self, start: &BytesStart<'_>, depth: usize) -> Result<Node<'static>, XmlError> {
        self.require_fhir(start)?;
        let name = start.local_name().into_inner();
        let Some(type_id) = self.tables.resource(name) else {
            return self.fail(format!("<{}> is not a resource type of FHIR R4 (4.0.1)", shorten(name)));
        };
        self.attributes(start, &[])?;
        let definition = self.tables.get(type_id);
        let mut members = vec![(Cow::Borrowed("resourceType"), Node::string(definition.name.as_str()))];
        self.children(definition, &mut members, depth)?;
        Ok(Node::Object(members))
    }

    /// Reads up to the end tag of the element that is open.
    fn children(&mut self, definition: &'static TypeDef, members: &mut Members, depth: usize) -> Result<(), XmlError> {
        let mut group = Group::default();
        loop {
            let start = match self.tag()? {
                Event::Start(start) => start,
                Event::End(_) => break,
                _ => return self.never_closed(),
            };
            let (field, name) = self.field(definition, &start)?;
            if self.follows(&group, definition, field, name)? {
                group.finish(members);
                group.field = Some((field, name));
            }
            let depth = depth + if field.is_array { 2 } else { 1 };
            if depth >= MAX_DEPTH {
                return self.fail(format!("nesting is deeper than {MAX_DEPTH} levels"));
            }
            let (value, extra) = if field.is_primitive {
                self.primitive(&start, name, field.type_id, depth)?
            } else {
                (self.complex(&start, field.type_id, depth)?, Node::Null)
            };
            group.take(members, value, extra);
        }
        group.finish(members);
        Ok(())
    }

    #[cold]
    fn never_closed<T>(&self) -> Result<T, XmlError> {
        self.ill_formed("the text ends before all elements are closed")
    }

    /// The element of the type that a tag names.
    fn field(&self, definition: &'static TypeDef, start: &BytesStart<'_>) -> Result<(Field, &'static str), XmlError> {
        let name = start.local_name().into_inner();
        let Some(field) = definition.field(name) else { return self.unknown(definition, name) };
        let known = definition.element(field).types.get(usize::from(field.choice));
        let known = known.map_or("", |known| known.json_name.as_str());
        if is_attribute(definition, name) {
            return self.fail(format!("{name} of {} is an attribute: write {name}=\"…\"", definition.name));
        }
        if Primitive::of(field.type_id) != Some(Primitive::Xhtml) {
            self.require_fhir(start)?;
        }
        Ok((field, known))
    }

    #[cold]
    fn unknown<T>(&self, definition: &TypeDef, name: &str) -> Result<T, XmlError> {
        let near = definition.elements.iter().flat_map(|element| &element.types).map(|found| found.json_name.as_str());
        let choice = definition.elements.iter().find(|element| element.is_choice && element.name == name);
        let hint = match choice {
            Some(choice) => {
                let names: Vec<&str> = choice.types.iter().map(|found| found.json_name.as_str()).collect();
                format!("; one of {} is right", names.join(", "))
            }
            None => match near.clone().find(|known| known.eq_ignore_ascii_case(name)) {
                Some(known) => format!("; did you mean <{known}>?"),
                None if definition.elements.len() <= 30 => {
                    format!("; allowed are {}", near.collect::<Vec<_>>().join(", "))
                }
                None => String::new(),
            },
        };
        self.fail(format!("unknown element <{}> in {}{hint}", shorten(name), definition.name))
    }

    /// FHIR R4 xml.html: elements stand in the order of the standard. `true` when another element
    /// begins, `false` when the last one repeats.
    fn follows(&self, group: &Group, definition: &TypeDef, field: Field, name: &str) -> Result<bool, XmlError> {
        let Some((last, last_name)) = group.field else { return self.not_before(definition, field, name, None) };
        if last.element != field.element {
            return self.not_before(definition, field, name, Some((last, last_name)));
        }
        if last.choice != field.choice {
            return self.fail(format!("<{last_name}> and <{name}> are both given; only one of them can be"));
        }
        if !field.is_array {
            return self.fail(format!("<{name}> is given twice; it does not repeat in {}", definition.name));
        }
        Ok(false)
    }

    fn not_before(
        &self,
        definition: &TypeDef,
        field: Field,
        name: &str,
        last: Option<(Field, &str)>,
    ) -> Result<bool, XmlError> {
        match last {
            Some((last, last_name)) if field.element < last.element => self.fail(format!(
                "<{name}> stands after <{last_name}>; in {} it comes before it (the order of the standard)",
                definition.name
            )),
            _ => Ok(true),
        }
    }

    /// A value that is not primitive: a whole resource, or an element with elements.
    fn complex(&mut self, start: &BytesStart<'_>, type_id: TypeId, depth: usize) -> Result<Node<'static>, XmlError> {
        let definition = self.tables.get(type_id);
        if holds_resource(definition) {
            return self.container(start, depth);
        }
        let has_url = is_attribute(definition, "url");
        let attributes = self.attributes(start, if has_url { &["id", "url"] } else { &["id"] })?;
        let mut members: Members = Vec::with_capacity(4);
        members.extend(attributes.into_iter().map(|(name, value)| (Cow::Borrowed(name), Node::string(value))));
        self.children(definition, &mut members, depth)?;
        Ok(Node::Object(members))
    }

    /// `<contained><Patient>…</Patient></contained>`
    fn container(&mut self, start: &BytesStart<'_>, depth: usize) -> Result<Node<'static>, XmlError> {
        self.attributes(start, &[])?;
        let name = start.local_name();
        let wrong =
            |walk: &Self| walk.fail(format!("<{}> holds exactly one resource, such as <Patient>", name.into_inner()));
        let resource = match self.tag()? {
            Event::Start(inner) => self.resource(&inner, depth)?,
            Event::End(_) => return wrong(self),
            _ => return self.never_closed(),
        };
        match self.tag()? {
            Event::End(_) => Ok(resource),
            Event::Start(_) => wrong(self),
            _ => self.never_closed(),
        }
    }

    /// A primitive: its value, and what stands below `_name` in JSON; `null` for what is absent.
    fn primitive(
        &mut self,
        start: &BytesStart<'_>,
        name: &str,
        type_id: TypeId,
        depth: usize,
    ) -> Result<(Node<'static>, Node<'static>), XmlError> {
        let kind = Primitive::of(type_id);
        if kind == Some(Primitive::Xhtml) {
            return Ok((self.narrative(start)?, Node::Null));
        }
        let begin = self.start;
        let mut value = Node::Null;
        let mut members: Members = Vec::new();
        for (attribute, text) in self.attributes(start, &["id", "value"])? {
            if attribute == "value" {
                value = typed(kind, text);
            } else {
                members.push((Cow::Borrowed(attribute), Node::string(text)));
            }
        }
        match self.tables.find("Element") {
            Some(element) => self.children(element, &mut members, depth)?,
            None => return self.fail("the tables lack Element"),
        }
        if value == Node::Null && members.is_empty() {
            self.start = begin;
            return self.fail(format!("<{name}> is empty; give it a value=\"…\" or leave it out"));
        }
        Ok((value, if members.is_empty() { Node::Null } else { Node::Object(members) }))
    }
}

/// The JSON form of a value. What is not a number or boolean stays text: validation says why.
fn typed(kind: Option<Primitive>, text: String) -> Node<'static> {
    match kind {
        Some(Primitive::Boolean) if text == "true" => Node::Bool(true),
        Some(Primitive::Boolean) if text == "false" => Node::Bool(false),
        Some(Primitive::Decimal | Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt)
            if is_json_number(&text) =>
        {
            Node::Number(Cow::Owned(text))
        }
        _ => Node::string(text),
    }
}
