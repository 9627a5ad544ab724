//! Where in a resource something is, and changes there.

use std::borrow::Cow;

use super::{PatchError, definition, refuse};
use crate::fhirpath::Item;
use crate::format::json::Node;
use crate::r4::definitions::TypeDef;
use crate::r4::{TypeId, definitions};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hop {
    Member(String),
    Index(usize),
}

/// A chain of names and indexes from the root. Of a primitive it is the chain to the value, also
/// where only the sibling with the underscore exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place(Vec<Hop>);

impl Place {
    pub(super) const fn root() -> Self {
        Self(Vec::new())
    }

    /// Finds what a path selected, by its address.
    pub(super) fn find(resource: &Node<'_>, item: &Item<'_>, budget: &mut u32) -> Result<Self, PatchError> {
        let Some(node) = item.node() else {
            return refuse("the path computes a value; it must select an element of the resource");
        };
        let mut hops = Vec::new();
        let address = |node: &Node<'_>| std::ptr::from_ref(node).cast::<()>();
        if locate(resource, address(node), &mut hops, budget)? {
            return Ok(Self(hops));
        }
        if let Some(extra) = item.extra
            && locate(resource, address(extra), &mut hops, budget)?
        {
            let name = hops.iter_mut().rev().find_map(|hop| match hop {
                Hop::Member(name) => Some(name),
                Hop::Index(_) => None,
            });
            if let Some(name) = name
                && let Some(plain) = name.strip_prefix('_')
            {
                *name = plain.to_owned();
            }
            return Ok(Self(hops));
        }
        refuse("the path selects something outside the resource")
    }

    /// How deep it lies.
    pub(super) fn depth(&self) -> usize {
        self.0.len()
    }

    /// The parent object, the member's name and the index in it when it repeats.
    pub(super) fn element(&self) -> Result<(Self, &str, Option<usize>), PatchError> {
        match self.0.as_slice() {
            [before @ .., Hop::Member(name)] => Ok((Self(before.to_vec()), name, None)),
            [before @ .., Hop::Member(name), Hop::Index(index)] => Ok((Self(before.to_vec()), name, Some(*index))),
            _ => refuse("the resource itself can be the path of add only"),
        }
    }

    /// The type of what is here.
    pub(super) fn definition(&self, resource: &Node<'_>, root: TypeId) -> Result<&'static TypeDef, PatchError> {
        let all = definitions();
        let mut type_id = root;
        let mut node = Some(resource);
        for hop in &self.0 {
            match hop {
                Hop::Index(index) => node = node.and_then(|node| node.items().get(*index)),
                Hop::Member(name) => {
                    node = node.and_then(|node| node.get(name));
                    let found = match name.strip_prefix('_') {
                        Some(_) => all.type_id("Element"),
                        None => definition(type_id).field(name).map(|field| field.type_id),
                    };
                    let Some(found) = found else { return refuse(format!("{name:?} is not known")) };
                    type_id = found;
                }
            }
            if let Some(own) = node.and_then(|node| node.text("resourceType")).and_then(|name| all.resource(name)) {
                type_id = own;
            }
        }
        // Children of primitives are those of Element: id and extensions.
        let found = definition(type_id);
        let is_bare = matches!(found.kind, crate::r4::Kind::Primitive | crate::r4::Kind::System);
        Ok(if is_bare { all.find("Element").unwrap_or(found) } else { found })
    }

    /// How many items the list below `member` has.
    pub(super) fn length(&self, resource: &Node<'_>, member: &str) -> usize {
        let Some(parent) = self.node(resource) else { return 0 };
        parent.list(member).len().max(parent.list(&format!("_{member}")).len())
    }

    fn node<'n, 'a>(&self, resource: &'n Node<'a>) -> Option<&'n Node<'a>> {
        self.0.iter().try_fold(resource, |node, hop| match hop {
            Hop::Member(name) => node.get(name),
            Hop::Index(index) => node.items().get(*index),
        })
    }

    fn node_mut<'n, 'a>(&self, resource: &'n mut Node<'a>) -> Result<&'n mut Node<'a>, PatchError> {
        let found = self.0.iter().try_fold(resource, |node, hop| match (hop, node) {
            (Hop::Member(name), node) => node.get_mut(name),
            (Hop::Index(index), Node::Array(items)) => items.get_mut(*index),
            _ => None,
        });
        found.ok_or_else(|| PatchError::Unprocessable("the element is not there any more".to_owned()))
    }

    /// Takes the element out, and what becomes empty by that.
    pub(super) fn delete(&self, resource: &mut Node<'_>) -> Result<(), PatchError> {
        let (parent, member, index) = self.element()?;
        let object = parent.node_mut(resource)?;
        for name in [member.to_owned(), format!("_{member}")] {
            match (index, object.get_mut(&name)) {
                (Some(index), Some(Node::Array(items))) => {
                    if index < items.len() {
                        items.remove(index);
                    }
                    if items.iter().all(|item| matches!(item, Node::Null)) {
                        object.remove(&name);
                    }
                }
                (Some(_), _) => {}
                (None, _) => {
                    object.remove(&name);
                }
            }
        }
        let is_empty = object.members().is_empty();
        if is_empty && !parent.0.is_empty() { parent.delete_emptied(resource) } else { Ok(()) }
    }

    /// An object without members goes; of a primitive's sibling only that.
    fn delete_emptied(&self, resource: &mut Node<'_>) -> Result<(), PatchError> {
        let (parent, member, index) = self.element()?;
        if !member.starts_with('_') {
            return self.delete(resource);
        }
        let object = parent.node_mut(resource)?;
        match (index, object.get_mut(member)) {
            (Some(index), Some(Node::Array(items))) => {
                if let Some(item) = items.get_mut(index) {
                    *item = Node::Null;
                }
                if items.iter().all(|item| matches!(item, Node::Null)) {
                    object.remove(member);
                }
            }
            _ => {
                object.remove(member);
            }
        }
        Ok(())
    }

    /// Puts a value in the place of this element, which may change the name of a choice.
    pub(super) fn replace<'a>(
        &self,
        resource: &mut Node<'a>,
        parent: Self,
        index: Option<usize>,
        member: &str,
        plain: Option<Node<'a>>,
        extra: Option<Node<'a>>,
    ) -> Result<(), PatchError> {
        let object = parent.node_mut(resource)?;
        let (_, old, _) = self.element()?;
        if let Some(index) = index {
            set_item(object, old, index, plain)?;
            return set_item(object, &format!("_{old}"), index, extra);
        }
        let Node::Object(members) = object else { return refuse("the element is not in an object") };
        let sibling = format!("_{old}");
        let position = members.iter().position(|(name, _)| name == old || *name == sibling).unwrap_or(members.len());
        members.retain(|(name, _)| name != old && *name != sibling);
        let position = position.min(members.len());
        if let Some(extra) = extra {
            members.insert(position, (format!("_{member}").into(), extra));
        }
        if let Some(plain) = plain {
            members.insert(position, (member.to_owned().into(), plain));
        }
        Ok(())
    }

    /// Puts a value into the list below `member`, before the item at `index`.
    pub(super) fn insert<'a>(
        &self,
        resource: &mut Node<'a>,
        member: &str,
        index: usize,
        plain: Option<Node<'a>>,
        extra: Option<Node<'a>>,
    ) -> Result<(), PatchError> {
        let length = self.length(resource, member);
        let object = self.node_mut(resource)?;
        for (name, value) in [(member.to_owned(), plain), (format!("_{member}"), extra)] {
            if value.is_none() && object.get(&name).is_none() {
                continue;
            }
            let items = list_at(object, name, length)?;
            if index <= items.len() {
                items.insert(index, value.unwrap_or(Node::Null));
            }
        }
        Ok(())
    }

    /// Moves an item of the list below `member`.
    pub(super) fn shift(
        &self,
        resource: &mut Node<'_>,
        member: &str,
        source: usize,
        destination: usize,
    ) -> Result<(), PatchError> {
        let length = self.length(resource, member);
        let object = self.node_mut(resource)?;
        for name in [member.to_owned(), format!("_{member}")] {
            if object.get(&name).is_some() {
                let items = list_at(object, name, length)?;
                let item = items.remove(source);
                items.insert(destination, item);
            }
        }
        Ok(())
    }
}

/// The list below a name, made when it is not there, with at least `length` items.
fn list_at<'n, 'a>(object: &'n mut Node<'a>, name: String, length: usize) -> Result<&'n mut Vec<Node<'a>>, PatchError> {
    let Node::Object(members) = object else { return refuse("the list is not in an object") };
    let position = members.iter().position(|(member, _)| *member == name).unwrap_or(members.len());
    if position == members.len() {
        members.push((Cow::Owned(name), Node::Array(Vec::new())));
    }
    match members.get_mut(position) {
        Some((_, Node::Array(items))) => {
            if items.len() < length {
                items.resize(length, Node::Null);
            }
            Ok(items)
        }
        _ => refuse("the element is not a list"),
    }
}

/// Sets one item of a list; without a value it becomes null, and a list of nulls goes.
fn set_item<'a>(object: &mut Node<'a>, name: &str, index: usize, value: Option<Node<'a>>) -> Result<(), PatchError> {
    if value.is_none() && object.get(name).is_none() {
        return Ok(());
    }
    let items = list_at(object, name.to_owned(), index + 1)?;
    if let Some(item) = items.get_mut(index) {
        *item = value.unwrap_or(Node::Null);
    }
    if items.iter().all(|item| matches!(item, Node::Null)) {
        object.remove(name);
    }
    Ok(())
}

/// The object that holds the children of what is at a place: of a primitive, its sibling, which is
/// made when it is not there.
pub(super) fn object_at<'n, 'a>(resource: &'n mut Node<'a>, place: &Place) -> Result<&'n mut Node<'a>, PatchError> {
    if matches!(place.node(resource), Some(Node::Object(_))) {
        return place.node_mut(resource);
    }
    let (parent, member, index) = place.element()?;
    let length = parent.length(resource, member);
    let object = parent.node_mut(resource)?;
    let sibling = format!("_{member}");
    let target = match index {
        Some(index) => list_at(object, sibling, length)?.get_mut(index),
        None => {
            if object.get(&sibling).is_none()
                && let Node::Object(members) = object
            {
                members.push((Cow::Owned(sibling.clone()), Node::Null));
            }
            object.get_mut(&sibling)
        }
    };
    let Some(target) = target else { return refuse("the element is not there any more") };
    if matches!(target, Node::Null) {
        *target = Node::Object(Vec::new());
    }
    Ok(target)
}

/// Looks for the node at an address; its chain ends up in `hops`.
fn locate(node: &Node<'_>, wanted: *const (), hops: &mut Vec<Hop>, budget: &mut u32) -> Result<bool, PatchError> {
    *budget = budget.checked_sub(1).ok_or_else(|| {
        PatchError::TooCostly("the patch does too much work; send fewer operations at once".to_owned())
    })?;
    if std::ptr::from_ref(node).cast::<()>() == wanted {
        return Ok(true);
    }
    for (name, value) in node.members() {
        hops.push(Hop::Member(name.to_string()));
        if locate(value, wanted, hops, budget)? {
            return Ok(true);
        }
        hops.pop();
    }
    for (index, item) in node.items().iter().enumerate() {
        hops.push(Hop::Index(index));
        if locate(item, wanted, hops, budget)? {
            return Ok(true);
        }
        hops.pop();
    }
    Ok(false)
}
