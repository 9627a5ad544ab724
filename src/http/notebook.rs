//! The notebook API, JSON: citizens and their timeline. Texts are Japanese; codes are stable.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::bundles::encode;
use super::context::Context;
use super::respond::{not_allowed, rejection};
use super::{Shared, respond};
use crate::engine::Rejection;
use crate::notebook::category::{CATEGORIES, category};
use crate::r4::datetime::{format_instant, span};
use crate::r4::outcome::IssueCode;
use crate::r4::reference::is_id;
use crate::store::CitizenRow;
use crate::store::notebook::{TimelineEntry, TimelineQuery};

const DEFAULT_COUNT: u32 = 50;
const MAX_COUNT: u32 = 500;

/// Everything under `/notebook/v1`.
pub(super) async fn handle(request: HttpRequest, shared: Data<Shared>) -> HttpResponse {
    let context = Context::fallback(&request, &shared);
    let path = request.path().strip_prefix("/notebook/v1").unwrap_or_default().trim_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    let known =
        matches!(parts.as_slice(), ["citizens"] | ["citizens", _] | ["citizens", _, "timeline"] | ["categories"]);
    if known && !matches!(request.method().as_str(), "GET" | "HEAD") {
        return not_allowed(&context, request.method().as_str(), "GET, HEAD");
    }
    let pairs = crate::engine::decode_pairs(request.query_string());
    let result = match parts.as_slice() {
        ["citizens"] => citizens(&context, &shared, &pairs).await,
        ["citizens", id] => citizen(&context, &shared, id, &pairs).await,
        ["citizens", id, "timeline"] => timeline(&context, &shared, id, &pairs).await,
        ["categories"] => Ok(categories()),
        _ => Err(Rejection::new(404, IssueCode::NotFound, format!("{} is nothing here", request.path()))),
    };
    match result {
        Ok(body) => respond::plain_json(&context, &body),
        Err(refusal) => rejection(&context, &refusal),
    }
}

async fn blocking<T: Send + 'static>(
    shared: &Data<Shared>,
    work: impl FnOnce(&Shared) -> Result<T, Rejection> + Send + 'static,
) -> Result<T, Rejection> {
    let shared = shared.clone();
    tokio::task::spawn_blocking(move || work(&shared))
        .await
        .unwrap_or_else(|_| Err(Rejection::internal("an internal error was caught")))
}

fn unknown_parameter(name: &str, known: &str) -> Rejection {
    Rejection::invalid(format!("unknown parameter {name:?}（不明なパラメータです）; known here: {known}"))
}

fn wrong(name: &str, value: &str, right: &str) -> Rejection {
    Rejection::new(400, IssueCode::Value, format!("{name}={value} is wrong（値が正しくありません）: {right}"))
}

fn count(value: &str) -> Result<u32, Rejection> {
    match value.parse::<u32>() {
        Ok(count) if count > 0 => Ok(count.min(MAX_COUNT)),
        _ => Err(wrong("count", value, "a whole number from 1 to 500 is expected")),
    }
}

fn citizen_json(context: &Context, id: &str, row: &CitizenRow) -> Value {
    json!({
        "id": id,
        "name": row.name,
        "kana": row.kana,
        "birthDate": row.birth_date,
        "gender": row.gender,
        "address": row.address,
        "identifiers": {
            "notebook": row.notebook_id,
            "hospital": row.hospital_id,
            "insured": row.insured_id,
        },
        "fhir": format!("{}/Patient/{id}", context.base),
        "timeline": format!("{}/citizens/{id}/timeline", root(context)),
    })
}

/// The notebook's own base.
fn root(context: &Context) -> String {
    format!("{}/notebook/v1", context.base.strip_suffix("/fhir").unwrap_or(&context.base))
}

async fn citizens(context: &Context, shared: &Data<Shared>, pairs: &[(String, String)]) -> Result<Value, Rejection> {
    let (mut size, mut after) = (DEFAULT_COUNT, 0_i64);
    for (name, value) in pairs {
        match name.as_str() {
            "count" => size = count(value)?,
            "after" => after = value.parse().map_err(|_| wrong(name, value, "follow the link `next`"))?,
            _ => return Err(unknown_parameter(name, "count, after")),
        }
    }
    let mut rows = blocking(shared, move |shared| Ok(shared.engine.store().citizens(after, size + 1)?)).await?;
    let more = rows.len() > size as usize;
    rows.truncate(size as usize);
    let next =
        rows.last().filter(|_| more).map(|(key, ..)| format!("{}/citizens?count={size}&after={key}", root(context)));
    let list: Vec<Value> = rows.iter().map(|(_, id, row)| citizen_json(context, id, row)).collect();
    Ok(json!({ "citizens": list, "next": next }))
}

async fn find(shared: &Data<Shared>, id: &str) -> Result<(i64, CitizenRow), Rejection> {
    let unknown = || {
        Rejection::new(
            404,
            IssueCode::NotFound,
            format!(
                "no citizen {id:?} is known here（該当する方が見つかりません）; the id is the one of the FHIR Patient"
            ),
        )
    };
    if !is_id(id) {
        return Err(unknown());
    }
    let owned = id.to_owned();
    blocking(shared, move |shared| Ok(shared.engine.store().citizen(&owned)?)).await?.ok_or_else(unknown)
}

async fn citizen(
    context: &Context,
    shared: &Data<Shared>,
    id: &str,
    pairs: &[(String, String)],
) -> Result<Value, Rejection> {
    if let Some((name, _)) = pairs.first() {
        return Err(unknown_parameter(name, "none"));
    }
    let (_, row) = find(shared, id).await?;
    Ok(citizen_json(context, id, &row))
}

fn categories() -> Value {
    let list: Vec<Value> =
        CATEGORIES.iter().map(|known| json!({ "code": known.code, "ja": known.ja, "en": known.en })).collect();
    json!({ "categories": list })
}

/// `low:key:ordinal` of the last entry of a page.
fn position(text: &str) -> Option<(i64, i64, i64)> {
    let mut parts = text.split(':').map(str::parse::<i64>);
    let position = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    parts.next().is_none().then_some(position)
}

async fn timeline(
    context: &Context,
    shared: &Data<Shared>,
    id: &str,
    pairs: &[(String, String)],
) -> Result<Value, Rejection> {
    let offset = shared.engine.store().options().default_offset_seconds;
    let mut query = TimelineQuery { count: DEFAULT_COUNT, ..TimelineQuery::default() };
    for (name, value) in pairs {
        let date = || span(value, offset).ok_or_else(|| wrong(name, value, "a date such as 2026-01-31 is expected"));
        match name.as_str() {
            "category" => {
                for code in value.split(',').filter(|code| !code.is_empty()) {
                    if category(code).is_none() {
                        let known: Vec<&str> = CATEGORIES.iter().map(|known| known.code).collect();
                        return Err(wrong(name, code, &format!("known categories are {}", known.join(", "))));
                    }
                    query.categories.push(code.to_owned());
                }
            }
            "from" => query.from = Some(date()?.low),
            "to" => query.to = Some(date()?.high),
            "count" => query.count = count(value)?,
            "after" => query.after = Some(position(value).ok_or_else(|| wrong(name, value, "follow the link `next`"))?),
            _ => return Err(unknown_parameter(name, "category, from, to, count, after")),
        }
    }
    let (key, row) = find(shared, id).await?;
    query.citizen = key;
    let size = query.count;
    query.count += 1;
    let mut entries = blocking(shared, move |shared| Ok(shared.engine.store().timeline(&query)?)).await?;
    let more = entries.len() > size as usize;
    entries.truncate(size as usize);
    let next = entries.last().filter(|_| more).map(|last| {
        let mut link = format!("{}/citizens/{id}/timeline?", root(context));
        for (name, value) in pairs.iter().filter(|(name, _)| name != "after") {
            link.push_str(&format!("{name}={}&", encode(value)));
        }
        format!("{link}after={}:{}:{}", last.entry.happened_low.unwrap_or(i64::MIN), last.key, last.entry.ordinal)
    });
    let list: Vec<Value> = entries.iter().map(|entry| entry_json(context, entry)).collect();
    Ok(json!({ "citizen": citizen_json(context, id, &row), "entries": list, "next": next }))
}

fn entry_json(context: &Context, found: &TimelineEntry) -> Value {
    let entry = &found.entry;
    let name = category(&entry.category);
    let labels: Vec<&str> = entry.labels.split(',').filter(|label| !label.is_empty()).collect();
    json!({
        "category": entry.category,
        "categoryName": { "ja": name.map(|known| known.ja), "en": name.map(|known| known.en) },
        "date": entry.date_text,
        "from": entry.happened_low.map(format_instant),
        "to": entry.happened_high.map(format_instant),
        "title": entry.title,
        "detail": entry.detail,
        "status": entry.status,
        "labels": labels,
        "fhir": format!("{}/{}/{}", context.base, found.resource_type, found.resource_id),
    })
}
