//! What was refused and why: on standard error, and as NDJSON for those who mend it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use renraku::r4::outcome::Issue;

use super::super::Failure;
use super::super::progress::{Counters, Progress};
use super::resume::Place;

/// So many are named; the rest is counted.
const NAMED: u64 = 100;

/// Collects refusals from all workers.
pub(super) struct Refusals {
    counters: Arc<Counters>,
    errors: Mutex<Option<BufWriter<File>>>,
}

impl Refusals {
    pub(super) fn new(counters: Arc<Counters>, errors: Option<&Path>) -> Result<Self, Failure> {
        let errors = errors
            .map(|path| {
                File::create(path)
                    .map(BufWriter::new)
                    .map_err(|error| Failure::new(2, format!("--errors {}: {error}", path.display())))
            })
            .transpose()?;
        Ok(Self { counters, errors: Mutex::new(errors) })
    }

    /// Notes one refusal. `what` is `Type/id` where it is known; `resource` its JSON.
    pub(super) fn add(
        &self,
        file: &str,
        place: Place,
        what: &str,
        issues: &[Issue],
        resource: &[u8],
        progress: &Progress,
    ) {
        let before = self.counters.refused.fetch_add(1, Ordering::Relaxed);
        if before < NAMED {
            progress.say(format_args!("{}", describe(file, place, what, issues)));
        }
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(out) = errors.as_mut() {
            // A line break cannot be inside a JSON string, so none is lost.
            let mut line: Vec<u8> =
                resource.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect();
            line.truncate(line.trim_ascii_end().len());
            line.push(b'\n');
            let _ = out.write_all(&line);
        }
    }

    /// Counts those that were not named, and closes the file.
    pub(super) fn finish(&self, progress: &Progress) -> Result<(), Failure> {
        let refused = self.counters.refused.load(Ordering::Relaxed);
        if refused > NAMED {
            progress.say(format_args!("… and {} more were refused (--errors FILE collects them all)", refused - NAMED));
        }
        match self.errors.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(mut out) => out.flush().map_err(|error| Failure::new(2, format!("--errors: {error}"))),
            None => Ok(()),
        }
    }
}

/// `file:3: Patient/1: what is wrong (Patient.name)`
fn describe(file: &str, place: Place, what: &str, issues: &[Issue]) -> String {
    let mut text = format!("{file}:{}: ", place.line);
    if let Some(entry) = place.entry {
        text.push_str(&format!("Bundle.entry[{entry}]: "));
    }
    if !what.is_empty() {
        text.push_str(what);
        text.push_str(": ");
    }
    if let Some(issue) = issues.first() {
        text.push_str(&issue.diagnostics);
        if let Some(expression) = &issue.expression {
            text.push_str(&format!(" ({expression})"));
        }
    }
    if issues.len() > 1 {
        text.push_str(&format!(" [and {} more]", issues.len() - 1));
    }
    text
}
