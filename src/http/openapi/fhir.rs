//! The paths of the FHIR interactions (FHIR R4 http.html).

use serde_json::{Map, Value, json};

use super::parts::{parameters, reference, responses, search_schema};
use crate::http::audit_events::PARAMETERS as AUDIT_PARAMETERS;
use crate::r4::definitions;
use crate::search::registry::{Parameter, Registry};

const BOTH: [&str; 2] = ["_format", "_pretty"];
const SEARCH: [&str; 8] =
    ["_count", "_total", "_summary", "_elements", "_format", "_pretty", "_include", "_revinclude"];

struct Operation<'a> {
    id: String,
    tag: &'a str,
    summary: String,
    parameters: Vec<Value>,
    body: Option<&'a str>,
    responses: Value,
}

impl Operation<'_> {
    fn build(self) -> Value {
        let mut operation = json!({
            "operationId": self.id, "tags": [self.tag], "summary": self.summary, "parameters": self.parameters,
            "responses": self.responses
        });
        if let Some(body) = self.body {
            operation["requestBody"] = reference("requestBodies", body);
        }
        operation
    }
}

/// The paths of the whole system.
pub(super) fn system(paths: &mut Map<String, Value>) {
    let operation = |id: &str, summary: &str, names: &[&str], body: Option<&'static str>, answer: &str| {
        Operation {
            id: id.to_owned(),
            tag: "System",
            summary: summary.to_owned(),
            parameters: parameters(names),
            body,
            responses: responses(&[("200", answer)]),
        }
        .build()
    };
    let search =
        ["_type", "_id", "_lastUpdated", "_count", "_sort", "_total", "_summary", "_elements", "_format", "_pretty"];
    paths.insert(
        "/fhir".to_owned(),
        json!({
            "get": operation("search-system", "search across types", &search, None, "searchset"),
            "post": operation("bundle", "batch or transaction", &BOTH, Some("bundle"), "bundle-response")
        }),
    );
    paths.insert(
        "/fhir/_search".to_owned(),
        json!({ "post": operation("search-system-post", "search across types, by a form", &BOTH, Some("search"), "searchset") }),
    );
    let history = ["_count", "_since", "_at", "_format", "_pretty"];
    paths.insert(
        "/fhir/_history".to_owned(),
        json!({ "get": operation("history-system", "all versions, newest first", &history, None, "history") }),
    );
    paths.insert(
        "/fhir/metadata".to_owned(),
        json!({ "get": operation("capabilities", "what the server can do", &BOTH, None, "CapabilityStatement") }),
    );
}

/// The paths of a type.
pub(super) fn of_type(name: &str, registry: &Registry, paths: &mut Map<String, Value>) {
    let operation =
        |code: &str, summary: &str, parameters: Vec<Value>, body: Option<&str>, answers: &[(&str, &str)]| {
            Operation {
                id: format!("{code}-{name}"),
                tag: name,
                summary: summary.to_owned(),
                parameters,
                body,
                responses: responses(answers),
            }
            .build()
        };
    let named = parameters;
    let written = [("200", name), ("201", name)];
    let criteria = || search_parameters(name, registry);
    paths.insert(
        format!("/fhir/{name}"),
        json!({
            "get": operation("search", "search", [criteria(), named(&SEARCH)].concat(), None, &[("200", "searchset")]),
            "post": operation("create", "create", named(&["If-None-Exist", "Prefer", "_format", "_pretty"]), Some(name), &written),
            "put": operation("conditional-update", "update what the criteria match", [criteria(), named(&["Prefer"])].concat(), Some(name), &written),
            "patch": operation("conditional-patch", "patch what the criteria match", [criteria(), named(&["Prefer"])].concat(), Some("patch"), &[("200", name)]),
            "delete": operation("conditional-delete", "delete what the criteria match", criteria(), None, &[("200", "Outcome")])
        }),
    );
    paths.insert(
        format!("/fhir/{name}/_search"),
        json!({ "post": operation("search-post", "search by a form", named(&BOTH), Some("search"), &[("200", "searchset")]) }),
    );
    let history = ["_count", "_since", "_at", "_format", "_pretty"];
    paths.insert(
        format!("/fhir/{name}/_history"),
        json!({ "get": operation("history-type", "all versions of the type", named(&history), None, &[("200", "history")]) }),
    );
    let read = ["id", "_summary-read", "_elements", "If-None-Match", "If-Modified-Since", "_format", "_pretty"];
    let answers = [("200", name), ("304", "NotModified")];
    paths.insert(
        format!("/fhir/{name}/{{id}}"),
        json!({
            "get": operation("read", "the current version", named(&read), None, &answers),
            "put": operation("update", "update, or create under this id", named(&["id", "If-Match", "Prefer", "_format", "_pretty"]), Some(name), &written),
            "patch": operation("patch", "JSON Patch or FHIRPath Patch", named(&["id", "If-Match", "Prefer", "_format", "_pretty"]), Some("patch"), &[("200", name)]),
            "delete": operation("delete", "delete", named(&["id", "If-Match", "_format", "_pretty"]), None, &[("200", "Outcome")])
        }),
    );
    paths.insert(
        format!("/fhir/{name}/{{id}}/_history"),
        json!({ "get": operation("history-instance", "all versions of one", named(&[&["id"][..], &history].concat()), None, &[("200", "history")]) }),
    );
    let vread = ["id", "vid", "_summary-read", "_elements", "If-None-Match", "If-Modified-Since", "_format", "_pretty"];
    paths.insert(
        format!("/fhir/{name}/{{id}}/_history/{{vid}}"),
        json!({ "get": operation("vread", "one version", named(&vread), None, &answers) }),
    );
}

/// The paths of AuditEvent while an audit is kept: nobody writes them.
pub(super) fn of_audit(paths: &mut Map<String, Value>) {
    let operation = |id: &str, summary: &str, parameters: Vec<Value>, body: Option<&'static str>, answer: &str| {
        let responses = responses(&[("200", answer)]);
        Operation { id: id.to_owned(), tag: "AuditEvent", summary: summary.to_owned(), parameters, body, responses }
            .build()
    };
    let searched = AUDIT_PARAMETERS.iter().map(
        |(name, kind, _)| json!({ "name": name, "in": "query", "schema": reference("schemas", search_schema(*kind)) }),
    );
    let search = [parameters(&["_count", "_format", "_pretty"]), searched.collect()].concat();
    paths.insert(
        "/fhir/AuditEvent".to_owned(),
        json!({ "get": operation("search-AuditEvent", "search, newest first; for auditors", search, None, "searchset") }),
    );
    paths.insert(
        "/fhir/AuditEvent/_search".to_owned(),
        json!({ "post": operation("search-post-AuditEvent", "search by a form; for auditors", parameters(&BOTH), Some("search"), "searchset") }),
    );
    let read =
        |id: &str, names: &[&str]| operation(id, "an event; for auditors", parameters(names), None, "AuditEvent");
    paths.insert(
        "/fhir/AuditEvent/{id}".to_owned(),
        json!({ "get": read("read-AuditEvent", &["id", "_format", "_pretty"]) }),
    );
    paths.insert(
        "/fhir/AuditEvent/{id}/_history/{vid}".to_owned(),
        json!({ "get": read("vread-AuditEvent", &["id", "vid", "_format", "_pretty"]) }),
    );
}

/// The parameters a type can be searched by, from the registry that serves them.
fn searchable<'r>(name: &str, registry: &'r Registry) -> impl Iterator<Item = &'r Parameter> {
    let number = definitions().resource_number(name).unwrap_or(0);
    registry.of(number).iter().map(AsRef::as_ref).filter(|parameter: &&Parameter| !parameter.is_derived)
}

/// The name of a parameter among the components, which takes fewer letters than a code.
fn component(name: &str, parameter: &Parameter) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '_' };
    format!("{name}-{}", parameter.code.chars().map(letter).collect::<String>())
}

/// References to them.
fn search_parameters(name: &str, registry: &Registry) -> Vec<Value> {
    let own = searchable(name, registry).map(|parameter| reference("parameters", &component(name, parameter)));
    parameters(&["_id", "_lastUpdated"]).into_iter().chain(own).collect()
}

/// The search parameters of a type as components.
pub(super) fn add_search_parameters(name: &str, registry: &Registry, components: &mut Map<String, Value>) {
    for parameter in searchable(name, registry) {
        let schema = reference("schemas", search_schema(parameter.kind));
        let description =
            json!({ "name": parameter.code, "in": "query", "description": parameter.url, "schema": schema });
        components.insert(component(name, parameter), description);
    }
}
