//! A page found by going along its order: the index of the first sort key, and within equal values
//! along that of the next.
//!
//! Equal values that are few are taken together and ordered by what their bodies say. Where they are
//! many (`_sort=family,-birthdate` in a town of 佐藤) the resources with that value become a set, and
//! the index of the next key is gone along for members of it. What has no value comes last; it is the
//! rest of the type, a set as well. Every resource that is offered was looked at: index rows say that
//! it has a value, its body says whether that is the one it is ordered by.
//!
//! Bounded: after [`MOST_ROWS`] index rows or [`MOST_LOOKED_AT`] bodies it is given up, and the page is
//! made by SQL from all matches.

use std::cmp::Ordering;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary, Text};

use super::StoreError;
use super::connection::{Connection, Statement, Value};
use super::cursor::Cursor;
use super::narrow::{MOST_LOOKED_AT, Reader, live_bodies};
use super::query_sql::table_of;
use super::search::unhex;
use super::sets::{Keys, Seen, key_at, members, place_of, some_of};
use crate::r4::parameters::ParameterKind;
use crate::search::query::{Among, Condition, Query, SortBy, SortKey, Sorted, Test, TokenTest};

/// Index rows that are read for one page.
const MOST_ROWS: usize = 40_000;
/// Of them, at once.
const STEP: usize = 512;
/// What looking at a body costs, in index rows read.
const BODY: u64 = 20;

#[derive(QueryableByName)]
struct IntegerRow {
    #[diesel(sql_type = BigInt)]
    value: i64,
    #[diesel(sql_type = BigInt)]
    key: i64,
}

#[derive(QueryableByName)]
struct TextRow {
    #[diesel(sql_type = Text)]
    value: String,
    #[diesel(sql_type = BigInt)]
    key: i64,
}

#[derive(QueryableByName)]
struct BytesRow {
    #[diesel(sql_type = Binary)]
    value: Vec<u8>,
    #[diesel(sql_type = BigInt)]
    key: i64,
}

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The page is full.
    Full,
    /// There is no more.
    Exhausted,
    /// It took too long.
    GivenUp,
}

/// Where the page starts.
struct Position {
    values: Vec<Sorted>,
    key: i64,
}

/// The index of a sort key.
struct Index {
    table: &'static str,
    column: &'static str,
    /// `None` for columns of `resource`.
    parameter: Option<i32>,
}

impl Index {
    /// Where the order of the index is the order of the sort.
    fn of(key: &SortKey) -> Option<Self> {
        let (column, parameter) = match key.by {
            SortBy::Id => return Some(Self { table: "resource", column: "id", parameter: None }),
            SortBy::LastUpdated => return Some(Self { table: "resource", column: "updated", parameter: None }),
            SortBy::Parameter { parameter, kind } => match kind {
                ParameterKind::Date => ("low", parameter),
                ParameterKind::String => ("start", parameter),
                ParameterKind::Token => ("code", parameter),
                ParameterKind::Uri => ("uri", parameter),
                // Descending, the upper end counts, by which no index is ordered.
                ParameterKind::Number | ParameterKind::Quantity if !key.descending => ("low", parameter),
                _ => return None,
            },
        };
        let SortBy::Parameter { kind, .. } = key.by else { return None };
        Some(Self { table: table_of(kind), column, parameter: Some(parameter) })
    }
}

/// A sort value as a position has it.
fn read_value(key: &SortKey, text: Option<&str>) -> Option<Sorted> {
    let Some(text) = text else { return Some(Sorted::None) };
    match key.by {
        SortBy::LastUpdated | SortBy::Parameter { kind: ParameterKind::Date, .. } => {
            text.parse().ok().map(Sorted::Integer)
        }
        SortBy::Parameter { kind: ParameterKind::Number | ParameterKind::Quantity, .. } => {
            unhex(text).map(Sorted::Bytes)
        }
        _ => Some(Sorted::Text(text.to_owned())),
    }
}

fn bound(value: &Sorted) -> Option<Value> {
    match value {
        Sorted::None => None,
        Sorted::Integer(number) => Some((*number).into()),
        Sorted::Text(text) => Some(text.as_str().into()),
        Sorted::Bytes(bytes) => Some(bytes.clone().into()),
    }
}

/// Of resources whose sort values are known the first of the page and one more; `None` when they are not.
pub(super) fn first(query: &Query, count: u32, cursor: Option<&Cursor>, among: &[Among]) -> Option<Query> {
    let is_known = |found: &Among| found.values.len() == query.sort.len() && found.values.iter().all(Option::is_some);
    let order = Order::new(&query.sort, cursor).filter(|_| among.iter().all(is_known))?;
    let among = Some(order.first(among.to_vec(), count as usize + 1));
    Some(Query { among, ..query.clone() })
}

/// The order of a search, and where its page starts.
struct Order<'o> {
    sort: &'o [SortKey],
    reversed: bool,
    position: Option<Position>,
}

impl<'o> Order<'o> {
    /// `None` for a position that is not one in this order.
    fn new(sort: &'o [SortKey], cursor: Option<&Cursor>) -> Option<Self> {
        let position = match cursor {
            None => None,
            Some(cursor) if cursor.s.len() == sort.len() => {
                let values = sort.iter().zip(&cursor.s).map(|(key, text)| read_value(key, text.as_deref()));
                Some(Position { values: values.collect::<Option<_>>()?, key: cursor.k })
            }
            Some(_) => return None,
        };
        Some(Self { sort, reversed: cursor.is_some_and(|cursor| cursor.b), position })
    }

    fn is_descending(&self, level: usize) -> bool {
        // Equal values are ordered by key, in the direction of the last sort key.
        let key = self.sort.get(level).or(self.sort.last());
        key.is_some_and(|key| key.descending) != self.reversed
    }

    fn compare(&self, left: &Among, right: (&[Option<Sorted>], i64)) -> Ordering {
        for (level, (left, right)) in left.values.iter().zip(right.0).enumerate() {
            let none = &Sorted::None;
            let (left, right) = (left.as_ref().unwrap_or(none), right.as_ref().unwrap_or(none));
            // What has no value comes last in either direction.
            let missing = (left == none).cmp(&(right == none));
            let missing = if self.reversed { missing.reverse() } else { missing };
            let order = missing.then_with(|| {
                let order = left.cmp(right);
                if self.is_descending(level) { order.reverse() } else { order }
            });
            if order != Ordering::Equal {
                return order;
            }
        }
        let order = left.key.cmp(&right.1);
        if self.is_descending(self.sort.len()) { order.reverse() } else { order }
    }

    fn is_beyond(&self, found: &Among) -> bool {
        let Some(position) = &self.position else { return true };
        let values: Vec<Option<Sorted>> = position.values.iter().cloned().map(Some).collect();
        self.compare(found, (&values, position.key)) == Ordering::Greater
    }

    /// The first of them beyond the position, in order.
    fn first(&self, mut found: Vec<Among>, count: usize) -> Vec<Among> {
        found.retain(|each| self.is_beyond(each));
        found.sort_by(|left, right| self.compare(left, (&right.values, right.key)));
        found.truncate(count);
        found
    }
}

/// A walk for one page.
pub(super) struct Walk<'w> {
    type_number: u8,
    order: Order<'w>,
    indexes: Vec<Index>,
    reader: &'w Reader<'w>,
    seen: Option<&'w Seen<'w>>,
    enough: usize,
    /// Found so far, and how many of them are beyond the position.
    found: Vec<Among>,
    beyond: usize,
    /// The values that what is offered must have, of the keys before.
    fixed: Vec<Sorted>,
    rows: usize,
    looked_at: usize,
}

impl<'w> Walk<'w> {
    /// `None` when there is no index in this order.
    pub(super) fn new(
        query: &'w Query,
        reader: &'w Reader<'w>,
        seen: Option<&'w Seen<'w>>,
        count: u32,
        cursor: Option<&Cursor>,
    ) -> Option<Self> {
        let indexes: Vec<Index> = query.sort.iter().map(Index::of).collect::<Option<_>>()?;
        Some(Self {
            type_number: query.type_number,
            order: Order::new(&query.sort, cursor)?,
            indexes,
            reader,
            seen,
            enough: count as usize + 1,
            found: Vec::new(),
            beyond: 0,
            fixed: Vec::new(),
            rows: 0,
            looked_at: 0,
        })
    }

    /// What the page is among: the resources of it, and of the next one the first. `None` when it was
    /// given up.
    pub(super) fn page(
        mut self,
        connection: &mut Connection,
        within: Option<&Keys>,
    ) -> Result<Option<Vec<Among>>, StoreError> {
        let starts = self.order.position.is_some();
        if self.level(connection, 0, within, starts)? == End::GivenUp {
            return Ok(None);
        }
        let found = std::mem::take(&mut self.found);
        Ok(Some(self.order.first(found, self.enough)))
    }

    /// Goes along the index of a level, among those of `within`. `starts`: the position has the values
    /// of the levels before.
    fn level(
        &mut self,
        connection: &mut Connection,
        level: usize,
        within: Option<&Keys>,
        starts: bool,
    ) -> Result<End, StoreError> {
        if let Some(within) = within {
            if within.is_empty() {
                return Ok(End::Exhausted);
            }
            if level == self.order.sort.len() {
                return self.by_key(connection, within, starts);
            }
            if self.are_few(connection, within)? {
                let keys: Vec<i64> = within.iter().map(|place| key_at(place, self.type_number)).collect();
                return self.offer(connection, &[(None, keys)]);
            }
        }
        let start =
            self.order.position.as_ref().filter(|_| starts).and_then(|position| position.values.get(level)).cloned();
        let is_missing = start == Some(Sorted::None);
        // Those without a value are last; backward, first.
        let end = match (self.order.reversed, is_missing) {
            (false, true) => return self.missing(connection, level, within, true),
            (true, true) => self.missing(connection, level, within, true)?,
            (true, false) if start.is_none() => self.missing(connection, level, within, false)?,
            _ => End::Exhausted,
        };
        if end != End::Exhausted {
            return Ok(end);
        }
        match self.along(connection, level, within, start.filter(|_| !is_missing))? {
            End::Exhausted if !self.order.reversed => self.missing(connection, level, within, false),
            end => Ok(end),
        }
    }

    /// Whether looking at all of them costs less than going along an index for them.
    fn are_few(&self, connection: &mut Connection, within: &Keys) -> Result<bool, StoreError> {
        let count = within.len();
        if count > (MOST_LOOKED_AT.saturating_sub(self.looked_at)) as u64 {
            return Ok(false);
        }
        if count <= self.enough as u64 {
            return Ok(true);
        }
        let all = match self.seen {
            Some(seen) => seen.of_type(connection, self.type_number)?.map_or(u64::MAX, |all| all.len()),
            None => u64::MAX,
        };
        let wanted = self.enough.saturating_sub(self.beyond) as u64;
        Ok(count * BODY < (all / count).saturating_mul(wanted) + wanted * BODY)
    }

    fn along(
        &mut self,
        connection: &mut Connection,
        level: usize,
        within: Option<&Keys>,
        start: Option<Sorted>,
    ) -> Result<End, StoreError> {
        let mut from = start.clone().map(|value| (value, true));
        let mut pending: Vec<(Option<Sorted>, Vec<i64>)> = Vec::new();
        loop {
            let rows = self.step(connection, level, from.as_ref())?;
            self.rows += rows.len();
            let is_last = rows.len() < STEP;
            let mut groups: Vec<(Sorted, Vec<i64>)> = Vec::new();
            for (value, key) in rows {
                match groups.last_mut() {
                    Some((last, keys)) if *last == value => keys.push(key),
                    _ => groups.push((value, vec![key])),
                }
            }
            // The last group may go on.
            let cut = if is_last { None } else { groups.pop() };
            let is_large = groups.is_empty();
            for (value, mut keys) in groups {
                keys.retain(|key| {
                    within.is_none_or(|within| place_of(*key).is_some_and(|place| within.contains(place)))
                });
                keys.sort_unstable();
                keys.dedup();
                pending.push((Some(value), keys));
                let waiting: usize = pending.iter().map(|(_, keys)| keys.len()).sum();
                if waiting + self.beyond > self.enough {
                    let end = self.offer(connection, &std::mem::take(&mut pending))?;
                    if end != End::Exhausted {
                        return Ok(end);
                    }
                }
            }
            let Some((value, _)) = cut else { return self.offer(connection, &pending) };
            if is_large {
                let end = self.offer(connection, &std::mem::take(&mut pending))?;
                if end != End::Exhausted {
                    return Ok(end);
                }
                let Some(mut members) = self.with_value(connection, level, &value)? else { return Ok(End::GivenUp) };
                if let Some(within) = within {
                    members &= within;
                }
                let starts = start.as_ref() == Some(&value);
                self.fixed.push(value.clone());
                let end = self.level(connection, level + 1, Some(&members), starts)?;
                self.fixed.pop();
                if end != End::Exhausted {
                    return Ok(end);
                }
            }
            if self.rows > MOST_ROWS {
                return Ok(End::GivenUp);
            }
            from = Some((value, !is_large));
        }
    }

    fn step(
        &self,
        connection: &mut Connection,
        level: usize,
        from: Option<&(Sorted, bool)>,
    ) -> Result<Vec<(Sorted, i64)>, StoreError> {
        let (Some(index), Some(key)) = (self.indexes.get(level), self.order.sort.get(level)) else {
            return Ok(Vec::new());
        };
        let descending = self.order.is_descending(level);
        let mut statement = Statement::new("SELECT ");
        statement.sql(index.column).sql(" AS value, key FROM ").sql(index.table);
        match index.parameter {
            Some(parameter) => statement.sql(" WHERE parameter = ").bind(i64::from(parameter)),
            None => statement.sql(" WHERE state = 1 AND type = ").bind(i64::from(self.type_number)),
        };
        if let Some((value, inclusive)) = from
            && let Some(value) = bound(value)
        {
            let compared = match (descending, inclusive) {
                (false, true) => " >= ",
                (false, false) => " > ",
                (true, true) => " <= ",
                (true, false) => " < ",
            };
            statement.sql(" AND ").sql(index.column).sql(compared).bind(value);
        }
        statement.sql(" ORDER BY ").sql(index.column).sql(if descending { " DESC LIMIT " } else { " LIMIT " });
        statement.bind(STEP as i64);
        Ok(match key.by {
            SortBy::LastUpdated | SortBy::Parameter { kind: ParameterKind::Date, .. } => {
                let rows = connection.load::<IntegerRow>(&statement)?.into_iter();
                rows.map(|row| (Sorted::Integer(row.value), row.key)).collect()
            }
            SortBy::Parameter { kind: ParameterKind::Number | ParameterKind::Quantity, .. } => {
                let rows = connection.load::<BytesRow>(&statement)?.into_iter();
                rows.map(|row| (Sorted::Bytes(row.value), row.key)).collect()
            }
            _ => {
                let rows = connection.load::<TextRow>(&statement)?.into_iter();
                rows.map(|row| (Sorted::Text(row.value), row.key)).collect()
            }
        })
    }

    /// All that have a value.
    fn with_value(
        &self,
        connection: &mut Connection,
        level: usize,
        value: &Sorted,
    ) -> Result<Option<Keys>, StoreError> {
        let (Some(index), Some(key)) = (self.indexes.get(level), self.order.sort.get(level)) else { return Ok(None) };
        // Codes are few, and asked for often: their sets are kept.
        if let (SortBy::Parameter { parameter, kind: ParameterKind::Token }, Sorted::Text(code), Some(seen)) =
            (key.by, value, self.seen)
            && code.len() <= 64
        {
            let test = Test::Token(vec![TokenTest { codes: vec![code.clone()], system: None }]);
            let condition = Condition::Indexed { parameter, test, negated: false };
            return Ok(seen.of(connection, self.type_number, &condition)?.map(|keys| keys.as_ref().clone()));
        }
        let Some(value) = bound(value) else { return Ok(None) };
        let mut statement = Statement::new("SELECT key FROM ");
        statement.sql(index.table);
        match index.parameter {
            Some(parameter) => statement.sql(" WHERE parameter = ").bind(i64::from(parameter)),
            None => statement.sql(" WHERE state = 1 AND type = ").bind(i64::from(self.type_number)),
        };
        statement.sql(" AND ").sql(index.column).sql(" = ").bind(value);
        members(connection, statement)
    }

    /// Those without a value, ordered by the next level.
    fn missing(
        &mut self,
        connection: &mut Connection,
        level: usize,
        within: Option<&Keys>,
        starts: bool,
    ) -> Result<End, StoreError> {
        let Some(SortKey { by: SortBy::Parameter { parameter, kind }, .. }) = self.order.sort.get(level).copied()
        else {
            return Ok(End::Exhausted);
        };
        let Some(seen) = self.seen else { return Ok(End::GivenUp) };
        let condition = match kind {
            ParameterKind::Token => Condition::Indexed {
                parameter,
                test: Test::Token(vec![TokenTest { codes: Vec::new(), system: None }]),
                negated: true,
            },
            _ => Condition::Missing { parameter, kind, missing: true },
        };
        let Some(members) = seen.of(connection, self.type_number, &condition)? else { return Ok(End::GivenUp) };
        let members = within.map_or_else(|| members.as_ref().clone(), |within| members.as_ref() & within);
        self.fixed.push(Sorted::None);
        let end = self.level(connection, level + 1, Some(&members), starts);
        self.fixed.pop();
        end
    }

    /// Members of a set in order of their keys.
    fn by_key(&mut self, connection: &mut Connection, within: &Keys, starts: bool) -> Result<End, StoreError> {
        let mut after = self.order.position.as_ref().filter(|_| starts).map(|position| position.key);
        loop {
            let wanted = self.enough.saturating_sub(self.beyond).max(8);
            let places = some_of(within, after, self.order.is_descending(self.order.sort.len()), wanted);
            let Some(last) = places.last() else { return Ok(End::Exhausted) };
            after = Some(key_at(*last, self.type_number));
            let keys = places.iter().map(|place| key_at(*place, self.type_number)).collect();
            let end = self.offer(connection, &[(None, keys)])?;
            if end != End::Exhausted {
                return Ok(end);
            }
        }
    }

    /// Looks at the resources of whole groups; a group's value is the one of the level that is gone along.
    fn offer(&mut self, connection: &mut Connection, groups: &[(Option<Sorted>, Vec<i64>)]) -> Result<End, StoreError> {
        let level = self.fixed.len();
        let mut keys: Vec<i64> = groups.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
        keys.sort_unstable();
        keys.dedup();
        self.looked_at += keys.len();
        let mut looked = std::collections::HashMap::new();
        let bodies = live_bodies(connection, self.type_number, &keys)?;
        for found in self.reader.look_at(connection, bodies)? {
            looked.insert(found.key, found);
        }
        for (value, keys) in groups {
            for key in keys {
                let Some(found) = looked.get(key) else { continue };
                let values = found.values.iter().map(|value| value.as_ref().unwrap_or(&Sorted::None));
                let is_here = values.clone().take(level).eq(self.fixed.iter())
                    && value.as_ref().is_none_or(|value| values.clone().nth(level) == Some(value));
                if is_here {
                    self.beyond += usize::from(self.order.is_beyond(found));
                    self.found.push(found.clone());
                }
            }
        }
        Ok(if self.beyond >= self.enough {
            End::Full
        } else if self.looked_at > MOST_LOOKED_AT {
            End::GivenUp
        } else {
            End::Exhausted
        })
    }
}
