//! The functions of N1 over lists, types and numbers; those over strings are in [`super::text`].

use std::cmp::Ordering;

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, FromPrimitive, One, RoundingMode, Signed, ToPrimitive, Zero};

use super::plan::{Call, Op};
use super::value::decimal;
use super::{
    Entry, Found, List, MAX_DIGITS, MAX_TRACES, Quantity, Run, Scope, Stamp, StampKind, System, boolean, integer,
    invalid, unsupported, weight,
};
use crate::fhirpath::FhirPathError;
use crate::r4::{Kind, datetime, definitions};

impl<'r> Run<'_, 'r> {
    pub(super) fn call(&mut self, call: &'r Call, scope: Scope<'_, 'r>) -> Found<'r> {
        let input = self.expression(&call.input, scope)?;
        self.spend(1 + input.len())?;
        let name = call.name;
        match (name, call.arguments.as_slice()) {
            ("repeat", [projection]) => self.repeat(input, projection, scope),
            ("aggregate", [aggregator, rest @ ..]) => {
                let mut total = match rest {
                    [start, ..] => self.scoped(start, scope, Self::expression)?,
                    [] => List::new(),
                };
                for (index, entry) in input.iter().enumerate() {
                    let inner = Scope { this: Some(entry), index, total: Some(&total) };
                    total = self.scoped(aggregator, inner, Self::expression)?;
                    self.spend(total.len())?;
                }
                Ok(total)
            }
            ("iif", [condition, yes, rest @ ..]) => {
                let focus = Self::single(input, "iif()")?;
                let inner = Scope { this: focus.as_ref().or(scope.this), ..scope };
                let condition = self.scoped(condition, inner, Self::expression)?;
                let chosen = match Self::single(condition, "the condition of iif()")?.map(|entry| entry.as_bool()) {
                    Some(Some(true)) => Some(yes),
                    None | Some(Some(false)) => rest.first(),
                    _ => return invalid("the condition of iif() is a Boolean"),
                };
                chosen.map_or(Ok(List::new()), |chosen| self.scoped(chosen, inner, Self::expression))
            }
            ("sort", criteria) => self.sort(input, criteria, &call.descending, scope),
            ("trace", [label, projection @ ..]) => self.trace(input, label, projection.first(), scope),
            ("defineVariable", [label, value @ ..]) => self.define(input, label, value.first(), scope),
            (_, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(self.scoped(argument, scope, Self::expression)?);
                }
                self.plain(input, name, values)
            }
        }
    }

    /// `trace(name, projection)`: the input goes on; what was seen is kept for who asked.
    fn trace(&mut self, input: List<'r>, label: &'r Op, projection: Option<&'r Op>, scope: Scope<'_, 'r>) -> Found<'r> {
        if !self.keeps_traces {
            return Ok(input);
        }
        let label = self.scoped(label, scope, Self::expression)?;
        let label = Self::text(label, "the name of a trace")?.unwrap_or_default();
        let mut seen = List::new();
        match projection {
            None => {
                self.spend(input.iter().map(|entry| 1 + weight(entry)).sum())?;
                seen.extend(input.iter().cloned());
            }
            Some(projection) => {
                for (index, entry) in input.iter().enumerate() {
                    let inner = Scope { this: Some(entry), index, ..scope };
                    seen.extend(self.scoped(projection, inner, Self::expression)?);
                }
            }
        }
        if self.traces.len() < MAX_TRACES {
            self.traces.push((label, seen));
        }
        Ok(input)
    }

    /// `defineVariable(name, value)`: known to what follows in the same scope.
    fn define(&mut self, input: List<'r>, label: &'r Op, value: Option<&'r Op>, scope: Scope<'_, 'r>) -> Found<'r> {
        let label = self.scoped(label, scope, Self::expression)?;
        let Some(label) = Self::text(label, "the name of a variable")? else {
            return invalid("defineVariable() needs a name");
        };
        let is_taken = matches!(label.as_str(), "resource" | "rootResource" | "context" | "ucum" | "sct" | "loinc")
            || self.environment.variables.iter().any(|(known, _)| *known == label)
            || self.defined.iter().any(|(known, _)| *known == label);
        if is_taken {
            return invalid(format!("the variable %{label} exists already"));
        }
        let value = match value {
            None => {
                self.spend(input.iter().map(|entry| 1 + weight(entry)).sum())?;
                input.clone()
            }
            Some(value) => {
                let this = input.first();
                let inner = Scope { this: if input.len() == 1 { this } else { scope.this }, ..scope };
                self.scoped(value, inner, Self::expression)?
            }
        };
        self.defined.push((label, value));
        Ok(input)
    }

    /// Functions whose parameters are evaluated before they are called.
    fn plain(&mut self, input: List<'r>, name: &str, mut arguments: Vec<List<'r>>) -> Found<'r> {
        if arguments.len() == 1
            && matches!(name, "subsetOf" | "supersetOf" | "union" | "combine" | "intersect" | "exclude")
        {
            let other = arguments.pop().unwrap_or_default();
            return self.sets(input, name, other);
        }
        match (name, arguments.len()) {
            ("allTrue" | "anyTrue" | "allFalse" | "anyFalse", 0) => {
                let wanted = name.ends_with("True");
                let mut matching = 0;
                for entry in &input {
                    match entry.system() {
                        Some(System::Boolean(value)) => matching += usize::from(value == wanted),
                        _ => return invalid(format!("{name}() is for Booleans")),
                    }
                }
                Ok(vec![boolean(if name.starts_with("all") { matching == input.len() } else { matching > 0 })])
            }
            ("distinct", 0) => self.distinct(input),
            ("isDistinct", 0) => {
                let count = input.len();
                Ok(vec![boolean(self.distinct(input)?.len() == count)])
            }
            ("single", 0) => Ok(Self::single(input, "single()")?.into_iter().collect()),
            ("first", 0) => Ok(input.into_iter().take(1).collect()),
            ("last", 0) => Ok(input.into_iter().next_back().into_iter().collect()),
            ("tail", 0) => Ok(input.into_iter().skip(1).collect()),
            ("skip" | "take", 1) => {
                let count = Self::whole(arguments.pop().unwrap_or_default(), "skip() and take()")?;
                let Some(count) = count else { return Ok(List::new()) };
                let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
                let list = input.into_iter();
                Ok(if name == "skip" { list.skip(count).collect() } else { list.take(count).collect() })
            }
            ("children", 0) => {
                let mut out = List::new();
                for entry in &input {
                    if let Entry::Part(item) = entry {
                        self.children(*item, &mut out)?;
                    }
                }
                Ok(out)
            }
            ("descendants", 0) => self.descendants(&input),
            ("type", 0) => Ok(input
                .iter()
                .map(|entry| {
                    let (namespace, name) = entry.type_of();
                    Entry::Type { namespace, name }
                })
                .collect()),
            ("getValue", 0) => match input.as_slice() {
                [entry] => Ok(Self::primitive(entry).map(Entry::Value).into_iter().collect()),
                _ => Ok(List::new()),
            },
            ("extension" | "hasExtension", 1) => {
                let url = Self::text(arguments.pop().unwrap_or_default(), "the URL of an extension")?;
                let Some(url) = url else { return Ok(List::new()) };
                let mut out = List::new();
                for entry in &input {
                    self.extensions(entry, &url, &mut out)?;
                }
                Ok(if name == "extension" { out } else { vec![boolean(!out.is_empty())] })
            }
            ("now" | "today" | "timeOfDay", 0) => self.clock(name),
            _ if name.starts_with("to") && arguments.len() < 2 && name != "toChars" => {
                let wanted = name.trim_start_matches("to");
                let unit = arguments.pop().unwrap_or_default();
                let Some(entry) = Self::single(input, "a conversion")? else { return Ok(List::new()) };
                Ok(Self::convert(&entry, wanted, unit)?.map(Entry::Value).into_iter().collect())
            }
            _ if name.starts_with("convertsTo") && arguments.len() < 2 => {
                let wanted = name.trim_start_matches("convertsTo");
                let unit = arguments.pop().unwrap_or_default();
                let Some(entry) = Self::single(input, "a conversion")? else { return Ok(List::new()) };
                Ok(vec![boolean(Self::convert(&entry, wanted, unit)?.is_some())])
            }
            ("abs" | "ceiling" | "floor" | "truncate" | "exp" | "ln" | "sqrt" | "log" | "power" | "round", _) => {
                self.mathematics(input, name, arguments)
            }
            ("lowBoundary" | "highBoundary", 0 | 1) => self.boundary(input, name, arguments),
            ("precision", 0) => match Self::single(input, "precision()")?.map(|entry| entry.system()) {
                Some(Some(System::Stamp(stamp))) => Ok(integer(Some(stamp.precision()))),
                Some(Some(value)) => match value.number() {
                    Some(number) => Ok(integer(Some(number.fractional_digit_count()))),
                    None => invalid("precision() is for numbers and dates"),
                },
                _ => Ok(List::new()),
            },
            ("comparable", 1) => {
                let left = Self::single(input, "comparable()")?.and_then(|entry| entry.system()?.quantity());
                let other = Self::single(arguments.pop().unwrap_or_default(), "comparable()")?;
                let right = other.and_then(|entry| entry.system()?.quantity());
                Ok(left.zip(right).map(|(left, right)| boolean(left.comparable(&right))).into_iter().collect())
            }
            (
                "resolve" | "memberOf" | "subsumes" | "subsumedBy" | "conformsTo" | "htmlChecks" | "checkModifiers"
                | "elementDefinition" | "slice",
                _,
            ) => self.fhir(input, name, arguments),
            _ => self.text_function(input, name, arguments),
        }
    }

    pub(super) fn primitive(entry: &Entry<'r>) -> Option<System<'r>> {
        match entry {
            Entry::Part(item) if !matches!(definitions().get(item.type_id).kind, Kind::Primitive | Kind::System) => {
                None
            }
            other => other.system(),
        }
    }

    /// A parameter that is one integer.
    pub(super) fn whole(list: List<'r>, what: &'static str) -> Result<Option<i64>, FhirPathError> {
        match Self::single(list, what)?.map(|entry| entry.system()) {
            None => Ok(None),
            Some(Some(System::Integer(value))) => Ok(Some(value)),
            _ => invalid(format!("{what}: an integer is needed")),
        }
    }

    fn repeat(&mut self, input: List<'r>, projection: &'r Op, scope: Scope<'_, 'r>) -> Found<'r> {
        let mut out = List::new();
        let mut queue = input;
        while !queue.is_empty() {
            let mut next = List::new();
            for (index, entry) in queue.iter().enumerate() {
                let inner = Scope { this: Some(entry), index, ..scope };
                for found in self.scoped(projection, inner, Self::expression)? {
                    if !self.has(&out, &found)? {
                        out.push(found.clone());
                        next.push(found);
                    }
                }
            }
            queue = next;
        }
        Ok(out)
    }

    fn descendants(&mut self, input: &[Entry<'r>]) -> Found<'r> {
        let mut out = List::new();
        let mut place = 0;
        for entry in input {
            if let Entry::Part(item) = entry {
                self.children(*item, &mut out)?;
            }
        }
        while let Some(entry) = out.get(place) {
            if let Entry::Part(item) = *entry {
                self.children(item, &mut out)?;
            }
            place += 1;
        }
        Ok(out)
    }

    /// `sort()`, `sort(family, -given.first())`: a minus turns the order around.
    fn sort(&mut self, input: List<'r>, criteria: &'r [Op], descending: &[bool], scope: Scope<'_, 'r>) -> Found<'r> {
        let mut rows: Vec<(Vec<Option<Entry<'r>>>, Entry<'r>)> = Vec::with_capacity(input.len());
        for (index, entry) in input.into_iter().enumerate() {
            let mut keys = Vec::new();
            for criterion in criteria {
                let inner = Scope { this: Some(&entry), index, ..scope };
                let key = self.scoped(criterion, inner, Self::expression)?;
                keys.push(Self::single(key, "a sort key")?);
            }
            if criteria.is_empty() {
                keys.push(Some(entry.clone()));
            }
            rows.push((keys, entry));
        }
        let mut failed = None;
        let mut compare = |left: &[Option<Entry<'r>>], right: &[Option<Entry<'r>>]| {
            for (place, (one, other)) in left.iter().zip(right).enumerate() {
                let order = match (one, other) {
                    (Some(one), Some(other)) => Self::order(one, other).unwrap_or_else(|error| {
                        failed = Some(error);
                        None
                    }),
                    // An empty key comes first in either direction (HL7's case testSort10).
                    (None, Some(_)) => return Ordering::Less,
                    (Some(_), None) => return Ordering::Greater,
                    (None, None) => None,
                };
                let descends = descending.get(place) == Some(&true);
                match order.unwrap_or(Ordering::Equal) {
                    Ordering::Equal => {}
                    order => return if descends { order.reverse() } else { order },
                }
            }
            Ordering::Equal
        };
        // Dates of different precision have no total order, on which the library's sort may panic.
        let mut sorted: Vec<(Vec<Option<Entry<'r>>>, Entry<'r>)> = Vec::with_capacity(rows.len());
        for row in rows {
            self.spend(16 + sorted.len() / 64)?;
            let place = sorted.partition_point(|(keys, _)| compare(keys, &row.0) != Ordering::Greater);
            sorted.insert(place, row);
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(sorted.into_iter().map(|(_, entry)| entry).collect()),
        }
    }

    fn sets(&mut self, input: List<'r>, name: &str, other: List<'r>) -> Found<'r> {
        let (inner, outer) = if name == "supersetOf" { (&other, &input) } else { (&input, &other) };
        if matches!(name, "subsetOf" | "supersetOf") {
            for entry in inner {
                if !self.has(outer, entry)? {
                    return Ok(vec![boolean(false)]);
                }
            }
            return Ok(vec![boolean(true)]);
        }
        if matches!(name, "union" | "combine") {
            let mut all = input;
            all.extend(other);
            return if name == "union" { self.distinct(all) } else { Ok(all) };
        }
        let mut out = List::new();
        for entry in input {
            if self.has(&other, &entry)? == (name == "intersect") {
                out.push(entry);
            }
        }
        if name == "intersect" { self.distinct(out) } else { Ok(out) }
    }

    /// The same moment throughout one evaluation, in UTC.
    fn clock(&mut self, name: &str) -> Found<'r> {
        let now = match self.now {
            Some(now) => now,
            None => {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                let text = datetime::format_instant(i64::try_from(since.as_micros()).unwrap_or(0));
                let Some(now) = Stamp::date_time(&text) else { return Ok(List::new()) };
                *self.now.insert(now)
            }
        };
        let stamp = match name {
            "now" => Some(now),
            "today" => Some(now.as_kind(StampKind::Date)),
            _ => now.to_string().split_once('T').and_then(|(_, time)| Stamp::time(time.trim_end_matches('Z'))),
        };
        Ok(stamp.map(|stamp| Entry::Value(System::Stamp(stamp))).into_iter().collect())
    }

    /// `toX()`: `None` when the value is no X.
    fn convert(entry: &Entry<'r>, wanted: &str, unit: List<'r>) -> Result<Option<System<'r>>, FhirPathError> {
        let known = ["Boolean", "Integer", "Decimal", "String", "Date", "DateTime", "Time", "Quantity"];
        if !known.contains(&wanted) {
            return unsupported(format!("conversion to {wanted}"));
        }
        let Some(value) = entry.system() else { return Ok(None) };
        let one = BigDecimal::one();
        Ok(match (wanted, &value) {
            ("Boolean", System::Boolean(_))
            | ("Integer", System::Integer(_))
            | ("Decimal", System::Decimal(_))
            | ("String", System::String(_)) => Some(value),
            ("Boolean", System::String(text)) => match text.to_lowercase().as_str() {
                "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(System::Boolean(true)),
                "false" | "f" | "no" | "n" | "0" | "0.0" => Some(System::Boolean(false)),
                _ => None,
            },
            ("Boolean", number) => match number.number() {
                Some(number) if number == one => Some(System::Boolean(true)),
                Some(number) if number.is_zero() => Some(System::Boolean(false)),
                _ => None,
            },
            ("Integer", System::Boolean(value)) => Some(System::Integer(i64::from(*value))),
            ("Integer", System::String(text)) => {
                text.parse::<i32>().ok().map(|value| System::Integer(i64::from(value)))
            }
            ("Decimal", System::Boolean(value)) => Some(System::Decimal(BigDecimal::from(i64::from(*value)))),
            ("Decimal", System::Integer(value)) => Some(System::Decimal(BigDecimal::from(*value))),
            ("Decimal", System::String(text)) => decimal(text).map(System::Decimal),
            ("String", other) => Some(System::String(other.to_text())),
            ("Date", System::Stamp(stamp)) if stamp.kind != StampKind::Time => {
                Some(System::Stamp(stamp.as_kind(StampKind::Date)))
            }
            ("DateTime", System::Stamp(stamp)) if stamp.kind != StampKind::Time => {
                Some(System::Stamp(stamp.as_kind(StampKind::DateTime)))
            }
            ("Time", System::Stamp(stamp)) if stamp.kind == StampKind::Time => Some(System::Stamp(*stamp)),
            ("Date", System::String(text)) => {
                Stamp::date_time(text).map(|stamp| System::Stamp(stamp.as_kind(StampKind::Date)))
            }
            ("DateTime", System::String(text)) => Stamp::date_time(text).map(System::Stamp),
            ("Time", System::String(text)) => Stamp::time(text).map(System::Stamp),
            ("Quantity", other) => {
                let quantity = match other {
                    System::Boolean(value) => Some(Quantity::plain(BigDecimal::from(i64::from(*value)))),
                    System::String(text) => Quantity::parse(text),
                    other => other.quantity(),
                };
                match (quantity, Self::text(unit, "a unit")?) {
                    (Some(quantity), Some(unit)) => quantity.to_unit(&unit).map(System::Quantity),
                    (quantity, _) => quantity.map(System::Quantity),
                }
            }
            _ => None,
        })
    }

    fn mathematics(&mut self, input: List<'r>, name: &str, arguments: Vec<List<'r>>) -> Found<'r> {
        let Some(entry) = Self::single(input, "a mathematical function")? else { return Ok(List::new()) };
        let mut operand = None;
        for argument in arguments {
            let Some(entry) = Self::single(argument, "a mathematical function")? else { return Ok(List::new()) };
            operand = entry.system().and_then(|value| value.number());
            if operand.is_none() {
                return invalid(format!("{name}() needs a number"));
            }
        }
        let value = match (entry.system(), name) {
            (Some(System::Quantity(quantity)), "abs") => {
                let value = Quantity { value: quantity.value.abs(), unit: quantity.unit };
                return Ok(vec![Entry::Value(System::Quantity(value))]);
            }
            (Some(System::Integer(value)), "abs") => return Ok(integer(value.checked_abs())),
            (Some(value), _) => value.number(),
            _ => None,
        };
        let Some(value) = value else { return invalid(format!("{name}() is for numbers")) };
        let whole = |mode: RoundingMode| Ok(integer(value.with_scale_round(0, mode).to_i64()));
        let float = |result: Option<f64>| {
            result.filter(|result| result.is_finite()).and_then(|result| {
                // Through its shortest text, not its binary digits.
                result.to_string().parse::<BigDecimal>().ok().or_else(|| BigDecimal::from_f64(result))
            })
        };
        let result = match (name, operand) {
            ("abs", None) => Some(value.abs()),
            ("ceiling", None) => return whole(RoundingMode::Ceiling),
            ("floor", None) => return whole(RoundingMode::Floor),
            ("truncate", None) => return whole(RoundingMode::Down),
            ("round", digits) => {
                let digits = digits.and_then(|digits| digits.to_i64()).unwrap_or(0);
                if !(0..=200).contains(&digits) {
                    return invalid("round() takes 0 to 200 digits");
                }
                let digits = digits.min(value.fractional_digit_count().max(0));
                Some(value.with_scale_round(digits, RoundingMode::HalfUp))
            }
            ("exp", None) => float(value.to_f64().map(f64::exp)),
            ("ln", None) => float(value.to_f64().map(f64::ln)),
            ("log", Some(base)) => float(value.to_f64().zip(base.to_f64()).map(|(value, base)| value.log(base))),
            ("sqrt", None) if value.is_negative() => None,
            ("sqrt", None) => value.sqrt().map(|root| root.with_scale_round(28, RoundingMode::HalfUp).normalized()),
            ("power", Some(exponent)) => {
                let small = exponent.to_i64().filter(|whole| exponent.is_integer() && (0..=400).contains(whole));
                match small {
                    Some(times) => {
                        let digits = value.digits().saturating_mul(times.unsigned_abs());
                        if digits > MAX_DIGITS * 4 {
                            return Err(FhirPathError::TooCostly);
                        }
                        let power = (0..times).fold(BigDecimal::one(), |product, _| product * &value);
                        if let (Some(System::Integer(_)), Some(power)) = (entry.system(), power.to_i64()) {
                            return Ok(integer(Some(power)));
                        }
                        Some(power)
                    }
                    None => float(value.to_f64().zip(exponent.to_f64()).map(|(value, power)| value.powf(power))),
                }
            }
            _ => return invalid(format!("{name}() does not take these parameters")),
        };
        result.map_or(Ok(List::new()), |value| self.number(value))
    }

    fn boundary(&mut self, input: List<'r>, name: &str, mut arguments: Vec<List<'r>>) -> Found<'r> {
        let is_low = name == "lowBoundary";
        let digits = Self::whole(arguments.pop().unwrap_or_default(), "a boundary")?;
        let Some(entry) = Self::single(input, "a boundary")? else { return Ok(List::new()) };
        let limit = |value: &BigDecimal| {
            let digits = digits.unwrap_or(8);
            if !(0..=31).contains(&digits) {
                return None;
            }
            let scale = value.fractional_digit_count();
            let half = BigDecimal::new(BigInt::from(5), scale + 1);
            let (edge, mode) =
                if is_low { (value - half, RoundingMode::Floor) } else { (value + half, RoundingMode::Ceiling) };
            Some(edge.with_scale_round(digits, mode))
        };
        let value = match entry.system() {
            Some(System::Stamp(stamp)) => stamp.boundary(is_low, digits).map(System::Stamp),
            Some(System::Quantity(quantity)) => {
                limit(&quantity.value).map(|value| System::Quantity(Quantity { value, unit: quantity.unit }))
            }
            Some(other) => match other.number() {
                Some(number) => limit(&number).map(System::Decimal),
                None => return invalid(format!("{name}() is for numbers, dates and quantities")),
            },
            None => None,
        };
        Ok(value.map(Entry::Value).into_iter().collect())
    }
}
