//! Names of code systems that are nearly right: a name space that R4 lists completely, `https` for `http`,
//! more or less than the name itself.
//!
//! FHIR R4 terminologies-systems.html: "these URIs SHALL be used".

use super::remark::Remark;
use crate::r4::outcome::IssueCode;
use crate::validation::validator::Run;

/// Systems of which nobody may say more or less than the name: versions and editions stand elsewhere.
const EXACT: &[&str] = &[
    "http://snomed.info/sct",
    "http://loinc.org",
    "http://unitsofmeasure.org",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
];

/// What is wrong with the system of a Coding.
pub(super) fn check(run: &Run<'_, '_>, system: &str) -> Option<Remark> {
    let is_known = |url: &str| run.validator.source().find("CodeSystem", url, None).is_some();
    let remark = |message| Remark::error(IssueCode::CodeInvalid, message, ".system").with(system);
    if is_unknown_core(run, system) {
        return Some(remark("system-unknown-core"));
    }
    let bare = system.strip_prefix("https://").or_else(|| system.strip_prefix("http://"))?;
    // Drafts are published there, under the names of the standard.
    if bare.starts_with("build.fhir.org") {
        return Some(remark("system-unknown-core"));
    }
    let in_core = bare.strip_prefix("www.").unwrap_or(bare).starts_with("hl7.org/fhir/");
    if in_core && !system.starts_with("http://hl7.org/") {
        let right = format!("http://{}", bare.strip_prefix("www.").unwrap_or(bare));
        return (!is_known(system)).then(|| remark("system-misspelt").with(right));
    }
    if let Some(exact) = EXACT.iter().find(|exact| system.starts_with(**exact) && system != **exact) {
        return Some(remark("system-misspelt").with(*exact));
    }
    if system.starts_with("https://") {
        let right = format!("http://{bare}");
        if (EXACT.contains(&right.as_str()) || is_known(&right)) && !is_known(system) {
            return Some(remark("system-misspelt").with(right));
        }
    }
    None
}

/// Whether a system stands in HL7's name space for FHIR itself, which R4 lists completely, and is not there.
/// Names of guides have more parts (`http://hl7.org/fhir/us/…`), `sid` and `test` their own.
fn is_unknown_core(run: &Run<'_, '_>, system: &str) -> bool {
    let Some(name) = system.strip_prefix("http://hl7.org/fhir/") else { return false };
    !name.is_empty()
        && !name.contains('/')
        && run.validator.source().find("CodeSystem", system, None).is_none()
        && run.validator.source().find("ValueSet", system, None).is_none()
}
