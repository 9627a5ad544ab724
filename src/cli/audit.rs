//! `renraku audit`: what was written down of accesses, looked at and checked.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use renraku::access::audit::{Action, Event, Kind, ORIGIN, audit_event};
use renraku::r4::datetime::{format_instant, span};
use renraku::store::{Anchor, AuditLog, AuditOptions, AuditQuery, AuditReader, AuditRow};

use super::access::{failed, operator};
use super::config::Settings;
use super::{Failure, answer, tell};

const EXAMPLES: &str = "\
Examples:
  renraku audit verify                           exit code 1 when a row was changed, removed, put in or moved
  renraku audit verify --anchors kept.ndjson     also against signatures that were kept elsewhere
  renraku audit list --citizen 01a2... --from 2026-04-01
  renraku audit export > audit.ndjson            as FHIR AuditEvents
  renraku audit key                              public key, and the newest signature: keep it elsewhere";

/// The audit: check that nothing was tampered with, list, export
///
/// It works while a server runs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Look for rows that were changed, removed, put in or moved
    Verify {
        /// File with signatures that `renraku audit key` gave earlier
        #[arg(long, value_name = "FILE")]
        anchors: Option<PathBuf>,
        #[command(flatten)]
        settings: Settings,
    },
    /// List events, newest first
    List {
        /// About this citizen (id of a Patient)
        #[arg(long, value_name = "ID")]
        citizen: Option<String>,
        /// By this person, client or account
        #[arg(long, value_name = "NAME", conflicts_with = "citizen")]
        agent: Option<String>,
        /// From this day or time on
        #[arg(long, value_name = "DATE")]
        from: Option<String>,
        /// Until this day or time
        #[arg(long, value_name = "DATE")]
        to: Option<String>,
        /// At most so many
        #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
        count: i64,
        #[command(flatten)]
        settings: Settings,
    },
    /// All events as FHIR AuditEvents, one a line, oldest first
    Export {
        #[command(flatten)]
        settings: Settings,
    },
    /// The public key of each chain, and its newest signature
    Key {
        #[command(flatten)]
        settings: Settings,
    },
}

/// The audit as it is now: when no server has it, what its journal still holds is moved in first. What is done here
/// is written down as well.
fn open(settings: Settings, what: &str) -> Result<AuditReader, Failure> {
    let options: AuditOptions = settings.resolve()?.audit;
    let used = Event { target: what.to_owned(), ..Event::now(Kind::AuditUsed, Action::R, operator()) };
    if options.folder.join("key.pem").exists() {
        match AuditLog::open(options.clone()) {
            Ok(log) => {
                log.append(vec![used.to_bytes()]).map_err(failed)?;
                log.settle().map_err(failed)?;
            }
            // A server has it: it takes what is noted.
            Err(_) => {
                let directory = renraku::store::AccessDirectory::open(&options.database).map_err(failed)?;
                directory.note(used.to_bytes()).map_err(failed)?;
            }
        }
    }
    AuditReader::open(&options).map_err(failed)
}

fn line(row: &AuditRow) -> String {
    let Ok(event) = Event::parse(&row.content) else {
        return format!("{}-{}  cannot be read", row.chain, row.seq);
    };
    let kind = serde_json::to_value(event.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
    let mut text = format!(
        "{}-{}  {}  {}  {}  {} {}  {}",
        row.chain,
        row.seq,
        format_instant(event.at),
        event.agent.name,
        kind.unwrap_or_default(),
        event.interaction,
        event.target,
        event.status
    );
    for (name, value) in [("query", &event.query), ("from", &event.from), ("note", &event.note)] {
        if !value.is_empty() {
            text.push_str(&format!("  {name}={value}"));
        }
    }
    if !event.citizens.is_empty() {
        text.push_str(&format!("  citizens={}", event.citizens.join(",")));
    }
    text
}

fn moment(name: &str, text: Option<String>, is_end: bool) -> Result<Option<i64>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let span = span(&text, 9 * 3600)
        .ok_or_else(|| Failure::new(2, format!("--{name}: {text:?} is no date such as 2026-04-01")))?;
    Ok(Some(if is_end { span.high } else { span.low }))
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.action {
        What::Verify { anchors, settings } => {
            let known = match &anchors {
                None => Vec::new(),
                Some(path) => {
                    let text = std::fs::read_to_string(path)
                        .map_err(|error| Failure::new(2, format!("{}: {error}", path.display())))?;
                    text.lines().filter_map(Anchor::read).collect()
                }
            };
            let report = open(settings, "verify")?.verify(&known).map_err(failed)?;
            for finding in &report.findings {
                answer(format_args!("chain {} row {}: {}", finding.chain, finding.seq, finding.what));
            }
            let word = if report.findings.is_empty() { "all as it was written" } else { "NOT as it was written" };
            answer(format_args!(
                "{} rows in {} chains, {} signatures: {word}",
                report.rows, report.chains, report.signatures
            ));
            Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        What::List { citizen, agent, from, to, count, settings } => {
            let name = citizen.map(|id| format!("p:{id}")).or_else(|| agent.map(|name| format!("a:{name}")));
            let (from, to) = (moment("from", from, false)?, moment("to", to, true)?);
            let query = AuditQuery { name, from, to, limit: count, ..AuditQuery::default() };
            for row in open(settings, "list")?.find(&query).map_err(failed)? {
                answer(line(&row));
            }
            Ok(ExitCode::SUCCESS)
        }
        What::Export { settings } => {
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            let mut unread = 0;
            let walked = open(settings, "export")?.walk(|row| {
                match Event::parse(&row.content) {
                    Ok(event) => {
                        let shown = audit_event(&format!("{}-{}", row.chain, row.seq), &event, ORIGIN);
                        // Who closes the pipe has had enough.
                        let _ = writeln!(out, "{shown}");
                    }
                    Err(_) => unread += 1,
                }
                Ok(())
            });
            walked.map_err(failed)?;
            let _ = out.flush();
            if unread > 0 {
                return Err(Failure::new(1, format!("{unread} rows cannot be read; `renraku audit verify` says more")));
            }
            Ok(ExitCode::SUCCESS)
        }
        What::Key { settings } => {
            for (chain, key, head) in open(settings, "key")?.seals().map_err(failed)? {
                tell(format_args!("chain {chain}\n{}", key.trim_end()));
                if let Some(head) = head {
                    answer(head.line());
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}
