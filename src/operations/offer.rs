//! Our own guide as resources: so that `StructureDefinition/notebook-patient` can be read, searched and
//! referred to like any other.
//!
//! What is there already stays as it is, unless it is an older version of the same definition.

use crate::engine::Engine;
use crate::format::json::{self, Node};
use crate::r4::definitions;
use crate::r4::guide::guide;
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
