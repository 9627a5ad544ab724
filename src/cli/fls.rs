//! `renraku fls`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Subcommand};
use renraku::engine::{Engine, Rejection};
use renraku::operations::fls::certifications::{Mapping, import, mapping};
use renraku::operations::fls::{catch_up, rebuild};

use super::config::Settings;
use super::{Failure, answer, tell};

/// Fracture liaison: compute what is derived, import certifications of care need
///
/// The server does the first by itself while it runs; on SQLite it must not run meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  renraku fls sweep                                    what changed since, and what today changes by itself
  renraku fls rebuild                                  everything anew
  renraku fls import-certifications --dry-run 認定.csv
  renraku fls import-certifications --mapping city.toml 認定.csv

A mapping file names the columns and what their values mean (TOML; each line may be left out):
  insured = \"被保険者番号\"          level = \"要介護状態区分\"
  start = \"認定有効期間開始日\"      end = \"認定有効期間終了日\"
  cause = \"主傷病\"                  municipality = \"Organization/obu\"
  [levels]
  \"要介護２（軽）\" = \"22\"

Exit codes: 0 when all went well, 1 when something fails, 2 when a file cannot be read, 3 when rows were refused.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Take into account what was written since, and compute for today
    Sweep(Only),
    /// Compute everything anew
    Rebuild(Only),
    /// Read certifications of care need (要介護認定) from a city's CSV file, CP932 or UTF-8
    ImportCertifications(File),
}

#[derive(Debug, Args)]
struct Only {
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
struct File {
    /// The file
    file: PathBuf,
    /// Which column says what
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// Report what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    settings: Settings,
}

#[allow(clippy::needless_pass_by_value)]
fn failed(rejection: Rejection) -> Failure {
    let why = rejection.issues.first().map_or("it was refused", |issue| issue.diagnostics.as_str());
    Failure::new(1, why)
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    match arguments.what {
        What::Sweep(Only { settings }) => {
            let done = catch_up(&open(settings)?).map_err(failed)?;
            let seconds = started.elapsed().as_secs_f64();
            answer(format_args!(
                "{} citizens were read anew, {} computed for today, in {seconds:.1} s",
                done.read, done.swept
            ));
        }
        What::Rebuild(Only { settings }) => {
            let done = rebuild(&open(settings)?, &mut |_| {}).map_err(failed)?;
            let seconds = started.elapsed().as_secs_f64();
            answer(format_args!("{} citizens were computed anew in {seconds:.1} s", done.read));
        }
        What::ImportCertifications(file) => return certifications(file),
    }
    Ok(ExitCode::SUCCESS)
}

fn open(settings: Settings) -> Result<Engine, Failure> {
    let config = settings.resolve()?;
    config.start_log()?;
    config.open()
}

fn certifications(File { file, mapping: columns, dry_run, settings }: File) -> Result<ExitCode, Failure> {
    let unreadable = |path: &Path, why: String| Failure::new(2, format!("{}: {why}", path.display()));
    let read = |path: &Path| std::fs::read(path).map_err(|error| unreadable(path, error.to_string()));
    let columns = match columns {
        Some(path) => {
            let text = String::from_utf8(read(&path)?).map_err(|error| unreadable(&path, error.to_string()))?;
            mapping(&text).map_err(|rejection| failed(rejection).with_code(2))?
        }
        None => Mapping::default(),
    };
    let bytes = read(&file)?;
    let done = import(&open(settings)?, &bytes, &columns, dry_run).map_err(failed)?;
    for (line, outcome, text) in &done.rows {
        answer(format_args!("line {line}: {outcome}: {text}"));
    }
    tell(format_args!(
        "{}{} created, {} updated, {} unchanged, {} refused",
        if dry_run { "nothing was written: " } else { "" },
        done.count("created"),
        done.count("updated"),
        done.count("unchanged"),
        done.count("refused")
    ));
    Ok(if done.count("refused") > 0 { ExitCode::from(3) } else { ExitCode::SUCCESS })
}
