//! Terminology as FHIRPath asks for it: `memberOf()`, `subsumes()`, `subsumedBy()`.

use super::{Coding, Terminology, Verdict};
use crate::fhirpath;

impl fhirpath::Terminology for Terminology {
    fn member_of(&self, value_set: &str, code: fhirpath::Code<'_>) -> Option<bool> {
        let coding = Coding { system: code.system, version: code.version, code: Some(code.code), display: None };
        match self.validate_code(value_set, &coding, &[]).verdict {
            Verdict::Valid => Some(true),
            Verdict::Invalid => Some(false),
            Verdict::Unknown => None,
        }
    }

    fn subsumes(&self, system: &str, general: &str, special: &str) -> Option<bool> {
        let known = self.code_system(system, None)?;
        let outcome = Self::subsumes(self, known.as_ref(), general, special).ok()?;
        Some(matches!(outcome, "subsumes" | "equivalent"))
    }
}
