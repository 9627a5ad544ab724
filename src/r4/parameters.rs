//! Search parameters and compartments of the standard.

use crate::format::json::Node;

/// The nine kinds of search parameter (FHIR R4 search.html#ptypes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParameterKind {
    /// A number.
    Number,
    /// A date or time, or a period.
    Date,
    /// Text matched from its start, without case and accents.
    String,
    /// A code or identifier.
    Token,
    /// A link to another resource.
    Reference,
    /// Two or more parameters of the same element.
    Composite,
    /// A number with a unit.
    Quantity,
    /// A URI.
    Uri,
    /// Defined by its own rules (`near`, `_filter`, …).
    Special,
}

impl ParameterKind {
    /// The code of the standard.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Date => "date",
            Self::String => "string",
            Self::Token => "token",
            Self::Reference => "reference",
            Self::Composite => "composite",
            Self::Quantity => "quantity",
            Self::Uri => "uri",
            Self::Special => "special",
        }
    }

    /// The kind with a code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Some(match code {
            "number" => Self::Number,
            "date" => Self::Date,
            "string" => Self::String,
            "token" => Self::Token,
            "reference" => Self::Reference,
            "composite" => Self::Composite,
            "quantity" => Self::Quantity,
            "uri" => Self::Uri,
            "special" => Self::Special,
            _ => return None,
        })
    }
}

/// One search parameter as its definition says; it may apply to several resource types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchParameter {
    /// Canonical URL.
    pub url: String,
    /// The name used in searches.
    pub code: String,
    /// Resource types it applies to (`Resource` and `DomainResource` stand for all).
    pub base: Vec<String>,
    /// Its kind.
    pub kind: ParameterKind,
    /// FHIRPath that selects the values; absent for a few special ones.
    pub expression: Option<String>,
    /// For references: the types they may point at.
    pub targets: Vec<String>,
    /// For composites: definition URL and expression of each component.
    pub components: Vec<(String, String)>,
}

impl SearchParameter {
    /// Reads a SearchParameter resource; `None` when something that a search needs is missing.
    #[must_use]
    pub fn read(line: &Node<'_>) -> Option<Self> {
        if line.text("resourceType") != Some("SearchParameter") {
            return None;
        }
        let strings = |name: &str| line.list(name).iter().filter_map(Node::as_str).map(str::to_owned).collect();
        Some(Self {
            url: line.text("url")?.to_owned(),
            code: line.text("code")?.to_owned(),
            base: strings("base"),
            kind: ParameterKind::parse(line.text("type")?)?,
            expression: line.text("expression").map(str::to_owned),
            targets: strings("target"),
            components: line
                .list("component")
                .iter()
                .filter_map(|part| Some((part.text("definition")?.to_owned(), part.text("expression")?.to_owned())))
                .collect(),
        })
    }
}

/// A compartment: which parameters tie a resource to its owner.
#[derive(Debug, Clone)]
pub struct Compartment {
    /// The owner's type, for example `Patient`.
    pub code: String,
    /// Resource type and the names of its linking parameters.
    pub members: Vec<(String, Vec<String>)>,
}

impl Compartment {
    pub(super) fn read(line: &Node<'_>) -> Option<Self> {
        if line.text("resourceType") != Some("CompartmentDefinition") {
            return None;
        }
        let members = line
            .list("resource")
            .iter()
            .filter_map(|member| {
                let parameters = member.list("param").iter().filter_map(Node::as_str).map(str::to_owned).collect();
                Some((member.text("code")?.to_owned(), parameters))
            })
            .collect();
        Some(Self { code: line.text("code")?.to_owned(), members })
    }
}
