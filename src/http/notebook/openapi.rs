//! `/notebook/v1/openapi.json`: the notebook API as an OpenAPI 3.1 document, told from the table of
//! [`super::ways`] and the table of entities. What may be sent is the JSON Schema it is checked with.

mod shapes;

use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::ways::{Query, Sends, Tells, WAYS, Way, types_of};
use crate::http::context::Context;
use crate::notebook::model::schema::Form;
use crate::notebook::model::{FieldKind, Mapping, mapping};

/// Stands for the root URL in the prepared text.
const ROOT: &str = "{root}";
const ID: &str = "^[A-Za-z0-9.-]{1,64}$";
const DATE: &str = "^[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|1[0-9]|2[0-8]))?)?$";

/// The document.
pub(super) fn document(context: &Context) -> Bytes {
    static TEXT: OnceLock<String> = OnceLock::new();
    let root = Value::from(super::documents::root(context)).to_string();
    TEXT.get_or_init(|| made().to_string()).replacen(ROOT, root.trim_matches('"'), 1).into()
}

fn made() -> Value {
    let mut paths = Map::new();
    for way in WAYS {
        if way.is_of_entries() {
            way.kinds().into_iter().for_each(|kind| of_kind(way, kind, &mut paths));
        } else {
            add(&mut paths, way.path, way.method, operation(way, None, "", way.id.to_owned()));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "renraku: the contact notebook",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "電子＠連絡帳: JSON over the same resources as FHIR R4",
            "description": INTRODUCTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "servers": [{ "url": ROOT }],
        "tags": [
            { "name": "Notebook", "description": "支援対象者、記事、チーム、予定 / citizens, articles, teams, calendar" },
            { "name": "Entries", "description": "あらゆる種類の記録 / entries of every kind" },
            { "name": "Media", "description": "写真・動画 / photos and videos" }
        ],
        "paths": paths,
        "components": { "parameters": parameters(), "headers": headers(), "responses": responses(), "schemas": shapes::all() }
    })
}

fn add(paths: &mut Map<String, Value>, path: &str, method: &str, operation: Value) {
    let item = paths.entry(format!("/{path}")).or_insert_with(|| json!({}));
    item[method.to_ascii_lowercase()] = operation;
}

/// A way of any kind, for one kind: with several types of resources a path for each.
fn of_kind(way: &Way, kind: &'static Mapping, paths: &mut Map<String, Value>) {
    let name = kind.entity.name;
    let path = way.path.replace("{entity}", name);
    if !way.path.contains("{type}") {
        return add(paths, &path, way.method, operation(way, Some(kind), "", format!("{}.{name}", way.id)));
    }
    for type_name in types_of(kind) {
        let id = format!("{}.{name}.{type_name}", way.id);
        add(paths, &path.replace("{type}", type_name), way.method, operation(way, Some(kind), type_name, id));
    }
}

fn operation(way: &Way, kind: Option<&'static Mapping>, type_name: &str, id: String) -> Value {
    let of = kind.map(|kind| format!("（{} / {}）", kind.entity.ja, kind.entity.en)).unwrap_or_default();
    let tag = match kind {
        Some(_) => "Entries",
        None if way.path.contains("media") => "Media",
        None => "Notebook",
    };
    let mut parameters: Vec<Value> = path_parameters(way, kind);
    parameters.extend(way.query.iter().flat_map(|query| self::query(query, kind)));
    let is_upload = way.path.starts_with("media/uploads");
    if !is_upload {
        parameters.extend(["X-Notebook-Member", "Accept-Language"].map(|name| reference("parameters", name)));
    }
    let mut operation = json!({ "operationId": id, "tags": [tag], "summary": format!("{} / {}{of}", way.ja, way.en) });
    match way.method {
        "PUT" | "PATCH" | "DELETE" if !is_upload && way.path != "articles/{id}/read" => {
            parameters.push(reference("parameters", "If-Match"));
        }
        "HEAD" | "POST" | "PATCH" | "DELETE" if is_upload => upload_parameters(way, &mut parameters),
        _ => {}
    }
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if let Some(body) = body(way, kind, type_name) {
        operation["requestBody"] = body;
    }
    operation["responses"] = answers(way, kind);
    operation
}

fn path_parameters(way: &Way, kind: Option<&'static Mapping>) -> Vec<Value> {
    let named = |step: &str| {
        let name = match step.strip_prefix('{')?.strip_suffix('}')? {
            "entity" | "type" => return None,
            "entry" if kind.is_some_and(Mapping::is_of_items) => "item",
            "id" if way.path.starts_with("citizens/") => "citizen",
            "id" if way.path.starts_with("articles/") => "article",
            "id" if way.path.starts_with("group/") => "group",
            "id" => "file",
            name => name,
        };
        Some(reference("parameters", name))
    };
    way.path.split('/').filter_map(named).collect()
}

fn upload_parameters(way: &Way, parameters: &mut Vec<Value>) {
    let header = |name: &str, is_required: bool, schema: Value| json!({ "name": name, "in": "header", "required": is_required, "schema": schema });
    let number = || json!({ "type": "integer", "minimum": 0 });
    parameters.push(header("Tus-Resumable", true, json!({ "const": "1.0.0" })));
    match way.method {
        "POST" => {
            parameters.push(header("Upload-Length", true, number()));
            let text = json!({ "type": "string", "maxLength": 4096, "pattern": "^[\\x20-\\x7E]*$",
                "description": "names with base64 values: filename, filetype, title, created, operator", "examples": ["filename cGhvdG8uanBn,filetype aW1hZ2UvanBlZw=="] });
            parameters.push(header("Upload-Metadata", false, text));
        }
        "PATCH" => {
            parameters.push(header("Upload-Offset", true, number()));
            let sum = json!({ "type": "string", "pattern": "^(sha1|sha256) [A-Za-z0-9+/]+=*$" });
            parameters.push(header("Upload-Checksum", false, sum));
        }
        _ => {}
    }
}

fn query(query: &Query, kind: Option<&'static Mapping>) -> Vec<Value> {
    let one = |name: &str, description: &str, schema: Value| {
        vec![json!({ "name": name, "in": "query", "description": description, "schema": schema })]
    };
    match query {
        Query::Count => vec![reference("parameters", "count")],
        Query::After => vec![reference("parameters", "after")],
        Query::Date(name, description) => one(name, description, json!({ "type": "string", "pattern": DATE })),
        Query::Reference(name, description, types) => one(name, description, of_type(types)),
        Query::Text(name, description) => one(name, description, json!({ "type": "string", "minLength": 1 })),
        Query::OneOf(name, description, codes) => one(name, description, json!({ "type": "string", "enum": codes() })),
        Query::Fields => fields(kind.or_else(|| mapping("article"))),
    }
}

/// What the list of a kind selects by.
fn fields(kind: Option<&'static Mapping>) -> Vec<Value> {
    let Some(kind) = kind else { return Vec::new() };
    let mut all = Vec::new();
    if kind.entity.fields.iter().any(|field| field.kind == FieldKind::Date) {
        all.extend(query(&Query::Date("from", "not before"), None));
        all.extend(query(&Query::Date("to", "not after"), None));
    }
    all.extend(query(
        &Query::OneOf("order", "newest or oldest first", || vec!["desc".to_owned(), "asc".to_owned()]),
        None,
    ));
    for field in kind.entity.fields {
        let schema = match field.kind {
            FieldKind::Reference(types) => of_type(types),
            FieldKind::Code | FieldKind::Text => json!({ "type": "string", "minLength": 1 }),
            _ => continue,
        };
        all.push(json!({ "name": field.name, "in": "query", "description": format!("{} / {}", field.ja, field.en), "schema": schema }));
    }
    all.extend([reference("parameters", "count"), reference("parameters", "after")]);
    all
}

fn of_type(types: &[&str]) -> Value {
    json!({ "type": "string", "pattern": format!("^({})/[A-Za-z0-9.-]{{1,64}}$", types.join("|")) })
}

/// The name of the schema of what is sent.
fn sent_schema(kind: &Mapping, type_name: &str, form: Form) -> String {
    let of_type =
        if type_name.is_empty() || type_name == kind.resource_type() { String::new() } else { format!(".{type_name}") };
    let part = if form == Form::Part { ".part" } else { "" };
    format!("{}{of_type}{part}", kind.entity.name)
}

fn body(way: &Way, kind: Option<&'static Mapping>, type_name: &str) -> Option<Value> {
    let json_of = |name: &str, form: Form| {
        let media = json!({ "schema": reference("schemas", name) });
        let mut content = json!({ "application/json": media });
        if form == Form::Part {
            content["application/merge-patch+json"] = media;
        }
        json!({ "required": true, "content": content })
    };
    Some(match way.sends {
        Sends::Nothing => return None,
        Sends::Entry(name, form) => json_of(&sent_schema(mapping(name)?, "", form), form),
        Sends::Own(form) => json_of(&sent_schema(kind?, type_name, form), form),
        Sends::Comment => json_of("comment.new", Form::Whole),
        Sends::File => {
            let words = json!({ "title": { "type": "string" }, "created": { "type": "string" }, "operator": { "type": "string" }, "sha256": { "type": "string" } });
            let mut form = json!({ "type": "object", "properties": words, "required": ["file"] });
            form["properties"]["file"] = json!({ "type": "string", "contentMediaType": "application/octet-stream" });
            let mut finished = json!({ "type": "object", "properties": words, "required": ["upload"] });
            finished["properties"]["upload"] =
                json!({ "type": "string", "description": "id or URL of a finished upload in parts" });
            json!({ "required": true, "content": {
                "multipart/form-data": { "schema": form }, "application/json": { "schema": finished }, "image/jpeg": {},
                "image/png": {}, "image/heic": {}, "video/mp4": {}, "video/quicktime": {}, "application/pdf": {}
            } })
        }
        Sends::Part => json!({ "required": true, "content": { "application/offset+octet-stream": {} } }),
    })
}

fn answers(way: &Way, kind: Option<&'static Mapping>) -> Value {
    let mut all = Map::new();
    let name = kind.map_or("", |kind| kind.entity.name);
    let mut told = |status: &str, schema: &str, has_version: bool| {
        let mut answer = json!({ "description": way.en, "content": { "application/json": { "schema": reference("schemas", schema) } } });
        if has_version {
            answer["headers"] =
                json!({ "ETag": reference("headers", "ETag"), "Last-Modified": reference("headers", "Last-Modified") });
        }
        if status == "201" {
            answer["headers"]["Location"] = reference("headers", "Location");
        }
        all.insert(status.to_owned(), answer);
    };
    match way.tells {
        Tells::Json(schema) => told("200", schema, schema.ends_with(".entry") || schema.ends_with(".whole")),
        Tells::Page(schema) => told("200", schema, false),
        Tells::Created(entity) => told("201", &format!("{entity}.entry"), true),
        Tells::Entry => told("200", &format!("{name}.entry"), true),
        Tells::CreatedEntry => told("201", &format!("{name}.entry"), true),
        Tells::List => told("200", &format!("{name}.list"), false),
        Tells::Versions => told("200", &format!("{name}.versions"), false),
        Tells::Deleted if name == "team_member" => told("200", "team_member.entry", true),
        Tells::Deleted => told("200", "deleted", false),
        Tells::CreatedMedia => told("201", "media.file", false),
        Tells::Bytes(media) => {
            let content = json!({ media: { "schema": { "type": "string" } } });
            all.insert("200".to_owned(), json!({ "description": way.en, "content": content }));
        }
        Tells::Headers(status) => {
            all.insert(status.to_owned(), json!({ "description": way.en }));
        }
    }
    if let (Tells::Page(_), Some(answer)) = (way.tells, all.get_mut("200")) {
        answer["content"]["text/html"] = json!({ "schema": { "type": "string" } });
    }
    let is_write = way.sends != Sends::Nothing || matches!(way.method, "DELETE" | "POST" | "PUT");
    let has_id = way.path.contains('{');
    let refusals = [
        ("400", true),
        ("404", has_id),
        ("405", true),
        ("409", is_write),
        ("410", has_id && !way.path.ends_with("{entity}")),
        ("412", is_write),
        ("415", way.sends != Sends::Nothing),
        ("422", is_write),
        ("428", matches!(way.method, "PUT" | "PATCH")),
    ];
    for (status, _) in refusals.into_iter().filter(|(_, is_there)| *is_there) {
        all.insert(status.to_owned(), reference("responses", status));
    }
    all.insert("4XX".to_owned(), reference("responses", "4XX"));
    all.insert("5XX".to_owned(), reference("responses", "5XX"));
    Value::Object(all)
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

fn parameters() -> Value {
    let path = |name: &str, description: &str, pattern: &str| json!({ "name": name, "in": "path", "required": true, "description": description, "schema": { "type": "string", "pattern": pattern } });
    let header = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "header", "description": description, "schema": schema });
    let query = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "query", "description": description, "schema": schema });
    json!({
        "citizen": path("id", "id of the FHIR Patient", ID),
        "article": path("id", "id of the FHIR Communication", ID),
        "group": path("id", "id of the FHIR Group", ID),
        "file": path("id", "id of the FHIR Media", ID),
        "name": path("name", "name of an entity", "^[a-z_]{2,40}$"),
        "upload": path("upload", "id of the upload", "^[0-9a-f]{32}$"),
        "entry": path("entry", "id of the FHIR resource", ID),
        "item": path("entry", "id of the FHIR resource and place of the item in it", "^[A-Za-z0-9.-]{1,64}:[0-9]{1,4}$"),
        "count": query("count", "entries on a page", json!({ "type": "integer", "minimum": 1, "maximum": 500, "default": 50 })),
        "after": query("after", "where the page before ended: follow the link next", json!({ "type": "string" })),
        "X-Notebook-Member": header("X-Notebook-Member", "who acts, where nobody signs in; who signed in acts, whoever is named", of_type(&["Practitioner", "PractitionerRole", "RelatedPerson", "Patient"])),
        "Accept-Language": header("Accept-Language", "the language of messages; both when nothing is said", json!({ "type": "string", "enum": ["ja", "en"] })),
        "If-Match": header("If-Match", "the version that is changed; PUT and PATCH need it, or the member version", json!({ "type": "string", "pattern": "^W/\"[1-9][0-9]{0,9}\"$" })),
    })
}

fn headers() -> Value {
    let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    json!({ "ETag": text("the version, W/\"3\": for If-Match"), "Last-Modified": text("when it was written"), "Location": text("where the entry is") })
}

fn responses() -> Value {
    let mut all = Map::new();
    for (status, description) in [
        ("400", "a parameter, header or body that makes no sense（正しくない要求）"),
        ("404", "nothing of this kind is here（見つかりません）"),
        ("405", "not by this method; Allow lists those that work（このメソッドは使えません）"),
        ("409", "what is there does not allow it（競合）"),
        ("410", "it was deleted; its history is there（削除済み）"),
        ("412", "it changed since it was read（その間に変更されました）"),
        ("415", "another media type is expected（形式が違います）"),
        ("422", "each wrong field and its rule; nothing was stored（項目ごとの誤り）"),
        ("428", "which version is changed must be said（If-Match が必要です）"),
        ("4XX", "the request is refused（拒否）"),
        ("5XX", "the server could not do it（サーバーの失敗）"),
    ] {
        let content = json!({ "application/fhir+json": { "schema": reference("schemas", "OperationOutcome") } });
        all.insert(status.to_owned(), json!({ "description": description, "content": content }));
    }
    Value::Object(all)
}

const INTRODUCTION: &str = "The contact notebook (電子＠連絡帳) of a care team as JSON. Every entry is a FHIR R4 resource: `resource` names its \
version, `/fhir` reads and writes the same, `/openapi.json` describes that side. What is sent is checked with the JSON Schemas below (also at \
`schema/[entity]`); a refusal is an OperationOutcome that names each field and its rule in Japanese and English. PUT and PATCH need the version \
that was read (`If-Match`, or the member `version`), DELETE heeds it; what changed meanwhile is 412. History stays after changes and deletes. \
What a resource holds and the notebook does not show stays in it and is named in `warnings`. Lists go by `next`.";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http::notebook::ways::{Found, find};

    /// Every path of the document is routed by its method, and no other method of it is.
    #[test]
    fn what_is_described_is_what_is_routed() {
        let document = made();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            let filled: Vec<String> = path
                .trim_start_matches('/')
                .split('/')
                .map(|step| match step {
                    "{entry}" => {
                        let parameters =
                            item.as_object().unwrap().values().next().unwrap()["parameters"].as_array().unwrap();
                        let is_item =
                            parameters.iter().any(|parameter| parameter["$ref"] == "#/components/parameters/item");
                        if is_item { "x:0" } else { "x" }.to_owned()
                    }
                    step => step.replace(['{', '}'], ""),
                })
                .collect();
            let parts: Vec<&str> = filled.iter().map(String::as_str).collect();
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                let is_described = item.get(method.to_ascii_lowercase()).is_some();
                match find(method, &parts) {
                    Found::Way(way, _) => {
                        let is_media = matches!(way.does, crate::http::notebook::ways::Does::Media);
                        assert!(is_described || is_media, "{method} {path} is not described");
                        if is_described {
                            let own = WAYS.iter().find(|own| own.path == way.path && own.method == method).unwrap();
                            described.insert((own.path, own.method));
                        }
                    }
                    _ => assert!(!is_described, "{method} {path} is not routed"),
                }
            }
        }
        let all: BTreeSet<(&str, &str)> = WAYS.iter().map(|way| (way.path, way.method)).collect();
        assert_eq!(described, all, "every way is in the document");
    }

    /// References lead somewhere, names of operations are there once, parameters of paths are all said, and the
    /// schemas are schemas.
    #[test]
    fn the_document_is_sound() {
        fn walk(node: &Value, see: &mut impl FnMut(&str, &Value)) {
            match node {
                Value::Object(members) => members.iter().for_each(|(name, value)| {
                    see(name, value);
                    walk(value, see);
                }),
                Value::Array(items) => items.iter().for_each(|item| walk(item, see)),
                _ => {}
            }
        }
        let document = made();
        let mut ids = Vec::new();
        walk(&document, &mut |name, value| {
            if let ("$ref" | "operationId", Some(to)) = (name, value.as_str()) {
                if name == "operationId" {
                    ids.push(to.to_owned());
                } else {
                    assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}");
                }
            }
        });
        let number = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), number);
        assert!(number > 250, "{number}");
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
                let resolved = parameters.iter().map(|parameter| {
                    let to = parameter["$ref"].as_str();
                    to.map_or(parameter, |to| document.pointer(to.trim_start_matches('#')).unwrap())
                });
                let mut in_path: Vec<String> = resolved
                    .filter(|parameter| parameter["in"] == "path")
                    .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
                    .collect();
                let mut named: Vec<String> =
                    path.split('/').filter(|step| step.starts_with('{')).map(str::to_owned).collect();
                in_path.sort_unstable();
                named.sort_unstable();
                assert_eq!(in_path, named, "{method} {path}");
            }
        }
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            assert!(jsonschema::meta::is_valid(schema), "{name}");
        }
    }
}
