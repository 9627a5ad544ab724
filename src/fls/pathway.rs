//! The pathway of an episode on a day: which activities are done and by what, which are due, how it ended.

use super::treatment::Course;
use super::{Citizen, Day, Episode, Fact, Kind, Rules, stable_id};

/// How an activity stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A resource shows that it was done.
    Done,
    /// A person said that it was done.
    DoneByHand,
    /// A person said that it will not be done, and why.
    Dropped,
    /// To be done.
    Open,
    /// To be done, and late.
    Overdue,
    /// Nothing is to be done: treatment was refused.
    NotApplicable,
    /// The episode ended before it was done.
    Ended,
}

impl State {
    /// Its code in the registry.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::DoneByHand => "done-by-hand",
            Self::Dropped => "dropped",
            Self::Open => "open",
            Self::Overdue => "overdue",
            Self::NotApplicable => "not-applicable",
            Self::Ended => "ended",
        }
    }

    /// Whether it is still to be done.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Overdue)
    }
}

/// An activity of an episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// A code of fls-activity.
    pub code: String,
    /// Id of its Task.
    pub task: String,
    /// Until when it is to be done.
    pub due: Day,
    /// How it stands.
    pub state: State,
    /// When it was done or closed.
    pub day: Option<Day>,
    /// What shows it: `Type/id`.
    pub source: String,
    /// Why it was closed by hand.
    pub reason: String,
    /// Who is to do it: a reference, where somebody was named.
    pub owner: String,
}

/// How an episode stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// `active`, or a code of fls-exit.
    pub state: String,
    /// When it ended, and what says so.
    pub ended: Option<(Day, String)>,
    /// The activities, in the order of the pathway.
    pub activities: Vec<Activity>,
}

impl Standing {
    /// The next open activity.
    #[must_use]
    pub fn next(&self) -> Option<&Activity> {
        self.activities.iter().filter(|activity| activity.state.is_open()).min_by_key(|activity| activity.due)
    }
}

/// The next day on which something changes by itself.
#[derive(Debug, Clone, Copy)]
pub struct Horizon {
    today: Day,
    next: Option<Day>,
}

impl Horizon {
    /// Nothing known yet.
    #[must_use]
    pub const fn new(today: Day) -> Self {
        Self { today, next: None }
    }

    /// The day it is.
    #[must_use]
    pub const fn today(&self) -> Day {
        self.today
    }

    /// Something changes on that day.
    pub fn note(&mut self, day: Day) {
        if day > self.today && self.next.is_none_or(|next| day < next) {
            self.next = Some(day);
        }
    }

    /// The earliest day noted.
    #[must_use]
    pub const fn next(&self) -> Option<Day> {
        self.next
    }
}

/// Contacts for a follow-up: of 16 weeks, or of 52.
pub(super) fn contacts<'f>(
    citizen: &'f Citizen<'_>,
    episode: &Episode,
    // The day that the weeks are counted from.
    from: Day,
    rules: &Rules,
    late: bool,
) -> impl Iterator<Item = &'f Fact> {
    let (own, day) = (if late { "follow-up-52w" } else { "follow-up-16w" }, episode.day);
    let split = rules.figures.follow_up_split_days;
    citizen.facts.list.iter().filter(move |fact| {
        let fits = |code: &String| code == own || (code == "follow-up" && (fact.day.since(from) > split) == late);
        fact.day >= day && matches!(&fact.kind, Kind::Evidence { code } if fits(code))
    })
}

/// When treatment was recommended (an order recommends, and so does treatment that goes on), and what says so.
pub(super) fn recommended(citizen: &Citizen<'_>, episode: &Episode, rules: &Rules) -> Option<(Day, String)> {
    let within = episode.day.plus(rules.figures.recommendation_days);
    let said = citizen.treatment.recommended.iter().find(|(day, _)| (episode.day..=within).contains(day));
    let taken = course(citizen, episode, rules).filter(|course| course.start <= within);
    let taken =
        taken.map(|course| (course.start.max(episode.day), course.sources.first().cloned().unwrap_or_default()));
    match (said.cloned(), taken) {
        (Some(said), Some(taken)) => Some(if said.0 <= taken.0 { said } else { taken }),
        (said, taken) => said.or(taken),
    }
}

/// The course an episode is treated by: one that goes on at the fracture, else the first after it.
pub(super) fn course<'c>(citizen: &'c Citizen<'_>, episode: &Episode, rules: &Rules) -> Option<&'c Course> {
    citizen.treatment.from(episode.day, rules.figures.treatment_overlap_days)
}

/// How an episode ended, if it did: death, or what somebody said.
fn end(citizen: &Citizen<'_>, episode: &Episode, today: Day) -> Option<(String, Day, String)> {
    let person = &citizen.facts.person;
    let died = person.death.filter(|day| *day <= today).map(|day| {
        let in_hospital = citizen.facts.list.iter().any(|fact| match &fact.kind {
            Kind::Stay { end, .. } => fact.day <= day && end.is_none_or(|end| end >= day),
            _ => false,
        });
        let state = if in_hospital { "died-in-hospital" } else { "died" };
        (state.to_owned(), day, format!("Patient/{}", person.id))
    });
    let undated = || {
        (person.died && person.death.is_none()).then(|| ("died".to_owned(), today, format!("Patient/{}", person.id)))
    };
    let exit = citizen.facts.list.iter().find_map(|fact| match &fact.kind {
        Kind::Exit { reason } if fact.day >= episode.day && fact.day <= today => {
            Some((reason.clone(), fact.day, fact.source.clone()))
        }
        _ => None,
    });
    [died.or_else(undated), exit].into_iter().flatten().min_by_key(|(_, day, _)| *day)
}

/// The pathway of an episode.
#[must_use]
pub fn standing(citizen: &Citizen<'_>, episode: &Episode, rules: &Rules, horizon: &mut Horizon) -> Standing {
    let today = horizon.today();
    for fact in citizen.facts.list.iter().filter(|fact| fact.day > today) {
        horizon.note(fact.day);
    }
    if let Some(death) = citizen.facts.person.death {
        horizon.note(death);
    }
    let end = end(citizen, episode, today);
    let activities = activities(citizen, episode, rules, end.as_ref().map(|(_, day, _)| *day), horizon);
    if let Some((state, day, source)) = end {
        return Standing { state, ended: Some((day, source)), activities };
    }
    let last = activities.iter().find(|activity| activity.code == "follow-up-52w" && !activity.state.is_open());
    if let Some((day, source)) = last.and_then(|last| Some((last.day?, last.source.clone()))) {
        return Standing { state: "completed".to_owned(), ended: Some((day, source)), activities };
    }
    // Nobody is reminded for ever: after the time of liaison it is over, done or not.
    let last_day = episode.known.plus(rules.figures.case_days);
    if today <= last_day {
        horizon.note(last_day.plus(1));
        return Standing { state: "active".to_owned(), ended: None, activities };
    }
    let source = episode.records.first().cloned().unwrap_or_default();
    let activities = self::activities(citizen, episode, rules, Some(last_day), horizon);
    Standing { state: "lapsed".to_owned(), ended: Some((last_day, source)), activities }
}

fn activities(
    citizen: &Citizen<'_>,
    episode: &Episode,
    rules: &Rules,
    ended: Option<Day>,
    horizon: &mut Horizon,
) -> Vec<Activity> {
    rules
        .pathway
        .iter()
        .map(|planned| {
            let due = episode.known.plus(planned.days);
            let task = stable_id(&["task", &episode.id, &planned.code]);
            let mut activity = Activity {
                code: planned.code.clone(),
                due,
                state: State::Open,
                day: None,
                source: String::new(),
                reason: String::new(),
                owner: owner(citizen, &task, &episode.id),
                task,
            };
            stand(citizen, episode, rules, &mut activity, ended, horizon);
            activity
        })
        .collect()
}

fn owner(citizen: &Citizen<'_>, task: &str, episode: &str) -> String {
    let named = |wanted: &str| {
        citizen.facts.list.iter().find_map(|fact| match &fact.kind {
            Kind::Owner { of, owner } if of == wanted => Some(owner.clone()),
            _ => None,
        })
    };
    named(task).or_else(|| named(episode)).unwrap_or_default()
}

/// What shows that an activity was done.
fn evidence(citizen: &Citizen<'_>, episode: &Episode, rules: &Rules, code: &str) -> Option<(Day, String)> {
    match code {
        "treatment-recommendation" => recommended(citizen, episode, rules),
        "treatment-start" => {
            let course = course(citizen, episode, rules)?;
            Some((course.start.max(episode.day), course.sources.first().cloned().unwrap_or_default()))
        }
        "follow-up-16w" | "follow-up-52w" => {
            let fact = contacts(citizen, episode, episode.known, rules, code == "follow-up-52w").next()?;
            Some((fact.day, fact.source.clone()))
        }
        code => citizen.facts.first(&[code], episode.day).map(|fact| (fact.day, fact.source.clone())),
    }
}

fn stand(
    citizen: &Citizen<'_>,
    episode: &Episode,
    rules: &Rules,
    activity: &mut Activity,
    ended: Option<Day>,
    horizon: &mut Horizon,
) {
    let today = horizon.today();
    let known = |day: Day| day <= today && ended.is_none_or(|ended| day <= ended);
    if let Some((day, source)) = evidence(citizen, episode, rules, &activity.code)
        && known(day)
    {
        (activity.state, activity.day, activity.source) = (State::Done, Some(day), source);
        return;
    }
    let closed = citizen.facts.list.iter().find_map(|fact| match &fact.kind {
        Kind::Closed { task, done, reason } if *task == activity.task && fact.day <= today => {
            Some((fact, *done, reason))
        }
        _ => None,
    });
    if let Some((fact, done, reason)) = closed {
        activity.state = if done { State::DoneByHand } else { State::Dropped };
        activity.day = Some(fact.day);
        activity.source.clone_from(&fact.source);
        activity.reason.clone_from(reason);
        return;
    }
    if activity.code == "treatment-start" {
        let refused = citizen.treatment.refused.iter().find(|(day, _)| *day >= episode.day && known(*day));
        if let Some((day, source)) = refused {
            (activity.state, activity.day, activity.source) = (State::NotApplicable, Some(*day), source.clone());
            return;
        }
    }
    if ended.is_some() {
        (activity.state, activity.day) = (State::Ended, ended);
        return;
    }
    if activity.code == "treatment-start" {
        // Nobody is late with a treatment that nobody has recommended: the recommendation is late.
        if recommended(citizen, episode, rules).is_none_or(|(day, _)| day > today) {
            return;
        }
    }
    let late = activity.due.plus(rules.figures.overdue_grace_days + 1);
    if today >= late {
        activity.state = State::Overdue;
    } else {
        horizon.note(late);
    }
}
