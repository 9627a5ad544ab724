//! Which records are one fracture, and which fracture follows another.
//!
//! Records are taken in order of their days (then of their ids), so that the order they came in changes
//! nothing. A record of the same site and side within `recode-days` of a fracture's first record is that fracture
//! coded again; another side, another site or a later day is a new one. A record without a side joins the fracture
//! of its site; where sides make no difference (spine) the site decides. The first fracture at `minimum-age` or
//! later is the index fracture, every later one is secondary to it. Each has an episode of its own.

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
    /// Code of its site.
    pub site: String,
    /// Its side, where one is known and makes a difference.
    pub side: Option<Side>,
    /// The id of the index fracture's episode, for a secondary one.
    pub index: Option<String>,
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
    /// Medicines.
    pub treatment: Treatment,
}

struct Fracture<'f> {
    day: Day,
    site: &'f str,
    side: Option<Side>,
    records: Vec<&'f str>,
    facility: &'f str,
}

impl<'f> Citizen<'f> {
    /// From facts.
    #[must_use]
    pub fn of(facts: &'f Facts, rules: &Rules) -> Self {
        Self { facts, episodes: episodes(facts, rules), treatment: Treatment::of(facts, rules) }
    }
}

/// Whether two sides may be the same bone.
fn may_be_same(left: Option<Side>, right: Option<Side>) -> bool {
    left.is_none() || right.is_none() || left == right
}

fn episodes(facts: &Facts, rules: &Rules) -> Vec<Episode> {
    let mut fractures: Vec<Fracture<'_>> = Vec::new();
    // A record with a side comes before one without of the same day: it says more.
    let mut records: Vec<_> = facts
        .list
        .iter()
        .filter_map(|fact| match &fact.kind {
            Kind::Fracture { site, side, encounter } if rules.opens(site) => {
                Some((fact.day, side.is_none(), fact.source.as_str(), site, *side, encounter))
            }
            _ => None,
        })
        .collect();
    records.sort_unstable();
    for (day, _, source, site, side, encounter) in records {
        let same = fractures.iter_mut().find(|known| {
            let near = day.since(known.day) <= rules.figures.recode_days;
            let site_fits = known.site == site || site == "unspecified" || known.site == "unspecified";
            near && site_fits && may_be_same(known.side, side)
        });
        match same {
            Some(known) => {
                known.records.push(source);
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
                fractures.push(Fracture { day, site, side, records: vec![source], facility });
            }
        }
    }
    let person = &facts.person;
    let mut index: Option<String> = None;
    let mut found = Vec::new();
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
            site: fracture.site.to_owned(),
            side: fracture.side,
            index: index.clone(),
            records: fracture.records.iter().map(|source| (*source).to_owned()).collect(),
            age,
        };
        index.get_or_insert_with(|| episode.id.clone());
        found.push(episode);
    }
    found
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
