//! Which rule decides whether somebody may do something with a resource, in words: for auditors.

use std::sync::Arc;

use serde_json::{Value, json};

use super::relations::{number, sees_all};
use super::{Engine, Rejection};
use crate::access::relation::hidden_from;
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
        if open_types().contains(&type_number) {
            rule("relation", true, format!("{type_name} is about no citizen"));
        } else if owners.is_empty() {
            rule(
                "relation",
                false,
                "it is about no citizen that is known; shown only to those between whom it goes".to_owned(),
            );
        }
        for patient in &owners {
            let related = self.relation(&caller, patient)?;
            let (holds, why) = related.map_or_else(|why| (false, why), |why| (true, why));
            rule("relation", holds, format!("Patient/{patient}: {why}"));
        }
        let hidden = hidden_from(&caller);
        for label in labels.iter().filter(|label| hidden.contains(label)) {
            rule("label", false, format!("it is labelled {label:?}, which is not for them unless it names them"));
        }
        // What the filter itself says is what counts.
        let is_seen = sees_all(&caller) || {
            let theirs = self.for_known(Arc::new(caller))?;
            theirs.store.current(type_number, id)?.is_some()
        };
        let allowed = is_in_scope && is_seen;
        Ok(json!({
            "as": asked.who, "do": asked.what, "on": asked.on, "version": found.version,
            "allowed": allowed, "rules": rules,
        }))
    }
}
