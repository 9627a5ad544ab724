//! `serve --demo`: a small town in which every screen and every query has something to show.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::common::{Answer, Server, agent, databases, exchange};
use crate::notebook_support::{notebook, read, write};

/// Something other than FHIR and the notebook, from the root.
fn get(server: &Server, path: &str) -> Answer {
    let root = server.base.trim_end_matches("/fhir");
    let answer = exchange(&agent(), root, "GET", path, &[], None).unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.bytes));
    answer
}

fn listed<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn citizens(server: &Server) -> BTreeMap<String, String> {
    let page = read(server, "", "citizens?count=100");
    let all = listed(&page, "citizens").iter();
    all.map(|one| (one["name"].as_str().unwrap().replace('　', " "), one["id"].as_str().unwrap().to_owned())).collect()
}

/// All resources that are there, but for the definitions of the guide.
fn resources(server: &Server) -> Vec<Value> {
    let types = "Appointment,Binary,Bundle,CarePlan,CareTeam,Communication,Composition,Condition,Consent,Contract,\
                 DocumentReference,Encounter,EpisodeOfCare,Flag,Goal,Group,Media,MedicationAdministration,\
                 MedicationDispense,MedicationRequest,MedicationStatement,Observation,Organization,Patient,\
                 Practitioner,PractitionerRole,Procedure,Provenance,RelatedPerson,ServiceRequest,Task,AllergyIntolerance";
    let mut all = Vec::new();
    for kind in types.split(',') {
        let before = all.len();
        let mut path = Some(format!("{kind}?_count=1000"));
        while let Some(asked) = path {
            let page = server.get(&asked);
            assert_eq!(page.status, 200, "{asked}");
            all.extend(listed(&page.body, "entry").iter().map(|entry| entry["resource"].clone()));
            let next = listed(&page.body, "link").iter().find(|link| link["relation"] == "next");
            let next = next.and_then(|link| link["url"].as_str()?.strip_prefix(&format!("{}/", server.base)));
            path = next.map(str::to_owned);
        }
        assert!(all.len() > before, "no {kind}");
    }
    all
}

#[test]
fn every_listing_of_the_notebook_has_something_to_show() {
    for database in databases() {
        let server = Server::start(&database.url, &["--demo"]);
        let citizens = citizens(&server);
        assert_eq!(citizens.len(), 20);
        let schemas = read(&server, "", "schema");
        for entity in listed(&schemas, "schemas").iter().filter_map(|one| one["entity"].as_str()) {
            let lists = |path: &str| {
                let answer = notebook(&server, "", "GET", path, None);
                let list = if entity == "media" { "media" } else { "entries" };
                answer.status == 200 && !listed(&answer.body, list).is_empty()
            };
            let is_shown = entity == "citizen"
                || lists(entity)
                || citizens.values().any(|id| lists(&format!("citizens/{id}/{entity}")));
            assert!(is_shown, "nobody has a {entity}");
        }
        assert_eq!(listed(&read(&server, "", "facility"), "entries").len(), 6, "with a department of the hospital");
        assert_eq!(listed(&read(&server, "", "member"), "entries").len(), 12);
        assert_eq!(listed(&read(&server, "", "agreement"), "entries").len(), 1);
        for (name, id) in &citizens {
            let page = read(&server, "", &format!("citizens/{id}"));
            assert!(!listed(&page, "latest").is_empty(), "{name}");
            let medicines = listed(&page["medication"], "current").len() + listed(&page["medication"], "former").len();
            assert!(medicines > 0, "{name}: {}", page["medication"]);
            assert!(!listed(&page["team"], "members").is_empty(), "{name}");
            let is_gone = ["見本 四郎", "見本 楓子"].contains(&name.as_str());
            assert_eq!(listed(&page, "nextVisits").is_empty(), is_gone, "{name}");
            let timeline = read(&server, "", &format!("citizens/{id}/timeline?count=500"));
            assert!(listed(&timeline, "entries").len() >= 30, "{name}");
            let team = read(&server, "", &format!("citizens/{id}/team/members"));
            assert!(!listed(&team, "former").is_empty(), "{name}: somebody left the team");
        }
    }
}

#[test]
fn people_find_what_is_meant_for_them() {
    for database in databases() {
        let server = Server::start(&database.url, &["--demo"]);
        let id = &citizens(&server)["見本 竹子"];
        let shown = server.log().lines().find(|line| line.contains("a timeline to look at")).map(str::to_owned);
        assert!(shown.is_some_and(|line| line.ends_with(&format!("/notebook/v1/citizens/{id}/timeline"))));
        let members = read(&server, "", "member");
        let who = |name: &str| {
            let found = listed(&members, "entries").iter().find(|one| one["name"] == name);
            format!("Practitioner/{}", found.unwrap()["id"].as_str().unwrap())
        };
        let family = read(&server, "", &format!("citizens/{id}/family"));
        let family = format!("RelatedPerson/{}", family["entries"][0]["id"].as_str().unwrap());
        for member in [who("見本 一郎"), who("見本 協子"), family.clone()] {
            let unread = read(&server, &member, "unread");
            assert!(unread["count"].as_u64().unwrap() > 0, "{member} has something to read");
        }
        let calendar = read(&server, &who("見本 協子"), "visits");
        assert!(listed(&calendar, "entries").len() >= 10);
        let articles = read(&server, &family, &format!("citizens/{id}/articles"));
        let articles = listed(&articles, "entries");
        assert!(articles.iter().any(|one| one["comments"].as_i64() > Some(0)));
        assert!(articles.iter().any(|one| !listed(one, "readBy").is_empty()));
        assert!(articles.iter().any(|one| !listed(one, "attachments").is_empty()));
        // Of the whole town: each audience.
        for audience in ["team", "member", "family-private"] {
            let found = citizens(&server).values().any(|id| {
                let path = format!("citizens/{id}/article?audience={audience}");
                !listed(&read(&server, "", &path), "entries").is_empty()
            });
            assert!(found, "{audience}");
        }
        let medicines = read(&server, "", &format!("citizens/{id}/medications"));
        let text = medicines.to_string();
        assert!(text.contains("デノスマブ") && text.contains("\"due\""), "the next dose is due soon: {text:.600}");
    }
}

#[test]
fn photos_and_a_video_went_through_the_content_store() {
    for database in databases() {
        let server = Server::start(&database.url, &["--demo"]);
        let id = &citizens(&server)["見本 竹子"];
        let media = read(&server, "", &format!("citizens/{id}/media"));
        let media = listed(&media, "media");
        let of = |kind: &str| media.iter().find(|one| one["type"] == kind).unwrap();
        let photo = of("image");
        assert_eq!((&photo["width"], &photo["height"]), (&json!(480), &json!(360)));
        let name = |one: &Value| one["id"].as_str().unwrap().to_owned();
        let small = get(&server, &format!("notebook/v1/media/{}/thumbnail", name(photo)));
        assert_eq!(&small.bytes[..2], b"\xff\xd8");
        let whole = get(&server, &format!("notebook/v1/media/{}/content", name(photo)));
        let has = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(!has(&whole.bytes, b"GPS") && !has(&whole.bytes, b"34.4"), "the place is not in it");
        let video = of("video");
        assert_eq!((&video["contentType"], &video["duration"]), (&json!("video/mp4"), &json!(4)));
        assert!(!has(&get(&server, &format!("notebook/v1/media/{}/content", name(video))).bytes, b"+34.4"));
        let hazard = read(&server, "", &format!("citizens/{id}/home_hazard"));
        assert_eq!(hazard["entries"][0]["media"], format!("Media/{}", name(photo)));
    }
}

#[test]
fn fracture_liaison_has_every_state_and_every_alarm() {
    for database in databases() {
        let server = Server::start(&database.url, &["--demo"]);
        let registry = get(&server, "fls/registry?count=100").body;
        let states: Vec<&str> = listed(&registry, "episodes").iter().filter_map(|one| one["state"].as_str()).collect();
        for state in ["active", "completed", "declined", "moved-away", "died"] {
            assert!(states.contains(&state), "{state}: {states:?}");
        }
        assert!(listed(&registry, "episodes").iter().any(|one| one["sequence"] == "secondary"));
        let alarms = get(&server, "fls/alarms?count=1000").body;
        let codes: Vec<&str> = listed(&alarms, "alarms").iter().filter_map(|one| one["code"].as_str()).collect();
        for code in [
            "overdue",
            "medication-gap",
            "maximum-duration",
            "no-follow-on",
            "fall",
            "weight-loss",
            "low-grip",
            "low-gait",
            "certification-expiring",
        ] {
            assert!(codes.contains(&code), "{code}: {codes:?}");
        }
        let series = get(&server, "fls/indicators?measure=fls-kpi-04").body;
        assert!(series.to_string().contains("denominator"), "{series}");
        // The pathway is there as resources when the server begins to answer.
        for kind in ["EpisodeOfCare", "Task", "Flag"] {
            let found = server.get(&format!("{kind}?_summary=count"));
            assert!(found.body["total"].as_u64().unwrap() >= 15, "{kind}: {}", found.body);
        }
        let off = crate::common::sqlite_database();
        let quiet = Server::start(&off.url, &["--demo", "--fls", "off"]);
        assert_eq!(quiet.get("Task?_summary=count").body["total"], 0, "who says off gets none");
    }
}

#[test]
fn summaries_and_searches_find_the_town() {
    for database in databases() {
        let server = Server::start(&database.url, &["--demo"]);
        let id = &citizens(&server)["見本 竹子"];
        for path in [
            format!("Patient/{id}/$summary"),
            format!("Patient/{id}/$everything?_count=100"),
            "Patient?name=%E3%81%BF%E3%81%BB%E3%82%93".to_owned(),
            "Patient?_has:Condition:patient:code=S721".to_owned(),
            "MedicationAdministration?patient.gender=female".to_owned(),
            format!("Observation?patient={id}&code=29463-7&_sort=-date"),
            "Bundle?type=document".to_owned(),
            "Contract?status=executed".to_owned(),
        ] {
            let answer = server.get(&path);
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            assert!(!listed(&answer.body, "entry").is_empty(), "{path}");
        }
        let page = get(&server, &format!("notebook/v1/citizens/{id}/summary.html"));
        assert!(String::from_utf8_lossy(&page.bytes).contains("デノスマブ"));
        let found = read(&server, "", "citizens?q=%E3%81%BF%E3%81%BB%E3%82%93&care_level=22,23");
        assert!(!listed(&found, "citizens").is_empty());
        let latest = server.get(&format!("Observation/$lastn?patient=Patient/{id}&category=functional-status"));
        assert!(!listed(&latest.body, "entry").is_empty(), "{}", latest.body);
    }
}

/// Each resource, those of fracture liaison and of the document too.
#[test]
fn everything_is_valid() {
    for database in databases() {
        let server = Server::start(&database.url, &["--demo", "--validation", "reject"]);
        let mut wrong = Vec::new();
        for resource in resources(&server) {
            let kind = resource["resourceType"].as_str().unwrap().to_owned();
            let answer = server.post(&format!("{kind}/$validate"), &resource);
            assert_eq!(answer.status, 200, "{}", answer.body);
            for issue in listed(&answer.body, "issue") {
                if matches!(issue["severity"].as_str(), Some("error" | "fatal")) {
                    let text = issue["diagnostics"].as_str().unwrap_or_default();
                    wrong.push(format!("{kind}/{} {} {text}", resource["id"], issue["expression"]));
                }
            }
        }
        assert!(wrong.is_empty(), "{} errors: {:#?}", wrong.len(), &wrong[..wrong.len().min(12)]);
    }
}

#[test]
fn a_second_start_changes_nothing_and_leaves_what_people_changed() {
    for database in databases() {
        let mut server = Server::start(&database.url, &["--demo"]);
        let id = citizens(&server)["見本 竹子"].clone();
        let article = read(&server, "", &format!("citizens/{id}/article?count=1"));
        let article = article["entries"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(server.delete(&format!("Communication/{article}")).status, 200);
        let photo = read(&server, "", &format!("citizens/{id}/media"));
        let photo = photo["media"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(server.delete(&format!("Media/{photo}")).status, 200);
        write(&server, "", &format!("citizens/{id}/goal"), &json!({ "text": "見本の目標" }));
        let total = |server: &Server| server.get("_history?_count=1").body["total"].as_u64().unwrap();
        let before = total(&server);
        assert!(before > 1_500, "{before}");
        server.terminate();
        let server = Server::start(&database.url, &["--demo"]);
        assert_eq!(total(&server), before, "{}", server.log());
        assert_eq!(server.get(&format!("Communication/{article}")).status, 410);
        assert_eq!(server.get(&format!("Media/{photo}")).status, 410);
        assert!(server.log().contains("there already"), "{}", server.log());
    }
}

/// A password that others know is none: it is drawn when the account is made, and told once.
#[test]
fn who_must_sign_in_gets_accounts() {
    for database in databases() {
        let arguments = ["--demo", "--authentication", "required"];
        let mut server = Server::start(&database.url, &arguments);
        let told = |server: &Server| {
            let log = server.log();
            let lines = log.lines().filter(|line| line.contains("an account to sign in with"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let first = told(&server);
        assert_eq!(first.len(), 3, "{}", server.log());
        for (login, kind) in
            [("sample-doctor", "Practitioner/"), ("sample-family", "RelatedPerson/"), ("sample-citizen", "Patient/")]
        {
            assert!(first.iter().any(|line| line.contains(login) && line.contains(kind)), "{first:?}");
        }
        server.terminate();
        assert_eq!(told(&Server::start(&database.url, &arguments)), Vec::<String>::new());
    }
}
