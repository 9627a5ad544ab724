//! Conditions in words, for who asks how a search is done.

use super::query::{Condition, DateTest, NumberTest, Prefix, ReferenceTest, StringTest, Test, TokenTest, UriTest};
use super::registry::registry;
use crate::r4::datetime::format_instant;
use crate::r4::definitions;

/// A condition in words.
#[must_use]
pub fn describe(condition: &Condition) -> String {
    let joined = |list: &[Condition], word: &str| {
        let parts: Vec<String> = list.iter().map(|condition| format!("({})", describe(condition))).collect();
        parts.join(word)
    };
    match condition {
        Condition::Id(ids) => format!("_id is {}", ids.join(" or ")),
        Condition::LastUpdated(tests) => format!("_lastUpdated is {}", any(tests, date)),
        Condition::Indexed { parameter, test, negated } => {
            let not = if *negated { "is not: " } else { "" };
            format!("{} {not}{}", name(*parameter), compared(test))
        }
        Condition::Missing { parameter, missing, .. } => {
            format!("{} has {} value", name(*parameter), if *missing { "no" } else { "a" })
        }
        Condition::Chain { parameter, targets } => {
            let branch = |(number, condition): &(u8, Condition)| {
                format!("a {} whose {}", type_name(*number), describe(condition))
            };
            format!("{} points at {}", name(*parameter), any(targets, branch))
        }
        Condition::Has { parameter, condition } => {
            format!("{} of a resource points at it whose {}", name(*parameter), describe(condition))
        }
        Condition::Across { parameters, condition } => {
            format!("{}, at each of {} types", describe(condition), parameters.len())
        }
        Condition::Compartment { owner_type, owner_id, parameters, .. } => {
            format!("in the compartment of {}/{owner_id}, by {} references", type_name(*owner_type), parameters.len())
        }
        Condition::All(list) => joined(list, " and "),
        Condition::Any(list) => joined(list, " or "),
        Condition::Not(condition) => format!("not ({})", describe(condition)),
        Condition::Text { in_narrative, phrase } => {
            let place = if *in_narrative { "narrative" } else { "text" };
            let end = if phrase.is_open { "…" } else { "" };
            format!("{place} has the tokens {}{end} in a row", phrase.tokens.join(" "))
        }
        #[allow(unreachable_patterns)]
        other => format!("{other:?}"),
    }
}

fn any<T>(list: &[T], say: impl Fn(&T) -> String) -> String {
    list.iter().map(say).collect::<Vec<_>>().join(" or ")
}

fn type_name(number: u8) -> &'static str {
    definitions().resource_by_number(number).map_or("resource", |found| found.name.as_str())
}

/// `Patient.name`
fn name(parameter: i32) -> String {
    let owner = u8::try_from(parameter >> 8).map_or("resource", type_name);
    match registry().by_number(parameter) {
        Some(found) => format!("{owner}.{}", found.code),
        None => format!("{owner}.(parameter {parameter})"),
    }
}

fn compared(test: &Test) -> String {
    match test {
        Test::Token(tests) => format!("is the code {}", any(tests, token)),
        Test::String(tests) => any(tests, |test| match test {
            StringTest::StartsWith(text) => format!("starts with {text:?}"),
            StringTest::Contains(text) => format!("contains {text:?}"),
            StringTest::Exact { folded, .. } => format!("is exactly what folds to {folded:?}"),
        }),
        Test::Date(tests) => format!("is {}", any(tests, date)),
        Test::Number(tests) => {
            format!("is {}", any(tests, |test: &NumberTest| prefix(test.prefix).to_owned() + " the number"))
        }
        Test::Reference(tests) => format!(
            "points at {}",
            any(tests, |test| match test {
                ReferenceTest::Local { types, id } => match types.as_slice() {
                    [one] => format!("{}/{id}", type_name(*one)),
                    several => format!("{id} of {} types", several.len()),
                },
                ReferenceTest::Uri(test) => uri(test),
                #[allow(unreachable_patterns)]
                other => format!("{other:?}"),
            })
        ),
        Test::Uri(tests) => format!("is {}", any(tests, uri)),
        other => format!("{other:?}"),
    }
}

fn token(test: &TokenTest) -> String {
    let code = if test.codes.is_empty() { "any".to_owned() } else { test.codes.join(" = ") };
    match test.system.as_deref() {
        None => code,
        Some("") => format!("{code} without a system"),
        Some(system) => format!("{code} of {system}"),
    }
}

fn uri(test: &UriTest) -> String {
    let below = if test.below { " or below" } else { "" };
    let version = test.version.as_ref().map(|version| format!("|{version}")).unwrap_or_default();
    format!("{}{version}{below}", test.uri)
}

const fn prefix(prefix: Prefix) -> &'static str {
    match prefix {
        Prefix::Eq => "within",
        Prefix::Ne => "outside",
        Prefix::Gt => "after",
        Prefix::Lt => "before",
        Prefix::Ge => "within or after",
        Prefix::Le => "within or before",
        Prefix::Sa => "wholly after",
        Prefix::Eb => "wholly before",
        Prefix::Ap => "overlapping",
    }
}

fn date(test: &DateTest) -> String {
    format!("{} {} to {}", prefix(test.prefix), format_instant(test.low), format_instant(test.high))
}
