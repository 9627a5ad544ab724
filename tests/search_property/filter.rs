//! `_filter` (FHIR R4 search_filter.html): random filters, their text, and what they mean.
//!
//! `ss` and `sb` are left out: R4 does not say clearly which side subsumes the other.

use serde_json::Value;

use crate::maker::Maker;
use crate::naive::{World, is_amount, is_in_time, is_reference, is_token, links, same_uri};
use crate::parameters::{self, Form, Kind, Parameter, TYPES};
use crate::query::Operand;
use crate::special::{VALUE_SETS, in_value_set};
use crate::values;

/// A filter on one type.
#[derive(Debug, Clone)]
pub(crate) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Compare {
        code: &'static str,
        operator: &'static str,
        operand: Operand,
    },
    /// `code:Type[condition].rest`
    Along {
        code: &'static str,
        target_type: &'static str,
        condition: Option<Box<Filter>>,
        rest: Box<Filter>,
    },
    /// `_has:Type:code.rest`
    Has {
        source_type: &'static str,
        code: &'static str,
        rest: Box<Filter>,
    },
}

impl Filter {
    pub(crate) fn text(&self) -> String {
        let enclosed = |filter: &Self| match filter {
            Self::All(_) | Self::Any(_) => format!("({})", filter.text()),
            _ => filter.text(),
        };
        let joined = |list: &[Self], word: &str| list.iter().map(enclosed).collect::<Vec<_>>().join(word);
        match self {
            Self::All(list) => joined(list, " and "),
            Self::Any(list) => joined(list, " or "),
            Self::Not(inner) => format!("not ({})", inner.text()),
            Self::Compare { code, operator, operand } => {
                let text = match operand {
                    Operand::Text(text) => text.clone(),
                    other => other.text(),
                };
                let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-.:/|+%".contains(letter);
                // A token without a need for quotation marks may stand as it is.
                if !text.is_empty() && text.len() % 2 == 0 && text.chars().all(is_plain) {
                    format!("{code} {operator} {text}")
                } else {
                    format!("{code} {operator} {}", Value::from(text))
                }
            }
            Self::Along { code, target_type, condition, rest } => {
                let condition = condition.as_ref().map_or_else(String::new, |inner| format!("[{}]", inner.text()));
                format!("{code}:{target_type}{condition}.{}", rest.text())
            }
            Self::Has { source_type, code, rest } => format!("_has:{source_type}:{code}.{}", rest.text()),
        }
    }
}

impl World {
    pub(crate) fn passes(&self, resource: &Value, filter: &Filter) -> bool {
        let kind = resource["resourceType"].as_str().unwrap();
        match filter {
            Filter::All(list) => list.iter().all(|filter| self.passes(resource, filter)),
            Filter::Any(list) => list.iter().any(|filter| self.passes(resource, filter)),
            Filter::Not(inner) => !self.passes(resource, inner),
            Filter::Compare { code: "_id", operator, operand: Operand::Text(id) } => {
                (resource["id"] == **id) == (*operator == "eq")
            }
            Filter::Compare { code, operator, operand } => {
                self.holds(resource, parameters::find(kind, code).unwrap(), operator, operand)
            }
            Filter::Along { code, target_type, condition, rest } => {
                let parameter = parameters::find(kind, code).unwrap();
                links(resource, parameter).iter().any(|address| {
                    let (kind, id) = address.split_once('/').unwrap();
                    kind == *target_type
                        && self.get(kind, id).is_some_and(|target| {
                            condition.as_ref().is_none_or(|inner| self.passes(target, inner))
                                && self.passes(target, rest)
                        })
                })
            }
            Filter::Has { source_type, code, rest } => {
                let parameter = parameters::find(source_type, code).unwrap();
                let own = crate::naive::address(resource);
                self.of_type(source_type)
                    .any(|source| links(source, parameter).contains(&own) && self.passes(source, rest))
            }
        }
    }

    /// FHIR R4 search_filter.html#ops: "the set" is the set of values of the parameter.
    fn holds(&self, resource: &Value, parameter: &Parameter, operator: &str, operand: &Operand) -> bool {
        if operator == "pr" {
            return (*operand_text(operand) == *"true") == crate::naive::has_value(resource, parameter);
        }
        if parameter.pair.is_some() {
            return self.compare(resource, parameter, None, operand);
        }
        let found = values::all(resource, parameter.paths);
        match parameter.kind {
            Kind::Text => {
                let wanted = values::fold(operand_text(operand));
                found.into_iter().flat_map(|(value, form)| values::texts(value, form)).any(|(text, is_written)| {
                    let text = values::fold(&text);
                    match operator {
                        "eq" => text == wanted,
                        "ne" => is_written && text != wanted,
                        "co" => text.contains(&wanted),
                        "sw" => text.starts_with(&wanted),
                        "ew" => text.ends_with(&wanted),
                        "gt" => text > wanted,
                        "lt" => text < wanted,
                        "ge" => text >= wanted,
                        _ => text <= wanted,
                    }
                })
            }
            Kind::Token => {
                let mut tokens = found.into_iter().flat_map(|(value, form)| values::tokens(value, form));
                match operator {
                    "eq" => tokens.any(|token| is_token(&token, operand)),
                    "ne" => tokens.any(|token| !is_token(&token, operand)),
                    // "True if none of the concepts are in the nominated value set".
                    "ni" => !tokens.any(|token| in_value_set(&token, operand_text(operand))),
                    _ => tokens.any(|token| in_value_set(&token, operand_text(operand))),
                }
            }
            Kind::Date => {
                let Operand::Text(text) = operand else { panic!("a date") };
                let wanted = values::span(text);
                found.into_iter().filter_map(|(value, form)| values::moment(value, form)).any(|span| match operator {
                    "co" => span.low <= wanted.low && span.high >= wanted.high,
                    "po" => span.low <= wanted.high && span.high >= wanted.low,
                    prefix => is_in_time(span, prefix, wanted, self.now),
                })
            }
            Kind::Number | Kind::Quantity => {
                found.into_iter().filter_map(|(value, form)| values::amount(value, form)).any(|amount| match operand {
                    Operand::Number { text, system, code, .. } => {
                        let prefix = parameters::prefix(operator);
                        let (text, system, code) = (text.clone(), system.clone(), code.clone());
                        is_amount(&amount, &Operand::Number { prefix, text, system, code })
                    }
                    _ => panic!("a number"),
                })
            }
            Kind::Uri => {
                let wanted = operand_text(operand);
                found.into_iter().filter_map(|(value, form)| Some((value.as_str()?, form))).any(|(text, form)| {
                    let is_same = same_uri(text, wanted, form == Form::Canonical);
                    match operator {
                        "sw" => text.starts_with(wanted),
                        "ne" => !is_same,
                        _ => is_same,
                    }
                })
            }
            Kind::Reference => {
                let wanted = operand_text(operand);
                found.into_iter().any(|(value, form)| is_reference(value, form, parameter.targets, None, wanted))
            }
            Kind::Pair => false,
        }
    }
}

fn operand_text(operand: &Operand) -> &str {
    match operand {
        Operand::Text(text) => text,
        other => panic!("{other:?} is no text"),
    }
}

const TEXT: &[&str] = &["eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le"];
const DATE: &[&str] = &["eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb", "co", "po"];
const NUMBER: &[&str] = &["eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb"];

impl Maker<'_> {
    pub(crate) fn filter(&mut self, kind: &'static str, depth: usize) -> Filter {
        match self.random.below(10) {
            0 | 1 if depth < 2 => Filter::All(vec![self.filter(kind, depth + 1), self.filter(kind, depth + 1)]),
            2 | 3 if depth < 2 => Filter::Any(vec![self.filter(kind, depth + 1), self.filter(kind, depth + 1)]),
            4 if depth < 2 => Filter::Not(Box::new(self.filter(kind, depth + 1))),
            _ => self.path(kind, depth),
        }
    }

    fn path(&mut self, kind: &'static str, depth: usize) -> Filter {
        match self.random.below(10) {
            0 | 1 if depth < 3 => {
                let known = |name: &str| TYPES.iter().map(|(known, _)| *known).find(|known| *known == name);
                let links: Vec<(&'static str, &'static str)> = parameters::of_type(kind)
                    .filter(|parameter| parameter.kind == Kind::Reference)
                    .flat_map(|parameter| parameter.targets.iter().map(move |target| (parameter.code, *target)))
                    .filter_map(|(code, target)| Some((code, known(target)?)))
                    .collect();
                if links.is_empty() {
                    return self.comparison(kind);
                }
                let (code, target_type) = self.random.pick(&links);
                let condition = self.random.chance(40).then(|| Box::new(self.filter(target_type, depth + 2)));
                Filter::Along { code, target_type, condition, rest: Box::new(self.path(target_type, depth + 1)) }
            }
            2 if depth < 3 => {
                let mut sources = Vec::new();
                for (name, list) in TYPES {
                    let points_here = |parameter: &&Parameter| {
                        parameter.kind == Kind::Reference
                            && (parameter.targets.is_empty() || parameter.targets.contains(&kind))
                    };
                    sources.extend(list.iter().filter(points_here).map(|parameter| (*name, parameter.code)));
                }
                let (source_type, code) = self.random.pick(&sources);
                Filter::Has { source_type, code, rest: Box::new(self.path(source_type, depth + 1)) }
            }
            _ => self.comparison(kind),
        }
    }

    fn comparison(&mut self, kind: &'static str) -> Filter {
        if self.random.chance(5) {
            let id = self.id_of(kind);
            return Filter::Compare {
                code: "_id",
                operator: self.random.pick(&["eq", "ne"]),
                operand: Operand::Text(id),
            };
        }
        let list: Vec<&'static Parameter> = parameters::of_type(kind).collect();
        let parameter = self.random.pick(&list);
        let code = parameter.code;
        if self.random.chance(8) && self.has_clear_presence(parameter) {
            let wanted = self.random.pick(&["true", "false"]);
            return Filter::Compare { code, operator: "pr", operand: Operand::Text(wanted.to_owned()) };
        }
        let is_coded = parameter.paths.iter().all(|(_, form)| matches!(form, Form::Concept | Form::Coding));
        if parameter.kind == Kind::Token && is_coded && self.random.chance(25) {
            let (url, _) = *self.random.one_of(VALUE_SETS);
            let operand = Operand::Text(url.to_owned());
            return Filter::Compare { code, operator: self.random.pick(&["in", "ni"]), operand };
        }
        let operand = self.operand(kind, parameter, None);
        let (operators, operand): (&[&'static str], Operand) = match (parameter.kind, operand) {
            (Kind::Date, Operand::Date { text, .. }) => (DATE, Operand::Text(text)),
            (Kind::Number | Kind::Quantity, Operand::Number { text, system, code, .. }) => {
                (NUMBER, Operand::Number { prefix: "", text, system, code })
            }
            (Kind::Text, operand) => (TEXT, operand),
            (Kind::Token, operand) => (&["eq", "ne"], operand),
            (Kind::Uri, operand) => (&["eq", "ne", "sw"], operand),
            (Kind::Reference, operand) => (&["re"], operand),
            (_, operand) => (&["eq"], operand),
        };
        let operator = self.random.pick(operators);
        // The start of a canonical is that of its URI; where its version begins is for no filter to say.
        let operator = match (operator, &operand) {
            ("sw", Operand::Text(text)) if parameter.kind == Kind::Uri && text.contains('|') => "eq",
            _ => operator,
        };
        Filter::Compare { code, operator, operand }
    }
}
