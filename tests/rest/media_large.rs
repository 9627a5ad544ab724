//! A gigabyte, up and down, in constant memory: `cargo test --release --test rest media_large -- --ignored --nocapture`.
//! It takes 2 GB of disk for the while of the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use renraku::media::sample::{Video, corridor};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::common::{Server, TempDir, databases};
use crate::support::{created, patient};

const GIGABYTE: u64 = 1 << 30;
/// What the server may take of memory at most.
const LIMIT: u64 = 150 << 20;

/// The most memory that a process ever had, in bytes.
fn peak(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

/// Bytes of a made-up file, the same each time: a short video, then a gigabyte of samples nobody shows.
struct Made {
    head: Vec<u8>,
    left: u64,
    state: u64,
}

impl Made {
    fn new() -> Self {
        let frames: Vec<Vec<u8>> = (0..5).map(|step| corridor(64, 48, step).jpeg(80)).collect();
        let mut head = Video { frames: &frames, width: 64, height: 48, milliseconds: 200, is_private: true }.mp4();
        head.extend_from_slice(&1_u32.to_be_bytes());
        head.extend_from_slice(b"mdat");
        head.extend_from_slice(&(GIGABYTE + 16).to_be_bytes());
        Self { head, left: GIGABYTE, state: 7 }
    }

    fn size(&self) -> u64 {
        self.head.len() as u64 + GIGABYTE
    }

    fn piece(&mut self) -> Option<Vec<u8>> {
        if !self.head.is_empty() {
            return Some(std::mem::take(&mut self.head));
        }
        let size = self.left.min(1 << 20);
        self.left -= size;
        let mut piece = Vec::with_capacity(1 << 20);
        while (piece.len() as u64) < size {
            self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            piece.extend_from_slice(&self.state.to_le_bytes());
        }
        (size > 0).then_some(piece)
    }
}

struct Reply {
    status: u16,
    head: String,
    body: BufReader<TcpStream>,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        let found = self.head.lines().filter_map(|line| line.split_once(": "));
        found.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next().unwrap_or_default()
    }

    fn json(mut self) -> Value {
        let mut text = vec![0; self.header("content-length").parse().unwrap_or(0)];
        self.body.read_exact(&mut text).unwrap();
        serde_json::from_slice(&text).unwrap_or(Value::Null)
    }

    /// Reads all of it; how long it was and its hash.
    fn digest(mut self) -> (u64, String) {
        let (mut digest, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
        loop {
            let count = self.body.read(&mut buffer).unwrap();
            if count == 0 {
                return (size, format!("{:x?}", digest.finalize().as_slice()));
            }
            digest.update(&buffer[..count]);
            size += count as u64;
        }
    }
}

/// One request on a line of its own; the body is written a piece at a time.
fn ask(server: &Server, head: &str, length: u64, mut piece: impl FnMut() -> Option<Vec<u8>>) -> Reply {
    let mut line = TcpStream::connect(server.address()).unwrap();
    let text = format!("{head}\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n", server.address());
    line.write_all(text.as_bytes()).unwrap();
    while let Some(bytes) = piece() {
        line.write_all(&bytes).unwrap();
    }
    let mut body = BufReader::with_capacity(1 << 20, line);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && body.read_line(&mut head).unwrap() > 0 {}
    Reply { status: head.split_whitespace().nth(1).unwrap().parse().unwrap(), head, body }
}

fn get(server: &Server, path: &str, headers: &str) -> Reply {
    ask(server, &format!("GET {path} HTTP/1.1{headers}"), 0, || None)
}

/// 1 GB as a form, in parts with a break, as a Binary; whole and in part; as JSON: never more than 150 MB of memory.
#[test]
#[ignore = "takes 2 GB of disk and a minute"]
fn a_gigabyte_goes_through_little_memory() {
    for database in databases() {
        let folder = TempDir::new();
        let place = format!("file://{}", folder.path().join("media").display());
        let server = Server::start(&database.url, &["--media-store", &place]);
        println!("{}: {} MB before", database.kind(), peak(&server) >> 20);
        let citizen = created(&server, &patient(json!({})));
        let tell = |what: &str, since: Instant| {
            println!(
                "{}: {what}: {:.1} s, {} MB at most",
                database.kind(),
                since.elapsed().as_secs_f64(),
                peak(&server) >> 20
            );
            assert!(peak(&server) < LIMIT, "{what}");
        };

        let (started, mut made) = (Instant::now(), Made::new());
        let size = made.size();
        let begun = ask(
            &server,
            &format!("POST /notebook/v1/media/uploads HTTP/1.1\r\nTus-Resumable: 1.0.0\r\nUpload-Length: {size}"),
            0,
            || None,
        );
        assert_eq!(begun.status, 201);
        let upload = format!("/notebook{}", begun.header("location").split_once("/notebook").unwrap().1);
        let (mut offset, mut attempts) = (0_u64, 0);
        while offset < size {
            // Each request breaks off after 300 MB of what it announced.
            let (mut sent, mut rest) = (0_u64, 300 << 20);
            let mut line = TcpStream::connect(server.address()).unwrap();
            let head = format!(
                "PATCH {upload} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: {}\r\n\r\n",
                size - offset
            );
            line.write_all(head.as_bytes()).unwrap();
            made = Made::new();
            let mut skipped = 0_u64;
            while rest > 0 {
                let Some(piece) = made.piece() else { break };
                let skip = usize::try_from((offset - skipped).min(piece.len() as u64)).unwrap();
                skipped += skip as u64;
                if line.write_all(&piece[skip..]).is_err() {
                    break;
                }
                sent += (piece.len() - skip) as u64;
                rest -= i64::try_from(piece.len() - skip).unwrap();
            }
            if offset + sent == size {
                let _ = line.read(&mut [0; 1024]);
            }
            drop(line);
            let before = offset;
            for _ in 0..20 {
                std::thread::sleep(std::time::Duration::from_millis(50));
                let head = ask(&server, &format!("HEAD {upload} HTTP/1.1\r\nTus-Resumable: 1.0.0"), 0, || None);
                let now: u64 = head.header("upload-offset").parse().unwrap();
                if now > before && now == offset {
                    break;
                }
                offset = now;
            }
            // One that comes while the server still writes what the one before brought is sent away (423).
            attempts += usize::from(offset == before);
            assert!(attempts < 50, "the upload goes on");
        }
        let said = json!({ "upload": upload, "title": "large" }).to_string().into_bytes();
        let mut said = Some(said);
        let length = said.as_ref().unwrap().len() as u64;
        let stored = ask(
            &server,
            &format!("POST /notebook/v1/citizens/{citizen}/media HTTP/1.1\r\nContent-Type: application/json"),
            length,
            || said.take(),
        );
        assert_eq!(stored.status, 201);
        let stored = stored.json();
        assert_eq!(stored["size"], json!(size));
        tell("uploaded in parts that broke off, cleaned, stored", started);

        let path = format!("/notebook/v1/media/{}/content", stored["id"].as_str().unwrap());
        let started = Instant::now();
        let part = get(&server, &path, "\r\nRange: bytes=700000000-800000000");
        assert_eq!(
            (part.status, part.header("content-range")),
            (206, format!("bytes 700000000-800000000/{size}").as_str())
        );
        assert_eq!(part.digest().0, 100_000_001);
        tell("100 MB out of the middle", started);
        let started = Instant::now();
        let (length, whole) = get(&server, &path, "").digest();
        assert_eq!(length, size);
        tell("whole", started);

        let (started, mut made) = (Instant::now(), Made::new());
        let answer = ask(&server, "POST /fhir/Binary HTTP/1.1\r\nContent-Type: video/mp4", size, || made.piece());
        assert_eq!(answer.status, 201);
        tell("as a Binary", started);
        let binary =
            answer.header("location").split_once("/fhir/").unwrap().1.split("/_history").next().unwrap().to_owned();
        let started = Instant::now();
        let (length, raw) = get(&server, &format!("/fhir/{binary}"), "\r\nAccept: */*").digest();
        assert_eq!(length, size);
        assert_ne!(raw, whole, "a Binary is kept as it was sent");
        let (length, _) = get(&server, &format!("/fhir/{binary}"), "\r\nAccept: application/fhir+json").digest();
        assert!(length > size / 3 * 4);
        tell("the Binary, raw and as JSON", started);
    }
}
