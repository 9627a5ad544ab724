//! Reads of every kind as entries of a batch or transaction (FHIR R4 http.html#transaction).

use serde_json::{Value, json};

use crate::support::{
    bundle, created, entries, entry, got, ids_of, link, observation, on_each, patient, post_form, stored, tagged,
    unique, with,
};

/// The resources that answer the URLs, one after another, in both kinds of bundle.
fn answered(server: &crate::common::Server, kind: &str, urls: &[String]) -> Vec<Value> {
    let asked = urls.iter().map(|url| entry("GET", url, Value::Null)).collect();
    let answer = server.post("", &bundle(kind, asked));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let list = entries(&answer.body);
    assert_eq!(list.len(), urls.len());
    list.iter()
        .zip(urls)
        .map(|(entry, url)| {
            assert_eq!(entry["response"]["status"], "200 OK", "{kind} {url}: {entry}");
            entry["resource"].clone()
        })
        .collect()
}

/// Searches at every place: a type, across types, compartments, along references.
#[test]
fn searches_of_every_place() {
    on_each(|server| {
        let tag = unique("reads");
        let person = created(server, &tagged(patient(json!({})), &tag));
        let about = json!({ "subject": { "reference": format!("Patient/{person}") } });
        let seen = created(server, &tagged(observation(about), &tag));
        let urls = [
            format!("Observation?subject:Patient._tag={tag}"),
            format!("Patient?_has:Observation:patient:_tag={tag}"),
            format!("?_tag={tag}"),
            format!("?_type=Observation&_tag={tag}"),
            format!("Patient/{person}/Observation"),
            format!("Patient/{person}/*?_tag={tag}"),
            format!("{}/Patient?_tag={tag}", server.base),
        ];
        let wanted =
            [vec![&seen], vec![&person], vec![&person, &seen], vec![&seen], vec![&seen], vec![&seen], vec![&person]];
        for kind in ["batch", "transaction"] {
            for (found, wanted) in answered(server, kind, &urls).iter().zip(&wanted) {
                assert_eq!(ids_of(found, "match").iter().collect::<Vec<_>>(), *wanted, "{kind} {found}");
                let own = link(server, found, "self").unwrap();
                assert_eq!(got(server, &own)["total"], found["total"], "{own}");
            }
        }
    });
}

/// POST …/_search, with parameters in the URL, in Parameters, in a form.
#[test]
fn searches_by_post() {
    on_each(|server| {
        let tag = unique("reads");
        let person = created(server, &tagged(patient(json!({ "gender": "female" })), &tag));
        created(server, &tagged(patient(json!({ "gender": "male" })), &tag));
        let parameters =
            json!({ "resourceType": "Parameters", "parameter": [{ "name": "gender", "valueString": "female" }] });
        // gender=female
        let form = json!({ "resourceType": "Binary", "contentType": "application/x-www-form-urlencoded", "data": "Z2VuZGVyPWZlbWFsZQ==" });
        let path = format!("Patient/_search?_tag={tag}");
        let asked = vec![
            entry("POST", &format!("{path}&gender=female"), Value::Null),
            entry("POST", &path, parameters),
            entry("POST", &path, form),
            entry("POST", &format!("_search?_tag={tag}&_type=Patient"), Value::Null),
            entry("POST", &path, patient(json!({}))),
        ];
        let answer = server.post("", &bundle("batch", asked)).body;
        let list = entries(&answer);
        for entry in &list[..3] {
            assert_eq!(ids_of(&entry["resource"], "match"), [person.as_str()], "{entry}");
        }
        assert_eq!(list[3]["resource"]["total"], 2);
        assert_eq!(list[4]["response"]["status"], "400 Bad Request");
    });
}

/// Histories, past versions and the CapabilityStatement.
#[test]
fn histories_versions_and_metadata() {
    on_each(|server| {
        let id = unique("reads");
        for family in ["a", "b"] {
            stored(server, &patient(json!({ "id": id, "name": [{ "family": family }] })));
        }
        let urls = [
            format!("Patient/{id}/_history"),
            format!("Patient/{id}/_history?_count=1"),
            format!("Patient/{id}/_history/1"),
            "Patient/_history?_count=1".to_owned(),
            "_history?_count=1".to_owned(),
            "metadata".to_owned(),
        ];
        for kind in ["batch", "transaction"] {
            let found = answered(server, kind, &urls);
            assert_eq!((&found[0]["type"], entries(&found[0]).len()), (&json!("history"), 2), "{kind}");
            assert_eq!((&found[1]["total"], entries(&found[1]).len()), (&json!(2), 1));
            let next = link(server, &found[1], "next").unwrap();
            assert_eq!(entries(&got(server, &next))[0]["resource"]["meta"]["versionId"], "1");
            assert_eq!(found[2]["name"][0]["family"], "a");
            assert_eq!(entries(&found[3]).len(), 1);
            assert_eq!(found[4]["type"], "history");
            assert_eq!(found[5]["resourceType"], "CapabilityStatement");
        }
        // A transaction sees what it writes.
        let update = patient(json!({ "id": id, "name": [{ "family": "c" }] }));
        let asked = vec![
            entry("GET", &format!("Patient/{id}/_history"), Value::Null),
            entry("GET", &format!("Patient/{id}/_history/2"), Value::Null),
            entry("PUT", &format!("Patient/{id}"), update),
        ];
        let answer = server.post("", &bundle("transaction", asked)).body;
        assert_eq!(entries(&answer)[0]["resource"]["total"], 3, "{answer}");
        assert_eq!(entries(&answer)[1]["resource"]["name"][0]["family"], "b");
    });
}

/// Conditions of reads, and what is wrong, entry by entry.
#[test]
fn conditions_and_mistakes_are_those_of_one_entry() {
    on_each(|server| {
        let id = created(server, &patient(json!({})));
        let path = format!("Patient/{id}");
        let conditional = |name: &str, value: &str| {
            let asked = entry("GET", &path, Value::Null);
            let request = with(asked["request"].clone(), json!({ name: value }));
            with(asked, json!({ "request": request }))
        };
        let asked = vec![
            conditional("ifNoneMatch", "W/\"1\""),
            conditional("ifNoneMatch", "W/\"2\""),
            conditional("ifModifiedSince", "2999-01-01T00:00:00Z"),
            conditional("ifModifiedSince", "2001-01-01T00:00:00Z"),
            entry("GET", "Patient/never-there/_history", Value::Null),
            entry("GET", &format!("{path}/_history?nonsense=1"), Value::Null),
            entry("GET", &format!("{path}/Medication"), Value::Null),
            entry("GET", "?name=x", Value::Null),
            entry("GET", "_search?_tag=x", Value::Null),
        ];
        let answer = server.post("", &bundle("batch", asked)).body;
        let statuses: Vec<&str> =
            entries(&answer).iter().map(|entry| &entry["response"]["status"].as_str().unwrap()[..3]).collect();
        assert_eq!(statuses, ["304", "200", "304", "200", "404", "400", "404", "400", "501"], "{answer}");
    });
}

/// http.html#search: POST …/_search at every level, and HEAD.
#[test]
fn post_and_head_search_every_level() {
    on_each(|server| {
        let tag = unique("reads");
        let person = created(server, &tagged(patient(json!({})), &tag));
        let about = json!({ "subject": { "reference": format!("Patient/{person}") } });
        let seen = created(server, &tagged(observation(about), &tag));
        for (path, wanted) in [
            ("_search".to_owned(), vec![&person, &seen]),
            ("Patient/_search".to_owned(), vec![&person]),
            (format!("Patient/{person}/Observation/_search"), vec![&seen]),
            (format!("Patient/{person}/*/_search?_type=Observation"), vec![&seen]),
        ] {
            let answer = post_form(server, &path, &format!("_tag={tag}"));
            assert_eq!(ids_of(&answer.body, "match").iter().collect::<Vec<_>>(), wanted, "{path}");
            let place = path.split("/_search").next().unwrap_or_default().trim_end_matches("_search");
            assert!(link(server, &answer.body, "self").unwrap().starts_with(place), "{path}");
        }
        for path in [format!("?_tag={tag}"), format!("Patient?_tag={tag}"), format!("Patient/{person}/Observation")] {
            let head = server.send("HEAD", &path, &[], None);
            assert_eq!((head.status, head.bytes.len()), (200, 0), "{path}");
            assert!(head.header("content-type").starts_with("application/fhir+json"));
        }
    });
}
