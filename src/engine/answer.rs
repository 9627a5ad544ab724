//! What an interaction answers, the same for a request of its own and for an entry of a bundle.

use bytes::Bytes;

use super::single::Searched;
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};
use crate::store::{BlobError, StoreError, Unfinished, Version};

/// A refusal: nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// HTTP status by the rules of FHIR R4 http.html.
    pub status: u16,
    /// What was wrong and what would be right.
    pub issues: Vec<Issue>,
    /// Seconds after which a retry makes sense.
    pub retry_after: Option<u32>,
}

impl Rejection {
    /// A refusal with one issue.
    #[must_use]
    pub fn new(status: u16, code: IssueCode, diagnostics: impl Into<String>) -> Self {
        Self { status, issues: vec![Issue::error(code, diagnostics)], retry_after: None }
    }

    /// 400 with issues.
    #[must_use]
    pub fn bad_request(issues: Vec<Issue>) -> Self {
        Self { status: 400, issues, retry_after: None }
    }

    /// 400 with one issue.
    #[must_use]
    pub fn invalid(diagnostics: impl Into<String>) -> Self {
        Self::new(400, IssueCode::Invalid, diagnostics)
    }

    /// 404 for a resource.
    #[must_use]
    pub fn not_found(type_name: &str, id: &str) -> Self {
        Self::new(404, IssueCode::NotFound, format!("{type_name}/{id} is not known here"))
    }

    /// 410 for a resource.
    #[must_use]
    pub fn gone(type_name: &str, id: &str) -> Self {
        Self::new(410, IssueCode::Deleted, format!("{type_name}/{id} was deleted"))
    }

    /// 412.
    #[must_use]
    pub fn precondition(code: IssueCode, diagnostics: impl Into<String>) -> Self {
        Self::new(412, code, diagnostics)
    }

    /// 500 without details.
    #[must_use]
    pub fn internal(diagnostics: impl Into<String>) -> Self {
        Self::new(500, IssueCode::Exception, diagnostics)
    }

    /// The same refusal with the element it is about.
    #[must_use]
    pub fn at_element(mut self, expression: &str) -> Self {
        self.issues = self.issues.into_iter().map(|issue| issue.at(expression)).collect();
        self
    }

    /// 503 for what took longer than it may.
    #[must_use]
    pub fn too_slow() -> Self {
        Self::new(503, IssueCode::Timeout, "the search took too long; narrow it by further parameters")
    }

    /// The same refusal with its place in a bundle.
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        for issue in &mut self.issues {
            issue.expression = Some(match issue.expression.take() {
                Some(inner) => match inner.split_once('.') {
                    Some((_, rest)) => format!("{place}.resource.{rest}"),
                    None => format!("{place}.resource"),
                },
                None => place.to_owned(),
            });
        }
        self
    }
}

impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self {
                retry_after: Some(1),
                ..Self::new(503, IssueCode::Throttled, "too many writes are waiting; try again in a second")
            },
            StoreError::Unavailable(why) => {
                tracing::error!(%why, "the database cannot be reached");
                Self {
                    retry_after: Some(5),
                    ..Self::new(503, IssueCode::Exception, "the database cannot be reached at the moment")
                }
            }
            StoreError::Audit(why) => {
                tracing::error!(%why, "the audit cannot be written or read");
                let text = "accesses cannot be written down in the audit at the moment, so none is answered";
                Self { retry_after: Some(5), ..Self::new(503, IssueCode::NoStore, text) }
            }
            StoreError::Timeout => Self::too_slow(),
            StoreError::Cursor => {
                Self::invalid("_cursor is not a page position that this server gave; follow the links of the Bundle")
            }
            StoreError::Outdated => Self {
                retry_after: Some(1),
                ..Self::new(
                    409,
                    IssueCode::Conflict,
                    "a search parameter was changed or removed while this was under way; send it again",
                )
            },
            StoreError::Unfinished(Unfinished { type_number, code, percent }) => {
                let name = definitions().resource_by_number(type_number).map_or("", |found| found.name.as_str());
                Self {
                    retry_after: Some(5),
                    ..Self::new(
                        409,
                        IssueCode::Incomplete,
                        format!(
                            "only {percent} % of the {name} resources are indexed by the search parameter {code:?} so far; \
                             nothing is decided by it until all are"
                        ),
                    )
                }
            }
            StoreError::Closed(what) => Self::new(
                403,
                IssueCode::Forbidden,
                format!("{what} is not open to callers who may not see everything"),
            ),
            StoreError::Hidden => Self::new(
                404,
                IssueCode::NotFound,
                "this is not known here, or not to you; new resources are created by POST to their type",
            ),
            StoreError::Denied(why) => Self::new(403, IssueCode::Forbidden, why),
            StoreError::DefinedTwice(code) => Self::new(
                422,
                IssueCode::Duplicate,
                format!("another SearchParameter defines {code:?} on the same resource type; take another code"),
            )
            .at_element("SearchParameter.code"),
            StoreError::Content(error) => error.into(),
            StoreError::Database(why) => {
                tracing::error!(%why, "the database refused");
                Self::internal("the database refused; nothing was stored")
            }
        }
    }
}

impl From<BlobError> for Rejection {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Infected(name) => Self::new(
                422,
                IssueCode::Security,
                format!(
                    "the virus scanner found {name}; nothing was stored（ウイルスが見つかったため保存しませんでした）"
                ),
            ),
            BlobError::ScannerAway(why) => {
                tracing::error!(%why, "the virus scanner cannot be asked");
                Self {
                    retry_after: Some(30),
                    ..Self::new(
                        503,
                        IssueCode::Transient,
                        "the virus scanner cannot be asked at the moment; nothing was stored（ウイルス検査ができないため保存しませんでした）",
                    )
                }
            }
            BlobError::TooLarge => {
                Self::new(422, IssueCode::TooCostly, "the content of this resource is too large for this operation")
            }
            BlobError::Missing(id) => {
                tracing::error!(%id, "content is missing from the content store");
                Self::internal("content of this resource is missing from the content store")
            }
            BlobError::Io(why) => {
                tracing::error!(%why, "the content store refused");
                Self {
                    retry_after: Some(30),
                    ..Self::new(503, IssueCode::NoStore, "the content store refused; nothing was stored")
                }
            }
        }
    }
}

/// What the body of an answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A resource of the store, bytes as stored.
    Resource(Bytes),
    /// An OperationOutcome.
    Outcome(Vec<Issue>),
    /// Nothing (304).
    Empty,
}

/// What an operation answers (FHIR R4 operations.html#response).
#[derive(Debug)]
pub enum OperationAnswer {
    /// 200 with a resource that is not stored, in JSON.
    Resource(Bytes),
    /// What was written, as an interaction would answer.
    Stored(Box<Answer>),
    /// A page of a search, and the path below the base that its links lead to.
    Searched(Box<Searched>, String),
    /// Something that is no resource: status, media type and bytes.
    Other(u16, &'static str, Bytes),
}

/// A success (or 304).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status by the rules of FHIR R4 http.html.
    pub status: u16,
    /// Number of the resource type.
    pub type_number: u8,
    /// Logical id.
    pub id: String,
    /// Version for ETag and Location.
    pub version: Option<i64>,
    /// µs since 1970 UTC for Last-Modified.
    pub updated: Option<i64>,
    /// Whether Location belongs in the answer.
    pub located: bool,
    /// A new version was made.
    pub changed: bool,
    /// What validation had to say of what was written.
    pub remarks: Vec<Issue>,
    /// `Provenance/x/_history/1` of those that were stored with it.
    pub provenances: Vec<String>,
    /// The body.
    pub payload: Payload,
}

impl Answer {
    /// An answer that carries a version of a resource.
    #[must_use]
    pub fn of(status: u16, type_number: u8, id: &str, version: &Version) -> Self {
        Self {
            status,
            type_number,
            id: id.to_owned(),
            version: Some(version.version),
            updated: Some(version.updated),
            located: false,
            changed: false,
            remarks: Vec::new(),
            provenances: Vec::new(),
            payload: Payload::Resource(version.body.clone()),
        }
    }

    /// An answer that is only an outcome.
    #[must_use]
    pub fn outcome(status: u16, type_number: u8, id: &str, issue: Issue) -> Self {
        Self {
            status,
            type_number,
            id: id.to_owned(),
            version: None,
            updated: None,
            located: false,
            changed: false,
            remarks: Vec::new(),
            provenances: Vec::new(),
            payload: Payload::Outcome(vec![issue]),
        }
    }

    /// `Patient/1/_history/2` when there is a version.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        let type_name = &definitions().resource_by_number(self.type_number)?.name;
        self.version.map(|version| format!("{type_name}/{}/_history/{version}", self.id))
    }
}
