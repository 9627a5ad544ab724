//! Demonstration data.

use crate::format::json::Node;

/// The demonstration data, one transaction Bundle a citizen.
#[must_use]
pub fn demo_bundles() -> Vec<Node<'static>> {
    let patient = Node::object([("resourceType", Node::string("Patient")), ("id", Node::string("demo-1"))]);
    let request = Node::object([("method", Node::string("PUT")), ("url", Node::string("Patient/demo-1"))]);
    vec![Node::object([
        ("resourceType", Node::string("Bundle")),
        ("type", Node::string("transaction")),
        ("entry", Node::Array(vec![Node::object([("resource", patient), ("request", request)])])),
    ])]
}
