//! The notebook API, JSON: what a path asks for; `operations::notebook` does it.
//!
//! The table of [`ways`] routes; [`openapi`] is told from it.

mod documents;
mod openapi;
mod ways;

use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use self::ways::{Does, Found};
use super::context::{Context, body, check_content_type, preconditions, sends_xml};
use super::respond::{not_allowed, notebook, rejection};
use super::{Shared, media};
use crate::access::audit::Trail;
use crate::engine::Rejection;
use crate::operations::notebook::{Asked, Notebook, Told, Tongue};
use crate::r4::outcome::IssueCode;
use crate::validation::Language;

/// Where the API begins.
pub(super) const ROOT: &str = "/notebook/v1";

/// Does what was asked for.
type Work = Box<dyn FnOnce(&Notebook<'_>) -> Result<Told, Rejection> + Send>;

/// Everything under `/notebook/v1`.
pub(super) async fn handle(request: HttpRequest, mut payload: Payload, shared: Data<Shared>) -> HttpResponse {
    let context = Context::fallback(&request, &shared);
    let path = request.path().strip_prefix(ROOT).unwrap_or_default().trim_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    let method = match request.method().as_str() {
        "HEAD" => "GET",
        method => method,
    };
    let nowhere = || {
        let text =
            format!("{} is nothing here（ここには何もありません）; {ROOT}/openapi.json lists what is", request.path());
        Err(Rejection::new(404, IssueCode::NotFound, text))
    };
    let done = match ways::find(method, &parts) {
        Found::Way(way, caught) => match way.does {
            Does::Audit => {
                let told = super::audit_events::accesses(&request, &shared, &context, caught.id()).await;
                return told.unwrap_or_else(|refusal| rejection(&context, &refusal));
            }
            Does::Media => return media::handle(request, payload, shared).await,
            Does::Ready(make) => match make(&context, &caught) {
                Some((media, body)) => return super::respond::other(&context, 200, media, body),
                None => nowhere(),
            },
            Does::Work(prepare) => match prepare(&caught) {
                Some(work) => run(&request, &mut payload, &shared, &context, work).await,
                None => nowhere(),
            },
        },
        Found::Method(allowed) => return not_allowed(&context, request.method().as_str(), &allowed),
        Found::Nowhere => nowhere(),
    };
    match done {
        Ok(told) => {
            note_told(shared.engine.trail(), &parts, &told);
            notebook(&context, &told)
        }
        Err(refusal) => rejection(&context, &refusal),
    }
}

/// Notes the citizens that an answer names.
fn note_told(trail: &Trail, parts: &[&str], told: &Told) {
    if !trail.is_open() {
        return;
    }
    // One citizen's page is about them alone; lists name theirs.
    if let ["citizens"] = parts {
        let listed = told.body.get("citizens").and_then(|list| list.as_array()).into_iter().flatten();
        let made = told.body.get("id").into_iter();
        for id in listed.filter_map(|citizen| citizen.get("id")).chain(made).filter_map(|id| id.as_str()) {
            trail.citizen(id);
        }
    }
    named(trail, &told.body, 0);
}

fn named(trail: &Trail, value: &serde_json::Value, depth: usize) {
    match value {
        serde_json::Value::Object(members) if depth < 16 => {
            if let Some(citizen) = members.get("citizen").and_then(|citizen| citizen.as_str()) {
                trail.citizen(citizen.strip_prefix("Patient/").unwrap_or(citizen));
            }
            members.values().for_each(|member| named(trail, member, depth + 1));
        }
        serde_json::Value::Array(items) if depth < 16 => items.iter().for_each(|item| named(trail, item, depth + 1)),
        _ => {}
    }
}

async fn run(
    request: &HttpRequest,
    payload: &mut Payload,
    shared: &Shared,
    context: &Context,
    work: Work,
) -> Result<Told, Rejection> {
    let mut asked = Asked {
        member: acting_member(request)?,
        tongue: tongue(request),
        conditions: preconditions(request),
        pairs: crate::engine::decode_pairs(request.query_string()),
        base: context.base.clone(),
        wants_page: wants_page(request),
        body: Bytes::new(),
    };
    if matches!(request.method().as_str(), "POST" | "PUT" | "PATCH") {
        let refused = check_json(request);
        let sent = body(payload, request, shared.settings.max_body).await;
        refused?;
        asked.body = sent?;
    }
    shared.engine.blocking(move |engine| work(&Notebook::new(engine, asked)?)).await
}

/// Who acts. The one place that says so: an authenticated subject takes the header's place.
fn acting_member(request: &HttpRequest) -> Result<Option<String>, Rejection> {
    let Some(value) = request.headers().get("x-notebook-member") else { return Ok(None) };
    let text =
        value.to_str().map_err(|_| Rejection::invalid("X-Notebook-Member is Type/id, such as Practitioner/1"))?;
    Ok(Some(text.trim().to_owned()))
}

/// Whether a page is asked for, as browsers do.
fn wants_page(request: &HttpRequest) -> bool {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = accepted.split(',').map(|media| media.split(';').next().unwrap_or_default().trim());
    first.into_iter().find_map(|media| match media {
        "text/html" | "application/xhtml+xml" => Some(true),
        "application/json" => Some(false),
        _ => None,
    }) == Some(true)
}

/// The language of messages: both where nobody says.
fn tongue(request: &HttpRequest) -> Tongue {
    let header = request.headers().get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    match header {
        None | Some("*" | "") => Tongue::Both,
        Some(header) => match Language::accepted(header) {
            Language::Japanese => Tongue::Japanese,
            Language::English => Tongue::English,
        },
    }
}

/// JSON is taken, by any of its names.
fn check_json(request: &HttpRequest) -> Result<(), Rejection> {
    let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = media.and_then(|media| media.split(';').next()).map(str::trim);
    if media.is_some_and(|media| media.eq_ignore_ascii_case("application/merge-patch+json")) {
        return Ok(());
    }
    if sends_xml(request) {
        return Err(Rejection::new(415, IssueCode::NotSupported, "the notebook takes application/json"));
    }
    check_content_type(request)
}
