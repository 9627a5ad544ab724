//! Compressed bodies, both ways (RFC 9110 section 8.4, 12.5.3).
//!
//! Answers are compressed when the client asks for it and there is something to gain; small ones where
//! they are, large ones on a thread that may block. Requests are decompressed against the same limit
//! as plain ones: what a body becomes counts, so a small one that becomes huge is refused as soon as
//! it is too large.

use std::io::{Read, Write};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use super::context::{text, too_large};
use super::negotiation::quality;
use super::respond::convert;
use crate::engine::Rejection;
use crate::r4::outcome::IssueCode;

/// Answers below this size gain nothing: they fit in one packet anyway.
const WORTH_IT: u64 = 1024;
/// What a client may send (`Accept-Encoding` of a 415).
pub(super) const TAKEN: &str = "zstd, br, gzip, deflate";
/// Largest window of a zstd frame, 2 to this power: what `zstd -19` needs, and no more memory a request.
const ZSTD_WINDOW: u32 = 24;
/// Memory set aside for what comes out before it is known how much that is.
const START: usize = 64 << 10;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Zstd,
    Brotli,
    Gzip,
    /// In requests only: what it means was never agreed upon.
    Deflate,
}

impl Coding {
    /// Those of answers; of equally wanted ones the first is used.
    const OFFERED: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "zstd" => Self::Zstd,
            "br" => Self::Brotli,
            "gzip" | "x-gzip" => Self::Gzip,
            "deflate" => Self::Deflate,
            _ => return None,
        })
    }

    fn compress(self, body: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(body.len() / 4);
        match self {
            Self::Zstd => return zstd::bulk::compress(body, 3),
            Self::Brotli => brotli::CompressorWriter::new(&mut out, 4096, 4, 20).write_all(body)?,
            Self::Gzip | Self::Deflate => {
                let mut encoder = flate2::write::GzEncoder::new(&mut out, flate2::Compression::new(5));
                encoder.write_all(body)?;
                encoder.finish()?;
            }
        }
        Ok(out)
    }

    fn reader<'b>(self, body: &'b [u8]) -> std::io::Result<Box<dyn Read + 'b>> {
        Ok(match self {
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(body)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Box::new(decoder)
            }
            Self::Brotli => Box::new(brotli::Decompressor::new(body, 4096)),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(body)),
            // RFC 9110 section 8.4.1.2: it has the header of zlib, but some leave that out.
            Self::Deflate if has_zlib_header(body) => Box::new(flate2::bufread::ZlibDecoder::new(body)),
            Self::Deflate => Box::new(flate2::bufread::DeflateDecoder::new(body)),
        })
    }

    /// What a body becomes, if that is not more than `limit`.
    fn decompress(self, body: &[u8], limit: usize) -> Result<Bytes, Rejection> {
        let broken = |error: std::io::Error| {
            Rejection::new(
                400,
                IssueCode::Structure,
                format!("the body is not what Content-Encoding: {} says: {error}", self.name()),
            )
        };
        let mut out = Vec::with_capacity(START.min(limit));
        let mut reader = self.reader(body).map_err(broken)?.take(limit as u64 + 1);
        reader.read_to_end(&mut out).map_err(broken)?;
        if out.len() > limit { Err(too_large(limit)) } else { Ok(out.into()) }
    }
}

fn has_zlib_header(body: &[u8]) -> bool {
    matches!(body, [first, second, ..] if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0)
}

/// The coding of a request's body; none when it is plain.
///
/// # Errors
/// 415 for one that is not known here.
pub(super) fn of_request(request: &HttpRequest) -> Result<Option<Coding>, Rejection> {
    let Some(value) = request.headers().get(header::CONTENT_ENCODING) else { return Ok(None) };
    let name = value.to_str().unwrap_or("?").trim();
    if name.is_empty() || name.eq_ignore_ascii_case("identity") {
        return Ok(None);
    }
    Coding::of(name).map(Some).ok_or_else(|| {
        Rejection::new(
            415,
            IssueCode::NotSupported,
            format!("Content-Encoding {name:?} is not taken here; send one of {TAKEN}, or the body as it is"),
        )
    })
}

/// The body as it was before it was compressed.
///
/// # Errors
/// 413 when it is too large, 400 when it is damaged.
pub(super) async fn decompressed(coding: Option<Coding>, body: Bytes, limit: usize) -> Result<Bytes, Rejection> {
    match coding {
        // What comes out may be large though what comes in is small.
        Some(coding) if !body.is_empty() => convert(usize::MAX, move || coding.decompress(&body, limit)).await,
        _ => Ok(body),
    }
}

/// The coding that a client rather has than the plain body (RFC 9110 section 12.5.3).
fn wanted(accept: &str) -> Option<Coding> {
    let mut found = [None; Coding::OFFERED.len()];
    let (mut any, mut plain) = (None, None);
    for part in accept.split(',') {
        let (name, parameter) = part.split_once(';').unwrap_or((part, ""));
        let name = name.trim();
        let weight = match parameter.trim().split_once('=') {
            Some((letter, value)) if letter.trim().eq_ignore_ascii_case("q") => quality(value.trim()),
            _ => 1000,
        };
        if name == "*" {
            any = Some(weight);
        } else if name.eq_ignore_ascii_case("identity") {
            plain = Some(weight);
        } else if let Some(place) = Coding::OFFERED.iter().position(|offered| Coding::of(name) == Some(*offered))
            && let Some(slot) = found.get_mut(place)
        {
            *slot = Some(weight);
        }
    }
    let mut best: Option<(Coding, u16)> = None;
    for (coding, weight) in Coding::OFFERED.into_iter().zip(found) {
        let weight = weight.or(any).unwrap_or(0);
        if weight > best.map_or(0, |(_, most)| most) {
            best = Some((coding, weight));
        }
    }
    best.filter(|(_, weight)| *weight >= plain.unwrap_or(0)).map(|(coding, _)| coding)
}

/// Whether a media type is text; pictures and videos are compressed already.
fn is_text(media: &str) -> bool {
    let media = media.split(';').next().unwrap_or_default().trim();
    media.starts_with("text/")
        || media.ends_with("json")
        || media.ends_with("xml")
        || matches!(media, "application/javascript" | "image/svg+xml")
}

/// An answer, compressed when the client asks for it and something is gained.
pub(super) async fn encoded(request: &HttpRequest, response: HttpResponse) -> HttpResponse {
    let Some(accept) = text(request, &header::ACCEPT_ENCODING) else { return response };
    let headers = response.headers();
    let is_worth_it = match response.body().size() {
        BodySize::Sized(size) => size >= WORTH_IT,
        BodySize::None | BodySize::Stream => false,
    };
    let media = headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    if !is_worth_it || headers.contains_key(header::CONTENT_ENCODING) || !is_text(media) {
        return response;
    }
    let Some(coding) = wanted(accept) else { return response };
    let (mut response, body) = response.into_parts();
    let body = match body.try_into_bytes() {
        Ok(body) => body,
        Err(body) => return response.set_body(body),
    };
    let plain = body.clone();
    match convert(body.len(), move || coding.compress(&body).map_err(|error| Rejection::internal(error.to_string())))
        .await
    {
        Ok(smaller) if smaller.len() < plain.len() => {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            response.set_body(BoxBody::new(smaller))
        }
        _ => response.set_body(BoxBody::new(plain)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODINGS: [Coding; 3] = Coding::OFFERED;

    #[test]
    fn the_best_coding_is_used() {
        for (accept, coding) in [
            ("gzip", Some(Coding::Gzip)),
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip;q=1.0, br;q=0.5", Some(Coding::Gzip)),
            ("br;q=0, *", Some(Coding::Zstd)),
            ("zstd;q=0, br;q=0, *;q=0.1", Some(Coding::Gzip)),
            ("identity", None),
            ("identity;q=1, gzip;q=0.5", None),
            ("identity;q=0.5, gzip;q=0.5", Some(Coding::Gzip)),
            ("*;q=0", None),
            ("", None),
            ("compress", None),
            ("X-GZIP ; Q=0.3", Some(Coding::Gzip)),
        ] {
            assert_eq!(wanted(accept), coding, "{accept}");
        }
    }

    #[test]
    fn what_is_compressed_comes_back() {
        let body = "見本 花子 ".repeat(5000);
        for coding in CODINGS {
            let small = coding.compress(body.as_bytes()).unwrap();
            assert!(small.len() < body.len() / 10);
            assert_eq!(coding.decompress(&small, body.len()).unwrap(), body.as_bytes(), "{coding:?}");
            let refused = coding.decompress(&small, body.len() - 1).unwrap_err();
            assert_eq!(refused.status, 413, "{coding:?}");
            let cut = small.get(..small.len() / 2).unwrap();
            assert_eq!(coding.decompress(cut, body.len()).unwrap_err().status, 400, "{coding:?}");
            assert_eq!(coding.decompress(b"no such thing", 1000).unwrap_err().status, 400, "{coding:?}");
        }
    }

    #[test]
    fn deflate_is_taken_with_and_without_its_header() {
        let body = b"{\"resourceType\":\"Patient\"}".repeat(10);
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&body).unwrap();
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        raw.write_all(&body).unwrap();
        for small in [zlib.finish().unwrap(), raw.finish().unwrap()] {
            assert_eq!(Coding::Deflate.decompress(&small, 1000).unwrap(), body);
        }
    }
}
