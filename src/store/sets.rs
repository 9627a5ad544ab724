//! Sets of keys kept in memory: the resources that meet a broad condition, as compressed bitmaps, so
//! that what several conditions have in common, and how many that are, is found without going through
//! their index rows again.
//!
//! A set is exact for the snapshot that asks. It is kept with the number of the last change that it
//! contains; a later snapshot tests anew only what has changed since, by the bodies, from which index
//! rows follow. Where too much has changed it is read from the index again. What goes along
//! references cannot be tested by one body: such a set is good until a resource of one of its types
//! changes. A snapshot before the last change that a set contains uses an earlier one, or none.
//!
//! Conditions on resources themselves mean the same to everybody; what a view shows of a type is a set as well
//! (`shown`), and what a caller finds is what both have in common.
//!
//! May not be used by the writer, whose connection sees what no change number stands for yet.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary, Nullable};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use roaring::RoaringBitmap;

use super::StoreError;
use super::connection::{Connection, Statement};
use super::holds::is_decidable;
use super::narrow::{Reader, live_bodies, of_ids};
use super::query_sql::{key_set, present};
use super::values::Columns;
use crate::format::json;
use crate::search::extract::{ExtractOptions, extract_some};
use crate::search::query::{Condition, Query, ReferenceTest, Test};
use crate::search::registry::type_of;

/// Bytes of sets that are kept.
const CAPACITY: u64 = 64 << 20;
/// Changes that are tested one by one.
const MOST_CHANGED: usize = 1000;
/// Keys that one set may have on PostgreSQL, which sends them all at once.
const MOST_KEYS: i64 = 1 << 24;
/// Resources whose bodies are asked what they refer to.
const FEW_REFERRING: u64 = 1000;
/// Longest text of a condition whose set is kept.
const LONGEST_NAME: usize = 4096;
/// Earlier states of a set, for snapshots that began earlier.
const STATES: usize = 3;

/// Keys of resources of one type, without the number of the type.
pub(super) type Keys = RoaringBitmap;

/// The place of a key in a set.
pub(super) fn place_of(key: i64) -> Option<u32> {
    u32::try_from(key >> 8).ok()
}

/// The key at a place.
pub(super) fn key_at(place: u32, type_number: u8) -> i64 {
    i64::from(place) << 8 | i64::from(type_number)
}

/// The newest state first, each with the last change that it contains.
#[derive(Clone)]
struct Kept(Vec<(i64, Arc<Keys>)>);

#[derive(Clone)]
struct ByBytes;

impl Weighter<String, Kept> for ByBytes {
    fn weight(&self, name: &String, kept: &Kept) -> u64 {
        kept.0.iter().map(|(_, keys)| keys.serialized_size() as u64).sum::<u64>() + name.len() as u64 + 128
    }
}

/// The sets of a store, and what resources are ordered by.
pub(super) struct Sets(Cache<String, Kept, ByBytes>, Columns);

impl std::fmt::Debug for Sets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sets").finish_non_exhaustive()
    }
}

impl Default for Sets {
    fn default() -> Self {
        Self(Cache::with_weighter(1024, CAPACITY, ByBytes), Columns::default())
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct KeyRecord {
    #[diesel(sql_type = BigInt)]
    key: i64,
}

#[derive(QueryableByName)]
struct Bytes {
    #[diesel(sql_type = Nullable<Binary>)]
    bytes: Option<Vec<u8>>,
}

/// The sets as one snapshot sees them.
pub(super) struct Seen<'s> {
    sets: &'s Sets,
    options: &'s ExtractOptions,
    /// The last change in the snapshot.
    pub(super) last: i64,
}

impl Sets {
    /// The sets for the snapshot that is open on a connection.
    pub(super) fn seen<'s>(
        &'s self,
        connection: &mut Connection,
        options: &'s ExtractOptions,
    ) -> Result<Seen<'s>, StoreError> {
        let statement = Statement::new("SELECT coalesce(max(seq), 0) AS n FROM change");
        let last = connection.load::<Number>(&statement)?.first().map_or(0, |found| found.n);
        Ok(Seen { sets: self, options, last })
    }
}

/// The conditions of a query are sets, or made of sets.
pub(super) fn are_sets(query: &Query) -> bool {
    query.type_number != 0 && query.among.is_none() && query.conditions.iter().all(|condition| is_set(query, condition))
}

fn is_set(query: &Query, condition: &Condition) -> bool {
    match condition {
        Condition::All(list) | Condition::Any(list) => list.iter().all(|each| is_set(query, each)),
        Condition::Not(condition) => is_set(query, condition),
        _ => read_types(query.type_number, condition).is_some(),
    }
}

/// The types whose resources decide a condition, where its set can be kept.
pub(super) fn read_types(type_number: u8, condition: &Condition) -> Option<BTreeSet<u8>> {
    match condition {
        // What is above and below follows from other resources' references.
        Condition::Indexed { test: Test::Reference(tests), .. }
            if tests.iter().any(|test| matches!(test, ReferenceTest::Hierarchy { .. })) =>
        {
            None
        }
        Condition::Indexed { .. } | Condition::Missing { .. } => Some(BTreeSet::from([type_number])),
        Condition::Chain { targets, .. } => {
            let mut types = BTreeSet::from([type_number]);
            for (target, condition) in targets {
                types.extend(read_types(*target, condition)?);
            }
            Some(types)
        }
        Condition::Has { parameter, condition } => {
            let mut types = read_types(type_of(*parameter), condition)?;
            types.extend([type_number, type_of(*parameter)]);
            Some(types)
        }
        Condition::Id(_) => Some(BTreeSet::from([type_number])),
        _ => None,
    }
}

/// The condition whose set the set of a negated one is the rest of.
fn positive(condition: &Condition) -> Option<Condition> {
    match condition {
        Condition::Indexed { parameter, test, negated: true } => {
            Some(Condition::Indexed { parameter: *parameter, test: test.clone(), negated: false })
        }
        Condition::Missing { parameter, kind, missing: true } => {
            Some(Condition::Missing { parameter: *parameter, kind: *kind, missing: false })
        }
        _ => None,
    }
}

fn name(type_number: u8, condition: &Condition) -> String {
    format!("{type_number} {condition:?}")
}

impl Seen<'_> {
    pub(super) fn columns(&self) -> &Columns {
        &self.sets.1
    }

    /// Whether all that a query asks is kept, and not far behind.
    pub(super) fn has(&self, query: &Query) -> bool {
        query.conditions.iter().all(|condition| self.has_set(query.type_number, condition))
    }

    fn has_set(&self, type_number: u8, condition: &Condition) -> bool {
        match condition {
            Condition::All(list) | Condition::Any(list) => list.iter().all(|each| self.has_set(type_number, each)),
            Condition::Not(condition) => self.has_set(type_number, condition),
            _ => {
                let positive = positive(condition);
                let kept = self.sets.0.peek(&name(type_number, positive.as_ref().unwrap_or(condition)));
                let is_near = |then: i64| then <= self.last && self.last - then <= MOST_CHANGED as i64;
                kept.is_some_and(|kept| kept.0.iter().any(|(then, _)| is_near(*then)))
            }
        }
    }

    /// Whether few refer to what a query asks for by `_has`, so that they say what it is.
    pub(super) fn few_refer(&self, connection: &mut Connection, query: &Query) -> Result<bool, StoreError> {
        for condition in &query.conditions {
            if let Condition::Has { parameter, condition } = condition
                && let Some(set) = self.of(connection, type_of(*parameter), condition)?
                && set.len() <= FEW_REFERRING
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The resources that meet all conditions of a query, when [`are_sets`] says that they can be had.
    pub(super) fn of_query(&self, connection: &mut Connection, query: &Query) -> Result<Option<Keys>, StoreError> {
        self.of_all(connection, query.type_number, &query.conditions)
    }

    fn of_all(
        &self,
        connection: &mut Connection,
        type_number: u8,
        conditions: &[Condition],
    ) -> Result<Option<Keys>, StoreError> {
        let (mut within, mut without) = (Vec::new(), Vec::new());
        for condition in conditions {
            let negated = positive(condition);
            let list = if negated.is_some() { &mut without } else { &mut within };
            let Some(set) = self.of(connection, type_number, negated.as_ref().unwrap_or(condition))? else {
                return Ok(None);
            };
            list.push(set);
        }
        // `_has` finds what is referred to, whether it is here or not.
        if within.is_empty() || conditions.iter().any(|condition| matches!(condition, Condition::Has { .. })) {
            let Some(all) = self.of_type(connection, type_number)? else { return Ok(None) };
            within.push(all);
        }
        within.sort_by_key(|set| set.len());
        let mut sets = within.into_iter();
        let mut keys = sets.next().map(|first| first.as_ref().clone()).unwrap_or_default();
        sets.for_each(|set| keys &= set.as_ref());
        without.into_iter().for_each(|set| keys -= set.as_ref());
        Ok(Some(keys))
    }

    /// The resources of a type.
    pub(super) fn of_type(
        &self,
        connection: &mut Connection,
        type_number: u8,
    ) -> Result<Option<Arc<Keys>>, StoreError> {
        self.whole(connection, type_number, None)
    }

    /// The resources that meet a condition.
    pub(super) fn of(
        &self,
        connection: &mut Connection,
        type_number: u8,
        condition: &Condition,
    ) -> Result<Option<Arc<Keys>>, StoreError> {
        if let Some(positive) = positive(condition) {
            let Some(all) = self.of_type(connection, type_number)? else { return Ok(None) };
            let Some(set) = self.of(connection, type_number, &positive)? else { return Ok(None) };
            return Ok(Some(Arc::new(all.as_ref() - set.as_ref())));
        }
        match condition {
            Condition::All(list) => Ok(self.of_all(connection, type_number, list)?.map(Arc::new)),
            Condition::Any(list) => {
                let mut keys = Keys::new();
                for condition in list {
                    let Some(set) = self.of(connection, type_number, condition)? else { return Ok(None) };
                    keys |= set.as_ref();
                }
                Ok(Some(Arc::new(keys)))
            }
            Condition::Not(condition) => {
                let Some(all) = self.of_type(connection, type_number)? else { return Ok(None) };
                let Some(set) = self.of(connection, type_number, condition)? else { return Ok(None) };
                Ok(Some(Arc::new(all.as_ref() - set.as_ref())))
            }
            _ => self.whole(connection, type_number, Some(condition)),
        }
    }

    /// A set as it is kept: of a condition, or without one of the type.
    fn whole(
        &self,
        connection: &mut Connection,
        type_number: u8,
        condition: Option<&Condition>,
    ) -> Result<Option<Arc<Keys>>, StoreError> {
        let name = condition.map_or_else(|| type_number.to_string(), |condition| name(type_number, condition));
        let kept = self.kept(&name);
        if let Some((then, keys)) = kept.iter().find(|(then, _)| *then <= self.last) {
            let current = match *then == self.last {
                true => return Ok(Some(Arc::clone(keys))),
                false => self.advanced(connection, type_number, condition, *then, keys)?,
            };
            if let Some(keys) = current {
                self.keep(name, kept, &keys);
                return Ok(Some(keys));
            }
        }
        let Some(keys) = self.read(connection, type_number, condition)?.map(Arc::new) else { return Ok(None) };
        self.keep(name, kept, &keys);
        Ok(Some(keys))
    }

    /// The states of a set that are kept, the newest first, each with the last change that it contains.
    pub(super) fn kept(&self, name: &str) -> Vec<(i64, Arc<Keys>)> {
        self.sets.0.get(name).map_or_else(Vec::new, |kept| kept.0)
    }

    /// Keeps a set as it is now beside its earlier states.
    pub(super) fn keep(&self, name: String, mut states: Vec<(i64, Arc<Keys>)>, keys: &Arc<Keys>) {
        if name.len() <= LONGEST_NAME {
            states.retain(|(then, _)| *then != self.last);
            states.push((self.last, Arc::clone(keys)));
            states.sort_by_key(|(then, _)| std::cmp::Reverse(*then));
            states.truncate(STATES);
            self.sets.0.insert(name, Kept(states));
        }
    }

    /// A set with what has changed since; `None` when it is better read anew.
    fn advanced(
        &self,
        connection: &mut Connection,
        type_number: u8,
        condition: Option<&Condition>,
        then: i64,
        keys: &Arc<Keys>,
    ) -> Result<Option<Arc<Keys>>, StoreError> {
        let mut own = Vec::new();
        let types =
            condition.map_or_else(|| Some(BTreeSet::from([type_number])), |asked| read_types(type_number, asked));
        for changing in types.unwrap_or_default() {
            let Some(changed) = changed(connection, changing, then)? else { return Ok(None) };
            let is_testable = changing == type_number && condition.is_none_or(is_decidable);
            if !changed.is_empty() && !is_testable {
                return Ok(None);
            }
            own.extend(changed);
        }
        if own.is_empty() {
            return Ok(Some(Arc::clone(keys)));
        }
        let mut current = keys.as_ref().clone();
        for place in own.iter().filter_map(|key| place_of(*key)) {
            current.remove(place);
        }
        let bodies = live_bodies(connection, type_number, &own)?;
        match condition {
            None => current.extend(bodies.iter().filter_map(|body| place_of(body.key))),
            Some(condition) => {
                let decided = [condition];
                let reader = Reader::new(type_number, &decided, &[], self.options);
                current
                    .extend(bodies.iter().filter_map(|body| reader.look(body)).filter_map(|found| place_of(found.key)));
            }
        }
        Ok(Some(Arc::new(current)))
    }

    /// Reads a set from the index.
    fn read(
        &self,
        connection: &mut Connection,
        type_number: u8,
        condition: Option<&Condition>,
    ) -> Result<Option<Keys>, StoreError> {
        let mut set = Statement::default();
        match condition {
            None => {
                set.sql("SELECT key FROM resource WHERE state = 1 AND type = ").bind(i64::from(type_number));
            }
            Some(Condition::Missing { parameter, kind, missing: false }) => {
                set.append(present(*parameter, *kind));
            }
            Some(asked @ Condition::Has { parameter, condition }) => {
                if let Some(by) = self.of(connection, type_of(*parameter), condition)?
                    && by.len() <= FEW_REFERRING
                {
                    let ids = self.targets(connection, type_number, *parameter, &by)?;
                    set.append(of_ids(type_number, &ids));
                } else {
                    let Some(keys) = key_set(asked) else { return Ok(None) };
                    // What refers may refer to other types as well.
                    set.sql("SELECT key FROM (").append(keys).sql(") h WHERE (key & 255) = ");
                    set.bind(i64::from(type_number));
                }
            }
            Some(Condition::Id(ids)) => {
                set.append(of_ids(type_number, ids));
            }
            Some(condition) => {
                let Some(keys) = key_set(condition) else { return Ok(None) };
                set.append(keys);
            }
        }
        members(connection, set)
    }

    /// The ids of what some refer to: no index goes that way, but their bodies say it.
    pub(super) fn targets(
        &self,
        connection: &mut Connection,
        type_number: u8,
        parameter: i32,
        by: &Keys,
    ) -> Result<Vec<String>, StoreError> {
        let source = type_of(parameter);
        let keys: Vec<i64> = by.iter().map(|place| key_at(place, source)).collect();
        let mut ids = BTreeSet::new();
        for body in live_bodies(connection, source, &keys)? {
            let Ok(resource) = json::parse(&body.version.body) else { continue };
            let rows = extract_some(source, &resource, self.options, |one| one.number == parameter);
            let targets = rows.references.into_iter().filter(|row| row.parameter == parameter);
            ids.extend(targets.filter(|row| row.target_type == type_number).map(|row| row.target_id));
        }
        Ok(ids.into_iter().collect())
    }
}

/// The keys of a type that have changed since a change, each once; `None` when they are too many.
pub(super) fn changed(
    connection: &mut Connection,
    type_number: u8,
    since: i64,
) -> Result<Option<Vec<i64>>, StoreError> {
    let mut statement = Statement::new("SELECT key FROM change WHERE type = ");
    statement.bind(i64::from(type_number)).sql(" AND seq > ").bind(since);
    statement.sql(" ORDER BY seq LIMIT ").bind(MOST_CHANGED as i64 + 1);
    let found = connection.load::<KeyRecord>(&statement)?;
    if found.len() > MOST_CHANGED {
        return Ok(None);
    }
    let keys: BTreeSet<i64> = found.into_iter().map(|record| record.key).collect();
    Ok(Some(keys.into_iter().collect()))
}

/// The keys that a statement selects; `None` when they are too many.
pub(super) fn members(connection: &mut Connection, set: Statement) -> Result<Option<Keys>, StoreError> {
    let mut statement = Statement::default();
    if connection.is_postgres() {
        statement.sql("SELECT string_agg(int8send(key), CAST('' AS BYTEA)) AS bytes FROM (SELECT key FROM (");
        statement.append(set).sql(") s LIMIT ").bind(MOST_KEYS + 1).sql(") k");
    } else {
        statement.sql("SELECT key_set(key) AS bytes FROM (").append(set).sql(") s");
    }
    statement.uncached();
    let Some(bytes) = connection.load::<Bytes>(&statement)?.pop().and_then(|record| record.bytes) else {
        return Ok(Some(Keys::new()));
    };
    if !connection.is_postgres() {
        return Ok(Keys::deserialize_from(bytes.as_slice()).ok());
    }
    let (numbers, _) = bytes.as_chunks::<8>();
    if i64::try_from(numbers.len()).map_or(true, |count| count > MOST_KEYS) {
        return Ok(None);
    }
    Ok(numbers.iter().map(|bytes| place_of(i64::from_be_bytes(*bytes))).collect())
}

/// The first places of a set after a position, or the last ones before it.
pub(super) fn some_of(keys: &Keys, position: Option<i64>, backward: bool, count: usize) -> Vec<u32> {
    let place = position.and_then(place_of);
    let part = |range: RangeInclusive<u32>| keys.range(range);
    match (place, backward) {
        (None, false) => keys.iter().take(count).collect(),
        (None, true) => keys.iter().rev().take(count).collect(),
        (Some(u32::MAX), false) | (Some(0), true) => Vec::new(),
        (Some(place), false) => part(place + 1..=u32::MAX).take(count).collect(),
        (Some(place), true) => part(0..=place - 1).rev().take(count).collect(),
    }
}

/// SQLite's side: an aggregate function that makes a set of what a statement goes through.
pub(super) mod sqlite {
    use diesel::SqliteConnection;
    use diesel::sql_types::BigInt;
    use diesel::sqlite::SqliteAggregateFunction;

    use super::super::StoreError;
    use super::{Keys, place_of};

    #[diesel::declare_sql_function]
    extern "SQL" {
        #[aggregate]
        fn key_set(key: BigInt) -> Binary;
    }

    #[derive(Default)]
    struct KeySet {
        keys: Keys,
        /// There was a key that has no place.
        is_beyond: bool,
    }

    impl SqliteAggregateFunction<i64> for KeySet {
        type Output = Vec<u8>;

        fn step(&mut self, key: i64) {
            match place_of(key) {
                Some(place) => {
                    self.keys.insert(place);
                }
                None => self.is_beyond = true,
            }
        }

        fn finalize(aggregator: Option<Self>) -> Vec<u8> {
            let Self { keys, is_beyond } = aggregator.unwrap_or_default();
            let mut bytes = Vec::with_capacity(keys.serialized_size());
            // What cannot be written cannot be read: no set.
            if is_beyond || keys.serialize_into(&mut bytes).is_err() {
                bytes.clear();
            }
            bytes
        }
    }

    pub(in super::super) fn install(connection: &mut SqliteConnection) -> Result<(), StoreError> {
        Ok(key_set_utils::register_impl::<KeySet, _>(connection)?)
    }
}
