//! Fracture liaison for those who manage it: the registry, time series of indicators, alarms, certifications.
//!
//! `/fls/registry`, `/fls/indicators`, `/fls/alarms`, `/fls/certifications`; JSON, and CSV or NDJSON where a table is
//! asked for (`format=csv`, `Accept: text/csv`).

mod series;
mod table;

use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::Shared;
use super::bundles::encode;
use super::context::{Context, text, too_large};
use super::respond::{begin, not_allowed, rejection};
use crate::access::Interaction;
use crate::engine::{Engine, Rejection};
use crate::fls::Day;
use crate::operations::fls::certifications::{Mapping, import, mapping};
use crate::operations::fls::{acknowledge, catch_up};
use crate::operations::measure::{permit, permit_all};
use crate::r4::outcome::IssueCode;
use crate::r4::reference::is_id;
use crate::store::{Registered, RegistryOrder, RegistryQuery};

const DEFAULT_COUNT: u32 = 100;
const MAX_COUNT: u32 = 10_000;

/// A form a table is answered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Csv,
    Ndjson,
}

/// What a handler answers.
pub(super) struct Reply {
    form: Form,
    body: Vec<u8>,
    next: Option<String>,
}

impl Reply {
    fn json(value: &Value) -> Self {
        Self { form: Form::Json, body: value.to_string().into_bytes(), next: None }
    }
}

/// Everything under `/fls`.
pub(super) async fn handle(request: HttpRequest, payload: Payload, shared: Data<Shared>) -> HttpResponse {
    let context = Context::fallback(&request, &shared);
    let path = request.path().strip_prefix("/fls").unwrap_or_default().trim_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    let method = request.method().as_str();
    let is_read = matches!(method, "GET" | "HEAD");
    let pairs = crate::engine::decode_pairs(request.query_string());
    let wanted = match form(&request, &pairs) {
        Ok(form) => form,
        Err(refusal) => return rejection(&context, &refusal),
    };
    let root = root(&context);
    let pairs: Vec<(String, String)> = pairs.into_iter().filter(|(name, _)| name != "format").collect();
    let result = match parts.as_slice() {
        ["registry"] if is_read => shared.engine.blocking(move |engine| registry(engine, &root, &pairs, wanted)).await,
        ["indicators"] if is_read => {
            shared.engine.blocking(move |engine| series::indicators(engine, &pairs, wanted)).await
        }
        ["alarms"] if is_read => shared.engine.blocking(move |engine| alarms(engine, &root, &pairs, wanted)).await,
        ["alarms", id, "acknowledge"] if method == "POST" => {
            let id = (*id).to_owned();
            match body(payload, 64 << 10).await {
                Ok(body) => shared.engine.blocking(move |engine| noted(engine, &id, &body)).await,
                Err(refusal) => Err(refusal),
            }
        }
        ["certifications"] if method == "POST" => match body(payload, shared.settings.max_body).await {
            Ok(body) => shared.engine.blocking(move |engine| certifications(engine, &pairs, &body)).await,
            Err(refusal) => Err(refusal),
        },
        ["registry" | "indicators" | "alarms"] => return not_allowed(&context, method, "GET, HEAD"),
        ["certifications"] | ["alarms", _, "acknowledge"] => return not_allowed(&context, method, "POST"),
        _ => Err(Rejection::new(
            404,
            IssueCode::NotFound,
            format!(
                "{} is nothing here; there are /fls/registry, /fls/indicators, /fls/alarms and /fls/certifications",
                request.path()
            ),
        )),
    };
    match result {
        Ok(reply) => answer(&context, reply),
        Err(refusal) => rejection(&context, &refusal),
    }
}

fn answer(context: &Context, reply: Reply) -> HttpResponse {
    let media = match reply.form {
        Form::Json => "application/json",
        Form::Csv => "text/csv; charset=utf-8",
        Form::Ndjson => "application/x-ndjson",
    };
    let mut response = begin(200, context);
    response.insert_header((header::CONTENT_TYPE, media)).insert_header((header::CACHE_CONTROL, "no-store"));
    if reply.form == Form::Csv {
        response.insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"fls.csv\""));
    }
    if let Some(next) = reply.next {
        response.insert_header((header::LINK, format!("<{next}>; rel=\"next\"")));
    }
    response.insert_header((header::VARY, "accept, accept-encoding"));
    response.body(reply.body)
}

fn form(request: &HttpRequest, pairs: &[(String, String)]) -> Result<Form, Rejection> {
    if let Some((_, wanted)) = pairs.iter().find(|(name, _)| name == "format") {
        return match wanted.as_str() {
            "json" => Ok(Form::Json),
            "csv" => Ok(Form::Csv),
            "ndjson" => Ok(Form::Ndjson),
            other => Err(wrong("format", other, "json, csv or ndjson is expected")),
        };
    }
    let accept = text(request, &header::ACCEPT).unwrap_or_default();
    Ok(if accept.contains("text/csv") {
        Form::Csv
    } else if accept.contains("ndjson") {
        Form::Ndjson
    } else {
        Form::Json
    })
}

pub(super) async fn body(mut payload: Payload, limit: usize) -> Result<Vec<u8>, Rejection> {
    let mut all = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| Rejection::invalid(format!("the body could not be read: {error}")))?;
        if all.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

fn root(context: &Context) -> String {
    format!("{}/fls", context.base.strip_suffix("/fhir").unwrap_or(&context.base))
}

pub(super) fn unknown(name: &str, known: &str) -> Rejection {
    Rejection::invalid(format!("unknown parameter {name:.64?}（不明なパラメータです）; known here: {known}"))
}

pub(super) fn wrong(name: &str, value: &str, right: &str) -> Rejection {
    Rejection::new(400, IssueCode::Value, format!("{name}={value:.64} is wrong（値が正しくありません）: {right}"))
}

fn count(value: &str) -> Result<u32, Rejection> {
    match value.parse::<u32>() {
        Ok(count) if count > 0 => Ok(count.min(MAX_COUNT)),
        _ => Err(wrong("count", value, "a whole number from 1 to 10000 is expected")),
    }
}

pub(super) fn day(name: &str, value: &str) -> Result<Day, Rejection> {
    Day::parse(value).ok_or_else(|| wrong(name, value, "a date such as 2026-01-31 is expected"))
}

fn truth(name: &str, value: &str) -> Result<bool, Rejection> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(wrong(name, value, "true or false is expected")),
    }
}

/// Key of the Patient that a parameter names.
fn citizen(engine: &Engine, name: &str, value: &str) -> Result<i64, Rejection> {
    let id = value.strip_prefix("Patient/").unwrap_or(value);
    if !is_id(id) {
        return Err(wrong(name, value, "Patient/[id] is expected"));
    }
    let keys = engine.store().liaison_keys(&[id.to_owned()])?;
    keys.first().copied().ok_or_else(|| Rejection::not_found("Patient", id))
}

const PLACES: &str = "follow the link `next`";

fn place<const N: usize>(value: &str) -> Result<[i64; N], Rejection> {
    let parts: Option<Vec<i64>> = value.split(':').map(|part| part.parse().ok()).collect();
    parts.and_then(|parts| parts.try_into().ok()).ok_or_else(|| wrong("after", value, PLACES))
}

fn next_link(root: &str, path: &str, pairs: &[(String, String)], after: &str) -> String {
    let mut link = format!("{root}/{path}?");
    for (name, value) in pairs.iter().filter(|(name, _)| name != "after") {
        link.push_str(&format!("{name}={}&", encode(value)));
    }
    format!("{link}after={after}")
}

fn registry(engine: &Engine, root: &str, pairs: &[(String, String)], form: Form) -> Result<Reply, Rejection> {
    permit(engine)?;
    let mut query = RegistryQuery { count: DEFAULT_COUNT, ..RegistryQuery::default() };
    for (name, value) in pairs {
        match name.as_str() {
            "state" => query.equal.push(("state", value.clone())),
            "activity" => query.equal.push(("activity", value.clone())),
            "owner" => query.equal.push(("owner", value.clone())),
            "facility" => query.equal.push(("facility", value.clone())),
            "municipality" => query.equal.push(("municipality", value.clone())),
            "site" => query.equal.push(("site", value.clone())),
            "episode" => query.equal.push(("id", value.clone())),
            "due-by" => query.due_by = Some(i64::from(day(name, value)?.0)),
            "fractured-from" => query.fractured.0 = Some(i64::from(day(name, value)?.0)),
            "fractured-to" => query.fractured.1 = Some(i64::from(day(name, value)?.0)),
            "overdue" => query.is_overdue = Some(truth(name, value)?),
            "alarm" => query.has_alarm = Some(truth(name, value)?),
            "patient" => query.citizen = Some(citizen(engine, name, value)?),
            "sort" => {
                query.order = match value.as_str() {
                    "due" => RegistryOrder::Due,
                    "fracture" => RegistryOrder::Fracture,
                    "-fracture" => RegistryOrder::LatestFracture,
                    _ => return Err(wrong(name, value, "due, fracture or -fracture is expected")),
                }
            }
            "count" => query.count = count(value)?,
            "after" => {
                let [value, citizen, ordinal] = place::<3>(value)?;
                query.after = Some((value, citizen, ordinal));
            }
            _ => {
                let known = "state, activity, owner, facility, municipality, site, episode, due-by, fractured-from, fractured-to, overdue, alarm, patient, sort, count, after, format";
                return Err(unknown(name, known));
            }
        }
    }
    catch_up(engine)?;
    let size = query.count;
    query.count += 1;
    let found = engine.store().registry_page(&query)?;
    note(engine, &found);
    let (rows, next) = page(found, size, |row| format!("{}:{}:{}", row.place.0, row.place.1, row.place.2))?;
    let next = next.map(|after| next_link(root, "registry", pairs, &after));
    Ok(table::reply(form, "episodes", &rows, table::REGISTRY, next))
}

/// Notes whom rows are about.
fn note(engine: &Engine, rows: &[Registered]) {
    for row in rows {
        engine.trail().content(&row.body);
    }
}

/// The rows of a page, and the position behind it.
fn page(
    mut found: Vec<Registered>,
    size: u32,
    position: impl Fn(&Registered) -> String,
) -> Result<(Vec<Value>, Option<String>), Rejection> {
    let more = found.len() > size as usize;
    found.truncate(size as usize);
    let next = found.last().filter(|_| more).map(position);
    let rows: Result<Vec<Value>, _> = found.iter().map(|row| serde_json::from_slice(&row.body)).collect();
    Ok((rows.map_err(|error| Rejection::internal(format!("a kept row cannot be read: {error}")))?, next))
}

fn alarms(engine: &Engine, root: &str, pairs: &[(String, String)], form: Form) -> Result<Reply, Rejection> {
    permit(engine)?;
    let (mut of, mut acknowledged, mut size, mut after) = (None, None, DEFAULT_COUNT, None);
    for (name, value) in pairs {
        match name.as_str() {
            "patient" => of = Some(citizen(engine, name, value)?),
            "acknowledged" => acknowledged = Some(truth(name, value)?),
            "count" => size = count(value)?,
            "after" => {
                let [since, citizen] = place::<2>(value)?;
                after = Some((since, citizen));
            }
            _ => return Err(unknown(name, "patient, acknowledged, count, after, format")),
        }
    }
    catch_up(engine)?;
    // Room for the rest of the last citizen's alarms: a page ends between citizens.
    let mut found = engine.store().alarm_page(of, None, acknowledged, size + 100, after)?;
    let mut cut = found.len();
    if found.len() > size as usize {
        let last = found.get(size as usize - 1).map(|row| (row.place.0, row.place.1));
        cut = found
            .iter()
            .rposition(|row| Some((row.place.0, row.place.1)) == last)
            .map_or(found.len(), |place| place + 1);
    }
    let more = cut < found.len();
    found.truncate(cut);
    note(engine, &found);
    let position = found.last().filter(|_| more).map(|row| format!("{}:{}", row.place.0, row.place.1));
    let (rows, _) = page(found, u32::MAX, |_| String::new())?;
    let next = position.map(|after| next_link(root, "alarms", pairs, &after));
    Ok(table::reply(form, "alarms", &rows, table::ALARMS, next))
}

fn noted(engine: &Engine, id: &str, body: &[u8]) -> Result<Reply, Rejection> {
    permit(engine)?;
    engine.permit(Interaction::Update, "Flag")?;
    let sent: Value = serde_json::from_slice(body)
        .map_err(|error| Rejection::invalid(format!("{{\"reason\": \"…\", \"who\": \"…\"}} is expected: {error}")))?;
    let member = |name: &str| sent[name].as_str().unwrap_or_default().to_owned();
    acknowledge(engine, id, &member("who"), &member("reason"))?;
    let found = engine.store().alarm_page(None, Some(id), None, 1, None)?;
    let (rows, _) = page(found, 1, |_| String::new())?;
    Ok(Reply::json(&json!({ "alarm": rows.first() })))
}

fn certifications(engine: &Engine, pairs: &[(String, String)], body: &[u8]) -> Result<Reply, Rejection> {
    permit_all(engine)?;
    engine.permit(Interaction::Create, "Observation")?;
    let (mut dry_run, mut columns) = (false, Mapping::default());
    for (name, value) in pairs {
        match name.as_str() {
            "dry-run" => dry_run = truth(name, value)?,
            "mapping" => columns = mapping(value)?,
            _ => return Err(unknown(name, "dry-run, mapping (TOML), format")),
        }
    }
    Ok(Reply::json(&import(engine, body, &columns, dry_run)?.json()))
}
