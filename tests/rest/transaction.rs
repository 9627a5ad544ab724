//! Transaction (FHIR R4 http.html#transaction, #trules): all or nothing.

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{
    bundle, created, entries, entry, finds, got, on_each, on_each_alone, patient, place, refused, stored, unique,
    versions, with,
};

fn accepted(server: &Server, list: Vec<Value>) -> Value {
    let answer = server.post("", &bundle("transaction", list));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["type"], "transaction-response");
    answer.body
}

fn statuses(answer: &Value) -> Vec<&str> {
    entries(answer).iter().map(|entry| &entry["response"]["status"].as_str().unwrap()[..3]).collect()
}

fn conditional(mut entry: Value, name: &str, value: &str) -> Value {
    entry["request"][name] = json!(value);
    entry
}

/// "servers SHALL either accept all actions … or reject all".
#[test]
fn with_one_wrong_entry_of_500_stores_nothing() {
    on_each_alone(|server| {
        let mut list: Vec<Value> = (0..499).map(|_| entry("POST", "Patient", patient(json!({})))).collect();
        list.push(entry("POST", "Patient", patient(json!({ "name": [{ "nonsense": 1 }] }))));
        let answer = server.post("", &bundle("transaction", list.clone()));
        refused(&answer, 400);
        assert!(place(&answer.body).starts_with("Bundle.entry[499].resource"), "{}", place(&answer.body));
        assert_eq!(versions(server), 0);
        // The same when the fault shows only while writing.
        list[499] = conditional(entry("PUT", "Patient/x", patient(json!({ "id": "x" }))), "ifMatch", "W/\"1\"");
        let answer = server.post("", &bundle("transaction", list.clone()));
        refused(&answer, 412);
        assert_eq!(place(&answer.body), "Bundle.entry[499]");
        assert_eq!(versions(server), 0);
        list.pop();
        accepted(server, list);
        assert_eq!(versions(server), 499);
    });
}

/// "a transaction-response has one entry for each entry of the request, in the same order".
#[test]
fn answers_are_in_the_order_of_the_request() {
    on_each(|server| {
        let (old, new, doomed) = (unique("tx"), unique("tx"), unique("tx"));
        stored(server, &patient(json!({ "id": old })));
        stored(server, &patient(json!({ "id": doomed })));
        let answer = accepted(
            server,
            vec![
                entry("GET", &format!("Patient/{old}"), Value::Null),
                entry("PUT", &format!("Patient/{new}"), patient(json!({ "id": new }))),
                entry("POST", "Patient", patient(json!({}))),
                entry("DELETE", &format!("Patient/{doomed}"), Value::Null),
                entry("PUT", &format!("Patient/{old}"), patient(json!({ "id": old, "active": true }))),
            ],
        );
        assert_eq!(statuses(&answer), ["200", "201", "201", "200", "200"]);
        let list = entries(&answer);
        // DELETE, POST, PUT, GET: the read sees what was written.
        assert_eq!(list[0]["resource"]["active"], json!(true));
        assert_eq!(list[0]["response"]["etag"], "W/\"2\"");
        assert!(list[1]["response"]["location"].as_str().unwrap().ends_with(&format!("Patient/{new}/_history/1")));
        assert_eq!(list[1]["response"]["etag"], "W/\"1\"");
        assert_eq!(list[1]["response"]["lastModified"], got(server, &format!("Patient/{new}"))["meta"]["lastUpdated"]);
        assert!(list[2]["response"]["location"].as_str().unwrap().contains("Patient/"));
        assert_eq!(list[3]["response"]["etag"], "W/\"2\"");
        assert!(list[4]["response"]["location"].as_str().unwrap().ends_with(&format!("Patient/{old}/_history/2")));
        refused(&server.get(&format!("Patient/{doomed}")), 410);
    });
}

/// "Process any DELETE interactions, any POST, any PUT, any GET": the order of the array is nothing.
#[test]
fn the_order_of_the_entries_does_not_matter() {
    on_each(|server| {
        let value = unique("tx");
        let identified = patient(json!({ "identifier": [{ "value": value }] }));
        let id = created(server, &identified);
        let search = format!("Patient?identifier={value}");
        let answer = accepted(
            server,
            vec![
                entry("GET", &search, Value::Null),
                entry("POST", "Patient", identified.clone()),
                entry("DELETE", &format!("Patient/{id}"), Value::Null),
            ],
        );
        let found = &entries(&answer)[0]["resource"];
        assert_eq!((&found["type"], &found["total"]), (&json!("searchset"), &json!(1)));
        assert_ne!(entries(found)[0]["resource"]["id"], json!(id));
    });
}

/// "a resource SHALL appear only once": duplicates are refused.
#[test]
fn that_writes_a_resource_twice_is_refused() {
    on_each(|server| {
        let id = unique("tx");
        let put = || entry("PUT", &format!("Patient/{id}"), patient(json!({ "id": id })));
        let delete = || entry("DELETE", &format!("Patient/{id}"), Value::Null);
        for list in [vec![put(), put()], vec![put(), delete()], vec![delete(), delete()]] {
            let answer = server.post("", &bundle("transaction", list));
            assert!(refused(&answer, 400).contains("Bundle.entry[0]"));
            assert_eq!(place(&answer.body), "Bundle.entry[1]");
        }
        refused(&server.get(&format!("Patient/{id}")), 404);
        // By criteria as well, whether or not something matches yet.
        let put = || {
            let identified = patient(json!({ "identifier": [{ "value": id }] }));
            entry("PUT", &format!("Patient?identifier={id}"), identified)
        };
        for _ in 0..2 {
            let answer = server.post("", &bundle("transaction", vec![put(), put()]));
            refused(&answer, 400);
            assert_eq!(place(&answer.body), "Bundle.entry[1]");
            accepted(server, vec![put()]);
        }
    });
}

/// bundle.html bdl-7: two entries with one fullUrl could not be told apart.
#[test]
fn with_one_full_url_twice_is_refused() {
    on_each(|server| {
        let url = "urn:uuid:9b1e0c2c-6b8b-4a53-9a3c-0d3f5e1b7a10";
        let post = || with(entry("POST", "Patient", patient(json!({}))), json!({ "fullUrl": url }));
        let answer = server.post("", &bundle("transaction", vec![post(), post()]));
        refused(&answer, 400);
        assert!(place(&answer.body).starts_with("Bundle.entry[1]"), "{}", answer.body);
    });
}

/// http.html#trules: conditional creates, updates and deletes inside.
#[test]
fn entries_may_be_conditional() {
    on_each(|server| {
        let (there, absent) = (unique("tx"), unique("tx"));
        let identified = |value: &str, more: Value| with(patient(json!({ "identifier": [{ "value": value }] })), more);
        let id = created(server, &identified(&there, json!({})));
        let answer = accepted(
            server,
            vec![
                conditional(
                    entry("POST", "Patient", identified(&absent, json!({}))),
                    "ifNoneExist",
                    &format!("identifier={absent}"),
                ),
                entry("PUT", &format!("Patient?identifier={there}"), identified(&there, json!({ "active": true }))),
                entry("DELETE", &format!("Patient?identifier={}", unique("nobody")), Value::Null),
            ],
        );
        assert_eq!(statuses(&answer), ["201", "200", "200"]);
        assert_eq!(got(server, &format!("Patient/{id}"))["active"], json!(true));
        let again = accepted(
            server,
            vec![
                conditional(
                    entry("POST", "Patient", identified(&there, json!({}))),
                    "ifNoneExist",
                    &format!("identifier={there}"),
                ),
                entry("DELETE", &format!("Patient?identifier={absent}"), Value::Null),
            ],
        );
        assert_eq!(statuses(&again), ["200", "200"]);
        assert!(entries(&again)[0]["response"]["location"].as_str().unwrap().contains(&id));
        finds(server, &format!("Patient?identifier={absent}"), &[]);
        created(server, &identified(&there, json!({})));
        let several = conditional(
            entry("POST", "Patient", identified(&there, json!({}))),
            "ifNoneExist",
            &format!("identifier={there}"),
        );
        let answer = server.post("", &bundle("transaction", vec![several]));
        refused(&answer, 412);
        assert_eq!(place(&answer.body), "Bundle.entry[0]");
    });
}

/// http.html#concurrency inside: ifMatch right and wrong.
#[test]
fn honours_if_match() {
    on_each(|server| {
        let id = unique("tx");
        stored(server, &patient(json!({ "id": id })));
        let list = |tag: &str| {
            let put = entry("PUT", &format!("Patient/{id}"), patient(json!({ "id": id, "active": true })));
            bundle("transaction", vec![conditional(put, "ifMatch", tag)])
        };
        refused(&server.post("", &list("W/\"2\"")), 412);
        refused(&server.post("", &list("x")), 400);
        assert_eq!(server.post("", &list("W/\"1\"")).status, 200);
    });
}

/// What is wrong with an entry's request is said with its place.
#[test]
fn with_a_wrong_request_is_refused() {
    on_each(|server| {
        let wrong = [
            (json!({ "resource": patient(json!({})) }), 400),
            (entry("POST", "Patient", Value::Null), 400),
            (entry("POST", "Observation", patient(json!({}))), 400),
            (entry("PUT", "Patient/a", patient(json!({}))), 400),
            (entry("PUT", "Patient/a", patient(json!({ "id": "b" }))), 400),
            (entry("PUT", "Patient/a_b", patient(json!({ "id": "a_b" }))), 400),
            (entry("DELETE", "Patient", Value::Null), 400),
            (entry("DELETE", "Patient?", Value::Null), 412),
            (entry("GET", "Patient/never-there", Value::Null), 404),
            (entry("GET", "Patient?nonsense=1", Value::Null), 400),
            (entry("POST", "Nonsense", patient(json!({}))), 400),
        ];
        for (wrong, status) in wrong {
            let good = entry("POST", "Patient", patient(json!({})));
            let answer = server.post("", &bundle("transaction", vec![good, wrong.clone()]));
            assert_eq!(answer.status, status, "{wrong}: {}", answer.body);
            assert!(place(&answer.body).starts_with("Bundle.entry[1]"), "{wrong}: {}", answer.body);
        }
    });
}

/// Transactions with the same condition at once make one resource.
#[test]
fn eight_at_once_with_one_condition_make_one_resource() {
    on_each(|server| {
        let value = unique("tx");
        let list = bundle(
            "transaction",
            vec![conditional(
                entry("POST", "Patient", patient(json!({ "identifier": [{ "value": value }] }))),
                "ifNoneExist",
                &format!("identifier={value}"),
            )],
        );
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..8).map(|_| scope.spawn(|| server.post("", &list).status)).collect();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        assert_eq!(got(server, &format!("Patient?identifier={value}"))["total"], 1);
    });
}

/// An entry of unchanged content makes no new version here either.
#[test]
fn of_unchanged_content_makes_no_version() {
    on_each(|server| {
        let id = unique("tx");
        for _ in 0..2 {
            accepted(server, vec![entry("PUT", &format!("Patient/{id}"), patient(json!({ "id": id })))]);
        }
        assert_eq!(got(server, &format!("Patient/{id}/_history"))["total"], 1);
    });
}

/// An absolute request URL under this server's base is this server's.
#[test]
fn request_urls_may_be_absolute() {
    on_each(|server| {
        let id = unique("tx");
        accepted(server, vec![entry("PUT", &format!("{}/Patient/{id}", server.base), patient(json!({ "id": id })))]);
        got(server, &format!("Patient/{id}"));
    });
}

/// An empty transaction is answered with an empty one.
#[test]
fn may_be_empty() {
    on_each(|server| {
        let answer = server.post("", &json!({ "resourceType": "Bundle", "type": "transaction" }));
        assert_eq!((answer.status, answer.body.get("entry")), (200, None));
    });
}

/// Reads and searches inside; a read that the client has already is 304.
#[test]
fn reads_and_searches_are_answered() {
    on_each(|server| {
        let id = created(server, &patient(json!({})));
        let path = format!("Patient/{id}");
        let answer = accepted(
            server,
            vec![
                entry("GET", &path, Value::Null),
                conditional(entry("GET", &path, Value::Null), "ifNoneMatch", "W/\"1\""),
                entry("GET", &format!("Patient?_id={id}&_summary=count"), Value::Null),
            ],
        );
        assert_eq!(statuses(&answer), ["200", "304", "200"]);
        assert_eq!(entries(&answer)[0]["resource"]["id"], json!(id));
        assert_eq!(entries(&answer)[1].get("resource"), None);
        assert_eq!(entries(&answer)[2]["resource"]["total"], 1);
        let past = bundle("transaction", vec![entry("GET", &format!("{path}/_history/1"), Value::Null)]);
        let past = server.post("", &past);
        assert_eq!(entries(&past.body)[0]["resource"]["meta"]["versionId"], "1", "{}", past.body);
    });
}
