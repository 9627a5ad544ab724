//! Line and column of what a finding is about, in the JSON text it was found in.

use crate::format::json::locate::{self, Spot};
use crate::format::json::place;
use crate::r4::{Kind, TypeId, definitions};

/// Line and column, counted from 1, of an expression (`Patient.name[0].given[1]`) within the resource that
/// begins at `resource`; of the innermost element that is there when a later one is missing.
#[must_use]
pub fn line_and_column(text: &[u8], resource: Spot, expression: &str) -> (usize, usize) {
    place(text, walk(text, resource, expression).start)
}

fn walk(text: &[u8], resource: Spot, expression: &str) -> Spot {
    let mut steps = expression.split('.');
    let mut type_id = steps.next().and_then(|name| definitions().type_id(name));
    let mut spot = resource;
    for step in steps {
        let (name, index) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
            Some((name, index)) => (name, index.parse::<usize>().ok()),
            None => (step, None),
        };
        let Some(owner) = type_id else { return spot };
        let Some((found, next)) = step_into(text, spot, owner, name) else { return spot };
        spot = match index.and_then(|index| locate::item(text, found, index)) {
            Some(item) => item,
            None => found,
        };
        type_id = match next {
            Some(id) if definitions().get(id).kind == Kind::Resource => resource_type(text, spot).or(Some(id)),
            other => other,
        };
    }
    spot
}

fn step_into(text: &[u8], spot: Spot, owner: TypeId, name: &str) -> Option<(Spot, Option<TypeId>)> {
    let definition = definitions().get(owner);
    let element = definition.elements.iter().find(|element| element.name == name)?;
    let siblings: Vec<String> = element.types.iter().map(|found| format!("_{}", found.json_name)).collect();
    let names: Vec<&str> =
        element.types.iter().map(|found| found.json_name.as_str()).chain(siblings.iter().map(String::as_str)).collect();
    let (found, which) = locate::member(text, spot, &names)?;
    let chosen = element.types.get(which).or_else(|| element.types.get(which.checked_sub(element.types.len())?));
    Some((found, chosen.map(|found| found.type_id)))
}

fn resource_type(text: &[u8], spot: Spot) -> Option<TypeId> {
    let (found, _) = locate::member(text, spot, &["resourceType"])?;
    let rest = text.get(found.value + 1..)?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    definitions().resource(std::str::from_utf8(rest.get(..end)?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_lead_to_their_lines() {
        let text = b"{\"resourceType\":\"Bundle\",\n\"entry\":[{},\n{\"resource\":\n{\"resourceType\":\"Observation\",\n\"valueQuantity\":{\n\"unit\":\"x\"}}}]}";
        let at = |expression| line_and_column(text, locate::whole(text), expression);
        assert_eq!(at("Bundle"), (1, 1));
        assert_eq!(at("Bundle.entry[1]"), (3, 1));
        assert_eq!(at("Bundle.entry[1].resource.value.unit"), (6, 1));
        assert_eq!(at("Bundle.entry[1].resource.value.code"), (5, 1));
    }
}
