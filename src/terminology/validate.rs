//! Is this code right? Codings and CodeableConcepts against value sets and code systems (FHIR R4
//! valueset-operation-validate-code.html, codesystem-operation-validate-code.html).

use std::sync::Arc;

use super::concept::{CodeSystem, Concept, Designation, choose_display};
use super::value_set::{Ask, Membership, STEPS, ValueSet};
use super::{TermError, Terminology};
use crate::format::fold::fold;
use crate::format::json::Node;

/// Most codings of one CodeableConcept that are looked at.
const MAX_CODINGS: usize = 1_000;

/// The answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is right.
    Valid,
    /// It is wrong.
    Invalid,
    /// That cannot be told here: something it depends on is missing.
    Unknown,
}

/// A code with where it comes from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Coding<'a> {
    /// The code system; absent for a value of type `code`, where the value set says it.
    pub system: Option<&'a str>,
    /// Version of the code system.
    pub version: Option<&'a str>,
    /// The code.
    pub code: Option<&'a str>,
    /// The text that came with it.
    pub display: Option<&'a str>,
}

impl<'a> Coding<'a> {
    /// A Coding as FHIR writes it.
    #[must_use]
    pub fn read(node: &'a Node<'_>) -> Self {
        Self {
            system: node.text("system"),
            version: node.text("version"),
            code: node.text("code"),
            display: node.text("display"),
        }
    }

    fn label(&self) -> String {
        match self.system {
            Some(system) => format!("{system}#{}", self.code.unwrap_or_default()),
            None => format!("{:?}", self.code.unwrap_or_default()),
        }
    }
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// In one word.
    pub verdict: Verdict,
    /// What is wrong or unknown.
    pub message: Option<String>,
    /// What deserves attention although the code is right: another display, an inactive concept.
    pub warnings: Vec<String>,
    /// The text for the concept, in the language that was asked for.
    pub display: Option<String>,
    /// The text that came with the code is none of the concept.
    pub display_differs: bool,
    /// The system found for a code that came without.
    pub system: Option<String>,
    /// The concept groups others and is not to be chosen.
    pub is_abstract: bool,
}

impl Outcome {
    fn new(verdict: Verdict, message: Option<String>) -> Self {
        Self {
            verdict,
            message,
            warnings: Vec::new(),
            display: None,
            display_differs: false,
            system: None,
            is_abstract: false,
        }
    }

    fn unknown(message: impl Into<String>) -> Self {
        Self::new(Verdict::Unknown, Some(message.into()))
    }

    /// Wrong, and why.
    #[must_use]
    pub fn wrong(message: impl Into<String>) -> Self {
        Self::invalid(message)
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(Verdict::Invalid, Some(message.into()))
    }

    /// Whether it is right.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.verdict == Verdict::Valid
    }
}

/// A concept with all that is known of its texts.
struct Texts<'a> {
    concept: Option<Arc<Concept>>,
    language: Option<&'a str>,
    display: Option<&'a str>,
    designations: &'a [Designation],
}

impl Texts<'_> {
    fn shown(&self, languages: &[String]) -> Option<String> {
        let own = choose_display(None, None, self.designations, languages);
        let of_system = || {
            self.concept.as_ref().and_then(|concept| concept.display_in(languages, self.language)).map(str::to_owned)
        };
        own.map(str::to_owned)
            .or_else(|| self.display.filter(|_| languages.is_empty()).map(str::to_owned))
            .or_else(of_system)
            .or_else(|| self.display.map(str::to_owned))
    }

    /// Whether a text is one of the concept's, in any language; case, width and spaces do not count.
    fn has(&self, text: &str) -> bool {
        let wanted = fold(text);
        let own = self.display.into_iter().chain(self.designations.iter().map(|one| one.value.as_str()));
        let of_system = self.concept.iter().flat_map(|concept| concept.displays(None));
        own.chain(of_system).any(|known| fold(known) == wanted)
    }

    fn is_known(&self) -> bool {
        self.display.is_some() || self.concept.as_ref().is_some_and(|concept| concept.display.is_some())
    }
}

impl Terminology {
    /// Whether a code is in the value set with this canonical.
    #[must_use]
    pub fn validate_code(&self, value_set: &str, coding: &Coding<'_>, languages: &[String]) -> Outcome {
        match self.value_set(value_set) {
            Ok(set) => self.validate_in(&set, coding, languages),
            Err(error) => Outcome::unknown(error.to_string()),
        }
    }

    /// Whether a code is in a value set.
    #[must_use]
    pub fn validate_in(&self, set: &ValueSet, coding: &Coding<'_>, languages: &[String]) -> Outcome {
        let Some(code) = coding.code else { return Outcome::invalid("there is no code") };
        let Some(system) = coding.system else { return self.validate_without_system(set, coding, code, languages) };
        let system = self.preferred(system);
        let membership = set.member(Ask { system: &system, version: coding.version, code }, &mut { STEPS });
        match membership {
            Membership::Member => self.described(set, &system, coding, code, languages),
            Membership::Unknown(why) => {
                let label = set.label();
                Outcome::unknown(format!("whether {} is in {label} cannot be told: {why}", coding.label()))
            }
            Membership::NotMember => {
                let mut outcome =
                    Outcome::invalid(format!("{} is not in the value set {}", coding.label(), set.label()));
                if let Some(known) = self.code_system(&system, None)
                    && known.absent_is_wrong(code)
                    && matches!(known.contains(code), Ok(false))
                {
                    outcome.message = Some(format!(
                        "{:?} is no code of the code system {}, and not in the value set {}",
                        code,
                        known.header().canonical(),
                        set.label()
                    ));
                }
                outcome
            }
        }
    }

    /// A value of type `code`: the value set says of which systems it may be.
    fn validate_without_system(
        &self,
        set: &ValueSet,
        coding: &Coding<'_>,
        code: &str,
        languages: &[String],
    ) -> Outcome {
        let mut unknown = None;
        let mut steps = STEPS;
        for system in set.systems() {
            match set.member(Ask { system, version: coding.version, code }, &mut steps) {
                Membership::Member => {
                    return Outcome {
                        system: Some(system.clone()),
                        ..self.described(set, system, coding, code, languages)
                    };
                }
                Membership::Unknown(why) => unknown = unknown.or(Some(why)),
                Membership::NotMember => {}
            }
        }
        // A value set that imports what is not here has systems nobody knows.
        let missing = set.include.iter().flat_map(|clause| &clause.value_sets).find_map(|set| set.as_ref().err());
        match unknown.as_ref().or(missing) {
            Some(why) => Outcome::unknown(format!("whether {code:?} is in {} cannot be told: {why}", set.label())),
            None => Outcome::invalid(format!("{code:?} is not in the value set {}", set.label())),
        }
    }

    /// A member, with its display and what deserves attention.
    fn described(
        &self,
        set: &ValueSet,
        system: &str,
        coding: &Coding<'_>,
        code: &str,
        languages: &[String],
    ) -> Outcome {
        let known = self.code_system(system, coding.version).or_else(|| self.code_system(system, None));
        let listed = set.listed(system, code);
        let texts = Texts {
            concept: known.as_ref().and_then(|known| known.find(code).ok().flatten()),
            language: known.as_ref().and_then(|known| known.header().language.as_deref()),
            display: listed.and_then(|listed| listed.display.as_deref()),
            designations: listed.map_or(&[], |listed| listed.designations.as_slice()),
        };
        describe(&texts, coding, code, languages)
    }

    /// Whether a code is one of its code system (or of `system` when that is given).
    #[must_use]
    pub fn validate_in_system(&self, system: &dyn CodeSystem, coding: &Coding<'_>, languages: &[String]) -> Outcome {
        let Some(code) = coding.code else { return Outcome::invalid("there is no code") };
        let header = system.header();
        match system.find(code) {
            Ok(Some(concept)) => {
                let texts = Texts {
                    concept: Some(concept),
                    language: header.language.as_deref(),
                    display: None,
                    designations: &[],
                };
                describe(&texts, coding, code, languages)
            }
            Ok(None) if system.absent_is_wrong(code) => {
                Outcome::invalid(format!("{code:?} is no code of the code system {}", header.canonical()))
            }
            Ok(None) => Outcome::unknown(format!(
                "{code:?} is not among what is here of the code system {}, which is not all",
                header.canonical()
            )),
            Err(unavailable) => Outcome::unknown(unavailable.0),
        }
    }

    /// Whether a Coding is right by its own code system.
    #[must_use]
    pub fn validate_coding(&self, coding: &Coding<'_>, languages: &[String]) -> Outcome {
        let Some(system) = coding.system else { return Outcome::unknown("there is no code system to look in") };
        match self.code_system(system, coding.version).or_else(|| self.code_system(system, None)) {
            Some(known) => {
                let outcome = self.validate_in_system(known.as_ref(), coding, languages);
                let other_version = coding
                    .version
                    .is_some_and(|asked| known.header().version.as_deref().is_some_and(|version| version != asked));
                if other_version && outcome.verdict == Verdict::Invalid {
                    return Outcome::unknown(format!(
                        "the code system {system} version {} is not here",
                        coding.version.unwrap_or_default()
                    ));
                }
                outcome
            }
            None => Outcome::unknown(format!("the code system {system} is not here")),
        }
    }

    /// Whether one of the codings of a CodeableConcept is in a value set.
    #[must_use]
    pub fn validate_concept(&self, set: &ValueSet, concept: &Node<'_>, languages: &[String]) -> Outcome {
        let codings = concept.list("coding");
        if codings.is_empty() {
            return Outcome::invalid("the CodeableConcept has no coding");
        }
        let (mut unknown, mut invalid): (Option<Outcome>, Vec<String>) = (None, Vec::new());
        for coding in codings.iter().take(MAX_CODINGS) {
            let outcome = self.validate_in(set, &Coding::read(coding), languages);
            match outcome.verdict {
                Verdict::Valid => return outcome,
                Verdict::Unknown => unknown = unknown.or(Some(outcome)),
                Verdict::Invalid => invalid.extend(outcome.message),
            }
        }
        unknown.unwrap_or_else(|| Outcome::invalid(invalid.join("; ")))
    }

    /// How two codes of a system stand to each other (FHIR R4 codesystem-operation-subsumes.html):
    /// `equivalent`, `subsumes`, `subsumed-by` or `not-subsumed`.
    ///
    /// # Errors
    /// When a code is none of the system, or the system has no subsumption.
    pub fn subsumes(&self, system: &dyn CodeSystem, a: &str, b: &str) -> Result<&'static str, TermError> {
        let header = system.header();
        if let super::Hierarchy::Other(meaning) = &header.hierarchy {
            return Err(TermError::NotSupported(format!(
                "the hierarchy of {} means {meaning}, which is not subsumption",
                header.canonical()
            )));
        }
        let find = |code: &str| match system.find(code)? {
            Some(concept) => Ok(concept),
            None => Err(TermError::NotFound(format!("{code:?} is no known code of {}", header.canonical()))),
        };
        let (a, b) = (find(a)?, find(b)?);
        Ok(if a.code == b.code {
            "equivalent"
        } else if system.is_below(&b.code, &a.code)? {
            "subsumes"
        } else if system.is_below(&a.code, &b.code)? {
            "subsumed-by"
        } else {
            "not-subsumed"
        })
    }
}

fn describe(texts: &Texts<'_>, coding: &Coding<'_>, code: &str, languages: &[String]) -> Outcome {
    let mut outcome = Outcome::new(Verdict::Valid, None);
    outcome.display = texts.shown(languages);
    if let Some(given) = coding.display
        && texts.is_known()
        && !texts.has(given)
    {
        outcome.display_differs = true;
        let shown = outcome.display.as_deref().unwrap_or_default();
        outcome.warnings.push(format!("the display {given:?} is none of the concept {code:?}; it is called {shown:?}"));
    }
    if let Some(concept) = &texts.concept {
        if concept.code != code {
            outcome.warnings.push(format!("the code system writes this code {:?}", concept.code));
        }
        if concept.is_inactive {
            outcome.warnings.push(format!("the concept {code:?} is inactive"));
        } else if concept.is_deprecated {
            outcome.warnings.push(format!("the concept {code:?} is deprecated"));
        }
        if concept.is_abstract {
            outcome.is_abstract = true;
            outcome
                .warnings
                .push(format!("the concept {code:?} is abstract: it groups others and is not to be chosen"));
        }
    }
    outcome
}
