//! What is measured, by its code: the category, the profile and the units that belong to it.
//!
//! FHIR R4 observation-vitalsigns.html asks for the category `vital-signs` and units of UCUM wherever one of
//! its codes is used; our guide asks the like for grip, mobility and bone density. Nobody who writes in the
//! notebook should have to know: what is left open is completed from this table, what contradicts it is
//! refused. Pure.

use super::{Cell, Mapping};
use crate::format::json::Node;
use crate::notebook::model::check::Complaint;
use crate::r4::guide::CANONICAL;
use crate::r4::outcome::IssueCode;

const LOINC: &str = "http://loinc.org";
const JLAC10: &str = "http://medis.or.jp/CodeSystem/master-JLAC10-17digits";
const OF_HL7: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const OF_JAPAN: &str = "http://jpfhir.jp/fhir/core/CodeSystem/JP_SimpleObservationCategory_CS";
/// The panel of blood pressure: two values, so an entity of its own.
const BLOOD_PRESSURE: &str = "85354-9";

/// One kind of measurement.
#[derive(Debug)]
pub struct Measured {
    /// System of its codes.
    pub system: &'static str,
    /// Its codes.
    pub codes: &'static [&'static str],
    /// System and code of the category.
    pub category: (&'static str, &'static str),
    /// Id of our guide's profile; empty for what the standard's own profiles ask for by the code.
    pub profile: &'static str,
    /// Units it may have (UCUM), the usual one first.
    pub units: &'static [&'static str],
    /// Whether it must be said where on the body.
    pub has_site: bool,
}

const fn vital(codes: &'static [&'static str], units: &'static [&'static str]) -> Measured {
    Measured { system: LOINC, codes, category: (OF_HL7, "vital-signs"), profile: "", units, has_site: false }
}

const DENSITY: &[&str] = &["g/cm2", "{T-score}", "%", "1"];

const fn density(system: &'static str, codes: &'static [&'static str], units: &'static [&'static str]) -> Measured {
    Measured { system, codes, category: (OF_JAPAN, "exam"), profile: "bone-density", units, has_site: true }
}

const fn function(codes: &'static [&'static str], profile: &'static str, units: &'static [&'static str]) -> Measured {
    Measured { system: LOINC, codes, category: (OF_JAPAN, "functional-status"), profile, units, has_site: false }
}

/// All kinds that are known.
pub const KINDS: &[Measured] = &[
    vital(&["9279-1", "8867-4"], &["/min"]),
    vital(&["2708-6", "59408-5"], &["%"]),
    vital(&["8310-5"], &["Cel", "[degF]"]),
    vital(&["8302-2", "9843-4"], &["cm", "[in_i]"]),
    vital(&["29463-7"], &["kg", "g", "[lb_av]"]),
    vital(&["39156-5"], &["kg/m2"]),
    vital(&["8480-6", "8462-4"], &["mm[Hg]"]),
    function(&["83174-3", "83173-5"], "grip-strength", &["kg"]),
    function(&["89423-8", "66247-8"], "mobility", &["s"]),
    function(&["83172-7"], "mobility", &["m/s"]),
    density(LOINC, &["38263-0", "38264-8", "38267-1", "24966-4"], DENSITY),
    density(JLAC10, &["9Z507195600000001"], &["%"]),
    density(JLAC10, &["9Z507195700000001"], &["g/cm2"]),
];

/// What people write for units, and what it is in UCUM.
pub const WRITTEN: &[(&str, &str)] = &[
    ("℃", "Cel"),
    ("°C", "Cel"),
    ("度", "Cel"),
    ("回/分", "/min"),
    ("/分", "/min"),
    ("bpm", "/min"),
    ("％", "%"),
    ("㎏", "kg"),
    ("㎝", "cm"),
    ("kg/m²", "kg/m2"),
    ("kg/㎡", "kg/m2"),
    ("mmHg", "mm[Hg]"),
    ("秒", "s"),
    ("m/秒", "m/s"),
    ("g/cm²", "g/cm2"),
];

fn kind(system: Option<&str>, code: Option<&str>) -> Option<&'static Measured> {
    let code = code?;
    KINDS.iter().find(|kind| kind.codes.contains(&code) && system.is_none_or(|system| system == kind.system))
}

fn kind_of(resource: &Node<'_>) -> Option<&'static Measured> {
    let codings = resource.get("code")?.list("coding");
    codings.iter().find_map(|coding| kind(Some(coding.text("system")?), coding.text("code")))
}

/// Completes the code system and the unit of a measurement; what contradicts its kind is said. What a change
/// leaves as it was (`old`) is not looked at.
#[must_use]
pub fn complete(mapping: &Mapping, old: Option<&[Cell]>, cells: &mut [Cell]) -> Vec<Complaint> {
    let is_same = |name: &&str| old.is_some_and(|old| mapping.named(old, name) == mapping.named(cells, name));
    if ["system", "code", "unit", "ucum", "site"].iter().all(is_same) {
        return Vec::new();
    }
    let is_new = !["system", "code"].iter().all(is_same);
    let said = |cells: &[Cell], name| mapping.text(cells, name).map(str::to_owned);
    let (system, code) = (said(cells, "system"), said(cells, "code"));
    if code.as_deref() == Some(BLOOD_PRESSURE) && system.as_deref().is_none_or(|system| system == LOINC) {
        return vec![Complaint {
            field: "code".to_owned(),
            code: IssueCode::BusinessRule,
            ja: "血圧は二つの値を持つので、blood_pressure として書いてください".to_owned(),
            en: "blood pressure has two values and is written as blood_pressure".to_owned(),
        }];
    }
    let Some(kind) = kind(system.as_deref(), code.as_deref()) else { return Vec::new() };
    if system.is_none() {
        mapping.put(cells, "system", Cell::Text(kind.system.to_owned()));
    }
    let mut complaints = Vec::new();
    let ucum = said(cells, "ucum").or_else(|| match said(cells, "unit") {
        None if !is_new => None,
        None => kind.units.first().map(|unit| (*unit).to_owned()),
        Some(unit) => {
            let known = WRITTEN.iter().find(|(written, _)| *written == unit);
            Some(known.map_or(unit, |(_, ucum)| (*ucum).to_owned()))
        }
    });
    match ucum {
        Some(ucum) if kind.units.contains(&ucum.as_str()) => {
            if is_new && said(cells, "unit").is_none() {
                mapping.put(cells, "unit", Cell::Text(ucum.clone()));
            }
            mapping.put(cells, "ucum", Cell::Text(ucum));
        }
        None if !is_new => {}
        _ => {
            let units = kind.units.join(", ");
            complaints.push(Complaint {
                field: "ucum".to_owned(),
                code: IssueCode::CodeInvalid,
                ja: format!("この項目の単位（UCUM）（ucum）は次のいずれかでなければなりません: {units}"),
                en: format!("the unit (ucum) of this must be one of: {units}"),
            });
        }
    }
    if kind.has_site && said(cells, "site").is_none() {
        complaints.push(Complaint {
            field: "site".to_owned(),
            code: IssueCode::Required,
            ja: "骨密度では部位（site）は必須です".to_owned(),
            en: "the site is required for bone density".to_owned(),
        });
    }
    complaints
}

/// Gives an Observation the category and the profile of its code. `before` is what it was changed from:
/// what another kind asked for goes, and where the code stays nothing is touched.
pub(super) fn classify(resource: &mut Node<'static>, before: Option<&Node<'static>>) {
    // A code of a unit has a system (FHIR R4 datatypes.html#Quantity, qty-3).
    if let Some(quantity) = resource.get_mut("valueQuantity")
        && quantity.get("code").is_some()
        && quantity.get("system").is_none()
    {
        quantity.set("system", Node::string("http://unitsofmeasure.org"));
    }
    let (old, new) = (before.and_then(kind_of), kind_of(resource));
    if before.is_some() && old.map(|kind| kind.codes) == new.map(|kind| kind.codes) {
        return;
    }
    if let Some(old) = old {
        retain(resource, "category", |category| !is_category(category, old.category));
        if let Some(meta) = resource.get_mut("meta") {
            retain(meta, "profile", |claim| old.profile.is_empty() || claim.as_str() != Some(&url(old.profile)));
        }
    }
    let category = new.map_or((OF_JAPAN, "exam"), |kind| kind.category);
    if !resource.list("category").iter().any(|known| is_category(known, category))
        && (new.is_some() || resource.list("category").is_empty())
    {
        let coding = Node::object([("system", Node::string(category.0)), ("code", Node::string(category.1))]);
        push(resource, "category", Node::object([("coding", Node::Array(vec![coding]))]));
    }
    if let Some(new) = new.filter(|kind| !kind.profile.is_empty()) {
        let claim = url(new.profile);
        if resource.get("meta").is_none() {
            resource.set("meta", Node::Object(Vec::new()));
        }
        if let Some(meta) = resource.get_mut("meta")
            && !meta.list("profile").iter().any(|known| known.as_str() == Some(&claim))
        {
            push(meta, "profile", Node::string(claim));
        }
    }
}

fn url(profile: &str) -> String {
    format!("{CANONICAL}/StructureDefinition/{profile}")
}

fn is_category(category: &Node<'_>, (system, code): (&str, &str)) -> bool {
    let is_it = |coding: &Node<'_>| coding.text("system") == Some(system) && coding.text("code") == Some(code);
    category.list("coding").iter().any(is_it)
}

fn retain(node: &mut Node<'static>, name: &'static str, keep: impl Fn(&Node<'static>) -> bool) {
    if let Some(Node::Array(items)) = node.get_mut(name) {
        items.retain(keep);
    }
    if node.get(name).is_some_and(|list| list.items().is_empty()) {
        node.remove(name);
    }
}

fn push(node: &mut Node<'static>, name: &'static str, item: Node<'static>) {
    match node.get_mut(name) {
        Some(Node::Array(items)) => items.push(item),
        _ => node.set(name, Node::Array(vec![item])),
    }
}

#[cfg(test)]
mod tests {
    use super::super::mapping;
    use super::*;
    use crate::r4::canonical::Canonicals;
    use crate::r4::guide::guide;
    use crate::validation::vital_signs;

    fn observation(code: &str) -> Node<'static> {
        let coding = Node::object([("system", Node::string(LOINC)), ("code", Node::string(code.to_owned()))]);
        Node::object([
            ("resourceType", Node::string("Observation")),
            ("code", Node::object([("coding", Node::Array(vec![coding]))])),
        ])
    }

    /// What R4 calls a vital sign is one here, and the profiles named are there.
    #[test]
    fn the_table_agrees_with_the_standard_and_the_guide() {
        for kind in KINDS {
            assert!(kind.profile.is_empty() || guide().find("StructureDefinition", &url(kind.profile), None).is_some());
        }
        for (code, _) in vital_signs::PROFILES {
            let known = kind(Some(LOINC), Some(code));
            let is_panel = matches!(*code, BLOOD_PRESSURE | "85353-1");
            assert_eq!(known.is_some_and(|kind| kind.category.1 == "vital-signs"), !is_panel, "{code}");
        }
        assert!(vital_signs::profile(&observation("29463-7")).is_some());
    }

    #[test]
    fn a_new_code_asks_for_a_new_category() {
        let mut weight = observation("29463-7");
        classify(&mut weight, None);
        assert_eq!(weight.list("category")[0].list("coding")[0].text("code"), Some("vital-signs"));
        let mut grip = weight.clone();
        if let Some(Node::Array(codings)) = grip.get_mut("code").and_then(|code| code.get_mut("coding")) {
            codings[0].set("code", Node::string("83174-3"));
        }
        classify(&mut grip, Some(&weight));
        assert_eq!(grip.list("category").len(), 1);
        assert_eq!(grip.list("category")[0].list("coding")[0].text("code"), Some("functional-status"));
        assert_eq!(grip.get("meta").unwrap().list("profile").len(), 1);
        let bare = observation("29463-7");
        let mut same = bare.clone();
        classify(&mut same, Some(&bare));
        assert_eq!(same, bare, "where the code stays nothing is touched");
    }

    #[test]
    fn units_are_completed_or_refused() {
        let measurement = mapping("measurement").unwrap();
        let with = |unit: &str, ucum: Option<&str>| {
            let mut cells = vec![Cell::Nothing; measurement.entity.fields.len()];
            measurement.put(&mut cells, "code", Cell::Text("8310-5".into()));
            measurement.put(&mut cells, "unit", Cell::Text(unit.into()));
            measurement.put(&mut cells, "ucum", ucum.map_or(Cell::Nothing, |ucum| Cell::Text(ucum.into())));
            let complaints = complete(measurement, None, &mut cells);
            (complaints.len(), measurement.text(&cells, "ucum").map(str::to_owned))
        };
        assert_eq!(with("℃", None), (0, Some("Cel".into())));
        assert_eq!(with("熱", Some("[degF]")), (0, Some("[degF]".into())));
        assert_eq!(with("kg", None).0, 1);
        assert_eq!(with("℃", Some("kg")).0, 1);
    }
}
