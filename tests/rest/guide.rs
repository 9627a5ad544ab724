//! The notebook's own guide: its definitions are resources like any other.

use serde_json::json;

use crate::common::{Server, databases};
use crate::support::got;

#[test]
fn the_definitions_of_the_guide_are_read_and_searched() {
    for database in databases() {
        let server = Server::start_as_installed(&database.url, &[]);
        let profile = got(&server, "StructureDefinition/notebook-patient");
        assert_eq!(profile["url"], "http://renraku.example/fhir/StructureDefinition/notebook-patient");
        let found = got(&server, "ValueSet?url=http://renraku.example/fhir/ValueSet/care-level");
        assert_eq!(found["total"], 1);
        assert_eq!(got(&server, "CodeSystem/care-level")["concept"][0]["code"], "01");
    }
}

/// What somebody changed stays changed when the server starts again.
#[test]
fn a_definition_that_was_changed_stays_changed() {
    for database in databases() {
        let mut server = Server::start_as_installed(&database.url, &[]);
        let mut own = got(&server, "CodeSystem/adherence");
        own["title"] = json!("Ours");
        assert_eq!(server.put("CodeSystem/adherence", &own).status, 200);
        assert_eq!(server.delete("ValueSet/adherence").status, 200);
        server.terminate();
        let server = Server::start_as_installed(&database.url, &[]);
        assert_eq!(got(&server, "CodeSystem/adherence")["title"], "Ours");
        assert_eq!(server.get("ValueSet/adherence").status, 410);
        assert_eq!(got(&server, "CodeSystem/care-level")["meta"]["versionId"], "1");
    }
}
