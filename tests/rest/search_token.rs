//! Token parameters (FHIR R4 search.html#token) and what holds for all: OR, AND, :missing, :not.

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{created, finds, observation, on_each, patient, refused, stored, tagged, unique};

fn identified(tag: &str, identifiers: Value) -> Value {
    tagged(patient(json!({ "identifier": identifiers })), tag)
}

/// `code`, `system|code`, `|code`, `system|`.
#[test]
fn has_four_forms() {
    on_each(|server| {
        let tag = unique("token");
        let a = created(server, &identified(&tag, json!([{ "system": "urn:a", "value": "1" }])));
        let b = created(server, &identified(&tag, json!([{ "system": "urn:b", "value": "1" }])));
        let none = created(server, &identified(&tag, json!([{ "value": "1" }])));
        let other = created(server, &identified(&tag, json!([{ "system": "urn:a", "value": "2" }])));
        let find = |value: &str, ids: &[&str]| finds(server, &format!("Patient?_tag={tag}&identifier={value}"), ids);
        find("1", &[&a, &b, &none]);
        find("urn:a|1", &[&a]);
        find("urn:a%7C1", &[&a]);
        find("|1", &[&none]);
        find("urn:a|", &[&a, &other]);
        find("urn:unknown|1", &[]);
        find("3", &[]);
        refused(&server.get("Patient?identifier=|"), 400);
        refused(&server.get("Patient?identifier=a|b|c"), 400);
    });
}

/// Values joined by commas are OR, repeated parameters AND.
#[test]
fn or_within_and_between() {
    on_each(|server| {
        let tag = unique("token");
        let one = created(server, &identified(&tag, json!([{ "system": "urn:a", "value": "1" }])));
        let two = created(server, &identified(&tag, json!([{ "system": "urn:a", "value": "2" }])));
        let both = created(
            server,
            &identified(&tag, json!([{ "system": "urn:a", "value": "1" }, { "system": "urn:a", "value": "2" }])),
        );
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Patient?_tag={tag}&{query}"), ids);
        find("identifier=1,2", &[&one, &two, &both]);
        find("identifier=1&identifier=2", &[&both]);
        find("identifier=1&identifier=3", &[]);
        find("identifier=3,4", &[]);
        find("identifier=1,", &[&one, &both]);
    });
}

/// search.html#escaping: `\,` `\|` `\$` `\\` are themselves.
#[test]
fn escapes_are_taken_out() {
    on_each(|server| {
        let tag = unique("token");
        for value in ["a,b", "a|b", "a$b", "a\\b"] {
            let id = created(server, &identified(&tag, json!([{ "system": "urn:a", "value": value }])));
            let escaped = value.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|").replace('$', "\\$");
            let encoded = escaped.replace('\\', "%5C").replace('|', "%7C").replace('$', "%24").replace(',', "%2C");
            finds(server, &format!("Patient?_tag={tag}&identifier={encoded}"), &[&id]);
            finds(server, &format!("Patient?_tag={tag}&identifier=urn:a|{encoded}"), &[&id]);
        }
    });
}

/// CodeableConcept, Coding, code, boolean, ContactPoint are all tokens.
#[test]
fn every_type_of_a_token() {
    on_each(|server| {
        let tag = unique("token");
        let resource = patient(json!({
            "active": true, "gender": "female",
            "telecom": [{ "system": "phone", "value": "03-1234-5678" }, { "system": "email", "value": "a@example.org" }],
            "communication": [{ "language": { "coding": [{ "system": "urn:ietf:bcp:47", "code": "ja" }] } }]
        }));
        let id = created(server, &tagged(resource, &tag));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Patient?_tag={tag}&{query}"), ids);
        find("active=true", &[&id]);
        find("active=false", &[]);
        find("gender=female", &[&id]);
        find("gender=http://hl7.org/fhir/administrative-gender|female", &[&id]);
        find("gender=male", &[]);
        find("language=ja", &[&id]);
        find("language=urn:ietf:bcp:47|ja", &[&id]);
        find("email=a@example.org", &[&id]);
        find("phone=03-1234-5678", &[&id]);
        find("telecom=03-1234-5678", &[&id]);
        find("phone=a@example.org", &[]);
        refused(&server.get("Patient?active=perhaps"), 400);
        let id = created(server, &tagged(observation(json!({})), &tag));
        finds(server, &format!("Observation?_tag={tag}&code=http://loinc.org|8302-2"), &[&id]);
        finds(server, &format!("Observation?_tag={tag}&code=http://loinc.org|8302-3"), &[]);
        finds(server, &format!("Observation?_tag={tag}&status=final"), &[&id]);
    });
}

/// search.html#modifiers: `:not` are those for which the value does not hold, also without any.
#[test]
fn not_includes_those_without_a_value() {
    on_each(|server| {
        let tag = unique("token");
        let female = created(server, &tagged(patient(json!({ "gender": "female" })), &tag));
        let male = created(server, &tagged(patient(json!({ "gender": "male" })), &tag));
        let none = created(server, &tagged(patient(json!({})), &tag));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Patient?_tag={tag}&{query}"), ids);
        find("gender:not=male", &[&female, &none]);
        find("gender:not=male,female", &[&none]);
        find("gender:not=other", &[&female, &male, &none]);
        find("gender:missing=true", &[&none]);
        find("gender:missing=false", &[&female, &male]);
        refused(&server.get("Patient?gender:missing=perhaps"), 400);
    });
}

/// search.html#token: elements of type `code` have the system of the value set they are bound to.
#[test]
fn codes_have_the_system_of_their_binding() {
    on_each(|server| {
        let tag = unique("token");
        let female = created(server, &tagged(patient(json!({ "gender": "female" })), &tag));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Patient?_tag={tag}&{query}"), ids);
        find("gender=http://hl7.org/fhir/administrative-gender|female", &[&female]);
        find("gender=http://hl7.org/fhir/administrative-gender|male", &[]);
        find("gender=http://example.org/other|female", &[]);
        find("gender:not=http://example.org/other|female", &[&female]);
        find("gender:in=http://hl7.org/fhir/ValueSet/administrative-gender", &[&female]);
        find("gender:in=http://hl7.org/fhir/ValueSet/observation-status", &[]);
        find("_filter=gender%20eq%20http://example.org/other|female", &[]);
        let status = created(server, &tagged(crate::support::observation(json!({})), &tag));
        finds(
            server,
            &format!("Observation?_tag={tag}&status=http://hl7.org/fhir/observation-status|final"),
            &[&status],
        );
        finds(server, &format!("Observation?_tag={tag}&status=http://hl7.org/fhir/event-status|final"), &[]);
    });
}

/// `:missing` for every kind of parameter.
#[test]
fn missing_works_for_every_kind() {
    on_each(|server| {
        let tag = unique("token");
        let bare = created(
            server,
            &tagged(json!({ "resourceType": "Encounter", "status": "planned", "class": { "code": "AMB" } }), &tag),
        );
        let full = created(
            server,
            &tagged(
                json!({ "resourceType": "Encounter", "status": "planned", "class": { "code": "AMB" },
                    "period": { "start": "2024-01-01" }, "subject": { "reference": "Patient/x" },
                    "length": { "value": 3, "unit": "d" }, "identifier": [{ "value": "1" }] }),
                &tag,
            ),
        );
        for name in ["date", "subject", "length", "identifier"] {
            finds(server, &format!("Encounter?_tag={tag}&{name}:missing=true"), &[&bare]);
            finds(server, &format!("Encounter?_tag={tag}&{name}:missing=false"), &[&full]);
        }
        let name = created(server, &tagged(patient(json!({ "name": [{ "family": "x" }] })), &tag));
        finds(server, &format!("Patient?_tag={tag}&name:missing=false"), &[&name]);
    });
}

/// search.html#id: `_id` of one or several.
#[test]
fn id_is_a_parameter() {
    on_each(|server| {
        let (a, b) = (created(server, &patient(json!({}))), created(server, &patient(json!({}))));
        finds(server, &format!("Patient?_id={a}"), &[&a]);
        finds(server, &format!("Patient?_id={a},{b},nobody"), &[&a, &b]);
        finds(server, &format!("Observation?_id={a}"), &[]);
        finds(server, &format!("Patient?_id={a}&_id={b}"), &[]);
        assert!(refused(&server.get(&format!("Patient?_id:not={a}")), 400).contains(":not"));
    });
}

/// meta is searchable for every type: `_tag`, `_security`, `_profile`.
#[test]
fn meta_is_searchable() {
    on_each(|server| {
        let tag = unique("token");
        let id = created(
            server,
            &patient(
                json!({ "meta": { "tag": [{ "system": "urn:t", "code": tag }], "profile": [format!("http://e/{tag}")],
                "security": [{ "system": "urn:s", "code": tag }] } }),
            ),
        );
        finds(server, &format!("Patient?_tag=urn:t|{tag}"), &[&id]);
        finds(server, &format!("Patient?_security={tag}"), &[&id]);
        finds(server, &format!("Patient?_profile=http://e/{tag}"), &[&id]);
        finds(server, &format!("Patient?_tag=urn:u|{tag}"), &[]);
    });
}

/// An update changes the index: the old value finds nothing any more.
#[test]
fn updates_and_deletes_change_the_index() {
    on_each(|server| {
        let id = unique("index");
        let put = |server: &Server, value: &str| {
            stored(
                server,
                &patient(json!({ "id": id, "identifier": [{ "value": value }], "name": [{ "family": value }],
                "birthDate": if value.starts_with("old") { "1941-02-03" } else { "1950-01-01" } })),
            );
        };
        let (old, new) = (unique("old"), unique("new"));
        put(server, &old);
        finds(server, &format!("Patient?identifier={old}"), &[&id]);
        put(server, &new);
        for name in ["identifier", "name", "family"] {
            finds(server, &format!("Patient?{name}={old}"), &[]);
            finds(server, &format!("Patient?{name}={new}"), &[&id]);
        }
        finds(server, &format!("Patient?_id={id}&birthdate=1941-02-03"), &[]);
        finds(server, &format!("Patient?_id={id}&birthdate=1950-01-01"), &[&id]);
        server.delete(&format!("Patient/{id}"));
        finds(server, &format!("Patient?identifier={new}"), &[]);
        put(server, &old);
        finds(server, &format!("Patient?identifier={old}"), &[&id]);
    });
}

/// `:text` looks into display and text, of identifiers into those of the type, as a string search does.
#[test]
fn text_of_a_code() {
    on_each(|server| {
        let tag = unique("token");
        let code = |code: Value| created(server, &tagged(observation(json!({ "code": code })), &tag));
        let display =
            code(json!({ "coding": [{ "system": "http://loinc.org", "code": "8302-2", "display": "Body height" }] }));
        let text = code(json!({ "text": "ボディーハイト（身長）" }));
        let other = code(json!({ "coding": [{ "code": "body" }], "text": "体重" }));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Observation?_tag={tag}&{query}"), ids);
        find("code:text=body", &[&display]);
        find("code:text=HEIGHT", &[]);
        find("code:text=ほでぃー", &[&text]);
        find("code:text=体,body%20h", &[&other, &display]);
        find("code=体重", &[]);
        let identifier = json!([{ "type": { "text": "Medical record number" }, "value": "1" }]);
        let typed = created(server, &identified(&tag, identifier));
        finds(server, &format!("Patient?_tag={tag}&identifier:text=medical"), &[&typed]);
        refused(&server.get("Patient?gender:text=male"), 400);
        refused(&server.get("Patient?active:of-type=a|b|c"), 400);
        // A changed text is found, the old one not.
        let changed = tagged(observation(json!({ "id": text, "code": { "text": "座高" } })), &tag);
        assert_eq!(server.put(&format!("Observation/{text}"), &changed).status, 200);
        find("code:text=ほでぃー", &[]);
        find("code:text=座", &[&text]);
    });
}

/// A code that is only a text, and references without an address, are there all the same.
#[test]
fn what_cannot_be_looked_up_is_not_missing() {
    on_each(|server| {
        let tag = unique("token");
        let with = |more: Value| created(server, &tagged(observation(more), &tag));
        let text = with(json!({ "code": { "text": "握力" }, "subject": { "display": "見本" } }));
        let contained =
            with(json!({ "contained": [{ "resourceType": "Patient", "id": "p" }], "subject": { "reference": "#p" } }));
        let logical = with(json!({ "subject": { "identifier": { "value": "1" } } }));
        let none = with(json!({}));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Observation?_tag={tag}&{query}"), ids);
        find("code:missing=true", &[]);
        find("subject:missing=true", &[&none]);
        find("subject:missing=false", &[&text, &contained, &logical]);
        find("performer:missing=false", &[]);
        // The same, decided from the resources themselves.
        finds(server, &format!("Observation?_id={text},{none}&subject:missing=true"), &[&none]);
        finds(server, &format!("Observation?_id={text},{none}&code:missing=false&subject:missing=false"), &[&text]);
    });
}

/// `:of-type` is system|code|value of one identifier with that type.
#[test]
fn identifiers_by_type() {
    on_each(|server| {
        let tag = unique("token");
        let kind = |code: &str| json!({ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": code }] });
        let record = created(
            server,
            &identified(
                &tag,
                json!([{ "type": kind("MR"), "value": "12345" }, { "type": kind("NI"), "value": "9|9" }]),
            ),
        );
        created(server, &identified(&tag, json!([{ "type": kind("NI"), "value": "12345" }])));
        let find =
            |value: &str, ids: &[&str]| finds(server, &format!("Patient?_tag={tag}&identifier:of-type={value}"), ids);
        find("http://terminology.hl7.org/CodeSystem/v2-0203|MR|12345", &[&record]);
        find("|MR|12345", &[&record]);
        find("http://terminology.hl7.org/CodeSystem/v2-0203|NI|9%5C|9", &[&record]);
        find("http://terminology.hl7.org/CodeSystem/v2-0203|MR|9%5C|9", &[]);
        find("urn:other|MR|12345", &[]);
        for wrong in ["12345", "MR|12345", "a|b|c|d", "a||1", "a|b|"] {
            refused(&server.get(&format!("Patient?identifier:of-type={wrong}")), 400);
        }
    });
}
