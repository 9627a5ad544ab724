//! An event as the AuditEvent of FHIR R4, in the shapes of IHE's Basic Audit Log Patterns (BALP 1.1).
//!
//! A profile of BALP is claimed only by an event that has what it demands: a success, an address, one citizen for
//! the `Patient…` forms. BALP wants an event for each citizen of a search; here one event names them all, and claims
//! the form without a citizen then, so that what happened once is one row.

use base64::Engine as _;
use serde_json::{Value, json};

use super::{Action, Agent, Event, Kind};
use crate::r4::datetime::format_instant;
use crate::r4::{definitions, reference};

const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const INTERACTION: &str = "http://hl7.org/fhir/restful-interaction";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const ENTITY_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const BALP_ENTITY: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
const BALP: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
const OWN: &str = "http://renraku.example/fhir/StructureDefinition/access-audit";

/// Who wrote the events down.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The FHIR base of the server; empty when it is not known.
    pub base: &'a str,
}

/// Where it is not known.
pub const ORIGIN: Origin<'static> = Origin { base: "" };

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({ "system": system, "code": code, "display": display })
}

/// A purpose of use; those of emergencies with their names.
fn purpose_of(code: &str) -> Value {
    match code {
        "ETREAT" => concept(REASON, code, "Emergency Treatment"),
        "BTG" => concept(REASON, code, "break the glass"),
        code => json!({ "coding": [{ "system": REASON, "code": code }] }),
    }
}

fn concept(system: &str, code: &str, display: &str) -> Value {
    json!({ "coding": [coding(system, code, display)] })
}

/// The outcome of an event (audit-event-outcome).
const fn outcome(status: u16) -> &'static str {
    match status {
        0..=399 => "0",
        401 | 403 | 429 => "8",
        400..=499 => "4",
        _ => "12",
    }
}

fn kind(event: &Event) -> (Value, Option<Value>) {
    let rest =
        || Some(coding(INTERACTION, &event.interaction, &event.interaction)).filter(|_| !event.interaction.is_empty());
    let dicom = |code: &str, display: &str| coding(DICOM, code, display);
    match event.kind {
        Kind::Rest => (coding(EVENT_TYPE, "rest", "Restful Operation"), rest()),
        Kind::Record => (dicom("110110", "Patient Record"), rest()),
        Kind::Login => (dicom("110114", "User Authentication"), Some(dicom("110122", "Login"))),
        Kind::Logout => (dicom("110114", "User Authentication"), Some(dicom("110123", "Logout"))),
        Kind::Export => (dicom("110106", "Export"), rest()),
        Kind::Import => (dicom("110107", "Import"), None),
        Kind::EmergencyStarted => {
            (dicom("110113", "Security Alert"), Some(dicom("110127", "Emergency Override Started")))
        }
        Kind::EmergencyStopped => {
            (dicom("110113", "Security Alert"), Some(dicom("110138", "Emergency Override Stopped")))
        }
        Kind::Security => {
            (dicom("110113", "Security Alert"), Some(dicom("110137", "User Security Attributes Changed")))
        }
        Kind::AuditUsed => (dicom("110101", "Audit Log Used"), rest()),
        Kind::Started => (dicom("110100", "Application Activity"), Some(dicom("110120", "Application Start"))),
        Kind::Stopped => (dicom("110100", "Application Activity"), Some(dicom("110121", "Application Stop"))),
    }
}

/// `Type/id`, with a version or not.
fn is_reference(target: &str) -> bool {
    let mut parts = target.split('/');
    let (Some(name), Some(id)) = (parts.next(), parts.next()) else { return false };
    let rest: Vec<&str> = parts.collect();
    definitions().resource_number(name).is_some()
        && reference::is_id(id)
        && matches!(rest.as_slice(), [] | ["_history", _])
}

fn who(name: &str) -> Value {
    if is_reference(name) { json!({ "reference": name }) } else { json!({ "identifier": { "value": name } }) }
}

fn agents(event: &Event, origin: Origin<'_>) -> Vec<Value> {
    let Agent { name, client, organization, roles, purpose, certificate } = &event.agent;
    let is_read = event.action == Action::R;
    // BALP: of a read the server is the source, of everything else the client.
    let (client_role, server_role) = (
        if is_read {
            coding(DICOM, "110152", "Destination Role ID")
        } else {
            coding(DICOM, "110153", "Source Role ID")
        },
        if is_read {
            coding(DICOM, "110153", "Source Role ID")
        } else {
            coding(DICOM, "110152", "Destination Role ID")
        },
    );
    let mut all = Vec::new();
    let is_person = !client.is_empty();
    let described = |mut agent: Value| {
        if !roles.is_empty() {
            agent["role"] = roles.iter().map(|role| json!({ "text": role })).collect();
        }
        if !purpose.is_empty() {
            agent["purposeOfUse"] = json!([purpose_of(purpose)]);
        }
        agent
    };
    if is_person {
        let part = if matches!(event.action, Action::R | Action::E) {
            concept(PARTICIPATION, "IRCP", "information recipient")
        } else {
            concept(PARTICIPATION, "AUT", "author (originator)")
        };
        all.push(described(json!({ "type": part, "who": who(name), "requestor": true })));
    }
    let acting = if is_person { client } else { name };
    let mut application = json!({ "type": { "coding": [client_role] }, "who": who(acting), "requestor": !is_person });
    if !is_person {
        application = described(application);
    }
    if !organization.is_empty() {
        application["altId"] = json!(organization);
    }
    if !certificate.is_empty() {
        application["policy"] = json!([format!("urn:x-certificate-sha256:{certificate}")]);
    }
    if !event.from.is_empty() {
        application["network"] = json!({ "address": event.from, "type": "2" });
    }
    all.push(application);
    if !event.from.is_empty() {
        let mut server = json!({
            "type": { "coding": [server_role] }, "who": { "display": "renraku" }, "requestor": false,
        });
        let address = if origin.base.is_empty() { "renraku" } else { origin.base };
        server["network"] = json!({ "address": address, "type": if origin.base.is_empty() { "1" } else { "5" } });
        all.push(server);
    }
    all
}

fn entities(event: &Event) -> Vec<Value> {
    let mut all = Vec::new();
    if !event.request.is_empty() {
        all.push(json!({
            "what": { "identifier": { "value": event.request } }, "type": coding(BALP_ENTITY, "XrequestId", "X-Request-Id"),
        }));
    }
    let object = coding(ENTITY_TYPE, "2", "System Object");
    if is_reference(&event.target) {
        all.push(json!({
            "what": { "reference": event.target }, "type": object, "role": coding(ENTITY_ROLE, "4", "Domain Resource"),
        }));
    } else if !event.target.is_empty() && !asks(event) {
        all.push(json!({ "type": object, "role": coding(ENTITY_ROLE, "4", "Domain Resource"), "name": event.target }));
    }
    if asks(event) {
        let raw =
            if event.query.is_empty() { event.target.clone() } else { format!("{}?{}", event.target, event.query) };
        let query = base64::engine::general_purpose::STANDARD.encode(raw);
        all.push(json!({ "type": object, "role": coding(ENTITY_ROLE, "24", "Query"), "query": query }));
    }
    for citizen in &event.citizens {
        all.push(json!({
            "what": { "reference": format!("Patient/{citizen}") }, "type": coding(ENTITY_TYPE, "1", "Person"),
            "role": coding(ENTITY_ROLE, "1", "Patient"),
        }));
    }
    all
}

/// Whether there was a question.
fn asks(event: &Event) -> bool {
    event.interaction.starts_with("search") || (!event.query.is_empty() && !is_reference(&event.target))
}

/// The profile of BALP it meets.
fn balp(event: &Event) -> Option<String> {
    if event.kind != Kind::Rest || event.status >= 400 || event.from.is_empty() {
        return None;
    }
    let name = match &*event.interaction {
        "read" | "vread" => "Read",
        "create" => "Create",
        "update" | "patch" => "Update",
        "delete" => "Delete",
        "search-type" | "search-system" => "Query",
        _ => return None,
    };
    if name != "Query" && !is_reference(&event.target) {
        return None;
    }
    let about = if event.citizens.len() == 1 { "Patient" } else { "" };
    Some(format!("{BALP}{about}{name}"))
}

/// The AuditEvent of an event.
#[must_use]
pub fn audit_event(id: &str, event: &Event, origin: Origin<'_>) -> Value {
    let (kind, subtype) = kind(event);
    let profiles: Vec<String> = balp(event).into_iter().chain([OWN.to_owned()]).collect();
    let mut resource = json!({
        "resourceType": "AuditEvent",
        "id": id,
        "meta": { "versionId": "1", "lastUpdated": format_instant(event.at), "profile": profiles },
        "type": kind,
    });
    if let Some(subtype) = subtype {
        resource["subtype"] = json!([subtype]);
    }
    resource["action"] = json!(event.action.code());
    resource["recorded"] = json!(format_instant(event.at));
    resource["outcome"] = json!(outcome(event.status));
    let count = match event.citizen_count {
        0 => event.citizens.len() as u64,
        count => count,
    };
    let mut said: Vec<String> = Vec::new();
    if event.status != 200 {
        said.push(format!("HTTP {}", event.status));
    }
    if count > 0 {
        said.push(format!("citizens: {count}"));
    }
    if !event.note.is_empty() {
        said.push(event.note.clone());
    }
    if !said.is_empty() {
        resource["outcomeDesc"] = json!(said.join("; "));
    }
    if matches!(event.kind, Kind::EmergencyStarted | Kind::EmergencyStopped) && !event.agent.purpose.is_empty() {
        resource["purposeOfEvent"] = json!([purpose_of(&event.agent.purpose)]);
    }
    resource["agent"] = agents(event, origin).into();
    let mut source = json!({ "observer": { "display": "renraku" }, "type": [coding("http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server")] });
    if !origin.base.is_empty() {
        source["site"] = json!(origin.base);
    }
    resource["source"] = source;
    let entities = entities(event);
    if !entities.is_empty() {
        resource["entity"] = entities.into();
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validation::structure::check_resource;

    fn event(interaction: &'static str, action: Action, target: &str, citizens: &[&str]) -> Event {
        Event {
            interaction: interaction.into(),
            from: "192.0.2.7".to_owned(),
            request: "r-1".to_owned(),
            target: target.to_owned(),
            citizens: citizens.iter().map(|id| (*id).to_owned()).collect(),
            ..Event::now(
                Kind::Rest,
                action,
                Agent { name: "Practitioner/p1".to_owned(), client: "app".to_owned(), ..Agent::default() },
            )
        }
    }

    fn made(event: &Event) -> Value {
        let made = audit_event("a-1", event, Origin { base: "https://x.example/fhir" });
        let text = made.to_string();
        let node = crate::format::json::parse(text.as_bytes()).unwrap();
        check_resource(&node, Some("AuditEvent")).unwrap();
        made
    }

    #[test]
    fn a_read_about_one_citizen_is_balps_patient_read() {
        let made = made(&event("read", Action::R, "Observation/o1", &["c1"]));
        assert_eq!(made["meta"]["profile"][0], format!("{BALP}PatientRead"));
        assert_eq!(made["subtype"][0]["code"], "read");
        assert_eq!(made["agent"][0]["who"]["reference"], "Practitioner/p1");
        assert_eq!(made["agent"][1]["type"]["coding"][0]["code"], "110152");
        assert_eq!(made["agent"][1]["network"]["address"], "192.0.2.7");
        assert_eq!(made["agent"][2]["type"]["coding"][0]["code"], "110153");
        let whats: Vec<&str> = made["entity"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|entity| entity["what"]["reference"].as_str())
            .collect();
        assert_eq!(whats, ["Observation/o1", "Patient/c1"]);
    }

    #[test]
    fn a_search_keeps_its_query_in_base64_and_names_all_citizens() {
        let mut search = event("search-type", Action::E, "Observation", &["c1", "c2"]);
        search.set_query("code=x&patient.name=%E8%A6%8B");
        let made = made(&search);
        assert_eq!(made["meta"]["profile"][0], format!("{BALP}Query"));
        let query = made["entity"][1]["query"].as_str().unwrap();
        let raw = base64::engine::general_purpose::STANDARD.decode(query).unwrap();
        assert_eq!(raw, b"Observation?code=x&patient.name=%E8%A6%8B");
        assert_eq!(made["outcomeDesc"], "citizens: 2");
        assert_eq!(made["agent"][1]["type"]["coding"][0]["code"], "110153", "BALP: who asks is the source");
    }

    #[test]
    fn refusals_claim_no_pattern_of_success_and_say_how_serious_they_are() {
        for (status, wanted) in [(200, "0"), (404, "4"), (403, "8"), (401, "8"), (429, "8"), (503, "12")] {
            let made = made(&Event { status, ..event("read", Action::R, "Patient/c1", &["c1"]) });
            assert_eq!(made["outcome"], wanted, "{status}");
            assert_eq!(made["meta"]["profile"].as_array().unwrap().len(), if status < 400 { 2 } else { 1 });
        }
    }

    #[test]
    fn every_kind_is_a_resource_of_the_right_shape() {
        use Kind::{
            AuditUsed, EmergencyStarted, EmergencyStopped, Export, Import, Login, Logout, Record, Security, Started,
            Stopped,
        };
        for kind in [
            Record,
            Login,
            Logout,
            Export,
            Import,
            EmergencyStarted,
            EmergencyStopped,
            Security,
            AuditUsed,
            Started,
            Stopped,
        ] {
            let agent = Agent { name: "renraku".to_owned(), purpose: "ETREAT".to_owned(), ..Agent::default() };
            made(&Event {
                target: "notebook/v1/citizens".to_owned(),
                note: "x".to_owned(),
                ..Event::now(kind, Action::E, agent)
            });
        }
    }
}
