//! The whole N1 language over borrowed resources: for invariants, questions people ask and slices.
//! Search parameters use the compiled form of [`mod@super::compile`] instead, which knows less.
//!
//! text → tree → `check` of names against the tables → `plan`, once an expression; then `Run`
//! evaluates it. Conditions are evaluated as truth values and existence without building lists;
//! paths go depth first without lists in between.
//!
//! A budget of steps and produced items, a limit on the depth of the tree and on the length of
//! texts and numbers make a hostile expression end in an error.
//!
//! May use: the syntax tree, `r4`, `format`. Must not know: search, storage, HTTP, terminology and
//! profiles, which it asks through [`super::environment`].

mod check;
mod fhir;
mod functions;
pub mod pattern;
mod plan;
mod quantity;
mod stamp;
mod text;
mod value;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive, Zero};

use super::FhirPathError;
use super::ast::{Binary, Literal, TypeSpecifier};
use super::environment::{BUDGET, Environment, Evaluation, Failure};
use super::evaluate::{ABSENT, Item, Value};
use super::parser;
use crate::format::json::Node;
use crate::r4::definitions::{Element, ElementType};
use crate::r4::{Kind, TypeId, definitions};

use plan::{Name, Op};

pub use quantity::Quantity;
pub use stamp::{Stamp, StampKind};
pub use value::{Entry, System};

/// Deepest syntax tree.
const MAX_TREE_DEPTH: usize = 120;
/// Longest text an expression may build.
const MAX_TEXT: usize = 1 << 20;
/// Most digits of a computed number.
const MAX_DIGITS: u64 = 400;
/// Most results of `trace()` kept.
const MAX_TRACES: usize = 1_000;

type List<'r> = Vec<Entry<'r>>;
type Found<'r> = Result<List<'r>, FhirPathError>;

/// How exactly types are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Typing {
    /// As N1 says: `as` takes a single value.
    #[default]
    Strict,
    /// As the standard's own invariants need it: `descendants().as(canonical)` filters a list.
    Lenient,
}

/// A parsed and checked expression of the whole language.
#[derive(Debug)]
pub struct Query {
    plan: Op,
}

impl Query {
    /// Parses an expression for an input of any type.
    ///
    /// # Errors
    /// Syntax errors, unknown functions and types, and expressions nested too deeply.
    pub fn new(text: &str) -> Result<Self, FhirPathError> {
        Ok(Self::build(text, None, Typing::Strict)?)
    }

    /// Parses an expression for an input of one type, and checks names and operands against it.
    ///
    /// # Errors
    /// As [`Self::new`]; besides names that the types do not have.
    pub fn new_for(text: &str, focus: TypeId) -> Result<Self, FhirPathError> {
        Ok(Self::build(text, Some(focus), Typing::Strict)?)
    }

    /// Parses an invariant: `as` filters lists, names that no type has select nothing.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn lenient(text: &str) -> Result<Self, FhirPathError> {
        Ok(Self::build(text, None, Typing::Lenient)?)
    }

    /// Parses an expression; with a focus its names are checked.
    ///
    /// # Errors
    /// As [`Self::new_for`], with the place in the expression.
    pub fn build(text: &str, focus: Option<TypeId>, typing: Typing) -> Result<Self, Failure> {
        let expression = parser::parse(text)?;
        if check::depth(&expression) > MAX_TREE_DEPTH {
            return Err(FhirPathError::TooCostly.into());
        }
        if let Some(focus) = focus {
            check::check(&expression, focus)
                .map_err(|(error, position)| Failure { error, position: Some(position) })?;
        }
        let plan = plan::lower(&expression, typing).map_err(|(error, position)| Failure { error, position })?;
        Ok(Self { plan })
    }

    /// Evaluates on a resource.
    ///
    /// # Errors
    /// Wrong operands, what is not supported, [`FhirPathError::TooCostly`].
    pub fn evaluate<'r>(&'r self, focus: Item<'r>) -> Result<Vec<Entry<'r>>, FhirPathError> {
        Ok(self.evaluate_with(focus, &Environment::default())?.items)
    }

    /// Evaluates on any item within an environment.
    ///
    /// # Errors
    /// As [`Self::evaluate`], with the place in the expression.
    pub fn evaluate_with<'r>(
        &'r self,
        focus: Item<'r>,
        environment: &Environment<'r>,
    ) -> Result<Evaluation<'r>, Failure> {
        let mut run = Run::new(focus, environment, true);
        let this = Entry::Part(focus);
        let items = run.expression(&self.plan, Scope { this: Some(&this), index: 0, total: None });
        let steps = environment.budget.unwrap_or(BUDGET) - run.budget;
        match items {
            Ok(items) => Ok(Evaluation { items, traces: run.traces, steps }),
            Err(error) => Err(Failure { error, position: run.failed_at }),
        }
    }

    /// Whether the expression holds, as an invariant or a filter asks: `None` when it answers nothing.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn holds<'r>(&'r self, focus: Item<'r>, environment: &Environment<'r>) -> Result<Option<bool>, FhirPathError> {
        let mut run = Run::new(focus, environment, false);
        let this = Entry::Part(focus);
        run.truth(&self.plan, Scope { this: Some(&this), index: 0, total: None })
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
    focus: Item<'r>,
    resource: Item<'r>,
    environment: &'v Environment<'r>,
    budget: usize,
    now: Option<Stamp>,
    traces: Vec<(String, Vec<Entry<'r>>)>,
    keeps_traces: bool,
    /// Of `defineVariable()`, those of the inner scopes last.
    defined: Vec<(String, List<'r>)>,
    failed_at: Option<usize>,
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

/// Where what a path selects goes.
enum Sink<'s, 'r> {
    List(&'s mut List<'r>),
    /// Only whether there is anything.
    Any(&'s mut bool),
}

impl<'r> Sink<'_, 'r> {
    fn push(&mut self, item: Item<'r>) {
        match self {
            Self::List(list) => list.push(Entry::Part(item)),
            Self::Any(found) => **found = true,
        }
    }

    fn is_done(&self) -> bool {
        matches!(self, Self::Any(found) if **found)
    }
}

impl<'v, 'r> Run<'v, 'r> {
    fn new(focus: Item<'r>, environment: &'v Environment<'r>, keeps_traces: bool) -> Self {
        Self {
            focus,
            resource: environment.resource.unwrap_or(focus),
            environment,
            budget: environment.budget.unwrap_or(BUDGET),
            now: None,
            traces: Vec::new(),
            keeps_traces,
            defined: Vec::new(),
            failed_at: None,
        }
    }

    fn root(&self) -> Item<'r> {
        self.environment.root.unwrap_or(self.resource)
    }

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

    fn truth_of(list: &[Entry<'r>]) -> Result<Option<bool>, FhirPathError> {
        match list {
            [] => Ok(None),
            // Singleton evaluation: one value that is not a boolean counts as true.
            [entry] => Ok(Some(entry.as_bool().unwrap_or(true))),
            _ => Err(FhirPathError::NotSingleton("a condition")),
        }
    }

    /// A condition, without a list where none is needed. `and`, `or` and `implies` stop at the
    /// left side where it decides (N1 "Boolean logic" leaves that open).
    fn truth(&mut self, op: &'r Op, scope: Scope<'_, 'r>) -> Result<Option<bool>, FhirPathError> {
        self.spend(1)?;
        let decided = |value| Ok(Some(value));
        match op {
            Op::Binary(operator @ (Binary::And | Binary::Or | Binary::Xor | Binary::Implies), left, right) => {
                let left = self.scoped(left, scope, Self::truth)?;
                match (operator, left) {
                    (Binary::And, Some(false)) => return decided(false),
                    (Binary::Or, Some(true)) | (Binary::Implies, Some(false)) => return decided(true),
                    _ => {}
                }
                let right = self.scoped(right, scope, Self::truth)?;
                Ok(logic(*operator, left, right))
            }
            Op::Binary(
                operator @ (Binary::Equal
                | Binary::NotEqual
                | Binary::Equivalent
                | Binary::NotEquivalent
                | Binary::In
                | Binary::Contains
                | Binary::Less
                | Binary::LessOrEqual
                | Binary::Greater
                | Binary::GreaterOrEqual),
                left,
                right,
            ) => self.relation(*operator, left, right, scope),
            Op::Exists(input) => self.any(input, scope).map(Some),
            Op::Empty(input) => self.any(input, scope).map(|any| Some(!any)),
            Op::Not(input) => Ok(self.truth(input, scope)?.map(|value| !value)),
            Op::HasValue(input) => {
                let list = self.expression(input, scope)?;
                decided(matches!(list.as_slice(), [entry] if Self::primitive(entry).is_some()))
            }
            Op::All(input, criteria) => {
                let list = self.expression(input, scope)?;
                self.spend(list.len())?;
                for (index, entry) in list.iter().enumerate() {
                    let inner = Scope { this: Some(entry), index, ..scope };
                    if self.scoped(criteria, inner, Self::truth)? != Some(true) {
                        return decided(false);
                    }
                }
                decided(true)
            }
            Op::Is(input, target) => {
                let input = self.expression(input, scope)?;
                Ok(Self::single(input, "is")?.map(|entry| target.admits(&entry)))
            }
            Op::Matches(input, pattern) => {
                let list = self.expression(input, scope)?;
                let Some(entry) = Self::single(list, "matches()")? else { return Ok(None) };
                let Some(text) = entry.as_text() else {
                    return if entry.is_absent() { Ok(None) } else { invalid("matches() is for strings") };
                };
                self.spend(1 + text.len() / 8)?;
                decided(pattern.is_match(text))
            }
            other => {
                let list = self.expression(other, scope)?;
                Self::truth_of(&list)
            }
        }
    }

    /// Evaluates with the variables that are defined here, and forgets those that it defines.
    fn scoped<T>(
        &mut self,
        op: &'r Op,
        scope: Scope<'_, 'r>,
        how: impl Fn(&mut Self, &'r Op, Scope<'_, 'r>) -> Result<T, FhirPathError>,
    ) -> Result<T, FhirPathError> {
        let defined = self.defined.len();
        let result = how(self, op, scope);
        self.defined.truncate(defined);
        result
    }

    /// Whether there is anything.
    fn any(&mut self, op: &'r Op, scope: Scope<'_, 'r>) -> Result<bool, FhirPathError> {
        match op {
            Op::Path(start, names) => {
                let mut found = false;
                self.path(start, names, scope, &mut Sink::Any(&mut found))?;
                Ok(found)
            }
            Op::Where(input, criteria) => {
                let list = self.expression(input, scope)?;
                self.spend(list.len())?;
                for (index, entry) in list.iter().enumerate() {
                    let inner = Scope { this: Some(entry), index, ..scope };
                    if self.scoped(criteria, inner, Self::truth)? == Some(true) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            other => Ok(!self.expression(other, scope)?.is_empty()),
        }
    }

    fn expression(&mut self, op: &'r Op, scope: Scope<'_, 'r>) -> Found<'r> {
        self.spend(1)?;
        match op {
            Op::Constant(found) => {
                self.spend(found.iter().map(weight).sum())?;
                Ok(found.iter().map(Entry::borrowed).collect())
            }
            Op::This => {
                self.spend(scope.this.map_or(0, weight))?;
                Ok(scope.this.cloned().into_iter().collect())
            }
            Op::Index => Ok(integer(i64::try_from(scope.index).ok())),
            Op::Total => match scope.total {
                Some(total) => {
                    self.spend(total.iter().map(|entry| 1 + weight(entry)).sum())?;
                    Ok(total.to_vec())
                }
                None => invalid("$total is for aggregate()"),
            },
            Op::Variable(name) => {
                let found = self.variable(name)?;
                self.spend(found.iter().map(weight).sum())?;
                Ok(found)
            }
            Op::Type(name, id) => match scope.this {
                Some(this @ Entry::Part(item)) if definitions().get(*id).kind != Kind::System => {
                    let is_it = definitions().is_a(item.type_id, *id);
                    Ok(if is_it { vec![this.clone()] } else { List::new() })
                }
                Some(this) => {
                    let mut out = List::new();
                    self.member_of(this, std::slice::from_ref(name), &mut Sink::List(&mut out))?;
                    Ok(out)
                }
                None => Ok(List::new()),
            },
            Op::Path(start, names) => {
                let mut out = List::new();
                self.path(start, names, scope, &mut Sink::List(&mut out))?;
                Ok(out)
            }
            Op::Indexer(input, index) => {
                let list = self.expression(input, scope)?;
                let index = self.scoped(index, scope, Self::expression)?;
                match Self::single(index, "an index")?.and_then(|entry| entry.system()) {
                    None => Ok(List::new()),
                    Some(System::Integer(place)) => {
                        Ok(usize::try_from(place).ok().and_then(|place| list.get(place).cloned()).into_iter().collect())
                    }
                    Some(_) => invalid("an index is an integer"),
                }
            }
            Op::Sign(negative, operand) => {
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
            Op::As(input, target) => {
                let input = self.expression(input, scope)?;
                let input = Self::single(input, "as")?;
                Ok(input.into_iter().filter(|entry| target.keeps(entry)).collect())
            }
            Op::OfType(input, target) => {
                let mut list = self.expression(input, scope)?;
                self.spend(list.len())?;
                list.retain(|entry| target.keeps(entry));
                Ok(list)
            }
            Op::Count(input) => {
                let list = self.expression(input, scope)?;
                Ok(integer(i64::try_from(list.len()).ok()))
            }
            Op::Where(input, criteria) => {
                let list = self.expression(input, scope)?;
                self.spend(list.len())?;
                let mut out = List::new();
                for (index, entry) in list.into_iter().enumerate() {
                    let inner = Scope { this: Some(&entry), index, ..scope };
                    if self.scoped(criteria, inner, Self::truth)? == Some(true) {
                        out.push(entry);
                    }
                }
                Ok(out)
            }
            Op::Select(input, projection) => {
                let list = self.expression(input, scope)?;
                let mut out = List::new();
                for (index, entry) in list.iter().enumerate() {
                    let inner = Scope { this: Some(entry), index, ..scope };
                    out.extend(self.scoped(projection, inner, Self::expression)?);
                    self.spend(1)?;
                }
                Ok(out)
            }
            Op::Call(call) => {
                let found = self.call(call, scope);
                if found.is_err() {
                    self.failed_at = self.failed_at.or(Some(call.position));
                }
                found
            }
            Op::Binary(
                operator @ (Binary::Union
                | Binary::Concatenate
                | Binary::Add
                | Binary::Subtract
                | Binary::Multiply
                | Binary::Divide
                | Binary::Div
                | Binary::Mod),
                left,
                right,
            ) => {
                let left = self.scoped(left, scope, Self::expression)?;
                let right = self.scoped(right, scope, Self::expression)?;
                self.binary(*operator, left, right)
            }
            condition => Ok(self.truth(condition, scope)?.map(boolean).into_iter().collect()),
        }
    }

    fn variable(&mut self, name: &str) -> Found<'r> {
        if let Some((_, found)) = self.defined.iter().rev().find(|(known, _)| known == name) {
            return Ok(found.clone());
        }
        let text = match name {
            "resource" => return Ok(vec![Entry::Part(self.resource)]),
            "rootResource" => return Ok(vec![Entry::Part(self.root())]),
            "context" => return Ok(vec![Entry::Part(self.environment.context.unwrap_or(self.focus))]),
            "ucum" => return Ok(vec![string("http://unitsofmeasure.org")]),
            "sct" => return Ok(vec![string("http://snomed.info/sct")]),
            "loinc" => return Ok(vec![string("http://loinc.org")]),
            _ => match self.environment.variables.iter().find(|(known, _)| known == name) {
                Some((_, found)) => return Ok(found.clone()),
                None => match (name.strip_prefix("vs-"), name.strip_prefix("ext-")) {
                    (Some(set), _) => format!("http://hl7.org/fhir/ValueSet/{set}"),
                    (_, Some(extension)) => format!("http://hl7.org/fhir/StructureDefinition/{extension}"),
                    _ => return unsupported(format!("variable %{name}")),
                },
            },
        };
        Ok(vec![string(text)])
    }

    /// Follows names from a start, depth first.
    fn path(
        &mut self,
        start: &'r Op,
        names: &'r [Name],
        scope: Scope<'_, 'r>,
        sink: &mut Sink<'_, 'r>,
    ) -> Result<(), FhirPathError> {
        match (start, scope.this) {
            (Op::This, Some(this)) => self.member_of(this, names, sink),
            _ => {
                for entry in &self.expression(start, scope)? {
                    self.member_of(entry, names, sink)?;
                }
                Ok(())
            }
        }
    }

    fn member_of(
        &mut self,
        entry: &Entry<'r>,
        names: &'r [Name],
        sink: &mut Sink<'_, 'r>,
    ) -> Result<(), FhirPathError> {
        match entry {
            Entry::Part(item) => self.steps(*item, names, sink),
            Entry::Type { namespace, name: type_name } => {
                let Sink::List(list) = sink else { return Ok(()) };
                if let [name] = names {
                    list.extend(match &*name.text {
                        "namespace" => Some(string(*namespace)),
                        "name" => Some(string(*type_name)),
                        _ => None,
                    });
                }
                Ok(())
            }
            Entry::Value(_) => Ok(()),
        }
    }

    fn steps(&mut self, item: Item<'r>, names: &'r [Name], sink: &mut Sink<'_, 'r>) -> Result<(), FhirPathError> {
        let Some((name, rest)) = names.split_first() else {
            sink.push(item);
            return Ok(());
        };
        let Some(element) = name.element(item.type_id) else { return self.spend(1) };
        if !element.is_choice {
            let Some(only) = element.types.first() else { return Ok(()) };
            return self.member(item, only, rest, sink);
        }
        // `value[x]`: the member that is there tells which type.
        let chosen = item.children().iter().find_map(|(member, _)| {
            let bare = member.strip_prefix('_').unwrap_or(member);
            let is_longer = bare.len() > element.name.len() && bare.starts_with(element.name.as_str());
            element.types.iter().find(|possible| is_longer && possible.json_name == bare)
        });
        match chosen {
            Some(chosen) => self.member(item, chosen, rest, sink),
            None => self.spend(1),
        }
    }

    /// Goes on with what one member of an item holds.
    fn member(
        &mut self,
        item: Item<'r>,
        wanted: &'static ElementType,
        rest: &'r [Name],
        sink: &mut Sink<'_, 'r>,
    ) -> Result<(), FhirPathError> {
        let all = definitions();
        let json = wanted.json_name.as_str();
        let definition = all.get(wanted.type_id);
        let members = item.children();
        self.spend(1 + members.len() / 8)?;
        let is_primitive = matches!(definition.kind, Kind::Primitive | Kind::System);
        let (mut value, mut extra) = (None, None);
        for (name, node) in members {
            if name == json {
                value = Some(node);
            } else if is_primitive && name.len() == json.len() + 1 && name.strip_prefix('_') == Some(json) {
                extra = Some(node);
            }
        }
        // The tables say System.String; resource.html#id says `id`.
        let is_id = is_primitive && json == "id" && all.get(item.type_id).kind == Kind::Resource;
        let type_id = if is_id { value::id_type() } else { wanted.type_id };
        let mut push = |run: &mut Self, value: &'r Node<'r>, extra: Option<&'r Node<'r>>| {
            let extra = extra.filter(|extra| matches!(extra, Node::Object(_)));
            if (matches!(value, Node::Null) && extra.is_none()) || sink.is_done() {
                return Ok(());
            }
            let type_id = if definition.kind == Kind::Resource {
                match value.text("resourceType").and_then(|name| all.resource(name)) {
                    Some(id) => id,
                    None => return Ok(()),
                }
            } else {
                type_id
            };
            run.steps(Item { value: Value::Node(value), type_id, extra }, rest, sink)
        };
        match (value, extra) {
            (None, None) => Ok(()),
            (Some(Node::Array(values)), extra) => {
                self.spend(values.len())?;
                let extras = extra.map_or(&[][..], Node::items);
                values.iter().enumerate().try_for_each(|(place, value)| push(self, value, extras.get(place)))
            }
            (None, Some(Node::Array(extras))) => {
                self.spend(extras.len())?;
                extras.iter().try_for_each(|extra| push(self, &ABSENT, Some(extra)))
            }
            (value, extra) => push(self, value.unwrap_or(&ABSENT), extra),
        }
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
                let element: &'static Element = definition.element(field);
                if let Some(wanted) = element.types.get(usize::from(field.choice)) {
                    self.member(item, wanted, &[], &mut Sink::List(out))?;
                }
            }
        }
        Ok(())
    }

    /// Comparisons.
    fn relation(
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

    fn binary(&mut self, operator: Binary, left: List<'r>, right: List<'r>) -> Found<'r> {
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

    fn contained(&mut self, wanted: List<'r>, list: &[Entry<'r>]) -> Result<Option<bool>, FhirPathError> {
        let Some(wanted) = Self::single(wanted, "in")? else { return Ok(None) };
        self.has(list, &wanted).map(Some)
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

fn literal(literal: &Literal) -> Result<Vec<Entry<'static>>, FhirPathError> {
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
#[derive(Debug)]
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

    /// As the standard's and others' invariants write them: `value as String` means FHIR's string too.
    fn lenient(specifier: &TypeSpecifier) -> Result<Self, FhirPathError> {
        let target = Self::new(specifier)?;
        let mut letters = specifier.name.chars();
        let lower: String =
            letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default();
        match (target, definitions().type_id(&lower)) {
            (Self::System(name), Some(id)) if specifier.namespace.is_none() => Ok(Self::Fhir(id, Some(name))),
            (target, _) => Ok(target),
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
