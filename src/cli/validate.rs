//! `renraku validate`

mod input;
mod report;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use renraku::format::json::{self, locate};
use renraku::r4::canonical::{Canonicals, Layers, standard};
use renraku::r4::guide::guide;
use renraku::r4::loaded::LoadedPackages;
use renraku::r4::outcome::{IssueCode, Severity};
use renraku::terminology::Terminology;
use renraku::validation::{Finding, Language, Locator, Options, Validator};
use renraku::xml::parse_xml;

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
    let validator = validator(&arguments.package)?;
    let files = input::files(&arguments.paths)?;
    let options = Options {
        must_support: arguments.must_support,
        unknown_profile: if arguments.strict_profiles { Severity::Error } else { Severity::Warning },
        ..Options::default()
    };
    let language = if arguments.language == Spoken::Ja { Language::Japanese } else { Language::English };
    let profiles: Vec<&str> = arguments.profile.iter().map(String::as_str).collect();
    let jobs = arguments.jobs.map_or_else(|| std::thread::available_parallelism().map_or(2, usize::from), usize::from);
    let begun = Instant::now();
    let mut report = Report::new(arguments.format, language);
    let bar = std::io::stderr().is_terminal().then(ProgressBar::new_spinner);
    if let Some(bar) = &bar {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
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
        let reader = scope.spawn(move || input::read(&files, &work));
        // In the order they were read, whoever was quicker.
        let mut early = BTreeMap::new();
        let mut next = 0;
        for checked in results {
            early.insert(checked.number, checked);
            while let Some(checked) = early.remove(&next) {
                report.add(&checked);
                next += 1;
                if let Some(bar) = &bar {
                    bar.set_message(format!("{next} resources"));
                }
            }
        }
        reader.join().unwrap_or_else(|_| Err(Failure::new(1, "reading ended early")))
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let is_valid = report.finish(begun.elapsed());
    failed?;
    Ok(if is_valid { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn validator(packages: &[PathBuf]) -> Result<Validator, Failure> {
    let mut loaded = LoadedPackages::default();
    for path in packages {
        let refuse = |why: &dyn std::fmt::Display| Failure::new(2, format!("{}: {why}", path.display()));
        let manifest =
            loaded.load(File::open(path).map_err(|error| refuse(&error))?).map_err(|error| refuse(&error))?;
        if !manifest.is_for_r4() {
            tell(format_args!("{}: this package is for FHIR {}", path.display(), manifest.fhir_versions.join(", ")));
        }
    }
    let definitions: Arc<dyn Canonicals> = Arc::new(Layers(vec![standard(), guide(), Arc::new(loaded)]));
    let terminology = Arc::new(Terminology::new(Arc::clone(&definitions)));
    Ok(Validator::new(definitions, terminology))
}

fn check(validator: &Validator, profiles: &[&str], options: &Options, resource: Resource) -> Checked {
    let unreadable = |why: String| {
        vec![Finding {
            severity: Severity::Error,
            code: IssueCode::Structure,
            message: "structure",
            parameters: vec![why],
            expression: None,
        }]
    };
    let (findings, places) = if resource.is_xml {
        match parse_xml(&resource.text) {
            Ok(node) => (validator.validate(&node, profiles, options), Vec::new()),
            Err(error) => (unreadable(error.to_string()), Vec::new()),
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
            Err(error) => (unreadable(error.to_string()), Vec::new()),
        }
    };
    Checked { number: resource.number, name: resource.name, line: resource.line, findings, places }
}
