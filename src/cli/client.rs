//! `renraku client`: applications and systems that may ask for access tokens.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use renraku::access::Scopes;
use renraku::access::audit::Action as Did;
use renraku::access::jwt::Key;
use renraku::http::REVOCATION_LIFE;
use renraku::store::{AccessClient, Ended};

use super::access::{changing, day, directory, failed, now, reference};
use super::config::Settings;
use super::{Failure, answer};

const EXAMPLES: &str = "\
Examples:
  renraku client add 'Ward system' --jwks ward.jwks.json --scope 'system/Patient.rs system/Observation.cruds'
  renraku client add 'Notebook app' --redirect https://app.example/back --scope 'openid fhirUser user/*.cruds'
  renraku client list
  renraku client rotate ID --jwks new.jwks.json
  renraku client revoke ID";

/// Applications and systems that may ask for access tokens: add, list, rotate keys, revoke
///
/// A system proves who it is with a key (SMART Backend Services). An application in which people sign in has at
/// least one address to send them back to, and keys or none (a public client). It works while a server runs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a client; its id is the answer
    Add(Add),
    /// List the clients
    List {
        #[command(flatten)]
        settings: Settings,
    },
    /// Give a client other keys
    Rotate {
        /// Its id
        id: String,
        #[command(flatten)]
        keys: Keys,
        #[command(flatten)]
        settings: Settings,
    },
    /// End a client: it gets no tokens, and those it has no longer count
    Revoke {
        /// Its id
        id: String,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, Args)]
struct Keys {
    /// File with its public keys, a JSON Web Key Set
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_url")]
    jwks: Option<PathBuf>,
    /// Where its public keys are
    #[arg(long, value_name = "URL")]
    jwks_url: Option<String>,
}

#[derive(Debug, Args)]
struct Add {
    /// What people call it
    name: String,
    #[command(flatten)]
    keys: Keys,
    /// What it may ask for: SMART scopes, separated by spaces
    #[arg(long, value_name = "SCOPES")]
    scope: String,
    /// Where people are sent back to after they signed in; may be given several times
    #[arg(long, value_name = "URL")]
    redirect: Vec<String>,
    /// The organization it acts for (Organization/ID): it then reaches that organization's citizens only
    #[arg(long, value_name = "REFERENCE")]
    organization: Option<String>,
    /// A role beside its scopes: auditor (reads AuditEvents); may be given several times
    #[arg(long, value_name = "ROLE", value_parser = ["auditor", "administrator"])]
    role: Vec<String>,
    #[command(flatten)]
    settings: Settings,
}

impl Keys {
    fn read(&self) -> Result<(String, String), Failure> {
        if let Some(url) = &self.jwks_url {
            renraku::http::check_address(url).map_err(|why| Failure::new(2, format!("--jwks-url: {why}")))?;
            return Ok((String::new(), url.clone()));
        }
        let Some(path) = &self.jwks else { return Ok((String::new(), String::new())) };
        keys_of(path).map(|jwks| (jwks, String::new()))
    }
}

fn keys_of(path: &Path) -> Result<String, Failure> {
    let refuse = |why: &dyn std::fmt::Display| Failure::new(2, format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| refuse(&error))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| refuse(&error))?;
    let has_private = value["keys"].as_array().into_iter().flatten().any(|key| key.get("d").is_some());
    if has_private {
        return Err(refuse(&"it holds private keys (d); only the public ones belong here"));
    }
    if Key::set(&value).is_empty() {
        return Err(refuse(
            &"no usable key; a JSON Web Key Set with RSA (2048 bits or more), P-256, P-384 or Ed25519 is right",
        ));
    }
    Ok(value.to_string())
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.action {
        Action::Add(add) => {
            let scopes = Scopes::parse(&add.scope);
            if scopes.is_empty() {
                return Err(Failure::new(2, "--scope: nothing is allowed; for example 'system/*.rs'"));
            }
            if let Some(wrong) = scopes.others.iter().find(|scope| scope.contains('/') && *scope != "launch/patient") {
                return Err(Failure::new(2, format!("--scope: {wrong:?} is no SMART scope such as system/Patient.rs")));
            }
            if let Some(url) = add.redirect.iter().find(|url| url.chars().any(char::is_whitespace) || url.contains('#'))
            {
                return Err(Failure::new(2, format!("--redirect: {url:?} has a space or a fragment")));
            }
            let (jwks, jwks_url) = add.keys.read()?;
            if add.redirect.is_empty() && jwks.is_empty() && jwks_url.is_empty() {
                return Err(Failure::new(2, "a system needs keys (--jwks or --jwks-url), an application --redirect"));
            }
            let client = AccessClient {
                id: uuid::Uuid::now_v7().to_string(),
                name: add.name,
                scopes: scopes.to_string(),
                jwks,
                jwks_url,
                redirects: add.redirect.join(" "),
                organization: reference("--organization", "Organization", add.organization)?,
                roles: add.role.join(" "),
                created: now(),
                revoked: 0,
            };
            let note = format!("client add: {}", client.scopes);
            changing(add.settings, Did::C, &client.id, &note)?.add_client(&client).map_err(failed)?;
            answer(client.id);
        }
        Action::List { settings } => {
            for client in directory(settings)?.clients().map_err(failed)? {
                let ended =
                    if client.revoked == 0 { String::new() } else { format!("  revoked {}", day(client.revoked)) };
                answer(format_args!(
                    "{}  {}  {}  {}{ended}",
                    client.id,
                    day(client.created),
                    client.name,
                    client.scopes
                ));
            }
        }
        Action::Rotate { id, keys, settings } => {
            let (jwks, jwks_url) = keys.read()?;
            if jwks.is_empty() && jwks_url.is_empty() {
                return Err(Failure::new(2, "the new keys are missing: --jwks or --jwks-url"));
            }
            if !changing(settings, Did::U, &id, "client rotate")?
                .set_client_keys(&id, &jwks, &jwks_url)
                .map_err(failed)?
            {
                return Err(Failure::new(1, format!("there is no client {id:?}")));
            }
            answer("its new keys count from now on");
        }
        Action::Revoke { id, settings } => {
            if !changing(settings, Did::D, &id, "client revoke")?
                .end(Ended::Client(&id), now(), now() + REVOCATION_LIFE)
                .map_err(failed)?
            {
                return Err(Failure::new(1, format!("there is no client {id:?} that still counts")));
            }
            answer("revoked; a running server refuses its tokens within two seconds");
        }
    }
    Ok(ExitCode::SUCCESS)
}
