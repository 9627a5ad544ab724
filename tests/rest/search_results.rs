//! What a search answers (FHIR R4 search.html#return, #paging): order, pages, includes, parts.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{
    created, entries, finds, got, ids_of, link, lists, observation, on_each, pages, patient, refused, stored, tagged,
    unique,
};

/// A Patient `<tag><name>`.
fn put(server: &Server, tag: &str, name: &str, more: Value) -> String {
    let mut resource = tagged(patient(more), tag);
    let id = format!("{tag}{name}");
    resource["id"] = json!(id);
    stored(server, &resource);
    id
}

/// Matches have fullUrl and search mode; the self link says what was searched.
#[test]
fn is_a_searchset_with_a_self_link() {
    on_each(|server| {
        let tag = unique("bundle");
        let id = put(server, &tag, "a", json!({}));
        let bundle = got(server, &format!("Patient?_tag=urn:example:test%7C{tag}&_count=5"));
        assert_eq!((&bundle["type"], &bundle["total"]), (&json!("searchset"), &json!(1)));
        assert_eq!(entries(&bundle)[0]["fullUrl"], json!(format!("{}/Patient/{id}", server.base)));
        assert_eq!(entries(&bundle)[0]["search"], json!({ "mode": "match" }));
        assert_eq!(entries(&bundle)[0]["resource"], got(server, &format!("Patient/{id}")));
        let own = link(server, &bundle, "self").unwrap();
        assert_eq!(own, format!("Patient?_tag=urn:example:test|{tag}&_count=5"));
        assert_eq!(ids_of(&got(server, &own), "match"), [id]);
        let none = got(server, &format!("Patient?_tag={}", unique("nothing")));
        assert_eq!((&none["total"], none.get("entry")), (&json!(0), None));
    });
}

/// search.html#sort: one key, both directions; those without the value come last.
#[test]
fn sorts_by_each_kind_with_missing_values_last() {
    on_each(|server| {
        let tag = unique("sort");
        let b = put(
            server,
            &tag,
            "b",
            json!({ "birthDate": "1950-01-01", "name": [{ "family": "Bando" }], "gender": "male" }),
        );
        let none = put(server, &tag, "none", json!({}));
        let a = put(
            server,
            &tag,
            "a",
            json!({ "birthDate": "1941-02-03", "name": [{ "family": "abe" }], "gender": "female" }),
        );
        for key in ["birthdate", "family", "gender"] {
            lists(server, &format!("Patient?_tag={tag}&_sort={key}"), &[&a, &b, &none]);
            lists(server, &format!("Patient?_tag={tag}&_sort=-{key}"), &[&b, &a, &none]);
        }
        lists(server, &format!("Patient?_tag={tag}&_sort=_id"), &[&a, &b, &none]);
        lists(server, &format!("Patient?_tag={tag}&_sort=_lastUpdated"), &[&b, &none, &a]);
        lists(server, &format!("Patient?_tag={tag}&_sort=-_lastUpdated"), &[&a, &none, &b]);
        refused(&server.get("Patient?_sort=nonsense"), 400);
    });
}

/// Several keys, each with its direction; pages keep the order.
#[test]
fn sorts_by_several_keys_over_pages() {
    on_each(|server| {
        let tag = unique("sort");
        let list = [
            ("a", Some("male"), Some("1950")),
            ("b", Some("female"), Some("1941")),
            ("c", None, Some("1950")),
            ("d", Some("female"), None),
            ("e", Some("male"), Some("1941")),
            ("f", None, None),
            ("g", Some("female"), Some("1950")),
        ];
        for (name, gender, born) in list {
            let mut more = json!({});
            if let Some(gender) = gender {
                more["gender"] = json!(gender);
            }
            if let Some(born) = born {
                more["birthDate"] = json!(born);
            }
            put(server, &tag, name, more);
        }
        let named = |names: &str| names.chars().map(|name| format!("{tag}{name}")).collect::<Vec<_>>();
        for (sort, order) in [
            ("gender,birthdate,_id", "bgdeacf"),
            ("-gender,birthdate,_id", "eabgdcf"),
            ("gender,-birthdate,_id", "gbdaecf"),
            ("-gender,-birthdate,-_id", "aegbdcf"),
            ("birthdate,-gender,_id", "ebagcdf"),
        ] {
            for count in [1, 2, 3, 100] {
                let pages = pages(server, &format!("Patient?_tag={tag}&_sort={sort}&_count={count}"));
                let all: Vec<String> = pages.iter().flat_map(|page| ids_of(page, "match")).collect();
                assert_eq!(all, named(order), "_sort={sort}&_count={count}");
                assert!(pages.iter().all(|page| page["total"] == json!(7)));
            }
        }
    });
}

/// search.html#paging: next links lead through everything while more comes in.
#[test]
fn pages_lose_and_repeat_nothing_while_rows_come_in() {
    on_each(|server| {
        for sort in ["", "&_sort=_lastUpdated", "&_sort=-_lastUpdated", "&_sort=family", "&_sort=-family"] {
            let tag = unique("page");
            let before: BTreeSet<String> = (0..10)
                .map(|number| {
                    put(server, &tag, &number.to_string(), json!({ "name": [{ "family": format!("n{number}") }] }))
                })
                .collect();
            let mut bundle = got(server, &format!("Patient?_tag={tag}&_count=3{sort}"));
            let mut seen = ids_of(&bundle, "match");
            let mut late = 0;
            while let Some(next) = link(server, &bundle, "next") {
                for family in ["a", "n5x", "z"] {
                    late += 1;
                    if late <= 12 {
                        put(server, &tag, &format!("late{late}"), json!({ "name": [{ "family": family }] }));
                    }
                }
                bundle = got(server, &next);
                assert_eq!(
                    bundle["link"].as_array().unwrap().iter().filter(|link| link["relation"] == "self").count(),
                    1
                );
                seen.extend(ids_of(&bundle, "match"));
            }
            let distinct: BTreeSet<String> = seen.iter().cloned().collect();
            assert_eq!(distinct.len(), seen.len(), "twice with {sort:?}: {seen:?}");
            assert!(before.is_subset(&distinct), "lost with {sort:?}: {:?}", before.difference(&distinct));
        }
    });
}

/// `_count`, `_count=0`, `_summary=count`, `_total`.
#[test]
fn count_and_total() {
    on_each(|server| {
        let tag = unique("count");
        for name in ["a", "b", "c"] {
            put(server, &tag, name, json!({}));
        }
        let page = got(server, &format!("Patient?_tag={tag}&_count=2"));
        assert_eq!((&page["total"], entries(&page).len()), (&json!(3), 2));
        let whole = got(server, &format!("Patient?_tag={tag}&_count=3"));
        assert_eq!((entries(&whole).len(), link(server, &whole, "next")), (3, None));
        for query in ["_count=0", "_summary=count"] {
            let bundle = got(server, &format!("Patient?_tag={tag}&{query}"));
            assert_eq!((&bundle["total"], bundle.get("entry")), (&json!(3), None), "{query}");
            assert_eq!(link(server, &bundle, "next"), None);
        }
        assert_eq!(got(server, &format!("Patient?_tag={tag}&_total=accurate"))["total"], 3);
        assert_eq!(got(server, &format!("Patient?_tag={tag}&_total=none")).get("total"), None);
        for wrong in ["_count=x", "_count=-1", "_total=some", "_summary=all"] {
            refused(&server.get(&format!("Patient?{wrong}")), 400);
        }
    });
}

/// `_include`: what the matches refer to, as included, once.
#[test]
fn include_adds_what_is_referred_to() {
    on_each(|server| {
        let tag = unique("include");
        let organization = created(server, &json!({ "resourceType": "Organization", "name": "o" }));
        let person = put(
            server,
            &tag,
            "p",
            json!({ "managingOrganization": { "reference": format!("Organization/{organization}") } }),
        );
        let about = |_: u8| {
            created(
                server,
                &tagged(observation(json!({ "subject": { "reference": format!("Patient/{person}") } })), &tag),
            )
        };
        let observations = [about(1), about(2)];
        let both = [observations[0].as_str(), observations[1].as_str()];
        let search = |query: &str| {
            let bundle = got(server, &format!("Observation?_tag={tag}&{query}"));
            assert_eq!(bundle["total"], 2, "included resources do not count");
            assert_eq!(ids_of(&bundle, "match"), both);
            ids_of(&bundle, "include")
        };
        assert_eq!(search("_include=Observation:subject"), [person.as_str()]);
        assert_eq!(search("_include=Observation:subject:Patient"), [person.as_str()]);
        assert!(search("_include=Observation:subject:Group").is_empty());
        assert_eq!(search("_include=Observation:*"), [person.as_str()]);
        assert_eq!(search("_include=*"), [person.as_str()]);
        // Without :iterate the organization of the included patient stays out.
        let organization = organization.as_str();
        assert_eq!(search("_include=Observation:subject&_include=Patient:organization"), [person.as_str()]);
        assert_eq!(
            search("_include=Observation:subject&_include:iterate=Patient:organization"),
            [person.as_str(), organization]
        );
        refused(&server.get("Observation?_include=Observation:nonsense"), 400);
        refused(&server.get("Observation?_include=Nonsense:subject"), 400);
        refused(&server.get("Observation?_include=subject"), 400);
        refused(&server.get("Observation?_include=Observation:subject:Practitioner"), 400);
        refused(&server.get("Location?_revinclude=Observation:performer"), 400);
    });
}

/// `_revinclude`: what refers to the matches.
#[test]
fn revinclude_adds_what_refers() {
    on_each(|server| {
        let tag = unique("revinclude");
        let person = put(server, &tag, "p", json!({}));
        let about = |id: &str| json!({ "subject": { "reference": format!("Patient/{id}") } });
        let observed = created(server, &observation(about(&person)));
        let panel =
            created(server, &observation(json!({ "hasMember": [{ "reference": format!("Observation/{observed}") }] })));
        created(server, &observation(about("someone-else")));
        let search = |query: &str| {
            let bundle = got(server, &format!("Patient?_tag={tag}&{query}"));
            assert_eq!(ids_of(&bundle, "match"), [person.as_str()]);
            ids_of(&bundle, "include")
        };
        assert_eq!(search("_revinclude=Observation:subject"), [observed.as_str()]);
        assert_eq!(search("_revinclude=Observation:patient"), [observed.as_str()]);
        assert_eq!(
            search("_revinclude=Observation:subject&_revinclude:iterate=Observation:has-member"),
            [observed.as_str(), panel.as_str()]
        );
        server.delete(&format!("Observation/{observed}"));
        assert!(search("_revinclude=Observation:subject").is_empty());
    });
}

/// A deleted target is not included; nothing else fails.
#[test]
fn include_skips_what_is_not_here() {
    on_each(|server| {
        let tag = unique("include");
        let resource = tagged(observation(json!({ "subject": { "reference": "Patient/never-there" } })), &tag);
        let id = created(server, &resource);
        let bundle = got(server, &format!("Observation?_tag={tag}&_include=Observation:subject"));
        assert_eq!((ids_of(&bundle, "match"), ids_of(&bundle, "include").len()), (vec![id], 0));
    });
}

/// `_summary` and `_elements` cut the matches and say so.
#[test]
fn summary_and_elements_cut_the_matches() {
    on_each(|server| {
        let tag = unique("cut");
        put(
            server,
            &tag,
            "a",
            json!({ "gender": "female", "birthDate": "1941-02-03", "contact": [{ "name": { "text": "x" } }] }),
        );
        let first = |query: &str| entries(&got(server, &format!("Patient?_tag={tag}&{query}")))[0]["resource"].clone();
        let elements = first("_elements=birthDate");
        assert_eq!((elements.get("gender"), &elements["birthDate"]), (None, &json!("1941-02-03")));
        let tags = elements["meta"]["tag"].as_array().unwrap();
        assert!(tags.iter().any(|tag| tag["code"] == "SUBSETTED"));
        let summary = first("_summary=true");
        assert_eq!((&summary["gender"], summary.get("contact")), (&json!("female"), None));
        assert!(first("_summary=false").get("contact").is_some());
    });
}

/// search.html#errors: strict by default, with what is supported; lenient on request.
#[test]
fn unknown_parameters_are_refused_or_ignored_openly() {
    on_each(|server| {
        let tag = unique("strict");
        let id = put(server, &tag, "a", json!({}));
        for name in ["nonsense", "_nonsense", "name:nonsense"] {
            let answer = server.get(&format!("Patient?_tag={tag}&{name}=1"));
            let why = refused(&answer, 400);
            assert!(why.contains("nonsense"), "{why}");
        }
        let why = refused(&server.get("Patient?nonsense=1"), 400);
        assert!(why.contains("birthdate") && why.contains("_lastUpdated"), "{why}");
        // What this server does not keep is never silently dropped.
        for query in ["_content=x", "_query=x"] {
            refused(&server.get(&format!("Patient?{query}")), 400);
        }
        let path = format!("Patient?_tag={tag}&nonsense=1");
        let lenient = server.send("GET", &path, &[("Prefer", "handling=lenient")], None).body;
        assert_eq!((ids_of(&lenient, "match"), &lenient["total"]), (vec![id], &json!(1)));
        assert_eq!(link(server, &lenient, "self").unwrap(), format!("Patient?_tag={tag}"));
        let outcome = entries(&lenient).iter().find(|entry| entry["search"]["mode"] == "outcome").unwrap();
        assert_eq!(outcome["resource"]["resourceType"], "OperationOutcome");
        assert!(outcome.to_string().contains("nonsense"));
        let strict = server.send("GET", &path, &[("Prefer", "handling=strict")], None);
        refused(&strict, 400);
    });
}

/// http.html#search: POST _search joins the parameters of URL and body.
#[test]
fn post_joins_url_and_body() {
    on_each(|server| {
        let tag = unique("post");
        let id = put(server, &tag, "a", json!({ "gender": "female" }));
        put(server, &tag, "b", json!({ "gender": "male" }));
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let post = |path: &str, body: &str| {
            crate::common::exchange(&crate::common::agent(), &server.base, "POST", path, &form, Some(body.into()))
                .unwrap()
        };
        let answer = post(&format!("Patient/_search?_tag={tag}"), "gender=female&_format=json");
        assert_eq!((answer.status, ids_of(&answer.body, "match")), (200, vec![id.clone()]));
        let own = link(server, &answer.body, "self").unwrap();
        finds(server, &own, &[&id]);
        assert_eq!(post("Patient/_search", &format!("_tag={tag}")).body["total"], 2);
        assert_eq!(post(&format!("Patient/_search?_tag={tag}"), "").body["total"], 2);
        refused(&post("Patient/_search", "nonsense=1"), 400);
        refused(&server.post("Patient/_search", &json!({})), 415);
    });
}

/// A cursor that this server did not give is refused.
#[test]
fn strange_cursors_are_refused() {
    on_each(|server| {
        for cursor in ["x", "00", "7b7d", "%E5%B1%B1"] {
            refused(&server.get(&format!("Patient?_cursor={cursor}")), 400);
        }
    });
}

/// search.html#paging: `previous` leads back over the same pages, in every order.
#[test]
fn previous_links_lead_back() {
    on_each(|server| {
        let tag = unique("previous");
        for (name, family, born) in [
            ("a", "x", "1950"),
            ("b", "", "1941"),
            ("c", "y", ""),
            ("d", "x", ""),
            ("e", "", "1950"),
            ("f", "z", "1941"),
            ("g", "", ""),
        ] {
            let mut more = json!({});
            if !family.is_empty() {
                more["name"] = json!([{ "family": family }]);
            }
            if !born.is_empty() {
                more["birthDate"] = json!(born);
            }
            put(server, &tag, name, more);
        }
        for sort in ["", "family", "-family", "birthdate,-family", "-birthdate,family,_id", "_lastUpdated", "-_id"] {
            for count in [2, 3] {
                let sort = if sort.is_empty() { String::new() } else { format!("&_sort={sort}") };
                let forward = pages(server, &format!("Patient?_tag={tag}&_count={count}{sort}"));
                let forward: Vec<Vec<String>> = forward.iter().map(|page| ids_of(page, "match")).collect();
                let mut path = format!("Patient?_tag={tag}&_count={count}{sort}");
                while let Some(next) = link(server, &got(server, &path), "next") {
                    path = next;
                }
                let mut page = got(server, &path);
                let mut backward = vec![ids_of(&page, "match")];
                while let Some(previous) = link(server, &page, "previous") {
                    page = got(server, &previous);
                    assert!(link(server, &page, "next").is_some() && link(server, &page, "first").is_some());
                    backward.push(ids_of(&page, "match"));
                    assert_eq!(page["total"], 7);
                    assert!(backward.len() < 10, "{backward:?}");
                }
                backward.reverse();
                assert_eq!(backward, forward, "{sort} {count}");
                assert_eq!(link(server, &got(server, &format!("Patient?_tag={tag}{sort}")), "previous"), None);
            }
        }
    });
}

/// A position is good for the search it was given for, and only as it was given.
#[test]
fn cursors_are_signed() {
    on_each(|server| {
        let tag = unique("signed");
        for name in ["a", "b", "c"] {
            put(server, &tag, name, json!({}));
        }
        let next = link(server, &got(server, &format!("Patient?_tag={tag}&_count=1")), "next").unwrap();
        let (path, cursor) = next.split_once("_cursor=").unwrap();
        got(server, &next);
        for place in [0, cursor.len() / 2, cursor.len() - 3] {
            let mut wrong = cursor.as_bytes().to_vec();
            wrong[place] = if wrong[place] == b'A' { b'B' } else { b'A' };
            refused(&server.get(&format!("{path}_cursor={}", String::from_utf8(wrong).unwrap())), 400);
        }
        refused(&server.get(&format!("Patient?_sort=family&_cursor={cursor}")), 400);
        refused(&server.get(&format!("Observation?_cursor={cursor}")), 400);
        refused(&server.get(&format!("_history?_cursor={cursor}")), 400);
    });
}

/// search.html#contained: not supported, and said so; the default may be named.
#[test]
fn contained_resources_are_not_searched() {
    on_each(|server| {
        let tag = unique("contained");
        let id = put(server, &tag, "a", json!({}));
        finds(server, &format!("Patient?_tag={tag}&_contained=false"), &[&id]);
        for query in ["_contained=true", "_contained=both", "_containedType=contained"] {
            refused(&server.get(&format!("Patient?{query}")), 400);
        }
    });
}
