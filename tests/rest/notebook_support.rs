//! Short ways to talk to the notebook API.

use serde_json::{Value, json};

use crate::common::{Answer, Server, agent, exchange};
use crate::support::{created, unique};

/// A request below `/notebook/v1`, as a member when one is named.
pub(crate) fn notebook(server: &Server, member: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
    notebook_with(server, member, method, path, &[], body)
}

/// The same with further headers.
pub(crate) fn notebook_with(
    server: &Server,
    member: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answer {
    let root = format!("{}/notebook/v1", server.base.trim_end_matches("/fhir"));
    let mut all = vec![("Content-Type", "application/json")];
    all.extend_from_slice(headers);
    if !member.is_empty() {
        all.push(("X-Notebook-Member", member));
    }
    let bytes = body.map(|value| serde_json::to_vec(value).unwrap());
    exchange(&agent(), &root, method, path, &all, bytes).unwrap()
}

/// GET that must succeed.
pub(crate) fn read(server: &Server, member: &str, path: &str) -> Value {
    let answer = notebook(server, member, "GET", path, None);
    assert_eq!(answer.status, 200, "GET {path}: {}", String::from_utf8_lossy(&answer.bytes));
    answer.body
}

/// POST that must create.
pub(crate) fn write(server: &Server, member: &str, path: &str, body: &Value) -> Value {
    let answer = notebook(server, member, "POST", path, Some(body));
    assert_eq!(answer.status, 201, "POST {path} {body}: {}", answer.body);
    answer.body
}

/// A citizen with a name; the id.
pub(crate) fn citizen(server: &Server, name: &str) -> String {
    let citizen = write(server, "", "citizens", &json!({ "name": name, "kana": "ミホン ハナコ" }));
    citizen["id"].as_str().unwrap().to_owned()
}

/// A member of staff; the reference.
pub(crate) fn member(server: &Server, name: &str) -> String {
    let id = created(server, &json!({ "resourceType": "Practitioner", "name": [{ "text": name }] }));
    format!("Practitioner/{id}")
}

/// A name nobody else has.
pub(crate) fn unique_name() -> String {
    unique("見本花子").replace('-', "")
}

/// Who joins the team of a citizen.
pub(crate) fn join(server: &Server, citizen: &str, member: &str) -> Value {
    let body = json!({ "member": member, "starts": "2026-01-01", "name": "看護師" });
    write(server, "", &format!("citizens/{citizen}/team_member"), &body)
}

/// The issues of a refusal: field and text.
pub(crate) fn issues(answer: &Answer) -> Vec<(String, String)> {
    let issues = answer.body["issue"].as_array().unwrap_or_else(|| panic!("{}", answer.body));
    issues
        .iter()
        .map(|issue| {
            let place = issue["expression"][0].as_str().unwrap_or_default().to_owned();
            (place, issue["diagnostics"].as_str().unwrap_or_default().to_owned())
        })
        .collect()
}
