//! Histories of a resource, a type, everything (FHIR R4 http.html#history).

use super::Engine;
use super::answer::Rejection;
use super::prepare::type_number;
use crate::access::Interaction;
use crate::r4::datetime;
use crate::r4::outcome::IssueCode;
use crate::r4::reference::is_id;
use crate::store::{Change, HistoryPage, HistoryQuery, HistoryScope};

/// A page of a history with what was asked.
#[derive(Debug)]
pub struct Historied {
    /// Below the base: `Patient/1/_history`.
    pub path: String,
    /// What was used, decoded, without `_cursor`.
    pub used: Vec<(String, String)>,
    /// `_cursor` as it was sent.
    pub cursor: Option<String>,
    /// Newest first, or oldest first.
    pub changes: Vec<Change>,
    /// Versions on all pages.
    pub total: i64,
    /// Position of the next page.
    pub next: Option<String>,
}

/// Whose history: `None` for everything; a type; a type and an id.
pub type HistoryOf = Option<(String, Option<String>)>;

/// What a history was asked for, understood.
#[derive(Debug, Clone)]
pub(super) struct HistoryRequest {
    pub(super) query: HistoryQuery,
    path: String,
    used: Vec<(String, String)>,
}

impl Engine {
    /// A page of a history.
    ///
    /// # Errors
    /// 404 when the resource is not known, 400 for parameters that make no sense.
    pub async fn history(&self, of: HistoryOf, pairs: Vec<(String, String)>) -> Result<Historied, Rejection> {
        let request = self.history_request(of, &pairs)?;
        let deadline = self.deadline();
        let work = self.blocking(move |engine| {
            let page = crate::store::until(deadline, || engine.store.history(&request.query))?;
            historied(request, page)
        });
        self.in_time(work).await
    }

    pub(super) fn history_request(
        &self,
        of: HistoryOf,
        pairs: &[(String, String)],
    ) -> Result<HistoryRequest, Rejection> {
        let (scope, path) = match of {
            None => (HistoryScope::System, "_history".to_owned()),
            Some((type_name, None)) => (HistoryScope::Type(type_number(&type_name)?), format!("{type_name}/_history")),
            Some((type_name, Some(id))) => {
                let path = format!("{type_name}/{id}/_history");
                (HistoryScope::Instance(type_number(&type_name)?, id), path)
            }
        };
        let (asked, of_type) = match &scope {
            HistoryScope::System => (Interaction::Search, ""),
            HistoryScope::Type(_) => (Interaction::Search, path.split('/').next().unwrap_or_default()),
            HistoryScope::Instance(..) => (Interaction::Read, path.split('/').next().unwrap_or_default()),
        };
        self.permit(asked, of_type)?;
        let offset = self.store.options().default_offset_seconds;
        let count = self.settings.default_count;
        let mut query =
            HistoryQuery { scope, since: None, at: None, list: None, ascending: false, count, cursor: None };
        let mut used = Vec::new();
        let wrong = |name: &str, value: &str, right: &str| {
            Rejection::new(400, IssueCode::Value, format!("{name}={value} is wrong: {right}"))
        };
        for (name, value) in pairs {
            match name.as_str() {
                "_format" | "_pretty" => continue,
                "_count" => {
                    let count: u32 = value.parse().map_err(|_| wrong(name, value, "a whole number is expected"))?;
                    query.count = count.min(self.settings.max_count);
                    used.push((name.clone(), query.count.to_string()));
                    continue;
                }
                "_since" => {
                    let span = datetime::span(&value.replace(' ', "+"), offset).ok_or_else(|| {
                        wrong(name, value, "an instant such as 2026-01-31T10:00:00+09:00 is expected")
                    })?;
                    query.since = Some(span.low);
                }
                "_at" => {
                    let span = datetime::span(&value.replace(' ', "+"), offset)
                        .ok_or_else(|| wrong(name, value, "a date or time such as 2026-01-31 is expected"))?;
                    query.at = Some((span.low, span.high));
                }
                "_list" => {
                    let id = value.strip_prefix("List/").unwrap_or(value);
                    if !is_id(id) {
                        return Err(wrong(name, value, "the id of a List is expected"));
                    }
                    query.list = Some(id.to_owned());
                }
                "_sort" => match value.as_str() {
                    "_lastUpdated" => query.ascending = true,
                    "-_lastUpdated" => query.ascending = false,
                    _ => return Err(wrong(name, value, "a history is sorted by _lastUpdated or -_lastUpdated")),
                },
                "_cursor" => {
                    query.cursor = Some(value.clone());
                    continue;
                }
                other => {
                    return Err(Rejection::invalid(format!(
                        "a history takes _count, _since, _at, _list, _sort, _format and _pretty, not {other:?}"
                    )));
                }
            }
            used.push((name.clone(), value.clone()));
        }
        Ok(HistoryRequest { query, path, used })
    }
}

/// What is answered with a page.
pub(super) fn historied(request: HistoryRequest, page: HistoryPage) -> Result<Historied, Rejection> {
    let HistoryRequest { query, path, used } = request;
    let unfiltered = query.since.is_none() && query.at.is_none() && query.list.is_none();
    if matches!(query.scope, HistoryScope::Instance(..)) && page.total == 0 && unfiltered {
        let name = path.strip_suffix("/_history").unwrap_or(&path);
        return Err(Rejection::new(404, IssueCode::NotFound, format!("{name} is not known here")));
    }
    let HistoryPage { changes, total, next } = page;
    Ok(Historied { path, used, cursor: query.cursor, changes, total, next })
}
