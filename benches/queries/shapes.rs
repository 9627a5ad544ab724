//! The searches: what each is called, how its text follows from a number, and what it may cost.

use crate::citizens::{GIVENS, IDENTIFIERS, LOINC, citizens, condition_code, mixed, name_of, patient_id};

/// A kind of search.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// Milliseconds that the median may take; 0 where the work grows with what is counted or read.
    pub(crate) goal: f64,
    /// Path and query of the search with this number, in a database of so many resources.
    pub(crate) path: fn(usize, usize) -> String,
    /// The total is the number of index rows read.
    pub(crate) counts: bool,
}

const SELECTIVE: f64 = 2.0;
const LINKED: f64 = 10.0;
const NONE: f64 = 0.0;

fn some_patient(number: usize, resources: usize) -> String {
    patient_id(mixed(number, 100) % citizens(resources))
}

const fn shape(name: &'static str, goal: f64, path: fn(usize, usize) -> String) -> Shape {
    Shape { name, goal, path, counts: false }
}

const fn count(name: &'static str, path: fn(usize, usize) -> String) -> Shape {
    Shape { name, goal: NONE, path, counts: true }
}

pub(crate) const SHAPES: &[Shape] = &[
    shape("_id", SELECTIVE, |number, of| format!("Patient?_id={}", some_patient(number, of))),
    shape("identifier", SELECTIVE, |number, of| {
        format!("Patient?identifier={IDENTIFIERS}|{:010}", mixed(number, 100) % citizens(of))
    }),
    shape("identifier, 100 values", LINKED, |number, of| {
        let one = |place| format!("{IDENTIFIERS}|{:010}", mixed(number * 100 + place, 100) % citizens(of));
        format!("Patient?_count=100&identifier={}", (0..100).map(one).collect::<Vec<_>>().join(","))
    }),
    shape("string, prefix, full name", SELECTIVE, |number, of| {
        let (family, given) = name_of(mixed(number, 100) % citizens(of));
        format!("Patient?name={family}{given}&birthdate=1940-{:02}", 1 + number % 12)
    }),
    shape("string, prefix, common family name", NONE, |number, of| {
        format!("Patient?family={}", name_of(mixed(number, 100) % citizens(of)).0)
    }),
    shape("string, :exact and birthdate", SELECTIVE, |number, of| {
        let (family, _) = name_of(mixed(number, 100) % citizens(of));
        format!(
            "Patient?family:exact={family}&birthdate={}-{:02}-{:02}",
            1925 + number % 30,
            1 + number % 12,
            1 + number % 28
        )
    }),
    shape("string, :contains", NONE, |number, _| format!("Patient?given:contains={}", GIVENS[number % GIVENS.len()].0)),
    shape("token", NONE, |_, _| "Observation?code=4548-4".to_owned()),
    shape("system|token", NONE, |_, _| format!("Observation?code={LOINC}|4548-4")),
    shape("token, no total", SELECTIVE, |_, _| format!("Observation?code={LOINC}|4548-4&_total=none")),
    shape("token, rare", SELECTIVE, |number, _| format!("Patient?_tag=cohort{}", number % 1000)),
    shape("date range, no total", LINKED, |number, _| {
        format!("Encounter?date=ge2024-{:02}-01&date=lt2024-{:02}-08&_total=none", 1 + number % 12, 1 + number % 12)
    }),
    shape("date range", NONE, |number, _| {
        format!("Encounter?date=ge2024-{:02}-01&date=lt2024-{:02}-08", 1 + number % 12, 1 + number % 12)
    }),
    shape("patient, code and date", SELECTIVE, |number, of| {
        format!("Observation?patient={}&code={LOINC}|85354-9&date=ge2020", some_patient(number, of))
    }),
    shape("reference", SELECTIVE, |number, of| format!("Observation?subject=Patient/{}", some_patient(number, of))),
    shape("reference and status", SELECTIVE, |number, of| {
        format!("MedicationRequest?patient={}&status=active", some_patient(number, of))
    }),
    shape("reference, newest first", SELECTIVE, |number, of| {
        format!("Observation?subject=Patient/{}&_sort=-date&_count=5", some_patient(number, of))
    }),
    shape("quantity, rare", NONE, |_, _| "Observation?code-value-quantity=4548-4$gt13.8".to_owned()),
    shape("composite in component", NONE, |number, _| {
        format!("Observation?component-code-value-quantity=8480-6$gt{}", 190 + number % 4)
    }),
    shape("value-quantity, no total", LINKED, |number, _| {
        format!("Observation?value-quantity=ge{}|http://unitsofmeasure.org|s&_total=none", 40 + number % 5)
    }),
    shape("chain of one", LINKED, |number, of| {
        format!("Condition?patient.identifier={IDENTIFIERS}|{:010}", mixed(number, 100) % citizens(of))
    }),
    shape("chain of one, no total", LINKED, |number, of| {
        format!(
            "Observation?subject:Patient.name={}&code=4548-4&_total=none",
            name_of(mixed(number, 100) % citizens(of)).0
        )
    }),
    shape("chain of two", LINKED, |number, _| {
        format!(
            "Condition?subject:Patient.general-practitioner:Practitioner.identifier={:06}&code={}&_total=none",
            number % 200,
            condition_code(number % 100)
        )
    }),
    shape("_has, selective", LINKED, |number, of| {
        format!("Patient?_tag=cohort{}&_has:Observation:patient:code=4548-4", mixed(number, of) % 1000)
    }),
    shape("_has, rare code", LINKED, |number, _| {
        format!("Patient?_has:Condition:patient:code={}&_total=none", condition_code(95 + number % 5))
    }),
    shape("_has in _has", LINKED, |number, _| {
        format!(
            "Practitioner?_has:Patient:general-practitioner:_has:Condition:patient:code={}",
            condition_code(95 + number % 5)
        )
    }),
    shape("all, newest first", LINKED, |_, _| "Observation?_sort=-date&_count=20&_total=none".to_owned()),
    shape("code, newest first", LINKED, |_, _| "Observation?code=4548-4&_sort=-date&_count=20&_total=none".to_owned()),
    shape("two sort keys", LINKED, |_, _| "Patient?_sort=family,-birthdate&_count=20&_total=none".to_owned()),
    shape("_sort=-_lastUpdated", SELECTIVE, |_, _| "Observation?_sort=-_lastUpdated&_total=none".to_owned()),
    shape("_include", SELECTIVE, |number, of| {
        format!(
            "Observation?patient={}&_include=Observation:subject&_include=Observation:encounter",
            some_patient(number, of)
        )
    }),
    shape("_revinclude", SELECTIVE, |number, of| {
        format!(
            "Patient?_id={}&_revinclude=Observation:patient&_revinclude=Condition:patient",
            some_patient(number, of)
        )
    }),
    shape("compartment, one type", SELECTIVE, |number, of| format!("Patient/{}/Condition", some_patient(number, of))),
    shape("compartment, all", LINKED, |number, of| format!("Patient/{}/*?_count=50", some_patient(number, of))),
    shape("across types, by tag", LINKED, |number, _| format!("?_type=Patient,Condition&_tag=cohort{}", number % 1000)),
    shape(":missing, no total", LINKED, |_, _| "Observation?encounter:missing=true&_total=none".to_owned()),
    shape(":not and patient", SELECTIVE, |number, of| {
        format!("Observation?patient={}&status:not=final", some_patient(number, of))
    }),
    shape(":not and code, no total", LINKED, |_, _| "Observation?code=4548-4&status:not=final&_total=none".to_owned()),
    shape("page 50", LINKED, |_, _| "Observation?code=4548-4&_count=20&_total=none".to_owned()),
    count("count of a type", |_, _| "Observation?_summary=count".to_owned()),
    count("count of a code", |_, _| "Observation?code=4548-4&_summary=count".to_owned()),
    count("count of a code and status", |_, _| "Observation?code=4548-4&status=final&_summary=count".to_owned()),
    count("count of a code since a date", |_, _| "Observation?code=4548-4&date=ge2022&_summary=count".to_owned()),
];

/// The shape that is measured on its fiftieth page.
pub(crate) const DEEP: &str = "page 50";
