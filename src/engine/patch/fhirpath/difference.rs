//! What must be done to one resource so that it is another, as the operations of a FHIRPath Patch.
//!
//! Elements are compared by the tables: what is only here is deleted, what is only there added, what is on
//! both sides gone into. Of lists the longest common part stays. Inside an object additions come first and
//! deletions last, so that nothing becomes empty on the way (what is empty is taken away, and a path to it
//! selects nothing). The order of members means nothing. Pure; the inverse of [`super::FhirPathPatch`].

use std::fmt::Write as _;

use super::definition;
use crate::format::json::Node;
use crate::r4::definitions::{Element, Kind, TypeDef};
use crate::r4::{TypeId, definitions};

/// Largest product of the lengths of two lists whose longest common part is looked for.
const MOST_COMPARED: usize = 250_000;
/// Operations inside one element beyond which it is replaced as a whole.
const MOST_INSIDE: usize = 60;

/// Names that FHIRPath takes for operators or literals.
const KEYWORDS: [&str; 8] = ["div", "mod", "and", "or", "xor", "implies", "true", "false"];

/// One element of an object: its value and the sibling of a primitive.
#[derive(Clone, Copy)]
struct Value<'n, 'a> {
    plain: Option<&'n Node<'a>>,
    extra: Option<&'n Node<'a>>,
}

/// The operations that make `left` `right`: Parameters.parameter, in order. Both are of this type.
pub(in super::super) fn difference(left: &Node<'_>, right: &Node<'_>, root: TypeId) -> Vec<Node<'static>> {
    let found = definition(root);
    let mut writer = Writer { operations: Vec::new() };
    writer.objects(&found.name, found, left, right);
    writer.operations
}

struct Writer {
    operations: Vec<Node<'static>>,
}

fn text(name: &'static str, member: &'static str, value: &str) -> Node<'static> {
    Node::object([("name", Node::string(name)), (member, Node::string(value.to_owned()))])
}

fn number(name: &'static str, value: usize) -> Node<'static> {
    Node::object([("name", Node::string(name)), ("valueInteger", Node::Number(value.to_string().into()))])
}

impl Writer {
    fn write(&mut self, kind: &str, path: &str, parts: Vec<Node<'static>>) {
        let head = [text("type", "valueCode", kind), text("path", "valueString", path)];
        let parts = head.into_iter().chain(parts).collect();
        self.operations.push(Node::object([("name", Node::string("operation")), ("part", Node::Array(parts))]));
    }

    fn objects(&mut self, path: &str, of: &TypeDef, left: &Node<'_>, right: &Node<'_>) {
        let mut deleted = Vec::new();
        let mut changed = Vec::new();
        for element in &of.elements {
            match (members(element, left), members(element, right)) {
                (None, None) => {}
                (None, Some((name, value))) => self.add_all(path, element, name, value),
                (Some((_, value)), None) => deleted.push((element, value)),
                (Some(left), Some(right)) => changed.push((element, left, right)),
            }
        }
        for (element, left, right) in changed {
            let inner = below(path, &element.name);
            if element.is_array {
                self.lists(path, &inner, element, left.1, right.1);
            } else {
                self.values(&inner, element, left, right);
            }
        }
        for (element, value) in deleted {
            let inner = below(path, &element.name);
            if element.is_array {
                for index in (0..items(value).len()).rev() {
                    self.write("delete", &format!("{inner}[{index}]"), Vec::new());
                }
            } else {
                self.write("delete", &inner, Vec::new());
            }
        }
    }

    fn add_all(&mut self, path: &str, element: &Element, member: &str, value: Value<'_, '_>) {
        let values = if element.is_array { items(value) } else { vec![value] };
        for value in values {
            let name = text("name", "valueString", &element.name);
            self.write("add", path, vec![name, part("value", kind_of(element, member), value)]);
        }
    }

    /// Two values of one element that are there.
    fn values(
        &mut self,
        path: &str,
        element: &Element,
        (left_name, left): (&str, Value<'_, '_>),
        (right_name, right): (&str, Value<'_, '_>),
    ) {
        if left_name == right_name && key(left) == key(right) {
            return;
        }
        let kind = kind_of(element, right_name);
        let found = definition(kind);
        let is_inside = left_name == right_name && !is_bare(found) && !is_resource(kind);
        if let (true, Some(left), Some(right)) = (is_inside, left.plain, right.plain) {
            let before = self.operations.len();
            self.objects(path, found, left, right);
            if self.operations.len() - before <= MOST_INSIDE {
                return;
            }
            self.operations.truncate(before);
        }
        self.write("replace", path, vec![part("value", kind, right)]);
    }

    fn lists(&mut self, parent: &str, path: &str, element: &Element, left: Value<'_, '_>, right: Value<'_, '_>) {
        let (left, right) = (items(left), items(right));
        let name = element.types.first().map_or(element.name.as_str(), |found| found.json_name.as_str());
        let kind = kind_of(element, name);
        // Where the list as it is now is looked at, and how long it is.
        let (mut at, mut length) = (0, left.len());
        for step in steps(&left, &right) {
            match step {
                Step::Keep => at += 1,
                Step::Change(left, right) => {
                    self.values(&format!("{path}[{at}]"), element, (name, left), (name, right));
                    at += 1;
                }
                Step::Delete => {
                    self.write("delete", &format!("{path}[{at}]"), Vec::new());
                    length -= 1;
                }
                Step::Insert(value) => {
                    let value = part("value", kind, value);
                    if at == length {
                        self.write("add", parent, vec![text("name", "valueString", &element.name), value]);
                    } else {
                        self.write("insert", path, vec![number("index", at), value]);
                    }
                    at += 1;
                    length += 1;
                }
            }
        }
    }
}

fn below(path: &str, name: &str) -> String {
    if KEYWORDS.contains(&name) { format!("{path}.`{name}`") } else { format!("{path}.{name}") }
}

fn is_bare(found: &TypeDef) -> bool {
    matches!(found.kind, Kind::Primitive | Kind::System)
}

fn is_resource(id: TypeId) -> bool {
    definition(id).kind == Kind::Resource
}

/// What an object has of an element, with its JSON name.
fn members<'e, 'n, 'a>(element: &'e Element, object: &'n Node<'a>) -> Option<(&'e str, Value<'n, 'a>)> {
    element.types.iter().find_map(|possible| {
        let name = possible.json_name.as_str();
        let mut value = Value { plain: object.get(name), extra: None };
        if is_bare(definition(possible.type_id)) {
            value.extra = object.get(&format!("_{name}"));
        }
        (value.plain.is_some() || value.extra.is_some()).then_some((name, value))
    })
}

fn kind_of(element: &Element, member: &str) -> TypeId {
    let named = element.types.iter().find(|possible| possible.json_name == member);
    named.or(element.types.first()).map_or(TypeId(0), |found| found.type_id)
}

/// The items of a list; of primitives each with its sibling.
fn items<'n, 'a>(value: Value<'n, 'a>) -> Vec<Value<'n, 'a>> {
    let list = |node: Option<&'n Node<'a>>| node.map_or(&[][..], Node::items);
    let (plain, extra) = (list(value.plain), list(value.extra));
    let filled = |list: &'n [Node<'a>], index: usize| list.get(index).filter(|node| **node != Node::Null);
    (0..plain.len().max(extra.len()))
        .map(|index| Value { plain: filled(plain, index), extra: filled(extra, index) })
        .collect()
}

enum Step<'n, 'a> {
    Keep,
    Change(Value<'n, 'a>, Value<'n, 'a>),
    Delete,
    Insert(Value<'n, 'a>),
}

/// From one list to the other: what both have stays, what stands between is changed in pairs.
fn steps<'n, 'a>(left: &[Value<'n, 'a>], right: &[Value<'n, 'a>]) -> Vec<Step<'n, 'a>> {
    let (left_keys, right_keys): (Vec<String>, Vec<String>) =
        (left.iter().copied().map(key).collect(), right.iter().copied().map(key).collect());
    let mut kept = common(&left_keys, &right_keys);
    kept.push((left.len(), right.len()));
    let mut all = Vec::new();
    let (mut from, mut to) = (0, 0);
    for (next_left, next_right) in kept {
        let (gone, come) =
            (left.get(from..next_left).unwrap_or_default(), right.get(to..next_right).unwrap_or_default());
        let pairs = gone.len().min(come.len());
        all.extend(gone.iter().zip(come).map(|(left, right)| Step::Change(*left, *right)));
        all.extend(gone.iter().skip(pairs).map(|_| Step::Delete));
        all.extend(come.iter().skip(pairs).map(|value| Step::Insert(*value)));
        if next_left < left.len() {
            all.push(Step::Keep);
        }
        (from, to) = (next_left + 1, next_right + 1);
    }
    all
}

/// Pairs of places with equal keys, in order: the same start and end, and between them the longest common
/// part, unless the lists are too long for it.
fn common(left: &[String], right: &[String]) -> Vec<(usize, usize)> {
    let start = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    let rest = left.len().min(right.len()) - start;
    let end = left.iter().rev().zip(right.iter().rev()).take(rest).take_while(|(left, right)| left == right).count();
    let mut pairs: Vec<(usize, usize)> = (0..start).map(|place| (place, place)).collect();
    let (inner_left, inner_right) = (
        left.get(start..left.len() - end).unwrap_or_default(),
        right.get(start..right.len() - end).unwrap_or_default(),
    );
    if inner_left.len().saturating_mul(inner_right.len()) <= MOST_COMPARED {
        pairs.extend(longest(inner_left, inner_right).into_iter().map(|(left, right)| (left + start, right + start)));
    }
    pairs.extend((0..end).rev().map(|back| (left.len() - 1 - back, right.len() - 1 - back)));
    pairs
}

/// The longest common subsequence.
fn longest(left: &[String], right: &[String]) -> Vec<(usize, usize)> {
    let width = right.len() + 1;
    let mut lengths = vec![0_u32; (left.len() + 1) * width];
    let of = |lengths: &[u32], row: usize, column: usize| lengths.get(row * width + column).copied().unwrap_or(0);
    for row in (0..left.len()).rev() {
        for column in (0..right.len()).rev() {
            let best = if left.get(row) == right.get(column) {
                of(&lengths, row + 1, column + 1) + 1
            } else {
                of(&lengths, row + 1, column).max(of(&lengths, row, column + 1))
            };
            if let Some(cell) = lengths.get_mut(row * width + column) {
                *cell = best;
            }
        }
    }
    let mut pairs = Vec::new();
    let (mut row, mut column) = (0, 0);
    while row < left.len() && column < right.len() {
        if left.get(row) == right.get(column) {
            pairs.push((row, column));
            (row, column) = (row + 1, column + 1);
        } else if of(&lengths, row + 1, column) >= of(&lengths, row, column + 1) {
            row += 1;
        } else {
            column += 1;
        }
    }
    pairs
}

/// The same text for equal values, whatever the order of their members.
fn key(value: Value<'_, '_>) -> String {
    let mut out = String::new();
    for node in [value.plain, value.extra] {
        if let Some(node) = node {
            sorted(node, &mut out);
        }
        out.push('\u{1e}');
    }
    out
}

fn sorted(node: &Node<'_>, out: &mut String) {
    match node {
        Node::Object(own) => {
            let mut members: Vec<_> = own.iter().collect();
            members.sort_by(|(left, _), (right, _)| left.cmp(right));
            out.push('{');
            for (name, value) in members {
                let _ = write!(out, "{name}:");
                sorted(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Node::Array(items) => {
            out.push('[');
            for item in items {
                sorted(item, out);
                out.push(',');
            }
            out.push(']');
        }
        other => out.push_str(&String::from_utf8_lossy(&other.to_bytes())),
    }
}

/// Whether two trees are equal but for the order of members.
#[cfg(test)]
pub(super) fn is_same(left: &Node<'_>, right: &Node<'_>) -> bool {
    let of = |node| key(Value { plain: Some(node), extra: None });
    of(left) == of(right)
}

/// A value as a part of Parameters: as `value[x]` where the type is one of its types, otherwise in parts.
fn part(name: &str, kind: TypeId, value: Value<'_, '_>) -> Node<'static> {
    let owned = |node: &Node<'_>| node.clone().into_owned();
    let mut own = vec![("name".to_owned(), Node::string(name.to_owned()))];
    let found = definition(kind);
    if is_resource(kind) {
        own.extend(value.plain.map(|node| ("resource".to_owned(), owned(node))));
    } else if let Some(suffix) = suffix_of(kind, found) {
        own.extend(value.plain.map(|node| (format!("value{suffix}"), owned(node))));
        own.extend(value.extra.map(|node| (format!("_value{suffix}"), owned(node))));
    } else {
        let mut parts = Vec::new();
        for element in &found.elements {
            let Some((member, value)) = value.plain.and_then(|node| members(element, node)) else { continue };
            let values = if element.is_array { items(value) } else { vec![value] };
            parts.extend(values.into_iter().map(|value| part(member, kind_of(element, member), value)));
        }
        own.push(("part".to_owned(), Node::Array(parts)));
    }
    Node::object(own)
}

/// `String` for what `valueString` holds; none for what `value[x]` cannot be.
fn suffix_of(kind: TypeId, found: &TypeDef) -> Option<&'static str> {
    let all = definitions();
    let types = all.find("Parameters.parameter").and_then(|parameter| {
        let element = parameter.elements.iter().find(|element| element.name == "value")?;
        Some(element.types.as_slice())
    });
    let named = types.into_iter().flatten().find(|possible| possible.type_id == kind);
    let suffix = named.and_then(|possible| possible.json_name.strip_prefix("value"));
    // The texts of ids, URLs and narratives have types of their own that Parameters do not know.
    suffix.or_else(|| is_bare(found).then_some("String"))
}

#[cfg(test)]
mod tests;
