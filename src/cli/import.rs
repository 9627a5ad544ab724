//! `renraku import`: files of resources and Bundles into the database, as fast as it takes them.
//!
//! One thread reads a file into chunks of lines (`source.rs`); workers parse, check and index them and
//! hand them to the writer, several transactions at a time (`work.rs`), which commits them in groups.
//! Files follow each other. What is done is noted in the same transaction (`resume.rs`), so that an
//! import that was stopped goes on where it was and writes nothing twice.

mod check;
mod refusals;
mod resume;
mod source;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Instant;

use clap::Args;
use renraku::engine::Engine;

use super::config::Settings;
use super::progress::{Counters, Progress};
use super::{Failure, answer};
use refusals::Refusals;
use resume::Done;
use source::{Chunk, Input};
use work::{Import, Worker};

const HELP: &str = "\
Each FILE is NDJSON (a resource or a Bundle a line), one resource or Bundle over several lines, or one in
XML; it may be compressed with gzip or Zstandard. `-` is standard input.

What becomes of them:
  resource with an id       updated or created under that id (PUT)
  resource without an id    created (POST)
  Bundle: transaction       carried out as it says, all or nothing
  Bundle: batch             carried out as it says, each entry for itself
  Bundle: document          ingested as `Bundle/$ingest-document` does
  Bundle: any other type    its resources, as above, with the references between them kept

Order: files are imported one after the other, but the lines of a file by several workers at once. A
reference to a resource further down is fine. What is found by a search (`Patient?identifier=…` as a
reference or condition) must be in an earlier file; or use --jobs 1, which takes line after line.

Stopped in the middle? Call it again in the same way: it goes on where it was. A file is known by its
path, size and time of change.

Examples:
  renraku import hospitals.ndjson patients.ndjson
  renraku import export.ndjson.gz
  curl -s https://fhir.example/export.ndjson | renraku import - --name export-2026-11
  renraku import feed.ndjson --errors refused.ndjson
  renraku import feed.ndjson --dry-run

Exit codes: 0 all is in, 1 some resources were refused (each is named on standard error), 2 it could not run.";

/// Import files of FHIR resources or Bundles
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct Arguments {
    /// Files to import; `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Number of workers; 1 keeps to the order of the lines [default: one a core]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Remember how far it came under this name instead of path, size and time (for standard input)
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Import again from the start what was imported already
    #[arg(long)]
    again: bool,
    /// Write what was refused to this file, as NDJSON
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
    /// Check the structure of everything and store nothing; opens no database
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    import(arguments).map_err(|failure| failure.with_code(2))
}

fn import(arguments: Arguments) -> Result<ExitCode, Failure> {
    if arguments.name.is_some() && arguments.files.len() > 1 {
        return Err(Failure::new(2, "--name names one import; give it one FILE"));
    }
    let jobs = arguments.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let mut config = arguments.settings.resolve()?;
    config.start_log()?;
    // Nobody reads a resource again right after it was imported.
    config.store.cache_bytes = 0;
    config.store.readers = config.store.readers.max(u32::try_from(jobs).unwrap_or(u32::MAX));
    let counters = Arc::new(Counters::default());
    let inputs = arguments
        .files
        .iter()
        .map(|path| Input::open(path, arguments.name.as_deref(), &counters))
        .collect::<Result<Vec<_>, _>>()?;
    let refusals = Refusals::new(Arc::clone(&counters), arguments.errors.as_deref())?;
    let engine = if arguments.dry_run { None } else { Some(config.open()?) };
    let total = inputs.iter().map(|input| input.size).sum::<Option<u64>>();
    let started = Instant::now();
    let progress = Progress::start(Arc::clone(&counters), total);
    let run =
        Run { engine, jobs, again: arguments.again, counters: &counters, refusals: &refusals, progress: &progress };
    let files = inputs.len();
    for input in inputs {
        run.file(input)?;
    }
    if let Some(engine) = &run.engine {
        engine.store().refresh_statistics().map_err(store_failure)?;
    }
    refusals.finish(&progress)?;
    drop(progress);
    Ok(summary(&counters, files, arguments.dry_run, started.elapsed().as_secs_f64()))
}

fn summary(counters: &Counters, files: usize, dry_run: bool, seconds: f64) -> ExitCode {
    let (resources, refused) = (counters.resources.load(Ordering::Relaxed), counters.refused.load(Ordering::Relaxed));
    let plural = if files == 1 { "" } else { "s" };
    let verb = if dry_run { "checked" } else { "imported" };
    let rate = resources as f64 / seconds.max(1e-3);
    answer(format_args!(
        "{verb} {resources} resources of {files} file{plural} in {seconds:.1} s ({rate:.0}/s), {refused} refused"
    ));
    ExitCode::from(u8::from(refused > 0))
}

/// What is the same for all files.
struct Run<'a> {
    engine: Option<Engine>,
    jobs: usize,
    again: bool,
    counters: &'a Counters,
    refusals: &'a Refusals,
    progress: &'a Progress,
}

impl Run<'_> {
    fn file(&self, input: Input) -> Result<(), Failure> {
        let Some(engine) = &self.engine else { return self.check(input) };
        let done = match &input.key {
            Some(key) => {
                if self.again {
                    engine.store().forget_import(key).map_err(store_failure)?;
                }
                Done::of(engine.store().import_progress(key).map_err(store_failure)?)
            }
            None => Done::default(),
        };
        if done.finished {
            let name = &input.name;
            self.progress.say(format_args!("{name}: already imported (use --again to import it again)"));
            return Ok(());
        }
        if let Some(line) = done.first_missing() {
            self.progress.say(format_args!("{}: resuming at line {line}", input.name));
        }
        let refused_before = self.counters.refused.load(Ordering::Relaxed);
        let import = Import {
            engine,
            file: &input.name,
            key: input.key.as_deref(),
            done: &done,
            in_order: self.jobs == 1,
            counters: self.counters,
            refusals: self.refusals,
            progress: self.progress,
            failure: Mutex::default(),
        };
        let lines = self.distribute(input.chunks, &import)?;
        // With refusals it is not finished: the next call tries only those again.
        if let Some(key) = &input.key
            && self.counters.refused.load(Ordering::Relaxed) == refused_before
        {
            engine.store().finish_import(key, lines).map_err(store_failure)?;
        }
        Ok(())
    }

    /// Reads on this thread, works on others; answers the number of lines.
    fn distribute(
        &self,
        chunks: impl Iterator<Item = Result<Chunk, Failure>>,
        import: &Import<'_>,
    ) -> Result<i64, Failure> {
        let (sender, receiver) = mpsc::sync_channel::<Chunk>(self.jobs * 2);
        let receiver = Mutex::new(receiver);
        let mut lines = 0;
        let mut read = Ok(());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| {
                    let mut worker = Worker::new(import);
                    loop {
                        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        let Ok(chunk) = next else { break };
                        // After a failure the rest is only taken off, so that the reader ends.
                        if !import.has_failed() {
                            worker.chunk(&chunk);
                        }
                    }
                    worker.finish();
                });
            }
            for chunk in chunks {
                match chunk {
                    Ok(chunk) => {
                        lines = chunk.lines.last().map_or(lines, |line| line.number);
                        if import.has_failed() || sender.send(chunk).is_err() {
                            break;
                        }
                    }
                    Err(failure) => {
                        read = Err(failure);
                        break;
                    }
                }
            }
            drop(sender);
        });
        if let Some(why) = import.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(Failure::new(2, format!("{why}; call it again in the same way to go on where it stopped")));
        }
        read.map(|()| i64::try_from(lines).unwrap_or(i64::MAX))
    }

    fn check(&self, input: Input) -> Result<(), Failure> {
        for chunk in input.chunks {
            for line in chunk?.lines {
                let checked = check::line(&input.name, &line, self.refusals, self.progress);
                self.counters.resources.fetch_add(checked, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn store_failure(error: renraku::store::StoreError) -> Failure {
    Failure::new(2, error.to_string())
}
