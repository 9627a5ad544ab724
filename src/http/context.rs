//! What a request asks for beside its path: base URL, format, preferences, conditions, body.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::Shared;
use super::coding::{decompressed, of_request};
use super::negotiation::{Format, accepted, is_xml};
use crate::engine::{JSON_PATCH, PatchFormat, Preconditions, Rejection};
use crate::r4::outcome::IssueCode;
use crate::validation::Language;

/// Bytes read and thrown away beyond the limit, so that the client gets to read its refusal.
const DRAIN: usize = 256 << 20;

/// How long a body may pause.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// `Prefer: return=…` (FHIR R4 http.html#ops).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Return {
    #[default]
    Representation,
    Minimal,
    OperationOutcome,
}

/// Everything of a request but method, path and body.
#[derive(Debug, Clone)]
pub(super) struct Context {
    /// FHIR base without a slash at the end.
    pub(super) base: String,
    pub(super) pretty: bool,
    pub(super) prefer_return: Option<Return>,
    pub(super) lenient: bool,
    /// Decoded query parameters without `_format` and `_pretty`.
    pub(super) pairs: Vec<(String, String)>,
    pub(super) raw_query: String,
    pub(super) request_id: String,
    /// What pages are written in.
    pub(super) language: Language,
    /// How the answer is represented.
    pub(super) format: Format,
}

pub(super) fn text<'a>(request: &'a HttpRequest, name: &header::HeaderName) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// The FHIR base of this server as the client sees it.
fn base(request: &HttpRequest, shared: &Shared) -> String {
    if let Some(base) = &shared.settings.base_url {
        return base.trim_end_matches('/').to_owned();
    }
    let trusted = request.peer_addr().is_some_and(|peer| shared.settings.trusted_proxies.contains(&peer.ip()));
    if trusted {
        let connection = request.connection_info();
        return format!("{}://{}/fhir", connection.scheme(), connection.host());
    }
    let host = text(request, &header::HOST).or_else(|| request.uri().authority().map(|authority| authority.as_str()));
    let scheme = if shared.settings.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{}/fhir", host.unwrap_or("localhost"))
}

/// Where a request comes from: behind trusted proxies the last address that is none of theirs, because what stands
/// before it anybody may have written.
pub(super) fn address(request: &HttpRequest, settings: &super::HttpSettings) -> Option<std::net::IpAddr> {
    let peer = request.peer_addr()?.ip().to_canonical();
    if !settings.trusted_proxies.contains(&peer) {
        return Some(peer);
    }
    let mut last = peer;
    let headers: Vec<&str> =
        request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).collect();
    for part in headers.iter().rev().flat_map(|header| header.rsplit(',')) {
        let text = part.trim();
        let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
        let known =
            bare.parse::<std::net::IpAddr>().or_else(|_| text.parse::<std::net::SocketAddr>().map(|at| at.ip()));
        let Ok(known) = known else { return Some(last) };
        last = known.to_canonical();
        if !settings.trusted_proxies.contains(&last) {
            return Some(last);
        }
    }
    Some(last)
}

/// Longest name of a request that is taken from a client.
const LONGEST_REQUEST_ID: usize = 200;

/// What the client or a proxy calls the request (FHIR R4 http.html#custom), or a name made here: one of this
/// process and a number.
pub(super) fn request_id(request: &HttpRequest) -> String {
    static PROCESS: OnceLock<String> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let given = text(request, &header::HeaderName::from_static("x-request-id"));
    if let Some(given) = given.filter(|given| !given.is_empty() && given.len() <= LONGEST_REQUEST_ID) {
        return given.to_owned();
    }
    let process = PROCESS.get_or_init(|| uuid::Uuid::now_v7().simple().to_string());
    format!("{process}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Context {
    /// A context for answering when the request itself could not be understood.
    pub(super) fn fallback(request: &HttpRequest, shared: &Shared) -> Self {
        Self {
            base: base(request, shared),
            pretty: false,
            prefer_return: None,
            lenient: false,
            pairs: Vec::new(),
            raw_query: String::new(),
            request_id: request_id(request),
            language: text(request, &header::ACCEPT_LANGUAGE).map_or(Language::English, Language::accepted),
            format: Format::default(),
        }
    }

    /// Reads headers and query.
    pub(super) fn read(request: &HttpRequest, shared: &Shared) -> Result<Self, Rejection> {
        let mut context = Self::fallback(request, shared);
        let query = request.query_string();
        let mut format = None;
        if !query.is_empty() {
            query.clone_into(&mut context.raw_query);
            let mut pairs = crate::engine::decode_pairs(query);
            pairs.retain(|(name, value)| match name.as_str() {
                "_format" => {
                    format = Some(value.clone());
                    false
                }
                "_pretty" => {
                    context.pretty = value == "true";
                    false
                }
                _ => true,
            });
            context.pairs = pairs;
        }
        match format {
            Some(format) => context.format = accepted(&format, true)?,
            None => {
                if let Some(accept) = text(request, &header::ACCEPT) {
                    context.format = accepted(accept, false)?;
                } else if !request.headers().contains_key(header::ACCEPT) && sends_xml(request) {
                    // Who says nothing reads what they write.
                    context.format = Format::FhirXml;
                }
            }
        }
        context.pretty |= context.format == Format::Browser;
        for value in request.headers().get_all("prefer") {
            for part in value.to_str().unwrap_or_default().split([',', ';']) {
                match part.trim() {
                    "return=minimal" => context.prefer_return = Some(Return::Minimal),
                    "return=representation" => context.prefer_return = Some(Return::Representation),
                    "return=OperationOutcome" => context.prefer_return = Some(Return::OperationOutcome),
                    "handling=lenient" => context.lenient = true,
                    _ => {}
                }
            }
        }
        Ok(context)
    }
}

/// Whether the body is XML by the request's own word.
pub(super) fn sends_xml(request: &HttpRequest) -> bool {
    let media = text(request, &header::CONTENT_TYPE).and_then(|content_type| content_type.split(';').next());
    media.is_some_and(|media| is_xml(media.trim()))
}

/// Conditional headers. Malformed dates are ignored as RFC 9110 section 13.1.3 demands.
pub(super) fn preconditions(request: &HttpRequest) -> Preconditions {
    // Criteria may come as plain UTF-8. A condition that cannot be read must not be a condition that
    // was not set: what follows refuses what makes no sense.
    let own = |name: header::HeaderName| {
        request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers = request.headers();
    let if_none_exist = header::HeaderName::from_static("if-none-exist");
    if !headers.contains_key(header::IF_MATCH)
        && !headers.contains_key(header::IF_NONE_MATCH)
        && !headers.contains_key(header::IF_MODIFIED_SINCE)
        && !headers.contains_key(&if_none_exist)
    {
        return Preconditions::default();
    }
    Preconditions {
        if_match: own(header::IF_MATCH),
        if_none_match: own(header::IF_NONE_MATCH),
        if_modified_since: text(request, &header::IF_MODIFIED_SINCE)
            .and_then(|date| date.parse::<header::HttpDate>().ok())
            .and_then(|date| std::time::SystemTime::from(date).duration_since(std::time::UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_micros()).ok()),
        if_none_exist: own(if_none_exist),
    }
}

/// Refuses bodies that are neither JSON nor XML by their own word.
pub(super) fn check_content_type(request: &HttpRequest) -> Result<(), Rejection> {
    check_media(request, is_resource)
}

/// Whether a media type is one of FHIR resources.
fn is_resource(media: &str) -> bool {
    is_xml(media)
        || matches!(media, "application/fhir+json" | "application/json" | "application/json+fhir" | "text/json")
}

/// Which patch the body is by its own word (FHIR R4 http.html#patch).
pub(super) fn patch_format(request: &HttpRequest) -> Result<PatchFormat, Rejection> {
    let content_type = text(request, &header::CONTENT_TYPE).unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match media.as_str() {
        JSON_PATCH => check_media(request, |media| media == JSON_PATCH).map(|()| PatchFormat::Json),
        media if is_resource(media) => check_content_type(request).map(|()| PatchFormat::FhirPath),
        _ => Err(Rejection::new(
            415,
            IssueCode::NotSupported,
            format!(
                "Content-Type {content_type:?} is not supported; a patch is {JSON_PATCH} or, as a Parameters resource (FHIRPath Patch), application/fhir+json or application/fhir+xml"
            ),
        )),
    }
}

fn check_media(request: &HttpRequest, known: impl Fn(&str) -> bool) -> Result<(), Rejection> {
    let Some(content_type) = text(request, &header::CONTENT_TYPE) else { return Ok(()) };
    let mut parts = content_type.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default().to_ascii_lowercase();
    let refuse = |why: &str| {
        Err(Rejection::new(
            415,
            IssueCode::NotSupported,
            format!("Content-Type {content_type:?} is not supported; {why}"),
        ))
    };
    if !known(&media) {
        return refuse("send application/fhir+json or application/fhir+xml");
    }
    for parameter in parts {
        let parameter = parameter.to_ascii_lowercase();
        if let Some(charset) = parameter.strip_prefix("charset=")
            && !matches!(charset.trim_matches('"'), "utf-8" | "utf8")
        {
            return refuse("FHIR is always UTF-8");
        }
        if let Some(version) = parameter.strip_prefix("fhirversion=")
            && !matches!(version.trim_matches('"'), "4.0" | "4.0.1")
        {
            return refuse("this server speaks FHIR 4.0 (4.0.1) only");
        }
    }
    Ok(())
}

/// Reads the body up to the limit, which holds for what was sent and for what that becomes.
pub(super) async fn body(payload: &mut Payload, request: &HttpRequest, limit: usize) -> Result<Bytes, Rejection> {
    let coding = of_request(request);
    let sent = sent_body(payload, request, limit).await?;
    decompressed(coding?, sent, limit).await
}

async fn sent_body(payload: &mut Payload, request: &HttpRequest, limit: usize) -> Result<Bytes, Rejection> {
    let announced = text(request, &header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
    // What is announced need not come: room is made for it step by step.
    let mut collected = BytesMut::with_capacity(announced.min(limit).min(1 << 20));
    let mut size = 0_usize;
    let waits_for_leave =
        text(request, &header::EXPECT).is_some_and(|expect| expect.eq_ignore_ascii_case("100-continue"));
    if announced > limit && waits_for_leave {
        return Err(too_large(limit));
    }
    loop {
        let Ok(chunk) = tokio::time::timeout(PATIENCE, payload.next()).await else {
            return Err(Rejection::new(
                408,
                IssueCode::Timeout,
                format!("no more of the body came for {} seconds; send it again", PATIENCE.as_secs()),
            ));
        };
        let Some(chunk) = chunk else { break };
        let chunk = chunk.map_err(|error| Rejection::invalid(format!("the body could not be read: {error}")))?;
        size += chunk.len();
        if size > limit + DRAIN {
            break;
        }
        if size <= limit {
            collected.extend_from_slice(&chunk);
        }
    }
    if size > limit {
        return Err(too_large(limit));
    }
    Ok(collected.freeze())
}

pub(super) fn too_large(limit: usize) -> Rejection {
    Rejection::new(
        413,
        IssueCode::TooLong,
        format!(
            "the body is larger than {} MiB, the limit of this server; send less at once, or load files with `renraku import`",
            limit >> 20
        ),
    )
}
