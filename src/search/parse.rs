//! From the decoded name and value pairs of a request to a [`Query`] (FHIR R4 search.html).
//!
//! Conditional interactions send their criteria through the same door. Unknown names and modifiers
//! are errors (or, for lenient clients, ignored and listed); a malformed value of a known parameter
//! is always an error, because ignoring it would widen the search.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::Arc;

mod across;
mod control;
mod filter;
mod functional;
mod implied;
mod link;
mod value;
mod words;

pub use across::{compartment, parse_query_across};
pub use control::MOST_SORT_KEYS;

use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::parameters::ParameterKind;
use crate::r4::{datetime, definitions};

use super::query::{Condition, DateTest, LONG_LIST, Prefix, Query, Summary, Test, TokenTest, Total};
use super::registry::{IDENTIFIER, Parameter, Registry};
use super::rows::second_form;
use super::shape::Forms;
use super::text::FullText;
use super::value_sets::{ValueSets, Way};

/// What parsing needs to know besides the pairs.
#[derive(Debug, Clone)]
pub struct ParseOptions {
    /// The parameters.
    pub registry: Arc<Registry>,
    /// `Prefer: handling=lenient`: ignore what is unknown.
    pub lenient: bool,
    /// Largest page; a larger `_count` becomes this.
    pub max_count: u32,
    /// Offset of the zone that dates without one are meant in, in seconds east of UTC.
    pub default_offset_seconds: i32,
    /// The time now, in µs since 1970 UTC, for `ap`.
    pub now_micros: i64,
    /// What is kept for `_text` and `_content`.
    pub full_text: FullText,
    /// The base URL of this server, when it is known: references to it are local ones.
    pub base_url: Option<Arc<str>>,
    /// Terminology, for `:in`, `:not-in`, and `:above` and `:below` of tokens.
    pub value_sets: Option<Arc<dyn ValueSets>>,
}

/// Most parameters that select, in one search.
const MOST_CONDITIONS: usize = 100;
/// Most values of all of them together.
const MOST_VALUES: usize = 5000;
/// What a value that is compared by range counts.
const RANGE: usize = 10;

/// Letters of a refusal; the longest list of supported parameters has room.
const MOST_LETTERS: usize = 4000;

/// Why a pair cannot be used.
enum Refusal {
    /// Unknown or not supported: ignored for lenient clients.
    Unknown(Issue),
    /// Malformed: always an error.
    Malformed(Issue),
}

type Parsed<T> = Result<T, Refusal>;

fn unknown<T>(diagnostics: impl Into<String>) -> Parsed<T> {
    Err(Refusal::Unknown(Issue::error(IssueCode::NotSupported, readable(diagnostics.into()))))
}

fn malformed<T>(diagnostics: impl Into<String>) -> Parsed<T> {
    Err(Refusal::Malformed(Issue::error(IssueCode::Invalid, readable(diagnostics.into()))))
}

/// A refusal quotes what was sent, but not pages of it.
fn readable(mut diagnostics: String) -> String {
    if let Some((end, _)) = diagnostics.char_indices().nth(MOST_LETTERS) {
        diagnostics.truncate(end);
        diagnostics.push('…');
    }
    diagnostics
}

/// Parses a search on one resource type. Parameters without a value are left out, as R4 asks
/// ("parameters with no value are ignored"); a caller that needs criteria checks
/// [`Query::conditions`].
///
/// # Errors
/// One issue for each pair that cannot be used.
pub fn parse_query(type_number: u8, pairs: &[(String, String)], options: &ParseOptions) -> Result<Query, Vec<Issue>> {
    let empty = Query {
        type_number,
        types: Vec::new(),
        conditions: Vec::new(),
        among: None,
        sort: Vec::new(),
        count: None,
        total: Total::default(),
        summary: Summary::default(),
        elements: Vec::new(),
        includes: Vec::new(),
        cursor: None,
        used: Vec::new(),
        explain: false,
        ignored: Vec::new(),
    };
    parse_into(empty, pairs, options)
}

fn parse_into(mut query: Query, pairs: &[(String, String)], options: &ParseOptions) -> Result<Query, Vec<Issue>> {
    let type_number = query.type_number;
    let mut issues = Vec::new();
    let spent = Cell::new(0);
    for (name, value) in pairs {
        if value.trim().is_empty() || matches!(name.as_str(), "_format" | "_pretty") {
            continue;
        }
        if name.contains('\0') || value.contains('\0') {
            issues.push(Issue::error(IssueCode::Invalid, format!("{name:?}={value:?} has a character U+0000")));
            continue;
        }
        let parser = Parser { type_number, name, value, options, depth: 0, spent: &spent };
        match parser.pair(&mut query) {
            Ok(()) => {}
            Err(Refusal::Unknown(_)) if options.lenient => query.ignored.push(name.clone()),
            Err(Refusal::Unknown(issue) | Refusal::Malformed(issue)) => issues.push(issue),
        }
    }
    if issues.is_empty() {
        issues.extend(too_much(&query.conditions));
    }
    if issues.is_empty() { Ok(query) } else { Err(issues) }
}

/// Databases bound the size of a statement; far below that it is a mistake or an attack.
fn too_much(conditions: &[Condition]) -> Option<Issue> {
    let values: usize = conditions.iter().map(weight).sum();
    (conditions.len() > MOST_CONDITIONS || values > MOST_VALUES).then(|| {
        Issue::error(
            IssueCode::TooCostly,
            format!(
                "the search has {} parameters with {values} values; at most {MOST_CONDITIONS} and {MOST_VALUES} are taken \
                 at once (each further token system, and each string, date, number, quantity and composite, counts {RANGE} times)",
                conditions.len()
            ),
        )
    })
}

/// Equality is one look-up in a list; each range is a branch that the database plans by itself.
fn weight(condition: &Condition) -> usize {
    match condition {
        Condition::Id(ids) => ids.len(),
        Condition::LastUpdated(tests) => tests.len() * RANGE,
        Condition::Missing { .. } => 1,
        Condition::Across { parameters, condition } => parameters.len() + weight(condition),
        Condition::Compartment { parameters, .. } => parameters.len(),
        Condition::Chain { targets, .. } => targets.iter().map(|(_, condition)| RANGE + weight(condition)).sum(),
        Condition::Has { condition, .. }
        | Condition::Naming { condition, .. }
        | Condition::NamedBy { condition, .. } => RANGE + weight(condition),
        Condition::All(list) | Condition::Any(list) => list.iter().map(|condition| 1 + weight(condition)).sum(),
        Condition::Not(condition) => 1 + weight(condition),
        Condition::Text { phrase, .. } => RANGE + phrase.tokens.len(),
        Condition::Indexed { test, .. } => match test {
            Test::Token(list) => {
                let systems: HashSet<_> = list.iter().map(|test| &test.system).collect();
                list.iter().map(token_weight).sum::<usize>() + systems.len().saturating_sub(1) * RANGE
            }
            Test::Reference(list) => list.len(),
            Test::Uri(list) => list.len(),
            Test::String(list) => list.len() * RANGE,
            Test::Date(list) => list.len() * RANGE,
            Test::Number(list) => list.len() * RANGE,
            Test::Quantity(list) => list.len() * RANGE,
            Test::Composite(list) => list.len() * RANGE,
            Test::Near(list) => list.len() * RANGE,
            Test::Row(_) => RANGE,
        },
    }
}

/// A long list of codes is one value for the database.
fn token_weight(test: &TokenTest) -> usize {
    if test.codes.len() > LONG_LIST { RANGE } else { test.codes.len().max(1) }
}

/// One pair at work; for a chained parameter, what is left of it at one of the types it leads to.
#[derive(Clone, Copy)]
struct Parser<'p> {
    type_number: u8,
    name: &'p str,
    value: &'p str,
    options: &'p ParseOptions,
    /// References followed so far.
    depth: usize,
    /// Weight of the branches of all chained parameters so far.
    spent: &'p Cell<usize>,
}

impl<'p> Parser<'p> {
    /// The parameters of this request.
    fn registry(&self) -> &'p Registry {
        &self.options.registry
    }

    fn pair(&self, query: &mut Query) -> Parsed<()> {
        if self.control(query)? {
            return Ok(());
        }
        let condition = if self.type_number == 0 { self.across(query)? } else { self.condition()? };
        if let Some(condition) = condition {
            // Each of several that must all hold may lead.
            match condition {
                Condition::All(list) => query.conditions.extend(list),
                condition => query.conditions.push(condition),
            }
            self.keep(query);
        }
        Ok(())
    }

    /// Notes the pair for the self link.
    fn keep(&self, query: &mut Query) {
        query.used.push((self.name.to_owned(), self.value.to_owned()));
    }

    /// `None` when nothing is left after folding (a value of spaces).
    fn condition(&self) -> Parsed<Option<Condition>> {
        match self.name {
            "_id" => {
                let ids: Vec<String> = value::alternatives(self.value).map(value::unescape).collect();
                return Ok((!ids.is_empty()).then_some(Condition::Id(ids)));
            }
            "_lastUpdated" => return self.dates().map(|tests| tests.map(Condition::LastUpdated)),
            "_list" => return self.list(),
            "_filter" => return self.filter(),
            "_text" | "_content" => return self.words(),
            _ => {}
        }
        if let Some(path) = self.name.strip_prefix("_has:") {
            return self.has(path);
        }
        if let Some((reference, rest)) = self.name.split_once('.') {
            return self.chain(reference, rest);
        }
        let (code, modifier) = match self.name.split_once(':') {
            Some((code, modifier)) => (code, Some(modifier)),
            None => (self.name, None),
        };
        if let ("_id" | "_lastUpdated", Some(modifier)) = (code, modifier) {
            return unknown(format!("{code} takes no modifier here, not :{modifier} either"));
        }
        let Some(parameter) = self.registry().find(self.type_number, code) else { return self.unknown_name(code) };
        match modifier {
            Some("missing") => match self.value {
                "true" | "false" => Ok(Some(Condition::Missing {
                    parameter: parameter.number,
                    kind: parameter.kind,
                    missing: self.value == "true",
                })),
                other => malformed(format!("{} must be true or false, not {other:?}", self.name)),
            },
            modifier => self.indexed(parameter, modifier),
        }
    }

    fn indexed(&self, parameter: &Parameter, modifier: Option<&str>) -> Parsed<Option<Condition>> {
        let mut negated = false;
        let mut number = parameter.number;
        let test = match (parameter.kind, modifier) {
            (ParameterKind::Token, None | Some("not")) => {
                negated = modifier.is_some();
                self.each(|value| self.tokens_of(parameter, value)).map(|tests| Test::Token(tests.concat()))
            }
            (ParameterKind::Token, Some("text")) if parameter.forms.coding || parameter.forms.identifier => {
                number = second_form(number);
                let tests = self.each(|value| Ok(value::string(value, None)))?;
                Ok(Test::String(tests.into_iter().flatten().collect()))
            }
            (ParameterKind::Token, Some("of-type")) if parameter.forms.identifier && !parameter.is_derived => {
                number = second_form(number);
                self.each(|value| self.of_type(value)).map(Test::Token)
            }
            (ParameterKind::Token, Some("in" | "not-in")) if parameter.forms.has_codes() => {
                negated = modifier == Some("not-in");
                self.each(|value| self.codes_of(parameter, value)).map(|tests| Test::Token(tests.concat()))
            }
            (ParameterKind::Token, Some(way @ ("above" | "below"))) if parameter.forms.has_codes() => {
                let way = if way == "above" { Way::Above } else { Way::Below };
                self.each(|value| self.codes_along(parameter.forms, way, value))
                    .map(|tests| Test::Token(tests.concat()))
            }
            (ParameterKind::String, None | Some("exact" | "contains")) => {
                let tests = self.each(|value| Ok(value::string(value, modifier)))?;
                Ok(Test::String(tests.into_iter().flatten().collect()))
            }
            (ParameterKind::Date, None) => return Ok(self.dates()?.map(|tests| indexed(number, Test::Date(tests)))),
            (ParameterKind::Number, None) => self.each(|value| self.number(value)).map(Test::Number),
            (ParameterKind::Quantity, None) => self.each(|value| self.quantity(value)).map(Test::Quantity),
            (ParameterKind::Uri, None) => self.each(|value| Ok(value::uri(parameter.forms, value))).map(Test::Uri),
            (ParameterKind::Uri, Some("below")) => {
                self.each(|value| Ok(value::uri_below(parameter.forms, value))).map(Test::Uri)
            }
            (ParameterKind::Uri, Some("above")) => {
                self.each(|value| Ok(value::uris_above(parameter.forms, value))).map(|tests| Test::Uri(tests.concat()))
            }
            (ParameterKind::Reference, Some(way @ ("above" | "below"))) => {
                let is_below = way == "below";
                let tests = self.each(|value| self.hierarchy(parameter, is_below, value))?;
                Ok(Test::Reference(tests.concat()))
            }
            (ParameterKind::Reference, Some("identifier")) => {
                let derived = self.registry().find(self.type_number, &format!("{}{IDENTIFIER}", parameter.code));
                let Some(derived) = derived else { return self.unknown_modifier(parameter, "identifier") };
                number = derived.number;
                self.each(|value| self.tokens(derived.forms, value)).map(|tests| Test::Token(tests.concat()))
            }
            (ParameterKind::Reference, None) => {
                self.each(|value| self.reference(&parameter.targets, value)).map(Test::Reference)
            }
            (ParameterKind::Reference, Some(name)) => {
                let possible = |target: &u8| parameter.targets.is_empty() || parameter.targets.contains(target);
                let Some(target) = definitions().resource_number(name).filter(possible) else {
                    return self.unknown_modifier(parameter, name);
                };
                self.each(|value| self.reference(&[target], value)).map(Test::Reference)
            }
            (ParameterKind::Composite, None) => {
                self.each(|value| self.composite(parameter, value)).map(Test::Composite)
            }
            (_, Some(name)) => return self.unknown_modifier(parameter, name),
            (ParameterKind::Special, None) => self.each(|value| self.near(value)).map(Test::Near),
        }?;
        let is_empty = match &test {
            Test::Token(list) => list.is_empty(),
            Test::String(list) => list.is_empty(),
            Test::Date(list) => list.is_empty(),
            Test::Number(list) => list.is_empty(),
            Test::Quantity(list) => list.is_empty(),
            Test::Reference(list) => list.is_empty(),
            Test::Uri(list) => list.is_empty(),
            Test::Composite(list) => list.is_empty(),
            Test::Near(list) => list.is_empty(),
            Test::Row(_) => false,
        };
        Ok((!is_empty).then_some(Condition::Indexed { parameter: number, test, negated }))
    }

    /// Every alternative of the value, parsed.
    fn each<T>(&self, mut parse: impl FnMut(&str) -> Parsed<T>) -> Parsed<Vec<T>> {
        value::alternatives(self.value).map(&mut parse).collect()
    }

    fn dates(&self) -> Parsed<Option<Vec<DateTest>>> {
        let tests = self.each(|value| self.date(value))?;
        Ok((!tests.is_empty()).then_some(tests))
    }

    fn date(&self, text: &str) -> Parsed<DateTest> {
        let (prefix, text) = value::prefix(text);
        // An unencoded `+09:00` arrives as a space.
        let text = value::unescape(text).replace(' ', "+");
        let Some(span) = datetime::span(&text, self.options.default_offset_seconds) else {
            return malformed(format!(
                "{}={} is not a date: write 2024, 2024-05, 2024-05-31 or 2024-05-31T09:30:00+09:00, after eq, ne, gt, \
                 lt, ge, le, sa, eb or ap",
                self.name, self.value
            ));
        };
        let mut test = DateTest { prefix, low: span.low, high: span.high };
        if prefix == Prefix::Ap {
            let middle = span.low.midpoint(span.high);
            let margin = i64::try_from(middle.abs_diff(self.options.now_micros) / 10).unwrap_or(i64::MAX);
            test.low = span.low.saturating_sub(margin);
            test.high = span.high.saturating_add(margin);
        }
        Ok(test)
    }

    fn type_name(&self) -> &'static str {
        definitions().resource_by_number(self.type_number).map_or("this type", |definition| definition.name.as_str())
    }

    fn unknown_name<T>(&self, code: &str) -> Parsed<T> {
        let codes: Vec<&str> = self.registry().codes(self.type_number).collect();
        unknown(format!(
            "{} has no search parameter {code:?} here; supported are _id, _lastUpdated, _filter, _has, _list, {}",
            self.type_name(),
            codes.join(", ")
        ))
    }

    fn unknown_modifier<T>(&self, parameter: &Parameter, modifier: &str) -> Parsed<T> {
        let mut supported = vec!["missing".to_owned()];
        match parameter.kind {
            ParameterKind::Token => {
                supported.push("not".to_owned());
                let Forms { coding, identifier, .. } = parameter.forms;
                supported.extend((coding || identifier).then(|| "text".to_owned()));
                supported.extend(identifier.then(|| "of-type".to_owned()));
                if parameter.forms.has_codes() {
                    supported.extend(["in", "not-in", "above", "below"].map(str::to_owned));
                }
            }
            ParameterKind::String => supported.extend(["exact".to_owned(), "contains".to_owned()]),
            ParameterKind::Uri => supported.extend(["above".to_owned(), "below".to_owned()]),
            ParameterKind::Reference => {
                if parameter.forms.canonical || parents(self.registry(), &parameter.targets).next().is_some() {
                    supported.extend(["above".to_owned(), "below".to_owned()]);
                }
                supported.extend(parameter.identifier.map(|_| "identifier".to_owned()));
                let names = parameter.targets.iter().filter_map(|target| definitions().resource_by_number(*target));
                supported.extend(names.map(|definition| definition.name.clone()));
                if parameter.targets.is_empty() {
                    supported.push("any resource type".to_owned());
                }
            }
            _ => {}
        }
        unknown(format!(
            "modifier :{modifier} is not supported for the {} parameter {}; supported are {}",
            parameter.kind.code(),
            parameter.code,
            supported.join(", ")
        ))
    }
}

/// The types that form hierarchies, with the parameter that leads from a part to its whole.
const PARENTS: [(&str, &str); 12] = [
    ("Location", "partof"),
    ("Organization", "partof"),
    ("Encounter", "part-of"),
    ("Procedure", "part-of"),
    ("Observation", "part-of"),
    ("Task", "part-of"),
    ("Communication", "part-of"),
    ("CarePlan", "part-of"),
    ("MedicationAdministration", "part-of"),
    ("MedicationStatement", "part-of"),
    ("ResearchStudy", "partof"),
    ("Contract", "parent"),
];

/// Those of [`PARENTS`] among these types: type and number of the parameter.
fn parents(registry: &Registry, targets: &[u8]) -> impl Iterator<Item = (u8, i32)> {
    PARENTS.iter().filter_map(move |(name, code)| {
        let number = definitions().resource_number(name)?;
        let parameter = registry.find(number, code).filter(|found| found.kind == ParameterKind::Reference)?;
        let leads_to_itself = parameter.targets.is_empty() || parameter.targets.contains(&number);
        let is_asked = targets.is_empty() || targets.contains(&number);
        (leads_to_itself && is_asked).then_some((number, parameter.number))
    })
}

const fn indexed(parameter: i32, test: Test) -> Condition {
    Condition::Indexed { parameter, test, negated: false }
}

#[cfg(test)]
mod tests;
