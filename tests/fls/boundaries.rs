//! Boundaries of the rules over REST: messages in any order, corrections, midnight, moves, withdrawn records; and that
//! what was computed step by step is what is computed at once.

use serde_json::{Value, json};

use crate::common::{Answer, Database, Server, agent, databases, exchange, query_lines, renraku};

const LOCAL: &str = "http://renraku.example/fhir/CodeSystem/";

/// A request beside the FHIR base: `fls/registry`.
pub(crate) fn beside(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Vec<u8>>,
) -> Answer {
    exchange(&agent(), server.base.trim_end_matches("/fhir"), method, path, headers, body).unwrap()
}

/// A citizen of one case.
pub(crate) struct Case<'s> {
    server: &'s Server,
    pub(crate) id: String,
}

impl<'s> Case<'s> {
    pub(crate) fn new(server: &'s Server, id: &str) -> Self {
        let case = Self { server, id: id.to_owned() };
        case.patient("1940-01-01", json!({}));
        case
    }

    pub(crate) fn put(&self, kind: &str, name: &str, mut resource: Value) -> String {
        let id = format!("{}-{name}", self.id);
        resource["resourceType"] = json!(kind);
        resource["id"] = json!(id);
        let subject = if kind == "EpisodeOfCare" { "patient" } else { "subject" };
        if resource.get(subject).is_none() {
            resource[subject] = json!({ "reference": format!("Patient/{}", self.id) });
        }
        let answer = self.server.put(&format!("{kind}/{id}"), &resource);
        assert!(matches!(answer.status, 200 | 201), "{kind}: {}", answer.body);
        format!("{kind}/{id}")
    }

    pub(crate) fn patient(&self, born: &str, more: Value) {
        let mut patient = json!({ "resourceType": "Patient", "id": self.id, "birthDate": born, "gender": "female" });
        for (name, value) in more.as_object().unwrap() {
            patient[name] = value.clone();
        }
        let answer = self.server.put(&format!("Patient/{}", self.id), &patient);
        assert!(matches!(answer.status, 200 | 201), "{}", answer.body);
    }

    pub(crate) fn fracture(&self, name: &str, code: &str, side: &str, onset: &str) -> String {
        let system = "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full";
        let mut condition =
            json!({ "code": { "coding": [{ "system": system, "code": code }] }, "onsetDateTime": onset });
        if !side.is_empty() {
            let laterality = "http://renraku.example/fhir/StructureDefinition/laterality";
            condition["bodySite"] =
                json!([{ "extension": [{ "url": laterality, "valueCode": side }], "text": "部位" }]);
        }
        self.put("Condition", name, condition)
    }

    pub(crate) fn seen(&self, name: &str, system: &str, code: &str, on: &str) -> String {
        let code = json!({ "coding": [{ "system": system, "code": code }] });
        self.put("Observation", name, json!({ "status": "final", "code": code, "effectiveDateTime": on }))
    }

    fn group(&self, measure: &str, group: &str) -> (u64, u64) {
        let path = format!(
            "Measure/{measure}/$evaluate-measure?subject=Patient/{}&periodStart=2020-01-01&periodEnd=2026-12-31&asOf=2026-11-01",
            self.id
        );
        let answer = self.server.get(&path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let groups = answer.body["group"].as_array().unwrap();
        let found = groups.iter().find(|one| one["code"]["coding"][0]["code"] == group).unwrap();
        let count = |place: usize| found["population"][place]["count"].as_u64().unwrap();
        (count(1), count(2))
    }

    pub(crate) fn rows(&self) -> Vec<Value> {
        let answer =
            beside(self.server, "GET", &format!("fls/registry?sort=fracture&patient=Patient/{}", self.id), &[], None);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["episodes"].as_array().unwrap().clone()
    }
}

const MET: (u64, u64) = (1, 1);
const MISSED: (u64, u64) = (1, 0);
const OUT: (u64, u64) = (0, 0);
const LOINC: &str = "http://loinc.org";

fn days_and_times(server: &Server) {
    // Days 90 and 91 after 2024-02-01, across 29 February; 15:00 UTC is midnight in Japan.
    for (name, on, expected) in [
        ("day90", "2024-05-01", MET),
        ("day91", "2024-05-02", MISSED),
        ("before-midnight", "2024-05-01T14:59:59Z", MET),
        ("midnight", "2024-05-01T15:00:00Z", MISSED),
        ("zone", "2024-05-02T00:30:00+10:00", MET),
    ] {
        let case = Case::new(server, &format!("b-{name}"));
        case.fracture("f", "S72.0", "right", "2024-02-01");
        case.seen("a", LOINC, "90265-0", on);
        assert_eq!(case.group("fls-kpi-04", "assessed"), expected, "{name}");
    }
    for (name, onset, expected) in
        [("utc", "2024-01-31T15:00:00Z", MET), ("utc-before", "2024-01-31T14:59:59Z", MISSED)]
    {
        let case = Case::new(server, &format!("b-onset-{name}"));
        case.fracture("f", "S72.0", "right", onset);
        case.seen("a", LOINC, "90265-0", "2024-05-01");
        assert_eq!(case.group("fls-kpi-04", "assessed"), expected, "{name}");
    }
    for (name, on, expected) in [("day112", "2024-05-23", MET), ("day113", "2024-05-24", MISSED)] {
        let case = Case::new(server, &format!("b-{name}"));
        case.fracture("f", "S52.5", "left", "2024-02-01");
        let code = json!({ "coding": [{ "system": format!("{LOCAL}fls-activity"), "code": "exercise" }] });
        case.put("Procedure", "e", json!({ "status": "completed", "code": code, "performedDateTime": on }));
        assert_eq!(case.group("fls-kpi-08", "exercise"), expected, "{name}");
    }
    let case = Case::new(server, "b-leap");
    case.fracture("f", "S72.0", "right", "2024-02-29");
    assert_eq!(case.rows()[0]["activities"][10]["due"], "2025-02-28", "365 days after 29 February");
}

fn treatment(server: &Server) {
    let denosumab = json!({ "text": "デノスマブ皮下注60mg" });
    // Before the fracture, and still taken.
    let case = Case::new(server, "b-before");
    case.fracture("f", "S72.0", "right", "2024-02-01");
    let taken = json!({ "status": "active", "medicationCodeableConcept": { "text": "アレンドロン酸錠35mg" },
        "effectivePeriod": { "start": "2022-05-01" }, "dateAsserted": "2024-02-10" });
    case.put("MedicationStatement", "m", taken);
    assert_eq!(case.group("fls-kpi-10", "commenced"), MET);
    assert_eq!(case.group("fls-kpi-11", "one-year"), MET);
    // An injection in hospital that no prescription names, in a contained Medication.
    let case = Case::new(server, "b-hospital");
    case.fracture("f", "S72.0", "right", "2024-02-01");
    case.put(
        "MedicationAdministration",
        "m",
        json!({ "status": "completed", "contained": [{ "resourceType": "Medication", "id": "m", "code": denosumab }],
        "medicationReference": { "reference": "#m" }, "effectiveDateTime": "2024-02-12T10:00:00+09:00" }),
    );
    case.put(
        "MedicationRequest",
        "r",
        json!({ "status": "active", "intent": "order", "authoredOn": "2024-02-20",
        "medicationCodeableConcept": { "text": "デノタスチュアブル配合錠" } }),
    );
    assert_eq!(case.group("fls-treatment-start", "started"), MET);
    assert_eq!(case.group("fls-kpi-11", "one-year"), MISSED, "183 + 30 days after the only dose");
    // Refused.
    let case = Case::new(server, "b-refused");
    case.fracture("f", "S72.0", "right", "2024-02-01");
    let recommended =
        json!({ "coding": [{ "system": format!("{LOCAL}fls-activity"), "code": "treatment-recommendation" }] });
    case.put(
        "ServiceRequest",
        "s",
        json!({ "status": "active", "intent": "proposal", "code": recommended, "authoredOn": "2024-02-10" }),
    );
    case.put("MedicationStatement", "m", json!({ "status": "not-taken", "medicationCodeableConcept": denosumab, "effectiveDateTime": "2024-02-20",
        "dateAsserted": "2024-02-20", "statusReason": [{ "coding": [{ "system": format!("{LOCAL}treatment-stop-reason"), "code": "refused" }] }] }));
    assert_eq!(case.group("fls-kpi-10", "commenced"), MISSED);
    assert_eq!(case.rows()[0]["activities"][5]["state"], "not-applicable");
    // Death on day 50.
    case.patient("1940-01-01", json!({ "deceasedDateTime": "2024-03-22" }));
    assert_eq!(case.group("fls-kpi-09", "follow-up"), OUT);
    assert_eq!(case.rows()[0]["state"], "died");
}

fn fractures(server: &Server) {
    // The second fracture's message comes before the first one's.
    let case = Case::new(server, "b-order");
    case.fracture("second", "S72.1", "left", "2024-06-01");
    let alone = case.rows();
    assert_eq!((alone.len(), alone[0]["sequence"].as_str()), (1, Some("index")));
    case.fracture("first", "S72.0", "right", "2024-02-01");
    let rows = case.rows();
    let sequence: Vec<&str> = rows.iter().map(|row| row["sequence"].as_str().unwrap()).collect();
    assert_eq!(sequence, ["index", "secondary"]);
    assert_eq!(rows[1]["index"], rows[0]["episode"]);
    assert_eq!(rows[1]["episode"], alone[0]["episode"], "an episode keeps its id");
    // The same fracture coded again by another system of codes, then refuted.
    let again = case.put("Condition", "again", json!({ "onsetDateTime": "2024-02-20",
        "code": { "coding": [{ "system": "http://medis.or.jp/CodeSystem/master-disease-exCode", "code": "BCRD" }], "text": "右大腿骨頚部骨折" } }));
    assert_eq!(case.rows().len(), 2);
    assert!(case.rows()[0]["records"].as_array().unwrap().contains(&json!(again)));
    let gone = server.delete(&format!("Condition/{}-second", case.id));
    assert_eq!(gone.status, 200);
    assert_eq!(case.rows().len(), 1, "a deleted record opens nothing");
    // A record that belonged to somebody else.
    let other = Case::new(server, "b-order-other");
    case.put(
        "Condition",
        "again",
        json!({ "onsetDateTime": "2024-02-20", "subject": { "reference": format!("Patient/{}", other.id) },
        "code": { "coding": [{ "system": "http://medis.or.jp/CodeSystem/master-disease-exCode", "code": "BCRD" }] } }),
    );
    assert_eq!(case.rows()[0]["records"].as_array().unwrap().len(), 1);
    assert_eq!(other.rows().len(), 1);
    // A wrong birth date, corrected later.
    let case = Case::new(server, "b-born");
    case.patient("1975-01-01", json!({}));
    case.fracture("f", "S72.0", "right", "2024-02-01");
    assert_eq!(case.rows().len(), 0);
    case.patient("1957-01-01", json!({}));
    assert_eq!(case.rows()[0]["age"], 67);
}

fn moves(server: &Server) {
    let case = Case::new(server, "b-moved");
    let place = |name: &str| json!([{ "url": "http://renraku.example/fhir/StructureDefinition/address-municipality", "valueReference": { "reference": name } }]);
    case.patient(
        "1940-01-01",
        json!({
            "managingOrganization": { "reference": "Organization/b-city-b" },
            "address": [
                { "extension": place("Organization/b-city-a"), "text": "前", "period": { "end": "2024-06-30" } },
                { "extension": place("Organization/b-city-b"), "text": "今", "period": { "start": "2024-07-01" } }
            ]
        }),
    );
    case.fracture("first", "S72.0", "right", "2024-06-30");
    case.fracture("second", "S72.0", "left", "2024-07-01T00:00:00+09:00");
    let rows = case.rows();
    assert_eq!(rows[0]["municipality"], "Organization/b-city-a");
    assert_eq!(rows[1]["municipality"], "Organization/b-city-b");
    let count = |name: &str| {
        let path = format!(
            "Measure/fls-kpi-03/$evaluate-measure?periodStart=2024-06-01&periodEnd=2024-07-31&municipality={name}&stratify=municipality,sex"
        );
        let report = server.get(&path).body;
        (
            report["group"][0]["population"][0]["count"].clone(),
            report["group"][0]["stratifier"][1]["stratum"][0]["value"]["text"].clone(),
        )
    };
    assert_eq!(count("Organization/b-city-a"), (json!(1), json!("female")));
    assert_eq!(count("Organization/b-city-b").0, json!(1));
}

/// A site stores its own figures: everything is computed anew by them. A single question may have others.
fn figures(server: &Server) {
    let case = Case::new(server, "b-figures");
    case.fracture("f", "S72.0", "right", "2024-02-01");
    case.seen("a", LOINC, "90265-0", "2024-04-30");
    assert_eq!(case.group("fls-kpi-04", "assessed"), MET, "day 89");
    let path =
        "Measure/fls-kpi-04/$evaluate-measure?subject=Patient/b-figures&periodStart=2024-01-01&periodEnd=2024-12-31";
    let count = |path: &str| server.get(path).body["group"][0]["population"][2]["count"].clone();
    assert_eq!(count(&format!("{path}&threshold=assessment-days=84")), json!(0));
    assert_eq!(count(&format!("{path}&asOf=2024-04-30")), json!(0), "the window is not over");
    assert_eq!(server.get(&format!("{path}&threshold=colour=3")).status, 400);
    let ours = server.get("CodeSystem/fls-rule").body;
    let mut theirs = ours.clone();
    let concepts = theirs["concept"].as_array_mut().unwrap();
    let rule = concepts.iter_mut().find(|one| one["code"] == "assessment-days").unwrap();
    rule["property"][0]["valueDecimal"] = json!(84);
    assert_eq!(server.put("CodeSystem/fls-rule", &theirs).status, 200);
    assert_eq!(case.group("fls-kpi-04", "assessed"), MISSED);
    assert_eq!(server.put("CodeSystem/fls-rule", &ours).status, 200);
    assert_eq!(case.group("fls-kpi-04", "assessed"), MET);
    // Another medicine that a site knows by its own code.
    case.put(
        "MedicationAdministration",
        "m",
        json!({ "status": "completed", "effectiveDateTime": "2024-02-10",
        "medicationCodeableConcept": { "coding": [{ "system": "urn:example:pharmacy", "code": "77" }] } }),
    );
    assert_eq!(case.group("fls-treatment-start", "started"), MISSED);
    let ours = server.get("CodeSystem/osteoporosis-drug").body;
    let mut theirs = ours.clone();
    let concepts = theirs["concept"].as_array_mut().unwrap();
    let drug = concepts.iter_mut().find(|one| one["code"] == "denosumab").unwrap();
    drug["property"].as_array_mut().unwrap().push(json!({ "code": "match", "valueString": "urn:example:pharmacy|7*" }));
    assert_eq!(server.put("CodeSystem/osteoporosis-drug", &theirs).status, 200);
    assert_eq!(case.group("fls-treatment-start", "started"), MET);
    assert_eq!(server.put("CodeSystem/osteoporosis-drug", &ours).status, 200);
    assert_eq!(case.group("fls-treatment-start", "started"), MISSED);
}

/// The rows of everything that is derived, as text.
fn derived(database: &Database) -> Vec<String> {
    let tables = [
        "SELECT citizen || ' ' || next AS line FROM fls_citizen ORDER BY citizen",
        "SELECT id || ' ' || ordinal || ' ' || fracture || ' ' || state || ' ' || due || ' ' || overdue || ' ' || alarms AS line FROM fls_episode ORDER BY citizen, ordinal",
        "SELECT id || ' ' || code || ' ' || since AS line FROM fls_alarm ORDER BY citizen, id",
    ];
    tables.iter().flat_map(|sql| query_lines(database, sql)).collect()
}

#[test]
fn what_comes_in_any_order_is_counted_alike_and_rebuilding_changes_nothing() {
    for database in databases() {
        println!("on {}", database.kind());
        let mut server = Server::start_as_installed(&database.url, &[]);
        days_and_times(&server);
        treatment(&server);
        fractures(&server);
        moves(&server);
        figures(&server);
        server.terminate();
        let before = derived(&database);
        assert!(before.len() > 20, "{before:?}");
        let folder = crate::common::TempDir::new();
        let rebuilt = renraku(folder.path()).args(["fls", "rebuild", "--database", &database.url]).output().unwrap();
        assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
        assert_eq!(derived(&database), before);
        // As if all of it had been computed long ago: the sweep of a new day comes to the same, from the facts alone.
        query_lines(
            &database,
            "UPDATE setting SET value = replace(value, ' 20', ' 19') WHERE name = 'fls_basis' RETURNING value AS line",
        );
        query_lines(&database, "UPDATE fls_citizen SET next = 0 RETURNING 'x' AS line");
        query_lines(&database, "UPDATE fls_episode SET state = 'x', overdue = 77 RETURNING 'x' AS line");
        query_lines(&database, "DELETE FROM fls_alarm RETURNING 'x' AS line");
        let swept = renraku(folder.path()).args(["fls", "sweep", "--database", &database.url]).output().unwrap();
        let said = String::from_utf8_lossy(&swept.stdout).into_owned();
        assert!(swept.status.success() && said.starts_with("0 citizens were read anew"), "{said}");
        assert_eq!(derived(&database), before);
    }
}
