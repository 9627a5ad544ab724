//! TLS and client certificates, with certificates made here (MHLW guideline 6.0: TLS 1.3 with client certificates).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;
mod pki;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode, SslVersion};

use common::{Server, TempDir, renraku, sqlite_database};
use pki::{Authority, Identity};

/// What a client got: the answer's head and body, or why there was none.
fn ask(
    server: &Server,
    trusted: &Authority,
    identity: Option<&Identity>,
    version: Option<SslVersion>,
) -> Result<String, String> {
    let address = server.base.trim_start_matches("https://").trim_end_matches("/fhir");
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_verify(SslVerifyMode::PEER);
    connector.cert_store_mut().add_cert(trusted.certificate.clone()).unwrap();
    connector.set_max_proto_version(version).unwrap();
    if let Some(identity) = identity {
        connector.set_certificate(&identity.certificate).unwrap();
        connector.set_private_key(&identity.key).unwrap();
    }
    let socket = TcpStream::connect(address).map_err(|error| error.to_string())?;
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut stream = connector.build().connect("127.0.0.1", socket).map_err(|error| error.to_string())?;
    // In TLS 1.3 a client hears of a refused certificate when it reads.
    let request =
        format!("GET /fhir/metadata?_elements=fhirVersion HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if answer.is_empty() => return Err(error.to_string()),
        _ => {}
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    if answer.starts_with("HTTP/1.1 200") { Ok(answer) } else { Err(answer) }
}

/// A server with TLS; its files are in the folder.
fn serve(folder: &TempDir, database: &str, ca: &Authority, more: &[&str]) -> Server {
    let identity = ca.issue("server", "127.0.0.1", 30);
    identity.write(folder.path(), "server");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key) = (path("server.pem"), path("server.key"));
    let mut arguments = vec!["--tls-cert", &certificate, "--tls-key", &key];
    arguments.extend(more);
    Server::start(database, &arguments)
}

#[test]
fn it_speaks_tls_1_3_and_says_that_browsers_shall_stay_with_it() {
    let (folder, database, ca) = (TempDir::new(), sqlite_database(), Authority::new("CA"));
    let server = serve(&folder, &database.url, &ca, &[]);
    assert!(server.base.starts_with("https://"), "{}", server.base);
    let answer = ask(&server, &ca, None, None).unwrap();
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
    assert!(answer.contains("https://127.0.0.1"), "links carry the scheme that is spoken: {answer}");
    assert!(ask(&server, &ca, None, Some(SslVersion::TLS1_2)).is_err(), "TLS 1.2 is spoken only when it is allowed");
    assert!(
        ask(&server, &Authority::new("CA"), None, None).is_err(),
        "the test itself checks the server's certificate"
    );
}

#[test]
fn a_key_may_have_a_passphrase_and_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, database, ca) = (TempDir::new(), sqlite_database(), Authority::new("CA"));
    let path = |name: &str| folder.path().join(name).display().to_string();
    let identity = ca.issue("server", "127.0.0.1", 30);
    identity.write(folder.path(), "server");
    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let key = identity.key.private_key_to_pem_pkcs8_passphrase(cipher, b"s3cret-marker").unwrap();
    std::fs::write(path("server.key"), key).unwrap();
    std::fs::write(path("right"), "s3cret-marker\n").unwrap();
    std::fs::write(path("wrong"), "s3cret-marked\n").unwrap();
    let (certificate, key, right) = (path("server.pem"), path("server.key"), path("right"));
    let files = ["--tls-cert", &certificate, "--tls-key", &key];
    let mode = |path: &str, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(&key, 0o640);
    mode(&right, 0o644);
    let log = ["--log", "trace", "--tls-key-passphrase-file", &right];
    let server = Server::start(&database.url, &[&files[..], &log].concat());
    ask(&server, &ca, None, None).unwrap();
    let log = server.log();
    assert!(log.contains(&format!("tls_key_passphrase_file: {right} may be read")), "{log}");
    assert!(!log.contains("tls_key: ") && !log.contains("s3cret"), "{log}");
    drop(server);
    for (more, reason) in
        [(&[][..], "has a passphrase"), (&["--tls-key-passphrase-file", &path("wrong")], "is not that of this key")]
    {
        let start = ["serve", "--listen", "127.0.0.1:0", "--no-guide", "--database", &database.url];
        let output = renraku(folder.path()).args([&start[..], &files, more].concat()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(reason) && !said.contains("s3cret"), "{said}");
    }
}

#[test]
fn tls_1_2_can_be_allowed() {
    let (folder, database, ca) = (TempDir::new(), sqlite_database(), Authority::new("CA"));
    let server = serve(&folder, &database.url, &ca, &["--tls-min-version", "1.2"]);
    ask(&server, &ca, None, Some(SslVersion::TLS1_2)).unwrap();
    ask(&server, &ca, None, None).unwrap();
    assert!(ask(&server, &ca, None, Some(SslVersion::TLS1_1)).is_err());
}

#[test]
fn only_a_valid_client_certificate_comes_in() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    let (ca, other) = (Authority::new("CA"), Authority::new("CA"));
    let right = ca.issue("ward-1", "ward-1.example", 30);
    let revoked = ca.issue("ward-2", "ward-2.example", 30);
    let expired = ca.issue("ward-3", "ward-3.example", -1);
    let strange = other.issue("ward-4", "ward-4.example", 30);
    ca.write(folder.path(), "ca.pem");
    ca.write_revoked(folder.path(), "crl.pem", &[&revoked]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (authorities, list) = (path("ca.pem"), path("crl.pem"));
    let demanding = ["--client-auth", "required", "--client-ca", &authorities, "--client-crl", &list];
    let server = serve(&folder, &database.url, &ca, &demanding);
    let came_in = |identity: Option<&Identity>| ask(&server, &ca, identity, None);
    came_in(Some(&right)).unwrap();
    for (what, identity) in
        [("none", None), ("revoked", Some(&revoked)), ("expired", Some(&expired)), ("of another CA", Some(&strange))]
    {
        let refused = came_in(identity);
        assert!(refused.is_err(), "a certificate that is {what} was let in: {refused:?}");
    }
    came_in(Some(&right)).unwrap();
}

#[test]
fn an_optional_certificate_must_be_valid_where_it_is_shown() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    let (ca, other) = (Authority::new("CA"), Authority::new("CA"));
    ca.write(folder.path(), "ca.pem");
    let authorities = folder.path().join("ca.pem").display().to_string();
    let server = serve(&folder, &database.url, &ca, &["--client-auth", "optional", "--client-ca", &authorities]);
    ask(&server, &ca, None, None).unwrap();
    ask(&server, &ca, Some(&ca.issue("ward-1", "ward-1.example", 30)), None).unwrap();
    assert!(ask(&server, &ca, Some(&other.issue("ward-1", "ward-1.example", 30)), None).is_err());
}

#[test]
fn new_files_count_from_the_next_connection_on() {
    let (folder, database, ca) = (TempDir::new(), sqlite_database(), Authority::new("CA"));
    let device = ca.issue("ward-1", "ward-1.example", 30);
    ca.write(folder.path(), "ca.pem");
    ca.write_revoked(folder.path(), "crl.pem", &[]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (authorities, list) = (path("ca.pem"), path("crl.pem"));
    let server = serve(
        &folder,
        &database.url,
        &ca,
        &["--client-auth", "required", "--client-ca", &authorities, "--client-crl", &list],
    );
    ask(&server, &ca, Some(&device), None).unwrap();
    // A certificate is revoked, and the server gets one of another CA.
    let next = Authority::new("next");
    ca.write_revoked(folder.path(), "crl.pem", &[&device]);
    next.issue("server", "127.0.0.1", 30).write(folder.path(), "server");
    let pid = server.pid().to_string();
    assert!(std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    let started = Instant::now();
    let another = ca.issue("ward-2", "ward-2.example", 30);
    while ask(&server, &next, Some(&another), None).is_err() {
        assert!(started.elapsed() < Duration::from_secs(20), "the new certificate is not shown:\n{}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(ask(&server, &next, Some(&device), None).is_err(), "the new revocation list does not count");
    // What cannot be read does not stop the server.
    std::fs::write(folder.path().join("server.pem"), "no certificate").unwrap();
    assert!(std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    let started = Instant::now();
    while !server.log().contains("the old ones stay in use") {
        assert!(started.elapsed() < Duration::from_secs(20), "{}", server.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    ask(&server, &next, Some(&another), None).unwrap();
}

#[test]
fn wrong_files_are_named_at_start() {
    let (folder, database) = (TempDir::new(), sqlite_database());
    let (ca, other) = (Authority::new("CA"), Authority::new("CA"));
    ca.issue("server", "127.0.0.1", 30).write(folder.path(), "server");
    other.issue("server", "127.0.0.1", 30).write(folder.path(), "other");
    let refused = |arguments: &[&str]| {
        let output = renraku(folder.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--no-guide", "--database", &database.url])
            .args(arguments)
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused(&["--tls-cert", "server.pem"]).contains("tls_key"));
    assert!(refused(&["--tls-cert", "nowhere.pem", "--tls-key", "server.key"]).contains("nowhere.pem"));
    assert!(refused(&["--tls-cert", "server.pem", "--tls-key", "other.key"]).contains("other.key"));
    assert!(refused(&["--client-auth", "required"]).contains("tls_cert"));
}

#[test]
fn the_health_check_speaks_tls() {
    let (folder, database, ca) = (TempDir::new(), sqlite_database(), Authority::new("CA"));
    let server = serve(&folder, &database.url, &ca, &[]);
    let url = format!("{}/health", server.base.trim_end_matches("/fhir"));
    let output = renraku(folder.path()).args(["healthcheck", "--url", &url]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
