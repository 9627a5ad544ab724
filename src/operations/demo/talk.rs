//! What people tell each other: articles with comments and read marks, to the whole team, to one member, or from
//! the family to the team without the citizen.

use serde_json::{Value, json};

use super::circle::members;
use super::make::{Chart, at, claims, local, own, reference, system};
use super::people::Member::{
    self, CareManager, Dietitian, Doctor, FamilyDoctor, Helper, HomeNurse, Nurse, OccupationalTherapist, Pharmacist,
    PhysicalTherapist,
};
use super::people::receipt;
use super::pictures::Taken;
use super::story::Person;
use Who::{Family, Is};

/// Who says something.
#[derive(Debug, Clone, Copy)]
enum Who {
    Is(Member),
    Family,
}

/// Whom it is for.
#[derive(Debug, Clone, Copy)]
enum For {
    Team,
    One(Member),
    /// The team, not the citizen.
    Private,
}

/// Which citizens it is told of.
#[derive(Debug, Clone, Copy)]
enum Of {
    All,
    /// Every third one, beginning with this.
    Third(usize),
    Fallen,
    Injected,
    /// There are photos, which are shown along.
    Photos,
    /// There is a video.
    Video,
}

struct Talk {
    of: Of,
    days: i32,
    clock: &'static str,
    category: (&'static str, &'static str),
    from: Who,
    to: For,
    title: &'static str,
    text: &'static str,
    /// Hours later, who, what.
    comments: &'static [(i32, Who, &'static str)],
    readers: &'static [Member],
}

const REPORT: (&str, &str) = ("報告", "report");
const QUESTION: (&str, &str) = ("相談", "question");
const HANDOVER: (&str, &str) = ("申し送り", "handover");
const DRUGS: (&str, &str) = ("服薬", "medication");
const MEALS: (&str, &str) = ("食事・栄養", "nutrition");
const TRAINING: (&str, &str) = ("運動", "exercise");
const FALLS: (&str, &str) = ("転倒", "fall");
const PICTURES: (&str, &str) = ("写真・動画", "photo-video");

#[rustfmt::skip]
const TALKS: [Talk; 14] = [
    Talk { of: Of::All, days: 1, clock: "12:50", category: MEALS, from: Is(Helper), to: For::Team, title: "昼食の様子",
        text: "昼食は8割ほど召し上がりました。牛乳も飲まれています。水分はこまめにとられていました。",
        comments: &[(4, Is(Dietitian), "ありがとうございます。たんぱく質をもう1品増やせるか、次回相談します。")], readers: &[CareManager] },
    Talk { of: Of::All, days: 30, clock: "17:20", category: HANDOVER, from: Is(CareManager), to: For::Team, title: "今月のサービス予定",
        text: "訪問看護は週1回、訪問介護は週2回の予定です。変更があればここにお書きください。",
        comments: &[], readers: &[Doctor, HomeNurse, Helper, Pharmacist] },
    Talk { of: Of::Third(0), days: 5, clock: "09:40", category: DRUGS, from: Is(Pharmacist), to: For::Team, title: "残薬の確認",
        text: "訪問して残薬を確認しました。飲み忘れは週に1回ほどです。お薬カレンダーの使い方をもう一度お伝えしました。",
        comments: &[(3, Is(FamilyDoctor), "次の診察で飲み方を簡単にできるか検討します。"), (6, Family, "カレンダーを台所に移しました。")], readers: &[Doctor, Nurse] },
    Talk { of: Of::Third(1), days: 8, clock: "16:05", category: TRAINING, from: Is(PhysicalTherapist), to: For::Team, title: "体操の進み具合",
        text: "立ち座り体操は10回を2セットできるようになりました。屋外はシルバーカーで200mほど歩けます。",
        comments: &[(18, Is(Doctor), "よい経過です。このまま続けてください。")], readers: &[CareManager, Nurse] },
    Talk { of: Of::Third(2), days: 11, clock: "20:15", category: QUESTION, from: Family, to: For::Team, title: "夜のトイレについて",
        text: "夜中に2回ほどトイレに起きます。足元が暗くて心配です。よい方法はありますか。",
        comments: &[(13, Is(OccupationalTherapist), "足元灯を置くとよいと思います。次の訪問で場所を一緒に決めましょう。"), (15, Family, "よろしくお願いします。")], readers: &[CareManager, HomeNurse] },
    Talk { of: Of::Third(1), days: 3, clock: "21:30", category: QUESTION, from: Family, to: For::Private, title: "本人には伏せて相談です",
        text: "最近、物忘れが増えたように感じます。本人は気にしているので、まずチームの皆さんに相談させてください。",
        comments: &[(12, Is(CareManager), "ご連絡ありがとうございます。次の訪問で様子を見て、先生とも相談します。")], readers: &[FamilyDoctor] },
    Talk { of: Of::Third(0), days: 7, clock: "11:15", category: QUESTION, from: Is(CareManager), to: For::One(FamilyDoctor), title: "主治医意見書のお願い",
        text: "更新申請にあたり、主治医意見書の作成をお願いいたします。",
        comments: &[(26, Is(FamilyDoctor), "承知しました。今週中にお送りします。")], readers: &[FamilyDoctor] },
    Talk { of: Of::Third(2), days: 2, clock: "15:45", category: QUESTION, from: Is(HomeNurse), to: For::One(Doctor), title: "下腿のむくみについて",
        text: "両下腿に軽いむくみがあります。体重は変わりません。受診を早めたほうがよいでしょうか。",
        comments: &[], readers: &[] },
    Talk { of: Of::Injected, days: 15, clock: "10:45", category: DRUGS, from: Is(Nurse), to: For::Team, title: "次回の注射について",
        text: "骨粗鬆症の注射は間隔をあけないことが大切です。予約日を連絡帳の予定に入れました。体調の変化があれば早めにご連絡ください。",
        comments: &[(9, Family, "日にちを確認しました。付き添います。")], readers: &[Doctor, Pharmacist, CareManager] },
    Talk { of: Of::Fallen, days: 2, clock: "08:20", category: FALLS, from: Family, to: For::Team, title: "転びました",
        text: "家の中で転びました。今は歩けていますが、痛みがないか気をつけて見てください。",
        comments: &[(2, Is(HomeNurse), "本日の訪問で確認します。"), (8, Is(HomeNurse), "痛みや腫れはありませんでした。手すりの位置を見直したいです。")], readers: &[CareManager, Doctor] },
    Talk { of: Of::Photos, days: 9, clock: "19:05", category: PICTURES, from: Family, to: For::Team, title: "家の写真を送ります",
        text: "廊下と段差の写真です。危ないところがあれば教えてください。",
        comments: &[(14, Is(OccupationalTherapist), "ありがとうございます。段差にスロープと手すりを付けるとよさそうです。"), (20, Is(CareManager), "住宅改修の手続きを進めます。")], readers: &[PhysicalTherapist, CareManager] },
    Talk { of: Of::Video, days: 3, clock: "19:40", category: PICTURES, from: Family, to: For::Team, title: "歩いている様子です",
        text: "散歩のときの動画です。前より足が上がるようになった気がします。",
        comments: &[(16, Is(PhysicalTherapist), "歩幅が広がっていますね。この調子で続けましょう。")], readers: &[Doctor, CareManager] },
    Talk { of: Of::Third(0), days: 22, clock: "13:10", category: REPORT, from: Is(HomeNurse), to: For::Team, title: "訪問看護の報告",
        text: "血圧は安定しています。傷の状態も良好です。入浴は見守りでできています。",
        comments: &[], readers: &[Doctor, CareManager] },
    Talk { of: Of::Third(1), days: 45, clock: "18:00", category: HANDOVER, from: Is(Nurse), to: For::Team, title: "リエゾン外来の申し送り",
        text: "二次性骨折予防の計画を説明し、ご本人とご家族の同意をいただきました。",
        comments: &[], readers: &[Doctor, FamilyDoctor, CareManager, Pharmacist] },
];

/// The article that is written first: where it is, all of this room is.
pub(super) fn first(person: &Person<'_>) -> String {
    local("Communication", &person.key("article/0"))
}

/// Everything of this room, with the pictures there are. What is written first is an article of every citizen.
pub(super) fn talk(person: &Person<'_>, chart: &mut Chart, taken: &[Taken]) {
    let citizen = person.citizen;
    for (place, talk) in TALKS.iter().enumerate() {
        let chosen = taken.iter().filter(|one| match talk.of {
            Of::Photos => one.is_photo,
            Of::Video => one.is_video,
            _ => false,
        });
        let shown: Vec<&str> = chosen.map(|one| one.reference.as_str()).collect();
        let is_told = match talk.of {
            Of::All => true,
            Of::Third(rest) => citizen.number % 3 == rest,
            Of::Fallen => citizen.has_fallen(),
            Of::Injected => citizen.has_injections(),
            Of::Photos | Of::Video => !shown.is_empty(),
        };
        // Who came to the town a few days ago was not talked of before.
        if is_told && -talk.days > citizen.known_since() {
            article(person, chart, place, talk, &shown);
        }
    }
}

impl Who {
    fn reference(self, person: &Person<'_>) -> Value {
        match self {
            Is(member) => member.named(),
            Family => super::circle::relative_named(person),
        }
    }

    fn local(self, person: &Person<'_>) -> String {
        match self {
            Is(member) => member.reference(),
            Family => person.family(),
        }
    }
}

fn article(person: &Person<'_>, chart: &mut Chart, place: usize, talk: &Talk, shown: &[&str]) {
    let day = person.day(person.citizen.last() - talk.days);
    let key = person.key(&format!("article/{place}"));
    let (audience, recipient) = match talk.to {
        For::Team => ("team", person.team()),
        For::One(member) => ("member", member.reference()),
        For::Private => ("family-private", person.team()),
    };
    let team = members(person.citizen.number);
    // Read in the evening, by those of them who are in the team.
    let readers = talk.readers.iter().filter(|reader| team.contains(reader));
    let receipts: Vec<Value> = readers.map(|reader| receipt(&reader.reference(), &at(day, "22:40"))).collect();
    let mut payload = vec![json!({ "contentString": talk.text })];
    payload.extend(shown.iter().map(|media| json!({ "contentReference": reference(media) })));
    let label = json!([{ "system": system("notebook-audience"), "code": audience }]);
    let with_label = |profile: &str| {
        let mut meta = claims(profile);
        meta["security"] = label.clone();
        meta
    };
    chart.put(
        &key,
        json!({
            "resourceType": "Communication", "meta": with_label("notebook-article"),
            "extension": if receipts.is_empty() { Value::Null } else { json!(receipts) }, "status": "completed",
            "category": [own(talk.category.0, "notebook-article-category", talk.category.1)],
            "subject": person.subject(), "topic": { "text": talk.title }, "sent": at(day, talk.clock),
            "recipient": [reference(&recipient)], "sender": talk.from.reference(person), "payload": payload,
        }),
    );
    let parent = local("Communication", &key);
    for (number, (hours, from, text)) in talk.comments.iter().enumerate() {
        // An answer goes to those who read the article; of one member, to who wrote it.
        let to = match talk.to {
            For::One(_) => talk.from.local(person),
            _ => recipient.clone(),
        };
        chart.put(
            &format!("{key}/{number}"),
            json!({
                "resourceType": "Communication", "meta": with_label("notebook-comment"),
                "inResponseTo": [reference(&parent)], "status": "completed", "subject": person.subject(),
                "sent": later(day, talk.clock, *hours), "recipient": [reference(&to)],
                "sender": from.reference(person), "payload": [{ "contentString": text }],
            }),
        );
    }
}

/// So many hours after a time of a day.
fn later(day: crate::fls::Day, clock: &str, hours: i32) -> String {
    let (hour, minute) = clock.split_once(':').unwrap_or(("0", "00"));
    let hour = hour.parse::<i32>().unwrap_or(0) + hours;
    at(day.plus(hour / 24), &format!("{:02}:{minute}", hour % 24))
}
