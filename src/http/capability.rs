//! The CapabilityStatement, generated from what is really there.

use std::sync::{Arc, Mutex, PoisonError};

use super::audit_events::PARAMETERS as AUDIT_PARAMETERS;
use crate::engine::JSON_PATCH;
use crate::format::json::Node;
use crate::operations::{Described, Level, operations};
use crate::r4::definitions;
use crate::r4::parameters::{Compartment, ParameterKind};
use crate::search::registry::{Parameter, Registry};
use crate::search::text::FullText;

/// What resources are represented as; NDJSON in answers only.
const FORMATS: [&str; 6] =
    ["application/fhir+json", "json", "application/fhir+xml", "xml", "application/fhir+ndjson", "ndjson"];

/// Stands for the base URL in the prepared text.
const BASE: &str = "{base}";

/// The statement as it was last made: by which parameters, and what stands between the places of the base URL.
type Made = (Arc<Registry>, FullText, Security, Arc<Vec<Vec<u8>>>);

/// Whether callers are asked who they are, and what should make whoever reads this think twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Security {
    /// Nothing without an access token.
    pub is_required: bool,
    /// It listens where others reach it without TLS or without authentication.
    pub is_insecure: bool,
    /// Browsers may let pages of other origins read.
    pub has_cors: bool,
    /// Every access is written down, by nobody but the server.
    pub is_audited: bool,
}

/// The CapabilityStatement of a server at `base`. Prepared once for a registry, then copied.
#[must_use]
pub fn capability_statement(base: &str, registry: &Arc<Registry>, full_text: FullText, security: Security) -> Vec<u8> {
    static MADE: Mutex<Option<Made>> = Mutex::new(None);
    let known = MADE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let parts = match known {
        Some((by, text, secured, parts)) if Arc::ptr_eq(&by, registry) && text == full_text && secured == security => {
            parts
        }
        _ => {
            let whole = String::from_utf8(build(registry, full_text, security).to_bytes()).unwrap_or_default();
            let parts = Arc::new(whole.split(BASE).map(|part| part.as_bytes().to_vec()).collect::<Vec<_>>());
            *MADE.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((Arc::clone(registry), full_text, security, Arc::clone(&parts)));
            parts
        }
    };
    let mut quoted = Vec::new();
    crate::format::json::write_string(base, &mut quoted);
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    let mut statement = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        match part.strip_prefix(b"/..") {
            // What is beside the FHIR base.
            Some(beside) => statement.extend([inner.strip_suffix(b"/fhir").unwrap_or(inner), beside].concat()),
            None if place == 0 => statement.extend(part),
            None => statement.extend([inner, part].concat()),
        }
    }
    statement
}

fn codes(codes: &[&'static str]) -> Node<'static> {
    Node::Array(codes.iter().map(|code| Node::object([("code", Node::string(*code))])).collect())
}

fn strings(items: impl IntoIterator<Item = String>) -> Node<'static> {
    Node::Array(items.into_iter().map(Node::string).collect())
}

fn parameter(name: &str, kind: &'static str, url: Option<&str>, documentation: Option<&'static str>) -> Node<'static> {
    let mut members = vec![("name", Node::string(name.to_owned()))];
    if let Some(url) = url {
        members.push(("definition", Node::string(url.to_owned())));
    }
    members.push(("type", Node::string(kind)));
    if let Some(documentation) = documentation {
        members.push(("documentation", Node::string(documentation)));
    }
    Node::object(members)
}

fn build(registry: &Registry, full_text: FullText, security: Security) -> Node<'static> {
    let all = definitions();
    let mut resources = Vec::new();
    for id in all.resources() {
        let name = all.get(*id).name.clone();
        if let Some(number) = all.resource_number(&name) {
            resources.push(if security.is_audited && name == "AuditEvent" {
                audit_event()
            } else {
                resource(&name, number, registry, full_text)
            });
        }
    }
    let mut rest = vec![
        ("mode", Node::string("server")),
        ("documentation", Node::string("RESTful FHIR R4 over the contact notebook of a care team")),
        ("security", secured(security)),
        ("resource", Node::Array(resources)),
        ("interaction", codes(&["transaction", "batch", "search-system", "history-system"])),
    ];
    rest.push(("searchParam", Node::Array(everywhere())));
    let of_system = operations_at(|found| found.is_at(Level::System, None));
    if !of_system.is_empty() {
        rest.push(("operation", Node::Array(of_system)));
    }
    rest.push(("compartment", strings(all.compartments.iter().map(compartment))));
    let rest = Node::object(rest);
    Node::object([
        ("resourceType", Node::string("CapabilityStatement")),
        ("status", Node::string("active")),
        ("date", Node::string("2026-11-23")),
        ("kind", Node::string("instance")),
        (
            "software",
            Node::object([("name", Node::string("renraku")), ("version", Node::string(env!("CARGO_PKG_VERSION")))]),
        ),
        (
            "implementation",
            Node::object([("description", Node::string("renraku FHIR R4 server")), ("url", Node::string(BASE))]),
        ),
        ("fhirVersion", Node::string("4.0.1")),
        ("format", strings(FORMATS.map(str::to_owned))),
        ("patchFormat", strings([JSON_PATCH, "application/fhir+json", "application/fhir+xml"].map(str::to_owned))),
        ("rest", Node::Array(vec![rest])),
    ])
}

/// How to get in (SMART App Launch 2.2, conformance.html#declaring-support-for-oauth2-endpoints).
fn secured(security: Security) -> Node<'static> {
    let mut members = Vec::new();
    if security.is_required {
        let endpoint = |name: &'static str| {
            let url = format!("{BASE}/../auth/{name}");
            Node::object([("url", Node::string(name)), ("valueUri", Node::string(url))])
        };
        let uris = Node::object([
            ("url", Node::string("http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris")),
            ("extension", Node::Array(["authorize", "token", "introspect", "revoke"].map(endpoint).to_vec())),
        ]);
        members.push(("extension", Node::Array(vec![uris])));
        let coding = Node::object([
            ("system", Node::string("http://terminology.hl7.org/CodeSystem/restful-security-service")),
            ("code", Node::string("SMART-on-FHIR")),
        ]);
        members.push(("service", Node::Array(vec![Node::object([("coding", Node::Array(vec![coding]))])])));
    }
    members.insert(usize::from(security.is_required), ("cors", Node::Bool(security.has_cors)));
    let text = match (security.is_required, security.is_insecure) {
        (true, false) => "access tokens are required; [base]/.well-known/smart-configuration says where to get one",
        (true, true) => "WARNING: access tokens are required but there is no TLS here: whoever listens has them",
        (false, true) => "WARNING: everyone who reaches this server reads and changes everything",
        (false, false) => {
            "no access control: this server is for its own machine, or stands behind something that has it"
        }
    };
    let text = if security.is_audited {
        format!("{text}; every access is written down, with who, what and about whom, before it is answered")
    } else {
        text.to_owned()
    };
    members.push(("description", Node::string(text)));
    Node::object(members)
}

/// Canonical URL of the definition of a compartment.
fn compartment(compartment: &Compartment) -> String {
    format!("http://hl7.org/fhir/CompartmentDefinition/{}", compartment.code.to_ascii_lowercase())
}

/// What a search across types takes (FHIR R4 search.html#all).
fn everywhere() -> Vec<Node<'static>> {
    let of = |name: &str, kind, url: &str| parameter(name, kind, Some(url), None);
    vec![
        of("_id", "token", "http://hl7.org/fhir/SearchParameter/Resource-id"),
        of("_lastUpdated", "date", "http://hl7.org/fhir/SearchParameter/Resource-lastUpdated"),
        of("_profile", "uri", "http://hl7.org/fhir/SearchParameter/Resource-profile"),
        of("_security", "token", "http://hl7.org/fhir/SearchParameter/Resource-security"),
        of("_source", "uri", "http://hl7.org/fhir/SearchParameter/Resource-source"),
        of("_tag", "token", "http://hl7.org/fhir/SearchParameter/Resource-tag"),
        parameter("_type", "special", None, Some("the types to search, separated by commas")),
        parameter("_list", "special", None, Some("members of a List, by its id")),
    ]
}

fn operations_at(is_there: impl Fn(&Described) -> bool) -> Vec<Node<'static>> {
    let there = operations().iter().filter(|found| is_there(found));
    let node = |found: &Described| {
        Node::object([
            ("name", Node::string(found.name.clone())),
            ("definition", Node::string(found.operation.definition)),
            ("documentation", Node::string(found.places())),
        ])
    };
    there.map(node).collect()
}

/// AuditEvent while an audit is kept: the server writes, auditors read.
fn audit_event() -> Node<'static> {
    let url = |id: &str| format!("http://hl7.org/fhir/SearchParameter/{id}");
    let parameters = AUDIT_PARAMETERS.iter().map(|(name, kind, id)| parameter(name, kind.code(), Some(&url(id)), None));
    let text = "every access, written by this server alone, in a chain of hashes that is signed; read and searched by \
                auditors, newest first; not in bundles, chains and includes";
    Node::object([
        ("type", Node::string("AuditEvent")),
        ("profile", Node::string("http://hl7.org/fhir/StructureDefinition/AuditEvent")),
        ("documentation", Node::string(text)),
        ("interaction", codes(&["read", "vread", "search-type"])),
        ("versioning", Node::string("versioned")),
        ("readHistory", Node::Bool(false)),
        ("updateCreate", Node::Bool(false)),
        ("conditionalCreate", Node::Bool(false)),
        ("conditionalRead", Node::string("not-supported")),
        ("conditionalUpdate", Node::Bool(false)),
        ("conditionalDelete", Node::string("not-supported")),
        ("searchParam", Node::Array(parameters.collect())),
    ])
}

fn resource(name: &str, number: u8, registry: &Registry, full_text: FullText) -> Node<'static> {
    let own = registry.of(number).iter().map(Arc::as_ref);
    let own: Vec<&Parameter> = own.filter(|parameter| !parameter.is_derived).collect();
    let mut parameters = vec![
        parameter("_id", "token", Some("http://hl7.org/fhir/SearchParameter/Resource-id"), None),
        parameter("_lastUpdated", "date", Some("http://hl7.org/fhir/SearchParameter/Resource-lastUpdated"), None),
        parameter("_list", "special", None, Some("members of a List, by its id")),
        parameter(
            "_text",
            "string",
            Some("http://hl7.org/fhir/SearchParameter/DomainResource-text"),
            Some("words of the narrative, \"phrases\", AND, OR, NOT"),
        ),
        parameter(
            "_content",
            "string",
            Some("http://hl7.org/fhir/SearchParameter/Resource-content"),
            Some("the same for all text"),
        ),
        parameter("_filter", "special", None, Some("search_filter.html")),
        parameter(
            "_has",
            "special",
            None,
            Some("_has:Type:reference:parameter; chains are followed too, to eight references"),
        ),
    ];
    parameters.retain(|parameter| match parameter.text("name") {
        Some("_text") => full_text != FullText::Off,
        Some("_content") => full_text == FullText::All,
        _ => true,
    });
    parameters.extend(own.iter().map(|found| parameter(&found.code, found.kind.code(), Some(&found.url), None)));
    let includes =
        own.iter().filter(|found| found.kind == ParameterKind::Reference).map(|found| format!("{name}:{}", found.code));
    let includes: Vec<String> = std::iter::once("*".to_owned()).chain(includes).collect();
    let mut members = vec![
        ("type", Node::string(name.to_owned())),
        ("profile", Node::string(format!("http://hl7.org/fhir/StructureDefinition/{name}"))),
    ];
    let documentation = match name {
        "Binary" => Some("read and written as it is, whole or in part, unless FHIR's types are asked for or sent"),
        "Provenance" => Some(
            "also by the header X-Provenance of whatever writes: stored with it, targets filled in; seen by those who see its targets",
        ),
        _ => None,
    };
    members.extend(documentation.map(|text| ("documentation", Node::string(text))));
    members.extend([
        (
            "interaction",
            codes(&[
                "read",
                "vread",
                "update",
                "patch",
                "delete",
                "history-instance",
                "history-type",
                "create",
                "search-type",
            ]),
        ),
        ("versioning", Node::string("versioned-update")),
        ("readHistory", Node::Bool(true)),
        ("updateCreate", Node::Bool(true)),
        ("conditionalCreate", Node::Bool(true)),
        ("conditionalRead", Node::string("full-support")),
        ("conditionalUpdate", Node::Bool(true)),
        ("conditionalDelete", Node::string("single")),
        ("referencePolicy", strings(["literal", "logical", "local"].map(str::to_owned))),
        ("searchInclude", strings(includes)),
    ]);
    let referrers = referrers(number, registry);
    if !referrers.is_empty() {
        members.push(("searchRevInclude", strings(referrers)));
    }
    members.push(("searchParam", Node::Array(parameters)));
    let here = operations_at(|found| found.is_at(Level::Type, Some(name)) || found.is_at(Level::Instance, Some(name)));
    if !here.is_empty() {
        members.push(("operation", Node::Array(here)));
    }
    Node::object(members)
}

/// `Type:parameter` of every reference that may point at this type.
fn referrers(number: u8, registry: &Registry) -> Vec<String> {
    let all = definitions();
    let mut found = Vec::new();
    for (place, id) in all.resources().iter().enumerate() {
        let Ok(source) = u8::try_from(place + 1) else { continue };
        for parameter in registry.of(source) {
            let points_here = parameter.targets.is_empty() || parameter.targets.contains(&number);
            if parameter.kind == ParameterKind::Reference && !parameter.is_derived && points_here {
                found.push(format!("{}:{}", all.get(*id).name, parameter.code));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json::parse;
    use crate::validation::structure::check_resource;

    #[test]
    fn is_a_valid_capability_statement() {
        let security = Security { is_required: true, ..Security::default() };
        let registry = crate::search::registry::registry();
        let bytes = capability_statement("http://x/fhir", registry, FullText::All, security);
        assert!(String::from_utf8_lossy(&bytes).contains("\"http://x/auth/token\""));
        let statement = parse(&bytes).unwrap();
        assert_eq!(check_resource(&statement, Some("CapabilityStatement")).map(|_| ()), Ok(()));
        assert_eq!(statement.path(&["implementation", "url"]).and_then(Node::as_str), Some("http://x/fhir"));
        assert_eq!(statement.path(&["rest"]).unwrap().items()[0].list("resource").len(), 146);
    }
}
