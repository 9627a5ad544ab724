//! JSON Schemas of the resource types, for those who check before they send: `/schema/Patient.json`,
//! `/schema/fhir.json` for all types at once, `/schema` for the list, `/schema/Patient.json?profile=URL` for a profile.

use std::sync::OnceLock;

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde_json::json;

use super::Shared;
use super::context::Context;
use super::respond::{not_allowed, outcome};
use crate::engine::{Engine, Rejection, decode_pairs};
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
    let pairs = decode_pairs(request.query_string());
    let profile = pairs.into_iter().find(|(name, _)| name == "profile").map(|(_, url)| url);
    let is_of_profile = profile.is_some();
    let made = shared
        .engine
        .blocking(move |engine| match profile {
            None => Ok(body(&name)),
            Some(url) => of_profile(engine, &name, &url).map(Some),
        })
        .await;
    match made {
        Ok(Some(body)) if is_of_profile => HttpResponse::Ok()
            .content_type("application/schema+json")
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .body(body),
        Ok(Some(body)) => HttpResponse::Ok()
            .content_type("application/schema+json")
            .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
            .body(body),
        Ok(None) => {
            let text = format!("{} is no schema; /schema lists them, for example /schema/Patient.json", request.path());
            outcome(&context, 404, &[Issue::error(IssueCode::NotFound, text)])
        }
        Err(rejection) => outcome(&context, rejection.status, &rejection.issues),
    }
}

/// Most codes of a binding that a schema lists.
const MAX_CODES: usize = 200;

/// The schema of a profile; `name` is empty or the file of its type.
fn of_profile(engine: &Engine, name: &str, url: &str) -> Result<Bytes, Rejection> {
    let terminology = engine.terminology();
    let codes = |value_set: &str| terminology.few_codes(value_set, MAX_CODES);
    let schema = engine
        .validator()
        .json_schema(url, &codes)
        .map_err(|error| Rejection::new(404, IssueCode::NotFound, format!("profile: {error}")))?;
    let wanted = name.strip_suffix(".json").filter(|name| !name.is_empty());
    let of_type = schema["allOf"][0]["$ref"].as_str().and_then(|pointer| pointer.rsplit('/').next());
    if let (Some(wanted), Some(of_type)) = (wanted, of_type)
        && wanted != of_type
    {
        let text = format!("the profile {url} is about {of_type}, not about {wanted}");
        return Err(Rejection::new(400, IssueCode::Invalid, text));
    }
    Ok(schema.to_string().into())
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
