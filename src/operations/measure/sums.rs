//! Sums for those who do not see the citizens they are about: what may be asked, so that no citizen can be told from
//! the differences of answers.
//!
//! Periods are whole Japanese fiscal years (年度) that are over: sums of one grid, none of which is a part of another.
//! Nothing but the area narrows them: a sum of some is no difference away from the sum of the others. Counts below the
//! figure `small-cell` of the guide (10, as in MHLW's rules for publishing from NDB) are masked, and so are those that
//! would tell as few by what else is seen: the rest of a denominator, and the rest beside citizens whose rows the
//! caller sees.

use super::report::Guard;
use super::tally::{Scope, Tallied, tally};
use crate::access::policy::LiaisonUse;
use crate::engine::{Engine, Rejection};
use crate::fls::Day;
use crate::fls::indicator::Question;
use crate::operations::fls::{each_citizen, today};
use crate::r4::outcome::IssueCode;

/// Who counts whom.
#[derive(Debug)]
pub struct Sums<'e> {
    counting: Engine,
    own: &'e Engine,
}

fn refused(text: impl Into<String>) -> Rejection {
    Rejection::new(403, IssueCode::Forbidden, text.into())
}

/// The engine that counts for a caller more than they see; none where all that they count they see.
///
/// # Errors
/// 403 for who sees nothing of fracture liaison.
pub fn sums(engine: &Engine) -> Result<Option<Sums<'_>>, Rejection> {
    if engine.liaison_use() == LiaisonUse::None {
        return Err(nothing());
    }
    Ok(engine.counting().map(|counting| Sums { counting, own: engine }))
}

pub(super) fn nothing() -> Rejection {
    refused(
        "registry, alarms and measures of fracture liaison are for who has to do with its citizens by a rule of the access \
         policy (members of a team, the fracture liaison service, officers as sums), with a scope for all types they are \
         made of, such as user/*.rs or system/*.rs",
    )
}

/// Whether days are those of a fiscal year that is over.
///
/// # Errors
/// 403 that says which days are right.
pub fn check_period(from: Day, to: Day) -> Result<(), Rejection> {
    let (year, month, day) = from.civil();
    if (month, day) == (4, 1) && to == Day::of(year + 1, 3, 31) && to < today() {
        return Ok(());
    }
    Err(refused(format!(
        "sums over citizens whom you do not see are of whole fiscal years that are over, such as 2024-04-01 to 2025-03-31; \
         {from} to {to} is none（年度単位で、終わった年度に限ります）"
    )))
}

/// Refuses what narrows a sum.
///
/// # Errors
/// 403 that names it.
pub fn check_unnarrowed<'a>(asked: impl IntoIterator<Item = (&'a str, bool)>) -> Result<(), Rejection> {
    match asked.into_iter().find(|(_, is_asked)| *is_asked) {
        None => Ok(()),
        Some((name, _)) => Err(refused(format!(
            "{name} would tell few from many: sums over citizens whom you do not see are of your whole area; leave {name} out"
        ))),
    }
}

/// The last fiscal years that are over, the oldest first.
#[must_use]
pub fn years(count: i32) -> (Day, Day) {
    let (year, month, _) = today().civil();
    let ended = if month >= 4 { year } else { year - 1 };
    (Day::of(ended - count, 4, 1), Day::of(ended, 3, 31))
}

impl Sums<'_> {
    /// Counts all, and beside them those whose rows the caller sees.
    ///
    /// # Errors
    /// What the database says.
    pub fn count(&self, rules: &crate::fls::Rules, scope: Scope) -> Result<(Tallied, Guard), Rejection> {
        let own = tally(self.own, rules, scope.clone())?;
        Ok((tally(&self.counting, rules, scope)?, Guard::of(own)))
    }

    /// The same for many scopes in one pass each.
    ///
    /// # Errors
    /// What the database says.
    pub fn count_all(&self, rules: &crate::fls::Rules, scopes: Vec<Scope>) -> Result<Vec<(Tallied, Guard)>, Rejection> {
        let begun = || scopes.iter().cloned().map(Tallied::new).collect::<Vec<Tallied>>();
        let (mut own, mut all) = (begun(), begun());
        each_citizen(self.own, |facts| own.iter_mut().try_for_each(|one| one.add(facts, rules)))?;
        each_citizen(&self.counting, |facts| all.iter_mut().try_for_each(|one| one.add(facts, rules)))?;
        Ok(all.into_iter().zip(own.into_iter().map(Guard::of)).collect())
    }
}

/// Refuses questions of other days or limits than usual.
///
/// # Errors
/// 403.
pub fn check_question(question: &Question) -> Result<(), Rejection> {
    check_period(question.from, question.to)?;
    check_unnarrowed([("threshold", !question.thresholds.is_empty()), ("asOf", question.as_of != today())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_fiscal_years_that_are_over_are_summed() {
        let day = |text| Day::parse(text).unwrap();
        assert!(check_period(day("2024-04-01"), day("2025-03-31")).is_ok());
        for (from, to) in [
            ("2024-04-01", "2025-03-30"),
            ("2024-04-01", "2026-03-31"),
            ("2024-01-01", "2024-12-31"),
            ("2024-04-02", "2025-03-31"),
            ("2998-04-01", "2999-03-31"),
        ] {
            assert!(check_period(day(from), day(to)).is_err(), "{from} {to}");
        }
        let (from, to) = years(1);
        assert!(check_period(from, to).is_ok());
    }
}
