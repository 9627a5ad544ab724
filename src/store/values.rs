//! Sort values of resources that were looked at, kept: what few callers see is ordered again and again, and an index
//! in that order is gone along for long until it comes by what is theirs.
//!
//! A value follows from the body alone. Values are those of one snapshot; for a later one what has changed since is
//! forgotten, for an earlier one nothing is known.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;

use super::StoreError;
use super::connection::Connection;
use super::narrow::{Reader, live_bodies};
use super::sets::{Keys, Seen, changed, key_at, place_of};
use crate::search::query::{Among, Query, Sorted};

/// Resources whose values are kept of one order.
const MOST: usize = 20_000;
/// Orders that are kept.
const ORDERS: usize = 16;

/// The values of one type in one order.
#[derive(Debug, Default)]
struct Column {
    /// The last change that the values contain.
    then: i64,
    values: HashMap<u32, Vec<Option<Sorted>>>,
}

/// The values of a store, by type and order.
#[derive(Debug)]
pub(super) struct Columns(Cache<String, Arc<Mutex<Column>>>);

impl Default for Columns {
    fn default() -> Self {
        Self(Cache::new(ORDERS))
    }
}

impl Seen<'_> {
    /// The resources of a set with what a query orders them by.
    pub(super) fn with_values(
        &self,
        connection: &mut Connection,
        query: &Query,
        reader: &Reader<'_>,
        whole: &Keys,
    ) -> Result<Vec<Among>, StoreError> {
        let number = query.type_number;
        let name = format!("{number} {:?}", query.sort);
        let column = self.columns().0.get(&name).unwrap_or_else(|| {
            let new = Arc::new(Mutex::new(Column { then: self.last, values: HashMap::new() }));
            self.columns().0.insert(name, Arc::clone(&new));
            new
        });
        let locked = || column.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut all, mut missing) = (Vec::new(), Vec::new());
        {
            let mut column = locked();
            if column.then < self.last {
                match changed(connection, number, column.then)? {
                    Some(keys) => {
                        for place in keys.into_iter().filter_map(place_of) {
                            column.values.remove(&place);
                        }
                    }
                    None => column.values.clear(),
                }
                column.then = self.last;
            }
            let is_earlier = column.then > self.last;
            for place in whole {
                let key = key_at(place, number);
                match column.values.get(&place).filter(|_| !is_earlier) {
                    Some(values) => all.push(Among { key, values: values.clone() }),
                    None => missing.push(key),
                }
            }
        }
        if missing.is_empty() {
            return Ok(all);
        }
        let bodies = live_bodies(connection, number, &missing)?;
        let found = reader.look_at(connection, bodies)?;
        let mut column = locked();
        if column.then == self.last {
            if column.values.len() + found.len() > MOST {
                column.values.clear();
            }
            let of = |found: &Among| Some((place_of(found.key)?, found.values.clone()));
            column.values.extend(found.iter().filter_map(of));
        }
        all.extend(found);
        Ok(all)
    }
}
