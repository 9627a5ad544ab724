//! The value of an operation: `value[x]`, or parts that become the members of an object.

use super::{PatchError, definition, find_element, refuse};
use crate::format::json::Node;
use crate::r4::definitions::{Element, Kind, TypeDef};
use crate::r4::{TypeId, definitions};

/// A value as the patch gives it. What it becomes depends on the element it goes to.
#[derive(Debug)]
pub(super) enum PatchValue {
    /// `valueString`: the type's suffix, the value and its sibling with the underscore.
    Single { suffix: String, plain: Option<Node<'static>>, extra: Option<Node<'static>> },
    /// `resource`
    Resource(Node<'static>),
    /// `part`: names and values.
    Parts(Vec<(String, PatchValue)>),
}

/// A value ready to be put under a JSON name.
pub(super) struct Built<'a> {
    pub(super) member: String,
    pub(super) plain: Option<Node<'a>>,
    pub(super) extra: Option<Node<'a>>,
}

impl PatchValue {
    /// Reads a part. The Parameters resource was checked: it has one of value, resource and parts
    /// at most, and nests no deeper than JSON may.
    pub(super) fn read(part: &Node<'_>) -> Result<Self, PatchError> {
        if let Some(resource) = part.get("resource") {
            return Ok(Self::Resource(resource.clone().into_owned()));
        }
        let mut suffix = String::new();
        let (mut plain, mut extra) = (None, None);
        for (name, value) in part.members() {
            if let Some(found) = name.strip_prefix("value") {
                found.clone_into(&mut suffix);
                plain = Some(value.clone().into_owned());
            } else if let Some(found) = name.strip_prefix("_value") {
                found.clone_into(&mut suffix);
                extra = Some(value.clone().into_owned());
            }
        }
        if plain.is_some() || extra.is_some() {
            return Ok(Self::Single { suffix, plain, extra });
        }
        let parts = part.list("part");
        if parts.is_empty() {
            return Err(PatchError::Malformed(
                "the part \"value\" needs a value[x], a resource, or parts named by the elements of the value"
                    .to_owned(),
            ));
        }
        let read = |part: &Node<'_>| Ok((part.text("name").unwrap_or_default().to_owned(), Self::read(part)?));
        parts.iter().map(read).collect::<Result<_, _>>().map(Self::Parts)
    }

    /// The value as JSON for an element of a type. `chosen` is the JSON name when a choice was named
    /// with its type (`valueQuantity`).
    pub(super) fn build<'a>(
        &'a self,
        parent: &TypeDef,
        element: &Element,
        chosen: Option<&str>,
    ) -> Result<Built<'a>, PatchError> {
        let mut possible = element.types.iter();
        let suffix = match self {
            Self::Single { suffix, .. } => suffix.as_str(),
            _ => "",
        };
        let found = match (chosen, element.is_choice) {
            (Some(chosen), _) => possible.find(|found| found.json_name == chosen),
            (None, false) => possible.next(),
            (None, true) => possible.find(|found| found.json_name.strip_prefix(element.name.as_str()) == Some(suffix)),
        };
        let Some(found) = found else {
            let names: Vec<&str> = element.types.iter().map(|found| found.json_name.as_str()).take(60).collect();
            return refuse(format!(
                "{}.{}[x] cannot be of type {suffix:?}; it is one of {}",
                parent.name,
                element.name,
                names.join(", ")
            ));
        };
        let member = found.json_name.clone();
        let target = definition(found.type_id);
        let is_bare = matches!(target.kind, Kind::Primitive | Kind::System);
        match self {
            Self::Single { suffix, plain, extra } => {
                if !fits(suffix, found.type_id) {
                    return refuse(format!("{}.{} is a {}, not a {suffix}", parent.name, element.name, target.name));
                }
                Ok(Built { member, plain: plain.clone(), extra: extra.clone() })
            }
            Self::Resource(resource) => Ok(Built { member, plain: Some(resource.clone()), extra: None }),
            Self::Parts(_) if is_bare => {
                refuse(format!("{}.{} is a {}: it has no parts but one value", parent.name, element.name, target.name))
            }
            Self::Parts(parts) => Ok(Built { member, plain: Some(object(target, parts)?), extra: None }),
        }
    }
}

/// "The type of the value must be correct for the place": the same type, or one that specialises the
/// other (a code where a string is expected). Parameters cannot carry narratives and the bare texts of
/// ids and URLs: those come as texts.
fn fits(suffix: &str, target: TypeId) -> bool {
    let all = definitions();
    let lower = || {
        let mut letters = suffix.chars();
        letters.next().map(|first| first.to_lowercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    let Some(given) = all.type_id(suffix).or_else(|| all.type_id(&lower())) else { return false };
    let place = definition(target);
    let is_text = place.kind == Kind::System || place.name == "xhtml";
    let given_bare = definition(given).kind == Kind::Primitive;
    if is_text {
        return given_bare;
    }
    // Every date is a dateTime; the standard's own test cases give one for the other.
    let is_date_time = suffix == "Date" && place.name == "dateTime";
    is_date_time || all.is_a(given, target) || all.is_a(target, given)
}

/// Parts with the same name become items of one list.
fn object<'a>(target: &TypeDef, parts: &'a [(String, PatchValue)]) -> Result<Node<'a>, PatchError> {
    let mut object = Node::Object(Vec::new());
    for (name, value) in parts {
        let (element, chosen) = find_element(target, name)?;
        let built = value.build(target, element, chosen)?;
        let list = super::Place::root();
        if element.is_array {
            let length = list.length(&object, &built.member);
            list.insert(&mut object, &built.member, length, built.plain, built.extra)?;
            continue;
        }
        let sibling = format!("_{}", built.member);
        if object.get(&built.member).is_some() || object.get(&sibling).is_some() {
            return refuse(format!("{}.{name} does not repeat", target.name));
        }
        if let Node::Object(members) = &mut object {
            if let Some(plain) = built.plain {
                members.push((built.member.into(), plain));
            }
            if let Some(extra) = built.extra {
                members.push((sibling.into(), extra));
            }
        }
    }
    Ok(object)
}
