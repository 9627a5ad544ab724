//! What `serve --demo` shows: a small town, made up. Two municipalities with an agreement, three facilities, twelve
//! members, twenty citizens at different points of fracture liaison, and all that is told, measured and shown of them.
//!
//! | Room | |
//! |---|---|
//! | `people` | who works there |
//! | `citizens` | the table: who they are, and what happened on which day |
//! | `story`, `circle`, `life`, `talk` | what becomes of a line of the table: treatment; family and team; daily life; articles |
//! | `pictures` | photos, videos, papers, and hazards seen in them |
//! | `letter` | a discharge summary |
//!
//! Everything goes the way of all writes: transactions, the content store, the ingest of documents. Days count from the
//! day it was loaded first (in Japan), which the agreement remembers. What is there is left as it is: each transaction is
//! whole or not there, and is known by its first resource, so that a second start changes nothing, one that was
//! broken off goes on, and what somebody changed or deleted stays so.

mod circle;
mod citizens;
mod letter;
mod life;
mod make;
mod people;
mod pictures;
mod story;
mod talk;

use serde_json::Value;

use crate::engine::{Engine, Rejection};
use crate::fls::Day;
use crate::format::json;
use crate::operations::document::ingest_blocking;
use crate::operations::fls::{catch_up, today};
use crate::operations::notebook::{Asked, Notebook, SummaryKind};
use crate::r4::definitions;

use citizens::{CITIZENS, Citizen};
use make::{Chart, local};
use story::Person;

/// Whose summaries are kept as documents, and which.
const SUMMARIES: [(usize, SummaryKind); 2] = [(5, SummaryKind::Care), (9, SummaryKind::Drug)];
/// Whose page has something of everything.
const SHOWN: usize = 5;

/// What was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Resources written now; 0 when all were there.
    pub resources: usize,
    /// Id of a citizen to look at.
    pub citizen: String,
    /// Who may have an account: what they sign in with, and who they are. A doctor, the citizen, the family.
    pub people: Vec<(&'static str, String)>,
}

/// Loads the town, unless it is there. Blocks.
///
/// # Errors
/// What the engine and the content store say.
pub fn load(engine: &Engine) -> Result<Loaded, Rejection> {
    load_on(engine, today())
}

fn load_on(engine: &Engine, today: Day) -> Result<Loaded, Rejection> {
    let today = first_day(engine)?.unwrap_or(today);
    let mut loader = Loader { engine, today, resources: 0 };
    loader.write(&people::chart(today))?;
    for citizen in &CITIZENS {
        loader.citizen(citizen)?;
    }
    for (number, kind) in SUMMARIES {
        loader.summary(number, kind)?;
    }
    // The pathway and its alarms are there when the server begins to answer.
    catch_up(engine)?;
    let patient = local("Patient", &format!("{SHOWN}/patient"));
    Ok(Loaded {
        resources: loader.resources,
        citizen: patient.trim_start_matches("Patient/").to_owned(),
        people: vec![
            ("sample-doctor", people::Member::Doctor.reference()),
            ("sample-family", local("RelatedPerson", &format!("{SHOWN}/family"))),
            ("sample-citizen", patient),
        ],
    })
}

/// The day that days are counted from, where it was loaded before.
fn first_day(engine: &Engine) -> Result<Option<Day>, Rejection> {
    let agreement = people::agreement();
    let number = definitions().resource_number("Contract").unwrap_or(0);
    let version = engine.store().current(number, agreement.trim_start_matches("Contract/"))?;
    let body = version.filter(|version| !version.is_deleted()).map(|version| version.body);
    let contract = body.as_ref().and_then(|body| json::parse(body).ok());
    Ok(contract.as_ref().and_then(|contract| Day::parse(contract.text("issued")?)))
}

struct Loader<'e> {
    engine: &'e Engine,
    today: Day,
    resources: usize,
}

impl Loader<'_> {
    /// Whether something was written before; what was deleted since stays deleted.
    fn is_known(&self, type_name: &str, id: &str) -> Result<bool, Rejection> {
        let number = definitions().resource_number(type_name).unwrap_or(0);
        Ok(self.engine.store().current(number, id)?.is_some())
    }

    /// Writes a chart, unless what is first in it is there.
    fn write(&mut self, chart: &Chart) -> Result<(), Rejection> {
        let Some((type_name, id)) = chart.first() else { return Ok(()) };
        if self.is_known(&type_name, &id)? {
            return Ok(());
        }
        let Some(bundle) = chart.bundle() else { return Err(Rejection::internal("a chart is no JSON")) };
        self.engine.transact_blocking(&bundle)?;
        self.resources += chart.len();
        Ok(())
    }

    fn citizen(&mut self, citizen: &Citizen) -> Result<(), Rejection> {
        let patient = local("Patient", &format!("{}/patient", citizen.number));
        let mut person = Person { citizen, patient, today: self.today };
        let mut chart = Chart::default();
        if citizen.number == 0 {
            person.patient = self.letter(&person)?;
        } else {
            chart.put(&person.key("patient"), story::patient(&person));
            story::tell(&person, &mut chart);
        }
        circle::surround(&person, &mut chart);
        life::live(&person, &mut chart);
        self.write(&chart)?;
        if self.is_known("Communication", talk::first(&person).trim_start_matches("Communication/"))? {
            return Ok(());
        }
        let taken = pictures::take_in(self.engine, &person)?;
        self.resources += 2 * taken.len();
        let mut chart = Chart::default();
        talk::talk(&person, &mut chart, &taken);
        pictures::hazards(&person, &mut chart, &taken);
        self.write(&chart)
    }

    /// Takes the discharge summary in, unless it was: whom it is about.
    fn letter(&mut self, person: &Person<'_>) -> Result<String, Rejection> {
        let family = person.family();
        let family = family.trim_start_matches("RelatedPerson/");
        if self.is_known("RelatedPerson", family)? {
            // What is told of her here was told of whom the family belongs to.
            let found = self.engine.read_blocking("RelatedPerson", family).ok();
            let body = found.as_ref().and_then(|found| json::parse(&found.body).ok());
            let patient = body.as_ref().and_then(|body| body.path(&["patient", "reference"])?.as_str());
            return Ok(patient.unwrap_or(&person.patient).to_owned());
        }
        let letter =
            letter::letter(self.today).ok_or_else(|| Rejection::internal("the discharge summary is no JSON"))?;
        let done = ingest_blocking(self.engine, &letter)?;
        self.resources += done.created;
        let id = done.patient_id.ok_or_else(|| Rejection::internal("the discharge summary is about nobody"))?;
        self.engine
            .change_blocking("Patient", &id, |patient| story::completed(person.citizen, patient.into_owned()))?;
        Ok(format!("Patient/{id}"))
    }

    /// Keeps a summary of a citizen as a document.
    fn summary(&mut self, number: usize, kind: SummaryKind) -> Result<(), Rejection> {
        let of = local("Bundle", &format!("{number}/summary"));
        let id = of.trim_start_matches("Bundle/");
        let patient = local("Patient", &format!("{number}/patient"));
        let patient = patient.trim_start_matches("Patient/");
        if self.is_known("Bundle", id)? || self.engine.read_blocking("Patient", patient).is_err() {
            return Ok(());
        }
        let base =
            self.engine.store().options().base_url.as_deref().unwrap_or("http://renraku.example/fhir").to_owned();
        let document = Notebook::new(self.engine, Asked { base, ..Asked::default() })?.document(patient, kind)?;
        let wrong = |error: serde_json::Error| Rejection::internal(error.to_string());
        let document: Value = serde_json::from_slice(&document.to_bytes()).map_err(wrong)?;
        let composition = document["entry"][0]["resource"].clone();
        let mut chart = Chart::default();
        chart.put_as(id, document);
        chart.put(&format!("{number}/summary"), composition);
        self.write(&chart)
    }
}

#[cfg(test)]
#[path = "demo/tests.rs"]
mod tests;
