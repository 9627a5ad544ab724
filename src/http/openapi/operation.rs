//! The paths of the operations, from their table.

use serde_json::{Map, Value, json};

use super::parts::{content, parameters, reference, responses};
use crate::operations::{BodyForm, Described, Level, Parameter, is_primitive, operations};

/// Adds every operation of the table. One for all types is a path with the type as a parameter; when types were
/// `named`, one for other types only is left out.
pub(super) fn all(names: &[&str], named: bool, paths: &mut Map<String, Value>) {
    for described in operations() {
        for level in described.operation.levels {
            let of_types: Vec<Option<&str>> = match level {
                Level::System => vec![None],
                _ if described.types.is_empty() => vec![Some("{type}")],
                _ => described
                    .types
                    .iter()
                    .map(|name| Some(name.as_str()))
                    .filter(|name| !named || name.is_some_and(|name| names.contains(&name)))
                    .collect(),
            };
            for type_name in of_types {
                add(described, *level, type_name, names, paths);
            }
        }
    }
}

fn add(described: &Described, level: Level, type_name: Option<&str>, names: &[&str], paths: &mut Map<String, Value>) {
    let name = &described.name;
    let path = match (level, type_name) {
        (Level::Instance, Some(type_name)) => format!("/fhir/{type_name}/{{id}}/${name}"),
        (_, Some(type_name)) => format!("/fhir/{type_name}/${name}"),
        (_, None) => format!("/fhir/${name}"),
    };
    let mut common = parameters(&["_format", "_pretty"]);
    if level == Level::Instance {
        common.extend(parameters(&["id"]));
    }
    if type_name == Some("{type}") {
        common.extend(parameters(&["type"]));
    }
    let tag = match type_name {
        Some(known) if names.contains(&known) => known,
        _ => "System",
    };
    let operation = |method: &str, parameters: Vec<Value>| {
        json!({
            "operationId": format!("{name}-{}-{method}", type_name.unwrap_or("system").replace(['{', '}'], "")) + if level == Level::Instance { "-instance" } else { "" },
            "tags": [tag],
            "summary": if described.title.is_empty() { name } else { &described.title },
            "description": described.description,
            "externalDocs": { "url": described.operation.definition },
            "parameters": parameters,
            "responses": match described.operation.answers {
                None => responses(&[("200", answer(described))]),
                Some(media) => json!({ "default": { "description": "the answer, or what was wrong", "content": { media: {} } } }),
            }
        })
    };
    let mut item = json!({});
    if described.goes_by_get() {
        item["get"] = operation("get", [common.clone(), described.inputs.iter().filter_map(in_url).collect()].concat());
    }
    item["post"] = operation("post", common);
    item["post"]["requestBody"] = body(described);
    paths.insert(path, item);
}

fn answer(described: &Described) -> &'static str {
    match described.outputs.as_slice() {
        [only] if only.name == "return" => match only.kind.as_deref() {
            Some("Bundle") => "searchset",
            Some("OperationOutcome") => "Outcome",
            _ => "Resource",
        },
        _ => "Resource",
    }
}

/// A parameter that fits in a URL.
fn in_url(parameter: &Parameter) -> Option<Value> {
    let kind = parameter.kind.as_deref().filter(|kind| is_primitive(kind))?;
    let one = match kind {
        "boolean" => json!({ "type": "boolean" }),
        "integer" => json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX }),
        "positiveInt" => json!({ "type": "integer", "minimum": 1, "maximum": i32::MAX }),
        "unsignedInt" => json!({ "type": "integer", "minimum": 0, "maximum": i32::MAX }),
        "decimal" => json!({ "type": "number" }),
        "date" => json!({ "type": "string", "format": "date" }),
        "dateTime" | "instant" => json!({ "type": "string", "format": "date-time" }),
        _ => json!({ "type": "string", "minLength": 1 }),
    };
    let schema = if parameter.max == Some(1) { one } else { json!({ "type": "array", "items": one }) };
    Some(json!({
        "name": parameter.name, "in": "query", "required": parameter.min > 0, "description": parameter.documentation, "schema": schema
    }))
}

/// A Parameters resource whose names are known, or what else the operation takes.
fn body(described: &Described) -> Value {
    let names: Vec<&str> = described.inputs.iter().map(|input| input.name.as_str()).collect();
    let list = match names.is_empty() {
        true => json!({ "maxItems": 0 }),
        false => {
            json!({ "items": { "type": "object", "properties": { "name": { "enum": names } }, "required": ["name"] } })
        }
    };
    let inputs = json!({ "allOf": [reference("schemas", "Parameters"), { "properties": { "parameter": list } }] });
    let resources: Vec<&Parameter> = described
        .inputs
        .iter()
        .filter(|input| {
            input.kind.as_deref().is_some_and(|kind| {
                kind.starts_with(char::is_uppercase)
                    && crate::r4::definitions()
                        .find(kind)
                        .is_some_and(|found| found.kind == crate::r4::definitions::Kind::Resource)
            })
        })
        .collect();
    let schema = match resources.as_slice() {
        [_] => json!({ "anyOf": [inputs, reference("schemas", "Resource")] }),
        _ => inputs,
    };
    let mut media = content(&schema);
    if let (BodyForm::Also(others), Some(media)) = (described.operation.body, media.as_object_mut()) {
        for other in others {
            media.entry((*other).to_owned()).or_insert_with(|| json!({}));
        }
    }
    json!({ "required": described.inputs.iter().any(|input| input.min > 0), "content": media })
}
