//! `renraku terminology`: code systems too large to be one resource, into tables and out again.
//!
//! `rows.rs` reads a CSV file into rows; what is wrong with them is told by line.

mod rows;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use renraku::format::json;
use renraku::terminology::{Content, Header, Hierarchy, LoadedSystem, RowError};

use super::config::Settings;
use super::{Failure, answer, tell};
use rows::{Columns, Encoding, Source};

const HELP: &str = "\
FILE is a CSV file, or a FHIR CodeSystem as JSON (then everything else is in it).

--columns says what a column holds, by the names in the first line, or with --no-header by numbers from 1:
  code=…          the code (needed)
  display=…       its text
  kana=…          its reading, which filters find too
  lang:en=…       its text in another language
  definition=…    what it means
  parent=…        the code above it; several are separated by `|`
  inactive=…      true, 1 or yes: it is not valid any more
  prop:unit=…     a property of the concept, here named unit

A system that is there in the same version is replaced; the old one answers until the new one is whole.
With SQLite the server must not run meanwhile. No code system comes with renraku: mind their licences.

Examples:
  renraku terminology import hot.csv --encoding cp932 --system http://medis.or.jp/CodeSystem/master-HOT9 \\
    --version 20261031 --columns code=基準番号,display=販売名,prop:yj=個別医薬品コード
  renraku terminology import icd10.csv --system http://hl7.org/fhir/sid/icd-10 --version 2013 \\
    --columns code=code,display=name,kana=kana,parent=parent --dry-run
  renraku terminology list
  renraku terminology remove http://hl7.org/fhir/sid/icd-10 --version 2013

Exit codes: 0 done, 1 rows were wrong (each is named on standard error; nothing is stored without
--skip-wrong), 2 it could not run.";

/// Load, list and remove large code systems
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Load a code system from a file
    Import(Box<Import>),
    /// List the code systems that were loaded
    List {
        #[command(flatten)]
        settings: Settings,
    },
    /// Remove a code system that was loaded
    Remove {
        /// Its URL
        #[arg(value_name = "SYSTEM")]
        system: String,
        /// Only this version
        #[arg(long, value_name = "VERSION")]
        version: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, Args)]
#[command(after_help = HELP)]
struct Import {
    /// A CSV file, or a CodeSystem resource as JSON
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// URL of the code system
    #[arg(long, value_name = "URL")]
    system: Option<String>,
    /// Its version
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Its name for people
    #[arg(long, value_name = "TITLE")]
    title: Option<String>,
    /// Language of the display texts
    #[arg(long, value_name = "LANGUAGE", default_value = "ja")]
    language: String,
    /// What the columns hold: code=…,display=…,kana=…,parent=…,prop:name=…
    #[arg(long, value_name = "COLUMNS")]
    columns: Option<String>,
    /// The first line is data; columns are numbers
    #[arg(long)]
    no_header: bool,
    /// Encoding of the file
    #[arg(long, value_name = "ENCODING", default_value = "utf-8")]
    encoding: Encoding,
    /// What separates columns
    #[arg(long, value_name = "SEPARATOR", default_value = "comma")]
    separator: Separator,
    /// Not all codes are in the file: others may be right
    #[arg(long)]
    fragment: bool,
    /// Codes are the same in upper and lower case
    #[arg(long)]
    ignore_case: bool,
    /// Store the others although rows are wrong
    #[arg(long)]
    skip_wrong: bool,
    /// Check everything and store nothing; opens no database
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Separator {
    Comma,
    Tab,
    Semicolon,
}

/// Most wrong rows that are named one by one.
const MOST_NAMED: usize = 100;

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let done = match arguments.command {
        Command::Import(import) => import.run(),
        Command::List { settings } => list(settings),
        Command::Remove { system, version, settings } => remove(settings, &system, version.as_deref()),
    };
    done.map_err(|failure| failure.with_code(2))
}

fn list(settings: Settings) -> Result<ExitCode, Failure> {
    let config = settings.resolve()?;
    config.start_log()?;
    let systems = config.open()?.store().code_systems().map_err(|error| Failure::new(2, error.to_string()))?;
    for one in &systems {
        let version = if one.version.is_empty() { "-" } else { &one.version };
        answer(format_args!("{}\t{version}\t{}", one.url, one.codes));
    }
    tell(format_args!("{} code systems", systems.len()));
    Ok(ExitCode::SUCCESS)
}

fn remove(settings: Settings, system: &str, version: Option<&str>) -> Result<ExitCode, Failure> {
    let config = settings.resolve()?;
    config.start_log()?;
    let removed = config.open()?.store().remove_code_system(system, version);
    match removed.map_err(|error| Failure::new(2, error.to_string()))? {
        0 => Err(Failure::new(2, format!("{system} is not there; `renraku terminology list` shows what is"))),
        removed => {
            answer(format_args!("removed {removed} of {system}"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

impl Import {
    fn run(self) -> Result<ExitCode, Failure> {
        let config = self.settings.clone().resolve()?;
        config.start_log()?;
        let started = Instant::now();
        let bytes = std::fs::read(&self.file)
            .map_err(|error| Failure::new(2, format!("{} cannot be read: {error}", self.file.display())))?;
        let (system, errors) = self.load(&bytes)?;
        for error in errors.iter().take(MOST_NAMED) {
            tell(format_args!("{}: {error}", self.file.display()));
        }
        if errors.len() > MOST_NAMED {
            tell(format_args!("… and {} more", errors.len() - MOST_NAMED));
        }
        let (codes, wrong) = (system.concepts.len(), errors.len());
        let exit = if wrong > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS };
        if self.dry_run {
            answer(format_args!("{codes} codes are right, {wrong} rows are wrong; nothing was stored"));
            return Ok(exit);
        }
        if wrong > 0 && !self.skip_wrong {
            answer(format_args!("{wrong} rows are wrong; nothing was stored (--skip-wrong stores the {codes} others)"));
            return Ok(exit);
        }
        let engine = config.open()?;
        let bar = ProgressBar::new(codes as u64);
        let template = "{bar:30} {pos}/{len} codes, {per_sec}, about {eta} left";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(500));
        let stored = engine.store().load_code_system(&system, &mut |done| bar.set_position(done as u64));
        bar.finish_and_clear();
        let changed = stored.map_err(|error| Failure::new(2, error.to_string()))?;
        let canonical = system.header.canonical();
        if changed {
            answer(format_args!("{canonical}: {codes} codes in {:.1} s", started.elapsed().as_secs_f64()));
        } else {
            answer(format_args!("{canonical}: {codes} codes, all there already"));
        }
        Ok(exit)
    }

    fn load(&self, bytes: &[u8]) -> Result<(LoadedSystem, Vec<RowError>), Failure> {
        if bytes.trim_ascii_start().starts_with(b"{") {
            if self.columns.is_some() {
                return Err(Failure::new(2, "--columns is for CSV; this file is JSON"));
            }
            let node = json::parse(bytes).map_err(|error| Failure::new(2, error.to_string()))?;
            let (mut system, errors) = LoadedSystem::of_resource(&node).map_err(|why| Failure::new(2, why))?;
            if let Some(url) = &self.system {
                system.header.url.clone_from(url);
            }
            if self.version.is_some() {
                system.header.version.clone_from(&self.version);
            }
            return Ok((system, errors));
        }
        let Some(url) = &self.system else { return Err(Failure::new(2, "which code system is it? say --system URL")) };
        let Some(columns) = &self.columns else {
            return Err(Failure::new(2, "what do the columns hold? say --columns code=…,display=…"));
        };
        let columns = Columns::read(columns).map_err(|why| Failure::new(2, why))?;
        let source = Source {
            encoding: self.encoding,
            separator: match self.separator {
                Separator::Comma => b',',
                Separator::Tab => b'\t',
                Separator::Semicolon => b';',
            },
            has_header: !self.no_header,
        };
        let (rows, mut errors) = source.rows(bytes, &columns).map_err(|why| Failure::new(2, why))?;
        let header = Header {
            url: url.clone(),
            version: self.version.clone(),
            name: None,
            title: self.title.clone(),
            language: Some(self.language.clone()),
            case_sensitive: Some(!self.ignore_case),
            hierarchy: if columns.has_parent() { Hierarchy::IsA } else { Hierarchy::Unspecified },
            content: if self.fragment { Content::Part } else { Content::Complete },
            properties: columns.properties(),
            compositional: false,
        };
        let (system, more) = LoadedSystem::of_rows(header, rows);
        errors.extend(more);
        errors.sort_by_key(|error| error.line);
        Ok((system, errors))
    }
}
