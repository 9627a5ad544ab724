//! Certifications of care need (要介護認定): which are new, and what caused them.

use super::{Citizen, Day, Kind, Rules};

/// A certification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certification<'f> {
    /// Its first day.
    pub start: Day,
    /// Its last day.
    pub end: Option<Day>,
    /// Code of the care level, as a number.
    pub level: i32,
    /// No certification was valid just before.
    pub is_new: bool,
    /// The highest level certified before; 0 when there was none.
    pub before: i32,
    /// The attending doctor's first diagnosis is a fracture: any fracture, at whatever age.
    pub first_is_fracture: bool,
    /// The second fracture that explains it: its record.
    pub second: Option<&'f str>,
    /// The municipality that certified; where the citizen lived when it is not stated.
    pub municipality: &'f str,
    /// `Observation/id`
    pub source: &'f str,
}

impl Certification<'_> {
    /// Support levels 1 and 2 and care levels 1 to 5: codes 12 to 25 (11 is transitional).
    #[must_use]
    pub const fn is_care_need(&self) -> bool {
        is_care_need(self.level)
    }
}

const fn is_care_need(level: i32) -> bool {
    matches!(level, 11..=13 | 21..=25)
}

/// All certifications, in order of their days.
#[must_use]
pub fn certifications<'f>(citizen: &'f Citizen<'_>, rules: &Rules) -> Vec<Certification<'f>> {
    let facts = citizen.facts;
    let figures = &rules.figures;
    let mut found: Vec<Certification<'f>> = Vec::new();
    for fact in &facts.list {
        let Kind::Certified { level, end, causes, municipality } = &fact.kind else { continue };
        let earlier: Vec<&Certification<'_>> =
            found.iter().filter(|one| one.is_care_need() && one.start < fact.day).collect();
        let valid_before =
            earlier.iter().any(|one| one.end.is_none_or(|end| end.plus(figures.new_certification_days) >= fact.day));
        let is_fracture = |reference: &str| {
            reference.strip_prefix('#').is_some_and(|site| !site.is_empty())
                || facts.list.iter().any(|one| one.source == reference && matches!(one.kind, Kind::Fracture { .. }))
        };
        let before = earlier.iter().map(|one| one.level).max().unwrap_or(0);
        found.push(Certification {
            start: fact.day,
            end: *end,
            level: *level,
            is_new: is_care_need(*level) && !valid_before,
            before,
            first_is_fracture: causes.first().is_some_and(|cause| is_fracture(cause)),
            second: second(citizen, causes, fact.day, figures.secondary_days),
            municipality: if municipality.is_empty() { facts.person.municipality_on(fact.day) } else { municipality },
            source: &fact.source,
        });
    }
    found
}

/// A secondary fracture that explains a certification: one that it names; where it names no cause, one that
/// happened at most so many days before.
fn second<'f>(citizen: &'f Citizen<'_>, causes: &[String], start: Day, days: i32) -> Option<&'f str> {
    let secondary = citizen.fractures().filter(|episode| episode.secondary && episode.day <= start);
    for episode in secondary {
        let named = episode.records.iter().find(|record| causes.contains(record));
        if let Some(record) = named {
            return Some(record);
        }
        // A diagnosis without a record of its own names the bone; it means a fracture of it not long ago.
        let names_the_bone = causes.iter().any(|cause| cause.strip_prefix('#') == Some(&episode.site));
        if names_the_bone && start.since(episode.day) <= days {
            return episode.records.first().map(String::as_str);
        }
        if causes.is_empty() && start.since(episode.day) <= days {
            return episode.records.first().map(String::as_str);
        }
    }
    None
}
