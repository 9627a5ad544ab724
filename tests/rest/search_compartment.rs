//! Searches in compartments (FHIR R4 compartmentdefinition.html, search.html#searching).

use serde_json::{Value, json};

use crate::common::Server;
use crate::support::{
    created, finds, got, ids_of, link, observation, on_each, pages, patient, post_form, refused, stored, unique,
};

fn to(kind: &str, id: &str) -> Value {
    json!({ "reference": format!("{kind}/{id}") })
}

fn about(server: &Server, subject: Value, more: Value) -> String {
    created(server, &crate::support::with(observation(json!({ "subject": subject })), more))
}

/// `Patient/x/Observation`: by any of the references that the definition names.
#[test]
fn finds_one_type_of_a_patient() {
    on_each(|server| {
        let she = created(server, &patient(json!({})));
        let other = created(server, &patient(json!({})));
        let subject = about(server, to("Patient", &she), json!({ "effectiveDateTime": "2024-01-01" }));
        let performer = about(server, to("Patient", &other), json!({ "performer": [to("Patient", &she)] }));
        let both =
            about(server, to("Patient", &she), json!({ "performer": [to("Patient", &she)], "status": "amended" }));
        about(server, to("Group", &she), json!({}));
        let path = format!("Patient/{she}/Observation");
        finds(server, &path, &[&subject, &performer, &both]);
        finds(server, &format!("{path}?status=amended"), &[&both]);
        finds(server, &format!("{path}?subject=Patient/{other}"), &[&performer]);
        finds(server, &format!("{path}?date=2024&_id={subject}"), &[&subject]);
        finds(server, &format!("Patient/{other}/Observation"), &[&performer]);
        finds(server, "Patient/nobody/Observation", &[]);
        refused(&server.get(&format!("{path}?nonsense=1")), 400);
        server.delete(&format!("Observation/{subject}"));
        finds(server, &path, &[&performer, &both]);
    });
}

/// The five compartments of R4; an encounter is in its own.
#[test]
fn there_are_five() {
    on_each(|server| {
        let tag = unique("compartment");
        let encounter =
            created(server, &json!({ "resourceType": "Encounter", "status": "planned", "class": { "code": "AMB" } }));
        let doctor = created(server, &json!({ "resourceType": "Practitioner" }));
        let device = created(server, &json!({ "resourceType": "Device" }));
        stored(server, &json!({ "resourceType": "Patient", "id": tag }));
        let relative = created(server, &json!({ "resourceType": "RelatedPerson", "patient": to("Patient", &tag) }));
        let id = about(
            server,
            to("Patient", &tag),
            json!({
                "encounter": to("Encounter", &encounter), "device": to("Device", &device),
                "performer": [to("Practitioner", &doctor), to("RelatedPerson", &relative)]
            }),
        );
        for owner in [
            format!("Encounter/{encounter}"),
            format!("Practitioner/{doctor}"),
            format!("Device/{device}"),
            format!("RelatedPerson/{relative}"),
            format!("Patient/{tag}"),
        ] {
            finds(server, &format!("{owner}/Observation"), &[&id]);
        }
        finds(server, &format!("Encounter/{encounter}/Encounter"), &[&encounter]);
        finds(server, &format!("Patient/{tag}/RelatedPerson"), &[&relative]);
    });
}

/// `Patient/x/*`: all types, by what all types have.
#[test]
fn finds_all_types() {
    on_each(|server| {
        let tag = unique("compartment");
        let she = created(server, &patient(json!({})));
        let seen = about(server, to("Patient", &she), json!({ "meta": { "tag": [{ "code": tag }] } }));
        let relative = created(server, &json!({ "resourceType": "RelatedPerson", "patient": to("Patient", &she) }));
        let path = format!("Patient/{she}/*");
        finds(server, &path, &[&seen, &relative]);
        finds(server, &format!("{path}?_type=RelatedPerson"), &[&relative]);
        finds(server, &format!("{path}?_tag={tag}"), &[&seen]);
        refused(&server.get(&format!("{path}?status=final")), 400);
    });
}

/// Links lead back into the compartment.
#[test]
fn is_paged() {
    on_each(|server| {
        let she = created(server, &patient(json!({})));
        for _ in 0..3 {
            about(server, to("Patient", &she), json!({}));
        }
        for member in ["Observation", "*"] {
            let path = format!("Patient/{she}/{member}?_count=2");
            let found = pages(server, &path);
            assert_eq!(found.iter().map(|page| ids_of(page, "match").len()).collect::<Vec<_>>(), [2, 1]);
            assert_eq!(link(server, &found[0], "self").unwrap(), path);
        }
        let answer = post_form(server, &format!("Patient/{she}/Observation/_search"), "status=final");
        assert_eq!((answer.status, &answer.body["total"]), (200, &json!(3)));
    });
}

/// What is no compartment, or not in it.
#[test]
fn says_what_is_wrong() {
    on_each(|server| {
        assert!(refused(&server.get("Organization/x/Observation"), 404).contains("Practitioner"));
        assert!(refused(&server.get("Patient/x/Medication"), 404).contains("not in the compartment"));
        refused(&server.get("Patient/x/Nonsense"), 404);
        refused(&server.get("Patient/a$b/Observation"), 400);
        refused(&server.delete("Patient/x/Observation"), 405);
        assert!(got(server, "metadata")["rest"][0]["compartment"].as_array().unwrap().len() == 5);
    });
}
