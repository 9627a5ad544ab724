//! A profile or extension against what it is derived from: what it is about, which elements there are, what
//! they can be narrowed to, and whether its expressions can be asked of them.
//!
//! FHIR R4 profiling.html, defining-extensions.html, elementdefinition.html (ElementDefinition.fixed[x],
//! .binding, .constraint).

use super::terminology;
use crate::fhirpath::{FhirPathError, Query, Typing};
use crate::format::json::Node;
use crate::r4::canonical::split;
use crate::r4::outcome::{IssueCode, Severity};
use crate::r4::{Kind, TypeId, definitions};
use crate::validation::place::Place;
use crate::validation::profile::element::{CORE, ElementDef, Strength, TypeRef};
use crate::validation::profile::snapshot::Snapshots;
use crate::validation::profile::tree::{Tree, capitalised};
use crate::validation::validator::Run;

/// Primitives that have an order (`minValue[x]`).
const ORDERED: &[&str] = &[
    "date",
    "dateTime",
    "instant",
    "time",
    "decimal",
    "integer",
    "positiveInt",
    "unsignedInt",
    "Quantity",
    "Age",
    "Duration",
    "Distance",
    "Count",
];

/// What can hold codes, with what is derived from it.
const BINDABLE: &[&str] = &["Coding", "CodeableConcept", "Quantity", "string", "uri"];
/// Definitions that are derived from each other are followed so far.
const MAX_CHAIN: usize = 20;

fn error(run: &mut Run<'_, '_>, message: &'static str, parameters: &[&str], place: &Place<'_>) {
    let parameters = parameters.iter().map(|parameter| (*parameter).to_owned()).collect();
    run.report(Severity::Error, IssueCode::BusinessRule, message, parameters, place);
}

/// Checks a StructureDefinition that is no logical model.
pub(super) fn structure_definition(run: &mut Run<'_, '_>, node: &Node<'_>, place: &Place<'_>) {
    let type_name = node.text("type").unwrap_or_default();
    let is_extension = type_name == "Extension";
    if !is_extension {
        for member in ["context", "contextInvariant"] {
            if !node.list(member).is_empty() {
                error(run, "profile-context", &[member, type_name], &place.child(member, Some(0)));
            }
        }
    }
    for (index, context) in node.list("context").iter().enumerate() {
        if let Some(text) = context.text("expression").filter(|_| context.text("type") == Some("fhirpath")) {
            terminology::read(run, text, &place.child("context", Some(index)).child("expression", None));
        }
    }
    for (index, text) in node.list("contextInvariant").iter().enumerate() {
        if let Some(text) = text.as_str() {
            terminology::read(run, text, &place.child("contextInvariant", Some(index)));
        }
    }
    let Some(base) = node.text("baseDefinition") else { return };
    if node.get("derivation").is_none() {
        error(run, "profile-derivation", &[base], place);
        return;
    }
    if node.text("derivation") != Some("constraint") {
        return;
    }
    of_base(run, node, base, type_name, place);
    if is_extension && base == format!("{CORE}Extension") {
        extension_url(run, node, place);
    }
    elements(run, node, base, type_name, place);
}

/// A profile has the kind and the type of what it constrains.
fn of_base(run: &mut Run<'_, '_>, node: &Node<'_>, base: &str, type_name: &str, place: &Place<'_>) {
    let known = run.validator.definition("StructureDefinition", split(base).0);
    let (base_type, base_kind) = match &known {
        Some(known) => (known.text("type").unwrap_or_default(), known.text("kind").unwrap_or_default()),
        None => {
            let name = base.strip_prefix(CORE).unwrap_or_default();
            let Some(id) = definitions().type_id(name) else { return };
            let kind = match definitions().get(id).kind {
                Kind::Resource => "resource",
                Kind::Primitive => "primitive-type",
                _ => "complex-type",
            };
            (name, kind)
        }
    };
    if !type_name.is_empty() && type_name != base_type {
        error(run, "profile-base-type", &[type_name, base_type, base], &place.child("type", None));
    }
    if let Some(kind) = node.text("kind").filter(|kind| !base_kind.is_empty() && *kind != base_kind) {
        error(run, "profile-base-kind", &[kind, base_kind, base], &place.child("kind", None));
    }
}

/// An extension fixes its `url` to its own canonical URL (defining-extensions.html#definition).
fn extension_url(run: &mut Run<'_, '_>, node: &Node<'_>, place: &Place<'_>) {
    let own = node.text("url").unwrap_or_default();
    let fixed = ["snapshot", "differential"].iter().find_map(|view| {
        let elements = node.get(view)?.list("element");
        elements.iter().find(|element| element.text("path") == Some("Extension.url"))?.text("fixedUri")
    });
    match fixed {
        Some(fixed) if fixed == own => {}
        Some(fixed) => error(run, "extension-url-other", &[fixed, own], place),
        None => error(run, "extension-url-missing", &[own], place),
    }
}

fn elements(run: &mut Run<'_, '_>, node: &Node<'_>, base: &str, type_name: &str, place: &Place<'_>) {
    let snapshots = Snapshots::new(run.validator.shared_source());
    // What cannot be derived is told of elsewhere.
    let (Ok(base), Ok(derived)) = (snapshots.get(base), snapshots.derive_from(node)) else { return };
    let at = place.child("differential", None);
    let differential = node.get("differential").map_or(&[][..], |view| view.list("element"));
    for (index, element) in differential.iter().enumerate() {
        let here = at.child("element", Some(index));
        let def = ElementDef::read(element);
        let mut segments = def.path.split('.');
        if segments.next() != Some(type_name) {
            error(run, "path-root", &[&def.path, type_name], &here.child("path", None));
            continue;
        }
        if !def.path.contains('.') && def.slicing.is_some() {
            error(run, "profile-root-slicing", &[], &here.child("slicing", None));
        }
        let found = at_path(&derived, &def.path);
        if let Some(tree) = found
            && tree.def.types.is_empty()
            && tree.def.content_reference.is_none()
            && def.path.contains('.')
        {
            error(run, "profile-path", &[&def.path, &base.url], &here.child("path", None));
            continue;
        }
        if let Some(known) = at_path(&base.tree, &def.path) {
            if def.slice_name.is_none() {
                narrows(run, &def, known, &here);
            }
            types_narrow(run, &def, known, &here);
            binding_narrows(run, &def, known, &here);
        }
        value_set(run, &def, &here);
        if let Some(tree) = found {
            typed(run, element, tree, &here);
            bindable(run, &def, tree, &here);
        }
        constraints(run, element, found, &here);
    }
}

/// The element at a path, slices left aside; none where a path chooses a type (`valueQuantity`).
fn at_path<'t>(tree: &'t Tree, path: &str) -> Option<&'t Tree> {
    path.split('.').skip(1).try_fold(tree, |tree, segment| {
        let name = segment.strip_suffix("[x]").unwrap_or(segment);
        tree.children.iter().find(|child| child.def.name() == name)
    })
}

/// "a profile can only restrict" (profiling.html#cardinality): its cardinality and types lie within the base's.
fn narrows(run: &mut Run<'_, '_>, def: &ElementDef, known: &Tree, place: &Place<'_>) {
    if let (Some(own), Some(most)) = (def.max, known.def.max)
        && own > most
        && def.path.contains('.')
    {
        error(run, "profile-max", &[&def.path, &most.to_string()], &place.child("max", None));
    }
    if let (Some(own), Some(least)) = (def.min, known.def.min)
        && own < least
        && def.path.contains('.')
    {
        error(run, "profile-min", &[&def.path, &least.to_string()], &place.child("min", None));
    }
}

/// Types are some of those the element has, or special ones of these (profiling.html#slicing, #limitations), and
/// lead to some of what these lead to.
fn types_narrow(run: &mut Run<'_, '_>, def: &ElementDef, known: &Tree, place: &Place<'_>) {
    let all = definitions();
    for (index, own) in def.types.iter().enumerate() {
        let own_id = all.type_id(&own.code);
        // What is no bare name is a type of somebody's own.
        if own_id.is_none() && !own.code.chars().all(|letter| letter.is_ascii_alphanumeric()) {
            continue;
        }
        let is_it = |found: &&TypeRef| {
            found.code == own.code
                || own_id.is_some_and(|own| all.type_id(&found.code).is_none_or(|id| all.is_a(own, id)))
        };
        let mut fitting = known.def.types.iter().filter(is_it).peekable();
        let here = place.child("type", Some(index));
        if fitting.peek().is_none() && !known.def.types.is_empty() {
            let wanted: Vec<&str> = known.def.types.iter().map(|found| found.code.as_str()).collect();
            error(run, "profile-type-new", &[&own.code, &wanted.join(", ")], &here);
            continue;
        }
        let wanted: Vec<&TypeRef> = fitting.collect();
        let is_open = wanted.iter().any(|found| found.targets.is_empty());
        if own.targets.is_empty() || wanted.is_empty() || is_open {
            continue;
        }
        let targets: Vec<&str> = wanted.iter().flat_map(|found| &found.targets).map(String::as_str).collect();
        if !own.targets.iter().any(|target| targets.iter().any(|wanted| leads_to(run, target, wanted))) {
            error(run, "profile-target-new", &[&own.targets.join(", "), &targets.join(", ")], &here);
        }
    }
}

/// Whether what conforms to one target conforms to another; what is not known may.
fn leads_to(run: &Run<'_, '_>, target: &str, wanted: &str) -> bool {
    let all = definitions();
    let core = |url: &str| url.strip_prefix(CORE).and_then(|name| all.type_id(name));
    let mut current = split(target).0.to_owned();
    for _ in 0..MAX_CHAIN {
        if current == split(wanted).0 {
            return true;
        }
        if let Some(own) = core(&current) {
            return core(wanted).is_some_and(|wanted| all.is_a(own, wanted));
        }
        let Some(known) = run.validator.definition("StructureDefinition", &current) else { return true };
        let Some(base) = known.text("baseDefinition") else { return true };
        current = split(base).0.to_owned();
    }
    true
}

/// A required binding stays one (profiling.html#binding): a code that must be of a set cannot be free again.
fn binding_narrows(run: &mut Run<'_, '_>, def: &ElementDef, known: &Tree, place: &Place<'_>) {
    if let (Some(own), Some(base)) = (&def.binding, &known.def.binding)
        && base.strength == Strength::Required
        && own.strength < Strength::Required
    {
        error(run, "binding-loosened", &[&base.value_set], &place.child("binding", None));
    }
}

/// "Binding can only be present for coded elements, string, and uri" (elementdefinition.html, eld-11), also where
/// the types are those of the base.
fn bindable(run: &mut Run<'_, '_>, def: &ElementDef, tree: &Tree, place: &Place<'_>) {
    let all = definitions();
    let holds_codes = |found: &TypeRef| {
        // An unknown type, and one that may be anything, may.
        let Some(id) = all.type_id(&found.code) else { return true };
        let is = |name: &str| all.type_id(name).is_some_and(|wanted| all.is_a(id, wanted));
        all.get(id).is_abstract || BINDABLE.iter().any(|name| is(name))
    };
    if def.binding.is_some() && !tree.def.types.is_empty() && !tree.def.types.iter().any(holds_codes) {
        let types: Vec<&str> = tree.def.types.iter().map(|found| found.code.as_str()).collect();
        error(run, "binding-no-codes", &[&types.join(", ")], &place.child("binding", None));
    }
}

/// What a binding names is a value set.
fn value_set(run: &mut Run<'_, '_>, def: &ElementDef, place: &Place<'_>) {
    let Some(binding) = &def.binding else { return };
    let (url, _) = split(&binding.value_set);
    let source = run.validator.source();
    if !url.is_empty() && source.find("ValueSet", url, None).is_none() && source.find("CodeSystem", url, None).is_some()
    {
        error(run, "binding-no-value-set", &[url], &place.child("binding", None));
    }
}

/// Values and limits are of a type that the element can have.
fn typed(run: &mut Run<'_, '_>, element: &Node<'_>, tree: &Tree, place: &Place<'_>) {
    let types: Vec<&str> = tree.def.types.iter().map(|found| found.code.as_str()).collect();
    let all = definitions();
    // `Extension.url` and ids are of types of FHIRPath, and hold URIs and strings.
    if types.is_empty() || types.iter().any(|code| code.starts_with("System.") || all.type_id(code).is_none()) {
        return;
    }
    for (name, _) in element.members() {
        for start in ["fixed", "pattern"] {
            let Some(given) =
                name.strip_prefix(start).filter(|given| given.starts_with(|first: char| first.is_ascii_uppercase()))
            else {
                continue;
            };
            if !types.iter().any(|code| capitalised(code) == given) {
                error(run, "profile-value-type", &[name, &types.join(", ")], &place.child(name, None));
            }
        }
        let is_limit = name.starts_with("minValue") || name.starts_with("maxValue");
        if is_limit && !types.iter().any(|code| ORDERED.contains(code)) {
            error(run, "profile-limit-type", &[name, &types.join(", ")], &place.child(name, None));
        }
    }
    for (index, found) in tree.def.types.iter().enumerate() {
        for target in &found.targets {
            let Some(id) = target.strip_prefix(CORE).and_then(|name| all.type_id(name)) else { continue };
            if all.get(id).kind != Kind::Resource {
                error(run, "profile-target", &[target], &place.child("type", Some(index)));
            }
        }
    }
}

/// Constraints can be asked of the element they stand on.
fn constraints(run: &mut Run<'_, '_>, element: &Node<'_>, tree: Option<&Tree>, place: &Place<'_>) {
    let focus = tree.and_then(|tree| match tree.def.types.as_slice() {
        [only] if only.code != "Element" && only.code != "BackboneElement" => definitions().type_id(&only.code),
        [] if tree.def.path.contains('.') => None,
        [] => definitions().type_id(&tree.def.path),
        _ => None,
    });
    for (index, constraint) in element.list("constraint").iter().enumerate() {
        let Some(text) = constraint.text("expression") else { continue };
        let here = place.child("constraint", Some(index));
        check(run, text, focus, &here.child("expression", None));
    }
}

/// An expression that is FHIRPath but asks for what is not there. What is no FHIRPath is told of elsewhere.
pub(super) fn check(run: &mut Run<'_, '_>, text: &str, focus: Option<TypeId>, place: &Place<'_>) {
    match Query::build(text, focus, Typing::Lenient).map_err(FhirPathError::from) {
        Ok(_) | Err(FhirPathError::Syntax { .. }) => {}
        Err(found) => error(run, "expression", &[text, &found.to_string()], place),
    }
}
