//! The elements of a definition as a tree: children by name, slices beside the element they slice.
//!
//! Lists of elements (snapshots) become trees here, and trees give lists back for comparison.

use super::element::{DiscriminatorKind, ElementDef, Slicing, SlicingRules};

/// An element with what is below it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    pub(crate) def: ElementDef,
    pub(crate) children: Vec<Tree>,
    /// Slices of this element, each with children of its own.
    pub(crate) slices: Vec<Tree>,
}

/// One step of an element id: `value[x]:valueQuantity`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) segment: String,
    pub(crate) slice: Option<String>,
}

impl Tree {
    /// A leaf.
    pub(crate) fn leaf(def: ElementDef) -> Self {
        Self { def, children: Vec::new(), slices: Vec::new() }
    }

    /// The tree of a snapshot; `None` when there is no first element.
    pub(crate) fn from_snapshot(elements: Vec<ElementDef>) -> Option<Self> {
        let places = steps_of(&elements);
        let mut elements = elements.into_iter();
        let mut root = Self::leaf(elements.next()?);
        for (def, steps) in elements.zip(places.into_iter().skip(1)) {
            root.insert(&steps, def);
        }
        Some(root)
    }

    fn insert(&mut self, steps: &[Step], def: ElementDef) {
        let [step, rest @ ..] = steps else { return };
        let name = step.segment.strip_suffix("[x]").unwrap_or(&step.segment);
        let place = self.children.iter().rposition(|child| child.def.name() == name);
        let place = match place {
            Some(place) => place,
            None => {
                let is_it = rest.is_empty() && step.slice.is_none();
                let blank = ElementDef { path: format!("{}.{}", self.def.path, step.segment), ..ElementDef::default() };
                self.children.push(Self::leaf(if is_it { def.clone() } else { blank }));
                if is_it {
                    return;
                }
                self.children.len() - 1
            }
        };
        let Some(child) = self.children.get_mut(place) else { return };
        child.insert_here(step.slice.as_deref(), rest, def);
    }

    fn insert_here(&mut self, slice: Option<&str>, rest: &[Step], def: ElementDef) {
        let Some(slice) = slice else {
            if rest.is_empty() {
                self.def = def;
            } else {
                self.insert(rest, def);
            }
            return;
        };
        if let Some(found) = self.slice_mut(slice) {
            return found.insert_here(None, rest, def);
        }
        let parent = match slice.rsplit_once('/') {
            Some((outer, _)) if self.slice_mut(outer).is_some() => self.slice_mut(outer),
            _ => Some(self),
        };
        if let Some(parent) = parent {
            let mut new = Self::leaf(ElementDef {
                path: parent.def.path.clone(),
                slice_name: Some(slice.to_owned()),
                ..ElementDef::default()
            });
            new.insert_here(None, rest, def);
            parent.slices.push(new);
        }
    }

    /// A slice by its name, also one of a slice (`outer/inner`).
    pub(crate) fn slice_mut(&mut self, name: &str) -> Option<&mut Self> {
        let is_it = |tree: &Self| tree.def.slice_name.as_deref() == Some(name);
        if let Some(place) = self.slices.iter().position(is_it) {
            return self.slices.get_mut(place);
        }
        let outer = self.slices.iter().position(|tree| {
            tree.def
                .slice_name
                .as_deref()
                .is_some_and(|outer| name.strip_prefix(outer).is_some_and(|r| r.starts_with('/')))
        })?;
        self.slices.get_mut(outer)?.slice_mut(name)
    }

    /// The element with this id below the root: `Composition.section:codeA`.
    pub(crate) fn element(&self, id: &str) -> Option<&Self> {
        let mut segments = id.split('.');
        segments.next()?;
        segments.try_fold(self, |tree, segment| {
            let (name, slice) = segment.split_once(':').map_or((segment, None), |(name, slice)| (name, Some(slice)));
            let child = tree.child(name.strip_suffix("[x]").unwrap_or(name))?;
            match slice {
                Some(slice) => child.slice(slice),
                None => Some(child),
            }
        })
    }

    /// As [`Self::slice_mut`].
    fn slice(&self, name: &str) -> Option<&Self> {
        self.slices.iter().find_map(|tree| {
            let own = tree.def.slice_name.as_deref()?;
            let is_inner = name.strip_prefix(own).is_some_and(|rest| rest.starts_with('/'));
            if own == name { Some(tree) } else { is_inner.then(|| tree.slice(name)).flatten() }
        })
    }

    /// A child by its name without `[x]`.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.def.name() == name)
    }

    /// The child that a segment of a path means, and for `valueQuantity` the type that it chooses.
    pub(crate) fn place_of<'s>(&self, segment: &'s str) -> Option<(usize, Option<&'s str>)> {
        let name = segment.strip_suffix("[x]").unwrap_or(segment);
        if let Some(place) = self.children.iter().position(|child| child.def.name() == name) {
            return Some((place, None));
        }
        self.children.iter().enumerate().find_map(|(place, child)| {
            let rest = child.def.is_choice().then(|| name.strip_prefix(child.def.name())).flatten()?;
            let is_type =
                child.def.types.iter().any(|found| capitalised(&found.code) == rest) || child.def.types.is_empty();
            (is_type && rest.starts_with(|first: char| first.is_ascii_uppercase())).then_some((place, Some(rest)))
        })
    }

    /// Slices of extensions and of choices need not say how they are told apart
    /// (FHIR R4 profiling.html#slicing).
    pub(crate) fn imply_slicing(&mut self) {
        if self.def.slicing.is_some() || self.slices.is_empty() {
            return;
        }
        let by = |kind, path: &str| {
            Some(Slicing { discriminators: vec![(kind, path.to_owned())], ordered: false, rules: SlicingRules::Open })
        };
        if matches!(self.def.name(), "extension" | "modifierExtension") {
            self.def.slicing = by(DiscriminatorKind::Value, "url");
        } else if self.def.is_choice() {
            self.def.slicing = by(DiscriminatorKind::Type, "$this");
        }
    }

    /// A new slice of this element: what holds for it holds for the slice.
    pub(crate) fn new_slice(&self, name: &str) -> Self {
        let mut slice = Self { slices: Vec::new(), ..self.clone() };
        slice.def.slicing = None;
        slice.def.slice_name = Some(name.to_owned());
        slice.def.min = Some(0);
        slice
    }

    /// Depth first, in the order of a snapshot, with ids.
    #[cfg(test)]
    pub(crate) fn flatten<'t>(&'t self, id: &str, out: &mut Vec<(String, &'t ElementDef)>) {
        out.push((id.to_owned(), &self.def));
        for child in &self.children {
            child.flatten(&format!("{id}.{}", child.def.segment()), out);
        }
        let bare = id.rsplit_once(':').filter(|(_, slice)| !slice.contains('.')).map_or(id, |(bare, _)| bare);
        for slice in &self.slices {
            slice.flatten(&format!("{bare}:{}", slice.def.slice_name.as_deref().unwrap_or_default()), out);
        }
    }
}

/// `Quantity` of `quantity`: how a type ends the JSON name of a choice.
pub(crate) fn capitalised(code: &str) -> String {
    let mut letters = code.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Where each element of a list belongs: by its id where all ids are as R4 wants them
/// (elementdefinition.html#id), else by path, slice name and order.
pub(crate) fn steps_of(elements: &[ElementDef]) -> Vec<Vec<Step>> {
    let by_id: Option<Vec<Vec<Step>>> = elements.iter().map(from_id).collect();
    by_id.unwrap_or_else(|| from_order(elements))
}

fn from_id(def: &ElementDef) -> Option<Vec<Step>> {
    let segments: Vec<&str> = def.path.split('.').collect();
    let mut steps = Vec::with_capacity(segments.len());
    let mut rest = def.id.as_str();
    for (place, segment) in segments.iter().enumerate() {
        // Slice names may hold dots, so the id is matched against the path, not split.
        let after = rest.strip_prefix(segment)?;
        let (slice, after) = match after.strip_prefix(':') {
            None => (None, after),
            Some(named) => {
                let end = match segments.get(place + 1) {
                    Some(next) => named.match_indices('.').map(|(at, _)| at).find(|at| {
                        named
                            .get(at + 1..)
                            .and_then(|tail| tail.strip_prefix(next))
                            .is_some_and(|tail| tail.is_empty() || tail.starts_with(['.', ':']))
                    })?,
                    None => named.len(),
                };
                (Some(named.get(..end)?.to_owned()), named.get(end..)?)
            }
        };
        rest = match segments.get(place + 1) {
            Some(_) => after.strip_prefix('.')?,
            None if after.is_empty() => after,
            None => return None,
        };
        if place > 0 {
            steps.push(Step { segment: (*segment).to_owned(), slice });
        }
    }
    let last_slice = steps.last().and_then(|step| step.slice.as_ref());
    let is_alias = |name: &String| def.segment() == name;
    match (&def.slice_name, last_slice) {
        (Some(name), None) if !is_alias(name) && !steps.is_empty() => None,
        _ => Some(steps),
    }
}

fn from_order(elements: &[ElementDef]) -> Vec<Vec<Step>> {
    // The slice last begun at each path that is open.
    let mut open: Vec<(String, String)> = Vec::new();
    let mut all = Vec::with_capacity(elements.len());
    for def in elements {
        let is_within = |outer: &str| def.path.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
        open.retain(|(path, _)| is_within(path));
        if let Some(name) = &def.slice_name {
            open.push((def.path.clone(), name.clone()));
        }
        let mut path = String::new();
        let mut steps = Vec::new();
        for (place, segment) in def.path.split('.').enumerate() {
            if place > 0 {
                path.push('.');
            }
            path.push_str(segment);
            if place > 0 {
                let slice = open.iter().find(|(open, _)| *open == path).map(|(_, name)| name.clone());
                steps.push(Step { segment: segment.to_owned(), slice });
            }
        }
        all.push(steps);
    }
    all
}
