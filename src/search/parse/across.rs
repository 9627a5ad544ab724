//! Searches on several types at once: the whole server and compartments (FHIR R4 http.html#search,
//! search.html#all, compartmentdefinition.html).
//!
//! Only what every type has can be a condition: the parameters of `Resource`, and membership.

use std::collections::BTreeSet;

use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::parameters::ParameterKind;
use crate::r4::{definitions, parameters};
use crate::search::query::{Condition, Query};
use crate::search::registry::registry;
use crate::search::rows::second_form;

use super::{ParseOptions, Parsed, Parser, parse_into, parse_query, unknown};

/// The indexed parameters of `Resource`.
const COMMON: [&str; 4] = ["_profile", "_security", "_source", "_tag"];

/// Parses a search across types; `_type` names them.
///
/// # Errors
/// One issue for each pair that cannot be used.
pub fn parse_query_across(pairs: &[(String, String)], options: &ParseOptions) -> Result<Query, Vec<Issue>> {
    let mut query = parse_query(0, &[], options)?;
    let mut others = Vec::new();
    for (name, value) in pairs {
        if name != "_type" || value.trim().is_empty() {
            others.push((name.clone(), value.clone()));
            continue;
        }
        let mut types = BTreeSet::new();
        for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match definitions().resource_number(name) {
                Some(number) => types.insert(number),
                None => {
                    let text = format!("_type={value:.200}: {name:.64?} is not a resource type of FHIR R4 (4.0.1)");
                    return Err(vec![Issue::error(IssueCode::Invalid, text)]);
                }
            };
        }
        if !query.types.is_empty() {
            let text = "_type is given once, with commas: _type=Patient,Observation";
            return Err(vec![Issue::error(IssueCode::Invalid, text)]);
        }
        query.types.extend(types);
        query.used.push((name.clone(), value.clone()));
    }
    parse_into(query, &others, options)
}

/// Membership in a compartment, of resources of one type or (0) of all.
///
/// # Errors
/// When the owner's type has no compartment, or the type is never in it.
pub fn compartment(owner_type: u8, owner_id: &str, member_type: u8) -> Result<Condition, Issue> {
    let name = |number: u8| definitions().resource_by_number(number).map_or("*", |found| found.name.as_str());
    let owner = name(owner_type);
    let all = &definitions().compartments;
    let Some(compartment) = all.iter().find(|compartment| compartment.code == owner) else {
        let codes: Vec<&str> = all.iter().map(|compartment| compartment.code.as_str()).collect();
        let text = format!("{owner} has no compartment; compartments are those of {}", codes.join(", "));
        return Err(Issue::error(IssueCode::NotFound, text));
    };
    let (parameters, itself) = ties(compartment, (member_type != 0).then(|| name(member_type)));
    if parameters.is_empty() && !itself {
        let text =
            format!("{} is not in the compartment of a {owner}; search {}?…", name(member_type), name(member_type));
        return Err(Issue::error(IssueCode::NotFound, text));
    }
    Ok(Condition::Compartment { owner_type, owner_id: owner_id.to_owned(), parameters, itself })
}

/// The linking references of one member type, or of all, and whether the owner itself belongs.
fn ties(compartment: &parameters::Compartment, member: Option<&str>) -> (Vec<i32>, bool) {
    let mut numbers = BTreeSet::new();
    let mut itself = false;
    for (name, codes) in compartment.members.iter().filter(|(name, _)| member.is_none_or(|member| member == name)) {
        let Some(number) = definitions().resource_number(name) else { continue };
        for code in codes {
            itself |= code == "{def}";
            // Membership is the standard's, whatever was put in place of its parameters.
            let found = registry().find(number, code).filter(|found| found.kind == ParameterKind::Reference);
            numbers.extend(found.map(|found| found.number));
        }
    }
    (numbers.into_iter().collect(), itself)
}

impl Parser<'_> {
    /// A condition of a search across types.
    pub(super) fn across(&self, query: &Query) -> Parsed<Option<Condition>> {
        let code = self.name.split(':').next().unwrap_or_default();
        let every = 1..=u8::try_from(definitions().resources().len()).unwrap_or(u8::MAX);
        let types: Vec<u8> = if query.types.is_empty() { every.collect() } else { query.types.clone() };
        if matches!(self.name, "_id" | "_lastUpdated" | "_list" | "_text" | "_content") {
            return self.condition();
        }
        let (Some(first), true) = (types.first(), COMMON.contains(&code)) else {
            return unknown(format!(
                "a search across types takes _type, _id, _lastUpdated, _list, _text, _content, {}, not {:?}; search one type by it: [base]/Patient?…",
                COMMON.join(", "),
                self.name
            ));
        };
        let condition = Self { type_number: *first, ..*self }.condition()?;
        let parameters =
            types.iter().filter_map(|number| self.registry().find(*number, code)).map(|found| found.number);
        let is_second = matches!(condition, Some(Condition::Indexed { parameter, .. }) if parameter < 0);
        let parameters = parameters.map(|number| if is_second { second_form(number) } else { number }).collect();
        Ok(condition.map(|condition| Condition::Across { parameters, condition: Box::new(condition) }))
    }
}
