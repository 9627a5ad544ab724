//! Batch and transaction (FHIR R4 http.html#transaction).
//!
//! A transaction is planned outside the writer: ids are given, conditional criteria looked up,
//! references rewritten, everything checked and indexed. Inside the writer the look-ups are repeated;
//! if one came out differently meanwhile the plan is made anew. So the writer does little, and no
//! decision rests on stale data.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use futures_util::future::join_all;

use super::answer::{Answer, Payload, Rejection};
use super::entry::{Entry, Link, check_envelope, place};
use super::prepare::{parse, type_number};
use super::rewrite::{Links, conditional_references, rewrite};
use super::single::{Searched, delete, new_id, only_match, put, read_answer, same_id, several};
use super::{Engine, Preconditions};
use crate::format::json::Node;
use crate::r4::outcome::{Issue, IssueCode};
use crate::search::parse::parse_query;
use crate::search::query::Query;
use crate::store::{Method, Pending, Prepared, StoreError, WriteTransaction};
use crate::validation::structure::check_resource;

/// How often a plan is made anew before the client is told to try again.
const ATTEMPTS: usize = 4;

/// The answer to a batch or transaction.
#[derive(Debug)]
pub struct BundleAnswer {
    /// `batch-response` or `transaction-response`.
    pub is_transaction: bool,
    /// In the order of the request.
    pub entries: Vec<Result<EntryAnswer, Rejection>>,
}

/// The answer to one entry.
#[derive(Debug)]
pub enum EntryAnswer {
    /// One resource or outcome.
    Single(Answer),
    /// A search.
    Searched(Box<Searched>),
}

/// Which resource a conditional entry found while planning.
struct Expectation {
    query: Query,
    found: Option<String>,
}

/// What an entry will do.
enum Step {
    /// Nothing: the condition found this resource.
    Exists {
        type_name: String,
        id: String,
    },
    Write {
        prepared: Box<Prepared>,
        method: Method,
        fresh: bool,
        conditions: Preconditions,
    },
    Delete {
        type_name: String,
        id: Option<String>,
        conditions: Preconditions,
    },
    Read {
        link: Link,
        conditions: Preconditions,
    },
    Search {
        query: Box<Query>,
    },
}

/// A transaction ready for the writer.
pub(super) struct Plan {
    /// Step and rank of each entry.
    steps: Vec<(u8, u8, Step)>,
    expectations: Vec<Expectation>,
    require_if_match: bool,
    default_shape: Vec<(u32, bool)>,
}

/// Why a plan was not carried out.
#[derive(Debug)]
pub enum Refusal {
    /// A look-up came out differently; plan again.
    Stale,
    /// The transaction is refused.
    Rejected(Rejection),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Rejected(error.into())
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl Engine {
    /// `POST [base]` with a batch or transaction. `base` is this server's own URL, so that absolute
    /// request URLs are understood.
    ///
    /// # Errors
    /// What is wrong with the bundle; for a transaction also the first entry that fails.
    pub async fn bundle(&self, body: Bytes, base: &str) -> Result<BundleAnswer, Rejection> {
        let (kind, body) = self
            .blocking(move |engine| {
                let bundle = parse(&body)?;
                let kind = bundle_kind(&bundle)?;
                if bundle.list("entry").len() > engine.settings.max_entries {
                    return Err(Rejection::new(
                        413,
                        IssueCode::TooCostly,
                        format!(
                            "the bundle has {} entries; at most {} are taken at once",
                            bundle.list("entry").len(),
                            engine.settings.max_entries
                        ),
                    ));
                }
                Ok((kind, body))
            })
            .await?;
        if kind == "batch" { self.batch(body, base).await } else { self.transaction(body, base).await }
    }

    async fn transaction(&self, body: Bytes, base: &str) -> Result<BundleAnswer, Rejection> {
        for _ in 0..ATTEMPTS {
            let (body, base) = (body.clone(), base.to_owned());
            let plan = self.blocking(move |engine| engine.plan(parse(&body)?, &base)).await?;
            match self.store.write(move |transaction| plan.carry_out(transaction)).await {
                Ok(entries) => {
                    return Ok(BundleAnswer { is_transaction: true, entries: entries.into_iter().map(Ok).collect() });
                }
                Err(Refusal::Rejected(rejection)) => return Err(rejection),
                Err(Refusal::Stale) => {}
            }
        }
        Err(stale())
    }

    /// Begins to carry a transaction out, on a thread that may block. `position` is remembered with it
    /// (source and how far it came). [`Refusal::Stale`] asks for another attempt.
    ///
    /// # Errors
    /// What is wrong with the bundle.
    pub fn transaction_blocking(
        &self,
        bundle: Node<'_>,
        base: &str,
        position: Option<(String, i64)>,
    ) -> Result<Pending<Vec<EntryAnswer>, Refusal>, Rejection> {
        let plan = self.plan(bundle, base)?;
        Ok(self.store.write_blocking(move |transaction| {
            let answers = plan.carry_out(transaction)?;
            if let Some((source, position)) = position {
                transaction.set_import_position(&source, position)?;
            }
            Ok(answers)
        })?)
    }

    async fn batch(&self, body: Bytes, base: &str) -> Result<BundleAnswer, Rejection> {
        let base = base.to_owned();
        let jobs = self
            .blocking(move |_| {
                let mut bundle = parse(&body)?;
                Ok(batch_entries(&mut bundle)?
                    .into_iter()
                    .enumerate()
                    .map(|(index, entry)| {
                        let entry = check_envelope(index, entry)?;
                        let entry =
                            Entry::read(index, entry, &base).map_err(|rejection| rejection.at(&place(index)))?;
                        Ok((
                            entry.link,
                            entry.resource.map(|resource| Bytes::from(resource.to_bytes())),
                            entry.conditions,
                        ))
                    })
                    .collect::<Vec<Result<_, Rejection>>>())
            })
            .await?;
        let mut entries: Vec<Option<Result<EntryAnswer, Rejection>>> = jobs.iter().map(|_| None).collect();
        let mut by_rank: [Vec<_>; 4] = Default::default();
        for (index, job) in jobs.into_iter().enumerate() {
            match job {
                Ok((link, body, conditions)) => {
                    if let Some(group) = by_rank.get_mut(usize::from(link.rank())) {
                        group.push((index, link, body, conditions));
                    }
                }
                Err(rejection) => {
                    if let Some(slot) = entries.get_mut(index) {
                        *slot = Some(Err(rejection));
                    }
                }
            }
        }
        // Entries are independent of each other; those of one rank share commits.
        for group in by_rank {
            let mut waiting = group.into_iter();
            loop {
                let some: Vec<_> = waiting.by_ref().take(64).collect();
                if some.is_empty() {
                    break;
                }
                let answers = join_all(some.into_iter().map(|(index, link, body, conditions)| async move {
                    (
                        index,
                        self.batch_entry(link, body.unwrap_or_default(), conditions)
                            .await
                            .map_err(|rejection| rejection.at(&place(index))),
                    )
                }));
                for (index, answer) in answers.await {
                    if let Some(slot) = entries.get_mut(index) {
                        *slot = Some(answer);
                    }
                }
            }
        }
        let lost = || Err(Rejection::internal("the entry was not processed"));
        Ok(BundleAnswer {
            is_transaction: false,
            entries: entries.into_iter().map(|entry| entry.unwrap_or_else(lost)).collect(),
        })
    }

    async fn batch_entry(&self, link: Link, body: Bytes, conditions: Preconditions) -> Result<EntryAnswer, Rejection> {
        let answer = match link {
            Link::Create { type_name } => self.create(&type_name, body, conditions).await,
            Link::Update { type_name, id } => self.update(&type_name, &id, body, conditions).await,
            Link::ConditionalUpdate { type_name, criteria } => {
                self.conditional_update(&type_name, &criteria, body, conditions).await
            }
            Link::Delete { type_name, id } => self.delete(&type_name, &id, conditions).await,
            Link::ConditionalDelete { type_name, criteria } => self.conditional_delete(&type_name, &criteria).await,
            Link::Read { type_name, id } => self.read(&type_name, &id, conditions).await,
            Link::Vread { type_name, id, version } => self.vread(&type_name, &id, &version, conditions).await,
            Link::Search { type_name, pairs } => {
                return self
                    .search(&type_name, pairs, false)
                    .await
                    .map(|searched| EntryAnswer::Searched(Box::new(searched)));
            }
        };
        answer.map(EntryAnswer::Single)
    }

    /// Prepares a transaction.
    fn plan(&self, mut bundle: Node<'_>, base: &str) -> Result<Plan, Rejection> {
        check_resource(&bundle, Some("Bundle")).map_err(Rejection::bad_request)?;
        let mut entries = Vec::new();
        for (index, entry) in take_entries(&mut bundle).into_iter().enumerate() {
            entries.push(Entry::read(index, entry, base).map_err(|rejection| rejection.at(&place(index)))?);
        }
        let mut planner = Planner {
            engine: self,
            links: Links::default(),
            expectations: Vec::new(),
            created: HashMap::new(),
            updated: HashSet::new(),
        };
        let mut identities = Vec::with_capacity(entries.len());
        let mut written: HashMap<(u8, String), usize> = HashMap::new();
        for entry in &entries {
            let identity = planner.identify(entry).map_err(|rejection| rejection.at(&place(entry.index)))?;
            if let Some(other) = identity.written().and_then(|name| written.insert(name, entry.index)) {
                let again =
                    format!("this entry and {} write the same resource; a transaction may write it once", place(other));
                return Err(Rejection::new(400, IssueCode::Duplicate, again).at(&place(entry.index)));
            }
            if let (Some(full_url), Some(id)) = (&entry.full_url, &identity.id)
                && !planner.links.insert(full_url, format!("{}/{id}", entry.link.type_name()))
            {
                let twice = format!(
                    "the fullUrl {full_url:?} names another entry already; it must be unique in a bundle (FHIR R4 bdl-7)"
                );
                return Err(Rejection::new(400, IssueCode::Duplicate, twice).at(&place(entry.index)));
            }
            identities.push(identity);
        }
        planner.resolve_conditional_references(&entries)?;
        let Planner { links, expectations, .. } = planner;
        let mut steps = Vec::with_capacity(entries.len());
        let mut default_shape = Vec::with_capacity(entries.len());
        for (entry, identity) in entries.into_iter().zip(identities) {
            let index = entry.index;
            let rank = entry.link.rank();
            let (step, shape) = self.step(entry, identity, &links).map_err(|rejection| rejection.at(&place(index)))?;
            default_shape.push(shape);
            steps.push((rank, type_number(&step_type(&step))?, step));
        }
        Ok(Plan { steps, expectations, require_if_match: self.settings.require_if_match, default_shape })
    }

    fn step(&self, entry: Entry<'_>, identity: Identity, links: &Links) -> Result<(Step, (u32, bool)), Rejection> {
        let type_name = entry.link.type_name().to_owned();
        let number = type_number(&type_name)?;
        let none = (0, false);
        if let (Some(mut resource), Some(id)) = (entry.resource, identity.id.clone()) {
            if identity.exists_already {
                return Ok((Step::Exists { type_name, id }, none));
            }
            let mut issues = Vec::new();
            rewrite(&mut resource, links, entry.full_url.as_deref(), &mut issues);
            if !issues.is_empty() {
                return Err(Rejection::bad_request(issues));
            }
            let prepared = Box::new(self.derive(number, &type_name, &id, &resource));
            let method = if matches!(entry.link, Link::Create { .. }) { Method::Post } else { Method::Put };
            return Ok((Step::Write { prepared, method, fresh: identity.fresh, conditions: entry.conditions }, none));
        }
        Ok(match entry.link {
            Link::Delete { .. } | Link::ConditionalDelete { .. } => {
                (Step::Delete { type_name, id: identity.id, conditions: entry.conditions }, none)
            }
            Link::Search { pairs, .. } => {
                let query = parse_query(number, &pairs, &self.parse_options(false)).map_err(Rejection::bad_request)?;
                let shape = self.page_shape(&query);
                (Step::Search { query: Box::new(query) }, shape)
            }
            link => (Step::Read { link, conditions: entry.conditions }, none),
        })
    }
}

fn stale() -> Rejection {
    Rejection {
        retry_after: Some(1),
        ..Rejection::new(
            409,
            IssueCode::Conflict,
            "what the conditions of this transaction select keeps changing; try again",
        )
    }
}

fn bundle_kind(bundle: &Node<'_>) -> Result<String, Rejection> {
    let resource_type = bundle.text("resourceType").unwrap_or_default();
    if resource_type != "Bundle" {
        return Err(Rejection::invalid(format!(
            "a POST to the base takes a Bundle of type batch or transaction; this is {resource_type:?} (resources are created by POST to their type)"
        )));
    }
    match bundle.text("type") {
        Some(kind @ ("batch" | "transaction")) => Ok(kind.to_owned()),
        kind => Err(Rejection::bad_request(vec![
            Issue::error(
                IssueCode::Value,
                format!("Bundle.type is {:?}; a POST to the base takes batch or transaction (a document goes to Bundle or Bundle/$ingest-document)", kind.unwrap_or("missing")),
            )
            .at("Bundle.type"),
        ])),
    }
}

fn take_entries<'a>(bundle: &mut Node<'a>) -> Vec<Node<'a>> {
    match bundle.remove("entry") {
        Some(Node::Array(entries)) => entries,
        _ => Vec::new(),
    }
}

/// The entries of a batch, when the Bundle around them is right.
fn batch_entries<'a>(bundle: &mut Node<'a>) -> Result<Vec<Node<'a>>, Rejection> {
    let entries = match bundle.get("entry") {
        Some(Node::Array(entries)) if !entries.is_empty() => take_entries(bundle),
        _ => Vec::new(),
    };
    check_resource(bundle, Some("Bundle")).map_err(Rejection::bad_request)?;
    Ok(entries)
}

fn step_type(step: &Step) -> String {
    match step {
        Step::Exists { type_name, .. } | Step::Delete { type_name, .. } => type_name.clone(),
        Step::Write { prepared, .. } => type_of(prepared.type_number),
        Step::Read { link, .. } => link.type_name().to_owned(),
        Step::Search { query } => type_of(query.type_number),
    }
}

fn type_of(number: u8) -> String {
    crate::r4::definitions().resource_by_number(number).map_or_else(String::new, |found| found.name.clone())
}

/// Which resource an entry is about.
#[derive(Default)]
struct Identity {
    number: u8,
    id: Option<String>,
    /// The id was made by this server just now.
    fresh: bool,
    /// A conditional create found it: nothing is written.
    exists_already: bool,
    writes: bool,
}

impl Identity {
    fn written(&self) -> Option<(u8, String)> {
        self.id.clone().filter(|_| self.writes && !self.exists_already).map(|id| (self.number, id))
    }
}

struct Planner<'a> {
    engine: &'a Engine,
    links: Links,
    expectations: Vec<Expectation>,
    /// Conditional creates of this transaction by type and criteria.
    created: HashMap<(u8, String), String>,
    /// Conditional updates of this transaction that will create, by type and criteria.
    updated: HashSet<(u8, String)>,
}

impl Planner<'_> {
    fn identify(&mut self, entry: &Entry<'_>) -> Result<Identity, Rejection> {
        let number = type_number(entry.link.type_name())?;
        let of = |id: String| Identity { number, id: Some(id), writes: true, ..Identity::default() };
        let own_id = entry.resource.as_ref().and_then(|resource| resource.text("id")).map(str::to_owned);
        Ok(match &entry.link {
            Link::Create { .. } => match &entry.conditions.if_none_exist {
                None => Identity { fresh: true, ..of(new_id()) },
                Some(criteria) => {
                    let name = (number, criteria.clone());
                    if let Some(id) = self.created.get(&name) {
                        return Ok(Identity { exists_already: true, ..of(id.clone()) });
                    }
                    match self.look_up(number, criteria)? {
                        Some(id) => Identity { exists_already: true, ..of(id) },
                        None => {
                            let id = new_id();
                            self.created.insert(name, id.clone());
                            Identity { fresh: true, ..of(id) }
                        }
                    }
                }
            },
            Link::Update { id, .. } => {
                if let Some(resource) = &entry.resource {
                    same_id(resource, id)?;
                }
                of(id.clone())
            }
            Link::ConditionalUpdate { criteria, .. } => match (self.look_up(number, criteria)?, own_id) {
                (Some(found), Some(own)) if found != own => {
                    return Err(Rejection::invalid(format!(
                        "the criteria match {found:?} but the resource has the id {own:?}"
                    )));
                }
                (Some(found), _) => of(found),
                (None, Some(own)) => {
                    let exists = self.engine.store.current(number, &own)?.is_some_and(|version| !version.is_deleted());
                    if exists {
                        return Err(Rejection::new(
                            409,
                            IssueCode::Conflict,
                            format!("nothing matches the criteria, but a resource with the id {own:?} exists"),
                        ));
                    }
                    of(own)
                }
                (None, None) if !self.updated.insert((number, criteria.clone())) => {
                    return Err(Rejection::new(
                        400,
                        IssueCode::Duplicate,
                        "another entry updates by the same criteria; a transaction may write a resource once",
                    ));
                }
                (None, None) => Identity { fresh: true, ..of(new_id()) },
            },
            Link::Delete { id, .. } => of(id.clone()),
            Link::ConditionalDelete { criteria, .. } => {
                Identity { number, id: self.look_up(number, criteria)?, writes: true, ..Identity::default() }
            }
            Link::Read { .. } | Link::Vread { .. } | Link::Search { .. } => Identity { number, ..Identity::default() },
        })
    }

    fn look_up(&mut self, number: u8, criteria: &str) -> Result<Option<String>, Rejection> {
        let query = self.engine.criteria(number, criteria)?;
        let found = self.engine.store.search(&query, 2, false)?.matches;
        if found.len() > 1 {
            return Err(several());
        }
        let found = found.into_iter().next().map(|found| found.id);
        self.expectations.push(Expectation { query, found: found.clone() });
        Ok(found)
    }

    /// FHIR R4 http.html#trules: a reference may be a search that finds exactly one resource. One that
    /// finds none fails the transaction only with `strict_references`.
    fn resolve_conditional_references(&mut self, entries: &[Entry<'_>]) -> Result<(), Rejection> {
        let mut known: HashSet<String> = HashSet::new();
        for entry in entries {
            let mut references = Vec::new();
            if let Some(resource) = &entry.resource {
                conditional_references(resource, &mut references);
            }
            for reference in references {
                if !known.insert(reference.clone()) {
                    continue;
                }
                let (type_name, criteria) = reference.split_once('?').unwrap_or_default();
                let number = type_number(type_name)?;
                let refuse = |why: &str| {
                    Rejection::new(
                        412,
                        IssueCode::NotFound,
                        format!("the reference {reference:?} must find exactly one resource; {why}"),
                    )
                    .at(&place(entry.index))
                };
                // Criteria that a conditional create of this transaction carries mean that entry.
                let id = match self.created.get(&(number, criteria.to_owned())) {
                    Some(id) => id.clone(),
                    None => match self.look_up(number, criteria) {
                        Ok(Some(found)) => found,
                        // Hospital feeds arrive out of order: the reference is kept as it is written.
                        Ok(None) if !self.engine.settings.strict_references => {
                            self.expectations.pop();
                            continue;
                        }
                        Ok(None) => return Err(refuse("it finds none")),
                        Err(rejection) if rejection.status == 412 => return Err(refuse("it finds several")),
                        Err(rejection) => return Err(rejection.at(&place(entry.index))),
                    },
                };
                self.links.insert_criteria(&reference, format!("{type_name}/{id}"));
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Plan").field("steps", &self.steps.len()).finish_non_exhaustive()
    }
}

impl Plan {
    fn carry_out(self, transaction: &mut WriteTransaction<'_>) -> Result<Vec<EntryAnswer>, Refusal> {
        for expectation in &self.expectations {
            let found = only_match(transaction, &expectation.query)?.map(|found| found.0);
            if found != expectation.found {
                return Err(Refusal::Stale);
            }
        }
        let mut order: Vec<(usize, u8, u8, Step)> = self
            .steps
            .into_iter()
            .enumerate()
            .map(|(index, (rank, number, step))| (index, rank, number, step))
            .collect();
        order.sort_by_key(|(_, rank, _, _)| *rank);
        let mut answers: Vec<Option<EntryAnswer>> = order.iter().map(|_| None).collect();
        for (index, _, number, step) in order {
            let shape = self.default_shape.get(index).copied().unwrap_or_default();
            let answer = carry_out_step(transaction, number, step, shape, self.require_if_match)
                .map_err(|rejection| rejection.at(&place(index)))?;
            if let Some(slot) = answers.get_mut(index) {
                *slot = Some(answer);
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }
}

fn carry_out_step(
    transaction: &mut WriteTransaction<'_>,
    number: u8,
    step: Step,
    (count, with_total): (u32, bool),
    require_if_match: bool,
) -> Result<EntryAnswer, Rejection> {
    let answer = match step {
        Step::Exists { type_name, id } => match transaction.current(number, &id)? {
            Some(version) => Answer { located: true, ..Answer::of(200, number, &id, &version) },
            None => return Err(Rejection::not_found(&type_name, &id)),
        },
        Step::Write { prepared, method, fresh, conditions } => {
            if !fresh {
                let current = transaction.current(number, &prepared.id)?;
                conditions.check_write(current.as_ref(), require_if_match)?;
                put(transaction, *prepared)?
            } else {
                let id = prepared.id.clone();
                let written = transaction.put(*prepared, method, true)?;
                Answer { located: true, changed: true, ..Answer::of(201, number, &id, &written.version) }
            }
        }
        Step::Delete { type_name, id: Some(id), conditions } => {
            if conditions.if_match.is_some() {
                let current = transaction.current(number, &id)?;
                conditions.check_write(current.as_ref(), false)?;
            }
            delete(transaction, number, &type_name, &id)?
        }
        Step::Delete { id: None, .. } => {
            Answer::outcome(200, number, "", Issue::information("no resource matched; nothing was deleted"))
        }
        Step::Read { link: Link::Read { type_name, id }, conditions } => {
            let version = transaction.current(number, &id)?;
            read_answer(&type_name, number, &id, version, &conditions)?
        }
        Step::Read { link, .. } => {
            return Err(Rejection::new(
                501,
                IssueCode::NotSupported,
                format!(
                    "reading a past version of a {} is not supported in a transaction; use a batch",
                    link.type_name()
                ),
            ));
        }
        Step::Search { query } => {
            let page = transaction.search_page(&query, count, with_total)?;
            return Ok(EntryAnswer::Searched(Box::new(Searched { query: *query, page, count })));
        }
    };
    debug_assert!(answer.payload != Payload::Empty || answer.status == 304);
    Ok(EntryAnswer::Single(answer))
}
