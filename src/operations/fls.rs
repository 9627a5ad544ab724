//! Keeps what fracture liaison derives up to date: follows the change log, computes citizens anew, and once a day
//! those for whom something changes by itself.
//!
//! Who asks for the registry or a measure gets everything that was acknowledged before: [`catch_up`] runs first, and
//! mostly finds nothing to do, because a thread of the server does the same while nobody writes.

pub(in crate::operations) mod apply;
pub mod certifications;
pub mod resources;

pub use apply::acknowledge;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::engine::{Engine, Refusal, Rejection};
use crate::fls::facts::TYPES;
use crate::fls::registry::{Status, status};
use crate::fls::{Day, Facts, Rules, facts};
use crate::format::json::{self, Node};
use crate::r4::definitions;
use crate::r4::reference::Reference;
use crate::store::{AlarmRow, EpisodeRow, Label, LiaisonChange, LiaisonRows};

/// Changes of one step.
const STEP: u32 = 1_000;
/// Citizens computed and written at once.
const CITIZENS: usize = 500;
/// Raised when facts are read in another way: everything is computed anew then.
const FORMAT: u32 = 3;

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Citizens whose facts were read from their resources.
    pub read: usize,
    /// Citizens who were only computed for another day.
    pub swept: usize,
}

/// Today, in Japan.
#[must_use]
pub fn today() -> Day {
    Day::of_micros(jiff::Timestamp::now().as_microsecond())
}

/// One process does this once at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Brings everything up to what was written before this call, and to today. Blocks.
///
/// # Errors
/// What the database says.
pub fn catch_up(engine: &Engine) -> Result<Done, Rejection> {
    run(engine, today(), &mut |_| {})
}

/// Computes everything anew. Blocks; `progress` is told the number of citizens done.
///
/// # Errors
/// What the database says.
pub fn rebuild(engine: &Engine, progress: &mut dyn FnMut(usize)) -> Result<Done, Rejection> {
    {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let state = engine.store().liaison_state()?;
        engine.store().liaison_save(state.position, -1, "", Vec::new())?;
    }
    run(engine, today(), progress)
}

/// How often the thread looks whether something was written.
const LOOK: Duration = Duration::from_millis(500);
/// While writes go on, the thread leaves them the machine for so long at most.
const PATIENCE: Duration = Duration::from_secs(30);

/// Follows what is written for as long as the server runs: a thread of its own. It works while nobody writes; whoever
/// asks does not wait for it.
pub fn keep(engine: Engine) {
    let spawned = std::thread::Builder::new().name("liaison".to_owned()).spawn(move || {
        let (mut head, mut since) = (-1, Instant::now());
        loop {
            let seen = engine.store().liaison_state().map_or(head, |state| state.head);
            let is_quiet = seen == std::mem::replace(&mut head, seen);
            let mut pause = LOOK;
            if is_quiet || since.elapsed() > PATIENCE {
                if let Err(rejection) = catch_up(&engine) {
                    // What goes wrong (the database is away) is tried again, and told once a minute at most.
                    let why = rejection.issues.first().map_or("", |issue| issue.diagnostics.as_str());
                    tracing::warn!(why, "fracture liaison could not be brought up to date; it is tried again");
                    pause = Duration::from_secs(60);
                }
                since = Instant::now();
            }
            std::thread::sleep(pause);
        }
    });
    if let Err(error) = spawned {
        tracing::error!(%error, "no thread for fracture liaison; it is brought up to date when it is asked for");
    }
}

fn run(engine: &Engine, today: Day, progress: &mut dyn FnMut(usize)) -> Result<Done, Rejection> {
    // Whoever asks: what is derived is derived from everything.
    let engine = &engine.all_seeing();
    let rules = engine.liaison_rules();
    // Where the setting changed, resources are to be made for all.
    let with_resources = if engine.settings().liaison { "+resources" } else { "" };
    let law = format!("{FORMAT}.{:016x}{with_resources}", rules.fingerprint);
    let basis = format!("{law} {today}");
    let first = engine.store().liaison_state()?;
    if first.position == first.head && first.basis == basis {
        return Ok(Done::default());
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut done = Done::default();
    let keeper = Keeper { engine, rules: &rules, today };
    // What is written while this runs belongs to the next run: a busy server must not keep anybody waiting.
    loop {
        let state = engine.store().liaison_state()?;
        if state.position >= first.head && state.basis == basis {
            return Ok(done);
        }
        if state.position < 0 || state.basis.split(' ').next() != Some(law.as_str()) {
            keeper.all(state.position, state.head, &basis, &mut done, progress)?;
        } else if state.basis != basis {
            keeper.sweep(state.position, &state.basis, &basis, &mut done, progress)?;
        } else {
            keeper.follow(state.position, &basis, &mut done)?;
        }
    }
}

struct Keeper<'e> {
    engine: &'e Engine,
    rules: &'e Rules,
    today: Day,
}

fn type_numbers() -> Vec<u8> {
    TYPES.iter().filter_map(|name| definitions().resource_number(name)).collect()
}

impl Keeper<'_> {
    /// Every citizen from their resources.
    fn all(
        &self,
        position: i64,
        head: i64,
        basis: &str,
        done: &mut Done,
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), Rejection> {
        let store = self.engine.store();
        let mut after = 0;
        // Nothing is current until all is: a run that is interrupted begins anew.
        if position >= 0 && !store.liaison_save(position, -1, "", Vec::new())? {
            return Ok(());
        }
        loop {
            let citizens = store.liaison_patients(after, u32::try_from(CITIZENS).unwrap_or(u32::MAX))?;
            let Some(last) = citizens.last() else { break };
            after = *last;
            done.read += citizens.len();
            if !store.liaison_save(-1, -1, "", self.rows(&citizens, false)?)? {
                return Ok(());
            }
            progress(done.read);
        }
        store.liaison_prune()?;
        store.liaison_save(-1, head, basis, Vec::new())?;
        Ok(())
    }

    /// Those for whom something changed by itself until today.
    fn sweep(
        &self,
        position: i64,
        was: &str,
        basis: &str,
        done: &mut Done,
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), Rejection> {
        let store = self.engine.store();
        let mut after = 0;
        loop {
            let page = store.liaison_facts(
                after,
                u32::try_from(CITIZENS).unwrap_or(u32::MAX),
                Some(i64::from(self.today.0)),
            )?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            let (mut rows, mut with_resources) = (Vec::new(), Vec::new());
            for (citizen, facts) in &page {
                let Ok(facts) = serde_json::from_slice::<Facts>(facts) else { continue };
                if facts.followed || (self.engine.settings().liaison && !facts.is_empty()) {
                    with_resources.push(*citizen);
                } else {
                    rows.push(rows_of(*citizen, &facts, &status(&facts, self.rules, self.today), false));
                }
            }
            rows.extend(self.rows(&with_resources, false)?);
            done.swept += rows.len();
            if !store.liaison_save(position, position, was, rows)? {
                return Ok(());
            }
            progress(done.swept);
        }
        store.liaison_save(position, position, basis, Vec::new())?;
        Ok(())
    }

    /// Those concerned by what was written after a position.
    fn follow(&self, position: i64, basis: &str, done: &mut Done) -> Result<(), Rejection> {
        let store = self.engine.store();
        let medication = definitions().resource_number("Medication");
        let types: Vec<u8> = type_numbers().into_iter().chain(medication).collect();
        let (next, changes) = store.liaison_changes(position, STEP, &types)?;
        let citizens = self.concerned(&changes)?;
        for some in citizens.chunks(CITIZENS) {
            if !store.liaison_save(position, position, basis, self.rows(some, false)?)? {
                return Ok(());
            }
            done.read += some.len();
        }
        store.liaison_save(position, next, basis, Vec::new())?;
        Ok(())
    }

    /// Keys of the Patients that changed resources are about, and were about before.
    fn concerned(&self, changes: &[LiaisonChange]) -> Result<Vec<i64>, Rejection> {
        let patient = definitions().resource_number("Patient").unwrap_or(0);
        let mut keys = BTreeSet::new();
        let mut ids = BTreeSet::new();
        // A Medication is about nobody: those are concerned who take it.
        let medication = definitions().resource_number("Medication").unwrap_or(0);
        let (medications, changes): (Vec<_>, Vec<_>) =
            changes.iter().partition(|change| change.type_number == medication);
        let medications: Vec<i64> = medications.iter().map(|change| change.key).collect();
        let registry = self.engine.store().registry();
        let refers = |number| Some(registry.find(number, "medication")?.number);
        let parameters: Vec<i32> = type_numbers().into_iter().filter_map(refers).collect();
        for body in self.engine.store().liaison_referring(&medications, &parameters)? {
            if let Ok(resource) = json::parse(&body) {
                subjects(&resource, &mut ids);
            }
        }
        for change in changes {
            if change.type_number == patient {
                keys.insert(change.key);
                continue;
            }
            for body in [&change.now, &change.before].into_iter().flatten().filter(|body| !body.is_empty()) {
                if let Ok(resource) = json::parse(body) {
                    subjects(&resource, &mut ids);
                }
            }
        }
        let ids: Vec<String> = ids.into_iter().collect();
        keys.extend(self.engine.store().liaison_keys(&ids)?);
        Ok(keys.into_iter().collect())
    }

    /// The rows of citizens, from all their resources; the resources of those who are followed (all, where the setting
    /// says so, or where `opens` is set) are written first, so that an interruption loses none.
    fn rows(&self, citizens: &[i64], opens: bool) -> Result<Vec<LiaisonRows>, Rejection> {
        if citizens.is_empty() {
            return Ok(Vec::new());
        }
        let store = self.engine.store();
        let registry = store.registry();
        let parameters: Vec<i32> = type_numbers()
            .into_iter()
            .filter_map(|number| registry.find(number, "patient").map(|parameter| parameter.number))
            .collect();
        let mut bodies: HashMap<i64, Vec<(u8, bytes::Bytes)>> = HashMap::new();
        for (citizen, number, body) in store.liaison_load(citizens, &parameters)? {
            bodies.entry(citizen).or_default().push((number, body));
        }
        let medication = definitions().resource_number("Medication").unwrap_or(0);
        let resolve = |reference: &str| {
            let id = reference.strip_prefix("Medication/")?;
            let version = store.current(medication, id).ok()??;
            json::parse(&version.body).ok().map(Node::into_owned)
        };
        let patient = definitions().resource_number("Patient").unwrap_or(0);
        let mut rows = Vec::with_capacity(citizens.len());
        for citizen in citizens {
            let bodies = bodies.remove(citizen).unwrap_or_default();
            if !bodies.iter().any(|(number, _)| *number == patient) {
                rows.push(LiaisonRows { citizen: *citizen, gone: true, ..LiaisonRows::default() });
                continue;
            }
            let parsed: Vec<(&str, Node<'_>)> = bodies
                .iter()
                .filter_map(|(number, body)| {
                    let name = definitions().resource_by_number(*number)?.name.as_str();
                    Some((name, json::parse(body).ok()?))
                })
                // A message that is not for all says nothing here, where all of a team look.
                .filter(|(name, node)| *name != "Communication" || !is_labelled(node))
                .collect();
            let facts = facts::facts(self.rules, parsed.iter().map(|(name, node)| (*name, node)), &resolve);
            let status = status(&facts, self.rules, self.today);
            if facts.followed || opens || self.engine.settings().liaison {
                let key = |(kind, node): &(&str, Node<'_>)| format!("{kind}/{}", node.text("id").unwrap_or_default());
                let made = parsed.iter().filter(|(_, node)| resources::is_made(node));
                let stored = made.map(|found| (key(found), found.1.clone())).collect();
                let changes = resources::changes(&facts, &status, self.rules, &stored);
                if let Err(rejection) = put_all(self.engine, changes) {
                    // A policy of validation or the like: the citizen is counted all the same.
                    let why = rejection.issues.first().map_or("", |issue| issue.diagnostics.as_str());
                    tracing::warn!(patient = %facts.person.id, why, "resources of fracture liaison could not be written");
                }
            }
            rows.push(rows_of(*citizen, &facts, &status, true));
        }
        Ok(rows)
    }
}

/// Whether a resource is for some only.
fn is_labelled(resource: &Node<'_>) -> bool {
    let Some(meta) = resource.get("meta") else { return false };
    meta.list("security").iter().chain(meta.list("tag")).any(|coding| {
        let code = coding.text("code").unwrap_or_default();
        Label::of(code, coding.text("system").unwrap_or_default()).is_some_and(|label| label != Label::Emergency)
    })
}

/// Writes resources under their own ids, in one transaction.
///
/// # Errors
/// What is wrong with them, what the database says.
pub fn put_all(engine: &Engine, resources: Vec<Node<'static>>) -> Result<(), Rejection> {
    if resources.is_empty() {
        return Ok(());
    }
    let entries = resources.into_iter().map(|resource| {
        let url = format!(
            "{}/{}",
            resource.text("resourceType").unwrap_or_default(),
            resource.text("id").unwrap_or_default()
        );
        let request = Node::object([("method", Node::string("PUT")), ("url", Node::string(url))]);
        Node::object([("resource", resource), ("request", request)])
    });
    let bundle = Node::object([
        ("resourceType", Node::string("Bundle")),
        ("type", Node::string("transaction")),
        ("entry", Node::Array(entries.collect())),
    ]);
    for _ in 0..4 {
        match engine.transaction_blocking(bundle.clone(), "", None)?.wait() {
            Ok(_) => return Ok(()),
            Err(Refusal::Rejected(rejection)) => return Err(rejection),
            Err(Refusal::Stale) => {}
        }
    }
    Err(Rejection::internal("others keep changing the same resources"))
}

/// Opens the pathway of a citizen as resources, which are kept up to date from then on. Blocks.
///
/// # Errors
/// What the database says.
pub fn follow_up(engine: &Engine, patient: &str) -> Result<(), Rejection> {
    let engine = &engine.all_seeing();
    let rules = engine.liaison_rules();
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let keys = engine.store().liaison_keys(&[patient.to_owned()])?;
    Keeper { engine, rules: &rules, today: today() }.rows(&keys, true).map(|_| ())
}

/// Ids of the Patients a resource is about.
fn subjects(resource: &Node<'_>, ids: &mut BTreeSet<String>) {
    let direct = ["subject", "patient", "for"].iter().filter_map(|name| resource.get(name));
    let actors = resource.list("participant").iter().filter_map(|part| part.get("actor"));
    for reference in direct.chain(actors) {
        if let Some(Reference::Local { resource_type: "Patient", id, .. }) =
            reference.text("reference").map(Reference::parse)
        {
            ids.insert(id.to_owned());
        }
    }
}

fn rows_of(citizen: i64, facts: &Facts, status: &Status, with_facts: bool) -> LiaisonRows {
    let patient = format!("Patient/{}", facts.person.id);
    let episodes = status.rows.iter().map(|row| {
        let next = row.standing.next();
        EpisodeRow {
            id: row.episode.id.clone(),
            fracture: i64::from(row.episode.day.0),
            site: row.episode.site.clone(),
            state: row.standing.state.clone(),
            facility: row.episode.facility.clone(),
            municipality: row.municipality.clone(),
            owner: row.owner().to_owned(),
            activity: next.map(|next| next.code.clone()).unwrap_or_default(),
            due: next.map(|next| i64::from(next.due.0)),
            overdue: i64::try_from(row.overdue().len()).unwrap_or(i64::MAX),
            alarms: i64::try_from(row.alarms.len()).unwrap_or(i64::MAX),
            body: row.json(&patient).to_string().into_bytes(),
        }
    });
    let alarms = status.alarms.iter().map(|alarm| AlarmRow {
        id: alarm.id.clone(),
        code: alarm.code.clone(),
        since: i64::from(alarm.since.0),
        acknowledged: alarm.acknowledged.is_some(),
        body: json!({
            "id": alarm.id, "patient": patient, "code": alarm.code, "about": alarm.about,
            "since": alarm.since.to_string(), "severity": alarm.severity,
            "text": { "ja": alarm.ja, "en": alarm.en }, "sources": alarm.sources,
            "episode": (!alarm.episode.is_empty()).then_some(alarm.episode.as_str()),
            "acknowledged": alarm.acknowledged.as_ref().map(|(day, who, reason)| json!({ "day": day.to_string(), "who": who, "reason": reason })),
        })
        .to_string()
        .into_bytes(),
    });
    LiaisonRows {
        citizen,
        facts: with_facts.then(|| serde_json::to_vec(facts).unwrap_or_default()),
        gone: false,
        next: status.next.map(|day| i64::from(day.0)),
        episodes: episodes.collect(),
        alarms: alarms.collect(),
    }
}

/// Facts of citizens, page by page: bounded memory whatever their number. Blocks.
///
/// # Errors
/// What the database says, or what `each` does.
pub fn each_citizen(engine: &Engine, mut each: impl FnMut(&Facts) -> Result<(), Rejection>) -> Result<(), Rejection> {
    let mut after = 0;
    loop {
        let page = engine.store().liaison_facts(after, 2_000, None)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (_, facts) in &page {
            let facts = serde_json::from_slice::<Facts>(facts)
                .map_err(|error| Rejection::internal(format!("kept facts cannot be read: {error}")))?;
            each(&facts)?;
        }
    }
}

/// The facts of one citizen by the id of the Patient. Blocks.
///
/// # Errors
/// 404 when there is no such Patient, what the database says.
pub fn facts_of(engine: &Engine, id: &str) -> Result<Facts, Rejection> {
    engine.read_blocking("Patient", id)?;
    let keys = engine.store().liaison_keys(&[id.to_owned()])?;
    let kept = keys.first().map(|key| engine.store().liaison_facts_of(*key)).transpose()?.flatten();
    let kept = kept.ok_or_else(|| Rejection::not_found("Patient", id))?;
    serde_json::from_slice(&kept).map_err(|error| Rejection::internal(format!("kept facts cannot be read: {error}")))
}
