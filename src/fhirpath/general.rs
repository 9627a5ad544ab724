//! The whole N1 language, evaluated straight from the syntax tree over borrowed resources: for
//! invariants, FHIRPath patches and questions people ask. Search parameters use the compiled form
//! of [`mod@super::compile`] instead, which is faster and knows less.
//!
//! A budget of steps and produced items, a limit on the depth of the tree and on the length of
//! texts and numbers make a hostile expression end in an error.
//!
//! May use: the syntax tree, `r4`, `format`. Must not know: search, storage, HTTP.

mod check;
mod functions;
pub(crate) mod pattern;
mod quantity;
mod stamp;
mod text;
mod value;

use std::cmp::Ordering;
use std::collections::HashMap;

use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive, Zero};

use super::FhirPathError;
use super::ast::{Binary, Expression, Literal, TypeSpecifier};
use super::compile::alternatives;
use super::evaluate::{ABSENT, Item, Value};
use super::parser;
use crate::format::json::Node;
use crate::r4::{Kind, TypeId, definitions};

pub use quantity::Quantity;
pub use stamp::{Stamp, StampKind};
pub use value::{Entry, System};

/// Steps and items of one evaluation.
const BUDGET: usize = 2_000_000;
/// Deepest syntax tree.
const MAX_TREE_DEPTH: usize = 120;
/// Longest text an expression may build.
const MAX_TEXT: usize = 1 << 20;
/// Most digits of a computed number.
const MAX_DIGITS: u64 = 400;

type List<'r> = Vec<Entry<'r>>;
type Found<'r> = Result<List<'r>, FhirPathError>;

/// A parsed and checked expression of the whole language.
#[derive(Debug)]
pub struct Query {
    expression: Expression,
}

impl Query {
    /// Parses an expression for an input of any type.
    ///
    /// # Errors
    /// Syntax errors, and expressions nested too deeply.
    pub fn new(text: &str) -> Result<Self, FhirPathError> {
        let expression = parser::parse(text)?;
        if check::depth(&expression) > MAX_TREE_DEPTH {
            return Err(FhirPathError::TooCostly);
        }
        Ok(Self { expression })
    }

    /// Parses an expression for an input of one type, and checks names and operands against it.
    ///
    /// # Errors
    /// As [`Self::new`]; besides names that the types do not have.
    pub fn new_for(text: &str, focus: TypeId) -> Result<Self, FhirPathError> {
        let query = Self::new(text)?;
        check::check(&query.expression, focus)?;
        Ok(query)
    }

    /// Evaluates on a resource.
    ///
    /// # Errors
    /// Wrong operands, what is not supported, [`FhirPathError::TooCostly`].
    pub fn evaluate<'r>(&self, focus: Item<'r>) -> Result<Vec<Entry<'r>>, FhirPathError> {
        self.evaluate_in(focus, focus, &HashMap::new())
    }

    /// Evaluates on a part of the resource `root`, with variables (`%name`).
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn evaluate_in<'r>(
        &self,
        focus: Item<'r>,
        root: Item<'r>,
        variables: &HashMap<String, Vec<Entry<'r>>>,
    ) -> Result<Vec<Entry<'r>>, FhirPathError> {
        let mut run = Run { root, focus, variables, budget: BUDGET, now: None };
        let this = Entry::Part(focus);
        run.expression(&self.expression, Scope { this: Some(&this), index: 0, total: None })
    }
}

/// What `$this`, `$index` and `$total` are.
#[derive(Clone, Copy)]
struct Scope<'s, 'r> {
    this: Option<&'s Entry<'r>>,
    index: usize,
    total: Option<&'s [Entry<'r>]>,
}

struct Run<'v, 'r> {
    root: Item<'r>,
    focus: Item<'r>,
    variables: &'v HashMap<String, Vec<Entry<'r>>>,
    budget: usize,
    now: Option<Stamp>,
}

fn invalid<T>(message: impl Into<String>) -> Result<T, FhirPathError> {
    Err(FhirPathError::Invalid(message.into()))
}

fn unsupported<T>(what: impl Into<String>) -> Result<T, FhirPathError> {
    Err(FhirPathError::Unsupported(what.into()))
}

/// What copying an entry costs beyond one step.
fn weight(entry: &Entry<'_>) -> usize {
    match entry {
        Entry::Value(System::String(text)) => text.len() / 64,
        _ => 0,
    }
}

fn boolean<'r>(value: bool) -> Entry<'r> {
    Entry::Value(System::Boolean(value))
}

/// A whole number; nothing when it is beyond the 32 bits of N1's Integer.
fn integer<'r>(value: Option<i64>) -> List<'r> {
    value
        .filter(|value| i32::try_from(*value).is_ok())
        .map(|value| Entry::Value(System::Integer(value)))
        .into_iter()
        .collect()
}

fn string<'r>(text: impl Into<std::borrow::Cow<'r, str>>) -> Entry<'r> {
    Entry::Value(System::String(text.into()))
}

impl<'r> Run<'_, 'r> {
    fn spend(&mut self, steps: usize) -> Result<(), FhirPathError> {
        self.budget = self.budget.checked_sub(steps).ok_or(FhirPathError::TooCostly)?;
        Ok(())
    }

    /// A list with at most one entry.
    fn single(list: List<'r>, what: &'static str) -> Result<Option<Entry<'r>>, FhirPathError> {
        if list.len() > 1 {
            return Err(FhirPathError::NotSingleton(what));
        }
        Ok(list.into_iter().next())
    }

    fn truth(list: &[Entry<'r>]) -> Result<Option<bool>, FhirPathError> {
        match list {
            [] => Ok(None),
            // Singleton evaluation: one value that is not a boolean counts as true.
            [entry] => Ok(Some(match entry.system() {
                Some(System::Boolean(value)) => value,
                _ => true,
            })),
            _ => Err(FhirPathError::NotSingleton("a condition")),
        }
    }

    fn expression(&mut self, expression: &Expression, scope: Scope<'_, 'r>) -> Found<'r> {
        self.spend(1)?;
        match expression {
            Expression::Literal(literal) => {
                let found = self::literal(literal)?;
                self.spend(found.iter().map(weight).sum())?;
                Ok(found)
            }
            Expression::This => {
                self.spend(scope.this.map_or(0, weight))?;
                Ok(scope.this.cloned().into_iter().collect())
            }
            Expression::Index => Ok(integer(i64::try_from(scope.index).ok())),
            Expression::Total => match scope.total {
                Some(total) => {
                    self.spend(total.iter().map(|entry| 1 + weight(entry)).sum())?;
                    Ok(total.to_vec())
                }
                None => invalid("$total is for aggregate()"),
            },
            Expression::External(name) => self.variable(name),
            Expression::Member { input: None, name } => self.leading(name, scope),
            Expression::Member { input: Some(input), name } => {
                let input = self.expression(input, scope)?;
                self.members(&input, name)
            }
            Expression::Call { input, name, arguments } => {
                let input = match input {
                    Some(input) => self.expression(input, scope)?,
                    None => scope.this.cloned().into_iter().collect(),
                };
                self.call(input, name, arguments, scope)
            }
            Expression::Indexer(input, index) => {
                let list = self.expression(input, scope)?;
                let index = self.expression(index, scope)?;
                match Self::single(index, "an index")?.and_then(|entry| entry.system()) {
                    None => Ok(List::new()),
                    Some(System::Integer(place)) => {
                        Ok(usize::try_from(place).ok().and_then(|place| list.get(place).cloned()).into_iter().collect())
                    }
                    Some(_) => invalid("an index is an integer"),
                }
            }
            Expression::Polarity { negative, operand } => {
                let operand = self.expression(operand, scope)?;
                let Some(entry) = Self::single(operand, "a sign")? else { return Ok(List::new()) };
                let value = match entry.system() {
                    Some(System::Integer(value)) if *negative => match value.checked_neg() {
                        Some(value) => System::Integer(value),
                        None => return Ok(List::new()),
                    },
                    Some(System::Decimal(value)) if *negative => System::Decimal(-value),
                    Some(System::Quantity(value)) if *negative => {
                        System::Quantity(Quantity { value: -value.value, unit: value.unit })
                    }
                    Some(value @ (System::Integer(_) | System::Decimal(_) | System::Quantity(_))) => value,
                    _ => return invalid("a sign is for numbers and quantities"),
                };
                Ok(vec![Entry::Value(value)])
            }
            Expression::Is(input, specifier) => {
                let input = self.expression(input, scope)?;
                Self::is(input, specifier)
            }
            Expression::As(input, specifier) => {
                let input = self.expression(input, scope)?;
                let input = Self::single(input, "as")?;
                let target = Target::new(specifier)?;
                Ok(input.into_iter().filter(|entry| target.keeps(entry)).collect())
            }
            Expression::Binary(operator, left, right) => {
                let left = self.expression(left, scope)?;
                let right = self.expression(right, scope)?;
                self.binary(*operator, left, right)
            }
        }
    }

    fn is(input: List<'r>, specifier: &TypeSpecifier) -> Found<'r> {
        let target = Target::new(specifier)?;
        Ok(Self::single(input, "is")?.map(|entry| boolean(target.admits(&entry))).into_iter().collect())
    }

    fn variable(&self, name: &str) -> Found<'r> {
        if let Some(found) = self.variables.get(name) {
            return Ok(found.clone());
        }
        let text = match name {
            "resource" | "rootResource" => return Ok(vec![Entry::Part(self.root)]),
            "context" => return Ok(vec![Entry::Part(self.focus)]),
            "sct" => "http://snomed.info/sct".to_owned(),
            "loinc" => "http://loinc.org".to_owned(),
            "ucum" => "http://unitsofmeasure.org".to_owned(),
            _ => match (name.strip_prefix("vs-"), name.strip_prefix("ext-")) {
                (Some(set), _) => format!("http://hl7.org/fhir/ValueSet/{set}"),
                (_, Some(extension)) => format!("http://hl7.org/fhir/StructureDefinition/{extension}"),
                _ => return unsupported(format!("variable %{name}")),
            },
        };
        Ok(vec![string(text)])
    }

    /// The first name of a path: the type of the focus itself, or one of its elements.
    fn leading(&mut self, name: &str, scope: Scope<'_, 'r>) -> Found<'r> {
        let Some(this) = scope.this else { return Ok(List::new()) };
        if name.starts_with(|first: char| first.is_ascii_uppercase())
            && let (Entry::Part(item), Some(id)) = (this, definitions().type_id(name))
        {
            let is_it = definitions().is_a(item.type_id, id);
            return Ok(if is_it { vec![this.clone()] } else { List::new() });
        }
        self.members(std::slice::from_ref(this), name)
    }

    fn members(&mut self, input: &[Entry<'r>], name: &str) -> Found<'r> {
        let mut out = List::new();
        for entry in input {
            match entry {
                Entry::Part(item) => {
                    for wanted in alternatives(item.type_id, name).into_iter().flatten() {
                        self.member(*item, wanted.json, wanted.type_id, &mut out)?;
                    }
                }
                Entry::Type { namespace, name: type_name } => out.extend(match name {
                    "namespace" => Some(string(*namespace)),
                    "name" => Some(string(*type_name)),
                    _ => None,
                }),
                Entry::Value(_) => {}
            }
        }
        Ok(out)
    }

    /// Appends what the member `json` of an item holds.
    fn member(&mut self, item: Item<'r>, json: &str, type_id: TypeId, out: &mut List<'r>) -> Result<(), FhirPathError> {
        let all = definitions();
        // The tables say System.String; resource.html#id says `id`.
        let is_id = json == "id" && all.get(item.type_id).kind == Kind::Resource;
        let type_id = if is_id { all.type_id("id").unwrap_or(type_id) } else { type_id };
        let kind = all.get(type_id).kind;
        let members = item.children();
        self.spend(1 + members.len() / 8)?;
        let find = |wanted: &dyn Fn(&str) -> bool| members.iter().find(|(name, _)| wanted(name)).map(|(_, node)| node);
        let value = find(&|name| name == json);
        let is_primitive = matches!(kind, Kind::Primitive | Kind::System);
        let extra = if is_primitive { find(&|name| name.strip_prefix('_') == Some(json)) } else { None };
        let mut push = |value: &'r Node<'r>, extra: Option<&'r Node<'r>>| {
            let extra = extra.filter(|extra| matches!(extra, Node::Object(_)));
            if matches!(value, Node::Null) && extra.is_none() {
                return;
            }
            let type_id = if kind == Kind::Resource {
                match value.text("resourceType").and_then(|name| all.resource(name)) {
                    Some(id) => id,
                    None => return,
                }
            } else {
                type_id
            };
            out.push(Entry::Part(Item { value: Value::Node(value), type_id, extra }));
        };
        match (value, extra) {
            (None, None) => {}
            (Some(Node::Array(values)), extra) => {
                let extras = extra.map_or(&[][..], Node::items);
                for (place, value) in values.iter().enumerate() {
                    push(value, extras.get(place));
                }
                self.spend(values.len())?;
            }
            (None, Some(Node::Array(extras))) => extras.iter().for_each(|extra| push(&ABSENT, Some(extra))),
            (value, extra) => push(value.unwrap_or(&ABSENT), extra),
        }
        Ok(())
    }

    /// All children, in the order they are written.
    fn children(&mut self, item: Item<'r>, out: &mut List<'r>) -> Result<(), FhirPathError> {
        let definition = definitions().get(item.type_id);
        let members = item.children();
        for (name, _) in members {
            let bare = match name.strip_prefix('_') {
                Some(bare) if members.iter().any(|(other, _)| other == bare) => continue,
                Some(bare) => bare,
                None => name.as_ref(),
            };
            if let Some(field) = definition.field(bare) {
                self.member(item, bare, field.type_id, out)?;
            }
        }
        Ok(())
    }

    fn binary(&mut self, operator: Binary, left: List<'r>, right: List<'r>) -> Found<'r> {
        let answer = |value: Option<bool>| Ok(value.map(boolean).into_iter().collect());
        match operator {
            Binary::Union => {
                let mut all = left;
                all.extend(right);
                self.distinct(all)
            }
            Binary::And | Binary::Or | Binary::Xor | Binary::Implies => {
                answer(logic(operator, Self::truth(&left)?, Self::truth(&right)?))
            }
            Binary::Equal => answer(self.equal_lists(&left, &right)?),
            Binary::NotEqual => answer(self.equal_lists(&left, &right)?.map(|same| !same)),
            Binary::Equivalent => answer(Some(self.equivalent_lists(&left, &right)?)),
            Binary::NotEquivalent => answer(Some(!self.equivalent_lists(&left, &right)?)),
            Binary::In => self.contained(left, &right),
            Binary::Contains => self.contained(right, &left),
            Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual => {
                let left = Self::single(left, operator.symbol())?;
                let right = Self::single(right, operator.symbol())?;
                let (Some(left), Some(right)) = (left, right) else { return Ok(List::new()) };
                let order = Self::order(&left, &right)?;
                answer(order.map(|order| match operator {
                    Binary::Less => order == Ordering::Less,
                    Binary::LessOrEqual => order != Ordering::Greater,
                    Binary::Greater => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                }))
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

    fn order(left: &Entry<'r>, right: &Entry<'r>) -> Result<Option<Ordering>, FhirPathError> {
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
    fn built(&mut self, text: String) -> Result<String, FhirPathError> {
        self.spend(text.len() / 16)?;
        if text.len() > MAX_TEXT { Err(FhirPathError::TooCostly) } else { Ok(text) }
    }

    fn number(&mut self, value: BigDecimal) -> Found<'r> {
        let digits = value.digits().saturating_add(value.fractional_digit_count().unsigned_abs());
        self.spend(1)?;
        if digits > MAX_DIGITS {
            return Err(FhirPathError::TooCostly);
        }
        Ok(vec![Entry::Value(System::Decimal(value))])
    }

    fn arithmetic(&mut self, operator: Binary, left: &Entry<'r>, right: &Entry<'r>) -> Found<'r> {
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

    fn contained(&mut self, wanted: List<'r>, list: &[Entry<'r>]) -> Found<'r> {
        let Some(wanted) = Self::single(wanted, "in")? else { return Ok(List::new()) };
        Ok(vec![boolean(self.has(list, &wanted)?)])
    }

    /// Whether a list has an entry equal to this one.
    fn has(&mut self, list: &[Entry<'r>], wanted: &Entry<'r>) -> Result<bool, FhirPathError> {
        for entry in list {
            if self.equal(entry, wanted)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn distinct(&mut self, list: List<'r>) -> Found<'r> {
        let mut out = List::new();
        for entry in list {
            if !self.has(&out, &entry)? {
                out.push(entry);
            }
        }
        Ok(out)
    }

    fn equal(&mut self, left: &Entry<'r>, right: &Entry<'r>) -> Result<Option<bool>, FhirPathError> {
        self.spend(1 + weight(left) + weight(right))?;
        if let (Entry::Part(one), Entry::Part(other)) = (left, right)
            && let (Some(one), Some(other)) = (one.node(), other.node())
            && (matches!(one, Node::Object(_)) || matches!(other, Node::Object(_)))
        {
            self.spend(one.members().len())?;
            return Ok(Some(std::ptr::eq(one, other) || one == other));
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

    fn equal_lists(&mut self, left: &[Entry<'r>], right: &[Entry<'r>]) -> Result<Option<bool>, FhirPathError> {
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

    fn equivalent_lists(&mut self, left: &[Entry<'r>], right: &[Entry<'r>]) -> Result<bool, FhirPathError> {
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

    fn equivalent(&mut self, left: &Entry<'r>, right: &Entry<'r>) -> Result<bool, FhirPathError> {
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

fn logic(operator: Binary, left: Option<bool>, right: Option<bool>) -> Option<bool> {
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

fn literal<'r>(literal: &Literal) -> Found<'r> {
    let wrong = |text: &str| FhirPathError::Invalid(format!("{text:?} is not a date, a time or a number"));
    let value = match literal {
        Literal::Empty => return Ok(List::new()),
        Literal::Boolean(value) => System::Boolean(*value),
        Literal::String(text) => System::String(text.clone().into()),
        Literal::Number(digits) if !digits.contains('.') => {
            let value = digits.parse::<i64>().ok().filter(|value| *value <= 1 << 31);
            System::Integer(value.ok_or_else(|| wrong(digits))?)
        }
        Literal::Number(digits) => System::Decimal(value::decimal(digits).ok_or_else(|| wrong(digits))?),
        Literal::Date(text) => System::Stamp(Stamp::date(text).ok_or_else(|| wrong(text))?),
        Literal::DateTime(text) => System::Stamp(Stamp::date_time(text).ok_or_else(|| wrong(text))?),
        Literal::Time(text) => System::Stamp(Stamp::time(text).ok_or_else(|| wrong(text))?),
        Literal::Quantity(digits, unit) => {
            let value = value::decimal(digits).ok_or_else(|| wrong(digits))?;
            System::Quantity(Quantity { value, unit: unit.clone() })
        }
    };
    Ok(vec![Entry::Value(value)])
}

/// The type that `is`, `as` and `ofType` ask for.
enum Target {
    /// Of FHIR; with the system type of the same name (`Quantity`).
    Fhir(TypeId, Option<String>),
    System(String),
}

impl Target {
    fn new(specifier: &TypeSpecifier) -> Result<Self, FhirPathError> {
        let all = definitions();
        let name = specifier.name.as_str();
        let is_system = all.type_id(&format!("System.{name}")).is_some();
        match (specifier.namespace.as_deref(), all.type_id(name)) {
            (Some("System"), _) => Ok(Self::System(name.to_owned())),
            (None, Some(id)) => Ok(Self::Fhir(id, is_system.then(|| name.to_owned()))),
            (None, None) if is_system => Ok(Self::System(name.to_owned())),
            (Some("FHIR"), Some(id)) => Ok(Self::Fhir(id, None)),
            _ => Err(FhirPathError::UnknownType(name.to_owned())),
        }
    }

    fn admits(&self, entry: &Entry<'_>) -> bool {
        match (self, entry) {
            (Self::Fhir(id, _), Entry::Part(item)) => definitions().is_a(item.type_id, *id),
            (Self::Fhir(_, Some(name)) | Self::System(name), entry) => entry.type_of() == ("System", name.as_str()),
            _ => false,
        }
    }

    /// As [`Self::admits`], but a `code` is not cast to `string`: HL7's cases ask for the very type
    /// of a primitive.
    fn keeps(&self, entry: &Entry<'_>) -> bool {
        match (self, entry) {
            (Self::Fhir(id, _), Entry::Part(item)) if definitions().get(*id).kind == Kind::Primitive => {
                item.type_id == *id
            }
            _ => self.admits(entry),
        }
    }
}
