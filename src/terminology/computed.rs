//! Code systems whose codes are made by a grammar (FHIR R4 terminologies-systems.html): they can be
//! asked about one code, not listed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::concept::{CodeSystem, Concept, Content, Header, Hierarchy, Selection, Unavailable};
use crate::format::json::Node;
use crate::r4::ucum;

/// Media types (BCP 13).
pub(super) const MEDIA_TYPES: &str = "urn:ietf:bcp:13";
/// Languages (BCP 47).
pub(super) const LANGUAGES: &str = "urn:ietf:bcp:47";
/// URIs.
pub(super) const URIS: &str = "urn:ietf:rfc:3986";
/// Countries (ISO 3166-1).
pub(super) const COUNTRIES: &str = "urn:iso:std:iso:3166";
/// Units.
pub(super) const UNITS: &str = "http://unitsofmeasure.org";
/// Currencies (ISO 4217).
pub(super) const CURRENCIES: &str = "urn:iso:std:iso:4217";
/// The value set of the standard that lists the two-letter codes of [`COUNTRIES`].
pub(super) const COUNTRY_LIST: &str = "http://hl7.org/fhir/ValueSet/iso3166-1-2";

/// Their URLs.
pub(super) const SYSTEMS: [&str; 6] = [MEDIA_TYPES, LANGUAGES, URIS, COUNTRIES, UNITS, CURRENCIES];

/// What a grammar says of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Right,
    Wrong,
    /// Well formed; whether it is assigned is not known here.
    Possible,
}

/// A system by its grammar, with displays where some are known.
#[derive(Debug)]
pub(super) struct ComputedSystem {
    header: Header,
    grammar: fn(&Self, &str) -> Verdict,
    listed: BTreeMap<String, String>,
}

/// The system with this URL when it is one of these. `countries` is the value set [`COUNTRY_LIST`].
pub(super) fn computed_system(url: &str, countries: Option<&Node<'_>>) -> Option<ComputedSystem> {
    type Grammar = fn(&ComputedSystem, &str) -> Verdict;
    let (title, grammar, case_sensitive): (&str, Grammar, bool) = match url {
        MEDIA_TYPES => ("Media types (BCP 13)", |_, code| right_if(is_media_type(code)), false),
        LANGUAGES => ("Languages (BCP 47)", |_, code| right_if(is_language_tag(code)), false),
        URIS => ("URIs (RFC 3986)", |_, code| right_if(is_uri(code)), true),
        UNITS => ("Units (UCUM)", |_, code| right_if(ucum::check(code).is_ok()), true),
        COUNTRIES => ("Countries (ISO 3166-1)", |system, code| system.country(code), true),
        CURRENCIES => ("Currencies (ISO 4217)", |_, code| possible_if(is_letters(code, 3)), true),
        _ => return None,
    };
    let concepts = countries.and_then(|set| set.path(&["compose", "include", "concept"])).map_or(&[][..], Node::items);
    let listed = concepts.iter().filter_map(|concept| Some((concept.text("code")?, concept.text("display")?)));
    let header = Header {
        url: url.to_owned(),
        version: None,
        name: None,
        title: Some(title.to_owned()),
        language: Some("en".to_owned()),
        case_sensitive: Some(case_sensitive),
        hierarchy: Hierarchy::Unspecified,
        content: Content::Part,
        properties: Vec::new(),
        compositional: true,
    };
    let is_countries = url == COUNTRIES;
    let listed = listed.filter(|_| is_countries).map(|(code, display)| (code.to_owned(), display.to_owned()));
    Some(ComputedSystem { header, grammar, listed: listed.collect() })
}

fn right_if(fits: bool) -> Verdict {
    if fits { Verdict::Right } else { Verdict::Wrong }
}

fn possible_if(fits: bool) -> Verdict {
    if fits { Verdict::Possible } else { Verdict::Wrong }
}

fn is_letters(code: &str, length: usize) -> bool {
    code.len() == length && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// RFC 6838 section 4.2, with the parameters that FHIR allows in `code` (RFC 9110 section 8.3.1).
fn is_media_type(code: &str) -> bool {
    let is_name = |name: &str| {
        (1..=127).contains(&name.len())
            && name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let (essence, parameters) = code.split_once(';').map_or((code, None), |(essence, rest)| (essence, Some(rest)));
    let Some((kind, subtype)) = essence.trim_end().split_once('/') else { return false };
    let parameters_fit = parameters.is_none_or(|parameters| {
        parameters.split(';').all(|parameter| {
            parameter.trim().split_once('=').is_some_and(|(name, value)| is_name(name) && !value.is_empty())
        })
    });
    is_name(kind) && is_name(subtype) && parameters_fit
}

/// Well-formedness of RFC 5646 section 2.1.
fn is_language_tag(code: &str) -> bool {
    const GRANDFATHERED: [&str; 4] = ["i-default", "i-klingon", "i-navajo", "zh-min-nan"];
    if GRANDFATHERED.iter().any(|tag| tag.eq_ignore_ascii_case(code)) {
        return true;
    }
    let mut parts = code.split('-').peekable();
    let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
    let alphanumeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_private = |part: &str| part.eq_ignore_ascii_case("x");
    let Some(first) = parts.next() else { return false };
    if !is_private(first) {
        if !letters(first) || !(2..=8).contains(&first.len()) {
            return false;
        }
        let mut extended = 0;
        while first.len() <= 3 && extended < 3 && parts.next_if(|part| part.len() == 3 && letters(part)).is_some() {
            extended += 1;
        }
        parts.next_if(|part| part.len() == 4 && letters(part));
        parts.next_if(|part| {
            (part.len() == 2 && letters(part)) || (part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit()))
        });
        let is_variant = |part: &&str| {
            alphanumeric(part)
                && ((5..=8).contains(&part.len())
                    || (part.len() == 4 && part.starts_with(|first: char| first.is_ascii_digit())))
        };
        while parts.next_if(is_variant).is_some() {}
        while parts.next_if(|part| part.len() == 1 && alphanumeric(part) && !is_private(part)).is_some() {
            let mut count = 0;
            while parts.next_if(|part| (2..=8).contains(&part.len()) && alphanumeric(part)).is_some() {
                count += 1;
            }
            if count == 0 {
                return false;
            }
        }
        let Some(next) = parts.next() else { return true };
        if !is_private(next) {
            return false;
        }
    }
    parts.peek().is_some() && parts.all(|part| (1..=8).contains(&part.len()) && alphanumeric(part))
}

fn is_uri(code: &str) -> bool {
    !code.is_empty() && !code.contains(char::is_whitespace)
}

impl ComputedSystem {
    /// Two letters are listed; three letters and numbers are not.
    fn country(&self, code: &str) -> Verdict {
        if is_letters(code, 2) && !self.listed.is_empty() {
            return right_if(self.listed.contains_key(code));
        }
        let is_number = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
        possible_if(is_letters(code, 2) || is_letters(code, 3) || is_number)
    }

    fn not_listed(&self) -> Unavailable {
        Unavailable(format!("the codes of {} ({}) cannot be listed", self.header.label(), self.header.url))
    }
}

impl CodeSystem for ComputedSystem {
    fn header(&self) -> &Header {
        &self.header
    }

    fn find(&self, code: &str) -> Result<Option<Arc<Concept>>, Unavailable> {
        if (self.grammar)(self, code) != Verdict::Right {
            return Ok(None);
        }
        let display = self.listed.get(code).cloned();
        Ok(Some(Arc::new(Concept { code: code.to_owned(), display, ..Concept::default() })))
    }

    fn contains(&self, code: &str) -> Result<bool, Unavailable> {
        Ok((self.grammar)(self, code) == Verdict::Right)
    }

    fn absent_is_wrong(&self, code: &str) -> bool {
        (self.grammar)(self, code) == Verdict::Wrong
    }

    fn is_below(&self, _: &str, _: &str) -> Result<bool, Unavailable> {
        Ok(false)
    }

    fn parents(&self, _: &str) -> Result<Vec<String>, Unavailable> {
        Ok(Vec::new())
    }

    fn children(&self, _: &str) -> Result<Vec<String>, Unavailable> {
        Ok(Vec::new())
    }

    fn walk(
        &self,
        _: &Selection,
        _: usize,
        _: &mut dyn FnMut(&Arc<Concept>) -> ControlFlow<()>,
    ) -> Result<(), Unavailable> {
        Err(self.not_listed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        for right in ["application/fhir+json", "text/plain", "image/svg+xml; charset=utf-8", "video/mp4"] {
            assert!(is_media_type(right), "{right}");
        }
        for wrong in ["", "jpeg", "image/", "/png", "image/p g", "image/png/x", "text/plain;", "a/b;=c"] {
            assert!(!is_media_type(wrong), "{wrong}");
        }
    }

    /// RFC 5646 appendix A.
    #[test]
    fn language_tags() {
        for right in [
            "ja",
            "ja-JP",
            "zh-Hant-TW",
            "de-CH-1996",
            "sl-rozaj-biske",
            "en-US-u-islamcal",
            "x-whatever",
            "i-klingon",
            "zh-cmn-Hans-CN",
            "es-419",
            "de-DE-x-goethe",
            "ja-Hira",
        ] {
            assert!(is_language_tag(right), "{right}");
        }
        for wrong in ["", "j", "ja_JP", "ja-", "-ja", "日本語", "a-DE", "ar-a-", "ja-u", "abcdefghi", "x"] {
            assert!(!is_language_tag(wrong), "{wrong}");
        }
    }
}
