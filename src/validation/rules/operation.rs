//! An OperationDefinition against the profiles on Parameters that it names for its input and output.
//!
//! FHIR R4 operationdefinition-definitions.html#OperationDefinition.inputProfile: "If present the profile
//! shall not conflict with what is specified in the parameters in the operation definition".

use crate::format::json::Node;
use crate::r4::outcome::{IssueCode, Severity};
use crate::validation::place::Place;
use crate::validation::profile::element::UNBOUNDED;
use crate::validation::profile::tree::Tree;
use crate::validation::validator::Run;

pub(super) fn resource(run: &mut Run<'_, '_>, node: &Node<'_>, place: &Place<'_>) {
    for (member, way) in [("inputProfile", "in"), ("outputProfile", "out")] {
        let Some(url) = node.text(member) else { continue };
        let here = place.child(member, None);
        let Ok(profile) = run.validator.profile(url, false) else {
            run.report(Severity::Warning, IssueCode::NotFound, "operation-profile", vec![url.to_owned()], &here);
            continue;
        };
        if profile.snapshot.type_name != "Parameters" {
            let parameters = vec![url.to_owned(), profile.snapshot.type_name.clone()];
            run.report(Severity::Error, IssueCode::Invalid, "operation-profile-type", parameters, &here);
            continue;
        }
        let Some(sliced) = profile.snapshot.tree.child("parameter") else { continue };
        for slice in &sliced.slices {
            let name = slice.child("name").and_then(|name| name.def.fixed.as_ref().or(name.def.pattern.as_ref()));
            let Some(name) = name.and_then(|name| name.as_str()) else { continue };
            let is_it =
                |parameter: &Node<'_>| parameter.text("name") == Some(name) && parameter.text("use") == Some(way);
            let Some(index) = node.list("parameter").iter().position(is_it) else { continue };
            let Some(parameter) = node.list("parameter").get(index) else { continue };
            compare(run, url, slice, parameter, &place.child("parameter", Some(index)));
        }
    }
}

/// How many there are and of which type.
fn compare(run: &mut Run<'_, '_>, url: &str, slice: &Tree, parameter: &Node<'_>, place: &Place<'_>) {
    let mut conflict = |member: &'static str, own: String, profile: String| {
        let parameters = vec![member.to_owned(), own, profile, url.to_owned()];
        let here = place.child(member, None);
        run.report(Severity::Error, IssueCode::BusinessRule, "operation-conflict", parameters, &here);
    };
    let digits = |name: &str| match parameter.get(name) {
        Some(Node::Number(digits)) => digits.parse::<u32>().ok(),
        Some(Node::String(text)) if text == "*" => Some(UNBOUNDED),
        Some(Node::String(text)) => text.parse().ok(),
        _ => None,
    };
    let shown = |number: u32| if number == UNBOUNDED { "*".to_owned() } else { number.to_string() };
    for (member, profile) in [("min", slice.def.min), ("max", slice.def.max)] {
        if let (Some(own), Some(profile)) = (digits(member), profile)
            && own != profile
        {
            conflict(member, shown(own), shown(profile));
        }
    }
    let Some(own) = parameter.text("type") else { return };
    let (value, resource, part) = (slice.child("value"), slice.child("resource"), slice.child("part"));
    let is_open = |tree: Option<&Tree>| tree.is_some_and(|tree| tree.def.max != Some(0));
    let is_needed = |tree: Option<&Tree>| tree.is_some_and(|tree| tree.def.min.is_some_and(|min| min > 0));
    let used = match (is_open(value) && !is_needed(resource), is_open(resource) && !is_needed(value)) {
        // Both may be there: what the profile says of either is no statement on the type.
        (true, true) | (false, false) => return,
        (true, false) => value,
        (false, true) => resource,
    };
    let types: Vec<&str> =
        used.map_or(Vec::new(), |tree| tree.def.types.iter().map(|found| found.code.as_str()).collect());
    if !is_needed(part) && !types.is_empty() && !types.contains(&own) && own != "Any" {
        conflict("type", own.to_owned(), types.join(", "));
    }
}
