//! Definitions of terminology that contradict themselves: code systems, value sets, and the expressions
//! and conditions in other definitions.
//!
//! FHIR R4 codesystem.html, valueset.html (compositions), questionnaire.html (enableWhen),
//! elementdefinition.html (constraints), searchparameter.html.

use std::collections::{HashMap, HashSet};

use crate::fhirpath::general::pattern::Pattern;
use crate::fhirpath::{FhirPathError, parser};
use crate::format::json::Node;
use crate::r4::canonical::split;
use crate::r4::outcome::{IssueCode, Severity};
use crate::validation::codes::{CodeRef, Verdict};
use crate::validation::place::Place;
use crate::validation::validator::Run;

/// Most codes of one definition that are looked up.
const MAX_CODES: usize = 50_000;

pub(super) fn resource(run: &mut Run<'_, '_>, type_name: &str, node: &Node<'_>, place: &Place<'_>) {
    match type_name {
        "CodeSystem" => code_system(run, node, place),
        "ValueSet" => value_set(run, node, place),
        "ConceptMap" => concept_map(run, node, place),
        "Questionnaire" => questionnaire(run, node, place),
        "SearchParameter" => expression(run, node, place),
        "StructureDefinition" => constraints(run, node, place),
        _ => {}
    }
}

fn error(run: &mut Run<'_, '_>, message: &'static str, parameters: &[&str], place: &Place<'_>) {
    let parameters = parameters.iter().map(|parameter| (*parameter).to_owned()).collect();
    run.report(Severity::Error, IssueCode::BusinessRule, message, parameters, place);
}

/// All concepts below, with how deep they stand.
fn count(concepts: &[Node<'_>], depth: usize) -> usize {
    if depth > 100 {
        return 0;
    }
    concepts.iter().map(|concept| 1 + count(concept.list("concept"), depth + 1)).sum()
}

fn code_system(run: &mut Run<'_, '_>, node: &Node<'_>, place: &Place<'_>) {
    let concepts = node.list("concept");
    let number = count(concepts, 0);
    let stated = match node.get("count") {
        Some(Node::Number(digits)) => digits.parse::<usize>().ok(),
        _ => None,
    };
    let content = node.text("content").unwrap_or_default();
    match content {
        "complete" => {
            if let Some(stated) = stated.filter(|stated| *stated != number && number > 0) {
                let (stated, number) = (stated.to_string(), number.to_string());
                error(run, "code-system-count", &[&stated, &number], &place.child("count", None));
            }
        }
        "not-present" if number > 0 => {
            error(run, "code-system-content", &[], &place.child("concept", Some(0)));
        }
        "supplement" if node.get("supplements").is_none() => {
            error(run, "code-system-supplements", &[], place);
        }
        _ => {}
    }
    declared(run, node, place);
    supplemented(run, node, concepts, place, 0);
    let types: HashMap<&str, &str> = node
        .list("property")
        .iter()
        .filter_map(|property| Some((property.text("code")?, property.text("type")?)))
        .collect();
    properties(run, concepts, &types, place, 0);
    if content == "complete" {
        related(run, node, concepts, place);
    }
}

/// What concepts name as their parents and children are concepts of the same system
/// (codesystem-concept-properties.html).
fn related(run: &mut Run<'_, '_>, node: &Node<'_>, concepts: &[Node<'_>], place: &Place<'_>) {
    let links: Vec<&str> = node
        .list("property")
        .iter()
        .filter(|property| {
            let uri = property.text("uri").and_then(|uri| uri.strip_prefix(CONCEPT_PROPERTIES)).unwrap_or_default();
            matches!(uri, "#parent" | "#child")
        })
        .filter_map(|property| property.text("code"))
        .collect();
    if links.is_empty() {
        return;
    }
    let mut codes = HashSet::new();
    all_codes(concepts, &mut codes, 0);
    unrelated(run, concepts, &links, &codes, place, 0);
}

fn all_codes<'n>(concepts: &'n [Node<'n>], into: &mut HashSet<&'n str>, depth: usize) {
    for concept in concepts.iter().filter(|_| depth <= 100) {
        into.extend(concept.text("code"));
        all_codes(concept.list("concept"), into, depth + 1);
    }
}

fn unrelated(
    run: &mut Run<'_, '_>,
    concepts: &[Node<'_>],
    links: &[&str],
    codes: &HashSet<&str>,
    place: &Place<'_>,
    depth: usize,
) {
    for (index, concept) in concepts.iter().enumerate().filter(|_| depth <= 100) {
        let here = place.child("concept", Some(index));
        for (index, property) in concept.list("property").iter().enumerate() {
            if !property.text("code").is_some_and(|code| links.contains(&code)) {
                continue;
            }
            if let Some(code) = property.text("valueCode").filter(|code| !codes.contains(code)) {
                let here = here.child("property", Some(index));
                error(run, "code-system-relation", &[code], &here.child("value", None));
            }
        }
        unrelated(run, concept.list("concept"), links, codes, &here, depth + 1);
    }
}

/// The types of properties that HL7 has defined, by their code.
const PROPERTY_TYPES: &[(&str, &str)] = &[
    ("inactive", "boolean"),
    ("deprecated", "dateTime"),
    ("notSelectable", "boolean"),
    ("parent", "code"),
    ("child", "code"),
];

/// Codes HL7 has defined for properties of concepts (codesystem-concept-properties.html).
const CONCEPT_PROPERTIES: &str = "http://hl7.org/fhir/concept-properties";
/// Its codes, with those that HL7's own code systems for R4 use and R5 lists.
const PROPERTY_CODES: &[&str] = &[
    "inactive",
    "deprecated",
    "notSelectable",
    "parent",
    "child",
    "status",
    "effectiveDate",
    "deprecationDate",
    "retirementDate",
    "partOf",
    "synonym",
    "comment",
    "itemWeight",
];

/// A property is declared once, and one in HL7's name space is one of HL7's.
fn declared(run: &mut Run<'_, '_>, node: &Node<'_>, place: &Place<'_>) {
    let mut seen = HashSet::new();
    for (index, property) in node.list("property").iter().enumerate() {
        let here = place.child("property", Some(index));
        for name in ["code", "uri"] {
            if let Some(text) = property.text(name)
                && !seen.insert((name, text))
            {
                error(run, "code-system-property-twice", &[name, text], &here.child(name, None));
            }
        }
        let uri = property.text("uri").unwrap_or_default();
        if let Some(code) = uri.strip_prefix(CONCEPT_PROPERTIES).and_then(|rest| rest.strip_prefix('#'))
            && !PROPERTY_CODES.contains(&code)
        {
            error(run, "code-unknown", &[code, CONCEPT_PROPERTIES, ""], &here.child("uri", None));
        }
        let defined = uri.strip_prefix(CONCEPT_PROPERTIES).and_then(|rest| rest.strip_prefix('#'));
        let defined = PROPERTY_TYPES.iter().find(|(code, _)| Some(*code) == defined);
        if let (Some((code, right)), Some(own)) = (defined, property.text("type"))
            && own != *right
        {
            error(run, "code-system-property-type", &[code, right, own], &here.child("type", None));
        }
    }
    let system = node.text("url").unwrap_or_default();
    let whole = node.text("valueSet").and_then(|url| run.validator.definition("ValueSet", split(url).0));
    if let Some(set) = whole
        && let Some(compose) = set.get("compose")
        && !is_whole(compose, system)
    {
        let url = node.text("valueSet").unwrap_or_default();
        error(run, "code-system-value-set", &[url, system], &place.child("valueSet", None));
    }
}

/// "all codes from this code system and only codes from this code system" (CodeSystem.valueSet)
fn is_whole(compose: &Node<'_>, system: &str) -> bool {
    let [include] = compose.list("include") else { return false };
    include.text("system") == Some(system)
        && ["concept", "filter", "valueSet"].iter().all(|name| include.list(name).is_empty())
        && compose.list("exclude").is_empty()
}

/// A supplement adds to concepts that are there (codesystem.html#supplements).
fn supplemented(run: &mut Run<'_, '_>, node: &Node<'_>, concepts: &[Node<'_>], place: &Place<'_>, depth: usize) {
    if node.text("content") != Some("supplement") || depth > 100 {
        return;
    }
    let Some((system, version)) = node.text("supplements").map(split) else { return };
    for (index, concept) in concepts.iter().enumerate().take(MAX_CODES) {
        let here = place.child("concept", Some(index));
        let code = concept.text("code").unwrap_or_default();
        known(run, system, version, code, &here.child("code", None));
        supplemented(run, node, concept.list("concept"), &here, depth + 1);
    }
}

/// An error where a code is not one of its system.
fn known(run: &mut Run<'_, '_>, system: &str, version: Option<&str>, code: &str, place: &Place<'_>) {
    let asked = CodeRef { system: Some(system), version, code, display: None };
    if let Verdict::No(reason) = run.validator.codes().in_system(asked) {
        let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        error(run, "code-unknown", &[code, system, &reason], place);
    }
}

/// What is mapped, and to what, are codes of the systems that are named (conceptmap.html).
fn concept_map(run: &mut Run<'_, '_>, node: &Node<'_>, place: &Place<'_>) {
    let mut left = MAX_CODES;
    for (index, group) in node.list("group").iter().enumerate() {
        let here = place.child("group", Some(index));
        let (source, target) = (group.text("source"), group.text("target"));
        for (index, element) in group.list("element").iter().enumerate() {
            let here = here.child("element", Some(index));
            if let (Some(system), Some(code)) = (source, element.text("code")) {
                known(run, system, group.text("sourceVersion"), code, &here.child("code", None));
            }
            for (index, mapped) in element.list("target").iter().enumerate() {
                let here = here.child("target", Some(index));
                if let (Some(system), Some(code)) = (target, mapped.text("code")) {
                    known(run, system, group.text("targetVersion"), code, &here.child("code", None));
                }
                left = left.saturating_sub(1);
            }
            left = left.saturating_sub(1);
            if left == 0 {
                return;
            }
        }
    }
}

/// The value of a property has the type that the code system declares for it.
fn properties(
    run: &mut Run<'_, '_>,
    concepts: &[Node<'_>],
    types: &HashMap<&str, &str>,
    place: &Place<'_>,
    depth: usize,
) {
    if depth > 100 {
        return;
    }
    for (index, concept) in concepts.iter().enumerate() {
        let here = place.child("concept", Some(index));
        for (index, property) in concept.list("property").iter().enumerate() {
            let Some(declared) = property.text("code").and_then(|code| types.get(code)) else { continue };
            let value = property.members().iter().find_map(|(name, _)| name.strip_prefix("value"));
            let wanted = match *declared {
                "Coding" => "Coding".to_owned(),
                name => {
                    let mut letters = name.chars();
                    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
                }
            };
            if let Some(value) = value.filter(|value| *value != wanted) {
                let code = property.text("code").unwrap_or_default();
                let here = here.child("property", Some(index));
                error(run, "code-system-property", &[code, declared, value], &here);
            }
        }
        properties(run, concept.list("concept"), types, &here, depth + 1);
    }
}

/// What a value set includes: an absolute system that is no value set, and codes that the system has.
fn value_set(run: &mut Run<'_, '_>, node: &Node<'_>, place: &Place<'_>) {
    let Some(compose) = node.get("compose") else { return };
    let at = place.child("compose", None);
    let mut looked_up = 0;
    for part in ["include", "exclude"] {
        for (index, include) in compose.list(part).iter().enumerate() {
            let here = at.child(part, Some(index));
            imported(run, include, &here);
            let Some(system) = include.text("system") else { continue };
            filters(run, include, system, &here);
            if !system.contains(':') {
                error(run, "system-relative", &[system], &here.child("system", None));
                continue;
            }
            let is_value_set = run.validator.source().find("CodeSystem", system, None).is_none()
                && run.validator.source().find("ValueSet", system, None).is_some();
            if is_value_set {
                error(run, "system-value-set", &[system], &here.child("system", None));
                continue;
            }
            let known_system = run.validator.definition("CodeSystem", system);
            if let Some(supplemented) = known_system.as_deref().and_then(|found| found.text("supplements")) {
                error(run, "system-supplement", &[system, supplemented], &here.child("system", None));
                continue;
            }
            for (index, concept) in include.list("concept").iter().enumerate() {
                looked_up += 1;
                if looked_up > MAX_CODES {
                    return;
                }
                let here = here.child("concept", Some(index));
                let code = concept.text("code").unwrap_or_default();
                known(run, system, include.text("version"), code, &here.child("code", None));
            }
        }
    }
}

/// What is imported is a value set.
fn imported(run: &mut Run<'_, '_>, include: &Node<'_>, place: &Place<'_>) {
    for (index, url) in include.list("valueSet").iter().enumerate() {
        let Some((url, _)) = url.as_str().map(split) else { continue };
        let source = run.validator.source();
        if source.find("ValueSet", url, None).is_none() && source.find("CodeSystem", url, None).is_some() {
            error(run, "binding-no-value-set", &[url], &place.child("valueSet", Some(index)));
        }
    }
}

/// Filters by concept name one that is there; patterns are patterns (valueset.html#filters).
fn filters(run: &mut Run<'_, '_>, include: &Node<'_>, system: &str, place: &Place<'_>) {
    for (index, filter) in include.list("filter").iter().enumerate() {
        let here = place.child("filter", Some(index));
        let (property, value) = (filter.text("property").unwrap_or_default(), filter.text("value").unwrap_or_default());
        match filter.text("op").unwrap_or_default() {
            "is-a" | "descendent-of" | "is-not-a" | "generalizes" if matches!(property, "concept" | "code") => {
                known(run, system, include.text("version"), value, &here.child("value", None));
            }
            // "(if the specified value is true; if the specified value is false, then …)"
            "exists" if !matches!(value, "true" | "false") => {
                error(run, "filter-exists", &[value], &here.child("value", None));
            }
            "regex" => {
                if let Err(found) = Pattern::new(value) {
                    error(run, "filter-pattern", &[value, &found.to_string()], &here.child("value", None));
                }
            }
            _ => {}
        }
    }
}

/// A question is enabled by another one of the same form, which is not within what it enables.
fn questionnaire(run: &mut Run<'_, '_>, node: &Node<'_>, place: &Place<'_>) {
    let mut known = HashMap::new();
    links(node.list("item"), &mut known, 0);
    enabled(run, node.list("item"), &known, place, 0);
}

fn links<'n>(items: &'n [Node<'n>], known: &mut HashMap<&'n str, ()>, depth: usize) {
    for item in items.iter().filter(|_| depth <= 100) {
        known.extend(item.text("linkId").map(|link| (link, ())));
        links(item.list("item"), known, depth + 1);
    }
}

fn enabled(run: &mut Run<'_, '_>, items: &[Node<'_>], known: &HashMap<&str, ()>, place: &Place<'_>, depth: usize) {
    for (index, item) in items.iter().enumerate().filter(|_| depth <= 100) {
        let here = place.child("item", Some(index));
        for (index, condition) in item.list("enableWhen").iter().enumerate() {
            let Some(question) = condition.text("question") else { continue };
            let at = here.child("enableWhen", Some(index));
            let at = at.child("question", None);
            if item.text("linkId") == Some(question) {
                error(run, "enable-self", &[question], &at);
            } else if !known.contains_key(question) {
                error(run, "enable-unknown", &[question], &at);
            } else if holds(item.list("item"), question, 0) {
                error(run, "enable-inner", &[question], &at);
            }
        }
        enabled(run, item.list("item"), known, &here, depth + 1);
    }
}

fn holds(items: &[Node<'_>], link: &str, depth: usize) -> bool {
    depth <= 100
        && items.iter().any(|item| item.text("linkId") == Some(link) || holds(item.list("item"), link, depth + 1))
}

/// The expression of a search parameter is FHIRPath.
fn expression(run: &mut Run<'_, '_>, node: &Node<'_>, place: &Place<'_>) {
    if let Some(text) = node.text("expression") {
        read(run, text, &place.child("expression", None));
    }
}

/// The expressions of constraints are FHIRPath.
fn constraints(run: &mut Run<'_, '_>, node: &Node<'_>, place: &Place<'_>) {
    for view in ["differential", "snapshot"] {
        let at = place.child(view, None);
        let elements = node.get(view).map_or(&[][..], |view| view.list("element"));
        for (index, element) in elements.iter().enumerate() {
            let here = at.child("element", Some(index));
            for (index, constraint) in element.list("constraint").iter().enumerate() {
                let Some(text) = constraint.text("expression") else { continue };
                let here = here.child("constraint", Some(index));
                read(run, text, &here.child("expression", None));
            }
        }
    }
}

/// Reports what is no FHIRPath.
pub(super) fn read(run: &mut Run<'_, '_>, text: &str, place: &Place<'_>) {
    if let Err(found @ FhirPathError::Syntax { .. }) = parser::parse(text) {
        error(run, "expression", &[text, &found.to_string()], place);
    }
}
