//! `$graphql` (FHIR R4 graphql.html): a query on the whole server or on one resource.
//!
//! `request` reads what came, `check` compares it with the element tables before anything is read, `run`
//! answers it, `search` asks for lists and connections, `output` collects values under their names, `schema` and
//! `introspect` tell what there is.
//!
//! Bounds: 64 KiB of query, 50 levels (the parser's), [`MOST_VALUES`] values, [`MOST_READS`] resources,
//! [`MOST_SEARCHES`] searches, the time of one search. Not here: mutations.

mod check;
mod introspect;
mod output;
mod request;
mod run;
mod schema;
mod search;

use graphql_parser::query as ast;

use super::call::Call;
use super::table::{BodyForm, Level, Operation};
use crate::engine::{OperationAnswer, Rejection};
use crate::format::json::Node;
use crate::r4::outcome::{IssueCode, operation_outcome};

/// `[base]/$graphql`, `[type]/[id]/$graphql`
pub(super) const OPERATIONS: &[Operation] = &[Operation {
    body: BodyForm::Also(&["application/graphql", "application/json"]),
    controls: &["variables", "operationName"],
    answers: Some("application/json"),
    ..Operation::reading(
        "http://hl7.org/fhir/OperationDefinition/Resource-graphql",
        &[Level::System, Level::Instance],
        graphql,
    )
}];

/// Most values of an answer.
const MOST_VALUES: usize = 500_000;
/// Most resources that references are followed to.
const MOST_READS: usize = 10_000;
/// Most fields looked at, those of fragments counted wherever they are spread.
const MOST_STEPS: usize = 20_000_000;
/// Most searches.
const MOST_SEARCHES: usize = 200;

type Field<'q> = ast::Field<'q, &'q str>;
type Set<'q> = ast::SelectionSet<'q, &'q str>;
type Fragments<'q> = std::collections::HashMap<&'q str, &'q ast::FragmentDefinition<'q, &'q str>>;

fn invalid(position: graphql_parser::Pos, text: String) -> Rejection {
    Rejection::new(400, IssueCode::Invalid, format!("line {} column {}: {text}", position.line, position.column))
}

/// "SHALL return a 200 ok with a data field, or a … 4xx or 5xx response with a graphQL error".
fn graphql(call: Call<'_>) -> Result<OperationAnswer, Rejection> {
    let (status, answer) = match request::Asked::read(&call).and_then(|asked| run::run(&call, &asked)) {
        Ok(data) => (200, Node::object([("data", data)])),
        Err(rejection) => {
            let message: Vec<&str> = rejection.issues.iter().map(|issue| issue.diagnostics.as_str()).collect();
            let outcome = operation_outcome(&rejection.issues);
            let error = Node::object([
                ("message", Node::string(message.join("; "))),
                ("extensions", Node::object([("resource", outcome)])),
            ]);
            (rejection.status, Node::object([("data", Node::Null), ("errors", Node::Array(vec![error]))]))
        }
    };
    Ok(OperationAnswer::Other(status, "application/json", answer.to_bytes().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_queries_are_refused_by_the_parser() {
        let deep = "{a".repeat(10_000);
        assert!(ast::parse_query::<&str>(&deep).is_err());
        let lists = format!("{{a(b:{}", "[".repeat(10_000));
        assert!(ast::parse_query::<&str>(&lists).is_err());
        let types = format!("query($a:{}", "[".repeat(10_000));
        assert!(ast::parse_query::<&str>(&types).is_err());
    }
}
