//! What was found, for people, programs and build servers.

use std::time::Duration;

use renraku::r4::outcome::{Severity, operation_outcome};
use renraku::validation::{Finding, Language};

use super::super::{answer, tell};
use super::Format;

/// A resource that was checked.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) number: usize,
    pub(super) name: String,
    /// Its line, in NDJSON.
    pub(super) line: Option<usize>,
    pub(super) findings: Vec<Finding>,
    /// Line and column of each finding, where known.
    pub(super) places: Vec<Option<(usize, usize)>>,
}

impl Checked {
    fn is_valid(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Error)
    }

    /// `file:line:column`
    fn place(&self, number: usize) -> String {
        match (self.line, self.places.get(number).copied().flatten()) {
            (Some(line), Some((_, column))) => format!("{}:{line}:{column}", self.name),
            (Some(line), None) => format!("{}:{line}", self.name),
            (None, Some((line, column))) => format!("{}:{line}:{column}", self.name),
            (None, None) => self.name.clone(),
        }
    }

    fn label(&self) -> String {
        self.line.map_or_else(|| self.name.clone(), |line| format!("{}:{line}", self.name))
    }
}

/// Writes results as they come.
pub(super) struct Report {
    format: Format,
    language: Language,
    resources: usize,
    invalid: usize,
    errors: usize,
    warnings: usize,
    cases: Vec<String>,
}

impl Report {
    pub(super) const fn new(format: Format, language: Language) -> Self {
        Self { format, language, resources: 0, invalid: 0, errors: 0, warnings: 0, cases: Vec::new() }
    }

    pub(super) fn add(&mut self, checked: &Checked) {
        let count = |severity| checked.findings.iter().filter(|finding| finding.severity == severity).count();
        self.resources += 1;
        self.invalid += usize::from(!checked.is_valid());
        self.errors += count(Severity::Error);
        self.warnings += count(Severity::Warning);
        match self.format {
            Format::Text => {
                for (number, finding) in checked.findings.iter().enumerate() {
                    let expression = finding.expression.as_deref().unwrap_or("-");
                    let text = finding.text(self.language);
                    answer(format_args!(
                        "{}: {}: {expression}: {text}",
                        checked.place(number),
                        finding.severity.code()
                    ));
                }
            }
            Format::Json => {
                let issues: Vec<_> = checked.findings.iter().map(|finding| finding.issue(self.language)).collect();
                let outcome = String::from_utf8_lossy(&operation_outcome(&issues).to_bytes()).into_owned();
                let source = serde_json::Value::from(checked.label());
                answer(format_args!("{{\"source\":{source},\"valid\":{},\"outcome\":{outcome}}}", checked.is_valid()));
            }
            Format::Junit => self.cases.push(self.case(checked)),
        }
    }

    fn case(&self, checked: &Checked) -> String {
        let name = escaped(&checked.label());
        let errors: Vec<String> = checked
            .findings
            .iter()
            .enumerate()
            .filter(|(_, finding)| finding.severity == Severity::Error)
            .map(|(number, finding)| {
                let expression = finding.expression.as_deref().unwrap_or("-");
                format!("{}: {expression}: {}", checked.place(number), finding.text(self.language))
            })
            .collect();
        match errors.first() {
            None => format!("  <testcase classname=\"renraku.validate\" name=\"{name}\"/>"),
            Some(first) => format!(
                "  <testcase classname=\"renraku.validate\" name=\"{name}\">\n    <failure message=\"{}\">{}</failure>\n  </testcase>",
                escaped(first),
                escaped(&errors.join("\n"))
            ),
        }
    }

    /// The end of the results, and a summary for people. Whether all is valid.
    pub(super) fn finish(self, took: Duration) -> bool {
        if self.format == Format::Junit {
            answer("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
            answer(format_args!(
                "<testsuite name=\"renraku validate\" tests=\"{}\" failures=\"{}\" time=\"{:.3}\">",
                self.resources,
                self.invalid,
                took.as_secs_f64()
            ));
            for case in &self.cases {
                answer(case);
            }
            answer("</testsuite>");
        }
        tell(match self.language {
            Language::English => format!(
                "{} resources checked in {:.1} s: {} invalid, {} errors, {} warnings",
                self.resources,
                took.as_secs_f64(),
                self.invalid,
                self.errors,
                self.warnings
            ),
            Language::Japanese => format!(
                "{} 件のリソースを {:.1} 秒で検証しました: 不適合 {} 件、エラー {} 件、警告 {} 件",
                self.resources,
                took.as_secs_f64(),
                self.invalid,
                self.errors,
                self.warnings
            ),
        });
        self.invalid == 0
    }
}

/// Text in XML; what XML 1.0 cannot hold becomes a replacement character.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            letter if letter.is_control() => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}
