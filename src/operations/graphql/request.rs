//! What came: the query text, which of its operations, the variables.

use std::collections::HashMap;

use graphql_parser::query as ast;
use serde_json::Value as Json;

use super::{Call, Rejection};
use crate::r4::outcome::IssueCode;

/// Longest query in bytes.
const LONGEST: usize = 64 << 10;

/// A query as it came.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) text: String,
    pub(super) operation: Option<String>,
    pub(super) variables: HashMap<String, Json>,
}

impl Asked {
    pub(super) fn read(call: &Call<'_>) -> Result<Self, Rejection> {
        let pair = |name: &str| call.pairs.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        let body = &call.request.body;
        let (text, operation, variables) = match call.request.media.as_deref() {
            Some("application/graphql") => {
                let text = std::str::from_utf8(body).map_err(|_| Rejection::invalid("the query is not UTF-8"))?;
                (
                    Some(text.to_owned()),
                    pair("operationName"),
                    pair("variables").map(|text| parse(text.as_bytes())).transpose()?,
                )
            }
            Some(_) => {
                let json = parse(body)?;
                let text = match json["resourceType"].as_str() {
                    // A Parameters resource under its plain media type.
                    Some(_) => json["parameter"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .find(|found| found["name"] == "query")
                        .and_then(|found| found["valueString"].as_str()),
                    None => json["query"].as_str(),
                };
                let (text, operation) = (text.map(str::to_owned), json["operationName"].as_str().map(str::to_owned));
                (text, operation, json.get("variables").filter(|variables| !variables.is_null()).cloned())
            }
            None => {
                let variables = pair("variables").map(|text| parse(text.as_bytes())).transpose()?;
                (call.inputs.text("query").map(str::to_owned), pair("operationName"), variables)
            }
        };
        let text = text.or_else(|| pair("query")).ok_or_else(|| {
            Rejection::new(400, IssueCode::Required, "no query: send it as the parameter query, as application/graphql, or as {\"query\": …} in application/json")
        })?;
        if text.len() > LONGEST {
            return Err(Rejection::new(
                400,
                IssueCode::TooLong,
                format!("the query is longer than {} KiB", LONGEST >> 10),
            ));
        }
        let variables = match variables {
            None => HashMap::new(),
            Some(Json::Object(members)) => members.into_iter().collect(),
            Some(_) => return Err(Rejection::invalid("variables is not a JSON object")),
        };
        Ok(Self { text, operation, variables })
    }
}

fn parse(bytes: &[u8]) -> Result<Json, Rejection> {
    serde_json::from_slice(bytes).map_err(|error| Rejection::invalid(format!("not valid JSON: {error}")))
}

/// Variables by name, defaults filled in.
pub(super) fn variables<'q>(
    asked: &Asked,
    definitions: &[ast::VariableDefinition<'q, &'q str>],
) -> Result<HashMap<String, Vec<String>>, Rejection> {
    let mut all = HashMap::new();
    for definition in definitions {
        let given = asked.variables.get(definition.name).filter(|value| !value.is_null());
        let value = match (given, &definition.default_value, &definition.var_type) {
            (Some(value), ..) => of_json(value).ok_or_else(|| {
                super::invalid(
                    definition.position,
                    format!("the variable ${} must be a scalar or a list of them", definition.name),
                )
            })?,
            (None, Some(default), _) => scalars(default, &HashMap::new(), definition.position)?.unwrap_or_default(),
            (None, None, ast::Type::NonNullType(_)) => {
                return Err(super::invalid(
                    definition.position,
                    format!("the variable ${} is missing", definition.name),
                ));
            }
            // Without a value an argument counts as not given.
            (None, None, _) => Vec::new(),
        };
        all.insert(definition.name.to_owned(), value);
    }
    Ok(all)
}

fn of_json(value: &Json) -> Option<Vec<String>> {
    match value {
        Json::String(text) => Some(vec![text.clone()]),
        Json::Number(number) => Some(vec![number.to_string()]),
        Json::Bool(value) => Some(vec![value.to_string()]),
        Json::Array(items) => {
            let items: Option<Vec<Vec<String>>> = items.iter().map(of_json).collect();
            Some(items?.concat())
        }
        Json::Null | Json::Object(_) => None,
    }
}

/// An argument as texts; `None` when it has no value.
pub(super) fn scalars<'q>(
    value: &ast::Value<'q, &'q str>,
    variables: &HashMap<String, Vec<String>>,
    position: graphql_parser::Pos,
) -> Result<Option<Vec<String>>, Rejection> {
    let one = |text: String| Ok(Some(vec![text]));
    match value {
        ast::Value::Variable(name) => match variables.get(*name) {
            Some(values) => Ok((!values.is_empty()).then(|| values.clone())),
            None => Err(super::invalid(position, format!("the variable ${name} is not declared by the query"))),
        },
        ast::Value::Int(number) => one(number.as_i64().unwrap_or_default().to_string()),
        ast::Value::Float(number) => one(number.to_string()),
        ast::Value::String(text) => one(text.clone()),
        ast::Value::Boolean(value) => one(value.to_string()),
        ast::Value::Enum(name) => one((*name).to_owned()),
        ast::Value::Null => Ok(None),
        ast::Value::List(items) => {
            let mut all = Vec::new();
            for item in items {
                all.extend(scalars(item, variables, position)?.unwrap_or_default());
            }
            Ok(Some(all))
        }
        ast::Value::Object(_) => Err(super::invalid(position, "an object is no argument here".to_owned())),
    }
}
