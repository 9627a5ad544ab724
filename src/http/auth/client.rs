//! Which client asks: `private_key_jwt` (RFC 7523, SMART Backend Services), or a public client by its name.

use serde_json::Value;

use super::{Auth, Form, OAuthError, now};
use crate::access::claims::{SKEW, check_times_and_parties};
use crate::access::jwt::{Key, TokenError, Unverified};
use crate::store::AccessClient;

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Seconds an assertion may count at most (SMART App Launch 2.2, client-confidential-asymmetric.html).
const LONGEST: i64 = 300;

/// A client, and whether it proved to be it.
pub(super) struct Asking {
    pub(super) client: AccessClient,
    pub(super) is_proven: bool,
}

impl Auth {
    /// The client behind a request.
    pub(super) fn client(&self, form: &Form) -> Result<Asking, OAuthError> {
        if let Some(assertion) = form.get("client_assertion") {
            if form.required("client_assertion_type")? != ASSERTION {
                return Err(OAuthError::client(format!("client_assertion_type must be {ASSERTION}")));
            }
            let client = self.proven(assertion)?;
            if form.get("client_id").is_some_and(|id| id != client.id) {
                return Err(OAuthError::client("client_id is not the sub of the assertion"));
            }
            return Ok(Asking { client, is_proven: true });
        }
        let id = form.get("client_id").ok_or_else(|| OAuthError::client("send client_assertion, or client_id"))?;
        let client = self.known(id)?;
        if !client.jwks.is_empty() || !client.jwks_url.is_empty() {
            return Err(OAuthError::client("this client has keys and must send a client_assertion"));
        }
        Ok(Asking { client, is_proven: false })
    }

    pub(super) fn known(&self, id: &str) -> Result<AccessClient, OAuthError> {
        let found = self.directory.client(id)?.filter(|client| client.revoked == 0);
        found.ok_or_else(|| OAuthError::client("the client is not known here"))
    }

    fn proven(&self, assertion: &str) -> Result<AccessClient, OAuthError> {
        let refuse = |error: TokenError| OAuthError::client(format!("client_assertion: {error}"));
        let read = Unverified::read(assertion).map_err(refuse)?;
        let text = |name: &str| read.claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (id, jti) = (text("sub"), text("jti"));
        if id != text("iss") {
            return Err(OAuthError::client("client_assertion: iss and sub must both be the client_id"));
        }
        // SMART App Launch 2.2, client-confidential-asymmetric.html#authentication-jwt-header-values.
        if read.key_id.is_none() {
            return Err(OAuthError::client("client_assertion: its header must name the key (kid)"));
        }
        let client = self.known(&id)?;
        let mut keys = serde_json::from_str(&client.jwks).map(|jwks: Value| Key::set(&jwks)).unwrap_or_default();
        if !client.jwks_url.is_empty() {
            keys.extend(self.issuers.fetched.at(&client.jwks_url, &read).iter().cloned());
        }
        let claims = read.verify(&keys).map_err(refuse)?;
        let now = now();
        let expires = check_times_and_parties(&claims, &id, &[&self.url("token")], now).map_err(refuse)?;
        if expires > now + LONGEST + SKEW {
            return Err(OAuthError::client("client_assertion: exp must be at most five minutes ahead"));
        }
        if jti.is_empty() || jti.len() > 256 {
            return Err(OAuthError::client("client_assertion: jti is missing"));
        }
        if !self.directory.use_once(&format!("assertion:{id}:{jti}"), now, expires + SKEW)? {
            return Err(refuse(TokenError::Replayed));
        }
        Ok(client)
    }
}
