//! The decision tables of `docs/fls-rules.md`, row by row; facts in any order; what is next.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::facts::{Side, Use};
use super::indicator::{Question, Tally, Unit, citizen, episode, unit};
use super::registry::status;
use super::*;

const TABLES: &str = include_str!("../../docs/fls-rules.md");
const ZERO: &str = "2024-01-10";

fn day(text: &str) -> Day {
    let zero = Day::parse(ZERO).unwrap();
    Day::parse(text).filter(|_| text.len() == 10).unwrap_or_else(|| zero.plus(text.parse().unwrap()))
}

/// Reads the words of a case.
fn read(words: &str) -> Facts {
    let person = Person { id: "p".into(), birth: Day::parse("1940-01-01"), sex: "female".into(), ..Person::default() };
    let mut facts = Facts { person, ..Facts::default() };
    for (place, word) in words.split_whitespace().enumerate() {
        let (word, causes) = word.split_once('=').unwrap_or((word, ""));
        let (word, name) =
            word.split_once('#').map_or((word, format!("T/{place:02}")), |(word, name)| (word, format!("T/{name}")));
        let (what, when) = word.split_once('@').unwrap_or((word, "0"));
        let (when, late) = when.split_once('+').unwrap_or((when, ""));
        let (what, undated) = what.strip_suffix('?').map_or((what, false), |what| (what, true));
        let (from, to) = when.split_once("..").unwrap_or((when, ""));
        let (from, end) = (day(from), (!to.is_empty()).then(|| day(to)));
        let parts: Vec<&str> = what.split(':').collect();
        let drug = |used: Use| Kind::Drug { drug: parts[1].to_owned(), used };
        let known = late.parse().ok().map(|days| from.plus(days));
        let bone = |site: &str, side: Option<Side>| {
            let (site, encounter) = (site.to_owned(), String::new());
            Kind::Fracture { site, side, encounter, known, undated }
        };
        let kind = match parts[0] {
            "born" => {
                facts.person.birth = Day::parse(parts[1]);
                continue;
            }
            "male" => {
                facts.person.sex = "male".into();
                continue;
            }
            "death" => {
                (facts.person.death, facts.person.died) = (Some(from), true);
                continue;
            }
            "hip-right" => bone("hip", Some(Side::Right)),
            "hip-left" => bone("hip", Some(Side::Left)),
            "hip" => bone("hip", None),
            "spine" => bone("vertebra", None),
            "forearm-right" => bone("distal-forearm", Some(Side::Right)),
            "forearm-left" => bone("distal-forearm", Some(Side::Left)),
            "unspecified" | "other" => bone(parts[0], None),
            "order" => Kind::Ordered { code: parts[1].into() },
            "dose" => drug(Use::Dose),
            "supply" => drug(Use::Supply { days: Some(parts[2].parse().unwrap()) }),
            "taken" => drug(Use::Taken { end, asserted: from, next: None }),
            "stop" => drug(Use::Stopped { reason: "other".into() }),
            "refused" => drug(Use::Refused),
            "care" => {
                let causes =
                    causes.split(',').filter(|cause| !cause.is_empty()).map(|cause| format!("T/{cause}")).collect();
                Kind::Certified { level: parts[1].parse().unwrap(), end, causes, municipality: String::new() }
            }
            "exit" => Kind::Exit { reason: parts[1].into() },
            "stay" | "recovery" => Kind::Stay { end, facility: String::new(), recovery: parts[0] == "recovery" },
            "visit" => Kind::Visit { facility: String::new() },
            "weight" | "grip" | "gait" => Kind::Measured { code: parts[0].into(), value: parts[1].parse().unwrap() },
            code => {
                assert!(Rules::built_in().evidence.find(code).is_some(), "{code} is nothing");
                Kind::Evidence { code: code.into() }
            }
        };
        facts.list.push(Fact { day: from, source: name, kind });
    }
    facts.settle();
    facts
}

fn verdict(tally: &Tally, wanted: &str) -> String {
    match (tally.denominator, tally.numerator) {
        (all, met) if wanted.contains('/') => format!("{met}/{all}"),
        (0, _) => "out".to_owned(),
        (_, 0) => "no".to_owned(),
        _ => "yes".to_owned(),
    }
}

fn outcome(facts: &Facts, rules: &Rules, today: Day, key: &str, wanted: &str) -> String {
    let all = Citizen::of(facts, rules);
    let now = status(facts, rules, today);
    let first = now.rows.first();
    if let Some(code) = key.strip_prefix("due:") {
        let activity = first.unwrap().standing.activities.iter().find(|one| one.code == code).unwrap();
        return activity.due.since(day("0")).to_string();
    }
    if let Some(code) = key.strip_prefix("activity:") {
        let activity = first.unwrap().standing.activities.iter().find(|one| one.code == code).unwrap();
        return activity.state.code().to_owned();
    }
    if let Some(code) = key.strip_prefix("alarm:") {
        assert!(rules.alarms.find(code).is_some(), "{code}");
        let found = now.alarms.iter().find(|alarm| alarm.code == code);
        return found.map_or("none".to_owned(), |alarm| alarm.since.since(day("0")).to_string());
    }
    if let Some(field) = key.strip_prefix("missing:") {
        return if first.unwrap().missing.contains(&field) { "yes" } else { "no" }.to_owned();
    }
    match key {
        "episodes" => return all.episodes.len().to_string(),
        "secondary" => return all.episodes.iter().filter(|one| one.secondary).count().to_string(),
        "history" => return all.history.len().to_string(),
        "state" => return first.unwrap().standing.state.clone(),
        _ => {}
    }
    let (place, group) =
        key.split_once('.').map_or((0, key), |(place, group)| (place.parse::<usize>().unwrap() - 1, group));
    let question = Question { from: day("2024-01-01"), to: day("2024-12-31"), as_of: today, thresholds: Vec::new() };
    match unit(group).unwrap_or_else(|| panic!("{group} is no group")) {
        Unit::Episode => verdict(&episode(group, &all, &all.episodes[place], rules, &question), wanted),
        Unit::Citizen => verdict(&citizen(group, &all, rules, &question), wanted),
    }
}

/// Name, facts, day, and what must come out.
type Row = (String, String, String, Vec<(String, String)>);

fn cases() -> Vec<Row> {
    let rows = TABLES.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Case "));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let expected = cells[3].split_whitespace().map(|pair| {
            let (key, value) = pair.rsplit_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        });
        (cells[0].to_owned(), cells[1].to_owned(), cells[2].trim_start_matches('@').to_owned(), expected.collect())
    })
    .collect()
}

#[test]
fn the_decision_tables_hold() {
    let rules = Rules::built_in();
    let mut surprises = Vec::new();
    let cases = cases();
    for (case, words, on, expected) in &cases {
        let facts = read(words);
        assert!(!expected.is_empty(), "{case}");
        for (key, wanted) in expected {
            let found = outcome(&facts, &rules, day(on), key, wanted);
            if found != *wanted {
                surprises.push(format!("{case}: {words} @{on}: {key} is {found}, not {wanted}"));
            }
        }
    }
    assert!(cases.len() > 120, "{}", cases.len());
    assert!(surprises.is_empty(), "{surprises:#?}");
}

/// Every group of every Measure of the guide is counted, and every group that is counted belongs to one.
#[test]
fn every_group_of_the_measures_is_counted_and_shown() {
    let mut named = BTreeMap::new();
    for measure in crate::r4::guide::guide().definitions().filter(|one| one.text("resourceType") == Some("Measure")) {
        for group in measure.list("group") {
            let code = group.path(&["code", "coding", "code"]).unwrap().as_str().unwrap();
            assert!(unit(code).is_some(), "{code}");
            named.insert(code.to_owned(), measure.text("id").unwrap().to_owned());
        }
    }
    assert!(named.len() >= 38, "{}", named.len());
    let shown: std::collections::BTreeSet<String> =
        cases().into_iter().flat_map(|(.., expected)| expected.into_iter().map(|(key, _)| key)).collect();
    for group in named.keys().filter(|group| !group.starts_with("field-") && *group != "identification") {
        assert!(shown.contains(group), "no row of docs/fls-rules.md shows {group}");
    }
}

/// What resources say, as the tables above write it.
#[test]
fn resources_become_facts() {
    let rules = Rules::built_in();
    let activity = |code: &str| {
        format!(r#"{{"coding":[{{"system":"http://renraku.example/fhir/CodeSystem/fls-activity","code":"{code}"}}]}}"#)
    };
    let (follow_up, recommendation) = (activity("follow-up-16w"), activity("treatment-recommendation"));
    let drug = r#""medicationCodeableConcept":{"coding":[{"display":"プラリア皮下注60mgシリンジ"}]}"#;
    for (kind, members, expected) in [
        ("Condition", r#""code":{"text":"左大腿骨頚部骨折"},"onsetDateTime":"2024-01-10""#.to_owned(), "hip-left@0"),
        ("Condition", r#""code":{"coding":[{"system":"http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full","code":"S32.0"}]},"onsetPeriod":{"start":"2024-01-10"}"#.to_owned(), "spine@0"),
        ("Condition", r#""verificationStatus":{"coding":[{"code":"refuted"}]},"code":{"text":"大腿骨頚部骨折"},"onsetDateTime":"2024-01-10""#.to_owned(), ""),
        ("Condition", r#""clinicalStatus":{"coding":[{"code":"resolved"}]},"code":{"text":"左大腿骨頚部骨折"},"onsetDateTime":"2024-01-10","recordedDate":"2024-02-09""#.to_owned(), "hip-left@0+30"),
        ("Condition", r#""clinicalStatus":{"coding":[{"code":"inactive"}]},"code":{"text":"左大腿骨頚部骨折"},"recordedDate":"2024-01-10""#.to_owned(), "hip-left?@0"),
        ("Condition", r#""code":{"text":"左大腿骨頚部骨折"},"onsetString":"10年前","recordedDate":"2024-01-10""#.to_owned(), "hip-left?@0"),
        ("Condition", r#""code":{"text":"左大腿骨頚部骨折"},"recordedDate":"2024-01-10""#.to_owned(), "hip-left@0"),
        ("Condition", r#""code":{"text":"高血圧症"},"onsetDateTime":"2024-01-10""#.to_owned(), ""),
        ("QuestionnaireResponse", r#""status":"completed","questionnaire":"http://x.example/Questionnaire/falls-assessment|1","authored":"2024-01-11""#.to_owned(), "falls-assessment@1"),
        ("QuestionnaireResponse", r#""status":"in-progress","questionnaire":"http://x.example/Questionnaire/falls-assessment","authored":"2024-01-11""#.to_owned(), ""),
        ("NutritionOrder", r#""status":"active","dateTime":"2024-01-12""#.to_owned(), "nutrition@2"),
        ("Appointment", format!(r#""status":"fulfilled","serviceType":[{follow_up}],"start":"2024-01-13T09:00:00+09:00""#), "follow-up-16w@3"),
        ("Appointment", format!(r#""status":"noshow","serviceType":[{follow_up}],"start":"2024-01-13T09:00:00+09:00""#), ""),
        ("CarePlan", format!(r#""status":"active","created":"2024-01-14","activity":[{{"detail":{{"status":"scheduled","code":{recommendation}}}}}]"#), "treatment-recommendation@4"),
        ("ServiceRequest", r#""status":"active","authoredOn":"2024-01-15","code":{"coding":[{"system":"http://loinc.org","code":"38263-0"}]}"#.to_owned(), "order:dxa@5"),
        ("Claim", r#""status":"active","created":"2024-01-30","item":[{"servicedDate":"2024-01-25","productOrService":{"coding":[{"code":"113036510"}]}}]"#.to_owned(), "fee-1@15"),
        ("MedicationAdministration", format!(r#""status":"completed","effectivePeriod":{{"start":"2024-01-22T10:00:00+09:00"}},{drug}"#), "dose:denosumab@12"),
        ("MedicationAdministration", format!(r#""status":"not-done","effectiveDateTime":"2024-01-22","statusReason":[{{"text":"本人拒否"}}],{drug}"#), "refused:denosumab@12"),
        ("MedicationRequest", r#""status":"active","intent":"order","authoredOn":"2024-01-22","medicationCodeableConcept":{"text":"アレンドロン酸錠35mg"},"dispenseRequest":{"expectedSupplyDuration":{"value":4,"code":"wk"}}"#.to_owned(), "supply:alendronate-weekly:28@12"),
        ("MedicationRequest", r#""status":"cancelled","intent":"order","authoredOn":"2024-01-22","medicationCodeableConcept":{"text":"アレンドロン酸錠35mg"}"#.to_owned(), ""),
        ("MedicationStatement", r#""status":"completed","effectivePeriod":{"start":"2024-01-20","end":"2024-03-10"},"dateAsserted":"2024-01-20","medicationCodeableConcept":{"text":"ラロキシフェン塩酸塩錠60mg"}"#.to_owned(), "taken:raloxifene@10..60"),
        ("Observation", r#""status":"final","effectiveDateTime":"2024-01-20","code":{"coding":[{"system":"http://loinc.org","code":"83174-3"}]},"valueQuantity":{"value":16.5,"code":"kg"}"#.to_owned(), "grip:16.5@10"),
        // Pounds are not converted by guessing, and what was not measured is no evidence.
        ("Observation", r#""status":"final","effectiveDateTime":"2024-01-20","code":{"coding":[{"system":"http://loinc.org","code":"83174-3"}]},"valueQuantity":{"value":36,"code":"[lbf_av]"}"#.to_owned(), ""),
        ("Observation", r#""status":"final","effectiveDateTime":"2024-01-20","code":{"coding":[{"system":"http://loinc.org","code":"38263-0"}]},"dataAbsentReason":{"text":"not done"}"#.to_owned(), ""),
        ("Observation", r#""status":"entered-in-error","effectiveDateTime":"2024-01-20","code":{"coding":[{"system":"http://loinc.org","code":"38263-0"}]}"#.to_owned(), ""),
    ] {
        let text = format!(r#"{{"resourceType":"{kind}","id":"x",{members}}}"#);
        let node = crate::format::json::parse(text.as_bytes()).unwrap();
        let found = facts::facts(&rules, [(kind, &node)], &|_| None);
        let kinds = |facts: &Facts| facts.list.iter().map(|fact| (fact.day, fact.kind.clone())).collect::<Vec<_>>();
        assert_eq!(kinds(&found), kinds(&read(expected)), "{kind} {members}");
        assert!(found.list.iter().all(|fact| fact.source == format!("{kind}/x")));
        // What is kept can be read again.
        assert_eq!(serde_json::from_slice::<Facts>(&serde_json::to_vec(&found).unwrap()).unwrap(), found);
    }
}

proptest! {
    /// Messages come in any order; what is computed from them is the same.
    #[test]
    fn the_order_of_arrival_changes_nothing(place in 0_usize..1000, seed in any::<u64>()) {
        let rules = Rules::built_in();
        let all = cases();
        let (_, words, on, _) = &all[place % all.len()];
        let facts = read(words);
        let mut shuffled = facts.clone();
        let mut state = seed;
        for at in (1..shuffled.list.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.list.swap(at, usize::try_from(state >> 33).unwrap() % (at + 1));
        }
        shuffled.settle();
        prop_assert_eq!(&shuffled, &facts);
        prop_assert_eq!(status(&shuffled, &rules, day(on)), status(&facts, &rules, day(on)));
    }

    /// Until the day that was foretold nothing changes by itself.
    #[test]
    fn nothing_changes_before_the_day_foretold(place in 0_usize..1000, start in 0_i32..500) {
        let rules = Rules::built_in();
        let all = cases();
        let (_, words, ..) = &all[place % all.len()];
        let facts = read(words);
        let today = day("0").plus(start);
        let now = status(&facts, &rules, today);
        let until = now.next.map_or(start + 400, |next| next.since(day("0")));
        for later in [1, 2, 7, 30, 180].map(|more| start + more).into_iter().chain([until - 1]).filter(|later| *later < until) {
            let then = status(&facts, &rules, day("0").plus(later));
            prop_assert_eq!(&then.rows, &now.rows, "{} from {} to {}", words, start, later);
            prop_assert_eq!(&then.alarms, &now.alarms, "{} from {} to {}", words, start, later);
        }
    }
}
