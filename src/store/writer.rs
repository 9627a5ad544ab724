//! The writer thread: group commit.
//!
//! While one batch is being made durable the next jobs queue up, so batches grow with load and a
//! lone job waits for nobody. Every job of a batch is answered after the one commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use diesel::QueryableByName;
use diesel::sql_types::BigInt;

use super::cache::VersionCache;
use super::canonical::DefinitionClock;
use super::connection::{Connection, Role, Statement};
use super::parameters::{self, GENERATION, InUse};
use super::write::{FastMap, Memory, WriteTransaction};
use super::{StoreError, StoreOptions};
use crate::search::registry::Registry;

/// Jobs that may wait before callers are told to come back.
const QUEUE: usize = 4096;
/// Most jobs in one commit.
const BATCH: usize = 512;
/// While jobs are waiting, the least time between two steps of work in the background.
const BACKGROUND_PAUSE: Duration = Duration::from_millis(100);
/// How often PostgreSQL is asked whether another server changed the search parameters.
const LOOK_AROUND: Duration = Duration::from_secs(1);
/// How long background work rests after it failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// A unit of work, all or nothing.
pub(super) trait Job: Send {
    /// Runs against the overlay; `false` when it failed and must be undone.
    fn run(&mut self, transaction: &mut WriteTransaction<'_>) -> bool;
    /// Answers the caller, after the commit or with why there was none.
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
}

/// Handle to the writer thread; the thread ends when the last handle is dropped.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: SyncSender<Box<dyn Job>>,
}

impl Writer {
    pub(super) fn start(
        options: &StoreOptions,
        cache: Arc<VersionCache>,
        clock: Arc<DefinitionClock>,
        registry: Arc<InUse>,
    ) -> Result<Self, StoreError> {
        let mut connection = Connection::open(&options.database, Role::Writer)?;
        let pending = parameters::is_pending(&mut connection)?;
        let background = Background { pending, not_before: Instant::now(), failed: false };
        let (jobs, queue) = sync_channel(QUEUE);
        let options = options.clone();
        std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                let connection = Some(connection);
                WriterThread { connection, memory: None, options, cache, clock, registry, background }.serve(&queue);
            })
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { jobs })
    }

    /// Queues a job, or refuses at once when the queue is full.
    pub(super) fn offer(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Unavailable("the writer has stopped".to_owned()),
        })
    }

    /// Queues a job, waiting for room.
    pub(super) fn push(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        self.jobs.send(job).map_err(|_| StoreError::Unavailable("the writer has stopped".to_owned()))
    }
}

struct WriterThread {
    connection: Option<Connection>,
    memory: Option<Memory>,
    options: StoreOptions,
    cache: Arc<VersionCache>,
    clock: Arc<DefinitionClock>,
    registry: Arc<InUse>,
    background: Background,
}

/// Work that is done while nobody waits, or a little of it now and then while somebody does.
struct Background {
    pending: bool,
    /// The next step is not before this while jobs are waiting, and after a failure.
    not_before: Instant,
    /// The last step failed.
    failed: bool,
}

#[derive(QueryableByName)]
struct Ends {
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = BigInt)]
    updated: i64,
    #[diesel(sql_type = BigInt)]
    generation: i64,
}

/// What a transaction made new beside rows.
#[derive(Default)]
struct Effects {
    invalidated: Vec<(u8, String)>,
    registry: Option<Arc<Registry>>,
}

impl WriterThread {
    fn serve(mut self, queue: &Receiver<Box<dyn Job>>) {
        loop {
            let first = match self.next(queue) {
                Ok(first) => first,
                Err(RecvTimeoutError::Timeout) => {
                    self.work_in_background();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut batch = vec![first];
            while batch.len() < BATCH
                && let Ok(job) = queue.try_recv()
            {
                batch.push(job);
            }
            let committed = self.guarded(|connection, writer| writer.execute(connection, &mut batch));
            if let Err(error) = &committed {
                tracing::error!(%error, jobs = batch.len(), "a batch of writes failed and was rolled back");
            }
            for job in batch {
                job.finish(committed.clone());
            }
            if self.background.pending && self.background.not_before <= Instant::now() {
                self.work_in_background();
                self.background.not_before = self.background.not_before.max(Instant::now() + BACKGROUND_PAUSE);
            }
        }
    }

    /// The next job; a timeout when something else is to be done.
    fn next(&self, queue: &Receiver<Box<dyn Job>>) -> Result<Box<dyn Job>, RecvTimeoutError> {
        if let Ok(waiting) = queue.try_recv() {
            return Ok(waiting);
        }
        if self.background.pending {
            let rest = self.background.not_before.saturating_duration_since(Instant::now());
            return queue.recv_timeout(if self.background.failed { rest } else { Duration::ZERO });
        }
        if self.options.database.is_postgres() {
            return queue.recv_timeout(LOOK_AROUND);
        }
        queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
    }

    /// Runs work on the connection. A panic in it is a defect; later writes must find a writer all the
    /// same. The connection it happened on is gone, and with it the open transaction.
    fn guarded<T>(
        &mut self,
        work: impl FnOnce(&mut Connection, &mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let done = catch_unwind(AssertUnwindSafe(|| {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => Connection::open(&self.options.database, Role::Writer)?,
            };
            // A connection that failed is not used again: it may be broken.
            let result = work(&mut connection, self);
            if result.is_ok() || connection.batch("ROLLBACK").is_ok() {
                self.connection = Some(connection);
            }
            result
        }))
        .unwrap_or_else(|_| Err(StoreError::Database("an internal error was caught; nothing was stored".to_owned())));
        if done.is_err() {
            self.memory = None;
        }
        done
    }

    fn execute(&mut self, connection: &mut Connection, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        self.begin(connection)?;
        let mut effects = Effects::default();
        let Some(memory) = self.memory.as_mut() else { return Err(no_memory()) };
        let clock = jiff::Timestamp::now().as_microsecond() / 1000 * 1000;
        let now = clock.max(memory.last_updated);
        memory.last_updated = now;
        let options = self.options.extract_options(self.registry.get());
        let mut transaction = WriteTransaction::new(connection, memory, now, options);
        transaction.project = self.options.project;
        for job in batch.iter_mut() {
            transaction.begin_job();
            if !job.run(&mut transaction) {
                transaction.roll_back_job();
            }
        }
        transaction.flush()?;
        effects.invalidated = std::mem::take(&mut transaction.invalidated);
        let (wrote_directly, redefined) = (transaction.wrote_directly, transaction.redefined);
        drop(transaction);
        if effects.invalidated.is_empty() && !wrote_directly {
            return connection.batch("ROLLBACK");
        }
        if redefined {
            effects.registry = parameters::synchronise(connection)?;
        }
        connection.batch("COMMIT")?;
        for (type_number, id) in &effects.invalidated {
            self.cache.invalidate(*type_number, id);
        }
        self.clock.note(&effects.invalidated);
        if let Some(registry) = effects.registry {
            self.registry.set(registry);
            self.background.pending = true;
        }
        Ok(())
    }

    /// Opens a transaction in which what this thread remembers is true.
    fn begin(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        connection.batch(if connection.is_postgres() { "BEGIN" } else { "BEGIN IMMEDIATE" })?;
        connection.lock_writers()?;
        let known = match self.memory.take() {
            // Another process may have written to PostgreSQL since; SQLite has one owner.
            Some(memory) if !connection.is_postgres() => memory,
            earlier => load_memory(connection, earlier)?,
        };
        let is_other = known.generation != self.registry.get().generation();
        self.memory = Some(known);
        if is_other && connection.is_postgres() { self.reload(connection) } else { Ok(()) }
    }

    /// Takes over the search parameters that another server changed.
    fn reload(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
        self.registry.set(parameters::load(connection)?);
        self.background.pending = parameters::is_pending(connection)?;
        Ok(())
    }

    /// One step, in a transaction of its own.
    fn work_in_background(&mut self) {
        let done = self.guarded(|connection, writer| {
            if !writer.background.pending {
                let known = writer.registry.get().generation();
                return if parameters::generation(connection)? == known { Ok(()) } else { writer.reload(connection) };
            }
            writer.begin(connection)?;
            let Some(memory) = writer.memory.as_mut() else { return Err(no_memory()) };
            let options = writer.options.extract_options(writer.registry.get());
            writer.background.pending = parameters::step(connection, memory, &options)?;
            connection.batch("COMMIT")
        });
        self.background.failed = done.is_err();
        if let Err(error) = done {
            tracing::error!(%error, "a step of reindexing failed; it is tried again");
            self.background.not_before = Instant::now() + AFTER_FAILURE;
        }
    }
}

/// Cannot be: a transaction begins with it.
fn no_memory() -> StoreError {
    StoreError::Database("the writer lost its memory; nothing was stored".to_owned())
}

/// Reads where the counters stand. Interned names that are known already stay known.
pub(super) fn load_memory(connection: &mut Connection, earlier: Option<Memory>) -> Result<Memory, StoreError> {
    let ends = Statement::new(&format!(
        "SELECT coalesce((SELECT max(key) FROM resource), 0) AS key, coalesce((SELECT max(seq) FROM change), 0) AS seq, coalesce((SELECT updated FROM change ORDER BY seq DESC LIMIT 1), 0) AS updated, {GENERATION} AS generation",
    ));
    let ends = connection.load::<Ends>(&ends)?;
    let (key, seq, last_updated, generation) =
        ends.first().map_or((0, 0, 0, 0), |ends| (ends.key, ends.seq, ends.updated, ends.generation));
    let (systems, keys) =
        earlier.map_or_else(|| (FastMap::default(), FastMap::default()), |memory| (memory.systems, memory.keys));
    Ok(Memory { next_counter: (key >> 8) + 1, next_seq: seq + 1, last_updated, generation, systems, keys })
}
