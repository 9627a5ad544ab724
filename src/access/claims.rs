//! What the claims of a verified token come to: a caller, or why not.

use serde_json::{Map, Value};

use super::caller::{Caller, FhirUser, Subject};
use super::jwt::TokenError;
use super::scope::Scopes;

/// How far clocks may be apart, in seconds.
pub const SKEW: i64 = 60;

/// What is expected of an access token.
#[derive(Debug, Clone)]
pub struct Expected<'a> {
    /// Who issued it.
    pub issuer: &'a str,
    /// Whom it must be for.
    pub audience: &'a str,
    /// Seconds since 1970 UTC.
    pub now: i64,
    /// Values one of which `amr` must hold; empty for no demand.
    pub amr: &'a [String],
}

/// A caller with the time their token ends, and its names for revocation.
#[derive(Debug, Clone)]
pub struct Believed {
    /// The caller.
    pub caller: Caller,
    /// Seconds since 1970 UTC.
    pub expires: i64,
    /// `jti:…`, `family:…`, `client:…`, `user:…`: revoked when one of them is.
    pub names: Vec<String>,
    /// The SHA-256 of the certificate it is bound to (RFC 8705 section 3.1), in hexadecimal.
    pub bound_to: Option<String>,
}

fn claim(text: impl Into<String>) -> TokenError {
    TokenError::Claim(text.into())
}

/// Text, or the texts of an array.
pub fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, TokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            let number = value.as_i64().or_else(|| value.as_f64().map(|number| number.floor() as i64));
            number.map(Some).ok_or_else(|| claim(format!("{name} is no number of seconds")))
        }
    }
}

/// Checks `iss`, `aud`, `exp`, `nbf` and `iat`; answers when it expires.
///
/// # Errors
/// Which claim is wrong.
pub fn check_times_and_parties(
    claims: &Map<String, Value>,
    issuer: &str,
    audiences: &[&str],
    now: i64,
) -> Result<i64, TokenError> {
    if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
        return Err(claim("iss is not who is believed"));
    }
    if !texts(claims.get("aud")).iter().any(|own| audiences.contains(own)) {
        return Err(claim(format!("aud must be {}", audiences.first().copied().unwrap_or_default())));
    }
    let expires = seconds(claims, "exp")?.ok_or_else(|| claim("exp is missing"))?;
    if expires.saturating_add(SKEW) <= now {
        return Err(TokenError::Expired);
    }
    if seconds(claims, "nbf")?.is_some_and(|start| start > now.saturating_add(SKEW)) {
        return Err(claim("nbf: it is not valid yet"));
    }
    if seconds(claims, "iat")?.is_some_and(|made| made > now.saturating_add(SKEW)) {
        return Err(claim("iat lies in the future"));
    }
    Ok(expires)
}

/// The caller of an access token whose signature was checked.
///
/// # Errors
/// Which claim is missing or wrong.
pub fn believe(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<Believed, TokenError> {
    let expires = check_times_and_parties(claims, expected.issuer, &[expected.audience], expected.now)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let subject = text("sub").ok_or_else(|| claim("sub is missing"))?;
    let client = match (text("client_id"), text("azp")) {
        (Some(client), Some(party)) if client != party => {
            return Err(claim("azp is not the client_id"));
        }
        (Some(client), _) | (None, Some(client)) => client,
        (None, None) => subject,
    };
    let scopes = match claims.get("scope").or_else(|| claims.get("scp")) {
        Some(Value::String(text)) => Scopes::parse(text),
        Some(Value::Array(items)) => {
            Scopes::parse(&items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
        }
        _ => return Err(claim("scope is missing")),
    };
    let amr: Vec<String> = texts(claims.get("amr")).into_iter().map(str::to_owned).collect();
    let subject = match text("fhirUser") {
        Some(user) => {
            // A person of another server is nobody here.
            let own = user.strip_prefix(expected.audience).and_then(|rest| rest.strip_prefix('/')).unwrap_or(user);
            let user =
                Some(own).filter(|own| own.matches('/').count() == 1).and_then(FhirUser::parse).ok_or_else(|| {
                    claim("fhirUser must be a Practitioner, PractitionerRole, Patient or RelatedPerson of this server")
                })?;
            if !expected.amr.is_empty() && !amr.iter().any(|own| expected.amr.contains(own)) {
                return Err(claim(format!("amr: sign in with one of {}", expected.amr.join(", "))));
            }
            Subject::Person { user, client: client.to_owned() }
        }
        None => Subject::System { client: client.to_owned(), organization: text("organization").map(str::to_owned) },
    };
    let mut names = vec![format!("client:{client}")];
    names.extend(text("jti").map(|id| format!("jti:{id}")));
    names.extend(text("fam").map(|id| format!("family:{id}")));
    names.extend(text("login").map(|id| format!("user:{id}")));
    let bound_to = match claims.get("cnf") {
        None => None,
        Some(confirmation) => Some(
            fingerprint(confirmation)
                .ok_or_else(|| claim("cnf: only tokens bound to a certificate (x5t#S256) are understood"))?,
        ),
    };
    let caller = Caller {
        patient: text("patient").map(str::to_owned),
        amr,
        roles: texts(claims.get("roles")).into_iter().map(str::to_owned).collect(),
        ..Caller::known(subject, scopes)
    };
    Ok(Believed { caller, expires, names, bound_to })
}

fn fingerprint(confirmation: &Value) -> Option<String> {
    use base64::Engine as _;
    let text = confirmation.get("x5t#S256")?.as_str()?;
    let digest = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn believed(change: Value) -> Result<Believed, TokenError> {
        let mut claims = json!({
            "iss": "https://idp.example", "aud": "https://fhir.example/fhir", "exp": 1000, "sub": "s",
            "azp": "app", "scope": "user/*.rs", "fhirUser": "https://fhir.example/fhir/Practitioner/p", "amr": ["pwd", "otp"],
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let amr = ["otp".to_owned()];
        let expected =
            Expected { issuer: "https://idp.example", audience: "https://fhir.example/fhir", now: 900, amr: &amr };
        believe(claims.as_object().unwrap(), &expected)
    }

    #[test]
    fn a_person_with_scopes_is_known() {
        let caller = believed(json!({})).unwrap().caller;
        assert_eq!(caller.name(), "Practitioner/p");
        assert!(caller.scopes.allow(super::super::Interaction::Read, "Patient"));
    }

    #[test]
    fn each_claim_counts() {
        let wrong = [
            json!({ "iss": "https://other.example" }),
            json!({ "aud": "https://other.example/fhir" }),
            json!({ "aud": ["x", "y"] }),
            json!({ "exp": 800 }),
            json!({ "exp": "soon" }),
            json!({ "exp": null }),
            json!({ "nbf": 1000 }),
            json!({ "iat": 1000 }),
            json!({ "sub": "" }),
            json!({ "scope": null }),
            json!({ "client_id": "another" }),
            json!({ "fhirUser": "Device/x" }),
            json!({ "fhirUser": "https://other.example/fhir/Practitioner/p" }),
            json!({ "amr": ["pwd"] }),
            json!({ "cnf": { "jkt": "x" } }),
        ];
        for change in wrong {
            assert!(believed(change.clone()).is_err(), "{change}");
        }
        assert!(believed(json!({ "exp": 850 })).is_ok(), "clocks may be a minute apart");
    }
}
