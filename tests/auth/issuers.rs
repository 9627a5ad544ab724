//! Tokens of other issuers: their keys found by OpenID Connect Discovery, kept, and changed by them.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{Database, databases, sqlite_database};
use crate::keys::Key;
use crate::world::{World, fresh, now};

/// Whom tokens must be for; never what a request says.
const BASE: &str = "https://town.example/fhir";

/// A world that believes an issuer.
fn believing(database: Database, issuer: &Issuer, more: &[&str]) -> World {
    World::start(database, &[&["--base-url", BASE, "--issuers", &issuer.name], more].concat())
}

/// A server with an OpenID configuration and keys.
struct Issuer {
    /// Its name.
    name: String,
    published: Arc<Mutex<Vec<Value>>>,
    /// How often its keys were asked for.
    asked: Arc<AtomicUsize>,
}

impl Issuer {
    /// Begins to answer; it says that its name is `claimed`, or its own.
    fn start(keys: &[&Key], claimed: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let name = format!("{root}/realm");
        let configuration = json!({ "issuer": claimed.unwrap_or(&name), "jwks_uri": format!("{root}/keys") });
        let published = Arc::new(Mutex::new(keys.iter().map(|key| key.public()).collect::<Vec<_>>()));
        let asked = Arc::new(AtomicUsize::new(0));
        let (kept, counted) = (Arc::clone(&published), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let _ = answer(stream, &configuration, &kept, &counted);
            }
        });
        Self { name, published, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Claims of an access token as they should be, with changes; `null` takes one away.
    fn claims(&self, changes: Value) -> Value {
        let mut claims = json!({
            "iss": self.name, "aud": BASE, "sub": "svc", "client_id": "svc", "scope": "system/Patient.rs",
            "iat": now(), "exp": now() + 300, "jti": fresh(),
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }
}

fn answer(
    mut stream: TcpStream,
    configuration: &Value,
    published: &Mutex<Vec<Value>>,
    asked: &AtomicUsize,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let (status, body) = match first.split(' ').nth(1) {
        Some("/realm/.well-known/openid-configuration") => ("200 OK", configuration.to_string()),
        Some("/keys") => {
            asked.fetch_add(1, Ordering::SeqCst);
            ("200 OK", json!({ "keys": *published.lock().unwrap() }).to_string())
        }
        _ => ("404 Not Found", String::new()),
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[test]
fn tokens_of_an_issuer_that_is_believed_count_with_every_algorithm() {
    let keys = ["RS256", "RS384", "ES256", "ES384", "EdDSA"].map(|algorithm| Key::new(algorithm, algorithm));
    for database in databases() {
        let issuer = Issuer::start(&keys.each_ref(), None);
        let world = believing(database, &issuer, &[]);
        for key in &keys {
            let answer = world.fhir(&key.sign(&issuer.claims(json!({}))), "GET", "Patient", None);
            assert_eq!(answer.status, 200, "{}: {}", key.algorithm, answer.body);
        }
        for (what, changes, reads) in [
            ("scopes as scp", json!({ "scope": null, "scp": ["system/Patient.rs"] }), 200),
            ("azp instead of client_id", json!({ "client_id": null, "azp": "svc" }), 200),
            ("several audiences", json!({ "aud": ["https://other.example", BASE] }), 200),
            ("scopes about something else", json!({ "scope": "system/Observation.rs" }), 403),
            ("no scopes about resources", json!({ "scope": "openid" }), 403),
        ] {
            let answer = world.fhir(&keys[2].sign(&issuer.claims(changes)), "GET", "Patient", None);
            assert_eq!(answer.status, reads, "{what}: {}", answer.body);
        }
        assert_eq!(issuer.asked(), 1, "its keys are kept");
    }
}

#[test]
fn each_claim_of_a_foreign_token_counts() {
    let key = Key::new("e1", "ES256");
    for database in databases() {
        let issuer = Issuer::start(&[&key], None);
        let world = believing(database, &issuer, &[]);
        assert!(world.is_believed(&key.sign(&issuer.claims(json!({})))));
        for (what, changes) in [
            ("wrong aud", json!({ "aud": "https://other.example/fhir" })),
            ("no aud", json!({ "aud": null })),
            ("an issuer that is not believed", json!({ "iss": "https://other.example" })),
            ("a longer issuer", json!({ "iss": format!("{}/more", issuer.name) })),
            ("no iss", json!({ "iss": null })),
            ("this server as issuer", json!({ "iss": BASE })),
            ("expired", json!({ "exp": now() - 120 })),
            ("no exp", json!({ "exp": null })),
            ("nbf in future", json!({ "nbf": now() + 600 })),
            ("iat in future", json!({ "iat": now() + 600 })),
            ("no sub", json!({ "sub": null })),
            ("no scope", json!({ "scope": null })),
            ("azp of another client", json!({ "azp": "another" })),
            ("a person of another server", json!({ "fhirUser": "https://other.example/fhir/Practitioner/p1" })),
            ("a device as a person", json!({ "fhirUser": "Device/d1" })),
            ("bound to a certificate", json!({ "cnf": { "x5t#S256": "A".repeat(43) } })),
        ] {
            assert!(!world.is_believed(&key.sign(&issuer.claims(changes))), "{what}");
        }
        for (what, forged) in key.forgeries(&issuer.claims(json!({}))) {
            assert!(!world.is_believed(&forged), "{what}");
        }
    }
}

#[test]
fn a_second_factor_can_be_required() {
    let key = Key::new("e1", "ES256");
    for database in databases() {
        let issuer = Issuer::start(&[&key], None);
        let world = believing(database, &issuer, &["--required-amr", "otp"]);
        let person = |amr: Value| {
            let person = json!({ "fhirUser": "Practitioner/p1", "scope": "user/*.rs", "amr": amr });
            world.is_believed(&key.sign(&issuer.claims(person)))
        };
        assert!(person(json!(["pwd", "otp"])));
        assert!(!person(json!(["pwd"])) && !person(Value::Null) && !person(json!([])));
        assert!(world.is_believed(&key.sign(&issuer.claims(json!({})))), "systems have no second factor");
    }
}

#[test]
fn an_issuer_gives_no_roles_here() {
    let key = Key::new("e1", "ES256");
    for database in databases() {
        let issuer = Issuer::start(&[&key], None);
        let world = believing(database, &issuer, &[]);
        let auditor =
            json!({ "fhirUser": "Practitioner/p1", "scope": "user/*.rs", "roles": ["auditor", "administrator"] });
        let token = key.sign(&issuer.claims(auditor));
        assert!(world.is_believed(&token));
        let answer = world.fhir(&token, "GET", "AuditEvent", None);
        let is_empty = answer.status == 200 && answer.body.get("entry").is_none();
        assert!(answer.status == 403 || is_empty, "{} {}", answer.status, answer.body);
    }
}

#[test]
fn an_issuer_that_answers_for_another_is_not_believed() {
    let key = Key::new("e1", "ES256");
    // OpenID Connect Discovery 1.0 section 4.3.
    let issuer = Issuer::start(&[&key], Some("https://other.example"));
    let world = believing(sqlite_database(), &issuer, &[]);
    assert!(!world.is_believed(&key.sign(&issuer.claims(json!({})))));
    assert!(!world.is_believed(&key.sign(&issuer.claims(json!({ "iss": "https://other.example" })))));
}

/// OpenID Connect Core 1.0 section 10.1: with several keys a token must name its own. Nothing of it is in a database.
#[test]
fn a_token_that_names_no_key_counts_where_there_is_one_for_its_algorithm() {
    let (one, two, other) = (Key::new("e1", "ES256"), Key::new("e2", "ES256"), Key::new("r1", "RS256"));
    let world_of = |keys: &[&Key], is_named: bool| {
        let issuer = Issuer::start(keys, None);
        if !is_named {
            issuer
                .published
                .lock()
                .unwrap()
                .iter_mut()
                .for_each(|key| drop(key.as_object_mut().unwrap().remove("kid")));
        }
        let world = believing(sqlite_database(), &issuer, &[]);
        (world, issuer)
    };
    let nameless =
        |key: &Key, issuer: &Issuer| key.sign_with(&json!({ "alg": key.algorithm }), &issuer.claims(json!({})));
    let named = |key: &Key, issuer: &Issuer| key.sign(&issuer.claims(json!({})));

    let (world, issuer) = world_of(&[&one, &other], true);
    assert!(world.is_believed(&nameless(&one, &issuer)) && world.is_believed(&nameless(&other, &issuer)));
    assert!(!world.is_believed(&nameless(&two, &issuer)), "a stranger's");

    let (world, issuer) = world_of(&[&one, &two, &other], true);
    assert!(!world.is_believed(&nameless(&one, &issuer)) && !world.is_believed(&nameless(&two, &issuer)));
    assert!(world.is_believed(&nameless(&other, &issuer)), "the only one for RS256");
    assert!(world.is_believed(&named(&one, &issuer)) && world.is_believed(&named(&two, &issuer)));

    // Keys without names: a token that names one can mean the only one there is.
    let (world, issuer) = world_of(&[&one], false);
    assert!(world.is_believed(&named(&one, &issuer)) && world.is_believed(&nameless(&one, &issuer)));
    let (world, issuer) = world_of(&[&one, &two], false);
    assert!(!world.is_believed(&named(&one, &issuer)) && !world.is_believed(&nameless(&one, &issuer)));
}

/// Nothing of it is in a database: one of them is enough.
#[test]
fn an_issuer_changes_its_keys_and_is_not_asked_for_every_wrong_one() {
    let (key, next) = (Key::new("e1", "ES256"), Key::new("e2", "EdDSA"));
    let issuer = Issuer::start(&[&key], None);
    let world = believing(sqlite_database(), &issuer, &[]);
    assert!(world.is_believed(&key.sign(&issuer.claims(json!({})))));
    for _ in 0..30 {
        let header = json!({ "alg": "ES256", "kid": fresh() });
        assert!(!world.is_believed(&key.sign_with(&header, &issuer.claims(json!({})))));
    }
    assert!(issuer.asked() <= 2, "asked {} times", issuer.asked());
    *issuer.published.lock().unwrap() = vec![next.public()];
    let started = Instant::now();
    while !world.is_believed(&next.sign(&issuer.claims(json!({})))) {
        assert!(started.elapsed() < Duration::from_secs(30), "the new key is not found");
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!(!world.is_believed(&key.sign(&issuer.claims(json!({})))), "the old key no longer counts");
    assert!(issuer.asked() <= 4, "asked {} times", issuer.asked());
}
