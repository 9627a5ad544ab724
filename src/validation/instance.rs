//! The elements below an element, as the tables call them: primitives together with their `_name`
//! part, repeated ones item by item, resources with the type they say they have.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::fhirpath::{Item, Value};
use crate::format::json::Node;
use crate::r4::definitions::{Element, Field, TypeDef};
use crate::r4::{Kind, TypeId, definitions};

static NOTHING: Node<'static> = Node::Null;

/// An element of a resource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instance<'r> {
    /// The value with its type.
    pub(crate) item: Item<'r>,
    /// `value` of `valueQuantity`.
    pub(crate) name: &'static str,
    /// The place in its array.
    pub(crate) index: Option<usize>,
    /// Where in the tables it is.
    pub(crate) field: Field,
}

/// Some elements; most often few.
pub(crate) type Instances<'r> = SmallVec<[Instance<'r>; 4]>;

/// The members of an element: for primitives those beside the value.
#[must_use]
pub(crate) fn members<'r>(item: &Item<'r>) -> &'r [(Cow<'r, str>, Node<'r>)] {
    match item.value {
        Value::Node(node @ Node::Object(_)) => node.members(),
        Value::Node(_) => item.extra.map_or(&[], Node::members),
        _ => &[],
    }
}

/// The node of an item; null for what is computed.
#[must_use]
pub(crate) fn node_of<'r>(item: &Item<'r>) -> &'r Node<'r> {
    item.node().unwrap_or(&NOTHING)
}

/// Something of which only the type is known.
#[must_use]
pub(crate) const fn absent<'r>(type_id: TypeId) -> Item<'r> {
    Item { value: Value::Target, type_id, extra: None }
}

/// The type that a resource says it has.
#[must_use]
pub(crate) fn resource_type(node: &Node<'_>) -> Option<TypeId> {
    node.text("resourceType").and_then(|name| definitions().resource(name))
}

/// The elements of a name, `value` and `valueQuantity` alike.
#[must_use]
pub(crate) fn children<'r>(owner: &Item<'r>, name: &str) -> Instances<'r> {
    let definition = definitions().get(owner.type_id);
    let mut out = Instances::new();
    each_member(owner, definition, |json_name, element| element.name == name || json_name == name, &mut out);
    out
}

/// All elements below an element.
#[must_use]
pub(crate) fn all_children<'r>(owner: &Item<'r>) -> Instances<'r> {
    let definition = definitions().get(owner.type_id);
    let mut out = Instances::new();
    each_member(owner, definition, |_, _| true, &mut out);
    out
}

fn each_member<'r>(
    owner: &Item<'r>,
    definition: &'static TypeDef,
    is_wanted: impl Fn(&str, &Element) -> bool,
    out: &mut Instances<'r>,
) {
    let all = members(owner);
    for (name, value) in all {
        let (bare, is_sibling) = match name.strip_prefix('_') {
            Some(bare) => (bare, true),
            None => (name.as_ref(), false),
        };
        let Some(field) = definition.field(bare) else { continue };
        let element = definition.element(field);
        if !is_wanted(bare, element) {
            continue;
        }
        if is_sibling {
            // Beside a value it was taken together with it.
            if !all.iter().any(|(other, _)| other == bare) {
                push(value, field, element, out, |item| (&NOTHING, Some(item)));
            }
            continue;
        }
        let extra = if field.is_primitive {
            all.iter().find(|(other, _)| other.strip_prefix('_') == Some(bare)).map(|(_, extra)| extra)
        } else {
            None
        };
        match (value, field.is_array) {
            (Node::Array(items), true) => {
                for (index, item) in items.iter().enumerate() {
                    let extra = extra.and_then(|extra| extra.items().get(index)).filter(|extra| **extra != Node::Null);
                    out.push(instance(item, extra, field, element, Some(index)));
                }
            }
            _ => out.push(instance(value, extra, field, element, None)),
        }
    }
}

fn push<'r>(
    value: &'r Node<'r>,
    field: Field,
    element: &'static Element,
    out: &mut Instances<'r>,
    parts: impl Fn(&'r Node<'r>) -> (&'r Node<'r>, Option<&'r Node<'r>>),
) {
    match (value, field.is_array) {
        (Node::Array(items), true) => {
            for (index, item) in items.iter().enumerate() {
                let (node, extra) = parts(item);
                out.push(instance(node, extra, field, element, Some(index)));
            }
        }
        _ => {
            let (node, extra) = parts(value);
            out.push(instance(node, extra, field, element, None));
        }
    }
}

fn instance<'r>(
    node: &'r Node<'r>,
    extra: Option<&'r Node<'r>>,
    field: Field,
    element: &'static Element,
    index: Option<usize>,
) -> Instance<'r> {
    let declared = definitions().get(field.type_id);
    let type_id = match declared.kind {
        Kind::Resource => resource_type(node).unwrap_or(field.type_id),
        _ => field.type_id,
    };
    Instance { item: Item { value: Value::Node(node), type_id, extra }, name: &element.name, index, field }
}
