//! What a view shows of one type, as a set of keys that is kept (`sets`).
//!
//! Whether a resource is shown follows from itself (whom it is about, its labels, between whom it goes) and from the
//! view, but for the citizens whom an organization manages, which their Patients say. So a set is brought up to date
//! by asking about what has changed since, as those of conditions are.
//!
//! Conditions along references mean to each caller what leads over resources that are shown to them. Where few are led
//! over these are followed one by one; otherwise the view stands before the statement that says it, and the set is
//! kept for the view until a resource of one of its types changes.

use std::sync::Arc;

use super::StoreError;
use super::connection::{Connection, Statement};
use super::narrow::{among, of_ids};
use super::owner::{follows, patient};
use super::query_sql::key_set;
use super::sets::{Keys, Seen, changed, key_at, members, place_of, read_types};
use super::view::{Citizens, InForce, View, all_shown};
use crate::search::query::{Condition, ReferenceTest, Test};
use crate::search::registry::type_of;

/// Resources that are followed one by one.
const FEW: u64 = 1000;
/// So few that following them costs less than keeping what was found.
const LEAST_KEPT: usize = 3;
/// Targets that are asked for at once.
const CHUNK: usize = 512;

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
        if follows(type_number) {
            return false;
        }
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

impl Seen<'_> {
    /// Those of a set that meet conditions along references, which lead over what a view shows; `None` where that is
    /// no set. No view may be in force.
    pub(super) fn linked(
        &self,
        connection: &mut Connection,
        view: &Arc<View>,
        type_number: u8,
        shown: Arc<Keys>,
        conditions: &[&Condition],
    ) -> Result<Option<Arc<Keys>>, StoreError> {
        let mut shown = shown;
        for condition in conditions {
            let Some(set) = self.link(connection, view, type_number, condition)? else { return Ok(None) };
            shown = Arc::new(shown.as_ref() & set.as_ref());
        }
        Ok(Some(shown))
    }

    fn link(
        &self,
        connection: &mut Connection,
        view: &Arc<View>,
        type_number: u8,
        condition: &Condition,
    ) -> Result<Option<Arc<Keys>>, StoreError> {
        let Some(mut types) = read_types(type_number, condition) else { return Ok(None) };
        if types.iter().any(|number| follows(*number)) {
            return Ok(None);
        }
        if types.iter().any(|number| view.asks_patients(*number)) {
            types.insert(patient());
        }
        let name = format!("{type_number} {condition:?} shown {}", view.digest());
        let kept = self.kept(&name);
        if let Some((then, keys)) = kept.iter().find(|(then, _)| *then <= self.last) {
            let mut is_current = true;
            for number in types.iter().filter(|_| *then != self.last) {
                is_current = is_current && changed(connection, *number, *then)?.is_some_and(|keys| keys.is_empty());
            }
            if is_current {
                return Ok(Some(Arc::clone(keys)));
            }
        }
        if let Some((keys, followed)) = self.followed(connection, view, type_number, condition)? {
            let keys = Arc::new(keys);
            if followed > LEAST_KEPT {
                self.keep(name, kept, &keys);
            }
            return Ok(Some(keys));
        }
        let Some(set) = key_set(condition) else { return Ok(None) };
        let mut statement = Statement::new("SELECT key FROM (");
        statement.append(set).sql(") h WHERE (key & 255) = ").bind(i64::from(type_number));
        let found = {
            let _shown = InForce::of(Some(Arc::clone(view)));
            members(connection, statement)?
        };
        let Some(keys) = found.map(Arc::new) else { return Ok(None) };
        self.keep(name, kept, &keys);
        Ok(Some(keys))
    }

    /// The resources that a condition along references leads to, over how many; `None` when those are not few.
    fn followed(
        &self,
        connection: &mut Connection,
        view: &Arc<View>,
        type_number: u8,
        condition: &Condition,
    ) -> Result<Option<(Keys, usize)>, StoreError> {
        match condition {
            Condition::Chain { parameter, targets } => {
                let mut over: Vec<i64> = Vec::new();
                for (target, condition) in targets {
                    let Some(few) = self.few(connection, view, *target, condition)? else { return Ok(None) };
                    over.extend(few.iter().map(|place| key_at(place, *target)));
                }
                let mut keys = Keys::new();
                for chunk in over.chunks(CHUNK) {
                    let mut statement = Statement::new("SELECT key FROM reference r WHERE r.parameter = ");
                    statement.bind(i64::from(*parameter));
                    among(&mut statement, "r.target", chunk.iter().copied());
                    let Some(found) = members(connection, statement)? else { return Ok(None) };
                    keys |= found;
                }
                Ok(Some((keys, over.len())))
            }
            Condition::Has { parameter, condition } => {
                let Some(by) = self.few(connection, view, type_of(*parameter), condition)? else { return Ok(None) };
                let ids = self.targets(connection, type_number, *parameter, &by)?;
                let found = members(connection, of_ids(type_number, &ids))?;
                Ok(found.map(|keys| (keys, usize::try_from(by.len()).unwrap_or(usize::MAX))))
            }
            _ => Ok(None),
        }
    }

    /// The resources of a type that a view shows and that meet a condition, where they are few.
    fn few(
        &self,
        connection: &mut Connection,
        view: &Arc<View>,
        type_number: u8,
        condition: &Condition,
    ) -> Result<Option<Keys>, StoreError> {
        let Some(shown) = self.shown(connection, view, type_number)? else { return Ok(None) };
        let keys = if is_about_itself(condition) {
            match self.some(connection, type_number, condition)? {
                Some(keys) => keys,
                None if read_types(type_number, condition).is_some() => {
                    let Some(all) = self.of(connection, type_number, condition)? else { return Ok(None) };
                    all.as_ref().clone()
                }
                None => return Ok(None),
            }
        } else {
            match self.link(connection, view, type_number, condition)? {
                Some(keys) => keys.as_ref().clone(),
                None => return Ok(None),
            }
        };
        let keys = keys & shown.as_ref();
        Ok((keys.len() <= FEW).then_some(keys))
    }

    /// All resources that meet a condition on themselves, where a bounded look finds them.
    fn some(
        &self,
        connection: &mut Connection,
        type_number: u8,
        condition: &Condition,
    ) -> Result<Option<Keys>, StoreError> {
        let set = match condition {
            Condition::Id(ids) => of_ids(type_number, ids),
            condition => match key_set(condition) {
                Some(set) => set,
                None => return Ok(None),
            },
        };
        let mut statement = Statement::new("SELECT key FROM (");
        statement.append(set).sql(") s LIMIT ").bind(FEW as i64 + 1);
        let found = members(connection, statement)?;
        Ok(found.filter(|keys| keys.len() <= FEW))
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
