//! `X-Provenance` (FHIR R4 provenance.html#header): a Provenance without targets that comes with a write. The server
//! fills them in, with the versions it made, and stores it in the same transaction, or nothing at all.
//!
//! "Where a provenance activity impacts more than one Patient […] multiple Provenance resources should be recorded"
//! (provenance.html#patients): what a transaction writes is told in as many as there are citizens and labels, so that
//! nobody learns of others by it and what may be seen of it does not hang on what is hidden.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Engine;
use super::answer::{Answer, Rejection};
use super::bundle::EntryAnswer;
use super::prepare::{check, parse, type_number};
use super::rewrite::{Links, rewrite};
use super::single::new_id;
use crate::access::Interaction;
use crate::format::json::Node;
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};
use crate::store::{Label, WriteTransaction};

/// Longest header.
const LONGEST: usize = 64 << 10;
/// Targets of one Provenance; what a transaction writes beyond is told in further ones.
const MOST_TARGETS: usize = 500;
const TYPE: &str = "Provenance";

/// What is said of whatever is written, without its targets.
#[derive(Debug)]
pub(super) struct Draft {
    node: Node<'static>,
    remarks: Vec<Issue>,
    engine: Engine,
}

/// Says where in the request it is.
fn in_header(mut rejection: Rejection) -> Rejection {
    for issue in &mut rejection.issues {
        issue.diagnostics = format!("the header X-Provenance: {}", issue.diagnostics);
    }
    rejection
}

/// Places of answers, and what was written there.
type Targets = Vec<(usize, String)>;

impl Engine {
    /// The same engine, of which everything it writes is told in a Provenance. May block.
    ///
    /// # Errors
    /// 400 when the header is no Provenance or has targets, 403 when the caller creates none, 431 when it is too long,
    /// and what validation says.
    pub fn with_provenance(&self, header: &[u8]) -> Result<Self, Rejection> {
        self.permit(Interaction::Create, TYPE)?;
        let draft = self.draft(header).map_err(in_header)?;
        Ok(Self { provenance: Some(Arc::new(draft)), ..self.clone() })
    }

    fn draft(&self, header: &[u8]) -> Result<Draft, Rejection> {
        if header.len() > LONGEST {
            let text = format!(
                "it is longer than {} KiB; send the Provenance in a transaction with its targets",
                LONGEST >> 10
            );
            return Err(Rejection::new(431, IssueCode::TooLong, text));
        }
        let mut node = parse(header)?.into_owned();
        if node.text("resourceType") != Some(TYPE) {
            let text = "it takes a Provenance resource in JSON, whatever the format of the body is";
            return Err(Rejection::invalid(text));
        }
        if node.get("target").is_some() || node.get("_target").is_some() {
            let text = "a Provenance in the header has no target: the server fills in what is written (FHIR R4 provenance.html#header)";
            return Err(Rejection::bad_request(vec![
                Issue::error(IssueCode::BusinessRule, text).at("Provenance.target"),
            ]));
        }
        node.remove("id");
        let engine = Self { provenance: None, ..self.clone() };
        let example = targeting(&node, &["Basic/x".to_owned()]);
        check(&example, TYPE)?;
        let remarks = engine.judge(TYPE, &example)?;
        Ok(Draft { node, remarks, engine })
    }
}

fn targeting(node: &Node<'static>, targets: &[String]) -> Node<'static> {
    let mut node = node.clone();
    let reference = |target: &String| Node::object([("reference", Node::string(target.clone()))]);
    node.set("target", Node::Array(targets.iter().map(reference).collect()));
    node
}

/// Says where it comes from, of what an interaction wrote.
pub(super) fn said_of(
    draft: &Option<Arc<Draft>>,
    transaction: &mut WriteTransaction<'_>,
    mut answer: Answer,
) -> Result<Answer, Rejection> {
    if let Some(draft) = draft
        && let Some(target) = target(&answer)
    {
        answer.provenances.push(draft.put(transaction, &[target])?);
        answer.remarks.extend(draft.remarks.iter().cloned());
    }
    Ok(answer)
}

/// The version that was made; of what was deleted, the one that was (provenance.html#removal).
fn target(answer: &Answer) -> Option<String> {
    let made = answer.version.filter(|_| answer.changed)?;
    let version = if answer.located { made } else { made - 1 };
    let type_name = &definitions().resource_by_number(answer.type_number)?.name;
    Some(format!("{type_name}/{}/_history/{version}", answer.id))
}

impl Draft {
    /// The same with its links to entries of a bundle made what those became.
    pub(super) fn linked(&self, links: &Links) -> Result<Arc<Self>, Rejection> {
        let mut node = self.node.clone();
        let mut issues = Vec::new();
        rewrite(&mut node, links, None, &mut issues);
        if !issues.is_empty() {
            return Err(in_header(Rejection::bad_request(issues)));
        }
        Ok(Arc::new(Self { node, remarks: self.remarks.clone(), engine: self.engine.clone() }))
    }

    /// Says where it comes from, of all that a transaction wrote.
    pub(super) fn say_of_all(
        &self,
        transaction: &mut WriteTransaction<'_>,
        answers: &mut [Option<EntryAnswer>],
    ) -> Result<(), Rejection> {
        let mut groups: BTreeMap<(BTreeSet<String>, BTreeSet<Label>), Targets> = BTreeMap::new();
        for (place, answer) in answers.iter().enumerate() {
            if let Some(EntryAnswer::Single(answer)) = answer
                && let Some(target) = target(answer)
            {
                let whose = transaction.whose(answer.type_number, &answer.id);
                groups.entry(whose).or_default().push((place, target));
            }
        }
        for group in groups.values().flat_map(|group| group.chunks(MOST_TARGETS)) {
            let targets: Vec<String> = group.iter().map(|(_, target)| target.clone()).collect();
            let location = self.put(transaction, &targets)?;
            let first = group.first().and_then(|(place, _)| answers.get_mut(*place));
            if let Some(Some(EntryAnswer::Single(answer))) = first {
                answer.provenances.push(location);
            }
        }
        Ok(())
    }

    /// Stores it with these targets; answers where.
    fn put(&self, transaction: &mut WriteTransaction<'_>, targets: &[String]) -> Result<String, Rejection> {
        let node = targeting(&self.node, targets);
        let id = new_id();
        let prepared = self.engine.derive_judged(type_number(TYPE)?, TYPE, &id, &node)?;
        let written = transaction.put_beside(prepared)?;
        Ok(format!("{TYPE}/{id}/_history/{}", written.version.version))
    }
}
