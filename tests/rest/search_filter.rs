//! `_filter` (FHIR R4 search_filter.html).

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{
    bundle, created, entries, entry, finds, got, ids_of, link, observation, on_each, patient, post_form, refused,
    stored, tagged, unique, with,
};

/// Percent-encodes a filter.
fn encoded(filter: &str) -> String {
    filter.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The filter must find just these ids among the resources with the tag.
fn filters(server: &Server, kind: &str, tag: &str, filter: &str, ids: &[&str]) {
    finds(server, &format!("{kind}?_tag={tag}&_filter={}", encoded(filter)), ids);
}

fn put(server: &Server, tag: &str, name: &str, resource: Value) -> String {
    let id = format!("{tag}{name}");
    stored(server, &with(tagged(resource, tag), json!({ "id": id })));
    id
}

struct People {
    tag: String,
    taro: String,
    hanako: String,
    nobody: String,
}

fn people(server: &Server) -> People {
    let tag = unique("filter");
    let taro = put(
        server,
        &tag,
        "taro",
        patient(json!({
            "name": [{ "family": "山田", "given": ["太郎"] }], "birthDate": "1941-02-03", "gender": "male",
            "identifier": [{ "system": "urn:example:a", "value": "A1" }]
        })),
    );
    let hanako = put(
        server,
        &tag,
        "hanako",
        patient(json!({
            "name": [{ "family": "Petersen", "given": ["花子"] }], "birthDate": "1950-10", "gender": "female",
            "identifier": [{ "system": "urn:example:b", "value": "A1" }, { "system": "urn:example:a", "value": "B2" }]
        })),
    );
    let nobody = put(server, &tag, "nobody", patient(json!({})));
    People { tag, taro, hanako, nobody }
}

/// search_filter.html#ops: strings.
#[test]
fn compares_strings() {
    on_each(|server| {
        let People { tag, taro, hanako, nobody } = people(server);
        let is = |filter: &str, ids: &[&str]| filters(server, "Patient", &tag, filter, ids);
        is("family eq \"petersen\"", &[&hanako]);
        is("family eq Peter", &[]);
        is("family ne petersen", &[&taro]);
        is("name co \"TERS\"", &[&hanako]);
        is("family sw 山", &[&taro]);
        is("family ew 田", &[&taro]);
        is("family ew SEN", &[&hanako]);
        is("family ew peter", &[]);
        is("family gt petersen", &[&taro]);
        is("family ge petersen", &[&taro, &hanako]);
        is("family lt q", &[&hanako]);
        is("family le petersen", &[&hanako]);
        is("family pr true", &[&taro, &hanako]);
        is("family pr false", &[&nobody]);
    });
}

/// search_filter.html#ops: tokens, with names of systems; `ne` is "an item in the set has an unequal value".
#[test]
fn compares_tokens() {
    on_each(|server| {
        let People { tag, taro, hanako, .. } = people(server);
        let is = |filter: &str, ids: &[&str]| filters(server, "Patient", &tag, filter, ids);
        is("gender eq MALE", &[&taro]);
        is("gender ne male", &[&hanako]);
        is("identifier eq A1", &[&taro, &hanako]);
        is("identifier eq urn:example:a|A1", &[&taro]);
        is("identifier ne urn:example:a|A1", &[&hanako]);
        is("identifier ne urn:example:never-seen|A1", &[&taro, &hanako]);
        let observed = put(server, &tag, "o", observation(json!({})));
        filters(server, "Observation", &tag, "code eq loinc|8302-2", &[&observed]);
        filters(server, "Observation", &tag, "code eq snomed|8302-2", &[]);
        is(&format!("_id eq {taro}"), &[&taro]);
        is(&format!("_id ne {taro} and gender pr true"), &[&hanako]);
    });
}

/// search_filter.html#ops: `in`, "one of the concepts is in the nominated value set"; `ni`, "none of the concepts" is.
#[test]
fn compares_with_value_sets() {
    on_each(|server| {
        let tag = unique("filter");
        let speaks = |name: &str, codes: &[&str]| {
            let language =
                |code: &&str| json!({ "language": { "coding": [{ "system": "urn:ietf:bcp:47", "code": code }] } });
            let languages: Vec<Value> = codes.iter().map(language).collect();
            put(server, &tag, name, patient(json!({ "communication": languages })))
        };
        let japanese = speaks("ja", &["ja"]);
        let both = speaks("both", &["ja", "x-own"]);
        let other = speaks("other", &["x-own"]);
        let nothing = put(server, &tag, "nothing", patient(json!({})));
        let is = |filter: &str, ids: &[&str]| filters(server, "Patient", &tag, filter, ids);
        is("language in http://hl7.org/fhir/ValueSet/languages", &[&japanese, &both]);
        is("language ni http://hl7.org/fhir/ValueSet/languages", &[&other, &nothing]);
    });
}

/// search_filter.html#ops: dates, by the rules of the prefixes; `po` overlaps, `co` includes.
#[test]
fn compares_dates() {
    on_each(|server| {
        let People { tag, taro, hanako, nobody } = people(server);
        let is = |filter: &str, ids: &[&str]| filters(server, "Patient", &tag, filter, ids);
        is("birthdate eq 1950-10", &[&hanako]);
        is("birthdate eq 1950-10-10", &[]);
        is("birthdate ne 1950", &[&taro]);
        is("birthdate ge 1950-10-01", &[&hanako]);
        is("birthdate lt 1950", &[&taro]);
        is("birthdate co 1950-10-10", &[&hanako]);
        is("birthdate co 1950", &[]);
        is("birthdate po 1950-10-31", &[&hanako]);
        is("birthdate po 1941", &[&taro]);
        is("birthdate sa 1950-09-30", &[&hanako]);
        is("birthdate eb 1950", &[&taro]);
        is("_lastUpdated gt 2001-01-01", &[&taro, &hanako, &nobody]);
        is("_lastUpdated lt 2001-01-01", &[]);
    });
}

/// search_filter.html#ops: numbers and quantities.
#[test]
fn compares_quantities_and_composites() {
    on_each(|server| {
        let tag = unique("filter");
        let value = |value: f64| json!({ "valueQuantity": { "value": value, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg" } });
        let light = put(server, &tag, "light", observation(value(18.5)));
        let heavy = put(server, &tag, "heavy", observation(value(80.25)));
        let is = |filter: &str, ids: &[&str]| filters(server, "Observation", &tag, filter, ids);
        is("value-quantity gt 20", &[&heavy]);
        is("value-quantity eq 18.5|http://unitsofmeasure.org|kg", &[&light]);
        is("value-quantity lt 100||g", &[]);
        is("value-quantity ap 80", &[&heavy]);
        is("code-value-quantity eq http://loinc.org|8302-2$18.5", &[&light]);
        is("value-quantity pr true and not (value-quantity ge 80)", &[&light]);
    });
}

/// search_filter.html: logic is read left to right; parentheses say otherwise.
#[test]
fn joins_by_and_or_and_not() {
    on_each(|server| {
        let People { tag, taro, hanako, nobody } = people(server);
        let is = |filter: &str, ids: &[&str]| filters(server, "Patient", &tag, filter, ids);
        is("gender eq male or gender eq female and birthdate lt 1945", &[&taro]);
        is("gender eq male or (gender eq female and birthdate lt 1945)", &[&taro]);
        is("gender eq female or gender eq male and family eq petersen", &[&hanako]);
        is("gender eq male or (gender eq female and family eq petersen)", &[&taro, &hanako]);
        is("not (gender eq male)", &[&hanako, &nobody]);
        is("not (gender eq male or family pr true) or family eq 山田", &[&taro, &nobody]);
        is("not (not (gender eq male))", &[&taro]);
        // Several filters, and filters with parameters, all count.
        let two =
            format!("Patient?_tag={tag}&_filter={}&_filter={}", encoded("gender pr true"), encoded("family sw 山"));
        finds(server, &two, &[&taro]);
        finds(server, &format!("Patient?_tag={tag}&_filter={}&gender=female", encoded("family pr true")), &[&hanako]);
    });
}

/// search_filter.html: paths along references, with filters on what is on the way.
#[test]
fn follows_references() {
    on_each(|server| {
        let People { tag, taro, hanako, .. } = people(server);
        let about = |name: &str, id: &str| {
            put(server, &tag, name, observation(json!({ "subject": { "reference": format!("Patient/{id}") } })))
        };
        let (first, second) = (about("first", &taro), about("second", &hanako));
        let is = |filter: &str, ids: &[&str]| filters(server, "Observation", &tag, filter, ids);
        is("subject.name co 山", &[&first]);
        is("subject:Patient.gender eq female", &[&second]);
        is(&format!("subject re Patient/{taro}"), &[&first]);
        is(&format!("subject re {}/Patient/{taro}", server.base), &[]);
        // Both about the same patient.
        is("subject[gender eq female].family eq petersen", &[&second]);
        is("subject[gender eq male].family eq petersen", &[]);
        is("subject.gender eq male or subject.family eq petersen", &[&first, &second]);
        is("patient[not (gender eq male)].birthdate lt 1960", &[&second]);
        filters(server, "Patient", &tag, "_has:Observation:patient:code eq loinc|8302-2 and gender eq male", &[&taro]);
        // At the end of a chain and of _has.
        let chained = format!(
            "Observation?_tag={tag}&subject:Patient._filter={}",
            encoded("gender eq male or birthdate gt 2000")
        );
        finds(server, &chained, &[&first]);
        let referred =
            format!("Patient?_tag={tag}&_has:Observation:patient:_filter={}", encoded("code eq loinc|8302-2"));
        finds(server, &referred, &[&taro, &hanako]);
    });
}

/// search_filter.html#params: names for two values of one element, where R4 has a composite for them.
#[test]
fn pairs_hold_for_one_element() {
    on_each(|server| {
        let tag = unique("filter");
        let trait_of = |code: &str, value: &str| {
            json!({ "code": { "coding": [{ "system": "urn:c", "code": code }] }, "exclude": false,
                    "valueCodeableConcept": { "coding": [{ "system": "urn:v", "code": value }] } })
        };
        let group = put(
            server,
            &tag,
            "g",
            json!({ "resourceType": "Group", "type": "person", "actual": true,
                    "characteristic": [trait_of("eyes", "blue"), trait_of("hair", "black")] }),
        );
        let is = |filter: &str, ids: &[&str]| filters(server, "Group", &tag, filter, ids);
        is("characteristic[code eq eyes].value eq blue", &[&group]);
        is("characteristic[code eq urn:c|eyes].value eq urn:v|black", &[]);
        let old = put(
            server,
            &tag,
            "old",
            json!({ "resourceType": "DocumentReference", "status": "superseded", "content": [{ "attachment": { "title": "x" } }] }),
        );
        let new = put(
            server,
            &tag,
            "new",
            json!({ "resourceType": "DocumentReference", "status": "current", "content": [{ "attachment": { "title": "x" } }],
                    "relatesTo": [{ "code": "replaces", "target": { "reference": format!("DocumentReference/{old}") } }] }),
        );
        let path = format!("relatesTo[code eq replaces].target re DocumentReference/{old}");
        filters(server, "DocumentReference", &tag, &path, &[&new]);
        filters(server, "DocumentReference", &tag, &path.replace("replaces", "signs"), &[]);
        let why = refused(
            &server.get(&format!("Group?_filter={}", encoded("characteristic[code ne eyes].value eq blue"))),
            400,
        );
        assert!(why.contains("characteristic[code eq x].value eq y"), "{why}");
    });
}

/// What is wrong is said with its place; nothing is dropped silently.
#[test]
fn mistakes_say_where_they_are() {
    on_each(|server| {
        for (filter, place, says) in [
            ("name", 5, "operator"),
            ("gender eq male and (name co x", 20, "not ended"),
            ("gender eq male xor name co x", 16, "and, or"),
            ("gender eq male and nonsense eq 1", 20, "nonsense"),
            ("birthdate eq yesterday", 14, "is not a date"),
            ("name is x", 6, "operators are"),
            ("gender co x", 11, "eq, ne"),
            ("gender ss x", 11, "system|code"),
            ("gender in http://x", 11, "http://x"),
            ("name ap x", 9, "co"),
            ("name pr maybe", 9, "true or false"),
            ("gender[active eq true].x eq 1", 1, "only references"),
        ] {
            let why = refused(&server.get(&format!("Patient?_filter={}", encoded(filter))), 400);
            assert!(why.contains(&format!("_filter, character {place}:")) && why.contains(says), "{filter}: {why}");
        }
        let deep = format!("{}name pr true{}", "(".repeat(1000), ")".repeat(1000));
        refused(&server.get(&format!("Patient?_filter={}", encoded(&deep))), 400);
        let wide = vec!["name co x"; 200].join(" or ");
        refused(&server.get(&format!("Patient?_filter={}", encoded(&wide))), 400);
        refused(&server.get(&format!("?_filter={}", encoded("_id eq x"))), 400);
    });
}

/// The limit of comparisons is one both databases can bear.
#[test]
fn a_hundred_comparisons_are_one_statement() {
    on_each(|server| {
        let tag = unique("filter");
        let id = put(server, &tag, "a", patient(json!({ "name": [{ "family": "x77x" }] })));
        let list = |text: &dyn Fn(usize) -> String| (0..95).map(text).collect::<Vec<_>>().join(" or ");
        filters(server, "Patient", &tag, &list(&|number| format!("family eq x{number}x")), &[&id]);
        filters(
            server,
            "Patient",
            &tag,
            &list(&|number| format!("not (family ne x{number}x) and family pr true"))
                .replace("and family pr true or", "or"),
            &[&id],
        );
    });
}

/// In batches, in conditional criteria, by POST, and over pages.
#[test]
fn works_wherever_parameters_do() {
    on_each(|server| {
        let People { tag, taro, hanako, .. } = people(server);
        let filter = encoded("family eq 山田 or gender eq female");
        let path = format!("Patient?_tag={tag}&_filter={filter}");
        let posted = post_form(server, "Patient/_search", &format!("_tag={tag}&_filter={filter}"));
        assert_eq!(posted.body["total"], 2, "{}", posted.body);
        finds(server, &link(server, &posted.body, "self").unwrap(), &[&taro, &hanako]);
        let answer = server.post("", &bundle("batch", vec![entry("GET", &path, Value::Null)]));
        assert_eq!(entries(&answer.body)[0]["resource"]["total"], 2);
        let criteria = format!("_tag={tag}&_filter={}", encoded("family eq 山田"));
        let again = server.send("POST", "Patient", &[("If-None-Exist", &criteria)], Some(&patient(json!({}))));
        assert_eq!((again.status, &again.body["id"]), (200, &json!(taro)));
        let first = got(server, &format!("{path}&_count=1&_sort=birthdate"));
        assert_eq!(ids_of(&first, "match"), [taro]);
        assert_eq!(ids_of(&got(server, &link(server, &first, "next").unwrap()), "match"), [hanako]);
    });
}

/// A filter that nothing leads: negations only.
#[test]
fn negations_alone_are_answered() {
    on_each(|server| {
        let tag = unique("filter");
        let id = created(server, &tagged(patient(json!({ "active": true })), &tag));
        filters(server, "Patient", &tag, "not (active eq false) and not (active pr false)", &[&id]);
    });
}
