//! JSON Patch (RFC 6902) with JSON Pointer (RFC 6901) on our own tree.
//!
//! The crates there are work on `serde_json::Value`: a resource would lose the digits of its decimals
//! or the order of its members on the way. Pure: tree in, tree out; knows nothing of FHIR.

use std::fmt;

use super::PatchError;
use crate::format::json::{MAX_DEPTH, Node};
use crate::r4::decimal;

/// Most operations of one patch.
pub(super) const MAX_OPERATIONS: usize = 10_000;

/// Units of work of one patch: about one a byte copied or a member looked at. `copy` could double a
/// document with every operation.
const BUDGET: usize = 64 << 20;

/// A JSON Pointer, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pointer(Vec<String>);

impl Pointer {
    fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return if text.is_empty() {
                Ok(Self(Vec::new()))
            } else {
                Err(format!("{text:?} is not a JSON Pointer; it starts with \"/\", for example \"/name/0/family\""))
            };
        };
        let tokens = rest.split('/').map(|token| {
            let escapes_right = token.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
            if escapes_right {
                Ok(token.replace("~1", "/").replace("~0", "~"))
            } else {
                Err(format!("{text:?} is not a JSON Pointer; \"~\" is written ~0 and \"/\" inside a name ~1"))
            }
        });
        tokens.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|token| write!(formatter, "/{}", token.replace('~', "~0").replace('/', "~1")))
    }
}

#[derive(Debug, Clone)]
enum Action {
    Add(Node<'static>),
    Remove,
    Replace(Node<'static>),
    Move(Pointer),
    Copy(Pointer),
    Test(Node<'static>),
}

impl Action {
    const fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "add",
            Self::Remove => "remove",
            Self::Replace(_) => "replace",
            Self::Move(_) => "move",
            Self::Copy(_) => "copy",
            Self::Test(_) => "test",
        }
    }
}

#[derive(Debug, Clone)]
struct Operation {
    action: Action,
    path: Pointer,
}

/// A JSON Patch document that was found well-formed.
#[derive(Debug, Clone)]
pub(super) struct JsonPatch(Vec<Operation>);

impl JsonPatch {
    /// Reads a patch document.
    pub(super) fn read(document: &Node<'_>) -> Result<Self, PatchError> {
        let Node::Array(items) = document else {
            return Err(PatchError::Malformed(
                "a JSON Patch is an array of operations, for example [{\"op\":\"replace\",\"path\":\"/active\",\"value\":true}]"
                    .to_owned(),
            ));
        };
        if items.len() > MAX_OPERATIONS {
            return Err(PatchError::TooCostly(format!(
                "the patch has {} operations; at most {MAX_OPERATIONS} are taken at once",
                items.len()
            )));
        }
        let read = |(index, item)| Operation::read(item).map_err(|why| malformed(index, &why));
        items.iter().enumerate().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Applies all operations in order.
    pub(super) fn apply<'a>(&'a self, document: Node<'a>) -> Result<Node<'a>, PatchError> {
        let mut work = Work { document, budget: BUDGET };
        for (index, operation) in self.0.iter().enumerate() {
            work.apply(operation).map_err(|failure| {
                let name = operation.action.name();
                let place = format!("operation {index} ({name} \"{}\")", operation.path);
                match failure {
                    Failure::Refused(why) => PatchError::Unprocessable(format!("{place}: {why}")),
                    Failure::TooCostly => PatchError::TooCostly(format!("{place}: the patch does too much work")),
                }
            })?;
        }
        Ok(work.document)
    }
}

fn malformed(index: usize, why: &str) -> PatchError {
    PatchError::Malformed(format!("operation {index} of the JSON Patch: {why}"))
}

impl Operation {
    fn read(item: &Node<'_>) -> Result<Self, String> {
        if !matches!(item, Node::Object(_)) {
            return Err("an object with op and path is expected".to_owned());
        }
        let text = |name: &str| match item.get(name) {
            Some(Node::String(text)) => Ok(text.as_ref()),
            Some(_) => Err(format!("{name:?} must be a string")),
            None => Err(format!("{name:?} is missing")),
        };
        let value = || {
            item.get("value").map(|value| value.clone().into_owned()).ok_or_else(|| "\"value\" is missing".to_owned())
        };
        let path = Pointer::parse(text("path")?)?;
        let action = match text("op")? {
            "add" => Action::Add(value()?),
            "remove" => Action::Remove,
            "replace" => Action::Replace(value()?),
            "move" => Action::Move(Pointer::parse(text("from")?)?),
            "copy" => Action::Copy(Pointer::parse(text("from")?)?),
            "test" => Action::Test(value()?),
            other => {
                return Err(format!("{other:?} is not an operation; there are add, remove, replace, move, copy, test"));
            }
        };
        if let Action::Move(from) = &action
            && path.0.len() > from.0.len()
            && path.0.starts_with(&from.0)
        {
            return Err(format!("\"{from}\" cannot be moved into itself, to \"{path}\""));
        }
        Ok(Self { action, path })
    }
}

enum Failure {
    Refused(String),
    TooCostly,
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Refused(why)
    }
}

struct Work<'a> {
    document: Node<'a>,
    budget: usize,
}

impl<'a> Work<'a> {
    fn spend(&mut self, units: usize) -> Result<(), Failure> {
        self.budget = self.budget.checked_sub(units).ok_or(Failure::TooCostly)?;
        Ok(())
    }

    fn apply(&mut self, operation: &'a Operation) -> Result<(), Failure> {
        let path = &operation.path;
        match &operation.action {
            Action::Add(value) => {
                self.spend(weight(value))?;
                self.add(path, value.clone())
            }
            Action::Remove => self.remove(path).map(drop),
            Action::Replace(value) => {
                self.spend(weight(value))?;
                room_for(path, value)?;
                *self.find(path)? = value.clone();
                Ok(())
            }
            Action::Move(from) => {
                let value = self.remove(from)?;
                self.spend(weight(&value))?;
                self.add(path, value)
            }
            Action::Copy(from) => {
                let weight = weight(self.find(from)?);
                self.spend(weight)?;
                let value = self.find(from)?.clone();
                self.add(path, value)
            }
            Action::Test(expected) => {
                self.spend(weight(expected))?;
                let found = self.find(path)?;
                if same(found, expected) {
                    return Ok(());
                }
                Err(Failure::Refused(format!(
                    "the test failed: the value is {}, not {}",
                    shown(found),
                    shown(expected)
                )))
            }
        }
    }

    fn find(&mut self, pointer: &Pointer) -> Result<&mut Node<'a>, Failure> {
        self.descend(&pointer.0)
    }

    fn descend(&mut self, tokens: &[String]) -> Result<&mut Node<'a>, Failure> {
        let Self { document, budget } = self;
        let mut current = document;
        for (depth, token) in tokens.iter().enumerate() {
            let missing = |what: &str| {
                let before = Pointer(tokens.get(..depth).unwrap_or_default().to_vec());
                Failure::Refused(format!("\"{before}\" {what}"))
            };
            current = match current {
                Node::Object(members) => {
                    *budget = budget.checked_sub(members.len()).ok_or(Failure::TooCostly)?;
                    let found = members.iter_mut().find(|(name, _)| name == token.as_str());
                    found.map(|(_, value)| value).ok_or_else(|| missing(&format!("has no member {token:?}")))?
                }
                Node::Array(items) => {
                    let length = items.len();
                    let item = position(token).and_then(|place| items.get_mut(place));
                    item.ok_or_else(|| missing(&format!("has no item {token:?}; it has {length}")))?
                }
                _ => return Err(missing(&format!("is neither an object nor an array: it has no {token:?}"))),
            };
        }
        Ok(current)
    }

    fn add(&mut self, pointer: &Pointer, value: Node<'a>) -> Result<(), Failure> {
        room_for(pointer, &value)?;
        let Some((last, before)) = pointer.0.split_last() else {
            self.document = value;
            return Ok(());
        };
        let parent = self.descend(before)?;
        let touched = parent.items().len() + parent.members().len();
        match parent {
            Node::Object(members) => match members.iter_mut().find(|(name, _)| name == last.as_str()) {
                Some((_, old)) => *old = value,
                None => members.push((last.clone().into(), value)),
            },
            Node::Array(items) if last == "-" => items.push(value),
            Node::Array(items) => match position(last).filter(|place| *place <= items.len()) {
                Some(place) => items.insert(place, value),
                None => {
                    let length = items.len();
                    return Err(
                        format!("{last:?} is no place in a list of {length}; use 0 to {length} or \"-\"").into()
                    );
                }
            },
            _ => return Err(format!("nothing can be added to a {}", kind(parent)).into()),
        }
        self.spend(touched)
    }

    fn remove(&mut self, pointer: &Pointer) -> Result<Node<'a>, Failure> {
        let Some((last, before)) = pointer.0.split_last() else {
            return Err("the whole document cannot be removed".to_owned().into());
        };
        let parent = self.descend(before)?;
        let touched = parent.items().len() + parent.members().len();
        let removed = match parent {
            Node::Object(_) => parent.remove(last),
            Node::Array(items) => position(last).filter(|place| *place < items.len()).map(|place| items.remove(place)),
            _ => None,
        };
        self.spend(touched)?;
        removed.ok_or_else(|| format!("there is nothing at \"{pointer}\"").into())
    }
}

/// RFC 6901 section 4: digits without a leading zero.
fn position(token: &str) -> Option<usize> {
    let plain = token == "0" || (!token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit()));
    if plain { token.parse().ok() } else { None }
}

/// Nesting stays within what the reader accepts.
fn room_for(pointer: &Pointer, value: &Node<'_>) -> Result<(), Failure> {
    if pointer.0.len() + depth(value) > MAX_DEPTH {
        return Err(format!("nesting would be deeper than {MAX_DEPTH} levels").into());
    }
    Ok(())
}

pub(super) fn depth(node: &Node<'_>) -> usize {
    match node {
        Node::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Node::Object(members) => 1 + members.iter().map(|(_, value)| depth(value)).max().unwrap_or(0),
        _ => 0,
    }
}

/// About the bytes a value takes.
fn weight(node: &Node<'_>) -> usize {
    32 + match node {
        Node::Array(items) => items.iter().map(weight).sum(),
        Node::Object(members) => members.iter().map(|(name, value)| name.len() + weight(value)).sum(),
        Node::String(text) | Node::Number(text) => text.len(),
        Node::Null | Node::Bool(_) => 0,
    }
}

fn kind(node: &Node<'_>) -> &'static str {
    match node {
        Node::Null => "null",
        Node::Bool(_) => "boolean",
        Node::Number(_) => "number",
        Node::String(_) => "string",
        Node::Array(_) => "list",
        Node::Object(_) => "object",
    }
}

fn shown(node: &Node<'_>) -> String {
    const LONGEST: usize = 100;
    match node {
        Node::Array(_) | Node::Object(_) => format!("another {}", kind(node)),
        single => {
            let text = String::from_utf8_lossy(&single.to_bytes()).into_owned();
            if text.chars().count() <= LONGEST {
                return text;
            }
            text.chars().take(LONGEST).chain(['…']).collect()
        }
    }
}

/// RFC 6902 section 4.6: numbers by value, objects without order, arrays with it.
pub(super) fn same(left: &Node<'_>, right: &Node<'_>) -> bool {
    match (left, right) {
        (Node::Number(left), Node::Number(right)) => {
            left == right || decimal::sortable(left).is_some_and(|bytes| Some(bytes) == decimal::sortable(right))
        }
        (Node::Array(left), Node::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Node::Object(members), Node::Object(others)) => {
            members.len() == others.len()
                && members.iter().zip(others).all(|((name, value), (other_name, other))| {
                    // Mostly the order is the same: only otherwise is the name looked for.
                    let other = if name == other_name { Some(other) } else { right.get(name) };
                    other.is_some_and(|other| same(value, other))
                })
        }
        (left, right) => left == right,
    }
}

#[cfg(test)]
mod tests;
