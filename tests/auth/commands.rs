//! Clients and accounts change by command while the server runs.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::keys::Key;
use crate::world::{assert_refused, each, pkce};

/// Other processes are heard of within seconds.
fn ends_soon(mut is_believed: impl FnMut() -> bool) {
    let started = Instant::now();
    while is_believed() {
        assert!(started.elapsed() < Duration::from_secs(15), "it still counts");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn other_keys_count_at_once_and_a_revoked_client_ends() {
    each(|world| {
        let next = Key::new("n1", "ES384");
        world.write_keys("next.json", &[&next]);
        world.command(&["client", "rotate", &world.system, "--jwks", "next.json"], "");
        let old = world.for_system(&world.assertion(), "system/Patient.rs");
        assert_refused(&old, 401, "invalid_client", "the old key");
        let given = world.for_system(&next.sign(&world.claims(json!({}))), "system/Patient.rs");
        assert_eq!(given.status, 200, "{}", given.body);
        let token = given.body["access_token"].as_str().unwrap();
        assert!(world.is_believed(token));
        world.command(&["client", "revoke", &world.system], "");
        let ended = world.for_system(&next.sign(&world.claims(json!({}))), "system/Patient.rs");
        assert_refused(&ended, 401, "invalid_client", "a revoked client");
        ends_soon(|| world.is_believed(token));
    });
}

#[test]
fn a_closed_account_signs_in_no_more_and_its_tokens_end() {
    each(|world| {
        let tokens = world.signed_in();
        world.command(&["user", "revoke", "nurse"], "");
        assert_eq!(world.sign_in(&world.query(&pkce().1, &[]), &[]).status, 401);
        ends_soon(|| world.is_believed(tokens["access_token"].as_str().unwrap()));
    });
}
