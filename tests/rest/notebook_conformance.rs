//! What the notebook writes is valid FHIR: every kind of entry, with every field its own JSON Schema offers,
//! passes `$validate` without an error, against R4, the profiles R4 asks for by code
//! (observation-vitalsigns.html) and those of the guide.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::common::Server;
use crate::notebook_support::{citizen, issues, member, notebook, notebook_with, read, unique_name, write};
use crate::support::{created, got, on_each};

/// What references may point at, by type.
pub(crate) type Known = BTreeMap<&'static str, String>;

pub(crate) fn known(server: &Server, citizen: &str) -> Known {
    let subject = json!({ "reference": format!("Patient/{citizen}") });
    let mut known =
        Known::from([("Patient", format!("Patient/{citizen}")), ("Practitioner", member(server, "見本 看護師"))]);
    for (kind, resource) in [
        ("Organization", json!({ "name": "見本病院" })),
        ("Condition", json!({ "subject": subject, "code": { "text": "大腿骨近位部骨折" } })),
        ("CareTeam", json!({ "subject": subject, "status": "active" })),
        ("CarePlan", json!({ "subject": subject, "status": "active", "intent": "plan" })),
        ("Group", json!({ "type": "practitioner", "actual": true, "name": "見本会議" })),
        (
            "Communication",
            json!({ "subject": subject, "status": "completed", "topic": { "text": "見本" },
            "sender": { "reference": known["Practitioner"] }, "sent": "2026-05-01T10:00:00+09:00", "payload": [{ "contentString": "見本" }] }),
        ),
        (
            "DocumentReference",
            json!({ "subject": subject, "status": "current", "content": [{ "attachment": { "contentType": "application/pdf" } }] }),
        ),
        ("Media", json!({ "subject": subject, "status": "completed", "content": { "contentType": "image/jpeg" } })),
    ] {
        let mut resource = resource;
        resource["resourceType"] = json!(kind);
        known.insert(kind, format!("{kind}/{}", created(server, &resource)));
    }
    known
}

/// A value that the schema of a field takes.
fn sample(name: &str, schema: &Value, known: &Known) -> Value {
    let pattern = schema["pattern"].as_str().unwrap_or_default();
    let reference = |pattern: &str| {
        let types = pattern.strip_prefix("^(").and_then(|rest| rest.split(')').next());
        types.map(|types| {
            types.split('|').find_map(|kind| known.get(kind)).unwrap_or_else(|| panic!("{name}: {types}")).clone()
        })
    };
    match schema["type"].as_str().unwrap_or_default() {
        "boolean" => json!(true),
        "integer" => json!(schema["minimum"].as_i64().unwrap_or(0).max(1)),
        "number" => json!(1.5),
        "array" => json!([reference(schema["items"]["pattern"].as_str().unwrap()).unwrap()]),
        _ if schema["enum"].is_array() => schema["enum"][0].clone(),
        _ if pattern.starts_with("^(") => json!(reference(pattern)),
        _ if pattern.contains("[0-9]{4}-[0-9]{2}-[0-9]{2}T") => json!("2026-05-01T10:00:00+09:00"),
        _ if pattern.contains("[0-9]{4}") => json!("2026-05-01"),
        _ if name == "content_type" => json!("image/jpeg"),
        _ if name == "hash" => json!("YWJj"),
        _ if name == "url" => json!("https://example.org/photo.jpg"),
        _ if name == "system" => json!("http://example.org/codes"),
        _ if name == "insured_id" || name == "institution_no" => json!("0123456789"),
        _ => json!("見本"),
    }
}

/// All fields of a kind, filled.
pub(crate) fn full(schema: &Value, known: &Known) -> Value {
    let fields = schema["properties"].as_object().unwrap().iter();
    let fields = fields.filter(|(_, schema)| schema.is_object() && schema["readOnly"] != true);
    Value::Object(fields.map(|(name, schema)| (name.clone(), sample(name, schema, known))).collect::<Map<_, _>>())
}

/// The errors of `$validate`; with a profile, of the guide's.
fn errors(server: &Server, resource: &Value, profile: &str) -> Vec<Value> {
    let kind = resource["resourceType"].as_str().unwrap();
    let query = match profile {
        "" => String::new(),
        id => format!("?profile=http://renraku.example/fhir/StructureDefinition/{id}"),
    };
    let answer = server.post(&format!("{kind}/$validate{query}"), resource);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let issues = answer.body["issue"].as_array().unwrap();
    issues.iter().filter(|issue| matches!(issue["severity"].as_str(), Some("error" | "fatal"))).cloned().collect()
}

#[test]
fn every_kind_of_entry_with_every_field_is_valid() {
    on_each(|server| {
        let citizen = citizen(server, &unique_name());
        let known = known(server, &citizen);
        let list = read(server, "", "schema");
        let schemas = list["schemas"].as_array().unwrap();
        assert!(schemas.len() > 30, "{}", schemas.len());
        let mut wrong = Vec::new();
        // A photo comes as a file (tests/rest/media.rs).
        let kinds = schemas.iter().map(|schema| schema["entity"].as_str().unwrap()).filter(|kind| *kind != "media");
        for entity in kinds {
            let schema = read(server, "", &format!("schema/{entity}"));
            let mut body = full(&schema, &known);
            match entity {
                "measurement" => {
                    body["code"] = json!("29463-7");
                    body["system"] = json!("http://loinc.org");
                    (body["unit"], body["ucum"]) = (json!("kg"), json!("kg"));
                }
                // It hangs on what the citizen's team reads.
                "comment" => body["audience"] = json!("team"),
                _ => {}
            }
            let path = match entity {
                "citizen" => "citizens".to_owned(),
                _ if notebook(server, "", "GET", entity, None).status == 200 => entity.to_owned(),
                _ => format!("citizens/{citizen}/{entity}"),
            };
            let answer = notebook(server, &known["Practitioner"], "POST", &path, Some(&body));
            if answer.status != 201 {
                wrong.push(format!("{entity} {body}: {}", answer.body));
                continue;
            }
            let resource = got(server, answer.body["resource"].as_str().unwrap());
            let profile = match entity {
                "citizen" => "notebook-patient",
                _ => "",
            };
            for error in errors(server, &resource, profile) {
                wrong.push(format!("{entity} {}: {error}", answer.body["resource"]));
            }
            // Nothing that was written is lost.
            for (name, value) in body.as_object().unwrap().iter().filter(|(name, _)| *name != "of") {
                if *value != answer.body[name] {
                    wrong.push(format!("{entity}.{name}: {value} became {}", answer.body[name]));
                }
            }
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    });
}

/// observation-vitalsigns.html: category, code system and UCUM follow from the code; the guide asks the like
/// of grip, mobility and bone density.
#[test]
fn what_is_measured_has_the_category_profile_and_unit_of_its_code() {
    on_each(|server| {
        let (citizen, nurse) = (citizen(server, &unique_name()), member(server, "見本 看護師"));
        let path = format!("citizens/{citizen}/measurement");
        let vital = "vital-signs";
        for (code, unit, ucum, category) in [
            ("29463-7", "kg", "kg", vital),
            ("8302-2", "cm", "cm", vital),
            ("8310-5", "℃", "Cel", vital),
            ("8867-4", "回/分", "/min", vital),
            ("9279-1", "", "/min", vital),
            ("2708-6", "％", "%", vital),
            ("39156-5", "kg/m²", "kg/m2", vital),
            ("9843-4", "", "cm", vital),
            ("8480-6", "mmHg", "mm[Hg]", vital),
            ("83174-3", "kg", "kg", "functional-status"),
            ("89423-8", "秒", "s", "functional-status"),
            ("83172-7", "", "m/s", "functional-status"),
            ("38267-1", "{T-score}", "{T-score}", "exam"),
            ("24966-4", "g/cm²", "g/cm2", "exam"),
            ("718-7", "g/dL", "", "exam"),
        ] {
            let mut body =
                json!({ "code": code, "value": 21.5, "measured": "2026-05-01", "name": "見本", "site": "腰椎" });
            if !unit.is_empty() {
                body["unit"] = json!(unit);
            }
            let entry = write(server, &nurse, &path, &body);
            assert_eq!(entry["ucum"].as_str().unwrap_or_default(), ucum, "{entry}");
            let resource = got(server, entry["resource"].as_str().unwrap());
            assert_eq!(resource["category"][0]["coding"][0]["code"], category, "{resource}");
            let found = errors(server, &resource, "");
            assert!(found.is_empty(), "{code}: {found:?}");
        }
        let refused = |body: Value| {
            let answer = notebook(server, &nurse, "POST", &path, Some(&body));
            assert_eq!(answer.status, 422, "{body}: {}", answer.body);
            let (field, text) = issues(&answer).remove(0);
            assert!(text.contains(" / "), "Japanese and English: {text}");
            field
        };
        let weight = json!({ "code": "29463-7", "value": 40, "unit": "cm", "measured": "2026-05-01" });
        assert_eq!(refused(weight), "measurement.ucum");
        assert_eq!(refused(json!({ "code": "85354-9", "value": 120, "measured": "2026-05-01" })), "measurement.code");
        assert_eq!(refused(json!({ "code": "38267-1", "value": -2.6, "measured": "2026-05-01" })), "measurement.site");
    });
}

/// observation-vitalsigns.html, profile bp: one Observation with two components.
#[test]
fn blood_pressure_is_one_observation_of_two_values() {
    on_each(|server| {
        let (citizen, nurse) = (citizen(server, &unique_name()), member(server, "見本 看護師"));
        let path = format!("citizens/{citizen}/blood_pressure");
        let entry =
            write(server, &nurse, &path, &json!({ "systolic": 138, "diastolic": 82, "measured": "2026-05-01T09:00" }));
        let resource = got(server, entry["resource"].as_str().unwrap());
        let value = |place: usize| &resource["component"][place]["valueQuantity"];
        assert_eq!((&value(0)["value"], &value(1)["value"]), (&json!(138), &json!(82)), "{resource}");
        assert_eq!((&value(0)["code"], &value(1)["system"]), (&json!("mm[Hg]"), &json!("http://unitsofmeasure.org")));
        let found = errors(server, &resource, "");
        assert!(found.is_empty(), "{found:?}");
        let timeline = read(server, "", &format!("citizens/{citizen}/timeline"));
        assert_eq!(timeline["entries"][0]["title"], "血圧：収縮期血圧 138 mmHg、拡張期血圧 82 mmHg", "{timeline}");
        let at = entry["self"].as_str().unwrap();
        let tag = [("If-Match", "W/\"1\"")];
        let changed = notebook_with(server, &nurse, "PATCH", at, &tag, Some(&json!({ "diastolic": 80 })));
        assert_eq!((changed.status, &changed.body["diastolic"]), (200, &json!(80)), "{}", changed.body);
        assert_eq!(changed.body["systolic"], 138);
        let after = got(server, changed.body["resource"].as_str().unwrap());
        assert_eq!(after["component"].as_array().unwrap().len(), 2, "{after}");
        assert!(errors(server, &after, "").is_empty());
        assert_eq!(read(server, "", &path)["entries"].as_array().unwrap().len(), 1);
    });
}
