//! `Patient/$match` (FHIR R4 patient-operation-match.html): who a Patient may be.
//!
//! Candidates share an identifier, a telephone number or address of mail, the day of birth, or a name; values are
//! compared as the search index has them, so width, kana and case of texts do not matter. The score is the sum
//! of [`WEIGHTS`] over what both have, by share of what agrees; what contradicts takes away half of its weight. An
//! identifier in common makes it [`BY_IDENTIFIER`] at least, unless day of birth or gender contradict.
//! Grades: certain from [`CERTAIN`], probable from [`PROBABLE`], possible from [`POSSIBLE`]; the rest is left out.

use std::collections::{BTreeMap, BTreeSet};

use super::call::Call;
use super::table::{Level, Operation};
use crate::engine::{OperationAnswer, Rejection};
use crate::format::json::{self, Node};
use crate::r4::outcome::{Issue, IssueCode, operation_outcome};
use crate::search::extract::extract;
use crate::search::parse::parse_query;
use crate::search::registry::registry;
use crate::search::rows::IndexRows;
use crate::store::Found;

/// `Patient/$match`
pub(super) const OPERATIONS: &[Operation] =
    &[Operation::reading("http://hl7.org/fhir/OperationDefinition/Patient-match", &[Level::Type], find)];

/// Parameter and weight in hundredths, which sum up to 100.
const WEIGHTS: [(&str, i32); 5] = [("name", 45), ("birthdate", 35), ("telecom", 10), ("gender", 5), ("address", 5)];
const BY_IDENTIFIER: i32 = 96;
const CERTAIN: i32 = 95;
const PROBABLE: i32 = 75;
const POSSIBLE: i32 = 50;
/// Candidates by one trait.
const MOST_CANDIDATES: u32 = 200;
/// Patients of an answer.
const MOST: usize = 100;

/// The values of the parameters that are compared.
struct Traits(BTreeMap<&'static str, BTreeSet<String>>);

impl Traits {
    fn of(number: u8, rows: &IndexRows) -> Self {
        let mut all = BTreeMap::new();
        for name in ["name", "birthdate", "telecom", "gender", "address", "identifier"] {
            let Some(parameter) = registry().find(number, name).map(|found| found.number) else { continue };
            let strings = rows.strings.iter().filter(|row| row.parameter == parameter).map(|row| row.folded.clone());
            let tokens = rows
                .tokens
                .iter()
                .filter(|row| row.parameter == parameter)
                .map(|row| format!("{}|{}", row.system, row.code));
            let dates = rows
                .dates
                .iter()
                .filter(|row| row.parameter == parameter)
                .map(|row| format!("{}|{}", row.low, row.high));
            all.insert(name, strings.chain(tokens).chain(dates).collect());
        }
        Self(all)
    }

    fn get(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.0.get(name).filter(|values| !values.is_empty())
    }

    /// In hundredths.
    fn score(&self, other: &Self) -> i32 {
        let mut score = 0;
        let mut contradicts = false;
        for (name, weight) in WEIGHTS {
            let (Some(own), Some(others)) = (self.get(name), other.get(name)) else { continue };
            let common = i32::try_from(own.intersection(others).count()).unwrap_or(0);
            let most = i32::try_from(own.len().min(others.len())).unwrap_or(1).max(1);
            if common > 0 {
                score += weight * common / most;
            } else {
                score -= weight / 2;
                contradicts |= matches!(name, "birthdate" | "gender");
            }
        }
        let same =
            |name: &str| self.get(name).zip(other.get(name)).is_some_and(|(own, others)| !own.is_disjoint(others));
        if same("identifier") && !contradicts {
            score = score.max(BY_IDENTIFIER);
        }
        score.clamp(0, 100)
    }
}

fn escape(text: &str) -> String {
    let special = |letter: char| matches!(letter, '\\' | ',' | '|' | '$');
    text.chars().flat_map(|letter| special(letter).then_some('\\').into_iter().chain([letter])).collect()
}

/// The searches that find candidates.
fn searches(patient: &Node<'_>) -> Vec<(&'static str, String)> {
    let mut searches = Vec::new();
    let token = |node: &Node<'_>| {
        let value = escape(node.text("value")?);
        Some(match node.text("system") {
            Some(system) => format!("{}|{value}", escape(system)),
            None => value,
        })
    };
    let joined = |values: Vec<String>| values.join(",");
    searches.push(("identifier", joined(patient.list("identifier").iter().filter_map(token).take(50).collect())));
    let contacts = patient.list("telecom").iter().filter_map(|node| node.text("value")).map(escape);
    searches.push(("telecom", joined(contacts.take(50).collect())));
    searches.push(("birthdate", patient.text("birthDate").map(escape).unwrap_or_default()));
    let names = patient.list("name").iter().flat_map(|name| name.text("text").into_iter().chain(name.text("family")));
    searches.push(("name", joined(names.map(escape).take(20).collect())));
    searches.retain(|(_, value)| !value.is_empty());
    searches
}

fn find(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let (engine, number) = (call.engine, call.type_number());
    let place = |text: String| {
        Rejection::bad_request(vec![
            Issue::error(IssueCode::Invalid, text).at("Parameters.parameter.where(name='resource')"),
        ])
    };
    let Some(patient) = call.inputs.checked_resource("resource")? else {
        return Err(place("which Patient?".to_owned()));
    };
    if patient.text("resourceType") != Some("Patient") {
        return Err(place("the resource to match is a Patient".to_owned()));
    }
    let searches = searches(patient);
    if searches.is_empty() {
        return Err(place("the Patient has no identifier, telecom, birthDate or name to match by".to_owned()));
    }
    let count = match call.inputs.integer("count") {
        None => MOST,
        Some(count) => match usize::try_from(count) {
            Ok(count) if count > 0 => count.min(MOST),
            _ => return Err(Rejection::invalid(format!("count={count} is wrong: a number above 0 is expected"))),
        },
    };
    let mut candidates: BTreeMap<i64, Found> = BTreeMap::new();
    let mut is_whole = true;
    for (name, value) in searches {
        let query = parse_query(number, &[(name.to_owned(), value)], &engine.parse_options(false))
            .map_err(Rejection::bad_request)?;
        let page = engine.store().search(&query, MOST_CANDIDATES, false)?;
        is_whole &= page.next.is_none();
        candidates.extend(page.matches.into_iter().map(|found| (found.key, found)));
    }
    let options = engine.store().extract_options();
    let wanted = Traits::of(number, &extract(number, patient, &options));
    let mut scored = Vec::new();
    for found in candidates.into_values() {
        let Ok(body) = json::parse(&found.version.body) else { continue };
        let score = wanted.score(&Traits::of(number, &extract(number, &body, &options)));
        if score >= POSSIBLE {
            scored.push((score, found));
        }
    }
    scored.sort_by_key(|(score, found)| (std::cmp::Reverse(*score), found.key));
    let mut issues = Vec::new();
    if call.inputs.boolean("onlyCertainMatches") == Some(true) {
        // "If there are multiple potential matches, then the match should not return the results".
        scored.retain(|(score, _)| *score >= CERTAIN);
        if scored.len() > 1 {
            issues.push(Issue::warning(
                IssueCode::MultipleMatches,
                format!("{} Patients match with certainty: none is given", scored.len()),
            ));
            scored.clear();
        }
    }
    if !is_whole {
        let text = format!(
            "more than {MOST_CANDIDATES} Patients share one of the traits; not all were compared: say more of the Patient"
        );
        issues.push(Issue::warning(IssueCode::TooCostly, text));
    }
    scored.truncate(count);
    Ok(OperationAnswer::Resource(bundle(&call, &scored, &issues).to_bytes().into()))
}

/// "All patient records SHALL have a search score from 0 to 1 … along with an extension match-grade".
fn bundle(call: &Call<'_>, scored: &[(i32, Found)], issues: &[Issue]) -> Node<'static> {
    let mut entries = Vec::new();
    for (score, found) in scored {
        let Ok(resource) = json::parse(&found.version.body) else { continue };
        let grade = match *score {
            score if score >= CERTAIN => "certain",
            score if score >= PROBABLE => "probable",
            _ => "possible",
        };
        let extension = Node::object([
            ("url", Node::string("http://hl7.org/fhir/StructureDefinition/match-grade")),
            ("valueCode", Node::string(grade)),
        ]);
        let digits = if *score == 100 { "1".to_owned() } else { format!("0.{score:02}") };
        let search = Node::object([
            ("extension", Node::Array(vec![extension])),
            ("mode", Node::string("match")),
            ("score", Node::Number(digits.into())),
        ]);
        entries.push(Node::object([
            ("fullUrl", Node::string(format!("{}/Patient/{}", call.request.base, found.id))),
            ("resource", resource.into_owned()),
            ("search", search),
        ]));
    }
    let total = entries.len();
    if !issues.is_empty() {
        let search = Node::object([("mode", Node::string("outcome"))]);
        entries.push(Node::object([("resource", operation_outcome(issues)), ("search", search)]));
    }
    let mut members = vec![
        ("resourceType", Node::string("Bundle")),
        ("id", Node::string(uuid::Uuid::now_v7().to_string())),
        ("type", Node::string("searchset")),
        ("total", Node::Number(total.to_string().into())),
    ];
    if !entries.is_empty() {
        members.push(("entry", Node::Array(entries)));
    }
    Node::object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_up() {
        assert_eq!(WEIGHTS.iter().map(|(_, weight)| weight).sum::<i32>(), 100);
        for (name, _) in WEIGHTS {
            assert!(registry().find(crate::r4::definitions().resource_number("Patient").unwrap(), name).is_some());
        }
    }
}
