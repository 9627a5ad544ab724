//! The paths beside FHIR: access, fracture liaison, health, schemas, this document. The notebook has a document of its own.

use serde_json::{Map, Value, json};

use super::parts::responses;
use crate::http::access::WAYS;

/// Adds them.
pub(super) fn all(paths: &mut Map<String, Value>) {
    liaison(paths);
    access(paths);
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

/// Break-glass, disasters, their review, reasons: from the table that routes them.
fn access(paths: &mut Map<String, Value>) {
    for way in WAYS {
        let mut parameters: Vec<Value> = way
            .query
            .iter()
            .map(|(name, text, needed)| {
                json!({ "name": name, "in": "query", "description": text, "required": needed, "schema": { "type": "string" } })
            })
            .collect();
        if way.path.contains("{id}") {
            let schema = json!({ "type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$" });
            parameters.push(json!({ "name": "id", "in": "path", "required": true, "schema": schema }));
        }
        let mut answers = responses(&[]);
        answers[way.status.to_string()] = json!({ "description": way.summary, "content": { "application/json": { "schema": { "type": "object" } } } });
        let mut operation = json!({
            "operationId": way.id, "tags": ["Access"], "summary": way.summary, "parameters": parameters, "responses": answers,
        });
        if !way.sends.is_empty() {
            let kind = |name: &str| if name == "minutes" { "integer" } else { "string" };
            let members: Map<String, Value> = way
                .sends
                .iter()
                .map(|(name, text, _)| ((*name).to_owned(), json!({ "type": kind(name), "description": text })))
                .collect();
            let required: Vec<&str> = way.sends.iter().filter(|member| member.2).map(|member| member.0).collect();
            let schema = json!({ "type": "object", "properties": members, "required": required });
            operation["requestBody"] =
                json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        }
        let item = paths.entry(format!("/access/{}", way.path)).or_insert_with(|| json!({}));
        item[way.method.to_ascii_lowercase()] = operation;
    }
}

/// Fracture liaison.
fn liaison(paths: &mut Map<String, Value>) {
    let query = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "query", "description": description, "schema": schema });
    let date = || json!({ "type": "string", "format": "date" });
    let truth = || json!({ "enum": ["true", "false"] });
    let words = || json!({ "type": "string", "pattern": "^[A-Za-z0-9./-]{1,100}$" });
    let format =
        || query("format", "json, csv or ndjson; also by Accept", json!({ "enum": ["json", "csv", "ndjson"] }));
    let count = || query("count", "rows on a page", json!({ "type": "integer", "minimum": 1, "maximum": 10000 }));
    let tables =
        json!({ "application/json": { "schema": { "type": "object" } }, "text/csv": {}, "application/x-ndjson": {} });
    let get = |id: &str, summary: &str, parameters: Value| {
        let mut answers = responses(&[]);
        answers["200"] = json!({ "description": summary, "content": tables });
        json!({ "get": { "operationId": id, "tags": ["Fracture liaison"], "summary": summary, "parameters": parameters, "responses": answers } })
    };
    let registry = json!([
        query("state", "active or an end, such as completed, died, declined", words()),
        query("activity", "what is to be done next", words()),
        query("owner", "who is in charge", words()),
        query("facility", "where the fracture was treated, Organization/[id]", words()),
        query("municipality", "where the citizen lived then, Organization/[id]", words()),
        query("site", "site of the fracture", words()),
        query("episode", "id of the EpisodeOfCare", words()),
        query("due-by", "due on or before", date()),
        query("fractured-from", "fracture on or after", date()),
        query("fractured-to", "fracture on or before", date()),
        query("overdue", "with an activity that is late, or without", truth()),
        query("alarm", "with an alarm nobody took note of, or without", truth()),
        query("sort", "order", json!({ "enum": ["due", "fracture", "-fracture"] })),
        count(),
        format()
    ]);
    paths.insert("/fls/registry".to_owned(), get("flsRegistry", "the registry: a row an episode", registry));
    let series = json!([
        query("from", "first day", date()),
        query("to", "last day", date()),
        query("as-of", "day of the report", date()),
        query("step", "length of a step", json!({ "enum": ["month", "quarter", "year"] })),
        query("facility", "only of this facility", words()),
        query("municipality", "only of this municipality", words()),
        format()
    ]);
    paths.insert("/fls/indicators".to_owned(), get("flsIndicators", "indicators as time series", series));
    let alarms = json!([query("acknowledged", "only those taken note of, or those not", truth()), count(), format()]);
    paths.insert("/fls/alarms".to_owned(), get("flsAlarms", "alarms that stand, newest first", alarms));
    let post = |id: &str, summary: &str, parameters: Value, media: &str, schema: Value| {
        let mut answers = responses(&[]);
        answers["200"] =
            json!({ "description": summary, "content": { "application/json": { "schema": { "type": "object" } } } });
        json!({ "post": { "operationId": id, "tags": ["Fracture liaison"], "summary": summary, "parameters": parameters,
            "requestBody": { "required": true, "content": { media: { "schema": schema } } }, "responses": answers } })
    };
    let id = json!([{ "name": "id", "in": "path", "required": true, "description": "id of the alarm", "schema": { "type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$" } }]);
    let note = json!({ "type": "object", "properties": { "who": { "type": "string" }, "reason": { "type": "string", "minLength": 1 } }, "required": ["reason"] });
    paths.insert(
        "/fls/alarms/{id}/acknowledge".to_owned(),
        post("flsAcknowledge", "take note of an alarm", id, "application/json", note),
    );
    let options = json!([
        query("dry-run", "report only", truth()),
        query("mapping", "which column says what, TOML", json!({ "type": "string" }))
    ]);
    let file = json!({ "type": "string", "format": "binary" });
    paths.insert(
        "/fls/certifications".to_owned(),
        post("flsCertifications", "certifications of care need from CSV (CP932 or UTF-8)", options, "text/csv", file),
    );
}
