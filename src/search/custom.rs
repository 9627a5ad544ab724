//! Search parameters beyond the standard: from SearchParameter resources to definitions that can be
//! used, and what is wrong with one that cannot (FHIR R4 searchparameter.html).
//!
//! Only active ones count: drafts and retired ones are documents.

use std::sync::OnceLock;

use super::registry::{Custom, FIRST_CUSTOM, Frozen, Registry, Unusable, custom_parameters};
use super::shape::Shape;
use crate::format::json::{self, Node};
use crate::r4::canonical::split;
use crate::r4::guide::guide;
use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::parameters::{ParameterKind, SearchParameter};
use crate::r4::{TypeId, definitions};

/// What a stored SearchParameter defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defined {
    /// Numbers of the resource types.
    pub types: Vec<u8>,
    /// The code.
    pub code: String,
    /// Canonical URL.
    pub url: String,
}

/// The definition in a resource that is active and says more than the standard does.
#[must_use]
pub fn active(resource: &Node<'_>) -> Option<SearchParameter> {
    if resource.text("status") != Some("active") {
        return None;
    }
    SearchParameter::read(resource).filter(|definition| !definitions().parameters.contains(definition))
}

/// Those of our own guide.
#[must_use]
pub fn own() -> &'static [SearchParameter] {
    static OWN: OnceLock<Vec<SearchParameter>> = OnceLock::new();
    OWN.get_or_init(|| guide().definitions().filter_map(|definition| active(definition)).collect())
}

/// The resource types a definition is for; `Resource` and `DomainResource` are all.
#[must_use]
pub fn types(definition: &SearchParameter) -> Vec<u8> {
    let all = definitions();
    let bases: Vec<TypeId> = definition.base.iter().filter_map(|base| all.type_id(base)).collect();
    let is_meant = |id: &TypeId| bases.iter().any(|base| all.is_a(*id, *base));
    let numbered = (1_u8..).zip(all.resources());
    numbered.filter(|(_, id)| is_meant(id)).map(|(number, _)| number).collect()
}

/// A definition with those of its components, looked up among `known`, our own and the standard's.
#[must_use]
pub fn freeze(definition: &SearchParameter, known: &[SearchParameter]) -> Option<Frozen> {
    let mut parameter = definition.clone();
    let mut parts = Vec::new();
    for (url, _) in &mut parameter.components {
        *url = split(url).0.to_owned();
        let part = known.iter().chain(own()).chain(&definitions().parameters).find(|part| part.url == *url)?;
        parts.push(part.clone());
    }
    Some(Frozen { parameter, parts })
}

fn node(definition: &SearchParameter) -> Node<'static> {
    let strings = |list: &[String]| Node::Array(list.iter().cloned().map(Node::string).collect());
    let mut members = vec![
        ("resourceType", Node::string("SearchParameter")),
        ("url", Node::string(definition.url.clone())),
        ("code", Node::string(definition.code.clone())),
        ("base", strings(&definition.base)),
        ("type", Node::string(definition.kind.code())),
    ];
    if let Some(expression) = &definition.expression {
        members.push(("expression", Node::string(expression.clone())));
    }
    if !definition.targets.is_empty() {
        members.push(("target", strings(&definition.targets)));
    }
    if !definition.components.is_empty() {
        let components = definition.components.iter().map(|(url, expression)| {
            Node::object([("definition", Node::string(url.clone())), ("expression", Node::string(expression.clone()))])
        });
        members.push(("component", Node::Array(components.collect())));
    }
    Node::object(members)
}

/// A definition as it is remembered: equal texts mean equal rows.
#[must_use]
pub fn definition_text(frozen: &Frozen) -> String {
    let mut whole = node(&frozen.parameter);
    if !frozen.parts.is_empty() {
        whole.set("contained", Node::Array(frozen.parts.iter().map(node).collect()));
    }
    String::from_utf8(whole.to_bytes()).unwrap_or_default()
}

/// Reads what [`definition_text`] wrote.
#[must_use]
pub fn frozen(text: &str) -> Option<Frozen> {
    let node = json::parse(text.as_bytes()).ok()?;
    let parts = node.list("contained").iter().map(SearchParameter::read).collect::<Option<_>>()?;
    Some(Frozen { parameter: SearchParameter::read(&node)?, parts })
}

/// Whether a definition can be used on a type.
///
/// # Errors
/// Why not.
pub fn check_on(frozen: &Frozen, type_number: u8) -> Result<(), Refused> {
    let definition = std::sync::Arc::new(frozen.clone());
    let made = custom_parameters(&Custom { number: FIRST_CUSTOM, type_number, definition, source: None })?;
    let Some(types) = made.first().and_then(|parameter| parameter.compiled.types()) else { return Ok(()) };
    if types.is_empty() {
        return Err(Refused::Nothing);
    }
    let kind = frozen.parameter.kind;
    if types.iter().any(|id| fits(kind, Shape::of(*id))) {
        return Ok(());
    }
    let names: Vec<&str> = types.iter().take(10).map(|id| definitions().get(*id).name.as_str()).collect();
    Err(Refused::Type(names.join(", ")))
}

/// Why a definition cannot be used on a type.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// See [`Unusable`].
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The expression leads nowhere there.
    #[error("it selects nothing there")]
    Nothing,
    /// The values have other types.
    #[error("its values are of type {0}")]
    Type(String),
}

/// FHIR R4 search.html, the table of each kind: the types its values may have.
fn fits(kind: ParameterKind, shape: Shape) -> bool {
    use Shape::*;
    // Its value counts, which has a type only when it is there.
    if shape == Extension {
        return true;
    }
    match kind {
        ParameterKind::Number => matches!(shape, Number | Range | Quantity),
        ParameterKind::Date => matches!(shape, Moment | Period | Timing),
        ParameterKind::String => matches!(shape, Text | Code | Id | HumanName | Address | CodeableConcept),
        ParameterKind::Token => matches!(
            shape,
            Code | Boolean | Text | Id | Uri | Canonical | Coding | CodeableConcept | Identifier | ContactPoint
        ),
        ParameterKind::Reference => matches!(shape, Reference | Canonical | Uri),
        ParameterKind::Quantity => matches!(shape, Quantity | Money | Range | SampledData),
        ParameterKind::Uri => matches!(shape, Uri | Canonical | Id | Text),
        ParameterKind::Composite => true,
        ParameterKind::Special => false,
    }
}

/// Checks a SearchParameter that is to be stored under `id` (empty when that is not known yet).
/// `None` when it changes nothing: it is not active, or says what the standard says.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(
    resource: &Node<'_>,
    id: &str,
    registry: &Registry,
    known: &[SearchParameter],
) -> Result<Option<Defined>, Vec<Issue>> {
    if resource.text("status") != Some("active") {
        return Ok(None);
    }
    let unsupported =
        |text: String, place: &str| Issue::error(IssueCode::NotSupported, text).at(format!("SearchParameter.{place}"));
    let wrong = |text: String, place: &str| Issue::error(IssueCode::Value, text).at(format!("SearchParameter.{place}"));
    let kind = resource.text("type").unwrap_or_default();
    if ParameterKind::parse(kind).is_none() {
        let right = "number, date, string, token, reference, composite, quantity and uri";
        return Err(vec![wrong(format!("{kind:?} is not a type of search parameter; they are {right}"), "type")]);
    }
    let Some(definition) = SearchParameter::read(resource) else {
        return Err(vec![wrong("url, code, base and type are needed".to_owned(), "url")]);
    };
    if definitions().parameters.contains(&definition) {
        return Ok(None);
    }
    let mut issues = Vec::new();
    let code = definition.code.as_str();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    if !code.starts_with(|first: char| first.is_ascii_alphanumeric()) || !code.chars().all(is_plain) || code.len() > 64
    {
        let right =
            "a letter or digit, then letters, digits, '-' and '_', 64 at most (what starts with '_' is the standard's)";
        issues.push(wrong(format!("the code {code:?} cannot be used in a search; right is {right}"), "code"));
    }
    if definition.kind == ParameterKind::Special {
        let text = "parameters of type special have rules of their own, which this server does not know";
        issues.push(unsupported(text.to_owned(), "type"));
    }
    if definition.expression.is_none() {
        let text = "an active search parameter needs the FHIRPath expression that selects its values";
        issues.push(Issue::error(IssueCode::Required, text).at("SearchParameter.expression"));
    }
    let all = definitions();
    for (place, base) in definition.base.iter().enumerate() {
        if !matches!(base.as_str(), "Resource" | "DomainResource") && all.resource_number(base).is_none() {
            issues
                .push(wrong(format!("{base:?} is not a resource type of FHIR R4 (4.0.1)"), &format!("base[{place}]")));
        }
    }
    for (place, target) in definition.targets.iter().enumerate() {
        if target != "Resource" && all.resource_number(target).is_none() {
            issues.push(wrong(
                format!("{target:?} is not a resource type of FHIR R4 (4.0.1)"),
                &format!("target[{place}]"),
            ));
        }
    }
    issues.extend(wrong_components(&definition, known));
    if !issues.is_empty() {
        return Err(issues);
    }
    let Some(frozen) = freeze(&definition, known) else { return Err(issues) };
    let types = types(&definition);
    let derived = split(resource.text("derivedFrom").unwrap_or_default()).0;
    for number in &types {
        let name = all.resource_by_number(*number).map_or("", |found| found.name.as_str());
        if let Err(refused) = check_on(&frozen, *number) {
            let place = match &refused {
                Refused::Unusable(Unusable::Kind) => "component",
                _ => "expression",
            };
            let text = match &refused {
                Refused::Type(_) => format!("on {name} {refused}, which a {kind} parameter cannot index"),
                Refused::Unusable(Unusable::Kind) => format!(
                    "on {name} a composite parameter has two components, the first of type token; others are not supported"
                ),
                _ => format!("on {name}: {refused}"),
            };
            issues.push(wrong(text, place));
        } else if let Some(clash) = clash(&definition, id, derived, *number, registry) {
            let text = format!(
                "{name} has the search parameter {code:?} already, defined by {clash}; take another code, or name what is built in as derivedFrom to take its place"
            );
            issues.push(Issue::error(IssueCode::Duplicate, text).at("SearchParameter.code"));
        }
        if issues.len() >= 5 {
            break;
        }
    }
    if issues.is_empty() {
        Ok(Some(Defined { types, code: definition.code, url: definition.url }))
    } else {
        Err(issues)
    }
}

/// The definition that has this code on a type and is not meant to be replaced.
fn clash(
    definition: &SearchParameter,
    id: &str,
    derived: &str,
    type_number: u8,
    registry: &Registry,
) -> Option<String> {
    let there = registry.find(type_number, &definition.code)?;
    let is_free = match there.source.as_deref() {
        Some(source) => source == id || (id.is_empty() && there.url == definition.url),
        // The definition of the standard or of our guide, named by its own URL or as what this derives
        // from: a deliberate change.
        None => there.url == definition.url || there.url == derived,
    };
    (!is_free).then(|| there.url.clone())
}

fn wrong_components(definition: &SearchParameter, known: &[SearchParameter]) -> Vec<Issue> {
    if definition.kind != ParameterKind::Composite {
        return Vec::new();
    }
    let count = definition.components.len();
    if count != 2 {
        let text = format!("a composite parameter has two components here, not {count}");
        return vec![Issue::error(IssueCode::NotSupported, text).at("SearchParameter.component")];
    }
    let is_known =
        |url: &str| known.iter().chain(own()).chain(&definitions().parameters).any(|part| part.url == split(url).0);
    let missing = definition.components.iter().enumerate().filter(|(_, (url, _))| !is_known(url));
    missing
        .map(|(place, (url, _))| {
            let text = format!("the search parameter {url:?} is not known here; store it first");
            Issue::error(IssueCode::NotFound, text).at(format!("SearchParameter.component[{place}].definition"))
        })
        .collect()
}
