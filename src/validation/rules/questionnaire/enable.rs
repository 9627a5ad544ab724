//! Whether a question is enabled by the answers to others (FHIR R4
//! questionnaire-definitions.html#Questionnaire.item.enableWhen).

use std::cmp::Ordering;

use super::Check;
use super::answer::{compare, same};
use crate::fhirpath::{Environment, Item, Query};
use crate::format::json::Node;
use crate::r4::definitions;

/// Extensions whose expression enables a question.
const ENABLING: [&str; 2] = [
    "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression",
    "http://phr.kanta.fi/StructureDefinition/fiphr-ext-questionnaire-enablewhen",
];
/// Deepest nesting searched for a question.
const MAX_DEPTH: usize = 60;

/// All items of a question below a node, also those below answers.
fn items_of<'c>(node: &'c Node<'c>, link: &str, depth: usize, out: &mut Vec<&'c Node<'c>>) {
    if depth > MAX_DEPTH {
        return;
    }
    for item in node.list("item") {
        if item.text("linkId") == Some(link) {
            out.push(item);
        }
        items_of(item, link, depth + 1, out);
        for answer in item.list("answer") {
            items_of(answer, link, depth + 1, out);
        }
    }
}

impl<'c> Check<'c> {
    pub(super) fn is_enabled(&mut self, question: &'c Node<'c>, above: &[&'c Node<'c>], owner: &'c Node<'c>) -> bool {
        if let Some(enabled) = self.by_expression(question) {
            return enabled;
        }
        let conditions = question.list("enableWhen");
        if conditions.is_empty() {
            return true;
        }
        let is_any = question.text("enableBehavior") == Some("any");
        let mut met = conditions.iter().map(|condition| self.is_met(condition, above, owner));
        if is_any { met.any(|met| met) } else { met.all(|met| met) }
    }

    /// `enableWhenExpression` (SDC) and its like: a FHIRPath expression on the response.
    fn by_expression(&mut self, question: &'c Node<'c>) -> Option<bool> {
        let (_, found) = ENABLING.iter().find_map(|url| super::value(super::extension(question, url)?))?;
        let text = match found {
            Node::Object(_) if found.text("language") == Some("text/fhirpath") => found.text("expression")?,
            Node::String(text) => text,
            _ => return None,
        };
        let query = Query::lenient(text).ok()?;
        let type_id = definitions().resource("QuestionnaireResponse")?;
        let environment = Environment { budget: Some(100_000), ..Environment::default() };
        query.holds(Item::new(type_id, self.response), &environment).ok()?.or(Some(false))
    }

    fn is_met(&mut self, condition: &'c Node<'c>, above: &[&'c Node<'c>], owner: &'c Node<'c>) -> bool {
        let Some(link) = condition.text("question") else { return true };
        // The nearest occurrence counts: a repeated group asks its own questions.
        let mut found = Vec::new();
        let around = std::iter::once(owner).chain(above.iter().rev().copied()).chain(std::iter::once(self.response));
        for place in around {
            if place.text("linkId") == Some(link) {
                found.push(place);
            }
            items_of(place, link, 0, &mut found);
            if !found.is_empty() {
                break;
            }
        }
        let answers: Vec<&Node<'_>> = found.iter().flat_map(|item| item.list("answer")).collect();
        if !self.spend(1 + answers.len()) {
            return true;
        }
        let wanted = condition.members().iter().find(|(name, _)| name.starts_with("answer")).map(|(_, value)| value);
        let operator = condition.text("operator").unwrap_or("=");
        if operator == "exists" {
            let exists = answers.iter().any(|answer| super::value(answer).is_some());
            return wanted.and_then(Node::as_bool).unwrap_or(true) == exists;
        }
        let Some(wanted) = wanted else { return true };
        let mut given = answers.iter().filter_map(|answer| super::value(answer)).map(|(_, value)| value);
        match operator {
            "=" => given.any(|value| same(value, wanted)),
            "!=" => given.len_is_zero_or(|value| !same(value, wanted)),
            _ => given.any(|value| match (compare(value, wanted), operator) {
                (Some(order), ">") => order == Ordering::Greater,
                (Some(order), "<") => order == Ordering::Less,
                (Some(order), ">=") => order != Ordering::Less,
                (Some(order), "<=") => order != Ordering::Greater,
                _ => false,
            }),
        }
    }
}

/// `!=` holds for any answer that differs, and when there is none.
trait LenIsZeroOr: Iterator {
    fn len_is_zero_or(&mut self, test: impl Fn(Self::Item) -> bool) -> bool
    where
        Self: Sized;
}

impl<I: Iterator> LenIsZeroOr for I {
    fn len_is_zero_or(&mut self, test: impl Fn(Self::Item) -> bool) -> bool {
        let mut any = false;
        let mut is_empty = true;
        for item in self {
            is_empty = false;
            any |= test(item);
        }
        any || is_empty
    }
}
