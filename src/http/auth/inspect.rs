//! Introspection (RFC 7662) and revocation (RFC 7009).

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use openssl::sha::sha256;
use serde_json::{Value, json};

use super::{Form, OAuthError, REVOCATION_LIFE, Shared, blocking, hex, json_answer, now};
use crate::access::Subject;
use crate::access::audit::Agent;
use crate::access::jwt::Unverified;

/// Tells a client that proved who it is what a token is worth.
pub(super) async fn introspect(request: HttpRequest, mut payload: Payload, shared: Data<Shared>) -> HttpResponse {
    let form = match Form::of_body(&mut payload, &request).await {
        Ok(form) => form,
        Err(error) => return error.response(),
    };
    let trail = shared.engine.trail().clone();
    blocking(shared, move |auth| {
        let asking = auth.client(&form)?;
        trail.agent(Agent { name: asking.client.id.clone(), ..Agent::default() });
        if !asking.is_proven {
            return Err(OAuthError::client("introspection takes a client_assertion"));
        }
        let token = form.required("token")?;
        // RFC 7662 section 2.2: of what is not valid nothing more is said.
        let Ok(believed) = auth.remembered(token).unwrap_or_else(|| auth.check(token)) else {
            return Ok(json_answer(200, &json!({ "active": false })));
        };
        let caller = &believed.caller;
        let mut answer = json!({
            "active": true, "scope": caller.scopes.to_string(), "exp": believed.expires, "token_type": "bearer",
        });
        match &caller.subject {
            Subject::System { client, .. } => answer["client_id"] = json!(client),
            Subject::Person { user, client } => {
                answer["client_id"] = json!(client);
                answer["fhirUser"] = json!(format!("{}/{user}", auth.base()));
            }
            Subject::Open | Subject::Program | Subject::Nobody => {}
        }
        if let Some(patient) = &caller.patient {
            answer["patient"] = json!(patient);
        }
        if let Ok(read) = Unverified::read(token) {
            for name in ["iss", "sub", "iat"] {
                answer[name] = read.claims.get(name).cloned().unwrap_or(Value::Null);
            }
        }
        Ok(json_answer(200, &answer))
    })
    .await
}

/// Ends a token of the client that asks, and what came of the same sign-in.
pub(super) async fn revoke(request: HttpRequest, mut payload: Payload, shared: Data<Shared>) -> HttpResponse {
    let form = match Form::of_body(&mut payload, &request).await {
        Ok(form) => form,
        Err(error) => return error.response(),
    };
    let trail = shared.engine.trail().clone();
    blocking(shared, move |auth| {
        let client = auth.client(&form)?.client;
        trail.agent(Agent { name: client.id.clone(), ..Agent::default() });
        let token = form.required("token")?;
        let done = || HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).finish();
        let name = match auth.directory.grant(&hex(&sha256(token.as_bytes())))? {
            Some(grant) => {
                let content: Value = serde_json::from_str(&grant.content).unwrap_or_default();
                let is_own = content["client_id"].as_str() == Some(client.id.as_str());
                if let Some(user) = content["fhirUser"].as_str().filter(|_| is_own) {
                    // `[base]/Practitioner/1`
                    let user = user.strip_prefix(auth.base()).unwrap_or(user).trim_start_matches('/').to_owned();
                    trail.agent(Agent { name: user, client: client.id.clone(), ..Agent::default() });
                }
                is_own.then(|| format!("family:{}", grant.family))
            }
            None => match auth.check(token) {
                Ok(believed) if believed.names.contains(&format!("client:{}", client.id)) => {
                    trail.agent_of(&believed.caller);
                    let of = |kind: &str| believed.names.iter().find(|name| name.starts_with(kind)).cloned();
                    of("family:").or_else(|| of("jti:"))
                }
                _ => None,
            },
        };
        // RFC 7009 section 2.2: what is not valid is revoked already.
        if let Some(name) = name {
            auth.directory.revoke(&name, now(), now() + REVOCATION_LIFE)?;
            auth.note_revoked(name);
        }
        Ok(done())
    })
    .await
}
