//! The inputs of an operation (FHIR R4 operations.html#request): from a Parameters resource, from a
//! bare resource, from the URL; compared with the OperationDefinition.

use super::table::{Described, Parameter, is_primitive};
use crate::engine::Rejection;
use crate::format::json::{Node, is_json_number};
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode};
use crate::r4::primitives::check;
use crate::validation::structure::check_resource;

/// What a parameter holds.
#[derive(Debug)]
pub enum Value<'a> {
    /// A value of a data type.
    Simple(Node<'a>),
    /// A resource, not checked yet.
    Resource(Node<'a>),
    /// Parts.
    Parts(Inputs<'a>),
}

/// Parameters by name, in the order they came.
#[derive(Debug, Default)]
pub struct Inputs<'a>(Vec<(String, Value<'a>)>);

impl<'a> Inputs<'a> {
    /// The first with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// All with this name.
    pub fn all<'i>(&'i self, name: &'i str) -> impl Iterator<Item = &'i Value<'a>> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value)
    }

    /// All values of data types with this name.
    pub fn values<'i>(&'i self, name: &'i str) -> impl Iterator<Item = &'i Node<'a>> {
        self.0.iter().filter(move |(own, _)| own == name).filter_map(|(_, value)| match value {
            Value::Simple(node) => Some(node),
            _ => None,
        })
    }

    /// A value of a data type.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Node<'a>> {
        match self.get(name) {
            Some(Value::Simple(node)) => Some(node),
            _ => None,
        }
    }

    /// A string, code, URI, date, …
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name).and_then(Node::as_str)
    }

    /// All strings with this name.
    pub fn texts<'i>(&'i self, name: &'i str) -> impl Iterator<Item = &'i str> {
        self.values(name).filter_map(Node::as_str)
    }

    /// A boolean.
    #[must_use]
    pub fn boolean(&self, name: &str) -> Option<bool> {
        self.value(name).and_then(Node::as_bool)
    }

    /// A whole number.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.value(name) {
            Some(Node::Number(digits)) => digits.parse().ok(),
            _ => None,
        }
    }

    /// A resource as it came: its structure has not been checked.
    #[must_use]
    pub fn resource(&self, name: &str) -> Option<&Node<'a>> {
        match self.get(name) {
            Some(Value::Resource(node)) => Some(node),
            _ => None,
        }
    }

    /// A resource whose structure is right.
    ///
    /// # Errors
    /// 400 with what is wrong with it.
    pub fn checked_resource(&self, name: &str) -> Result<Option<&Node<'a>>, Rejection> {
        let Some(resource) = self.resource(name) else { return Ok(None) };
        check_resource(resource, None).map_err(Rejection::bad_request)?;
        Ok(Some(resource))
    }

    /// All resources with this name, not checked.
    pub fn resources<'i>(&'i self, name: &'i str) -> impl Iterator<Item = &'i Node<'a>> {
        self.0.iter().filter(move |(own, _)| own == name).filter_map(|(_, value)| match value {
            Value::Resource(node) => Some(node),
            _ => None,
        })
    }

    /// The parts of all parameters with this name.
    pub fn parts<'i>(&'i self, name: &'i str) -> impl Iterator<Item = &'i Inputs<'a>> {
        self.0.iter().filter(move |(own, _)| own == name).filter_map(|(_, value)| match value {
            Value::Parts(parts) => Some(parts),
            _ => None,
        })
    }
}

fn place(name: &str) -> String {
    format!("Parameters.parameter.where(name='{name}')")
}

fn wrong(code: IssueCode, name: &str, text: String) -> Issue {
    Issue::error(code, text).at(place(name))
}

/// Reads and compares; also answers the parameters of the URL that are not the operation's.
pub(super) fn read<'a>(
    described: &Described,
    pairs: &[(String, String)],
    body: Option<Node<'a>>,
    lenient: bool,
) -> Result<(Inputs<'a>, Vec<(String, String)>), Rejection> {
    let mut inputs = Vec::new();
    let mut others = Vec::new();
    let mut issues = Vec::new();
    for (name, text) in pairs {
        if text.is_empty() {
            continue;
        }
        let Some(parameter) = described.inputs.iter().find(|known| known.name == *name) else {
            let operation = described.operation;
            if operation.takes_search || operation.controls.contains(&name.as_str()) {
                others.push((name.clone(), text.clone()));
            } else if !lenient {
                issues.push(unknown(described, name));
            }
            continue;
        };
        match of_url(parameter, text) {
            Ok(value) => inputs.push((name.clone(), value)),
            Err(issue) => issues.push(issue),
        }
    }
    if let Some(body) = body {
        of_body(described, body, lenient, &mut inputs, &mut issues)?;
    }
    count(&described.inputs, &inputs, &mut issues);
    if issues.is_empty() { Ok((Inputs(inputs), others)) } else { Err(Rejection::bad_request(issues)) }
}

fn unknown(described: &Described, name: &str) -> Issue {
    let known: Vec<&str> = described.inputs.iter().map(|input| input.name.as_str()).collect();
    let known = if known.is_empty() { "no parameters".to_owned() } else { known.join(", ") };
    wrong(
        IssueCode::Invalid,
        &name.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).take(64).collect::<String>(),
        format!("${} has no parameter {name:.64?}; it takes {known}", described.name),
    )
}

/// A parameter of the URL: text, read as its type.
fn of_url<'a>(parameter: &Parameter, text: &str) -> Result<Value<'a>, Issue> {
    let name = &parameter.name;
    let Some(kind) = parameter.kind.as_deref().filter(|kind| is_primitive(kind)) else {
        let kind = parameter.kind.as_deref().unwrap_or("group of parts");
        let text = format!("{name} is a {kind}, which has no place in a URL; send a Parameters resource by POST");
        return Err(wrong(IssueCode::Invalid, name, text));
    };
    let node = match kind {
        "boolean" if matches!(text, "true" | "false") => Node::Bool(text == "true"),
        "integer" | "positiveInt" | "unsignedInt" | "decimal" if is_json_number(text) => {
            Node::Number(text.to_owned().into())
        }
        // An unencoded `+09:00` arrives as a blank.
        "date" | "dateTime" | "instant" => Node::string(text.replace(' ', "+")),
        _ => Node::string(text.to_owned()),
    };
    match check(kind, &node) {
        Ok(()) => Ok(Value::Simple(node)),
        Err(why) => Err(wrong(IssueCode::Value, name, format!("{name} {why}"))),
    }
}

/// The one parameter that a bare resource can be.
fn only_resource(described: &Described) -> Option<&Parameter> {
    let is_resource = |input: &&Parameter| input.kind.as_deref().is_some_and(is_resource_type);
    let mut found = described.inputs.iter().filter(is_resource);
    found.next().filter(|_| found.next().is_none())
}

fn is_resource_type(kind: &str) -> bool {
    kind == "Resource" || definitions().resource(kind).is_some()
}

fn of_body<'a>(
    described: &Described,
    mut body: Node<'a>,
    lenient: bool,
    inputs: &mut Vec<(String, Value<'a>)>,
    issues: &mut Vec<Issue>,
) -> Result<(), Rejection> {
    let Some(resource_type) = body.text("resourceType") else {
        return Err(Rejection::bad_request(vec![Issue::error(
            IssueCode::Structure,
            "the body is no resource: it has no resourceType; a Parameters resource is expected",
        )]));
    };
    if resource_type != "Parameters" {
        let taken = only_resource(described)
            .filter(|known| known.kind.as_deref().is_some_and(|kind| kind == "Resource" || kind == resource_type));
        let Some(parameter) = taken else {
            let or = only_resource(described).map(|known| {
                format!(", or the {} that is its parameter {}", known.kind.as_deref().unwrap_or_default(), known.name)
            });
            return Err(Rejection::bad_request(vec![Issue::error(
                IssueCode::Invalid,
                format!(
                    "the body is a {resource_type:.64}; ${} takes a Parameters resource{}",
                    described.name,
                    or.unwrap_or_default()
                ),
            )]));
        };
        inputs.push((parameter.name.clone(), Value::Resource(body)));
        return Ok(());
    }
    // What is in there is for the operation to judge: $validate says it in its answer.
    let detached = detach_all(&mut body, "parameter");
    check_resource(&body, Some("Parameters")).map_err(Rejection::bad_request)?;
    let Some(Node::Array(list)) = body.remove("parameter") else { return Ok(()) };
    for (parameter, detached) in list.into_iter().zip(detached) {
        let name = parameter.text("name").unwrap_or_default();
        match described.inputs.iter().find(|known| known.name == name) {
            Some(known) => match value(known, parameter, detached) {
                Ok(value) => inputs.push((known.name.clone(), value)),
                Err(issue) => issues.push(issue),
            },
            None if lenient => {}
            None => issues.push(unknown(described, name)),
        }
    }
    Ok(())
}

/// The resources of a parameter and its parts, taken out so that the check does not see them.
struct Detached<'a> {
    resource: Option<Node<'a>>,
    parts: Vec<Detached<'a>>,
}

fn detach<'a>(parameter: &mut Node<'a>) -> Detached<'a> {
    let resource = parameter.remove("resource");
    Detached { resource, parts: detach_all(parameter, "part") }
}

fn detach_all<'a>(node: &mut Node<'a>, list: &str) -> Vec<Detached<'a>> {
    match node.get_mut(list) {
        Some(Node::Array(items)) => items.iter_mut().map(detach).collect(),
        _ => Vec::new(),
    }
}

/// What a parameter holds, when that is of its type.
fn value<'a>(known: &Parameter, mut parameter: Node<'a>, detached: Detached<'a>) -> Result<Value<'a>, Issue> {
    let name = &known.name;
    let Some(kind) = known.kind.as_deref() else {
        let Some(Node::Array(parts)) = parameter.remove("part") else {
            return Err(wrong(IssueCode::Structure, name, format!("{name} has parts: send them as part")));
        };
        let mut inputs = Vec::new();
        let mut failed = None;
        for (part, detached) in parts.into_iter().zip(detached.parts) {
            let part_name = part.text("name").unwrap_or_default();
            match known.parts.iter().find(|known| known.name == part_name) {
                Some(known) => match value(known, part, detached) {
                    Ok(value) => inputs.push((known.name.clone(), value)),
                    Err(issue) => failed = failed.or(Some(issue)),
                },
                None => {
                    let names: Vec<&str> = known.parts.iter().map(|part| part.name.as_str()).collect();
                    let text = format!("{name} has no part {part_name:.64?}; it has {}", names.join(", "));
                    failed = failed.or(Some(wrong(IssueCode::Invalid, name, text)));
                }
            }
        }
        let mut issues = Vec::new();
        count(&known.parts, &inputs, &mut issues);
        return match failed.or(issues.into_iter().next()) {
            Some(issue) => Err(issue),
            None => Ok(Value::Parts(Inputs(inputs))),
        };
    };
    let any = matches!(kind, "Any" | "Element" | "Type" | "*");
    if let Some(resource) = detached.resource {
        let own = resource.text("resourceType").unwrap_or_default();
        return match kind {
            kind if any || kind == "Resource" => Ok(Value::Resource(resource)),
            kind if kind == own => Ok(Value::Resource(resource)),
            kind => Err(wrong(IssueCode::Invalid, name, format!("{name} is a {kind}, not a {own:.64}"))),
        };
    }
    if is_resource_type(kind) {
        let text = format!("{name} is a {kind}: send it as the resource of the parameter");
        return Err(wrong(IssueCode::Structure, name, text));
    }
    let Node::Object(members) = parameter else { return Err(wrong(IssueCode::Structure, name, String::new())) };
    let Some((member, node)) = members.into_iter().find(|(member, _)| member.starts_with("value")) else {
        return Err(wrong(IssueCode::Required, name, format!("{name} has no value; send it as {}", value_name(kind))));
    };
    if any || is_of(kind, &member) {
        if is_primitive(kind)
            && let Err(why) = check(kind, &node)
        {
            return Err(wrong(IssueCode::Value, name, format!("{name} {why}")));
        }
        return Ok(Value::Simple(node));
    }
    Err(wrong(IssueCode::Invalid, name, format!("{name} is a {kind}: send it as {}, not {member}", value_name(kind))))
}

/// `valueString`
fn value_name(kind: &str) -> String {
    let mut letters = kind.chars();
    letters.next().map_or_else(String::new, |first| format!("value{}{}", first.to_ascii_uppercase(), letters.as_str()))
}

/// Whether a member can hold a type. Clients mix up what is text, and what is a number: the value decides.
fn is_of(kind: &str, member: &str) -> bool {
    const TEXT: [&str; 12] =
        ["string", "code", "uri", "url", "canonical", "id", "markdown", "oid", "uuid", "date", "dateTime", "instant"];
    const NUMBER: [&str; 4] = ["integer", "positiveInt", "unsignedInt", "decimal"];
    let alike = |family: &[&str]| family.contains(&kind) && family.iter().any(|other| value_name(other) == member);
    value_name(kind) == member || alike(&TEXT) || alike(&NUMBER)
}

fn count(known: &[Parameter], inputs: &[(String, Value<'_>)], issues: &mut Vec<Issue>) {
    for parameter in known {
        let name = &parameter.name;
        let number = inputs.iter().filter(|(own, _)| own == name).count();
        if number < parameter.min as usize {
            // What was there but wrong has been said already.
            if issues.iter().all(|issue| issue.expression.as_deref() != Some(&place(name))) {
                let text = format!("the parameter {name} is missing: {}", parameter.documentation);
                issues.push(wrong(IssueCode::Required, name, text));
            }
        } else if parameter.max.is_some_and(|max| number > max as usize) {
            let text =
                format!("the parameter {name} comes {number} times; at most {} is taken", parameter.max.unwrap_or(0));
            issues.push(wrong(IssueCode::Invalid, name, text));
        }
    }
}
