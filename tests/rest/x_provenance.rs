//! The header `X-Provenance` (FHIR R4 provenance.html#header).

use serde_json::{Value, json};

use crate::common::{Answer, Server};
use crate::support::{created, got, observation, on_each, patient, refused, unique};

const JSON_PATCH: &str = "application/json-patch+json";

fn provenance(who: &str) -> Value {
    json!({ "resourceType": "Provenance", "recorded": "2026-11-25T10:00:00+09:00", "agent": [{ "who": { "display": who } }] })
}

fn sent(
    server: &Server,
    method: &str,
    path: &str,
    more: &[(&str, &str)],
    header: &Value,
    body: Option<&Value>,
) -> Answer {
    let header = header.to_string();
    let mut headers = vec![("X-Provenance", header.as_str()), ("Content-Type", "application/fhir+json")];
    if more.iter().any(|(name, _)| *name == "Content-Type") {
        headers.pop();
    }
    headers.extend_from_slice(more);
    server.send(method, path, &headers, body)
}

/// The targets of the Provenances that are about a resource, a list each, oldest first.
fn told(server: &Server, about: &str) -> Vec<Vec<String>> {
    let bundle = got(server, &format!("Provenance?target={about}&_sort=_lastUpdated&_count=100"));
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let targets = |entry: &Value| {
        let list = entry["resource"]["target"].as_array().unwrap().iter();
        list.map(|target| target["reference"].as_str().unwrap().to_owned()).collect()
    };
    entries.iter().map(targets).collect()
}

/// "The intent is that the server picks up the provenance, fills out the target, and then stores the provenance".
#[test]
fn what_is_written_is_told_with_its_version() {
    on_each(|server| {
        let answer = sent(server, "POST", "Patient", &[], &provenance("dr-a"), Some(&patient(json!({}))));
        assert_eq!(answer.status, 201, "{}", answer.body);
        let id = answer.body["id"].as_str().unwrap();
        let link = answer.header("link");
        let place = link.strip_prefix(&format!("<{}/", server.base)).and_then(|rest| rest.split('>').next()).unwrap();
        assert!(link.ends_with("rel=\"http://www.w3.org/ns/prov#has_provenance\""), "{link}");
        let stored = got(server, place);
        assert_eq!(stored["target"], json!([{ "reference": format!("Patient/{id}/_history/1") }]));
        assert_eq!(stored["agent"][0]["who"]["display"], "dr-a");
        let about = format!("Patient/{id}");
        let body = patient(json!({ "id": id, "gender": "female" }));
        assert_eq!(sent(server, "PUT", &about, &[], &provenance("dr-b"), Some(&body)).status, 200);
        let patch = json!([{ "op": "replace", "path": "/gender", "value": "male" }]);
        let patched = sent(server, "PATCH", &about, &[("Content-Type", JSON_PATCH)], &provenance("dr-c"), Some(&patch));
        assert_eq!(patched.status, 200, "{}", patched.body);
        // provenance.html#removal: "the version that was deleted is referenced in Provenance.target".
        assert_eq!(sent(server, "DELETE", &about, &[], &provenance("dr-d"), None).status, 200);
        let wanted = [1, 2, 3, 3].map(|version| vec![format!("{about}/_history/{version}")]);
        assert_eq!(told(server, &about), wanted);
    });
}

/// What makes no version is not told of.
#[test]
fn what_changes_nothing_is_not_told() {
    on_each(|server| {
        let name = unique("same");
        let body = patient(json!({ "id": name, "identifier": [{ "system": "urn:x", "value": name }] }));
        let about = format!("Patient/{name}");
        assert_eq!(server.put(&about, &body).status, 201);
        let again = sent(server, "PUT", &about, &[], &provenance("x"), Some(&body));
        assert_eq!((again.status, again.header("link")), (200, ""));
        let condition = format!("identifier=urn:x|{name}");
        let again = sent(server, "POST", "Patient", &[("If-None-Exist", &condition)], &provenance("x"), Some(&body));
        assert_eq!(again.status, 200);
        assert_eq!(sent(server, "DELETE", "Patient/nobody-at-all", &[], &provenance("x"), None).status, 200);
        assert_eq!(told(server, &about), Vec::<Vec<String>>::new());
        let conditional = format!("Patient?identifier=urn:x|{name}");
        let body = patient(json!({ "identifier": [{ "system": "urn:x", "value": name }], "active": true }));
        assert_eq!(sent(server, "PUT", &conditional, &[], &provenance("x"), Some(&body)).status, 200);
        assert_eq!(told(server, &about), [[format!("{about}/_history/2")]]);
    });
}

/// "The provenance SHALL not have a specified Provenance.target"; it is JSON whatever the body is; one that is wrong
/// keeps everything from being written.
#[test]
fn with_a_wrong_header_nothing_is_written() {
    on_each(|server| {
        let with_target = json!({ "target": [{ "reference": "Patient/x" }] });
        let mut targeted = provenance("x");
        targeted["target"] = with_target["target"].clone();
        let mut unknown = provenance("x");
        unknown["agnet"] = json!([]);
        let mut incomplete = provenance("x");
        incomplete.as_object_mut().unwrap().remove("recorded");
        for (header, says) in [
            (targeted.to_string(), "target"),
            (unknown.to_string(), "agnet"),
            (incomplete.to_string(), "recorded"),
            (patient(json!({})).to_string(), "Provenance resource"),
            ("<Provenance xmlns=\"http://hl7.org/fhir\"/>".to_owned(), "X-Provenance"),
            ("{".to_owned(), "X-Provenance"),
            (String::new(), "X-Provenance"),
        ] {
            let name = unique("wrong");
            let body = patient(json!({ "id": name }));
            let headers = [("X-Provenance", header.as_str()), ("Content-Type", "application/fhir+json")];
            let answer = server.send("PUT", &format!("Patient/{name}"), &headers, Some(&body));
            refused(&answer, 400);
            let text = answer.body["issue"][0]["diagnostics"].as_str().unwrap();
            assert!(text.contains(says) && text.starts_with("the header X-Provenance"), "{header}: {text}");
            assert_eq!(server.get(&format!("Patient/{name}")).status, 404, "{header}");
        }
        // "Servers MAY reject a request if the X-Provenance header is too long".
        let mut long = provenance("x");
        long["agent"][0]["who"]["display"] = json!("a".repeat(70_000));
        refused(&sent(server, "POST", "Patient", &[], &long, Some(&patient(json!({})))), 431);
        let (one, two) = (provenance("x").to_string(), provenance("y").to_string());
        let twice = [("X-Provenance", one.as_str()), ("X-Provenance", &two), ("Content-Type", "application/fhir+json")];
        refused(&server.send("POST", "Patient", &twice, Some(&patient(json!({})))), 400);
        // A write that fails takes its Provenance along.
        let before =
            got(server, "Provenance?_summary=count&agent-type:missing=true&recorded=2001-01-01")["total"].clone();
        let mut old = provenance("x");
        old["recorded"] = json!("2001-01-01T00:00:00Z");
        let refusal =
            sent(server, "PUT", "Patient/y", &[("If-Match", "W/\"7\"")], &old, Some(&patient(json!({ "id": "y" }))));
        assert_eq!(refusal.status, 412);
        let after =
            got(server, "Provenance?_summary=count&agent-type:missing=true&recorded=2001-01-01")["total"].clone();
        assert_eq!(before, after);
    });
}

/// "determines the ids of the resource(s) to which the interaction applies"; "multiple Provenance resources should be
/// recorded, one for each Patient" (provenance.html#patients), and none shows what is hidden by what is not.
#[test]
fn a_transaction_is_told_by_citizen_and_label() {
    on_each(|server| {
        let (one, two) = (unique("one"), unique("two"));
        let entry = |resource: Value| {
            let url = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
            json!({ "resource": resource, "request": { "method": "PUT", "url": url } })
        };
        let about = |id: &str, of: &str| {
            observation(json!({ "id": format!("{id}-{of}"), "subject": { "reference": format!("Patient/{of}") } }))
        };
        let mut hidden = about("hidden", &one);
        hidden["meta"] = json!({ "security": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R" }] });
        let doctor = "urn:uuid:0f3c2a00-0000-4000-8000-000000000001";
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
            entry(patient(json!({ "id": one }))), entry(patient(json!({ "id": two }))),
            entry(about("plain", &one)), entry(about("plain", &two)), entry(hidden),
            { "fullUrl": doctor, "resource": { "resourceType": "Practitioner" }, "request": { "method": "POST", "url": "Practitioner" } },
            { "request": { "method": "GET", "url": format!("Observation?subject=Patient/{one}") } },
        ] });
        let mut header = provenance("x");
        header["agent"][0]["who"] = json!({ "reference": doctor });
        let answer = sent(server, "POST", "", &[], &header, Some(&bundle));
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(
            told(server, &format!("Patient/{one}")),
            [[format!("Patient/{one}/_history/1"), format!("Observation/plain-{one}/_history/1")]]
        );
        assert_eq!(
            told(server, &format!("Patient/{two}")),
            [[format!("Patient/{two}/_history/1"), format!("Observation/plain-{two}/_history/1")]]
        );
        assert_eq!(
            told(server, &format!("Observation/hidden-{one}")),
            [[format!("Observation/hidden-{one}/_history/1")]]
        );
        let doctor =
            answer.body["entry"][5]["response"]["location"].as_str().unwrap().split("/_history").next().unwrap();
        assert_eq!(told(server, doctor).len(), 1);
        let stored = got(server, &format!("Provenance?target=Patient/{two}"));
        assert_eq!(
            stored["entry"][0]["resource"]["agent"][0]["who"]["reference"], doctor,
            "links between entries hold here as well"
        );
        // A transaction that fails leaves nothing of it.
        let mut wrong = bundle.clone();
        wrong["entry"][0]["resource"]["gender"] = json!("male");
        wrong["entry"][1]["request"]["ifMatch"] = json!("W/\"9\"");
        assert_eq!(sent(server, "POST", "", &[], &header, Some(&wrong)).status, 412);
        assert_eq!(told(server, &format!("Patient/{one}")).len(), 1);
    });
}

/// Entries of a batch are independent (FHIR R4 http.html#transaction): each is told with itself.
#[test]
fn a_batch_is_told_entry_by_entry() {
    on_each(|server| {
        let id = created(server, &patient(json!({})));
        let about = |text: &str| {
            observation(json!({ "subject": { "reference": format!("Patient/{id}") }, "valueString": text }))
        };
        let post =
            |resource: Value| json!({ "resource": resource, "request": { "method": "POST", "url": "Observation" } });
        let mut wrong = about("wrong");
        wrong["status"] = json!(7);
        let batch = json!({ "resourceType": "Bundle", "type": "batch", "entry": [post(about("a")), post(wrong), post(about("b"))] });
        let answer = sent(server, "POST", "", &[], &provenance("x"), Some(&batch));
        assert_eq!(answer.status, 200, "{}", answer.body);
        for (place, count) in [(0, 1), (2, 1)] {
            let location = answer.body["entry"][place]["response"]["location"].as_str().unwrap();
            let target = location.split("/_history").next().unwrap();
            assert_eq!(told(server, target), vec![vec![format!("{target}/_history/1")]; count]);
        }
        assert!(answer.body["entry"][1]["response"]["status"].as_str().unwrap().starts_with("400"));
    });
}

/// The header is not documented for what only reads: it is not looked at there.
#[test]
fn reads_take_no_notice() {
    on_each(|server| {
        let id = created(server, &patient(json!({})));
        let headers = [("X-Provenance", "nonsense")];
        assert_eq!(server.send("GET", &format!("Patient/{id}"), &headers, None).status, 200);
        assert_eq!(server.send("GET", &format!("Patient?_id={id}"), &headers, None).status, 200);
    });
}
