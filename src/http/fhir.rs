//! The FHIR API: from method and path to an interaction.

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

use super::audit::note_answer;
use super::coding::{TAKEN, encoded};
use super::context::{Context, body, check_content_type, patch_format, preconditions, sends_xml};
use super::filled::filled;
use super::respond::{answer, json_from_xml, not_allowed, outcome, rejection, represent, resource};
use super::terminology_capability::terminology_capabilities;
use super::{Shared, audit_events, binary, bundles, capability, operation, provenance};
use crate::engine::{
    Answer, Engine, EntryAnswer, HistoryOf, Payload as Content, Rejection, SearchPlace, is_whole, subset,
};
use crate::format::json;
use crate::operations::{NoTarget, Target, run_entry};
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::reference;
use crate::search::query::Summary;

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
    if let Some(content) = binary::read(&request, &shared).await {
        return content;
    }
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
    let result = match provenance::bound(request, shared).await {
        Ok(None) => dispatch(request, payload, shared, context).await,
        Ok(Some(shared)) => dispatch(request, payload, &shared, context).await,
        Err(refusal) => Err(refusal),
    };
    let response = result.unwrap_or_else(|refusal| rejection(context, &refusal));
    let response = note_answer(shared, response);
    filled(shared, context, represent(context, response).await).await
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
    if let ["AuditEvent", rest @ ..] = parts.as_slice()
        && shared.engine.audit().is_some()
    {
        return audit_events::handle(request, payload, shared, context, (method, rest)).await;
    }
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
        ("GET", []) => interaction.search(&SearchPlace::Everywhere, context.pairs.clone()).await,
        ("POST", ["_search"]) => interaction.search_by_post(&SearchPlace::Everywhere).await,
        ("GET", ["_history"]) => interaction.history(None).await,
        (_, ["metadata" | "_history"]) => Ok(not_allowed(context, method, "GET, HEAD")),
        (_, ["_search"]) => Ok(not_allowed(context, method, "POST")),
        (_, []) => Ok(not_allowed(context, method, "GET, HEAD, POST")),
        (_, [type_name, rest @ ..]) => {
            if definitions().resource_number(type_name).is_none() {
                return Err(Rejection::new(404, IssueCode::NotSupported, unknown_type(type_name)));
            }
            interaction.on_type(method, type_name, rest).await
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

/// What this server states about itself.
fn stated(shared: &Shared, context: &Context) -> Vec<u8> {
    let store = shared.engine.store();
    let security = capability::Security {
        is_required: shared.auth.is_some(),
        is_insecure: shared.settings.is_insecure,
        has_cors: !shared.settings.cors_origins.is_empty(),
        is_audited: shared.engine.audit().is_some(),
    };
    capability::capability_statement(&context.base, &store.registry(), store.options().full_text, security)
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
    Ok(resource(context, 200, stated(shared, context)))
}

fn compartment(owner_type: &str, owner_id: &str, member_type: &str) -> SearchPlace {
    SearchPlace::Compartment {
        owner_type: owner_type.to_owned(),
        owner_id: owner_id.to_owned(),
        member_type: member_type.to_owned(),
    }
}

struct Interaction<'a> {
    request: &'a HttpRequest,
    payload: &'a mut Payload,
    shared: &'a Shared,
    context: &'a Context,
}

impl Interaction<'_> {
    async fn on_type(self, method: &str, type_name: &str, rest: &[&str]) -> Result<HttpResponse, Rejection> {
        let context = self.context;
        match (method, rest) {
            ("GET", []) => self.search(&SearchPlace::Type(type_name.to_owned()), context.pairs.clone()).await,
            ("POST", ["_search"]) => self.search_by_post(&SearchPlace::Type(type_name.to_owned())).await,
            ("POST", []) => self.create(type_name).await,
            ("PUT", []) => self.conditional_update(type_name).await,
            ("DELETE", []) => {
                let deleted = self.shared.engine.conditional_delete(type_name, &context.raw_query).await?;
                Ok(self.written(deleted))
            }
            ("PATCH", []) => self.patch(type_name, None).await,
            (_, []) => Ok(not_allowed(context, method, "GET, HEAD, POST, PUT, PATCH, DELETE")),
            ("GET", ["_history"]) => self.history(Some((type_name.to_owned(), None))).await,
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
                Ok(self.written(deleted))
            }
            (_, [_]) => Ok(not_allowed(context, method, "GET, HEAD, PUT, PATCH, DELETE")),
            ("GET", [id, "_history"]) => self.history(Some((type_name.to_owned(), Some((*id).to_owned())))).await,
            ("GET", [id, "_history", version]) => {
                let found = self.shared.engine.vread(type_name, id, version, preconditions(self.request)).await?;
                self.read_answer(found)
            }
            (_, [_, "_history"] | [_, "_history", _]) => Ok(not_allowed(context, method, "GET, HEAD")),
            ("GET", [id, other]) if is_member(other) => {
                self.search(&compartment(type_name, id, other), context.pairs.clone()).await
            }
            ("POST", [id, other, "_search"]) if is_member(other) => {
                self.search_by_post(&compartment(type_name, id, other)).await
            }
            (_, [_, other]) if is_member(other) => Ok(not_allowed(context, method, "GET, HEAD")),
            _ => Err(Rejection::new(404, IssueCode::NotFound, format!("{} is nothing here", self.request.path()))),
        }
    }

    async fn body(&mut self) -> Result<Bytes, Rejection> {
        self.bodies().await.map(|(_, json)| json)
    }

    /// The body as it was sent, and in JSON.
    async fn bodies(&mut self) -> Result<(Bytes, Bytes), Rejection> {
        let refused = check_content_type(self.request);
        let body = body(self.payload, self.request, self.shared.settings.max_body).await;
        refused?;
        let sent = body?;
        let json = if sends_xml(self.request) { json_from_xml(sent.clone()).await? } else { sent.clone() };
        Ok((sent, json))
    }

    async fn create(mut self, type_name: &str) -> Result<HttpResponse, Rejection> {
        if type_name == "Binary" && binary::sends_content(self.request) {
            return binary::write(self.request, self.payload, self.shared, self.context, None).await;
        }
        let (sent, body) = self.bodies().await?;
        if type_name == "Binary" && binary::is_content(&body) {
            return binary::write_bytes(self.request, self.shared, self.context, None, sent).await;
        }
        if !self.context.pairs.is_empty() {
            return Err(Rejection::invalid(
                "a create takes no parameters in the URL; conditional create is the header If-None-Exist",
            ));
        }
        let created = self.shared.engine.create(type_name, body, preconditions(self.request)).await?;
        Ok(self.written(created))
    }

    async fn update(mut self, type_name: &str, id: &str) -> Result<HttpResponse, Rejection> {
        if type_name == "Binary" && binary::sends_content(self.request) {
            return binary::write(self.request, self.payload, self.shared, self.context, Some(id)).await;
        }
        let (sent, body) = self.bodies().await?;
        if type_name == "Binary" && binary::is_content(&body) {
            return binary::write_bytes(self.request, self.shared, self.context, Some(id), sent).await;
        }
        let updated = self.shared.engine.update(type_name, id, body, preconditions(self.request)).await?;
        Ok(self.written(updated))
    }

    async fn conditional_update(mut self, type_name: &str) -> Result<HttpResponse, Rejection> {
        let body = self.body().await?;
        let (engine, query) = (&self.shared.engine, &self.context.raw_query);
        let updated = engine.conditional_update(type_name, query, body, preconditions(self.request)).await?;
        Ok(self.written(updated))
    }

    /// The answer to a write.
    fn written(&self, written: Answer) -> HttpResponse {
        self.shared.engine.note_written(&written);
        provenance::answer(self.context, written)
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
        Ok(self.written(patched))
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

    async fn search(&self, place: &SearchPlace, pairs: Vec<(String, String)>) -> Result<HttpResponse, Rejection> {
        let mut pairs = pairs;
        if self.request.headers().get("x-explain").is_some_and(|value| value == "true") {
            pairs.push(("_explain".to_owned(), "true".to_owned()));
        }
        let searched = self.shared.engine.search(place, pairs, self.context.lenient).await?;
        Ok(resource(self.context, 200, bundles::searchset(&self.context.base, &searched)))
    }

    /// FHIR R4 search.html: parameters of URL and body count together.
    async fn search_by_post(self, place: &SearchPlace) -> Result<HttpResponse, Rejection> {
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
        let both =
            [self.context.raw_query.as_str(), form].join(if self.context.raw_query.is_empty() { "" } else { "&" });
        self.shared.engine.trail().query(&both);
        let mut pairs = self.context.pairs.clone();
        pairs.extend(
            crate::engine::decode_pairs(form).into_iter().filter(|(name, _)| name != "_format" && name != "_pretty"),
        );
        self.search(place, pairs).await
    }

    async fn bundle(mut self) -> Result<HttpResponse, Rejection> {
        let body = self.body().await?;
        let done = self.shared.engine.bundle(body, &self.context.base, run_entry).await?;
        let body = bundles::response(self.context, &done, &|| stated(self.shared, self.context));
        let mut response = resource(self.context, 200, body);
        let written = done.entries.iter().filter_map(|entry| match entry {
            Ok(EntryAnswer::Single(answer)) => Some(answer),
            _ => None,
        });
        provenance::told(self.context, written, response.headers_mut());
        Ok(response)
    }

    async fn history(self, of: HistoryOf) -> Result<HttpResponse, Rejection> {
        let historied = self.shared.engine.history(of, self.context.pairs.clone()).await?;
        Ok(resource(self.context, 200, bundles::history(&self.context.base, &historied)))
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
