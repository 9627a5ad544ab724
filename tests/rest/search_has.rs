//! Reverse chaining and lists (FHIR R4 search.html#has, #list).

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{created, finds, observation, on_each, patient, refused, stored, tagged, unique, with};

fn to(kind: &str, id: &str) -> Value {
    json!({ "reference": format!("{kind}/{id}") })
}

fn coded(server: &Server, person: &str, code: &str, more: Value) -> String {
    let body =
        json!({ "subject": to("Patient", person), "code": { "coding": [{ "system": "urn:test", "code": code }] } });
    created(server, &with(observation(body), more))
}

/// `_has:Observation:patient:code`: patients that such an Observation refers to.
#[test]
fn finds_what_is_referred_to() {
    on_each(|server| {
        let tag = unique("has");
        let person = |name: &str| created(server, &tagged(patient(json!({ "name": [{ "family": name }] })), &tag));
        let (one, both, none) = (person("One"), person("Both"), person("None"));
        let (a, b) = (format!("a-{tag}"), format!("b-{tag}"));
        let observed = coded(server, &one, &a, json!({ "valueQuantity": { "value": 5 } }));
        coded(server, &both, &a, json!({}));
        coded(server, &both, &a, json!({}));
        coded(server, &both, &b, json!({ "status": "amended" }));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Patient?{query}"), ids);
        find(&format!("_has:Observation:patient:code={a}"), &[&one, &both]);
        find(&format!("_has:Observation:patient:code=urn:test|{b}"), &[&both]);
        find(&format!("_has:Observation:subject:code={a},{b}"), &[&one, &both]);
        find(&format!("_has:Observation:patient:code={a}&_has:Observation:patient:code={b}"), &[&both]);
        find(&format!("_has:Observation:patient:code={a}&name=one"), &[&one]);
        find(&format!("_has:Observation:patient:code={a}&_id={one},{none}"), &[&one]);
        find(&format!("_tag={tag}&_has:Observation:patient:value-quantity=gt4"), &[&one]);
        find(&format!("_tag={tag}&_has:Observation:patient:status:not=final"), &[&both]);
        find(&format!("_tag={tag}&_has:Observation:patient:_id={observed}"), &[&one]);
        find(&format!("_tag={tag}&_has:Observation:patient:value-quantity:missing=true"), &[&both]);
        server.delete(&format!("Patient/{both}"));
        find(&format!("_has:Observation:patient:code={a}"), &[&one]);
        server.delete(&format!("Observation/{observed}"));
        find(&format!("_has:Observation:patient:code={a}"), &[]);
    });
}

/// Only the type searched for is found, though the reference may point at others, or at nothing.
#[test]
fn finds_one_type_and_what_is_here() {
    on_each(|server| {
        let tag = unique("has");
        stored(server, &json!({ "resourceType": "Patient", "id": tag }));
        stored(server, &json!({ "resourceType": "Device", "id": tag }));
        for subject in [to("Patient", &tag), to("Device", &tag), to("Patient", &format!("{tag}-later"))] {
            let code = json!({ "coding": [{ "code": tag }] });
            created(server, &observation(json!({ "subject": subject, "code": code })));
        }
        finds(server, &format!("Patient?_has:Observation:subject:code={tag}"), &[&tag]);
        finds(server, &format!("Device?_has:Observation:subject:code={tag}"), &[&tag]);
        finds(
            server,
            &format!("Patient?_has:Observation:subject:code={tag}&_has:Observation:subject:code={tag}"),
            &[&tag],
        );
    });
}

/// `_has` within `_has`, chains within `_has`, `_has` within chains.
#[test]
fn may_be_nested_with_chains() {
    on_each(|server| {
        let tag = unique("has");
        let person = created(server, &patient(json!({ "name": [{ "family": tag }] })));
        let doctor = created(server, &json!({ "resourceType": "Practitioner", "name": [{ "family": tag }] }));
        let group = created(
            server,
            &json!({
                "resourceType": "Group", "type": "person", "actual": true,
                "code": { "coding": [{ "code": tag }] },
                "member": [{ "entity": to("Patient", &person) }, { "entity": to("Practitioner", &doctor) }]
            }),
        );
        let seen = coded(server, &person, &tag, json!({ "performer": [to("Practitioner", &doctor)] }));
        created(
            server,
            &json!({
                "resourceType": "Provenance", "recorded": "2024-01-01T00:00:00Z", "target": [to("Observation", &seen)],
                "agent": [{ "who": to("Practitioner", &doctor) }]
            }),
        );
        finds(server, &format!("Patient?_has:Observation:patient:performer:Practitioner.name={tag}"), &[&person]);
        finds(
            server,
            &format!("Patient?_has:Observation:patient:_has:Provenance:target:agent=Practitioner/{doctor}"),
            &[&person],
        );
        finds(
            server,
            &format!("Patient?_has:Observation:patient:_has:Provenance:target:agent:Practitioner.name={tag}"),
            &[&person],
        );
        finds(server, "Patient?_has:Observation:patient:_has:Provenance:target:agent=Practitioner/nobody", &[]);
        finds(server, &format!("Observation?subject:Patient._has:Group:member:code={tag}"), &[&seen]);
        finds(server, &format!("Observation?performer:Practitioner._has:Group:member:_id={group}"), &[&seen]);
        finds(server, &format!("Observation?subject._has:Group:member:code={tag}&code={tag}"), &[&seen]);
    });
}

/// `_list=id`: what the entries of a List point at.
#[test]
fn list_finds_the_members() {
    on_each(|server| {
        let tag = unique("list");
        let (one, two, out) = (
            created(server, &patient(json!({}))),
            created(server, &patient(json!({ "gender": "male" }))),
            created(server, &patient(json!({}))),
        );
        let seen = coded(server, &one, &tag, json!({}));
        coded(server, &out, &tag, json!({}));
        let list = json!({
            "resourceType": "List", "id": tag, "status": "current", "mode": "working",
            "entry": [{ "item": to("Patient", &one) }, { "item": to("Patient", &two) }, { "item": to("Observation", &seen) }]
        });
        stored(server, &list);
        finds(server, &format!("Patient?_list={tag}"), &[&one, &two]);
        finds(server, &format!("Patient?_list={tag}&gender=male"), &[&two]);
        finds(server, &format!("Patient?_list={tag},nothing"), &[&one, &two]);
        finds(server, &format!("Observation?_list={tag}"), &[&seen]);
        finds(server, &format!("Observation?patient._list={tag}&code={tag}"), &[&seen]);
        finds(server, "Patient?_list=nothing", &[]);
        refused(&server.get("Patient?_list=$current-nonsense"), 400);
        refused(&server.get("Patient?_list=a|b"), 400);
        stored(server, &with(list, json!({ "entry": [{ "item": to("Patient", &two) }] })));
        finds(server, &format!("Patient?_list={tag}"), &[&two]);
        server.delete(&format!("List/{tag}"));
        finds(server, &format!("Patient?_list={tag}"), &[]);
    });
}

/// What cannot be meant is refused with what would be right.
#[test]
fn says_what_is_wrong() {
    on_each(|server| {
        let says = |query: &str, what: &str| {
            let text = refused(&server.get(query), 400);
            assert!(text.contains(what), "{query}: {text}");
        };
        says("Patient?_has:Observation:patient=x", "_has:Type:reference:parameter");
        says("Patient?_has:Nonsense:patient:code=x", "not a resource type");
        says("Patient?_has:Observation:nonsense:code=x", "subject");
        says("Patient?_has:Observation:code:code=x", "only references");
        says("Patient?_has:Observation:patient:nonsense=x", "value-quantity");
        says("Medication?_has:Observation:patient:code=x", "cannot point at Medication");
        says("Patient?_has:Observation:patient:date=soon", "not a date");
        says(&format!("Organization?{}name=x", "_has:Organization:partof:".repeat(9)), "at most 8");
    });
}
