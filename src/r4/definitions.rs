//! Types and elements as tables, loaded once from the pack.
//!
//! Every complex element with children of its own (`Patient.contact`) is a type named by its path,
//! so that walking a resource is one lookup a member: [`TypeDef::field`] takes the JSON name
//! (`valueQuantity`) and answers element, type and cardinality. Content references point at the
//! type they name.

use std::collections::HashMap;
use std::sync::OnceLock;

use foldhash::fast::RandomState;

use super::pack::{self, PackError, Section};
use super::parameters::{Compartment, SearchParameter};
use crate::format::json::{self, Node};

type FastMap<K, V> = HashMap<K, V, RandomState>;

/// A type by its place in the tables; stable within one process only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub u16);

/// What a type is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `Patient`
    Resource,
    /// `HumanName`
    Complex,
    /// `Patient.contact`
    Backbone,
    /// `string`; its JSON form is a bare value
    Primitive,
    /// `System.String`: the value inside a primitive, ids and URLs of elements
    System,
}

/// One invariant.
#[derive(Debug, Clone)]
pub struct Invariant {
    /// For example `pat-1`.
    pub key: String,
    /// `error` or `warning`.
    pub is_error: bool,
    /// The rule in words.
    pub human: String,
    /// The rule in FHIRPath.
    pub expression: String,
}

/// A type with its elements.
#[derive(Debug)]
pub struct TypeDef {
    /// `Patient`, `HumanName`, `string`, or a path such as `Patient.contact`.
    pub name: String,
    /// Resource, complex, …
    pub kind: Kind,
    /// Abstract types (`Resource`, `DomainResource`, `Element`) have no instances.
    pub is_abstract: bool,
    /// The type it specialises.
    pub base: Option<TypeId>,
    /// Elements in the order of the standard.
    pub elements: Vec<Element>,
    /// Invariants on the type itself.
    pub invariants: Vec<Invariant>,
    /// For primitives: the regular expression of the standard, where it states one.
    pub regex: Option<String>,
    fields: FastMap<String, Field>,
}

/// One element of a type.
#[derive(Debug)]
pub struct Element {
    /// `value` for `value[x]`.
    pub name: String,
    /// Whether it is a choice (`value[x]`).
    pub is_choice: bool,
    /// Least number of occurrences.
    pub min: u32,
    /// Whether it repeats (max is more than 1): then its JSON form is an array.
    pub is_array: bool,
    /// Whether it may not occur at all (max is 0).
    pub is_prohibited: bool,
    /// Part of `_summary=true`.
    pub is_summary: bool,
    /// Changes the meaning of what contains it.
    pub is_modifier: bool,
    /// The possible types, each with its JSON name (`valueQuantity`).
    pub types: Vec<ElementType>,
    /// Strength and value set of a binding.
    pub binding: Option<(String, String)>,
    /// The value set that codes must be in whatever the strength of the binding.
    pub max_value_set: Option<String>,
    /// Invariants on this element.
    pub invariants: Vec<Invariant>,
}

/// One type an element may have.
#[derive(Debug)]
pub struct ElementType {
    /// `valueQuantity` for a choice, `name` otherwise.
    pub json_name: String,
    /// The type.
    pub type_id: TypeId,
    /// For references and canonicals: the types (or profile URLs) they may point at; empty is any.
    pub targets: Vec<String>,
    /// Profiles on the type.
    pub profiles: Vec<String>,
}

/// Where a JSON member leads: element `elements[element]`, its `types[choice]`.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Index into [`TypeDef::elements`].
    pub element: u16,
    /// Index into [`Element::types`].
    pub choice: u16,
    /// The type of the value.
    pub type_id: TypeId,
    /// Whether the JSON form is an array.
    pub is_array: bool,
    /// Whether the value is primitive (and may have a `_name` sibling).
    pub is_primitive: bool,
}

impl TypeDef {
    /// Looks a JSON member name up (`birthDate`, `valueQuantity`; not `_birthDate`).
    #[must_use]
    pub fn field(&self, json_name: &str) -> Option<Field> {
        self.fields.get(json_name).copied()
    }

    /// The element a field belongs to.
    #[must_use]
    pub fn element(&self, field: Field) -> &Element {
        &self.elements[usize::from(field.element)]
    }
}

/// The whole standard, ready to be asked.
#[derive(Debug)]
pub struct Definitions {
    types: Vec<TypeDef>,
    names: FastMap<String, TypeId>,
    resources: Vec<TypeId>,
    /// All search parameters of the standard.
    pub parameters: Vec<SearchParameter>,
    /// The compartments: Patient, Encounter, Practitioner, RelatedPerson, Device.
    pub compartments: Vec<Compartment>,
}

/// The definitions, loaded at the first call (a few tens of milliseconds).
///
/// # Panics
/// When the pack built into the binary is damaged: the program cannot do anything then. A test
/// loads it.
#[must_use]
pub fn definitions() -> &'static Definitions {
    static DEFINITIONS: OnceLock<Definitions> = OnceLock::new();
    DEFINITIONS.get_or_init(|| match Definitions::load() {
        Ok(definitions) => definitions,
        Err(error) => panic!("{error}"),
    })
}

impl Definitions {
    /// The type with this name or path.
    #[must_use]
    pub fn type_id(&self, name: &str) -> Option<TypeId> {
        self.names.get(name).copied()
    }

    /// How many types there are; their ids count from 0.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// The type itself.
    #[must_use]
    pub fn get(&self, id: TypeId) -> &TypeDef {
        &self.types[usize::from(id.0)]
    }

    /// The type with this name or path.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&TypeDef> {
        self.type_id(name).map(|id| self.get(id))
    }

    /// A concrete resource type by its name (`Patient`); `None` for abstract and other types.
    #[must_use]
    pub fn resource(&self, name: &str) -> Option<TypeId> {
        let id = self.type_id(name)?;
        let definition = self.get(id);
        (definition.kind == Kind::Resource && !definition.is_abstract).then_some(id)
    }

    /// All concrete resource types in alphabetical order. The place of a type in this list plus
    /// one is its number in the database: the list is fixed by the standard.
    #[must_use]
    pub fn resources(&self) -> &[TypeId] {
        &self.resources
    }

    /// The number of a resource type in the database (1 = Account).
    #[must_use]
    pub fn resource_number(&self, name: &str) -> Option<u8> {
        let place = self.resources.binary_search_by(|id| self.get(*id).name.as_str().cmp(name)).ok()?;
        u8::try_from(place + 1).ok()
    }

    /// The resource type with a number of [`Self::resource_number`].
    #[must_use]
    pub fn resource_by_number(&self, number: u8) -> Option<&TypeDef> {
        let place = usize::from(number).checked_sub(1)?;
        self.resources.get(place).map(|id| self.get(*id))
    }

    /// Whether `id` is `ancestor` or specialises it.
    #[must_use]
    pub fn is_a(&self, id: TypeId, ancestor: TypeId) -> bool {
        let mut current = Some(id);
        while let Some(candidate) = current {
            if candidate == ancestor {
                return true;
            }
            current = self.get(candidate).base;
        }
        false
    }

    fn load() -> Result<Self, PackError> {
        let types = pack::section(Section::Types)?;
        let lines = parse_lines(&types)?;
        let mut builder = Builder::default();
        builder.declare(&lines);
        for line in &lines {
            builder.fill(line)?;
        }
        let mut resources: Vec<TypeId> = (0..builder.types.len())
            .filter_map(|place| u16::try_from(place).ok().map(TypeId))
            .filter(|id| {
                let definition = &builder.types[usize::from(id.0)];
                definition.kind == Kind::Resource && !definition.is_abstract
            })
            .collect();
        resources.sort_by(|left, right| {
            builder.types[usize::from(left.0)].name.cmp(&builder.types[usize::from(right.0)].name)
        });
        let search = pack::section(Section::Search)?;
        let search = parse_lines(&search)?;
        Ok(Self {
            types: builder.types,
            names: builder.names,
            resources,
            parameters: search.iter().filter_map(SearchParameter::read).collect(),
            compartments: search.iter().filter_map(Compartment::read).collect(),
        })
    }
}

fn parse_lines(text: &[u8]) -> Result<Vec<Node<'_>>, PackError> {
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| json::parse(line).map_err(|error| PackError(error.to_string())))
        .collect()
}

#[derive(Default)]
struct Builder {
    types: Vec<TypeDef>,
    names: FastMap<String, TypeId>,
}

impl Builder {
    fn add(&mut self, name: &str, kind: Kind, is_abstract: bool) -> TypeId {
        if let Some(id) = self.names.get(name) {
            return *id;
        }
        let id = TypeId(u16::try_from(self.types.len()).unwrap_or(u16::MAX));
        self.types.push(TypeDef {
            name: name.to_owned(),
            kind,
            is_abstract,
            base: None,
            elements: Vec::new(),
            invariants: Vec::new(),
            regex: None,
            fields: FastMap::default(),
        });
        self.names.insert(name.to_owned(), id);
        id
    }

    /// Gives every type, and every element that has children, its id.
    fn declare(&mut self, lines: &[Node<'_>]) {
        for line in lines {
            let kind = match line.text("kind") {
                Some("resource") => Kind::Resource,
                Some("primitive-type") => Kind::Primitive,
                _ => Kind::Complex,
            };
            let is_abstract = line.get("abstract").and_then(Node::as_bool).unwrap_or(false);
            let name = line.text("name").unwrap_or_default();
            self.add(name, kind, is_abstract);
            if kind == Kind::Primitive {
                continue;
            }
            let paths: Vec<&str> = line.list("elements").iter().filter_map(|element| element.text("p")).collect();
            for pair in paths.windows(2) {
                if let [parent, child] = pair
                    && parent.contains('.')
                    && child.strip_prefix(parent).is_some_and(|rest| rest.starts_with('.'))
                {
                    self.add(parent, Kind::Backbone, false);
                }
            }
        }
        for system in [
            "System.String",
            "System.Boolean",
            "System.Integer",
            "System.Decimal",
            "System.Date",
            "System.DateTime",
            "System.Time",
            "System.Quantity",
        ] {
            self.add(system, Kind::System, false);
        }
    }

    fn fill(&mut self, line: &Node<'_>) -> Result<(), PackError> {
        let name = line.text("name").unwrap_or_default();
        let Some(own) = self.names.get(name).copied() else { return Ok(()) };
        let base = line.text("base").and_then(|base| self.names.get(base).copied());
        self.types[usize::from(own.0)].base = base;
        self.types[usize::from(own.0)].invariants = invariants(line.list("constraints"));
        let is_primitive = self.types[usize::from(own.0)].kind == Kind::Primitive;
        let primitive = bare_kinds(&self.types);
        for element in line.list("elements") {
            let path = element.text("p").unwrap_or_default();
            let Some((parent, child)) = path.rsplit_once('.') else {
                let definition = &mut self.types[usize::from(own.0)];
                if definition.invariants.is_empty() {
                    definition.invariants = invariants(element.list("inv"));
                }
                continue;
            };
            if is_primitive {
                if child == "value" {
                    let regex = element.list("t").first().and_then(|t| t.text("re")).or_else(|| element.text("re"));
                    self.types[usize::from(own.0)].regex = regex.map(str::to_owned);
                }
                if child == "value" {
                    continue;
                }
            }
            let parent = self.names.get(parent).copied().unwrap_or(own);
            let nested = if is_primitive { None } else { self.names.get(path).copied() };
            if let Some(nested) = nested {
                let backbone = element.list("t").first().and_then(|t| t.text("c")).unwrap_or("Element");
                self.types[usize::from(nested.0)].base = self.names.get(backbone).copied();
            }
            let built = self.element(child, element, nested)?;
            self.types[usize::from(parent.0)].push(built, &primitive);
        }
        Ok(())
    }

    fn element(&self, child: &str, element: &Node<'_>, nested: Option<TypeId>) -> Result<Element, PackError> {
        let (name, is_choice) = match child.strip_suffix("[x]") {
            Some(name) => (name, true),
            None => (child, false),
        };
        let unknown = |what: &str| PackError(format!("element {child} names the unknown type {what}"));
        let mut types = Vec::new();
        if let Some(reference) = element.text("ref") {
            let type_id = *self.names.get(reference).ok_or_else(|| unknown(reference))?;
            types.push(ElementType { json_name: name.to_owned(), type_id, targets: Vec::new(), profiles: Vec::new() });
        }
        for choice in element.list("t") {
            let code = choice.text("c").unwrap_or_default();
            let type_id = match nested {
                Some(nested) => nested,
                None => *self.names.get(code).ok_or_else(|| unknown(code))?,
            };
            let strings = |name: &str| choice.list(name).iter().filter_map(Node::as_str).map(str::to_owned).collect();
            let json_name = if is_choice { format!("{name}{}", capitalised(code)) } else { name.to_owned() };
            types.push(ElementType { json_name, type_id, targets: strings("tp"), profiles: strings("pr") });
        }
        let binding = match element.list("b") {
            [strength, value_set] => Some((
                strength.as_str().unwrap_or_default().to_owned(),
                value_set.as_str().unwrap_or_default().to_owned(),
            )),
            _ => None,
        };
        let max = element.text("max").unwrap_or("1");
        Ok(Element {
            name: name.to_owned(),
            is_choice,
            min: match element.get("min") {
                Some(Node::Number(digits)) => digits.parse().unwrap_or(0),
                _ => 0,
            },
            is_array: !matches!(max, "0" | "1"),
            is_prohibited: max == "0",
            is_summary: element.get("s").is_some(),
            is_modifier: element.get("m").is_some(),
            types,
            binding,
            max_value_set: element.text("bm").map(str::to_owned),
            invariants: invariants(element.list("inv")),
        })
    }
}

/// Which types have a bare value as their JSON form.
fn bare_kinds(types: &[TypeDef]) -> Vec<bool> {
    types.iter().map(|definition| matches!(definition.kind, Kind::Primitive | Kind::System)).collect()
}

impl TypeDef {
    fn push(&mut self, element: Element, primitive: &[bool]) {
        let place = u16::try_from(self.elements.len()).unwrap_or(u16::MAX);
        for (choice, possible) in element.types.iter().enumerate() {
            let field = Field {
                element: place,
                choice: u16::try_from(choice).unwrap_or(u16::MAX),
                type_id: possible.type_id,
                is_array: element.is_array,
                is_primitive: primitive.get(usize::from(possible.type_id.0)).copied().unwrap_or(false),
            };
            self.fields.insert(possible.json_name.clone(), field);
        }
        self.elements.push(element);
    }
}

fn invariants(list: &[Node<'_>]) -> Vec<Invariant> {
    list.iter()
        .map(|entry| {
            let text = |name: &str| entry.text(name).unwrap_or_default().to_owned();
            Invariant {
                key: text("k"),
                is_error: entry.text("s") == Some("error"),
                human: text("h"),
                expression: text("x"),
            }
        })
        .collect()
}

fn capitalised(code: &str) -> String {
    let mut letters = code.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_has_146_concrete_resource_types() {
        let all = definitions();
        assert_eq!(all.resources().len(), 146);
        assert_eq!(all.resource_number("Account"), Some(1));
        assert_eq!(all.resource_number("VisionPrescription"), Some(146));
        assert_eq!(all.resource_by_number(1).unwrap().name, "Account");
        assert!(all.resource("DomainResource").is_none() && all.resource("HumanName").is_none());
    }

    #[test]
    fn members_lead_to_their_types() {
        let all = definitions();
        let patient = all.find("Patient").unwrap();
        let contact = patient.field("contact").unwrap();
        assert!(contact.is_array && !contact.is_primitive);
        assert_eq!(all.get(contact.type_id).name, "Patient.contact");
        let observation = all.find("Observation").unwrap();
        let value = observation.field("valueQuantity").unwrap();
        assert_eq!(all.get(value.type_id).name, "Quantity");
        assert_eq!(observation.element(value).name, "value");
        assert!(observation.field("value").is_none() && observation.field("valueFoo").is_none());
        let bundle = all.find("Bundle.entry").unwrap();
        assert_eq!(all.get(bundle.field("link").unwrap().type_id).name, "Bundle.link");
        let age = all.type_id("Age").unwrap();
        assert!(all.is_a(age, all.type_id("Quantity").unwrap()));
        assert!(all.find("HumanName").unwrap().field("family").unwrap().is_primitive);
        assert!(patient.field("id").is_some() && patient.field("extension").is_some());
    }
}
