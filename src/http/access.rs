//! Emergencies and reasons, `/access`: break-glass, disasters, the list of both for review, and which rule decides.

use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use super::Shared;
use super::context::Context;
use super::fls::body;
use super::respond::{begin, not_allowed, rejection};
use crate::engine::{AccessAsked, BreakGlass, Disaster, Engine, Rejection};
use crate::r4::outcome::IssueCode;

/// Largest request.
const LIMIT: usize = 64 << 10;

/// Everything under `/access`.
pub(super) async fn handle(request: HttpRequest, payload: Payload, shared: Data<Shared>) -> HttpResponse {
    let context = Context::fallback(&request, &shared);
    let path = request.path().strip_prefix("/access").unwrap_or_default().trim_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    let method = request.method().as_str();
    let is_read = matches!(method, "GET" | "HEAD");
    let pairs = crate::engine::decode_pairs(request.query_string());
    let result = match parts.as_slice() {
        ["explain"] if is_read => {
            shared.engine.blocking(move |engine| explain(engine, &pairs)).await.map(|made| (200, made))
        }
        ["emergencies"] if is_read => shared.engine.blocking(Engine::emergencies).await.map(|made| (200, made)),
        ["break-glass"] if method == "POST" => match read(payload).await {
            Ok(sent) => {
                shared.engine.blocking(move |engine| engine.break_glass(&glass(&sent))).await.map(|made| (201, made))
            }
            Err(refusal) => Err(refusal),
        },
        ["disasters"] if method == "POST" => match read(payload).await {
            Ok(sent) => shared
                .engine
                .blocking(move |engine| engine.declare_disaster(&disaster(&sent)))
                .await
                .map(|made| (201, made)),
            Err(refusal) => Err(refusal),
        },
        ["disasters", id, "end"] if method == "POST" => {
            let id = (*id).to_owned();
            shared.engine.blocking(move |engine| engine.end_disaster(&id)).await.map(|made| (200, made))
        }
        ["explain" | "emergencies"] => return not_allowed(&context, method, "GET, HEAD"),
        ["break-glass" | "disasters"] | ["disasters", _, "end"] => return not_allowed(&context, method, "POST"),
        _ => Err(Rejection::new(
            404,
            IssueCode::NotFound,
            "there are /access/explain, /access/emergencies, /access/break-glass and /access/disasters",
        )),
    };
    match result {
        Ok((status, made)) => {
            let made = made.to_string();
            shared.engine.trail().content(made.as_bytes());
            let mut response = begin(status, &context);
            response.insert_header((header::CONTENT_TYPE, "application/json"));
            response.insert_header((header::CACHE_CONTROL, "no-store"));
            response.body(made)
        }
        Err(refusal) => rejection(&context, &refusal),
    }
}

async fn read(payload: Payload) -> Result<Value, Rejection> {
    let bytes = body(payload, LIMIT).await?;
    serde_json::from_slice(&bytes).map_err(|error| Rejection::invalid(format!("the body is no JSON: {error}")))
}

fn text(sent: &Value, name: &str) -> String {
    sent.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The id in `Patient/x`, or an id.
fn id(sent: &Value, name: &str, type_name: &str) -> String {
    let text = text(sent, name);
    text.strip_prefix(&format!("{type_name}/")).unwrap_or(&text).to_owned()
}

fn glass(sent: &Value) -> BreakGlass {
    BreakGlass {
        patient: id(sent, "patient", "Patient"),
        purpose: text(sent, "purpose"),
        reason: text(sent, "reason"),
        // What is no whole number is refused as one out of range.
        minutes: sent.get("minutes").map(|value| value.as_i64().unwrap_or(-1)),
    }
}

fn disaster(sent: &Value) -> Disaster {
    Disaster {
        municipality: id(sent, "municipality", "Organization"),
        until: text(sent, "until"),
        scope: text(sent, "scope"),
        notice: text(sent, "notice"),
    }
}

fn explain(engine: &Engine, pairs: &[(String, String)]) -> Result<Value, Rejection> {
    let mut asked = AccessAsked::default();
    for (name, value) in pairs {
        match name.as_str() {
            "as" => asked.who.clone_from(value),
            "do" => asked.what.clone_from(value),
            "on" => asked.on.clone_from(value),
            "scope" => asked.scope = Some(value.clone()),
            _ => {
                let text = format!("unknown parameter {name:.64?}; known here: as, do, on, scope");
                return Err(Rejection::invalid(text));
            }
        }
    }
    engine.explain_access(&asked)
}
