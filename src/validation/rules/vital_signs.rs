//! Observations that are vital signs by their code conform to the profile of that vital sign.
//!
//! FHIR R4 observation-vitalsigns.html: whoever records one of these as an Observation is required to use
//! its profile, which the LOINC code that is always present ("magic") tells.

use crate::format::json::Node;

const LOINC: &str = "http://loinc.org";

/// The codes of R4's table of vital signs, with their profiles.
pub(crate) const PROFILES: &[(&str, &str)] = &[
    ("85353-1", "http://hl7.org/fhir/StructureDefinition/vitalspanel"),
    ("9279-1", "http://hl7.org/fhir/StructureDefinition/resprate"),
    ("8867-4", "http://hl7.org/fhir/StructureDefinition/heartrate"),
    ("2708-6", "http://hl7.org/fhir/StructureDefinition/oxygensat"),
    ("8310-5", "http://hl7.org/fhir/StructureDefinition/bodytemp"),
    ("8302-2", "http://hl7.org/fhir/StructureDefinition/bodyheight"),
    ("9843-4", "http://hl7.org/fhir/StructureDefinition/headcircum"),
    ("29463-7", "http://hl7.org/fhir/StructureDefinition/bodyweight"),
    ("39156-5", "http://hl7.org/fhir/StructureDefinition/bmi"),
    ("85354-9", "http://hl7.org/fhir/StructureDefinition/bp"),
];

/// The profile that the code of a resource asks for.
pub(crate) fn profile(resource: &Node<'_>) -> Option<&'static str> {
    if resource.text("resourceType") != Some("Observation") {
        return None;
    }
    let codings = resource.get("code").map_or(&[][..], |code| code.list("coding"));
    let mut codes = codings.iter().filter(|coding| coding.text("system") == Some(LOINC));
    codes.find_map(|coding| {
        let code = coding.text("code")?;
        PROFILES.iter().find(|(magic, _)| *magic == code).map(|(_, profile)| *profile)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;
    use crate::r4::canonical::{Canonicals, standard};

    #[test]
    fn the_code_tells_the_profile() {
        let of = |kind: &str, system: &str, code: &str| {
            let text = format!(
                r#"{{"resourceType":"{kind}","code":{{"coding":[{{"code":"x"}},{{"system":"{system}","code":"{code}"}}]}}}}"#
            );
            profile(&json::parse(text.as_bytes()).unwrap())
        };
        let weight = Some("http://hl7.org/fhir/StructureDefinition/bodyweight");
        assert_eq!(of("Observation", LOINC, "29463-7"), weight);
        assert_eq!(of("Observation", "http://example.org", "29463-7"), None);
        assert_eq!(of("Observation", LOINC, "718-7"), None);
        assert_eq!(of("Condition", LOINC, "29463-7"), None);
    }

    #[test]
    fn the_standard_defines_the_profiles() {
        for (_, url) in PROFILES {
            assert!(standard().find("StructureDefinition", url, None).is_some(), "{url}");
        }
    }
}
