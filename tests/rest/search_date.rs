//! Date parameters (FHIR R4 search.html#date, #prefix): values are spans of time.

use serde_json::{Value, json};

use crate::support::{created, finds, lists, observation, on_each, patient, refused, stored, tagged, unique};

/// `eq`: the search value contains the resource's value, at every precision.
#[test]
fn eq_contains_the_value() {
    on_each(|server| {
        let tag = unique("date");
        let id = created(server, &tagged(patient(json!({ "birthDate": "1941-02-03" })), &tag));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Patient?_tag={tag}&birthdate={query}"), ids);
        for value in ["1941-02-03", "eq1941-02-03", "1941-02", "1941", "1940,1941"] {
            find(value, &[&id]);
        }
        for value in ["1941-02-04", "1941-03", "1942", "1941-02-03T10:00:00%2B09:00"] {
            find(value, &[]);
        }
    });
}

/// The table of search.html#prefix, on a day.
#[test]
fn prefixes_compare_spans() {
    on_each(|server| {
        let tag = unique("date");
        let id = created(server, &tagged(patient(json!({ "birthDate": "1941-02-03" })), &tag));
        let holds = |value: &str| finds(server, &format!("Patient?_tag={tag}&birthdate={value}"), &[&id]);
        let fails = |value: &str| finds(server, &format!("Patient?_tag={tag}&birthdate={value}"), &[]);
        [
            "gt1941-02-02",
            "ge1941-02-03",
            "ge1941-02-02",
            "lt1941-02-04",
            "le1941-02-03",
            "ne1941-02-04",
            "sa1941-02-02",
            "eb1941-02-04",
            "ge1941",
            "le1941",
            "ge1941-02",
            "ap1941-02-03",
            "ne1941-02-03T10:00:00%2B09:00",
            "ge1941-01-01&birthdate=lt1942-01-01",
        ]
        .into_iter()
        .for_each(holds);
        [
            "gt1941-02-03",
            "lt1941-02-03",
            "ne1941-02-03",
            "sa1941-02-03",
            "eb1941-02-03",
            "ge1941-02-04",
            "le1941-02-02",
            "gt1941",
            "lt1941",
            "ne1941",
            "ap1800",
            "sa1941-02",
            "eb1941-02",
        ]
        .into_iter()
        .for_each(fails);
    });
}

/// Periods, open ones as well: search.html#date "missing lower boundaries are less than any date".
#[test]
fn periods_are_spans() {
    on_each(|server| {
        let tag = unique("date");
        let encounter = |period: Value| {
            let base = json!({ "resourceType": "Encounter", "status": "planned", "class": { "code": "IMP" }, "period": period });
            created(server, &tagged(base, &tag))
        };
        let closed = encounter(json!({ "start": "2024-05-10", "end": "2024-05-20" }));
        let open = encounter(json!({ "start": "2024-05-10" }));
        let ended = encounter(json!({ "end": "2024-05-20" }));
        let find = |value: &str, ids: &[&str]| finds(server, &format!("Encounter?_tag={tag}&date={value}"), ids);
        find("2024-05", &[&closed]);
        find("ge2024-06", &[&open]);
        find("le2024-04", &[&ended]);
        find("gt2024-05-15", &[&closed, &open, &ended]);
        find("sa2024-05-09", &[&closed, &open]);
        find("eb2024-05-21", &[&closed, &ended]);
        find("sa2024-05-10", &[]);
    });
}

/// Times are compared as instants, whatever their offset.
#[test]
fn offsets_do_not_matter() {
    on_each(|server| {
        let tag = unique("date");
        let id =
            created(server, &tagged(observation(json!({ "effectiveDateTime": "2024-05-31T23:30:00+09:00" })), &tag));
        let find = |value: &str, ids: &[&str]| finds(server, &format!("Observation?_tag={tag}&date={value}"), ids);
        find("2024-05-31T23:30:00%2B09:00", &[&id]);
        find("2024-05-31T23:30:00+09:00", &[&id]);
        find("2024-05-31T14:30:00Z", &[&id]);
        find("2024-05-31T14:30Z", &[&id]);
        find("2024-05-31T23:30:00Z", &[]);
        find("2024-05-31", &[&id]);
        find("gt2024-05-31T14:29:59Z", &[&id]);
        find("lt2024-05-31T14:30:00Z", &[]);
        // A date without a zone is a day in Japan here.
        let early = created(server, &tagged(observation(json!({ "effectiveInstant": "2024-06-30T15:30:00Z" })), &tag));
        find("2024-07-01", &[&early]);
    });
}

/// What is no date is refused.
#[test]
fn what_is_no_date_is_refused() {
    on_each(|server| {
        for value in ["yesterday", "1941-13", "1941-02-30", "gt", "xx1941", "19410203", "1941-02-03T25:00:00Z"] {
            refused(&server.get(&format!("Patient?birthdate={value}")), 400);
        }
    });
}

/// search.html#lastUpdated, with prefixes.
#[test]
fn last_updated_is_a_date() {
    on_each(|server| {
        let tag = unique("date");
        let body = stored(server, &tagged(patient(json!({ "id": tag })), &tag));
        let time = body["meta"]["lastUpdated"].as_str().unwrap().replace('+', "%2B");
        let find = |value: &str, ids: &[&str]| finds(server, &format!("Patient?_tag={tag}&_lastUpdated={value}"), ids);
        find(&time, &[&tag]);
        find(&format!("ge{time}"), &[&tag]);
        find(&format!("gt{time}"), &[]);
        find("gt2001-01-01", &[&tag]);
        find("lt2001-01-01", &[]);
        find("gt2001-01-01&_lastUpdated=lt2999", &[&tag]);
        lists(server, &format!("Patient?_tag={tag}&_lastUpdated=ap{time}"), &[&tag]);
        refused(&server.get("Patient?_lastUpdated=now"), 400);
    });
}
