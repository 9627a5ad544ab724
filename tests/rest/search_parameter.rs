//! SearchParameter resources extend what can be searched, while the server runs
//! (FHIR R4 searchparameter.html, http.html#search).

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{
    bundle, created, entries, entry, finds, got, on_each, on_each_alone, patient, place, refused, stored, unique, with,
};

/// An active SearchParameter on Patient with further members.
fn parameter(id: &str, code: &str, more: Value) -> Value {
    with(
        json!({
            "resourceType": "SearchParameter", "id": id, "url": format!("http://example.org/sp/{id}"), "name": "Test",
            "status": "active", "description": "test", "code": code, "base": ["Patient"], "type": "token",
            "expression": "Patient.extension('http://example.org/eye').value"
        }),
        more,
    )
}

fn eyes(code: &str) -> Value {
    patient(json!({ "extension": [{ "url": "http://example.org/eye", "valueCode": code }] }))
}

/// Waits until everything that a SearchParameter defines is indexed.
pub(crate) fn complete(server: &Server, id: &str) {
    for _ in 0..600 {
        let status = got(server, &format!("SearchParameter/{id}/$reindex-status"));
        if status["parameter"]
            .as_array()
            .unwrap()
            .iter()
            .any(|part| part["name"] == "complete" && part["valueBoolean"] == true)
        {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{id} did not become complete");
}

/// What was stored before is found as well as what comes later; every way to write keeps the rows right.
#[test]
fn finds_what_was_there_before_and_what_comes_later() {
    on_each_alone(|server| {
        let before = created(server, &eyes("green"));
        let other = created(server, &eyes("brown"));
        assert_eq!(server.get("Patient?eye=green").status, 400);
        let answer = server.put("SearchParameter/eye", &parameter("eye", "eye", json!({})));
        assert_eq!(answer.status, 201, "{}", answer.body);
        complete(server, "eye");
        let after = created(server, &eyes("green"));
        finds(server, "Patient?eye=green", &[&before, &after]);
        finds(server, "Patient?eye:not=green", &[&other]);
        stored(server, &with(eyes("green"), json!({ "id": other })));
        finds(server, "Patient?eye=green", &[&before, &other, &after]);
        stored(server, &with(eyes("brown"), json!({ "id": before })));
        server.delete(&format!("Patient/{after}"));
        finds(server, "Patient?eye=green", &[&other]);
        finds(server, "Patient?eye:missing=true", &[]);
    });
}

/// A parameter whose meaning changes is indexed anew; one that is retired or deleted is unknown at once.
#[test]
fn follows_its_definition() {
    on_each_alone(|server| {
        let green = created(server, &eyes("green"));
        let named = created(server, &patient(json!({ "name": [{ "family": "Midori" }] })));
        stored(server, &parameter("p", "special-mark", json!({})));
        complete(server, "p");
        finds(server, "Patient?special-mark=green", &[&green]);
        let changed = json!({ "type": "string", "expression": "Patient.name.family" });
        stored(server, &parameter("p", "special-mark", changed));
        complete(server, "p");
        finds(server, "Patient?special-mark=mid", &[&named]);
        finds(server, "Patient?special-mark=green", &[]);
        stored(server, &parameter("p", "special-mark", json!({ "status": "retired" })));
        assert_eq!(server.get("Patient?special-mark=mid").status, 400);
        stored(server, &parameter("p", "special-mark", json!({})));
        complete(server, "p");
        finds(server, "Patient?special-mark=green", &[&green]);
        assert_eq!(server.delete("SearchParameter/p").status, 200);
        assert_eq!(server.get("Patient?special-mark=green").status, 400);
    });
}

/// Drafts are documents: kept whatever they say, and not searched by.
#[test]
fn drafts_change_nothing() {
    on_each(|server| {
        let id = unique("draft");
        let draft = parameter(&id, &id, json!({ "status": "draft", "expression": "Patient.(((" }));
        stored(server, &draft);
        assert_eq!(server.get(&format!("Patient?{id}=x")).status, 400);
    });
}

/// What cannot work is refused whole, with the place and what would be right.
#[test]
fn what_cannot_work_is_refused() {
    on_each(|server| {
        let id = unique("wrong");
        let cases = [
            (json!({ "expression": "Patient.name.(" }), "SearchParameter.expression", "syntax"),
            (json!({ "expression": "Patient.nonsense" }), "SearchParameter.expression", "nonsense"),
            (json!({ "expression": "Observation.status" }), "SearchParameter.expression", "nothing"),
            (json!({ "expression": "Patient.name.count()" }), "SearchParameter.expression", "count()"),
            (json!({ "type": "date" , "expression": "Patient.name" }), "SearchParameter.expression", "HumanName"),
            (json!({ "type": "special" }), "SearchParameter.type", "special"),
            (json!({ "expression": null }), "SearchParameter.expression", "expression"),
            (json!({ "code": "a.b" }), "SearchParameter.code", "a.b"),
            (json!({ "code": "_id" }), "SearchParameter.code", "_id"),
            (json!({ "code": "gender" }), "SearchParameter.code", "derivedFrom"),
            (
                json!({ "type": "reference", "expression": "Patient.link.other", "target": ["Pacient"] }),
                "SearchParameter.target[0]",
                "Pacient",
            ),
            (
                json!({ "type": "composite", "expression": "Patient.name" }),
                "SearchParameter.component",
                "two components",
            ),
            (
                json!({ "type": "composite", "expression": "Patient.name", "component": [
                { "definition": "http://example.org/sp/none", "expression": "use" },
                { "definition": "http://hl7.org/fhir/SearchParameter/individual-family", "expression": "family" }] }),
                "SearchParameter.component[0].definition",
                "not known",
            ),
        ];
        for (more, expected, word) in cases {
            let mut sent = parameter(&id, &id, more.clone());
            if more["expression"].is_null() && more.get("expression").is_some() {
                sent.as_object_mut().unwrap().remove("expression");
            }
            let answer = server.put(&format!("SearchParameter/{id}"), &sent);
            let text = refused(&answer, 422);
            assert_eq!(place(&answer.body), expected, "{more}: {text}");
            assert!(text.contains(word), "{more}: {text}");
            assert_eq!(server.get(&format!("SearchParameter/{id}")).status, 404, "{more}");
        }
    });
}

/// Two definitions of one code on one type would make the meaning of a search a matter of chance.
#[test]
fn a_code_has_one_definition() {
    on_each(|server| {
        let (first, second) = (unique("one"), unique("two"));
        stored(server, &parameter(&first, &first, json!({})));
        refused(&server.put(&format!("SearchParameter/{second}"), &parameter(&second, &first, json!({}))), 422);
        // Another type is another matter.
        let other =
            json!({ "base": ["Practitioner"], "expression": "Practitioner.extension('http://example.org/eye').value" });
        stored(server, &parameter(&second, &first, other));
        let both = bundle(
            "transaction",
            ["a", "b"]
                .map(|name| {
                    let id = unique(name);
                    entry("PUT", &format!("SearchParameter/{id}"), parameter(&id, "twice-at-once", json!({})))
                })
                .to_vec(),
        );
        refused(&server.post("", &both), 422);
        assert_eq!(server.get("Patient?twice-at-once=x").status, 400);
    });
}

/// A definition derived from a built-in one takes its place, and gives it back.
#[test]
fn overrides_the_standard_when_it_says_so() {
    on_each_alone(|server| {
        let id = created(
            server,
            &patient(
                json!({ "gender": "female", "extension": [{ "url": "http://example.org/eye", "valueCode": "green" }] }),
            ),
        );
        let more = json!({ "derivedFrom": "http://hl7.org/fhir/SearchParameter/individual-gender" });
        stored(server, &parameter("gender", "gender", more));
        complete(server, "gender");
        finds(server, "Patient?gender=green", &[&id]);
        finds(server, "Patient?gender=female", &[]);
        let later = created(server, &patient(json!({ "gender": "female" })));
        server.delete("SearchParameter/gender");
        finds(server, "Patient?gender=female", &[&id, &later]);
    });
}

/// Chains, `_has`, includes, `:identifier`, sorting and composites work as with those of the standard.
#[test]
fn every_kind_of_search_takes_them() {
    on_each_alone(|server| {
        let city = created(server, &json!({ "resourceType": "Organization", "name": "見本市" }));
        let reference = |id: &str| json!({ "url": "http://example.org/city", "valueReference": { "reference": format!("Organization/{id}"), "identifier": { "system": "urn:s", "value": "23" } } });
        let one = created(
            server,
            &patient(json!({ "extension": [reference(&city), { "url": "http://example.org/eye", "valueCode": "b" }] })),
        );
        let two = created(
            server,
            &patient(json!({ "extension": [reference(&city), { "url": "http://example.org/eye", "valueCode": "a" }] })),
        );
        let more = json!({ "type": "reference", "target": ["Organization"], "expression": "Patient.extension('http://example.org/city').value" });
        stored(server, &parameter("city", "home-city", more));
        stored(server, &parameter("eye", "eye", json!({})));
        complete(server, "city");
        complete(server, "eye");
        finds(server, &format!("Patient?home-city={city}"), &[&one, &two]);
        finds(server, "Patient?home-city.name=%E8%A6%8B%E6%9C%AC&eye=a", &[&two]);
        finds(server, "Patient?home-city:identifier=urn:s|23", &[&one, &two]);
        finds(server, "Organization?_has:Patient:home-city:eye=a", &[&city]);
        let sorted = got(server, "Patient?_sort=eye&_include=Patient:home-city");
        let ids: Vec<&str> = entries(&sorted).iter().filter_map(|entry| entry["resource"]["id"].as_str()).collect();
        assert_eq!(ids, [two.as_str(), &one, &city]);
        finds(server, "Patient?_filter=eye%20eq%20b", &[&one]);
        let around = got(server, "Organization?_revinclude=Patient:home-city");
        assert_eq!(entries(&around).len(), 3);
    });
}

/// While the rows of what was there before are being made, a search says that matches may be missing,
/// and nothing is decided by it.
#[test]
fn says_when_it_is_not_complete() {
    on_each_alone(|server| {
        for part in 0..8 {
            let patients = (0..500).map(|_| entry("POST", "Patient", eyes(&format!("c{part}")))).collect();
            assert_eq!(server.post("", &bundle("batch", patients)).status, 200);
        }
        // It takes some milliseconds: sooner or later a request comes in between.
        let (mut warned, mut refusals) = (false, false);
        for round in 0..40 {
            let code = format!("eye{round}");
            stored(server, &parameter(&code, &code, json!({})));
            if round % 2 == 0 {
                let early = got(server, &format!("Patient?{code}=c7&_count=1"));
                let outcome = entries(&early).iter().find(|entry| entry["search"]["mode"] == "outcome");
                if let Some(issue) = outcome.map(|entry| &entry["resource"]["issue"][0]) {
                    assert_eq!(
                        (issue["severity"].as_str(), issue["code"].as_str()),
                        (Some("warning"), Some("incomplete"))
                    );
                    assert!(issue["diagnostics"].as_str().unwrap().contains("% of the Patient resources"), "{issue}");
                    warned = true;
                }
            } else {
                let criteria = format!("{code}=c7&_id=nobody");
                let early = server.send("POST", "Patient", &[("If-None-Exist", &criteria)], Some(&eyes("c8")));
                if early.status == 409 {
                    assert!(refused(&early, 409).contains("nothing is decided by it"));
                    refusals = true;
                }
            }
            complete(server, &code);
            let late = got(server, &format!("Patient?{code}=c7&_count=1"));
            assert_eq!((late["total"].as_u64(), entries(&late).len()), (Some(500), 1));
            if warned && refusals {
                return;
            }
        }
        panic!("nothing was said while the index was being made: warned {warned}, refused {refusals}");
    });
}

/// Those of our own guide are there from the start, with their definition in the CapabilityStatement.
#[test]
fn those_of_the_guide_are_built_in() {
    on_each(|server| {
        let kana = |text: &str| {
            json!([{ "extension": [{ "url": "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation",
            "valueCode": "SYL" }], "family": text }, { "family": "見本" }])
        };
        let name = unique("ミホン").replace(|letter: char| !letter.is_alphabetic(), "ア");
        let id = created(
            server,
            &patient(json!({ "name": kana(&name), "managingOrganization": { "reference": "Organization/city-a" } })),
        );
        let found = got(server, &format!("Patient?kana={}&_id={id}", urlencode("みほん")));
        assert_eq!(found["total"], 1, "{found}");
        finds(server, &format!("Patient?kana={}&_id={id}", urlencode("見本")), &[]);
        finds(server, &format!("Patient?municipality=Organization/city-a&_id={id}"), &[&id]);
        let article = created(
            server,
            &json!({ "resourceType": "Communication", "status": "completed", "meta": { "security": [
            { "system": "http://renraku.example/fhir/CodeSystem/notebook-audience", "code": "team" }, { "code": "other" }] } }),
        );
        let comment = created(
            server,
            &json!({ "resourceType": "Communication", "status": "completed",
            "inResponseTo": [{ "reference": format!("Communication/{article}") }],
            "extension": [{ "url": "http://renraku.example/fhir/StructureDefinition/read-receipt", "extension": [
                { "url": "who", "valueReference": { "reference": "Practitioner/reader" } }, { "url": "when", "valueDateTime": "2026-05-01T10:00:00+09:00" }] }] }),
        );
        finds(server, &format!("Communication?in-response-to={article}"), &[&comment]);
        finds(server, &format!("Communication?read-by=Practitioner/reader&_id={comment}"), &[&comment]);
        finds(server, &format!("Communication?audience=team&_id={article}"), &[&article]);
        finds(server, &format!("Communication?audience=other&_id={article}"), &[]);
        let media = created(
            server,
            &json!({ "resourceType": "Media", "status": "completed", "content": { "contentType": "image/png" } }),
        );
        finds(server, &format!("Media?content-type=image/png&_id={media}"), &[&media]);
        let level = |code: &str| {
            json!({ "resourceType": "Observation", "status": "final", "effectivePeriod": { "start": "2026-06-01", "end": "2027-05-31" },
            "code": { "coding": [{ "system": "http://renraku.example/fhir/CodeSystem/observation-code", "code": code }] } })
        };
        let (valid, other) = (created(server, &level("care-level")), created(server, &level("other")));
        finds(server, &format!("Observation?care-level-valid=2026-12-01&_id={valid},{other}"), &[]);
        finds(server, &format!("Observation?care-level-valid=ge2026-12-01&_id={valid},{other}"), &[&valid]);
        let statement = got(server, "metadata");
        let resources = statement["rest"][0]["resource"].as_array().unwrap();
        let patient = resources.iter().find(|resource| resource["type"] == "Patient").unwrap();
        let kana =
            patient["searchParam"].as_array().unwrap().iter().find(|parameter| parameter["name"] == "kana").unwrap();
        assert_eq!(kana["definition"], "http://renraku.example/fhir/SearchParameter/patient-kana");
    });
}

/// The CapabilityStatement lists what is stored, and no more what is gone.
#[test]
fn the_capability_statement_lists_them() {
    on_each(|server| {
        let id = unique("listed");
        stored(server, &parameter(&id, &id, json!({})));
        let lists = || got(server, "metadata").to_string().contains(&format!("http://example.org/sp/{id}\""));
        assert!(lists());
        server.delete(&format!("SearchParameter/{id}"));
        assert!(!lists());
    });
}

/// Percent-encodes everything.
fn urlencode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
