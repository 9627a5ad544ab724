//! What a command begins with: its log, and the database.

use std::io::IsTerminal;

use super::Config;
use super::choices::LogFormat;
use super::secrets;
use crate::cli::Failure;
use renraku::engine::Engine;
use renraku::store::{Database, Store, StoreError};
use tracing_subscriber::EnvFilter;

impl Config {
    /// Begins to log to standard error.
    pub(in crate::cli) fn start_log(&self) -> Result<(), Failure> {
        let filter = EnvFilter::try_new(&self.log)
            .map_err(|error| Failure::new(2, format!("log: {:?} is not a log filter: {error}", self.log)))?;
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            // Telling on standard error that nothing can be written to standard error ends in a panic.
            .log_internal_errors(false)
            .with_ansi(std::io::stderr().is_terminal());
        match self.log_format {
            LogFormat::Text => log.init(),
            LogFormat::Json => log.json().init(),
        }
        Ok(())
    }

    /// Says where secrets are kept so that others may read them.
    pub(in crate::cli) fn tell_exposed_secrets(&self) {
        for text in secrets::exposed(&self.secret_files) {
            tracing::warn!("{text}");
        }
        if self.is_password_in_flags {
            tracing::warn!(
                "--database has a password in it, which every user of this machine sees among the processes; \
                 database_password_file takes it from a file"
            );
        }
    }

    /// Opens the database and puts the engine on it.
    pub(in crate::cli) fn open(&self) -> Result<Engine, Failure> {
        let store = Store::open(self.store.clone()).map_err(|error| cannot_open(&self.store.database, &error))?;
        Ok(Engine::new(store, self.engine.clone()))
    }
}

/// What a person can do about a database that does not open.
pub(in crate::cli) fn cannot_open(database: &Database, error: &StoreError) -> Failure {
    let why = match error {
        StoreError::Unavailable(why) | StoreError::Database(why) => why.trim_end().to_owned(),
        other => other.to_string(),
    };
    Failure::new(
        1,
        match database {
            Database::Sqlite(_) if why.contains("is in use") => why,
            Database::Sqlite(path) => {
                let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.is_dir());
                let hint = folder.map_or_else(
                    || {
                        "check that it is a renraku database and that this user may read and write it and its folder"
                            .to_owned()
                    },
                    |folder| format!("the folder {} does not exist; create it first", folder.display()),
                );
                format!("cannot open the database {}: {why} ({hint})", path.display())
            }
            // The URL may hold a password: it is not repeated.
            Database::Postgres(_) => format!(
                "cannot open the PostgreSQL database: {why} (check host, user and password in --database, and that the database exists)"
            ),
        },
    )
}
