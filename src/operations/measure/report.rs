//! MeasureReports (FHIR R4 measurereport.html) of what was counted.
//!
//! Small counts of city reports are masked: a count from 1 to below the limit is replaced by a data-absent-reason,
//! its score with it; where one stratum alone would be masked the next smallest one is too, so that it cannot be had
//! by subtracting.

use std::collections::BTreeSet;

use super::Measured;
use super::tally::{Count, Tallied};
use crate::fls::indicator::{Unit, unit};
use crate::fls::{Rules, stable_id};
use crate::format::json::Node;
use crate::r4::datetime::format_instant;

const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
const POPULATION: &str = "http://terminology.hl7.org/CodeSystem/measure-population";

/// Which kind of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Individual,
    SubjectList,
    Summary,
    DataCollection,
}

impl Kind {
    const fn code(self) -> &'static str {
        match self {
            Self::Individual => "individual",
            Self::SubjectList => "subject-list",
            Self::Summary => "summary",
            Self::DataCollection => "data-collection",
        }
    }
}

/// What somebody sees of those whom a sum is about: what is left of the sum without them must not be few either.
#[derive(Debug)]
pub struct Guard(Tallied);

impl Guard {
    /// Beside these.
    #[must_use]
    pub const fn of(own: Tallied) -> Self {
        Self(own)
    }

    /// The count of a group.
    #[must_use]
    pub fn group(&self, place: usize) -> Count {
        self.0.groups.get(place).copied().unwrap_or_default()
    }

    fn stratum(&self, place: usize, stratifier: &str, value: &str) -> Count {
        let found = self.0.strata.get(place).and_then(|strata| strata.get(stratifier)?.get(value));
        found.copied().unwrap_or_default()
    }
}

/// All a report is made of.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The measure.
    pub measured: &'a Measured,
    /// The kind of report.
    pub kind: Kind,
    /// What was counted.
    pub tallied: &'a Tallied,
    /// Whom it is about.
    pub subject: Option<String>,
    /// Counts below this are masked.
    pub small_cell: Option<i64>,
    /// Beside whom it counts, where it is for somebody who does not see all whom it counts.
    pub guard: Option<&'a Guard>,
    /// The estimated caseload, for KPI 2.
    pub caseload: Option<i64>,
    /// The number of insured, where the city says it.
    pub insured: Option<i64>,
    /// The rules.
    pub rules: &'a Rules,
    /// Now, µs.
    pub now: i64,
}

fn text(value: impl Into<String>) -> Node<'static> {
    Node::string(value.into())
}

fn object(members: Vec<(&'static str, Node<'static>)>) -> Node<'static> {
    Node::object(members)
}

fn reference(value: String) -> Node<'static> {
    object(vec![("reference", text(value))])
}

fn masked() -> Node<'static> {
    let extension = object(vec![("url", text(ABSENT)), ("valueCode", text("masked"))]);
    object(vec![("extension", Node::Array(vec![extension]))])
}

/// A quotient with up to six decimal places.
#[must_use]
pub fn quotient(numerator: u64, denominator: u64) -> Option<String> {
    if denominator == 0 {
        return None;
    }
    let scaled = (u128::from(numerator) * 2_000_000 + u128::from(denominator)) / (u128::from(denominator) * 2);
    let digits = format!("{}.{:06}", scaled / 1_000_000, scaled % 1_000_000);
    Some(digits.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// Which counts must not be shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mask {
    /// All that was looked at.
    pub initial: bool,
    /// The denominator.
    pub denominator: bool,
    /// The numerator.
    pub numerator: bool,
}

impl Mask {
    const ALL: Self = Self { initial: true, denominator: true, numerator: true };
}

/// What of a count must not be shown: less than the limit; where the own part of it is given also what would leave
/// less than the limit beside that part, or between initial population, denominator and numerator.
#[must_use]
pub fn mask(count: &Count, limit: Option<i64>, own: Option<Count>) -> Mask {
    let Some(limit) = limit.and_then(|limit| u64::try_from(limit).ok()) else { return Mask::default() };
    let is_small = |value: u64| value > 0 && value < limit;
    let rests = |from: fn(&Count) -> u64, of: fn(&Count) -> u64| {
        own.is_some_and(|own| {
            is_small(from(count).saturating_sub(from(&own))) || is_small(from(count).saturating_sub(of(count)))
        })
    };
    let initial: fn(&Count) -> u64 = |count| count.initial;
    let denominator: fn(&Count) -> u64 = |count| count.denominator;
    let numerator: fn(&Count) -> u64 = |count| count.numerator;
    let hides_denominator = is_small(count.denominator) || rests(denominator, denominator);
    Mask {
        initial: hides_denominator || (own.is_some() && is_small(count.initial)) || rests(initial, denominator),
        denominator: hides_denominator,
        numerator: hides_denominator
            || is_small(count.numerator)
            || rests(numerator, numerator)
            || (own.is_some() && is_small(count.denominator.saturating_sub(count.numerator))),
    }
}

/// The masks of strata: none can be had by subtracting the others from the whole, which is masked or not.
fn masks(counts: &[Count], limit: Option<i64>, guarded: Option<(&[Count], Mask)>) -> Vec<Mask> {
    let own = |place: usize| guarded.map(|(own, _)| own.get(place).copied().unwrap_or_default());
    let mut masks: Vec<Mask> = counts.iter().enumerate().map(|(place, count)| mask(count, limit, own(place))).collect();
    let least = guarded.and(limit).and_then(|limit| u64::try_from(limit).ok()).unwrap_or(0);
    let mut also = |is_masked: fn(&Mask) -> bool, value: fn(&Count) -> u64, set: fn(&mut Mask)| {
        loop {
            let hidden: Vec<usize> =
                (0..counts.len()).filter(|place| masks.get(*place).is_some_and(is_masked)).collect();
            let sum: u64 = hidden.iter().filter_map(|place| counts.get(*place)).map(value).sum();
            // Of two and more that are masked the sum alone can be told, where it is not small itself.
            if hidden.is_empty() || (hidden.len() > 1 && sum >= least) {
                return;
            }
            let open = (0..counts.len()).filter(|place| !hidden.contains(place));
            let next = open.filter(|place| counts.get(*place).is_some_and(|count| value(count) > 0));
            let Some(next) = next.min_by_key(|place| counts.get(*place).map_or(0, value)) else { return };
            if let Some(mask) = masks.get_mut(next) {
                set(mask);
            }
        }
    };
    also(|mask| mask.denominator, |count| count.denominator, |mask| *mask = Mask::ALL);
    also(|mask| mask.numerator, |count| count.numerator, |mask| mask.numerator = true);
    if let Some((_, whole)) = guarded {
        // What is masked of the whole is not told by its parts.
        for mask in &mut masks {
            mask.denominator |= whole.denominator;
            mask.numerator |= whole.numerator || whole.denominator;
            mask.initial = true;
        }
    }
    masks
}

/// The report as a resource.
#[must_use]
pub fn report(asked: &Asked<'_>) -> Node<'static> {
    let tallied = asked.tallied;
    let question = &tallied.scope.question;
    let mut contained = Vec::new();
    let mut groups = Vec::new();
    for (place, code) in tallied.scope.groups.iter().enumerate() {
        groups.push(group(asked, place, code, &mut contained));
    }
    if asked.kind != Kind::DataCollection && asked.measured.name() == "fls-kpi-01" && asked.guard.is_none() {
        groups.push(incomplete(asked));
    }
    let mut members = vec![("resourceType", text("MeasureReport"))];
    if !contained.is_empty() {
        members.push(("contained", Node::Array(contained)));
    }
    members.extend([
        ("status", text("complete")),
        ("type", text(asked.kind.code())),
        ("measure", text(asked.measured.canonical())),
    ]);
    // A facility or a city is no subject of R4's MeasureReport: it is who reports.
    let (subject, reporter) = match &asked.subject {
        Some(whom) if whom.starts_with("Patient/") => (Some(whom), None),
        whom => (None, whom.as_ref()),
    };
    members.extend(subject.map(|subject| ("subject", reference(subject.clone()))));
    let period = object(vec![("start", text(question.from.to_string())), ("end", text(question.to.to_string()))]);
    members.push(("date", text(format_instant(asked.now))));
    members.extend(reporter.map(|reporter| ("reporter", reference(reporter.clone()))));
    members.push(("period", period));
    if let Some(notation) = asked.measured.definition.get("improvementNotation") {
        members.push(("improvementNotation", notation.clone()));
    }
    if asked.kind != Kind::DataCollection {
        members.push(("group", Node::Array(groups)));
    }
    if tallied.scope.lists {
        let all: Vec<Node<'static>> =
            tallied.sources().into_iter().map(|source| reference(source.to_owned())).collect();
        if !all.is_empty() {
            members.push(("evaluatedResource", Node::Array(all)));
        }
    }
    object(members)
}

/// The denominator that comes from outside, where there is one.
fn external(asked: &Asked<'_>, code: &str) -> Option<Option<i64>> {
    match code {
        // Without a caseload there is no share.
        "identification" => Some(asked.caseload),
        "a-insured" if asked.insured.is_some() && asked.kind == Kind::Summary => Some(asked.insured),
        _ => None,
    }
}

fn group(asked: &Asked<'_>, place: usize, code: &str, contained: &mut Vec<Node<'static>>) -> Node<'static> {
    let tallied = asked.tallied;
    let mut count = tallied.groups.get(place).copied().unwrap_or_default();
    let outside = external(asked, code);
    if let Some(number) = outside {
        count.denominator = number.and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
    }
    let definition = asked.measured.definition.list("group").get(place);
    let mut members = Vec::new();
    if let Some(id) = definition.and_then(|group| group.text("id")) {
        members.push(("id", text(id)));
    }
    if let Some(code) = definition.and_then(|group| group.get("code")) {
        members.push(("code", code.clone()));
    }
    // What comes from outside is no part of anybody.
    let own = asked.guard.map(|guard| {
        let own = guard.group(place);
        if outside.is_some() { Count { denominator: 0, ..own } } else { own }
    });
    let hidden = mask(&count, asked.small_cell, own);
    let listed = tallied.listed.get(place).filter(|_| asked.kind == Kind::SubjectList);
    let lists = listed.map(|listed| [&listed.initial, &listed.denominator, &listed.numerator]);
    let all = populations(&count, hidden, |place, name| {
        let ids = lists.as_ref().and_then(|lists| lists.get(place).copied())?;
        let id = format!("{code}-{name}");
        contained.push(list(&id, ids));
        Some(format!("#{id}"))
    });
    members.push(("population", Node::Array(all)));
    members.extend(score(&count, hidden).map(|score| ("measureScore", score)));
    let strata = tallied.strata.get(place).into_iter().flatten();
    let stratifiers: Vec<Node<'static>> = strata
        .map(|(name, values)| {
            let counts: Vec<Count> = values.values().copied().collect();
            let own: Option<Vec<Count>> =
                asked.guard.map(|guard| values.keys().map(|value| guard.stratum(place, name, value)).collect());
            let masks = masks(&counts, asked.small_cell, own.as_deref().map(|own| (own, hidden)));
            let stratum = values.iter().zip(masks).map(|((value, count), hidden)| {
                let mut members = vec![
                    ("value", object(vec![("text", text(value.clone()))])),
                    ("population", Node::Array(populations(count, hidden, |_, _| None))),
                ];
                members.extend(score(count, hidden).map(|score| ("measureScore", score)));
                object(members)
            });
            object(vec![
                ("code", Node::Array(vec![object(vec![("text", text(*name))])])),
                ("stratum", Node::Array(stratum.collect())),
            ])
        })
        .collect();
    if !stratifiers.is_empty() {
        members.push(("stratifier", Node::Array(stratifiers)));
    }
    object(members)
}

fn populations(
    count: &Count,
    hidden: Mask,
    mut results: impl FnMut(usize, &str) -> Option<String>,
) -> Vec<Node<'static>> {
    let all = [
        ("initial-population", count.initial, hidden.initial),
        ("denominator", count.denominator, hidden.denominator),
        ("numerator", count.numerator, hidden.numerator),
    ];
    let one = |(place, (name, value, is_hidden)): (usize, (&'static str, u64, bool))| {
        let coding = object(vec![("system", text(POPULATION)), ("code", text(name))]);
        let mut members = vec![("code", object(vec![("coding", Node::Array(vec![coding]))]))];
        if is_hidden {
            members.push(("_count", masked()));
        } else {
            members.push(("count", Node::Number(value.to_string().into())));
        }
        members.extend(results(place, name).map(|list| ("subjectResults", reference(list))));
        object(members)
    };
    all.into_iter().enumerate().map(one).collect()
}

fn score(count: &Count, hidden: Mask) -> Option<Node<'static>> {
    if hidden.denominator || hidden.numerator {
        return Some(masked());
    }
    let value = quotient(count.numerator, count.denominator)?;
    Some(object(vec![("value", Node::Number(value.into()))]))
}

fn list(id: &str, ids: &BTreeSet<String>) -> Node<'static> {
    let mut members =
        vec![("resourceType", text("List")), ("id", text(id)), ("status", text("current")), ("mode", text("snapshot"))];
    if ids.is_empty() {
        let coding = object(vec![
            ("system", text("http://terminology.hl7.org/CodeSystem/list-empty-reason")),
            ("code", text("nilknown")),
        ]);
        members.push(("emptyReason", object(vec![("coding", Node::Array(vec![coding]))])));
    } else {
        let entry = |id: &String| object(vec![("item", reference(format!("Patient/{id}")))]);
        members.push(("entry", Node::Array(ids.iter().map(entry).collect())));
    }
    object(members)
}

/// KPI 1: how many fields miss too much.
fn incomplete(asked: &Asked<'_>) -> Node<'static> {
    let fields = incomplete_fields(asked.tallied, asked.rules);
    object(vec![
        ("code", object(vec![("text", text("incomplete fields"))])),
        ("measureScore", object(vec![("value", Node::Number(fields.to_string().into())), ("unit", text("fields"))])),
    ])
}

/// Fields with a greater share of missing values than allowed.
#[must_use]
pub fn incomplete_fields(tallied: &Tallied, rules: &Rules) -> usize {
    let misses = |count: &&Count| {
        let missing = count.denominator.saturating_sub(count.numerator);
        #[allow(clippy::cast_precision_loss, reason = "counts of citizens")]
        let (missing, all) = (missing as f64, count.denominator as f64);
        count.denominator > 0 && missing * 100.0 > rules.figures.completeness_percent * all
    };
    let fields = tallied.scope.groups.iter().zip(&tallied.groups).filter(|(code, _)| code.starts_with("field-"));
    fields.map(|(_, count)| count).filter(misses).count()
}

/// The id of a report of these things, for documents.
#[must_use]
pub fn report_id(asked: &Asked<'_>) -> String {
    let question = &asked.tallied.scope.question;
    stable_id(&[
        "report",
        asked.measured.name(),
        asked.subject.as_deref().unwrap_or_default(),
        &question.from.to_string(),
        &question.to.to_string(),
    ])
}

/// Whether a group counts citizens rather than records.
#[must_use]
pub fn is_of_citizens(code: &str) -> bool {
    unit(code) == Some(Unit::Citizen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_are_rounded_to_six_places() {
        assert_eq!(quotient(1, 3).as_deref(), Some("0.333333"));
        assert_eq!(quotient(2, 3).as_deref(), Some("0.666667"));
        assert_eq!(quotient(5, 5).as_deref(), Some("1"));
        assert_eq!(quotient(0, 7).as_deref(), Some("0"));
        assert_eq!(quotient(1, 0), None);
    }

    const fn of(denominator: u64, numerator: u64) -> Count {
        Count { initial: denominator, denominator, numerator }
    }

    #[test]
    fn what_is_masked_cannot_be_had_by_subtracting() {
        let counts = [of(40, 12), of(50, 3), of(60, 30)];
        let hidden: Vec<bool> = masks(&counts, Some(10), None).iter().map(|mask| mask.numerator).collect();
        assert_eq!(hidden, [true, true, false]);
        assert!(masks(&counts, Some(10), None).iter().all(|mask| !mask.denominator));
        let counts = [of(40, 12), of(4, 0), of(60, 30)];
        let hidden: Vec<bool> = masks(&counts, Some(10), None).iter().map(|mask| mask.denominator).collect();
        assert_eq!(hidden, [true, true, false]);
        assert_eq!(masks(&counts, None, None), [Mask::default(); 3]);
        // A nought says nothing about anybody.
        assert_eq!(mask(&of(20, 0), Some(10), None), Mask::default());
    }

    #[test]
    fn a_sum_beside_those_who_are_seen_leaves_no_few() {
        let hides = |count: Count, own: Count| mask(&count, Some(10), Some(own));
        assert_eq!(hides(of(40, 20), of(0, 0)), Mask::default());
        assert_eq!(hides(of(40, 20), of(20, 10)), Mask::default());
        assert_eq!(hides(of(40, 20), of(40, 20)), Mask::default(), "nobody is left");
        assert_eq!(hides(of(40, 20), of(35, 10)), Mask::ALL, "five are left");
        assert!(hides(of(40, 20), of(20, 18)).numerator, "two are left");
        assert!(hides(of(40, 39), of(0, 0)).numerator, "one is not treated");
        assert!(!hides(of(40, 39), of(0, 0)).denominator);
        assert!(hides(Count { initial: 42, denominator: 40, numerator: 20 }, of(0, 0)).initial, "two are excluded");
        assert_eq!(hides(of(9, 0), of(0, 0)), Mask::ALL);
        // Two that are masked tell their sum: that is not to be small either.
        let counts = [of(3, 3), of(4, 4), of(15, 0), of(80, 40)];
        let noughts = [of(0, 0); 4];
        let hidden: Vec<bool> =
            masks(&counts, Some(10), Some((&noughts, Mask::default()))).iter().map(|mask| mask.denominator).collect();
        assert_eq!(hidden, [true, true, true, false]);
        let all = masks(&counts, Some(10), Some((&noughts, Mask::ALL)));
        assert!(all.iter().all(|mask| mask.denominator), "parts do not tell what the whole does not");
    }
}
