//! Filters of a value set's definition (FHIR R4 valueset.html#filters) on one concept.

use super::concept::{CodeSystem, Concept, Selection, Unavailable};
use crate::fhirpath::general::pattern::Pattern;
use crate::format::json::Node;

/// Steps that matching one code with a regular expression may take.
const PATTERN_STEPS: usize = 20_000;

/// What a filter looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    /// The concept itself, in its hierarchy (`concept`), or its code (`code`).
    Code,
    Display,
    Parent,
    Child,
    Property(String),
}

#[derive(Debug)]
enum Test {
    Equal(String),
    IsA(String),
    DescendentOf(String),
    IsNotA(String),
    Generalizes(String),
    Pattern(Pattern),
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists(bool),
}

/// One filter, ready to be asked.
#[derive(Debug)]
pub(super) struct Filter {
    subject: Subject,
    test: Test,
}

fn listed(value: &str) -> Vec<String> {
    value.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

impl Filter {
    /// Reads `compose.include.filter`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(filter: &Node<'_>, system: Option<&dyn CodeSystem>) -> Result<Self, String> {
        let property = filter.text("property").unwrap_or_default();
        let (op, value) = (filter.text("op").unwrap_or_default(), filter.text("value").unwrap_or_default());
        let subject = match property {
            "" => return Err("a filter without property".to_owned()),
            "concept" | "code" => Subject::Code,
            "display" => Subject::Display,
            "parent" | "subsumedBy" => Subject::Parent,
            "child" => Subject::Child,
            other => {
                if let Some(system) = system.filter(|system| !system.is_elsewhere()) {
                    let header = system.header();
                    let is_known = header.properties.iter().any(|known| known.code == other)
                        || matches!(other, "inactive" | "status" | "notSelectable" | "abstract" | "deprecated")
                        || other == "deprecationDate";
                    if !is_known {
                        return Err(format!("the code system {} defines no property {other:?}", header.url));
                    }
                }
                Subject::Property(other.to_owned())
            }
        };
        let owned = value.to_owned();
        let test = match op {
            "=" => Test::Equal(owned),
            "is-a" => Test::IsA(owned),
            "descendent-of" => Test::DescendentOf(owned),
            "is-not-a" => Test::IsNotA(owned),
            "generalizes" => Test::Generalizes(owned),
            "regex" => Test::Pattern(
                Pattern::new(value).map_err(|error| format!("the regular expression {value:?}: {error}"))?,
            ),
            "in" => Test::In(listed(value)),
            "not-in" => Test::NotIn(listed(value)),
            "exists" => match value {
                "true" => Test::Exists(true),
                "false" => Test::Exists(false),
                _ => return Err(format!("exists takes true or false, not {value:?}")),
            },
            _ => return Err(format!("{op:?} is no filter operator of FHIR R4")),
        };
        let is_hierarchical =
            matches!(test, Test::IsA(_) | Test::DescendentOf(_) | Test::IsNotA(_) | Test::Generalizes(_));
        if is_hierarchical && subject != Subject::Code {
            return Err(format!("{op} is a question about concepts; the property is {property:?}"));
        }
        Ok(Self { subject, test })
    }

    /// What a code system can select by itself, so that not all of it needs to be read.
    pub(super) fn narrows(&self, selection: &mut Selection) -> bool {
        if selection.below.is_some() || self.subject != Subject::Code {
            return false;
        }
        match &self.test {
            Test::IsA(code) => selection.below = Some((code.clone(), true)),
            Test::DescendentOf(code) => selection.below = Some((code.clone(), false)),
            _ => return false,
        }
        true
    }

    /// Whether the code alone decides against it, without the code system.
    pub(super) fn refuses_code(&self, code: &str) -> bool {
        if self.subject != Subject::Code {
            return false;
        }
        match &self.test {
            Test::Equal(value) => value != code,
            Test::In(values) => !values.iter().any(|value| value == code),
            Test::NotIn(values) => values.iter().any(|value| value == code),
            Test::Pattern(pattern) => covers(pattern, code) == Ok(false),
            _ => false,
        }
    }

    /// Whether a concept passes.
    ///
    /// # Errors
    /// When that cannot be told.
    pub(super) fn passes(&self, concept: &Concept, system: &dyn CodeSystem) -> Result<bool, Unavailable> {
        let code = concept.code.as_str();
        let same = |value: &str| {
            value == code || (system.header().case_sensitive != Some(true) && value.eq_ignore_ascii_case(code))
        };
        match (&self.test, &self.subject) {
            (Test::IsA(value), _) => Ok(same(value) || system.is_below(code, value)?),
            (Test::DescendentOf(value), _) => system.is_below(code, value),
            (Test::IsNotA(value), _) => Ok(!same(value) && !system.is_below(code, value)?),
            (Test::Generalizes(value), _) => Ok(same(value) || system.is_below(value, code)?),
            (test, Subject::Code) => holds(test, &[code]),
            (test, Subject::Display) => holds(test, &concept.display.as_deref().into_iter().collect::<Vec<_>>()),
            (test, Subject::Parent) => holds_all(test, &system.parents(code)?),
            (test, Subject::Child) => holds_all(test, &system.children(code)?),
            (test, Subject::Property(name)) => {
                let values = concept.properties.iter().filter(|property| property.code == *name);
                holds(test, &values.map(super::concept::Property::text).collect::<Vec<_>>())
            }
        }
    }
}

fn covers(pattern: &Pattern, text: &str) -> Result<bool, Unavailable> {
    pattern.covers(text, &mut { PATTERN_STEPS }).map_err(|error| Unavailable(error.to_string()))
}

fn holds_all(test: &Test, values: &[String]) -> Result<bool, Unavailable> {
    holds(test, &values.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Whether one of the values meets the test; `not-in` holds when none is listed.
fn holds(test: &Test, values: &[&str]) -> Result<bool, Unavailable> {
    Ok(match test {
        Test::Equal(wanted) => values.contains(&wanted.as_str()),
        Test::In(wanted) => values.iter().any(|value| wanted.iter().any(|one| one == value)),
        Test::NotIn(unwanted) => !values.iter().any(|value| unwanted.iter().any(|one| one == value)),
        Test::Exists(wanted) => values.is_empty() != *wanted,
        Test::Pattern(pattern) => {
            for value in values {
                if covers(pattern, value)? {
                    return Ok(true);
                }
            }
            false
        }
        // The hierarchy was asked before.
        Test::IsA(_) | Test::DescendentOf(_) | Test::IsNotA(_) | Test::Generalizes(_) => false,
    })
}
