//! Number parameters (FHIR R4 search.html#number): the precision of the value is its range.

use serde_json::{Value, json};

use crate::support::{created, finds, on_each, refused, tagged, unique};

fn risk(probability: &str, tag: &str) -> Value {
    let number: Value = serde_json::from_str(probability).unwrap();
    let resource = json!({ "resourceType": "RiskAssessment", "status": "final", "subject": { "reference": "Patient/x" },
        "prediction": [{ "probabilityDecimal": number }] });
    tagged(resource, tag)
}

/// "100" is [99.5, 100.5), "100.00" is [99.995, 100.005), "1e2" is [95, 105).
#[test]
fn precision_is_a_range() {
    on_each(|server| {
        let tag = unique("number");
        let list = ["99.5", "100", "100.004", "100.49", "100.5", "104", "105", "120"];
        let ids = list.map(|number| created(server, &risk(number, &tag)));
        let find = |value: &str, places: &[usize]| {
            let wanted: Vec<&str> = places.iter().map(|place| ids[*place].as_str()).collect();
            finds(server, &format!("RiskAssessment?_tag={tag}&probability={value}"), &wanted);
        };
        find("100", &[0, 1, 2, 3]);
        find("eq100", &[0, 1, 2, 3]);
        find("100.00", &[1, 2]);
        find("100.000", &[1]);
        find("1e2", &[0, 1, 2, 3, 4, 5]);
        find("ne100", &[4, 5, 6, 7]);
        find("1.00e2", &[0, 1, 2, 3]);
        find("100.49,104", &[3, 5]);
    });
}

/// gt, lt, ge, le, sa, eb take the number as exact; ap is within a tenth.
#[test]
fn comparisons_are_exact() {
    on_each(|server| {
        let tag = unique("number");
        let list = ["0.1", "0.50", "0.9", "-3"];
        let ids = list.map(|number| created(server, &risk(number, &tag)));
        let find = |value: &str, places: &[usize]| {
            let wanted: Vec<&str> = places.iter().map(|place| ids[*place].as_str()).collect();
            finds(server, &format!("RiskAssessment?_tag={tag}&probability={value}"), &wanted);
        };
        find("gt0.5", &[2]);
        find("ge0.5", &[1, 2]);
        find("lt0.5", &[0, 3]);
        find("le0.5", &[0, 1, 3]);
        find("sa0.1", &[1, 2]);
        find("eb0.1", &[3]);
        find("ap0.95", &[2]);
        find("ap0.5", &[1]);
        find("-3", &[3]);
        find("gt-3.01&probability=lt0", &[3]);
        find("0.5", &[1]);
        for wrong in ["many", "1.2.3", "0x10", "gt", "1e", "--1"] {
            refused(&server.get(&format!("RiskAssessment?probability={wrong}")), 400);
        }
    });
}

/// A Range is one value from its low to its high end.
#[test]
fn a_range_is_one_value() {
    on_each(|server| {
        let tag = unique("number");
        let resource = json!({ "resourceType": "RiskAssessment", "status": "final", "subject": { "reference": "Patient/x" },
            "prediction": [{ "probabilityRange": { "low": { "value": 0.1 }, "high": { "value": 0.5 } } }] });
        let id = created(server, &tagged(resource, &tag));
        let find = |value: &str, ids: &[&str]| {
            finds(server, &format!("RiskAssessment?_tag={tag}&probability={value}"), ids);
        };
        find("gt0.3", &[&id]);
        find("lt0.3", &[&id]);
        find("ap0.3", &[&id]);
        find("sa0.3", &[]);
        find("sa0.05", &[&id]);
        find("eb0.3", &[]);
        find("eb0.6", &[&id]);
        find("0.5", &[]);
        find("ne0.5", &[&id]);
    });
}
