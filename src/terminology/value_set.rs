//! A value set ready to be asked: `compose` with everything it refers to resolved (FHIR R4
//! valueset.html#compositions). Membership is decided clause by clause, without an expansion.
//!
//! Answers are three-valued: what depends on a code system that is not here is unknown, never wrong.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::concept::{CodeSystem, Content, Designation};
use super::defined::designations;
use super::filter::Filter;
use super::{Resolver, is_fragment};
use crate::format::json::Node;

/// Marks an expansion that does not hold all codes.
const UNCLOSED: &str = "http://hl7.org/fhir/StructureDefinition/valueset-unclosed";

/// Whether a code is in a value set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// It is.
    Member,
    /// It is not.
    NotMember,
    /// That cannot be told here, and why.
    Unknown(String),
}

/// A code to ask about. The system is as `Terminology::preferred` gives it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) system: &'a str,
    pub(super) version: Option<&'a str>,
    pub(super) code: &'a str,
}

/// Steps one question may take: value sets may refer to each other in ways that multiply.
pub(super) const STEPS: usize = 200_000;

/// Most filters of one clause.
const MAX_FILTERS: usize = 100;

/// A concept that a value set lists by itself.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) code: String,
    pub(super) display: Option<String>,
    pub(super) designations: Vec<Designation>,
    /// As a stored expansion says it.
    pub(super) is_abstract: bool,
    pub(super) is_inactive: bool,
}

/// Which codes of its system a clause takes.
#[derive(Debug)]
pub(super) enum Domain {
    All,
    Listed(Vec<Listed>, HashMap<String, usize, RandomState>),
    Filtered(Vec<Filter>),
    /// Filters that cannot be applied, and why.
    Wrong(String),
}

/// One `include` or `exclude`.
#[derive(Debug)]
pub(super) struct Clause {
    pub(super) system: Option<String>,
    pub(super) version: Option<String>,
    pub(super) code_system: Option<Arc<dyn CodeSystem>>,
    pub(super) domain: Domain,
    /// The codes must be in all of these; `Err` for one that cannot be had.
    pub(super) value_sets: Vec<Result<Arc<ValueSet>, String>>,
}

/// A value set ready to be asked.
#[derive(Debug)]
pub struct ValueSet {
    /// The resource.
    pub definition: Arc<Node<'static>>,
    pub(super) include: Vec<Clause>,
    pub(super) exclude: Vec<Clause>,
    /// The codes of the stored expansion, for when the definition leads to what is not here.
    pub(super) stored: Option<Vec<Clause>>,
    /// The stored expansion is not whole.
    pub(super) is_partial: bool,
    pub(super) active_only: bool,
    /// Every system a member may be of.
    pub(super) systems: Vec<String>,
    /// Levels of value sets below, this one included.
    pub(super) depth: usize,
    pub(super) size: usize,
}

impl ValueSet {
    /// `url|version` for messages; for one without URL its name.
    #[must_use]
    pub fn label(&self) -> String {
        match (self.definition.text("url"), self.definition.text("version")) {
            (Some(url), Some(version)) => format!("{url}|{version}"),
            (Some(url), None) => url.to_owned(),
            (None, _) => self.definition.text("name").unwrap_or("the value set of the request").to_owned(),
        }
    }

    /// Every code system a member may be of.
    #[must_use]
    pub fn systems(&self) -> &[String] {
        &self.systems
    }

    /// Compiles a ValueSet; what it refers to comes from `resolver`.
    pub(super) fn read(
        definition: Arc<Node<'static>>,
        contained: &[Node<'static>],
        resolver: &mut Resolver<'_>,
    ) -> Self {
        let mut size = 1024;
        let mut clauses = |name: &str| -> Vec<Clause> {
            let parts = definition.get("compose").map_or(&[][..], |compose| compose.list(name));
            parts.iter().map(|part| Clause::read(part, contained, resolver, &mut size)).collect()
        };
        let (include, exclude) = (clauses("include"), clauses("exclude"));
        let expansion = definition.get("expansion");
        let stored = expansion.map(|expansion| stored_clauses(expansion.list("contains"), resolver));
        let is_partial = expansion.is_some_and(|expansion| {
            let total = match expansion.get("total") {
                Some(Node::Number(total)) => total.parse::<usize>().unwrap_or(0),
                _ => 0,
            };
            let held = stored.iter().flatten().map(Clause::listed_count).sum::<usize>();
            let is_unclosed = |extension: &Node<'_>| extension.text("url") == Some(UNCLOSED);
            total > held || expansion.list("extension").iter().any(is_unclosed)
        });
        size += stored.iter().flatten().map(Clause::listed_count).sum::<usize>() * 160;
        let has_compose = definition.get("compose").is_some();
        let (include, stored) = match stored {
            Some(stored) if !has_compose => (stored, None),
            stored => (include, stored),
        };
        let mut systems: Vec<String> = Vec::new();
        for clause in &include {
            match &clause.system {
                Some(system) => systems.push(system.clone()),
                None => systems.extend(clause.value_sets.iter().flatten().flat_map(|set| set.systems.iter().cloned())),
            }
        }
        systems.sort_unstable();
        systems.dedup();
        let active_only =
            definition.path(&["compose", "inactive"]).and_then(Node::as_bool).is_some_and(|inactive| !inactive);
        let imports = include.iter().chain(&exclude).flat_map(|clause| clause.value_sets.iter().flatten());
        let depth = 1 + imports.map(|set| set.depth).max().unwrap_or(0);
        Self {
            include,
            exclude,
            stored,
            is_partial: is_partial && !has_compose,
            active_only,
            systems,
            depth,
            size,
            definition,
        }
    }

    /// Whether a code is in it.
    pub(super) fn member(&self, ask: Ask<'_>, steps: &mut usize) -> Membership {
        let included = any(&self.include, ask, self.active_only, steps);
        if included == Membership::NotMember {
            return if self.is_partial {
                Membership::Unknown(format!("the expansion stored with {} does not hold all its codes", self.label()))
            } else {
                included
            };
        }
        match self.excludes(ask, steps) {
            Membership::Member => return Membership::NotMember,
            Membership::Unknown(why) if included == Membership::Member => return Membership::Unknown(why),
            _ => {}
        }
        // The definition leads to what is not here: what it was expanded to elsewhere may help.
        if let (Membership::Unknown(_), Some(stored)) = (&included, &self.stored)
            && any(stored, ask, self.active_only, steps) == Membership::Member
        {
            return Membership::Member;
        }
        included
    }

    /// Whether an exclude takes the code.
    pub(super) fn excludes(&self, ask: Ask<'_>, steps: &mut usize) -> Membership {
        any(&self.exclude, ask, false, steps)
    }

    /// What the value set itself says of a member: its listed concept.
    pub(super) fn listed(&self, system: &str, code: &str) -> Option<&Listed> {
        let clauses = self.include.iter().chain(self.stored.iter().flatten());
        clauses
            .filter(|clause| clause.system.as_deref() == Some(system))
            .find_map(|clause| clause.listed(code))
            .or_else(|| {
                let imports = self.include.iter().flat_map(|clause| clause.value_sets.iter().flatten());
                imports.take(64).find_map(|set| {
                    set.include.iter().find_map(|clause| {
                        (clause.system.as_deref() == Some(system)).then(|| clause.listed(code)).flatten()
                    })
                })
            })
    }
}

/// Whether one of the clauses takes the code.
fn any(clauses: &[Clause], ask: Ask<'_>, active_only: bool, steps: &mut usize) -> Membership {
    let mut unknown = None;
    for clause in clauses {
        match clause.member(ask, active_only, steps) {
            Membership::Member => return Membership::Member,
            Membership::Unknown(why) => unknown = unknown.or(Some(why)),
            Membership::NotMember => {}
        }
    }
    unknown.map_or(Membership::NotMember, Membership::Unknown)
}

/// The codes of a stored expansion, as clauses that list them, in their order.
fn stored_clauses(contains: &[Node<'_>], resolver: &mut Resolver<'_>) -> Vec<Clause> {
    fn flatten<'n, 'a>(contains: &'n [Node<'a>], out: &mut Vec<&'n Node<'a>>) {
        for entry in contains {
            out.push(entry);
            flatten(entry.list("contains"), out);
        }
    }
    let mut entries = Vec::new();
    flatten(contains, &mut entries);
    let mut clauses: Vec<Clause> = Vec::new();
    for entry in entries {
        let (Some(system), Some(_)) = (entry.text("system"), entry.text("code")) else { continue };
        let system = resolver.terminology.preferred(system).into_owned();
        let listed = Listed::read(entry);
        match clauses.last_mut() {
            Some(clause) if clause.system.as_ref() == Some(&system) => clause.push(listed),
            _ => {
                let version = entry.text("version").map(str::to_owned);
                let code_system = resolver.code_system(&system, version.as_deref());
                let domain = Domain::Listed(Vec::new(), HashMap::default());
                let mut clause = Clause { system: Some(system), version, code_system, domain, value_sets: Vec::new() };
                clause.push(listed);
                clauses.push(clause);
            }
        }
    }
    clauses
}

impl Listed {
    fn read(concept: &Node<'_>) -> Self {
        let flag = |name: &str| concept.get(name).and_then(Node::as_bool) == Some(true);
        Self {
            code: concept.text("code").unwrap_or_default().to_owned(),
            display: concept.text("display").map(str::to_owned),
            designations: designations(concept),
            is_abstract: flag("abstract"),
            is_inactive: flag("inactive"),
        }
    }
}

impl Clause {
    fn read(part: &Node<'_>, contained: &[Node<'static>], resolver: &mut Resolver<'_>, size: &mut usize) -> Self {
        let version = part.text("version").map(str::to_owned);
        let named = part.text("system");
        let system = named.map(|system| resolver.terminology.preferred(system).into_owned());
        let code_system = match named.and_then(is_fragment) {
            Some(id) => resolver.contained_system(id, contained),
            None => system.as_deref().and_then(|system| resolver.code_system(system, version.as_deref())),
        };
        let (concepts, filters) = (part.list("concept"), part.list("filter"));
        let domain = if !concepts.is_empty() {
            Domain::Listed(Vec::new(), HashMap::default())
        } else if filters.len() > MAX_FILTERS {
            Domain::Wrong(format!("an include has {} filters; at most {MAX_FILTERS} are applied", filters.len()))
        } else if filters.is_empty() {
            Domain::All
        } else {
            let read = filters.iter().map(|filter| Filter::read(filter, code_system.as_deref()));
            read.collect::<Result<Vec<_>, _>>().map_or_else(Domain::Wrong, Domain::Filtered)
        };
        let urls = part.list("valueSet").iter().filter_map(Node::as_str);
        let value_sets = urls.map(|url| match is_fragment(url) {
            Some(id) => resolver.contained_value_set(id, contained),
            None => resolver.value_set(url),
        });
        let value_sets = value_sets.collect();
        let mut clause = Self { system, version, code_system, domain, value_sets };
        for concept in concepts {
            *size += 200 + concept.text("display").map_or(0, str::len) + concept.list("designation").len() * 160;
            clause.push(Listed::read(concept));
        }
        *size += 256;
        clause
    }

    fn push(&mut self, listed: Listed) {
        if let Domain::Listed(concepts, places) = &mut self.domain {
            places.entry(listed.code.clone()).or_insert(concepts.len());
            concepts.push(listed);
        }
    }

    fn listed_count(&self) -> usize {
        match &self.domain {
            Domain::Listed(concepts, _) => concepts.len(),
            _ => 0,
        }
    }

    /// A code that this clause lists, written as it is or as its system allows.
    pub(super) fn listed(&self, code: &str) -> Option<&Listed> {
        let Domain::Listed(concepts, places) = &self.domain else { return None };
        if let Some(place) = places.get(code) {
            return concepts.get(*place);
        }
        let system = self.code_system.as_ref()?;
        if system.header().case_sensitive == Some(true) {
            return None;
        }
        let own = system.find(code).ok()??;
        concepts.get(*places.get(own.code.as_str())?)
    }

    /// For messages: what is missing when the system is.
    pub(super) fn missing(&self) -> String {
        let system = self.system.as_deref().unwrap_or_default();
        match &self.version {
            Some(version) => format!("the code system {system} version {version} is not here"),
            None => format!("the code system {system} is not here"),
        }
    }

    fn member(&self, ask: Ask<'_>, active_only: bool, steps: &mut usize) -> Membership {
        if let Some(system) = &self.system
            && system != ask.system
        {
            return Membership::NotMember;
        }
        let cost = match &self.domain {
            Domain::Filtered(filters) => 1 + filters.len() * 50,
            _ => 1,
        };
        match steps.checked_sub(cost) {
            Some(left) => *steps = left,
            None => return Membership::Unknown("telling takes too many steps".to_owned()),
        }
        let mut unknown = None;
        if self.system.is_some() {
            match self.in_domain(ask, active_only) {
                Membership::NotMember => return Membership::NotMember,
                Membership::Unknown(why) => unknown = Some(why),
                Membership::Member => {}
            }
            if let (Some(own), Some(asked)) = (&self.version, ask.version)
                && own != asked
            {
                unknown =
                    Some(format!("the value set is of version {own} of {}, the code of version {asked}", ask.system));
            }
        }
        for set in &self.value_sets {
            match set.as_ref().map(|set| set.member(ask, steps)) {
                Ok(Membership::NotMember) => return Membership::NotMember,
                Ok(Membership::Unknown(why)) => unknown = unknown.or(Some(why)),
                Ok(Membership::Member) => {}
                Err(why) => unknown = unknown.or_else(|| Some(why.clone())),
            }
        }
        unknown.map_or(Membership::Member, Membership::Unknown)
    }

    fn in_domain(&self, ask: Ask<'_>, active_only: bool) -> Membership {
        let filters: &[Filter] = match &self.domain {
            Domain::Listed(..) => {
                return match self.listed(ask.code) {
                    None => Membership::NotMember,
                    Some(listed) if active_only && self.is_inactive(&listed.code, listed.is_inactive) => {
                        Membership::NotMember
                    }
                    Some(_) => Membership::Member,
                };
            }
            Domain::All => &[],
            Domain::Filtered(filters) => filters,
            Domain::Wrong(why) => return Membership::Unknown(why.clone()),
        };
        if filters.iter().any(|filter| filter.refuses_code(ask.code)) {
            return Membership::NotMember;
        }
        let Some(system) = &self.code_system else { return Membership::Unknown(self.missing()) };
        let decided = if filters.is_empty() && !active_only {
            system.contains(ask.code).map(Some)
        } else {
            system.find(ask.code).and_then(|found| match found {
                None => Ok(Some(false)),
                Some(concept) => {
                    let mut passes = !(active_only && concept.is_inactive);
                    for filter in filters {
                        passes = passes && filter.passes(&concept, system.as_ref())?;
                    }
                    Ok(if passes { Some(true) } else { None })
                }
            })
        };
        match decided {
            Ok(Some(true)) => Membership::Member,
            // Here, and not selected; of a part the hierarchy and properties may be parts too.
            Ok(None) if filters.is_empty() || system.header().content == Content::Complete => Membership::NotMember,
            Ok(None) => Membership::Unknown(format!("only a part of the code system {} is here", ask.system)),
            Ok(Some(false)) if self.absent_is_wrong(ask, system.as_ref()) => Membership::NotMember,
            Ok(Some(false)) => Membership::Unknown(format!(
                "{:?} is not among what is here of the code system {}, which is not all",
                ask.code, ask.system
            )),
            Err(unavailable) => Membership::Unknown(unavailable.0),
        }
    }

    /// A code of another version than the one that is here may be right.
    fn absent_is_wrong(&self, ask: Ask<'_>, system: &dyn CodeSystem) -> bool {
        let same_version =
            ask.version.is_none_or(|asked| system.header().version.as_deref().is_none_or(|own| own == asked));
        same_version && system.absent_is_wrong(ask.code)
    }

    pub(super) fn is_inactive(&self, code: &str, said: bool) -> bool {
        said || self
            .code_system
            .as_ref()
            .is_some_and(|system| matches!(system.find(code), Ok(Some(concept)) if concept.is_inactive))
    }
}
