//! The audit store: rows that are only added, each hashed with the one before, signed as they go.
//!
//! A row is written in two steps, so that reads wait for no database. [`AuditLog::append`] gives it its number and
//! hash and appends it to a **journal** (a file, one `write`): from then on it survives the end of the process, and
//! the answer may leave. One thread moves what came in to the tables, a few times a second, many rows a commit, and
//! signs how far the chain goes. After a crash the journal is moved first. So an answer that left has its row, unless
//! the machine itself lost power within the last moments ([`AuditLog::settle`] waits for the disk instead).
//!
//! With SQLite the tables are a file of their own, lest the one writer of the main database wait for the audit; with
//! PostgreSQL they are in the database, and each server has a chain of its own. May use: the connection. Must not
//! know: what is in a row.

mod journal;
mod seal;
mod tables;
mod verify;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::StoreError;
use super::connection::{Connection, Database};
use journal::{Journal, Row};
pub use seal::Anchor;
use seal::{Hash, Seal, genesis, link};
pub use tables::{AuditQuery, AuditRow};
pub use verify::{AuditFinding, AuditReport};

/// How long rows gather before they are moved, when nobody waits for them.
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes that may wait for the tables before requests wait with them.
const BACKLOG: usize = 64 << 20;
/// Events that are remembered while the journal cannot be written; no request is let in then, so these are those that
/// were under way.
const MOST_OWED: usize = 10_000;
/// How long a request waits for room.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a signature is kept for good.
const BETWEEN_ANCHORS: Duration = Duration::from_secs(60);
/// How often it is looked for what commands did.
const LOOK_AROUND: Duration = Duration::from_secs(1);
/// How often it is asked what is older than it may be.
const BETWEEN_RETENTIONS: Duration = Duration::from_secs(3600);
/// How long nothing is tried after the tables refused.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// When a row was, µs since 1970 UTC, and the names by which it is found.
pub(crate) type Indexed = fn(&[u8]) -> (i64, Vec<String>);

/// Where the audit is.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// The database that it is about.
    pub database: Database,
    /// A folder for the key, the journal, the signatures, and with SQLite the tables.
    pub folder: PathBuf,
    /// How rows are found.
    pub indexed: fn(&[u8]) -> (i64, Vec<String>),
    /// Rows that are older are removed; `None` keeps all.
    pub retention: Option<Duration>,
}

impl AuditOptions {
    /// Beside a SQLite file; for PostgreSQL a folder where the program was started.
    #[must_use]
    pub fn beside(database: &Database) -> PathBuf {
        match database {
            Database::Sqlite(path) => path.with_extension("audit"),
            Database::Postgres(_) => PathBuf::from("renraku.audit"),
        }
    }
}

/// What came in and where the chain stands.
struct State {
    journal: Journal,
    last: i64,
    hash: Hash,
    waiting: Vec<Row>,
    waiting_bytes: usize,
    /// Somebody waits for the tables.
    is_urgent: bool,
    is_closed: bool,
    /// The journal could not be written the last time.
    is_failing: bool,
    /// What was done and could not be written down; it comes first when that is possible again.
    owed: Vec<Vec<u8>>,
}

struct Inner {
    options: AuditOptions,
    state: Mutex<State>,
    came: Condvar,
    settled: watch::Sender<i64>,
    seal: Seal,
    _lock: File,
}

/// Ends the thread when nobody has the log any more.
struct Handle {
    inner: Arc<Inner>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inner.lock().is_closed = true;
        self.inner.came.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// The audit of one server. Cheap to clone.
#[derive(Clone)]
pub struct AuditLog(Arc<Handle>);

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AuditLog")
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, contents: Vec<Vec<u8>>) -> Result<i64, StoreError> {
        let mut state = self.lock();
        let owed = state.owed.len();
        let (mut last, mut hash) = (state.last, state.hash);
        let rows: Vec<Row> = state
            .owed
            .clone()
            .into_iter()
            .chain(contents)
            .map(|content| {
                last += 1;
                hash = link(&hash, last, &content);
                Row { seq: last, hash, content }
            })
            .collect();
        // One write to a file that the system keeps in memory: it takes a microsecond, less than to hand it to
        // another thread and back.
        if let Err(error) = state.journal.write(&rows) {
            state.is_failing = true;
            return Err(unavailable(error));
        }
        state.is_failing = false;
        state.owed.drain(..owed);
        (state.last, state.hash) = (last, hash);
        state.waiting_bytes += rows.iter().map(Row::size).sum::<usize>();
        state.waiting.extend(rows);
        Ok(last)
    }
}

fn unavailable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Audit(error.to_string())
}

/// A folder that only this user reads.
fn private_folder(folder: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt;
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| unavailable(format!("{}: {error}", folder.display())))
}

impl AuditLog {
    /// Opens the audit of a database whose schema is up to date; what an earlier process left is moved first.
    ///
    /// # Errors
    /// When the folder or the tables cannot be used, or another process has them.
    pub fn open(options: AuditOptions) -> Result<Self, StoreError> {
        let folder = options.folder.clone();
        private_folder(&folder)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("lock"))
            .map_err(|error| unavailable(format!("{}: {error}", folder.display())))?;
        lock.try_lock()
            .map_err(|_| unavailable(format!("{} is in use by another renraku process", folder.display())))?;
        let seal = Seal::open(&folder.join("key.pem"))?;
        let mut connection = tables::open(&options.database, &folder)?;
        let chain = tables::chain(&mut connection, &seal)?;
        let (mut last, mut hash) = tables::end(&mut connection, chain)?.unwrap_or((0, genesis(&seal.chain)));
        let (left, files) = Journal::left(&folder).map_err(unavailable)?;
        let missing: Vec<Row> = left.into_iter().filter(|row| row.seq > last).collect();
        if let Some(row) = missing.last() {
            (last, hash) = (row.seq, row.hash);
            let head = seal.sign("anchor", last, &hash)?;
            tables::insert(&mut connection, chain, &missing, options.indexed, &head, true)?;
            tracing::info!(rows = missing.len(), "the audit's journal of an earlier process was moved to its tables");
        }
        keep_evidence(&folder, &seal, last, &hash);
        for file in files {
            std::fs::remove_file(&file).map_err(unavailable)?;
        }
        let journal = Journal::begin(&folder, last + 1).map_err(unavailable)?;
        let state = State {
            journal,
            last,
            hash,
            waiting: Vec::new(),
            waiting_bytes: 0,
            is_urgent: false,
            is_closed: false,
            is_failing: false,
            owed: Vec::new(),
        };
        let inner = Arc::new(Inner {
            options,
            state: Mutex::new(state),
            came: Condvar::new(),
            settled: watch::Sender::new(last),
            seal,
            _lock: lock,
        });
        let mover = Mover::new(Arc::clone(&inner), connection, chain);
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || mover.run());
        let thread = Mutex::new(Some(thread.map_err(unavailable)?));
        Ok(Self(Arc::new(Handle { inner, thread })))
    }

    /// Writes rows down, in this order and next to each other; answers the number of the last. They survive the end
    /// of this process from then on.
    ///
    /// # Errors
    /// When they cannot be written; then none of them is.
    pub fn append(&self, contents: Vec<Vec<u8>>) -> Result<i64, StoreError> {
        self.0.inner.append(contents)
    }

    /// Keeps what was done and could not be written down: it is written before anything else, once that is possible.
    pub fn owe(&self, contents: Vec<Vec<u8>>) {
        let mut state = self.0.inner.lock();
        let room = MOST_OWED.saturating_sub(state.owed.len());
        state.owed.extend(contents.into_iter().take(room));
    }

    /// Waits while more is waiting for the tables than may; when that lasts, the audit is not able to go on. While the
    /// journal cannot be written it is tried first: nothing is begun that could not be written down.
    ///
    /// # Errors
    /// When there is no room within some seconds.
    pub async fn room(&self) -> Result<(), StoreError> {
        {
            let mut state = self.0.inner.lock();
            if state.is_failing {
                state.journal.probe().map_err(unavailable)?;
                state.is_failing = false;
            }
        }
        if self.0.inner.lock().waiting_bytes < BACKLOG {
            return Ok(());
        }
        let mut settled = self.0.inner.settled.subscribe();
        let deadline = Instant::now() + PATIENCE;
        while self.0.inner.lock().waiting_bytes >= BACKLOG {
            let rest = deadline.saturating_duration_since(Instant::now());
            self.hurry();
            if rest.is_zero() || tokio::time::timeout(rest, settled.changed()).await.is_err() {
                return Err(unavailable("its tables do not keep up"));
            }
        }
        Ok(())
    }

    fn hurry(&self) {
        self.0.inner.lock().is_urgent = true;
        self.0.inner.came.notify_all();
    }

    /// Waits until a row is in the tables and on the disk.
    ///
    /// # Errors
    /// When that does not happen within some seconds.
    pub async fn settled(&self, seq: i64) -> Result<(), StoreError> {
        let mut settled = self.0.inner.settled.subscribe();
        self.hurry();
        let reached = tokio::time::timeout(PATIENCE, settled.wait_for(|reached| *reached >= seq)).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            _ => Err(unavailable("its tables cannot be written")),
        }
    }

    /// Waits until all that was appended is in the tables. Blocks.
    ///
    /// # Errors
    /// When that does not happen within some seconds.
    pub fn settle(&self) -> Result<(), StoreError> {
        let wanted = self.0.inner.lock().last;
        let deadline = Instant::now() + PATIENCE;
        while *self.0.inner.settled.borrow() < wanted {
            if Instant::now() >= deadline {
                return Err(unavailable("its tables cannot be written"));
            }
            self.hurry();
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// The public key, PEM: what signatures are checked with.
    #[must_use]
    pub fn public_key(&self) -> &str {
        &self.0.inner.seal.public_key
    }

    /// A way to read it.
    ///
    /// # Errors
    /// When the tables cannot be reached.
    pub fn reader(&self) -> Result<AuditReader, StoreError> {
        AuditReader::open(&self.0.inner.options)
    }
}

/// A head that says more than the tables have is kept: rows are missing, and it proves it.
fn keep_evidence(folder: &Path, seal: &Seal, last: i64, hash: &Hash) {
    let Some(head) = std::fs::read_to_string(folder.join("head")).ok().and_then(|line| Anchor::read(line.trim()))
    else {
        return;
    };
    let fits = head.seq < last || (head.seq == last && head.hash == *hash);
    if head.chain == seal.chain && head.is_signed_by(&seal.public_key) && !fits {
        tracing::error!(
            signed = head.seq,
            there = last,
            "rows of the audit that were signed for are not there; `renraku audit verify` says which"
        );
        let _ = add_line(&folder.join("anchors"), &Anchor { kind: "anchor".to_owned(), ..head }.line());
    }
}

fn add_line(path: &Path, line: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = File::options().create(true).append(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}

/// Moves rows from the journal to the tables.
struct Mover {
    inner: Arc<Inner>,
    connection: Option<Connection>,
    chain: i64,
    anchored: Option<Instant>,
    looked: Instant,
    retained: Option<Instant>,
    main: Option<Connection>,
}

impl Mover {
    fn new(inner: Arc<Inner>, connection: Connection, chain: i64) -> Self {
        let connection = Some(connection);
        Self { inner, connection, chain, anchored: None, looked: Instant::now(), retained: None, main: None }
    }

    fn run(mut self) {
        // What was taken and could not be moved yet.
        let mut rows: Vec<Row> = Vec::new();
        loop {
            let is_closed = self.take(&mut rows);
            if self.looked.elapsed() >= LOOK_AROUND || is_closed {
                self.looked = Instant::now();
                if let Err(error) = self.adopt() {
                    tracing::warn!(%error, "what commands did cannot be taken into the audit at the moment");
                    self.main = None;
                }
                // What commands did belongs to what is moved now.
                self.take_now(&mut rows);
            }
            if !rows.is_empty() {
                match self.move_rows(&rows, is_closed) {
                    Ok(()) => rows.clear(),
                    Err(error) => {
                        tracing::error!(%error, rows = rows.len(), "the audit's tables cannot be written; it is tried again");
                        self.connection = None;
                        if is_closed {
                            // The journal has them: the next process moves them.
                            return;
                        }
                        std::thread::sleep(AFTER_FAILURE);
                    }
                }
            }
            if is_closed {
                return;
            }
            if self.retained.is_none_or(|last| last.elapsed() >= BETWEEN_RETENTIONS) {
                self.retained = Some(Instant::now());
                if let Err(error) = self.retain() {
                    tracing::error!(%error, "old rows of the audit cannot be removed");
                }
            }
        }
    }

    /// Waits for rows; answers whether this was the last time.
    fn take(&self, rows: &mut Vec<Row>) -> bool {
        let until = Instant::now() + PAUSE;
        let mut state = self.inner.lock();
        while !state.is_closed && !state.is_urgent && state.waiting_bytes < BACKLOG / 16 {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break;
            }
            state = self.inner.came.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_urgent = false;
        rows.append(&mut state.waiting);
        state.is_closed
    }

    fn take_now(&self, rows: &mut Vec<Row>) {
        rows.append(&mut self.inner.lock().waiting);
    }

    fn connection(&mut self) -> Result<&mut Connection, StoreError> {
        if self.connection.is_none() {
            self.connection = Some(tables::open(&self.inner.options.database, &self.inner.options.folder)?);
        }
        self.connection.as_mut().ok_or_else(|| unavailable("no connection"))
    }

    fn move_rows(&mut self, rows: &[Row], is_last: bool) -> Result<(), StoreError> {
        let Some(last) = rows.last() else { return Ok(()) };
        let is_kept = is_last || self.anchored.is_none_or(|at| at.elapsed() >= BETWEEN_ANCHORS);
        let head = self.inner.seal.sign("anchor", last.seq, &last.hash)?;
        let (chain, indexed, folder) = (self.chain, self.inner.options.indexed, self.inner.options.folder.clone());
        tables::insert(self.connection()?, chain, rows, indexed, &head, is_kept)?;
        if is_kept {
            self.anchored = Some(Instant::now());
            if let Err(error) = add_line(&folder.join("anchors"), &head.line()) {
                tracing::error!(%error, "a signature of the audit could not be kept beside it");
            }
        }
        let aside = folder.join("head.new");
        let written = std::fs::write(&aside, head.line()).and_then(|()| std::fs::rename(&aside, folder.join("head")));
        if let Err(error) = written {
            tracing::error!(%error, "the audit's head could not be kept beside it");
        }
        let bytes: usize = rows.iter().map(Row::size).sum();
        let mut state = self.inner.lock();
        state.waiting_bytes = state.waiting_bytes.saturating_sub(bytes);
        state.journal.settled(last.seq);
        drop(state);
        self.inner.settled.send_replace(last.seq);
        Ok(())
    }

    /// Takes in what commands noted in the database.
    fn adopt(&mut self) -> Result<(), StoreError> {
        if self.main.is_none() {
            self.main = Some(Connection::open(&self.inner.options.database, super::connection::Role::Writer)?);
        }
        let Some(main) = self.main.as_mut() else { return Ok(()) };
        let noted = tables::inbox(main)?;
        if noted.is_empty() {
            return Ok(());
        }
        let (ids, contents): (Vec<String>, Vec<Vec<u8>>) = noted.into_iter().unzip();
        self.inner.append(contents)?;
        tables::empty_inbox(main, &ids)
    }

    fn retain(&mut self) -> Result<(), StoreError> {
        let Some(keep) = self.inner.options.retention else { return Ok(()) };
        let now = jiff::Timestamp::now().as_microsecond();
        let before = now.saturating_sub(i64::try_from(keep.as_micros()).unwrap_or(i64::MAX));
        let chain = self.chain;
        let connection = self.connection()?;
        let Some((seq, hash)) = tables::newest_before(connection, chain, before)? else { return Ok(()) };
        let mark = self.inner.seal.sign("retention", seq, &hash)?;
        let removed = tables::remove_until(self.connection()?, chain, &mark)?;
        tracing::info!(removed, "rows of the audit whose time was over were removed");
        Ok(())
    }
}

/// Reads the audit; a server may have it open as well. All methods block.
pub struct AuditReader {
    connection: Connection,
    options: AuditOptions,
}

impl std::fmt::Debug for AuditReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AuditReader")
    }
}

impl AuditReader {
    /// Opens the tables for reading.
    ///
    /// # Errors
    /// When there are none, or they cannot be reached.
    pub fn open(options: &AuditOptions) -> Result<Self, StoreError> {
        let connection = tables::open_for_reading(&options.database, &options.folder)?;
        Ok(Self { connection, options: options.clone() })
    }

    /// Rows, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub fn find(&mut self, query: &AuditQuery) -> Result<Vec<AuditRow>, StoreError> {
        tables::find(&mut self.connection, query)
    }

    /// One row.
    ///
    /// # Errors
    /// What the database says.
    pub fn get(&mut self, chain: i64, seq: i64) -> Result<Option<AuditRow>, StoreError> {
        tables::get(&mut self.connection, chain, seq)
    }

    /// Walks all rows in order of their chains.
    ///
    /// # Errors
    /// What the database or `each` says.
    pub fn walk(&mut self, mut each: impl FnMut(AuditRow) -> Result<(), StoreError>) -> Result<(), StoreError> {
        for chain in tables::chains(&mut self.connection)? {
            let mut after = 0;
            loop {
                let rows = tables::page(&mut self.connection, chain.number, after)?;
                let Some(last) = rows.last() else { break };
                after = last.seq;
                for row in rows {
                    each(row)?;
                }
            }
        }
        Ok(())
    }

    /// The public keys (PEM) of the chains, and the newest signature of each.
    ///
    /// # Errors
    /// What the database says.
    pub fn seals(&mut self) -> Result<Vec<(String, String, Option<Anchor>)>, StoreError> {
        let mut all = Vec::new();
        for chain in tables::chains(&mut self.connection)? {
            let head = tables::head(&mut self.connection, &chain)?;
            all.push((chain.name, chain.public_key, head));
        }
        Ok(all)
    }

    /// Looks for rows that were changed, removed, put in or moved. `known` are signatures that were kept elsewhere.
    ///
    /// # Errors
    /// What the database says.
    pub fn verify(&mut self, known: &[Anchor]) -> Result<AuditReport, StoreError> {
        let mut known = known.to_vec();
        for name in ["anchors", "head"] {
            let text = std::fs::read_to_string(self.options.folder.join(name)).unwrap_or_default();
            known.extend(text.lines().filter_map(Anchor::read));
        }
        let indexed = self.options.indexed;
        self.connection.snapshot(|connection| verify::verify(connection, &known, indexed))
    }
}
