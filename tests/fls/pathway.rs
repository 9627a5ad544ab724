//! The pathway as resources: opened, closed by what fulfils it, by hand, kept when computed again; alarms and notes on
//! them; the registry as tables; measures that can be walked back to citizens.

use serde_json::{Value, json};

use crate::boundaries::{Case, beside};
use crate::common::{Answer, Server, databases};

const LOINC: &str = "http://loinc.org";

/// A resource that the server made must be a right one.
fn is_valid(server: &Server, resource: &Value) {
    let kind = resource["resourceType"].as_str().unwrap();
    let outcome = server.post(&format!("{kind}/$validate"), resource).body;
    let issues = outcome["issue"].as_array().unwrap_or_else(|| panic!("{outcome}"));
    let errors: Vec<&Value> = issues.iter().filter(|issue| issue["severity"] == "error").collect();
    assert!(errors.is_empty(), "{kind}: {errors:?}");
}

/// So many days before today, in Japan.
fn ago(days: i64) -> String {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(9))).date();
    today.saturating_sub(jiff::Span::new().days(days)).to_string()
}

fn fls(server: &Server, path: &str) -> Answer {
    beside(server, "GET", &format!("fls/{path}"), &[], None)
}

fn search(server: &Server, path: &str) -> Vec<Value> {
    let body = server.get(path).body;
    body["entry"].as_array().map_or(Vec::new(), |all| all.iter().map(|entry| entry["resource"].clone()).collect())
}

fn task(server: &Server, patient: &str, code: &str) -> Value {
    let all = search(server, &format!("Task?patient=Patient/{patient}&_count=100"));
    let found: Vec<&Value> = all.iter().filter(|task| task["code"]["coding"][0]["code"] == code).collect();
    assert_eq!(found.len(), 1, "{code}: {all:?}");
    found[0].clone()
}

#[test]
fn a_fracture_opens_the_pathway_and_what_is_done_closes_it() {
    for database in databases() {
        println!("on {}", database.kind());
        let server = Server::start_as_installed(&database.url, &["--fls", "on"]);
        let case = Case::new(&server, "p-one");
        case.fracture("f", "S72.0", "right", &ago(100));
        assert_eq!(case.rows()[0]["state"], "active");
        let episodes = search(&server, "EpisodeOfCare?patient=Patient/p-one");
        assert_eq!((episodes.len(), episodes[0]["status"].as_str()), (1, Some("active")));
        assert_eq!(episodes[0]["diagnosis"][0]["condition"]["reference"], "Condition/p-one-f");
        let plans = search(&server, "CarePlan?patient=Patient/p-one");
        assert_eq!(plans[0]["activity"].as_array().unwrap().len(), 11);
        for made in [
            &episodes[0],
            &plans[0],
            &task(&server, "p-one", "bloods"),
            &search(&server, "Flag?patient=Patient/p-one")[0],
        ] {
            is_valid(&server, made);
        }
        // Late on day 91: the Task says so, an alarm is raised.
        assert_eq!(task(&server, "p-one", "dxa")["businessStatus"]["coding"][0]["code"], "overdue");
        let flags = search(&server, "Flag?patient=Patient/p-one");
        assert!(flags.iter().any(|flag| flag["code"]["coding"][0]["code"] == "overdue" && flag["status"] == "active"));
        // People add an owner and take a Task up; computing again keeps both.
        let mut mine = task(&server, "p-one", "dxa");
        mine["owner"] = json!({ "display": "骨粗鬆症外来", "reference": "Organization/clinic" });
        mine["status"] = json!("accepted");
        let id = mine["id"].as_str().unwrap().to_owned();
        assert_eq!(server.put(&format!("Task/{id}"), &mine).status, 200);
        assert_eq!(case.rows()[0]["owner"], "Organization/clinic");
        let again = task(&server, "p-one", "dxa");
        assert_eq!(
            (again["status"].as_str(), again["owner"]["display"].as_str()),
            (Some("accepted"), Some("骨粗鬆症外来"))
        );
        let version = again["meta"]["versionId"].clone();
        case.rows();
        assert_eq!(task(&server, "p-one", "dxa")["meta"]["versionId"], version, "computing again writes nothing");
        // The measurement closes it, by itself.
        case.seen("dxa", LOINC, "38263-0", &ago(1));
        assert_eq!(case.rows()[0]["activities"][1]["state"], "done");
        let done = task(&server, "p-one", "dxa");
        assert_eq!(
            (done["status"].as_str(), done["output"][0]["valueReference"]["reference"].as_str()),
            (Some("completed"), Some("Observation/p-one-dxa"))
        );
        assert_eq!(done["owner"]["reference"], "Organization/clinic");
        is_valid(&server, &done);
        // It is withdrawn: the Task is open again.
        assert_eq!(server.delete("Observation/p-one-dxa").status, 200);
        case.rows();
        assert_ne!(task(&server, "p-one", "dxa")["status"], "completed");
        // Closed by hand, with a reason: nobody touches it.
        let mut mine = task(&server, "p-one", "bloods");
        mine["status"] = json!("cancelled");
        mine["statusReason"] = json!({ "text": "他院で実施済み" });
        let id = mine["id"].as_str().unwrap().to_owned();
        let stored = server.put(&format!("Task/{id}"), &mine);
        assert_eq!(stored.status, 200);
        let activity = case.rows()[0]["activities"][2].clone();
        assert_eq!(
            (activity["state"].as_str(), activity["reason"].as_str()),
            (Some("dropped"), Some("他院で実施済み"))
        );
        assert_eq!(task(&server, "p-one", "bloods")["meta"]["versionId"], stored.body["meta"]["versionId"]);
        // Death ends the episode and its Tasks.
        case.patient("1940-01-01", json!({ "deceasedDateTime": ago(0) }));
        assert_eq!(case.rows()[0]["state"], "died");
        assert_eq!(search(&server, "EpisodeOfCare?patient=Patient/p-one")[0]["status"], "finished");
        assert_eq!(task(&server, "p-one", "follow-up-52w")["status"], "cancelled");
        assert!(search(&server, "Flag?patient=Patient/p-one").iter().all(|flag| flag["status"] == "inactive"));
        // A fracture that was none: what was made is withdrawn.
        assert_eq!(server.delete("Condition/p-one-f").status, 200);
        assert_eq!(case.rows().len(), 0);
        assert_eq!(search(&server, "EpisodeOfCare?patient=Patient/p-one")[0]["status"], "entered-in-error");
    }
}

#[test]
fn apply_opens_the_pathway_and_alarms_are_taken_note_of() {
    for database in databases() {
        println!("on {}", database.kind());
        let server = Server::start_as_installed(&database.url, &[]);
        let case = Case::new(&server, "p-two");
        let apply = |subject: &str| {
            server.post(
                &format!("PlanDefinition/fls-pathway/$apply?subject={subject}"),
                &json!({ "resourceType": "Parameters" }),
            )
        };
        let refused = apply("Patient/p-two");
        assert_eq!((refused.status, refused.body["resourceType"].as_str()), (422, Some("OperationOutcome")));
        case.fracture("f", "S72.0", "right", &ago(300));
        case.rows();
        assert!(search(&server, "Task?patient=Patient/p-two").is_empty(), "the setting is off");
        let plan = apply("Patient/p-two");
        assert_eq!((plan.status, plan.body["resourceType"].as_str()), (200, Some("CarePlan")), "{}", plan.body);
        assert_eq!(search(&server, "Task?patient=Patient/p-two&_count=50").len(), 11);
        // From now on it is kept.
        case.seen("dxa", LOINC, "38263-0", &ago(250));
        case.rows();
        assert_eq!(task(&server, "p-two", "dxa")["status"], "completed");
        // Denosumab that nobody gave again.
        case.put("MedicationAdministration", "m", json!({ "status": "completed", "effectiveDateTime": ago(250), "medicationCodeableConcept": { "text": "プラリア皮下注60mgシリンジ" } }));
        let alarms = fls(&server, "alarms?patient=Patient/p-two").body;
        let codes: Vec<&str> =
            alarms["alarms"].as_array().unwrap().iter().map(|alarm| alarm["code"].as_str().unwrap()).collect();
        assert!(codes.contains(&"medication-gap") && codes.contains(&"no-follow-on"), "{codes:?}");
        let gap = alarms["alarms"].as_array().unwrap().iter().find(|alarm| alarm["code"] == "medication-gap").unwrap();
        let id = gap["id"].as_str().unwrap();
        let note = |body: Value| {
            beside(
                &server,
                "POST",
                &format!("fls/alarms/{id}/acknowledge"),
                &[("Content-Type", "application/json")],
                Some(body.to_string().into_bytes()),
            )
        };
        assert_eq!(note(json!({ "who": "FLS" })).status, 400, "a reason is needed");
        let noted = note(json!({ "who": "FLS看護師", "reason": "12月3日に予約済み" }));
        assert_eq!(noted.body["alarm"]["acknowledged"]["reason"], "12月3日に予約済み", "{}", noted.body);
        let flag = server.get(&format!("Flag/{id}")).body;
        is_valid(&server, &flag);
        assert_eq!(
            (flag["status"].as_str(), flag["extension"][0]["extension"][0]["valueString"].as_str()),
            (Some("active"), Some("FLS看護師"))
        );
        let open: Vec<Value> =
            fls(&server, "alarms?patient=Patient/p-two&acknowledged=false").body["alarms"].as_array().unwrap().clone();
        assert!(open.iter().all(|alarm| alarm["id"] != id));
        let nothing = beside(
            &server,
            "POST",
            "fls/alarms/none/acknowledge",
            &[("Content-Type", "application/json")],
            Some(b"{\"reason\":\"x\"}".to_vec()),
        );
        assert_eq!((nothing.status, nothing.body["resourceType"].as_str()), (404, Some("OperationOutcome")));
    }
}

#[test]
fn the_registry_is_filtered_paged_and_given_as_tables() {
    for database in databases() {
        println!("on {}", database.kind());
        let server = Server::start_as_installed(&database.url, &[]);
        for number in 0..7 {
            let case = Case::new(&server, &format!("r-{number}"));
            case.patient("1940-01-01", json!({ "managingOrganization": { "reference": if number % 2 == 0 { "Organization/even" } else { "Organization/odd" } } }));
            case.fracture("f", if number == 3 { "S22.0" } else { "S72.0" }, "right", &ago(10 + number * 20));
        }
        let ids = |path: &str| -> Vec<String> {
            let body = fls(&server, path).body;
            body["episodes"]
                .as_array()
                .unwrap_or_else(|| panic!("{path}: {body}"))
                .iter()
                .map(|row| row["patient"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(ids("registry").len(), 7);
        assert_eq!(ids("registry?municipality=Organization/even").len(), 4);
        assert_eq!(ids("registry?site=vertebra"), ["Patient/r-3"]);
        assert_eq!(ids("registry?overdue=false").len(), 2, "blood tests are late from day 31 on, not on day 30");
        assert_eq!(ids("registry?sort=-fracture&count=1"), ["Patient/r-0"]);
        assert_eq!(ids(&format!("registry?fractured-to={}", ago(100))).len(), 2);
        // Pages are complete and without doubles.
        let (mut all, mut path) = (Vec::new(), "registry?count=3&sort=due".to_owned());
        loop {
            let page = fls(&server, &path).body;
            all.extend(page["episodes"].as_array().unwrap().iter().map(|row| row["episode"].clone()));
            let Some(next) = page["next"].as_str() else { break };
            path = next.split("/fls/").nth(1).unwrap().to_owned();
        }
        all.sort_by_key(ToString::to_string);
        all.dedup();
        assert_eq!(all.len(), 7);
        let csv = beside(&server, "GET", "fls/registry?format=csv", &[], None);
        assert!(csv.header("content-type").starts_with("text/csv"));
        let text = String::from_utf8(csv.bytes).unwrap();
        assert!(text.starts_with("\u{feff}patient,fracture,") && text.lines().count() == 8, "{text}");
        let lines = beside(&server, "GET", "fls/registry", &[("Accept", "application/x-ndjson")], None);
        assert_eq!(
            String::from_utf8(lines.bytes)
                .unwrap()
                .lines()
                .filter(|line| serde_json::from_str::<Value>(line).is_ok())
                .count(),
            7
        );
        for wrong in [
            "registry?color=red",
            "registry?due-by=soon",
            "registry?sort=name",
            "registry?after=1",
            "registry?count=0",
            "registry?format=xml",
            "nothing",
            "indicators?step=day",
        ] {
            let refused = fls(&server, wrong);
            assert!(matches!(refused.status, 400 | 404), "{wrong}: {}", refused.body);
            assert_eq!(refused.body["resourceType"], "OperationOutcome", "{wrong}");
        }
        // A figure is walked back: the list of citizens, then the resources of one.
        let period = format!("periodStart={}&periodEnd={}", ago(200), ago(0));
        let list = server.get(&format!("Measure/fls-kpi-03/$evaluate-measure?{period}&reportType=subject-list")).body;
        assert_eq!(list["type"], "subject-list");
        let met = list["group"][0]["population"][2]["subjectResults"]["reference"]
            .as_str()
            .unwrap()
            .trim_start_matches('#')
            .to_owned();
        let met = list["contained"].as_array().unwrap().iter().find(|one| one["id"] == met.as_str()).unwrap();
        assert_eq!(met["entry"][0]["item"]["reference"], "Patient/r-3");
        let one = server.get(&format!("Measure/fls-kpi-03/$evaluate-measure?{period}&subject=Patient/r-3")).body;
        assert_eq!(
            (one["type"].as_str(), one["evaluatedResource"][0]["reference"].as_str()),
            (Some("individual"), Some("Condition/r-3-f"))
        );
        let data = server.get(&format!("Measure/fls-kpi-03/$collect-data?{period}&subject=Patient/r-3")).body;
        assert_eq!(
            (data["parameter"][0]["resource"]["type"].as_str(), data["parameter"][1]["resource"]["id"].as_str()),
            (Some("data-collection"), Some("r-3-f"))
        );
        let gaps = server.get(&format!("Measure/$care-gaps?{period}&topic=fls&subject=Patient/r-6")).body;
        assert_eq!(
            (gaps["type"].as_str(), gaps["entry"][0]["resource"]["resourceType"].as_str()),
            (Some("document"), Some("Composition")),
            "{gaps}"
        );
        let issues: Vec<&Value> = gaps["entry"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["resource"]["resourceType"] == "DetectedIssue")
            .collect();
        assert!(issues.iter().any(|issue| issue["resource"]["code"]["coding"][0]["code"] == "assessed"));
        // Each report is a right resource.
        let city = format!(
            "Measure/fls-kpi-01/$evaluate-measure?{period}&municipality=Organization/even&stratify=sex,age-band"
        );
        let city = server.get(&city).body;
        assert_eq!(city["reporter"]["reference"], "Organization/even");
        for report in [&list, &one, &city, &gaps] {
            is_valid(&server, report);
        }
        // Small counts of a city report are masked.
        let city = server.get(&format!("Measure/city-outcome-b/$evaluate-measure?{period}")).body;
        assert_eq!(city["group"][0]["population"][1]["_count"]["extension"][0]["valueCode"], "masked", "{city}");
        assert!(city["group"][0]["population"][1]["count"].is_null());
        let series = fls(&server, &format!("indicators?measure=fls-kpi-03&step=month&from={}", ago(100))).body;
        assert!(series["points"].as_array().unwrap().len() >= 4, "{series}");
    }
}

/// `docs/fls-rules.md`, cases and history.
#[test]
fn a_fracture_known_as_history_opens_nothing() {
    for database in databases() {
        println!("on {}", database.kind());
        let server = Server::start_as_installed(&database.url, &["--fls", "on"]);
        let case = Case::new(&server, "p-history");
        case.put(
            "Condition",
            "old",
            json!({ "clinicalStatus": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "resolved" }] },
                "code": { "text": "左大腿骨頚部骨折" }, "onsetDateTime": ago(2_600), "recordedDate": ago(3) }),
        );
        assert!(case.rows().is_empty(), "{:?}", case.rows());
        assert!(search(&server, "EpisodeOfCare?patient=Patient/p-history").is_empty());
        let alarms = fls(&server, "alarms?patient=Patient/p-history").body;
        assert_eq!(alarms["alarms"], json!([]));
        // What follows is a second fracture, and says which came before.
        case.fracture("new", "S72.0", "right", &ago(5));
        let rows = case.rows();
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0]["state"].as_str(), rows[0]["sequence"].as_str(), &rows[0]["index"], &rows[0]["history"]),
            (Some("active"), Some("secondary"), &Value::Null, &json!(["Condition/p-history-old"])),
            "{}",
            rows[0]
        );
    }
}

#[test]
fn a_changed_medication_changes_those_who_take_it() {
    for database in databases() {
        println!("on {}", database.kind());
        let server = Server::start(&database.url, &[]);
        let case = Case::new(&server, "p-medication");
        case.fracture("f", "S72.0", "right", &ago(20));
        let drug = |words: &str| {
            let body = json!({ "resourceType": "Medication", "id": "drug", "code": { "text": words } });
            let answer = server.put("Medication/drug", &body);
            assert!(matches!(answer.status, 200 | 201), "{}", answer.body);
        };
        drug("アスピリン錠100mg");
        case.put("MedicationAdministration", "m", json!({ "status": "completed", "effectiveDateTime": ago(10), "medicationReference": { "reference": "Medication/drug" } }));
        assert_eq!(case.rows()[0]["medicine"], Value::Null);
        drug("プラリア皮下注60mgシリンジ");
        assert_eq!(case.rows()[0]["medicine"]["code"], "denosumab");
        drug("アスピリン錠100mg");
        assert_eq!(case.rows()[0]["medicine"], Value::Null);
    }
}
