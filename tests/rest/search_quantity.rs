//! Quantity parameters (FHIR R4 search.html#quantity): `number|system|code`.

use serde_json::{Value, json};

use crate::support::{created, finds, observation, on_each, refused, tagged, unique};

const UCUM: &str = "http://unitsofmeasure.org";

fn measured(value: &str, system: Value, code: &str, unit: &str, tag: &str) -> Value {
    let number: Value = serde_json::from_str(value).unwrap();
    let mut quantity = json!({ "value": number, "unit": unit });
    if !system.is_null() {
        quantity["system"] = system;
        quantity["code"] = json!(code);
    }
    tagged(observation(json!({ "valueQuantity": quantity })), tag)
}

/// The number alone, with system and code, with the code or unit alone.
#[test]
fn has_its_forms() {
    on_each(|server| {
        let tag = unique("quantity");
        let mg = created(server, &measured("5.4", json!(UCUM), "mg", "mg", &tag));
        let g = created(server, &measured("5.4", json!(UCUM), "g", "g", &tag));
        let unit = created(server, &measured("5.4", Value::Null, "", "mg", &tag));
        let find =
            |value: &str, ids: &[&str]| finds(server, &format!("Observation?_tag={tag}&value-quantity={value}"), ids);
        find("5.4", &[&mg, &g, &unit]);
        find(&format!("5.4|{UCUM}|mg"), &[&mg]);
        find("5.4||mg", &[&mg, &unit]);
        find("5.40", &[&mg, &g, &unit]);
        find("5", &[&mg, &g, &unit]);
        find("5.5", &[]);
        find(&format!("5.4|{UCUM}|kg"), &[]);
        find("5.4|urn:other|mg", &[]);
    });
}

/// Prefixes compare; precision gives the range of equality.
#[test]
fn prefixes_and_precision() {
    on_each(|server| {
        let tag = unique("quantity");
        let list = ["5.35", "5.4", "5.45", "6"];
        let ids = list.map(|value| created(server, &measured(value, json!(UCUM), "mg", "mg", &tag)));
        let find = |value: &str, places: &[usize]| {
            let wanted: Vec<&str> = places.iter().map(|place| ids[*place].as_str()).collect();
            finds(server, &format!("Observation?_tag={tag}&value-quantity={value}|{UCUM}|mg"), &wanted);
        };
        find("5.4", &[0, 1]);
        find("5.40", &[1]);
        find("gt5.4", &[2, 3]);
        find("ge5.4", &[1, 2, 3]);
        find("lt5.4", &[0]);
        find("le5.4", &[0, 1]);
        find("ne5.4", &[2, 3]);
        find("ap5.4", &[0, 1, 2]);
        find("sa5.4", &[2, 3]);
        find("eb5.4", &[0]);
        refused(&server.get("Observation?value-quantity=much"), 400);
        refused(&server.get("Observation?value-quantity=1|2|3|4"), 400);
    });
}

/// An update moves the value.
#[test]
fn components_are_searched_too() {
    on_each(|server| {
        let tag = unique("quantity");
        let pressure = observation(json!({ "component": [
            { "code": { "text": "systolic" }, "valueQuantity": { "value": 128, "system": UCUM, "code": "mm[Hg]" } },
            { "code": { "text": "diastolic" }, "valueQuantity": { "value": 82, "system": UCUM, "code": "mm[Hg]" } }
        ] }));
        let id = created(server, &tagged(pressure, &tag));
        let find = |name: &str, ids: &[&str]| finds(server, &format!("Observation?_tag={tag}&{name}"), ids);
        find("component-value-quantity=128", &[&id]);
        find("component-value-quantity=82||mm[Hg]", &[&id]);
        find("component-value-quantity=100", &[]);
        find("combo-value-quantity=82", &[&id]);
        find("value-quantity=82", &[]);
    });
}
