//! Compares a query with the tables before anything is read: "SHALL return an error when fields that are not valid
//! or not supported are used".

use graphql_parser::query as ast;

use super::schema::{self, META, Named, meta_of};
use super::{Field, Fragments, Rejection, Set, invalid};
use crate::r4::definitions::{Kind, TypeId, definitions};

/// What a selection is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The whole server.
    System,
    /// A type of the tables.
    Type(TypeId),
    /// A resource whose type the data say.
    AnyResource,
    /// `PatientConnection`, of a resource type.
    Connection(TypeId),
    /// `edges` of it.
    Edges(TypeId),
    /// Something of the schema itself: a place in [`META`].
    Meta(usize),
}

/// What a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// `__typename`
    Typename,
    /// `__schema`
    Schema,
    /// `__type(name: …)`
    OneType,
    /// `resourceType`
    ResourceType,
    /// An element, or (`_birthDate`) what is beside a primitive one.
    Element { is_beside: bool },
    /// `resource` of a Reference.
    Target,
    /// `Patient(id: …)`
    Read(TypeId),
    /// `PatientList(…)`
    List(TypeId),
    /// `PatientConnection(…)`
    Connection(TypeId),
    /// A field of a connection or an edge.
    Link,
}

fn is_resource(id: TypeId) -> bool {
    definitions().get(id).kind == Kind::Resource
}

/// What a name means somewhere, and what a selection in it is about (none for scalars).
pub(super) fn meaning(scope: Scope, name: &str) -> Option<(Meaning, Option<Scope>)> {
    let all = definitions();
    if name == "__typename" {
        return Some((Meaning::Typename, None));
    }
    // Only where a query begins; the check sees to it.
    match (scope, name) {
        (Scope::Meta(place), _) => {
            let (_, kind) = META.get(place)?.1.iter().find(|(own, _)| *own == name)?;
            return Some((Meaning::Link, meta_of(kind).map(Scope::Meta)));
        }
        (_, "__schema") => return Some((Meaning::Schema, meta_of("__Schema").map(Scope::Meta))),
        (_, "__type") => return Some((Meaning::OneType, meta_of("__Type").map(Scope::Meta))),
        _ => {}
    }
    let listed = |suffix: &str| name.strip_suffix(suffix).and_then(|name| all.resource(name));
    match scope {
        Scope::Meta(_) => return None,
        Scope::System => {
            if let Some(id) = all.resource(name) {
                return Some((Meaning::Read(id), Some(Scope::Type(id))));
            }
        }
        Scope::Connection(id) => {
            return match name {
                "count" | "offset" | "pagesize" | "pageSize" | "first" | "previous" | "next" | "last" => {
                    Some((Meaning::Link, None))
                }
                "edges" => Some((Meaning::Link, Some(Scope::Edges(id)))),
                _ => None,
            };
        }
        Scope::Edges(id) => {
            return match name {
                "mode" | "score" => Some((Meaning::Link, None)),
                "resource" => Some((Meaning::Link, Some(Scope::Type(id)))),
                _ => None,
            };
        }
        Scope::AnyResource => {
            if name == "resourceType" {
                return Some((Meaning::ResourceType, None));
            }
            // What one of the types has; the others leave it out.
            if let Some((meaning, inner)) = all.resources().iter().find_map(|id| element(*id, name)) {
                return Some((meaning, inner));
            }
        }
        Scope::Type(id) => {
            if name == "resourceType" && is_resource(id) {
                return Some((Meaning::ResourceType, None));
            }
            if name == "resource" && all.get(id).name == "Reference" {
                return Some((Meaning::Target, Some(Scope::AnyResource)));
            }
            if let Some(found) = element(id, name) {
                return Some(found);
            }
            if !is_resource(id) {
                return None;
            }
        }
    }
    if let Some(id) = listed("List") {
        return Some((Meaning::List(id), Some(Scope::Type(id))));
    }
    listed("Connection").map(|id| (Meaning::Connection(id), Some(Scope::Connection(id))))
}

fn element(id: TypeId, name: &str) -> Option<(Meaning, Option<Scope>)> {
    let all = definitions();
    if let Some(field) = all.get(id).field(name) {
        let inner = if field.is_primitive { None } else { Some(scope_of(field.type_id)) };
        return Some((Meaning::Element { is_beside: false }, inner));
    }
    all.get(id).field(name.strip_prefix('_')?).filter(|field| field.is_primitive)?;
    Some((Meaning::Element { is_beside: true }, all.type_id("Element").map(Scope::Type)))
}

/// A type of the tables, or any resource.
pub(super) fn scope_of(id: TypeId) -> Scope {
    if is_resource(id) && definitions().get(id).is_abstract { Scope::AnyResource } else { Scope::Type(id) }
}

/// Whether a fragment on a type of this name is about values of a type (none: the whole server).
pub(super) fn applies(own: Option<TypeId>, name: &str) -> bool {
    let Some(own) = own else { return name == "Query" };
    let all = definitions();
    schema::object(name).or_else(|| all.type_id(name)).is_some_and(|wanted| all.is_a(own, wanted))
}

/// Narrowed by a fragment.
fn narrowed<'q>(
    scope: Scope,
    condition: &ast::TypeCondition<'q, &'q str>,
    position: graphql_parser::Pos,
) -> Result<Scope, Rejection> {
    let ast::TypeCondition::On(name) = condition;
    let id = match schema::named(name) {
        Some(Named::Object(id)) => Some(id),
        Some(Named::Query | Named::Meta(_) | Named::Connection(_) | Named::Edge(_)) => return Ok(scope),
        _ => definitions().type_id(name),
    };
    let id = id.ok_or_else(|| invalid(position, format!("{name:.64?} is not a type of FHIR R4")))?;
    Ok(match scope {
        Scope::AnyResource => scope_of(id),
        other => other,
    })
}

/// Visits of one check: fragments may be spread many times.
const MOST_VISITS: usize = 20_000;

pub(super) struct Check<'q> {
    pub(super) fragments: &'q Fragments<'q>,
    visits: usize,
    /// Fields around.
    depth: usize,
}

impl<'q> Check<'q> {
    pub(super) const fn new(fragments: &'q Fragments<'q>) -> Self {
        Self { fragments, visits: 0, depth: 0 }
    }

    pub(super) fn set(&mut self, scope: Scope, set: &'q Set<'q>, within: &mut Vec<&'q str>) -> Result<(), Rejection> {
        for selection in &set.items {
            self.visits += 1;
            if self.visits > MOST_VISITS {
                return Err(invalid(
                    set.span.0,
                    format!("the query has more than {MOST_VISITS} fields with its fragments spread"),
                ));
            }
            match selection {
                ast::Selection::Field(field) => self.field(scope, field, within)?,
                ast::Selection::InlineFragment(fragment) => {
                    directives(&fragment.directives, false)?;
                    let inner = match &fragment.type_condition {
                        Some(condition) => narrowed(scope, condition, fragment.position)?,
                        None => scope,
                    };
                    self.set(inner, &fragment.selection_set, within)?;
                }
                ast::Selection::FragmentSpread(spread) => {
                    directives(&spread.directives, false)?;
                    let name = spread.fragment_name;
                    let Some(fragment) = self.fragments.get(name) else {
                        return Err(invalid(spread.position, format!("there is no fragment {name:.64?}")));
                    };
                    if within.contains(&name) {
                        return Err(invalid(spread.position, format!("the fragment {name:.64?} contains itself")));
                    }
                    within.push(name);
                    let inner = narrowed(scope, &fragment.type_condition, fragment.position)?;
                    self.set(inner, &fragment.selection_set, within)?;
                    within.pop();
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, scope: Scope, field: &'q Field<'q>, within: &mut Vec<&'q str>) -> Result<(), Rejection> {
        let name = field.name;
        directives(&field.directives, true)?;
        if matches!(name, "__schema" | "__type") && self.depth > 0 {
            return Err(invalid(field.position, format!("{name} stands where a query begins")));
        }
        let Some((meaning, inner)) = meaning(scope, name) else {
            return Err(invalid(field.position, format!("{} has no field {name:.64?}", describe(scope))));
        };
        let inner = match (meaning, inner) {
            // `resource(type: Patient)` says what it is about.
            (Meaning::Target, Some(inner)) => Some(named_type(field)?.map_or(inner, Scope::Type)),
            (_, inner) => inner,
        };
        match inner {
            None if !field.selection_set.items.is_empty() => {
                Err(invalid(field.position, format!("{name} is a scalar: nothing can be selected in it")))
            }
            None if !field.arguments.is_empty() => {
                Err(invalid(field.position, format!("{name} is a scalar: it takes no arguments")))
            }
            None => Ok(()),
            Some(_) if field.selection_set.items.is_empty() => {
                Err(invalid(field.position, format!("{name} is an object: say which of its fields, {name} {{ … }}")))
            }
            Some(inner) => {
                self.depth += 1;
                let checked = self.set(inner, &field.selection_set, within);
                self.depth -= 1;
                checked
            }
        }
    }
}

/// The type that `resource(type: Patient)` names.
fn named_type(field: &Field<'_>) -> Result<Option<TypeId>, Rejection> {
    for (name, value) in &field.arguments {
        match (*name, value) {
            ("optional", _) => {}
            ("type", ast::Value::Enum(name)) => return known(field, name).map(Some),
            ("type", ast::Value::String(name)) => return known(field, name).map(Some),
            ("type", _) => {}
            (other, _) => {
                return Err(invalid(field.position, format!("resource takes optional and type, not {other:.64?}")));
            }
        }
    }
    Ok(None)
}

fn known(field: &Field<'_>, name: &str) -> Result<TypeId, Rejection> {
    let unknown = || invalid(field.position, format!("{name:.64?} is not a resource type of FHIR R4 (4.0.1)"));
    definitions().resource(name).ok_or_else(unknown)
}

fn describe(scope: Scope) -> String {
    match scope {
        Scope::System => "the query (it begins with Patient(id: …), PatientList(…) or PatientConnection(…))".to_owned(),
        Scope::Type(id) => definitions().get(id).name.clone(),
        Scope::AnyResource => "no resource type".to_owned(),
        Scope::Connection(id) => format!("{}Connection", definitions().get(id).name),
        Scope::Edges(id) => format!("an edge of {}Connection", definitions().get(id).name),
        Scope::Meta(place) => META.get(place).map_or("", |(name, _)| name).to_owned(),
    }
}

/// Only known directives, with their arguments.
fn directives<'q>(list: &[ast::Directive<'q, &'q str>], on_field: bool) -> Result<(), Rejection> {
    for directive in list {
        let argument = match directive.name {
            "skip" | "include" => Some("if"),
            "slice" if on_field => Some("path"),
            "flatten" | "first" | "singleton" if on_field => None,
            other => return Err(invalid(directive.position, format!("the directive @{other:.64} is not here"))),
        };
        let names: Vec<&str> = directive.arguments.iter().map(|(name, _)| *name).collect();
        let is_right = match argument {
            None => names.is_empty(),
            Some("path") => matches!(names.as_slice(), ["path" | "fhirpath"]),
            Some(name) => names == [name],
        };
        if !is_right {
            let takes = argument.map_or_else(|| "no arguments".to_owned(), |name| format!("the argument {name}"));
            return Err(invalid(directive.position, format!("@{} takes {takes}", directive.name)));
        }
    }
    Ok(())
}
