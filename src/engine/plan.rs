//! Plans a transaction: ids, look-ups, links, and everything that is derived from the resources.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::answer::Rejection;
use super::bundle::take_entries;
use super::entry::{Entry, Link, place};
use super::history::HistoryRequest;
use super::patch::{Patch, live, no_match, parse_stored};
use super::prepare::type_number;
use super::provenance::Draft;
use super::rewrite::{Links, conditional_references, rewrite};
use super::single::{new_id, same_id, several};
use super::{Engine, Preconditions};
use crate::format::json::Node;
use crate::r4::outcome::IssueCode;
use crate::search::query::Query;
use crate::store::{Method, Prepared, Version};
use crate::validation::structure::check_resource;

/// Which resource a conditional entry found while planning.
pub(super) struct Expectation {
    pub(super) query: Query,
    pub(super) found: Option<String>,
}

/// What an entry will do.
pub(super) enum Step {
    /// Nothing: the condition found this resource.
    Exists {
        type_name: String,
        id: String,
    },
    Write {
        prepared: Box<Prepared>,
        method: Method,
        fresh: bool,
        conditions: Preconditions,
    },
    Delete {
        type_name: String,
        id: Option<String>,
        conditions: Preconditions,
    },
    Read {
        link: Link,
        conditions: Preconditions,
    },
    Search {
        query: Box<Query>,
    },
    History {
        request: Box<HistoryRequest>,
    },
    Metadata,
}

/// A transaction ready for the writer.
pub(super) struct Plan {
    /// Step and rank of each entry.
    pub(super) steps: Vec<(u8, u8, Step)>,
    pub(super) expectations: Vec<Expectation>,
    /// Type, id and version of what patches were applied to.
    pub(super) patched: Vec<(u8, String, i64)>,
    pub(super) require_if_match: bool,
    /// It may write over what is of packages.
    pub(super) keeps_packages: bool,
    pub(super) default_shape: Vec<(u32, bool)>,
    /// What is said of everything that is written.
    pub(super) provenance: Option<Arc<Draft>>,
}
impl Engine {
    /// Prepares a transaction.
    pub(super) fn plan(&self, mut bundle: Node<'_>, base: &str) -> Result<Plan, Rejection> {
        check_resource(&bundle, Some("Bundle")).map_err(Rejection::bad_request)?;
        let mut entries = Vec::new();
        for (index, entry) in take_entries(&mut bundle).into_iter().enumerate() {
            entries.push(Entry::read(index, entry, base).map_err(|rejection| rejection.at(&place(index)))?);
        }
        let mut planner = Planner {
            engine: self,
            links: Links::default(),
            expectations: Vec::new(),
            created: HashMap::new(),
            updated: HashSet::new(),
        };
        let mut identities = Vec::with_capacity(entries.len());
        let mut written: HashMap<(u8, String), usize> = HashMap::new();
        for entry in &entries {
            let identity = planner.identify(entry).map_err(|rejection| rejection.at(&place(entry.index)))?;
            if let Some(other) = identity.written().and_then(|name| written.insert(name, entry.index)) {
                let again =
                    format!("this entry and {} write the same resource; a transaction may write it once", place(other));
                return Err(Rejection::new(400, IssueCode::Duplicate, again).at(&place(entry.index)));
            }
            if let (Some(full_url), Some(id)) = (&entry.full_url, &identity.id)
                && !planner.links.insert(full_url, format!("{}/{id}", entry.link.type_name()))
            {
                let twice = format!(
                    "the fullUrl {full_url:?} names another entry already; it must be unique in a bundle (FHIR R4 bdl-7)"
                );
                return Err(Rejection::new(400, IssueCode::Duplicate, twice).at(&place(entry.index)));
            }
            identities.push(identity);
        }
        planner.resolve_conditional_references(&entries)?;
        let Planner { links, expectations, .. } = planner;
        let mut steps = Vec::with_capacity(entries.len());
        let mut default_shape = Vec::with_capacity(entries.len());
        let mut patched = Vec::new();
        for (entry, identity) in entries.into_iter().zip(identities) {
            let index = entry.index;
            let rank = entry.link.rank();
            let step = self.step(entry, identity, &links, &mut patched);
            let (step, shape) = step.map_err(|rejection| rejection.at(&place(index)))?;
            default_shape.push(shape);
            steps.push((rank, number_of(&step_type(&step))?, step));
        }
        let provenance = self.provenance.as_ref().map(|draft| draft.linked(&links)).transpose()?;
        let require_if_match = self.settings.require_if_match;
        let keeps_packages = self.keeps_packages;
        Ok(Plan { steps, expectations, patched, require_if_match, keeps_packages, default_shape, provenance })
    }

    fn step(
        &self,
        entry: Entry<'_>,
        identity: Identity,
        links: &Links,
        patched: &mut Vec<(u8, String, i64)>,
    ) -> Result<(Step, (u32, bool)), Rejection> {
        let type_name = entry.link.type_name().to_owned();
        let number = number_of(&type_name)?;
        let none = (0, false);
        if let (true, Some(patch), Some(id)) = (entry.link.is_patch(), &entry.resource, &identity.id) {
            let patch = Patch::of_resource(patch, &type_name)?;
            let current = live(&type_name, id, self.store.current(number, id)?)?;
            entry.conditions.check_write(Some(&current), self.settings.require_if_match)?;
            let prepared = self.patched(number, &type_name, id, &patch, &current, links)?;
            patched.push((number, id.clone(), current.version));
            let (prepared, conditions) = (Box::new(prepared), entry.conditions);
            return Ok((Step::Write { prepared, method: Method::Patch, fresh: false, conditions }, none));
        }
        if let (Some(mut resource), Some(id)) = (entry.resource, identity.id.clone()) {
            if identity.exists_already {
                return Ok((Step::Exists { type_name, id }, none));
            }
            let mut issues = Vec::new();
            rewrite(&mut resource, links, entry.full_url.as_deref(), &mut issues);
            if !issues.is_empty() {
                return Err(Rejection::bad_request(issues));
            }
            let prepared = Box::new(self.derive(number, &type_name, &id, &resource)?);
            let method = if matches!(entry.link, Link::Create { .. }) { Method::Post } else { Method::Put };
            let mut conditions = entry.conditions;
            if identity.must_be_new {
                conditions.if_none_match = Some("*".to_owned());
            }
            return Ok((Step::Write { prepared, method, fresh: identity.fresh, conditions }, none));
        }
        Ok(match entry.link {
            Link::Delete { .. } | Link::ConditionalDelete { .. } => {
                (Step::Delete { type_name, id: identity.id, conditions: entry.conditions }, none)
            }
            Link::History { of, pairs } => {
                (Step::History { request: Box::new(self.history_request(of, &pairs)?) }, none)
            }
            Link::Metadata => (Step::Metadata, none),
            Link::Search { place, pairs } => {
                let query = self.search_query(&place, &pairs, false)?;
                if query.explain {
                    return Err(Rejection::new(
                        501,
                        IssueCode::NotSupported,
                        "_explain is not supported in a transaction",
                    ));
                }
                let shape = self.page_shape(&query);
                (Step::Search { query: Box::new(query) }, shape)
            }
            link => (Step::Read { link, conditions: entry.conditions }, none),
        })
    }

    /// Applies a patch to a version, which must still be current when the plan is carried out.
    fn patched(
        &self,
        number: u8,
        type_name: &str,
        id: &str,
        patch: &Patch,
        current: &Version,
        links: &Links,
    ) -> Result<Prepared, Rejection> {
        let current = self.with_data(current)?;
        let mut before = parse_stored(&current)?;
        let mut patched = patch.apply(id, before.clone())?;
        // What the patch brings may name other entries. A link that led nowhere before is not its fault.
        let (mut known, mut issues) = (Vec::new(), Vec::new());
        rewrite(&mut before, links, None, &mut known);
        rewrite(&mut patched, links, None, &mut issues);
        issues.retain(|issue| !known.contains(issue));
        if !issues.is_empty() {
            return Err(Rejection::bad_request(issues));
        }
        self.derive(number, type_name, id, &patched)
    }
}

/// The number of a type; 0 for what is about several.
fn number_of(type_name: &str) -> Result<u8, Rejection> {
    if type_name.is_empty() { Ok(0) } else { type_number(type_name) }
}

fn step_type(step: &Step) -> String {
    match step {
        Step::Exists { type_name, .. } | Step::Delete { type_name, .. } => type_name.clone(),
        Step::Write { prepared, .. } => type_of(prepared.type_number),
        Step::Read { link, .. } => link.type_name().to_owned(),
        Step::Search { query } => type_of(query.type_number),
        Step::History { .. } | Step::Metadata => String::new(),
    }
}

fn type_of(number: u8) -> String {
    crate::r4::definitions().resource_by_number(number).map_or_else(String::new, |found| found.name.clone())
}

/// Which resource an entry is about.
#[derive(Default)]
struct Identity {
    number: u8,
    id: Option<String>,
    /// The id was made by this server just now.
    fresh: bool,
    /// A conditional create found it: nothing is written.
    exists_already: bool,
    /// Planning found nothing under this id; a resource that came meanwhile must not be overwritten.
    must_be_new: bool,
    writes: bool,
}

impl Identity {
    fn written(&self) -> Option<(u8, String)> {
        self.id.clone().filter(|_| self.writes && !self.exists_already).map(|id| (self.number, id))
    }
}

struct Planner<'a> {
    engine: &'a Engine,
    links: Links,
    expectations: Vec<Expectation>,
    /// Conditional creates of this transaction by type and criteria.
    created: HashMap<(u8, String), String>,
    /// Conditional updates of this transaction that will create, by type and criteria.
    updated: HashSet<(u8, String)>,
}

impl Planner<'_> {
    fn identify(&mut self, entry: &Entry<'_>) -> Result<Identity, Rejection> {
        if let Link::Operation(operation) = &entry.link {
            // What an operation does could not be undone with the rest.
            return Err(Rejection::new(
                501,
                IssueCode::NotSupported,
                format!(
                    "the operation {} cannot be part of a transaction; send it alone or in a batch",
                    operation.path.join("/")
                ),
            ));
        }
        let number = number_of(entry.link.type_name())?;
        for asked in entry.link.asks(entry.conditions.if_none_exist.is_some()) {
            self.engine.permit(*asked, entry.link.type_name())?;
        }
        let of = |id: String| Identity { number, id: Some(id), writes: true, ..Identity::default() };
        let own_id = entry.resource.as_ref().and_then(|resource| resource.text("id")).map(str::to_owned);
        Ok(match &entry.link {
            Link::Create { .. } => match &entry.conditions.if_none_exist {
                None => Identity { fresh: true, ..of(new_id()) },
                Some(criteria) => {
                    let name = (number, criteria.clone());
                    if let Some(id) = self.created.get(&name) {
                        return Ok(Identity { exists_already: true, ..of(id.clone()) });
                    }
                    match self.look_up(number, criteria)? {
                        Some(id) => Identity { exists_already: true, ..of(id) },
                        None => {
                            let id = new_id();
                            self.created.insert(name, id.clone());
                            Identity { fresh: true, ..of(id) }
                        }
                    }
                }
            },
            Link::Update { id, .. } => {
                if let Some(resource) = &entry.resource {
                    same_id(resource, id)?;
                }
                of(id.clone())
            }
            Link::ConditionalUpdate { criteria, .. } => match (self.look_up(number, criteria)?, own_id) {
                (Some(found), Some(own)) if found != own => {
                    return Err(Rejection::invalid(format!(
                        "the criteria match {found:?} but the resource has the id {own:?}"
                    )));
                }
                (Some(found), _) => of(found),
                (None, Some(own)) => {
                    let exists = self.engine.store.current(number, &own)?.is_some_and(|version| !version.is_deleted());
                    if exists {
                        return Err(Rejection::new(
                            409,
                            IssueCode::Conflict,
                            format!("nothing matches the criteria, but a resource with the id {own:?} exists"),
                        ));
                    }
                    Identity { must_be_new: true, ..of(own) }
                }
                (None, None) if !self.updated.insert((number, criteria.clone())) => {
                    return Err(Rejection::new(
                        400,
                        IssueCode::Duplicate,
                        "another entry updates by the same criteria; a transaction may write a resource once",
                    ));
                }
                (None, None) => Identity { fresh: true, ..of(new_id()) },
            },
            Link::Patch { id, .. } | Link::Delete { id, .. } => of(id.clone()),
            Link::ConditionalPatch { criteria, .. } => of(self.look_up(number, criteria)?.ok_or_else(no_match)?),
            Link::ConditionalDelete { criteria, .. } => {
                Identity { number, id: self.look_up(number, criteria)?, writes: true, ..Identity::default() }
            }
            Link::Read { .. }
            | Link::Vread { .. }
            | Link::Search { .. }
            | Link::History { .. }
            | Link::Metadata
            | Link::Operation(_) => Identity { number, ..Identity::default() },
        })
    }

    fn look_up(&mut self, number: u8, criteria: &str) -> Result<Option<String>, Rejection> {
        let query = self.engine.criteria(number, criteria)?;
        let found = self.engine.store.search(&query, 2, false)?.matches;
        if found.len() > 1 {
            return Err(several());
        }
        let found = found.into_iter().next().map(|found| found.id);
        self.expectations.push(Expectation { query, found: found.clone() });
        Ok(found)
    }

    /// FHIR R4 http.html#trules: a reference may be a search that finds exactly one resource. One that
    /// finds none fails the transaction only with `strict_references`.
    fn resolve_conditional_references(&mut self, entries: &[Entry<'_>]) -> Result<(), Rejection> {
        let mut known: HashSet<String> = HashSet::new();
        for entry in entries {
            let mut references = Vec::new();
            if let Some(resource) = &entry.resource {
                conditional_references(resource, &mut references);
            }
            for reference in references {
                if !known.insert(reference.clone()) {
                    continue;
                }
                let (type_name, criteria) = reference.split_once('?').unwrap_or_default();
                let number = type_number(type_name)?;
                let refuse = |why: &str| {
                    Rejection::new(
                        412,
                        IssueCode::NotFound,
                        format!("the reference {reference:?} must find exactly one resource; {why}"),
                    )
                    .at(&place(entry.index))
                };
                // Criteria that a conditional create of this transaction carries mean that entry.
                let id = match self.created.get(&(number, criteria.to_owned())) {
                    Some(id) => id.clone(),
                    None => match self.look_up(number, criteria) {
                        Ok(Some(found)) => found,
                        // Hospital feeds arrive out of order: the reference is kept as it is written.
                        Ok(None) if !self.engine.settings.strict_references => {
                            self.expectations.pop();
                            continue;
                        }
                        Ok(None) => return Err(refuse("it finds none")),
                        Err(rejection) if rejection.status == 412 => return Err(refuse("it finds several")),
                        Err(rejection) => return Err(rejection.at(&place(entry.index))),
                    },
                };
                self.links.insert_criteria(&reference, format!("{type_name}/{id}"));
            }
        }
        Ok(())
    }
}
impl std::fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Plan").field("steps", &self.steps.len()).finish_non_exhaustive()
    }
}
