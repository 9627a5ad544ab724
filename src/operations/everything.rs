//! `$everything` of a Patient or an Encounter (FHIR R4 operation-patient-everything.html,
//! operation-encounter-everything.html): the compartment, and what its resources need to be understood.
//!
//! Matches are the compartment, a page at a time by the cursor of searches. What they refer to is included:
//! types that are never in the compartment themselves (practitioners, organizations, places, medications,
//! attachments), two steps far. So no other citizen's data comes along.

use std::collections::BTreeSet;

use super::call::Call;
use super::table::{Level, Operation};
use crate::engine::{OperationAnswer, Rejection, Searched};
use crate::format::json::Node;
use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::{datetime, definitions};
use crate::search::extract::extract;
use crate::search::parse::{compartment, parse_query_across};
use crate::search::query::{Condition, DateTest, Prefix, Query};
use crate::search::registry::registry;
use crate::store::{Found, Gathering};

/// `Patient/$everything`, `Patient/[id]/$everything`, `Encounter/[id]/$everything`
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        controls: &["_cursor"],
        ..Operation::reading(
            "http://hl7.org/fhir/OperationDefinition/Patient-everything",
            &[Level::Type, Level::Instance],
            everything,
        )
    },
    Operation {
        controls: &["_cursor"],
        ..Operation::reading(
            "http://hl7.org/fhir/OperationDefinition/Encounter-everything",
            &[Level::Instance],
            everything,
        )
    },
];

/// How many references one after another are followed beyond the compartment.
const STEPS: usize = 2;

/// The parameters that say when care took place; the first that has a value counts. Types without an
/// entry, and resources without a value, are in every range.
const CARE_DATES: &[(&str, &[&str])] = &[
    ("AdverseEvent", &["date"]),
    ("Appointment", &["date"]),
    ("CarePlan", &["date"]),
    ("CareTeam", &["date"]),
    ("ChargeItem", &["occurrence", "entered-date"]),
    ("Claim", &["created"]),
    ("ClinicalImpression", &["date"]),
    ("Communication", &["sent", "received"]),
    ("CommunicationRequest", &["occurrence", "authored"]),
    ("Composition", &["date"]),
    ("Condition", &["onset-date", "recorded-date"]),
    ("DeviceRequest", &["event-date", "authored-on"]),
    ("DiagnosticReport", &["date", "issued"]),
    ("DocumentReference", &["period", "date"]),
    ("Encounter", &["date"]),
    ("EpisodeOfCare", &["date"]),
    ("ExplanationOfBenefit", &["created"]),
    ("Flag", &["date"]),
    ("Goal", &["start-date", "target-date"]),
    ("ImagingStudy", &["started"]),
    ("Immunization", &["date"]),
    ("ImmunizationRecommendation", &["date"]),
    ("Invoice", &["date"]),
    ("List", &["date"]),
    ("MeasureReport", &["period", "date"]),
    ("Media", &["created"]),
    ("MedicationAdministration", &["effective-time"]),
    ("MedicationDispense", &["whenhandedover", "whenprepared"]),
    ("MedicationRequest", &["authoredon"]),
    ("MedicationStatement", &["effective"]),
    ("NutritionOrder", &["datetime"]),
    ("Observation", &["date"]),
    ("Procedure", &["date"]),
    ("QuestionnaireResponse", &["authored"]),
    ("RequestGroup", &["authored"]),
    ("RiskAssessment", &["date"]),
    ("ServiceRequest", &["occurrence", "authored"]),
    ("Task", &["period", "authored-on"]),
    ("VisionPrescription", &["datewritten"]),
];

/// The numbers of the care dates of a type, in order of preference.
fn care_dates(type_number: u8) -> Vec<i32> {
    let name = definitions().resource_by_number(type_number).map_or("", |found| found.name.as_str());
    let codes = CARE_DATES.iter().find(|(own, _)| *own == name).map_or(&[][..], |(_, codes)| codes);
    codes.iter().filter_map(|code| registry().find(type_number, code)).map(|found| found.number).collect()
}

/// What is asked for.
struct Asked {
    /// First and last µs of care.
    care: Option<(i64, i64)>,
    /// Only these types; empty is all.
    types: BTreeSet<u8>,
    count: u32,
    query: Query,
}

fn invalid(name: &str, text: String) -> Rejection {
    let place = format!("Parameters.parameter.where(name='{name}')");
    Rejection::bad_request(vec![Issue::error(IssueCode::Invalid, text).at(place)])
}

fn asked(call: &Call<'_>) -> Result<Asked, Rejection> {
    let (engine, inputs) = (call.engine, &call.inputs);
    let options = engine.parse_options(call.request.lenient);
    let mut query = parse_query_across(&call.pairs, &options).map_err(Rejection::bad_request)?;
    let span = |name: &str| inputs.text(name).and_then(|text| datetime::span(text, options.default_offset_seconds));
    let care = match (span("start"), span("end")) {
        (None, None) => None,
        (start, end) => Some((start.map_or(i64::MIN, |span| span.low), end.map_or(i64::MAX, |span| span.high))),
    };
    if let Some((start, end)) = care
        && start > end
    {
        return Err(invalid("end", "end is before start".to_owned()));
    }
    let mut types = BTreeSet::new();
    for name in inputs.texts("_type").flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty()) {
        let Some(number) = definitions().resource_number(name) else {
            return Err(invalid("_type", format!("{name:.64?} is not a resource type of FHIR R4 (4.0.1)")));
        };
        types.insert(number);
    }
    if let Some(since) = span("_since") {
        let test = DateTest { prefix: Prefix::Ge, low: since.low, high: since.high };
        query.conditions.push(Condition::LastUpdated(vec![test]));
    }
    let most = engine.settings().max_count;
    let count = match inputs.integer("_count") {
        None => most,
        Some(count) => match u32::try_from(count) {
            Ok(count) if count > 0 => count.min(most),
            _ => return Err(invalid("_count", format!("_count={count} is wrong: a number above 0 is expected"))),
        },
    };
    query.used = ["start", "end", "_since", "_type"]
        .iter()
        .flat_map(|name| inputs.texts(name).map(|text| ((*name).to_owned(), text.to_owned())))
        .chain(inputs.integer("_count").map(|count| ("_count".to_owned(), count.to_string())))
        .collect();
    Ok(Asked { care, types, count, query })
}

fn everything(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let (engine, owner) = (call.engine, call.type_number());
    let Asked { care, types, count, mut query } = asked(&call)?;
    let name = call.target.type_name.as_deref().unwrap_or_default();
    // The types that can be members, and the references that make them so.
    let everyone = 1..=u8::try_from(definitions().resources().len()).unwrap_or(u8::MAX);
    let mut ties: Vec<Vec<i32>> = vec![Vec::new(); 256];
    for number in everyone {
        if let Ok(Condition::Compartment { parameters, .. }) = compartment(owner, "", number)
            && let Some(entry) = ties.get_mut(usize::from(number))
        {
            *entry = parameters;
        }
    }
    let ties_of = |number: u8| ties.get(usize::from(number)).map_or(&[][..], Vec::as_slice);
    let is_member = |number: u8| number == owner || !ties_of(number).is_empty();
    let path = match &call.target.id {
        Some(id) => {
            engine.read_blocking(name, id)?;
            let mut membership = compartment(owner, id, 0).map_err(|issue| Rejection::bad_request(vec![issue]))?;
            // The definition ties Patients to one by their links only; here "the patient resource(s) itself is returned".
            if let Condition::Compartment { itself, .. } = &mut membership {
                *itself = true;
            }
            query.conditions.insert(0, membership);
            format!("{name}/{id}/$everything")
        }
        None => {
            query.types = (1..=u8::MAX).filter(|number| is_member(*number)).collect();
            format!("{name}/$everything")
        }
    };
    let of_all = call.target.id.is_none();
    // Types beyond the compartment are found through its resources only: all must be looked at.
    if !types.is_empty() && types.iter().all(|number| is_member(*number)) {
        query.types = types.iter().copied().collect();
    }
    let options = engine.store().extract_options();
    let dates: Vec<Vec<i32>> =
        (0..=u8::MAX).map(|number| if care.is_some() { care_dates(number) } else { Vec::new() }).collect();
    let wanted = |found: &Found, body: &Node<'_>| {
        let number = found.type_number;
        if number == owner {
            return true;
        }
        let care_dates = dates.get(usize::from(number)).map_or(&[][..], Vec::as_slice);
        if !of_all && care_dates.is_empty() {
            return true;
        }
        let rows = extract(number, body, &options);
        let belongs = |row: &crate::search::rows::ReferenceRow| {
            row.target_type == owner && ties_of(number).contains(&row.parameter)
        };
        if of_all && !rows.references.iter().any(belongs) {
            return false;
        }
        let Some((start, end)) = care else { return true };
        let mut given = care_dates.iter().map(|parameter| rows.dates.iter().filter(|row| row.parameter == *parameter));
        match given.find(|rows| rows.clone().next().is_some()) {
            Some(mut rows) => rows.any(|row| row.low <= end && row.high >= start),
            None => true,
        }
    };
    let shows = |number: u8| types.is_empty() || types.contains(&number);
    let gathering = Gathering {
        query: &query,
        count,
        with_total: types.is_empty() || types.iter().all(|number| is_member(*number)),
        wanted: (of_all || care.is_some()).then_some(&wanted),
        follows: &|number| !is_member(number),
        steps: STEPS,
        base: &call.request.base,
    };
    let mut page = engine.store().gather(&gathering)?;
    page.matches.retain(|found| shows(found.type_number));
    page.included.retain(|found| shows(found.type_number));
    Ok(OperationAnswer::Searched(Box::new(Searched { query, page, count }), path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::r4::parameters::ParameterKind;

    #[test]
    fn care_dates_are_search_parameters() {
        for (name, codes) in CARE_DATES {
            let number = definitions().resource_number(name).unwrap();
            for code in *codes {
                let found = registry().find(number, code).unwrap_or_else(|| panic!("{name} has no {code}"));
                assert_eq!(found.kind, ParameterKind::Date, "{name} {code}");
            }
        }
    }
}
