//! Wrong input, made from the JSON Schemas themselves: for each field of each kind of entry what its schema
//! refuses, one thing at a time, in a new entry and in a change. Each refusal names the field and the rule
//! in Japanese and English, and nothing is stored: the history of the whole server stays as long as it was.

use serde_json::{Map, Value, json};

use crate::common::{Answer, Server, agent, exchange};
use crate::notebook_conformance::{Known, full, known};
use crate::notebook_support::{citizen, issues, notebook, notebook_with, read, unique_name};
use crate::support::{created, got, on_each, on_each_alone};

/// Something wrong in one field.
struct Wrong {
    field: String,
    value: Value,
    /// What the message must say of the rule, in each language (both may be the same).
    says: (String, String),
}

/// The members of a schema that may be written.
fn fields(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let properties = schema["properties"].as_object().unwrap().iter();
    properties.filter(|(_, schema)| schema.is_object() && schema["readOnly"] != true)
}

fn requires(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|all| all.iter().any(|known| known == name))
}

/// What the schema of a field refuses.
fn wrongs(name: &str, schema: &Value) -> Vec<Wrong> {
    let mut all: Vec<Wrong> = Vec::new();
    let mut add = |value: Value, ja: &str, en: &str| {
        all.push(Wrong { field: name.to_owned(), value, says: (ja.to_owned(), en.to_owned()) });
    };
    let pattern = |schema: &Value| schema["pattern"].as_str().unwrap_or_default().to_owned();
    let types = |schema: &Value| {
        let pattern = pattern(schema);
        let types = pattern.strip_prefix("^(").and_then(|rest| rest.split(')').next());
        types.filter(|_| pattern.contains(")/")).map(|types| types.split('|').next().unwrap().to_owned())
    };
    match schema["type"].as_str().unwrap_or_default() {
        "boolean" => {
            for value in [json!("true"), json!(1), json!({})] {
                add(value, "true", "true or false");
            }
        }
        "integer" => {
            for value in [json!("1"), json!(1.5), json!([1])] {
                add(value, "整数", "whole number");
            }
            for (limit, step) in [("minimum", -1), ("maximum", 1)] {
                let limit = schema[limit].as_i64().unwrap();
                add(json!(limit + step), &limit.to_string(), &limit.to_string());
            }
        }
        "number" => {
            for value in [json!("1"), json!(true), json!({ "value": 1 })] {
                add(value, "数値", "number");
            }
        }
        "array" => {
            let kind = types(&schema["items"]).expect("a list of references");
            for value in [json!("x"), json!({ "0": "x" })] {
                add(value, &kind, "list");
            }
            for value in [json!(7), json!("nobody"), json!("Basic/1"), json!(format!("{kind}/")), json!(null)] {
                add(json!([value]), &kind, &kind);
            }
            let one = format!("{kind}/a");
            add(json!([one, one]), "二度", "twice");
            let many: Vec<String> = (0..=200).map(|number| format!("{kind}/{number}")).collect();
            add(json!(many), "200", "200");
        }
        "string" if schema["enum"].is_array() => {
            let code = schema["enum"][0].as_str().unwrap();
            for value in [json!("no-such-code"), json!(""), json!(7)] {
                add(value, code, code);
            }
        }
        "string" if types(schema).is_some() => {
            let kind = types(schema).unwrap();
            let long = format!("{kind}/{}", "a".repeat(65));
            for value in [json!(7), json!("nobody"), json!("Basic/1"), json!(format!("{kind}/a b")), json!(long)] {
                add(value, &kind, &kind);
            }
        }
        "string" if pattern(schema).starts_with("^[0-9]{4}") => {
            for value in [json!(2026), json!("yesterday"), json!("2026/05/01"), json!("2026-5-1"), json!([])] {
                add(value, "2026", "2026");
            }
            let days = ["2026-02-30", "2026-13-01"];
            let times = ["2026-02-30T10:00", "2026-05-01T25:00"];
            for text in if pattern(schema).contains(")?)?$") { days } else { times } {
                add(json!(text), text, text);
            }
        }
        "string" => {
            for value in [json!(7), json!({}), json!(["x"])] {
                add(value, "文字列", "string");
            }
            for value in ["", " ", " x", "x\n"] {
                add(json!(value), "空", "space");
            }
            let limit = schema["maxLength"].as_u64().expect("text has an end");
            add(json!("a".repeat(usize::try_from(limit).unwrap() + 1)), &limit.to_string(), &limit.to_string());
        }
        other => panic!("{name}: what is wrong for {other:?}?"),
    }
    all
}

/// The refusal names the field and the rule in both languages.
fn is_named(answer: &Answer, entity: &str, wrong: &Wrong) -> Result<(), String> {
    if !(400..500).contains(&answer.status) {
        return Err(format!("status {}", answer.status));
    }
    let place = format!("{entity}.{}", wrong.field);
    let found = issues(answer);
    let Some((_, text)) =
        found.iter().find(|(at, _)| *at == place || at.strip_prefix(&place).is_some_and(|rest| rest.starts_with('.')))
    else {
        return Err(format!("no issue at {place}"));
    };
    let Some((ja, en)) = text.split_once(" / ") else { return Err(format!("one language: {text}")) };
    let is_japanese = ja.chars().any(|letter| ('\u{3040}'..'\u{a000}').contains(&letter));
    if !is_japanese || !ja.contains(&wrong.field) || !en.contains(&wrong.field) {
        return Err(format!("the field is not named: {text}"));
    }
    if !ja.contains(&wrong.says.0) || !en.contains(&wrong.says.1) {
        return Err(format!("the rule ({} / {}) is not named: {text}", wrong.says.0, wrong.says.1));
    }
    Ok(())
}

/// How many changes there were on the whole server.
fn changes(server: &Server) -> u64 {
    got(server, "_history?_count=1")["total"].as_u64().expect("a total")
}

struct Case<'a> {
    server: &'a Server,
    entity: &'a str,
    member: &'a str,
    method: &'a str,
    path: &'a str,
    version: Option<&'a Value>,
}

impl Case<'_> {
    /// Sends a body with one thing wrong; what is not as it should be.
    fn refuses(&self, mut body: Value, wrong: &Wrong, complaints: &mut Vec<String>) {
        if let Some(version) = self.version {
            body["version"] = version.clone();
        }
        let answer = notebook(self.server, self.member, self.method, self.path, Some(&body));
        if let Err(why) = is_named(&answer, self.entity, wrong) {
            let value: String = wrong.value.to_string().chars().take(60).collect();
            let told: String = answer.body.to_string().chars().take(600).collect();
            complaints.push(format!("{} {} {} = {value}: {why}: {told}", self.method, self.entity, wrong.field));
        }
    }
}

fn path_of(server: &Server, citizen: &str, entity: &str) -> String {
    match entity {
        "citizen" => "citizens".to_owned(),
        _ if notebook(server, "", "GET", entity, None).status == 200 => entity.to_owned(),
        _ => format!("citizens/{citizen}/{entity}"),
    }
}

/// A right entry of a kind; its answer. A photo comes as a file, so here as a resource.
fn right(server: &Server, known: &Known, entity: &str, path: &str, body: &Value) -> Value {
    if entity == "media" {
        let media = json!({ "resourceType": "Media", "status": "completed", "subject": { "reference": known["Patient"] },
            "type": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/media-type", "code": "image" }] },
            "createdDateTime": "2026-05-01", "content": { "contentType": "image/jpeg" } });
        return read(server, "", &format!("{path}/{}", created(server, &media)));
    }
    let answer = notebook(server, &known["Practitioner"], "POST", path, Some(body));
    assert_eq!(answer.status, 201, "{entity} {body}: {}", answer.body);
    answer.body
}

#[test]
fn each_wrong_field_of_each_kind_is_named_with_its_rule_and_nothing_is_stored() {
    on_each_alone(|server| {
        let citizen = citizen(server, &unique_name());
        let known = known(server, &citizen);
        let list = read(server, "", "schema");
        let kinds: Vec<&str> =
            list["schemas"].as_array().unwrap().iter().map(|schema| schema["entity"].as_str().unwrap()).collect();
        assert!(kinds.len() > 30, "{kinds:?}");
        let (mut complaints, mut tried) = (Vec::new(), 0);
        for entity in kinds {
            let schema = read(server, "", &format!("schema/{entity}"));
            let path = path_of(server, &citizen, entity);
            let mut body = full(&schema, &known);
            match entity {
                "measurement" => {
                    let weight = json!({ "code": "29463-7", "system": "http://loinc.org", "unit": "kg", "ucum": "kg" });
                    body.as_object_mut().unwrap().extend(weight.as_object().unwrap().clone());
                }
                "comment" => body["audience"] = json!("team"),
                _ => {}
            }
            let entry = right(server, &known, entity, &path, &body);
            let before = changes(server);
            let (at, version) = (entry["self"].as_str().unwrap(), &entry["version"]);
            let member = known["Practitioner"].as_str();
            let new = Case { server, entity, member, method: "POST", path: &path, version: None };
            let part = Case { server, entity, member, method: "PATCH", path: at, version: Some(version) };
            let whole = Case { method: "PUT", ..part };
            for (name, schema) in fields(&schema) {
                for wrong in wrongs(name, schema) {
                    let with = |mut body: Value| {
                        body[name] = wrong.value.clone();
                        body
                    };
                    tried += 1;
                    if entity != "media" {
                        new.refuses(with(body.clone()), &wrong, &mut complaints);
                    }
                    part.refuses(with(json!({})), &wrong, &mut complaints);
                }
            }
            for (name, _) in fields(&schema).filter(|(name, _)| requires(&schema, name)) {
                let wrong =
                    Wrong {
                        field: name.clone(), value: Value::Null, says: ("必須".to_owned(), "required".to_owned())
                    };
                let mut lacking = body.clone();
                lacking.as_object_mut().unwrap().remove(name);
                let mut nothing = body.clone();
                nothing[name] = Value::Null;
                tried += 1;
                if entity != "media" {
                    new.refuses(lacking.clone(), &wrong, &mut complaints);
                    new.refuses(nothing.clone(), &wrong, &mut complaints);
                }
                whole.refuses(lacking, &wrong, &mut complaints);
                part.refuses(json!({ (name): null }), &wrong, &mut complaints);
            }
            let known_field = fields(&schema).next().unwrap().0;
            let unknown = Wrong {
                field: "no_such_field".to_owned(),
                value: json!(1),
                says: (known_field.clone(), known_field.clone()),
            };
            let mut with_unknown = body.clone();
            with_unknown["no_such_field"] = json!(1);
            if entity != "media" {
                new.refuses(with_unknown.clone(), &unknown, &mut complaints);
            }
            whole.refuses(with_unknown, &unknown, &mut complaints);
            part.refuses(json!({ "no_such_field": 1 }), &unknown, &mut complaints);
            // What this kind has, but no place for in its resource.
            for (name, _) in schema["properties"].as_object().unwrap().iter().filter(|(_, schema)| **schema == false) {
                let wrong =
                    Wrong { field: name.clone(), value: json!("x"), says: ("FHIR".to_owned(), "FHIR".to_owned()) };
                let mut with = body.clone();
                with[name] = json!("x");
                new.refuses(with, &wrong, &mut complaints);
            }
            if fields(&schema).any(|(name, _)| name == "starts") && fields(&schema).any(|(name, _)| name == "ends") {
                let wrong = Wrong {
                    field: "ends".to_owned(),
                    value: json!("2020"),
                    says: ("開始".to_owned(), "starts".to_owned()),
                };
                let mut with = body.clone();
                with["starts"] = json!("2026-05-01T10:00:00+09:00");
                with["ends"] = json!("2026-04-01T10:00:00+09:00");
                for name in ["starts", "ends"] {
                    if schema["properties"][name]["pattern"].as_str().unwrap().ends_with("[0-9]{2})?)?$") {
                        with[name] = json!(with[name].as_str().unwrap()[..10]);
                    }
                }
                new.refuses(with.clone(), &wrong, &mut complaints);
                whole.refuses(with, &wrong, &mut complaints);
            }
            if changes(server) != before {
                complaints.push(format!("{entity}: something was stored"));
            }
            let after = read(server, "", at);
            if after["version"] != *version {
                complaints.push(format!("{entity}: {after} was {entry}"));
            }
        }
        println!("{tried} wrong values");
        assert!(tried > 700, "{tried}");
        assert!(complaints.is_empty(), "{} not as they should be:\n{}", complaints.len(), complaints.join("\n"));
    });
}

/// What is no entry at all.
#[test]
fn a_body_that_is_no_entry_is_refused_in_both_languages() {
    on_each(|server| {
        let id = citizen(server, &unique_name());
        let path = format!("citizens/{id}/fall");
        let root = format!("{}/notebook/v1", server.base.trim_end_matches("/fhir"));
        for (body, status) in [
            ("", 400),
            ("{", 400),
            ("{\"happened\": }", 400),
            ("{\"happened\":\"2026-05-01\",\"happened\":\"2026-05-02\"}", 400),
            ("{\"happened\":\"\u{0}\"}", 400),
            ("[]", 422),
            ("null", 422),
            ("\"転倒\"", 422),
            ("7", 422),
        ] {
            let headers = [("Content-Type", "application/json")];
            let answer = exchange(&agent(), &root, "POST", &path, &headers, Some(body.into())).unwrap();
            assert_eq!(answer.status, status, "{body}: {}", answer.body);
            let text = &issues(&answer)[0].1;
            assert!(text.contains(" / "), "{body}: {text}");
            for (language, is_japanese) in [("ja", true), ("en", false)] {
                let headers = [("Content-Type", "application/json"), ("Accept-Language", language)];
                let answer = exchange(&agent(), &root, "POST", &path, &headers, Some(body.into())).unwrap();
                let text = &issues(&answer)[0].1;
                let has_kana = text.chars().any(|letter| ('\u{3040}'..'\u{3100}').contains(&letter));
                assert_eq!(has_kana, is_japanese, "{body} in {language}: {text}");
            }
        }
        assert_eq!(read(server, "", &path)["entries"], json!([]));
    });
}

/// Numbers keep their digits or are refused; none ends in an error of the server.
#[test]
fn numbers_beyond_measure_are_kept_or_refused() {
    on_each(|server| {
        let id = citizen(server, &unique_name());
        let member = crate::notebook_support::member(server, "見本 ヘルパー");
        let path = format!("citizens/{id}/nutrition");
        let root = format!("{}/notebook/v1", server.base.trim_end_matches("/fhir"));
        for number in ["1e999", "-1e-999", "123456789012345678901234567890.12345678901234567890", "1E400000000000"] {
            let body = format!("{{\"observed\":\"2026-05-01\",\"amount\":{number}}}");
            let headers = [("Content-Type", "application/json"), ("X-Notebook-Member", member.as_str())];
            let answer = exchange(&agent(), &root, "POST", &path, &headers, Some(body.into())).unwrap();
            let text = String::from_utf8_lossy(&answer.bytes);
            match answer.status {
                // Digits stay; an exponent may be written otherwise.
                201 => {
                    let plain = |text: &str| text.to_ascii_lowercase().replace("e+", "e");
                    assert!(plain(&text).contains(&format!(":{}", plain(number))), "{number}: {text}");
                }
                400..500 => assert!(text.contains("amount") && text.contains(" / "), "{number}: {text}"),
                _ => panic!("{number}: {} {text}", answer.status),
            }
        }
    });
}

/// Who writes must be somebody, where the entry needs them: said for the field, not for the header alone.
#[test]
fn nobody_writes_nothing() {
    on_each(|server| {
        let id = citizen(server, &unique_name());
        for (entity, field, mut body) in [
            ("fall", "reporter", Map::new()),
            ("home_hazard", "performer", Map::from_iter([("hazard".to_owned(), json!("rug"))])),
            (
                "article",
                "sender",
                Map::from_iter([("title".to_owned(), json!("見本")), ("text".to_owned(), json!("見本"))]),
            ),
        ] {
            for date in ["happened", "seen", "sent"] {
                let schema = read(server, "", &format!("schema/{entity}"));
                if schema["properties"][date].is_object() {
                    body.insert(date.to_owned(), json!("2026-05-01T10:00:00+09:00"));
                }
            }
            let path = format!("citizens/{id}/{entity}");
            let answer = notebook_with(server, "", "POST", &path, &[], Some(&Value::Object(body)));
            let wrong =
                Wrong {
                    field: field.to_owned(), value: Value::Null, says: ("必須".to_owned(), "required".to_owned())
                };
            is_named(&answer, entity, &wrong).unwrap_or_else(|why| panic!("{entity}: {why}: {}", answer.body));
            assert_eq!(read(server, "", &path)["entries"], json!([]));
        }
    });
}
