//! Reference parameters (FHIR R4 search.html#reference).

use serde_json::json;

use crate::common::Server;
use crate::support::{created, finds, observation, on_each, patient, refused, stored, tagged, unique};

/// `id`, `Type/id`, `:Type=id`; a versioned or absolute reference of this server is the same thing.
#[test]
fn has_its_forms() {
    on_each(|server| {
        let tag = unique("ref");
        let about = |reference: &str| {
            created(server, &tagged(observation(json!({ "subject": { "reference": reference } })), &tag))
        };
        let patient = about(&format!("Patient/{tag}"));
        let group = about(&format!("Group/{tag}"));
        let versioned = about(&format!("Patient/{tag}/_history/2"));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Observation?_tag={tag}&{query}"), ids);
        find(&format!("subject={tag}"), &[&patient, &group, &versioned]);
        find(&format!("subject=Patient/{tag}"), &[&patient, &versioned]);
        find(&format!("subject:Patient={tag}"), &[&patient, &versioned]);
        find(&format!("subject:Group={tag}"), &[&group]);
        find(&format!("patient={tag}"), &[&patient, &versioned]);
        find(&format!("subject=Group/{tag},Patient/{tag}"), &[&patient, &group, &versioned]);
        find("subject=Patient/nobody", &[]);
        refused(&server.get("Observation?subject:Nonsense=1"), 400);
        refused(&server.get("Observation?encounter=Group/1"), 400);
    });
}

/// Absolute URLs elsewhere and urns are compared as written.
#[test]
fn absolute_urls_are_compared_whole() {
    on_each(|server| {
        let tag = unique("ref");
        let url = format!("http://elsewhere.example/fhir/Patient/{tag}");
        let id = created(server, &tagged(observation(json!({ "subject": { "reference": url } })), &tag));
        finds(server, &format!("Observation?_tag={tag}&subject={url}"), &[&id]);
        finds(server, &format!("Observation?_tag={tag}&subject={url}x"), &[]);
        finds(server, &format!("Observation?_tag={tag}&subject=Patient/{tag}"), &[]);
    });
}

/// `:identifier` compares Reference.identifier.
#[test]
fn identifier_compares_the_logical_reference() {
    on_each(|server| {
        let tag = unique("ref");
        let subject = json!({ "identifier": { "system": "urn:mrn", "value": tag } });
        let id = created(server, &tagged(observation(json!({ "subject": subject })), &tag));
        let find = |query: &str, ids: &[&str]| finds(server, &format!("Observation?_tag={tag}&{query}"), ids);
        find(&format!("subject:identifier=urn:mrn|{tag}"), &[&id]);
        find(&format!("subject:identifier={tag}"), &[&id]);
        find(&format!("subject:identifier=urn:other|{tag}"), &[]);
        find(&format!("subject={tag}"), &[]);
    });
}

/// A reference finds its resource whether or not the target is here, and when it comes later.
#[test]
fn the_target_need_not_be_here() {
    on_each(|server| {
        let target = unique("ref-later");
        let id = created(server, &observation(json!({ "subject": { "reference": format!("Patient/{target}") } })));
        finds(server, &format!("Observation?subject=Patient/{target}"), &[&id]);
        assert_eq!(server.get(&format!("Patient/{target}")).status, 404);
        finds(server, &format!("Patient?_id={target}"), &[]);
        let body = stored(server, &json!({ "resourceType": "Patient", "id": target }));
        assert_eq!(body["meta"]["versionId"], "1");
        finds(server, &format!("Observation?subject=Patient/{target}"), &[&id]);
        server.delete(&format!("Patient/{target}"));
        finds(server, &format!("Observation?subject=Patient/{target}"), &[&id]);
    });
}

/// Each reference of a list counts.
#[test]
fn lists_of_references() {
    on_each(|server| {
        let tag = unique("ref");
        let id = created(
            server,
            &tagged(
                observation(
                    json!({ "performer": [{ "reference": "Practitioner/p1" }, { "reference": format!("Organization/{tag}") }] }),
                ),
                &tag,
            ),
        );
        finds(server, &format!("Observation?_tag={tag}&performer=Organization/{tag}"), &[&id]);
        finds(server, &format!("Observation?_tag={tag}&performer=Practitioner/p1"), &[&id]);
        finds(server, &format!("Observation?_tag={tag}&performer=Practitioner/{tag}"), &[]);
    });
}

/// A reference given as an absolute URL of this server is a reference to what is here, in bodies and in
/// searches (FHIR R4 search.html#reference), where the base URL is fixed.
#[test]
fn own_absolute_urls_are_local() {
    for database in crate::common::databases() {
        let base = "https://notebook.example/fhir";
        let server = Server::start(&database.url, &["--base-url", base]);
        let id = created(&server, &patient(json!({ "name": [{ "family": "Own" }] })));
        let absolute =
            created(&server, &observation(json!({ "subject": { "reference": format!("{base}/Patient/{id}") } })));
        let versioned = created(
            &server,
            &observation(json!({ "subject": { "reference": format!("{base}/Patient/{id}/_history/1") } })),
        );
        let relative = created(&server, &observation(json!({ "subject": { "reference": format!("Patient/{id}") } })));
        let elsewhere = created(
            &server,
            &observation(json!({ "subject": { "reference": format!("https://other.example/fhir/Patient/{id}") } })),
        );
        let own = [absolute.as_str(), &versioned, &relative];
        finds(&server, &format!("Observation?subject={id}"), &own);
        finds(&server, &format!("Observation?subject=Patient/{id}"), &own);
        finds(&server, &format!("Observation?subject={base}/Patient/{id}"), &own);
        finds(&server, "Observation?subject:Patient.family=own", &own);
        finds(&server, &format!("Observation?subject=https://other.example/fhir/Patient/{id}"), &[&elsewhere]);
        finds(&server, &format!("Patient?_has:Observation:subject:_id={absolute}"), &[&id]);
        // What was derived for one base URL is not used for another.
        drop(server);
    }
}
