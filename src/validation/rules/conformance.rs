//! Definitions that cannot work: profiles that cannot be derived, search parameters and capabilities that
//! contradict what they refer to.
//!
//! FHIR R4 structuredefinition.html, profiling.html#discriminator, searchparameter.html (derivedFrom).

use super::profiling;
use crate::fhirpath::Item;
use crate::format::json::Node;
use crate::r4::canonical::split;
use crate::r4::definitions;
use crate::r4::outcome::{IssueCode, Severity};
use crate::validation::instance::node_of;
use crate::validation::place::Place;
use crate::validation::profile::element::{ElementDef, TypeRef};
use crate::validation::validator::Run;

pub(super) fn resource<'r>(run: &mut Run<'_, 'r>, item: Item<'r>, place: &Place<'_>) {
    let node = node_of(&item);
    match definitions().get(item.type_id).name.as_str() {
        "StructureDefinition" => structure_definition(run, node, place),
        "SearchParameter" => search_parameter(run, node, place),
        "CapabilityStatement" => capability_statement(run, node, place),
        _ => {}
    }
}

fn structure_definition(run: &mut Run<'_, '_>, node: &Node<'_>, place: &Place<'_>) {
    let differential = node.get("differential").map_or(&[][..], |view| view.list("element"));
    let at = place.child("differential", None);
    for (index, element) in differential.iter().enumerate() {
        let here = at.child("element", Some(index));
        let def = ElementDef::read(element);
        for found in &def.types {
            type_profiles(run, found, &here);
        }
    }
    if node.text("kind") == Some("logical") {
        return logical(run, node, differential, place);
    }
    profiling::structure_definition(run, node, place);
    if node.text("derivation") == Some("constraint") && !differential.is_empty() {
        for (path, discriminator) in match run.validator.blind_discriminators(node) {
            Ok(found) => found,
            Err(error) => {
                let parameters = vec![error.to_string()];
                run.report(Severity::Error, IssueCode::NotFound, "definition-unusable", parameters, place);
                return;
            }
        } {
            run.report(Severity::Error, IssueCode::Invalid, "discriminator", vec![discriminator, path], &at);
        }
    }
}

/// A profile on a type must be about that type, or about one of the types an abstract one stands for.
fn type_profiles(run: &mut Run<'_, '_>, found: &TypeRef, place: &Place<'_>) {
    let all = definitions();
    let Some(declared) = all.type_id(&found.code) else { return };
    for url in &found.profiles {
        let Ok(profile) = run.validator.profile(url, false) else { continue };
        let Some(own) = profile.type_id else { continue };
        let fits = own == declared || all.get(declared).is_abstract && all.is_a(own, declared);
        if !fits {
            let parameters = vec![url.clone(), all.get(own).name.clone(), found.code.clone()];
            run.report(Severity::Error, IssueCode::Invalid, "type-profile", parameters, place);
        }
    }
}

fn logical(run: &mut Run<'_, '_>, node: &Node<'_>, differential: &[Node<'_>], place: &Place<'_>) {
    if node.text("derivation") != Some("specialization") {
        return;
    }
    let type_name = node.text("type").unwrap_or_default();
    if !type_name.contains(':') {
        let parameters = vec![type_name.to_owned()];
        run.report(Severity::Error, IssueCode::Value, "logical-type", parameters, &place.child("type", None));
    }
    let last = type_name.rsplit('/').next().unwrap_or_default();
    for element in differential {
        let path = element.text("path").unwrap_or_default();
        let root = path.split('.').next().unwrap_or_default();
        if root != last {
            let parameters = vec![path.to_owned(), last.to_owned()];
            run.report(Severity::Error, IssueCode::Value, "path-root", parameters, &place.child("differential", None));
            return;
        }
    }
}

/// What is derived from a search parameter of the standard may say less, not something else.
fn search_parameter(run: &mut Run<'_, '_>, node: &Node<'_>, place: &Place<'_>) {
    if node.text("type") == Some("composite") && node.list("component").len() < 2 {
        run.report(Severity::Error, IssueCode::BusinessRule, "composite-components", Vec::new(), place);
    }
    let focus = match node.list("base") {
        [only] => only.as_str().and_then(|name| definitions().type_id(name)),
        _ => None,
    };
    let is_concrete = focus.is_none_or(|id| !definitions().get(id).is_abstract);
    if let Some(text) = node.text("expression").filter(|_| is_concrete) {
        profiling::check(run, text, focus, &place.child("expression", None));
    }
    let Some(url) = node.text("derivedFrom") else { return };
    let Some(base) = run.validator.definition("SearchParameter", url) else { return };
    if let (Some(own), Some(known)) = (node.text("type"), base.text("type"))
        && own != known
    {
        let parameters = vec![own.to_owned(), known.to_owned(), url.to_owned()];
        run.report(Severity::Error, IssueCode::Invalid, "derived-type", parameters, &place.child("type", None));
    }
    let known = base.list("base");
    for (index, own) in node.list("base").iter().enumerate() {
        if !known.contains(own)
            && !known.iter().any(|known| matches!(known.as_str(), Some("Resource" | "DomainResource")))
        {
            let parameters = vec![own.as_str().unwrap_or_default().to_owned(), url.to_owned()];
            let here = place.child("base", Some(index));
            run.report(Severity::Error, IssueCode::Invalid, "derived-base", parameters, &here);
        }
    }
}

/// A search parameter that a capability names has the type that its definition says.
fn capability_statement(run: &mut Run<'_, '_>, node: &Node<'_>, place: &Place<'_>) {
    for (index, rest) in node.list("rest").iter().enumerate() {
        let rest_place = place.child("rest", Some(index));
        for (index, resource) in rest.list("resource").iter().enumerate() {
            let resource_place = rest_place.child("resource", Some(index));
            for (index, parameter) in resource.list("searchParam").iter().enumerate() {
                let Some(url) = parameter.text("definition") else { continue };
                let Some(known) = run.validator.definition("SearchParameter", split(url).0) else { continue };
                if let (Some(own), Some(known)) = (parameter.text("type"), known.text("type"))
                    && own != known
                {
                    let here = resource_place.child("searchParam", Some(index));
                    let parameters = vec![own.to_owned(), known.to_owned(), url.to_owned()];
                    run.report(
                        Severity::Error,
                        IssueCode::Invalid,
                        "derived-type",
                        parameters,
                        &here.child("type", None),
                    );
                }
            }
        }
    }
}
