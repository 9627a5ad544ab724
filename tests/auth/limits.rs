//! How much callers may ask (RFC 6585 section 4): who asks too much waits, and nobody else does.

use serde_json::json;

use crate::common::{Answer, sqlite_database};
use crate::world::World;

const SCOPE: &str = "system/Observation.rs";

fn waits(answer: &Answer) -> u32 {
    assert_eq!(answer.status, 429, "{}", answer.body);
    let seconds: u32 = answer.header("retry-after").parse().expect("seconds");
    assert!(seconds >= 1);
    seconds
}

#[test]
fn a_client_that_asks_too_much_waits() {
    let world = World::start(sqlite_database(), &["--client-rate", "3"]);
    let token = world.system_token(SCOPE);
    let answers: Vec<Answer> = (0..60).map(|_| world.fhir(&token, "GET", "Observation?_count=1", None)).collect();
    let passed = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((30..45).contains(&passed), "{passed}: ten seconds' worth at once");
    let refused = answers.last().unwrap();
    assert!(waits(refused) <= 1, "it is one request that is waited for");
    assert_eq!(
        (&refused.body["resourceType"], &refused.body["issue"][0]["code"]),
        (&json!("OperationOutcome"), &json!("throttled"))
    );
    // Another token of the same client is no way around; what is about nobody goes on.
    assert_eq!(world.fhir(&world.system_token(SCOPE), "GET", "Observation?_count=1", None).status, 429);
    assert_eq!(world.get("health").status, 200);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert_eq!(world.fhir(&token, "GET", "Observation?_count=1", None).status, 200);
}

#[test]
fn an_address_without_a_token_waits_and_clients_do_not() {
    let world = World::start(sqlite_database(), &["--address-rate", "2"]);
    let token = world.system_token(SCOPE);
    assert_eq!(world.fhir(&token, "GET", "Observation?_count=1", None).status, 200);
    let statuses: Vec<u16> = (0..40)
        .map(|number| match number % 3 {
            0 => world.fhir("forged", "GET", "Observation", None).status,
            1 => world.get("fhir/metadata").status,
            _ => world.get("fhir/Observation").status,
        })
        .collect();
    assert!(statuses[..10].iter().all(|status| matches!(status, 200 | 401)), "{statuses:?}");
    assert!(statuses[30..].iter().all(|status| *status == 429), "{statuses:?}");
    waits(&world.get("fhir/metadata"));
    assert_eq!(world.fhir(&token, "GET", "Observation?_count=1", None).status, 200, "a token that is known goes on");
}

#[test]
fn who_fails_to_sign_in_too_often_waits_whatever_the_account() {
    let world = World::start(sqlite_database(), &["--failed-sign-ins", "4"]);
    let query = world.query(&"c".repeat(43), &[]);
    for login in ["nurse", "nobody"] {
        let answer = world.sign_in(&query, &[("login", login), ("password", "wrong")]);
        assert_ne!(answer.status, 429);
    }
    for _ in 0..2 {
        assert_eq!(world.for_system("no assertion", SCOPE).status, 401);
    }
    // Neither the right password nor the right key is tried from there.
    assert!(waits(&world.sign_in(&query, &[])) <= 30);
    let answer = world.for_system(&world.assertion(), SCOPE);
    assert!(waits(&answer) <= 30);
    assert_eq!(answer.body["error"], "temporarily_unavailable", "in the form of RFC 6749");
    // An address that a client writes itself counts only from a proxy that is trusted.
    let answer = world.sign_in_from("203.0.113.9", &query);
    assert_eq!(answer.status, 429);
}

#[test]
fn a_proxy_that_is_trusted_tells_addresses_apart() {
    let world = World::start(sqlite_database(), &["--failed-sign-ins", "2", "--trusted-proxies", "127.0.0.1"]);
    let query = world.query(&"c".repeat(43), &[]);
    for _ in 0..2 {
        world.fail_from("203.0.113.9", &query);
    }
    assert_eq!(world.sign_in_from("203.0.113.9", &query).status, 429);
    assert_eq!(world.sign_in_from("198.51.100.7", &query).status, 302, "others sign in");
}

#[test]
fn too_many_requests_at_once_are_told_to_come_back() {
    let world = World::start(sqlite_database(), &["--max-requests", "1"]);
    let token = world.system_token(SCOPE);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = || {
            (0..40)
                .map(|_| world.fhir(&token, "GET", "Observation?_sort=-date", None))
                .map(|answer| {
                    if answer.status == 503 {
                        assert_eq!(answer.header("retry-after"), "1");
                        assert_eq!(answer.body["issue"][0]["code"], "throttled");
                    }
                    answer.status
                })
                .collect::<Vec<u16>>()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(statuses.contains(&200) && statuses.contains(&503), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
    assert_eq!(world.fhir(&token, "GET", "Observation", None).status, 200, "and then there is room");
}
