//! Which slice an element belongs to, and whether the slices have what they need.
//!
//! FHIR R4 profiling.html#slicing, #discriminator.

use super::refer::Target;
use super::{Run, Scope};
use crate::fhirpath::Item;
use crate::r4::definitions;
use crate::r4::definitions::Field;
use crate::r4::outcome::{IssueCode, Severity};
use crate::validation::codes::{CodeRef, Verdict};
use crate::validation::instance::{self, Instance, node_of};
use crate::validation::place::Place;
use crate::validation::profile::compile::{Criterion, Demand, PathStep, Shape, SliceRule, SlicingRule};
use crate::validation::profile::element::{CORE, SlicingRules};

/// The slice that takes what no other does.
const DEFAULT: &str = "@default";

/// An element that a discriminator's path leads to, with the resource it may be in.
struct Found<'r> {
    item: Item<'r>,
    target: Option<Target<'r>>,
}

impl<'r> Run<'_, 'r> {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn slices(
        &mut self,
        owner: Item<'r>,
        found: &[Instance<'r>],
        name: &str,
        slicing: &SlicingRule,
        place: &Place<'_>,
        scope: &Scope<'_, 'r>,
        of: &str,
    ) {
        let belongs: Vec<Option<usize>> = found
            .iter()
            .map(|instance| {
                let here = place.child(instance.name, instance.index);
                let is_it = |run: &mut Self, slice: &SliceRule| {
                    slice.criteria.as_ref().is_some_and(|criteria| {
                        criteria.iter().all(|criterion| run.meets(owner, instance, criterion, &here, scope))
                    })
                };
                let chosen = slicing.slices.iter().position(|slice| is_it(self, slice));
                chosen.or_else(|| slicing.slices.iter().position(|slice| slice.name == DEFAULT))
            })
            .collect();
        let is_told = |slice: &SliceRule| slice.criteria.is_some() || slice.name == DEFAULT;
        // What belongs to slices that nobody can tell is among what belongs to no other.
        let untold: u32 = slicing.slices.iter().filter(|slice| !is_told(slice)).map(|slice| slice.rule.min).sum();
        let left = u32::try_from(belongs.iter().filter(|chosen| chosen.is_none()).count()).unwrap_or(u32::MAX);
        if left < untold {
            let names: Vec<&str> =
                slicing.slices.iter().filter(|slice| !is_told(slice)).map(|slice| slice.name.as_str()).collect();
            let whole = place.child(name, None).text();
            let parameters = vec![whole, names.join(", "), left.to_string(), untold.to_string(), of.to_owned()];
            self.report(Severity::Error, IssueCode::Required, "slice-min", parameters, place);
        }
        for (place_of, slice) in slicing.slices.iter().enumerate().filter(|(_, slice)| is_told(slice)) {
            let members: Vec<Instance<'r>> = found
                .iter()
                .zip(&belongs)
                .filter(|(_, chosen)| **chosen == Some(place_of))
                .map(|(instance, _)| *instance)
                .collect();
            self.slice(owner, &members, name, slice, place, scope, of);
        }
        self.order(found, &belongs, name, slicing, place, of);
    }

    #[allow(clippy::too_many_arguments)]
    fn slice(
        &mut self,
        owner: Item<'r>,
        members: &[Instance<'r>],
        name: &str,
        slice: &SliceRule,
        place: &Place<'_>,
        scope: &Scope<'_, 'r>,
        of: &str,
    ) {
        let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let whole = || place.child(name, None).text();
        let parameters =
            |bound: u32| vec![whole(), slice.name.clone(), count.to_string(), bound.to_string(), of.to_owned()];
        if count < slice.rule.min {
            self.report(Severity::Error, IssueCode::Required, "slice-min", parameters(slice.rule.min), place);
        }
        if count > slice.rule.max {
            self.report(Severity::Error, IssueCode::Structure, "slice-max", parameters(slice.rule.max), place);
        }
        for instance in members {
            self.one(owner, instance, &slice.rule, place, scope, of);
        }
        if let Some(inner) = &slice.rule.slicing {
            self.slices(owner, members, name, inner, place, scope, of);
        }
    }

    /// Closed slicings, ends and orders.
    fn order(
        &mut self,
        found: &[Instance<'r>],
        belongs: &[Option<usize>],
        name: &str,
        slicing: &SlicingRule,
        place: &Place<'_>,
        of: &str,
    ) {
        let whole = || place.child(name, None).text();
        let mut last: Option<usize> = None;
        let mut was_open = false;
        for (instance, chosen) in found.iter().zip(belongs) {
            let here = place.child(instance.name, instance.index);
            match chosen {
                None => {
                    was_open = true;
                    if slicing.rules == SlicingRules::Closed
                        && slicing.slices.iter().all(|slice| slice.criteria.is_some())
                    {
                        let names: Vec<&str> = slicing.slices.iter().map(|slice| slice.name.as_str()).collect();
                        let parameters = vec![whole(), names.join(", "), of.to_owned()];
                        self.report(Severity::Error, IssueCode::Structure, "slice-closed", parameters, &here);
                    }
                }
                Some(_) if was_open && slicing.rules == SlicingRules::OpenAtEnd => {
                    let parameters = vec![whole(), of.to_owned()];
                    self.report(Severity::Error, IssueCode::Structure, "slice-end", parameters, &here);
                }
                Some(slice) => {
                    if slicing.ordered
                        && let Some(before) = last.filter(|before| before > slice)
                    {
                        let name_of = |place: usize| {
                            slicing.slices.get(place).map(|slice| slice.name.clone()).unwrap_or_default()
                        };
                        let parameters = vec![name_of(*slice), name_of(before), whole(), of.to_owned()];
                        self.report(Severity::Error, IssueCode::Structure, "slice-order", parameters, &here);
                    }
                    last = Some(*slice);
                }
            }
        }
    }

    fn meets(
        &mut self,
        owner: Item<'r>,
        instance: &Instance<'r>,
        criterion: &Criterion,
        place: &Place<'_>,
        scope: &Scope<'_, 'r>,
    ) -> bool {
        let mut found = vec![Found { item: instance.item, target: None }];
        for step in &criterion.path {
            found = self.step(&found, step, scope);
        }
        match &criterion.demand {
            Demand::Exists(wanted) => found.is_empty() != *wanted,
            Demand::Value(shapes) => {
                if found.is_empty() {
                    return shapes.iter().any(|shape| shape.is_absent);
                }
                found.iter().any(|found| shapes.iter().any(|shape| self.has_shape(&found.item, shape)))
            }
            Demand::Type(codes) => found.iter().any(|found| {
                let all = definitions();
                codes.iter().any(|code| all.type_id(code).is_some_and(|id| all.is_a(found.item.type_id, id)))
            }),
            Demand::Profile(profiles) => found.iter().any(|found| {
                let inner = match found.target {
                    Some(Target::Here { resource, full_url, how }) => scope.of_target(resource, full_url, how),
                    _ if definitions().get(found.item.type_id).kind == crate::r4::Kind::Resource => {
                        let holder = if criterion.path.is_empty() { owner } else { instance.item };
                        scope.below_item(holder, found.item, place)
                    }
                    _ => scope.same(),
                };
                profiles.iter().any(|profile| match profile.strip_prefix(CORE) {
                    Some(name) if definitions().type_id(name).is_some() => {
                        definitions().type_id(name).is_some_and(|id| definitions().is_a(found.item.type_id, id))
                    }
                    _ => self.is_known_conformant(profile, found.item, place, &inner),
                })
            }),
        }
    }

    /// Whether an element belongs to a slice, whatever the others take.
    pub(super) fn is_in_slice(
        &mut self,
        item: Item<'r>,
        slice: &SliceRule,
        place: &Place<'_>,
        scope: &Scope<'_, 'r>,
    ) -> bool {
        // Only the element itself is asked; where it stands does not matter.
        let field = Field { element: 0, choice: 0, type_id: item.type_id, is_array: false, is_primitive: false };
        let instance = Instance { item, name: "", index: None, field };
        slice.criteria.as_ref().is_some_and(|criteria| {
            criteria.iter().all(|criterion| self.meets(item, &instance, criterion, place, scope))
        })
    }

    /// As [`Self::is_conformant`], but an unknown profile takes nothing.
    fn is_known_conformant(&mut self, profile: &str, item: Item<'r>, place: &Place<'_>, scope: &Scope<'_, 'r>) -> bool {
        self.validator.profile(profile, false).is_ok() && self.is_conformant(profile, item, place, scope)
    }

    fn step(&self, found: &[Found<'r>], step: &PathStep, scope: &Scope<'_, 'r>) -> Vec<Found<'r>> {
        let mut out = Vec::new();
        for found in found {
            let target = found.target;
            match step {
                PathStep::Name(name) => {
                    let name = name.strip_suffix("[x]").unwrap_or(name);
                    out.extend(
                        instance::children(&found.item, name)
                            .into_iter()
                            .map(|child| Found { item: child.item, target }),
                    );
                }
                PathStep::Extension(url) => out.extend(
                    instance::children(&found.item, "extension")
                        .into_iter()
                        .filter(|child| node_of(&child.item).text("url") == Some(url))
                        .map(|child| Found { item: child.item, target }),
                ),
                PathStep::OfType(code) => {
                    if definitions().type_id(code).is_some_and(|id| definitions().is_a(found.item.type_id, id)) {
                        out.push(Found { item: found.item, target });
                    }
                }
                PathStep::Resolve => {
                    let node = node_of(&found.item);
                    let Some(reference) = node.text("reference").or_else(|| node.as_str()) else { continue };
                    match scope.resolve(reference) {
                        target @ Target::Here { resource, .. } => {
                            out.push(Found { item: resource, target: Some(target) });
                        }
                        Target::Elsewhere => {
                            if let Some(type_id) = super::refer::named_type(reference, node) {
                                out.push(Found { item: instance::absent(type_id), target: Some(Target::Elsewhere) });
                            }
                        }
                    }
                }
            }
        }
        out
    }

    fn has_shape(&self, item: &Item<'r>, shape: &Shape) -> bool {
        let node = node_of(item);
        if shape.is_absent {
            return false;
        }
        shape.fixed.as_ref().is_none_or(|fixed| super::values::equal(node, fixed))
            && shape.pattern.as_ref().is_none_or(|pattern| super::values::contains(node, pattern))
            && shape.value_set.as_ref().is_none_or(|value_set| self.is_member(item, value_set))
            && shape.children.iter().all(|(name, shape)| {
                instance::children(item, name).iter().any(|child| self.has_shape(&child.item, shape))
            })
    }

    /// Whether any code of the element is in a value set, for certain.
    fn is_member(&self, item: &Item<'r>, value_set: &str) -> bool {
        let node = node_of(item);
        let codings = match node.get("coding") {
            Some(codings) => codings.items().iter().collect(),
            None => vec![node],
        };
        codings.into_iter().any(|coding| {
            let code = match coding.as_str() {
                Some(code) => CodeRef { code, ..CodeRef::default() },
                None => CodeRef {
                    system: coding.text("system"),
                    version: coding.text("version"),
                    code: coding.text("code").unwrap_or_default(),
                    display: None,
                },
            };
            matches!(self.validator.codes.in_value_set(value_set, code), Verdict::Yes | Verdict::WrongDisplay(_))
        })
    }
}
