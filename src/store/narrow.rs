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
//!   result (by key, or along the index of a date that is sorted by) until the page is full; after
//!   [`MOST_LOOKED_AT`] it is given up.
//!
//! The search goes on as SQL in either case, so that order, position and page are made in one place.

use std::collections::HashSet;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};

use super::StoreError;
use super::connection::{Connection, Statement};
use super::holds::{Candidate, holds, is_decidable, parameter};
use super::index::{fit, split_string};
use super::query_sql::key_set;
use super::record::VersionRecord;
use super::search::COLUMNS;
use crate::format::json;
use crate::r4::definitions;
use crate::r4::parameters::ParameterKind;
use crate::search::extract::{ExtractOptions, extract_some};
use crate::search::query::{Among, Condition, Query, RowTest, SortBy, SortKey, Sorted, Test};
use crate::search::rows::IndexRows;

/// Candidates that are read.
const FEW: i64 = 512;
/// So few candidates that no other condition is asked for fewer.
const FEW_ENOUGH: usize = 32;
/// Resources that are looked at in order, for one page.
const MOST_LOOKED_AT: usize = 2000;
/// Of them, at once.
const STEP: usize = 250;

/// Lengths of lists of keys.
const PADDED: [usize; 3] = [32, 512, 2048];

#[derive(QueryableByName)]
struct KeyRecord {
    #[diesel(sql_type = BigInt)]
    key: i64,
}

#[derive(QueryableByName)]
struct Body {
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(embed)]
    version: VersionRecord,
}

#[derive(QueryableByName)]
struct Dated {
    #[diesel(sql_type = BigInt)]
    low: i64,
    #[diesel(sql_type = BigInt)]
    high: i64,
    #[diesel(embed)]
    body: Body,
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
    options: &ExtractOptions,
) -> Result<Option<Query>, StoreError> {
    let is_sorted = query.sort.iter().any(|key| matches!(key.by, SortBy::Parameter { .. }));
    if query.type_number == 0 || (query.conditions.len() < 2 && !is_sorted) {
        return Ok(None);
    }
    let mut least: Option<(usize, Vec<i64>)> = None;
    for (place, condition) in query.conditions.iter().enumerate() {
        let Some(set) = candidates(query, condition) else { continue };
        let mut statement = Statement::new("SELECT key FROM (");
        statement.append(set).sql(") s LIMIT ").bind(FEW + 1);
        let mut keys: Vec<i64> =
            connection.load::<KeyRecord>(&statement)?.into_iter().map(|record| record.key).collect();
        let is_whole = i64::try_from(keys.len()).is_ok_and(|count| count <= FEW);
        keys.sort_unstable();
        keys.dedup();
        if is_whole && least.as_ref().is_none_or(|(_, least)| keys.len() < least.len()) {
            least = Some((place, keys));
        }
        if least.as_ref().is_some_and(|(_, least)| least.len() <= FEW_ENOUGH) {
            break;
        }
    }
    let Some((leading, keys)) = least else { return Ok(None) };
    let others = query.conditions.iter().enumerate().filter(|(place, _)| *place != leading).map(|(_, other)| other);
    let (decided, left): (Vec<&Condition>, Vec<&Condition>) = others.partition(|other| is_decidable(other));
    let reader = Reader::new(query, &decided, options);
    let mut among = Vec::new();
    for body in bodies(connection, query.type_number, &keys)? {
        among.extend(reader.look(&body).map(|(found, _)| found));
    }
    let conditions = left.into_iter().cloned().collect();
    Ok(Some(Query { conditions, among: Some(among), ..query.clone() }))
}

/// The keys that meet a condition, if it may lead: nothing along references, whose sets cost to make.
fn candidates(query: &Query, condition: &Condition) -> Option<Statement> {
    match condition {
        Condition::Id(ids) => {
            let mut statement = Statement::new("SELECT key FROM resource WHERE state = 1 AND type = ");
            statement.bind(i64::from(query.type_number)).sql(" AND id IN ");
            statement.bind_list(ids.iter().map(String::as_str));
            Some(statement)
        }
        Condition::Indexed { .. } | Condition::Compartment { .. } => key_set(condition),
        _ => None,
    }
}

/// ` AND r.key IN (…)`, in few lengths, so that the statement stays in the connection's cache.
pub(super) fn among(statement: &mut Statement, keys: impl ExactSizeIterator<Item = i64> + Clone) {
    let Some(first) = keys.clone().next() else {
        statement.sql(" AND 1 = 0");
        return;
    };
    let length = PADDED.into_iter().find(|length| keys.len() <= *length).unwrap_or(keys.len());
    let padding = std::iter::repeat_n(first, length - keys.len());
    statement.sql(" AND r.key IN ").bind_list(keys.chain(padding));
}

fn bodies(connection: &mut Connection, type_number: u8, keys: &[i64]) -> Result<Vec<Body>, StoreError> {
    let mut all = Vec::new();
    for chunk in keys.chunks(PADDED[0]) {
        let mut statement = Statement::new("SELECT ");
        statement.sql(COLUMNS).sql(" FROM resource r WHERE r.state = 1 AND r.type = ").bind(i64::from(type_number));
        among(&mut statement, chunk.iter().copied());
        all.extend(connection.load::<Body>(&statement)?);
    }
    Ok(all)
}

/// The same search over the keys of one page, found by going along its order.
pub(super) fn in_order(
    connection: &mut Connection,
    query: &Query,
    count: u32,
    position: Option<(&[Option<String>], i64)>,
    options: &ExtractOptions,
) -> Result<Option<Query>, StoreError> {
    if query.type_number == 0 || !query.conditions.iter().all(is_decidable) {
        return Ok(None);
    }
    let decided: Vec<&Condition> = query.conditions.iter().collect();
    let reader = Reader::new(query, &decided, options);
    let enough = count as usize + 1;
    let among = match query.sort.as_slice() {
        [] if !query.conditions.is_empty() && is_broad(connection, query)? => {
            by_key(connection, query, &reader, enough, position.map_or(i64::MIN, |(_, key)| key))?
        }
        [SortKey { by: SortBy::Parameter { parameter, kind: ParameterKind::Date }, descending }, ..] => {
            let start = match position {
                None => None,
                Some((values, _)) => match values.first().cloned().flatten().map(|text| text.parse()) {
                    Some(Ok(value)) => Some(value),
                    // Beyond what has a date, or no position of ours.
                    _ => return Ok(None),
                },
            };
            by_date(connection, &reader, (*parameter, *descending), enough, start)?
        }
        _ => None,
    };
    Ok(among.map(|among| Query { conditions: Vec::new(), among: Some(among), ..query.clone() }))
}

/// Whether no condition is met by fewer than would be looked at.
fn is_broad(connection: &mut Connection, query: &Query) -> Result<bool, StoreError> {
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
        for body in step {
            after = body.key;
            among.extend(reader.look(&body).map(|(found, _)| found));
            if among.len() >= enough {
                return Ok(Some(among));
            }
        }
        if is_last {
            return Ok(Some(among));
        }
    }
    Ok(None)
}

fn by_date(
    connection: &mut Connection,
    reader: &Reader<'_>,
    (parameter, descending): (i32, bool),
    enough: usize,
    start: Option<i64>,
) -> Result<Option<Vec<Among>>, StoreError> {
    let (beyond, direction) = if descending { ("<", " DESC") } else { (">", "") };
    let end = if descending { i64::MAX } else { i64::MIN };
    // Just before the first row of the value where the page starts.
    let mut at = match start {
        Some(low) => (low, end, end),
        None => (end, end, end),
    };
    let order = |of: &str| format!("{of}low{direction}, {of}high{direction}, {of}key{direction}");
    let mut among: Vec<Among> = Vec::new();
    let mut seen = HashSet::new();
    let mut looked_at = 0;
    // Those at the starting value may be of the page before: they are offered, but fill nothing.
    let mut beyond_start = 0;
    let mut last = None;
    while looked_at < MOST_LOOKED_AT {
        let mut statement = Statement::new("SELECT d.low, d.high, ");
        statement.sql(COLUMNS).sql(" FROM (SELECT low, high, key FROM date WHERE parameter = ");
        statement.bind(i64::from(parameter));
        statement.sql(&format!(" AND (low, high, key) {beyond} ("));
        statement.bind(at.0).sql(", ").bind(at.1).sql(", ").bind(at.2);
        statement.sql(&format!(") ORDER BY {} LIMIT ", order(""))).bind(STEP as i64);
        statement.sql(&format!(") d JOIN resource r ON r.key = d.key ORDER BY {}", order("d.")));
        let step: Vec<Dated> = connection.load(&statement)?;
        looked_at += step.len();
        let is_last = step.len() < STEP;
        for row in step {
            at = (row.low, row.high, row.body.key);
            if beyond_start >= enough && last != Some(row.low) {
                return Ok(Some(among));
            }
            if !seen.insert(row.body.key) {
                continue;
            }
            let Some((found, rows)) = reader.look(&row.body) else { continue };
            // Of several dates the one it is sorted by counts.
            let dates = rows.dates.iter().filter(|date| date.parameter == parameter).map(|date| date.low);
            if (if descending { dates.max() } else { dates.min() }) != Some(row.low) {
                seen.remove(&row.body.key);
                continue;
            }
            beyond_start += usize::from(start != Some(row.low));
            last = Some(row.low);
            among.push(found);
        }
        if is_last {
            // What has no date comes after: another plan knows it.
            return Ok((beyond_start >= enough).then_some(among));
        }
    }
    Ok(None)
}

/// Decides conditions on resources and takes their sort values.
struct Reader<'r> {
    type_number: u8,
    decided: &'r [&'r Condition],
    sort: &'r [SortKey],
    parameters: Vec<i32>,
    options: &'r ExtractOptions,
}

impl<'r> Reader<'r> {
    fn new(query: &'r Query, decided: &'r [&'r Condition], options: &'r ExtractOptions) -> Self {
        let sorted = query.sort.iter().filter_map(|key| match key.by {
            SortBy::Parameter { parameter, .. } => Some(parameter),
            _ => None,
        });
        let parameters = decided.iter().filter_map(|condition| parameter(condition)).chain(sorted).collect();
        Self { type_number: query.type_number, decided, sort: &query.sort, parameters, options }
    }

    /// The resource with its sort values, if it meets all conditions, and the rows it was seen by.
    fn look(&self, body: &Body) -> Option<(Among, IndexRows)> {
        let resource = json::parse(&body.version.body).ok()?;
        let rows = extract_some(self.type_number, &resource, self.options, |parameter| {
            // Second forms and identifiers come with the parameter itself.
            let is_meant = |number: i32| number == parameter.number || Some(number) == parameter.identifier;
            self.parameters.iter().any(|number| is_meant(number.abs()))
        });
        let candidate = Candidate { id: &body.id, updated: body.version.updated, rows: &rows };
        if !self.decided.iter().all(|condition| holds(condition, &candidate)) {
            return None;
        }
        let values = self.sort.iter().map(|key| sorted(key, &rows)).collect();
        Some((Among { key: body.key, values }, rows))
    }
}

/// What `sort` orders a resource by. The outer `None`: not known from the body.
fn sorted(key: &SortKey, rows: &IndexRows) -> Option<Sorted> {
    let SortBy::Parameter { parameter, kind } = key.by else { return Some(Sorted::None) };
    let descending = key.descending;
    fn pick<T: Ord>(values: impl Iterator<Item = T>, descending: bool) -> Option<T> {
        if descending { values.max() } else { values.min() }
    }
    let found = match kind {
        ParameterKind::Date => {
            let own = rows.dates.iter().filter(|row| row.parameter == parameter).map(|row| row.low);
            pick(own, descending).map(Sorted::Integer)
        }
        ParameterKind::String => {
            let own = rows.strings.iter().filter(|row| row.parameter == parameter);
            let own = own.map(|row| split_string(&row.folded).0.to_owned());
            pick(own, descending).map(Sorted::Text)
        }
        ParameterKind::Token => {
            let own = rows.tokens.iter().filter(|row| row.parameter == parameter).map(|row| fit(&row.code));
            pick(own, descending).map(Sorted::Text)
        }
        _ => return None,
    };
    Some(found.unwrap_or(Sorted::None))
}
