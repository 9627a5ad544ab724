//! Packages of definitions: installed over HTTP, used by validation and terminology. The JP Core package is
//! read from `../shared`; where it is absent its tests say "skipped".

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::common::{Answer, Server, agent, exchange};
use crate::search_parameter::complete;
use crate::support::{created, finds, got, on_each_alone, patient, refused};

fn archive(files: &[(&str, Value)]) -> Vec<u8> {
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(encoder);
    for (path, content) in files {
        let text = content.to_string();
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    let mut encoder = builder.into_inner().unwrap();
    encoder.flush().unwrap();
    encoder.finish().unwrap()
}

fn package(version: &str, max: &str) -> Vec<u8> {
    archive(&[
        (
            "package/package.json",
            json!({ "name": "example.test", "version": version, "dependencies": { "hl7.fhir.r4.core": "4.0.1", "absent.package": "1.0" } }),
        ),
        (
            "package/StructureDefinition-p.json",
            json!({
                "resourceType": "StructureDefinition", "id": "p", "url": "http://example.org/StructureDefinition/p",
                "version": version, "name": "P", "status": "active", "kind": "resource", "abstract": false,
                "type": "Patient", "derivation": "constraint",
                "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
                "differential": { "element": [{ "path": "Patient.name", "max": max }] }
            }),
        ),
    ])
}

fn install(server: &Server, package: Vec<u8>) -> Value {
    let headers = [("Content-Type", "application/gzip")];
    let answer = exchange(&agent(), &server.base, "POST", "$install-package", &headers, Some(package)).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

fn errors(server: &Server, profile: &str, resource: &Value) -> Vec<Value> {
    let kind = resource["resourceType"].as_str().unwrap();
    let answer = server.post(&format!("{kind}/$validate?profile={profile}"), resource);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let issues = answer.body["issue"].as_array().unwrap().iter();
    issues.filter(|issue| issue["severity"] == "error").cloned().collect()
}

/// references.html#canonical: a version may be named; without one the newest counts.
#[test]
fn versions_stay_side_by_side() {
    on_each_alone(|server| {
        let outcome = install(server, package("1.0.0", "0"));
        assert!(outcome.to_string().contains("absent.package#1.0"), "what is missing is said: {outcome}");
        let named = patient(json!({ "name": [{ "family": "見本" }] }));
        let url = "http://example.org/StructureDefinition/p";
        assert_eq!(errors(server, url, &named).len(), 1);
        let base64 = base64::engine::general_purpose::STANDARD.encode(package("1.10.0", "1"));
        let body =
            json!({ "resourceType": "Parameters", "parameter": [{ "name": "package", "valueBase64Binary": base64 }] });
        assert_eq!(server.post("$install-package", &body).status, 200);
        assert!(errors(server, url, &named).is_empty(), "the newest counts, and at once");
        assert_eq!(errors(server, &format!("{url}|1.0.0"), &named).len(), 1);
        assert_eq!(errors(server, &format!("{url}|1.0"), &named).len(), 1);
    });
}

/// What a package defines is a resource as well: the newest version that is installed, with the others in its
/// history. What somebody stored at its address stays, and the answer says so.
#[test]
fn definitions_of_packages_are_resources() {
    on_each_alone(|server| {
        let outcome = install(server, package("1.0.0", "0"));
        assert!(outcome.to_string().contains("1 of them are resources"), "{outcome}");
        let url = "StructureDefinition?url=http://example.org/StructureDefinition/p";
        assert_eq!(got(server, url)["total"], 1);
        assert_eq!(got(server, "StructureDefinition/p")["version"], "1.0.0");
        install(server, package("1.10.0", "1"));
        install(server, package("1.0.0", "0"));
        let newest = got(server, "StructureDefinition/p");
        assert_eq!((&newest["version"], &newest["meta"]["versionId"]), (&json!("1.10.0"), &json!("2")));
        assert_eq!(got(server, "StructureDefinition/p/_history/1")["version"], "1.0.0");
        let own = json!({ "resourceType": "CodeSystem", "id": "c", "url": "http://example.org/own", "name": "Own",
            "status": "active", "content": "complete" });
        assert_eq!(server.put("CodeSystem/c", &own).status, 201);
        let mut theirs = own.clone();
        theirs["url"] = json!("http://example.org/theirs");
        let manifest = json!({ "name": "example.other", "version": "1.0.0" });
        let outcome = install(server, archive(&[("package/package.json", manifest), ("package/c.json", theirs)]));
        assert!(outcome.to_string().contains("something else is stored there"), "{outcome}");
        assert_eq!(got(server, "CodeSystem/c")["url"], "http://example.org/own");
    });
}

/// http.html#delete: "the server refuses to delete a resource because of reasons specific to that resource": what a
/// package defines changes with the package alone, whichever way a write comes; what is beside it is free.
#[test]
fn definitions_of_packages_are_written_by_packages_alone() {
    on_each_alone(|server| {
        install(server, package("1.0.0", "0"));
        let theirs = got(server, "StructureDefinition/p");
        let mut changed = theirs.clone();
        changed["title"] = json!("changed");
        let says = |answer: &Answer| {
            let text = refused(answer, 409);
            assert!(text.contains("example.test#1.0.0") && text.contains("renraku package remove"), "{text}");
        };
        says(&server.put("StructureDefinition/p", &changed));
        says(&server.delete("StructureDefinition/p"));
        says(&server.delete("StructureDefinition?url=http://example.org/StructureDefinition/p"));
        says(&server.put("StructureDefinition?url=http://example.org/StructureDefinition/p", &changed));
        let patch = json!([{ "op": "add", "path": "/title", "value": "changed" }]);
        let json_patch = [("Content-Type", "application/json-patch+json")];
        says(&server.send("PATCH", "StructureDefinition/p", &json_patch, Some(&patch)));
        let in_bundle = |method: &str, resource: Option<&Value>| {
            let mut entry = json!({ "request": { "method": method, "url": "StructureDefinition/p" } });
            if let Some(resource) = resource {
                entry["resource"] = resource.clone();
            }
            server.post("", &json!({ "resourceType": "Bundle", "type": "transaction", "entry": [entry] }))
        };
        says(&in_bundle("PUT", Some(&changed)));
        says(&in_bundle("DELETE", None));
        assert_eq!(got(server, "StructureDefinition/p"), theirs);
        let mut own = changed;
        own["id"] = json!("own");
        assert_eq!(server.put("StructureDefinition/own", &own).status, 201);
        own["title"] = json!("changed again");
        assert_eq!(server.put("StructureDefinition/own", &own).status, 200);
        assert_eq!(server.delete("StructureDefinition/own").status, 200);
        install(server, package("1.10.0", "1"));
        assert_eq!(got(server, "StructureDefinition/p")["version"], "1.10.0");
    });
}

/// What a package says can be searched by can be, also what was stored before.
#[test]
fn search_parameters_of_packages_are_active() {
    on_each_alone(|server| {
        let green = created(
            server,
            &patient(json!({ "extension": [{ "url": "http://example.org/eye", "valueCode": "green" }] })),
        );
        created(server, &patient(json!({ "extension": [{ "url": "http://example.org/eye", "valueCode": "brown" }] })));
        assert_eq!(server.get("Patient?eye=green").status, 400);
        let parameter = json!({
            "resourceType": "SearchParameter", "id": "eye", "url": "http://example.org/sp/eye", "name": "Eye",
            "status": "active", "description": "test", "code": "eye", "base": ["Patient"], "type": "token",
            "expression": "Patient.extension('http://example.org/eye').value"
        });
        let manifest = json!({ "name": "example.eyes", "version": "1.0.0" });
        install(server, archive(&[("package/package.json", manifest), ("package/eye.json", parameter)]));
        complete(server, "eye");
        finds(server, "Patient?eye=green", &[&green]);
        let later = created(
            server,
            &patient(json!({ "extension": [{ "url": "http://example.org/eye", "valueCode": "green" }] })),
        );
        finds(server, "Patient?eye=green", &[&green, &later]);
    });
}

#[test]
fn what_is_no_package_is_refused() {
    on_each_alone(|server| {
        let headers = [("Content-Type", "application/gzip")];
        let sent =
            exchange(&agent(), &server.base, "POST", "$install-package", &headers, Some(b"hello".to_vec())).unwrap();
        assert!(refused(&sent, 400).contains("archive"));
        let without = archive(&[("package/a.json", json!({}))]);
        let sent = exchange(&agent(), &server.base, "POST", "$install-package", &headers, Some(without)).unwrap();
        assert!(refused(&sent, 400).contains("package.json"));
    });
}

fn jp_core() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["../shared", "../../shared"].map(|folder| root.join(folder).join("samples/packages"));
    let found = folders.iter().map(|folder| folder.join("jp-core.r4-1.1.2.tgz")).find(|path| path.exists());
    if found.is_none() {
        println!("skipped: no shared samples/packages");
    }
    found
}

/// The profiles of JP Core are usable, and say of a Patient what they want.
#[test]
fn jp_core_is_installed_and_used() {
    let Some(path) = jp_core() else { return };
    on_each_alone(|server| {
        let begun = Instant::now();
        let outcome = install(server, std::fs::read(&path).unwrap());
        println!("installed in {:?}: {outcome}", begun.elapsed());
        let url = "http://jpfhir.jp/fhir/core/StructureDefinition/JP_Patient";
        assert_eq!(got(server, &format!("StructureDefinition?url={url}"))["total"], 1);
        assert_eq!(got(server, "StructureDefinition/jp-patient")["url"], url);
        assert!(
            got(server, "ValueSet?url:below=http://jpfhir.jp/fhir/core&_summary=count")["total"].as_u64() > Some(10)
        );
        let profile = "http://jpfhir.jp/fhir/core/StructureDefinition/JP_Patient";
        let identifier = json!([{ "system": "urn:oid:1.2.392.100495.20.3.51.11311234567", "value": "00000010" }]);
        let good = patient(
            json!({ "identifier": identifier, "name": [{ "family": "見本", "given": ["花子"] }], "gender": "female" }),
        );
        assert_eq!(errors(server, profile, &good), Vec::<Value>::new());
        let wrong = "http://jpfhir.jp/fhir/core/StructureDefinition/JP_Observation_Common";
        assert_eq!(errors(server, wrong, &good).len(), 1);
    });
}
