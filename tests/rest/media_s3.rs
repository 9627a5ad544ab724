//! Content in a bucket. `tests/s3.sh cargo test --test rest media` starts a service that speaks S3 on this machine and
//! runs these, and all other tests of media, against it; without it they say that they were skipped.

use std::process::Output;

use serde_json::json;

use crate::binary::noise;
use crate::common::{Answer, Bucket, Server, TempDir, agent, databases, exchange, renraku};
use crate::support::{created, entries, got, patient, refused};

fn write(server: &Server, id: &str, bytes: &[u8]) -> Answer {
    let media = [("Content-Type", "application/octet-stream")];
    exchange(&agent(), &server.base, "PUT", &format!("Binary/{id}"), &media, Some(bytes.to_vec())).unwrap()
}

fn read(server: &Server, id: &str, headers: &[(&str, &str)]) -> Answer {
    let headers = [&[("Accept", "*/*")], headers].concat();
    exchange(&agent(), &server.base, "GET", &format!("Binary/{id}"), &headers, None).unwrap()
}

fn media(folder: &TempDir, database: &str, bucket: &Bucket, command: &str) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = renraku(folder.path())
        .args(["media", command, "--database", database])
        .args(bucket.settings())
        .output()
        .unwrap();
    (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

fn start(database: &str, bucket: &Bucket) -> Server {
    Server::start(database, &bucket.settings())
}

/// Twenty megabytes go up in parts, and come back whole and in part.
#[test]
fn content_in_a_bucket_comes_back_whole_and_in_part() {
    let Some(bucket) = Bucket::new() else { return };
    for database in databases() {
        let bucket = bucket.beside();
        let server = start(&database.url, &bucket);
        let content = noise(20_000_000, 31);
        assert_eq!(write(&server, "large", &content).status, 201);
        assert_eq!(bucket.names("blobs").len(), 1);
        assert!(read(&server, "large", &[]).bytes == content, "{}", database.kind());
        for (from, to) in
            [(0, 0), (1, 70_000), (8_388_600, 8_388_700), (1_000_000, 15_000_000), (19_999_000, 19_999_999)]
        {
            let answer = read(&server, "large", &[("Range", &format!("bytes={from}-{to}"))]);
            assert_eq!(answer.status, 206);
            assert!(answer.bytes == content[from..=to], "{from}-{to}");
        }
        // As FHIR it is put back into the body.
        let body = json!({ "resourceType": "Binary", "contentType": "text/plain", "data": "QUJD".repeat(40_000) });
        let id = created(&server, &body);
        let fhir = [("Accept", "application/fhir+json")];
        let answer = exchange(&agent(), &server.base, "GET", &format!("Binary/{id}"), &fhir, None).unwrap();
        assert_eq!(answer.body["data"], body["data"]);
    }
}

/// Two servers on one database share a bucket: what one keeps the other gives back, the same content is there
/// once, and a collection while they run takes nothing that is in use.
#[test]
fn servers_share_a_bucket() {
    let Some(bucket) = Bucket::new() else { return };
    for database in databases().filter(|database| database.kind() == "postgres") {
        let (one, other) = (start(&database.url, &bucket), start(&database.url, &bucket));
        let content = noise(300_000, 32);
        assert_eq!(write(&one, "a", &content).status, 201);
        assert_eq!(write(&other, "b", &content).status, 201);
        assert_eq!(bucket.names("blobs").len(), 1);
        assert!(read(&other, "a", &[]).bytes == content);
        assert!(read(&one, "b", &[]).bytes == content);
        let both: Vec<_> = [&one, &other]
            .into_iter()
            .enumerate()
            .flat_map(|(place, server)| (0..8).map(move |index| (place, index, server)))
            .collect();
        std::thread::scope(|scope| {
            for (place, index, server) in &both {
                let content = noise(200_000, 100 + index);
                scope.spawn(move || {
                    assert_eq!(write(server, &format!("c{place}-{index}"), &content).status, 201);
                });
            }
        });
        let folder = TempDir::new();
        let (code, said) = media(&folder, &database.url, &bucket, "gc");
        assert!(code == Some(0) && said.starts_with("9 contents, 0 removed"), "{said}");
        for (place, index, _) in &both {
            let server = if *place == 0 { &other } else { &one };
            assert!(read(server, &format!("c{place}-{index}"), &[]).bytes == noise(200_000, 100 + index));
        }
        let (code, said) = media(&folder, &database.url, &bucket, "verify");
        assert!(code == Some(0) && said.contains("9 contents are right"), "{said}");
    }
}

/// What was answered is there after `kill -9`; what is damaged or gone is found.
#[test]
fn content_in_a_bucket_survives_a_crash_and_is_verified() {
    let Some(bucket) = Bucket::new() else { return };
    for database in databases() {
        let bucket = bucket.beside();
        let mut server = start(&database.url, &bucket);
        let (kept, lost) = (noise(9_000_000, 33), noise(100_000, 34));
        assert_eq!((write(&server, "kept", &kept).status, write(&server, "lost", &lost).status), (201, 201));
        server.kill();
        drop(server);
        let server = start(&database.url, &bucket);
        assert!(read(&server, "kept", &[]).bytes == kept);
        let size = |name: &&String| bucket.get(name).len();
        let names = bucket.names("blobs");
        let name = names.iter().find(|name| size(name) == 100_000).unwrap();
        bucket.send("DELETE", name, None);
        let name = names.iter().find(|name| size(name) == 9_000_000).unwrap();
        bucket.send("PUT", name, Some(b"other".to_vec()));
        refused(&read(&server, "lost", &[]), 500);
        drop(server);
        let folder = TempDir::new();
        let (code, said) = media(&folder, &database.url, &bucket, "verify");
        assert!(code == Some(1) && said.contains("1 damaged, 1 missing"), "{said}");
    }
}

/// A service that is away: the server runs, says so at once, and stores nothing that would miss its content.
#[test]
fn a_bucket_that_is_away_is_said() {
    for database in databases() {
        let folder = TempDir::new();
        let file = folder.path().join("credentials");
        std::fs::write(&file, "[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = none\n").unwrap();
        let settings = [
            ("--media-store", "s3://renraku-test"),
            ("--s3-endpoint", "http://127.0.0.1:9"),
            ("--s3-region", "us-east-1"),
            ("--s3-credentials", file.to_str().unwrap()),
        ];
        let settings: Vec<&str> = settings.into_iter().flat_map(|(name, value)| [name, value]).collect();
        let server = Server::start(&database.url, &settings);
        created(&server, &patient(json!({})));
        let answer = write(&server, "a", &noise(100_000, 35));
        let why = refused(&answer, 503);
        assert!(why.contains("content store"), "{why}");
        assert!(!answer.header("retry-after").is_empty());
        assert!(entries(&got(&server, "Binary")).is_empty());
        // What is small is kept with its resource.
        created(&server, &json!({ "resourceType": "Binary", "contentType": "text/plain", "data": "QUJD" }));
    }
}

/// What cannot be meant is told before the server runs.
#[test]
fn settings_of_a_bucket_are_checked() {
    let folder = TempDir::new();
    for (settings, told) in [
        (vec!["--media-store", "s3://b"], "s3://bucket/prefix"),
        (vec!["--media-store", "gs://bucket"], "s3://bucket/prefix"),
        (vec!["--s3-region", "ap-northeast-1"], "media_store"),
        (vec!["--media-store", "s3://bucket", "--s3-endpoint", "http://s3.example.org"], "https://"),
        (vec!["--media-store", "s3://bucket", "--s3-credentials", "none"], "none"),
    ] {
        let output = renraku(folder.path()).args(["media", "verify"]).args(&settings).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(told), "{settings:?}: {said}");
    }
}
