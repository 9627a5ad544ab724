//! The system that goes without saying: "for elements of type code the system is implied by the bound value set"
//! (FHIR R4 search.html#token). Codes are indexed without it; a search that names another finds nothing.

use crate::r4::definitions;
use crate::search::query::{NO_CODE, TokenTest};
use crate::search::registry::Parameter;
use crate::search::shape::Shape;

use super::{Parsed, Parser};

impl Parser<'_> {
    /// Tokens of a parameter under every name of their system.
    pub(super) fn tokens_of(&self, parameter: &Parameter, text: &str) -> Parsed<Vec<TokenTest>> {
        let tests = self.tokens(parameter.forms, text)?;
        if parameter.forms.system || !parameter.forms.has_codes() {
            return Ok(tests);
        }
        let parts = super::value::split(text, '|');
        let system = match parts.as_slice() {
            [system, _] if !system.is_empty() => super::value::unescape(system),
            _ => return Ok(tests),
        };
        if self.may_be(parameter, &system) {
            return Ok(tests);
        }
        Ok(vec![TokenTest { codes: vec![NO_CODE.to_owned()], system: None }])
    }

    /// Whether values of a parameter without systems can be of this one; also when nobody knows.
    pub(super) fn may_be(&self, parameter: &Parameter, system: &str) -> bool {
        if parameter.forms.system {
            return true;
        }
        let Some(value_sets) = &self.options.value_sets else { return true };
        let Some(bound) = bindings(&parameter.expression, self.type_name()) else { return true };
        let names = value_sets.names(system);
        bound.iter().any(|value_set| match value_sets.expand(value_set) {
            // What cannot be listed (languages, media types) may hold anything.
            Err(_) => true,
            Ok(found) => found.iter().any(|codes| codes.system == system || names.contains(&codes.system)),
        })
    }
}

/// The value sets that the codes at these paths of a type are bound to; `None` when that cannot be told.
fn bindings(expression: &str, type_name: &str) -> Option<Vec<String>> {
    let all = definitions();
    let mut found = Vec::new();
    for path in expression.split('|').map(str::trim) {
        let mut names = path.split('.');
        if names.next() != Some(type_name) {
            // Of another type, or `Resource`, whose elements are not plain codes.
            continue;
        }
        let mut definition = all.find(type_name)?;
        let mut last = None;
        for name in names {
            let element = definition.elements.iter().find(|element| element.name == name)?;
            let only = element.types.first().filter(|_| element.types.len() == 1)?;
            definition = all.get(only.type_id);
            last = Some((element, only.type_id));
        }
        let (element, kind) = last?;
        let is_code = Shape::of(kind) == Shape::Code;
        found.push(element.binding.as_ref().filter(|_| is_code)?.1.clone());
    }
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_are_those_of_the_elements() {
        let of = |expression: &str, name: &str| bindings(expression, name);
        let gender = of("Patient.gender | Person.gender | Practitioner.gender", "Person").unwrap();
        assert!(gender[0].starts_with("http://hl7.org/fhir/ValueSet/administrative-gender"));
        assert!(of("Observation.status", "Observation").unwrap()[0].contains("observation-status"));
        assert!(of("Patient.address.use | Person.address.use", "Patient").unwrap()[0].contains("address-use"));
        assert_eq!(of("(Observation.value as CodeableConcept)", "Observation"), None);
        assert_eq!(of("Patient.name.where(use = 'official').use", "Patient"), None);
        assert_eq!(of("Patient.active", "Patient"), None);
    }
}
