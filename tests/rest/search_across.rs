//! Searches across resource types (FHIR R4 http.html#search, search.html#all).

use serde_json::json;

use crate::support::{
    created, entries, finds, ids_of, link, observation, on_each, on_each_alone, pages, patient, post_form, refused,
    stored, tagged, unique, with,
};

/// Parameters of `Resource` are those of every type.
#[test]
fn takes_the_parameters_of_every_type() {
    on_each(|server| {
        let tag = unique("across");
        let person = created(server, &tagged(patient(json!({})), &tag));
        let seen = created(
            server,
            &tagged(observation(json!({ "subject": { "reference": format!("Patient/{person}") } })), &tag),
        );
        let group = created(
            server,
            &tagged(with(json!({ "resourceType": "Group", "type": "person", "actual": true }), json!({})), &tag),
        );
        let profiled = json!({ "profile": [format!("http://x/{tag}")], "source": format!("urn:{tag}"), "security": [{ "code": tag }] });
        let basic = created(server, &json!({ "resourceType": "Basic", "code": { "text": "x" }, "meta": profiled }));
        finds(server, &format!("?_tag={tag}"), &[&person, &seen, &group]);
        finds(server, &format!("?_tag=urn:example:test|{tag}&_type=Patient,Group"), &[&person, &group]);
        finds(server, &format!("?_type=Observation&_tag={tag}"), &[&seen]);
        finds(server, &format!("?_type=Basic&_tag={tag}"), &[]);
        finds(server, &format!("?_id={person},{seen}"), &[&person, &seen]);
        finds(server, &format!("?_id={person},{seen}&_type=Patient"), &[&person]);
        finds(server, &format!("?_profile=http://x/{tag}"), &[&basic]);
        finds(server, &format!("?_source=urn:{tag}&_security={tag}"), &[&basic]);
        finds(server, &format!("?_tag={tag}&_lastUpdated=gt2000"), &[&person, &seen, &group]);
        finds(server, &format!("?_tag:not={tag}&_id={person},{basic}"), &[&basic]);
        finds(server, &format!("?_tag:missing=true&_id={person},{basic}"), &[&basic]);
        finds(server, &format!("?_tag:missing=false&_id={person},{basic}"), &[&person]);
        let list = json!({ "resourceType": "List", "id": tag, "status": "current", "mode": "working", "entry": [
            { "item": { "reference": format!("Patient/{person}") } }, { "item": { "reference": format!("Group/{group}") } }
        ] });
        stored(server, &list);
        finds(server, &format!("?_list={tag}"), &[&person, &group]);
        let answer = post_form(server, "_search", &format!("_type=Patient&_tag={tag}"));
        assert_eq!((answer.status, ids_of(&answer.body, "match")), (200, vec![person]));
    });
}

/// Order, pages, includes and summaries are as in a search on one type.
#[test]
fn is_sorted_and_paged() {
    on_each(|server| {
        let tag = unique("across");
        let person = created(server, &tagged(patient(json!({})), &tag));
        let subject = json!({ "subject": { "reference": format!("Patient/{person}") } });
        let seen = created(server, &tagged(observation(subject), &tag));
        for (path, order) in [
            (format!("?_tag={tag}&_count=1"), [&person, &seen]),
            (format!("?_tag={tag}&_sort=-_lastUpdated&_count=1"), [&seen, &person]),
        ] {
            let found = pages(server, &path);
            let ids: Vec<String> = found.iter().flat_map(|page| ids_of(page, "match")).collect();
            assert_eq!(ids.iter().collect::<Vec<_>>(), order, "{path}");
            assert_eq!(link(server, &found[0], "self").unwrap(), path);
        }
        let with_target = server.get(&format!("?_tag={tag}&_type=Observation&_include=Observation:subject"));
        assert_eq!(ids_of(&with_target.body, "include"), [person]);
        let summary = server.get(&format!("?_tag={tag}&_summary=count")).body;
        assert_eq!((summary["total"].as_i64(), entries(&summary).len()), (Some(2), 0));
    });
}

/// Without parameters: everything that is here, and nothing that was deleted or only referred to.
#[test]
fn finds_what_is_here() {
    on_each_alone(|server| {
        let person = created(server, &patient(json!({})));
        let gone = created(server, &patient(json!({})));
        server.delete(&format!("Patient/{gone}"));
        let seen = created(server, &observation(json!({ "subject": { "reference": "Patient/later" } })));
        finds(server, "", &[&person, &seen]);
        finds(server, "?_type=Observation", &[&seen]);
        finds(server, "?_lastUpdated=gt2000&_type=Observation,Patient", &[&person, &seen]);
    });
}

/// What only some types have is refused, not ignored.
#[test]
fn says_what_is_wrong() {
    on_each(|server| {
        for query in [
            "name=x",
            "patient.name=x",
            "_has:Observation:patient:code=x",
            "_sort=date",
            "_filter=x",
            "_tag:nonsense=x",
        ] {
            refused(&server.get(&format!("?{query}")), 400);
        }
        assert!(refused(&server.get("?_type=Nonsense"), 400).contains("Nonsense"));
        refused(&server.get("?_type=Patient&_type=Observation"), 400);
        refused(&server.get("?_lastUpdated=soon"), 400);
        refused(&server.send("PUT", "", &[], None), 405);
        assert!(refused(&server.get("_search"), 405).contains("POST"));
    });
}
