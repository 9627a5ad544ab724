//! What describes the API: JSON Schemas of what is written.

use bytes::Bytes;
use serde_json::json;

use crate::http::context::Context;
use crate::notebook::model::schema::{self, Form};
use crate::notebook::model::{citizen_mapping, mapping, mappings};

/// The list of JSON Schemas.
pub(super) fn schemas(context: &Context) -> (&'static str, Bytes) {
    let root = root(context);
    let known = mappings().iter().chain([citizen_mapping()]).map(|mapping| {
        let entity = mapping.entity;
        json!({ "entity": entity.name, "ja": entity.ja, "en": entity.en, "schema": format!("{root}/schema/{}", entity.name) })
    });
    ("application/json", json!({ "schemas": known.collect::<Vec<_>>() }).to_string().into())
}

/// The JSON Schema of a kind.
pub(super) fn schema(context: &Context, name: &str) -> Option<(&'static str, Bytes)> {
    let name = name.strip_suffix(".json").unwrap_or(name);
    let mut schema = schema::of(mapping(name)?, 0, Form::Whole);
    schema["$id"] = json!(format!("{}/schema/{name}", root(context)));
    Some(("application/schema+json", schema.to_string().into()))
}

/// The notebook's own base.
pub(super) fn root(context: &Context) -> String {
    format!("{}{}", context.base.strip_suffix("/fhir").unwrap_or(&context.base), super::ROOT)
}
