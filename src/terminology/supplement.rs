//! Supplements: code systems that add designations and properties to another (FHIR R4 codesystem.html#supplements).
//! They define no codes; what they add is there whenever the system they supplement is asked.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::concept::{CodeSystem, Concept, Designation, Header, Property, PropertyDefinition, Selection, Unavailable};
use super::defined::DefinedSystem;
use crate::format::json::Node;

/// What supplements add to one concept.
#[derive(Debug, Default)]
struct Extra {
    designations: Vec<Designation>,
    properties: Vec<Property>,
}

/// A code system with its supplements.
#[derive(Debug)]
pub(super) struct Supplemented {
    base: Arc<dyn CodeSystem>,
    header: Header,
    extras: HashMap<String, Extra>,
    size: usize,
}

impl Supplemented {
    pub(super) fn new(base: Arc<dyn CodeSystem>, supplements: &[Arc<Node<'static>>]) -> Self {
        let mut header = base.header().clone();
        let mut extras: HashMap<String, Extra> = HashMap::new();
        let mut size = base.size();
        for supplement in supplements {
            let added = DefinedSystem::read(supplement);
            let language = added.header().language.clone();
            let is_new =
                |known: &PropertyDefinition| !header.properties.iter().any(|property| property.code == known.code);
            let properties: Vec<PropertyDefinition> =
                added.header().properties.iter().filter(|known| is_new(known)).cloned().collect();
            header.properties.extend(properties);
            // A supplement in memory is always walked to its end.
            let _ = added.walk(&Selection::default(), 0, &mut |concept| {
                let extra = extras.entry(concept.code.clone()).or_default();
                if let Some(display) = &concept.display {
                    extra.designations.push(Designation {
                        language: language.clone(),
                        usage: None,
                        value: display.clone(),
                    });
                }
                extra.designations.extend(concept.designations.iter().cloned());
                extra.properties.extend(concept.properties.iter().cloned());
                ControlFlow::Continue(())
            });
            size += added.size();
        }
        Self { base, header, extras, size }
    }

    fn with_extra(&self, concept: &Arc<Concept>) -> Arc<Concept> {
        let Some(extra) = self.extras.get(&concept.code) else { return Arc::clone(concept) };
        let mut whole = Concept::clone(concept);
        for designation in &extra.designations {
            let is_known = whole.designations.contains(designation)
                || designation.usage.is_none()
                    && designation.language.is_none()
                    && whole.display.as_ref() == Some(&designation.value);
            if !is_known {
                whole.designations.push(designation.clone());
            }
        }
        whole.properties.extend(extra.properties.iter().cloned());
        Arc::new(whole)
    }
}

impl CodeSystem for Supplemented {
    fn header(&self) -> &Header {
        &self.header
    }

    fn find(&self, code: &str) -> Result<Option<Arc<Concept>>, Unavailable> {
        Ok(self.base.find(code)?.map(|concept| self.with_extra(&concept)))
    }

    fn contains(&self, code: &str) -> Result<bool, Unavailable> {
        self.base.contains(code)
    }

    fn absent_is_wrong(&self, code: &str) -> bool {
        self.base.absent_is_wrong(code)
    }

    fn is_below(&self, code: &str, ancestor: &str) -> Result<bool, Unavailable> {
        self.base.is_below(code, ancestor)
    }

    fn parents(&self, code: &str) -> Result<Vec<String>, Unavailable> {
        self.base.parents(code)
    }

    fn children(&self, code: &str) -> Result<Vec<String>, Unavailable> {
        self.base.children(code)
    }

    /// Words are looked for in what supplements add, too.
    fn walk(
        &self,
        selection: &Selection,
        skip: usize,
        visit: &mut dyn FnMut(&Arc<Concept>) -> ControlFlow<()>,
    ) -> Result<(), Unavailable> {
        if selection.words.is_empty() {
            return self.base.walk(selection, skip, &mut |concept| visit(&self.with_extra(concept)));
        }
        let without_words = Selection { words: Vec::new(), ..selection.clone() };
        let mut left = skip;
        self.base.walk(&without_words, 0, &mut |concept| {
            let whole = self.with_extra(concept);
            if !whole.matches(&selection.words) {
                return ControlFlow::Continue(());
            }
            if left > 0 {
                left -= 1;
                return ControlFlow::Continue(());
            }
            visit(&whole)
        })
    }

    fn is_elsewhere(&self) -> bool {
        self.base.is_elsewhere()
    }

    fn size(&self) -> usize {
        self.size
    }
}
