//! A CSV file as rows of a code system (RFC 4180; UTF-8 or CP932; quoted line ends are kept).

use clap::ValueEnum;
use csv::{ByteRecord, ReaderBuilder};
use renraku::format::json::Node;
use renraku::terminology::{PropertyDefinition, Row, RowError, property_definition};

/// How the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Encoding {
    /// UTF-8, with or without a mark at its start
    #[value(name = "utf-8", alias = "utf8")]
    Utf8,
    /// Windows code page 932 (Shift_JIS with its extensions)
    #[value(name = "cp932", alias = "shift_jis", alias = "sjis", alias = "windows-31j")]
    Cp932,
}

impl Encoding {
    fn decode(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).ok().map(str::to_owned),
            Self::Cp932 => encoding_rs::SHIFT_JIS
                .decode_without_bom_handling_and_without_replacement(bytes)
                .map(std::borrow::Cow::into_owned),
        }
    }
}

/// What a column is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    Code,
    Display,
    Definition,
    Parent,
    Inactive,
    Language(String),
    Property(String),
}

/// Columns by their names or numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns(Vec<(Role, String)>);

impl Columns {
    /// Reads `code=番号,display=名称,prop:yj=YJ`.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut columns = Vec::new();
        for part in text.split(',') {
            let Some((role, column)) = part.split_once('=') else {
                return Err(format!("--columns {part:?} is not NAME=COLUMN"));
            };
            let (role, column) = (role.trim(), column.trim().to_owned());
            let role = match role {
                "code" => Role::Code,
                "display" => Role::Display,
                "definition" => Role::Definition,
                "parent" => Role::Parent,
                "inactive" => Role::Inactive,
                "kana" => Role::Language("ja-Kana".to_owned()),
                other => match (other.strip_prefix("lang:"), other.strip_prefix("prop:")) {
                    (Some(language), _) if !language.is_empty() => Role::Language(language.to_owned()),
                    (_, Some(property)) if !property.is_empty() => Role::Property(property.to_owned()),
                    _ => {
                        return Err(format!(
                            "--columns knows code, display, kana, lang:xx, definition, parent, inactive and prop:name, not {other:?}"
                        ));
                    }
                },
            };
            if columns.iter().any(|(known, _)| *known == role) {
                return Err(format!("--columns names {part:?} twice"));
            }
            columns.push((role, column));
        }
        if columns.iter().any(|(role, _)| *role == Role::Code) {
            Ok(Self(columns))
        } else {
            Err("--columns does not say which column is the code".to_owned())
        }
    }

    pub(super) fn has_parent(&self) -> bool {
        self.0.iter().any(|(role, _)| *role == Role::Parent)
    }

    /// The properties that concepts will have.
    pub(super) fn properties(&self) -> Vec<PropertyDefinition> {
        let named = self.0.iter().filter_map(|(role, _)| match role {
            Role::Property(name) => Some(property_definition(name)),
            _ => None,
        });
        named.collect()
    }

    /// Places of the columns in the file.
    fn places(&self, header: Option<&[String]>) -> Result<Vec<(&Role, usize)>, String> {
        let place = |column: &String| match header {
            Some(names) => names
                .iter()
                .position(|name| name.trim() == column)
                .ok_or_else(|| format!("the file has no column {column:?}; it has {}", names.join(", "))),
            None => match column.parse::<usize>() {
                Ok(number) if number > 0 => Ok(number - 1),
                _ => Err(format!("with --no-header columns are numbers from 1, not {column:?}")),
            },
        };
        self.0.iter().map(|(role, column)| Ok((role, place(column)?))).collect()
    }
}

/// How a file is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    pub(super) encoding: Encoding,
    pub(super) separator: u8,
    pub(super) has_header: bool,
}

impl Source {
    /// The rows of a file, and those that cannot be read.
    ///
    /// # Errors
    /// When the file as a whole makes no sense.
    pub(super) fn rows(self, bytes: &[u8], columns: &Columns) -> Result<(Vec<Row>, Vec<RowError>), String> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader =
            ReaderBuilder::new().has_headers(false).flexible(true).delimiter(self.separator).from_reader(bytes);
        let mut record = ByteRecord::new();
        let mut places = None;
        if !self.has_header {
            places = Some(columns.places(None)?);
        }
        let (mut rows, mut errors) = (Vec::new(), Vec::new());
        let (mut line, mut counted) = (1_u64, 0);
        while reader.read_byte_record(&mut record).map_err(|error| error.to_string())? {
            // The reader's own count is one behind where lines end in CR LF: LF is read with the next record.
            let start = record.position().and_then(|place| usize::try_from(place.byte()).ok()).unwrap_or(counted);
            let start = if bytes.get(start) == Some(&b'\n') { start + 1 } else { start };
            let passed = bytes.get(counted..start).unwrap_or_default();
            line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
            counted = start;
            let fields: Option<Vec<String>> = record.iter().map(|field| self.encoding.decode(field)).collect();
            let Some(fields) = fields else {
                let message = "the text is not in the encoding that was said (--encoding utf-8 or cp932)".to_owned();
                if places.is_none() {
                    return Err(format!("line {line}: {message}"));
                }
                errors.push(RowError { line, message });
                continue;
            };
            match &places {
                None => places = Some(columns.places(Some(&fields))?),
                Some(places) => rows.push(row(line, &fields, places)),
            }
        }
        Ok((rows, errors))
    }
}

fn row(line: u64, fields: &[String], places: &[(&Role, usize)]) -> Row {
    let mut row = Row { line, ..Row::default() };
    let (mut designations, mut properties) = (Vec::new(), Vec::new());
    for (role, place) in places {
        let Some(text) = fields.get(*place).filter(|text| !text.trim().is_empty()) else { continue };
        let owned = || Node::string(text.trim().to_owned());
        match role {
            Role::Code => row.code.clone_from(text),
            Role::Display => row.members.push(("display", owned())),
            Role::Definition => row.members.push(("definition", owned())),
            Role::Parent => {
                row.parents.extend(text.split('|').map(|code| code.trim().to_owned()).filter(|code| !code.is_empty()));
            }
            Role::Inactive => {
                if matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "y") {
                    properties
                        .push(Node::object([("code", Node::string("inactive")), ("valueBoolean", Node::Bool(true))]));
                }
            }
            Role::Language(language) => {
                designations.push(Node::object([("language", Node::string(language.clone())), ("value", owned())]))
            }
            Role::Property(name) => {
                properties.push(Node::object([("code", Node::string(name.clone())), ("valueString", owned())]));
            }
        }
    }
    if !designations.is_empty() {
        row.members.push(("designation", Node::Array(designations)));
    }
    if !properties.is_empty() {
        row.members.push(("property", Node::Array(properties)));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Source = Source { encoding: Encoding::Utf8, separator: b',', has_header: true };

    #[test]
    fn columns_are_found_by_name_or_number() {
        let columns = Columns::read("code=番号,display=名称,kana=カナ,prop:yj=YJ").unwrap();
        let csv = "\u{feff}名称,番号,YJ,カナ\r\n\"見本錠\n5mg\",001,X1,ミホン\r\n,002\r\n";
        let (rows, errors) = SOURCE.rows(csv.as_bytes(), &columns).unwrap();
        assert_eq!((rows.len(), errors.len()), (2, 0));
        assert_eq!((rows[0].code.as_str(), rows[0].line, rows[1].line), ("001", 2, 4));
        assert_eq!(rows[0].members[0], ("display", Node::string("見本錠\n5mg")));
        assert!(SOURCE.rows(b"a,b\n", &columns).unwrap_err().contains("a, b"));
        let numbers = Columns::read("code=2").unwrap();
        let (rows, _) = Source { has_header: false, ..SOURCE }.rows(b"x,1\n", &numbers).unwrap();
        assert_eq!(rows[0].code, "1");
        for wrong in ["display=x", "code", "code=a,code=b", "code=a,colour=b"] {
            assert!(Columns::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_in_cp932_is_read() {
        let columns = Columns::read("code=1,display=2").unwrap();
        let source = Source { encoding: Encoding::Cp932, separator: b',', has_header: false };
        // "ソ①Ⅱ髙": a second byte that is a backslash, and letters only CP932 has.
        let (rows, errors) = source.rows(b"1,\x83\x5c\x87\x40\x87\x55\xfb\xfc\n2,\x83\n", &columns).unwrap();
        assert_eq!(rows[0].members[0].1.as_str(), Some("ソ①Ⅱ髙"));
        assert_eq!(errors.len(), 1);
    }
}
