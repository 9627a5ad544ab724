//! The hook of the audit: what a request was, written down before its answer leaves.
//!
//! Method and path say what it is (`access::audit::described`), the trail of its engine whom it touched, the answer
//! how it ended. When that cannot be written the answer is a refusal.

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Data;

use super::context::{self, Context};
use super::respond::Refusal;
use super::{AuditMode, Shared, respond};
use crate::access::audit::{Agent, Described, Event, Trail, described};
use crate::engine::Rejection;
use crate::store::{AuditLog, StoreError};

/// A request that is written down.
pub(super) struct Watched {
    log: AuditLog,
    trail: Trail,
    what: Described,
    query: String,
    from: String,
    request: String,
    waits: bool,
}

impl Watched {
    /// Begins to watch; `None` when no audit is kept, or for what tells of nobody.
    pub(super) fn begin(request: &mut ServiceRequest, shared: &Shared) -> Option<Self> {
        let log = shared.engine.audit()?.clone();
        let what = described(request.method().as_str(), request.path())?;
        // Handlers take the name of the request from its header: all of them the same then.
        let name = context::request_id(request.request());
        if let Ok(value) = HeaderValue::from_str(&name) {
            request.headers_mut().insert(HeaderName::from_static("x-request-id"), value);
        }
        Some(Self {
            log,
            trail: Trail::open(),
            what,
            query: request.query_string().to_owned(),
            from: context::address(request.request(), &shared.settings).map(|ip| ip.to_string()).unwrap_or_default(),
            request: name,
            waits: shared.settings.audit == AuditMode::Strict,
        })
    }

    /// Waits while the audit is behind.
    pub(super) async fn room(&self) -> Result<(), Rejection> {
        Ok(self.log.room().await?)
    }

    /// What handlers share, with the trail of this request.
    pub(super) fn shared(&self, shared: &Data<Shared>) -> Data<Shared> {
        Data::new(shared.with_engine(shared.engine.with_trail(self.trail.clone())))
    }

    /// Writes down what it was. The answer leaves only if that worked.
    pub(super) async fn finish(
        self,
        response: ServiceResponse<BoxBody>,
        shared: &Data<Shared>,
    ) -> ServiceResponse<BoxBody> {
        let status = response.status().as_u16();
        let refusal = response.response().extensions().get::<Refusal>().map(|why| cut(&why.0).to_owned());
        let (waits, is_safe, log) = (self.waits, self.what.is_safe(), self.log.clone());
        let events = self.events(status, refusal);
        let written = match log.append(events.iter().map(Event::to_bytes).collect()) {
            Ok(seq) if waits => log.settled(seq).await,
            Ok(_) => Ok(()),
            Err(error) => {
                log.owe(events.into_iter().map(withheld).collect());
                Err(error)
            }
        };
        match written {
            Ok(()) => response,
            Err(error) => unwritten(response, shared, error, is_safe || status >= 400),
        }
    }

    /// The events: the request itself, and what it was made of.
    fn events(self, status: u16, refusal: Option<String>) -> Vec<Event> {
        let mut notes = self.trail.take();
        let status = notes.status.unwrap_or(status);
        let Described { kind, action, interaction, target, citizen } = self.what;
        if let Some(id) = citizen.filter(|_| status < 400 || status == 403) {
            notes.citizens.insert(id);
        }
        let agent = notes.agent.unwrap_or_else(|| Agent { name: "nobody".to_owned(), ..Agent::default() });
        let mut event = Event {
            interaction: notes.interaction.unwrap_or(interaction).into(),
            status,
            from: self.from,
            request: self.request,
            target: notes.target.unwrap_or_else(|| target.into_owned()),
            note: notes.note.or(refusal).unwrap_or_default(),
            ..Event::now(kind, action, agent)
        };
        event.set_query(notes.query.as_deref().unwrap_or(&self.query));
        event.set_citizens(notes.citizens);
        let mut events = Vec::with_capacity(1 + notes.events.len());
        let inners = notes.events;
        events.push(event);
        for mut inner in inners {
            let Some(event) = events.first() else { break };
            inner.at = event.at;
            inner.from.clone_from(&event.from);
            inner.request.clone_from(&event.request);
            if inner.agent.name.is_empty() {
                inner.agent.clone_from(&event.agent);
            }
            events.push(inner);
        }
        events
    }
}

/// Longest reason that is kept.
const LONGEST_REASON: usize = 500;

fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST_REASON);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// An event whose answer did not leave, as it is written down when that is possible again.
fn withheld(event: Event) -> Vec<u8> {
    let note = format!("done (HTTP {}) but not answered: the audit could not be written. {}", event.status, event.note);
    Event { status: 503, note: note.trim_end().to_owned(), ..event }.to_bytes()
}

fn unwritten(
    response: ServiceResponse<BoxBody>,
    shared: &Data<Shared>,
    error: StoreError,
    changed_nothing: bool,
) -> ServiceResponse<BoxBody> {
    let (request, _) = response.into_parts();
    let mut refusal = Rejection::from(error);
    if !changed_nothing && let Some(issue) = refusal.issues.first_mut() {
        issue.diagnostics.push_str("; what was sent may have been stored: look before it is sent again");
    }
    let answer = respond::rejection(&Context::fallback(&request, shared), &refusal);
    ServiceResponse::new(request, answer)
}

/// Notes whom an answer shows: the resource or the Bundle in it, before it becomes XML or a page or is compressed.
pub(super) fn note_answer(shared: &Shared, response: HttpResponse) -> HttpResponse {
    let trail = shared.engine.trail();
    if !trail.is_open() {
        return response;
    }
    if let Some(location) = response.headers().get("location").and_then(|value| value.to_str().ok())
        && let Some(target) = written(location)
    {
        trail.target(target);
        trail.content(location.as_bytes());
    }
    let (response, body) = response.into_parts();
    match body.try_into_bytes() {
        Ok(bytes) => {
            trail.content(&bytes);
            response.set_body(BoxBody::new(bytes))
        }
        Err(body) => response.set_body(body),
    }
}

/// `Type/id` of a Location.
fn written(location: &str) -> Option<&str> {
    let (before, _) = location.split_once("/_history/")?;
    let mut slashes = before.rmatch_indices('/').skip(1);
    let start = slashes.next().map_or(0, |(at, _)| at + 1);
    before.get(start..)
}
