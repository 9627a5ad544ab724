//! ElementDefinitions as `elementDefinition()` gives them: what the tables of the standard say of an element.

use crate::fhirpath::evaluate::Item;
use crate::format::json::Node;
use crate::r4::definitions::Element;
use crate::r4::{Kind, definitions};

/// Deepest nesting searched for an element.
const MAX_DEPTH: usize = 100;
const CORE: &str = "http://hl7.org/fhir/StructureDefinition/";

/// The path of an element of a resource (`Patient.contact.name`), and its row in the tables; none for the
/// resource itself.
pub(super) fn place_of(
    resource: Item<'_>,
    wanted: Item<'_>,
    budget: &mut usize,
) -> Option<(String, Option<&'static Element>)> {
    let name = definitions().get(resource.type_id).name.clone();
    let (node, looked_for) = (resource.node()?, wanted.node()?);
    if std::ptr::eq(node, looked_for) {
        return Some((name, None));
    }
    search(node, resource, looked_for, &name, 0, budget)
}

fn search(
    node: &Node<'_>,
    owner: Item<'_>,
    wanted: &Node<'_>,
    path: &str,
    depth: usize,
    budget: &mut usize,
) -> Option<(String, Option<&'static Element>)> {
    let all = definitions();
    let definition = all.get(owner.type_id);
    for (name, value) in node.members() {
        let Some(field) = definition.field(name) else { continue };
        let element = definition.element(field);
        for item in std::slice::from_ref(value).iter().chain(value.items()) {
            *budget = budget.checked_sub(1)?;
            let declared = all.get(field.type_id);
            let (here, type_id) = match (declared.kind, item.text("resourceType").and_then(|name| all.resource(name))) {
                // Paths begin anew in a contained resource.
                (Kind::Resource, Some(id)) => (all.get(id).name.clone(), id),
                _ => (format!("{path}.{}", element.name), field.type_id),
            };
            if std::ptr::eq(item, wanted) {
                return Some((here, Some(element)));
            }
            if depth < MAX_DEPTH
                && matches!(item, Node::Object(_))
                && let Some(found) = search(item, Item::new(type_id, item), wanted, &here, depth + 1, budget)
            {
                return Some(found);
            }
        }
    }
    None
}

/// The definition of what is at a path.
pub(super) fn definition(path: &str, element: Option<&Element>, item: Item<'_>) -> Option<Node<'static>> {
    let text = |text: &str| Node::string(text.to_owned());
    let path = match element {
        Some(element) if element.is_choice => format!("{path}[x]"),
        _ => path.to_owned(),
    };
    let mut members = vec![("id", text(&path)), ("path", text(&path))];
    let Some(element) = element else {
        let name = &definitions().get(item.type_id).name;
        members.extend([("min", Node::Number("0".into())), ("max", text("*"))]);
        members.push(("base", Node::object([("path", text(name))])));
        return Some(Node::object(members));
    };
    let max = if element.is_array { "*" } else { "1" };
    members.extend([("min", Node::Number(element.min.to_string().into())), ("max", text(max))]);
    let types = element.types.iter().map(|found| {
        let definition = definitions().get(found.type_id);
        let code = if definition.kind == Kind::Backbone { "BackboneElement" } else { definition.name.as_str() };
        let mut members = vec![("code", text(code))];
        if !found.targets.is_empty() {
            let full =
                |target: &String| text(&if target.contains(':') { target.clone() } else { format!("{CORE}{target}") });
            members.push(("targetProfile", Node::Array(found.targets.iter().map(full).collect())));
        }
        Node::object(members)
    });
    members.push(("type", Node::Array(types.collect())));
    if !element.invariants.is_empty() {
        let constraint = |rule: &crate::r4::definitions::Invariant| {
            let severity = if rule.is_error { "error" } else { "warning" };
            Node::object([
                ("key", text(&rule.key)),
                ("severity", text(severity)),
                ("human", text(&rule.human)),
                ("expression", text(&rule.expression)),
            ])
        };
        members.push(("constraint", Node::Array(element.invariants.iter().map(constraint).collect())));
    }
    if let Some((strength, value_set)) = &element.binding {
        let binding = Node::object([("strength", text(strength)), ("valueSet", text(value_set))]);
        members.push(("binding", binding));
    }
    Some(Node::object(members))
}
