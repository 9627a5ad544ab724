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
use crate::fls::Day;
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

/// Which citizens it is told of, and what its days are counted from.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// All; from the day since when the town has known them.
    Start,
    /// One of so many, beginning with this; from the last day, as are those that follow.
    One(usize, usize),
    All,
    /// An injection is due.
    Due,
    /// An injection is late.
    Late,
    /// There are photos, which are shown along.
    Photos,
    /// There is a video.
    Video,
    /// From the day of the last fall.
    Fallen,
    /// From the day when a treatment was recommended.
    Recommended,
}

struct Talk {
    of: Of,
    /// Days before (negative: after) the day that it is counted from.
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

/// Who is not in a citizen's team says nothing there.
#[rustfmt::skip]
const TALKS: [Talk; 20] = [
    Talk { of: Of::Start, days: -1, clock: "10:30", category: REPORT, from: Is(Nurse), to: For::Team, title: "連絡帳をはじめました",
        text: "この連絡帳で、ご本人・ご家族とチームの皆さんの情報を共有します。気づいたことを気軽にお書きください。",
        comments: &[(9, Family, "よろしくお願いいたします。")], readers: &[Doctor, FamilyDoctor, CareManager, Pharmacist] },
    Talk { of: Of::One(4, 0), days: 1, clock: "12:50", category: MEALS, from: Is(Helper), to: For::Team, title: "昼食の様子",
        text: "昼食は8割ほど召し上がりました。牛乳も飲まれています。水分はこまめにとられていました。",
        comments: &[(4, Is(Dietitian), "ありがとうございます。たんぱく質をもう1品増やせるか、次回相談します。")], readers: &[CareManager] },
    Talk { of: Of::One(4, 1), days: 1, clock: "13:10", category: MEALS, from: Is(Helper), to: For::Team, title: "昼食と買い物",
        text: "一緒に献立を考え、鮭と豆腐を買いました。昼食は完食です。冷蔵庫に夕食のおかずも用意しました。",
        comments: &[(6, Family, "いつもありがとうございます。夕食もよく食べていました。")], readers: &[CareManager, Nurse] },
    Talk { of: Of::One(4, 2), days: 2, clock: "12:40", category: MEALS, from: Is(Helper), to: For::Team, title: "食が細くなっています",
        text: "昼食は半分ほどでした。口の渇きがあるとのことで、お茶と汁物を多めにお出ししました。",
        comments: &[(5, Is(CareManager), "承知しました。次の訪問で体重を確認してもらいます。")], readers: &[FamilyDoctor] },
    Talk { of: Of::One(4, 3), days: 1, clock: "18:30", category: MEALS, from: Family, to: For::Team, title: "今日の食事",
        text: "朝はパンと卵、昼は煮魚、夜は肉じゃがを食べました。ヨーグルトも毎日続けています。",
        comments: &[(14, Is(Nurse), "カルシウムとたんぱく質がよくとれていますね。")], readers: &[Doctor] },
    Talk { of: Of::All, days: 30, clock: "17:20", category: HANDOVER, from: Is(CareManager), to: For::Team, title: "来月のサービス予定",
        text: "来月のサービスの予定を入れました。都合の悪い日があれば、ここにお書きください。",
        comments: &[], readers: &[Doctor, HomeNurse, Helper, Pharmacist] },
    Talk { of: Of::One(3, 0), days: 5, clock: "09:40", category: DRUGS, from: Is(Pharmacist), to: For::Team, title: "残薬の確認",
        text: "訪問して残薬を確認しました。飲み忘れは週に1回ほどです。お薬カレンダーの使い方をもう一度お伝えしました。",
        comments: &[(3, Is(FamilyDoctor), "次の診察で飲み方を簡単にできるか検討します。"), (6, Family, "カレンダーを台所に移しました。")], readers: &[Doctor, Nurse] },
    Talk { of: Of::One(3, 1), days: 8, clock: "16:05", category: TRAINING, from: Is(PhysicalTherapist), to: For::Team, title: "体操の進み具合",
        text: "立ち座り体操は10回を2セットできるようになりました。屋外はシルバーカーで200mほど歩けます。",
        comments: &[(18, Is(Doctor), "よい経過です。このまま続けてください。")], readers: &[CareManager, Nurse] },
    Talk { of: Of::One(3, 2), days: 11, clock: "20:15", category: QUESTION, from: Family, to: For::Team, title: "夜のトイレについて",
        text: "夜中に2回ほどトイレに起きます。足元が暗くて心配です。よい方法はありますか。",
        comments: &[(13, Is(OccupationalTherapist), "足元灯を置くとよいと思います。次の訪問で場所を一緒に決めましょう。"), (15, Family, "よろしくお願いします。")], readers: &[CareManager, HomeNurse] },
    Talk { of: Of::One(3, 1), days: 3, clock: "21:30", category: QUESTION, from: Family, to: For::Private, title: "本人には伏せて相談です",
        text: "最近、物忘れが増えたように感じます。本人は気にしているので、まずチームの皆さんに相談させてください。",
        comments: &[(12, Is(CareManager), "ご連絡ありがとうございます。次の訪問で様子を見て、先生とも相談します。")], readers: &[FamilyDoctor] },
    Talk { of: Of::One(3, 0), days: 7, clock: "11:15", category: QUESTION, from: Is(CareManager), to: For::One(FamilyDoctor), title: "サービス担当者会議の日程",
        text: "サービス担当者会議を再来週に開きたいと思います。先生のご都合はいかがでしょうか。",
        comments: &[(26, Is(FamilyDoctor), "木曜の午後でしたら伺えます。")], readers: &[FamilyDoctor] },
    Talk { of: Of::One(3, 2), days: 2, clock: "15:45", category: QUESTION, from: Is(HomeNurse), to: For::One(Doctor), title: "下腿のむくみについて",
        text: "両下腿に軽いむくみがあります。体重は変わりません。受診を早めたほうがよいでしょうか。",
        comments: &[], readers: &[] },
    Talk { of: Of::One(2, 0), days: 22, clock: "13:10", category: REPORT, from: Is(HomeNurse), to: For::Team, title: "訪問看護の報告",
        text: "血圧は安定しています。食事と水分もとれています。入浴は見守りでできています。",
        comments: &[], readers: &[Doctor, CareManager] },
    Talk { of: Of::Due, days: 6, clock: "10:45", category: DRUGS, from: Is(Nurse), to: For::Team, title: "次回の注射について",
        text: "骨粗鬆症の注射は間隔をあけないことが大切です。次回の日を連絡帳の予定に入れました。体調の変化があれば早めにご連絡ください。",
        comments: &[(9, Family, "日にちを確認しました。付き添います。")], readers: &[Doctor, Pharmacist, CareManager] },
    Talk { of: Of::Late, days: 10, clock: "11:20", category: DRUGS, from: Is(Nurse), to: For::Team, title: "注射の予定日を過ぎています",
        text: "骨粗鬆症の注射の予定日を過ぎていますが、受診がありません。お電話もつながりませんでした。訪問のときに様子を教えてください。",
        comments: &[(5, Is(CareManager), "明日伺って、受診できない事情を聞いてみます。")], readers: &[Doctor, FamilyDoctor] },
    Talk { of: Of::Photos, days: 9, clock: "19:05", category: PICTURES, from: Family, to: For::Team, title: "家の写真を送ります",
        text: "家の中の写真です。危ないところがあれば教えてください。",
        comments: &[(14, Is(OccupationalTherapist), "ありがとうございます。写真で気づいたところを記録しました。手すりの位置も一緒に考えましょう。"), (20, Is(CareManager), "住宅改修の手続きを進めます。")], readers: &[PhysicalTherapist, CareManager] },
    Talk { of: Of::Video, days: 3, clock: "19:40", category: PICTURES, from: Family, to: For::Team, title: "歩いている様子です",
        text: "歩いている様子の動画です。前より足が上がるようになった気がします。",
        comments: &[(16, Is(PhysicalTherapist), "歩幅が広がっていますね。この調子で続けましょう。")], readers: &[Doctor, CareManager] },
    Talk { of: Of::Fallen, days: 0, clock: "20:20", category: FALLS, from: Family, to: For::Team, title: "転びました",
        text: "今日、家の中で転びました。歩けていますが、痛みが出ないか気をつけて見てください。",
        comments: &[(14, Is(CareManager), "ご連絡ありがとうございます。早めに伺います。"), (19, Is(OccupationalTherapist), "手すりと敷物を見直したいです。写真があれば送ってください。")], readers: &[HomeNurse, Doctor] },
    Talk { of: Of::Recommended, days: 0, clock: "18:00", category: HANDOVER, from: Is(Nurse), to: For::Team, title: "リエゾン外来の申し送り",
        text: "二次性骨折予防の計画を説明し、ご本人とご家族の同意をいただきました。",
        comments: &[], readers: &[Doctor, FamilyDoctor, CareManager, Pharmacist] },
    Talk { of: Of::One(5, 1), days: 16, clock: "16:40", category: REPORT, from: Is(FamilyDoctor), to: For::Team, title: "診察の報告",
        text: "血圧は落ち着いています。骨粗鬆症の薬と飲み合わせの悪い薬はありません。",
        comments: &[(2, Is(Pharmacist), "薬歴にも記録しました。")], readers: &[Nurse, CareManager] },
];

/// The article that is written first: where it is, all of this room is.
pub(super) fn first(person: &Person<'_>) -> String {
    local("Communication", &person.key("article/0"))
}

/// Everything of this room, with the pictures there are. What is written first is an article of every citizen.
pub(super) fn talk(person: &Person<'_>, chart: &mut Chart, taken: &[Taken]) {
    let citizen = person.citizen;
    let team = members(citizen);
    for (place, talk) in TALKS.iter().enumerate() {
        let chosen = taken.iter().filter(|one| match talk.of {
            Of::Photos => one.is_photo,
            Of::Video => one.is_video,
            _ => false,
        });
        let shown: Vec<&str> = chosen.map(|one| one.reference.as_str()).collect();
        let is_due = |late: bool| citizen.next_dose().is_some_and(|due| (due < 0) == late && due < 200);
        let last = Some(citizen.last());
        let from = match talk.of {
            Of::Start => Some(citizen.known_since()),
            Of::One(of, rest) => last.filter(|_| citizen.number % of == rest),
            Of::All => last,
            Of::Due => last.filter(|_| is_due(false)),
            Of::Late => last.filter(|_| is_due(true)),
            Of::Photos | Of::Video => last.filter(|_| !shown.is_empty()),
            Of::Fallen => citizen.fell(),
            Of::Recommended => citizen.recommended(),
        };
        let Some(day) = from.map(|from| from - talk.days) else { continue };
        // Of who is in hospital, or was not known yet, nothing of daily life is told.
        let is_told = citizen.is_home(day) || matches!(talk.of, Of::Start | Of::Recommended);
        let is_there = |who: Who| if let Is(member) = who { team.contains(&member) } else { true };
        if is_told && day > citizen.known_since() && is_there(talk.from) {
            let comments: Vec<_> = talk.comments.iter().filter(|(_, who, _)| is_there(*who)).collect();
            article(person, chart, place, talk, person.day(day), &comments, &shown);
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

fn article(
    person: &Person<'_>,
    chart: &mut Chart,
    place: usize,
    talk: &Talk,
    day: Day,
    comments: &[&(i32, Who, &str)],
    shown: &[&str],
) {
    let key = person.key(&format!("article/{place}"));
    let (audience, recipient) = match talk.to {
        For::Team => ("team", person.team()),
        For::One(member) => ("member", member.reference()),
        For::Private => ("family-private", person.team()),
    };
    let team = members(person.citizen);
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
    for (number, (hours, from, text)) in comments.iter().enumerate() {
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
fn later(day: Day, clock: &str, hours: i32) -> String {
    let (hour, minute) = clock.split_once(':').unwrap_or(("0", "00"));
    let hour = hour.parse::<i32>().unwrap_or(0) + hours;
    at(day.plus(hour / 24), &format!("{:02}:{minute}", hour % 24))
}
