//! `/auth/authorize`: a person signs in and an application gets a code (authorization code with PKCE).
//!
//! Nobody stays signed in: each authorization asks for the password, so that there is no session to steal.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::page::{Page, failure, sign_in};
use super::{Auth, CODE_LIFE, Form, OAuthError, Shared, blocking, new_secret, now};
use crate::access::audit::Agent;
use crate::access::password::{is_right, totp_step};
use crate::access::{FhirUser, GrantContext, Scopes};
use crate::r4::reference::is_id;
use crate::store::{AccessClient, AccessGrant, AccessUser};

/// Failures that cost nothing.
const FREE_FAILURES: i64 = 5;
/// Seconds of the first lock; each further failure doubles it.
const FIRST_LOCK: i64 = 30;
const LONGEST_LOCK: i64 = 3600;

/// A request for a code that is in order.
pub(super) struct Asked {
    pub(super) client: AccessClient,
    pub(super) redirect: String,
    pub(super) scopes: Scopes,
    pub(super) state: Option<String>,
    challenge: String,
    nonce: Option<String>,
}

/// Why there is no code: before it is known where to send the person back, and after.
enum Refused {
    Here(OAuthError),
    There(String),
}

impl From<OAuthError> for Refused {
    fn from(error: OAuthError) -> Self {
        Self::Here(error)
    }
}

/// An account, and how its owner proved to be that.
type SignedIn = (AccessUser, Vec<&'static str>);

impl Auth {
    fn asked(&self, form: &Form) -> Result<Asked, Refused> {
        let client = self.known(form.required("client_id")?)?;
        // OAuth 2.1 section 2.3.1: compared letter by letter; nobody is sent where the client was not registered for.
        let redirect = form.required("redirect_uri")?.to_owned();
        if !client.redirects.split_ascii_whitespace().any(|known| known == redirect) {
            return Err(OAuthError::request("redirect_uri is none the client was registered with").into());
        }
        let state = form.get("state").map(str::to_owned);
        let refuse = |error: &str, text: &str| {
            Refused::There(back(&redirect, state.as_deref(), &[("error", error), ("error_description", text)]))
        };
        if form.get("response_type") != Some("code") {
            return Err(refuse("unsupported_response_type", "response_type must be code"));
        }
        let challenge = form.get("code_challenge").unwrap_or_default().to_owned();
        if challenge.len() != 43 || form.get("code_challenge_method") != Some("S256") {
            return Err(refuse("invalid_request", "code_challenge with code_challenge_method=S256 is needed (PKCE)"));
        }
        if form.get("aud").map(|aud| aud.trim_end_matches('/')) != Some(self.base()) {
            return Err(refuse("invalid_request", "aud must be the FHIR base of this server"));
        }
        let mut scopes = Scopes::parse(&client.scopes).granted(&Scopes::parse(form.get("scope").unwrap_or_default()));
        scopes.grants.retain(|grant| grant.context != GrantContext::System);
        if scopes.is_empty() {
            return Err(refuse("invalid_scope", "the client may have none of these scopes"));
        }
        let nonce = form.get("nonce").map(str::to_owned);
        Ok(Asked { client, redirect, scopes, state, challenge, nonce })
    }

    /// Who signs in; or why not, for the audit only.
    fn signed_in(&self, form: &Form) -> Result<Result<SignedIn, &'static str>, OAuthError> {
        let (login, password) = (form.get("login").unwrap_or_default(), form.get("password").unwrap_or_default());
        if !self.directory.begin_attempt(login, now(), FREE_FAILURES, FIRST_LOCK, LONGEST_LOCK)? {
            return Ok(Err("locked for a while after failures"));
        }
        let user = self.directory.user(login)?.filter(|user| user.revoked == 0);
        if !is_right(password, user.as_ref().map(|user| user.password.as_str())) {
            return Ok(Err("no such account, or not its password"));
        }
        let Some(user) = user else { return Ok(Err("no such account")) };
        let mut amr = vec!["pwd"];
        let mut step = None;
        if !user.totp.is_empty() {
            let code: String = form.get("code").unwrap_or_default().split_whitespace().collect();
            step = totp_step(&user.totp, &code, now(), user.totp_step);
            if step.is_none() {
                return Ok(Err("not the one-time password"));
            }
            amr.extend(["otp", "mfa"]);
        }
        Ok(if self.directory.signed_in(login, step)? { Ok((user, amr)) } else { Err("a one-time password of before") })
    }

    fn code(&self, asked: &Asked, user: &AccessUser, amr: &[&str], form: &Form) -> Result<String, OAuthError> {
        let fhir_user =
            FhirUser::parse(&user.fhir_user).ok_or_else(|| OAuthError::request("the account has no fhirUser"))?;
        let chosen = form.get("patient").map(|text| text.rsplit('/').next().unwrap_or_default()).filter(|id| is_id(id));
        let patient = match fhir_user.type_name.as_str() {
            "Patient" => Some(fhir_user.id.as_str()),
            _ if asked.scopes.has("launch/patient") => chosen,
            _ => None,
        };
        let (secret, hash) = new_secret()?;
        let content = json!({
            "kind": "code", "client_id": asked.client.id, "redirect_uri": asked.redirect, "code_challenge": asked.challenge,
            "nonce": asked.nonce, "scope": asked.scopes.to_string(), "login": user.login, "amr": amr,
            "sub": super::hex(&openssl::sha::sha256(format!("{} {}", self.base(), user.login).as_bytes())),
            "fhirUser": format!("{}/{fhir_user}", self.base()), "patient": patient,
            "roles": user.roles.split_ascii_whitespace().collect::<Vec<_>>(),
        });
        let family = uuid::Uuid::now_v7().to_string();
        let grant = AccessGrant { hash, family, content: content.to_string(), expires: now() + CODE_LIFE, used: 0 };
        self.directory.add_grant(&grant, now())?;
        Ok(secret)
    }
}

/// The URL a person is sent back to.
fn back(redirect: &str, state: Option<&str>, pairs: &[(&str, &str)]) -> String {
    use super::super::bundles::encode;
    let mut url = redirect.to_owned();
    let all = pairs.iter().copied().chain(state.map(|state| ("state", state)));
    for (name, value) in all {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&format!("{name}={}", encode(value)));
    }
    url
}

fn redirect(url: &str) -> HttpResponse {
    HttpResponse::Found()
        .insert_header(("Location", url))
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .finish()
}

fn refused(refused: Refused) -> HttpResponse {
    match refused {
        Refused::There(url) => redirect(&url),
        Refused::Here(error) => failure(error.status, &error.description),
    }
}

/// Shows the page.
pub(super) async fn ask(request: HttpRequest, shared: Data<Shared>) -> HttpResponse {
    let query = request.query_string().to_owned();
    blocking(shared, move |auth| {
        let form = match Form::read(&query) {
            Ok(form) => form,
            Err(error) => return Ok(failure(error.status, &error.description)),
        };
        Ok(match auth.asked(&form) {
            Ok(asked) => sign_in(&Page { asked: &asked, request: &query, failed: false, login: "" }),
            Err(why) => refused(why),
        })
    })
    .await
}

/// Takes what was filled in. The field `request` is the query that asked for the code.
pub(super) async fn answer(request: HttpRequest, mut payload: Payload, shared: Data<Shared>) -> HttpResponse {
    let form = match Form::of_body(&mut payload, &request).await {
        Ok(form) => form,
        Err(error) => return failure(error.status, &error.description),
    };
    let trail = shared.engine.trail().clone();
    blocking(shared, move |auth| {
        let query = form.required("request")?.to_owned();
        let asked = match Form::read(&query).map_err(Refused::from).and_then(|asked| auth.asked(&asked)) {
            Ok(asked) => asked,
            Err(why) => return Ok(refused(why)),
        };
        if form.get("deny").is_some() {
            trail.agent(Agent { name: "nobody".to_owned(), client: asked.client.id.clone(), ..Agent::default() });
            trail.status(403);
            trail.note("the person did not let the application in");
            return Ok(redirect(&back(&asked.redirect, asked.state.as_deref(), &[("error", "access_denied")])));
        }
        let login = form.get("login").unwrap_or_default();
        let (user, amr) = match auth.signed_in(&form)? {
            Ok(signed_in) => signed_in,
            Err(why) => {
                tracing::warn!(client = %asked.client.id, why, "a sign-in failed");
                // A login that is not known may be a password in the wrong field: it is not written down.
                let known = auth.directory.user(login)?.map_or_else(|| "unknown account".to_owned(), |user| user.login);
                trail.agent(Agent { name: known, client: asked.client.id.clone(), ..Agent::default() });
                trail.status(401);
                trail.note(why);
                return Ok(sign_in(&Page { asked: &asked, request: &query, failed: true, login }));
            }
        };
        trail.agent(Agent { name: user.fhir_user.clone(), client: asked.client.id.clone(), ..Agent::default() });
        let code = auth.code(&asked, &user, &amr, &form)?;
        Ok(redirect(&back(&asked.redirect, asked.state.as_deref(), &[("code", &code)])))
    })
    .await
}
