//! What shares a transaction, kept as text until it is stored: most of it is never looked at again.

use bytes::Bytes;
use renraku::engine::Rejection;
use renraku::format::json::{self, Node};
use renraku::r4::outcome::{Issue, IssueCode};

use super::super::resume::Place;

/// What the text of an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A resource.
    Resource,
    /// An entry made for a resource of a Bundle.
    Entry,
    /// An entry of a batch, with the request it came with.
    BatchEntry,
    /// A transaction.
    Transaction,
    /// A document.
    Document,
}

/// A line, or an entry of a Bundle, with its text.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) place: Place,
    pub(super) kind: Kind,
    pub(super) text: Bytes,
}

/// What shares a transaction.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) items: Vec<Item>,
}

pub(super) fn parse(text: &[u8]) -> Result<Node<'_>, Rejection> {
    json::parse(text)
        .map_err(|error| Rejection::bad_request(vec![Issue::error(IssueCode::Structure, error.to_string())]))
}

/// `Patient/1`, or the type alone when there is no id.
pub(in super::super) fn name_of(resource: &Node<'_>) -> String {
    let type_name = resource.text("resourceType").unwrap_or_default();
    resource.text("id").map_or_else(|| type_name.to_owned(), |id| format!("{type_name}/{id}"))
}

/// An entry that stores a resource: under its id when it has one.
pub(super) fn request_for<'c>(resource: Node<'c>, full_url: Option<Node<'c>>) -> Node<'c> {
    let url = name_of(&resource);
    let method = if resource.text("id").is_some() { "PUT" } else { "POST" };
    let request = Node::object([("method", Node::string(method)), ("url", Node::string(url))]);
    let full_url = full_url.map(|full_url| ("fullUrl", full_url));
    Node::object(full_url.into_iter().chain([("resource", resource), ("request", request)]))
}

/// A transaction of entries.
pub(super) fn transaction(entries: Vec<Node<'_>>) -> Node<'_> {
    bundle("transaction", entries)
}

fn bundle<'c>(kind: &'static str, entries: Vec<Node<'c>>) -> Node<'c> {
    Node::object([
        ("resourceType", Node::string("Bundle")),
        ("type", Node::string(kind)),
        ("entry", Node::Array(entries)),
    ])
}

impl Item {
    /// The resource in what its text says.
    pub(super) fn resource<'n, 'c>(&self, node: &'n Node<'c>) -> &'n Node<'c> {
        match self.kind {
            Kind::Entry | Kind::BatchEntry => node.get("resource").unwrap_or(node),
            Kind::Resource | Kind::Transaction | Kind::Document => node,
        }
    }

    /// What can be mended and imported by itself.
    pub(super) fn alone(&self) -> Bytes {
        match (self.kind, parse(&self.text)) {
            (Kind::Entry, Ok(node)) => self.resource(&node).to_bytes().into(),
            (Kind::BatchEntry, Ok(node)) => bundle("batch", vec![node]).to_bytes().into(),
            _ => self.text.clone(),
        }
    }

    /// An issue of a transaction made for this item alone, as an issue of the item.
    pub(super) fn relative(&self, mut issue: Issue, what: &str) -> Issue {
        if matches!(self.kind, Kind::Resource | Kind::Entry | Kind::BatchEntry)
            && let Some(place) = issue.expression.take()
        {
            let type_name = what.split('/').next().unwrap_or_default();
            let inner = place.strip_prefix("Bundle.entry[0].resource.");
            let rest = place.strip_prefix("Bundle.entry[0]").filter(|rest| !rest.is_empty());
            issue.expression = match (inner, rest) {
                (Some(inner), _) => Some(format!("{type_name}.{inner}")),
                (None, Some(rest)) => Some(rest.trim_start_matches('.').to_owned()),
                (None, None) => None,
            };
        }
        issue
    }
}

impl Job {
    pub(super) fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.text.len()).sum()
    }

    /// The transaction, made anew from the text.
    pub(super) fn bundle(&self) -> Result<Node<'_>, Rejection> {
        if let [item] = self.items.as_slice()
            && item.kind == Kind::Transaction
        {
            return parse(&item.text);
        }
        let entries = self.items.iter().map(|item| {
            let node = parse(&item.text)?;
            Ok(if item.kind == Kind::Resource { request_for(node, None) } else { node })
        });
        Ok(transaction(entries.collect::<Result<_, Rejection>>()?))
    }
}
