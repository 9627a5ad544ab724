//! The schema that a query is compared with, as introspection tells it: types, fields and arguments made from
//! the tables when they are asked for. Types are written as in the schema language (`[HumanName!]`).
//!
//! Every name here is one that `check` takes. Not told, because there would be 300,000 more arguments: those for
//! each kind of value of an extension; lists of what refers to a resource by parameters that may point at
//! nearly anything; connections of what refers to it.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::r4::definitions::{Field, Kind, TypeDef, TypeId, definitions};
use crate::r4::parameters::ParameterKind;
use crate::search::registry::{Parameter, Registry};

/// A type by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// Where queries on the whole server begin.
    Query,
    Scalar,
    /// Of the tables.
    Object(TypeId),
    /// Any resource.
    Resource,
    Connection(TypeId),
    Edge(TypeId),
    /// Of the introspection itself: a place in [`META`].
    Meta(usize),
    /// A place in [`ENUMS`].
    Enum(usize),
}

/// A field of a type.
#[derive(Debug)]
pub(super) struct FieldInfo {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) arguments: Vec<Argument>,
}

/// An argument of a field or directive.
#[derive(Debug, Clone)]
pub(super) struct Argument {
    pub(super) name: String,
    pub(super) kind: String,
}

/// Types a parameter may point at that is told among what refers to a resource.
const MOST_TARGETS: usize = 30;

/// A directive: name, arguments, places.
pub(super) type Directive = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

const EVERYWHERE: &[&str] = &["FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"];

/// FHIR R4 graphql.html#flatten and those of GraphQL itself.
pub(super) const DIRECTIVES: [Directive; 6] = [
    ("include", &[("if", "Boolean!")], EVERYWHERE),
    ("skip", &[("if", "Boolean!")], EVERYWHERE),
    ("flatten", &[], &["FIELD"]),
    ("first", &[], &["FIELD"]),
    ("singleton", &[], &["FIELD"]),
    ("slice", &[("path", "String"), ("fhirpath", "String")], &["FIELD"]),
];

/// The types of introspection (GraphQL October 2021, 4.1) with their fields.
pub(super) const META: [(&str, &[(&str, &str)]); 6] = [
    (
        "__Schema",
        &[
            ("description", "String"),
            ("types", "[__Type!]!"),
            ("queryType", "__Type!"),
            ("mutationType", "__Type"),
            ("subscriptionType", "__Type"),
            ("directives", "[__Directive!]!"),
        ],
    ),
    (
        "__Type",
        &[
            ("kind", "__TypeKind!"),
            ("name", "String"),
            ("description", "String"),
            ("specifiedByURL", "String"),
            ("fields", "[__Field!]"),
            ("interfaces", "[__Type!]"),
            ("possibleTypes", "[__Type!]"),
            ("enumValues", "[__EnumValue!]"),
            ("inputFields", "[__InputValue!]"),
            ("ofType", "__Type"),
        ],
    ),
    (
        "__Field",
        &[
            ("name", "String!"),
            ("description", "String"),
            ("args", "[__InputValue!]!"),
            ("type", "__Type!"),
            ("isDeprecated", "Boolean!"),
            ("deprecationReason", "String"),
        ],
    ),
    (
        "__InputValue",
        &[
            ("name", "String!"),
            ("description", "String"),
            ("type", "__Type!"),
            ("defaultValue", "String"),
            ("isDeprecated", "Boolean!"),
            ("deprecationReason", "String"),
        ],
    ),
    (
        "__EnumValue",
        &[
            ("name", "String!"),
            ("description", "String"),
            ("isDeprecated", "Boolean!"),
            ("deprecationReason", "String"),
        ],
    ),
    (
        "__Directive",
        &[
            ("name", "String!"),
            ("description", "String"),
            ("isRepeatable", "Boolean!"),
            ("locations", "[__DirectiveLocation!]!"),
            ("args", "[__InputValue!]!"),
        ],
    ),
];

/// Fields of introspection that take `includeDeprecated`.
const WITH_DEPRECATED: [&str; 4] = ["fields", "enumValues", "inputFields", "args"];

/// The enumerations of introspection.
pub(super) const ENUMS: [(&str, &[&str]); 2] = [
    ("__TypeKind", &["SCALAR", "OBJECT", "INTERFACE", "UNION", "ENUM", "INPUT_OBJECT", "LIST", "NON_NULL"]),
    (
        "__DirectiveLocation",
        &[
            "QUERY",
            "MUTATION",
            "SUBSCRIPTION",
            "FIELD",
            "FRAGMENT_DEFINITION",
            "FRAGMENT_SPREAD",
            "INLINE_FRAGMENT",
            "VARIABLE_DEFINITION",
        ],
    ),
];

/// The type of introspection in a type's text.
pub(super) fn meta_of(text: &str) -> Option<usize> {
    let name = base(text);
    META.iter().position(|(known, _)| *known == name)
}

/// The name in `[Name!]!`.
pub(super) fn base(text: &str) -> &str {
    text.trim_matches(['[', ']', '!'])
}

/// The name of a type: those of backbone elements without points, as GraphQL wants names (`PatientContact`).
pub(super) fn graphql_name(id: TypeId) -> String {
    let found = definitions().get(id);
    if matches!(found.kind, Kind::Primitive | Kind::System) {
        return scalar(found).to_owned();
    }
    let mut name = String::with_capacity(found.name.len());
    for part in found.name.split('.') {
        let mut letters = part.chars();
        name.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        name.push_str(letters.as_str());
    }
    name
}

/// GraphQL's own scalars where there is one for the type.
fn scalar(found: &TypeDef) -> &str {
    match found.name.as_str() {
        "string" | "System.String" => "String",
        "boolean" | "System.Boolean" => "Boolean",
        "integer" | "positiveInt" | "unsignedInt" | "System.Integer" => "Int",
        "decimal" | "System.Decimal" => "Float",
        "id" => "ID",
        other => other.strip_prefix("System.").unwrap_or(other),
    }
}

/// All types of the tables that are objects here, by their names.
fn objects() -> &'static HashMap<String, TypeId> {
    static NAMES: OnceLock<HashMap<String, TypeId>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let count = u16::try_from(definitions().len()).unwrap_or(u16::MAX);
        let is_object = |id: &TypeId| {
            let found = definitions().get(*id);
            match found.kind {
                Kind::Primitive | Kind::System => false,
                Kind::Resource => !found.is_abstract,
                Kind::Complex | Kind::Backbone => true,
            }
        };
        (0..count).map(TypeId).filter(is_object).map(|id| (graphql_name(id), id)).collect()
    })
}

fn scalars() -> impl Iterator<Item = String> {
    let count = u16::try_from(definitions().len()).unwrap_or(u16::MAX);
    // Those of FHIRPath stand for primitives that are there already.
    let is_scalar = |id: &TypeId| definitions().get(*id).kind == Kind::Primitive;
    let names: std::collections::BTreeSet<String> =
        (0..count).map(TypeId).filter(is_scalar).map(graphql_name).collect();
    names.into_iter()
}

/// A type of the tables by its name here.
pub(super) fn object(name: &str) -> Option<TypeId> {
    objects().get(name).copied()
}

/// What a name stands for.
pub(super) fn named(name: &str) -> Option<Named> {
    if let Some(place) = META.iter().position(|(known, _)| *known == name) {
        return Some(Named::Meta(place));
    }
    if let Some(place) = ENUMS.iter().position(|(known, _)| *known == name) {
        return Some(Named::Enum(place));
    }
    match name {
        "Query" => return Some(Named::Query),
        "Resource" => return Some(Named::Resource),
        _ => {}
    }
    if let Some(id) = object(name) {
        return Some(Named::Object(id));
    }
    let of = |suffix: &str| name.strip_suffix(suffix).and_then(|name| definitions().resource(name));
    if let Some(id) = of("Connection") {
        return Some(Named::Connection(id));
    }
    if let Some(id) = of("Edge") {
        return Some(Named::Edge(id));
    }
    scalars().any(|known| known == name).then_some(Named::Scalar)
}

/// The names of all types.
pub(super) fn all_names() -> Vec<String> {
    let resources = || definitions().resources().iter().map(|id| definitions().get(*id).name.as_str());
    let mut names: Vec<String> = objects().keys().cloned().collect();
    names.extend(["Query", "Resource"].map(str::to_owned));
    names.extend(resources().flat_map(|name| [format!("{name}Connection"), format!("{name}Edge")]));
    names.extend(scalars());
    names.extend(META.iter().map(|(name, _)| (*name).to_owned()));
    names.extend(ENUMS.iter().map(|(name, _)| (*name).to_owned()));
    names.sort_unstable();
    names
}

fn argument(name: impl Into<String>, kind: impl Into<String>) -> Argument {
    Argument { name: name.into(), kind: kind.into() }
}

fn plain(name: impl Into<String>, kind: impl Into<String>) -> FieldInfo {
    FieldInfo { name: name.into(), kind: kind.into(), arguments: Vec::new() }
}

fn is_name(text: &str) -> bool {
    let starts = text.starts_with(|letter: char| letter == '_' || letter.is_ascii_alphabetic());
    starts && text.bytes().all(|letter| letter == b'_' || letter.is_ascii_alphanumeric())
}

/// The fields of a type.
pub(super) fn fields(named: Named, registry: &Arc<Registry>) -> Vec<FieldInfo> {
    let all = definitions();
    match named {
        Named::Scalar | Named::Enum(_) => Vec::new(),
        Named::Meta(place) => META.get(place).map_or_else(Vec::new, |(_, own)| {
            let deprecated = |name: &str| WITH_DEPRECATED.contains(&name);
            let field = |(name, kind): &(&str, &str)| FieldInfo {
                arguments: if deprecated(name) { vec![argument("includeDeprecated", "Boolean")] } else { Vec::new() },
                ..plain(*name, *kind)
            };
            own.iter().map(field).collect()
        }),
        Named::Query => all.resources().iter().flat_map(|id| of_query(*id, registry)).collect(),
        Named::Resource => {
            let common = ["id", "meta", "implicitRules", "language"];
            let basic = all.find("Resource");
            let own = basic.into_iter().flat_map(|found| common.iter().flat_map(move |name| of_element(found, name)));
            [plain("resourceType", "String!")].into_iter().chain(own).collect()
        }
        Named::Connection(id) => {
            let mut own = vec![plain("count", "Int"), plain("offset", "Int"), plain("pagesize", "Int")];
            own.extend(["first", "previous", "next", "last"].map(|name| plain(name, "ID")));
            own.push(plain("edges", format!("[{}Edge]", all.get(id).name)));
            own
        }
        Named::Edge(id) => {
            vec![plain("mode", "code"), plain("score", "Float"), plain("resource", all.get(id).name.clone())]
        }
        Named::Object(id) => of_object(id, registry),
    }
}

fn of_object(id: TypeId, registry: &Arc<Registry>) -> Vec<FieldInfo> {
    let all = definitions();
    let found = all.get(id);
    let mut own = Vec::new();
    if found.kind == Kind::Resource {
        own.push(plain("resourceType", "String!"));
    }
    if found.name == "Reference" {
        let arguments = vec![argument("optional", "Boolean"), argument("type", "String")];
        own.push(FieldInfo { arguments, ..plain("resource", "Resource") });
    }
    for element in found.elements.iter().filter(|element| !element.is_prohibited) {
        own.extend(element.types.iter().flat_map(|possible| of_element(found, &possible.json_name)));
    }
    let Some(number) = (found.kind == Kind::Resource).then(|| all.resource_number(&found.name)).flatten() else {
        return own;
    };
    // What refers back.
    for source in all.resources() {
        let name = &all.get(*source).name;
        let parameters = registry.of(all.resource_number(name).unwrap_or(0));
        let points_here = |parameter: &Arc<Parameter>| {
            parameter.kind == ParameterKind::Reference
                && parameter.targets.len() <= MOST_TARGETS
                && parameter.targets.contains(&number)
        };
        if parameters.iter().any(points_here) {
            own.extend(lists(*source, registry).take(1).map(|mut field| {
                field.arguments.insert(0, argument("_reference", "String!"));
                field.arguments.retain(|argument| argument.name != "_id");
                field
            }));
        }
    }
    own
}

/// An element by its JSON name, and what is beside a primitive one.
fn of_element(found: &TypeDef, name: &str) -> Vec<FieldInfo> {
    let Some(field) = found.field(name) else { return Vec::new() };
    let listed = |kind: &str| if field.is_array { format!("[{kind}]") } else { kind.to_owned() };
    let definition = definitions().get(field.type_id);
    let is_any = definition.kind == Kind::Resource && definition.is_abstract;
    let kind = if is_any { "Resource".to_owned() } else { graphql_name(field.type_id) };
    let own = FieldInfo { arguments: selectors(field, definition), ..plain(name, listed(&kind)) };
    let beside = field.is_primitive && !matches!(definition.kind, Kind::System);
    std::iter::once(own).chain(beside.then(|| plain(format!("_{name}"), listed("Element")))).collect()
}

/// What selects among the items of a list: their primitive elements, FHIRPath, a part by number.
fn selectors(field: Field, definition: &TypeDef) -> Vec<Argument> {
    if field.is_primitive || !field.is_array || definition.kind == Kind::Resource {
        return Vec::new();
    }
    let names = definition.elements.iter().flat_map(|element| &element.types).map(|possible| &possible.json_name);
    let is_meant = |name: &&String| definition.name != "Extension" || *name == "url";
    let own = names.filter(is_meant).filter_map(|name| {
        let inner = definition.field(name).filter(|inner| inner.is_primitive)?;
        Some(argument(name.as_str(), format!("[{}]", graphql_name(inner.type_id))))
    });
    let fixed = [argument("fhirpath", "String"), argument("_offset", "Int"), argument("_count", "Int")];
    own.chain(fixed).collect()
}

fn of_query(id: TypeId, registry: &Arc<Registry>) -> impl Iterator<Item = FieldInfo> {
    let name = &definitions().get(id).name;
    let read = FieldInfo { arguments: vec![argument("id", "ID!")], ..plain(name.as_str(), name.as_str()) };
    std::iter::once(read).chain(lists(id, registry))
}

/// `PatientList` and `PatientConnection`, with the search parameters as arguments (`-` is written `_`).
fn lists(id: TypeId, registry: &Arc<Registry>) -> impl Iterator<Item = FieldInfo> {
    let name = &definitions().get(id).name;
    let number = definitions().resource_number(name).unwrap_or(0);
    let common = ["_id", "_lastUpdated", "_list", "_text"].map(|name| argument(name, "[String]"));
    let codes = registry.codes(number).map(|code| code.replace('-', "_")).filter(|code| is_name(code));
    let mut arguments: Vec<Argument> = common.into_iter().chain(codes.map(|code| argument(code, "[String]"))).collect();
    arguments.dedup_by(|left, right| left.name == right.name);
    arguments.extend(["_filter", "_sort", "fhirpath"].map(|name| argument(name, "String")));
    arguments.push(argument("_count", "Int"));
    let list = FieldInfo { arguments: arguments.clone(), ..plain(format!("{name}List"), format!("[{name}]")) };
    arguments.push(argument("cursor", "String"));
    let connection = FieldInfo { arguments, ..plain(format!("{name}Connection"), format!("{name}Connection")) };
    [list, connection].into_iter()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::operations::graphql::check::{Scope, meaning};
    use crate::search::registry::registry;

    /// Names are GraphQL's, each stands for one thing, and every type that is named exists.
    #[test]
    fn the_schema_is_whole() {
        let names = all_names();
        let known: HashSet<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(known.len(), names.len());
        let registry = registry();
        for name in &names {
            assert!(is_name(name), "{name}");
            let found = named(name).unwrap_or_else(|| panic!("{name} is nothing"));
            let mut seen = HashSet::new();
            for field in fields(found, registry) {
                assert!(seen.insert(field.name.clone()), "{name}.{} is there twice", field.name);
                assert!(is_name(&field.name) && known.contains(base(&field.kind)), "{name}.{}", field.name);
                let mut arguments = HashSet::new();
                for argument in &field.arguments {
                    assert!(arguments.insert(&argument.name), "{name}.{}({})", field.name, argument.name);
                    assert!(is_name(&argument.name) && known.contains(base(&argument.kind)), "{}", argument.name);
                }
                // What is told is what a query may ask for.
                let scope = match found {
                    Named::Query => Scope::System,
                    Named::Object(id) => Scope::Type(id),
                    Named::Connection(id) => Scope::Connection(id),
                    Named::Edge(id) => Scope::Edges(id),
                    Named::Resource => Scope::AnyResource,
                    Named::Meta(place) => Scope::Meta(place),
                    Named::Scalar | Named::Enum(_) => continue,
                };
                let (_, inner) = meaning(scope, &field.name).unwrap_or_else(|| panic!("{name}.{}", field.name));
                let is_scalar = matches!(named(base(&field.kind)), Some(Named::Scalar | Named::Enum(_)));
                assert_eq!(inner.is_none(), is_scalar, "{name}.{}", field.name);
            }
        }
    }
}
