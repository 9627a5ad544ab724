//! What the care team is warned of, on a day.
//!
//! An alarm has an id made of what raises it (the activity, the end of a course, the measurement): the same cause
//! is the same alarm, however often it is computed, and a new cause is a new alarm. It ends by itself when its
//! cause does. Who takes note of one gives a reason; it stands, but as acknowledged.

use super::certification::certifications;
use super::pathway::{Horizon, Standing, State};
use super::{Citizen, Day, Episode, Fact, Kind, Rules, stable_id};

/// An alarm that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Id of its Flag.
    pub id: String,
    /// A code of fls-alarm.
    pub code: String,
    /// What it is about in particular: an activity, a medicine, a measurement.
    pub about: String,
    /// Since when.
    pub since: Day,
    /// The resources that raise it.
    pub sources: Vec<String>,
    /// For people, Japanese.
    pub ja: String,
    /// For people, English.
    pub en: String,
    /// high, moderate or low.
    pub severity: String,
    /// Who took note of it, and why nothing more is needed.
    pub acknowledged: Option<(Day, String, String)>,
    /// Id of the episode it belongs to; empty when it belongs to none.
    pub episode: String,
}

struct Raise<'r, 'f> {
    citizen: &'r Citizen<'f>,
    rules: &'r Rules,
    alarms: Vec<Alarm>,
}

impl Raise<'_, '_> {
    fn add(
        &mut self,
        code: &str,
        about: &str,
        cause: &str,
        since: Day,
        sources: Vec<String>,
        (ja, en): (String, String),
    ) {
        let id = stable_id(&["alarm", &self.citizen.facts.person.id, code, about, cause]);
        let acknowledged = self.citizen.facts.list.iter().find_map(|fact| match &fact.kind {
            Kind::Acknowledged { alarm, who, reason } if *alarm == id => Some((fact.day, who.clone(), reason.clone())),
            _ => None,
        });
        self.alarms.push(Alarm {
            id,
            code: code.to_owned(),
            about: about.to_owned(),
            since,
            sources,
            ja,
            en,
            severity: self.rules.severity(code).to_owned(),
            acknowledged,
            episode: String::new(),
        });
    }
}

/// The alarms of a citizen; `standings` are those of the episodes, in their order.
#[must_use]
pub fn alarms(citizen: &Citizen<'_>, standings: &[Standing], rules: &Rules, horizon: &mut Horizon) -> Vec<Alarm> {
    let mut raise = Raise { citizen, rules, alarms: Vec::new() };
    // Who is dead or has left the service is warned of no more.
    let person = &citizen.facts.person;
    if person.died || person.death.is_some_and(|death| death <= horizon.today()) {
        return raise.alarms;
    }
    for (episode, standing) in citizen.episodes.iter().zip(standings) {
        overdue(&mut raise, episode, standing);
    }
    let has_left = !standings.is_empty()
        && standings.iter().all(|standing| !matches!(standing.state.as_str(), "active" | "completed" | "lapsed"));
    if !has_left {
        medicines(&mut raise, standings, horizon);
        measurements(&mut raise, horizon);
        falls(&mut raise, horizon);
    }
    expiring(&mut raise, horizon);
    let mut alarms = raise.alarms;
    // What has no episode of its own belongs to the latest one.
    let latest = citizen.episodes.iter().rev().find(|episode| episode.day <= horizon.today());
    for alarm in &mut alarms {
        if alarm.episode.is_empty() {
            alarm.episode = latest.map_or_else(String::new, |episode| episode.id.clone());
        }
    }
    alarms.sort_by(|left, right| (left.since, &left.id).cmp(&(right.since, &right.id)));
    alarms.dedup_by(|left, right| left.id == right.id);
    alarms
}

fn overdue(raise: &mut Raise<'_, '_>, episode: &Episode, standing: &Standing) {
    for activity in standing.activities.iter().filter(|activity| activity.state == State::Overdue) {
        let planned = raise.rules.pathway.iter().find(|planned| planned.code == activity.code);
        let (ja, en) = planned.map_or(("", ""), |planned| (planned.ja.as_str(), planned.title.as_str()));
        let texts =
            (format!("{ja}が期限（{}）を過ぎています", activity.due), format!("{en} was due on {}", activity.due));
        let since = activity.due.plus(raise.rules.figures.overdue_grace_days + 1);
        raise.add("overdue", &activity.code, &episode.id, since, episode.records.clone(), texts);
        if let Some(alarm) = raise.alarms.last_mut() {
            alarm.episode.clone_from(&episode.id);
        }
    }
}

fn medicines(raise: &mut Raise<'_, '_>, standings: &[Standing], horizon: &mut Horizon) {
    let (citizen, rules, today) = (raise.citizen, raise.rules, horizon.today());
    let has_episode = !standings.is_empty();
    let courses = &citizen.treatment.courses;
    for course in courses {
        horizon.note(course.start);
        horizon.note(course.end.plus(1));
        let rhythm = rules.drug(&course.drug).cloned().unwrap_or_default();
        let class = rules.drugs.find(&course.drug);
        let (ja, en) = class.map_or((course.drug.as_str(), course.drug.as_str()), |class| (&class.ja, &class.display));
        // What comes after it: another treatment that goes on later than this one.
        let followed = courses.iter().any(|next| {
            next != course
                && next.start <= today
                && next.end > course.end
                && (next.start > course.start || next.drug != course.drug)
        });
        let first = courses
            .iter()
            .filter(|other| other.drug == course.drug)
            .map(|other| other.start)
            .min()
            .unwrap_or(course.start);
        if let Some(maximum) = rhythm.maximum {
            // Interruptions do not make the course of a lifetime longer.
            let taken: i32 = courses
                .iter()
                .filter(|other| other.drug == course.drug && other.start <= course.start)
                .map(|other| other.end.plus(-other.grace).min(today).since(other.start).max(0))
                .sum();
            let earlier = taken - course.end.plus(-course.grace).min(today).since(course.start).max(0);
            let reached = course.start.plus(maximum - earlier);
            if course.end.plus(-course.grace) > reached {
                horizon.note(reached.plus(1));
                if today > reached && today <= course.end {
                    let texts = (
                        format!("{ja}が最大投与期間（{maximum}日）を超えています"),
                        format!("{en} has been given for more than {maximum} days"),
                    );
                    raise.add(
                        "maximum-duration",
                        &course.drug,
                        &first.to_string(),
                        reached.plus(1),
                        course.sources.clone(),
                        texts,
                    );
                }
            }
        }
        if course.end >= today || followed {
            continue;
        }
        let completed = matches!(course.stopped.as_deref(), Some("completed"));
        if rhythm.needs_follow_on {
            let texts = (
                format!("{ja}の後に続く治療がありません"),
                format!("{en} ended without the treatment that must follow"),
            );
            raise.add(
                "no-follow-on",
                &course.drug,
                &course.end.to_string(),
                course.end.plus(1),
                course.sources.clone(),
                texts,
            );
        }
        // Who stopped it knows: what is missing is a medicine nobody stopped.
        if course.stopped.is_none() && !completed && has_episode {
            let texts = (
                format!("{ja}が{}から途切れています", course.end),
                format!("{en} has been interrupted since {}", course.end),
            );
            raise.add(
                "medication-gap",
                &course.drug,
                &course.end.to_string(),
                course.end.plus(1),
                course.sources.clone(),
                texts,
            );
        }
    }
}

fn latest<'f>(citizen: &Citizen<'f>, wanted: &str, today: Day) -> Vec<(&'f Fact, f64)> {
    let facts = citizen.facts.list.iter().filter_map(|fact| match &fact.kind {
        Kind::Measured { code, value } if code == wanted && fact.day <= today => Some((fact, *value)),
        _ => None,
    });
    facts.collect()
}

fn measurements(raise: &mut Raise<'_, '_>, horizon: &mut Horizon) {
    let (citizen, figures, today) = (raise.citizen, &raise.rules.figures, horizon.today());
    let fresh = |horizon: &mut Horizon, fact: &Fact| {
        horizon.note(fact.day.plus(figures.measure_days + 1));
        today.since(fact.day) <= figures.measure_days
    };
    let weights = latest(citizen, "weight", today);
    if let Some((fact, now)) = weights.last()
        && fresh(horizon, fact)
    {
        let from = fact.day.plus(-figures.weight_loss_days);
        let before = weights.iter().filter(|(other, _)| other.day >= from && other.day < fact.day);
        let heaviest = before.max_by(|left, right| left.1.total_cmp(&right.1));
        if let Some((earlier, was)) = heaviest
            && *was > 0.0
            && (was - now) * 100.0 >= figures.weight_loss_percent * was - 1e-9
        {
            let texts =
                (format!("体重が{was}kgから{now}kgに減っています"), format!("weight fell from {was} kg to {now} kg"));
            raise.add(
                "weight-loss",
                "weight",
                &fact.source,
                fact.day,
                vec![earlier.source.clone(), fact.source.clone()],
                texts,
            );
        }
    }
    // The stronger hand of the last day counts (AWGS 2019: the maximum).
    let grips = latest(citizen, "grip", today);
    if let Some(day) = grips.last().map(|(fact, _)| fact.day) {
        let best = grips.iter().filter(|(fact, _)| fact.day == day).max_by(|left, right| left.1.total_cmp(&right.1));
        let cutoff = match citizen.facts.person.sex.as_str() {
            "male" => Some(figures.grip_male),
            "female" => Some(figures.grip_female),
            _ => None,
        };
        if let (Some((fact, value)), Some(cutoff)) = (best, cutoff)
            && *value < cutoff
            && fresh(horizon, fact)
        {
            let texts = (
                format!("握力{value}kg（基準{cutoff}kg未満）"),
                format!("grip strength {value} kg, below {cutoff} kg"),
            );
            raise.add("low-grip", "grip", &fact.source, fact.day, vec![fact.source.clone()], texts);
        }
    }
    if let Some((fact, value)) = latest(citizen, "gait", today).last()
        && *value < figures.gait_speed
        && fresh(horizon, fact)
    {
        let cutoff = figures.gait_speed;
        let texts = (
            format!("歩行速度{value}m/s（基準{cutoff}m/s未満）"),
            format!("gait speed {value} m/s, below {cutoff} m/s"),
        );
        raise.add("low-gait", "gait", &fact.source, fact.day, vec![fact.source.clone()], texts);
    }
}

fn falls(raise: &mut Raise<'_, '_>, horizon: &mut Horizon) {
    let (days, today) = (raise.rules.figures.fall_days, horizon.today());
    let falls =
        raise.citizen.facts.list.iter().filter(|fact| matches!(&fact.kind, Kind::Evidence { code } if code == "fall"));
    for fact in falls.filter(|fact| fact.day <= today && today.since(fact.day) <= days) {
        horizon.note(fact.day.plus(days + 1));
        let texts = (format!("{}に転倒しました", fact.day), format!("fell on {}", fact.day));
        raise.add("fall", "fall", &fact.source, fact.day, vec![fact.source.clone()], texts);
    }
}

fn expiring(raise: &mut Raise<'_, '_>, horizon: &mut Horizon) {
    let (figures, today) = (&raise.rules.figures, horizon.today());
    let all = certifications(raise.citizen, raise.rules);
    // Only the latest counts: the next one replaces it.
    let Some(latest) = all.iter().filter(|one| one.is_care_need()).max_by_key(|one| (one.start, one.source)) else {
        return;
    };
    let Some(end) = latest.end else { return };
    let (from, until) = (end.plus(-figures.certification_days), end.plus(figures.expired_days));
    horizon.note(from);
    horizon.note(until.plus(1));
    if (from..=until).contains(&today) {
        let texts =
            (format!("要介護認定の有効期間は{end}までです"), format!("the certification of care need ends on {end}"));
        raise.add("certification-expiring", "care-level", latest.source, from, vec![latest.source.to_owned()], texts);
    }
}
