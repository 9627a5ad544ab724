//! Installed packages of definitions, and they as a source of definitions by canonical URL.
//!
//! Which definition is in which package is kept in memory (some hundred bytes each); the definitions
//! themselves are read and unpacked when asked for, and kept within a bound. Without a version the
//! newest answers; `1.2` finds the newest of `1.2.x`.

use std::cmp::Ordering as Order;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Instant;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Binary, Text};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::StoreError;
use super::connection::{Connection, Statement};
use super::read::Store;
use super::write::WriteTransaction;
use crate::format::json::{self, Node};
use crate::format::package::{Manifest, Packaged};
use crate::r4::canonical::{Canonicals, Definition};

/// Bytes of unpacked definitions that are kept.
const CACHE_BYTES: u64 = 64 << 20;
/// A tree takes about this many times its text.
const TREE: u64 = 5;
/// Milliseconds after which another process's change is seen (PostgreSQL).
const PATIENCE: i64 = 1000;
/// Largest definition.
const MAX_BODY: usize = 128 << 20;

/// A package as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPackage {
    /// `jp-core.r4`
    pub name: String,
    /// `1.1.2`
    pub version: String,
    /// A line for people.
    pub title: String,
    /// What it needs: `name#version`, in order.
    pub dependencies: Vec<String>,
    /// When it was installed, µs since 1970 UTC.
    pub installed: i64,
    /// How many definitions it has.
    pub definitions: i64,
}

#[derive(QueryableByName)]
struct PackageRecord {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Text)]
    title: String,
    #[diesel(sql_type = Text)]
    dependencies: String,
    #[diesel(sql_type = BigInt)]
    installed: i64,
    #[diesel(sql_type = BigInt)]
    definitions: i64,
}

#[derive(QueryableByName)]
struct NumberRecord {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

#[derive(QueryableByName)]
struct PlaceRecord {
    #[diesel(sql_type = BigInt)]
    package: i64,
    #[diesel(sql_type = Text)]
    resource_type: String,
    #[diesel(sql_type = Text)]
    url: String,
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = BigInt)]
    size: i64,
}

#[derive(QueryableByName)]
struct OwnerRecord {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = BigInt)]
    size: i64,
    #[diesel(sql_type = Binary)]
    body: Vec<u8>,
}

#[derive(QueryableByName)]
struct BodyRecord {
    #[diesel(sql_type = Binary)]
    body: Vec<u8>,
}

/// A package made ready to be written: its definitions are compressed.
#[derive(Debug, Default)]
pub struct NewPackage {
    definitions: Vec<(Packaged, usize)>,
}

impl NewPackage {
    /// Adds a definition; one of the same type, URL and version replaces an earlier one.
    ///
    /// # Errors
    /// When it cannot be compressed.
    pub fn add(&mut self, mut packaged: Packaged) -> Result<(), StoreError> {
        let size = packaged.body.len();
        packaged.body =
            zstd::bulk::compress(&packaged.body, 3).map_err(|error| StoreError::Database(error.to_string()))?;
        self.definitions.push((packaged, size));
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.definitions.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.definitions.is_empty()
    }
}

impl Store {
    /// The installed packages, by name and version. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn packages(&self) -> Result<Vec<InstalledPackage>, StoreError> {
        let statement = Statement::new(
            "SELECT name, version, title, dependencies, installed, (SELECT count(*) FROM package_definition WHERE package = package.id) AS definitions FROM package ORDER BY name, version",
        );
        let records = self.reader()?.load::<PackageRecord>(&statement)?;
        let installed = records.into_iter().map(|record| InstalledPackage {
            name: record.name,
            version: record.version,
            title: record.title,
            dependencies: record.dependencies.split_whitespace().map(str::to_owned).collect(),
            installed: record.installed,
            definitions: record.definitions,
        });
        Ok(installed.collect())
    }

    /// Installs a package; one of the same name and version is replaced. Blocks.
    ///
    /// # Errors
    /// What the database says; then nothing has changed.
    pub fn add_package(&self, manifest: &Manifest, package: NewPackage) -> Result<(), StoreError> {
        let manifest = manifest.clone();
        self.write_blocking(move |transaction| {
            let now = transaction.now();
            transaction.note_directly();
            whole(transaction.connection, |connection| insert(connection, &manifest, package, now))
        })?
        .wait()
    }

    /// Type, URL and business version of what a package defines; without a version of all of its versions. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn package_definitions(
        &self,
        name: &str,
        version: Option<&str>,
    ) -> Result<Vec<(String, String, String)>, StoreError> {
        let mut statement = Statement::new(
            "SELECT package, type AS resource_type, url, version, size FROM package_definition WHERE package IN (SELECT id FROM package WHERE name = ",
        );
        statement.bind(name);
        if let Some(version) = version {
            statement.sql(" AND version = ").bind(version);
        }
        statement.sql(") ORDER BY type, url, version");
        let records = self.reader()?.load::<PlaceRecord>(&statement)?;
        Ok(records.into_iter().map(|record| (record.resource_type, record.url, record.version)).collect())
    }

    /// Removes a package; without a version all of its versions. Answers how many were there. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn remove_package(&self, name: &str, version: Option<&str>) -> Result<usize, StoreError> {
        let (name, version) = (name.to_owned(), version.map(str::to_owned));
        self.write_blocking(move |transaction| {
            transaction.note_directly();
            whole(transaction.connection, |connection| delete(connection, &name, version.as_deref()))
        })?
        .wait()
    }
}

impl WriteTransaction<'_> {
    /// The installed package (`name#version`) whose definition a resource is: of the same type, id, URL and
    /// business version.
    ///
    /// # Errors
    /// What the database says.
    pub fn package_of(&mut self, resource: &Node<'_>) -> Result<Option<String>, StoreError> {
        let (Some(kind), Some(id), Some(url)) =
            (resource.text("resourceType"), resource.text("id"), resource.text("url"))
        else {
            return Ok(None);
        };
        let mut statement = Statement::new(
            "SELECT p.name, p.version, d.size, d.body FROM package p JOIN package_definition d ON d.package = p.id WHERE d.type = ",
        );
        statement.bind(kind).sql(" AND d.url = ").bind(url).sql(" AND d.version = ");
        statement.bind(resource.text("version").unwrap_or_default()).sql(" ORDER BY p.id DESC");
        for record in self.connection.load::<OwnerRecord>(&statement)? {
            let definition = unpacked(&record.body, u64::try_from(record.size).unwrap_or(0))?;
            if definition.text("id") == Some(id) {
                return Ok(Some(format!("{}#{}", record.name, record.version)));
            }
        }
        Ok(None)
    }
}

fn unpacked(body: &[u8], size: u64) -> Result<Node<'static>, StoreError> {
    let size = usize::try_from(size).unwrap_or(usize::MAX).min(MAX_BODY);
    let failed = |why: String| StoreError::Database(why);
    let text = zstd::bulk::decompress(body, size).map_err(|error| failed(error.to_string()))?;
    Ok(json::parse(&text).map_err(|error| failed(error.to_string()))?.into_owned())
}

/// Rows written past the overlay: all of them or none.
fn whole<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.batch("SAVEPOINT package")?;
    let done = work(connection);
    if done.is_err() {
        connection.batch("ROLLBACK TO SAVEPOINT package")?;
    }
    connection.batch("RELEASE SAVEPOINT package")?;
    done
}

fn delete(connection: &mut Connection, name: &str, version: Option<&str>) -> Result<usize, StoreError> {
    let condition = |statement: &mut Statement| {
        statement.sql(" WHERE name = ").bind(name);
        if let Some(version) = version {
            statement.sql(" AND version = ").bind(version);
        }
    };
    let mut definitions = Statement::new("DELETE FROM package_definition WHERE package IN (SELECT id FROM package");
    condition(&mut definitions);
    definitions.sql(")");
    connection.execute(&definitions)?;
    let mut packages = Statement::new("DELETE FROM package");
    condition(&mut packages);
    connection.execute(&packages)
}

fn insert(connection: &mut Connection, manifest: &Manifest, package: NewPackage, now: i64) -> Result<(), StoreError> {
    delete(connection, &manifest.name, Some(&manifest.version))?;
    // Ids are not used again, so that what is remembered under one stays true.
    let next = Statement::new(
        "SELECT coalesce(max(number), 0) + 1 AS number FROM (SELECT max(id) AS number FROM package UNION ALL SELECT CAST(value AS BIGINT) FROM setting WHERE name = 'last_package') AS known",
    );
    let id = connection.load::<NumberRecord>(&next)?.first().map_or(1, |record| record.number);
    let mut last = Statement::new("INSERT INTO setting (name, value) VALUES ('last_package', ");
    last.bind(id.to_string()).sql(") ON CONFLICT (name) DO UPDATE SET value = excluded.value");
    connection.execute(&last)?;
    let dependencies: Vec<String> =
        manifest.dependencies.iter().map(|(name, version)| format!("{name}#{version}")).collect();
    let mut statement =
        Statement::new("INSERT INTO package (id, name, version, title, dependencies, installed) VALUES (");
    statement.bind(id).sql(", ").bind(manifest.name.as_str()).sql(", ").bind(manifest.version.as_str());
    statement
        .sql(", ")
        .bind(manifest.title.as_str())
        .sql(", ")
        .bind(dependencies.join(" "))
        .sql(", ")
        .bind(now)
        .sql(")");
    connection.execute(&statement)?;
    for (packaged, size) in package.definitions {
        let mut row =
            Statement::new("INSERT INTO package_definition (package, type, url, version, size, body) VALUES (");
        row.bind(id).sql(", ").bind(packaged.resource_type).sql(", ").bind(packaged.url).sql(", ");
        row.bind(packaged.version).sql(", ").bind(i64::try_from(size).unwrap_or(i64::MAX)).sql(", ");
        row.bind(packaged.body);
        row.sql(") ON CONFLICT (package, type, url, version) DO UPDATE SET size = excluded.size, body = excluded.body");
        connection.execute(&row)?;
    }
    Ok(())
}

/// Where a definition is.
#[derive(Debug, Clone)]
struct Place {
    version: String,
    package: i64,
    size: u64,
}

type Index = HashMap<String, HashMap<String, Vec<Place>>>;
type Key = (i64, String, String, String);

#[derive(Clone)]
struct BySize;

impl Weighter<Key, (Definition, u64)> for BySize {
    fn weight(&self, key: &Key, kept: &(Definition, u64)) -> u64 {
        kept.1 * TREE + (key.1.len() + key.2.len()) as u64 + 256
    }
}

/// The definitions of all installed packages.
pub struct PackagedDefinitions {
    store: Store,
    cache: Cache<Key, (Definition, u64), BySize>,
    index: RwLock<(u64, Arc<Index>)>,
    started: Instant,
    /// Milliseconds after `started` when the table was looked at last; what was seen then.
    looked: AtomicI64,
    seen: AtomicU64,
}

impl std::fmt::Debug for PackagedDefinitions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PackagedDefinitions").finish_non_exhaustive()
    }
}

impl PackagedDefinitions {
    /// The packages of a store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            store: store.unrestricted(),
            cache: Cache::with_weighter(2048, CACHE_BYTES, BySize),
            index: RwLock::new((u64::MAX, Arc::default())),
            started: Instant::now(),
            looked: AtomicI64::new(i64::MIN),
            seen: AtomicU64::new(0),
        }
    }

    /// What was installed or removed in this process counts at once.
    pub fn refresh(&self) {
        self.looked.store(i64::MIN, Ordering::Release);
    }

    fn load(&self) -> Result<Index, StoreError> {
        let statement =
            Statement::new("SELECT package, type AS resource_type, url, version, size FROM package_definition");
        let mut index = Index::new();
        for record in self.store.reader()?.load::<PlaceRecord>(&statement)? {
            let place = Place {
                version: record.version,
                package: record.package,
                size: u64::try_from(record.size).unwrap_or(0),
            };
            index.entry(record.resource_type).or_default().entry(record.url).or_default().push(place);
        }
        for places in index.values_mut().flat_map(HashMap::values_mut) {
            places.sort_by(|left, right| {
                compare_versions(&right.version, &left.version).then(right.package.cmp(&left.package))
            });
        }
        Ok(index)
    }

    fn index(&self) -> Arc<Index> {
        let generation = self.generation();
        if let Ok(index) = self.index.read()
            && index.0 == generation
        {
            return Arc::clone(&index.1);
        }
        match self.load() {
            Ok(loaded) => {
                let loaded = Arc::new(loaded);
                if let Ok(mut index) = self.index.write() {
                    *index = (generation, Arc::clone(&loaded));
                }
                loaded
            }
            Err(error) => {
                tracing::warn!(%error, "the definitions of packages cannot be listed");
                self.index.read().map(|index| Arc::clone(&index.1)).unwrap_or_default()
            }
        }
    }

    fn body(&self, resource_type: &str, url: &str, place: &Place) -> Result<Option<Definition>, StoreError> {
        let mut statement = Statement::new("SELECT body FROM package_definition WHERE package = ");
        statement.bind(place.package).sql(" AND type = ").bind(resource_type).sql(" AND url = ").bind(url);
        statement.sql(" AND version = ").bind(place.version.as_str());
        let Some(record) = self.store.reader()?.load::<BodyRecord>(&statement)?.into_iter().next() else {
            return Ok(None);
        };
        Ok(Some(Arc::new(unpacked(&record.body, place.size)?)))
    }
}

impl Canonicals for PackagedDefinitions {
    fn find(&self, resource_type: &str, url: &str, version: Option<&str>) -> Option<Definition> {
        let index = self.index();
        let places = index.get(resource_type)?.get(url)?;
        let place = places.iter().find(|place| version.is_none_or(|version| is_version(&place.version, version)))?;
        let key = (place.package, resource_type.to_owned(), url.to_owned(), place.version.clone());
        if let Some((definition, _)) = self.cache.get(&key) {
            return Some(definition);
        }
        match self.body(resource_type, url, place) {
            Ok(found) => {
                let definition = found?;
                self.cache.insert(key, (Arc::clone(&definition), place.size));
                Some(definition)
            }
            Err(error) => {
                tracing::warn!(%url, %error, "a definition of a package cannot be read");
                None
            }
        }
    }

    fn list(&self, resource_type: &str) -> Vec<(String, Option<String>)> {
        let index = self.index();
        let of_type = index.get(resource_type).into_iter().flatten();
        let version = |place: &Place| (!place.version.is_empty()).then(|| place.version.clone());
        of_type.flat_map(|(url, places)| places.iter().map(move |place| (url.clone(), version(place)))).collect()
    }

    /// The last id given out and the number of packages: each change alters one of them.
    fn generation(&self) -> u64 {
        let now = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let looked = self.looked.load(Ordering::Acquire);
        let is_shared = self.store.options().database.is_postgres();
        let is_fresh = looked != i64::MIN && (!is_shared || now - looked < PATIENCE);
        if is_fresh {
            return self.seen.load(Ordering::Acquire);
        }
        let statement = Statement::new(
            "SELECT coalesce((SELECT CAST(value AS BIGINT) FROM setting WHERE name = 'last_package'), 0) * 65536 + (SELECT count(*) FROM package) AS number",
        );
        let found = self.store.reader().and_then(|mut reader| reader.load::<NumberRecord>(&statement));
        match found {
            Ok(records) => {
                let number = records.first().map_or(0, |record| record.number);
                self.seen.store(u64::try_from(number).unwrap_or(0), Ordering::Release);
                self.looked.store(now, Ordering::Release);
            }
            Err(error) => tracing::warn!(%error, "packages cannot be looked at"),
        }
        self.seen.load(Ordering::Acquire)
    }
}

/// `1.2` asks for any `1.2.x`.
fn is_version(own: &str, wanted: &str) -> bool {
    own == wanted || own.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
}

/// By numbers where both have numbers; a release comes after what is marked as before it (`-beta`).
fn compare_versions(left: &str, right: &str) -> Order {
    let (left_main, left_label) = left.split_once('-').map_or((left, None), |(main, label)| (main, Some(label)));
    let (right_main, right_label) = right.split_once('-').map_or((right, None), |(main, label)| (main, Some(label)));
    let mut left_parts = left_main.split('.');
    let mut right_parts = right_main.split('.');
    loop {
        let order = match (left_parts.next(), right_parts.next()) {
            (None, None) => break,
            (Some(_), None) => Order::Greater,
            (None, Some(_)) => Order::Less,
            (Some(left), Some(right)) => match (left.parse::<u64>(), right.parse::<u64>()) {
                (Ok(left), Ok(right)) => left.cmp(&right),
                _ => left.cmp(right),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
    match (left_label, right_label) {
        (None, Some(_)) => Order::Greater,
        (Some(_), None) => Order::Less,
        (left, right) => left.cmp(&right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        assert_eq!(compare_versions("1.10.0", "1.9.0"), Order::Greater);
        assert_eq!(compare_versions("1.1.2", "1.1.2-snapshot1"), Order::Greater);
        assert_eq!(compare_versions("1.1", "1.1.0"), Order::Less);
        assert!(is_version("0.2.1", "0.2") && !is_version("0.21", "0.2") && is_version("1", "1"));
    }
}
