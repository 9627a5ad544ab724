//! Values under their names, in the order the names were first met; what `@flatten` and `@singleton` are about.

use crate::engine::Rejection;
use crate::format::json::Node;
use crate::r4::outcome::IssueCode;

/// Whether a name holds a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    List,
    /// `@singleton`: more than one is an error.
    Singleton,
}

struct Slot {
    name: String,
    shape: Shape,
    values: Vec<Node<'static>>,
}

/// An object that is being made.
#[derive(Default)]
pub(super) struct Output(Vec<Slot>);

impl Output {
    /// The place of a name; made when it is new.
    pub(super) fn slot(&mut self, name: &str, shape: Shape) -> usize {
        if let Some(place) = self.0.iter().position(|slot| slot.name == name) {
            return place;
        }
        self.0.push(Slot { name: name.to_owned(), shape, values: Vec::new() });
        self.0.len() - 1
    }

    pub(super) fn push(&mut self, place: usize, value: Node<'static>) {
        if let Some(slot) = self.0.get_mut(place) {
            slot.values.push(value);
        }
    }

    pub(super) fn set(&mut self, name: &str, value: Node<'static>) {
        let place = self.slot(name, Shape::One);
        self.push(place, value);
    }

    /// The object; names without a value are left out.
    pub(super) fn finish(self) -> Result<Node<'static>, Rejection> {
        let mut members = Vec::with_capacity(self.0.len());
        for Slot { name, shape, mut values } in self.0 {
            let value = match (shape, values.len()) {
                (Shape::One | Shape::Singleton, 0) => continue,
                (Shape::One | Shape::Singleton, 1) => values.pop().unwrap_or(Node::Null),
                (Shape::Singleton, count) => {
                    let text = format!("{name} is a @singleton but has {count} values");
                    return Err(Rejection::new(422, IssueCode::Processing, text));
                }
                (Shape::List, 0) => continue,
                _ => Node::Array(values),
            };
            members.push((name, value));
        }
        Ok(Node::object(members))
    }
}
