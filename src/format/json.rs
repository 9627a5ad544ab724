//! A JSON tree that gives back what it read.
//!
//! Order of members is kept, numbers keep their digits (they are text here), strings that need no
//! unescaping borrow from the input. Reading refuses what JSON parsers usually wave through and FHIR
//! forbids: duplicate member names, invalid UTF-8, nesting beyond [`MAX_DEPTH`] (FHIR R4 json.html:
//! "Property names SHALL be unique", "the character encoding is always UTF-8").

pub mod locate;

use std::borrow::Cow;

use jiter::{Jiter, JiterErrorType, JsonErrorType, Peek};

/// Deepest nesting accepted: far beyond any real resource, far below the stack.
pub const MAX_DEPTH: usize = 128;

/// One JSON value. Numbers hold their source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it was written, for example `1.50`.
    Number(Cow<'a, str>),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Node<'a>>),
    /// An object; members in the order they were written, names unique.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// Why bytes are not acceptable JSON, with the place (1-based line and column).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} at line {line} column {column}")]
pub struct JsonError {
    /// What is wrong.
    pub message: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in bytes, counted from 1.
    pub column: usize,
}

/// Reads one JSON document.
///
/// # Errors
/// [`JsonError`] for anything that is not exactly one JSON value in UTF-8 with unique member names.
pub fn parse(bytes: &[u8]) -> Result<Node<'_>, JsonError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|error| at(bytes, error.valid_up_to(), format!("invalid UTF-8 at byte {}", error.valid_up_to())))?;
    let mut reader = Reader { text, jiter: Jiter::new(bytes) };
    let peek = reader.jiter.peek();
    let peek = reader.step(peek)?;
    let node = reader.value(peek, 0)?;
    let finished = reader.jiter.finish();
    reader.step(finished)?;
    Ok(node)
}

fn at(bytes: &[u8], index: usize, message: String) -> JsonError {
    let (line, column) = place(bytes, index);
    JsonError { message, line, column }
}

/// Line and column (in bytes) of a place in a text, counted from 1.
#[must_use]
pub fn place(bytes: &[u8], index: usize) -> (usize, usize) {
    let before = bytes.get(..index).unwrap_or(bytes);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    (line, before.len() - line_start + 1)
}

struct Reader<'a> {
    text: &'a str,
    jiter: Jiter<'a>,
}

impl<'a> Reader<'a> {
    fn step<T>(&self, result: Result<T, jiter::JiterError>) -> Result<T, JsonError> {
        result.map_err(|error| describe(self.text, &error))
    }

    fn fail<T>(&self, message: String) -> Result<T, JsonError> {
        Err(at(self.text.as_bytes(), self.jiter.current_index(), message))
    }

    fn value(&mut self, peek: Peek, depth: usize) -> Result<Node<'a>, JsonError> {
        if depth > MAX_DEPTH {
            return self.fail(format!("nesting is deeper than {MAX_DEPTH} levels"));
        }
        match peek {
            Peek::Null => {
                let read = self.jiter.known_null();
                self.step(read).map(|()| Node::Null)
            }
            Peek::True | Peek::False => {
                let read = self.jiter.known_bool(peek);
                self.step(read).map(Node::Bool)
            }
            Peek::String => {
                let text = self.text;
                let read = self.jiter.known_str().map(|found| borrow(text, found));
                read.map(Node::String).map_err(|error| describe(text, &error))
            }
            Peek::Array => self.array(depth),
            Peek::Object => self.object(depth),
            number if number.is_num() => {
                let text = self.text;
                let start = self.jiter.current_index();
                let read = self.jiter.known_number_bytes(number).map(<[u8]>::len);
                let length = read.map_err(|error| describe(text, &error))?;
                match text.get(start..start + length) {
                    Some(digits) if is_json_number(digits) => Ok(Node::Number(Cow::Borrowed(digits))),
                    _ => self.fail("invalid number".to_owned()),
                }
            }
            _ => self.fail("expected a JSON value".to_owned()),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Node<'a>, JsonError> {
        let mut items = Vec::new();
        let first = self.jiter.known_array();
        let mut next = self.step(first)?;
        while let Some(peek) = next {
            items.push(self.value(peek, depth + 1)?);
            let step = self.jiter.array_step();
            next = self.step(step)?;
        }
        Ok(Node::Array(items))
    }

    fn object(&mut self, depth: usize) -> Result<Node<'a>, JsonError> {
        let text = self.text;
        let mut members: Vec<(Cow<'a, str>, Node<'a>)> = Vec::new();
        let first = self.jiter.known_object().map(|key| key.map(|key| borrow(text, key)));
        let mut next = first.map_err(|error| describe(text, &error))?;
        // Small objects are checked by comparing; large ones (a hostile body) through a set.
        let mut seen: Option<std::collections::HashSet<Cow<'a, str>>> = None;
        while let Some(key) = next {
            let duplicate = match &mut seen {
                Some(seen) => !seen.insert(key.clone()),
                None => members.iter().any(|(name, _)| *name == key),
            };
            if duplicate {
                return self.fail(format!("duplicate property {key:?}"));
            }
            let peek = self.jiter.peek();
            let peek = self.step(peek)?;
            let value = self.value(peek, depth + 1)?;
            members.push((key, value));
            if members.len() == 32 {
                seen = Some(members.iter().map(|(name, _)| name.clone()).collect());
            }
            let key = self.jiter.next_key().map(|key| key.map(|key| borrow(text, key)));
            next = key.map_err(|error| describe(text, &error))?;
        }
        Ok(Node::Object(members))
    }
}

/// Borrows `found` from the input when it lies there (no escapes), else copies it.
fn borrow<'a>(text: &'a str, found: &str) -> Cow<'a, str> {
    let offset = (found.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
    match text.get(offset..offset.wrapping_add(found.len())) {
        Some(slice) if std::ptr::eq(slice.as_ptr(), found.as_ptr()) => Cow::Borrowed(slice),
        _ => Cow::Owned(found.to_owned()),
    }
}

fn describe(text: &str, error: &jiter::JiterError) -> JsonError {
    let message = match &error.error_type {
        JiterErrorType::JsonError(JsonErrorType::TrailingCharacters) => {
            "more text after the end of the JSON value".to_owned()
        }
        JiterErrorType::JsonError(kind) => kind.to_string(),
        JiterErrorType::WrongType { expected, actual } => format!("expected {expected} but found {actual}"),
    };
    at(text.as_bytes(), error.index, format!("not valid JSON: {message}"))
}

/// Checks the JSON number grammar (RFC 8259 section 6).
#[must_use]
pub fn is_json_number(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(place) => (&rest[..place], Some(&rest[place + 1..])),
        None => (rest, None),
    };
    let (whole, fraction) = match mantissa.find('.') {
        Some(place) => (&mantissa[..place], Some(&mantissa[place + 1..])),
        None => (mantissa, None),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

impl<'a> Node<'a> {
    /// A string node.
    #[must_use]
    pub fn string(text: impl Into<Cow<'a, str>>) -> Self {
        Self::String(text.into())
    }

    /// An object node from its members.
    #[must_use]
    pub fn object<K: Into<Cow<'a, str>>>(members: impl IntoIterator<Item = (K, Node<'a>)>) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// The member of an object by name; `None` on anything else.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node<'a>> {
        self.members().iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// The member of an object by name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Node<'a>> {
        match self {
            Self::Object(members) => members.iter_mut().find(|(member, _)| member == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The string below `name`, for example `node.text("resourceType")`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Node::as_str)
    }

    /// The items of the array below `name`; empty when there is none.
    #[must_use]
    pub fn list(&self, name: &str) -> &[Node<'a>] {
        self.get(name).map_or(&[], Node::items)
    }

    /// Follows names and, through arrays, first items: `node.path(&["code", "coding", "code"])`.
    #[must_use]
    pub fn path(&self, names: &[&str]) -> Option<&Node<'a>> {
        let mut current = self;
        for name in names {
            if let Self::Array(items) = current {
                current = items.first()?;
            }
            current = current.get(name)?;
        }
        Some(current)
    }

    /// The members of an object; empty for anything else.
    #[must_use]
    pub fn members(&self) -> &[(Cow<'a, str>, Node<'a>)] {
        match self {
            Self::Object(members) => members,
            _ => &[],
        }
    }

    /// The items of an array; empty for anything else.
    #[must_use]
    pub fn items(&self) -> &[Node<'a>] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    /// The text of a string node.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a boolean node.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Sets a member, keeping its place when it exists and appending it otherwise. Objects only.
    pub fn set(&mut self, name: &'a str, value: Node<'a>) {
        if let Self::Object(members) = self {
            match members.iter_mut().find(|(member, _)| member == name) {
                Some((_, old)) => *old = value,
                None => members.push((Cow::Borrowed(name), value)),
            }
        }
    }

    /// Takes a member out of an object.
    pub fn remove(&mut self, name: &str) -> Option<Node<'a>> {
        match self {
            Self::Object(members) => {
                let place = members.iter().position(|(member, _)| member == name)?;
                Some(members.remove(place).1)
            }
            _ => None,
        }
    }

    /// Compact JSON.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        self.write(&mut out);
        out
    }

    /// Appends compact JSON to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(digits) => out.extend_from_slice(digits.as_bytes()),
            Self::String(text) => write_string(text, out),
            Self::Array(items) => {
                out.push(b'[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (place, (name, value)) in members.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    write_string(name, out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }

    /// Appends indented JSON (two spaces) to `out`.
    pub fn write_pretty(&self, out: &mut Vec<u8>, indent: usize) {
        let line = |out: &mut Vec<u8>, indent: usize| {
            out.push(b'\n');
            out.extend(std::iter::repeat_n(b' ', indent * 2));
        };
        match self {
            Self::Array(items) if !items.is_empty() => {
                out.push(b'[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    line(out, indent + 1);
                    item.write_pretty(out, indent + 1);
                }
                line(out, indent);
                out.push(b']');
            }
            Self::Object(members) if !members.is_empty() => {
                out.push(b'{');
                for (place, (name, value)) in members.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    line(out, indent + 1);
                    write_string(name, out);
                    out.extend_from_slice(b": ");
                    value.write_pretty(out, indent + 1);
                }
                line(out, indent);
                out.push(b'}');
            }
            other => other.write(out),
        }
    }

    /// A copy that borrows from nothing.
    #[must_use]
    pub fn into_owned(self) -> Node<'static> {
        match self {
            Self::Null => Node::Null,
            Self::Bool(value) => Node::Bool(value),
            Self::Number(digits) => Node::Number(Cow::Owned(digits.into_owned())),
            Self::String(text) => Node::String(Cow::Owned(text.into_owned())),
            Self::Array(items) => Node::Array(items.into_iter().map(Node::into_owned).collect()),
            Self::Object(members) => Node::Object(
                members.into_iter().map(|(name, value)| (Cow::Owned(name.into_owned()), value.into_owned())).collect(),
            ),
        }
    }
}

/// Appends a JSON string literal to `out`; escapes only what must be escaped.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut start = 0;
    for (place, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[start..place]);
        start = place + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_keep_their_digits() {
        for digits in ["12345678901234567890", "0.010", "-1.50e+10", "0"] {
            assert_eq!(parse(digits.as_bytes()).unwrap(), Node::Number(digits.into()));
        }
    }

    #[test]
    fn refuses_what_fhir_forbids_and_says_where() {
        let error = parse(b"{\"a\":1,\n \"a\":2}").unwrap_err();
        assert_eq!((error.line, error.message.as_str()), (2, "duplicate property \"a\""));
        assert!(parse(b"{\"a\":\"\xff\"}").unwrap_err().message.contains("UTF-8"));
        assert!(parse("[".repeat(10_000).as_bytes()).unwrap_err().message.contains("deeper"));
        for wrong in ["", "{", "[1,]", "01", "{\"a\":1} x", "NaN", "nul", "\"\u{1}\"", "-", "1.", "{\"a\"}", "Infinity"]
        {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn many_members_are_still_checked_for_duplicates() {
        let mut text = String::from("{");
        for member in 0..100 {
            text.push_str(&format!("\"m{member}\":0,"));
        }
        text.push_str("\"m50\":0}");
        assert!(parse(text.as_bytes()).unwrap_err().message.contains("m50"));
    }

    fn any_node() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            ".*".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
                prop::collection::btree_map(".*", inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(value in any_node()) {
            let text = serde_json::to_vec(&value).unwrap();
            let node = parse(&text).unwrap();
            prop_assert_eq!(&node.to_bytes(), &text);
            let mut pretty = Vec::new();
            node.write_pretty(&mut pretty, 0);
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&pretty).unwrap(), value);
            prop_assert_eq!(parse(&pretty).unwrap(), node);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
