//! Line and column of what findings are about, in the JSON or XML text they were found in.
//!
//! Many findings of one text share the way: where the items of an array begin and where lines begin is found
//! out once.

use std::collections::HashMap;

use crate::format::json::locate::{self, Spot};
use crate::r4::{Kind, TypeId, definitions};
use crate::xml;

/// Lines and columns of expressions in XML, in their order; `root` is where the resource is in the text when
/// it is not the whole (`Parameters.parameter[0].resource`).
#[must_use]
pub fn places_in_xml(text: &[u8], root: Option<&str>, expressions: &[Option<&str>]) -> Vec<Option<(usize, usize)>> {
    let whole = |expression: &str| match (root, expression.split_once('.')) {
        (None, _) => expression.to_owned(),
        (Some(root), None) => root.to_owned(),
        (Some(root), Some((_, rest))) => format!("{root}.{rest}"),
    };
    let known: Vec<String> = expressions.iter().map(|expression| expression.map(whole).unwrap_or_default()).collect();
    let asked: Vec<&str> = known.iter().map(String::as_str).collect();
    let breaks = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(place, _)| place + 1);
    let lines: Vec<usize> = std::iter::once(0).chain(breaks).collect();
    let place = |offset: usize| {
        let line = lines.partition_point(|begin| *begin <= offset);
        let begin = lines.get(line.checked_sub(1)?)?;
        Some((line, offset - begin + 1))
    };
    xml::locate::offsets(text, &asked).into_iter().map(|offset| place(offset?)).collect()
}

/// Bytes of text that may be gone through for one text; later findings have no place.
const BUDGET: usize = 1 << 30;

/// Finds places in one text.
#[derive(Debug)]
pub struct Locator<'t> {
    text: &'t [u8],
    resource: Spot,
    /// Where each line begins.
    lines: Vec<usize>,
    /// Where the items of arrays begin, by where the array does.
    items: HashMap<usize, Vec<Spot>>,
    budget: usize,
}

impl<'t> Locator<'t> {
    /// For the resource that begins at `resource`.
    #[must_use]
    pub fn new(text: &'t [u8], resource: Spot) -> Self {
        let breaks = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(place, _)| place + 1);
        Self {
            text,
            resource,
            lines: std::iter::once(0).chain(breaks).collect(),
            items: HashMap::new(),
            budget: BUDGET,
        }
    }

    /// Line and column, counted from 1, of an expression (`Patient.name[0].given[1]`); of the innermost element
    /// that is there when a later one is missing.
    pub fn line_and_column(&mut self, expression: &str) -> Option<(usize, usize)> {
        let start = self.walk(expression)?.start;
        let line = self.lines.partition_point(|begin| *begin <= start);
        let begin = self.lines.get(line.checked_sub(1)?)?;
        Some((line, start - begin + 1))
    }

    fn walk(&mut self, expression: &str) -> Option<Spot> {
        let mut steps = expression.split('.');
        let mut type_id = steps.next().and_then(|name| definitions().type_id(name));
        let mut spot = self.resource;
        for step in steps {
            let (name, index) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
                Some((name, index)) => (name, index.parse::<usize>().ok()),
                None => (step, None),
            };
            let Some(owner) = type_id else { return Some(spot) };
            let Some((found, next)) = self.member(spot, owner, name)? else { return Some(spot) };
            spot = index.and_then(|index| self.item(found, index)).unwrap_or(found);
            type_id = match next {
                Some(id) if definitions().get(id).kind == Kind::Resource => self.resource_type(spot).or(Some(id)),
                other => other,
            };
        }
        Some(spot)
    }

    fn member(&mut self, spot: Spot, owner: TypeId, name: &str) -> Option<Option<(Spot, Option<TypeId>)>> {
        let definition = definitions().get(owner);
        let Some(element) = definition.elements.iter().find(|element| element.name == name) else { return Some(None) };
        let siblings: Vec<String> = element.types.iter().map(|found| format!("_{}", found.json_name)).collect();
        let own = element.types.iter().map(|found| found.json_name.as_str());
        let names: Vec<&str> = own.chain(siblings.iter().map(String::as_str)).collect();
        let Some((found, which)) = locate::member(self.text, spot, &names) else {
            // The whole object was gone through.
            self.budget = self.budget.checked_sub(1024)?;
            return Some(None);
        };
        self.budget = self.budget.checked_sub(found.value.saturating_sub(spot.value))?;
        let chosen = element.types.get(which % element.types.len().max(1));
        Some(Some((found, chosen.map(|found| found.type_id))))
    }

    fn item(&mut self, array: Spot, index: usize) -> Option<Spot> {
        let text = self.text;
        self.items.entry(array.value).or_insert_with(|| locate::items(text, array)).get(index).copied()
    }

    fn resource_type(&self, spot: Spot) -> Option<TypeId> {
        let (found, _) = locate::member(self.text, spot, &["resourceType"])?;
        let rest = self.text.get(found.value + 1..)?;
        let end = rest.iter().position(|byte| *byte == b'"')?;
        definitions().resource(std::str::from_utf8(rest.get(..end)?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_lead_to_their_lines() {
        let text = b"{\"resourceType\":\"Bundle\",\n\"entry\":[{},\n{\"resource\":\n{\"resourceType\":\"Observation\",\n\"valueQuantity\":{\n\"unit\":\"x\"}}}]}";
        let mut locator = Locator::new(text, locate::whole(text));
        let mut at = |expression| locator.line_and_column(expression).unwrap();
        assert_eq!(at("Bundle"), (1, 1));
        assert_eq!(at("Bundle.entry[1]"), (3, 1));
        assert_eq!(at("Bundle.entry[1].resource.value.unit"), (6, 1));
        assert_eq!(at("Bundle.entry[1].resource.value.code"), (5, 1));
    }
}
