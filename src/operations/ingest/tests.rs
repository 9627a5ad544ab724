use super::*;
use crate::format::json::parse;
use crate::notebook::{EntryRow, project};
use crate::r4::outcome::Severity;
use crate::validation::structure::check_resource;

const SAMPLE: &str = include_str!("../../../conformance/samples/discharge-hip-fracture.json");
const CORRECTED: &str = include_str!("../../../conformance/samples/discharge-hip-fracture-corrected.json");

fn node(text: &str) -> Node<'_> {
    parse(text.as_bytes()).unwrap()
}

fn planned(text: &str) -> IngestPlan {
    plan(&node(text), None, None).unwrap()
}

fn requests(plan: &IngestPlan) -> Vec<String> {
    let request = |entry: &Node<'_>| {
        let request = entry.get("request").unwrap();
        let criteria = request.text("ifNoneExist").map(|criteria| format!(" if none {criteria}")).unwrap_or_default();
        format!("{} {}{criteria}", request.text("method").unwrap(), request.text("url").unwrap())
    };
    plan.transaction.list("entry").iter().map(request).collect()
}

fn resource(plan: &IngestPlan, accept: impl Fn(&Node<'_>) -> bool) -> &Node<'static> {
    let mut resources = plan.transaction.list("entry").iter().filter_map(|entry| entry.get("resource"));
    resources.find(|resource| accept(resource)).unwrap()
}

fn of_type<'n>(plan: &'n IngestPlan, type_name: &str) -> &'n Node<'static> {
    resource(plan, |resource| resource.text("resourceType") == Some(type_name))
}

fn named<'n>(plan: &'n IngestPlan, type_name: &str, words: &str) -> &'n Node<'static> {
    resource(plan, |resource| {
        let name = ["code", "medicationCodeableConcept"].iter().find_map(|name| resource.get(name)?.text("text"));
        resource.text("resourceType") == Some(type_name) && name == Some(words)
    })
}

/// The stored version of a document.
fn stored(plan: &IngestPlan) -> Node<'static> {
    resource(plan, |resource| resource.text("id") == Some(&plan.bundle_id)).clone()
}

fn errors(text: &str, previous: Option<&Node<'_>>) -> Vec<Issue> {
    plan(&node(text), previous, None).unwrap_err()
}

/// What a transaction engine does to references, and then the timeline of it all.
fn timeline(plan: &IngestPlan) -> Vec<EntryRow> {
    let mut text = String::from_utf8(plan.transaction.to_bytes()).unwrap();
    for entry in plan.transaction.list("entry") {
        let Some(resource) = entry.get("resource") else { continue };
        let url = entry.text("fullUrl").unwrap();
        let id = url.strip_prefix("urn:uuid:").unwrap();
        let local = format!("{}/{id}", resource.text("resourceType").unwrap());
        text = text.replace(&format!("\"reference\":\"{url}\""), &format!("\"reference\":\"{local}\""));
    }
    let transaction = node(&text);
    let resources = transaction.list("entry").iter().filter_map(|entry| entry.get("resource"));
    let mut rows: Vec<EntryRow> =
        resources.flat_map(|resource| project(resource.text("resourceType").unwrap(), resource).entries).collect();
    rows.sort_by_key(|row| (row.happened_low.unwrap_or(i64::MAX), row.category.clone(), row.title.clone()));
    rows
}

#[test]
fn samples_are_valid_r4() {
    for text in [SAMPLE, CORRECTED] {
        let sample = node(text);
        assert_eq!(check_resource(&sample, Some("Bundle")).err(), None);
        let plan = planned(text);
        assert_eq!(check_resource(&plan.transaction, Some("Bundle")).err(), None);
    }
}

#[test]
fn a_document_becomes_a_transaction() {
    let plan = planned(SAMPLE);
    let requests = requests(&plan);
    let count = |start: &str| requests.iter().filter(|request| request.starts_with(start)).count();
    assert_eq!(plan.document_identifier.1, "2399999999^2025^0000123");
    assert_eq!(count("PUT Composition/"), 1);
    assert_eq!(count("PUT Encounter/"), 1);
    assert_eq!(count("PUT Condition/"), 7);
    assert_eq!(count("PUT MedicationRequest/"), 4);
    assert_eq!(count("PUT MedicationAdministration/"), 1);
    assert_eq!(count("PUT Provenance/"), 1);
    assert_eq!(count("DELETE"), 0);
    assert!(requests.contains(&format!("PUT Bundle/{}", plan.bundle_id)));
    let patient = "POST Patient if none identifier=urn:oid:1.2.392.100495.20.3.51.12399999999|0000123";
    assert!(requests.iter().any(|request| request == patient), "{requests:#?}");
    assert_eq!((count("POST Organization if none"), count("POST Practitioner if none")), (2, 2));
    let provenance = of_type(&plan, "Provenance");
    assert_eq!(provenance.list("target").len(), plan.transaction.list("entry").len() - 1);
    assert_eq!(provenance.text("recorded"), Some("2025-07-14T15:00:00+09:00"));
    let source = provenance.path(&["entity", "what", "reference"]).and_then(Node::as_str);
    assert_eq!(source, Some(format!("urn:uuid:{}", plan.bundle_id).as_str()));
}

#[test]
fn the_stored_document_is_as_sent() {
    let mut stored = stored(&planned(SAMPLE));
    set_id(&mut stored, "discharge-hip-fracture");
    assert_eq!(stored, node(SAMPLE));
}

#[test]
fn every_reference_holds_within_the_transaction() {
    fn references(node: &Node<'_>, out: &mut Vec<String>) {
        match node {
            Node::Array(items) => items.iter().for_each(|item| references(item, out)),
            Node::Object(members) => {
                out.extend(node.text("reference").map(str::to_owned));
                members.iter().for_each(|(_, value)| references(value, out));
            }
            _ => {}
        }
    }
    for plan in [planned(SAMPLE), planned(CORRECTED)] {
        let entries = plan.transaction.list("entry");
        let urls: Vec<&str> = entries.iter().filter_map(|entry| entry.text("fullUrl")).collect();
        let mut found = Vec::new();
        for entry in entries.iter().filter_map(|entry| entry.get("resource")) {
            if entry.text("resourceType") != Some("Bundle") {
                references(entry, &mut found);
            }
        }
        assert!(found.len() > 100);
        assert!(found.iter().all(|reference| urls.contains(&reference.as_str())));
    }
}

#[test]
fn sent_twice_it_is_the_same() {
    let first = planned(SAMPLE);
    let again = plan(&node(SAMPLE), Some(&stored(&first)), None).unwrap();
    assert_eq!(first, again);
    let mut as_served = stored(&first);
    let meta = r#"{"versionId":"1","lastUpdated":"2025-07-14T06:00:01Z","profile":["http://jpfhir.jp/fhir/eDischargeSummary/StructureDefinition/JP_Bundle_eDischargeSummary"]}"#;
    as_served.remove("meta");
    as_served.set("meta", node(meta).into_owned());
    assert_eq!(plan(&node(SAMPLE), Some(&as_served), None).unwrap(), first);
    let joined_otherwise = SAMPLE.replace("2399999999^2025^0000123", "2399999999-2025-0000123");
    assert_eq!(planned(&joined_otherwise).bundle_id, first.bundle_id);
}

#[test]
fn a_correction_updates_the_same_resources_and_deletes_what_is_gone() {
    let first = planned(SAMPLE);
    let second = plan(&node(CORRECTED), Some(&stored(&first)), None).unwrap();
    assert_eq!(first.bundle_id, second.bundle_id);
    let before = named(&first, "Condition", "骨粗鬆症").text("id").unwrap();
    let after = named(&second, "Condition", "骨粗鬆症・病的骨折あり").text("id").unwrap();
    assert_eq!(before, after);
    let drug = "アセトアミノフェン錠200mg";
    assert_eq!(
        named(&first, "MedicationRequest", drug).text("id"),
        named(&second, "MedicationRequest", drug).text("id")
    );
    // What did not change is the same to the last byte, though every urn:uuid was new.
    let calcium = "デノタスチュアブル配合錠";
    assert_eq!(named(&first, "MedicationRequest", calcium), named(&second, "MedicationRequest", calcium));
    let gone = named(&first, "MedicationRequest", "センノシド錠12mg").text("id").unwrap();
    let deleted: Vec<String> = requests(&second).into_iter().filter(|request| request.starts_with("DELETE")).collect();
    assert_eq!(deleted, [format!("DELETE MedicationRequest/{gone}")]);
    assert_ne!(of_type(&first, "Provenance").text("id"), of_type(&second, "Provenance").text("id"));
}

#[test]
fn order_does_not_matter() {
    let mut document = node(SAMPLE);
    if let Some(Node::Array(entries)) = document.get_mut("entry") {
        entries[1..].reverse();
    }
    let mut before = requests(&planned(SAMPLE));
    let mut after = requests(&plan(&document, None, None).unwrap());
    before.sort();
    after.sort();
    assert_eq!(before, after);
}

#[test]
fn an_older_version_is_a_conflict() {
    let issues = errors(SAMPLE, Some(&stored(&planned(CORRECTED))));
    assert_eq!(issues[0].code, IssueCode::Conflict);
    assert!(issues[0].diagnostics.contains("older"), "{issues:?}");
}

#[test]
fn other_content_at_the_same_time_is_a_conflict() {
    let changed = SAMPLE.replace("要介護2", "要介護3");
    let issues = errors(&changed, Some(&stored(&planned(SAMPLE))));
    assert_eq!(issues[0].code, IssueCode::Conflict);
    assert!(issues[0].diagnostics.contains("later timestamp"), "{issues:?}");
}

#[test]
fn a_correction_does_not_change_the_patient() {
    let other = CORRECTED.replace("\"0000123\"", "\"0000999\"").replace("00999999:見本", "00999998:見本");
    let issues = errors(&other, Some(&stored(&planned(SAMPLE))));
    assert_eq!(issues[0].code, IssueCode::Conflict);
    assert!(issues[0].diagnostics.contains("another patient"));
}

#[test]
fn a_withdrawn_document_takes_its_entries_back() {
    let withdrawn = CORRECTED.replace("\"status\": \"amended\"", "\"status\": \"entered-in-error\"");
    let first = planned(SAMPLE);
    let plan = plan(&node(&withdrawn), Some(&stored(&first)), None).unwrap();
    let requests = requests(&plan);
    assert!(!requests.iter().any(|request| request.starts_with("PUT Condition")));
    let deleted = requests.iter().filter(|request| request.starts_with("DELETE")).count();
    let owned = self::requests(&first).iter().filter(|request| request.starts_with("PUT")).count();
    // All but Bundle, Composition, Provenance.
    assert_eq!(deleted, owned - 3);
}

#[test]
fn what_has_no_place_is_named() {
    let plan = planned(SAMPLE);
    let said: Vec<String> = plan
        .issues
        .iter()
        .map(|issue| format!("{:?} {}: {}", issue.severity, issue.expression.as_deref().unwrap(), issue.diagnostics))
        .collect();
    assert_eq!(
        said,
        [
            "Warning Bundle.entry[0].resource.section[0].section[19].text: section 医療機器 has text only: \
             it can be read in the document, not on the timeline",
            "Information Bundle.entry[21].resource: no section names this MedicationAdministration: it is stored all the same",
        ]
    );
    let unknown = SAMPLE.replace("\"code\": \"444\"", "\"code\": \"999\"");
    let issues = planned(&unknown).issues;
    let issue = issues.iter().find(|issue| issue.code == IssueCode::NotSupported).unwrap();
    assert_eq!(issue.expression.as_deref(), Some("Bundle.entry[0].resource.section[0].section[8].code"));
    for system in ["eClinicalSummary", "clins"] {
        assert_eq!(
            planned(&SAMPLE.replace("eDischargeSummary/CodeSystem", &format!("{system}/CodeSystem"))).issues.len(),
            2
        );
    }
}

#[test]
fn labels_reach_every_resource_of_the_document() {
    let tag = r#""meta": {"tag": [{"system": "http://jpfhir.jp/fhir/clins/CodeSystem/JP_ehrshrs_indication", "code": "UNINFORMED", "display": "未告知"}]},"#;
    let labelled = |resource: &Node<'_>| {
        resource
            .get("meta")
            .is_some_and(|meta| meta.list("tag").iter().any(|tag| tag.text("code") == Some("UNINFORMED")))
    };
    let mut document = node(SAMPLE);
    let meta = format!("{{{}}}", tag.trim_end_matches(','));
    document.set("meta", node(&meta).get("meta").unwrap().clone().into_owned());
    let all = plan(&document, None, None).unwrap();
    assert!(labelled(named(&all, "Condition", "骨粗鬆症")) && labelled(of_type(&all, "Provenance")));
    assert!(!labelled(of_type(&all, "Patient")));
    assert!(timeline(&all).iter().all(|row| row.labels == "UNINFORMED"));
    // One entry only: what contains it is labelled, its neighbours are not.
    let one = SAMPLE.replacen("\"resourceType\": \"Condition\",", &format!("\"resourceType\": \"Condition\",{tag}"), 1);
    let one = planned(&one);
    assert!(labelled(&stored(&one)) && labelled(of_type(&one, "Composition")));
    assert!(labelled(of_type(&one, "Condition")) && !labelled(named(&one, "Condition", "骨粗鬆症")));
}

#[test]
fn an_existing_patient_is_added_to_and_never_overwritten() {
    let criteria = patient_criteria(&node(SAMPLE)).unwrap();
    assert!(criteria.starts_with("identifier=urn:oid:1.2.392.100495.20.3.51.12399999999|0000123,http://jpfhir.jp/"));
    assert!(criteria.is_ascii());
    let existing = node(
        r#"{"resourceType":"Patient","id":"hanako","meta":{"versionId":"3"},
        "identifier":[{"system":"urn:oid:1.2.392.100495.20.3.51.12399999999","value":"0000123"}],
        "name":[{"text":"見本 花子","family":"見本","given":["花子"]}],"birthDate":"1943-03-04",
        "telecom":[{"system":"email","value":"mihon@example.jp"}],
        "communication":[{"language":{"text":"日本語"}}]}"#,
    );
    let plan = plan(&node(SAMPLE), None, Some(&existing)).unwrap();
    let merged = of_type(&plan, "Patient");
    assert!(requests(&plan).contains(&"PUT Patient/hanako".to_owned()));
    assert_eq!(merged.text("birthDate"), Some("1943-03-04"));
    assert_eq!(merged.list("identifier").len(), 2);
    assert_eq!(merged.list("name").len(), 2, "the kanji name is there but for a space, the kana name is new");
    assert_eq!((merged.list("telecom").len(), merged.list("communication").len()), (2, 1));
    assert!(
        plan.issues.iter().any(|issue| issue.severity == Severity::Warning && issue.diagnostics.contains("1943-03-04"))
    );
    let merged = merged.clone();
    let again = super::plan(&node(SAMPLE), None, Some(&merged)).unwrap();
    assert!(!requests(&again).iter().any(|request| request.contains("Patient")));
    let subject = named(&again, "Condition", "骨粗鬆症").path(&["subject", "reference"]).unwrap();
    assert_eq!(subject.as_str(), Some("Patient/hanako"));
    let targets = |plan: &IngestPlan| of_type(plan, "Provenance").list("target").len();
    assert_eq!(targets(&again), targets(&plan));
    let stranger = node(r#"{"resourceType":"Patient","id":"x","identifier":[{"system":"urn:x","value":"1"}]}"#);
    assert_eq!(super::plan(&node(SAMPLE), None, Some(&stranger)).unwrap_err()[0].code, IssueCode::Conflict);
}

#[test]
fn what_cannot_be_told_apart_is_refused() {
    let without = |name: &str| {
        let mut document = node(SAMPLE);
        document.remove(name);
        document
    };
    // The Composition's identifier stands in for the Bundle's, its date for the timestamp.
    assert!(plan(&without("identifier"), None, None).is_ok());
    assert!(plan(&without("timestamp"), None, None).is_ok());
    assert_eq!(plan(&without("type"), None, None).unwrap_err()[0].expression.as_deref(), Some("Bundle.type"));
    assert!(plan(&without("entry"), None, None).is_err());
    let nobody = SAMPLE
        .replace("urn:oid:1.2.392.100495.20.3.51.12399999999", "")
        .replace("http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID", "");
    let issues = errors(&nobody, None);
    assert_eq!(issues[0].code, IssueCode::Required);
    assert_eq!(issues[0].expression.as_deref(), Some("Bundle.entry[1].resource.identifier"));
    let same_url = SAMPLE.replacen(
        node(SAMPLE).list("entry")[2].text("fullUrl").unwrap(),
        node(SAMPLE).list("entry")[1].text("fullUrl").unwrap(),
        100,
    );
    assert!(errors(&same_url, None).iter().any(|issue| issue.diagnostics.contains("bdl-7")));
    for nonsense in
        ["{}", "[]", "null", r#"{"resourceType":"Bundle","type":"document","identifier":{"value":"1"},"entry":[{}]}"#]
    {
        assert!(plan(&node(nonsense), None, None).is_err());
    }
}

#[test]
fn relative_references_without_identifiers_hold() {
    let document = r#"{"resourceType":"Bundle","type":"document","identifier":{"system":"urn:x","value":"1"},
      "timestamp":"2025-01-01T00:00:00Z","entry":[
      {"fullUrl":"http://h/fhir/Composition/c","resource":{"resourceType":"Composition","id":"c","status":"final",
        "type":{"text":"x"},"subject":{"reference":"Patient/p"},"date":"2025","author":[{"display":"x"}],"title":"t",
        "section":[{"code":{"coding":[{"system":"http://jpfhir.jp/fhir/clins/CodeSystem/document-section","code":"340"}]},
        "entry":[{"reference":"Condition/1"},{"reference":"Condition/2"},{"reference":"urn:uuid:nowhere"}]}]}},
      {"fullUrl":"http://h/fhir/Patient/p","resource":{"resourceType":"Patient","id":"p","identifier":[{"system":"urn:y","value":"7"}]}},
      {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Condition","id":"1","code":{"text":"A"},
        "subject":{"type":"Patient","identifier":{"system":"urn:y","value":"7"}}}},
      {"fullUrl":"urn:uuid:2","resource":{"resourceType":"Condition","id":"2","code":{"text":"B"},"subject":{"reference":"Patient/p"},
        "modifierExtension":[{"url":"http://m"}]}}]}"#;
    let all = planned(document);
    assert_eq!(timeline(&all).iter().filter(|row| row.category == "diagnosis").count(), 2);
    let lost = of_type(&all, "Composition").path(&["section"]).unwrap().items()[0].list("entry")[2].clone();
    assert_eq!(lost.path(&["identifier", "value"]).and_then(Node::as_str), Some("urn:uuid:nowhere"));
    assert!(
        all.issues
            .iter()
            .any(|issue| issue.expression.as_deref() == Some("Bundle.entry[3].resource.modifierExtension[0]"))
    );
    // Without A, B is still B.
    let mut shorter = node(document);
    shorter.set("timestamp", Node::string("2025-01-02T00:00:00Z"));
    if let Some(Node::Array(entries)) = shorter.get_mut("entry") {
        entries.remove(2);
    }
    let shorter = plan(&shorter, Some(&stored(&all)), None).unwrap();
    assert_eq!(named(&shorter, "Condition", "B").text("id"), named(&all, "Condition", "B").text("id"));
    let gone = format!("DELETE Condition/{}", named(&all, "Condition", "A").text("id").unwrap());
    assert!(requests(&shorter).contains(&gone));
}

#[test]
fn real_documents_are_taken() {
    for (file, diagnoses) in [
        ("samples/ereferral/Bundle-BundleReferralExample01.json", 5),
        ("samples/jp-clins/Bundle-Bundle-CLINS-PCS-Example-01.json", 2),
        ("samples/jp-clins/Bundle-Bundle-CLINS-Referral-Example-01.json", 5),
        ("samples/municipal-checkup/Bundle-example17.json", 0),
        ("samples/municipal-checkup/Bundle-example17-ng-obs-1.json", 0),
    ] {
        let Some(path) = crate::validation::shared(file) else { continue };
        let text = std::fs::read_to_string(path).unwrap();
        let document = node(&text);
        let first = plan(&document, None, None).unwrap_or_else(|issues| panic!("{file}: {issues:#?}"));
        let again = plan(&document, Some(&stored(&first)), None).unwrap();
        assert_eq!(first, again, "{file}");
        let mut urls: Vec<String> = requests(&first);
        let all = urls.len();
        urls.sort();
        urls.dedup();
        assert_eq!(urls.len(), all, "{file}: one entry each");
        let rows = timeline(&first);
        assert_eq!(rows.iter().filter(|row| row.category == "diagnosis").count(), diagnoses, "{file}");
        assert!(rows.iter().any(|row| row.category == "document"), "{file}");
        assert!(rows.iter().all(|row| !row.title.is_empty() && !row.detail.is_empty()));
    }
}

#[test]
fn the_timeline_reads_as_a_hospital_would_write() {
    let rows = timeline(&planned(SAMPLE));
    let lines: Vec<String> =
        rows.iter().map(|row| format!("{} [{}] {}", row.date_text, row.category, row.title)).collect();
    assert_eq!(lines.join("\n"), include_str!("tests/timeline.txt").trim_end());
    let detail = |title: &str| rows.iter().find(|row| row.title.starts_with(title)).unwrap().detail.as_str();
    assert_eq!(detail("退院"), "退院先：自宅退院／入院日：2025-06-02");
    assert_eq!(detail("手術"), "部位：右大腿骨／実施者：見本 一郎／髄内釘による内固定。出血量100 mL、術中合併症なし。");
}

#[test]
fn whatever_is_left_out_there_is_an_answer() {
    let document = node(SAMPLE);
    for place in 0..document.list("entry").len() {
        let members: Vec<String> = document.list("entry")[place]
            .get("resource")
            .unwrap()
            .members()
            .iter()
            .map(|(name, _)| name.to_string())
            .collect();
        for member in members.iter().map(Some).chain([None]) {
            let mut less = document.clone();
            let Some(Node::Array(entries)) = less.get_mut("entry") else { unreachable!() };
            match member {
                Some(member) => drop(entries[place].get_mut("resource").unwrap().remove(member)),
                None => drop(entries.remove(place)),
            }
            if let Ok(plan) = plan(&less, None, None) {
                assert!(!timeline(&plan).is_empty());
            }
        }
    }
}

#[test]
fn long_term_storage_is_no_secret() {
    let tag = r#""meta": {"tag": [{"system": "http://jpfhir.jp/fhir/clins/CodeSystem/JP_ehrshrs_indication", "code": "LTS"}]},"#;
    let one = SAMPLE.replacen("\"resourceType\": \"Condition\",", &format!("\"resourceType\": \"Condition\",{tag}"), 1);
    assert!(stored(&planned(&one)).path(&["meta", "tag"]).is_none());
}
