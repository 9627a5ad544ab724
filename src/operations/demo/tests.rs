use std::collections::BTreeSet;

use super::*;
use crate::notebook::project;
use crate::validation::structure::check_resource;

const TODAY: Day = Day(20_820);

fn chart(citizen: &Citizen, today: Day) -> Chart {
    let patient = local("Patient", &format!("{}/patient", citizen.number));
    let person = Person { citizen, patient, today };
    let mut chart = Chart::default();
    chart.put(&person.key("patient"), story::patient(&person));
    story::tell(&person, &mut chart);
    circle::surround(&person, &mut chart);
    life::live(&person, &mut chart);
    talk::talk(&person, &mut chart, &[]);
    chart
}

#[test]
fn every_chart_is_a_transaction_of_right_shape_and_the_same_each_time() {
    assert_eq!(CITIZENS.len(), 20);
    for (place, citizen) in CITIZENS.iter().enumerate() {
        assert_eq!(citizen.number, place);
        let bundle = chart(citizen, TODAY).bundle().unwrap();
        assert_eq!(check_resource(&bundle, Some("Bundle")).err(), None, "{}", citizen.given);
        assert_eq!(bundle, chart(citizen, TODAY).bundle().unwrap());
        let urls: Vec<_> = bundle
            .list("entry")
            .iter()
            .map(|entry| entry.path(&["request", "url"]).unwrap().as_str().unwrap())
            .collect();
        assert_eq!(urls.iter().collect::<BTreeSet<_>>().len(), urls.len(), "an id stands for one resource");
    }
    let people = people::chart(TODAY).bundle().unwrap();
    assert_eq!(check_resource(&people, Some("Bundle")).err(), None);
}

#[test]
fn days_follow_the_day_it_is_loaded_on() {
    let text = |today: Day| String::from_utf8(chart(&CITIZENS[5], today).bundle().unwrap().to_bytes()).unwrap();
    let dose = |today: Day| format!("{}T10:20:00+09:00", today.plus(-178));
    assert!(text(TODAY).contains(&dose(TODAY)));
    let later = TODAY.plus(40);
    assert!(text(later).contains(&dose(later)) && !text(later).contains(&dose(TODAY)));
}

#[test]
fn nothing_is_told_of_the_dead_after_their_death_nor_of_tomorrow_as_done() {
    for citizen in &CITIZENS {
        let end = TODAY.plus(citizen.last());
        let bundle = chart(citizen, TODAY).bundle().unwrap();
        for resource in bundle.list("entry").iter().filter_map(|entry| entry.get("resource")) {
            let kind = resource.text("resourceType").unwrap();
            let told = match kind {
                "Observation" if resource.get("effectivePeriod").is_none() => resource.text("effectiveDateTime"),
                "Communication" => resource.text("sent"),
                "MedicationAdministration" => resource.text("effectiveDateTime"),
                "MedicationDispense" => resource.text("whenHandedOver"),
                "Appointment" if resource.text("status") == Some("fulfilled") || !citizen.is_here() => {
                    resource.text("end")
                }
                _ => continue,
            };
            let day = Day::parse(told.unwrap()).unwrap();
            assert!(day <= end, "{} {kind} {day}", citizen.given);
        }
    }
}

#[test]
fn who_writes_is_in_the_team_and_who_visits_comes_on_a_workday_to_a_citizen_at_home() {
    for citizen in &CITIZENS {
        let bundle = chart(citizen, TODAY).bundle().unwrap();
        let resources: Vec<_> = bundle.list("entry").iter().filter_map(|entry| entry.get("resource")).collect();
        let of = |kind: &'static str| resources.iter().filter(move |one| one.text("resourceType") == Some(kind));
        let team = of("CareTeam").next().unwrap().list("participant");
        let team: BTreeSet<_> =
            team.iter().map(|one| one.path(&["member", "reference"]).unwrap().as_str().unwrap()).collect();
        let mut articles = 0;
        for article in of("Communication") {
            let sender = article.path(&["sender", "reference"]).unwrap().as_str().unwrap();
            assert!(team.contains(sender), "{}: {sender}", citizen.given);
            articles += 1;
        }
        assert!(articles >= 3, "{}: {articles} articles", citizen.given);
        for visit in of("Appointment") {
            let day = Day::parse(visit.text("start").unwrap()).unwrap();
            assert!((day.0 + 3).rem_euclid(7) < 5, "{} {day}", citizen.given);
            assert!(citizen.is_home(day.since(TODAY)), "{} {day}", citizen.given);
            let who = visit.list("participant").last().unwrap().path(&["actor", "reference"]).unwrap();
            assert!(team.contains(who.as_str().unwrap()), "{} {day}", citizen.given);
        }
    }
    // In hospital since six days, and for some weeks to come.
    assert!(!CITIZENS[1].is_home(-2) && CITIZENS[1].is_home(-7) && CITIZENS[1].in_hospital() > 0);
    assert_eq!((CITIZENS[6].next_dose(), CITIZENS[7].next_dose()), (Some(-62), None), "late; stopped");
    assert_eq!((CITIZENS[9].fell(), CITIZENS[17].fell()), (None, Some(-3)), "a fall that broke a bone is no small one");
}

#[test]
fn every_citizen_is_on_the_notebook() {
    for citizen in &CITIZENS {
        let bundle = chart(citizen, TODAY).bundle().unwrap();
        let rows: Vec<_> = bundle
            .list("entry")
            .iter()
            .filter_map(|entry| entry.get("resource"))
            .map(|resource| project(resource.text("resourceType").unwrap(), resource))
            .collect();
        let row = rows.iter().find_map(|rows| rows.citizen.as_ref()).unwrap();
        assert!(row.name.starts_with("見本 ") && row.kana.starts_with("ミホン "));
        let entries: Vec<_> = rows.iter().flat_map(|rows| &rows.entries).collect();
        // What 花子 takes comes with her discharge summary.
        if citizen.number != 0 {
            assert!(entries.iter().any(|entry| entry.category == "medication"), "{}", citizen.given);
        }
        for category in ["function", "observation", "team", "visit", "article", "goal"] {
            assert!(entries.iter().any(|entry| entry.category == category), "{} {category}", citizen.given);
        }
    }
}
