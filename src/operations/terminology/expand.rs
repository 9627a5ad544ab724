//! `$expand` (FHIR R4 valueset-operation-expand.html).

use super::{languages, refuse_date, value_set};
use crate::engine::{OperationAnswer, Rejection};
use crate::format::json::Node;
use crate::operations::call::Call;
use crate::operations::inputs::Inputs;
use crate::terminology::{Contained, Designation, ExpandOptions, Expansion, filter_words};

/// Most words of a text filter.
const MAX_WORDS: usize = 16;

/// Parameters that shape the answer and are named in it.
const NAMED: [(&str, &str); 17] = [
    ("filter", "valueString"),
    ("offset", "valueInteger"),
    ("count", "valueInteger"),
    ("includeDesignations", "valueBoolean"),
    ("designation", "valueString"),
    ("includeDefinition", "valueBoolean"),
    ("activeOnly", "valueBoolean"),
    ("excludeNested", "valueBoolean"),
    ("excludeNotForUI", "valueBoolean"),
    ("excludePostCoordinated", "valueBoolean"),
    ("displayLanguage", "valueCode"),
    ("exclude-system", "valueUri"),
    ("system-version", "valueUri"),
    ("check-system-version", "valueUri"),
    ("force-system-version", "valueUri"),
    ("valueSetVersion", "valueString"),
    ("url", "valueUri"),
];

pub(super) fn run(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    refuse_date(&call.inputs)?;
    let options = options(&call.inputs)?;
    let terminology = call.engine.terminology();
    let set = value_set(&call, terminology)?;
    let expansion = terminology.expand_set(&set, &options)?;
    let with_definition = call.inputs.boolean("includeDefinition") == Some(true);
    let answer = resource(&set.definition, with_definition, expansion, &call.inputs);
    Ok(OperationAnswer::Resource(answer.to_bytes().into()))
}

fn options(inputs: &Inputs<'_>) -> Result<ExpandOptions, Rejection> {
    let number = |name: &str| match inputs.integer(name) {
        None => Ok(None),
        Some(number) => usize::try_from(number)
            .map(Some)
            .map_err(|_| Rejection::invalid(format!("{name} is {number}; it takes 0 and more"))),
    };
    let texts = |name: &str| inputs.texts(name).map(str::to_owned).collect::<Vec<_>>();
    let flag = |name: &str| inputs.boolean(name) == Some(true);
    let limit = ExpandOptions::default().limit;
    let words = filter_words(inputs.text("filter").unwrap_or_default());
    if words.len() > MAX_WORDS {
        return Err(Rejection::invalid(format!("the filter has {} words; at most {MAX_WORDS} are taken", words.len())));
    }
    let count = number("count")?;
    Ok(ExpandOptions {
        words,
        offset: number("offset")?.unwrap_or(0),
        // A page larger than what is given at once is cut to it; the total says what there is.
        count: count.map(|count| count.min(limit)),
        include_designations: flag("includeDesignations"),
        designations: texts("designation"),
        active_only: flag("activeOnly"),
        // Pages and filters make no sense in a tree.
        exclude_nested: inputs.boolean("excludeNested") != Some(false)
            || count.is_some()
            || inputs.text("filter").is_some(),
        exclude_not_for_ui: flag("excludeNotForUI"),
        languages: languages(inputs),
        exclude_systems: texts("exclude-system"),
        system_versions: texts("system-version"),
        check_versions: texts("check-system-version"),
        force_versions: texts("force-system-version"),
        limit,
    })
}

fn number(value: usize) -> Node<'static> {
    Node::Number(value.to_string().into())
}

fn parameter<'a>(name: &'static str, member: &'static str, value: Node<'a>) -> Node<'a> {
    Node::object([("name", Node::string(name)), (member, value)])
}

/// The value set with its expansion; without `compose` unless that was asked for.
fn resource<'a>(
    definition: &Node<'static>,
    with_definition: bool,
    expansion: Expansion,
    inputs: &Inputs<'_>,
) -> Node<'a> {
    let kept = definition.members().iter().filter(|(name, _)| {
        with_definition || !matches!(name.as_ref(), "compose" | "text" | "contained" | "expansion")
    });
    let kept = kept.filter(|(name, _)| name != "expansion").cloned();
    let mut members: Vec<(std::borrow::Cow<'static, str>, Node<'a>)> =
        kept.map(|(name, value)| (name, value as Node<'a>)).collect();
    if !members.iter().any(|(name, _)| name == "status") {
        members.push(("status".into(), Node::string("active")));
    }
    let mut parameters: Vec<Node<'a>> = Vec::new();
    for (name, member) in NAMED {
        parameters.extend(inputs.values(name).map(|value| parameter(name, member, value.clone().into_owned())));
    }
    parameters.extend(expansion.versions.into_iter().map(|used| parameter("version", "valueUri", Node::string(used))));
    parameters
        .extend(expansion.warnings.into_iter().map(|text| parameter("warning", "valueString", Node::string(text))));
    let mut expanded = vec![
        ("identifier", Node::string(format!("urn:uuid:{}", uuid::Uuid::now_v7()))),
        ("timestamp", Node::string(jiff::Timestamp::now().round(jiff::Unit::Second).unwrap_or_default().to_string())),
        ("total", number(expansion.total)),
        ("offset", number(expansion.offset)),
    ];
    if !parameters.is_empty() {
        expanded.push(("parameter", Node::Array(parameters)));
    }
    if !expansion.contains.is_empty() {
        expanded.push(("contains", Node::Array(expansion.contains.into_iter().map(contained).collect())));
    }
    members.push(("expansion".into(), Node::object(expanded)));
    Node::Object(members)
}

fn contained<'a>(one: Contained) -> Node<'a> {
    let mut members = vec![("system", Node::string(one.system))];
    if one.is_abstract {
        members.push(("abstract", Node::Bool(true)));
    }
    if one.is_inactive {
        members.push(("inactive", Node::Bool(true)));
    }
    members.extend(one.version.map(|version| ("version", Node::string(version))));
    members.push(("code", Node::string(one.code)));
    members.extend(one.display.map(|display| ("display", Node::string(display))));
    if !one.designations.is_empty() {
        members.push(("designation", Node::Array(one.designations.into_iter().map(designation).collect())));
    }
    if !one.contains.is_empty() {
        members.push(("contains", Node::Array(one.contains.into_iter().map(contained).collect())));
    }
    Node::object(members)
}

fn designation<'a>(designation: Designation) -> Node<'a> {
    let mut members = Vec::new();
    members.extend(designation.language.map(|language| ("language", Node::string(language))));
    members.extend(designation.usage.map(|usage| ("use", usage as Node<'a>)));
    members.push(("value", Node::string(designation.value)));
    Node::object(members)
}
