//! What structural validation says: what was wrong and what would be right.
//!
//! Everything here runs only when something is wrong.

use super::{Member, Path, Role, Walk, bit};
use crate::format::json::Node;
use crate::r4::definitions::{Field, TypeDef};
use crate::r4::outcome::IssueCode;
use crate::r4::primitives::shorten;

impl Walk {
    #[cold]
    pub(super) fn not_repeated(&mut self, member: &Member<'_, '_>) {
        let text = format!("{} does not repeat, so it must be a single value; found an array", member.name);
        self.report(IssueCode::Structure, Some(&member.path), text);
    }

    #[cold]
    pub(super) fn not_an_object(&mut self, name: &str, node: &Node<'_>, path: &Path<'_>) {
        let text = format!("{name} must be a JSON object; found {}", kind_of(node));
        self.report(IssueCode::Structure, Some(path), text);
    }

    #[cold]
    pub(super) fn empty(&mut self, name: &str, path: &Path<'_>) {
        let text = format!("{name} must not be empty; leave out what has no value");
        self.report(IssueCode::Structure, Some(path), text);
    }

    #[cold]
    pub(super) fn lonely_null(&mut self, name: &str, path: &Path<'_>) {
        let bare = name.trim_start_matches('_');
        let text = format!(
            "{name} must not be null here; leave it out (null only fills a place in an array of primitives whose \
             other array, {bare} or _{bare}, has something there)"
        );
        self.report(IssueCode::Structure, Some(path), text);
    }

    #[cold]
    pub(super) fn second_choice(&mut self, choices: &[Field], definition: &TypeDef, field: Field, path: &Path<'_>) {
        let Some(first) = choices.iter().find(|choice| choice.element == field.element) else { return };
        if first.choice == field.choice {
            return; // `valueString` and `_valueString` are one value.
        }
        let types = &definition.element(field).types;
        let name = |field: &Field| types.get(usize::from(field.choice)).map_or("", |found| found.json_name.as_str());
        let text = format!(
            "{} and {} are both given, but {}[x] takes one value of one type; keep one of them",
            name(first),
            name(&field),
            definition.element(field).name
        );
        self.report(IssueCode::Structure, Some(path), text);
    }

    #[cold]
    pub(super) fn prohibited(&mut self, definition: &TypeDef, name: &str, path: &Path<'_>, role: Role) {
        if role == Role::Contained {
            let text = "a contained resource must not contain others (dom-2); put all of them into the outermost \
                        resource's contained"
                .to_owned();
            self.report(IssueCode::Invariant, Some(path), text);
        } else {
            let text = format!("{name} must not occur in {}; remove it", definition.name);
            self.report(IssueCode::Structure, Some(path), text);
        }
    }

    #[cold]
    pub(super) fn missing(&mut self, definition: &TypeDef, missing: u128, path: &Path<'_>) {
        for (element, place) in definition.elements.iter().zip(0u16..) {
            if missing & bit(place) == 0 {
                continue;
            }
            let names: Vec<&str> = element.types.iter().map(|found| found.json_name.as_str()).collect();
            let what = match names.as_slice() {
                [_] | [] => element.name.clone(),
                names => format!("{}[x] (one of {})", element.name, names.join(", ")),
            };
            let text = format!("{} requires {what}, which is missing", definition.name);
            self.report(IssueCode::Required, Some(&path.child(&element.name)), text);
        }
    }

    #[cold]
    pub(super) fn unknown(&mut self, definition: &TypeDef, name: &str, path: &Path<'_>) {
        let is_plain = (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let here = if is_plain { path.child(name) } else { *path };
        let bare = name.trim_start_matches('_');
        let choice = definition.elements.iter().find(|element| {
            element.is_choice
                && bare
                    .strip_prefix(element.name.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(|first: char| first.is_ascii_uppercase()))
        });
        let names =
            || definition.elements.iter().flat_map(|element| &element.types).map(|found| found.json_name.as_str());
        let hint = if let Some(choice) = choice {
            let names: Vec<&str> = choice.types.iter().map(|found| found.json_name.as_str()).collect();
            format!("{}[x] is written as one of {}", choice.name, names.join(", "))
        } else if let Some(near) = nearest(bare, names()) {
            format!("did you mean '{near}'?")
        } else {
            let names: Vec<String> = definition
                .elements
                .iter()
                .filter(|element| !element.is_prohibited)
                .map(|element| if element.is_choice { format!("{}[x]", element.name) } else { element.name.clone() })
                .collect();
            format!("allowed are {}", names.join(", "))
        };
        let text = format!("unknown element '{}' in {}; {hint}", shorten(name), definition.name);
        self.report(IssueCode::Structure, Some(&here), text);
    }
}

/// A JSON value in words.
pub(super) const fn kind_of(node: &Node<'_>) -> &'static str {
    match node {
        Node::Null => "null",
        Node::Bool(_) => "a boolean",
        Node::Number(_) => "a number",
        Node::String(_) => "a string",
        Node::Array(_) => "an array",
        Node::Object(_) => "an object",
    }
}

/// The name someone probably meant: the fewest edits away, at most a third of its length.
pub(super) fn nearest<'n>(given: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    if given.len() > 64 {
        return None;
    }
    let (distance, name) = names.map(|name| (edits(given, name), name)).min_by_key(|(distance, _)| *distance)?;
    (distance <= (name.len() / 3).max(1)).then_some(name)
}

/// Levenshtein distance, without case, over bytes; swapping two neighbours counts as one edit.
pub(super) fn edits(left: &str, right: &str) -> usize {
    let (left, right) = (left.to_ascii_lowercase(), right.to_ascii_lowercase());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let mut last_left = None;
    for (place, letter) in left.bytes().enumerate() {
        let mut next = vec![place + 1];
        let mut last_right = None;
        for (column, other) in right.bytes().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&row, column) + usize::from(letter != other))
                .min(at(&row, column + 1) + 1)
                .min(at(&next, column) + 1);
            if column > 0 && last_left == Some(other) && last_right == Some(letter) {
                best = best.min(at(&before, column - 1) + 1);
            }
            next.push(best);
            last_right = Some(other);
        }
        last_left = Some(letter);
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(usize::MAX)
}
