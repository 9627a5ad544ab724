//! `Observation/$stats` (FHIR R4 observation-operation-stats.html).

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{got, observation, on_each, patient, refused, stored, unique};

fn weights(server: &Server) -> String {
    let name = unique("stats");
    stored(server, &patient(json!({ "id": name })));
    let put = |id: &str, more: Value| {
        let base = observation(json!({
            "id": format!("{name}-{id}"), "subject": { "reference": format!("Patient/{name}") },
            "code": { "coding": [{ "system": "http://loinc.org", "code": "29463-7" }] }
        }));
        stored(server, &crate::support::with(base, more));
    };
    let quantity = |value: f64, code: &str| json!({ "value": value, "unit": code, "system": "http://unitsofmeasure.org", "code": code });
    put("a", json!({ "effectiveDateTime": "2025-07-01", "valueQuantity": quantity(40.5, "kg") }));
    put("b", json!({ "effectiveDateTime": "2025-07-02", "valueQuantity": quantity(41500.0, "g") }));
    put("c", json!({ "effectiveDateTime": "2025-07-03", "valueQuantity": quantity(43.0, "kg") }));
    put("d", json!({ "effectiveDateTime": "2025-07-04", "valueQuantity": quantity(1.0, "cm") }));
    put("e", json!({ "effectiveDateTime": "2025-07-05", "valueString": "測れない" }));
    put(
        "f",
        json!({ "effectiveDateTime": "2025-07-06", "status": "entered-in-error", "valueQuantity": quantity(400.0, "kg") }),
    );
    put("g", json!({ "effectiveDateTime": "2024-01-01", "valueQuantity": quantity(60.0, "kg") }));
    name
}

fn ask(server: &Server, name: &str, more: Value) -> Value {
    let mut list = vec![
        json!({ "name": "subject", "valueUri": format!("Patient/{name}") }),
        json!({ "name": "coding", "valueCoding": { "system": "http://loinc.org", "code": "29463-7" } }),
        json!({ "name": "period", "valuePeriod": { "start": "2025-07-01", "end": "2025-07-31" } }),
    ];
    list.extend(more.as_array().unwrap().iter().cloned());
    let answer = server.post("Observation/$stats", &json!({ "resourceType": "Parameters", "parameter": list }));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// An Observation for the code with a component a statistic; units are converted, what is no quantity only counted.
#[test]
fn answers_an_observation_for_each_code() {
    on_each(|server| {
        let name = weights(server);
        let wanted: Vec<Value> = ["average", "minimum", "maximum", "count", "total-count"]
            .iter()
            .map(|code| json!({ "name": "statistic", "valueCode": code }))
            .collect();
        let answer = ask(server, &name, json!(wanted));
        let observation = &answer["parameter"][0]["resource"];
        assert_eq!(
            (&observation["status"], &observation["effectivePeriod"]["start"]),
            (&json!("final"), &json!("2025-07-01"))
        );
        assert_eq!(observation["subject"]["reference"], json!(format!("Patient/{name}")));
        let values: Vec<(&str, f64)> = observation["component"]
            .as_array()
            .unwrap()
            .iter()
            .map(|component| {
                (
                    component["code"]["coding"][0]["code"].as_str().unwrap(),
                    component["valueQuantity"]["value"].as_f64().unwrap(),
                )
            })
            .collect();
        assert_eq!(&values[1..], [("minimum", 40.5), ("maximum", 43.0), ("count", 3.0), ("total-count", 5.0)]);
        assert!((values[0].1 - 125.0 / 3.0).abs() < 1e-9);
        assert_eq!(observation["component"][1]["valueQuantity"]["code"], "kg");
        let with_sources = ask(
            server,
            &name,
            json!([{ "name": "statistic", "valueCode": "count" }, { "name": "include", "valueBoolean": true }, { "name": "limit", "valuePositiveInt": 2 }]),
        );
        assert_eq!(with_sources["parameter"].as_array().unwrap().len(), 3);
        assert_eq!(with_sources["parameter"][1]["name"], "source");
    });
}

/// By GET with the hours that count; nothing there is no number.
#[test]
fn nothing_there_has_no_average() {
    on_each(|server| {
        let name = weights(server);
        let answer = got(
            server,
            &format!(
                "Observation/$stats?subject=Patient/{name}&system=http://loinc.org&code=29463-7&duration=1&statistic=average&statistic=count"
            ),
        );
        let components = &answer["parameter"][0]["resource"]["component"];
        assert_eq!(components[0]["dataAbsentReason"]["coding"][0]["code"], "not-a-number");
        assert_eq!(components[1]["valueQuantity"]["value"], 0);
    });
}

#[test]
fn wrong_input_is_refused() {
    on_each(|server| {
        let right = "subject=Patient/x&system=http://loinc.org&code=29463-7&duration=1&statistic=count";
        got(server, &format!("Observation/$stats?{right}"));
        for left_out in
            ["subject=Patient/x", "system=http://loinc.org", "code=29463-7", "duration=1", "statistic=count"]
        {
            refused(&server.get(&format!("Observation/$stats?{}", right.replace(left_out, ""))), 400);
        }
        for more in ["statistic=kurtosis", "duration=2", "nonsense=1", "period=2025"] {
            refused(&server.get(&format!("Observation/$stats?{right}&{more}")), 400);
        }
        refused(&server.get(&format!("Observation/$stats?{}", right.replace("duration=1", "duration=-1"))), 400);
    });
}
