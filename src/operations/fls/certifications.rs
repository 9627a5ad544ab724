//! Certifications of care need from a city's CSV file, as Observations of the profile care-level.
//!
//! CP932 or UTF-8, with or without a byte order mark; quoted line breaks; columns by a mapping; eras. Each row is
//! reported. The same file again changes nothing: the id of an Observation is made of the insured number and the
//! first day, and what is the same is not written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::put_all;
use crate::engine::{Engine, Rejection};
use crate::fls::{Day, era, stable_id};
use crate::format::json::{self, Node};
use crate::r4::definitions;
use crate::r4::outcome::IssueCode;
use crate::search::parse::parse_query;

/// Most rows of one file.
const MOST_ROWS: usize = 500_000;
/// Rows written at once.
const AT_ONCE: usize = 200;

/// Which column says what, and what its values mean.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// Header of the column with the number of the insured.
    pub insured: String,
    /// … with the care level.
    pub level: String,
    /// … with the first day.
    pub start: String,
    /// … with the last day; may be missing.
    pub end: String,
    /// … with the attending doctor's first diagnosis: words, or a code of `cause_system`; may be missing.
    pub cause: String,
    /// System of the codes of causes (ICD-10 by default).
    pub cause_system: String,
    /// Digits of the number of the insured: lost leading zeros are put back.
    pub digits: usize,
    /// System of the number of the insured among the identifiers of Patients.
    pub system: String,
    /// The municipality that certifies: `Organization/x`.
    pub municipality: String,
    /// Values of the level column beside the usual ones: value → code of CodeSystem/care-level.
    pub levels: BTreeMap<String, String>,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            insured: "被保険者番号".to_owned(),
            level: "要介護状態区分".to_owned(),
            start: "認定有効期間開始日".to_owned(),
            end: "認定有効期間終了日".to_owned(),
            cause: "主傷病".to_owned(),
            cause_system: "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full".to_owned(),
            digits: 10,
            system: "http://renraku.example/fhir/IdSystem/ltc-insured".to_owned(),
            municipality: String::new(),
            levels: BTreeMap::new(),
        }
    }
}

/// The codes and the names of levels, in NFKC.
const LEVELS: [(&str, &str); 13] = [
    ("01", "非該当"),
    ("06", "事業対象者"),
    ("11", "経過的要介護"),
    ("12", "要支援1"),
    ("13", "要支援2"),
    ("21", "要介護1"),
    ("22", "要介護2"),
    ("23", "要介護3"),
    ("24", "要介護4"),
    ("25", "要介護5"),
    ("31", "再調査"),
    ("88", "取消"),
    ("99", "なし"),
];

/// What became of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// Line in the file (the header is line 1) and what became of it: created, updated, unchanged, refused.
    pub rows: Vec<(u64, &'static str, String)>,
    /// Nothing was written.
    pub dry_run: bool,
}

impl Imported {
    /// How many rows came to this.
    #[must_use]
    pub fn count(&self, what: &str) -> usize {
        self.rows.iter().filter(|(_, outcome, _)| *outcome == what).count()
    }

    /// The report as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|(line, outcome, text)| json!({ "line": line, "outcome": outcome, "text": text }))
            .collect();
        json!({
            "dryRun": self.dry_run,
            "created": self.count("created"), "updated": self.count("updated"),
            "unchanged": self.count("unchanged"), "refused": self.count("refused"),
            "rows": rows,
        })
    }
}

/// Reads a mapping file (TOML).
///
/// # Errors
/// What is wrong with it.
pub fn mapping(text: &str) -> Result<Mapping, Rejection> {
    toml::from_str(text).map_err(|error| Rejection::invalid(format!("the mapping cannot be read: {}", error.message())))
}

/// The text of a file, whichever of the two encodings it has.
fn decoded(bytes: &[u8]) -> Result<String, Rejection> {
    let plain = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(plain) {
        return Ok(text.to_owned());
    }
    let (text, _, is_damaged) = encoding_rs::SHIFT_JIS.decode(bytes);
    if is_damaged {
        return Err(Rejection::invalid("the file is neither UTF-8 nor CP932 (Shift_JIS as Windows writes it)"));
    }
    Ok(text.into_owned())
}

fn plain(text: &str) -> String {
    text.nfkc().filter(|letter| !letter.is_whitespace()).collect()
}

/// Reads a file and writes what is new in it. Blocks.
///
/// # Errors
/// When the file as a whole cannot be read: encoding, columns, too many rows. Wrong rows are reported instead.
pub fn import(engine: &Engine, bytes: &[u8], mapping: &Mapping, dry_run: bool) -> Result<Imported, Rejection> {
    let text = decoded(bytes)?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let headers: Vec<String> =
        reader.headers().map_err(|error| Rejection::invalid(error.to_string()))?.iter().map(plain).collect();
    let column = |name: &str, needed: bool| -> Result<Option<usize>, Rejection> {
        let found = headers.iter().position(|header| *header == plain(name));
        if found.is_none() && needed {
            let text = format!(
                "the file has no column {name:?}; it has {}. A mapping file says which column is which",
                headers.join(", ")
            );
            return Err(Rejection::new(400, IssueCode::Required, text));
        }
        Ok(found)
    };
    let columns = Columns {
        insured: column(&mapping.insured, true)?,
        level: column(&mapping.level, true)?,
        start: column(&mapping.start, true)?,
        end: column(&mapping.end, false)?,
        cause: column(&mapping.cause, false)?,
    };
    let mut imported = Imported { dry_run, ..Imported::default() };
    let mut waiting: Vec<Node<'static>> = Vec::new();
    let mut seen = BTreeMap::new();
    let mut lines = Lines { text: &text, at: 0, line: 1 };
    for (place, record) in reader.records().enumerate() {
        if place >= MOST_ROWS {
            return Err(Rejection::new(
                400,
                IssueCode::TooCostly,
                format!("more than {MOST_ROWS} rows; split the file"),
            ));
        }
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, |position| lines.of(position.byte()));
                imported.rows.push((line, "refused", error.to_string()));
                continue;
            }
        };
        let line = record.position().map_or(0, |position| lines.of(position.byte()));
        match row(engine, &record, &columns, mapping) {
            Ok((id, _)) if seen.contains_key(&id) => {
                let text = format!("the same insured and first day as line {}", seen.get(&id).unwrap_or(&0));
                imported.rows.push((line, "refused", text));
            }
            Ok((id, observation)) => {
                seen.insert(id.clone(), line);
                let outcome = compare(engine, &id, &observation)?;
                imported.rows.push((line, outcome, format!("Observation/{id}")));
                if outcome != "unchanged" {
                    waiting.push(observation);
                }
            }
            Err(Wrong::Row(text)) => imported.rows.push((line, "refused", text)),
            Err(Wrong::All(rejection)) => return Err(rejection),
        }
        if waiting.len() >= AT_ONCE && !dry_run {
            put_all(engine, std::mem::take(&mut waiting))?;
        }
    }
    if !dry_run {
        put_all(engine, waiting)?;
    }
    Ok(imported)
}

/// Counts lines as editors do, quoted line breaks included.
struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the row that begins at or just after a byte; rows are asked for in order.
    fn of(&mut self, byte: u64) -> u64 {
        let bytes = self.text.as_bytes();
        let mut end = usize::try_from(byte).unwrap_or(usize::MAX).min(bytes.len());
        // The reader stops before the rest of a line end and before empty lines.
        while matches!(bytes.get(end), Some(b'\r' | b'\n')) {
            end += 1;
        }
        let passed = bytes.get(self.at..end).unwrap_or_default();
        self.line += u64::try_from(passed.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(0);
        self.at = self.at.max(end);
        self.line
    }
}

struct Columns {
    insured: Option<usize>,
    level: Option<usize>,
    start: Option<usize>,
    end: Option<usize>,
    cause: Option<usize>,
}

enum Wrong {
    Row(String),
    All(Rejection),
}

impl From<String> for Wrong {
    fn from(text: String) -> Self {
        Self::Row(text)
    }
}

fn row(
    engine: &Engine,
    record: &csv::StringRecord,
    columns: &Columns,
    mapping: &Mapping,
) -> Result<(String, Node<'static>), Wrong> {
    let cell = |column: Option<usize>| column.and_then(|column| record.get(column)).unwrap_or_default().trim();
    let insured = plain(cell(columns.insured));
    if insured.is_empty() || insured.len() > 20 || !insured.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{insured:.40?} is no number of an insured").into());
    }
    let insured = format!("{insured:0>width$}", width = mapping.digits.min(20));
    let written = plain(cell(columns.level));
    let level = mapping.levels.get(&written).map(String::as_str).or_else(|| {
        LEVELS
            .iter()
            .find(|(code, name)| *code == written || *name == written || format!("0{written}") == *code)
            .map(|(code, _)| *code)
    });
    let level = level.ok_or_else(|| {
        format!("{written:.40?} is no care level; write 要介護1 or a code such as 21, or name it in the mapping")
    })?;
    let start = era::parse(cell(columns.start))?;
    let end = Some(cell(columns.end)).filter(|text| !text.is_empty()).map(era::parse).transpose()?;
    if end.is_some_and(|end| end < start) {
        return Err(format!("the certification ends before it begins ({start})").into());
    }
    let patient = patient(engine, &mapping.system, &insured)?;
    let id = stable_id(&["care-level", &mapping.system, &insured, &start.to_string()]);
    Ok((id.clone(), observation(&id, &patient, level, (start, end), cell(columns.cause), mapping)))
}

/// The one citizen with that number.
fn patient(engine: &Engine, system: &str, insured: &str) -> Result<String, Wrong> {
    let number = definitions().resource_number("Patient").unwrap_or(0);
    let pairs = vec![("identifier".to_owned(), format!("{system}|{insured}"))];
    let query = parse_query(number, &pairs, &engine.parse_options(false))
        .map_err(|issues| Wrong::All(Rejection::bad_request(issues)))?;
    let page = engine.store().search(&query, 2, false).map_err(|error| Wrong::All(error.into()))?;
    match page.matches.as_slice() {
        [found] => Ok(found.id.clone()),
        [] => Err(format!("no citizen here has the number {insured} ({system})").into()),
        _ => Err(format!("several citizens have the number {insured} ({system})").into()),
    }
}

fn observation(
    id: &str,
    patient: &str,
    level: &str,
    (start, end): (Day, Option<Day>),
    cause: &str,
    mapping: &Mapping,
) -> Node<'static> {
    let text = |value: &str| Node::string(value.to_owned());
    let object = |members: Vec<(&'static str, Node<'static>)>| Node::object(members);
    let coded = |system: &str, code: &str| {
        object(vec![("coding", Node::Array(vec![object(vec![("system", text(system)), ("code", text(code))])]))])
    };
    let reference = |value: String| object(vec![("reference", Node::string(value))]);
    let mut members = vec![("resourceType", text("Observation")), ("id", text(id))];
    members.push((
        "meta",
        object(vec![(
            "profile",
            Node::Array(vec![text("http://renraku.example/fhir/StructureDefinition/care-level")]),
        )]),
    ));
    if !cause.is_empty() {
        // A diagnosis such as S72.0, or its words.
        let is_code =
            cause.len() <= 8 && cause.is_ascii() && cause.starts_with(|letter: char| letter.is_ascii_uppercase());
        let code = if is_code { coded(&mapping.cause_system, cause) } else { object(vec![("text", text(cause))]) };
        members.push((
            "contained",
            Node::Array(vec![object(vec![
                ("resourceType", text("Condition")),
                ("id", text("cause")),
                ("code", code),
                ("subject", reference(format!("Patient/{patient}"))),
            ])]),
        ));
        members.push((
            "extension",
            Node::Array(vec![object(vec![
                ("url", text("http://renraku.example/fhir/StructureDefinition/care-level-cause")),
                ("valueReference", reference("#cause".to_owned())),
            ])]),
        ));
    }
    let mut period = vec![("start", Node::string(start.to_string()))];
    period.extend(end.map(|end| ("end", Node::string(end.to_string()))));
    members.extend([
        ("status", text("final")),
        (
            "category",
            Node::Array(vec![coded(
                "http://jpfhir.jp/fhir/core/CodeSystem/JP_SimpleObservationCategory_CS",
                "disability-status",
            )]),
        ),
        ("code", coded("http://renraku.example/fhir/CodeSystem/observation-code", "care-level")),
        ("subject", reference(format!("Patient/{patient}"))),
        ("effectivePeriod", object(period)),
    ]);
    if !mapping.municipality.is_empty() {
        members.push(("performer", Node::Array(vec![reference(mapping.municipality.clone())])));
    }
    members.push(("valueCodeableConcept", coded("http://renraku.example/fhir/CodeSystem/care-level", level)));
    object(members)
}

/// Whether it is new, or says something else than what is stored.
fn compare(engine: &Engine, id: &str, observation: &Node<'static>) -> Result<&'static str, Rejection> {
    let number = definitions().resource_number("Observation").unwrap_or(0);
    let Some(version) = engine.store().current(number, id)?.filter(|version| !version.is_deleted()) else {
        return Ok("created");
    };
    let stored = json::parse(&version.body).map_err(|error| Rejection::internal(error.to_string()))?;
    let content = |node: &Node<'_>| {
        let mut members: Vec<(String, Vec<u8>)> = node
            .members()
            .iter()
            .filter(|(name, _)| name != "meta" && name != "id")
            .map(|(name, value)| (name.to_string(), value.to_bytes()))
            .collect();
        members.sort_unstable();
        members
    };
    Ok(if content(&stored) == content(observation) { "unchanged" } else { "updated" })
}
