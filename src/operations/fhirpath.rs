//! `$fhirpath`: a FHIRPath expression asked of a resource that is sent or stored here.
//!
//! The form of the answer is that of the public FHIRPath testing tools: `result` for each element of
//! the context, its parts named by type, `trace` among them.

use super::call::{Call, parameters};
use super::inputs::Value as Input;
use super::table::{Level, Operation};
use crate::engine::{Engine, OperationAnswer, Rejection};
use crate::fhirpath::general::{Entry, System};
use crate::fhirpath::{Environment, Failure, FhirPathError, Item, Query, Resolver, Shelf, Typing, Value};
use crate::format::json::{self, Node};
use crate::r4::canonical::split;
use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::reference::Reference;
use crate::r4::{Kind, definitions};

/// Most elements a context may select.
const MAX_CONTEXTS: usize = 1_000;
/// Most results in an answer.
const MAX_RESULTS: usize = 10_000;
/// Steps that all evaluations of one invocation may take together.
const BUDGET: usize = 4_000_000;

/// What references by canonical URL lead to.
const CANONICAL: &[&str] = &[
    "Questionnaire",
    "StructureDefinition",
    "ValueSet",
    "CodeSystem",
    "ConceptMap",
    "PlanDefinition",
    "ActivityDefinition",
    "Measure",
    "Library",
    "SearchParameter",
    "OperationDefinition",
    "MessageDefinition",
];

/// `$fhirpath`
pub(super) const OPERATIONS: &[Operation] = &[Operation::reading(
    "http://renraku.example/fhir/OperationDefinition/fhirpath",
    &[Level::System, Level::Type, Level::Instance],
    run,
)];

/// Resolves references to what is stored here.
struct Stored<'e> {
    engine: &'e Engine,
    base: &'e str,
    shelf: Shelf,
}

impl Stored<'_> {
    fn read(&self, type_name: &str, id: &str) -> Option<&Node<'static>> {
        let number = definitions().resource_number(type_name)?;
        let version = self.engine.whole(self.engine.store().current(number, id).ok().flatten()?).ok()?;
        let node = json::parse(&version.body).ok()?.into_owned();
        Some(self.shelf.keep(node))
    }

    /// What a canonical URL names: of the standard, of packages, stored.
    fn canonical(&self, reference: &str) -> Option<&Node<'static>> {
        let (url, version) = split(reference);
        let definitions = self.engine.definitions();
        let found = CANONICAL.iter().find_map(|kind| definitions.find(kind, url, version))?;
        Some(self.shelf.keep(Node::clone(&found)))
    }
}

impl Resolver for Stored<'_> {
    fn resolve(&self, reference: &str) -> Option<&Node<'_>> {
        match Reference::parse(reference) {
            Reference::Local { resource_type, id, version: None } => self.read(resource_type, id),
            Reference::Absolute { base, resource_type, id, version: None } if base == self.base => {
                self.read(resource_type, id)
            }
            Reference::Absolute { .. } | Reference::Urn(_) | Reference::Other(_) => self.canonical(reference),
            _ => None,
        }
    }
}

fn refused(what: &str, text: &str, failure: &Failure) -> Rejection {
    let place = failure.position.filter(|at| text.is_char_boundary(*at)).map(|at| {
        let rest: String = text.get(at..).unwrap_or_default().chars().take(24).collect();
        format!(" (at character {}: {rest:?})", text.get(..at).unwrap_or_default().chars().count() + 1)
    });
    let code = match failure.error {
        FhirPathError::TooCostly => IssueCode::TooCostly,
        FhirPathError::Unsupported(_) => IssueCode::NotSupported,
        _ => IssueCode::Invalid,
    };
    let text = format!("the {what} cannot be evaluated: {}{}", failure.error, place.unwrap_or_default());
    Rejection::bad_request(vec![Issue::error(code, text).at(format!("Parameters.parameter.where(name='{what}')"))])
}

fn run(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let inputs = &call.inputs;
    let expression = inputs.text("expression").unwrap_or_default();
    let stored = Stored { engine: call.engine, base: &call.request.base, shelf: Shelf::default() };
    let named = match (&call.target.type_name, &call.target.id) {
        (Some(type_name), Some(id)) => Some((type_name.as_str(), id.as_str())),
        _ => match inputs.text("reference").map(Reference::parse) {
            None => None,
            Some(Reference::Local { resource_type, id, .. }) => Some((resource_type, id)),
            Some(Reference::Absolute { base, resource_type, id, .. }) if base == call.request.base => {
                Some((resource_type, id))
            }
            Some(_) => {
                let text = "the reference must name a resource of this server, for example Patient/1";
                return Err(Rejection::invalid(text).at("Parameters.parameter.where(name='reference')"));
            }
        },
    };
    let sent = inputs.checked_resource("resource")?;
    let nothing = Node::object([("resourceType", Node::string("Basic"))]);
    let node = match (sent, named) {
        (Some(_), Some(_)) => {
            let text = "the resource is given twice: by the URL or a reference, and as the parameter resource";
            return Err(Rejection::invalid(text));
        }
        (Some(node), None) => Some(node),
        (None, Some((type_name, id))) => {
            Some(stored.read(type_name, id).ok_or_else(|| Rejection::not_found(type_name, id))?)
        }
        (None, None) => None,
    };
    let node_type = node.and_then(|node| node.text("resourceType")).and_then(|name| definitions().resource(name));
    if let (Some(wanted), Some(found), None) = (&call.target.type_name, node_type, &call.target.id)
        && definitions().get(found).name != *wanted
    {
        let text = format!("the resource is a {}, not a {wanted}", definitions().get(found).name);
        return Err(Rejection::invalid(text));
    }
    let basic = definitions().resource("Basic").or(node_type);
    let Some(type_id) = node_type.or(basic) else { return Err(Rejection::internal("no types")) };
    let resource = Item::new(type_id, node.unwrap_or(&nothing));

    let variables: Vec<(String, Vec<Entry<'_>>)> = inputs
        .parts("variables")
        .map(|part| {
            let named = |name: &str| part.text(name).unwrap_or_default().to_owned();
            (named("name"), part.all("value").filter_map(entry).collect())
        })
        .collect();
    let environment = Environment {
        resource: Some(resource),
        resolver: Some(&stored),
        terminology: Some(call.engine.terminology().as_ref()),
        conformance: Some(call.engine.validator().as_ref()),
        shelf: Some(&stored.shelf),
        variables: &variables,
        budget: Some(BUDGET),
        ..Environment::default()
    };
    let selecting;
    let (contexts, is_selected) = match inputs.text("context") {
        None => (vec![resource], None),
        Some(text) => {
            selecting =
                Query::build(text, node_type, Typing::Strict).map_err(|error| refused("context", text, &error))?;
            let found =
                selecting.evaluate_with(resource, &environment).map_err(|error| refused("context", text, &error))?;
            let parts = found.items.into_iter().filter_map(|entry| match entry {
                Entry::Part(item) => Some(item),
                _ => None,
            });
            (parts.take(MAX_CONTEXTS).collect(), Some(text))
        }
    };
    // Elements of the context may have types that only the resource tells.
    let focus_type = if is_selected.is_none() { node_type } else { contexts.first().map(|item| item.type_id) };
    let is_uniform = contexts.iter().all(|item| Some(item.type_id) == focus_type);
    let query = Query::build(expression, focus_type.filter(|_| is_uniform), Typing::Strict)
        .map_err(|error| refused("expression", expression, &error))?;
    let mut results = Vec::new();
    let mut left = BUDGET;
    let mut count = 0;
    for (place, context) in contexts.iter().enumerate() {
        let environment = Environment { budget: Some(left), ..environment };
        let done =
            query.evaluate_with(*context, &environment).map_err(|error| refused("expression", expression, &error))?;
        left = left.saturating_sub(done.steps);
        count += done.items.len() + done.traces.iter().map(|(_, seen)| seen.len()).sum::<usize>();
        if count > MAX_RESULTS {
            let text = format!("the expression gives more than {MAX_RESULTS} results");
            return Err(Rejection::bad_request(vec![Issue::error(IssueCode::TooCostly, text)]));
        }
        let mut parts: Vec<Node<'_>> = done.items.iter().filter_map(shown).collect();
        for (label, seen) in &done.traces {
            let seen: Vec<Node<'_>> = seen.iter().filter_map(shown).collect();
            let mut members = vec![("name", Node::string("trace")), ("valueString", Node::string(label.clone()))];
            if label.is_empty() {
                members.pop();
            }
            if !seen.is_empty() {
                members.push(("part", Node::Array(seen)));
            }
            parts.push(Node::object(members));
        }
        let mut members = vec![("name", Node::string("result"))];
        if let Some(text) = is_selected {
            members.push(("valueString", Node::string(format!("{text}[{place}]"))));
        }
        if !parts.is_empty() {
            members.push(("part", Node::Array(parts)));
        }
        results.push(Node::object(members));
    }
    Ok(parameters(results))
}

/// A variable's value as the language sees it.
fn entry<'i>(value: &'i Input<'_>) -> Option<Entry<'i>> {
    let all = definitions();
    match value {
        Input::Resource(node) => Some(Entry::Part(Item::new(all.resource(node.text("resourceType")?)?, node))),
        Input::Simple(node) => Some(match node {
            Node::Bool(value) => Entry::Value(System::Boolean(*value)),
            Node::String(text) => Entry::Value(System::String(text.as_ref().into())),
            Node::Number(digits) => Entry::Value(match digits.parse::<i64>() {
                Ok(whole) => System::Integer(whole),
                Err(_) => System::Decimal(crate::r4::decimal::parse(digits)?),
            }),
            // Which data type an object is, its members do not tell; they are found all the same.
            object => Entry::Part(Item::new(all.type_id("Element")?, object)),
        }),
        Input::Parts(_) => None,
    }
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_ascii_uppercase(), letters.as_str()))
}

/// One result: named by its type, with its value.
fn shown<'e>(entry: &Entry<'e>) -> Option<Node<'e>> {
    let (_, type_name) = entry.type_of();
    let system = |member: &'static str, value: Node<'e>, name: &str| {
        Some(Node::object([("name", Node::string(name.to_owned())), (member, value)]))
    };
    match entry {
        Entry::Value(System::Boolean(value)) => system("valueBoolean", Node::Bool(*value), "boolean"),
        Entry::Value(System::Integer(value)) => {
            system("valueInteger", Node::Number(value.to_string().into()), "integer")
        }
        Entry::Value(value @ System::Decimal(_)) => {
            system("valueDecimal", Node::Number(value.to_text().into_owned().into()), "decimal")
        }
        Entry::Value(value @ System::String(_)) => {
            system("valueString", Node::string(value.to_text().into_owned()), "string")
        }
        Entry::Value(System::Quantity(quantity)) => {
            let mut members = vec![("value", Node::Number(quantity.value.to_plain_string().into()))];
            if quantity.unit != "1" {
                members.push(("unit", Node::string(quantity.unit.clone())));
            }
            if crate::r4::ucum::check(&quantity.unit).is_ok() {
                members.push(("system", Node::string(crate::r4::ucum::SYSTEM)));
                members.push(("code", Node::string(quantity.unit.clone())));
            }
            system("valueQuantity", Node::object(members), "Quantity")
        }
        Entry::Value(value @ System::Stamp(_)) => {
            let (member, name) = match type_name {
                "Date" => ("valueDate", "date"),
                "Time" => ("valueTime", "time"),
                _ => ("valueDateTime", "dateTime"),
            };
            let text = value.to_text().into_owned();
            let is_whole = crate::r4::primitives::check(name, &Node::string(text.clone())).is_ok();
            system(if is_whole { member } else { "valueString" }, Node::string(text), name)
        }
        Entry::Type { namespace, name } => {
            system("valueString", Node::string(format!("{namespace}.{name}")), "TypeInfo")
        }
        Entry::Part(item) => part(item, type_name),
    }
}

fn part<'e>(item: &Item<'e>, type_name: &str) -> Option<Node<'e>> {
    let name = ("name", Node::string(type_name.to_owned()));
    let definition = definitions().get(item.type_id);
    let node = match item.value {
        Value::Node(node) => node,
        // The target of a reference that was not found: nothing to show.
        _ => return None,
    };
    let borrowed = node.clone();
    match definition.kind {
        Kind::Resource => Some(Node::object([name, ("resource", borrowed)])),
        Kind::Primitive | Kind::System => {
            let kind = if definition.kind == Kind::System { "string" } else { type_name };
            let member = match kind {
                "xhtml" => "valueMarkdown".to_owned(),
                kind => format!("value{}", capitalised(kind)),
            };
            let mut members = vec![("name".to_owned(), name.1)];
            if *node != Node::Null {
                members.push((member.clone(), borrowed));
            }
            if let Some(extra) = item.extra {
                members.push((format!("_{member}"), extra.clone()));
            }
            Some(Node::object(members))
        }
        Kind::Complex if is_value_type(type_name) => {
            Some(Node::object([("name".to_owned(), name.1), (format!("value{}", capitalised(type_name)), borrowed)]))
        }
        // Parameters has no place for an element of a resource: its JSON as text.
        _ => {
            let text = String::from_utf8(node.to_bytes()).unwrap_or_default();
            let extension = Node::object([
                ("url", Node::string("http://fhir.forms-lab.com/StructureDefinition/json-value")),
                ("valueString", Node::string(text)),
            ]);
            Some(Node::object([name, ("extension", Node::Array(vec![extension]))]))
        }
    }
}

/// Whether `Parameters.parameter.value[x]` takes a type.
fn is_value_type(name: &str) -> bool {
    let member = format!("value{name}");
    definitions().find("Parameters.parameter").is_some_and(|found| found.field(&member).is_some())
}
