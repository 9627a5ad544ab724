//! `_explain`: how a search is done, as a Parameters resource.

use crate::format::json::Node;
use crate::store::{ExplainedCondition, ExplainedStatement, Explanation};

fn text(name: &str, value: &str) -> Node<'static> {
    // A string of FHIR is not empty.
    let value = if value.trim().is_empty() { "-" } else { value };
    Node::object([("name", Node::string(name.to_owned())), ("valueString", Node::string(value.to_owned()))])
}

fn parts(name: &'static str, parts: Vec<Node<'static>>) -> Node<'static> {
    Node::object([("name", Node::string(name)), ("part", Node::Array(parts))])
}

fn number(name: &'static str, value: i64) -> Node<'static> {
    Node::object([("name", Node::string(name)), ("valueDecimal", Node::Number(value.to_string().into()))])
}

fn condition(condition: &ExplainedCondition) -> Node<'static> {
    let mut list = vec![text("words", &condition.words)];
    list.extend(
        condition.rows.map(|rows| number(if condition.is_more { "indexRowsAtLeast" } else { "indexRows" }, rows)),
    );
    list.push(Node::object([("name", Node::string("leads")), ("valueBoolean", Node::Bool(condition.leads))]));
    parts("condition", list)
}

fn statement(statement: &ExplainedStatement) -> Node<'static> {
    let mut list = vec![text("purpose", statement.purpose), text("sql", &statement.sql)];
    list.extend(statement.values.iter().map(|value| text("value", value)));
    list.extend(statement.plan.iter().map(|line| text("plan", line)));
    list.extend(statement.expected_rows.map(|rows| number("expectedRows", rows)));
    parts("statement", list)
}

/// The resource.
pub(super) fn parameters(explanation: &Explanation) -> Node<'static> {
    let mut list = vec![text("database", explanation.database)];
    list.extend(explanation.conditions.iter().map(condition));
    list.extend(explanation.statements.iter().map(statement));
    Node::object([("resourceType", Node::string("Parameters")), ("parameter", Node::Array(list))])
}
