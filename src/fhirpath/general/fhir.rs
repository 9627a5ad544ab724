//! The functions FHIR adds to the language (FHIR R4 fhirpath.html#functions): references, extensions,
//! terminology, profiles, narrative. What lies beyond the resource is asked of the environment.

use super::{Entry, Found, List, Run, System, boolean, describe, invalid, unsupported};
use crate::fhirpath::FhirPathError;
use crate::fhirpath::environment::Code;
use crate::fhirpath::evaluate::{Item, Value, target_type};
use crate::format::json::Node;
use crate::r4::bundle::{Entries, Found as InBundle};
use crate::r4::definitions;
use crate::r4::primitives;

/// A coding as the resource has it.
fn coding<'n>(node: &'n Node<'_>) -> Option<Code<'n>> {
    Some(Code { system: node.text("system"), version: node.text("version"), code: node.text("code")? })
}

/// The codes of a `code`, a Coding, a CodeableConcept or a string.
fn codes<'n>(entry: &'n Entry<'_>) -> Option<Vec<Code<'n>>> {
    if let Some(code) = entry.as_text() {
        return Some(vec![Code { system: None, version: None, code }]);
    }
    let Entry::Part(item) = entry else { return None };
    let node = item.node()?;
    match definitions().get(item.type_id).name.as_str() {
        "CodeableConcept" => Some(node.list("coding").iter().filter_map(coding).collect()),
        "Coding" | "Quantity" | "Age" | "Duration" | "Count" | "Distance" | "MoneyQuantity" | "SimpleQuantity" => {
            Some(coding(node).into_iter().collect())
        }
        _ => None,
    }
}

impl<'r> Run<'_, 'r> {
    pub(super) fn fhir(&mut self, input: List<'r>, name: &str, mut arguments: Vec<List<'r>>) -> Found<'r> {
        match name {
            "resolve" => {
                let mut out = List::new();
                for entry in &input {
                    self.spend(8)?;
                    out.extend(self.resolve(entry)?);
                }
                Ok(out)
            }
            "memberOf" => self.member_of_value_set(input, arguments.pop().unwrap_or_default()),
            "subsumes" | "subsumedBy" => {
                let other = arguments.pop().unwrap_or_default();
                if name == "subsumes" { self.subsumes(input, other) } else { self.subsumes(other, input) }
            }
            "conformsTo" => self.conforms(input, arguments.pop().unwrap_or_default()),
            "htmlChecks" => {
                let mut verdict = true;
                for entry in &input {
                    let Entry::Part(item) = entry else { return invalid("htmlChecks() is for narratives") };
                    let Some(node) = item.node() else { continue };
                    self.spend(1 + item.text().map_or(0, str::len) / 16)?;
                    verdict &= matches!(node, Node::Null) || primitives::check("xhtml", node).is_ok();
                }
                Ok(if input.is_empty() { List::new() } else { vec![boolean(verdict)] })
            }
            "checkModifiers" => self.check_modifiers(input, arguments),
            "slice" => self.slice(input, arguments),
            "elementDefinition" => {
                let mut out = List::new();
                for entry in &input {
                    out.extend(self.element_definition(entry)?);
                }
                Ok(out)
            }
            _ => unsupported(format!("function {name}()")),
        }
    }

    /// Extensions of one URL.
    pub(super) fn extensions(&mut self, entry: &Entry<'r>, url: &str, out: &mut List<'r>) -> Result<(), FhirPathError> {
        let Entry::Part(item) = entry else { return Ok(()) };
        let Some(type_id) = definitions().type_id("Extension") else { return Ok(()) };
        let members = item.children();
        let list = members.iter().find(|(name, _)| name == "extension").map_or(&[][..], |(_, list)| list.items());
        self.spend(1 + list.len())?;
        let matching = list.iter().filter(|extension| extension.text("url") == Some(url));
        out.extend(matching.map(|extension| Entry::Part(Item::new(type_id, extension))));
        Ok(())
    }

    /// What a reference points at: contained, in the same Bundle, found by the environment, or only
    /// its type, which `is` and `ofType` can tell.
    fn resolve(&mut self, entry: &Entry<'r>) -> Result<Option<Entry<'r>>, FhirPathError> {
        let all = definitions();
        let part = |node: &'r Node<'r>| {
            node.text("resourceType").and_then(|name| all.resource(name)).map(|id| Entry::Part(Item::new(id, node)))
        };
        let (reference, node) = match entry {
            Entry::Part(item) => match (item.text(), item.node()) {
                (Some(text), node) => (Some(text), node),
                (None, Some(node)) => (node.text("reference"), Some(node)),
                _ => return Ok(None),
            },
            Entry::Value(System::String(std::borrow::Cow::Borrowed(text))) => (Some(*text), None),
            Entry::Value(System::String(text)) => return self.resolve_text(text).map(|found| found.and_then(part)),
            _ => return Ok(None),
        };
        if let Some(text) = reference
            && let Some(found) = self.resolve_text(text)?
        {
            return Ok(part(found));
        }
        if reference.is_some_and(|text| text.starts_with('#')) {
            return Ok(None);
        }
        let stated = || node.and_then(|node| node.text("type")).and_then(|name| all.resource(name));
        let type_id = reference.and_then(target_type).or_else(stated);
        Ok(type_id.map(|type_id| Entry::Part(Item { value: Value::Target, type_id, extra: None })))
    }

    fn resolve_text(&mut self, text: &str) -> Result<Option<&'r Node<'r>>, FhirPathError> {
        let containers = [self.resource.node(), self.root().node(), self.focus.node()];
        if let Some(id) = text.strip_prefix('#') {
            if id.is_empty() {
                return Ok(self.root().node());
            }
            let mut contained = containers.into_iter().flatten().flat_map(|node| node.list("contained"));
            return Ok(contained.find(|inner| inner.text("id") == Some(id)));
        }
        if let Some((entries, full_url)) = self.environment.bundle {
            match entries.find(text, full_url) {
                InBundle::One(node) | InBundle::Several(node) => return Ok(Some(node)),
                InBundle::Nothing => {}
            }
        }
        for bundle in containers.into_iter().flatten().filter(|node| node.text("resourceType") == Some("Bundle")) {
            let list = bundle.list("entry");
            self.spend(list.len())?;
            // Which entry the reference is written in is not known here: the end of a URL is enough.
            let is_it = |candidate: &&'r Node<'r>| {
                let url = candidate.text("fullUrl").unwrap_or_default();
                url == text || url.strip_suffix(text).is_some_and(|base| base.ends_with('/'))
            };
            if let Some(found) = list.iter().find(is_it).and_then(|entry| entry.get("resource")) {
                return Ok(Some(found));
            }
            if let InBundle::One(found) = Entries::new(bundle).find(text, None) {
                return Ok(Some(found));
            }
        }
        self.spend(16)?;
        Ok(self.environment.resolver.and_then(|resolver| resolver.resolve(text)))
    }

    fn member_of_value_set(&mut self, input: List<'r>, value_set: List<'r>) -> Found<'r> {
        let Some(url) = Self::text(value_set, "memberOf()")? else { return Ok(List::new()) };
        let Some(entry) = Self::single(input, "memberOf()")? else { return Ok(List::new()) };
        let Some(codes) = codes(&entry) else {
            return if entry.is_absent() { Ok(List::new()) } else { invalid("memberOf() is for codes and concepts") };
        };
        let Some(terminology) = self.environment.terminology else {
            return unsupported("memberOf() without a terminology");
        };
        let mut unknown = false;
        for code in codes {
            self.spend(32)?;
            match terminology.member_of(&url, code) {
                Some(true) => return Ok(vec![boolean(true)]),
                Some(false) => {}
                None => unknown = true,
            }
        }
        Ok(if unknown { List::new() } else { vec![boolean(false)] })
    }

    fn subsumes(&mut self, general: List<'r>, special: List<'r>) -> Found<'r> {
        let general = Self::single(general, "subsumes()")?;
        let special = Self::single(special, "subsumes()")?;
        let (Some(general), Some(special)) = (general, special) else { return Ok(List::new()) };
        let (Some(general), Some(special)) = (codes(&general), codes(&special)) else {
            return invalid("subsumes() is for Coding and CodeableConcept");
        };
        let Some(terminology) = self.environment.terminology else {
            return unsupported("subsumes() without a terminology");
        };
        let mut unknown = false;
        for one in &general {
            for other in special.iter().filter(|other| other.system == one.system) {
                self.spend(32)?;
                match one.system.and_then(|system| terminology.subsumes(system, one.code, other.code)) {
                    Some(true) => return Ok(vec![boolean(true)]),
                    Some(false) => {}
                    None if one.code == other.code => return Ok(vec![boolean(true)]),
                    None => unknown = true,
                }
            }
        }
        Ok(if unknown { List::new() } else { vec![boolean(false)] })
    }

    fn conforms(&mut self, input: List<'r>, profile: List<'r>) -> Found<'r> {
        let Some(url) = Self::text(profile, "a profile")? else { return Ok(List::new()) };
        let Some(entry) = Self::single(input, "conformsTo()")? else { return Ok(List::new()) };
        let Entry::Part(item) = entry else { return Ok(vec![boolean(false)]) };
        let all = definitions();
        let named = url.strip_prefix("http://hl7.org/fhir/StructureDefinition/").and_then(|name| all.type_id(name));
        if let Some(id) = named {
            return Ok(vec![boolean(all.is_a(item.type_id, id))]);
        }
        self.spend(1_000)?;
        match self.environment.conformance.and_then(|known| known.conforms(item, self.resource, &url)) {
            Some(verdict) => Ok(vec![boolean(verdict)]),
            None => unsupported(format!("conformsTo() with the profile {url:?}, which is not known here")),
        }
    }

    /// The elements that belong to a slice of a profile (FHIR R4 fhirpath.html#functions: an unknown structure or
    /// slice is an error).
    fn slice(&mut self, input: List<'r>, mut arguments: Vec<List<'r>>) -> Found<'r> {
        let name = Self::text(arguments.pop().unwrap_or_default(), "slice()")?;
        let structure = Self::text(arguments.pop().unwrap_or_default(), "slice()")?;
        let (Some(structure), Some(name)) = (structure, name) else {
            return invalid("slice() needs the URL of a profile and the name of a slice in it");
        };
        let mut out = List::new();
        for entry in input {
            let Entry::Part(item) = entry else { continue };
            self.spend(200)?;
            let known = self.environment.conformance;
            match known.and_then(|known| known.in_slice(item, self.resource, &structure, &name)) {
                Some(true) => out.push(Entry::Part(item)),
                Some(false) => {}
                None => return invalid(format!("slice(): there is no slice {name:?} of a profile {structure:?} here")),
            }
        }
        Ok(out)
    }

    /// What the standard says of an element, found by where it is in its resource.
    fn element_definition(&mut self, entry: &Entry<'r>) -> Result<Option<Entry<'r>>, FhirPathError> {
        let (Entry::Part(item), Some(kind)) = (entry, definitions().type_id("ElementDefinition")) else {
            return Ok(None);
        };
        let Some(shelf) = self.environment.shelf else { return unsupported("elementDefinition() here") };
        let mut budget = self.budget;
        let found = describe::place_of(self.resource, *item, &mut budget)
            .or_else(|| describe::place_of(self.root(), *item, &mut budget));
        self.budget = budget;
        self.spend(16)?;
        let node = found.and_then(|(path, element)| describe::definition(&path, element, *item));
        Ok(node.map(|node| Entry::Part(Item::new(kind, shelf.keep(node)))))
    }

    /// Goes on when there are no modifier extensions but those named (FHIR R4 fhirpath.html#functions).
    fn check_modifiers(&mut self, input: List<'r>, arguments: Vec<List<'r>>) -> Found<'r> {
        let mut allowed = Vec::new();
        for argument in arguments {
            allowed.extend(Self::text(argument, "checkModifiers()")?);
        }
        for entry in &input {
            let Entry::Part(item) = entry else { continue };
            for (name, list) in item.children() {
                if name != "modifierExtension" {
                    continue;
                }
                for extension in list.items() {
                    self.spend(1 + allowed.len())?;
                    let url = extension.text("url").unwrap_or_default();
                    if !allowed.iter().any(|known| known == url) {
                        return invalid(format!("the modifier extension {url:?} is not understood"));
                    }
                }
            }
        }
        Ok(input)
    }
}
