//! The schemas of what is sent and answered: of each kind of entry from the table of entities, and of the
//! answers that are made of several.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{reference, sent_schema};
use crate::notebook::category::CATEGORIES;
use crate::notebook::model::schema::{self, Form};
use crate::notebook::model::{Field, FieldKind, Mapping, citizen_mapping, mapping, mappings};

/// What a field is when it is shown.
fn shown(field: &Field) -> Value {
    let kind = match field.kind {
        FieldKind::Decimal => "number",
        FieldKind::Integer => "integer",
        FieldKind::Boolean => "boolean",
        FieldKind::References(_) => {
            return json!({ "type": "array", "items": { "type": "string" }, "title": field.en, "x-ja": field.ja });
        }
        _ => "string",
    };
    json!({ "type": kind, "title": field.en, "x-ja": field.ja })
}

fn of_entity(kind: &'static Mapping, schemas: &mut Map<String, Value>) {
    let name = kind.entity.name;
    let mut made = BTreeSet::new();
    for (source, of) in kind.entity.sources.iter().enumerate() {
        for form in [Form::Whole, Form::Part] {
            let schema_name = sent_schema(kind, of.resource, form);
            if made.insert(schema_name.clone()) {
                schemas.insert(schema_name, taken(kind, source, form));
            }
        }
    }
    let text = || json!({ "type": "string" });
    let mut properties = json!({
        "id": text(), "entity": { "const": name }, "citizen": { "type": "string", "description": "id of the Patient" },
        "resource": { "type": "string", "description": "the version of the FHIR resource behind it: Type/id/_history/n" },
        "version": { "type": "integer", "minimum": 1 }, "updated": text(), "self": { "type": "string", "description": "where it is, below the base" },
        "names": { "type": "object", "description": "what codes and references are called" },
        "warnings": { "type": "array", "items": { "type": "object" }, "description": "what of the resource the notebook does not show, and what validation had to say" }
    });
    for field in kind.entity.fields {
        properties[field.name] = shown(field);
    }
    let required = ["id", "entity", "resource", "version", "updated", "self"];
    let title = format!("{} / {}", kind.entity.ja, kind.entity.en);
    schemas.insert(
        format!("{name}.entry"),
        json!({ "title": title, "type": "object", "properties": properties, "required": required }),
    );
    let entries = json!({ "type": "array", "items": reference("schemas", &format!("{name}.entry")) });
    schemas.insert(
        format!("{name}.list"),
        json!({ "type": "object", "properties": { "entity": { "const": name }, "entries": entries, "next": nullable("string") }, "required": ["entries", "next"] }),
    );
    let version =
        json!({ "anyOf": [reference("schemas", &format!("{name}.entry")), reference("schemas", "deleted.version")] });
    schemas.insert(
        format!("{name}.versions"),
        json!({ "type": "object", "properties": { "entity": { "const": name }, "versions": { "type": "array", "items": version }, "total": {}, "next": nullable("string") }, "required": ["versions"] }),
    );
}

/// The schema that what is sent is checked with; `null` says that there is nothing.
fn taken(kind: &'static Mapping, source: usize, form: Form) -> Value {
    let mut schema = schema::of(kind, source, form);
    if let Some(members) = schema.as_object_mut() {
        members.remove("$schema");
    }
    for field in kind.entity.fields {
        let Some(own) = schema["properties"].get_mut(field.name).filter(|own| own.is_object()) else { continue };
        if !(field.required && form == Form::Part) {
            let one = own.take();
            *own = json!({ "anyOf": [one, { "type": "null" }] });
        }
    }
    schema
}

fn nullable(kind: &str) -> Value {
    json!({ "type": [kind, "null"] })
}

/// All schemas.
pub(super) fn all() -> Value {
    let mut all = Map::new();
    mappings().iter().chain([citizen_mapping()]).for_each(|kind| of_entity(kind, &mut all));
    if let Some(comment) = mapping("comment") {
        // What it answers is in the path.
        let mut new = taken(comment, 0, Form::Whole);
        if let Some(required) = new["required"].as_array_mut() {
            required.retain(|name| name != "parent");
        }
        all.insert("comment.new".to_owned(), new);
    }
    let text = || json!({ "type": "string" });
    let object = |properties: Value, required: &[&str]| json!({ "type": "object", "properties": properties, "required": required });
    let list = |name: &str| json!({ "type": "array", "items": reference("schemas", name) });
    let objects = || json!({ "type": "array", "items": { "type": "object" } });
    let any = |names: &[&str]| -> Value {
        json!({ "anyOf": names.iter().map(|name| reference("schemas", name)).collect::<Vec<_>>() })
    };
    let codes: Vec<&str> = CATEGORIES.iter().map(|known| known.code).collect();
    let word = || json!({ "type": "object", "properties": { "ja": nullable("string"), "en": nullable("string") } });
    let row = json!({
        "id": text(), "name": text(), "kana": text(), "birthDate": text(), "gender": text(), "address": text(),
        "identifiers": { "type": "object", "properties": { "notebook": text(), "hospital": text(), "insured": text() } },
        "municipality": nullable("string"), "municipalityName": nullable("string"), "fhir": text(), "self": text()
    });
    let line = json!({
        "category": { "enum": codes }, "categoryName": word(), "date": nullable("string"), "from": nullable("string"), "to": nullable("string"),
        "title": text(), "detail": text(), "status": text(), "labels": { "type": "array", "items": text() }, "resource": text(), "fhir": text()
    });
    let mut page = row.clone();
    for (name, schema) in [
        (
            "team",
            object(json!({ "teams": list("team.entry"), "members": list("team_member.entry") }), &["teams", "members"]),
        ),
        ("careLevel", json!({ "anyOf": [reference("schemas", "care_level.entry"), { "type": "null" }] })),
        ("diagnoses", list("diagnosis.entry")),
        ("medication", reference("schemas", "medications")),
        ("nextVisits", list("visit.entry")),
        ("alarms", list("alarm.entry")),
        ("latest", list("line")),
        ("next", nullable("string")),
        ("unread", nullable("integer")),
        ("timeline", text()),
    ] {
        page[name] = schema;
    }
    let category = object(json!({ "code": { "enum": codes }, "ja": text(), "en": text() }), &["code", "ja", "en"]);
    let file = json!({
        "id": text(), "type": { "enum": ["image", "video", "document", ""] }, "title": nullable("string"), "created": nullable("string"), "operator": nullable("string"),
        "contentType": text(), "size": nullable("number"), "width": nullable("number"), "height": nullable("number"), "duration": nullable("number"),
        "placeRemoved": { "type": "boolean" }, "links": { "type": "object", "additionalProperties": text() }
    });
    let issue = object(
        json!({ "severity": { "enum": ["fatal", "error", "warning", "information"] }, "code": text(), "diagnostics": text(), "expression": { "type": "array", "items": text() } }),
        &["severity", "code"],
    );
    let outcome = json!({ "resourceType": { "const": "OperationOutcome" }, "issue": { "type": "array", "items": issue, "minItems": 1 } });
    let schema =
        object(json!({ "entity": text(), "ja": text(), "en": text(), "schema": text() }), &["entity", "schema"]);
    let field = object(
        json!({ "field": text(), "ja": text(), "en": text(), "kind": text(), "required": { "type": "boolean" },
            "direction": { "enum": ["both", "shown-and-changed", "nowhere"] }, "path": text(), "fhirType": text(),
            "writes": { "type": "array", "items": text() }, "system": text(), "codes": objects(), "references": { "type": "array", "items": text() } }),
        &["field", "ja", "en", "kind", "direction"],
    );
    let source = object(
        json!({ "resource": text(), "isWritten": { "type": "boolean" }, "items": text(), "requires": objects(), "writtenAlong": objects(),
            "fields": { "type": "array", "items": field }, "notHeld": { "type": "array", "items": text() } }),
        &["resource", "isWritten", "fields", "notHeld"],
    );
    let mapped = object(
        json!({ "entity": text(), "ja": text(), "en": text(), "table": text(), "profile": nullable("string"),
            "aboutCitizen": { "type": "boolean" }, "sources": { "type": "array", "items": source } }),
        &["entity", "ja", "en", "table", "sources"],
    );
    let maps = json!({ "fhirVersion": text(), "entities": list("mapping.entity"), "conceptMaps": { "type": "array", "items": text() } });
    for (name, schema) in [
        ("mapping", object(maps, &["entities", "conceptMaps"])),
        ("mapping.entity", mapped),
        ("any", json!({ "type": "object" })),
        ("OperationOutcome", object(outcome, &["resourceType", "issue"])),
        (
            "deleted",
            object(
                json!({ "deleted": { "const": true }, "entity": text(), "resource": nullable("string") }),
                &["deleted", "entity"],
            ),
        ),
        (
            "deleted.version",
            object(
                json!({ "deleted": { "const": true }, "resource": text(), "version": { "type": "integer" }, "updated": text() }),
                &["deleted", "resource", "version"],
            ),
        ),
        ("schemas", object(json!({ "schemas": { "type": "array", "items": schema } }), &["schemas"])),
        ("categories", object(json!({ "categories": { "type": "array", "items": category } }), &["categories"])),
        ("citizen.row", object(row, &["id", "name", "fhir", "self"])),
        (
            "citizens",
            object(json!({ "citizens": list("citizen.row"), "next": nullable("string") }), &["citizens", "next"]),
        ),
        (
            "page",
            object(
                page,
                &[
                    "id",
                    "name",
                    "fhir",
                    "team",
                    "careLevel",
                    "diagnoses",
                    "medication",
                    "nextVisits",
                    "alarms",
                    "latest",
                ],
            ),
        ),
        ("line", object(line, &["category", "title", "resource", "fhir"])),
        (
            "timeline",
            object(
                json!({ "citizen": reference("schemas", "citizen.row"), "entries": list("line"), "next": nullable("string") }),
                &["citizen", "entries", "next"],
            ),
        ),
        (
            "medications",
            object(
                json!({ "asOf": text(), "current": objects(), "former": objects() }),
                &["asOf", "current", "former"],
            ),
        ),
        (
            "calendar",
            object(
                json!({ "entries": { "type": "array", "items": any(&["visit.entry", "plan_activity.entry"]) }, "isCut": { "type": "boolean" } }),
                &["entries", "isCut"],
            ),
        ),
        (
            "team",
            object(
                json!({ "teams": list("team.entry"), "members": list("team_member.entry"), "former": list("team_member.entry") }),
                &["teams", "members", "former"],
            ),
        ),
        (
            "unread",
            object(
                json!({ "count": { "type": "integer" }, "entries": { "type": "array", "items": any(&["article.entry", "comment.entry", "group_post.entry"]) }, "next": nullable("string") }),
                &["count", "entries", "next"],
            ),
        ),
        (
            "articles",
            object(json!({ "entries": list("article.entry"), "next": nullable("string") }), &["entries", "next"]),
        ),
        (
            "accesses",
            object(
                json!({
                    "citizen": { "type": "string" },
                    "accesses": { "type": "array", "items": {
                        "type": "object",
                        "properties": {
                            "id": { "type": "string" },
                            "at": { "type": "string", "format": "date-time" },
                            "who": { "type": "string" },
                            "name": { "type": "string" },
                            "organization": { "type": "string" },
                            "application": { "type": "string" },
                            "purpose": { "type": "string" },
                            "type": { "type": "string" },
                            "reason": { "type": "string" },
                            "action": { "type": "object", "properties": { "ja": { "type": "string" }, "en": { "type": "string" } }, "required": ["ja", "en"] },
                        },
                        "required": ["id", "at", "who", "action"],
                    } },
                    "next": { "type": "string", "format": "uri" },
                }),
                &["citizen", "accesses"],
            ),
        ),
        ("article.whole", any(&["article.entry", "comment.entry", "group_post.entry"])),
        ("comments", object(json!({ "comments": list("comment.entry") }), &["comments"])),
        (
            "group.members",
            object(
                json!({ "group": reference("schemas", "group.entry"), "members": list("group_member.entry"), "others": list("group_member.entry") }),
                &["group", "members", "others"],
            ),
        ),
        ("media.file", object(file, &["id", "links"])),
        ("media.files", object(json!({ "media": list("media.file"), "next": nullable("string") }), &["media", "next"])),
    ] {
        all.insert(name.to_owned(), schema);
    }
    Value::Object(all)
}
