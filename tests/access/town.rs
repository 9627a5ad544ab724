//! A town in which access is asked for: facilities, members, two citizens, and tokens for everybody.

use std::time::{SystemTime, UNIX_EPOCH};

use renraku::access::jwt::SigningKey;
use renraku::store::{AccessDirectory, Database as Url};
use serde_json::{Value, json};

use crate::common::{Answer, Database, Server, agent, exchange};

/// What only resources of citizen `a` hold, and of citizen `b`.
pub(crate) const SECRETS: [(&str, &str); 2] = [("a", "himitsu-aaa-7f3a"), ("b", "himitsu-bbb-91c2")];

/// The secret of a citizen.
pub(crate) fn secret(citizen: &str) -> &'static str {
    SECRETS.iter().find(|(name, _)| *name == citizen).unwrap().1
}

/// Somebody who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    /// For messages.
    pub(crate) name: &'static str,
    /// `fhirUser`; none for systems.
    user: &'static str,
    /// The organization of a system.
    organization: &'static str,
    scope: &'static str,
    roles: &'static str,
    /// Whether they have to do with citizen `a`, with `b`.
    pub(crate) sees: (bool, bool),
}

impl Subject {
    /// Whether they read the audit.
    pub(crate) fn is_auditor(&self) -> bool {
        self.roles == "auditor"
    }

    /// Whether they are this citizen.
    pub(crate) fn is_citizen(&self, citizen: &str) -> bool {
        self.user == format!("Patient/shimin-{citizen}")
    }

    /// Whether they are an officer of a municipality.
    pub(crate) fn is_officer(&self) -> bool {
        self.user == "Practitioner/officer"
    }

    /// Who they are, for tokens of one's own.
    pub(crate) const fn user(&self) -> &'static str {
        self.user
    }
}

const fn person(name: &'static str, user: &'static str, sees: (bool, bool)) -> Subject {
    Subject { name, user, organization: "", scope: "user/*.cruds", roles: "", sees }
}

/// Everybody, and whom they have to do with: the rules in one table.
pub(crate) const SUBJECTS: [Subject; 18] = [
    person("a member of her team", "Practitioner/member", (true, false)),
    person("a colleague of a facility in her team", "Practitioner/colleague", (true, false)),
    person("somebody who left her team", "Practitioner/former", (false, false)),
    person("somebody who will join her team", "Practitioner/future", (false, false)),
    person("a member whom her consent excludes", "Practitioner/denied", (false, false)),
    person("a member in another city, agreement and consent", "Practitioner/abroad", (true, false)),
    person("a member in another city, no agreement", "Practitioner/stranger", (false, false)),
    person("a member in another city, no consent", "Practitioner/unasked", (false, false)),
    person("the citizen", "Patient/shimin-a", (true, false)),
    person("her daughter", "RelatedPerson/daughter", (true, false)),
    person("a family of somebody else", "RelatedPerson/other", (false, true)),
    person("an officer of her city", "Practitioner/officer", (true, false)),
    person("the fracture liaison nurse of the hospital", "Practitioner/liaison", (true, false)),
    person("a doctor of the hospital without a relation", "Practitioner/nobody", (false, false)),
    Subject { roles: "auditor", scope: "user/*.rs", ..person("an auditor", "Practitioner/auditor", (false, false)) },
    Subject {
        scope: "system/*.cruds",
        organization: "Organization/station",
        ..person("a system of a facility in her team", "", (true, false))
    },
    Subject { scope: "system/*.cruds", ..person("a system that sees everything", "", (true, true)) },
    Subject { scope: "patient/*.rs", ..person("the citizen's application", "Patient/shimin-a", (true, false)) },
];

/// The server, its key, and its world.
pub(crate) struct Town {
    pub(crate) server: Server,
    key: SigningKey,
    agent: ureq::Agent,
    /// The small pictures and films that were stored, by citizen.
    pub(crate) media: [String; 2],
    /// Where what they show lies.
    pub(crate) binaries: [String; 2],
}

impl Town {
    /// Starts it and loads the world.
    pub(crate) fn start(database: &Database) -> Self {
        Self::start_with(database, &[])
    }

    /// The same with further settings.
    pub(crate) fn start_with(database: &Database, more: &[&str]) -> Self {
        let mut town = Self::join(database, more);
        town.settle();
        town
    }

    /// A server over what is there.
    pub(crate) fn join(database: &Database, more: &[&str]) -> Self {
        let arguments = [&["--authentication", "required", "--full-text", "all"], more].concat();
        let server = Server::start(&database.url, &arguments);
        let url = Url::parse(&database.url).unwrap();
        let keys = AccessDirectory::open(&url).unwrap().keys(|| panic!("the server made its key")).unwrap();
        let key = SigningKey::from_pem(keys[0].id.clone(), &keys[0].pem).unwrap();
        let (media, binaries) = ([String::new(), String::new()], [String::new(), String::new()]);
        Self { server, key, agent: agent(), media, binaries }
    }

    /// A token for somebody.
    pub(crate) fn token(&self, subject: &Subject) -> String {
        let mut claims = json!({ "scope": subject.scope, "sub": subject.name, "client_id": "test" });
        for (name, value) in [("fhirUser", subject.user), ("organization", subject.organization)] {
            if !value.is_empty() {
                claims[name] = json!(value);
            }
        }
        if !subject.roles.is_empty() {
            claims["roles"] = json!([subject.roles]);
        }
        if subject.scope.starts_with("patient/") {
            claims["patient"] = json!("shimin-a");
        }
        self.signed(claims)
    }

    /// A token with these claims beside the usual ones.
    pub(crate) fn signed(&self, mut claims: Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        for (name, value) in [
            ("iss", json!(self.server.base)),
            ("aud", json!(self.server.base)),
            ("iat", json!(now)),
            ("exp", json!(now + 3600)),
        ] {
            claims[name] = value;
        }
        self.key.sign("at+jwt", &claims).unwrap()
    }

    /// One request below the server's root, such as `fhir/Patient/a`.
    pub(crate) fn ask(
        &self,
        token: &str,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Answer {
        let root = self.server.base.trim_end_matches("/fhir");
        let bearer = format!("Bearer {token}");
        let mut headers = Vec::new();
        if !token.is_empty() {
            headers.push(("Authorization", bearer.as_str()));
        }
        if path.starts_with("notebook/") && body.is_some() && !more.iter().any(|(name, _)| *name == "Content-Type") {
            headers.push(("Content-Type", "application/json"));
        }
        headers.extend_from_slice(more);
        exchange(&self.agent, root, method, path, &headers, body.map(<[u8]>::to_vec)).unwrap()
    }

    /// PUT by the system that may do everything.
    pub(crate) fn put(&self, resource: &Value) {
        let token = self.token(&SUBJECTS[16]);
        let path = format!("fhir/{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        let answer = self.ask(&token, "PUT", &path, &[], Some(resource.to_string().as_bytes()));
        assert!(matches!(answer.status, 200 | 201), "PUT {path}: {} {}", answer.status, answer.body);
    }

    fn settle(&mut self) {
        for (id, above) in [
            ("city", ""),
            ("town", ""),
            ("village", ""),
            ("hospital", "city"),
            ("station", "city"),
            ("clinic", "town"),
            ("hut", "village"),
        ] {
            let mut organization = json!({ "resourceType": "Organization", "id": id, "name": id });
            if !above.is_empty() {
                organization["partOf"] = json!({ "reference": format!("Organization/{above}") });
            }
            self.put(&organization);
        }
        for (id, facility, code) in [
            ("member", "hospital", "nurse"),
            ("colleague", "station", "helper"),
            ("former", "hospital", "nurse"),
            ("future", "hospital", "nurse"),
            ("denied", "hospital", "nurse"),
            ("abroad", "clinic", "doctor"),
            ("unasked", "clinic", "doctor"),
            ("stranger", "hut", "doctor"),
            ("officer", "city", "municipal-officer"),
            ("liaison", "hospital", "fls"),
            ("nobody", "hospital", "doctor"),
            ("auditor", "city", "auditor"),
        ] {
            self.put(&json!({ "resourceType": "Practitioner", "id": id, "name": [{ "text": id }] }));
            self.put(&json!({
                "resourceType": "PractitionerRole", "id": format!("role-{id}"), "active": true,
                "practitioner": { "reference": format!("Practitioner/{id}") },
                "organization": { "reference": format!("Organization/{facility}") },
                "code": [{ "coding": [{ "system": "http://renraku.example/fhir/CodeSystem/profession", "code": code }] }]
            }));
        }
        for (citizen, city) in [("a", "city"), ("b", "town")] {
            self.citizen(citizen, city);
        }
        let member = |who: &str, period: Value| json!({ "member": { "reference": who }, "period": period });
        let since = json!({ "start": "2020-01-01" });
        self.put(&json!({
            "resourceType": "CareTeam", "id": "team-a", "status": "active", "subject": { "reference": "Patient/shimin-a" },
            "participant": [
                member("Practitioner/member", since.clone()),
                member("Organization/station", since.clone()),
                member("Practitioner/former", json!({ "start": "2020-01-01", "end": "2021-01-01" })),
                member("Practitioner/future", json!({ "start": "2999-01-01" })),
                member("Practitioner/denied", since.clone()),
                member("Practitioner/abroad", since.clone()),
                member("Practitioner/stranger", since.clone()),
            ]
        }));
        // Citizen b's team does without all of them; somebody of the clinic is in a's team without being asked for.
        self.put(&json!({
            "resourceType": "CareTeam", "id": "team-a-2", "status": "active", "subject": { "reference": "Patient/shimin-a" },
            "participant": [member("Practitioner/unasked", since)]
        }));
        let consent = |id: &str, kind: &str, actor: &str| {
            json!({
                "resourceType": "Consent", "id": id, "status": "active", "patient": { "reference": "Patient/shimin-a" },
                "scope": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy" }] },
                "category": [{ "coding": [{ "system": "http://loinc.org", "code": "59284-0" }] }],
                "policyRule": { "text": "town" },
                "provision": { "type": kind, "actor": [{ "role": { "text": "who" }, "reference": { "reference": actor } }] }
            })
        };
        self.put(&consent("no", "deny", "Practitioner/denied"));
        self.put(&consent("yes", "permit", "Practitioner/abroad"));
        self.put(&consent("yes-2", "permit", "Practitioner/stranger"));
        self.put(&json!({
            "resourceType": "Contract", "id": "agreement", "status": "executed", "applies": { "start": "2020-01-01" },
            "subject": [{ "reference": "Organization/city" }, { "reference": "Organization/town" }]
        }));
        self.put(&json!({
            "resourceType": "EpisodeOfCare", "id": "episode-a", "status": "active", "patient": { "reference": "Patient/shimin-a" },
            "type": [{ "coding": [{ "system": "http://renraku.example/fhir/CodeSystem/episode-type", "code": "fls" }] }],
            "managingOrganization": { "reference": "Organization/hospital" }, "period": { "start": "2026-01-01" }
        }));
    }

    /// A citizen with one resource of every kind that doors lead to, each with the secret.
    fn citizen(&mut self, citizen: &str, city: &str) {
        let secret = secret(citizen);
        let subject = json!({ "reference": format!("Patient/shimin-{citizen}") });
        let family = if citizen == "a" { "daughter" } else { "other" };
        let all = [
            json!({
                "resourceType": "Patient", "id": format!("shimin-{citizen}"), "name": [{ "family": secret, "text": format!("{secret} hanako") }],
                "identifier": [{ "system": "urn:town", "value": format!("no-{secret}") }], "birthDate": "1940-01-01", "gender": "female",
                "managingOrganization": { "reference": format!("Organization/{city}") },
                "address": [{ "text": format!("{secret} street") }]
            }),
            json!({ "resourceType": "RelatedPerson", "id": family, "active": true, "patient": subject, "name": [{ "text": format!("{secret} kazoku") }] }),
            json!({
                "resourceType": "Encounter", "id": format!("encounter-{citizen}"), "status": "finished", "class": { "code": "AMB" }, "subject": subject,
                "reasonCode": [{ "text": secret }], "period": { "start": "2026-03-01", "end": "2026-03-02" }
            }),
            json!({
                "resourceType": "Condition", "id": format!("condition-{citizen}"), "subject": subject, "onsetDateTime": "2026-03-01",
                "clinicalStatus": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active" }] },
                "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": "problem-list-item" }] }],
                "code": { "text": format!("{secret} kossetsu") }, "encounter": { "reference": format!("Encounter/encounter-{citizen}") }
            }),
            json!({
                "resourceType": "Observation", "id": format!("weight-{citizen}"), "status": "final", "subject": subject,
                "meta": { "tag": [{ "system": "urn:town", "code": "weighed" }] },
                "text": { "status": "additional", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">taijuu {secret}</div>") },
                "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs" }] }],
                "code": { "coding": [{ "system": "http://loinc.org", "code": "29463-7" }] }, "effectiveDateTime": "2026-05-01",
                "encounter": { "reference": format!("Encounter/encounter-{citizen}") },
                "valueQuantity": { "value": if citizen == "a" { 40 } else { 60 }, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg" },
                "note": [{ "text": secret }]
            }),
            json!({
                "resourceType": "Communication", "id": format!("article-{citizen}"), "status": "completed", "subject": subject, "sent": "2026-05-02T10:00:00+09:00",
                "sender": { "reference": "Practitioner/member" }, "topic": { "text": format!("{secret} daimei") }, "payload": [{ "contentString": format!("{secret} honbun") }]
            }),
            json!({
                "resourceType": "Appointment", "id": format!("visit-{citizen}"), "status": "booked", "description": secret, "start": "2030-05-03T10:00:00+09:00", "end": "2030-05-03T11:00:00+09:00",
                "participant": [{ "actor": subject, "status": "accepted" }]
            }),
            json!({
                "resourceType": "Composition", "id": format!("letter-{citizen}"), "status": "final", "type": { "text": "letter" }, "subject": subject, "date": "2026-05-04",
                "author": [{ "reference": "Practitioner/member" }], "title": secret,
                "section": [{ "title": secret, "entry": [{ "reference": format!("Observation/weight-{citizen}") }] }]
            }),
            json!({
                "resourceType": "List", "id": format!("list-{citizen}"), "status": "current", "mode": "working", "title": secret, "subject": subject,
                "code": { "coding": [{ "code": "current-allergies" }] },
                "entry": [{ "item": { "reference": format!("Observation/weight-{citizen}") } }]
            }),
            json!({
                "resourceType": "MedicationStatement", "id": format!("drug-{citizen}"), "status": "active", "subject": subject,
                "medicationCodeableConcept": { "text": format!("{secret} jouzai") }, "effectivePeriod": { "start": "2026-05-05" }
            }),
            json!({
                "resourceType": "DocumentReference", "id": format!("file-{citizen}"), "status": "current", "subject": subject, "description": secret,
                "content": [{ "attachment": { "contentType": "text/plain", "data": "aGltaXRzdQ==", "title": secret } }]
            }),
            json!({
                "resourceType": "CarePlan", "id": format!("plan-{citizen}"), "status": "active", "intent": "plan", "subject": subject, "title": secret,
                "activity": [{ "detail": { "status": "scheduled", "description": secret, "scheduledPeriod": { "start": "2030-06-01" } } }]
            }),
            json!({
                "resourceType": "Flag", "id": format!("alarm-{citizen}"), "status": "active", "subject": subject, "code": { "text": secret }
            }),
        ];
        for resource in &all {
            self.put(resource);
        }
        // A past version that says something else still holds the secret.
        let mut again = all[3].clone();
        again["onsetDateTime"] = json!("2026-03-03");
        self.put(&again);
        let token = self.token(&SUBJECTS[16]);
        let picture = renraku::media::sample::corridor(320, 200, usize::from(citizen == "a")).jpeg(80);
        let path = format!("notebook/v1/citizens/shimin-{citizen}/media?title={secret}");
        let stored = self.ask(&token, "POST", &path, &[("Content-Type", "image/jpeg")], Some(&picture));
        assert_eq!(stored.status, 201, "{}", stored.body);
        let id = stored.body["id"].as_str().unwrap().to_owned();
        let media = self.ask(&token, "GET", &format!("fhir/Media/{id}"), &[], None).body;
        let binary = media["content"]["url"].as_str().unwrap().trim_start_matches("Binary/").to_owned();
        self.binaries[usize::from(citizen == "b")] = binary;
        self.media[usize::from(citizen == "b")] = id;
    }
}
