//! `renraku package`

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Subcommand};
use renraku::operations::{build_package, install_package, remove_package};
use renraku::r4::datetime::format_instant;
use renraku::r4::outcome::Severity;

use super::config::Settings;
use super::{Failure, answer, tell};

/// Install, list and remove packages of definitions (profiles, extensions, terminology)
///
/// A package is a .tgz file as implementation guides are published. Validation and terminology take definitions
/// from all that are installed; versions of one package stay side by side.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  renraku package add jp-core.r4-1.1.2.tgz
  renraku package list
  renraku package remove jp-core.r4#1.1.2
  renraku package build                          the guide of the notebook, for others to install

Exit codes: 0 done, 1 something failed, 2 wrong use.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Install packages; the same version again replaces itself
    Add {
        /// Archives (.tgz)
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// List what is installed
    List,
    /// Remove a package: one version (NAME#VERSION) or all (NAME)
    Remove {
        /// NAME or NAME#VERSION
        #[arg(value_name = "PACKAGE")]
        package: String,
    },
    /// Write the guide of the notebook and of fracture liaison as a FHIR package
    Build {
        /// Where to; by default renraku-VERSION.tgz
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    if let Action::Build { output } = arguments.action {
        return build(output);
    }
    let config = arguments.settings.resolve()?;
    config.start_log()?;
    let engine = config.open()?;
    match arguments.action {
        Action::Add { files } => {
            for path in files {
                let begun = Instant::now();
                let named = |why: &dyn std::fmt::Display| Failure::new(1, format!("{}: {why}", path.display()));
                let file = File::open(&path).map_err(|error| named(&error).with_code(2))?;
                let installed = install_package(&engine, file).map_err(|rejection| {
                    named(&rejection.issues.first().map_or("it was refused", |issue| issue.diagnostics.as_str()))
                })?;
                for issue in installed.issues() {
                    if issue.severity == Severity::Information {
                        answer(format_args!("{} ({:.1} s)", issue.diagnostics, begun.elapsed().as_secs_f64()));
                    } else {
                        tell(issue.diagnostics);
                    }
                }
            }
        }
        Action::Build { .. } => {}
        Action::List => {
            let packages = engine.store().packages().map_err(|error| Failure::new(1, error.to_string()))?;
            for package in &packages {
                answer(format_args!(
                    "{}#{}\t{} definitions\tinstalled {}\t{}",
                    package.name,
                    package.version,
                    package.definitions,
                    format_instant(package.installed),
                    package.title
                ));
            }
            if packages.is_empty() {
                tell("no packages are installed; `renraku package add FILE.tgz` installs one");
            }
        }
        Action::Remove { package } => {
            let (name, version) = match package.split_once(['#', '@']) {
                Some((name, version)) => (name, Some(version)),
                None => (package.as_str(), None),
            };
            let removed = remove_package(&engine, name, version).map_err(|rejection| {
                Failure::new(1, rejection.issues.first().map_or("", |issue| issue.diagnostics.as_str()).to_owned())
            })?;
            if removed == 0 {
                return Err(Failure::new(
                    1,
                    format!("{package} is not installed; `renraku package list` lists what is"),
                ));
            }
            answer(format_args!("{package} is removed"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn build(output: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let mut bytes = Vec::new();
    let (name, version) = build_package(&mut bytes).map_err(|error| Failure::new(1, error.to_string()))?;
    let output = output.unwrap_or_else(|| format!("{name}-{version}.tgz").into());
    std::fs::write(&output, &bytes).map_err(|error| Failure::new(1, format!("{}: {error}", output.display())))?;
    answer(format_args!("{name}#{version} is in {} ({} bytes)", output.display(), bytes.len()));
    Ok(ExitCode::SUCCESS)
}
