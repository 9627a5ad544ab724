//! The one table of operations (FHIR R4 operations.html): dispatch, the CapabilityStatement and the
//! API description are made from it.
//!
//! **To add one**: write a room in `operations/` with `pub(super) const OPERATIONS: &[Operation]` and a
//! `fn run(call: Call<'_>) -> Result<OperationAnswer, Rejection>`, and name the room in [`ROOMS`]. Name,
//! levels, types and parameters come from the OperationDefinition, which is HL7's (in the pack) or a file
//! in `operations/definitions/` named in [`OWN`]. Inputs have been compared with it when `run` is called:
//! names, numbers and types are right, values of primitives too; resources have not been checked
//! ([`super::Inputs::checked_resource`] does). `run` is on a thread that may block.

use std::sync::{Arc, OnceLock};

use super::call::Call;
use crate::engine::{OperationAnswer, Rejection};
use crate::format::json::{self, Node};
use crate::r4::canonical::{Canonicals, Definition, standard};
use crate::r4::definitions;

/// The rooms with operations, in the order of the documentation.
const ROOMS: &[&[Operation]] = &[
    super::document::OPERATIONS,
    super::summary::OPERATIONS,
    super::everything::OPERATIONS,
    super::meta::OPERATIONS,
    super::lastn::OPERATIONS,
    super::stats::OPERATIONS,
    super::composition::OPERATIONS,
    super::matching::OPERATIONS,
    super::lists::OPERATIONS,
    super::convert::OPERATIONS,
    super::difference::OPERATIONS,
    super::graphql::OPERATIONS,
    super::fhirpath::OPERATIONS,
    super::terminology::OPERATIONS,
    super::measure::OPERATIONS,
    super::fls::apply::OPERATIONS,
    super::reindex::OPERATIONS,
    super::package::OPERATIONS,
    super::validate::OPERATIONS,
];

/// OperationDefinitions of our own, by the end of their canonical URL.
const OWN: &[&str] = &[
    include_str!("definitions/Bundle-ingest-document.json"),
    include_str!("definitions/Measure-evaluate-measure.json"),
    include_str!("definitions/Patient-summary.json"),
    include_str!("definitions/diff.json"),
    include_str!("definitions/fhirpath.json"),
    include_str!("definitions/SearchParameter-reindex-status.json"),
    include_str!("definitions/install-package.json"),
    include_str!("definitions/validate.json"),
];

/// Where an operation is invoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Level {
    System,
    Type,
    Instance,
}

impl Level {
    /// The element of an OperationDefinition.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Type => "type",
            Self::Instance => "instance",
        }
    }
}

/// What the body of a POST is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyForm {
    /// Parameters, or the one resource that is a parameter.
    Fhir,
    /// Also these media types, which the operation reads itself.
    Also(&'static [&'static str]),
}

/// An operation as this server has it.
#[derive(Debug)]
pub struct Operation {
    /// Canonical URL of its OperationDefinition.
    pub definition: &'static str,
    /// Those of the definition's levels that are here.
    pub levels: &'static [Level],
    /// What it does shows afterwards: POST only.
    pub affects_state: bool,
    /// Parameters of a search may come with its own.
    pub takes_search: bool,
    /// Also on a version: `Patient/1/_history/2/$meta`.
    pub on_versions: bool,
    /// What a POST may bring.
    pub body: BodyForm,
    /// The media type of its answer, when that is no resource.
    pub answers: Option<&'static str>,
    /// Parameters of the URL beside those of the definition, for pages.
    pub controls: &'static [&'static str],
    /// Does it.
    pub run: fn(Call<'_>) -> Result<OperationAnswer, Rejection>,
}

impl Operation {
    /// One that only reads.
    #[must_use]
    pub const fn reading(
        definition: &'static str,
        levels: &'static [Level],
        run: fn(Call<'_>) -> Result<OperationAnswer, Rejection>,
    ) -> Self {
        Self {
            definition,
            levels,
            affects_state: false,
            takes_search: false,
            on_versions: false,
            body: BodyForm::Fhir,
            answers: None,
            controls: &[],
            run,
        }
    }

    /// One that writes.
    #[must_use]
    pub const fn writing(
        definition: &'static str,
        levels: &'static [Level],
        run: fn(Call<'_>) -> Result<OperationAnswer, Rejection>,
    ) -> Self {
        Self { affects_state: true, ..Self::reading(definition, levels, run) }
    }
}

/// One parameter of an operation.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Least number.
    pub min: u32,
    /// Most; `None` for any number.
    pub max: Option<u32>,
    /// Type; `None` when it has parts.
    pub kind: Option<String>,
    /// What it is for.
    pub documentation: String,
    /// Its parts.
    pub parts: Vec<Parameter>,
}

/// An operation with what its definition says.
#[derive(Debug)]
pub struct Described {
    /// The entry of the table.
    pub operation: &'static Operation,
    /// The name behind the `$`.
    pub name: String,
    /// A title for people.
    pub title: String,
    /// What it does, Markdown.
    pub description: String,
    /// The types it works on; empty for all.
    pub types: Vec<String>,
    /// What goes in.
    pub inputs: Vec<Parameter>,
    /// What comes out.
    pub outputs: Vec<Parameter>,
}

impl Described {
    fn of(operation: &'static Operation) -> Option<Self> {
        let definition = definition(operation.definition)?;
        let parameters = |way: &str| {
            definition.list("parameter").iter().filter(|found| found.text("use") == Some(way)).map(parameter).collect()
        };
        let types = definition.list("resource").iter().filter_map(Node::as_str).map(str::to_owned);
        Some(Self {
            operation,
            name: definition.text("code")?.to_owned(),
            title: definition.text("title").or(definition.text("name")).unwrap_or_default().to_owned(),
            description: definition.text("description").unwrap_or_default().to_owned(),
            types: types.filter(|name| definitions().resource(name).is_some()).collect(),
            inputs: parameters("in"),
            outputs: parameters("out"),
        })
    }

    /// Whether it can be invoked there; `type_name` is none at the system level.
    #[must_use]
    pub fn is_at(&self, level: Level, type_name: Option<&str>) -> bool {
        let of_type = type_name.is_none_or(|name| self.types.is_empty() || self.types.iter().any(|own| own == name));
        self.operation.levels.contains(&level) && of_type
    }

    /// Whether it goes by GET: it reads, and what it needs fits in a URL.
    #[must_use]
    pub fn goes_by_get(&self) -> bool {
        let is_simple = |parameter: &Parameter| parameter.kind.as_deref().is_some_and(is_primitive);
        !self.operation.affects_state && self.inputs.iter().all(|input| input.min == 0 || is_simple(input))
    }

    /// Every place it can be invoked at, below the base.
    #[must_use]
    pub fn places(&self) -> String {
        let on = if self.types.is_empty() { "[type]".to_owned() } else { self.types.join("|") };
        let places = self.operation.levels.iter().map(|level| match level {
            Level::System => format!("[base]/${}", self.name),
            Level::Type => format!("[base]/{on}/${}", self.name),
            Level::Instance => format!("[base]/{on}/[id]/${}", self.name),
        });
        places.collect::<Vec<_>>().join(", ")
    }
}

/// Whether a type is primitive.
#[must_use]
pub fn is_primitive(type_name: &str) -> bool {
    crate::r4::primitives::Primitive::by_name(type_name).is_some()
}

fn parameter(node: &Node<'_>) -> Parameter {
    let max = match node.text("max") {
        Some("*") | None => None,
        Some(digits) => digits.parse().ok(),
    };
    let min = match node.get("min") {
        Some(Node::Number(digits)) => digits.parse().unwrap_or(0),
        _ => 0,
    };
    Parameter {
        name: node.text("name").unwrap_or_default().to_owned(),
        min,
        max,
        kind: node.text("type").map(str::to_owned),
        documentation: node.text("documentation").unwrap_or_default().to_owned(),
        parts: node.list("part").iter().map(parameter).collect(),
    }
}

/// All operations, described. Prepared once.
#[must_use]
pub fn operations() -> &'static [Described] {
    static ALL: OnceLock<Vec<Described>> = OnceLock::new();
    ALL.get_or_init(|| ROOMS.iter().copied().flatten().filter_map(Described::of).collect())
}

/// The definitions that are ours, as a source of definitions by canonical URL.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnDefinitions;

fn own() -> &'static [Definition] {
    static READ: OnceLock<Vec<Definition>> = OnceLock::new();
    READ.get_or_init(|| {
        let read = OWN.iter().filter_map(|text| json::parse(text.as_bytes()).ok());
        read.map(|node| Arc::new(node.into_owned())).collect()
    })
}

impl Canonicals for OwnDefinitions {
    fn find(&self, resource_type: &str, url: &str, version: Option<&str>) -> Option<Definition> {
        let fits = |found: &&Definition| {
            found.text("resourceType") == Some(resource_type)
                && found.text("url") == Some(url)
                && version.is_none_or(|version| found.text("version") == Some(version))
        };
        own().iter().find(fits).map(Arc::clone)
    }

    fn list(&self, resource_type: &str) -> Vec<(String, Option<String>)> {
        let of_type = own().iter().filter(|found| found.text("resourceType") == Some(resource_type));
        of_type
            .filter_map(|found| Some((found.text("url")?.to_owned(), found.text("version").map(str::to_owned))))
            .collect()
    }
}

fn definition(url: &str) -> Option<Definition> {
    let kind = "OperationDefinition";
    OwnDefinitions.find(kind, url, None).or_else(|| standard().find(kind, url, None))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::validation::structure::check_resource;

    /// Every entry has a definition, and claims no level or type that the definition does not have.
    #[test]
    fn the_table_is_what_the_definitions_say() {
        assert_eq!(operations().len(), ROOMS.iter().map(|room| room.len()).sum::<usize>());
        let mut seen = HashSet::new();
        for described in operations() {
            let definition = definition(described.operation.definition).unwrap();
            assert!(!described.operation.levels.is_empty());
            for level in described.operation.levels {
                assert_eq!(definition.get(level.code()).and_then(Node::as_bool), Some(true), "{}", described.name);
                assert!(seen.insert((described.name.clone(), level.code(), described.types.clone())));
            }
        }
    }

    #[test]
    fn our_own_definitions_are_valid() {
        assert_eq!(own().len(), OWN.len());
        for definition in own() {
            assert_eq!(check_resource(definition, Some("OperationDefinition")).map(|_| ()), Ok(()));
            let url = definition.text("url").unwrap();
            assert!(OwnDefinitions.find("OperationDefinition", url, definition.text("version")).is_some());
        }
    }
}
