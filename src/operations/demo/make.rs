//! What the rooms of the demonstration share: ids that stay, days, references, codes, transactions.
//!
//! Resources are written as JSON, as a client would write them. May use: `format`, `fls::Day`. Must not know: the engine.

use serde_json::{Map, Value, json};

use crate::fls::Day;
use crate::format::json::{self, Node};
use crate::operations::ingest::name_id;

pub(super) const LOINC: &str = "http://loinc.org";
pub(super) const UCUM: &str = "http://unitsofmeasure.org";
pub(super) const YJ: &str = "http://capstandard.jp/iyaku.info/CodeSystem/YJ-code";
pub(super) const PROFESSION: &str = "http://jpfhir.jp/fhir/core/CodeSystem/JP_PractitionerRole_CS";
pub(super) const HOSPITAL_ID: &str = "urn:oid:1.2.392.100495.20.3.51.12399999999";
pub(super) const STAFF_ID: &str = "urn:oid:1.2.392.100495.20.3.41.12399999999";
pub(super) const INSTITUTION: &str = "http://jpfhir.jp/fhir/core/IdSystem/insurance-medical-institution-no";
const OURS: &str = "http://renraku.example/fhir/";
const REPRESENTATION: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";
const SIMPLE_CATEGORY: &str = "http://jpfhir.jp/fhir/core/CodeSystem/JP_SimpleObservationCategory_CS";

/// `Type/id`, the same for the same words each time.
pub(super) fn local(type_name: &str, of: &str) -> String {
    format!("{type_name}/{}", id(type_name, of))
}

fn id(type_name: &str, of: &str) -> String {
    name_id(&["demo", &format!("{type_name}/{of}")])
}

/// The URL of something of our guide.
pub(super) fn ours(path: &str) -> String {
    format!("{OURS}{path}")
}

/// A CodeSystem of our guide.
pub(super) fn system(name: &str) -> String {
    ours(&format!("CodeSystem/{name}"))
}

/// `meta` that claims a profile of our guide.
pub(super) fn claims(profile: &str) -> Value {
    json!({ "profile": [ours(&format!("StructureDefinition/{profile}"))] })
}

/// An extension of our guide.
pub(super) fn extension(name: &str, member: &str, value: Value) -> Value {
    json!({ "url": ours(&format!("StructureDefinition/{name}")), member: value })
}

pub(super) fn reference(target: &str) -> Value {
    json!({ "reference": target })
}

pub(super) fn named(target: &str, display: &str) -> Value {
    json!({ "reference": target, "display": display })
}

pub(super) fn concept(words: &str, codings: &[(&str, &str)]) -> Value {
    let codings: Vec<Value> = codings.iter().map(|(system, code)| json!({ "system": system, "code": code })).collect();
    if codings.is_empty() { json!({ "text": words }) } else { json!({ "coding": codings, "text": words }) }
}

/// A code of our own guide, with words.
pub(super) fn own(words: &str, name: &str, code: &str) -> Value {
    concept(words, &[(&system(name), code)])
}

/// The category of an Observation, as JP Core has them.
pub(super) fn category(code: &str) -> Value {
    json!({ "coding": [{ "system": SIMPLE_CATEGORY, "code": code }] })
}

/// A number with so many digits behind the point.
pub(super) fn decimal(value: f64, places: usize) -> Value {
    serde_json::from_str(&format!("{value:.places$}")).unwrap_or(Value::Null)
}

pub(super) fn quantity(value: f64, places: usize, unit: &str, code: &str) -> Value {
    json!({ "value": decimal(value, places), "unit": unit, "system": UCUM, "code": code })
}

/// A time of a day in Japan; `clock` is `10:30`.
pub(super) fn at(day: Day, clock: &str) -> String {
    format!("{day}T{clock}:00+09:00")
}

/// A name in Chinese characters and in kana, told apart as JP Core does.
pub(super) fn names(given: &str, kana: &str) -> Value {
    let name = |kind: &str, family: &str, given: &str| {
        json!({
            "extension": [{ "url": REPRESENTATION, "valueCode": kind }],
            "use": "official", "text": format!("{family} {given}"), "family": family, "given": [given],
        })
    };
    json!([name("IDE", "見本", given), name("SYL", "ミホン", kana)])
}

/// A transaction in the making.
#[derive(Debug, Default)]
pub(super) struct Chart {
    entries: Vec<Value>,
}

impl Chart {
    /// One more resource, under an id made of `key`; the reference to it.
    pub(super) fn put(&mut self, key: &str, resource: Value) -> String {
        let type_name = resource["resourceType"].as_str().unwrap_or_default().to_owned();
        self.put_as(&id(&type_name, key), resource)
    }

    /// One more resource under this id.
    pub(super) fn put_as(&mut self, id: &str, resource: Value) -> String {
        let mut whole = Map::new();
        if let Value::Object(mut members) = resource {
            whole.insert("resourceType".to_owned(), members.remove("resourceType").unwrap_or(Value::Null));
            whole.insert("id".to_owned(), json!(id));
            // What is not said is not there.
            whole.extend(members.into_iter().filter(|(name, value)| name != "id" && !value.is_null()));
        }
        let url = format!("{}/{id}", whole["resourceType"].as_str().unwrap_or_default());
        let full_url = format!("urn:uuid:{}", name_id(&["demo", "entry", &url]));
        self.entries.push(json!({
            "fullUrl": full_url, "resource": whole, "request": { "method": "PUT", "url": url },
        }));
        url
    }

    /// Type and id of what is written first: when it is there, all of it is.
    pub(super) fn first(&self) -> Option<(String, String)> {
        let (type_name, id) = self.entries.first()?["request"]["url"].as_str()?.split_once('/')?;
        Some((type_name.to_owned(), id.to_owned()))
    }

    /// Number of resources.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The transaction.
    pub(super) fn bundle(&self) -> Option<Node<'static>> {
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": self.entries });
        json::parse(bundle.to_string().as_bytes()).ok().map(Node::into_owned)
    }
}
