//! Interactions on one resource (FHIR R4 http.html#read to #delete) and searches.

use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use super::answer::{Answer, Payload, Rejection};
use super::packaged::is_free;
use super::prepare::{check, check_id, parse, type_number};
use super::provenance::said_of;
use super::{Engine, Preconditions};
use crate::access::Interaction;
use crate::format::json::Node;
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};
use crate::search::parse::{compartment, parse_query, parse_query_across};
use crate::search::query::{Query, Summary, Total};
use crate::store::{BlobError, Method, Prepared, SearchPage, Version, WriteTransaction, Written};

/// Bodies up to this size are parsed on the async worker; larger ones elsewhere.
const SMALL_BODY: usize = 32 << 10;

/// Largest resource, in bytes, whose moved-out data is put in place in memory.
const MOST_DATA: usize = 128 << 20;

/// Where a search looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchPlace {
    /// `[base]?…`
    Everywhere,
    /// `[base]/Patient?…`
    Type(String),
    /// `[base]/Patient/x/Observation?…`
    Compartment {
        /// Type of the owner.
        owner_type: String,
        /// Its id.
        owner_id: String,
        /// What is looked for: a type, or `*`.
        member_type: String,
    },
}

impl SearchPlace {
    /// The type that is looked for; empty for several.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::Everywhere => "",
            Self::Type(name) => name,
            Self::Compartment { member_type, .. } => {
                if member_type == "*" {
                    ""
                } else {
                    member_type
                }
            }
        }
    }
}

/// A search with its query.
#[derive(Debug)]
pub struct Searched {
    /// What was asked.
    pub query: Query,
    /// What was found.
    pub page: SearchPage,
    /// Page size used.
    pub count: u32,
}

impl Engine {
    /// `GET [base]/Type/id`
    ///
    /// # Errors
    /// 404 unknown, 410 deleted, 400 malformed conditions.
    pub async fn read(&self, type_name: &str, id: &str, conditions: Preconditions) -> Result<Answer, Rejection> {
        let number = type_number(type_name)?;
        self.permit(Interaction::Read, type_name)?;
        let version = match self.store.cached(number, id) {
            Some(version) => Some(version),
            None => {
                let id = id.to_owned();
                self.blocking(move |engine| Ok(engine.store.current(number, &id)?)).await?
            }
        };
        if let (true, Some(version)) = (matches!(type_name, "Binary" | "Media"), &version) {
            self.trail.content(&version.body);
        }
        read_answer(type_name, number, id, version, &conditions)
    }

    /// The current version of a resource, on a thread that may block.
    ///
    /// # Errors
    /// 404 unknown, 410 deleted.
    pub fn read_blocking(&self, type_name: &str, id: &str) -> Result<Version, Rejection> {
        let number = type_number(type_name)?;
        self.permit(Interaction::Read, type_name)?;
        let found = self.store.current(number, id)?;
        match found {
            Some(version) if version.is_deleted() => Err(Rejection::gone(type_name, id)),
            Some(version) => {
                self.trail.content(&version.body);
                if type_name == "Patient" {
                    self.trail.citizen(id);
                }
                Ok(version)
            }
            None => Err(Rejection::not_found(type_name, id)),
        }
    }

    /// A version with its large data in place, for those who look at the data itself. Blocks.
    ///
    /// # Errors
    /// 422 when it is more than may be held in memory, or what the content store says.
    pub fn whole(&self, version: Version) -> Result<Version, Rejection> {
        let body = self.store.blobs().whole(&version.body, MOST_DATA)?;
        Ok(Version { body, ..version })
    }

    /// The same for a patch. Data too large to be compared with anything a request can hold stays out.
    pub(super) fn with_data(&self, version: &Version) -> Result<Version, Rejection> {
        match self.store.blobs().whole(&version.body, MOST_DATA) {
            Ok(body) => Ok(Version { body, ..version.clone() }),
            Err(BlobError::TooLarge) => Ok(version.clone()),
            Err(error) => Err(error.into()),
        }
    }

    /// `GET [base]/Type/id/_history/version`
    ///
    /// # Errors
    /// 404 unknown, 410 when that version is the deletion.
    pub async fn vread(
        &self,
        type_name: &str,
        id: &str,
        version: &str,
        conditions: Preconditions,
    ) -> Result<Answer, Rejection> {
        let number = type_number(type_name)?;
        self.permit(Interaction::Read, type_name)?;
        let unknown =
            || Rejection::new(404, IssueCode::NotFound, format!("{type_name}/{id} has no version {version:?}"));
        let wanted: i64 = version.parse().map_err(|_| unknown())?;
        let owned = id.to_owned();
        let found = self.blocking(move |engine| Ok(engine.store.version(number, &owned, wanted)?)).await?;
        let found = found.ok_or_else(unknown)?;
        read_answer(type_name, number, id, Some(found), &conditions)
    }

    /// `POST [base]/Type`
    ///
    /// # Errors
    /// 400 for wrong content, 412 when If-None-Exist matches more than one.
    pub async fn create(&self, type_name: &str, body: Bytes, conditions: Preconditions) -> Result<Answer, Rejection> {
        let number = type_number(type_name)?;
        self.permit(Interaction::Create, type_name)?;
        if conditions.if_none_exist.is_some() {
            self.permit(Interaction::Search, type_name)?;
        }
        let criteria = conditions.if_none_exist.as_deref().map(|text| self.criteria(number, text)).transpose()?;
        let prepared = self.prepare_body(type_name, body, None).await?;
        let provenance = self.provenance.clone();
        self.store
            .write(move |transaction| {
                if let Some(query) = &criteria
                    && let Some(existing) = only_match(transaction, query)?
                {
                    return Ok(Answer { located: true, ..Answer::of(200, number, &existing.0, &existing.1) });
                }
                let (id, remarks) = (prepared.id.clone(), prepared.remarks.clone());
                let written = transaction.put(prepared, Method::Post, true)?;
                let answer = Answer::of(201, number, &id, &written.version);
                said_of(&provenance, transaction, Answer { located: true, changed: true, remarks, ..answer })
            })
            .await
    }

    /// `PUT [base]/Type/id`
    ///
    /// # Errors
    /// 400 for wrong content or an id that differs, 412 when a precondition fails.
    pub async fn update(
        &self,
        type_name: &str,
        id: &str,
        body: Bytes,
        conditions: Preconditions,
    ) -> Result<Answer, Rejection> {
        let number = type_number(type_name)?;
        self.permit(Interaction::Update, type_name)?;
        check_id(id)?;
        let prepared = self.prepare_body(type_name, body, Some(id.to_owned())).await?;
        let require = self.settings.require_if_match;
        let provenance = self.provenance.clone();
        self.store
            .write(move |transaction| {
                let current = transaction.current(number, &prepared.id)?;
                conditions.check_write(current.as_ref(), require)?;
                let answer = put(transaction, prepared, Method::Put)?;
                said_of(&provenance, transaction, answer)
            })
            .await
    }

    /// `PUT [base]/Type?criteria`
    ///
    /// # Errors
    /// As update; 412 when several match, 400 or 409 when the body's id contradicts the match.
    pub async fn conditional_update(
        &self,
        type_name: &str,
        criteria: &str,
        body: Bytes,
        conditions: Preconditions,
    ) -> Result<Answer, Rejection> {
        let number = type_number(type_name)?;
        self.permit(Interaction::Update, type_name)?;
        self.permit(Interaction::Search, type_name)?;
        let query = self.criteria(number, criteria)?;
        let (prepared, own_id) = self.prepare_conditional(type_name, body).await?;
        let provenance = self.provenance.clone();
        self.store
            .write(move |transaction| {
                let found = only_match(transaction, &query)?;
                let (id, fresh) =
                    conditional_id(transaction, number, found.as_ref().map(|found| found.0.as_str()), own_id)?;
                conditions.check_write(found.as_ref().map(|found| &found.1), false)?;
                let prepared = Prepared { id, ..prepared };
                if fresh {
                    let id = prepared.id.clone();
                    let written = transaction.put(prepared, Method::Put, true)?;
                    let answer = Answer::of(201, number, &id, &written.version);
                    return said_of(&provenance, transaction, Answer { located: true, changed: true, ..answer });
                }
                let answer = put(transaction, prepared, Method::Put)?;
                said_of(&provenance, transaction, answer)
            })
            .await
    }

    /// `DELETE [base]/Type/id`: 200 with an outcome, also when there is nothing to delete.
    ///
    /// # Errors
    /// 412 when a precondition fails.
    pub async fn delete(&self, type_name: &str, id: &str, conditions: Preconditions) -> Result<Answer, Rejection> {
        let number = type_number(type_name)?;
        self.permit(Interaction::Delete, type_name)?;
        let (type_name, id) = (type_name.to_owned(), id.to_owned());
        let provenance = self.provenance.clone();
        let answer = self
            .store
            .write(move |transaction| {
                if conditions.if_match.is_some() {
                    let current = transaction.current(number, &id)?;
                    conditions.check_write(current.as_ref(), false)?;
                }
                let answer = delete(transaction, number, &type_name, &id)?;
                said_of(&provenance, transaction, answer)
            })
            .await?;
        self.note_deleted(&answer).await?;
        Ok(answer)
    }

    /// `DELETE [base]/Type?criteria`: no or one match; several are refused.
    ///
    /// # Errors
    /// 412 when several match.
    pub async fn conditional_delete(&self, type_name: &str, criteria: &str) -> Result<Answer, Rejection> {
        let number = type_number(type_name)?;
        self.permit(Interaction::Delete, type_name)?;
        self.permit(Interaction::Search, type_name)?;
        let query = self.criteria(number, criteria)?;
        let type_name = type_name.to_owned();
        let provenance = self.provenance.clone();
        let answer = self
            .store
            .write(move |transaction| match only_match(transaction, &query)? {
                Some((id, _)) => {
                    let answer = delete(transaction, number, &type_name, &id)?;
                    said_of(&provenance, transaction, answer)
                }
                None => {
                    Ok(Answer::outcome(200, number, "", Issue::information("no resource matched; nothing was deleted")))
                }
            })
            .await?;
        self.note_deleted(&answer).await?;
        Ok(answer)
    }

    /// A page of a search.
    ///
    /// # Errors
    /// 404 when there is no such compartment or the type is not in it, 400 for what cannot be searched.
    pub async fn search(
        &self,
        place: &SearchPlace,
        pairs: Vec<(String, String)>,
        lenient: bool,
    ) -> Result<Searched, Rejection> {
        let place = place.clone();
        self.run(move |engine| engine.search_query(&place, &pairs, lenient)).await
    }

    /// What a search asks for.
    pub(super) fn search_query(
        &self,
        place: &SearchPlace,
        pairs: &[(String, String)],
        lenient: bool,
    ) -> Result<Query, Rejection> {
        self.permit(Interaction::Search, place.type_name())?;
        let options = self.parse_options(lenient);
        let parsed = |number: u8| {
            let query =
                if number == 0 { parse_query_across(pairs, &options) } else { parse_query(number, pairs, &options) };
            query.map_err(Rejection::bad_request)
        };
        match place {
            SearchPlace::Everywhere => parsed(0),
            SearchPlace::Type(name) => parsed(type_number(name)?),
            SearchPlace::Compartment { owner_type, owner_id, member_type } => {
                let owner = type_number(owner_type)?;
                let number = if member_type == "*" { 0 } else { type_number(member_type)? };
                let membership = compartment(owner, owner_id, number)
                    .map_err(|issue| Rejection { issues: vec![issue], ..Rejection::not_found(owner_type, owner_id) })?;
                let mut query = parsed(number)?;
                query.conditions.push(membership);
                Ok(query)
            }
        }
    }

    /// Reading a query may ask terminology, which may ask the database: it blocks as well.
    async fn run(
        &self,
        read: impl FnOnce(&Self) -> Result<Query, Rejection> + Send + 'static,
    ) -> Result<Searched, Rejection> {
        let deadline = self.deadline();
        let work = self.blocking(move |engine| {
            let query = read(engine)?;
            let (count, with_total) = engine.page_shape(&query);
            let page = crate::store::until(deadline, || {
                if query.explain {
                    let explained = Some(engine.store.explain(&query, count, with_total)?);
                    return Ok(SearchPage { explained, ..SearchPage::default() });
                }
                engine.store.search(&query, count, with_total)
            })?;
            Ok(Searched { query, page, count })
        });
        self.in_time(work).await
    }

    /// When a search that begins now must be over.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.settings.search_timeout
    }

    /// The database keeps the deadline; this is for work that waits for its turn.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = Result<T, Rejection>>) -> Result<T, Rejection> {
        let limit = self.settings.search_timeout + Duration::from_secs(2);
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(Rejection::too_slow()))
    }

    /// Page size and whether the total is counted.
    pub(super) fn page_shape(&self, query: &Query) -> (u32, bool) {
        let only_count = query.summary == Summary::Count || query.count == Some(0);
        let count = if only_count {
            0
        } else {
            query.count.unwrap_or(self.settings.default_count).min(self.settings.max_count)
        };
        (count, only_count || query.total != Total::None)
    }

    async fn prepare_body(&self, type_name: &str, body: Bytes, id: Option<String>) -> Result<Prepared, Rejection> {
        let type_name = type_name.to_owned();
        // What a SearchParameter builds on is looked up, and so is what validation asks for.
        let is_small = body.len() <= SMALL_BODY && type_name != "SearchParameter" && self.settings.validation.is_off();
        let work = move |engine: &Self| {
            let resource = parse(&body)?;
            check(&resource, &type_name)?;
            if let Some(id) = &id {
                same_id(&resource, id)?;
            }
            let id = id.unwrap_or_else(new_id);
            engine.derive(type_number(&type_name)?, &type_name, &id, &resource)
        };
        if is_small { work(self) } else { self.blocking(work).await }
    }

    async fn prepare_conditional(&self, type_name: &str, body: Bytes) -> Result<(Prepared, Option<String>), Rejection> {
        let type_name = type_name.to_owned();
        self.blocking(move |engine| {
            let resource = parse(&body)?;
            check(&resource, &type_name)?;
            let own_id = resource.text("id").map(str::to_owned);
            Ok((engine.derive(type_number(&type_name)?, &type_name, "", &resource)?, own_id))
        })
        .await
    }
}

/// A new logical id: time-ordered, so that neighbours in time are neighbours in the tree.
pub(super) fn new_id() -> String {
    Uuid::now_v7().to_string()
}

/// FHIR R4 http.html#update: the id in the body must be there and equal the one in the URL.
pub(super) fn same_id(resource: &Node<'_>, id: &str) -> Result<(), Rejection> {
    match resource.text("id") {
        Some(own) if own == id => Ok(()),
        Some(own) => Err(Rejection::bad_request(vec![
            Issue::error(
                IssueCode::Invalid,
                format!("the id in the body is {own:?} but the URL says {id:?}; they must be equal"),
            )
            .at(format!("{}.id", resource.text("resourceType").unwrap_or_default())),
        ])),
        None => Err(Rejection::bad_request(vec![
            Issue::error(
                IssueCode::Required,
                format!("the body has no id; an update needs \"id\": {id:?} as in the URL"),
            )
            .at(format!("{}.id", resource.text("resourceType").unwrap_or_default())),
        ])),
    }
}

pub(super) fn read_answer(
    type_name: &str,
    number: u8,
    id: &str,
    version: Option<Version>,
    conditions: &Preconditions,
) -> Result<Answer, Rejection> {
    let version = version.ok_or_else(|| Rejection::not_found(type_name, id))?;
    if version.is_deleted() {
        return Err(Rejection::gone(type_name, id));
    }
    let answer = Answer::of(200, number, id, &version);
    if conditions.not_modified(&version)? {
        return Ok(Answer { status: 304, payload: Payload::Empty, ..answer });
    }
    Ok(answer)
}

/// The one resource that meets the criteria; 412 when there are several.
pub(super) fn only_match(
    transaction: &mut WriteTransaction<'_>,
    query: &Query,
) -> Result<Option<(String, Version)>, Rejection> {
    let mut found = transaction.search(query, 2)?;
    if found.len() > 1 {
        return Err(several());
    }
    Ok(found.pop().map(|found| (found.id, found.version)))
}

pub(super) fn several() -> Rejection {
    Rejection::precondition(
        IssueCode::MultipleMatches,
        "the criteria match more than one resource; make them more specific",
    )
}

/// FHIR R4 http.html#cond-update: which id a conditional update writes, and whether this server
/// made it just now.
pub(super) fn conditional_id(
    transaction: &mut WriteTransaction<'_>,
    number: u8,
    found: Option<&str>,
    own_id: Option<String>,
) -> Result<(String, bool), Rejection> {
    match (found, own_id) {
        (Some(found), Some(own)) if found != own => {
            let type_name = definitions().resource_by_number(number).map_or("Resource", |found| found.name.as_str());
            let text = format!("the criteria match {found:?} but the body has the id {own:?}");
            let issue = Issue::error(IssueCode::Invalid, text).at(format!("{type_name}.id"));
            Err(Rejection::bad_request(vec![issue]))
        }
        (Some(found), _) => Ok((found.to_owned(), false)),
        (None, Some(own)) => {
            let exists = transaction.current(number, &own)?.is_some_and(|version| !version.is_deleted());
            if exists {
                return Err(Rejection::new(
                    409,
                    IssueCode::Conflict,
                    format!("nothing matches the criteria, but a resource with the id {own:?} exists"),
                ));
            }
            Ok((own, false))
        }
        (None, None) => Ok((new_id(), true)),
    }
}

pub(super) fn put(
    transaction: &mut WriteTransaction<'_>,
    prepared: Prepared,
    method: Method,
) -> Result<Answer, Rejection> {
    is_free(transaction, prepared.type_number, &prepared.id)?;
    put_any(transaction, prepared, method)
}

/// As [`put`], also over what is of a package.
pub(super) fn put_any(
    transaction: &mut WriteTransaction<'_>,
    mut prepared: Prepared,
    method: Method,
) -> Result<Answer, Rejection> {
    let (number, id) = (prepared.type_number, prepared.id.clone());
    let remarks = std::mem::take(&mut prepared.remarks);
    let Written { version, created, changed } = transaction.put(prepared, method, false)?;
    let status = if created { 201 } else { 200 };
    Ok(Answer { located: true, changed, remarks, ..Answer::of(status, number, &id, &version) })
}

pub(super) fn delete(
    transaction: &mut WriteTransaction<'_>,
    number: u8,
    type_name: &str,
    id: &str,
) -> Result<Answer, Rejection> {
    is_free(transaction, number, id)?;
    delete_any(transaction, number, type_name, id)
}

/// As [`delete`], also what is of a package.
pub(super) fn delete_any(
    transaction: &mut WriteTransaction<'_>,
    number: u8,
    type_name: &str,
    id: &str,
) -> Result<Answer, Rejection> {
    Ok(match transaction.delete(number, id)? {
        Some(version) => Answer {
            version: Some(version.version),
            updated: Some(version.updated),
            changed: true,
            ..Answer::outcome(200, number, id, Issue::information(format!("{type_name}/{id} was deleted")))
        },
        None => Answer::outcome(
            200,
            number,
            id,
            Issue::information(format!("{type_name}/{id} is not here; nothing was deleted")),
        ),
    })
}
