//! Which pages of other origins a browser lets read answers (CORS, the Fetch standard section 3.3).
//!
//! Those of the setting `cors_origins`, exactly; by default nobody's. Whoever calls shows a token, never a cookie, so
//! no answer allows credentials. What is public of a server that knows SMART any page may read, as SMART App
//! Launch 2.2 (app-launch.html, considerations for CORS) wants it; the sign-in page none.

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use super::HttpSettings;
use super::context::Context;
use super::respond;
use crate::engine::Rejection;
use crate::r4::outcome::IssueCode;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// What clients send beside what browsers always may: of FHIR R4 http.html, of this server, of tus 1.0.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Accept, Accept-Language, Authorization, Cache-Control, Content-Encoding, Content-Type, If-Match, If-Modified-Since, \
     If-None-Exist, If-None-Match, If-Range, Prefer, Range, X-Explain, X-HTTP-Method-Override, X-Notebook-Member, \
     X-Provenance, X-Request-Id, X-Security-Context, Tus-Resumable, Upload-Checksum, Upload-Length, Upload-Metadata, \
     Upload-Offset",
);
/// What a page may read beside what it always may.
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static(
    "Accept-Ranges, Content-Disposition, Content-Location, Content-Range, ETag, Last-Modified, Link, Location, \
     Retry-After, Warning, WWW-Authenticate, X-Request-Id, X-Security-Context, Tus-Extension, Tus-Max-Size, \
     Tus-Resumable, Tus-Version, Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset",
);
/// Seconds a browser remembers what it was allowed; the longest that all of them take.
const REMEMBERED: HeaderValue = HeaderValue::from_static("7200");

/// The origin a setting names, as browsers write it (RFC 6454 section 6.2).
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn origin(text: &str) -> Result<String, String> {
    let wrong = |why: &str| {
        format!("{text:?} {why}; right is scheme://host or scheme://host:port, for example https://app.example.jp")
    };
    if text == "*" || text.eq_ignore_ascii_case("null") {
        return Err(wrong("would be pages of anybody"));
    }
    let lower = text.to_ascii_lowercase();
    let (scheme, authority) = lower.split_once("://").ok_or_else(|| wrong("is no origin"))?;
    let usual = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return Err(wrong("is of no scheme that browsers send")),
    };
    let authority = authority.strip_suffix(usual).unwrap_or(authority);
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err(wrong("has a port that is no number"));
    }
    let is_address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = match is_address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
    };
    if !is_host {
        let why = if authority.contains('/') {
            "has a path"
        } else {
            "has a host that no browser sends (xn--… for others than ASCII)"
        };
        return Err(wrong(why));
    }
    Ok(format!("{scheme}://{authority}"))
}

/// What a request is to the setting.
#[derive(Debug)]
pub(super) enum Cors {
    /// No page of another origin is known here.
    Off,
    /// It tells of no origin, or of one that may not read.
    Foreign,
    /// Whose pages may read the answer.
    Allowed(HeaderValue),
}

/// What anybody reads before they know a server.
fn is_discovery(path: &str) -> bool {
    path == "/fhir/metadata" || path.starts_with("/fhir/.well-known/") || path.starts_with("/.well-known/")
}

impl Cors {
    pub(super) fn of(request: &ServiceRequest, settings: &HttpSettings) -> Self {
        if settings.cors_origins.is_empty() {
            return Self::Off;
        }
        let mut origins = request.headers().get_all(header::ORIGIN);
        match (origins.next(), origins.next(), request.path()) {
            (Some(_), None, path) if is_discovery(path) => Self::Allowed(HeaderValue::from_static("*")),
            // Nobody but the person at it may press its buttons.
            (_, _, "/auth/authorize") => Self::Foreign,
            (Some(origin), None, _) => {
                let is_known = settings.cors_origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
                if is_known { Self::Allowed(origin.clone()) } else { Self::Foreign }
            }
            _ => Self::Foreign,
        }
    }

    /// Whether a browser asks what it may, before it sends what a page wants sent.
    pub(super) fn is_preflight(&self, request: &ServiceRequest) -> bool {
        !matches!(self, Self::Off)
            && request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ORIGIN)
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// What a browser may.
    pub(super) fn preflight(&self, request: &HttpRequest, context: &Context) -> HttpResponse {
        if matches!(self, Self::Allowed(_)) {
            return HttpResponse::NoContent()
                .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
                .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS))
                .insert_header((header::ACCESS_CONTROL_MAX_AGE, REMEMBERED))
                .finish();
        }
        let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or("…");
        let text = format!("pages of {origin:?} may not use this here; the setting cors_origins names those that may");
        respond::rejection(context, &Rejection::new(403, IssueCode::Forbidden, text))
    }

    /// Says on an answer who may read it.
    pub(super) fn put(self, headers: &mut HeaderMap) {
        if matches!(self, Self::Off) {
            return;
        }
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if let Self::Allowed(origin) = self {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        for (given, read) in [
            ("https://app.example.jp", "https://app.example.jp"),
            ("HTTPS://App.Example.jp:443", "https://app.example.jp"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://[::1]:5173", "http://[::1]:5173"),
            ("https://[::1]", "https://[::1]"),
        ] {
            assert_eq!(origin(given).as_deref(), Ok(read));
        }
    }

    #[test]
    fn what_no_browser_sends_is_refused() {
        for given in [
            "*",
            "null",
            "",
            "app.example.jp",
            "https://",
            "https://*.example.jp",
            "https://app.example.jp/",
            "https://app.example.jp/x",
            "https://a@app.example.jp",
            "https://app.example.jp:x",
            "https://app.example.jp:99999",
            "ftp://app.example.jp",
            "file://x",
            "https://例え.jp",
            "https://[zz]",
            "https://a b",
        ] {
            assert!(origin(given).is_err(), "{given}");
        }
    }
}
