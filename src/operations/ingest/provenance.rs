//! One Provenance a version of a document: these resources came from that document.

use super::document::{Document, name_id};
use super::keys::Item;
use super::references::{Resolver, target};
use crate::format::json::Node;

const AGENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/provenance-participant-type";

/// Its id and the resource. Shared resources are targets too: should they be created, this says
/// where from.
pub(super) fn provenance(
    document: &Document<'_>,
    resolver: &Resolver<'_>,
    items: &[Item],
    targets: &[String],
    bundle_url: &str,
) -> (String, Node<'static>) {
    let id = name_id(&[&document.identity.key, "Provenance", &document.instant.to_string()]);
    let composition = document.composition();
    let who = |reference: &Node<'_>| {
        let mut who = reference.clone().into_owned();
        let place = resolver.resolve(reference.text("reference")?, document.composition)?;
        who.set("reference", Node::string(target(document, items, place)?));
        Some(who)
    };
    let mut agents: Vec<Node<'static>> =
        composition.list("author").iter().filter_map(who).map(|who| agent("author", who)).collect();
    agents.extend(composition.get("custodian").and_then(who).map(|who| agent("custodian", who)));
    if agents.is_empty() {
        // Provenance.agent is required; the identifier is what is known of the origin.
        let identifier = [
            ("system", Node::string(document.identity.system.clone())),
            ("value", Node::string(document.identity.value.clone())),
        ];
        let identifier = identifier.into_iter().filter(|(_, value)| value.as_str() != Some(""));
        let who = [("identifier", Node::object(identifier)), ("display", Node::string("作成者の記載なし"))];
        agents.push(agent("author", Node::object(who)));
    }
    let reference = |url: &str| Node::object([("reference", Node::string(url.to_owned()))]);
    let entity = Node::object([("role", Node::string("source")), ("what", reference(bundle_url))]);
    let provenance = Node::object([
        ("resourceType", Node::string("Provenance")),
        ("id", Node::string(id.clone())),
        ("target", Node::Array(targets.iter().map(|url| reference(url)).collect())),
        ("recorded", Node::string(document.timestamp.clone())),
        ("agent", Node::Array(agents)),
        ("entity", Node::Array(vec![entity])),
    ]);
    (id, provenance)
}

fn agent(role: &'static str, who: Node<'static>) -> Node<'static> {
    let coding = Node::object([("system", Node::string(AGENT_TYPE)), ("code", Node::string(role))]);
    Node::object([("type", Node::object([("coding", Node::Array(vec![coding]))])), ("who", who)])
}
