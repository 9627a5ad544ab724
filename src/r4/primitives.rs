//! The 20 primitive types: which JSON values they take, checked by hand-written scans.
//!
//! Rules: FHIR R4 datatypes.html#primitive. The table is asked once a type ([`Primitive::of`]);
//! a check then is one branch and one pass over the bytes, and allocates only to complain.

use std::sync::OnceLock;

use super::datetime;
use super::definitions::{TypeId, definitions};
use super::reference::is_id;
use super::wording::Wording;
use crate::format::json::Node;

mod xhtml;

/// Longest string in characters (FHIR R4 datatypes.html#string: 1024 * 1024).
pub const MAX_STRING: usize = 1024 * 1024;

/// A primitive type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Primitive {
    Base64Binary,
    Boolean,
    Canonical,
    Code,
    Date,
    DateTime,
    Decimal,
    Id,
    Instant,
    Integer,
    Markdown,
    Oid,
    PositiveInt,
    String,
    Time,
    UnsignedInt,
    Uri,
    Url,
    Uuid,
    Xhtml,
}

impl Primitive {
    /// All of them, by name.
    pub const ALL: [Self; 20] = [
        Self::Base64Binary,
        Self::Boolean,
        Self::Canonical,
        Self::Code,
        Self::Date,
        Self::DateTime,
        Self::Decimal,
        Self::Id,
        Self::Instant,
        Self::Integer,
        Self::Markdown,
        Self::Oid,
        Self::PositiveInt,
        Self::String,
        Self::Time,
        Self::UnsignedInt,
        Self::Uri,
        Self::Url,
        Self::Uuid,
        Self::Xhtml,
    ];

    /// The name in the standard, for example `dateTime`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base64Binary => "base64Binary",
            Self::Boolean => "boolean",
            Self::Canonical => "canonical",
            Self::Code => "code",
            Self::Date => "date",
            Self::DateTime => "dateTime",
            Self::Decimal => "decimal",
            Self::Id => "id",
            Self::Instant => "instant",
            Self::Integer => "integer",
            Self::Markdown => "markdown",
            Self::Oid => "oid",
            Self::PositiveInt => "positiveInt",
            Self::String => "string",
            Self::Time => "time",
            Self::UnsignedInt => "unsignedInt",
            Self::Uri => "uri",
            Self::Url => "url",
            Self::Uuid => "uuid",
            Self::Xhtml => "xhtml",
        }
    }

    /// The primitive with this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|primitive| primitive.name() == name)
    }

    /// The primitive a type of the tables is; `None` for complex types.
    #[must_use]
    pub fn of(type_id: TypeId) -> Option<Self> {
        static TABLE: OnceLock<Vec<Option<Primitive>>> = OnceLock::new();
        let table = TABLE.get_or_init(|| {
            let mut table = Vec::new();
            for primitive in Self::ALL {
                let Some(id) = definitions().type_id(primitive.name()) else { continue };
                let place = usize::from(id.0);
                if table.len() <= place {
                    table.resize(place + 1, None);
                }
                if let Some(entry) = table.get_mut(place) {
                    *entry = Some(primitive);
                }
            }
            table
        });
        table.get(usize::from(type_id.0)).copied().flatten()
    }

    /// Checks JSON kind and format.
    ///
    /// # Errors
    /// A sentence without a subject, to be put behind the name of the element: `must be a date
    /// such as "2026-11-23", …; found "23.11.2026"`.
    pub fn check(self, node: &Node<'_>) -> Result<(), Wording> {
        let is_right = match (self, node) {
            (Self::Boolean, Node::Bool(_)) | (Self::Decimal, Node::Number(_)) => true,
            (Self::Integer, Node::Number(digits)) => digits.parse::<i32>().is_ok(),
            (Self::UnsignedInt, Node::Number(digits)) => digits.parse::<i32>().is_ok_and(|value| value >= 0),
            (Self::PositiveInt, Node::Number(digits)) => digits.parse::<i32>().is_ok_and(|value| value > 0),
            (Self::Boolean | Self::Decimal | Self::Integer | Self::UnsignedInt | Self::PositiveInt, _) => false,
            (Self::Xhtml, Node::String(text)) => return xhtml::check(text),
            (_, Node::String(text)) => self.is_text(text),
            _ => false,
        };
        if is_right { Ok(()) } else { Err(self.complaint(node)) }
    }

    fn is_text(self, text: &str) -> bool {
        match self {
            Self::String | Self::Markdown => is_string(text),
            Self::Code => is_code(text),
            Self::Uri | Self::Url | Self::Canonical => is_uri(text),
            Self::Id => is_id(text),
            Self::Date => datetime::is_date(text),
            Self::DateTime => datetime::is_date_time(text),
            Self::Instant => datetime::is_instant(text),
            Self::Time => datetime::parse_time(text).is_some(),
            Self::Oid => is_oid(text),
            Self::Uuid => is_uuid(text),
            Self::Base64Binary => is_base64(text),
            Self::Xhtml => xhtml::check(text).is_ok(),
            Self::Boolean | Self::Decimal | Self::Integer | Self::PositiveInt | Self::UnsignedInt => false,
        }
    }

    #[cold]
    fn complaint(self, node: &Node<'_>) -> Wording {
        let (found, shown) = describe(node);
        Wording {
            id: self.message(),
            english: format!("must be {}; found {found}", self.right_form()),
            japanese: format!("は{}である必要があります。値: {shown}", self.right_form_in_japanese()),
        }
    }

    /// The id of the message that a value has not the form of the type.
    const fn message(self) -> &'static str {
        match self {
            Self::Base64Binary => "value-base64Binary",
            Self::Boolean => "value-boolean",
            Self::Canonical => "value-canonical",
            Self::Code => "value-code",
            Self::Date => "value-date",
            Self::DateTime => "value-dateTime",
            Self::Decimal => "value-decimal",
            Self::Id => "value-id",
            Self::Instant => "value-instant",
            Self::Integer => "value-integer",
            Self::Markdown => "value-markdown",
            Self::Oid => "value-oid",
            Self::PositiveInt => "value-positiveInt",
            Self::String => "value-string",
            Self::Time => "value-time",
            Self::UnsignedInt => "value-unsignedInt",
            Self::Uri => "value-uri",
            Self::Url => "value-url",
            Self::Uuid => "value-uuid",
            Self::Xhtml => "value-xhtml",
        }
    }

    const fn right_form_in_japanese(self) -> &'static str {
        match self {
            Self::Base64Binary => "、パディングの揃った base64 の JSON 文字列 (\"aGVsbG8=\" など)",
            Self::Boolean => "引用符なしの JSON 値 true または false ",
            Self::Canonical => "空白のない canonical URL (\"http://example.org/ValueSet/a|1.0\" など)",
            Self::Code => "コード (両端の空白や連続する空白のない JSON 文字列、\"final\" など)",
            Self::Date => "暦にある日付 (\"2026-11-23\"、\"2026-11\"、\"2026\" など)",
            Self::DateTime => {
                "暦にある日付 (\"2026-11-23\" など) か、秒と時差のある日時 (\"2026-11-23T09:05:00+09:00\" など)"
            }
            Self::Decimal => "引用符なしの JSON の数 (1.50 など)",
            Self::Id => " 1〜64 文字の英数字・「-」・「.」からなる id (\"example-1\" など)",
            Self::Instant => "秒と時差のある時点 (\"2026-11-23T09:05:00.123+09:00\" など)",
            Self::Integer => " -2147483648 から 2147483647 までの引用符なしの整数 (42 など)",
            Self::Markdown | Self::String => {
                "空でなく、制御文字 (タブと改行を除く) を含まない、1 MiB までの JSON 文字列 (\"text\" など)"
            }
            Self::Oid => " OID (\"urn:oid:1.2.392.100495\" など)",
            Self::PositiveInt => " 1 から 2147483647 までの引用符なしの整数 (1 など)",
            Self::Time => "秒まであり時差のない時刻 (\"09:05:00\" など)",
            Self::UnsignedInt => " 0 から 2147483647 までの引用符なしの整数 (0 など)",
            Self::Uri => "空白のない URI (\"http://example.org/a\" や \"urn:oid:1.2.3\" など)",
            Self::Url => "空白のない URL (\"https://example.org/fhir\" など)",
            Self::Uuid => "小文字の UUID (\"urn:uuid:c757873d-ec9a-4326-a141-556f43239520\" など)",
            Self::Xhtml => {
                "、XHTML の JSON 文字列 (\"<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">text</div>\" など)"
            }
        }
    }

    const fn right_form(self) -> &'static str {
        match self {
            Self::Base64Binary => "base64 with complete padding in a JSON string, such as \"aGVsbG8=\"",
            Self::Boolean => "the JSON value true or false, without quotes",
            Self::Canonical => "a canonical URL without spaces, such as \"http://example.org/ValueSet/a|1.0\"",
            Self::Code => {
                "a code (a JSON string without spaces at its ends and without two in a row), such as \"final\""
            }
            Self::Date => "a date that exists in the calendar, such as \"2026-11-23\", \"2026-11\" or \"2026\"",
            Self::DateTime => {
                "a date that exists in the calendar, such as \"2026-11-23\", or a date and time with seconds and \
                 time zone, such as \"2026-11-23T09:05:00+09:00\""
            }
            Self::Decimal => "a JSON number without quotes, such as 1.50",
            Self::Id => "an id of 1 to 64 letters, digits, '-' and '.', such as \"example-1\"",
            Self::Instant => "an instant with seconds and time zone, such as \"2026-11-23T09:05:00.123+09:00\"",
            Self::Integer => "a whole JSON number without quotes from -2147483648 to 2147483647, such as 42",
            Self::Markdown | Self::String => {
                "a JSON string of at most 1 MiB that is not empty and has no control characters except tab and line end, \
                 such as \"text\""
            }
            Self::Oid => "an OID, such as \"urn:oid:1.2.392.100495\"",
            Self::PositiveInt => "a whole JSON number without quotes from 1 to 2147483647, such as 1",
            Self::Time => "a time with seconds and without time zone, such as \"09:05:00\"",
            Self::UnsignedInt => "a whole JSON number without quotes from 0 to 2147483647, such as 0",
            Self::Uri => "a URI without spaces, such as \"http://example.org/a\" or \"urn:oid:1.2.3\"",
            Self::Url => "a URL without spaces, such as \"https://example.org/fhir\"",
            Self::Uuid => "a UUID in lower case, such as \"urn:uuid:c757873d-ec9a-4326-a141-556f43239520\"",
            Self::Xhtml => {
                "XHTML in a JSON string, such as \"<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">text</div>\""
            }
        }
    }
}

/// Checks a value against a primitive type by name; see [`Primitive::check`].
///
/// # Errors
/// What is wrong and what would be right; also when `type_name` is no primitive type.
pub fn check(type_name: &str, node: &Node<'_>) -> Result<(), Wording> {
    match Primitive::by_name(type_name) {
        Some(primitive) => primitive.check(node),
        None => Err(super::wording::say!(
            "not-primitive",
            "is of type {type_name}, which is not a primitive type",
            "の型 {type_name} はプリミティブ型ではありません"
        )),
    }
}

/// A short picture of a value for messages, in English and Japanese.
fn describe(node: &Node<'_>) -> (String, String) {
    let of = |english: &str, shown: String| (format!("{english}{shown}"), shown);
    match node {
        Node::Null => ("null".to_owned(), "null".to_owned()),
        Node::Bool(value) => of("the boolean ", value.to_string()),
        Node::Number(digits) => of("the number ", shorten(digits)),
        Node::String(text) => of("the string ", format!("{:?}", shorten(text))),
        Node::Array(_) => ("an array".to_owned(), "配列".to_owned()),
        Node::Object(_) => ("an object".to_owned(), "オブジェクト".to_owned()),
    }
}

/// At most 60 characters of a text.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// `\s` of the standard's regular expressions.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Spaces alone are a bad idea, but no error: "strings SHOULD always contain non-whitespace content"
/// (datatypes.html#string).
fn is_string(text: &str) -> bool {
    // Without early exits: the compiler makes vector instructions of this.
    let mut has_control = false;
    for byte in text.bytes() {
        has_control |= byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
    }
    !text.is_empty() && !has_control && (text.len() <= MAX_STRING || text.chars().count() <= MAX_STRING)
}

fn is_code(text: &str) -> bool {
    let mut after_space = true;
    for byte in text.bytes() {
        if byte == b' ' {
            if after_space {
                return false;
            }
            after_space = true;
        } else if byte < b' ' {
            // "no whitespace other than single spaces in the contents" (datatypes.html#code)
            return false;
        } else {
            after_space = false;
        }
    }
    !after_space && text.len() <= MAX_STRING
}

fn is_uri(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte > b' ')
}

fn is_oid(text: &str) -> bool {
    let Some(arcs) = text.strip_prefix("urn:oid:") else { return false };
    let Some((root, rest)) = arcs.split_once('.') else { return false };
    matches!(root, "0" | "1" | "2")
        && rest.split('.').all(|arc| {
            !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'))
        })
}

fn is_uuid(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else { return false };
    uuid.len() == 36
        && uuid.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Spaces may stand anywhere: line breaks of MIME encoders are common.
fn is_base64(text: &str) -> bool {
    let mut count = 0usize;
    let mut padding = 0usize;
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => count += 1,
            b'=' => padding += 1,
            space if is_space(space) => {}
            _ => return false,
        }
    }
    count > 0 && padding <= 2 && (count + padding).is_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(primitive: &str, right: &[&str], wrong: &[&str]) {
        for value in right {
            assert_eq!(check(primitive, &Node::string(*value)), Ok(()), "{primitive} {value:?}");
        }
        for value in wrong {
            let message = check(primitive, &Node::string(*value)).unwrap_err().english;
            assert!(message.starts_with("must be "), "{primitive} {value:?}: {message}");
        }
    }

    fn numbers(primitive: &str, right: &[&str], wrong: &[&str]) {
        for digits in right {
            assert_eq!(check(primitive, &Node::Number((*digits).into())), Ok(()), "{primitive} {digits}");
        }
        for digits in wrong {
            assert!(check(primitive, &Node::Number((*digits).into())).is_err(), "{primitive} {digits}");
        }
    }

    #[test]
    fn every_primitive_of_the_tables_is_known() {
        let all = definitions();
        for primitive in Primitive::ALL {
            assert_eq!(Primitive::of(all.type_id(primitive.name()).unwrap()), Some(primitive));
        }
        assert_eq!(Primitive::of(all.type_id("HumanName").unwrap()), None);
        assert!(check("HumanName", &Node::Null).is_err());
    }

    #[test]
    fn booleans_and_numbers_are_not_quoted() {
        for primitive in ["boolean", "integer", "unsignedInt", "positiveInt", "decimal"] {
            text(primitive, &[], &["true", "1"]);
        }
        assert_eq!(check("boolean", &Node::Bool(true)), Ok(()));
    }

    #[test]
    fn everything_else_is_a_string() {
        for primitive in Primitive::ALL {
            let takes_number = ["integer", "unsignedInt", "positiveInt", "decimal"].contains(&primitive.name());
            assert_eq!(primitive.check(&Node::Number("1".into())).is_ok(), takes_number, "{}", primitive.name());
            assert!(primitive.check(&Node::Null).is_err());
            assert!(primitive.check(&Node::string("")).is_err());
        }
    }

    #[test]
    fn whole_numbers_have_32_bits() {
        numbers("integer", &["0", "-2147483648", "2147483647"], &["1.0", "1e2", "2147483648"]);
        numbers("unsignedInt", &["0", "2147483647"], &["-1", "2147483648"]);
        numbers("positiveInt", &["1"], &["0", "-1", "1.5"]);
        numbers("decimal", &["1.50", "-1e300", "0"], &[]);
    }

    #[test]
    fn strings_hold_something_and_no_control_characters() {
        let right = ["a", " a\r\n\tb", "山田　太郎", "\u{7f}", " "];
        let wrong = ["", "a\u{0}", "\u{1b}x", "a\u{b}"];
        text("string", &right, &wrong);
        text("markdown", &right, &wrong);
    }

    #[test]
    fn strings_have_a_mebi_of_characters_at_most() {
        let right = "山".repeat(MAX_STRING);
        let wrong = "a".repeat(MAX_STRING + 1);
        text("string", &[&right], &[&wrong]);
    }

    #[test]
    fn codes_have_single_spaces_inside_only() {
        text("code", &["a", "a b c", "entered-in-error"], &[" a", "a ", "a  b", "\t", "a\tb", "a\u{1}"]);
    }

    #[test]
    fn ids_oids_and_uuids_follow_their_grammar() {
        text("id", &["a-1.B"], &["a_b", "a b"]);
        text(
            "oid",
            &["urn:oid:1.2.0.392", "urn:oid:2.16"],
            &["1.2.3", "urn:oid:3.1", "urn:oid:1", "urn:oid:1.02", "urn:oid:1.", "urn:oid:1..2"],
        );
        text(
            "uuid",
            &["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
            &["c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "urn:uuid:1"],
        );
    }

    #[test]
    fn uris_have_no_spaces() {
        for primitive in ["uri", "url", "canonical"] {
            text(primitive, &["http://x/a|1", "#a", "urn:oid:1.2", "患者"], &["a b", " ", "a\n"]);
        }
    }

    #[test]
    fn base64_is_padded() {
        text(
            "base64Binary",
            &["YQ==", "YWI=", "YWJj", " YW\r\nJj "],
            &["YQ", "YQ=", "=", "====", "YQ==YQ==", "Y!==", " "],
        );
    }

    #[test]
    fn dates_and_times_follow_their_type() {
        text("date", &["2026", "2026-11", "2026-11-23"], &["2026-11-23T00:00:00Z", "2026-02-30", "23.11.2026"]);
        text("dateTime", &["2026", "2026-11-23T00:00:00Z"], &["2026-11-23T00:00:00", "2026-11-23T00:00Z"]);
        text("instant", &["2026-11-23T00:00:00.1+09:00"], &["2026-11-23", "2026-11-23T00:00:00"]);
        text("time", &["09:05:00"], &["09:05", "09:05:00Z"]);
    }

    #[test]
    fn a_complaint_says_what_is_wrong_and_what_would_be_right() {
        assert_eq!(
            check("date", &Node::string("23.11.2026")).unwrap_err().english,
            "must be a date that exists in the calendar, such as \"2026-11-23\", \"2026-11\" or \"2026\"; \
             found the string \"23.11.2026\""
        );
        let message = check("code", &Node::string(" ".repeat(5000))).unwrap_err().english;
        assert!(message.len() < 300, "{message}");
    }
}
