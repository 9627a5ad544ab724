//! `$everything` of a Patient and an Encounter (FHIR R4 operation-patient-everything.html,
//! operation-encounter-everything.html).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{
    bundle, created, entry, got, ids_of, link, observation, on_each, on_each_alone, pages, patient, refused, stored,
    unique,
};

/// A Patient, an Encounter and an Observation in it, their Practitioner and Organization, and another
/// Patient with an Observation by the same Practitioner. The name that all ids begin with.
fn records(server: &Server) -> String {
    let name = unique("every");
    let id = |what: &str| format!("{name}-{what}");
    stored(server, &json!({ "resourceType": "Organization", "id": id("org"), "name": "見本病院" }));
    stored(
        server,
        &json!({ "resourceType": "PractitionerRole", "id": id("role"), "organization": { "reference": format!("Organization/{}", id("org")) } }),
    );
    stored(server, &json!({ "resourceType": "Practitioner", "id": id("doc") }));
    for who in ["a", "b"] {
        let subject = json!({ "reference": format!("Patient/{}", id(who)) });
        stored(server, &patient(json!({ "id": id(who) })));
        stored(
            server,
            &json!({
                "resourceType": "Encounter", "id": id(&format!("enc-{who}")), "status": "finished", "class": { "code": "IMP" },
                "subject": subject, "period": { "start": "2025-07-01", "end": "2025-07-14" },
                "participant": [{ "individual": { "reference": format!("PractitionerRole/{}", id("role")) } }]
            }),
        );
        stored(
            server,
            &observation(json!({
                "id": id(&format!("obs-{who}")), "subject": subject, "effectiveDateTime": "2025-07-02",
                "encounter": { "reference": format!("Encounter/{}", id(&format!("enc-{who}"))) },
                "performer": [{ "reference": format!("Practitioner/{}", id("doc")) }]
            })),
        );
        stored(
            server,
            &observation(
                json!({ "id": id(&format!("old-{who}")), "subject": subject, "effectiveDateTime": "2020-01-01" }),
            ),
        );
    }
    name
}

/// Short names of what a page or several have, by mode.
fn found(bundles: &[Value], name: &str, mode: &str) -> BTreeSet<String> {
    let ids = bundles.iter().flat_map(|bundle| ids_of(bundle, mode));
    ids.map(|id| id.strip_prefix(&format!("{name}-")).unwrap_or(&id).to_owned()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// "all resources that are in the patient compartment … and any resource referenced from those": two steps
/// far, and nothing of another patient.
#[test]
fn a_patient_comes_with_the_record_and_what_supports_it() {
    on_each(|server| {
        let name = records(server);
        let all = got(server, &format!("Patient/{name}-a/$everything"));
        assert_eq!((&all["type"], &all["total"]), (&json!("searchset"), &json!(4)));
        let all = [all];
        assert_eq!(found(&all, &name, "match"), set(&["a", "enc-a", "obs-a", "old-a"]));
        assert_eq!(found(&all, &name, "include"), set(&["doc", "role", "org"]));
        assert_eq!(link(server, &all[0], "next"), None);
        let posted = server.post(&format!("Patient/{name}-a/$everything"), &json!({ "resourceType": "Parameters" }));
        assert_eq!(found(&[posted.body], &name, "match"), set(&["a", "enc-a", "obs-a", "old-a"]));
    });
}

/// Attachments that are resources here belong to it.
#[test]
fn attachments_are_included() {
    on_each(|server| {
        let (name, binary) = (unique("attached"), unique("binary"));
        stored(server, &patient(json!({ "id": name })));
        stored(server, &json!({ "resourceType": "Binary", "id": binary, "contentType": "text/plain", "data": "eA==" }));
        created(
            server,
            &json!({
                "resourceType": "DocumentReference", "status": "current", "subject": { "reference": format!("Patient/{name}") },
                "content": [{ "attachment": { "url": format!("Binary/{binary}") } }]
            }),
        );
        let all = got(server, &format!("Patient/{name}/$everything"));
        assert_eq!(ids_of(&all, "include"), [binary]);
    });
}

/// `_count` pages "the same as for Searching": complete, without duplicates among the matches.
#[test]
fn pages_follow_the_links() {
    on_each(|server| {
        let name = records(server);
        let whole = pages(server, &format!("Patient/{name}-a/$everything?_count=1"));
        assert_eq!(whole.len(), 4);
        assert!(whole.iter().all(|page| ids_of(page, "match").len() == 1 && page["total"] == 4));
        assert_eq!(found(&whole, &name, "match"), set(&["a", "enc-a", "obs-a", "old-a"]));
        assert_eq!(found(&whole, &name, "include"), set(&["doc", "role", "org"]));
    });
}

/// `start` and `end` are dates of care; what has none is in every range.
#[test]
fn start_and_end_are_dates_of_care() {
    on_each(|server| {
        let name = records(server);
        for (range, matches) in [
            ("start=2025-01-01", &["a", "enc-a", "obs-a"][..]),
            ("end=2024", &["a", "old-a"]),
            ("start=2025-07-10&end=2025-07-10", &["a", "enc-a"]),
            ("start=2019&end=2026", &["a", "enc-a", "obs-a", "old-a"]),
        ] {
            for count in ["", "&_count=1"] {
                let whole = pages(server, &format!("Patient/{name}-a/$everything?{range}{count}"));
                assert_eq!(found(&whole, &name, "match"), set(matches), "{range}{count}");
            }
        }
    });
}

/// `_type` narrows both the record and what supports it; `_since` is about the time of the record.
#[test]
fn type_and_since_narrow() {
    on_each(|server| {
        let name = records(server);
        let of = |query: &str| [got(server, &format!("Patient/{name}-a/$everything?{query}"))];
        let observations = of("_type=Observation,Patient");
        assert_eq!(found(&observations, &name, "match"), set(&["a", "obs-a", "old-a"]));
        assert_eq!(found(&observations, &name, "include"), set(&[]));
        assert_eq!(observations[0]["total"], 3);
        let practitioners = of("_type=Practitioner");
        assert_eq!(found(&practitioners, &name, "match"), set(&[]));
        assert_eq!(found(&practitioners, &name, "include"), set(&["doc"]));
        let before = got(server, &format!("Patient/{name}-a"))["meta"]["lastUpdated"].as_str().unwrap().to_owned();
        assert_eq!(found(&of(&format!("_since={before}")), &name, "match").len(), 4);
        assert_eq!(found(&of("_since=2999-01-01T00:00:00Z"), &name, "match"), set(&[]));
        let body = json!({ "resourceType": "Parameters", "parameter": [
            { "name": "_type", "valueCode": "Observation" }, { "name": "_type", "valueCode": "Encounter" }, { "name": "_count", "valueInteger": 1 }
        ] });
        let first = server.post(&format!("Patient/{name}-a/$everything"), &body).body;
        let next = link(server, &first, "next").unwrap();
        assert!(next.contains("_type=Observation&_type=Encounter&_count=1"), "{next}");
        assert_eq!(ids_of(&got(server, &next), "match").len(), 1);
    });
}

/// An encounter: its compartment, its patient, and what supports it.
#[test]
fn an_encounter_comes_with_its_patient() {
    on_each(|server| {
        let name = records(server);
        let all = [got(server, &format!("Encounter/{name}-enc-a/$everything"))];
        assert_eq!(found(&all, &name, "match"), set(&["enc-a", "obs-a"]));
        assert_eq!(found(&all, &name, "include"), set(&["a", "doc", "role", "org"]));
    });
}

/// `[base]/Patient/$everything`: the records of all patients, and nothing that is of none.
#[test]
fn all_patients_come_with_their_records() {
    on_each_alone(|server| {
        let name = records(server);
        created(server, &observation(json!({ "device": { "display": "no patient" } })));
        for count in [1, 3, 100] {
            let whole = pages(server, &format!("Patient/$everything?_count={count}"));
            let all = ["a", "enc-a", "obs-a", "old-a", "b", "enc-b", "obs-b", "old-b"];
            assert_eq!(found(&whole, &name, "match"), set(&all));
        }
        let some = pages(server, "Patient/$everything?_type=Patient&_count=1");
        assert_eq!(found(&some, &name, "match"), set(&["a", "b"]));
    });
}

/// It is an entry of a batch.
#[test]
fn works_in_a_batch() {
    on_each(|server| {
        let name = records(server);
        let batch =
            bundle("batch", vec![entry("GET", &format!("Patient/{name}-a/$everything?_type=Patient"), Value::Null)]);
        let answer = server.post("", &batch).body;
        assert_eq!(found(&[answer["entry"][0]["resource"].clone()], &name, "match"), set(&["a"]));
    });
}

/// Who is not there has no record; wrong parameters are refused.
#[test]
fn wrong_input_is_refused() {
    on_each(|server| {
        let name = records(server);
        refused(&server.get(&format!("Patient/{name}-nobody/$everything")), 404);
        server.delete(&format!("Patient/{name}-b"));
        refused(&server.get(&format!("Patient/{name}-b/$everything")), 410);
        for wrong in [
            "start=yesterday",
            "end=2025-13-01",
            "start=2025&end=2024",
            "_since=2025",
            "_type=Nonsense",
            "_count=0",
            "_count=-1",
            "_count=x",
            "nonsense=1",
            "_cursor=zz",
            "_cursor=7b7d",
        ] {
            refused(&server.get(&format!("Patient/{name}-a/$everything?{wrong}")), 400);
        }
        assert!(refused(&server.get("Encounter/$everything"), 404).contains("[base]/Encounter/[id]/$everything"));
        refused(&server.delete(&format!("Patient/{name}-a/$everything")), 405);
    });
}
