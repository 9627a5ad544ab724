//! `renraku certificate`: client certificates of registered devices.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use openssl::hash::MessageDigest;
use openssl::x509::X509;
use renraku::access::Certificate;
use renraku::access::audit::Action as Did;
use renraku::http::REVOCATION_LIFE;
use renraku::store::{AccessCertificate, Ended};

use super::access::{changing, day, directory, failed, now, reference};
use super::config::Settings;
use super::{Failure, answer};

const EXAMPLES: &str = "\
Examples:
  renraku certificate add ward1.pem --label 'Ward 1, desk' --organization Organization/h1 --device Device/d7
  renraku certificate list
  renraku certificate revoke FINGERPRINT";

/// Client certificates of registered devices: add, list, revoke
///
/// A device is known in addition to the person who uses it; with registered_devices nobody else comes in.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Register a certificate; its fingerprint is the answer
    Add(Add),
    /// List the certificates
    List {
        #[command(flatten)]
        settings: Settings,
    },
    /// Take a certificate out; a running server knows within five seconds
    Revoke {
        /// SHA-256 in hexadecimal, as `list` shows it
        fingerprint: String,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// The certificate, PEM
    file: PathBuf,
    /// What people call it [default: its subject]
    #[arg(long)]
    label: Option<String>,
    /// Whose it is: Organization/ID
    #[arg(long, value_name = "REFERENCE")]
    organization: Option<String>,
    /// On what it is: Device/ID
    #[arg(long, value_name = "REFERENCE")]
    device: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.action {
        Action::Add(add) => {
            let refuse = |why: &dyn std::fmt::Display| Failure::new(2, format!("{}: {why}", add.file.display()));
            let text = std::fs::read(&add.file).map_err(|error| refuse(&error))?;
            let read = X509::from_pem(&text).map_err(|_| refuse(&"no certificate in PEM"))?;
            let digest = read.digest(MessageDigest::sha256()).map_err(|error| refuse(&error))?;
            let subject: Vec<String> =
                read.subject_name().entries().filter_map(|entry| entry.data().to_string().ok()).collect();
            let certificate = AccessCertificate {
                fingerprint: Certificate::new(&digest, String::new()).fingerprint,
                label: add.label.unwrap_or_else(|| subject.join(", ")),
                organization: reference("--organization", "Organization", add.organization)?,
                device: reference("--device", "Device", add.device)?,
                created: now(),
                revoked: 0,
            };
            let directory = changing(add.settings, Did::C, &add.file.display().to_string(), "certificate add")?;
            let known = directory.certificates().map_err(failed)?;
            if known.iter().any(|known| known.fingerprint == certificate.fingerprint) {
                return Err(Failure::new(1, format!("the certificate {} is there already", certificate.fingerprint)));
            }
            directory.add_certificate(&certificate).map_err(failed)?;
            answer(certificate.fingerprint);
        }
        Action::List { settings } => {
            for known in directory(settings)?.certificates().map_err(failed)? {
                let ended =
                    if known.revoked == 0 { String::new() } else { format!("  revoked {}", day(known.revoked)) };
                answer(format_args!(
                    "{}  {}  {}  {}  {}{ended}",
                    known.fingerprint,
                    day(known.created),
                    known.label,
                    known.organization,
                    known.device
                ));
            }
        }
        Action::Revoke { fingerprint, settings } => {
            let ended = Ended::Certificate(&fingerprint);
            if !changing(settings, Did::D, &fingerprint, "certificate revoke")?
                .end(ended, now(), now() + REVOCATION_LIFE)
                .map_err(failed)?
            {
                return Err(Failure::new(1, format!("there is no certificate {fingerprint:?} that still counts")));
            }
            answer("taken out");
        }
    }
    Ok(ExitCode::SUCCESS)
}
