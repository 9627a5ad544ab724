//! When what access rests on changes, access changes with it, at once.

use serde_json::{Value, json};

use crate::common::{databases, postgres_database};
use crate::town::{SUBJECTS, Subject, Town};

fn sees(town: &Town, subject: &Subject) -> bool {
    town.ask(&town.token(subject), "GET", "fhir/Observation/weight-a", &[], None).status == 200
}

fn got(town: &Town, path: &str) -> Value {
    town.ask(&town.token(&SUBJECTS[16]), "GET", &format!("fhir/{path}"), &[], None).body
}

#[test]
fn leaving_a_team_ends_access_at_once() {
    for database in databases() {
        let town = Town::start(&database);
        assert!(sees(&town, &SUBJECTS[0]) && sees(&town, &SUBJECTS[1]));
        let mut team = got(&town, "CareTeam/team-a");
        team["participant"][0]["period"]["end"] = json!("2026-01-01");
        town.put(&team);
        assert!(!sees(&town, &SUBJECTS[0]), "who left is out");
        assert!(sees(&town, &SUBJECTS[1]), "the others are in");
        team["status"] = json!("inactive");
        town.put(&team);
        assert!(!sees(&town, &SUBJECTS[1]), "a team that is over has no members");
        assert!(sees(&town, &SUBJECTS[8]), "a citizen is never out");
    }
}

#[test]
fn consent_withdrawn_counts_at_once_and_so_does_an_agreement_that_ends() {
    for database in databases() {
        let town = Town::start(&database);
        let (denied, abroad) = (&SUBJECTS[4], &SUBJECTS[5]);
        assert!(!sees(&town, denied) && sees(&town, abroad));
        let mut no = got(&town, "Consent/no");
        no["status"] = json!("inactive");
        town.put(&no);
        assert!(sees(&town, denied), "what is no longer refused is open");
        no["status"] = json!("active");
        no["provision"] = json!({ "type": "deny" });
        town.put(&no);
        assert!(!sees(&town, denied) && !sees(&town, &SUBJECTS[0]), "a refusal without names is to all");
        assert!(!sees(&town, &SUBJECTS[11]), "officers of the citizen's city included");
        assert!(sees(&town, &SUBJECTS[8]), "but the citizen");
        no["status"] = json!("inactive");
        town.put(&no);
        assert!(sees(&town, &SUBJECTS[11]), "who see all of the city but those who refuse");
        let mut yes = got(&town, "Consent/yes");
        yes["status"] = json!("inactive");
        town.put(&yes);
        assert!(!sees(&town, abroad), "across cities nothing goes without consent");
        yes["status"] = json!("active");
        town.put(&yes);
        assert!(sees(&town, abroad));
        let mut agreement = got(&town, "Contract/agreement");
        agreement["applies"]["end"] = json!("2026-01-01");
        town.put(&agreement);
        assert!(!sees(&town, abroad), "nor without an agreement");
    }
}

/// Each keeps what callers have to do with; what another wrote counts in the next request.
#[test]
fn what_is_written_at_one_server_counts_at_once_at_the_other() {
    let Some(database) = postgres_database() else { return };
    let town = Town::start(&database);
    let other = Town::join(&database, &[]);
    let basic = json!({ "request": { "method": "POST", "url": "Basic" },
        "resource": { "resourceType": "Basic", "code": { "text": "x" } } });
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": vec![basic; 600] }).to_string();
    // Much else is written meanwhile, at last more than is looked at one by one.
    for bundles in [0, 1, 9] {
        assert!(sees(&town, &SUBJECTS[0]) && sees(&other, &SUBJECTS[0]), "{bundles}");
        let mut team = got(&town, "CareTeam/team-a");
        team["status"] = json!("inactive");
        town.put(&team);
        assert!(!sees(&other, &SUBJECTS[0]) && !sees(&town, &SUBJECTS[0]), "{bundles}");
        let token = town.token(&SUBJECTS[16]);
        team["status"] = json!("active");
        other.put(&team);
        for _ in 0..bundles {
            assert_eq!(town.ask(&token, "POST", "fhir", &[], Some(bundle.as_bytes())).status, 200);
        }
        assert!(sees(&town, &SUBJECTS[0]) && sees(&other, &SUBJECTS[0]), "{bundles}");
    }
}

#[test]
fn roles_and_families_end() {
    for database in databases() {
        let town = Town::start(&database);
        for (place, path) in [
            (11, "PractitionerRole/role-officer"),
            (12, "PractitionerRole/role-liaison"),
            (9, "RelatedPerson/daughter"),
        ] {
            assert!(sees(&town, &SUBJECTS[place]), "{path}");
            let mut resource = got(&town, path);
            resource["active"] = json!(false);
            town.put(&resource);
            assert!(!sees(&town, &SUBJECTS[place]), "{path} is not active");
        }
    }
}

/// What a past version was about counts for its history.
#[test]
fn a_history_is_not_told_to_whom_the_present_belongs() {
    for database in databases() {
        let town = Town::start(&database);
        let note = |about: &str, text: &str| {
            json!({
                "resourceType": "Observation", "id": "moved", "status": "final", "subject": { "reference": format!("Patient/shimin-{about}") },
                "code": { "text": "memo" }, "valueString": text
            })
        };
        town.put(&note("b", "himitsu-of-b"));
        town.put(&note("a", "now about a"));
        let token = town.token(&SUBJECTS[0]);
        assert_eq!(town.ask(&token, "GET", "fhir/Observation/moved", &[], None).status, 200);
        for path in [
            "Observation/moved/_history",
            "Observation/moved/_history/1",
            "Observation/_history?_count=100",
            "_history?_count=1000",
        ] {
            let answer = town.ask(&token, "GET", &format!("fhir/{path}"), &[], None);
            assert!(!String::from_utf8_lossy(&answer.bytes).contains("himitsu-of-b"), "{path}");
        }
    }
}
