//! What a token is worth, and its end: introspection (RFC 7662) and revocation (RFC 7009).

use serde_json::json;

use crate::keys::Key;
use crate::world::{assert_refused, each, fresh, now};

#[test]
fn introspection_tells_clients_that_prove_who_they_are() {
    each(|world| {
        let tokens = world.signed_in();
        let access = tokens["access_token"].as_str().unwrap();
        let answer = world.proven("auth/introspect", access);
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{}", answer.body);
        assert_eq!(answer.body["active"], true);
        assert_eq!(answer.body["scope"], tokens["scope"]);
        assert_eq!(answer.body["client_id"], world.app);
        assert_eq!(answer.body["iss"], world.server.base);
        assert_eq!(answer.body["fhirUser"], format!("{}/Practitioner/p1", world.server.base));
        assert!(answer.body["exp"].as_u64().unwrap() > now() && answer.body["sub"].is_string(), "{}", answer.body);
        let system = world.system_token("system/Patient.rs");
        assert_eq!(world.proven("auth/introspect", &system).body["client_id"], world.system);
        for pairs in [&[("token", access)][..], &[("token", access), ("client_id", &world.app)]] {
            assert_refused(&world.send("auth/introspect", pairs), 401, "invalid_client", "who proves nothing");
        }
    });
}

#[test]
fn of_what_is_no_token_nothing_is_said() {
    each(|world| {
        let claims = json!({
            "iss": world.server.base, "aud": world.server.base, "sub": "x", "exp": now() + 300, "scope": "system/*.cruds",
        });
        let mut tokens = Key::new("c1", "ES256").forgeries(&claims);
        tokens.push(("of a key of a client", world.ec.sign(&claims)));
        tokens.push(("of another issuer", world.ec.sign(&json!({ "iss": "https://other.example" }))));
        tokens.push(("a refresh token", world.signed_in()["refresh_token"].as_str().unwrap().to_owned()));
        for (what, token) in tokens {
            let answer = world.proven("auth/introspect", &token);
            assert_eq!((answer.status, answer.body), (200, json!({ "active": false })), "{what}");
        }
    });
}

#[test]
fn a_revoked_token_ends_at_once_with_its_family() {
    each(|world| {
        let system = world.system_token("system/Patient.rs");
        let kept = world.system_token("system/Patient.rs");
        assert!(world.is_believed(&system));
        assert_eq!(world.proven("auth/revoke", &system).status, 200);
        assert!(!world.is_believed(&system), "though its check was remembered");
        assert_eq!(world.proven("auth/introspect", &system).body, json!({ "active": false }));
        assert!(world.is_believed(&kept), "another token of the same client goes on");

        let tokens = world.signed_in();
        let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
        // Not by somebody else; and they do not learn that it is one (RFC 7009 section 2.1).
        for token in [access, refresh] {
            assert_eq!(world.proven("auth/revoke", token).status, 200);
        }
        assert!(world.is_believed(access));
        let own = world.send("auth/revoke", &[("token", refresh), ("client_id", &world.app)]);
        assert_eq!(own.status, 200, "{}", own.body);
        assert!(!world.is_believed(access), "the access token ends with the refresh token");
        assert_refused(&world.refresh(refresh, &[]), 400, "invalid_grant", "revoked");
        // RFC 7009 section 2.2.
        for token in ["nonsense", "a.b.c", refresh, &fresh()] {
            assert_eq!(
                world.send("auth/revoke", &[("token", token), ("client_id", &world.app)]).status,
                200,
                "{token}"
            );
        }
        let nobody = world.send("auth/revoke", &[("token", access), ("client_id", "nobody")]);
        assert_refused(&nobody, 401, "invalid_client", "an unknown client");
        let nothing = world.send("auth/revoke", &[("client_id", &world.app)]);
        assert_refused(&nothing, 400, "invalid_request", "no token");
    });
}

#[test]
fn tokens_of_this_server_cannot_be_forged() {
    each(|world| {
        let published = world.get("auth/keys").body["keys"][0].clone();
        let stranger = Key::new(published["kid"].as_str().unwrap(), "ES256");
        let claims = json!({
            "iss": world.server.base, "aud": world.server.base, "sub": world.system, "client_id": world.system,
            "iat": now(), "exp": now() + 300, "jti": fresh(), "scope": "system/Patient.cruds",
        });
        for (what, token) in stranger.forgeries(&claims) {
            assert!(!world.is_believed(&token), "{what}");
        }
        assert!(!world.is_believed(&stranger.sign(&claims)), "another key under the server's own kid");
        // A token of the server, changed.
        let real = world.system_token("system/Patient.r");
        let parts: Vec<&str> = real.split('.').collect();
        let more = crate::keys::encoded(claims.to_string());
        assert!(!world.is_believed(&format!("{}.{more}.{}", parts[0], parts[2])));
        // A client's assertion is signed by a key that is known, but opens no record.
        assert!(!world.is_believed(&world.assertion()));
        assert!(world.is_believed(&real));
    });
}
