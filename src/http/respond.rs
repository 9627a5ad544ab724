//! From the engine's answers to HTTP responses.

use std::time::{Duration, UNIX_EPOCH};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;

use super::context::{Context, Return};
use super::negotiation::Format;
use super::page;
use crate::engine::{Answer, Payload, Rejection};
use crate::format::json;
use crate::r4::outcome::{Issue, IssueCode, operation_outcome};
use crate::xml::{parse_xml, write_xml};

/// An HTTP date of µs since 1970 UTC.
pub(super) fn http_date(micros: i64) -> header::HttpDate {
    (UNIX_EPOCH + Duration::from_secs(u64::try_from(micros / 1_000_000).unwrap_or(0))).into()
}

pub(super) fn begin(status: u16, context: &Context) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    response.insert_header(("X-Request-Id", context.request_id.as_str()));
    response
}

/// What the representation of an answer depends on beside the URL (RFC 9110 section 12.5.5).
const VARY: header::HeaderValue = header::HeaderValue::from_static("accept, accept-encoding");

/// A response with a resource as its body, indented when the client asked for it. Bodies are JSON
/// until [`represent`] makes them what the client wants.
pub(super) fn json_body(mut response: HttpResponseBuilder, context: &Context, body: Bytes) -> HttpResponse {
    response.insert_header((header::CONTENT_TYPE, context.format.content_type()));
    response.insert_header((header::VARY, VARY));
    if context.pretty
        && context.format.is_json()
        && let Ok(node) = json::parse(&body)
    {
        let mut indented = Vec::with_capacity(body.len() * 2);
        node.write_pretty(&mut indented, 0);
        indented.push(b'\n');
        return response.body(indented);
    }
    response.body(body)
}

/// 200 with a resource that is not stored (a Bundle, the CapabilityStatement).
pub(super) fn resource(context: &Context, status: u16, body: impl Into<Bytes>) -> HttpResponse {
    json_body(begin(status, context), context, body.into())
}

/// An OperationOutcome.
pub(super) fn outcome(context: &Context, status: u16, issues: &[Issue]) -> HttpResponse {
    resource(context, status, issues_body(context, status, issues))
}

/// The body of an OperationOutcome. Of what failed here it says the name of the request, and so does the log.
fn issues_body(context: &Context, status: u16, issues: &[Issue]) -> Bytes {
    if status < 500 || status == 501 {
        return operation_outcome(issues).to_bytes().into();
    }
    let request_id = context.request_id.as_str();
    let mut issues = issues.to_vec();
    for issue in &mut issues {
        if status == 503 {
            tracing::warn!(request_id, status, diagnostics = %issue.diagnostics, "a request was not answered");
        } else {
            tracing::error!(request_id, status, diagnostics = %issue.diagnostics, "a request failed");
        }
        issue.diagnostics = format!("{} (request {request_id})", issue.diagnostics);
    }
    operation_outcome(&issues).to_bytes().into()
}

/// Why somebody was refused, on its way to the audit with the response.
pub(super) struct Refusal(pub(super) String);

/// A refusal.
pub(super) fn rejection(context: &Context, rejection: &Rejection) -> HttpResponse {
    let mut response = begin(rejection.status, context);
    if let Some(seconds) = rejection.retry_after {
        response.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    let mut response = json_body(response, context, issues_body(context, rejection.status, &rejection.issues));
    // What is wrong with what was sent may quote it, and is no matter of access.
    if matches!(rejection.status, 401 | 403 | 429 | 503)
        && let Some(issue) = rejection.issues.first()
    {
        response.extensions_mut().insert(Refusal(issue.diagnostics.clone()));
    }
    response
}

/// 405 with what is allowed.
pub(super) fn not_allowed(context: &Context, method: &str, allowed: &str) -> HttpResponse {
    let issue = Issue::error(IssueCode::NotSupported, format!("{method} is not possible here; allowed: {allowed}"));
    let mut response = begin(405, context);
    response.insert_header((header::ALLOW, allowed));
    json_body(response, context, operation_outcome(&[issue]).to_bytes().into())
}

/// An interaction's answer. `is_write` honours `Prefer: return=`.
pub(super) fn answer(context: &Context, answer: Answer, is_write: bool) -> HttpResponse {
    let mut response = begin(answer.status, context);
    if let Some(version) = answer.version {
        response.insert_header((header::ETAG, format!("W/\"{version}\"")));
    }
    if let Some(updated) = answer.updated {
        response.insert_header((header::LAST_MODIFIED, http_date(updated)));
    }
    if answer.located
        && let Some(location) = answer.location()
    {
        response.insert_header((header::LOCATION, format!("{}/{location}", context.base)));
    }
    if !answer.remarks.is_empty() {
        response.insert_header(("X-Validation-Issues", answer.remarks.len().to_string()));
    }
    let wanted = if is_write { context.prefer_return.unwrap_or_default() } else { Return::Representation };
    match (answer.payload, wanted) {
        (Payload::Empty, _) => response.finish(),
        (Payload::Outcome(issues), _) => json_body(response, context, operation_outcome(&issues).to_bytes().into()),
        (Payload::Resource(_), Return::Minimal) => response.finish(),
        (Payload::Resource(_), Return::OperationOutcome) => {
            let word = if answer.status == 201 { "created" } else { "stored" };
            let issues: Vec<Issue> = std::iter::once(Issue::information(word)).chain(answer.remarks).collect();
            json_body(response, context, operation_outcome(&issues).to_bytes().into())
        }
        (Payload::Resource(body), Return::Representation) => json_body(response, context, body),
    }
}

/// Bodies up to this size are converted where they are; larger ones on a thread that may block.
const SMALL: usize = 32 << 10;

/// Runs a conversion of a body of this size without holding up other requests.
pub(super) async fn convert<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> Result<T, Rejection> + Send + 'static,
) -> Result<T, Rejection> {
    if size <= SMALL {
        return work();
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Rejection::internal("an internal error was caught")))
}

/// The one place where answers become XML; JSON passes through untouched.
pub(super) async fn represent(context: &Context, response: HttpResponse) -> HttpResponse {
    let is_resource = |media: &header::HeaderValue| media.as_bytes() == context.format.content_type().as_bytes();
    match context.format {
        Format::Ndjson => return as_lines(context, response).await,
        Format::Browser => return as_page(context, response).await,
        _ => {}
    }
    if !context.format.is_xml() || !response.headers().get(header::CONTENT_TYPE).is_some_and(is_resource) {
        return response;
    }
    let (response, body) = response.into_parts();
    let body = match body.try_into_bytes() {
        Ok(body) => body,
        Err(body) => return response.set_body(body),
    };
    let is_pretty = context.pretty;
    let converted = convert(body.len(), move || {
        let node = json::parse(&body).map_err(|error| Rejection::internal(error.to_string()))?;
        let mut out = Vec::with_capacity(body.len() + body.len() / 2);
        write_xml(&node, is_pretty, &mut out).map_err(|error| Rejection::internal(error.to_string()))?;
        Ok(out)
    });
    match converted.await {
        Ok(body) => response.set_body(BoxBody::new(body)),
        Err(refusal) => {
            let plain = Context { format: Format::FhirJson, ..context.clone() };
            rejection(&plain, &refusal)
        }
    }
}

/// A searchset or history as NDJSON, one resource a line, other resources as one line. The links of the
/// Bundle become `Link` headers. Refusals stay FHIR JSON: they are read by people.
async fn as_lines(context: &Context, mut response: HttpResponse) -> HttpResponse {
    let media = response.headers().get(header::CONTENT_TYPE);
    if media.is_none_or(|media| *media != Format::Ndjson.content_type()) {
        return response;
    }
    if !response.status().is_success() {
        let media = header::HeaderValue::from_static(Format::FhirJson.content_type());
        response.headers_mut().insert(header::CONTENT_TYPE, media);
        return response;
    }
    let (mut response, body) = response.into_parts();
    let body = match body.try_into_bytes() {
        Ok(body) => body,
        Err(body) => return response.set_body(body),
    };
    let made = convert(body.len(), move || lines(&body)).await;
    match made {
        Ok((lines, links)) => {
            for link in links.iter().filter_map(|link| header::HeaderValue::from_str(link).ok()) {
                response.headers_mut().append(header::LINK, link);
            }
            response.set_body(BoxBody::new(lines))
        }
        Err(refusal) => rejection(&Context { format: Format::FhirJson, ..context.clone() }, &refusal),
    }
}

/// A page to read. Under the type of JSON until it is one, so that nothing else is ever shown as HTML; what is
/// too large for a page stays indented JSON.
async fn as_page(context: &Context, response: HttpResponse) -> HttpResponse {
    let media = response.headers().get(header::CONTENT_TYPE);
    if media.is_none_or(|media| *media != Format::Browser.content_type()) {
        return response;
    }
    let (mut response, body) = response.into_parts();
    let body = match body.try_into_bytes() {
        Ok(body) => body,
        Err(body) => return response.set_body(body),
    };
    if body.len() > page::MOST_BYTES {
        return response.set_body(BoxBody::new(body));
    }
    let owned = context.clone();
    let made = convert(body.len(), move || {
        let Context { base, raw_query: query, language, .. } = &owned;
        let about = page::About { base, query, language: *language };
        let made = page::page(&body, &about);
        Ok(made.map_or_else(|| (body, false), |page| (page.into(), true)))
    });
    match made.await {
        Ok((body, is_page)) => {
            if is_page {
                let fixed = header::HeaderValue::from_static;
                let headers = response.headers_mut();
                headers.insert(header::CONTENT_TYPE, fixed("text/html; charset=utf-8"));
                headers.insert(header::CONTENT_SECURITY_POLICY, fixed(page::policy()));
                headers.insert(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
                headers.insert(header::VARY, fixed("accept, accept-encoding, accept-language"));
            }
            response.set_body(BoxBody::new(body))
        }
        Err(refusal) => rejection(&Context { format: Format::FhirJson, ..context.clone() }, &refusal),
    }
}

/// The lines, and the values of the `Link` headers (RFC 8288).
fn lines(body: &[u8]) -> Result<(Vec<u8>, Vec<String>), Rejection> {
    let node = json::parse(body).map_err(|error| Rejection::internal(error.to_string()))?;
    let is_list = node.text("resourceType") == Some("Bundle")
        && matches!(node.text("type"), Some("searchset" | "history"))
        && node.get("meta").is_none_or(|meta| meta.get("versionId").is_none());
    let mut out = Vec::with_capacity(body.len());
    if !is_list {
        node.write(&mut out);
        out.push(b'\n');
        return Ok((out, Vec::new()));
    }
    for resource in node.list("entry").iter().filter_map(|entry| entry.get("resource")) {
        resource.write(&mut out);
        out.push(b'\n');
    }
    let links = node
        .list("link")
        .iter()
        .filter_map(|link| Some(format!("<{}>; rel=\"{}\"", link.text("url")?, link.text("relation")?)));
    Ok((out, links.collect()))
}

/// A body in XML as JSON, so that everything behind sees one representation.
pub(super) async fn json_from_xml(body: Bytes) -> Result<Bytes, Rejection> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Rejection::invalid("the body is empty; a FHIR resource in XML is expected"));
    }
    convert(body.len(), move || match parse_xml(&body) {
        Ok(node) => Ok(node.to_bytes().into()),
        Err(error) => Err(Rejection::new(400, IssueCode::Structure, error.to_string())),
    })
    .await
}

/// An answer of the notebook API.
pub(super) fn notebook(context: &Context, told: &crate::operations::notebook::Told) -> HttpResponse {
    let mut response = begin(told.status, context);
    if let Some(page) = &told.page {
        return html(response, page.clone());
    }
    response.insert_header((header::CONTENT_TYPE, "application/json; charset=utf-8"));
    if let Some(version) = told.version {
        response.insert_header((header::ETAG, format!("W/\"{version}\"")));
    }
    if let Some(updated) = told.updated {
        response.insert_header((header::LAST_MODIFIED, http_date(updated)));
    }
    if let Some(location) = told.location.as_ref().filter(|_| told.status == 201) {
        let root = context.base.strip_suffix("/fhir").unwrap_or(&context.base);
        response.insert_header((header::LOCATION, format!("{root}/notebook/v1/{location}")));
    }
    response.body(told.body.to_string())
}

/// A page of our own: nothing in it runs, nothing is loaded, its one style is known by its hash.
fn html(mut response: HttpResponseBuilder, page: String) -> HttpResponse {
    use base64::Engine as _;
    use sha2::Digest as _;
    static POLICY: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let policy = POLICY.get_or_init(|| {
        let hash = sha2::Sha256::digest(crate::operations::notebook::STYLE.as_bytes());
        let hash = base64::engine::general_purpose::STANDARD.encode(hash);
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        )
    });
    response.insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"));
    response.insert_header((header::CONTENT_SECURITY_POLICY, policy.as_str()));
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    response.insert_header((header::REFERRER_POLICY, "no-referrer"));
    response.body(page)
}

/// Something that is no resource.
pub(super) fn other(context: &Context, status: u16, media: &'static str, body: Bytes) -> HttpResponse {
    let mut response = begin(status, context);
    response.insert_header((header::CONTENT_TYPE, media));
    response.body(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What failed here names the request, so that it is found in the log; what the client did wrong does not.
    #[test]
    fn failures_name_the_request() {
        let context = Context {
            base: String::new(),
            pretty: false,
            prefer_return: None,
            lenient: false,
            pairs: Vec::new(),
            raw_query: String::new(),
            request_id: "r-7".to_owned(),
            language: crate::validation::Language::English,
            format: Format::default(),
        };
        let issue = Issue::error(IssueCode::Exception, "an internal error was caught");
        let body = |status| {
            let text = issues_body(&context, status, std::slice::from_ref(&issue));
            json::parse(&text).unwrap().list("issue")[0].text("diagnostics").unwrap().to_owned()
        };
        assert_eq!(body(500), "an internal error was caught (request r-7)");
        assert_eq!((body(400), body(501)), (issue.diagnostics.clone(), issue.diagnostics.clone()));
        let headers = outcome(&context, 404, &[issue]).headers().get("x-request-id").cloned();
        assert_eq!(headers.as_ref().map(|value| value.as_bytes()), Some(&b"r-7"[..]));
    }
}
