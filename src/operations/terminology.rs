//! Terminology operations (FHIR R4 terminology-service.html): each room reads its inputs, asks
//! `terminology` and says the answer as the definition wants it.
//!
//! What cannot be told because something it depends on is not here is refused (422), never answered
//! with a guess.

mod closure;
mod expand;
mod find_matches;
mod lookup;
mod translate;
mod validate;

use std::sync::Arc;

use super::call::Call;
use super::inputs::Inputs;
use super::table::{Level, Operation};
use crate::engine::Rejection;
use crate::format::json::{self, Node};
use crate::r4::definitions;
use crate::r4::outcome::IssueCode;
use crate::terminology::{CodeSystem, Coding, TermError, Terminology, ValueSet};

const TYPE_AND_INSTANCE: &[Level] = &[Level::Type, Level::Instance];

/// The operations of terminology.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::reading("http://hl7.org/fhir/OperationDefinition/ValueSet-expand", TYPE_AND_INSTANCE, expand::run),
    Operation::reading(
        "http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code",
        TYPE_AND_INSTANCE,
        validate::in_value_set,
    ),
    Operation::reading(
        "http://hl7.org/fhir/OperationDefinition/CodeSystem-validate-code",
        TYPE_AND_INSTANCE,
        validate::in_code_system,
    ),
    Operation::reading(
        "http://hl7.org/fhir/OperationDefinition/CodeSystem-find-matches",
        TYPE_AND_INSTANCE,
        find_matches::run,
    ),
    Operation::reading("http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup", &[Level::Type], lookup::run),
    Operation::reading(
        "http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes",
        TYPE_AND_INSTANCE,
        lookup::subsumes,
    ),
    Operation::reading(
        "http://hl7.org/fhir/OperationDefinition/ConceptMap-translate",
        TYPE_AND_INSTANCE,
        translate::run,
    ),
    Operation::writing("http://hl7.org/fhir/OperationDefinition/ConceptMap-closure", &[Level::System], closure::run),
];

impl From<TermError> for Rejection {
    fn from(error: TermError) -> Self {
        let (status, code) = match &error {
            TermError::NotFound(_) => (404, IssueCode::NotFound),
            TermError::NotSupported(_) => (422, IssueCode::NotSupported),
            TermError::Invalid(_) => (400, IssueCode::Invalid),
            TermError::TooCostly(_) => (422, IssueCode::TooCostly),
        };
        Self::new(status, code, error.to_string())
    }
}

fn unsupported(name: &str, why: &str) -> Rejection {
    Rejection::new(501, IssueCode::NotSupported, format!("the parameter {name} is not supported: {why}"))
}

/// Definitions are kept as they are now.
fn refuse_date(inputs: &Inputs<'_>) -> Result<(), Rejection> {
    match inputs.text("date") {
        Some(_) => Err(unsupported("date", "definitions are used as they are now; leave it out")),
        None => Ok(()),
    }
}

/// `displayLanguage`, one or several as in `Accept-Language`.
fn languages(inputs: &Inputs<'_>) -> Vec<String> {
    let text = inputs.text("displayLanguage").unwrap_or_default();
    let parts = text.split(',').map(|part| part.split(';').next().unwrap_or_default().trim());
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The resource an operation is invoked on.
fn instance(call: &Call<'_>) -> Result<Option<Node<'static>>, Rejection> {
    let (Some(type_name), Some(id)) = (&call.target.type_name, &call.target.id) else { return Ok(None) };
    let number = definitions().resource_number(type_name).unwrap_or(0);
    let current = call.engine.store().current(number, id)?.ok_or_else(|| Rejection::not_found(type_name, id))?;
    if current.is_deleted() {
        return Err(Rejection::gone(type_name, id));
    }
    let node = json::parse(&current.body).map_err(|error| Rejection::internal(error.to_string()))?;
    Ok(Some(node.into_owned()))
}

/// Refuses two ways of saying the same at once.
fn only_one(inputs: &Inputs<'_>, names: &[&str], is_instance: bool) -> Result<(), Rejection> {
    let mut given: Vec<&str> = names.iter().copied().filter(|name| inputs.get(name).is_some()).collect();
    if is_instance {
        given.push("the resource in the URL");
    }
    if given.len() > 1 {
        return Err(Rejection::invalid(format!("give one of {}, not all of them", given.join(", "))));
    }
    Ok(())
}

/// The value set an operation is about: of the URL, sent along, or by its canonical.
fn value_set(call: &Call<'_>, terminology: &Terminology) -> Result<Arc<ValueSet>, Rejection> {
    let inputs = &call.inputs;
    if inputs.text("context").is_some() || inputs.text("contextDirection").is_some() {
        return Err(unsupported("context", "name the value set by url, or send it as valueSet"));
    }
    only_one(inputs, &["url", "valueSet"], call.target.id.is_some())?;
    if let Some(resource) = instance(call)? {
        return Ok(terminology.read_value_set(resource));
    }
    if let Some(resource) = inputs.checked_resource("valueSet")? {
        return Ok(terminology.read_value_set(resource.clone().into_owned()));
    }
    let Some(url) = inputs.text("url") else {
        return Err(Rejection::new(
            400,
            IssueCode::Required,
            "which value set? send url, or the value set as valueSet",
        ));
    };
    let canonical = match inputs.text("valueSetVersion") {
        Some(version) if !url.contains('|') => format!("{url}|{version}"),
        _ => url.to_owned(),
    };
    Ok(terminology.value_set(&canonical)?)
}

/// The code system with this URL.
fn code_system(
    terminology: &Terminology,
    system: &str,
    version: Option<&str>,
) -> Result<Arc<dyn CodeSystem>, Rejection> {
    let (url, inner) = crate::r4::canonical::split(system);
    let version = version.or(inner);
    terminology.code_system(url, version).ok_or_else(|| {
        let version = version.map_or_else(String::new, |version| format!(" version {version}"));
        Rejection::new(
            404,
            IssueCode::NotFound,
            format!(
                "the code system {url}{version} is not here; store it as a CodeSystem, or load it with `renraku terminology import`"
            ),
        )
    })
}

/// What is asked about: `code` with what belongs to it, `coding`, or `codeableConcept`.
enum Asked<'i> {
    Coding(Coding<'i>),
    Concept(&'i Node<'i>),
}

/// Reads what is asked about. `names` are those of the system's and version's parameters.
fn asked<'i>(inputs: &'i Inputs<'i>, (system, version): (&str, &str)) -> Result<Asked<'i>, Rejection> {
    only_one(inputs, &["code", "coding", "codeableConcept"], false)?;
    if let Some(concept) = inputs.value("codeableConcept") {
        return Ok(Asked::Concept(concept));
    }
    if let Some(coding) = inputs.value("coding") {
        let coding = Coding::read(coding);
        if coding.code.is_none() {
            return Err(Rejection::new(400, IssueCode::Required, "the coding has no code"));
        }
        return Ok(Asked::Coding(coding));
    }
    match inputs.text("code") {
        Some(code) => Ok(Asked::Coding(Coding {
            system: inputs.text(system),
            version: inputs.text(version),
            code: Some(code),
            display: inputs.text("display"),
        })),
        None => {
            Err(Rejection::new(400, IssueCode::Required, "what is asked about? send code, coding or codeableConcept"))
        }
    }
}

/// A part of an answer.
fn part<'a>(name: &'static str, member: &'static str, value: Node<'a>) -> Node<'a> {
    super::call::part(name, member, value)
}

/// A group of parts.
fn group<'a>(name: &'static str, parts: Vec<Node<'a>>) -> Node<'a> {
    part(name, "part", Node::Array(parts))
}

/// A Coding of an answer.
fn coding_node<'a>(
    system: Option<String>,
    version: Option<String>,
    code: Option<String>,
    display: Option<String>,
) -> Node<'a> {
    let members = [("system", system), ("version", version), ("code", code), ("display", display)];
    Node::object(members.into_iter().filter_map(|(name, value)| Some((name, Node::string(value?)))))
}
