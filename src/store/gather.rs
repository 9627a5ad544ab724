//! A page of resources with everything they need to be understood: what `$everything` and documents
//! answer. As a search, but bodies may be asked too, and references are followed by their bodies.
//!
//! Cost: the page of the search; when bodies are asked, a bounded number of further pages until the page
//! is full; one look-up by id for each type that is referred to, a step.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::StoreError;
use super::connection::{Connection, Statement};
use super::search::{COLUMNS, Found, MOST_INCLUDED, Record, SearchPage, page_within};
use super::sets::Sets;
use crate::format::json::{self, Node};
use crate::r4::definitions;
use crate::r4::reference::Reference;
use crate::search::query::Query;

/// Further pages that are read to fill one.
const ROUNDS: usize = 20;

/// Whether a resource (its type and body) is wanted.
pub type Wanted<'a> = &'a dyn Fn(&Found, &Node<'_>) -> bool;

/// What to gather.
pub struct Gathering<'a> {
    /// Which resources, in order.
    pub query: &'a Query,
    /// How many.
    pub count: u32,
    /// Count all of them; only without `wanted`.
    pub with_total: bool,
    /// Of those, the ones that are wanted.
    pub wanted: Option<Wanted<'a>>,
    /// The types that references are followed to.
    pub follows: &'a dyn Fn(u8) -> bool,
    /// How many references one after another are followed.
    pub steps: usize,
    /// This server's own URL: references under it are local.
    pub base: &'a str,
}

impl std::fmt::Debug for Gathering<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gathering").field("query", self.query).finish_non_exhaustive()
    }
}

/// Gathers on one snapshot.
pub(super) fn gather(
    connection: &mut Connection,
    gathering: &Gathering<'_>,
    options: &crate::search::extract::ExtractOptions,
    sets: &Sets,
) -> Result<SearchPage, StoreError> {
    connection.snapshot(|connection| {
        let mut query = gathering.query.clone();
        let mut page = SearchPage::default();
        for round in 0..ROUNDS {
            let room = gathering.count.saturating_sub(u32::try_from(page.matches.len()).unwrap_or(u32::MAX));
            if room == 0 {
                break;
            }
            let with_total = gathering.with_total && gathering.wanted.is_none() && round == 0;
            let mut more = page_within(connection, &query, room, with_total, options, Some(sets))?;
            page.total = page.total.or(more.total);
            if let Some(wanted) = gathering.wanted {
                more.matches.retain(|found| json::parse(&found.version.body).is_ok_and(|body| wanted(found, &body)));
            }
            page.matches.append(&mut more.matches);
            page.next = more.next;
            if page.next.is_none() {
                break;
            }
            query.cursor.clone_from(&page.next);
        }
        follow(connection, gathering, &mut page)?;
        Ok(page)
    })
}

/// Adds what the matches refer to.
fn follow(connection: &mut Connection, gathering: &Gathering<'_>, page: &mut SearchPage) -> Result<(), StoreError> {
    let mut seen: HashSet<(u8, String)> =
        page.matches.iter().map(|found| (found.type_number, found.id.clone())).collect();
    let mut start = 0;
    for step in 0..gathering.steps {
        let mut targets: BTreeMap<u8, BTreeSet<String>> = BTreeMap::new();
        let sources = if step == 0 { page.matches.as_slice() } else { page.included.get(start..).unwrap_or_default() };
        for found in sources {
            let Ok(body) = json::parse(&found.version.body) else { continue };
            references(&body, gathering.base, &mut |type_number, id| {
                if (gathering.follows)(type_number) && seen.insert((type_number, id.to_owned())) {
                    targets.entry(type_number).or_default().insert(id.to_owned());
                }
            });
        }
        start = page.included.len();
        for (type_number, ids) in targets {
            let room = MOST_INCLUDED.saturating_sub(page.included.len());
            page.included_truncated |= ids.len() > room;
            let ids: Vec<String> = ids.into_iter().take(room).collect();
            page.included.extend(by_ids(connection, type_number, &ids)?);
        }
        if start == page.included.len() {
            break;
        }
    }
    Ok(())
}

/// Live resources of a type by their ids.
pub(super) fn by_ids(connection: &mut Connection, type_number: u8, ids: &[String]) -> Result<Vec<Found>, StoreError> {
    let mut all = Vec::new();
    for chunk in ids.chunks(256) {
        let mut statement = Statement::new("SELECT ");
        statement.sql(COLUMNS).sql(" FROM resource r WHERE r.state = 1 AND r.type = ").bind(i64::from(type_number));
        statement.sql(" AND r.id IN ").bind_list(chunk.iter().map(String::as_str)).uncached();
        all.extend(connection.load::<Record>(&statement)?.into_iter().map(Record::found));
    }
    Ok(all)
}

/// Every literal reference to a resource of this server, and URLs of attachments that are one.
fn references(node: &Node<'_>, base: &str, take: &mut impl FnMut(u8, &str)) {
    for item in node.items() {
        references(item, base, take);
    }
    for (name, value) in node.members() {
        let Some(text) = value.as_str() else {
            references(value, base, take);
            continue;
        };
        if !matches!(&**name, "reference" | "url") {
            continue;
        }
        let (resource_type, id) = match Reference::parse(text) {
            Reference::Local { resource_type, id, .. } => (resource_type, id),
            Reference::Absolute { base: own, resource_type, id, .. } if own == base => (resource_type, id),
            _ => continue,
        };
        if let Some(number) = definitions().resource_number(resource_type) {
            take(number, id);
        }
    }
}
