//! Names of one system: its URL, its OIDs as URIs. Both are in use for Japanese systems, and CDA
//! knows OIDs only.
//!
//! From a short table of published pairs and from every NamingSystem that is here (FHIR R4
//! namingsystem.html): who stores one teaches the server.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::format::json::Node;
use crate::r4::canonical::Canonicals;

/// Each line is one system, the name it is taken for first. FHIR R4 terminologies-systems.html for the
/// international ones; the NamingSystems of JP Core 1.1.2 and the systems of JP-CLINS for the others.
const KNOWN: [&[&str]; 12] = [
    &["http://snomed.info/sct", "urn:oid:2.16.840.1.113883.6.96"],
    &["http://loinc.org", "urn:oid:2.16.840.1.113883.6.1"],
    &["http://unitsofmeasure.org", "urn:oid:2.16.840.1.113883.6.8"],
    &["http://hl7.org/fhir/sid/icd-10", "urn:oid:2.16.840.1.113883.6.3"],
    &["http://www.nlm.nih.gov/research/umls/rxnorm", "urn:oid:2.16.840.1.113883.6.88"],
    &["http://www.whocc.no/atc", "urn:oid:2.16.840.1.113883.6.73"],
    &[
        "http://medis.or.jp/CodeSystem/master-HOT9",
        "urn:oid:1.2.392.200119.4.403.1",
        "urn:oid:1.2.392.100495.20.2.74",
        "http://jpfhir.jp/fhir/core/CodeSystem/JP_MedicationCodeHOT9_CS",
    ],
    &[
        "http://capstandard.jp/iyaku.info/CodeSystem/YJ-code",
        "urn:oid:1.2.392.100495.20.1.73",
        "http://jpfhir.jp/fhir/core/CodeSystem/JP_MedicationCodeYJ_CS",
    ],
    &[
        "http://medis.or.jp/CodeSystem/master-JLAC10-17digits",
        "urn:oid:1.2.392.200119.4.504",
        "http://jpfhir.jp/fhir/core/CodeSystem/JP_ObservationLabResultCode_CS",
    ],
    &["http://medis.or.jp/CodeSystem/master-disease-exCode", "urn:oid:1.2.392.200119.4.101.6"],
    &[
        "http://jami.jp/CodeSystem/MedicationUsage",
        "urn:oid:1.2.392.200250.2.2.20",
        "http://jpfhir.jp/fhir/core/CodeSystem/JP_MedicationUsageJAMI_CS",
    ],
    &[
        "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/MedicationUnitMERIT9Code",
        "urn:oid:1.2.392.100495.20.2.101",
        "http://jpfhir.jp/fhir/core/CodeSystem/JP_MedicationUnitMERIT9_CS",
    ],
];

/// Which names mean the same system.
#[derive(Debug, Default)]
pub struct Equivalence {
    /// Name → its group.
    groups: HashMap<String, usize, RandomState>,
    /// Names of a group, the preferred one first. Merged groups are left empty.
    names: Vec<Vec<String>>,
}

impl Equivalence {
    /// The published pairs, and every NamingSystem of these definitions.
    #[must_use]
    pub fn read(definitions: &dyn Canonicals) -> Self {
        let mut table = Self::default();
        for group in KNOWN {
            table.join(group.iter().map(|name| (*name).to_owned()).collect());
        }
        for (url, _) in definitions.list("NamingSystem") {
            if let Some(naming) = definitions.find("NamingSystem", &url, None) {
                table.join(names_of(&naming));
            }
        }
        table
    }

    /// These names mean one system: so do those that meant one with any of them before.
    fn join(&mut self, names: Vec<String>) {
        let known = names.iter().filter_map(|name| self.groups.get(name).copied()).min();
        let target = known.unwrap_or_else(|| {
            self.names.push(Vec::new());
            self.names.len() - 1
        });
        let mut all = names;
        for other in all.clone().iter().filter_map(|name| self.groups.get(name).copied()) {
            if other != target
                && let Some(merged) = self.names.get_mut(other)
            {
                all.append(merged);
            }
        }
        for name in all {
            let before = self.groups.insert(name.clone(), target);
            if before != Some(target)
                && let Some(group) = self.names.get_mut(target)
            {
                group.push(name);
            }
        }
    }

    /// The name that one of several is taken for; `None` when it has no other.
    pub(super) fn preferred(&self, name: &str) -> Option<&str> {
        self.names.get(*self.groups.get(name)?)?.first().map(String::as_str)
    }

    /// All names of the system with this one.
    pub(super) fn others(&self, name: &str) -> &[String] {
        self.groups.get(name).and_then(|group| self.names.get(*group)).map_or(&[], Vec::as_slice)
    }

    /// Every name of the system with this one, itself first.
    #[must_use]
    pub fn of(&self, name: &str) -> Vec<String> {
        let others = self.others(name).iter().filter(|other| *other != name).cloned();
        std::iter::once(name.to_owned()).chain(others).collect()
    }

    pub(super) fn size(&self) -> usize {
        self.groups.keys().map(|name| name.len() * 2 + 128).sum()
    }
}

/// The names a NamingSystem gives, as URIs, URLs before OIDs, the preferred one first.
fn names_of(naming: &Node<'_>) -> Vec<String> {
    let mut ranked: Vec<(u8, String)> = Vec::new();
    for unique in naming.list("uniqueId") {
        let Some(value) = unique.text("value") else { continue };
        let name = match unique.text("type") {
            Some("oid") if !value.starts_with("urn:") => format!("urn:oid:{value}"),
            Some("uuid") if !value.starts_with("urn:") => format!("urn:uuid:{value}"),
            Some("oid" | "uuid" | "uri") => value.to_owned(),
            _ => continue,
        };
        let is_preferred = unique.get("preferred").and_then(Node::as_bool) == Some(true);
        let rank = match (is_preferred, name.starts_with("urn:")) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => 2,
        };
        if !ranked.iter().any(|(_, known)| *known == name) {
            ranked.push((rank, name));
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json::parse;

    #[test]
    fn an_oid_and_a_url_are_one_system() {
        let mut table = Equivalence::default();
        let naming = parse(
            br#"{"resourceType":"NamingSystem","uniqueId":[{"type":"oid","value":"1.2.3"},{"type":"uri","value":"http://x/cs"}]}"#,
        );
        table.join(names_of(&naming.unwrap()));
        assert_eq!(table.preferred("urn:oid:1.2.3"), Some("http://x/cs"));
        assert_eq!(table.preferred("http://x/cs"), Some("http://x/cs"));
        assert_eq!(table.preferred("http://y"), None);
        // A later one that shares a name joins.
        table.join(vec!["http://y".to_owned(), "urn:oid:9".to_owned()]);
        table.join(vec!["urn:oid:9".to_owned(), "urn:oid:1.2.3".to_owned()]);
        assert_eq!(table.preferred("http://y"), Some("http://x/cs"));
        assert_eq!(table.others("urn:oid:9").len(), 4);
    }
}
