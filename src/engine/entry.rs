//! One entry of a batch or transaction: what it asks for.

use super::prepare::{check_id, decode_pairs, type_number};
use super::{HistoryOf, Preconditions, Rejection, SearchPlace};
use crate::access::Interaction;
use crate::format::json::Node;
use crate::r4::datetime;
use crate::r4::outcome::IssueCode;
use crate::validation::structure::check_resource;

/// Where a request goes, method included.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Link {
    Create { type_name: String },
    Update { type_name: String, id: String },
    ConditionalUpdate { type_name: String, criteria: String },
    Patch { type_name: String, id: String },
    ConditionalPatch { type_name: String, criteria: String },
    Delete { type_name: String, id: String },
    ConditionalDelete { type_name: String, criteria: String },
    Read { type_name: String, id: String },
    Vread { type_name: String, id: String, version: String },
    Search { place: SearchPlace, pairs: Vec<(String, String)> },
    History { of: HistoryOf, pairs: Vec<(String, String)> },
    Metadata,
    Operation(OperationLink),
}

/// An operation that an entry asks for (FHIR R4 operations.html#executing).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationLink {
    /// `GET` or `POST`.
    pub method: String,
    /// The segments below the base: `Patient`, `1`, `$everything`.
    pub path: Vec<String>,
    /// The parameters of the URL.
    pub pairs: Vec<(String, String)>,
}

impl Link {
    /// Reads `entry.request`'s method and url (relative to the base, or absolute under it).
    ///
    /// # Errors
    /// What is wrong with them, and 501 for interactions this server does not have in bundles.
    pub fn parse(method: &str, url: &str, base: &str) -> Result<Self, Rejection> {
        let relative = url.strip_prefix(base).unwrap_or(url).trim_start_matches('/');
        let (path, query) = relative.split_once('?').map_or((relative, None), |(path, query)| (path, Some(query)));
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let not_here = || {
            Rejection::new(
                501,
                IssueCode::NotSupported,
                format!("{method} {url:?} is not supported inside a batch or transaction"),
            )
        };
        if parts.iter().any(|part| part.starts_with('$')) {
            let method = if method == "HEAD" { "GET" } else { method };
            let pairs = decode_pairs(query.unwrap_or_default())
                .into_iter()
                .filter(|(name, _)| !matches!(name.as_str(), "_format" | "_pretty"));
            return Ok(Self::Operation(OperationLink {
                method: method.to_owned(),
                path: parts.into_iter().map(str::to_owned).collect(),
                pairs: pairs.collect(),
            }));
        }
        if let Some(first) = parts.first().filter(|first| !matches!(**first, "metadata" | "_history" | "_search")) {
            type_number(first).map_err(|rejection| Rejection { status: 400, ..rejection })?;
        }
        if let Some(id) = parts.get(1).filter(|part| !part.starts_with('_')) {
            check_id(id)?;
        }
        let own = |part: &&str| (**part).to_owned();
        // A read takes no parameters here: one that was dropped would answer something else.
        let cuts = decode_pairs(query.unwrap_or_default())
            .iter()
            .any(|(name, _)| !matches!(name.as_str(), "_format" | "_pretty"));
        let pairs = || decode_pairs(query.unwrap_or_default());
        let search = |place: SearchPlace| Ok(Self::Search { place, pairs: pairs() });
        let history = |of: HistoryOf| Ok(Self::History { of, pairs: pairs() });
        let is_member = |name: &str| name == "*" || type_number(name).is_ok();
        let compartment = |owner: &str, id: &str, member: &str| SearchPlace::Compartment {
            owner_type: owner.to_owned(),
            owner_id: id.to_owned(),
            member_type: member.to_owned(),
        };
        match (method, parts.as_slice(), query) {
            ("GET" | "HEAD", ["metadata"], _) if !cuts => Ok(Self::Metadata),
            ("GET" | "HEAD", ["_history"], _) => history(None),
            ("GET" | "HEAD", [type_name, "_history"], _) => history(Some((own(type_name), None))),
            ("GET" | "HEAD", [type_name, id, "_history"], _) => history(Some((own(type_name), Some(own(id))))),
            ("GET" | "HEAD", [], Some(_)) | ("POST", ["_search"], _) => search(SearchPlace::Everywhere),
            ("GET" | "HEAD", [owner, id, member], _) | ("POST", [owner, id, member, "_search"], _)
                if is_member(member) =>
            {
                search(compartment(owner, id, member))
            }
            (_, ["metadata" | "_history" | "_search", ..], _) => Err(not_here()),
            ("POST", [type_name], None) => Ok(Self::Create { type_name: own(type_name) }),
            ("POST", [type_name, "_search"], _) => search(SearchPlace::Type(own(type_name))),
            ("PUT", [type_name, id], None) => Ok(Self::Update { type_name: own(type_name), id: own(id) }),
            ("PUT", [type_name], Some(criteria)) => {
                Ok(Self::ConditionalUpdate { type_name: own(type_name), criteria: criteria.to_owned() })
            }
            ("PATCH", [type_name, id], None) => Ok(Self::Patch { type_name: own(type_name), id: own(id) }),
            ("PATCH", [type_name], Some(criteria)) => {
                Ok(Self::ConditionalPatch { type_name: own(type_name), criteria: criteria.to_owned() })
            }
            ("DELETE", [type_name, id], None) => Ok(Self::Delete { type_name: own(type_name), id: own(id) }),
            ("DELETE", [type_name], Some(criteria)) => {
                Ok(Self::ConditionalDelete { type_name: own(type_name), criteria: criteria.to_owned() })
            }
            ("GET" | "HEAD", [type_name, id], _) if !id.starts_with('_') && !cuts => {
                Ok(Self::Read { type_name: own(type_name), id: own(id) })
            }
            ("GET" | "HEAD", [type_name, id, "_history", version], _) if !cuts => {
                Ok(Self::Vread { type_name: own(type_name), id: own(id), version: own(version) })
            }
            ("GET" | "HEAD", [type_name], _) => search(SearchPlace::Type(own(type_name))),
            ("GET" | "HEAD", ..) => Err(not_here()),
            ("POST" | "PUT" | "PATCH" | "DELETE", ..) => Err(Rejection::invalid(format!(
                "{method} cannot go to {url:?}: POST goes to a type (Patient), PUT, PATCH and DELETE to Patient/id or Patient?criteria"
            ))),
            _ => Err(Rejection::new(
                400,
                IssueCode::CodeInvalid,
                format!("{method:?} is not an HTTP verb of Bundle.entry.request.method"),
            )),
        }
    }

    /// The resource type.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::Create { type_name }
            | Self::Update { type_name, .. }
            | Self::ConditionalUpdate { type_name, .. }
            | Self::Patch { type_name, .. }
            | Self::ConditionalPatch { type_name, .. }
            | Self::Delete { type_name, .. }
            | Self::ConditionalDelete { type_name, .. }
            | Self::Read { type_name, .. }
            | Self::Vread { type_name, .. } => type_name,
            Self::Search { place, .. } => place.type_name(),
            Self::History { of, .. } => of.as_ref().map_or("", |(type_name, _)| type_name),
            Self::Metadata => "",
            Self::Operation(operation) => operation.path.first().map_or("", String::as_str),
        }
    }

    /// Whether the entry must bring a resource.
    #[must_use]
    pub const fn has_resource(&self) -> bool {
        matches!(self, Self::Create { .. } | Self::Update { .. } | Self::ConditionalUpdate { .. }) || self.is_patch()
    }

    /// Whether the entry's resource is a patch.
    #[must_use]
    pub const fn is_patch(&self) -> bool {
        matches!(self, Self::Patch { .. } | Self::ConditionalPatch { .. })
    }

    /// FHIR R4 http.html#trules: DELETE, POST, PUT and PATCH, GET.
    #[must_use]
    pub const fn rank(&self) -> u8 {
        match self {
            Self::Delete { .. } | Self::ConditionalDelete { .. } => 0,
            Self::Create { .. } => 1,
            Self::Update { .. }
            | Self::ConditionalUpdate { .. }
            | Self::Patch { .. }
            | Self::ConditionalPatch { .. } => 2,
            Self::Read { .. }
            | Self::Vread { .. }
            | Self::Search { .. }
            | Self::History { .. }
            | Self::Metadata
            | Self::Operation(_) => 3,
        }
    }
}

/// An entry, taken out of its bundle.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) index: usize,
    pub(super) full_url: Option<String>,
    pub(super) link: Link,
    pub(super) resource: Option<Node<'a>>,
    pub(super) conditions: Preconditions,
}

/// `Bundle.entry[3]`
pub(super) fn place(index: usize) -> String {
    format!("Bundle.entry[{index}]")
}

/// Checks an entry of a batch, but not the resource it brings: each entry answers for itself.
pub(super) fn check_envelope(index: usize, mut entry: Node<'_>) -> Result<Node<'_>, Rejection> {
    let resource = entry.remove("resource");
    let bundle = [
        ("resourceType", Node::string("Bundle")),
        ("type", Node::string("batch")),
        ("entry", Node::Array(vec![entry])),
    ];
    let mut bundle = Node::object(bundle);
    check_resource(&bundle, Some("Bundle")).map_err(|mut issues| {
        for issue in &mut issues {
            issue.expression = issue.expression.take().map(|inner| inner.replacen("Bundle.entry[0]", &place(index), 1));
        }
        Rejection::bad_request(issues)
    })?;
    let mut entry = match bundle.remove("entry") {
        Some(Node::Array(mut entries)) => entries.pop().unwrap_or(Node::Null),
        _ => Node::Null,
    };
    if let Some(resource) = resource {
        entry.set("resource", resource);
    }
    Ok(entry)
}

/// The parameters that come with a POST …/_search: a Parameters resource, or a form in a Binary.
fn search_form(form: &Node<'_>) -> Result<Vec<(String, String)>, Rejection> {
    let wrong = || {
        Rejection::invalid(
            "POST …/_search takes its parameters in the URL, as Parameters (name and valueString), or as a Binary of \
             application/x-www-form-urlencoded",
        )
    };
    match form.text("resourceType") {
        Some("Parameters") => form
            .list("parameter")
            .iter()
            .map(|parameter| {
                let mut values = parameter.members().iter().filter(|(name, _)| name.starts_with("value"));
                let value = match (values.next(), values.next()) {
                    (Some((_, Node::String(text) | Node::Number(text))), None) => text.to_string(),
                    (Some((_, Node::Bool(value))), None) => value.to_string(),
                    _ => return Err(wrong()),
                };
                Ok((parameter.text("name").ok_or_else(wrong)?.to_owned(), value))
            })
            .collect(),
        Some("Binary") if form.text("contentType") == Some("application/x-www-form-urlencoded") => {
            use base64::Engine as _;
            let data = form.text("data").unwrap_or_default();
            let bytes = base64::engine::general_purpose::STANDARD.decode(data).map_err(|_| wrong())?;
            Ok(decode_pairs(std::str::from_utf8(&bytes).map_err(|_| wrong())?))
        }
        _ => Err(wrong()),
    }
}

impl Link {
    /// What a token must allow for it; searches and histories ask themselves.
    pub(super) fn asks(&self, is_conditional: bool) -> &'static [Interaction] {
        use Interaction::{Create, Delete, Read, Search, Update};
        match self {
            Self::Create { .. } if is_conditional => &[Create, Search],
            Self::Create { .. } => &[Create],
            Self::Update { .. } => &[Update],
            Self::ConditionalUpdate { .. } => &[Update, Search],
            Self::Patch { .. } => &[Update, Read],
            Self::ConditionalPatch { .. } => &[Update, Read, Search],
            Self::Delete { .. } => &[Delete],
            Self::ConditionalDelete { .. } => &[Delete, Search],
            Self::Read { .. } | Self::Vread { .. } => &[Read],
            Self::Search { .. } | Self::History { .. } | Self::Metadata | Self::Operation(_) => &[],
        }
    }
}

impl<'a> Entry<'a> {
    pub(super) fn read(index: usize, mut entry: Node<'a>, base: &str) -> Result<Self, Rejection> {
        let request = entry.remove("request").unwrap_or(Node::Null);
        let required = |name: &str| {
            request.text(name).ok_or_else(|| {
                Rejection::new(
                    400,
                    IssueCode::Required,
                    format!("the entry has no request.{name}; every entry of a batch or transaction needs it"),
                )
            })
        };
        let mut link = Link::parse(required("method")?, required("url")?, base)?;
        let mut resource = entry.remove("resource");
        // The form of a POST …/_search, which HTTP has as its body.
        if let (Link::Search { pairs, .. }, Some("POST")) = (&mut link, request.text("method"))
            && let Some(form) = resource.take()
        {
            pairs.extend(search_form(&form)?);
        }
        match (&resource, link.has_resource()) {
            (None, true) => {
                return Err(Rejection::new(
                    400,
                    IssueCode::Required,
                    "the entry has no resource, which POST, PUT and PATCH need",
                ));
            }
            (Some(_), false) if !matches!(&link, Link::Operation(asked) if asked.method == "POST") => {
                return Err(Rejection::invalid("the entry brings a resource, but its method does not take one"));
            }
            _ => {}
        }
        if let Some(resource) = &resource {
            let own = resource.text("resourceType").unwrap_or_default();
            if matches!(link, Link::Operation(_)) {
                // A Parameters resource, or whatever the operation takes: it checks that itself.
            } else if link.is_patch() {
                if !matches!(own, "Binary" | "Parameters") {
                    return Err(Rejection::invalid(format!(
                        "PATCH takes a patch, as a Binary (JSON Patch) or Parameters (FHIRPath Patch), not a {own}"
                    )));
                }
            } else if own != link.type_name() {
                return Err(Rejection::invalid(format!(
                    "request.url says {} but the resource is a {own}",
                    link.type_name()
                )));
            }
        }
        let text = |name: &str| request.text(name).map(str::to_owned);
        let conditions = Preconditions {
            if_match: text("ifMatch"),
            if_none_match: text("ifNoneMatch"),
            if_modified_since: request
                .text("ifModifiedSince")
                .and_then(|text| datetime::span(text, 0))
                .map(|span| span.low),
            if_none_exist: text("ifNoneExist"),
        };
        Ok(Self { index, full_url: entry.text("fullUrl").map(str::to_owned), link, resource, conditions })
    }
}
