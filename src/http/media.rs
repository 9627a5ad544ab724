//! Photos, videos and PDFs of citizens: `/notebook/v1/citizens/[id]/media`, `/notebook/v1/media`.
//!
//! A file comes as a form (`multipart/form-data`), as the body itself, or in parts that survive a bad line
//! (`uploads`) and are then named. What it shows and who took it stands beside it. Content leaves whole or in
//! part; pictures also small.

mod small;
mod uploads;

use actix_multipart::Multipart;
use actix_web::http::header;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::Shared;
use super::binary::data;
use super::content::{Content, From, announced, drain, ending, receive, serve};
use super::context::{Context, body, text};
use super::respond::{begin, not_allowed, other, rejection};
use crate::access::Interaction;
use crate::engine::{Payload as Body, Preconditions, Rejection, SearchPlace};
use crate::format::json::{self, Node};
use crate::operations::media::{Sent, check_start, store_file_blocking};
use crate::r4::outcome::IssueCode;
use crate::r4::reference::is_id;
use crate::store::{Incoming, Version};

/// Longest text of a form's field.
const LONGEST_FIELD: usize = 4096;
/// Room in a request for what stands around a file.
const AROUND: u64 = 64 << 10;

/// Everything under `/notebook/v1/media`, and `/notebook/v1/citizens/[id]/media`.
pub(super) async fn handle(request: HttpRequest, mut payload: Payload, shared: Data<Shared>) -> HttpResponse {
    let context = Context::fallback(&request, &shared);
    let path = request.path().strip_prefix("/notebook/v1").unwrap_or_default().trim_matches('/').to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    let method = request.method().as_str();
    let is_read = matches!(method, "GET" | "HEAD");
    let answered = match parts.as_slice() {
        ["media", "uploads", ..] => return uploads::handle(&request, payload, &shared, &context, &parts).await,
        ["citizens", id, "media"] if method == "POST" => {
            let done = create(&request, &mut payload, &shared, &context, id).await;
            if done.is_err() {
                drain(&mut payload).await;
            }
            done
        }
        ["citizens", id, "media"] if is_read => list(&request, &shared, &context, id).await,
        ["citizens", _, "media"] => return not_allowed(&context, method, "GET, HEAD, POST"),
        ["media", _] | ["media", _, "content" | "thumbnail"] if !is_read => {
            return not_allowed(&context, method, "GET, HEAD");
        }
        ["media", id] => one(&shared, &context, id).await,
        ["media", id, "content"] => content(&request, &shared, &context, id).await,
        ["media", id, "thumbnail"] => small::thumbnail(&request, &shared, &context, id).await,
        _ => Err(Rejection::new(404, IssueCode::NotFound, format!("{} is nothing here", request.path()))),
    };
    answered.unwrap_or_else(|refusal| rejection(&context, &refusal))
}

/// The notebook's own base.
fn root(context: &Context) -> String {
    format!("{}/notebook/v1", context.base.strip_suffix("/fhir").unwrap_or(&context.base))
}

fn answered_json(context: &Context, value: &Value) -> HttpResponse {
    other(context, 200, "application/json; charset=utf-8", value.to_string().into())
}

/// Sets a field of what is said beside a file.
fn set(sent: &mut Sent, name: &str, value: &str) -> Result<(), Rejection> {
    let place = match name {
        "title" => &mut sent.title,
        "created" => &mut sent.created,
        "operator" => &mut sent.operator,
        "sha256" => &mut sent.sha256,
        "name" => &mut sent.name,
        other => {
            return Err(Rejection::invalid(format!(
                "unknown field {other:?}（不明な項目です）; known here: file, title, created, operator, sha256, name"
            )));
        }
    };
    *place = Some(value.to_owned()).filter(|value| !value.is_empty());
    Ok(())
}

async fn create(
    request: &HttpRequest,
    payload: &mut Payload,
    shared: &Shared,
    context: &Context,
    citizen: &str,
) -> Result<HttpResponse, Rejection> {
    if !is_id(citizen) {
        return Err(unknown_citizen(citizen));
    }
    for type_name in ["Binary", "Media"] {
        shared.engine.permit(Interaction::Create, type_name)?;
    }
    let limit = shared.settings.max_upload;
    announced(request, limit.saturating_add(AROUND))?;
    // Nobody sends two gigabytes for a citizen who is not here.
    let owned = citizen.to_owned();
    shared
        .engine
        .blocking(move |engine| {
            engine.read_blocking("Patient", &owned).map_err(|refusal| match refusal.status {
                404 | 410 => unknown_citizen(&owned),
                _ => refusal,
            })
        })
        .await?;
    let called = text(request, &header::CONTENT_TYPE).unwrap_or_default().trim().to_owned();
    let media = called.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let mut sent = Sent::default();
    for (name, value) in crate::engine::decode_pairs(request.query_string()) {
        set(&mut sent, &name, &value)?;
    }
    let incoming = match media.as_str() {
        "multipart/form-data" => form(request, payload, shared, &mut sent).await?,
        "application/json" => {
            let bytes = body(payload, request, LONGEST_FIELD * 4).await?;
            let said: Value = serde_json::from_slice(&bytes)
                .map_err(|error| Rejection::invalid(format!("the body is not JSON（JSON ではありません）: {error}")))?;
            let mut upload = None;
            for (name, value) in said.as_object().into_iter().flatten() {
                let value = value
                    .as_str()
                    .ok_or_else(|| Rejection::invalid(format!("{name} must be a text（文字列を指定してください）")))?;
                if name == "upload" {
                    upload = Some(value.to_owned());
                } else {
                    set(&mut sent, name, value)?;
                }
            }
            let Some(upload) = upload else {
                return Err(Rejection::invalid(
                    "upload is missing: the id or URL of a finished upload（アップロードの ID を指定してください）",
                ));
            };
            uploads::finished(shared, &upload, &mut sent).await?
        }
        _ => {
            sent.media = Some(called);
            let checked = sent.clone();
            receive(shared, payload, limit, move |start| check_start(start, &checked).map(|_| ())).await?
        }
    };
    let citizen = citizen.to_owned();
    let stored = shared.engine.blocking(move |engine| store_file_blocking(engine, &citizen, incoming, &sent)).await?;
    let (kind, id) = stored.reference.split_once('/').unwrap_or_default();
    let mut answer = match json::parse(&stored.body) {
        Ok(node) => described(context, kind, id, &node),
        Err(error) => return Err(Rejection::internal(error.to_string())),
    };
    if let Some(members) = answer.as_object_mut() {
        members.insert("placeRemoved".to_owned(), stored.had_place.into());
    }
    let mut response = begin(201, context);
    let location = if kind == "Media" {
        format!("{}/media/{id}", root(context))
    } else {
        format!("{}/{}", context.base, stored.reference)
    };
    response.insert_header((header::LOCATION, location));
    response.insert_header((header::CONTENT_TYPE, "application/json; charset=utf-8"));
    Ok(response.body(answer.to_string()))
}

fn unknown_citizen(id: &str) -> Rejection {
    Rejection::new(
        404,
        IssueCode::NotFound,
        format!("no citizen {id:?} is known here（該当する方が見つかりません）; the id is the one of the FHIR Patient"),
    )
}

/// Takes a form: one file, and texts before or after it.
async fn form(
    request: &HttpRequest,
    payload: &mut Payload,
    shared: &Shared,
    sent: &mut Sent,
) -> Result<Incoming, Rejection> {
    let broken = |error: actix_multipart::MultipartError| {
        Rejection::invalid(format!("the form cannot be read（フォームを読み取れません）: {error}"))
    };
    // The stream is handed through, so that what is left of a refused one can be taken.
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<bytes::Bytes, actix_web::error::PayloadError>>(1);
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    let mut multipart = Multipart::new(request.headers(), Box::pin(stream.fuse()));
    let feed = async {
        while let Some(piece) = payload.next().await {
            if sender.send(piece).await.is_err() {
                break;
            }
        }
        drop(sender);
        std::future::pending::<()>().await;
    };
    let parse = async {
        let mut incoming = None;
        while let Some(field) = multipart.next().await {
            let mut field = field.map_err(broken)?;
            let disposition = field.content_disposition().cloned();
            let name = disposition.as_ref().and_then(|found| found.get_name()).unwrap_or_default().to_owned();
            let file = disposition.as_ref().and_then(|found| {
                found
                    .get_filename_ext()
                    .map(|name| String::from_utf8_lossy(&name.value).into_owned())
                    .or_else(|| found.get_filename().map(str::to_owned))
            });
            if name == "file" || file.is_some() {
                if incoming.is_some() {
                    return Err(Rejection::invalid("one file at a time（ファイルは一つずつ送ってください）"));
                }
                sent.media = field.content_type().map(ToString::to_string);
                if file.is_some() {
                    sent.name = file;
                }
                let checked = sent.clone();
                let check = move |start: &[u8]| check_start(start, &checked).map(|_| ());
                incoming = Some(receive(shared, &mut field, shared.settings.max_upload, check).await?);
                continue;
            }
            let value = field.bytes(LONGEST_FIELD).await.map_err(|_| {
                Rejection::invalid(format!("the field {name} is longer than {LONGEST_FIELD} bytes（長すぎます）"))
            })?;
            let value = value.map_err(broken)?;
            set(sent, &name, &String::from_utf8_lossy(&value))?;
        }
        incoming.ok_or_else(|| Rejection::invalid("the form has no field file（ファイルがありません）"))
    };
    tokio::select! {
        done = parse => done,
        () = feed => Err(Rejection::internal("an internal error was caught")),
    }
}

/// A Media resource in the notebook's words.
fn described(context: &Context, kind: &str, id: &str, node: &Node<'_>) -> Value {
    let (attachment, root) = (attachment(node), root(context));
    let words = |name: &str| attachment.and_then(|attachment| attachment.text(name));
    let number = |node: Option<&Node<'_>>, name: &str| -> Value {
        let found = node.and_then(|node| node.get(name));
        match found {
            Some(Node::Number(digits)) => serde_json::from_str(digits).unwrap_or(Value::Null),
            _ => Value::Null,
        }
    };
    let code = node.get("type").and_then(|kind| kind.list("coding").first()).and_then(|coding| coding.text("code"));
    let media = words("contentType").unwrap_or_default();
    let mut links = serde_json::Map::new();
    if kind == "Media" {
        links.insert("self".to_owned(), format!("{root}/media/{id}").into());
        links.insert("content".to_owned(), format!("{root}/media/{id}/content").into());
        if matches!(media, "image/jpeg" | "image/png") {
            links.insert("thumbnail".to_owned(), format!("{root}/media/{id}/thumbnail").into());
        }
    } else if let Some(url) = words("url") {
        links.insert("content".to_owned(), format!("{}/{url}", context.base).into());
    }
    links.insert("fhir".to_owned(), format!("{}/{kind}/{id}", context.base).into());
    json!({
        "id": id,
        "type": if kind == "Media" { code.unwrap_or_default() } else { "document" },
        "title": words("title"),
        "created": node.text("createdDateTime").or_else(|| node.text("date")),
        "operator": node.get("operator").and_then(|operator| operator.text("reference")),
        "contentType": media,
        "size": number(attachment, "size"),
        "width": number(Some(node), "width"),
        "height": number(Some(node), "height"),
        "duration": number(Some(node), "duration"),
        "links": links,
    })
}

fn attachment<'n, 'a>(node: &'n Node<'a>) -> Option<&'n Node<'a>> {
    match node.get("content") {
        Some(Node::Array(items)) => items.first().and_then(|item| item.get("attachment")),
        found => found,
    }
}

async fn list(
    request: &HttpRequest,
    shared: &Shared,
    context: &Context,
    citizen: &str,
) -> Result<HttpResponse, Rejection> {
    if !is_id(citizen) {
        return Err(unknown_citizen(citizen));
    }
    let mut pairs = vec![
        ("subject".to_owned(), format!("Patient/{citizen}")),
        ("_sort".to_owned(), "-created".to_owned()),
        ("_total".to_owned(), "none".to_owned()),
    ];
    let mut count = "50".to_owned();
    for (name, value) in crate::engine::decode_pairs(request.query_string()) {
        match name.as_str() {
            "count" if value.parse::<u32>().is_ok_and(|count| (1..=500).contains(&count)) => count = value,
            "count" => {
                return Err(Rejection::invalid(format!(
                    "count={value} is wrong（値が正しくありません）: a whole number from 1 to 500 is expected"
                )));
            }
            "after" => pairs.push(("_cursor".to_owned(), value)),
            other => {
                return Err(Rejection::invalid(format!(
                    "unknown parameter {other:?}（不明なパラメータです）; known here: count, after"
                )));
            }
        }
    }
    pairs.push(("_count".to_owned(), count.clone()));
    let owned = citizen.to_owned();
    shared
        .engine
        .blocking(move |engine| engine.read_blocking("Patient", &owned).map_err(|_| unknown_citizen(&owned)))
        .await?;
    let found = shared.engine.search(&SearchPlace::Type("Media".to_owned()), pairs, false).await?;
    let mut media = Vec::new();
    for one in &found.page.matches {
        if let Ok(node) = json::parse(&one.version.body) {
            media.push(described(context, "Media", &one.id, &node));
        }
    }
    let next = found
        .page
        .next
        .as_ref()
        .map(|after| format!("{}/citizens/{citizen}/media?count={count}&after={after}", root(context)));
    Ok(answered_json(context, &json!({ "media": media, "next": next })))
}

/// A Media resource by its id.
async fn read(shared: &Shared, id: &str) -> Result<Version, Rejection> {
    if !is_id(id) {
        return Err(Rejection::not_found("Media", id));
    }
    let found = shared.engine.read("Media", id, Preconditions::default()).await?;
    match found.payload {
        Body::Resource(body) => {
            shared.engine.trail().content(&body);
            Ok(Version {
                version: found.version.unwrap_or_default(),
                updated: found.updated.unwrap_or_default(),
                method: crate::store::Method::Put,
                body,
            })
        }
        _ => Err(Rejection::not_found("Media", id)),
    }
}

async fn one(shared: &Shared, context: &Context, id: &str) -> Result<HttpResponse, Rejection> {
    let version = read(shared, id).await?;
    let node = json::parse(&version.body).map_err(|error| Rejection::internal(error.to_string()))?;
    Ok(answered_json(context, &described(context, "Media", id, &node)))
}

/// What the content of a Media is, wherever it lies.
pub(super) struct Found {
    media: String,
    name: String,
    /// Text that stands for the content: base64, or a hole.
    data: String,
    updated: i64,
    tag: String,
}

/// Finds the content of a Media: in it, or in the Binary it names.
async fn find(shared: &Shared, id: &str) -> Result<Found, Rejection> {
    let version = read(shared, id).await?;
    let internal = |error: json::JsonError| Rejection::internal(error.to_string());
    let node = json::parse(&version.body).map_err(internal)?;
    let attachment = attachment(&node);
    let words = |name: &str| attachment.and_then(|attachment| attachment.text(name)).map(str::to_owned);
    let media = words("contentType").unwrap_or_else(|| "application/octet-stream".to_owned());
    let mut name = words("title").unwrap_or_else(|| format!("Media-{id}"));
    if !name.to_ascii_lowercase().ends_with(ending(&media)) {
        name.push_str(ending(&media));
    }
    let (mut data, mut tag, mut updated) = (words("data"), version.version.to_string(), version.updated);
    if data.is_none()
        && let Some(binary) = words("url").as_deref().and_then(|url| url.strip_prefix("Binary/"))
    {
        let found = shared.engine.read("Binary", binary, Preconditions::default()).await?;
        if let Body::Resource(body) = &found.payload {
            data = json::parse(body).map_err(internal)?.text("data").map(str::to_owned);
        }
        tag.push_str(&format!("-{}", found.version.unwrap_or_default()));
        updated = updated.max(found.updated.unwrap_or_default());
    }
    let data = data.ok_or_else(|| {
        Rejection::new(
            404,
            IssueCode::NotFound,
            format!("the content of Media/{id} is not here（ファイルがありません）"),
        )
    })?;
    if let Some(hole) = shared.engine.store().blobs().hole_at(data.as_bytes()) {
        tag = hole.id.to_string();
    }
    Ok(Found { media, name, data, updated, tag })
}

/// 304 when the client has it.
fn unchanged(request: &HttpRequest, context: &Context, tag: &str) -> Option<HttpResponse> {
    let known = text(request, &header::IF_NONE_MATCH)?;
    let quoted = format!("\"{tag}\"");
    let is_known = known.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == quoted);
    is_known.then(|| begin(304, context).insert_header((header::ETAG, quoted)).finish())
}

async fn content(
    request: &HttpRequest,
    shared: &Shared,
    context: &Context,
    id: &str,
) -> Result<HttpResponse, Rejection> {
    let Found { media, name, data: text, updated, tag } = find(shared, id).await?;
    if let Some(response) = unchanged(request, context, &tag) {
        return Ok(response);
    }
    let from: From = data(shared, &text).await?;
    Ok(serve(context, request, Content { from, media, name, tag, updated }))
}
