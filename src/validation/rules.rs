//! Rules of the standard that its tables cannot say, each in a room of its own.
//!
//! The walk of [`super::validator`] calls them for every resource, every element with members and
//! every bare primitive; a room looks at the type and returns at once when it is not its own.

mod coding;
mod conformance;
mod contained;

use super::place::Place;
use super::validator::{Run, Scope};
use crate::fhirpath::Item;

/// Rules about a whole resource.
pub(super) fn resource<'r>(run: &mut Run<'_, 'r>, item: Item<'r>, place: &Place<'_>, _: &Scope<'_, 'r>) {
    conformance::resource(run, item, place);
    contained::resource(run, item, place);
}

/// Rules about an element (a resource is one too).
pub(super) fn element<'r>(run: &mut Run<'_, 'r>, item: Item<'r>, place: &Place<'_>, scope: &Scope<'_, 'r>) {
    coding::element(run, item, place);
    contained::element(run, item, place, scope);
}

/// Rules about a primitive without id and extensions.
pub(super) fn primitive<'r>(_: &mut Run<'_, 'r>, _: Item<'r>, _: &Place<'_>) {}
