//! One walk over a resource by the standard's own tables: invariants, bindings, codes, what
//! references may point at, extensions, and the profiles that resources claim.

use std::sync::{Arc, OnceLock};

use super::{Run, Scope};
use crate::fhirpath::Item;
use crate::r4::definitions::{Element, Invariant};
use crate::r4::{Kind, TypeId, definitions};
use crate::validation::instance::{self, Instance, members, node_of};
use crate::validation::place::Place;
use crate::validation::profile::compile::Condition;
use crate::validation::profile::element::{Binding, Strength, TypeRef, full_url};
use crate::validation::rules;

/// Invariants checked elsewhere: by the walk over the shape, and `ref-1`, whose expression yields nothing
/// for a reference without `reference`, and `dom-3`, which forgets narratives, by the rules.
const STRUCTURAL: &[&str] = &["ele-1", "ext-1", "txt-1", "txt-2", "ref-1", "dom-3"];
/// Invariants about contained resources: true where there are none.
const ABOUT_CONTAINED: &[&str] = &["dom-2", "dom-4", "dom-5"];

#[derive(Debug)]
struct BaseType {
    conditions: Vec<Condition>,
    about_contained: Vec<Condition>,
    /// As in the type's definition.
    elements: Vec<BaseElement>,
}

#[derive(Debug)]
struct BaseElement {
    conditions: Vec<Condition>,
    binding: Option<Binding>,
    /// For references: what they may point at.
    targets: Vec<TypeRef>,
}

fn base_types() -> &'static [BaseType] {
    static TYPES: OnceLock<Vec<BaseType>> = OnceLock::new();
    TYPES.get_or_init(|| {
        let all = definitions();
        let ids = (0..all.len()).filter_map(|place| u16::try_from(place).ok()).map(TypeId);
        ids.map(|id| {
            let definition = all.get(id);
            let (about_contained, others): (Vec<&Invariant>, Vec<&Invariant>) =
                definition.invariants.iter().partition(|rule| ABOUT_CONTAINED.contains(&rule.key.as_str()));
            BaseType {
                conditions: conditions(others),
                about_contained: conditions(about_contained),
                elements: definition.elements.iter().map(|element| base_element(&definition.name, element)).collect(),
            }
        })
        .collect()
    })
}

fn conditions<'i>(rules: impl IntoIterator<Item = &'i Invariant>) -> Vec<Condition> {
    rules
        .into_iter()
        .filter(|rule| !STRUCTURAL.contains(&rule.key.as_str()))
        .map(|rule| Condition::new(Arc::new(amended(rule.clone()))))
        .collect()
}

/// Invariants whose expression in R4 (4.0.1) does not say what their words say; with what does. Later versions
/// and HL7's validator correct them likewise.
const AMENDED: &[(&str, &str)] = &[
    // Nothing is no `true`: without a `fullUrl`, which requests need not have, there is nothing to refuse.
    ("bdl-8", "fullUrl.exists() implies fullUrl.contains('/_history/').not()"),
    // "If there are more than one enableWhen, enableBehavior must be specified."
    ("que-12", "enableWhen.count() >= 2 implies enableBehavior.exists()"),
    ("ras-2", "(probability.exists() and (probability is decimal)) implies ((probability as decimal) <= 100)"),
    ("que-7", "operator = 'exists' implies (answer is boolean)"),
    // `category` holds concepts, never a string.
    (
        "con-3",
        "(verificationStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-ver-status' and \
         code = 'entered-in-error').empty() and category.coding.where(system=\
         'http://terminology.hl7.org/CodeSystem/condition-category' and code = 'problem-list-item').exists()) \
         implies clinicalStatus.exists()",
    ),
    // `when` repeats.
    ("tim-9", "offset.empty() or (when.exists() and when.select($this in ('C' | 'CM' | 'CD' | 'CV')).allFalse())"),
    (
        "eld-19",
        r#"path.matches('^[^\\s\\.,:;\\\'\"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\.[^\\s\\.,:;\\\'\"\\/|?!@#$%&*()\\[\\]{}]{1,64}(\\[x\\])?(\\:[^\\s\\.]+)?)*$')"#,
    ),
    ("eld-20", r"path.matches('^[A-Za-z][A-Za-z0-9]*(\\.[a-z][A-Za-z0-9]*(\\[x])?)*$')"),
    // A parameter may have a type of resource as its type, which means a reference to it in requests.
    (
        "opd-3",
        "targetProfile.exists() implies (type = 'Reference' or type = 'canonical' or \
         type.memberOf('http://hl7.org/fhir/ValueSet/resource-types'))",
    ),
];
/// What names of definitions look like (`csd-0` and its like): optional almost everywhere, and whole names are meant.
const NAME: &str = "name.matches('[A-Z]([A-Za-z0-9_]){0,254}')";
const WHOLE_NAME: &str = "name.exists() implies name.matches('^[A-Z]([A-Za-z0-9_]){0,254}$')";

fn amended(rule: Invariant) -> Invariant {
    let right = match AMENDED.iter().find(|(key, _)| *key == rule.key) {
        Some((_, right)) => right,
        None if rule.expression == NAME => WHOLE_NAME,
        None => return rule,
    };
    Invariant { expression: right.to_owned(), ..rule }
}

/// The element whose definition an element shares (`contentReference`: `Questionnaire.item.item` is as
/// `Questionnaire.item`): its invariants hold here as well (elementdefinition.html#ElementDefinition.contentReference).
fn shared_definition(owner: &str, element: &Element) -> Option<&'static Element> {
    let all = definitions();
    let shared = all.get(element.types.first()?.type_id);
    let (parent, name) = shared.name.rsplit_once('.').filter(|_| shared.kind == Kind::Backbone)?;
    if (parent, name) == (owner, element.name.as_str()) {
        return None;
    }
    all.get(all.type_id(parent)?).elements.iter().find(|found| found.name == name)
}

fn base_element(owner: &str, element: &Element) -> BaseElement {
    let binding = element.binding.as_ref().map(|(strength, value_set)| Binding {
        strength: Strength::of(strength),
        value_set: value_set.clone(),
        max_value_set: element.max_value_set.clone(),
    });
    let targets = element.types.iter().filter(|found| !found.targets.is_empty()).map(|found| TypeRef {
        code: definitions().get(found.type_id).name.clone(),
        targets: found.targets.iter().cloned().map(full_url).collect(),
        ..TypeRef::default()
    });
    let shared = shared_definition(owner, element);
    let is_simple =
        element.types.iter().any(|found| found.profiles.iter().any(|profile| profile.ends_with("/SimpleQuantity")));
    let simple = is_simple.then(|| Invariant {
        key: "sqty-1".to_owned(),
        is_error: true,
        human: "The comparator is not used on a SimpleQuantity".to_owned(),
        expression: "($this is Quantity) implies comparator.empty()".to_owned(),
    });
    BaseElement {
        conditions: conditions(
            element.invariants.iter().chain(shared.map_or(&[][..], |shared| &shared.invariants)).chain(&simple),
        ),
        binding: binding.filter(|binding| binding.strength >= Strength::Extensible || binding.max_value_set.is_some()),
        targets: targets.collect(),
    }
}

impl<'r> Run<'_, 'r> {
    /// A resource: what it holds, and the profiles it claims.
    pub(super) fn resource(&mut self, item: Item<'r>, place: &Place<'_>, scope: &Scope<'_, 'r>) {
        self.element(item, place, scope);
        rules::resource(self, item, place, scope);
        if !self.options.claimed_profiles {
            return;
        }
        let claimed = node_of(&item).get("meta").map_or(&[][..], |meta| meta.list("profile"));
        let global = self.validator.global_profiles();
        if let Some(profiles) = global.get(&definitions().get(item.type_id).name) {
            for profile in profiles {
                self.profile(profile, item, place, scope);
            }
        }
        for profile in claimed.iter().filter_map(|profile| profile.as_str()) {
            self.profile(profile, item, place, scope);
        }
        if let Some(profile) = rules::vital_signs::profile(node_of(&item)) {
            self.profile(profile, item, place, scope);
        }
    }

    /// An element and everything below it.
    fn element(&mut self, item: Item<'r>, place: &Place<'_>, scope: &Scope<'_, 'r>) {
        if !self.spend(place) {
            return;
        }
        if let Some(base) = base_types().get(usize::from(item.type_id.0)) {
            self.conditions(&base.conditions, item, place, scope, "");
            if !base.about_contained.is_empty() && node_of(&item).get("contained").is_some() {
                self.conditions(&base.about_contained, item, place, scope, "");
            }
            if !members(&item).is_empty() {
                for child in instance::all_children(&item) {
                    self.child(item, base, &child, place, scope);
                }
            }
        }
        rules::element(self, item, place, scope);
    }

    fn child(
        &mut self,
        owner: Item<'r>,
        base: &BaseType,
        child: &Instance<'r>,
        place: &Place<'_>,
        scope: &Scope<'_, 'r>,
    ) {
        let here = place.child(child.name, child.index);
        let item = child.item;
        if let Some(element) = base.elements.get(usize::from(child.field.element)) {
            self.conditions(&element.conditions, item, &here, scope, "");
            if let Some(binding) = &element.binding {
                self.binding(binding, item, &here, "");
            }
            if !element.targets.is_empty() && definitions().get(item.type_id).name == "Reference" {
                self.reference(item, &element.targets, &here, scope, "");
            }
        }
        match definitions().get(item.type_id).kind {
            Kind::Resource => {
                let inner = scope.below(owner, child, &here);
                self.resource(item, &here, &inner);
            }
            Kind::Primitive | Kind::System if item.extra.is_none() => {
                rules::primitive(self, item, &here, scope);
            }
            _ => {
                if matches!(child.name, "extension" | "modifierExtension") {
                    self.extension(item, owner, child.name == "modifierExtension", &here, scope);
                }
                self.element(item, &here, scope);
            }
        }
    }
}
