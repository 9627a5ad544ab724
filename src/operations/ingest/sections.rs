//! The Composition's sections: which entries they place, and what in them has no place.

use std::collections::HashMap;

use super::document::Document;
use super::references::Resolver;
use crate::format::json::Node;
use crate::r4::outcome::{Issue, IssueCode};

/// Section codes of eDischargeSummary, eReferral and JP-CLINS. The guides use one list of codes
/// under several URLs (`…/eClinicalSummary/…`, `…/eDischargeSummary/…`, `…/eReferral/…`,
/// `…/clins/…`); all are taken as equal.
const KNOWN: [&str; 52] = [
    "200", "210", "220", "230", "300", "312", "322", "324", "330", "332", "333", "340", "342", "344", "352", "360",
    "362", "370", "372", "410", "420", "422", "424", "430", "432", "444", "500", "510", "520", "530", "540", "550",
    "552", "610", "612", "614", "620", "623", "640", "642", "710", "713", "720", "730", "810", "820", "830", "840",
    "910", "920", "930", "950",
];

/// Types that serve others and need no section of their own.
const SERVING: [&str; 15] = [
    "Composition",
    "Patient",
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "RelatedPerson",
    "Location",
    "HealthcareService",
    "Device",
    "Medication",
    "Specimen",
    "Substance",
    "Coverage",
    "Binary",
    "Provenance",
];

/// Which section places which entry (the first that names it).
#[derive(Debug, Default)]
pub(super) struct Placed {
    sections: HashMap<usize, String>,
}

impl Placed {
    /// The code of the section that names an entry.
    pub(super) fn section_of(&self, place: usize) -> Option<&str> {
        self.sections.get(&place).map(String::as_str)
    }
}

struct Walk<'w, 'd> {
    resolver: &'w Resolver<'d>,
    composition: usize,
    placed: Placed,
    codes: Vec<String>,
    issues: &'w mut Vec<Issue>,
}

/// Walks all sections; says what cannot be placed.
pub(super) fn examine(document: &Document<'_>, resolver: &Resolver<'_>, issues: &mut Vec<Issue>) -> Placed {
    let composition = document.composition();
    let path = document.composition_path();
    let mut walk =
        Walk { resolver, composition: document.composition, placed: Placed::default(), codes: Vec::new(), issues };
    walk.sections(composition, &path);
    let Walk { placed, codes, .. } = walk;
    if codes.iter().any(|code| code == "200") && codes.iter().any(|code| code == "300") {
        let text = "a discharge summary has either section 300 (structured) or section 200 (CDA), not both";
        issues.push(Issue::warning(IssueCode::Invariant, text).at(path.clone() + ".section"));
    }
    let encounter = composition.path(&["encounter", "reference"]).and_then(Node::as_str);
    let encounter = encounter.and_then(|reference| resolver.resolve(reference, document.composition));
    for (place, entry) in document.entries.iter().enumerate() {
        if placed.section_of(place).is_none() && Some(place) != encounter && !SERVING.contains(&entry.type_name) {
            let text = format!("no section names this {}: it is stored all the same", entry.type_name);
            issues.push(Issue::information(text).at(format!("Bundle.entry[{place}].resource")));
        }
        modifiers(entry.resource, &format!("Bundle.entry[{place}].resource"), issues);
    }
    placed
}

impl Walk<'_, '_> {
    fn sections(&mut self, parent: &Node<'_>, parent_path: &str) {
        for (place, section) in parent.list("section").iter().enumerate() {
            self.section(section, &format!("{parent_path}.section[{place}]"));
        }
    }

    fn section(&mut self, section: &Node<'_>, path: &str) {
        let coding = section.path(&["code", "coding"]).and_then(|codings| codings.items().first());
        let code = coding.and_then(|coding| coding.text("code")).unwrap_or_default();
        let system = coding.and_then(|coding| coding.text("system")).unwrap_or_default();
        let title = section.text("title").unwrap_or("without a title");
        if !is_known(system, code) {
            let text = format!(
                "section {title} ({system}|{code}) is not one this server knows: its text stays in the \
                 Composition, its entries are stored by their type"
            );
            self.issues.push(Issue::warning(IssueCode::NotSupported, text).at(format!("{path}.code")));
        }
        let entries = section.list("entry");
        for (place, entry) in entries.iter().enumerate() {
            let Some(reference) = entry.text("reference") else { continue };
            match self.resolver.resolve(reference, self.composition) {
                Some(target) => {
                    self.placed.sections.entry(target).or_insert_with(|| code.to_owned());
                }
                None => {
                    let text = format!("{reference} is no entry of this document");
                    let path = format!("{path}.entry[{place}]");
                    self.issues.push(Issue::warning(IssueCode::NotFound, text).at(path));
                }
            }
        }
        let is_leaf = entries.is_empty() && section.list("section").is_empty();
        match (is_leaf, section.get("emptyReason").is_some(), section.get("text").is_some()) {
            (true, false, true) => {
                let text =
                    format!("section {title} has text only: it can be read in the document, not on the timeline");
                self.issues.push(Issue::warning(IssueCode::NotSupported, text).at(format!("{path}.text")));
            }
            (true, false, false) => {
                let text = format!("section {title} is empty and does not say why (emptyReason)");
                self.issues.push(Issue::warning(IssueCode::Required, text).at(path));
            }
            _ => {}
        }
        self.codes.push(code.to_owned());
        self.sections(section, path);
    }
}

fn is_known(system: &str, code: &str) -> bool {
    system.starts_with("http://jpfhir.jp/fhir/") && system.ends_with("/document-section") && KNOWN.contains(&code)
}

/// Modifier extensions change the meaning of what they stand in; none is understood here.
fn modifiers(node: &Node<'_>, path: &str, issues: &mut Vec<Issue>) {
    match node {
        Node::Object(members) => {
            for (name, value) in members {
                if name == "modifierExtension" {
                    for (place, extension) in value.items().iter().enumerate() {
                        let url = extension.text("url").unwrap_or("without a url");
                        let text = format!("modifier extension {url} is stored but not understood");
                        let path = format!("{path}.modifierExtension[{place}]");
                        issues.push(Issue::warning(IssueCode::NotSupported, text).at(path));
                    }
                } else {
                    modifiers(value, &format!("{path}.{name}"), issues);
                }
            }
        }
        Node::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                modifiers(item, &format!("{path}[{place}]"), issues);
            }
        }
        _ => {}
    }
}
