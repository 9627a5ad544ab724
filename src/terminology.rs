//! Terminology: code systems, value sets and concept maps, ready to be asked (FHIR R4
//! terminology-service.html).
//!
//! May use: `fhirpath` (its regular expressions), `format`, `r4`. Must not know: storage, search, HTTP.
//!
//! Definitions come from [`Canonicals`]; what was made of them is kept in bounded memory and made
//! anew as soon as their generation changes. Code systems too large to be one resource come from
//! [`LargeSystems`], those with a grammar from `computed`.
//!
//! No false errors: what depends on something that is not here (SNOMED CT, LOINC, a package that
//! was not installed) is *unknown*, with the reason.

mod answers;
mod computed;
mod concept;
mod defined;
mod equivalence;
mod expand;
mod filter;
mod load;
mod remote;
mod supplement;
mod translate;
mod validate;
mod value_set;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

pub use concept::{
    CodeSystem, Concept, Content, Designation, Header, Hierarchy, LargeSystems, Property, PropertyDefinition,
    Selection, Unavailable, filter_words, in_language,
};
pub use equivalence::Equivalence;
pub use expand::{Contained, ExpandOptions, Expansion};
pub use load::{LoadedConcept, LoadedSystem, Row, RowError, property_definition};
pub use remote::{Remote, TerminologyServer};
pub use translate::{Match, TranslateQuery, Translation};
pub use validate::{Coding, Outcome, Verdict};
pub use value_set::{Membership, ValueSet};

use crate::format::json::Node;
use crate::r4::canonical::{Canonicals, Definition, split};
use computed::{COUNTRIES, COUNTRY_LIST, computed_system};
use defined::DefinedSystem;
use translate::ConceptMap;
use value_set::{Ask, STEPS};

/// Bytes of prepared definitions kept, about.
const CACHE_BYTES: u64 = 48 << 20;

/// Levels of value sets that import value sets.
const MAX_DEPTH: usize = 40;

/// Most code systems that are looked through for supplements.
const MAX_SYSTEMS: usize = 20_000;

/// Uses of contained value sets in one.
const MAX_CONTAINED: usize = 64;

/// Why there is no answer to a question about terminology.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermError {
    /// What was asked about is not here.
    #[error("{0}")]
    NotFound(String),
    /// It is here, but the answer needs what is not.
    #[error("{0}")]
    NotSupported(String),
    /// The question makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The answer would be too large, or take too long.
    #[error("{0}")]
    TooCostly(String),
}

impl From<Unavailable> for TermError {
    fn from(error: Unavailable) -> Self {
        Self::NotSupported(error.0)
    }
}

/// What was prepared from a definition; absent ones are remembered too.
#[derive(Clone)]
enum Kept {
    System(Option<Arc<dyn CodeSystem>>),
    Set(Option<Arc<ValueSet>>),
    Maps(Arc<Vec<Arc<ConceptMap>>>),
    Equivalence(Arc<Equivalence>),
    Supplements(Arc<Supplements>),
}

/// The supplements that are here, by the URL of the system they are for.
type Supplements = std::collections::HashMap<String, Vec<Definition>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    System,
    Set,
    Maps,
    Equivalence,
    Supplements,
}

/// Generation, kind, URL, version.
#[derive(PartialEq, Eq)]
struct Key(u64, Kind, String, Option<String>);

struct KeyRef<'a>(u64, Kind, &'a str, Option<&'a str>);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        KeyRef(self.0, self.1, &self.2, self.3.as_deref()).hash(state);
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0, self.1, self.2, self.3).hash(state);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.0 == key.0 && self.1 == key.1 && self.2 == key.2 && self.3 == key.3.as_deref()
    }
}

#[derive(Clone)]
struct BySize;

impl Weighter<Key, Kept> for BySize {
    fn weight(&self, key: &Key, kept: &Kept) -> u64 {
        let size = match kept {
            Kept::System(Some(system)) => system.size(),
            Kept::Set(Some(set)) => set.size,
            Kept::Maps(maps) => maps.iter().map(|map| map.size).sum(),
            Kept::Equivalence(table) => table.size(),
            Kept::Supplements(found) => found.values().map(|found| found.len() * 4096).sum(),
            Kept::System(None) | Kept::Set(None) => 0,
        };
        (size + key.2.len() + 256) as u64
    }
}

/// Terminology over definitions. Cheap to share; questions may block (definitions can be in a
/// database).
pub struct Terminology {
    definitions: Arc<dyn Canonicals>,
    large: Option<Arc<dyn LargeSystems>>,
    remote: Option<Arc<Remote>>,
    cache: Cache<Key, Kept, BySize>,
}

impl std::fmt::Debug for Terminology {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Terminology").field("definitions", &self.definitions).finish_non_exhaustive()
    }
}

/// The id of a contained resource that a canonical names (`#id`).
fn is_fragment(url: &str) -> Option<&str> {
    url.strip_prefix('#')
}

impl Terminology {
    /// Terminology over these definitions.
    #[must_use]
    pub fn new(definitions: Arc<dyn Canonicals>) -> Self {
        Self { definitions, large: None, remote: None, cache: Cache::with_weighter(4096, CACHE_BYTES, BySize) }
    }

    /// With code systems that are too large to be definitions.
    #[must_use]
    pub fn with_large_systems(self, large: Arc<dyn LargeSystems>) -> Self {
        Self { large: Some(large), ..self }
    }

    /// With another server that is asked about code systems that are not here.
    #[must_use]
    pub fn with_server(self, server: Arc<dyn TerminologyServer>) -> Self {
        Self { remote: Some(Arc::new(Remote::new(server))), ..self }
    }

    /// The definitions below.
    #[must_use]
    pub fn definitions(&self) -> &Arc<dyn Canonicals> {
        &self.definitions
    }

    /// Another number as soon as answers may be other ones.
    #[must_use]
    pub fn generation(&self) -> u64 {
        let large = self.large.as_ref().map_or(0, |large| large.generation());
        self.definitions.generation().wrapping_add(large)
    }

    /// What is kept, or what `make` makes. The generation is read first: what is made from older
    /// definitions is never kept for newer ones.
    fn kept(&self, kind: Kind, url: &str, version: Option<&str>, make: impl FnOnce() -> Kept) -> Kept {
        let generation = self.generation();
        if let Some(kept) = self.cache.get(&KeyRef(generation, kind, url, version)) {
            return kept;
        }
        let made = make();
        self.cache.insert(Key(generation, kind, url.to_owned(), version.map(str::to_owned)), made.clone());
        made
    }

    /// The code system with this URL, by any of its names; without a version the newest one.
    #[must_use]
    pub fn code_system(&self, url: &str, version: Option<&str>) -> Option<Arc<dyn CodeSystem>> {
        let url = self.preferred(url);
        let kept = self.kept(Kind::System, &url, version, || Kept::System(self.find_system(&url, version)));
        let local = match kept {
            Kept::System(system) => system,
            _ => None,
        };
        local.or_else(|| self.remote.as_ref()?.system(&url, version))
    }

    /// A code system with what its supplements add.
    fn find_system(&self, url: &str, version: Option<&str>) -> Option<Arc<dyn CodeSystem>> {
        let base = self.find_base(url, version)?;
        let supplements = self.supplements();
        match supplements.get(url) {
            Some(found) => Some(Arc::new(supplement::Supplemented::new(base, found))),
            None => Some(base),
        }
    }

    /// The supplements that came here; HL7 publishes none with R4, so its code systems are not read for them.
    fn supplements(&self) -> Arc<Supplements> {
        let make = || {
            let standard = crate::r4::canonical::standard();
            let mut found = Supplements::new();
            for (url, version) in self.definitions.list("CodeSystem").into_iter().take(MAX_SYSTEMS) {
                if standard.has("CodeSystem", &url) {
                    continue;
                }
                let Some(definition) = self.definitions.find("CodeSystem", &url, version.as_deref()) else { continue };
                let of = definition.text("supplements").map(|canonical| split(canonical).0.to_owned());
                if let (Some("supplement"), Some(of)) = (definition.text("content"), of) {
                    found.entry(of).or_default().push(definition);
                }
            }
            Kept::Supplements(Arc::new(found))
        };
        match self.kept(Kind::Supplements, "", None, make) {
            Kept::Supplements(found) => found,
            _ => Arc::default(),
        }
    }

    fn find_base(&self, url: &str, version: Option<&str>) -> Option<Arc<dyn CodeSystem>> {
        let resource = self.definitions.find("CodeSystem", url, version);
        let resource = resource.filter(|resource| resource.text("content") != Some("supplement"));
        if let Some(resource) = resource.as_ref().filter(|resource| resource.text("content") == Some("complete")) {
            return Some(Arc::new(DefinedSystem::read(resource)));
        }
        if let Some(large) = &self.large {
            match large.find(url, version) {
                Ok(Some(system)) => return Some(system),
                Ok(None) => {}
                Err(error) => tracing::warn!(%url, %error, "a code system cannot be looked up"),
            }
        }
        if let Some(resource) = resource {
            return Some(Arc::new(DefinedSystem::read(&resource)));
        }
        if version.is_some() {
            return None;
        }
        let countries = (url == COUNTRIES).then(|| self.definitions.find("ValueSet", COUNTRY_LIST, None)).flatten();
        let computed = computed_system(url, countries.as_deref())?;
        Some(Arc::new(computed))
    }

    /// URL and versions of every code system that is here, by URL; those with a grammar too.
    #[must_use]
    pub fn code_systems(&self) -> Vec<(String, Vec<String>)> {
        let mut found: std::collections::BTreeMap<String, std::collections::BTreeSet<String>> =
            computed::SYSTEMS.iter().map(|url| ((*url).to_owned(), std::collections::BTreeSet::new())).collect();
        let large = self.large.as_ref().map(|large| large.list().unwrap_or_default());
        for (url, version) in self.definitions.list("CodeSystem").into_iter().chain(large.into_iter().flatten()) {
            found.entry(url).or_default().extend(version);
        }
        found.into_iter().map(|(url, versions)| (url, versions.into_iter().collect())).collect()
    }

    /// The value set with this canonical (`url` or `url|version`).
    ///
    /// # Errors
    /// When it is not here.
    pub fn value_set(&self, canonical: &str) -> Result<Arc<ValueSet>, TermError> {
        Resolver::new(self).value_set(canonical).map_err(TermError::NotFound)
    }

    /// A value set that is not one of the definitions (a parameter of a request).
    #[must_use]
    pub fn read_value_set(&self, definition: Node<'static>) -> Arc<ValueSet> {
        let mut resolver = Resolver::new(self);
        resolver.open.extend(definition.text("url").map(|url| (url.to_owned(), None)));
        let definition = Arc::new(definition);
        let contained = Arc::clone(&definition);
        Arc::new(ValueSet::read(definition, contained.list("contained"), &mut resolver))
    }

    /// A code system that is not one of the definitions (a parameter of a request).
    #[must_use]
    pub fn read_code_system(&self, definition: &Node<'_>) -> Arc<dyn CodeSystem> {
        Arc::new(DefinedSystem::read(definition))
    }

    /// Whether a code is in the value set with this canonical.
    #[must_use]
    pub fn member(&self, value_set: &str, system: &str, code: &str) -> Membership {
        match self.value_set(value_set) {
            Ok(set) => self.member_of(&set, system, None, code),
            Err(error) => Membership::Unknown(error.to_string()),
        }
    }

    /// Whether a code is in a value set.
    #[must_use]
    pub fn member_of(&self, set: &ValueSet, system: &str, version: Option<&str>, code: &str) -> Membership {
        let system = self.preferred(system);
        set.member(Ask { system: &system, version, code }, &mut { STEPS })
    }

    /// The name of a code system that its others (an OID, say) are taken for.
    #[must_use]
    pub fn preferred<'s>(&self, system: &'s str) -> Cow<'s, str> {
        match self.equivalence().preferred(system) {
            Some(preferred) => Cow::Owned(preferred.to_owned()),
            None if system.starts_with("urn:oid:") => {
                self.definitions.by_identifier("CodeSystem", system).map_or(Cow::Borrowed(system), Cow::Owned)
            }
            None => Cow::Borrowed(system),
        }
    }

    /// All names of a code system or namespace, itself first: what a search for one of them finds.
    #[must_use]
    pub fn names(&self, system: &str) -> Vec<String> {
        let preferred = self.preferred(system);
        let mut names = vec![system.to_owned(), preferred.clone().into_owned()];
        names.extend(self.equivalence().others(&preferred).iter().cloned());
        if let Some(resource) = self.definitions.find("CodeSystem", &preferred, None) {
            let identifiers = resource.get("identifier").map_or(&[][..], |identifier| match identifier {
                Node::Array(items) => items,
                single => std::slice::from_ref(single),
            });
            let values = identifiers.iter().filter_map(|identifier| identifier.text("value"));
            names.extend(values.filter(|value| value.starts_with("urn:oid:")).map(str::to_owned));
        }
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }

    fn equivalence(&self) -> Arc<Equivalence> {
        let make = || Kept::Equivalence(Arc::new(Equivalence::read(self.definitions.as_ref())));
        match self.kept(Kind::Equivalence, "", None, make) {
            Kept::Equivalence(table) => table,
            _ => Arc::default(),
        }
    }
}

/// Resolves what value sets refer to; knows which are being read, so that circles are seen.
struct Resolver<'t> {
    terminology: &'t Terminology,
    open: Vec<(String, Option<String>)>,
    /// How often contained value sets were read.
    contained: usize,
}

impl<'t> Resolver<'t> {
    const fn new(terminology: &'t Terminology) -> Self {
        Self { terminology, open: Vec::new(), contained: 0 }
    }

    fn code_system(&self, system: &str, version: Option<&str>) -> Option<Arc<dyn CodeSystem>> {
        self.terminology.code_system(system, version)
    }

    fn contained_system(&self, id: &str, contained: &[Node<'_>]) -> Option<Arc<dyn CodeSystem>> {
        let mut systems = contained.iter().filter(|resource| resource.text("resourceType") == Some("CodeSystem"));
        let found = systems.find(|resource| resource.text("id") == Some(id))?;
        Some(Arc::new(DefinedSystem::read(found)))
    }

    /// Marks a value set as being read.
    ///
    /// # Errors
    /// When it is being read already, or too many are.
    fn enter(&mut self, url: &str, version: Option<&str>) -> Result<(), String> {
        let entry = (url.to_owned(), version.map(str::to_owned));
        if self.open.contains(&entry) {
            return Err(format!("the value set {url} is defined by itself, in a circle"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("value sets import each other more than {MAX_DEPTH} levels deep"));
        }
        self.open.push(entry);
        Ok(())
    }

    fn value_set(&mut self, canonical: &str) -> Result<Arc<ValueSet>, String> {
        // `url of a profile#id`: what the profile contains. Other fragments say nothing.
        let is_profile = |holder: &str| {
            let (url, version) = split(holder);
            !url.is_empty() && self.terminology.definitions.find("StructureDefinition", url, version).is_some()
        };
        let holder = canonical.split_once('#').filter(|(holder, _)| is_profile(holder));
        let (url, version) = if holder.is_some() { (canonical, None) } else { split(canonical) };
        let terminology = self.terminology;
        let generation = terminology.generation();
        let key = KeyRef(generation, Kind::Set, url, version);
        let found = match terminology.cache.get(&key) {
            Some(Kept::Set(found)) => found,
            _ => {
                let found = match holder {
                    Some((profile, id)) => self.value_set_of_profile(profile, id),
                    None => {
                        self.enter(url, version)?;
                        let found = terminology.definitions.find("ValueSet", url, version);
                        let found = found.map(|definition| {
                            let contained = Arc::clone(&definition);
                            Arc::new(ValueSet::read(definition, contained.list("contained"), self))
                        });
                        self.open.pop();
                        found
                    }
                };
                let key = Key(generation, Kind::Set, url.to_owned(), version.map(str::to_owned));
                terminology.cache.insert(key, Kept::Set(found.clone()));
                found
            }
        };
        match found {
            Some(set) if set.depth >= MAX_DEPTH => {
                Err(format!("the value set {canonical} imports others more than {MAX_DEPTH} levels deep"))
            }
            Some(set) => Ok(set),
            None => Err(format!("the value set {canonical} is not here")),
        }
    }

    /// A value set that a profile contains (`url|version#id`), which bindings in it name.
    fn value_set_of_profile(&mut self, profile: &str, id: &str) -> Option<Arc<ValueSet>> {
        let (url, version) = split(profile);
        let definition = self.terminology.definitions.find("StructureDefinition", url, version)?;
        self.contained_value_set(id, definition.list("contained")).ok()
    }

    fn contained_value_set(&mut self, id: &str, contained: &[Node<'static>]) -> Result<Arc<ValueSet>, String> {
        let mut sets = contained.iter().filter(|resource| resource.text("resourceType") == Some("ValueSet"));
        let Some(found) = sets.find(|resource| resource.text("id") == Some(id)) else {
            return Err(format!("no value set #{id} is contained"));
        };
        self.enter(&format!("#{id}"), None)?;
        self.contained += 1;
        if self.contained > MAX_CONTAINED {
            return Err(format!("contained value sets are used more than {MAX_CONTAINED} times"));
        }
        let set = ValueSet::read(Arc::new(found.clone()), contained, self);
        self.open.pop();
        Ok(Arc::new(set))
    }
}
