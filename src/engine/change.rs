//! A change of one resource that is made from what is current: read, changed and derived outside the
//! writer, stored only if nothing came in between.

use super::Engine;
use super::answer::{Answer, Rejection};
use super::carry_out::Refusal;
use super::patch::parse_stored;
use super::prepare::{check, type_number};
use super::single::put;
use crate::access::Interaction;
use crate::format::json::Node;
use crate::r4::outcome::IssueCode;
use crate::store::Method;

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
        let number = type_number(type_name)?;
        self.permit(Interaction::Update, type_name)?;
        for _ in 0..ATTEMPTS {
            let current = self.read_blocking(type_name, id)?;
            let changed = change(parse_stored(&current)?);
            check(&changed, type_name)?;
            let prepared = self.derive(number, type_name, id, &changed)?;
            let on = current.version;
            let pending = self.store.write_blocking(move |transaction| {
                let now = transaction.current(number, &prepared.id)?;
                if now.is_none_or(|now| now.version != on) {
                    return Err(Refusal::Stale);
                }
                Ok(put(transaction, prepared, Method::Patch)?)
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
}
