//! Patient → citizen.

use crate::format::fold;
use crate::format::json::Node;
use crate::notebook::texts::{self, or_missing};
use crate::store::CitizenRow;

/// How a name is written (JP Core): IDE = ideographic, SYL = syllabic (kana).
const REPRESENTATION: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";

/// Patient numbers of hospitals: JP Core's root, and the one older guides use.
const HOSPITAL_ROOTS: [&str; 2] = ["urn:oid:1.2.392.100495.20.3.51.", "urn:oid:1.2.392.200119.6.102."];

/// Names and numbers a citizen is searched by.
const MOST_FOLDED: usize = 20;

pub(super) fn citizen(patient: &Node<'_>) -> CitizenRow {
    let names = patient.list("name");
    let written = |kind: &str| names.iter().find(|name| representation(name) == Some(kind));
    let kanji = written("IDE").or_else(|| names.iter().find(|name| representation(name) != Some("SYL")));
    let identifier = |accept: &dyn Fn(&str) -> bool| {
        let found = patient.list("identifier").iter().find(|identifier| identifier.text("system").is_some_and(accept));
        found.and_then(|identifier| texts::text(identifier, "value")).unwrap_or_default()
    };
    let plain = |name: &str| patient.text(name).unwrap_or_default().to_owned();
    let name = kanji.and_then(texts::human_name);
    let kana = written("SYL").and_then(texts::human_name).unwrap_or_default();
    let numbers = patient.list("identifier").iter().filter_map(|identifier| texts::text(identifier, "value"));
    let known = names.iter().filter_map(texts::human_name).chain(numbers).take(MOST_FOLDED);
    let folded: Vec<String> = known.map(|text| fold::index_form(&text)).collect();
    let municipality = patient.path(&["managingOrganization", "reference"]).and_then(Node::as_str);
    CitizenRow {
        name: or_missing(name),
        kana,
        municipality: municipality.and_then(|text| text.strip_prefix("Organization/")).unwrap_or_default().to_owned(),
        folded: folded.join("\n"),
        birth_date: plain("birthDate"),
        gender: plain("gender"),
        address: patient.list("address").iter().find_map(texts::address).unwrap_or_default(),
        notebook_id: identifier(&|system| system.to_ascii_lowercase().contains("notebook")),
        hospital_id: identifier(&|system| HOSPITAL_ROOTS.iter().any(|root| system.starts_with(root))),
        insured_id: identifier(&|system| {
            let system = system.to_ascii_lowercase();
            system.contains("insurance_memberid") || system.contains("insured")
        }),
    }
}

/// The name in ideographs, else another.
pub(super) fn written_name(person: &Node<'_>) -> Option<String> {
    let names = person.list("name");
    let written = names.iter().find(|name| representation(name) == Some("IDE"));
    written.or_else(|| names.iter().find(|name| representation(name) != Some("SYL"))).and_then(texts::human_name)
}

fn representation<'n>(name: &'n Node<'_>) -> Option<&'n str> {
    let extension = name.list("extension").iter().find(|extension| extension.text("url") == Some(REPRESENTATION))?;
    extension.text("valueCode")
}
