//! Binary is what it holds (FHIR R4 binary.html#rest): read and written as it is, unless the client asks for,
//! or sends, the resource.

use actix_web::http::header::{self, HeaderName};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::content::{Content, From, announced, drain, ending, receive, serve};
use super::context::{Context, Return, preconditions, text};
use super::respond::{answer, rejection};
use super::{Shared, provenance};
use crate::access::Interaction;
use crate::engine::{Answer, Payload as Body, Preconditions, Rejection};
use crate::format::json::{self, Node};
use crate::r4::outcome::IssueCode;
use crate::r4::reference::is_id;
use crate::store::{Encoding, Hole, Incoming};

/// The header that carries `Binary.securityContext` beside plain content.
const SECURITY_CONTEXT: HeaderName = HeaderName::from_static("x-security-context");

/// How the content of a Binary is asked for.
enum Wish {
    /// As a resource, in so many words.
    Resource,
    /// In JSON or XML of any kind: the resource, unless the content itself is that.
    Other(String),
    /// As it is.
    Content,
}

/// FHIR R4 binary.html#rest: "when a read request is made … that doesn't explicitly specify the FHIR content
/// types, then the content should be returned using the content type stated in the resource".
fn wish(request: &HttpRequest) -> Wish {
    let query = request.query_string();
    if ["_format=", "_summary=", "_elements=", "_pretty="].iter().any(|name| query.contains(name)) {
        return Wish::Resource;
    }
    let accept = text(request, &header::ACCEPT).unwrap_or("*/*").to_ascii_lowercase();
    let named = |name: &str| accept.split(',').any(|range| range.split(';').next().unwrap_or_default().trim() == name);
    if ["application/fhir+json", "application/fhir+xml", "application/json+fhir", "application/xml+fhir"]
        .into_iter()
        .any(named)
    {
        return Wish::Resource;
    }
    match ["application/json", "application/xml", "text/xml"].into_iter().find(|name| named(name)) {
        Some(media) if !named("*/*") => Wish::Other(media.to_owned()),
        _ => Wish::Content,
    }
}

/// `Binary/[id]` and `Binary/[id]/_history/[version]`.
fn target(request: &HttpRequest) -> Option<(&str, Option<&str>)> {
    if !matches!(request.method().as_str(), "GET" | "HEAD") {
        return None;
    }
    let mut parts = request.path().strip_prefix("/fhir/Binary/")?.split('/');
    let id = parts.next().filter(|id| is_id(id))?;
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => Some((id, None)),
        (Some("_history"), Some(version), None) => Some((id, Some(version))),
        _ => None,
    }
}

/// The answer to a read of content; nothing when the request is for something else.
pub(super) async fn read(request: &HttpRequest, shared: &Shared) -> Option<HttpResponse> {
    let (id, version) = target(request)?;
    let wish = wish(request);
    if matches!(wish, Wish::Resource) {
        return None;
    }
    let context = Context::fallback(request, shared);
    let found = match version {
        Some(version) => shared.engine.vread("Binary", id, version, preconditions(request)).await,
        None => shared.engine.read("Binary", id, preconditions(request)).await,
    };
    let found = match found {
        Ok(found) => found,
        Err(refusal) => return Some(rejection(&context, &refusal)),
    };
    if found.status == 304 {
        let tag = found.version.unwrap_or_default();
        let mut response = answer(&context, found, false);
        if let Ok(tag) = header::HeaderValue::from_str(&format!("\"{tag}\"")) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        return Some(response);
    }
    let Body::Resource(body) = &found.payload else { return None };
    shared.engine.trail().content(body);
    let node = match json::parse(body) {
        Ok(node) => node,
        Err(error) => return Some(rejection(&context, &Rejection::internal(error.to_string()))),
    };
    let media = node.text("contentType").unwrap_or("application/octet-stream").to_owned();
    if let Wish::Other(wished) = &wish
        && media.split(';').next().unwrap_or_default().trim() != wished
    {
        return None;
    }
    let security = node.get("securityContext").and_then(|context| context.text("reference")).map(str::to_owned);
    let from = match data(shared, node.text("data").unwrap_or_default()).await {
        Ok(from) => from,
        Err(refusal) => return Some(rejection(&context, &refusal)),
    };
    let content = Content {
        from,
        name: format!("Binary-{id}{}", ending(&media)),
        media,
        tag: found.version.unwrap_or_default().to_string(),
        updated: found.updated.unwrap_or_default(),
    };
    let mut response = serve(&context, request, content);
    if let Some(security) = security.and_then(|security| header::HeaderValue::from_str(&security).ok()) {
        response.headers_mut().insert(SECURITY_CONTEXT, security);
    }
    Some(response)
}

/// What the base64 in a stored resource stands for.
pub(super) async fn data(shared: &Shared, text: &str) -> Result<From, Rejection> {
    let damaged = || Rejection::internal("the data of this resource cannot be read");
    let decoded = |text: &[u8]| {
        let text: Vec<u8> = text.iter().filter(|byte| !byte.is_ascii_whitespace()).copied().collect();
        STANDARD.decode(text).map(Bytes::from).map_err(|_| damaged())
    };
    let Some(Hole { encoding, size, id }) = shared.engine.store().blobs().hole_at(text.as_bytes()) else {
        return decoded(text.as_bytes()).map(From::Memory);
    };
    let content = shared.engine.blocking(move |engine| Ok(engine.store().blobs().open(&id)?)).await?;
    match encoding {
        Encoding::Bytes => Ok(From::Store(content)),
        Encoding::Text => {
            // It came as one body, which is bounded.
            let read = move || -> Result<Vec<u8>, Rejection> {
                let mut text = vec![0; usize::try_from(size).map_err(|_| damaged())?];
                content.read_at(0, &mut text)?;
                Ok(text)
            };
            let text = shared.engine.blocking(move |_| read()).await?;
            decoded(&text).map(From::Memory)
        }
    }
}

/// Whether a body is content by its own word. FHIR's types are looked into: see [`is_content`].
pub(super) fn sends_content(request: &HttpRequest) -> bool {
    let Some(media) = text(request, &header::CONTENT_TYPE) else { return false };
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    !matches!(
        media.as_str(),
        "" | "application/fhir+json"
            | "application/fhir+xml"
            | "application/json+fhir"
            | "application/xml+fhir"
            | "application/json"
            | "application/xml"
            | "text/json"
            | "text/xml"
    )
}

/// FHIR R4 binary.html#rest: content of FHIR's own types is content as well, "except for the special case
/// where the content is actually a Binary resource".
pub(super) fn is_content(body: &[u8]) -> bool {
    json::parse(body).is_ok_and(|node| node.text("resourceType").is_some_and(|name| name != "Binary"))
}

/// `POST Binary`, `PUT Binary/[id]` with content as the body, of any type and up to `max_upload`.
pub(super) async fn write(
    request: &HttpRequest,
    payload: &mut Payload,
    shared: &Shared,
    context: &Context,
    id: Option<&str>,
) -> Result<HttpResponse, Rejection> {
    // Before anything is taken in.
    shared.engine.permit(if id.is_some() { Interaction::Update } else { Interaction::Create }, "Binary")?;
    let limit = shared.settings.max_upload;
    let coding = text(request, &header::CONTENT_ENCODING).map(str::trim).filter(|coding| *coding != "identity");
    let taken = match (coding, announced(request, limit)) {
        (Some(coding), _) => Err(Rejection::new(
            415,
            IssueCode::NotSupported,
            format!("content with Content-Encoding {coding:?} is not taken here; send it as it is"),
        )),
        (None, Err(refusal)) => Err(refusal),
        (None, Ok(_)) => receive(shared, payload, limit, |_| Ok(())).await,
    };
    let incoming = match taken {
        Ok(incoming) => incoming,
        Err(refusal) => {
            drain(payload).await;
            return Err(refusal);
        }
    };
    let media = text(request, &header::CONTENT_TYPE).unwrap_or("application/octet-stream").trim().to_owned();
    let written = store(request, shared, id, media, incoming).await?;
    Ok(said(shared, context, written))
}

/// Content of FHIR's own types that is at hand.
pub(super) async fn write_bytes(
    request: &HttpRequest,
    shared: &Shared,
    context: &Context,
    id: Option<&str>,
    body: Bytes,
) -> Result<HttpResponse, Rejection> {
    let media = text(request, &header::CONTENT_TYPE).unwrap_or("application/fhir+json").trim().to_owned();
    let incoming = shared
        .engine
        .blocking(move |engine| {
            let mut incoming = engine.store().blobs().receive()?;
            std::io::Write::write_all(&mut incoming, &body)
                .map_err(|error| Rejection::from(crate::store::BlobError::from(error)))?;
            Ok(incoming)
        })
        .await?;
    let written = store(request, shared, id, media, incoming).await?;
    Ok(said(shared, context, written))
}

/// The content just sent is not sent back unless the client says so.
fn said(shared: &Shared, context: &Context, written: Answer) -> HttpResponse {
    let prefer_return = context.prefer_return.or(Some(Return::Minimal));
    shared.engine.note_written(&written);
    provenance::answer(&Context { prefer_return, ..context.clone() }, written)
}

async fn store(
    request: &HttpRequest,
    shared: &Shared,
    id: Option<&str>,
    media: String,
    incoming: Incoming,
) -> Result<Answer, Rejection> {
    if incoming.size() == 0 {
        return Err(Rejection::invalid("the body is empty; the content of the Binary is expected"));
    }
    let security = text(request, &SECURITY_CONTEXT).map(str::to_owned);
    let owned = id.map(str::to_owned);
    let body = shared
        .engine
        .blocking(move |engine| {
            let blobs = engine.store().blobs();
            let kept = blobs.keep(incoming)?;
            let hole = Hole { encoding: Encoding::Bytes, size: kept.size, id: kept.id };
            let mut members = vec![("resourceType".into(), Node::String("Binary".into()))];
            members.extend(owned.map(|id| ("id".into(), Node::String(id.into()))));
            members.push(("contentType".into(), Node::String(media.into())));
            if let Some(reference) = security {
                let reference = Node::Object(vec![("reference".into(), Node::String(reference.into()))]);
                members.push(("securityContext".into(), reference));
            }
            members.push(("data".into(), Node::String(blobs.hole(&hole).into())));
            Ok(Bytes::from(Node::Object(members).to_bytes()))
        })
        .await?;
    let conditions: Preconditions = preconditions(request);
    match id {
        Some(id) => shared.engine.update("Binary", id, body, conditions).await,
        None => shared.engine.create("Binary", body, conditions).await,
    }
}
