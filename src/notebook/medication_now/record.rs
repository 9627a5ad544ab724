//! One resource about a medicine, read.

use crate::fls::{Day, Rules};
use crate::format::fold::fold;
use crate::format::json::Node;
use crate::notebook::project::medication::{drug, is_injected};
use crate::notebook::texts::{concepts, text};

/// Which resource it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// MedicationRequest
    Request,
    /// MedicationDispense
    Dispense,
    /// MedicationStatement
    Statement,
    /// MedicationAdministration
    Administration,
}

/// The time from dose to dose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// Days.
    Days(i32),
    /// Months of the calendar.
    Months(i32),
}

impl Every {
    /// The day of the next dose.
    #[must_use]
    pub fn after(self, day: Day) -> Day {
        match self {
            Self::Days(days) => day.plus(days),
            Self::Months(months) => {
                let (_, _, day_of_month) = day.civil();
                let month = day.month_number().saturating_add(months);
                let first =
                    |month: i32| Day::of(month.div_euclid(12), u8::try_from(month.rem_euclid(12) + 1).unwrap_or(1), 1);
                let last = first(month + 1).plus(-1);
                first(month).plus(i32::from(day_of_month) - 1).min(last)
            }
        }
    }

    /// Whether doses are days apart, so that the day of the next one is worth saying.
    #[must_use]
    pub const fn is_rare(self) -> bool {
        match self {
            Self::Days(days) => days > 1,
            Self::Months(_) => true,
        }
    }
}

/// What one resource says about a medicine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `MedicationRequest/x`
    pub reference: String,
    /// Which resource it is.
    pub origin: Origin,
    /// What people call the medicine.
    pub name: String,
    /// What it is known by: its class, its codes, its folded name.
    pub keys: Vec<String>,
    /// The class of our medicines.
    pub class: Option<String>,
    /// Whether it is injected.
    pub is_injected: bool,
    /// The status code.
    pub status: String,
    /// First day.
    pub starts: Option<Day>,
    /// Last day.
    pub ends: Option<Day>,
    /// Days that the supply lasts.
    pub supply: Option<i32>,
    /// From dose to dose, as the dosage says.
    pub every: Option<Every>,
    /// The day of the next dose, as somebody said.
    pub next: Option<Day>,
    /// Only when needed.
    pub as_needed: bool,
    /// How to take it.
    pub usage: Option<String>,
    /// How far it is taken.
    pub adherence: Option<String>,
    /// Why it was stopped.
    pub reason: Option<String>,
    /// When this was said.
    pub said: Option<Day>,
}

const EXTENSION: &str = "http://renraku.example/fhir/StructureDefinition/";
/// Days beyond which a supply is a mistake of writing.
const LONGEST_SUPPLY: i32 = 3660;

/// Reads a resource. `medication` is the Medication it refers to, when that is at hand. `None` when it is
/// not about a medicine that anybody takes.
#[must_use]
pub fn read(type_name: &str, resource: &Node<'_>, medication: Option<&Node<'_>>, rules: &Rules) -> Option<Record> {
    let origin = match type_name {
        "MedicationRequest" => Origin::Request,
        "MedicationDispense" => Origin::Dispense,
        "MedicationStatement" => Origin::Statement,
        "MedicationAdministration" => Origin::Administration,
        _ => return None,
    };
    let status = resource.text("status").unwrap_or_default().to_owned();
    if matches!(
        status.as_str(),
        "entered-in-error" | "draft" | "cancelled" | "declined" | "unknown" | "not-done" | "preparation"
    ) {
        return None;
    }
    let concept = resource.get("medicationCodeableConcept").or_else(|| medication?.get("code"));
    let name = drug(resource).or_else(|| concept.and_then(crate::notebook::texts::concept))?;
    let class = concept.and_then(|concept| rules.drugs.concept(concept)).or_else(|| rules.drugs.words(&name));
    let class = class.map(|place| rules.drugs.code(place).to_owned());
    let mut keys: Vec<String> = class.iter().map(|class| format!("class {class}")).collect();
    for coding in concept.map_or(&[][..], |concept| concept.list("coding")) {
        if let Some((system, code)) = coding.text("system").zip(coding.text("code")) {
            keys.push(format!("{system}|{code}"));
        }
    }
    keys.push(fold(&name));
    let dosages = if origin == Origin::Statement { "dosage" } else { "dosageInstruction" };
    let dosage = if origin == Origin::Administration { resource.get("dosage") } else { resource.list(dosages).first() };
    let day = |name: &str| resource.text(name).and_then(Day::parse);
    let period = |name: &str, end: &str| resource.get(name)?.text(end);
    let (starts, ends) = match origin {
        Origin::Request => {
            let bounds = dosage.and_then(|dosage| dosage.path(&["timing", "repeat", "boundsPeriod"]));
            let bound = |end: &str| bounds.and_then(|bounds| bounds.text(end));
            (bound("start").and_then(Day::parse).or_else(|| day("authoredOn")), bound("end").and_then(Day::last_of))
        }
        Origin::Dispense => (day("whenHandedOver").or_else(|| day("whenPrepared")), None),
        Origin::Statement | Origin::Administration => (
            day("effectiveDateTime").or_else(|| period("effectivePeriod", "start").and_then(Day::parse)),
            period("effectivePeriod", "end").and_then(Day::last_of),
        ),
    };
    let extension = |name: &str, value: &str| {
        let url = format!("{EXTENSION}{name}");
        let found = resource.list("extension").iter().find(|extension| extension.text("url") == Some(&url));
        found.and_then(|extension| extension.text(value)).map(str::to_owned)
    };
    let usage = dosage.and_then(|dosage| {
        text(dosage, "text").or_else(|| dosage.path(&["timing", "code"]).and_then(crate::notebook::texts::concept))
    });
    Some(Record {
        reference: format!("{type_name}/{}", resource.text("id").unwrap_or_default()),
        origin,
        is_injected: is_injected(resource, dosage, Some(&name)),
        name,
        keys,
        class,
        status,
        starts,
        ends,
        supply: supply(resource, dosage, origin),
        every: dosage.and_then(every),
        next: extension("next-dose-date", "valueDate").as_deref().and_then(Day::parse),
        as_needed: dosage.is_some_and(|dosage| {
            dosage.get("asNeededBoolean").and_then(Node::as_bool) == Some(true)
                || dosage.get("asNeededCodeableConcept").is_some()
        }),
        usage,
        adherence: extension("adherence", "valueCode"),
        reason: concepts(resource, "statusReason")
            .or_else(|| resource.get("statusReasonCodeableConcept").and_then(crate::notebook::texts::concept)),
        said: day("dateAsserted").or_else(|| day("authoredOn")),
    })
}

/// Days that what was prescribed or handed over lasts.
fn supply(resource: &Node<'_>, dosage: Option<&Node<'_>>, origin: Origin) -> Option<i32> {
    let once = match origin {
        Origin::Dispense => resource.get("daysSupply").and_then(days),
        Origin::Request => resource.path(&["dispenseRequest", "expectedSupplyDuration"]).and_then(days),
        _ => None,
    };
    let bounds = || dosage?.path(&["timing", "repeat", "boundsDuration"]).and_then(days);
    let once = once.or_else(bounds)?;
    let repeats = match resource.path(&["dispenseRequest", "numberOfRepeatsAllowed"]) {
        Some(Node::Number(digits)) => digits.parse::<i32>().unwrap_or(0).clamp(0, 50),
        _ => 0,
    };
    Some(once.saturating_mul(repeats + 1)).filter(|days| (1..=LONGEST_SUPPLY).contains(days))
}

/// A Duration in days.
fn days(duration: &Node<'_>) -> Option<i32> {
    let Node::Number(digits) = duration.get("value")? else { return None };
    let value: f64 = digits.parse().ok()?;
    let unit = duration.text("code").or_else(|| duration.text("unit"))?;
    let one = match unit {
        "d" | "日" => 1.0,
        "wk" | "週" => 7.0,
        "mo" | "月" => 30.0,
        "a" | "年" => 365.0,
        "h" => 1.0 / 24.0,
        _ => return None,
    };
    let days = (value * one).ceil();
    // Within what fits by the check.
    #[allow(clippy::cast_possible_truncation)]
    (days.is_finite() && (1.0..=f64::from(LONGEST_SUPPLY)).contains(&days)).then_some(days as i32)
}

/// The time from dose to dose in a Timing.
fn every(dosage: &Node<'_>) -> Option<Every> {
    let repeat = dosage.path(&["timing", "repeat"])?;
    let whole = |name: &str, default: i32| match repeat.get(name) {
        Some(Node::Number(digits)) => digits.parse::<i32>().ok().filter(|number| (1..=1000).contains(number)),
        _ => Some(default),
    };
    let days_of_week = i32::try_from(repeat.list("dayOfWeek").len()).ok().filter(|days| *days > 0);
    if let Some(days) = days_of_week.filter(|_| repeat.get("period").is_none()) {
        return Some(Every::Days((7 / days).max(1)));
    }
    let (frequency, period) = (whole("frequency", 1)?, whole("period", 0).filter(|period| *period > 0)?);
    match repeat.text("periodUnit")? {
        "d" => Some(Every::Days((period / frequency).max(1))),
        "wk" => Some(Every::Days((period * 7 / frequency).max(1))),
        "mo" if frequency == 1 => Some(Every::Months(period)),
        "mo" => Some(Every::Days((period * 30 / frequency).max(1))),
        "a" if frequency == 1 => Some(Every::Months(period.saturating_mul(12).min(1200))),
        "a" => Some(Every::Days((period * 365 / frequency).max(1))),
        _ => Some(Every::Days(1)),
    }
}
