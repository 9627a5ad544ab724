//! Indicators as time series, for plots.

use serde_json::{Value, json};

use super::{Form, Reply, day, table, unknown, wrong};
use crate::engine::{Engine, Rejection};
use crate::fls::Day;
use crate::fls::indicator::Question;
use crate::operations::fls::{catch_up, each_citizen, today};
use crate::operations::measure::report::{Guard, mask, quotient};
use crate::operations::measure::sums::{check_period, check_unnarrowed, sums, years};
use crate::operations::measure::tally::{Scope, Tallied};
use crate::operations::measure::{Measured, all_measures, measured};
use crate::r4::outcome::IssueCode;

/// Most points of one series.
const MOST_POINTS: usize = 120;
/// Most points of one answer.
const MOST: usize = 5_000;

/// Ratings of the UK FLS-DB (green and red limits in percent; the usual ones are 80 and 50).
fn rating(measure: &str, numerator: u64, denominator: u64) -> Option<&'static str> {
    if denominator == 0 || !measure.starts_with("fls-kpi-") || measure == "fls-kpi-01" {
        return None;
    }
    let percent = numerator.saturating_mul(100) / denominator;
    let exact = |limit: u64| numerator.saturating_mul(100) > limit.saturating_mul(denominator);
    let is_green = match measure {
        "fls-kpi-03" => exact(20),
        "fls-kpi-07" => exact(50),
        _ => percent >= 80,
    };
    let is_red = match measure {
        "fls-kpi-03" => percent < 10,
        "fls-kpi-07" => false,
        _ => percent < 50,
    };
    Some(if is_green {
        "green"
    } else if is_red {
        "red"
    } else {
        "amber"
    })
}

pub(super) fn indicators(engine: &Engine, pairs: &[(String, String)], form: Form) -> Result<Reply, Rejection> {
    let sums = sums(engine)?;
    let mut asked = Vec::new();
    let (mut from, mut to, mut step, mut as_of) = (None, None, 3, today());
    let (mut facility, mut municipality) = (None, None);
    for (name, value) in pairs {
        match name.as_str() {
            "measure" => {
                for one in value.split(',').filter(|one| !one.is_empty()) {
                    asked.push(measured(engine, one)?);
                }
            }
            "from" => from = Some(day(name, value)?),
            "to" => to = Some(day(name, value)?),
            "as-of" => as_of = day(name, value)?,
            "step" => {
                step = match value.as_str() {
                    "month" => 1,
                    "quarter" => 3,
                    "year" => 12,
                    _ => return Err(wrong(name, value, "month, quarter or year is expected")),
                }
            }
            "facility" => facility = Some(value.clone()),
            "municipality" => municipality = Some(value.clone()),
            _ => return Err(unknown(name, "measure, from, to, as-of, step, facility, municipality, format")),
        }
    }
    if asked.is_empty() {
        asked =
            all_measures(engine).into_iter().filter(|one| !matches!(one.name(), "fls-kpi-01" | "fls-kpi-02")).collect();
    }
    if sums.is_some() {
        // Whoever does not see them gets sums of whole fiscal years.
        let whole = years(2);
        check_unnarrowed([("facility", facility.is_some()), ("municipality", municipality.is_some())])?;
        check_unnarrowed([("as-of", as_of != today())])?;
        (from, to, step) = (Some(from.unwrap_or(whole.0)), Some(to.unwrap_or(whole.1)), 12);
    }
    let to = to.unwrap_or_else(today);
    // Two years, in whole months, where nobody says.
    let (year, month, _) = to.civil();
    let from = from.unwrap_or_else(|| Day::of(year - 2, month, 1));
    let periods = periods(from, to, step)?;
    let points: usize = asked.iter().map(|one| one.groups.len()).sum::<usize>() * periods.len();
    if points > MOST {
        let text = format!(
            "{points} points are more than one answer takes ({MOST}); name fewer measures or take longer steps"
        );
        return Err(Rejection::new(400, IssueCode::TooCostly, text));
    }
    catch_up(engine)?;
    let rules = engine.liaison_rules();
    let mut scopes: Vec<(&Measured, (Day, Day), Scope)> = Vec::new();
    for one in &asked {
        for (begin, end) in &periods {
            if sums.is_some() {
                check_period(*begin, *end)?;
            }
            let mut scope = Scope::new(&one.groups, Question { from: *begin, to: *end, as_of, thresholds: Vec::new() });
            scope.facility.clone_from(&facility);
            scope.municipality.clone_from(&municipality);
            scopes.push((one, (*begin, *end), scope));
        }
    }
    let tallied: Vec<(Tallied, Option<Guard>)> = match &sums {
        Some(sums) => {
            let all = sums.count_all(&rules, scopes.iter().map(|(_, _, scope)| scope.clone()).collect())?;
            all.into_iter().map(|(tallied, guard)| (tallied, Some(guard))).collect()
        }
        None => {
            let mut all: Vec<Tallied> = scopes.iter().map(|(_, _, scope)| Tallied::new(scope.clone())).collect();
            each_citizen(engine, |facts| all.iter_mut().try_for_each(|tallied| tallied.add(facts, &rules)))?;
            all.into_iter().map(|tallied| (tallied, None)).collect()
        }
    };
    let mut rows = Vec::new();
    for ((one, (begin, end), _), (tallied, guard)) in scopes.iter().zip(&tallied) {
        for (place, (code, count)) in tallied.scope.groups.iter().zip(&tallied.groups).enumerate() {
            let group = one.definition.list("group").get(place);
            let words =
                group.and_then(|group| group.path(&["code", "text"])).and_then(|node| node.as_str()).unwrap_or(code);
            let limit = (guard.is_some() || one.is_of_city()).then_some(rules.figures.small_cell);
            let hidden = mask(count, limit, guard.as_ref().map(|guard| guard.group(place)));
            let (hides, hides_numerator) = (hidden.denominator, hidden.numerator);
            let shown = |value: u64, hides: bool| if hides { Value::Null } else { json!(value) };
            let value = (!hides_numerator).then(|| quotient(count.numerator, count.denominator)).flatten();
            rows.push(json!({
                "measure": one.name(),
                "group": code,
                "title": { "ja": japanese(one), "en": one.definition.text("title"), "group": words },
                "from": begin.to_string(),
                "to": end.to_string(),
                "denominator": shown(count.denominator, hides),
                "numerator": shown(count.numerator, hides_numerator),
                "masked": hides_numerator,
                "value": value.and_then(|text| text.parse::<serde_json::Number>().ok()),
                "rating": rating(one.name(), count.numerator, count.denominator).filter(|_| !hides_numerator),
            }));
        }
    }
    Ok(table::reply(form, "points", &rows, table::INDICATORS, None))
}

fn japanese(one: &Measured) -> Option<String> {
    let extensions = one.definition.get("_title")?.list("extension");
    let parts = extensions.iter().flat_map(|extension| extension.list("extension"));
    parts.into_iter().find_map(|part| part.text("valueString").map(str::to_owned))
}

/// Whole steps from the month of one day to another day.
fn periods(from: Day, to: Day, step: i32) -> Result<Vec<(Day, Day)>, Rejection> {
    if from > to {
        return Err(wrong("to", &to.to_string(), "the end is before the beginning"));
    }
    let begin = |number: i32| Day::of(number.div_euclid(12), u8::try_from(number.rem_euclid(12) + 1).unwrap_or(1), 1);
    let mut month = from.month_number();
    let mut periods = Vec::new();
    while begin(month) <= to {
        if periods.len() >= MOST_POINTS {
            return Err(wrong("from", &from.to_string(), "more than 120 steps; take longer ones"));
        }
        periods.push((begin(month).max(from), begin(month + step).plus(-1).min(to)));
        month += step;
    }
    Ok(periods)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_whole_months() {
        let of = |text| Day::parse(text).unwrap();
        let all = periods(of("2024-01-15"), of("2024-03-10"), 1).unwrap();
        let texts: Vec<String> = all.iter().map(|(from, to)| format!("{from}/{to}")).collect();
        assert_eq!(texts, ["2024-01-15/2024-01-31", "2024-02-01/2024-02-29", "2024-03-01/2024-03-10"]);
        assert_eq!(periods(of("2023-11-01"), of("2024-10-31"), 12).unwrap().len(), 1);
        assert!(periods(of("2000-01-01"), of("2024-10-31"), 1).is_err());
    }

    #[test]
    fn ratings_are_those_of_the_database() {
        assert_eq!(rating("fls-kpi-04", 80, 100), Some("green"));
        assert_eq!(rating("fls-kpi-04", 79, 100), Some("amber"));
        assert_eq!(rating("fls-kpi-04", 49, 100), Some("red"));
        assert_eq!(rating("fls-kpi-07", 50, 100), Some("amber"));
        assert_eq!(rating("fls-kpi-07", 51, 100), Some("green"));
        assert_eq!(rating("fls-kpi-03", 21, 100), Some("green"));
        assert_eq!(rating("fls-kpi-03", 9, 100), Some("red"));
        assert_eq!(rating("city-outcome-a", 9, 100), None);
    }
}
