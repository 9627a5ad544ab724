//! Regular expressions of `matches()` and its kin. Matching takes time linear in the text and the size
//! of a pattern is bounded, so that a hostile one does no harm; look-around and back references cannot
//! be had on these terms and are unsupported.

use regex::{Regex, RegexBuilder};

use crate::fhirpath::FhirPathError;

/// A pattern that has to match a whole text.
#[derive(Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is no regular expression, too large, or cannot be matched in linear time.
    pub fn new(text: &str) -> Result<Self, FhirPathError> {
        regex(text, "", true).map(Self)
    }

    /// Whether the pattern matches the whole text, paid for from a budget of steps.
    ///
    /// # Errors
    /// [`FhirPathError::TooCostly`] when the budget is spent.
    pub fn covers(&self, text: &str, budget: &mut usize) -> Result<bool, FhirPathError> {
        *budget = budget.checked_sub(1 + text.len() / 8).ok_or(FhirPathError::TooCostly)?;
        Ok(self.0.is_match(text))
    }
}

/// A regular expression in the sense of N1: `.` takes line ends too. Matching takes linear time;
/// its size is bounded. Look-around and back references cannot be had on these terms.
pub(super) fn regex(pattern: &str, flags: &str, whole: bool) -> Result<Regex, FhirPathError> {
    let anchored = if whole { format!("\\A(?:{pattern})\\z") } else { pattern.to_owned() };
    // Escapes that the library refuses and others take as the letter itself (`\/`, `\'`, `\"`).
    let mut readable = String::with_capacity(anchored.len());
    let mut letters = anchored.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\' {
            match letters.next() {
                Some(plain @ ('/' | '\'' | '"' | '@' | ',' | ':' | ';' | '=' | '!' | '%' | '`' | '_' | ' ')) => {
                    readable.push(plain);
                }
                Some(other) => {
                    readable.push('\\');
                    readable.push(other);
                }
                None => readable.push('\\'),
            }
        } else {
            readable.push(letter);
        }
    }
    RegexBuilder::new(&readable)
        .dot_matches_new_line(true)
        .case_insensitive(flags.contains('i'))
        .multi_line(flags.contains('m'))
        .size_limit(1 << 19)
        .dfa_size_limit(1 << 20)
        .nest_limit(60)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => FhirPathError::TooCostly,
            _ if ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|look| pattern.contains(look)) => {
                FhirPathError::Unsupported("regular expression with look-around".to_owned())
            }
            other => {
                let text = other.to_string();
                let last = text.lines().last().unwrap_or_default();
                FhirPathError::Invalid(format!("the regular expression cannot be read: {last}"))
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(pattern: &str, text: &str) -> bool {
        regex(pattern, "", false).unwrap().is_match(text)
    }

    #[test]
    fn patterns_of_the_standard_match() {
        assert!(finds("^[A-Za-z0-9\\-\\.]{1,64}$", "a-b.9") && !finds("^[A-Za-z0-9\\-\\.]{1,64}$", "a b"));
        assert!(finds("^[^\\s]+(\\s[^\\s]+)*$", "two words") && !finds("^[^\\s]+(\\s[^\\s]+)*$", "two  words"));
        assert!(finds("(a|b)+?c", "xabc") && finds("\\bword\\b", "a word") && !finds("\\d{3}", "12"));
        assert!(finds("[\\S]", "x") && !finds("[\\S]", " ") && finds("^(a*)*$", "aaa") && finds("", "x"));
        assert!(finds("^https?:\\/\\/a", "http://a") && finds("a.b", "a\nb"));
    }

    #[test]
    fn hostile_patterns_end_in_an_error() {
        let deep = "(".repeat(100) + &")".repeat(100);
        for pattern in [deep.as_str(), "(a{1000}){1000}", "(?=a)", "(a)\\1", "[a", "*"] {
            assert!(regex(pattern, "", false).is_err(), "{pattern}");
        }
        assert!(!finds("^(a+)+b$", &"a".repeat(10_000)));
        assert!(Pattern::new("a").unwrap().covers(&"a".repeat(1000), &mut 10).is_err());
    }
}
