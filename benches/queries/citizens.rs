//! A made-up town in the manner of Synthea: each citizen with encounters, conditions, laboratory
//! values, prescriptions, plans and procedures over seven years. Everything follows from a citizen's
//! number, so that a search can name what is there without looking.

use serde_json::{Value, json};

/// Resources a citizen has, the Patient included.
pub(crate) const PER_CITIZEN: usize = 20;
pub(crate) const PRACTITIONERS: usize = 200;
pub(crate) const ORGANIZATIONS: usize = 50;
pub(crate) const LOCATIONS: usize = 100;

pub(crate) const IDENTIFIERS: &str = "http://example.org/citizens";
pub(crate) const LOINC: &str = "http://loinc.org";
const UCUM: &str = "http://unitsofmeasure.org";

pub(crate) const FAMILIES: [(&str, &str); 40] = [
    ("佐藤", "サトウ"),
    ("鈴木", "スズキ"),
    ("高橋", "タカハシ"),
    ("田中", "タナカ"),
    ("伊藤", "イトウ"),
    ("渡辺", "ワタナベ"),
    ("山本", "ヤマモト"),
    ("中村", "ナカムラ"),
    ("小林", "コバヤシ"),
    ("加藤", "カトウ"),
    ("吉田", "ヨシダ"),
    ("山田", "ヤマダ"),
    ("佐々木", "ササキ"),
    ("山口", "ヤマグチ"),
    ("松本", "マツモト"),
    ("井上", "イノウエ"),
    ("木村", "キムラ"),
    ("林", "ハヤシ"),
    ("斎藤", "サイトウ"),
    ("清水", "シミズ"),
    ("山崎", "ヤマザキ"),
    ("森", "モリ"),
    ("池田", "イケダ"),
    ("橋本", "ハシモト"),
    ("阿部", "アベ"),
    ("石川", "イシカワ"),
    ("山下", "ヤマシタ"),
    ("中島", "ナカジマ"),
    ("石井", "イシイ"),
    ("小川", "オガワ"),
    ("前田", "マエダ"),
    ("岡田", "オカダ"),
    ("長谷川", "ハセガワ"),
    ("藤田", "フジタ"),
    ("後藤", "ゴトウ"),
    ("近藤", "コンドウ"),
    ("村上", "ムラカミ"),
    ("遠藤", "エンドウ"),
    ("青木", "アオキ"),
    ("坂本", "サカモト"),
];
pub(crate) const GIVENS: [(&str, &str); 25] = [
    ("花子", "ハナコ"),
    ("太郎", "タロウ"),
    ("和子", "カズコ"),
    ("幸子", "サチコ"),
    ("節子", "セツコ"),
    ("洋子", "ヨウコ"),
    ("弘子", "ヒロコ"),
    ("美智子", "ミチコ"),
    ("文子", "フミコ"),
    ("千代子", "チヨコ"),
    ("清", "キヨシ"),
    ("勇", "イサム"),
    ("実", "ミノル"),
    ("博", "ヒロシ"),
    ("茂", "シゲル"),
    ("正", "タダシ"),
    ("進", "ススム"),
    ("一郎", "イチロウ"),
    ("三郎", "サブロウ"),
    ("武", "タケシ"),
    ("久子", "ヒサコ"),
    ("静子", "シズコ"),
    ("君子", "キミコ"),
    ("トミ", "トミ"),
    ("ハル", "ハル"),
];

/// Code, unit, lowest value and width of the range it varies in.
const MEASUREMENTS: [(&str, &str, usize, usize); 9] = [
    ("29463-7", "kg", 38, 50),
    ("8302-2", "cm", 135, 45),
    ("39156-5", "kg/m2", 15, 20),
    ("4548-4", "%", 4, 10),
    ("2160-0", "mg/dL", 0, 4),
    ("1751-7", "g/dL", 2, 4),
    ("17861-6", "mg/dL", 7, 5),
    ("38208-5", "{score}", 0, 10),
    ("89423-8", "s", 6, 40),
];

/// A number spread over all bits, the same for the same citizen and purpose.
pub(crate) fn mixed(number: usize, purpose: usize) -> usize {
    let mut value =
        (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (purpose as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    usize::try_from((value ^ (value >> 31)) >> 8).unwrap_or(0)
}

/// A place below `bound`, the first ones more often than the last: half fall into the first seventh.
fn skewed(number: usize, purpose: usize, bound: usize) -> usize {
    let unit = (mixed(number, purpose) % 10_000) as f64 / 10_000.0;
    ((unit * unit * unit * bound as f64) as usize).min(bound - 1)
}

pub(crate) fn citizens(resources: usize) -> usize {
    (resources - PRACTITIONERS - ORGANIZATIONS - LOCATIONS) / PER_CITIZEN
}

pub(crate) fn patient_id(number: usize) -> String {
    format!("c{number:07}")
}

pub(crate) fn name_of(number: usize) -> (&'static str, &'static str) {
    (FAMILIES[skewed(number, 1, FAMILIES.len())].0, GIVENS[mixed(number, 2) % GIVENS.len()].0)
}

/// ICD-10-like codes: 100 of them, the first common, the last rare.
pub(crate) fn condition_code(place: usize) -> String {
    format!("S{:02}", place % 100)
}

fn day(number: usize, purpose: usize) -> String {
    let days = mixed(number, purpose) % (7 * 360);
    format!("{}-{:02}-{:02}", 2019 + days / 360, 1 + days % 360 / 30, 1 + days % 28)
}

fn concept(system: &str, code: &str, text: &str) -> Value {
    json!({ "coding": [{ "system": system, "code": code, "display": text }], "text": text })
}

fn link(kind: &str, id: &str) -> Value {
    json!({ "reference": format!("{kind}/{id}") })
}

fn quantity(value: f64, unit: &str) -> Value {
    json!({ "value": value, "unit": unit, "system": UCUM, "code": unit })
}

/// What the citizens refer to.
pub(crate) fn town() -> Vec<Value> {
    let organization = |number: usize| {
        json!({ "resourceType": "Organization", "id": format!("org{number}"), "name": format!("見本病院{number:02}"),
                "type": [concept("http://terminology.hl7.org/CodeSystem/organization-type", "prov", "Provider")],
                "partOf": link("Organization", &format!("org{}", number / 10)) })
    };
    let location = |number: usize| {
        json!({ "resourceType": "Location", "id": format!("loc{number}"), "name": format!("病棟{number:02}"), "status": "active",
                "managingOrganization": link("Organization", &format!("org{}", number % ORGANIZATIONS)) })
    };
    let practitioner = |number: usize| {
        let (family, kana) = FAMILIES[number % FAMILIES.len()];
        json!({ "resourceType": "Practitioner", "id": format!("doc{number}"),
                "identifier": [{ "system": "http://example.org/doctors", "value": format!("{number:06}") }],
                "name": [{ "family": family, "given": [format!("医師{number}")] }, { "family": kana }] })
    };
    let organizations = (0..ORGANIZATIONS).map(organization);
    organizations.chain((0..LOCATIONS).map(location)).chain((0..PRACTITIONERS).map(practitioner)).collect()
}

/// A citizen with everything about them.
pub(crate) fn citizen(number: usize) -> Vec<Value> {
    let id = patient_id(number);
    let subject = link("Patient", &id);
    let (family, given) = (FAMILIES[skewed(number, 1, FAMILIES.len())], GIVENS[mixed(number, 2) % GIVENS.len()]);
    let doctor = link("Practitioner", &format!("doc{}", mixed(number, 3) % PRACTITIONERS));
    let mut all = vec![json!({
        "resourceType": "Patient", "id": id,
        "meta": { "tag": [{ "system": "http://example.org/cohort", "code": format!("cohort{}", mixed(number, 9) % 1000) }] },
        "identifier": [{ "system": IDENTIFIERS, "value": format!("{number:010}") },
                       { "system": "http://example.org/insurance", "value": format!("06{:08}", mixed(number, 4) % 100_000_000) }],
        "active": true,
        "name": [{ "use": "official", "family": family.0, "given": [given.0] }, { "family": family.1, "given": [given.1] }],
        "telecom": [{ "system": "phone", "value": format!("0562-{:02}-{:04}", number % 100, mixed(number, 5) % 10_000) }],
        "gender": if number.is_multiple_of(3) { "male" } else { "female" },
        "birthDate": format!("{}-{:02}-{:02}", 1925 + mixed(number, 6) % 30, 1 + mixed(number, 7) % 12, 1 + mixed(number, 8) % 28),
        "address": [{ "state": "愛知県", "city": (["大府市", "東海市", "知多市", "豊明市"][number % 4]), "line": [format!("見本町{}丁目{}番地", 1 + number % 9, mixed(number, 10) % 900)], "postalCode": format!("474-{:04}", number % 10_000) }],
        "generalPractitioner": [doctor],
        "managingOrganization": link("Organization", &format!("org{}", mixed(number, 11) % ORGANIZATIONS))
    })];
    for visit in 0..3 {
        let seed = number * 3 + visit;
        let start = day(seed, 20);
        all.push(json!({
            "resourceType": "Encounter", "id": format!("e{seed:08}"), "status": "finished",
            "class": { "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": (["AMB", "IMP", "EMER"][seed % 3]) },
            "subject": subject, "period": { "start": format!("{start}T09:00:00+09:00"), "end": format!("{start}T11:30:00+09:00") },
            "participant": [{ "individual": doctor }],
            "location": [{ "location": link("Location", &format!("loc{}", mixed(seed, 21) % LOCATIONS)) }],
            "serviceProvider": link("Organization", &format!("org{}", mixed(seed, 22) % ORGANIZATIONS))
        }));
    }
    for place in 0..2 {
        let seed = number * 2 + place;
        let code = condition_code(skewed(seed, 30, 100));
        all.push(json!({
            "resourceType": "Condition", "id": format!("k{seed:08}"), "subject": subject,
            "clinicalStatus": concept("http://terminology.hl7.org/CodeSystem/condition-clinical", (["active", "resolved"])[seed % 2], "状態"),
            "code": concept("http://hl7.org/fhir/sid/icd-10", &code, &format!("見本の病名{code}")),
            "encounter": link("Encounter", &format!("e{:08}", number * 3 + place)),
            "onsetDateTime": day(seed, 31), "recordedDate": day(seed, 32)
        }));
    }
    observations(number, &subject, &doctor, &mut all);
    for place in 0..2 {
        let seed = number * 2 + place;
        all.push(json!({
            "resourceType": "MedicationRequest", "id": format!("m{seed:08}"), "status": (["active", "completed", "stopped"])[mixed(seed, 50) % 3],
            "intent": "order", "subject": subject, "requester": doctor, "authoredOn": day(seed, 51),
            "medicationCodeableConcept": concept("urn:oid:1.2.392.100495.20.2.74", &format!("39990{:02}", skewed(seed, 52, 60)), "見本の薬")
        }));
    }
    all.push(json!({
        "resourceType": "CarePlan", "id": format!("a{number:08}"), "status": "active", "intent": "plan", "subject": subject,
        "category": [concept(LOINC, "38717-1", "転倒予防")], "period": { "start": day(number, 60) }, "author": doctor
    }));
    all.push(json!({
        "resourceType": "Procedure", "id": format!("q{number:08}"), "status": "completed", "subject": subject,
        "code": concept("http://example.org/procedures", &format!("K0{:02}", skewed(number, 70, 80)), "見本の手術"),
        "performedDateTime": day(number, 71), "performer": [{ "actor": doctor }]
    }));
    all.push(json!({
        "resourceType": "Immunization", "id": format!("i{number:08}"), "status": "completed", "patient": subject,
        "vaccineCode": concept("http://example.org/vaccines", &format!("V{}", number % 8), "見本のワクチン"), "occurrenceDateTime": day(number, 80)
    }));
    debug_assert_eq!(all.len(), PER_CITIZEN);
    all
}

/// Nine values: one blood pressure, eight others.
fn observations(number: usize, subject: &Value, doctor: &Value, all: &mut Vec<Value>) {
    for place in 0..9 {
        let seed = number * 9 + place;
        let encounter = link("Encounter", &format!("e{:08}", number * 3 + place % 3));
        let time = format!("{}T{:02}:{:02}:00+09:00", day(seed, 40), 8 + seed % 10, mixed(seed, 41) % 60);
        let mut observation = json!({
            "resourceType": "Observation", "id": format!("o{seed:08}"),
            "status": if mixed(seed, 42).is_multiple_of(20) { "preliminary" } else { "final" },
            "category": [concept("http://terminology.hl7.org/CodeSystem/observation-category", if place == 0 { "vital-signs" } else { "laboratory" }, "分類")],
            "subject": subject, "effectiveDateTime": time, "performer": [doctor]
        });
        if !mixed(seed, 43).is_multiple_of(50) {
            observation["encounter"] = encounter;
        }
        if place == 0 {
            let of = |code: &str, value: usize| json!({ "code": concept(LOINC, code, "血圧"), "valueQuantity": quantity(value as f64, "mm[Hg]") });
            observation["code"] = concept(LOINC, "85354-9", "血圧");
            observation["component"] =
                json!([of("8480-6", 95 + mixed(seed, 44) % 100), of("8462-4", 50 + mixed(seed, 45) % 50)]);
        } else {
            let (code, unit, low, width) = MEASUREMENTS[(number + place) % MEASUREMENTS.len()];
            observation["code"] = concept(LOINC, code, "見本の検査");
            observation["valueQuantity"] = quantity(low as f64 + (mixed(seed, 46) % (width * 10)) as f64 / 10.0, unit);
        }
        all.push(observation);
    }
}
