//! What this server can do as an authorization server: SMART's and OpenID's configuration, the public keys.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Value, json};

use super::{Auth, Shared, blocking, json_answer, unavailable};
use crate::access::jwt::Algorithm;

fn configuration(auth: &Auth) -> Value {
    let algorithms: Vec<&str> = Algorithm::ALL.iter().map(|(name, _)| *name).collect();
    json!({
        "issuer": auth.base(),
        "jwks_uri": auth.url("keys"),
        "authorization_endpoint": auth.url("authorize"),
        "token_endpoint": auth.url("token"),
        "introspection_endpoint": auth.url("introspect"),
        "revocation_endpoint": auth.url("revoke"),
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": [
            "openid", "fhirUser", "launch/patient", "offline_access",
            "patient/*.cruds", "user/*.cruds", "system/*.cruds", "patient/*.read", "user/*.read", "system/*.read",
        ],
    })
}

/// SMART App Launch 2.2, conformance.html.
pub(super) async fn smart(shared: Data<Shared>) -> HttpResponse {
    blocking(shared, |auth| {
        let mut configuration = configuration(auth);
        configuration["capabilities"] = json!([
            "launch-standalone",
            "client-public",
            "client-confidential-asymmetric",
            "sso-openid-connect",
            "context-standalone-patient",
            "permission-offline",
            "permission-patient",
            "permission-user",
            "permission-v1",
            "permission-v2",
        ]);
        Ok(json_answer(200, &configuration))
    })
    .await
}

/// OpenID Connect Discovery 1.0.
pub(super) async fn openid(shared: Data<Shared>) -> HttpResponse {
    blocking(shared, |auth| {
        let mut configuration = configuration(auth);
        configuration["subject_types_supported"] = json!(["public"]);
        configuration["id_token_signing_alg_values_supported"] = json!(["ES256"]);
        configuration["claims_supported"] = json!(["iss", "sub", "aud", "exp", "iat", "nonce", "amr", "fhirUser"]);
        Ok(json_answer(200, &configuration))
    })
    .await
}

/// The public keys of this server (RFC 7517).
pub(super) async fn keys(shared: Data<Shared>) -> HttpResponse {
    blocking(shared, |auth| {
        let keys = auth.directory.keys(|| Err(unavailable("there is no signing key")))?;
        let read = |key: crate::store::AccessKey| {
            crate::access::jwt::SigningKey::from_pem(key.id, &key.pem).and_then(|key| key.to_jwk()).map_err(unavailable)
        };
        let keys = keys.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(json_answer(200, &json!({ "keys": keys })))
    })
    .await
}
