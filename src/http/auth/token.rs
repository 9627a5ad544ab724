//! `POST /auth/token`: tokens for systems, for codes, for refresh tokens.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::sha::sha256;
use serde_json::{Value, json};

use super::{Auth, Form, OAuthError, PERSON_LIFE, REFRESH_LIFE, REVOCATION_LIFE, SYSTEM_LIFE, Shared};
use super::{blocking, hex, json_answer, new_secret, now, unavailable};
use crate::access::audit::Agent;
use crate::access::{GrantContext, Scopes};
use crate::store::{AccessClient, AccessGrant, Used};

pub(super) async fn handle(request: HttpRequest, mut payload: Payload, shared: Data<Shared>) -> HttpResponse {
    let form = match Form::of_body(&mut payload, &request).await {
        Ok(form) => form,
        Err(error) => return error.response(),
    };
    let trail = shared.engine.trail().clone();
    if let Some(client) = form.get("client_id") {
        trail.agent(Agent { name: client.to_owned(), ..Agent::default() });
    }
    blocking(shared, move |auth| {
        let answer = match form.required("grant_type")? {
            "client_credentials" => auth.for_system(&form),
            "authorization_code" => auth.for_code(&form),
            "refresh_token" => auth.for_refresh(&form),
            other => {
                let text =
                    format!("{other:?} is not supported; authorization_code, client_credentials and refresh_token are");
                Err(OAuthError::new(400, "unsupported_grant_type", text))
            }
        }?;
        let token = answer["access_token"].as_str().unwrap_or_default();
        if let Ok(believed) = auth.check(token) {
            trail.agent_of(&believed.caller);
        }
        Ok(json_answer(200, &answer))
    })
    .await
}

impl Auth {
    /// SMART Backend Services.
    fn for_system(&self, form: &Form) -> Result<Value, OAuthError> {
        let asking = self.client(form)?;
        if !asking.is_proven {
            return Err(OAuthError::client("a token for a system takes a client_assertion"));
        }
        let client = asking.client;
        let asked = Scopes::parse(form.required("scope")?);
        let mut scopes = Scopes::parse(&client.scopes).granted(&asked);
        scopes.grants.retain(|grant| grant.context == GrantContext::System);
        scopes.others.clear();
        if scopes.is_empty() {
            let text = format!("this client may have: {}", client.scopes);
            return Err(OAuthError::new(400, "invalid_scope", text));
        }
        let mut claims = json!({ "sub": client.id, "client_id": client.id, "scope": scopes.to_string() });
        if !client.roles.is_empty() {
            claims["roles"] = client.roles.split_ascii_whitespace().collect();
        }
        if !client.organization.is_empty() {
            claims["organization"] = json!(client.organization);
        }
        let token = self.access_token(claims, SYSTEM_LIFE)?;
        Ok(
            json!({ "access_token": token, "token_type": "bearer", "expires_in": SYSTEM_LIFE, "scope": scopes.to_string() }),
        )
    }

    /// A signed access token of this server.
    fn access_token(&self, mut claims: Value, life: i64) -> Result<String, OAuthError> {
        let now = now();
        claims["iss"] = json!(self.base());
        claims["aud"] = json!(self.base());
        claims["iat"] = json!(now);
        claims["exp"] = json!(now + life);
        claims["jti"] = json!(uuid::Uuid::now_v7().to_string());
        Ok(self.signing.sign("at+jwt", &claims).map_err(unavailable)?)
    }

    fn for_code(&self, form: &Form) -> Result<Value, OAuthError> {
        let client = self.client(form)?.client;
        let grant = self.use_up(form.required("code")?, "code", &client)?;
        let content = content(&grant)?;
        if content["redirect_uri"].as_str() != Some(form.required("redirect_uri")?) {
            return Err(OAuthError::grant("redirect_uri is not the one the code was asked for with"));
        }
        // RFC 7636 section 4.6.
        let verifier = form.required("code_verifier")?;
        let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
        if !(43..=128).contains(&verifier.len()) || content["code_challenge"].as_str() != Some(challenge.as_str()) {
            return Err(OAuthError::grant("code_verifier is not that of the code_challenge"));
        }
        self.for_person(&grant.family, content)
    }

    /// Uses a code or refresh token of a client.
    fn use_up(&self, secret: &str, kind: &str, client: &AccessClient) -> Result<AccessGrant, OAuthError> {
        let hash = hex(&sha256(secret.as_bytes()));
        let wrong = || OAuthError::grant(format!("the {kind} is not valid (any more)"));
        // Somebody else's is not used up by trying.
        let known = self.directory.grant(&hash)?.ok_or_else(wrong)?;
        let about = content(&known)?;
        if about["kind"].as_str() != Some(kind) || about["client_id"].as_str() != Some(client.id.as_str()) {
            return Err(wrong());
        }
        match self.directory.use_grant(&hash, now(), now() + REVOCATION_LIFE)? {
            Used::First(grant) => Ok(grant),
            Used::Again(grant) => {
                tracing::warn!(family = %grant.family, client = %client.id, "a {kind} was used twice; all that came of it is revoked");
                self.note_revoked(format!("family:{}", grant.family));
                Err(wrong())
            }
            Used::Unknown => Err(wrong()),
        }
    }

    fn for_refresh(&self, form: &Form) -> Result<Value, OAuthError> {
        let client = self.client(form)?.client;
        let grant = self.use_up(form.required("refresh_token")?, "refresh_token", &client)?;
        let mut content = content(&grant)?;
        // An account that was closed meanwhile gets nothing.
        let login = content["login"].as_str().unwrap_or_default();
        if self.directory.user(login)?.is_none_or(|user| user.revoked != 0) {
            return Err(OAuthError::grant("the account is closed"));
        }
        if let Some(fewer) = form.get("scope") {
            let whole = Scopes::parse(content["scope"].as_str().unwrap_or_default());
            content["scope"] = json!(whole.granted(&Scopes::parse(fewer)).to_string());
        }
        self.for_person(&grant.family, content)
    }

    /// The tokens of a person who signed in.
    fn for_person(&self, family: &str, content: Value) -> Result<Value, OAuthError> {
        let scopes = Scopes::parse(content["scope"].as_str().unwrap_or_default());
        let mut claims = json!({ "fam": family, "scope": scopes.to_string() });
        for name in ["sub", "client_id", "login", "fhirUser", "patient", "amr", "roles"] {
            if !content[name].is_null() {
                claims[name] = content[name].clone();
            }
        }
        let access = self.access_token(claims, PERSON_LIFE)?;
        let mut answer = json!({
            "access_token": access, "token_type": "bearer", "expires_in": PERSON_LIFE, "scope": scopes.to_string(),
        });
        if !content["patient"].is_null() {
            answer["patient"] = content["patient"].clone();
        }
        if scopes.has("openid") {
            let now = now();
            let mut id = json!({
                "iss": self.base(), "aud": content["client_id"], "sub": content["sub"], "iat": now, "exp": now + PERSON_LIFE,
                "amr": content["amr"],
            });
            if !content["nonce"].is_null() {
                id["nonce"] = content["nonce"].clone();
            }
            if scopes.has("fhirUser") || scopes.has("profile") {
                id["fhirUser"] = content["fhirUser"].clone();
            }
            answer["id_token"] = json!(self.signing.sign("JWT", &id).map_err(unavailable)?);
        }
        if scopes.has("offline_access") || scopes.has("online_access") {
            let (secret, hash) = new_secret()?;
            let mut content = content;
            content["kind"] = json!("refresh_token");
            let grant = AccessGrant {
                hash,
                family: family.to_owned(),
                content: content.to_string(),
                expires: now() + REFRESH_LIFE,
                used: 0,
            };
            self.directory.add_grant(&grant, now())?;
            answer["refresh_token"] = json!(secret);
        }
        Ok(answer)
    }
}

fn content(grant: &AccessGrant) -> Result<Value, OAuthError> {
    serde_json::from_str(&grant.content).map_err(|_| OAuthError::grant("the grant cannot be read"))
}
