//! Chained parameters (FHIR R4 search.html#chaining).

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{created, finds, lists, observation, on_each, patient, refused, tagged, unique, with};

fn to(kind: &str, id: &str) -> Value {
    json!({ "reference": format!("{kind}/{id}") })
}

fn about(server: &Server, kind: &str, id: &str, tag: &str) -> String {
    created(server, &tagged(observation(json!({ "subject": to(kind, id) })), tag))
}

/// `subject:Patient.name`; without a type every possible target that has the parameter counts.
#[test]
fn goes_to_the_types_a_reference_may_point_at() {
    on_each(|server| {
        let tag = unique("chain");
        let person = created(server, &patient(json!({ "name": [{ "family": tag }] })));
        let place = created(server, &json!({ "resourceType": "Location", "name": tag }));
        let other = created(server, &patient(json!({ "name": [{ "family": "Nobody" }] })));
        let of_person = about(server, "Patient", &person, &tag);
        let of_place = about(server, "Location", &place, &tag);
        about(server, "Patient", &other, &tag);
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Observation?{query}"), ids);
        find(&format!("subject:Patient.name={tag}"), &[&of_person]);
        find(&format!("subject:Location.name={tag}"), &[&of_place]);
        find(&format!("subject.name={tag}"), &[&of_person, &of_place]);
        find(&format!("patient.name={tag}"), &[&of_person]);
        find(&format!("subject.name={tag}&_tag={tag}"), &[&of_person, &of_place]);
        find(&format!("subject.name={tag}&subject:Patient.name={tag}"), &[&of_person]);
        find(&format!("_tag={tag}&subject.family=Nobody,{tag}&status=final&_id={of_person}"), &[&of_person]);
        server.delete(&format!("Patient/{person}"));
        find(&format!("subject.name={tag}"), &[&of_place]);
    });
}

/// Values and modifiers of what the chain ends in mean what they mean in a search on that type.
#[test]
fn ends_in_any_parameter_with_its_modifiers() {
    on_each(|server| {
        let tag = unique("chain");
        let body = json!({
            "name": [{ "family": "Chained", "given": [tag] }], "gender": "female", "birthDate": "1942-05-03",
            "identifier": [{ "system": "urn:mrn", "value": tag }],
            "managingOrganization": { "reference": format!("Organization/{tag}"), "identifier": { "value": tag } }
        });
        let she = created(server, &patient(body));
        let he = created(server, &patient(json!({ "name": [{ "given": [tag] }], "gender": "male" })));
        let hers = about(server, "Patient", &she, &tag);
        let his = about(server, "Patient", &he, &tag);
        let none = about(server, "Group", "nobody", &tag);
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Observation?_tag={tag}&{query}"), ids);
        find(&format!("subject:Patient._id={she}"), &[&hers]);
        find(&format!("patient._id={she},{he}"), &[&hers, &his]);
        find("patient._id=nobody", &[]);
        find(&format!("patient.identifier=urn:mrn|{tag}"), &[&hers]);
        find("patient.birthdate=lt1950", &[&hers]);
        find("patient.birthdate:missing=true", &[&his]);
        find("patient.birthdate:missing=false", &[&hers]);
        find("patient.gender:not=male", &[&hers]);
        find(&format!("patient.given:exact={tag}"), &[&hers, &his]);
        find("patient.family:contains=AINE", &[&hers]);
        find(&format!("patient.organization={tag}"), &[&hers]);
        find(&format!("patient.organization:identifier={tag}"), &[&hers]);
        find("patient._lastUpdated=gt2000", &[&hers, &his]);
        find("patient._lastUpdated=lt2000", &[]);
        find("subject:missing=false", &[&hers, &his, &none]);
    });
}

/// Chains of chains, and chains of eight references.
#[test]
fn may_be_nested() {
    on_each(|server| {
        let tag = unique("chain");
        let mut organization = created(server, &json!({ "resourceType": "Organization", "name": tag }));
        let top = organization.clone();
        for level in 0..6 {
            let child = json!({ "resourceType": "Organization", "name": format!("{level}"), "partOf": to("Organization", &organization) });
            organization = created(server, &child);
        }
        let person = created(server, &patient(json!({ "managingOrganization": to("Organization", &organization) })));
        let id = about(server, "Patient", &person, &tag);
        let up = "partof.".repeat(6);
        finds(server, &format!("Observation?patient.organization.{up}name={tag}"), &[&id]);
        finds(server, &format!("Observation?subject:Patient.organization.{up}_id={top}"), &[&id]);
        finds(server, &format!("Observation?subject:Patient.organization:Organization.{up}name=none"), &[]);
        finds(server, &format!("Observation?patient.organization.partof.name=4&_tag={tag}"), &[&id]);
        refused(&server.get(&format!("Observation?patient.organization.partof.{up}name={tag}")), 400);
    });
}

/// A chain selects; sorting and paging are as ever.
#[test]
fn is_sorted_and_paged_like_any_search() {
    on_each(|server| {
        let tag = unique("chain");
        let person = created(server, &patient(json!({ "name": [{ "family": tag }] })));
        let at = |day: &str| {
            created(server, &observation(json!({ "subject": to("Patient", &person), "effectiveDateTime": day })))
        };
        let (second, first) = (at("2024-02-02"), at("2024-01-01"));
        lists(server, &format!("Observation?patient.name={tag}&_sort=date"), &[&first, &second]);
        lists(server, &format!("Observation?patient.name={tag}&_sort=-date&_count=1"), &[&second]);
        lists(server, &format!("Observation?patient.name={tag}&_count=1"), &[&second]);
    });
}

/// Criteria of conditional interactions may be chained.
#[test]
fn serves_conditional_interactions() {
    on_each(|server| {
        let tag = unique("chain");
        let person = created(server, &patient(json!({ "identifier": [{ "value": tag }] })));
        let id = about(server, "Patient", &person, &tag);
        let path = format!("Observation?subject:Patient.identifier={tag}");
        let answer = server.put(&path, &with(observation(json!({ "subject": to("Patient", &person) })), json!({})));
        assert_eq!((answer.status, &answer.body["id"]), (200, &json!(id)));
    });
}

/// What cannot be followed is refused with what would be right.
#[test]
fn says_what_is_wrong() {
    on_each(|server| {
        let says = |query: &str, what: &str| {
            let text = refused(&server.get(query), 400);
            assert!(text.contains(what), "{query}: {text}");
        };
        says("Observation?nonsense.name=x", "subject");
        says("Observation?status.name=x", "only references");
        says("Observation?subject:Practitioner.name=x", "Patient");
        says("Observation?subject:Patient.nonsense=x", "birthdate");
        says("Observation?subject.nonsense=x", "none of the types");
        says("Observation?patient.birthdate=soon", "not a date");
        says("Observation?patient.=x", "none of the types");
        says("Observation?subject:Patient.name:nonsense=x", "exact");
        says("Composition?subject.subject.subject.subject.subject.subject.status=final", "too many types");
    });
}
