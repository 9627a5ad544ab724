//! What stands before every handler: who calls, and the headers that every answer carries.
//!
//! A handler gets [`Shared`] with an engine that is its caller's. Without this it would get the one of
//! nobody, which refuses: what forgets to ask is closed, not open.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::audit::Watched;
use super::context::{self, Context};
use super::cors::Cors;
use super::limits::seconds;
use super::{Shared, auth, client_certificate, headers, respond};
use crate::access::claims::Believed;
use crate::access::jwt::TokenError;
use crate::access::{Caller, Certificate, Subject};
use crate::engine::{Engine, Rejection};
use crate::r4::outcome::IssueCode;

pub(super) async fn gate<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(shared) = request.app_data::<Data<Shared>>().cloned() else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let cors = Cors::of(&request, &shared.settings);
    let mut response = if cors.is_preflight(&request) {
        let (request, _) = request.into_parts();
        let answer = cors.preflight(&request, &Context::fallback(&request, &shared));
        ServiceResponse::new(request, answer)
    } else {
        watched(request, next, &shared).await?
    };
    headers::put(&shared.settings, response.headers_mut());
    cors.put(response.headers_mut());
    Ok(response)
}

/// Lets a request in and writes down what it was, where an audit is kept.
async fn watched<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
    shared: &Data<Shared>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let _room = match shared.limits.room() {
        Some(room) => room,
        None if request.path() == "/health" => return admitted(request, next, shared.clone()).await,
        None => {
            let mut busy = Rejection::new(503, IssueCode::Throttled, "too many requests are under way; try again soon");
            busy.retry_after = Some(1);
            return Ok(refused(request, shared, |context| respond::rejection(context, &busy)));
        }
    };
    let Some(watched) = Watched::begin(&mut request, shared) else {
        return admitted(request, next, shared.clone()).await;
    };
    if let Err(rejection) = watched.room().await {
        return Ok(refused(request, shared, |context| respond::rejection(context, &rejection)));
    }
    let shared = watched.shared(shared);
    let response = admitted(request, next, shared.clone()).await?;
    Ok(watched.finish(response, &shared).await)
}

/// An answer without a handler.
fn refused(
    request: ServiceRequest,
    shared: &Data<Shared>,
    make: impl FnOnce(&Context) -> HttpResponse,
) -> ServiceResponse<BoxBody> {
    let (request, _) = request.into_parts();
    let response = make(&Context::fallback(&request, shared));
    ServiceResponse::new(request, response)
}

/// Lets a request in that comes from somebody who may come in.
async fn admitted<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
    shared: Data<Shared>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let mut request = request;
    let address = context::address(request.request(), &shared.settings);
    let signs_in = request.method() == Method::POST && request.path().starts_with("/auth/");
    if signs_in && let Err(wait) = shared.limits.may_try(address) {
        let refusal = auth::OAuthError::throttled("too many sign-ins from this address failed").waits(seconds(wait));
        let (request, _) = request.into_parts();
        return Ok(ServiceResponse::new(request, refusal.response()));
    }
    let limits = Arc::clone(&shared.limits);
    let bound = match &shared.auth {
        Some(auth) => match caller(&request, &shared, auth).await {
            Ok(caller) => {
                shared.engine.trail().agent_of(&caller);
                if let Err(wait) = within_rate(&shared, &caller, address) {
                    return Ok(refused(request, &shared, |context| respond::rejection(context, &throttled(wait))));
                }
                match bound_engine(&shared, Arc::new(caller)).await {
                    Ok(engine) => Data::new(shared.with_engine(engine)),
                    Err(why) => return Ok(refused(request, &shared, |context| respond::rejection(context, &why))),
                }
            }
            Err(why) => return Ok(refused(request, &shared, |context| why.response(context))),
        },
        None => {
            shared.engine.trail().agent_of(shared.engine.caller());
            if let Err(wait) = within_rate(&shared, shared.engine.caller(), address) {
                return Ok(refused(request, &shared, |context| respond::rejection(context, &throttled(wait))));
            }
            // It is everybody's already; to clone an engine is dear.
            shared.clone()
        }
    };
    let mut data = Extensions::new();
    data.insert(bound);
    request.add_data_container(Rc::new(data));
    let response = next.call(request).await?.map_into_boxed_body();
    if signs_in && matches!(response.status().as_u16(), 400 | 401) {
        limits.failed(address);
    }
    Ok(response)
}

/// Whether a caller has not asked too much lately. Where nobody says who they are, an address is a client.
fn within_rate(shared: &Shared, caller: &Caller, address: Option<IpAddr>) -> Result<(), Duration> {
    if !shared.limits.has_clients() {
        return Ok(());
    }
    match &caller.subject {
        Subject::System { client, .. } => shared.limits.client(client),
        Subject::Person { user, client } => shared.limits.client(&format!("{client} {user}")),
        Subject::Open => shared.limits.client(&address.map(|address| address.to_string()).unwrap_or_default()),
        Subject::Program | Subject::Nobody => Ok(()),
    }
}

fn throttled(wait: Duration) -> Rejection {
    let seconds = seconds(wait);
    let text = format!("too many requests; wait {seconds} s");
    Rejection { retry_after: Some(seconds), ..Rejection::new(429, IssueCode::Throttled, text) }
}

/// The engine of a caller, with what they may see.
async fn bound_engine(shared: &Data<Shared>, caller: Arc<Caller>) -> Result<Engine, Rejection> {
    if let Some(engine) = shared.engine.for_known_now(&caller) {
        return Ok(engine);
    }
    let work = move |engine: &Engine| engine.for_known(caller);
    shared.engine.blocking(work).await
}

/// Why somebody does not come in.
struct Refused {
    rejection: Rejection,
    challenge: Option<String>,
}

impl Refused {
    /// RFC 6750 section 3.
    fn unknown(error: Option<&TokenError>) -> Self {
        let (code, text, challenge) = match error {
            None => (
                IssueCode::Login,
                "this takes an access token: Authorization: Bearer …; /fhir/.well-known/smart-configuration says where to get one"
                    .to_owned(),
                "Bearer realm=\"renraku\"".to_owned(),
            ),
            Some(error) => (
                if *error == TokenError::Expired { IssueCode::Expired } else { IssueCode::Login },
                format!("the access token is not believed: {error}"),
                "Bearer realm=\"renraku\", error=\"invalid_token\"".to_owned(),
            ),
        };
        Self { rejection: Rejection::new(401, code, text), challenge: Some(challenge) }
    }

    fn forbidden(text: &str) -> Self {
        Self { rejection: Rejection::new(403, IssueCode::Forbidden, text), challenge: None }
    }

    fn response(&self, context: &Context) -> HttpResponse {
        let mut response = respond::rejection(context, &self.rejection);
        if let Some(challenge) = self.challenge.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// What anybody may ask: what this server is and how to get in.
fn is_public(path: &str) -> bool {
    matches!(path, "/health" | "/fhir/metadata" | "/openapi.json" | "/notebook/v1/openapi.json")
        || path.starts_with("/auth/")
        || path.starts_with("/schema")
        || path
            .strip_suffix("/smart-configuration")
            .or_else(|| path.strip_suffix("/openid-configuration"))
            .is_some_and(|root| matches!(root, "/fhir/.well-known" | "/.well-known"))
}

/// Who calls.
async fn caller(request: &ServiceRequest, shared: &Data<Shared>, auth: &Arc<auth::Auth>) -> Result<Caller, Refused> {
    let certificate = client_certificate::of(request.request(), shared);
    let strange = || {
        let taken = shared.limits.address(context::address(request.request(), &shared.settings));
        taken.map_err(|wait| Refused { rejection: throttled(wait), challenge: None })
    };
    if is_public(request.path()) {
        if request.path() != "/health" {
            strange()?;
        }
        return Ok(Caller { certificate, ..(*Caller::nobody()).clone() });
    }
    // Nobody is asked to check tokens as often as they like.
    let mut tokens = request.headers().get_all(header::AUTHORIZATION);
    let (Some(header), None) = (tokens.next(), tokens.next()) else {
        strange()?;
        return Err(Refused::unknown(None));
    };
    let text = header.to_str().unwrap_or_default();
    let token = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = token else { return Err(Refused::unknown(None)) };
    let token = token.trim();
    let checked = match auth.remembered(token) {
        Some(known) => known,
        None => {
            strange()?;
            let (auth, token) = (Arc::clone(auth), token.to_owned());
            let asked = tokio::task::spawn_blocking(move || auth.check(&token)).await;
            asked.unwrap_or(Err(TokenError::Signature))
        }
    };
    let believed = checked.map_err(|error| Refused::unknown(Some(&error)))?;
    bound(&believed, certificate.as_ref())?;
    let mut caller = Caller { certificate, ..believed.caller.clone() };
    device(&mut caller, shared, auth).await?;
    Ok(caller)
}

/// A token that is bound to a certificate counts with that certificate only (RFC 8705 section 3).
fn bound(believed: &Believed, certificate: Option<&Certificate>) -> Result<(), Refused> {
    match (&believed.bound_to, certificate) {
        (None, _) => Ok(()),
        (Some(wanted), Some(shown)) if *wanted == shown.fingerprint => Ok(()),
        (Some(_), _) => {
            let error = TokenError::Claim("it is bound to a client certificate that was not shown".to_owned());
            Err(Refused::unknown(Some(&error)))
        }
    }
}

/// Whose the certificate is, as it was registered.
async fn device(caller: &mut Caller, shared: &Data<Shared>, auth: &Arc<auth::Auth>) -> Result<(), Refused> {
    let is_demanded = shared.settings.registered_devices;
    let Some(certificate) = &mut caller.certificate else {
        return if is_demanded {
            Err(Refused::forbidden("this takes the certificate of a registered device"))
        } else {
            Ok(())
        };
    };
    let (auth, fingerprint) = (Arc::clone(auth), certificate.fingerprint.clone());
    let asked = tokio::task::spawn_blocking(move || auth.device(&fingerprint)).await;
    match asked {
        Ok(Ok(Some(known))) => {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            certificate.organization = some(&known.organization);
            certificate.device = some(&known.device);
            Ok(())
        }
        Ok(Ok(None)) if is_demanded => Err(Refused::forbidden("the certificate is not that of a registered device")),
        Ok(Ok(None)) => Ok(()),
        Ok(Err(error)) => Err(Refused { rejection: error.into(), challenge: None }),
        Err(_) => Err(Refused { rejection: Rejection::internal("an internal error was caught"), challenge: None }),
    }
}
