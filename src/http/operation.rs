//! Operations over HTTP: what comes with a request goes to `operations`, which has the table; its answer
//! becomes a response.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Payload;

use super::context::{Context, Return, body, check_content_type, sends_xml};
use super::respond::{json_from_xml, other, resource};
use super::{Shared, bundles, provenance};
use crate::engine::{OperationAnswer, Rejection};
use crate::operations::{BodyForm, Request, Target, run};

/// Runs an operation away from the async workers.
pub(super) async fn handle(
    request: &HttpRequest,
    payload: &mut Payload,
    shared: &Shared,
    context: &Context,
    target: Target,
) -> Result<HttpResponse, Rejection> {
    let mut asked = Request {
        pairs: context.pairs.clone(),
        base: context.base.clone(),
        lenient: context.lenient,
        is_get: request.method() != actix_web::http::Method::POST,
        wants_outcome: context.prefer_return == Some(Return::OperationOutcome),
        accept_language: request
            .headers()
            .get(header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
        ..Request::default()
    };
    if request.method() == actix_web::http::Method::POST {
        let media = media(request);
        asked.media = media.filter(|media| match target.described.operation.body {
            BodyForm::Fhir => false,
            BodyForm::Also(others) => others.contains(&media.as_str()),
        });
        let refused = if asked.media.is_some() { Ok(()) } else { check_content_type(request) };
        let body = body(payload, request, shared.settings.max_body).await;
        refused?;
        asked.body = body?;
        if asked.media.is_none() && sends_xml(request) && !asked.body.is_empty() {
            asked.xml = Some(asked.body.clone());
            asked.body = json_from_xml(asked.body).await?;
        }
    }
    let done = shared.engine.blocking(move |engine| run(engine, &target, &asked)).await?;
    Ok(match done {
        OperationAnswer::Resource(body) => resource(context, 200, body),
        OperationAnswer::Stored(stored) => {
            shared.engine.note_written(&stored);
            provenance::answer(context, *stored)
        }
        OperationAnswer::Searched(searched, path) => {
            resource(context, 200, bundles::searchset_at(&context.base, &path, &searched))
        }
        OperationAnswer::Other(status, media, body) => other(context, status, media, body),
    })
}

/// The media type of the body, without its parameters.
fn media(request: &HttpRequest) -> Option<String> {
    let content_type = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    content_type.split(';').next().map(|media| media.trim().to_ascii_lowercase())
}
