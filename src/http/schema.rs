//! JSON Schemas of the resource types, for those who check before they send: `/schema/Patient.json`,
//! `/schema/fhir.json` for all types at once, `/schema` for the list.

use std::sync::OnceLock;

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde_json::json;

use super::Shared;
use super::context::Context;
use super::respond::{not_allowed, outcome};
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};
use crate::validation::schema;

/// Everything under `/schema`.
pub(super) async fn handle(request: HttpRequest, shared: Data<Shared>) -> HttpResponse {
    let context = Context::fallback(&request, &shared);
    if !matches!(request.method().as_str(), "GET" | "HEAD") {
        return not_allowed(&context, request.method().as_str(), "GET, HEAD");
    }
    let name = request.path().strip_prefix("/schema").unwrap_or_default().trim_matches('/').to_owned();
    let made = tokio::task::spawn_blocking(move || body(&name)).await;
    match made {
        Ok(Some(body)) => HttpResponse::Ok()
            .content_type("application/schema+json")
            .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
            .body(body),
        Ok(None) => {
            let text = format!("{} is no schema; /schema lists them, for example /schema/Patient.json", request.path());
            outcome(&context, 404, &[Issue::error(IssueCode::NotFound, text)])
        }
        Err(_) => outcome(&context, 500, &[Issue::error(IssueCode::Exception, "an internal error was caught")]),
    }
}

fn body(name: &str) -> Option<Bytes> {
    static ALL: OnceLock<Bytes> = OnceLock::new();
    match name {
        "" => {
            let names = definitions().resources().iter().map(|id| definitions().get(*id).name.as_str());
            let files: Vec<String> = names.chain(["fhir"]).map(|name| format!("/schema/{name}.json")).collect();
            Some(json!({ "schemas": files }).to_string().into())
        }
        "fhir.json" => Some(ALL.get_or_init(|| schema::of_all().to_string().into()).clone()),
        file => Some(schema::of_type(file.strip_suffix(".json")?)?.to_string().into()),
    }
}
