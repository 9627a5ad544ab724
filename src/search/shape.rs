//! The forms of values that search knows, by type, so that extraction is one look-up a value.

use std::sync::OnceLock;

use crate::r4::{Kind, TypeId, definitions};

/// How a type's values are read for the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Shape {
    Code,
    Boolean,
    Text,
    Id,
    Uri,
    Canonical,
    Number,
    Moment,
    Coding,
    CodeableConcept,
    Identifier,
    ContactPoint,
    HumanName,
    Address,
    Quantity,
    Money,
    Range,
    SampledData,
    Period,
    Timing,
    Reference,
    Extension,
    Other,
}

impl Shape {
    /// The shape of a type.
    #[must_use]
    pub fn of(id: TypeId) -> Self {
        static SHAPES: OnceLock<Vec<Shape>> = OnceLock::new();
        let build = || {
            let count = u16::try_from(definitions().len()).unwrap_or(u16::MAX);
            (0..count).map(|id| shape(TypeId(id))).collect()
        };
        let shapes = SHAPES.get_or_init(build);
        shapes.get(usize::from(id.0)).copied().unwrap_or(Self::Other)
    }
}

fn shape(id: TypeId) -> Shape {
    let all = definitions();
    let definition = all.get(id);
    let is = |name: &str| all.type_id(name).is_some_and(|ancestor| all.is_a(id, ancestor));
    match definition.name.as_str() {
        "code" => Shape::Code,
        "boolean" | "System.Boolean" => Shape::Boolean,
        "id" => Shape::Id,
        "canonical" => Shape::Canonical,
        "decimal" | "integer" | "positiveInt" | "unsignedInt" | "System.Integer" | "System.Decimal" => Shape::Number,
        "date" | "dateTime" | "instant" => Shape::Moment,
        "Coding" => Shape::Coding,
        "CodeableConcept" => Shape::CodeableConcept,
        "Identifier" => Shape::Identifier,
        "ContactPoint" => Shape::ContactPoint,
        "HumanName" => Shape::HumanName,
        "Address" => Shape::Address,
        "Money" => Shape::Money,
        "Range" => Shape::Range,
        "SampledData" => Shape::SampledData,
        "Period" => Shape::Period,
        "Timing" => Shape::Timing,
        "Reference" => Shape::Reference,
        "Extension" => Shape::Extension,
        _ if is("Quantity") => Shape::Quantity,
        _ if definition.kind == Kind::Primitive && is("uri") => Shape::Uri,
        _ if definition.kind == Kind::Primitive && is("string") => Shape::Text,
        "System.String" => Shape::Text,
        _ => Shape::Other,
    }
}

/// Which forms the values of a parameter can have; decides how a search value is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub struct Forms {
    /// Codes compared as written (identifiers, ids, URIs).
    pub exact: bool,
    /// Codes compared in lower case.
    pub folded: bool,
    /// Telephone numbers, compared by their digits.
    pub contact: bool,
    /// Whether a value can have a system.
    pub system: bool,
    /// Only `true` and `false`.
    pub boolean_only: bool,
    /// References, which can have an identifier.
    pub reference: bool,
    /// Canonicals, which can have a version.
    pub canonical: bool,
    /// Identifiers, which can have a type.
    pub identifier: bool,
    /// Codings, which can have a text.
    pub coding: bool,
}

impl Forms {
    /// The forms of values of these types; all when the types are unknown.
    #[must_use]
    pub fn of(types: Option<&[TypeId]>) -> Self {
        let any = Self {
            exact: true,
            folded: true,
            contact: true,
            system: true,
            boolean_only: false,
            reference: true,
            canonical: true,
            identifier: true,
            coding: true,
        };
        let Some(types) = types else { return any };
        let mut forms = Self { boolean_only: !types.is_empty(), ..Self::default() };
        for id in types {
            match Shape::of(*id) {
                Shape::Extension => return any,
                shape => forms = forms.with(shape),
            }
        }
        forms
    }

    /// The forms of one shape.
    #[must_use]
    pub fn of_shape(shape: Shape) -> Self {
        Self { boolean_only: true, ..Self::default() }.with(shape)
    }

    /// Whether a value can be a code of a code system.
    #[must_use]
    pub const fn has_codes(&self) -> bool {
        self.coding || (self.folded && !self.contact && !self.boolean_only)
    }

    fn with(mut self, shape: Shape) -> Self {
        match shape {
            Shape::Identifier => (self.exact, self.system, self.identifier) = (true, true, true),
            Shape::Coding | Shape::CodeableConcept => (self.folded, self.system, self.coding) = (true, true, true),
            Shape::Id | Shape::Uri => self.exact = true,
            Shape::Canonical => (self.exact, self.canonical) = (true, true),
            Shape::ContactPoint => (self.folded, self.contact, self.system) = (true, true, true),
            Shape::Reference => self.reference = true,
            _ => self.folded = true,
        }
        self.boolean_only &= shape == Shape::Boolean;
        self
    }
}
