//! `$diff`: what happened between two versions of a resource, or lies between two resources, as a FHIRPath
//! Patch (FHIR R4 fhirpatch.html). R4 has no such operation; names and levels are those that other servers use.

use super::call::{Call, parameters};
use super::table::{Level, Operation};
use crate::engine::{OperationAnswer, Rejection, difference};
use crate::format::json::{self, Node};
use crate::r4::definitions;
use crate::r4::outcome::IssueCode;
use crate::r4::reference::Reference;
use crate::store::Version;

/// `[base]/$diff`, `[type]/[id]/$diff`
pub(super) const OPERATIONS: &[Operation] = &[Operation {
    on_versions: true,
    ..Operation::reading(
        "http://renraku.example/fhir/OperationDefinition/diff",
        &[Level::System, Level::Instance],
        diff,
    )
}];

fn diff(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let (from, to) = match (&call.target.type_name, &call.target.id) {
        (Some(type_name), Some(id)) => versions(&call, type_name, id)?,
        _ => (named(&call, "from")?, named(&call, "to")?),
    };
    let (left, right) = (tree(&from)?, tree(&to)?);
    let type_name = |resource: &Node<'_>| resource.text("resourceType").unwrap_or_default().to_owned();
    let (left_type, right_type) = (type_name(&left), type_name(&right));
    if left_type != right_type {
        let text = format!("a {left_type} cannot become a {right_type}: from and to must be of one type");
        return Err(Rejection::invalid(text));
    }
    let with_meta = call.inputs.boolean("includeMeta").unwrap_or(false);
    Ok(parameters(difference(left, right, with_meta)))
}

/// The version before, or `fromVersion`, and the one the operation is invoked on.
fn versions(call: &Call<'_>, type_name: &str, id: &str) -> Result<(Version, Version), Rejection> {
    if let Some(other) = ["from", "to"].into_iter().find(|name| call.inputs.get(name).is_some()) {
        return Err(Rejection::invalid(format!("{other} is for [base]/$diff; a resource takes fromVersion")));
    }
    let to = match &call.target.version {
        None => call.engine.read_blocking(type_name, id)?,
        Some(version) => version_of(call, type_name, id, version)?,
    };
    let from = match call.inputs.text("fromVersion") {
        Some(version) => version_of(call, type_name, id, version)?,
        None if to.version <= 1 => {
            let text = format!("{type_name}/{id} has no version before this one to compare with");
            return Err(Rejection::new(422, IssueCode::NotFound, text));
        }
        None => version_of(call, type_name, id, &(to.version - 1).to_string())?,
    };
    Ok((from, to))
}

fn version_of(call: &Call<'_>, type_name: &str, id: &str, version: &str) -> Result<Version, Rejection> {
    let unknown =
        || Rejection::new(404, IssueCode::NotFound, format!("{type_name}/{id} has no version {version:.32?}"));
    let number = definitions().resource_number(type_name).ok_or_else(unknown)?;
    let wanted = version.parse().map_err(|_| unknown())?;
    let found = call.engine.store().version(number, id, wanted)?.ok_or_else(unknown)?;
    if found.is_deleted() {
        let text = format!("version {version} of {type_name}/{id} is its deletion");
        return Err(Rejection::new(410, IssueCode::Deleted, text));
    }
    Ok(found)
}

/// What `from` or `to` names.
fn named(call: &Call<'_>, name: &str) -> Result<Version, Rejection> {
    if call.inputs.get("fromVersion").is_some() {
        return Err(Rejection::invalid("fromVersion is for [base]/[type]/[id]/$diff; [base]/$diff takes from and to"));
    }
    let text = call.inputs.text(name).ok_or_else(|| {
        let text = format!("{name} is missing: [base]/$diff takes from and to, for example Patient/1/_history/2");
        Rejection::new(400, IssueCode::Required, text)
    })?;
    match Reference::parse(text).at_home(Some(&call.request.base)) {
        Reference::Local { resource_type, id, version: Some(version) } => version_of(call, resource_type, id, version),
        Reference::Local { resource_type, id, version: None } => call.engine.read_blocking(resource_type, id),
        _ => Err(Rejection::invalid(format!("{name}={text:.200?} is no resource of this server, such as Patient/1"))),
    }
}

fn tree(version: &Version) -> Result<Node<'_>, Rejection> {
    json::parse(&version.body).map_err(|_| Rejection::internal("the stored resource cannot be read"))
}
