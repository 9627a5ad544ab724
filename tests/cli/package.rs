//! `renraku package`: what is installed is there for a server, what is removed is not.

use crate::common::{Server, TempDir, databases};
use crate::run;

/// The package of our own guide: built, installed, kept from writes, removed with its resources.
#[test]
fn packages_come_and_go() {
    for database in databases() {
        let folder = TempDir::new();
        let said = |arguments: &[&str]| {
            let said = run(folder.path(), arguments);
            assert_eq!(said.code, Some(0), "{arguments:?}: {} {}", said.out, said.err);
            said.out + &said.err
        };
        said(&["package", "build", "--output", "guide.tgz"]);
        said(&["package", "--database", &database.url, "add", "guide.tgz"]);
        let listed = said(&["package", "--database", &database.url, "list"]);
        assert!(listed.contains("renraku"), "{listed}");
        let profile = "StructureDefinition/notebook-patient";
        let mut server = Server::start(&database.url, &[]);
        assert_eq!(server.get(profile).status, 200);
        assert_eq!(server.delete(profile).status, 409);
        server.terminate();
        said(&["package", "--database", &database.url, "remove", "renraku"]);
        let server = Server::start(&database.url, &[]);
        assert_eq!(server.get(profile).status, 410, "what a package brought goes with it");
    }
}
