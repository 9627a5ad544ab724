//! Access tokens: whom they make a caller, and the endpoints that give them out (SMART App Launch 2.2, OAuth 2.0,
//! OpenID Connect). The answers of those endpoints are in the form of these standards, errors too.

mod authorize;
mod client;
mod discovery;
mod inspect;
mod issuers;
mod page;
mod token;

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, web};
use openssl::sha::sha256;
use quick_cache::sync::Cache;
use serde_json::{Value, json};

use super::Shared;
use super::respond::Refusal;
use crate::access::KnownTokens;
use crate::access::claims::{Believed, Expected, believe};
use crate::access::jwt::{Key, SigningKey, TokenError, Unverified};
use crate::store::{AccessCertificate, AccessDirectory, AccessKey, StoreError};

/// How often it is asked what other processes revoked.
const LOOK_AROUND: Duration = Duration::from_secs(2);
/// Seconds a token of a system counts (SMART Backend Services: at most 300).
const SYSTEM_LIFE: i64 = 300;
/// Seconds a token of a person counts.
const PERSON_LIFE: i64 = 900;
/// Seconds a refresh token counts.
const REFRESH_LIFE: i64 = 30 * 86_400;
/// Seconds an authorization code counts.
const CODE_LIFE: i64 = 60;
/// Seconds a revocation is kept: longer than anything that was given out counts.
pub const REVOCATION_LIFE: i64 = REFRESH_LIFE + 86_400;
/// Longest form that is read.
const LONGEST_FORM: usize = 64 << 10;

/// Seconds since 1970 UTC.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A secret nobody guesses, in base64url, and its hash.
fn new_secret() -> Result<(String, String), StoreError> {
    use base64::Engine as _;
    let mut bytes = [0_u8; 32];
    openssl::rand::rand_bytes(&mut bytes).map_err(unavailable)?;
    let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let hash = hex(&sha256(secret.as_bytes()));
    Ok((secret, hash))
}

fn unavailable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("OpenSSL: {error}"))
}

/// What tokens are checked and made with.
pub(super) struct Auth {
    directory: AccessDirectory,
    signing: SigningKey,
    own_keys: Vec<Key>,
    issuers: issuers::Issuers,
    amr: Vec<String>,
    known: KnownTokens,
    devices: Cache<String, (i64, Option<Arc<AccessCertificate>>)>,
    base: OnceLock<String>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Auth")
    }
}

impl Auth {
    /// Opens what is needed; the first time a signing key is made.
    pub(super) fn open(directory: AccessDirectory, issuers: &[String], amr: &[String]) -> Result<Self, StoreError> {
        let keys = directory.keys(|| {
            let key = SigningKey::generate(uuid::Uuid::now_v7().to_string()).map_err(unavailable)?;
            let pem = key.to_pem().map_err(unavailable)?;
            Ok(AccessKey { id: key.id, pem, created: now() })
        })?;
        let read = |key: AccessKey| SigningKey::from_pem(key.id, &key.pem).map_err(unavailable);
        let keys = keys.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let public = keys.iter().map(|key| key.to_jwk().map_err(unavailable)).collect::<Result<Vec<_>, _>>()?;
        let own_keys = Key::set(&json!({ "keys": public }));
        let signing = keys.into_iter().next().ok_or_else(|| unavailable("there is no signing key"))?;
        let known = KnownTokens::new(directory.revoked(now())?);
        Ok(Self {
            directory,
            signing,
            own_keys,
            issuers: issuers::Issuers::new(issuers),
            amr: amr.to_vec(),
            known,
            devices: Cache::new(1000),
            base: OnceLock::new(),
        })
    }

    /// Says where this server is, once it is known: whom tokens must be for. Never taken from a request.
    pub(super) fn set_base(&self, base: String) {
        let _ = self.base.set(base);
    }

    /// The FHIR base; also the name of this server as an issuer.
    fn base(&self) -> &str {
        self.base.get().map_or("", String::as_str)
    }

    fn root(&self) -> &str {
        self.base().strip_suffix("/fhir").unwrap_or(self.base())
    }

    fn url(&self, path: &str) -> String {
        format!("{}/auth/{path}", self.root())
    }

    /// Learns now and then what other processes revoked.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            actix_web::rt::time::sleep(LOOK_AROUND).await;
            let auth = Arc::clone(&self);
            let noted = self.known.noted();
            let asked = tokio::task::spawn_blocking(move || auth.directory.revoked(now())).await;
            match asked {
                Ok(Ok(names)) => self.known.learn(noted, names),
                Ok(Err(error)) => tracing::error!(%error, "revoked tokens cannot be read"),
                Err(_) => {}
            }
        }
    }

    fn note_revoked(&self, name: String) {
        self.known.revoke(name);
    }

    /// What a token says, when its check is remembered.
    pub(super) fn remembered(&self, token: &str) -> Option<Result<Arc<Believed>, TokenError>> {
        self.known.get(token, now())
    }

    /// Checks a token. May fetch the keys of an issuer: it blocks.
    pub(super) fn check(&self, token: &str) -> Result<Arc<Believed>, TokenError> {
        let read = Unverified::read(token)?;
        let issuer = read.claims.get("iss").and_then(Value::as_str).unwrap_or_default().to_owned();
        let is_own = issuer == self.base();
        let claims = if is_own { read.verify(&self.own_keys)? } else { self.issuers.verify(&issuer, read)? };
        let expected = Expected { issuer: &issuer, audience: self.base(), now: now(), amr: &self.amr };
        let mut believed = believe(&claims, &expected)?;
        if !is_own {
            // Roles are given by this server's own administrators, and names told apart by issuer.
            believed.caller.roles.clear();
            for name in &mut believed.names {
                *name = format!("{issuer} {name}");
            }
        }
        self.known.keep(token, believed)
    }

    /// The device that a certificate was registered for. Blocks when it was not asked lately.
    pub(super) fn device(&self, fingerprint: &str) -> Result<Option<Arc<AccessCertificate>>, StoreError> {
        let now = now();
        if let Some((asked, known)) = self.devices.get(fingerprint)
            && asked + 5 > now
        {
            return Ok(known);
        }
        let found = self.directory.certificate(fingerprint)?.map(Arc::new);
        self.devices.insert(fingerprint.to_owned(), (now, found.clone()));
        Ok(found)
    }
}

/// An error in the form of RFC 6749 section 5.2.
#[derive(Debug)]
pub(super) struct OAuthError {
    status: u16,
    error: &'static str,
    description: String,
    retry_after: Option<u32>,
}

impl OAuthError {
    fn new(status: u16, error: &'static str, description: impl Into<String>) -> Self {
        Self { status, error, description: description.into(), retry_after: None }
    }

    /// The error codes of RFC 6749 have none for this; clients know the status.
    pub(super) fn throttled(description: impl Into<String>) -> Self {
        Self::new(429, "temporarily_unavailable", description)
    }

    /// The same with the seconds after which it may be tried again.
    pub(super) fn waits(self, seconds: u32) -> Self {
        let description = format!("{}; wait {seconds} s", self.description);
        Self { description, retry_after: Some(seconds), ..self }
    }

    fn request(description: impl Into<String>) -> Self {
        Self::new(400, "invalid_request", description)
    }

    fn client(description: impl Into<String>) -> Self {
        Self::new(401, "invalid_client", description)
    }

    fn grant(description: impl Into<String>) -> Self {
        Self::new(400, "invalid_grant", description)
    }

    pub(super) fn response(&self) -> HttpResponse {
        let body = json!({ "error": self.error, "error_description": self.description });
        let mut response = json_answer(self.status, &body);
        response.extensions_mut().insert(Refusal(format!("{}: {}", self.error, self.description)));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "tokens cannot be given out");
        Self::new(503, "temporarily_unavailable", "the database does not answer at the moment")
    }
}

/// JSON that nobody keeps (RFC 6749 section 5.1).
fn json_answer(status: u16, value: &Value) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("Pragma", "no-cache"))
        .content_type("application/json")
        .body(value.to_string())
}

/// The pairs of a form; one that is sent twice is refused (RFC 6749 section 3.2).
struct Form(Vec<(String, String)>);

impl Form {
    fn read(text: &str) -> Result<Self, OAuthError> {
        let pairs = crate::engine::decode_pairs(text);
        let mut names = HashSet::new();
        match pairs.iter().find(|(name, _)| !names.insert(name.as_str())) {
            Some((name, _)) => Err(OAuthError::request(format!("{name} is there twice"))),
            None => Ok(Self(pairs)),
        }
    }

    async fn of_body(payload: &mut web::Payload, request: &HttpRequest) -> Result<Self, OAuthError> {
        let body = super::context::body(payload, request, LONGEST_FORM).await;
        let body = body.map_err(|_| OAuthError::request("the form cannot be read"))?;
        let media = super::context::text(request, &actix_web::http::header::CONTENT_TYPE).unwrap_or_default();
        if !media.starts_with("application/x-www-form-urlencoded") {
            return Err(OAuthError::request("send application/x-www-form-urlencoded"));
        }
        Self::read(std::str::from_utf8(&body).map_err(|_| OAuthError::request("the form is not UTF-8"))?)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn required(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::request(format!("{name} is missing")))
    }
}

/// Runs what blocks.
async fn blocking(
    shared: Data<Shared>,
    work: impl FnOnce(&Auth) -> Result<HttpResponse, OAuthError> + Send + 'static,
) -> HttpResponse {
    let Some(auth) = shared.auth.clone() else {
        return OAuthError::new(404, "invalid_request", "this server gives out no tokens (authentication = off)")
            .response();
    };
    // A response cannot change threads: what it says can.
    let done = tokio::task::spawn_blocking(move || work(&auth).map(Taken::of)).await;
    match done {
        Ok(Ok(taken)) => taken.response(),
        Ok(Err(error)) => error.response(),
        Err(_) => OAuthError::new(500, "server_error", "an internal error was caught").response(),
    }
}

/// A response taken apart.
struct Taken {
    status: StatusCode,
    headers: Vec<(actix_web::http::header::HeaderName, actix_web::http::header::HeaderValue)>,
    body: bytes::Bytes,
}

impl Taken {
    fn of(response: HttpResponse) -> Self {
        use actix_web::body::MessageBody;
        let status = response.status();
        let headers = response.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { status, headers, body: response.into_body().try_into_bytes().unwrap_or_default() }
    }

    fn response(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for header in self.headers {
            response.insert_header(header);
        }
        response.body(self.body)
    }
}

/// The routes.
pub(super) fn routes(config: &mut ServiceConfig) {
    for root in ["/fhir/.well-known", "/.well-known"] {
        config.route(&format!("{root}/smart-configuration"), web::get().to(discovery::smart));
        config.route(&format!("{root}/openid-configuration"), web::get().to(discovery::openid));
    }
    config
        .route("/auth/keys", web::get().to(discovery::keys))
        .route("/auth/token", web::post().to(token::handle))
        .route("/auth/introspect", web::post().to(inspect::introspect))
        .route("/auth/revoke", web::post().to(inspect::revoke))
        .route("/auth/authorize", web::get().to(authorize::ask))
        .route("/auth/authorize", web::post().to(authorize::answer));
}
