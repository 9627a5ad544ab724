//! What the measures count: for each group of a Measure of our guide, whether an episode (or a citizen) is in its
//! denominator and in its numerator, and by which resources.
//!
//! The groups are the codes of `CodeSystem/fls-measure-group`; the Measure says in words what each counts and
//! `docs/fls-rules.md` shows it by cases. A window (90 days, a year) must be over on the day of the report:
//! who still has time is not counted yet.

use std::collections::BTreeSet;

use super::certification::{Certification, certifications};
use super::facts::Use;
use super::pathway::{contacts, course, recommended};
use super::treatment::Course;
use super::{Citizen, Day, Episode, Facts, Kind, Rules};

/// What a report is about.
#[derive(Debug, Clone)]
pub struct Question {
    /// First day of the period.
    pub from: Day,
    /// Last day of the period.
    pub to: Day,
    /// The day of the report.
    pub as_of: Day,
    /// Days of each window, where they are not as in the rules.
    pub thresholds: Vec<(String, i32)>,
}

/// What a group counts of one episode or citizen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// In the denominator: usually 0 or 1; of fee 3 the number of months.
    pub denominator: u32,
    /// In the numerator.
    pub numerator: u32,
    /// The resources this rests on.
    pub sources: Vec<String>,
}

impl Tally {
    fn of(counted: bool, met: bool) -> Self {
        Self { denominator: u32::from(counted), numerator: u32::from(counted && met), sources: Vec::new() }
    }

    fn with<'s>(mut self, sources: impl IntoIterator<Item = &'s str>) -> Self {
        self.sources.extend(sources.into_iter().filter(|source| !source.is_empty()).map(str::to_owned));
        self
    }
}

/// What a group counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Episodes whose fracture is in the period.
    Episode,
    /// Citizens.
    Citizen,
}

/// The unit of a group; `None` for a group nobody knows.
#[must_use]
pub fn unit(group: &str) -> Option<Unit> {
    match group {
        "a-insured" | "a-certified" | "b" => Some(Unit::Citizen),
        _ if group.strip_prefix("field-").is_some_and(|field| FIELDS.contains(&field)) => Some(Unit::Episode),
        "identification" | "spine" | "assessed" | "dxa" | "falls" | "recommended" | "exercise" | "follow-up"
        | "commenced" | "one-year" | "started" | "continued" | "iof-evaluated" | "iof-within-8w" | "iof-within-12w"
        | "iof-within-16w" | "iof-bloods" | "iof-falls" | "iof-initiated" | "iof-reviewed" | "iof-long-term"
        | "fee-1" | "fee-2" | "fee-3" => Some(Unit::Episode),
        _ => None,
    }
}

/// The fields that a record should hold.
pub const FIELDS: [&str; 11] = [
    "sex",
    "birth-date",
    "site",
    "side",
    "facility",
    "municipality",
    "assessment",
    "dxa",
    "falls-assessment",
    "recommendation",
    "follow-up",
];

/// What is asked of one episode.
struct Asked<'a, 'f> {
    citizen: &'a Citizen<'f>,
    episode: &'a Episode,
    rules: &'a Rules,
    question: &'a Question,
}

/// What a group counts of an episode whose fracture is in the period.
#[must_use]
pub fn episode(group: &str, citizen: &Citizen<'_>, episode: &Episode, rules: &Rules, question: &Question) -> Tally {
    let asked = Asked { citizen, episode, rules, question };
    let records = episode.records.iter().map(String::as_str);
    let tally = asked.count(group);
    if tally.denominator == 0 { tally } else { tally.with(records) }
}

impl<'a> Asked<'a, '_> {
    fn days(&self, name: &str, default: i32) -> i32 {
        self.question.thresholds.iter().find(|(own, _)| own == name).map_or(default, |(_, days)| *days)
    }

    fn at(&self, days: i32) -> Day {
        self.episode.day.plus(days)
    }

    /// Whether a window of so many days is over.
    fn over(&self, days: i32) -> bool {
        self.at(days) <= self.question.as_of
    }

    /// The first evidence on or after the fracture that is known by now.
    fn first(&self, codes: &[&str]) -> Option<(Day, &'a str)> {
        let fact = self.citizen.facts.first(codes, self.episode.day)?;
        (fact.day <= self.question.as_of).then_some((fact.day, fact.source.as_str()))
    }

    fn within(&self, codes: &[&str], days: i32) -> Tally {
        let found = self.first(codes);
        Tally::of(self.over(days), found.is_some_and(|(day, _)| day <= self.at(days)))
            .with(found.map(|(_, source)| source))
    }

    fn recommended(&self) -> Option<(Day, String)> {
        recommended(self.citizen, self.episode, self.rules).filter(|(day, _)| *day <= self.question.as_of)
    }

    fn course(&self) -> Option<&'a Course> {
        course(self.citizen, self.episode, self.rules).filter(|course| course.start <= self.question.as_of)
    }

    fn alive(&self, days: i32) -> bool {
        self.citizen.facts.person.alive_after(self.at(days))
    }

    fn contact(&self, late: bool) -> Option<(Day, &'a str)> {
        let fact = contacts(self.citizen, self.episode, self.episode.day, self.rules, late).next()?;
        (fact.day <= self.question.as_of).then_some((fact.day, fact.source.as_str()))
    }

    fn was_treated(&self) -> Option<&'a Course> {
        self.course().filter(|course| course.start <= self.episode.day)
    }

    fn on(&self, days: i32) -> Option<&'a Course> {
        self.citizen.treatment.on(self.at(days))
    }

    fn count(&self, group: &str) -> Tally {
        let figures = &self.rules.figures;
        let sources = |course: Option<&'a Course>| {
            course.into_iter().flat_map(|course| course.sources.iter().map(String::as_str))
        };
        if let Some(field) = group.strip_prefix("field-") {
            return Tally::of(true, self.holds(field));
        }
        match group {
            "identification" => Tally::of(true, true),
            "spine" => Tally::of(true, self.episode.site == "vertebra"),
            "assessed" => self.within(&["assessment"], self.days("assessment-days", figures.assessment_days)),
            "dxa" => {
                let days = self.days("dxa-days", figures.dxa_days);
                let ordered = self.citizen.facts.list.iter().find(|fact| {
                    fact.day >= self.episode.day
                        && fact.day <= self.question.as_of
                        && matches!(&fact.kind, Kind::Ordered { code } if code == "dxa")
                });
                let mut tally = self.within(&["dxa"], days);
                if ordered.is_none() && self.first(&["dxa"]).is_none() {
                    return Tally::default();
                }
                tally = tally.with(ordered.map(|fact| fact.source.as_str()));
                tally
            }
            "falls" => self.ever(&["falls-assessment"]),
            "recommended" => {
                let said = self.recommended();
                Tally::of(true, said.is_some()).with(said.as_ref().map(|(_, source)| source.as_str()))
            }
            "exercise" if self.episode.site == "hip" => Tally::default(),
            "exercise" => self.within(&["exercise"], self.days("exercise-days", figures.exercise_days)),
            "follow-up" | "commenced" | "one-year" => self.of_recommended(group),
            "started" => {
                let days = self.days("start-days", figures.start_days);
                let course = self.course().filter(|course| course.start <= self.at(days));
                Tally::of(self.over(days) && self.alive(days), course.is_some()).with(sources(course))
            }
            "continued" => {
                let (start, year) =
                    (self.days("start-days", figures.start_days), self.days("year-days", figures.year_days));
                let begun = self.course().filter(|course| course.start <= self.at(start));
                let counted = begun.is_some() && self.over(year) && self.alive(year);
                Tally::of(counted, self.on(year).is_some()).with(sources(begun)).with(sources(self.on(year)))
            }
            "iof-evaluated" => self.ever(&["assessment"]),
            "iof-within-8w" => self.within(&["assessment"], 56),
            "iof-within-12w" => self.within(&["assessment"], 84),
            "iof-within-16w" => self.within(&["assessment"], 112),
            "iof-bloods" if self.recommended().is_none() => Tally::default(),
            "iof-bloods" => self.ever(&["bloods"]),
            "iof-falls" if self.first(&["falls-assessment"]).is_none() => Tally::default(),
            "iof-falls" => self.ever(&["exercise", "home-check"]),
            "iof-initiated" => {
                let begun = self.course().filter(|course| course.start <= self.at(figures.year_days));
                Tally::of(self.was_treated().is_none() && self.over(figures.year_days), begun.is_some())
                    .with(sources(begun))
            }
            "iof-reviewed" => self.reviewed(),
            "iof-long-term" => {
                let contact = self.contact(true);
                Tally::of(self.over(figures.year_days) && self.alive(figures.year_days), contact.is_some())
                    .with(contact.map(|(_, source)| source))
            }
            "fee-1" | "fee-2" => self.stay_fee(group),
            "fee-3" => self.monthly_fee(),
            _ => Tally::default(),
        }
    }

    fn ever(&self, codes: &[&str]) -> Tally {
        let found = self.first(codes);
        Tally::of(true, found.is_some()).with(found.map(|(_, source)| source))
    }

    /// KPI 9 to 11: of those recommended treatment who are alive at the end of the window.
    fn of_recommended(&self, group: &str) -> Tally {
        let figures = &self.rules.figures;
        let (name, default) = if group == "one-year" {
            ("year-days", figures.year_days)
        } else {
            ("follow-up-days", figures.follow_up_days)
        };
        let days = self.days(name, default);
        let Some((_, said)) = self.recommended() else { return Tally::default() };
        if !self.over(days) || !self.alive(days) {
            return Tally::default();
        }
        let contact = self.contact(false).filter(|(day, _)| *day <= self.at(days));
        let (met, course) = match group {
            "follow-up" => (contact.is_some(), None),
            "commenced" => {
                let by = contact.map_or(self.at(days), |(day, _)| day);
                let course = self.course().filter(|course| course.start <= by);
                (course.is_some(), course)
            }
            _ => (self.on(days).is_some(), self.on(days)),
        };
        let tally = Tally::of(true, met).with([said.as_str()]);
        let tally = tally.with(contact.filter(|_| group != "one-year").map(|(_, source)| source));
        tally.with(course.into_iter().flat_map(|course| course.sources.iter().map(String::as_str)))
    }

    /// Who was treated before: looked at again, by a recommendation or another medicine.
    fn reviewed(&self) -> Tally {
        let Some(before) = self.was_treated() else { return Tally::default() };
        let window = self.episode.day..=self.at(self.rules.figures.recommendation_days).min(self.question.as_of);
        let said = self.citizen.treatment.recommended.iter().find(|(day, _)| window.contains(day));
        let other = self
            .citizen
            .treatment
            .courses
            .iter()
            .find(|course| window.contains(&course.start) && course.drug != before.drug);
        let tally = Tally::of(true, said.is_some() || other.is_some());
        tally.with(said.map(|(_, source)| source.as_str())).with(before.sources.iter().map(String::as_str))
    }

    fn holds(&self, field: &str) -> bool {
        let person = &self.citizen.facts.person;
        match field {
            "sex" => !person.sex.is_empty() && person.sex != "unknown",
            "birth-date" => person.birth.is_some(),
            "site" => self.episode.site != "unspecified",
            "side" => self.episode.side.is_some() || !self.rules.is_sided(&self.episode.site),
            "facility" => !self.episode.facility.is_empty(),
            "municipality" => !person.municipality_on(self.episode.day).is_empty(),
            "assessment" => self.first(&["assessment"]).is_some(),
            "dxa" => {
                self.first(&["dxa"]).is_some()
                    || self.citizen.facts.list.iter().any(|fact| {
                        fact.day >= self.episode.day && matches!(&fact.kind, Kind::Ordered { code } if code == "dxa")
                    })
            }
            "falls-assessment" => self.first(&["falls-assessment"]).is_some(),
            "recommendation" => self.recommended().is_some() || self.refused(),
            "follow-up" => {
                self.contact(false).is_some()
                    || !self.over(self.rules.figures.follow_up_days)
                    || !self.alive(self.rules.figures.follow_up_days)
            }
            _ => false,
        }
    }

    fn refused(&self) -> bool {
        self.citizen
            .facts
            .list
            .iter()
            .any(|fact| fact.day >= self.episode.day && matches!(fact.kind, Kind::Drug { used: Use::Refused, .. }))
    }

    fn billed(&self, codes: &[&str], from: Day, to: Day) -> Option<(Day, &'a str)> {
        self.citizen.facts.list.iter().find_map(|fact| match &fact.kind {
            Kind::Evidence { code } if codes.contains(&code.as_str()) && (from..=to).contains(&fact.day) => {
                Some((fact.day, fact.source.as_str()))
            }
            _ => None,
        })
    }

    /// Fees 1 and 2: once a stay.
    fn stay_fee(&self, group: &str) -> Tally {
        if self.episode.site != "hip" {
            return Tally::default();
        }
        let as_of = self.question.as_of;
        let wants_recovery = group == "fee-2";
        let after = if wants_recovery {
            match self.billed(&["fee-1"], self.episode.day, as_of) {
                Some((day, _)) => day,
                None => return Tally::default(),
            }
        } else {
            self.episode.day.plus(-30)
        };
        let stays = self.citizen.facts.list.iter().filter_map(|fact| match &fact.kind {
            Kind::Stay { end, recovery, .. } if *recovery == wants_recovery => {
                Some((fact.day, end.unwrap_or(as_of), fact.source.as_str()))
            }
            _ => None,
        });
        for (start, end, source) in
            stays.filter(|(start, end, _)| *start >= after && *end >= self.episode.day && *start <= as_of)
        {
            let surgery = self.billed(&["hip-surgery"], start.max(self.episode.day), end);
            let treated =
                self.citizen.treatment.courses.iter().any(|course| course.start <= end && course.end >= start)
                    || self.citizen.treatment.recommended.iter().any(|(day, _)| (start..=end).contains(day));
            let eligible = if wants_recovery { true } else { surgery.is_some() && treated };
            if eligible {
                let billed = self.billed(&[group], start, end);
                return Tally::of(true, billed.is_some())
                    .with([source])
                    .with(billed.map(|(_, source)| source))
                    .with(surgery.map(|(_, source)| source));
            }
        }
        Tally::default()
    }

    /// Fee 3: a month each, with an outpatient visit, within a year of the first billing month.
    fn monthly_fee(&self) -> Tally {
        let as_of = self.question.as_of;
        let Some((first, source)) = self.billed(&["fee-1", "fee-2"], self.episode.day, as_of) else {
            return Tally::default();
        };
        let start = first.month_number();
        let window = start..start + self.rules.figures.fee_3_months;
        let mut skipped = BTreeSet::new();
        let (mut visits, mut billed) = (BTreeSet::new(), BTreeSet::new());
        let mut sources = vec![source];
        for fact in self.citizen.facts.list.iter().filter(|fact| fact.day >= self.episode.day && fact.day <= as_of) {
            let month = fact.day.month_number();
            if !window.contains(&month) {
                continue;
            }
            match &fact.kind {
                Kind::Visit { .. } => {
                    visits.insert(month);
                }
                Kind::Evidence { code } if code == "fee-3" => {
                    billed.insert(month);
                    sources.push(&fact.source);
                }
                Kind::Evidence { code } if code == "fee-1" || code == "fee-2" => {
                    skipped.insert(month);
                }
                _ => {}
            }
        }
        if self.rules.figures.fee_3_skips_first == 1 {
            visits.retain(|month| !skipped.contains(month));
        }
        let numerator = billed.intersection(&visits).count();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Tally { denominator: count(visits.len()), numerator: count(numerator), sources: Vec::new() }.with(sources)
    }
}

/// The certifications of the period that a group looks at.
fn in_period<'f>(
    certifications: &'f [Certification<'f>],
    question: &Question,
) -> impl Iterator<Item = &'f Certification<'f>> {
    let period = question.from..=question.to.min(question.as_of);
    certifications.iter().filter(move |one| period.contains(&one.start))
}

/// What a group counts of a citizen.
#[must_use]
pub fn citizen(group: &str, citizen: &Citizen<'_>, rules: &Rules, question: &Question) -> Tally {
    let all = certifications(citizen, rules);
    let person = &citizen.facts.person;
    match group {
        "a-insured" | "a-certified" => {
            let new = in_period(&all, question).filter(|one| one.is_new).collect::<Vec<_>>();
            let caused = new.iter().find(|one| one.first_is_fracture);
            let counted =
                if group == "a-insured" { is_insured(citizen.facts, rules, question) } else { !new.is_empty() };
            Tally::of(counted, caused.is_some()).with(new.iter().map(|one| one.source))
        }
        "b" => {
            let first = citizen
                .episodes
                .first()
                .filter(|episode| episode.day <= question.to && person.alive_after(question.from.plus(-1)));
            let severe = |level: i32| (rules.figures.severe_level..=25).contains(&level);
            let risen = in_period(&all, question)
                .find(|one| severe(one.level) && one.before < rules.figures.severe_level && one.second.is_some());
            let sources = risen.iter().flat_map(|one| [Some(one.source), one.second]).flatten();
            Tally::of(first.is_some(), risen.is_some()).with(sources)
        }
        _ => Tally::default(),
    }
}

/// Whether a person is among the insured of the period: old enough at its end, alive at its beginning.
#[must_use]
pub fn is_insured(facts: &Facts, rules: &Rules, question: &Question) -> bool {
    let person = &facts.person;
    person.age(question.to).is_some_and(|age| age >= rules.figures.insured_age)
        && person.alive_after(question.from.plus(-1))
}

/// Whether an episode belongs to a period: its fracture happened in it.
#[must_use]
pub fn is_of(episode: &Episode, question: &Question) -> bool {
    (question.from..=question.to.min(question.as_of)).contains(&episode.day)
}
