//! Values of search parameters: escapes, prefixes and one form for each kind.

use crate::r4::parameters::ParameterKind;
use crate::r4::reference::{Reference, is_id, split_canonical};
use crate::r4::{decimal, definitions};
use crate::search::extract::unversioned;
use crate::search::fold::{exact_hash, index_form, key_form};
use crate::search::query::{
    CompositeSecond, CompositeTest, NumberTest, Prefix, QuantityTest, ReferenceTest, StringTest, TokenTest, UriTest,
};
use crate::search::registry::{Component, Parameter};
use crate::search::shape::Forms;
use crate::search::values::{code_form, telephone};

use super::{Parsed, Parser, malformed};

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

pub(super) fn uri(forms: Forms, text: &str, below: bool) -> UriTest {
    if forms.canonical {
        return canonical(text, below);
    }
    UriTest { uri: key_form(&unescape(text)), version: None, below }
}

fn canonical(text: &str, below: bool) -> UriTest {
    let text = unescape(text);
    let text = unversioned(&text);
    let (uri, version, _) = split_canonical(&text);
    UriTest { uri: key_form(uri), version: version.map(key_form), below }
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
        // Values of `code` and of plain types are stored without their implicit system:
        // `gender=http://hl7.org/fhir/administrative-gender|male` compares the code alone.
        Ok(TokenTest { codes, system: system.filter(|_| forms.system).map(|system| key_form(&system)) })
    }

    pub(super) fn number(&self, text: &str) -> Parsed<NumberTest> {
        let (prefix, digits) = prefix(text);
        // JSON has no `+5` and no `.5`, people do.
        let plain = digits.trim().trim_start_matches('+');
        let padded = if plain.starts_with('.') { format!("0{plain}") } else { plain.to_owned() };
        let range = decimal::precision_range(&padded);
        let Some((mut low, mut high, exact)) = range else {
            return malformed(format!(
                "{}={} is not a number: write for example 5.4, -3 or 1e2, after eq, ne, gt, lt, ge, le, sa, eb or ap",
                self.name, self.value
            ));
        };
        if let (Prefix::Ap, Some(wide)) = (prefix, decimal::approximate_range(&padded)) {
            (low, high) = wide;
        }
        Ok(NumberTest { prefix, low, high, exact })
    }

    pub(super) fn quantity(&self, text: &str) -> Parsed<QuantityTest> {
        let parts = split(text, '|');
        let filled = |place: usize| {
            parts.get(place).map(|part| unescape(part)).filter(|part| !part.is_empty()).map(|part| key_form(&part))
        };
        if parts.len() > 3 {
            return malformed(format!("{}={text} is not number|system|code", self.name));
        }
        let number = self.number(parts.first().copied().unwrap_or_default())?;
        Ok(QuantityTest { number, system: filled(1), code: filled(2) })
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
        match Reference::parse(&plain) {
            Reference::Local { resource_type, id, .. } => {
                let number = definitions().resource_number(resource_type);
                match number.filter(|number| targets.is_empty() || targets.contains(number)) {
                    Some(number) => Ok(ReferenceTest::Local { types: vec![number], id: id.to_owned() }),
                    None => malformed(format!("{} cannot refer to {resource_type}", self.name)),
                }
            }
            Reference::Absolute { .. } | Reference::Urn(_) => Ok(ReferenceTest::Uri(canonical(text, false))),
            Reference::Other(other) if other.contains(':') => Ok(ReferenceTest::Uri(canonical(text, false))),
            _ => {
                malformed(format!("{}={text} is not a reference: write an id, Type/id, or an absolute URL", self.name))
            }
        }
    }

    pub(super) fn composite(&self, parameter: &Parameter, text: &str) -> Parsed<CompositeTest> {
        let parts = split(text, '$');
        let ([first, second], [left, right]) = (parameter.components.as_slice(), parts.as_slice()) else {
            return malformed(format!("{}={text} needs two values joined by $", self.name));
        };
        Ok(CompositeTest { first: self.token(first.forms, left)?, second: self.second(second, right)? })
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
