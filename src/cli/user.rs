//! `renraku user`: accounts with which people sign in here.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use renraku::access::FhirUser;
use renraku::access::audit::Action as Did;
use renraku::access::password::{LONGEST, SHORTEST, SHORTEST_WITH_TOTP, hash, new_totp_secret};
use renraku::http::REVOCATION_LIFE;
use renraku::store::{AccessUser, Ended};

use super::access::{changing, day, directory, failed, now};
use super::config::Settings;
use super::{Failure, answer, tell};

const EXAMPLES: &str = "\
Examples:
  renraku user add nurse1 --fhir-user Practitioner/p1 --totp < password.txt
  renraku user add auditor1 --fhir-user Practitioner/p2 --role auditor --password-file /run/secrets/auditor1
  renraku user list
  renraku user revoke nurse1";

/// Accounts with which people sign in: add, list, revoke
///
/// Where an identity provider exists, set `issuers` instead: it knows the people. It works while a server runs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add an account, or set the password of one anew
    Add(Add),
    /// List the accounts
    List {
        #[command(flatten)]
        settings: Settings,
    },
    /// Close an account: nobody signs in with it, and its tokens no longer count
    Revoke {
        /// What the person signs in with
        login: String,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// What the person signs in with
    login: String,
    /// The resource that stands for them: Practitioner/ID, Patient/ID or RelatedPerson/ID
    #[arg(long, value_name = "REFERENCE")]
    fhir_user: String,
    /// A role beside what their resources say
    #[arg(long, value_name = "ROLE", value_parser = ["auditor"])]
    role: Vec<String>,
    /// File with the password [default: standard input]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Sign in with one-time passwords too; the answer is what an authenticator takes
    #[arg(long)]
    totp: bool,
    #[command(flatten)]
    settings: Settings,
}

fn password(file: Option<&PathBuf>, shortest: usize) -> Result<String, Failure> {
    let text = match file {
        Some(path) => {
            std::fs::read_to_string(path).map_err(|error| Failure::new(2, format!("{}: {error}", path.display())))?
        }
        None => {
            let mut text = String::new();
            std::io::stdin()
                .take(4096)
                .read_to_string(&mut text)
                .map_err(|error| Failure::new(2, error.to_string()))?;
            text
        }
    };
    let password = text.trim_end_matches(['\r', '\n']);
    if password.chars().count() < shortest || password.len() > LONGEST {
        return Err(Failure::new(
            2,
            format!(
                "the password must have {shortest} letters or more ({SHORTEST_WITH_TOTP} with --totp), at most {LONGEST} bytes"
            ),
        ));
    }
    Ok(password.to_owned())
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.action {
        Action::Add(add) => {
            let fhir_user = FhirUser::parse(&add.fhir_user).filter(|user| user.to_string() == add.fhir_user);
            let Some(fhir_user) = fhir_user else {
                let text = format!(
                    "--fhir-user: {:?} is wrong; right is {} and an id",
                    add.fhir_user,
                    FhirUser::TYPES.join("/, ")
                );
                return Err(Failure::new(2, text));
            };
            if add.login.is_empty()
                || add.login.len() > 128
                || add.login.chars().any(|c| c.is_whitespace() || c.is_control())
            {
                return Err(Failure::new(2, "the login must have 1 to 128 letters without spaces"));
            }
            let shortest = if add.totp { SHORTEST_WITH_TOTP } else { SHORTEST };
            let password = password(add.password_file.as_ref(), shortest)?;
            let totp = if add.totp { new_totp_secret().map_err(failed)? } else { String::new() };
            let user = AccessUser {
                login: add.login,
                fhir_user: fhir_user.to_string(),
                roles: add.role.join(" "),
                password: hash(&password).map_err(failed)?,
                totp,
                totp_step: 0,
                failures: 0,
                locked_until: 0,
                created: now(),
                revoked: 0,
            };
            let note = format!("user add: {} {}", user.fhir_user, user.roles);
            changing(add.settings, Did::C, &user.login, note.trim_end())?.put_user(&user).map_err(failed)?;
            if !user.totp.is_empty() {
                answer(format_args!("otpauth://totp/renraku:{}?secret={}&issuer=renraku", user.login, user.totp));
            }
            tell(format_args!("{} can sign in as {}", user.login, user.fhir_user));
        }
        Action::List { settings } => {
            for user in directory(settings)?.users().map_err(failed)? {
                let ended = if user.revoked == 0 { String::new() } else { format!("  revoked {}", day(user.revoked)) };
                let second = if user.totp.is_empty() { "password" } else { "password+totp" };
                answer(format_args!(
                    "{}  {}  {}  {second}  {}{ended}",
                    user.login,
                    day(user.created),
                    user.fhir_user,
                    user.roles
                ));
            }
        }
        Action::Revoke { login, settings } => {
            if !changing(settings, Did::D, &login, "user revoke")?
                .end(Ended::User(&login), now(), now() + REVOCATION_LIFE)
                .map_err(failed)?
            {
                return Err(Failure::new(1, format!("there is no account {login:?} that still counts")));
            }
            answer("closed; a running server refuses its tokens within two seconds");
        }
    }
    Ok(ExitCode::SUCCESS)
}
