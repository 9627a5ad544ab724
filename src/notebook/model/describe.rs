//! The mapping told from itself: what each field of an entity is in FHIR. The paths are those of the table; what a
//! field really writes is probed (an entry with it and without it, compared), so that what is told cannot differ
//! from what is done.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Cell, Field, FieldKind, Fill, Mapping, citizen_mapping, mappings};
use crate::format::json::Node;
use crate::r4::definitions;

/// Stands for the id of the citizen.
const CITIZEN: &str = "[citizen]";

/// How a field and FHIR go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// What is written in the notebook becomes this, and this is shown.
    Both,
    /// It is shown, and changed where it is there; new entries become the first source.
    ShownAndChanged,
    /// The resource has no place for it.
    Nowhere,
}

impl Direction {
    /// Code, Japanese, English.
    #[must_use]
    pub const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Both => ("both", "双方向", "both ways"),
            Self::ShownAndChanged => {
                ("shown-and-changed", "表示・変更（新規は別の型）", "shown and changed; new ones are of the first type")
            }
            Self::Nowhere => ("nowhere", "置く場所なし", "no place"),
        }
    }
}

/// A field in a source.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The field.
    pub field: &'static Field,
    /// FHIRPath of the place; empty without one.
    pub path: String,
    /// Its FHIR type.
    pub fhir_type: &'static str,
    /// How they go together.
    pub direction: Direction,
    /// Elements of FHIR that appear when it is written (probed; the first source).
    pub writes: Vec<String>,
    /// The code system at its place, when it is a fixed one.
    pub system: Option<&'static str>,
}

/// One source of an entity.
#[derive(Debug, Clone)]
pub struct Described {
    /// The resource type.
    pub resource: &'static str,
    /// FHIRPath of the items that are entries; empty when the resource is one.
    pub items: String,
    /// Its fields, in the order of the entity.
    pub fields: Vec<Placed>,
    /// What makes a resource belong here: FHIRPath and value.
    pub requires: Vec<(String, String)>,
    /// What is written along whatever is said (probed; the first source): FHIRPath and value.
    pub along: Vec<(String, String)>,
    /// Elements of the type that no field shows; they stay in the resource and are named in a warning.
    pub unheld: Vec<&'static str>,
}

/// A path of the table as FHIRPath.
#[must_use]
pub fn fhirpath(path: &str) -> String {
    let mut steps = Vec::new();
    for part in super::super::lens::parts_of(path) {
        let part = part.trim_end_matches('*');
        let Some((name, keys)) = part.split_once('{') else {
            steps.push(part.to_owned());
            continue;
        };
        let condition = |key: &str| match key.split_once('=') {
            Some((name, text)) => format!("{name} = '{text}'"),
            None => format!("{key}.exists()"),
        };
        let conditions: Vec<String> = keys.trim_end_matches('}').split(',').map(condition).collect();
        steps.push(format!("{name}.where({})", conditions.join(" and ")));
    }
    steps.join(".")
}

/// All sources of an entity.
#[must_use]
pub fn describe(mapping: &Mapping) -> Vec<Described> {
    let entity = mapping.entity;
    let describe = |(number, source): (usize, &'static super::Source)| {
        let path_of = |name: &str| source.paths.iter().find(|(known, _)| *known == name).map(|(_, path)| *path);
        let field = |(place, field): (usize, &'static Field)| {
            let path = path_of(field.name);
            Placed {
                field,
                path: path.map(fhirpath).unwrap_or_default(),
                fhir_type: mapping.fhir_type_in(number, place).unwrap_or_default(),
                direction: match (path, number) {
                    (None, _) => Direction::Nowhere,
                    (Some(_), 0) => Direction::Both,
                    (Some(_), _) => Direction::ShownAndChanged,
                },
                writes: if number == 0 { writes(mapping, place) } else { Vec::new() },
                system: path.and_then(system),
            }
        };
        let mut requires: Vec<(String, String)> =
            source.fixed.iter().map(|(path, text)| (fhirpath(path), (*text).to_owned())).collect();
        requires.extend(source.present.iter().map(|path| (fhirpath(path), "exists".to_owned())));
        requires.extend(source.absent.iter().map(|path| (fhirpath(path), "empty".to_owned())));
        Described {
            resource: source.resource,
            items: fhirpath(source.per),
            fields: entity.fields.iter().enumerate().map(field).collect(),
            requires,
            along: if number == 0 { along(mapping) } else { Vec::new() },
            unheld: unheld(source),
        }
    };
    entity.sources.iter().enumerate().map(describe).collect()
}

/// The system that the path itself names for a code.
fn system(path: &'static str) -> Option<&'static str> {
    let (_, system) = path.strip_suffix("}.code")?.rsplit_once("{system=")?;
    Some(system)
}

/// A value for a field.
fn sample(field: &Field) -> Cell {
    match field.kind {
        FieldKind::Text => Cell::Text("text".to_owned()),
        FieldKind::Code => Cell::Text("code".to_owned()),
        FieldKind::Date => Cell::Date("2026-05-01T10:00:00+09:00".to_owned(), None),
        FieldKind::Decimal => Cell::Text("1".to_owned()),
        FieldKind::Integer | FieldKind::Boolean => Cell::Integer(1),
        FieldKind::Reference(types) => Cell::Text(format!("{}/1", types.first().unwrap_or(&"Resource"))),
        FieldKind::References(types) => Cell::Texts(vec![format!("{}/1", types.first().unwrap_or(&"Resource"))]),
    }
}

fn made(mapping: &Mapping, cells: &[Cell]) -> Node<'static> {
    if mapping.is_of_items() { mapping.to_item(cells) } else { mapping.to_fhir(cells, CITIZEN, None) }
}

/// The elements that appear with a field.
fn writes(mapping: &Mapping, place: usize) -> Vec<String> {
    let nothing = vec![Cell::Nothing; mapping.entity.fields.len()];
    let mut with = nothing.clone();
    if let (Some(cell), Some(field)) = (with.get_mut(place), mapping.entity.fields.get(place)) {
        *cell = sample(field);
    }
    let before = leaves(&made(mapping, &nothing));
    let after = leaves(&made(mapping, &with));
    after.into_iter().filter(|(path, values)| before.get(path) != Some(values)).map(|(path, _)| path).collect()
}

/// What is written when nothing is said.
fn along(mapping: &Mapping) -> Vec<(String, String)> {
    let nothing = vec![Cell::Nothing; mapping.entity.fields.len()];
    let found = leaves(&made(mapping, &nothing));
    found.into_iter().flat_map(|(path, values)| values.into_iter().map(move |value| (path.clone(), value))).collect()
}

/// The values of a tree, by their path without places in lists.
fn leaves(node: &Node<'_>) -> BTreeMap<String, Vec<String>> {
    fn walk(node: &Node<'_>, at: &str, found: &mut BTreeMap<String, Vec<String>>) {
        match node {
            Node::Object(members) => {
                for (name, value) in members.iter().filter(|(name, _)| name != "resourceType") {
                    let below = if at.is_empty() { name.to_string() } else { format!("{at}.{name}") };
                    walk(value, &below, found);
                }
            }
            Node::Array(items) => items.iter().for_each(|item| walk(item, at, found)),
            leaf => {
                let text =
                    leaf.as_str().map_or_else(|| String::from_utf8_lossy(&leaf.to_bytes()).into_owned(), str::to_owned);
                found.entry(at.to_owned()).or_default().push(text);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(node, "", &mut found);
    found
}

/// Elements of the type at whose place no path begins.
fn unheld(source: &'static super::Source) -> Vec<&'static str> {
    let tables = definitions();
    let Some(id) = tables.resource(source.resource) else { return Vec::new() };
    let first = |path: &'static str| path.split(['.', '{', '*']).next().unwrap_or_default();
    let mut held: Vec<&str> =
        vec!["id", "meta", "implicitRules", "language", "text", "contained", first(source.citizen), first(source.per)];
    held.extend(source.fixed.iter().chain(source.defaults).map(|(path, _)| first(path)));
    if source.per.is_empty() {
        held.extend(source.paths.iter().map(|(_, path)| first(path)));
    }
    // `valueQuantity` holds (one form of) the choice `value[x]`.
    let holds = |known: &str, name: &str, is_choice: bool| match known.strip_prefix(name) {
        Some("") => true,
        Some(rest) => is_choice && rest.starts_with(|letter: char| letter.is_ascii_uppercase()),
        None => false,
    };
    let elements = tables.get(id).elements.iter();
    let unheld = elements.filter(|element| !held.iter().any(|known| holds(known, &element.name, element.is_choice)));
    unheld.map(|element| element.name.as_str()).collect()
}

/// An entity as JSON, field by field, with codes.
#[must_use]
pub fn to_json(mapping: &Mapping) -> Value {
    let entity = mapping.entity;
    let sources = describe(mapping).into_iter().enumerate().map(|(number, source)| {
        let fields = source.fields.iter().enumerate().map(|(place, placed)| field_json(mapping, number, place, placed));
        let pairs = |pairs: &[(String, String)]| -> Vec<Value> {
            pairs.iter().map(|(path, value)| json!({ "path": path, "value": value })).collect()
        };
        json!({
            "resource": source.resource,
            "isWritten": number == 0,
            "items": source.items,
            "requires": pairs(&source.requires),
            "writtenAlong": pairs(&source.along),
            "fields": fields.collect::<Vec<_>>(),
            "notHeld": source.unheld,
        })
    });
    json!({
        "entity": entity.name,
        "ja": entity.ja,
        "en": entity.en,
        "table": mapping.table.name,
        "profile": Some(entity.profile).filter(|id| !id.is_empty()).map(|id| format!("{}/StructureDefinition/{id}", crate::r4::guide::CANONICAL)),
        "aboutCitizen": mapping.is_about_citizen(),
        "sources": sources.collect::<Vec<_>>(),
    })
}

fn field_json(mapping: &Mapping, source: usize, place: usize, placed: &Placed) -> Value {
    let field = placed.field;
    let codes = mapping.codes(source, place).map(|codes| {
        let code = |known: &super::codes::NamedCode| json!({ "code": known.code, "ja": known.ja, "en": known.en });
        codes.iter().map(code).collect::<Vec<_>>()
    });
    let types = match field.kind {
        FieldKind::Reference(types) | FieldKind::References(types) => Some(types),
        _ => None,
    };
    let mut value = Map::new();
    for (name, member) in [
        ("field", json!(field.name)),
        ("ja", json!(field.ja)),
        ("en", json!(field.en)),
        ("kind", json!(kind_name(field.kind))),
        ("required", json!(field.required)),
        (
            "filledWith",
            json!(match field.fill {
                Fill::Nothing => None,
                Fill::Member => Some("member"),
                Fill::Now => Some("now"),
            }),
        ),
        ("direction", json!(placed.direction.names().0)),
        ("path", json!(Some(&placed.path).filter(|path| !path.is_empty()))),
        ("fhirType", json!(Some(placed.fhir_type).filter(|name| !name.is_empty()))),
        ("writes", json!(placed.writes)),
        ("system", json!(placed.system)),
        ("codes", json!(codes)),
        ("references", json!(types)),
    ] {
        if !member.is_null() {
            value.insert(name.to_owned(), member);
        }
    }
    Value::Object(value)
}

/// What a kind of field is called.
#[must_use]
pub const fn kind_name(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Text => "text",
        FieldKind::Code => "code",
        FieldKind::Date => "date",
        FieldKind::Decimal => "decimal",
        FieldKind::Integer => "integer",
        FieldKind::Boolean => "boolean",
        FieldKind::Reference(_) => "reference",
        FieldKind::References(_) => "references",
    }
}

/// All entities, the citizen first.
pub fn all() -> impl Iterator<Item = &'static Mapping> + Clone {
    std::iter::once(citizen_mapping()).chain(mappings())
}

#[cfg(test)]
mod tests {
    use super::super::mapping;
    use super::*;

    #[test]
    fn paths_are_told_as_fhirpath() {
        assert_eq!(
            fhirpath("payload{contentReference}*.contentReference"),
            "payload.where(contentReference.exists()).contentReference"
        );
        assert_eq!(fhirpath("identifier{system=urn:x.y}.value"), "identifier.where(system = 'urn:x.y').value");
        assert_eq!(fhirpath("recipient*"), "recipient");
    }

    /// What a field writes, found by writing it, is at the place that the table names, and what is written there
    /// is read back.
    #[test]
    fn what_is_told_is_what_is_written() {
        for mapping in all() {
            for placed in &describe(mapping)[0].fields {
                let entity = mapping.entity.name;
                let name = placed.field.name;
                if placed.direction == Direction::Nowhere {
                    assert!(placed.writes.is_empty(), "{entity}.{name}");
                    continue;
                }
                let path = mapping.entity.sources[0].paths.iter().find(|(known, _)| *known == name).unwrap().1;
                let plain: Vec<&str> = super::super::super::lens::parts_of(path)
                    .into_iter()
                    .map(|part| part.split(['{', '*']).next().unwrap())
                    .collect();
                let plain = plain.join(".");
                let is_there =
                    placed.writes.iter().any(|written| *written == plain || written.starts_with(&format!("{plain}.")));
                assert!(is_there, "{entity}.{name}: {plain} is not in {:?}", placed.writes);
                let place = mapping.entity.fields.iter().position(|field| field.name == name).unwrap();
                let mut cells = vec![Cell::Nothing; mapping.entity.fields.len()];
                cells[place] = sample(placed.field);
                if !mapping.is_of_items() {
                    let resource = mapping.to_fhir(&cells, CITIZEN, None);
                    let shown = super::super::cells(mapping.entity, &mapping.sources[0], &resource);
                    let text = |cell: &Cell| match cell {
                        Cell::Date(text, _) => text.clone(),
                        other => format!("{other:?}"),
                    };
                    assert_eq!(text(&shown[place]), text(&cells[place]), "{entity}.{name}");
                }
            }
        }
    }

    #[test]
    fn what_has_no_field_is_named() {
        let visit = describe(mapping("visit").unwrap());
        assert_eq!(
            visit[0].fields.iter().find(|placed| placed.field.name == "facility").unwrap().direction,
            Direction::Nowhere
        );
        assert_eq!(
            visit[1].fields.iter().find(|placed| placed.field.name == "facility").unwrap().direction,
            Direction::ShownAndChanged
        );
        assert!(
            visit[0].unheld.contains(&"slot") && !visit[0].unheld.contains(&"participant"),
            "{:?}",
            visit[0].unheld
        );
        let measurement = describe(mapping("measurement").unwrap());
        let unheld = &measurement[0].unheld;
        assert!(unheld.contains(&"referenceRange"), "{unheld:?}");
        assert!(unheld.iter().all(|name| !name.starts_with("value") && !name.starts_with("effective")), "{unheld:?}");
        assert!(measurement[0].along.contains(&("status".to_owned(), "final".to_owned())));
    }
}
