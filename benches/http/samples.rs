//! What is written and read: a Patient and an Observation of everyday size (about 1.2 KB), and
//! transaction bundles for the import, from a Synthea record where there is one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub(crate) fn patient(number: usize, id: Option<&str>) -> Value {
    let family = ["佐藤", "鈴木", "高橋", "田中", "伊藤", "渡辺", "山本", "中村"][number % 8];
    let kana = ["サトウ", "スズキ", "タカハシ", "タナカ", "イトウ", "ワタナベ", "ヤマモト", "ナカムラ"][number % 8];
    let mut resource = json!({
        "resourceType": "Patient",
        "identifier": [
            { "use": "usual", "system": "urn:oid:1.2.392.100495.20.3.51.11310000001", "value": format!("{number:010}") },
            { "use": "official", "system": "http://example.org/insurance", "value": format!("0613{:08}", number * 7) }
        ],
        "active": true,
        "name": [
            { "extension": [{ "url": "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation", "valueCode": "IDE" }],
              "use": "usual", "family": family, "given": ["花子"] },
            { "extension": [{ "url": "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation", "valueCode": "SYL" }],
              "use": "usual", "family": kana, "given": ["ハナコ"] }
        ],
        "telecom": [{ "system": "phone", "value": format!("03-{:04}-{:04}", number % 10_000, number * 3 % 10_000), "use": "home" }],
        "gender": if number.is_multiple_of(3) { "male" } else { "female" },
        "birthDate": format!("19{:02}-{:02}-{:02}", 25 + number % 30, 1 + number % 12, 1 + number % 28),
        "address": [{ "use": "home", "text": "東京都文京区本郷七丁目三番一号", "state": "東京都", "city": "文京区", "postalCode": "113-8655", "country": "JP" }],
        "contact": [{
            "relationship": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v2-0131", "code": "N" }] }],
            "name": { "family": family, "given": ["一郎"] },
            "telecom": [{ "system": "phone", "value": "090-0000-0000" }]
        }],
        "managingOrganization": { "reference": "Organization/hospital" }
    });
    if let Some(id) = id {
        resource["id"] = json!(id);
    }
    resource
}

pub(crate) fn observation(number: usize, subject: &str, id: Option<&str>) -> Value {
    let time = format!("2026-{:02}-{:02}T09:{:02}:00+09:00", 1 + number % 12, 1 + number % 28, number % 60);
    let mut resource = json!({
        "resourceType": "Observation",
        "identifier": [{ "system": "http://example.org/observations", "value": format!("{number:012}") }],
        "status": "final",
        "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs", "display": "Vital Signs" }] }],
        "code": {
            "coding": [{ "system": "http://loinc.org", "code": "85354-9", "display": "Blood pressure panel with all children optional" }],
            "text": "血圧"
        },
        "subject": { "reference": subject },
        "effectiveDateTime": time,
        "issued": time,
        "performer": [{ "reference": "Practitioner/nurse" }],
        "component": [
            { "code": { "coding": [{ "system": "http://loinc.org", "code": "8480-6", "display": "Systolic blood pressure" }] },
              "valueQuantity": { "value": 110 + number % 50, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]" } },
            { "code": { "coding": [{ "system": "http://loinc.org", "code": "8462-4", "display": "Diastolic blood pressure" }] },
              "valueQuantity": { "value": 60 + number % 30, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]" } }
        ]
    });
    if let Some(id) = id {
        resource["id"] = json!(id);
    }
    resource
}

/// Gives a resource a narrative of about 200 letters.
pub(crate) fn narrate(resource: &mut Value, number: usize) {
    let side = ["右", "左"][number % 2];
    let place = ["大腿骨頸部", "橈骨遠位端", "腰椎圧迫", "上腕骨近位端", "膝蓋骨"][number % 5];
    let care = ["訪問看護", "通所リハビリテーション", "居宅療養管理指導"][number % 3];
    let text = format!(
        "{side}{place}骨折の術後{}週。疼痛は軽減し、杖歩行で屋内の移動は自立。骨粗鬆症に対して注射を継続している。転倒の不安が強く、         {care}を週{}回利用。家族は段差の解消と手すりの設置を希望し、介護支援専門員と相談中。次回の受診は{}月、骨密度と血液検査の予定。",
        number % 16,
        1 + number % 3,
        1 + number % 12,
    );
    let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{text}</p></div>");
    resource["text"] = json!({ "status": "generated", "div": div });
}

/// A transaction that puts `pairs` Patients and their Observations, numbered from `first`.
pub(crate) fn pairs_bundle(first: usize, pairs: usize) -> Value {
    let entries: Vec<Value> = (first..first + pairs)
        .flat_map(|number| {
            let (patient_id, observation_id) = (patient_id(number), format!("o-{number:06}"));
            let subject = format!("Patient/{patient_id}");
            [
                json!({ "resource": patient(number, Some(&patient_id)), "request": { "method": "PUT", "url": subject } }),
                json!({ "resource": observation(number, &subject, Some(&observation_id)),
                        "request": { "method": "PUT", "url": format!("Observation/{observation_id}") } }),
            ]
        })
        .collect();
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries })
}

pub(crate) fn patient_id(number: usize) -> String {
    format!("p-{number:06}")
}

/// The files of an import and what is in them.
pub(crate) struct ImportFiles {
    /// Practitioners, Organizations and Locations that the records refer to by identifier: one bundle.
    pub(crate) facilities: Option<PathBuf>,
    /// One transaction bundle a line.
    pub(crate) records: PathBuf,
    pub(crate) resources: usize,
    pub(crate) patients: usize,
    pub(crate) bytes: u64,
    pub(crate) source: &'static str,
}

/// Writes at least `wanted` resources into `folder`: copies of one record, each with ids of its own.
pub(crate) fn write_import_files(folder: &Path, wanted: usize) -> ImportFiles {
    let (record, source) = match synthea() {
        Some(record) => (record, "Synthea record"),
        None => (generated_record(), "generated record"),
    };
    let entries = record["entry"].as_array().expect("a bundle");
    let (per_copy, patients) =
        (entries.len(), entries.iter().filter(|e| e["resource"]["resourceType"] == "Patient").count());
    let own: BTreeSet<&[u8]> = entries
        .iter()
        .filter_map(|entry| entry["fullUrl"].as_str()?.strip_prefix("urn:uuid:"))
        .map(str::as_bytes)
        .collect();
    let text = serde_json::to_vec(&record).expect("JSON");
    let places = uuid_places(&text, &own);

    let facilities = facilities_bundle(&record).map(|bundle| {
        let path = folder.join("facilities.json");
        std::fs::write(&path, serde_json::to_vec(&bundle).expect("JSON")).expect("room for the sample");
        path
    });
    let records = folder.join("records.ndjson");
    let copies = wanted.div_ceil(per_copy);
    let mut file = BufWriter::new(File::create(&records).expect("a sample file"));
    for copy in 0..copies {
        let mut line = text.clone();
        for &place in &places {
            let first =
                u32::from_str_radix(std::str::from_utf8(&text[place..place + 8]).expect("ASCII"), 16).expect("hex");
            let changed = first ^ u32::try_from(copy).expect("few copies").wrapping_mul(0x9E37_79B1);
            line[place..place + 8].copy_from_slice(format!("{changed:08x}").as_bytes());
        }
        line.push(b'\n');
        file.write_all(&line).expect("room for the sample");
    }
    file.flush().expect("room for the sample");
    let bytes = std::fs::metadata(&records).expect("the file just written").len();
    ImportFiles { facilities, records, resources: copies * per_copy, patients: copies * patients, bytes, source }
}

/// The Synthea record beside the repository, where there is one.
fn synthea() -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/samples/synthea/synthea_transaction_bundle.json");
    let path = std::env::var_os("RENRAKU_BENCH_RECORD").map_or(path, PathBuf::from);
    let text = std::fs::read(path).ok()?;
    Some(serde_json::from_slice(&text).expect("a JSON bundle"))
}

/// A Patient and 99 Observations that refer to it inside the bundle.
fn generated_record() -> Value {
    let full_url = |number: usize| format!("urn:uuid:{0:08x}-0000-4000-8000-{0:012x}", number + 1);
    let subject = full_url(0);
    let entries: Vec<Value> = (0..100)
        .map(|number| {
            let resource = if number == 0 { patient(0, None) } else { observation(number, &subject, None) };
            let url = resource["resourceType"].clone();
            json!({ "fullUrl": full_url(number), "resource": resource, "request": { "method": "POST", "url": url } })
        })
        .collect();
    json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries })
}

/// Where in `text` the UUIDs of `own` start.
fn uuid_places(text: &[u8], own: &BTreeSet<&[u8]>) -> Vec<usize> {
    const LENGTH: usize = 36;
    (0..text.len().saturating_sub(LENGTH))
        .filter(|&at| text[at + 8] == b'-' && text[at + 13] == b'-' && own.contains(&text[at..at + LENGTH]))
        .collect()
}

/// The resources behind references such as `Practitioner?identifier=SYSTEM|VALUE`
/// (FHIR R4 http.html#trules: conditional references), as a transaction.
fn facilities_bundle(record: &Value) -> Option<Value> {
    let mut wanted = BTreeMap::new();
    collect_conditional_references(record, &mut wanted);
    let entries: Vec<Value> = wanted
        .into_iter()
        .map(|(reference, display)| {
            let (kind, query) = reference.split_once('?').expect("a conditional reference");
            let (system, value) =
                query.strip_prefix("identifier=").and_then(|token| token.split_once('|')).expect("an identifier");
            let identifier = json!([{ "system": system, "value": value }]);
            let resource = match kind {
                "Practitioner" => {
                    json!({ "resourceType": kind, "identifier": identifier, "name": [{ "text": display }] })
                }
                _ => json!({ "resourceType": kind, "identifier": identifier, "name": display }),
            };
            json!({ "resource": resource, "request": { "method": "POST", "url": kind } })
        })
        .collect();
    (!entries.is_empty()).then(|| json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries }))
}

fn collect_conditional_references(value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("reference").and_then(Value::as_str)
                && reference.contains("?identifier=")
            {
                let display = members.get("display").and_then(Value::as_str).unwrap_or("unnamed");
                into.insert(reference.to_owned(), display.to_owned());
            }
            members.values().for_each(|member| collect_conditional_references(member, into));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_conditional_references(item, into)),
        _ => {}
    }
}
