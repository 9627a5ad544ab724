//! Current versions in memory, exactly as fresh as the database.
//!
//! A reader may only insert what it read if no write to the same shard was committed since it began:
//! each shard counts its invalidations, and insertion checks the count under the shard's lock. So a
//! read that follows an acknowledged write never sees the version before it.

use std::sync::Mutex;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Version;

const SHARDS: usize = 64;

type Key = (u8, String);

/// A key borrowed for look-ups.
#[derive(Hash)]
struct KeyRef<'a>(u8, &'a str);

impl quick_cache::Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.0 == key.0 && self.1 == key.1
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Version> for ByBytes {
    fn weight(&self, key: &Key, version: &Version) -> u64 {
        (version.body.len() + key.1.len() + 128) as u64
    }
}

/// The cache. A capacity of 0 bytes turns it off.
pub(super) struct VersionCache {
    versions: Option<Cache<Key, Version, ByBytes>>,
    generations: Vec<Mutex<u64>>,
}

impl std::fmt::Debug for VersionCache {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("VersionCache").finish_non_exhaustive()
    }
}

/// Proof of when a read began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket(u64);

impl VersionCache {
    pub(super) fn new(capacity_bytes: u64) -> Self {
        let estimated_items = usize::try_from(capacity_bytes / 2048).unwrap_or(1).max(1);
        Self {
            versions: (capacity_bytes > 0).then(|| Cache::with_weighter(estimated_items, capacity_bytes, ByBytes)),
            generations: (0..SHARDS).map(|_| Mutex::new(0)).collect(),
        }
    }

    fn generation(&self, type_number: u8, id: &str) -> &Mutex<u64> {
        let hash = id
            .bytes()
            .fold(usize::from(type_number), |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(byte)));
        &self.generations[hash % SHARDS]
    }

    pub(super) fn get(&self, type_number: u8, id: &str) -> Option<Version> {
        self.versions.as_ref()?.get(&KeyRef(type_number, id))
    }

    /// To be taken before reading from the database.
    pub(super) fn ticket(&self, type_number: u8, id: &str) -> Ticket {
        Ticket(*lock(self.generation(type_number, id)))
    }

    /// Keeps what was read unless a write came in between.
    pub(super) fn insert(&self, ticket: Ticket, type_number: u8, id: &str, version: Version) {
        let Some(versions) = &self.versions else { return };
        let generation = lock(self.generation(type_number, id));
        if *generation == ticket.0 {
            versions.insert((type_number, id.to_owned()), version);
        }
    }

    /// After a commit, before it is acknowledged.
    pub(super) fn invalidate(&self, type_number: u8, id: &str) {
        let Some(versions) = &self.versions else { return };
        let mut generation = lock(self.generation(type_number, id));
        *generation += 1;
        versions.remove(&KeyRef(type_number, id));
    }
}

fn lock(mutex: &Mutex<u64>) -> std::sync::MutexGuard<'_, u64> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
