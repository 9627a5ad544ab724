//! The FHIR API: from method and path to an interaction.

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use super::coding::{TAKEN, encoded};
use super::context::{Context, body, check_content_type, patch_format, preconditions, sends_xml};
use super::respond::{answer, json_from_xml, not_allowed, outcome, rejection, represent, resource};
use super::terminology_capability::terminology_capabilities;
use super::{Shared, bundles, capability, operation};
use crate::engine::{Answer, Engine, Payload as Content, Rejection, is_whole, subset};
use crate::format::json;
use crate::operations::{NoTarget, Target, run_entry};
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::{datetime, reference};
use crate::search::query::Summary;
use crate::store::{HistoryQuery, HistoryScope};

/// Any path outside the APIs.
pub(super) async fn nowhere(request: HttpRequest, shared: Data<Shared>) -> HttpResponse {
    let context = Context::fallback(&request, &shared);
    let issue = Issue::error(
        IssueCode::NotFound,
        format!("{} is nothing here; the FHIR base is /fhir, the notebook /notebook/v1", request.path()),
    );
    outcome(&context, 404, &[issue])
}

/// Everything under the FHIR base.
pub(super) async fn handle(request: HttpRequest, mut payload: Payload, shared: Data<Shared>) -> HttpResponse {
    let context = match Context::read(&request, &shared) {
        Ok(context) => context,
        Err(refusal) => return rejection(&Context::fallback(&request, &shared), &refusal),
    };
    let mut response = answered(&request, &mut payload, &shared, &context).await;
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        // RFC 9110 section 15.5.16: it may have been the coding.
        response.headers_mut().insert(header::ACCEPT_ENCODING, header::HeaderValue::from_static(TAKEN));
    }
    encoded(&request, response).await
}

async fn answered(request: &HttpRequest, payload: &mut Payload, shared: &Shared, context: &Context) -> HttpResponse {
    let result = dispatch(request, payload, shared, context).await;
    let response = result.unwrap_or_else(|refusal| rejection(context, &refusal));
    represent(context, response).await
}

/// Percent-decodes a path segment.
fn segment(text: &str) -> String {
    // A plus sign is a plus sign in a path.
    crate::engine::decode_pairs(&text.replace('+', "%2B")).into_iter().next().map(|(name, _)| name).unwrap_or_default()
}

async fn dispatch(
    request: &HttpRequest,
    payload: &mut Payload,
    shared: &Shared,
    context: &Context,
) -> Result<HttpResponse, Rejection> {
    let path = request.path().strip_prefix("/fhir").unwrap_or_default().trim_matches('/');
    let decoded: Vec<String> = if path.contains('%') { path.split('/').map(segment).collect() } else { Vec::new() };
    let parts: Vec<&str> = match path {
        "" => Vec::new(),
        _ if !decoded.is_empty() => decoded.iter().map(String::as_str).collect(),
        path => path.split('/').collect(),
    };
    let method = match request.method().as_str() {
        "HEAD" => "GET",
        method => method,
    };
    let interaction = Interaction { request, payload, shared, context };
    if parts.iter().any(|part| part.starts_with('$')) {
        return match Target::find(method, &parts) {
            Ok(target) => operation::handle(request, interaction.payload, shared, context, target).await,
            Err(NoTarget::Method(allowed)) => Ok(not_allowed(context, method, allowed)),
            Err(NoTarget::Rejected(rejection)) => Err(rejection),
        };
    }
    match (method, parts.as_slice()) {
        ("GET", ["metadata"]) => capability_statement(shared, context).await,
        ("POST", []) => interaction.bundle().await,
        ("GET", []) => interaction.search(&Place::Everywhere, context.pairs.clone()).await,
        ("POST", ["_search"]) => interaction.search_by_post(&Place::Everywhere).await,
        ("GET", ["_history"]) => interaction.history(HistoryScope::System, "_history".to_owned()).await,
        (_, ["metadata" | "_history"]) => Ok(not_allowed(context, method, "GET, HEAD")),
        (_, ["_search"]) => Ok(not_allowed(context, method, "POST")),
        (_, []) => Ok(not_allowed(context, method, "GET, HEAD, POST")),
        (_, [type_name, rest @ ..]) => {
            let Some(number) = definitions().resource_number(type_name) else {
                return Err(Rejection::new(404, IssueCode::NotSupported, unknown_type(type_name)));
            };
            interaction.on_type(method, type_name, number, rest).await
        }
    }
}

/// What a compartment search looks for: a type, or all.
fn is_member(name: &str) -> bool {
    name == "*" || definitions().resource_number(name).is_some()
}

fn unknown_type(name: &str) -> String {
    let near = definitions()
        .resources()
        .iter()
        .map(|id| &definitions().get(*id).name)
        .find(|known| known.eq_ignore_ascii_case(name));
    match near {
        Some(near) => format!("{name:?} is not a resource type of FHIR R4 (4.0.1); did you mean {near}?"),
        None => format!("{name:?} is not a resource type of FHIR R4 (4.0.1); [base]/metadata lists what is here"),
    }
}

async fn capability_statement(shared: &Shared, context: &Context) -> Result<HttpResponse, Rejection> {
    let mut is_terminology = false;
    for (name, value) in &context.pairs {
        match (name.as_str(), value.as_str()) {
            ("mode", "full" | "normative") | ("_summary" | "_elements", _) => {}
            ("mode", "terminology") => is_terminology = true,
            ("mode", other) => {
                return Err(Rejection::new(
                    501,
                    IssueCode::NotSupported,
                    format!("mode={other} is not supported; use full, normative or terminology"),
                ));
            }
            (other, _) => return Err(Rejection::invalid(format!("metadata takes the parameter mode, not {other:?}"))),
        }
    }
    if is_terminology {
        let base = context.base.clone();
        let work = move |engine: &Engine| Ok(terminology_capabilities(engine.terminology(), &base));
        return Ok(resource(context, 200, shared.engine.blocking(work).await?));
    }
    Ok(resource(context, 200, capability::capability_statement(&context.base, &shared.engine.store().registry())))
}

/// Where a search looks.
enum Place<'a> {
    /// `[base]?…`
    Everywhere,
    /// `[base]/Patient?…`
    Type(&'a str),
    /// `[base]/Patient/x/Observation?…`: owner's type and id, type (or `*`) of what is looked for.
    Compartment(&'a str, &'a str, &'a str),
}

struct Interaction<'a> {
    request: &'a HttpRequest,
    payload: &'a mut Payload,
    shared: &'a Shared,
    context: &'a Context,
}

impl Interaction<'_> {
    async fn on_type(
        self,
        method: &str,
        type_name: &str,
        number: u8,
        rest: &[&str],
    ) -> Result<HttpResponse, Rejection> {
        let context = self.context;
        match (method, rest) {
            ("GET", []) => self.search(&Place::Type(type_name), context.pairs.clone()).await,
            ("POST", ["_search"]) => self.search_by_post(&Place::Type(type_name)).await,
            ("POST", []) => self.create(type_name).await,
            ("PUT", []) => self.conditional_update(type_name).await,
            ("DELETE", []) => {
                let deleted = self.shared.engine.conditional_delete(type_name, &context.raw_query).await?;
                Ok(answer(context, deleted, true))
            }
            ("PATCH", []) => self.patch(type_name, None).await,
            (_, []) => Ok(not_allowed(context, method, "GET, HEAD, POST, PUT, PATCH, DELETE")),
            ("GET", ["_history"]) => self.history(HistoryScope::Type(number), format!("{type_name}/_history")).await,
            (_, ["_history" | "_search"]) => {
                Ok(not_allowed(context, method, if rest == ["_history"] { "GET, HEAD" } else { "POST" }))
            }
            (_, [id, ..]) if !reference::is_id(id) => Err(Rejection::new(
                400,
                IssueCode::Value,
                format!("{id:?} is not a FHIR id: 1 to 64 of A-Z, a-z, 0-9, '-' and '.'"),
            )),
            ("GET", [id]) => self.read(type_name, id).await,
            ("PUT", [id]) => self.update(type_name, id).await,
            ("PATCH", [id]) => self.patch(type_name, Some(id)).await,
            ("DELETE", [id]) => {
                let deleted = self.shared.engine.delete(type_name, id, preconditions(self.request)).await?;
                Ok(answer(context, deleted, true))
            }
            (_, [_]) => Ok(not_allowed(context, method, "GET, HEAD, PUT, PATCH, DELETE")),
            ("GET", [id, "_history"]) => {
                let scope = HistoryScope::Instance(number, (*id).to_owned());
                self.history(scope, format!("{type_name}/{id}/_history")).await
            }
            ("GET", [id, "_history", version]) => {
                let found = self.shared.engine.vread(type_name, id, version, preconditions(self.request)).await?;
                self.read_answer(found)
            }
            (_, [_, "_history"] | [_, "_history", _]) => Ok(not_allowed(context, method, "GET, HEAD")),
            ("GET", [id, other]) if is_member(other) => {
                self.search(&Place::Compartment(type_name, id, other), context.pairs.clone()).await
            }
            ("POST", [id, other, "_search"]) if is_member(other) => {
                self.search_by_post(&Place::Compartment(type_name, id, other)).await
            }
            (_, [_, other]) if is_member(other) => Ok(not_allowed(context, method, "GET, HEAD")),
            _ => Err(Rejection::new(404, IssueCode::NotFound, format!("{} is nothing here", self.request.path()))),
        }
    }

    async fn body(&mut self) -> Result<Bytes, Rejection> {
        let refused = check_content_type(self.request);
        let body = body(self.payload, self.request, self.shared.settings.max_body).await;
        refused?;
        if sends_xml(self.request) { json_from_xml(body?).await } else { body }
    }

    async fn create(mut self, type_name: &str) -> Result<HttpResponse, Rejection> {
        let body = self.body().await?;
        if !self.context.pairs.is_empty() {
            return Err(Rejection::invalid(
                "a create takes no parameters in the URL; conditional create is the header If-None-Exist",
            ));
        }
        let created = self.shared.engine.create(type_name, body, preconditions(self.request)).await?;
        Ok(answer(self.context, created, true))
    }

    async fn update(mut self, type_name: &str, id: &str) -> Result<HttpResponse, Rejection> {
        let body = self.body().await?;
        let updated = self.shared.engine.update(type_name, id, body, preconditions(self.request)).await?;
        Ok(answer(self.context, updated, true))
    }

    async fn conditional_update(mut self, type_name: &str) -> Result<HttpResponse, Rejection> {
        let body = self.body().await?;
        let (engine, query) = (&self.shared.engine, &self.context.raw_query);
        let updated = engine.conditional_update(type_name, query, body, preconditions(self.request)).await?;
        Ok(answer(self.context, updated, true))
    }

    /// With an id, or by the criteria of the query.
    async fn patch(self, type_name: &str, id: Option<&str>) -> Result<HttpResponse, Rejection> {
        let format = patch_format(self.request);
        let body = body(self.payload, self.request, self.shared.settings.max_body).await;
        let (format, mut body) = (format?, body?);
        if sends_xml(self.request) {
            body = json_from_xml(body).await?;
        }
        let (engine, conditions) = (&self.shared.engine, preconditions(self.request));
        let patched = match id {
            Some(id) => engine.patch(type_name, id, format, body, conditions).await?,
            None => engine.conditional_patch(type_name, &self.context.raw_query, format, body, conditions).await?,
        };
        Ok(answer(self.context, patched, true))
    }

    async fn read(self, type_name: &str, id: &str) -> Result<HttpResponse, Rejection> {
        let found = self.shared.engine.read(type_name, id, preconditions(self.request)).await?;
        self.read_answer(found)
    }

    /// A read, cut to `_summary` or `_elements` when asked.
    fn read_answer(&self, mut found: Answer) -> Result<HttpResponse, Rejection> {
        if !self.context.pairs.is_empty() {
            let (summary, elements) = part_of_read(&self.context.pairs, self.context.lenient)?;
            if let Content::Resource(body) = &found.payload
                && !is_whole(summary, &elements)
                && let Ok(resource) = json::parse(body)
            {
                found.payload = Content::Resource(subset(resource, summary, &elements).to_bytes().into());
            }
        }
        Ok(answer(self.context, found, false))
    }

    async fn search(&self, place: &Place<'_>, pairs: Vec<(String, String)>) -> Result<HttpResponse, Rejection> {
        let (engine, lenient) = (&self.shared.engine, self.context.lenient);
        let searched = match place {
            Place::Everywhere => engine.search_across(pairs, lenient).await,
            Place::Type(type_name) => engine.search(type_name, pairs, lenient).await,
            Place::Compartment(owner, id, member) => {
                engine.search_compartment((owner, id), member, pairs, lenient).await
            }
        }?;
        Ok(resource(self.context, 200, bundles::searchset(&self.context.base, &searched)))
    }

    /// FHIR R4 search.html: parameters of URL and body count together.
    async fn search_by_post(self, place: &Place<'_>) -> Result<HttpResponse, Rejection> {
        let content_type =
            self.request.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_form = matches!(media.as_str(), "application/x-www-form-urlencoded" | "");
        let form = body(self.payload, self.request, self.shared.settings.max_body).await?;
        if !is_form {
            return Err(Rejection::new(
                415,
                IssueCode::NotSupported,
                "_search takes application/x-www-form-urlencoded",
            ));
        }
        let form = std::str::from_utf8(&form).map_err(|_| Rejection::invalid("the form is not UTF-8"))?;
        let mut pairs = self.context.pairs.clone();
        pairs.extend(
            crate::engine::decode_pairs(form).into_iter().filter(|(name, _)| name != "_format" && name != "_pretty"),
        );
        self.search(place, pairs).await
    }

    async fn bundle(mut self) -> Result<HttpResponse, Rejection> {
        let body = self.body().await?;
        let done = self.shared.engine.bundle(body, &self.context.base, run_entry).await?;
        Ok(resource(self.context, 200, bundles::response(self.context, &done)))
    }

    async fn history(self, scope: HistoryScope, path: String) -> Result<HttpResponse, Rejection> {
        let settings = self.shared.engine.settings();
        let offset = self.shared.engine.store().options().default_offset_seconds;
        let query = history_query(scope, &self.context.pairs, settings.default_count, settings.max_count, offset)?;
        let (count, instance) = (query.count, matches!(query.scope, HistoryScope::Instance(..)));
        let unfiltered = query.since.is_none() && query.at.is_none();
        let (mut changes, total) = self.shared.engine.history(query).await?;
        if instance && total == 0 && unfiltered {
            let name = path.strip_suffix("/_history").unwrap_or(&path);
            return Err(Rejection::new(404, IssueCode::NotFound, format!("{name} is not known here")));
        }
        let next = if changes.len() > count as usize {
            changes.truncate(count as usize);
            changes.last().map(|change| change.position)
        } else {
            None
        };
        Ok(resource(self.context, 200, bundles::history(self.context, &path, &changes, total, next)))
    }
}

/// `_summary` and `_elements` of a read.
fn part_of_read(pairs: &[(String, String)], lenient: bool) -> Result<(Summary, Vec<String>), Rejection> {
    let mut summary = Summary::False;
    let mut elements = Vec::new();
    for (name, value) in pairs {
        match (name.as_str(), value.as_str()) {
            ("_summary", "true") => summary = Summary::True,
            ("_summary", "text") => summary = Summary::Text,
            ("_summary", "data") => summary = Summary::Data,
            ("_summary", "false") => summary = Summary::False,
            ("_summary", other) => {
                return Err(Rejection::invalid(format!(
                    "_summary={other} is not possible on a read; use true, text, data or false"
                )));
            }
            ("_elements", names) => elements.extend(names.split(',').map(|name| name.trim().to_owned())),
            _ if lenient => {}
            (other, _) => {
                return Err(Rejection::invalid(format!(
                    "a read takes _summary, _elements, _format and _pretty, not {other:?}"
                )));
            }
        }
    }
    Ok((summary, elements))
}

fn history_query(
    scope: HistoryScope,
    pairs: &[(String, String)],
    default_count: u32,
    max_count: u32,
    offset: i32,
) -> Result<HistoryQuery, Rejection> {
    let mut query = HistoryQuery { scope, since: None, at: None, count: default_count, before: None };
    let wrong = |name: &str, value: &str, right: &str| {
        Rejection::new(400, IssueCode::Value, format!("{name}={value} is wrong: {right}"))
    };
    for (name, value) in pairs {
        match name.as_str() {
            "_count" => {
                let count: u32 = value.parse().map_err(|_| wrong(name, value, "a whole number is expected"))?;
                query.count = count.min(max_count);
            }
            "_since" => {
                let span = datetime::span(value, offset)
                    .ok_or_else(|| wrong(name, value, "an instant such as 2026-01-31T10:00:00+09:00 is expected"))?;
                query.since = Some(span.low);
            }
            "_at" => {
                let span = datetime::span(value, offset)
                    .ok_or_else(|| wrong(name, value, "a date or time such as 2026-01-31 is expected"))?;
                query.at = Some((span.low, span.high));
            }
            "_cursor" => {
                query.before = Some(value.parse().map_err(|_| wrong(name, value, "follow the links of the Bundle"))?)
            }
            other => {
                return Err(Rejection::invalid(format!(
                    "a history takes _count, _since, _at, _format and _pretty, not {other:?}"
                )));
            }
        }
    }
    Ok(query)
}
