//! `renraku validate`

mod input;
mod report;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use clap::{Args, ValueEnum};
use renraku::format::json::{self, locate};
use renraku::r4::canonical::{Canonicals, Layers, standard};
use renraku::r4::guide::guide;
use renraku::r4::loaded::LoadedPackages;
use renraku::r4::outcome::{IssueCode, Severity};
use renraku::r4::wording::Wording;
use renraku::terminology::Terminology;
use renraku::validation::{Finding, Language, Locator, Options, Validator, places_in_xml};
use renraku::xml::parse_xml;

use super::progress::{Counters, Progress};
use super::{Failure, tell};
use input::Resource;
use report::{Checked, Report};

/// Resources that wait for a thread.
const QUEUE: usize = 256;

/// Check files with FHIR resources, without a server
///
/// Each resource is checked against the standard, the profiles it claims and those that are named. Files are
/// JSON, XML or NDJSON (a resource a line, also compressed with zstd); of a folder all such files below it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  renraku validate patient.json
  renraku validate --package jp-core.r4-1.1.2.tgz export/ --language ja
  renraku validate --profile http://hl7.org/fhir/StructureDefinition/bp observations.ndjson --format junit

Exit codes: 0 everything is valid, 1 something is not, 2 wrong use.")]
pub(super) struct Arguments {
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Canonical URL of a profile to check against; may be repeated
    #[arg(long, value_name = "URL")]
    profile: Vec<String>,
    /// A package (.tgz) to take definitions from; may be repeated
    #[arg(long, value_name = "FILE")]
    package: Vec<PathBuf>,
    /// Definitions to take along: a file or a folder of StructureDefinitions, ValueSets and their like; may be repeated
    #[arg(long, value_name = "PATH")]
    definitions: Vec<PathBuf>,
    /// How results are written to standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Threads [default: one a core]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Language of messages
    #[arg(long, value_enum, default_value_t = Spoken::En)]
    language: Spoken,
    /// Also tell of elements that must be supported and are absent
    #[arg(long)]
    must_support: bool,
    /// Take a profile that is claimed but not known for an error
    #[arg(long)]
    strict_profiles: bool,
    /// Take an extension whose definition is not known for an error
    #[arg(long)]
    known_extensions: bool,
    /// Take URLs made for examples (example.org) for errors
    #[arg(long)]
    no_examples: bool,
    /// Take HTML in Markdown for an error
    #[arg(long)]
    no_html_in_markdown: bool,
    /// Take HTML in any text that is no narrative for an error
    #[arg(long)]
    security_checks: bool,
    /// Take a reference to what is not in the same file for an error
    #[arg(long)]
    resolve_references: bool,
    /// Do not tell of a message: its id, or id@path (value-id@Condition.contained.id); may be repeated
    #[arg(long, value_name = "ID")]
    ignore: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line an issue, a summary at the end
    Text,
    /// A JSON object a resource and line, with its OperationOutcome
    Json,
    /// JUnit XML, for build servers
    Junit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Spoken {
    En,
    Ja,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let (definitions, terminology) = knowledge(&arguments.package, &arguments.definitions)?;
    let validator = Validator::new(definitions, terminology);
    let files = input::files(&arguments.paths)?;
    let total = files.iter().filter_map(|file| file.metadata().ok()).map(|found| found.len()).sum();
    let options = Options {
        must_support: arguments.must_support,
        unknown_profile: if arguments.strict_profiles { Severity::Error } else { Severity::Warning },
        unknown_extension: if arguments.known_extensions { Severity::Error } else { Severity::Warning },
        allow_examples: !arguments.no_examples,
        allow_html_in_markdown: !arguments.no_html_in_markdown,
        security_checks: arguments.security_checks,
        resolve_references: arguments.resolve_references,
        ignored: arguments.ignore.clone(),
        ..Options::default()
    };
    let language = if arguments.language == Spoken::Ja { Language::Japanese } else { Language::English };
    let profiles: Vec<&str> = arguments.profile.iter().map(String::as_str).collect();
    let jobs = arguments.jobs.map_or_else(|| std::thread::available_parallelism().map_or(2, usize::from), usize::from);
    let begun = Instant::now();
    let mut report = Report::new(arguments.format, language);
    let counters = Arc::new(Counters::default());
    let progress = Progress::start(Arc::clone(&counters), Some(total));
    let failed = std::thread::scope(|scope| {
        let (work, queue) = sync_channel::<Resource>(QUEUE);
        let (done, results) = sync_channel::<Checked>(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..jobs {
            let (queue, done) = (Arc::clone(&queue), done.clone());
            let (validator, profiles, options) = (&validator, &profiles, &options);
            scope.spawn(move || {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(resource) = next else { return };
                    if done.send(check(validator, profiles, options, resource)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let counted = Arc::clone(&counters);
        let reader = scope.spawn(move || input::read(&files, &work, &counted.bytes));
        // In the order they were read, whoever was quicker.
        let mut early = BTreeMap::new();
        let mut next = 0;
        for checked in results {
            early.insert(checked.number, checked);
            while let Some(checked) = early.remove(&next) {
                progress.aside(|| report.add(&checked));
                counters.resources.fetch_add(1, Ordering::Relaxed);
                next += 1;
            }
        }
        reader.join().unwrap_or_else(|_| Err(Failure::new(1, "reading ended early")))
    });
    drop(progress);
    let is_valid = report.finish(begun.elapsed());
    failed?;
    Ok(if is_valid { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Definitions of the standard, the guide, packages and files, and terminology over them.
pub(super) fn knowledge(
    packages: &[PathBuf],
    definitions: &[PathBuf],
) -> Result<(Arc<dyn Canonicals>, Arc<Terminology>), Failure> {
    let mut loaded = LoadedPackages::default();
    for path in packages {
        let refuse = |why: &dyn std::fmt::Display| Failure::new(2, format!("{}: {why}", path.display()));
        let manifest =
            loaded.load(File::open(path).map_err(|error| refuse(&error))?).map_err(|error| refuse(&error))?;
        if !manifest.is_for_r4() {
            tell(format_args!("{}: this package is for FHIR {}", path.display(), manifest.fhir_versions.join(", ")));
        }
    }
    if !definitions.is_empty() {
        for path in input::files(definitions)? {
            let refuse = |why: &dyn std::fmt::Display| Failure::new(2, format!("{}: {why}", path.display()));
            let text = std::fs::read(&path).map_err(|error| refuse(&error))?;
            let is_xml = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<');
            let taken = if is_xml {
                loaded.add(&parse_xml(&text).map_err(|error| refuse(&error))?)
            } else {
                loaded.add(&json::parse(&text).map_err(|error| refuse(&error))?)
            };
            if taken == 0 {
                tell(format_args!("{}: no definition, it has no url", path.display()));
            }
        }
    }
    let definitions: Arc<dyn Canonicals> = Arc::new(Layers(vec![standard(), guide(), Arc::new(loaded)]));
    let terminology = Arc::new(Terminology::new(Arc::clone(&definitions)));
    Ok((definitions, terminology))
}

fn check(validator: &Validator, profiles: &[&str], options: &Options, resource: Resource) -> Checked {
    let unreadable = |english: String, japanese: String, line, column| {
        let wording = Wording { id: "unreadable", english, japanese };
        (vec![Finding::worded(Severity::Error, IssueCode::Structure, wording, None)], vec![Some((line, column))])
    };
    let (findings, places) = if resource.is_xml {
        match parse_xml(&resource.text) {
            Ok(node) => {
                let findings = validator.validate(&node, profiles, options);
                let asked: Vec<Option<&str>> = findings.iter().map(|finding| finding.expression.as_deref()).collect();
                let places = places_in_xml(&resource.text, None, &asked);
                (findings, places)
            }
            Err(error) => {
                let japanese =
                    format!("XML として読めません ({} 行 {} 列): {}", error.line, error.column, error.message);
                unreadable(error.to_string(), japanese, error.line, error.column)
            }
        }
    } else {
        match json::parse(&resource.text) {
            Ok(node) => {
                let findings = validator.validate(&node, profiles, options);
                let mut locator = Locator::new(&resource.text, locate::whole(&resource.text));
                let place = |finding: &Finding| locator.line_and_column(finding.expression.as_deref()?);
                let places = findings.iter().map(place).collect();
                (findings, places)
            }
            Err(error) => {
                let japanese =
                    format!("JSON として読めません ({} 行 {} 列): {}", error.line, error.column, error.message);
                unreadable(error.to_string(), japanese, error.line, error.column)
            }
        }
    };
    Checked { number: resource.number, name: resource.name, line: resource.line, findings, places }
}
