//! The paths beside FHIR: the notebook, health, schemas, this document.

use serde_json::{Map, Value, json};

use super::parts::responses;
use crate::notebook::category::CATEGORIES;

/// Adds them.
pub(super) fn all(paths: &mut Map<String, Value>) {
    notebook(paths);
    let service = |id: &str, summary: &str, media: &str, parameters: Value| {
        let mut answers = responses(&[]);
        answers["200"] = json!({ "description": "well", "content": { media: {} } });
        json!({ "get": { "operationId": id, "tags": ["Service"], "summary": summary, "parameters": parameters, "responses": answers } })
    };
    paths.insert(
        "/health".to_owned(),
        service("health", "whether the server and its database answer", "text/plain", json!([])),
    );
    paths.insert(
        "/schema".to_owned(),
        service("schemas", "the list of JSON Schemas", "application/schema+json", json!([])),
    );
    let file = json!([{ "name": "file", "in": "path", "required": true, "schema": { "type": "string", "pattern": "^[A-Za-z]+\\.json$", "examples": ["Patient.json"] } }]);
    paths.insert(
        "/schema/{file}".to_owned(),
        service("schema", "the JSON Schema of a type", "application/schema+json", file),
    );
    let types = json!([{ "name": "type", "in": "query", "description": "types, separated by commas", "schema": { "type": "string", "examples": ["Patient,Observation"] } }]);
    paths.insert("/openapi.json".to_owned(), service("openapi", "this document", "application/json", types));
}

fn notebook(paths: &mut Map<String, Value>) {
    let text = json!({ "type": ["string", "null"] });
    let citizen = json!({
        "type": "object",
        "properties": {
            "id": { "type": "string" }, "name": text, "kana": text, "birthDate": text, "gender": text, "address": text,
            "identifiers": { "type": "object", "properties": { "notebook": text, "hospital": text, "insured": text } },
            "fhir": { "type": "string" }, "timeline": { "type": "string" }
        },
        "required": ["id", "fhir", "timeline"]
    });
    let entry = json!({
        "type": "object",
        "properties": {
            "category": { "type": "string" },
            "categoryName": { "type": "object", "properties": { "ja": text, "en": text } },
            "date": text, "from": text, "to": text, "title": { "type": "string" }, "detail": text, "status": text,
            "labels": { "type": "array", "items": { "type": "string" } }, "fhir": { "type": "string" }
        },
        "required": ["category", "title", "fhir"]
    });
    let codes: Vec<&str> = CATEGORIES.iter().map(|known| known.code).collect();
    let get = |id: &str, summary: &str, parameters: Value, schema: Value| {
        let mut answers = responses(&[]);
        answers["200"] = json!({ "description": summary, "content": { "application/json": { "schema": schema } } });
        json!({ "get": { "operationId": id, "tags": ["Notebook"], "summary": summary, "parameters": parameters, "responses": answers } })
    };
    let query = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "query", "description": description, "schema": schema });
    let count = || query("count", "entries on a page", json!({ "type": "integer", "minimum": 1, "maximum": 500 }));
    let id = json!({ "name": "id", "in": "path", "required": true, "description": "id of the Patient", "schema": { "type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$" } });
    paths.insert(
        "/notebook/v1/citizens".to_owned(),
        get(
            "citizens",
            "the citizens, a page at a time",
            json!([count(), query("after", "from the link next", json!({ "type": "integer", "minimum": 0, "maximum": i64::MAX }))]),
            json!({ "type": "object", "properties": { "citizens": { "type": "array", "items": citizen }, "next": text }, "required": ["citizens"] }),
        ),
    );
    paths.insert("/notebook/v1/citizens/{id}".to_owned(), get("citizen", "one citizen", json!([id]), citizen.clone()));
    let date = || json!({ "type": "string", "format": "date" });
    paths.insert(
        "/notebook/v1/citizens/{id}/timeline".to_owned(),
        get(
            "timeline",
            "what happened and is planned, newest first",
            json!([
                id,
                query("category", "categories, separated by commas", json!({ "enum": codes })),
                query("from", "not before", date()),
                query("to", "not after", date()),
                count()
            ]),
            json!({ "type": "object", "properties": { "citizen": citizen, "entries": { "type": "array", "items": entry }, "next": text }, "required": ["citizen", "entries"] }),
        ),
    );
    let category = json!({ "type": "object", "properties": { "code": { "enum": codes }, "ja": { "type": "string" }, "en": { "type": "string" } } });
    paths.insert(
        "/notebook/v1/categories".to_owned(),
        get(
            "categories",
            "the categories of the timeline",
            json!([]),
            json!({ "type": "object", "properties": { "categories": { "type": "array", "items": category } } }),
        ),
    );
}
