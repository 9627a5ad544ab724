//! One invocation of an operation: from method and path to what `run` gets.

use bytes::Bytes;

use super::inputs::{self, Inputs};
use super::table::{BodyForm, Described, Level, operations};
use crate::engine::{Engine, OperationAnswer, OperationLink, Rejection};
use crate::format::json::{self, Node};
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::reference::is_id;

/// Which operation is meant, and on what.
#[derive(Debug, Clone)]
pub struct Target {
    /// The operation.
    pub described: &'static Described,
    /// The type, unless it is invoked on the whole system.
    pub type_name: Option<String>,
    /// The id, when it is invoked on a resource.
    pub id: Option<String>,
    /// The version, when it is invoked on one.
    pub version: Option<String>,
}

/// Why there is no target.
#[derive(Debug)]
pub enum NoTarget {
    /// Another method is needed: what is allowed.
    Method(&'static str),
    /// There is none.
    Rejected(Rejection),
}

impl From<Rejection> for NoTarget {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl Target {
    /// Reads `Patient`, `1`, `$everything`.
    ///
    /// # Errors
    /// 404 for what is not here, 405 for what goes by another method.
    pub fn find(method: &str, path: &[&str]) -> Result<Self, NoTarget> {
        let unknown = |why: String| Rejection::new(404, IssueCode::NotSupported, why);
        let (type_name, id, version, name) = match path {
            [name] => (None, None, None, name),
            [type_name, name] => (Some(*type_name), None, None, name),
            [type_name, id, name] => (Some(*type_name), Some(*id), None, name),
            [type_name, id, "_history", version, name] => (Some(*type_name), Some(*id), Some(*version), name),
            _ => return Err(unknown(format!("{} is nothing here", path.join("/"))).into()),
        };
        let Some(name) = name.strip_prefix('$') else {
            return Err(unknown(format!(
                "{} is nothing here: the name of an operation is the end of a URL",
                path.join("/")
            ))
            .into());
        };
        if let Some(type_name) = type_name
            && definitions().resource(type_name).is_none()
        {
            return Err(unknown(format!("{type_name:.64?} is not a resource type of FHIR R4 (4.0.1)")).into());
        }
        if let Some(id) = id
            && !is_id(id)
        {
            let text = format!("{id:?} is not a FHIR id: 1 to 64 of A-Z, a-z, 0-9, '-' and '.'");
            return Err(Rejection::new(400, IssueCode::Value, text).into());
        }
        let level = match (type_name, id) {
            (None, _) => Level::System,
            (Some(_), None) => Level::Type,
            (Some(_), Some(_)) => Level::Instance,
        };
        let mut named = operations().iter().filter(|known| known.name == name).peekable();
        if named.peek().is_none() {
            return Err(unknown(format!(
                "the operation ${name:.64} is not here; [base]/metadata lists the operations"
            ))
            .into());
        }
        let places: Vec<String> = named.clone().map(Described::places).collect();
        let Some(described) =
            named.find(|known| known.is_at(level, type_name) && (version.is_none() || known.operation.on_versions))
        else {
            return Err(unknown(format!("the operation ${name} is not here, but at {}", places.join(", "))).into());
        };
        match method {
            "POST" => {}
            "GET" if described.goes_by_get() => {}
            _ if described.goes_by_get() => return Err(NoTarget::Method("GET, HEAD, POST")),
            _ => return Err(NoTarget::Method("POST")),
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Self { described, type_name: owned(type_name), id: owned(id), version: owned(version) })
    }
}

/// What comes with an invocation.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Decoded parameters of the URL, without `_format` and `_pretty`.
    pub pairs: Vec<(String, String)>,
    /// The body in JSON, or as it came when the operation takes other media types.
    pub body: Bytes,
    /// The media type of a body that is no FHIR.
    pub media: Option<String>,
    /// The base URL of this server.
    pub base: String,
    /// Ignore parameters that are unknown.
    pub lenient: bool,
    /// It came by GET: nothing is to be stored.
    pub is_get: bool,
    /// The client rather has an OperationOutcome.
    pub wants_outcome: bool,
    /// The header `Accept-Language`.
    pub accept_language: Option<String>,
    /// The body as it came, when that was XML: places are told there, not in `body`.
    pub xml: Option<Bytes>,
}

/// An invocation, its inputs compared with the definition.
#[derive(Debug)]
pub struct Call<'a> {
    /// Runs interactions.
    pub engine: &'a Engine,
    /// Which operation, on what.
    pub target: &'a Target,
    /// What came with it.
    pub request: &'a Request,
    /// The parameters of the operation.
    pub inputs: Inputs<'a>,
    /// The other parameters of the URL: of a search, or of a page.
    pub pairs: Vec<(String, String)>,
}

impl Call<'_> {
    /// The number of the type it is invoked on; 0 for the whole system.
    #[must_use]
    pub fn type_number(&self) -> u8 {
        self.target.type_name.as_deref().and_then(|name| definitions().resource_number(name)).unwrap_or(0)
    }
}

/// Operations that read and write resources only, through the engine and the store of their caller: what that
/// caller may not see is not there for them. Any other takes a system that may do everything.
const WITHIN_A_VIEW: [&str; 26] = [
    "care-gaps",
    "collect-data",
    "convert",
    "diff",
    "document",
    "evaluate-measure",
    "everything",
    "expand",
    "fhirpath",
    "find",
    "graphql",
    "ingest-document",
    "lastn",
    "lookup",
    "match",
    "meta",
    "meta-add",
    "meta-delete",
    "stats",
    "subsumes",
    "summary",
    "translate",
    "validate",
    "validate-code",
    "versions",
    "find-matches",
];

/// Refuses operations that a caller's view does not reach into.
fn permit(engine: &Engine, name: &str) -> Result<(), Rejection> {
    if name == "install-package" {
        engine.permit_operation(crate::access::policy::Operation::InstallPackage)?;
    }
    // Where there is no view, operations look at resources of any type.
    if engine.store().view().is_none() {
        return engine.permit_everything();
    }
    if WITHIN_A_VIEW.contains(&name) {
        return Ok(());
    }
    let text = format!("${name} is for systems that may read everything (system/*.rs, without an organization)");
    Err(Rejection::new(403, IssueCode::Forbidden, text))
}

/// Runs an operation, on a thread that may block.
///
/// # Errors
/// What is wrong with its inputs, and what it says itself.
pub fn run(engine: &Engine, target: &Target, request: &Request) -> Result<OperationAnswer, Rejection> {
    let described = target.described;
    permit(engine, described.name.as_ref())?;
    let is_other = request.media.is_some() && described.operation.body != BodyForm::Fhir;
    let body = match request.body.as_ref() {
        _ if is_other => None,
        body if body.iter().all(u8::is_ascii_whitespace) => None,
        body => Some(
            json::parse(body)
                .map_err(|error| Rejection::bad_request(vec![Issue::error(IssueCode::Structure, error.to_string())]))?,
        ),
    };
    let (inputs, pairs) = if is_other {
        (Inputs::default(), request.pairs.clone())
    } else {
        inputs::read(described, &request.pairs, body, request.lenient)?
    };
    (described.operation.run)(Call { engine, target, request, inputs, pairs })
}

/// Runs an operation that an entry of a batch asks for.
///
/// # Errors
/// As [`run`], and when there is no such operation.
pub fn run_entry(engine: &Engine, link: OperationLink, body: Bytes, base: &str) -> Result<OperationAnswer, Rejection> {
    let path: Vec<&str> = link.path.iter().map(String::as_str).collect();
    let target = Target::find(&link.method, &path).map_err(|refusal| match refusal {
        NoTarget::Rejected(rejection) => rejection,
        NoTarget::Method(allowed) => Rejection::new(
            405,
            IssueCode::NotSupported,
            format!("{} is not possible here; allowed: {allowed}", link.method),
        ),
    })?;
    let is_get = link.method == "GET";
    let request = Request { pairs: link.pairs, body, base: base.to_owned(), is_get, ..Request::default() };
    match run(engine, &target, &request)? {
        OperationAnswer::Other(_, media, _) => Err(Rejection::new(
            501,
            IssueCode::NotSupported,
            format!("the answer is {media}, which has no place in a batch; invoke the operation alone"),
        )),
        answer => Ok(answer),
    }
}

/// A Parameters resource as an answer.
#[must_use]
pub fn parameters(parameter: Vec<Node<'_>>) -> OperationAnswer {
    let mut members = vec![("resourceType", Node::string("Parameters"))];
    if !parameter.is_empty() {
        members.push(("parameter", Node::Array(parameter)));
    }
    OperationAnswer::Resource(Node::object(members).to_bytes().into())
}

/// One parameter of an answer: its name, the member that holds it (`valueString`, `resource`,
/// `part`), and that.
#[must_use]
pub fn part<'a>(name: &'static str, member: &'static str, value: Node<'a>) -> Node<'a> {
    Node::object([("name", Node::string(name)), (member, value)])
}
