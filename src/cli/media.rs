//! `renraku media`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::config::Settings;
use super::{Failure, answer};

/// Look after the content store: photos, videos and large attachments
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Remove content that no version of any resource holds
    ///
    /// The server does this by itself, once an hour. With SQLite the server must not run meanwhile.
    Gc {
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
        /// What is younger stays: a resource may be about to hold it
        #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        grace: u64,
        #[command(flatten)]
        settings: Settings,
    },
    /// Read all content and compare it with its hash; find what resources hold and is not there
    ///
    /// Exit code 1 when something is damaged or missing.
    Verify {
        #[command(flatten)]
        settings: Settings,
    },
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Gc { dry_run, grace, settings } => {
            let config = settings.resolve()?;
            config.start_log()?;
            let engine = config.open()?;
            let grace = std::time::Duration::from_secs(grace * 3600);
            let collected = engine.store().collect_content(grace, dry_run).map_err(failed)?;
            for id in &collected.removed {
                answer(id);
            }
            let word = if dry_run { "would be removed" } else { "removed" };
            answer(format_args!(
                "{} contents, {} {word} ({} bytes), {} unused but too young, {} remains of uploads removed",
                collected.contents,
                collected.removed.len(),
                collected.bytes,
                collected.young,
                collected.remains
            ));
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify { settings } => {
            let config = settings.resolve()?;
            config.start_log()?;
            let engine = config.open()?;
            let verified = engine.store().verify_content().map_err(failed)?;
            for (what, ids) in [("damaged", &verified.damaged), ("missing", &verified.missing)] {
                for id in ids {
                    answer(format_args!("{what} {id}"));
                }
            }
            answer(format_args!(
                "{} contents are right ({} bytes), {} damaged, {} missing",
                verified.right,
                verified.bytes,
                verified.damaged.len(),
                verified.missing.len()
            ));
            let is_well = verified.damaged.is_empty() && verified.missing.is_empty();
            Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

#[allow(clippy::needless_pass_by_value)]
fn failed(error: renraku::store::StoreError) -> Failure {
    Failure::new(1, error.to_string())
}
