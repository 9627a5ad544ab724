//! XML on every interaction (FHIR R4 xml.html, http.html#mime-type).

use std::fs;

use renraku::format::json::Node;
use serde_json::json;

use crate::common::{Answer, Server, agent, exchange};
use crate::samples::{files, read};
use crate::support::{address, got, on_each, on_each_alone, patient, refused, stored, unique, versions};

const XML: &str = "application/fhir+xml";

/// A request with a body in XML, or without one, that accepts XML.
fn send(server: &Server, method: &str, path: &str, body: Option<&str>) -> Answer {
    let headers = [("Content-Type", XML), ("Accept", XML)];
    exchange(&agent(), &server.base, method, path, &headers, body.map(|body| body.as_bytes().to_vec())).unwrap()
}

/// The text of an answer that must be FHIR XML with this status.
#[track_caller]
fn text(answer: &Answer, status: u16) -> String {
    let text = String::from_utf8(answer.bytes.clone()).unwrap();
    assert_eq!(answer.status, status, "{text}");
    assert_eq!(answer.header("content-type"), "application/fhir+xml; charset=utf-8");
    assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"), "{text}");
    text
}

fn named(id: &str, family: &str) -> String {
    format!(
        "<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"{id}\"/><name><family value=\"{family}\"/></name></Patient>"
    )
}

/// What is written in XML is the same resource in JSON, and the other way round.
#[test]
fn create_read_update_and_delete() {
    on_each(|server| {
        let created = send(server, "POST", "Patient", Some(&named("ignored", "山田")));
        let body = text(&created, 201);
        assert!(body.contains("<versionId value=\"1\"/>") && body.contains("<family value=\"山田\"/>"), "{body}");
        let location = created.header("location").to_owned();
        let id = location.split("/Patient/").nth(1).unwrap().split('/').next().unwrap();
        assert_eq!(got(server, &format!("Patient/{id}"))["name"][0]["family"], "山田");

        let read = send(server, "GET", &format!("Patient/{id}"), None);
        assert_eq!(text(&read, 200), body);
        assert_eq!(read.header("etag"), "W/\"1\"");
        let updated = send(server, "PUT", &format!("Patient/{id}"), Some(&named(id, "佐藤")));
        assert!(text(&updated, 200).contains("<versionId value=\"2\"/>"));
        assert!(text(&send(server, "GET", &format!("Patient/{id}/_history/1"), None), 200).contains("山田"));
        let history = text(&send(server, "GET", &format!("Patient/{id}/_history"), None), 200);
        assert!(history.contains("<type value=\"history\"/>") && history.contains("<resource><Patient>"), "{history}");
        let summary = text(&send(server, "GET", &format!("Patient/{id}?_elements=birthDate"), None), 200);
        assert!(!summary.contains("佐藤"), "{summary}");
        assert!(text(&send(server, "DELETE", &format!("Patient/{id}"), None), 200).contains("<OperationOutcome "));
        assert!(text(&send(server, "GET", &format!("Patient/{id}"), None), 410).contains("<code value=\"deleted\"/>"));
    });
}

/// Bundles as answers.
#[test]
fn search() {
    on_each(|server| {
        let family = unique("xml");
        let id = unique("patient");
        stored(server, &patient(json!({ "id": id, "name": [{ "family": family }] })));
        for answer in [
            send(server, "GET", &format!("Patient?family={family}"), None),
            server.send("GET", &format!("Patient?family={family}&_format=xml"), &[], None),
            server.send("GET", &format!("Patient?family={family}&_format=application/fhir+xml"), &[], None),
        ] {
            let bundle = text(&answer, 200);
            assert!(bundle.contains("<total value=\"1\"/>") && bundle.contains(&format!("<id value=\"{id}\"/>")));
        }
        let pretty = send(server, "GET", &format!("Patient/{id}?_pretty=true"), None);
        assert!(text(&pretty, 200).contains("\n  <name>\n    <family value="));
        assert!(text(&send(server, "GET", "metadata", None), 200).contains("<format value=\"xml\"/>"));
    });
}

/// A transaction in XML, answered in XML.
#[test]
fn transaction() {
    on_each(|server| {
        let id = unique("transaction");
        let bundle = format!(
            "<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"transaction\"/><entry><fullUrl value=\"urn:uuid:6c1f0a4e-4c2c-4b5c-9d3f-111111111111\"/><resource><Patient><id value=\"{id}\"/></Patient></resource><request><method value=\"PUT\"/><url value=\"Patient/{id}\"/></request></entry><entry><resource><Observation><status value=\"final\"/><code><text value=\"x\"/></code><subject><reference value=\"urn:uuid:6c1f0a4e-4c2c-4b5c-9d3f-111111111111\"/></subject><valueQuantity><value value=\"1.50\"/></valueQuantity></Observation></resource><request><method value=\"POST\"/><url value=\"Observation\"/></request></entry></Bundle>"
        );
        let answer = text(&send(server, "POST", "", Some(&bundle)), 200);
        assert!(answer.contains("<type value=\"transaction-response\"/>"), "{answer}");
        assert_eq!(answer.matches("<status value=\"201 Created\"/>").count(), 2, "{answer}");
        let found = server.get(&format!("Observation?subject=Patient/{id}"));
        assert!(String::from_utf8(found.bytes).unwrap().contains("\"value\":1.50"));
    });
}

/// The name the client used is the name it gets; whoever names none gets what they sent.
#[test]
fn content_types() {
    on_each(|server| {
        for accept in ["application/xml", "text/xml", "application/fhir+xml"] {
            let answer = server.send("GET", "Patient?_count=0", &[("Accept", accept)], None);
            assert_eq!(answer.header("content-type"), format!("{accept}; charset=utf-8"));
        }
        for kind in ["application/xml", "text/xml; charset=UTF-8", "application/fhir+xml; fhirVersion=4.0"] {
            let headers = [("Content-Type", kind), ("Accept", "*/*")];
            let body = named("x", "y").into_bytes();
            let answer = exchange(&agent(), &server.base, "POST", "Patient", &headers, Some(body)).unwrap();
            assert_eq!((answer.status, &answer.body["resourceType"]), (201, &json!("Patient")), "{kind}");
        }
        // What is wrong with a resource is said in the format that was asked for.
        let wrong = send(server, "POST", "Observation", Some("<Observation xmlns=\"http://hl7.org/fhir\"/>"));
        assert!(text(&wrong, 400).contains("<expression value=\"Observation"), "{:?}", wrong.bytes);
        assert!(text(&send(server, "GET", "Nonsense", None), 404).contains("<OperationOutcome "));
    });
}

/// What is not FHIR XML: 400, line and column, nothing stored.
#[test]
fn bad_xml_is_400_with_the_place() {
    on_each_alone(|server| {
        let deep = format!(
            "<Patient xmlns=\"http://hl7.org/fhir\">{}{}</Patient>",
            "<extension url=\"a\">".repeat(10_000),
            "</extension>".repeat(10_000)
        );
        let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]>\n<Patient xmlns=\"http://hl7.org/fhir\"><language value=\"&b;\"/></Patient>";
        let bodies: [&[u8]; 12] = [
            b"nonsense",
            b"{\"resourceType\":\"Patient\"}",
            b"<Patient xmlns=\"http://hl7.org/fhir\">",
            b"<Patient xmlns=\"http://hl7.org/fhir\"></Patent>",
            b"<Patient xmlns=\"http://hl7.org/fhir\"/><Patient xmlns=\"http://hl7.org/fhir\"/>",
            b"<Patient/>",
            b"<Patient xmlns=\"urn:hl7-org:v3\"/>",
            b"<Patient xmlns=\"http://hl7.org/fhir\"><nmae/></Patient>",
            b"<Patient xmlns=\"http://hl7.org/fhir\"><active value=\"true\"/><active value=\"true\"/></Patient>",
            b"<Patient xmlns=\"http://hl7.org/fhir\"><language value=\"\xff\"/></Patient>",
            laughs.as_bytes(),
            deep.as_bytes(),
        ];
        for body in bodies {
            for (method, path) in [("POST", "Patient"), ("PUT", "Patient/b"), ("POST", "")] {
                let headers = [("Content-Type", XML), ("Accept", "application/fhir+json")];
                let answer = exchange(&agent(), &server.base, method, path, &headers, Some(body.to_vec())).unwrap();
                let why = refused(&answer, 400);
                assert!(why.contains(" at line ") && why.contains(" column "), "{why}");
            }
        }
        let headers = [("Content-Type", XML), ("Accept", "application/fhir+json")];
        let empty = exchange(&agent(), &server.base, "POST", "Patient", &headers, Some(Vec::new())).unwrap();
        assert!(refused(&empty, 400).contains("empty"));
        assert_eq!(versions(server), 0);
    });
}

/// Members in the order of their names, whatever order they came in; lists and digits as they are.
fn ordered(node: Node<'_>) -> Node<'_> {
    match node {
        Node::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(name, value)| (name, ordered(value))).collect();
            members.sort_by(|left, right| left.0.cmp(&right.0));
            Node::Object(members)
        }
        Node::Array(items) => Node::Array(items.into_iter().map(ordered).collect()),
        other => other,
    }
}

/// The resource of an answer in XML, or the first one in a Bundle; null when there is none.
fn resource_of<'n>(root: &'n Node<'n>, id: &str) -> Option<&'n Node<'n>> {
    if root.text("id") == Some(id) && root.text("resourceType") != Some("Bundle") {
        return Some(root);
    }
    root.list("entry").iter().find_map(|entry| entry.get("resource"))
}

/// Every interaction answers the same resource in XML as in JSON, to the digit and the letter.
#[test]
fn examples_of_the_standard_are_the_same_on_every_interaction() {
    on_each_alone(|server| {
        for path in files("suites/r4-examples").into_iter().step_by(3) {
            let sent = read(&path);
            let Some(id) = sent["id"].as_str().filter(|_| sent["resourceType"] != "Bundle") else { continue };
            if fs::metadata(&path).unwrap().len() > 1 << 18 || server.put(&address(&sent), &sent).status == 400 {
                continue;
            }
            let place = address(&sent);
            let kind = sent["resourceType"].as_str().unwrap();
            // A Binary is answered as it is, unless FHIR is asked for.
            let now = server.send("GET", &place, &[("Accept", "application/fhir+json")], None);
            let (bytes, version) = (now.bytes, now.body["meta"]["versionId"].as_str().unwrap());
            let wanted = ordered(renraku::format::json::parse(&bytes).unwrap());
            let batch = format!(
                r#"<Bundle xmlns="http://hl7.org/fhir"><type value="batch"/><entry><request><method value="GET"/><url value="{place}"/></request></entry></Bundle>"#
            );
            for (method, path, body) in [
                ("GET", place.clone(), None),
                ("GET", format!("{place}/_history/{version}"), None),
                ("GET", format!("{place}/_history"), None),
                ("GET", format!("{kind}?_id={id}"), None),
                ("GET", format!("{kind}/_history?_count=1"), None),
                ("POST", String::new(), Some(batch.as_str())),
            ] {
                let document = text(&send(server, method, &path, body), 200);
                let back = renraku::xml::parse_xml(document.as_bytes()).unwrap();
                let found = resource_of(&back, id).cloned().unwrap_or_else(|| panic!("{path}: {document}"));
                assert!(ordered(found) == wanted, "{method} {path}: {document}");
            }
        }
    });
}

/// What was sent, but for what the server sets itself, in the order of names.
fn as_sent(mut resource: Node<'_>) -> Vec<u8> {
    resource.remove("id");
    if let Some(mut meta) = resource.remove("meta") {
        meta.remove("versionId");
        meta.remove("lastUpdated");
        if !meta.members().is_empty() {
            resource.set("meta", meta);
        }
    }
    ordered(resource).to_bytes()
}

/// Every example of the standard, and real Japanese documents: sent as JSON and read as XML, sent as XML and read
/// as JSON, the same to the byte once members are in one order (narrative, digits, extensions of primitives).
#[test]
fn examples_and_documents_come_back_to_the_byte() {
    let folders = ["suites/r4-examples", "samples/ereferral", "samples/jp-clins", "samples/municipal-checkup"];
    on_each_alone(|server| {
        let mut compared = 0;
        for path in folders.into_iter().flat_map(files) {
            let sent = fs::read(&path).unwrap();
            let Ok(source) = renraku::format::json::parse(&sent) else { continue };
            let Some(kind) = source.text("resourceType").map(str::to_owned) else { continue };
            let post = |media: &str, body: &[u8]| {
                let headers = [("Content-Type", media), ("Accept", "application/fhir+json")];
                exchange(&agent(), &server.base, "POST", &kind, &headers, Some(body.to_vec())).unwrap()
            };
            let created = post("application/fhir+json", &sent);
            if created.status == 400 {
                // Some are wrong on purpose.
                continue;
            }
            assert_eq!(created.status, 201, "{}: {}", path.display(), created.body);
            let wanted = as_sent(source.clone());
            let place = |answer: &Answer| format!("{kind}/{}", answer.body["id"].as_str().unwrap());
            let document = text(&send(server, "GET", &place(&created), None), 200);
            let back = renraku::xml::parse_xml(document.as_bytes()).unwrap();
            assert!(as_sent(back) == wanted, "{} as XML: {document}", path.display());
            let mut xml = Vec::new();
            renraku::xml::write_xml(&source, false, &mut xml).unwrap();
            let created = post(XML, &xml);
            assert_eq!(created.status, 201, "{}: {}", path.display(), created.body);
            let answer = server.send("GET", &place(&created), &[("Accept", "application/fhir+json")], None);
            let back = renraku::format::json::parse(&answer.bytes).unwrap();
            assert!(as_sent(back) == wanted, "{} from XML: {}", path.display(), answer.body);
            compared += 1;
        }
        println!("{compared} compared both ways");
        assert!(compared == 0 || compared > 70, "only {compared}");
    });
}
