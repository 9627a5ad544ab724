//! Composite parameters (FHIR R4 search.html#combining): both values of one element, joined by `$`.

use serde_json::{Value, json};

use crate::support::{created, finds, observation, on_each, refused, tagged, unique};

fn pressure(systolic: u32, diastolic: u32, tag: &str) -> Value {
    let component = |code: &str, value: u32| {
        json!({ "code": { "coding": [{ "system": "http://loinc.org", "code": code }] },
            "valueQuantity": { "value": value, "system": "http://unitsofmeasure.org", "code": "mm[Hg]" } })
    };
    tagged(observation(json!({ "component": [component("8480-6", systolic), component("8462-4", diastolic)] })), tag)
}

/// Both must hold for the same component.
#[test]
fn both_hold_for_one_element() {
    on_each(|server| {
        let tag = unique("composite");
        let id = created(server, &pressure(128, 82, &tag));
        let find = |value: &str, ids: &[&str]| {
            finds(server, &format!("Observation?_tag={tag}&component-code-value-quantity={value}"), ids);
        };
        find("8480-6$128", &[&id]);
        find("http://loinc.org|8480-6$gt120||mm[Hg]", &[&id]);
        find("http://loinc.org|8480-6%24gt120", &[&id]);
        find("8480-6$82", &[]);
        find("8462-4$gt100", &[]);
        find("8480-6$82,8462-4$82", &[&id]);
        refused(&server.get("Observation?component-code-value-quantity=8480-6"), 400);
        refused(&server.get("Observation?component-code-value-quantity=8480-6$1$2"), 400);
        refused(&server.get("Observation?component-code-value-quantity=8480-6$high"), 400);
    });
}

/// code and value of the Observation itself: quantity, concept, string and date.
#[test]
fn every_kind_of_second_value() {
    on_each(|server| {
        let tag = unique("composite");
        let quantity =
            created(server, &tagged(observation(json!({ "valueQuantity": { "value": 151.2, "unit": "cm" } })), &tag));
        let concept = created(
            server,
            &tagged(
                observation(json!({ "valueCodeableConcept": { "coding": [{ "system": "urn:c", "code": "pos" }] } })),
                &tag,
            ),
        );
        let text = created(server, &tagged(observation(json!({ "valueString": "Normal gait" })), &tag));
        let date = created(server, &tagged(observation(json!({ "valueDateTime": "2024-05-31" })), &tag));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Observation?_tag={tag}&{query}"), ids);
        find("code-value-quantity=8302-2$151.2", &[&quantity]);
        find("code-value-quantity=8302-2$lt100", &[]);
        find("code-value-concept=8302-2$urn:c|pos", &[&concept]);
        find("code-value-concept=8302-2$neg", &[]);
        find("code-value-string=8302-2$normal", &[&text]);
        find("code-value-date=8302-2$2024-05", &[&date]);
        find("code-value-date=8302-3$2024-05", &[]);
    });
}
