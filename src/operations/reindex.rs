//! How far the server is with indexing what was stored before a search parameter came.

use super::call::{Call, parameters, part};
use super::table::{Level, Operation};
use crate::engine::{OperationAnswer, Rejection};
use crate::format::json::Node;
use crate::r4::definitions;
use crate::store::ParameterState;

/// `SearchParameter/$reindex-status`
pub(super) const OPERATIONS: &[Operation] = &[Operation::reading(
    "http://renraku.example/fhir/OperationDefinition/SearchParameter-reindex-status",
    &[Level::Type, Level::Instance],
    status,
)];

#[allow(clippy::needless_pass_by_value, reason = "the table says so")]
fn status(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let store = call.engine.store();
    let id = call.target.id.as_deref();
    if let Some(id) = id {
        let stored = store.current(call.type_number(), id)?;
        let stored = stored.ok_or_else(|| Rejection::not_found("SearchParameter", id))?;
        if stored.is_deleted() && store.parameter_states(Some(id))?.is_empty() {
            return Err(Rejection::gone("SearchParameter", id));
        }
    }
    let states = store.parameter_states(id)?;
    let is_done = states.iter().all(|state| state.complete == Some(true));
    let complete = part("complete", "valueBoolean", Node::Bool(is_done));
    Ok(parameters(std::iter::once(complete).chain(states.iter().map(described)).collect()))
}

fn described(state: &ParameterState) -> Node<'_> {
    let word = match state.complete {
        Some(true) => "complete",
        Some(false) => "indexing",
        None => "removing",
    };
    let type_name = definitions().resource_by_number(state.type_number).map_or("", |found| found.name.as_str());
    let count = |number: i64| Node::Number(number.max(0).to_string().into());
    let parts = vec![
        part("url", "valueUri", Node::string(state.url.as_str())),
        part("code", "valueCode", Node::string(state.code.as_str())),
        part("resource", "valueCode", Node::string(type_name)),
        part("state", "valueCode", Node::string(word)),
        part("done", "valueDecimal", count(state.done)),
        part("total", "valueDecimal", count(state.total)),
    ];
    part("parameter", "part", Node::Array(parts))
}
