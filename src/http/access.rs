//! Emergencies and reasons, `/access`: break-glass, disasters, the list of both, its review, and which rule decides.
//!
//! One table of ways routes; `/openapi.json` tells of it.

use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::Value;

use super::Shared;
use super::context::Context;
use super::fls::body;
use super::respond::{begin, not_allowed, rejection};
use crate::engine::{AccessAsked, BreakGlass, Disaster, EmergencyFilter, Engine, GlassReview, Rejection};
use crate::r4::outcome::IssueCode;

/// Largest request.
const LIMIT: usize = 64 << 10;

/// A path and a method.
pub(super) struct Way {
    /// Below `/access`; `{id}` is any one step.
    pub(super) path: &'static str,
    /// `GET` (and HEAD) or `POST`.
    pub(super) method: &'static str,
    /// Name of the operation.
    pub(super) id: &'static str,
    /// What it is for.
    pub(super) summary: &'static str,
    /// Parameters of the URL: name, what it is, whether it must be there.
    pub(super) query: &'static [(&'static str, &'static str, bool)],
    /// Members of the JSON that is sent: name, what it is, whether it must be there.
    pub(super) sends: &'static [(&'static str, &'static str, bool)],
    /// The status when it is well.
    pub(super) status: u16,
    does: fn(&Engine, &Asked) -> Result<Value, Rejection>,
}

/// What came with a request.
#[derive(Default)]
struct Asked {
    id: String,
    pairs: Vec<(String, String)>,
    sent: Value,
}

const fn get(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    query: &'static [(&'static str, &'static str, bool)],
    does: fn(&Engine, &Asked) -> Result<Value, Rejection>,
) -> Way {
    Way { path, method: "GET", id, summary, query, sends: &[], status: 200, does }
}

const fn post(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    status: u16,
    sends: &'static [(&'static str, &'static str, bool)],
    does: fn(&Engine, &Asked) -> Result<Value, Rejection>,
) -> Way {
    Way { path, method: "POST", id, summary, query: &[], sends, status, does }
}

/// All of them.
pub(super) static WAYS: &[Way] = &[
    get(
        "explain",
        "explainAccess",
        "whether somebody may do something with a resource, and which rules decide; for auditors",
        &[
            ("as", "Practitioner/[id], Patient/[id], RelatedPerson/[id]; Organization/[id] for a system of it", true),
            ("do", "create, read, update, delete or search", true),
            ("on", "the resource, Type/[id]", true),
            ("scope", "scopes of the token", false),
        ],
        explain,
    ),
    get(
        "emergencies",
        "emergencies",
        "who broke the glass and what disasters were declared, newest first; for auditors, and for officers of their own citizens",
        &[("unreviewed", "true: only a break-glass that nobody has reviewed", false)],
        emergencies,
    ),
    post(
        "break-glass",
        "breakGlass",
        "reach a citizen for a time, with a purpose and a reason; the team is told",
        201,
        &[
            ("patient", "Patient/[id]", true),
            ("purpose", "BTG or ETREAT", true),
            ("reason", "why, in words", true),
            ("minutes", "how long, 60 when nothing is said", false),
        ],
        |engine, asked| engine.break_glass(&glass(&asked.sent)),
    ),
    post(
        "break-glass/{id}/review",
        "reviewBreakGlass",
        "say what was found of a break-glass (id of its Communication); for auditors, and for officers of their own citizens; not for who broke it",
        200,
        &[("verdict", "justified, unjustified or unclear", true), ("remark", "what was found, in words", true)],
        |engine, asked| engine.review_break_glass(&review(asked)),
    ),
    post(
        "disasters",
        "declareDisaster",
        "let the facilities of a municipality reach its citizens while a disaster lasts; for its officers",
        201,
        &[
            ("municipality", "Organization/[id]", true),
            ("until", "an instant", true),
            ("scope", "area or agreement", true),
            ("notice", "what everybody is told", true),
        ],
        |engine, asked| engine.declare_disaster(&disaster(&asked.sent)),
    ),
    post("disasters/{id}/end", "endDisaster", "end a disaster before its time", 200, &[], |engine, asked| {
        engine.end_disaster(&asked.id)
    }),
];

/// The steps of a path that stand for names, when it is that of the way.
fn caught(way: &Way, parts: &[&str]) -> Option<String> {
    let steps: Vec<&str> = way.path.split('/').collect();
    let fits = steps.len() == parts.len()
        && steps.iter().zip(parts).all(|(step, part)| step == part || (*step == "{id}" && !part.is_empty()));
    let id = steps.iter().zip(parts).find(|(step, _)| **step == "{id}").map_or("", |(_, part)| part);
    fits.then(|| id.to_owned())
}

/// Everything under `/access`.
pub(super) async fn handle(request: HttpRequest, payload: Payload, shared: Data<Shared>) -> HttpResponse {
    let context = Context::fallback(&request, &shared);
    let path = request.path().strip_prefix("/access").unwrap_or_default().trim_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    let method = match request.method().as_str() {
        "HEAD" => "GET",
        method => method,
    };
    let of_path = || WAYS.iter().filter_map(|way| caught(way, &parts).map(|id| (way, id)));
    let Some((way, id)) = of_path().find(|(way, _)| way.method == method) else {
        return match of_path().next() {
            Some((way, _)) => {
                not_allowed(&context, request.method().as_str(), if way.method == "GET" { "GET, HEAD" } else { "POST" })
            }
            None => rejection(&context, &nowhere()),
        };
    };
    match done(&request, payload, &shared, way, id).await {
        Ok(made) => {
            let made = made.to_string();
            shared.engine.trail().content(made.as_bytes());
            let mut response = begin(way.status, &context);
            response.insert_header((header::CONTENT_TYPE, "application/json"));
            response.insert_header((header::CACHE_CONTROL, "no-store"));
            response.body(made)
        }
        Err(refusal) => rejection(&context, &refusal),
    }
}

fn nowhere() -> Rejection {
    let paths: Vec<String> = WAYS.iter().map(|way| format!("/access/{}", way.path)).collect();
    Rejection::new(404, IssueCode::NotFound, format!("there are {}", paths.join(", ")))
}

async fn done(
    request: &HttpRequest,
    payload: Payload,
    shared: &Shared,
    way: &'static Way,
    id: String,
) -> Result<Value, Rejection> {
    let mut asked = Asked { id, pairs: crate::engine::decode_pairs(request.query_string()), ..Asked::default() };
    if let Some((name, _)) = asked.pairs.iter().find(|(name, _)| !way.query.iter().any(|(known, ..)| known == name)) {
        let known: Vec<&str> = way.query.iter().map(|(name, ..)| *name).collect();
        let text = format!("unknown parameter {name:.64?}; known here: {}", known.join(", "));
        return Err(Rejection::invalid(text));
    }
    if !way.sends.is_empty() {
        let bytes = body(payload, LIMIT).await?;
        asked.sent = serde_json::from_slice(&bytes)
            .map_err(|error| Rejection::invalid(format!("the body is no JSON: {error}")))?;
    }
    shared.engine.blocking(move |engine| (way.does)(engine, &asked)).await
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

fn review(asked: &Asked) -> GlassReview {
    GlassReview {
        article: asked.id.clone(),
        verdict: text(&asked.sent, "verdict"),
        remark: text(&asked.sent, "remark"),
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

fn explain(engine: &Engine, asked: &Asked) -> Result<Value, Rejection> {
    let mut wanted = AccessAsked::default();
    for (name, value) in &asked.pairs {
        match name.as_str() {
            "as" => wanted.who.clone_from(value),
            "do" => wanted.what.clone_from(value),
            "on" => wanted.on.clone_from(value),
            _ => wanted.scope = Some(value.clone()),
        }
    }
    engine.trail().content(format!("\"{}\"", wanted.on).as_bytes());
    engine.explain_access(&wanted)
}

fn emergencies(engine: &Engine, asked: &Asked) -> Result<Value, Rejection> {
    let only = match asked.pairs.iter().find(|(name, _)| name == "unreviewed").map(|(_, value)| value.as_str()) {
        None | Some("false") => EmergencyFilter::All,
        Some("true") => EmergencyFilter::Unreviewed,
        Some(_) => return Err(Rejection::invalid("unreviewed is true or false")),
    };
    engine.emergencies(only)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_one_way() {
        let found = |path: &str| -> Vec<&str> {
            let parts: Vec<&str> = path.split('/').collect();
            WAYS.iter().filter(|way| caught(way, &parts).is_some()).map(|way| way.id).collect()
        };
        assert_eq!(found("disasters/x/end"), ["endDisaster"]);
        assert_eq!(found("break-glass"), ["breakGlass"]);
        assert_eq!(found("break-glass/x/review"), ["reviewBreakGlass"]);
        assert!(found("break-glass//review").is_empty() && found("").is_empty() && found("disasters/x").is_empty());
    }
}
