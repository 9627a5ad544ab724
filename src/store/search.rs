//! Runs searches: one statement for the page, one for the total, one an include.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::connection::{Connection, Statement};
use super::cursor::{Cursor, CursorKey};
use super::explain::Explanation;
use super::gather::by_ids;
use super::narrow;
use super::parameters::{Unfinished, unfinished};
use super::query_sql::{key_set, restrict};
use super::record::VersionRecord;
use super::sets::{Keys, Seen, Sets, are_sets, place_of};
use super::shown::is_about_itself;
use super::sort::rows;
use super::view::{InForce, View};
use super::{StoreError, Version, type_of_key, view, walk};
use crate::format::json;
use crate::r4::definitions;
use crate::search::extract::{ExtractOptions, extract};
use crate::search::query::{Among, Condition, Include, Query};

mod named;

/// Most resources that includes may add to a page.
pub(super) const MOST_INCLUDED: usize = 1000;
/// Rows that a probe for the leader counts.
pub(super) const PROBED: i64 = 2000;

/// A resource that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Number of its type.
    pub type_number: u8,
    /// Logical id.
    pub id: String,
    /// Its current version.
    pub version: Version,
    /// Its key.
    pub key: i64,
}

/// A page of a search.
#[derive(Debug, Clone, Default)]
pub struct SearchPage {
    /// Matches, in order.
    pub matches: Vec<Found>,
    /// Added by `_include` and `_revinclude`.
    pub included: Vec<Found>,
    /// Number of matches over all pages, when asked for.
    pub total: Option<i64>,
    /// Position of the next page.
    pub next: Option<String>,
    /// Position of the page before, when this is not the first.
    pub previous: Option<String>,
    /// Instead of all that: how the search would be done.
    pub explained: Option<Explanation>,
    /// Includes were cut off at the limit.
    pub included_truncated: bool,
    /// Parameters by which not all resources are indexed yet: matches may be missing.
    pub unfinished: Vec<Unfinished>,
}

#[derive(QueryableByName)]
pub(super) struct Record {
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(embed)]
    version: VersionRecord,
}

#[derive(QueryableByName)]
pub(super) struct SortRecord {
    #[diesel(embed)]
    pub(super) record: Record,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) s0: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) s1: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) s2: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) s3: Option<String>,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

impl Record {
    pub(super) fn found(self) -> Found {
        Found { type_number: type_of_key(self.key), id: self.id, version: self.version.into(), key: self.key }
    }
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs
        .remainder()
        .is_empty()
        .then(|| digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

pub(super) const COLUMNS: &str = "r.key, r.id, r.version, r.updated, r.method, r.body";

/// The resources that meet a query, at most `limit`, oldest first.
pub(super) fn matches(connection: &mut Connection, query: &Query, limit: u32) -> Result<Vec<Found>, StoreError> {
    let mut statement = Statement::new("SELECT ");
    statement.sql(COLUMNS);
    from_where(connection, &mut statement, query)?;
    statement.sql(" ORDER BY r.key LIMIT ").bind(i64::from(limit));
    Ok(connection.load::<Record>(&statement)?.into_iter().map(Record::found).collect())
}

/// One page with everything that belongs to it, on one snapshot.
pub(super) fn page(
    connection: &mut Connection,
    query: &Query,
    count: u32,
    with_total: bool,
    options: &ExtractOptions,
    sets: &Sets,
) -> Result<SearchPage, StoreError> {
    connection.snapshot(|connection| page_within(connection, query, count, with_total, options, Some(sets)))
}

/// One page inside a transaction that is open already, with sets if nothing was written in there.
pub(super) fn page_within(
    connection: &mut Connection,
    query: &Query,
    count: u32,
    with_total: bool,
    options: &ExtractOptions,
    sets: Option<&Sets>,
) -> Result<SearchPage, StoreError> {
    // A position is one of the same type and order.
    let about = format!("{} {:?}{}", query.type_number, query.sort, view::name());
    let cursor = match &query.cursor {
        Some(text) => Some(Cursor::read(text, &CursorKey::load(connection)?, &about)?),
        None => None,
    };
    let mut page = SearchPage { unfinished: unfinished(connection, query)?, ..SearchPage::default() };
    let merged = narrow::merged(query, options);
    let query = merged.as_ref().unwrap_or(query);
    // Rows that come while a parameter is built follow from no change.
    let sets = sets.filter(|_| page.unfinished.is_empty());
    let wanted = Wanted { query, count, with_total, cursor: cursor.as_ref(), options };
    let view = view::current();
    let seen = match sets {
        Some(sets) => {
            let _everything = InForce::of(None);
            Some(sets.seen(connection, options)?)
        }
        None => None,
    };
    let found = match (&view, &seen) {
        (None, seen) => wanted.found(connection, seen.as_ref().filter(|_| query.type_number != 0), None)?,
        (Some(view), Some(seen)) => {
            // Everything is asked, and of what is found only that counts which the view shows.
            let _everything = InForce::of(None);
            wanted.shown(connection, seen, view)?
        }
        _ => None,
    };
    // Sets are of everything: without them, the view stands before each statement.
    let found = match found {
        Some(found) => found,
        None => wanted.found(connection, None, None)?.unwrap_or_default(),
    };
    page.total = found.total;
    let mut rows = found.rows;
    if count == 0 {
        return Ok(page);
    }
    let is_backward = cursor.as_ref().is_some_and(|cursor| cursor.b);
    let goes_on = rows.len() > count as usize;
    rows.truncate(count as usize);
    if is_backward {
        rows.reverse();
    }
    let (has_next, has_previous) = if is_backward { (true, goes_on) } else { (goes_on, cursor.is_some()) };
    if has_next || has_previous {
        let key = CursorKey::load(connection)?;
        let position = |row: &SortRecord, b: bool| {
            let mut s = vec![row.s0.clone(), row.s1.clone(), row.s2.clone(), row.s3.clone()];
            s.truncate(query.sort.len());
            Cursor { s, k: row.record.key, t: page.total, b }.write(&key, &about)
        };
        page.next = rows.last().filter(|_| has_next).map(|row| position(row, false));
        page.previous = rows.first().filter(|_| has_previous).map(|row| position(row, true));
    }
    page.matches = rows.into_iter().map(|row| row.record.found()).collect();
    if let (Some(view), Some(seen)) = (&view, &seen) {
        let _everything = InForce::of(None);
        if include(connection, query, &mut page, options, Some((seen, view)))? {
            return Ok(page);
        }
        page.included.clear();
        page.included_truncated = false;
    }
    include(connection, query, &mut page, options, None)?;
    Ok(page)
}

/// What is asked for.
struct Wanted<'w> {
    query: &'w Query,
    count: u32,
    with_total: bool,
    cursor: Option<&'w Cursor>,
    options: &'w ExtractOptions,
}

/// What was found: the rows of the page and one more, and how many there are over all pages.
#[derive(Default)]
struct Rows {
    rows: Vec<SortRecord>,
    total: Option<i64>,
}

impl Wanted<'_> {
    /// Finds it among what a view shows; `None` where that is no set. No view may be in force.
    fn shown(
        &self,
        connection: &mut Connection,
        seen: &Seen<'_>,
        view: &Arc<View>,
    ) -> Result<Option<Rows>, StoreError> {
        if self.query.type_number == 0 {
            return self.shown_across(connection, seen, view);
        }
        let Some(shown) = seen.shown(connection, view, self.query.type_number)? else { return Ok(None) };
        let (own, links): (Vec<&Condition>, Vec<&Condition>) =
            self.query.conditions.iter().partition(|condition| is_about_itself(condition));
        if links.is_empty() {
            return self.found(connection, Some(seen), Some(&shown));
        }
        let Some(shown) = seen.linked(connection, view, self.query.type_number, shown, &links)? else {
            return Ok(None);
        };
        let query = Query { conditions: own.into_iter().cloned().collect(), ..self.query.clone() };
        Wanted { query: &query, ..*self }.found(connection, Some(seen), Some(&shown))
    }

    /// The same across types, where few resources meet one of the conditions.
    fn shown_across(
        &self,
        connection: &mut Connection,
        seen: &Seen<'_>,
        view: &Arc<View>,
    ) -> Result<Option<Rows>, StoreError> {
        let is_itself = |condition: &Condition| match condition {
            Condition::Across { condition, .. } => is_about_itself(condition),
            condition => is_about_itself(condition),
        };
        if self.query.among.is_some() || !self.query.conditions.iter().all(is_itself) {
            return Ok(None);
        }
        let sets = self.query.conditions.iter().enumerate();
        let Some((met, set)) = sets.filter_map(|(place, one)| Some((place, key_set(one)?))).next() else {
            return Ok(None);
        };
        let Some(keys) = narrow::keys_listed(connection, set)? else { return Ok(None) };
        let mut by_type: BTreeMap<u8, Vec<i64>> = BTreeMap::new();
        for key in keys {
            by_type.entry(type_of_key(key)).or_default().push(key);
        }
        let mut among = Vec::new();
        for (number, keys) in by_type {
            if !self.query.types.is_empty() && !self.query.types.contains(&number) {
                continue;
            }
            let Some(shown) = seen.shown(connection, view, number)? else { return Ok(None) };
            let keys = keys.into_iter().filter(|key| is_among(*key, &shown));
            among.extend(keys.map(|key| Among { key, values: Vec::new() }));
        }
        let mut conditions = self.query.conditions.clone();
        conditions.remove(met);
        let query = Query { among: Some(among), conditions, ..self.query.clone() };
        Wanted { query: &query, ..*self }.found(connection, None, None)
    }

    /// Finds it; with `shown` only among these, though no view stands before the statements: then every way ends in
    /// keys that were held against it, or in `None`.
    fn found(
        &self,
        connection: &mut Connection,
        seen: Option<&Seen<'_>>,
        shown: Option<&Keys>,
    ) -> Result<Option<Rows>, StoreError> {
        let Self { query, count, cursor, options, .. } = *self;
        let mut narrowed = narrow::by_candidates(connection, query, seen, options)?;
        if let (Some(shown), Some(narrowed)) = (shown, &mut narrowed) {
            narrowed.among.iter_mut().for_each(|among| among.retain(|found| is_among(found.key, shown)));
        }
        let query = narrowed.as_ref().unwrap_or(query);
        let mut whole = match query.among {
            None if !query.conditions.is_empty() => matches_set(connection, query, seen)?,
            _ => None,
        };
        if let (Some(shown), None) = (shown, &query.among) {
            let all = match (whole, seen) {
                (Some(all), _) => all,
                (None, _) if query.conditions.is_empty() => shown.clone(),
                (None, Some(seen)) if are_sets(query) => match seen.of_query(connection, query)? {
                    Some(all) => all,
                    None => return Ok(None),
                },
                _ => return Ok(None),
            };
            whole = Some(all & shown);
        }
        let mut found = Rows::default();
        if self.with_total {
            found.total = match cursor.and_then(|cursor| cursor.t) {
                Some(total) => Some(total),
                None => {
                    let counted = match seen.filter(|_| whole.is_none() && are_sets(query)) {
                        Some(seen) => seen.of_query(connection, query)?,
                        None => None,
                    };
                    match whole.as_ref().or(counted.as_ref()) {
                        Some(keys) => i64::try_from(keys.len()).ok(),
                        None => Some(total(connection, query)?),
                    }
                }
            };
        }
        if count == 0 {
            return Ok(Some(found));
        }
        let ordered = match &query.among {
            None => narrow::in_order(connection, query, count, cursor, seen, whole.take(), options)?,
            Some(among) if query.conditions.is_empty() => walk::first(query, count, cursor, among),
            Some(_) => None,
        };
        let query = ordered.as_ref().unwrap_or(query);
        if shown.is_some() && query.among.is_none() {
            return Ok(None);
        }
        found.rows = match &query.among {
            Some(none) if none.is_empty() => Vec::new(),
            _ => rows(connection, query, count, cursor)?,
        };
        if let Some(shown) = shown {
            found.rows.retain(|row| is_among(row.record.key, shown));
        }
        Ok(Some(found))
    }
}

fn is_among(key: i64, shown: &Keys) -> bool {
    place_of(key).is_some_and(|place| shown.contains(place))
}

/// All matches, where they are kept as a set or soon found.
fn matches_set(
    connection: &mut Connection,
    query: &Query,
    seen: Option<&Seen<'_>>,
) -> Result<Option<Keys>, StoreError> {
    if let Some(seen) = seen.filter(|_| are_sets(query))
        && (seen.has(query) || seen.few_refer(connection, query)?)
    {
        return seen.of_query(connection, query);
    }
    narrow::few(connection, query)
}

/// ` FROM … WHERE …` of a query. The most selective indexed condition leads: how many rows each has
/// is measured up to a bound, which costs far less than a wrong order.
pub(super) fn from_where(
    connection: &mut Connection,
    statement: &mut Statement,
    query: &Query,
) -> Result<(), StoreError> {
    let leader = leader(connection, query)?;
    match leader {
        Some((_, ref keys)) => {
            statement.sql(" FROM (SELECT DISTINCT key FROM (").append(keys.clone());
            statement.sql(") k) d JOIN resource r ON r.key = d.key");
        }
        None => {
            statement.sql(" FROM resource r");
        }
    }
    statement.sql(" WHERE r.state = 1");
    match query.type_number {
        0 => across_types(statement, query, leader.is_some()),
        number => {
            statement.sql(" AND r.type = ").bind(i64::from(number));
        }
    }
    if let Some(among) = &query.among {
        narrow::among(statement, "r.key", among.iter().map(|found| found.key));
    }
    for (place, condition) in query.conditions.iter().enumerate() {
        if leader.as_ref().is_none_or(|(leading, _)| *leading != place) {
            restrict(statement, condition);
        }
    }
    if query.conditions.len() > 2 {
        statement.uncached();
    }
    Ok(())
}

/// The types of a search across types.
fn across_types(statement: &mut Statement, query: &Query, is_led: bool) {
    // Ids and times are indexed by type: all types are named for the sake of the index.
    let by_type = |condition: &Condition| matches!(condition, Condition::Id(_) | Condition::LastUpdated(_));
    let every: Vec<u8> = (1..=u8::try_from(definitions().resources().len()).unwrap_or(u8::MAX)).collect();
    let types = match query.types.as_slice() {
        [] if is_led || !query.conditions.iter().any(by_type) => return,
        [] => &every,
        some => some,
    };
    // The plus keeps SQLite from starting at the type when there is a leader.
    statement.sql(if is_led { " AND +r.type IN " } else { " AND r.type IN " });
    statement.bind_list(types.iter().map(|number| i64::from(*number))).uncached();
}

/// The place and keys of the condition to start from, unless ids are given (nothing is more
/// selective).
pub(super) fn leader(connection: &mut Connection, query: &Query) -> Result<Option<(usize, Statement)>, StoreError> {
    if query.among.is_some() || query.conditions.iter().any(|condition| matches!(condition, Condition::Id(_))) {
        return Ok(None);
    }
    let sets = query.conditions.iter().enumerate();
    let mut candidates: Vec<(usize, Statement)> =
        sets.filter_map(|(place, condition)| Some((place, key_set(condition)?))).collect();
    if candidates.len() < 2 {
        return Ok(candidates.pop());
    }
    // What goes along references costs more to probe: last, and only if nothing else is selective.
    let is_link =
        |place: usize| matches!(query.conditions.get(place), Some(Condition::Chain { .. } | Condition::Has { .. }));
    candidates.sort_by_key(|(place, _)| is_link(*place));
    let mut best: Option<(i64, (usize, Statement))> = None;
    for candidate in candidates {
        if is_link(candidate.0) && best.as_ref().is_some_and(|(least, _)| *least < PROBED) {
            break;
        }
        let count = probe(connection, candidate.1.clone())?;
        if best.as_ref().is_none_or(|(least, _)| count < *least) {
            best = Some((count, candidate));
        }
    }
    Ok(best.map(|(_, candidate)| candidate))
}

/// Counts a set up to a bound.
pub(super) fn probe(connection: &mut Connection, keys: Statement) -> Result<i64, StoreError> {
    let mut probe = Statement::new("SELECT count(*) AS n FROM (");
    probe.append(keys).sql(" LIMIT ").bind(PROBED).sql(") k");
    Ok(connection.load::<Count>(&probe)?.first().map_or(0, |count| count.n))
}

fn total(connection: &mut Connection, query: &Query) -> Result<i64, StoreError> {
    if let (Some(among), []) = (&query.among, query.conditions.as_slice()) {
        return Ok(i64::try_from(among.len()).unwrap_or(i64::MAX));
    }
    let statement = total_statement(connection, query)?;
    Ok(connection.load::<Count>(&statement)?.first().map_or(0, |count| count.n))
}

pub(super) fn total_statement(connection: &mut Connection, query: &Query) -> Result<Statement, StoreError> {
    let mut statement = Statement::default();
    match query.conditions.as_slice() {
        // Index rows exist for live resources only: no need to touch them.
        [condition @ (Condition::Indexed { negated: false, .. } | Condition::Chain { .. })]
            if query.among.is_none() =>
        {
            let keys = key_set(condition).unwrap_or_default();
            statement.sql("SELECT count(DISTINCT key) AS n FROM (").append(keys).sql(") k");
        }
        conditions => match broad_sets(connection, query, conditions)? {
            Some(sets) => {
                statement.sql("SELECT count(*) AS n FROM (");
                for (place, keys) in sets.into_iter().enumerate() {
                    statement.sql(if place == 0 { "SELECT key FROM (" } else { " INTERSECT SELECT key FROM (" });
                    statement.append(keys).sql(&format!(") s{place}"));
                }
                statement.sql(") k").uncached();
            }
            None => {
                statement.sql("SELECT count(*) AS n");
                from_where(connection, &mut statement, query)?;
            }
        },
    }
    Ok(statement)
}

/// The sets of a query whose conditions are all broad: what they have in common is counted by going
/// through each once, where asking the others for each resource of one would go to and fro.
fn broad_sets(
    connection: &mut Connection,
    query: &Query,
    conditions: &[Condition],
) -> Result<Option<Vec<Statement>>, StoreError> {
    let is_plain = |condition: &Condition| matches!(condition, Condition::Indexed { negated: false, .. });
    if conditions.len() < 2 || query.type_number == 0 || query.among.is_some() || !conditions.iter().all(is_plain) {
        return Ok(None);
    }
    let Some(sets) = conditions.iter().map(key_set).collect::<Option<Vec<_>>>() else { return Ok(None) };
    for keys in &sets {
        if probe(connection, keys.clone())? < PROBED {
            return Ok(None);
        }
    }
    Ok(Some(sets))
}

/// Adds what `_include` and `_revinclude` ask for; `:iterate` goes on from what was included. With a view only what it
/// shows, though it is not in force; `false` where that is not told.
fn include(
    connection: &mut Connection,
    query: &Query,
    page: &mut SearchPage,
    options: &ExtractOptions,
    shown: Option<(&Seen<'_>, &Arc<View>)>,
) -> Result<bool, StoreError> {
    if query.includes.is_empty() {
        return Ok(true);
    }
    let mut seen: HashSet<i64> = page.matches.iter().map(|found| found.key).collect();
    let mut frontier: Vec<Found> = page.matches.clone();
    let mut first_round = true;
    while !frontier.is_empty() {
        let mut added = Vec::new();
        for include in
            query.includes.iter().filter(|include| (first_round || include.iterate) && !include.parameters.is_empty())
        {
            let found = if include.reverse {
                let mut found = referrers(connection, include, &frontier)?;
                found.extend(named::referrers(connection, &options.registry, include, &frontier)?);
                found
            } else {
                targets(connection, include, &frontier, options)?
            };
            let found = match shown {
                None => found,
                // What was cut off may hold what is shown.
                Some(_) if found.len() > MOST_INCLUDED => return Ok(false),
                Some((seen, view)) => match only_shown(connection, found, seen, view)? {
                    Some(found) => found,
                    None => return Ok(false),
                },
            };
            for resource in found {
                if page.included.len() + added.len() >= MOST_INCLUDED {
                    page.included_truncated = true;
                    break;
                }
                if seen.insert(resource.key) {
                    added.push(resource);
                }
            }
        }
        page.included.extend(added.iter().cloned());
        frontier = added;
        first_round = false;
    }
    Ok(true)
}

/// Those that a view shows; `None` where it is no set.
fn only_shown(
    connection: &mut Connection,
    found: Vec<Found>,
    seen: &Seen<'_>,
    view: &Arc<View>,
) -> Result<Option<Vec<Found>>, StoreError> {
    let mut sets: BTreeMap<u8, Arc<Keys>> = BTreeMap::new();
    for number in found.iter().map(|found| found.type_number).collect::<BTreeSet<u8>>() {
        let Some(shown) = seen.shown(connection, view, number)? else { return Ok(None) };
        sets.insert(number, shown);
    }
    let is_shown = |found: &Found| sets.get(&found.type_number).is_some_and(|shown| is_among(found.key, shown));
    Ok(Some(found.into_iter().filter(is_shown).collect()))
}

/// Resources that refer to one of `frontier`: a range of the reference table.
fn referrers(connection: &mut Connection, include: &Include, frontier: &[Found]) -> Result<Vec<Found>, StoreError> {
    let targets = frontier.iter().filter(|found| include.target_type.is_none_or(|wanted| wanted == found.type_number));
    let targets: Vec<i64> = targets.map(|found| found.key).collect();
    let mut all = Vec::new();
    for chunk in targets.chunks(256) {
        let mut statement = Statement::new("SELECT ");
        statement
            .sql(COLUMNS)
            .sql(" FROM resource r WHERE r.state = 1 AND r.key IN (SELECT key FROM reference WHERE parameter IN ");
        statement.bind_list(include.parameters.iter().map(|number| i64::from(*number)));
        statement.sql(" AND target IN ").bind_list(chunk.iter().copied());
        statement.sql(") ORDER BY r.key LIMIT ").bind(MOST_INCLUDED as i64 + 1).uncached();
        all.extend(connection.load::<Record>(&statement)?.into_iter().map(Record::found));
    }
    Ok(all)
}

/// Resources that one of `frontier` refers to: read off the bodies, which are at hand.
fn targets(
    connection: &mut Connection,
    include: &Include,
    frontier: &[Found],
    options: &ExtractOptions,
) -> Result<Vec<Found>, StoreError> {
    let mut wanted: BTreeMap<u8, BTreeSet<String>> = BTreeMap::new();
    let mut names = named::Names::new();
    for found in frontier.iter().filter(|found| found.type_number == include.source_type) {
        let Ok(resource) = json::parse(&found.version.body) else { continue };
        let rows = extract(found.type_number, &resource, options);
        for row in rows.uris.into_iter().filter(|row| include.parameters.contains(&row.parameter)) {
            names.entry(row.uri).or_default().insert(row.version);
        }
        for row in rows.references {
            let fits = include.target_type.is_none_or(|wanted| wanted == row.target_type);
            if fits && include.parameters.contains(&row.parameter) {
                wanted.entry(row.target_type).or_default().insert(row.target_id);
            }
        }
    }
    let mut all = Vec::new();
    for (type_number, ids) in wanted {
        let ids: Vec<String> = ids.into_iter().collect();
        all.extend(by_ids(connection, type_number, &ids)?);
    }
    if !names.is_empty() {
        all.extend(named::targets(connection, &options.registry, include, &names)?);
    }
    Ok(all)
}
