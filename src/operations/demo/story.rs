//! What happened to a citizen, as resources: fractures, stays, examinations, treatment, certifications.

use serde_json::{Value, json};

use super::citizens::Citizen;
use super::life::falls;
use super::make::{
    Chart, LOINC, YJ, at, category, claims, concept, extension, local, named, ours, own, quantity, reference, system,
};
use super::people::Member::{self, Doctor, FamilyDoctor, Nurse, Pharmacist, PhysicalTherapist};
use super::people::{TOWNS, place};
use crate::fls::Day;
use crate::format::json::Node;
use crate::notebook::model::{citizen_mapping, mapping};
use crate::store::Cell;

const ICD10: &str = "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full";
const DISEASE: &str = "http://medis.or.jp/CodeSystem/master-disease-exCode";
const JLAC10: &str = "http://medis.or.jp/CodeSystem/master-JLAC10-17digits";
const PROCEDURE: &str = "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/masterS-procedure";
const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

/// Something of a story, on its day.
#[derive(Debug)]
pub(super) enum Event {
    Fracture(&'static Disease, Side),
    Diagnosis(&'static Disease),
    /// In hospital for so many days.
    Stay(i32),
    /// Name and code of the procedure.
    Surgery(&'static str, &'static str),
    /// FRAX, percent in ten years.
    Assessment(f64),
    DxaOrdered,
    /// T-score of the neck of the femur.
    Dxa(f64),
    /// TRACP-5b, mU/dL.
    Bloods(f64),
    /// Total of a scale of fall risk.
    FallRisk(i32),
    Recommended(&'static Drug),
    /// Prescribed and handed over, days.
    Supply(&'static Drug, i32),
    /// An injection.
    Dose(&'static Drug),
    /// Taken since a day; adherence.
    Taking(&'static Drug, i32, &'static str),
    /// Taken since a day; why it was stopped, as a code and in words.
    Stopped(&'static Drug, i32, &'static str, &'static str),
    Refused(&'static Drug),
    FollowUp(&'static str),
    /// The end of liaison, a code of fls-exit.
    Exit(&'static str),
    /// Care level, days it is valid, whether the last fracture before is its cause.
    Certified(&'static str, i32, bool),
    Fall(&'static str),
    Died,
}

/// Which of two.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Left,
    Right,
    Unpaired,
}

impl Side {
    const fn words(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Left => ("左", Some("left")),
            Self::Right => ("右", Some("right")),
            Self::Unpaired => ("", None),
        }
    }
}

/// Name, MEDIS exchange code (where it is known), ICD-10, place in the body.
#[derive(Debug)]
pub(super) struct Disease(&'static str, &'static str, &'static str, &'static str);

pub(super) const NECK: Disease = Disease("大腿骨頚部骨折", "BCRD", "S720", "大腿骨頚部");
pub(super) const TROCHANTERIC: Disease = Disease("大腿骨転子部骨折", "S0K6", "S721", "大腿骨転子部");
pub(super) const LUMBAR: Disease = Disease("腰椎圧迫骨折", "BDPA", "S320", "腰椎");
pub(super) const THORACIC: Disease = Disease("胸椎圧迫骨折", "TLGJ", "S220", "胸椎");
pub(super) const FOREARM: Disease = Disease("橈骨遠位端骨折", "CJTR", "S525", "橈骨遠位端");
pub(super) const HUMERUS: Disease = Disease("上腕骨近位端骨折", "KCNB", "S422", "上腕骨近位端");
pub(super) const RIB: Disease = Disease("肋骨骨折", "", "S223", "肋骨");
pub(super) const SARCOPENIA: Disease = Disease("サルコペニア", "SEFR", "M6259", "");
pub(super) const OSTEOPOROSIS: Disease = Disease("骨粗鬆症", "LRJN", "M819", "");

/// A medicine of the treatment.
#[derive(Debug)]
pub(super) struct Drug {
    name: &'static str,
    code: &'static str,
    usage: &'static str,
    /// Days from dose to dose, and mg of a dose, of what is injected at the hospital.
    interval: i32,
    milligrams: f64,
}

const fn drug(name: &'static str, code: &'static str, usage: &'static str) -> Drug {
    Drug { name, code, usage, interval: 0, milligrams: 0.0 }
}

const fn injected(name: &'static str, usage: &'static str, interval: i32, milligrams: f64) -> Drug {
    Drug { name, code: "", usage, interval, milligrams }
}

pub(super) const ALENDRONATE: Drug = drug("アレンドロン酸錠35mg", "", "週1回 起床時 1回1錠");
pub(super) const DENOSUMAB: Drug = injected("デノスマブ皮下注60mg", "6か月に1回 皮下注射", 183, 60.0);
pub(super) const ZOLEDRONATE: Drug = injected("ゾレドロン酸点滴静注5mg", "年1回 点滴静注", 365, 5.0);
pub(super) const ROMOSOZUMAB: Drug = injected("ロモソズマブ皮下注105mg", "月1回 2本 皮下注射", 30, 210.0);
pub(super) const TERIPARATIDE: Drug = drug("テリパラチド酢酸塩皮下注28.2μg", "", "週2回 自己注射");
pub(super) const SUPPLEMENT: Drug = drug("デノタスチュアブル配合錠", "3219100F1020", "1日1回 朝食後 1回2錠");

impl Drug {
    /// Days from dose to dose.
    pub(super) const fn interval(&self) -> i32 {
        self.interval
    }

    fn concept(&self) -> Value {
        if self.code.is_empty() { concept(self.name, &[]) } else { concept(self.name, &[(YJ, self.code)]) }
    }
}

/// What a citizen's resources are about.
pub(super) struct Person<'c> {
    pub(super) citizen: &'c Citizen,
    /// `Patient/…`
    pub(super) patient: String,
    pub(super) today: Day,
}

impl Person<'_> {
    pub(super) fn subject(&self) -> Value {
        named(&self.patient, &self.citizen.name())
    }

    /// A key of their own.
    pub(super) fn key(&self, what: &str) -> String {
        format!("{}/{what}", self.citizen.number)
    }

    pub(super) fn day(&self, days: i32) -> Day {
        self.today.plus(days)
    }

    pub(super) fn team(&self) -> String {
        local("CareTeam", &self.key("team"))
    }

    pub(super) fn family(&self) -> String {
        local("RelatedPerson", &self.key("family"))
    }

    /// An Observation of a category of JP Core.
    pub(super) fn observation(&self, profile: &str, kind: &str, code: Value, day: String, by: Value) -> Value {
        let meta = if profile.is_empty() { Value::Null } else { claims(profile) };
        json!({
            "resourceType": "Observation", "meta": meta, "status": "final", "category": [category(kind)],
            "code": code, "subject": self.subject(), "effectiveDateTime": day, "performer": [by],
        })
    }
}

/// Puts the whole story into a chart.
pub(super) fn tell(person: &Person<'_>, chart: &mut Chart) {
    let mut fractures: Vec<String> = Vec::new();
    for (place, (days, event)) in person.citizen.story.iter().enumerate() {
        let key = person.key(&format!("story/{place}"));
        let day = person.day(*days);
        match event {
            Event::Fracture(disease, side) => {
                let first = fractures.first().cloned();
                fractures.push(chart.put(&key, fracture(person, disease, *side, day, first.as_deref())));
            }
            Event::Certified(level, length, by_fracture) => {
                let cause = fractures.last().filter(|_| *by_fracture);
                chart.put(&key, certified(person, level, day, *length, cause));
            }
            Event::Supply(drug, days) => {
                let request = chart.put(&key, prescribed(person, drug, day, *days, fractures.last()));
                chart.put(&key, handed_over(person, drug, day, *days, &request));
            }
            Event::Fall(words) => falls(person, chart, &key, day, words),
            // In the Patient itself.
            Event::Died => {}
            other => {
                chart.put(&key, single(person, other, day, fractures.last()));
            }
        }
    }
}

/// What is one resource.
fn single(person: &Person<'_>, event: &Event, day: Day, fracture: Option<&String>) -> Value {
    let subject = person.subject();
    let because = fracture.map(|fracture| json!([reference(fracture)]));
    match event {
        Event::Diagnosis(disease) => condition(person, disease, "", day),
        Event::Stay(length) => stay(person, day, *length, because),
        Event::Surgery(name, code) => json!({
            "resourceType": "Procedure", "status": "completed", "code": concept(name, &[(PROCEDURE, code)]),
            "category": concept("手術", &[]), "subject": subject, "performedDateTime": day.to_string(),
            "performer": [{ "actor": Doctor.named() }], "reasonReference": because,
        }),
        Event::Assessment(percent) => {
            let code = concept("FRAX 主要骨粗鬆症性骨折の10年確率", &[(LOINC, "90265-0")]);
            valued(
                person.observation("", "survey", code, day.to_string(), Nurse.named()),
                quantity(*percent, 0, "%", "%"),
            )
        }
        Event::DxaOrdered => order(person, day, own("骨密度検査（DXA）", "fls-activity", "dxa"), because),
        Event::Dxa(score) => {
            let code = concept("骨密度（大腿骨頚部）", &[(LOINC, "38263-0")]);
            let mut found = person.observation("bone-density", "exam", code, day.to_string(), Doctor.named());
            found["bodySite"] = concept("大腿骨頚部", &[]);
            valued(found, quantity(*score, 1, "Tスコア", "{T-score}"))
        }
        Event::Bloods(value) => {
            let code = concept("TRACP-5b", &[(JLAC10, "3B222000002302301")]);
            let found = person.observation("", "laboratory", code, day.to_string(), Doctor.named());
            valued(found, quantity(*value, 0, "mU/dL", "mU/dL"))
        }
        Event::FallRisk(total) => {
            let code = concept("転倒リスク評価 合計点", &[(LOINC, "59460-6")]);
            let found = person.observation("", "survey", code, day.to_string(), PhysicalTherapist.named());
            valued(found, quantity(f64::from(*total), 0, "点", "{score}"))
        }
        Event::Recommended(drug) => {
            let words = format!("骨粗鬆症治療の推奨：{}", drug.name);
            order(person, day, own(&words, "fls-activity", "treatment-recommendation"), because)
        }
        Event::Dose(drug) => dose(person, drug, day, because),
        Event::Taking(drug, since, adherence) => {
            let mut taken = statement(person, drug, "active", day);
            taken["extension"] = json!([extension("adherence", "valueCode", json!(adherence))]);
            taken["effectivePeriod"] = json!({ "start": person.day(*since).to_string() });
            taken
        }
        Event::Stopped(drug, since, code, words) => {
            let mut stopped = statement(person, drug, "stopped", day);
            stopped["statusReason"] = json!([own(words, "treatment-stop-reason", code)]);
            stopped["effectivePeriod"] = json!({ "start": person.day(*since).to_string(), "end": day.to_string() });
            stopped
        }
        Event::Refused(drug) => {
            let mut refused = statement(person, drug, "not-taken", day);
            refused["statusReason"] = json!([own("本人が注射を希望されないため", "treatment-stop-reason", "refused")]);
            refused["effectiveDateTime"] = json!(day.to_string());
            refused
        }
        Event::FollowUp(code) => {
            let words =
                if *code == "follow-up-16w" { "16週フォローアップ" } else { "52週フォローアップ" };
            json!({
                "resourceType": "Encounter", "status": "finished", "class": { "system": ACT, "code": "AMB" },
                "type": [own(words, "fls-activity", code)], "subject": subject,
                "participant": [{ "individual": Doctor.named() }],
                "period": { "start": at(day, "10:00"), "end": at(day, "10:30") },
                "reasonReference": because, "serviceProvider": place("hospital"),
            })
        }
        Event::Exit(code) => {
            let (words, by) = match *code {
                "moved-away" => ("見本町へ転居のため", Member::SocialWorker),
                _ => ("かかりつけ医で診てもらうとのこと", Nurse),
            };
            let code_of = own("骨折リエゾンの終了", "observation-code", "fls-exit");
            let mut end = person.observation("", "survey", code_of, day.to_string(), by.named());
            end["valueCodeableConcept"] = own(words, "fls-exit", code);
            end
        }
        Event::Fracture(..) | Event::Certified(..) | Event::Supply(..) | Event::Fall(_) | Event::Died => Value::Null,
    }
}

pub(super) fn valued(mut observation: Value, value: Value) -> Value {
    observation["valueQuantity"] = value;
    observation
}

fn condition(person: &Person<'_>, Disease(name, exchange, icd, _): &Disease, side: &str, day: Day) -> Value {
    let status = |name: &str, code: &str| json!({ "coding": [{ "system": format!("http://terminology.hl7.org/CodeSystem/{name}"), "code": code }] });
    let mut codings = Vec::new();
    if !exchange.is_empty() {
        codings.push((DISEASE, *exchange));
    }
    codings.push((ICD10, *icd));
    json!({
        "resourceType": "Condition", "clinicalStatus": status("condition-clinical", "active"),
        "verificationStatus": status("condition-ver-status", "confirmed"),
        "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/condition-category",
            "code": "encounter-diagnosis" }] }],
        "code": concept(&format!("{side}{name}"), &codings), "subject": person.subject(),
        "onsetDateTime": day.to_string(), "recordedDate": day.to_string(), "recorder": Doctor.named(),
    })
}

fn fracture(person: &Person<'_>, disease: &Disease, side: Side, day: Day, first: Option<&str>) -> Value {
    let (words, code) = side.words();
    let mut found = condition(person, disease, words, day);
    let laterality = code.map(|code| json!([extension("laterality", "valueCode", json!(code))]));
    let mut site = json!({ "text": format!("{words}{}", disease.3) });
    if let Some(laterality) = laterality {
        site["extension"] = laterality;
    }
    found["bodySite"] = json!([site]);
    if disease.1.is_empty() {
        return found;
    }
    found["meta"] = claims("index-fracture");
    found["extension"] = match first {
        None => json!([extension("fracture-sequence", "valueCode", json!("index"))]),
        Some(first) => json!([
            extension("fracture-sequence", "valueCode", json!("secondary")),
            extension("index-fracture-reference", "valueReference", reference(first)),
        ]),
    };
    found
}

fn stay(person: &Person<'_>, day: Day, length: i32, because: Option<Value>) -> Value {
    let end = day.plus(length);
    let is_over = end < person.today;
    let mut period = json!({ "start": day.to_string() });
    if is_over {
        period["end"] = json!(end.to_string());
    }
    json!({
        "resourceType": "Encounter", "status": if is_over { "finished" } else { "in-progress" },
        "class": { "system": ACT, "code": "IMP" }, "type": [own("急性期病棟への入院", "fls-activity", "acute-ward")],
        "subject": person.subject(), "period": period, "reasonReference": because,
        "hospitalization": { "admitSource": { "text": "自宅から" } }, "serviceProvider": place("hospital"),
    })
}

fn order(person: &Person<'_>, day: Day, code: Value, because: Option<Value>) -> Value {
    json!({
        "resourceType": "ServiceRequest", "status": "active", "intent": "order", "code": code,
        "subject": person.subject(), "authoredOn": day.to_string(), "requester": Doctor.named(),
        "reasonReference": because,
    })
}

fn prescribed(person: &Person<'_>, drug: &Drug, day: Day, days: i32, fracture: Option<&String>) -> Value {
    json!({
        "resourceType": "MedicationRequest", "status": "completed", "intent": "order",
        "medicationCodeableConcept": drug.concept(), "subject": person.subject(), "authoredOn": day.to_string(),
        "requester": FamilyDoctor.named(), "reasonReference": fracture.map(|fracture| json!([reference(fracture)])),
        "dosageInstruction": [{ "text": drug.usage }],
        "dispenseRequest": { "expectedSupplyDuration": quantity(f64::from(days), 0, "日", "d") },
    })
}

fn handed_over(person: &Person<'_>, drug: &Drug, day: Day, days: i32, request: &str) -> Value {
    json!({
        "resourceType": "MedicationDispense", "status": "completed", "medicationCodeableConcept": drug.concept(),
        "subject": person.subject(), "performer": [{ "actor": Pharmacist.named() }],
        "authorizingPrescription": [reference(request)], "daysSupply": quantity(f64::from(days), 0, "日", "d"),
        "whenHandedOver": at(day, "16:00"), "dosageInstruction": [{ "text": drug.usage }],
    })
}

fn dose(person: &Person<'_>, drug: &Drug, day: Day, because: Option<Value>) -> Value {
    let next = day.plus(drug.interval);
    json!({
        "resourceType": "MedicationAdministration",
        "extension": [extension("next-dose-date", "valueDate", json!(next.to_string()))],
        "status": "completed", "medicationCodeableConcept": drug.concept(), "subject": person.subject(),
        "effectiveDateTime": at(day, "10:20"), "performer": [{ "actor": Doctor.named() }],
        "reasonReference": because, "dosage": { "text": drug.usage, "route": { "text": "注射" },
            "dose": quantity(drug.milligrams, 0, "mg", "mg") },
        "note": [{ "text": format!("次回予定 {next}。間隔をあけすぎないこと。") }],
    })
}

fn statement(person: &Person<'_>, drug: &Drug, status: &str, day: Day) -> Value {
    json!({
        "resourceType": "MedicationStatement", "meta": claims("osteoporosis-medication-statement"), "status": status,
        "medicationCodeableConcept": drug.concept(), "subject": person.subject(), "dateAsserted": day.to_string(),
        "informationSource": Pharmacist.named(), "dosage": [{ "text": drug.usage }],
    })
}

/// What a care level is called, as the notebook calls it.
fn level_name(level: &str) -> Option<String> {
    let mapping = mapping("care_level")?;
    let place = mapping.entity.fields.iter().position(|field| field.name == "level")?;
    mapping.codes(0, place)?.into_iter().find(|known| known.code == level).map(|known| known.ja)
}

fn certified(person: &Person<'_>, level: &str, day: Day, length: i32, cause: Option<&String>) -> Value {
    let extensions = cause.map(|cause| json!([extension("care-level-cause", "valueReference", reference(cause))]));
    let municipality = TOWNS.get(person.citizen.town).copied().unwrap_or_default();
    json!({
        "resourceType": "Observation", "meta": claims("care-level"), "extension": extensions, "status": "final",
        "category": [category("disability-status")], "code": own("要介護状態区分", "observation-code", "care-level"),
        "subject": person.subject(), "performer": [place(municipality)],
        "effectivePeriod": { "start": day.to_string(), "end": day.plus(length - 1).to_string() },
        "valueCodeableConcept": { "coding": [{ "system": system("care-level"), "code": level }], "text": level_name(level) },
    })
}

/// A regular medicine that has nothing to do with bones.
pub(super) fn regular(person: &Person<'_>, (name, usage): (&str, &str), since: Day, last: Day) -> Value {
    json!({
        "resourceType": "MedicationStatement", "status": if person.citizen.is_here() { "active" } else { "completed" },
        "medicationCodeableConcept": concept(name, &[]), "subject": person.subject(),
        "effectivePeriod": { "start": since.to_string() }, "dateAsserted": last.to_string(),
        "informationSource": Pharmacist.named(), "dosage": [{ "text": usage }],
        "extension": [extension("adherence", "valueCode", json!("taken"))],
    })
}

/// The Patient itself.
pub(super) fn patient(person: &Person<'_>) -> Value {
    let citizen = person.citizen;
    let town = TOWNS.get(citizen.town).copied().unwrap_or_default();
    let city = place(town)["display"].as_str().unwrap_or_default().to_owned();
    let (notebook, insured) = numbers(citizen);
    let identifiers = [
        (super::make::HOSPITAL_ID.to_owned(), format!("{:07}", 9_000_000 + citizen.number)),
        (ours("IdSystem/notebook"), notebook),
        (ours("IdSystem/ltc-insured"), insured),
    ];
    let identifiers = identifiers.map(|(system, value)| json!({ "system": system, "value": value }));
    json!({
        "resourceType": "Patient", "meta": claims("notebook-patient"), "identifier": identifiers, "active": true,
        "name": super::make::names(citizen.given, citizen.kana),
        "telecom": [{ "system": "phone", "value": "000-0000-0000", "use": "home" }],
        "gender": if citizen.is_female { "female" } else { "male" }, "birthDate": citizen.birth,
        "deceasedDateTime": citizen.died().map(|days| person.day(days).to_string()),
        "address": [{ "use": "home", "text": format!("見本県{city}本町1-2-{}", citizen.number + 3), "city": city,
            "state": "見本県" }],
        "managingOrganization": place(town),
    })
}

/// The Patient of a document, with what the town adds.
pub(super) fn completed(citizen: &Citizen, patient: Node<'static>) -> Node<'static> {
    let mapping = citizen_mapping();
    let Some(mut cells) = mapping.values(0, &patient, 0) else { return patient };
    let (notebook, insured) = numbers(citizen);
    let town = TOWNS.get(citizen.town).copied().unwrap_or_default();
    for (field, value) in
        [("municipality", local("Organization", town)), ("notebook_id", notebook), ("insured_id", insured)]
    {
        mapping.put(&mut cells, field, Cell::Text(value));
    }
    mapping.edit(0, patient, 0, &cells)
}

/// The numbers of the notebook and of the insurance for long-term care.
fn numbers(citizen: &Citizen) -> (String, String) {
    (format!("N-{:06}", 900_000 + citizen.number), format!("99{:08}", citizen.number))
}

/// What a figure of today was so many days ago.
pub(super) fn before(today: f64, percent: f64, days: i32) -> f64 {
    today / (1.0 + percent / 100.0 * f64::from(days) / 183.0)
}
