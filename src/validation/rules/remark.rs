//! What a room found: the id of a message with its parameters, and where below the element that was
//! looked at. The caller knows where that element is, and puts it into words.

use crate::r4::outcome::{IssueCode, Severity};

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remark {
    /// How bad.
    pub severity: Severity,
    /// What kind.
    pub code: IssueCode,
    /// The id of the message.
    pub message: &'static str,
    /// What is put into the message.
    pub parameters: Vec<String>,
    /// The way from the element to the place, `.item[0].answer[1]`; empty for the element itself.
    pub path: String,
}

impl Remark {
    /// An error.
    pub(crate) fn error(code: IssueCode, message: &'static str, path: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, message, parameters: Vec::new(), path: path.into() }
    }

    /// A warning.
    pub(crate) fn warning(code: IssueCode, message: &'static str, path: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message, path) }
    }

    /// With one more parameter.
    pub(crate) fn with(mut self, parameter: impl Into<String>) -> Self {
        self.parameters.push(parameter.into());
        self
    }
}
