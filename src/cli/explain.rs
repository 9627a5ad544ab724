//! `renraku access`: which rule decides, what the rules are or whether a file of them is right, emergencies to review.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use renraku::access::policy::BUILT_IN;
use renraku::engine::{AccessAsked, EmergencyFilter};

use super::config::{Settings, policy};
use super::{Failure, answer};

/// Who may do what and by which rule; emergencies to review
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
        settings: Box<Settings>,
    },
    /// Print the rules that count without a file of your own, or check such a file
    #[command(
        after_help = "Example:\n  renraku access policy > access.toml\n  renraku access policy --check access.toml\n  renraku serve --access-policy access.toml"
    )]
    Policy {
        /// Say whether this file is right, and what it changes of the rules that are built in
        #[arg(long, value_name = "FILE")]
        check: Option<PathBuf>,
    },
    /// List who broke the glass and what disasters were declared, newest first
    ///
    /// A SQLite database is taken while no server runs; a server answers the same at /access/emergencies.
    Emergencies {
        /// Only a break-glass that nobody has reviewed; exit code 3 when one is overdue
        #[arg(long)]
        unreviewed: bool,
        #[command(flatten)]
        settings: Box<Settings>,
    },
}

/// A line an emergency.
fn list(settings: Settings, unreviewed: bool) -> Result<ExitCode, Failure> {
    let engine = settings.resolve()?.open()?;
    let only = if unreviewed { EmergencyFilter::Unreviewed } else { EmergencyFilter::All };
    let told = engine.emergencies(only).map_err(|rejection| {
        Failure::new(1, rejection.issues.first().map_or_else(String::new, |issue| issue.diagnostics.clone()))
    })?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut is_late = false;
    for glass in told["breakGlass"].as_array().into_iter().flatten() {
        let review = match &glass["review"] {
            serde_json::Value::Null if glass["overdue"] == true => {
                is_late = true;
                "NOT REVIEWED, OVERDUE".to_owned()
            }
            serde_json::Value::Null => "not reviewed".to_owned(),
            review => format!("{} ({}, {})", text(&review["verdict"]), text(&review["by"]), text(&review["at"])),
        };
        let of = ["article", "from", "who", "citizen", "purpose", "reason"].map(|name| text(&glass[name]));
        answer(format_args!("{}  {review}", of.join("  ")));
    }
    for disaster in told["disasters"].as_array().into_iter().flatten().filter(|_| !unreviewed) {
        let of = ["id", "start", "until", "status", "who", "municipality", "scope", "notice"];
        answer(format_args!("Flag/{}", of.map(|name| text(&disaster[name])).join("  ")));
    }
    Ok(if unreviewed && is_late { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

fn tell_policy(check: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let Some(path) = check else {
        answer(BUILT_IN.trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    let (own, built_in) = (policy(&path)?, renraku::access::Policy::built_in());
    answer(format_args!("{} is right: {} rules", path.display(), own.ids().count()));
    for id in built_in.ids().filter(|id| !own.ids().any(|known| known == *id)) {
        answer(format_args!("- {id}: not in the file, so that nothing is allowed by it"));
    }
    for id in own.ids().filter(|id| !built_in.ids().any(|known| known == *id)) {
        answer(format_args!("+ {id}: a rule of the file"));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let (who, what, on, scope, settings) = match arguments.action {
        Action::Explain { who, what, on, scope, settings } => (who, what, on, scope, settings),
        Action::Policy { check } => return tell_policy(check),
        Action::Emergencies { unreviewed, settings } => return list(*settings, unreviewed),
    };
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
