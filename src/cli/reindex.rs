//! `renraku reindex`

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use renraku::{notebook, store};

use super::config::{Settings, cannot_open};
use super::{Failure, answer};

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
    let mut progress = |done: u64, total: u64| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let rebuilt = store::reindex(&config.store, notebook::model::tables(), &mut progress);
    bar.finish_and_clear();
    let count = rebuilt.map_err(|error| cannot_open(&config.store.database, &error))?;
    answer(format_args!("rebuilt the index of {count} resources in {:.1} s", started.elapsed().as_secs_f64()));
    Ok(ExitCode::SUCCESS)
}
