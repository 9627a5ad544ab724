//! Compressed answers and requests (RFC 9110 sections 8.4, 12.5.3, 15.5.16).

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::common::{Answer, Server, agent, exchange};
use crate::support::{created, on_each, patient, refused, unique};

/// A Patient whose body is well above the size from which answers are compressed.
fn large() -> Value {
    patient(json!({ "name": (0..100).map(|place| json!({ "family": format!("見本{place}") })).collect::<Vec<_>>() }))
}

fn unpacked(answer: &Answer) -> Vec<u8> {
    let mut plain = Vec::new();
    let packed = answer.bytes.as_slice();
    match answer.header("content-encoding") {
        "gzip" => flate2::read::GzDecoder::new(packed).read_to_end(&mut plain).unwrap(),
        "br" => brotli::Decompressor::new(packed, 4096).read_to_end(&mut plain).unwrap(),
        "zstd" => zstd::stream::read::Decoder::new(packed).unwrap().read_to_end(&mut plain).unwrap(),
        other => panic!("coding {other:?}"),
    };
    plain
}

fn packed(coding: &str, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match coding {
        "gzip" => flate2::write::GzEncoder::new(&mut out, flate2::Compression::fast()).write_all(plain).unwrap(),
        "deflate" => flate2::write::ZlibEncoder::new(&mut out, flate2::Compression::fast()).write_all(plain).unwrap(),
        "br" => brotli::CompressorWriter::new(&mut out, 4096, 4, 20).write_all(plain).unwrap(),
        "zstd" => out = zstd::bulk::compress(plain, 3).unwrap(),
        other => panic!("coding {other:?}"),
    }
    out
}

fn post(server: &Server, coding: &str, body: Vec<u8>) -> Answer {
    let headers = [("Content-Type", "application/fhir+json"), ("Content-Encoding", coding)];
    exchange(&agent(), &server.base, "POST", "Patient", &headers, Some(body)).unwrap()
}

/// The same bytes, smaller; ETag and the rest stay as they are, Vary says what the answer depends on.
#[test]
fn answers_are_compressed_when_the_client_asks() {
    on_each(|server| {
        let id = created(server, &large());
        let plain = server.get(&format!("Patient/{id}"));
        assert_eq!(plain.header("content-encoding"), "");
        assert_eq!(plain.header("vary"), "accept, accept-encoding");
        for (accept, coding) in [("gzip", "gzip"), ("br;q=0.9, gzip;q=0.1", "br"), ("gzip, br, zstd", "zstd")] {
            let answer = server.send("GET", &format!("Patient/{id}"), &[("Accept-Encoding", accept)], None);
            assert_eq!(answer.header("content-encoding"), coding);
            assert!(answer.bytes.len() < plain.bytes.len() / 2, "{} of {}", answer.bytes.len(), plain.bytes.len());
            assert_eq!(unpacked(&answer), plain.bytes);
            for name in ["etag", "content-type", "vary", "last-modified"] {
                assert_eq!(answer.header(name), plain.header(name), "{name}");
            }
            let head = server.send("HEAD", &format!("Patient/{id}"), &[("Accept-Encoding", accept)], None);
            assert_eq!(head.header("content-length"), answer.bytes.len().to_string());
            assert_eq!((head.header("content-encoding"), head.bytes.len()), (coding, 0));
            let tag = answer.header("etag");
            let headers = [("Accept-Encoding", accept), ("If-None-Match", tag)];
            assert_eq!(server.send("GET", &format!("Patient/{id}"), &headers, None).status, 304);
        }
        let xml = [("Accept-Encoding", "gzip"), ("Accept", "application/fhir+xml")];
        let answer = server.send("GET", &format!("Patient/{id}"), &xml, None);
        assert!(String::from_utf8(unpacked(&answer)).unwrap().contains("<Patient xmlns=\"http://hl7.org/fhir\">"));
    });
}

/// Small answers fit in a packet; a client that wants none gets none; large ones (made on another thread) are right too.
#[test]
fn answers_are_left_alone_where_nothing_is_gained() {
    on_each(|server| {
        let id = created(server, &patient(json!({ "active": true })));
        for accept in ["gzip", "identity", "*;q=0", "gzip;q=0"] {
            let answer = server.send("GET", &format!("Patient/{id}"), &[("Accept-Encoding", accept)], None);
            assert_eq!((answer.status, answer.header("content-encoding")), (200, ""), "{accept}");
            assert_eq!(answer.body["id"], id.as_str());
        }
        let metadata = server.send("GET", "metadata", &[("Accept-Encoding", "br")], None);
        let statement: Value = serde_json::from_slice(&unpacked(&metadata)).unwrap();
        assert_eq!(statement["resourceType"], "CapabilityStatement");
    });
}

#[test]
fn requests_may_be_compressed() {
    on_each(|server| {
        for coding in ["gzip", "br", "zstd", "deflate", "GZIP", "identity"] {
            let plain = serde_json::to_vec(&large()).unwrap();
            let body = if coding == "identity" { plain } else { packed(&coding.to_lowercase(), &plain) };
            let answer = post(server, coding, body);
            assert_eq!(answer.status, 201, "{coding}: {}", answer.body);
            assert_eq!(answer.body["name"].as_array().unwrap().len(), 100);
        }
    });
}

/// Unknown codings are refused with those that are taken; damaged bodies are the client's mistake.
#[test]
fn what_cannot_be_unpacked_is_refused() {
    on_each(|server| {
        let answer = post(server, "compress", b"x".to_vec());
        assert!(refused(&answer, 415).contains("compress"));
        assert_eq!(answer.header("accept-encoding"), "zstd, br, gzip, deflate");
        refused(&post(server, "gzip, br", b"x".to_vec()), 415);
        for coding in ["gzip", "br", "zstd", "deflate"] {
            let mut body = packed(coding, &serde_json::to_vec(&large()).unwrap());
            body.truncate(body.len() / 2);
            assert!(refused(&post(server, coding, body), 400).contains(coding), "{coding}");
        }
    });
}

/// The limit holds for what a body becomes: a small one that would fill the memory is stopped there.
#[test]
fn a_bomb_is_stopped_at_the_limit() {
    on_each(|server| {
        let family = unique("x");
        let mut plain = format!("{{\"resourceType\":\"Patient\",\"name\":[{{\"family\":\"{family}\"}}]").into_bytes();
        plain.resize(80 << 20, b' ');
        plain.push(b'}');
        for coding in ["gzip", "br", "zstd", "deflate"] {
            let body = packed(coding, &plain);
            assert!(body.len() < 1 << 20);
            let answer = post(server, coding, body);
            assert!(refused(&answer, 413).contains("50 MiB"), "{coding}");
        }
    });
}
