//! What a view shows of one type, as a set of keys that is kept (`sets`).
//!
//! Whether a resource is shown follows from itself (whom it is about, its labels, between whom it goes) and from the
//! view, but for the citizens whom an organization manages, which their Patients say. So a set is brought up to date
//! by asking about what has changed since, as those of conditions are.

use std::sync::Arc;

use super::StoreError;
use super::connection::{Connection, Statement};
use super::narrow::among;
use super::owner::patient;
use super::sets::{Keys, Seen, changed, members, place_of};
use super::view::{Citizens, InForce, View, all_shown};
use crate::search::query::{Condition, ReferenceTest, Test};

/// Whether a condition is about a resource itself, so that it means the same to everybody who sees the resource.
pub(super) fn is_about_itself(condition: &Condition) -> bool {
    match condition {
        Condition::All(list) | Condition::Any(list) => list.iter().all(is_about_itself),
        Condition::Not(condition) => is_about_itself(condition),
        // What is above and below follows from other resources.
        Condition::Indexed { test: Test::Reference(tests), .. } => {
            !tests.iter().any(|test| matches!(test, ReferenceTest::Hierarchy { .. }))
        }
        Condition::Indexed { .. }
        | Condition::Missing { .. }
        | Condition::Id(_)
        | Condition::LastUpdated(_)
        | Condition::Compartment { .. } => true,
        _ => false,
    }
}

impl View {
    /// Whether what is shown of a type follows from its resources, and from Patients.
    fn is_of_its_own(&self, type_number: u8) -> bool {
        let constraints = self.clauses_of(type_number).flat_map(|clause| &clause.constraints);
        let of_type = constraints.filter(|(number, _)| *number == type_number);
        of_type.flat_map(|(_, alternatives)| alternatives.iter().flatten()).all(is_about_itself)
    }

    fn asks_patients(&self, type_number: u8) -> bool {
        let is_managed =
            |citizens: &Citizens| matches!(citizens, Citizens::Some { managed_by, .. } if !managed_by.is_empty());
        self.clauses_of(type_number).any(|clause| is_managed(&clause.citizens))
    }
}

impl Seen<'_> {
    /// The resources of a type that a view shows; `None` where it is no set. No view may be in force.
    pub(super) fn shown(
        &self,
        connection: &mut Connection,
        view: &Arc<View>,
        type_number: u8,
    ) -> Result<Option<Arc<Keys>>, StoreError> {
        if !view.is_of_its_own(type_number) {
            return Ok(None);
        }
        let name = format!("{type_number} shown {}", view.digest());
        let kept = self.kept(&name);
        if let Some((then, keys)) = kept.iter().find(|(then, _)| *then <= self.last) {
            let current = match *then == self.last {
                true => return Ok(Some(Arc::clone(keys))),
                false => since(connection, view, type_number, *then, keys)?,
            };
            if let Some(keys) = current {
                self.keep(name, kept, &keys);
                return Ok(Some(keys));
            }
        }
        let statement = all_shown(view, type_number, connection.is_postgres());
        let Some(keys) = members(connection, statement)?.map(Arc::new) else { return Ok(None) };
        self.keep(name, kept, &keys);
        Ok(Some(keys))
    }
}

/// A set with what has changed since; `None` when it is better read anew.
fn since(
    connection: &mut Connection,
    view: &Arc<View>,
    type_number: u8,
    then: i64,
    keys: &Arc<Keys>,
) -> Result<Option<Arc<Keys>>, StoreError> {
    if view.asks_patients(type_number) && changed(connection, patient(), then)?.is_none_or(|keys| !keys.is_empty()) {
        return Ok(None);
    }
    let Some(changed) = changed(connection, type_number, then)? else { return Ok(None) };
    if changed.is_empty() {
        return Ok(Some(Arc::clone(keys)));
    }
    let mut statement = Statement::new("SELECT key FROM resource r WHERE r.state = 1");
    among(&mut statement, "r.key", changed.iter().copied());
    let shown = {
        let _shown = InForce::of(Some(Arc::clone(view)));
        members(connection, statement)?
    };
    let Some(shown) = shown else { return Ok(None) };
    let mut current = keys.as_ref().clone();
    for place in changed.iter().filter_map(|key| place_of(*key)) {
        current.remove(place);
    }
    current |= shown;
    Ok(Some(Arc::new(current)))
}
