//! `$validate` (FHIR R4 resource-operation-validate.html): always 200 with an OperationOutcome, whatever is found.

use serde_json::{Value, json};

use crate::common::{Server, agent, exchange};
use crate::support::{created, got, observation, on_each, patient, refused, stored, unique, with};

const BP: &str = "http://hl7.org/fhir/StructureDefinition/bp";

fn validated(server: &Server, path: &str, body: &Value) -> Vec<Value> {
    let answer = server.post(path, body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["resourceType"], "OperationOutcome");
    answer.body["issue"].as_array().unwrap().clone()
}

fn errors(issues: &[Value]) -> Vec<&Value> {
    issues.iter().filter(|issue| issue["severity"] == "error").collect()
}

#[test]
fn what_is_right_has_one_informational_issue() {
    on_each(|server| {
        let issues = validated(server, "Patient/$validate", &patient(json!({ "gender": "female" })));
        assert!(errors(&issues).is_empty(), "{issues:?}");
    });
}

/// terminologies.html#strength: of a required binding the code must be in the value set.
#[test]
fn codes_outside_a_required_binding_are_errors_with_their_place() {
    on_each(|server| {
        let text = "{\"resourceType\":\"Patient\",\n \"gender\": \"unclear\"}";
        let headers = [("Content-Type", "application/fhir+json")];
        let answer =
            exchange(&agent(), &server.base, "POST", "$validate", &headers, Some(text.to_owned().into())).unwrap();
        assert_eq!(answer.status, 200);
        let issues = answer.body["issue"].as_array().unwrap();
        let error = errors(issues)[0];
        assert_eq!(error["code"], "code-invalid");
        assert_eq!(error["expression"], json!(["Patient.gender"]));
        assert_eq!(error["extension"][0]["valueInteger"], 2);
        assert_eq!(error["extension"][1]["valueInteger"], 2);
    });
}

/// Places are those of the text that was sent, in XML too, whether alone or as a parameter; text that is not
/// well-formed is refused with its place.
#[test]
fn xml_has_lines_too() {
    on_each(|server| {
        let send = |text: &str| {
            let headers = [("Content-Type", "application/fhir+xml"), ("Accept", "application/fhir+json")];
            exchange(&agent(), &server.base, "POST", "$validate", &headers, Some(text.to_owned().into())).unwrap()
        };
        let patient = "<Patient xmlns=\"http://hl7.org/fhir\">\n<active value=\"true\"/>\n  <gender value=\"unclear\"/>\n</Patient>";
        let whole = send(patient);
        let place = |answer: &Value| {
            let error = errors(answer["issue"].as_array().unwrap())[0].clone();
            (error["extension"][0]["valueInteger"].clone(), error["extension"][1]["valueInteger"].clone())
        };
        assert_eq!(place(&whole.body), (json!(3), json!(3)), "{}", whole.body);
        let wrapped = send(&format!(
            "<Parameters xmlns=\"http://hl7.org/fhir\">\n<parameter>\n<name value=\"resource\"/>\n<resource>\n{patient}</resource></parameter></Parameters>"
        ));
        assert_eq!(place(&wrapped.body), (json!(7), json!(3)), "{}", wrapped.body);
        let broken = send("<Patient xmlns=\"http://hl7.org/fhir\">\n<active value=\"true\">\n</Patient>");
        assert_eq!(broken.status, 400);
        assert!(broken.body["issue"][0]["diagnostics"].as_str().unwrap().contains("line 3"), "{}", broken.body);
    });
}

#[test]
fn messages_come_in_the_language_asked_for() {
    on_each(|server| {
        let headers = [("Content-Type", "application/fhir+json"), ("Accept-Language", "ja, en;q=0.5")];
        let body = patient(json!({ "gender": "unclear" })).to_string();
        let answer =
            exchange(&agent(), &server.base, "POST", "Patient/$validate", &headers, Some(body.into())).unwrap();
        let text = answer.body["issue"][0]["diagnostics"].as_str().unwrap();
        assert!(text.contains("バリューセット"), "{text}");
    });
}

/// profiling.html: a named profile is checked besides the standard.
#[test]
fn profiles_are_named_in_the_url_or_claimed_in_the_resource() {
    on_each(|server| {
        // No vital sign: those need not be named.
        let code = json!({ "coding": [{ "system": "http://loinc.org", "code": "718-7" }] });
        let plain = observation(json!({ "code": code }));
        assert!(errors(&validated(server, "Observation/$validate", &plain)).is_empty());
        let named = validated(server, &format!("Observation/$validate?profile={BP}"), &plain);
        assert!(errors(&named).iter().any(|issue| issue["expression"] == json!(["Observation"])), "{named:?}");
        let claimed = with(plain, json!({ "meta": { "profile": [BP] } }));
        assert_eq!(errors(&validated(server, "Observation/$validate", &claimed)).len(), errors(&named).len());
        let parameters = json!({ "resourceType": "Parameters", "parameter": [
            { "name": "resource", "resource": claimed },
            { "name": "mode", "valueCode": "profile" },
            { "name": "profile", "valueUri": BP },
            { "name": "profile", "valueUri": "http://hl7.org/fhir/StructureDefinition/vitalsigns" }
        ] });
        assert!(!errors(&validated(server, "Observation/$validate", &parameters)).is_empty());
    });
}

#[test]
fn unknown_profiles_are_warnings_and_unknown_modes_are_refused() {
    on_each(|server| {
        let issues = validated(server, "Patient/$validate?profile=http://example.org/none", &patient(json!({})));
        assert!(errors(&issues).is_empty());
        assert!(issues.iter().any(|issue| issue["severity"] == "warning"), "{issues:?}");
        refused(&server.post("Patient/$validate?mode=guess", &patient(json!({}))), 400);
        refused(&server.post("Patient/$validate?mode=profile", &patient(json!({}))), 400);
    });
}

#[test]
fn the_resource_must_fit_where_it_is_sent() {
    on_each(|server| {
        let issues = validated(server, "Observation/$validate", &patient(json!({})));
        assert!(!errors(&issues).is_empty());
        let id = unique("validate");
        stored(server, &patient(json!({ "id": id })));
        let issues = validated(server, &format!("Patient/{id}/$validate?mode=update"), &patient(json!({ "id": "x" })));
        assert_eq!(errors(&issues)[0]["expression"], json!(["Patient.id"]));
    });
}

#[test]
fn a_stored_resource_is_checked_without_a_body() {
    on_each(|server| {
        let id = created(server, &patient(json!({ "gender": "unclear" })));
        let outcome = got(server, &format!("Patient/{id}/$validate"));
        assert_eq!(outcome["issue"][0]["expression"], json!(["Patient.gender"]));
        let outcome = got(server, &format!("Patient/{id}/$validate?mode=delete"));
        assert_eq!(outcome["issue"][0]["severity"], "information");
        refused(&server.get("Patient/not-there/$validate"), 404);
    });
}

/// A StructureDefinition stored here is a source of definitions, from its write on.
#[test]
fn stored_profiles_are_used_at_once() {
    on_each(|server| {
        let id = unique("profile");
        let url = format!("http://example.org/StructureDefinition/{id}");
        let profile = |max: &str| {
            json!({
                "resourceType": "StructureDefinition", "id": id, "url": url, "name": "Test", "status": "active",
                "kind": "resource", "abstract": false, "type": "Patient", "derivation": "constraint",
                "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
                "differential": { "element": [{ "id": "Patient.name", "path": "Patient.name", "max": max }] }
            })
        };
        stored(server, &profile("0"));
        let named = patient(json!({ "name": [{ "family": "見本" }] }));
        let check = || validated(server, &format!("Patient/$validate?profile={url}"), &named);
        assert_eq!(errors(&check())[0]["expression"], json!(["Patient.name[0]"]));
        stored(server, &profile("1"));
        assert!(errors(&check()).is_empty());
    });
}

#[test]
fn xml_is_checked_as_well() {
    on_each(|server| {
        let headers = [("Content-Type", "application/fhir+xml"), ("Accept", "application/fhir+json")];
        let body = "<Patient xmlns=\"http://hl7.org/fhir\"><gender value=\"unclear\"/></Patient>";
        let answer =
            exchange(&agent(), &server.base, "POST", "Patient/$validate", &headers, Some(body.to_owned().into()))
                .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.body["issue"][0]["expression"], json!(["Patient.gender"]));
    });
}
