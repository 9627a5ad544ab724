//! What resources say about a citizen, as typed facts: small, sorted, free of what nobody asks for.
//!
//! A fact is a day, the resource it comes from and what it says. Facts of one citizen are a set: the same
//! resources give the same facts, in whatever order they came.

mod medication;
mod read;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Day, Rules};
use crate::format::json::Node;

/// System of the identifiers of what fracture liaison makes.
pub const MADE: &str = "http://renraku.example/fhir/IdSystem/fls";

/// What is known of a citizen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Who it is.
    pub person: Person,
    /// In order of day, then of where they come from.
    pub list: Vec<Fact>,
    /// The pathway is kept as resources for this citizen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub followed: bool,
}

/// A person, as far as rules ask.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// Id of the Patient.
    pub id: String,
    /// Day of birth; the first of what is stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth: Option<Day>,
    /// Code of Patient.gender.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sex: String,
    /// Day of death.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub death: Option<Day>,
    /// Dead, on a day nobody stated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub died: bool,
    /// The municipality now: a reference.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub municipality: String,
    /// Where they lived when: first day, last day, municipality.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub residences: Vec<(Option<Day>, Option<Day>, String)>,
}

impl Person {
    /// The municipality on a day: of the address of that day, else the one of now. Empty when unknown.
    #[must_use]
    pub fn municipality_on(&self, day: Day) -> &str {
        let lived = |(from, to, _): &&(Option<Day>, Option<Day>, String)| {
            from.is_none_or(|from| from <= day) && to.is_none_or(|to| day <= to)
        };
        // The address that began last; one without a beginning came first.
        let found = self.residences.iter().filter(lived).max_by_key(|(from, _, name)| (*from, name));
        found.map_or(self.municipality.as_str(), |(_, _, name)| name)
    }

    /// Age in years on a day.
    #[must_use]
    pub fn age(&self, day: Day) -> Option<i32> {
        self.birth.map(|birth| day.age(birth))
    }

    /// Whether they were alive at the end of a day.
    #[must_use]
    pub fn alive_after(&self, day: Day) -> bool {
        self.death.map_or(!self.died, |death| death > day)
    }
}

/// One thing a resource says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// When.
    #[serde(rename = "d")]
    pub day: Day,
    /// Where it comes from: `Type/id`.
    #[serde(rename = "s")]
    pub source: String,
    /// What.
    #[serde(rename = "k")]
    pub kind: Kind,
}

/// Which side of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Side {
    Left,
    Right,
    Both,
}

impl Side {
    /// The code of our laterality.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Both => "both",
        }
    }
}

/// What is said of a medicine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// A dose was given.
    Dose,
    /// So many days' worth was prescribed or handed over; `None` where nothing says how much.
    Supply {
        /// Days.
        days: Option<i32>,
    },
    /// It is or was taken.
    Taken {
        /// The last day; `None` while it goes on.
        end: Option<Day>,
        /// When this was last said.
        asserted: Day,
        /// When the next dose is due.
        next: Option<Day>,
    },
    /// It was stopped on that day.
    Stopped {
        /// A code of treatment-stop-reason, or words.
        reason: String,
    },
    /// It was recommended.
    Recommended,
    /// It was refused.
    Refused,
}

/// What a fact says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Kind {
    /// A fracture is recorded: `known` is the day of the record where it is a later one, `undated` says that the day is
    /// only that of a record of something in the past.
    Fracture {
        site: String,
        side: Option<Side>,
        encounter: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        known: Option<Day>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        undated: bool,
    },
    /// A citizen has a diagnosis that is no fracture of interest; only whether a certification names it.
    Evidence { code: String },
    /// Something was ordered that would be evidence.
    Ordered { code: String },
    /// A weight (kg), grip strength (kg) or gait speed (m/s).
    Measured { code: String, value: f64 },
    /// A medicine for osteoporosis.
    Drug { drug: String, used: Use },
    /// A certification of care need begins.
    Certified { level: i32, end: Option<Day>, causes: Vec<String>, municipality: String },
    /// Liaison ended, and why.
    Exit { reason: String },
    /// A stay in hospital.
    Stay { end: Option<Day>, facility: String, recovery: bool },
    /// A visit as an outpatient.
    Visit { facility: String },
    /// A person closed a task of the pathway.
    Closed { task: String, done: bool, reason: String },
    /// Who is in charge of a task, an episode.
    Owner { of: String, owner: String },
    /// An alarm was taken note of.
    Acknowledged { alarm: String, who: String, reason: String },
}

/// Gives resources that facts refer to and that belong to nobody (a Medication): `Type/id` → the resource.
pub type Resolve<'r> = &'r dyn Fn(&str) -> Option<Node<'static>>;

/// The facts of a citizen.
#[must_use]
pub fn facts<'n>(
    rules: &Rules,
    resources: impl IntoIterator<Item = (&'n str, &'n Node<'n>)>,
    resolve: Resolve<'_>,
) -> Facts {
    let mut facts = Facts::default();
    for (type_name, resource) in resources {
        match type_name {
            "Patient" => facts.person = read::person(resource),
            "EpisodeOfCare" if read::is_made(resource) => {
                facts.followed = true;
                read::facts(rules, type_name, resource, resolve, &mut facts.list);
            }
            _ => read::facts(rules, type_name, resource, resolve, &mut facts.list),
        }
    }
    facts.settle();
    facts
}

/// Types that facts are read from.
pub const TYPES: [&str; 22] = [
    "Patient",
    "Condition",
    "Observation",
    "Procedure",
    "ServiceRequest",
    "MedicationRequest",
    "MedicationStatement",
    "MedicationAdministration",
    "MedicationDispense",
    "Encounter",
    "Appointment",
    "Communication",
    "QuestionnaireResponse",
    "ClinicalImpression",
    "DiagnosticReport",
    "NutritionOrder",
    "ChargeItem",
    "Claim",
    "CarePlan",
    "EpisodeOfCare",
    "Task",
    "Flag",
];

impl Facts {
    /// Puts the list in order, whatever the order it came in.
    pub fn settle(&mut self) {
        self.list.sort_by(|left, right| (left.day, &left.source).cmp(&(right.day, &right.source)));
        self.list.dedup();
        // Stays tell where a fracture was treated: the encounter of its Condition.
        let stays: BTreeMap<String, String> = self
            .list
            .iter()
            .filter_map(|fact| match &fact.kind {
                Kind::Stay { facility, .. } | Kind::Visit { facility } => Some((fact.source.clone(), facility.clone())),
                _ => None,
            })
            .collect();
        for fact in &mut self.list {
            if let Kind::Fracture { encounter, .. } = &mut fact.kind
                && let Some(facility) = stays.get(encounter.as_str())
            {
                encounter.clone_from(facility);
            }
        }
    }

    /// Whether anything here can ever matter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// A note of first things: what of these codes came first from a day on.
    #[must_use]
    pub fn first(&self, codes: &[&str], from: Day) -> Option<&Fact> {
        self.list.iter().find(|fact| {
            fact.day >= from && matches!(&fact.kind, Kind::Evidence { code } if codes.contains(&code.as_str()))
        })
    }
}
