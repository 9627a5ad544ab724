//! Secrets come from files or the environment, and are repeated nowhere.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::common::{TempDir, renraku, sqlite_database};
use crate::{Said, run};

const SECRET: &str = "s3cret-marker";

#[track_caller]
fn assert_kept(said: &Said, code: i32) {
    assert_eq!(said.code, Some(code), "{said:?}");
    assert!(!said.err.is_empty(), "it says what is wrong");
    for part in [SECRET, "cret-marker", "s3cret"] {
        assert!(!said.err.contains(part) && !said.out.contains(part), "{said:?}");
    }
}

/// No server is at port 1: libpq says so, with as much as it likes to say.
#[test]
fn a_password_of_the_database_is_in_no_error() {
    let folder = TempDir::new();
    let file = folder.path().join("password");
    fs::write(&file, format!("{SECRET}\n")).unwrap();
    let file = file.display().to_string();
    for command in [&["migrate"][..], &["serve", "--listen", "127.0.0.1:0", "--log", "trace"], &["client", "list"]] {
        let with = |more: &[&str]| run(folder.path(), &[command, more].concat());
        assert_kept(&with(&["--database", "postgres://u:s3cret-marker@127.0.0.1:1/x"]), 1);
        assert_kept(&with(&["--database", "postgres://u@127.0.0.1:1/x?password=s3cret-marker"]), 1);
        assert_kept(&with(&["--database", "postgres://u@127.0.0.1:1/x", "--database-password-file", &file]), 1);
        // Wrongly written.
        for url in [
            "postgres://u:s3cret-marker/@127.0.0.1/x",
            "postgres://u:@s3cret-marker@h/x",
            "u:s3cret-marker@h",
            "s3cret-marker",
        ] {
            assert_kept(&with(&["--database", url]), 2);
        }
        let twice = with(&["--database", "postgres://u:s3cret-marker@h/x", "--database-password-file", &file]);
        assert_kept(&twice, 2);
        assert!(twice.err.contains("database_password_file"), "{twice:?}");
    }
    let mut command = renraku(folder.path());
    command.env("RENRAKU_DATABASE", "postgres://u:s3cret-marker@127.0.0.1:1/x").args(["migrate", "--readers", "none"]);
    assert_kept(&command.output().unwrap().into(), 2);
}

/// What is asked elsewhere is told in logs and answers: no address has a password in it.
#[test]
fn addresses_of_other_servers_hold_no_password() {
    let folder = TempDir::new();
    let said = run(folder.path(), &["serve", "--terminology-server", "https://u:s3cret-marker@tx.example.org/r4"]);
    assert_kept(&said, 2);
    assert!(said.err.contains("terminology_server"), "{said:?}");
    let issuers = ["serve", "--base-url", "https://a.example/fhir", "--issuers", "https://u:s3cret-marker@id.example"];
    let said = run(folder.path(), &issuers);
    assert_kept(&said, 2);
    assert!(said.err.contains("issuers"), "{said:?}");
}

#[test]
fn a_file_of_settings_is_not_quoted() {
    let folder = TempDir::new();
    for wrong in [
        "readers = 4\ndatabase = \"postgres://u:s3cret-marker@h/x\n",
        "readers = 4\ndatabase = \"postgres://u:s3cret-marker@h/x\" database = 1\n",
        "readers = 4\ndatabase_password = \"s3cret-marker\"\n",
        "readers = 4\ndatabase = postgres://u:s3cret-marker@h/x\n",
    ] {
        fs::write(folder.path().join("renraku.toml"), wrong).unwrap();
        let said = run(folder.path(), &["migrate"]);
        assert_kept(&said, 2);
        assert!(said.err.contains("renraku.toml: line 2"), "{said:?}");
    }
}

#[test]
fn a_file_with_a_secret_holds_one_line() {
    let folder = TempDir::new();
    let file = folder.path().join("password");
    let path = file.display().to_string();
    for wrong in ["", "\n", "s3cret-marker\ns3cret-marker\n"] {
        fs::write(&file, wrong).unwrap();
        let said =
            run(folder.path(), &["migrate", "--database", "postgres://u@h/x", "--database-password-file", &path]);
        assert_kept(&said, 2);
        assert!(said.err.contains(&path) && said.err.contains("one line"), "{said:?}");
    }
    let said =
        run(folder.path(), &["migrate", "--database", "postgres://u@h/x", "--database-password-file", "nowhere"]);
    assert!(said.code == Some(2) && said.err.contains("nowhere"), "{said:?}");
}

/// The file holds records, and the key that signs tokens.
#[test]
fn a_new_database_is_for_its_user_alone() {
    let database = sqlite_database();
    let folder = TempDir::new();
    assert_eq!(run(folder.path(), &["migrate", "--database", &database.url]).code, Some(0));
    let mode = fs::metadata(database.folder().unwrap().join("renraku.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
