//! Bundles as answers: searchset, history, batch-response. Assembled by copying stored bytes.

use bytes::Bytes;
use uuid::Uuid;

use super::context::{Context, Return};
use crate::engine::{
    Answer, BundleAnswer, EntryAnswer, Historied, OperationAnswer, Payload, Rejection, Searched, is_whole, subset,
};
use crate::format::json::{self, Node, write_string};
use crate::r4::datetime::format_instant;
use crate::r4::definitions;
use crate::r4::outcome::{Issue, IssueCode, operation_outcome};
use crate::search::query::{Condition, Query};
use crate::store::Found;

/// Writes `{"resourceType":"Bundle",…` up to the entries.
fn begin(out: &mut Vec<u8>, kind: &str, total: Option<i64>, links: &[(&str, String)]) {
    let now = format_instant(jiff::Timestamp::now().as_microsecond());
    out.extend_from_slice(
        format!(
            "{{\"resourceType\":\"Bundle\",\"id\":\"{}\",\"meta\":{{\"lastUpdated\":\"{now}\"}},\"type\":\"{kind}\"",
            Uuid::now_v7()
        )
        .as_bytes(),
    );
    if let Some(total) = total {
        out.extend_from_slice(format!(",\"total\":{total}").as_bytes());
    }
    if !links.is_empty() {
        out.extend_from_slice(b",\"link\":[");
        for (place, (relation, url)) in links.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            out.extend_from_slice(format!("{{\"relation\":\"{relation}\",\"url\":").as_bytes());
            write_string(url, out);
            out.push(b'}');
        }
        out.push(b']');
    }
}

/// Separates entries; FHIR allows no empty array, so nothing is written when there are none.
struct Entries<'a> {
    out: &'a mut Vec<u8>,
    any: bool,
}

impl<'a> Entries<'a> {
    const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, any: false }
    }

    fn next(&mut self) -> &mut Vec<u8> {
        self.out.extend_from_slice(if self.any { b"," } else { b",\"entry\":[" });
        self.any = true;
        self.out
    }

    fn finish(self) {
        if self.any {
            self.out.push(b']');
        }
        self.out.push(b'}');
    }
}

fn type_name(number: u8) -> &'static str {
    definitions().resource_by_number(number).map_or("", |found| found.name.as_str())
}

fn full_url(out: &mut Vec<u8>, base: &str, number: u8, id: &str) {
    out.extend_from_slice(b"{\"fullUrl\":");
    write_string(&format!("{base}/{}/{id}", type_name(number)), out);
}

/// Percent-encodes a query component.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~:|,/$*".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn url(base: &str, path: &str, pairs: &[(String, String)]) -> String {
    let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let place = if path.is_empty() { base.to_owned() } else { format!("{base}/{path}") };
    if query.is_empty() { place } else { format!("{place}?{}", query.join("&")) }
}

/// Where a query was asked: `Patient`, `Patient/x/Observation`, or nothing for all types.
fn path(query: &Query) -> String {
    let own = type_name(query.type_number);
    let owner = query.conditions.iter().find_map(|condition| match condition {
        Condition::Compartment { owner_type, owner_id, .. } => Some(format!("{}/{owner_id}", type_name(*owner_type))),
        _ => None,
    });
    match owner {
        Some(owner) => format!("{owner}/{}", if own.is_empty() { "*" } else { own }),
        None => own.to_owned(),
    }
}

/// A searchset.
pub(super) fn searchset(base: &str, searched: &Searched) -> Bytes {
    searchset_at(base, &path(&searched.query), searched)
}

/// A searchset whose links lead to a path of their own.
pub(super) fn searchset_at(base: &str, path: &str, searched: &Searched) -> Bytes {
    let Searched { query, page, .. } = searched;
    if let Some(explanation) = &page.explained {
        return super::explained::parameters(explanation).to_bytes().into();
    }
    let with_cursor = |cursor: Option<&String>| {
        let mut pairs = query.used.clone();
        if let Some(cursor) = cursor {
            pairs.push(("_cursor".to_owned(), cursor.clone()));
        }
        url(base, path, &pairs)
    };
    let mut links = vec![("self", with_cursor(query.cursor.as_ref()))];
    if query.cursor.is_some() {
        links.push(("first", with_cursor(None)));
    }
    for (relation, position) in [("previous", &page.previous), ("next", &page.next)] {
        if let Some(position) = position {
            links.push((relation, with_cursor(Some(position))));
        }
    }
    let size: usize = page.matches.iter().chain(&page.included).map(|found| found.version.body.len() + 200).sum();
    let mut out = Vec::with_capacity(size + 1024);
    begin(&mut out, "searchset", page.total, &links);
    let mut entries = Entries::new(&mut out);
    for (found, mode) in
        page.matches.iter().map(|found| (found, "match")).chain(page.included.iter().map(|found| (found, "include")))
    {
        let out = entries.next();
        full_url(out, base, found.type_number, &found.id);
        out.extend_from_slice(b",\"resource\":");
        write_found(out, found, searched, mode);
        out.extend_from_slice(format!(",\"search\":{{\"mode\":\"{mode}\"}}}}").as_bytes());
    }
    let mut issues: Vec<Issue> = query
        .ignored
        .iter()
        .map(|name| {
            Issue::warning(
                IssueCode::NotSupported,
                format!("the parameter {name:?} was ignored because it is not supported"),
            )
        })
        .collect();
    issues.extend(page.unfinished.iter().map(|unfinished| {
        Issue::warning(
            IssueCode::Incomplete,
            format!(
                "matches may be missing: {} % of the {} resources are indexed by the search parameter {:?} so far",
                unfinished.percent,
                type_name(unfinished.type_number),
                unfinished.code
            ),
        )
    }));
    if page.included_truncated {
        issues.push(Issue::warning(
            IssueCode::TooCostly,
            "not all included resources are here: there are too many of them on one page; ask for smaller pages",
        ));
    }
    if !issues.is_empty() {
        let out = entries.next();
        out.extend_from_slice(b"{\"resource\":");
        operation_outcome(&issues).write(out);
        out.extend_from_slice(b",\"search\":{\"mode\":\"outcome\"}}");
    }
    entries.finish();
    out.into()
}

fn write_found(out: &mut Vec<u8>, found: &Found, searched: &Searched, mode: &str) {
    let query = &searched.query;
    // _elements speaks of the matches; R4 leaves included resources to the server: they stay whole.
    if mode == "include" || is_whole(query.summary, &query.elements) {
        out.extend_from_slice(&found.version.body);
        return;
    }
    match json::parse(&found.version.body) {
        Ok(resource) => subset(resource, query.summary, &query.elements).write(out),
        Err(_) => out.extend_from_slice(&found.version.body),
    }
}

/// A history.
pub(super) fn history(base: &str, historied: &Historied) -> Bytes {
    let Historied { path, used, cursor, changes, total, next } = historied;
    let with_cursor = |cursor: Option<&String>| {
        let mut pairs = used.clone();
        pairs.extend(cursor.map(|cursor| ("_cursor".to_owned(), cursor.clone())));
        url(base, path, &pairs)
    };
    let mut links = vec![("self", with_cursor(cursor.as_ref()))];
    if cursor.is_some() {
        links.push(("first", with_cursor(None)));
    }
    if next.is_some() {
        links.push(("next", with_cursor(next.as_ref())));
    }
    let mut out = Vec::new();
    begin(&mut out, "history", Some(*total), &links);
    let mut entries = Entries::new(&mut out);
    for change in changes {
        let out = entries.next();
        let name = type_name(change.type_number);
        full_url(out, base, change.type_number, &change.id);
        if !change.version.body.is_empty() {
            out.extend_from_slice(b",\"resource\":");
            out.extend_from_slice(&change.version.body);
        }
        let verb = change.version.method.verb();
        let request_url = if verb == "POST" { name.to_owned() } else { format!("{name}/{}", change.id) };
        let status = match (verb, change.version.version) {
            ("DELETE", _) => "200 OK",
            (_, 1) => "201 Created",
            _ => "200 OK",
        };
        out.extend_from_slice(format!(",\"request\":{{\"method\":\"{verb}\",\"url\":\"{request_url}\"}},\"response\":{{\"status\":\"{status}\",\"etag\":\"W/\\\"{}\\\"\",\"lastModified\":\"{}\"}}}}", change.version.version, format_instant(change.version.updated)).as_bytes());
    }
    entries.finish();
    out.into()
}

fn status_line(status: u16) -> String {
    let reason =
        actix_web::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("");
    format!("{status} {reason}")
}

/// A batch-response or transaction-response.
/// `metadata` gives the CapabilityStatement.
pub(super) fn response(context: &Context, answer: &BundleAnswer, metadata: &dyn Fn() -> Vec<u8>) -> Bytes {
    let mut out = Vec::new();
    begin(&mut out, if answer.is_transaction { "transaction-response" } else { "batch-response" }, None, &[]);
    let mut entries = Entries::new(&mut out);
    for entry in &answer.entries {
        let out = entries.next();
        match entry {
            Ok(EntryAnswer::Single(answer)) => single(out, context, answer),
            Ok(EntryAnswer::Searched(searched)) => resource(out, &searchset(&context.base, searched)),
            Ok(EntryAnswer::Historied(historied)) => resource(out, &history(&context.base, historied)),
            Ok(EntryAnswer::Metadata) => resource(out, &metadata()),
            Ok(EntryAnswer::Operated(OperationAnswer::Stored(answer))) => single(out, context, answer),
            Ok(EntryAnswer::Operated(OperationAnswer::Searched(searched, path))) => {
                resource(out, &searchset_at(&context.base, path, searched));
            }
            Ok(EntryAnswer::Operated(OperationAnswer::Resource(body))) => resource(out, body),
            // Refused where entries are run: it is no resource.
            Ok(EntryAnswer::Operated(OperationAnswer::Other(..))) => out.extend_from_slice(b"{}"),
            Err(rejection) => failed(out, rejection),
        }
    }
    entries.finish();
    out.into()
}

/// 200 with a resource that is not stored.
fn resource(out: &mut Vec<u8>, body: &[u8]) {
    out.extend_from_slice(b"{\"resource\":");
    out.extend_from_slice(body);
    out.extend_from_slice(b",\"response\":{\"status\":\"200 OK\"}}");
}

fn failed(out: &mut Vec<u8>, rejection: &Rejection) {
    let response = Node::object([
        ("status", Node::string(status_line(rejection.status))),
        ("outcome", operation_outcome(&rejection.issues)),
    ]);
    Node::object([("response", response)]).write(out);
}

fn single(out: &mut Vec<u8>, context: &Context, answer: &Answer) {
    let is_read = !answer.located && matches!(answer.payload, Payload::Resource(_));
    let with_resource = is_read || context.prefer_return == Some(Return::Representation);
    out.push(b'{');
    if let (Payload::Resource(body), true) = (&answer.payload, with_resource) {
        out.extend_from_slice(b"\"fullUrl\":");
        write_string(&format!("{}/{}/{}", context.base, type_name(answer.type_number), answer.id), out);
        out.extend_from_slice(b",\"resource\":");
        out.extend_from_slice(body);
        out.push(b',');
    }
    out.extend_from_slice(format!("\"response\":{{\"status\":\"{}\"", status_line(answer.status)).as_bytes());
    if answer.located
        && let Some(location) = answer.location()
    {
        out.extend_from_slice(format!(",\"location\":\"{location}\"").as_bytes());
    }
    if let Some(version) = answer.version {
        out.extend_from_slice(format!(",\"etag\":\"W/\\\"{version}\\\"\"").as_bytes());
    }
    if let Some(updated) = answer.updated {
        out.extend_from_slice(format!(",\"lastModified\":\"{}\"", format_instant(updated)).as_bytes());
    }
    if let Payload::Outcome(issues) = &answer.payload {
        out.extend_from_slice(b",\"outcome\":");
        operation_outcome(issues).write(out);
    }
    out.extend_from_slice(b"}}");
}
