//! A QuestionnaireResponse against its Questionnaire (FHIR R4 questionnaireresponse.html#invs and
//! its notes): items by `linkId` in their place and order, answers required, repeated, of the right
//! type, among the options, and only to questions that are enabled.
//!
//! Pure: both resources and a question about value sets go in, remarks come out.

mod answer;
pub(crate) mod derived;
mod enable;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::remark::Remark;
use crate::format::json::Node;
use crate::r4::outcome::{IssueCode, Severity};

/// Most remarks on one response.
const MAX_REMARKS: usize = 200;
/// Deepest nesting of items; the JSON reader bounds both resources anyway.
const MAX_DEPTH: usize = 60;
/// Most comparisons of answers with options and conditions.
const BUDGET: usize = 200_000;

/// Whether a Coding is in a value set; `None` when that cannot be told.
pub(crate) type MemberOf<'m> = dyn Fn(&str, &Node<'_>) -> Option<bool> + 'm;

/// Checks a response.
#[must_use]
pub(crate) fn check(response: &Node<'_>, questionnaire: &Node<'_>, member_of: &MemberOf<'_>) -> Vec<Remark> {
    let mut questions = HashMap::new();
    collect(questionnaire.list("item"), &mut questions, 0);
    // Only of a completed response may everything be expected.
    let is_final = matches!(response.text("status"), Some("completed" | "amended"));
    let mut check =
        Check { response, questionnaire, questions, member_of, is_final, remarks: Vec::new(), budget: BUDGET };
    check.items(questionnaire.list("item"), response, &mut Vec::new(), "");
    check.remarks
}

fn collect<'q>(items: &'q [Node<'q>], into: &mut HashMap<&'q str, &'q Node<'q>>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    for item in items {
        if let Some(link) = item.text("linkId") {
            into.entry(link).or_insert(item);
        }
        collect(item.list("item"), into, depth + 1);
    }
}

/// The first extension with a URL.
fn extension<'q>(item: &'q Node<'q>, url: &str) -> Option<&'q Node<'q>> {
    item.list("extension").iter().find(|extension| extension.text("url") == Some(url))
}

/// The value of an extension: the member that begins with `value`.
fn value<'q>(node: &'q Node<'q>) -> Option<(&'q str, &'q Node<'q>)> {
    node.members().iter().find(|(name, _)| name.starts_with("value")).map(|(name, value)| (name.as_ref(), value))
}

fn whole(item: &Node<'_>, url: &str) -> Option<usize> {
    match value(extension(item, url)?)? {
        (_, Node::Number(digits)) => digits.parse().ok(),
        _ => None,
    }
}

fn is_true(item: &Node<'_>, name: &str) -> bool {
    item.get(name).and_then(Node::as_bool) == Some(true)
}

struct Check<'c> {
    response: &'c Node<'c>,
    questionnaire: &'c Node<'c>,
    questions: HashMap<&'c str, &'c Node<'c>>,
    member_of: &'c MemberOf<'c>,
    is_final: bool,
    remarks: Vec<Remark>,
    budget: usize,
}

impl<'c> Check<'c> {
    fn report(&mut self, remark: Remark) {
        if self.remarks.len() < MAX_REMARKS {
            self.remarks.push(remark);
        }
    }

    fn error(&mut self, code: IssueCode, message: &'static str, path: &str, parameters: &[&str]) {
        let parameters = parameters.iter().map(|parameter| (*parameter).to_owned()).collect();
        self.report(Remark { severity: Severity::Error, code, message, parameters, path: path.to_owned() });
    }

    /// An error in what is finished, a warning in what is not yet.
    fn missing(&mut self, message: &'static str, path: &str, parameters: &[&str]) {
        let parameters = parameters.iter().map(|parameter| (*parameter).to_owned()).collect();
        let severity = if self.is_final { Severity::Error } else { Severity::Warning };
        self.report(Remark { severity, code: IssueCode::Required, message, parameters, path: path.to_owned() });
    }

    fn spend(&mut self, steps: usize) -> bool {
        match self.budget.checked_sub(steps) {
            Some(left) => {
                self.budget = left;
                true
            }
            None => false,
        }
    }

    /// The items below a response, a group or an answer. `above` are the items that these are in.
    fn items(&mut self, questions: &'c [Node<'c>], owner: &'c Node<'c>, above: &mut Vec<&'c Node<'c>>, path: &str) {
        if above.len() > MAX_DEPTH {
            return;
        }
        let mut found: HashMap<&str, Vec<(usize, &'c Node<'c>)>> = HashMap::new();
        let places: HashMap<&str, usize> = questions
            .iter()
            .enumerate()
            .rev()
            .filter_map(|(place, question)| Some((question.text("linkId")?, place)))
            .collect();
        let mut last = 0;
        for (index, item) in owner.list("item").iter().enumerate() {
            let here = format!("{path}.item[{index}]");
            let link = item.text("linkId").unwrap_or_default();
            match (places.get(link), self.questions.get(link).copied()) {
                (Some(place), _) => {
                    if *place < last {
                        self.error(IssueCode::Structure, "qr-order", &here, &[link]);
                    }
                    last = *place;
                    found.entry(link).or_default().push((index, item));
                }
                (None, Some(question)) => {
                    self.error(IssueCode::Structure, "qr-place", &here, &[link]);
                    self.item(question, item, above, &here);
                }
                // A missing linkId is the structure's business.
                (None, None) if !link.is_empty() => self.error(IssueCode::NotFound, "qr-unknown", &here, &[link]),
                (None, None) => {}
            }
        }
        for question in questions {
            let Some(link) = question.text("linkId") else { continue };
            let given = found.remove(link).unwrap_or_default();
            let enabled = self.is_enabled(question, above, owner);
            if given.is_empty() {
                if enabled && is_true(question, "required") && question.text("type") != Some("display") {
                    self.missing("qr-required", path, &[link]);
                }
                continue;
            }
            if let Some((index, _)) = given.get(1)
                && !is_true(question, "repeats")
            {
                self.error(IssueCode::Invalid, "qr-once", &format!("{path}.item[{index}]"), &[link]);
            }
            for (index, item) in given {
                let here = format!("{path}.item[{index}]");
                let has_content = !item.list("answer").is_empty() || !item.list("item").is_empty();
                if !enabled && has_content {
                    self.error(IssueCode::Invalid, "qr-disabled", &here, &[link]);
                }
                self.item(question, item, above, &here);
                if enabled {
                    self.number(question, item, &here);
                }
            }
        }
    }

    /// How many answers there must be and may be.
    fn number(&mut self, question: &Node<'_>, item: &Node<'_>, path: &str) {
        let link = question.text("linkId").unwrap_or_default();
        let count = item.list("answer").len();
        let is_group = question.text("type") == Some("group");
        let is_empty = if is_group { item.list("item").is_empty() } else { count == 0 };
        if is_true(question, "required") && is_empty {
            self.missing("qr-required", path, &[link]);
        }
        if is_group {
            return;
        }
        let least = whole(question, "http://hl7.org/fhir/StructureDefinition/questionnaire-minOccurs");
        let most = whole(question, "http://hl7.org/fhir/StructureDefinition/questionnaire-maxOccurs");
        if let Some(least) = least.filter(|least| count < *least) {
            self.missing("qr-min", path, &[link, &least.to_string(), &count.to_string()]);
        }
        if let Some(most) = most.filter(|most| count > *most) {
            self.error(IssueCode::Invalid, "qr-max", path, &[link, &most.to_string(), &count.to_string()]);
        }
    }

    fn item(&mut self, question: &'c Node<'c>, item: &'c Node<'c>, above: &mut Vec<&'c Node<'c>>, path: &str) {
        let link = question.text("linkId").unwrap_or_default();
        if let (Some(given), Some(asked)) = (item.text("text"), question.text("text"))
            && given != asked
        {
            self.error(IssueCode::Invalid, "qr-text", &format!("{path}.text"), &[link]);
        }
        let answers = item.list("answer");
        let kind = question.text("type").unwrap_or_default();
        if answers.len() > 1 && !is_true(question, "repeats") && kind != "group" {
            self.error(IssueCode::Invalid, "qr-one-answer", &format!("{path}.answer[1]"), &[link]);
        }
        above.push(item);
        match kind {
            "group" => {
                if !answers.is_empty() {
                    self.error(IssueCode::Structure, "qr-group-answer", &format!("{path}.answer[0]"), &[link]);
                }
                self.items(question.list("item"), item, above, path);
            }
            _ => {
                if !item.list("item").is_empty() {
                    let message = if kind == "display" { "qr-display" } else { "qr-item-below-item" };
                    self.error(IssueCode::Structure, message, &format!("{path}.item[0]"), &[link]);
                }
                if kind == "display" && !answers.is_empty() {
                    self.error(IssueCode::Structure, "qr-display", &format!("{path}.answer[0]"), &[link]);
                }
                for (index, given) in answers.iter().enumerate() {
                    let here = format!("{path}.answer[{index}]");
                    if kind != "display" {
                        self.answer(question, kind, given, answers.len(), &here);
                    }
                    self.items(question.list("item"), given, above, &here);
                }
            }
        }
        above.pop();
    }
}
