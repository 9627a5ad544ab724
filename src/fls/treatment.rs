//! When on which medicine, from doses, supplies and statements.
//!
//! | Said | On treatment |
//! |---|---|
//! | a dose, or a supply of a long-acting medicine | from that day, interval + grace |
//! | a supply of another one | from that day, its days (or `supply-days`) + grace |
//! | a statement with an end | from its start to its end |
//! | a statement without, next dose known | from its start to that dose + grace |
//! | … of a long-acting medicine | from its start, interval + grace |
//! | … of another one | from its start, `statement-days` after it was last said |
//! | stopped | what began before and would go on ends that day |

use std::collections::BTreeMap;

use super::facts::Use;
use super::{Day, Facts, Kind, Rules};

/// Time on one medicine, without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// Code of the medicine.
    pub drug: String,
    /// First day.
    pub start: Day,
    /// Last day.
    pub end: Day,
    /// The day of the last dose or supply, or of the last word of it.
    pub last: Day,
    /// It ended because somebody stopped it, for this reason (may be empty).
    pub stopped: Option<String>,
    /// What says so.
    pub sources: Vec<String>,
    /// Grace in days that is part of the last days.
    pub grace: i32,
}

/// All treatment of a citizen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Treatment {
    /// Courses of medicines that count as treatment, by start.
    pub courses: Vec<Course>,
    /// Days on which treatment was recommended, and what says so: an order recommends too.
    pub recommended: Vec<(Day, String)>,
    /// Days on which treatment was refused.
    pub refused: Vec<(Day, String)>,
}

struct Stretch {
    start: Day,
    end: Day,
    last: Day,
    source: String,
    grace: i32,
    /// What a stop on a later day cuts off.
    open: bool,
}

impl Treatment {
    /// From facts.
    #[must_use]
    pub fn of(facts: &Facts, rules: &Rules) -> Self {
        let mut stretches: BTreeMap<&str, Vec<Stretch>> = BTreeMap::new();
        let mut stops: BTreeMap<&str, Vec<(Day, &str)>> = BTreeMap::new();
        let mut all = Self::default();
        for fact in &facts.list {
            match &fact.kind {
                Kind::Evidence { code } if code == "treatment-recommendation" => {
                    all.recommended.push((fact.day, fact.source.clone()));
                }
                Kind::Drug { drug, used } => {
                    let Some(rhythm) = rules.drug(drug).filter(|rhythm| rhythm.therapy) else { continue };
                    let whole = rhythm.interval + rhythm.grace;
                    let mut add = |end: Day, last: Day, grace: i32, open: bool| {
                        let source = fact.source.clone();
                        let stretch = Stretch { start: fact.day, end: end.max(fact.day), last, source, grace, open };
                        stretches.entry(drug).or_default().push(stretch);
                    };
                    match used {
                        Use::Dose => add(fact.day.plus(whole), fact.day, rhythm.grace, true),
                        Use::Supply { days } => {
                            let days = if rhythm.long_acting {
                                rhythm.interval
                            } else {
                                days.unwrap_or(rules.figures.supply_days)
                            };
                            add(fact.day.plus(days + rhythm.grace), fact.day, rhythm.grace, true);
                            all.recommended.push((fact.day, fact.source.clone()));
                        }
                        Use::Taken { end: Some(end), .. } => add(*end, *end, 0, false),
                        Use::Taken { end: None, asserted, next } => {
                            let last = fact.day.max(*asserted);
                            match next {
                                Some(next) => add(next.plus(rhythm.grace), last, rhythm.grace, true),
                                None if rhythm.long_acting => add(fact.day.plus(whole), fact.day, rhythm.grace, true),
                                None => add(last.plus(rules.figures.statement_days), last, 0, true),
                            }
                        }
                        Use::Stopped { reason } => stops.entry(drug).or_default().push((fact.day, reason)),
                        Use::Recommended => all.recommended.push((fact.day, fact.source.clone())),
                        Use::Refused => all.refused.push((fact.day, fact.source.clone())),
                    }
                }
                _ => {}
            }
        }
        for (drug, list) in stretches {
            all.courses.extend(courses(drug, list, stops.get(drug).map_or(&[][..], Vec::as_slice)));
        }
        all.courses.sort_by(|left, right| (left.start, &left.drug).cmp(&(right.start, &right.drug)));
        all
    }

    /// The course of a day that began first.
    #[must_use]
    pub fn on(&self, day: Day) -> Option<&Course> {
        self.courses.iter().find(|course| course.start <= day && day <= course.end)
    }

    /// The course that made it true on or after a day that somebody is treated: one of that day, else the
    /// first after it.
    #[must_use]
    pub fn from(&self, day: Day, overlap: i32) -> Option<&Course> {
        self.courses.iter().find(|course| course.end.plus(overlap) >= day)
    }
}

/// Joins what touches, cut where somebody stopped.
fn courses(drug: &str, mut list: Vec<Stretch>, stops: &[(Day, &str)]) -> Vec<Course> {
    list.sort_by(|left, right| (left.start, left.end, &left.source).cmp(&(right.start, right.end, &right.source)));
    let mut courses: Vec<Course> = Vec::new();
    for mut stretch in list {
        let stop = stops.iter().find(|(day, _)| stretch.start <= *day && *day <= stretch.end);
        if let Some((day, _)) = stop
            && stretch.open
        {
            stretch.end = *day;
            stretch.last = stretch.last.min(*day);
            stretch.grace = 0;
        }
        let stopped = stop.map(|(_, reason)| (*reason).to_owned());
        match courses.last_mut().filter(|course| stretch.start <= course.end.plus(1)) {
            Some(course) => {
                if stretch.end > course.end || (stretch.end == course.end && stopped.is_some()) {
                    course.end = stretch.end;
                    course.grace = stretch.grace;
                    course.stopped = stopped;
                }
                course.last = course.last.max(stretch.last);
                if !course.sources.contains(&stretch.source) {
                    course.sources.push(stretch.source);
                }
            }
            None => courses.push(Course {
                drug: drug.to_owned(),
                start: stretch.start,
                end: stretch.end,
                last: stretch.last,
                stopped,
                sources: vec![stretch.source],
                grace: stretch.grace,
            }),
        }
    }
    courses
}
