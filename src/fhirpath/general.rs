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
mod describe;
mod fhir;
mod functions;
mod operators;
mod path;
pub mod pattern;
mod plan;
mod quantity;
mod stamp;
mod target;
mod text;
mod value;

#[cfg(test)]
mod tests;

use super::FhirPathError;
use super::ast::Binary;
use super::environment::{BUDGET, Environment, Evaluation, Failure};
use super::evaluate::Item;
use super::parser;
use crate::r4::{Kind, TypeId, definitions};

use operators::logic;
use plan::Op;
use target::{Target, literal};

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
}
