//! The pathway as resources: an EpisodeOfCare, a CarePlan and a Task an activity, a Flag an alarm.
//!
//! Ids are made of what they stand for, and what is there already is the base: members that people add (an owner, a
//! note, a priority) stay, and computing again changes nothing. A Task that a person closed is left as it is; one that
//! is closed by what fulfils it says so (`statusReason` automatic).

use crate::fls::alarm::Alarm;
use crate::fls::facts::MADE;
use crate::fls::pathway::{Activity, State};
use crate::fls::registry::{Row, Status};
use crate::fls::rules::ACTIVITY;
use crate::fls::{Facts, Rules, stable_id};
use crate::format::json::Node;

const LOCAL: &str = "http://renraku.example/fhir/CodeSystem/";
const PLAN: &str = "http://renraku.example/fhir/PlanDefinition/fls-pathway";

fn text(value: impl Into<String>) -> Node<'static> {
    Node::string(value.into())
}

fn object(members: Vec<(&'static str, Node<'static>)>) -> Node<'static> {
    Node::object(members)
}

fn list(items: Vec<Node<'static>>) -> Node<'static> {
    Node::Array(items)
}

fn reference(value: impl Into<String>) -> Node<'static> {
    object(vec![("reference", text(value))])
}

fn concept(system: &str, code: &str, words: &str) -> Node<'static> {
    let coding = object(vec![("system", text(system)), ("code", text(code))]);
    let mut members = vec![("coding", list(vec![coding]))];
    if !words.is_empty() {
        members.push(("text", text(words)));
    }
    object(members)
}

fn identifier(id: &str) -> Node<'static> {
    list(vec![object(vec![("system", text(MADE)), ("value", text(id))])])
}

/// Whether fracture liaison made a resource.
#[must_use]
pub fn is_made(resource: &Node<'_>) -> bool {
    resource.list("identifier").iter().any(|one| one.text("system") == Some(MADE))
}

/// What is stored of a citizen's resources, by `Type/id`.
pub type Stored<'n> = std::collections::HashMap<String, Node<'n>>;

/// Starts from what is there, so that nothing people added is lost.
fn base(stored: &Stored<'_>, kind: &'static str, id: &str) -> Node<'static> {
    stored.get(&format!("{kind}/{id}")).map_or_else(
        || object(vec![("resourceType", text(kind)), ("id", text(id)), ("identifier", identifier(id))]),
        |node| node.clone().into_owned(),
    )
}

/// What is to be written for a citizen so that resources say what was computed; nothing when they do.
#[must_use]
pub fn changes(facts: &Facts, status: &Status, rules: &Rules, stored: &Stored<'_>) -> Vec<Node<'static>> {
    let mut wanted: Vec<Node<'static>> = Vec::new();
    let patient = format!("Patient/{}", facts.person.id);
    for row in &status.rows {
        wanted.push(episode(row, &patient, stored));
        wanted.push(plan(row, &patient, rules, stored));
        let tasks = row.standing.activities.iter().filter(|one| !is_of_people(one));
        wanted.extend(tasks.map(|activity| task(activity, row, &patient, rules, stored)));
    }
    wanted.extend(status.alarms.iter().map(|alarm| flag(alarm, &patient, stored)));
    let key = |node: &Node<'_>| {
        format!("{}/{}", node.text("resourceType").unwrap_or_default(), node.text("id").unwrap_or_default())
    };
    let is_wanted: std::collections::HashSet<String> = wanted.iter().map(&key).collect();
    let by_people: std::collections::HashSet<String> =
        status.rows.iter().flat_map(|row| &row.standing.activities).map(|one| format!("Task/{}", one.task)).collect();
    // What was made and is no more: a fracture that was refuted, an alarm whose cause is gone.
    let mut over: Vec<(&String, &Node<'_>)> = stored
        .iter()
        .filter(|(name, node)| is_made(node) && !is_wanted.contains(*name) && !by_people.contains(*name))
        .collect();
    over.sort_by_key(|(name, _)| name.as_str());
    for (_, node) in over {
        let closed = match node.text("resourceType") {
            Some("Flag") => "inactive",
            Some("EpisodeOfCare" | "CarePlan" | "Task") => "entered-in-error",
            _ => continue,
        };
        let mut node = node.clone().into_owned();
        node.set("status", text(closed));
        wanted.push(node);
    }
    wanted.retain(|node| stored.get(&key(node)).is_none_or(|before| before != node));
    wanted
}

const fn is_of_people(activity: &Activity) -> bool {
    matches!(activity.state, State::DoneByHand | State::Dropped)
}

fn period(row: &Row) -> Node<'static> {
    let mut members = vec![("start", text(row.episode.day.to_string()))];
    if let Some((day, _)) = &row.standing.ended {
        members.push(("end", text(day.to_string())));
    }
    object(members)
}

fn episode(row: &Row, patient: &str, stored: &Stored<'_>) -> Node<'static> {
    let mut node = base(stored, "EpisodeOfCare", &row.episode.id);
    let status = match row.standing.state.as_str() {
        "active" => "active",
        "declined" | "not-eligible" => "cancelled",
        _ => "finished",
    };
    node.set("status", text(status));
    node.set("type", list(vec![concept(&format!("{LOCAL}episode-type"), "fls", "二次性骨折予防")]));
    let diagnosis = row.episode.records.iter().zip(1..).map(|(record, rank): (&String, i32)| {
        object(vec![("condition", reference(record.as_str())), ("rank", Node::Number(rank.to_string().into()))])
    });
    node.set("diagnosis", list(diagnosis.collect()));
    node.set("patient", reference(patient));
    if !row.episode.facility.is_empty() {
        node.set("managingOrganization", reference(row.episode.facility.as_str()));
    }
    node.set("period", period(row));
    node
}

fn plan_id(row: &Row) -> String {
    stable_id(&["plan", &row.episode.id])
}

fn plan(row: &Row, patient: &str, rules: &Rules, stored: &Stored<'_>) -> Node<'static> {
    let mut node = base(stored, "CarePlan", &plan_id(row));
    let status = match row.standing.state.as_str() {
        "active" => "active",
        "completed" => "completed",
        _ => "revoked",
    };
    node.set("instantiatesCanonical", list(vec![text(PLAN)]));
    node.set("status", text(status));
    node.set("intent", text("plan"));
    node.set("category", list(vec![concept(&format!("{LOCAL}care-plan-category"), "fls", "")]));
    node.set("title", text("二次性骨折予防計画"));
    node.set("subject", reference(patient));
    node.set("period", period(row));
    node.set("addresses", list(row.episode.records.iter().map(|record| reference(record.as_str())).collect()));
    let activity = row.standing.activities.iter().map(|activity| {
        let status = match activity.state {
            State::Done | State::DoneByHand => "completed",
            State::Open | State::Overdue => "scheduled",
            State::Dropped | State::NotApplicable | State::Ended => "cancelled",
        };
        let mut detail = vec![
            ("code", concept(ACTIVITY, &activity.code, title(rules, &activity.code))),
            ("status", text(status)),
            ("scheduledPeriod", object(vec![("end", text(activity.due.to_string()))])),
        ];
        if !activity.owner.is_empty() {
            detail.push(("performer", list(vec![reference(activity.owner.as_str())])));
        }
        let mut members = Vec::new();
        if activity.state == State::Done && !activity.source.is_empty() {
            members.push(("outcomeReference", list(vec![reference(activity.source.as_str())])));
        }
        members.push(("detail", object(detail)));
        object(members)
    });
    node.set("activity", list(activity.collect()));
    node
}

fn title<'r>(rules: &'r Rules, code: &str) -> &'r str {
    rules.pathway.iter().find(|planned| planned.code == code).map_or("", |planned| planned.ja.as_str())
}

fn task(activity: &Activity, row: &Row, patient: &str, rules: &Rules, stored: &Stored<'_>) -> Node<'static> {
    let mut node = base(stored, "Task", &activity.task);
    let under_way = matches!(node.text("status"), Some("received" | "accepted" | "ready" | "in-progress" | "on-hold"));
    let automatic = |words: &str| concept(&format!("{LOCAL}fls-task-reason"), "automatic", words);
    // What comes and goes stands last, so that the order is the same the first time and later.
    for name in ["statusReason", "businessStatus", "executionPeriod", "output"] {
        node.remove(name);
    }
    let status = match activity.state {
        State::Open | State::Overdue if under_way => node.text("status").unwrap_or("requested").to_owned(),
        State::Open | State::Overdue => "requested".to_owned(),
        State::Done => "completed".to_owned(),
        _ => "cancelled".to_owned(),
    };
    node.set("basedOn", list(vec![reference(format!("CarePlan/{}", plan_id(row)))]));
    node.set("status", text(status));
    node.set("intent", text("plan"));
    node.set("code", concept(ACTIVITY, &activity.code, title(rules, &activity.code)));
    if let Some(record) = row.episode.records.first() {
        node.set("focus", reference(record.as_str()));
    }
    node.set("for", reference(patient));
    node.set("authoredOn", text(row.episode.day.to_string()));
    node.set("restriction", object(vec![("period", object(vec![("end", text(activity.due.to_string()))]))]));
    match activity.state {
        State::Done => node.set("statusReason", automatic("記録により完了")),
        State::NotApplicable => node.set("statusReason", automatic("治療の辞退により対象外")),
        State::Ended => node.set("statusReason", automatic("エピソードの終了")),
        _ => {}
    }
    if activity.state == State::Overdue {
        node.set("businessStatus", concept(&format!("{LOCAL}fls-alarm"), "overdue", "期限超過"));
    }
    if let (State::Done | State::NotApplicable | State::Ended, Some(day)) = (activity.state, activity.day) {
        node.set("executionPeriod", object(vec![("end", text(day.to_string()))]));
    }
    if activity.state == State::Done && !activity.source.is_empty() {
        let kind = object(vec![("text", text("fulfilled by（根拠）"))]);
        node.set(
            "output",
            list(vec![object(vec![("type", kind), ("valueReference", reference(activity.source.as_str()))])]),
        );
    }
    node
}

/// The Flag of an alarm.
#[must_use]
pub fn flag(alarm: &Alarm, patient: &str, stored: &Stored<'_>) -> Node<'static> {
    let mut node = base(stored, "Flag", &alarm.id);
    node.set("status", text("active"));
    let category = concept("http://terminology.hl7.org/CodeSystem/flag-category", "clinical", "");
    node.set("category", list(vec![category]));
    node.set("code", concept(&format!("{LOCAL}fls-alarm"), &alarm.code, &alarm.ja));
    node.set("subject", reference(patient));
    node.set("period", object(vec![("start", text(alarm.since.to_string()))]));
    node
}
