//! What the server says of itself (SMART App Launch 2.2 conformance.html, OpenID Connect Discovery 1.0, RFC 6750).

use serde_json::json;

use crate::world::each;

#[test]
fn anybody_learns_where_tokens_are() {
    each(|world| {
        for place in ["fhir/.well-known/smart-configuration", ".well-known/smart-configuration"] {
            let answer = world.get(place);
            assert_eq!(answer.status, 200, "{place}");
            assert!(answer.header("content-type").starts_with("application/json"), "{place}");
            let found = &answer.body;
            assert_eq!(found["issuer"], world.server.base);
            assert_eq!(found["code_challenge_methods_supported"], json!(["S256"]), "plain SHALL NOT be supported");
            for (name, path) in [
                ("jwks_uri", "keys"),
                ("authorization_endpoint", "authorize"),
                ("token_endpoint", "token"),
                ("introspection_endpoint", "introspect"),
                ("revocation_endpoint", "revoke"),
            ] {
                assert_eq!(found[name], format!("{}/auth/{path}", world.root()), "{name}");
            }
            let has = |name: &str, value: &str| found[name].as_array().unwrap().contains(&json!(value));
            for grant in ["authorization_code", "client_credentials", "refresh_token"] {
                assert!(has("grant_types_supported", grant), "{grant}");
            }
            for capability in ["client-public", "client-confidential-asymmetric", "permission-v1", "permission-v2"] {
                assert!(has("capabilities", capability), "{capability}");
            }
            // SMART App Launch 2.2 client-confidential-asymmetric.html: both SHALL be taken.
            for algorithm in ["RS384", "ES384"] {
                assert!(has("token_endpoint_auth_signing_alg_values_supported", algorithm), "{algorithm}");
            }
            let algorithms = found["token_endpoint_auth_signing_alg_values_supported"].to_string();
            assert!(!algorithms.contains("none") && !algorithms.contains("HS"), "{algorithms}");
        }
    });
}

#[test]
fn openid_knows_the_issuer_under_its_own_name_and_its_keys_are_public_only() {
    each(|world| {
        let answer = world.get("fhir/.well-known/openid-configuration");
        assert_eq!((answer.status, &answer.body["issuer"]), (200, &json!(world.server.base)));
        let keys = world.get("auth/keys");
        let keys = keys.body["keys"].as_array().unwrap();
        assert!(!keys.is_empty());
        for key in keys {
            assert!(key["kid"].is_string() && key["use"] == "sig", "{key}");
            for secret in ["d", "p", "q", "k"] {
                assert!(key.get(secret).is_none(), "{key}");
            }
        }
    });
}

#[test]
fn the_capability_statement_says_how_to_get_in() {
    each(|world| {
        let security = world.get("fhir/metadata").body["rest"][0]["security"].clone();
        assert_eq!(security["service"][0]["coding"][0]["code"], "SMART-on-FHIR", "{security}");
        assert!(security.to_string().contains(&format!("{}/auth/token", world.root())), "{security}");
    });
}

#[test]
fn who_shows_no_token_is_challenged_and_told_nothing_else() {
    each(|world| {
        let basic = [("Authorization", "Basic bnVyc2U6cGFzc3dvcmQ=")];
        let two = [("Authorization", "Bearer a"), ("Authorization", "Bearer b")];
        for (what, headers) in [("none", &[][..]), ("Basic", &basic[..]), ("two headers", &two[..])] {
            let mut bodies = Vec::new();
            for path in ["Patient/there", "Patient/not-there", "Patient", "Nothing", "$unknown"] {
                let answer = world.server.send("GET", path, headers, None);
                assert_eq!(answer.status, 401, "{what}: {path}");
                // RFC 6750 section 3.1: without authentication information there SHOULD be no error code.
                assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"renraku\"", "{what}: {path}");
                assert_eq!(answer.body["issue"][0]["code"], "login", "{what}: {path}");
                bodies.push(answer.body.to_string());
            }
            bodies.dedup();
            assert_eq!(bodies.len(), 1, "{what}: {bodies:?}");
        }
        // RFC 6750 section 2.3: URLs are kept in logs.
        let token = world.system_token("system/Patient.rs");
        assert_eq!(world.get(&format!("fhir/Patient?access_token={token}")).status, 401);
    });
}
