//! A change of one resource that is made from what is current: read, changed and derived outside the
//! writer, stored only if nothing came in between.

use super::answer::{Answer, Rejection};
use super::carry_out::Refusal;
use super::patch::parse_stored;
use super::prepare::{check, type_number};
use super::provenance::said_of;
use super::single::{delete, new_id, put};
use super::{Engine, Preconditions};
use crate::access::Interaction;
use crate::format::json::Node;
use crate::r4::outcome::IssueCode;
use crate::store::{Method, Version};

/// How often a change is made anew when another write came in between.
const ATTEMPTS: usize = 8;

impl Engine {
    /// Makes a new version of a resource from its current one, on a thread that may block. A change that
    /// changes nothing makes none.
    ///
    /// # Errors
    /// 404 or 410 without the resource, 400 when the result would be wrong, 409 when it keeps changing.
    pub fn change_blocking(
        &self,
        type_name: &str,
        id: &str,
        change: impl for<'a> Fn(Node<'a>) -> Node<'a>,
    ) -> Result<Answer, Rejection> {
        self.change_if(type_name, id, |_| Ok(()), |resource| Ok(change(resource)))
    }

    /// As [`Self::change_blocking`]; `allowed` looks at the current version first, and the change may refuse.
    ///
    /// # Errors
    /// As [`Self::change_blocking`], and what the two say.
    pub fn change_if(
        &self,
        type_name: &str,
        id: &str,
        allowed: impl Fn(&Version) -> Result<(), Rejection>,
        change: impl for<'a> Fn(Node<'a>) -> Result<Node<'a>, Rejection>,
    ) -> Result<Answer, Rejection> {
        let number = type_number(type_name)?;
        self.permit(Interaction::Update, type_name)?;
        for _ in 0..ATTEMPTS {
            let current = self.read_blocking(type_name, id)?;
            allowed(&current)?;
            let changed = change(parse_stored(&current)?)?;
            check(&changed, type_name)?;
            let prepared = self.derive(number, type_name, id, &changed)?;
            let on = current.version;
            let provenance = self.provenance.clone();
            let pending = self.store.write_blocking(move |transaction| {
                let now = transaction.current(number, &prepared.id)?;
                if now.is_none_or(|now| now.version != on) {
                    return Err(Refusal::Stale);
                }
                let answer = put(transaction, prepared, Method::Patch)?;
                Ok(said_of(&provenance, transaction, answer)?)
            })?;
            match pending.wait() {
                Ok(answer) => return Ok(answer),
                Err(Refusal::Rejected(rejection)) => return Err(rejection),
                Err(Refusal::Stale) => {}
            }
        }
        Err(Rejection {
            retry_after: Some(1),
            ..Rejection::new(409, IssueCode::Conflict, "the resource keeps changing; try again")
        })
    }

    /// Creates a resource, on a thread that may block.
    ///
    /// # Errors
    /// 400 when it is wrong.
    pub fn create_blocking(&self, type_name: &str, resource: &Node<'_>) -> Result<Answer, Rejection> {
        let number = type_number(type_name)?;
        self.permit(Interaction::Create, type_name)?;
        check(resource, type_name)?;
        let prepared = self.derive(number, type_name, &new_id(), resource)?;
        let provenance = self.provenance.clone();
        let pending = self.store.write_blocking(move |transaction| {
            let (id, remarks) = (prepared.id.clone(), prepared.remarks.clone());
            let written = transaction.put(prepared, Method::Post, true)?;
            let answer = Answer::of(201, number, &id, &written.version);
            said_of(&provenance, transaction, Answer { located: true, changed: true, remarks, ..answer })
        })?;
        pending.wait()
    }

    /// Deletes a resource, on a thread that may block.
    ///
    /// # Errors
    /// 412 when a precondition fails.
    pub fn delete_blocking(&self, type_name: &str, id: &str, conditions: Preconditions) -> Result<Answer, Rejection> {
        let number = type_number(type_name)?;
        self.permit(Interaction::Delete, type_name)?;
        let (type_name, id) = (type_name.to_owned(), id.to_owned());
        let provenance = self.provenance.clone();
        let pending = self.store.write_blocking(move |transaction| {
            if conditions.if_match.is_some() {
                let current = transaction.current(number, &id)?;
                conditions.check_write(current.as_ref(), false)?;
            }
            let answer = delete(transaction, number, &type_name, &id)?;
            said_of(&provenance, transaction, answer)
        })?;
        pending.wait()
    }
}
