use super::*;
use crate::fls::{Day, Rules};
use crate::format::json::parse;

const TODAY: &str = "2026-06-01";

fn now(resources: &[&str]) -> Vec<Course> {
    at(TODAY, resources)
}

fn at(today: &str, resources: &[&str]) -> Vec<Course> {
    let rules = Rules::built_in();
    let records: Vec<Record> = resources
        .iter()
        .filter_map(|text| {
            let resource = parse(text.as_bytes()).unwrap();
            read(resource.text("resourceType").unwrap(), &resource, None, &rules)
        })
        .collect();
    courses(&records, &rules, Day::parse(today).unwrap())
}

fn one(courses: &[Course]) -> &Course {
    assert_eq!(courses.len(), 1, "{courses:#?}");
    &courses[0]
}

fn day(day: Option<Day>) -> String {
    day.map(|day| day.to_string()).unwrap_or_default()
}

fn request(id: &str, drug: &str, on: &str, days: u32, status: &str) -> String {
    format!(
        r#"{{"resourceType":"MedicationRequest","id":"{id}","status":"{status}","intent":"order","medicationCodeableConcept":{{"text":"{drug}"}},
        "authoredOn":"{on}","dosageInstruction":[{{"text":"1日1回 朝食後"}}],"dispenseRequest":{{"expectedSupplyDuration":{{"value":{days},"code":"d"}}}}}}"#
    )
}

fn dose(id: &str, drug: &str, on: &str) -> String {
    format!(
        r#"{{"resourceType":"MedicationAdministration","id":"{id}","status":"completed","medicationCodeableConcept":{{"text":"{drug}"}},"effectiveDateTime":"{on}"}}"#
    )
}

fn statement(drug: &str, status: &str, more: &str) -> String {
    format!(
        r#"{{"resourceType":"MedicationStatement","id":"s","status":"{status}","medicationCodeableConcept":{{"text":"{drug}"}}{more}}}"#
    )
}

const DENOSUMAB: &str = "デノスマブ皮下注60mg";
const ALENDRONATE: &str = "アレンドロン酸錠35mg";

/// A drug started before the fracture counts as on treatment (DOMAIN §4): its course begins when it began.
#[test]
fn a_course_begins_when_it_began_whatever_came_since() {
    let courses = now(&[
        &statement(ALENDRONATE, "active", r#","effectivePeriod":{"start":"2024-02-01"},"dateAsserted":"2026-05-20""#),
        &request("r", ALENDRONATE, "2026-05-10", 28, "active"),
    ]);
    let course = one(&courses);
    assert_eq!((course.state, day(course.since).as_str()), (State::Taking, "2024-02-01"));
    assert!(course.until.is_none() && course.gaps.is_empty(), "{course:?}");
    let (next, from) = course.next.unwrap();
    assert_eq!((next.to_string().as_str(), from), ("2026-06-04", NextDose::Rule), "weekly from its beginning");
}

/// An injection given in hospital is absent from the discharge prescription (DOMAIN §3).
#[test]
fn an_injection_given_in_hospital_is_taken_though_nothing_prescribes_it() {
    let courses = now(&[
        &dose("a", DENOSUMAB, "2026-04-20"),
        &request("r", "エルデカルシトールカプセル0.75μg", "2026-05-20", 28, "active"),
    ]);
    let injection = courses.iter().find(|course| course.is_injected).unwrap();
    let (next, from) = injection.next.unwrap();
    assert_eq!((next.to_string().as_str(), from, injection.state), ("2026-10-20", NextDose::Rule, State::Taking));
    assert_eq!(day(injection.last), "2026-04-20");
    assert_eq!(courses.len(), 2);
}

#[test]
fn the_next_dose_follows_interval_and_grace() {
    for (today, state) in [
        ("2026-10-05", State::Taking),
        ("2026-10-06", State::Due),
        ("2026-10-20", State::Due),
        ("2026-11-19", State::Due),
        ("2026-11-20", State::Overdue),
    ] {
        let courses = at(today, &[&dose("a", DENOSUMAB, "2026-04-20")]);
        assert_eq!(one(&courses).state, state, "{today}");
    }
    let yearly = now(&[&dose("a", "ゾレドロン酸点滴静注5mg", "2026-03-01")]);
    assert_eq!(one(&yearly).next.unwrap().0.to_string(), "2027-03-01");
    let late = at("2026-12-01", &[&dose("a", DENOSUMAB, "2026-04-20")]);
    assert_eq!(
        one(&late).gaps.iter().map(|(from, to)| format!("{from} {to}")).collect::<Vec<_>>(),
        ["2026-10-21 2026-12-01"]
    );
}

#[test]
fn what_is_written_down_goes_before_the_rule() {
    let stated = statement(
        DENOSUMAB,
        "active",
        r#","extension":[{"url":"http://renraku.example/fhir/StructureDefinition/next-dose-date","valueDate":"2026-10-13"}],"effectivePeriod":{"start":"2026-04-20"}"#,
    );
    let courses = now(&[&stated, &dose("a", DENOSUMAB, "2026-04-20")]);
    assert_eq!(
        one(&courses).next.map(|(day, from)| (day.to_string(), from)),
        Some(("2026-10-13".to_owned(), NextDose::Stated))
    );
    // A dose that came after it makes it old.
    let courses =
        at("2026-11-01", &[&stated, &dose("a", DENOSUMAB, "2026-04-20"), &dose("b", DENOSUMAB, "2026-10-20")]);
    assert_eq!(one(&courses).next.unwrap().1, NextDose::Rule);
    let every = r#","dosage":[{"text":"月1回","timing":{"repeat":{"frequency":1,"period":1,"periodUnit":"mo"}}}],"effectivePeriod":{"start":"2026-01-31"}"#;
    let courses = at("2026-02-10", &[&statement("ミノドロン酸錠50mg", "active", every)]);
    assert_eq!(
        one(&courses).next.map(|(day, from)| (day.to_string(), from)),
        Some(("2026-02-28".to_owned(), NextDose::Dosage))
    );
}

#[test]
fn overlapping_prescriptions_are_one_course() {
    let courses = now(&[
        &request("r1", ALENDRONATE, "2026-04-01", 28, "completed"),
        &request("r2", ALENDRONATE, "2026-04-25", 28, "completed"),
        &request("r3", "アレンドロン酸錠３５ｍｇ", "2026-05-20", 28, "active"),
    ]);
    let course = one(&courses);
    assert_eq!((course.state, day(course.until).as_str(), course.gaps.len()), (State::Taking, "2026-06-16", 0));
    assert_eq!(course.sources, ["MedicationRequest/r3", "MedicationRequest/r2", "MedicationRequest/r1"]);
}

#[test]
fn gaps_longer_than_the_grace_are_named() {
    let courses = now(&[
        &request("r1", ALENDRONATE, "2026-01-01", 28, "completed"),
        &request("r2", ALENDRONATE, "2026-03-15", 28, "completed"),
    ]);
    let course = one(&courses);
    let gaps: Vec<String> = course.gaps.iter().map(|(from, to)| format!("{from} {to}")).collect();
    assert_eq!(gaps, ["2026-01-29 2026-03-14", "2026-04-12 2026-06-01"]);
    assert_eq!(course.state, State::Overdue);
    let within = at("2026-02-10", &[&request("r1", ALENDRONATE, "2026-01-01", 28, "active")]);
    assert_eq!(one(&within).state, State::Due);
}

/// What is left of one supply is taken before the next.
#[test]
fn supplies_add_up() {
    let dispense = |id: &str, on: &str| {
        format!(
            r#"{{"resourceType":"MedicationDispense","id":"{id}","status":"completed","medicationCodeableConcept":{{"text":"{ALENDRONATE}"}},"whenHandedOver":"{on}","daysSupply":{{"value":28,"code":"d"}}}}"#
        )
    };
    let courses = now(&[&dispense("a", "2026-04-20"), &dispense("b", "2026-05-10")]);
    assert_eq!((day(one(&courses).until).as_str(), one(&courses).state), ("2026-06-14", State::Taking));
}

#[test]
fn what_was_stopped_is_over_until_it_begins_again() {
    let stop = statement(
        ALENDRONATE,
        "stopped",
        r#","statusReason":[{"text":"胃部不快感"}],"effectivePeriod":{"start":"2026-01-01","end":"2026-05-01"},"dateAsserted":"2026-05-02""#,
    );
    let courses = now(&[&stop, &request("r", ALENDRONATE, "2026-04-20", 60, "active")]);
    let course = one(&courses);
    assert_eq!((course.state, course.reason.as_deref(), course.next), (State::Stopped, Some("胃部不快感"), None));
    let courses = now(&[&stop, &request("r", ALENDRONATE, "2026-05-20", 28, "active")]);
    assert_eq!(one(&courses).state, State::Taking);
    assert_eq!(
        one(&now(&[&statement(ALENDRONATE, "not-taken", r#","dateAsserted":"2026-05-02""#)])).state,
        State::NotTaken
    );
    assert_eq!(
        one(&now(&[&statement(ALENDRONATE, "on-hold", r#","dateAsserted":"2026-05-02""#)])).state,
        State::OnHold
    );
    assert!(now(&[&request("r", ALENDRONATE, "2026-05-20", 28, "cancelled")]).is_empty());
}

/// デノタス is calcium and vitamin D; it is no denosumab though it begins alike.
#[test]
fn names_that_begin_alike_are_not_mixed_up() {
    let courses = now(&[
        &dose("a", DENOSUMAB, "2026-04-20"),
        &request("r", "デノタスチュアブル配合錠", "2026-05-20", 28, "active"),
    ]);
    assert_eq!(courses.len(), 2, "{courses:#?}");
    assert!(courses.iter().any(|course| course.class.as_deref() == Some("supplement") && !course.is_injected));
}

/// Romosozumab is given for a year: no dose is proposed beyond.
#[test]
fn the_longest_time_of_treatment_ends_the_doses() {
    let (first, last) = (dose("a", "ロモソズマブ皮下注", "2025-06-01"), dose("b", "ロモソズマブ皮下注", "2026-05-10"));
    assert_eq!(one(&now(&[&first, &last])).next, None);
    assert!(one(&now(&[&last])).next.is_some());
}

#[test]
fn only_when_needed_has_no_gaps() {
    let prn = statement(
        "ロキソプロフェン錠60mg",
        "active",
        r#","dosage":[{"text":"疼痛時","asNeededBoolean":true}],"effectivePeriod":{"start":"2026-01-01","end":"2026-02-01"}"#,
    );
    let courses = now(&[&prn]);
    assert_eq!((one(&courses).state, one(&courses).gaps.len()), (State::Taking, 0));
}
