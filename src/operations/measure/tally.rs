//! Counts groups over citizens: totals, strata, and (where asked) who is in them and by what.

use std::collections::{BTreeMap, BTreeSet};

use super::MOST_SUBJECTS;
use crate::engine::{Engine, Rejection};
use crate::fls::indicator::{Question, Tally, Unit, citizen, episode, is_of, unit};
use crate::fls::{Citizen, Day, Episode, Facts, Rules};
use crate::operations::fls::each_citizen;
use crate::r4::outcome::IssueCode;

/// What can be told apart.
pub const STRATIFIERS: [&str; 4] = ["facility", "municipality", "age-band", "sex"];
/// Most strata of one stratifier.
const MOST_STRATA: usize = 2_000;

/// What is to be counted.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Codes of groups.
    pub groups: Vec<String>,
    /// Period, day of the report and thresholds.
    pub question: Question,
    /// Only fractures treated at this facility (`Organization/x`).
    pub facility: Option<String>,
    /// Only of this municipality.
    pub municipality: Option<String>,
    /// Only of this sex.
    pub sex: Option<String>,
    /// Only of this band of age.
    pub age: Option<String>,
    /// Told apart by these.
    pub stratifiers: Vec<&'static str>,
    /// Who is in a population is listed.
    pub lists: bool,
}

impl Scope {
    /// Everybody, in one number a group.
    #[must_use]
    pub fn new(groups: &[String], question: Question) -> Self {
        Self {
            groups: groups.to_vec(),
            question,
            facility: None,
            municipality: None,
            sex: None,
            age: None,
            stratifiers: Vec::new(),
            lists: false,
        }
    }
}

/// Counts of one population of citizens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Records, or citizens, looked at.
    pub initial: u64,
    /// In the denominator.
    pub denominator: u64,
    /// In the numerator.
    pub numerator: u64,
}

impl Count {
    fn add(&mut self, tally: &Tally) {
        self.initial += 1;
        self.denominator += u64::from(tally.denominator);
        self.numerator += u64::from(tally.numerator);
    }
}

/// Who is in which population of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// Ids of Patients.
    pub initial: BTreeSet<String>,
    /// Ids of Patients.
    pub denominator: BTreeSet<String>,
    /// Ids of Patients.
    pub numerator: BTreeSet<String>,
}

/// What was counted.
#[derive(Debug, Clone)]
pub struct Tallied {
    /// What was asked.
    pub scope: Scope,
    /// A count a group.
    pub groups: Vec<Count>,
    /// A group's strata: stratifier → value → count.
    pub strata: Vec<BTreeMap<&'static str, BTreeMap<String, Count>>>,
    /// Who, a group.
    pub listed: Vec<Listed>,
    sources: BTreeSet<String>,
}

/// Bands of ten years from 50.
#[must_use]
pub fn age_band(age: Option<i32>) -> String {
    match age {
        None => "unknown".to_owned(),
        Some(age) if age < 50 => "under-50".to_owned(),
        Some(age) if age >= 90 => "90-and-over".to_owned(),
        Some(age) => format!("{}-{}", age / 10 * 10, age / 10 * 10 + 9),
    }
}

fn known(text: &str) -> String {
    if text.is_empty() { "unknown".to_owned() } else { text.to_owned() }
}

/// What is told apart about a record.
struct Traits {
    facility: String,
    municipality: String,
    age: String,
    sex: String,
}

impl Traits {
    fn of(facts: &Facts, episode: Option<&Episode>, day: Day, municipality: &str) -> Self {
        Self {
            facility: known(episode.map_or("", |episode| &episode.facility)),
            municipality: known(municipality),
            age: age_band(facts.person.age(day)),
            sex: known(&facts.person.sex),
        }
    }

    fn get(&self, stratifier: &str) -> &str {
        match stratifier {
            "facility" => &self.facility,
            "municipality" => &self.municipality,
            "age-band" => &self.age,
            _ => &self.sex,
        }
    }

    fn fits(&self, scope: &Scope) -> bool {
        let fits = |wanted: &Option<String>, own: &str| wanted.as_deref().is_none_or(|wanted| wanted == own);
        fits(&scope.facility, &self.facility)
            && fits(&scope.municipality, &self.municipality)
            && fits(&scope.age, &self.age)
            && fits(&scope.sex, &self.sex)
    }
}

impl Tallied {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        let count = scope.groups.len();
        Self {
            scope,
            groups: vec![Count::default(); count],
            strata: vec![BTreeMap::new(); count],
            listed: vec![Listed::default(); count],
            sources: BTreeSet::new(),
        }
    }

    /// Counts a citizen.
    ///
    /// # Errors
    /// 400 when more is listed than an answer takes.
    pub fn add(&mut self, facts: &Facts, rules: &Rules) -> Result<(), Rejection> {
        let all = Citizen::of(facts, rules);
        let question = self.scope.question.clone();
        for place in 0..self.scope.groups.len() {
            let Some(group) = self.scope.groups.get(place).cloned() else { continue };
            match unit(&group) {
                Some(Unit::Episode) => {
                    for one in all.episodes.iter().filter(|one| is_of(one, &question)) {
                        let traits = Traits::of(facts, Some(one), one.day, facts.person.municipality_on(one.day));
                        if traits.fits(&self.scope) {
                            let tally = episode(&group, &all, one, rules, &question);
                            self.note(place, &facts.person.id, &traits, tally)?;
                        }
                    }
                }
                Some(Unit::Citizen) => {
                    let tally = citizen(&group, &all, rules, &question);
                    let day = question.to.min(question.as_of);
                    // The municipality that certified counts, else the one lived in at the end of the period.
                    let certified = facts.list.iter().rev().find_map(|fact| match &fact.kind {
                        crate::fls::Kind::Certified { municipality, .. }
                            if tally.sources.contains(&fact.source) && !municipality.is_empty() =>
                        {
                            Some(municipality.as_str())
                        }
                        _ => None,
                    });
                    let municipality = certified.unwrap_or_else(|| facts.person.municipality_on(day));
                    let traits = Traits::of(facts, all.episodes.first(), day, municipality);
                    if tally.denominator > 0 && traits.fits(&self.scope) {
                        self.note(place, &facts.person.id, &traits, tally)?;
                    }
                }
                None => {}
            }
        }
        Ok(())
    }

    fn note(&mut self, place: usize, id: &str, traits: &Traits, tally: Tally) -> Result<(), Rejection> {
        let Some(count) = self.groups.get_mut(place) else { return Ok(()) };
        count.add(&tally);
        if let Some(strata) = self.strata.get_mut(place) {
            for stratifier in &self.scope.stratifiers {
                let values = strata.entry(stratifier).or_default();
                if values.len() >= MOST_STRATA && !values.contains_key(traits.get(stratifier)) {
                    let text =
                        format!("{stratifier} has more than {MOST_STRATA} values; leave it out or ask for one of them");
                    return Err(Rejection::new(400, IssueCode::TooCostly, text));
                }
                values.entry(traits.get(stratifier).to_owned()).or_default().add(&tally);
            }
        }
        if !self.scope.lists {
            return Ok(());
        }
        if let Some(listed) = self.listed.get_mut(place) {
            listed.initial.insert(id.to_owned());
            if tally.denominator > 0 {
                listed.denominator.insert(id.to_owned());
            }
            if tally.numerator > 0 {
                listed.numerator.insert(id.to_owned());
            }
            if listed.initial.len() > MOST_SUBJECTS {
                let text = format!(
                    "more than {MOST_SUBJECTS} citizens would be listed; ask for a shorter period, a facility or a municipality"
                );
                return Err(Rejection::new(400, IssueCode::TooCostly, text));
            }
        }
        self.sources.extend(tally.sources);
        Ok(())
    }

    /// The resources that were looked at, as `Type/id`.
    #[must_use]
    pub fn sources(&self) -> Vec<&str> {
        self.sources.iter().map(String::as_str).collect()
    }
}

/// Counts everybody.
///
/// # Errors
/// What the database says.
pub fn tally(engine: &Engine, rules: &Rules, scope: Scope) -> Result<Tallied, Rejection> {
    let mut tallied = Tallied::new(scope);
    each_citizen(engine, |facts| tallied.add(facts, rules))?;
    Ok(tallied)
}
