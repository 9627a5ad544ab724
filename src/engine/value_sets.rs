//! What searches ask of terminology (`:in`, `:not-in`, `:above`, `:below`), answered from what is here.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::ControlFlow;

use super::Engine;
use crate::format::json;
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::reference::Reference;
use crate::search::value_sets::{Codes, ValueSets, Way};
use crate::terminology::{ExpandOptions, Hierarchy, Selection, TermError, Unavailable};

/// Most codes that a search compares with.
const MOST: usize = 50_000;

impl From<TermError> for Issue {
    fn from(error: TermError) -> Self {
        let code = match &error {
            TermError::NotFound(_) => IssueCode::NotFound,
            TermError::NotSupported(_) => IssueCode::NotSupported,
            TermError::Invalid(_) => IssueCode::Invalid,
            TermError::TooCostly(_) => IssueCode::TooCostly,
        };
        Self::error(code, error.to_string())
    }
}

fn unavailable(error: Unavailable) -> Issue {
    TermError::from(error).into()
}

fn too_many(what: &str) -> Issue {
    Issue::error(IssueCode::TooCostly, format!("{what} are more than {MOST} codes; search by a smaller part"))
}

/// A ValueSet by the address of the resource: its id.
fn stored_id<'n>(name: &'n str, own_base: Option<&str>) -> Option<&'n str> {
    match Reference::parse(name).at_home(own_base) {
        Reference::Local { resource_type: "ValueSet", id, .. } => Some(id),
        _ => None,
    }
}

impl ValueSets for Engine {
    fn names(&self, system: &str) -> Vec<String> {
        self.system_names(system)
    }

    fn expand(&self, value_set: &str) -> Result<Vec<Codes>, Issue> {
        let options = ExpandOptions { limit: MOST, ..ExpandOptions::default() };
        let terminology = self.terminology();
        let found = match stored_id(value_set, self.store.options().base_url.as_deref()) {
            Some(id) => {
                let absent =
                    || Issue::error(IssueCode::NotFound, format!("there is no ValueSet/{id} here")).at("ValueSet");
                let number = definitions().resource_number("ValueSet").unwrap_or(0);
                let current = self.store.current(number, id).map_err(|error| {
                    Issue::error(IssueCode::Exception, format!("ValueSet/{id} cannot be read now: {error}"))
                })?;
                let current = current.filter(|current| !current.is_deleted()).ok_or_else(absent)?;
                let node = json::parse(&current.body).map_err(|_| absent())?.into_owned();
                terminology.expand_set(&terminology.read_value_set(node), &options)?
            }
            None => terminology.expand(value_set, &options)?,
        };
        if found.total > found.contains.len() {
            return Err(too_many(&format!("the value set {value_set}")));
        }
        let mut systems: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for concept in found.contains {
            systems.entry(concept.system).or_default().push(concept.code);
        }
        Ok(systems.into_iter().map(|(system, codes)| Codes { system, codes }).collect())
    }

    fn along(&self, way: Way, system: &str, code: &str) -> Result<Vec<String>, Issue> {
        let Some(found) = self.terminology().code_system(system, None) else {
            let text =
                format!("the code system {system} is not here, so what is above and below its codes is not known");
            return Err(Issue::error(IssueCode::NotFound, text));
        };
        if let Hierarchy::Other(meaning) = &found.header().hierarchy {
            let text = format!("the hierarchy of {system} means {meaning}, which is not subsumption");
            return Err(Issue::error(IssueCode::NotSupported, text));
        }
        let Some(concept) = found.find(code).map_err(unavailable)? else {
            return Err(Issue::error(IssueCode::NotFound, format!("{code:?} is no known code of {system}")));
        };
        let mut codes = vec![concept.code.clone()];
        match way {
            Way::Below => {
                let selection = Selection { below: Some((concept.code.clone(), false)), ..Selection::default() };
                let mut add = |concept: &std::sync::Arc<crate::terminology::Concept>| {
                    codes.push(concept.code.clone());
                    if codes.len() > MOST { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                };
                found.walk(&selection, 0, &mut add).map_err(unavailable)?;
            }
            Way::Above => {
                let mut seen: HashSet<String> = codes.iter().cloned().collect();
                let mut waiting: VecDeque<String> = codes.iter().cloned().collect();
                while let Some(next) = waiting.pop_front().filter(|_| codes.len() <= MOST) {
                    for parent in found.parents(&next).map_err(unavailable)? {
                        if seen.insert(parent.clone()) {
                            codes.push(parent.clone());
                            waiting.push_back(parent);
                        }
                    }
                }
            }
        }
        if codes.len() > MOST {
            return Err(too_many(&format!("{code} of {system} and its hierarchy")));
        }
        Ok(codes)
    }
}
