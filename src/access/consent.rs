//! What a Consent says of an actor, by type, label and resource (FHIR R4 consent.html). Pure.
//!
//! A provision counts when all it says is met: period, actor, class, label, data. Provisions within it are exceptions
//! to it, so the innermost that is met decides; of neighbours a deny. What cannot be held every statement to (purpose,
//! action, codes, times of data, labels and classes that are not known here) is no condition of a deny, and keeps a
//! permit from counting: rather too much is hidden than too little.

use std::collections::BTreeSet;

use super::relation::{covers, target};
use crate::format::json::Node;
use crate::r4::definitions;
use crate::store::{Label, open_types};

/// The system of types of resources in `Consent.provision.class`.
const TYPES: &str = "http://hl7.org/fhir/resource-types";
/// How deep exceptions of exceptions go; what is deeper denies.
const DEPTH: usize = 8;
/// Most provisions of one Consent; one with more denies.
const MOST: usize = 200;

/// What a Consent denies an actor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Numbers of the types that are denied.
    pub types: BTreeSet<u8>,
    /// Labels whose resources are denied.
    pub labels: BTreeSet<Label>,
    /// Resources that are denied, `Type/id`.
    pub resources: BTreeSet<String>,
    /// It denies more than it says.
    pub is_widened: bool,
}

impl Limits {
    /// Whether nothing is denied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.types.is_empty() && self.labels.is_empty() && self.resources.is_empty()
    }

    /// Whether everything is.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        all_types().all(|number| self.types.contains(&number))
    }

    /// Both.
    pub fn add(&mut self, other: Self) {
        self.types.extend(other.types);
        self.labels.extend(other.labels);
        self.resources.extend(other.resources);
        self.is_widened |= other.is_widened;
    }

    /// All types but these are denied.
    pub fn only(&mut self, permitted: &BTreeSet<u8>) {
        self.types.extend(all_types().filter(|number| !permitted.contains(number)));
    }

    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        let names =
            self.types.iter().filter_map(|number| Some(definitions().resource_by_number(*number)?.name.as_str()));
        let mut words: Vec<String> =
            if self.is_everything() { vec!["everything".to_owned()] } else { names.map(str::to_owned).collect() };
        words.extend(self.labels.iter().map(|label| format!("what is labelled {}", super::policy::label_name(*label))));
        words.extend(self.resources.iter().cloned());
        words.join(", ")
    }
}

/// What a Consent says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What it denies.
    pub denied: Limits,
    /// Numbers of the types that it permits.
    pub permitted: BTreeSet<u8>,
}

/// The types that are about citizens.
fn all_types() -> impl Iterator<Item = u8> {
    let last = u8::try_from(definitions().resources().len()).unwrap_or(u8::MAX);
    (1..=last).filter(|number| !open_types().contains(number))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Permit,
    Deny,
}

/// How far a condition is met; `Partly`: nobody can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Met {
    No,
    Partly,
    Wholly,
}

impl Met {
    const fn of(is_met: bool) -> Self {
        if is_met { Self::Wholly } else { Self::No }
    }
}

/// A kind of resource that is asked about.
#[derive(Debug, Clone, Copy)]
struct Point<'a> {
    type_number: u8,
    label: Option<Label>,
    resource: Option<&'a str>,
}

struct Reader<'a> {
    actors: &'a [String],
    now: i64,
    offset: i32,
}

/// Reads a Consent for these actors (`Organization/x` …). One that is not active, or has no provision, says nothing.
#[must_use]
pub fn verdict(consent: &Node<'_>, actors: &[String], now: i64, offset: i32) -> Verdict {
    let mut verdict = Verdict::default();
    if consent.text("status") != Some("active") {
        return verdict;
    }
    let base = base(consent);
    let empty = Node::Null;
    let provision = match consent.get("provision") {
        Some(provision) => provision,
        None if base.is_some() => &empty,
        None => return verdict,
    };
    let reader = Reader { actors, now, offset };
    let (mut labels, mut resources) = (BTreeSet::new(), BTreeSet::new());
    if !mentions(provision, 0, &mut 0, &mut labels, &mut resources) {
        verdict.denied.only(&BTreeSet::new());
        verdict.denied.is_widened = true;
        return verdict;
    }
    let mut widened = false;
    for type_number in all_types() {
        let at = Point { type_number, label: None, resource: None };
        match reader.said(provision, at, base, &mut widened) {
            Some(Said::Deny) => {
                verdict.denied.types.insert(type_number);
                verdict.denied.is_widened |= widened;
            }
            Some(Said::Permit) => {
                verdict.permitted.insert(type_number);
            }
            None => {}
        }
        for label in &labels {
            let at = Point { label: Some(*label), ..at };
            if !verdict.denied.types.contains(&type_number)
                && reader.said(provision, at, base, &mut widened) == Some(Said::Deny)
            {
                verdict.denied.labels.insert(*label);
            }
        }
    }
    for resource in &resources {
        let Some(type_number) = resource.split_once('/').and_then(|(name, _)| definitions().resource_number(name))
        else {
            continue;
        };
        let at = Point { type_number, label: None, resource: Some(resource) };
        if !verdict.denied.types.contains(&type_number)
            && reader.said(provision, at, base, &mut widened) == Some(Said::Deny)
        {
            verdict.denied.resources.insert(resource.clone());
        }
    }
    // What is denied by its label goes the whole way: no type of it is permitted to others by this one.
    verdict
}

/// What the base policy says without provisions (v3 ActCode OPTIN, OPTOUT): opting out denies.
fn base(consent: &Node<'_>) -> Option<Said> {
    let codes = consent.get("policyRule").map(|rule| rule.list("coding")).unwrap_or_default();
    codes.iter().any(|coding| coding.text("code") == Some("OPTOUT")).then_some(Said::Deny)
}

/// Gathers labels and resources that provisions name; `false` where there are too many, or too deep.
fn mentions(
    provision: &Node<'_>,
    depth: usize,
    count: &mut usize,
    labels: &mut BTreeSet<Label>,
    resources: &mut BTreeSet<String>,
) -> bool {
    *count += 1;
    if depth > DEPTH || *count > MOST {
        return false;
    }
    labels.extend(provision.list("securityLabel").iter().flat_map(labels_of).flatten());
    resources.extend(provision.list("data").iter().filter_map(|data| target(data, "reference")).map(str::to_owned));
    provision.list("provision").iter().all(|inner| mentions(inner, depth + 1, count, labels, resources))
}

/// The labels a code stands for: of confidentiality also what is more confidential. `None` for what is not known.
fn labels_of(coding: &Node<'_>) -> Option<Vec<Label>> {
    match Label::of(coding.text("code")?, coding.text("system").unwrap_or_default())? {
        Label::Restricted => Some(vec![Label::Restricted, Label::VeryRestricted]),
        Label::Emergency => None,
        label => Some(vec![label]),
    }
}

impl Reader<'_> {
    fn said(&self, provision: &Node<'_>, at: Point<'_>, base: Option<Said>, widened: &mut bool) -> Option<Said> {
        self.provision(provision, at, true, widened).or(base)
    }

    fn provision(&self, provision: &Node<'_>, at: Point<'_>, is_sure: bool, widened: &mut bool) -> Option<Said> {
        let met = self.met(provision, at);
        if met == Met::No {
            return None;
        }
        let is_sure = is_sure && met == Met::Wholly;
        let (mut denies, mut permits) = (false, false);
        for inner in provision.list("provision") {
            match self.provision(inner, at, is_sure, widened) {
                Some(Said::Deny) => denies = true,
                Some(Said::Permit) => permits = true,
                None => {}
            }
        }
        let own = match provision.text("type") {
            Some("deny") => Some(Said::Deny),
            Some("permit") if is_sure => Some(Said::Permit),
            _ => None,
        };
        let said = if denies {
            Some(Said::Deny)
        } else if permits {
            Some(Said::Permit)
        } else {
            own
        };
        *widened |= said == Some(Said::Deny) && !is_sure;
        said
    }

    /// How far what a provision is about is this.
    fn met(&self, provision: &Node<'_>, at: Point<'_>) -> Met {
        let is_unclear = ["code", "dataPeriod", "purpose", "action"].iter().any(|name| provision.get(name).is_some());
        [
            Met::of(covers(provision.get("period"), self.now, self.offset)),
            self.actor(provision.list("actor")),
            class(provision.list("class"), at.type_number),
            label(provision.list("securityLabel"), at.label),
            data(provision.list("data"), at.resource),
            if is_unclear { Met::Partly } else { Met::Wholly },
        ]
        .into_iter()
        .min()
        .unwrap_or(Met::Partly)
    }

    fn actor(&self, named: &[Node<'_>]) -> Met {
        let met = |actor: &Node<'_>| match target(actor, "reference") {
            Some(name) if self.actors.iter().any(|own| own == name) => Met::Wholly,
            // Who is in a group, or whom an identifier or a text means, is not looked up.
            Some(name) if name.starts_with("Group/") => Met::Partly,
            None => Met::Partly,
            Some(_) => Met::No,
        };
        if named.is_empty() { Met::Wholly } else { named.iter().map(met).max().unwrap_or(Met::No) }
    }
}

fn class(named: &[Node<'_>], type_number: u8) -> Met {
    let met = |coding: &Node<'_>| match (coding.text("system"), coding.text("code")) {
        (Some(TYPES), Some(code)) => {
            definitions().resource_number(code).map_or(Met::Partly, |number| Met::of(number == type_number))
        }
        _ => Met::Partly,
    };
    if named.is_empty() { Met::Wholly } else { named.iter().map(met).max().unwrap_or(Met::No) }
}

fn label(named: &[Node<'_>], own: Option<Label>) -> Met {
    let met = |coding: &Node<'_>| {
        labels_of(coding).map_or(Met::Partly, |labels| Met::of(own.is_some_and(|own| labels.contains(&own))))
    };
    if named.is_empty() { Met::Wholly } else { named.iter().map(met).max().unwrap_or(Met::No) }
}

fn data(named: &[Node<'_>], own: Option<&str>) -> Met {
    let met = |data: &Node<'_>| match (data.text("meaning"), target(data, "reference")) {
        (Some("instance"), Some(name)) => Met::of(own == Some(name)),
        // What is related, depends or is by an author is not looked up.
        _ => Met::Partly,
    };
    if named.is_empty() { Met::Wholly } else { named.iter().map(met).max().unwrap_or(Met::No) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;

    const NOW: i64 = 1_800_000_000_000_000; // 2027-01-15
    const OWN: &str = r#""actor":[{"reference":{"reference":"Organization/o"}}]"#;
    const OTHER: &str = r#""actor":[{"reference":{"reference":"Organization/other"}}]"#;

    fn of(provision: &str) -> Verdict {
        let text = format!(r#"{{"status":"active","provision":{provision}}}"#);
        verdict(&json::parse(text.as_bytes()).unwrap(), &["Organization/o".to_owned()], NOW, 0)
    }

    fn number(name: &str) -> u8 {
        definitions().resource_number(name).unwrap()
    }

    fn class_of(name: &str) -> String {
        format!(r#""class":[{{"system":"http://hl7.org/fhir/resource-types","code":"{name}"}}]"#)
    }

    #[test]
    fn who_when_and_whether() {
        let of_all = |text: &str| {
            verdict(&json::parse(text.as_bytes()).unwrap(), &["Organization/o".to_owned()], NOW, 0)
                .denied
                .is_everything()
        };
        assert!(of_all(r#"{"status":"active","provision":{"type":"deny"}}"#));
        assert!(!of_all(r#"{"status":"inactive","provision":{"type":"deny"}}"#));
        assert!(of_all(r#"{"status":"active","policyRule":{"coding":[{"code":"OPTOUT"}]}}"#));
        assert!(!of_all(r#"{"status":"active"}"#));
        assert!(of(&format!(r#"{{"type":"deny",{OWN}}}"#)).denied.is_everything());
        assert!(of(&format!(r#"{{"type":"deny",{OTHER}}}"#)).denied.is_empty());
        assert!(of(r#"{"type":"deny","period":{"end":"2026"}}"#).denied.is_empty());
        assert!(of(r#"{"type":"deny","actor":[{"reference":{"display":"somebody"}}]}"#).denied.is_everything());
        let permits = of(&format!(r#"{{"type":"permit",{OWN}}}"#));
        assert!(permits.permitted.contains(&number("Observation")) && permits.denied.is_empty());
        assert!(of(&format!(r#"{{"type":"permit",{OTHER}}}"#)).permitted.is_empty());
    }

    #[test]
    fn classes_labels_and_data_are_denied_alone() {
        let denied = of(&format!(r#"{{"type":"deny",{}}}"#, class_of("Observation"))).denied;
        assert_eq!(denied.types, [number("Observation")].into());
        assert!(!denied.is_widened);
        let secret =
            r#""securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]"#;
        let denied = of(&format!(r#"{{"type":"deny",{secret}}}"#)).denied;
        assert_eq!((denied.types.len(), denied.labels), (0, [Label::Restricted, Label::VeryRestricted].into()));
        let one = r#""data":[{"meaning":"instance","reference":{"reference":"Condition/c"}}]"#;
        let denied = of(&format!(r#"{{"type":"deny",{one}}}"#)).denied;
        assert_eq!((denied.types.len(), denied.resources), (0, ["Condition/c".to_owned()].into()));
        let permitted = of(&format!(r#"{{"type":"permit",{OWN},{}}}"#, class_of("Observation"))).permitted;
        assert_eq!(permitted, [number("Observation")].into());
    }

    /// FHIR R4 consent-definitions.html#Consent.provision.provision: exceptions to the base rule or subrules.
    #[test]
    fn what_is_within_is_an_exception() {
        let but =
            of(&format!(r#"{{"type":"permit","provision":[{{"type":"deny",{OWN},{}}}]}}"#, class_of("Observation")));
        assert_eq!(but.denied.types, [number("Observation")].into());
        assert!(but.permitted.contains(&number("Condition")) && !but.permitted.contains(&number("Observation")));
        let but =
            of(&format!(r#"{{"type":"deny","provision":[{{"type":"permit",{OWN},{}}}]}}"#, class_of("Observation")));
        assert!(!but.denied.types.contains(&number("Observation")) && but.denied.types.contains(&number("Condition")));
        assert!(of(&format!(r#"{{"type":"deny","provision":[{{"type":"permit",{OTHER}}}]}}"#)).denied.is_everything());
        let both =
            of(&format!(r#"{{"type":"permit","provision":[{{"type":"permit",{OWN}}},{{"type":"deny",{OWN}}}]}}"#));
        assert!(both.denied.is_everything(), "of neighbours a deny counts");
    }

    #[test]
    fn what_cannot_be_told_denies_more_and_permits_nothing() {
        for narrow in [
            r#""purpose":[{"code":"TREAT"}]"#,
            r#""code":[{"text":"x"}]"#,
            r#""dataPeriod":{"start":"2020"}"#,
            r#""action":[{"text":"access"}]"#,
            r#""class":[{"code":"x"}]"#,
            r#""securityLabel":[{"system":"urn:x","code":"HIV"}]"#,
            r#""data":[{"meaning":"related","reference":{"reference":"Condition/c"}}]"#,
        ] {
            let denied = of(&format!(r#"{{"type":"deny",{narrow}}}"#)).denied;
            assert!(denied.is_everything() && denied.is_widened, "{narrow}");
            assert!(of(&format!(r#"{{"type":"permit",{OWN},{narrow}}}"#)).permitted.is_empty(), "{narrow}");
            let inner = of(&format!(r#"{{"type":"deny","provision":[{{"type":"permit",{OWN},{narrow}}}]}}"#));
            assert!(inner.denied.is_everything(), "{narrow}");
            let inner = of(&format!(r#"{{"type":"permit",{narrow},"provision":[{{"type":"deny",{OWN}}}]}}"#));
            assert!(inner.denied.is_everything(), "{narrow}");
        }
        let mut deep = r#"{"type":"permit"}"#.to_owned();
        for _ in 0..20 {
            deep = format!(r#"{{"type":"permit","provision":[{deep}]}}"#);
        }
        assert!(of(&deep).denied.is_everything());
    }
}
