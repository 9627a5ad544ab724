//! `renraku reindex`

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use renraku::{notebook, store};

use super::config::{Settings, cannot_open};
use super::{Failure, answer, tell};

/// Where nobody watches a bar, a line as often.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Rebuild the search index and the notebook from the stored resources
///
/// Needed when the server says so at its start: after an upgrade that indexes more, or after another
/// time_zone was set. The server must not run meanwhile. All happens in one transaction: if it is
/// interrupted, everything is as before.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  renraku reindex --database sqlite://renraku.db")]
pub(super) struct Arguments {
    /// Rebuild the notebook only; the search index stays as it is
    #[arg(long)]
    notebook: bool,
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let config = arguments.settings.resolve()?;
    config.start_log()?;
    let started = Instant::now();
    let bar = ProgressBar::new(0);
    let template = "{bar:30} {pos}/{len} resources, {per_sec}, about {eta} left";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(500));
    let is_watched = std::io::stderr().is_terminal();
    let mut told = Instant::now();
    let mut progress = |done: u64, total: u64| {
        bar.set_length(total);
        bar.set_position(done);
        if !is_watched && told.elapsed() >= LINE_EVERY {
            told = Instant::now();
            let rate = done as f64 / started.elapsed().as_secs_f64();
            tell(format_args!("{done} of {total} resources, {rate:.0}/s"));
        }
    };
    let what = if arguments.notebook { store::Rebuild::Notebook } else { store::Rebuild::Everything };
    let rebuilt = store::reindex(&config.store, what, notebook::model::tables(), &mut progress);
    bar.finish_and_clear();
    let count = rebuilt.map_err(|error| cannot_open(&config.store.database, &error))?;
    let made = if arguments.notebook { "notebook" } else { "index" };
    answer(format_args!("rebuilt the {made} of {count} resources in {:.1} s", started.elapsed().as_secs_f64()));
    Ok(ExitCode::SUCCESS)
}
