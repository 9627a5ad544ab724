//! `/openapi.json`: the whole API as an OpenAPI 3.1 document, made from the tables that serve it: resource
//! types, search parameters, operations. The notebook has one of its own (`http/notebook/openapi`). Made once for a registry of search parameters. `?type=Patient,Observation` narrows it to some types and
//! brings their whole schemas along; without it a schema says the type only and points at `/schema/…`,
//! because all of them are 2 MB.

mod examples;
mod fhir;
mod operation;
mod other;
mod parts;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::Shared;
use super::context::Context;
use super::respond::{not_allowed, outcome, rejection};
use crate::engine::Rejection;
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};
use crate::search::registry::Registry;

/// Stands for the root URL in the prepared text.
const ROOT: &str = "{root}";
/// Most types of a narrowed document.
const MOST_TYPES: usize = 20;

/// `GET /openapi.json`
pub(super) async fn handle(request: HttpRequest, shared: Data<Shared>) -> HttpResponse {
    let context = Context::fallback(&request, &shared);
    if !matches!(request.method().as_str(), "GET" | "HEAD") {
        return not_allowed(&context, request.method().as_str(), "GET, HEAD");
    }
    let types = match types(&crate::engine::decode_pairs(request.query_string())) {
        Ok(types) => types,
        Err(refusal) => return rejection(&context, &refusal),
    };
    let root = context.base.strip_suffix("/fhir").unwrap_or(&context.base).to_owned();
    let registry = shared.engine.store().registry();
    let is_audited = shared.engine.audit().is_some();
    let made = tokio::task::spawn_blocking(move || body(&types, &root, &registry, is_audited)).await;
    match made {
        Ok(body) => HttpResponse::Ok()
            .content_type("application/json")
            .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
            .body(body),
        Err(_) => outcome(&context, 500, &[Issue::error(IssueCode::Exception, "an internal error was caught")]),
    }
}

/// The types that `type` names; none for all.
fn types(pairs: &[(String, String)]) -> Result<Vec<String>, Rejection> {
    let mut types = Vec::new();
    for (name, value) in pairs {
        if name != "type" {
            return Err(Rejection::invalid(format!("openapi.json takes the parameter type, not {name:.64?}")));
        }
        for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if definitions().resource(name).is_none() {
                return Err(Rejection::invalid(format!("{name:.64?} is not a resource type of FHIR R4 (4.0.1)")));
            }
            if !types.iter().any(|known| known == name) {
                types.push(name.to_owned());
            }
        }
    }
    if types.len() > MOST_TYPES {
        return Err(Rejection::invalid(format!("at most {MOST_TYPES} types can be named; all are there without type")));
    }
    Ok(types)
}

/// The whole document as it was last made: by which parameters, and whether an audit was kept.
type Made = (Arc<Registry>, bool, Arc<String>);

fn body(types: &[String], root: &str, registry: &Arc<Registry>, is_audited: bool) -> Bytes {
    static WHOLE: Mutex<Option<Made>> = Mutex::new(None);
    let known = WHOLE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let text = match known {
        _ if !types.is_empty() => Arc::new(document(types, registry, is_audited).to_string()),
        Some((by, audited, text)) if Arc::ptr_eq(&by, registry) && audited == is_audited => text,
        _ => {
            let text = Arc::new(document(&[], registry, is_audited).to_string());
            *WHOLE.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((Arc::clone(registry), is_audited, Arc::clone(&text)));
            text
        }
    };
    let quoted = Value::from(root).to_string();
    let inner = quoted.trim_matches('"');
    text.replacen(ROOT, inner, 1).into()
}

/// The document; all types when none is named.
fn document(named: &[String], registry: &Registry, is_audited: bool) -> Value {
    let all = definitions();
    let names: Vec<&str> = match named {
        [] => all.resources().iter().map(|id| all.get(*id).name.as_str()).collect(),
        some => some.iter().map(String::as_str).collect(),
    };
    let mut paths = Map::new();
    fhir::system(&mut paths);
    for name in &names {
        if is_audited && *name == "AuditEvent" {
            fhir::of_audit(&mut paths);
        } else {
            fhir::of_type(name, registry, &mut paths);
        }
    }
    operation::all(&names, !named.is_empty(), &mut paths);
    other::all(&mut paths);
    let tags: Vec<Value> = ["System", "Access", "Fracture liaison", "Service"]
        .iter()
        .chain(&names)
        .map(|name| json!({ "name": name }))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "renraku",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "HL7 FHIR R4 (4.0.1) and the contact notebook of a care team",
            "description": INTRODUCTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "externalDocs": { "description": "the contact notebook: an OpenAPI document of its own", "url": "/notebook/v1/openapi.json" },
        "servers": [{ "url": ROOT }],
        "tags": tags,
        "paths": paths,
        "components": parts::components(&names, !named.is_empty(), registry)
    })
}

const INTRODUCTION: &str = "Every answer that is not 2xx or 3xx carries an OperationOutcome. Representations are JSON and XML, chosen by \
`Accept` or `_format`. Search parameters may be given several times (all must hold) with values separated by commas (one must hold); \
modifiers (`name:exact`), chains (`subject:Patient.name`), `_has` and composites are as in FHIR R4 search.html and are not \
spelled out here. `GET /fhir/metadata` says the same as a CapabilityStatement. `/openapi.json?type=Patient,Observation` narrows \
this document to some types and brings their schemas along; `/schema/Patient.json` has each schema alone.";
