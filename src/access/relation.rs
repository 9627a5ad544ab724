//! Who has to do with whom, read off FHIR resources: teams, roles, consents, agreements. Pure.

use super::scope::{GrantContext, Scopes};
use crate::format::json::Node;
use crate::r4::datetime::span;
use crate::r4::definitions;

/// `ends` of a Period that is open.
const OPEN: i64 = i64::MAX;

/// Whether a moment (µs since 1970 UTC) is in a Period; without one it always is. One that cannot be read is over.
#[must_use]
pub fn covers(period: Option<&Node<'_>>, now: i64, offset: i32) -> bool {
    let Some(period) = period else { return true };
    let end = |name: &str, open: i64| match period.get(name) {
        None => Some((open, open)),
        Some(value) => value.as_str().and_then(|text| span(text, offset)).map(|span| (span.low, span.high)),
    };
    match (end("start", i64::MIN), end("end", OPEN)) {
        (Some((start, _)), Some((_, end))) => start <= now && now <= end,
        _ => false,
    }
}

/// The reference under a name, `Type/id`.
#[must_use]
pub fn target<'n>(node: &'n Node<'_>, name: &str) -> Option<&'n str> {
    let text = node.get(name)?.text("reference")?;
    let mut parts = text.rsplitn(3, '/');
    let (id, type_name) = (parts.next()?, parts.next()?);
    definitions().resource_number(type_name)?;
    text.get(text.len() - id.len() - type_name.len() - 1..)
}

/// Whether an active team counts one of these among its members now. What is not said to be active is not.
#[must_use]
pub fn is_in_team(team: &Node<'_>, members: &[String], now: i64, offset: i32) -> bool {
    team.text("status") == Some("active")
        && covers(team.get("period"), now, offset)
        && team.list("participant").iter().any(|participant| {
            covers(participant.get("period"), now, offset)
                && target(participant, "member").is_some_and(|member| members.iter().any(|own| own == member))
        })
}

/// Whether an agreement between two municipalities (`Organization/x`) is in force.
#[must_use]
pub fn agree(contract: &Node<'_>, one: &str, other: &str, now: i64, offset: i32) -> bool {
    let has = |wanted: &str| {
        contract.list("subject").iter().chain(contract.list("authority")).any(|party| {
            party.text("reference").is_some_and(|text| text == wanted || text.ends_with(&format!("/{wanted}")))
        })
    };
    matches!(contract.text("status"), Some("executed" | "executable"))
        && covers(contract.get("applies"), now, offset)
        && has(one)
        && has(other)
}

/// A type, and the search parameters of each scope about it; none when one of them has none.
pub type Shown = (u8, Vec<Vec<(String, String)>>);

/// The types for which the scopes of a context allow one of these interactions, each with the search parameters that
/// narrow it, where all its scopes have some.
#[must_use]
pub fn shown_types(scopes: &Scopes, context: GrantContext, bits: u8) -> Vec<Shown> {
    let grants: Vec<_> =
        scopes.grants.iter().filter(|grant| grant.context == context && grant.interactions & bits != 0).collect();
    let of = |number: u8| {
        let name = &definitions().resource_by_number(number)?.name;
        let about: Vec<_> = grants.iter().filter(|grant| grant.is_about(name)).collect();
        let is_whole = about.iter().any(|grant| grant.constraint.is_empty());
        let narrowed = about.iter().map(|grant| grant.constraint.clone()).collect();
        (!about.is_empty()).then(|| (number, if is_whole { Vec::new() } else { narrowed }))
    };
    (1..=u8::try_from(definitions().resources().len()).unwrap_or(u8::MAX)).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;

    const NOW: i64 = 1_800_000_000_000_000; // 2027-01-15

    fn in_team(text: &str) -> bool {
        is_in_team(&json::parse(text.as_bytes()).unwrap(), &["Practitioner/p".to_owned()], NOW, 0)
    }

    #[test]
    fn only_an_active_member_of_an_active_team_counts() {
        let team = |status: &str, period: &str, inner: &str| {
            format!(
                r#"{{"status":"{status}"{period},"participant":[{{"member":{{"reference":"Practitioner/p"}}{inner}}}]}}"#
            )
        };
        assert!(in_team(&team("active", "", "")));
        assert!(in_team(&team(
            "active",
            r#","period":{"start":"2020"}"#,
            r#","period":{"start":"2020-01-01","end":"2030"}"#
        )));
        assert!(!in_team(&team("inactive", "", "")));
        assert!(!in_team(&team("proposed", "", "")));
        assert!(!in_team(&team("active", r#","period":{"end":"2026-12-31"}"#, "")));
        assert!(!in_team(&team("active", "", r#","period":{"end":"2026-12-31"}"#)), "who left is out");
        assert!(!in_team(&team("active", "", r#","period":{"start":"2028"}"#)), "who is to come is not in yet");
        assert!(!in_team(&team("active", "", r#","period":{"end":"nonsense"}"#)), "what cannot be read is over");
        assert!(!in_team(&team("active", "", "").replace("Practitioner/p", "Practitioner/q")));
        assert!(in_team(&team("active", "", "").replace("Practitioner/p", "https://x.example/fhir/Practitioner/p")));
    }

    #[test]
    fn an_agreement_is_between_both_and_in_force() {
        let contract = r#"{"status":"executed","applies":{"start":"2026"},"subject":[{"reference":"Organization/a"},{"reference":"Organization/b"}]}"#;
        let holds =
            |text: &str, other: &str| agree(&json::parse(text.as_bytes()).unwrap(), "Organization/a", other, NOW, 0);
        assert!(holds(contract, "Organization/b"));
        assert!(!holds(contract, "Organization/c"));
        assert!(!holds(&contract.replace("executed", "terminated"), "Organization/b"));
        assert!(!holds(&contract.replace("\"start\":\"2026\"", "\"end\":\"2026\""), "Organization/b"));
    }
}
