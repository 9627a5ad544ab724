//! Structural validation: does the JSON of a resource have the shape the standard's tables give it?
//!
//! One walk over the tree. A member costs one look-up in the tables; nothing is allocated unless
//! something is wrong: the place of an element is a chain of stack frames (`Path`) that is turned
//! into text only for an [`Issue`].
//!
//! Rules: FHIR R4 json.html (shapes, nulls, `_` siblings, nothing empty), datatypes.html
//! (primitives), the cardinalities of the tables, and the invariants that are about shape: `ele-1`,
//! `ext-1`, `dom-2`, `txt-1`, `txt-2`. Not here: bindings, other invariants, profiles.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::OnceLock;

use smallvec::SmallVec;

use crate::format::json::Node;
use crate::r4::definitions::{Definitions, Element, Field, Kind, TypeDef, TypeId, definitions};
use crate::r4::outcome::{Issue, IssueCode, Severity};
use crate::r4::primitives::{Primitive, shorten};
use crate::r4::wording::{Wording, say};
use crate::validation::message::{Finding, Language};

use wording::{kind_of, nearest};

mod wording;

#[cfg(test)]
mod tests;

/// The walk stops after this many issues.
pub const MAX_ISSUES: usize = 100;

type Members<'a> = [(Cow<'a, str>, Node<'a>)];

/// Checks a whole resource, with everything it contains.
///
/// `expected` is the type it must have, for example because of the URL it was sent to. The tree
/// must come from a reader that bounds nesting ([`crate::format::json::MAX_DEPTH`]).
///
/// # Errors
/// All issues found, [`MAX_ISSUES`] at most, each with its place.
pub fn check_resource(node: &Node<'_>, expected: Option<&str>) -> Result<TypeId, Vec<Issue>> {
    check(node, expected).map_err(|found| found.iter().map(|finding| finding.issue(Language::English)).collect())
}

/// As [`check_resource`], in no language yet.
pub(crate) fn check(node: &Node<'_>, expected: Option<&str>) -> Result<TypeId, Vec<Finding>> {
    let mut walk = Walk { tables: definitions(), shapes: shapes(), issues: Vec::new() };
    match walk.resource(node, None, expected, false) {
        Some(type_id) if walk.issues.is_empty() => Ok(type_id),
        _ => Err(walk.issues),
    }
}

/// What the walk needs to know about a type beyond its fields, prepared once.
#[derive(Debug, Clone, Copy, Default)]
struct Shape {
    /// Elements with a least number above 0, as bits.
    required: u128,
    /// `extension` and `value`, as bits, when the type is `Extension`.
    exclusive: Option<(u128, u128)>,
    primitive: Option<Primitive>,
    is_any_resource: bool,
}

fn shapes() -> &'static [Shape] {
    static SHAPES: OnceLock<Vec<Shape>> = OnceLock::new();
    SHAPES.get_or_init(|| {
        let tables = definitions();
        let mut shapes: Vec<Option<Shape>> = Vec::new();
        let mut waiting: Vec<TypeId> = tables.resources().to_vec();
        while let Some(id) = waiting.pop() {
            let place = usize::from(id.0);
            if shapes.len() <= place {
                shapes.resize(place + 1, None);
            }
            match shapes.get_mut(place) {
                Some(entry @ None) => *entry = Some(Shape::of(tables, id)),
                _ => continue,
            }
            waiting
                .extend(tables.get(id).elements.iter().flat_map(|element| &element.types).map(|found| found.type_id));
        }
        shapes.into_iter().map(Option::unwrap_or_default).collect()
    })
}

impl Shape {
    fn of(tables: &Definitions, id: TypeId) -> Self {
        let definition = tables.get(id);
        let bits = |matches: &dyn Fn(&Element) -> bool| {
            definition
                .elements
                .iter()
                .zip(0u16..)
                .filter(|(element, _)| matches(element))
                .fold(0, |all, (_, place)| all | bit(place))
        };
        let exclusive = (definition.name == "Extension")
            .then(|| (bits(&|element| element.name == "extension"), bits(&|element| element.name == "value")));
        Self {
            required: bits(&|element| element.min > 0),
            exclusive,
            primitive: Primitive::of(id).or_else(|| (definition.kind == Kind::System).then_some(Primitive::String)),
            is_any_resource: definition.kind == Kind::Resource && definition.is_abstract,
        }
    }
}

/// No type has more than 128 elements of its own (a test counts them).
const fn bit(element: u16) -> u128 {
    if element < 128 { 1 << element } else { 0 }
}

/// The place of an element, as a chain to its parents.
#[derive(Clone, Copy)]
struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    name: &'p str,
    index: Option<usize>,
}

impl<'p> Path<'p> {
    const fn child(&'p self, name: &'p str) -> Path<'p> {
        Path { parent: Some(self), name, index: None }
    }

    const fn item(self, index: usize) -> Path<'p> {
        Path { index: Some(index), ..self }
    }

    #[cold]
    fn text(&self) -> String {
        let mut out = match self.parent {
            Some(parent) => {
                let mut out = parent.text();
                out.push('.');
                out
            }
            None => String::new(),
        };
        out.push_str(self.name);
        if let Some(index) = self.index {
            // Writing to a String does not fail.
            let _ = write!(out, "[{index}]");
        }
        out
    }
}

/// What an object stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Resource,
    Contained,
    Element,
}

/// One member of an object: its JSON name, what the tables say of it, its value and where it is.
struct Member<'w, 'a> {
    name: &'w str,
    field: Field,
    value: &'w Node<'a>,
    /// The value of `_name` beside `name`, and of `name` beside `_name`.
    partner: Option<&'w Node<'a>>,
    path: Path<'w>,
}

struct Walk {
    tables: &'static Definitions,
    shapes: &'static [Shape],
    issues: Vec<Finding>,
}

impl Walk {
    fn is_full(&self) -> bool {
        self.issues.len() >= MAX_ISSUES
    }

    #[cold]
    fn report(&mut self, code: IssueCode, path: Option<&Path<'_>>, wording: Wording) {
        if self.is_full() {
            return;
        }
        self.issues.push(Finding::worded(Severity::Error, code, wording, path.map(Path::text)));
    }

    fn shape(&self, type_id: TypeId) -> Shape {
        self.shapes.get(usize::from(type_id.0)).copied().unwrap_or_default()
    }

    fn resource(
        &mut self,
        node: &Node<'_>,
        at: Option<&Path<'_>>,
        expected: Option<&str>,
        is_contained: bool,
    ) -> Option<TypeId> {
        let Node::Object(members) = node else {
            let (found, shown) = kind_of(node);
            let text = say!(
                "resource-object",
                "a resource must be a JSON object with a resourceType; found {found}",
                "リソースは resourceType のある JSON オブジェクトである必要がありますが、{shown}です"
            );
            self.report(IssueCode::Structure, at, text);
            return None;
        };
        let (type_id, name) = self.resource_type(members, at, expected)?;
        let root = Path { parent: None, name, index: None };
        let role = if is_contained { Role::Contained } else { Role::Resource };
        self.object(type_id, members, at.unwrap_or(&root), role);
        Some(type_id)
    }

    fn resource_type(
        &mut self,
        members: &Members<'_>,
        at: Option<&Path<'_>>,
        expected: Option<&str>,
    ) -> Option<(TypeId, &'static str)> {
        let name = match members.iter().find(|(name, _)| name == "resourceType") {
            Some((_, Node::String(name))) => name.as_ref(),
            Some((_, other)) => {
                let (found, shown) = kind_of(other);
                let text = say!(
                    "resource-type-string",
                    "resourceType must be a JSON string such as \"Patient\"; found {found}",
                    "resourceType は \"Patient\" などの JSON 文字列である必要がありますが、{shown}です"
                );
                self.report(IssueCode::Structure, at, text);
                return None;
            }
            None => {
                let example = expected.unwrap_or("Patient");
                let text = say!(
                    "resource-type-missing",
                    "resourceType is missing; a resource names its type: \"resourceType\": \"{example}\"",
                    "resourceType がありません。リソースには型の名前が必要です: \"resourceType\": \"{example}\""
                );
                self.report(IssueCode::Structure, at, text);
                return None;
            }
        };
        let Some(type_id) = self.tables.resource(name) else {
            let names = self.tables.resources().iter().map(|id| self.tables.get(*id).name.as_str());
            let shown = shorten(name);
            let text = match nearest(name, names) {
                Some(near) => say!(
                    "resource-type-unknown",
                    "unknown resource type '{shown}' in FHIR R4; did you mean '{near}'?",
                    "リソース型「{shown}」は FHIR R4 にありません。「{near}」ではありませんか"
                ),
                None => say!(
                    "resource-type-unknown",
                    "unknown resource type '{shown}' in FHIR R4; use the name of a concrete resource type such as 'Patient'",
                    "リソース型「{shown}」は FHIR R4 にありません。「Patient」などの具体的な型の名前を書いてください"
                ),
            };
            self.report(IssueCode::Structure, at, text);
            return None;
        };
        if let Some(expected) = expected
            && expected != name
        {
            let text = say!(
                "resource-type-other",
                "resourceType is '{name}' but a resource of type '{expected}' belongs here",
                "resourceType は「{name}」ですが、ここには「{expected}」のリソースが必要です"
            );
            self.report(IssueCode::Invalid, Some(&Path { parent: None, name, index: None }), text);
            return None;
        }
        Some((type_id, &self.tables.get(type_id).name))
    }

    /// The members of an object: a resource, an element, or the `_name` part of a primitive.
    fn object(&mut self, type_id: TypeId, members: &Members<'_>, path: &Path<'_>, role: Role) {
        let definition = self.tables.get(type_id);
        let shape = self.shape(type_id);
        let mut seen = 0u128;
        let mut choices: SmallVec<[Field; 2]> = SmallVec::new();
        for (name, value) in members {
            if self.is_full() {
                return;
            }
            let name: &str = name;
            let (bare, is_sibling) = match name.strip_prefix('_') {
                Some(bare) => (bare, true),
                None => (name, false),
            };
            let Some(field) = definition.field(bare) else {
                if role == Role::Element || name != "resourceType" {
                    self.unknown(definition, name, path);
                }
                continue;
            };
            let element = definition.element(field);
            let is_first = seen & bit(field.element) == 0;
            seen |= bit(field.element);
            let here = path.child(&element.name);
            if element.is_choice {
                if !is_first {
                    self.second_choice(&choices, definition, field, &here);
                }
                choices.push(field);
            }
            if element.is_prohibited || (role == Role::Contained && name == "contained") {
                self.prohibited(definition, name, &here, role);
                continue;
            }
            if is_sibling {
                let partner = find(members, bare);
                self.sibling(definition, &Member { name, field, value, partner, path: here });
            } else if field.is_primitive {
                let primitive = self.primitive(definition, shape, field, bare);
                self.primitive_member(primitive, &Member { name, field, value, partner: None, path: here }, members);
            } else {
                self.complex_member(&Member { name, field, value, partner: None, path: here });
            }
        }
        if shape.required & !seen != 0 {
            self.missing(definition, shape.required & !seen, path);
        }
        if let Some((extension, value)) = shape.exclusive
            && (seen & extension == 0) == (seen & value == 0)
        {
            let (found, shown) = if seen & value == 0 {
                ("neither", "どちらもありません")
            } else {
                ("both", "両方あります")
            };
            let text = say!(
                "extension-content",
                "an Extension must have either a value (such as valueString) or extensions of its own, found {found} (ext-1)",
                "Extension には値 (valueString など) か下位の extension のどちらか一方が必要ですが、{shown} (ext-1)"
            );
            self.report(IssueCode::Invariant, Some(path), text);
        }
    }

    /// The tables call the id of a resource a `string`, and the URL of an extension `System.String`.
    fn primitive(&self, definition: &TypeDef, shape: Shape, field: Field, name: &str) -> Primitive {
        if definition.kind == Kind::Resource && name == "id" {
            Primitive::Id
        } else if shape.exclusive.is_some() && name == "url" {
            Primitive::Uri
        } else {
            self.shape(field.type_id).primitive.unwrap_or(Primitive::String)
        }
    }

    fn primitive_member(&mut self, primitive: Primitive, member: &Member<'_, '_>, members: &Members<'_>) {
        if !member.field.is_array {
            match member.value {
                Node::Null => self.lonely_null(member.name, &member.path),
                Node::Array(_) => self.not_repeated(member),
                value => self.primitive_value(primitive, member.name, value, &member.path),
            }
            return;
        }
        let Some(items) = self.array(member) else { return };
        for (index, value) in items.iter().enumerate() {
            if self.is_full() {
                return;
            }
            let path = member.path.item(index);
            if *value != Node::Null {
                self.primitive_value(primitive, member.name, value, &path);
                continue;
            }
            let partner = find_sibling(members, member.name).and_then(|partner| partner.items().get(index));
            if !matches!(partner, Some(Node::Object(_))) {
                self.lonely_null(member.name, &path);
            }
        }
    }

    fn primitive_value(&mut self, primitive: Primitive, name: &str, value: &Node<'_>, path: &Path<'_>) {
        if let Err(complaint) = primitive.check(value) {
            let code = match value {
                Node::Array(_) | Node::Object(_) => IssueCode::Structure,
                _ => IssueCode::Value,
            };
            self.report(code, Some(path), complaint.about(name));
        }
    }

    /// `_name`: id and extensions of a primitive.
    fn sibling(&mut self, definition: &TypeDef, member: &Member<'_, '_>) {
        let name = member.name;
        let is_attribute = self.tables.get(member.field.type_id).kind == Kind::System
            || (definition.kind != Kind::Resource && name == "_id");
        if !member.field.is_primitive || is_attribute {
            let bare = name.trim_start_matches('_');
            let kind = self.tables.get(member.field.type_id).name.as_str();
            let (what, shown) = if is_attribute { ("an attribute", "属性") } else { (kind, kind) };
            let text = say!(
                "sibling-not-primitive",
                "{name} is not allowed: only primitive elements have a '_' sibling, and {bare} is {what}",
                "{name} は使えません。「_」の付く要素はプリミティブ型だけのもので、{bare} は {shown} です"
            );
            self.report(IssueCode::Structure, Some(&member.path), text);
            return;
        }
        if !member.field.is_array {
            let has_value = member.partner.is_some();
            match member.value {
                Node::Object(members) => self.sibling_object(member, members, has_value, &member.path),
                Node::Array(_) => self.not_repeated(member),
                other => self.not_an_object(name, other, &member.path),
            }
            return;
        }
        let Some(items) = self.array(member) else { return };
        if let Some(Node::Array(values)) = member.partner
            && values.len() != items.len()
        {
            let bare = name.trim_start_matches('_');
            let (own, other) = (items.len(), values.len());
            let text = say!(
                "sibling-length",
                "{name} has {own} items but {bare} has {other}; both arrays must have the same length, with null where one has nothing",
                "{name} は {own} 項目、{bare} は {other} 項目です。両方の配列を同じ長さにし、ないところは null にしてください"
            );
            self.report(IssueCode::Structure, Some(&member.path), text);
            return;
        }
        for (index, item) in items.iter().enumerate() {
            if self.is_full() {
                return;
            }
            let path = member.path.item(index);
            let value = member.partner.and_then(|partner| partner.items().get(index));
            let has_value = !matches!(value, None | Some(Node::Null));
            match item {
                Node::Object(members) => self.sibling_object(member, members, has_value, &path),
                Node::Null if has_value => {}
                // Null in both arrays is told where the values are checked.
                Node::Null if value.is_some() => {}
                Node::Null => self.lonely_null(name, &path),
                other => self.not_an_object(name, other, &path),
            }
        }
    }

    fn sibling_object(&mut self, member: &Member<'_, '_>, members: &Members<'_>, has_value: bool, path: &Path<'_>) {
        if members.is_empty() {
            self.empty(member.name, path);
        } else if !has_value && find(members, "extension").is_none() {
            let (name, bare) = (member.name, member.name.trim_start_matches('_'));
            let text = say!(
                "element-empty",
                "{name} has neither a value nor an extension (ele-1); give {bare} a value or {name} an extension",
                "{name} には値も extension もありません (ele-1)。{bare} に値を、または {name} に extension を入れてください"
            );
            self.report(IssueCode::Invariant, Some(path), text);
        }
        self.object(member.field.type_id, members, path, Role::Element);
    }

    fn complex_member(&mut self, member: &Member<'_, '_>) {
        if !member.field.is_array {
            match member.value {
                Node::Array(_) => self.not_repeated(member),
                value => self.complex_value(member, value, &member.path),
            }
            return;
        }
        let Some(items) = self.array(member) else { return };
        for (index, item) in items.iter().enumerate() {
            if self.is_full() {
                return;
            }
            self.complex_value(member, item, &member.path.item(index));
        }
    }

    fn complex_value(&mut self, member: &Member<'_, '_>, value: &Node<'_>, path: &Path<'_>) {
        if self.shape(member.field.type_id).is_any_resource {
            self.resource(value, Some(path), None, member.name == "contained");
            return;
        }
        let Node::Object(members) = value else {
            self.not_an_object(member.name, value, path);
            return;
        };
        if members.is_empty() {
            self.empty(member.name, path);
            return;
        }
        if let [(only, _)] = members.as_slice()
            && only == "id"
        {
            let name = member.name;
            let text = say!(
                "element-empty",
                "{name} has only an id; an element must have a value or children (ele-1)",
                "{name} には id しかありません。要素には値か下位の要素が必要です (ele-1)"
            );
            self.report(IssueCode::Invariant, Some(path), text);
        }
        self.object(member.field.type_id, members, path, Role::Element);
    }

    /// The items of a repeating element, or what is wrong instead.
    fn array<'w, 'a>(&mut self, member: &Member<'w, 'a>) -> Option<&'w [Node<'a>]> {
        match member.value {
            Node::Array(items) if !items.is_empty() => Some(items),
            Node::Array(_) => {
                self.empty(member.name, &member.path);
                None
            }
            other => {
                let (name, (found, shown)) = (member.name, kind_of(other));
                let text = say!(
                    "array",
                    "{name} repeats, so it must be a JSON array even with one value: \"{name}\": [ … ]; found {found}",
                    "{name} は繰り返す要素なので、値が 1 つでも JSON 配列にします: \"{name}\": [ … ]。ここでは{shown}です"
                );
                self.report(IssueCode::Structure, Some(&member.path), text);
                None
            }
        }
    }
}

fn find<'w, 'a>(members: &'w Members<'a>, name: &str) -> Option<&'w Node<'a>> {
    members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
}

/// The value of `_name`.
fn find_sibling<'w, 'a>(members: &'w Members<'a>, name: &str) -> Option<&'w Node<'a>> {
    members.iter().find(|(member, _)| member.strip_prefix('_') == Some(name)).map(|(_, value)| value)
}
