//! The writer thread: group commit.
//!
//! While one batch is being made durable the next jobs queue up, so batches grow with load and a
//! lone job waits for nobody. Every job of a batch is answered after the one commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use diesel::QueryableByName;
use diesel::sql_types::BigInt;

use super::cache::VersionCache;
use super::canonical::DefinitionClock;
use super::connection::{Connection, Role, Statement};
use super::write::{FastMap, Memory, WriteTransaction};
use super::{StoreError, StoreOptions};

/// Jobs that may wait before callers are told to come back.
const QUEUE: usize = 4096;
/// Most jobs in one commit.
const BATCH: usize = 512;
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
    ) -> Result<Self, StoreError> {
        let connection = Connection::open(&options.database, Role::Writer)?;
        let (jobs, queue) = sync_channel(QUEUE);
        let options = options.clone();
        std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || {
                WriterThread { connection: Some(connection), memory: None, options, cache, clock }.serve(&queue)
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
}

#[derive(QueryableByName)]
struct Ends {
    #[diesel(sql_type = BigInt)]
    key: i64,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = BigInt)]
    updated: i64,
}

impl WriterThread {
    fn serve(mut self, queue: &Receiver<Box<dyn Job>>) {
        while let Ok(first) = queue.recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH
                && let Ok(job) = queue.try_recv()
            {
                batch.push(job);
            }
            // A panic here is a defect; later writes must find a writer all the same. The connection
            // it happened on is gone, and with it the open transaction.
            let executed = catch_unwind(AssertUnwindSafe(|| self.execute(&mut batch)));
            let committed = executed.unwrap_or_else(|_| {
                Err(StoreError::Database("an internal error was caught; nothing was stored".to_owned()))
            });
            if let Err(error) = &committed {
                tracing::error!(%error, jobs = batch.len(), "a batch of writes failed and was rolled back");
                self.memory = None;
            }
            for job in batch {
                job.finish(committed.clone());
            }
        }
    }

    fn execute(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.options.database, Role::Writer)?,
        };
        // A connection that failed is not used again: it may be broken.
        let result = self.execute_on(&mut connection, batch);
        if result.is_ok() || connection.batch("ROLLBACK").is_ok() {
            self.connection = Some(connection);
        }
        result
    }

    fn execute_on(&mut self, connection: &mut Connection, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        connection.batch(if connection.is_postgres() { "BEGIN" } else { "BEGIN IMMEDIATE" })?;
        connection.lock_writers()?;
        let known = match self.memory.take() {
            // Another process may have written to PostgreSQL since; SQLite has one owner.
            Some(memory) if !connection.is_postgres() => memory,
            earlier => load_memory(connection, earlier)?,
        };
        let memory = self.memory.insert(known);
        let clock = jiff::Timestamp::now().as_microsecond() / 1000 * 1000;
        let now = clock.max(memory.last_updated);
        memory.last_updated = now;
        let mut transaction = WriteTransaction::new(connection, memory, now, self.options.extract_options());
        transaction.project = self.options.project;
        for job in batch.iter_mut() {
            transaction.begin_job();
            if !job.run(&mut transaction) {
                transaction.roll_back_job();
            }
        }
        transaction.flush()?;
        let invalidated = std::mem::take(&mut transaction.invalidated);
        let wrote_directly = transaction.wrote_directly;
        drop(transaction);
        if invalidated.is_empty() && !wrote_directly {
            return connection.batch("ROLLBACK");
        }
        connection.batch("COMMIT")?;
        for (type_number, id) in &invalidated {
            self.cache.invalidate(*type_number, id);
        }
        self.clock.note(&invalidated);
        Ok(())
    }
}

/// Reads where the counters stand. Interned names that are known already stay known.
pub(super) fn load_memory(connection: &mut Connection, earlier: Option<Memory>) -> Result<Memory, StoreError> {
    let ends = Statement::new(
        "SELECT coalesce((SELECT max(key) FROM resource), 0) AS key, coalesce((SELECT max(seq) FROM change), 0) AS seq, coalesce((SELECT updated FROM change ORDER BY seq DESC LIMIT 1), 0) AS updated",
    );
    let ends = connection.load::<Ends>(&ends)?;
    let ends = ends.first().map_or((0, 0, 0), |ends| (ends.key, ends.seq, ends.updated));
    let (systems, keys) =
        earlier.map_or_else(|| (FastMap::default(), FastMap::default()), |memory| (memory.systems, memory.keys));
    Ok(Memory { next_counter: (ends.0 >> 8) + 1, next_seq: ends.1 + 1, last_updated: ends.2, systems, keys })
}
