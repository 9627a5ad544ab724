//! How strictly what is written must be valid beyond its structure: off, told of, or demanded; by profile,
//! by type, or for all.

use std::collections::BTreeMap;

use super::{Engine, Rejection};
use crate::format::json::Node;
use crate::r4::canonical::split;
use crate::r4::outcome::{Issue, Severity};
use crate::validation::{Finding, Language, Options};

/// What happens to content that validation finds wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strictness {
    /// It is not looked at (its structure always is).
    #[default]
    Off,
    /// It is stored, and the answer tells.
    Warn,
    /// It is refused with 422.
    Reject,
}

impl Strictness {
    /// Reads `off`, `warn`, `reject`.
    ///
    /// # Errors
    /// What would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "warn" => Ok(Self::Warn),
            "reject" => Ok(Self::Reject),
            _ => Err(format!("{text:?} is unknown; there are off, warn and reject")),
        }
    }
}

/// Who decides: the profiles a resource claims, else its type, else the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValidationPolicy {
    /// For all resources.
    pub default: Strictness,
    /// For a type.
    pub by_type: BTreeMap<String, Strictness>,
    /// For resources that claim a profile (canonical URL without version).
    pub by_profile: BTreeMap<String, Strictness>,
}

impl ValidationPolicy {
    /// Adds a rule `Patient=reject` or `http://…=warn`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add(&mut self, rule: &str) -> Result<(), String> {
        let (what, strictness) =
            rule.rsplit_once('=').ok_or_else(|| format!("{rule:?} is no rule; right is TYPE=reject or URL=warn"))?;
        let strictness = Strictness::parse(strictness)?;
        if what.contains(':') {
            self.by_profile.insert(split(what).0.to_owned(), strictness);
        } else if crate::r4::definitions().resource(what).is_some() {
            self.by_type.insert(what.to_owned(), strictness);
        } else {
            return Err(format!("{what:?} is neither a resource type of FHIR R4 nor a URL"));
        }
        Ok(())
    }

    /// Whether nothing is ever looked at.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.default == Strictness::Off && self.by_type.is_empty() && self.by_profile.is_empty()
    }

    /// What holds for a resource. Of several profiles the strictest decides.
    #[must_use]
    pub fn of(&self, type_name: &str, resource: &Node<'_>) -> Strictness {
        let claimed = resource.get("meta").map_or(&[][..], |meta| meta.list("profile"));
        let by_profile =
            claimed.iter().filter_map(|profile| self.by_profile.get(split(profile.as_str()?).0)).max().copied();
        by_profile.or_else(|| self.by_type.get(type_name).copied()).unwrap_or(self.default)
    }
}

impl Engine {
    /// Holds a resource, whose structure is right, against the policy; answers what is to be told of it.
    pub(super) fn judge(&self, type_name: &str, resource: &Node<'_>) -> Result<Vec<Issue>, Rejection> {
        let policy = &self.settings.validation;
        if policy.is_off() {
            return Ok(Vec::new());
        }
        let strictness = policy.of(type_name, resource);
        if strictness == Strictness::Off {
            return Ok(Vec::new());
        }
        let findings = self.validator().validate(resource, &[], &Options::default());
        let issues: Vec<Issue> = findings.iter().map(|finding: &Finding| finding.issue(Language::English)).collect();
        if strictness == Strictness::Reject && issues.iter().any(|issue| issue.severity == Severity::Error) {
            let issues = issues.into_iter().filter(|issue| issue.severity == Severity::Error).collect();
            return Err(Rejection { status: 422, issues, retry_after: None });
        }
        Ok(issues)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;

    #[test]
    fn profiles_decide_before_types_and_types_before_the_default() {
        let mut policy = ValidationPolicy { default: Strictness::Warn, ..ValidationPolicy::default() };
        policy.add("Patient=off").unwrap();
        policy.add("http://a/p=reject").unwrap();
        let plain = json::parse(br#"{"resourceType":"Patient"}"#).unwrap();
        let claiming = json::parse(br#"{"resourceType":"Patient","meta":{"profile":["http://a/p|1.0"]}}"#).unwrap();
        assert_eq!(policy.of("Patient", &plain), Strictness::Off);
        assert_eq!(policy.of("Patient", &claiming), Strictness::Reject);
        assert_eq!(policy.of("Observation", &plain), Strictness::Warn);
        assert!(policy.add("Pateint=off").is_err() && policy.add("Patient=maybe").is_err() && policy.add("x").is_err());
    }
}
