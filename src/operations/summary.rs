//! `Patient/[id]/$summary`: a citizen's summary as a document (FHIR R4 documents.html), made from the notebook.

use super::call::Call;
use super::notebook::{Asked, Notebook, SummaryKind};
use super::table::{Level, Operation};
use crate::engine::{OperationAnswer, Rejection};
use crate::r4::outcome::{Issue, IssueCode};

/// `Patient/[id]/$summary`
pub(super) const OPERATIONS: &[Operation] = &[
    // It may store what it answers.
    Operation::reading("http://renraku.example/fhir/OperationDefinition/Patient-summary", &[Level::Instance], summary),
];

#[allow(clippy::needless_pass_by_value, reason = "the table says so")]
fn summary(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let id = call.target.id.as_deref().unwrap_or_default();
    let kind = match call.inputs.text("type") {
        None | Some("care") => SummaryKind::Care,
        Some("drug") => SummaryKind::Drug,
        Some(other) => {
            let text = format!("type={other:.64} is not known; there are care and drug");
            let issue = Issue::error(IssueCode::CodeInvalid, text).at("Parameters.parameter.where(name='type')");
            return Err(Rejection::bad_request(vec![issue]));
        }
    };
    let persist = call.inputs.boolean("persist") == Some(true);
    if persist && call.request.is_get {
        return Err(Rejection::new(405, IssueCode::NotSupported, "persist=true stores the document: send it by POST"));
    }
    // Known or deleted is as for any other resource.
    call.engine.read_blocking("Patient", id)?;
    let asked = Asked { base: call.request.base.clone(), ..Asked::default() };
    let document = Notebook::new(call.engine, asked)?.document(id, kind)?;
    if persist {
        return Ok(OperationAnswer::Stored(Box::new(call.engine.create_blocking("Bundle", &document)?)));
    }
    Ok(OperationAnswer::Resource(document.to_bytes().into()))
}
