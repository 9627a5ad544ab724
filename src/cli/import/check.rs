//! `--dry-run`: what can be told without a database.

use renraku::engine::Link;
use renraku::format::json::{self, Node};
use renraku::r4::outcome::{Issue, IssueCode};
use renraku::validation::structure::check_resource;

use super::super::progress::Progress;
use super::refusals::Refusals;
use super::resume::Place;
use super::source::Line;
use super::work::name_of;

/// Checks a line; answers the number of resources that are right.
pub(super) fn line(file: &str, line: &Line, refusals: &Refusals, progress: &Progress) -> u64 {
    let place = Place { line: line.number, entry: None };
    let refuse = |what: &str, issues: &[Issue]| refusals.add(file, place, what, issues, &line.text, progress);
    let node = match json::parse(&line.text) {
        Ok(node) => node,
        Err(error) => {
            refuse("", &[Issue::error(IssueCode::Structure, error.to_string())]);
            return 0;
        }
    };
    if let Err(issues) = check_resource(&node, None) {
        refuse(&name_of(&node), &issues);
        return 0;
    }
    if node.text("resourceType") != Some("Bundle") {
        return 1;
    }
    if matches!(node.text("type"), Some("transaction" | "batch"))
        && let Some(issue) = node.list("entry").iter().enumerate().find_map(|(index, entry)| bad_request(index, entry))
    {
        refuse(&name_of(&node), &[issue]);
        return 0;
    }
    node.list("entry").len() as u64
}

fn bad_request(index: usize, entry: &Node<'_>) -> Option<Issue> {
    let place = format!("Bundle.entry[{index}].request");
    let (method, url) = (entry.path(&["request", "method"]), entry.path(&["request", "url"]));
    match (method.and_then(Node::as_str), url.and_then(Node::as_str)) {
        (Some(method), Some(url)) => match Link::parse(method, url, "") {
            Ok(Link::Operation(_)) => {
                let text = format!("{method} {url:?} is an operation, which an import does not run");
                Some(Issue::error(IssueCode::NotSupported, text).at(place))
            }
            Ok(_) => None,
            Err(rejection) => rejection.issues.into_iter().next().map(|issue| issue.at(place)),
        },
        _ => Some(
            Issue::error(
                IssueCode::Required,
                "every entry of a batch or transaction needs request.method and request.url",
            )
            .at(place),
        ),
    }
}
