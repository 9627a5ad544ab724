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

/// MolecularSequence: a code and two numbers, all of one variant.
#[test]
fn three_values_of_one_element() {
    on_each(|server| {
        let tag = unique("composite");
        let sequence = json!({ "resourceType": "MolecularSequence", "coordinateSystem": 0,
            "referenceSeq": { "referenceSeqId": { "coding": [{ "system": "http://www.ncbi.nlm.nih.gov/nuccore", "code": "NC_000009.11" }] },
                "chromosome": { "coding": [{ "code": "9" }] }, "windowStart": 22125500, "windowEnd": 22125510 },
            "variant": [{ "start": 22125503, "end": 22125504 }, { "start": 100, "end": 300 }] });
        let id = created(server, &tagged(sequence, &tag));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("MolecularSequence?_tag={tag}&{query}"), ids);
        find("referenceseqid-variant-coordinate=NC_000009.11$22125503$22125504", &[&id]);
        find("referenceseqid-variant-coordinate=NC_000009.11$gt22125500$lt22125510", &[&id]);
        find("chromosome-variant-coordinate=9$lt200$gt200", &[&id]);
        // Start and end are of one variant.
        find("chromosome-variant-coordinate=9$gt22125500$lt400", &[]);
        find("chromosome-window-coordinate=9$22125500$22125510", &[&id]);
        find("referenceseqid-window-coordinate=http://www.ncbi.nlm.nih.gov/nuccore|NC_000009.11$ge1$le1", &[]);
        refused(&server.get("MolecularSequence?chromosome-window-coordinate=9$1"), 400);
    });
}

/// Quantities inside composites are converted too.
#[test]
fn quantities_of_composites_are_in_base_units() {
    on_each(|server| {
        let tag = unique("composite");
        let code = json!({ "coding": [{ "system": "http://loinc.org", "code": "29463-7" }] });
        let quantity = json!({ "value": 61.5, "system": "http://unitsofmeasure.org", "code": "kg" });
        let id = created(server, &tagged(observation(json!({ "code": code, "valueQuantity": quantity })), &tag));
        let find = |value: &str, ids: &[&str]| {
            finds(server, &format!("Observation?_tag={tag}&code-value-quantity=http://loinc.org|29463-7${value}"), ids);
        };
        find("61500|http://unitsofmeasure.org|g", &[&id]);
        find("gt61|http://unitsofmeasure.org|kg", &[&id]);
        find("61.5", &[&id]);
        find("61500", &[]);
    });
}

/// FHIR R4 search.html#prefix: a period that only overlaps what was asked for is neither in it nor
/// beyond it, as a component no less than alone.
#[test]
fn a_date_component_compares_like_a_date() {
    on_each(|server| {
        let tag = unique("composite-date");
        let period = json!({ "start": "2023-12-31", "end": "2024-02-29" });
        let id = created(server, &tagged(observation(json!({ "valuePeriod": period })), &tag));
        for (value, is_found) in [
            ("2024-02", false),
            ("ge2024-02", false),
            ("le2024-02", true),
            ("gt2024-01", true),
            ("lt2024-01", true),
            ("le2023-12", false),
            ("ne2024-02", true),
            ("sa2023-11", true),
            ("eb2024-03", true),
        ] {
            let wanted: &[&str] = if is_found { &[&id] } else { &[] };
            finds(server, &format!("Observation?_tag={tag}&value-date={value}"), wanted);
            finds(server, &format!("Observation?_tag={tag}&code-value-date=8302-2${value}"), wanted);
        }
    });
}
