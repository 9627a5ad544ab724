//! `$validate-code` of value sets and code systems.

use std::sync::Arc;

use super::{Asked, asked, code_system, instance, languages, only_one, part, refuse_date, value_set};
use crate::engine::{OperationAnswer, Rejection};
use crate::format::json::Node;
use crate::operations::call::{Call, parameters};
use crate::r4::outcome::IssueCode;
use crate::terminology::{CodeSystem, Coding, Outcome, Verdict};

/// FHIR R4 valueset-operation-validate-code.html
pub(super) fn in_value_set(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let inputs = &call.inputs;
    refuse_date(inputs)?;
    let languages = languages(inputs);
    let terminology = call.engine.terminology();
    let set = value_set(&call, terminology)?;
    let outcome = match asked(inputs, ("system", "systemVersion"))? {
        Asked::Concept(concept) => terminology.validate_concept(&set, concept, &languages),
        Asked::Coding(coding) => {
            // "the server SHALL ensure that the code is not ambiguous without a system"
            if coding.system.is_none() && set.systems().len() > 1 {
                return Err(Rejection::new(
                    400,
                    IssueCode::Required,
                    format!(
                        "the code needs its system: the value set has codes of {}",
                        set.systems().iter().take(8).cloned().collect::<Vec<_>>().join(", ")
                    ),
                ));
            }
            terminology.validate_in(&set, &coding, &languages)
        }
    };
    answer(outcome, inputs.boolean("abstract"))
}

/// FHIR R4 codesystem-operation-validate-code.html
pub(super) fn in_code_system(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let inputs = &call.inputs;
    refuse_date(inputs)?;
    only_one(inputs, &["url", "codeSystem"], call.target.id.is_some())?;
    let languages = languages(inputs);
    let terminology = call.engine.terminology();
    let asked = asked(inputs, ("url", "version"))?;
    let given: Option<Arc<dyn CodeSystem>> = match (instance(&call)?, inputs.checked_resource("codeSystem")?) {
        (Some(resource), _) => Some(terminology.read_code_system(&resource)),
        (None, Some(resource)) => Some(terminology.read_code_system(resource)),
        (None, None) => match inputs.text("url") {
            Some(url) => Some(code_system(terminology, url, inputs.text("version"))?),
            None => None,
        },
    };
    let check = |coding: &Coding<'_>| -> Result<Outcome, Rejection> {
        let system = match (&given, coding.system) {
            (Some(given), system) => {
                let own = given.header().url.as_str();
                if let Some(system) = system
                    && terminology.preferred(system) != terminology.preferred(own)
                {
                    return Ok(Outcome::wrong(format!("the code is of {system}, not of the code system {own}")));
                }
                Arc::clone(given)
            }
            (None, Some(system)) => code_system(terminology, system, coding.version)?,
            (None, None) => {
                return Err(Rejection::new(
                    400,
                    IssueCode::Required,
                    "which code system? send url, or a coding with its system",
                ));
            }
        };
        Ok(terminology.validate_in_system(system.as_ref(), coding, &languages))
    };
    let outcome = match asked {
        Asked::Coding(mut coding) => {
            if inputs.get("coding").is_none() {
                coding.system = None;
            }
            check(&coding)?
        }
        Asked::Concept(concept) => {
            let mut first = None;
            let mut valid = None;
            for coding in concept.list("coding") {
                let outcome = check(&Coding::read(coding))?;
                if outcome.is_valid() {
                    valid = Some(outcome);
                    break;
                }
                first = first.or(Some(outcome));
            }
            valid.or(first).unwrap_or_else(|| Outcome::wrong("the CodeableConcept has no coding".to_owned()))
        }
    };
    answer(outcome, inputs.boolean("abstract"))
}

/// `result`, `message`, `display`. What cannot be told is no `false`.
fn answer(mut outcome: Outcome, allows_abstract: Option<bool>) -> Result<OperationAnswer, Rejection> {
    if outcome.verdict == Verdict::Unknown {
        return Err(Rejection::new(422, IssueCode::NotSupported, outcome.message.unwrap_or_default()));
    }
    if outcome.is_valid() && allows_abstract == Some(false) && outcome.is_abstract {
        outcome.verdict = Verdict::Invalid;
        outcome.message = Some("the concept is abstract, which is not allowed here".to_owned());
    }
    // "True if the concept details supplied are valid": a wrong display makes them wrong.
    let result = outcome.is_valid() && !outcome.display_differs;
    let mut messages: Vec<String> = outcome.message.into_iter().collect();
    messages.append(&mut outcome.warnings);
    let mut parts = vec![part("result", "valueBoolean", Node::Bool(result))];
    if !messages.is_empty() {
        parts.push(part("message", "valueString", Node::string(messages.join("; "))));
    }
    parts.extend(outcome.display.map(|display| part("display", "valueString", Node::string(display))));
    Ok(parameters(parts))
}
