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
struct Mask {
    denominator: bool,
    numerator: bool,
}

fn mask(count: &Count, limit: Option<i64>) -> Mask {
    let Some(limit) = limit.and_then(|limit| u64::try_from(limit).ok()) else { return Mask::default() };
    let is_small = |value: u64| value > 0 && value < limit;
    let denominator = is_small(count.denominator);
    Mask { denominator, numerator: denominator || is_small(count.numerator) }
}

/// The masks of strata: none can be had by subtracting the others from the whole.
fn masks(counts: &[Count], limit: Option<i64>) -> Vec<Mask> {
    let mut masks: Vec<Mask> = counts.iter().map(|count| mask(count, limit)).collect();
    let mut also = |is_masked: fn(&Mask) -> bool, value: fn(&Count) -> u64, set: fn(&mut Mask)| {
        if masks.iter().filter(|mask| is_masked(mask)).count() != 1 {
            return;
        }
        let open = (0..counts.len()).filter(|place| masks.get(*place).is_some_and(|mask| !is_masked(mask)));
        let next = open.filter(|place| counts.get(*place).is_some_and(|count| value(count) > 0));
        if let Some(next) = next.min_by_key(|place| counts.get(*place).map_or(0, value))
            && let Some(mask) = masks.get_mut(next)
        {
            set(mask);
        }
    };
    also(|mask| mask.denominator, |count| count.denominator, |mask| (mask.denominator, mask.numerator) = (true, true));
    also(|mask| mask.numerator, |count| count.numerator, |mask| mask.numerator = true);
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
    if asked.kind != Kind::DataCollection && asked.measured.name() == "fls-kpi-01" {
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
    let hidden = mask(&count, asked.small_cell);
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
            let masks = masks(&counts, asked.small_cell);
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
        ("initial-population", count.initial, hidden.denominator),
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

    #[test]
    fn what_is_masked_cannot_be_had_by_subtracting() {
        let of = |denominator, numerator| Count { initial: denominator, denominator, numerator };
        let counts = [of(40, 12), of(50, 3), of(60, 30)];
        let hidden: Vec<bool> = masks(&counts, Some(10)).iter().map(|mask| mask.numerator).collect();
        assert_eq!(hidden, [true, true, false]);
        assert!(masks(&counts, Some(10)).iter().all(|mask| !mask.denominator));
        let counts = [of(40, 12), of(4, 0), of(60, 30)];
        let hidden: Vec<bool> = masks(&counts, Some(10)).iter().map(|mask| mask.denominator).collect();
        assert_eq!(hidden, [true, true, false]);
        assert_eq!(masks(&counts, None), [Mask::default(); 3]);
        // A nought says nothing about anybody.
        assert_eq!(mask(&of(20, 0), Some(10)), Mask::default());
    }
}
