//! `$meta`, `$meta-add`, `$meta-delete` on a resource (FHIR R4 resource-operation-meta.html and following):
//! profiles, tags and security labels are sets, of URLs and of system and code.
//!
//! R4 (4.0.1) says nothing of versions; a change of labels is a new version like any other, so that nothing that
//! was answered once is altered. `$meta` of types and of the system is not here: the index holds folded codes,
//! not what was written.

use super::call::{Call, parameters, part};
use super::table::{Level, Operation};
use crate::engine::{OperationAnswer, Payload, Rejection};
use crate::format::json::{self, Node};
use crate::r4::outcome::IssueCode;

/// `[type]/[id]/$meta`, `$meta-add`, `$meta-delete`
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        on_versions: true,
        ..Operation::reading("http://hl7.org/fhir/OperationDefinition/Resource-meta", &[Level::Instance], read)
    },
    Operation::writing("http://hl7.org/fhir/OperationDefinition/Resource-meta-add", &[Level::Instance], |call| {
        change(&call, add)
    }),
    Operation::writing("http://hl7.org/fhir/OperationDefinition/Resource-meta-delete", &[Level::Instance], |call| {
        change(&call, remove)
    }),
];

/// The labels of a meta.
const LABELS: [&str; 3] = ["profile", "security", "tag"];

fn answer(body: &[u8]) -> Result<OperationAnswer, Rejection> {
    let resource = json::parse(body).map_err(|_| Rejection::internal("the stored resource cannot be read"))?;
    let meta = resource.get("meta").cloned().unwrap_or(Node::Object(Vec::new()));
    Ok(parameters(vec![part("return", "valueMeta", meta)]))
}

fn read(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let (name, id) =
        (call.target.type_name.as_deref().unwrap_or_default(), call.target.id.as_deref().unwrap_or_default());
    let Some(version) = &call.target.version else { return answer(&call.engine.read_blocking(name, id)?.body) };
    let unknown = || Rejection::new(404, IssueCode::NotFound, format!("{name}/{id} has no version {version:.32?}"));
    let number = version.parse().map_err(|_| unknown())?;
    let found = call.engine.store().version(call.type_number(), id, number)?.ok_or_else(unknown)?;
    if found.is_deleted() {
        return Err(Rejection::gone(name, id));
    }
    answer(&found.body)
}

fn change(call: &Call<'_>, with: fn(&mut Vec<Node<'static>>, &Node<'static>)) -> Result<OperationAnswer, Rejection> {
    let (name, id) =
        (call.target.type_name.as_deref().unwrap_or_default(), call.target.id.as_deref().unwrap_or_default());
    let given = call.inputs.value("meta").cloned().unwrap_or(Node::Null).into_owned();
    let done = call.engine.change_blocking(name, id, |mut resource| {
        let mut meta = resource.remove("meta").unwrap_or(Node::Object(Vec::new())).into_owned();
        for label in LABELS {
            let mut own = match meta.remove(label) {
                Some(Node::Array(own)) => own,
                _ => Vec::new(),
            };
            given.list(label).iter().for_each(|item| with(&mut own, item));
            if !own.is_empty() {
                meta.set(label, Node::Array(own));
            }
        }
        if !meta.members().is_empty() {
            resource.set("meta", meta);
        }
        resource
    })?;
    match &done.payload {
        Payload::Resource(body) => answer(body),
        _ => Err(Rejection::internal("the change answered no resource")),
    }
}

/// "The identity of a tag or security label is the system+code … For profiles, matching is based on the full URL".
fn is_same(left: &Node<'_>, right: &Node<'_>) -> bool {
    match (left.as_str(), right.as_str()) {
        (Some(left), Some(right)) => left == right,
        (None, None) => left.text("system") == right.text("system") && left.text("code") == right.text("code"),
        _ => false,
    }
}

fn add(own: &mut Vec<Node<'static>>, item: &Node<'static>) {
    if !own.iter().any(|known| is_same(known, item)) {
        own.push(item.clone());
    }
}

fn remove(own: &mut Vec<Node<'static>>, item: &Node<'static>) {
    own.retain(|known| !is_same(known, item));
}
