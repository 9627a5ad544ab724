//! What entries of a bundle were, for the audit: each an event of its own beside that of the bundle.

use super::answer::{OperationAnswer, Payload};
use super::bundle::{BundleAnswer, EntryAnswer};
use super::{Answer, Engine, Rejection};
use crate::access::audit::{Action, Agent, Event, Kind, citizens_in, described};
use crate::format::json::Node;
use crate::r4::definitions;

/// What entries ask for: method and URL.
pub(super) fn asked(bundle: &Node<'_>) -> Vec<(String, String)> {
    let of = |entry: &Node<'_>| {
        let request = entry.get("request")?;
        Some((request.text("method")?.to_owned(), request.text("url")?.to_owned()))
    };
    bundle.list("entry").iter().map(|entry| of(entry).unwrap_or_default()).collect()
}

impl Engine {
    /// Notes the entries of a bundle that was answered.
    pub(super) async fn note_entries(
        &self,
        asked: &[(String, String)],
        base: &str,
        answer: &BundleAnswer,
    ) -> Result<(), Rejection> {
        if !self.trail.is_open() {
            return Ok(());
        }
        self.trail.interaction(if answer.is_transaction { "transaction" } else { "batch" });
        for ((method, url), answer) in asked.iter().zip(&answer.entries) {
            let mut event = event(method, url.strip_prefix(base).unwrap_or(url), answer);
            if let ("DELETE", Ok(EntryAnswer::Single(answer))) = (method.as_str(), answer) {
                let body = self.body_before(answer).await?;
                let mut citizens = event.citizens.iter().cloned().collect::<std::collections::BTreeSet<_>>();
                citizens_in(&body, |id| {
                    citizens.insert(id.to_owned());
                });
                event.set_citizens(citizens);
            }
            self.trail.event(event);
        }
        Ok(())
    }

    /// Notes what an interaction wrote: what it is, and whom it names.
    pub fn note_written(&self, answer: &Answer) {
        if !self.trail.is_open() {
            return;
        }
        if let Payload::Resource(body) = &answer.payload {
            self.trail.content(body);
        }
        if let Some(target) = target_of(answer) {
            self.trail.content(target.as_bytes());
            self.trail.target(&target);
        }
    }

    /// Notes whom a resource named that was deleted just now.
    pub(super) async fn note_deleted(&self, answer: &Answer) -> Result<(), Rejection> {
        if self.trail.is_open() {
            let body = self.body_before(answer).await?;
            self.trail.content(&body);
        }
        Ok(())
    }

    /// What a resource was before it was deleted.
    async fn body_before(&self, answer: &Answer) -> Result<bytes::Bytes, Rejection> {
        let (number, id, version) = (answer.type_number, answer.id.clone(), answer.version);
        let Some(before) = version.filter(|_| answer.changed).map(|version| version - 1) else {
            return Ok(bytes::Bytes::new());
        };
        self.blocking(move |engine| {
            // Whom it named is written down, whether the caller sees it (any more) or not.
            let found = engine.store.with_view(None).version(number, &id, before)?;
            Ok(found.map(|version| version.body).unwrap_or_default())
        })
        .await
    }
}

fn event(method: &str, url: &str, answer: &Result<EntryAnswer, Rejection>) -> Event {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let what = described(method, &format!("/fhir/{}", path.trim_matches('/')));
    let (kind, action, interaction, target, citizen) = match what {
        Some(what) => (what.kind, what.action, what.interaction, what.target.into_owned(), what.citizen),
        None => (Kind::Rest, Action::R, "capabilities", String::new(), None),
    };
    let mut event = Event { interaction: interaction.into(), target, ..Event::now(kind, action, Agent::default()) };
    event.set_query(query);
    let mut citizens = std::collections::BTreeSet::new();
    let mut see = |body: &[u8]| {
        citizens_in(body, |id| {
            citizens.insert(id.to_owned());
        });
    };
    match answer {
        Err(rejection) => {
            event.status = rejection.status;
            if let (401 | 403, Some(issue)) = (rejection.status, rejection.issues.first()) {
                event.note.clone_from(&issue.diagnostics);
            }
        }
        Ok(EntryAnswer::Single(answer)) => {
            event.status = answer.status;
            if let Payload::Resource(body) = &answer.payload {
                see(body);
            }
            if let Some(target) = target_of(answer) {
                see(target.as_bytes());
                event.target = target;
            }
        }
        Ok(EntryAnswer::Searched(searched)) => {
            for found in searched.page.matches.iter().chain(&searched.page.included) {
                see(&found.version.body);
                if let Some(name) =
                    definitions().resource_by_number(found.type_number).filter(|found| found.name == "Patient")
                {
                    see(format!("{}/{}", name.name, found.id).as_bytes());
                }
            }
        }
        Ok(EntryAnswer::Historied(historied)) => {
            for change in &historied.changes {
                see(&change.version.body);
            }
        }
        Ok(EntryAnswer::Operated(OperationAnswer::Resource(body) | OperationAnswer::Other(_, _, body))) => see(body),
        Ok(EntryAnswer::Operated(OperationAnswer::Stored(answer))) => {
            event.target = target_of(answer).unwrap_or_default()
        }
        Ok(EntryAnswer::Operated(OperationAnswer::Searched(searched, _))) => {
            for found in searched.page.matches.iter().chain(&searched.page.included) {
                see(&found.version.body);
            }
        }
        Ok(EntryAnswer::Metadata) => {}
    }
    citizens.extend(citizen.filter(|_| event.status < 400 || event.status == 403));
    event.set_citizens(citizens);
    event
}

/// `Type/id` of what an entry read or wrote.
fn target_of(answer: &Answer) -> Option<String> {
    let name = &definitions().resource_by_number(answer.type_number)?.name;
    (!answer.id.is_empty()).then(|| format!("{name}/{}", answer.id))
}
