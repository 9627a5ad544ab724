//! Which rule decides whether somebody may do something with a resource, in words: for auditors.

use std::sync::Arc;

use serde_json::{Value, json};

use super::relations::number;
use super::{Engine, Rejection};
use crate::access::policy::{Asker, Relation, label_name};
use crate::access::{Caller, FhirUser, Interaction, Scopes, Subject};
use crate::r4::outcome::IssueCode;
use crate::store::open_types;

/// Scopes that are assumed when none are said: those of somebody whose application may do everything.
const SCOPES: &str = "user/*.cruds";

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// `Practitioner/x`, `Patient/x` …; or `Organization/x` for a system that acts for it.
    pub who: String,
    /// `create`, `read`, `update`, `delete` or `search`.
    pub what: String,
    /// `Patient/1`.
    pub on: String,
    /// The scopes of the token.
    pub scope: Option<String>,
}

fn wrong(name: &str, right: &str) -> Rejection {
    Rejection::new(400, IssueCode::Value, format!("{name} is wrong: {right}"))
}

/// Whether no rule of the policy is missing.
fn sees_by_policy(rules: &[Value]) -> bool {
    rules.iter().all(|rule| rule["rule"] != "policy" || rule["allows"] == true)
}

impl Engine {
    /// Says whether, and by which rules. Blocks.
    ///
    /// # Errors
    /// 403 for who may not ask that, 400 for what cannot be read, 404 without the resource.
    pub fn explain_access(&self, asked: &Asked) -> Result<Value, Rejection> {
        self.permit_review()?;
        let mut scopes = Scopes::parse(asked.scope.as_deref().unwrap_or(SCOPES));
        let subject = match (FhirUser::parse(&asked.who), asked.who.strip_prefix("Organization/")) {
            (Some(user), _) => Subject::Person { user, client: String::new() },
            (None, Some(_)) => {
                if asked.scope.is_none() {
                    scopes = Scopes::parse("system/*.cruds");
                }
                Subject::System { client: String::new(), organization: Some(asked.who.clone()) }
            }
            _ => return Err(wrong("as", "Practitioner/[id], Patient/[id], RelatedPerson/[id] or Organization/[id]")),
        };
        let interaction = match asked.what.as_str() {
            "create" => Interaction::Create,
            "read" => Interaction::Read,
            "update" => Interaction::Update,
            "delete" => Interaction::Delete,
            "search" => Interaction::Search,
            _ => return Err(wrong("do", "create, read, update, delete or search")),
        };
        let (type_name, id) = asked.on.split_once('/').unwrap_or_default();
        let type_number = number(type_name);
        if type_number == 0 {
            return Err(wrong("on", "[type]/[id], such as Patient/1"));
        }
        let caller = Caller::known(subject, scopes);
        let all = self.all_seeing();
        let found = all.store.current(type_number, id)?.filter(|found| !found.is_deleted());
        let found = found.ok_or_else(|| Rejection::not_found(type_name, id))?;
        let mut rules = Vec::new();
        let mut rule = |name: &str, holds: bool, why: String| {
            rules.push(json!({ "rule": name, "allows": holds, "because": why }));
        };
        let is_in_scope = caller.may(interaction, type_name);
        let scope_text = format!(
            "the scopes {} {} {} of {type_name}",
            caller.scopes,
            if is_in_scope { "allow" } else { "do not allow" },
            asked.what
        );
        rule("scope", is_in_scope, scope_text);
        let (owners, labels) = all.store.owners_and_labels(type_number, id)?;
        let policy = &self.settings.access;
        // What the rules of the policy say of these relations.
        let said = |professions: &[String], relations: u16| {
            let found = policy.rule(&Asker::of(&caller, professions), relations, type_number, interaction as u8);
            let names: Vec<&str> = Relation::of(relations).map(Relation::name).collect();
            let text = found.map_or_else(
                || {
                    format!(
                        "no rule of {} lets the relation {} {} {type_name}",
                        policy.name(),
                        names.join(", "),
                        asked.what
                    )
                },
                |found| {
                    format!(
                        "{} lets the relation {} {} {type_name}",
                        policy.place(found),
                        found.relation.name(),
                        asked.what
                    )
                },
            );
            (found.is_some(), text)
        };
        let mut professions = Vec::new();
        if open_types().contains(&type_number) {
            rule("relation", true, format!("{type_name} is about no citizen"));
            let (holds, text) = said(&[], Relation::Nobody.bit());
            rule("policy", holds, text);
        } else if owners.is_empty() {
            rule(
                "relation",
                false,
                "it is about no citizen that is known; shown only to those between whom it goes".to_owned(),
            );
            let (holds, text) = said(&[], Relation::Between.bit() | Relation::Everybody.bit());
            rule("policy", holds, text);
        }
        for patient in &owners {
            let told = self.relation(&caller, patient)?;
            let codes = told.professions;
            match told.related {
                Ok((why, relations)) => {
                    rule("relation", true, format!("Patient/{patient}: {why}"));
                    let (holds, text) = said(&codes, relations);
                    rule("policy", holds, format!("Patient/{patient}: {text}"));
                }
                Err(why) => rule("relation", false, format!("Patient/{patient}: {why}")),
            }
            if let Some((limits, texts)) = told.limits {
                let refuses = limits.types.contains(&type_number)
                    || limits.resources.contains(&asked.on)
                    || labels.iter().any(|label| limits.labels.contains(label));
                rule("consent", !refuses, format!("Patient/{patient}: {}", texts.join("; ")));
            }
            professions = codes;
        }
        let asker = Asker::of(&caller, &professions);
        let hidden = policy.hidden(&asker);
        for label in &labels {
            let name = label_name(*label);
            match policy.place_of_label(&asker, *label) {
                Some(place) => rule("label", true, format!("it is labelled {name}, which {place} shows to them")),
                None if hidden.contains(label) => {
                    let text = format!(
                        "it is labelled {label:?}, which is not for them unless it names them: no rule of {} shows it",
                        policy.name()
                    );
                    rule("label", false, text);
                }
                None => {}
            }
        }
        let is_by_policy = sees_by_policy(&rules);
        // What the filter itself says is what counts.
        let theirs = self.for_known(Arc::new(caller))?;
        let is_seen = theirs.store.current(type_number, id)?.is_some();
        let is_permitted = theirs.permit_by_policy(interaction, type_name).is_ok();
        let allowed = is_in_scope && is_seen && is_permitted && is_by_policy;
        Ok(json!({
            "as": asked.who, "do": asked.what, "on": asked.on, "version": found.version,
            "allowed": allowed, "rules": rules,
        }))
    }
}
