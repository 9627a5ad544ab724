//! `Composition/$document` (FHIR R4 composition-operation-document.html): a Composition and all it refers to,
//! as a document Bundle (documents.html#bundle).

use super::call::Call;
use super::table::{Level, Operation};
use crate::engine::{EntryAnswer, OperationAnswer, Refusal, Rejection};
use crate::format::json::{self, Node};
use crate::r4::datetime::format_instant;
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::reference::{Reference, is_id};
use crate::search::parse::parse_query;
use crate::store::{Found, Gathering};

/// `Composition/[id]/$document`, `Composition/$document?id=…`
pub(super) const OPERATIONS: &[Operation] = &[
    // It may store what it answers.
    Operation::reading(
        "http://hl7.org/fhir/OperationDefinition/Composition-document",
        &[Level::Type, Level::Instance],
        document,
    ),
];

/// How many references one after another are followed.
const STEPS: usize = 6;

fn document(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let id = composition_id(&call)?;
    if call.inputs.text("graph").is_some() {
        return Err(Rejection::new(
            501,
            IssueCode::NotSupported,
            "a GraphDefinition is not followed here; without graph the document has all that the Composition refers to",
        ));
    }
    let persist = call.inputs.boolean("persist") == Some(true);
    if persist && call.request.is_get {
        return Err(Rejection::new(405, IssueCode::NotSupported, "persist=true stores the document: send it by POST"));
    }
    let engine = call.engine;
    let composition = engine.read_blocking("Composition", &id)?;
    let pairs = [("_id".to_owned(), id.clone())];
    let query =
        parse_query(call.type_number(), &pairs, &engine.parse_options(false)).map_err(Rejection::bad_request)?;
    let page = engine.store().gather(&Gathering {
        query: &query,
        count: 1,
        with_total: false,
        wanted: None,
        follows: &|_| true,
        steps: STEPS,
        base: &call.request.base,
    })?;
    if page.included_truncated {
        return Err(Rejection::new(400, IssueCode::TooCostly, "the Composition refers to more than 1,000 resources"));
    }
    let Some(first) = page.matches.first() else { return Err(Rejection::not_found("Composition", &id)) };
    let body = json::parse(&composition.body).map_err(|_| Rejection::internal("the stored resource cannot be read"))?;
    let mut issues = Vec::new();
    let here: Vec<&Found> = std::iter::once(first).chain(&page.included).collect();
    missing(&body, &call.request.base, &here, &mut issues);
    if !issues.is_empty() {
        return Err(Rejection { status: 422, ..Rejection::bad_request(issues) });
    }
    let mut entries = Vec::new();
    for found in here {
        let type_name = definitions().resource_by_number(found.type_number).map_or("", |found| found.name.as_str());
        let resource =
            json::parse(&found.version.body).map_err(|_| Rejection::internal("the stored resource cannot be read"))?;
        let full_url = format!("{}/{type_name}/{}", call.request.base, found.id);
        entries.push(Node::object([("fullUrl", Node::string(full_url)), ("resource", resource)]));
    }
    // bdl-9: a document has an identifier; bdl-10: it has a date.
    let value = format!("urn:uuid:{}", uuid::Uuid::now_v7());
    let mut bundle = Node::object([
        ("resourceType", Node::string("Bundle")),
        ("identifier", Node::object([("system", Node::string("urn:ietf:rfc:3986")), ("value", Node::string(value))])),
        ("type", Node::string("document")),
        ("timestamp", Node::string(format_instant(jiff::Timestamp::now().as_microsecond()))),
        ("entry", Node::Array(entries)),
    ]);
    if !persist {
        return Ok(OperationAnswer::Resource(bundle.to_bytes().into()));
    }
    bundle.remove("id");
    let request = Node::object([("method", Node::string("POST")), ("url", Node::string("Bundle"))]);
    let entry = Node::object([("resource", bundle), ("request", request)]);
    let transaction = Node::object([
        ("resourceType", Node::string("Bundle")),
        ("type", Node::string("transaction")),
        ("entry", Node::Array(vec![entry])),
    ]);
    let stored =
        engine.transaction_blocking(transaction, &call.request.base, None)?.wait().map_err(
            |refusal| match refusal {
                Refusal::Rejected(rejection) => rejection,
                Refusal::Stale => {
                    Rejection::new(409, IssueCode::Conflict, "the document could not be stored; try again")
                }
            },
        )?;
    match stored.into_iter().next() {
        Some(EntryAnswer::Single(answer)) => Ok(OperationAnswer::Stored(Box::new(answer))),
        _ => Err(Rejection::internal("storing the document answered nothing")),
    }
}

/// "the id parameter SHALL NOT be used if the operation is requested on a particular composition".
fn composition_id(call: &Call<'_>) -> Result<String, Rejection> {
    let wrong = |text: String| {
        Rejection::bad_request(vec![Issue::error(IssueCode::Invalid, text).at("Parameters.parameter.where(name='id')")])
    };
    match (&call.target.id, call.inputs.text("id")) {
        (Some(_), Some(_)) => Err(wrong("the Composition is named by the URL already; leave id out".to_owned())),
        (Some(id), None) => Ok(id.clone()),
        (None, None) => Err(wrong("id is missing: which Composition?".to_owned())),
        (None, Some(given)) => match Reference::parse(given) {
            _ if is_id(given) => Ok(given.to_owned()),
            Reference::Local { resource_type: "Composition", id, .. } => Ok(id.to_owned()),
            Reference::Absolute { base, resource_type: "Composition", id, .. } if base == call.request.base => {
                Ok(id.to_owned())
            }
            _ => Err(wrong(format!("id={given:.200?} is no Composition of this server"))),
        },
    }
}

/// What the Composition itself refers to and is not here: "either returns a full document bundle, or returns an error".
fn missing(node: &Node<'_>, base: &str, included: &[&Found], issues: &mut Vec<Issue>) {
    node.items().iter().for_each(|item| missing(item, base, included, issues));
    for (name, value) in node.members() {
        let Some(text) = value.as_str().filter(|_| name == "reference") else {
            missing(value, base, included, issues);
            continue;
        };
        let is_here = match Reference::parse(text) {
            Reference::Fragment(_) => true,
            Reference::Local { resource_type, id, .. } => holds(included, resource_type, id),
            Reference::Absolute { base: own, resource_type, id, .. } => {
                own == base && holds(included, resource_type, id)
            }
            _ => false,
        };
        if !is_here {
            let text =
                format!("the Composition refers to {text:.200?}, which is not here: the document would not be whole");
            issues.push(Issue::error(IssueCode::NotFound, text));
        }
    }
}

fn holds(included: &[&Found], resource_type: &str, id: &str) -> bool {
    let number = definitions().resource_number(resource_type);
    included.iter().any(|found| Some(found.type_number) == number && found.id == id)
}
