//! A path into a resource that can be read and written: one text serves projection, its inverse and
//! the documentation.
//!
//! ```text
//! path  = step { "." step }
//! step  = name [ "{" key "=" text { "," key "=" text } "}" ] [ "*" ]
//! ```
//!
//! `name{…}` is the item of a list whose keys have these values; writing makes the item when there is
//! none. A list without braces stands for its first item, with `*` for all of them (last step of a path,
//! or the place of an entity's rows). Keys are dotted, and go through lists by their first item. So
//! `identifier{system=urn:x}.value`, `extension{url=http://x}.valueCode`, `payload*`.
//!
//! May use: `format`, `r4` (which elements are lists). Must not know the notebook.

use crate::format::json::Node;
use crate::r4::definitions::{Definitions, TypeId, definitions};

/// A path, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lens {
    steps: Vec<Step>,
    /// Whether the path stands for all items of a list.
    pub is_many: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    name: &'static str,
    is_list: bool,
    keys: Vec<Key>,
}

/// A key of a list's item with the text it has; each name with whether it is a list itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    names: Vec<(&'static str, bool)>,
    text: &'static str,
}

impl Lens {
    /// Takes a path apart; `start` is the type it begins at. `None` when the path is not one of R4.
    #[must_use]
    pub fn new(start: TypeId, path: &'static str) -> Option<Self> {
        let tables = definitions();
        let mut at = start;
        let mut steps = Vec::new();
        let mut is_many = false;
        for part in parts(path) {
            let (part, many) = part.strip_suffix('*').map_or((part, false), |part| (part, true));
            if is_many {
                return None;
            }
            is_many = many;
            let (name, keys) = match part.split_once('{') {
                Some((name, keys)) => (name, Some(keys.strip_suffix('}')?)),
                None => (part, None),
            };
            let (next, is_list) = member(tables, at, name)?;
            if (keys.is_some() || many) && !is_list {
                return None;
            }
            let keys = keys.map_or(Some(Vec::new()), |keys| read_keys(tables, next, keys))?;
            steps.push(Step { name, is_list, keys });
            at = next;
        }
        (!steps.is_empty()).then_some(Self { steps, is_many })
    }

    /// The type that the values of a path from `start` have.
    #[must_use]
    pub fn end(start: TypeId, path: &'static str) -> Option<TypeId> {
        let tables = definitions();
        parts(path).into_iter().try_fold(start, |at, part| {
            let name = part.split(['{', '*']).next()?;
            member(tables, at, name).map(|(next, _)| next)
        })
    }

    /// The value there, if there is one.
    #[must_use]
    pub fn get<'n, 'a>(&self, node: &'n Node<'a>) -> Option<&'n Node<'a>> {
        self.steps.iter().try_fold(node, |node, step| {
            let value = node.get(step.name)?;
            if step.is_list { value.items().iter().find(|item| step.accepts(item)) } else { Some(value) }
        })
    }

    /// All values of a path that ends in `*`; the single one of any other.
    #[must_use]
    pub fn all<'n, 'a>(&self, node: &'n Node<'a>) -> Vec<&'n Node<'a>> {
        if !self.is_many {
            return self.get(node).into_iter().collect();
        }
        let Some((last, before)) = self.steps.split_last() else { return Vec::new() };
        let holder = Self { steps: before.to_vec(), is_many: false };
        let holder = if before.is_empty() { Some(node) } else { holder.get(node) };
        let items = holder.map_or(&[][..], |holder| holder.list(last.name));
        items.iter().filter(|item| last.accepts(item)).collect()
    }

    /// Puts a value there, making what is missing on the way; what else is there stays.
    pub fn set(&self, node: &mut Node<'static>, value: Node<'static>) {
        let Some((last, before)) = self.steps.split_last() else { return };
        let Some(holder) = before.iter().try_fold(node, |node, step| step.enter(node)) else { return };
        if self.is_many {
            put(holder, last.name, Node::Array(vec![value]));
        } else if last.is_list {
            if let Some(item) = last.enter(holder) {
                *item = value;
            }
        } else {
            put(holder, last.name, value);
        }
    }

    /// An item of the list the path ends in, with the keys it needs to be found.
    #[must_use]
    pub fn new_item(&self) -> Node<'static> {
        self.steps.last().map_or(Node::Null, Step::keyed)
    }

    /// Takes away what is there, and lists and objects that become empty by it.
    pub fn clear(&self, node: &mut Node<'static>) {
        clear(&self.steps, node);
    }

    /// Puts all values of a path that ends in `*`; none takes the list away.
    pub fn set_all(&self, node: &mut Node<'static>, values: Vec<Node<'static>>) {
        let Some((last, before)) = self.steps.split_last() else { return };
        if values.is_empty() {
            return self.clear(node);
        }
        if let Some(holder) = before.iter().try_fold(node, |node, step| step.enter(node)) {
            put(holder, last.name, Node::Array(values));
        }
    }
}

impl Step {
    fn accepts(&self, item: &Node<'_>) -> bool {
        self.keys.iter().all(|key| any_at(item, &key.names, key.text))
    }

    /// The place the step leads to, made when it is not there.
    fn enter<'n>(&self, node: &'n mut Node<'static>) -> Option<&'n mut Node<'static>> {
        if node.get(self.name).is_none() {
            let empty = if self.is_list { Node::Array(Vec::new()) } else { Node::Object(Vec::new()) };
            put(node, self.name, empty);
        }
        let value = node.get_mut(self.name)?;
        if !self.is_list {
            return Some(value);
        }
        let Node::Array(items) = value else { return None };
        let place = match items.iter().position(|item| self.accepts(item)) {
            Some(place) => place,
            None => {
                items.push(self.keyed());
                items.len() - 1
            }
        };
        items.get_mut(place)
    }

    /// A new item that the step accepts.
    fn keyed(&self) -> Node<'static> {
        let mut item = Node::Object(Vec::new());
        for key in &self.keys {
            make(&mut item, &key.names, key.text);
        }
        item
    }
}

fn clear(steps: &[Step], node: &mut Node<'static>) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    let is_gone = match node.get_mut(step.name) {
        None => false,
        Some(Node::Array(items)) if step.is_list => {
            let is_last = rest.is_empty();
            items.retain_mut(|item| !step.accepts(item) || !(is_last || clear(rest, item) && is_bare(item, step)));
            items.is_empty()
        }
        Some(value) => rest.is_empty() || clear(rest, value) && value.members().is_empty(),
    };
    if is_gone {
        node.remove(step.name);
    }
    is_gone || node.members().is_empty() || step.is_list
}

/// Whether an item holds nothing but the keys it was made with.
fn is_bare(item: &Node<'_>, step: &Step) -> bool {
    item.members()
        .iter()
        .all(|(name, _)| step.keys.iter().any(|key| key.names.first().is_some_and(|(first, _)| first == name)))
}

/// Whether any value at a key, through all lists, is this text.
fn any_at(node: &Node<'_>, key: &[(&str, bool)], text: &str) -> bool {
    match node {
        Node::Array(items) => items.iter().any(|item| any_at(item, key, text)),
        _ => match key.split_first() {
            None => node.as_str() == Some(text),
            Some(((first, _), rest)) => node.get(first).is_some_and(|value| any_at(value, rest, text)),
        },
    }
}

fn make(node: &mut Node<'static>, key: &[(&'static str, bool)], text: &'static str) {
    let Some(((first, is_list), rest)) = key.split_first() else { return };
    if rest.is_empty() {
        return put(node, first, Node::string(text));
    }
    if node.get(first).is_none() {
        let object = Node::Object(Vec::new());
        put(node, first, if *is_list { Node::Array(vec![object]) } else { object });
    }
    match node.get_mut(first) {
        Some(Node::Array(items)) => {
            if let Some(item) = items.first_mut() {
                make(item, rest, text);
            }
        }
        Some(inner) => make(inner, rest, text),
        None => {}
    }
}

/// Sets a member; the extensions of an object come before its other members, as people write them.
fn put(node: &mut Node<'static>, name: &'static str, value: Node<'static>) {
    let is_new = node.get(name).is_none();
    if let Node::Object(members) = node
        && is_new
        && name == "extension"
    {
        let place =
            members.iter().position(|(name, _)| !matches!(name.as_ref(), "resourceType" | "id" | "meta" | "text"));
        members.insert(place.unwrap_or(members.len()), (name.into(), value));
        return;
    }
    node.set(name, value);
}

/// The type of a member and whether it repeats.
fn member(tables: &Definitions, at: TypeId, name: &str) -> Option<(TypeId, bool)> {
    let field = tables.get(at).field(name)?;
    Some((field.type_id, field.is_array))
}

/// Splits at dots outside braces.
fn parts(path: &'static str) -> Vec<&'static str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (place, letter) in path.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '.' if depth == 0 => {
                parts.extend(path.get(start..place));
                start = place + 1;
            }
            _ => {}
        }
    }
    parts.extend(path.get(start..));
    parts
}

fn read_keys(tables: &Definitions, item: TypeId, text: &'static str) -> Option<Vec<Key>> {
    let key = |pair: &'static str| {
        let (names, text) = pair.split_once('=')?;
        let mut at = item;
        let names = names.split('.').map(|name| {
            let (next, is_list) = member(tables, at, name)?;
            at = next;
            Some((name, is_list))
        });
        Some(Key { names: names.collect::<Option<_>>()?, text })
    };
    text.split(',').map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json::parse;

    fn lens(kind: &str, path: &'static str) -> Lens {
        Lens::new(definitions().type_id(kind).unwrap(), path).unwrap_or_else(|| panic!("{path}"))
    }

    fn node(text: &str) -> Node<'static> {
        parse(text.as_bytes()).unwrap().into_owned()
    }

    #[test]
    fn only_paths_of_the_standard_are_paths() {
        let patient = definitions().type_id("Patient").unwrap();
        for wrong in ["nobody", "birthDate*", "birthDate{a=b}", "name{nobody=a}.text", "name*.text", ""] {
            assert!(Lens::new(patient, wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn writing_makes_what_reading_finds() {
        let mut patient = node(r#"{"resourceType":"Patient","id":"a","name":[{"text":"other"}]}"#);
        let kanji = lens("Patient", "name{extension.url=http://rep,extension.valueCode=IDE}.text");
        assert!(kanji.get(&patient).is_none());
        kanji.set(&mut patient, Node::string("見本 花子"));
        assert_eq!(kanji.get(&patient).and_then(Node::as_str), Some("見本 花子"));
        let insured = lens("Patient", "identifier{system=urn:x.y}.value");
        insured.set(&mut patient, Node::string("1"));
        insured.set(&mut patient, Node::string("2"));
        let written = String::from_utf8(patient.to_bytes()).unwrap();
        assert_eq!(
            written,
            r#"{"resourceType":"Patient","id":"a","name":[{"text":"other"},{"extension":[{"url":"http://rep","valueCode":"IDE"}],"text":"見本 花子"}],"identifier":[{"system":"urn:x.y","value":"2"}]}"#
        );
        insured.clear(&mut patient);
        kanji.clear(&mut patient);
        assert_eq!(patient, node(r#"{"resourceType":"Patient","id":"a","name":[{"text":"other"}]}"#));
    }

    #[test]
    fn a_star_is_all_items() {
        let mut article =
            node(r#"{"payload":[{"contentString":"a"},{"contentString":"b"}],"subject":{"reference":"Patient/1"}}"#);
        let payload = lens("Communication", "payload*");
        assert_eq!(payload.all(&article).len(), 2);
        payload.set_all(&mut article, Vec::new());
        assert_eq!(article, node(r#"{"subject":{"reference":"Patient/1"}}"#));
        lens("Communication", "subject.reference").clear(&mut article);
        assert_eq!(article, node("{}"));
    }
}
