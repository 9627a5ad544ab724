//! Operators: comparison, equality and equivalence of lists and single values, arithmetic, logic.

use std::cmp::Ordering;

use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive, Zero};

use super::plan::Op;
use super::{Entry, Found, List, MAX_DIGITS, MAX_TEXT, Run, Scope, System, integer, invalid, quantity, string, weight};
use crate::fhirpath::FhirPathError;
use crate::fhirpath::ast::Binary;
use crate::fhirpath::evaluate::Value;
use crate::format::json::Node;

impl<'r> Run<'_, 'r> {
    /// Comparisons.
    pub(super) fn relation(
        &mut self,
        operator: Binary,
        left: &'r Op,
        right: &'r Op,
        scope: Scope<'_, 'r>,
    ) -> Result<Option<bool>, FhirPathError> {
        let left = self.scoped(left, scope, Self::expression)?;
        let right = self.scoped(right, scope, Self::expression)?;
        match operator {
            Binary::Equal => self.equal_lists(&left, &right),
            Binary::NotEqual => Ok(self.equal_lists(&left, &right)?.map(|same| !same)),
            Binary::Equivalent => self.equivalent_lists(&left, &right).map(Some),
            Binary::NotEquivalent => Ok(Some(!self.equivalent_lists(&left, &right)?)),
            Binary::In => self.contained(left, &right),
            Binary::Contains => self.contained(right, &left),
            _ => {
                let left = Self::single(left, operator.symbol())?;
                let right = Self::single(right, operator.symbol())?;
                let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
                let order = Self::order(&left, &right)?;
                Ok(order.map(|order| match operator {
                    Binary::Less => order == Ordering::Less,
                    Binary::LessOrEqual => order != Ordering::Greater,
                    Binary::Greater => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                }))
            }
        }
    }

    pub(super) fn binary(&mut self, operator: Binary, left: List<'r>, right: List<'r>) -> Found<'r> {
        match operator {
            Binary::Union => {
                let mut all = left;
                all.extend(right);
                self.distinct(all)
            }
            Binary::Concatenate => {
                let mut joined = String::new();
                for side in [left, right] {
                    let Some(entry) = Self::single(side, "&")? else { continue };
                    match entry.system() {
                        Some(System::String(text)) => joined.push_str(&text),
                        _ => return invalid("& joins strings"),
                    }
                }
                self.built(joined).map(|text| vec![string(text)])
            }
            _ => {
                let left = Self::single(left, operator.symbol())?;
                let right = Self::single(right, operator.symbol())?;
                let (Some(left), Some(right)) = (left, right) else { return Ok(List::new()) };
                self.arithmetic(operator, &left, &right)
            }
        }
    }

    pub(super) fn order(left: &Entry<'r>, right: &Entry<'r>) -> Result<Option<Ordering>, FhirPathError> {
        match (left.system(), right.system()) {
            (Some(left), Some(right)) => left.compare(&right),
            // A primitive without a value has no order.
            _ if [left, right]
                .iter()
                .any(|entry| matches!(entry, Entry::Part(item) if matches!(item.value, Value::Node(Node::Null)))) =>
            {
                Ok(None)
            }
            _ => invalid(format!("{} and {} cannot be compared", left.type_of().1, right.type_of().1)),
        }
    }

    /// A text that was built, when it is not too long.
    pub(super) fn built(&mut self, text: String) -> Result<String, FhirPathError> {
        self.spend(text.len() / 16)?;
        if text.len() > MAX_TEXT { Err(FhirPathError::TooCostly) } else { Ok(text) }
    }

    pub(super) fn number(&mut self, value: BigDecimal) -> Found<'r> {
        let digits = value.digits().saturating_add(value.fractional_digit_count().unsigned_abs());
        self.spend(1)?;
        if digits > MAX_DIGITS {
            return Err(FhirPathError::TooCostly);
        }
        Ok(vec![Entry::Value(System::Decimal(value))])
    }

    pub(super) fn arithmetic(&mut self, operator: Binary, left: &Entry<'r>, right: &Entry<'r>) -> Found<'r> {
        let (Some(left), Some(right)) = (left.system(), right.system()) else {
            return invalid(format!("{} needs values", operator.symbol()));
        };
        let subtracts = operator == Binary::Subtract;
        match (&left, &right, operator) {
            (System::String(one), System::String(other), Binary::Add) => {
                return self.built(format!("{one}{other}")).map(|text| vec![string(text)]);
            }
            (System::Stamp(stamp), System::Quantity(amount), Binary::Add | Binary::Subtract) => {
                let unit = quantity::calendar_unit(&amount.unit).or_else(|| quantity::calendar_of_ucum(&amount.unit));
                let Some(unit) = unit else { return invalid(format!("{} cannot be added to a date", amount.unit)) };
                let Some(whole) = amount.value.with_scale_round(0, RoundingMode::Down).to_i64() else {
                    return Ok(List::new());
                };
                let moved = stamp.plus(if subtracts { whole.saturating_neg() } else { whole }, unit);
                return Ok(moved.map(|stamp| Entry::Value(System::Stamp(stamp))).into_iter().collect());
            }
            (System::Integer(one), System::Integer(other), Binary::Add) => return Ok(integer(one.checked_add(*other))),
            (System::Integer(one), System::Integer(other), Binary::Subtract) => {
                return Ok(integer(one.checked_sub(*other)));
            }
            (System::Integer(one), System::Integer(other), Binary::Multiply) => {
                return Ok(integer(one.checked_mul(*other)));
            }
            (System::Integer(one), System::Integer(other), Binary::Div) => return Ok(integer(one.checked_div(*other))),
            (System::Integer(one), System::Integer(other), Binary::Mod) => return Ok(integer(one.checked_rem(*other))),
            _ => {}
        }
        if let (Some(one), Some(other)) = (left.number(), right.number()) {
            let whole = |value: BigDecimal| value.with_scale_round(0, RoundingMode::Down);
            return match operator {
                Binary::Add => self.number(one + other),
                Binary::Subtract => self.number(one - other),
                Binary::Multiply => self.number(one * other),
                _ if other.is_zero() => Ok(List::new()),
                Binary::Divide => self.number((one / other).with_scale_round(28, RoundingMode::HalfUp).normalized()),
                Binary::Div => Ok(integer(whole(one / other).to_i64())),
                _ => self.number(one % other),
            };
        }
        if let (Some(one), Some(other)) = (left.quantity(), right.quantity()) {
            let result = match operator {
                Binary::Add | Binary::Subtract => one.sum(&other, subtracts)?,
                Binary::Multiply | Binary::Divide => one.product(&other, operator == Binary::Divide)?,
                _ => return invalid(format!("{} is not for quantities", operator.symbol())),
            };
            if let Some(result) = &result {
                self.number(result.value.clone())?;
            }
            return Ok(result.map(|value| Entry::Value(System::Quantity(value))).into_iter().collect());
        }
        invalid(format!("{} is not for {} and {}", operator.symbol(), left.type_name(), right.type_name()))
    }

    pub(super) fn contained(&mut self, wanted: List<'r>, list: &[Entry<'r>]) -> Result<Option<bool>, FhirPathError> {
        let Some(wanted) = Self::single(wanted, "in")? else { return Ok(None) };
        self.has(list, &wanted).map(Some)
    }

    /// Whether a list has an entry equal to this one.
    pub(super) fn has(&mut self, list: &[Entry<'r>], wanted: &Entry<'r>) -> Result<bool, FhirPathError> {
        for entry in list {
            if self.equal(entry, wanted)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn distinct(&mut self, list: List<'r>) -> Found<'r> {
        let mut out = List::new();
        for entry in list {
            if !self.has(&out, &entry)? {
                out.push(entry);
            }
        }
        Ok(out)
    }

    pub(super) fn equal(&mut self, left: &Entry<'r>, right: &Entry<'r>) -> Result<Option<bool>, FhirPathError> {
        self.spend(1 + weight(left) + weight(right))?;
        if let (Entry::Part(one), Entry::Part(other)) = (left, right)
            && let (Some(one), Some(other)) = (one.node(), other.node())
            && (matches!(one, Node::Object(_)) || matches!(other, Node::Object(_)))
        {
            self.spend(one.members().len())?;
            return Ok(Some(std::ptr::eq(one, other) || one == other));
        }
        if let (Some(one), Some(other)) = (left.as_text(), right.as_text()) {
            return Ok(Some(one == other));
        }
        match (left.system(), right.system()) {
            (Some(left), Some(right)) => left.equal(&right),
            (None, None) => Ok(Some(
                left.type_of() == right.type_of()
                    && matches!((left, right), (Entry::Type { namespace: a, name: b }, Entry::Type { namespace: c, name: d }) if a == c && b == d),
            )),
            _ => Ok(Some(false)),
        }
    }

    pub(super) fn equal_lists(
        &mut self,
        left: &[Entry<'r>],
        right: &[Entry<'r>],
    ) -> Result<Option<bool>, FhirPathError> {
        if left.is_empty() || right.is_empty() {
            return Ok(None);
        }
        if left.len() != right.len() {
            return Ok(Some(false));
        }
        let mut open = false;
        for (one, other) in left.iter().zip(right) {
            match self.equal(one, other)? {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => open = true,
            }
        }
        Ok((!open).then_some(true))
    }

    pub(super) fn equivalent_lists(&mut self, left: &[Entry<'r>], right: &[Entry<'r>]) -> Result<bool, FhirPathError> {
        if left.len() != right.len() {
            return Ok(false);
        }
        let mut rest: Vec<&Entry<'r>> = right.iter().collect();
        for one in left {
            let mut place = None;
            for (candidate, other) in rest.iter().enumerate() {
                if self.equivalent(one, other)? {
                    place = Some(candidate);
                    break;
                }
            }
            match place {
                Some(place) => drop(rest.swap_remove(place)),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    pub(super) fn equivalent(&mut self, left: &Entry<'r>, right: &Entry<'r>) -> Result<bool, FhirPathError> {
        self.spend(1)?;
        if let (Some(one), Some(other)) = (left.system(), right.system()) {
            return one.equivalent(&other);
        }
        let (Entry::Part(one), Entry::Part(other)) = (left, right) else {
            return Ok(self.equal(left, right)? == Some(true));
        };
        let (mut inner, mut outer) = (List::new(), List::new());
        self.children(*one, &mut inner)?;
        self.children(*other, &mut outer)?;
        Ok(!inner.is_empty() && self.equivalent_lists(&inner, &outer)?)
    }
}

pub(super) fn logic(operator: Binary, left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (operator, left, right) {
        (Binary::And, Some(false), _) | (Binary::And, _, Some(false)) => Some(false),
        (Binary::Or, Some(true), _) | (Binary::Or, _, Some(true)) => Some(true),
        (Binary::Implies, Some(false), _) | (Binary::Implies, _, Some(true)) => Some(true),
        (Binary::Xor, left, right) => Some(left? != right?),
        (Binary::Implies, left, right) => Some(!left? || right?),
        (Binary::And, left, right) => Some(left? && right?),
        (_, left, right) => Some(left? || right?),
    }
}
