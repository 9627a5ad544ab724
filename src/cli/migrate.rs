//! `renraku migrate`

use std::process::ExitCode;

use clap::Args;
use renraku::store::Store;

use super::config::{Settings, cannot_open};
use super::{Failure, answer};

/// Bring the database schema up to date and say what was done
///
/// `serve` and `import` do the same when they start; this command is for those who want it to be a
/// step of its own, for example before a new version is rolled out.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  renraku migrate --database postgres://renraku@db.example.jp/renraku")]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let config = arguments.settings.resolve()?;
    config.start_log()?;
    let database = &config.store.database;
    let ran = Store::migrate(database).map_err(|error| cannot_open(database, &error))?;
    for name in &ran {
        answer(format_args!("ran migration {name}"));
    }
    answer("the schema is up to date");
    Ok(ExitCode::SUCCESS)
}
