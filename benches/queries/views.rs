//! What it costs to see only some: the same searches by a system that sees everybody, by members of teams of
//! several sizes, and by an officer of a municipality.
//!
//! All of them send tokens to one server, in turn, so that what differs is the filter. Where a search names a
//! citizen it is one of those whom all the members see.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use renraku::access::jwt::SigningKey;
use renraku::store::{AccessDirectory, Database};
use serde_json::{Value, json};

use crate::citizens::{ORGANIZATIONS, citizens, mixed, patient_id};
use crate::common::{Answer, Server};
use crate::shapes::{DEEP, Shape};
use crate::{Options, encoded};

/// Citizens that searches name.
const NAMED: usize = 100;
/// Sizes of the teams' members' reach, in citizens.
const TEAMS: [usize; 3] = [100, 1_000, 10_000];

/// The organization whose citizens the officer has to do with.
const AREA: usize = 4;

/// Who asks, and their token.
struct Asker {
    name: String,
    bearer: String,
    times: Vec<f64>,
    /// Resources in the last answer.
    found: usize,
}

fn reference(kind: &str, id: &str) -> Value {
    json!({ "reference": format!("{kind}/{id}") })
}

/// The members of teams, and the officer, whom the town does not have by itself. Each member has a role in every
/// organization, so that no citizen lives across a border.
fn people() -> Vec<Value> {
    let mut all = Vec::new();
    let mut role = |id: &str, organization: usize, code: &str| {
        all.push(json!({ "resourceType": "PractitionerRole", "id": format!("{id}-{organization}"), "active": true,
            "code": [{ "coding": [{ "system": "http://renraku.example/fhir/CodeSystem/profession", "code": code }] }],
            "practitioner": reference("Practitioner", id),
            "organization": reference("Organization", &format!("org{organization}")) }));
    };
    let members = TEAMS.map(|reach| format!("member{reach}"));
    for member in &members {
        (0..ORGANIZATIONS).for_each(|organization| role(member, organization, "nurse"));
    }
    role("officer", AREA, "municipal-officer");
    for id in members.iter().map(String::as_str).chain(["officer"]) {
        all.push(json!({ "resourceType": "Practitioner", "id": id, "name": [{ "text": id }] }));
    }
    all
}

/// The teams of the first citizens that searches name, and of others until there are enough; and refusals of others,
/// more of the officer's area than elsewhere.
fn relations(size: usize) -> (Vec<Value>, Vec<Value>) {
    let all = citizens(size);
    let mut chosen: Vec<usize> = Vec::new();
    let mut is_chosen = vec![false; all];
    let named = (0..NAMED).map(|number| mixed(number, 100) % all);
    for citizen in named.chain((0..).map(|number| mixed(number, 200) % all)) {
        if !std::mem::replace(&mut is_chosen[citizen], true) {
            chosen.push(citizen);
        }
        if chosen.len() == TEAMS[TEAMS.len() - 1].min(all / 2) {
            break;
        }
    }
    let team = |(place, citizen): (usize, &usize)| {
        let within = TEAMS.iter().filter(|reach| place < **reach);
        let members: Vec<Value> =
            within.map(|reach| json!({ "member": reference("Practitioner", &format!("member{reach}")) })).collect();
        json!({ "resourceType": "CareTeam", "id": format!("team{citizen}"), "status": "active",
            "subject": reference("Patient", &patient_id(*citizen)), "participant": members })
    };
    let refuses = |citizen: &usize| {
        let is_of_area = mixed(*citizen, 11) % ORGANIZATIONS == AREA;
        !is_chosen[*citizen] && (citizen.is_multiple_of(20) || (is_of_area && citizen.is_multiple_of(5)))
    };
    let refusal = |citizen: usize| {
        json!({ "resourceType": "Consent", "id": format!("refusal{citizen}"), "status": "active",
            "scope": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy" }] },
            "category": [{ "coding": [{ "system": "http://loinc.org", "code": "59284-0" }] }],
            "patient": reference("Patient", &patient_id(citizen)), "policyRule": { "text": "refusal" },
            "provision": { "type": "deny", "actor": [{ "role": { "text": "who" },
                "reference": reference("Organization", &format!("org{AREA}")) }] } })
    };
    (chosen.iter().enumerate().map(team).collect(), (0..all).filter(refuses).map(refusal).collect())
}

fn settle(server: &Server, bearer: &str, size: usize) {
    let send = |method: &str, path: &str, body: Option<&Value>| -> Answer {
        server.send(method, path, &[("Authorization", bearer)], body)
    };
    let (teams, refusals) = relations(size);
    let is_there = |kind: &str, wanted: &[Value]| {
        send("GET", &format!("{kind}?_summary=count"), None).body["total"].as_u64() == u64::try_from(wanted.len()).ok()
    };
    if is_there("CareTeam", &teams) && is_there("Consent", &refusals) {
        return;
    }
    for resources in people().chunks(500).chain(teams.chunks(500)).chain(refusals.chunks(500)) {
        let entry = |resource: &Value| {
            let url = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
            json!({ "resource": resource, "request": { "method": "PUT", "url": url } })
        };
        let entries: Vec<Value> = resources.iter().map(entry).collect();
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
        let answer = send("POST", "", Some(&bundle));
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

/// Compares and prints.
pub(crate) fn compare(options: &Options, url: &str, size: usize) {
    let server = Server::start(url, &["--authentication", "required", "--audit", "off"]);
    let keys =
        AccessDirectory::open(&Database::parse(url).unwrap()).unwrap().keys(|| panic!("the server made its key"));
    let keys = keys.unwrap();
    let key = SigningKey::from_pem(keys[0].id.clone(), &keys[0].pem).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let bearer = |scope: &str, user: Option<String>| {
        let mut claims = json!({ "iss": server.base, "aud": server.base, "iat": now, "exp": now + 36_000, "sub": "bench",
            "client_id": "bench", "scope": scope });
        if let Some(user) = user {
            claims["fhirUser"] = json!(format!("Practitioner/{user}"));
        }
        format!("Bearer {}", key.sign("at+jwt", &claims).unwrap())
    };
    let asker = |name: &str, bearer: String| Asker { name: name.to_owned(), bearer, times: Vec::new(), found: 0 };
    let everybody = bearer("system/*.cruds", None);
    settle(&server, &everybody, size);
    let mut askers = vec![asker("everybody", everybody)];
    for reach in TEAMS {
        askers.push(asker(&format!("team of {reach}"), bearer("user/*.rs", Some(format!("member{reach}")))));
    }
    askers.push(asker("officer", bearer("user/*.rs", Some("officer".to_owned()))));
    let kind = if options.postgres.is_some() { "PostgreSQL" } else { "SQLite" };
    println!(
        "\nsearches among {size} resources on {kind}; medians in ms, multiples of who sees everybody, resources found\n"
    );
    print!("{:<36}", "");
    for asker in &askers {
        print!("{:>24}", asker.name);
    }
    println!();
    for shape in options.shapes().filter(|shape| shape.name != DEEP) {
        measure(&server, shape, size, options.seconds, &mut askers);
        print!("{:<36}", shape.name);
        let base = askers[0].times[askers[0].times.len() / 2];
        for asker in &askers {
            let median = asker.times[asker.times.len() / 2];
            print!("{median:>10.2} {:>6.2} {:>6}", median / base, asker.found);
        }
        println!();
    }
    println!(
        "\nwhat each has to do with, found out anew after something was written by which it is decided; medians in ms\n"
    );
    for place in 1..askers.len() {
        let (anew, kept) = found_out(&server, size, &askers[0], &askers[place]);
        println!("{:<36}{anew:>10.2}   a read with it {kept:.2}", askers[place].name);
    }
}

/// How long a read takes longer that finds out what its caller has to do with; how long the next one takes.
fn found_out(server: &Server, size: usize, everybody: &Asker, asker: &Asker) -> (f64, f64) {
    let (mut anew, mut kept) = (Vec::new(), Vec::new());
    for round in 0..11 {
        let organization = json!({ "resourceType": "Organization", "id": "written", "alias": [format!("{round}")] });
        let written =
            server.send("PUT", "Organization/written", &[("Authorization", &everybody.bearer)], Some(&organization));
        assert!(matches!(written.status, 200 | 201), "{}", written.body);
        let path = format!("Patient?_id={}", patient_id(mixed(round % NAMED, 100) % citizens(size)));
        let timed = || {
            let asked = Instant::now();
            let answer = server.send("GET", &path, &[("Authorization", &asker.bearer)], None);
            assert_eq!(answer.status, 200, "{}", answer.body);
            asked.elapsed().as_secs_f64() * 1e3
        };
        let (first, second) = (timed(), timed());
        kept.push(second);
        anew.push(first - second);
    }
    anew.sort_by(f64::total_cmp);
    kept.sort_by(f64::total_cmp);
    (anew[anew.len() / 2], kept[kept.len() / 2])
}

/// Everybody in turn, some time long.
fn measure(server: &Server, shape: &Shape, size: usize, seconds: f64, askers: &mut [Asker]) {
    for asker in askers.iter_mut() {
        asker.times.clear();
    }
    let started = Instant::now();
    let mut number = 0;
    while number < 8 || (number < 400 && started.elapsed() < Duration::from_secs_f64(seconds)) {
        let path = encoded(&(shape.path)(number % NAMED, size));
        for asker in askers.iter_mut() {
            let asked = Instant::now();
            let answer = server.send("GET", &path, &[("Authorization", &asker.bearer)], None);
            let took = asked.elapsed().as_secs_f64() * 1e3;
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            asker.found = answer.body["entry"].as_array().map_or(0, Vec::len);
            // The first three warm what is kept.
            if number >= 3 {
                asker.times.push(took);
            }
        }
        number += 1;
    }
    for asker in askers.iter_mut() {
        asker.times.sort_by(f64::total_cmp);
    }
}
