//! Runs compiled expressions over borrowed resources. Nothing is copied: results point into the
//! resource (or the expression). A budget of steps bounds the time whatever the resource holds.

use std::collections::HashSet;

use smallvec::SmallVec;

use super::FhirPathError;
use super::compile::{Alternative, Compiled, Operation, Step, alternatives};
use crate::format::json::Node;
use crate::r4::decimal;
use crate::r4::reference::Reference;
use crate::r4::{TypeId, definitions};

/// Steps one evaluation may take. A 10 MB resource visited once stays below.
const BUDGET: u32 = 4_000_000;

pub(super) static ABSENT: Node<'static> = Node::Null;

/// A value with its type.
#[derive(Debug, Clone, Copy)]
pub struct Item<'r> {
    /// The value.
    pub value: Value<'r>,
    /// Its type; a subtype where the resource says so.
    pub type_id: TypeId,
    /// For primitives: the `_name` member with id and extensions.
    pub extra: Option<&'r Node<'r>>,
}

/// What an item holds.
#[derive(Debug, Clone, Copy)]
pub enum Value<'r> {
    /// A part of the resource. `Null` for a primitive that has only extensions.
    Node(&'r Node<'r>),
    /// Computed.
    Boolean(bool),
    /// A literal's digits.
    Number(&'r str),
    /// A literal's text.
    Text(&'r str),
    /// What a reference points at: only its type is known.
    Target,
}

/// Results; most expressions give few.
pub type Items<'r> = SmallVec<[Item<'r>; 4]>;

impl<'r> Item<'r> {
    /// An item for a resource or part of one.
    #[must_use]
    pub const fn new(type_id: TypeId, node: &'r Node<'r>) -> Self {
        Self { value: Value::Node(node), type_id, extra: None }
    }

    /// The node, when it is part of the resource.
    #[must_use]
    pub const fn node(&self) -> Option<&'r Node<'r>> {
        match self.value {
            Value::Node(node) => Some(node),
            _ => None,
        }
    }

    /// Its text, for strings and the primitives written as strings.
    #[must_use]
    pub fn text(&self) -> Option<&'r str> {
        match self.value {
            Value::Node(Node::String(text)) => Some(text),
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Its digits, for numbers.
    #[must_use]
    pub fn digits(&self) -> Option<&'r str> {
        match self.value {
            Value::Node(Node::Number(digits)) => Some(digits),
            Value::Number(digits) => Some(digits),
            _ => None,
        }
    }

    /// Its truth, for booleans.
    #[must_use]
    pub const fn boolean(&self) -> Option<bool> {
        match self.value {
            Value::Node(Node::Bool(value)) => Some(*value),
            Value::Boolean(value) => Some(value),
            _ => None,
        }
    }

    /// Where in the resource it is.
    fn place(&self) -> Option<*const Node<'r>> {
        self.node().filter(|node| !std::ptr::eq(*node, &ABSENT)).map(std::ptr::from_ref)
    }

    /// The object whose members are the children: the `_name` member for primitives.
    pub(super) fn children(&self) -> &'r [(std::borrow::Cow<'r, str>, Node<'r>)] {
        match self.value {
            Value::Node(node @ Node::Object(_)) => node.members(),
            Value::Node(_) => self.extra.map_or(&[], Node::members),
            _ => &[],
        }
    }
}

impl Compiled {
    /// Evaluates on a resource (or any other item).
    ///
    /// # Errors
    /// [`FhirPathError::TooCostly`] and [`FhirPathError::NotSingleton`].
    pub fn evaluate<'r>(&'r self, focus: Item<'r>) -> Result<Items<'r>, FhirPathError> {
        self.evaluate_in(focus, focus)
    }

    /// Evaluates on a part of the resource `root`, which `%resource` and `resolve()` use.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn evaluate_in<'r>(&'r self, focus: Item<'r>, root: Item<'r>) -> Result<Items<'r>, FhirPathError> {
        let mut steps = BUDGET;
        self.run(focus, root, &mut steps)
    }

    /// Evaluates within steps that several evaluations share; what it takes is taken off.
    ///
    /// # Errors
    /// As [`Self::evaluate`].
    pub fn evaluate_within<'r>(&'r self, focus: Item<'r>, steps: &mut u32) -> Result<Items<'r>, FhirPathError> {
        self.run(focus, focus, steps)
    }

    fn run<'r>(&'r self, focus: Item<'r>, root: Item<'r>, steps: &mut u32) -> Result<Items<'r>, FhirPathError> {
        let mut out = Items::new();
        let mut run = Run { root, budget: *steps };
        let done = run.operation(&self.operation, focus, &mut out);
        *steps = run.budget;
        done.map(|()| out)
    }
}

struct Run<'r> {
    root: Item<'r>,
    budget: u32,
}

type Done = Result<(), FhirPathError>;

impl<'r> Run<'r> {
    fn spend(&mut self, steps: usize) -> Done {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        self.budget = self.budget.checked_sub(steps).ok_or(FhirPathError::TooCostly)?;
        Ok(())
    }

    fn collect(&mut self, operation: &'r Operation, focus: Item<'r>) -> Result<Items<'r>, FhirPathError> {
        let mut items = Items::new();
        self.operation(operation, focus, &mut items)?;
        Ok(items)
    }

    fn operation(&mut self, operation: &'r Operation, focus: Item<'r>, out: &mut Items<'r>) -> Done {
        self.spend(1)?;
        let computed = |value| Item { value: Value::Boolean(value), type_id: boolean_type(), extra: None };
        match operation {
            Operation::Nothing => {}
            Operation::Focus => out.push(focus),
            Operation::FocusOf(id) => {
                if definitions().is_a(focus.type_id, *id) {
                    out.push(focus);
                }
            }
            Operation::Root => out.push(self.root),
            Operation::Boolean(value, type_id) => {
                out.push(Item { value: Value::Boolean(*value), type_id: *type_id, extra: None });
            }
            Operation::Number(digits, type_id) => {
                out.push(Item { value: Value::Number(digits), type_id: *type_id, extra: None });
            }
            Operation::Text(text, type_id) => {
                out.push(Item { value: Value::Text(text), type_id: *type_id, extra: None });
            }
            Operation::Steps(start, steps) => match start.as_ref() {
                Operation::Focus => self.steps(focus, steps, out)?,
                start => {
                    for item in self.collect(start, focus)? {
                        self.steps(item, steps, out)?;
                    }
                }
            },
            Operation::Union(branches) => self.union(branches, focus, out)?,
            Operation::Where(input, criteria) => {
                for item in self.collect(input, focus)? {
                    if self.truth(criteria, item)? == Some(true) {
                        out.push(item);
                    }
                }
            }
            Operation::Exists(input, wanted) => {
                let found = !self.collect(input, focus)?.is_empty();
                out.push(computed(found == *wanted));
            }
            Operation::First(input) => out.extend(self.collect(input, focus)?.first().copied()),
            Operation::Last(input) => out.extend(self.collect(input, focus)?.last().copied()),
            Operation::At(input, place) => out.extend(self.collect(input, focus)?.get(*place).copied()),
            Operation::OfType(input, id) => {
                // FHIRPath wants one value for `as`; the standard's own search parameters (`Goal.target.due
                // as date`) apply it to lists, so it filters.
                out.extend(self.collect(input, focus)?.into_iter().filter(|item| is_type(item.type_id, *id)));
            }
            Operation::Is(input, id) => match self.collect(input, focus)?.as_slice() {
                [] => {}
                [item] => out.push(computed(is_type(item.type_id, *id))),
                _ => return Err(FhirPathError::NotSingleton("is")),
            },
            Operation::Resolve(input) => {
                for item in self.collect(input, focus)? {
                    out.extend(self.resolve(item));
                }
            }
            Operation::Extension(input, url) => {
                for item in self.collect(input, focus)? {
                    self.extensions(item, url, out)?;
                }
            }
            Operation::HasExtension(input, url) => {
                let mut found = Items::new();
                for item in self.collect(input, focus)? {
                    self.extensions(item, url, &mut found)?;
                }
                out.push(computed(!found.is_empty()));
            }
            Operation::HasValue(input) => {
                let items = self.collect(input, focus)?;
                let has = matches!(items.as_slice(), [item] if item.text().is_some() || item.digits().is_some() || item.boolean().is_some());
                out.push(computed(has));
            }
            Operation::Not(input) => out.extend(self.truth(input, focus)?.map(|value| computed(!value))),
            Operation::And(left, right) => {
                let value = match (self.truth(left, focus)?, self.truth(right, focus)?) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                };
                out.extend(value.map(computed));
            }
            Operation::Or(left, right) => {
                let value = match (self.truth(left, focus)?, self.truth(right, focus)?) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                };
                out.extend(value.map(computed));
            }
            Operation::Equal(left, right, wanted) => {
                let (left, right) = (self.collect(left, focus)?, self.collect(right, focus)?);
                if !left.is_empty() && !right.is_empty() {
                    self.spend(left.len())?;
                    let same =
                        left.len() == right.len() && left.iter().zip(&right).all(|(one, other)| equal(one, other));
                    out.push(computed(same == *wanted));
                }
            }
        }
        Ok(())
    }

    /// A union has no duplicates: the same place of the resource counts once. One branch of a path
    /// never meets a place twice, so only earlier branches are compared.
    fn union(&mut self, branches: &'r [Operation], focus: Item<'r>, out: &mut Items<'r>) -> Done {
        let start = out.len();
        for branch in branches {
            let found = self.collect(branch, focus)?;
            self.spend(found.len())?;
            let earlier = out.get(start..).unwrap_or_default();
            let places: HashSet<*const Node<'r>, foldhash::fast::RandomState> = if earlier.len() * found.len() > 64 {
                earlier.iter().filter_map(Item::place).collect()
            } else {
                HashSet::default()
            };
            let is_new = |item: &Item<'r>| match item.place() {
                None => true,
                Some(place) if places.is_empty() => !earlier.iter().any(|other| other.place() == Some(place)),
                Some(place) => !places.contains(&place),
            };
            let fresh: Items<'r> = found.into_iter().filter(is_new).collect();
            out.extend(fresh);
        }
        Ok(())
    }

    /// Follows a chain of members, depth first and without lists in between.
    fn steps(&mut self, item: Item<'r>, steps: &'r [Step], out: &mut Items<'r>) -> Done {
        let Some((step, rest)) = steps.split_first() else {
            out.push(item);
            return Ok(());
        };
        self.spend(1)?;
        match step {
            Step::Known(known) => {
                for alternative in known {
                    self.member(item, alternative, rest, out)?;
                }
            }
            Step::Named(name) => {
                for alternative in alternatives(item.type_id, name).into_iter().flatten() {
                    self.member(item, &alternative, rest, out)?;
                }
            }
        }
        Ok(())
    }

    fn member(&mut self, item: Item<'r>, wanted: &Alternative, rest: &'r [Step], out: &mut Items<'r>) -> Done {
        let mut value = None;
        let mut extra = None;
        for (name, node) in item.children() {
            if name == wanted.json {
                value = Some(node);
            } else if wanted.is_primitive && name.strip_prefix('_').is_some_and(|name| name == wanted.json) {
                extra = Some(node);
            }
        }
        match (value, extra) {
            (None, None) => Ok(()),
            (Some(Node::Array(values)), extra) => {
                self.spend(values.len())?;
                let extras = extra.map_or(&[][..], Node::items);
                for (place, value) in values.iter().enumerate() {
                    let extra = extras.get(place).filter(|extra| matches!(extra, Node::Object(_)));
                    self.descend(value, extra, wanted, rest, out)?;
                }
                Ok(())
            }
            (None, Some(Node::Array(extras))) => {
                self.spend(extras.len())?;
                extras.iter().try_for_each(|extra| self.descend(&ABSENT, Some(extra), wanted, rest, out))
            }
            (value, extra) => self.descend(value.unwrap_or(&ABSENT), extra, wanted, rest, out),
        }
    }

    fn descend(
        &mut self,
        value: &'r Node<'r>,
        extra: Option<&'r Node<'r>>,
        wanted: &Alternative,
        rest: &'r [Step],
        out: &mut Items<'r>,
    ) -> Done {
        if matches!(value, Node::Null) && extra.is_none() {
            return Ok(());
        }
        let type_id = if wanted.is_resource {
            match value.text("resourceType").and_then(|name| definitions().resource(name)) {
                Some(id) => id,
                None => return Ok(()),
            }
        } else {
            wanted.type_id
        };
        self.steps(Item { value: Value::Node(value), type_id, extra }, rest, out)
    }

    fn truth(&mut self, operation: &'r Operation, focus: Item<'r>) -> Result<Option<bool>, FhirPathError> {
        match self.collect(operation, focus)?.as_slice() {
            [] => Ok(None),
            // Singleton evaluation: one value that is not a boolean counts as true.
            [item] => Ok(Some(item.boolean().unwrap_or(true))),
            _ => Err(FhirPathError::NotSingleton("criteria")),
        }
    }

    fn extensions(&mut self, item: Item<'r>, url: &str, out: &mut Items<'r>) -> Done {
        let Some(type_id) = definitions().type_id("Extension") else { return Ok(()) };
        let members = item.children();
        let list = members.iter().find(|(name, _)| name == "extension").map_or(&[][..], |(_, list)| list.items());
        self.spend(list.len())?;
        let matching = list.iter().filter(|extension| extension.text("url") == Some(url));
        out.extend(matching.map(|extension| Item::new(type_id, extension)));
        Ok(())
    }

    /// The type a reference points at, from its text, from a contained resource, or as stated.
    fn resolve(&self, item: Item<'r>) -> Option<Item<'r>> {
        let all = definitions();
        let node = item.node()?;
        let literal = item.text().or_else(|| node.text("reference"));
        let named = literal.and_then(|text| match text.strip_prefix('#') {
            Some(id) => {
                let root = self.root.node()?;
                let contained = root.list("contained").iter().find(|inner| inner.text("id") == Some(id))?;
                all.resource(contained.text("resourceType")?)
            }
            None => target_type(text),
        });
        let stated = || node.text("type").and_then(|name| all.resource(name));
        let type_id = named.or_else(stated)?;
        Some(Item { value: Value::Target, type_id, extra: None })
    }
}

/// `Patient` in `Patient/1`, `http://a/fhir/Patient/1/_history/2`.
pub(super) fn target_type(reference: &str) -> Option<TypeId> {
    match Reference::parse(reference) {
        Reference::Local { resource_type, .. } | Reference::Absolute { resource_type, .. } => {
            definitions().resource(resource_type)
        }
        _ => None,
    }
}

fn boolean_type() -> TypeId {
    static TYPE: std::sync::OnceLock<TypeId> = std::sync::OnceLock::new();
    *TYPE.get_or_init(|| definitions().type_id("System.Boolean").unwrap_or(TypeId(0)))
}

fn is_type(id: TypeId, target: TypeId) -> bool {
    id == target || definitions().is_a(id, target)
}

fn equal(left: &Item<'_>, right: &Item<'_>) -> bool {
    if let (Some(left), Some(right)) = (left.text(), right.text()) {
        return left == right;
    }
    if let (Some(left), Some(right)) = (left.boolean(), right.boolean()) {
        return left == right;
    }
    if let (Some(left), Some(right)) = (left.digits(), right.digits()) {
        return left == right || decimal::sortable(left).is_some_and(|left| decimal::sortable(right) == Some(left));
    }
    matches!((left.node(), right.node()), (Some(left), Some(right)) if left == right)
}

#[cfg(test)]
mod tests;
