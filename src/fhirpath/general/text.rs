//! The functions of N1 over strings. Positions count characters, not bytes.

use super::pattern::regex;
use super::{Entry, Found, List, MAX_TEXT, Run, System, boolean, integer, invalid, string, unsupported};
use crate::fhirpath::FhirPathError;
use crate::format::json::{self, Node};

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const HTML: [(&str, &str); 5] = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#39;")];

impl<'r> Run<'_, 'r> {
    /// A parameter that is one string.
    pub(super) fn text(list: List<'r>, what: &'static str) -> Result<Option<String>, FhirPathError> {
        match Self::single(list, what)?.map(|entry| entry.system()) {
            None => Ok(None),
            Some(Some(System::String(text))) => Ok(Some(text.into_owned())),
            _ => invalid(format!("{what}: a string is needed")),
        }
    }

    pub(super) fn text_function(&mut self, input: List<'r>, name: &str, arguments: Vec<List<'r>>) -> Found<'r> {
        let count = arguments.len();
        if name == "join" && count < 2 {
            return self.join(input, arguments);
        }
        let (least, most) = match name {
            "upper" | "lower" | "length" | "trim" | "toChars" => (0, 0),
            "indexOf" | "lastIndexOf" | "startsWith" | "endsWith" | "contains" | "split" | "encode" | "decode"
            | "escape" | "unescape" => (1, 1),
            "matches" | "matchesFull" => (1, 2),
            "substring" => (1, 2),
            "replace" | "replaceMatches" => (2, 2),
            _ => return unsupported(format!("function {name}()")),
        };
        if !(least..=most).contains(&count) {
            return invalid(format!("{name}() takes {least} to {most} parameters"));
        }
        let Some(text) = Self::text(input, "a string function")? else { return Ok(List::new()) };
        self.spend(1 + text.len() / 16)?;
        if name == "substring" {
            return Self::substring(&text, arguments);
        }
        let mut texts = Vec::new();
        for argument in arguments {
            match Self::text(argument, "a string function")? {
                Some(text) => texts.push(text),
                None => return Ok(List::new()),
            }
        }
        let first = texts.first().map_or("", String::as_str);
        let second = texts.get(1).map_or("", String::as_str);
        let place = |found: Option<usize>| {
            let characters = found.and_then(|at| text.get(..at)).map(|before| before.chars().count());
            integer(Some(characters.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)))
        };
        let result = match name {
            "length" => return Ok(integer(i64::try_from(text.chars().count()).ok())),
            "toChars" => {
                self.spend(text.len())?;
                return Ok(text.chars().map(|letter| string(letter.to_string())).collect());
            }
            "indexOf" => return Ok(place(text.find(first))),
            "lastIndexOf" => return Ok(place(text.rfind(first))),
            "startsWith" => return Ok(vec![boolean(text.starts_with(first))]),
            "endsWith" => return Ok(vec![boolean(text.ends_with(first))]),
            "contains" => return Ok(vec![boolean(text.contains(first))]),
            "matches" | "matchesFull" => {
                self.spend(100 + first.len() * 10 + text.len() / 8)?;
                return Ok(vec![boolean(regex(first, second, name == "matchesFull")?.is_match(&text))]);
            }
            "split" => {
                let pieces: Vec<&str> = if first.is_empty() { vec![&text] } else { text.split(first).collect() };
                self.spend(pieces.len())?;
                return Ok(pieces.into_iter().map(|piece| string(piece.to_owned())).collect());
            }
            "upper" => Some(text.to_uppercase()),
            "lower" => Some(text.to_lowercase()),
            "trim" => Some(text.trim().to_owned()),
            "replace" => {
                let places = text.matches(first).count();
                self.spend((text.len() + places.saturating_mul(second.len())) / 16)?;
                Some(text.replace(first, second))
            }
            "replaceMatches" => Some(self.replace_matches(&text, first, second)?),
            "encode" | "decode" => recode(&text, name == "encode", first)?,
            "escape" | "unescape" => escape(&text, name == "escape", first)?,
            _ => return unsupported(format!("function {name}()")),
        };
        match result {
            Some(text) => self.built(text).map(|text| vec![string(text)]),
            None => Ok(List::new()),
        }
    }

    fn join(&mut self, input: List<'r>, mut arguments: Vec<List<'r>>) -> Found<'r> {
        let separator = Self::text(arguments.pop().unwrap_or_default(), "join()")?.unwrap_or_default();
        if input.is_empty() {
            return Ok(List::new());
        }
        let mut joined = String::new();
        for (place, entry) in input.iter().enumerate() {
            if place > 0 {
                joined.push_str(&separator);
            }
            match entry.to_text() {
                Some(text) => joined.push_str(&text),
                None if matches!(entry, Entry::Part(item) if matches!(item.node(), Some(Node::Null))) => {}
                None => return invalid("join() is for strings"),
            }
            self.spend(1 + joined.len() / 4096)?;
        }
        self.built(joined).map(|text| vec![string(text)])
    }

    fn substring(text: &str, arguments: Vec<List<'r>>) -> Found<'r> {
        let mut numbers = Vec::new();
        for argument in arguments {
            numbers.push(Self::whole(argument, "substring()")?);
        }
        let Some(Some(start)) = numbers.first() else { return Ok(List::new()) };
        let Ok(start) = usize::try_from(*start) else { return Ok(List::new()) };
        if start >= text.chars().count() {
            return Ok(List::new());
        }
        let rest = text.chars().skip(start);
        let found: String = match numbers.get(1) {
            Some(Some(length)) => rest.take(usize::try_from(*length).unwrap_or(0)).collect(),
            _ => rest.collect(),
        };
        Ok(vec![string(found)])
    }

    fn replace_matches(&mut self, text: &str, pattern: &str, with: &str) -> Result<String, FhirPathError> {
        if pattern.is_empty() {
            return Ok(text.to_owned());
        }
        self.spend(100 + pattern.len() * 10 + text.len() / 8)?;
        let pattern = regex(pattern, "", false)?;
        let with = with.replace("$$", "\u{0}").replace('$', "${").replace('\u{0}', "$$");
        let with = close_groups(&with);
        let mut out = String::new();
        let mut from = 0;
        for found in pattern.captures_iter(text) {
            let Some(whole) = found.get(0) else { continue };
            out.push_str(text.get(from..whole.start()).unwrap_or_default());
            found.expand(&with, &mut out);
            from = whole.end();
            self.spend(1 + with.len() / 16)?;
            if out.len() > MAX_TEXT {
                return Err(FhirPathError::TooCostly);
            }
        }
        out.push_str(text.get(from..).unwrap_or_default());
        Ok(out)
    }
}

/// `${1` and `${name` as the pattern's groups: closed after their digits or letters.
fn close_groups(with: &str) -> String {
    let mut out = String::new();
    let mut rest = with;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let after = after.strip_prefix('{').unwrap_or(after);
        let is_number = after.starts_with(|first: char| first.is_ascii_digit());
        let belongs =
            |letter: char| letter.is_ascii_digit() || (!is_number && (letter.is_ascii_alphabetic() || letter == '_'));
        let end = after.find(|letter| !belongs(letter)).unwrap_or(after.len());
        let (name, tail) = after.split_at(end);
        if name.is_empty() {
            out.push_str("$$");
        } else {
            out.push_str("${");
            out.push_str(name);
            out.push('}');
        }
        rest = tail.strip_prefix('}').unwrap_or(tail);
    }
    out.push_str(rest);
    out
}

fn recode(text: &str, encodes: bool, how: &str) -> Result<Option<String>, FhirPathError> {
    let is_url = how == "urlbase64";
    Ok(match (how, encodes) {
        ("hex", true) => Some(text.bytes().map(|byte| format!("{byte:02x}")).collect()),
        ("hex", false) => {
            let digits: Option<Vec<u8>> = text
                .as_bytes()
                .chunks(2)
                .map(|pair| std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2))
                .map(|pair| u8::from_str_radix(pair?, 16).ok())
                .collect();
            digits.and_then(|bytes| String::from_utf8(bytes).ok())
        }
        ("base64" | "urlbase64", true) => {
            let mut out = String::new();
            for chunk in text.as_bytes().chunks(3) {
                let bits = chunk
                    .iter()
                    .enumerate()
                    .fold(0u32, |bits, (place, byte)| bits | u32::from(*byte) << (16 - 8 * place));
                for place in 0..4 {
                    let digit = STANDARD.get((bits >> (18 - 6 * place) & 63) as usize).copied().unwrap_or(b'A');
                    out.push(match digit {
                        _ if place > chunk.len() => '=',
                        b'+' if is_url => '-',
                        b'/' if is_url => '_',
                        digit => char::from(digit),
                    });
                }
            }
            Some(out)
        }
        ("base64" | "urlbase64", false) => {
            let mut bits = 0u32;
            let mut held = 0;
            let mut bytes = Vec::new();
            for letter in text.trim_end_matches('=').bytes() {
                let plain = match letter {
                    b'-' if is_url => b'+',
                    b'_' if is_url => b'/',
                    other => other,
                };
                let Some(digit) = STANDARD.iter().position(|known| *known == plain) else { return Ok(None) };
                bits = (bits << 6 | u32::try_from(digit).unwrap_or(0)) & 0xffff;
                held += 6;
                if held >= 8 {
                    held -= 8;
                    bytes.push(u8::try_from(bits >> held & 0xff).unwrap_or(0));
                }
            }
            String::from_utf8(bytes).ok()
        }
        _ => return unsupported(format!("encoding {how:?} (hex, base64 and urlbase64 are)")),
    })
}

fn escape(text: &str, escapes: bool, how: &str) -> Result<Option<String>, FhirPathError> {
    Ok(match (how, escapes) {
        ("html", true) => Some(HTML.iter().fold(text.to_owned(), |text, (plain, safe)| text.replace(plain, safe))),
        ("html", false) => {
            Some(HTML.iter().rev().fold(text.to_owned(), |text, (plain, safe)| text.replace(safe, plain)))
        }
        ("json", true) => {
            let mut out = Vec::new();
            json::write_string(text, &mut out);
            let quoted = String::from_utf8(out).unwrap_or_default();
            quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(str::to_owned)
        }
        ("json", false) => {
            let quoted = format!("\"{text}\"");
            json::parse(quoted.as_bytes())
                .ok()
                .and_then(|node| node.as_str().map(str::to_owned))
                .or_else(|| Some(text.to_owned()))
        }
        _ => return unsupported(format!("escaping for {how:?} (html and json are)")),
    })
}
