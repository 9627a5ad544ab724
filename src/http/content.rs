//! Content as it is, not as a resource: sent whole or in part (RFC 9110 section 14), and taken in.
//!
//! What others uploaded is served so that a browser shows it and does nothing else with it: no guessing of
//! types, no scripts, and what is no picture, video or PDF is saved instead of shown.

use std::io::Write;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use futures_util::StreamExt;

use super::Shared;
use super::context::{Context, PATIENCE, text};
use super::filled::{Pieces, Slice, pieces};
use super::respond::{begin, http_date, outcome};
use crate::engine::Rejection;
use crate::r4::outcome::{Issue, IssueCode};
use crate::store::{BlobRead, Incoming};

/// Bytes gathered before they are written: one blocking step for many small pieces.
const GATHERED: usize = 128 << 10;
/// Bytes taken and thrown away after a refusal, so that the client gets to read it.
const DRAIN: usize = 64 << 20;

/// Where content comes from.
pub(super) enum From {
    Memory(Bytes),
    Store(Box<dyn BlobRead>),
}

impl From {
    fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Store(content) => content.size(),
        }
    }

    fn stream(self, from: u64, to: u64) -> Pieces {
        match self {
            Self::Memory(bytes) => {
                let place = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(bytes.len());
                let part = bytes.slice(place(from)..place(to));
                Box::pin(futures_util::stream::iter([Ok(part)]))
            }
            Self::Store(content) => pieces(Slice { content, from, to }),
        }
    }
}

/// Content and what is known of it.
pub(super) struct Content {
    pub(super) from: From,
    /// Media type as its writer said it.
    pub(super) media: String,
    /// What a saved file is called.
    pub(super) name: String,
    /// Strong entity tag, without quotes.
    pub(super) tag: String,
    /// µs since 1970 UTC.
    pub(super) updated: i64,
}

/// What a `Range` header asks for, of so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Whole,
    /// From, and up to but without.
    Part(u64, u64),
    Nothing,
}

/// RFC 9110 section 14.2: what is not understood, and more than one range, may be ignored.
fn asked(range: &str, size: u64) -> Asked {
    let Some(range) = range.trim().strip_prefix("bytes=").filter(|range| !range.contains(',')) else {
        return Asked::Whole;
    };
    let Some((first, last)) = range.trim().split_once('-') else { return Asked::Whole };
    let number = |digits: &str| {
        let digits = digits.trim();
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // One too large for us is beyond any end.
        is_number.then(|| digits.parse::<u64>().unwrap_or(u64::MAX))
    };
    match (number(first), number(last), first.trim().is_empty(), last.trim().is_empty()) {
        (Some(first), Some(last), ..) if last < first => Asked::Whole,
        (Some(first), ..) if first >= size => Asked::Nothing,
        (Some(first), Some(last), ..) => Asked::Part(first, last.saturating_add(1).min(size)),
        (Some(first), None, _, true) => Asked::Part(first, size),
        (None, Some(0), true, _) => Asked::Nothing,
        (None, Some(_), true, _) if size == 0 => Asked::Nothing,
        (None, Some(last), true, _) => Asked::Part(size.saturating_sub(last), size),
        _ => Asked::Whole,
    }
}

/// Whether the part asked for is one of what is there now (RFC 9110 section 13.1.5).
fn is_same(request: &HttpRequest, content: &Content) -> bool {
    let Some(condition) = text(request, &header::IF_RANGE) else { return true };
    let condition = condition.trim();
    if condition.contains('"') {
        return condition == format!("\"{}\"", content.tag);
    }
    condition.parse::<header::HttpDate>().is_ok_and(|date| date == http_date(content.updated))
}

/// Types that a browser shows without any risk, in its sandbox.
fn is_shown(media: &str) -> bool {
    matches!(
        media,
        "image/jpeg"
            | "image/png"
            | "image/gif"
            | "image/webp"
            | "image/heic"
            | "image/heif"
            | "video/mp4"
            | "video/quicktime"
            | "application/pdf"
            | "text/plain"
    )
}

/// The usual ending of files of a type.
pub(super) fn ending(media: &str) -> &'static str {
    match media.split(';').next().unwrap_or_default().trim() {
        "image/jpeg" => ".jpg",
        "image/png" => ".png",
        "image/heic" => ".heic",
        "image/heif" => ".heif",
        "video/mp4" => ".mp4",
        "video/quicktime" => ".mov",
        "application/pdf" => ".pdf",
        "text/plain" => ".txt",
        "application/json" | "application/fhir+json" => ".json",
        "application/xml" | "text/xml" | "application/fhir+xml" => ".xml",
        _ => ".bin",
    }
}

/// RFC 6266 with both forms of the name; nothing in it can end the header or lead out of a folder.
fn disposition(media: &str, name: &str) -> String {
    let kind = if is_shown(media) { "inline" } else { "attachment" };
    let name: String = name
        .chars()
        .filter(|letter| !letter.is_control())
        .map(|letter| if "/\\:*?\"<>|".contains(letter) { '_' } else { letter })
        .take(120)
        .collect();
    let name = name.trim_start_matches('.');
    let plain: String =
        name.chars().map(|letter| if letter.is_ascii() && letter != '%' { letter } else { '_' }).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

fn safely(response: &mut HttpResponseBuilder, content: &Content) {
    let bare = content.media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let media = HeaderValue::from_str(&content.media).ok().filter(|_| bare.contains('/'));
    response
        .insert_header((header::CONTENT_TYPE, media.unwrap_or(HeaderValue::from_static("application/octet-stream"))))
        .insert_header((header::ETAG, format!("\"{}\"", content.tag)))
        .insert_header((header::LAST_MODIFIED, http_date(content.updated)))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CONTENT_DISPOSITION, disposition(&bare, &content.name)))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::VARY, "accept"));
}

/// Content, or the part of it that is asked for.
pub(super) fn serve(context: &Context, request: &HttpRequest, content: Content) -> HttpResponse {
    let size = content.from.size();
    let range = text(request, &header::RANGE).filter(|_| is_same(request, &content));
    let (status, from, to) = match range.map_or(Asked::Whole, |range| asked(range, size)) {
        Asked::Whole => (200, 0, size),
        Asked::Part(from, to) => (206, from, to),
        Asked::Nothing => {
            let issue = Issue::error(
                IssueCode::Value,
                format!("Range lies beyond the end: there are {size} bytes（範囲がファイルの長さを超えています）"),
            );
            let mut response = outcome(context, 416, &[issue]);
            if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
                response.headers_mut().insert(header::CONTENT_RANGE, value);
            }
            return response;
        }
    };
    let mut response = begin(status, context);
    safely(&mut response, &content);
    if status == 206 {
        response.insert_header((header::CONTENT_RANGE, format!("bytes {from}-{}/{size}", to.saturating_sub(1))));
    }
    response.body(SizedStream::new(to.saturating_sub(from), content.from.stream(from, to)))
}

/// 413 for content.
pub(super) fn too_large(limit: u64) -> Rejection {
    Rejection::new(
        413,
        IssueCode::TooLong,
        format!(
            "the content is larger than {limit} bytes, the limit of this server (max_upload)（ファイルが大きすぎます。上限は {limit} バイトです）"
        ),
    )
}

/// The length that is announced, if it may be taken.
pub(super) fn announced(request: &HttpRequest, limit: u64) -> Result<Option<u64>, Rejection> {
    let length = text(request, &header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit) { Err(too_large(limit)) } else { Ok(length) }
}

/// The next bytes of a body; 408 when none come for long.
pub(super) async fn next<S, E>(stream: &mut S, patience: Duration) -> Result<Option<Bytes>, Rejection>
where
    S: futures_util::Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    match tokio::time::timeout(patience, stream.next()).await {
        Err(_) => Err(Rejection::new(
            408,
            IssueCode::Timeout,
            format!("no more of the body came for {} seconds; send it again", patience.as_secs()),
        )),
        Ok(None) => Ok(None),
        Ok(Some(Ok(bytes))) => Ok(Some(bytes)),
        Ok(Some(Err(error))) => Err(Rejection::invalid(format!("the body could not be read: {error}"))),
    }
}

/// Takes content in, a piece at a time, looking at its beginning first. Nothing is left of what is refused.
pub(super) async fn receive<S, E>(
    shared: &Shared,
    stream: &mut S,
    limit: u64,
    check_start: impl FnOnce(&[u8]) -> Result<(), Rejection>,
) -> Result<Incoming, Rejection>
where
    S: futures_util::Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    let mut incoming = shared.engine.blocking(|engine| Ok(engine.store().blobs().receive()?)).await?;
    let room = || Vec::with_capacity(GATHERED + (64 << 10));
    let mut gathered = room();
    let mut check_start = Some(check_start);
    let mut size = 0_u64;
    loop {
        let piece = next(stream, PATIENCE).await?;
        let is_end = piece.is_none();
        if let Some(piece) = piece {
            size += piece.len() as u64;
            if size > limit {
                return Err(too_large(limit));
            }
            gathered.extend_from_slice(&piece);
        }
        if (gathered.len() >= START || is_end)
            && let Some(check) = check_start.take()
        {
            check(&gathered)?;
        }
        if gathered.len() >= GATHERED || is_end {
            let bytes = std::mem::replace(&mut gathered, room());
            incoming = shared
                .engine
                .blocking(move |_| {
                    incoming
                        .write_all(&bytes)
                        .map_err(|error| Rejection::from(crate::store::BlobError::from(error)))?;
                    Ok(incoming)
                })
                .await?;
        }
        if is_end {
            return Ok(incoming);
        }
    }
}

/// Bytes that say what a file is.
pub(super) const START: usize = 4096;

/// Takes what is left of a refused body, for a while.
pub(super) async fn drain(payload: &mut Payload) {
    let mut size = 0;
    while size < DRAIN
        && let Ok(Ok(Some(bytes))) =
            tokio::time::timeout(Duration::from_secs(10), next(payload, Duration::from_secs(5))).await
    {
        size += bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (range, expected) in [
            ("bytes=0-0", Asked::Part(0, 1)),
            ("bytes=2-5", Asked::Part(2, 6)),
            ("bytes=2-", Asked::Part(2, 10)),
            ("bytes=-3", Asked::Part(7, 10)),
            ("bytes=-30", Asked::Part(0, 10)),
            ("bytes=0-99999999999999999999999", Asked::Part(0, 10)),
            ("bytes=10-", Asked::Nothing),
            ("bytes=99999999999999999999999-", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=5-2", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes", Asked::Whole),
            ("items=0-1", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
        ] {
            assert_eq!(asked(range, 10), expected, "{range}");
        }
        assert_eq!(asked("bytes=0-", 0), Asked::Nothing);
        assert_eq!(asked("bytes=-5", 0), Asked::Nothing);
    }

    #[test]
    fn names_of_files_stay_inside_their_header() {
        assert_eq!(
            disposition("image/png", "廊下\r\nX: \"1\"/../段差.png"),
            "inline; filename=\"__X_ _1__.._______.png\"; filename*=UTF-8''%E5%BB%8A%E4%B8%8BX_%20_1__.._%E6%AE%B5%E5%B7%AE.png"
                .replace("_______.png\"", "___.png\"")
        );
        assert!(disposition("text/html", "a.html").starts_with("attachment;"));
        assert!(disposition("image/svg+xml", "a.svg").starts_with("attachment;"));
    }
}
