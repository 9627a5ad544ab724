//! The notebook as typed entities (citizen, article, visit, medication, …), each mapped to FHIR field by
//! field by one table ([`entities::ENTITIES`]): the same lines project resources to rows, make resources
//! of what is written in the notebook, and are the documentation of the mapping.
//!
//! Laws, held by property tests: `project(to_fhir(x)) = x`; projection of any resource ends and gives
//! the same rows for the same resource. What an entity has no field for stays in the resource.
//!
//! `edit` changes resources by what was written, `check` compares it with the entity's JSON Schema
//! (`schema`), `codes` knows what a code may be, `describe` says how everything is mapped.
//!
//! May use: `format`, `r4`, [`super::lens`]. Must not know: storage, HTTP.

pub mod check;
pub mod codes;
pub mod describe;
pub mod diagram;
mod edit;
mod entities;
mod input;
mod japanese;
pub mod maps;
pub mod measured;
pub mod schema;

use std::collections::BTreeMap;
use std::sync::OnceLock;

pub use entities::{CITIZEN, ENTITIES};
pub use input::Filling;

use super::lens::Lens;
use crate::format::json::Node;
use crate::r4::datetime::{JST_SECONDS, span};
use crate::r4::definitions;
use crate::r4::reference::Reference;
use crate::store::{Cell, ColumnKind, EntityColumn, EntityRow, EntityTable};

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// One line.
    Text,
    /// A code of the system or value set that the mapping names.
    Code,
    /// A date, dateTime or instant as it was written; its beginning in µs is stored beside it.
    Date,
    /// A number with its digits.
    Decimal,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// `Type/id`, to one of these types.
    Reference(&'static [&'static str]),
    /// Several references.
    References(&'static [&'static str]),
}

/// What stands in a field when who writes says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Nothing.
    Nothing,
    /// The member who writes.
    Member,
    /// The time of writing.
    Now,
}

/// A field of an entity.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Name in the notebook API and column in the table.
    pub name: &'static str,
    /// What a form shows, Japanese.
    pub ja: &'static str,
    /// What a form shows, English.
    pub en: &'static str,
    /// What it holds.
    pub kind: FieldKind,
    /// Whether it must be there.
    pub required: bool,
    /// What stands there when who writes says nothing.
    pub fill: Fill,
    /// Whether rows are looked up by it (a date: in its order, for a citizen).
    pub indexed: bool,
}

/// Where an entity comes from: a resource type with paths for the fields.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// The resource type.
    pub resource: &'static str,
    /// Path of the reference to the Patient; empty when it is about nobody.
    pub citizen: &'static str,
    /// The items that are rows; empty when the resource is one row.
    pub per: &'static str,
    /// What belongs to the entity has these texts at these paths; written along.
    pub fixed: &'static [(&'static str, &'static str)],
    /// What belongs has something at these paths (of the row).
    pub present: &'static [&'static str],
    /// What belongs has nothing at these paths (of the resource).
    pub absent: &'static [&'static str],
    /// Written along when nothing is there.
    pub defaults: &'static [(&'static str, &'static str)],
    /// Whether category and profile follow from the code ([`measured`]).
    pub is_measured: bool,
    /// Field and path, from the row's item.
    pub paths: &'static [(&'static str, &'static str)],
}

/// A kind of thing in the notebook.
#[derive(Debug, Clone, Copy)]
pub struct Entity {
    /// Name in the notebook API; its table is `notebook_<name>`.
    pub name: &'static str,
    /// Japanese name.
    pub ja: &'static str,
    /// English name.
    pub en: &'static str,
    /// Id of the profile of our guide that its resources claim; empty for none.
    pub profile: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
    /// Where it comes from; what is written in the notebook becomes the first.
    pub sources: &'static [Source],
}

/// An entity with its paths taken apart.
#[derive(Debug)]
pub struct Mapping {
    /// The entity.
    pub entity: &'static Entity,
    /// Its table.
    pub table: EntityTable,
    sources: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    source: &'static Source,
    citizen: Option<Lens>,
    per: Option<Lens>,
    fixed: Vec<(Lens, &'static str)>,
    present: Vec<Lens>,
    absent: Vec<Lens>,
    defaults: Vec<(Lens, Node<'static>)>,
    /// In the order of the entity's fields.
    fields: Vec<Option<Lens>>,
}

/// All mappings, in the order of [`ENTITIES`].
///
/// A line of the table that is not a path of R4 is left out here; a test finds it.
#[must_use]
pub fn mappings() -> &'static [Mapping] {
    static MAPPINGS: OnceLock<Vec<Mapping>> = OnceLock::new();
    MAPPINGS.get_or_init(|| ENTITIES.iter().map(Mapping::of).collect())
}

/// The mapping of the citizen, which has a table of another make.
#[must_use]
pub fn citizen_mapping() -> &'static Mapping {
    static CITIZENS: OnceLock<Mapping> = OnceLock::new();
    CITIZENS.get_or_init(|| Mapping::of(&CITIZEN))
}

/// The mapping of an entity by its name.
#[must_use]
pub fn mapping(name: &str) -> Option<&'static Mapping> {
    mappings().iter().chain([citizen_mapping()]).find(|mapping| mapping.entity.name == name)
}

fn table(entity: &Entity) -> EntityTable {
    let column = |field: &Field| EntityColumn {
        name: field.name,
        kind: match field.kind {
            FieldKind::Date => ColumnKind::Date,
            FieldKind::Integer | FieldKind::Boolean => ColumnKind::Integer,
            _ => ColumnKind::Text,
        },
        indexed: field.indexed,
    };
    EntityTable { name: format!("notebook_{}", entity.name), columns: entity.fields.iter().map(column).collect() }
}

/// The tables of all entities.
#[must_use]
pub fn tables() -> &'static [&'static EntityTable] {
    static TABLES: OnceLock<Vec<&'static EntityTable>> = OnceLock::new();
    TABLES.get_or_init(|| mappings().iter().map(|mapping| &mapping.table).collect())
}

impl Compiled {
    fn of(entity: &Entity, source: &'static Source) -> Option<Self> {
        let start = definitions().resource(source.resource)?;
        let lens = |path: &'static str| Lens::new(start, path);
        let per = (!source.per.is_empty()).then(|| lens(source.per));
        let row = if source.per.is_empty() { start } else { Lens::end(start, source.per)? };
        let at_row = |path: &'static str| Lens::new(row, path);
        let pairs = |list: &'static [(&'static str, &'static str)]| {
            list.iter().map(|(path, text)| Some((lens(path)?, *text))).collect::<Option<Vec<_>>>()
        };
        let field = |field: &Field| {
            let path = source.paths.iter().find(|(name, _)| *name == field.name)?.1;
            Some(at_row(path))
        };
        Some(Self {
            source,
            citizen: if source.citizen.is_empty() { None } else { Some(lens(source.citizen)?) },
            per: match per {
                Some(per) => Some(per?),
                None => None,
            },
            fixed: pairs(source.fixed)?,
            present: source.present.iter().map(|path| at_row(path)).collect::<Option<_>>()?,
            absent: source.absent.iter().map(|path| lens(path)).collect::<Option<_>>()?,
            defaults: source
                .defaults
                .iter()
                .map(|(path, text)| {
                    let is_boolean = Lens::end(start, path).is_some_and(|end| definitions().get(end).name == "boolean");
                    Some((lens(path)?, if is_boolean { Node::Bool(*text == "true") } else { Node::string(*text) }))
                })
                .collect::<Option<_>>()?,
            fields: entity
                .fields
                .iter()
                .map(|each| field(each).map_or(Some(None), |lens| lens.map(Some)))
                .collect::<Option<_>>()?,
        })
    }

    fn takes(&self, resource: &Node<'_>) -> bool {
        let has = |(lens, text): &(Lens, &str)| lens.get(resource).and_then(Node::as_str) == Some(text);
        self.fixed.iter().all(has) && self.absent.iter().all(|lens| lens.get(resource).is_none())
    }

    /// Ids of the citizens; `None` when it is about somebody who is not a Patient here.
    fn citizens(&self, resource: &Node<'_>) -> Option<Vec<String>> {
        let Some(lens) = &self.citizen else { return Some(vec![String::new()]) };
        let mut ids: Vec<String> = Vec::new();
        for reference in lens.all(resource) {
            // A list of participants has the reference one step further in.
            let reference = reference.get("actor").unwrap_or(reference);
            if let Some(Reference::Local { resource_type: "Patient", id, .. }) =
                reference.text("reference").map(Reference::parse)
            {
                ids.push(id.to_owned());
            }
        }
        ids.sort_unstable();
        ids.dedup();
        (!ids.is_empty()).then_some(ids)
    }
}

/// The rows of a resource in all entities. Never fails.
#[must_use]
pub fn rows(type_name: &str, resource: &Node<'_>) -> Vec<EntityRow> {
    let mut rows = Vec::new();
    for (mapping, source) in of_type(type_name) {
        let Some(source) = mapping.sources.get(*source) else { continue };
        if !source.takes(resource) {
            continue;
        }
        let Some(citizens) = source.citizens(resource) else { continue };
        let items = source.per.as_ref().map_or_else(|| vec![resource], |per| per.all(resource));
        for (ordinal, item) in (0_i32..).zip(items) {
            if source.present.iter().any(|lens| lens.get(item).is_none()) {
                continue;
            }
            let cells = cells(mapping.entity, source, item);
            for citizen in &citizens {
                let row =
                    EntityRow { table: &mapping.table, ordinal, citizen_id: citizen.clone(), cells: cells.clone() };
                rows.push(row);
            }
        }
    }
    rows
}

/// The sources that a resource type may be.
fn of_type(type_name: &str) -> &'static [(&'static Mapping, usize)] {
    type ByType = BTreeMap<&'static str, Vec<(&'static Mapping, usize)>>;
    static BY_TYPE: OnceLock<ByType> = OnceLock::new();
    let all = BY_TYPE.get_or_init(|| {
        let mut all = ByType::new();
        for mapping in mappings() {
            for (place, source) in mapping.sources.iter().enumerate() {
                all.entry(source.source.resource).or_default().push((mapping, place));
            }
        }
        all
    });
    all.get(type_name).map_or(&[], Vec::as_slice)
}

fn cells(entity: &Entity, source: &Compiled, item: &Node<'_>) -> Vec<Cell> {
    let read = |(field, lens): (&Field, &Option<Lens>)| {
        let Some(lens) = lens else { return Cell::Nothing };
        cell(field.kind, lens, item)
    };
    entity.fields.iter().zip(&source.fields).map(read).collect()
}

fn cell(kind: FieldKind, lens: &Lens, item: &Node<'_>) -> Cell {
    let text = |node: &Node<'_>| node.as_str().map(str::to_owned);
    if matches!(kind, FieldKind::References(_)) {
        let all: Vec<String> =
            lens.all(item).into_iter().filter_map(|node| node.text("reference").map(str::to_owned)).collect();
        return if all.is_empty() { Cell::Nothing } else { Cell::Texts(all) };
    }
    let Some(node) = lens.get(item) else { return Cell::Nothing };
    let found = match kind {
        FieldKind::Text | FieldKind::Code | FieldKind::Reference(_) => text(node).map(Cell::Text),
        FieldKind::Date => text(node).map(|text| {
            let begins = span(&text, JST_SECONDS).map(|span| span.low);
            Cell::Date(text, begins)
        }),
        FieldKind::Decimal => match node {
            Node::Number(digits) => Some(Cell::Text(digits.to_string())),
            _ => None,
        },
        FieldKind::Integer => match node {
            Node::Number(digits) => digits.parse().ok().map(Cell::Integer),
            _ => None,
        },
        FieldKind::Boolean => node.as_bool().map(|value| Cell::Integer(i64::from(value))),
        FieldKind::References(_) => None,
    };
    found.unwrap_or(Cell::Nothing)
}

impl Mapping {
    fn of(entity: &'static Entity) -> Self {
        let sources = entity.sources.iter().filter_map(|source| Compiled::of(entity, source)).collect();
        Self { entity, table: table(entity), sources }
    }

    /// Whether the resource (of the first source's type) belongs to the entity.
    #[must_use]
    pub fn takes(&self, resource: &Node<'_>) -> bool {
        self.sources.first().is_some_and(|source| {
            source.takes(resource) && source.present.iter().all(|lens| lens.get(resource).is_some())
        })
    }

    /// The resource type that what is written becomes.
    #[must_use]
    pub fn resource_type(&self) -> &'static str {
        self.entity.sources.first().map_or("", |source| source.resource)
    }

    /// Whether the field at this place has a place in the resource that what is written becomes; others
    /// are only shown.
    #[must_use]
    pub fn is_writable(&self, field: usize) -> bool {
        self.sources.first().and_then(|source| source.fields.get(field)).is_some_and(Option::is_some)
    }

    /// The FHIR type at the place of a field in the first source (`dateTime`, `Reference`, …).
    #[must_use]
    pub fn fhir_type(&self, field: usize) -> Option<&'static str> {
        self.fhir_type_in(0, field)
    }

    /// A resource of what was written: a new one, or `base` with what was written changed. Fields that
    /// are [`Cell::Nothing`] are taken away; all that has no field stays.
    #[must_use]
    pub fn to_fhir(&self, cells: &[Cell], citizen_id: &str, base: Option<Node<'static>>) -> Node<'static> {
        let Some(source) = self.sources.first() else { return Node::Null };
        let mut resource =
            base.unwrap_or_else(|| Node::object([("resourceType", Node::string(source.source.resource))]));
        if !self.entity.profile.is_empty()
            && let Some(claims) =
                definitions().resource(source.source.resource).and_then(|at| Lens::new(at, "meta.profile*"))
        {
            let url = format!("{}/StructureDefinition/{}", crate::r4::guide::CANONICAL, self.entity.profile);
            let mut all: Vec<Node<'static>> = claims.all(&resource).into_iter().cloned().collect();
            if !all.iter().any(|claim| claim.as_str() == Some(&url)) {
                all.push(Node::string(url));
            }
            claims.set_all(&mut resource, all, |left, right| left.as_str() == right.as_str());
        }
        for (lens, text) in &source.fixed {
            lens.set(&mut resource, Node::string(*text));
        }
        if let Some(lens) = &source.citizen
            && !citizen_id.is_empty()
            && source.citizens(&resource).is_none()
        {
            let patient = Node::object([("reference", Node::string(format!("Patient/{citizen_id}")))]);
            // Who takes part in an appointment says whether they come.
            let value = if lens.is_many {
                Node::object([("actor", patient), ("status", Node::string("accepted"))])
            } else {
                patient
            };
            lens.set(&mut resource, value);
        }
        self.write_fields(source, cells, &mut resource);
        for (lens, value) in &source.defaults {
            if lens.get(&resource).is_none() {
                lens.set(&mut resource, value.clone());
            }
        }
        if source.source.is_measured {
            measured::classify(&mut resource, None);
        }
        resource
    }

    /// An item of a list (a team's member, a read mark), as it stands in the resource.
    #[must_use]
    pub fn to_item(&self, cells: &[Cell]) -> Node<'static> {
        let Some(source) = self.sources.first() else { return Node::Null };
        let mut item = source.per.as_ref().map_or(Node::Null, Lens::new_item);
        self.write_fields(source, cells, &mut item);
        item
    }

    fn write_fields(&self, source: &Compiled, cells: &[Cell], node: &mut Node<'static>) {
        let fields = self.entity.fields.iter().zip(&source.fields).zip(cells);
        for ((field, lens), cell) in fields {
            if let Some(lens) = lens {
                write_field(field, lens, cell, node);
            }
        }
    }
}

fn write_field(field: &Field, lens: &Lens, cell: &Cell, node: &mut Node<'static>) {
    let refers = |text: &String| Node::object([("reference", Node::string(text.clone()))]);
    let is_same = |left: &Node<'_>, right: &Node<'_>| left.text("reference") == right.text("reference");
    match (cell, field.kind) {
        (Cell::Nothing, FieldKind::References(_)) => lens.set_all(node, Vec::new(), is_same),
        (Cell::Nothing, _) => lens.clear(node),
        (Cell::Integer(value), FieldKind::Boolean) => lens.set(node, Node::Bool(*value != 0)),
        (Cell::Integer(value), _) => lens.set(node, Node::Number(value.to_string().into())),
        (Cell::Text(digits), FieldKind::Decimal) => lens.set(node, Node::Number(digits.clone().into())),
        (Cell::Text(text) | Cell::Date(text, _), _) => lens.set(node, Node::string(text.clone())),
        (Cell::Texts(all), _) => lens.set_all(node, all.iter().map(refers).collect(), is_same),
    }
}

#[cfg(test)]
mod tests;
