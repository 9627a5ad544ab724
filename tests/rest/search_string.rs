//! String parameters (FHIR R4 search.html#string).

use serde_json::{Value, json};

use crate::support::{created, finds, on_each, patient, refused, tagged, unique};

fn named(name: Value, tag: &str) -> Value {
    tagged(patient(json!({ "name": [name] })), tag)
}

/// The value starts with the text, whatever case and accents.
#[test]
fn starts_with_regardless_of_case_and_accents() {
    on_each(|server| {
        let tag = unique("string");
        let id = created(server, &named(json!({ "family": "Müller", "given": ["José María"] }), &tag));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Patient?_tag={tag}&{query}"), ids);
        for value in ["M%C3%BCller", "muller", "MUL", "m%C3%BC"] {
            find(&format!("family={value}"), &[&id]);
        }
        find("given=jose", &[&id]);
        find("name=muller", &[&id]);
        find("name=jose", &[&id]);
        find("family=ller", &[]);
        find("family=mullers", &[]);
        find("given=muller", &[]);
    });
}

/// `:exact` is the whole value as written, `:contains` any part.
#[test]
fn exact_and_contains() {
    on_each(|server| {
        let tag = unique("string");
        let id = created(server, &named(json!({ "family": "Carreno Quinones" }), &tag));
        let lower = created(server, &named(json!({ "family": "carreno quinones" }), &tag));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Patient?_tag={tag}&{query}"), ids);
        find("family:exact=Carreno+Quinones", &[&id]);
        find("family:exact=carreno+quinones", &[&lower]);
        find("family:exact=Carreno", &[]);
        find("family:contains=QUIN", &[&id, &lower]);
        find("family:contains=%25", &[]);
        find("family:contains=_", &[]);
        refused(&server.get("Patient?family:nonsense=x"), 400);
        refused(&server.get("Patient?family:below=x"), 400);
    });
}

/// Long values: the part beyond the index's first column counts as well.
#[test]
fn long_values_are_compared_whole() {
    on_each(|server| {
        let tag = unique("string");
        let long = "x".repeat(300);
        let a = created(server, &named(json!({ "family": format!("{long}a") }), &tag));
        let b = created(server, &named(json!({ "family": format!("{long}b") }), &tag));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Patient?_tag={tag}&{query}"), ids);
        find(&format!("family={long}"), &[&a, &b]);
        find(&format!("family={long}a"), &[&a]);
        find(&format!("family:exact={long}b"), &[&b]);
        find(&format!("family:contains={}b", "x".repeat(100)), &[&b]);
    });
}

/// Japanese names: kanji, kana, full and half width.
#[test]
fn japanese_names_are_found() {
    on_each(|server| {
        let tag = unique("string");
        let resource = patient(json!({ "name": [
            { "text": "見本　花子", "family": "見本", "given": ["花子"] },
            { "text": "ミホン　ハナコ", "family": "ミホン", "given": ["ハナコ"] }
        ] }));
        let id = created(server, &tagged(resource, &tag));
        for value in ["%E8%A6%8B%E6%9C%AC", "%E3%83%9F%E3%83%9B%E3%83%B3", "%EF%BE%90%EF%BE%8E%EF%BE%9D"] {
            finds(server, &format!("Patient?_tag={tag}&name={value}"), &[&id]);
        }
        finds(server, &format!("Patient?_tag={tag}&family=%E8%8A%B1%E5%AD%90"), &[]);
    });
}

/// OR, AND and escaped commas.
#[test]
fn or_and_and_escapes() {
    on_each(|server| {
        let tag = unique("string");
        let id = created(server, &named(json!({ "family": "Baker, Able", "given": ["Charlie"] }), &tag));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Patient?_tag={tag}&{query}"), ids);
        find("family=nobody,baker", &[&id]);
        find("family=baker%5C,+able", &[&id]);
        find("name=baker&name=charlie", &[&id]);
        find("name=baker&name=delta", &[]);
    });
}

/// Addresses: every part of them.
#[test]
fn addresses_are_strings() {
    on_each(|server| {
        let tag = unique("string");
        let resource = patient(
            json!({ "address": [{ "line": ["1-2-3 Honmachi"], "city": "Kure", "postalCode": "737-0000", "country": "JP" }] }),
        );
        let id = created(server, &tagged(resource, &tag));
        for query in
            ["address=kure", "address=1-2-3", "address-city=Kure", "address-postalcode=737", "address-country=jp"]
        {
            finds(server, &format!("Patient?_tag={tag}&{query}"), &[&id]);
        }
    });
}
