//! A made-up cohort: every measure equals what a script counts from the exported resources, which shares nothing with
//! the server but the words of docs/fls-rules.md.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::common::{Server, TempDir, databases, renraku};

const TYPES: [&str; 14] = [
    "Patient",
    "Condition",
    "Observation",
    "Procedure",
    "ServiceRequest",
    "Encounter",
    "Appointment",
    "Communication",
    "ChargeItem",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "Organization",
];

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/cohort").join(name)
}

fn python(name: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("python3")
        .arg(script(name))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{name} failed");
    let _ = writer.join();
    output.stdout
}

/// All resources of a server, as NDJSON.
fn export(server: &Server) -> Vec<u8> {
    let mut lines = Vec::new();
    for kind in TYPES {
        let mut path = format!("{kind}?_count=1000&_total=none");
        loop {
            let page = server.get(&path).body;
            for entry in page["entry"].as_array().unwrap_or(&Vec::new()) {
                serde_json::to_writer(&mut lines, &entry["resource"]).unwrap();
                lines.push(b'\n');
            }
            let links = page["link"].as_array().unwrap();
            let Some(next) = links.iter().find(|link| link["relation"] == "next") else { break };
            path = next["url"].as_str().unwrap().strip_prefix(&server.base).unwrap().trim_start_matches('/').to_owned();
        }
    }
    lines
}

fn counts(report: &Value) -> Vec<(String, Value)> {
    let count = |group: &Value, code: &str| {
        let populations = group["population"].as_array().unwrap();
        populations.iter().find(|one| one["code"]["coding"][0]["code"] == code).unwrap()["count"].clone()
    };
    let groups = report["group"].as_array().unwrap().iter().filter(|group| group["population"].is_array());
    groups
        .map(|group| {
            let code = group["code"]["coding"][0]["code"].as_str().unwrap().to_owned();
            (code, json!([count(group, "initial-population"), count(group, "denominator"), count(group, "numerator")]))
        })
        .collect()
}

/// Compares all measures with the truth; answers the number of groups compared.
fn compare(server: &Server, exported: &[u8], municipality: Option<&str>) -> usize {
    let period = ["--from", "2023-01-01", "--to", "2025-12-31", "--as-of", "2026-06-30"];
    let mut arguments = period.to_vec();
    arguments.extend(municipality.iter().flat_map(|name| ["--municipality", name]));
    let truth: Value = serde_json::from_slice(&python("truth.py", &arguments, exported)).unwrap();
    let mut surprises = Vec::new();
    let mut compared = 0;
    let measures = server.get("Measure?_count=100").body;
    for entry in measures["entry"].as_array().unwrap() {
        let id = entry["resource"]["id"].as_str().unwrap();
        if municipality.is_some() && id.starts_with("city-") {
            continue;
        }
        let only = municipality.map_or(String::new(), |name| format!("&municipality={name}"));
        let path = format!(
            "Measure/{id}/$evaluate-measure?periodStart=2023-01-01&periodEnd=2025-12-31&asOf=2026-06-30&suppress=false&caseload=3000{only}"
        );
        let answer = server.get(&path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        for (code, found) in counts(&answer.body) {
            let mut wanted = truth[&code].clone();
            if code == "identification" {
                wanted[1] = json!(3000);
            }
            compared += 1;
            if wanted != found {
                surprises.push(format!("{code}: the server counts {found}, the script {wanted}"));
            }
        }
    }
    assert!(surprises.is_empty(), "{surprises:#?}");
    compared
}

#[test]
fn every_measure_equals_the_independent_count() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: there is no python3");
        return;
    }
    let cohort = python("generate.py", &["--citizens", "2000", "--seed", "1"], b"");
    for database in databases() {
        println!("on {}", database.kind());
        let folder = TempDir::new();
        let file = folder.path().join("cohort.ndjson");
        std::fs::write(&file, &cohort).unwrap();
        let imported = renraku(folder.path())
            .args(["import", file.to_str().unwrap(), "--database", &database.url])
            .output()
            .unwrap();
        assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
        let server = Server::start_as_installed(&database.url, &[]);
        let exported = export(&server);
        assert_eq!(
            exported.iter().filter(|byte| **byte == b'\n').count(),
            cohort.iter().filter(|byte| **byte == b'\n').count()
        );
        assert_eq!(compare(&server, &exported, None), 38);
        compare(&server, &exported, Some("Organization/cohort-city-a"));
    }
}
