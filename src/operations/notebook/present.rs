//! Entries as the notebook API shows them: the fields of the entity, names for its codes and people, and
//! where the FHIR resource is.

use serde_json::{Map, Value, json};

use super::{Notebook, type_name, unreadable};
use crate::engine::Rejection;
use crate::format::json::{self, Node};
use crate::notebook::model::{FieldKind, Mapping};
use crate::notebook::name_of;
use crate::r4::datetime::format_instant;
use crate::r4::outcome::{Issue, IssueCode};
use crate::store::{Cell, Found, Version};

/// An entry, or what is shown of it when it is gone.
pub(super) struct Shown {
    /// The JSON.
    pub(super) value: Map<String, Value>,
    /// The values behind it.
    pub(super) cells: Vec<Cell>,
    /// The citizens it is about.
    pub(super) citizens: Vec<String>,
}

impl Notebook<'_> {
    /// A row that was found.
    pub(super) fn shown(&self, mapping: &Mapping, found: &Found, ordinal: i64) -> Result<Option<Shown>, Rejection> {
        let resource = json::parse(&found.version.body).map_err(|_| unreadable())?;
        let ordinal = usize::try_from(ordinal).unwrap_or(0);
        Ok(self.of_resource(mapping, type_name(found.type_number), &found.id, &found.version, &resource, ordinal))
    }

    /// What an entity shows of a version of a resource; `None` when it is not one of its entries.
    pub(super) fn of_resource(
        &self,
        mapping: &Mapping,
        type_name: &'static str,
        id: &str,
        version: &Version,
        resource: &Node<'_>,
        ordinal: usize,
    ) -> Option<Shown> {
        let source = mapping.source_of(type_name, resource)?;
        let cells = mapping.values(source, resource, ordinal)?;
        let citizens = mapping.citizens_of(source, resource);
        let citizens: Vec<String> = citizens.into_iter().filter(|id| !id.is_empty()).collect();
        let entity = mapping.entity.name;
        let mut token = if source == 0 || mapping.resource_type() == type_name {
            id.to_owned()
        } else {
            format!("{type_name}/{id}")
        };
        if mapping.is_of_items() {
            token.push_str(&format!(":{ordinal}"));
        }
        let mut value = Map::new();
        value.insert("id".to_owned(), json!(token));
        value.insert("entity".to_owned(), json!(entity));
        let at = match citizens.first() {
            Some(citizen) => {
                value.insert("citizen".to_owned(), json!(citizen));
                format!("citizens/{citizen}/{entity}/{token}")
            }
            None if entity == "citizen" => format!("citizens/{id}"),
            None => format!("{entity}/{token}"),
        };
        value.extend(mapping.write(&cells));
        let names = self.names(mapping, source, &cells);
        if !names.is_empty() {
            value.insert("names".to_owned(), Value::Object(names));
        }
        value.insert("resource".to_owned(), json!(format!("{type_name}/{id}/_history/{}", version.version)));
        value.insert("version".to_owned(), json!(version.version));
        value.insert("updated".to_owned(), json!(format_instant(version.updated)));
        value.insert("self".to_owned(), json!(at));
        Some(Shown { value, cells, citizens })
    }

    /// What codes and references are called.
    fn names(&self, mapping: &Mapping, source: usize, cells: &[Cell]) -> Map<String, Value> {
        let mut names = Map::new();
        let codes = mapping.named_codes(source);
        for ((field, cell), codes) in mapping.entity.fields.iter().zip(cells).zip(codes.iter()) {
            let name = match (field.kind, cell) {
                (FieldKind::Code, Cell::Text(code)) => {
                    let known = codes.as_ref().and_then(|codes| codes.iter().find(|known| known.code == *code));
                    known.map(|known| json!({ "ja": known.ja, "en": known.en }))
                }
                (FieldKind::Reference(_), Cell::Text(reference)) => self.name(reference).map(Value::from),
                (FieldKind::References(_), Cell::Texts(all)) => {
                    let all: Vec<Option<String>> = all.iter().map(|reference| self.name(reference)).collect();
                    all.iter().any(Option::is_some).then(|| json!(all))
                }
                _ => None,
            };
            if let Some(name) = name {
                names.insert(field.name.to_owned(), name);
            }
        }
        names
    }

    /// What people call who or what a reference points at.
    pub(super) fn name(&self, reference: &str) -> Option<String> {
        if let Some(known) = self.names.borrow().get(reference) {
            return known.clone();
        }
        let found = self.look_up_name(reference);
        self.names.borrow_mut().insert(reference.to_owned(), found.clone());
        found
    }

    fn look_up_name(&self, reference: &str) -> Option<String> {
        let (kind, id) = self.local(reference)?;
        if !matches!(
            kind,
            "Practitioner"
                | "PractitionerRole"
                | "Patient"
                | "RelatedPerson"
                | "Organization"
                | "CareTeam"
                | "Group"
                | "Device"
        ) {
            return None;
        }
        let version = self.engine.read_blocking(kind, id).ok()?;
        let resource = json::parse(&version.body).ok()?;
        name_of(kind, &resource).or_else(|| {
            let person = resource.path(&["practitioner", "reference"])?.as_str()?;
            self.name(person)
        })
    }

    /// A warning that names what of the resource the notebook does not show.
    pub(super) fn unshown(&self, mapping: &Mapping, type_name: &str, resource: &Node<'_>) -> Option<Value> {
        let source = mapping.source_of(type_name, resource)?;
        let elements = mapping.unshown(source, resource);
        if elements.is_empty() {
            return None;
        }
        let list = elements.join(", ");
        let text = self.say(
            &format!("次の内容は連絡帳に表示されませんが、FHIR リソースに残ります: {list}"),
            &format!("the notebook does not show, and the FHIR resource keeps: {list}"),
        );
        let mut warning = super::remark(&Issue::warning(IssueCode::Incomplete, text));
        warning["expression"] = json!(elements);
        Some(warning)
    }
}
