//! The headers that every answer carries, whatever made it.
//!
//! What a handler says itself stays: pages say what they may load, content is sandboxed, definitions may be kept.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::HttpSettings;

/// HSTS for a year (RFC 6797), where the server speaks TLS itself.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What an answer carries that does not say otherwise: it is kept nowhere (a conditional read needs no cache, only what
/// the client knows), shown in no frame, runs nothing, and no other site is told where a link was.
const UNLESS_SAID: [(HeaderName, HeaderValue); 3] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Puts them on an answer.
pub(super) fn put(settings: &HttpSettings, headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Pages of other sites show nothing of here, whatever element they ask with.
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-site"));
    for (name, value) in UNLESS_SAID {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
    if settings.tls.is_some() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    if settings.is_insecure {
        let value = HeaderValue::from_static("everyone who reaches this server reads and changes everything");
        headers.insert(HeaderName::from_static("x-insecure"), value);
    }
}
