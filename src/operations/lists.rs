//! `List/$find` (FHIR R4 list-operation-find.html): the current List of a patient for a function, as
//! lifecycle.html#current names them (`$current-problems`, …), by its code.

use super::call::Call;
use super::table::{Level, Operation};
use crate::engine::{OperationAnswer, Rejection};
use crate::r4::outcome::IssueCode;
use crate::search::parse::parse_query;

/// `List/$find`
pub(super) const OPERATIONS: &[Operation] =
    &[Operation::reading("http://hl7.org/fhir/OperationDefinition/List-find", &[Level::Type], find)];

fn find(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let patient = call.inputs.text("patient").unwrap_or_default();
    let name = call.inputs.text("name").unwrap_or_default();
    let bare = name.trim_start_matches('$');
    let escaped: String = bare
        .chars()
        .flat_map(|letter| ['\\'].into_iter().filter(move |_| "\\,|$".contains(letter)).chain([letter]))
        .collect();
    let pair = |name: &str, value: String| (name.to_owned(), value);
    let pairs = [
        pair("subject", format!("Patient/{patient}")),
        pair("code", format!("{escaped},\\${escaped}")),
        pair("status", "current".to_owned()),
        pair("_sort", "-date,-_lastUpdated".to_owned()),
    ];
    let query =
        parse_query(call.type_number(), &pairs, &call.engine.parse_options(false)).map_err(Rejection::bad_request)?;
    let found = call.engine.store().search(&query, 1, false)?.matches.into_iter().next();
    match found {
        Some(found) => Ok(OperationAnswer::Resource(found.version.body)),
        None => Err(Rejection::new(
            404,
            IssueCode::NotFound,
            format!("Patient/{patient} has no current List whose code is {bare:.64?} or ${bare:.64}"),
        )),
    }
}
