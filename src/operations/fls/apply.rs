//! `PlanDefinition/$apply` of the pathway (FHIR R4 plandefinition-operation-apply.html), and notes on alarms.

use super::resources::{flag, is_made};
use super::{catch_up, facts_of, follow_up, put_all, today};
use crate::engine::{Engine, OperationAnswer, Rejection};
use crate::fls::registry::status;
use crate::fls::stable_id;
use crate::format::json::{self, Node};
use crate::operations::call::Call;
use crate::operations::measure::permit_all;
use crate::operations::table::{Level, Operation};
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};

/// `PlanDefinition/$apply`
pub(in crate::operations) const OPERATIONS: &[Operation] =
    &[Operation::writing("http://hl7.org/fhir/OperationDefinition/PlanDefinition-apply", &[Level::Instance], apply)];

const PATHWAY: &str = "http://renraku.example/fhir/PlanDefinition/fls-pathway";

/// Opens the pathway for a citizen: from then on it is kept up to date, whatever the setting `fls` says.
fn apply(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    permit_all(call.engine)?;
    let id = call.target.id.as_deref().unwrap_or_default();
    let number = definitions().resource_number("PlanDefinition").unwrap_or(0);
    let url = match call.engine.store().current(number, id)?.filter(|version| !version.is_deleted()) {
        Some(version) => json::parse(&version.body).ok().and_then(|node| node.text("url").map(str::to_owned)),
        None => (id == "fls-pathway").then(|| PATHWAY.to_owned()),
    };
    match url.as_deref() {
        Some(PATHWAY) => {}
        Some(_) => {
            let text = format!("only the PlanDefinition {PATHWAY} is applied here; others would need CQL");
            return Err(Rejection::new(501, IssueCode::NotSupported, text));
        }
        None => return Err(Rejection::not_found("PlanDefinition", id)),
    }
    let wrong = |name: &str, text: &str| {
        Rejection::bad_request(vec![
            Issue::error(IssueCode::Value, text).at(format!("Parameters.parameter.where(name='{name}')")),
        ])
    };
    for name in [
        "planDefinition",
        "encounter",
        "practitioner",
        "organization",
        "userType",
        "userLanguage",
        "userTaskContext",
        "setting",
        "settingContext",
    ] {
        if call.inputs.get(name).is_some() {
            return Err(wrong(name, "this parameter changes nothing here; leave it out"));
        }
    }
    let mut subjects = call.inputs.texts("subject");
    let (Some(subject), None) = (subjects.next(), subjects.next()) else {
        return Err(wrong("subject", "one subject at a time: Patient/[id]"));
    };
    let Some(patient) = subject.strip_prefix("Patient/").filter(|id| crate::r4::reference::is_id(id)) else {
        return Err(wrong("subject", "the subject is a citizen: Patient/[id]"));
    };
    catch_up(call.engine)?;
    let facts = facts_of(call.engine, patient)?;
    let rules = call.engine.liaison_rules();
    let now = status(&facts, &rules, today());
    let Some(latest) = now.rows.last() else {
        let text = format!(
            "Patient/{patient} has no fracture that opens the pathway: a Condition with a code of CodeSystem/fracture-site, with its day, at {} years or more",
            rules.figures.minimum_age
        );
        return Err(Rejection::new(422, IssueCode::BusinessRule, text));
    };
    let plan = stable_id(&["plan", &latest.episode.id]);
    follow_up(call.engine, patient)?;
    catch_up(call.engine)?;
    let version = call.engine.read_blocking("CarePlan", &plan)?;
    Ok(OperationAnswer::Resource(version.body))
}

/// Notes that somebody took note of an alarm: its Flag says who, when and why. Blocks.
///
/// # Errors
/// 404 when no such alarm stands, 400 without a reason.
pub fn acknowledge(engine: &Engine, alarm: &str, who: &str, reason: &str) -> Result<(), Rejection> {
    if reason.trim().is_empty() || reason.chars().count() > 1000 {
        return Err(Rejection::invalid(
            "a reason is needed, of 1 to 1000 letters: why is nothing more to be done about it?",
        ));
    }
    catch_up(engine)?;
    let found = engine.store().alarm_page(None, Some(alarm), None, 1, None)?.into_iter().next();
    let unknown = || {
        Rejection::new(
            404,
            IssueCode::NotFound,
            format!("no alarm {alarm:.64?} stands; GET /fls/alarms lists those that do"),
        )
    };
    let found = found.ok_or_else(unknown)?;
    let row: serde_json::Value =
        serde_json::from_slice(&found.body).map_err(|error| Rejection::internal(error.to_string()))?;
    let patient = row["patient"].as_str().unwrap_or_default().to_owned();
    let facts = facts_of(engine, patient.strip_prefix("Patient/").unwrap_or_default())?;
    let now = status(&facts, &engine.liaison_rules(), today());
    let standing = now.alarms.iter().find(|one| one.id == alarm).ok_or_else(unknown)?;
    let number = definitions().resource_number("Flag").unwrap_or(0);
    let version = engine.store().current(number, alarm)?.filter(|version| !version.is_deleted());
    let mut stored = super::resources::Stored::new();
    if let Some(version) = &version
        && let Ok(node) = json::parse(&version.body)
        && is_made(&node)
    {
        stored.insert(format!("Flag/{alarm}"), node);
    }
    let mut node = flag(standing, &patient, &stored);
    let part = |name: &'static str, member: &'static str, value: String| {
        Node::object([("url", Node::string(name)), (member, Node::string(value))])
    };
    let parts = vec![
        part("who", "valueString", who.to_owned()),
        part("when", "valueDateTime", today().to_string()),
        part("reason", "valueString", reason.to_owned()),
    ];
    let extension = Node::object([
        ("url", Node::string("http://renraku.example/fhir/StructureDefinition/alarm-acknowledgement")),
        ("extension", Node::Array(parts.into_iter().filter(|part| part.text("valueString") != Some("")).collect())),
    ]);
    node.set("extension", Node::Array(vec![extension]));
    put_all(engine, vec![node])?;
    catch_up(engine)?;
    Ok(())
}
