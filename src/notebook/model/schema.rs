//! JSON Schemas (draft 2020-12) of what is written in the notebook, generated from the table of entities.

use serde_json::{Map, Value, json};

use super::{Field, FieldKind, Fill, Mapping};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Members of an entry that the server sets: they may come back with a change and are not looked at.
pub const SET_BY_SERVER: &[&str] = &[
    "id", "entity", "citizen", "resource", "version", "updated", "self", "names", "warnings", "comments", "readBy",
    "isRead",
];

/// What text may be: not only space, none at its ends.
const TEXT: &str = r"^\S(?:[\s\S]*\S)?$";
const CODE: &str = r"^\S+( \S+)*$";
const DATE: &str = r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$";
const TIME: &str = r"T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2})?";
/// Letters of a text.
const MOST_LETTERS: usize = 100_000;

/// What is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// All of an entry, new or in the place of another.
    Whole,
    /// Some of its fields.
    Part,
}

/// The schema of an entity, as one of its sources takes it.
#[must_use]
pub fn of(mapping: &Mapping, source: usize, form: Form) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (place, field) in mapping.entity.fields.iter().enumerate() {
        let is_placed = mapping.is_placed(source, place);
        let schema = if is_placed { of_field(mapping, source, place, field) } else { json!(false) };
        properties.insert(field.name.to_owned(), schema);
        if is_placed && field.required && field.fill == Fill::Nothing && form == Form::Whole {
            required.push(field.name);
        }
    }
    for name in SET_BY_SERVER {
        properties.insert((*name).to_owned(), json!({ "readOnly": true }));
    }
    if mapping.is_of_items() {
        let resource = mapping.entity.sources.get(source).map_or("", |source| source.resource);
        let of = reference(&[resource], "どこに加えるか", "What it is added to");
        properties.insert("of".to_owned(), of);
    }
    let mut schema = json!({
        "$schema": DIALECT,
        "title": format!("{} / {}", mapping.entity.ja, mapping.entity.en),
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn reference(types: &[&str], ja: &str, en: &str) -> Value {
    let pattern = format!("^({})/[A-Za-z0-9.-]{{1,64}}$", types.join("|"));
    json!({ "type": "string", "pattern": pattern, "title": en, "x-ja": ja })
}

fn of_field(mapping: &Mapping, source: usize, place: usize, field: &Field) -> Value {
    let fhir_type = mapping.fhir_type_in(source, place).unwrap_or_default();
    let mut schema = match field.kind {
        FieldKind::Text => json!({ "type": "string", "pattern": TEXT, "maxLength": MOST_LETTERS }),
        FieldKind::Code => match mapping.codes(source, place) {
            Some(codes) => {
                let names: Vec<Value> =
                    codes.iter().map(|code| json!({ "const": code.code, "title": code.en, "x-ja": code.ja })).collect();
                let codes: Vec<&str> = codes.iter().map(|code| code.code.as_str()).collect();
                json!({ "type": "string", "enum": codes, "x-names": names })
            }
            None => json!({ "type": "string", "pattern": CODE, "maxLength": 1000 }),
        },
        FieldKind::Date => json!({ "type": "string", "pattern": match fhir_type {
            "date" => DATE.to_owned(),
            "instant" => format!("^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}{TIME}$"),
            _ => format!("^[0-9]{{4}}(-[0-9]{{2}}(-[0-9]{{2}}({TIME})?)?)?$"),
        } }),
        FieldKind::Decimal => json!({ "type": "number" }),
        FieldKind::Integer => {
            let least = match fhir_type {
                "positiveInt" => 1,
                "unsignedInt" => 0,
                _ => i32::MIN,
            };
            json!({ "type": "integer", "minimum": least, "maximum": i32::MAX })
        }
        FieldKind::Boolean => json!({ "type": "boolean" }),
        FieldKind::Reference(types) => reference(types, field.ja, field.en),
        FieldKind::References(types) => {
            json!({ "type": "array", "items": reference(types, field.ja, field.en), "uniqueItems": true, "maxItems": 200 })
        }
    };
    schema["title"] = json!(field.en);
    schema["x-ja"] = json!(field.ja);
    match field.fill {
        Fill::Nothing => {}
        Fill::Member => schema["description"] = json!("the member who writes, when nobody is named"),
        Fill::Now => schema["description"] = json!("the time of writing, when nothing is said"),
    }
    schema
}
