//! The search parameters of every resource type, with their expressions compiled for that type.
//!
//! Numbers are stored in the database. Those of the standard count over all codes it defines for a
//! type, supported or not, and over the derived `<code>:identifier` of every reference: they stay the
//! same when more becomes supported. Parameters that came later ([`Custom`]: of our own guide, or
//! stored as SearchParameter resources) have numbers above [`FIRST_CUSTOM`], given once and never
//! again: a number means one definition for ever, so its rows can be told from all others.
//!
//! A [`Registry`] never changes. A request takes one and uses it to its end; a change makes another.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::fhirpath::ast::{Binary, Expression};
use crate::fhirpath::{Compiled, FhirPathError, compile, parser};
use crate::r4::parameters::{ParameterKind, SearchParameter};
use crate::r4::{Definitions, TypeId, definitions};

use super::query::Named;
use super::shape::{Forms, Shape};

/// Suffix of the derived parameters that hold `Reference.identifier` as tokens.
pub const IDENTIFIER: &str = ":identifier";

/// Codes with rules of their own, never indexed.
const APART: [&str; 6] = ["_id", "_lastUpdated", "_text", "_content", "_query", "_filter"];

/// The numbers below are those of the standard.
pub const FIRST_CUSTOM: i32 = 1 << 16;

/// The one special parameter of the standard that is indexed: places.
pub const NEAR: &str = "http://hl7.org/fhir/SearchParameter/Location-near";

/// One search parameter of one resource type.
#[derive(Debug)]
pub struct Parameter {
    /// See [`type_of`].
    pub number: i32,
    /// The name used in searches.
    pub code: String,
    /// Its kind.
    pub kind: ParameterKind,
    /// Canonical URL of its definition.
    pub url: String,
    /// FHIRPath as the standard writes it.
    pub expression: String,
    /// For references: numbers of the types they may point at; empty is any.
    pub targets: Vec<u8>,
    /// For composites: the components, token first.
    pub components: Vec<Component>,
    /// For references: the number of `<code>:identifier`.
    pub identifier: Option<i32>,
    /// Whether this is a `<code>:identifier`.
    pub is_derived: bool,
    /// The forms its values can have.
    pub forms: Forms,
    /// The id of the SearchParameter that defines it here; `None` for those that are built in.
    pub source: Option<Box<str>>,
    pub(super) compiled: Compiled,
}

/// A component of a composite parameter.
#[derive(Debug)]
pub struct Component {
    /// The kind of the parameter it is defined by.
    pub kind: ParameterKind,
    /// For references: numbers of the possible types; empty is any.
    pub targets: Vec<u8>,
    /// The forms its values can have.
    pub forms: Forms,
    /// Its expression, for each type the composite's values can have.
    pub(super) by_type: Vec<(TypeId, Compiled)>,
}

/// A parameter beyond the standard, on one resource type.
#[derive(Debug, Clone)]
pub struct Custom {
    /// Its number; that of its `:identifier` is [`identifier_number`].
    pub number: i32,
    /// Number of the resource type.
    pub type_number: u8,
    /// Its definition.
    pub definition: Arc<Frozen>,
    /// The id of the SearchParameter resource; `None` when it is of our own guide.
    pub source: Option<Box<str>>,
}

/// A definition with those of its components, so that its meaning is complete and cannot change.
#[derive(Debug, Clone)]
pub struct Frozen {
    /// The definition.
    pub parameter: SearchParameter,
    /// For composites: the definitions of the components.
    pub parts: Vec<SearchParameter>,
}

/// The resource type that a parameter belongs to.
#[must_use]
pub const fn type_of(number: i32) -> u8 {
    let number = number.wrapping_abs();
    (if number < FIRST_CUSTOM { number >> 8 } else { number & 0xff }) as u8
}

/// The number of a custom parameter: the `serial`-th that was ever given, on a type.
#[must_use]
pub fn custom_number(serial: i32, type_number: u8) -> Option<i32> {
    serial.checked_mul(512)?.checked_add(FIRST_CUSTOM)?.checked_add(i32::from(type_number))
}

/// The serial in a number made by [`custom_number`].
#[must_use]
pub const fn serial_of(number: i32) -> i32 {
    (number - FIRST_CUSTOM) / 512
}

/// The number of the `:identifier` of a custom reference parameter.
#[must_use]
pub const fn identifier_number(number: i32) -> i32 {
    number + 256
}

/// All parameters at one time.
#[derive(Debug)]
pub struct Registry {
    generation: i64,
    types: Vec<OfType>,
}

/// The parameters of a type.
#[derive(Debug, Clone, Default)]
struct OfType {
    /// Sorted by code.
    found: Arc<[Arc<Parameter>]>,
    /// Overridden ones of the standard. Their rows are kept, so that they are complete when they come back.
    hidden: Arc<[Arc<Parameter>]>,
}

/// The parameters of the standard, built at the first call.
#[must_use]
pub fn registry() -> &'static Arc<Registry> {
    static REGISTRY: OnceLock<Arc<Registry>> = OnceLock::new();
    REGISTRY.get_or_init(|| Arc::new(Registry::build(definitions())))
}

impl Registry {
    /// Which registry of a database this is: a later one has a higher number.
    #[must_use]
    pub const fn generation(&self) -> i64 {
        self.generation
    }

    /// The supported parameters of a resource type, sorted by code; derived ones included.
    #[must_use]
    pub fn of(&self, type_number: u8) -> &[Arc<Parameter>] {
        self.at(type_number).map_or(&[], |list| &list.found)
    }

    /// The parameters whose values are indexed: [`Self::of`] and those of the standard that are overridden.
    pub fn indexed(&self, type_number: u8) -> impl Iterator<Item = &Parameter> {
        let list = self.at(type_number);
        list.into_iter().flat_map(|list| list.found.iter().chain(list.hidden.iter())).map(Arc::as_ref)
    }

    fn at(&self, type_number: u8) -> Option<&OfType> {
        usize::from(type_number).checked_sub(1).and_then(|place| self.types.get(place))
    }

    /// A parameter of a type by its code.
    #[must_use]
    pub fn find(&self, type_number: u8, code: &str) -> Option<&Parameter> {
        let list = self.of(type_number);
        let place = list.binary_search_by(|parameter| parameter.code.as_str().cmp(code)).ok()?;
        list.get(place).map(Arc::as_ref)
    }

    /// A parameter by its number, or that of its second form.
    #[must_use]
    pub fn by_number(&self, number: i32) -> Option<&Parameter> {
        let number = number.wrapping_abs();
        self.indexed(type_of(number)).find(|parameter| parameter.number == number)
    }

    /// What a canonical can name: a type whose resources have a canonical URL.
    #[must_use]
    pub fn named(&self, type_number: u8) -> Option<Named> {
        let find = |code: &str, kind| self.find(type_number, code).filter(|found| found.kind == kind);
        let url = find("url", ParameterKind::Uri)?.number;
        let version = find("version", ParameterKind::Token).map(|found| found.number);
        Some(Named { type_number, url, version })
    }

    /// The codes a client may use on a type, sorted.
    pub fn codes(&self, type_number: u8) -> impl Iterator<Item = &str> {
        self.of(type_number).iter().filter(|parameter| !parameter.is_derived).map(|parameter| parameter.code.as_str())
    }

    fn build(all: &Definitions) -> Self {
        let types = all.resources().iter().enumerate().map(|(place, id)| OfType {
            found: of_type(all, *id, i32::try_from(place + 1).unwrap_or_default()).into(),
            hidden: Arc::default(),
        });
        Self { generation: 0, types: types.collect() }
    }

    /// The standard's parameters and these. One with a code of the standard takes its place.
    /// Answers also the numbers of those that cannot be used.
    #[must_use]
    pub fn with(generation: i64, customs: &[Custom]) -> (Self, Vec<i32>) {
        let mut types = registry().types.clone();
        let mut unusable = Vec::new();
        for custom in customs {
            let place = usize::from(custom.type_number).checked_sub(1);
            let Some(list) = place.and_then(|place| types.get_mut(place)) else { continue };
            let Ok(made) = custom_parameters(custom) else {
                unusable.push(custom.number);
                continue;
            };
            let code = &custom.definition.parameter.code;
            let replaced = |parameter: &Arc<Parameter>| {
                parameter.code.strip_suffix(IDENTIFIER).unwrap_or(&parameter.code) == code.as_str()
            };
            let (replaced, mut found): (Vec<_>, Vec<_>) = list.found.iter().cloned().partition(replaced);
            found.extend(made.into_iter().map(Arc::new));
            found.sort_by(|left, right| left.code.cmp(&right.code));
            list.found = found.into();
            list.hidden = list.hidden.iter().cloned().chain(replaced).collect();
        }
        (Self { generation, types }, unusable)
    }
}

/// A custom parameter ready to use, with its `:identifier` when it has one.
///
/// # Errors
/// Why it cannot be used on this type.
pub fn custom_parameters(custom: &Custom) -> Result<Vec<Parameter>, Unusable> {
    let all = definitions();
    let place = usize::from(custom.type_number).checked_sub(1);
    let id = *place.and_then(|place| all.resources().get(place)).ok_or(Unusable::Kind)?;
    let Frozen { parameter: definition, parts } = custom.definition.as_ref();
    let make = |code: &str, number: i32| {
        let made = parameter(all, definition, parts, code, number, id)?;
        Ok::<_, FhirPathError>(made.map(|made| Parameter { source: custom.source.clone(), ..made }))
    };
    let mut made = make(&definition.code, custom.number)?.ok_or(Unusable::Kind)?;
    let derived = match definition.kind {
        ParameterKind::Reference => {
            make(&format!("{}{IDENTIFIER}", definition.code), identifier_number(custom.number))?
        }
        _ => None,
    };
    made.identifier = derived.as_ref().map(|derived| derived.number);
    Ok(std::iter::once(made).chain(derived).collect())
}

/// Why a definition cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Its expression.
    #[error(transparent)]
    Expression(#[from] FhirPathError),
    /// It is special, has no expression, or is a composite that the index has no room for.
    #[error("parameters of this kind are not supported")]
    Kind,
}

fn of_type(all: &Definitions, id: TypeId, type_number: i32) -> Vec<Arc<Parameter>> {
    let name = &all.get(id).name;
    let bases = |base: &String| all.type_id(base).is_some_and(|base| all.is_a(id, base));
    let mut codes: BTreeMap<String, &SearchParameter> = BTreeMap::new();
    for definition in all.parameters.iter().filter(|parameter| parameter.base.iter().any(bases)) {
        if definition.kind == ParameterKind::Reference {
            codes.insert(format!("{}{IDENTIFIER}", definition.code), definition);
        }
        codes.insert(definition.code.clone(), definition);
    }
    let numbers: BTreeMap<&str, i32> = codes.keys().map(String::as_str).zip(type_number << 8..).collect();
    codes
        .iter()
        .filter(|(code, _)| !APART.contains(&code.as_str()))
        .filter_map(|(code, definition)| {
            let number = numbers.get(code.as_str()).copied()?;
            let mut parameter = parameter(all, definition, &all.parameters, code, number, id).ok().flatten()?;
            if parameter.kind == ParameterKind::Reference {
                let holds = parameter.forms.reference;
                parameter.identifier = numbers.get(format!("{code}{IDENTIFIER}").as_str()).copied().filter(|_| holds);
            }
            Some(Arc::new(parameter))
        })
        .inspect(|parameter| debug_assert!(parameter.number >> 8 == type_number, "{name} has too many parameters"))
        .collect()
}

/// `None` for what the standard leaves without expression and for what is not supported yet.
fn parameter(
    all: &Definitions,
    definition: &SearchParameter,
    known: &[SearchParameter],
    code: &str,
    number: i32,
    id: TypeId,
) -> Result<Option<Parameter>, FhirPathError> {
    let Some(expression) = &definition.expression else { return Ok(None) };
    if definition.kind == ParameterKind::Special && definition.url != NEAR {
        return Ok(None);
    }
    let compiled = compile_restricted(all, expression, id)?;
    let mut components = Vec::new();
    if definition.kind == ParameterKind::Composite {
        for (url, part) in &definition.components {
            let Some(mut component) = component(known, url, part, &compiled, id)? else { return Ok(None) };
            component.targets = component_targets(all, known, definition);
            components.push(component);
        }
        // The index has room for a token and another value, or (four of MolecularSequence) two numbers.
        let is_number = |component: &Component| component.kind == ParameterKind::Number;
        let fits = match components.as_slice() {
            [first, _] => first.kind == ParameterKind::Token,
            [first, second, third] => first.kind == ParameterKind::Token && is_number(second) && is_number(third),
            _ => false,
        };
        if !fits {
            return Ok(None);
        }
    }
    let forms = Forms::of(compiled.types());
    let is_derived = code.ends_with(IDENTIFIER);
    if is_derived && !forms.reference {
        return Ok(None);
    }
    Ok(Some(Parameter {
        number,
        code: code.to_owned(),
        kind: if is_derived { ParameterKind::Token } else { definition.kind },
        url: definition.url.clone(),
        expression: expression.clone(),
        targets: target_numbers(all, definition),
        components,
        identifier: None,
        is_derived,
        forms: if is_derived { Forms::of_shape(Shape::Identifier) } else { forms },
        source: None,
        compiled,
    }))
}

fn target_numbers(all: &Definitions, definition: &SearchParameter) -> Vec<u8> {
    let mut numbers: Vec<u8> = definition.targets.iter().filter_map(|name| all.resource_number(name)).collect();
    numbers.sort_unstable();
    if numbers.len() == all.resources().len() {
        numbers.clear();
    }
    numbers
}

/// Compiles the branches of a union that start at this type.
fn compile_restricted(all: &Definitions, text: &str, id: TypeId) -> Result<Compiled, FhirPathError> {
    let starts_elsewhere = |branch: &Expression| {
        branch
            .leading_name()
            .and_then(|name| all.type_id(name).filter(|_| name.starts_with(|first: char| first.is_ascii_uppercase())))
            .is_some_and(|named| !all.is_a(id, named))
    };
    let branches = parser::parse(text)?.branches().into_iter().filter(|branch| !starts_elsewhere(branch));
    let joined = branches.reduce(|left, right| Expression::Binary(Binary::Union, Box::new(left), Box::new(right)));
    let nothing = Expression::Literal(crate::fhirpath::ast::Literal::Empty);
    compile::tree(&joined.unwrap_or(nothing), Some(id))
}

fn component(
    known: &[SearchParameter],
    url: &str,
    text: &str,
    whole: &Compiled,
    root: TypeId,
) -> Result<Option<Component>, FhirPathError> {
    let Some(definition) = known.iter().find(|parameter| parameter.url == url) else { return Ok(None) };
    let expression = parser::parse(text)?;
    let mut by_type = Vec::new();
    let mut types: Vec<TypeId> = Vec::new();
    for focus in whole.types().unwrap_or_default() {
        let compiled = compile::tree_in(&expression, *focus, root)?;
        types.extend(compiled.types().unwrap_or_default());
        by_type.push((*focus, compiled));
    }
    let forms = Forms::of(Some(&types));
    // DocumentReference.relationship names its two definitions in the wrong order; the expressions
    // are right, so the values decide between token and reference.
    let kind = match definition.kind {
        ParameterKind::Reference if !forms.reference && !forms.canonical => ParameterKind::Token,
        ParameterKind::Token if forms.reference && !forms.folded && !forms.exact => ParameterKind::Reference,
        kind => kind,
    };
    Ok(Some(Component { kind, targets: Vec::new(), forms, by_type }))
}

/// The types a reference among the components may point at.
fn component_targets(all: &Definitions, known: &[SearchParameter], composite: &SearchParameter) -> Vec<u8> {
    let parts = composite.components.iter().filter_map(|(url, _)| known.iter().find(|part| part.url == *url));
    parts.flat_map(|part| target_numbers(all, part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(name: &str) -> u8 {
        definitions().resource_number(name).unwrap()
    }

    /// FHIR R4 search.html#all: parameters of `Resource` apply to all types.
    #[test]
    fn parameters_of_resource_are_inherited() {
        for id in definitions().resources() {
            let name = &definitions().get(*id).name;
            for code in ["_profile", "_security", "_source", "_tag"] {
                assert!(registry().find(number(name), code).is_some(), "{name}.{code}");
            }
            assert!(registry().find(number(name), "_id").is_none());
        }
    }

    #[test]
    fn every_number_leads_back_to_its_parameter() {
        for type_number in 1..=146 {
            let list = registry().of(type_number);
            assert!(list.is_sorted_by(|left, right| left.code < right.code && left.number < right.number));
            for parameter in list {
                assert_eq!(parameter.number >> 8, i32::from(type_number));
                assert!(std::ptr::eq(registry().by_number(parameter.number).unwrap(), parameter.as_ref()));
                assert_eq!(type_of(parameter.number), type_number);
            }
        }
        assert!(registry().by_number(-1).is_none() && registry().by_number(1 << 30).is_none());
    }

    /// Numbers are in databases: these must never change.
    #[test]
    fn numbers_are_fixed() {
        let of = |name, code| registry().find(number(name), code).map(|parameter| parameter.number);
        let patient = i32::from(number("Patient")) << 8;
        assert_eq!(of("Patient", "_profile"), Some(patient + 4));
        assert!(of("Patient", "name").is_some_and(|number| number > patient));
    }

    #[test]
    fn nothing_the_standard_can_express_is_missing() {
        let all = definitions();
        for (place, id) in all.resources().iter().enumerate() {
            let missing: Vec<&str> = all
                .parameters
                .iter()
                .filter(|parameter| parameter.expression.is_some() && parameter.base.contains(&all.get(*id).name))
                .map(|parameter| parameter.code.as_str())
                .filter(|code| registry().find(u8::try_from(place + 1).unwrap(), code).is_none())
                .collect();
            assert!(missing.is_empty(), "{}: {missing:?}", all.get(*id).name);
        }
    }

    /// FHIR R4 search.html#reference, `:identifier`.
    #[test]
    fn references_have_a_parameter_for_their_identifier() {
        let subject = registry().find(number("Observation"), "subject").unwrap();
        let derived = registry().by_number(subject.identifier.unwrap()).unwrap();
        assert!(derived.is_derived && derived.code == "subject:identifier" && derived.kind == ParameterKind::Token);
        let canonical = registry().find(number("PlanDefinition"), "definition").unwrap();
        assert!(canonical.identifier.is_none());
    }
}
