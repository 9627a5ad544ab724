//! Writing: only about those one has to do with, and without learning of the others.

use serde_json::{Value, json};

use crate::common::{Answer, databases};
use crate::town::{SUBJECTS, Subject, Town, secret};

/// Method, path, headers, body.
pub(crate) type Attempt = (&'static str, &'static str, Vec<(&'static str, &'static str)>, Value);

fn send(town: &Town, subject: &Subject, method: &str, path: &str, more: &[(&str, &str)], body: &Value) -> Answer {
    let body = (!body.is_null()).then(|| body.to_string());
    town.ask(&town.token(subject), method, path, more, body.as_deref().map(str::as_bytes))
}

fn weight(id: &str, about: &str) -> Value {
    json!({
        "resourceType": "Observation", "id": id, "status": "final", "subject": { "reference": format!("Patient/shimin-{about}") },
        "code": { "coding": [{ "system": "http://loinc.org", "code": "29463-7" }] }, "valueQuantity": { "value": 41 }
    })
}

fn untouched(town: &Town, path: &str) -> Value {
    send(town, &SUBJECTS[16], "GET", &format!("fhir/{path}"), &[], &Value::Null).body
}

/// Ways to write about citizen `b`.
pub(crate) fn attempts() -> Vec<Attempt> {
    let patch = json!([{ "op": "replace", "path": "/status", "value": "amended" }]);
    let patches = [("Content-Type", "application/json-patch+json")];
    let mut moved = weight("weight-a", "b");
    moved["note"] = json!([{ "text": "moved to somebody else" }]);
    let entry = |method: &str, url: &str, resource: Value| {
        let mut entry = json!({ "request": { "method": method, "url": url } });
        if !resource.is_null() {
            entry["resource"] = resource;
        }
        json!({ "resourceType": "Bundle", "type": "transaction", "entry": [entry] })
    };
    let merge = vec![("Content-Type", "application/merge-patch+json")];
    let member = [("X-Notebook-Member", "Practitioner/member")];
    let meta = json!({ "resourceType": "Parameters", "parameter": [
            { "name": "meta", "valueMeta": { "tag": [{ "system": "urn:town", "code": "weighed" }] } }] });
    vec![
        ("POST", "fhir/Observation/weight-b/$meta-add", vec![], meta.clone()),
        ("POST", "fhir/Observation/weight-b/$meta-delete", vec![], meta),
        (
            "POST",
            "fhir/PlanDefinition/fls/$apply?subject=Patient/shimin-b",
            vec![],
            json!({ "resourceType": "Parameters" }),
        ),
        ("PATCH", "notebook/v1/citizens/shimin-b", merge.clone(), json!({ "name": "x" })),
        ("PUT", "notebook/v1/citizens/shimin-b", vec![], json!({ "name": "x" })),
        ("POST", "notebook/v1/citizens/shimin-b/team/members", vec![], json!({ "member": "Practitioner/member" })),
        ("PATCH", "notebook/v1/articles/article-b", merge.clone(), json!({ "title": "x" })),
        ("PUT", "notebook/v1/articles/article-b", vec![], json!({ "title": "x", "text": "y" })),
        ("DELETE", "notebook/v1/articles/article-b", vec![], Value::Null),
        ("POST", "notebook/v1/articles/article-b/comments", member.to_vec(), json!({ "text": "y" })),
        ("PUT", "notebook/v1/articles/article-b/read", member.to_vec(), json!({})),
        ("PATCH", "notebook/v1/citizens/shimin-b/measurement/weight-b", merge.clone(), json!({ "value": 41 })),
        ("PUT", "notebook/v1/citizens/shimin-b/measurement/weight-b", vec![], json!({ "value": 41 })),
        ("DELETE", "notebook/v1/citizens/shimin-b/measurement/weight-b", vec![], Value::Null),
        ("PATCH", "notebook/v1/citizens/shimin-b/medication/MedicationStatement/drug-b", merge, json!({ "name": "x" })),
        ("PUT", "notebook/v1/citizens/shimin-b/medication/MedicationStatement/drug-b", vec![], json!({ "name": "x" })),
        ("DELETE", "notebook/v1/citizens/shimin-b/medication/MedicationStatement/drug-b", vec![], Value::Null),
        ("POST", "fls/alarms/alarm-b/acknowledge", vec![], json!({ "reason": "x" })),
        ("POST", "fls/certifications", vec![], Value::Null),
        ("POST", "fhir/Observation", vec![], weight("x", "b")),
        ("PUT", "fhir/Observation/weight-b", vec![], weight("weight-b", "b")),
        ("PUT", "fhir/Observation/weight-b", vec![], weight("weight-b", "a")),
        ("PUT", "fhir/Observation/weight-a", vec![], moved),
        ("PATCH", "fhir/Observation/weight-b", patches.to_vec(), patch.clone()),
        ("DELETE", "fhir/Observation/weight-b", vec![], Value::Null),
        ("DELETE", "fhir/Patient/shimin-b", vec![], Value::Null),
        ("POST", "fhir", vec![], entry("POST", "Observation", weight("x", "b"))),
        ("POST", "fhir", vec![], entry("PUT", "Observation/weight-b", weight("weight-b", "b"))),
        ("POST", "fhir", vec![], entry("DELETE", "Observation/weight-b", Value::Null)),
        (
            "POST",
            "notebook/v1/citizens/shimin-b/articles",
            vec![("X-Notebook-Member", "Practitioner/member")],
            json!({ "title": "x", "text": "y" }),
        ),
        ("POST", "notebook/v1/citizens/shimin-b/nutrition", vec![], json!({ "observed": "2026-05-01", "amount": 50 })),
        ("POST", "notebook/v1/citizens/shimin-b/media", vec![("Content-Type", "image/jpeg")], json!("no picture")),
        ("POST", "notebook/v1/articles/article-b/read", vec![("X-Notebook-Member", "Practitioner/member")], json!({})),
    ]
}

#[test]
fn nothing_is_written_about_somebody_else() {
    let member = &SUBJECTS[0];
    for database in databases() {
        let town = Town::start(&database);
        let before = untouched(&town, "Observation/weight-b");
        let total = |town: &Town| untouched(town, "Observation?_summary=count")["total"].clone();
        let count = total(&town);
        let kept = ["Patient/shimin-b", "Communication/article-b", "MedicationStatement/drug-b"];
        let all_before = kept.map(|path| untouched(&town, path));
        for (method, path, headers, body) in attempts() {
            let answer = send(&town, member, method, path, &headers, &body);
            let text = String::from_utf8_lossy(&answer.bytes).into_owned();
            // Deleting what is not there is done (FHIR R4 http.html#delete), whether it is not there or not for them.
            let is_nothing = method == "DELETE" && matches!(answer.status, 200 | 204)
                || path.starts_with("fhir") && path.len() == 4 && body.to_string().contains("DELETE");
            assert!(is_nothing || matches!(answer.status, 400..=499), "{method} {path}: {} {text}", answer.status);
            assert!(!text.contains(secret("b")), "{method} {path}: {text}");
        }
        assert_eq!(untouched(&town, "Observation/weight-b"), before);
        assert_eq!(kept.map(|path| untouched(&town, path)), all_before);
        assert_eq!(total(&town), count);
        assert_eq!(untouched(&town, "Observation/weight-a")["subject"]["reference"], "Patient/shimin-a");
        let own = send(&town, member, "POST", "fhir/Observation", &[], &weight("x", "a"));
        assert_eq!(own.status, 201, "{}", own.body);
    }
}

/// FHIR R4 http.html#ccreate: a condition that matches what is hidden matches nothing.
#[test]
fn conditions_do_not_tell_of_what_is_hidden() {
    let member = &SUBJECTS[0];
    for database in databases() {
        let town = Town::start(&database);
        let condition = format!("identifier=urn:town|no-{}", secret("b"));
        let ghost = "identifier=urn:town|no-such-number".to_owned();
        let own = |condition: &str| {
            send(&town, member, "POST", "fhir/Observation", &[("If-None-Exist", condition)], &weight("x", "a")).status
        };
        assert_eq!(own("_id=weight-b"), own("_id=weight-nobody"));
        let compare = |method: &str, path: &dyn Fn(&str) -> String, body: &Value| {
            let asked =
                [condition.as_str(), ghost.as_str()].map(|text| send(&town, member, method, &path(text), &[], body));
            assert_eq!(asked[0].status, asked[1].status, "{method}: {} {}", asked[0].body, asked[1].body);
        };
        let patient = json!({ "resourceType": "Patient", "name": [{ "family": "new" }] });
        compare("PUT", &|text| format!("fhir/Patient?{text}"), &patient);
        compare("DELETE", &|text| format!("fhir/Patient?{text}"), &Value::Null);
        let by_condition = |text: &str| {
            json!({ "resourceType": "Bundle", "type": "transaction", "entry": [{
            "resource": { "resourceType": "Observation", "status": "final", "code": { "text": "x" }, "subject": { "reference": format!("Patient?{text}") } },
            "request": { "method": "POST", "url": "Observation" } }] })
        };
        let asked = [condition.as_str(), ghost.as_str()]
            .map(|text| send(&town, member, "POST", "fhir", &[], &by_condition(text)));
        assert_eq!(asked[0].status, asked[1].status, "{} {}", asked[0].body, asked[1].body);
        // An id that is taken by what is hidden answers as one that is free.
        let taken = ["weight-b", "weight-free"]
            .map(|id| send(&town, member, "PUT", &format!("fhir/Observation/{id}"), &[], &weight(id, "a")));
        assert_eq!(taken[0].status, taken[1].status, "{} {}", taken[0].body, taken[1].body);
        for (header, value) in [("If-Match", "W/\"1\""), ("If-None-Match", "*")] {
            let taken = ["weight-b", "weight-free"].map(|id| {
                send(&town, member, "PUT", &format!("fhir/Observation/{id}"), &[(header, value)], &weight(id, "a"))
                    .status
            });
            assert_eq!(taken[0], taken[1], "{header}");
        }
        assert_eq!(untouched(&town, "Observation/weight-b")["meta"]["versionId"], "1");
    }
}

/// Scopes of one context do not lend themselves to another.
#[test]
fn a_scope_to_write_for_one_patient_writes_for_no_other() {
    for database in databases() {
        let town = Town::start(&database);
        let token = town.signed(json!({ "sub": "m", "client_id": "app", "fhirUser": "Practitioner/member", "patient": "shimin-b", "scope": "user/*.rs patient/*.cruds" }));
        let body = weight("x", "a").to_string();
        let answer = town.ask(&token, "POST", "fhir/Observation", &[], Some(body.as_bytes()));
        assert_eq!(answer.status, 403, "{}", answer.body);
        let answer = town.ask(&token, "GET", "fhir/Observation/weight-b", &[], None);
        assert_eq!(answer.status, 404, "being launched for somebody is no relation: {}", answer.body);
    }
}

/// Who has access is not for those who have it.
#[test]
fn laymen_do_not_change_what_access_rests_on() {
    for database in databases() {
        let town = Town::start(&database);
        for place in [8, 9] {
            for path in [
                "CareTeam/team-a",
                "Patient/shimin-a",
                "RelatedPerson/daughter",
                "Consent/no",
                "EpisodeOfCare/episode-a",
            ] {
                if place == 8 && path.starts_with("Consent/") {
                    continue; // A citizen's own: see below.
                }
                let mut resource = untouched(&town, path);
                resource["language"] = json!("ja");
                let answer = send(&town, &SUBJECTS[place], "PUT", &format!("fhir/{path}"), &[], &resource);
                assert!(matches!(answer.status, 403 | 404), "{} {path}: {}", SUBJECTS[place].name, answer.status);
            }
        }
        for path in ["Practitioner/member", "PractitionerRole/role-member", "Organization/city", "Contract/agreement"] {
            let mut resource = untouched(&town, path);
            resource["language"] = json!("ja");
            let answer = send(&town, &SUBJECTS[0], "PUT", &format!("fhir/{path}"), &[], &resource);
            assert!(matches!(answer.status, 403 | 404), "{path}: {}", answer.status);
        }
    }
}

/// A citizen permits and refuses for themselves, which counts at once; a family does not, and nobody for others.
#[test]
fn citizens_write_their_own_consent() {
    for database in databases() {
        let town = Town::start(&database);
        let consent = |citizen: &str, kind: &str, status: &str| {
            json!({
                "resourceType": "Consent", "status": status, "patient": { "reference": format!("Patient/shimin-{citizen}") },
                "scope": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy" }] },
                "category": [{ "coding": [{ "system": "http://loinc.org", "code": "59284-0" }] }], "policyRule": { "text": "town" },
                "provision": { "type": kind, "actor": [{ "role": { "text": "who" }, "reference": { "reference": "Practitioner/member" } }] }
            })
        };
        let sees = |town: &Town| send(town, &SUBJECTS[0], "GET", "fhir/Observation/weight-a", &[], &Value::Null).status;
        let app = town.signed(json!({ "sub": "a", "client_id": "app", "fhirUser": "Patient/shimin-a", "patient": "shimin-a", "scope": "patient/*.cruds" }));
        let by_app = |town: &Town, method: &str, path: &str, body: &Value| {
            town.ask(&app, method, path, &[], Some(body.to_string().as_bytes()))
        };
        assert_eq!(sees(&town), 200);
        let refused = by_app(&town, "POST", "fhir/Consent", &consent("a", "deny", "active"));
        assert_eq!(refused.status, 201, "{}", refused.body);
        assert_eq!(sees(&town), 404, "at once");
        let path = format!("fhir/Consent/{}", refused.body["id"].as_str().unwrap());
        let mut withdrawn = consent("a", "deny", "inactive");
        withdrawn["id"] = refused.body["id"].clone();
        for place in [0, 9, 10] {
            let answer = send(&town, &SUBJECTS[place], "PUT", &path, &[], &withdrawn);
            assert!(matches!(answer.status, 403 | 404), "{}: {}", SUBJECTS[place].name, answer.body);
        }
        assert_eq!(send(&town, &SUBJECTS[8], "PUT", &path, &[], &withdrawn).status, 200);
        assert_eq!(sees(&town), 200, "at once as well");
        for body in [
            consent("b", "permit", "active"),
            json!({ "resourceType": "Consent", "status": "active", "scope": { "text": "x" }, "category": [{ "text": "x" }], "policyRule": { "text": "x" } }),
        ] {
            for place in [8, 9] {
                let answer = send(&town, &SUBJECTS[place], "POST", "fhir/Consent", &[], &body);
                assert!(matches!(answer.status, 403 | 404), "{}: {}", SUBJECTS[place].name, answer.body);
            }
        }
        assert!(matches!(
            send(&town, &SUBJECTS[9], "POST", "fhir/Consent", &[], &consent("a", "permit", "active")).status,
            403 | 404
        ));
        // Theirs no longer when it is made somebody else's.
        let mut moved = consent("b", "deny", "active");
        moved["id"] = refused.body["id"].clone();
        assert!(matches!(by_app(&town, "PUT", &path, &moved).status, 403 | 404));
    }
}
