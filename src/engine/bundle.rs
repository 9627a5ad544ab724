//! Batch and transaction (FHIR R4 http.html#transaction).
//!
//! A transaction is planned outside the writer: ids are given, conditional criteria looked up,
//! references rewritten, everything checked and indexed. Inside the writer the look-ups are repeated;
//! if one came out differently meanwhile the plan is made anew. So the writer does little, and no
//! decision rests on stale data.

use bytes::Bytes;
use futures_util::future::join_all;

use super::answer::{Answer, OperationAnswer, Rejection};
use super::carry_out::Refusal;
use super::entry::{Entry, Link, OperationLink, check_envelope, place};
use super::history::Historied;
use super::prepare::parse;
use super::single::Searched;
use super::{Engine, Preconditions, trace};
use crate::format::json::Node;
use crate::r4::outcome::{Issue, IssueCode};
use crate::store::Pending;
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
    /// A history.
    Historied(Box<Historied>),
    /// The CapabilityStatement, which the floor above has.
    Metadata,
    /// What an operation answers.
    Operated(OperationAnswer),
}

/// Runs an operation that an entry of a batch asks for, with the resource of the entry, on a thread
/// that may block. The floor above knows the operations. The URL is the base of this server.
pub type RunOperation = fn(&Engine, OperationLink, Bytes, &str) -> Result<OperationAnswer, Rejection>;

impl Engine {
    /// `POST [base]` with a batch or transaction. `base` is this server's own URL, so that absolute
    /// request URLs are understood; `run` runs the operations of a batch.
    ///
    /// # Errors
    /// What is wrong with the bundle; for a transaction also the first entry that fails.
    pub async fn bundle(&self, body: Bytes, base: &str, run: RunOperation) -> Result<BundleAnswer, Rejection> {
        let (kind, body, asked) = self
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
                let asked = if engine.trail.is_open() { trace::asked(&bundle) } else { Vec::new() };
                Ok((kind, body, asked))
            })
            .await?;
        let answer =
            if kind == "batch" { self.batch(body, base, run).await } else { self.transaction(body, base).await }?;
        self.note_entries(&asked, base, &answer).await?;
        Ok(answer)
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

    /// Carries a transaction out, anew when what it rests on changed meanwhile. Blocks.
    ///
    /// # Errors
    /// What is wrong with the bundle, or 500 when others keep changing the same resources.
    pub fn transact_blocking(&self, bundle: &Node<'_>) -> Result<Vec<EntryAnswer>, Rejection> {
        for _ in 0..ATTEMPTS {
            match self.transaction_blocking(bundle.clone(), "", None)?.wait() {
                Ok(answers) => return Ok(answers),
                Err(Refusal::Rejected(rejection)) => return Err(rejection),
                Err(Refusal::Stale) => {}
            }
        }
        Err(Rejection::internal("others keep changing the same resources"))
    }

    async fn batch(&self, body: Bytes, base: &str, run: RunOperation) -> Result<BundleAnswer, Rejection> {
        let own_base = base;
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
                        self.batch_entry(link, body.unwrap_or_default(), conditions, (own_base, run))
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

    async fn batch_entry(
        &self,
        link: Link,
        body: Bytes,
        conditions: Preconditions,
        (base, run): (&str, RunOperation),
    ) -> Result<EntryAnswer, Rejection> {
        let answer = match link {
            Link::Create { type_name } => self.create(&type_name, body, conditions).await,
            Link::Update { type_name, id } => self.update(&type_name, &id, body, conditions).await,
            Link::ConditionalUpdate { type_name, criteria } => {
                self.conditional_update(&type_name, &criteria, body, conditions).await
            }
            Link::Patch { type_name, id } => self.patch_by_entry(&type_name, Ok(&id), body, conditions).await,
            Link::ConditionalPatch { type_name, criteria } => {
                self.patch_by_entry(&type_name, Err(&criteria), body, conditions).await
            }
            Link::Delete { type_name, id } => self.delete(&type_name, &id, conditions).await,
            Link::ConditionalDelete { type_name, criteria } => self.conditional_delete(&type_name, &criteria).await,
            Link::Read { type_name, id } => self.read(&type_name, &id, conditions).await,
            Link::Vread { type_name, id, version } => self.vread(&type_name, &id, &version, conditions).await,
            Link::Search { place, pairs } => {
                let searched = self.search(&place, pairs, false).await;
                return searched.map(|searched| EntryAnswer::Searched(Box::new(searched)));
            }
            Link::History { of, pairs } => {
                let historied = self.history(of, pairs).await;
                return historied.map(|historied| EntryAnswer::Historied(Box::new(historied)));
            }
            Link::Metadata => return Ok(EntryAnswer::Metadata),
            Link::Operation(operation) => {
                let base = base.to_owned();
                let work = move |engine: &Self| run(engine, operation, body, &base);
                return self.blocking(work).await.map(EntryAnswer::Operated);
            }
        };
        answer.map(EntryAnswer::Single)
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

pub(super) fn take_entries<'a>(bundle: &mut Node<'a>) -> Vec<Node<'a>> {
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
