//! Emergencies: a member of staff reaches a citizen for a time, with a reason and a notice to the team (break-glass);
//! the facilities of a municipality reach its citizens while a disaster lasts.
//!
//! Both are resources under a tag that only this module writes (`Label::Emergency`): an article in the citizen's
//! notebook that everybody of the team reads, and a Flag on the municipality. Labels hide as they always do.

use serde_json::{Value, json};

use super::relations::{OFFICER, number};
use super::{Engine, Rejection};
use crate::access::audit::{Action, Agent, Event, Kind};
use crate::access::policy::Operation;
use crate::access::relation::covers;
use crate::access::{FhirUser, Subject};
use crate::format::json::{self, Node};
use crate::r4::outcome::IssueCode;
use crate::r4::reference::is_id;
use crate::store::EMERGENCY_TAGS;

/// The system of the tags and of the reach of a disaster.
pub(super) const TAG_SYSTEM: &str = "http://renraku.example/fhir/CodeSystem/access";
/// Where an article says until when the access lasts.
pub(super) const UNTIL: &str = "http://renraku.example/fhir/StructureDefinition/access-until";
/// Purposes of use for which the glass may be broken (HL7 v3 ActReason).
const PURPOSES: [&str; 2] = ["BTG", "ETREAT"];
/// Minutes that a break-glass lasts at most, and when nothing is said.
const MOST_MINUTES: i64 = 240;
const MINUTES: i64 = 60;
/// Days that a disaster lasts at most; it can be declared anew.
const MOST_DAYS: i64 = 14;
/// Letters of a reason or notice.
const SHORTEST: usize = 5;
const LONGEST: usize = 2000;
/// Emergencies that are listed, and how many are looked at for those that nobody has reviewed.
const LISTED: usize = 200;
const LOOKED_AT: u32 = 5000;
/// Where a remark about a break-glass says what was found.
const VERDICT: &str = "http://renraku.example/fhir/StructureDefinition/access-verdict";
/// What can be found: the code, Japanese, English.
const VERDICTS: [(&str, &str, &str); 3] =
    [("justified", "正当", "justified"), ("unjustified", "不当", "not justified"), ("unclear", "不明", "unclear")];
/// Days within which somebody else is to look at a break-glass.
const REVIEW_DAYS: i64 = 7;

/// What somebody asks for who breaks the glass.
#[derive(Debug, Clone, Default)]
pub struct BreakGlass {
    /// Id of the Patient.
    pub patient: String,
    /// `BTG` or `ETREAT`.
    pub purpose: String,
    /// Why, in words.
    pub reason: String,
    /// How long.
    pub minutes: Option<i64>,
}

/// What an officer declares.
#[derive(Debug, Clone, Default)]
pub struct Disaster {
    /// Id of the municipality's Organization.
    pub municipality: String,
    /// The end, as an instant.
    pub until: String,
    /// `area`: the facilities of the municipality; `agreement`: also those of municipalities with an agreement.
    pub scope: String,
    /// What everybody is told.
    pub notice: String,
}

/// What was found by who looked at a break-glass.
#[derive(Debug, Clone, Default)]
pub struct GlassReview {
    /// Id of the article (Communication) that tells of it.
    pub article: String,
    /// A code of the verdicts.
    pub verdict: String,
    /// In words.
    pub remark: String,
}

/// Which emergencies are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmergencyFilter {
    /// All.
    All,
    /// A break-glass that nobody has looked at.
    Unreviewed,
}

fn refused(text: &str) -> Rejection {
    Rejection::new(403, IssueCode::Forbidden, text)
}

fn append(resource: &mut Value, name: &str, item: Value) {
    match resource[name].as_array_mut() {
        Some(items) => items.push(item),
        None => resource[name] = json!([item]),
    }
}

fn is_glass(article: &Value) -> bool {
    let tags = article["meta"]["tag"].as_array();
    tags.into_iter().flatten().any(|tag| tag["system"] == TAG_SYSTEM && tag["code"] == EMERGENCY_TAGS[0])
}

/// A break-glass in a list: with what was found last, or whether somebody should have looked by now.
fn told_glass(article: &Value, now: jiff::Timestamp) -> Value {
    let sent = article["sent"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let mut told = json!({
        "article": format!("Communication/{}", article["id"].as_str().unwrap_or_default()),
        "who": article["sender"]["reference"], "citizen": article["subject"]["reference"],
        "purpose": article["reasonCode"][0]["coding"][0]["code"], "reason": article["reasonCode"][0]["text"],
        "from": article["sent"], "until": article["extension"][0]["valueInstant"],
    });
    let is_verdict = |note: &&Value| note["extension"][0]["url"] == VERDICT;
    match article["note"].as_array().and_then(|notes| notes.iter().rev().find(is_verdict)) {
        Some(note) => {
            told["review"] = json!({
                "by": note["authorReference"]["reference"], "at": note["time"],
                "verdict": note["extension"][0]["valueCode"], "remark": note["text"],
            });
        }
        None => {
            let is_late = sent.is_none_or(|sent| now > sent + jiff::SignedDuration::from_hours(24 * REVIEW_DAYS));
            told["overdue"] = json!(is_late);
        }
    }
    told
}

fn worded(name: &str, text: &str) -> Result<(), Rejection> {
    let letters = text.trim().chars().count();
    if (SHORTEST..=LONGEST).contains(&letters) {
        return Ok(());
    }
    let text =
        format!("{name} is needed, in words of {SHORTEST} to {LONGEST} letters（理由・お知らせを書いてください）");
    Err(Rejection::new(422, IssueCode::Required, text))
}

impl Engine {
    /// Lets the caller reach a citizen for a while, tells the team, and answers with the article. Blocks.
    ///
    /// # Errors
    /// 403 for who is no member of staff, 404, 422 with what is missing.
    pub fn break_glass(&self, asked: &BreakGlass) -> Result<Value, Rejection> {
        let user = self.staff()?;
        if !PURPOSES.contains(&asked.purpose.as_str()) {
            let text = format!("purpose is needed: {}（利用目的を指定してください）", PURPOSES.join(" or "));
            return Err(Rejection::new(422, IssueCode::Required, text));
        }
        worded("reason", &asked.reason)?;
        let minutes = asked.minutes.unwrap_or(MINUTES);
        if !(1..=MOST_MINUTES).contains(&minutes) {
            return Err(Rejection::new(422, IssueCode::Value, format!("minutes is 1 to {MOST_MINUTES}")));
        }
        let engine = self.all_seeing();
        let is_known = is_id(&asked.patient)
            && engine.store.current(number("Patient"), &asked.patient)?.is_some_and(|found| !found.is_deleted());
        if !is_known {
            return Err(Rejection::not_found("Patient", &asked.patient));
        }
        let now = jiff::Timestamp::now();
        let until = now + jiff::SignedDuration::from_mins(minutes);
        let citizen = format!("Patient/{}", asked.patient);
        let teams = engine.find("CareTeam", &[("patient", citizen.clone()), ("status", "active".to_owned())])?;
        let recipients: Vec<Value> =
            teams.iter().map(|team| json!({ "reference": format!("CareTeam/{}", team.id) })).collect();
        let mut article = json!({
            "resourceType": "Communication",
            "meta": {
                "security": [{ "system": "http://renraku.example/fhir/CodeSystem/notebook-audience", "code": "team" }],
                "tag": [{ "system": TAG_SYSTEM, "code": EMERGENCY_TAGS[0] }],
            },
            "extension": [{ "url": UNTIL, "valueInstant": until.to_string() }],
            "status": "completed",
            "category": [{ "coding": [{
                "system": "http://renraku.example/fhir/CodeSystem/notebook-article-category", "code": "report",
            }] }],
            "priority": "urgent",
            "subject": { "reference": citizen },
            "topic": { "text": "緊急アクセスが行われました / Emergency access" },
            "sent": now.to_string(),
            "sender": { "reference": user },
            "reasonCode": [{
                "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": asked.purpose }],
                "text": asked.reason.trim(),
            }],
            "payload": [
                { "contentString": format!(
                    "{user} が緊急アクセス（{}）を行いました。理由：{} 期限：{until}", asked.purpose, asked.reason.trim()
                ) },
                { "contentString": format!(
                    "{user} broke the glass ({}). Reason: {} Until: {until}", asked.purpose, asked.reason.trim()
                ) },
            ],
        });
        if !recipients.is_empty() {
            article["recipient"] = Value::Array(recipients);
        }
        let made = engine.stored("Communication", &article)?;
        self.trail.event(Event::emergency(&self.caller, true, &asked.patient, &asked.purpose, asked.reason.trim()));
        tracing::warn!(who = %user, citizen = %citizen, purpose = %asked.purpose, %until, article = %made, "the glass was broken");
        Ok(json!({ "citizen": citizen, "until": until.to_string(), "article": made, "purpose": asked.purpose }))
    }

    /// Declares a disaster: until it ends, the facilities it says reach the citizens of the municipality. Blocks.
    ///
    /// # Errors
    /// 403 for who is no officer of the municipality, 422 with what is missing.
    pub fn declare_disaster(&self, asked: &Disaster) -> Result<Value, Rejection> {
        let user = self.officer_of(&asked.municipality)?;
        worded("notice", &asked.notice)?;
        if !matches!(asked.scope.as_str(), "area" | "agreement") {
            return Err(Rejection::new(422, IssueCode::Required, "scope is needed: area or agreement"));
        }
        let now = jiff::Timestamp::now();
        let until = asked
            .until
            .parse::<jiff::Timestamp>()
            .ok()
            .filter(|until| *until > now && *until <= now + jiff::SignedDuration::from_hours(24 * MOST_DAYS));
        let Some(until) = until else {
            let text =
                format!("until is needed: an instant within {MOST_DAYS} days, such as 2026-01-31T10:00:00+09:00");
            return Err(Rejection::new(422, IssueCode::Required, text));
        };
        let flag = json!({
            "resourceType": "Flag",
            "meta": { "tag": [{ "system": TAG_SYSTEM, "code": EMERGENCY_TAGS[1] }] },
            "status": "active",
            "code": { "coding": [{ "system": TAG_SYSTEM, "code": format!("disaster-{}", asked.scope) }], "text": asked.notice.trim() },
            "subject": { "reference": format!("Organization/{}", asked.municipality) },
            "period": { "start": now.to_string(), "end": until.to_string() },
            "author": { "reference": user },
        });
        let made = self.all_seeing().stored("Flag", &flag)?;
        self.note_disaster(true, &asked.municipality, &format!("disaster, {}: {}", asked.scope, asked.notice.trim()));
        tracing::warn!(who = %user, municipality = %asked.municipality, scope = %asked.scope, %until, "a disaster was declared");
        Ok(json!({
            "id": made.trim_start_matches("Flag/"), "municipality": format!("Organization/{}", asked.municipality),
            "start": now.to_string(), "until": until.to_string(), "scope": asked.scope, "notice": asked.notice.trim(),
        }))
    }

    /// Ends a disaster before its time. Blocks.
    ///
    /// # Errors
    /// 403 for who is no officer of the municipality, 404.
    pub fn end_disaster(&self, id: &str) -> Result<Value, Rejection> {
        let engine = self.all_seeing();
        let unknown = || Rejection::not_found("Flag", id);
        let found =
            engine.store.current(number("Flag"), id)?.filter(|found| !found.is_deleted()).ok_or_else(unknown)?;
        let mut flag: Value =
            serde_json::from_slice(&found.body).map_err(|error| Rejection::internal(error.to_string()))?;
        let is_disaster = flag["meta"]["tag"][0]["code"] == EMERGENCY_TAGS[1];
        let municipality = flag["subject"]["reference"].as_str().and_then(|text| text.strip_prefix("Organization/"));
        let municipality = municipality.filter(|_| is_disaster).ok_or_else(unknown)?.to_owned();
        let user = self.officer_of(&municipality)?;
        let now = jiff::Timestamp::now();
        flag["status"] = json!("inactive");
        flag["period"]["end"] = json!(now.to_string());
        let text = flag.to_string();
        let node = json::parse(text.as_bytes()).map_err(|error| Rejection::internal(error.to_string()))?;
        let prepared = engine.derive(number("Flag"), "Flag", id, &node)?;
        let pending = engine.store.write_blocking(move |transaction| {
            transaction.put(prepared, crate::store::Method::Put, false)?;
            Ok::<_, Rejection>(())
        })?;
        pending.wait()?;
        self.views.forget();
        self.note_disaster(false, &municipality, "the disaster was ended");
        tracing::warn!(who = %user, %municipality, "a disaster ended");
        Ok(json!({ "id": id, "municipality": format!("Organization/{municipality}"), "ended": now.to_string() }))
    }

    /// Says what was found of a break-glass: by auditors and by officers of the citizen's municipality, never by who
    /// broke it. The team reads it where it read of the break-glass. Blocks.
    ///
    /// # Errors
    /// 403 for others, 404, 422 with what is missing.
    pub fn review_break_glass(&self, asked: &GlassReview) -> Result<Value, Rejection> {
        let of = self.reviewed_municipalities()?;
        let Subject::Person { user, .. } = &self.caller.subject else {
            return Err(refused("a break-glass is reviewed by a person, signed in as themselves"));
        };
        let user = user.to_string();
        let Some((_, ja, en)) = VERDICTS.iter().find(|(code, ..)| *code == asked.verdict) else {
            let text = "verdict is needed: justified, unjustified or unclear（確認の結果を指定してください）";
            return Err(Rejection::new(422, IssueCode::Required, text));
        };
        worded("remark", &asked.remark)?;
        let engine = self.all_seeing();
        let unknown = || Rejection::not_found("Communication", &asked.article);
        let found = engine.store.current(number("Communication"), &asked.article)?;
        let found = found.filter(|found| !found.is_deleted()).ok_or_else(unknown)?;
        let mut article: Value =
            serde_json::from_slice(&found.body).map_err(|error| Rejection::internal(error.to_string()))?;
        let is_own_area = of.as_ref().is_none_or(|of| engine.is_managed_by(&article["subject"], of));
        if !is_glass(&article) || !is_own_area {
            return Err(unknown());
        }
        if article["sender"]["reference"] == user.as_str() {
            return Err(refused(
                "somebody else reviews a break-glass than who broke it（ご本人以外の方が確認してください）",
            ));
        }
        let now = jiff::Timestamp::now().to_string();
        let remark = asked.remark.trim();
        append(
            &mut article,
            "note",
            json!({
                "extension": [{ "url": VERDICT, "valueCode": asked.verdict }],
                "authorReference": { "reference": user }, "time": now, "text": remark,
            }),
        );
        for text in [
            format!("この緊急アクセスは確認されました（{ja}）。{user}：{remark}"),
            format!("This emergency access was reviewed ({en}). {user}: {remark}"),
        ] {
            append(&mut article, "payload", json!({ "contentString": text }));
        }
        let text = article.to_string();
        let node = json::parse(text.as_bytes()).map_err(|error| Rejection::internal(error.to_string()))?;
        let prepared = engine.derive(number("Communication"), "Communication", &asked.article, &node)?;
        let pending = engine.store.write_blocking(move |transaction| {
            transaction.put(prepared, crate::store::Method::Put, false)?;
            Ok::<_, Rejection>(())
        })?;
        pending.wait()?;
        self.trail.note(&format!("reviewed, {}: {remark}", asked.verdict));
        tracing::info!(who = %user, article = %asked.article, verdict = %asked.verdict, "a break-glass was reviewed");
        Ok(told_glass(&article, jiff::Timestamp::now()))
    }

    /// The municipalities whose citizens' emergencies the caller may look at; `None` for all.
    fn reviewed_municipalities(&self) -> Result<Option<Vec<String>>, Rejection> {
        let permitted = self.permit_review();
        if permitted.is_ok() {
            return Ok(None);
        }
        let roles = match &self.caller.subject {
            Subject::Person { user, .. } => self.all_seeing().roles_of(&user.to_string())?,
            _ => Vec::new(),
        };
        let own: Vec<String> = roles
            .into_iter()
            .filter(|role| role.codes.iter().any(|code| code == OFFICER))
            .map(|role| role.organization)
            .collect();
        if own.is_empty() { permitted.map(|()| None) } else { Ok(Some(own)) }
    }

    /// Whether a citizen is one of these municipalities'.
    fn is_managed_by(&self, citizen: &Value, municipalities: &[String]) -> bool {
        let Some(id) = citizen["reference"].as_str().and_then(|text| text.strip_prefix("Patient/")) else {
            return false;
        };
        let Ok(Some(found)) = self.store.current(number("Patient"), id) else { return false };
        let node = json::parse(&found.body).unwrap_or(Node::Null);
        let managed = node.get("managingOrganization").and_then(|managed| managed.text("reference"));
        managed.is_some_and(|managed| municipalities.iter().any(|own| own == managed))
    }

    /// Who broke the glass and what disasters were declared, newest first: for auditors and systems that see everything,
    /// and for officers those of their municipality. Blocks.
    ///
    /// # Errors
    /// 403 for others.
    pub fn emergencies(&self, only: EmergencyFilter) -> Result<Value, Rejection> {
        let of = self.reviewed_municipalities()?;
        let engine = self.all_seeing();
        let now = jiff::Timestamp::now();
        let listed = |type_name: &str, tag: &str| -> Result<Vec<Value>, Rejection> {
            let pairs = [("_tag", format!("{TAG_SYSTEM}|{tag}")), ("_sort", "-_lastUpdated".to_owned())];
            let found = engine.page(type_name, &pairs, LOOKED_AT)?;
            Ok(found.matches.iter().filter_map(|found| serde_json::from_slice(&found.version.body).ok()).collect())
        };
        let glasses: Vec<Value> = listed("Communication", EMERGENCY_TAGS[0])?
            .iter()
            .filter(|article| of.as_ref().is_none_or(|of| engine.is_managed_by(&article["subject"], of)))
            .map(|article| told_glass(article, now))
            .filter(|told| only == EmergencyFilter::All || told["review"].is_null())
            .take(LISTED)
            .collect();
        let disasters: Vec<Value> = listed("Flag", EMERGENCY_TAGS[1])?
            .into_iter()
            .filter(|flag| {
                let municipality = flag["subject"]["reference"].as_str();
                of.as_ref().is_none_or(|of| of.iter().any(|own| Some(own.as_str()) == municipality))
            })
            .take(LISTED)
            .map(|flag| {
                json!({
                    "id": flag["id"], "status": flag["status"], "municipality": flag["subject"]["reference"],
                    "who": flag["author"]["reference"], "scope": flag["code"]["coding"][0]["code"],
                    "notice": flag["code"]["text"], "start": flag["period"]["start"], "until": flag["period"]["end"],
                })
            })
            .collect();
        Ok(json!({ "breakGlass": glasses, "disasters": disasters }))
    }

    fn note_disaster(&self, begins: bool, municipality: &str, note: &str) {
        let kind = if begins { Kind::EmergencyStarted } else { Kind::EmergencyStopped };
        let event = Event::now(kind, Action::E, Agent::from(&*self.caller));
        self.trail.event(Event { target: format!("Organization/{municipality}"), note: note.to_owned(), ..event });
    }

    /// Refuses who may not review accesses.
    pub(super) fn permit_review(&self) -> Result<(), Rejection> {
        self.permit_operation(Operation::Review)
            .map_err(|_| refused("this is for auditors, and for systems that may read everything"))?;
        // A system that does not see everything reviews as an auditor, or not at all.
        let is_auditor = self.caller.roles.iter().any(|role| role == "auditor");
        if !is_auditor && self.store.view().is_some() {
            return Err(refused("this is for auditors, and for systems that may read everything"));
        }
        Ok(())
    }

    fn stored(&self, type_name: &str, resource: &Value) -> Result<String, Rejection> {
        let text = resource.to_string();
        let node = json::parse(text.as_bytes()).map_err(|error| Rejection::internal(error.to_string()))?;
        let made = self.create_blocking(type_name, &node)?;
        self.views.forget();
        Ok(format!("{type_name}/{}", made.id))
    }

    /// The caller, where they are staff with a role that counts now.
    fn staff(&self) -> Result<String, Rejection> {
        let is_staff = |user: &FhirUser| matches!(user.type_name.as_str(), "Practitioner" | "PractitionerRole");
        match &self.caller.subject {
            Subject::Person { user, .. } if is_staff(user) => {
                let user = user.to_string();
                if self.all_seeing().roles_of(&user)?.is_empty() {
                    return Err(refused("the glass is broken by staff with an active PractitionerRole at a facility"));
                }
                Ok(user)
            }
            _ => Err(refused("the glass is broken by staff, signed in as themselves")),
        }
    }

    /// The caller, where they are an officer of this municipality.
    fn officer_of(&self, municipality: &str) -> Result<String, Rejection> {
        let organization = format!("Organization/{municipality}");
        if let Subject::Person { user, .. } = &self.caller.subject {
            let user = user.to_string();
            let roles = self.all_seeing().roles_of(&user)?;
            if roles
                .iter()
                .any(|role| role.organization == organization && role.codes.iter().any(|code| code == OFFICER))
            {
                return Ok(user);
            }
        }
        Err(refused("a disaster is declared and ended by an officer of the municipality"))
    }

    /// The citizens for whom a person has broken the glass, as far as it lasts.
    pub(super) fn glass_of(&self, user: &str, now: i64) -> Result<Vec<(String, String)>, Rejection> {
        let found = self.find(
            "Communication",
            &[("sender", user.to_owned()), ("_tag", format!("{TAG_SYSTEM}|{}", EMERGENCY_TAGS[0]))],
        )?;
        let mut citizens = Vec::new();
        for found in &found {
            let node = json::parse(&found.version.body).unwrap_or(Node::Null);
            let until = node
                .list("extension")
                .iter()
                .find(|extension| extension.text("url") == Some(UNTIL))
                .and_then(|extension| extension.text("valueInstant")?.parse::<jiff::Timestamp>().ok());
            if until.is_some_and(|until| until.as_microsecond() > now)
                && let Some(id) =
                    node.get("subject").and_then(|subject| subject.text("reference")?.strip_prefix("Patient/"))
            {
                citizens.push((id.to_owned(), format!("break-glass, Communication/{}", found.id)));
            }
        }
        Ok(citizens)
    }

    /// The municipalities in which a disaster lasts, and whether neighbours with an agreement come in.
    pub(super) fn disasters(&self, now: i64, offset: i32) -> Result<Vec<(String, bool, String)>, Rejection> {
        let found = self.find("Flag", &[("_tag", format!("{TAG_SYSTEM}|{}", EMERGENCY_TAGS[1]))])?;
        let mut all = Vec::new();
        for found in &found {
            let node = json::parse(&found.version.body).unwrap_or(Node::Null);
            let subject = node.get("subject").and_then(|subject| subject.text("reference"));
            if let Some(subject) = subject.filter(|subject| subject.starts_with("Organization/"))
                && node.text("status") == Some("active")
                && covers(node.get("period"), now, offset)
            {
                let codings = node.get("code").map(|code| code.list("coding")).unwrap_or_default();
                let is_wide = codings.iter().any(|coding| coding.text("code") == Some("disaster-agreement"));
                all.push((subject.to_owned(), is_wide, format!("Flag/{}", found.id)));
            }
        }
        Ok(all)
    }
}
