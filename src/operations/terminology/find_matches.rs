//! `$find-matches`: the concepts of a code system that have given properties (FHIR R4
//! codesystem-operation-find-matches.html).

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{code_system, group, instance, part};
use crate::engine::{OperationAnswer, Rejection};
use crate::format::fold::fold;
use crate::format::json::Node;
use crate::operations::call::{Call, parameters};
use crate::r4::outcome::IssueCode;
use crate::terminology::{CodeSystem, Concept, Selection, TermError};

/// Most properties of one question.
const MAX_PROPERTIES: usize = 50;
/// Most matches of an answer; the best come first.
const MAX_MATCHES: usize = 100;
/// Most concepts that are looked at.
const MAX_CONCEPTS: usize = 500_000;

/// A property that a match should have.
struct Wanted {
    code: String,
    /// As text; absent: the property must only be there.
    value: Option<String>,
    node: Option<Node<'static>>,
}

pub(super) fn run(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let inputs = &call.inputs;
    let refuse = |text: &str| Rejection::new(400, IssueCode::Required, text);
    if inputs.boolean("compositional") == Some(true) {
        return Err(super::unsupported("compositional", "codes are not composed here; leave it out"));
    }
    let Some(exact) = inputs.boolean("exact") else {
        return Err(refuse(
            "exact says whether all properties must match (true) or the best matches are wanted (false)",
        ));
    };
    let mut wanted = Vec::new();
    for property in inputs.parts("property") {
        let Some(code) = property.text("code") else { return Err(refuse("each property needs its code")) };
        if property.parts("subproperty").next().is_some() {
            return Err(super::unsupported("property.subproperty", "no code system here has properties of properties"));
        }
        let node = property.value("value").map(|node| node.clone().into_owned());
        let value = node.as_ref().map(text_of);
        wanted.push(Wanted { code: code.to_owned(), value, node });
    }
    if wanted.is_empty() {
        return Err(refuse("at least one property is needed: code and value"));
    }
    if wanted.len() > MAX_PROPERTIES {
        return Err(Rejection::invalid(format!("at most {MAX_PROPERTIES} properties can be asked at once")));
    }
    let terminology = call.engine.terminology();
    let system: Arc<dyn CodeSystem> = match instance(&call)? {
        Some(resource) => terminology.read_code_system(&resource),
        None => {
            let Some(url) = inputs.text("system") else { return Err(refuse("which code system? send system")) };
            code_system(terminology, url, inputs.text("version"))?
        }
    };
    let matches = find(system.as_ref(), &wanted, exact)?;
    let header = system.header();
    let answer = matches.into_iter().map(|(concept, has)| {
        let mut coding = vec![("system", Node::string(header.url.clone()))];
        coding.extend(header.version.clone().map(|version| ("version", Node::string(version))));
        coding.push(("code", Node::string(concept.code.clone())));
        coding.extend(concept.display.clone().map(|display| ("display", Node::string(display))));
        let mut parts = vec![part("code", "valueCoding", Node::object(coding))];
        for (property, _) in wanted.iter().zip(&has).filter(|(_, has)| !**has) {
            let mut unmatched = vec![part("code", "valueCode", Node::string(property.code.clone()))];
            if let Some(node) = &property.node {
                let member = match node {
                    Node::Bool(_) => "valueBoolean",
                    Node::Number(digits) if digits.contains('.') => "valueDecimal",
                    Node::Number(_) => "valueInteger",
                    Node::Object(_) => "valueCoding",
                    _ => "valueString",
                };
                unmatched.push(part("value", member, node.clone()));
            }
            parts.push(group("unmatched", unmatched));
        }
        group("match", parts)
    });
    Ok(parameters(answer.collect()))
}

fn text_of(node: &Node<'_>) -> String {
    match node {
        Node::String(text) => text.to_string(),
        Node::Object(_) => node.text("code").unwrap_or_default().to_owned(),
        other => String::from_utf8(other.to_bytes()).unwrap_or_default(),
    }
}

/// A concept, and which of the wanted properties it has.
type Match = (Arc<Concept>, Vec<bool>);

/// The best matches first, else in the order of the code system.
fn find(system: &dyn CodeSystem, wanted: &[Wanted], exact: bool) -> Result<Vec<Match>, Rejection> {
    let mut found: Vec<Match> = Vec::new();
    let mut seen = 0;
    let mut failed = None;
    system
        .walk(&Selection::default(), 0, &mut |concept| {
            seen += 1;
            if seen > MAX_CONCEPTS {
                return ControlFlow::Break(());
            }
            let has: Result<Vec<bool>, _> = wanted.iter().map(|property| has(system, concept, property)).collect();
            match has {
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
                Ok(has) if has.iter().all(|has| *has) || !exact && has.contains(&true) => {
                    found.push((Arc::clone(concept), has));
                }
                Ok(_) => {}
            }
            if found.len() > MAX_MATCHES * 4 {
                best(&mut found);
            }
            ControlFlow::Continue(())
        })
        .map_err(TermError::from)?;
    if let Some(error) = failed {
        return Err(TermError::from(error).into());
    }
    if seen > MAX_CONCEPTS {
        let text = format!("the code system has more than {MAX_CONCEPTS} concepts; it is not searched by properties");
        return Err(Rejection::new(422, IssueCode::TooCostly, text));
    }
    best(&mut found);
    Ok(found)
}

fn best(found: &mut Vec<(Arc<Concept>, Vec<bool>)>) {
    found.sort_by_key(|(_, has)| std::cmp::Reverse(has.iter().filter(|has| **has).count()));
    found.truncate(MAX_MATCHES);
}

/// Texts are compared without case, width and kana.
fn has(system: &dyn CodeSystem, concept: &Concept, wanted: &Wanted) -> Result<bool, crate::terminology::Unavailable> {
    let Some(value) = &wanted.value else {
        return Ok(concept.properties.iter().any(|property| property.code == wanted.code));
    };
    let folded = fold(value);
    Ok(match wanted.code.as_str() {
        "code" => concept.code == *value,
        "display" | "designation" => concept.displays(None).any(|text| fold(text) == folded),
        "definition" => concept.definition.as_deref().is_some_and(|text| fold(text) == folded),
        "inactive" => concept.is_inactive.to_string() == *value,
        "parent" => system.parents(&concept.code)?.iter().any(|code| code == value),
        "child" => system.children(&concept.code)?.iter().any(|code| code == value),
        code => concept
            .properties
            .iter()
            .any(|property| property.code == code && (property.text() == value || fold(property.text()) == folded)),
    })
}
