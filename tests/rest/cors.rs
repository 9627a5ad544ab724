//! Pages of other origins in a browser (CORS, the Fetch standard section 3.3; FHIR R4 security.html#cors).

use serde_json::json;

use crate::common::{Answer, Server, sqlite_database};
use crate::support::{patient, refused};

const OURS: &str = "https://app.example.jp";

fn with_origins(test: impl Fn(&Server)) {
    let database = sqlite_database();
    let server = Server::start(&database.url, &["--cors-origins", "https://app.example.jp,http://localhost:3000"]);
    test(&server);
}

fn preflight(server: &Server, path: &str, origin: &str) -> Answer {
    let headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "authorization,content-type,if-match"),
    ];
    server.send("OPTIONS", path, &headers, None)
}

fn may_read(answer: &Answer) -> &str {
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    answer.header("access-control-allow-origin")
}

fn varies_by_origin(answer: &Answer) -> bool {
    answer.headers.get_all("vary").iter().any(|value| value == "origin")
}

#[test]
fn pages_of_known_origins_may_do_what_clients_do() {
    with_origins(|server| {
        for origin in [OURS, "http://localhost:3000"] {
            let answer = preflight(server, "Patient/x", origin);
            assert_eq!((answer.status, may_read(&answer)), (204, origin));
            assert!(varies_by_origin(&answer));
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                assert!(answer.header("access-control-allow-methods").contains(method), "{method}");
            }
            for name in [
                "Authorization",
                "Content-Type",
                "If-Match",
                "If-None-Match",
                "If-None-Exist",
                "Prefer",
                "X-Provenance",
                "X-Request-Id",
            ] {
                assert!(answer.header("access-control-allow-headers").contains(name), "{name}");
            }
        }
        let made = server.send("POST", "Patient", &[("Origin", OURS)], Some(&patient(json!({}))));
        assert_eq!((made.status, may_read(&made)), (201, OURS));
        for name in ["Location", "ETag", "Content-Location", "Last-Modified", "Retry-After", "X-Request-Id"] {
            assert!(made.header("access-control-expose-headers").contains(name), "{name}");
        }
        // What is refused is read by the page too: it has to tell somebody.
        let missing = server.send("GET", "Patient/nowhere", &[("Origin", OURS)], None);
        assert_eq!((missing.status, may_read(&missing)), (404, OURS));
    });
}

#[test]
fn pages_of_other_origins_read_nothing() {
    with_origins(|server| {
        for origin in [
            "https://evil.example",
            "https://app.example.jp.evil.example",
            "http://app.example.jp",
            "https://app.example.jp:8443",
            "null",
            "*",
        ] {
            let answer = preflight(server, "Patient/x", origin);
            assert!(refused(&answer, 403).contains("cors_origins"));
            assert_eq!(may_read(&answer), "", "{origin}");
            let read = server.send("GET", "Patient?_count=0", &[("Origin", origin)], None);
            assert_eq!((read.status, may_read(&read)), (200, ""), "{origin}");
            assert!(varies_by_origin(&read), "{origin}");
        }
        // A cache must not give the answer without an origin to a page.
        assert!(varies_by_origin(&server.get("Patient?_count=0")));
        let two = [("Origin", OURS), ("Origin", "https://evil.example")];
        assert_eq!(may_read(&server.send("GET", "Patient?_count=0", &two, None)), "");
    });
}

/// What is public is for every page (SMART App Launch 2.2 app-launch.html); the CapabilityStatement says that there
/// is CORS.
#[test]
fn any_page_may_read_what_the_server_is() {
    with_origins(|server| {
        let answer = server.send("GET", "metadata", &[("Origin", "https://anybody.example")], None);
        assert_eq!((answer.status, may_read(&answer)), (200, "*"));
        assert_eq!(answer.body["rest"][0]["security"]["cors"], true);
    });
}

#[test]
fn by_default_nobody_may() {
    let database = sqlite_database();
    let server = Server::start(&database.url, &[]);
    let read = server.send("GET", "metadata", &[("Origin", OURS)], None);
    assert_eq!((read.status, may_read(&read)), (200, ""));
    assert_eq!(read.body["rest"][0]["security"]["cors"], false);
    assert!(!varies_by_origin(&read));
    let answer = preflight(&server, "Patient/x", OURS);
    assert_eq!((answer.status, may_read(&answer)), (405, ""));
}
