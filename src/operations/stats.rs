//! `Observation/$stats` (FHIR R4 observation-operation-stats.html): statistics over the quantities of a subject.
//!
//! Values are exact decimals in the unit of the first one; others are converted by UCUM, and those that cannot be are
//! counted (`total-count`) but take no part. Averages and quantiles are exact to 20 digits, what needs a
//! root is computed in double precision. Quantiles interpolate between neighbours (type 7 of Hyndman and Fan).
//!
//! Cost: all Observations that match are read, [`MOST`] at most; more are refused.

use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive};

use super::call::{Call, parameters, part};
use super::table::{Level, Operation};
use crate::engine::{OperationAnswer, Rejection};
use crate::format::json::{self, Node};
use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::{datetime, ucum};
use crate::search::parse::parse_query;
use crate::store::Found;

/// `Observation/$stats`
pub(super) const OPERATIONS: &[Operation] =
    &[Operation::reading("http://hl7.org/fhir/OperationDefinition/Observation-stats", &[Level::Type], stats)];

/// Most Observations that are computed over.
const MOST: u32 = 10_000;
/// Most codes of one request.
const MOST_CODES: usize = 20;
const UCUM: &str = "http://unitsofmeasure.org";

/// The statistics of `http://terminology.hl7.org/CodeSystem/observation-statistics` that are computed here.
const KNOWN: [&str; 19] = [
    "average",
    "maximum",
    "minimum",
    "count",
    "total-count",
    "median",
    "std-dev",
    "sum",
    "variance",
    "20-percent",
    "80-percent",
    "4-lower",
    "4-upper",
    "4-dev",
    "5-1",
    "5-2",
    "5-3",
    "5-4",
    "skew",
];

fn wrong(name: &str, text: impl Into<String>) -> Rejection {
    let place = format!("Parameters.parameter.where(name='{name}')");
    Rejection::bad_request(vec![Issue::error(IssueCode::Invalid, text).at(place)])
}

/// The codes that are asked for: system and code.
fn codes(call: &Call<'_>) -> Result<Vec<(String, String)>, Rejection> {
    let system = call.inputs.text("system");
    let mut all = Vec::new();
    for code in call.inputs.texts("code") {
        let system = system.ok_or_else(|| wrong("system", "a code needs the system it is from; or send a coding"))?;
        all.push((system.to_owned(), code.to_owned()));
    }
    for coding in call.inputs.values("coding") {
        let code = coding.text("code").ok_or_else(|| wrong("coding", "the coding has no code"))?;
        all.push((coding.text("system").unwrap_or_default().to_owned(), code.to_owned()));
    }
    match all.len() {
        0 => Err(wrong("code", "which Observations? send code and system, or coding")),
        count if count > MOST_CODES => Err(wrong("code", format!("at most {MOST_CODES} codes are taken at once"))),
        _ => Ok(all),
    }
}

/// The time that counts: first and last as written.
fn period(call: &Call<'_>) -> Result<(Option<String>, Option<String>), Rejection> {
    match (call.inputs.value("duration"), call.inputs.value("period")) {
        (Some(_), Some(_)) => Err(wrong("period", "send duration or period, not both")),
        (None, None) => Err(wrong("period", "which time? send a period, or the duration in hours")),
        (None, Some(period)) => Ok((period.text("start").map(str::to_owned), period.text("end").map(str::to_owned))),
        (Some(duration), None) => {
            let hours = match duration {
                Node::Number(digits) => digits.parse::<f64>().ok(),
                _ => None,
            };
            let hours = hours.filter(|hours| *hours > 0.0 && *hours < 1e7);
            let hours = hours.ok_or_else(|| wrong("duration", "duration is a number of hours above 0"))?;
            let now = jiff::Timestamp::now().as_microsecond();
            #[allow(clippy::cast_possible_truncation, reason = "below 4e16")]
            let start = now - (hours * 3.6e9) as i64;
            Ok((Some(datetime::format_instant(start)), Some(datetime::format_instant(now))))
        }
    }
}

fn stats(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let codes = codes(&call)?;
    let (start, end) = period(&call)?;
    let mut wanted: Vec<&str> = Vec::new();
    for statistic in call.inputs.texts("statistic").flat_map(|list| list.split(',')).map(str::trim) {
        if !KNOWN.contains(&statistic) {
            return Err(wrong(
                "statistic",
                format!("{statistic:.64?} is not computed here; those that are: {}", KNOWN.join(", ")),
            ));
        }
        if !wanted.contains(&statistic) {
            wanted.push(statistic);
        }
    }
    let subject = call.inputs.text("subject").unwrap_or_default();
    let local = subject.strip_prefix(&call.request.base).map_or(subject, |rest| rest.trim_start_matches('/'));
    let mut answer = Vec::new();
    let mut sources: Vec<Found> = Vec::new();
    for (system, code) in &codes {
        let found = observations(&call, local, (system, code), start.as_deref(), end.as_deref())?;
        let sample = Sample::of(&found, system, code);
        let observation = sample.observation(local, (system, code), (start.as_deref(), end.as_deref()), &wanted);
        answer.push(part("statistics", "resource", observation));
        sources.extend(found);
    }
    if call.inputs.boolean("include") == Some(true) {
        let limit =
            call.inputs.integer("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(1000).min(1000);
        for found in sources.iter().take(limit) {
            let body = json::parse(&found.version.body)
                .map_err(|_| Rejection::internal("a stored resource cannot be read"))?;
            answer.push(part("source", "resource", body.into_owned()));
        }
    }
    Ok(parameters(answer))
}

fn observations(
    call: &Call<'_>,
    subject: &str,
    (system, code): (&str, &str),
    start: Option<&str>,
    end: Option<&str>,
) -> Result<Vec<Found>, Rejection> {
    let escape = |text: &str| text.replace('\\', "\\\\").replace(',', "\\,").replace('|', "\\|").replace('$', "\\$");
    let pair = |name: &str, value: String| (name.to_owned(), value);
    let mut pairs = vec![
        pair("subject", subject.to_owned()),
        pair("combo-code", format!("{}|{}", escape(system), escape(code))),
        pair("status:not", "entered-in-error".to_owned()),
    ];
    pairs.extend(start.map(|start| pair("date", format!("ge{start}"))));
    pairs.extend(end.map(|end| pair("date", format!("le{end}"))));
    let query =
        parse_query(call.type_number(), &pairs, &call.engine.parse_options(false)).map_err(Rejection::bad_request)?;
    let page = call.engine.store().search(&query, MOST, false)?;
    if page.next.is_some() {
        let text = format!("more than {MOST} Observations have the code {code:.64?}; ask for less time");
        return Err(Rejection::new(400, IssueCode::TooCostly, text));
    }
    Ok(page.matches)
}

/// The values of one code.
#[derive(Default)]
struct Sample {
    /// In one unit, in order.
    values: Vec<BigDecimal>,
    unit: Option<(String, String)>,
    /// Those without a usable value included.
    total: usize,
}

impl Sample {
    fn of(found: &[Found], system: &str, code: &str) -> Self {
        let mut sample = Self::default();
        let has = |node: &Node<'_>| {
            let codings = node.get("code").map_or(&[][..], |code| code.list("coding"));
            codings
                .iter()
                .any(|coding| coding.text("code") == Some(code) && coding.text("system").unwrap_or_default() == system)
        };
        for found in found {
            let Ok(body) = json::parse(&found.version.body) else { continue };
            for node in std::iter::once(&body).chain(body.list("component")).filter(|node| has(node)) {
                sample.total += 1;
                sample.take(node.get("valueQuantity").unwrap_or(&Node::Null));
            }
        }
        sample.values.sort();
        sample
    }

    fn take(&mut self, quantity: &Node<'_>) {
        let (Some(Node::Number(digits)), Some(code)) = (quantity.get("value"), quantity.text("code")) else { return };
        // `<5` and the like say no number.
        if quantity.text("system") != Some(UCUM) || quantity.get("comparator").is_some() {
            return;
        }
        let Ok(value) = digits.parse::<BigDecimal>() else { return };
        let unit = self.unit.get_or_insert_with(|| (code.to_owned(), quantity.text("unit").unwrap_or(code).to_owned()));
        self.values.extend(ucum::convert(&value, code, &unit.0));
    }

    fn sum(&self) -> BigDecimal {
        self.values.iter().sum()
    }

    fn average(&self) -> Option<BigDecimal> {
        (!self.values.is_empty()).then(|| self.sum() / BigDecimal::from(self.values.len() as u64))
    }

    /// The quantile at `share` hundredths.
    fn quantile(&self, share: u64) -> Option<BigDecimal> {
        let last = self.values.len().checked_sub(1)? as u64;
        let (place, rest) = (last * share / 100, last * share % 100);
        let low = self.values.get(usize::try_from(place).ok()?)?;
        let high = self.values.get(usize::try_from(place + 1).ok()?).unwrap_or(low);
        Some(low + (high - low) * BigDecimal::from(rest) / BigDecimal::from(100))
    }

    /// The sum of the `power`-th powers of the distances from the average, and how many there are.
    fn moment(&self, power: i32) -> Option<(f64, f64)> {
        let average = self.average()?;
        let distances = self.values.iter().filter_map(|value| (value - &average).to_f64());
        #[allow(clippy::cast_precision_loss, reason = "at most 10,000")]
        let count = self.values.len() as f64;
        Some((distances.map(|distance| distance.powi(power)).sum(), count))
    }

    /// Of a sample: by one less than the number.
    fn variance(&self) -> Option<f64> {
        let (sum, count) = self.moment(2)?;
        (count > 1.0).then(|| sum / (count - 1.0))
    }

    fn skew(&self) -> Option<f64> {
        let ((cubes, count), (squares, _)) = (self.moment(3)?, self.moment(2)?);
        (squares > 0.0).then(|| (cubes / count) / (squares / count).powf(1.5))
    }

    /// A statistic with whether it is in the unit of the values.
    fn statistic(&self, name: &str) -> Option<(BigDecimal, bool)> {
        let count = |count: usize| Some((BigDecimal::from(count as u64), false));
        let inexact = |value: Option<f64>| value.and_then(|value| BigDecimal::try_from(value).ok());
        let value = match name {
            "count" => return count(self.values.len()),
            "total-count" => return count(self.total),
            "skew" => return inexact(self.skew()).map(|value| (value, false)),
            "average" => self.average(),
            "maximum" => self.values.last().cloned(),
            "minimum" => self.values.first().cloned(),
            "sum" => Some(self.sum()),
            "median" => self.quantile(50),
            "20-percent" | "5-1" => self.quantile(20),
            "5-2" => self.quantile(40),
            "5-3" => self.quantile(60),
            "80-percent" | "5-4" => self.quantile(80),
            "4-lower" => self.quantile(25),
            "4-upper" => self.quantile(75),
            "4-dev" => {
                self.quantile(75).zip(self.quantile(25)).map(|(upper, lower)| (upper - lower) / BigDecimal::from(2))
            }
            // Squares of the unit have no name here.
            "variance" => return inexact(self.variance()).map(|value| (value, false)),
            "std-dev" => inexact(self.variance().map(f64::sqrt)),
            _ => None,
        };
        value.map(|value| (value, true))
    }

    fn observation(
        &self,
        subject: &str,
        (system, code): (&str, &str),
        (start, end): (Option<&str>, Option<&str>),
        wanted: &[&str],
    ) -> Node<'static> {
        let coding = |system: &str, code: &str| {
            let coding =
                Node::object([("system", Node::string(system.to_owned())), ("code", Node::string(code.to_owned()))]);
            Node::object([("coding", Node::Array(vec![coding]))])
        };
        let mut components = Vec::new();
        for name in wanted {
            let mut members =
                vec![("code", coding("http://terminology.hl7.org/CodeSystem/observation-statistics", name))];
            match self.statistic(name) {
                Some((value, in_unit)) => members.push(("valueQuantity", self.quantity(&value, in_unit))),
                None => members.push((
                    "dataAbsentReason",
                    coding("http://terminology.hl7.org/CodeSystem/data-absent-reason", "not-a-number"),
                )),
            }
            components.push(Node::object(members));
        }
        let period = [("start", start), ("end", end)]
            .into_iter()
            .filter_map(|(name, text)| Some((name, Node::string(text?.to_owned()))));
        let period: Vec<_> = period.collect();
        let mut members = vec![
            ("resourceType", Node::string("Observation")),
            ("status", Node::string("final")),
            ("code", coding(system, code)),
            ("subject", Node::object([("reference", Node::string(subject.to_owned()))])),
        ];
        if !period.is_empty() {
            members.push(("effectivePeriod", Node::object(period)));
        }
        members.push(("component", Node::Array(components)));
        Node::object(members)
    }

    fn quantity(&self, value: &BigDecimal, in_unit: bool) -> Node<'static> {
        let places = value.fractional_digit_count().clamp(0, 20);
        let digits = value.with_scale_round(places, RoundingMode::HalfEven).normalized().to_plain_string();
        let mut members = vec![("value", Node::Number(digits.into()))];
        if let Some((code, unit)) = self.unit.as_ref().filter(|_| in_unit) {
            members.push(("unit", Node::string(unit.clone())));
            members.push(("system", Node::string(UCUM)));
            members.push(("code", Node::string(code.clone())));
        } else {
            members.push(("system", Node::string(UCUM)));
            members.push(("code", Node::string("1")));
        }
        Node::object(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[&str]) -> Sample {
        let mut values: Vec<BigDecimal> = values.iter().map(|digits| digits.parse().unwrap()).collect();
        values.sort();
        Sample { total: values.len(), values, unit: Some(("kg".to_owned(), "kg".to_owned())) }
    }

    #[test]
    fn statistics_are_those_of_the_textbook() {
        let sample = sample(&["2", "4", "4", "4", "5", "5", "7", "9"]);
        for (name, expected) in [
            ("average", "5"),
            ("minimum", "2"),
            ("maximum", "9"),
            ("sum", "40"),
            ("median", "4.5"),
            ("4-lower", "4"),
            ("4-upper", "5.5"),
            ("4-dev", "0.75"),
            ("count", "8"),
            ("20-percent", "4"),
            ("80-percent", "6.2"),
        ] {
            let (value, _) = sample.statistic(name).unwrap();
            assert_eq!(value, expected.parse::<BigDecimal>().unwrap(), "{name}");
        }
        let near = |name: &str, expected: f64| {
            let value = sample.statistic(name).unwrap().0.to_f64().unwrap();
            assert!((value - expected).abs() < 1e-9, "{name} {value}");
        };
        near("variance", 32.0 / 7.0);
        near("std-dev", (32.0_f64 / 7.0).sqrt());
        near("skew", 0.65625);
        assert!(KNOWN.iter().all(|name| sample.statistic(name).is_some()));
    }

    #[test]
    fn nothing_has_no_average() {
        let nothing = Sample::default();
        assert_eq!(nothing.statistic("count").map(|(value, _)| value), Some(BigDecimal::from(0)));
        assert!(["average", "median", "std-dev", "skew", "4-dev"].iter().all(|name| nothing.statistic(name).is_none()));
    }
}
