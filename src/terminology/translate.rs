//! Concepts of one system as concepts of another, by concept maps (FHIR R4
//! conceptmap-operation-translate.html).

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::validate::Coding;
use super::{Kept, Kind, TermError, Terminology};
use crate::format::json::Node;
use crate::r4::canonical::split;

/// Maps that say where to look further, one after the other.
const MAX_OTHER_MAPS: usize = 8;
/// Most matches in one answer.
const MAX_MATCHES: usize = 1_000;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct TranslateQuery<'a> {
    /// The map to use; all that are here when absent.
    pub url: Option<&'a str>,
    /// What to translate; the first that leads somewhere counts.
    pub codings: Vec<Coding<'a>>,
    /// Value set the code was chosen from.
    pub source: Option<&'a str>,
    /// Value set it is to be translated to.
    pub target: Option<&'a str>,
    /// Code system it is to be translated to.
    pub target_system: Option<&'a str>,
    /// From targets to sources.
    pub reverse: bool,
    /// Values of other elements that a mapping may depend on: element and code.
    pub dependencies: Vec<(&'a str, &'a str)>,
}

/// One concept it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// How it stands to what was asked (`http://hl7.org/fhir/concept-map-equivalence`).
    pub equivalence: String,
    /// Its system.
    pub system: Option<String>,
    /// Version of its system.
    pub version: Option<String>,
    /// Its code; absent when the map says that there is none.
    pub code: Option<String>,
    /// Its text.
    pub display: Option<String>,
    /// What else belongs to the translation: element, system, code, display.
    pub products: Vec<(String, Option<String>, String, Option<String>)>,
    /// The map that says so.
    pub source: Option<String>,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Translation {
    /// There is a match that is neither `unmatched` nor `disjoint`.
    pub result: bool,
    /// Why not.
    pub message: Option<String>,
    /// What it may be.
    pub matches: Vec<Match>,
}

/// A ConceptMap with its codes at hand.
#[derive(Debug)]
pub(super) struct ConceptMap {
    resource: Arc<Node<'static>>,
    url: Option<String>,
    source: Option<String>,
    target: Option<String>,
    groups: Vec<Group>,
    pub(super) size: usize,
}

#[derive(Debug)]
struct Group {
    source: Option<String>,
    target: Option<String>,
    /// Code → places of elements.
    by_source: HashMap<String, Vec<usize>, RandomState>,
    /// Code → elements and their targets.
    by_target: HashMap<String, Vec<(usize, usize)>, RandomState>,
}

impl ConceptMap {
    pub(super) fn read(resource: Arc<Node<'static>>, terminology: &Terminology) -> Self {
        let mut size = 512;
        let mut groups = Vec::new();
        for group in resource.list("group") {
            let name = |name: &str| group.text(name).map(|system| terminology.preferred(system).into_owned());
            let mut read = Group {
                source: name("source"),
                target: name("target"),
                by_source: HashMap::default(),
                by_target: HashMap::default(),
            };
            for (place, element) in group.list("element").iter().enumerate() {
                if let Some(code) = element.text("code") {
                    read.by_source.entry(code.to_owned()).or_default().push(place);
                    size += code.len() + 96;
                }
                for (target_place, target) in element.list("target").iter().enumerate() {
                    if let Some(code) = target.text("code") {
                        read.by_target.entry(code.to_owned()).or_default().push((place, target_place));
                        size += code.len() + 400;
                    }
                }
            }
            groups.push(read);
        }
        let scope =
            |canonical: &str, uri: &str| resource.text(canonical).or_else(|| resource.text(uri)).map(str::to_owned);
        Self {
            url: resource.text("url").map(str::to_owned),
            source: scope("sourceCanonical", "sourceUri"),
            target: scope("targetCanonical", "targetUri"),
            groups,
            size,
            resource,
        }
    }

    /// Whether it is about the value sets that are asked for.
    fn fits(&self, query: &TranslateQuery<'_>) -> bool {
        let same = |own: Option<&String>, asked: Option<&str>| match (own, asked) {
            (Some(own), Some(asked)) => split(own).0 == split(asked).0,
            (None, Some(_)) => false,
            (_, None) => true,
        };
        let (source, target) = if query.reverse { (&self.target, &self.source) } else { (&self.source, &self.target) };
        same(source.as_ref(), query.source) && same(target.as_ref(), query.target)
    }
}

/// The relation read the other way round.
fn inverse(equivalence: &str) -> &str {
    match equivalence {
        "wider" => "narrower",
        "narrower" => "wider",
        "subsumes" => "specializes",
        "specializes" => "subsumes",
        other => other,
    }
}

fn text(node: &Node<'_>, name: &str) -> Option<String> {
    node.text(name).map(str::to_owned)
}

struct Run<'t, 'q> {
    terminology: &'t Terminology,
    query: &'q TranslateQuery<'q>,
    found: Translation,
    missing_dependency: Option<String>,
}

impl Terminology {
    /// Translates by the map of the query, by `map` when one is given, or by every map that is here.
    ///
    /// # Errors
    /// When the map is not here or the query names nothing to translate.
    pub fn translate(&self, query: &TranslateQuery<'_>, map: Option<Node<'static>>) -> Result<Translation, TermError> {
        if query.codings.is_empty() {
            return Err(TermError::Invalid("there is no code to translate".to_owned()));
        }
        let maps = match (map, query.url) {
            (Some(map), _) => vec![Arc::new(ConceptMap::read(Arc::new(map), self))],
            (None, Some(canonical)) => vec![
                self.concept_map(canonical)
                    .ok_or_else(|| TermError::NotFound(format!("the concept map {canonical} is not here")))?,
            ],
            (None, None) => self.concept_maps().iter().filter(|map| map.fits(query)).cloned().collect(),
        };
        let mut run = Run { terminology: self, query, found: Translation::default(), missing_dependency: None };
        for coding in &query.codings {
            for map in &maps {
                run.map(map, coding, MAX_OTHER_MAPS);
            }
            if run.is_matched() {
                break;
            }
        }
        let result = run.is_matched();
        let mut found = run.found;
        found.result = result;
        if !result {
            found.message = Some(match run.missing_dependency {
                Some(property) => format!("the mapping depends on {property:?}: send it as parameter dependency"),
                None if maps.is_empty() => "no concept map is here for these systems and value sets".to_owned(),
                None => "no mapping was found for the code".to_owned(),
            });
        }
        Ok(found)
    }

    fn concept_map(&self, canonical: &str) -> Option<Arc<ConceptMap>> {
        let (url, version) = split(canonical);
        let make = || {
            let found = self.definitions.find("ConceptMap", url, version);
            Kept::Maps(Arc::new(found.map(|map| Arc::new(ConceptMap::read(map, self))).into_iter().collect()))
        };
        match self.kept(Kind::Maps, url, version, make) {
            Kept::Maps(maps) => maps.first().cloned(),
            _ => None,
        }
    }

    /// Every map that is here.
    fn concept_maps(&self) -> Arc<Vec<Arc<ConceptMap>>> {
        let make = || {
            let mut known = self.definitions.list("ConceptMap");
            known.sort();
            known.dedup_by(|a, b| a.0 == b.0);
            let maps = known.iter().filter_map(|(url, _)| self.definitions.find("ConceptMap", url, None));
            Kept::Maps(Arc::new(maps.map(|map| Arc::new(ConceptMap::read(map, self))).collect()))
        };
        match self.kept(Kind::Maps, "", None, make) {
            Kept::Maps(maps) => maps,
            _ => Arc::default(),
        }
    }
}

impl Run<'_, '_> {
    fn is_matched(&self) -> bool {
        self.found.matches.iter().any(|one| !matches!(one.equivalence.as_str(), "unmatched" | "disjoint"))
    }

    fn map(&mut self, map: &ConceptMap, coding: &Coding<'_>, depth: usize) {
        let Some(code) = coding.code else { return };
        let system = coding.system.map(|system| self.terminology.preferred(system));
        let wanted = self.query.target_system.map(|system| self.terminology.preferred(system));
        for (group, node) in map.groups.iter().zip(map.resource.list("group")) {
            let (from, to) =
                if self.query.reverse { (&group.target, &group.source) } else { (&group.source, &group.target) };
            let other = |own: &Option<String>, asked: Option<&str>| matches!((own.as_deref(), asked), (Some(own), Some(asked)) if own != asked);
            if other(from, system.as_deref()) || other(to, wanted.as_deref()) {
                continue;
            }
            if self.query.reverse {
                self.reversed(map, group, node, code);
            } else {
                self.forward(map, group, node, code, coding, depth);
            }
        }
    }

    fn push(&mut self, one: Match) {
        if self.found.matches.len() < MAX_MATCHES && !self.found.matches.contains(&one) {
            self.found.matches.push(one);
        }
    }

    /// Whether what a mapping depends on was sent, and is so.
    fn depends(&mut self, target: &Node<'_>) -> bool {
        for condition in target.list("dependsOn") {
            let property = condition.text("property").unwrap_or_default();
            let value = condition.text("value").unwrap_or_default();
            let mut given = self.query.dependencies.iter().filter(|(element, _)| *element == property).peekable();
            if given.peek().is_none() {
                self.missing_dependency = Some(property.to_owned());
                return false;
            }
            if !given.any(|(_, code)| *code == value) {
                return false;
            }
        }
        true
    }

    fn forward(
        &mut self,
        map: &ConceptMap,
        group: &Group,
        node: &Node<'_>,
        code: &str,
        coding: &Coding<'_>,
        depth: usize,
    ) {
        let places = group.by_source.get(code).map_or(&[][..], Vec::as_slice);
        for element in places.iter().filter_map(|place| node.list("element").get(*place)) {
            for target in element.list("target") {
                if !self.depends(target) {
                    continue;
                }
                let products = target.list("product").iter().filter_map(|product| {
                    Some((
                        text(product, "property")?,
                        text(product, "system"),
                        text(product, "value")?,
                        text(product, "display"),
                    ))
                });
                self.push(Match {
                    equivalence: text(target, "equivalence").unwrap_or_else(|| "relatedto".to_owned()),
                    system: text(node, "target").filter(|_| target.text("code").is_some()),
                    version: text(node, "targetVersion").filter(|_| target.text("code").is_some()),
                    code: text(target, "code"),
                    display: text(target, "display"),
                    products: products.collect(),
                    source: map.url.clone(),
                });
            }
        }
        if !places.is_empty() {
            return;
        }
        let Some(unmapped) = node.get("unmapped") else { return };
        let made = |equivalence: &str, code: Option<String>, display: Option<String>| Match {
            equivalence: equivalence.to_owned(),
            system: text(node, "target"),
            version: text(node, "targetVersion"),
            code,
            display,
            products: Vec::new(),
            source: map.url.clone(),
        };
        match unmapped.text("mode") {
            // FHIR R4 conceptmap.html#unmapped: "use the code as provided in the request".
            Some("provided") => {
                self.push(made("equal", Some(code.to_owned()), coding.display.map(str::to_owned)));
            }
            Some("fixed") => self.push(made("inexact", text(unmapped, "code"), text(unmapped, "display"))),
            Some("other-map") if depth > 0 => {
                let further = unmapped.text("url").and_then(|url| self.terminology.concept_map(url));
                if let Some(further) = further {
                    self.map(&further, coding, depth - 1);
                }
            }
            _ => {}
        }
    }

    fn reversed(&mut self, map: &ConceptMap, group: &Group, node: &Node<'_>, code: &str) {
        for (place, target_place) in group.by_target.get(code).into_iter().flatten() {
            let Some(element) = node.list("element").get(*place) else { continue };
            let Some(target) = element.list("target").get(*target_place) else { continue };
            self.push(Match {
                equivalence: inverse(target.text("equivalence").unwrap_or("relatedto")).to_owned(),
                system: text(node, "source"),
                version: text(node, "sourceVersion"),
                code: text(element, "code"),
                display: text(element, "display"),
                products: Vec::new(),
                source: map.url.clone(),
            });
        }
    }
}
