//! Who works in the town: two municipalities with an agreement, three facilities, twelve members, a group.

use serde_json::{Value, json};

use super::make::{Chart, INSTITUTION, PROFESSION, STAFF_ID, at, concept, local, named, names, own, reference, system};
use crate::fls::Day;

/// The two municipalities, as keys.
pub(super) const TOWNS: [&str; 2] = ["sample-city", "mihon-town"];

/// Key, name, kind, number of the institution, telephone, municipality (none: it is one).
type Place = (&'static str, &'static str, &'static str, &'static str, &'static str, Option<usize>);

const PLACES: [Place; 5] = [
    ("sample-city", "サンプル市", "市町村", "", "000-0000-2000", None),
    ("mihon-town", "見本町", "市町村", "", "000-0000-2100", None),
    ("hospital", "サンプル病院", "病院", "2399999999", "000-0000-1000", Some(0)),
    ("clinic", "見本診療所", "診療所", "2399999998", "000-0000-1100", Some(1)),
    ("home-care", "見本在宅ケアセンター", "訪問看護・居宅介護支援", "", "000-0000-1200", Some(0)),
];

/// The members, by profession.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Doctor,
    FamilyDoctor,
    Nurse,
    HomeNurse,
    Pharmacist,
    PhysicalTherapist,
    OccupationalTherapist,
    Dietitian,
    SocialWorker,
    CareManager,
    Helper,
    Officer,
}

use Member::{
    CareManager, Dietitian, Doctor, FamilyDoctor, Helper, HomeNurse, Nurse, OccupationalTherapist, Officer, Pharmacist,
    PhysicalTherapist, SocialWorker,
};

struct Line {
    member: Member,
    given: &'static str,
    kana: &'static str,
    number: &'static str,
    place: &'static str,
    /// What the profession is called, and its code: JP Core's, or ours where it has none.
    profession: (&'static str, &'static str),
}

const fn line(
    member: Member,
    (given, kana): (&'static str, &'static str),
    number: &'static str,
    place: &'static str,
    profession: (&'static str, &'static str),
) -> Line {
    Line { member, given, kana, number, place, profession }
}

const MEMBERS: [Line; 12] = [
    line(Doctor, ("一郎", "イチロウ"), "D0001", "hospital", ("医師", "JPR10000")),
    line(FamilyDoctor, ("健", "ケン"), "D0002", "clinic", ("医師", "JPR10000")),
    line(Nurse, ("結子", "ユイコ"), "N0001", "hospital", ("看護師", "JPR20000")),
    line(HomeNurse, ("灯", "アカリ"), "N0002", "home-care", ("看護師", "JPR20000")),
    line(Pharmacist, ("薫", "カオル"), "P0001", "clinic", ("薬剤師", "JPR30000")),
    line(PhysicalTherapist, ("律子", "リツコ"), "T0001", "hospital", ("理学療法士", "JPR30400")),
    line(OccupationalTherapist, ("匠", "タクミ"), "T0002", "home-care", ("作業療法士", "JPR30500")),
    line(Dietitian, ("実", "ミノリ"), "E0001", "hospital", ("管理栄養士", "JPR30900")),
    line(SocialWorker, ("縁", "ユカリ"), "S0001", "hospital", ("社会福祉士", "JPR50300")),
    line(CareManager, ("協子", "キョウコ"), "C0001", "home-care", ("介護支援専門員", "care-manager")),
    line(Helper, ("恵", "メグミ"), "H0001", "home-care", ("訪問介護員", "home-helper")),
    line(Officer, ("町子", "マチコ"), "O0001", "sample-city", ("市町村職員", "municipal-officer")),
];

impl Member {
    fn line(self) -> &'static Line {
        MEMBERS.iter().find(|line| line.member == self).unwrap_or(&MEMBERS[0])
    }

    /// `Practitioner/…`
    pub(super) fn reference(self) -> String {
        local("Practitioner", self.line().number)
    }

    /// A Reference with the name.
    pub(super) fn named(self) -> Value {
        named(&self.reference(), &format!("見本 {}", self.line().given))
    }

    /// The profession, coded.
    pub(super) fn profession(self) -> Value {
        profession(self.line().profession)
    }

    /// Where they work.
    pub(super) fn facility(self) -> Value {
        place(self.line().place)
    }
}

fn profession((words, code): (&str, &str)) -> Value {
    if code.starts_with("JPR") {
        concept(words, &[(PROFESSION, code)])
    } else {
        concept(words, &[(&system("member-profession"), code)])
    }
}

/// A facility or municipality, with its name.
pub(super) fn place(key: &str) -> Value {
    let name = PLACES.iter().find(|place| place.0 == key).map_or("", |place| place.1);
    named(&local("Organization", key), name)
}

/// The agreement, which also remembers the day that all days of the demonstration are counted from.
pub(super) fn agreement() -> String {
    local("Contract", "agreement")
}

/// Everybody and every place.
pub(super) fn chart(today: Day) -> Chart {
    let mut chart = Chart::default();
    let since = today.plus(-900);
    chart.put(
        "agreement",
        json!({
            "resourceType": "Contract", "status": "executed", "issued": at(today, "00:00"),
            "title": "サンプル市・見本町 広域連携協定（見本）",
            "authority": TOWNS.map(place),
            "applies": { "start": since.to_string(), "end": today.plus(900).to_string() },
        }),
    );
    for (key, name, kind, number, phone, town) in PLACES {
        let identifier = (!number.is_empty()).then(|| json!([{ "system": INSTITUTION, "value": number }]));
        let city = town
            .and_then(|town| TOWNS.get(town))
            .map_or(name, |town| PLACES.iter().find(|place| place.0 == *town).map_or("", |place| place.1));
        chart.put(
            key,
            json!({
                "resourceType": "Organization", "identifier": identifier, "active": true,
                "type": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/organization-type",
                    "code": if town.is_some() { "prov" } else { "govt" } }], "text": kind }],
                "name": name, "telecom": [{ "system": "phone", "value": phone }],
                "address": [{ "text": format!("見本県{city}"), "state": "見本県" }],
            }),
        );
    }
    for line in &MEMBERS {
        chart.put(
            line.number,
            json!({
                "resourceType": "Practitioner", "identifier": [{ "system": STAFF_ID, "value": line.number }],
                "active": true, "name": names(line.given, line.kana),
                "telecom": [{ "system": "phone", "value": "000-0000-3000", "use": "work" }],
            }),
        );
        role(&mut chart, line.number, line.member, line.profession, since);
    }
    // The nurse coordinates fracture liaison as well.
    role(&mut chart, "fls", Nurse, ("骨折リエゾンコーディネーター", "fls-coordinator"), since);
    group(&mut chart, today);
    chart
}

fn role(chart: &mut Chart, key: &str, member: Member, words: (&str, &str), since: Day) {
    chart.put(
        key,
        json!({
            "resourceType": "PractitionerRole", "active": true, "period": { "start": since.to_string() },
            "practitioner": member.named(), "organization": member.facility(), "code": [profession(words)],
        }),
    );
}

/// Sender, days ago, title, text.
const POSTS: [(Member, i32, &str, &str); 3] = [
    (
        Nurse,
        40,
        "骨粗鬆症リエゾンの勉強会",
        "来月の勉強会は、注射薬の投与間隔と中断の見つけ方がテーマです。多職種でご参加ください。",
    ),
    (
        Officer,
        12,
        "転倒予防教室のお知らせ",
        "公民館で転倒予防教室を開きます。ケアマネジャーの皆さんから対象の方へご案内をお願いします。",
    ),
    (
        PhysicalTherapist,
        4,
        "運動パンフレットの更新",
        "椅子からの立ち座り体操のパンフレットを更新しました。訪問のときにお使いください。",
    ),
];

/// A group that is about no citizen in particular.
fn group(chart: &mut Chart, today: Day) {
    let member =
        |line: &Line| json!({ "entity": line.member.named(), "period": { "start": today.plus(-400).to_string() } });
    let group = chart.put(
        "prevention",
        json!({
            "resourceType": "Group", "active": true, "type": "practitioner", "actual": true,
            "name": "サンプル市 骨折予防の会", "member": MEMBERS.iter().map(member).collect::<Vec<_>>(),
        }),
    );
    for (place, (member, days, title, text)) in POSTS.into_iter().enumerate() {
        let day = today.plus(-days);
        let read = [Doctor, CareManager].map(|reader| receipt(&reader.reference(), &at(day, "18:10")));
        chart.put(
            &format!("post/{place}"),
            json!({
                "resourceType": "Communication", "extension": read, "status": "completed",
                "category": [own("報告", "notebook-article-category", "report")], "topic": { "text": title },
                "sent": at(day, "12:00"), "recipient": [reference(&group)], "sender": member.named(),
                "payload": [{ "contentString": text }],
            }),
        );
    }
}

/// Somebody read something.
pub(super) fn receipt(who: &str, when: &str) -> Value {
    json!({
        "url": super::make::ours("StructureDefinition/read-receipt"),
        "extension": [
            { "url": "who", "valueReference": reference(who) },
            { "url": "when", "valueDateTime": when },
        ],
    })
}
