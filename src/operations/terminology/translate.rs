//! `$translate` (FHIR R4 conceptmap-operation-translate.html).

use super::{Asked, asked, coding_node, group, instance, only_one, part};
use crate::engine::{OperationAnswer, Rejection};
use crate::format::json::Node;
use crate::operations::call::{Call, parameters};
use crate::r4::outcome::IssueCode;
use crate::terminology::{Coding, Match, TranslateQuery};

pub(super) fn run(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let inputs = &call.inputs;
    only_one(inputs, &["url", "conceptMap"], call.target.id.is_some())?;
    let terminology = call.engine.terminology();
    let codings = match asked(inputs, ("system", "version"))? {
        Asked::Coding(coding) => vec![coding],
        Asked::Concept(concept) => concept.list("coding").iter().take(100).map(Coding::read).collect(),
    };
    if codings.is_empty() || codings.iter().any(|coding| coding.system.is_none()) {
        return Err(Rejection::new(400, IssueCode::Required, "a code is translated from its system: send it along"));
    }
    let map = match (instance(&call)?, inputs.checked_resource("conceptMap")?) {
        (Some(resource), _) => Some(resource),
        (None, Some(resource)) => Some(resource.clone().into_owned()),
        (None, None) => None,
    };
    let canonical = match (inputs.text("url"), inputs.text("conceptMapVersion")) {
        (Some(url), Some(version)) if !url.contains('|') => Some(format!("{url}|{version}")),
        (url, _) => url.map(str::to_owned),
    };
    let mut dependencies = Vec::new();
    for dependency in inputs.parts("dependency") {
        let Some(element) = dependency.text("element") else { continue };
        let codings = dependency.value("concept").map_or(&[][..], |concept| concept.list("coding"));
        dependencies.extend(codings.iter().filter_map(|coding| Some((element, coding.text("code")?))));
    }
    let query = TranslateQuery {
        url: canonical.as_deref(),
        codings,
        source: inputs.text("source"),
        target: inputs.text("target"),
        target_system: inputs.text("targetsystem"),
        reverse: inputs.boolean("reverse") == Some(true),
        dependencies,
    };
    let translation = terminology.translate(&query, map)?;
    let mut parts = vec![part("result", "valueBoolean", Node::Bool(translation.result))];
    parts.extend(translation.message.map(|message| part("message", "valueString", Node::string(message))));
    parts.extend(translation.matches.into_iter().map(found));
    Ok(parameters(parts))
}

fn found(one: Match) -> Node<'static> {
    let mut parts = vec![part("equivalence", "valueCode", Node::string(one.equivalence))];
    if one.code.is_some() {
        parts.push(part("concept", "valueCoding", coding_node(one.system, one.version, one.code, one.display)));
    }
    for (element, system, code, display) in one.products {
        parts.push(group(
            "product",
            vec![
                part("element", "valueUri", Node::string(element)),
                part("concept", "valueCoding", coding_node(system, None, Some(code), display)),
            ],
        ));
    }
    parts.extend(one.source.map(|source| part("source", "valueUri", Node::string(source))));
    group("match", parts)
}
