//! What validation asks of terminology, and [`Terminology`] answering it.

use std::fmt::Debug;

use crate::terminology::{Coding, Outcome, Terminology, Verdict as Answer};

/// A code with what is known of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct CodeRef<'c> {
    /// The code system; `None` for a bare `code`.
    pub system: Option<&'c str>,
    /// Its version.
    pub version: Option<&'c str>,
    /// The code.
    pub code: &'c str,
    /// How it is shown.
    pub display: Option<&'c str>,
}

/// The answer of terminology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Yes,
    /// It is not; why, where there is more to say.
    No(String),
    /// The code is right but its display is not; what would be.
    WrongDisplay(String),
    /// Cannot be said here (an unknown value set or code system); why.
    Unknown(String),
}

/// Terminology, as far as validation needs it.
pub trait CodeChecker: Send + Sync + Debug {
    /// Whether a code is in a value set (a canonical, perhaps with a version).
    fn in_value_set(&self, value_set: &str, code: CodeRef<'_>) -> Verdict;

    /// Whether a code with a system is one of that system.
    fn in_system(&self, code: CodeRef<'_>) -> Verdict;

    /// Whether `general` subsumes `special` or is the same; `None` when it cannot be said.
    fn subsumes(&self, system: &str, general: &str, special: &str) -> Option<bool> {
        let _ = system;
        (general == special).then_some(true)
    }
}

impl From<Outcome> for Verdict {
    fn from(outcome: Outcome) -> Self {
        match outcome.verdict {
            Answer::Valid if outcome.display_differs => Self::WrongDisplay(outcome.display.unwrap_or_default()),
            Answer::Valid => Self::Yes,
            Answer::Invalid => Self::No(outcome.message.unwrap_or_default()),
            Answer::Unknown => Self::Unknown(outcome.message.unwrap_or_default()),
        }
    }
}

impl<'c> From<CodeRef<'c>> for Coding<'c> {
    fn from(code: CodeRef<'c>) -> Self {
        Self { system: code.system, version: code.version, code: Some(code.code), display: code.display }
    }
}

impl CodeChecker for Terminology {
    fn in_value_set(&self, value_set: &str, code: CodeRef<'_>) -> Verdict {
        self.validate_code(value_set, &code.into(), &[]).into()
    }

    fn in_system(&self, code: CodeRef<'_>) -> Verdict {
        self.validate_coding(&code.into(), &[]).into()
    }

    fn subsumes(&self, system: &str, general: &str, special: &str) -> Option<bool> {
        let found = self.code_system(system, None)?;
        let outcome = Self::subsumes(self, found.as_ref(), general, special).ok()?;
        Some(matches!(outcome, "subsumes" | "equivalent"))
    }
}

/// No terminology at all: nothing is known, so nothing is wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTerminology;

impl CodeChecker for NoTerminology {
    fn in_value_set(&self, _: &str, _: CodeRef<'_>) -> Verdict {
        Verdict::Unknown("there is no terminology".to_owned())
    }

    fn in_system(&self, _: CodeRef<'_>) -> Verdict {
        Verdict::Unknown("there is no terminology".to_owned())
    }
}
