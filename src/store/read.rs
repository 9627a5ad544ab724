//! The store as others use it: blocking reads on pooled connections, writes through the writer.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use diesel::QueryableByName;
use diesel::r2d2::{ManageConnection, Pool};
use diesel::sql_types::BigInt;
use tokio::sync::oneshot;

use super::blob::Blobs;
use super::cache::VersionCache;
use super::canonical::DefinitionClock;
use super::connection::{Connection, Database, Role, Statement};
use super::entity::{self, EntityFound, EntityQuery};
use super::explain::{self, Explanation};
use super::gather::{self, Gathering};
use super::history::{self, HistoryPage, HistoryQuery};
use super::notebook::{self, CitizenQuery, CitizenRow, TimelineEntry, TimelineQuery, UnreadQuery, UnreadRow};
use super::parameters::{self, InUse};
use super::record::VersionRecord;
use super::reindex;
use super::search::{self, Found, SearchPage};
use super::sets::Sets;
use super::view::{InForce, View};
use super::write::WriteTransaction;
use super::writer::{Job, Writer};
use super::{STATE_REFERENCED, StoreError, StoreOptions, Version};
use crate::r4::definitions;
use crate::search::extract::ExtractOptions;
use crate::search::query::Query;

pub(super) struct Connections(Database);

impl ManageConnection for Connections {
    type Connection = Connection;
    type Error = StoreError;

    fn connect(&self) -> Result<Connection, StoreError> {
        Connection::open(&self.0, Role::Reader)
    }

    fn is_valid(&self, connection: &mut Connection) -> Result<(), StoreError> {
        connection.batch("SELECT 1")
    }

    fn has_broken(&self, _: &mut Connection) -> bool {
        std::thread::panicking()
    }
}

/// A reading connection with the view that is in force while it is held.
pub(super) struct Reader {
    connection: diesel::r2d2::PooledConnection<Connections>,
    _view: InForce,
}

impl std::ops::Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl std::ops::DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

#[derive(QueryableByName)]
struct KeyRecord {
    #[diesel(sql_type = BigInt)]
    key: i64,
}

/// Changes that are looked at one by one for whether access is decided by them.
const FOLLOWED: i64 = 5_000;

#[derive(QueryableByName)]
struct FollowedRecord {
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = BigInt)]
    n: i64,
    #[diesel(sql_type = BigInt)]
    touched: i64,
}

/// How the change log is followed for what others wrote: on a connection of its own, by one at a time for all who wait.
#[derive(Default)]
struct Following {
    connection: Option<Connection>,
    /// When it was last begun to be looked at.
    looked: Option<Instant>,
}

/// The store. Cheap to clone; all clones share connections, cache and writer.
#[derive(Clone)]
pub struct Store {
    readers: Pool<Connections>,
    writer: Writer,
    cache: Arc<VersionCache>,
    sets: Arc<Sets>,
    view: Option<Arc<View>>,
    clock: Arc<DefinitionClock>,
    following: Arc<Mutex<Following>>,
    pub(super) registry: Arc<InUse>,
    blobs: Blobs,
    options: Arc<StoreOptions>,
    /// Held for the life of the store: a SQLite database has one owner.
    _owner: Option<Arc<File>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").field("options", &self.options).finish_non_exhaustive()
    }
}

#[derive(QueryableByName)]
struct CurrentRecord {
    #[diesel(sql_type = BigInt)]
    state: i64,
    #[diesel(embed)]
    version: VersionRecord,
}

impl Store {
    /// Opens the database, brings its schema up to date and starts the writer.
    ///
    /// # Errors
    /// When the database cannot be reached, or (SQLite) another process has it open.
    pub fn open(options: StoreOptions) -> Result<Self, StoreError> {
        let owner = own(&options.database)?.map(Arc::new);
        let mut connection = Connection::open(&options.database, Role::Writer)?;
        connection.migrate()?;
        reindex::check(&mut connection, &options)?;
        super::cursor::CursorKey::ensure(&mut connection)?;
        let registry = Arc::new(InUse::new(parameters::open(&mut connection)?));
        let blobs = Blobs::open_store(&options.media, super::cursor::CursorKey::load(&mut connection)?)?;
        drop(connection);
        let cache = Arc::new(VersionCache::new(options.cache_bytes));
        let clock = Arc::new(DefinitionClock::default());
        let writer = Writer::start(&options, Arc::clone(&cache), Arc::clone(&clock), Arc::clone(&registry))?;
        let readers = Pool::builder()
            .max_size(options.readers.max(1))
            .min_idle(Some(1))
            .test_on_check_out(options.database.is_postgres())
            .connection_timeout(std::time::Duration::from_secs(10))
            .build(Connections(options.database.clone()))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self {
            readers,
            writer,
            cache,
            sets: Arc::default(),
            view: None,
            clock,
            following: Arc::default(),
            registry,
            blobs,
            options: Arc::new(options),
            _owner: owner,
        })
    }

    /// Brings the schema up to date without serving; answers the names of the migrations that ran.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn migrate(database: &Database) -> Result<Vec<String>, StoreError> {
        let _owner = own(database)?;
        Connection::open(database, Role::Writer)?.migrate()
    }

    /// The settings.
    #[must_use]
    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// The content store.
    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    pub(super) fn definition_clock(&self) -> &DefinitionClock {
        &self.clock
    }

    /// How index values are taken from resources.
    #[must_use]
    pub fn extract_options(&self) -> ExtractOptions {
        self.options.extract_options(self.registry())
    }

    /// A connection on which everything is seen as this store's view shows it.
    pub(super) fn reader(&self) -> Result<Reader, StoreError> {
        let connection = self.readers.get().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Reader { connection, _view: InForce::of(self.view.clone()) })
    }

    /// The same store as somebody sees it; all that is read and written through it is under that view.
    #[must_use]
    pub fn with_view(&self, view: Option<Arc<View>>) -> Self {
        Self { view, ..self.clone() }
    }

    /// The same store without a view: for what is about no citizen and the same for everybody.
    #[must_use]
    pub fn unrestricted(&self) -> Self {
        self.with_view(None)
    }

    /// The view that is in force, when there is one.
    #[must_use]
    pub fn view(&self) -> Option<&Arc<View>> {
        self.view.as_ref()
    }

    /// Changes whenever something was written by which access is decided.
    #[must_use]
    pub fn relation_clock(&self) -> u64 {
        self.clock.relations()
    }

    /// Whether others may write to the same database, so that what is kept in memory is not known to be current.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.options.cache_bytes == 0
    }

    /// The same whoever wrote: the change log is looked at from where it was looked at last. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn relation_clock_of_all(&self) -> Result<u64, StoreError> {
        let came = Instant::now();
        let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else has looked since this one came.
        if following.looked.is_some_and(|looked| looked >= came) {
            return Ok(self.clock.relations());
        }
        let _everything = InForce::of(None);
        let looked = Instant::now();
        let again = following.connection.take().map(|mut connection| self.follow(&mut connection).map(|()| connection));
        let connection = match again {
            Some(Ok(connection)) => connection,
            // A connection that was kept may have ended.
            _ => {
                let mut connection = Connection::open(&self.options.database, Role::Reader)?;
                self.follow(&mut connection)?;
                connection
            }
        };
        following.connection = Some(connection);
        following.looked = Some(looked);
        Ok(self.clock.relations())
    }

    fn follow(&self, connection: &mut Connection) -> Result<(), StoreError> {
        // Nearly always nothing was written, which this one tells without being planned anew.
        let last =
            connection.load::<KeyRecord>(&Statement::new("SELECT seq AS key FROM change ORDER BY seq DESC LIMIT 1"))?;
        if last.first().is_none_or(|last| last.key == self.clock.followed()) {
            return Ok(());
        }
        let mut statement =
            Statement::new("SELECT coalesce(max(seq), 0) AS seq, count(seq) AS n, count(CASE WHEN type IN ");
        statement.bind_list(super::canonical::relation_types().iter().map(|number| i64::from(*number)));
        // In order and with a limit, so that no planner reads the log from its start.
        statement.sql(" THEN 1 END) AS touched FROM (SELECT seq, type FROM change WHERE seq > ");
        statement.bind(self.clock.followed()).sql(" ORDER BY seq LIMIT ").bind(FOLLOWED).sql(") c");
        let found = connection.load::<FollowedRecord>(&statement)?;
        let Some(found) = found.first() else { return Ok(()) };
        if found.n < FOLLOWED {
            self.clock.follow(found.seq, found.touched > 0);
        } else {
            let end =
                connection.load::<KeyRecord>(&Statement::new("SELECT coalesce(max(seq), 0) AS key FROM change"))?;
            self.clock.follow(end.first().map_or(found.seq, |end| end.key), true);
        }
        Ok(())
    }

    /// The key of a resource, also of one that is only referred to. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn key_of(&self, type_number: u8, id: &str) -> Result<Option<i64>, StoreError> {
        let mut statement = Statement::new("SELECT key FROM resource WHERE type = ");
        statement.bind(i64::from(type_number)).sql(" AND id = ").bind(id);
        Ok(self.reader()?.load::<KeyRecord>(&statement)?.first().map(|found| found.key))
    }

    /// The keys of resources of a type by their ids, also of those only referred to; in no order. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn keys_of(&self, type_number: u8, ids: &[&str]) -> Result<Vec<i64>, StoreError> {
        let mut reader = self.reader()?;
        let mut keys = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(500) {
            let mut statement = Statement::new("SELECT key FROM resource WHERE type = ");
            statement.bind(i64::from(type_number)).sql(" AND id IN ").bind_list(chunk.iter().copied()).uncached();
            keys.extend(reader.load::<KeyRecord>(&statement)?.iter().map(|found| found.key));
        }
        Ok(keys)
    }

    /// The next Consents that deny something, after one of a key, of citizens whom one of these organizations (keys)
    /// manages; none when there are no more. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn denials(&self, managed_by: &[i64], after: i64) -> Result<Vec<super::CitizenConsent>, StoreError> {
        super::owner::denials(&mut *self.reader()?, managed_by, after)
    }

    /// The Consents of some citizens (keys), whatever they say. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn consents_of(&self, citizens: &[i64]) -> Result<Vec<super::CitizenConsent>, StoreError> {
        super::owner::consents_of(&mut *self.reader()?, citizens)
    }

    /// Ids of the Patients that a resource belongs to, and its labels. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn owners_and_labels(&self, type_number: u8, id: &str) -> Result<(Vec<String>, Vec<super::Label>), StoreError> {
        super::owner::of(&mut *self.reader()?, type_number, id)
    }

    /// Tells PostgreSQL's planner what is there now, after a great change such as an import; it would find
    /// out by itself a minute or more later. SQLite needs nothing: searches are led by counting there.
    ///
    /// # Errors
    /// What the database says.
    pub fn refresh_statistics(&self) -> Result<(), StoreError> {
        if !self.options.database.is_postgres() {
            return Ok(());
        }
        Connection::open(&self.options.database, Role::Writer)?.batch("ANALYZE")
    }

    /// Asks the database for a sign of life. Blocks.
    ///
    /// # Errors
    /// When it gives none.
    pub fn ping(&self) -> Result<(), StoreError> {
        self.reader()?.batch("SELECT 1 FROM setting")
    }

    /// The current version when it is in memory; never blocks.
    #[must_use]
    pub fn cached(&self, type_number: u8, id: &str) -> Option<Version> {
        if self.view.is_some() { None } else { self.cache.get(type_number, id) }
    }

    /// The current version, deleted ones included. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn current(&self, type_number: u8, id: &str) -> Result<Option<Version>, StoreError> {
        if let Some(version) = self.cached(type_number, id) {
            return Ok(Some(version));
        }
        let ticket = self.cache.ticket(type_number, id);
        let mut statement = Statement::new("SELECT state, version, updated, method, body FROM resource WHERE type = ");
        statement.bind(i64::from(type_number)).sql(" AND id = ").bind(id);
        let found = self.reader()?.load::<CurrentRecord>(&statement)?;
        let Some(record) = found.into_iter().next().filter(|record| record.state != STATE_REFERENCED) else {
            return Ok(None);
        };
        let version = Version::from(record.version);
        if self.view.is_none() {
            self.cache.insert(ticket, type_number, id, version.clone());
        }
        Ok(Some(version))
    }

    /// One version by number. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn version(&self, type_number: u8, id: &str, version: i64) -> Result<Option<Version>, StoreError> {
        history::version(&mut *self.reader()?, type_number, id, version)
    }

    /// A page of history and the number of versions over all pages. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, StoreError> {
        self.reader()?.snapshot(|connection| history::page(connection, query))
    }

    /// How a search would be done. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn explain(&self, query: &Query, count: u32, with_total: bool) -> Result<Explanation, StoreError> {
        explain::explain(&mut *self.reader()?, query, count, with_total)
    }

    /// A page of a search. Blocks.
    ///
    /// # Errors
    /// What the database says, or that the position is not one of ours.
    pub fn search(&self, query: &Query, count: u32, with_total: bool) -> Result<SearchPage, StoreError> {
        search::page(&mut *self.reader()?, query, count, with_total, &self.extract_options(), &self.sets)
    }

    /// Gathers resources with what they refer to. Blocks.
    ///
    /// # Errors
    /// What the database says, or that the position is not one of ours.
    pub fn gather(&self, gathering: &Gathering<'_>) -> Result<SearchPage, StoreError> {
        gather::gather(&mut *self.reader()?, gathering, &self.extract_options(), &self.sets)
    }

    /// Live resources of a type by their ids, in no order. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn by_ids(&self, type_number: u8, ids: &[String]) -> Result<Vec<Found>, StoreError> {
        gather::by_ids(&mut *self.reader()?, type_number, ids)
    }

    /// The citizen with a Patient id. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn citizen(&self, id: &str) -> Result<Option<(i64, CitizenRow)>, StoreError> {
        let patient = definitions().resource_number("Patient").unwrap_or(0);
        notebook::citizen(&mut *self.reader()?, patient, id)
    }

    /// Citizens in the order they came. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn citizens(&self, query: &CitizenQuery) -> Result<Vec<(i64, String, CitizenRow)>, StoreError> {
        notebook::citizens(&mut *self.reader()?, query)
    }

    /// What a member has not read, newest first. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn unread(&self, query: &UnreadQuery) -> Result<Vec<UnreadRow>, StoreError> {
        notebook::unread(&mut *self.reader()?, query)
    }

    /// How much a member has not read, counted to the number the query asks for. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn count_unread(&self, query: &UnreadQuery) -> Result<u64, StoreError> {
        notebook::count_unread(&mut *self.reader()?, query)
    }

    /// How many comments each of these articles (`Communication/x`) has. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn comment_counts(&self, articles: &[String]) -> Result<Vec<(String, i64)>, StoreError> {
        notebook::comment_counts(&mut *self.reader()?, articles)
    }

    /// One page of a typed notebook table.
    ///
    /// # Errors
    /// What the database says.
    pub fn entities(&self, query: &EntityQuery) -> Result<Vec<EntityFound>, StoreError> {
        entity::find(&mut *self.reader()?, query)
    }

    /// A page of a citizen's timeline. Blocks.
    ///
    /// # Errors
    /// What the database says.
    pub fn timeline(&self, query: &TimelineQuery) -> Result<Vec<TimelineEntry>, StoreError> {
        notebook::timeline(&mut *self.reader()?, query)
    }

    /// Runs `work` in a write transaction and waits until it is durable; an error undoes it.
    /// `work` runs on the writer thread: it should only look up, decide and put.
    ///
    /// # Errors
    /// What `work` says, or [`StoreError::Busy`], or what the database says.
    pub async fn write<T, E>(
        &self,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (job, answer) = WorkJob::new(work, self.view.clone());
        self.writer.offer(Box::new(job))?;
        answer.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    /// Like [`Self::write`] for threads that may block; waits for room in the queue.
    /// Several can be under way.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub fn write_blocking<T, E>(
        &self,
        work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Pending<T, E>, StoreError>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (job, answer) = WorkJob::new(work, self.view.clone());
        self.writer.push(Box::new(job))?;
        Ok(Pending(answer))
    }
}

/// A write that is under way.
#[derive(Debug)]
pub struct Pending<T, E>(oneshot::Receiver<Result<T, E>>);

impl<T, E: From<StoreError>> Pending<T, E> {
    /// Waits until the write is durable.
    ///
    /// # Errors
    /// What the work said, or what the database says.
    pub fn wait(self) -> Result<T, E> {
        self.0.blocking_recv().unwrap_or_else(|_| Err(stopped().into()))
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the writer has stopped".to_owned())
}

/// Takes the lock file beside a SQLite database.
pub(super) fn own(database: &Database) -> Result<Option<File>, StoreError> {
    let Database::Sqlite(path) = database else { return Ok(None) };
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let lock = std::path::PathBuf::from(lock);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock)
        .map_err(|error| StoreError::Unavailable(format!("{}: {error}", lock.display())))?;
    file.try_lock().map_err(|_| {
        StoreError::Unavailable(format!(
            "{} is in use by another renraku process; stop it first or use its HTTP API",
            path.display()
        ))
    })?;
    Ok(Some(file))
}

struct WorkJob<W, T, E> {
    work: Option<W>,
    view: Option<Arc<View>>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<W, T, E> WorkJob<W, T, E> {
    fn new(work: W, view: Option<Arc<View>>) -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (answer, receiver) = oneshot::channel();
        (Self { work: Some(work), view, result: None, answer }, receiver)
    }
}

impl<W, T, E> Job for WorkJob<W, T, E>
where
    W: FnOnce(&mut WriteTransaction<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, transaction: &mut WriteTransaction<'_>) -> bool {
        let Some(work) = self.work.take() else { return false };
        transaction.view = self.view.take();
        // A panic is a defect; it must not take the writer, and with it all later writes, along.
        let result =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(transaction))).unwrap_or_else(|_| {
                Err(StoreError::Database("an internal error was caught; nothing was stored".to_owned()).into())
            });
        transaction.view = None;
        let succeeded = result.is_ok();
        self.result = Some(result);
        succeeded
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { result, answer, .. } = *self;
        let result = match (committed, result) {
            // What the job itself refused stays its answer whatever became of the batch.
            (_, Some(Err(error))) => Err(error),
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Err(error), _) => Err(error.into()),
            (Ok(()), None) => Err(stopped().into()),
        };
        // The caller may have gone away; the write stands.
        let _ = answer.send(result);
    }
}
