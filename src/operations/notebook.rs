//! What the notebook API does, on threads that may block: entries of all kinds ([`Notebook::list`] and
//! following), articles with comments and read marks, teams, visits, citizens and their pages.
//!
//! What is written becomes FHIR resources through the engine's interactions, so validation, history and
//! locking are those of the FHIR API; what is read comes from the notebook's tables and the resources
//! behind them. Who acts comes in as a reference ([`Asked::member`]): whoever signs people in gives it.
//!
//! May use: `engine`, `notebook`, `store`. Must not know: HTTP, SQL.

mod articles;
mod citizens;
mod entries;
mod mapping;
mod medication;
mod page;
mod present;
mod reading;
mod summary;
mod team;
mod visits;

use std::cell::RefCell;
use std::collections::HashMap;

use serde_json::Value;

use crate::access::{Interaction, Subject};
use crate::engine::{Answer, Engine, Preconditions, Rejection};
use crate::format::json;
use crate::notebook::model::Filling;
use crate::r4::datetime::{Span, span};
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::reference::{Reference, is_id};
use crate::store::CitizenRow;
use crate::store::notebook::Membership;

pub use citizens::liaison_states;
pub use entries::{Place, Target};
pub use summary::{STYLE, SummaryKind};

/// The language of what is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tongue {
    /// Nobody said: Japanese and English.
    #[default]
    Both,
    /// 日本語
    Japanese,
    /// English.
    English,
}

/// What comes with a request.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// `Practitioner/x`: who acts.
    pub member: Option<String>,
    /// In which language.
    pub tongue: Tongue,
    /// If-Match and others.
    pub conditions: Preconditions,
    /// Decoded parameters of the URL.
    pub pairs: Vec<(String, String)>,
    /// The body; empty without one.
    pub body: bytes::Bytes,
    /// The FHIR base of this server.
    pub base: String,
    /// Whether a page for people is preferred.
    pub wants_page: bool,
}

/// What is answered.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// 200 or 201.
    pub status: u16,
    /// JSON.
    pub body: Value,
    /// HTML in its place.
    pub page: Option<String>,
    /// Version for the ETag.
    pub version: Option<i64>,
    /// µs since 1970 UTC.
    pub updated: Option<i64>,
    /// Where it is, below the notebook's base.
    pub location: Option<String>,
}

impl Told {
    fn of(body: Value) -> Self {
        Self { status: 200, body, ..Self::default() }
    }
}

/// A member who acts.
#[derive(Debug, Clone)]
struct Member {
    /// As it was given.
    reference: String,
    /// All references that stand for them.
    all: Vec<String>,
}

/// One request to the notebook.
pub struct Notebook<'e> {
    engine: &'e Engine,
    asked: Asked,
    member: Option<Member>,
    now: i64,
    names: RefCell<HashMap<String, Option<String>>>,
}

impl std::fmt::Debug for Notebook<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Notebook").field("asked", &self.asked).finish_non_exhaustive()
    }
}

/// Entries on a page.
const DEFAULT_COUNT: u32 = 50;
const MAX_COUNT: u32 = 500;
/// The types of those who act.
const ACTORS: [&str; 4] = ["Practitioner", "PractitionerRole", "RelatedPerson", "Patient"];

impl<'e> Notebook<'e> {
    /// A request; who acts must be known here.
    ///
    /// # Errors
    /// 400 for a member who is nobody.
    pub fn new(engine: &'e Engine, asked: Asked) -> Result<Self, Rejection> {
        let now = jiff::Timestamp::now().as_microsecond();
        let mut notebook = Self { engine, asked, member: None, now, names: RefCell::default() };
        if let Subject::Person { user, .. } = &engine.caller().subject {
            // Who signed in acts, whoever the request names.
            notebook.asked.member = Some(user.to_string());
        }
        if let Some(reference) = notebook.asked.member.clone() {
            notebook.member = Some(notebook.find_member(&reference)?);
        }
        Ok(notebook)
    }

    fn find_member(&self, reference: &str) -> Result<Member, Rejection> {
        let Reference::Local { resource_type, id, .. } = Reference::parse(reference) else {
            return Err(self.no_member(reference));
        };
        if !ACTORS.contains(&resource_type) {
            return Err(self.no_member(reference));
        }
        let own = format!("{resource_type}/{id}");
        let body = self.engine.read_blocking(resource_type, id).map_err(|_| self.no_member(reference))?.body;
        let mut all = vec![own.clone()];
        match resource_type {
            "PractitionerRole" => {
                let role = json::parse(&body).map_err(|_| unreadable())?;
                let person = role.path(&["practitioner", "reference"]).and_then(json::Node::as_str);
                all.extend(person.map(str::to_owned));
            }
            "Practitioner" => all.extend(self.roles_of(&own)?),
            _ => {}
        }
        Ok(Member { reference: own, all })
    }

    fn no_member(&self, reference: &str) -> Rejection {
        self.refuse(
            400,
            IssueCode::Security,
            &format!(
                "{reference:.100} という方はここに登録されていません（{} のいずれか、種類/id の形）",
                ACTORS.join("、")
            ),
            &format!("{reference:.100} is nobody known here: one of {} is expected, as Type/id", ACTORS.join(", ")),
        )
    }

    /// Who acts; it must have been said.
    fn acting(&self) -> Result<&Member, Rejection> {
        self.member.as_ref().ok_or_else(|| {
            self.refuse(
                400,
                IssueCode::Required,
                "誰が行うかが必要です（X-Notebook-Member: Practitioner/id）",
                "who acts must be said (X-Notebook-Member: Practitioner/id)",
            )
        })
    }

    /// In the language that was asked for.
    fn say(&self, ja: &str, en: &str) -> String {
        match self.asked.tongue {
            Tongue::Both => format!("{ja} / {en}"),
            Tongue::Japanese => ja.to_owned(),
            Tongue::English => en.to_owned(),
        }
    }

    fn refuse(&self, status: u16, code: IssueCode, ja: &str, en: &str) -> Rejection {
        Rejection::new(status, code, self.say(ja, en))
    }

    fn wrong(&self, name: &str, value: &str, ja: &str, en: &str) -> Rejection {
        let ja = format!("{name}={value:.64} は正しくありません: {ja}");
        let en = format!("{name}={value:.64} is wrong: {en}");
        self.refuse(400, IssueCode::Value, &ja, &en).at_element(name)
    }

    fn unknown_parameter(&self, name: &str, known: &str) -> Rejection {
        let ja = format!("不明なパラメータ {name:.64} です。使えるもの: {known}");
        self.refuse(400, IssueCode::Invalid, &ja, &format!("unknown parameter {name:.64}; known here: {known}"))
    }

    /// Refuses all parameters.
    fn no_parameters(&self) -> Result<(), Rejection> {
        match self.asked.pairs.first() {
            Some((name, _)) => Err(self.unknown_parameter(name, "-")),
            None => Ok(()),
        }
    }

    fn count(&self, value: &str) -> Result<u32, Rejection> {
        match value.parse::<u32>() {
            Ok(count) if count > 0 => Ok(count.min(MAX_COUNT)),
            _ => Err(self.wrong("count", value, "1 から 500 の整数", "a whole number from 1 to 500 is expected")),
        }
    }

    fn span(&self, name: &str, value: &str) -> Result<Span, Rejection> {
        let right = || self.wrong(name, value, "2026-01-31 のような日付", "a date such as 2026-01-31 is expected");
        span(value, self.offset()).ok_or_else(right)
    }

    /// Three numbers of the last row of a page.
    fn position(&self, value: &str) -> Result<(i64, i64, i64), Rejection> {
        let mut parts = value.split(':').map(str::parse::<i64>);
        let mut next = || parts.next().and_then(Result::ok);
        let position = next().zip(next()).zip(next()).map(|((place, key), ordinal)| (place, key, ordinal));
        let position = position.filter(|_| parts.next().is_none());
        position.ok_or_else(|| self.wrong("after", value, "next のリンクを使ってください", "follow the link `next`"))
    }

    fn offset(&self) -> i32 {
        self.engine.store().options().default_offset_seconds
    }

    /// When today began here, µs.
    fn today(&self) -> i64 {
        let day = 86_400_000_000;
        let offset = i64::from(self.offset()) * 1_000_000;
        (self.now + offset).div_euclid(day) * day - offset
    }

    fn filling(&self) -> Filling<'_> {
        let member = self.member.as_ref().map(|member| member.reference.as_str());
        Filling { member, now: self.now, offset: self.offset() }
    }

    fn membership(&self, members: Vec<String>) -> Membership {
        Membership { members, now: self.now, today: self.today() }
    }

    /// The body as a JSON value; what is said twice is refused.
    fn body(&self) -> Result<Value, Rejection> {
        if self.asked.body.iter().all(u8::is_ascii_whitespace) {
            return Err(self.refuse(
                400,
                IssueCode::Required,
                "本文が空です。JSON が必要です",
                "the body is empty; JSON is expected",
            ));
        }
        let wrong = |why: String| {
            self.refuse(
                400,
                IssueCode::Structure,
                &format!("JSON として読めません: {why}"),
                &format!("this is no JSON: {why}"),
            )
        };
        json::parse(&self.asked.body).map_err(|error| wrong(error.to_string()))?;
        serde_json::from_slice(&self.asked.body).map_err(|error| wrong(error.to_string()))
    }

    /// Refuses to read what the caller's token does not allow.
    fn may_read_of(&self, type_names: &[&str]) -> Result<(), Rejection> {
        type_names.iter().try_for_each(|name| self.engine.permit(Interaction::Search, name))
    }

    /// A citizen by id: key and row.
    fn citizen(&self, id: &str) -> Result<(i64, CitizenRow), Rejection> {
        self.engine.permit(Interaction::Read, "Patient")?;
        let found = if is_id(id) { self.engine.store().citizen(id)? } else { None };
        found.ok_or_else(|| {
            self.refuse(
                404,
                IssueCode::NotFound,
                &format!("{id:.64} という支援対象者は見つかりません"),
                &format!("no citizen {id:.64} is known here; the id is the one of the FHIR Patient"),
            )
        })
    }

    /// A local reference taken apart.
    fn local<'r>(&self, reference: &'r str) -> Option<(&'static str, &'r str)> {
        let Reference::Local { resource_type, id, .. } = Reference::parse(reference) else { return None };
        let number = definitions().resource_number(resource_type)?;
        Some((definitions().resource_by_number(number)?.name.as_str(), id))
    }
}

fn unreadable() -> Rejection {
    Rejection::internal("the stored resource cannot be read")
}

/// The name of a type by its number.
fn type_name(number: u8) -> &'static str {
    definitions().resource_by_number(number).map_or("", |found| found.name.as_str())
}

/// What validation had to say, as members of an answer.
fn remarks(answer: &Answer) -> Vec<Value> {
    answer.remarks.iter().map(remark).collect()
}

fn remark(issue: &Issue) -> Value {
    serde_json::json!({
        "severity": issue.severity.code(),
        "code": issue.code.code(),
        "diagnostics": issue.diagnostics,
        "expression": issue.expression,
    })
}
