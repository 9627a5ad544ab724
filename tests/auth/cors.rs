//! Applications that live in a browser (SMART App Launch 2.2 app-launch.html, considerations for CORS): any page reads
//! the discovery documents, pages of registered origins get tokens and use them.

use crate::common::{agent, databases, exchange};
use crate::world::{World, form, fresh, pkce};

const OURS: (&str, &str) = ("Origin", "https://app.example");
const OTHERS: (&str, &str) = ("Origin", "https://evil.example");

#[test]
fn an_application_in_a_browser_signs_in_and_reads() {
    for database in databases() {
        let world = World::start(database, &["--cors-origins", "https://app.example"]);
        let ask = |method: &str, path: &str, headers: &[(&str, &str)], body: Option<String>| {
            exchange(&agent(), world.root(), method, path, headers, body.map(String::into_bytes)).unwrap()
        };
        for path in ["fhir/.well-known/smart-configuration", "fhir/.well-known/openid-configuration", "fhir/metadata"] {
            assert_eq!(ask("GET", path, &[OTHERS], None).header("access-control-allow-origin"), "*", "{path}");
        }
        // A preflight has no token.
        for path in ["auth/token", "fhir/Patient", "notebook/v1/citizens"] {
            let wanted = ("Access-Control-Request-Method", "POST");
            let ours = ask("OPTIONS", path, &[OURS, wanted], None);
            assert_eq!((ours.status, ours.header("access-control-allow-origin")), (204, OURS.1), "{path}");
            let others = ask("OPTIONS", path, &[OTHERS, wanted], None);
            assert_eq!((others.status, others.header("access-control-allow-origin")), (403, ""), "{path}");
        }
        let (verifier, challenge) = pkce();
        let code = world.code(&challenge, &[]);
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", crate::world::REDIRECT),
            ("client_id", &world.app),
            ("code_verifier", &verifier),
        ];
        let media = ("Content-Type", "application/x-www-form-urlencoded");
        let answer = ask("POST", "auth/token", &[OURS, media], Some(form(&pairs)));
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, OURS.1), "{}", answer.body);
        // RFC 6749 section 5.1.
        assert_eq!(answer.header("cache-control"), "no-store");
        let bearer = format!("Bearer {}", answer.body["access_token"].as_str().unwrap());
        let read = ask("GET", "fhir/Patient/nobody", &[OURS, ("Authorization", &bearer)], None);
        assert_eq!((read.status, read.header("access-control-allow-origin")), (404, OURS.1));
        // The page has to see that its token is no longer believed.
        let stale = ask("GET", "fhir/Patient", &[OURS, ("Authorization", &fresh())], None);
        assert_eq!((stale.status, stale.header("access-control-allow-origin")), (401, OURS.1));
        assert!(stale.header("access-control-expose-headers").contains("WWW-Authenticate"));
    }
}

/// Only the person at the page signs in: a script of whatever origin reads no code out of it.
#[test]
fn no_page_reads_the_sign_in() {
    let world = World::start(crate::common::sqlite_database(), &["--cors-origins", "https://app.example"]);
    let path = format!("auth/authorize?{}", world.query(&pkce().1, &[]));
    let answer = exchange(&agent(), world.root(), "GET", &path, &[OURS], None).unwrap();
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, ""));
    assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
    let wanted = ("Access-Control-Request-Method", "POST");
    let preflight = exchange(&agent(), world.root(), "OPTIONS", "auth/authorize", &[OURS, wanted], None).unwrap();
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (403, ""));
}
