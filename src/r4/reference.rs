//! Literal references, canonical URLs and ids, taken apart without copying.
//!
//! FHIR R4 references.html#literal, references.html#canonical, datatypes.html#id.

use super::definitions::definitions;

/// What a literal reference points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference<'a> {
    /// `#p1`: a contained resource, without the `#`; empty is the containing resource itself.
    Fragment(&'a str),
    /// `Patient/1` or `Patient/1/_history/2`: relative to the server's own base.
    Local {
        /// A concrete R4 resource type.
        resource_type: &'a str,
        /// The logical id.
        id: &'a str,
        /// The version, if one is named.
        version: Option<&'a str>,
    },
    /// `https://x/fhir/Patient/1`: a resource on a RESTful server, perhaps our own.
    Absolute {
        /// The service base URL without its last slash.
        base: &'a str,
        /// A concrete R4 resource type.
        resource_type: &'a str,
        /// The logical id.
        id: &'a str,
        /// The version, if one is named.
        version: Option<&'a str>,
    },
    /// `urn:uuid:…` or `urn:oid:…`, as written.
    Urn(&'a str),
    /// Anything else: another URL, a conditional reference (`Patient?identifier=…`).
    Other(&'a str),
}

impl<'a> Reference<'a> {
    /// Takes the text of `Reference.reference` apart.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        if let Some(fragment) = text.strip_prefix('#') {
            return Self::Fragment(fragment);
        }
        if text.starts_with("urn:uuid:") || text.starts_with("urn:oid:") {
            return Self::Urn(text);
        }
        let Some(target) = Target::last(text) else { return Self::Other(text) };
        let Target { before, resource_type, id, version } = target;
        if before.is_empty() {
            return Self::Local { resource_type, id, version };
        }
        match before.strip_suffix('/') {
            Some(base) if is_http(base) => Self::Absolute { base, resource_type, id, version },
            _ => Self::Other(text),
        }
    }
}

impl<'a> Reference<'a> {
    /// An absolute reference to the server with this base URL is a local one.
    #[must_use]
    pub fn at_home(self, own_base: Option<&str>) -> Self {
        match self {
            Self::Absolute { base, resource_type, id, version } if Some(base) == own_base => {
                Self::Local { resource_type, id, version }
            }
            other => other,
        }
    }
}

/// `before` ends with a slash or is empty.
struct Target<'a> {
    before: &'a str,
    resource_type: &'a str,
    id: &'a str,
    version: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// The last `Type/id` or `Type/id/_history/version` of a path.
    fn last(text: &'a str) -> Option<Self> {
        let (rest, last) = text.rsplit_once('/')?;
        if !is_id(last) {
            return None;
        }
        let (rest, id, version) = match rest.strip_suffix("/_history") {
            Some(rest) => {
                let (rest, id) = rest.rsplit_once('/')?;
                (rest, id, Some(last))
            }
            None => (rest, last, None),
        };
        let start = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (before, resource_type) = rest.split_at_checked(start)?;
        (is_id(id) && definitions().resource(resource_type).is_some()).then_some(Self {
            before,
            resource_type,
            id,
            version,
        })
    }
}

fn is_http(base: &str) -> bool {
    let host = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.starts_with('/') && !host.contains(['?', '#']))
}

/// A canonical URL as `(url, version, fragment)`: `http://x/V|1.0#a` is `http://x/V`, `1.0`, `a`.
/// An empty version or fragment is none.
#[must_use]
pub fn split_canonical(text: &str) -> (&str, Option<&str>, Option<&str>) {
    let filled = |part: &'_ str| !part.is_empty();
    let (rest, fragment) = match text.split_once('#') {
        Some((rest, fragment)) => (rest, Some(fragment)),
        None => (text, None),
    };
    let (url, version) = match rest.split_once('|') {
        Some((url, version)) => (url, Some(version)),
        None => (rest, None),
    };
    (url, version.filter(|part| filled(part)), fragment.filter(|part| filled(part)))
}

/// Whether `text` can be a logical id: 1 to 64 of `A–Z a–z 0–9 - .`.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_references_are_local() {
        let local = |version| Reference::Local { resource_type: "Patient", id: "1", version };
        assert_eq!(Reference::parse("Patient/1"), local(None));
        assert_eq!(Reference::parse("Patient/1/_history/2"), local(Some("2")));
    }

    #[test]
    fn absolute_references_name_their_base() {
        let absolute =
            |version| Reference::Absolute { base: "https://x/fhir", resource_type: "Patient", id: "1", version };
        assert_eq!(Reference::parse("https://x/fhir/Patient/1"), absolute(None));
        assert_eq!(Reference::parse("https://x/fhir/Patient/1/_history/2"), absolute(Some("2")));
    }

    #[test]
    fn fragments_and_urns_are_kept_apart() {
        assert_eq!(Reference::parse("#p1"), Reference::Fragment("p1"));
        assert_eq!(Reference::parse("#"), Reference::Fragment(""));
        for urn in ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "urn:oid:1.2.3"] {
            assert_eq!(Reference::parse(urn), Reference::Urn(urn));
        }
    }

    #[test]
    fn what_names_no_resource_is_other() {
        for text in [
            "",
            "Patient",
            "Patient/",
            "Patient/a b",
            "patient/1",
            "Foo/1",
            "Resource/1",
            "/Patient/1",
            "x/Patient/1",
            "https:///Patient/1",
            "http://example.org/ValueSet",
            "Patient?identifier=a|b",
            "urn:iso:1",
            "患者/1",
        ] {
            assert_eq!(Reference::parse(text), Reference::Other(text));
        }
    }

    #[test]
    fn canonicals_split_into_url_version_and_fragment() {
        assert_eq!(split_canonical("http://x/V|1.0#a"), ("http://x/V", Some("1.0"), Some("a")));
        assert_eq!(split_canonical("http://x/V"), ("http://x/V", None, None));
        assert_eq!(split_canonical("http://x/V|"), ("http://x/V", None, None));
        assert_eq!(split_canonical("#a"), ("", None, Some("a")));
    }

    #[test]
    fn ids_have_64_characters_at_most() {
        assert!(is_id("a-1.B") && is_id(&"a".repeat(64)));
        assert!(!is_id("") && !is_id(&"a".repeat(65)) && !is_id("a_b") && !is_id("患"));
    }
}
