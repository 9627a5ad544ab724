//! What structural validation says: what was wrong and what would be right.
//!
//! Everything here runs only when something is wrong.

use super::{Member, Path, Role, Walk, bit};
use crate::format::json::Node;
use crate::r4::definitions::{Field, TypeDef};
use crate::r4::outcome::IssueCode;
use crate::r4::primitives::shorten;
use crate::r4::wording::say;

impl Walk {
    #[cold]
    pub(super) fn not_repeated(&mut self, member: &Member<'_, '_>) {
        let name = member.name;
        let text = say!(
            "not-array",
            "{name} does not repeat, so it must be a single value; found an array",
            "{name} は繰り返さない要素なので、配列ではなく 1 つの値にします"
        );
        self.report(IssueCode::Structure, Some(&member.path), text);
    }

    #[cold]
    pub(super) fn not_an_object(&mut self, name: &str, node: &Node<'_>, path: &Path<'_>) {
        let (found, shown) = kind_of(node);
        let text = say!(
            "object",
            "{name} must be a JSON object; found {found}",
            "{name} は JSON オブジェクトである必要がありますが、{shown}です"
        );
        self.report(IssueCode::Structure, Some(path), text);
    }

    #[cold]
    pub(super) fn empty(&mut self, name: &str, path: &Path<'_>) {
        let text = say!(
            "empty",
            "{name} must not be empty; leave out what has no value",
            "{name} を空にはできません。値のないものは省いてください"
        );
        self.report(IssueCode::Structure, Some(path), text);
    }

    #[cold]
    pub(super) fn lonely_null(&mut self, name: &str, path: &Path<'_>) {
        let bare = name.trim_start_matches('_');
        let text = say!(
            "null",
            "{name} must not be null here; leave it out (null only fills a place in an array of primitives whose other array, {bare} or _{bare}, has something there)",
            "{name} をここで null にはできません。省いてください (null は、{bare} と _{bare} の配列の一方だけに値があるときに、もう一方の位置を埋めるものです)"
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
        let (one, other, element) = (name(first), name(&field), &definition.element(field).name);
        let text = say!(
            "choice-twice",
            "{one} and {other} are both given, but {element}[x] takes one value of one type; keep one of them",
            "{one} と {other} の両方がありますが、{element}[x] の値は 1 つの型で 1 つだけです。どちらかを残してください"
        );
        self.report(IssueCode::Structure, Some(path), text);
    }

    #[cold]
    pub(super) fn prohibited(&mut self, definition: &TypeDef, name: &str, path: &Path<'_>, role: Role) {
        if role == Role::Contained {
            let text = say!(
                "contained-nested",
                "a contained resource must not contain others (dom-2); put all of them into the outermost resource's contained",
                "contained リソースの中に contained は置けません (dom-2)。すべて最も外側のリソースの contained に入れてください"
            );
            self.report(IssueCode::Invariant, Some(path), text);
        } else {
            let owner = &definition.name;
            let text = say!(
                "element-prohibited",
                "{name} must not occur in {owner}; remove it",
                "{name} は {owner} では使えません。削除してください"
            );
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
            let owner = &definition.name;
            let shown = what.replace(" (one of ", " (次のいずれか: ");
            let text = say!(
                "element-missing",
                "{owner} requires {what}, which is missing",
                "{owner} に必須の {shown} がありません"
            );
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
        let (hint, advice) = if let Some(choice) = choice {
            let names: Vec<&str> = choice.types.iter().map(|found| found.json_name.as_str()).collect();
            let names = names.join(", ");
            (
                format!("{}[x] is written as one of {names}", choice.name),
                format!("{}[x] は次のいずれかで書きます: {names}", choice.name),
            )
        } else if let Some(near) = nearest(bare, names()) {
            (format!("did you mean '{near}'?"), format!("「{near}」ではありませんか"))
        } else {
            let names: Vec<String> = definition
                .elements
                .iter()
                .filter(|element| !element.is_prohibited)
                .map(|element| if element.is_choice { format!("{}[x]", element.name) } else { element.name.clone() })
                .collect();
            let names = names.join(", ");
            (format!("allowed are {names}"), format!("使えるもの: {names}"))
        };
        let (shown, owner) = (shorten(name), &definition.name);
        let text = say!(
            "element-unknown",
            "unknown element '{shown}' in {owner}; {hint}",
            "要素「{shown}」は {owner} にありません。{advice}"
        );
        self.report(IssueCode::Structure, Some(&here), text);
    }
}

/// A JSON value in words, English and Japanese.
pub(super) const fn kind_of(node: &Node<'_>) -> (&'static str, &'static str) {
    match node {
        Node::Null => ("null", " null "),
        Node::Bool(_) => ("a boolean", "真偽値"),
        Node::Number(_) => ("a number", "数"),
        Node::String(_) => ("a string", "文字列"),
        Node::Array(_) => ("an array", "配列"),
        Node::Object(_) => ("an object", "オブジェクト"),
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
