//! What the audit keeps of sign-ins and tokens: who, which application, whether it worked and why not; and never what
//! lets anybody in (FHIR R4 auditevent.html, DICOM 110114 User Authentication).

use serde_json::{Value, json};

use crate::common::databases;
use crate::world::{PASSWORD, World, fresh, pkce};

/// An auditor's token and the world it is in, on every database.
fn each_audited(test: impl Fn(&World, &dyn Fn(&str) -> Vec<Value>)) {
    for database in databases() {
        println!("on {}", database.kind());
        let world = World::start(database, &["--audit", "on"]);
        let scope = ["--scope", "system/AuditEvent.rs", "--role", "auditor", "--jwks", "keys.json"];
        let auditor = world.command(&[&["client", "add", "Audit"][..], &scope].concat(), "");
        let claims = world.claims(json!({ "iss": auditor, "sub": auditor }));
        let answer = world.for_system(&world.ec.sign(&claims), "system/AuditEvent.rs");
        let token = answer.body["access_token"].as_str().unwrap().to_owned();
        let events = |query: &str| -> Vec<Value> {
            let answer = world.fhir(&token, "GET", &format!("AuditEvent?_count=1000&{query}"), None);
            assert_eq!(answer.status, 200, "{}", answer.body);
            let entries = answer.body["entry"].as_array().cloned().unwrap_or_default();
            entries.into_iter().map(|entry| entry["resource"].clone()).collect()
        };
        test(&world, &events);
    }
}

/// Outcome, what is said of it, who.
fn told(event: &Value) -> (String, String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let who = &event["agent"][0]["who"];
    let who = who["reference"].as_str().or(who["identifier"]["value"].as_str()).unwrap_or_default().to_owned();
    (text(&event["outcome"]), text(&event["outcomeDesc"]), who)
}

#[test]
fn sign_ins_are_written_down_as_what_they_were() {
    each_audited(|world, events| {
        let (verifier, challenge) = pkce();
        let query = world.query(&challenge, &[]);
        let code = world.code(&challenge, &[]);
        let signed_in = told(&events("type=110114&subtype=110122")[0]);
        assert_eq!((signed_in.0.as_str(), signed_in.2.as_str()), ("0", "Practitioner/p1"), "{signed_in:?}");
        let tokens = world.exchange(&code, &verifier, &[]).body;
        assert_eq!(told(&events("type=110114")[0]).2, "Practitioner/p1", "the code became tokens");

        world.sign_in(&query, &[("password", "not the password")]);
        let failed = told(&events("type=110114")[0]);
        assert_eq!((failed.0.as_str(), failed.2.as_str()), ("8", "nurse"));
        assert!(failed.1.contains("not its password"), "{failed:?}");
        // What is typed into the wrong field is written down nowhere.
        world.sign_in(&query, &[("login", PASSWORD), ("password", "nurse")]);
        assert_eq!(told(&events("type=110114")[0]).2, "unknown account");
        for _ in 0..5 {
            world.sign_in(&query, &[("password", "not the password")]);
        }
        world.sign_in(&query, &[]);
        assert!(told(&events("type=110114")[0]).1.contains("locked"), "{:?}", told(&events("type=110114")[0]));
        world.sign_in(&query, &[("deny", "1")]);
        assert_eq!(told(&events("type=110114")[0]).0, "8");

        // Tokens: not given out, refused, ended.
        world.exchange(&fresh(), &verifier, &[]);
        let refused = told(&events("type=110114")[0]);
        assert!(refused.0 == "4" && refused.1.contains("invalid_grant"), "{refused:?}");
        let access = tokens["access_token"].as_str().unwrap();
        let mut forged = access.to_owned();
        forged.replace_range(forged.len() - 6.., "AAAAAA");
        world.fhir(&forged, "GET", "Patient/p", None);
        let refused = told(&events("outcome=8&type=rest")[0]);
        assert!(refused.1.contains("the access token is not believed") && refused.2 == "nobody", "{refused:?}");
        world.fhir(access, "POST", "Patient", Some(&json!({ "resourceType": "Patient" })));
        let refused = told(&events("outcome=8&type=rest")[0]);
        assert!(refused.1.contains("does not allow this") && refused.2 == "Practitioner/p1", "{refused:?}");
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let ended = world.send("auth/revoke", &[("client_id", &world.app), ("token", refresh)]);
        assert_eq!(ended.status, 200, "{}", ended.body);
        let ended = &events("type=110114&subtype=110123")[0];
        assert_eq!(told(ended).0, "0");
        assert!(ended.to_string().contains(&world.app), "{ended}");

        // A token in a URL is no way in (RFC 6750 section 2.3 advises against it), and is not kept.
        assert_eq!(world.get(&format!("fhir/Patient?access_token={access}")).status, 401);
        let all = Value::from(events("")).to_string();
        for secret in
            [access, refresh, &code, &verifier, PASSWORD, "not the password", tokens["id_token"].as_str().unwrap()]
        {
            assert!(!all.contains(secret), "a secret is written down");
            use base64::Engine as _;
            let encoded = base64::engine::general_purpose::STANDARD.encode(format!("?access_token={secret}"));
            assert!(!all.contains(&encoded[8..encoded.len() - 8]), "a secret is written down in base64");
        }
    });
}
