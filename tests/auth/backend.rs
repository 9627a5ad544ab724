//! SMART Backend Services (SMART App Launch 2.2 backend-services.html, client-confidential-asymmetric.html; RFC 7523).

use std::sync::Barrier;

use serde_json::{Value, json};

use crate::common::{agent, exchange};
use crate::keys::Key;
use crate::world::{World, assert_refused, each, form, now};

#[test]
fn a_system_gets_a_short_token_with_es384_and_rs384() {
    each(|world| {
        for key in [&world.ec, &world.rsa] {
            let answer = world.for_system(&key.sign(&world.claims(json!({}))), "system/Patient.cruds");
            assert_eq!(answer.status, 200, "{}: {}", key.algorithm, answer.body);
            assert_eq!(answer.body["token_type"], "bearer");
            assert_eq!(answer.body["scope"], "system/Patient.cruds");
            assert!((1..=300).contains(&answer.body["expires_in"].as_i64().unwrap()), "{}", answer.body);
            // RFC 6749 section 5.1.
            assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
            assert!(answer.body.get("refresh_token").is_none(), "{}", answer.body);
            let token = answer.body["access_token"].as_str().unwrap();
            let created = world.fhir(token, "POST", "Patient", Some(&json!({ "resourceType": "Patient" })));
            assert_eq!(created.status, 201, "{}", created.body);
            // What no scope is about.
            let refused = world.fhir(token, "GET", "Observation", None);
            assert_eq!((refused.status, &refused.body["resourceType"]), (403, &json!("OperationOutcome")));
        }
    });
}

#[test]
fn each_claim_of_an_assertion_counts() {
    each(|world| {
        let now = now();
        let wrong: [(&str, Value); 18] = [
            ("wrong aud", json!({ "aud": "https://other.example/auth/token" })),
            ("the FHIR base as aud", json!({ "aud": world.server.base })),
            ("aud of others", json!({ "aud": ["https://a.example", "https://b.example"] })),
            ("no aud", json!({ "aud": null })),
            ("wrong iss", json!({ "iss": "somebody" })),
            ("no iss", json!({ "iss": null })),
            ("no sub", json!({ "sub": null })),
            ("an unknown client", json!({ "iss": "nobody", "sub": "nobody" })),
            ("a client without keys", json!({ "iss": world.app, "sub": world.app })),
            ("expired", json!({ "exp": now - 120 })),
            ("exp as text", json!({ "exp": "tomorrow" })),
            ("exp more than five minutes ahead", json!({ "exp": now + 3600 })),
            ("no exp", json!({ "exp": null })),
            ("nbf in future", json!({ "nbf": now + 200 })),
            ("iat in future", json!({ "iat": now + 200 })),
            ("no jti", json!({ "jti": null })),
            ("an empty jti", json!({ "jti": "" })),
            ("a long jti", json!({ "jti": "x".repeat(300) })),
        ];
        for (what, change) in wrong {
            let answer = world.for_system(&world.ec.sign(&world.claims(change)), "system/Patient.rs");
            assert_refused(&answer, 401, "invalid_client", what);
        }
        let audiences = json!({ "aud": ["https://other.example", format!("{}/auth/token", world.root())] });
        let answer = world.for_system(&world.ec.sign(&world.claims(audiences)), "system/Patient.rs");
        assert_eq!(answer.status, 200, "one of several audiences: {}", answer.body);
        let skewed = world.for_system(&world.ec.sign(&world.claims(json!({ "iat": now + 30 }))), "system/Patient.rs");
        assert_eq!(skewed.status, 200, "clocks may be a little apart: {}", skewed.body);
    });
}

#[test]
fn forged_assertions_are_refused() {
    each(|world| {
        for key in [&world.ec, &world.rsa] {
            for (what, forged) in key.forgeries(&world.claims(json!({}))) {
                let answer = world.for_system(&forged, "system/Patient.rs");
                assert_refused(&answer, 401, "invalid_client", &format!("{} {what}", key.algorithm));
            }
        }
        // client-confidential-asymmetric.html: the header's kid is required.
        let nameless = world.ec.sign_with(&json!({ "alg": "ES384", "typ": "JWT" }), &world.claims(json!({})));
        assert_refused(&world.for_system(&nameless, "system/Patient.rs"), 401, "invalid_client", "no kid");
        // The name of the one key with the signature of the other.
        let swapped = world.rsa.sign_with(&json!({ "alg": "RS384", "kid": "c1" }), &world.claims(json!({})));
        assert_refused(&world.for_system(&swapped, "system/Patient.rs"), 401, "invalid_client", "kid of another key");
        // Another client's key.
        let other = Key::new("o1", "ES384");
        world.write_keys("other.json", &[&other]);
        world.command(&["client", "add", "Other", "--jwks", "other.json", "--scope", "system/*.cruds"], "");
        let theirs = other.sign(&world.claims(json!({})));
        assert_refused(&world.for_system(&theirs, "system/Patient.rs"), 401, "invalid_client", "another client's key");
    });
}

#[test]
fn an_assertion_counts_once_even_when_sent_at_once() {
    each(|world| {
        let assertion = world.assertion();
        assert_eq!(world.for_system(&assertion, "system/Patient.rs").status, 200);
        assert_refused(&world.for_system(&assertion, "system/Patient.rs"), 401, "invalid_client", "replayed");
        // The same jti in another assertion is the same.
        let same = json!({ "jti": "a-name-that-comes-twice" });
        let (first, second) = (world.ec.sign(&world.claims(same.clone())), world.rsa.sign(&world.claims(same)));
        assert_eq!(world.for_system(&first, "system/Patient.rs").status, 200);
        assert_refused(&world.for_system(&second, "system/Patient.rs"), 401, "invalid_client", "jti again");
        let given = given_at_once(world, &world.assertion());
        assert_eq!(given, 1, "eight at once");
    });
}

/// How many of eight requests at the same time get a token for one assertion.
fn given_at_once(world: &World, assertion: &str) -> usize {
    let pairs = form(&[
        ("grant_type", "client_credentials"),
        ("scope", "system/Patient.rs"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ]);
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        let ask = || {
            let (agent, media) = (agent(), [("Content-Type", "application/x-www-form-urlencoded")]);
            barrier.wait();
            let body = Some(pairs.clone().into_bytes());
            exchange(&agent, world.root(), "POST", "auth/token", &media, body).unwrap().status
        };
        let asked: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|done| done.join().unwrap()).filter(|status| *status == 200).count()
    })
}

#[test]
fn a_wrong_form_is_named() {
    each(|world| {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let assertion = world.assertion();
        let right = [
            ("grant_type", "client_credentials"),
            ("scope", "system/Patient.rs"),
            ("client_assertion_type", kind),
            ("client_assertion", &assertion),
        ];
        let changed = |name: &str, value: &'static str| {
            let mut pairs = right.to_vec();
            pairs.retain(|(own, _)| *own != name);
            if !value.is_empty() {
                pairs.push((if name == "grant_type" { "grant_type" } else { "client_assertion_type" }, value));
            }
            world.token(&pairs)
        };
        assert_refused(&changed("grant_type", ""), 400, "invalid_request", "no grant_type");
        assert_refused(&changed("grant_type", "password"), 400, "unsupported_grant_type", "password");
        assert_refused(&changed("client_assertion_type", "jwt"), 401, "invalid_client", "another kind of assertion");
        assert_refused(&changed("client_assertion", ""), 401, "invalid_client", "no assertion");
        let twice = [&right[..], &[("scope", "system/*.cruds")]].concat();
        assert_refused(&world.token(&twice), 400, "invalid_request", "a parameter twice (RFC 6749 section 3.2)");
        let json = exchange(&agent(), world.root(), "POST", "auth/token", &[("Content-Type", "application/json")], {
            Some(json!({ "grant_type": "client_credentials" }).to_string().into_bytes())
        });
        assert_refused(&json.unwrap(), 400, "invalid_request", "JSON");
        let public = [("grant_type", "client_credentials"), ("scope", "system/*.rs"), ("client_id", &world.app)];
        assert_refused(&world.token(&public), 401, "invalid_client", "a client that proves nothing");
        let named = [("grant_type", "client_credentials"), ("scope", "system/*.rs"), ("client_id", &world.system)];
        assert_refused(&world.token(&named), 401, "invalid_client", "a system by its name only");
        // None of these used the assertion up.
        assert_eq!(world.token(&right).status, 200);
    });
}

#[test]
fn scopes_are_those_asked_that_the_client_may_have() {
    each(|world| {
        let asked = |scope: &str| world.for_system(&world.assertion(), scope);
        for scope in ["system/Condition.cruds", "user/Patient.rs", "patient/Patient.rs", "openid", "nonsense"] {
            assert_refused(&asked(scope), 400, "invalid_scope", scope);
        }
        assert_refused(&asked(""), 400, "invalid_request", "no scope");
        for (scope, given) in [
            ("system/Observation.cruds system/Patient.r", "system/Observation.rs system/Patient.r"),
            ("system/Patient.read", "system/Patient.read"),
            ("system/Patient.rs system/Condition.rs openid", "system/Patient.rs"),
        ] {
            assert_eq!(asked(scope).body["scope"], given, "{scope}");
        }
    });
}
