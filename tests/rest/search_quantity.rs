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

/// A UCUM unit is compared in base units, digits and precision kept: 5.4 mg is 0.0054 g.
#[test]
fn ucum_units_are_converted() {
    on_each(|server| {
        let tag = unique("quantity");
        let list = [("0.0054", "g"), ("5.4", "mg"), ("5400", "ug"), ("5.4", "g"), ("5.46", "mg")];
        let ids = list.map(|(value, unit)| created(server, &measured(value, json!(UCUM), unit, unit, &tag)));
        let find = |value: &str, places: &[usize]| {
            let wanted: Vec<&str> = places.iter().map(|place| ids[*place].as_str()).collect();
            finds(server, &format!("Observation?_tag={tag}&value-quantity={value}"), &wanted);
        };
        find(&format!("5.4|{UCUM}|mg"), &[0, 1, 2]);
        find(&format!("0.0054|{UCUM}|g"), &[0, 1, 2]);
        find(&format!("0.005|{UCUM}|g"), &[0, 1, 2, 4]);
        find(&format!("gt5.4|{UCUM}|mg"), &[3, 4]);
        find(&format!("le5400|{UCUM}|ug"), &[0, 1, 2]);
        find(&format!("ne5.4|{UCUM}|mg"), &[3, 4]);
        find(&format!("ap5.4|{UCUM}|mg"), &[0, 1, 2, 4]);
        find(&format!("5.4|{UCUM}|mL"), &[]);
        find(&format!("5.4|{UCUM}|mg,5.4||g"), &[0, 1, 2, 3]);
        // By the code or unit as written, and by the number alone, nothing is converted.
        find("5.4||mg", &[1]);
        find("5.4", &[1, 3]);
        find(&format!("5.4|{UCUM}|"), &[1, 3]);
    });
}

/// Degrees have a zero of their own; a pH has no straight scale and equals only itself.
#[test]
fn special_units_are_converted_where_possible() {
    on_each(|server| {
        let tag = unique("quantity");
        let warm = created(server, &measured("98.6", json!(UCUM), "[degF]", "°F", &tag));
        let same = created(server, &measured("37.0", json!(UCUM), "Cel", "℃", &tag));
        let acid = created(server, &measured("7.4", json!(UCUM), "[pH]", "pH", &tag));
        let rate = created(server, &measured("72", json!(UCUM), "/min", "回/分", &tag));
        let find = |value: &str, ids: &[&str]| {
            finds(server, &format!("Observation?_tag={tag}&value-quantity={value}"), ids);
        };
        find(&format!("37.0|{UCUM}|Cel"), &[&warm, &same]);
        find(&format!("98.6|{UCUM}|[degF]"), &[&warm, &same]);
        find(&format!("gt310|{UCUM}|K"), &[&warm, &same]);
        find(&format!("7.4|{UCUM}|[pH]"), &[&acid]);
        find(&format!("1.2|{UCUM}|Hz"), &[&rate]);
    });
}

/// FHIR R4 datatypes.html#Quantity: a comparator makes the value a range, `<` without its end.
#[test]
fn comparators_are_ranges() {
    on_each(|server| {
        let tag = unique("quantity");
        let with = |comparator: &str| {
            let quantity = json!({ "value": 5, "comparator": comparator, "system": UCUM, "code": "mg" });
            created(server, &tagged(observation(json!({ "valueQuantity": quantity })), &tag))
        };
        let [below, up_to, above, from] = ["<", "<=", ">", ">="].map(with);
        let find = |value: &str, ids: &[&str]| {
            for value in [value.to_owned(), format!("{value}|{UCUM}|mg"), format!("{value}000|{UCUM}|ug")] {
                if value.ends_with("mg") || value.ends_with("ug") {
                    finds(server, &format!("Observation?_tag={tag}&value-quantity={value}"), ids);
                }
            }
        };
        find("ge5", &[&up_to, &above, &from]);
        find("le5", &[&below, &up_to, &from]);
        find("lt5", &[&below, &up_to]);
        find("gt5", &[&above, &from]);
        find("sa5", &[&above]);
        find("eb5", &[&below]);
        find("gt9", &[&above, &from]);
        find("eq5", &[]);
    });
}

/// Observation.value-quantity: of a SampledData the bounds of the values; of a Range its ends.
#[test]
fn ranges_and_samples_have_bounds() {
    on_each(|server| {
        let tag = unique("quantity");
        let sampled = json!({ "valueSampledData": { "origin": { "value": 100, "system": UCUM, "code": "mg" }, "period": 10,
            "factor": 2, "lowerLimit": -40, "dimensions": 1, "data": "-10 0 E 25 L 3.5" } });
        let id = created(server, &tagged(observation(sampled), &tag));
        let find = |value: &str, ids: &[&str]| {
            finds(server, &format!("Observation?_tag={tag}&value-quantity={value}|{UCUM}|mg"), ids);
        };
        find("gt149", &[&id]);
        find("gt150", &[]);
        find("lt21", &[&id]);
        find("lt20", &[]);
        find("ge0", &[&id]);
        let onset = json!({ "resourceType": "Condition", "subject": { "reference": "Patient/x" }, "onsetRange": {
            "low": { "value": 1, "system": UCUM, "code": "a" }, "high": { "value": 30, "system": UCUM, "code": "mo" } } });
        let condition = created(server, &tagged(onset, &tag));
        let find = |value: &str, ids: &[&str]| {
            finds(server, &format!("Condition?_tag={tag}&onset-age={value}|{UCUM}|a"), ids);
        };
        find("gt2", &[&condition]);
        find("gt3", &[]);
        find("sa0.9", &[&condition]);
    });
}
