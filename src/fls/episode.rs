//! Which records are one fracture, and which fracture follows another.
//!
//! Records are taken in order of their days (then of their ids), so that the order they came in changes
//! nothing. A record of the same site and side within `recode-days` of a fracture's first record is that fracture
//! coded again; another side, another site or a later day is a new one. A record without a side joins the fracture
//! of its site; where sides make no difference (spine) the site decides. The first fracture at `minimum-age` or
//! later is the index fracture, every later one is secondary to it. Each has an episode of its own, unless it was
//! recorded only when more than `case-days` had gone by: then it is history, and what follows is secondary to it.

use super::facts::Side;
use super::treatment::Treatment;
use super::{Day, Facts, Kind, Rules, stable_id};

/// A fracture that has an episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Episode {
    /// Id of its EpisodeOfCare.
    pub id: String,
    /// The day of the fracture.
    pub day: Day,
    /// The day it was first recorded: what is due is due from then.
    pub known: Day,
    /// Code of its site.
    pub site: String,
    /// Its side, where one is known and makes a difference.
    pub side: Option<Side>,
    /// The id of the index fracture's episode, for a secondary one.
    pub index: Option<String>,
    /// Another fracture came before it, with an episode or as history.
    pub secondary: bool,
    /// The records: `Condition/id`, the first one first.
    pub records: Vec<String>,
    /// Where it was treated: `Organization/id`; empty when unknown.
    pub facility: String,
    /// Age at the fracture; `None` when the birth date is unknown.
    pub age: Option<i32>,
}

/// A citizen with everything rules ask of.
#[derive(Debug, Clone, PartialEq)]
pub struct Citizen<'f> {
    /// The facts.
    pub facts: &'f Facts,
    /// The episodes, in order.
    pub episodes: Vec<Episode>,
    /// Fractures known as history only: they have no pathway.
    pub history: Vec<Episode>,
    /// Medicines.
    pub treatment: Treatment,
}

struct Fracture<'f> {
    day: Day,
    known: Day,
    undated: bool,
    site: &'f str,
    side: Option<Side>,
    records: Vec<&'f str>,
    facility: &'f str,
}

impl<'f> Citizen<'f> {
    /// From facts.
    #[must_use]
    pub fn of(facts: &'f Facts, rules: &Rules) -> Self {
        let (episodes, history) = episodes(facts, rules);
        Self { facts, episodes, history, treatment: Treatment::of(facts, rules) }
    }

    /// All fractures, those with an episode first.
    pub(super) fn fractures(&self) -> impl Iterator<Item = &Episode> {
        self.episodes.iter().chain(&self.history)
    }
}

/// Whether two sides may be the same bone.
fn may_be_same(left: Option<Side>, right: Option<Side>) -> bool {
    left.is_none() || right.is_none() || left == right
}

/// The fractures that have an episode, and those that are history.
fn episodes(facts: &Facts, rules: &Rules) -> (Vec<Episode>, Vec<Episode>) {
    let mut fractures: Vec<Fracture<'_>> = Vec::new();
    // A record with a side comes before one without of the same day: it says more.
    let mut records: Vec<_> = facts
        .list
        .iter()
        .filter_map(|fact| match &fact.kind {
            Kind::Fracture { site, side, encounter, known, undated } if rules.opens(site) => {
                let (known, dated) = (known.unwrap_or(fact.day), !undated);
                Some((dated, fact.day, side.is_none(), fact.source.as_str(), site, *side, encounter, known))
            }
            _ => None,
        })
        .collect();
    records.sort_unstable();
    // What has no day comes first: it was before all that has one.
    for (dated, day, _, source, site, side, encounter, recorded) in records {
        let same = fractures.iter_mut().filter(|known| dated && !known.undated).find(|known| {
            let near = day.since(known.day) <= rules.figures.recode_days;
            let site_fits = known.site == site || site == "unspecified" || known.site == "unspecified";
            near && site_fits && may_be_same(known.side, side)
        });
        match same {
            Some(known) => {
                known.records.push(source);
                known.known = known.known.min(recorded);
                known.side = known.side.or(side);
                if known.site == "unspecified" {
                    known.site = site;
                }
                if known.facility.is_empty() && encounter.starts_with("Organization/") {
                    known.facility = encounter;
                }
            }
            None => {
                let facility = if encounter.starts_with("Organization/") { encounter.as_str() } else { "" };
                fractures.push(Fracture {
                    day,
                    known: recorded,
                    undated: !dated,
                    site,
                    side,
                    records: vec![source],
                    facility,
                });
            }
        }
    }
    let person = &facts.person;
    let mut index: Option<String> = None;
    let (mut found, mut history) = (Vec::new(), Vec::new());
    for fracture in fractures {
        let age = person.age(fracture.day);
        if age.is_some_and(|age| age < rules.figures.minimum_age) {
            continue;
        }
        let head = fracture.records.first().copied().unwrap_or_default();
        let id = stable_id(&["episode", &person.id, head]);
        let episode = Episode {
            facility: facility(facts, &fracture).to_owned(),
            id,
            day: fracture.day,
            known: fracture.known,
            site: fracture.site.to_owned(),
            side: fracture.side,
            index: index.clone(),
            secondary: !fracture.undated && (index.is_some() || !history.is_empty()),
            records: fracture.records.iter().map(|source| (*source).to_owned()).collect(),
            age,
        };
        if fracture.undated || fracture.known.since(fracture.day) > rules.figures.case_days {
            history.push(episode);
            continue;
        }
        index.get_or_insert_with(|| episode.id.clone());
        found.push(episode);
    }
    (found, history)
}

/// Where it was treated: the encounter of the diagnosis says so, else the first stay at the time.
fn facility<'f>(facts: &'f Facts, fracture: &Fracture<'f>) -> &'f str {
    if !fracture.facility.is_empty() {
        return fracture.facility;
    }
    let stay = facts.list.iter().find_map(|fact| match &fact.kind {
        Kind::Stay { facility, end, .. } if !facility.is_empty() => {
            let near = (0..=30).contains(&fact.day.since(fracture.day));
            let within = fact.day <= fracture.day && end.is_none_or(|end| end >= fracture.day);
            (near || within).then_some(facility.as_str())
        }
        _ => None,
    });
    stay.unwrap_or_default()
}
