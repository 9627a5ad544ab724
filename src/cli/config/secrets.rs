//! Secrets among the settings: files that hold them, who else may read those, and texts that must not be repeated.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::super::Failure;
use renraku::store::Database;

/// A file with a secret, and the setting that named it.
pub(super) type SecretFile = (&'static str, PathBuf);

/// Longest secret that is read.
const LONGEST: usize = 4096;

/// The first line of a file.
pub(super) fn read(setting: &str, path: &Path) -> Result<String, Failure> {
    let refuse = |why: &dyn std::fmt::Display| Failure::new(2, format!("{setting}: {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| refuse(&error))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    match secret {
        "" => Err(refuse(&"the file is empty; it should hold the secret, on one line")),
        _ if secret.contains(['\r', '\n', '\0']) || secret.len() > LONGEST => {
            Err(refuse(&"the file should hold the secret, on one line, and nothing else"))
        }
        _ => Ok(secret.to_owned()),
    }
}

/// The database with the password of a file.
pub(super) fn with_password(database: Database, file: Option<&Path>) -> Result<Database, Failure> {
    let Some(path) = file else { return Ok(database) };
    let setting = "database_password_file";
    database.with_password(&read(setting, path)?).map_err(|why| Failure::new(2, format!("{setting}: {why}")))
}

/// What is wrong with a file in TOML, with its place. The parser would quote the line, which may hold a secret.
pub(super) fn wrong_toml(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    format!("line {line}: {}", error.message())
}

/// Files with secrets that others than their owner and its group may read, or the group may write, in words.
pub(super) fn exposed(files: &[SecretFile]) -> Vec<String> {
    let others = |(setting, path): &SecretFile| {
        let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
        (mode & 0o027 != 0).then(|| {
            format!("{setting}: {} may be read or written by others (mode {mode:03o}); chmod 600 it", path.display())
        })
    };
    files.iter().filter_map(others).collect()
}
