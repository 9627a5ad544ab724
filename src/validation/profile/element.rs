//! One `ElementDefinition` in the form that validation asks: of a differential (what is absent is
//! not constrained), of a snapshot, or of the compact tables of the standard.
//!
//! FHIR R4 elementdefinition.html. Prose, mappings and examples are not read.

use std::sync::Arc;

use crate::format::json::Node;
use crate::r4::definitions::Invariant;

/// `max` when it is `*`.
pub(crate) const UNBOUNDED: u32 = u32::MAX;
const FHIRPATH_TYPES: &str = "http://hl7.org/fhirpath/";
const FHIR_TYPE: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";
const PROFILE_ELEMENT: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-profile-element";
const MAX_VALUE_SET: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet";
const NARRATIVE_LANGUAGE: &str = "http://hl7.org/fhir/StructureDefinition/narrative-language-control";
/// Elements that R5 has and R4 profiles may already use.
const FROM_R5: &str = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.";
/// Where HL7's own types have their canonical URLs.
pub(crate) const CORE: &str = "http://hl7.org/fhir/StructureDefinition/";

/// How a discriminator tells slices apart (`http://hl7.org/fhir/discriminator-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiscriminatorKind {
    Value,
    Exists,
    Pattern,
    Type,
    Profile,
}

/// Whether there may be more than the slices (`http://hl7.org/fhir/resource-slicing-rules`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlicingRules {
    Closed,
    Open,
    OpenAtEnd,
}

/// `ElementDefinition.slicing`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slicing {
    pub(crate) discriminators: Vec<(DiscriminatorKind, String)>,
    pub(crate) ordered: bool,
    pub(crate) rules: SlicingRules,
}

/// `ElementDefinition.type`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TypeRef {
    /// `Patient`, `CodeableConcept`, `System.String`; the last part of the URL for others.
    pub(crate) code: String,
    pub(crate) profiles: Vec<String>,
    /// Full canonical URLs.
    pub(crate) targets: Vec<String>,
    /// `contained`, `referenced`, `bundled`; empty is any.
    pub(crate) aggregation: Vec<String>,
}

/// `ElementDefinition.binding`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) strength: Strength,
    pub(crate) value_set: String,
    /// Required whatever the strength.
    pub(crate) max_value_set: Option<String>,
}

/// `http://hl7.org/fhir/binding-strength`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strength {
    Example,
    Preferred,
    Extensible,
    Required,
}

impl Strength {
    pub(crate) fn of(code: &str) -> Self {
        match code {
            "required" => Self::Required,
            "extensible" => Self::Extensible,
            "preferred" => Self::Preferred,
            _ => Self::Example,
        }
    }
}

/// One element of a definition. What is `None` (or empty) says nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct ElementDef {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) slice_name: Option<String>,
    pub(crate) min: Option<u32>,
    pub(crate) max: Option<u32>,
    pub(crate) slicing: Option<Slicing>,
    pub(crate) types: Vec<TypeRef>,
    /// Path of the element whose children this one shares.
    pub(crate) content_reference: Option<String>,
    /// With the suffix of the property, the type: `("Uri", …)`.
    pub(crate) fixed: Option<Arc<Node<'static>>>,
    pub(crate) pattern: Option<Arc<Node<'static>>>,
    pub(crate) min_value: Option<Arc<Node<'static>>>,
    pub(crate) max_value: Option<Arc<Node<'static>>>,
    pub(crate) max_length: Option<usize>,
    pub(crate) binding: Option<Binding>,
    pub(crate) constraints: Vec<Arc<Invariant>>,
    pub(crate) must_support: bool,
    pub(crate) is_modifier: bool,
    pub(crate) must_have_value: bool,
    pub(crate) alternatives: Vec<String>,
    /// Languages a narrative must have sections in: codes, `_resource`, `_yes`, `_no`.
    pub(crate) narrative_languages: Vec<String>,
}

impl ElementDef {
    /// Reads one element of a StructureDefinition.
    pub(crate) fn read(node: &Node<'_>) -> Self {
        let text = |name: &str| node.text(name).map(str::to_owned);
        let of_r5 = |name: &str| {
            let extensions = node.list("extension").iter();
            let own = move |extension: &&Node<'_>| {
                extension.text("url").and_then(|url| url.strip_prefix(FROM_R5)) == Some(name)
            };
            extensions.filter(own).collect::<Vec<_>>()
        };
        Self {
            id: text("id").unwrap_or_default(),
            path: text("path").unwrap_or_default(),
            slice_name: text("sliceName"),
            min: number(node, "min"),
            max: node.text("max").map(max_of),
            slicing: node.get("slicing").map(slicing),
            types: node.list("type").iter().map(type_ref).collect(),
            content_reference: text("contentReference")
                .map(|reference| reference.rsplit_once('#').map_or(reference.clone(), |(_, path)| path.to_owned())),
            fixed: typed(node, "fixed"),
            pattern: typed(node, "pattern"),
            min_value: typed(node, "minValue"),
            max_value: typed(node, "maxValue"),
            max_length: number(node, "maxLength").and_then(|length| usize::try_from(length).ok()),
            binding: node.get("binding").and_then(binding),
            constraints: node.list("constraint").iter().filter_map(constraint).map(Arc::new).collect(),
            must_support: node.get("mustSupport").and_then(Node::as_bool).unwrap_or(false),
            is_modifier: node.get("isModifier").and_then(Node::as_bool).unwrap_or(false),
            must_have_value: of_r5("mustHaveValue")
                .iter()
                .any(|extension| extension.get("valueBoolean") == Some(&Node::Bool(true))),
            alternatives: of_r5("valueAlternatives")
                .iter()
                .filter_map(|extension| extension.text("valueCanonical").or_else(|| extension.text("valueUri")))
                .map(str::to_owned)
                .collect(),
            narrative_languages: node
                .list("extension")
                .iter()
                .filter(|extension| extension.text("url") == Some(NARRATIVE_LANGUAGE))
                .filter_map(|extension| extension.text("valueCode"))
                .map(str::to_owned)
                .collect(),
        }
    }

    /// Reads one element of the compact tables (`fhir-profiles/README.md`).
    pub(crate) fn read_compact(node: &Node<'_>) -> Self {
        let path = node.text("p").unwrap_or_default().to_owned();
        let strings = |node: &Node<'_>, name: &str| -> Vec<String> {
            node.list(name).iter().filter_map(Node::as_str).map(str::to_owned).collect()
        };
        let types = node.list("t").iter().map(|found| TypeRef {
            code: found.text("c").unwrap_or_default().to_owned(),
            profiles: strings(found, "pr"),
            targets: strings(found, "tp").into_iter().map(full_url).collect(),
            aggregation: Vec::new(),
        });
        let max_value_set = node.text("bm").map(str::to_owned);
        let binding = match node.list("b") {
            [strength, value_set] => Some(Binding {
                strength: Strength::of(strength.as_str().unwrap_or_default()),
                value_set: value_set.as_str().unwrap_or_default().to_owned(),
                max_value_set,
            }),
            _ => None,
        };
        let invariant = |entry: &Node<'_>| {
            let text = |name: &str| entry.text(name).unwrap_or_default().to_owned();
            Arc::new(Invariant {
                key: text("k"),
                is_error: text("s") == "error",
                human: text("h"),
                expression: text("x"),
            })
        };
        Self {
            id: path.clone(),
            min: Some(number(node, "min").unwrap_or(0)),
            max: Some(max_of(node.text("max").unwrap_or("1"))),
            types: types.collect(),
            content_reference: node.text("ref").map(str::to_owned),
            fixed: typed(node, "fixed"),
            pattern: typed(node, "pattern"),
            min_value: typed(node, "minValue"),
            max_value: typed(node, "maxValue"),
            max_length: number(node, "maxLength").and_then(|length| usize::try_from(length).ok()),
            binding,
            constraints: node.list("inv").iter().map(invariant).collect(),
            is_modifier: node.get("m").is_some(),
            path,
            ..Self::default()
        }
    }

    /// The last part of the path: `value[x]`.
    pub(crate) fn segment(&self) -> &str {
        self.path.rsplit_once('.').map_or(self.path.as_str(), |(_, last)| last)
    }

    /// `value` of `value[x]`.
    pub(crate) fn name(&self) -> &str {
        let segment = self.segment();
        segment.strip_suffix("[x]").unwrap_or(segment)
    }

    pub(crate) fn is_choice(&self) -> bool {
        self.path.ends_with("[x]")
    }

    /// Lays a differential's element over this one (FHIR R4 profiling.html#differential).
    pub(crate) fn merge(&mut self, change: &Self) {
        let keep = |new: &Option<Arc<Node<'static>>>, old: &mut Option<Arc<Node<'static>>>| {
            if new.is_some() {
                old.clone_from(new);
            }
        };
        keep(&change.fixed, &mut self.fixed);
        keep(&change.pattern, &mut self.pattern);
        keep(&change.min_value, &mut self.min_value);
        keep(&change.max_value, &mut self.max_value);
        self.min = change.min.or(self.min);
        self.max = change.max.or(self.max);
        self.max_length = change.max_length.or(self.max_length);
        if let Some(slicing) = &change.slicing {
            self.slicing = Some(slicing.clone());
        }
        if !change.types.is_empty() {
            // As HL7's tools do: what a differential says of types replaces all that was said.
            self.types.clone_from(&change.types);
        }
        if let Some(binding) = &change.binding {
            let inherited = self.binding.as_ref().and_then(|old| old.max_value_set.clone());
            let max_value_set = binding.max_value_set.clone().or(inherited);
            self.binding = Some(Binding { max_value_set, ..binding.clone() });
        }
        for constraint in &change.constraints {
            self.constraints.retain(|old| old.key != constraint.key);
            self.constraints.push(Arc::clone(constraint));
        }
        self.narrative_languages.extend(change.narrative_languages.iter().cloned());
        self.must_have_value |= change.must_have_value;
        self.alternatives.extend(change.alternatives.iter().cloned());
        self.must_support |= change.must_support;
        self.is_modifier |= change.is_modifier;
        if let Some(name) = &change.slice_name {
            self.slice_name = Some(name.clone());
        }
    }
}

/// The canonical URL of what may be a bare name of one of HL7's types.
pub(crate) fn full_url(name: String) -> String {
    if name.contains('/') || name.contains(':') { name } else { format!("{CORE}{name}") }
}

fn number(node: &Node<'_>, name: &str) -> Option<u32> {
    match node.get(name) {
        Some(Node::Number(digits)) => digits.parse().ok(),
        _ => None,
    }
}

fn max_of(text: &str) -> u32 {
    text.parse().unwrap_or(UNBOUNDED)
}

/// `fixed[x]` and its like.
fn typed(node: &Node<'_>, prefix: &str) -> Option<Arc<Node<'static>>> {
    let is_it = |name: &str| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
    };
    let (_, value) = node.members().iter().find(|(name, _)| is_it(name))?;
    Some(Arc::new(value.clone().into_owned()))
}

fn slicing(node: &Node<'_>) -> Slicing {
    let kind = |code: &str| match code {
        "exists" => DiscriminatorKind::Exists,
        "pattern" => DiscriminatorKind::Pattern,
        "type" => DiscriminatorKind::Type,
        "profile" => DiscriminatorKind::Profile,
        _ => DiscriminatorKind::Value,
    };
    Slicing {
        discriminators: node
            .list("discriminator")
            .iter()
            .map(|found| {
                (kind(found.text("type").unwrap_or_default()), found.text("path").unwrap_or("$this").to_owned())
            })
            .collect(),
        ordered: node.get("ordered").and_then(Node::as_bool).unwrap_or(false),
        rules: match node.text("rules") {
            Some("closed") => SlicingRules::Closed,
            Some("openAtEnd") => SlicingRules::OpenAtEnd,
            _ => SlicingRules::Open,
        },
    }
}

fn type_ref(node: &Node<'_>) -> TypeRef {
    let strings = |name: &str| node.list(name).iter().filter_map(Node::as_str).map(str::to_owned).collect();
    let code = node.text("code").unwrap_or_default();
    let code = match code.strip_prefix(FHIRPATH_TYPES) {
        Some(system) => node
            .list("extension")
            .iter()
            .find(|extension| extension.text("url") == Some(FHIR_TYPE))
            .and_then(|extension| extension.text("valueUrl").or_else(|| extension.text("valueUri")))
            .unwrap_or(system),
        None => code.strip_prefix(CORE).unwrap_or(code),
    };
    TypeRef {
        code: code.to_owned(),
        profiles: profiles(node),
        targets: strings("targetProfile"),
        aggregation: strings("aggregation"),
    }
}

/// `type.profile`; where an element of a profile is meant (the extension profile-element), its id is the fragment.
fn profiles(node: &Node<'_>) -> Vec<String> {
    let element_of = |place: usize| {
        let extensions = node.list("_profile").get(place)?.list("extension").iter();
        let named = extensions.filter(|extension| extension.text("url") == Some(PROFILE_ELEMENT));
        named.filter_map(|extension| extension.text("valueString")).next()
    };
    let with_element = |(place, url): (usize, &str)| match element_of(place) {
        Some(id) => format!("{url}#{id}"),
        None => url.to_owned(),
    };
    let urls = node.list("profile").iter().enumerate();
    urls.filter_map(|(place, url)| Some((place, url.as_str()?))).map(with_element).collect()
}

fn binding(node: &Node<'_>) -> Option<Binding> {
    let value_set = node.text("valueSet").unwrap_or_default().to_owned();
    let extension = node.list("extension").iter().find(|extension| extension.text("url") == Some(MAX_VALUE_SET));
    let max_value_set = extension
        .and_then(|extension| extension.text("valueCanonical").or_else(|| extension.text("valueUri")))
        .map(str::to_owned);
    let strength = Strength::of(node.text("strength").unwrap_or_default());
    (!value_set.is_empty() || max_value_set.is_some()).then_some(Binding { strength, value_set, max_value_set })
}

fn constraint(node: &Node<'_>) -> Option<Invariant> {
    let text = |name: &str| node.text(name).unwrap_or_default().to_owned();
    Some(Invariant {
        key: text("key"),
        is_error: node.text("severity") == Some("error"),
        human: text("human"),
        expression: node.text("expression")?.to_owned(),
    })
}
