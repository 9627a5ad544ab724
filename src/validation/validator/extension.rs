//! Extensions: whether their definition is known, whether they may be here, and whether they are what it says.
//!
//! FHIR R4 extensibility.html, defining-extensions.html#context.

use super::{Run, Scope, Terms, is_example};
use crate::fhirpath::general::Entry;
use crate::fhirpath::{Environment, Item, Query};
use crate::r4::definitions;
use crate::r4::outcome::{IssueCode, Severity};
use crate::validation::instance::node_of;
use crate::validation::place::Place;
use crate::validation::profile::compile::Profile;
use crate::validation::profile::element::CORE;
use crate::validation::profile::snapshot::ProfileError;

/// Extensions whose R4 definitions name other places than those where R4 itself has them, and the ends of the
/// paths of these (`structuredefinition-fhir-type` stands on the type, not on its code).
const MISPLACED: &[(&str, &str)] = &[
    ("structuredefinition-fhir-type", ".element.type"),
    ("regex", ".element.type"),
    ("structuredefinition-normative-version", ""),
    ("capabilitystatement-expectation", ""),
    ("capabilitystatement-prohibited", ""),
];
/// Values in ElementDefinitions.
const PRESCRIBED: &[&str] = &[".element.fixed", ".element.pattern", ".element.example.value"];

/// Versions of FHIR whose elements may be carried in extensions here: what is an element of R4 needs none.
/// (4.6 was published on the way to R5, and guides used it.)
const ELSEWHERE: &[&str] = &["1.0", "3.0", "4.3", "4.6", "5.0"];

/// Version and element of an extension that stands for an element of another version of FHIR
/// (FHIR R4 versions.html#extensions).
fn of_another_version(url: &str) -> Option<(&str, &str)> {
    let (version, id) = url.strip_prefix("http://hl7.org/fhir/")?.split_once("/StructureDefinition/extension-")?;
    version.starts_with(|first: char| first.is_ascii_digit()).then_some((version, id))
}

impl<'r> Run<'_, 'r> {
    pub(super) fn extension(
        &mut self,
        item: Item<'r>,
        owner: Item<'r>,
        is_modifier: bool,
        place: &Place<'_>,
        scope: &Scope<'_, 'r>,
    ) {
        let Some(url) = node_of(&item).text("url") else { return };
        let is_nested = definitions().get(owner.type_id).name == "Extension";
        if !url.contains(':') {
            // A part of a complex extension: that one's definition speaks of it.
            if !is_nested {
                self.report(Severity::Error, IssueCode::Structure, "extension-relative", vec![url.to_owned()], place);
            }
            return;
        }
        let profile = match self.validator.profile(url, false) {
            Ok(profile) if profile.snapshot.type_name == "Extension" => profile,
            other => {
                if let Some((version, id)) = of_another_version(url)
                    && !ELSEWHERE.contains(&version)
                {
                    let parameters = vec![url.to_owned(), version.to_owned(), id.to_owned(), ELSEWHERE.join(", ")];
                    self.report(Severity::Error, IssueCode::Structure, "extension-version", parameters, place);
                    return;
                }
                let message = if is_modifier { "modifier-unknown" } else { "extension-unknown" };
                let severity = match is_modifier {
                    _ if is_example(url) => Severity::Warning,
                    true => Severity::Error,
                    false => self.options.unknown_extension,
                };
                let reason = match other {
                    Err(error @ ProfileError::Unusable { .. }) => format!("{url} ({error})"),
                    _ => url.to_owned(),
                };
                self.report(severity, IssueCode::Structure, message, vec![reason], place);
                return;
            }
        };
        if profile.snapshot.tree.def.is_modifier != is_modifier {
            let message = if is_modifier { "extension-not-modifier" } else { "extension-modifier" };
            self.report(Severity::Error, IssueCode::Structure, message, vec![url.to_owned()], place);
        }
        self.context(&profile, owner, place, scope);
        self.context_invariants(item, &profile, owner, place, scope);
        self.parts(item, &profile, place);
        self.conform(item, &profile, place, scope);
    }

    /// The parts of a complex extension are those its definition names (defining-extensions.html#complex): a
    /// relative URL means nothing elsewhere.
    fn parts(&mut self, item: Item<'r>, profile: &Profile, place: &Place<'_>) {
        let node = node_of(&item);
        let named = |url: &str| {
            let slices = profile.snapshot.tree.child("extension").map_or(&[][..], |parts| &parts.slices);
            slices.iter().any(|slice| {
                let fixed =
                    slice.child("url").and_then(|part| part.def.fixed.as_deref()).and_then(|node| node.as_str());
                fixed.or(slice.def.slice_name.as_deref()) == Some(url)
                    || slice.def.types.iter().flat_map(|found| &found.profiles).any(|profile| profile == url)
            })
        };
        for (index, part) in node.list("extension").iter().enumerate() {
            if let Some(url) = part.text("url").filter(|url| !url.contains(':') && !named(url)) {
                let here = place.child("extension", Some(index));
                let parameters = vec![url.to_owned(), profile.snapshot.url.clone()];
                self.report(Severity::Error, IssueCode::Structure, "extension-part", parameters, &here);
            }
        }
    }

    fn context(&mut self, profile: &Profile, owner: Item<'r>, place: &Place<'_>, scope: &Scope<'_, 'r>) {
        let contexts = &profile.snapshot.contexts;
        let Some(owner_place) = place.parent() else { return };
        let path = scope.path_of(owner_place);
        // What a profile prescribes as a value has the extensions that the value will have.
        if path.starts_with("StructureDefinition.") && PRESCRIBED.iter().any(|part| path.contains(part)) {
            return;
        }
        if !contexts.is_empty()
            && !MISPLACED
                .iter()
                .any(|(url, fits)| profile.snapshot.url.strip_prefix(CORE) == Some(*url) && path.ends_with(fits))
            && !contexts.iter().any(|(kind, expression)| is_within(kind, expression, owner, &path, scope))
        {
            let allowed: Vec<&str> = contexts.iter().map(|(_, expression)| expression.as_str()).collect();
            let parameters = vec![profile.snapshot.url.clone(), path, allowed.join(", ")];
            self.report(Severity::Error, IssueCode::Structure, "extension-context", parameters, place);
        }
    }

    /// "all the rules must be true" of the element that has the extension (StructureDefinition.contextInvariant);
    /// `%extension` is the extension itself. What cannot be asked is told of where it is defined.
    fn context_invariants(
        &mut self,
        item: Item<'r>,
        profile: &Profile,
        owner: Item<'r>,
        place: &Place<'_>,
        scope: &Scope<'_, 'r>,
    ) {
        if profile.snapshot.context_invariants.is_empty() {
            return;
        }
        let codes = Terms(self.validator.codes());
        let variables = [("extension".to_owned(), vec![Entry::Part(item)])];
        let broken = |text: &&String| {
            let Ok(query) = Query::lenient(text) else { return false };
            let environment = Environment {
                terminology: Some(&codes),
                conformance: Some(self.validator),
                variables: &variables,
                ..scope.environment()
            };
            matches!(query.holds(owner, &environment), Ok(None | Some(false)))
        };
        let broken: Vec<&String> = profile.snapshot.context_invariants.iter().filter(broken).collect();
        for text in broken {
            let parameters = vec![profile.snapshot.url.clone(), text.clone()];
            self.report(Severity::Error, IssueCode::Invariant, "extension-context-invariant", parameters, place);
        }
    }
}

fn is_within(kind: &str, expression: &str, owner: Item<'_>, path: &str, scope: &Scope<'_, '_>) -> bool {
    let all = definitions();
    match kind {
        "extension" => node_of(&owner).text("url") == Some(expression),
        "fhirpath" => {
            let Ok(query) = Query::new(expression) else { return true };
            let Ok(found) = query.evaluate_with(scope.resource, &scope.environment()) else { return true };
            found.items.iter().any(|entry| match entry {
                Entry::Part(part) => {
                    std::ptr::eq(node_of(part), node_of(&owner))
                        && part.extra.map(std::ptr::from_ref) == owner.extra.map(std::ptr::from_ref)
                }
                _ => false,
            })
        }
        _ => {
            // A slice of a profile: what it is cannot be told from the element alone.
            if expression.contains([':', '#']) {
                return true;
            }
            let expression = expression.replace("[x]", "");
            // What may stand on any element may stand on resources (as HL7's own definitions have it).
            if expression == path || matches!(expression.as_str(), "Any" | "Element") {
                return true;
            }
            if expression == "CanonicalResource" {
                return all.get(owner.type_id).elements.iter().any(|element| element.name == "url")
                    && all.get(owner.type_id).kind == crate::r4::Kind::Resource;
            }
            if let Some(id) = all.type_id(&expression) {
                return all.is_a(owner.type_id, id);
            }
            // An element of a type: `HumanName.family`, also of a type's specialisations.
            let Some((type_name, rest)) = expression.split_once('.') else { return false };
            if path.ends_with(&format!(".{rest}")) && type_name.starts_with(|first: char| first.is_ascii_uppercase()) {
                return scope
                    .path_types(path, rest)
                    .is_some_and(|id| all.type_id(type_name).is_some_and(|wanted| all.is_a(id, wanted)));
            }
            false
        }
    }
}
