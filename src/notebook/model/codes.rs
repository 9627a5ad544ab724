//! What a code may be: the codes of the system or value set that the table's path names, with names in
//! both languages, from our own guide and from what HL7 publishes. `None` where any code may stand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::japanese::japanese;
use super::{FieldKind, Mapping};
use crate::format::json::Node;
use crate::r4::canonical::{Canonicals, Definition, split, standard};
use crate::r4::definitions;
use crate::r4::guide::guide;

/// A code with its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCode {
    /// The code.
    pub code: String,
    /// Japanese; the English where there is none.
    pub ja: String,
    /// English.
    pub en: String,
}

/// How deep value sets may include each other.
const DEPTH: usize = 4;
/// More codes than a form can offer are no list.
const MOST: usize = 300;

/// The codes of each field of an entity.
type OfFields = Arc<Vec<Option<Vec<NamedCode>>>>;

impl Mapping {
    /// The codes of all fields in a source; made when they are first asked for.
    #[must_use]
    pub fn named_codes(&self, source: usize) -> OfFields {
        static MADE: Mutex<BTreeMap<(&'static str, usize), OfFields>> = Mutex::new(BTreeMap::new());
        let name = (self.entity.name, source);
        let known = MADE.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        known.unwrap_or_else(|| {
            let made = (0..self.entity.fields.len()).map(|field| self.look_up_codes(source, field)).collect();
            let made = Arc::new(made);
            MADE.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::clone(&made));
            made
        })
    }

    /// The codes a field may hold in a source, when they are a closed list.
    #[must_use]
    pub fn codes(&self, source: usize, field: usize) -> Option<Vec<NamedCode>> {
        self.named_codes(source).get(field).cloned().flatten()
    }

    fn look_up_codes(&self, source: usize, field: usize) -> Option<Vec<NamedCode>> {
        let (source, field) = (self.entity.sources.get(source)?, self.entity.fields.get(field)?);
        if field.kind != FieldKind::Code {
            return None;
        }
        let path = source.paths.iter().find(|(name, _)| *name == field.name)?.1;
        let codes = if let Some(system) = key_before(path, "}.code", "{system=") {
            code_system(system)?
        } else if let Some(url) = key_before(path, "}.valueCode", "{url=") {
            let extension = guide().find("StructureDefinition", url, None)?;
            let elements = extension.get("differential")?.list("element");
            let value = elements.iter().find(|element| element.text("path") == Some("Extension.value[x]"))?;
            value_set(value.path(&["binding", "valueSet"])?.as_str()?, DEPTH)?
        } else {
            value_set(&required_binding(source.resource, source.per, path)?, DEPTH)?
        };
        (codes.len() <= MOST).then_some(codes)
    }
}

/// What stands between the last `key` and the end of a path that ends in `end`.
fn key_before(path: &'static str, end: &str, key: &str) -> Option<&'static str> {
    path.strip_suffix(end)?.rsplit_once(key).map(|(_, text)| text)
}

/// The value set that the standard requires for an element.
fn required_binding(resource: &str, per: &'static str, path: &'static str) -> Option<String> {
    let tables = definitions();
    let mut at = tables.resource(resource)?;
    let mut binding = None;
    for name in per.split('.').chain(path.split('.')).filter(|name| !name.is_empty()) {
        let name = name.split(['{', '*']).next()?;
        let definition = tables.get(at);
        let field = definition.field(name)?;
        binding = definition.element(field).binding.clone();
        at = field.type_id;
    }
    binding.filter(|(strength, _)| strength == "required").map(|(_, url)| url)
}

fn find(kind: &str, url: &str) -> Option<Definition> {
    let url = split(url).0;
    guide().find(kind, url, None).or_else(|| standard().find(kind, url, None))
}

fn code_system(url: &str) -> Option<Vec<NamedCode>> {
    let system = find("CodeSystem", url)?;
    if system.text("content") != Some("complete") {
        return None;
    }
    let mut codes = Vec::new();
    add(url, system.list("concept"), &mut codes);
    (!codes.is_empty()).then_some(codes)
}

fn add(system: &str, concepts: &[Node<'_>], codes: &mut Vec<NamedCode>) {
    for concept in concepts {
        codes.extend(named(system, concept));
        add(system, concept.list("concept"), codes);
    }
}

fn named(system: &str, concept: &Node<'_>) -> Option<NamedCode> {
    let code = concept.text("code")?;
    let en = concept.text("display").unwrap_or(code);
    let ja = concept.list("designation").iter().find(|name| name.text("language") == Some("ja"));
    let ja = ja.and_then(|name| name.text("value")).or_else(|| japanese(system, code)).unwrap_or(en);
    Some(NamedCode { code: code.to_owned(), ja: ja.to_owned(), en: en.to_owned() })
}

fn value_set(url: &str, depth: usize) -> Option<Vec<NamedCode>> {
    let depth = depth.checked_sub(1)?;
    let set = find("ValueSet", url)?;
    let compose = set.get("compose")?;
    if compose.get("exclude").is_some() {
        return None;
    }
    let mut codes = Vec::new();
    for include in compose.list("include") {
        if include.get("filter").is_some() {
            return None;
        }
        for other in include.list("valueSet").iter().filter_map(Node::as_str) {
            codes.extend(value_set(other, depth)?);
        }
        let Some(system) = include.text("system") else { continue };
        let listed = include.list("concept");
        if listed.is_empty() {
            codes.extend(code_system(system)?);
            continue;
        }
        let whole = code_system(system).unwrap_or_default();
        let known = |code: &NamedCode| whole.iter().find(|known| known.code == code.code).cloned();
        let codes_here = listed.iter().filter_map(|concept| named(system, concept));
        codes.extend(codes_here.map(|code| known(&code).unwrap_or(code)));
    }
    Some(codes)
}

#[cfg(test)]
mod tests {
    use super::super::{citizen_mapping, mapping, mappings};
    use super::*;

    fn of(entity: &str, field: &str) -> Option<Vec<NamedCode>> {
        let mapping = mapping(entity).unwrap();
        let place = mapping.entity.fields.iter().position(|known| known.name == field).unwrap();
        mapping.codes(0, place)
    }

    /// Whoever reads the notebook reads Japanese; HL7 publishes its codes in English.
    #[test]
    fn every_code_of_a_closed_list_has_a_japanese_name() {
        let mut latin = Vec::new();
        for mapping in mappings().iter().chain([citizen_mapping()]) {
            for source in 0..mapping.entity.sources.len() {
                for (field, codes) in mapping.entity.fields.iter().zip(mapping.named_codes(source).iter()) {
                    let named = codes.iter().flatten().filter(|code| code.ja == code.en);
                    latin.extend(named.map(|code| format!("{}.{} {}", mapping.entity.name, field.name, code.code)));
                }
            }
        }
        assert!(latin.is_empty(), "{latin:#?}");
        let name = |entity: &str, code: &str| {
            let codes = of(entity, if entity == "diagnosis" { "clinical_status" } else { "status" }).unwrap();
            codes.into_iter().find(|known| known.code == code).unwrap().ja
        };
        assert_eq!(name("diagnosis", "active"), "治療中");
        assert_eq!(name("medication", "active"), "継続中");
        assert_eq!(name("team", "active"), "有効");
    }

    #[test]
    fn codes_come_from_systems_extensions_and_bindings() {
        let level = of("care_level", "level").unwrap();
        assert!(level.iter().any(|code| code.code == "23" && code.ja == "要介護3"), "{level:?}");
        assert!(of("article", "audience").unwrap().iter().any(|code| code.code == "family-private"));
        assert!(of("medication", "adherence").unwrap().iter().any(|code| code.code == "taken"));
        assert!(of("citizen", "gender").unwrap().iter().any(|code| code.code == "female"));
        assert!(of("visit", "status").unwrap().iter().any(|code| code.code == "booked"));
        assert!(of("diagnosis", "clinical_status").unwrap().iter().any(|code| code.code == "resolved"));
        assert_eq!(of("measurement", "code"), None);
    }
}
