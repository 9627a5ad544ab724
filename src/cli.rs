//! The command line: what a person at a terminal, a service manager or a script sees.
//!
//! May use everything below. Each command is a file; `config.rs` gathers the settings they share.
//! Standard output carries results, standard error everything else.

mod access;
mod audit;
mod certificate;
mod client;
mod config;
mod demo;
mod explain;
mod fls;
mod healthcheck;
mod import;
mod media;
mod migrate;
mod package;
mod progress;
mod reindex;
mod schema;
mod serve;
mod terminology;
mod user;
mod validate;

use std::fmt::Display;
use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  renraku serve --demo                      look around at http://127.0.0.1:8080
  renraku serve --database sqlite:///var/lib/renraku/renraku.db
  renraku import patients.ndjson            load FHIR resources or Bundles
  curl -s -G http://127.0.0.1:8080/fhir/Patient --data-urlencode name=見本

Settings (what --listen and the like set) are taken from, the first that has one:
  1. flags               --max-body 20MiB
  2. renraku.toml        max_body = \"20MiB\"      (in the working folder, or --config FILE)
  3. the environment     RENRAKU_MAX_BODY=20MiB
`renraku serve --help` lists them all.";

/// HL7 FHIR R4 (4.0.1) server whose resources are the contact notebook of a care team
#[derive(Debug, Parser)]
#[command(name = "renraku", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Arguments),
    Audit(audit::Arguments),
    Access(explain::Arguments),
    Certificate(certificate::Arguments),
    Client(client::Arguments),
    Fls(fls::Arguments),
    Import(import::Arguments),
    Media(media::Arguments),
    Migrate(migrate::Arguments),
    Package(package::Arguments),
    Reindex(reindex::Arguments),
    Schema(schema::Arguments),
    Terminology(terminology::Arguments),
    User(user::Arguments),
    Validate(validate::Arguments),
    Healthcheck(healthcheck::Arguments),
}

/// Why a command ends early, for the person who called it.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The same failure with another exit code.
    fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }
}

/// Reads the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    let matches = config::only_relevant_settings(Cli::command()).get_matches();
    let outcome = match Cli::from_arg_matches(&matches) {
        Err(error) => error.exit(),
        Ok(Cli { command }) => match command {
            Command::Serve(arguments) => serve::run(arguments),
            Command::Audit(arguments) => audit::run(arguments),
            Command::Access(arguments) => explain::run(arguments),
            Command::Certificate(arguments) => certificate::run(arguments),
            Command::Client(arguments) => client::run(arguments),
            Command::Fls(arguments) => fls::run(arguments),
            Command::Import(arguments) => import::run(arguments),
            Command::Media(arguments) => media::run(arguments),
            Command::Migrate(arguments) => migrate::run(arguments),
            Command::Package(arguments) => package::run(arguments),
            Command::Reindex(arguments) => reindex::run(arguments),
            Command::Schema(arguments) => schema::run(&arguments),
            Command::Terminology(arguments) => terminology::run(arguments),
            Command::User(arguments) => user::run(arguments),
            Command::Validate(arguments) => validate::run(&arguments),
            Command::Healthcheck(arguments) => healthcheck::run(arguments),
        },
    };
    outcome.unwrap_or_else(|failure| {
        tell(format_args!("renraku: {}", failure.message));
        ExitCode::from(failure.code)
    })
}

/// A line on standard output; one that nobody reads is no error.
fn answer(line: impl Display) {
    let mut out = stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// A line on standard error.
fn tell(line: impl Display) {
    let _ = writeln!(stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        config::only_relevant_settings(Cli::command()).debug_assert();
    }
}
