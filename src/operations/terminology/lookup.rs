//! `$lookup` and `$subsumes` (FHIR R4 codesystem-operation-lookup.html, codesystem-operation-subsumes.html).

use std::sync::Arc;

use super::{code_system, group, instance, languages, only_one, part, refuse_date};
use crate::engine::{OperationAnswer, Rejection};
use crate::format::json::Node;
use crate::operations::call::{Call, parameters};
use crate::operations::inputs::Inputs;
use crate::r4::outcome::IssueCode;
use crate::terminology::{CodeSystem, Coding, Concept, Designation, in_language};

fn required(text: &str) -> Rejection {
    Rejection::new(400, IssueCode::Required, text)
}

pub(super) fn run(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let inputs = &call.inputs;
    refuse_date(inputs)?;
    only_one(inputs, &["code", "coding"], false)?;
    let coding = match (inputs.value("coding"), inputs.text("code")) {
        (Some(coding), _) => Coding::read(coding),
        (None, Some(code)) => {
            Coding { system: inputs.text("system"), version: inputs.text("version"), code: Some(code), display: None }
        }
        (None, None) => return Err(required("what is looked up? send code and system, or coding")),
    };
    let (Some(code), Some(url)) = (coding.code, coding.system) else {
        return Err(required("the code needs its system, and the coding its code"));
    };
    let terminology = call.engine.terminology();
    let system = code_system(terminology, url, coding.version)?;
    let found = system.find(code).map_err(crate::terminology::TermError::from)?;
    let Some(concept) = found else {
        let header = system.header();
        let part_only = if system.absent_is_wrong(code) { "" } else { "; only a part of it is here" };
        return Err(Rejection::new(
            404,
            IssueCode::NotFound,
            format!("{code:?} is not in the code system {}{part_only}", header.canonical()),
        ));
    };
    let parts = describe(system.as_ref(), &concept, inputs)?;
    Ok(parameters(parts))
}

/// Properties that were asked for; all when none was named.
struct Wanted<'i>(Vec<&'i str>);

impl Wanted<'_> {
    fn has(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.contains(&name)
    }

    fn designation(&self, designation: &Designation) -> bool {
        self.has("designation")
            || self
                .0
                .iter()
                .filter_map(|name| name.strip_prefix("lang."))
                .any(|wanted| designation.language.as_deref().is_some_and(|language| in_language(language, wanted)))
    }
}

fn describe(system: &dyn CodeSystem, concept: &Concept, inputs: &Inputs<'_>) -> Result<Vec<Node<'static>>, Rejection> {
    let header = system.header();
    let wanted = Wanted(inputs.texts("property").collect());
    let languages = languages(inputs);
    let display = concept.display_in(&languages, header.language.as_deref()).unwrap_or(&concept.code);
    let text = |value: &str| Node::string(value.to_owned());
    let mut parts = vec![part("name", "valueString", text(header.label()))];
    parts.extend(header.version.as_deref().map(|version| part("version", "valueString", text(version))));
    parts.push(part("display", "valueString", text(display)));
    for designation in concept.designations.iter().filter(|designation| wanted.designation(designation)) {
        let mut of_one = Vec::new();
        of_one.extend(designation.language.as_deref().map(|language| part("language", "valueCode", text(language))));
        of_one.extend(designation.usage.clone().map(|usage| part("use", "valueCoding", usage)));
        of_one.push(part("value", "valueString", text(&designation.value)));
        parts.push(group("designation", of_one));
    }
    let described = |code: &str| {
        let known = header.properties.iter().find(|known| known.code == code);
        known.and_then(|known| known.description.clone())
    };
    let mut property = |code: &str, element: &str, value: Node<'static>| {
        let mut of_one = vec![
            part("code", "valueCode", text(code)),
            Node::object([("name".to_owned(), Node::string("value")), (element.to_owned(), value)]),
        ];
        of_one.extend(described(code).map(|description| part("description", "valueString", Node::string(description))));
        parts.push(group("property", of_one));
    };
    if let Some(definition) = concept.definition.as_deref().filter(|_| wanted.has("definition")) {
        property("definition", "valueString", text(definition));
    }
    if wanted.has("url") && !wanted.0.is_empty() {
        property("url", "valueUri", text(&header.url));
    }
    let unavailable = crate::terminology::TermError::from;
    for (name, codes) in [("parent", system.parents(&concept.code)), ("child", system.children(&concept.code))] {
        if wanted.has(name) {
            for code in codes.map_err(unavailable)? {
                property(name, "valueCode", Node::string(code));
            }
        }
    }
    if wanted.has("inactive") {
        let said = concept.properties.iter().any(|known| known.code == "inactive");
        if !said && (concept.is_inactive || !wanted.0.is_empty()) {
            property("inactive", "valueBoolean", Node::Bool(concept.is_inactive));
        }
    }
    for known in concept.properties.iter().filter(|known| wanted.has(&known.code)) {
        property(&known.code, &known.element, known.value.clone());
    }
    Ok(parts)
}

pub(super) fn subsumes(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let inputs = &call.inputs;
    only_one(inputs, &["codeA", "codingA"], false)?;
    only_one(inputs, &["codeB", "codingB"], false)?;
    let terminology = call.engine.terminology();
    let instance = instance(&call)?;
    let code = |code: &'static str, coding: &'static str| {
        let coding = inputs.value(coding).map(Coding::read);
        match (inputs.text(code), coding) {
            (Some(code), _) => Ok((code, None)),
            (None, Some(Coding { code: Some(code), system, .. })) => Ok((code, system)),
            _ => Err(required("two codes are compared: send codeA and codeB with system, or codingA and codingB")),
        }
    };
    let (code_a, system_a) = code("codeA", "codingA")?;
    let (code_b, system_b) = code("codeB", "codingB")?;
    let system: Arc<dyn CodeSystem> = match &instance {
        Some(resource) => terminology.read_code_system(resource),
        None => {
            let Some(url) = inputs.text("system").or(system_a).or(system_b) else {
                return Err(required("the codes need their system"));
            };
            code_system(terminology, url, inputs.text("version"))?
        }
    };
    let own = terminology.preferred(&system.header().url).into_owned();
    for other in [system_a, system_b].into_iter().flatten() {
        if terminology.preferred(other) != own {
            return Err(Rejection::invalid(format!("both codes must be of {own}; one is of {other}")));
        }
    }
    let outcome = terminology.subsumes(system.as_ref(), code_a, code_b)?;
    Ok(parameters(vec![part("outcome", "valueCode", Node::string(outcome))]))
}
