//! Preconditions of requests (FHIR R4 http.html#cond-update and following, RFC 9110 section 13).

use super::Rejection;
use crate::r4::outcome::IssueCode;
use crate::store::Version;

/// The conditions a request may carry, as headers or as members of `Bundle.entry.request`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// If-Match.
    pub if_match: Option<String>,
    /// If-None-Match.
    pub if_none_match: Option<String>,
    /// If-Modified-Since, µs since 1970 UTC.
    pub if_modified_since: Option<i64>,
    /// If-None-Exist: search criteria, percent-encoding still in place.
    pub if_none_exist: Option<String>,
}

/// The version numbers in a list of entity tags; `None` for `*`.
fn versions(text: &str) -> Result<Option<Vec<i64>>, Rejection> {
    if text.trim() == "*" {
        return Ok(None);
    }
    text.split(',')
        .map(|tag| {
            let tag = tag.trim();
            let inner = tag.strip_prefix("W/").unwrap_or(tag);
            let inner = inner.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(inner);
            inner.parse::<i64>().map_err(|_| {
                Rejection::invalid(format!(
                    "{tag:?} is not an ETag of this server; they look like W/\"3\" (the version id)"
                ))
            })
        })
        .collect::<Result<Vec<i64>, Rejection>>()
        .map(Some)
}

impl Preconditions {
    /// Checks If-Match and If-None-Match of a write against the current version (412 otherwise).
    ///
    /// # Errors
    /// 412, and 400 for what is no entity tag.
    pub fn check_write(&self, current: Option<&Version>, require_if_match: bool) -> Result<(), Rejection> {
        let live = current.filter(|version| !version.is_deleted());
        match &self.if_match {
            Some(tags) => {
                let matches = match (versions(tags)?, live) {
                    (_, None) => false,
                    (None, Some(_)) => true,
                    (Some(wanted), Some(live)) => wanted.contains(&live.version),
                };
                if !matches {
                    let state = live.map_or_else(
                        || "there is no current version".to_owned(),
                        |live| format!("the current version is W/\"{}\"", live.version),
                    );
                    return Err(Rejection::precondition(
                        IssueCode::Conflict,
                        format!("If-Match is {tags} but {state}"),
                    ));
                }
            }
            None if require_if_match && live.is_some() => {
                return Err(Rejection::precondition(
                    IssueCode::Required,
                    "this server requires If-Match on updates; read the resource and send its ETag",
                ));
            }
            None => {}
        }
        if let (Some(tags), Some(live)) = (&self.if_none_match, live) {
            let matches = versions(tags)?.is_none_or(|unwanted| unwanted.contains(&live.version));
            if matches {
                return Err(Rejection::precondition(
                    IssueCode::Conflict,
                    format!("If-None-Match is {tags} but the current version is W/\"{}\"", live.version),
                ));
            }
        }
        Ok(())
    }

    /// Whether a read may be answered with 304. If-None-Match wins over If-Modified-Since.
    pub(super) fn not_modified(&self, version: &Version) -> Result<bool, Rejection> {
        if let Some(tags) = &self.if_none_match {
            return Ok(versions(tags)?.is_none_or(|known| known.contains(&version.version)));
        }
        // HTTP dates have whole seconds.
        Ok(self.if_modified_since.is_some_and(|since| version.updated / 1_000_000 <= since / 1_000_000))
    }
}
