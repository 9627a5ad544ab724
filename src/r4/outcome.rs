//! What every floor says when something is wrong or worth telling: issues of an `OperationOutcome`.

use crate::format::json::Node;

/// How bad an issue is (`http://hl7.org/fhir/issue-severity`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The action failed.
    Error,
    /// Done, but something deserves attention.
    Warning,
    /// For information.
    Information,
}

impl Severity {
    /// The code of the standard.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Information => "information",
        }
    }
}

/// What kind of issue (`http://hl7.org/fhir/issue-type`); those we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum IssueCode {
    Invalid,
    Structure,
    Required,
    Value,
    Invariant,
    Processing,
    NotSupported,
    Duplicate,
    MultipleMatches,
    NotFound,
    Deleted,
    TooLong,
    TooCostly,
    CodeInvalid,
    Conflict,
    Incomplete,
    BusinessRule,
    Throttled,
    Transient,
    NoStore,
    Security,
    Login,
    Expired,
    Forbidden,
    Timeout,
    Exception,
    Informational,
}

impl IssueCode {
    /// The code of the standard.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Structure => "structure",
            Self::Required => "required",
            Self::Value => "value",
            Self::Invariant => "invariant",
            Self::Processing => "processing",
            Self::NotSupported => "not-supported",
            Self::Duplicate => "duplicate",
            Self::MultipleMatches => "multiple-matches",
            Self::NotFound => "not-found",
            Self::Deleted => "deleted",
            Self::TooLong => "too-long",
            Self::TooCostly => "too-costly",
            Self::CodeInvalid => "code-invalid",
            Self::Conflict => "conflict",
            Self::Incomplete => "incomplete",
            Self::BusinessRule => "business-rule",
            Self::Throttled => "throttled",
            Self::Transient => "transient",
            Self::NoStore => "no-store",
            Self::Security => "security",
            Self::Login => "login",
            Self::Expired => "expired",
            Self::Forbidden => "forbidden",
            Self::Timeout => "timeout",
            Self::Exception => "exception",
            Self::Informational => "informational",
        }
    }
}

/// One issue of an `OperationOutcome`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// How bad.
    pub severity: Severity,
    /// What kind.
    pub code: IssueCode,
    /// What was wrong and what would be right.
    pub diagnostics: String,
    /// Where, as a simple FHIRPath (`Patient.name[0].given[1]`), when there is a place.
    pub expression: Option<String>,
}

impl Issue {
    /// An error without a place.
    #[must_use]
    pub fn error(code: IssueCode, diagnostics: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, diagnostics: diagnostics.into(), expression: None }
    }

    /// A warning without a place.
    #[must_use]
    pub fn warning(code: IssueCode, diagnostics: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, code, diagnostics: diagnostics.into(), expression: None }
    }

    /// Something to know.
    #[must_use]
    pub fn information(diagnostics: impl Into<String>) -> Self {
        Self {
            severity: Severity::Information,
            code: IssueCode::Informational,
            diagnostics: diagnostics.into(),
            expression: None,
        }
    }

    /// The same issue with its place.
    #[must_use]
    pub fn at(mut self, expression: impl Into<String>) -> Self {
        self.expression = Some(expression.into());
        self
    }
}

/// An `OperationOutcome` resource from issues; an empty list becomes "all ok".
#[must_use]
pub fn operation_outcome(issues: &[Issue]) -> Node<'static> {
    let fine = [Issue::information("all ok")];
    let issues = if issues.is_empty() { &fine } else { issues };
    let issue = issues.iter().map(|issue| {
        let mut members = vec![
            ("severity", Node::string(issue.severity.code())),
            ("code", Node::string(issue.code.code())),
            ("diagnostics", Node::string(issue.diagnostics.clone())),
        ];
        if let Some(expression) = &issue.expression {
            members.push(("expression", Node::Array(vec![Node::string(expression.clone())])));
        }
        Node::object(members)
    });
    Node::object([("resourceType", Node::string("OperationOutcome")), ("issue", Node::Array(issue.collect()))])
}
