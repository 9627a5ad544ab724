//! Reading the audit: AuditEvents for auditors (read and search), accesses to a notebook for its citizen.
//!
//! Nothing here writes: who wants to is told 405. Reading is written down like every other access.

use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::Shared;
use super::bundles::encode;
use super::context::{Context, address, body};
use super::respond::{not_allowed, other, resource};
use crate::access::audit::{Event, Kind, Origin, audit_event};
use crate::access::{Interaction, Subject};
use crate::engine::{Engine, Rejection, decode_pairs};
use crate::format::json as tree;
use crate::r4::datetime::{format_instant, span};
use crate::r4::outcome::IssueCode;
use crate::r4::parameters::ParameterKind;
use crate::r4::{definitions, reference};
use crate::store::{AuditQuery, AuditRow};

/// What AuditEvents are searched by, and the parameter of the standard that it is.
pub(super) const PARAMETERS: [(&str, ParameterKind, &str); 10] = [
    ("_lastUpdated", ParameterKind::Date, "Resource-lastUpdated"),
    ("action", ParameterKind::Token, "AuditEvent-action"),
    ("address", ParameterKind::String, "AuditEvent-address"),
    ("agent", ParameterKind::Reference, "AuditEvent-agent"),
    ("date", ParameterKind::Date, "AuditEvent-date"),
    ("entity", ParameterKind::Reference, "AuditEvent-entity"),
    ("outcome", ParameterKind::Token, "AuditEvent-outcome"),
    ("patient", ParameterKind::Reference, "AuditEvent-patient"),
    ("subtype", ParameterKind::Token, "AuditEvent-subtype"),
    ("type", ParameterKind::Token, "AuditEvent-type"),
];
const DEFAULT_COUNT: usize = 100;
const MAX_COUNT: usize = 1000;
/// Rows that are looked at for one page.
const MOST_ROWS: usize = 50_000;
/// Rows read at once.
const STEP: i64 = 1000;

/// Whether somebody may read AuditEvents. Where nobody is asked who they are, whoever is at the machine itself may.
fn is_auditor(request: &HttpRequest, shared: &Shared, interaction: Interaction) -> bool {
    let caller = shared.engine.caller();
    match caller.subject {
        Subject::Open => is_at_this_machine(request, shared),
        Subject::Program => true,
        _ => shared.engine.is_auditor(interaction),
    }
}

/// Whether a request comes from this machine, and was not passed on by a proxy on it.
fn is_at_this_machine(request: &HttpRequest, shared: &Shared) -> bool {
    let is_passed_on = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"]
        .iter()
        .any(|name| request.headers().contains_key(*name));
    !is_passed_on && address(request, &shared.settings).is_some_and(|from| from.is_loopback())
}

fn forbidden(shared: &Shared) -> Rejection {
    if matches!(shared.engine.caller().subject, Subject::Open) {
        let text = "without authentication the audit is read on this machine only: from its own address, or by \
                    `renraku audit list` and `export`; authentication = required lets auditors read it from elsewhere";
        return Rejection::new(403, IssueCode::Forbidden, text);
    }
    let text = "AuditEvents are read by auditors: an account or client with the role auditor, and a scope such as \
                user/AuditEvent.rs";
    Rejection::new(403, IssueCode::Forbidden, text)
}

/// Everything under `[base]/AuditEvent` while an audit is kept.
pub(super) async fn handle(
    request: &HttpRequest,
    payload: &mut Payload,
    shared: &Shared,
    context: &Context,
    (method, rest): (&str, &[&str]),
) -> Result<HttpResponse, Rejection> {
    let allowed = match rest {
        ["_search"] => "POST",
        _ => "GET, HEAD",
    };
    let mut pairs = context.pairs.clone();
    let interaction = match (method, rest) {
        ("GET", []) => Interaction::Search,
        ("POST", ["_search"]) => {
            let form = body(payload, request, shared.settings.max_body).await?;
            let form = std::str::from_utf8(&form).map_err(|_| Rejection::invalid("the form is not UTF-8"))?;
            shared.engine.trail().query(form);
            pairs.extend(decode_pairs(form).into_iter().filter(|(name, _)| name != "_format" && name != "_pretty"));
            Interaction::Search
        }
        ("GET", [_] | [_, "_history", "1"]) => Interaction::Read,
        _ => return Ok(not_allowed(context, method, allowed)),
    };
    if !is_auditor(request, shared, interaction) {
        return Err(forbidden(shared));
    }
    let base = context.base.clone();
    let id = rest.first().map(|id| (*id).to_owned()).filter(|_| interaction == Interaction::Read);
    let made = shared
        .engine
        .blocking(move |engine| match id {
            Some(id) => read(engine, &id, &base),
            None => search(engine, &pairs, &base),
        })
        .await?;
    Ok(resource(context, 200, made.to_string()))
}

fn id_of(row: &AuditRow) -> String {
    format!("{}-{}", row.chain, row.seq)
}

fn event_of(row: &AuditRow) -> Result<Event, Rejection> {
    Event::parse(&row.content).map_err(|why| Rejection::internal(format!("a row of the audit cannot be read: {why}")))
}

fn read(engine: &Engine, id: &str, base: &str) -> Result<Value, Rejection> {
    let unknown = || Rejection::not_found("AuditEvent", id);
    let (chain, seq) = id.split_once('-').ok_or_else(unknown)?;
    let (Ok(chain), Ok(seq)) = (chain.parse(), seq.parse()) else { return Err(unknown()) };
    let audit = engine.audit().ok_or_else(unknown)?;
    audit.settle()?;
    let row = audit.reader()?.get(chain, seq)?.ok_or_else(unknown)?;
    Ok(audit_event(id, &event_of(&row)?, Origin { base }))
}

/// What is looked for beside names and times.
#[derive(Default)]
struct Wanted {
    patients: Vec<String>,
    agents: Vec<String>,
    entities: Vec<String>,
    addresses: Vec<String>,
    /// Codes of `action`, `outcome`, `type`, `subtype`: the name of the element and the alternatives.
    codes: Vec<(&'static str, Vec<String>)>,
}

struct Asked {
    query: AuditQuery,
    wanted: Wanted,
    count: usize,
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn asked(pairs: &[(String, String)], offset: i32) -> Result<Asked, Rejection> {
    let mut asked = Asked { query: AuditQuery::default(), wanted: Wanted::default(), count: DEFAULT_COUNT };
    for (name, value) in pairs {
        let wrong = |what: &str| Rejection::invalid(format!("{name}={value}: {what}"));
        match name.as_str() {
            "date" | "_lastUpdated" => {
                let (prefix, rest) = match value.get(..2) {
                    Some(prefix @ ("ge" | "gt" | "le" | "lt" | "eq")) => (prefix, value.get(2..).unwrap_or_default()),
                    _ => ("eq", value.as_str()),
                };
                let span = span(rest, offset).ok_or_else(|| wrong("a date such as ge2026-01-31 is expected"))?;
                let (from, to) = match prefix {
                    "ge" => (Some(span.low), None),
                    "gt" => (Some(span.high.saturating_add(1)), None),
                    "le" => (None, Some(span.high)),
                    "lt" => (None, Some(span.low.saturating_sub(1))),
                    _ => (Some(span.low), Some(span.high)),
                };
                let query = &mut asked.query;
                query.from = query.from.max(from);
                query.to = match (query.to, to) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
            }
            "patient" | "patient:Patient" => {
                asked.wanted.patients = list(value)
                    .into_iter()
                    .map(|part| part.rsplit('/').next().unwrap_or_default().to_owned())
                    .collect();
            }
            "agent" => asked.wanted.agents = list(value),
            "entity" => asked.wanted.entities = list(value),
            "address" => asked.wanted.addresses = list(value),
            "action" => asked.wanted.codes.push(("action", list(value))),
            "outcome" => asked.wanted.codes.push(("outcome", list(value))),
            "type" => asked.wanted.codes.push(("type", list(value))),
            "subtype" => asked.wanted.codes.push(("subtype", list(value))),
            "_sort" if value == "-date" => {}
            "_total" if value == "none" => {}
            "_count" => {
                let count: usize = value.parse().map_err(|_| wrong("a number is expected"))?;
                asked.count = count.min(MAX_COUNT);
            }
            "_cursor" => {
                let parts: Option<Vec<i64>> = value.split('.').map(|part| part.parse().ok()).collect();
                let Some([at, chain, seq]) = parts.and_then(|parts| <[i64; 3]>::try_from(parts).ok()) else {
                    return Err(wrong("follow the links of the Bundle"));
                };
                asked.query.before = Some((at, chain, seq));
            }
            _ => {
                return Err(Rejection::invalid(format!(
                    "AuditEvents are searched by date, patient, agent, entity, address, action, outcome, type, subtype, \
                     _count, newest first; not by {name:?}"
                )));
            }
        }
    }
    asked.query.name = match (&asked.wanted.patients[..], &asked.wanted.agents[..]) {
        ([patient], _) => Some(format!("p:{patient}")),
        ([], [agent]) => Some(format!("a:{agent}")),
        _ => None,
    };
    Ok(asked)
}

impl Wanted {
    fn holds(&self, event: &Event, shown: &Value) -> bool {
        let any = |wanted: &[String], is: &dyn Fn(&str) -> bool| wanted.is_empty() || wanted.iter().any(|one| is(one));
        let code = |element: &str, wanted: &str| {
            let code = wanted.rsplit('|').next().unwrap_or_default();
            match element {
                "action" | "outcome" => shown[element] == code,
                "type" => shown["type"]["code"] == code,
                _ => shown["subtype"].as_array().into_iter().flatten().any(|coding| coding["code"] == code),
            }
        };
        any(&self.patients, &|id| event.citizens.iter().any(|own| own == id))
            && any(&self.agents, &|name| event.agent.name == name || event.agent.client == name)
            && any(&self.entities, &|name| {
                event.target == name
                    || event.target.strip_prefix(name).is_some_and(|rest| rest.starts_with("/_history/"))
                    || name.strip_prefix("Patient/").is_some_and(|id| event.citizens.iter().any(|own| own == id))
            })
            && any(&self.addresses, &|address| event.from == address)
            && self.codes.iter().all(|(element, wanted)| any(wanted, &|one| code(element, one)))
    }
}

/// Events of a page, and the place behind it.
type Page = (Vec<(AuditRow, Event)>, Option<(i64, i64, i64)>);

fn page(engine: &Engine, asked: Asked, is_wanted: impl Fn(&AuditRow, &Event) -> bool) -> Result<Page, Rejection> {
    let Some(audit) = engine.audit() else { return Err(Rejection::new(404, IssueCode::NotFound, "no audit is kept")) };
    audit.settle()?;
    let mut reader = audit.reader()?;
    let mut query = AuditQuery { limit: STEP, ..asked.query };
    let (mut found, mut looked) = (Vec::new(), 0);
    loop {
        let rows = reader.find(&query)?;
        let is_last = rows.len() < usize::try_from(STEP).unwrap_or(usize::MAX);
        for row in rows {
            let place = (row.at, row.chain, row.seq);
            if found.len() >= asked.count {
                return Ok((found, query.before));
            }
            looked += 1;
            query.before = Some(place);
            let event = event_of(&row)?;
            if is_wanted(&row, &event) {
                found.push((row, event));
            }
        }
        if is_last {
            return Ok((found, None));
        }
        if looked >= MOST_ROWS {
            return Ok((found, query.before));
        }
    }
}

fn next(url: &str, pairs: &[(String, String)], place: (i64, i64, i64)) -> String {
    let mut link = format!("{url}?");
    for (name, value) in pairs.iter().filter(|(name, _)| name != "_cursor") {
        link.push_str(&format!("{}={}&", encode(name), encode(value)));
    }
    format!("{link}_cursor={}.{}.{}", place.0, place.1, place.2)
}

fn search(engine: &Engine, pairs: &[(String, String)], base: &str) -> Result<Value, Rejection> {
    let mut asked = asked(pairs, engine.store().options().default_offset_seconds)?;
    let wanted = std::mem::take(&mut asked.wanted);
    let origin = Origin { base };
    let shown = |row: &AuditRow, event: &Event| audit_event(&id_of(row), event, origin);
    let (rows, place) = page(engine, asked, |row, event| wanted.holds(event, &shown(row, event)))?;
    let entries: Vec<Value> = rows
        .iter()
        .map(|(row, event)| {
            json!({
                "fullUrl": format!("{base}/AuditEvent/{}", id_of(row)),
                "resource": shown(row, event),
                "search": { "mode": "match" },
            })
        })
        .collect();
    let url = format!("{base}/AuditEvent");
    let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let own = if query.is_empty() { url.clone() } else { format!("{url}?{}", query.join("&")) };
    let mut links = vec![json!({ "relation": "self", "url": own })];
    if let Some(place) = place {
        links.push(json!({ "relation": "next", "url": next(&url, pairs, place) }));
    }
    let mut bundle = json!({ "resourceType": "Bundle", "type": "searchset", "link": links });
    if !entries.is_empty() {
        bundle["entry"] = entries.into();
    }
    Ok(bundle)
}

/// `GET /notebook/v1/citizens/[id]/accesses`: who looked at a notebook, for its citizen and for auditors.
pub(super) async fn accesses(
    request: &HttpRequest,
    shared: &Shared,
    context: &Context,
    id: &str,
) -> Result<HttpResponse, Rejection> {
    if shared.engine.audit().is_none() {
        let text = "no audit is kept here (audit = off)（閲覧記録は保存されていません）";
        return Err(Rejection::new(404, IssueCode::NotSupported, text));
    }
    let caller = shared.engine.caller();
    let is_own =
        matches!(&caller.subject, Subject::Person { user, .. } if user.type_name == "Patient" && user.id == id);
    if !is_own && !is_auditor(request, shared, Interaction::Search) {
        let text = "who looked at a notebook is shown to its citizen and to auditors（閲覧記録は、ご本人と監査担当者だけが見られます）";
        return Err(Rejection::new(403, IssueCode::Forbidden, text));
    }
    if !reference::is_id(id) {
        return Err(Rejection::not_found("Patient", id));
    }
    let (id, pairs) = (id.to_owned(), decode_pairs(request.query_string()));
    let root = context.base.strip_suffix("/fhir").unwrap_or(&context.base).to_owned();
    let told = shared.engine.blocking(move |engine| accesses_of(engine, &id, &pairs, &root)).await?;
    Ok(other(context, 200, "application/json; charset=utf-8", told.to_string().into()))
}

fn accesses_of(engine: &Engine, id: &str, pairs: &[(String, String)], root: &str) -> Result<Value, Rejection> {
    let renamed: Vec<(String, String)> = pairs
        .iter()
        .map(|(name, value)| match name.as_str() {
            "from" => ("date".to_owned(), format!("ge{value}")),
            "to" => ("date".to_owned(), format!("le{value}")),
            "count" => ("_count".to_owned(), value.clone()),
            "after" => ("_cursor".to_owned(), value.clone()),
            other => (other.to_owned(), value.clone()),
        })
        .collect();
    if let Some((name, _)) = pairs.iter().find(|(name, _)| !matches!(name.as_str(), "from" | "to" | "count" | "after"))
    {
        return Err(Rejection::invalid(format!(
            "accesses take from, to, count and after, not {name:?}（指定できるのは from、to、count、after です）"
        )));
    }
    let mut asked = asked(&renamed, engine.store().options().default_offset_seconds)?;
    asked.query.name = Some(format!("p:{id}"));
    // What was refused showed nothing; what a bundle did stands in its entries.
    let is_shown = |_: &AuditRow, event: &Event| {
        event.status < 400
            && matches!(
                event.kind,
                Kind::Rest | Kind::Record | Kind::Export | Kind::EmergencyStarted | Kind::EmergencyStopped
            )
            && !matches!(&*event.interaction, "transaction" | "batch")
    };
    let (rows, place) = page(engine, asked, is_shown)?;
    let mut names = std::collections::HashMap::new();
    let told: Vec<Value> = rows
        .iter()
        .map(|(row, event)| {
            let who = event.agent.name.as_str();
            let name = names.entry(who.to_owned()).or_insert_with(|| name_of(engine, who)).clone();
            access(row, event, id, name)
        })
        .collect();
    let mut all = json!({ "citizen": id, "accesses": told });
    if let Some((at, chain, seq)) = place {
        all["next"] = json!(format!("{root}/notebook/v1/citizens/{id}/accesses?after={at}.{chain}.{seq}"));
    }
    Ok(all)
}

/// One access in words.
fn access(row: &AuditRow, event: &Event, citizen: &str, name: Option<String>) -> Value {
    let (ja, en) = match (event.kind, &*event.interaction) {
        (Kind::EmergencyStarted, _) => ("緊急アクセスの開始", "emergency access began"),
        (Kind::EmergencyStopped, _) => ("緊急アクセスの終了", "emergency access ended"),
        (Kind::Export, _) => ("一括出力", "export"),
        (_, "read" | "vread") => ("閲覧", "read"),
        (_, "search-type" | "search-system") => ("検索", "search"),
        (_, "create") => ("作成", "create"),
        (_, "update" | "patch") => ("変更", "change"),
        (_, "delete") => ("削除", "delete"),
        (_, text) if text.starts_with("history") => ("履歴の閲覧", "history"),
        _ => ("処理", "operation"),
    };
    // Ids of others have no place here: a path names the citizen or nobody.
    let what = event.target.split('/').find(|part| *part != citizen).unwrap_or_default();
    let what = if definitions().resource_number(what).is_some() { what } else { "" };
    let mut told = json!({
        "id": id_of(row), "at": format_instant(event.at), "who": event.agent.name, "action": { "ja": ja, "en": en },
    });
    for (member, text) in [
        ("name", name.as_deref().unwrap_or_default()),
        ("organization", &event.agent.organization),
        ("application", &event.agent.client),
        ("purpose", &event.agent.purpose),
        ("type", what),
        ("reason", if event.kind == Kind::EmergencyStarted { &event.note } else { "" }),
    ] {
        if !text.is_empty() {
            told[member] = json!(text);
        }
    }
    told
}

/// What a person or device is called.
fn name_of(engine: &Engine, who: &str) -> Option<String> {
    let (type_name, id) = who.split_once('/')?;
    let number = definitions().resource_number(type_name)?;
    let version = engine.store().current(number, id).ok()??;
    let node = tree::parse(&version.body).ok()?;
    let name = node.list("name").first()?;
    name.text("text").map(str::to_owned).or_else(|| {
        let given = name.list("given").first().and_then(|given| given.as_str()).unwrap_or_default();
        let whole = format!("{} {given}", name.text("family").unwrap_or_default());
        Some(whole.trim().to_owned()).filter(|whole| !whole.is_empty())
    })
}
