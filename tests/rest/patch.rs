//! PATCH (FHIR R4 http.html#patch, fhirpatch.html; RFC 6902).

use serde_json::{Value, json};

use crate::common::{Answer, Server};
use crate::support::{
    bundle, created, entries, entry, finds, got, observation, on_each, patient, refused, stored, unique, with,
};

const JSON_PATCH: (&str, &str) = ("Content-Type", "application/json-patch+json");

fn patch(server: &Server, path: &str, operations: &Value) -> Answer {
    server.send("PATCH", path, &[JSON_PATCH], Some(operations))
}

/// A FHIRPath Patch of one operation.
fn parameters(parts: Value) -> Value {
    json!({ "resourceType": "Parameters", "parameter": [{ "name": "operation", "part": parts }] })
}

/// A Binary around a JSON Patch.
fn binary(operations: &Value) -> Value {
    let text = operations.to_string();
    json!({ "resourceType": "Binary", "contentType": "application/json-patch+json", "data": base64(text.as_bytes()) })
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().chain(&[0, 0]).take(3).fold(0_usize, |all, byte| all << 8 | usize::from(*byte));
        for place in 0..4 {
            let letter = LETTERS[group >> (18 - 6 * place) & 63];
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

fn identified(value: &str, more: Value) -> Value {
    with(patient(json!({ "identifier": [{ "system": "urn:example:patch", "value": value }] })), more)
}

/// "the server processes the resulting document as an Update operation".
#[test]
fn json_patch_makes_a_new_version() {
    on_each(|server| {
        let id = created(server, &patient(json!({ "active": true, "name": [{ "family": "A", "given": ["b", "c"] }] })));
        let path = format!("Patient/{id}");
        let answer = patch(
            server,
            &path,
            &json!([
                { "op": "test", "path": "/active", "value": true },
                { "op": "replace", "path": "/active", "value": false },
                { "op": "add", "path": "/name/0/given/-", "value": "d" },
                { "op": "remove", "path": "/name/0/given/0" },
                { "op": "copy", "from": "/name/0", "path": "/name/-" },
                { "op": "move", "from": "/name/1/family", "path": "/name/1/text" }
            ]),
        );
        assert_eq!((answer.status, answer.header("etag")), (200, "W/\"2\""), "{}", answer.body);
        assert_eq!(answer.body["active"], json!(false));
        let name = json!([{ "family": "A", "given": ["c", "d"] }, { "given": ["c", "d"], "text": "A" }]);
        assert_eq!(answer.body["name"], name);
        assert_eq!(got(server, &path), answer.body);
        let history = got(server, &format!("{path}/_history"));
        assert_eq!(history["entry"][0]["request"], json!({ "method": "PATCH", "url": path }));
    });
}

/// What the patch does not touch stays as it was, digits and order too.
#[test]
fn what_is_not_touched_stays() {
    on_each(|server| {
        let sent = r#"{"resourceType":"Observation","status":"final","valueQuantity":{"unit":"cm","value":1.500},"code":{"text":"x"}}"#;
        let headers = [("Content-Type", "application/fhir+json")];
        let raw = serde_json::from_str(sent).unwrap();
        let id = server.send("POST", "Observation", &headers, Some(&raw)).body["id"].as_str().unwrap().to_owned();
        let path = format!("Observation/{id}");
        let operations = json!([
            { "op": "test", "path": "/valueQuantity/value", "value": 1.5 },
            { "op": "replace", "path": "/status", "value": "amended" }
        ]);
        let answer = patch(server, &path, &operations);
        let text = String::from_utf8(answer.bytes).unwrap();
        let rest = &sent.replace("final", "amended")[r#"{"resourceType":"Observation","#.len()..];
        assert!(text.ends_with(rest), "{text}");
    });
}

/// The index follows.
#[test]
fn searches_find_what_was_patched() {
    on_each(|server| {
        let (before, after) = (unique("patch"), unique("patch"));
        let id = created(server, &identified(&before, json!({})));
        let operations = json!([{ "op": "replace", "path": "/identifier/0/value", "value": after }]);
        assert_eq!(patch(server, &format!("Patient/{id}"), &operations).status, 200);
        finds(server, &format!("Patient?identifier={before}"), &[]);
        finds(server, &format!("Patient?identifier={after}"), &[&id]);
    });
}

#[test]
fn without_a_change_there_is_no_new_version() {
    on_each(|server| {
        let id = created(server, &patient(json!({ "active": true })));
        for operations in [json!([]), json!([{ "op": "replace", "path": "/active", "value": true }])] {
            let answer = patch(server, &format!("Patient/{id}"), &operations);
            assert_eq!((answer.status, answer.header("etag")), (200, "W/\"1\""));
        }
    });
}

/// A patch is applied whole or not at all; what is wrong is said with its operation.
#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    on_each(|server| {
        let id = created(server, &patient(json!({ "active": true })));
        let path = format!("Patient/{id}");
        let first = json!({ "op": "replace", "path": "/active", "value": false });
        for (second, said) in [
            (json!({ "op": "test", "path": "/active", "value": true }), "operation 1 (test \"/active\")"),
            (json!({ "op": "remove", "path": "/gender" }), "operation 1 (remove \"/gender\")"),
            (json!({ "op": "add", "path": "/gender", "value": 1 }), "after the patch"),
            (json!({ "op": "add", "path": "/nonsense", "value": 1 }), "nonsense"),
            (json!({ "op": "add", "path": "/name", "value": [] }), "after the patch"),
            (json!({ "op": "replace", "path": "/id", "value": "other" }), "change id"),
            (json!({ "op": "remove", "path": "/id" }), "change id"),
            (json!({ "op": "replace", "path": "/resourceType", "value": "Person" }), "change resourceType"),
            (json!({ "op": "replace", "path": "", "value": 1 }), "change resourceType"),
        ] {
            let text = refused(&patch(server, &path, &json!([first, second])), 422);
            assert!(text.contains(said), "{second}: {text}");
        }
        assert_eq!(got(server, &path)["meta"]["versionId"], "1");
    });
}

#[test]
fn what_is_no_patch_is_a_bad_request() {
    on_each(|server| {
        let path = format!("Patient/{}", created(server, &patient(json!({}))));
        for operations in [json!({}), json!([1]), json!([{ "op": "merge", "path": "/a" }]), json!([{ "op": "add" }])] {
            refused(&patch(server, &path, &operations), 400);
        }
        let fhir = |body: &Value| server.send("PATCH", &path, &[], Some(body));
        refused(&fhir(&patient(json!({}))), 400);
        refused(&fhir(&parameters(json!([{ "name": "type", "valueCode": "delete" }]))), 400);
        refused(&server.send("PATCH", &path, &[JSON_PATCH], None), 400);
        for media in ["application/xml-patch+xml", "application/merge-patch+json", "text/plain"] {
            let answer = server.send("PATCH", &path, &[("Content-Type", media)], Some(&json!([])));
            assert!(refused(&answer, 415).contains("application/json-patch+json"));
        }
    });
}

#[test]
fn of_nothing_is_not_found_and_of_a_deleted_resource_gone() {
    on_each(|server| {
        let name = unique("patch");
        refused(&patch(server, &format!("Patient/{name}"), &json!([])), 404);
        stored(server, &patient(json!({ "id": name })));
        server.delete(&format!("Patient/{name}"));
        refused(&patch(server, &format!("Patient/{name}"), &json!([])), 410);
        refused(&patch(server, "Nonsense/1", &json!([])), 404);
        refused(&patch(server, "Patient/a_b", &json!([])), 400);
    });
}

/// "servers SHALL support conditional PATCH, which works exactly the same as specified for update".
#[test]
fn honours_if_match_and_prefer() {
    on_each(|server| {
        let path = format!("Patient/{}", created(server, &patient(json!({}))));
        let send = |name: &str, value: &str, active: bool| {
            let operations = json!([{ "op": "add", "path": "/active", "value": active }]);
            server.send("PATCH", &path, &[JSON_PATCH, (name, value)], Some(&operations))
        };
        refused(&send("If-Match", "W/\"2\"", true), 412);
        assert_eq!(send("If-Match", "W/\"1\"", true).status, 200);
        refused(&send("If-Match", "W/\"1\"", false), 412);
        let minimal = send("Prefer", "return=minimal", false);
        assert_eq!((minimal.status, minimal.bytes.len(), minimal.header("etag")), (200, 0, "W/\"3\""));
        let outcome = send("Prefer", "return=OperationOutcome", true);
        assert_eq!((outcome.status, &outcome.body["resourceType"]), (200, &json!("OperationOutcome")));
    });
}

/// "No matches: 404 … One Match: the server performs the update … Multiple matches: 412".
#[test]
fn by_criteria_patches_the_one_that_matches() {
    on_each(|server| {
        let value = unique("patch");
        let path = format!("Patient?identifier={value}");
        let operations = json!([{ "op": "add", "path": "/active", "value": true }]);
        refused(&patch(server, &path, &operations), 404);
        let id = created(server, &identified(&value, json!({})));
        let answer = patch(server, &path, &operations);
        assert_eq!((answer.status, &answer.body["id"], &answer.body["active"]), (200, &json!(id), &json!(true)));
        let wrong = server.send("PATCH", &path, &[JSON_PATCH, ("If-Match", "W/\"1\"")], Some(&operations));
        refused(&wrong, 412);
        created(server, &identified(&value, json!({})));
        refused(&patch(server, &path, &operations), 412);
        refused(&patch(server, "Patient", &operations), 412);
    });
}

/// fhirpatch.html
#[test]
fn fhirpath_patch_names_elements_by_path() {
    on_each(|server| {
        let sent = patient(json!({ "name": [{ "use": "official", "family": "A" }, { "use": "usual", "text": "a" }] }));
        let path = format!("Patient/{}", created(server, &sent));
        let send = |parts: Value| server.send("PATCH", &path, &[], Some(&parameters(parts)));
        let answer = send(json!([
            { "name": "type", "valueCode": "replace" },
            { "name": "path", "valueString": "Patient.name.where(use = 'official').family" },
            { "name": "value", "valueString": "B" }
        ]));
        assert_eq!((answer.status, &answer.body["name"][0]["family"]), (200, &json!("B")), "{}", answer.body);
        let answer = send(json!([
            { "name": "type", "valueCode": "add" },
            { "name": "path", "valueString": "Patient" },
            { "name": "name", "valueString": "contact" },
            { "name": "value", "part": [{ "name": "name", "valueHumanName": { "text": "C" } }] }
        ]));
        assert_eq!(answer.body["contact"], json!([{ "name": { "text": "C" } }]), "{}", answer.body);
        assert_eq!(answer.header("etag"), "W/\"3\"");
        let delete = |path: &str| {
            send(json!([{ "name": "type", "valueCode": "delete" }, { "name": "path", "valueString": path }]))
        };
        assert!(refused(&delete("Patient.name"), 422).contains("2 elements"));
        assert!(refused(&delete("Patient.name.skip(1)"), 501).contains("skip"));
        assert!(refused(&delete("Patient.name["), 400).contains("syntax"));
        refused(&delete("Patient.id"), 422);
        assert_eq!(delete("Patient.photo").header("etag"), "W/\"3\"");
        let bad = send(json!([
            { "name": "type", "valueCode": "add" },
            { "name": "path", "valueString": "Patient" },
            { "name": "name", "valueString": "link" },
            { "name": "value", "part": [{ "name": "type", "valueCode": "seealso" }] }
        ]));
        assert!(refused(&bad, 422).contains("after the patch"));
    });
}

/// No patch is lost, however many come at once.
#[test]
fn sixteen_at_once_are_all_applied() {
    on_each(|server| {
        let path = format!("Patient/{}", created(server, &patient(json!({ "name": [{ "given": ["first"] }] }))));
        std::thread::scope(|scope| {
            for number in 0..16 {
                let path = &path;
                scope.spawn(move || {
                    let value = format!("g{number}");
                    let operations = json!([{ "op": "add", "path": "/name/0/given/-", "value": value }]);
                    let answer = patch(server, path, &operations);
                    assert_eq!(answer.status, 200, "{}", answer.body);
                });
            }
        });
        let patched = got(server, &path);
        assert_eq!(patched["meta"]["versionId"], "17");
        assert_eq!(patched["name"][0]["given"].as_array().unwrap().len(), 17);
    });
}

/// http.html#patch: in a bundle the patch is a Binary, or Parameters.
#[test]
fn entries_of_a_batch_patch() {
    on_each(|server| {
        let value = unique("patch");
        let id = created(server, &identified(&value, json!({})));
        let path = format!("Patient/{id}");
        let deletes = parameters(json!([
            { "name": "type", "valueCode": "delete" }, { "name": "path", "valueString": "Patient.gender" }
        ]));
        let none = json!([{ "op": "remove", "path": "/gender" }]);
        let sent = bundle(
            "batch",
            vec![
                entry("PATCH", &path, binary(&json!([{ "op": "add", "path": "/active", "value": true }]))),
                entry("PATCH", &format!("Patient?identifier={value}"), deletes),
                entry("PATCH", &path, binary(&none)),
                entry("PATCH", &path, patient(json!({}))),
                entry("PATCH", &path, Value::Null),
                entry("PATCH", &path, json!({ "resourceType": "Binary", "contentType": "text/plain", "data": "AAAA" })),
            ],
        );
        let answer = server.post("", &sent);
        let statuses: Vec<&str> =
            entries(&answer.body).iter().map(|entry| &entry["response"]["status"].as_str().unwrap()[..3]).collect();
        assert_eq!(statuses, ["200", "200", "422", "400", "400", "415"], "{}", answer.body);
        assert_eq!(got(server, &path)["active"], json!(true));
    });
}

/// A transaction patches with everything else or not at all, and links in what a patch brings lead to
/// the entries they name.
#[test]
fn entries_of_a_transaction_patch() {
    on_each(|server| {
        let value = unique("patch");
        let id = created(server, &observation(json!({ "identifier": [{ "value": value }] })));
        let path = format!("Observation/{id}");
        let urn = "urn:uuid:5e3a0d7c-6f2b-4d21-9a64-7f6f4f1f1a11";
        let subject = json!([{ "op": "add", "path": "/subject", "value": { "reference": urn } }]);
        let mut subject = entry("PATCH", &format!("Observation?identifier={value}"), binary(&subject));
        subject["request"]["ifMatch"] = json!("W/\"1\"");
        let mut person = entry("POST", "Patient", patient(json!({})));
        person["fullUrl"] = json!(urn);
        let sent = bundle("transaction", vec![subject.clone(), entry("GET", &path, Value::Null), person.clone()]);
        let answer = server.post("", &sent);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let patched = &entries(&answer.body)[1]["resource"];
        let location = entries(&answer.body)[2]["response"]["location"].as_str().unwrap();
        let reference = patched["subject"]["reference"].as_str().unwrap();
        assert!(location.contains(reference), "{location} {reference}");
        assert_eq!(patched["meta"]["versionId"], "2");
        assert_eq!(entries(&answer.body)[0]["response"]["etag"], "W/\"2\"");
        // Now the condition does not hold any more: nothing is stored.
        let before = got(server, &path);
        refused(&server.post("", &bundle("transaction", vec![subject, person.clone()])), 412);
        let wrong = binary(&json!([{ "op": "remove", "path": "/status" }]));
        refused(&server.post("", &bundle("transaction", vec![entry("PATCH", &path, wrong)])), 422);
        let dangling = binary(&json!([{ "op": "replace", "path": "/subject/reference", "value": urn }]));
        refused(&server.post("", &bundle("transaction", vec![entry("PATCH", &path, dangling)])), 400);
        let nobody = entry("PATCH", &format!("Patient?identifier={}", unique("nobody")), binary(&json!([])));
        refused(&server.post("", &bundle("transaction", vec![nobody])), 404);
        let twice = || entry("PATCH", &path, binary(&json!([])));
        refused(&server.post("", &bundle("transaction", vec![twice(), twice()])), 400);
        assert_eq!(got(server, &path), before);
    });
}

/// What the CapabilityStatement says.
#[test]
fn is_declared() {
    on_each(|server| {
        let statement = got(server, "metadata");
        let formats = json!(["application/json-patch+json", "application/fhir+json", "application/fhir+xml"]);
        assert_eq!(statement["patchFormat"], formats);
        let patches = |resource: &Value| {
            resource["interaction"].as_array().unwrap().iter().any(|interaction| interaction["code"] == "patch")
        };
        assert!(statement["rest"][0]["resource"].as_array().unwrap().iter().all(patches));
    });
}
