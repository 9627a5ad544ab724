//! The CapabilityStatement, generated from what is really there.

use std::sync::{Arc, Mutex, PoisonError};

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

/// The statement as it was last made: by which parameters, and what stands before and after the base URL.
type Made = (Arc<Registry>, FullText, Arc<(Vec<u8>, Vec<u8>)>);

/// The CapabilityStatement of a server at `base`. Prepared once for a registry, then copied.
#[must_use]
pub fn capability_statement(base: &str, registry: &Arc<Registry>, full_text: FullText) -> Vec<u8> {
    static MADE: Mutex<Option<Made>> = Mutex::new(None);
    let known = MADE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let parts = match known {
        Some((by, text, parts)) if Arc::ptr_eq(&by, registry) && text == full_text => parts,
        _ => {
            let whole = String::from_utf8(build(registry, full_text).to_bytes()).unwrap_or_default();
            let (before, after) = whole.split_once(BASE).unwrap_or((whole.as_str(), ""));
            let parts = Arc::new((before.as_bytes().to_vec(), after.as_bytes().to_vec()));
            *MADE.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((Arc::clone(registry), full_text, Arc::clone(&parts)));
            parts
        }
    };
    let (before, after) = parts.as_ref();
    let mut quoted = Vec::new();
    crate::format::json::write_string(base, &mut quoted);
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    [before.as_slice(), inner, after.as_slice()].concat()
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

fn build(registry: &Registry, full_text: FullText) -> Node<'static> {
    let all = definitions();
    let mut resources = Vec::new();
    for id in all.resources() {
        let name = all.get(*id).name.clone();
        if let Some(number) = all.resource_number(&name) {
            resources.push(resource(&name, number, registry, full_text));
        }
    }
    let mut rest = vec![
        ("mode", Node::string("server")),
        ("documentation", Node::string("RESTful FHIR R4 over the contact notebook of a care team")),
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
    ];
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
        let bytes = capability_statement("http://x/fhir", crate::search::registry::registry(), FullText::All);
        let statement = parse(&bytes).unwrap();
        assert_eq!(check_resource(&statement, Some("CapabilityStatement")).map(|_| ()), Ok(()));
        assert_eq!(statement.path(&["implementation", "url"]).and_then(Node::as_str), Some("http://x/fhir"));
        assert_eq!(statement.path(&["rest"]).unwrap().items()[0].list("resource").len(), 146);
    }
}
