//! What was written compared with the JSON Schema of its entity; what is wrong said field by field, in
//! Japanese and English.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::schema::{self, Form, SET_BY_SERVER};
use super::{Field, FieldKind, Mapping};
use crate::r4::datetime::span;
use crate::r4::outcome::IssueCode;

/// One thing that is wrong with what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The field; empty for the whole.
    pub field: String,
    /// What kind.
    pub code: IssueCode,
    /// In Japanese.
    pub ja: String,
    /// In English.
    pub en: String,
}

/// The validator of an entity; made when it is first asked for.
fn validator(mapping: &Mapping, source: usize, form: Form) -> Option<Arc<Validator>> {
    type Made = BTreeMap<(&'static str, usize, Form), Arc<Validator>>;
    static MADE: Mutex<Made> = Mutex::new(BTreeMap::new());
    let name = (mapping.entity.name, source, form);
    let known = MADE.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
    known.or_else(|| {
        let made = Arc::new(jsonschema::draft202012::new(&schema::of(mapping, source, form)).ok()?);
        MADE.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::clone(&made));
        Some(made)
    })
}

/// What is wrong with an entry; nothing for one that is right. Members that are `null` say that there is
/// nothing.
#[must_use]
pub fn check(mapping: &Mapping, source: usize, form: Form, written: &Value) -> Vec<Complaint> {
    let Some(validator) = validator(mapping, source, form) else { return Vec::new() };
    let mut complaints = Vec::new();
    let stripped;
    let instance = match written {
        Value::Object(members) if members.values().any(Value::is_null) => {
            for field in mapping.entity.fields.iter().filter(|field| field.required && form == Form::Part) {
                if members.get(field.name).is_some_and(Value::is_null) {
                    complaints.push(missing(field));
                }
            }
            let is_known = |name: &str| mapping.entity.fields.iter().any(|field| field.name == name);
            let kept = members.iter().filter(|(name, value)| !value.is_null() || !is_known(name));
            stripped = Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect());
            &stripped
        }
        other => other,
    };
    for complaint in validator.iter_errors(instance).flat_map(|error| said(mapping, source, &error)) {
        // What is no text is no code either: said once.
        if !complaints.contains(&complaint) {
            complaints.push(complaint);
        }
    }
    if complaints.is_empty() {
        complaints.extend(mapping.entity.fields.iter().filter_map(|field| not_in_calendar(field, instance)));
    }
    complaints
}

fn missing(field: &Field) -> Complaint {
    let Field { name, ja, en, .. } = field;
    Complaint {
        field: (*name).to_owned(),
        code: IssueCode::Required,
        ja: format!("{ja}（{name}）は必須です"),
        en: format!("{en} ({name}) is required"),
    }
}

fn not_in_calendar(field: &Field, written: &Value) -> Option<Complaint> {
    let text = written.get(field.name).filter(|_| field.kind == FieldKind::Date)?.as_str()?;
    if span(text, 0).is_some() {
        return None;
    }
    let Field { name, ja, en, .. } = field;
    Some(Complaint {
        field: (*name).to_owned(),
        code: IssueCode::Value,
        ja: format!("{ja}（{name}）の {text:.40} は暦にない日時です"),
        en: format!("{en} ({name}): {text:.40} is not in the calendar"),
    })
}

fn said(mapping: &Mapping, source: usize, error: &ValidationError<'_>) -> Vec<Complaint> {
    let path = error.instance_path().to_string();
    let name = path.split('/').nth(1).unwrap_or_default();
    let place = mapping.entity.fields.iter().position(|field| field.name == name);
    match (error.kind(), place) {
        (ValidationErrorKind::Required { property }, _) => {
            let field = property.as_str().unwrap_or_default();
            let known = mapping.entity.fields.iter().find(|known| known.name == field);
            known.map(missing).into_iter().collect()
        }
        (ValidationErrorKind::AdditionalProperties { unexpected }, _) => {
            unexpected.iter().map(|name| unknown(mapping, source, name)).collect()
        }
        (kind, Some(place)) => {
            let Some(field) = mapping.entity.fields.get(place) else { return Vec::new() };
            let (code, ja, en) = rule(mapping, source, place, field, kind);
            vec![Complaint {
                field: path.trim_start_matches('/').replace('/', "."),
                code,
                ja: format!("{}（{}）{ja}", field.ja, field.name),
                en: format!("{} ({}) {en}", field.en, field.name),
            }]
        }
        (ValidationErrorKind::Pattern { .. } | ValidationErrorKind::Type { .. }, None) if name == "of" => {
            let resource = mapping.entity.sources.get(source).map_or("", |source| source.resource);
            vec![Complaint {
                field: "of".to_owned(),
                code: IssueCode::Value,
                ja: format!("of は {resource}/id の形でなければなりません"),
                en: format!("of must be {resource}/id"),
            }]
        }
        _ => vec![Complaint {
            field: name.to_owned(),
            code: IssueCode::Structure,
            ja: "JSON のオブジェクトでなければなりません".to_owned(),
            en: "a JSON object is expected".to_owned(),
        }],
    }
}

fn unknown(mapping: &Mapping, source: usize, name: &str) -> Complaint {
    let placed = |(place, field): (usize, &'static Field)| mapping.is_placed(source, place).then_some(field.name);
    let known: Vec<&str> = mapping.entity.fields.iter().enumerate().filter_map(placed).collect();
    let known = known.join(", ");
    Complaint {
        field: name.chars().take(64).collect(),
        code: IssueCode::Structure,
        ja: format!("{name:.64} という項目はありません。使える項目: {known}"),
        en: format!("there is no field {name:.64}; there are {known}"),
    }
}

/// What is wrong with a field and what would be right: code, Japanese, English.
fn rule(
    mapping: &Mapping,
    source: usize,
    place: usize,
    field: &Field,
    kind: &ValidationErrorKind,
) -> (IssueCode, String, String) {
    let of = |code, ja: &str, en: &str| (code, ja.to_owned(), en.to_owned());
    if matches!(kind, ValidationErrorKind::Enum { .. } | ValidationErrorKind::Type { .. })
        && let Some(codes) = mapping.codes(source, place)
    {
        let shown = codes.iter().take(40);
        let ja: Vec<String> = shown.clone().map(|code| format!("{}（{}）", code.code, code.ja)).collect();
        let en: Vec<String> = shown.map(|code| format!("{} ({})", code.code, code.en)).collect();
        let ja = format!("は次のいずれかでなければなりません: {}", ja.join("、"));
        return (IssueCode::CodeInvalid, ja, format!("must be one of: {}", en.join(", ")));
    }
    match (kind, field.kind) {
        (ValidationErrorKind::FalseSchema, _) => {
            let resource = mapping.entity.sources.get(source).map_or("", |source| source.resource);
            let en = format!("has no place in a FHIR {resource} and cannot be written here");
            (IssueCode::NotSupported, format!("は FHIR の {resource} に置く場所がなく、書き込めません"), en)
        }
        (ValidationErrorKind::MaxLength { limit }, _) => {
            let en = format!("is longer than {limit} letters");
            (IssueCode::TooLong, format!("は {limit} 文字以内でなければなりません"), en)
        }
        (ValidationErrorKind::MaxItems { limit }, _) => (
            IssueCode::TooLong,
            format!("は {limit} 件以内でなければなりません"),
            format!("has more than {limit} items"),
        ),
        (ValidationErrorKind::UniqueItems, _) => {
            of(IssueCode::Duplicate, "に同じものが二度あります", "names something twice")
        }
        (ValidationErrorKind::Minimum { limit } | ValidationErrorKind::Maximum { limit }, _) => {
            let is_least = matches!(kind, ValidationErrorKind::Minimum { .. });
            let (ja, en) = if is_least { ("以上", "at least") } else { ("以下", "at most") };
            (IssueCode::Value, format!("は {limit} {ja}でなければなりません"), format!("must be {en} {limit}"))
        }
        (_, FieldKind::Date) => match mapping.fhir_type_in(source, place) {
            Some("date") => of(
                IssueCode::Value,
                "は日付（例 2026-05-01、2026-05、2026）でなければなりません",
                "must be a date (such as 2026-05-01, 2026-05, 2026)",
            ),
            _ => of(
                IssueCode::Value,
                "は日時（例 2026-05-01T13:00、2026-05-01）でなければなりません",
                "must be a date or a time (such as 2026-05-01T13:00, 2026-05-01)",
            ),
        },
        (_, FieldKind::Reference(types) | FieldKind::References(types)) => {
            let types = types.join(", ");
            let is_list = matches!(field.kind, FieldKind::References(_));
            let (ja, en) = if is_list { ("の一覧", "a list of references ") } else { ("", "a reference ") };
            let ja = format!("は参照（種類/id、種類は {types} のいずれか）{ja}でなければなりません");
            (IssueCode::Value, ja, format!("must be {en}Type/id, where Type is one of {types}"))
        }
        (ValidationErrorKind::Pattern { .. }, FieldKind::Code) => of(
            IssueCode::Value,
            "はコード（前後に空白のない文字列）でなければなりません",
            "must be a code without spaces around it",
        ),
        (ValidationErrorKind::Pattern { .. }, _) => of(
            IssueCode::Value,
            "は空にできず、前後に空白を置けません",
            "must not be empty and must not begin or end with space",
        ),
        (_, FieldKind::Decimal) => of(IssueCode::Value, "は数値でなければなりません", "must be a number"),
        (_, FieldKind::Integer) => of(IssueCode::Value, "は整数でなければなりません", "must be a whole number"),
        (_, FieldKind::Boolean) => {
            of(IssueCode::Value, "は true か false でなければなりません", "must be true or false")
        }
        _ => of(IssueCode::Value, "は文字列でなければなりません", "must be a string"),
    }
}

/// Whether a member of what was written is a field, and not set by the server.
#[must_use]
pub fn is_field(mapping: &Mapping, name: &str) -> bool {
    !SET_BY_SERVER.contains(&name) && mapping.entity.fields.iter().any(|field| field.name == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{citizen_mapping, mapping, mappings};
    use super::*;

    fn wrong(entity: &str, written: &Value) -> Vec<(String, IssueCode)> {
        let complaints = check(mapping(entity).unwrap(), 0, Form::Whole, written);
        for complaint in &complaints {
            assert!(complaint.ja != complaint.en && !complaint.ja.is_empty() && !complaint.en.is_empty());
        }
        let mut all: Vec<_> = complaints.into_iter().map(|each| (each.field, each.code)).collect();
        all.sort_by(|left, right| left.0.cmp(&right.0));
        all
    }

    #[test]
    fn every_entity_has_schemas_that_compile() {
        for mapping in mappings().iter().chain([citizen_mapping()]) {
            for source in 0..mapping.entity.sources.len() {
                for form in [Form::Whole, Form::Part] {
                    assert!(jsonschema::meta::is_valid(&schema::of(mapping, source, form)));
                    assert!(validator(mapping, source, form).is_some(), "{}", mapping.entity.name);
                }
            }
            let names = mapping.entity.fields.iter().map(|field| field.name);
            let clash: Vec<&str> = names.filter(|name| SET_BY_SERVER.contains(name) || *name == "of").collect();
            assert!(clash.is_empty(), "{}: {clash:?}", mapping.entity.name);
        }
    }

    #[test]
    fn every_wrong_field_is_named_with_its_rule() {
        let field = |name: &str, code| (name.to_owned(), code);
        assert_eq!(wrong("care_level", &json!({ "level": "23", "starts": "2026-04-01" })), []);
        assert_eq!(
            wrong("care_level", &json!({ "level": "3", "cause": "Patient/x", "colour": 1 })),
            [
                field("cause", IssueCode::Value),
                field("colour", IssueCode::Structure),
                field("level", IssueCode::CodeInvalid),
                field("starts", IssueCode::Required),
            ]
        );
        assert_eq!(
            wrong("measurement", &json!({ "code": "x", "value": "1", "measured": "2026-02-30", "name": " a" })),
            [field("name", IssueCode::Value), field("value", IssueCode::Value)]
        );
        assert_eq!(
            wrong("measurement", &json!({ "code": "x", "value": 1, "measured": "2026-02-30" })),
            [field("measured", IssueCode::Value)]
        );
        assert_eq!(wrong("visit", &json!([])), [field("", IssueCode::Structure)]);
        assert_eq!(
            wrong("visit", &json!({ "title": "x", "starts": "2026-05-01", "facility": "Organization/a" })),
            [field("facility", IssueCode::NotSupported), field("starts", IssueCode::Value)]
        );
        let article = json!({ "title": "x", "text": "y", "recipients": ["Patient/a", "Patient/a", "x"] });
        assert_eq!(
            wrong("article", &article),
            [field("recipients", IssueCode::Duplicate), field("recipients.2", IssueCode::Value)]
        );
    }

    #[test]
    fn nothing_is_null() {
        let care_level = mapping("care_level").unwrap();
        let written = json!({ "level": null, "ends": null });
        let complaints = check(care_level, 0, Form::Part, &written);
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert_eq!((complaints[0].field.as_str(), complaints[0].code), ("level", IssueCode::Required));
    }
}
