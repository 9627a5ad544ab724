//! The TerminologyCapabilities (FHIR R4 terminologycapabilities.html): which code systems are here
//! now, and what the operations do.

use crate::format::json::Node;
use crate::operations::operations;
use crate::terminology::Terminology;

/// The TerminologyCapabilities of a server at `base`. Asking what is here may block.
pub(super) fn terminology_capabilities(terminology: &Terminology, base: &str) -> Vec<u8> {
    let systems = terminology.code_systems().into_iter().map(|(uri, versions)| {
        let versions: Vec<Node<'_>> =
            versions.into_iter().map(|version| Node::object([("code", Node::string(version))])).collect();
        let mut members = vec![("uri", Node::string(uri))];
        if !versions.is_empty() {
            members.push(("version", Node::Array(versions)));
        }
        Node::object(members)
    });
    let expand =
        operations().iter().find(|known| known.name == "expand" && known.types.iter().any(|on| on == "ValueSet"));
    let taken = |name: &str| !matches!(name, "context" | "contextDirection" | "date");
    let parameters = expand.map_or(&[][..], |expand| &expand.inputs).iter().filter(|known| taken(&known.name));
    let parameters = parameters.map(|known| Node::object([("name", Node::string(known.name.clone()))]));
    let capabilities = Node::object([
        ("resourceType", Node::string("TerminologyCapabilities")),
        ("status", Node::string("active")),
        ("date", Node::string("2026-11-25")),
        ("kind", Node::string("instance")),
        (
            "software",
            Node::object([("name", Node::string("renraku")), ("version", Node::string(env!("CARGO_PKG_VERSION")))]),
        ),
        (
            "implementation",
            Node::object([
                ("description", Node::string("renraku FHIR R4 server")),
                ("url", Node::string(base.to_owned())),
            ]),
        ),
        ("codeSystem", Node::Array(systems.collect())),
        (
            "expansion",
            Node::object([
                ("hierarchical", Node::Bool(true)),
                ("paging", Node::Bool(true)),
                ("incomplete", Node::Bool(false)),
                ("parameter", Node::Array(parameters.collect())),
                (
                    "textFilter",
                    Node::string(
                        "all words must occur in the display or a designation, or the code begins with the one word; \
                         width, case, accents and the kinds of kana do not count",
                    ),
                ),
            ]),
        ),
        ("codeSearch", Node::string("all")),
        ("validateCode", Node::object([("translations", Node::Bool(true))])),
        ("translation", Node::object([("needsMap", Node::Bool(false))])),
        ("closure", Node::object([("translation", Node::Bool(false))])),
    ]);
    capabilities.to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json::parse;
    use crate::r4::canonical::standard;
    use crate::validation::structure::check_resource;

    #[test]
    fn are_valid() {
        let bytes = terminology_capabilities(&Terminology::new(standard()), "http://x/fhir");
        let node = parse(&bytes).unwrap();
        assert_eq!(check_resource(&node, Some("TerminologyCapabilities")).map(|_| ()), Ok(()));
        assert!(node.list("codeSystem").len() > 1_000);
    }
}
