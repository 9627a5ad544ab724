//! The paths beside FHIR: the notebook, health, schemas, this document.

use serde_json::{Map, Value, json};

use super::parts::responses;
use crate::notebook::category::CATEGORIES;

/// Adds them.
pub(super) fn all(paths: &mut Map<String, Value>) {
    notebook(paths);
    media(paths);
    liaison(paths);
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

/// Photos, videos and PDFs of citizens.
fn media(paths: &mut Map<String, Value>) {
    let text = json!({ "type": ["string", "null"] });
    let number = json!({ "type": ["number", "null"] });
    let one = json!({
        "type": "object",
        "properties": {
            "id": { "type": "string" }, "type": { "enum": ["image", "video", "document", ""] }, "title": text, "created": text,
            "operator": text, "contentType": { "type": "string" }, "size": number, "width": number, "height": number,
            "duration": number, "placeRemoved": { "type": "boolean" },
            "links": { "type": "object", "additionalProperties": { "type": "string" } }
        },
        "required": ["id", "links"]
    });
    let operation = |id: &str, summary: &str, status: &str, media: &str, schema: Value| {
        let mut answers = responses(&[]);
        answers[status] = json!({ "description": summary, "content": { media: { "schema": schema } } });
        json!({ "operationId": id, "tags": ["Media"], "summary": summary, "responses": answers })
    };
    let id = |of: &str| json!([{ "name": "id", "in": "path", "required": true, "description": of, "schema": { "type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$" } }]);
    let mut list = operation(
        "citizenMedia",
        "photos and videos of a citizen, newest first",
        "200",
        "application/json",
        json!({ "type": "object", "properties": { "media": { "type": "array", "items": one }, "next": text }, "required": ["media"] }),
    );
    list["parameters"] = id("id of the Patient");
    let mut create = operation(
        "addMedia",
        "a photo, video or PDF: as a form, as the body itself, or a finished upload by its id",
        "201",
        "application/json",
        one.clone(),
    );
    create["parameters"] = id("id of the Patient");
    let words = json!({ "title": { "type": "string" }, "created": { "type": "string" }, "operator": { "type": "string" }, "sha256": { "type": "string" } });
    let mut form = json!({ "type": "object", "properties": words, "required": ["file"] });
    form["properties"]["file"] = json!({ "type": "string", "format": "binary" });
    let mut finished = json!({ "type": "object", "properties": words, "required": ["upload"] });
    finished["properties"]["upload"] = json!({ "type": "string", "description": "id or URL of an upload in parts (tus 1.0.0 at /notebook/v1/media/uploads)" });
    create["requestBody"] = json!({ "required": true, "content": {
        "multipart/form-data": { "schema": form }, "application/json": { "schema": finished }, "image/jpeg": {}, "image/png": {},
        "image/heic": {}, "video/mp4": {}, "video/quicktime": {}, "application/pdf": {}
    } });
    paths.insert("/notebook/v1/citizens/{id}/media".to_owned(), json!({ "get": list, "post": create }));
    let of_media = "id of the Media";
    let mut add = |path: &str, mut get: Value, parameters: Value| {
        get["parameters"] = parameters;
        paths.insert(path.to_owned(), json!({ "get": get }));
    };
    add(
        "/notebook/v1/media/{id}",
        operation("media", "one of them", "200", "application/json", one.clone()),
        id(of_media),
    );
    let file = json!({ "type": "string", "format": "binary" });
    let content = operation("mediaContent", "the file, whole or in part (Range)", "200", "*/*", file.clone());
    add("/notebook/v1/media/{id}/content", content, id(of_media));
    let mut sized = id(of_media);
    if let Some(parameters) = sized.as_array_mut() {
        parameters.push(json!({ "name": "size", "in": "query", "schema": { "enum": ["small", "medium", "large"] } }));
    }
    let small =
        operation("thumbnail", "a photo with at most 160, 640 or 1600 pixels a side", "200", "image/jpeg", file);
    add("/notebook/v1/media/{id}/thumbnail", small, sized);
}
