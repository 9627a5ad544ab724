//! Translations of codes between notebook and FHIR as terminology of the guide: what kinds of entries there are,
//! which resources they are, which units are meant by what people write, which category a measurement has.
//!
//! The files of the guide are made from here (`fhir-profiles/renraku/definitions`); a test holds them equal.

use serde_json::{Value, json};

use super::describe;
use super::measured::{KINDS, WRITTEN};
use crate::r4::guide::CANONICAL;

const UCUM: &str = "http://unitsofmeasure.org";
const RESOURCES: &str = "http://hl7.org/fhir/resource-types";

fn head(kind: &str, id: &str, name: &str, title: &str, ja: &str, description: &str) -> Value {
    json!({
        "resourceType": kind,
        "id": id,
        "url": format!("{CANONICAL}/{kind}/{id}"),
        "version": "0.1.0",
        "name": name,
        "title": title,
        "_title": { "extension": [{
            "url": "http://hl7.org/fhir/StructureDefinition/translation",
            "extension": [{ "url": "lang", "valueCode": "ja" }, { "url": "content", "valueString": ja }]
        }] },
        "status": "draft",
        "experimental": false,
        "date": "2026-11-25",
        "publisher": "renraku",
        "description": description,
        "jurisdiction": [{ "coding": [{ "system": "urn:iso:std:iso:3166", "code": "JP" }] }]
    })
}

fn code_system(mut system: Value, concepts: Vec<Value>) -> Value {
    for (name, value) in [
        ("caseSensitive", json!(true)),
        ("content", json!("complete")),
        ("count", json!(concepts.len())),
        ("concept", Value::Array(concepts)),
    ] {
        system[name] = value;
    }
    system
}

fn element(code: &str, display: &str, targets: &[(&str, &str, &str)]) -> Value {
    let target = |(code, display, equivalence): &(&str, &str, &str)| json!({ "code": code, "display": display, "equivalence": equivalence });
    json!({ "code": code, "display": display, "target": targets.iter().map(target).collect::<Vec<_>>() })
}

/// The definitions: CodeSystems and ConceptMaps.
#[must_use]
pub fn definitions() -> Vec<Value> {
    let entity_system = format!("{CANONICAL}/CodeSystem/notebook-entity");
    let unit_system = format!("{CANONICAL}/CodeSystem/written-unit");
    let designation = |ja: &str| json!([{ "language": "ja", "value": ja }]);
    let entities = describe::all().map(|known| known.entity);
    let entity_concepts: Vec<Value> = entities
        .clone()
        .map(|entity| json!({ "code": entity.name, "display": entity.en, "designation": designation(entity.ja) }))
        .collect();
    let unit_concepts: Vec<Value> =
        WRITTEN.iter().map(|(written, _)| json!({ "code": written, "display": written })).collect();
    let mut to_resource = head(
        "ConceptMap",
        "notebook-entity-to-resource",
        "NotebookEntityToResource",
        "Kinds of entries as resources",
        "連絡帳の種類とリソース",
        "What is written in the notebook becomes a resource of the type that is equivalent; those of wider ones are shown as well.",
    );
    let elements = entities.map(|entity| {
        let mut types: Vec<&str> = Vec::new();
        for source in entity.sources {
            if !types.contains(&source.resource) {
                types.push(source.resource);
            }
        }
        let targets: Vec<(&str, &str, &str)> = types
            .iter()
            .enumerate()
            .map(|(place, name)| (*name, *name, if place == 0 { "equivalent" } else { "wider" }))
            .collect();
        element(entity.name, entity.en, &targets)
    });
    to_resource["group"] =
        json!([{ "source": entity_system, "target": RESOURCES, "element": elements.collect::<Vec<_>>() }]);
    let mut to_ucum = head(
        "ConceptMap",
        "written-unit-to-ucum",
        "WrittenUnitToUcum",
        "Units as people write them",
        "書かれた単位と UCUM",
        "What people write for a unit of a measurement, and what it is in UCUM.",
    );
    let elements: Vec<Value> =
        WRITTEN.iter().map(|(written, ucum)| element(written, written, &[(*ucum, *ucum, "equivalent")])).collect();
    to_ucum["group"] = json!([{ "source": unit_system, "target": UCUM, "element": elements }]);
    let mut to_category = head(
        "ConceptMap",
        "measurement-to-category",
        "MeasurementToCategory",
        "Measurements and their category",
        "測定項目と種別",
        "The category that an Observation with this code must have.",
    );
    let mut groups: Vec<Value> = Vec::new();
    for kind in KINDS {
        let (system, category) = kind.category;
        let place = groups.iter().position(|group| group["source"] == kind.system && group["target"] == system);
        let elements = kind
            .codes
            .iter()
            .map(|code| json!({ "code": code, "target": [{ "code": category, "equivalence": "wider" }] }));
        match place.and_then(|place| groups.get_mut(place)).and_then(|group| group["element"].as_array_mut()) {
            Some(known) => known.extend(elements),
            None => {
                groups.push(json!({ "source": kind.system, "target": system, "element": elements.collect::<Vec<_>>() }))
            }
        }
    }
    to_category["group"] = Value::Array(groups);
    vec![
        code_system(
            head(
                "CodeSystem",
                "notebook-entity",
                "NotebookEntity",
                "Kinds of entries of the notebook",
                "連絡帳の記録の種類",
                "Names of the kinds of entries in the notebook API.",
            ),
            entity_concepts,
        ),
        code_system(
            head(
                "CodeSystem",
                "written-unit",
                "WrittenUnit",
                "Units as people write them",
                "書かれた単位",
                "What people write for a unit, where it is not UCUM.",
            ),
            unit_concepts,
        ),
        to_resource,
        to_ucum,
        to_category,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `RENRAKU_WRITE_GUIDE=1 cargo test --lib guide_has` writes them.
    #[test]
    fn the_guide_has_the_translations_of_the_tables() {
        for definition in definitions() {
            let name =
                format!("{}-{}.json", definition["resourceType"].as_str().unwrap(), definition["id"].as_str().unwrap());
            let file = format!("{}/fhir-profiles/renraku/definitions/{name}", env!("CARGO_MANIFEST_DIR"));
            let expected = format!("{}\n", serde_json::to_string_pretty(&definition).unwrap());
            if std::env::var_os("RENRAKU_WRITE_GUIDE").is_some() {
                std::fs::write(&file, &expected).unwrap();
            }
            let found = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(found == expected, "{name} is stale: RENRAKU_WRITE_GUIDE=1 cargo test --lib guide_has");
        }
    }
}
