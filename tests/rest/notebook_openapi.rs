//! `/notebook/v1/openapi.json`: what it says is what the server does.

use serde_json::{Value, json};

use crate::common::{Server, agent, exchange};
use crate::notebook_support::{citizen, join, member, notebook, notebook_with, read, unique_name, write};
use crate::support::on_each;

fn document(server: &Server) -> Value {
    let answer = notebook(server, "", "GET", "openapi.json", None);
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    answer.body
}

/// What is wrong with an answer, by the schema that the document has for it.
fn wrong(document: &Value, path: &str, method: &str, status: &str, answer: &Value) -> Vec<String> {
    let schema = &document["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{method} {path} {status}");
    let whole = json!({ "$ref": schema["$ref"], "components": document["components"] });
    let validator = jsonschema::draft202012::new(&whole).unwrap();
    validator.iter_errors(answer).map(|error| format!("{path}: {} {error}", error.instance_path())).collect()
}

#[test]
fn it_is_there_and_the_other_document_links_to_it() {
    on_each(|server| {
        let own = document(server);
        assert_eq!(own["openapi"], "3.1.0");
        let root = format!("http://{}", server.address());
        assert_eq!(own["servers"][0]["url"], format!("{root}/notebook/v1"));
        let other = exchange(&agent(), &root, "GET", "openapi.json", &[], None).unwrap().body;
        assert_eq!(other["externalDocs"]["url"], "/notebook/v1/openapi.json");
        let paths = other["paths"].as_object().unwrap();
        assert!(paths.keys().all(|path| !path.starts_with("/notebook")));
        // What is sent is checked with the schema that is served.
        let served = read(server, "", "schema/visit");
        let described = &own["components"]["schemas"]["visit"];
        assert_eq!(described["required"], served["required"]);
        assert_eq!(described["properties"]["title"]["anyOf"][0], served["properties"]["title"]);
    });
}

#[test]
fn answers_are_as_described() {
    on_each(|server| {
        let document = document(server);
        let (id, nurse) = (citizen(server, &unique_name()), member(server, "見本 看護師"));
        join(server, &id, &nurse);
        let mut all: Vec<String> = Vec::new();
        let mut made = |path: &str, body: Value| {
            let answer = notebook(server, &nurse, "POST", &path.replace("{id}", &id), Some(&body));
            assert_eq!(answer.status, 201, "{path}: {}", answer.body);
            all.extend(wrong(&document, &format!("/{path}"), "post", "201", &answer.body));
            assert!(answer.header("location").ends_with(answer.body["self"].as_str().unwrap()));
            answer.body
        };
        let fall = made("citizens/{id}/fall", json!({ "happened": "2026-05-01", "text": "居間で転倒" }));
        made(
            "citizens/{id}/visit",
            json!({ "title": "訪問", "starts": "2999-05-01T10:00", "ends": "2999-05-01T11:00" }),
        );
        made("citizens/{id}/care_level", json!({ "level": "23", "starts": "2026-01-01" }));
        made("citizens/{id}/injection", json!({ "drug": "デノスマブ皮下注60mg", "given_at": "2026-10-20" }));
        made("citizens/{id}/blood_pressure", json!({ "systolic": 130, "diastolic": 80, "measured": "2026-05-01" }));
        made("citizens/{id}/alarm", json!({ "title": "転倒に注意" }));
        made("citizens/{id}/diagnosis", json!({ "name": "骨粗鬆症" }));
        let article = made("citizens/{id}/articles", json!({ "title": "様子", "text": "見本" }));
        let article = article["id"].as_str().unwrap().to_owned();
        let group = made("group", json!({ "name": "研究会" }))["id"].as_str().unwrap().to_owned();
        made("group_member", json!({ "of": format!("Group/{group}"), "member": nurse }));
        made("group_post", json!({ "title": "勉強会", "text": "見本", "recipients": [format!("Group/{group}")] }));
        write(server, &nurse, &format!("articles/{article}/comments"), &json!({ "text": "見本" }));
        let at = fall["self"].as_str().unwrap();
        let changed =
            notebook_with(server, &nurse, "PATCH", at, &[("If-Match", "W/\"1\"")], Some(&json!({ "note": "見本" })));
        all.extend(wrong(&document, "/citizens/{id}/fall/{entry}", "patch", "200", &changed.body));
        let deleted = notebook(server, &nurse, "DELETE", at, None);
        all.extend(wrong(&document, "/citizens/{id}/fall/{entry}", "delete", "200", &deleted.body));
        let mut asked = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            let filled = path.trim_start_matches('/').replace("citizens/{id}", &format!("citizens/{id}"));
            let filled = filled
                .replace("articles/{id}", &format!("articles/{article}"))
                .replace("group/{id}", &format!("group/{group}"));
            let filled =
                filled.replace("fall/{entry}/history", &format!("fall/{}/history", fall["id"].as_str().unwrap()));
            let answer = &item["get"]["responses"]["200"]["content"]["application/json"];
            // Accesses are kept with an audit: rest/audit.rs.
            if answer.is_null() || filled.contains('{') || path.ends_with("/accesses") {
                continue;
            }
            let got = notebook(server, &nurse, "GET", &filled, None);
            assert_eq!(got.status, 200, "{filled}: {}", got.body);
            all.extend(wrong(&document, path, "get", "200", &got.body));
            asked += 1;
        }
        assert!(asked > 50, "{asked}");
        assert!(all.is_empty(), "{}", all.join("\n"));
    });
}

/// Methods that are not described are refused with those that are.
#[test]
fn other_methods_are_refused_with_those_there_are() {
    on_each(|server| {
        let document = document(server);
        for (path, item) in document["paths"].as_object().unwrap() {
            let path = path.trim_start_matches('/').replace(
                "{entry}",
                if path.contains("_member/")
                    || path.contains("plan_activity/")
                    || path.contains("attachment/")
                    || path.contains("read_mark/")
                {
                    "x:0"
                } else {
                    "x"
                },
            );
            let path = path.replace(['{', '}'], "");
            let mut described: Vec<String> =
                item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
            if described.iter().any(|method| method == "GET") {
                described.push("HEAD".to_owned());
            }
            described.sort_unstable();
            for method in
                ["PUT", "DELETE", "PATCH"].into_iter().filter(|method| !described.iter().any(|known| known == method))
            {
                let answer = notebook_with(server, "", method, &path, &[("Tus-Resumable", "1.0.0")], None);
                assert_eq!(answer.status, 405, "{method} {path}: {}", answer.body);
                let mut allowed: Vec<&str> = answer.header("allow").split(", ").collect();
                allowed.sort_unstable();
                assert_eq!(allowed, described, "{method} {path}");
            }
        }
    });
}

#[test]
fn refusals_are_outcomes_with_a_status_that_is_described() {
    on_each(|server| {
        let document = document(server);
        let id = citizen(server, &unique_name());
        let member = member(server, "見本 看護師");
        for (method, path, described, body, status) in [
            ("POST", format!("citizens/{id}/visit"), "/citizens/{id}/visit", Some(json!({ "colour": 1 })), 422),
            ("GET", format!("citizens/{id}/visit?colour=1"), "/citizens/{id}/visit", None, 400),
            ("GET", "citizens/nobody/visit".to_owned(), "/citizens/{id}/visit", None, 404),
            ("PATCH", format!("citizens/{id}"), "/citizens/{id}", Some(json!({ "phone": "1" })), 428),
            ("PATCH", format!("citizens/{id}"), "/citizens/{id}", Some(json!({ "phone": "1", "version": 9 })), 412),
        ] {
            let answer = notebook(server, &member, method, &path, body.as_ref());
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
            assert_eq!(answer.body["resourceType"], "OperationOutcome");
            let responses = &document["paths"][described][method.to_lowercase()]["responses"];
            assert!(responses[status.to_string()].is_object(), "{method} {described} {status}");
        }
    });
}
