//! Carries a planned transaction out, inside the writer.

use super::answer::{Answer, Payload, Rejection};
use super::bundle::EntryAnswer;
use super::entry::{Link, place};
use super::history::historied;
use super::plan::{Plan, Step};
use super::single::{Searched, delete, delete_any, only_match, put, put_any, read_answer};
use crate::r4::outcome::{Issue, IssueCode};
use crate::store::{StoreError, WriteTransaction};

/// The rank of entries that read (FHIR R4 http.html#trules).
const READS: u8 = 3;

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
impl Plan {
    pub(super) fn carry_out(self, transaction: &mut WriteTransaction<'_>) -> Result<Vec<EntryAnswer>, Refusal> {
        for expectation in &self.expectations {
            let found = only_match(transaction, &expectation.query)?.map(|found| found.0);
            if found != expectation.found {
                return Err(Refusal::Stale);
            }
        }
        for (number, id, patched) in &self.patched {
            let current = transaction.current(*number, id)?.map(|version| version.version);
            if current != Some(*patched) {
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
        let mut provenance = self.provenance;
        for (index, rank, number, step) in order {
            // After all that writes, and before what reads.
            if rank == READS
                && let Some(draft) = provenance.take()
            {
                draft.say_of_all(transaction, &mut answers)?;
            }
            let shape = self.default_shape.get(index).copied().unwrap_or_default();
            let answer = carry_out_step(transaction, number, step, shape, self.require_if_match, self.keeps_packages)
                .map_err(|rejection| rejection.at(&place(index)))?;
            if let Some(slot) = answers.get_mut(index) {
                *slot = Some(answer);
            }
        }
        if let Some(draft) = provenance {
            draft.say_of_all(transaction, &mut answers)?;
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
    keeps_packages: bool,
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
                let put = if keeps_packages { put_any } else { put };
                put(transaction, *prepared, method)?
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
            let delete = if keeps_packages { delete_any } else { delete };
            delete(transaction, number, &type_name, &id)?
        }
        Step::Delete { id: None, .. } => {
            Answer::outcome(200, number, "", Issue::information("no resource matched; nothing was deleted"))
        }
        Step::Read { link: Link::Read { type_name, id }, conditions } => {
            let version = transaction.current(number, &id)?;
            read_answer(&type_name, number, &id, version, &conditions)?
        }
        Step::Read { link: Link::Vread { type_name, id, version }, conditions } => {
            let unknown =
                || Rejection::new(404, IssueCode::NotFound, format!("{type_name}/{id} has no version {version:?}"));
            let wanted: i64 = version.parse().map_err(|_| unknown())?;
            let found = transaction.version(number, &id, wanted)?.ok_or_else(unknown)?;
            read_answer(&type_name, number, &id, Some(found), &conditions)?
        }
        Step::Read { link, .. } => {
            return Err(Rejection::internal(format!("{link:?} is no read")));
        }
        Step::History { request } => {
            let page = transaction.history(&request.query)?;
            return Ok(EntryAnswer::Historied(Box::new(historied(*request, page)?)));
        }
        Step::Metadata => return Ok(EntryAnswer::Metadata),
        Step::Search { query } => {
            let page = transaction.search_page(&query, count, with_total)?;
            return Ok(EntryAnswer::Searched(Box::new(Searched { query: *query, page, count })));
        }
    };
    debug_assert!(answer.payload != Payload::Empty || answer.status == 304);
    Ok(EntryAnswer::Single(answer))
}
