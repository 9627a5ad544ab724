//! Codes against the value sets their elements are bound to, and against their code systems.
//!
//! FHIR R4 terminologies.html#strength. What terminology cannot say is a warning, never an error.

use std::collections::HashSet;

use super::Run;
use crate::fhirpath::Item;
use crate::format::json::Node;
use crate::r4::definitions;
use crate::r4::outcome::{IssueCode, Severity};
use crate::validation::codes::{CodeRef, Verdict};
use crate::validation::instance::node_of;
use crate::validation::place::Place;
use crate::validation::profile::element::{Binding, Strength};

/// Media types, for which FHIR has short names (http.html#mime-type: `_format`).
const MIME_TYPES: &str = "http://hl7.org/fhir/ValueSet/mimetypes";

impl<'r> Run<'_, 'r> {
    pub(super) fn binding(&mut self, binding: &Binding, item: Item<'r>, place: &Place<'_>, of: &str) {
        let node = node_of(&item);
        let type_name = definitions().get(item.type_id).name.as_str();
        let Some(mut codes) = codes(type_name, node) else { return };
        // A Coding without a system is a code of nothing, so it is in no value set (datatypes.html#Coding).
        if matches!(type_name, "CodeableConcept" | "Coding") && codes.iter().any(|code| code.system.is_none()) {
            let (named, nameless): (Vec<CodeRef<'_>>, _) = codes.into_iter().partition(|code| code.system.is_some());
            codes = named;
            if let Some(code) = nameless.first().filter(|_| codes.is_empty()) {
                let is_required = binding.strength == Strength::Required;
                let severity = if is_required { Severity::Error } else { Severity::Warning };
                let parameters = vec![code.code.to_owned()];
                self.report(severity, IssueCode::CodeInvalid, "coding-no-system", parameters, place);
                return;
            }
        }
        if binding.strength >= Strength::Extensible && !binding.value_set.is_empty() {
            let is_required = binding.strength == Strength::Required;
            self.bound(&binding.value_set, &codes, Bound::of(is_required), place, of);
            if codes.is_empty() && is_required {
                self.report(
                    Severity::Error,
                    IssueCode::CodeInvalid,
                    "binding-missing",
                    vec![binding.value_set.clone(), of.to_owned()],
                    place,
                );
            }
        }
        if let Some(most) = &binding.max_value_set {
            self.bound(most, &codes, Bound::Max, place, of);
        }
    }

    /// One code in the value set is enough.
    fn bound(&mut self, value_set: &str, codes: &[CodeRef<'_>], bound: Bound, place: &Place<'_>, of: &str) {
        let mut refusals: Vec<(String, String)> = Vec::new();
        let mut unknown: Option<(String, String)> = None;
        for code in codes {
            if value_set.starts_with(MIME_TYPES) && matches!(code.code, "xml" | "json" | "ttl") {
                return;
            }
            match self.validator.codes.in_value_set(value_set, *code) {
                Verdict::Yes => {
                    self.accept_display(code, place);
                    return;
                }
                Verdict::WrongDisplay(right) => {
                    self.wrong_display(code, right, place);
                    return;
                }
                Verdict::No(reason) => refusals.push((shown(code), reason)),
                Verdict::Unknown(reason) => unknown = Some((shown(code), reason)),
            }
        }
        if let Some((code, reason)) = unknown {
            let parameters = vec![code, value_set.to_owned(), reason];
            self.report(Severity::Warning, IssueCode::NotSupported, "binding-unknown", parameters, place);
            return;
        }
        let Some((_, reason)) = refusals.first() else { return };
        let all: Vec<&str> = refusals.iter().map(|(code, _)| code.as_str()).collect();
        let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        let parameters = vec![all.join(", "), value_set.to_owned(), reason, of.to_owned()];
        let (severity, message) = match bound {
            Bound::Required => (Severity::Error, "binding-required"),
            Bound::Max => (Severity::Error, "binding-max"),
            Bound::Extensible => (Severity::Warning, "binding-extensible"),
        };
        self.report(severity, IssueCode::CodeInvalid, message, parameters, place);
    }

    /// A coding against its own code system.
    pub(crate) fn coding(&mut self, item: Item<'r>, place: &Place<'_>) {
        let code = coding(node_of(&item));
        if code.system.is_none() || code.code.is_empty() {
            return;
        }
        match self.validator.codes.in_system(code) {
            Verdict::Yes | Verdict::Unknown(_) => {}
            Verdict::WrongDisplay(right) => self.wrong_display(&code, right, place),
            Verdict::No(reason) => {
                let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
                let parameters = vec![code.code.to_owned(), code.system.unwrap_or_default().to_owned(), reason];
                self.report(Severity::Error, IssueCode::CodeInvalid, "code-unknown", parameters, place);
            }
        }
    }

    /// A value set may show a code in its own words (ValueSet.compose.include.concept.display and designation):
    /// then they are right here, although the code system has others.
    fn accept_display(&mut self, code: &CodeRef<'_>, place: &Place<'_>) {
        if self.quiet == 0
            && let Some(display) = code.display
        {
            self.accepted.insert((place.text(), shown(code), display.to_owned()));
        }
    }

    /// Takes back what was said of displays that a value set accepted.
    pub(super) fn forget_accepted_displays(&mut self) {
        let accepted = std::mem::take(&mut self.accepted);
        // What is said of a coding is not said of its concept again.
        let of_codings: HashSet<(String, Vec<String>)> = self
            .findings
            .iter()
            .filter(|finding| finding.message == "display")
            .filter_map(|finding| {
                let (concept, _) = finding.expression.as_deref()?.rsplit_once(".coding[")?;
                Some((concept.to_owned(), finding.parameters.clone()))
            })
            .collect();
        self.findings.retain(|finding| {
            let place = finding.expression.clone().unwrap_or_default();
            if finding.message == "display" && of_codings.contains(&(place, finding.parameters.clone())) {
                return false;
            }
            let ("display", [code, display, ..]) = (finding.message, finding.parameters.as_slice()) else {
                return true;
            };
            let place = finding.expression.as_deref().unwrap_or_default();
            let bound = place.rsplit_once(".coding[").map_or(place, |(concept, _)| concept);
            let is_accepted = |place: &str| accepted.contains(&(place.to_owned(), code.clone(), display.clone()));
            !is_accepted(place) && !is_accepted(bound)
        });
    }

    fn wrong_display(&mut self, code: &CodeRef<'_>, right: String, place: &Place<'_>) {
        // A text in another language than those of the code system may be a right translation.
        let is_latin = code.display.is_some_and(str::is_ascii);
        // ISO 3166 gives names of countries with an article behind them.
        if code.system == Some("urn:iso:std:iso:3166")
            && code.display.and_then(|display| display.strip_suffix(" (the)")) == Some(right.as_str())
        {
            return;
        }
        let severity = if is_latin { Severity::Error } else { Severity::Warning };
        let parameters = vec![shown(code), code.display.unwrap_or_default().to_owned(), right];
        self.report(severity, IssueCode::CodeInvalid, "display", parameters, place);
    }
}

#[derive(Debug, Clone, Copy)]
enum Bound {
    Required,
    Extensible,
    Max,
}

impl Bound {
    const fn of(is_required: bool) -> Self {
        if is_required { Self::Required } else { Self::Extensible }
    }
}

/// The codes of an element; `None` for types that have none.
fn codes<'r>(type_name: &str, node: &'r Node<'r>) -> Option<Vec<CodeRef<'r>>> {
    match type_name {
        "CodeableConcept" => {
            Some(node.list("coding").iter().map(coding).filter(|coding| !coding.code.is_empty()).collect())
        }
        "Coding" | "Quantity" | "Age" | "Duration" | "Count" | "Distance" | "SimpleQuantity" | "MoneyQuantity" => {
            Some([coding(node)].into_iter().filter(|coding| !coding.code.is_empty()).collect())
        }
        _ => node.as_str().map(|code| vec![CodeRef { code, ..CodeRef::default() }]),
    }
}

fn coding<'r>(node: &'r Node<'r>) -> CodeRef<'r> {
    CodeRef {
        system: node.text("system"),
        version: node.text("version"),
        code: node.text("code").unwrap_or_default(),
        display: node.text("display"),
    }
}

fn shown(code: &CodeRef<'_>) -> String {
    match code.system {
        Some(system) => format!("{system}#{}", code.code),
        None => code.code.to_owned(),
    }
}
