//! Help, settings, and the commands that do little: migrate and healthcheck.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;

use crate::common::{TempDir, databases, renraku, sqlite_database};
use crate::{Said, run};

#[test]
fn help_names_the_commands_and_shows_examples() {
    let folder = TempDir::new();
    let help = run(folder.path(), &["--help"]);
    assert_eq!(help.code, Some(0));
    for word in ["serve", "import", "migrate", "healthcheck", "Examples:", "renraku serve --demo", "RENRAKU_MAX_BODY"] {
        assert!(help.out.contains(word), "{word} is missing in:\n{}", help.out);
    }
    let serve = run(folder.path(), &["serve", "--help"]).out;
    for word in ["--listen", "--insecure", "--demo", "--trusted-proxies", "127.0.0.1:8080", "50MiB", "Exit codes"] {
        assert!(serve.contains(word), "{word} is missing in:\n{serve}");
    }
}

#[test]
fn help_of_a_command_shows_only_the_settings_it_uses() {
    let folder = TempDir::new();
    let import = run(folder.path(), &["import", "--help"]).out;
    assert!(import.contains("--jobs") && import.contains("--database") && import.contains("gz"), "{import}");
    assert!(!import.contains("--listen") && !import.contains("--max-body"), "{import}");
    let healthcheck = run(folder.path(), &["healthcheck", "--help"]).out;
    assert!(healthcheck.contains("--listen") && !healthcheck.contains("--database"), "{healthcheck}");
}

#[test]
fn version_is_told() {
    let folder = TempDir::new();
    assert_eq!(run(folder.path(), &["--version"]).out.trim(), concat!("renraku ", env!("CARGO_PKG_VERSION")));
}

/// The requirement: "flags, `renraku.toml` and `RENRAKU_*` env, in that order of precedence".
#[test]
fn flags_beat_the_file_and_the_file_beats_the_environment() {
    let folder = TempDir::new();
    let migrate = |arguments: &[&str]| -> Said {
        let mut command = renraku(folder.path());
        command.env("RENRAKU_DATABASE", "sqlite://environment.db");
        command.arg("migrate").args(arguments).output().expect("the program starts").into()
    };
    let there = |name: &str| folder.path().join(name).exists();
    assert_eq!(migrate(&[]).code, Some(0));
    assert!(there("environment.db"));
    fs::write(folder.path().join("renraku.toml"), "database = \"sqlite://file.db\"\n").unwrap();
    assert!(!there("file.db"));
    assert_eq!(migrate(&[]).code, Some(0));
    assert!(there("file.db"));
    assert_eq!(migrate(&["--database", "sqlite://flag.db"]).code, Some(0));
    assert!(there("flag.db"));
    fs::write(folder.path().join("other.toml"), "database = \"sqlite://other.db\"\n").unwrap();
    assert_eq!(migrate(&["--config", "other.toml"]).code, Some(0));
    assert!(there("other.db"));
}

#[test]
fn an_unknown_key_of_the_file_is_named_with_its_line() {
    let folder = TempDir::new();
    fs::write(folder.path().join("renraku.toml"), "readers = 4\nlissten = \"127.0.0.1:1\"\n").unwrap();
    let said = run(folder.path(), &["migrate"]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("renraku.toml") && said.err.contains("line 2") && said.err.contains("lissten"),
        "{said:?}"
    );
}

#[test]
fn a_file_that_is_asked_for_must_be_there() {
    let folder = TempDir::new();
    let said = run(folder.path(), &["migrate", "--config", "nowhere.toml"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("nowhere.toml"), "{said:?}");
}

/// Pages of anybody are let in by no setting.
#[test]
fn origins_of_pages_are_exact() {
    let folder = TempDir::new();
    for origin in ["*", "null", "https://app.example.jp/", "https://*.example.jp"] {
        let said = run(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--cors-origins", origin]);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains("cors_origins") && said.err.contains("https://app.example.jp"), "{said:?}");
    }
}

#[test]
fn serve_does_not_listen_where_others_can_reach_it() {
    let folder = TempDir::new();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"] {
        let said = run(folder.path(), &["serve", "--listen", address]);
        assert_eq!(said.code, Some(2), "{said:?}");
        for word in ["TLS", "authentication", "reverse proxy", "--insecure", "127.0.0.1"] {
            assert!(said.err.contains(word), "{word} is missing: {said:?}");
        }
        assert_eq!(said.out, "");
    }
    assert!(!folder.path().join("renraku.db").exists(), "nothing was opened");
}

#[test]
fn serve_says_that_the_port_is_taken() {
    let folder = TempDir::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = run(folder.path(), &["serve", "--listen", &address]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains(&address) && said.err.contains("--listen"), "{said:?}");
}

#[test]
fn a_database_that_does_not_open_is_explained() {
    let folder = TempDir::new();
    let missing = run(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--database", "sqlite://no/such/folder.db"]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.err.contains("no/such"), "{missing:?}");
    let form = run(folder.path(), &["serve", "--database", "mysql://x"]);
    assert_eq!(form.code, Some(2), "{form:?}");
    assert!(form.err.contains("postgres://"), "{form:?}");
}

#[test]
fn a_database_in_use_is_explained() {
    let database = sqlite_database();
    let folder = TempDir::new();
    let mut server = renraku(folder.path())
        .args(["serve", "--listen", "127.0.0.1:0", "--database", &database.url])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut first = [0; 12];
    server.stdout.as_mut().unwrap().read_exact(&mut first).expect("it says where it listens");
    let said = run(folder.path(), &["migrate", "--database", &database.url]);
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("in use by another renraku process"), "{said:?}");
}

#[test]
fn migrate_says_what_ran() {
    for database in databases() {
        let folder = TempDir::new();
        let first = run(folder.path(), &["migrate", "--database", &database.url]);
        assert_eq!(first.code, Some(0), "{first:?}");
        assert!(first.out.starts_with("ran migration "), "{first:?}");
        let second = run(folder.path(), &["migrate", "--database", &database.url]);
        assert_eq!(second.out, "the schema is up to date\n");
    }
}

#[test]
fn healthcheck_tells_well_from_ill() {
    let folder = TempDir::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let answers = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in ["HTTP/1.1 200 OK\r\n\r\nok", "HTTP/1.1 503 Service Unavailable\r\n\r\n", "SSH-2.0\r\n"] {
            let (mut stream, _) = server.accept().unwrap();
            let mut request = [0; 512];
            let length = stream.read(&mut request).unwrap();
            requests.push(String::from_utf8_lossy(&request[..length]).into_owned());
            stream.write_all(answer.as_bytes()).unwrap();
        }
        requests
    });
    let all = format!("0.0.0.0:{port}");
    let well = run(folder.path(), &["healthcheck", "--listen", &all]);
    assert_eq!((well.code, well.out.as_str()), (Some(0), "ok\n"), "{well:?}");
    let url = format!("http://127.0.0.1:{port}/health");
    let ill = run(folder.path(), &["healthcheck", "--url", &url]);
    assert_eq!(ill.code, Some(1));
    assert!(ill.err.contains("503"), "{ill:?}");
    assert_eq!(run(folder.path(), &["healthcheck", "--url", &url]).code, Some(1));
    assert!(answers.join().unwrap()[0].starts_with("GET /health HTTP/1.1\r\nHost: 127.0.0.1"));
    let nobody = run(folder.path(), &["healthcheck", "--url", &url]);
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.err.contains("refused"), "{nobody:?}");
}
