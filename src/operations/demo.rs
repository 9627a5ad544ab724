//! What `serve --demo` shows: a discharge summary and five more citizens, all made up.
//!
//! Every Bundle is a transaction whose ids do not depend on when it is made: loading it twice changes
//! nothing. 見本 (specimen) is the family name of all of them, so that nobody takes them for real.

use crate::format::json::{self, Node};
use crate::operations::ingest;

mod citizens;

const DISCHARGE: &str = include_str!("../../conformance/samples/discharge-hip-fracture.json");

/// The demonstration data, one transaction Bundle a citizen.
#[must_use]
pub fn demo_bundles() -> Vec<Node<'static>> {
    let discharge = json::parse(DISCHARGE.as_bytes()).ok();
    let discharge = discharge.and_then(|document| ingest::plan(&document, None, None).ok());
    discharge.map(|plan| plan.transaction).into_iter().chain(citizens::bundles()).collect()
}

#[cfg(test)]
#[path = "demo/tests.rs"]
mod tests;
