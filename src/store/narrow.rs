//! Searches whose page can be had from few resources: their keys become a list, and what else is
//! asked of them is decided from their bodies, which are at hand.
//!
//! Two ways, both bounded, and none where neither pays:
//!
//! - **Few candidates.** A condition that at most [`FEW`] resources meet: these are read, and the
//!   others are tested on their index rows, which are a function of the body. As SQL each other
//!   condition is a set of its own, as large as its parameter has rows: `patient=…&date=ge2020` made
//!   hundreds of thousands of keys to test nine.
//! - **In order.** Without a selective condition, resources are looked at in the order of the
//!   result (by key, or along the indexes of what is sorted by: `walk`) until the page is full; after
//!   [`MOST_LOOKED_AT`] it is given up. Where the matches are kept as a set (`sets`), only members are
//!   looked at.
//!
//! The search goes on as SQL in either case, so that order, position and page are made in one place.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};

use super::StoreError;
use super::connection::{Connection, Statement};
use super::cursor::Cursor;
use super::holds::{Candidate, holds, is_decidable, parameter};
use super::index::{fit, split_string};
use super::query_sql::key_set;
use super::record::VersionRecord;
use super::search::COLUMNS;
use super::sets::{Keys, Seen, are_sets, key_at, place_of, some_of};
use super::walk::{Walk, first};
use crate::format::json;
use crate::r4::definitions;
use crate::r4::parameters::ParameterKind;
use crate::search::extract::{ExtractOptions, extract_some};
use crate::search::query::{Among, Condition, Query, RowTest, SortBy, SortKey, Sorted, Test};
use crate::search::registry::type_of;
use crate::search::rows::IndexRows;

/// Candidates that are read.
const FEW: usize = 512;
/// Keys of one condition that are listed, to find what several have in common.
const MOST_LISTED: i64 = 2000;
/// So few candidates that no other condition is asked for fewer.
const FEW_ENOUGH: usize = 32;
/// Resources that are looked at in order, for one page.
pub(super) const MOST_LOOKED_AT: usize = 2000;
/// Of them, at once.
const STEP: usize = 250;

/// Lengths of lists of keys.
const PADDED: [usize; 4] = [32, 128, 512, 2048];

#[derive(QueryableByName)]
struct KeyRecord {
    #[diesel(sql_type = BigInt)]
    key: i64,
}

#[derive(QueryableByName)]
struct ReferenceRecord {
    #[diesel(sql_type = BigInt)]
    target: i64,
    #[diesel(sql_type = BigInt)]
    key: i64,
}

#[derive(QueryableByName)]
pub(super) struct Body {
    #[diesel(sql_type = BigInt)]
    pub(super) key: i64,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(embed)]
    pub(super) version: VersionRecord,
}

/// The same search with all conditions on one date as one condition, where a resource has one at most:
/// `date=ge2024-03-01&date=lt2024-03-08` is a week, not what comes before its end among all that comes
/// after its start.
pub(super) fn merged(query: &Query, options: &ExtractOptions) -> Option<Query> {
    let mut conditions: Vec<Condition> = Vec::new();
    for condition in &query.conditions {
        let Condition::Indexed { parameter, test: Test::Date(tests), negated: false } = condition else {
            conditions.push(condition.clone());
            continue;
        };
        let other = conditions.iter_mut().find_map(|other| match other {
            Condition::Indexed { parameter: number, test: Test::Row(RowTest::Dates(lists)), .. } => {
                (number == parameter).then_some(lists)
            }
            _ => None,
        });
        match other {
            Some(lists) => lists.push(tests.clone()),
            None if is_single(query.type_number, *parameter, options) => {
                let test = Test::Row(RowTest::Dates(vec![tests.clone()]));
                conditions.push(Condition::Indexed { parameter: *parameter, test, negated: false });
            }
            None => conditions.push(condition.clone()),
        }
    }
    (conditions.len() < query.conditions.len()).then(|| Query { conditions, ..query.clone() })
}

/// Whether a resource has one value at most: its expression names one path, on which nothing repeats.
fn is_single(type_number: u8, parameter: i32, options: &ExtractOptions) -> bool {
    let all = definitions();
    let Some(definition) = all.resource_by_number(type_number) else { return false };
    let Some(parameter) = options.registry.by_number(parameter) else { return false };
    let start = format!("{}.", definition.name);
    let mut paths = parameter.expression.split('|').map(str::trim).filter_map(|path| path.strip_prefix(&start));
    let (Some(path), None) = (paths.next(), paths.next()) else { return false };
    if parameter.source.is_some() || parameter.expression.contains('(') {
        return false;
    }
    let mut at = definition;
    for name in path.split('.') {
        match at.field(name) {
            Some(field) if field.is_array => return false,
            Some(field) => at = all.get(field.type_id),
            // `effective` is a choice: one of its forms, and nothing below it.
            None => return true,
        }
    }
    true
}

/// The same search over a list of keys, when one of its conditions is met by few.
pub(super) fn by_candidates(
    connection: &mut Connection,
    query: &Query,
    seen: Option<&Seen<'_>>,
    options: &ExtractOptions,
) -> Result<Option<Query>, StoreError> {
    let is_sorted = query.sort.iter().any(|key| matches!(key.by, SortBy::Parameter { .. }));
    if query.type_number == 0 || (query.conditions.len() < 2 && !is_sorted) {
        return Ok(None);
    }
    let mut listed: Option<Vec<i64>> = None;
    let mut others: Vec<&Condition> = Vec::new();
    for condition in &query.conditions {
        let is_enough = listed.as_ref().is_some_and(|keys| keys.len() <= FEW_ENOUGH);
        let Some(set) = candidates(query, condition).filter(|_| !is_enough) else {
            others.push(condition);
            continue;
        };
        let Some(found) = keys_listed(connection, set)? else {
            others.push(condition);
            continue;
        };
        listed = Some(match listed {
            None => found.into_iter().collect(),
            Some(keys) => keys.into_iter().filter(|key| found.contains(key)).collect(),
        });
    }
    let Some(keys) = listed.filter(|keys| keys.len() <= FEW) else { return Ok(None) };
    let (reader, left) = Reader::of_conditions(connection, query, others.into_iter(), seen, options)?;
    let bodies = live_bodies(connection, query.type_number, &keys)?;
    let among = Some(reader.look_at(connection, bodies)?);
    Ok(Some(Query { conditions: left.into_iter().cloned().collect(), among, ..query.clone() }))
}

/// The matches of a single condition, when they are few.
pub(super) fn few(connection: &mut Connection, query: &Query) -> Result<Option<Keys>, StoreError> {
    let set = match query.conditions.as_slice() {
        _ if query.type_number == 0 => None,
        [Condition::Id(ids)] => Some(of_ids(query.type_number, ids)),
        [condition @ (Condition::Indexed { .. } | Condition::Chain { .. } | Condition::Compartment { .. })] => {
            key_set(condition)
        }
        _ => None,
    };
    let Some(set) = set else { return Ok(None) };
    let mut statement = Statement::new("SELECT key FROM (");
    statement.append(set).sql(") s LIMIT ").bind(MOST_LOOKED_AT as i64 + 1);
    let found = connection.load::<KeyRecord>(&statement)?;
    if found.len() > MOST_LOOKED_AT {
        return Ok(None);
    }
    Ok(found.into_iter().map(|record| place_of(record.key)).collect())
}

/// The keys that a statement selects, when they are few; each once, in order.
pub(super) fn keys_listed(connection: &mut Connection, set: Statement) -> Result<Option<BTreeSet<i64>>, StoreError> {
    let mut statement = Statement::new("SELECT key FROM (");
    statement.append(set).sql(") s LIMIT ").bind(MOST_LISTED + 1);
    let found = connection.load::<KeyRecord>(&statement)?;
    let are_few = i64::try_from(found.len()).is_ok_and(|count| count <= MOST_LISTED);
    Ok(are_few.then(|| found.into_iter().map(|record| record.key).collect()))
}

/// The keys of resources with these ids.
pub(super) fn of_ids(type_number: u8, ids: &[String]) -> Statement {
    if ids.is_empty() {
        return Statement::new("SELECT key FROM resource WHERE 1 = 0");
    }
    let mut statement = Statement::new("SELECT key FROM resource WHERE state = 1 AND type = ");
    statement.bind(i64::from(type_number)).sql(" AND id IN ");
    statement.bind_list(ids.iter().map(String::as_str));
    if ids.len() > 8 {
        statement.uncached();
    }
    statement
}

/// The keys that meet a condition, if it may lead: nothing along references, whose sets cost to make.
fn candidates(query: &Query, condition: &Condition) -> Option<Statement> {
    match condition {
        Condition::Id(ids) => Some(of_ids(query.type_number, ids)),
        Condition::Indexed { .. } | Condition::Compartment { .. } => key_set(condition),
        _ => None,
    }
}

/// ` AND column IN (…)`, in few lengths, so that the statement stays in the connection's cache.
pub(super) fn among(statement: &mut Statement, column: &str, keys: impl ExactSizeIterator<Item = i64> + Clone) {
    let Some(first) = keys.clone().next() else {
        statement.sql(" AND 1 = 0");
        return;
    };
    let length = PADDED.into_iter().find(|length| keys.len() <= *length).unwrap_or(keys.len());
    let padding = std::iter::repeat_n(first, length - keys.len());
    statement.sql(" AND ").sql(column).sql(" IN ").bind_list(keys.chain(padding));
}

pub(super) fn live_bodies(connection: &mut Connection, type_number: u8, keys: &[i64]) -> Result<Vec<Body>, StoreError> {
    let mut all = Vec::new();
    for chunk in keys.chunks(PADDED[2]) {
        let mut statement = Statement::new("SELECT ");
        statement.sql(COLUMNS).sql(" FROM resource r WHERE r.state = 1 AND r.type = ").bind(i64::from(type_number));
        among(&mut statement, "r.key", chunk.iter().copied());
        all.extend(connection.load::<Body>(&statement)?);
    }
    Ok(all)
}

/// The same search over the keys of one page, found by going along its order. `whole` is the set of all
/// matches, where it is known already.
pub(super) fn in_order(
    connection: &mut Connection,
    query: &Query,
    count: u32,
    cursor: Option<&Cursor>,
    seen: Option<&Seen<'_>>,
    mut whole: Option<Keys>,
    options: &ExtractOptions,
) -> Result<Option<Query>, StoreError> {
    if query.type_number == 0 || (whole.is_none() && query.sort.is_empty() && query.conditions.is_empty()) {
        return Ok(None);
    }
    let mut found = None;
    if whole.is_none() {
        let (reader, left) = Reader::of_conditions(connection, query, query.conditions.iter(), seen, options)?;
        found = match query.sort.as_slice() {
            _ if !left.is_empty() => None,
            // Times of writing have an index of their own.
            [] if query.conditions.iter().all(|each| matches!(each, Condition::LastUpdated(_))) => None,
            [] if cursor.is_some_and(|cursor| cursor.b) || !is_broad(connection, query)? => None,
            [] => {
                let after = cursor.map_or(i64::MIN, |cursor| cursor.k);
                by_key(connection, query, &reader, count as usize + 1, after)?
            }
            _ => match Walk::new(query, &reader, seen, count, cursor) {
                Some(walk) => walk.page(connection, None)?,
                None => None,
            },
        };
        if let (None, Some(seen), false) = (&found, seen, query.conditions.is_empty()) {
            whole = if are_sets(query) { seen.of_query(connection, query)? } else { None };
        }
    }
    if let Some(whole) = whole {
        found = among_set(connection, query, count, cursor, seen, &whole, options)?;
    }
    Ok(found.map(|among| Query { conditions: Vec::new(), among: Some(among), ..query.clone() }))
}

/// The page of a set in order.
fn among_set(
    connection: &mut Connection,
    query: &Query,
    count: u32,
    cursor: Option<&Cursor>,
    seen: Option<&Seen<'_>>,
    whole: &Keys,
    options: &ExtractOptions,
) -> Result<Option<Vec<Among>>, StoreError> {
    if query.sort.is_empty() {
        let is_backward = cursor.is_some_and(|cursor| cursor.b);
        let places = some_of(whole, cursor.map(|cursor| cursor.k), is_backward, count as usize + 1);
        let keys = places.into_iter().map(|place| key_at(place, query.type_number));
        return Ok(Some(keys.map(|key| Among { key, values: Vec::new() }).collect()));
    }
    let reader = Reader::new(query.type_number, &[], &query.sort, options);
    if let Some(seen) = seen.filter(|_| whole.len() <= MOST_LOOKED_AT as u64) {
        let all = seen.with_values(connection, query, &reader, whole)?;
        if let Some(query) = first(query, count, cursor, &all) {
            return Ok(query.among);
        }
    }
    match Walk::new(query, &reader, seen, count, cursor) {
        Some(walk) => walk.page(connection, Some(whole)),
        None => Ok(None),
    }
}

/// Whether no condition is met by fewer than would be looked at.
fn is_broad(connection: &mut Connection, query: &Query) -> Result<bool, StoreError> {
    // Of a single one it is known by now.
    if query.conditions.len() == 1 {
        return Ok(true);
    }
    for set in query.conditions.iter().filter_map(|condition| candidates(query, condition)) {
        let mut statement = Statement::new("SELECT key FROM (");
        statement.append(set).sql(") s LIMIT 1 OFFSET ").bind(MOST_LOOKED_AT as i64);
        if connection.load::<KeyRecord>(&statement)?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn by_key(
    connection: &mut Connection,
    query: &Query,
    reader: &Reader<'_>,
    enough: usize,
    mut after: i64,
) -> Result<Option<Vec<Among>>, StoreError> {
    let mut among = Vec::new();
    let mut looked_at = 0;
    while looked_at < MOST_LOOKED_AT {
        let mut statement = Statement::new("SELECT ");
        statement.sql(COLUMNS).sql(" FROM resource r WHERE r.state = 1 AND r.type = ");
        statement.bind(i64::from(query.type_number)).sql(" AND r.key > ").bind(after);
        statement.sql(" ORDER BY r.key LIMIT ").bind(STEP as i64);
        let step: Vec<Body> = connection.load(&statement)?;
        looked_at += step.len();
        let is_last = step.len() < STEP;
        after = step.last().map_or(after, |body| body.key);
        among.extend(reader.look_at(connection, step)?);
        if is_last || among.len() >= enough {
            return Ok(Some(among));
        }
    }
    Ok(None)
}

/// A condition on what refers to a resource, as the set of all that may.
struct Referred {
    parameter: i32,
    by: Arc<Keys>,
}

/// Decides conditions on resources and takes their sort values.
pub(super) struct Reader<'r> {
    type_number: u8,
    decided: Vec<&'r Condition>,
    referred: Vec<Referred>,
    sort: &'r [SortKey],
    parameters: Vec<i32>,
    options: &'r ExtractOptions,
}

impl<'r> Reader<'r> {
    pub(super) fn new(
        type_number: u8,
        decided: &[&'r Condition],
        sort: &'r [SortKey],
        options: &'r ExtractOptions,
    ) -> Self {
        let sorted = sort.iter().filter_map(|key| match key.by {
            SortBy::Parameter { parameter, .. } => Some(parameter),
            _ => None,
        });
        let parameters = decided.iter().filter_map(|condition| parameter(condition)).chain(sorted).collect();
        Self { type_number, decided: decided.to_vec(), referred: Vec::new(), sort, parameters, options }
    }

    /// For some conditions of a query, with those that cannot be decided.
    fn of_conditions(
        connection: &mut Connection,
        query: &'r Query,
        conditions: impl Iterator<Item = &'r Condition>,
        seen: Option<&Seen<'_>>,
        options: &'r ExtractOptions,
    ) -> Result<(Self, Vec<&'r Condition>), StoreError> {
        let (decided, others): (Vec<&Condition>, Vec<&Condition>) =
            conditions.partition(|condition| is_decidable(condition));
        let mut reader = Self::new(query.type_number, &decided, &query.sort, options);
        let mut left = Vec::new();
        for other in others {
            let set = match (other, seen) {
                (Condition::Has { parameter, condition }, Some(seen)) => {
                    let by = seen.of(connection, type_of(*parameter), condition)?;
                    by.map(|by| Referred { parameter: *parameter, by })
                }
                _ => None,
            };
            match set {
                Some(set) => reader.referred.push(set),
                None => left.push(other),
            }
        }
        Ok((reader, left))
    }

    /// Those of them that meet all conditions, with their sort values, in the same order.
    pub(super) fn look_at(&self, connection: &mut Connection, bodies: Vec<Body>) -> Result<Vec<Among>, StoreError> {
        let mut found: Vec<Among> = bodies.iter().filter_map(|body| self.look(body)).collect();
        for referred in &self.referred {
            let mut holds = HashSet::new();
            for chunk in found.chunks(PADDED[2]) {
                let mut statement = Statement::new("SELECT target, key FROM reference r WHERE r.parameter = ");
                statement.bind(i64::from(referred.parameter));
                among(&mut statement, "r.target", chunk.iter().map(|found| found.key));
                let rows = connection.load::<ReferenceRecord>(&statement)?.into_iter();
                let rows = rows.filter(|row| place_of(row.key).is_some_and(|place| referred.by.contains(place)));
                holds.extend(rows.map(|row| row.target));
            }
            found.retain(|found| holds.contains(&found.key));
        }
        Ok(found)
    }

    /// The resource with its sort values, if it meets all conditions on itself.
    pub(super) fn look(&self, body: &Body) -> Option<Among> {
        let rows = match self.parameters.as_slice() {
            [] => IndexRows::default(),
            parameters => {
                let resource = json::parse(&body.version.body).ok()?;
                extract_some(self.type_number, &resource, self.options, |parameter| {
                    // Second forms and identifiers come with the parameter itself.
                    let is_meant = |number: i32| number == parameter.number || Some(number) == parameter.identifier;
                    parameters.iter().any(|number| is_meant(number.abs()))
                })
            }
        };
        let candidate = Candidate { id: &body.id, updated: body.version.updated, rows: &rows };
        if !self.decided.iter().all(|condition| holds(condition, &candidate)) {
            return None;
        }
        let values = self.sort.iter().map(|key| sorted(key, &candidate)).collect();
        Some(Among { key: body.key, values })
    }
}

/// What `sort` orders a resource by. The outer `None`: not known from the body.
fn sorted(key: &SortKey, candidate: &Candidate<'_>) -> Option<Sorted> {
    let (descending, rows) = (key.descending, candidate.rows);
    fn pick<T: Ord>(values: impl Iterator<Item = T>, descending: bool) -> Option<T> {
        if descending { values.max() } else { values.min() }
    }
    // As it is stored (`Value`).
    let text = |text: String| Sorted::Text(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text });
    let (parameter, kind) = match key.by {
        SortBy::Id => return Some(Sorted::Text(candidate.id.to_owned())),
        SortBy::LastUpdated => return Some(Sorted::Integer(candidate.updated)),
        SortBy::Parameter { parameter, kind } => (parameter, kind),
    };
    let found = match kind {
        ParameterKind::Date => {
            let own = rows.dates.iter().filter(|row| row.parameter == parameter).map(|row| row.low);
            pick(own, descending).map(Sorted::Integer)
        }
        ParameterKind::String => {
            let own = rows.strings.iter().filter(|row| row.parameter == parameter);
            pick(own.map(|row| split_string(&row.folded).0), descending).map(|found| text(found.to_owned()))
        }
        ParameterKind::Token => {
            let own = rows.tokens.iter().filter(|row| row.parameter == parameter).map(|row| fit(&row.code));
            pick(own, descending).map(text)
        }
        ParameterKind::Uri => {
            let own = rows.uris.iter().filter(|row| row.parameter == parameter).map(|row| fit(&row.uri));
            pick(own, descending).map(text)
        }
        ParameterKind::Number => {
            let own = rows.numbers.iter().filter(|row| row.parameter == parameter);
            pick(own.map(|row| if descending { &row.high } else { &row.low }), descending).cloned().map(Sorted::Bytes)
        }
        ParameterKind::Quantity => {
            let own = rows.quantities.iter().filter(|row| row.parameter == parameter);
            pick(own.map(|row| if descending { &row.high } else { &row.low }), descending).cloned().map(Sorted::Bytes)
        }
        _ => return None,
    };
    Some(found.unwrap_or(Sorted::None))
}
