//! Definitions as resources: those of our own guide and of installed packages, so that
//! `StructureDefinition/notebook-patient` can be read, searched and referred to like any other.
//!
//! What is there already stays as it is, unless it is an older version of the same definition. Where several
//! versions of a package are installed, the resource is the newest and its history has the others.

use crate::engine::{Engine, EntryAnswer, Refusal, Rejection};
use crate::format::json::{self, Node};
use crate::r4::canonical::Canonicals;
use crate::r4::definitions;
use crate::r4::guide::guide;
use crate::r4::outcome::IssueCode;
use crate::store::StoreError;

/// A transaction of what is missing here; `None` when nothing is. Blocks.
///
/// # Errors
/// What the database says.
pub fn missing_definitions(engine: &Engine) -> Result<Option<Node<'static>>, StoreError> {
    let mut entries = Vec::new();
    for definition in guide().definitions() {
        let (kind, id) =
            (definition.text("resourceType").unwrap_or_default(), definition.text("id").unwrap_or_default());
        let Some(number) = definitions().resource_number(kind) else { continue };
        let stored = engine.store().current(number, id)?;
        let wanted = match &stored {
            None => true,
            Some(version) if version.is_deleted() => false,
            Some(version) => json::parse(&version.body).is_ok_and(|stored| is_older(&stored, definition)),
        };
        if wanted {
            let request =
                Node::object([("method", Node::string("PUT")), ("url", Node::string(format!("{kind}/{id}")))]);
            entries.push(Node::object([("resource", Node::clone(definition)), ("request", request)]));
        }
    }
    let bundle = |entries| {
        let kind = [("resourceType", Node::string("Bundle")), ("type", Node::string("transaction"))];
        Node::object(kind.into_iter().chain([("entry", Node::Array(entries))]))
    };
    Ok((!entries.is_empty()).then(|| bundle(entries)))
}

/// Attempts of one write while others change what it is about.
const ATTEMPTS: usize = 4;
/// Definitions on their way to the writer at once: what is kept in memory meanwhile.
const AT_ONCE: usize = 16;

/// What became of the definitions of a package.
#[derive(Debug, Default)]
pub struct Offered {
    /// How many are resources now.
    pub stored: usize,
    /// Which are not, and why.
    pub refused: Vec<String>,
}

/// Stores what a package defines as resources. An address where something else is stays as it is. Blocks.
///
/// # Errors
/// What the database says.
pub fn offer_package(engine: &Engine, name: &str, version: &str) -> Result<Offered, Rejection> {
    let engine = &engine.keeping_packages();
    let mut offered = Offered::default();
    let mut waiting = Vec::new();
    for (kind, url, own_version) in engine.store().package_definitions(name, Some(version))? {
        let own_version = Some(own_version.as_str()).filter(|version| !version.is_empty());
        let Some(number) = definitions().resource_number(&kind) else { continue };
        let Some(definition) = engine.packages().find(&kind, &url, own_version) else { continue };
        let id = definition.text("id").unwrap_or_default();
        let stored = engine.store().current(number, id)?.filter(|version| !version.is_deleted());
        let stored = stored.and_then(|version| json::parse(&version.body).ok().map(Node::into_owned));
        match &stored {
            Some(stored) if stored.text("url") != definition.text("url") => {
                offered.refused.push(format!("{kind}/{id}: something else is stored there"));
                continue;
            }
            Some(stored) if !is_older(stored, &definition) => {
                offered.stored += 1;
                continue;
            }
            _ => {}
        }
        waiting.push((format!("{kind}/{id}"), entry("PUT", &kind, id, Some(&definition))));
        if waiting.len() == AT_ONCE {
            send(engine, &mut waiting, &mut offered)?;
        }
    }
    send(engine, &mut waiting, &mut offered)?;
    Ok(offered)
}

/// Deletes the resources that are definitions of a package, in the version of the package. Blocks.
///
/// # Errors
/// What the database says.
pub fn withdraw_package(engine: &Engine, name: &str, version: Option<&str>) -> Result<Offered, Rejection> {
    let engine = &engine.keeping_packages();
    let mut withdrawn = Offered::default();
    let mut waiting = Vec::new();
    for (kind, url, own_version) in engine.store().package_definitions(name, version)? {
        let wanted = Some(own_version.as_str()).filter(|version| !version.is_empty());
        let Some(number) = definitions().resource_number(&kind) else { continue };
        let Some(definition) = engine.packages().find(&kind, &url, wanted) else { continue };
        let id = definition.text("id").unwrap_or_default();
        let Some(stored) = engine.store().current(number, id)?.filter(|version| !version.is_deleted()) else {
            continue;
        };
        let is_it = json::parse(&stored.body).is_ok_and(|stored| {
            stored.text("url") == definition.text("url") && stored.text("version") == definition.text("version")
        });
        if is_it {
            waiting.push((format!("{kind}/{id}"), entry("DELETE", &kind, id, None)));
        }
        if waiting.len() == AT_ONCE {
            send(engine, &mut waiting, &mut withdrawn)?;
        }
    }
    send(engine, &mut waiting, &mut withdrawn)?;
    Ok(withdrawn)
}

fn entry(method: &'static str, kind: &str, id: &str, resource: Option<&Node<'static>>) -> Node<'static> {
    let request = Node::object([("method", Node::string(method)), ("url", Node::string(format!("{kind}/{id}")))]);
    let resource = resource.map(|resource| ("resource", resource.clone()));
    Node::object(resource.into_iter().chain([("request", request)]))
}

/// Each on its own, so that one that is refused takes no other along; the writer commits them together.
fn send(engine: &Engine, waiting: &mut Vec<(String, Node<'static>)>, offered: &mut Offered) -> Result<(), Rejection> {
    let one = |entry: &Node<'static>| {
        let kind = [("resourceType", Node::string("Bundle")), ("type", Node::string("transaction"))];
        let bundle = Node::object(kind.into_iter().chain([("entry", Node::Array(vec![entry.clone()]))]));
        engine.transaction_blocking(bundle, "", None)
    };
    let begun: Vec<_> = waiting.iter().map(|(_, entry)| one(entry)).collect();
    for ((name, entry), begun) in waiting.drain(..).zip(begun) {
        let mut outcome = begun.and_then(|pending| settle(pending.wait()));
        for _ in 1..ATTEMPTS {
            if matches!(&outcome, Err(rejection) if rejection.status == 409) {
                outcome = one(&entry).and_then(|pending| settle(pending.wait()));
            }
        }
        match outcome {
            Ok(()) => offered.stored += 1,
            Err(rejection) if rejection.status >= 500 => return Err(rejection),
            Err(rejection) => {
                let why = rejection.issues.first().map_or("it was refused", |issue| issue.diagnostics.as_str());
                offered.refused.push(format!("{name}: {why}"));
            }
        }
    }
    Ok(())
}

fn settle(answer: Result<Vec<EntryAnswer>, Refusal>) -> Result<(), Rejection> {
    match answer {
        Ok(_) => Ok(()),
        Err(Refusal::Rejected(rejection)) => Err(rejection),
        Err(Refusal::Stale) => Err(Rejection::new(409, IssueCode::Conflict, "it was changed meanwhile")),
    }
}

/// Whether what is stored is the same definition in an older version of ours.
fn is_older(stored: &Node<'_>, ours: &Node<'_>) -> bool {
    let numbers = |node: &Node<'_>| -> Option<Vec<u32>> {
        node.text("version")?.split('.').map(|part| part.parse().ok()).collect()
    };
    stored.text("url") == ours.text("url")
        && matches!((numbers(stored), numbers(ours)), (Some(stored), Some(ours)) if stored < ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_older_versions_of_the_same_definition_give_way() {
        let of = |url: &'static str, version: &'static str| {
            Node::object([("url", Node::string(url)), ("version", Node::string(version))])
        };
        assert!(is_older(&of("http://a", "0.9.10"), &of("http://a", "0.10.0")));
        assert!(!is_older(&of("http://a", "0.10.0"), &of("http://a", "0.10.0")));
        assert!(!is_older(&of("http://a", "own"), &of("http://a", "0.10.0")));
        assert!(!is_older(&of("http://b", "0.1.0"), &of("http://a", "0.10.0")));
    }
}
