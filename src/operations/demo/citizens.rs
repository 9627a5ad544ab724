//! Twenty citizens, each at another point of fracture liaison, as a table: who they are and what happened when.
//!
//! 見本 (specimen) is the family name of all of them, so that nobody takes them for real.

use super::letter;
use super::story::Event::{
    self, Assessment, Bloods, Certified, Diagnosis, Died, Dose, Dxa, DxaOrdered, Exit, Fall, FallRisk, FollowUp,
    Fracture, Recommended, Refused, Stay, Stopped, Supply, Surgery, Taking,
};
use super::story::Side::{Left, Right, Unpaired};
use super::story::{
    ALENDRONATE, DENOSUMAB, FOREARM, HUMERUS, LUMBAR, NECK, OSTEOPOROSIS, RIB, ROMOSOZUMAB, SARCOPENIA, SUPPLEMENT,
    TERIPARATIDE, THORACIC, TROCHANTERIC, ZOLEDRONATE,
};

/// One of them.
#[derive(Debug)]
pub(super) struct Citizen {
    /// 0 is the one who comes with a discharge summary.
    pub(super) number: usize,
    pub(super) given: &'static str,
    pub(super) kana: &'static str,
    pub(super) is_female: bool,
    pub(super) birth: &'static str,
    /// Which of the two municipalities.
    pub(super) town: usize,
    /// Relationship and name.
    pub(super) family: (&'static str, &'static str),
    pub(super) body: Body,
    /// Days from today, and what happened.
    pub(super) story: &'static [(i32, Event)],
}

/// Measurements of today; a share of `change` percent was gained (lost, if negative) in half a year.
#[derive(Debug)]
pub(super) struct Body {
    /// kg, right hand.
    pub(super) grip: f64,
    /// Timed Up and Go, s.
    pub(super) up_and_go: f64,
    /// m/s.
    pub(super) gait: f64,
    /// kg.
    pub(super) weight: f64,
    /// Percent of strength and speed in half a year.
    pub(super) change: f64,
    /// Percent of weight in half a year.
    pub(super) weight_change: f64,
}

impl Citizen {
    /// The last day on which anything is told: that of death, of moving away, or today.
    pub(super) fn last(&self) -> i32 {
        let ends = |event: &Event| matches!(event, Died | Exit("moved-away"));
        self.story.iter().find(|(_, event)| ends(event)).map_or(0, |(day, _)| *day)
    }

    /// The day since when the town has known them.
    pub(super) fn known_since(&self) -> i32 {
        let first = self.story.first().map_or(0, |(day, _)| *day);
        if self.number == 0 { -40 } else { first.min(-400) }
    }

    /// First and last day of each stay in hospital.
    fn stays(&self) -> impl Iterator<Item = (i32, i32)> {
        let told =
            |(day, event): &(i32, Event)| if let Stay(length) = event { Some((*day, day + length)) } else { None };
        let letter = (self.number == 0).then_some(letter::STAY);
        letter.into_iter().chain(self.story.iter().filter_map(told))
    }

    /// Days until they come home from hospital; 0 at home.
    pub(super) fn in_hospital(&self) -> i32 {
        self.stays().map(|(_, end)| end.max(0)).max().unwrap_or(0)
    }

    /// Whether they spent a day at home, not in hospital.
    pub(super) fn is_home(&self, day: i32) -> bool {
        !self.stays().any(|(start, end)| (start..=end).contains(&day))
    }

    /// The day since when they have been at home, as far as the town knows them.
    pub(super) fn home_since(&self) -> i32 {
        let ends = self.stays().map(|(_, end)| end).filter(|end| *end <= 0);
        ends.max().unwrap_or(i32::MIN).max(self.known_since())
    }

    /// Whether the town goes on caring for them.
    pub(super) fn is_here(&self) -> bool {
        self.last() == 0
    }

    /// The day of death, if they are dead.
    pub(super) fn died(&self) -> Option<i32> {
        self.story.iter().find(|(_, event)| matches!(event, Died)).map(|(day, _)| *day)
    }

    /// Whether insurance for long-term care pays for help at home.
    pub(super) fn has_care(&self) -> bool {
        self.number == 0 || self.story.iter().any(|(_, event)| matches!(event, Certified(..)))
    }

    /// The day of the last fall that broke nothing.
    pub(super) fn fell(&self) -> Option<i32> {
        let broke = |fall: i32| self.story.iter().any(|(day, event)| *day == fall && matches!(event, Fracture(..)));
        let falls = self.story.iter().filter(|(_, event)| matches!(event, Fall(_))).map(|(day, _)| *day);
        falls.filter(|day| !broke(*day)).max()
    }

    /// The day when a treatment was recommended that was not refused.
    pub(super) fn recommended(&self) -> Option<i32> {
        let is_refused = self.story.iter().any(|(_, event)| matches!(event, Refused(_)));
        let of = |(day, event): &(i32, Event)| matches!(event, Recommended(_)).then_some(*day);
        self.story.iter().find_map(of).filter(|_| !is_refused)
    }

    /// The day when the next injection is due, or was.
    pub(super) fn next_dose(&self) -> Option<i32> {
        if self.number == 0 {
            return Some(letter::NEXT_DOSE);
        }
        let is_stopped = self.story.iter().any(|(_, event)| matches!(event, Stopped(..)));
        let due = |(day, event): &(i32, Event)| if let Dose(drug) = event { Some(day + drug.interval()) } else { None };
        self.story.iter().filter_map(due).max().filter(|_| !is_stopped && self.is_here())
    }

    pub(super) fn name(&self) -> String {
        format!("見本 {}", self.given)
    }
}

const fn citizen(
    number: usize,
    (given, kana): (&'static str, &'static str),
    (is_female, birth): (bool, &'static str),
    town: usize,
    family: (&'static str, &'static str),
    [grip, up_and_go, gait, weight, change, weight_change]: [f64; 6],
    story: &'static [(i32, Event)],
) -> Citizen {
    let body = Body { grip, up_and_go, gait, weight, change, weight_change };
    Citizen { number, given, kana, is_female, birth, town, family, body, story }
}

const HEAD: Event = Surgery("人工骨頭挿入術（股）", "150049510");
const NAIL: Event = Surgery("骨折観血的手術（大腿）", "150019210");

/// All of them. Names, birth dates and numbers are made up.
#[rustfmt::skip]
pub(super) const CITIZENS: [Citizen; 20] = [
    // Discharged ten days ago: everything about the fracture comes with the hospital's document.
    citizen(0, ("花子", "ハナコ"), (true, "1943-03-03"), 0, ("長女", "良子"), [14.5, 20.8, 0.58, 41.4, 3.0, 1.0], &[]),
    // In hospital since six days.
    citizen(1, ("太郎", "タロウ"), (false, "1940-01-15"), 0, ("妻", "文子"), [24.0, 15.8, 0.81, 56.4, 0.0, 0.0], &[
        (-6, Fracture(&NECK, Left)), (-6, Stay(30)), (-4, HEAD), (-3, Bloods(620.0)),
    ]),
    // Awaits DXA.
    citizen(2, ("梅子", "ウメコ"), (true, "1937-11-02"), 0, ("長男", "大地"), [11.5, 24.2, 0.49, 38.9, -4.0, -2.0], &[
        (-60, Fracture(&LUMBAR, Unpaired)), (-50, DxaOrdered), (-45, Assessment(24.0)), (-44, Bloods(560.0)), (-40, FallRisk(55)),
        (-30, Certified("13", 365, true)),
    ]),
    // DXA, recommendation and follow-up are late.
    citizen(3, ("次郎", "ジロウ"), (false, "1948-07-30"), 0, ("妻", "和子"), [28.5, 11.9, 1.05, 61.2, 1.0, 0.0], &[
        (-125, Fracture(&FOREARM, Right)), (-110, DxaOrdered), (-100, Bloods(480.0)),
    ]),
    // Treatment started.
    citizen(4, ("松子", "マツコ"), (true, "1934-04-08"), 0, ("次女", "清美"), [12.8, 26.0, 0.52, 36.6, 9.0, 2.0], &[
        (-100, Fracture(&TROCHANTERIC, Left)), (-100, Stay(38)), (-98, NAIL), (-90, Bloods(710.0)), (-82, Assessment(31.0)),
        (-78, Dxa(-3.1)), (-75, FallRisk(60)), (-70, Recommended(&ALENDRONATE)), (-62, Supply(&ALENDRONATE, 28)),
        (-60, Certified("22", 365, true)), (-34, Supply(&ALENDRONATE, 28)), (-6, Supply(&ALENDRONATE, 28)),
        (-5, Taking(&ALENDRONATE, -62, "taken")),
    ]),
    // The next denosumab is due in five days.
    citizen(5, ("竹子", "タケコ"), (true, "1952-09-19"), 0, ("夫", "豊"), [19.2, 12.4, 1.02, 49.5, 8.0, 1.0], &[
        (-215, Fracture(&NECK, Right)), (-215, Stay(30)), (-213, HEAD), (-200, Bloods(540.0)), (-190, Assessment(22.0)),
        (-185, Dxa(-2.8)), (-184, FallRisk(35)), (-182, Recommended(&DENOSUMAB)), (-178, Dose(&DENOSUMAB)), (-140, Certified("12", 365, true)),
        (-105, FollowUp("follow-up-16w")), (-20, Taking(&SUPPLEMENT, -178, "taken")),
    ]),
    // Denosumab is overdue.
    citizen(6, ("桃子", "モモコ"), (true, "1944-06-21"), 0, ("長女", "典子"), [15.9, 16.1, 0.78, 44.0, -3.0, -1.0], &[
        (-330, Fracture(&THORACIC, Unpaired)), (-310, Bloods(590.0)), (-300, Assessment(27.0)), (-290, Dxa(-3.0)),
        (-285, FallRisk(40)), (-280, Recommended(&DENOSUMAB)), (-250, Certified("13", 365, true)), (-245, Dose(&DENOSUMAB)), (-220, FollowUp("follow-up-16w")),
        (-60, Taking(&SUPPLEMENT, -245, "partly")),
    ]),
    // Stopped, before a treatment of the teeth, and nothing followed.
    citizen(7, ("菊子", "キクコ"), (true, "1941-10-05"), 0, ("長男", "拓"), [16.4, 14.7, 0.88, 47.3, 2.0, 0.0], &[
        (-260, Fracture(&HUMERUS, Left)), (-245, Bloods(500.0)), (-240, Assessment(20.0)), (-236, Dxa(-2.9)), (-235, FallRisk(45)),
        (-230, Recommended(&ROMOSOZUMAB)), (-225, Certified("13", 365, true)), (-220, Dose(&ROMOSOZUMAB)), (-190, Dose(&ROMOSOZUMAB)), (-160, Dose(&ROMOSOZUMAB)),
        (-150, FollowUp("follow-up-16w")), (-130, Dose(&ROMOSOZUMAB)), (-100, Dose(&ROMOSOZUMAB)),
        (-70, Stopped(&ROMOSOZUMAB, -220, "dental", "抜歯の予定があるため")),
    ]),
    // Followed up at 16 and 52 weeks: completed.
    citizen(8, ("三郎", "サブロウ"), (false, "1939-12-12"), 0, ("妻", "静江"), [29.1, 11.2, 1.08, 58.0, 6.0, 1.0], &[
        (-410, Fracture(&TROCHANTERIC, Right)), (-410, Stay(35)), (-408, NAIL), (-400, Bloods(450.0)), (-390, Assessment(18.0)),
        (-386, Dxa(-2.6)), (-385, FallRisk(30)), (-382, Recommended(&ZOLEDRONATE)), (-380, Dose(&ZOLEDRONATE)),
        (-360, Certified("21", 365, true)), (-300, FollowUp("follow-up-16w")), (-45, FollowUp("follow-up-52w")),
        (-12, Dose(&ZOLEDRONATE)), (5, Certified("12", 365, false)),
    ]),
    // The other hip broke in spite of treatment.
    citizen(9, ("桜子", "サクラコ"), (true, "1938-02-27"), 0, ("長女", "千春"), [10.2, 33.0, 0.38, 37.8, -14.0, -3.0], &[
        (-520, Fracture(&NECK, Right)), (-520, Stay(40)), (-518, HEAD), (-505, Bloods(690.0)), (-503, Assessment(35.0)),
        (-502, Dxa(-3.4)), (-501, FallRisk(70)), (-500, Recommended(&DENOSUMAB)), (-500, Dose(&DENOSUMAB)),
        (-480, Certified("22", 460, true)), (-410, FollowUp("follow-up-16w")), (-317, Dose(&DENOSUMAB)),
        (-160, FollowUp("follow-up-52w")), (-134, Dose(&DENOSUMAB)), (-48, Fall("夜間トイレへ行く途中、廊下で転倒しました。左股関節を強く打ちました。")),
        (-48, Fracture(&TROCHANTERIC, Left)), (-48, Stay(28)), (-46, NAIL), (-19, Certified("23", 365, true)),
    ]),
    // Refused; needs no help at home.
    citizen(10, ("百合子", "ユリコ"), (true, "1946-08-14"), 0, ("夫", "勉"), [17.1, 13.9, 0.93, 51.7, 0.0, 0.0], &[
        (-150, Fracture(&LUMBAR, Unpaired)), (-135, Bloods(470.0)), (-130, Assessment(19.0)), (-125, Dxa(-2.7)),
        (-124, FallRisk(25)), (-120, Recommended(&DENOSUMAB)), (-110, Refused(&DENOSUMAB)), (-50, FollowUp("follow-up-16w")),
    ]),
    // Died.
    citizen(11, ("四郎", "シロウ"), (false, "1931-05-18"), 0, ("長男", "誠"), [17.3, 38.0, 0.34, 45.2, -12.0, -6.0], &[
        (-230, Fracture(&TROCHANTERIC, Left)), (-230, Stay(50)), (-228, NAIL), (-215, Bloods(640.0)), (-210, Assessment(29.0)),
        (-200, Recommended(&ALENDRONATE)), (-185, Supply(&ALENDRONATE, 28)), (-180, Certified("24", 365, true)),
        (-157, Supply(&ALENDRONATE, 28)), (-95, Died),
    ]),
    // Moved to the neighbouring municipality, with which there is an agreement.
    citizen(12, ("楓子", "フウコ"), (true, "1947-11-23"), 1, ("次男", "航"), [18.4, 12.8, 0.98, 46.1, 3.0, 0.0], &[
        (-190, Fracture(&FOREARM, Left)), (-175, Bloods(430.0)), (-170, Assessment(15.0)), (-168, Dxa(-2.5)), (-167, FallRisk(20)),
        (-160, Recommended(&ALENDRONATE)), (-150, Supply(&ALENDRONATE, 56)), (-140, Certified("12", 365, true)), (-94, Supply(&ALENDRONATE, 56)),
        (-85, FollowUp("follow-up-16w")), (-38, Supply(&ALENDRONATE, 56)), (-20, Exit("moved-away")),
    ]),
    // No fracture: frail.
    citizen(13, ("葵", "アオイ"), (true, "1950-03-30"), 0, ("長女", "舞"), [16.8, 13.1, 0.91, 42.5, -2.0, -2.0], &[
        (-210, Diagnosis(&SARCOPENIA)), (-200, Certified("06", 365, false)),
    ]),
    // No fracture: the certification ends in forty days; a fall last week.
    citizen(14, ("五郎", "ゴロウ"), (false, "1936-09-09"), 0, ("妻", "初枝"), [25.6, 19.4, 0.66, 53.9, -6.0, -1.0], &[
        (-700, Diagnosis(&OSTEOPOROSIS)), (-325, Certified("21", 365, false)),
        (-9, Fall("居間の敷物につまずいて尻もちをつきました。痛みはありません。")),
    ]),
    // Declined liaison.
    citizen(15, ("蘭子", "ランコ"), (true, "1949-01-07"), 1, ("夫", "進"), [20.3, 10.8, 1.12, 53.4, 1.0, 0.0], &[
        (-95, Fracture(&FOREARM, Right)), (-80, Assessment(14.0)), (-60, Exit("declined")),
    ]),
    // A rib: no fragility fracture that opens a pathway.
    citizen(16, ("六郎", "ロクロウ"), (false, "1953-04-04"), 0, ("妻", "桂子"), [34.5, 9.4, 1.24, 66.8, 0.0, 0.0], &[
        (-80, Fracture(&RIB, Right)),
    ]),
    // Falls, and loses weight.
    citizen(17, ("茜", "アカネ"), (true, "1942-07-07"), 1, ("長男", "遼"), [13.7, 18.8, 0.69, 39.6, -7.0, -8.0], &[
        (-98, Fracture(&HUMERUS, Right)), (-90, Bloods(530.0)), (-80, Assessment(26.0)), (-76, Dxa(-3.2)), (-75, FallRisk(65)),
        (-70, Recommended(&ZOLEDRONATE)), (-60, Dose(&ZOLEDRONATE)), (-55, Certified("21", 365, true)),
        (-14, Fall("玄関の段差で前に倒れ、両手をつきました。けがはありません。")),
        (-3, Fall("浴室の出入口で滑り、膝を打ちました。軽い打撲です。")),
    ]),
    // Teriparatide for longer than two years.
    citizen(18, ("七海", "ナナミ"), (true, "1945-12-01"), 0, ("夫", "稔"), [17.9, 13.5, 0.96, 48.8, 2.0, 0.0], &[
        (-790, Fracture(&THORACIC, Unpaired)), (-775, Bloods(520.0)), (-770, Assessment(21.0)), (-765, Dxa(-3.3)),
        (-764, FallRisk(35)), (-760, Recommended(&TERIPARATIDE)), (-700, FollowUp("follow-up-16w")),
        (-430, FollowUp("follow-up-52w")), (-428, Dxa(-2.9)), (-200, Certified("13", 365, false)), (-8, Taking(&TERIPARATIDE, -745, "taken")),
    ]),
    // Tablets ran out, nobody followed up; lives in one municipality and is cared for in the other.
    citizen(19, ("八郎", "ハチロウ"), (false, "1940-10-10"), 1, ("長女", "渚"), [23.4, 17.2, 0.74, 52.0, -2.0, -1.0], &[
        (-150, Fracture(&NECK, Left)), (-150, Stay(33)), (-148, HEAD), (-140, Bloods(580.0)), (-130, Assessment(23.0)),
        (-126, Dxa(-2.9)), (-125, FallRisk(50)), (-120, Recommended(&ALENDRONATE)), (-117, Certified("21", 365, true)),
        (-112, Supply(&ALENDRONATE, 28)),
    ]),
];
