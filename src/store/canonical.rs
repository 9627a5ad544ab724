//! Stored conformance and terminology resources as definitions by canonical URL: what is written
//! counts from its commit on.
//!
//! Found by the search index (`uri` rows of the parameter `url`), read when asked for, kept in
//! bounded memory together with the generation they were read at. The generation counts the commits
//! of this process that touched a definition; where other processes write too (PostgreSQL), the end
//! of the change log is looked at as well, at most once in [`PATIENCE`].
//!
//! A NamingSystem has no URL in R4: it goes by `NamingSystem/id`.

use std::cmp::Ordering as Order;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::connection::Statement;
use super::index::fit;
use super::read::Store;
use super::record::VersionRecord;
use super::{STATE_LIVE, StoreError};
use crate::format::fold::key_form;
use crate::format::json::{self, Node};
use crate::r4::canonical::{Canonicals, Definition};
use crate::r4::definitions;
use crate::search::registry::registry;

/// How long what another process wrote may go unseen.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes of definitions kept, about.
const CACHE_BYTES: u64 = 32 << 20;

/// Most definitions of one type that are listed.
const MOST: i64 = 20_000;

/// The type without a URL.
const NAMING_SYSTEM: &str = "NamingSystem";

/// The types by which it is decided who has to do with whom.
pub(super) fn relation_types() -> &'static [u8] {
    static TYPES: OnceLock<Vec<u8>> = OnceLock::new();
    TYPES.get_or_init(|| {
        let names = [
            "CareTeam",
            "RelatedPerson",
            "Practitioner",
            "PractitionerRole",
            "Organization",
            "Consent",
            "Contract",
            "EpisodeOfCare",
            "Flag",
            "Group",
            "Patient",
        ];
        names.iter().filter_map(|name| definitions().resource_number(name)).collect()
    })
}

/// Numbers of the types that are definitions: those with a canonical URL to be found by.
fn definition_types() -> &'static [u8] {
    static TYPES: OnceLock<Vec<u8>> = OnceLock::new();
    TYPES.get_or_init(|| {
        let all = definitions();
        let numbers = all.resources().iter().filter_map(|id| {
            let name = all.get(*id).name.as_str();
            let number = all.resource_number(name)?;
            (name == NAMING_SYSTEM || registry().find(number, "url").is_some()).then_some(number)
        });
        numbers.collect()
    })
}

/// Counts the commits that touched definitions.
#[derive(Debug, Default)]
pub(super) struct DefinitionClock(AtomicU64, AtomicU64, AtomicI64);

impl DefinitionClock {
    /// After a commit, before it is acknowledged.
    pub(super) fn note(&self, written: &[(u8, String)]) {
        if written.iter().any(|(type_number, _)| definition_types().contains(type_number)) {
            self.0.fetch_add(1, Ordering::Release);
        }
        if written.iter().any(|(type_number, _)| relation_types().contains(type_number)) {
            self.1.fetch_add(1, Ordering::Release);
        }
    }

    /// Changes when something was written by which access is decided.
    pub(super) fn relations(&self) -> u64 {
        self.1.load(Ordering::Acquire)
    }

    /// The end of the change log as far as it was looked at for what others wrote.
    pub(super) fn followed(&self) -> i64 {
        self.2.load(Ordering::Acquire)
    }

    /// The log was looked at up to here; `touched` when something was written by which access is decided. It counts
    /// before anybody can take it for seen.
    pub(super) fn follow(&self, end: i64, touched: bool) {
        if touched {
            self.1.fetch_add(1, Ordering::Release);
        }
        self.2.fetch_max(end, Ordering::AcqRel);
    }

    /// Something else changed that answers depend on.
    pub(super) fn bump(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

type Key = (u64, String, String, Option<String>);

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Option<Kept>> for ByBytes {
    fn weight(&self, key: &Key, kept: &Option<Kept>) -> u64 {
        // A tree takes several times what its text takes.
        (kept.as_ref().map_or(0, |kept| kept.bytes * 6) + key.1.len() + key.2.len() + 256) as u64
    }
}

#[derive(Clone)]
struct Kept {
    definition: Definition,
    bytes: usize,
}

/// The stored definitions.
pub struct StoredDefinitions {
    store: Store,
    cache: Cache<Key, Option<Kept>, ByBytes>,
    started: Instant,
    /// Milliseconds since `started` when the change log was looked at last; its end then.
    looked: AtomicI64,
    end: AtomicU64,
}

impl std::fmt::Debug for StoredDefinitions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("StoredDefinitions").finish_non_exhaustive()
    }
}

#[derive(QueryableByName)]
struct End {
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

impl StoredDefinitions {
    /// The definitions of a store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            // Definitions are about no citizen, and what is remembered of them is for everybody.
            store: store.unrestricted(),
            cache: Cache::with_weighter(1024, CACHE_BYTES, ByBytes),
            started: Instant::now(),
            looked: AtomicI64::new(i64::MIN / 2),
            end: AtomicU64::new(0),
        }
    }

    /// Live resources of a type: those with a URL, or all.
    fn load(&self, type_number: u8, url: Option<&str>) -> Result<Vec<VersionRecord>, StoreError> {
        let mut statement =
            Statement::new("SELECT resource.version, resource.updated, resource.method, resource.body FROM ");
        match url.zip(registry().find(type_number, "url")) {
            Some((url, parameter)) => {
                statement.sql("uri JOIN resource ON resource.key = uri.key WHERE uri.parameter = ");
                statement.bind(i64::from(parameter.number)).sql(" AND uri.uri = ").bind(fit(&key_form(url)));
                statement.sql(" AND resource.state = ").bind(STATE_LIVE);
            }
            None => {
                statement.sql("resource WHERE resource.state = ").bind(STATE_LIVE);
                statement.sql(" AND resource.type = ").bind(i64::from(type_number));
            }
        }
        statement.sql(" LIMIT ").bind(MOST);
        self.store.reader()?.load(&statement)
    }

    /// The best of the resources with a URL: of the version asked for, or the newest.
    fn read(&self, resource_type: &str, url: &str, version: Option<&str>) -> Result<Option<Kept>, StoreError> {
        let Some(number) = definitions().resource_number(resource_type) else { return Ok(None) };
        if resource_type == NAMING_SYSTEM {
            let Some(id) = url.strip_prefix("NamingSystem/") else { return Ok(None) };
            let current = self.store.current(number, id)?.filter(|current| !current.is_deleted());
            return Ok(current.and_then(|current| kept(&current.body)));
        }
        let mut best: Option<Kept> = None;
        for record in self.load(number, Some(url))? {
            let Some(found) = kept(&record.body) else { continue };
            let own = |name: &'static str| found.definition.text(name);
            // The index holds the start and a hash of a long URL.
            if own("url") != Some(url) || version.is_some_and(|version| own("version") != Some(version)) {
                continue;
            }
            let is_better = best.as_ref().is_none_or(|best| newer(&found.definition, &best.definition));
            if is_better {
                best = Some(found);
            }
        }
        Ok(best)
    }

    /// The end of the change log for definitions, looked at now and then.
    fn end(&self) -> u64 {
        let now = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let before = self.looked.load(Ordering::Acquire);
        let is_due = now.saturating_sub(before) >= i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX);
        if is_due && self.looked.compare_exchange(before, now, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            let mut statement = Statement::new("SELECT coalesce(max(seq), 0) AS seq FROM (");
            for (place, number) in definition_types().iter().enumerate() {
                if place > 0 {
                    statement.sql(" UNION ALL ");
                }
                statement.sql("SELECT max(seq) AS seq FROM change WHERE type = ").bind(i64::from(*number));
            }
            statement.sql(") AS ends");
            match self.store.reader().and_then(|mut reader| reader.load::<End>(&statement)) {
                Ok(ends) => {
                    let seq = ends.first().map_or(0, |end| end.seq);
                    self.end.store(u64::try_from(seq).unwrap_or(0), Ordering::Release);
                }
                Err(error) => tracing::warn!(%error, "whether definitions changed cannot be seen"),
            }
        }
        self.end.load(Ordering::Acquire)
    }
}

fn kept(body: &[u8]) -> Option<Kept> {
    let definition = json::parse(body).ok()?.into_owned();
    Some(Kept { definition: Arc::new(definition), bytes: body.len() })
}

/// Whether one definition is to be taken before another with the same URL: an active one before a
/// draft, that before a retired one; then the higher version; then the one that was written later.
fn newer(one: &Node<'_>, other: &Node<'_>) -> bool {
    let rank = |node: &Node<'_>| match node.text("status") {
        Some("active") => 2,
        Some("retired") => 0,
        _ => 1,
    };
    let written = |node: &Node<'_>| {
        node.path(&["meta", "lastUpdated"]).and_then(Node::as_str).map(str::to_owned).unwrap_or_default()
    };
    let by_version =
        compare_versions(one.text("version").unwrap_or_default(), other.text("version").unwrap_or_default());
    rank(one).cmp(&rank(other)).then(by_version).then_with(|| written(one).cmp(&written(other))) == Order::Greater
}

/// Numbers by their size, the rest as text: `1.10` is after `1.9`.
pub(super) fn compare_versions(one: &str, other: &str) -> Order {
    let parts = |text: &str| -> Vec<(Option<u64>, String)> {
        text.split(['.', '-', '+', '_']).map(|part| (part.parse().ok(), part.to_owned())).collect()
    };
    parts(one).cmp(&parts(other))
}

impl Canonicals for StoredDefinitions {
    fn find(&self, resource_type: &str, url: &str, version: Option<&str>) -> Option<Definition> {
        let generation = self.generation();
        let key = (generation, resource_type.to_owned(), url.to_owned(), version.map(str::to_owned));
        if let Some(known) = self.cache.get(&key) {
            return known.map(|kept| kept.definition);
        }
        match self.read(resource_type, url, version) {
            Ok(found) => {
                self.cache.insert(key, found.clone());
                found.map(|kept| kept.definition)
            }
            Err(error) => {
                tracing::warn!(%error, %url, "a stored definition cannot be read");
                None
            }
        }
    }

    fn list(&self, resource_type: &str) -> Vec<(String, Option<String>)> {
        let Some(number) = definitions().resource_number(resource_type) else { return Vec::new() };
        let loaded = self.load(number, None).unwrap_or_else(|error| {
            tracing::warn!(%error, %resource_type, "stored definitions cannot be listed");
            Vec::new()
        });
        let read = loaded.iter().filter_map(|record| {
            let node = json::parse(&record.body).ok()?;
            let url = match node.text("url") {
                Some(url) => url.to_owned(),
                None if resource_type == NAMING_SYSTEM => format!("NamingSystem/{}", node.text("id")?),
                None => return None,
            };
            Some((url, node.text("version").map(str::to_owned)))
        });
        read.collect()
    }

    fn generation(&self) -> u64 {
        let own = self.store.definition_clock().now();
        if self.store.options().database.is_postgres() { own.wrapping_add(self.end()) } else { own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_order() {
        for (lower, higher) in [("1.9", "1.10"), ("1", "1.1"), ("", "0.1"), ("2025-01", "2026-01"), ("1.0-a", "1.0-b")]
        {
            assert_eq!(compare_versions(lower, higher), Order::Less, "{lower} {higher}");
        }
    }
}
