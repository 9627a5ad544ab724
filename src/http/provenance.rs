//! The header `X-Provenance` (FHIR R4 provenance.html#header): from the request to the engine, and where what became of
//! it is, to the answer.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::context::Context;
use super::{Shared, respond};
use crate::engine::{Answer, Rejection};

const NAME: HeaderName = HeaderName::from_static("x-provenance");
/// Links in one answer; the others are found by `Provenance?target=…`.
const MOST_LINKS: usize = 20;

/// What handlers share, for a write that says where it comes from. The header says nothing of what only reads.
pub(super) async fn bound(request: &HttpRequest, shared: &Shared) -> Result<Option<Shared>, Rejection> {
    let mut headers = request.headers().get_all(&NAME);
    let Some(first) = headers.next() else { return Ok(None) };
    if !matches!(request.method().as_str(), "POST" | "PUT" | "PATCH" | "DELETE") || request.path().ends_with("/_search")
    {
        return Ok(None);
    }
    if headers.next().is_some() {
        return Err(Rejection::invalid("the header X-Provenance comes more than once; one Provenance is taken"));
    }
    let text = first.as_bytes().to_vec();
    let engine = shared.engine.blocking(move |engine| engine.with_provenance(&text)).await?;
    Ok(Some(Shared { engine, ..shared.clone() }))
}

/// The answer to a write, with where its Provenance is.
pub(super) fn answer(context: &Context, mut written: Answer) -> HttpResponse {
    let provenances = std::mem::take(&mut written.provenances);
    let mut response = respond::answer(context, written, true);
    link(context, provenances.iter(), response.headers_mut());
    response
}

/// Says where the Provenances of what was written are.
pub(super) fn told<'a>(context: &Context, written: impl Iterator<Item = &'a Answer>, headers: &mut HeaderMap) {
    link(context, written.flat_map(|answer| &answer.provenances), headers);
}

/// W3C PROV-AQ section 3.1.
fn link<'a>(context: &Context, provenances: impl Iterator<Item = &'a String>, headers: &mut HeaderMap) {
    for place in provenances.take(MOST_LINKS) {
        let link = format!("<{}/{place}>; rel=\"http://www.w3.org/ns/prov#has_provenance\"", context.base);
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.append(header::LINK, link);
        }
    }
}
