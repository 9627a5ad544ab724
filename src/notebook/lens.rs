//! A path into a resource that can be read and written: one text serves projection, its inverse and
//! the documentation.
//!
//! ```text
//! path  = step { "." step }
//! step  = name [ "{" key { "," key } "}" ] [ "*" ]
//! key   = name { "." name } [ "=" text ]
//! ```
//!
//! `name{…}` is the item of a list whose keys have these values (a key without one: that has it at all);
//! writing makes the item when there is none. A list stands for its first such item, with `*` for all of
//! them (the place of an entity's rows, or a list of references; then the rest of the path is from each
//! item). Keys are dotted, and go through lists by any of their items. So `identifier{system=urn:x}.value`,
//! `extension{url=http://x}.valueCode`, `participant*`, `payload{contentReference}*.contentReference`.
//!
//! What a path does not name is not touched: writing changes the one item that reading finds.
//!
//! May use: `format`, `r4` (which elements are lists). Must not know the notebook.

use std::collections::BTreeSet;

use crate::format::json::Node;
use crate::r4::definitions::{Definitions, TypeId, definitions};

/// A path, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lens {
    steps: Vec<Step>,
    /// From each item, behind a `*`.
    tail: Vec<Step>,
    /// Whether the path stands for all items of a list.
    pub is_many: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    name: &'static str,
    is_list: bool,
    keys: Vec<Key>,
}

/// A key of a list's item with the text it has, if it must have a certain one; each name with whether it
/// is a list itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    names: Vec<(&'static str, bool)>,
    text: Option<&'static str>,
}

impl Lens {
    /// Takes a path apart; `start` is the type it begins at. `None` when the path is not one of R4.
    #[must_use]
    pub fn new(start: TypeId, path: &'static str) -> Option<Self> {
        let tables = definitions();
        let mut at = start;
        let (mut steps, mut tail) = (Vec::new(), Vec::new());
        let mut is_many = false;
        for part in parts(path) {
            let (part, many) = part.strip_suffix('*').map_or((part, false), |part| (part, true));
            if is_many && many {
                return None;
            }
            let (name, keys) = match part.split_once('{') {
                Some((name, keys)) => (name, Some(keys.strip_suffix('}')?)),
                None => (part, None),
            };
            let (next, is_list) = member(tables, at, name)?;
            if (keys.is_some() || many) && !is_list {
                return None;
            }
            let keys = keys.map_or(Some(Vec::new()), |keys| read_keys(tables, next, keys))?;
            let to = if is_many { &mut tail } else { &mut steps };
            to.push(Step { name, is_list, keys });
            is_many |= many;
            at = next;
        }
        (!steps.is_empty()).then_some(Self { steps, tail, is_many })
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
        get(&self.steps, node).and_then(|found| get(&self.tail, found))
    }

    /// All values of a path with `*`; the single one of any other.
    #[must_use]
    pub fn all<'n, 'a>(&self, node: &'n Node<'a>) -> Vec<&'n Node<'a>> {
        if !self.is_many {
            return self.get(node).into_iter().collect();
        }
        self.items(node).into_iter().filter_map(|(_, item)| get(&self.tail, item)).collect()
    }

    /// The items a path with `*` stands for, with their places in the list.
    #[must_use]
    pub fn items<'n, 'a>(&self, node: &'n Node<'a>) -> Vec<(usize, &'n Node<'a>)> {
        let Some((last, before)) = self.steps.split_last() else { return Vec::new() };
        let items = get(before, node).map_or(&[][..], |holder| holder.list(last.name));
        items.iter().enumerate().filter(|(_, item)| last.accepts(item)).collect()
    }

    /// The whole list that a path with `*` goes through.
    pub fn list_mut<'n>(&self, node: &'n mut Node<'static>) -> Option<&'n mut Vec<Node<'static>>> {
        let (last, before) = self.steps.split_last()?;
        let holder = before.iter().try_fold(node, |node, step| step.enter(node))?;
        match holder.get_mut(last.name)? {
            Node::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Takes an item out of the list that a path with `*` goes through, by its place in it.
    pub fn remove_at(&self, node: &mut Node<'static>, place: usize) {
        let Some((last, before)) = self.steps.split_last() else { return };
        let Some(holder) = before.iter().try_fold(node, |node, step| step.enter(node)) else { return };
        if let Some(Node::Array(items)) = holder.get_mut(last.name)
            && place < items.len()
        {
            items.remove(place);
        }
        if holder.get(last.name).is_some_and(|list| list.items().is_empty()) {
            holder.remove(last.name);
        }
    }

    /// Puts a value there, making what is missing on the way; what else is there stays. With `*` it is
    /// one more item.
    pub fn set(&self, node: &mut Node<'static>, value: Node<'static>) {
        if !self.is_many {
            return set_at(&self.steps, node, value);
        }
        let Some((last, before)) = self.steps.split_last() else { return };
        if let Some(holder) = before.iter().try_fold(node, |node, step| step.enter(node)) {
            self.push(holder, last.name, value);
        }
    }

    fn push(&self, holder: &mut Node<'static>, name: &'static str, value: Node<'static>) {
        let item = if self.tail.is_empty() {
            value
        } else {
            let mut item = self.new_item();
            set_at(&self.tail, &mut item, value);
            item
        };
        if let Some(Node::Array(items)) = holder.get_mut(name) {
            items.push(item);
        } else {
            put(holder, name, Node::Array(vec![item]));
        }
    }

    /// An item of the list the path ends in, with the keys it needs to be found.
    #[must_use]
    pub fn new_item(&self) -> Node<'static> {
        self.steps.last().map_or(Node::Null, Step::keyed)
    }

    /// Takes away what [`Self::get`] finds, and lists and objects that become empty by it.
    pub fn clear(&self, node: &mut Node<'static>) {
        clear(&self.steps, node);
    }

    /// Makes the values of a path with `*` these: what is there and stays keeps its place and all that is
    /// beside it, new ones come behind. Items the path does not stand for are not touched.
    pub fn set_all(
        &self,
        node: &mut Node<'static>,
        values: Vec<Node<'static>>,
        is_same: impl Fn(&Node<'_>, &Node<'_>) -> bool,
    ) {
        let Some((last, before)) = self.steps.split_last() else { return };
        if values.is_empty() && get(before, node).is_none_or(|holder| holder.get(last.name).is_none()) {
            return;
        }
        let Some(holder) = before.iter().try_fold(node, |node, step| step.enter(node)) else { return };
        let mut values = values;
        if let Some(Node::Array(items)) = holder.get_mut(last.name) {
            items.retain(|item| {
                let Some(value) = last.accepts(item).then(|| get(&self.tail, item)).flatten() else { return true };
                match values.iter().position(|wanted| is_same(value, wanted)) {
                    Some(place) => {
                        values.remove(place);
                        true
                    }
                    None => false,
                }
            });
        }
        for value in values {
            self.push(holder, last.name, value);
        }
        if holder.get(last.name).is_some_and(|list| list.items().is_empty()) {
            holder.remove(last.name);
        }
    }

    /// Notes the places of what the path reads and of the keys it goes by, as FHIRPath from `at`.
    pub fn cover(&self, node: &Node<'_>, at: &str, covered: &mut BTreeSet<String>) {
        if !self.is_many {
            return cover(&self.steps, node, at, covered);
        }
        let Some((last, before)) = self.steps.split_last() else { return };
        let Some((holder, at)) = follow(before, node, at) else { return };
        for (place, item) in holder.list(last.name).iter().enumerate().filter(|(_, item)| last.accepts(item)) {
            let at = format!("{at}.{}[{place}]", last.name);
            last.cover_keys(item, &at, covered);
            cover(&self.tail, item, &at, covered);
        }
    }
}

/// The value behind the steps: through a list by the first item that leads to one.
fn get<'n, 'a>(steps: &[Step], node: &'n Node<'a>) -> Option<&'n Node<'a>> {
    let Some((step, rest)) = steps.split_first() else { return Some(node) };
    let value = node.get(step.name)?;
    if step.is_list {
        value.items().get(step.place(value.items(), rest)?).and_then(|item| get(rest, item))
    } else {
        get(rest, value)
    }
}

/// Puts a value where [`get`] would find it.
fn set_at(steps: &[Step], node: &mut Node<'static>, value: Node<'static>) {
    let Some((step, rest)) = steps.split_first() else { return };
    if rest.is_empty() && !step.is_list {
        return put(node, step.name, value);
    }
    if node.get(step.name).is_none() {
        put(node, step.name, if step.is_list { Node::Array(Vec::new()) } else { Node::Object(Vec::new()) });
    }
    let Some(inner) = node.get_mut(step.name) else { return };
    if !step.is_list {
        return set_at(rest, inner, value);
    }
    let Node::Array(items) = inner else { return };
    let place = step.place(items, rest).unwrap_or(items.len());
    if place == items.len() {
        items.push(step.keyed());
    }
    let Some(item) = items.get_mut(place) else { return };
    if rest.is_empty() {
        *item = value;
    } else {
        set_at(rest, item, value);
    }
}

/// The place that the steps lead to, with where it is.
fn follow<'n, 'a>(steps: &[Step], node: &'n Node<'a>, at: &str) -> Option<(&'n Node<'a>, String)> {
    let Some((step, rest)) = steps.split_first() else { return Some((node, at.to_owned())) };
    let value = node.get(step.name)?;
    if !step.is_list {
        return follow(rest, value, &format!("{at}.{}", step.name));
    }
    let place = step.place(value.items(), rest)?;
    follow(rest, value.items().get(place)?, &format!("{at}.{}[{place}]", step.name))
}

fn cover(steps: &[Step], node: &Node<'_>, at: &str, covered: &mut BTreeSet<String>) {
    let Some((step, rest)) = steps.split_first() else {
        covered.insert(at.to_owned());
        return;
    };
    let Some(value) = node.get(step.name) else { return };
    if !step.is_list {
        return cover(rest, value, &format!("{at}.{}", step.name), covered);
    }
    let Some(place) = step.place(value.items(), rest) else { return };
    let Some(item) = value.items().get(place) else { return };
    let at = format!("{at}.{}[{place}]", step.name);
    step.cover_keys(item, &at, covered);
    cover(rest, item, &at, covered);
}

impl Step {
    fn accepts(&self, item: &Node<'_>) -> bool {
        self.keys.iter().all(|key| any_at(item, &key.names, key.text))
    }

    /// Which item of a list is meant: the first that has what follows, else the first that fits.
    fn place(&self, items: &[Node<'_>], rest: &[Self]) -> Option<usize> {
        let fits = |item: &Node<'_>| self.accepts(item);
        let leads = items.iter().position(|item| fits(item) && get(rest, item).is_some());
        leads.or_else(|| items.iter().position(fits))
    }

    fn cover_keys(&self, item: &Node<'_>, at: &str, covered: &mut BTreeSet<String>) {
        for key in self.keys.iter().filter(|key| key.text.is_some()) {
            cover_key(item, &key.names, key.text, at, covered);
        }
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

    /// A new item that the step accepts, once what it must have is there.
    fn keyed(&self) -> Node<'static> {
        let mut item = Node::Object(Vec::new());
        for key in &self.keys {
            if let Some(text) = key.text {
                make(&mut item, &key.names, text);
            }
        }
        item
    }
}

fn clear(steps: &[Step], node: &mut Node<'static>) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    let is_gone = match node.get_mut(step.name) {
        None => false,
        Some(Node::Array(items)) if step.is_list => {
            if let Some(place) = step.place(items, rest)
                && let Some(item) = items.get_mut(place)
                && (rest.is_empty() || clear(rest, item) && is_bare(item, step))
            {
                items.remove(place);
            }
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

/// Whether any value at a key, through all lists, is this text (or anything, without one).
fn any_at(node: &Node<'_>, key: &[(&str, bool)], text: Option<&str>) -> bool {
    match node {
        Node::Array(items) => items.iter().any(|item| any_at(item, key, text)),
        _ => match key.split_first() {
            None => text.is_none() || node.as_str() == text,
            Some(((first, _), rest)) => node.get(first).is_some_and(|value| any_at(value, rest, text)),
        },
    }
}

fn cover_key(node: &Node<'_>, key: &[(&str, bool)], text: Option<&str>, at: &str, covered: &mut BTreeSet<String>) {
    match (node, key.split_first()) {
        (Node::Array(items), _) => {
            for (place, item) in items.iter().enumerate() {
                cover_key(item, key, text, &format!("{at}[{place}]"), covered);
            }
        }
        (_, None) if node.as_str() == text => {
            covered.insert(at.to_owned());
        }
        (_, Some(((first, _), rest))) => {
            if let Some(value) = node.get(first) {
                cover_key(value, rest, text, &format!("{at}.{first}"), covered);
            }
        }
        _ => {}
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
    parts_of(path)
}

/// The steps of a path, as they are written.
#[must_use]
pub fn parts_of(path: &str) -> Vec<&str> {
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
        let (names, text) = pair.split_once('=').map_or((pair, None), |(names, text)| (names, Some(text)));
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
        for wrong in ["nobody", "birthDate*", "birthDate{a=b}", "name{nobody=a}.text", "name*.given*", ""] {
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
        payload.set_all(&mut article, Vec::new(), |_, _| false);
        assert_eq!(article, node(r#"{"subject":{"reference":"Patient/1"}}"#));
        lens("Communication", "subject.reference").clear(&mut article);
        assert_eq!(article, node("{}"));
    }

    #[test]
    fn writing_touches_the_one_item_that_reading_finds() {
        let mut plan = node(r#"{"note":[{"text":"a","time":"2026"},{"text":"b"}]}"#);
        let note = lens("CarePlan", "note.text");
        note.set(&mut plan, Node::string("c"));
        assert_eq!(plan, node(r#"{"note":[{"text":"c","time":"2026"},{"text":"b"}]}"#));
        note.clear(&mut plan);
        assert_eq!(plan, node(r#"{"note":[{"time":"2026"},{"text":"b"}]}"#));
        assert_eq!(note.get(&plan).and_then(Node::as_str), Some("b"), "the next one is what is found now");
    }

    #[test]
    fn items_are_told_apart_by_what_they_have() {
        let mut article = node(r#"{"payload":[{"contentReference":{"reference":"Media/a","display":"x"}}]}"#);
        let text = lens("Communication", "payload{contentString}.contentString");
        text.set(&mut article, Node::string("t"));
        let shown = lens("Communication", "payload{contentReference}*.contentReference");
        let same = |left: &Node<'_>, right: &Node<'_>| left.text("reference") == right.text("reference");
        let reference = |id: &'static str| Node::object([("reference", Node::string(id))]);
        shown.set_all(&mut article, vec![reference("Media/b"), reference("Media/a")], same);
        assert_eq!(
            article,
            node(
                r#"{"payload":[{"contentReference":{"reference":"Media/a","display":"x"}},{"contentString":"t"},{"contentReference":{"reference":"Media/b"}}]}"#
            )
        );
        shown.set_all(&mut article, Vec::new(), same);
        assert_eq!(article, node(r#"{"payload":[{"contentString":"t"}]}"#));
        let mut covered = BTreeSet::new();
        text.cover(&article, "Communication", &mut covered);
        assert_eq!(covered.into_iter().collect::<Vec<_>>(), ["Communication.payload[0].contentString"]);
    }
}
