//! `$validate`: what is wrong with a resource, and whether an interaction with it would be accepted
//! (FHIR R4 resource-operation-validate.html). The answer is always 200 with an OperationOutcome, unless
//! the request itself makes no sense.

use super::call::Call;
use super::table::{Level, Operation};
use crate::engine::{OperationAnswer, Rejection};
use crate::format::json::locate::{self, Spot};
use crate::format::json::{self, Node};
use crate::r4::outcome::{IssueCode, Severity};
use crate::validation::{Finding, Language, Locator, Options, places_in_xml};

const LINE: &str = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line";
const COLUMN: &str = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col";
/// Where the ids of messages come from.
const MESSAGES: &str = "http://renraku.example/fhir/CodeSystem/validation-message";

/// `$validate`
pub(super) const OPERATIONS: &[Operation] = &[Operation::reading(
    "http://renraku.example/fhir/OperationDefinition/validate",
    &[Level::System, Level::Type, Level::Instance],
    run,
)];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Whole,
    Create,
    Update,
    Delete,
    Profile,
}

fn run(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let mode = match call.inputs.text("mode") {
        None => Mode::Whole,
        Some("create") => Mode::Create,
        Some("update") => Mode::Update,
        Some("delete") => Mode::Delete,
        Some("profile") => Mode::Profile,
        Some(other) => {
            return Err(Rejection::invalid(format!(
                "mode {other:?} is unknown; there are create, update, delete and profile"
            )));
        }
    };
    let language = call.request.accept_language.as_deref().map_or(Language::English, Language::accepted);
    if mode == Mode::Delete {
        return delete(&call, language);
    }
    let profiles: Vec<&str> = call.inputs.texts("profile").collect();
    if mode == Mode::Profile && profiles.is_empty() {
        return Err(Rejection::invalid("mode profile needs a profile to check against: profile=URL"));
    }
    let validator = call.engine.validator();
    let options = Options { claimed_profiles: mode != Mode::Profile, ..Options::default() };
    let mut findings = Vec::new();
    if let Some(resource) = call.inputs.resource("resource") {
        fits_place(&call, mode, resource, &mut findings);
        findings.extend(validator.validate(resource, &profiles, &options));
        return Ok(answer(&findings, language, &places(&call, &findings)));
    }
    let (Some(type_name), Some(id)) = (&call.target.type_name, &call.target.id) else {
        return Err(Rejection::invalid(
            "there is no resource to check: send it as the body, or as the parameter resource, or name one: [base]/Patient/1/$validate",
        ));
    };
    let stored = call.engine.whole(call.engine.read_blocking(type_name, id)?)?;
    let node = json::parse(&stored.body).map_err(|error| Rejection::internal(error.to_string()))?;
    findings.extend(validator.validate(&node, &profiles, &options));
    Ok(answer(&findings, language, &[]))
}

/// Line and column of each finding in the text that was sent.
fn places(call: &Call<'_>, findings: &[Finding]) -> Vec<Option<(usize, usize)>> {
    let body = call.request.body.as_ref();
    let Ok(node) = json::parse(body) else { return Vec::new() };
    let mut parameters = node.list("parameter").iter();
    let is_wrapped = node.text("resourceType") == Some("Parameters");
    let wrapped =
        if is_wrapped { parameters.position(|parameter| parameter.text("name") == Some("resource")) } else { None };
    if let Some(xml) = &call.request.xml {
        let root = wrapped.map(|place| format!("Parameters.parameter[{place}].resource"));
        let expressions: Vec<Option<&str>> = findings.iter().map(|finding| finding.expression.as_deref()).collect();
        return places_in_xml(xml, root.as_deref(), &expressions);
    }
    let Some(spot) = spot(body, wrapped) else { return Vec::new() };
    let mut locator = Locator::new(body, spot);
    findings.iter().map(|finding| locator.line_and_column(finding.expression.as_deref()?)).collect()
}

/// Whether the resource may stand at the URL it was sent to.
fn fits_place(call: &Call<'_>, mode: Mode, resource: &Node<'_>, findings: &mut Vec<Finding>) {
    let own_type = resource.text("resourceType").unwrap_or_default();
    let mut refuse = |message, parameters: Vec<String>, element: &str| {
        findings.push(Finding {
            severity: Severity::Error,
            code: IssueCode::Invalid,
            message,
            parameters,
            expression: Some(if element.is_empty() { own_type.to_owned() } else { format!("{own_type}.{element}") }),
        });
    };
    if let Some(type_name) = &call.target.type_name
        && type_name != own_type
    {
        refuse("place-type", vec![own_type.to_owned(), type_name.clone()], "");
    }
    let own_id = resource.text("id");
    match (&call.target.id, own_id) {
        (Some(id), Some(own)) if id != own => refuse("place-id", vec![own.to_owned(), id.clone()], "id"),
        (_, None) if mode == Mode::Update => refuse("update-id", Vec::new(), ""),
        _ => {}
    }
}

/// A delete is possible for what is here.
fn delete(call: &Call<'_>, language: Language) -> Result<OperationAnswer, Rejection> {
    let (Some(type_name), Some(id)) = (&call.target.type_name, &call.target.id) else {
        return Err(Rejection::invalid("mode delete is about one resource: [base]/Patient/1/$validate?mode=delete"));
    };
    match call.engine.read_blocking(type_name, id) {
        Ok(_) => Ok(answer(&[], language, &[])),
        Err(rejection) if matches!(rejection.status, 404 | 410) => {
            let finding = Finding {
                severity: Severity::Warning,
                code: IssueCode::NotFound,
                message: "delete-absent",
                parameters: vec![format!("{type_name}/{id}")],
                expression: None,
            };
            Ok(answer(&[finding], language, &[]))
        }
        Err(rejection) => Err(rejection),
    }
}

/// Where the resource begins in the body: the body itself, or in one of its parameters.
fn spot(body: &[u8], wrapped: Option<usize>) -> Option<Spot> {
    let whole = locate::whole(body);
    let Some(place) = wrapped else { return Some(whole) };
    let (list, _) = locate::member(body, whole, &["parameter"])?;
    let (resource, _) = locate::member(body, locate::item(body, list, place)?, &["resource"])?;
    Some(resource)
}

/// An OperationOutcome with lines, where they are known.
fn answer(findings: &[Finding], language: Language, places: &[Option<(usize, usize)>]) -> OperationAnswer {
    let fine = [Finding {
        severity: Severity::Information,
        code: IssueCode::Informational,
        message: "all-ok",
        parameters: Vec::new(),
        expression: None,
    }];
    let findings = if findings.is_empty() { &fine } else { findings };
    let places = places.iter().copied().chain(std::iter::repeat(None));
    let issue = findings.iter().zip(places).map(|(finding, place)| issue(finding, language, place));
    let outcome =
        Node::object([("resourceType", Node::string("OperationOutcome")), ("issue", Node::Array(issue.collect()))]);
    OperationAnswer::Resource(outcome.to_bytes().into())
}

fn issue(finding: &Finding, language: Language, place: Option<(usize, usize)>) -> Node<'static> {
    let number = |value: usize| Node::Number(value.to_string().into());
    let extension =
        |url: &'static str, value| Node::object([("url", Node::string(url)), ("valueInteger", number(value))]);
    let mut members = Vec::new();
    if let Some((line, column)) = place {
        members.push(("extension", Node::Array(vec![extension(LINE, line), extension(COLUMN, column)])));
    }
    let text = finding.text(language);
    let coding = Node::object([("system", Node::string(MESSAGES)), ("code", Node::string(finding.message))]);
    members.extend([
        ("severity", Node::string(finding.severity.code())),
        ("code", Node::string(finding.code.code())),
        ("details", Node::object([("coding", Node::Array(vec![coding])), ("text", Node::string(text.clone()))])),
        ("diagnostics", Node::string(text)),
    ]);
    if let Some((line, column)) = place {
        members.push(("location", Node::Array(vec![Node::string(format!("line {line}, column {column}"))])));
    }
    if let Some(expression) = &finding.expression {
        members.push(("expression", Node::Array(vec![Node::string(expression.clone())])));
    }
    Node::object(members)
}
