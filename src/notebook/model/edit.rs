//! Changes of resources by what is written in the notebook: only fields that became others are written,
//! all else stays as it is. And what of a resource no field shows.

use std::collections::BTreeSet;

use super::{Cell, Compiled, Mapping, cells, write_field};
use crate::format::json::Node;

impl Mapping {
    /// The source that a resource of this type comes from.
    #[must_use]
    pub fn source_of(&self, type_name: &str, resource: &Node<'_>) -> Option<usize> {
        self.sources.iter().position(|source| source.source.resource == type_name && source.takes(resource))
    }

    /// Whether a resource type is one of its sources.
    #[must_use]
    pub fn has_type(&self, type_name: &str) -> bool {
        self.entity.sources.iter().any(|source| source.resource == type_name)
    }

    /// Whether its rows are items of a list in a resource.
    #[must_use]
    pub fn is_of_items(&self) -> bool {
        self.entity.sources.first().is_some_and(|source| !source.per.is_empty())
    }

    /// Whether it is about a citizen.
    #[must_use]
    pub fn is_about_citizen(&self) -> bool {
        self.entity.sources.iter().any(|source| !source.citizen.is_empty())
    }

    /// Whether the field at this place has a place in what the source makes.
    #[must_use]
    pub fn is_placed(&self, source: usize, field: usize) -> bool {
        self.sources.get(source).and_then(|source| source.fields.get(field)).is_some_and(Option::is_some)
    }

    /// The citizens that a resource of a source is about.
    #[must_use]
    pub fn citizens_of(&self, source: usize, resource: &Node<'_>) -> Vec<String> {
        self.sources.get(source).and_then(|source| source.citizens(resource)).unwrap_or_default()
    }

    /// The values of a resource, or of the item of it at this place among the rows.
    #[must_use]
    pub fn values(&self, source: usize, resource: &Node<'_>, ordinal: usize) -> Option<Vec<Cell>> {
        let source = self.sources.get(source)?;
        let item = match &source.per {
            None => resource,
            Some(per) => per.items(resource).get(ordinal)?.1,
        };
        if source.present.iter().any(|lens| lens.get(item).is_none()) {
            return None;
        }
        Some(cells(self.entity, source, item))
    }

    /// The resource with these values; for a list's items, with those of the item at `ordinal`. What is
    /// equal already is not touched.
    #[must_use]
    pub fn edit(&self, source: usize, base: Node<'static>, ordinal: usize, new: &[Cell]) -> Node<'static> {
        let Some(source) = self.sources.get(source) else { return base };
        let mut resource = base;
        match &source.per {
            None => {
                let before = source.source.is_measured.then(|| resource.clone());
                let had: Vec<bool> = source.defaults.iter().map(|(lens, _)| lens.get(&resource).is_some()).collect();
                self.edit_node(source, &mut resource, new);
                // What must be there and was taken away is as in a new one.
                for ((lens, value), _) in source.defaults.iter().zip(had).filter(|(_, had)| *had) {
                    if lens.get(&resource).is_none() {
                        lens.set(&mut resource, value.clone());
                    }
                }
                if let Some(before) = before {
                    super::measured::classify(&mut resource, Some(&before));
                }
            }
            Some(per) => {
                let place = per.items(&resource).get(ordinal).map(|(place, _)| *place);
                let Some(place) = place else { return resource };
                if let Some(item) = per.list_mut(&mut resource).and_then(|items| items.get_mut(place)) {
                    self.edit_node(source, item, new);
                }
            }
        }
        resource
    }

    fn edit_node(&self, source: &Compiled, node: &mut Node<'static>, new: &[Cell]) {
        let old = cells(self.entity, source, node);
        for (((field, lens), old), new) in self.entity.fields.iter().zip(&source.fields).zip(old).zip(new) {
            if let Some(lens) = lens
                && old != *new
            {
                write_field(field, lens, new, node);
            }
        }
    }

    /// The resource with one more item, and the item's place among the rows.
    #[must_use]
    pub fn add_item(&self, source: usize, base: Node<'static>, new: &[Cell]) -> (Node<'static>, usize) {
        let mut resource = base;
        let Some(source) = self.sources.get(source) else { return (resource, 0) };
        let Some(per) = &source.per else { return (resource, 0) };
        let place = per.items(&resource).len();
        let mut item = per.new_item();
        self.write_fields(source, new, &mut item);
        per.set(&mut resource, item);
        (resource, place)
    }

    /// The resource without the item at this place among the rows.
    #[must_use]
    pub fn remove_item(&self, source: usize, base: Node<'static>, ordinal: usize) -> Node<'static> {
        let mut resource = base;
        let per = self.sources.get(source).and_then(|source| source.per.as_ref());
        let Some(per) = per else { return resource };
        if let Some((place, _)) = per.items(&resource).get(ordinal) {
            let place = *place;
            per.remove_at(&mut resource, place);
        }
        resource
    }

    /// What is in a resource and no field of the entity shows: elements as FHIRPath without places in
    /// lists, each named once at the highest level where nothing of it is shown.
    #[must_use]
    pub fn unshown(&self, source: usize, resource: &Node<'_>) -> Vec<String> {
        let Some(source) = self.sources.get(source) else { return Vec::new() };
        let root = source.source.resource;
        let mut covered = BTreeSet::new();
        let lenses = source.citizen.iter().chain(source.fixed.iter().map(|(lens, _)| lens));
        let lenses = lenses.chain(source.defaults.iter().map(|(lens, _)| lens));
        lenses.for_each(|lens| lens.cover(resource, root, &mut covered));
        match &source.per {
            None => source.fields.iter().flatten().for_each(|lens| lens.cover(resource, root, &mut covered)),
            Some(per) => {
                let list = source.source.per.split(['{', '*']).next().unwrap_or_default();
                for (place, item) in per.items(resource) {
                    let at = format!("{root}.{list}[{place}]");
                    per.cover(resource, root, &mut covered);
                    source.fields.iter().flatten().for_each(|lens| lens.cover(item, &at, &mut covered));
                }
            }
        }
        let mut unshown = BTreeSet::new();
        for (name, value) in resource.members() {
            let is_technical = matches!(name.as_ref(), "resourceType" | "id" | "meta" | "text" | "contained");
            if !is_technical {
                leaves(value, &format!("{root}.{name}"), &covered, &mut unshown);
            }
        }
        unshown.into_iter().collect()
    }
}

/// Adds what is not covered below `at`; answers whether anything is.
fn leaves(node: &Node<'_>, at: &str, covered: &BTreeSet<String>, unshown: &mut BTreeSet<String>) -> bool {
    if covered.contains(at) || covered.contains(&format!("{at}.reference")) {
        return true;
    }
    let mut below = BTreeSet::new();
    let mut is_shown = false;
    let mut is_leaf = true;
    for (place, item) in node.items().iter().enumerate() {
        is_leaf = false;
        is_shown |= leaves(item, &format!("{at}[{place}]"), covered, &mut below);
    }
    // What only names or classifies what is shown anyway is not missed.
    let said = |name: &str| matches!(name, "display" | "system" | "version" | "userSelected" | "url");
    for (name, value) in node.members() {
        is_leaf = false;
        if !said(name) {
            is_shown |= leaves(value, &format!("{at}.{name}"), covered, &mut below);
        }
    }
    if is_shown && !is_leaf {
        unshown.append(&mut below);
    } else {
        unshown.insert(without_places(at));
    }
    is_shown
}

fn without_places(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut is_inside = false;
    for letter in path.chars() {
        match letter {
            '[' => is_inside = true,
            ']' => is_inside = false,
            _ if is_inside => {}
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::mapping;
    use super::*;
    use crate::format::json::parse;

    fn node(text: &str) -> Node<'static> {
        parse(text.as_bytes()).unwrap().into_owned()
    }

    #[test]
    fn what_no_field_shows_is_named_once() {
        let measurement = mapping("measurement").unwrap();
        let resource = node(
            r#"{"resourceType":"Observation","id":"a","meta":{"versionId":"1"},"status":"final",
            "code":{"coding":[{"system":"http://loinc.org","code":"29463-7","display":"x"},{"system":"http://other","code":"2"}],"text":"体重"},
            "subject":{"reference":"Patient/p","display":"y"},"effectiveDateTime":"2026","valueQuantity":{"value":1.50,"unit":"kg","comparator":"<"},
            "specimen":{"reference":"Specimen/s"},"referenceRange":[{"low":{"value":1}},{"high":{"value":2}}],
            "note":[{"text":"shown","time":"2026"},{"text":"second"}]}"#,
        );
        let source = measurement.source_of("Observation", &resource).unwrap();
        assert_eq!(
            measurement.unshown(source, &resource),
            [
                "Observation.code.coding",
                "Observation.note",
                "Observation.note.time",
                "Observation.referenceRange",
                "Observation.specimen",
                "Observation.valueQuantity.comparator"
            ]
        );
    }

    #[test]
    fn an_edit_writes_what_became_another_and_nothing_else() {
        let visit = mapping("visit").unwrap();
        let base = node(
            r#"{"resourceType":"Encounter","status":"finished","class":{"code":"IMP"},"type":[{"coding":[{"code":"x"}],"text":"入院"}],
            "subject":{"reference":"Patient/p"},"period":{"start":"2026-01-01","end":"2026-02-01"},"length":{"value":31}}"#,
        );
        let source = visit.source_of("Encounter", &base).unwrap();
        let mut values = visit.values(source, &base, 0).unwrap();
        assert_eq!(visit.edit(source, base.clone(), 0, &values), base);
        let title = visit.entity.fields.iter().position(|field| field.name == "title").unwrap();
        let ends = visit.entity.fields.iter().position(|field| field.name == "ends").unwrap();
        values[title] = Cell::Text("再入院".into());
        values[ends] = Cell::Nothing;
        assert_eq!(
            visit.edit(source, base, 0, &values),
            node(
                r#"{"resourceType":"Encounter","status":"finished","class":{"code":"IMP"},"type":[{"coding":[{"code":"x"}],"text":"再入院"}],
            "subject":{"reference":"Patient/p"},"period":{"start":"2026-01-01"},"length":{"value":31}}"#
            )
        );
    }

    #[test]
    fn items_come_and_go_beside_what_else_is_there() {
        let marks = mapping("read_mark").unwrap();
        let base = node(
            r#"{"resourceType":"Communication","extension":[{"url":"urn:other","valueCode":"x"}],"status":"completed","subject":{"reference":"Patient/p"}}"#,
        );
        let source = marks.source_of("Communication", &base).unwrap();
        let when = "2026-05-01T10:00:00+09:00".to_owned();
        let cells = [Cell::Text("Practitioner/a".into()), Cell::Date(when, None)];
        let (one, place) = marks.add_item(source, base.clone(), &cells);
        assert_eq!(place, 0);
        let (two, place) = marks.add_item(source, one.clone(), &[Cell::Text("Practitioner/b".into()), Cell::Nothing]);
        assert_eq!((place, two.list("extension").len()), (1, 3));
        assert_eq!(marks.values(source, &two, 1).unwrap()[0], Cell::Text("Practitioner/b".into()));
        assert_eq!(marks.remove_item(source, two, 1), one);
        assert_eq!(marks.remove_item(source, one, 0), base);
    }
}
