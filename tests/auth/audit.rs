//! What the audit keeps of sign-ins and tokens: who, which application, whether it worked and why not; and never what
//! lets anybody in (FHIR R4 auditevent.html, DICOM 110114 User Authentication).

use std::collections::BTreeSet;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::common::{databases, renraku};
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
            let encoded = base64::engine::general_purpose::STANDARD.encode(format!("?access_token={secret}"));
            assert!(!all.contains(&encoded[8..encoded.len() - 8]), "a secret is written down in base64");
        }
    });
}

const BALP: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";

/// What an event that claims a pattern lacks of it: IHE ITI BALP, StructureDefinition-IHE.BasicAudit.Read.html, Create,
/// Update, Delete, Query and their Patient… forms. Nothing for an event that claims none.
fn faults(event: &Value) -> Vec<String> {
    let claimed = event["meta"]["profile"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let Some(name) = claimed.filter_map(|url| url.strip_prefix(BALP)).next() else { return Vec::new() };
    let about_one = name.starts_with("Patient");
    let (action, subtypes, client, server): (_, &[&str], _, _) = match name.trim_start_matches("Patient") {
        "Read" => ("R", &["read", "vread"], "110152", "110153"),
        "Create" => ("C", &["create"], "110153", "110152"),
        "Update" => ("U", &["update", "patch"], "110153", "110152"),
        "Delete" => ("D", &["delete"], "110153", "110152"),
        "Query" => ("E", &["search-type", "search-system"], "110153", "110152"),
        other => return vec![format!("{other} is no pattern")],
    };
    let mut faults = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            faults.push(format!("{name}: {what}"));
        }
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let coded = |value: &Value, system: &str, code: &str| value["system"] == system && value["code"] == code;
    must(coded(&event["type"], "http://terminology.hl7.org/CodeSystem/audit-event-type", "rest"), "type is rest");
    let interactions = list(&event["subtype"]);
    must(
        interactions
            .iter()
            .any(|one| subtypes.iter().any(|code| coded(one, "http://hl7.org/fhir/restful-interaction", code))),
        "subtype is the interaction",
    );
    must(event["action"] == action, "action");
    must(event["recorded"].is_string(), "recorded 1..1");
    must(event["outcome"] == "0", "a success");
    let agents = list(&event["agent"]);
    let of = |system: &str, code: &str| -> Vec<Value> {
        let is_of = |agent: &&Value| list(&agent["type"]["coding"]).iter().any(|one| coded(one, system, code));
        agents.iter().filter(is_of).cloned().collect()
    };
    must(agents.len() >= 2, "agent 2..*");
    must(agents.iter().filter(|agent| agent["requestor"] == true).count() == 1, "one requestor");
    for (what, code) in [("client", client), ("server", server)] {
        let found = of("http://dicom.nema.org/resources/ontology/DCM", code);
        must(found.len() == 1, &format!("agent:{what} 1..1"));
        must(
            found
                .iter()
                .all(|agent| agent["who"].is_object() && agent["network"].is_object() && agent["media"].is_null()),
            &format!("agent:{what} has who and network and no media"),
        );
    }
    let reads = matches!(action, "R" | "E");
    let users = of("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", if reads { "IRCP" } else { "AUT" });
    must(users.len() <= 1, "agent:user 0..1");
    must(
        users.iter().all(|user| user["who"].is_object() && user["requestor"] == true && user["network"].is_null()),
        "agent:user is who asks, and no device",
    );
    must(event["source"]["observer"].is_object(), "source");
    let entities = list(&event["entity"]);
    let typed = |system: &str, code: &str| -> Vec<Value> {
        entities.iter().filter(|entity| coded(&entity["type"], system, code)).cloned().collect()
    };
    let requests = typed("https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "XrequestId");
    must(
        requests.len() == 1 && requests[0]["what"]["identifier"]["value"].is_string(),
        "entity:transaction is the X-Request-Id",
    );
    let objects = typed("http://terminology.hl7.org/CodeSystem/audit-entity-type", "2");
    must(objects.len() == 1, "entity:data or entity:query 1..1");
    let object = objects.first().cloned().unwrap_or_default();
    let role =
        |entity: &Value, code: &str| coded(&entity["role"], "http://terminology.hl7.org/CodeSystem/object-role", code);
    if action == "E" {
        must(
            role(&object, "24") && object["what"].is_null() && object["detail"].is_null(),
            "entity:query is a question",
        );
        let decoded = base64::engine::general_purpose::STANDARD.decode(object["query"].as_str().unwrap_or("!"));
        must(decoded.is_ok(), "entity:query has the query in base64");
    } else {
        must(role(&object, "4") && object["what"]["reference"].is_string(), "entity:data is a resource");
    }
    if about_one {
        let citizens = typed("http://terminology.hl7.org/CodeSystem/audit-entity-type", "1");
        must(citizens.len() == 1, "entity:patient 1..1");
        must(
            citizens.iter().all(|citizen| {
                role(citizen, "1")
                    && citizen["what"]["reference"].as_str().is_some_and(|text| text.starts_with("Patient/"))
            }),
            "entity:patient is a Patient",
        );
    }
    faults
}

#[test]
fn every_event_has_the_shape_that_it_claims_and_is_a_valid_audit_event() {
    each_audited(|world, events| {
        let all = world.command(&["client", "add", "All", "--jwks", "keys.json", "--scope", "system/*.cruds"], "");
        let claims = world.claims(json!({ "iss": all, "sub": all }));
        let token = world.for_system(&world.ec.sign(&claims), "system/*.cruds").body["access_token"].clone();
        let token = token.as_str().unwrap();
        let put = |resource: Value| {
            let path = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
            let answer = world.fhir(token, "PUT", &path, Some(&resource));
            assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.body);
        };
        put(json!({ "resourceType": "Organization", "id": "h", "name": "h" }));
        put(json!({ "resourceType": "Practitioner", "id": "p1" }));
        put(json!({
            "resourceType": "PractitionerRole", "id": "r", "active": true, "practitioner": { "reference": "Practitioner/p1" },
            "organization": { "reference": "Organization/h" }, "code": [{ "coding": [{ "code": "nurse" }] }],
        }));
        put(json!({ "resourceType": "Patient", "id": "c1" }));
        let weight = json!({ "resourceType": "Observation", "id": "o1", "status": "final", "code": { "text": "x" },
                             "subject": { "reference": "Patient/c1" } });
        put(weight.clone());
        let fhir = |method: &str, path: &str, body: Option<&Value>| world.fhir(token, method, path, body).status;
        let mut made = weight.clone();
        made.as_object_mut().unwrap().remove("id");
        fhir("POST", "Observation", Some(&made));
        fhir("POST", "Organization", Some(&json!({ "resourceType": "Organization", "name": "x" })));
        for path in [
            "Observation/o1",
            "Organization/h",
            "Observation/o1/_history/1",
            "Observation/o1/_history",
            "Observation/_history",
            "_history",
            "Observation?subject=Patient/c1",
            "Organization?name=h",
            "?_type=Observation&_id=o1",
            "Patient/c1/Observation",
            "Patient/c1/$everything",
            "Observation/nobody",
            "Nonsense",
            "Observation?nonsense=x",
        ] {
            fhir("GET", path, None);
        }
        let entry = |method: &str, url: &str| json!({ "request": { "method": method, "url": url } });
        for kind in ["batch", "transaction"] {
            let bundle = json!({ "resourceType": "Bundle", "type": kind, "entry": [
                entry("GET", "Observation/o1"), entry("GET", "Observation?_id=o1") ] });
            fhir("POST", "", Some(&bundle));
        }
        let patch = json!([{ "op": "replace", "path": "/status", "value": "amended" }]);
        let patched = world.server.send(
            "PATCH",
            "Observation/o1",
            &[("Authorization", &format!("Bearer {token}")), ("Content-Type", "application/json-patch+json")],
            Some(&patch),
        );
        assert_eq!(patched.status, 200, "{}", patched.body);
        fhir("DELETE", "Observation/o1", None);
        put(json!({ "resourceType": "Organization", "id": "gone" }));
        fhir("DELETE", "Organization/gone", None);
        // A person: signs in, reads, is refused, breaks the glass, signs out.
        let tokens = world.signed_in();
        let person = tokens["access_token"].as_str().unwrap();
        let beside = |method: &str, path: &str, body: Option<Value>| {
            let headers =
                [("Authorization", format!("Bearer {person}")), ("Content-Type", "application/json".to_owned())];
            let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let body = body.map(|body| body.to_string().into_bytes());
            crate::common::exchange(&crate::common::agent(), world.root(), method, path, &headers, body).unwrap().status
        };
        assert_eq!(beside("GET", "fhir/Patient/c1", None), 404);
        let glass = json!({ "patient": "Patient/c1", "purpose": "ETREAT", "reason": "found unconscious" });
        assert_eq!(beside("POST", "access/break-glass", Some(glass)), 201);
        assert_eq!(beside("GET", "fhir/Patient/c1", None), 200);
        assert_eq!(beside("GET", "notebook/v1/citizens/c1", None), 200);
        assert_eq!(beside("GET", "fhir/AuditEvent", None), 403);
        world.sign_in(&world.query(&pkce().1, &[]), &[("password", "not the password")]);
        world.send("auth/revoke", &[("client_id", &world.app), ("token", tokens["refresh_token"].as_str().unwrap())]);

        let found = events("");
        let wrong: Vec<String> = found.iter().flat_map(faults).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        let claimed: BTreeSet<&str> = found
            .iter()
            .flat_map(|event| event["meta"]["profile"].as_array().unwrap())
            .filter_map(|url| url.as_str().unwrap().strip_prefix(BALP))
            .collect();
        let forms = ["Create", "Delete", "Query", "Read", "Update"];
        let wanted: BTreeSet<String> =
            forms.iter().flat_map(|form| [(*form).to_owned(), format!("Patient{form}")]).collect();
        assert_eq!(claimed, wanted.iter().map(String::as_str).collect(), "every pattern is there");
        let kinds: BTreeSet<&str> = found.iter().map(|event| event["type"]["code"].as_str().unwrap()).collect();
        assert_eq!(kinds, BTreeSet::from(["110100", "110101", "110110", "110113", "110114", "rest"]));
        let people = found.iter().filter(|event| event["agent"][0]["who"]["reference"] == "Practitioner/p1");
        assert!(
            people.clone().any(|event| event["agent"][0]["type"]["coding"][0]["code"] == "IRCP"),
            "read by a person"
        );
        let override_began =
            found.iter().find(|event| event["subtype"][0]["code"] == "110127").expect("the glass was broken");
        assert_eq!(override_began["purposeOfEvent"][0]["coding"][0]["code"], "ETREAT");
        assert!(
            override_began.to_string().contains("found unconscious")
                && override_began.to_string().contains("Patient/c1")
        );

        // The check itself finds what is wrong.
        let whole = |form: &str| {
            let url = format!("{BALP}{form}");
            found.iter().find(|event| event["meta"]["profile"][0] == url.as_str()).unwrap().clone()
        };
        for form in wanted.iter().map(String::as_str) {
            for path in ["type", "subtype", "action", "recorded", "outcome", "agent", "source", "entity"] {
                let mut without = whole(form);
                without.as_object_mut().unwrap().remove(path);
                assert!(!faults(&without).is_empty(), "{form} without {path}");
            }
            let places = whole(form)["agent"].as_array().unwrap().len();
            for place in 0..places {
                let mut without = whole(form);
                without["agent"].as_array_mut().unwrap().remove(place);
                assert!(!faults(&without).is_empty(), "{form} without agent {place}");
            }
        }

        // FHIR R4 auditevent.html: cardinalities, bindings, invariants, by the validator.
        let lines: Vec<String> = found.iter().map(Value::to_string).collect();
        std::fs::write(world.folder.path().join("events.ndjson"), lines.join("\n")).unwrap();
        let judged = renraku(world.folder.path()).args(["validate", "events.ndjson"]).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&judged.stdout), String::from_utf8_lossy(&judged.stderr));
        assert!(judged.status.success(), "{out}{err}");
        assert!(err.contains(&format!("{} resources checked", found.len())), "{err}");
    });
}
