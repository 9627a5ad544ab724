//! A search by the letter of R4 search.html: every resource is looked at, every value compared.
//! Slow and plain on purpose; it knows neither SQL nor index rows nor the server's parser.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use bigdecimal::BigDecimal;
use serde_json::Value;

use crate::parameters::{self, Form, Kind, Parameter, Path};
use crate::query::{Include, Operand, Search, Sort, Term};
use crate::special::{in_value_set, is_along};
use crate::values::{self, Amount, Span, Token};

const UCUM: &str = "http://unitsofmeasure.org";

/// The resources that exist, by type and id.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) resources: BTreeMap<(String, String), Value>,
    /// Now, in µs, for `ap`.
    pub(crate) now: i64,
}

/// What a resource is sorted by; `None` sorts last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SortValue {
    /// The open end of a range.
    Lowest,
    Integer(i64),
    Text(String),
    Number(BigDecimal),
    Highest,
}

impl World {
    pub(crate) fn get(&self, resource_type: &str, id: &str) -> Option<&Value> {
        self.resources.get(&(resource_type.to_owned(), id.to_owned()))
    }

    pub(crate) fn of_type<'w>(&'w self, resource_type: &'w str) -> impl Iterator<Item = &'w Value> {
        self.resources.iter().filter(move |((name, _), _)| name == resource_type).map(|(_, value)| value)
    }

    /// `Type/id` of everything a search finds.
    pub(crate) fn search(&self, search: &Search) -> Vec<String> {
        let wanted = |value: &Value| {
            let resource_type = value["resourceType"].as_str().unwrap();
            let in_scope = search.types.contains(&resource_type);
            let in_compartment = search.compartment.as_deref().is_none_or(|owner| belongs(value, owner));
            in_scope && in_compartment && search.terms.iter().all(|term| self.meets(value, term))
        };
        self.resources.values().filter(|value| wanted(value)).map(address).collect()
    }

    pub(crate) fn meets(&self, resource: &Value, term: &Term) -> bool {
        let resource_type = resource["resourceType"].as_str().unwrap();
        match term {
            Term::Id(ids) => ids.iter().any(|id| resource["id"] == **id),
            Term::Words { in_narrative, words } => self.has_words(resource, *in_narrative, words),
            Term::Near { place, metres, .. } => self.is_near(resource, *place, *metres),
            Term::Filter(filter) => self.passes(resource, filter),
            // FHIR R4 search.html#list: what the entries of the List point at.
            Term::List(id) => {
                let items = parameters::find("List", "item").unwrap();
                self.get("List", id).is_some_and(|list| links(list, items).contains(&address(resource)))
            }
            Term::Plain { code, modifier, operands } => {
                let parameter = parameters::find(resource_type, code).unwrap();
                match *modifier {
                    Some("missing") => {
                        let Some(Operand::Text(wanted)) = operands.first() else { panic!("a boolean") };
                        has_value(resource, parameter) != (wanted == "true")
                    }
                    Some("not-in") => {
                        !operands.iter().any(|operand| self.compare(resource, parameter, Some("in"), operand))
                    }
                    Some("not") => !operands.iter().any(|operand| self.compare(resource, parameter, None, operand)),
                    modifier => operands.iter().any(|operand| self.compare(resource, parameter, modifier, operand)),
                }
            }
            Term::Chain { code, target_type, rest } => {
                let parameter = parameters::find(resource_type, code).unwrap();
                links(resource, parameter).iter().any(|address| {
                    let (kind, id) = address.split_once('/').unwrap();
                    target_type.is_none_or(|wanted| wanted == kind)
                        && knows(kind, rest)
                        && self.get(kind, id).is_some_and(|target| self.meets(target, rest))
                })
            }
            Term::Has { source_type, code, rest } => {
                let parameter = parameters::find(source_type, code).unwrap();
                let own = address(resource);
                self.of_type(source_type)
                    .any(|source| links(source, parameter).contains(&own) && self.meets(source, rest))
            }
        }
    }

    pub(crate) fn compare(
        &self,
        resource: &Value,
        parameter: &Parameter,
        modifier: Option<&str>,
        operand: &Operand,
    ) -> bool {
        if let Some(pair) = &parameter.pair {
            let Operand::Pair(first, second) = operand else { panic!("a pair") };
            // FHIR R4 search.html#composite: both components within one element.
            return pair.within.iter().flat_map(|path| values::at(resource, path)).any(|element| {
                self.any(element, pair.first, Kind::Token, &[], None, first)
                    && self.any(element, pair.second, pair.second_kind, &[], None, second)
            });
        }
        if modifier == Some("identifier") {
            // `patient` is `subject.where(resolve() is Patient)`: without a literal nothing says what it is.
            let is_meant = |value: &Value| match value["reference"].as_str() {
                Some(text) => may_be_target(unversioned(text), parameter.targets),
                None => parameter.code != "patient",
            };
            return values::all(resource, parameter.paths)
                .iter()
                .filter(|(value, _)| is_meant(value))
                .flat_map(|(value, _)| values::tokens(&value["identifier"], Form::Identifier))
                .any(|token| is_token(&token, operand));
        }
        if parameter.kind == Kind::Token
            && let Some(modifier) = modifier
        {
            return self.token_by(resource, parameter, modifier, operand);
        }
        if let (Kind::Reference, Some(way @ ("above" | "below"))) = (parameter.kind, modifier) {
            let Operand::Text(wanted) = operand else { panic!("a reference") };
            let (kind, _) = wanted.split_once('/').unwrap();
            let code = if kind == "Encounter" { "part-of" } else { "partof" };
            return links(resource, parameter).iter().filter(|link| link.starts_with(&format!("{kind}/"))).any(
                |link| {
                    if way == "below" { self.is_part(link, wanted, code) } else { self.is_part(wanted, link, code) }
                },
            );
        }
        self.any(resource, parameter.paths, parameter.kind, parameter.targets, modifier, operand)
    }

    /// FHIR R4 search.html#token: the modifiers that compare no code.
    fn token_by(&self, resource: &Value, parameter: &Parameter, modifier: &str, operand: &Operand) -> bool {
        let found = values::all(resource, parameter.paths);
        let mut tokens = found.iter().flat_map(|(value, form)| values::tokens(value, *form));
        match (modifier, operand) {
            ("text", Operand::Text(wanted)) => {
                let wanted = values::fold(wanted);
                let mut texts = found.iter().flat_map(|(value, form)| values::token_texts(value, *form));
                texts.any(|text| values::fold(&text).starts_with(&wanted))
            }
            ("of-type", Operand::Typed { system, code, value }) => found.iter().any(|(identifier, _)| {
                let types = values::tokens(&identifier["type"], Form::Concept);
                let is_type = |token: &Token| {
                    token.code.to_lowercase() == code.to_lowercase()
                        && (system.is_empty() || token.system.as_ref() == Some(system))
                };
                identifier["value"] == **value && types.iter().any(is_type)
            }),
            ("in", Operand::Text(url)) => tokens.any(|token| in_value_set(&token, url)),
            (way @ ("above" | "below"), Operand::Token { code: Some(code), .. }) => {
                tokens.any(|token| is_along(&token, code, way == "below"))
            }
            other => panic!("{other:?} is no comparison of tokens"),
        }
    }

    fn any(
        &self,
        within: &Value,
        paths: &[Path],
        kind: Kind,
        targets: &[&str],
        modifier: Option<&str>,
        operand: &Operand,
    ) -> bool {
        let mut found = values::all(within, paths).into_iter();
        match kind {
            Kind::Token => {
                found.flat_map(|(value, form)| values::tokens(value, form)).any(|token| is_token(&token, operand))
            }
            Kind::Text => {
                let Operand::Text(wanted) = operand else { panic!("a text") };
                let mut texts = found.flat_map(|(value, form)| values::texts(value, form));
                texts.any(|(text, is_written)| match modifier {
                    Some("exact") => is_written && text == *wanted,
                    Some("contains") => values::fold(&text).contains(&values::fold(wanted)),
                    _ => values::fold(&text).starts_with(&values::fold(wanted)),
                })
            }
            Kind::Date => {
                let Operand::Date { prefix, text } = operand else { panic!("a date") };
                let mut spans = found.filter_map(|(value, form)| values::moment(value, form));
                spans.any(|span| is_in_time(span, prefix, values::span(text), self.now))
            }
            Kind::Number | Kind::Quantity => {
                let mut amounts = found.filter_map(|(value, form)| values::amount(value, form));
                amounts.any(|amount| is_amount(&amount, operand))
            }
            Kind::Uri => {
                let Operand::Text(wanted) = operand else { panic!("a URI") };
                found.filter_map(|(value, form)| Some((value.as_str()?, form))).any(|(text, form)| match modifier {
                    Some("below") => is_below(text, wanted, form == Form::Canonical),
                    Some("above") => is_above(text, wanted, form == Form::Canonical),
                    _ => same_uri(text, wanted, form == Form::Canonical),
                })
            }
            Kind::Reference => {
                let Operand::Text(wanted) = operand else { panic!("a reference") };
                found.any(|(value, form)| is_reference(value, form, targets, modifier, wanted))
            }
            Kind::Pair => false,
        }
    }

    /// Lowest value ascending, highest descending (FHIR R4 search.html#sort).
    pub(crate) fn sort_value(&self, resource: &Value, sort: &Sort) -> Option<SortValue> {
        if sort.code == "_id" {
            return resource["id"].as_str().map(|id| SortValue::Text(id.to_owned()));
        }
        let parameter = parameters::find(resource["resourceType"].as_str().unwrap(), sort.code).unwrap();
        let found = values::all(resource, parameter.paths);
        let mut keys: Vec<SortValue> = Vec::new();
        for (value, form) in found {
            match parameter.kind {
                Kind::Token => keys.extend(
                    values::tokens(value, form)
                        .into_iter()
                        .map(|token| SortValue::Text(if token.cased { token.code } else { token.code.to_lowercase() })),
                ),
                Kind::Text => {
                    keys.extend(values::texts(value, form).iter().map(|(text, _)| SortValue::Text(values::fold(text))));
                }
                Kind::Date => keys.extend(values::moment(value, form).map(|span| SortValue::Integer(span.low))),
                Kind::Uri => {
                    let text = value.as_str().unwrap_or_default();
                    let text = if form == Form::Canonical { text.split('|').next().unwrap_or_default() } else { text };
                    keys.push(SortValue::Text(text.to_owned()));
                }
                Kind::Number | Kind::Quantity => keys.extend(values::amount(value, form).map(|amount| {
                    if sort.descending {
                        amount.high.map_or(SortValue::Highest, SortValue::Number)
                    } else {
                        amount.low.map_or(SortValue::Lowest, SortValue::Number)
                    }
                })),
                Kind::Reference | Kind::Pair => {}
            }
        }
        if sort.descending { keys.into_iter().max() } else { keys.into_iter().min() }
    }

    /// What `_include` and `_revinclude` add to these resources, as `Type/id`: once, and along what was added
    /// where it says `:iterate`.
    pub(crate) fn included(&self, found: &[String], includes: &[Include]) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut last: Vec<String> = found.to_vec();
        let mut is_first = true;
        while !last.is_empty() {
            let usable = includes.iter().filter(|include| is_first || include.iterate);
            let next: BTreeSet<String> = usable.flat_map(|include| self.included_by(&last, include)).collect();
            last = next.into_iter().filter(|address| !found.contains(address) && !all.contains(address)).collect();
            all.extend(last.iter().cloned());
            is_first = false;
        }
        all
    }

    fn included_by(&self, found: &[String], include: &Include) -> Vec<String> {
        let is_meant = |parameter: &&Parameter| {
            parameter.kind == Kind::Reference && (include.code == "*" || parameter.code == include.code)
        };
        let parameters: Vec<&Parameter> = parameters::of_type(include.source_type).filter(is_meant).collect();
        let fits = |address: &String| include.target_type.is_none_or(|kind| address.starts_with(&format!("{kind}/")));
        let links = |source: &Value| -> Vec<String> {
            parameters.iter().flat_map(|parameter| links(source, parameter)).filter(fits).collect()
        };
        if include.reverse {
            let refers = |source: &&Value| links(source).iter().any(|link| found.contains(link));
            return self.of_type(include.source_type).filter(refers).map(address).collect();
        }
        let sources = found.iter().filter_map(|address| {
            let (kind, id) = address.split_once('/')?;
            (kind == include.source_type).then(|| self.get(kind, id)).flatten()
        });
        sources.flat_map(links).filter(|link| self.is_here(link)).collect()
    }

    fn is_here(&self, address: &str) -> bool {
        address.split_once('/').is_some_and(|(kind, id)| self.get(kind, id).is_some())
    }
}

/// FHIR R4 compartmentdefinition.html: what refers to the owner by one of these, or is it.
fn belongs(resource: &Value, owner: &str) -> bool {
    let resource_type = resource["resourceType"].as_str().unwrap();
    let (owner_type, _) = owner.split_once('/').unwrap();
    let refers = |code: &&str| match *code {
        "{def}" => address(resource) == owner,
        code => links(resource, parameters::find(resource_type, code).unwrap()).iter().any(|link| link == owner),
    };
    parameters::compartment(owner_type, resource_type).iter().any(refers)
}

pub(crate) fn address(resource: &Value) -> String {
    format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())
}

/// Whether a type has the parameter that a term starts with.
fn knows(resource_type: &str, term: &Term) -> bool {
    match term {
        Term::Plain { code, .. } | Term::Chain { code, .. } => parameters::find(resource_type, code).is_some(),
        Term::Near { .. } => resource_type == "Location",
        Term::Id(_) | Term::Has { .. } | Term::Words { .. } | Term::Filter(_) | Term::List(_) => true,
    }
}

/// The resources of this server that a reference parameter points at.
pub(crate) fn links(resource: &Value, parameter: &Parameter) -> Vec<String> {
    let found = values::all(resource, parameter.paths);
    let literals = found.iter().filter_map(|(value, _)| value["reference"].as_str()).map(unversioned);
    literals
        .filter(|text| !text.contains(':') && !text.starts_with('#'))
        .filter(|text| may_be_target(text, parameter.targets))
        .map(str::to_owned)
        .collect()
}

/// Whether an address is of one of the types a parameter means (`patient` is `subject` where it is a
/// Patient).
pub(crate) fn may_be_target(address: &str, targets: &[&str]) -> bool {
    let kind = address.rsplit('/').nth(1).unwrap_or_default();
    targets.is_empty() || targets.contains(&kind)
}

fn unversioned(text: &str) -> &str {
    text.split_once("/_history/").map_or(text, |(start, _)| start)
}

pub(crate) fn has_value(resource: &Value, parameter: &Parameter) -> bool {
    match &parameter.pair {
        Some(_) => panic!("pairs have no :missing"),
        None if parameter.kind == Kind::Reference => values::all(resource, parameter.paths).iter().any(|(value, _)| {
            let points_here =
                |text: &str| !text.starts_with('#') && may_be_target(unversioned(text), parameter.targets);
            value.is_string() || value["reference"].as_str().is_some_and(points_here)
        }),
        None => values::all(resource, parameter.paths).iter().any(|(value, form)| match parameter.kind {
            Kind::Token => !values::tokens(value, *form).is_empty(),
            Kind::Text => !values::texts(value, *form).is_empty(),
            Kind::Date => values::moment(value, *form).is_some(),
            Kind::Number | Kind::Quantity => values::amount(value, *form).is_some(),
            _ => true,
        }),
    }
}

/// FHIR R4 search.html#token: `code`, `system|code`, `|code`, `system|`; without case unless the
/// value is an identifier.
pub(crate) fn is_token(token: &Token, operand: &Operand) -> bool {
    if let Operand::Text(wanted) = operand {
        // A reference as a component: its code is its address.
        return token.code == *wanted;
    }
    let Operand::Token { system, code } = operand else { panic!("a token") };
    let same_code = |code: &String| {
        if token.cased { token.code == *code } else { token.code.to_lowercase() == code.to_lowercase() }
    };
    let same_system = |system: &String| token.system.as_ref().is_none_or(|own| own == system);
    code.as_ref().is_none_or(same_code) && system.as_ref().is_none_or(same_system)
}

/// FHIR R4 search.html#prefix, the table, on spans of time.
pub(crate) fn is_in_time(value: Span, prefix: &str, wanted: Span, now: i64) -> bool {
    let contained = value.low >= wanted.low && value.high <= wanted.high;
    let above = value.high > wanted.high;
    let below = value.low < wanted.low;
    match prefix {
        "" | "eq" => contained,
        "ne" => !contained,
        "gt" => above,
        "lt" => below,
        "ge" => above || contained,
        "le" => below || contained,
        "sa" => value.low > wanted.high,
        "eb" => value.high < wanted.low,
        "ap" => {
            // "10% of the gap between now and the date".
            let margin = i64::try_from(wanted.low.midpoint(wanted.high).abs_diff(now) / 10).unwrap();
            value.low <= wanted.high + margin && value.high >= wanted.low - margin
        }
        other => panic!("{other} is no prefix"),
    }
}

/// FHIR R4 search.html#number and #quantity.
pub(crate) fn is_amount(value: &Amount, operand: &Operand) -> bool {
    let Operand::Number { prefix, text, system, code } = operand else { panic!("a number") };
    // "Canonicalisation": 61.5 kg is found by 61500 g when both say that their units are UCUM's.
    let convertible = |code: &String| {
        (system.as_deref() == Some(UCUM) && value.system.as_deref() == Some(UCUM))
            .then(|| values::factor(value.code.as_deref().unwrap_or_default(), code))
            .flatten()
    };
    if let Some(factor) = code.as_ref().filter(|code| value.code.as_ref() != Some(code)).and_then(convertible) {
        let scaled = |end: &Option<BigDecimal>| end.as_ref().map(|end| end * &factor);
        let value = Amount {
            low: scaled(&value.low),
            high: scaled(&value.high),
            is_open: value.is_open,
            system: value.system.clone(),
            code: code.clone(),
            unit: None,
        };
        return is_amount(&value, operand);
    }
    if let Some(system) = system
        && value.system.as_ref() != Some(system)
    {
        return false;
    }
    if let Some(code) = code {
        // `number||code` matches the code or the unit, `number|system|code` the code.
        let by_unit = system.is_none() && value.unit.as_ref() == Some(code);
        if value.code.as_ref() != Some(code) && !by_unit {
            return false;
        }
    }
    let number = BigDecimal::from_str(text).unwrap();
    let (low, high) = (value.low.as_ref(), value.high.as_ref());
    let beyond = |end: &BigDecimal, bound: &BigDecimal| end > bound || (value.is_open && end == bound);
    let below = |end: &BigDecimal, bound: &BigDecimal| end < bound || (value.is_open && end == bound);
    let reaches = |end: &BigDecimal, bound: &BigDecimal| end == bound && !value.is_open;
    // "100" is [99.5, 100.5): half of the last digit given; "1e2" is [95, 105).
    let bare = text.contains('e') && !text.contains('.');
    let half = BigDecimal::new(5.into(), number.fractional_digit_count() + if bare { 2 } else { 1 });
    let (first, end) = (&number - &half, &number + &half);
    let contained = low.is_some_and(|low| *low >= first) && high.is_some_and(|high| below(high, &end));
    match *prefix {
        "" | "eq" => contained,
        "ne" => !contained,
        "gt" => high.is_none_or(|high| *high > number),
        "lt" => low.is_none_or(|low| *low < number),
        "ge" => high.is_none_or(|high| *high > number || reaches(high, &number)),
        "le" => low.is_none_or(|low| *low < number || reaches(low, &number)),
        "sa" => low.is_some_and(|low| beyond(low, &number)),
        "eb" => high.is_some_and(|high| below(high, &number)),
        "ap" => {
            let margin = number.abs() / BigDecimal::from(10);
            let (first, last) = (&number - &margin, &number + &margin);
            low.is_none_or(|low| *low < last || reaches(low, &last))
                && high.is_none_or(|high| *high > first || reaches(high, &first))
        }
        other => panic!("{other} is no prefix"),
    }
}

pub(crate) fn same_uri(text: &str, wanted: &str, is_canonical: bool) -> bool {
    if !is_canonical {
        return text == wanted;
    }
    // FHIR R4 references.html#canonical: without a version any version matches.
    let parts = |text: &str| {
        text.split_once('|')
            .map_or((text.to_owned(), None), |(uri, version)| (uri.to_owned(), Some(version.to_owned())))
    };
    let ((uri, version), (wanted_uri, wanted_version)) = (parts(text), parts(wanted));
    uri == wanted_uri && (wanted_version.is_none() || version == wanted_version)
}

/// FHIR R4 search.html#uri: the URI and everything under it.
fn is_below(text: &str, wanted: &str, is_canonical: bool) -> bool {
    let (text, version) = text.split_once('|').filter(|_| is_canonical).unwrap_or((text, ""));
    let (wanted, wanted_version) = wanted.split_once('|').filter(|_| is_canonical).unwrap_or((wanted, ""));
    let folder = if wanted.ends_with('/') { wanted.to_owned() } else { format!("{wanted}/") };
    (text == wanted || text.starts_with(&folder)) && (wanted_version.is_empty() || wanted_version == version)
}

/// The same the other way; a version is above what begins with it.
fn is_above(text: &str, wanted: &str, is_canonical: bool) -> bool {
    let (text, version) = text.split_once('|').filter(|_| is_canonical).unwrap_or((text, ""));
    match wanted.split_once('|').filter(|_| is_canonical) {
        Some((wanted, wanted_version)) => {
            text == wanted && (version == wanted_version || wanted_version.starts_with(&format!("{version}.")))
        }
        None => {
            wanted == text || (text.contains("://") && wanted.starts_with(&format!("{}/", text.trim_end_matches('/'))))
        }
    }
}

/// FHIR R4 search.html#reference: `id`, `Type/id`, a URL; `:Type` names the type of an id.
pub(crate) fn is_reference(value: &Value, form: Form, targets: &[&str], modifier: Option<&str>, wanted: &str) -> bool {
    if form == Form::Canonical {
        return value.as_str().is_some_and(|text| same_uri(text, wanted, true));
    }
    let Some(text) = value["reference"].as_str().map(unversioned) else { return false };
    if !may_be_target(text, targets) {
        return false;
    }
    let kind_fits = modifier.is_none_or(|kind| text.starts_with(&format!("{kind}/")));
    if wanted.contains(':') {
        return text == wanted;
    }
    if wanted.contains('/') {
        return kind_fits && text == wanted;
    }
    kind_fits && !text.contains(':') && text.split_once('/').is_some_and(|(_, id)| id == wanted)
}
