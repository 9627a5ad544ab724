//! Tokens by what terminology says of them (FHIR R4 search.html#token): `:in`, `:not-in`, `:above`,
//! `:below`.

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{created, finds, observation, on_each, patient, refused, stored, tagged, unique};

fn coded(server: &Server, tag: &str, system: &str, code: &str) -> String {
    let code = json!({ "coding": [{ "system": system, "code": code }] });
    created(server, &tagged(observation(json!({ "code": code })), tag))
}

/// A code system with a hierarchy (fracture: hip: neck), stored on this server.
fn fractures(server: &Server, tag: &str) -> String {
    let url = format!("http://example.org/{tag}/CodeSystem/fractures");
    let system: Value = json!({ "resourceType": "CodeSystem", "id": tag, "url": url, "status": "active", "content": "complete",
        "hierarchyMeaning": "is-a", "concept": [
            { "code": "fracture", "concept": [
                { "code": "hip", "concept": [{ "code": "neck" }, { "code": "trochanter" }] },
                { "code": "wrist" } ] },
            { "code": "sprain" } ] });
    stored(server, &system);
    url
}

#[test]
fn codes_in_a_value_set() {
    on_each(|server| {
        let tag = unique("terms");
        let system = fractures(server, &tag);
        let url = format!("http://example.org/{tag}/ValueSet/hip");
        let set = json!({ "resourceType": "ValueSet", "id": tag, "url": url, "status": "active", "compose": { "include": [
            { "system": system, "filter": [{ "property": "concept", "op": "is-a", "value": "hip" }] },
            { "system": "urn:other", "concept": [{ "code": "S72" }] } ] } });
        stored(server, &set);
        let [neck, hip, wrist] = ["neck", "hip", "wrist"].map(|code| coded(server, &tag, &system, code));
        let other = coded(server, &tag, "urn:other", "S72");
        let alike = coded(server, &tag, "urn:else", "neck");
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Observation?_tag={tag}&{query}"), ids);
        find(&format!("code:in={url}"), &[&neck, &hip, &other]);
        find(&format!("code:in=ValueSet/{tag}"), &[&neck, &hip, &other]);
        find(&format!("code:not-in={url}"), &[&wrist, &alike]);
        find(&format!("code:in={url}&code:in=ValueSet/{tag}&code=neck"), &[&neck]);
        find(&format!("_filter=code%20in%20{url}"), &[&neck, &hip, &other]);
        find(&format!("_filter=code%20ni%20{url}"), &[&wrist, &alike]);
        finds(server, &format!("Patient?_tag={tag}&_has:Observation:subject:code:in={url}"), &[]);
        refused(&server.get("Observation?code:in=http://example.org/nowhere"), 400);
        refused(&server.get("Observation?code:in=ValueSet/nowhere"), 400);
        refused(&server.get("Patient?active:in=http://hl7.org/fhir/ValueSet/administrative-gender"), 400);
        // What the set says now counts.
        let empty = json!({ "resourceType": "ValueSet", "id": tag, "url": url, "status": "active", "compose": { "include": [
            { "system": "urn:other", "concept": [{ "code": "none" }] } ] } });
        stored(server, &empty);
        find(&format!("code:in={url}"), &[]);
        find(&format!("code:not-in={url}"), &[&neck, &hip, &wrist, &other, &alike]);
    });
}

/// Elements of type `code` have the system of the set without saying so.
#[test]
fn plain_codes_are_in_value_sets_of_the_standard() {
    on_each(|server| {
        let tag = unique("terms");
        let female = created(server, &tagged(patient(json!({ "gender": "female" })), &tag));
        let none = created(server, &tagged(patient(json!({})), &tag));
        let set = "http://hl7.org/fhir/ValueSet/administrative-gender";
        finds(server, &format!("Patient?_tag={tag}&gender:in={set}"), &[&female]);
        finds(server, &format!("Patient?_tag={tag}&gender:in={set}|4.0.1"), &[&female]);
        finds(server, &format!("Patient?_tag={tag}&gender:not-in={set}"), &[&none]);
    });
}

#[test]
fn codes_above_and_below() {
    on_each(|server| {
        let tag = unique("terms");
        let system = fractures(server, &tag);
        let [fracture, hip, neck, wrist, sprain] =
            ["fracture", "hip", "neck", "wrist", "sprain"].map(|code| coded(server, &tag, &system, code));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Observation?_tag={tag}&{query}"), ids);
        find(&format!("code:below={system}|hip"), &[&hip, &neck]);
        find(&format!("code:below={system}|fracture"), &[&fracture, &hip, &neck, &wrist]);
        find(&format!("code:above={system}|neck"), &[&fracture, &hip, &neck]);
        find(&format!("code:below={system}|sprain,{system}|wrist"), &[&sprain, &wrist]);
        // search_filter.html#ops: subsumed by, subsumes.
        find(&format!("_filter=code%20sb%20{system}|hip"), &[&hip, &neck]);
        find(&format!("_filter=code%20ss%20{system}|neck"), &[&fracture, &hip, &neck]);
        refused(&server.get("Observation?code:below=hip"), 400);
        refused(&server.get(&format!("Observation?code:below={system}|toe")), 400);
        refused(&server.get("Observation?code:above=urn:nowhere|toe"), 400);
    });
}

/// Thousands of codes are one value for the database.
#[test]
fn large_value_sets_are_no_limit() {
    on_each(|server| {
        let tag = unique("terms");
        let concepts: Vec<Value> = (0..8000).map(|number| json!({ "code": format!("C{number}") })).collect();
        let url = format!("http://example.org/{tag}/ValueSet/large");
        let set = json!({ "resourceType": "ValueSet", "id": tag, "url": url, "status": "active",
            "compose": { "include": [{ "system": "urn:large", "concept": concepts }] } });
        stored(server, &set);
        let inside = coded(server, &tag, "urn:large", "C7999");
        let outside = coded(server, &tag, "urn:large", "C8000");
        finds(server, &format!("Observation?_tag={tag}&code:in={url}"), &[&inside]);
        finds(server, &format!("Observation?_tag={tag}&code:not-in={url}"), &[&outside]);
        finds(server, &format!("Observation?_tag={tag}&code:in={url}&code:in={url}&code=c7999"), &[&inside]);
    });
}
