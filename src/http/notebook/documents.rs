//! What describes the API: JSON Schemas of what is written.

use serde_json::json;

use super::Route;
use crate::http::context::Context;
use crate::notebook::model::schema::{self, Form};
use crate::notebook::model::{citizen_mapping, mapping, mappings};

pub(super) fn route(method: &str, parts: &[&str], context: &Context) -> Route {
    let root = root(context);
    let route = match parts {
        ["schema"] => {
            let known = mappings().iter().chain([citizen_mapping()]).map(|mapping| {
                let entity = mapping.entity;
                json!({ "entity": entity.name, "ja": entity.ja, "en": entity.en, "schema": format!("{root}/schema/{}", entity.name) })
            });
            Route::Ready("application/json", json!({ "schemas": known.collect::<Vec<_>>() }).to_string().into())
        }
        ["schema", name] => {
            let name = name.strip_suffix(".json").unwrap_or(name);
            let Some(mapping) = mapping(name) else { return Route::Nowhere };
            let mut schema = schema::of(mapping, 0, Form::Whole);
            schema["$id"] = json!(format!("{root}/schema/{name}"));
            Route::Ready("application/schema+json", schema.to_string().into())
        }
        _ => return Route::Nowhere,
    };
    if method == "GET" { route } else { Route::Method("GET, HEAD") }
}

/// The notebook's own base.
pub(super) fn root(context: &Context) -> String {
    format!("{}{}", context.base.strip_suffix("/fhir").unwrap_or(&context.base), super::ROOT)
}
