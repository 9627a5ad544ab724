//! `renraku access explain`: which rule decides.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use renraku::engine::AccessAsked;

use super::config::Settings;
use super::{Failure, answer};

/// Who may do what, and by which rule
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say whether somebody may do something with a resource, and which rules decide
    ///
    /// A SQLite database is taken while no server runs; a server answers the same at /access/explain.
    #[command(after_help = "Example:\n  renraku access explain --as Practitioner/x --do read Patient/1")]
    Explain {
        /// Practitioner/ID, PractitionerRole/ID, Patient/ID, RelatedPerson/ID; Organization/ID for a system of it
        #[arg(long = "as", value_name = "REFERENCE")]
        who: String,
        /// create, read, update, delete or search
        #[arg(long = "do", value_name = "INTERACTION", default_value = "read")]
        what: String,
        /// The resource, TYPE/ID
        on: String,
        /// Scopes of the token [default: all]
        #[arg(long, value_name = "SCOPES")]
        scope: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Action::Explain { who, what, on, scope, settings } = arguments.action;
    let engine = settings.resolve()?.open()?;
    let told = engine.explain_access(&AccessAsked { who, what, on, scope }).map_err(|rejection| {
        Failure::new(1, rejection.issues.first().map_or_else(String::new, |issue| issue.diagnostics.clone()))
    })?;
    let is_allowed = told["allowed"] == true;
    answer(if is_allowed { "allowed" } else { "not allowed" });
    for rule in told["rules"].as_array().into_iter().flatten() {
        let mark = if rule["allows"] == true { "+" } else { "-" };
        let text = |name: &str| rule[name].as_str().unwrap_or_default().to_owned();
        answer(format_args!("{mark} {}: {}", text("rule"), text("because")));
    }
    Ok(if is_allowed { ExitCode::SUCCESS } else { ExitCode::from(3) })
}
