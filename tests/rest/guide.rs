//! The notebook's own guide: its definitions are resources like any other.

use serde_json::json;

use crate::common::{Server, databases, query_lines};
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

/// Its search parameters are there from the first moment; that they become resources changes nothing about them.
#[test]
fn the_first_start_is_quiet() {
    for database in databases() {
        let mut server = Server::start_as_installed(&database.url, &[]);
        let found = got(&server, "SearchParameter?code=kana");
        assert_eq!(found["total"], 1);
        assert_eq!(got(&server, "Patient?kana=%E3%82%AB%E3%83%8A")["total"], 0);
        let first = server.log();
        server.terminate();
        let mut again = Server::start_as_installed(&database.url, &[]);
        again.terminate();
        let lines: Vec<&str> = first.lines().filter(|line| line.contains("parameter")).collect();
        assert_eq!(lines.len(), 1, "{first}");
        assert!(lines[0].contains("kana") && lines[0].contains("go=\"\""), "{first}");
        assert!(!again.log().contains("parameter"), "{}", again.log());
        let codes =
            query_lines(&database, "SELECT code || ' ' || state AS line FROM search_parameter WHERE source = ''");
        assert_eq!(codes, [""; 0], "all are of the resources");
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
