//! The access policy: each rule is what lets somebody do something; a file of one's own restricts.

use std::collections::BTreeSet;
use std::path::Path;

use renraku::access::policy::{BUILT_IN, Policy};
use serde_json::{Value, json};

use crate::common::{TempDir, databases, renraku, sqlite_database};
use crate::town::{SUBJECTS, Subject, Town};

/// The policy without one rule.
fn without(id: &str) -> String {
    let blocks: Vec<&str> = BUILT_IN.split("\n\n").collect();
    let kept: Vec<&str> =
        blocks.iter().copied().filter(|block| !block.contains(&format!("\nid = \"{id}\"\n"))).collect();
    assert_eq!(kept.len() + 1, blocks.len(), "{id}");
    kept.join("\n\n")
}

fn written(folder: &Path, text: &str) -> String {
    let path = folder.join("access.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A rule, somebody who needs it, and what they do by it.
struct Use {
    rule: &'static str,
    who: Value,
    method: &'static str,
    path: &'static str,
    body: Option<Value>,
    expected: u16,
}

fn person(subject: &Subject, roles: &[&str]) -> Value {
    json!({ "scope": "user/*.cruds", "sub": "x", "client_id": "t", "fhirUser": subject.user(), "roles": roles })
}

fn system(organization: &str, roles: &[&str]) -> Value {
    let mut claims = json!({ "scope": "system/*.cruds", "sub": "x", "client_id": "t", "roles": roles });
    if !organization.is_empty() {
        claims["organization"] = json!(organization);
    }
    claims
}

fn memo(about: &str) -> Value {
    json!({ "resourceType": "Observation", "status": "final", "subject": { "reference": format!("Patient/shimin-{about}") }, "code": { "text": "memo" } })
}

fn value_set() -> Value {
    json!({ "resourceType": "ValueSet", "status": "draft", "url": "urn:policy:set" })
}

fn uses() -> Vec<Use> {
    let get = |rule, who, path| Use { rule, who, method: "GET", path, body: None, expected: 200 };
    let post = |rule, who, path, body| Use { rule, who, method: "POST", path, body: Some(body), expected: 201 };
    let weight = "fhir/Observation/weight-a";
    let of = |place: usize| person(&SUBJECTS[place], &[]);
    vec![
        get("definitions", of(0), "fhir/Organization/city"),
        get("citizen", of(8), weight),
        post("citizen-writes", of(8), "fhir/Observation", memo("a")),
        get("family", of(9), weight),
        post("family-writes", of(9), "fhir/Observation", memo("a")),
        get("team", of(0), weight),
        get("liaison", of(12), weight),
        get("officer", of(11), weight),
        get("facility", system("Organization/city", &[]), weight),
        get("emergency", of(13), "fhir/Observation/weight-a"),
        get("disaster", of(7), "fhir/Observation/weight-b"),
        get("between", of(0), "fhir/Communication/among-us"),
        get("system", system("", &[]), weight),
        post(
            "system-writes",
            system("", &[]),
            "fhir/Organization",
            json!({ "resourceType": "Organization", "name": "new" }),
        ),
        post("administrator", system("", &["administrator"]), "fhir/ValueSet", value_set()),
        get("auditor", person(&SUBJECTS[3], &["auditor"]), "access/emergencies"),
        get("system-review", system("", &[]), "access/emergencies"),
        get("labels-family", of(9), "fhir/Communication/family-only"),
        get("labels-staff", of(0), "fhir/Communication/family-only"),
        get("labels-facility", system("Organization/station", &[]), "fhir/Communication/family-only"),
        get("labels-system", system("", &[]), "fhir/Communication/family-only"),
    ]
}

/// What the uses need beside the town.
fn settle(town: &Town) {
    town.put(&json!({
        "resourceType": "Communication", "id": "family-only", "status": "completed", "subject": { "reference": "Patient/shimin-a" },
        "sender": { "reference": "RelatedPerson/daughter" }, "payload": [{ "contentString": "x" }],
        "meta": { "security": [{ "system": "http://renraku.example/fhir/CodeSystem/notebook-audience", "code": "family-private" }] }
    }));
    town.put(&json!({
        "resourceType": "Communication", "id": "among-us", "status": "completed", "sender": { "reference": "Practitioner/colleague" },
        "recipient": [{ "reference": "Practitioner/member" }], "payload": [{ "contentString": "x" }]
    }));
    let glass = json!({ "patient": "Patient/shimin-a", "purpose": "BTG", "reason": "found unconscious" });
    let doctor = town.token(&SUBJECTS[13]);
    let broken = town.ask(&doctor, "POST", "access/break-glass", &[], Some(glass.to_string().as_bytes()));
    assert_eq!(broken.status, 201, "{}", broken.body);
    // An officer of the town declares; the clinic of the town then reaches its citizen.
    town.put(&json!({
        "resourceType": "PractitionerRole", "id": "role-mayor", "active": true, "practitioner": { "reference": "Practitioner/auditor" },
        "organization": { "reference": "Organization/town" }, "code": [{ "coding": [{ "code": "municipal-officer" }] }]
    }));
    let until = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2)).to_string();
    let disaster = json!({ "municipality": "Organization/town", "until": until, "scope": "area", "notice": "a flood of the river" });
    let mayor = town.token(&SUBJECTS[14]);
    let declared = town.ask(&mayor, "POST", "access/disasters", &[], Some(disaster.to_string().as_bytes()));
    assert_eq!(declared.status, 201, "{}", declared.body);
}

fn status(town: &Town, one: &Use) -> (u16, Value) {
    let body = one.body.as_ref().map(Value::to_string);
    let answer = town.ask(&town.signed(one.who.clone()), one.method, one.path, &[], body.as_deref().map(str::as_bytes));
    (answer.status, answer.body)
}

/// Each rule taken out closes a door to somebody: what no rule allows is refused.
#[test]
fn without_a_rule_nobody_does_what_it_allowed() {
    let database = sqlite_database();
    let town = Town::start(&database);
    settle(&town);
    let policy = Policy::built_in();
    let rules: BTreeSet<&str> = policy.ids().collect();
    let uses = uses();
    assert_eq!(rules, uses.iter().map(|one| one.rule).collect(), "each rule has somebody who needs it");
    for one in &uses {
        let (found, body) = status(&town, one);
        assert_eq!(found, one.expected, "{} {} {}: {body}", one.rule, one.method, one.path);
    }
    drop(town);
    let folder = TempDir::new();
    for one in &uses {
        let path = written(folder.path(), &without(one.rule));
        let town = Town::join(&database, &["--access-policy", &path]);
        let (found, body) = status(&town, one);
        assert!(matches!(found, 403 | 404), "without {}: {} {} answers {found} {body}", one.rule, one.method, one.path);
    }
}

/// A file of one's own: by profession, by type, by interaction; searches, chains and writes keep to it.
#[test]
fn a_file_restricts_by_profession_type_and_interaction() {
    for database in databases() {
        let town = Town::start(&database);
        drop(town);
        let folder = TempDir::new();
        let own = without("team")
            + "\n\n[[rule]]\nid = \"nurses\"\nrelation = \"team\"\nprofessions = [\"nurse\"]\ntypes = [\"Patient\", \"Observation\"]\ndo = \"rs\"\n\n\
               [[rule]]\nid = \"nurses-note\"\nrelation = \"team\"\nprofessions = [\"nurse\"]\ntypes = [\"Communication\"]\ndo = \"crs\"\n";
        let path = written(folder.path(), &own);
        let town = Town::join(&database, &["--access-policy", &path]);
        let (nurse, helper) = (town.token(&SUBJECTS[0]), town.token(&SUBJECTS[1]));
        let get = |token: &str, path: &str| town.ask(token, "GET", &format!("fhir/{path}"), &[], None);
        assert_eq!(get(&nurse, "Observation/weight-a").status, 200);
        assert_eq!(get(&helper, "Observation/weight-a").status, 404, "a helper is no nurse");
        assert_eq!(get(&nurse, "Condition/condition-a").status, 404);
        for search in [
            "Patient?_revinclude=Condition:patient",
            "Patient?_has:Condition:patient:code:text=himitsu",
            "Patient/shimin-a/$everything",
        ] {
            let answer = get(&nurse, search);
            assert!(!answer.body.to_string().contains("condition-a"), "{search}: {}", answer.body);
        }
        let send = |method: &str, path: &str, body: &Value| {
            town.ask(&nurse, method, path, &[], Some(body.to_string().as_bytes())).status
        };
        assert_eq!(send("POST", "fhir/Observation", &memo("a")), 403);
        let article = json!({
            "resourceType": "Communication", "status": "completed", "subject": { "reference": "Patient/shimin-a" },
            "sender": { "reference": "Practitioner/member" }, "payload": [{ "contentString": "x" }]
        });
        assert_eq!(send("POST", "fhir/Communication", &article), 201);
        let mut again = article.clone();
        again["id"] = json!("article-a");
        assert_eq!(send("PUT", "fhir/Communication/article-a", &again), 403, "to create is not to update");
        assert_eq!(town.ask(&nurse, "DELETE", "fhir/Communication/article-a", &[], None).status, 403);
        let batch = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
            { "resource": memo("a"), "request": { "method": "POST", "url": "Observation" } }] });
        assert_eq!(send("POST", "fhir", &batch), 403);
        // An auditor is told which rule it is, and where it stands.
        let auditor = town.token(&SUBJECTS[16]);
        let why = |what: &str, on: &str| {
            town.ask(&auditor, "GET", &format!("access/explain?as=Practitioner/member&do={what}&on={on}"), &[], None)
                .body
        };
        let told = why("read", "Observation/weight-a");
        assert_eq!(told["allowed"], true, "{told}");
        assert!(told.to_string().contains("rule nurses (") && told.to_string().contains("line "), "{told}");
        let told = why("read", "Condition/condition-a");
        assert_eq!(told["allowed"], false, "{told}");
        assert!(told.to_string().contains("no rule of") && told.to_string().contains("team"), "{told}");
        assert_eq!(why("update", "Communication/article-a")["allowed"], false);
    }
}

/// Definitions change how the server reads and searches for everybody: that is for administrators.
#[test]
fn definitions_are_written_by_administrators() {
    for database in databases() {
        let town = Town::start(&database);
        let parameter = json!({
            "resourceType": "SearchParameter", "url": "urn:policy:p", "name": "p", "status": "active", "description": "p", "code": "policy-p",
            "base": ["Patient"], "type": "string", "expression": "Patient.name.text"
        });
        let ask = |roles: &[&str], method: &str, path: &str, body: Option<&Value>| {
            let text = body.map(Value::to_string);
            town.ask(&town.signed(system("", roles)), method, path, &[], text.as_deref().map(str::as_bytes))
        };
        let transaction = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
            { "resource": parameter, "request": { "method": "POST", "url": "SearchParameter" } }] });
        for (method, path, body) in [
            ("POST", "fhir/SearchParameter", Some(&parameter)),
            ("POST", "fhir", Some(&transaction)),
            ("POST", "fhir/ValueSet", Some(&value_set())),
            ("POST", "fhir/$install-package", Some(&json!({ "resourceType": "Parameters" }))),
        ] {
            let answer = ask(&[], method, path, body);
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.body);
        }
        let told = ask(&[], "POST", "fhir/$install-package", Some(&json!({ "resourceType": "Parameters" }))).body;
        assert!(told.to_string().contains("administrator"), "{told}");
        let made = ask(&["administrator"], "POST", "fhir/SearchParameter", Some(&parameter));
        assert_eq!(made.status, 201, "{}", made.body);
        let path = format!("fhir/SearchParameter/{}", made.body["id"].as_str().unwrap());
        assert_eq!(ask(&[], "DELETE", &path, None).status, 403);
        assert_eq!(ask(&["administrator"], "DELETE", &path, None).status, 200);
        let package =
            ask(&["administrator"], "POST", "fhir/$install-package", Some(&json!({ "resourceType": "Parameters" })));
        assert_eq!(package.status, 400, "it is asked for its package: {}", package.body);
        // A person of that role administers nothing by it: they act in a relation.
        let person = town.signed(person(&SUBJECTS[0], &["administrator"]));
        let answer = town.ask(&person, "POST", "fhir/ValueSet", &[], Some(value_set().to_string().as_bytes()));
        assert_eq!(answer.status, 403, "{}", answer.body);
    }
}

#[test]
fn the_command_prints_and_checks_the_policy() {
    let folder = TempDir::new();
    let run = |arguments: &[&str]| {
        let output = renraku(folder.path()).args(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, printed, _) = run(&["access", "policy"]);
    assert_eq!((code, printed.trim_end()), (Some(0), BUILT_IN.trim_end()));
    let path = written(folder.path(), &without("officer"));
    let (code, told, _) = run(&["access", "policy", "--check", &path]);
    assert!(code == Some(0) && told.contains("- officer"), "{told}");
    let path = written(folder.path(), &BUILT_IN.replacen("types = [\"*\"]", "types = [\"Observatoin\"]", 1));
    for arguments in [["access", "policy", "--check", &path], ["serve", "--listen", "127.0.0.1:0", "--access-policy"]] {
        let mut arguments = arguments.to_vec();
        if arguments[0] == "serve" {
            arguments.push(&path);
        }
        let (code, _, why) = run(&arguments);
        assert!(code == Some(2) && why.contains("Observatoin") && why.contains("line "), "{why}");
    }
}
