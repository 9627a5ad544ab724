//! Whom a body names: every Patient that is referred to in it.
//!
//! Found by bytes, not by elements: what leaves is looked at whatever its form, at the speed of memory, and rather
//! too many are named than one too few.

use std::sync::OnceLock;

use memchr::memmem::Finder;

const LONGEST_ID: usize = 64;

/// Calls `found` for each id behind `Patient/` in a body: references, fullUrls, locations.
pub fn citizens_in(body: &[u8], mut found: impl FnMut(&str)) {
    static FINDER: OnceLock<Finder<'static>> = OnceLock::new();
    let finder = FINDER.get_or_init(|| Finder::new(b"Patient/"));
    for at in finder.find_iter(body) {
        let is_whole = at
            .checked_sub(1)
            .and_then(|before| body.get(before))
            .is_none_or(|byte| matches!(byte, b'"' | b'/' | b'\''));
        if !is_whole {
            continue;
        }
        let rest = body.get(at + 8..).unwrap_or_default();
        let length = rest
            .iter()
            .take(LONGEST_ID + 1)
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
            .count();
        if (1..=LONGEST_ID).contains(&length)
            && let Some(Ok(id)) = rest.get(..length).map(std::str::from_utf8)
        {
            found(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(body: &str) -> Vec<String> {
        let mut all = Vec::new();
        citizens_in(body.as_bytes(), |id| all.push(id.to_owned()));
        all
    }

    #[test]
    fn references_full_urls_and_locations_name_citizens() {
        assert_eq!(ids(r#"{"reference":"Patient/a-1"}"#), ["a-1"]);
        assert_eq!(
            ids(r#"{"fullUrl":"https://x.example/fhir/Patient/b.2","location":"Patient/c/_history/3"}"#),
            ["b.2", "c"]
        );
        assert!(ids(r#"{"url":"OutPatient/x","text":"a Patient/y of words","other":"Patient/"}"#).is_empty());
        assert!(ids(&format!(r#""Patient/{}""#, "x".repeat(65))).is_empty());
    }
}
