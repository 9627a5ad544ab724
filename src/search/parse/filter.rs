//! `_filter` as conditions (FHIR R4 search_filter.html): the same tree as all other parameters, so
//! it is part of the same SQL statement and may stand in chains, `_has` and conditional criteria.
//!
//! Deviations that are meant: identifiers keep their case (a folded match could take two patients
//! for one); `co` on numbers is refused, because the index does not keep how precise a number is.

mod grammar;

use crate::r4::parameters::ParameterKind;
use crate::search::fold::{index_form, key_form};
use crate::search::query::{Condition, DateTest, Prefix, RowTest, Test};
use crate::search::registry::Parameter;
use crate::search::value_sets::Way;

use self::grammar::{Comparison, Filter, Mistake, Operator, Step};
use super::{Parsed, Parser, Refusal, indexed, malformed, unknown};

/// Names of code systems that need not be spelled out (search_filter.html#ops, note).
const SYSTEMS: [(&str, &str); 4] = [
    ("loinc", "http://loinc.org"),
    ("snomed", "http://snomed.info/sct"),
    ("rxnorm", "http://www.nlm.nih.gov/research/umls/rxnorm"),
    ("ucum", "http://unitsofmeasure.org"),
];

/// Names that stand for two parameters whose values belong together (search_filter.html#params), as
/// far as R4 has a composite for them: type, name, child in brackets, child behind, composite.
const PAIRS: [(&str, &str, &str, &str, &str); 2] = [
    ("Group", "characteristic", "code", "value", "characteristic-value"),
    ("DocumentReference", "relatesTo", "code", "target", "relationship"),
];

/// The refusal with the place in the filter, counted from 1.
fn at<T>(place: usize, parsed: Parsed<T>) -> Parsed<T> {
    let say = |mut issue: crate::r4::outcome::Issue| {
        if !issue.diagnostics.starts_with("_filter, character ") {
            issue.diagnostics = format!("_filter, character {}: {}", place + 1, issue.diagnostics);
        }
        issue
    };
    parsed.map_err(|refusal| match refusal {
        Refusal::Unknown(issue) => Refusal::Unknown(say(issue)),
        Refusal::Malformed(issue) => Refusal::Malformed(say(issue)),
    })
}

impl Parser<'_> {
    /// The value of `_filter`.
    pub(super) fn filter(&self) -> Parsed<Option<Condition>> {
        if self.type_number == 0 {
            return unknown("_filter is about one type: [base]/Patient?_filter=…");
        }
        match grammar::parse(self.value) {
            Ok(filter) => self.compile(&filter).map(Some),
            Err(Mistake { at: place, text }) => at(place, malformed(text)),
        }
    }

    fn compile(&self, filter: &Filter) -> Parsed<Condition> {
        let all = |list: &[Filter]| list.iter().map(|filter| self.compile(filter)).collect::<Parsed<Vec<_>>>();
        Ok(match filter {
            Filter::All(list) => Condition::All(all(list)?),
            Filter::Any(list) => Condition::Any(all(list)?),
            Filter::Not(inner) => Condition::Not(Box::new(self.compile(inner)?)),
            Filter::Compare(found) => at(found.at, self.path(&found.links, found))?,
        })
    }

    /// What is left of a path, at this type.
    fn path(&self, links: &[Step], found: &Comparison) -> Parsed<Condition> {
        let Some((step, rest)) = links.split_first() else { return self.compare(found) };
        if let Some(pair) = PAIRS.iter().find(|pair| pair.0 == self.type_name() && pair.1 == step.name) {
            return self.pair_of(pair, step, rest, found);
        }
        let follow = |parser: &Parser<'_>| {
            let behind = parser.path(rest, found)?;
            Ok(Some(match &step.filter {
                Some(filter) => Condition::All(vec![parser.compile(filter)?, behind]),
                None => behind,
            }))
        };
        let condition = match step.name.strip_prefix("_has:").and_then(|path| path.split_once(':')) {
            Some((source, reference)) => self.referred(source, reference, &follow)?,
            None => self.along(&step.name, &found.name, &follow)?,
        };
        match condition {
            Some(condition) => Ok(condition),
            None => malformed("nothing is compared"),
        }
    }

    /// `characteristic[code eq x].value eq y`: both of one element, which is a composite parameter.
    fn pair_of(
        &self,
        &(_, name, inside, behind, composite): &(&str, &str, &str, &str, &str),
        step: &Step,
        rest: &[Step],
        found: &Comparison,
    ) -> Parsed<Condition> {
        let first = match &step.filter {
            Some(Filter::Compare(first)) if first.name == inside && first.links.is_empty() => first,
            _ => return malformed(format!("{name} is written {name}[{inside} eq x].{behind} eq y")),
        };
        let is_equal = |operator| matches!(operator, Operator::Eq | Operator::Re);
        if found.name != behind || !rest.is_empty() || !is_equal(found.operator) || first.operator != Operator::Eq {
            return malformed(format!("{name} is written {name}[{inside} eq x].{behind} eq y"));
        }
        let Some(parameter) = self.registry().find(self.type_number, composite) else { return self.unknown_name(name) };
        let escaped = |text: &str| with_system(text).replace('$', "\\$");
        let text = format!("{}${}", escaped(&first.value), escaped(&found.value));
        let parser = Parser { name, value: &text, ..*self };
        Ok(indexed(parameter.number, Test::Composite(vec![parser.composite(parameter, &text)?])))
    }

    fn compare(&self, found: &Comparison) -> Parsed<Condition> {
        let Comparison { name, operator, value, .. } = found;
        let parser = Parser { name, value, ..*self };
        match name.as_str() {
            "_id" => {
                let ids = Condition::Id(vec![value.clone()]);
                return match operator {
                    Operator::Eq => Ok(ids),
                    Operator::Ne => Ok(Condition::Not(Box::new(ids))),
                    _ => parser.unfit(*operator, "_id", &["eq", "ne"]),
                };
            }
            "_lastUpdated" if *operator != Operator::Co => {
                return Ok(Condition::LastUpdated(vec![at(found.value_at, parser.moment(*operator, value))?]));
            }
            _ => {}
        }
        let Some(parameter) = self.registry().find(self.type_number, name) else { return self.unknown_name(name) };
        if *operator == Operator::Pr {
            return match value.as_str() {
                "true" | "false" => Ok(Condition::Missing {
                    parameter: parameter.number,
                    kind: parameter.kind,
                    missing: value == "false",
                }),
                other => at(found.value_at, malformed(format!("pr takes true or false, not {other:?}"))),
            };
        }
        let test = at(found.value_at, parser.test(parameter, *operator))?;
        // "True if none of the concepts are in the nominated value set": also where there is no concept.
        let negated = *operator == Operator::Ni;
        Ok(Condition::Indexed { parameter: parameter.number, test, negated })
    }

    /// One comparison with an indexed parameter, by its kind (search_filter.html#ops, second table).
    fn test(&self, parameter: &Parameter, operator: Operator) -> Parsed<Test> {
        let refuse = |right: &[&str]| self.unfit(operator, parameter.kind.code(), right);
        let unequal =
            |test: Test| if operator == Operator::Ne { Test::Row(RowTest::Unequal(Box::new(test))) } else { test };
        let prefixed = || format!("{}{}", operator.code(), self.value);
        match (parameter.kind, operator) {
            (ParameterKind::String, _) => self.text(operator),
            (ParameterKind::Date, Operator::Co) => {
                let DateTest { low, high, .. } = self.date(self.value)?;
                Ok(Test::Row(RowTest::Around { low, high }))
            }
            (ParameterKind::Date, _) => Ok(Test::Date(vec![self.moment(operator, self.value)?])),
            (ParameterKind::Number, _) if is_prefix(operator) => Ok(Test::Number(vec![self.number(&prefixed())?])),
            (ParameterKind::Quantity, _) if is_prefix(operator) => {
                Ok(Test::Quantity(vec![self.quantity(&prefixed())?]))
            }
            (ParameterKind::Number | ParameterKind::Quantity, _) => refuse(&PREFIXES),
            (ParameterKind::Token, Operator::Eq | Operator::Ne) => {
                let tokens = self.tokens_of(parameter, &with_system(self.value))?;
                Ok(unequal(Test::Token(tokens)))
            }
            (ParameterKind::Token, Operator::In | Operator::Ni) if parameter.forms.has_codes() => {
                Ok(Test::Token(self.codes_of(parameter, self.value)?))
            }
            (ParameterKind::Token, Operator::Ss | Operator::Sb) if parameter.forms.has_codes() => {
                let way = if operator == Operator::Ss { Way::Above } else { Way::Below };
                Ok(Test::Token(self.codes_along(parameter.forms, way, &with_system(self.value))?))
            }
            (ParameterKind::Token, _) => refuse(&["eq", "ne", "in", "ni", "ss", "sb", "pr"]),
            (ParameterKind::Reference, Operator::Re) => {
                Ok(Test::Reference(vec![self.reference(&parameter.targets, self.value)?]))
            }
            (ParameterKind::Reference, _) => refuse(&["re", "pr"]),
            (ParameterKind::Uri, Operator::Eq | Operator::Ne) => {
                Ok(unequal(Test::Uri(vec![super::value::uri(parameter.forms, self.value)])))
            }
            (ParameterKind::Uri, Operator::Sw) => Ok(Test::Row(RowTest::UriStarts(key_form(self.value)))),
            (ParameterKind::Uri, _) => refuse(&["eq", "ne", "sw", "pr"]),
            (ParameterKind::Composite, Operator::Eq) => {
                Ok(Test::Composite(vec![self.composite(parameter, self.value)?]))
            }
            (ParameterKind::Composite, _) => refuse(&["eq", "pr"]),
            (ParameterKind::Special, _) => self.unknown_name(&parameter.code),
        }
    }

    fn text(&self, operator: Operator) -> Parsed<Test> {
        let folded = index_form(self.value);
        if folded.is_empty() {
            return malformed(format!("{:?} has nothing that could be compared", self.value));
        }
        let ordered = |prefix| Ok(Test::Row(RowTest::TextOrder { prefix, folded: folded.clone() }));
        match operator {
            Operator::Eq => ordered(Prefix::Eq),
            Operator::Ne => ordered(Prefix::Ne),
            Operator::Gt => ordered(Prefix::Gt),
            Operator::Lt => ordered(Prefix::Lt),
            Operator::Ge => ordered(Prefix::Ge),
            Operator::Le => ordered(Prefix::Le),
            Operator::Co => Ok(Test::String(vec![crate::search::query::StringTest::Contains(folded)])),
            Operator::Sw => Ok(Test::String(vec![crate::search::query::StringTest::StartsWith(folded)])),
            Operator::Ew => Ok(Test::Row(RowTest::TextEnds(folded))),
            _ => self.unfit(operator, "string", &["eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "pr"]),
        }
    }

    /// A date with an operator that is a prefix, or `po`: both periods overlap.
    fn moment(&self, operator: Operator, value: &str) -> Parsed<DateTest> {
        match operator {
            Operator::Po => Ok(DateTest { prefix: Prefix::Ap, ..self.date(value)? }),
            _ if is_prefix(operator) => self.date(&format!("{}{value}", operator.code())),
            _ => {
                self.unfit(operator, "date", &["eq", "ne", "co", "gt", "lt", "ge", "le", "ap", "sa", "eb", "po", "pr"])
            }
        }
    }

    fn unfit<T>(&self, operator: Operator, kind: &str, right: &[&str]) -> Parsed<T> {
        let (name, operator, right) = (self.name, operator.code(), right.join(", "));
        unknown(format!("{operator} does not compare {name}, which is of the kind {kind}; there are {right}"))
    }
}

const PREFIXES: [&str; 10] = ["eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr"];

const fn is_prefix(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::Ne
            | Operator::Gt
            | Operator::Lt
            | Operator::Ge
            | Operator::Le
            | Operator::Ap
            | Operator::Sa
            | Operator::Eb
    )
}

/// `loinc|8302-2` with the whole name of the code system.
fn with_system(text: &str) -> String {
    let spelled = text.split_once('|').and_then(|(short, code)| {
        SYSTEMS.iter().find(|(known, _)| *known == short).map(|(_, uri)| format!("{uri}|{code}"))
    });
    spelled.unwrap_or_else(|| text.to_owned())
}
