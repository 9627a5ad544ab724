//! The codes of a value set (FHIR R4 valueset-operation-expand.html).
//!
//! Clauses are walked in order; what is beyond the page is counted, not kept. Where one clause of
//! one large code system is all there is, the code system selects and counts by itself.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use super::concept::{CodeSystem, Concept, Content, Designation, Selection, choose_display, in_language, matches_text};
use super::value_set::{Ask, Clause, Domain, Listed, Membership, STEPS, ValueSet};
use super::{TermError, Terminology};
use crate::r4::canonical::split;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ExpandOptions {
    /// Words of a text filter, folded ([`super::filter_words`]).
    pub words: Vec<String>,
    /// Codes to leave out at the start.
    pub offset: usize,
    /// Codes on the page; all when absent.
    pub count: Option<usize>,
    /// With all designations.
    pub include_designations: bool,
    /// Only designations of these languages or uses (`system|code`).
    pub designations: Vec<String>,
    /// Without inactive concepts.
    pub active_only: bool,
    /// Flat even where there is a hierarchy.
    pub exclude_nested: bool,
    /// Without abstract concepts.
    pub exclude_not_for_ui: bool,
    /// Languages of displays, the preferred first.
    pub languages: Vec<String>,
    /// Systems left out altogether (`url` or `url|version`).
    pub exclude_systems: Vec<String>,
    /// Versions to use where the value set names none.
    pub system_versions: Vec<String>,
    /// Versions that must not be other ones.
    pub check_versions: Vec<String>,
    /// Versions to use whatever the value set names.
    pub force_versions: Vec<String>,
    /// Most codes in one answer.
    pub limit: usize,
}

impl Default for ExpandOptions {
    fn default() -> Self {
        Self {
            words: Vec::new(),
            offset: 0,
            count: None,
            include_designations: false,
            designations: Vec::new(),
            active_only: false,
            exclude_nested: true,
            exclude_not_for_ui: false,
            languages: Vec::new(),
            exclude_systems: Vec::new(),
            system_versions: Vec::new(),
            check_versions: Vec::new(),
            force_versions: Vec::new(),
            limit: 20_000,
        }
    }
}

/// Longest time one expansion may take.
const MAX_TIME: Duration = Duration::from_secs(20);

/// Most concepts looked at for one expansion.
const MAX_VISITED: usize = 2_000_000;

/// One code of an expansion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contained {
    /// The code system.
    pub system: String,
    /// Its version, where the definition names one.
    pub version: Option<String>,
    /// The code.
    pub code: String,
    /// Its text in the language asked for.
    pub display: Option<String>,
    /// Not to be chosen.
    pub is_abstract: bool,
    /// Not valid any more.
    pub is_inactive: bool,
    /// Other texts, when asked for.
    pub designations: Vec<Designation>,
    /// Codes below it, when asked for.
    pub contains: Vec<Self>,
}

/// The codes of a value set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expansion {
    /// How many there are over all pages.
    pub total: usize,
    /// Where the page begins.
    pub offset: usize,
    /// The page.
    pub contains: Vec<Contained>,
    /// `url|version` of the code systems used.
    pub versions: Vec<String>,
    /// What is not quite right about it.
    pub warnings: Vec<String>,
}

/// The version that one of these canonicals names for a system.
fn version_of<'o>(canonicals: &'o [String], system: &str) -> Option<&'o str> {
    canonicals.iter().map(|canonical| split(canonical)).find(|(url, _)| *url == system).and_then(|(_, version)| version)
}

struct Walk<'t> {
    terminology: &'t Terminology,
    options: &'t ExpandOptions,
    seen: Option<HashSet<(usize, String), RandomState>>,
    systems: Vec<String>,
    visited: usize,
    started: Instant,
    found: Expansion,
}

impl Terminology {
    /// The codes of the value set with this canonical.
    ///
    /// # Errors
    /// When it is not here, when its definition leads to what is not here, when there are too many.
    pub fn expand(&self, value_set: &str, options: &ExpandOptions) -> Result<Expansion, TermError> {
        self.expand_set(&*self.value_set(value_set)?, options)
    }

    /// The codes of a value set, when there are no more than `most` and they are written in one way only.
    #[must_use]
    pub fn few_codes(&self, value_set: &str, most: usize) -> Option<Vec<String>> {
        fn collect(contained: Vec<Contained>, out: &mut Vec<String>) {
            for one in contained {
                out.push(one.code);
                collect(one.contains, out);
            }
        }
        let set = self.value_set(value_set).ok()?;
        let is_exact = |system: &String| {
            self.code_system(system, None).is_some_and(|known| known.header().case_sensitive == Some(true))
        };
        if !set.systems().iter().all(is_exact) {
            return None;
        }
        let found = self.expand_set(&set, &ExpandOptions { count: Some(most), ..ExpandOptions::default() }).ok()?;
        let mut codes = Vec::new();
        collect(found.contains, &mut codes);
        codes.sort_unstable();
        codes.dedup();
        (found.total <= most && !codes.is_empty()).then_some(codes)
    }

    /// The codes of a value set.
    ///
    /// # Errors
    /// When its definition leads to what is not here, when there are too many.
    pub fn expand_set(&self, set: &ValueSet, options: &ExpandOptions) -> Result<Expansion, TermError> {
        let lone = set.include.len() == 1;
        let mut walk = Walk {
            terminology: self,
            options,
            seen: (!lone || matches!(set.include.first(), Some(Clause { system: None, .. }))).then(HashSet::default),
            systems: Vec::new(),
            visited: 0,
            started: Instant::now(),
            found: Expansion { offset: options.offset, ..Expansion::default() },
        };
        let walked = if let Some(pushed) = walk.pushed_down(set)? {
            return Ok(pushed);
        } else {
            walk.set(set, &set.include, set.active_only, &mut |_, _| true)
        };
        if let Err(error) = walked {
            // The definition leads to what is not here: the expansion that came with it is an answer.
            let (TermError::NotSupported(_) | TermError::NotFound(_), Some(stored)) = (&error, &set.stored) else {
                return Err(error);
            };
            walk.found = Expansion { offset: options.offset, ..Expansion::default() };
            walk.seen = Some(HashSet::default());
            walk.found.warnings.push(format!("the expansion stored with the value set was used: {error}"));
            walk.set(set, stored, set.active_only, &mut |_, _| true)?;
        }
        if set.is_partial {
            walk.found.warnings.push("the stored expansion does not hold all codes of the value set".to_owned());
        }
        let mut found = walk.found;
        if options.count.is_none() && found.total.saturating_sub(options.offset) > options.limit {
            return Err(too_many(found.total, options.limit));
        }
        if !options.exclude_nested && options.offset == 0 && found.contains.len() == found.total {
            found.contains = self.nested(found.contains)?;
        }
        Ok(found)
    }

    /// Puts concepts below the first of their parents that is in the expansion too.
    fn nested(&self, flat: Vec<Contained>) -> Result<Vec<Contained>, TermError> {
        let places: std::collections::HashMap<(String, String), usize> =
            flat.iter().enumerate().map(|(place, one)| ((one.system.clone(), one.code.clone()), place)).collect();
        let mut parents: Vec<Option<usize>> = Vec::with_capacity(flat.len());
        for one in &flat {
            let above = match self.code_system(&one.system, one.version.as_deref()) {
                Some(system) => system.parents(&one.code)?,
                None => Vec::new(),
            };
            parents.push(above.into_iter().find_map(|code| places.get(&(one.system.clone(), code)).copied()));
        }
        // A circle has no top: whoever is in one stands at the top.
        let is_rooted = |mut place: usize| {
            for _ in 0..=parents.len().min(200) {
                match parents.get(place).copied().flatten() {
                    Some(parent) => place = parent,
                    None => return true,
                }
            }
            false
        };
        let tops: Vec<bool> = (0..flat.len()).map(|place| parents[place].is_none() || !is_rooted(place)).collect();
        let mut below: Vec<Vec<usize>> = vec![Vec::new(); flat.len()];
        for (place, parent) in parents.iter().enumerate() {
            if let (Some(parent), false) = (parent, tops[place]) {
                below[*parent].push(place);
            }
        }
        let mut slots: Vec<Option<Contained>> = flat.into_iter().map(Some).collect();
        let roots: Vec<usize> = (0..slots.len()).filter(|place| tops[*place]).collect();
        Ok(roots.into_iter().filter_map(|root| take(root, &below, &mut slots)).collect())
    }
}

fn take(place: usize, below: &[Vec<usize>], slots: &mut [Option<Contained>]) -> Option<Contained> {
    let mut one = slots.get_mut(place)?.take()?;
    one.contains = below.get(place)?.iter().filter_map(|child| take(*child, below, slots)).collect();
    Some(one)
}

/// Whether hardly more than the name of a code system is here, so that it cannot be listed.
fn is_name_only(system: &dyn CodeSystem) -> bool {
    system.header().content == Content::Name
}

fn too_many(total: usize, limit: usize) -> TermError {
    TermError::TooCostly(format!(
        "the value set has {total} codes; at most {limit} are given at once: ask for pages (count, offset) or with a filter"
    ))
}

impl Walk<'_> {
    /// One clause of one code system without more conditions than a code system can select by.
    fn pushed_down(&mut self, set: &ValueSet) -> Result<Option<Expansion>, TermError> {
        let [clause] = set.include.as_slice() else { return Ok(None) };
        let Some(system) = self.system_of(clause)? else { return Ok(None) };
        if !set.exclude.is_empty() || !clause.value_sets.is_empty() || !self.options.exclude_nested {
            return Ok(None);
        }
        let mut selection = self.selection(set.active_only);
        match &clause.domain {
            Domain::All => {}
            Domain::Filtered(filters) if filters.iter().all(|filter| filter.narrows(&mut selection)) => {}
            _ => return Ok(None),
        }
        if is_name_only(system.as_ref()) {
            return Ok(None);
        }
        if self.left_out(&system.header().canonical(), &system.header().url) {
            return Ok(Some(std::mem::take(&mut self.found)));
        }
        self.note(system.as_ref(), false);
        let total = system.count(&selection)?;
        let wanted = self.options.count.unwrap_or(self.options.limit);
        if self.options.count.is_none() && total.saturating_sub(self.options.offset) > self.options.limit {
            return Err(too_many(total, self.options.limit));
        }
        let mut page = Vec::with_capacity(wanted.min(total));
        if wanted > 0 {
            system.walk(&selection, self.options.offset, &mut |concept| {
                page.push(self.contained(clause, system.as_ref(), concept, None));
                if page.len() >= wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
        let mut found = std::mem::take(&mut self.found);
        (found.total, found.contains) = (total, page);
        Ok(Some(found))
    }

    fn selection(&self, active_only: bool) -> Selection {
        Selection {
            words: self.options.words.clone(),
            below: None,
            active_only: active_only || self.options.active_only,
            selectable_only: self.options.exclude_not_for_ui,
        }
    }

    /// The code system of a clause in the version to use.
    fn system_of(&self, clause: &Clause) -> Result<Option<Arc<dyn CodeSystem>>, TermError> {
        let Some(url) = clause.system.as_deref() else { return Ok(None) };
        let forced = version_of(&self.options.force_versions, url);
        let default = version_of(&self.options.system_versions, url).filter(|_| clause.version.is_none());
        let system =
            match forced.or(default) {
                Some(version) => Some(self.terminology.code_system(url, Some(version)).ok_or_else(|| {
                    TermError::NotFound(format!("the code system {url} version {version} is not here"))
                })?),
                None => clause.code_system.clone(),
            };
        if let Some(checked) = version_of(&self.options.check_versions, url) {
            let own = system.as_ref().and_then(|system| system.header().version.clone()).or(clause.version.clone());
            if own.as_deref() != Some(checked) {
                return Err(TermError::Invalid(format!(
                    "check-system-version asks for version {checked} of {url}; the expansion would use {}",
                    own.as_deref().unwrap_or("an unknown version")
                )));
            }
        }
        Ok(system)
    }

    fn left_out(&self, canonical: &str, url: &str) -> bool {
        self.options.exclude_systems.iter().any(|one| one == canonical || one == url)
    }

    fn note(&mut self, system: &dyn CodeSystem, is_listed: bool) {
        let header = system.header();
        if header.version.is_some() {
            let canonical = header.canonical();
            if !self.found.versions.contains(&canonical) {
                self.found.versions.push(canonical);
            }
        }
        if header.content != Content::Complete && !is_listed {
            let warning = format!("only a part of the code system {} is here", header.canonical());
            if !self.found.warnings.contains(&warning) {
                self.found.warnings.push(warning);
            }
        }
    }

    fn set(
        &mut self,
        set: &ValueSet,
        include: &[Clause],
        active_only: bool,
        accept: &mut dyn FnMut(&str, &str) -> bool,
    ) -> Result<(), TermError> {
        for clause in include {
            self.clause(set, clause, active_only, accept)?;
        }
        Ok(())
    }

    fn clause(
        &mut self,
        set: &ValueSet,
        clause: &Clause,
        active_only: bool,
        accept: &mut dyn FnMut(&str, &str) -> bool,
    ) -> Result<(), TermError> {
        self.tick()?;
        let mut imports: Vec<&Arc<ValueSet>> = Vec::new();
        for import in &clause.value_sets {
            imports.push(import.as_ref().map_err(|why| TermError::NotSupported(why.clone()))?);
        }
        let Some(url) = &clause.system else {
            // Codes of all the value sets: those of the first that the others have too.
            let Some((first, others)) = imports.split_first() else {
                return Err(TermError::Invalid("an include has neither system nor valueSet".to_owned()));
            };
            let mut problem = None;
            let mut accept_imported = |system: &str, code: &str| {
                if !accept(system, code) {
                    return false;
                }
                let ask = Ask { system, version: None, code };
                match in_all(others, ask).and_then(|is_in| Ok(is_in && !excluded(set, ask)?)) {
                    Ok(is_in) => is_in,
                    Err(error) => {
                        problem = problem.take().or(Some(error));
                        false
                    }
                }
            };
            self.set(first, &first.include, first.active_only || active_only, &mut accept_imported)?;
            return problem.map_or(Ok(()), Err);
        };
        let system = self.system_of(clause)?;
        if self.left_out(&system.as_ref().map_or_else(|| url.clone(), |system| system.header().canonical()), url) {
            return Ok(());
        }
        if let Some(system) = &system {
            self.note(system.as_ref(), matches!(clause.domain, Domain::Listed(..)));
        }
        let mut filters: &[super::filter::Filter] = &[];
        match &clause.domain {
            Domain::Wrong(why) => return Err(TermError::NotSupported(why.clone())),
            Domain::Listed(concepts, _) => {
                for listed in concepts {
                    self.listed(set, clause, system.as_deref(), listed, active_only, &imports, accept)?;
                }
                return Ok(());
            }
            Domain::All => {}
            Domain::Filtered(own) => filters = own,
        }
        let system = system
            .filter(|system| !is_name_only(system.as_ref()))
            .ok_or_else(|| TermError::NotSupported(clause.missing()))?;
        let mut selection = self.selection(active_only);
        for filter in filters {
            if filter.narrows(&mut selection) {
                break;
            }
        }
        let mut problem = None;
        let walked = system.walk(&selection, 0, &mut |concept| {
            let ask = Ask { system: url, version: None, code: &concept.code };
            let mut passes = || -> Result<bool, TermError> {
                for filter in filters {
                    if !filter.passes(concept, system.as_ref())? {
                        return Ok(false);
                    }
                }
                Ok(in_all(&imports, ask)? && !excluded(set, ask)? && accept(url, &concept.code))
            };
            match passes() {
                Ok(false) => self.tick(),
                Ok(true) => {
                    self.take(url, &concept.code, |walk| walk.contained(clause, system.as_ref(), concept, None))
                }
                Err(error) => Err(error),
            }
            .map_or_else(
                |error| {
                    problem = Some(error);
                    ControlFlow::Break(())
                },
                |()| ControlFlow::Continue(()),
            )
        });
        walked?;
        problem.map_or(Ok(()), Err)
    }

    #[allow(clippy::too_many_arguments)]
    fn listed(
        &mut self,
        set: &ValueSet,
        clause: &Clause,
        system: Option<&dyn CodeSystem>,
        listed: &Listed,
        active_only: bool,
        imports: &[&Arc<ValueSet>],
        accept: &mut dyn FnMut(&str, &str) -> bool,
    ) -> Result<(), TermError> {
        let url = clause.system.as_deref().unwrap_or_default();
        let concept = match system {
            Some(system) => system.find(&listed.code)?,
            None => None,
        };
        let is_inactive = listed.is_inactive || concept.as_ref().is_some_and(|concept| concept.is_inactive);
        let is_abstract = listed.is_abstract || concept.as_ref().is_some_and(|concept| concept.is_abstract);
        let ask = Ask { system: url, version: None, code: &listed.code };
        let refused = (is_inactive && (active_only || self.options.active_only))
            || (is_abstract && self.options.exclude_not_for_ui)
            || !self.matches(listed, concept.as_deref())
            || !accept(url, &listed.code)
            || !in_all(imports, ask)?
            || excluded(set, ask)?;
        if refused {
            return self.tick();
        }
        self.take(url, &listed.code, |walk| {
            let none = Concept { code: listed.code.clone(), ..Concept::default() };
            let concept = concept.as_deref().unwrap_or(&none);
            let language = system.and_then(|system| system.header().language.as_deref());
            let mut one = walk.shown(clause, language, concept, Some(listed));
            one.code.clone_from(&listed.code);
            (one.is_inactive, one.is_abstract) = (is_inactive, is_abstract);
            one
        })
    }

    fn matches(&self, listed: &Listed, concept: Option<&Concept>) -> bool {
        let words = &self.options.words;
        if words.is_empty() {
            return true;
        }
        if concept.is_some_and(|concept| concept.matches(words)) {
            return true;
        }
        let own = listed.display.iter().chain(listed.designations.iter().map(|designation| &designation.value));
        let by_code = words.len() == 1 && crate::format::fold::fold(&listed.code).starts_with(words[0].as_str());
        by_code || matches_text(own.map(String::as_str), words)
    }

    fn tick(&mut self) -> Result<(), TermError> {
        self.visited += 1;
        if self.visited > MAX_VISITED || self.started.elapsed() > MAX_TIME {
            return Err(TermError::TooCostly(format!(
                "after {} concepts that were looked at it takes too long; narrow it with a filter",
                self.visited
            )));
        }
        Ok(())
    }

    /// Counts a code, and keeps it when it is on the page.
    fn take(&mut self, system: &str, code: &str, make: impl FnOnce(&Self) -> Contained) -> Result<(), TermError> {
        self.tick()?;
        if let Some(seen) = &mut self.seen {
            let place = self.systems.iter().position(|known| known == system).unwrap_or_else(|| {
                self.systems.push(system.to_owned());
                self.systems.len() - 1
            });
            if !seen.insert((place, code.to_owned())) {
                return Ok(());
            }
        }
        let place = self.found.total;
        self.found.total += 1;
        let wanted = self.options.count.unwrap_or(self.options.limit);
        if place >= self.options.offset && place - self.options.offset < wanted {
            let one = make(self);
            self.found.contains.push(one);
        }
        Ok(())
    }

    fn contained(
        &self,
        clause: &Clause,
        system: &dyn CodeSystem,
        concept: &Concept,
        listed: Option<&Listed>,
    ) -> Contained {
        self.shown(clause, system.header().language.as_deref(), concept, listed)
    }

    fn shown(&self, clause: &Clause, language: Option<&str>, concept: &Concept, listed: Option<&Listed>) -> Contained {
        let languages = &self.options.languages;
        let own = listed.and_then(|listed| choose_display(None, None, &listed.designations, languages));
        let said = listed.and_then(|listed| listed.display.as_deref());
        let of_system = concept.display_in(languages, language);
        let display = own.or(if languages.is_empty() { said.or(of_system) } else { of_system.or(said) });
        let mut designations = Vec::new();
        if self.options.include_designations || !self.options.designations.is_empty() {
            let all =
                listed.map_or(&[][..], |listed| listed.designations.as_slice()).iter().chain(&concept.designations);
            designations.extend(all.filter(|designation| self.wants(designation)).cloned());
        }
        Contained {
            system: clause.system.clone().unwrap_or_default(),
            version: clause.version.clone(),
            code: concept.code.clone(),
            display: display.map(str::to_owned),
            is_abstract: concept.is_abstract,
            is_inactive: concept.is_inactive,
            designations,
            contains: Vec::new(),
        }
    }

    /// `designation` is a language, or a use as `system|code` (FHIR R4: "a token").
    fn wants(&self, designation: &Designation) -> bool {
        let wanted = &self.options.designations;
        wanted.is_empty()
            || wanted.iter().any(|wanted| {
                let (system, code) = match wanted.split_once('|') {
                    Some((system, code)) => (Some(system), code),
                    None => (None, wanted.as_str()),
                };
                let by_language = matches!(system, None | Some("urn:ietf:bcp:47"))
                    && designation.language.as_deref().is_some_and(|language| in_language(language, code));
                let by_use = designation.usage.as_ref().is_some_and(|usage| {
                    usage.text("code") == Some(code) && system.is_none_or(|system| usage.text("system") == Some(system))
                });
                by_language || by_use
            })
    }
}

fn in_all(sets: &[&Arc<ValueSet>], ask: Ask<'_>) -> Result<bool, TermError> {
    for set in sets {
        match set.member(ask, &mut { STEPS }) {
            Membership::Member => {}
            Membership::NotMember => return Ok(false),
            Membership::Unknown(why) => return Err(TermError::NotSupported(why)),
        }
    }
    Ok(true)
}

/// Whether an exclude takes a code out.
fn excluded(set: &ValueSet, ask: Ask<'_>) -> Result<bool, TermError> {
    match set.excludes(ask, &mut { STEPS }) {
        Membership::Member => Ok(true),
        Membership::NotMember => Ok(false),
        Membership::Unknown(why) => Err(TermError::NotSupported(why)),
    }
}
