//! What paths point at: parameters, responses, request bodies, schemas.

use serde_json::{Map, Value, json};

use super::examples::example;
use super::fhir::add_search_parameters;
use crate::r4::parameters::ParameterKind;
use crate::search::registry::Registry;
use crate::validation::schema;

/// `#/components/KIND/NAME`
pub(super) fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// References to parameters.
pub(super) fn parameters(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| reference("parameters", name)).collect()
}

/// Responses of an interaction: its own, and the refusals.
pub(super) fn responses(own: &[(&str, &str)]) -> Value {
    let mut all = Map::new();
    for (status, name) in own {
        all.insert((*status).to_owned(), reference("responses", name));
    }
    all.insert("4XX".to_owned(), reference("responses", "Refusal"));
    all.insert("5XX".to_owned(), reference("responses", "Failure"));
    Value::Object(all)
}

/// A resource in the representations there are.
pub(super) fn content(schema: &Value) -> Value {
    let mut content = Map::new();
    content.insert("application/fhir+json".to_owned(), json!({ "schema": schema }));
    content.insert("application/json".to_owned(), json!({ "schema": schema }));
    for media in ["application/fhir+xml", "application/xml", "text/xml"] {
        content.insert(media.to_owned(), json!({}));
    }
    Value::Object(content)
}

/// The name of the schema of a kind of search parameter.
pub(super) const fn search_schema(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::Number => "search-number",
        ParameterKind::Date => "search-date",
        ParameterKind::String => "search-string",
        ParameterKind::Token => "search-token",
        ParameterKind::Reference => "search-reference",
        ParameterKind::Composite => "search-composite",
        ParameterKind::Quantity => "search-quantity",
        ParameterKind::Uri => "search-uri",
        ParameterKind::Special => "search-special",
    }
}

const PREFIX: &str = "(eq|ne|gt|lt|ge|le|sa|eb|ap)?";
const DATE: &str = "[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|1[0-9]|2[0-8])(T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]+)?)?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9]))?)?)?";

fn search_schemas(schemas: &mut Map<String, Value>) {
    let mut add = |kind: ParameterKind, description: &str, items: Value| {
        let schema = json!({ "type": "array", "description": description, "items": items });
        schemas.insert(search_schema(kind).to_owned(), schema);
    };
    let text = || json!({ "type": "string", "minLength": 1 });
    add(
        ParameterKind::Number,
        "a number with an optional prefix",
        json!({ "type": "string", "pattern": format!("^{PREFIX}-?(0|[1-9][0-9]{{0,9}})(\\.[0-9]{{1,9}})?$") }),
    );
    add(
        ParameterKind::Date,
        "a date or time with an optional prefix",
        json!({ "type": "string", "pattern": format!("^{PREFIX}{DATE}$"), "examples": ["ge2025-01-01"] }),
    );
    add(ParameterKind::String, "text; the start of a value, without case and accents", text());
    add(ParameterKind::Token, "[system]|code", text());
    add(ParameterKind::Reference, "Type/id, id or URL", text());
    add(ParameterKind::Composite, "values joined by $", text());
    add(
        ParameterKind::Quantity,
        "number|system|code with an optional prefix",
        json!({ "type": "string", "pattern": format!("^{PREFIX}-?(0|[1-9][0-9]{{0,9}})(\\.[0-9]{{1,9}})?(\\|[^|,$\\\\\\x00]*\\|[^|,$\\\\\\x00]+)?$") }),
    );
    add(ParameterKind::Uri, "a URI, whole", text());
    add(ParameterKind::Special, "as its definition says", text());
}

fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

fn header(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "header", "description": description, "schema": schema })
}

fn all_parameters(names: &[&str]) -> Value {
    let id = json!({ "type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$" });
    let text = json!({ "type": "string", "minLength": 1 });
    let path = |name: &str, description: &str, schema: &Value| json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema });
    let list = |name: &str| reference("schemas", name);
    let count = json!({ "type": "integer", "minimum": 0, "maximum": 1000 });
    json!({
        "id": path("id", "logical id", &id),
        "vid": path("vid", "version", &json!({ "type": "integer", "minimum": 1, "maximum": i64::MAX })),
        "type": path("type", "a resource type", &json!({ "enum": names })),
        "_id": query("_id", "logical ids", &list("search-token")),
        "_lastUpdated": query("_lastUpdated", "when the version was written", &list("search-date")),
        "_type": query("_type", "types to search, separated by commas", &json!({ "type": "array", "items": { "enum": names }, "minItems": 1 })),
        "_count": query("_count", "resources on a page", &count),
        "_sort": query("_sort", "parameters to sort by, separated by commas, with - before a name for descending", &json!({ "enum": ["_lastUpdated", "-_lastUpdated", "_id", "-_id"] })),
        "_total": query("_total", "whether the number of all matches is counted", &json!({ "enum": ["none", "estimate", "accurate"] })),
        "_summary": query("_summary", "which part of the resources", &json!({ "enum": ["true", "text", "data", "count", "false"] })),
        "_summary-read": query("_summary", "which part of the resource", &json!({ "enum": ["true", "text", "data", "false"] })),
        "_elements": query("_elements", "elements at the top, separated by commas", &json!({ "type": "string", "minLength": 1, "examples": ["identifier,name"] })),
        "_include": query("_include", "Type:parameter: what matches refer to", &text),
        "_revinclude": query("_revinclude", "Type:parameter: what refers to matches", &text),
        "_since": query("_since", "versions written at or after", &json!({ "type": "string", "pattern": format!("^{DATE}$") })),
        "_at": query("_at", "versions current at some time in this span", &json!({ "type": "string", "pattern": format!("^{DATE}$") })),
        "_format": query("_format", "the representation, before Accept", &json!({ "enum": ["json", "xml", "application/fhir+json", "application/fhir+xml"] })),
        "_pretty": query("_pretty", "indented", &json!({ "type": "boolean" })),
        "Prefer": header("Prefer", "what a write answers; lenient handling of search parameters", &json!({ "enum": ["return=representation", "return=minimal", "return=OperationOutcome", "handling=lenient"] })),
        "If-Match": header("If-Match", "the version that must be current: W/\"3\"", &json!({ "type": "string", "pattern": "^W/\"[1-9][0-9]{0,9}\"$" })),
        "If-None-Match": header("If-None-Match", "the version at hand: 304 if it is current", &json!({ "type": "string", "pattern": "^W/\"[1-9][0-9]{0,9}\"$" })),
        "If-Modified-Since": header("If-Modified-Since", "HTTP date: 304 if nothing is newer", &json!({ "type": "string", "examples": ["Wed, 21 Oct 2026 07:28:00 GMT"] })),
        "If-None-Exist": header("If-None-Exist", "criteria: nothing is created if they match", &json!({ "type": "string", "examples": ["identifier=http://hospital.example/id|42"] }))
    })
}

fn all_responses(names: &[&str]) -> Value {
    let mut all = Map::new();
    let outcome = reference("schemas", "OperationOutcome");
    let headers = json!({
        "ETag": { "description": "the version: W/\"3\"", "schema": { "type": "string" } },
        "Last-Modified": { "description": "when it was written", "schema": { "type": "string" } },
        "Location": { "description": "the version that was written", "schema": { "type": "string" } }
    });
    for name in names {
        // `Prefer: return=OperationOutcome` asks for the other.
        let schema = json!({ "anyOf": [reference("schemas", name), outcome] });
        let response = json!({ "description": format!("a {name}; nothing with Prefer: return=minimal"), "headers": headers, "content": content(&schema) });
        all.insert((*name).to_owned(), response);
    }
    let mut bundle = |name: &str, kind: Value, description: &str| {
        let schema = json!({ "allOf": [reference("schemas", "Bundle"), { "properties": { "type": kind } }] });
        all.insert(name.to_owned(), json!({ "description": description, "content": content(&schema) }));
    };
    bundle("searchset", json!({ "const": "searchset" }), "a page of a search");
    bundle("history", json!({ "const": "history" }), "a page of a history");
    bundle(
        "bundle-response",
        json!({ "enum": ["batch-response", "transaction-response"] }),
        "an answer for each entry",
    );
    let mut add = |name: &str, description: &str, schema: &Value| {
        all.insert(name.to_owned(), json!({ "description": description, "content": content(schema) }));
    };
    add("Outcome", "what was done", &outcome);
    add("Refusal", "what was wrong and what would be right", &outcome);
    add("Failure", "what failed, and when to try again", &outcome);
    add("Resource", "a resource", &reference("schemas", "Resource"));
    add("Parameters", "the results by name", &reference("schemas", "Parameters"));
    add("CapabilityStatement", "what the server can do", &reference("schemas", "CapabilityStatement"));
    all.insert("NotModified".to_owned(), json!({ "description": "nothing is newer", "headers": headers }));
    Value::Object(all)
}

fn request_bodies(names: &[&str]) -> Value {
    let mut all = Map::new();
    for name in names {
        let schema = reference("schemas", name);
        let mut content = Map::new();
        let mut json_body = json!({ "schema": schema });
        if let Some(example) = example(name) {
            json_body["examples"] = json!({ "smallest": { "value": example } });
        }
        content.insert("application/fhir+json".to_owned(), json_body);
        content.insert("application/fhir+xml".to_owned(), json!({}));
        all.insert((*name).to_owned(), json!({ "required": true, "content": content }));
    }
    all.insert(
        "patch".to_owned(),
        json!({ "required": true, "content": {
            "application/json-patch+json": {
                "schema": reference("schemas", "json-patch"),
                "examples": { "replace": { "value": [{ "op": "add", "path": "/language", "value": "ja" }] } }
            },
            "application/fhir+json": { "schema": reference("schemas", "Parameters") },
            "application/fhir+xml": {}
        } }),
    );
    let form = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    all.insert(
        "search".to_owned(),
        json!({ "content": { "application/x-www-form-urlencoded": {
            "schema": form, "examples": { "count": { "value": { "_count": "1" } } }
        } } }),
    );
    let entries = json!([
        { "request": { "method": "GET", "url": "Patient?_count=1" } },
        { "resource": { "resourceType": "Patient", "name": [{ "text": "見本 花子" }] }, "request": { "method": "POST", "url": "Patient" } }
    ]);
    let bundle = json!({ "allOf": [reference("schemas", "Bundle"), { "properties": { "type": { "enum": ["batch", "transaction"] } } }] });
    all.insert(
        "bundle".to_owned(),
        json!({ "required": true, "content": {
            "application/fhir+json": { "schema": bundle, "examples": {
                "batch": { "value": { "resourceType": "Bundle", "type": "batch", "entry": entries } },
                "transaction": { "value": { "resourceType": "Bundle", "type": "transaction", "entry": entries } }
            } },
            "application/fhir+xml": {}
        } }),
    );
    Value::Object(all)
}

/// What a schema needs at least, when it is not here whole.
fn shallow(name: &str) -> Value {
    json!({
        "type": "object",
        "description": format!("FHIR R4 (4.0.1) {name}; the whole schema is at /schema/{name}.json"),
        "properties": { "resourceType": { "const": name } },
        "required": ["resourceType"]
    })
}

/// The types that paths of the system answer.
const COMMON: [&str; 4] = ["OperationOutcome", "Bundle", "Parameters", "CapabilityStatement"];

fn schemas(names: &[&str], is_whole: bool) -> Value {
    let mut all = Map::new();
    search_schemas(&mut all);
    all.insert(
        "json-patch".to_owned(),
        json!({ "type": "array", "minItems": 1, "items": {
            "type": "object",
            "properties": {
                "op": { "enum": ["add", "remove", "replace", "move", "copy", "test"] },
                "path": { "type": "string" }, "from": { "type": "string" }, "value": {}
            },
            "required": ["op", "path"]
        } }),
    );
    all.insert(
        "Resource".to_owned(),
        json!({ "type": "object", "properties": { "resourceType": { "type": "string" } }, "required": ["resourceType"] }),
    );
    for name in COMMON.iter().chain(names) {
        if !is_whole {
            all.insert((*name).to_owned(), shallow(name));
            continue;
        }
        let Some(mut schema) = schema::of_type(name) else { continue };
        relocate(&mut schema);
        if let Some(Value::Object(definitions)) = schema.get_mut("$defs").map(Value::take) {
            all.extend(definitions);
        }
    }
    Value::Object(all)
}

/// From a schema's own place to the one in this document.
fn relocate(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "$ref" => {
                        *text = text.replacen("#/$defs/", "#/components/schemas/", 1)
                    }
                    other => relocate(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(relocate),
        _ => {}
    }
}

/// All components.
pub(super) fn components(names: &[&str], is_whole: bool, registry: &Registry) -> Value {
    let mut parameters = all_parameters(names);
    if let Some(parameters) = parameters.as_object_mut() {
        names.iter().for_each(|name| add_search_parameters(name, registry, parameters));
    }
    json!({
        "parameters": parameters,
        "responses": all_responses(names),
        "requestBodies": request_bodies(names),
        "schemas": schemas(names, is_whole)
    })
}
