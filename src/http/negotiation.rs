//! Which representation an answer has (FHIR R4 http.html#mime-type): Accept and `_format`.

use crate::engine::Rejection;
use crate::r4::outcome::IssueCode;

/// How a resource is represented, with the name the client knows it by (FHIR R4 http.html#mime-type).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Format {
    #[default]
    FhirJson,
    Json,
    FhirXml,
    Xml,
    TextXml,
    /// Bundles as one resource a line.
    Ndjson,
    /// A person at a browser: indented JSON, which becomes a page (`page`).
    Browser,
}

impl Format {
    /// All of them; of equally wanted ones the first is served.
    const ALL: [Self; 7] =
        [Self::FhirJson, Self::Json, Self::Browser, Self::FhirXml, Self::Xml, Self::TextXml, Self::Ndjson];

    const fn media(self) -> &'static str {
        match self {
            Self::FhirJson => "application/fhir+json",
            Self::Json => "application/json",
            Self::FhirXml => "application/fhir+xml",
            Self::Xml => "application/xml",
            Self::TextXml => "text/xml",
            Self::Ndjson => "application/fhir+ndjson",
            Self::Browser => "text/html",
        }
    }

    /// The value of Content-Type.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::FhirJson => "application/fhir+json; charset=utf-8",
            Self::Json | Self::Browser => "application/json; charset=utf-8",
            Self::Ndjson => "application/fhir+ndjson; charset=utf-8",
            Self::FhirXml => "application/fhir+xml; charset=utf-8",
            Self::Xml => "application/xml; charset=utf-8",
            Self::TextXml => "text/xml; charset=utf-8",
        }
    }

    pub(super) const fn is_xml(self) -> bool {
        matches!(self, Self::FhirXml | Self::Xml | Self::TextXml)
    }

    pub(super) const fn is_json(self) -> bool {
        matches!(self, Self::FhirJson | Self::Json | Self::Browser)
    }

    /// How closely a media range of Accept names this format: 3 exactly, 0 not at all.
    fn closeness(self, range: &str) -> u8 {
        let media = self.media();
        match range {
            "*/*" | "" if !matches!(self, Self::Ndjson | Self::Browser) => 1,
            _ if range == media => 3,
            "application/json+fhir" if self == Self::FhirJson => 3,
            "application/xml+fhir" if self == Self::FhirXml => 3,
            "application/ndjson" | "application/x-ndjson" if self == Self::Ndjson => 3,
            "application/xhtml+xml" if self == Self::Browser => 3,
            // Nobody means these by a range.
            _ if matches!(self, Self::Ndjson | Self::Browser) => 0,
            _ => match (range.strip_suffix("/*"), media.split_once('/')) {
                (Some(wanted), Some((main, _))) if wanted == main => 2,
                _ => 0,
            },
        }
    }

    /// The format a short name or media type of `_format` stands for; what names a subtype of
    /// JSON or XML gets the one of FHIR.
    fn of_parameter(media: &str) -> Option<&'static str> {
        // "_format=application/fhir+json" arrives with a blank when "+" is not encoded.
        match media {
            "json" | "text/json" | "application/json" | "application/fhir json" | "application/json fhir" => {
                Some("application/fhir+json")
            }
            "xml" | "text/xml" | "application/xml" | "application/fhir xml" | "application/xml fhir" => {
                Some("application/fhir+xml")
            }
            "ndjson" | "application/ndjson" | "application/x-ndjson" | "application/fhir ndjson" => {
                Some("application/fhir+ndjson")
            }
            "html" => Some("text/html"),
            _ => None,
        }
    }
}

/// The quality of a media range in thousandths (RFC 9110 section 12.4.2).
pub(super) fn quality(text: &str) -> u16 {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        None if text == "0" => 0,
        Some(("0", fraction)) if fraction.len() <= 3 && digits(fraction) => {
            format!("{fraction:0<3}").parse().unwrap_or(1000)
        }
        _ => 1000,
    }
}

/// FHIR R4 http.html#mime-type: JSON and XML in version 4.0 is what there is; anything else is
/// 406. Each format has the quality of the range that names it most closely; JSON wins ties.
pub(super) fn accepted(accept: &str, is_parameter: bool) -> Result<Format, Rejection> {
    // What nearly every client sends.
    if matches!(accept, "*/*" | "application/fhir+json") {
        return Ok(Format::FhirJson);
    }
    let mut version_wrong = false;
    let mut found = [(0_u8, 0_u16); Format::ALL.len()];
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let media = if is_parameter { Format::of_parameter(&media).unwrap_or(&media) } else { &media };
        let mut wanted = 1000;
        let mut is_other_version = false;
        for parameter in parts {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "fhirversion" => is_other_version |= !matches!(value, "4.0" | "4.0.1" | "R4"),
                "q" => wanted = quality(value),
                _ => {}
            }
        }
        if is_other_version {
            version_wrong = true;
            continue;
        }
        for (format, best) in Format::ALL.into_iter().zip(&mut found) {
            let closeness = format.closeness(media);
            if closeness > best.0 || (closeness == best.0 && closeness > 0 && wanted > best.1) {
                *best = (closeness, wanted);
            }
        }
    }
    let mut best = None;
    for (format, (_, wanted)) in Format::ALL.into_iter().zip(found) {
        if wanted > best.map_or(0, |(_, most)| most) {
            best = Some((format, wanted));
        }
    }
    if let Some((format, _)) = best {
        return Ok(format);
    }
    let why = if version_wrong {
        "this server speaks FHIR 4.0 (4.0.1) only"
    } else {
        "this server answers in application/fhir+json, application/fhir+xml and, for Bundles, application/fhir+ndjson"
    };
    Err(Rejection::new(406, IssueCode::NotSupported, format!("{accept:?} cannot be served; {why}")))
}

/// Whether a media type is one of XML's.
pub(super) fn is_xml(media: &str) -> bool {
    ["application/fhir+xml", "application/xml", "text/xml", "application/xml+fhir"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(media))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Option<Format> {
        accepted(accept, false).ok()
    }

    /// RFC 9110 section 12.5.1: the range that is closest decides; JSON wins ties.
    #[test]
    fn the_best_quality_is_served() {
        use Format::{Browser, FhirJson, FhirXml, Json, Ndjson, TextXml, Xml};
        for (accept, format) in [
            ("*/*", Some(FhirJson)),
            ("", Some(FhirJson)),
            ("application/fhir+xml, application/fhir+json", Some(FhirJson)),
            ("application/fhir+xml, */*", Some(FhirJson)),
            ("application/fhir+xml, */*;q=0.8", Some(FhirXml)),
            ("application/fhir+xml;q=0.9, application/fhir+json;q=0.95", Some(FhirJson)),
            ("Application/FHIR+XML; Q=1.0", Some(FhirXml)),
            ("application/xml+fhir", Some(FhirXml)),
            ("application/xml", Some(Xml)),
            ("text/*", Some(TextXml)),
            ("application/json", Some(Json)),
            ("application/fhir+json;q=0, application/*;q=0.2", Some(Json)),
            ("application/fhir+json;q=0", None),
            ("*/*;q=0.000", None),
            ("application/fhir+xml; fhirVersion=5.0, application/fhir+json;q=0.1", Some(FhirJson)),
            ("application/fhir+xml; fhirVersion=\"4.0\"", Some(FhirXml)),
            ("text/turtle", None),
            ("application/x-ndjson", Some(Ndjson)),
            ("application/fhir+ndjson;q=0.5, application/fhir+json;q=0.4", Some(Ndjson)),
            // What browsers send.
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", Some(Browser)),
        ] {
            assert_eq!(chosen(accept), format, "{accept}");
        }
    }

    #[test]
    fn short_names_are_for_the_parameter() {
        assert_eq!(accepted("xml", true).ok(), Some(Format::FhirXml));
        assert_eq!(accepted("text/xml", true).ok(), Some(Format::FhirXml));
        assert_eq!(accepted("application/fhir xml", true).ok(), Some(Format::FhirXml));
        assert_eq!(accepted("json", true).ok(), Some(Format::FhirJson));
        assert_eq!(chosen("xml"), None);
        assert!(accepted("ttl", true).is_err());
    }
}
