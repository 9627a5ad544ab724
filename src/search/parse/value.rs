//! Values of search parameters: escapes, prefixes and one form for each kind.

use bigdecimal::BigDecimal;

use crate::r4::outcome::Issue;
use crate::r4::parameters::ParameterKind;
use crate::r4::reference::{Reference, is_id, split_canonical};
use crate::r4::{decimal, definitions, ucum};
use crate::search::extract::unversioned;
use crate::search::fold::{exact_hash, index_form, key_form};
use crate::search::position::{Point, chord};
use crate::search::query::{
    CompositeSecond, CompositeTest, NO_CODE, NearTest, NumberTest, Prefix, QuantityTest, ReferenceTest, StringTest,
    TokenTest, UriTest,
};
use crate::search::registry::{Component, Parameter};
use crate::search::shape::Forms;
use crate::search::value_sets::Way;
use crate::search::values::{code_form, telephone, typed_identifier};

use super::{Parsed, Parser, Refusal, malformed, parents, unknown};

/// How near is near when the search does not say, in metres.
const NEAR: f64 = 10_000.0;

/// Splits at unescaped separators (FHIR R4 search.html#escaping); the parts keep their escapes.
pub(super) fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (place, letter) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if letter == '\\' {
            escaped = true;
        } else if letter == separator {
            parts.push(text.get(start..place).unwrap_or_default());
            start = place + letter.len_utf8();
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

/// The alternatives of a value; empty ones do not count.
pub(super) fn alternatives(text: &str) -> impl Iterator<Item = &str> {
    split(text, ',').into_iter().filter(|part| !part.trim().is_empty())
}

/// Takes the escapes `\,` `\|` `\$` `\\` out; any other backslash stays.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letters.peek() {
            Some(next @ (',' | '|' | '$' | '\\')) if letter == '\\' => {
                out.push(*next);
                letters.next();
            }
            _ => out.push(letter),
        }
    }
    out
}

/// Takes the comparison off the front of a value; without one it is `eq`.
pub(super) fn prefix(text: &str) -> (Prefix, &str) {
    let found = match text.get(..2) {
        Some("eq") => Prefix::Eq,
        Some("ne") => Prefix::Ne,
        Some("gt") => Prefix::Gt,
        Some("lt") => Prefix::Lt,
        Some("ge") => Prefix::Ge,
        Some("le") => Prefix::Le,
        Some("sa") => Prefix::Sa,
        Some("eb") => Prefix::Eb,
        Some("ap") => Prefix::Ap,
        _ => return (Prefix::Eq, text),
    };
    (found, text.get(2..).unwrap_or_default())
}

/// Codes of one system as a parameter keeps them; none is what no resource has.
fn listed(forms: Forms, codes: Vec<String>, system: &str) -> TokenTest {
    let form = |code: String| if forms.folded { code_form(&code) } else { key_form(&code) };
    let mut codes: Vec<String> = codes.into_iter().map(form).collect();
    codes.sort_unstable();
    codes.dedup();
    if codes.is_empty() {
        codes.push(NO_CODE.to_owned());
    }
    let system = (forms.system && !system.is_empty()).then(|| key_form(system));
    TokenTest { codes, system }
}

/// A prefix and digits as JSON writes them: people write `+5` and `.5` too.
fn plain_number(text: &str) -> (Prefix, String) {
    let (prefix, digits) = prefix(text);
    let plain = digits.trim();
    let plain = plain.strip_prefix('+').unwrap_or(plain);
    (prefix, if plain.starts_with('.') { format!("0{plain}") } else { plain.to_owned() })
}

/// A number of a unit, with its range by precision, in base units.
fn in_base_units(text: &str, unit: &ucum::Canonical) -> Option<NumberTest> {
    let (prefix, digits) = plain_number(text);
    let bounds = match prefix {
        Prefix::Ap => decimal::approximate_bounds(&digits),
        _ => decimal::precision_bounds(&digits),
    };
    let (low, high) = bounds?;
    let bytes = |value: &BigDecimal| decimal::encode_decimal(&unit.of(value));
    let exact = bytes(&decimal::parse(&digits)?);
    Some(NumberTest { prefix, low: bytes(&low), high: bytes(&high), exact })
}

pub(super) fn string(text: &str, modifier: Option<&str>) -> Option<StringTest> {
    let text = unescape(text);
    let folded = index_form(&text);
    if folded.is_empty() {
        return None;
    }
    Some(match modifier {
        Some("exact") => StringTest::Exact { folded, hash: exact_hash(&text) },
        Some("contains") => StringTest::Contains(folded),
        _ => StringTest::StartsWith(folded),
    })
}

pub(super) fn uri(forms: Forms, text: &str) -> UriTest {
    if forms.canonical {
        return canonical(text);
    }
    UriTest { uri: key_form(&unescape(text)), version: None, below: false }
}

fn canonical(text: &str) -> UriTest {
    let text = unescape(text);
    let text = unversioned(&text);
    let (uri, version, _) = split_canonical(&text);
    UriTest { uri: key_form(uri), version: version.map(key_form), below: false }
}

/// A URL and what is above it, by its segments: each with a slash at its end and without.
fn ancestors(url: &str) -> Vec<String> {
    let start = url.find("://").map_or(0, |place| place + 3);
    let mut found = vec![url.to_owned()];
    let mut rest = url.trim_end_matches('/');
    while let Some(slash) = rest.rfind('/').filter(|slash| *slash >= start) {
        found.extend(rest.get(..=slash).map(str::to_owned));
        rest = rest.get(..slash).unwrap_or_default().trim_end_matches('/');
        found.push(rest.to_owned());
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// `:below` on a URI or, with a version, on a canonical: that version and those below it. "Only apply
/// to URLs" (FHIR R4 search.html#uri): a URN is below nothing but itself.
pub(super) fn uri_below(forms: Forms, text: &str) -> UriTest {
    let test = uri(forms, text);
    let below = test.version.is_some() || test.uri.contains("://");
    UriTest { below, ..test }
}

/// `:above` on a URI: it and everything it is under.
pub(super) fn uris_above(forms: Forms, text: &str) -> Vec<UriTest> {
    let test = uri(forms, text);
    match &test.version {
        Some(version) => versions_above(version)
            .map(|version| UriTest { uri: test.uri.clone(), version: Some(version.to_owned()), below: false })
            .collect(),
        None if test.uri.contains("://") => {
            ancestors(&test.uri).into_iter().map(|uri| UriTest { uri, version: None, below: false }).collect()
        }
        None => vec![test],
    }
}

/// `1.2.3`, `1.2`, `1`.
fn versions_above(version: &str) -> impl Iterator<Item = &str> {
    let ends = version.match_indices('.').map(|(place, _)| place).chain([version.len()]);
    ends.filter_map(|end| version.get(..end))
}

impl Parser<'_> {
    pub(super) fn token(&self, forms: Forms, text: &str) -> Parsed<TokenTest> {
        let (system, code) = match split(text, '|').as_slice() {
            [code] => (None, *code),
            [system, code] => (Some(unescape(system)), *code),
            _ => return malformed(format!("{}={text} has more than one |: write \\| inside a code", self.name)),
        };
        let code = unescape(code);
        if code.is_empty() && system.as_deref().is_none_or(str::is_empty) {
            return malformed(format!("{}={text} has neither system nor code", self.name));
        }
        if forms.boolean_only && !code.is_empty() && !matches!(code.as_str(), "true" | "false") {
            return malformed(format!("{} must be true or false, not {code:?}", self.name));
        }
        let mut codes = Vec::new();
        if !code.is_empty() {
            if forms.exact {
                codes.push(key_form(&code));
            }
            if forms.folded {
                codes.push(code_form(&code));
            }
            if forms.contact {
                codes.extend(telephone(&code));
            }
            codes.sort_unstable();
            codes.dedup();
        }
        // Values of `code` and of plain types are stored without their implicit system; `implied` looks at it.
        Ok(TokenTest { codes, system: system.filter(|_| forms.system).map(|system| key_form(&system)) })
    }

    /// A token under every name of its system.
    pub(super) fn tokens(&self, forms: Forms, text: &str) -> Parsed<Vec<TokenTest>> {
        Ok(self.under_all_names(self.token(forms, text)?))
    }

    /// The same codes under every name of their system: an OID and a URL can be one.
    fn under_all_names(&self, test: TokenTest) -> Vec<TokenTest> {
        let named = test.system.as_deref().filter(|system| !system.is_empty()).zip(self.options.value_sets.as_ref());
        let Some((system, value_sets)) = named else { return vec![test] };
        let names = value_sets.names(system).into_iter();
        names.map(|name| TokenTest { system: Some(key_form(&name)), codes: test.codes.clone() }).collect()
    }

    /// `:in`: the codes of a value set. Elements of type `code` are stored without a system.
    pub(super) fn codes_of(&self, parameter: &Parameter, text: &str) -> Parsed<Vec<TokenTest>> {
        let forms = parameter.forms;
        let Some(value_sets) = &self.options.value_sets else { return self.no_terminology() };
        let name = unescape(text);
        let found = value_sets.expand(name.trim()).map_err(|issue| self.refused(issue))?;
        let tests: Vec<TokenTest> = found
            .into_iter()
            .filter(|found| self.may_be(parameter, &found.system))
            .flat_map(|found| self.under_all_names(listed(forms, found.codes, &found.system)))
            .collect();
        // An empty value set has no code: nothing is in it.
        Ok(if tests.is_empty() { vec![listed(forms, Vec::new(), "")] } else { tests })
    }

    /// `:above` and `:below`: a code with those that subsume it, or that it subsumes.
    pub(super) fn codes_along(&self, forms: Forms, way: Way, text: &str) -> Parsed<Vec<TokenTest>> {
        let Some(value_sets) = &self.options.value_sets else { return self.no_terminology() };
        let (system, code) = match split(text, '|').as_slice() {
            [system, code] if !system.is_empty() && !code.is_empty() => (unescape(system), unescape(code)),
            _ => return malformed(format!("{}={text} is not system|code: a hierarchy is that of a system", self.name)),
        };
        let codes = value_sets.along(way, &system, &code).map_err(|issue| self.refused(issue))?;
        Ok(self.under_all_names(listed(forms, codes, &system)))
    }

    fn no_terminology<T>(&self) -> Parsed<T> {
        unknown(format!("{} needs terminology, which is not at hand here", self.name))
    }

    fn refused(&self, mut issue: Issue) -> Refusal {
        issue.diagnostics = format!("{}: {}", self.name, issue.diagnostics);
        Refusal::Malformed(issue)
    }

    /// `:above` and `:below` on a reference: along the parts of a whole (a ward of a hospital), or along
    /// URL and version of a canonical.
    pub(super) fn hierarchy(&self, parameter: &Parameter, below: bool, text: &str) -> Parsed<Vec<ReferenceTest>> {
        let forms = parameter.forms;
        if forms.canonical && !is_id(text) {
            let tests = if below { vec![uri_below(forms, text)] } else { uris_above(forms, text) };
            return Ok(tests.into_iter().map(ReferenceTest::Uri).collect());
        }
        let known: Vec<(u8, i32)> = parents(self.registry(), &parameter.targets).collect();
        if known.is_empty() {
            return self.unknown_modifier(parameter, if below { "below" } else { "above" });
        }
        let ReferenceTest::Local { types, id } = self.reference(&parameter.targets, text)? else {
            return malformed(format!("{}={text} is no resource of this server", self.name));
        };
        let tests = types.iter().map(|number| match known.iter().find(|(known, _)| known == number) {
            Some((type_number, parent)) => {
                ReferenceTest::Hierarchy { type_number: *type_number, id: id.clone(), parent: *parent, below }
            }
            None => ReferenceTest::Local { types: vec![*number], id: id.clone() },
        });
        Ok(tests.collect())
    }

    /// `latitude|longitude|distance|unit` (FHIR R4 location.html#search): without a unit km, without a
    /// distance [`NEAR`].
    pub(super) fn near(&self, text: &str) -> Parsed<NearTest> {
        let parts: Vec<String> = split(text, '|').into_iter().map(|part| unescape(part).trim().to_owned()).collect();
        let wrong = |what: &str| {
            malformed(format!(
                "{}={text}: {what}; write latitude|longitude|distance|unit in degrees and a UCUM unit of length, for \
                 example 35.01|136.95|3|km",
                self.name
            ))
        };
        let filled = |place: usize| parts.get(place).map(String::as_str).filter(|part| !part.is_empty());
        let (Some(latitude), Some(longitude), 2..=4) = (filled(0), filled(1), parts.len()) else {
            return wrong("a place has latitude and longitude");
        };
        let degrees = |text: &str| decimal::parse(text.trim_start_matches('+')).and_then(|_| text.parse::<f64>().ok());
        let point = degrees(latitude).zip(degrees(longitude)).and_then(|(north, east)| Point::new(north, east));
        let Some(point) = point else { return wrong("there is no such place on earth") };
        let distance = match filled(2) {
            None => Some(NEAR),
            Some(text) => decimal::parse(text)
                .and_then(|value| ucum::convert(&value, filled(3).unwrap_or("km"), "m"))
                .and_then(|metres| metres.to_string().parse::<f64>().ok()),
        };
        match distance {
            Some(metres) if metres >= 0.0 => Ok(NearTest { point, chord: chord(metres) }),
            _ => wrong("this is no distance"),
        }
    }

    /// `system|code|value`: an identifier by its type (FHIR R4 search.html#token, `:of-type`).
    pub(super) fn of_type(&self, text: &str) -> Parsed<TokenTest> {
        let parts: Vec<String> = split(text, '|').into_iter().map(unescape).collect();
        match parts.as_slice() {
            [system, code, value] if !code.is_empty() && !value.is_empty() => Ok(TokenTest {
                codes: vec![typed_identifier(code, value)],
                system: (!system.is_empty()).then(|| key_form(system)),
            }),
            _ => malformed(format!(
                "{}={text} is not system|code|value: the system and code of the type of the identifier, and its value",
                self.name
            )),
        }
    }

    pub(super) fn number(&self, text: &str) -> Parsed<NumberTest> {
        let (prefix, digits) = plain_number(text);
        let Some((mut low, mut high, exact)) = decimal::precision_range(&digits) else { return self.no_number() };
        if let (Prefix::Ap, Some(wide)) = (prefix, decimal::approximate_range(&digits)) {
            (low, high) = wide;
        }
        Ok(NumberTest { prefix, low, high, exact })
    }

    fn no_number<T>(&self) -> Parsed<T> {
        malformed(format!(
            "{}={} is not a number: write for example 5.4, -3 or 1e2, after eq, ne, gt, lt, ge, le, sa, eb or ap",
            self.name, self.value
        ))
    }

    /// `number`, `number|system|code` and `number||code`; with a UCUM unit in base units, so that
    /// 5.4 mg finds 0.0054 g (FHIR R4 search.html#quantity: "canonical" units).
    pub(super) fn quantity(&self, text: &str) -> Parsed<QuantityTest> {
        let parts = split(text, '|');
        let filled = |place: usize| parts.get(place).map(|part| unescape(part)).filter(|part| !part.is_empty());
        let (system, code) = (filled(1), filled(2));
        if parts.len() > 3 || (parts.len() == 2 && system.is_some()) {
            return malformed(format!(
                "{}={text} is not number|system|code, for example 5.4|{}|mg",
                self.name,
                ucum::SYSTEM
            ));
        }
        let number = parts.first().copied().unwrap_or_default();
        if system.as_deref() == Some(ucum::SYSTEM)
            && let Some(unit) = code.as_deref().and_then(ucum::canonical)
        {
            let Some(number) = in_base_units(number, &unit) else { return self.no_number() };
            return Ok(QuantityTest { number, code: Some(unit.unit.clone()), system: None, is_canonical: true });
        }
        let number = self.number(number)?;
        let (system, code) = (system.map(|system| key_form(&system)), code.map(|code| key_form(&code)));
        Ok(QuantityTest { number, system, code, is_canonical: false })
    }

    pub(super) fn reference(&self, targets: &[u8], text: &str) -> Parsed<ReferenceTest> {
        let plain = unescape(text);
        if is_id(&plain) {
            let types = match targets {
                [] => (1..=u8::try_from(definitions().resources().len()).unwrap_or(u8::MAX)).collect(),
                some => some.to_vec(),
            };
            return Ok(ReferenceTest::Local { types, id: plain });
        }
        match Reference::parse(&plain).at_home(self.options.base_url.as_deref()) {
            Reference::Local { resource_type, id, .. } => {
                let number = definitions().resource_number(resource_type);
                match number.filter(|number| targets.is_empty() || targets.contains(number)) {
                    Some(number) => Ok(ReferenceTest::Local { types: vec![number], id: id.to_owned() }),
                    None => malformed(format!("{} cannot refer to {resource_type}", self.name)),
                }
            }
            Reference::Absolute { .. } | Reference::Urn(_) => Ok(ReferenceTest::Uri(canonical(text))),
            Reference::Other(other) if other.contains(':') => Ok(ReferenceTest::Uri(canonical(text))),
            _ => {
                malformed(format!("{}={text} is not a reference: write an id, Type/id, or an absolute URL", self.name))
            }
        }
    }

    pub(super) fn composite(&self, parameter: &Parameter, text: &str) -> Parsed<CompositeTest> {
        let parts = split(text, '$');
        let (first, second) = match (parameter.components.as_slice(), parts.as_slice()) {
            ([first, second], [left, right]) => (self.token(first.forms, left)?, self.second(second, right)?),
            ([first, _, _], [left, middle, right]) => {
                let second = CompositeSecond::Numbers(self.number(middle)?, self.number(right)?);
                (self.token(first.forms, left)?, second)
            }
            (components, _) => {
                let count = components.len();
                return malformed(format!("{}={text} needs {count} values joined by $", self.name));
            }
        };
        Ok(CompositeTest { first, second })
    }

    fn second(&self, component: &Component, text: &str) -> Parsed<CompositeSecond> {
        Ok(match component.kind {
            ParameterKind::Token => CompositeSecond::Token(self.token(component.forms, text)?),
            ParameterKind::String => match string(text, None) {
                Some(test) => CompositeSecond::String(test),
                None => return malformed(format!("{}={} has an empty second value", self.name, self.value)),
            },
            ParameterKind::Date => CompositeSecond::Date(self.date(text)?),
            ParameterKind::Number => CompositeSecond::Number(self.number(text)?),
            ParameterKind::Quantity => CompositeSecond::Quantity(self.quantity(text)?),
            // Rows keep a reference as its text: a token without system.
            ParameterKind::Reference | ParameterKind::Uri => {
                let codes = match self.reference(&component.targets, text)? {
                    ReferenceTest::Hierarchy { .. } => Vec::new(),
                    ReferenceTest::Uri(test) => vec![test.uri],
                    ReferenceTest::Local { types, id } => types
                        .into_iter()
                        .filter_map(|number| definitions().resource_by_number(number))
                        .map(|definition| format!("{}/{id}", definition.name))
                        .collect(),
                };
                CompositeSecond::Token(TokenTest { codes, system: None })
            }
            ParameterKind::Composite | ParameterKind::Special => {
                return malformed(format!("{} has a component that cannot be searched", self.name));
            }
        })
    }
}
