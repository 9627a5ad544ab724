//! `Measure/$evaluate-measure`, `$care-gaps`, `$collect-data` (FHIR R4 measure-operations.html) over the facts of
//! fracture liaison.
//!
//! A Measure can be evaluated when each of its groups has a code of `CodeSystem/fls-measure-group`: that names the
//! rule (`fls/indicator`). A site writes Measures of its own from such groups.
//!
//! `tally` counts, `report` writes MeasureReports, `gaps` what is missing. Cost: one pass over the kept facts,
//! page by page; memory grows with what is listed, not with the population.

mod gaps;
pub mod report;
pub mod sums;
pub mod tally;

use self::report::{Guard, Kind, report};
use self::sums::{check_question, check_unnarrowed, sums};
use self::tally::{Scope, Tallied, tally};
use super::call::{Call, parameters, part};
use super::fls::{catch_up, facts_of, today};
use super::table::{Level, Operation};
use crate::access::policy::LiaisonUse;
use crate::engine::{Engine, OperationAnswer, Rejection};
use crate::fls::indicator::{Question, unit};
use crate::fls::{Day, Facts};
use crate::format::json::{self, Node};
use crate::r4::canonical::{Canonicals, Definition, split};
use crate::r4::definitions;
use crate::r4::guide::CANONICAL;
use crate::r4::outcome::{Issue, IssueCode};

/// The operations on measures.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation::reading(
        "http://renraku.example/fhir/OperationDefinition/Measure-evaluate-measure",
        &[Level::Type, Level::Instance],
        evaluate,
    ),
    Operation::reading("http://hl7.org/fhir/OperationDefinition/Measure-care-gaps", &[Level::Type], gaps::care_gaps),
    Operation::reading(
        "http://hl7.org/fhir/OperationDefinition/Measure-collect-data",
        &[Level::Type, Level::Instance],
        collect,
    ),
];

/// Most citizens whose data is collected, or who are listed, in one answer.
pub const MOST_SUBJECTS: usize = 10_000;
/// Most resources of one `$collect-data`.
const MOST_RESOURCES: usize = 5_000;

fn wrong(name: &str, text: impl Into<String>) -> Rejection {
    Rejection::bad_request(vec![
        Issue::error(IssueCode::Value, text).at(format!("Parameters.parameter.where(name='{name}')")),
    ])
}

/// A measure that can be evaluated here.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The Measure.
    pub definition: Definition,
    /// Codes of its groups, in order.
    pub groups: Vec<String>,
}

impl Measured {
    /// The Measure's canonical URL with its version.
    #[must_use]
    pub fn canonical(&self) -> String {
        let url = self.definition.text("url").unwrap_or_default();
        self.definition.text("version").map_or_else(|| url.to_owned(), |version| format!("{url}|{version}"))
    }

    /// The id behind the last slash of its URL.
    #[must_use]
    pub fn name(&self) -> &str {
        self.definition.text("url").and_then(|url| url.rsplit('/').next()).unwrap_or_default()
    }

    /// Whether its reports go to a city and hide small counts.
    #[must_use]
    pub fn is_of_city(&self) -> bool {
        self.name().starts_with("city-")
    }

    fn of(definition: Definition) -> Result<Self, Rejection> {
        let code = |group: &Node<'_>| {
            let codings = group.get("code").map_or(&[][..], |code| code.list("coding"));
            let ours = codings.iter().filter_map(|coding| coding.text("code"));
            ours.into_iter().find(|code| unit(code).is_some()).map(str::to_owned)
        };
        let groups: Option<Vec<String>> = definition.list("group").iter().map(code).collect();
        match groups {
            Some(groups) if !groups.is_empty() => Ok(Self { definition, groups }),
            _ => Err(Rejection::new(
                501,
                IssueCode::NotSupported,
                "this server evaluates Measures whose groups each have a code of http://renraku.example/fhir/CodeSystem/fls-measure-group; this one has others (CQL is not run here)",
            )),
        }
    }
}

/// The measure of that canonical URL, id or name.
///
/// # Errors
/// 404 when it is nothing here, 501 when it cannot be evaluated.
pub fn measured(engine: &Engine, named: &str) -> Result<Measured, Rejection> {
    let named = named.strip_prefix("Measure/").unwrap_or(named);
    let number = definitions().resource_number("Measure").unwrap_or(0);
    let unknown = || {
        Rejection::new(
            404,
            IssueCode::NotFound,
            format!("the Measure {named:.200?} is not here; GET [base]/Measure lists them"),
        )
    };
    if !named.contains(['/', ':']) {
        if let Some(version) = engine.store().current(number, named)?.filter(|version| !version.is_deleted()) {
            let node = json::parse(&version.body).map_err(|error| Rejection::internal(error.to_string()))?;
            return Measured::of(Definition::new(node.into_owned()));
        }
        let ours = format!("{CANONICAL}/Measure/{named}");
        return Measured::of(engine.definitions().find("Measure", &ours, None).ok_or_else(unknown)?);
    }
    let (url, version) = split(named);
    Measured::of(engine.definitions().find("Measure", url, version).ok_or_else(unknown)?)
}

/// All measures of our guide, in order of their names.
#[must_use]
pub fn all_measures(engine: &Engine) -> Vec<Measured> {
    let guide = crate::r4::guide::guide();
    let mut names: Vec<String> = guide.list("Measure").into_iter().map(|(url, _)| url).collect();
    names.sort_unstable();
    names.iter().filter_map(|url| measured(engine, url).ok()).collect()
}

/// Refuses who sees no rows of fracture liaison; whose rows, the view says.
///
/// # Errors
/// 403.
pub fn permit(engine: &Engine) -> Result<(), Rejection> {
    match engine.liaison_use() {
        LiaisonUse::Rows => Ok(()),
        LiaisonUse::Counts => {
            let text = "you see measures of fracture liaison as sums of your area (Measure/[id]/$evaluate-measure with \
                        reportType=population, /fls/indicators), and nothing by citizen";
            Err(Rejection::new(403, IssueCode::Forbidden, text))
        }
        LiaisonUse::None => Err(sums::nothing()),
    }
}

/// Refuses who may not see everybody, for what writes about anybody.
///
/// # Errors
/// 403.
pub fn permit_all(engine: &Engine) -> Result<(), Rejection> {
    if engine.store().view().is_none() {
        return Ok(());
    }
    let text =
        "this is about all citizens: it is for systems that may read everything (system/*.rs, without an organization)";
    Err(Rejection::new(403, IssueCode::Forbidden, text))
}

/// The period of a report, and the days of it.
pub(super) fn question(call: &Call<'_>) -> Result<Question, Rejection> {
    let input = |name: &str| call.inputs.text(name);
    let from = input("periodStart").and_then(Day::parse);
    let to = input("periodEnd").and_then(Day::last_of);
    let (Some(from), Some(to)) = (from, to) else {
        return Err(wrong("periodStart", "periodStart and periodEnd are dates, such as 2026-04-01 and 2027-03-31"));
    };
    if from > to {
        return Err(wrong("periodEnd", format!("the period ends ({to}) before it begins ({from})")));
    }
    let as_of = match input("asOf") {
        Some(text) => Day::last_of(text).ok_or_else(|| wrong("asOf", "asOf is a date, such as 2026-11-25"))?,
        None => today(),
    };
    let mut thresholds = Vec::new();
    for text in call.inputs.texts("threshold") {
        let read = text.split_once('=').and_then(|(name, days)| Some((name.to_owned(), days.parse::<i32>().ok()?)));
        let known = ["assessment-days", "dxa-days", "exercise-days", "follow-up-days", "start-days", "year-days"];
        match read {
            Some((name, days)) if known.contains(&name.as_str()) && (1..=3660).contains(&days) => {
                thresholds.push((name, days))
            }
            _ => {
                return Err(wrong(
                    "threshold",
                    format!(
                        "{text:.64?} is no threshold; write dxa-days=84; those that can be set: {}",
                        known.join(", ")
                    ),
                ));
            }
        }
    }
    Ok(Question { from, to, as_of, thresholds })
}

/// Whom a request is about.
pub(super) enum About {
    Citizen(Box<Facts>),
    Everybody { facility: Option<String>, municipality: Option<String> },
}

pub(super) fn about(call: &Call<'_>, subject: Option<&str>) -> Result<About, Rejection> {
    let own = |name: &str| call.inputs.text(name).map(str::to_owned);
    let everybody = || About::Everybody { facility: own("facility"), municipality: own("municipality") };
    let Some(subject) = subject else { return Ok(everybody()) };
    let local = subject.strip_prefix(call.request.base.as_str()).map_or(subject, |rest| rest.trim_start_matches('/'));
    match local.split_once('/') {
        None => Ok(About::Citizen(Box::new(facts_of(call.engine, local)?))),
        Some(("Patient", id)) => Ok(About::Citizen(Box::new(facts_of(call.engine, id)?))),
        Some(("Organization", _)) => {
            Ok(About::Everybody { facility: Some(local.to_owned()), municipality: own("municipality") })
        }
        Some((kind, _)) => Err(wrong(
            "subject",
            format!(
                "{kind:.64} is no subject of these measures; send Patient/[id], or Organization/[id] for a facility"
            ),
        )),
    }
}

fn named_measure(call: &Call<'_>) -> Result<Measured, Rejection> {
    match (&call.target.id, call.inputs.text("measure")) {
        (Some(id), None) => measured(call.engine, id),
        (None, Some(named)) => measured(call.engine, named),
        (Some(_), Some(_)) => Err(wrong("measure", "the URL names the Measure already; leave measure out")),
        (None, None) => Err(wrong("measure", "which Measure? send measure, or invoke the operation on Measure/[id]")),
    }
}

fn evaluate(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    // Measures themselves are open: what is asked of them is checked before anything is told.
    let sums = sums(call.engine)?;
    let measured = named_measure(&call)?;
    let question = question(&call)?;
    let subject = call.inputs.text("subject");
    let kind = match (call.inputs.text("reportType"), subject) {
        (Some("subject" | "individual"), None) => {
            return Err(wrong("subject", "a report of one subject needs to know whose: send Patient/[id]"));
        }
        (Some("subject" | "individual"), Some(_)) | (None, Some(_)) => Kind::Individual,
        (Some("subject-list"), _) => Kind::SubjectList,
        (Some("population" | "summary") | None, _) => Kind::Summary,
        (Some(other), _) => {
            return Err(wrong(
                "reportType",
                format!("{other:.64?} is no type of report; there are subject, subject-list and population"),
            ));
        }
    };
    let sums = sums.filter(|_| matches!(kind, Kind::Summary) && subject.is_none());
    if sums.is_some() {
        check_question(&question)?;
        let names = ["facility", "municipality", "sex", "ageBand"].map(|name| (name, call.inputs.text(name).is_some()));
        check_unnarrowed(names)?;
        check_unnarrowed([("suppress", call.inputs.boolean("suppress") == Some(false))])?;
    } else {
        permit(call.engine)?;
    }
    catch_up(call.engine)?;
    let about = about(&call, subject)?;
    if matches!(kind, Kind::Individual) && matches!(about, About::Everybody { .. }) {
        return Err(wrong(
            "reportType",
            "an Organization has no report of one subject; ask for population or subject-list",
        ));
    }
    let mut scope = Scope::new(&measured.groups, question);
    scope.stratifiers = stratifiers(&call)?;
    scope.lists = !matches!(kind, Kind::Summary);
    scope.sex = call.inputs.text("sex").map(str::to_owned);
    scope.age = call.inputs.text("ageBand").map(str::to_owned);
    let rules = call.engine.liaison_rules();
    let (tallied, guard): (Tallied, Option<Guard>) = match &sums {
        Some(sums) => sums.count(&rules, scope).map(|(tallied, guard)| (tallied, Some(guard)))?,
        None => (count(&call, &about, scope)?, None),
    };
    let hides = sums.is_some()
        || call.inputs.boolean("suppress").unwrap_or_else(|| measured.is_of_city() && matches!(kind, Kind::Summary));
    let external = |name: &str| match call.inputs.integer(name) {
        Some(number) if number < 0 => Err(wrong(name, format!("{name} is a number of citizens, 0 or more"))),
        number => Ok(number),
    };
    let node = report(&report::Asked {
        measured: &measured,
        kind,
        tallied: &tallied,
        subject: match &about {
            About::Citizen(facts) => Some(format!("Patient/{}", facts.person.id)),
            About::Everybody { facility, municipality } => facility.clone().or_else(|| municipality.clone()),
        },
        small_cell: hides.then_some(rules.figures.small_cell),
        guard: guard.as_ref(),
        caseload: external("caseload")?,
        insured: external("insured")?,
        rules: &rules,
        now: jiff::Timestamp::now().as_microsecond(),
    });
    Ok(OperationAnswer::Resource(node.to_bytes().into()))
}

fn stratifiers(call: &Call<'_>) -> Result<Vec<&'static str>, Rejection> {
    let mut wanted = Vec::new();
    for text in call.inputs.texts("stratify").flat_map(|text| text.split(',')) {
        let known = tally::STRATIFIERS.iter().find(|name| **name == text);
        match known {
            Some(name) if !wanted.contains(name) => wanted.push(*name),
            Some(_) => {}
            None => {
                return Err(wrong(
                    "stratify",
                    format!("{text:.64?} is no stratifier; there are {}", tally::STRATIFIERS.join(", ")),
                ));
            }
        }
    }
    Ok(wanted)
}

pub(super) fn count(call: &Call<'_>, about: &About, mut scope: Scope) -> Result<Tallied, Rejection> {
    let rules = call.engine.liaison_rules();
    match about {
        About::Citizen(facts) => {
            let mut tallied = Tallied::new(scope);
            tallied.add(facts, &rules)?;
            Ok(tallied)
        }
        About::Everybody { facility, municipality } => {
            scope.facility.clone_from(facility);
            scope.municipality.clone_from(municipality);
            tally(call.engine, &rules, scope)
        }
    }
}

/// `$collect-data`: what the measure of a subject (or of few) rests on.
fn collect(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    permit(call.engine)?;
    let measured = named_measure(&call)?;
    let question = question(&call)?;
    for name in ["practitioner", "lastReceivedOn"] {
        if call.inputs.get(name).is_some() {
            return Err(Rejection::new(
                501,
                IssueCode::NotSupported,
                format!("{name} is not supported; send subject and period"),
            ));
        }
    }
    catch_up(call.engine)?;
    let about = about(&call, call.inputs.text("subject"))?;
    let mut scope = Scope::new(&measured.groups, question);
    scope.lists = true;
    let tallied = count(&call, &about, scope)?;
    let rules = call.engine.liaison_rules();
    let sources = tallied.sources();
    if sources.len() > MOST_RESOURCES {
        let text = format!(
            "this rests on {} resources, and one answer takes {MOST_RESOURCES}; ask for one subject or a shorter period",
            sources.len()
        );
        return Err(Rejection::new(400, IssueCode::TooCostly, text));
    }
    let subject = match &about {
        About::Citizen(facts) => Some(format!("Patient/{}", facts.person.id)),
        About::Everybody { facility, .. } => facility.clone(),
    };
    let node = report(&report::Asked {
        measured: &measured,
        kind: Kind::DataCollection,
        tallied: &tallied,
        subject,
        small_cell: None,
        guard: None,
        caseload: None,
        insured: None,
        rules: &rules,
        now: jiff::Timestamp::now().as_microsecond(),
    });
    let mut answer = vec![part("measureReport", "resource", node)];
    for source in sources {
        let Some((kind, id)) = source.split_once('/') else { continue };
        let Some(number) = definitions().resource_number(kind) else { continue };
        let Some(version) = call.engine.store().current(number, id)?.filter(|version| !version.is_deleted()) else {
            continue;
        };
        let body = json::parse(&version.body).map_err(|_| Rejection::internal("a stored resource cannot be read"))?;
        answer.push(part("resource", "resource", body.into_owned()));
    }
    Ok(parameters(answer))
}
