//! A code that names its system must be one of it (FHIR R4 datatypes.html#Coding).

use crate::fhirpath::Item;
use crate::r4::definitions;
use crate::validation::place::Place;
use crate::validation::validator::Run;

pub(super) fn element<'r>(run: &mut Run<'_, 'r>, item: Item<'r>, place: &Place<'_>) {
    if definitions().get(item.type_id).name == "Coding" {
        run.coding(item, place);
    }
}
