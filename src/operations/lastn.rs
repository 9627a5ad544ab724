//! `Observation/$lastn` (FHIR R4 observation-operation-lastn.html): the latest of each code.
//!
//! Cost: all Observations that match are read, [`MOST`] at most; more are refused, not cut.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::call::Call;
use super::table::{Level, Operation};
use crate::engine::{OperationAnswer, Rejection, Searched};
use crate::format::json::{self, Node};
use crate::r4::outcome::IssueCode;
use crate::search::extract::extract;
use crate::search::parse::parse_query;
use crate::search::registry::registry;
use crate::store::{Found, SearchPage};

/// `Observation/$lastn`
pub(super) const OPERATIONS: &[Operation] = &[Operation {
    takes_search: true,
    ..Operation::reading("http://hl7.org/fhir/OperationDefinition/Observation-lastn", &[Level::Type], lastn)
}];

/// Most Observations that are grouped.
const MOST: u32 = 10_000;

fn lastn(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let number = call.type_number();
    let has = |codes: &[&str]| {
        call.pairs.iter().any(|(name, _)| codes.contains(&name.split([':', '.']).next().unwrap_or_default()))
    };
    // "SHALL include … A subject … A category parameter and/or a search parameter that contains a code element".
    if !has(&["subject", "patient"]) {
        return Err(Rejection::new(
            400,
            IssueCode::Required,
            "$lastn needs the patient or subject whose Observations are meant",
        ));
    }
    if !has(&[
        "category",
        "code",
        "combo-code",
        "component-code",
        "code-value-concept",
        "code-value-date",
        "code-value-quantity",
        "code-value-string",
    ]) {
        return Err(Rejection::new(400, IssueCode::Required, "$lastn needs a category or a code"));
    }
    if let Some((name, _)) = call.pairs.iter().find(|(name, _)| {
        matches!(name.split(':').next(), Some("_count" | "_sort" | "_cursor" | "_include" | "_revinclude" | "_total"))
    }) {
        return Err(Rejection::invalid(format!(
            "$lastn takes no {name:.64}: it answers the latest of each code, in one page; max says how many"
        )));
    }
    let options = call.engine.parse_options(call.request.lenient);
    let mut query = parse_query(number, &call.pairs, &options).map_err(Rejection::bad_request)?;
    let found = call.engine.store().search(&query, MOST, false)?;
    if found.next.is_some() {
        return Err(Rejection::new(
            400,
            IssueCode::TooCostly,
            format!("more than {MOST} Observations match; narrow them by date, category or code"),
        ));
    }
    let max = call.inputs.integer("max").and_then(|max| usize::try_from(max).ok()).unwrap_or(1);
    let date = registry().find(number, "date").map_or(0, |parameter| parameter.number);
    let extracting = call.engine.store().extract_options();
    let mut groups = Groups::default();
    let mut dated: Vec<(usize, Option<i64>, Found)> = Vec::with_capacity(found.matches.len());
    for found in found.matches {
        let Ok(body) = json::parse(&found.version.body) else { continue };
        let when = extract(number, &body, &extracting)
            .dates
            .iter()
            .filter(|row| row.parameter == date)
            .map(|row| row.low)
            .max();
        dated.push((groups.of(&body), when, found));
    }
    // The latest first; what has no time comes last.
    dated.sort_by_key(|(_, when, found)| (Reverse(*when), Reverse(found.version.updated), found.key));
    let mut taken: HashMap<usize, (usize, Option<i64>)> = HashMap::new();
    let mut page = SearchPage::default();
    for (group, when, found) in dated {
        let (count, last) = taken.entry(groups.root(group)).or_insert((0, None));
        // "when the effective times for >1 Observations are equal - both will be returned".
        if *count < max || (when.is_some() && when == *last) {
            *count += 1;
            *last = when;
            page.matches.push(found);
        }
    }
    page.total = i64::try_from(page.matches.len()).ok();
    if let Some(max) = call.inputs.integer("max") {
        query.used.push(("max".to_owned(), max.to_string()));
    }
    Ok(OperationAnswer::Searched(Box::new(Searched { query, page, count: MOST }), "Observation/$lastn".to_owned()))
}

/// Codes that are the same, directly or by way of others: "the grouping by code SHALL follow the transitive
/// property of equality".
#[derive(Default)]
struct Groups {
    /// The group that each has become part of.
    parents: Vec<usize>,
    by_code: HashMap<(String, String), usize>,
}

impl Groups {
    fn root(&self, mut group: usize) -> usize {
        while let Some(parent) = self.parents.get(group).copied().filter(|parent| *parent != group) {
            group = parent;
        }
        group
    }

    fn one(&mut self, system: &str, code: &str) -> usize {
        let next = self.parents.len();
        let group = *self.by_code.entry((system.to_owned(), code.to_owned())).or_insert(next);
        if group == next {
            self.parents.push(next);
        }
        self.root(group)
    }

    /// The group of an Observation's code.
    fn of(&mut self, observation: &Node<'_>) -> usize {
        let code = observation.get("code").unwrap_or(&Node::Null);
        let mut all: Option<usize> = None;
        for coding in code.list("coding") {
            let Some(own) = coding.text("code") else { continue };
            let group = self.one(coding.text("system").unwrap_or_default(), own);
            let target = all.map_or(group, |all| self.root(all).min(group));
            for joined in [Some(group), all.map(|all| self.root(all))].into_iter().flatten() {
                if let Some(parent) = self.parents.get_mut(joined) {
                    *parent = target;
                }
            }
            all = Some(target);
        }
        // "Text only codes SHALL be treated and grouped based on the text": no system is a line break.
        all.unwrap_or_else(|| self.one("\n", code.text("text").unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(observations: &[&str]) -> usize {
        let mut groups = Groups::default();
        let found: Vec<usize> =
            observations.iter().map(|text| groups.of(&json::parse(text.as_bytes()).unwrap())).collect();
        found.iter().map(|group| groups.root(*group)).collect::<std::collections::HashSet<_>>().len()
    }

    fn coded(codes: &[&str]) -> String {
        let codings: Vec<String> =
            codes.iter().map(|code| format!("{{\"system\":\"s\",\"code\":\"{code}\"}}")).collect();
        format!("{{\"code\":{{\"coding\":[{}]}}}}", codings.join(","))
    }

    /// The table of the operation's own page.
    #[test]
    fn codes_are_grouped_transitively() {
        for (codes, count) in [
            (&[&["a"][..], &["b"], &["c"]][..], 3),
            (&[&["a"], &["b"], &["a", "c"]], 2),
            (&[&["a"], &["b"], &["a", "b"]], 1),
            (&[&["a", "b"], &["c", "d"], &["d", "a"]], 1),
            (&[&["a", "b"], &["b", "c"], &["c", "d"], &["d", "e"]], 1),
        ] {
            let texts: Vec<String> = codes.iter().map(|codes| coded(codes)).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            assert_eq!(groups(&texts), count, "{codes:?}");
        }
        assert_eq!(
            groups(&["{\"code\":{\"text\":\"a\"}}", "{\"code\":{\"text\":\"b\"}}", "{\"code\":{\"text\":\"a\"}}"]),
            2
        );
    }
}
