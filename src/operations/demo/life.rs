//! How a citizen lives: measurements over months, meals, exercise, falls, abilities, visits.

use serde_json::{Value, json};

use super::circle::{members, relative_named};
use super::make::{Chart, LOINC, at, concept, own, quantity, system};
use super::people::Member::{CareManager, Doctor, FamilyDoctor, Helper, HomeNurse, PhysicalTherapist};
use super::people::{Member, place};
use super::story::{Person, before, valued};
use crate::fls::Day;

/// Days between two rounds of measurements, and their number.
const ROUND: i32 = 32;
const ROUNDS: i32 = 6;

/// Everything of this room.
pub(super) fn live(person: &Person<'_>, chart: &mut Chart) {
    let citizen = person.citizen;
    // A hospital keeps its own records of these.
    let is_known_at = |days: i32| {
        let day = citizen.last() - days;
        day > citizen.known_since() && citizen.is_home(day)
    };
    for round in (0..ROUNDS).filter(|round| is_known_at(2 + round * ROUND)) {
        measure(person, chart, round);
        pressure(person, chart, round);
    }
    for (place, days) in [4, 150].into_iter().enumerate().filter(|(_, days)| is_known_at(*days)) {
        abilities(person, chart, place, days);
    }
    for (place, days) in (0..6).zip((1..).step_by(3)).filter(|(_, days)| is_known_at(*days)) {
        meal(person, chart, place, days);
    }
    for (place, days) in (0..6).zip((1..).step_by(4)).filter(|(_, days)| is_known_at(*days)) {
        exercise(person, chart, place, days);
    }
    visits(person, chart);
}

/// A small difference from one time to the next, the same each time: -1.5 to 1.5 percent.
fn wobble(person: &Person<'_>, round: i32, what: i32) -> f64 {
    let number = i32::try_from(person.citizen.number).unwrap_or(0);
    f64::from((number * 3 + round * 11 + what * 5) % 7 - 3) / 200.0
}

/// Profile, category, code, name, unit (shown and UCUM), today's figure, percent of change in half a year.
fn measure(person: &Person<'_>, chart: &mut Chart, round: i32) {
    let body = &person.citizen.body;
    let days = 2 + round * ROUND;
    let day = person.day(person.citizen.last() - days);
    let (strength, speed) = (body.change, -body.change);
    let kinds = [
        ("grip-strength", "83174-3", "握力（右）", ("kg", "kg"), body.grip, strength),
        ("grip-strength", "83173-5", "握力（左）", ("kg", "kg"), body.grip * 0.93, strength),
        ("mobility", "89423-8", "Timed Up and Go テスト", ("秒", "s"), body.up_and_go, speed),
        ("mobility", "83172-7", "歩行速度（4m）", ("m/s", "m/s"), body.gait, strength),
        ("", "29463-7", "体重", ("kg", "kg"), body.weight, body.weight_change),
    ];
    for (what, (profile, code, name, (unit, ucum), figure, percent)) in (0..).zip(kinds) {
        // The left hand and the gait are measured every other time.
        if round % 2 == 1 && matches!(code, "83173-5" | "83172-7") {
            continue;
        }
        let figure =
            before(figure, percent, days) * (1.0 + if code == "29463-7" { 0.0 } else { wobble(person, round, what) });
        let places = if code == "83172-7" { 2 } else { 1 };
        let is_weight = code == "29463-7";
        let kind = if is_weight { "body-measurement" } else { "functional-status" };
        let by = if is_weight { HomeNurse } else { PhysicalTherapist };
        let mut found = person.observation(profile, kind, concept(name, &[(LOINC, code)]), day.to_string(), by.named());
        if is_weight && let Some(categories) = found["category"].as_array_mut() {
            categories.push(vital_sign());
        }
        let value = quantity(figure, places, unit, ucum);
        chart.put(&person.key(&format!("measured/{round}/{code}")), valued(found, value));
    }
}

/// What R4 calls a vital sign says so (observation-vitalsigns.html).
fn vital_sign() -> Value {
    json!({ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs" }] })
}

/// Blood pressure: both values in one Observation.
fn pressure(person: &Person<'_>, chart: &mut Chart, round: i32) {
    let day = at(person.day(person.citizen.last() - (2 + round * ROUND)), "09:30");
    let code = concept("血圧", &[(LOINC, "85354-9")]);
    let mut found = person.observation("", "", code, day, HomeNurse.named());
    found["category"] = json!([vital_sign()]);
    // Between 118/68 and 147/83.
    let share = f64::from(u8::try_from(person.citizen.number * 7 % 20).unwrap_or(0)) / 19.0;
    let part = |name: &str, code: &str, figure: f64, what: i32| {
        let value = quantity(figure * (1.0 + 2.0 * wobble(person, round, what)), 0, "mmHg", "mm[Hg]");
        json!({ "code": concept(name, &[(LOINC, code)]), "valueQuantity": value })
    };
    found["component"] = json!([
        part("収縮期血圧", "8480-6", 118.0 + 29.0 * share, 7),
        part("拡張期血圧", "8462-4", 68.0 + 15.0 * share, 8)
    ]);
    chart.put(&person.key(&format!("measured/{round}/85354-9")), found);
}

/// The Barthel Index, as a total.
fn abilities(person: &Person<'_>, chart: &mut Chart, place: usize, days: i32) {
    let body = &person.citizen.body;
    let total = (110.0 - before(body.up_and_go, -body.change, days) * 1.6).clamp(20.0, 100.0);
    let total = (total / 5.0).round() * 5.0;
    let code = concept("Barthel Index 合計", &[(LOINC, "96761-2")]);
    let day = person.day(person.citizen.last() - days).to_string();
    let found = person.observation("", "functional-status", code, day, PhysicalTherapist.named());
    let value = quantity(total, 0, "点", "{score}");
    chart.put(&person.key(&format!("abilities/{place}")), valued(found, value));
}

const MEALS: [(&str, i32, &str); 6] = [
    ("朝食", 90, "パンと牛乳、ゆで卵を召し上がりました。"),
    ("昼食", 70, "主菜を少し残されました。"),
    ("夕食", 80, "豆腐と焼き魚を召し上がりました。"),
    ("昼食", 60, "食欲がないとのことで、おかゆに替えました。"),
    ("朝食", 100, "完食です。ヨーグルトも召し上がりました。"),
    ("夕食", 80, "家族と一緒に召し上がりました。"),
];

fn meal(person: &Person<'_>, chart: &mut Chart, place: usize, days: i32) {
    let number = person.citizen.number;
    let Some((name, share, note)) = MEALS.get((place + number) % MEALS.len()) else { return };
    let time = match *name {
        "朝食" => "08:10",
        "昼食" => "12:30",
        _ => "18:40",
    };
    let is_helped = place.is_multiple_of(2) && members(person.citizen).contains(&Helper);
    let by = if is_helped { Helper.named() } else { relative_named(person) };
    let code = own(name, "observation-code", "meal-intake");
    let mut found = person.observation("", "activity", code, at(person.day(person.citizen.last() - days), time), by);
    found["note"] = json!([{ "text": note }]);
    let chosen = valued(found, quantity(f64::from(*share), 0, "%", "%"));
    chart.put(&person.key(&format!("meal/{place}")), chosen);
}

const EXERCISES: [(&str, f64, &str, &str); 3] = [
    ("立ち座り体操", 20.0, "回", "{count}"),
    ("散歩", 15.0, "分", "min"),
    ("片脚立ち（手すりを持って）", 2.0, "分", "min"),
];

fn exercise(person: &Person<'_>, chart: &mut Chart, place: usize, days: i32) {
    let number = person.citizen.number;
    let Some((name, amount, unit, ucum)) = EXERCISES.get((place + number) % EXERCISES.len()) else { return };
    let code = own(name, "observation-code", "exercise-amount");
    let is_trained = !place.is_multiple_of(2) && members(person.citizen).contains(&PhysicalTherapist);
    let by = if is_trained { PhysicalTherapist.named() } else { person.subject() };
    let day = at(person.day(person.citizen.last() - days), "10:00");
    let found = person.observation("", "activity", code, day, by);
    chart.put(&person.key(&format!("exercise/{place}")), valued(found, quantity(*amount, 0, unit, ucum)));
}

/// A fall, told by the family.
pub(super) fn falls(person: &Person<'_>, chart: &mut Chart, key: &str, day: Day, words: &str) {
    let code = own("転倒", "observation-code", "fall-event");
    let mut found = person.observation("fall-event", "activity", code, at(day, "07:40"), relative_named(person));
    found["valueString"] = json!(words);
    chart.put(key, found);
}

/// Days from the last day, time, minutes, what for, with whom, where.
const VISITS: [(i32, &str, i32, &str, Member, &str); 8] = [
    (-63, "10:00", 20, "整形外科外来", Doctor, "hospital"),
    (-42, "14:00", 40, "モニタリング訪問", CareManager, "home-care"),
    (-20, "09:30", 15, "かかりつけ医の診察", FamilyDoctor, "clinic"),
    (-6, "13:30", 60, "訪問看護", HomeNurse, "home-care"),
    (1, "13:30", 60, "訪問看護", HomeNurse, "home-care"),
    (6, "14:00", 40, "モニタリング訪問", CareManager, "home-care"),
    (9, "09:30", 15, "かかりつけ医の診察", FamilyDoctor, "clinic"),
    (21, "10:00", 20, "整形外科外来", Doctor, "hospital"),
];

/// The nearest day on which people work, Monday to Friday: later if it is to come, earlier if it was.
fn workday(day: Day, is_to_come: bool) -> Day {
    // 1970-01-01 was a Thursday.
    let step = match ((day.0 + 3).rem_euclid(7), is_to_come) {
        (5, true) => 2,
        (6, true) => 1,
        (5, false) => -1,
        (6, false) => -2,
        _ => 0,
    };
    day.plus(step)
}

fn visits(person: &Person<'_>, chart: &mut Chart) {
    let citizen = person.citizen;
    let shift = i32::try_from(citizen.number % 5).unwrap_or(0);
    let team = members(citizen);
    for (place, (days, clock, minutes, title, with, at_place)) in VISITS.into_iter().enumerate() {
        let is_to_come = days > 0;
        let days = citizen.last() + if is_to_come { days + shift + citizen.in_hospital() } else { days - shift };
        let is_told =
            if is_to_come { citizen.is_here() } else { days > citizen.known_since() && citizen.is_home(days) };
        if is_told && team.contains(&with) {
            visit(person, chart, &format!("visit/{place}"), days, (clock, minutes, title), (with, at_place));
        }
    }
    let is_soon = |due: &i32| (0..=200).contains(due) && citizen.number != 0;
    if let Some(due) = citizen.next_dose().filter(is_soon) {
        visit(person, chart, "visit/dose", due, ("11:00", 20, "骨粗鬆症の注射"), (Doctor, "hospital"));
    }
}

fn visit(
    person: &Person<'_>,
    chart: &mut Chart,
    key: &str,
    days: i32,
    (clock, minutes, title): (&str, i32, &str),
    (with, at_place): (Member, &str),
) {
    let day = workday(person.day(days), days > 0);
    let (hour, minute) = clock.split_once(':').unwrap_or(("0", "0"));
    let end = hour.parse::<i32>().unwrap_or(0) * 60 + minute.parse::<i32>().unwrap_or(0) + minutes;
    let end = format!("{:02}:{:02}", end / 60, end % 60);
    let accepted = |actor: Value| json!({ "actor": actor, "status": "accepted" });
    chart.put(
        &person.key(key),
        json!({
            "resourceType": "Appointment", "status": if days > 0 { "booked" } else { "fulfilled" },
            "description": title, "start": at(day, clock), "end": at(day, &end), "minutesDuration": minutes,
            "created": day.min(person.today).plus(-14).to_string(), "comment": place(at_place)["display"],
            "participant": [accepted(person.subject()), accepted(with.named())],
        }),
    );
}

/// What a picture of the home shows to a therapist.
pub(super) fn hazard(person: &Person<'_>, code: &str, words: &str, days: i32, media: &str, by: Member) -> Value {
    let code_of = own("住まいの危険", "observation-code", "home-hazard");
    let day = person.day(person.citizen.last() - days).to_string();
    let mut found = person.observation("home-hazard", "sdoh", code_of, day, by.named());
    found["valueCodeableConcept"] =
        json!({ "coding": [{ "system": system("home-hazard"), "code": code }], "text": words });
    found["derivedFrom"] = json!([{ "reference": media }]);
    found
}
