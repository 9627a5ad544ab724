//! From bytes to what the writer needs: parsed once, checked, indexed, projected.

use super::{Engine, Rejection};
use crate::format::json::{self, Node};
use crate::r4::canonical::split;
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::reference::is_id;
pub use crate::r4::url::decode_pairs;
use crate::search::custom::{self, Defined};
use crate::search::extract::extract;
use crate::search::parse::parse_query;
use crate::search::query::{Condition, Query};
use crate::search::registry::Registry;
use crate::store::{Content, Prepared};
use crate::validation::structure::check_resource;

/// Parses a body.
pub(super) fn parse(body: &[u8]) -> Result<Node<'_>, Rejection> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Rejection::invalid("the body is empty; a FHIR resource in JSON is expected"));
    }
    json::parse(body)
        .map_err(|error| Rejection::bad_request(vec![Issue::error(IssueCode::Structure, error.to_string())]))
}

/// The number of a resource type, or 404 with what would be right.
pub(super) fn type_number(type_name: &str) -> Result<u8, Rejection> {
    definitions().resource_number(type_name).ok_or_else(|| {
        Rejection::new(404, IssueCode::NotSupported, format!("{type_name:?} is not a resource type of FHIR R4 (4.0.1)"))
    })
}

/// Refuses ids that are not FHIR ids.
pub(super) fn check_id(id: &str) -> Result<(), Rejection> {
    if is_id(id) {
        Ok(())
    } else {
        Err(Rejection::new(
            400,
            IssueCode::Value,
            format!("{id:?} is not a FHIR id: 1 to 64 of A-Z, a-z, 0-9, '-' and '.'"),
        ))
    }
}

/// Checks that the resource is of the type and structurally right.
pub(super) fn check(resource: &Node<'_>, type_name: &str) -> Result<(), Rejection> {
    check_resource(resource, Some(type_name)).map(|_| ()).map_err(Rejection::bad_request)
}

impl Engine {
    /// Derives everything that is stored with a resource. The resource must have been checked.
    ///
    /// # Errors
    /// 422 when it is an active SearchParameter that cannot be used.
    pub(super) fn derive(
        &self,
        type_number: u8,
        type_name: &str,
        id: &str,
        resource: &Node<'_>,
    ) -> Result<Prepared, Rejection> {
        let remarks = self.judge(type_name, resource)?;
        Ok(Prepared { remarks, ..self.derive_judged(type_number, type_name, id, resource)? })
    }

    /// The same for what was held against the policy already.
    pub(super) fn derive_judged(
        &self,
        type_number: u8,
        type_name: &str,
        id: &str,
        resource: &Node<'_>,
    ) -> Result<Prepared, Rejection> {
        let options = self.store.extract_options();
        let defined = match type_name {
            "SearchParameter" => self.defined(resource, id, &options.registry)?.map(Box::new),
            _ => None,
        };
        let mut content = Content::prepare(resource);
        let blobs = self.store.blobs();
        // Large data moves to the content store; index and notebook rows are those of what is stored.
        let moved =
            if content.size() > blobs.inline() { blobs.moved_out(resource).map_err(Rejection::from)? } else { None };
        if let Some(moved) = &moved {
            content = Content::prepare(moved);
        }
        let resource = moved.as_ref().unwrap_or(resource);
        Ok(Prepared {
            type_number,
            id: id.to_owned(),
            content,
            rows: extract(type_number, resource, &options),
            generation: options.registry.generation(),
            defined,
            remarks: Vec::new(),
            notebook: (self.store.options().project)(type_name, resource),
        })
    }

    /// What a SearchParameter defines (FHIR R4 searchparameter.html).
    fn defined(&self, resource: &Node<'_>, id: &str, registry: &Registry) -> Result<Option<Defined>, Rejection> {
        let mut known = Vec::new();
        for component in resource.list("component") {
            let url = split(component.text("definition").unwrap_or_default()).0.to_owned();
            let number = type_number("SearchParameter")?;
            let query = parse_query(number, &[("url".to_owned(), url)], &self.parse_options(false));
            let query = query.map_err(Rejection::bad_request)?;
            for found in self.store.search(&query, 10, false)?.matches {
                known.extend(json::parse(&found.version.body).ok().and_then(|body| custom::active(&body)));
            }
        }
        custom::check(resource, id, registry, &known).map_err(|issues| Rejection {
            status: 422,
            issues,
            retry_after: None,
        })
    }

    /// Reads criteria of a conditional interaction: a query that really selects.
    pub(super) fn criteria(&self, type_number: u8, text: &str) -> Result<Query, Rejection> {
        let text = text.trim().trim_start_matches('?');
        // Some clients send the type with it: "Patient?identifier=…".
        let text = text.split_once('?').map_or(text, |(_, criteria)| criteria);
        let pairs = decode_pairs(text);
        let query = parse_query(type_number, &pairs, &self.parse_options(false)).map_err(Rejection::bad_request)?;
        let selects = query.conditions.iter().any(|condition| !matches!(condition, Condition::Missing { .. }));
        if !selects {
            return Err(Rejection::new(
                412,
                IssueCode::Required,
                "the criteria of a conditional interaction must select by at least one search parameter",
            ));
        }
        Ok(query)
    }
}
