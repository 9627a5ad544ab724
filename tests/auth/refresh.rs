//! Refresh tokens: each counts once, and who uses one again ends the whole family (OAuth 2.1 section 4.3.1).

use std::sync::Barrier;

use serde_json::Value;

use crate::common::{agent, exchange};
use crate::world::{APP_SCOPES, assert_refused, each, form, fresh};

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap_or_else(|| panic!("no {name}: {tokens}"))
}

#[test]
fn a_refresh_token_is_followed_by_the_next() {
    each(|world| {
        let first = world.signed_in();
        let second = world.refresh(text(&first, "refresh_token"), &[]);
        assert_eq!((second.status, second.header("cache-control")), (200, "no-store"), "{}", second.body);
        let second = second.body;
        assert_ne!(second["refresh_token"], first["refresh_token"]);
        assert_ne!(second["access_token"], first["access_token"]);
        assert_eq!(second["scope"], first["scope"]);
        assert!(world.is_believed(text(&second, "access_token")));
        let third = world.refresh(text(&second, "refresh_token"), &[("scope", "user/Patient.rs offline_access")]).body;
        assert_eq!(third["scope"], "user/Patient.rs offline_access", "fewer when asked (RFC 6749 section 6)");
        let more = world.refresh(text(&third, "refresh_token"), &[("scope", "user/*.cruds offline_access")]).body;
        let given = more["scope"].as_str().unwrap_or_default();
        assert!(!given.contains("user/*"), "never more than before: {more}");
    });
}

#[test]
fn reuse_ends_the_family() {
    each(|world| {
        let first = world.signed_in();
        let bystander = world.signed_in();
        let second = world.refresh(text(&first, "refresh_token"), &[]).body;
        assert!(world.is_believed(text(&second, "access_token")));
        assert_refused(&world.refresh(text(&first, "refresh_token"), &[]), 400, "invalid_grant", "used again");
        assert_refused(&world.refresh(text(&second, "refresh_token"), &[]), 400, "invalid_grant", "the next");
        for tokens in [&first, &second] {
            assert!(!world.is_believed(text(tokens, "access_token")), "access tokens of the family end at once");
        }
        assert!(world.is_believed(text(&bystander, "access_token")), "another sign-in goes on");
        assert_eq!(world.refresh(text(&bystander, "refresh_token"), &[]).status, 200);
    });
}

#[test]
fn of_several_at_once_one_at_most_gets_tokens() {
    each(|world| {
        let tokens = world.signed_in();
        let pairs = form(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", text(&tokens, "refresh_token")),
            ("client_id", &world.app),
        ]);
        let barrier = Barrier::new(8);
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let ask = || {
                let (agent, media) = (agent(), [("Content-Type", "application/x-www-form-urlencoded")]);
                barrier.wait();
                let body = Some(pairs.clone().into_bytes());
                exchange(&agent, world.root(), "POST", "auth/token", &media, body).unwrap().status
            };
            let asked: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            asked.into_iter().map(|done| done.join().unwrap()).collect()
        });
        assert!(statuses.iter().filter(|status| **status == 200).count() <= 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 200 | 400)), "{statuses:?}");
        assert!(!world.is_believed(text(&tokens, "access_token")), "the family ended");
    });
}

#[test]
fn a_refresh_token_is_for_its_client_and_a_living_account() {
    each(|world| {
        let other =
            world.command(&["client", "add", "Two", "--redirect", "https://two.example", "--scope", APP_SCOPES], "");
        let tokens = world.signed_in();
        let refresh = text(&tokens, "refresh_token");
        let theirs = world.refresh(refresh, &[("client_id", &other)]);
        assert_refused(&theirs, 400, "invalid_grant", "another client");
        assert_refused(&world.refresh(&fresh(), &[]), 400, "invalid_grant", "an invented one");
        let access = text(&tokens, "access_token");
        assert_refused(&world.refresh(access, &[]), 400, "invalid_grant", "an access token");
        let unknown = world.refresh(refresh, &[("client_id", "nobody")]);
        assert_refused(&unknown, 401, "invalid_client", "an unknown client");
        let tokens = world.refresh(refresh, &[]);
        assert_eq!(tokens.status, 200, "others' tries do not use it up: {}", tokens.body);
        world.command(&["user", "revoke", "nurse"], "");
        let closed = world.refresh(text(&tokens.body, "refresh_token"), &[]);
        assert_refused(&closed, 400, "invalid_grant", "the account is closed");
    });
}

#[test]
fn without_offline_access_there_is_none() {
    each(|world| {
        let (verifier, challenge) = crate::world::pkce();
        let code = world.code(&challenge, &[("scope", "openid user/*.rs")]);
        let tokens = world.exchange(&code, &verifier, &[]).body;
        assert!(tokens["access_token"].is_string() && tokens.get("refresh_token").is_none(), "{tokens}");
    });
}
