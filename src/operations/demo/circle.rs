//! Who is around a citizen: family, team, consents, plan and goal.

use serde_json::{Value, json};

use super::citizens::Citizen;
use super::make::{Chart, LOINC, claims, concept, named, own, reference};
use super::people::Member::{
    self, CareManager, Dietitian, Doctor, FamilyDoctor, Helper, HomeNurse, Nurse, OccupationalTherapist, Officer,
    Pharmacist, PhysicalTherapist, SocialWorker,
};
use super::people::{TOWNS, place};
use super::story::{Person, regular};

/// Everything of this room.
pub(super) fn surround(person: &Person<'_>, chart: &mut Chart) {
    let family = chart.put(&person.key("family"), relative(person));
    chart.put(&person.key("team"), team(person, &family));
    consents(person, chart);
    plans(person, chart);
    if person.citizen.number == 0 {
        // The discharge summary says what she takes.
        return;
    }
    let last = person.day(person.citizen.last());
    for (place, medicine) in [
        ("アムロジピンOD錠5mg", "1日1回 朝食後"),
        ("酸化マグネシウム錠330mg", "1日2回 朝夕食後"),
        ("アトルバスタチン錠10mg", "1日1回 朝食後"),
    ]
    .into_iter()
    .enumerate()
    // Each has one or two of them.
    .filter(|(place, _)| place % 2 == person.citizen.number % 2)
    {
        let since = person.day(person.citizen.known_since() - 30 * i32::try_from(place).unwrap_or(0));
        chart.put(&person.key(&format!("regular/{place}")), regular(person, medicine, since, last.plus(-7)));
    }
}

fn relative(person: &Person<'_>) -> Value {
    let (relationship, given) = person.citizen.family;
    json!({
        "resourceType": "RelatedPerson", "active": true, "patient": person.subject(),
        "relationship": [concept(relationship, &[])], "name": [{ "text": format!("見本 {given}") }],
        "telecom": [{ "system": "phone", "value": "000-0000-4000", "use": "mobile" }],
        "period": { "start": person.day(person.citizen.known_since()).to_string() },
    })
}

/// The name of the family member.
pub(super) fn relative_named(person: &Person<'_>) -> Value {
    named(&person.family(), &format!("見本 {}", person.citizen.family.1))
}

/// Who is in the team: some in all, some in every other one; who helps at home where insurance pays for it.
pub(super) fn members(citizen: &Citizen) -> Vec<Member> {
    let mut members = vec![Doctor, Nurse, FamilyDoctor, Pharmacist];
    if citizen.has_care() {
        members.extend([CareManager, OccupationalTherapist]);
    }
    let others = [HomeNurse, Helper, PhysicalTherapist, Dietitian];
    let chosen = others.into_iter().enumerate().filter(|(place, member)| {
        let is_wanted = (citizen.number + place) % 5 < 3 || citizen.number == 0;
        is_wanted && (citizen.has_care() || !matches!(member, HomeNurse | Helper))
    });
    members.extend(chosen.map(|(_, member)| member));
    members
}

fn team(person: &Person<'_>, family: &str) -> Value {
    let start = person.day(person.citizen.known_since()).to_string();
    let mut participants: Vec<Value> = members(person.citizen)
        .into_iter()
        .map(|member| {
            json!({
                "role": [member.profession()], "member": member.named(), "onBehalfOf": member.facility(),
                "period": { "start": start },
            })
        })
        .collect();
    // The social worker arranged the discharge, and left.
    participants.push(json!({
        "role": [SocialWorker.profession()], "member": SocialWorker.named(), "onBehalfOf": SocialWorker.facility(),
        "period": { "start": start, "end": person.day(person.citizen.last() - 5).to_string() },
    }));
    participants.push(json!({
        "role": [concept("家族", &[])], "member": named(family, &format!("見本 {}", person.citizen.family.1)),
        "period": { "start": start },
    }));
    json!({
        "resourceType": "CareTeam", "meta": claims("notebook-care-team"),
        "status": if person.citizen.died().is_some() { "inactive" } else { "active" },
        "name": format!("{}さんのチーム", person.citizen.name()), "subject": person.subject(),
        "period": { "start": start }, "participant": participants,
    })
}

/// What was agreed to. One withdrew it, one denied it from the start.
fn consents(person: &Person<'_>, chart: &mut Chart) {
    let number = person.citizen.number;
    let (status, kind) = match number {
        10 => ("inactive", "permit"),
        15 => ("active", "deny"),
        _ => ("active", "permit"),
    };
    let since = person.citizen.known_since();
    chart.put(&person.key("consent"), consent(person, (status, kind), ("hospital", "home-care"), since, "care"));
    if person.citizen.town == 1 {
        // Cared for across the border of the municipalities.
        let who = (TOWNS[0], TOWNS[1]);
        chart.put(&person.key("consent/wide"), consent(person, (status, kind), who, since + 20, "wide-area"));
    }
}

fn consent(
    person: &Person<'_>,
    (status, kind): (&str, &str),
    (from, to): (&str, &str),
    since: i32,
    purpose: &str,
) -> Value {
    let start = person.day(since);
    let coding = |system: &str, code: &str| json!({ "coding": [{ "system": system, "code": code }] });
    json!({
        "resourceType": "Consent", "meta": claims("sharing-consent"), "status": status,
        "scope": coding("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [coding(LOINC, "59284-0")], "patient": person.subject(), "dateTime": start.to_string(),
        "organization": [place(from)], "policy": [{ "uri": super::make::ours("policy/notebook") }],
        "provision": {
            "type": kind, "period": { "start": start.to_string(), "end": start.plus(1095).to_string() },
            "actor": [{
                "role": coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP"),
                "reference": place(to),
            }],
            "purpose": [{ "system": super::make::system("sharing-purpose"), "code": purpose }],
        },
    })
}

/// Words of the goal, by turns.
const GOALS: [&str; 4] = [
    "手すりを使って一人でトイレまで歩けるようになる",
    "次の骨折を起こさず、自宅での暮らしを続ける",
    "週に2回、近所の公園まで散歩に出かける",
    "体重を減らさず、毎食たんぱく質をとる",
];

fn plans(person: &Person<'_>, chart: &mut Chart) {
    let citizen = person.citizen;
    let first = (citizen.last() - 90).max(citizen.home_since());
    let (start, end) = (person.day(first), person.day(if citizen.is_here() { first + 180 } else { citizen.last() }));
    // Of goal, plan and activity: who is in hospital goes on later.
    let state = match (citizen.is_here(), citizen.in_hospital() > 0) {
        (true, false) => ("active", "active", "in-progress"),
        (true, true) => ("on-hold", "on-hold", "on-hold"),
        (false, _) => ("completed", "completed", "completed"),
    };
    let (kind, title, author) = if citizen.has_care() {
        (own("在宅ケア", "care-plan-category", "home-care"), "在宅ケア計画", CareManager)
    } else {
        (concept("介護予防", &[]), "介護予防計画", Officer)
    };
    let words = GOALS.get(citizen.number % GOALS.len()).copied().unwrap_or_default();
    let goal = chart.put(
        &person.key("goal"),
        json!({
            "resourceType": "Goal", "lifecycleStatus": state.0, "description": { "text": words },
            "subject": person.subject(), "startDate": start.to_string(),
            "target": [{ "dueDate": end.to_string() }], "expressedBy": person.subject(),
        }),
    );
    let activity = |words: &str, code: &str, days: i32, who: Member, text: &str| {
        json!({ "detail": {
            "code": own(words, "fls-activity", code),
            "status": state.2,
            "scheduledPeriod": { "start": start.to_string(), "end": start.plus(days).min(end).to_string() },
            "performer": [who.named()], "description": text,
        } })
    };
    chart.put(
        &person.key("plan"),
        json!({
            "resourceType": "CarePlan", "status": state.1, "intent": "plan",
            "category": [kind], "title": title,
            "subject": person.subject(), "period": { "start": start.to_string(), "end": end.to_string() },
            "author": author.named(), "careTeam": [reference(&person.team())], "goal": [reference(&goal)],
            "activity": [
                activity("立ち座り体操", "exercise", 100, PhysicalTherapist, "椅子からの立ち座りを10回ずつ、朝夕に行います。"),
                activity("たんぱく質とカルシウムの摂取", "nutrition", 104, Dietitian, "牛乳・豆腐・魚を毎食1品加えます。"),
                activity("住まいの段差と照明の確認", "home-check", 110, OccupationalTherapist, "廊下と浴室をご家族と一緒に確認します。"),
            ],
        }),
    );
}
