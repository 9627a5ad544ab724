//! Binary, read and written as it is (FHIR R4 binary.html#rest), and large data in the content store.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::common::{Answer, Server, TempDir, agent, exchange};
use crate::support::{created, entries, got, on_each, on_each_alone, refused, stored, unique};

/// Bytes that compress badly and repeat nowhere.
pub(crate) fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..size.div_ceil(8)).flat_map(|_| next()).take(size).collect()
}

pub(crate) fn send(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Vec<u8>>,
) -> Answer {
    exchange(&agent(), &server.base, method, path, headers, body).unwrap()
}

fn raw(server: &Server, path: &str) -> Answer {
    send(server, "GET", path, &[("Accept", "*/*")], None)
}

fn as_fhir(server: &Server, path: &str) -> Value {
    let answer = send(server, "GET", path, &[("Accept", "application/fhir+json")], None);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// A Binary sent as it is; its id.
fn uploaded(server: &Server, media: &str, bytes: &[u8]) -> String {
    let answer = send(server, "POST", "Binary", &[("Content-Type", media)], Some(bytes.to_vec()));
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert!(answer.bytes.is_empty(), "what was sent is not sent back");
    let location = answer.header("location");
    location.split("/Binary/").nth(1).unwrap().split('/').next().unwrap().to_owned()
}

/// binary.html#rest: content comes back with its own type unless FHIR's types are asked for.
#[test]
fn is_read_as_content_or_as_resource() {
    on_each(|server| {
        let bytes = noise(300_000, 1);
        let id = uploaded(server, "image/png", &bytes);
        let path = format!("Binary/{id}");
        for accept in ["*/*", "image/png", "application/pdf", "text/html,application/xml;q=0.9,*/*;q=0.8"] {
            let answer = send(server, "GET", &path, &[("Accept", accept)], None);
            assert_eq!((answer.status, answer.header("content-type")), (200, "image/png"), "{accept}");
            assert_eq!(answer.bytes, bytes);
        }
        for accept in ["application/fhir+json", "application/json"] {
            let answer = send(server, "GET", &path, &[("Accept", accept)], None);
            assert_eq!(answer.body["contentType"], "image/png", "{accept}");
            assert_eq!(answer.body["data"], STANDARD.encode(&bytes), "{accept}");
            assert_eq!(answer.header("etag"), "W/\"1\"");
        }
        let xml = send(server, "GET", &path, &[("Accept", "application/fhir+xml")], None);
        assert!(
            String::from_utf8(xml.bytes).unwrap().contains(&format!("<data value=\"{}\"/>", STANDARD.encode(&bytes)))
        );
        assert_eq!(
            send(server, "GET", &format!("{path}?_format=json"), &[("Accept", "*/*")], None).body["id"],
            id.as_str()
        );
        let shown = raw(server, &path);
        assert_eq!(shown.header("x-content-type-options"), "nosniff");
        assert!(shown.header("content-security-policy").contains("sandbox"));
        assert!(shown.header("content-disposition").starts_with("inline; filename=\"Binary-"));
        let head = send(server, "HEAD", &path, &[("Accept", "*/*")], None);
        assert_eq!((head.status, head.header("content-length"), head.bytes.len()), (200, "300000", 0));
        refused(&raw(server, &format!("Binary/{}", unique("nothing"))), 404);
    });
}

/// binary.html#rest: what was sent as a resource is read as content too; scripts are saved, not shown.
#[test]
fn small_and_active_content_is_served_safely() {
    on_each(|server| {
        let page = STANDARD.encode("<script>alert(1)</script>");
        let id = created(server, &json!({ "resourceType": "Binary", "contentType": "text/html", "data": page }));
        let answer = raw(server, &format!("Binary/{id}"));
        assert_eq!(answer.bytes, b"<script>alert(1)</script>");
        assert_eq!(answer.header("content-type"), "text/html");
        assert!(answer.header("content-disposition").starts_with("attachment;"));
        let odd = created(server, &json!({ "resourceType": "Binary", "contentType": "xy", "data": "eA==" }));
        assert_eq!(raw(server, &format!("Binary/{odd}")).header("content-type"), "application/octet-stream");
        let empty = created(server, &json!({ "resourceType": "Binary", "contentType": "text/plain" }));
        let answer = raw(server, &format!("Binary/{empty}"));
        assert_eq!((answer.status, answer.bytes.len()), (200, 0));
        refused(
            &send(server, "GET", &format!("Binary/{empty}"), &[("Accept", "*/*"), ("Range", "bytes=0-")], None),
            416,
        );
    });
}

/// RFC 9110 section 14: one range; If-Range by a strong entity tag or a date; beyond the end 416.
#[test]
fn parts_are_served() {
    on_each(|server| {
        let bytes = noise(1_000_000, 2);
        let path = format!("Binary/{}", uploaded(server, "video/mp4", &bytes));
        let part = |range: &str, more: &[(&str, &str)]| {
            let mut headers = vec![("Accept", "*/*"), ("Range", range)];
            headers.extend_from_slice(more);
            send(server, "GET", &path, &headers, None)
        };
        let answer = part("bytes=262140-786439", &[]);
        assert_eq!((answer.status, answer.header("content-range")), (206, "bytes 262140-786439/1000000"));
        assert_eq!(answer.bytes, bytes[262_140..=786_439]);
        assert_eq!(part("bytes=-10", &[]).bytes, bytes[999_990..]);
        assert_eq!(part("bytes=999999-", &[]).bytes, bytes[999_999..]);
        let beyond = part("bytes=1000000-", &[]);
        refused(&beyond, 416);
        assert_eq!(beyond.header("content-range"), "bytes */1000000");
        let whole = raw(server, &path);
        let (tag, date) = (whole.header("etag").to_owned(), whole.header("last-modified").to_owned());
        assert_eq!((tag.as_str(), whole.header("accept-ranges")), ("\"1\"", "bytes"));
        assert_eq!(part("bytes=0-9", &[("If-Range", &tag)]).status, 206);
        assert_eq!(part("bytes=0-9", &[("If-Range", &date)]).status, 206);
        for other in ["\"2\"", "W/\"1\"", "Thu, 01 Jan 2015 00:00:00 GMT"] {
            assert_eq!(part("bytes=0-9", &[("If-Range", other)]).status, 200, "{other}");
        }
        let same = send(server, "GET", &path, &[("Accept", "*/*"), ("If-None-Match", &tag)], None);
        assert_eq!((same.status, same.header("etag"), same.bytes.len()), (304, "\"1\"", 0));
    });
}

/// binary.html#rest: written as it is, with the security context in a header; versions as for any resource.
#[test]
fn is_written_as_content() {
    on_each(|server| {
        let id = unique("raw");
        let path = format!("Binary/{id}");
        let headers = [("Content-Type", "text/plain; charset=utf-8"), ("X-Security-Context", "Patient/x")];
        let first = send(server, "PUT", &path, &headers, Some("一".into()));
        assert_eq!((first.status, first.header("etag")), (201, "W/\"1\""));
        let again = send(server, "PUT", &path, &headers, Some("一".into()));
        assert_eq!((again.status, again.header("etag")), (200, "W/\"1\""), "the same content makes no new version");
        let conditional = [headers[0], headers[1], ("If-Match", "W/\"7\"")];
        refused(&send(server, "PUT", &path, &conditional, Some("二".into())), 412);
        let second = send(server, "PUT", &path, &headers, Some("二".into()));
        assert_eq!((second.status, second.header("etag")), (200, "W/\"2\""));
        let answer = raw(server, &path);
        assert_eq!(answer.bytes, "二".as_bytes());
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(answer.header("x-security-context"), "Patient/x");
        assert_eq!(raw(server, &format!("{path}/_history/1")).bytes, "一".as_bytes());
        assert_eq!(as_fhir(server, &path)["securityContext"]["reference"], "Patient/x");
        refused(&send(server, "POST", "Binary", &[("Content-Type", "text/plain")], Some(Vec::new())), 400);
        let coded = [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")];
        refused(&send(server, "POST", "Binary", &coded, Some(b"x".to_vec())), 415);
    });
}

/// binary.html#rest: content of FHIR's own types is content, unless it is a Binary.
#[test]
fn resources_are_content_too() {
    on_each(|server| {
        let patient = br#"{ "resourceType": "Patient" }"#;
        let id = uploaded(server, "application/fhir+json", patient);
        let content = as_fhir(server, &format!("Binary/{id}"));
        assert_eq!(content["data"], STANDARD.encode(patient));
        let xml = br#"<Patient xmlns="http://hl7.org/fhir"/>"#;
        let id = uploaded(server, "application/fhir+xml", xml);
        assert_eq!(raw(server, &format!("Binary/{id}")).bytes, xml);
        let broken = send(server, "POST", "Binary", &[], Some(b"{".to_vec()));
        refused(&broken, 400);
    });
}

fn document(id: &str, data: &str) -> Value {
    json!({
        "resourceType": "DocumentReference", "id": id, "status": "current",
        "content": [{ "attachment": { "contentType": "application/pdf", "data": data, "title": "主治医意見書" } }]
    })
}

/// Large data lies in the content store, and nobody can tell: read, history, search, bundles, XML, patches.
#[test]
fn large_data_comes_back_exactly() {
    on_each(|server| {
        let (one, two) = (STANDARD.encode(noise(150_001, 3)), STANDARD.encode(noise(150_002, 4)));
        // Broken into lines, as MIME encoders do.
        let lines: String =
            two.as_bytes().chunks(76).map(|line| format!("{}\r\n", std::str::from_utf8(line).unwrap())).collect();
        let id = unique("large");
        stored(server, &document(&id, &one));
        let answer = stored(server, &document(&id, &lines));
        let data = |body: &Value| body["content"][0]["attachment"]["data"].as_str().unwrap().to_owned();
        assert_eq!(data(&answer), lines, "the answer to a write");
        let path = format!("DocumentReference/{id}");
        assert_eq!(data(&got(server, &path)), lines);
        assert_eq!(data(&got(server, &format!("{path}/_history/1"))), one);
        let history = got(server, &format!("{path}/_history"));
        let versions: Vec<String> = entries(&history).iter().map(|entry| data(&entry["resource"])).collect();
        assert_eq!(versions, [lines.clone(), one.clone()]);
        let found = got(server, &format!("DocumentReference?_id={id}"));
        assert_eq!(data(&entries(&found)[0]["resource"]), lines);
        let xml = send(server, "GET", &path, &[("Accept", "application/fhir+xml")], None);
        let sent_back = send(
            server,
            "PUT",
            &path,
            &[("Content-Type", "application/fhir+xml"), ("Accept", "application/fhir+json")],
            Some(xml.bytes),
        );
        assert_eq!((sent_back.status, data(&sent_back.body)), (200, lines.clone()));
        assert_eq!(sent_back.header("etag"), "W/\"2\"", "it is what was there: no new version");
        let patch = json!([{ "op": "replace", "path": "/content/0/attachment/title", "value": "訪問看護指示書" },
            { "op": "test", "path": "/content/0/attachment/data", "value": lines }]);
        let headers = [("Content-Type", "application/json-patch+json")];
        let patched = server.send("PATCH", &path, &headers, Some(&patch));
        assert_eq!((patched.status, data(&patched.body)), (200, lines.clone()), "{}", patched.body);
        let length = json!({ "resourceType": "Parameters", "parameter": [
            { "name": "expression", "valueString": "content.attachment.data.length()" }] });
        let evaluated = server.post(&format!("{path}/$fhirpath"), &length);
        assert!(evaluated.body.to_string().contains(&format!("{}", lines.len())), "{}", evaluated.body);
        let gathered = json!({ "resourceType": "Bundle", "type": "batch", "entry": [
            { "request": { "method": "GET", "url": path } }, { "request": { "method": "GET", "url": format!("{path}/_history/1") } }] });
        let gathered = server.post("", &gathered).body;
        assert_eq!(data(&entries(&gathered)[0]["resource"]), lines);
        assert_eq!(data(&entries(&gathered)[1]["resource"]), one);
    });
}

/// A transaction's resources, and resources within a stored Bundle, are no different.
#[test]
fn large_data_inside_bundles() {
    on_each(|server| {
        let data = STANDARD.encode(noise(200_000, 5));
        let id = unique("in-bundle");
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
            { "resource": { "resourceType": "Binary", "id": id, "contentType": "image/jpeg", "data": data },
              "request": { "method": "PUT", "url": format!("Binary/{id}") } }] });
        let answer = server.post("", &bundle);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(as_fhir(server, &format!("Binary/{id}"))["data"], data.as_str());
        let kept = json!({ "resourceType": "Bundle", "type": "collection", "entry": [
            { "resource": { "resourceType": "Binary", "contentType": "image/jpeg", "data": data } }] });
        let kept = created(server, &kept);
        let read = got(server, &format!("Bundle/{kept}"));
        assert_eq!(entries(&read)[0]["resource"]["data"], data.as_str());
    });
}

/// The text that stands for content in the database is no way to other people's content.
#[test]
fn nobody_writes_a_hole() {
    on_each(|server| {
        let forged = format!("renrakuBlob/b{:015x}{}{}", 10, "ab".repeat(32), "0".repeat(32));
        let id = created(server, &json!({ "resourceType": "Binary", "contentType": "text/plain", "data": forged }));
        assert_eq!(as_fhir(server, &format!("Binary/{id}"))["data"], forged.as_str());
        assert_eq!(raw(server, &format!("Binary/{id}")).bytes, STANDARD.decode(forged).unwrap());
    });
}

/// The same content takes its room once, however it came; all of it is beside the database.
#[test]
fn content_is_stored_once() {
    on_each_alone(|server| {
        let bytes = noise(500_000, 6);
        uploaded(server, "image/jpeg", &bytes);
        uploaded(server, "image/jpeg", &bytes);
        created(
            server,
            &json!({ "resourceType": "Binary", "contentType": "image/jpeg", "data": STANDARD.encode(&bytes) }),
        );
        created(server, &document("ignored", &STANDARD.encode(&bytes)));
        let found = got(server, "Binary");
        assert!(entries(&found).iter().all(|entry| entry["resource"]["data"] == STANDARD.encode(&bytes)));
    });
}

/// What is too large is refused before it is taken, or as soon as it is.
#[test]
fn uploads_are_bounded() {
    for database in crate::common::databases() {
        let folder = TempDir::new();
        let place = format!("file://{}", folder.path().join("media").display());
        let server =
            Server::start(&database.url, &["--max-upload", "1MiB", "--max-body", "64KiB", "--media-store", &place]);
        let fits = noise(1 << 20, 7);
        let id = uploaded(&server, "video/mp4", &fits);
        assert_eq!(raw(&server, &format!("Binary/{id}")).bytes, fits);
        let too_large =
            send(&server, "POST", "Binary", &[("Content-Type", "video/mp4")], Some(noise((1 << 20) + 1, 8)));
        refused(&too_large, 413);
        let files = files_below(&folder.path().join("media"));
        let contents: Vec<_> = files.iter().filter(|path| !path.ends_with(".lock")).collect();
        assert_eq!(contents.len(), 1, "{files:?}");
    }
}

/// All files in a folder and those below.
pub(crate) fn files_below(folder: &std::path::Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path.display().to_string());
        }
    }
    files
}
