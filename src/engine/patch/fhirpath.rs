//! FHIRPath Patch (FHIR R4 fhirpatch.html): a Parameters resource whose operations name elements by
//! FHIRPath and values by `value[x]` or parts.
//!
//! A path is evaluated on the resource as the operations before left it; what it selects is found
//! again in the tree by its address, as a chain of names and indexes, and changed there. Primitives
//! live in two members (`given`, `_given`): both change together. What becomes empty is taken away,
//! because FHIR JSON has no empty lists and objects. Pure: tree in, tree out.

mod difference;
mod place;
mod value;

pub(super) use difference::difference;
use place::{Place, object_at};
use value::{Built, PatchValue};

use super::PatchError;
use super::json::depth;
use crate::fhirpath::{Compiled, FhirPathError, Item, compile_for};
use crate::format::json::{MAX_DEPTH, Node};
use crate::r4::definitions::{Element, TypeDef};
use crate::r4::{TypeId, definitions};

/// Most operations of one patch; each walks the resource.
const MAX_OPERATIONS: usize = 1_000;

/// Steps all operations of a patch may take together to evaluate paths and to find their places.
const BUDGET: u32 = 10_000_000;

#[derive(Debug)]
enum Action {
    Add { name: String, value: PatchValue },
    Insert { index: usize, value: PatchValue },
    Delete,
    Replace { value: PatchValue },
    Move { source: usize, destination: usize },
}

impl Action {
    const fn name(&self) -> &'static str {
        match self {
            Self::Add { .. } => "add",
            Self::Insert { .. } => "insert",
            Self::Delete => "delete",
            Self::Replace { .. } => "replace",
            Self::Move { .. } => "move",
        }
    }
}

#[derive(Debug)]
struct Operation {
    action: Action,
    path: String,
    compiled: Compiled,
}

/// A FHIRPath Patch that was found well-formed, with its paths compiled.
#[derive(Debug)]
pub(super) struct FhirPathPatch {
    operations: Vec<Operation>,
    root: TypeId,
}

impl FhirPathPatch {
    /// Reads a Parameters resource, checked before, as a patch of resources of a type.
    pub(super) fn read(parameters: &Node<'_>, root: TypeId) -> Result<Self, PatchError> {
        let items = parameters.list("parameter");
        if items.len() > MAX_OPERATIONS {
            return Err(PatchError::TooCostly(format!(
                "the patch has {} operations; at most {MAX_OPERATIONS} are taken at once",
                items.len()
            )));
        }
        let operations = items.iter().enumerate().map(|(index, item)| {
            let at = |why: String| format!("Parameters.parameter[{index}]: {why}");
            Operation::read(item, root).map_err(|error| error.map(at))
        });
        Ok(Self { operations: operations.collect::<Result<_, _>>()?, root })
    }

    /// Applies all operations in order.
    pub(super) fn apply<'a>(&'a self, mut resource: Node<'a>) -> Result<Node<'a>, PatchError> {
        let mut budget = BUDGET;
        for (index, operation) in self.operations.iter().enumerate() {
            let at = |why: String| {
                format!("Parameters.parameter[{index}] ({} {:?}): {why}", operation.action.name(), operation.path)
            };
            operation.apply(&mut resource, self.root, &mut budget).map_err(|error| error.map(at))?;
        }
        Ok(resource)
    }
}

fn refuse<T>(why: impl Into<String>) -> Result<T, PatchError> {
    Err(PatchError::Unprocessable(why.into()))
}

impl Operation {
    fn read(parameter: &Node<'_>, root: TypeId) -> Result<Self, PatchError> {
        let malformed = |why: String| PatchError::Malformed(why);
        if parameter.text("name") != Some("operation") {
            return Err(malformed("every parameter of a FHIRPath Patch has the name \"operation\"".to_owned()));
        }
        let parts = parameter.list("part");
        for (place, part) in parts.iter().enumerate() {
            let name = part.text("name").unwrap_or_default();
            if !matches!(name, "type" | "path" | "name" | "value" | "index" | "source" | "destination") {
                return Err(malformed(format!(
                    "{name:?} is no part of an operation; there are type, path, name, value, index, source, destination"
                )));
            }
            if parts.iter().take(place).any(|other| other.text("name") == Some(name)) {
                return Err(malformed(format!("the part {name:?} is there twice")));
            }
        }
        let part = |name: &str| {
            parts
                .iter()
                .find(|part| part.text("name") == Some(name))
                .ok_or_else(|| malformed(format!("the operation has no part {name:?}")))
        };
        let text = |name: &str| {
            let part = part(name)?;
            let found = ["valueString", "valueCode"].into_iter().find_map(|member| part.text(member));
            found.map(str::to_owned).ok_or_else(|| malformed(format!("the part {name:?} needs a valueString")))
        };
        let number = |name: &str| {
            let part = part(name)?;
            let found = ["valueInteger", "valueUnsignedInt", "valuePositiveInt"].into_iter().find_map(|m| part.get(m));
            match found {
                Some(Node::Number(digits)) => digits.parse().ok(),
                _ => None,
            }
            .ok_or_else(|| malformed(format!("the part {name:?} needs a valueInteger of 0 or more")))
        };
        let value = || PatchValue::read(part("value")?);
        let kind = text("type")?;
        let action = match kind.as_str() {
            "add" => Action::Add { name: text("name")?, value: value()? },
            "insert" => Action::Insert { index: number("index")?, value: value()? },
            "delete" => Action::Delete,
            "replace" => Action::Replace { value: value()? },
            "move" => Action::Move { source: number("source")?, destination: number("destination")? },
            other => {
                return Err(malformed(format!(
                    "{other:?} is not a type of operation; there are add, insert, delete, replace, move"
                )));
            }
        };
        let path = text("path")?;
        let compiled = compile_for(&path, root).map_err(|error| path_error(&path, &error))?;
        Ok(Self { action, path, compiled })
    }

    fn apply<'a>(&'a self, resource: &mut Node<'a>, root: TypeId, budget: &mut u32) -> Result<(), PatchError> {
        let places = self.places(resource, root, budget)?;
        match &self.action {
            Action::Add { name, value } => {
                let place = single(&places)?;
                add(resource, root, place, name, value)
            }
            Action::Delete => match places.as_slice() {
                [] => Ok(()),
                _ => single(&places)?.delete(resource),
            },
            Action::Replace { value } => {
                let place = single(&places)?;
                let (parent, member, index) = place.element()?;
                let definition = parent.definition(resource, root)?;
                let (element, _) = find_element(definition, member)?;
                let built = value.build(definition, element, None)?;
                room_for(place, &built)?;
                place.replace(resource, parent, index, &built.member, built.plain, built.extra)
            }
            Action::Insert { index, value } => {
                let (parent, member) = self.list(resource, &places)?;
                let definition = parent.definition(resource, root)?;
                let (element, _) = find_element(definition, member)?;
                let built = value.build(definition, element, None)?;
                room_for(&parent, &built)?;
                let length = places.len();
                if *index > length {
                    return refuse(format!("the index {index} is beyond the list; it has {length} items"));
                }
                parent.insert(resource, member, *index, built.plain, built.extra)
            }
            Action::Move { source, destination } => {
                let (parent, member) = self.list(resource, &places)?;
                let length = places.len();
                if *source >= length || *destination >= length {
                    return refuse(format!("{source} to {destination} is outside the list; it has {length} items"));
                }
                parent.shift(resource, member, *source, *destination)
            }
        }
    }

    fn places(&self, resource: &Node<'_>, root: TypeId, budget: &mut u32) -> Result<Vec<Place>, PatchError> {
        let items = self.compiled.evaluate_within(Item::new(root, resource), budget).map_err(|error| match error {
            FhirPathError::TooCostly => PatchError::TooCostly(error.to_string()),
            other => PatchError::Unprocessable(other.to_string()),
        })?;
        items.iter().map(|item| Place::find(resource, item, budget)).collect()
    }

    /// The list that insert and move are about: the path selects it as a whole.
    fn list<'p>(&self, resource: &Node<'_>, places: &'p [Place]) -> Result<(Place, &'p str), PatchError> {
        let Some(first) = places.first() else {
            return refuse("the path selects nothing; it must select a list (a first item comes with add)");
        };
        let (parent, member, index) = first.element()?;
        if index.is_none() {
            return refuse(format!("{member:?} is not a list"));
        }
        let whole = places.iter().enumerate().all(|(position, place)| {
            place
                .element()
                .is_ok_and(|(other, name, index)| other == parent && name == member && index == Some(position))
        });
        if !whole || parent.length(resource, member) != places.len() {
            return refuse("the path must select one whole list, for example Patient.name");
        }
        Ok((parent, member))
    }
}

/// "It is an error if no element matches the specified path … or more than one".
fn single(places: &[Place]) -> Result<&Place, PatchError> {
    match places {
        [place] => Ok(place),
        [] => refuse("the path selects nothing; it must select one element"),
        several => refuse(format!("the path selects {} elements; it must select one", several.len())),
    }
}

fn path_error(path: &str, error: &FhirPathError) -> PatchError {
    let text = format!("the path {path:?}: {error}");
    match error {
        FhirPathError::Syntax { .. } => PatchError::Malformed(text),
        FhirPathError::Unsupported(_) => PatchError::Unsupported(text),
        _ => PatchError::Unprocessable(text),
    }
}

/// The element of a type by its name (`value`) or JSON name (`valueQuantity`, which chooses).
fn find_element<'d>(definition: &'d TypeDef, name: &str) -> Result<(&'d Element, Option<&'d str>), PatchError> {
    if let Some(element) = definition.elements.iter().find(|element| element.name == name) {
        return Ok((element, None));
    }
    let Some(field) = definition.field(name) else {
        return refuse(format!("{} has no element {name:?}", definition.name));
    };
    let element = definition.element(field);
    Ok((element, element.types.get(usize::from(field.choice)).map(|found| found.json_name.as_str())))
}

fn add<'a>(
    resource: &mut Node<'a>,
    root: TypeId,
    place: &Place,
    name: &str,
    value: &'a PatchValue,
) -> Result<(), PatchError> {
    let definition = place.definition(resource, root)?;
    let (element, chosen) = find_element(definition, name)?;
    let built = value.build(definition, element, chosen)?;
    room_for(place, &built)?;
    let target = object_at(resource, place)?;
    if element.is_array {
        let list = Place::root();
        let length = list.length(target, &built.member);
        return list.insert(target, &built.member, length, built.plain, built.extra);
    }
    let taken = element.types.iter().find(|possible| {
        let sibling = format!("_{}", possible.json_name);
        target.get(&possible.json_name).is_some() || target.get(&sibling).is_some()
    });
    if let Some(taken) = taken {
        return refuse(format!("{:?} is there already and does not repeat; use replace", taken.json_name));
    }
    let Node::Object(members) = target else { return refuse("nothing can be added there") };
    if let Some(extra) = built.extra {
        members.push((format!("_{}", built.member).into(), extra));
    }
    if let Some(plain) = built.plain {
        members.push((built.member.into(), plain));
    }
    Ok(())
}

/// Nesting stays within what the reader accepts; a member and an index may come between.
fn room_for(place: &Place, built: &Built<'_>) -> Result<(), PatchError> {
    let depth = built.plain.iter().chain(&built.extra).map(depth).max().unwrap_or(0);
    if place.depth() + 2 + depth > MAX_DEPTH {
        return refuse(format!("nesting would be deeper than {MAX_DEPTH} levels"));
    }
    Ok(())
}

/// The definition of a type by its id.
fn definition(id: TypeId) -> &'static TypeDef {
    definitions().get(id)
}

#[cfg(test)]
mod tests;
