//! PATCH (FHIR R4 http.html#patch): JSON Patch and FHIRPath Patch, of one resource by its id or by
//! criteria.
//!
//! A patch is applied to the current version outside the writer, and the result is checked and
//! derived there like any update. Inside the writer the version is compared: when another write came
//! in between, the patch is applied anew to what is current now. So nothing is lost between reading
//! and writing, and the writer does little. A patch that loses several times in a row is applied
//! inside the writer, when it is small.

mod fhirpath;
mod json;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::answer::{Answer, Rejection};
use super::carry_out::Refusal;
use super::prepare::{check, check_id, parse, type_number};
use super::provenance::said_of;
use super::single::{only_match, put, several};
use super::{Engine, Preconditions};
use crate::access::Interaction;
use crate::format::json::Node;
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};
use crate::search::query::Query;
use crate::store::{Method, Prepared, Version, WriteTransaction};
use crate::validation::structure::check_resource;

/// How often a patch is applied outside the writer.
const ATTEMPTS: usize = 4;

/// Largest patch and resource, in bytes together, that the writer itself takes on.
const SMALL: usize = 64 << 10;

/// The media type of JSON Patch (RFC 6902 section 6).
pub const JSON_PATCH: &str = "application/json-patch+json";

/// Why a patch cannot be read or applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum PatchError {
    /// Not a patch.
    #[error("{0}")]
    Malformed(String),
    /// A patch that does not fit the resource.
    #[error("{0}")]
    Unprocessable(String),
    /// Part of FHIRPath that is not built.
    #[error("{0}")]
    Unsupported(String),
    /// Too much work.
    #[error("{0}")]
    TooCostly(String),
}

impl PatchError {
    /// The same error with other words.
    fn map(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Malformed(why) => Self::Malformed(change(why)),
            Self::Unprocessable(why) => Self::Unprocessable(change(why)),
            Self::Unsupported(why) => Self::Unsupported(change(why)),
            Self::TooCostly(why) => Self::TooCostly(change(why)),
        }
    }
}

impl From<PatchError> for Rejection {
    fn from(error: PatchError) -> Self {
        match error {
            PatchError::Malformed(why) => Self::invalid(why),
            PatchError::Unprocessable(why) => Self::new(422, IssueCode::Processing, why),
            PatchError::Unsupported(why) => Self::new(501, IssueCode::NotSupported, why),
            PatchError::TooCostly(why) => Self::new(422, IssueCode::TooCostly, why),
        }
    }
}

/// How the body of a PATCH is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchFormat {
    /// `application/json-patch+json`
    Json,
    /// A Parameters resource.
    FhirPath,
}

#[derive(Debug)]
enum Kind {
    Json(json::JsonPatch),
    FhirPath(fhirpath::FhirPathPatch),
}

/// A well-formed patch for resources of one type.
#[derive(Debug)]
pub(super) struct Patch {
    kind: Kind,
    type_name: String,
}

impl Patch {
    fn read(document: &Node<'_>, format: PatchFormat, type_name: &str) -> Result<Self, Rejection> {
        let number = type_number(type_name)?;
        let kind = match format {
            PatchFormat::Json => Kind::Json(json::JsonPatch::read(document)?),
            PatchFormat::FhirPath => {
                check(document, "Parameters")?;
                let root = definitions().resources().get(usize::from(number).saturating_sub(1)).copied();
                let root = root.ok_or_else(|| Rejection::internal("the type has no definition"))?;
                Kind::FhirPath(fhirpath::FhirPathPatch::read(document, root)?)
            }
        };
        Ok(Self { kind, type_name: type_name.to_owned() })
    }

    /// Reads the resource of a PATCH entry of a bundle: Parameters, or a Binary around a patch
    /// (FHIR R4 http.html#patch: "the resource is a Binary with the media type of the patch").
    pub(super) fn of_resource(resource: &Node<'_>, type_name: &str) -> Result<Self, Rejection> {
        if resource.text("resourceType") != Some("Binary") {
            return Self::read(resource, PatchFormat::FhirPath, type_name);
        }
        check(resource, "Binary")?;
        let content_type = resource.text("contentType").unwrap_or_default();
        let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let format = match media.as_str() {
            JSON_PATCH => PatchFormat::Json,
            "application/fhir+json" => PatchFormat::FhirPath,
            _ => {
                return Err(Rejection::new(
                    415,
                    IssueCode::NotSupported,
                    format!(
                        "a Binary of type {content_type:?} is no patch this server reads; use {JSON_PATCH} or a Parameters resource"
                    ),
                ));
            }
        };
        let text = resource.text("data").unwrap_or_default();
        let data = STANDARD
            .decode(text.split_ascii_whitespace().collect::<String>())
            .map_err(|error| Rejection::invalid(format!("Binary.data is not base64: {error}")))?;
        Self::read(&parse_patch(&data)?, format, type_name)
    }

    /// The patched resource, checked; id and type stay what they are.
    pub(super) fn apply<'a>(&'a self, id: &str, resource: Node<'a>) -> Result<Node<'a>, Rejection> {
        let patched = match &self.kind {
            Kind::Json(patch) => patch.apply(resource)?,
            Kind::FhirPath(patch) => patch.apply(resource)?,
        };
        let type_name = &self.type_name;
        let changed = |name: &str, was: &str| {
            let text = format!("the patch would change {name}, which must stay {was:?}");
            let issue = Issue::error(IssueCode::BusinessRule, text).at(format!("{type_name}.{name}"));
            Rejection { status: 422, ..Rejection::bad_request(vec![issue]) }
        };
        if patched.text("resourceType") != Some(type_name.as_str()) {
            return Err(changed("resourceType", type_name));
        }
        if patched.text("id") != Some(id) {
            return Err(changed("id", id));
        }
        check_resource(&patched, Some(type_name)).map_err(|mut issues| {
            if let Some(first) = issues.first_mut() {
                first.diagnostics = format!("the resource would be wrong after the patch: {}", first.diagnostics);
            }
            Rejection { status: 422, ..Rejection::bad_request(issues) }
        })?;
        Ok(patched)
    }
}

/// What makes the first resource the second, as Parameters.parameter of a FHIRPath Patch. Both are of one type;
/// their ids are not compared, nor is what only the server sets.
#[must_use]
pub fn difference<'a>(mut left: Node<'a>, mut right: Node<'a>, with_meta: bool) -> Vec<Node<'static>> {
    let root = left.text("resourceType").and_then(|name| definitions().resource(name));
    let Some(root) = root else { return Vec::new() };
    for resource in [&mut left, &mut right] {
        resource.remove("id");
        let Some(mut meta) = resource.remove("meta").filter(|_| with_meta) else { continue };
        meta.remove("versionId");
        meta.remove("lastUpdated");
        if !meta.members().is_empty() {
            resource.set("meta", meta);
        }
    }
    fhirpath::difference(&left, &right, root)
}

fn parse_patch(body: &[u8]) -> Result<Node<'_>, Rejection> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Rejection::invalid("the body is empty; a patch is expected"));
    }
    parse(body)
}

/// The current version that a patch is for; 404 or 410 without one.
pub(super) fn live(type_name: &str, id: &str, current: Option<Version>) -> Result<Version, Rejection> {
    match current {
        None => Err(Rejection::not_found(type_name, id)),
        Some(version) if version.is_deleted() => Err(Rejection::gone(type_name, id)),
        Some(version) => Ok(version),
    }
}

/// "No matches: The server returns a 404 Not Found" (FHIR R4 http.html#patch).
pub(super) fn no_match() -> Rejection {
    Rejection::new(404, IssueCode::NotFound, "no resource matches the criteria; there is nothing to patch")
}

/// Reads a version of the store.
pub(super) fn parse_stored(version: &Version) -> Result<Node<'_>, Rejection> {
    parse(&version.body).map_err(|_| Rejection::internal("the stored resource cannot be read"))
}

/// A PATCH of one resource, as often as it is tried.
struct Task {
    number: u8,
    type_name: String,
    target: Target,
    patch: Patch,
    size: usize,
    conditions: Preconditions,
    require_if_match: bool,
}

enum Target {
    Id(String),
    Criteria(Box<Query>),
}

/// The result of a patch on one version.
struct Attempt {
    prepared: Prepared,
    on: i64,
}

impl Task {
    /// Applies the patch to a version.
    fn attempt(&self, engine: &Engine, id: &str, current: &Version) -> Result<Attempt, Rejection> {
        self.conditions.check_write(Some(current), self.require_if_match)?;
        let whole = engine.with_data(current)?;
        let patched = self.patch.apply(id, parse_stored(&whole)?)?;
        Ok(Attempt { prepared: engine.derive(self.number, &self.type_name, id, &patched)?, on: current.version })
    }

    /// Which resource it is now, in the writer.
    fn current(&self, transaction: &mut WriteTransaction<'_>) -> Result<(String, Version), Rejection> {
        match &self.target {
            Target::Id(id) => {
                let version = transaction.current(self.number, id)?;
                Ok((id.clone(), live(&self.type_name, id, version)?))
            }
            Target::Criteria(query) => only_match(transaction, query)?.ok_or_else(no_match),
        }
    }
}

impl Engine {
    /// `PATCH [base]/Type/id`
    ///
    /// # Errors
    /// 400 for a patch that is none, 404 and 410 without a resource, 412 when a precondition fails,
    /// 422 when the patch does not fit or its result is wrong, 501 for unsupported FHIRPath.
    pub async fn patch(
        &self,
        type_name: &str,
        id: &str,
        format: PatchFormat,
        body: Bytes,
        conditions: Preconditions,
    ) -> Result<Answer, Rejection> {
        check_id(id)?;
        let read = move |type_name: &str| Ok((Patch::read(&parse_patch(&body)?, format, type_name)?, body.len()));
        self.patch_target(type_name, Target::Id(id.to_owned()), read, conditions).await
    }

    /// `PATCH [base]/Type?criteria`
    ///
    /// # Errors
    /// As [`Self::patch`]; 404 when nothing matches, 412 when several do.
    pub async fn conditional_patch(
        &self,
        type_name: &str,
        criteria: &str,
        format: PatchFormat,
        body: Bytes,
        conditions: Preconditions,
    ) -> Result<Answer, Rejection> {
        let query = self.criteria(type_number(type_name)?, criteria)?;
        let read = move |type_name: &str| Ok((Patch::read(&parse_patch(&body)?, format, type_name)?, body.len()));
        self.patch_target(type_name, Target::Criteria(Box::new(query)), read, conditions).await
    }

    /// A PATCH entry of a batch; `criteria` when it has no id. `body` is the entry's resource.
    pub(super) async fn patch_by_entry(
        &self,
        type_name: &str,
        target: Result<&str, &str>,
        body: Bytes,
        conditions: Preconditions,
    ) -> Result<Answer, Rejection> {
        let target = match target {
            Ok(id) => Target::Id(id.to_owned()),
            Err(criteria) => Target::Criteria(Box::new(self.criteria(type_number(type_name)?, criteria)?)),
        };
        let read = move |type_name: &str| Ok((Patch::of_resource(&parse(&body)?, type_name)?, body.len()));
        self.patch_target(type_name, target, read, conditions).await
    }

    async fn patch_target(
        &self,
        type_name: &str,
        target: Target,
        read: impl FnOnce(&str) -> Result<(Patch, usize), Rejection> + Send + 'static,
        conditions: Preconditions,
    ) -> Result<Answer, Rejection> {
        let number = type_number(type_name)?;
        self.permit(Interaction::Update, type_name)?;
        self.permit(Interaction::Read, type_name)?;
        if matches!(target, Target::Criteria(_)) {
            self.permit(Interaction::Search, type_name)?;
        }
        let type_name = type_name.to_owned();
        let task = self
            .blocking(move |engine| {
                let (patch, size) = read(&type_name)?;
                let require_if_match = engine.settings.require_if_match && matches!(target, Target::Id(_));
                Ok(Arc::new(Task { number, type_name, target, patch, size, conditions, require_if_match }))
            })
            .await?;
        for _ in 0..ATTEMPTS {
            let planned = Arc::clone(&task);
            let attempt = self.blocking(move |engine| engine.attempt(&planned)).await?;
            let task = Arc::clone(&task);
            let provenance = self.provenance.clone();
            let done = self.store.write(move |transaction| {
                let (id, current) = task.current(transaction)?;
                if id != attempt.prepared.id || current.version != attempt.on {
                    return Err(Refusal::Stale);
                }
                let answer = put(transaction, attempt.prepared, Method::Patch)?;
                Ok(said_of(&provenance, transaction, answer)?)
            });
            match done.await {
                Ok(answer) => return Ok(answer),
                Err(Refusal::Rejected(rejection)) => return Err(rejection),
                Err(Refusal::Stale) => {}
            }
        }
        let engine = self.clone();
        self.store
            .write(move |transaction| {
                let (id, current) = task.current(transaction)?;
                if task.size + current.body.len() > SMALL {
                    return Err(Rejection {
                        retry_after: Some(1),
                        ..Rejection::new(
                            409,
                            IssueCode::Conflict,
                            "the resource keeps changing while it is patched; try again",
                        )
                    });
                }
                let attempt = task.attempt(&engine, &id, &current)?;
                let answer = put(transaction, attempt.prepared, Method::Patch)?;
                said_of(&engine.provenance, transaction, answer)
            })
            .await
    }

    /// Applies the patch to what is current, outside the writer.
    fn attempt(&self, task: &Task) -> Result<Attempt, Rejection> {
        let (id, current) = match &task.target {
            Target::Id(id) => (id.clone(), live(&task.type_name, id, self.store.current(task.number, id)?)?),
            Target::Criteria(query) => {
                let mut found = self.store.search(query, 2, false)?.matches;
                if found.len() > 1 {
                    return Err(several());
                }
                let found = found.pop().ok_or_else(no_match)?;
                (found.id, found.version)
            }
        };
        task.attempt(self, &id, &current)
    }
}
