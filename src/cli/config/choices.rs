//! The words that settings take.

use clap::ValueEnum;
use renraku::search::text::FullText;
use serde::Deserialize;

/// Whether something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Switch {
    Off,
    On,
}

/// Where the name of a bucket stands in URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum BucketStyle {
    Path,
    Host,
}

/// The lowest version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
pub(in crate::cli) enum MinVersion {
    /// TLS 1.2.
    #[value(name = "1.2")]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[value(name = "1.3")]
    #[serde(rename = "1.3")]
    Tls13,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Asked {
    /// Nobody is asked.
    Off,
    /// Who has none comes in.
    Optional,
    /// Nobody comes in without one.
    Required,
}

/// Whether callers must say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Known {
    /// Anybody does anything.
    Off,
    /// Nothing without an access token.
    Required,
}

/// Whether every access is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Audit {
    /// Nothing is.
    Off,
    /// It survives a crash of this program.
    On,
    /// It is on the disk.
    Strict,
}

/// What can be searched by its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Words {
    /// The narrative.
    Narrative,
    /// All text.
    All,
    /// Nothing.
    Off,
}

impl From<Words> for FullText {
    fn from(words: Words) -> Self {
        match words {
            Words::Narrative => Self::Narrative,
            Words::All => Self::All,
            Words::Off => Self::Off,
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}
