//! What a request is, by its method and path: no handler can forget to say it.

use std::borrow::Cow;

use super::{Action, Kind};
use crate::r4::definitions;

/// What a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// What kind of event.
    pub kind: Kind,
    /// What it does.
    pub action: Action,
    /// A code of `restful-interaction`, or a word.
    pub interaction: &'static str,
    /// What it asks for: `Observation/1`, `Observation`, or a path.
    pub target: Cow<'static, str>,
    /// A citizen that the path itself names.
    pub citizen: Option<String>,
}

impl Described {
    /// Whether it changes nothing.
    #[must_use]
    pub const fn is_safe(&self) -> bool {
        matches!(self.action, Action::R) || matches!(self.interaction.as_bytes(), b"search-type" | b"search-system")
    }
}

/// Describes a request; `None` for what tells of nobody (health, capabilities, schemas, discovery).
#[must_use]
pub fn described(method: &str, path: &str) -> Option<Described> {
    let method = if method == "HEAD" { "GET" } else { method };
    let trimmed = path.trim_matches('/');
    let mut parts = trimmed.split('/');
    match parts.next().unwrap_or_default() {
        "fhir" => {
            let rest: Vec<&str> = parts.collect();
            match rest.as_slice() {
                ["metadata"] | [".well-known", ..] if method == "GET" => None,
                rest => Some(fhir(method, rest)),
            }
        }
        "notebook" => Some(record(method, trimmed, |place| trimmed.split('/').nth(place))),
        "fls" => Some(Described { kind: Kind::Record, ..record(method, trimmed, |_| None) }),
        "auth" => auth(method, parts.next().unwrap_or_default()),
        "health" | "schema" | "openapi.json" | ".well-known" | "" => None,
        _ => Some(record(method, trimmed, |_| None)),
    }
}

const fn action_of(method: &str) -> Action {
    match method.as_bytes() {
        b"GET" => Action::R,
        b"POST" => Action::C,
        b"PUT" | b"PATCH" => Action::U,
        b"DELETE" => Action::D,
        _ => Action::E,
    }
}

/// The notebook, media, fracture liaison: records of citizens by paths of their own.
fn record<'p>(method: &str, path: &str, part: impl Fn(usize) -> Option<&'p str>) -> Described {
    let citizen = if part(2) == Some("citizens") { part(3) } else { None };
    let interaction = match method {
        "GET" => "read",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "",
    };
    Described {
        kind: Kind::Record,
        action: action_of(method),
        interaction,
        target: Cow::Owned(path.chars().take(256).collect()),
        citizen: citizen.filter(|id| crate::r4::reference::is_id(id)).map(str::to_owned),
    }
}

fn auth(method: &str, path: &str) -> Option<Described> {
    let (kind, interaction) = match (method, path) {
        ("POST", "token") => (Kind::Login, "token"),
        ("POST", "authorize") => (Kind::Login, "sign-in"),
        ("POST", "introspect") => (Kind::Login, "introspect"),
        ("POST", "revoke") => (Kind::Logout, "revoke"),
        _ => return None,
    };
    Some(Described { kind, action: Action::E, interaction, target: Cow::Borrowed(""), citizen: None })
}

/// An interaction under the FHIR base (FHIR R4 http.html#summary).
fn fhir(method: &str, parts: &[&str]) -> Described {
    let is_type = |name: &str| definitions().resource_number(name).is_some();
    let operation = parts.iter().find(|part| part.starts_with('$'));
    let (action, interaction) = match (method, parts) {
        _ if operation.is_some() => (Action::E, "operation"),
        ("GET", []) | ("POST", ["_search"]) => (Action::E, "search-system"),
        // Which of them it is, is in the body.
        ("POST", []) => (Action::E, "transaction"),
        ("GET", ["_history"]) => (Action::R, "history-system"),
        ("GET", [_, "_history"]) => (Action::R, "history-type"),
        ("GET", [_, _, "_history"]) => (Action::R, "history-instance"),
        ("GET", [_, _, "_history", _]) => (Action::R, "vread"),
        ("GET", [_]) | ("POST", [_, "_search"] | [_, _, _, "_search"]) => (Action::E, "search-type"),
        ("GET", [_, _, member]) if *member == "*" || is_type(member) => (Action::E, "search-type"),
        ("GET", [_, _]) => (Action::R, "read"),
        ("POST", [_]) => (Action::C, "create"),
        ("PUT", _) => (Action::U, "update"),
        ("PATCH", _) => (Action::U, "patch"),
        ("DELETE", _) => (Action::D, "delete"),
        _ => (action_of(method), ""),
    };
    let kind = match parts {
        ["AuditEvent", ..] => Kind::AuditUsed,
        _ if operation == Some(&"$export") => Kind::Export,
        _ => Kind::Rest,
    };
    let target: String = match parts {
        [name, id, "_history", version] if interaction == "vread" => format!("{name}/{id}/_history/{version}"),
        [owner, id, member, ..] if interaction == "search-type" => format!("{owner}/{id}/{member}"),
        [name, id, ..] if !id.starts_with(['_', '$']) => match operation {
            Some(operation) => format!("{name}/{id}/{operation}"),
            None => format!("{name}/{id}"),
        },
        [name, rest @ ..] => match rest.iter().find(|part| part.starts_with('$')) {
            Some(operation) => format!("{name}/{operation}"),
            None if name.starts_with('_') => String::new(),
            None => (*name).to_owned(),
        },
        [] => String::new(),
    };
    let citizen = match parts {
        ["Patient", id, ..] if crate::r4::reference::is_id(id) => Some((*id).to_owned()),
        _ => None,
    };
    Described { kind, action, interaction, target: Cow::Owned(target.chars().take(256).collect()), citizen }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, path: &str) -> (Kind, &'static str, &'static str, String, Option<String>) {
        let found = described(method, path).unwrap();
        (found.kind, found.action.code(), found.interaction, found.target.into_owned(), found.citizen)
    }

    #[test]
    fn paths_say_what_a_request_is() {
        let p = Some("p1".to_owned());
        assert_eq!(of("GET", "/fhir/Patient/p1"), (Kind::Rest, "R", "read", "Patient/p1".to_owned(), p.clone()));
        assert_eq!(of("HEAD", "/fhir/Observation/1").2, "read");
        assert_eq!(of("GET", "/fhir/Observation/1/_history/2").2, "vread");
        assert_eq!(of("GET", "/fhir/Observation/1/_history/2").3, "Observation/1/_history/2");
        assert_eq!(of("GET", "/fhir/Observation"), (Kind::Rest, "E", "search-type", "Observation".to_owned(), None));
        assert_eq!(of("POST", "/fhir/Observation/_search").2, "search-type");
        assert_eq!(of("GET", "/fhir/Patient/p1/Observation").3, "Patient/p1/Observation");
        assert_eq!(of("GET", "/fhir").2, "search-system");
        assert_eq!(of("POST", "/fhir").2, "transaction");
        assert_eq!(of("POST", "/fhir/Observation").1, "C");
        assert_eq!(of("DELETE", "/fhir/Observation/1").1, "D");
        assert_eq!(of("GET", "/fhir/Patient/p1/_history").2, "history-instance");
        assert_eq!(of("GET", "/fhir/Patient/p1/$everything").3, "Patient/p1/$everything");
        assert_eq!(of("POST", "/fhir/Patient/$match").3, "Patient/$match");
        assert_eq!(of("GET", "/fhir/AuditEvent").0, Kind::AuditUsed);
        let page = of("GET", "/notebook/v1/citizens/p1/timeline");
        assert_eq!(page, (Kind::Record, "R", "read", "notebook/v1/citizens/p1/timeline".to_owned(), p));
        assert_eq!(of("POST", "/auth/token").0, Kind::Login);
        assert_eq!(of("POST", "/auth/revoke").0, Kind::Logout);
    }

    #[test]
    fn what_tells_of_nobody_is_not_written_down() {
        for path in [
            "/health",
            "/fhir/metadata",
            "/openapi.json",
            "/schema/Patient.json",
            "/fhir/.well-known/smart-configuration",
        ] {
            assert_eq!(described("GET", path), None, "{path}");
        }
        assert_eq!(described("GET", "/auth/keys"), None);
        assert!(described("DELETE", "/fhir/metadata").is_some());
    }
}
