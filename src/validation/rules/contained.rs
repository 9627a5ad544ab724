//! A reference to a contained resource must find it (FHIR R4 references.html#contained).

use crate::fhirpath::Item;
use crate::r4::definitions;
use crate::r4::outcome::{IssueCode, Severity};
use crate::validation::instance::node_of;
use crate::validation::place::Place;
use crate::validation::validator::{Run, Scope, Target};

pub(super) fn element<'r>(run: &mut Run<'_, 'r>, item: Item<'r>, place: &Place<'_>, scope: &Scope<'_, 'r>) {
    if definitions().get(item.type_id).name != "Reference" {
        return;
    }
    if let Some(reference) = node_of(&item).text("reference")
        && reference.starts_with('#')
        && matches!(scope.resolve(reference), Target::Elsewhere)
    {
        run.report(Severity::Error, IssueCode::NotFound, "contained-missing", vec![reference.to_owned()], place);
    }
}
