//! What a worker does with lines: makes transactions of them and sees them through.
//!
//! Up to [`IN_FLIGHT`] transactions of a worker wait for the writer while the next is prepared, so
//! that commits have something to group. When one is refused, its parts are tried for themselves
//! (`salvage`), so that only what is wrong stays out.

mod job;

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use renraku::engine::{Engine, EntryAnswer, Refusal, Rejection};
use renraku::format::json::{self, Node};
use renraku::operations::ingest_blocking;
use renraku::r4::outcome::{Issue, IssueCode};
use renraku::store::Pending;
use renraku::validation::structure::check_resource;

use super::super::progress::{Counters, Progress};
use super::refusals::Refusals;
use super::resume::{Done, Place, note};
use super::source::{Chunk, Line};
pub(super) use job::name_of;
use job::{Item, Job, Kind, request_for, transaction};

const IN_FLIGHT: usize = 8;
/// Input whose transactions wait for the writer, a worker.
const IN_FLIGHT_BYTES: usize = 32 << 20;
const ATTEMPTS: usize = 4;

/// What the workers of one file share.
pub(super) struct Import<'a> {
    pub(super) engine: &'a Engine,
    /// As messages name it.
    pub(super) file: &'a str,
    /// Under what its progress is remembered.
    pub(super) key: Option<&'a str>,
    pub(super) done: &'a Done,
    /// Every transaction is awaited before the next is prepared.
    pub(super) in_order: bool,
    pub(super) counters: &'a Counters,
    pub(super) refusals: &'a Refusals,
    pub(super) progress: &'a Progress,
    /// Why it cannot go on.
    pub(super) failure: Mutex<Option<String>>,
}

impl Import<'_> {
    pub(super) fn has_failed(&self) -> bool {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn fail(&self, rejection: &Rejection) {
        let why = rejection.issues.first().map_or("the database failed", |issue| issue.diagnostics.as_str());
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.to_owned());
    }
}

/// One thread's share of the work.
pub(super) struct Worker<'a> {
    import: &'a Import<'a>,
    waiting: VecDeque<(Job, Pending<Vec<EntryAnswer>, Refusal>)>,
    waiting_bytes: usize,
}

/// Plain resources that will share a transaction.
#[derive(Default)]
struct Gathered<'c> {
    items: Vec<Item>,
    entries: Vec<Node<'c>>,
    names: HashSet<String>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(import: &'a Import<'a>) -> Self {
        Self { import, waiting: VecDeque::new(), waiting_bytes: 0 }
    }

    /// Takes a chunk; its last transactions may still be under way afterwards.
    pub(super) fn chunk(&mut self, chunk: &Chunk) {
        let mut gathered = Gathered::default();
        for line in &chunk.lines {
            let place = Place { line: line.number, entry: None };
            if self.import.done.contains(place) {
                self.submit_gathered(&mut gathered);
                continue;
            }
            match json::parse(&line.text) {
                Err(error) => {
                    self.submit_gathered(&mut gathered);
                    let issue = Issue::error(IssueCode::Structure, error.to_string());
                    self.refuse(place, "", &[issue], &line.text);
                }
                Ok(node) if node.text("resourceType") == Some("Bundle") => {
                    self.submit_gathered(&mut gathered);
                    self.bundle(line, node);
                }
                Ok(node) => {
                    // A transaction may write a resource once.
                    let name = name_of(&node);
                    if name.contains('/') && !gathered.names.insert(name.clone()) {
                        self.submit_gathered(&mut gathered);
                        gathered.names.insert(name);
                    }
                    gathered.items.push(Item { place, kind: Kind::Resource, text: line.text.clone() });
                    gathered.entries.push(request_for(node, None));
                }
            }
        }
        self.submit_gathered(&mut gathered);
    }

    /// Waits for everything that is under way.
    pub(super) fn finish(&mut self) {
        while self.settle_one() {}
    }

    fn submit_gathered(&mut self, gathered: &mut Gathered<'_>) {
        let Gathered { items, entries, .. } = std::mem::take(gathered);
        if !items.is_empty() {
            self.submit(Job { items }, transaction(entries));
        }
    }

    fn bundle(&mut self, line: &Line, mut bundle: Node<'_>) {
        let place = Place { line: line.number, entry: None };
        let whole = |kind| Job { items: vec![Item { place, kind, text: line.text.clone() }] };
        match bundle.text("type") {
            Some("transaction") => self.submit(whole(Kind::Transaction), bundle),
            Some("document") => {
                self.finish();
                self.complete(whole(Kind::Document));
            }
            Some("batch") => {
                for (item, entry) in self.entries(line, &mut bundle, Kind::BatchEntry, Some) {
                    self.submit(Job { items: vec![item] }, transaction(vec![entry]));
                }
            }
            _ => {
                // Entries that are done are left out, references to them still hold: they have ids.
                let (items, entries): (Vec<_>, Vec<_>) = self
                    .entries(line, &mut bundle, Kind::Entry, |mut entry| {
                        let full_url = entry.remove("fullUrl");
                        entry.remove("resource").map(|resource| request_for(resource, full_url))
                    })
                    .into_iter()
                    .unzip();
                if !items.is_empty() {
                    self.submit(Job { items }, transaction(entries));
                }
            }
        }
    }

    /// The entries of a Bundle that are not done yet, each made into what a transaction has.
    fn entries<'c>(
        &self,
        line: &Line,
        bundle: &mut Node<'c>,
        kind: Kind,
        make: impl Fn(Node<'c>) -> Option<Node<'c>>,
    ) -> Vec<(Item, Node<'c>)> {
        let Some(Node::Array(entries)) = bundle.remove("entry") else { return Vec::new() };
        let places = (0..).map(|entry| Place { line: line.number, entry: Some(entry) });
        places
            .zip(entries)
            .filter(|(place, _)| !self.import.done.contains(*place))
            .filter_map(|(place, entry)| {
                let entry = make(entry)?;
                Some((Item { place, kind, text: entry.to_bytes().into() }, entry))
            })
            .collect()
    }

    /// Hands a job to the writer.
    fn submit(&mut self, job: Job, bundle: Node<'_>) {
        if self.import.has_failed() {
            return;
        }
        match self.begin(&job, bundle) {
            Ok(pending) => {
                self.waiting_bytes += job.bytes();
                self.waiting.push_back((job, pending));
            }
            Err(rejection) => self.salvage(job, rejection),
        }
        while self.import.in_order && !self.waiting.is_empty()
            || self.waiting.len() > IN_FLIGHT
            || self.waiting_bytes > IN_FLIGHT_BYTES
        {
            self.settle_one();
        }
    }

    fn begin(&self, job: &Job, bundle: Node<'_>) -> Result<Pending<Vec<EntryAnswer>, Refusal>, Rejection> {
        self.import.engine.transaction_blocking(bundle, "", self.position(job))
    }

    /// What is noted together with the job.
    fn position(&self, job: &Job) -> Option<(String, i64)> {
        let (first, last) = (job.items.first()?.place, job.items.last()?.place);
        let (part, position) = note(first, last);
        Some((format!("{}#{part}", self.import.key?), position))
    }

    /// Sees the oldest job through; `false` when there is none.
    fn settle_one(&mut self) -> bool {
        let Some((job, pending)) = self.waiting.pop_front() else { return false };
        self.waiting_bytes -= job.bytes();
        match pending.wait() {
            Ok(answers) => self.count(answers.len()),
            Err(Refusal::Stale) => self.complete(job),
            Err(Refusal::Rejected(rejection)) => self.salvage(job, rejection),
        }
        true
    }

    fn count(&self, resources: usize) {
        self.import.counters.resources.fetch_add(resources as u64, Ordering::Relaxed);
    }

    /// Carries a job out from its text and waits for it.
    fn complete(&self, job: Job) {
        if self.import.has_failed() {
            return;
        }
        match self.attempt(&job) {
            Ok(count) => self.count(count),
            Err(rejection) if rejection.status == 503 => self.import.fail(&rejection),
            Err(rejection) => self.salvage_for_good(job, rejection),
        }
    }

    /// Tries several times when others were in the way or the database is not well.
    fn attempt(&self, job: &Job) -> Result<usize, Rejection> {
        let mut last = Rejection::internal("others keep changing what its conditions find");
        for attempt in 0..ATTEMPTS {
            let outcome = match job.items.as_slice() {
                [item] if item.kind == Kind::Document => self.document(job, item).map_err(Refusal::Rejected),
                _ => job
                    .bundle()
                    .and_then(|bundle| self.begin(job, bundle))
                    .map_or_else(|r| Err(r.into()), |pending| pending.wait().map(|answers| answers.len())),
            };
            match outcome {
                Ok(count) => return Ok(count),
                Err(Refusal::Stale) => {}
                Err(Refusal::Rejected(rejection)) if rejection.status >= 500 && rejection.status != 501 => {
                    last = rejection;
                    std::thread::sleep(Duration::from_millis(100 << attempt));
                }
                Err(Refusal::Rejected(rejection)) => return Err(rejection),
            }
        }
        Err(last)
    }

    fn document(&self, job: &Job, item: &Item) -> Result<usize, Rejection> {
        let done = ingest_blocking(self.import.engine, &job::parse(&item.text)?)?;
        let count = done.created + done.updated + done.deleted + done.unchanged;
        // A document that is ingested twice changes nothing, so this may be a step of its own.
        if let Some((source, position)) = self.position(job) {
            self.import
                .engine
                .store()
                .write_blocking(move |transaction| transaction.set_import_position(&source, position))?
                .wait()?;
        }
        Ok(count)
    }

    /// A job was refused: perhaps only for now.
    fn salvage(&self, job: Job, rejection: Rejection) {
        if rejection.status >= 500 && rejection.status != 501 {
            self.complete(job);
        } else {
            self.salvage_for_good(job, rejection);
        }
    }

    /// Refuses what is wrong with a job and carries out the rest, in its order.
    fn salvage_for_good(&self, job: Job, rejection: Rejection) {
        if let [item] = job.items.as_slice() {
            let node = job::parse(&item.text);
            let what = node.map(|node| name_of(item.resource(&node))).unwrap_or_default();
            let issues: Vec<Issue> = rejection.issues.into_iter().map(|issue| item.relative(issue, &what)).collect();
            self.refuse(item.place, &what, &issues, &item.alone());
            return;
        }
        let mut good = Vec::new();
        let mut found = false;
        for item in &job.items {
            match self.issues_of(item) {
                Some((what, issues)) => {
                    found = true;
                    self.complete_all(std::mem::take(&mut good));
                    self.refuse(item.place, &what, &issues, &item.alone());
                }
                None => good.push(item.clone()),
            }
        }
        if found {
            self.complete_all(good);
        } else {
            let (first, second) = good.split_at(good.len() / 2);
            self.complete_all(first.to_vec());
            self.complete_all(second.to_vec());
        }
    }

    fn complete_all(&self, items: Vec<Item>) {
        if !items.is_empty() {
            self.complete(Job { items });
        }
    }

    /// What is wrong with an item by itself.
    fn issues_of(&self, item: &Item) -> Option<(String, Vec<Issue>)> {
        let node = match job::parse(&item.text) {
            Ok(node) => node,
            Err(rejection) => return Some((String::new(), rejection.issues)),
        };
        let resource = item.resource(&node);
        check_resource(resource, None).err().map(|issues| (name_of(resource), issues))
    }

    fn refuse(&self, place: Place, what: &str, issues: &[Issue], text: &[u8]) {
        let Import { file, refusals, progress, .. } = self.import;
        refusals.add(file, place, what, issues, text, progress);
    }
}
