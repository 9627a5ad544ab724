//! What the commands about access share.

use std::fmt::Display;

use renraku::access::audit::{Action, Agent, Event};
use renraku::store::{AccessDirectory, Database, Store};

use super::Failure;
use super::config::{Settings, cannot_open};

/// Seconds since 1970 UTC.
pub(super) fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The tables of the database; a running server may have it open as well.
pub(super) fn directory(settings: Settings) -> Result<AccessDirectory, Failure> {
    let config = settings.resolve()?;
    let database = &config.store.database;
    let cannot = |error| cannot_open(database, &error);
    let is_there = match database {
        Database::Sqlite(path) => path.exists(),
        Database::Postgres(_) => true,
    };
    if is_there {
        let directory = AccessDirectory::open(database).map_err(cannot)?;
        if directory.clients().is_ok() {
            return Ok(directory);
        }
    }
    Store::migrate(database).map_err(cannot)?;
    AccessDirectory::open(database).map_err(cannot)
}

/// Who is at the command line, for the audit: the account of this system.
pub(super) fn operator() -> Agent {
    let account = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    let name = if account.is_empty() { "command line".to_owned() } else { format!("command line: {account}") };
    Agent { name, ..Agent::default() }
}

/// The same tables for a change, which is written down with it.
pub(super) fn changing(
    settings: Settings,
    action: Action,
    target: &str,
    note: &str,
) -> Result<AccessDirectory, Failure> {
    let event = Event::security(operator(), action, target, note);
    Ok(directory(settings)?.noting(event.to_bytes()))
}

/// A failure of the database.
pub(super) fn failed(error: impl Display) -> Failure {
    Failure::new(1, error.to_string())
}

/// A day for people, of seconds since 1970 UTC.
pub(super) fn day(seconds: i64) -> String {
    let text = renraku::r4::datetime::format_instant(seconds.saturating_mul(1_000_000));
    text.split('T').next().unwrap_or_default().to_owned()
}

/// Checks that a text is a reference to a resource of a type.
pub(super) fn reference(name: &str, type_name: &str, text: Option<String>) -> Result<String, Failure> {
    let Some(text) = text else { return Ok(String::new()) };
    let is_right =
        text.strip_prefix(type_name).and_then(|rest| rest.strip_prefix('/')).is_some_and(renraku::r4::reference::is_id);
    if is_right {
        Ok(text)
    } else {
        Err(Failure::new(2, format!("{name}: {text:?} is wrong; right is {type_name}/ID")))
    }
}
