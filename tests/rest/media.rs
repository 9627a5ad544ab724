//! Photos, videos and PDFs of citizens through the notebook API: forms, resumable uploads, private metadata.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use renraku::media::sample::{Video, corridor, with_place};
use serde_json::{Value, json};

use crate::binary::{files_below, noise};
use crate::common::{Answer, Server, TempDir, agent, databases, exchange, renraku};
use crate::support::{created, entries, got, on_each, patient, refused};

/// A request to the notebook API.
fn ask(server: &Server, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Answer {
    let base = format!("{}/notebook/v1", server.base.trim_end_matches("/fhir"));
    let path = path.strip_prefix(&format!("{base}/")).unwrap_or(path);
    exchange(&agent(), &base, method, path, headers, body).unwrap()
}

/// A form with texts and a file.
fn form(fields: &[(&str, &str)], name: &str, media: &str, file: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (field, value) in fields {
        body.extend(format!("--edge\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n").bytes());
    }
    let head = format!(
        "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {media}\r\n\r\n"
    );
    body.extend(head.bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--edge--\r\n");
    body
}

fn send_form(server: &Server, citizen: &str, body: Vec<u8>) -> Answer {
    let headers = [("Content-Type", "multipart/form-data; boundary=edge")];
    ask(server, "POST", &format!("citizens/{citizen}/media"), &headers, Some(body))
}

fn photo(orientation: u8) -> Vec<u8> {
    with_place(&corridor(300, 200, 12).jpeg(85), orientation)
}

fn video(is_private: bool) -> Vec<u8> {
    let frames: Vec<Vec<u8>> = (0..12).map(|step| corridor(64, 48, step).jpeg(80)).collect();
    Video { frames: &frames, width: 64, height: 48, milliseconds: 250, is_private }.mp4()
}

fn has(file: &[u8], text: &[u8]) -> bool {
    file.windows(text.len()).any(|window| window == text)
}

fn citizen(server: &Server) -> String {
    created(server, &patient(json!({})))
}

/// A photo with a place in it comes back without, turned the right way, with a small picture of it; as FHIR it
/// is a Media that conforms to its profile, and a Binary.
#[test]
fn a_photo_is_stored_without_its_place() {
    on_each(|server| {
        let citizen = citizen(server);
        let operator = created(
            server,
            &json!({ "resourceType": "RelatedPerson", "patient": { "reference": format!("Patient/{citizen}") } }),
        );
        let operator = format!("RelatedPerson/{operator}");
        let file = photo(6);
        assert!(has(&file, b"GPS") && has(&file, b"xmpmeta"));
        let answer = send_form(
            server,
            &citizen,
            form(&[("title", "廊下の段差"), ("operator", &operator)], "IMG_1.JPG", "image/jpeg", &file),
        );
        assert_eq!(answer.status, 201, "{}", answer.body);
        let said = &answer.body;
        assert_eq!((&said["type"], &said["width"], &said["height"]), (&json!("image"), &json!(200), &json!(300)));
        assert_eq!((&said["placeRemoved"], &said["created"]), (&json!(true), &json!("2026-05-03T10:00:00+09:00")));
        let content = ask(server, "GET", said["links"]["content"].as_str().unwrap(), &[], None);
        assert_eq!((content.status, content.header("content-type")), (200, "image/jpeg"));
        assert_eq!(content.header("x-content-type-options"), "nosniff");
        assert!(content.header("content-disposition").contains("filename*=UTF-8''%E5%BB%8A%E4%B8%8B"));
        for private in [&b"GPS"[..], b"xmpmeta", b"34.4", b"MotionPhoto"] {
            assert!(!has(&content.bytes, private));
        }
        assert_eq!(json!(content.bytes.len()), said["size"]);
        let part = ask(server, "GET", said["links"]["content"].as_str().unwrap(), &[("Range", "bytes=0-9")], None);
        assert_eq!((part.status, &part.bytes[..]), (206, &content.bytes[..10]));
        let tag = content.header("etag").to_owned();
        let again = ask(server, "GET", said["links"]["content"].as_str().unwrap(), &[("If-None-Match", &tag)], None);
        assert_eq!(again.status, 304);
        for (size, side) in [("small", 160), ("medium", 300)] {
            let path = format!("{}?size={size}", said["links"]["thumbnail"].as_str().unwrap());
            let small = ask(server, "GET", &path, &[], None);
            assert_eq!((small.status, small.header("content-type")), (200, "image/jpeg"), "{}", small.body);
            let about = renraku::media::examine(renraku::media::Kind::Jpeg, &mut &small.bytes[..]).unwrap().about;
            assert_eq!((about.height, about.orientation), (Some(side), 1));
            assert_eq!(ask(server, "GET", &path, &[], None).bytes, small.bytes);
        }
        refused(
            &ask(server, "GET", &format!("{}?size=huge", said["links"]["thumbnail"].as_str().unwrap()), &[], None),
            400,
        );
        let media = got(server, &format!("Media/{}", said["id"].as_str().unwrap()));
        assert_eq!(media["subject"]["reference"], format!("Patient/{citizen}"));
        assert_eq!(media["content"]["title"], "廊下の段差");
        assert_eq!(media["content"]["size"], json!(content.bytes.len()));
        let binary = exchange(
            &agent(),
            &server.base,
            "GET",
            media["content"]["url"].as_str().unwrap(),
            &[("Accept", "*/*")],
            None,
        )
        .unwrap();
        assert_eq!(binary.bytes, content.bytes);
        assert_eq!(binary.header("x-security-context"), format!("Patient/{citizen}"));
        let sha1 = sha1(&content.bytes);
        assert_eq!(media["content"]["hash"], STANDARD.encode(sha1));
        let checked = server.send(
            "GET",
            &format!(
                "Media/{}/$validate?profile=http://renraku.example/fhir/StructureDefinition/home-media",
                said["id"].as_str().unwrap()
            ),
            &[],
            None,
        );
        let errors: Vec<&Value> =
            checked.body["issue"].as_array().unwrap().iter().filter(|issue| issue["severity"] == "error").collect();
        assert!(errors.is_empty(), "{errors:?}");
        let listed = ask(server, "GET", &format!("citizens/{citizen}/media"), &[], None);
        assert_eq!(listed.body["media"][0]["id"], said["id"]);
    });
}

fn sha1(bytes: &[u8]) -> Vec<u8> {
    // Known to be right by its own tests; the server has its own way to it.
    let mut child = std::process::Command::new("sha1sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let out = child.wait_with_output().unwrap().stdout;
    let text = std::str::from_utf8(&out[..40]).unwrap();
    (0..20).map(|index| u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).unwrap()).collect()
}

/// A video keeps its pictures where they are and loses its places; its length and size are read.
#[test]
fn a_video_is_stored_without_its_places() {
    on_each(|server| {
        let citizen = citizen(server);
        let file = video(true);
        assert!(has(&file, b"\xa9xyz") && has(&file, b"GPS5"));
        let path = format!("citizens/{citizen}/media?title=gait");
        let answer = ask(server, "POST", &path, &[("Content-Type", "video/mp4")], Some(file.clone()));
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!((&answer.body["type"], &answer.body["duration"]), (&json!("video"), &json!(3)));
        assert_eq!((&answer.body["width"], &answer.body["height"]), (&json!(64), &json!(48)));
        let content = ask(server, "GET", answer.body["links"]["content"].as_str().unwrap(), &[], None);
        assert_eq!((content.header("content-type"), content.bytes.len()), ("video/mp4", file.len()));
        for private in [&b"\xa9xyz"[..], b"+34.4000", b"GPS5", b"gpmd", b"ISO6709"] {
            assert!(!has(&content.bytes, private), "{}", String::from_utf8_lossy(private));
        }
        assert!(answer.body["links"]["thumbnail"].is_null());
        let none = ask(server, "GET", &format!("media/{}/thumbnail", answer.body["id"].as_str().unwrap()), &[], None);
        refused(&none, 404);
    });
}

/// A file is what its content is. What it is called must agree; nothing of a refused one is kept.
#[test]
fn files_that_lie_are_refused() {
    for database in databases() {
        let folder = TempDir::new();
        let place = format!("file://{}", folder.path().join("media").display());
        let server = Server::start(&database.url, &["--media-store", &place]);
        let citizen = citizen(&server);
        let page = b"<!DOCTYPE html><html><script>alert(1)</script></html>".repeat(100);
        for body in
            [form(&[], "gait.mp4", "video/mp4", &page), form(&[], "gait.mp4", "application/octet-stream", &page)]
        {
            let why = refused(&send_form(&server, &citizen, body), 415);
            assert!(why.contains("video/mp4") && why.contains("対応していない形式"), "{why}");
        }
        let path = format!("citizens/{citizen}/media");
        refused(&ask(&server, "POST", &path, &[("Content-Type", "video/mp4")], Some(page)), 415);
        let why = refused(&send_form(&server, &citizen, form(&[], "a.png", "image/png", &photo(1))), 422);
        assert!(why.contains("image/jpeg"), "{why}");
        refused(&send_form(&server, &citizen, form(&[], "a.mp4", "image/jpeg", &photo(1))), 422);
        let cut = &photo(1)[..400];
        refused(&send_form(&server, &citizen, form(&[], "a.jpg", "image/jpeg", cut)), 422);
        refused(&send_form(&server, &citizen, form(&[("place", "home")], "a.jpg", "image/jpeg", &photo(1))), 400);
        refused(&send_form(&server, &citizen, form(&[("operator", "Robot/1")], "a.jpg", "image/jpeg", &photo(1))), 400);
        refused(&send_form(&server, &citizen, form(&[("created", "きのう")], "a.jpg", "image/jpeg", &photo(1))), 400);
        refused(&send_form(&server, "nobody", form(&[], "a.jpg", "image/jpeg", &photo(1))), 404);
        let empty = b"--edge\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nx\r\n--edge--\r\n".to_vec();
        refused(&send_form(&server, &citizen, empty), 400);
        assert_eq!(ask(&server, "GET", &path, &[], None).body["media"], json!([]));
        assert!(entries(&got(&server, "Binary")).is_empty());
        let left: Vec<String> =
            files_below(&folder.path().join("media")).into_iter().filter(|file| !file.ends_with(".lock")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// A PDF is a document, not a photo.
#[test]
fn a_pdf_becomes_a_document() {
    on_each(|server| {
        let citizen = citizen(server);
        let answer = send_form(
            server,
            &citizen,
            form(&[("title", "主治医意見書")], "a.pdf", "application/pdf", b"%PDF-1.7\n%%EOF\n"),
        );
        assert_eq!((answer.status, &answer.body["type"]), (201, &json!("document")), "{}", answer.body);
        let document = got(server, &format!("DocumentReference/{}", answer.body["id"].as_str().unwrap()));
        assert_eq!(document["content"][0]["attachment"]["title"], "主治医意見書");
        assert_eq!(document["subject"]["reference"], format!("Patient/{citizen}"));
    });
}

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");

fn begin(server: &Server, length: usize, metadata: &str) -> String {
    let length = length.to_string();
    let answer =
        ask(server, "POST", "media/uploads", &[TUS, ("Upload-Length", &length), ("Upload-Metadata", metadata)], None);
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert!(!answer.header("upload-expires").is_empty());
    answer.header("location").to_owned()
}

fn patch(server: &Server, upload: &str, offset: usize, part: &[u8], more: &[(&str, &str)]) -> Answer {
    let offset = offset.to_string();
    let mut headers = vec![TUS, ("Upload-Offset", &offset), ("Content-Type", "application/offset+octet-stream")];
    headers.extend_from_slice(more);
    ask(server, "PATCH", upload, &headers, Some(part.to_vec()))
}

fn offset(server: &Server, upload: &str) -> usize {
    let answer = ask(server, "HEAD", upload, &[TUS], None);
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    answer.header("upload-offset").parse().unwrap()
}

/// tus 1.0.0: a line that breaks in the middle costs nothing but what was on its way.
#[test]
fn an_interrupted_upload_goes_on() {
    on_each(|server| {
        let citizen = citizen(server);
        let frames: Vec<Vec<u8>> =
            (0..3).map(|step| [corridor(64, 48, step).jpeg(80), noise(700_000, 9)].concat()).collect();
        let file = Video { frames: &frames, width: 64, height: 48, milliseconds: 1000, is_private: true }.mp4();
        let upload = begin(
            server,
            file.len(),
            &format!("filename {},filetype {}", STANDARD.encode("歩行.mp4"), STANDARD.encode("video/mp4")),
        );
        // A request that breaks off after a part of its body.
        let path = upload.split_once("/notebook").unwrap().1;
        let mut line = TcpStream::connect(server.address()).unwrap();
        let head = format!(
            "PATCH /notebook{path} HTTP/1.1\r\nHost: {}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: {}\r\n\r\n",
            server.address(),
            file.len()
        );
        line.write_all(head.as_bytes()).unwrap();
        line.write_all(&file[..900_000]).unwrap();
        line.flush().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));
        drop(line);
        let finish = |body: Value| {
            let headers = [("Content-Type", "application/json")];
            ask(server, "POST", &format!("citizens/{citizen}/media"), &headers, Some(body.to_string().into_bytes()))
        };
        // The server may still be writing what came; 423 says so.
        let unfinished = (0..200).map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            finish(json!({ "upload": upload }))
        });
        let unfinished = unfinished.filter(|answer| answer.status != 423).find(|_| offset(server, &upload) > 0);
        refused(&unfinished.expect("the broken request comes to an end"), 409);
        let mut came = offset(server, &upload);
        assert!(came > 500_000 && came <= 900_000, "{came} bytes of the broken request are here");
        let part = patch(server, &upload, came, &file[came..came + 100_000], &[]);
        assert_eq!((part.status, part.header("upload-offset")), (204, (came + 100_000).to_string().as_str()));
        came += 100_000;
        refused(&patch(server, &upload, came - 1, &file[came..], &[]), 409);
        assert_eq!(patch(server, &upload, came, &file[came..], &[]).status, 204);
        assert_eq!(offset(server, &upload), file.len());
        refused(&finish(json!({ "upload": upload, "operator": "?" })), 400);
        let stored = finish(json!({ "upload": upload, "title": "歩行", "sha256": sha256(&file) }));
        assert_eq!(stored.status, 201, "{}", stored.body);
        assert_eq!((&stored.body["size"], &stored.body["placeRemoved"]), (&json!(file.len()), &json!(true)));
        let content = ask(server, "GET", stored.body["links"]["content"].as_str().unwrap(), &[], None);
        assert!(content.bytes.len() == file.len() && !has(&content.bytes, b"GPS5"));
        assert_eq!(ask(server, "HEAD", &upload, &[TUS], None).status, 404);
    });
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// tus 1.0.0: checksum, termination, versions, lengths; a file that lies ends its upload.
#[test]
fn uploads_follow_their_protocol() {
    on_each(|server| {
        let options = ask(server, "OPTIONS", "media/uploads", &[], None);
        assert_eq!((options.status, options.header("tus-version")), (204, "1.0.0"));
        assert!(options.header("tus-extension").contains("checksum"));
        refused(&ask(server, "POST", "media/uploads", &[("Upload-Length", "9")], None), 412);
        refused(&ask(server, "POST", "media/uploads", &[TUS], None), 400);
        refused(&ask(server, "POST", "media/uploads", &[TUS, ("Upload-Length", "99999999999999")], None), 413);
        let file = photo(1);
        let upload = begin(server, file.len(), "");
        let right = format!("sha256 {}", STANDARD.encode(sha2_of(&file[..100])));
        let wrong = format!("sha1 {}", STANDARD.encode([0; 20]));
        refused(&patch(server, &upload, 0, &file[..100], &[("Upload-Checksum", &wrong)]), 460);
        assert_eq!(offset(server, &upload), 0, "a damaged part is forgotten");
        refused(&patch(server, &upload, 0, &file[..100], &[("Upload-Checksum", "md5 AAAA")]), 400);
        assert_eq!(patch(server, &upload, 0, &file[..100], &[("Upload-Checksum", &right)]).status, 204);
        refused(&patch(server, &upload, 100, &noise(file.len(), 3), &[]), 400);
        assert_eq!(offset(server, &upload), 100);
        let plain = [TUS, ("Upload-Offset", "100"), ("Content-Type", "image/jpeg")];
        refused(&ask(server, "PATCH", &upload, &plain, Some(file[100..].to_vec())), 415);
        assert_eq!(ask(server, "DELETE", &upload, &[TUS], None).status, 204);
        refused(&ask(server, "DELETE", &upload, &[TUS], None), 404);
        refused(
            &ask(
                server,
                "PATCH",
                "media/uploads/..%2f..%2fx",
                &[TUS, ("Upload-Offset", "0"), ("Content-Type", "application/offset+octet-stream")],
                Some(vec![0]),
            ),
            404,
        );
        let page = b"<html>".repeat(2000);
        let upload = begin(server, page.len(), &format!("filetype {}", STANDARD.encode("video/mp4")));
        refused(&patch(server, &upload, 0, &page, &[]), 415);
        assert_eq!(ask(server, "HEAD", &upload, &[TUS], None).status, 404, "nothing is kept of it");
    });
}

fn sha2_of(bytes: &[u8]) -> Vec<u8> {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).to_vec()
}

/// A clamd of its own: it finds something in whatever holds the word EICAR.
fn clamd() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for line in listener.incoming() {
            let mut line = line.unwrap();
            let mut command = [0; 10];
            line.read_exact(&mut command).unwrap();
            assert_eq!(&command, b"zINSTREAM\0");
            let mut content = Vec::new();
            loop {
                let mut length = [0; 4];
                line.read_exact(&mut length).unwrap();
                let length = u32::from_be_bytes(length);
                if length == 0 {
                    break;
                }
                let mut chunk = vec![0; length as usize];
                line.read_exact(&mut chunk).unwrap();
                content.extend(chunk);
            }
            let said =
                if has(&content, b"EICAR") { &b"stream: Eicar-Test-Signature FOUND\0"[..] } else { b"stream: OK\0" };
            line.write_all(said).unwrap();
        }
    });
    address
}

/// What the scanner finds is not stored, on whichever way it comes; without its answer nothing is.
#[test]
fn viruses_are_not_stored() {
    for database in databases() {
        let server = Server::start(&database.url, &["--virus-scanner", &clamd()]);
        let citizen = citizen(&server);
        let clean = form(&[], "a.pdf", "application/pdf", b"%PDF-1.7 clean");
        assert_eq!(send_form(&server, &citizen, clean.clone()).status, 201);
        let why = refused(&send_form(&server, &citizen, form(&[], "a.pdf", "application/pdf", b"%PDF-1.7 EICAR")), 422);
        assert!(why.contains("Eicar-Test-Signature") && why.contains("ウイルス"), "{why}");
        let raw = exchange(
            &agent(),
            &server.base,
            "POST",
            "Binary",
            &[("Content-Type", "text/plain")],
            Some(b"EICAR".to_vec()),
        )
        .unwrap();
        refused(&raw, 422);
        let large = STANDARD.encode([b"EICAR".to_vec(), noise(100_000, 1)].concat());
        let resource = json!({ "resourceType": "Binary", "contentType": "text/plain", "data": large });
        refused(&server.post("Binary", &resource), 422);
        assert_eq!(entries(&got(&server, "DocumentReference")).len(), 1);
        drop(server);
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = Server::start(&database.url, &["--virus-scanner", &format!("tcp://{gone}")]);
        let answer = send_form(&server, &citizen, clean);
        refused(&answer, 503);
        assert!(!answer.header("retry-after").is_empty());
    }
}

/// `renraku media gc` removes what no version of any resource holds, and nothing else; `verify` reads all.
#[test]
fn what_nothing_holds_is_collected() {
    for database in databases() {
        let folder = TempDir::new();
        let root = folder.path().join("media");
        let place = format!("file://{}", root.display());
        let settings = ["--media-store", place.as_str()];
        let server = Server::start(&database.url, &settings);
        let citizen = citizen(&server);
        let held = noise(100_000, 11);
        let put = |bytes: &[u8]| {
            let answer = exchange(
                &agent(),
                &server.base,
                "PUT",
                "Binary/held",
                &[("Content-Type", "text/plain")],
                Some(bytes.to_vec()),
            )
            .unwrap();
            assert!(matches!(answer.status, 200 | 201), "{}", answer.body);
        };
        put(&held);
        put(&noise(100_000, 12));
        put(&held);
        server.delete("Binary/held");
        let stored = send_form(&server, &citizen, form(&[], "a.jpg", "image/jpeg", &photo(6)));
        let thumbnail = stored.body["links"]["thumbnail"].as_str().unwrap().to_owned();
        assert_eq!(ask(&server, "GET", &thumbnail, &[], None).status, 200);
        // Kept, but refused with its resource: nothing holds it.
        let refused_write = [("Content-Type", "text/plain"), ("If-Match", "W/\"99\"")];
        let answer =
            exchange(&agent(), &server.base, "PUT", "Binary/held", &refused_write, Some(noise(100_000, 13))).unwrap();
        assert_eq!(answer.status, 412);
        drop(server);
        let run = |arguments: &[&str]| {
            let output = renraku(folder.path())
                .arg("media")
                .args(arguments)
                .args(["--database", &database.url])
                .args(settings)
                .output()
                .unwrap();
            (
                output.status.code(),
                String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
            )
        };
        let contents = || files_below(&root.join("blobs")).len();
        assert_eq!(contents(), 4);
        let (code, said) = run(&["gc"]);
        assert!(code == Some(0) && said.contains("0 removed") && contents() == 4, "what is young stays: {said}");
        for file in files_below(&root.join("blobs")) {
            std::fs::File::options()
                .write(true)
                .open(file)
                .unwrap()
                .set_modified(std::time::SystemTime::UNIX_EPOCH)
                .unwrap();
        }
        let (code, said) = run(&["gc", "--dry-run"]);
        assert!(code == Some(0) && said.contains("1 would be removed") && contents() == 4, "{said}");
        let (code, said) = run(&["gc"]);
        assert!(code == Some(0) && said.contains("1 removed") && contents() == 3, "{said}");
        let (code, said) = run(&["verify"]);
        assert!(code == Some(0) && said.contains("3 contents are right"), "{said}");
        let server = Server::start(&database.url, &settings);
        for (version, bytes) in [(1, &held), (3, &held)] {
            let answer = exchange(
                &agent(),
                &server.base,
                "GET",
                &format!("Binary/held/_history/{version}"),
                &[("Accept", "*/*")],
                None,
            )
            .unwrap();
            assert_eq!(&answer.bytes, bytes, "past versions keep their content");
        }
        drop(server);
        let mut files = files_below(&root.join("blobs"));
        std::fs::write(&files[0], b"other").unwrap();
        std::fs::remove_file(files.pop().unwrap()).unwrap();
        let (code, said) = run(&["verify"]);
        assert!(code == Some(1) && said.contains("1 damaged") && said.contains("1 missing"), "{said}");
    }
}

/// What was answered is there after `kill -9`: content, and the part of an upload.
#[test]
fn acknowledged_content_survives_a_crash() {
    for database in databases() {
        let folder = TempDir::new();
        let place = format!("file://{}", folder.path().join("media").display());
        let mut server = Server::start(&database.url, &["--media-store", &place]);
        let citizen = citizen(&server);
        let stored = send_form(&server, &citizen, form(&[], "a.jpg", "image/jpeg", &photo(6)));
        assert_eq!(stored.status, 201, "{}", stored.body);
        let path = format!("media/{}/content", stored.body["id"].as_str().unwrap());
        let before = ask(&server, "GET", &path, &[], None).bytes;
        let file = photo(1);
        let upload = begin(&server, file.len(), "");
        let upload = format!("media/uploads/{}", upload.rsplit('/').next().unwrap());
        assert_eq!(patch(&server, &upload, 0, &file[..5000], &[]).status, 204);
        server.kill();
        drop(server);
        let server = Server::start(&database.url, &["--media-store", &place]);
        assert_eq!(ask(&server, "GET", &path, &[], None).bytes, before);
        assert_eq!(offset(&server, &upload), 5000);
        assert_eq!(patch(&server, &upload, 5000, &file[5000..], &[]).status, 204);
    }
}

/// `renraku import` moves large data as every other way in does.
#[test]
fn imported_content_comes_back() {
    for database in databases() {
        let folder = TempDir::new();
        let place = format!("file://{}", folder.path().join("media").display());
        let data = STANDARD.encode(noise(200_000, 21));
        let line = json!({ "resourceType": "Binary", "id": "imported", "contentType": "image/png", "data": data });
        std::fs::write(folder.path().join("one.ndjson"), format!("{line}\n")).unwrap();
        let settings = ["--database", database.url.as_str(), "--media-store", &place];
        let done = renraku(folder.path()).args(["import", "one.ndjson"]).args(settings).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let contents = files_below(&folder.path().join("media/blobs"));
        assert_eq!(contents.len(), 1, "{contents:?}");
        let server = Server::start(&database.url, &["--media-store", &place]);
        let read =
            exchange(&agent(), &server.base, "GET", "Binary/imported", &[("Accept", "application/fhir+json")], None)
                .unwrap();
        assert_eq!(read.body["data"], data.as_str());
    }
}
