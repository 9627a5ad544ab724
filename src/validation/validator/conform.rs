//! Holds an element against a profile's rules.

use std::sync::Arc;

use super::{MAX_DEPTH, Run, Scope, values};
use crate::fhirpath::Item;
use crate::format::json::Node;
use crate::r4::outcome::{IssueCode, Severity};
use crate::r4::{Kind, definitions};
use crate::validation::instance::{self, Instance, node_of};
use crate::validation::place::Place;
use crate::validation::profile::compile::{Profile, Rule};
use crate::validation::profile::element::TypeRef;

impl<'r> Run<'_, 'r> {
    /// An element against a profile.
    pub(super) fn conform(&mut self, item: Item<'r>, profile: &Arc<Profile>, place: &Place<'_>, scope: &Scope<'_, 'r>) {
        let key = (Arc::as_ptr(profile) as usize, std::ptr::from_ref(node_of(&item)) as usize);
        let is_new = !self.active.contains(&key) && (self.quiet > 0 || self.done.insert(key));
        if !is_new || self.active.len() >= MAX_DEPTH || !self.spend(place) {
            return;
        }
        if let Some(type_id) = profile.type_id
            && !definitions().is_a(item.type_id, type_id)
        {
            let all = definitions();
            let parameters =
                vec![profile.snapshot.url.clone(), all.get(type_id).name.clone(), all.get(item.type_id).name.clone()];
            self.report(Severity::Error, IssueCode::Structure, "profile-type", parameters, place);
            return;
        }
        self.active.push(key);
        self.rule(item, &profile.root, place, scope, scope, &profile.label);
        self.active.pop();
    }

    /// Whether an element conforms to a profile; an unknown profile asks for nothing.
    pub(super) fn is_conformant(
        &mut self,
        canonical: &str,
        item: Item<'r>,
        place: &Place<'_>,
        scope: &Scope<'_, 'r>,
    ) -> bool {
        match self.validator.profile(canonical, false) {
            Ok(profile) => self.quietly(|run| run.conform(item, &profile, place, scope)),
            Err(_) => true,
        }
    }

    /// An element against one rule, and what is below it. `holder` is the scope the rule was written in: for
    /// an element that is a resource, the resource that has the element.
    fn rule(
        &mut self,
        item: Item<'r>,
        rule: &Rule,
        place: &Place<'_>,
        holder: &Scope<'_, 'r>,
        scope: &Scope<'_, 'r>,
        of: &str,
    ) {
        if !self.spend(place) {
            return;
        }
        if let Some(types) = &rule.types
            && !self.types(item, types, place, scope, of)
        {
            return;
        }
        self.value(item, rule, place, of);
        if let Some(binding) = &rule.binding {
            self.binding(binding, item, place, of);
        }
        self.conditions(&rule.conditions, item, place, holder, of);
        if !rule.narrative_languages.is_empty() {
            self.narrative(item, &rule.narrative_languages, place, scope, of);
        }
        for child in &rule.children {
            let found = instance::children(&item, &child.name);
            self.group(item, &found, child, place, scope, of);
        }
    }

    /// All elements of one name below `owner`.
    fn group(
        &mut self,
        owner: Item<'r>,
        found: &[Instance<'r>],
        rule: &Rule,
        place: &Place<'_>,
        scope: &Scope<'_, 'r>,
        of: &str,
    ) {
        let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let name = || place.child(&rule.name, None).text();
        if count < rule.min {
            let parameters = vec![name(), count.to_string(), rule.min.to_string(), of.to_owned()];
            self.report(Severity::Error, IssueCode::Required, "min", parameters, place);
        } else if count == 0 && rule.must_support {
            self.report(
                Severity::Information,
                IssueCode::Informational,
                "must-support",
                vec![name(), of.to_owned()],
                place,
            );
        }
        if rule.max == 0
            && let Some(first) = found.first()
        {
            let here = place.child(first.name, first.index);
            self.report(Severity::Error, IssueCode::Structure, "prohibited", vec![name(), of.to_owned()], &here);
            return;
        }
        if count > rule.max {
            let parameters = vec![name(), count.to_string(), rule.max.to_string(), of.to_owned()];
            self.report(Severity::Error, IssueCode::Structure, "max", parameters, place);
        }
        for instance in found {
            self.one(owner, instance, rule, place, scope, of);
        }
        if let Some(slicing) = &rule.slicing {
            self.slices(owner, found, &rule.name, slicing, place, scope, of);
        }
    }

    pub(super) fn one(
        &mut self,
        owner: Item<'r>,
        instance: &Instance<'r>,
        rule: &Rule,
        place: &Place<'_>,
        scope: &Scope<'_, 'r>,
        of: &str,
    ) {
        let here = place.child(instance.name, instance.index);
        if definitions().get(instance.item.type_id).kind == Kind::Resource {
            let inner = scope.below(owner, instance, &here);
            self.rule(instance.item, rule, &here, scope, &inner, of);
        } else {
            self.rule(instance.item, rule, &here, scope, scope, of);
        }
    }

    fn value(&mut self, item: Item<'r>, rule: &Rule, place: &Place<'_>, of: &str) {
        let node = node_of(&item);
        if *node == Node::Null {
            self.missing_value(item, rule, place, of);
            return;
        }
        let mut complain = |message, wanted: &Node<'_>| {
            let parameters = vec![values::shown(node), values::shown(wanted), of.to_owned()];
            self.report(Severity::Error, IssueCode::Value, message, parameters, place);
        };
        if let Some(fixed) = &rule.fixed
            && !values::equal(node, fixed)
        {
            complain("fixed", fixed);
        }
        if let Some(pattern) = &rule.pattern
            && !values::contains(node, pattern)
        {
            complain("pattern", pattern);
        }
        if let Some(bound) = &rule.min_value
            && values::compare(node, bound).is_some_and(std::cmp::Ordering::is_lt)
        {
            complain("min-value", bound);
        }
        if let Some(bound) = &rule.max_value
            && values::compare(node, bound).is_some_and(std::cmp::Ordering::is_gt)
        {
            complain("max-value", bound);
        }
        if let Some(most) = rule.max_length
            && let Some(text) = node.as_str()
        {
            let length = text.chars().count();
            if length > most {
                let parameters = vec![length.to_string(), most.to_string(), of.to_owned()];
                self.report(Severity::Error, IssueCode::TooLong, "max-length", parameters, place);
            }
        }
    }

    /// The languages that sections of a narrative are in, against those a profile wants
    /// (the extension narrative-language-control).
    fn narrative(&mut self, item: Item<'r>, wanted: &[String], place: &Place<'_>, scope: &Scope<'_, 'r>, of: &str) {
        let text = node_of(&item).text("div").unwrap_or_default();
        let languages: Vec<&str> = text
            .split(" lang=")
            .skip(1)
            .filter_map(|rest| {
                let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''))?;
                rest.get(1..)?.split(quote).next()
            })
            .collect();
        let own = node_of(&scope.resource).text("language");
        for code in wanted {
            let (is_met, what) = match code.as_str() {
                "_no" => (languages.is_empty(), "no sections in languages of their own".to_owned()),
                "_yes" => (!languages.is_empty(), "sections with languages".to_owned()),
                "_resource" => {
                    let own = own.unwrap_or_default();
                    (languages.contains(&own), format!("a section in the language of the resource ({own})"))
                }
                code => (languages.contains(&code), format!("a section in the language {code}")),
            };
            if !is_met {
                let parameters = vec![what, of.to_owned()];
                self.report(Severity::Error, IssueCode::Structure, "narrative-language", parameters, place);
            }
        }
    }

    /// A primitive that has only extensions.
    fn missing_value(&mut self, item: Item<'r>, rule: &Rule, place: &Place<'_>, of: &str) {
        let has = |url: &String| {
            let extensions = item.extra.map_or(&[][..], |extra| extra.list("extension"));
            extensions.iter().any(|extension| extension.text("url") == Some(url))
        };
        if let Some(wanted) = rule.fixed.as_ref().or(rule.pattern.as_ref()) {
            let parameters = vec!["null".to_owned(), values::shown(wanted), of.to_owned()];
            self.report(Severity::Error, IssueCode::Value, "fixed", parameters, place);
        } else if rule.must_have_value {
            self.report(Severity::Error, IssueCode::Required, "value-missing", vec![of.to_owned()], place);
        } else if !rule.alternatives.is_empty() && !rule.alternatives.iter().any(has) {
            let parameters = vec![rule.alternatives.join(", "), of.to_owned()];
            self.report(Severity::Error, IssueCode::Required, "value-alternative", parameters, place);
        }
    }

    /// Whether the type is one of those allowed; then the profiles and targets of that type.
    fn types(&mut self, item: Item<'r>, types: &[TypeRef], place: &Place<'_>, scope: &Scope<'_, 'r>, of: &str) -> bool {
        let all = definitions();
        let definition = all.get(item.type_id);
        if definition.kind == Kind::System {
            return true;
        }
        if definition.kind == Kind::Backbone {
            // A profile of an element without a name of its own says which element of it is meant.
            let parts = types.iter().flat_map(|found| &found.profiles).filter(|profile| profile.contains('#'));
            for part in parts {
                self.profile(part, item, place, scope);
            }
            return true;
        }
        let is_it = |found: &&TypeRef| all.type_id(&found.code).is_none_or(|id| all.is_a(item.type_id, id));
        let mut matching = types.iter().filter(is_it).peekable();
        if matching.peek().is_none() {
            let names: Vec<&str> = types.iter().map(|found| found.code.as_str()).collect();
            let parameters = vec![definition.name.clone(), names.join(", "), of.to_owned()];
            self.report(Severity::Error, IssueCode::Structure, "type", parameters, place);
            return false;
        }
        let matching: Vec<TypeRef> = matching.cloned().collect();
        let open = matching.iter().any(|found| found.profiles.is_empty());
        let profiles: Vec<&str> = matching.iter().flat_map(|found| &found.profiles).map(String::as_str).collect();
        match profiles.as_slice() {
            _ if open => {}
            [] => {}
            [only] => self.profile(only, item, place, scope),
            several => {
                if !several.iter().any(|profile| self.is_conformant(profile, item, place, scope)) {
                    let parameters = vec![several.join(", "), of.to_owned()];
                    self.report(Severity::Error, IssueCode::Structure, "profile-any", parameters, place);
                }
            }
        }
        if definition.name == "Reference" {
            self.reference(item, &matching, place, scope, of);
        }
        true
    }
}
