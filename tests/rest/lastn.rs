//! `Observation/$lastn` (FHIR R4 observation-operation-lastn.html).

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{got, ids_of, observation, on_each, patient, refused, stored, unique};

fn put(server: &Server, name: &str, id: &str, code: Value, when: &str) {
    stored(
        server,
        &observation(json!({
            "id": format!("{name}-{id}"), "subject": { "reference": format!("Patient/{name}") }, "code": code,
            "effectiveDateTime": when,
            "category": [{ "coding": [{ "code": "vital-signs" }] }]
        })),
    );
}

fn code(code: &str) -> Value {
    json!({ "coding": [{ "system": "http://loinc.org", "code": code }] })
}

/// Ids without what is common to them, in the order of the answer.
fn last(server: &Server, name: &str, query: &str) -> Vec<String> {
    let bundle = got(server, &format!("Observation/$lastn?patient=Patient/{name}&{query}"));
    assert_eq!(
        (&bundle["type"], bundle["total"].as_u64()),
        (&json!("searchset"), Some(ids_of(&bundle, "match").len() as u64))
    );
    ids_of(&bundle, "match").into_iter().map(|id| id.replacen(&format!("{name}-"), "", 1)).collect()
}

fn series(server: &Server) -> String {
    let name = unique("lastn");
    stored(server, &patient(json!({ "id": name })));
    for day in 1..=4 {
        put(server, &name, &format!("w{day}"), code("29463-7"), &format!("2025-07-0{day}"));
        put(server, &name, &format!("h{day}"), code("8302-2"), &format!("2025-06-0{day}"));
    }
    put(server, &name, "text", json!({ "text": "ふらつき" }), "2025-05-01");
    name
}

/// "only the most recent Observation in each group", "Sorted from most recent to the oldest".
#[test]
fn gives_the_latest_of_each_code() {
    on_each(|server| {
        let name = series(server);
        assert_eq!(last(server, &name, "category=vital-signs"), ["w4", "h4", "text"]);
        assert_eq!(last(server, &name, "category=vital-signs&max=2"), ["w4", "w3", "h4", "h3", "text"]);
        assert_eq!(last(server, &name, "code=8302-2&max=3"), ["h4", "h3", "h2"]);
        assert_eq!(last(server, &name, "code=8302-2&date=le2025-06-02"), ["h2"]);
        assert_eq!(last(server, &name, "code=none"), [""; 0]);
    });
}

/// "In case of a tie … both will be returned"; translations make codes equal, transitively.
#[test]
fn ties_and_translations() {
    on_each(|server| {
        let name = series(server);
        put(server, &name, "same", code("29463-7"), "2025-07-04");
        let mut both = last(server, &name, "code=29463-7");
        both.sort();
        assert_eq!(both, ["same", "w4"]);
        let translated = json!({ "coding": [{ "system": "http://loinc.org", "code": "29463-7" }, { "system": "urn:own", "code": "weight" }] });
        put(server, &name, "own", translated, "2025-07-05");
        put(server, &name, "later", json!({ "coding": [{ "system": "urn:own", "code": "weight" }] }), "2025-07-06");
        assert_eq!(last(server, &name, "category=vital-signs"), ["later", "h4", "text"]);
    });
}

/// It needs a subject, and a category or code.
#[test]
fn wrong_input_is_refused() {
    on_each(|server| {
        for wrong in [
            "",
            "?patient=x",
            "?category=vital-signs",
            "?patient=x&code=y&max=0",
            "?patient=x&code=y&max=a",
            "?patient=x&code=y&nonsense=1",
            "?patient=x&code=y&_count=1",
            "?patient=x&code=y&_include=*",
        ] {
            refused(&server.get(&format!("Observation/$lastn{wrong}")), 400);
        }
    });
}
