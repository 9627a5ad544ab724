//! Carries the ingest of a document out: looks up what is here already, plans, writes.

use super::ingest::{IngestPlan, PlannedPatient, identity, patient_criteria, plan};
use super::table::{Level, Operation};
use crate::engine::{Answer, Engine, EntryAnswer, OperationAnswer, Refusal, Rejection, decode_pairs};
use crate::format::json::{self, Node};
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode, operation_outcome};
use crate::search::parse::parse_query;
use crate::validation::structure::check_resource;

/// How often a plan is made anew when what it rests on changed meanwhile.
const ATTEMPTS: usize = 4;

/// What became of a document.
#[derive(Debug)]
pub struct Ingested {
    /// What could not be placed, and what was noticed.
    pub issues: Vec<Issue>,
    /// Id of the stored document Bundle.
    pub bundle_id: String,
    /// Id of the citizen's Patient.
    pub patient_id: Option<String>,
    /// Resources that were created.
    pub created: usize,
    /// Resources that got a new version.
    pub updated: usize,
    /// Resources that the corrected document no longer has.
    pub deleted: usize,
    /// Resources that were as they are.
    pub unchanged: usize,
}

/// `Bundle/$ingest-document`
pub(super) const OPERATIONS: &[Operation] = &[Operation::writing(
    "http://renraku.example/fhir/OperationDefinition/Bundle-ingest-document",
    &[Level::Type],
    |call| {
        let document = call.inputs.resource("document").unwrap_or(&Node::Null);
        let done = ingest_blocking(call.engine, document)?;
        let answer = if call.request.wants_outcome {
            operation_outcome(&done.issues)
        } else {
            done.parameters(&call.request.base)
        };
        Ok(OperationAnswer::Resource(answer.to_bytes().into()))
    },
)];

/// Takes a document Bundle apart into resources and the notebook. The same document again changes
/// nothing; a later version of it updates what it made.
///
/// # Errors
/// 400 for a wrong document, 409 for an older or contradicting version, 412 when its patient's
/// identifiers belong to several Patients.
pub fn ingest_blocking(engine: &Engine, document: &Node<'_>) -> Result<Ingested, Rejection> {
    check_resource(document, Some("Bundle")).map_err(Rejection::bad_request)?;
    let brought = engine.bringing();
    let (engine, sender) = match &brought {
        Some((engine, organization)) => (engine, Some(organization.as_str())),
        None => (engine, None),
    };
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let IngestPlan { mut transaction, issues, bundle_id, patient, .. } = prepare(engine, document)?;
        if let Some(sender) = sender {
            sent_by(&mut transaction, sender, &patient);
        }
        match engine.transaction_blocking(transaction, "", None)?.wait() {
            Ok(answers) => return Ok(Ingested::of(issues, bundle_id, patient, &answers)),
            Err(Refusal::Rejected(rejection)) if rejection.status != 412 => return Err(rejection),
            // A condition no longer holds: somebody wrote in between. What is here is looked up anew.
            Err(Refusal::Rejected(rejection)) => last = Some(rejection),
            Err(Refusal::Stale) => {}
        }
    }
    let keeps_changing = || Rejection {
        retry_after: Some(1),
        ..Rejection::new(
            409,
            IssueCode::Conflict,
            "the citizen's Patient keeps changing while the document is stored; send it again",
        )
    };
    Err(last.unwrap_or_else(keeps_changing))
}

/// What is different where a system brings a document that acts for an organization: it is named as who sent it, and
/// with a citizen who is new comes the team by which it has to do with them. Who is here already and not theirs to see
/// is not found: another Patient comes into being, to be linked by those who see both.
fn sent_by(transaction: &mut Node<'static>, sender: &str, patient: &PlannedPatient) {
    let reference = |target: String| Node::object([("reference", Node::string(target))]);
    let coded = |system: &'static str, code: &'static str| {
        let coding = Node::object([("system", Node::string(system)), ("code", Node::string(code))]);
        Node::object([("coding", Node::Array(vec![coding]))])
    };
    let Some(Node::Array(entries)) = transaction.get_mut("entry") else { return };
    for entry in entries.iter_mut() {
        let Some(provenance) =
            entry.get_mut("resource").filter(|found| found.text("resourceType") == Some("Provenance"))
        else {
            continue;
        };
        let kind = coded("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "transmitter");
        if let Some(Node::Array(agents)) = provenance.get_mut("agent") {
            agents.push(Node::object([("type", kind), ("who", reference(sender.to_owned()))]));
        }
    }
    let PlannedPatient::Written(place) = patient else { return };
    let Some(entry) = entries.get(*place) else { return };
    let is_new = entry.path(&["request", "method"]).and_then(Node::as_str) == Some("POST");
    let Some(subject) = entry.text("fullUrl").filter(|_| is_new).map(str::to_owned) else { return };
    let team = Node::object([
        ("resourceType", Node::string("CareTeam")),
        ("status", Node::string("active")),
        ("subject", reference(subject)),
        ("participant", Node::Array(vec![Node::object([("member", reference(sender.to_owned()))])])),
    ]);
    let request = Node::object([("method", Node::string("POST")), ("url", Node::string("CareTeam"))]);
    entries.push(Node::object([("resource", team), ("request", request)]));
}

fn prepare(engine: &Engine, document: &Node<'_>) -> Result<IngestPlan, Rejection> {
    let number = |name: &str| definitions().resource_number(name).unwrap_or(0);
    let identity = identity(document).map_err(|issue| Rejection::bad_request(vec![issue]))?;
    // A document is of no citizen by itself: whose it is says its Composition.
    let store = match engine.store().current(number("Composition"), &identity.composition_id())? {
        Some(_) => engine.store().unrestricted(),
        None => engine.store().clone(),
    };
    let previous = store.current(number("Bundle"), &identity.bundle_id)?.filter(|version| !version.is_deleted());
    let previous = previous.as_ref().map(|version| json::parse(&version.body)).transpose().map_err(damaged)?;
    let mut patients = match patient_criteria(document) {
        Some(criteria) => {
            let query = parse_query(number("Patient"), &decode_pairs(&criteria), &engine.parse_options(false))
                .map_err(Rejection::bad_request)?;
            engine.store().search(&query, 2, false)?.matches
        }
        None => Vec::new(),
    };
    if patients.len() > 1 {
        return Err(Rejection::precondition(
            IssueCode::MultipleMatches,
            "the identifiers of the document's patient belong to more than one Patient here; join or correct these first",
        ));
    }
    let patient = patients.pop();
    let patient = patient.as_ref().map(|found| json::parse(&found.version.body)).transpose().map_err(damaged)?;
    plan(document, previous.as_ref(), patient.as_ref()).map_err(|issues| {
        let conflict = issues.iter().any(|issue| issue.code == IssueCode::Conflict);
        Rejection { status: if conflict { 409 } else { 400 }, ..Rejection::bad_request(issues) }
    })
}

#[allow(clippy::needless_pass_by_value)]
fn damaged(error: json::JsonError) -> Rejection {
    Rejection::internal(format!("a stored resource cannot be read: {error}"))
}

impl Ingested {
    fn of(issues: Vec<Issue>, bundle_id: String, patient: PlannedPatient, answers: &[EntryAnswer]) -> Self {
        let mut ingested =
            Self { issues, bundle_id, patient_id: None, created: 0, updated: 0, deleted: 0, unchanged: 0 };
        let mut patient_entry = None;
        match patient {
            PlannedPatient::Kept(id) => {
                ingested.patient_id = Some(id);
                ingested.unchanged += 1;
            }
            PlannedPatient::Written(entry) => patient_entry = Some(entry),
        }
        for (place, answer) in answers.iter().enumerate() {
            let EntryAnswer::Single(Answer { status, id, changed, located, .. }) = answer else {
                continue;
            };
            if patient_entry == Some(place) {
                ingested.patient_id = Some(id.clone());
            }
            match (status, changed, located) {
                (201, ..) => ingested.created += 1,
                (_, true, true) => ingested.updated += 1,
                (_, true, false) => ingested.deleted += 1,
                (_, false, _) => ingested.unchanged += 1,
            }
        }
        ingested
    }

    /// The answer of the operation: what was done, where it is, and what could not be placed.
    #[must_use]
    pub fn parameters(&self, base: &str) -> Node<'static> {
        let part = |name: &'static str, kind: &'static str, value: Node<'static>| {
            Node::object([("name", Node::string(name)), (kind, value)])
        };
        let count = |count: usize| Node::Number(count.to_string().into());
        let reference = |target: String| Node::object([("reference", Node::string(target))]);
        let mut parts = vec![
            part("outcome", "resource", operation_outcome(&self.issues)),
            part("document", "valueReference", reference(format!("Bundle/{}", self.bundle_id))),
        ];
        if let Some(id) = &self.patient_id {
            parts.push(part("patient", "valueReference", reference(format!("Patient/{id}"))));
            let root = base.strip_suffix("/fhir").unwrap_or(base);
            parts.push(part(
                "timeline",
                "valueUrl",
                Node::string(format!("{root}/notebook/v1/citizens/{id}/timeline")),
            ));
        }
        for (name, number) in [
            ("created", self.created),
            ("updated", self.updated),
            ("deleted", self.deleted),
            ("unchanged", self.unchanged),
        ] {
            parts.push(part(name, "valueUnsignedInt", count(number)));
        }
        Node::object([("resourceType", Node::string("Parameters")), ("parameter", Node::Array(parts))])
    }
}
