//! What a notebook holds beside the town of `benches/queries`: a citizen with a full page, one with a very long
//! timeline, a team that writes very much, a group that does. Everybody is made up; everything follows from numbers.

use serde_json::{Value, json};

/// Whose page is asked for.
pub(crate) const PAGE: &str = "page";
/// Whose timeline is long.
pub(crate) const DEEP: &str = "deep";
/// In the team of all; has read nothing.
pub(crate) const NURSE: &str = "Practitioner/nurse";
/// In the team of all; has read all but the newest of each citizen.
pub(crate) const HELPER: &str = "Practitioner/helper";
/// In the group.
pub(crate) const GROUP: &str = "circle";
/// Entries behind the page.
pub(crate) const ENTRIES_OF_PAGE: usize = 2000;
/// Citizens the team writes about.
pub(crate) const TEAM_CITIZENS: usize = 100;

const GUIDE: &str = "http://renraku.example/fhir";

fn link(reference: &str) -> Value {
    json!({ "reference": reference })
}

/// Minutes before the end of 2026, as a time.
fn time(minutes: usize) -> String {
    let (days, minute) = (minutes / 1440, minutes % 1440);
    // 360 days a year are enough here.
    let (year, day) = (2026 - days / 360, 359 - days % 360);
    format!("{year}-{:02}-{:02}T{:02}:{:02}:00+09:00", 1 + day / 30, 1 + day % 30 % 28, minute / 60, minute % 60)
}

fn receipt(who: &str, when: &str) -> Value {
    json!({ "url": format!("{GUIDE}/StructureDefinition/read-receipt"),
            "extension": [{ "url": "who", "valueReference": link(who) }, { "url": "when", "valueDateTime": when }] })
}

fn article(id: &str, citizen: &str, minutes: usize, readers: &[&str]) -> Value {
    let sent = time(minutes);
    let mut article = json!({
        "resourceType": "Communication", "id": id, "status": "completed",
        "meta": { "security": [{ "system": format!("{GUIDE}/CodeSystem/notebook-audience"), "code": "team" }] },
        "topic": { "text": "今日の様子" }, "subject": link(&format!("Patient/{citizen}")), "sent": sent,
        "sender": link("Practitioner/doctor"), "recipient": [link(&format!("CareTeam/team-{citizen}"))],
        "payload": [{ "contentString": "昼食は8割ほど、歩行は見守りで20メートルほどでした。" }]
    });
    if !readers.is_empty() {
        article["extension"] = readers.iter().map(|who| receipt(who, &sent)).collect();
    }
    article
}

fn patient(id: &str) -> Value {
    json!({ "resourceType": "Patient", "id": id, "active": true, "gender": "female", "birthDate": "1940-02-03",
            "name": [{ "extension": [{ "url": "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation", "valueCode": "IDE" }], "text": format!("見本 {id}") }],
            "managingOrganization": link("Organization/org0") })
}

fn team(citizen: &str, others: usize) -> Value {
    let members =
        ["nurse", "helper", "doctor"].map(str::to_owned).into_iter().chain((0..others).map(|n| format!("doc{n}")));
    let members = members.map(|id| json!({ "member": link(&format!("Practitioner/{id}")), "role": [{ "text": "職種" }], "period": { "start": "2020-01-01" } }));
    json!({ "resourceType": "CareTeam", "id": format!("team-{citizen}"), "status": "active", "name": "見本のチーム",
            "subject": link(&format!("Patient/{citizen}")), "participant": members.collect::<Vec<_>>() })
}

/// One thing of a citizen's life, of ten kinds.
fn entry(citizen: &str, number: usize, minutes: usize) -> Value {
    let id = format!("{citizen}-{number}");
    let subject = link(&format!("Patient/{citizen}"));
    let when = time(minutes);
    let own = |code: &str, text: &str| json!({ "coding": [{ "system": format!("{GUIDE}/CodeSystem/observation-code"), "code": code }], "text": text });
    let observation = |code: Value, more: Value| {
        let mut all = json!({ "resourceType": "Observation", "id": id, "status": "final", "code": code, "subject": subject,
                              "effectiveDateTime": when, "performer": [link(HELPER)] });
        all.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        all
    };
    let quantity = |value: usize, unit: &str| json!({ "valueQuantity": { "value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit } });
    match number % 10 {
        0 => observation(own("meal-intake", "昼食"), quantity(30 + number % 70, "%")),
        1 => observation(own("exercise-amount", "歩行"), quantity(100 + number % 900, "m")),
        2 => observation(own("fall-event", "転倒"), json!({ "valueString": "居間で転倒" })),
        3..=6 => observation(
            json!({ "coding": [{ "system": "http://loinc.org", "code": "29463-7" }], "text": "体重" }),
            quantity(35 + number % 9, "kg"),
        ),
        _ => article(&id, citizen, minutes, &[HELPER]),
    }
}

/// All who are there, before what is written about them.
pub(crate) fn people() -> Vec<Value> {
    let staff = ["nurse", "helper", "doctor"]
        .map(|id| json!({ "resourceType": "Practitioner", "id": id, "name": [{ "text": format!("見本 {id}") }] }));
    let group = json!({ "resourceType": "Group", "id": GROUP, "type": "practitioner", "actual": true, "name": "見本会議",
                        "member": [{ "entity": link(NURSE) }, { "entity": link(HELPER) }] });
    staff.into_iter().chain([group]).collect()
}

/// The citizen with a full page: 2,000 entries, 12 in the team, 10 diagnoses, 24 medicines, 40 visits.
pub(crate) fn page() -> impl Iterator<Item = Value> {
    let subject = link(&format!("Patient/{PAGE}"));
    let mut more = vec![patient(PAGE), team(PAGE, 9)];
    for number in 0..10 {
        more.push(json!({ "resourceType": "Condition", "id": format!("page-d{number}"), "subject": subject, "code": { "text": format!("見本の病名{number}") }, "onsetDateTime": time(number * 40_000) }));
    }
    for number in 0..24 {
        let drug = json!({ "text": format!("見本の薬{} 5mg", number % 12) });
        more.push(json!({ "resourceType": "MedicationRequest", "id": format!("page-m{number}"), "status": "active", "intent": "order", "subject": subject,
            "authoredOn": time(20_000 + number * 30_000), "medicationCodeableConcept": drug, "dosageInstruction": [{ "text": "1日1回 朝食後" }],
            "dispenseRequest": { "expectedSupplyDuration": { "value": 28, "system": "http://unitsofmeasure.org", "code": "d" } } }));
    }
    for number in 0..40 {
        let year = 2020 + number / 2;
        more.push(json!({ "resourceType": "Appointment", "id": format!("page-v{number}"), "status": "booked", "description": "整形外科",
            "start": format!("{year}-04-01T10:00:00+09:00"), "end": format!("{year}-04-01T10:30:00+09:00"),
            "participant": [{ "actor": subject, "status": "accepted" }] }));
    }
    more.push(json!({ "resourceType": "Flag", "id": "page-f", "status": "active", "code": { "text": "転倒の危険" }, "subject": subject }));
    more.push(json!({ "resourceType": "Observation", "id": "page-l", "status": "final", "subject": subject, "effectivePeriod": { "start": "2026-04-01" },
        "code": { "coding": [{ "system": format!("{GUIDE}/CodeSystem/observation-code"), "code": "care-level" }] },
        "valueCodeableConcept": { "coding": [{ "system": format!("{GUIDE}/CodeSystem/care-level"), "code": "23" }] } }));
    let rest = ENTRIES_OF_PAGE - (more.len() - 2);
    more.into_iter().chain((0..rest).map(|number| entry(PAGE, number, 10_000 + number * 300)))
}

/// The citizen with a long timeline.
pub(crate) fn deep(entries: usize) -> impl Iterator<Item = Value> {
    [patient(DEEP), team(DEEP, 0)]
        .into_iter()
        .chain((0..entries).map(|number| entry(DEEP, number, 10_000 + number * 20)))
}

/// What the team writes about its citizens.
pub(crate) fn team_articles(entries: usize) -> impl Iterator<Item = Value> {
    let people = (0..TEAM_CITIZENS).flat_map(|number| {
        let id = format!("t{number}");
        [patient(&id), team(&id, 0)]
    });
    people.chain((0..entries).map(|number| {
        let readers: &[&str] = if number < TEAM_CITIZENS { &[] } else { &[HELPER] };
        article(&format!("ta{number}"), &format!("t{}", number % TEAM_CITIZENS), 10_000 + number * 20, readers)
    }))
}

/// What the group writes.
pub(crate) fn posts(entries: usize) -> impl Iterator<Item = Value> {
    (0..entries).map(|number| {
        json!({ "resourceType": "Communication", "id": format!("gp{number}"), "status": "completed", "topic": { "text": "会議の記録" },
                "sent": time(10_000 + number * 20), "sender": link("Practitioner/doctor"), "recipient": [link(&format!("Group/{GROUP}"))],
                "payload": [{ "contentString": "次回の勉強会について。" }], "extension": [receipt(HELPER, "2026-11-01T10:00:00+09:00")] })
    })
}
