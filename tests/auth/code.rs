//! The authorization code with PKCE, and the page on which people sign in (SMART App Launch 2.2 app-launch.html,
//! RFC 7636, OAuth 2.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::world::{APP_SCOPES, PASSWORD, REDIRECT, assert_refused, each, fresh, parameter, pkce, totp};

/// The claims of a token, unchecked.
fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[test]
fn the_page_is_in_two_languages_and_runs_nothing() {
    each(|world| {
        let query = world.query(&pkce().1, &[("state", "\"><script>alert(1)</script>")]);
        let page = world.get(&format!("auth/authorize?{query}"));
        let text = String::from_utf8(page.bytes.clone()).unwrap();
        assert_eq!(page.status, 200, "{text}");
        assert!(text.contains("サインイン") && text.contains("Sign in"), "{text}");
        assert!(!text.contains("<script"), "{text}");
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
        assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!((page.header("cache-control"), page.header("referrer-policy")), ("no-store", "no-referrer"));
    });
}

#[test]
fn nobody_is_sent_where_the_client_was_not_registered_for() {
    each(|world| {
        let (_, challenge) = pkce();
        for (what, change) in [
            ("an unknown client", ("client_id", "nobody")),
            ("no client", ("client_id", "")),
            ("a longer redirect_uri", ("redirect_uri", "https://app.example/back/more")),
            ("another redirect_uri", ("redirect_uri", "https://evil.example/back")),
            ("no redirect_uri", ("redirect_uri", "")),
            ("a script", ("redirect_uri", "javascript:alert(1)")),
        ] {
            let query = world.query(&challenge, &[change]);
            for answer in [world.get(&format!("auth/authorize?{query}")), world.sign_in(&query, &[])] {
                assert!(matches!(answer.status, 400 | 401), "{what}: {}", answer.status);
                assert_eq!(answer.header("location"), "", "{what}");
            }
        }
        let twice = format!("{}&redirect_uri=https://evil.example", world.query(&challenge, &[]));
        assert_eq!(world.get(&format!("auth/authorize?{twice}")).status, 400, "redirect_uri twice");
    });
}

#[test]
fn what_else_is_wrong_is_told_to_the_application_with_its_state() {
    each(|world| {
        let (_, challenge) = pkce();
        for (what, change, error) in [
            ("no PKCE", ("code_challenge", ""), "invalid_request"),
            ("plain PKCE", ("code_challenge_method", "plain"), "invalid_request"),
            ("no method", ("code_challenge_method", ""), "invalid_request"),
            ("a short challenge", ("code_challenge", "abc"), "invalid_request"),
            ("a wrong aud", ("aud", "https://other.example/fhir"), "invalid_request"),
            ("no aud", ("aud", ""), "invalid_request"),
            ("no scope", ("scope", ""), "invalid_scope"),
            ("scopes it may not have", ("scope", "system/*.rs"), "invalid_scope"),
            ("the implicit grant", ("response_type", "token"), "unsupported_response_type"),
        ] {
            let answer = world.get(&format!("auth/authorize?{}", world.query(&challenge, &[change])));
            let location = answer.header("location");
            assert_eq!(answer.status, 302, "{what}");
            assert!(location.starts_with(&format!("{REDIRECT}?")), "{what}: {location}");
            assert_eq!(parameter(location, "error").as_deref(), Some(error), "{what}: {location}");
            assert_eq!(parameter(location, "state").as_deref(), Some("s 1&x"), "{what}: {location}");
            assert_eq!(parameter(location, "code"), None, "{what}");
        }
        let denied = world.sign_in(&world.query(&challenge, &[]), &[("deny", "1")]);
        assert_eq!(parameter(denied.header("location"), "error").as_deref(), Some("access_denied"));
    });
}

#[test]
fn a_code_becomes_tokens_that_say_who_signed_in() {
    each(|world| {
        let (verifier, challenge) = pkce();
        let query = world.query(&challenge, &[("scope", APP_SCOPES)]);
        let answer = world.sign_in(&query, &[("patient", "Patient/c1")]);
        let location = answer.header("location");
        assert_eq!((answer.status, parameter(location, "state").as_deref()), (302, Some("s 1&x")), "{location}");
        let tokens = world.exchange(&parameter(location, "code").unwrap(), &verifier, &[]);
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        assert_eq!((tokens.header("cache-control"), tokens.header("pragma")), ("no-store", "no-cache"));
        let tokens = tokens.body;
        assert_eq!(tokens["patient"], "c1", "launch context: {tokens}");
        assert!(!tokens["scope"].as_str().unwrap().contains("system/"), "people get no scopes of systems: {tokens}");
        let identity = claims(tokens["id_token"].as_str().unwrap());
        assert_eq!(identity["iss"], world.server.base);
        assert_eq!(identity["aud"], world.app);
        assert_eq!(identity["nonce"], "n1");
        assert_eq!(identity["fhirUser"], format!("{}/Practitioner/p1", world.server.base));
        assert_eq!(identity["amr"], json!(["pwd"]));
        let access = tokens["access_token"].as_str().unwrap();
        assert!(world.is_believed(access));
        let own = claims(access);
        assert_eq!((&own["aud"], &own["client_id"]), (&json!(world.server.base), &json!(world.app)));
        assert!(own["exp"].as_u64().unwrap() <= crate::world::now() + 3600, "{own}");
        // What tells the application who it is opens no record, and neither does what refreshes.
        assert!(!world.is_believed(tokens["id_token"].as_str().unwrap()));
        assert!(!world.is_believed(tokens["refresh_token"].as_str().unwrap()));
    });
}

#[test]
fn a_code_is_for_its_client_its_address_and_its_verifier() {
    each(|world| {
        let redirect = ["--redirect", "https://two.example/back", "--redirect", REDIRECT];
        let scope = ["--scope", APP_SCOPES];
        let other = world.command(&[&["client", "add", "Two"][..], &redirect, &scope].concat(), "");
        let (verifier, challenge) = pkce();
        let code = world.code(&challenge, &[]);
        let refused = |what: &str, code: &str, verifier: &str, changes: &[(&str, &str)]| {
            let answer = world.exchange(code, verifier, changes);
            assert_refused(&answer, 400, "invalid_grant", what);
        };
        refused("another client", &code, &verifier, &[("client_id", &other)]);
        refused("an invented code", &fresh(), &verifier, &[]);
        assert_eq!(world.exchange(&code, &verifier, &[]).status, 200, "others' tries do not use it up");
        // RFC 6749 section 4.1.2: used twice, what came of it is revoked.
        let (verifier, challenge) = pkce();
        let code = world.code(&challenge, &[]);
        let first = world.exchange(&code, &verifier, &[]).body;
        assert!(world.is_believed(first["access_token"].as_str().unwrap()));
        refused("a second time", &code, &verifier, &[]);
        assert!(!world.is_believed(first["access_token"].as_str().unwrap()), "its tokens end");
        let refreshed = world.refresh(first["refresh_token"].as_str().unwrap(), &[]);
        assert_refused(&refreshed, 400, "invalid_grant", "its refresh token ends");
        for (what, verifier_of, changes) in [
            ("another verifier", Some(fresh()), &[][..]),
            ("a short verifier", Some("abc".to_owned()), &[]),
            ("another redirect_uri", None, &[("redirect_uri", "https://two.example/back")]),
        ] {
            let (verifier, challenge) = pkce();
            let code = world.code(&challenge, &[]);
            refused(what, &code, &verifier_of.unwrap_or_else(|| verifier.clone()), changes);
            refused(&format!("{what}, then the right one"), &code, &verifier, &[]);
        }
        let (verifier, challenge) = pkce();
        let code = world.code(&challenge, &[]);
        let answer = world.exchange(&code, &verifier, &[("code_verifier", "")]);
        assert_refused(&answer, 400, "invalid_request", "no verifier");
        // The challenge itself is no verifier ("plain").
        let (_, challenge) = pkce();
        refused("the challenge", &world.code(&challenge, &[]), &challenge, &[]);
    });
}

#[test]
fn who_cannot_sign_in_learns_nothing_of_why() {
    each(|world| {
        let secret = world.command(&["user", "add", "doctor", "--fhir-user", "Practitioner/p2", "--totp"], PASSWORD);
        let secret: String =
            secret.split("secret=").nth(1).unwrap().chars().take_while(char::is_ascii_alphanumeric).collect();
        world.command(&["user", "add", "gone", "--fhir-user", "Practitioner/p3"], PASSWORD);
        world.command(&["user", "revoke", "gone"], "");
        let (_, challenge) = pkce();
        let query = world.query(&challenge, &[]);
        let mut pages = Vec::new();
        let wrong: [&[(&str, &str)]; 6] = [
            &[("login", "nurse"), ("password", "a wrong password")],
            &[("login", "ghost"), ("password", PASSWORD)],
            &[("login", "gone"), ("password", PASSWORD)],
            &[("login", "doctor"), ("password", PASSWORD)],
            &[("login", "doctor"), ("password", PASSWORD), ("code", "000000")],
            &[("login", "doctor"), ("password", "a wrong password"), ("code", &totp(&secret))],
        ];
        for more in wrong {
            let answer = world.sign_in(&query, more);
            assert_eq!((answer.status, answer.header("location")), (401, ""), "{more:?}");
            pages.push(String::from_utf8(answer.bytes).unwrap().replace(more[0].1, "LOGIN"));
        }
        pages.dedup();
        assert_eq!(pages.len(), 1, "the pages differ");
        let code = totp(&secret);
        let signed_in = world.sign_in(&query, &[("login", "doctor"), ("code", &code)]);
        assert_eq!(signed_in.status, 302);
        let again = world.sign_in(&query, &[("login", "doctor"), ("code", &code)]);
        assert_eq!(again.status, 401, "a one-time password counts once");
    });
}

#[test]
fn after_five_failures_even_the_right_password_waits() {
    each(|world| {
        let (_, challenge) = pkce();
        let query = world.query(&challenge, &[]);
        for _ in 0..5 {
            assert_eq!(world.sign_in(&query, &[("password", "a wrong password")]).status, 401);
        }
        assert_eq!(world.sign_in(&query, &[]).status, 401, "locked");
        world.command(&["user", "add", "other", "--fhir-user", "Practitioner/p2"], PASSWORD);
        assert_eq!(world.sign_in(&query, &[("login", "other")]).status, 302, "others are not");
    });
}
