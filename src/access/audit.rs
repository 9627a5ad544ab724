//! What is written down of every access: who, when, from where, what, about whom, and how it ended.
//!
//! An [`Event`] is what is kept, short and in one spelling, because its bytes are hashed; `resource` makes the
//! AuditEvent of it (IHE BALP). A [`Trail`] collects, while a request is served, whom it touched: whoever serves
//! notes, the edge writes the events down before the answer leaves. Pure: `store::AuditLog` keeps the bytes.

mod describe;
mod resource;
mod seen;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Caller, Subject};
pub use describe::{Described, described};
pub use resource::{ORIGIN, Origin, audit_event};
pub use seen::citizens_in;

/// Most citizens that one event names; how many there were is always said.
pub const MOST_CITIZENS: usize = 10_000;
/// Longest query that is kept, in bytes.
const LONGEST_QUERY: usize = 32 << 10;

/// What kind of event it is (AuditEvent.type).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A FHIR interaction.
    Rest,
    /// Something of the notebook, of media, of fracture liaison.
    Record,
    /// A sign-in, a token given out or refused.
    Login,
    /// A sign-out, a token revoked.
    Logout,
    /// Data left in bulk.
    Export,
    /// Data came in by a command.
    Import,
    /// Access beyond the usual in an emergency began.
    EmergencyStarted,
    /// It ended.
    EmergencyStopped,
    /// Accounts, clients, certificates or roles were changed.
    Security,
    /// The audit was read.
    AuditUsed,
    /// The server began to serve.
    Started,
    /// The server stopped.
    Stopped,
}

/// What was done (AuditEvent.action).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Action {
    C,
    R,
    U,
    D,
    E,
}

impl Action {
    /// The code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::C => "C",
            Self::R => "R",
            Self::U => "U",
            Self::D => "D",
            Self::E => "E",
        }
    }
}

/// Who acted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// `Practitioner/1`, the id of a client, `renraku`, `anybody`, `nobody`, or the name of an account.
    #[serde(rename = "n", default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The application, when it is not the one that acts.
    #[serde(rename = "c", default, skip_serializing_if = "String::is_empty")]
    pub client: String,
    /// The organization that a system acts for.
    #[serde(rename = "o", default, skip_serializing_if = "String::is_empty")]
    pub organization: String,
    /// Roles.
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Purpose of use.
    #[serde(rename = "p", default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// Fingerprint of the certificate.
    #[serde(rename = "x", default, skip_serializing_if = "String::is_empty")]
    pub certificate: String,
}

impl From<&Caller> for Agent {
    fn from(caller: &Caller) -> Self {
        let (client, organization) = match &caller.subject {
            Subject::Person { client, .. } => (client.clone(), String::new()),
            Subject::System { organization, .. } => (String::new(), organization.clone().unwrap_or_default()),
            Subject::Open | Subject::Program | Subject::Nobody => (String::new(), String::new()),
        };
        Self {
            name: caller.name(),
            client,
            organization,
            roles: caller.roles.clone(),
            purpose: caller.purpose.clone().unwrap_or_default(),
            certificate: caller.certificate.as_ref().map(|shown| shown.fingerprint.clone()).unwrap_or_default(),
        }
    }
}

/// One event as it is kept. The names are short because there are many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, µs since 1970 UTC.
    #[serde(rename = "t")]
    pub at: i64,
    /// What kind.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// What was done.
    #[serde(rename = "a")]
    pub action: Action,
    /// A code of `restful-interaction`, or a word for what has none.
    #[serde(rename = "i", default, skip_serializing_if = "str::is_empty")]
    pub interaction: Cow<'static, str>,
    /// The HTTP status of the answer; 200 for what was no request.
    #[serde(rename = "s")]
    pub status: u16,
    /// Who.
    #[serde(rename = "w")]
    pub agent: Agent,
    /// From where: an address.
    #[serde(rename = "f", default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// The name of the request.
    #[serde(rename = "r", default, skip_serializing_if = "String::is_empty")]
    pub request: String,
    /// What was asked for: `Observation/1`, `Observation`, or a path.
    #[serde(rename = "o", default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// The query as it came.
    #[serde(rename = "q", default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// Ids of the Patients that it touched.
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub citizens: Vec<String>,
    /// How many these were, when more than are named.
    #[serde(rename = "m", default, skip_serializing_if = "is_zero")]
    pub citizen_count: u64,
    /// What else there is to say: a reason, what a command did.
    #[serde(rename = "d", default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Event {
    /// An event now, by somebody.
    #[must_use]
    pub fn now(kind: Kind, action: Action, agent: Agent) -> Self {
        Self {
            at: jiff::Timestamp::now().as_microsecond(),
            kind,
            action,
            interaction: Cow::Borrowed(""),
            status: 200,
            agent,
            from: String::new(),
            request: String::new(),
            target: String::new(),
            query: String::new(),
            citizens: Vec::new(),
            citizen_count: 0,
            note: String::new(),
        }
    }

    /// Access beyond the usual begins or ends: about one citizen, for a purpose (a code of v3-PurposeOfUse) and a
    /// reason in words.
    #[must_use]
    pub fn emergency(caller: &Caller, begins: bool, citizen: &str, purpose: &str, reason: &str) -> Self {
        let kind = if begins { Kind::EmergencyStarted } else { Kind::EmergencyStopped };
        let agent = Agent { purpose: purpose.to_owned(), ..Agent::from(caller) };
        Self {
            target: format!("Patient/{citizen}"),
            citizens: vec![citizen.to_owned()],
            note: reason.to_owned(),
            ..Self::now(kind, Action::E, agent)
        }
    }

    /// A change of accounts, clients, certificates or roles.
    #[must_use]
    pub fn security(agent: Agent, action: Action, target: &str, note: &str) -> Self {
        Self { target: target.to_owned(), note: note.to_owned(), ..Self::now(Kind::Security, action, agent) }
    }

    /// The bytes that are kept and hashed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        // Nothing in an event can fail to be written.
        let _ = serde_json::to_writer(&mut out, self);
        out
    }

    /// Reads what was kept.
    ///
    /// # Errors
    /// Why it is not an event.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// Keeps a query, cut where it is longer than anybody reads.
    pub fn set_query(&mut self, query: &str) {
        let mut end = query.len().min(LONGEST_QUERY);
        while !query.is_char_boundary(end) {
            end -= 1;
        }
        self.query = without_secrets(query.get(..end).unwrap_or_default());
    }

    /// Names those citizens.
    pub fn set_citizens(&mut self, citizens: BTreeSet<String>) {
        let count = citizens.len();
        self.citizens = citizens.into_iter().take(MOST_CITIZENS).collect();
        self.citizen_count = if count > MOST_CITIZENS { count as u64 } else { 0 };
    }
}

/// Parameters whose values let somebody in, wherever they were put.
const SECRETS: [&str; 8] = [
    "access_token",
    "id_token",
    "refresh_token",
    "token",
    "client_assertion",
    "client_secret",
    "password",
    "code_verifier",
];

/// The query without what nobody may read, in an audit least of all.
fn without_secrets(query: &str) -> String {
    let is_secret = |pair: &str| {
        pair.split_once('=').is_some_and(|(name, _)| SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret)))
    };
    if !query.split('&').any(is_secret) {
        return query.to_owned();
    }
    let shown = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if is_secret(pair) => format!("{name}=…"),
        _ => pair.to_owned(),
    };
    query.split('&').map(shown).collect::<Vec<_>>().join("&")
}

/// When an event was, and the names by which it is found: `p:` citizens, `a:` who acted. The store keeps them beside
/// the event.
#[must_use]
pub fn indexed(content: &[u8]) -> (i64, Vec<String>) {
    let Ok(event) = serde_json::from_slice::<Found<'_>>(content) else { return (0, Vec::new()) };
    let mut names: Vec<String> = event.citizens.iter().map(|id| ["p:", id].concat()).collect();
    if !event.agent.name.is_empty() {
        names.push(["a:", &event.agent.name].concat());
    }
    (event.at, names)
}

/// What of an event it is found by: every event is read so on its way into the tables, and nothing else of it.
#[derive(Deserialize)]
struct Found<'a> {
    #[serde(rename = "t")]
    at: i64,
    #[serde(rename = "w", borrow)]
    agent: FoundAgent<'a>,
    #[serde(rename = "c", borrow, default)]
    citizens: Vec<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct FoundAgent<'a> {
    #[serde(rename = "n", borrow, default)]
    name: Cow<'a, str>,
}

/// What a request touched, collected while it is served. Cheap to clone; a closed one takes nothing.
#[derive(Debug, Clone, Default)]
pub struct Trail(Option<Arc<Mutex<Notes>>>);

/// What a trail collected.
#[derive(Debug, Default)]
pub struct Notes {
    /// Ids of Patients.
    pub citizens: BTreeSet<String>,
    /// What was asked for, where the path does not say.
    pub target: Option<String>,
    /// The query, where the URL does not say.
    pub query: Option<String>,
    /// What kind of interaction it was, where the path does not say.
    pub interaction: Option<&'static str>,
    /// How it ended, where the answer does not say.
    pub status: Option<u16>,
    /// Who acted.
    pub agent: Option<Agent>,
    /// What else there is to say.
    pub note: Option<String>,
    /// Events of their own: entries of bundles, emergencies.
    pub events: Vec<Event>,
}

impl Trail {
    /// One that takes notes.
    #[must_use]
    pub fn open() -> Self {
        Self(Some(Arc::default()))
    }

    /// Whether notes are taken.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.0.is_some()
    }

    fn with(&self, work: impl FnOnce(&mut Notes)) {
        if let Some(notes) = &self.0 {
            work(&mut notes.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// A citizen was touched.
    pub fn citizen(&self, id: &str) {
        self.with(|notes| {
            if !notes.citizens.contains(id) {
                notes.citizens.insert(id.to_owned());
            }
        });
    }

    /// A resource or a Bundle, in JSON, was shown or written: those it names were touched.
    pub fn content(&self, body: &[u8]) {
        self.with(|notes| {
            citizens_in(body, |id| {
                if !notes.citizens.contains(id) {
                    notes.citizens.insert(id.to_owned());
                }
            });
        });
    }

    /// What was asked for.
    pub fn target(&self, target: &str) {
        self.with(|notes| notes.target = Some(target.to_owned()));
    }

    /// The query, where it is not in the URL.
    pub fn query(&self, query: &str) {
        self.with(|notes| notes.query = Some(query.to_owned()));
    }

    /// What kind of interaction it was, where the path does not say.
    pub fn interaction(&self, interaction: &'static str) {
        self.with(|notes| notes.interaction = Some(interaction));
    }

    /// How it ended, where the answer does not say.
    pub fn status(&self, status: u16) {
        self.with(|notes| notes.status = Some(status));
    }

    /// A caller acts.
    pub fn agent_of(&self, caller: &Caller) {
        self.with(|notes| notes.agent = Some(Agent::from(caller)));
    }

    /// Who acts.
    pub fn agent(&self, agent: Agent) {
        self.with(|notes| notes.agent = Some(agent));
    }

    /// What else there is to say.
    pub fn note(&self, note: &str) {
        self.with(|notes| notes.note = Some(note.to_owned()));
    }

    /// An event beside that of the request; from where and under which name it was is filled in.
    pub fn event(&self, event: Event) {
        self.with(|notes| notes.events.push(event));
    }

    /// Takes what was collected.
    #[must_use]
    pub fn take(&self) -> Notes {
        let mut taken = Notes::default();
        self.with(|notes| taken = std::mem::take(notes));
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let mut event = Event::emergency(&Caller::open(), true, "c1", "ETREAT", "found unconscious");
        event.set_query("name=見本");
        let bytes = event.to_bytes();
        assert_eq!(Event::parse(&bytes).unwrap(), event);
        assert_eq!(indexed(&bytes), (event.at, vec!["p:c1".to_owned(), "a:anybody".to_owned()]));
    }

    #[test]
    fn a_query_is_kept_without_what_lets_somebody_in() {
        let mut event = Event::now(Kind::Rest, Action::R, Agent::default());
        event.set_query("code=http://loinc.org|1&access_token=eyJ.secret.x&Password=p&token:text=a");
        assert_eq!(event.query, "code=http://loinc.org|1&access_token=…&Password=…&token:text=a");
    }

    #[test]
    fn a_closed_trail_takes_nothing() {
        let trail = Trail::default();
        trail.citizen("x");
        trail.event(Event::now(Kind::Rest, Action::R, Agent::default()));
        assert!(trail.take().citizens.is_empty() && !trail.is_open());
        let trail = Trail::open();
        trail.citizen("x");
        trail.content(br#"{"subject":{"reference":"Patient/y"}}"#);
        assert_eq!(trail.take().citizens.into_iter().collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn more_citizens_than_are_named_are_counted() {
        let mut event = Event::now(Kind::Rest, Action::E, Agent::default());
        event.set_citizens((0..MOST_CITIZENS + 5).map(|number| format!("c{number}")).collect());
        assert_eq!((event.citizens.len(), event.citizen_count), (MOST_CITIZENS, MOST_CITIZENS as u64 + 5));
    }
}
