//! Emergencies and reasons: break-glass, disasters, which rule decides; each against servers that ask for tokens.

use std::time::{SystemTime, UNIX_EPOCH};

use renraku::access::jwt::SigningKey;
use renraku::store::{AccessDirectory, Database as Url};
use serde_json::{Value, json};

use crate::common::{Answer, Server, agent, databases, exchange};

const EVERYTHING: &str = "system/*.cruds";

struct Town {
    server: Server,
    key: SigningKey,
    agent: ureq::Agent,
}

impl Town {
    fn token(&self, who: &str, roles: &[&str]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": self.server.base, "aud": self.server.base, "iat": now, "exp": now + 3600, "sub": who, "client_id": "test",
            "scope": if who.is_empty() { EVERYTHING } else { "user/*.cruds" }, "roles": roles,
        });
        if who.is_empty() {
            claims["sub"] = json!("test");
        } else {
            claims["fhirUser"] = json!(who);
        }
        self.key.sign("at+jwt", &claims).unwrap()
    }

    fn ask(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let root = self.server.base.trim_end_matches("/fhir");
        let bearer = format!("Bearer {token}");
        let bytes = body.map(|value| value.to_string().into_bytes());
        exchange(&self.agent, root, method, path, &[("Authorization", &bearer)], bytes).unwrap()
    }

    fn put(&self, resource: &Value) {
        let path = format!("fhir/{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        let answer = self.ask(&self.token("", &[]), "PUT", &path, Some(resource));
        assert!(matches!(answer.status, 200 | 201), "PUT {path}: {} {}", answer.status, answer.body);
    }

    fn status(&self, who: &str, path: &str) -> u16 {
        self.ask(&self.token(who, &[]), "GET", &format!("fhir/{path}"), None).status
    }
}

/// A city with a hospital, whose nurse is in the team of `a` and whose doctor in none; a town with a clinic.
fn on_each_town(test: impl Fn(&Town)) {
    for database in databases() {
        let server = Server::start(&database.url, &["--authentication", "required"]);
        let url = Url::parse(&database.url).unwrap();
        let keys = AccessDirectory::open(&url).unwrap().keys(|| panic!("the server made its key")).unwrap();
        let key = SigningKey::from_pem(keys[0].id.clone(), &keys[0].pem).unwrap();
        let town = Town { server, key, agent: agent() };
        for (id, above) in [("city", ""), ("town", ""), ("hospital", "city"), ("clinic", "town")] {
            let mut organization = json!({ "resourceType": "Organization", "id": id, "name": id });
            if !above.is_empty() {
                organization["partOf"] = json!({ "reference": format!("Organization/{above}") });
            }
            town.put(&organization);
        }
        for (id, facility, code) in [
            ("nurse", "hospital", "nurse"),
            ("doctor", "hospital", "doctor"),
            ("outside", "clinic", "doctor"),
            ("officer", "city", "municipal-officer"),
        ] {
            town.put(&json!({ "resourceType": "Practitioner", "id": id }));
            town.put(&json!({
                "resourceType": "PractitionerRole", "id": format!("role-{id}"), "active": true,
                "practitioner": { "reference": format!("Practitioner/{id}") },
                "organization": { "reference": format!("Organization/{facility}") },
                "code": [{ "coding": [{ "code": code }] }],
            }));
        }
        for id in ["a", "b"] {
            let subject = json!({ "reference": format!("Patient/{id}") });
            town.put(&json!({
                "resourceType": "Patient", "id": id, "managingOrganization": { "reference": "Organization/city" },
            }));
            town.put(&json!({
                "resourceType": "Observation", "id": format!("o-{id}"), "status": "final", "subject": subject,
                "code": { "text": "x" },
            }));
        }
        town.put(&json!({
            "resourceType": "CareTeam", "id": "team", "status": "active", "subject": { "reference": "Patient/a" },
            "participant": [{ "member": { "reference": "Practitioner/nurse" } }],
        }));
        test(&town);
    }
}

#[test]
fn the_glass_is_broken_with_purpose_and_reason_for_a_time_and_the_team_is_told() {
    on_each_town(|town| {
        let doctor = town.token("Practitioner/doctor", &[]);
        assert_eq!(town.status("Practitioner/doctor", "Observation/o-a"), 404);
        let good = json!({ "patient": "Patient/a", "purpose": "ETREAT", "reason": "意識がなく搬送された" });
        for (name, value) in [
            ("purpose", json!("TREAT")),
            ("purpose", Value::Null),
            ("reason", json!("  ")),
            ("minutes", json!(0)),
            ("minutes", json!(100_000)),
            ("minutes", json!("many")),
        ] {
            let mut wrong = good.clone();
            wrong[name] = value;
            let refused = town.ask(&doctor, "POST", "access/break-glass", Some(&wrong));
            assert_eq!(refused.status, 422, "{wrong}");
            assert_eq!(refused.body["resourceType"], "OperationOutcome");
        }
        assert_eq!(town.status("Practitioner/doctor", "Observation/o-a"), 404);
        // Families and citizens do not break it.
        let family = town.token("Patient/b", &[]);
        assert_eq!(town.ask(&family, "POST", "access/break-glass", Some(&good)).status, 403);

        let broken = town.ask(&doctor, "POST", "access/break-glass", Some(&good));
        assert_eq!(broken.status, 201, "{}", broken.body);
        assert_eq!(town.status("Practitioner/doctor", "Observation/o-a"), 200);
        assert_eq!(town.status("Practitioner/doctor", "Observation/o-b"), 404, "one citizen only");
        assert_eq!(town.status("Practitioner/outside", "Observation/o-a"), 404, "one person only");
        // The team reads it in the notebook.
        let nurse = town.token("Practitioner/nurse", &[]);
        let articles = town.ask(&nurse, "GET", "notebook/v1/citizens/a/articles", None);
        assert!(articles.body.to_string().contains("意識がなく搬送された"), "{}", articles.body);
        // Nobody changes or removes what tells of it, nor writes one by hand.
        let path = format!("fhir/{}", broken.body["article"].as_str().unwrap());
        let mut article = town.ask(&doctor, "GET", &path, None).body;
        assert_eq!(town.ask(&doctor, "DELETE", &path, None).status, 403);
        article["payload"] = json!([{ "contentString": "nothing" }]);
        assert_eq!(town.ask(&doctor, "PUT", &path, Some(&article)).status, 403);
        article.as_object_mut().unwrap().remove("meta");
        assert_eq!(town.ask(&doctor, "PUT", &path, Some(&article)).status, 403);
        let mut forged = article.clone();
        forged.as_object_mut().unwrap().remove("id");
        forged["meta"] =
            json!({ "tag": [{ "system": "http://renraku.example/fhir/CodeSystem/access", "code": "break-glass" }] });
        assert_eq!(town.ask(&nurse, "POST", "fhir/Communication", Some(&forged)).status, 403);

        // Listed for review, to auditors.
        assert_eq!(town.ask(&doctor, "GET", "access/emergencies", None).status, 403);
        let auditor = town.token("Practitioner/officer", &["auditor"]);
        let listed = town.ask(&auditor, "GET", "access/emergencies", None);
        let glass = &listed.body["breakGlass"][0];
        assert_eq!(
            (glass["who"].as_str(), glass["citizen"].as_str()),
            (Some("Practitioner/doctor"), Some("Patient/a"))
        );
        assert_eq!(
            (glass["purpose"].as_str(), glass["reason"].as_str()),
            (Some("ETREAT"), Some("意識がなく搬送された"))
        );

        // Somebody else looks at it: an officer of the citizen's municipality, or an auditor.
        let unreviewed = |who: &str| {
            let told = town.ask(who, "GET", "access/emergencies?unreviewed=true", None);
            assert_eq!(told.status, 200, "{}", told.body);
            told.body["breakGlass"].as_array().unwrap().len()
        };
        assert_eq!((unreviewed(&auditor), listed.body["breakGlass"][0]["overdue"].as_bool()), (1, Some(false)));
        let review = path.replace("fhir/Communication/", "access/break-glass/") + "/review";
        let found = json!({ "verdict": "justified", "remark": "救急の記録と一致した" });
        let officer = town.token("Practitioner/officer", &[]);
        assert_eq!(unreviewed(&officer), 1, "of their own municipality");
        for who in [&doctor, &nurse, &family] {
            assert_eq!(town.ask(who, "POST", &review, Some(&found)).status, 403);
        }
        let own = town.token("Practitioner/doctor", &["auditor"]);
        assert_eq!(town.ask(&own, "POST", &review, Some(&found)).status, 403, "not who broke it");
        for (name, value) in [("verdict", json!("fine")), ("verdict", Value::Null), ("remark", json!(" "))] {
            let mut wrong = found.clone();
            wrong[name] = value;
            assert_eq!(town.ask(&officer, "POST", &review, Some(&wrong)).status, 422, "{wrong}");
        }
        let nothing = "access/break-glass/nothing/review";
        assert_eq!(town.ask(&officer, "POST", nothing, Some(&found)).status, 404);
        let reviewed = town.ask(&officer, "POST", &review, Some(&found));
        assert_eq!(reviewed.status, 200, "{}", reviewed.body);
        assert_eq!(unreviewed(&auditor), 0);
        let told = town.ask(&auditor, "GET", "access/emergencies", None).body["breakGlass"][0]["review"].clone();
        assert_eq!(told["by"], "Practitioner/officer", "{told}");
        assert_eq!((&told["verdict"], &told["remark"]), (&found["verdict"], &found["remark"]), "{told}");
        // The team reads that too, in both languages; the access goes on for its time.
        let article = town.ask(&nurse, "GET", &path, None).body.to_string();
        assert!(
            article.contains("確認されました（正当）") && article.contains("was reviewed (justified)"),
            "{article}"
        );
        assert_eq!(town.status("Practitioner/doctor", "Observation/o-a"), 200);
        // All of it is in the audit.
        let events = town.ask(&auditor, "GET", "fhir/AuditEvent?patient=a&_count=500", None).body.to_string();
        assert!(events.contains("110127") && events.contains("reviewed, justified: 救急の記録と一致した"), "{events}");

        // What nobody looked at within a week is late.
        let mut late = town.ask(&town.token("", &[]), "GET", &path, None).body;
        late["sent"] = json!("2020-01-01T00:00:00Z");
        late.as_object_mut().unwrap().remove("note");
        town.put(&late);
        let told = town.ask(&auditor, "GET", "access/emergencies?unreviewed=true", None).body;
        assert_eq!(told["breakGlass"][0]["overdue"], true, "{told}");

        // When its time is over, it is over.
        let id = path.rsplit('/').next().unwrap();
        let mut over = town.ask(&town.token("", &[]), "GET", &path, None).body;
        over["extension"][0]["valueInstant"] = json!("2020-01-01T00:00:00Z");
        assert_eq!(over["id"], id);
        town.put(&over);
        std::thread::sleep(std::time::Duration::from_millis(10_200));
        assert_eq!(town.status("Practitioner/doctor", "Observation/o-a"), 404);
    });
}

#[test]
fn in_a_disaster_the_facilities_of_the_municipality_reach_its_citizens_until_it_ends() {
    on_each_town(|town| {
        let officer = town.token("Practitioner/officer", &[]);
        let until = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2)).to_string();
        let good =
            json!({ "municipality": "city", "until": until, "scope": "area", "notice": "地震のため閲覧を広げます" });
        let doctor = town.token("Practitioner/doctor", &[]);
        assert_eq!(town.ask(&doctor, "POST", "access/disasters", Some(&good)).status, 403, "officers only");
        let mut elsewhere = good.clone();
        elsewhere["municipality"] = json!("town");
        assert_eq!(town.ask(&officer, "POST", "access/disasters", Some(&elsewhere)).status, 403, "their own only");
        for (name, value) in [
            ("until", json!("2999-01-01T00:00:00Z")),
            ("until", Value::Null),
            ("scope", Value::Null),
            ("notice", json!("")),
        ] {
            let mut wrong = good.clone();
            wrong[name] = value;
            assert_eq!(town.ask(&officer, "POST", "access/disasters", Some(&wrong)).status, 422, "{wrong}");
        }
        assert_eq!(town.status("Practitioner/doctor", "Observation/o-b"), 404);

        let declared = town.ask(&officer, "POST", "access/disasters", Some(&good));
        assert_eq!(declared.status, 201, "{}", declared.body);
        assert_eq!(town.status("Practitioner/doctor", "Observation/o-b"), 200);
        assert_eq!(town.status("Practitioner/outside", "Observation/o-b"), 404, "another municipality");
        // Who denies is not shown even then.
        town.put(&json!({
            "resourceType": "Consent", "id": "no", "status": "active", "patient": { "reference": "Patient/b" },
            "scope": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy" }] },
            "category": [{ "coding": [{ "system": "http://loinc.org", "code": "59284-0" }] }],
            "policyRule": { "text": "x" },
            "provision": { "type": "deny", "actor": [{ "role": { "text": "who" }, "reference": { "reference": "Organization/hospital" } }] },
        }));
        assert_eq!(town.status("Practitioner/doctor", "Observation/o-b"), 404);
        assert_eq!(town.status("Practitioner/doctor", "Observation/o-a"), 200);

        let path = format!("access/disasters/{}/end", declared.body["id"].as_str().unwrap());
        assert_eq!(town.ask(&doctor, "POST", &path, None).status, 403);
        assert_eq!(town.ask(&officer, "POST", &path, None).status, 200);
        assert_eq!(town.status("Practitioner/doctor", "Observation/o-a"), 404);
    });
}

#[test]
fn auditors_are_told_which_rule_decides() {
    on_each_town(|town| {
        let auditor = town.token("Practitioner/officer", &["auditor"]);
        let explain = |who: &str, what: &str, on: &str| {
            let told = town.ask(&auditor, "GET", &format!("access/explain?as={who}&do={what}&on={on}"), None);
            assert_eq!(told.status, 200, "{}", told.body);
            (told.body["allowed"] == true, told.body["rules"].to_string())
        };
        let (allowed, why) = explain("Practitioner/nurse", "read", "Observation/o-a");
        assert!(allowed && why.contains("CareTeam/team"), "{why}");
        let (allowed, why) = explain("Practitioner/doctor", "read", "Observation/o-a");
        assert!(!allowed && why.contains("no active CareTeam"), "{why}");
        let (allowed, why) = explain("Patient/a", "read", "Patient/a");
        assert!(allowed && why.contains("themselves"), "{why}");
        let (allowed, why) = explain("Practitioner/officer", "read", "Patient/b");
        assert!(allowed && why.contains("managed"), "{why}");
        town.put(&json!({
            "resourceType": "Observation", "id": "untold", "status": "final", "subject": { "reference": "Patient/a" }, "code": { "text": "x" },
            "meta": { "tag": [{ "system": "http://jpfhir.jp/fhir/clins/CodeSystem/JP_ehrshrs_indication", "code": "UNINFORMED" }] },
        }));
        let (allowed, why) = explain("Patient/a", "read", "Observation/untold");
        assert!(!allowed && why.contains("Uninformed"), "{why}");
        assert!(explain("Practitioner/nurse", "read", "Observation/untold").0);
        // What is told is what happens.
        assert_eq!(town.status("Patient/a", "Observation/untold"), 404);
        assert_eq!(town.status("Practitioner/nurse", "Observation/untold"), 200);
        let nurse = town.token("Practitioner/nurse", &[]);
        let refused = town.ask(&nurse, "GET", "access/explain?as=Patient/a&do=read&on=Patient/a", None);
        assert_eq!(refused.status, 403);
    });
}

fn refusal(citizen: &str, actor: Option<&str>) -> Value {
    let mut provision = json!({ "type": "permit", "provision": [{ "type": "deny" }] });
    if let Some(actor) = actor {
        provision["provision"][0]["actor"] =
            json!([{ "role": { "text": "who" }, "reference": { "reference": actor } }]);
    }
    json!({
        "resourceType": "Consent", "id": format!("no-{citizen}"), "status": "active",
        "patient": { "reference": format!("Patient/{citizen}") },
        "scope": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy" }] },
        "category": [{ "coding": [{ "system": "http://loinc.org", "code": "59284-0" }] }],
        "policyRule": { "text": "x" }, "provision": provision,
    })
}

/// However many refuse: more than are read at once.
#[test]
fn an_officer_reaches_the_area_but_those_who_refuse() {
    on_each_town(|town| {
        let ward: Vec<String> = (0..620).map(|number| format!("w{number}")).collect();
        let mut all: Vec<Value> = ward
            .iter()
            .map(|id| {
                json!({ "resourceType": "Patient", "id": id, "name": [{ "family": "ward" }],
                    "managingOrganization": { "reference": "Organization/city" } })
            })
            .collect();
        // All but the last ten; of those one refuses others only, one did so once.
        all.extend(ward[..610].iter().map(|id| refusal(id, None)));
        all.push(refusal("w610", Some("Organization/clinic")));
        let mut over = refusal("w611", None);
        over["status"] = json!("inactive");
        all.push(over);
        for some in all.chunks(400) {
            let entry = |resource: &Value| {
                let kind = resource["resourceType"].as_str().unwrap();
                let url = format!("{kind}/{}", resource["id"].as_str().unwrap());
                json!({ "resource": resource, "request": { "method": "PUT", "url": url } })
            };
            let entries: Vec<Value> = some.iter().map(entry).collect();
            let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
            let answer = town.ask(&town.token("", &[]), "POST", "fhir", Some(&bundle));
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
        let officer = town.token("Practitioner/officer", &[]);
        let seen = || {
            let path = "fhir/Patient?family=ward&_count=1000&_total=accurate";
            let answer = town.ask(&officer, "GET", path, None);
            assert_eq!(answer.status, 200, "{}", answer.body);
            let mut ids: Vec<String> = answer.body["entry"]
                .as_array()
                .unwrap()
                .iter()
                .map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(answer.body["total"], ids.len());
            ids.sort();
            ids
        };
        assert_eq!(seen(), &ward[610..]);
        assert_eq!(town.status("Practitioner/officer", "Patient/w0"), 404);
        assert_eq!(town.status("Practitioner/officer", "Patient/w609"), 404);
        assert_eq!(town.status("Practitioner/officer", "Consent/no-w609"), 404);
        assert_eq!(town.status("Practitioner/officer", "Patient/w610"), 200);

        // Nor is anything written about them.
        let note = |citizen: &str| {
            let note = json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" },
                "subject": { "reference": format!("Patient/{citizen}") } });
            town.ask(&officer, "POST", "fhir/Observation", Some(&note)).status
        };
        assert_eq!(note("w612"), 201);
        let refused = note("w5");
        assert!(matches!(refused, 403 | 404), "{refused}");
        let mut patient = town.ask(&town.token("", &[]), "GET", "fhir/Patient/w5", None).body;
        patient["active"] = json!(false);
        let written = town.ask(&officer, "PUT", "fhir/Patient/w5", Some(&patient));
        assert!(matches!(written.status, 403 | 404), "{}", written.body);

        let auditor = town.token("Practitioner/officer", &["auditor"]);
        let told = town.ask(&auditor, "GET", "access/explain?as=Practitioner/officer&do=read&on=Patient/w5", None);
        assert!(
            told.body["allowed"] == false && told.body["rules"].to_string().contains("Consent/no-w5"),
            "{}",
            told.body
        );

        // Withdrawn or given, it counts at once; an emergency goes before it.
        let mut withdrawn = refusal("w5", None);
        withdrawn["status"] = json!("inactive");
        town.put(&withdrawn);
        assert_eq!(town.status("Practitioner/officer", "Patient/w5"), 200);
        town.put(&refusal("w615", Some("Organization/city")));
        assert_eq!(town.status("Practitioner/officer", "Patient/w615"), 404);
        assert_eq!(seen().len(), 10);
        let glass = json!({ "patient": "Patient/w615", "purpose": "ETREAT", "reason": "意識がなく搬送された" });
        assert_eq!(town.ask(&officer, "POST", "access/break-glass", Some(&glass)).status, 201);
        assert_eq!(town.status("Practitioner/officer", "Patient/w615"), 200);
        assert_eq!(seen().len(), 11);
        assert_eq!(town.status("Practitioner/officer", "Patient/w7"), 404);
    });
}
