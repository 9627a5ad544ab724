//! Scopes of SMART version 2, and of version 1, at the FHIR API (SMART App Launch 2.2 scopes-and-launch-context.html).

use serde_json::{Value, json};

use crate::common::Answer;
use crate::keys::Key;
use crate::world::{World, each};

/// A token of a system that may do everything, with these scopes.
fn token(world: &World, key: &Key, system: &str, scope: &str) -> String {
    let claims = world.claims(json!({ "iss": system, "sub": system }));
    let answer = world.for_system(&key.sign(&claims), scope);
    assert_eq!((answer.status, answer.body["scope"].as_str()), (200, Some(scope)), "{}", answer.body);
    answer.body["access_token"].as_str().unwrap().to_owned()
}

fn all_powerful(world: &World) -> (Key, String) {
    let key = Key::new("a1", "ES384");
    world.write_keys("all.json", &[&key]);
    let system = world.command(
        &["client", "add", "All", "--jwks", "all.json", "--scope", "system/*.cruds system/*.read system/*.write"],
        "",
    );
    (key, system)
}

#[test]
fn each_letter_allows_one_thing() {
    each(|world| {
        let (key, system) = all_powerful(world);
        let whole = token(world, &key, &system, "system/*.cruds");
        let patient = json!({ "resourceType": "Patient", "id": "p", "active": true });
        assert_eq!(world.fhir(&whole, "PUT", "Patient/p", Some(&patient)).status, 201);
        let update = json!({ "resourceType": "Patient", "id": "p", "active": false });
        let created = json!({ "resourceType": "Patient" });
        type Ask<'a> = (&'a str, char, &'a str, &'a str, Option<&'a Value>);
        let asks: [Ask<'_>; 7] = [
            ("create", 'c', "POST", "Patient", Some(&created)),
            ("read", 'r', "GET", "Patient/p", None),
            ("vread", 'r', "GET", "Patient/p/_history/1", None),
            ("history", 'r', "GET", "Patient/p/_history", None),
            ("update", 'u', "PUT", "Patient/p", Some(&update)),
            ("search", 's', "GET", "Patient", None),
            ("delete", 'd', "DELETE", "Patient/p", None),
        ];
        for letter in ['c', 'r', 'u', 'd', 's'] {
            let narrow = token(world, &key, &system, &format!("system/Patient.{letter}"));
            for (what, needs, method, path, body) in asks {
                // Restored where a test of deleting took it away.
                let answer = world.fhir(&narrow, method, path, body);
                let is_allowed = answer.status < 300;
                assert_eq!(is_allowed, needs == letter, ".{letter} {what}: {} {}", answer.status, answer.body);
                if !is_allowed {
                    assert_eq!((answer.status, &answer.body["issue"][0]["code"]), (403, &json!("forbidden")), "{what}");
                }
            }
            world.fhir(&whole, "PUT", "Patient/p", Some(&patient));
        }
        // Version 1: read is rs, write is cud.
        let (reads, writes) = ("system/Patient.read", "system/Patient.write");
        for (scope, letters) in [(reads, "rs"), (writes, "cud")] {
            let narrow = token(world, &key, &system, scope);
            for (what, needs, method, path, body) in asks {
                let answer = world.fhir(&narrow, method, path, body);
                assert_eq!(answer.status < 300, letters.contains(needs), "{scope} {what}: {}", answer.body);
            }
        }
    });
}

#[test]
fn a_scope_about_one_type_leads_to_no_other() {
    each(|world| {
        let (key, system) = all_powerful(world);
        let whole = token(world, &key, &system, "system/*.cruds");
        let hidden = "himitsu-5c1d";
        let patient = json!({ "resourceType": "Patient", "id": "p", "name": [{ "family": hidden }] });
        let observation = json!({
            "resourceType": "Observation", "id": "o", "status": "final", "code": { "text": "weight" }, "subject": { "reference": "Patient/p" }
        });
        for (path, body) in [("Patient/p", &patient), ("Observation/o", &observation)] {
            assert_eq!(world.fhir(&whole, "PUT", path, Some(body)).status, 201);
        }
        let narrow = token(world, &key, &system, "system/Observation.rs");
        for path in [
            "Patient/p",
            "Patient",
            "Patient/p/_history",
            "Patient/p/_history/1",
            "_history",
            "?_type=Patient",
            "?_type=Patient,Observation",
            "Observation?subject:Patient.name=himitsu",
            "Observation?subject:Patient.name=other",
            "Patient?_has:Observation:subject:status=final",
            "Observation?_include=Observation:subject",
            "Patient/p/$everything",
            "Patient/p/Observation",
            "Observation/$lastn?subject=Patient/p",
            "$graphql?query=%7BPatient(id:%22p%22)%7Bname%7Bfamily%7D%7D%7D",
            "Observation/o/$graphql?query=%7Bsubject%7Bresource%7B...on%20Patient%7Bname%7Bfamily%7D%7D%7D%7D%7D",
        ] {
            let answer = world.fhir(&narrow, "GET", path, None);
            assert!(!String::from_utf8_lossy(&answer.bytes).contains(hidden), "{path}: {}", answer.body);
        }
        // Whether a chain through what may not be searched found something is not told either.
        let chained =
            |name: &str| told(&world.fhir(&narrow, "GET", &format!("Observation?subject:Patient.name={name}"), None));
        assert_eq!(chained(hidden), chained("nobody-of-this-name"));
        for kind in ["batch", "transaction"] {
            let read = json!([{ "request": { "method": "GET", "url": "Patient/p" } }]);
            let bundle = json!({ "resourceType": "Bundle", "type": kind, "entry": read });
            let answer = world.fhir(&narrow, "POST", "", Some(&bundle));
            assert!(!answer.body.to_string().contains(hidden), "{kind}: {}", answer.body);
        }
        assert_eq!(world.fhir(&narrow, "GET", "Observation/o", None).status, 200);
    });
}

/// What an answer tells of what is stored: its status and how many it found.
fn told(answer: &Answer) -> (u16, Value) {
    (answer.status, answer.body["total"].clone())
}

#[test]
fn a_scope_with_search_parameters_shows_nothing_else() {
    each(|world| {
        let (key, system) = all_powerful(world);
        let whole = token(world, &key, &system, "system/*.cruds");
        let observation = |id: &str, category: &str| {
            json!({
                "resourceType": "Observation", "id": id, "status": "final", "code": { "text": format!("himitsu-{id}") },
                "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": category }] }]
            })
        };
        for (id, category) in [("lab", "laboratory"), ("vital", "vital-signs")] {
            let stored = world.fhir(&whole, "PUT", &format!("Observation/{id}"), Some(&observation(id, category)));
            assert_eq!(stored.status, 201, "{}", stored.body);
        }
        let narrow = token(world, &key, &system, "system/Observation.rs?category=laboratory");
        for (path, status) in [
            ("Observation/vital", 404),
            ("Observation/vital/_history", 404),
            ("Observation/vital/_history/1", 404),
            ("Observation", 200),
            ("Observation?_summary=count", 200),
            ("Observation?category=vital-signs", 200),
            ("Observation?_id=vital", 200),
            ("Observation?_sort=code", 200),
            ("Observation/lab", 200),
        ] {
            let answer = world.fhir(&narrow, "GET", path, None);
            assert_eq!(answer.status, status, "{path}: {}", answer.body);
            assert!(!String::from_utf8_lossy(&answer.bytes).contains("himitsu-vital"), "{path}: {}", answer.body);
            if answer.body["resourceType"] == "Bundle" {
                assert_eq!(answer.body["total"], u64::from(!path.contains("vital")), "{path}: {}", answer.body);
            }
        }
        for path in ["Observation/_history", "?_type=Observation", "_history"] {
            let answer = world.fhir(&narrow, "GET", path, None);
            assert!(!String::from_utf8_lossy(&answer.bytes).contains("himitsu-vital"), "{path}: {}", answer.body);
        }
    });
}
