//! Answers `__schema` and `__type` (GraphQL October 2021, 4): what is selected of the schema, made while it is
//! asked for, and bounded like every answer.

use super::output::Output;
use super::run::{Collected, Run};
use super::schema::{self, Argument, DIRECTIVES, Directive, ENUMS, FieldInfo, META, Named};
use super::{Rejection, Set, invalid};
use crate::format::json::Node;
use crate::r4::definitions::{Kind, definitions};

/// Something of the schema.
enum Thing<'s> {
    Schema,
    /// A type as the schema language writes it.
    Type(String),
    Field(&'s FieldInfo),
    Input(&'s Argument),
    Enum(&'s str),
    Directive(&'s Directive),
}

impl Thing<'_> {
    fn name(&self) -> &'static str {
        let place = match self {
            Self::Schema => 0,
            Self::Type(_) => 1,
            Self::Field(_) => 2,
            Self::Input(_) => 3,
            Self::Enum(_) => 4,
            Self::Directive(_) => 5,
        };
        META.get(place).map_or("", |(name, _)| name)
    }
}

fn string(text: &str) -> Node<'static> {
    Node::string(text.to_owned())
}

impl<'q> Run<'q> {
    /// `__schema`
    pub(super) fn schema(&self, collected: &Collected<'q>) -> Result<Node<'static>, Rejection> {
        self.thing(&Thing::Schema, &collected.sets)
    }

    /// `__type(name: …)`
    pub(super) fn one_type(&self, collected: &Collected<'q>) -> Result<Node<'static>, Rejection> {
        let field = collected.field;
        let [("name", value)] = field.arguments.as_slice() else {
            return Err(invalid(field.position, "__type takes the argument name".to_owned()));
        };
        let name = self.one(field, "name", value)?.unwrap_or_default();
        match schema::named(&name) {
            Some(_) => self.thing(&Thing::Type(name), &collected.sets),
            None => Ok(Node::Null),
        }
    }

    fn thing(&self, thing: &Thing<'_>, sets: &[&'q Set<'q>]) -> Result<Node<'static>, Rejection> {
        self.count_value()?;
        let mut selected = Vec::new();
        self.collect_on(&|condition| condition == thing.name(), sets, &mut selected)?;
        let mut output = Output::default();
        for field in &selected {
            let value = match (thing, field.field.name) {
                (_, "__typename") => string(thing.name()),
                (Thing::Schema, name) => self.of_schema(name, field)?,
                (Thing::Type(text), name) => self.of_type(text, name, field)?,
                (Thing::Field(own), "name") => string(&own.name),
                (Thing::Field(own), "type") => self.thing(&Thing::Type(own.kind.clone()), &field.sets)?,
                (Thing::Field(own), "args") => self.things(own.arguments.iter().map(Thing::Input), field)?,
                (Thing::Input(own), "name") => string(&own.name),
                (Thing::Input(own), "type") => self.thing(&Thing::Type(own.kind.clone()), &field.sets)?,
                (Thing::Enum(name), "name") => string(name),
                (Thing::Directive((name, ..)), "name") => string(name),
                (Thing::Directive(_), "isRepeatable") => Node::Bool(false),
                (Thing::Directive((_, _, places)), "locations") => {
                    Node::Array(places.iter().map(|place| string(place)).collect())
                }
                (Thing::Directive((_, arguments, _)), "args") => {
                    let of = |(name, kind): &(&str, &str)| Argument { name: (*name).into(), kind: (*kind).into() };
                    let arguments: Vec<Argument> = arguments.iter().map(of).collect();
                    self.things(arguments.iter().map(Thing::Input), field)?
                }
                (_, "isDeprecated") => Node::Bool(false),
                // Descriptions, defaults and reasons are none.
                _ => Node::Null,
            };
            output.set(field.field.alias.unwrap_or(field.field.name), value);
        }
        output.finish()
    }

    fn things<'s>(
        &self,
        things: impl Iterator<Item = Thing<'s>>,
        collected: &Collected<'q>,
    ) -> Result<Node<'static>, Rejection> {
        things.map(|thing| self.thing(&thing, &collected.sets)).collect::<Result<_, _>>().map(Node::Array)
    }

    fn of_schema(&self, name: &str, field: &Collected<'q>) -> Result<Node<'static>, Rejection> {
        match name {
            "types" => self.things(schema::all_names().into_iter().map(Thing::Type), field),
            "queryType" => self.thing(&Thing::Type(self.root.clone()), &field.sets),
            "directives" => self.things(DIRECTIVES.iter().map(Thing::Directive), field),
            _ => Ok(Node::Null),
        }
    }

    fn of_type(&self, text: &str, name: &str, field: &Collected<'q>) -> Result<Node<'static>, Rejection> {
        self.in_time()?;
        // `[X]!` is not null of `[X]`, that a list of `X`.
        let inner = match text.strip_suffix('!') {
            Some(inner) => Some(("NON_NULL", inner)),
            None => text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).map(|inner| ("LIST", inner)),
        };
        if let Some((kind, inner)) = inner {
            return match name {
                "kind" => Ok(string(kind)),
                "ofType" => self.thing(&Thing::Type(inner.to_owned()), &field.sets),
                _ => Ok(Node::Null),
            };
        }
        let Some(named) = schema::named(text) else { return Ok(Node::Null) };
        let is_scalar = matches!(named, Named::Scalar | Named::Enum(_));
        let resource = |id: &_| definitions().get(*id).kind == Kind::Resource;
        match (name, named) {
            ("kind", Named::Scalar) => Ok(string("SCALAR")),
            ("kind", Named::Enum(_)) => Ok(string("ENUM")),
            ("kind", Named::Resource) => Ok(string("INTERFACE")),
            ("kind", _) => Ok(string("OBJECT")),
            ("name", _) => Ok(string(text)),
            ("fields", named) if !is_scalar => {
                let fields = schema::fields(named, &self.engine.store().registry());
                self.things(fields.iter().map(Thing::Field), field)
            }
            ("interfaces", Named::Object(id)) if resource(&id) => {
                self.things(std::iter::once(Thing::Type("Resource".to_owned())), field)
            }
            ("interfaces", _) if !is_scalar => Ok(Node::Array(Vec::new())),
            ("possibleTypes", Named::Resource) => {
                let names = definitions().resources().iter().map(|id| Thing::Type(schema::graphql_name(*id)));
                self.things(names, field)
            }
            ("enumValues", Named::Enum(place)) => {
                let values = ENUMS.get(place).map_or(&[][..], |(_, values)| values);
                self.things(values.iter().map(|value| Thing::Enum(value)), field)
            }
            _ => Ok(Node::Null),
        }
    }
}
