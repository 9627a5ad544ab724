//! Records of one medicine as a course: is it taken, when is the next dose, where are gaps.

use super::record::{Every, Origin, Record};
use crate::fls::{Day, Rules};

/// How a course is today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The next dose is later than it may be, or the supply ended longer ago than it may.
    Overdue,
    /// The next dose or supply is due.
    Due,
    /// Taken as it should be.
    Taking,
    /// Not begun yet.
    Planned,
    /// It is said not to be taken.
    NotTaken,
    /// Paused.
    OnHold,
    /// Over.
    Stopped,
}

impl State {
    /// Code, Japanese, English.
    #[must_use]
    pub const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Overdue => ("overdue", "遅れています", "overdue"),
            Self::Due => ("due", "まもなく", "due"),
            Self::Taking => ("taking", "継続中", "taking"),
            Self::Planned => ("planned", "開始前", "not begun"),
            Self::NotTaken => ("not-taken", "服用していません", "not taken"),
            Self::OnHold => ("on-hold", "休薬中", "paused"),
            Self::Stopped => ("stopped", "終了・中止", "stopped"),
        }
    }
}

/// Where the day of the next dose comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextDose {
    /// Somebody wrote it down.
    Stated,
    /// The dosage says how often.
    Dosage,
    /// The rule of the medicine.
    Rule,
}

impl NextDose {
    /// The code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Stated => "stated",
            Self::Dosage => "dosage",
            Self::Rule => "rule",
        }
    }
}

/// One medicine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// What the newest record calls it.
    pub name: String,
    /// The class of our medicines.
    pub class: Option<String>,
    /// Whether it is injected.
    pub is_injected: bool,
    /// How to take it, as said last.
    pub usage: Option<String>,
    /// How it is today.
    pub state: State,
    /// The first day.
    pub since: Option<Day>,
    /// The last dose given, or supply handed over.
    pub last: Option<Day>,
    /// The last day of what was prescribed or handed over; none when it is open.
    pub until: Option<Day>,
    /// The day of the next dose, and where that comes from.
    pub next: Option<(Day, NextDose)>,
    /// How far it is taken, as said last.
    pub adherence: Option<String>,
    /// Why it was stopped.
    pub reason: Option<String>,
    /// First and last days without it.
    pub gaps: Vec<(Day, Day)>,
    /// The resources it comes from, newest first.
    pub sources: Vec<String>,
}

/// Days without supply that are no gap, where no rule says otherwise.
const GRACE: i32 = 14;
/// A dose is due so many days before its day.
const SOON: i32 = 14;

/// The courses of all records, what needs attention first.
#[must_use]
pub fn courses(records: &[Record], rules: &Rules, today: Day) -> Vec<Course> {
    let mut courses: Vec<Course> = groups(records).iter().filter_map(|group| course(group, rules, today)).collect();
    courses.sort_by(|left, right| {
        (left.state, &left.name, &left.sources).cmp(&(right.state, &right.name, &right.sources))
    });
    courses
}

/// Records that have a key in common, over any number of steps.
fn groups(records: &[Record]) -> Vec<Vec<&Record>> {
    let mut groups: Vec<(Vec<&str>, Vec<&Record>)> = Vec::new();
    for record in records {
        let keys: Vec<&str> = record.keys.iter().map(String::as_str).collect();
        let (mut joined_keys, mut joined) = (keys.clone(), vec![record]);
        let mut rest = Vec::new();
        for (other_keys, others) in groups {
            if other_keys.iter().any(|key| keys.contains(key)) {
                joined_keys.extend(other_keys);
                joined.extend(others);
            } else {
                rest.push((other_keys, others));
            }
        }
        rest.push((joined_keys, joined));
        groups = rest;
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// When a record speaks: what was said last counts.
fn said(record: &Record) -> Day {
    record.said.into_iter().chain(record.starts).max().unwrap_or(Day(i32::MIN))
}

fn course(group: &[&Record], rules: &Rules, today: Day) -> Option<Course> {
    let mut newest: Vec<&Record> = group.to_vec();
    newest.sort_by(|left, right| {
        (said(right), right.origin, &right.reference).cmp(&(said(left), left.origin, &left.reference))
    });
    let head = *newest.first()?;
    let class = group.iter().find_map(|record| record.class.clone());
    let rule = class.as_deref().and_then(|class| rules.drug(class));
    let is_event = rule.is_some_and(|rule| rule.long_acting)
        || group.iter().any(|record| record.is_injected && record.origin == Origin::Administration);
    let doses = group.iter().filter(|record| record.origin == Origin::Administration && record.status != "on-hold");
    let given = doses.clone().filter_map(|record| record.starts).filter(|day| *day <= today).max();
    let handed = group.iter().filter(|record| record.origin == Origin::Dispense).filter_map(|record| record.starts);
    let last = given.into_iter().chain(handed.filter(|day| *day <= today)).max();
    let covered = covered(group);
    let grace = rule.map_or(GRACE, |rule| rule.grace);
    let every = newest.iter().find_map(|record| record.every.map(|every| (every, NextDose::Dosage)));
    let every = every.or_else(|| rule.map(|rule| (Every::Days(rule.interval), NextDose::Rule)));
    let since = group.iter().filter_map(|record| record.starts).min();
    let decision =
        newest.iter().find(|record| record.origin != Origin::Administration && record.origin != Origin::Dispense);
    let mut next = next_dose(&newest, is_event, given, every, since, today);
    if let Some((day, _)) = next
        && let Some(most) = rule.and_then(|rule| rule.maximum)
        && since.is_some_and(|since| day.since(since) > most)
    {
        // The longest time of treatment is over by then.
        next = None;
    }
    let end = covered.last().map(|(_, end)| *end);
    let stopped = stopped(decision.copied(), given, last);
    let (state, gaps) = match stopped {
        Some(state) => (state, inner_gaps(&covered, grace)),
        None if is_event => event_state(next.map(|(day, _)| day), given, since, grace, today),
        None if group.iter().all(|record| record.as_needed) => (State::Taking, Vec::new()),
        None => supply_state(&covered, since, grace, today),
    };
    if state == State::Stopped || state == State::NotTaken {
        next = None;
    }
    let is_open = end.is_some_and(|end| end == OPEN);
    Some(Course {
        name: head.name.clone(),
        class,
        is_injected: group.iter().any(|record| record.is_injected),
        usage: newest.iter().find_map(|record| record.usage.clone()),
        state,
        since,
        last,
        until: end.filter(|_| !is_open && !is_event),
        next,
        adherence: newest.iter().find_map(|record| record.adherence.clone()),
        reason: decision.and_then(|record| record.reason.clone()),
        gaps,
        sources: newest.iter().map(|record| record.reference.clone()).collect(),
    })
}

/// What the last word of a statement or prescription ends, unless a dose or supply came after it.
fn stopped(decision: Option<&Record>, given: Option<Day>, last: Option<Day>) -> Option<State> {
    let decision = decision?;
    let state = match decision.status.as_str() {
        "stopped" => State::Stopped,
        "not-taken" => State::NotTaken,
        "on-hold" => State::OnHold,
        _ => return None,
    };
    let at = decision.ends.into_iter().chain(decision.said).max().or(decision.starts);
    let after = given.into_iter().chain(last).max();
    if at.zip(after).is_some_and(|(at, after)| after > at) { None } else { Some(state) }
}

/// The next dose: as somebody wrote for after the last one, else by the dosage, else by the rule.
fn next_dose(
    newest: &[&Record],
    is_event: bool,
    given: Option<Day>,
    every: Option<(Every, NextDose)>,
    since: Option<Day>,
    today: Day,
) -> Option<(Day, NextDose)> {
    let stated = newest.iter().filter_map(|record| record.next);
    let stated = stated.clone().find(|day| given.is_none_or(|given| *day > given));
    if let Some(day) = stated.filter(|day| is_event || *day >= today) {
        return Some((day, NextDose::Stated));
    }
    let (every, from) = every?;
    if is_event {
        return match given {
            Some(given) => Some((every.after(given), from)),
            None => since.filter(|since| *since >= today).map(|since| (since, NextDose::Dosage)),
        };
    }
    if !every.is_rare() {
        return None;
    }
    // The first day of the rhythm that is not over.
    let mut day = since?;
    for _ in 0..10_000 {
        if day >= today {
            return Some((day, from));
        }
        day = every.after(day);
    }
    None
}

/// An open end.
const OPEN: Day = Day(i32::MAX);

/// The days that are prescribed, handed over or said to be taken: ascending, apart from each other.
fn covered(group: &[&Record]) -> Vec<(Day, Day)> {
    let mut all: Vec<(Day, Day)> = Vec::new();
    let mut dispensed: Vec<(Day, i32)> = Vec::new();
    for record in group {
        let Some(starts) = record.starts.or(record.said) else { continue };
        match (record.origin, record.supply) {
            (Origin::Administration, _) => {}
            (Origin::Dispense, days) => dispensed.push((starts, days.unwrap_or(1))),
            _ if matches!(record.status.as_str(), "not-taken" | "on-hold") => {}
            (Origin::Request, Some(days)) => all.push((starts, record.ends.unwrap_or(starts.plus(days - 1)))),
            _ => {
                let is_open = matches!(record.status.as_str(), "active" | "intended");
                let end = record.ends.or(if is_open { Some(OPEN) } else { record.said });
                all.push((starts, end.unwrap_or(starts).max(starts)));
            }
        }
    }
    // What is left of one supply comes before the next.
    dispensed.sort_unstable();
    let mut free = Day(i32::MIN);
    for (starts, days) in dispensed {
        let starts = starts.max(free);
        free = starts.plus(days);
        all.push((starts, free.plus(-1)));
    }
    all.sort_unstable();
    let mut merged: Vec<(Day, Day)> = Vec::new();
    for (starts, ends) in all {
        match merged.last_mut() {
            Some(last) if starts <= last.1.plus(1) => last.1 = last.1.max(ends),
            _ => merged.push((starts, ends)),
        }
    }
    merged
}

/// Gaps between the days that are covered.
fn inner_gaps(covered: &[(Day, Day)], grace: i32) -> Vec<(Day, Day)> {
    let pairs = covered.iter().zip(covered.iter().skip(1));
    pairs
        .filter(|(left, right)| right.0.since(left.1) - 1 > grace)
        .map(|(left, right)| (left.1.plus(1), right.0.plus(-1)))
        .collect()
}

/// A medicine whose dose is an event.
fn event_state(
    next: Option<Day>,
    given: Option<Day>,
    since: Option<Day>,
    grace: i32,
    today: Day,
) -> (State, Vec<(Day, Day)>) {
    match (next, given) {
        (Some(next), _) if today > next.plus(grace) => (State::Overdue, vec![(next.plus(1), today)]),
        (Some(next), Some(_)) if today >= next.plus(-SOON) => (State::Due, Vec::new()),
        (Some(_), Some(_)) => (State::Taking, Vec::new()),
        (Some(next), None) if next.since(today) > SOON => (State::Planned, Vec::new()),
        (Some(_), None) => (State::Due, Vec::new()),
        // Given, and nothing says how often.
        (None, Some(_)) => (State::Taking, Vec::new()),
        (None, None) if since.is_some_and(|since| since > today) => (State::Planned, Vec::new()),
        // Prescribed, and no dose is known.
        (None, None) => (State::Due, Vec::new()),
    }
}

/// A medicine that is taken day by day.
fn supply_state(covered: &[(Day, Day)], since: Option<Day>, grace: i32, today: Day) -> (State, Vec<(Day, Day)>) {
    let mut gaps = inner_gaps(covered, grace);
    let Some((_, end)) = covered.iter().rev().find(|(starts, _)| *starts <= today) else {
        let is_planned = since.is_none_or(|since| since > today);
        return (if is_planned { State::Planned } else { State::Stopped }, gaps);
    };
    if *end >= today {
        return (State::Taking, gaps);
    }
    if today.since(*end) <= grace {
        return (State::Due, gaps);
    }
    // A gap to come is one already.
    if !gaps.iter().any(|(first, _)| *first == end.plus(1)) {
        gaps.push((end.plus(1), today));
    }
    (State::Overdue, gaps)
}
