//! What must not be in the log, however much is logged: secrets of any kind, and what records say of people (MHLW
//! guideline 6.0: logs hold ids, not persons). What must be: that something went wrong, and which request it was.

use serde_json::json;

use crate::common::{Database, agent, databases, exchange, run};
use crate::keys::encoded;
use crate::world::{PASSWORD, World, fresh, pkce, totp};

/// In every value that tells of a person, and in no other text.
const PERSON: &str = "Zzmarker";
const PHONE: &str = "0120-999-4142";
const KANJI: &str = "標野";
const DATABASE_PASSWORD: &str = "s3cret-of-the-database";

/// The same database with a password in its URL.
fn with_password(mut database: Database) -> Database {
    if database.kind() == "postgres" {
        let next = if database.url.contains('?') { '&' } else { '?' };
        database.url = format!("{}{next}password={DATABASE_PASSWORD}", database.url);
    }
    database
}

fn each_logging_everything(check: impl Fn(&World)) {
    for database in databases().map(with_password) {
        println!("on {}", database.kind());
        check(&World::start(database, &["--log", "trace"]));
    }
}

#[track_caller]
fn assert_absent(log: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(secret.len() >= 6, "{secret:?} proves nothing");
        if let Some(line) = log.lines().find(|line| line.contains(secret)) {
            panic!("{secret:?} is in the log: {line}");
        }
    }
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn no_secret_is_in_the_log() {
    each_logging_everything(|world| {
        // What is right, what is wrong, and what is used twice.
        let (verifier, challenge) = pkce();
        let code = world.code(&challenge, &[]);
        let tokens = world.exchange(&code, &verifier, &[]).body;
        world.exchange(&code, &verifier, &[]);
        let second = world.signed_in();
        let text = |of: &serde_json::Value, name: &str| of[name].as_str().unwrap().to_owned();
        let refresh = text(&second, "refresh_token");
        let third = world.refresh(&refresh, &[]).body;
        world.refresh(&refresh, &[]);
        let system = world.system_token("system/Patient.cruds");
        let assertion = world.assertion();
        for _ in 0..2 {
            world.for_system(&assertion, "system/Patient.rs");
        }
        world.proven("auth/introspect", &system);
        let wrong_password = "a wrong long password";
        world.sign_in(&world.query(&challenge, &[]), &[("password", wrong_password)]);
        let secret = world.command(&["user", "add", "doctor", "--fhir-user", "Practitioner/p2", "--totp"], PASSWORD);
        let secret: String =
            secret.split("secret=").nth(1).unwrap().chars().take_while(char::is_ascii_alphanumeric).collect();
        let once = totp(&secret);
        world.sign_in(&world.query(&challenge, &[]), &[("login", "doctor"), ("code", &once)]);
        world.sign_in(&world.query(&challenge, &[]), &[("login", "doctor"), ("code", "wrong-code")]);
        let forged = format!("{}x", system);
        let basic = format!("Basic {}", encoded(b"nurse:a long enough password"));
        world.fhir(&forged, "GET", "Patient/x", None);
        let invented = fresh();
        world.refresh(&invented, &[]);
        let in_query = fresh();
        world.get(&format!("fhir/Patient?access_token={in_query}"));
        exchange(&agent(), world.root(), "GET", "fhir/Patient", &[("Authorization", &basic)], None).unwrap();
        world.fhir(&system, "GET", "Patient/x", None);
        // Nothing works any more.
        for table in ["access_client", "access_user", "access_grant", "resource"] {
            run(world.database(), &format!("ALTER TABLE {table} RENAME TO gone_{table}"));
        }
        assert_eq!(world.for_system(&world.assertion(), "system/Patient.rs").status, 503);
        world.sign_in(&world.query(&challenge, &[]), &[]);
        world.refresh(&text(&third, "refresh_token"), &[]);
        world.fhir(&system, "POST", "Patient", Some(&json!({ "resourceType": "Patient" })));
        let log = world.server.log();
        assert!(log.contains("ERROR") && log.contains("tokens cannot be given out"), "{log}");
        let mut secrets = vec![PASSWORD, wrong_password, DATABASE_PASSWORD, &code, &verifier, &refresh, &system];
        secrets.extend([assertion.as_str(), &secret, &once, "wrong-code", &forged, &invented, &in_query]);
        secrets.push(basic.trim_start_matches("Basic "));
        let given = [&tokens, &second, &third].map(|of| (text(of, "access_token"), text(of, "refresh_token")));
        let given: Vec<String> = given.into_iter().flat_map(|(access, refresh)| [access, refresh]).collect();
        secrets.extend(given.iter().map(String::as_str));
        assert_absent(&log, &secrets);
    });
}

#[test]
fn nobody_is_in_the_log() {
    each_logging_everything(|world| {
        let token = world.system_token("system/Patient.cruds system/Observation.rs");
        let patient = json!({
            "resourceType": "Patient",
            "name": [{ "family": PERSON, "text": KANJI }],
            "telecom": [{ "system": "phone", "value": PHONE }],
            "address": [{ "text": "Zzmarker-town 1" }],
            "identifier": [{ "system": "urn:zzmarker-numbers", "value": "zzmarker-12345" }],
        });
        let made = world.fhir(&token, "POST", "Patient", Some(&patient));
        assert_eq!(made.status, 201, "{}", made.body);
        let id = made.body["id"].as_str().unwrap().to_owned();
        let bearer = format!("Bearer {token}");
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        let ask = |method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>| {
            let headers = [&[("Authorization", bearer.as_str())], headers].concat();
            let body = body.map(|text| text.as_bytes().to_vec());
            exchange(&agent(), world.root(), method, path, &headers, body).unwrap().status
        };
        let doings = || {
            let encoded_kanji = "%E6%A8%99%E9%87%8E";
            [
                ask("GET", "fhir/Patient?name=Zzmarker", &[], None),
                ask("GET", &format!("fhir/Patient?name={encoded_kanji}"), &[], None),
                ask("GET", "fhir/Patient?name:contains=Zzmark&phone=0120-999-4142&_sort=-birthdate", &[], None),
                ask("GET", "fhir/Patient?identifier=zzmarker-12345&_explain=true", &[], None),
                ask("GET", "fhir/Patient?birthdate=Zzmarker", &[], None),
                ask("GET", "fhir/Patient?Zzmarker=1", &[], None),
                ask("GET", "fhir/Patient/Zzmarker", &[], None),
                ask("POST", "fhir/Patient/_search", &[form], Some("name=Zzmarker&phone=0120-999-4142")),
                ask(
                    "POST",
                    "fhir/Patient",
                    &[("If-None-Exist", "identifier=zzmarker-12345")],
                    Some(&patient.to_string()),
                ),
                ask("POST", "fhir/Patient", &[], Some(r#"{"resourceType":"Patient","birthDate":"Zzmarker"}"#)),
                ask("POST", "fhir/Patient", &[], Some(r#"{"resourceType":"Patient","Zzmarker":"#)),
                ask(
                    "POST",
                    "fhir/Patient/$match",
                    &[],
                    Some(
                        r#"{"resourceType":"Parameters","parameter":[{"name":"resource","resource":{"resourceType":"Patient","name":[{"family":"Zzmarker"}]}}]}"#,
                    ),
                ),
                ask("PUT", "fhir/Patient?identifier=zzmarker-12345", &[], Some(&patient.to_string())),
                ask("GET", &format!("fhir/Patient/{id}/_history"), &[], None),
                ask("GET", &format!("fhir/Patient/{id}"), &[("Accept", "text/html")], None),
            ]
        };
        let statuses = doings();
        assert!(statuses.contains(&200) && statuses.contains(&400), "{statuses:?}");
        // The same while the database refuses.
        for table in ["token", "string", "resource"] {
            run(world.database(), &format!("ALTER TABLE {table} RENAME TO gone_{table}"));
        }
        let statuses = doings();
        assert!(statuses.contains(&500), "{statuses:?}");
        let log = world.server.log();
        assert!(log.contains("the database refused") && log.contains("request_id="), "{log}");
        for way in [PERSON, "zzmarker", "Zzmark", PHONE, "999-4142", KANJI, "%E6%A8%99"] {
            assert_absent(&log, &[way]);
        }
        let (id, read) = (id.as_str(), world.server.log());
        println!("{} lines of log, {} with the id", read.lines().count(), read.matches(id).count());
    });
}
