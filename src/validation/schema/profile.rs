//! What a profile says, as a JSON Schema beside that of its type: cardinality, what is ruled out, fixed values and
//! patterns, lengths, the codes of small required bindings, slices that are told apart by values.
//!
//! What JSON Schema cannot say is left out, never said wrongly: invariants, references, profiles of types, slices told
//! by profile or through references. A resource that the schema refuses does not conform; one that it accepts may not.

use serde_json::{Map, Value, json};

use super::of_type;
use crate::format::json::Node;
use crate::r4::definitions::Element;
use crate::r4::{Kind, TypeId, definitions};
use crate::validation::profile::compile::{Criterion, Demand, PathStep, Profile, Rule, Shape, SlicingRule};
use crate::validation::profile::element::{Strength, UNBOUNDED};

/// Deepest nesting of rules.
const MAX_DEPTH: usize = 40;

/// The codes of a value set, when they are few and all known.
pub(crate) type Codes<'c> = dyn Fn(&str) -> Option<Vec<String>> + 'c;

/// The schema of a profile; `None` for profiles of what is no resource.
pub(crate) fn of_profile(profile: &Profile, codes: &Codes<'_>) -> Option<Value> {
    let type_id = profile.type_id?;
    let type_name = &definitions().get(type_id).name;
    let mut schema = of_type(type_name)?;
    let base = schema.get("$ref").cloned()?;
    let rules = Maker { codes }.object(&profile.root, type_id, 0);
    let document = schema.as_object_mut()?;
    document.remove("$ref");
    document.insert("title".to_owned(), json!(format!("{type_name} by the profile {}", profile.snapshot.url)));
    document.insert(
        "$comment".to_owned(),
        json!("invariants, references and profiles of types are not in here: $validate checks them"),
    );
    document.insert("allOf".to_owned(), json!([{ "$ref": base }, rules]));
    Some(schema)
}

struct Maker<'c> {
    codes: &'c Codes<'c>,
}

impl Maker<'_> {
    /// The rules below an object.
    fn object(&self, rule: &Rule, owner: TypeId, depth: usize) -> Value {
        let definition = definitions().get(owner);
        let mut properties = Map::new();
        let mut all: Vec<Value> = Vec::new();
        for child in rule.children.iter().filter(|_| depth < MAX_DEPTH) {
            let is_it = |element: &&Element| {
                element.name == child.name || element.types.iter().any(|found| found.json_name == child.name)
            };
            let Some(element) = definition.elements.iter().find(is_it) else { continue };
            self.child(child, element, depth, &mut properties, &mut all);
        }
        // The standard's own required bindings of codes, where the profile has none of its own.
        for element in &definition.elements {
            let (Some((strength, value_set)), [only]) = (&element.binding, element.types.as_slice()) else { continue };
            let is_code = definitions().get(only.type_id).name == "code" && !element.is_array;
            let is_free = !properties.contains_key(only.json_name.as_str());
            if strength == "required"
                && is_code
                && is_free
                && let Some(codes) = (self.codes)(value_set)
            {
                properties.insert(only.json_name.clone(), json!({ "enum": codes }));
            }
        }
        let mut schema = json!({ "properties": properties });
        if !all.is_empty() {
            schema["allOf"] = Value::Array(all);
        }
        schema
    }

    fn child(
        &self,
        rule: &Rule,
        element: &Element,
        depth: usize,
        properties: &mut Map<String, Value>,
        all: &mut Vec<Value>,
    ) {
        let tables = definitions();
        let allowed = |code: &str| {
            rule.types.as_ref().is_none_or(|types| {
                types.iter().any(|found| {
                    found.code == code || matches!(found.code.as_str(), "BackboneElement" | "Element" | "Resource")
                })
            })
        };
        let mut ways: Vec<Value> = Vec::new();
        for choice in &element.types {
            let kind = tables.get(choice.type_id);
            let is_primitive = matches!(kind.kind, Kind::Primitive | Kind::System);
            let beside = format!("_{}", choice.json_name);
            let is_out = rule.max == 0 || element.types.len() > 1 && !allowed(&kind.name);
            if is_out {
                properties.insert(choice.json_name.clone(), Value::Bool(false));
                if is_primitive {
                    properties.insert(beside, Value::Bool(false));
                }
                continue;
            }
            ways.push(json!({ "required": [choice.json_name] }));
            if is_primitive {
                ways.push(json!({ "required": [beside] }));
            }
            let one = self.value(rule, choice.type_id, depth);
            let value = if element.is_array { self.array(rule, one, choice.type_id, depth) } else { one };
            if !matches!(&value, Value::Object(members) if members.is_empty()) {
                properties.insert(choice.json_name.clone(), value);
            }
        }
        if rule.min > 0 && !ways.is_empty() {
            all.push(json!({ "anyOf": ways }));
        }
    }

    /// An array of values: how many there are, and what each is.
    fn array(&self, rule: &Rule, one: Value, type_id: TypeId, depth: usize) -> Value {
        let is_primitive = matches!(definitions().get(type_id).kind, Kind::Primitive | Kind::System);
        let mut schema = Map::new();
        if rule.min > 1 {
            schema.insert("minItems".to_owned(), json!(rule.min));
        }
        if rule.max != UNBOUNDED && rule.max > 0 {
            schema.insert("maxItems".to_owned(), json!(rule.max));
        }
        if !matches!(&one, Value::Object(members) if members.is_empty()) {
            // A null stands for a primitive that has only extensions.
            let items = if is_primitive { json!({ "anyOf": [one, { "type": "null" }] }) } else { one };
            schema.insert("items".to_owned(), items);
        }
        if let Some(slicing) = &rule.slicing
            && !is_primitive
        {
            let slices = self.slices(slicing, type_id, depth);
            if !slices.is_empty() {
                schema.insert("allOf".to_owned(), Value::Array(slices));
            }
        }
        Value::Object(schema)
    }

    /// Slices whose members can be told by values: how many, and what each must be.
    fn slices(&self, slicing: &SlicingRule, type_id: TypeId, depth: usize) -> Vec<Value> {
        let mut out = Vec::new();
        for slice in &slicing.slices {
            let Some(criteria) = &slice.criteria else { continue };
            let told: Option<Vec<Value>> = criteria.iter().map(|criterion| is_in(criterion, type_id)).collect();
            let Some(told) = told else { continue };
            let is_it = json!({ "allOf": told });
            let mut contains = json!({ "contains": is_it, "minContains": slice.rule.min });
            if slice.rule.max != UNBOUNDED {
                contains["maxContains"] = json!(slice.rule.max);
            }
            if slice.rule.min > 0 || slice.rule.max != UNBOUNDED {
                out.push(contains);
            }
            let then = self.value(&slice.rule, type_id, depth + 1);
            if !matches!(&then, Value::Object(members) if members.is_empty()) && depth < MAX_DEPTH {
                out.push(json!({ "items": { "if": is_it, "then": then } }));
            }
        }
        out
    }

    /// One value of a type.
    fn value(&self, rule: &Rule, type_id: TypeId, depth: usize) -> Value {
        let kind = definitions().get(type_id);
        let mut schema = Map::new();
        let mut all = Vec::new();
        if let Some(fixed) = &rule.fixed {
            all.push(constant(fixed));
        }
        if let Some(pattern) = &rule.pattern {
            all.push(at_least(pattern));
        }
        if let Some(most) = rule.max_length {
            schema.insert("maxLength".to_owned(), json!(most));
        }
        if let Some(binding) = &rule.binding
            && binding.strength == Strength::Required
            && let Some(codes) = (self.codes)(&binding.value_set)
        {
            match kind.name.as_str() {
                "code" | "string" | "uri" => all.push(json!({ "enum": codes })),
                "Coding" => all.push(json!({ "properties": { "code": { "enum": codes } } })),
                "CodeableConcept" => all.push(json!({
                    "required": ["coding"],
                    "properties": { "coding": { "contains": { "properties": { "code": { "enum": codes } }, "required": ["code"] } } }
                })),
                _ => {}
            }
        }
        if !rule.children.is_empty() && kind.kind != Kind::Primitive && depth < MAX_DEPTH {
            all.push(self.object(rule, type_id, depth + 1));
        }
        if !all.is_empty() {
            schema.insert("allOf".to_owned(), Value::Array(all));
        }
        Value::Object(schema)
    }
}

/// The value as it is. Numbers are compared as numbers.
fn plain(node: &Node<'_>) -> Value {
    serde_json::from_slice(&node.to_bytes()).unwrap_or(Value::Null)
}

fn constant(node: &Node<'_>) -> Value {
    json!({ "const": plain(node) })
}

/// A pattern: everything in it is in the value; each item of an array somewhere.
fn at_least(node: &Node<'_>) -> Value {
    match node {
        Node::Object(members) => {
            let names: Vec<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
            let properties: Map<String, Value> =
                members.iter().map(|(name, value)| (name.to_string(), at_least(value))).collect();
            json!({ "type": "object", "required": names, "properties": properties })
        }
        Node::Array(items) => {
            let each: Vec<Value> = items.iter().map(|item| json!({ "contains": at_least(item) })).collect();
            json!({ "type": "array", "allOf": each })
        }
        value => constant(value),
    }
}

/// Whether an element meets a criterion, as far as names lead there.
fn is_in(criterion: &Criterion, type_id: TypeId) -> Option<Value> {
    let Demand::Value(shapes) = &criterion.demand else { return None };
    let shapes: Option<Vec<Value>> = shapes.iter().map(shape).collect();
    let told = json!({ "anyOf": shapes? });
    along(&criterion.path, type_id, told)
}

fn along(path: &[PathStep], type_id: TypeId, told: Value) -> Option<Value> {
    let [step, rest @ ..] = path else { return Some(told) };
    let PathStep::Name(name) = step else { return None };
    let definition = definitions().get(type_id);
    let element = definition.elements.iter().find(|element| element.name == *name)?;
    let [only] = element.types.as_slice() else { return None };
    let inner = along(rest, only.type_id, told)?;
    let inner = if element.is_array { json!({ "type": "array", "contains": inner }) } else { inner };
    Some(json!({ "required": [only.json_name], "properties": { (only.json_name.clone()): inner } }))
}

/// A value that has a shape; `None` where a value set would have to be asked.
fn shape(shape: &Shape) -> Option<Value> {
    if shape.is_absent || shape.value_set.is_some() || !shape.children.is_empty() {
        return None;
    }
    match (&shape.fixed, &shape.pattern) {
        (Some(fixed), _) => Some(constant(fixed)),
        (None, Some(pattern)) => Some(at_least(pattern)),
        (None, None) => None,
    }
}
