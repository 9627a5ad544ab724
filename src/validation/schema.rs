//! JSON Schemas (draft 2020-12) of the resource types, from the same tables the walk of
//! [`super::structure`] uses: for those who check what they send before they send it, in any language.
//!
//! A schema says names, cardinality, choice, shapes and the forms of primitives. What it cannot say is
//! left to the walk: dates that are not in the calendar, narratives, nulls that pair up with `_name`,
//! the content of contained resources in the schema of a single type ([`of_type`]; that of all types
//! ([`of_all`]) looks into them).

mod profile;

use std::collections::BTreeSet;

pub(super) use profile::of_profile;
use serde_json::{Map, Value, json};

use crate::r4::definitions::{Definitions, Element, ElementType, Kind, TypeDef, TypeId, definitions};
use crate::r4::primitives::Primitive;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// No control characters but tab and line ends.
const TEXT: &str = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F]*$";

/// The schema of a resource type, complete in itself; `None` for what is not a resource type.
#[must_use]
pub fn of_type(name: &str) -> Option<Value> {
    let tables = definitions();
    let root = tables.resource(name)?;
    let mut schema = document(tables, BTreeSet::from([root]), false);
    schema.insert("title".to_owned(), json!(format!("FHIR R4 (4.0.1) {name}")));
    schema.insert("$ref".to_owned(), json!(pointer(tables, root)));
    Some(Value::Object(schema))
}

/// One schema for every resource type, told apart by `resourceType`; contained resources and entries
/// of bundles are looked into.
#[must_use]
pub fn of_all() -> Value {
    let tables = definitions();
    let mut schema = document(tables, tables.resources().iter().copied().collect(), true);
    schema.insert("title".to_owned(), json!("FHIR R4 (4.0.1) resources"));
    schema.insert("$ref".to_owned(), json!("#/$defs/Resource"));
    Value::Object(schema)
}

fn pointer(tables: &Definitions, id: TypeId) -> String {
    format!("#/$defs/{}", tables.get(id).name)
}

/// The definitions of `roots` and of all they lead to.
fn document(tables: &Definitions, roots: BTreeSet<TypeId>, looks_into_resources: bool) -> Map<String, Value> {
    let mut waiting: Vec<TypeId> = roots.iter().copied().collect();
    let mut seen = roots;
    let mut definitions = Map::new();
    while let Some(id) = waiting.pop() {
        let definition = tables.get(id);
        definitions.insert(definition.name.clone(), of_definition(tables, definition, looks_into_resources));
        let inner = definition.elements.iter().filter(|element| !element.is_prohibited).flat_map(|e| &e.types);
        for inner in inner.map(|inner| inner.type_id).chain(tables.type_id("Element")) {
            if seen.insert(inner) {
                waiting.push(inner);
            }
        }
    }
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!(DIALECT));
    schema.insert("$defs".to_owned(), Value::Object(definitions));
    schema
}

fn of_definition(tables: &Definitions, definition: &TypeDef, looks_into_resources: bool) -> Value {
    if let Some(primitive) = Primitive::by_name(&definition.name) {
        return of_primitive(primitive, definition.regex.as_deref());
    }
    match definition.kind {
        Kind::System => json!({ "type": "string", "minLength": 1 }),
        Kind::Resource if definition.is_abstract => any_resource(tables, looks_into_resources),
        _ => of_object(tables, definition),
    }
}

/// What may stand wherever any resource may.
fn any_resource(tables: &Definitions, looks_into_resources: bool) -> Value {
    let names: Vec<&str> = tables.resources().iter().map(|id| tables.get(*id).name.as_str()).collect();
    let mut schema = json!({
        "type": "object",
        "properties": { "resourceType": { "enum": names } },
        "required": ["resourceType"]
    });
    if looks_into_resources {
        let branch = |name: &&str| {
            json!({
                "if": { "properties": { "resourceType": { "const": name } }, "required": ["resourceType"] },
                "then": { "$ref": format!("#/$defs/{name}") }
            })
        };
        schema["allOf"] = names.iter().map(branch).collect();
    }
    schema
}

fn of_primitive(primitive: Primitive, regex: Option<&str>) -> Value {
    match primitive {
        Primitive::Boolean => json!({ "type": "boolean" }),
        Primitive::Decimal => json!({ "type": "number" }),
        Primitive::Integer => json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX }),
        Primitive::UnsignedInt => json!({ "type": "integer", "minimum": 0, "maximum": i32::MAX }),
        Primitive::PositiveInt => json!({ "type": "integer", "minimum": 1, "maximum": i32::MAX }),
        // The standard's own expression takes time that grows without bound in many engines.
        Primitive::Base64Binary => json!({ "type": "string", "minLength": 1, "pattern": "^[0-9A-Za-z+/=\\s]*$" }),
        // The standard's `\\S` leaves out the full-width space in most engines, which Japanese names have.
        Primitive::String | Primitive::Markdown => json!({ "type": "string", "minLength": 1, "pattern": TEXT }),
        _ => match regex {
            Some(regex) => json!({ "type": "string", "minLength": 1, "pattern": format!("^(?:{regex})$") }),
            None => json!({ "type": "string", "minLength": 1 }),
        },
    }
}

fn of_object(tables: &Definitions, definition: &TypeDef) -> Value {
    let mut properties = Map::new();
    let mut rules: Vec<Value> = Vec::new();
    let mut required: Vec<&str> = Vec::new();
    if definition.kind == Kind::Resource {
        properties.insert("resourceType".to_owned(), json!({ "const": definition.name }));
        required.push("resourceType");
    }
    for element in definition.elements.iter().filter(|element| !element.is_prohibited) {
        for choice in &element.types {
            member(tables, definition, element, choice, &mut properties);
        }
        rules.extend(presence(tables, element, &mut required));
    }
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if definition.name == "Extension" {
        rules.push(json!({ "not": { "required": ["extension"], "anyOf": values(tables, definition, "value") } }));
    }
    if !rules.is_empty() {
        schema["allOf"] = Value::Array(rules);
    }
    // Nothing is empty (FHIR R4 json.html): an element has a value, children or both.
    schema["minProperties"] = json!(1);
    schema
}

/// `name` and, for primitives, `_name`.
fn member(
    tables: &Definitions,
    owner: &TypeDef,
    element: &Element,
    choice: &ElementType,
    properties: &mut Map<String, Value>,
) {
    let one = if owner.kind == Kind::Resource && element.name == "id" {
        of_primitive(Primitive::Id, tables.find("id").and_then(|id| id.regex.as_deref()))
    } else {
        json!({ "$ref": pointer(tables, choice.type_id) })
    };
    let is_primitive = is_primitive(tables, choice);
    if !is_primitive {
        let value = if element.is_array { json!({ "type": "array", "minItems": 1, "items": one }) } else { one };
        properties.insert(choice.json_name.clone(), value);
        return;
    }
    let beside = json!({ "$ref": "#/$defs/Element" });
    let (value, beside) = if element.is_array {
        let or_null =
            |one: Value| json!({ "type": "array", "minItems": 1, "items": { "anyOf": [one, { "type": "null" }] } });
        (or_null(one), or_null(beside))
    } else {
        (one, beside)
    };
    properties.insert(choice.json_name.clone(), value);
    properties.insert(format!("_{}", choice.json_name), beside);
}

/// Rules about how often an element occurs: at least once, at most one choice.
fn presence<'e>(tables: &Definitions, element: &'e Element, required: &mut Vec<&'e str>) -> Vec<Value> {
    let ways: Vec<Value> = element.types.iter().flat_map(|choice| ways(tables, choice)).collect();
    let mut rules = Vec::new();
    if element.min > 0 {
        match element.types.as_slice() {
            [only] if !is_primitive(tables, only) => required.push(&only.json_name),
            _ => rules.push(json!({ "anyOf": ways })),
        }
    }
    if element.types.len() > 1 {
        let one = |choice: &ElementType| json!({ "anyOf": ways_of(tables, choice) });
        let none = json!({ "not": { "anyOf": ways } });
        let branches: Vec<Value> = std::iter::once(none).chain(element.types.iter().map(one)).collect();
        rules.push(json!({ "oneOf": branches }));
    }
    rules
}

fn ways_of(tables: &Definitions, choice: &ElementType) -> Vec<Value> {
    ways(tables, choice).collect()
}

/// How a choice can be there: as `name`, or as `_name` alone.
fn ways(tables: &Definitions, choice: &ElementType) -> impl Iterator<Item = Value> {
    let beside = is_primitive(tables, choice).then(|| json!({ "required": [format!("_{}", choice.json_name)] }));
    std::iter::once(json!({ "required": [choice.json_name] })).chain(beside)
}

fn values(tables: &Definitions, definition: &TypeDef, name: &str) -> Vec<Value> {
    let elements = definition.elements.iter().filter(|element| element.name == name);
    elements.flat_map(|element| &element.types).flat_map(|choice| ways(tables, choice)).collect()
}

fn is_primitive(tables: &Definitions, choice: &ElementType) -> bool {
    matches!(tables.get(choice.type_id).kind, Kind::Primitive | Kind::System)
}

#[cfg(test)]
mod tests {
    use jsonschema::Validator;
    use proptest::prelude::*;

    use super::*;
    use crate::format::json;
    use crate::validation::{shared, structure::check_resource};

    fn compiled(schema: &Value) -> Validator {
        jsonschema::draft202012::new(schema).unwrap()
    }

    #[test]
    fn every_resource_type_has_a_schema_that_compiles() {
        let tables = definitions();
        for id in tables.resources() {
            let name = &tables.get(*id).name;
            let schema = of_type(name).unwrap();
            assert!(jsonschema::meta::is_valid(&schema), "{name}");
            let smallest = compiled(&schema).is_valid(&json!({ "resourceType": name }));
            let walk =
                check_resource(&json::parse(format!("{{\"resourceType\":\"{name}\"}}").as_bytes()).unwrap(), None);
            assert_eq!(smallest, walk.is_ok(), "{name}");
        }
        assert!(of_type("HumanName").is_none() && of_type("Resource").is_none());
    }

    #[test]
    fn a_schema_says_what_is_wrong() {
        let patient = compiled(&of_type("Patient").unwrap());
        let is_right = |more: Value| {
            let mut resource = json!({ "resourceType": "Patient" });
            for (name, value) in more.as_object().unwrap() {
                resource[name] = value.clone();
            }
            patient.is_valid(&resource)
        };
        assert!(is_right(
            json!({ "birthDate": "1941-05", "name": [{ "given": ["花子", null], "_given": [null, { "id": "a" }] }] })
        ));
        assert!(is_right(json!({ "_birthDate": { "extension": [{ "url": "http://x", "valueString": "a" }] } })));
        for wrong in [
            json!({ "birthDate": "1941-13" }),
            json!({ "birthday": "1941-05" }),
            json!({ "name": { "text": "a" } }),
            json!({ "name": [] }),
            json!({ "active": "true" }),
            json!({ "deceasedBoolean": true, "deceasedDateTime": "2026" }),
            json!({ "contained": [{ "resourceType": "Patiens" }] }),
            json!({ "link": [{ "type": "seealso" }] }),
            json!({ "extension": [{ "url": "http://x", "valueString": "a", "extension": [{ "url": "b", "valueCode": "c" }] }] }),
            json!({ "multipleBirthInteger": 1.5 }),
        ] {
            assert!(!is_right(wrong.clone()), "{wrong}");
        }
    }

    fn examples() -> Vec<Value> {
        let Some(folder) = shared("suites/r4-examples") else { return Vec::new() };
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|kind| kind == "json")).collect();
        files.sort();
        files.iter().map(|file| serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()).collect()
    }

    /// One schema for all looks into entries and contained resources.
    #[test]
    fn schema_and_walk_agree_on_the_examples_of_the_standard() {
        let all = compiled(&of_all());
        for example in examples() {
            let walk = check_resource(&json::parse(example.to_string().as_bytes()).unwrap(), None);
            assert_eq!(all.is_valid(&example), walk.is_ok(), "{} {walk:?}", example["resourceType"]);
        }
        let wrong = json!({ "resourceType": "Bundle", "type": "collection", "entry": [{ "resource": { "resourceType": "Patient", "birthDate": "?" } }] });
        assert!(!all.is_valid(&wrong) && compiled(&of_type("Bundle").unwrap()).is_valid(&wrong));
    }

    /// Changes one place of a document, the `place`-th in the order they are walked.
    fn mutate(node: &mut Value, place: &mut usize, change: u8) -> bool {
        if *place == 0 {
            match (change, &mut *node) {
                (0, node) => *node = Value::Null,
                (1, node) => *node = json!("x y"),
                (2, node) => *node = json!(-1.5),
                (3, node) => *node = json!({}),
                (4, node) => *node = json!([]),
                (5, node) => *node = json!([node.clone(), node.clone()]),
                (6, Value::Object(members)) => {
                    members.insert("nobody".to_owned(), json!(1));
                }
                (_, Value::Object(members)) => {
                    let first = members.keys().next().cloned();
                    first.map(|first| members.remove(&first));
                }
                (_, node) => *node = json!(true),
            }
            return true;
        }
        *place -= 1;
        match node {
            Value::Object(members) => members.values_mut().any(|value| mutate(value, place, change)),
            Value::Array(items) => items.iter_mut().any(|value| mutate(value, place, change)),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// The schema never refuses what the walk takes: the walk is the gate, the schema what others
        /// check with beforehand.
        #[test]
        fn what_the_walk_takes_the_schema_takes(which in 0..1000_usize, place in 0..400_usize, change in 0..8_u8) {
            static ALL: std::sync::OnceLock<(Validator, Vec<Value>)> = std::sync::OnceLock::new();
            let (all, examples) = ALL.get_or_init(|| (compiled(&of_all()), examples()));
            prop_assume!(!examples.is_empty());
            let mut example = examples[which % examples.len()].clone();
            let mut place = place;
            mutate(&mut example, &mut place, change);
            let walk = check_resource(&json::parse(example.to_string().as_bytes()).unwrap(), None);
            if walk.is_ok() {
                let complaint = all.iter_errors(&example).next().map(|error| error.to_string());
                prop_assert!(complaint.is_none(), "{:?} {}", complaint, example);
            }
        }
    }
}
