//! Functional lists in `_list` (FHIR R4 search.html#list, lifecycle.html#current): `_list=$current-problems` is what
//! the current Lists for the function point at, and for patients who have none what the records themselves say
//! is current.
//!
//! Written as a `_filter`, so that it is part of the same statement and means the same everywhere.

use crate::search::query::Condition;

use super::{Parsed, Parser, unknown};

/// Names of functional lists with the types whose records say the same, and how.
const FUNCTIONS: [(&str, &[(&str, &str)]); 4] = [
    (
        "current-problems",
        &[(
            "Condition",
            "(clinical-status eq active or clinical-status eq recurrence or clinical-status eq relapse) and \
             not (verification-status eq refuted or verification-status eq entered-in-error)",
        )],
    ),
    ("current-medications", &[("MedicationRequest", "status eq active"), ("MedicationStatement", "status eq active")]),
    (
        "current-allergies",
        &[(
            "AllergyIntolerance",
            "clinical-status eq active and not (verification-status eq refuted or verification-status eq entered-in-error)",
        )],
    ),
    (
        "current-drug-allergies",
        &[(
            "AllergyIntolerance",
            "clinical-status eq active and category eq medication and \
             not (verification-status eq refuted or verification-status eq entered-in-error)",
        )],
    ),
];

impl Parser<'_> {
    /// The functional list of a name without its `$`.
    pub(super) fn functional(&self, name: &str) -> Parsed<Option<Condition>> {
        let Some((_, contents)) = FUNCTIONS.iter().find(|(known, _)| *known == name) else {
            let names: Vec<String> = FUNCTIONS.iter().map(|(name, _)| format!("${name}")).collect();
            return unknown(format!(
                "{}=${name:.64} is not here; functional lists are {}",
                self.name,
                names.join(", ")
            ));
        };
        if self.type_number == 0 {
            return unknown(format!("{}=${name} is about one type: [base]/Condition?_list=${name}", self.name));
        }
        let current = |reference: &str| {
            format!("_has:List:{reference}[code eq \"{name}\" or code eq \"${name}\"].status eq current")
        };
        let listed = current("item");
        let filter = match contents.iter().find(|(known, _)| *known == self.type_name()) {
            None => listed,
            Some((_, content)) => format!("{listed} or (not (patient.{}) and {content})", current("subject")),
        };
        Parser { name: "_filter", value: &filter, ..*self }.filter()
    }
}
