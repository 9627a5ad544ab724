//! What a citizen takes now, from the resources about medicines.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::articles::mapped;
use super::{Notebook, Told, type_name, unreadable};
use crate::engine::{Engine, Rejection};
use crate::fls::{Day, Rules};
use crate::format::json::{self, Node};
use crate::notebook::medication_now::{Course, Record, State, courses, read};
use crate::store::EntityQuery;

/// Resources of a citizen about medicines that are looked at, newest first.
const MOST: u32 = 400;
/// Courses that ended longer ago are not shown.
const RECENT_DAYS: i32 = 365;

/// The rules in force; read anew when definitions changed.
fn rules(engine: &Engine) -> Arc<Rules> {
    type Known = Option<(u64, usize, Arc<Rules>)>;
    static KNOWN: Mutex<Known> = Mutex::new(None);
    let definitions = engine.definitions();
    let (generation, place) = (definitions.generation(), Arc::as_ptr(definitions).cast::<()>() as usize);
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match known {
        Some((made_at, of, rules)) if made_at == generation && of == place => rules,
        _ => {
            let rules = Arc::new(Rules::read(definitions.as_ref()));
            *KNOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some((generation, place, Arc::clone(&rules)));
            rules
        }
    }
}

impl Notebook<'_> {
    /// The courses of a citizen (its key), what needs attention first.
    pub(super) fn courses(&self, citizen: i64) -> Result<Vec<Course>, Rejection> {
        self.may_read_of(&[
            "MedicationStatement",
            "MedicationRequest",
            "MedicationDispense",
            "MedicationAdministration",
        ])?;
        let rules = rules(self.engine);
        let mut records: Vec<Record> = Vec::new();
        for (entity, date) in [("medication", "starts"), ("injection", "given_at")] {
            let query = EntityQuery { order: Some(date), ..EntityQuery::of(&mapped(entity).table, citizen, MOST) };
            for row in self.engine.store().entities(&query)? {
                let resource = json::parse(&row.resource.version.body).map_err(|_| unreadable())?;
                let reference = resource.path(&["medicationReference", "reference"]).and_then(Node::as_str);
                let medication =
                    reference.and_then(|reference| self.local(reference)).filter(|(kind, _)| *kind == "Medication");
                let medication = medication.and_then(|(kind, id)| self.engine.read_blocking(kind, id).ok());
                let medication = medication.as_ref().and_then(|version| json::parse(&version.body).ok());
                records.extend(read(type_name(row.resource.type_number), &resource, medication.as_ref(), &rules));
            }
        }
        Ok(courses(&records, &rules, Day::of_micros(self.now)))
    }

    /// What a citizen takes now.
    ///
    /// # Errors
    /// 404 without the citizen.
    pub fn medication(&self, citizen: &str) -> Result<Told, Rejection> {
        self.no_parameters()?;
        let (key, _) = self.citizen(citizen)?;
        Ok(Told::of(self.medication_json(key)?))
    }

    pub(super) fn medication_json(&self, citizen: i64) -> Result<Value, Rejection> {
        let today = Day::of_micros(self.now);
        let (mut current, mut former) = (Vec::new(), Vec::new());
        for course in self.courses(citizen)? {
            let is_former = matches!(course.state, State::Stopped | State::NotTaken);
            let ended = course.until.or(course.last).or(course.since);
            if is_former && ended.is_some_and(|ended| today.since(ended) > RECENT_DAYS) {
                continue;
            }
            (if is_former { &mut former } else { &mut current }).push(course_json(&course));
        }
        Ok(json!({ "asOf": today.to_string(), "current": current, "former": former }))
    }
}

fn course_json(course: &Course) -> Value {
    let text = |day: Option<Day>| day.map(|day| day.to_string());
    let (state, ja, en) = course.state.names();
    let gaps = course
        .gaps
        .iter()
        .map(|(from, to)| json!({ "from": from.to_string(), "to": to.to_string(), "days": to.since(*from) + 1 }));
    json!({
        "drug": course.name,
        "class": course.class,
        "kind": if course.is_injected { "injection" } else { "regular" },
        "usage": course.usage,
        "state": state,
        "stateName": { "ja": ja, "en": en },
        "since": text(course.since),
        "last": text(course.last),
        "until": text(course.until),
        "nextDose": course.next.map(|(day, _)| day.to_string()),
        "nextDoseFrom": course.next.map(|(_, from)| from.code()),
        "adherence": course.adherence,
        "stopReason": course.reason,
        "gaps": gaps.collect::<Vec<_>>(),
        "sources": course.sources,
    })
}
