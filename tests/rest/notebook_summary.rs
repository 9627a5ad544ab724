//! Summaries of a citizen: a document that is valid and can be stored, and a page to print.

use serde_json::{Value, json};

use crate::notebook_support::{citizen, join, member, notebook, notebook_with, write};
use crate::support::{created, got, on_each};

fn area(server: &crate::common::Server) -> String {
    let id = citizen(server, "見本 <b>花子</b> & 'x'");
    let nurse = member(server, "見本 看護師");
    join(server, &id, &nurse);
    let entry = |entity: &str, body: Value| write(server, &nurse, &format!("citizens/{id}/{entity}"), &body);
    entry("diagnosis", json!({ "name": "大腿骨頚部骨折", "onset": "2026-04-01", "clinical_status": "active" }));
    entry("diagnosis", json!({ "name": "肺炎", "onset": "2020-04-01", "clinical_status": "resolved" }));
    entry("injection", json!({ "drug": "デノスマブ皮下注60mg", "given_at": "2026-10-20" }));
    entry(
        "measurement",
        json!({ "system": "http://loinc.org", "code": "83174-3", "name": "握力（右）", "value": 13.5, "unit": "kg", "ucum": "kg", "measured": "2026-05-01" }),
    );
    entry(
        "measurement",
        json!({ "system": "http://loinc.org", "code": "718-7", "name": "ヘモグロビン", "value": 11.2, "unit": "g/dL", "measured": "2026-05-01" }),
    );
    entry("adl", json!({ "name": "歩行", "text": "杖歩行", "assessed": "2026-05-01" }));
    entry("care_level", json!({ "level": "23", "starts": "2026-01-01" }));
    entry("plan", json!({ "title": "骨折後の計画", "starts": "2026-05-01" }));
    id
}

#[test]
fn a_summary_is_a_valid_document_and_can_be_stored() {
    on_each(|server| {
        let id = area(server);
        let document = got(server, &format!("Patient/{id}/$summary"));
        assert_eq!((&document["resourceType"], &document["type"]), (&json!("Bundle"), &json!("document")));
        let composition = &document["entry"][0]["resource"];
        let codes: Vec<&str> = composition["section"]
            .as_array()
            .unwrap()
            .iter()
            .map(|section| section["code"]["coding"][0]["code"].as_str().unwrap())
            .collect();
        assert_eq!(
            codes,
            ["11450-4", "10160-0", "48765-2", "11348-0", "30954-2", "47420-5", "18776-5", "85847-2", "care-level"],
            "{composition}"
        );
        assert_eq!(composition["section"][2]["emptyReason"]["coding"][0]["code"], "unavailable");
        let text = composition["section"][1]["text"]["div"].as_str().unwrap();
        assert!(text.contains("2027-04-21"), "the next dose: {text}");
        let checked = server.post("Bundle/$validate", &document);
        let wrong: Vec<&Value> =
            checked.body["issue"].as_array().unwrap().iter().filter(|issue| issue["severity"] == "error").collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        // What a section refers to is in the document.
        let inside: Vec<String> = document["entry"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| {
                format!(
                    "{}/{}",
                    entry["resource"]["resourceType"].as_str().unwrap(),
                    entry["resource"]["id"].as_str().unwrap_or_default()
                )
            })
            .collect();
        for section in composition["section"].as_array().unwrap() {
            for entry in section["entry"].as_array().into_iter().flatten() {
                assert!(inside.iter().any(|known| known == entry["reference"].as_str().unwrap()), "{entry}");
            }
        }
        let persist = json!({ "resourceType": "Parameters", "parameter": [{ "name": "persist", "valueBoolean": true }, { "name": "type", "valueCode": "drug" }] });
        let stored = server.post(&format!("Patient/{id}/$summary"), &persist);
        assert_eq!(stored.status, 201, "{}", stored.body);
        let read = got(server, &format!("Bundle/{}", stored.body["id"].as_str().unwrap()));
        let sections = read["entry"][0]["resource"]["section"].as_array().unwrap();
        assert_eq!(sections.len(), 2, "medicines and allergies: {read}");
        assert_eq!(server.get(&format!("Patient/{id}/$summary?persist=true")).status, 405);
        assert_eq!(server.get(&format!("Patient/{id}/$summary?type=x")).status, 400);
        assert_eq!(server.get("Patient/nobody/$summary").status, 404);
    });
}

#[test]
fn the_page_to_print_runs_nothing_and_escapes_all() {
    on_each(|server| {
        let id = area(server);
        created(
            server,
            &json!({ "resourceType": "AllergyIntolerance", "patient": { "reference": format!("Patient/{id}") }, "code": { "text": "<script>alert(1)</script>" } }),
        );
        let answer = notebook(server, "", "GET", &format!("citizens/{id}/summary.html"), None);
        let page = String::from_utf8_lossy(&answer.bytes).into_owned();
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/html; charset=utf-8"), "{page}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-"));
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(
            page.contains("医療・介護サマリー / Medical and care summary") && page.contains("2027-04-21"),
            "{page}"
        );
        let english = notebook_with(
            server,
            "",
            "GET",
            &format!("citizens/{id}/summary.html?type=drug"),
            &[("Accept-Language", "en")],
            None,
        );
        let page = String::from_utf8_lossy(&english.bytes).into_owned();
        assert!(page.contains("<h1>Medication summary</h1>") && !page.contains("お薬"), "{page}");
    });
}
