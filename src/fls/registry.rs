//! The registry: a row an episode with what is known, what is missing and what is due.

use serde_json::{Value, json};

use super::alarm::{Alarm, alarms};
use super::pathway::{Horizon, Standing, standing};
use super::{Citizen, Day, Episode, Facts, Rules};

/// How a citizen stands on a day.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// A row an episode, in order of the fractures.
    pub rows: Vec<Row>,
    /// The alarms that stand.
    pub alarms: Vec<Alarm>,
    /// The next day on which any of this changes by itself.
    pub next: Option<Day>,
}

/// One episode in the registry.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The episode.
    pub episode: Episode,
    /// How it stands.
    pub standing: Standing,
    /// What should be known and is not.
    pub missing: Vec<&'static str>,
    /// The municipality on the day of the fracture.
    pub municipality: String,
    /// The medicine of today, or the last one: code, first and last day.
    pub medicine: Option<(String, Day, Day)>,
    /// Fractures before, known as history only: `Condition/id`.
    pub history: Vec<String>,
    /// Alarms nobody has taken note of.
    pub alarms: Vec<String>,
}

/// Computes everything about a citizen for a day.
#[must_use]
pub fn status(facts: &Facts, rules: &Rules, today: Day) -> Status {
    let citizen = Citizen::of(facts, rules);
    let mut horizon = Horizon::new(today);
    let standings: Vec<Standing> =
        citizen.episodes.iter().map(|episode| standing(&citizen, episode, rules, &mut horizon)).collect();
    let alarms = alarms(&citizen, &standings, rules, &mut horizon);
    let course =
        citizen.treatment.on(today).or_else(|| citizen.treatment.courses.iter().rfind(|course| course.start <= today));
    let medicine = course.map(|course| (course.drug.clone(), course.start, course.end));
    let rows = citizen.episodes.iter().zip(standings).map(|(episode, standing)| Row {
        missing: missing(facts, episode, rules),
        municipality: facts.person.municipality_on(episode.day).to_owned(),
        medicine: medicine.clone().filter(|(_, _, end)| *end >= episode.day),
        alarms: alarms
            .iter()
            .filter(|alarm| alarm.episode == episode.id && alarm.acknowledged.is_none())
            .map(|alarm| alarm.code.clone())
            .collect(),
        history: citizen
            .history
            .iter()
            .filter(|one| one.day < episode.day)
            .flat_map(|one| one.records.clone())
            .collect(),
        episode: episode.clone(),
        standing,
    });
    let rows = rows.collect();
    Status { rows, next: horizon.next(), alarms }
}

fn missing(facts: &Facts, episode: &Episode, rules: &Rules) -> Vec<&'static str> {
    let person = &facts.person;
    let fields = [
        ("birth-date", person.birth.is_none()),
        ("sex", person.sex.is_empty() || person.sex == "unknown"),
        ("site", episode.site == "unspecified"),
        ("side", episode.side.is_none() && rules.is_sided(&episode.site)),
        ("facility", episode.facility.is_empty()),
        ("municipality", person.municipality_on(episode.day).is_empty()),
    ];
    fields.into_iter().filter_map(|(name, is_missing)| is_missing.then_some(name)).collect()
}

impl Row {
    /// The row as JSON.
    #[must_use]
    pub fn json(&self, patient: &str) -> Value {
        let day = |day: Option<Day>| day.map(|day| day.to_string());
        let next = self.standing.next();
        let activities = self.standing.activities.iter().map(|activity| {
            json!({
                "code": activity.code, "state": activity.state.code(), "due": activity.due.to_string(),
                "day": day(activity.day), "source": text(&activity.source), "reason": text(&activity.reason),
                "owner": text(&activity.owner), "task": activity.task,
            })
        });
        json!({
            "episode": self.episode.id,
            "patient": patient,
            "fracture": self.episode.day.to_string(),
            "recorded": self.episode.known.to_string(),
            "site": self.episode.site,
            "side": self.episode.side.map(super::facts::Side::code),
            "sequence": if self.episode.secondary { "secondary" } else { "index" },
            "index": self.episode.index,
            "age": self.episode.age,
            "facility": text(&self.episode.facility),
            "municipality": text(&self.municipality),
            "owner": text(self.owner()),
            "state": self.standing.state,
            "ended": day(self.standing.ended.as_ref().map(|(day, _)| *day)),
            "next": next.map(|next| next.code.clone()),
            "due": next.map(|next| next.due.to_string()),
            "overdue": self.overdue(),
            "missing": self.missing,
            "medicine": self.medicine.as_ref().map(|(drug, start, end)| json!({ "code": drug, "from": start.to_string(), "to": end.to_string() })),
            "alarms": self.alarms,
            "activities": activities.collect::<Vec<_>>(),
            "records": self.episode.records,
            "history": self.history,
        })
    }

    /// Who is in charge of what comes next.
    #[must_use]
    pub fn owner(&self) -> &str {
        let next = self.standing.next().map(|next| next.owner.as_str()).filter(|owner| !owner.is_empty());
        next.or_else(|| self.standing.activities.iter().map(|one| one.owner.as_str()).find(|owner| !owner.is_empty()))
            .unwrap_or_default()
    }

    /// Activities that are late.
    #[must_use]
    pub fn overdue(&self) -> Vec<&str> {
        let late = self.standing.activities.iter().filter(|one| one.state == super::pathway::State::Overdue);
        late.map(|one| one.code.as_str()).collect()
    }
}

fn text(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
