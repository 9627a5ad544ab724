//! Every path of the server is a door of the matrix, an attempt of the tests of writing, or stands here with the reason
//! why it tells of no citizen. What is there is taken from the tables that route, by way of the two OpenAPI documents.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::common::sqlite_database;
use crate::doors::doors;
use crate::town::Town;
use crate::writes::attempts;

/// Method (`*` for any), path, and why it is neither a door nor an attempt.
const EXCUSED: &[(&str, &str, &str)] = &[
    ("GET", "/health", "says whether the database answers"),
    ("GET", "/openapi.json", "describes the program"),
    ("GET", "/schema", "describes the program"),
    ("GET", "/schema/{}", "describes the program"),
    ("GET", "/fhir/metadata", "describes the program"),
    ("*", "/fhir/$closure", "is about codes"),
    ("*", "/fhir/{type}/$expand", "is about codes"),
    ("*", "/fhir/{type}/{}/$expand", "is about codes"),
    ("*", "/fhir/{type}/$lookup", "is about codes"),
    ("*", "/fhir/{type}/$subsumes", "is about codes"),
    ("*", "/fhir/{type}/{}/$subsumes", "is about codes"),
    ("*", "/fhir/{type}/$translate", "is about codes"),
    ("*", "/fhir/{type}/{}/$translate", "is about codes"),
    ("*", "/fhir/{type}/$validate-code", "is about codes"),
    ("*", "/fhir/{type}/{}/$validate-code", "is about codes"),
    ("*", "/fhir/{type}/$find-matches", "is about codes"),
    ("*", "/fhir/{type}/{}/$find-matches", "is about codes"),
    ("*", "/fhir/$convert", "gives back what was sent"),
    ("*", "/fhir/$versions", "describes the program"),
    ("*", "/fhir/$validate", "judges what was sent; of what it names definitions are read only"),
    ("*", "/fhir/{type}/$validate", "judges what was sent; of what it names definitions are read only"),
    ("*", "/fhir/{type}/$reindex-status", "is about search parameters"),
    ("*", "/fhir/{type}/{}/$reindex-status", "is about search parameters"),
    ("*", "/fhir/$install-package", "writes definitions; who may is tests/auth/scopes.rs and rest/packages.rs"),
    ("*", "/fhir/{type}/$ingest-document", "writes by the door of transactions, which is an attempt"),
    ("PUT", "/fhir/{type}", "conditional: conditions_do_not_tell_of_what_is_hidden"),
    ("PATCH", "/fhir/{type}", "conditional: finds by the search that the doors ask, then writes as by id"),
    ("DELETE", "/fhir/{type}", "conditional: conditions_do_not_tell_of_what_is_hidden"),
    ("POST", "/access/break-glass", "lets somebody in on purpose: rest/access.rs"),
    ("POST", "/access/break-glass/{}/review", "who may is rest/access.rs"),
    ("POST", "/access/disasters", "lets somebody in on purpose: rest/access.rs"),
    ("POST", "/access/disasters/{}/end", "who may is rest/access.rs"),
    ("GET", "/notebook/v1/openapi.json", "describes the program"),
    ("GET", "/notebook/v1/schema", "describes the program"),
    ("GET", "/notebook/v1/schema/{}", "describes the program"),
    ("GET", "/notebook/v1/mapping", "describes the program"),
    ("GET", "/notebook/v1/mapping/{}", "describes the program"),
    ("GET", "/notebook/v1/categories", "describes the program"),
    ("POST", "/notebook/v1/citizens", "a citizen who was not there before"),
    ("GET", "/notebook/v1/group/{}/members", "members of staff"),
    ("GET", "/notebook/v1/group/{}/posts", "about no citizen; shown to those between whom it goes"),
    ("*", "/notebook/v1/media/uploads", "begins an upload, which is nobody's yet"),
    (
        "*",
        "/notebook/v1/media/uploads/{}",
        "an upload is known by a name that only who began it has, and is nobody's yet",
    ),
    ("*", "/notebook/v1/{entity}", "entities about no citizen: staff, facilities, groups, agreements"),
    ("*", "/notebook/v1/{entity}/{}", "entities about no citizen: staff, facilities, groups, agreements"),
    ("*", "/notebook/v1/{entity}/{}/history", "entities about no citizen: staff, facilities, groups, agreements"),
];

/// Where the program routes: a line more here is a way in more that the documents may not know of.
const SERVICES: &[&str] = &[
    ".configure(auth::routes)",
    ".service(web::scope(\"/fhir\")",
    ".service(web::scope(\"/schema\")",
    ".route(\"/openapi.json\"",
    ".service(web::scope(\"/notebook/v1\")",
    ".service(web::scope(\"/access\")",
    ".service(web::scope(\"/fls\")",
    ".route(\"/health\"",
];

type Way = (String, String);

/// What is there: methods and paths, types and kinds of entries as one.
fn ways(town: &Town) -> BTreeSet<Way> {
    let types: BTreeSet<String> = town.server.get("metadata").body["rest"][0]["resource"]
        .as_array()
        .unwrap()
        .iter()
        .map(|resource| resource["type"].as_str().unwrap().to_owned())
        .collect();
    let document = |path: &str| -> Value { town.ask("", "GET", path, &[], None).body };
    let mut all = BTreeSet::new();
    let mut add = |root: &str, path: &str, item: &Value| {
        let step = |step: &str| match step {
            "{type}" | "{entity}" => step.to_owned(),
            step if step.starts_with('{') => "{}".to_owned(),
            step if types.contains(step) => "{type}".to_owned(),
            step => step.to_owned(),
        };
        let path: Vec<String> = format!("{root}{path}").split('/').map(step).collect();
        for method in ["get", "post", "put", "patch", "delete", "head", "options"] {
            if item.get(method).is_some() {
                all.insert((method.to_ascii_uppercase(), path.join("/")));
            }
        }
    };
    for (path, item) in document("openapi.json")["paths"].as_object().unwrap() {
        add("", path, item);
    }
    let notebook = document("notebook/v1/openapi.json");
    let paths = notebook["paths"].as_object().unwrap();
    // Kinds of entries have entries with a history each.
    let kinds: BTreeSet<&str> = paths.keys().filter_map(|path| path.strip_suffix("/{entry}/history")).collect();
    for (path, item) in paths {
        let kind = kinds.iter().find(|kind| path == *kind || path.starts_with(&format!("{kind}/")));
        match kind.and_then(|kind| Some((kind, kind.rsplit_once('/')?))) {
            // These have ways of their own.
            Some(_)
                if [
                    "/citizens/{id}/media",
                    "/citizens/{id}/team/members",
                    "/group/{id}/members",
                    "/group/{id}/posts",
                ]
                .contains(&path.as_str()) =>
            {
                add("/notebook/v1", path, item);
            }
            Some((kind, (before, _))) => {
                let rest = path.strip_prefix(kind).unwrap();
                add("/notebook/v1", &format!("{before}/{{entity}}{rest}"), item);
            }
            None => add("/notebook/v1", path, item),
        }
    }
    all
}

/// The way that a request takes: the one with the fewest names.
fn taken<'w>(ways: &'w BTreeSet<Way>, method: &str, path: &str, kinds: &[&str]) -> Option<&'w Way> {
    let path = format!("/{}", path.split('?').next().unwrap_or_default().trim_end_matches('/'));
    let parts: Vec<&str> = path.split('/').collect();
    ways.iter()
        .filter(|(own, way)| {
            let steps: Vec<&str> = way.split('/').collect();
            own == method
                && steps.len() == parts.len()
                && steps.iter().zip(&parts).all(|(step, part)| match *step {
                    "{type}" => part.starts_with(|first: char| first.is_ascii_uppercase()),
                    "{entity}" => kinds.contains(part),
                    "{}" => !part.starts_with('$') && !part.starts_with('_'),
                    step => step == *part,
                })
        })
        .min_by_key(|(_, way)| way.matches('{').count())
}

/// A path that is added without a door fails here: give it one in `doors.rs` (or an attempt in `writes.rs`), or say
/// above why it tells of no citizen.
#[test]
fn every_path_is_a_door_or_tells_of_no_citizen() {
    let town = Town::start(&sqlite_database());
    let ways = ways(&town);
    assert!(ways.len() > 100, "{ways:?}");
    let kinds = ["measurement", "medication", "nutrition", "article", "visit"];
    let mut reached: BTreeMap<&Way, &str> = BTreeMap::new();
    let mut astray = Vec::new();
    let doors = doors(&town, "a");
    let tried = attempts();
    let requests = doors
        .iter()
        .map(|door| (door.method, door.path.as_str(), door.name))
        .chain(tried.iter().map(|(method, path, ..)| (*method, *path, "an attempt to write")));
    for (method, path, name) in requests {
        match taken(&ways, method, path, &kinds) {
            Some(way) => drop(reached.insert(way, name)),
            // Compartments are in no document: their types are too many.
            None if name.contains("compartment") => {}
            None => astray.push(format!("{name}: {method} {path}")),
        }
    }
    // Operations go by GET and by POST alike.
    let is_reached =
        |way: &Way| reached.contains_key(way) || (way.1.contains('$') && reached.keys().any(|other| other.1 == way.1));
    let is_excused =
        |way: &Way| EXCUSED.iter().any(|(method, path, _)| (*method == "*" || *method == way.0) && *path == way.1);
    let open: Vec<&Way> = ways.iter().filter(|way| !is_reached(way) && !is_excused(way)).collect();
    assert!(open.is_empty(), "neither doors nor excused: {open:#?}");
    let idle: Vec<_> = EXCUSED
        .iter()
        .filter(|(method, path, _)| !ways.iter().any(|way| (*method == "*" || *method == way.0) && *path == way.1))
        .collect();
    assert!(idle.is_empty(), "excused and not there: {idle:#?}");
    let needless: Vec<&&Way> = reached.keys().filter(|way| is_excused(way)).collect();
    assert!(needless.is_empty(), "excused and a door: {needless:#?}");
    assert!(astray.is_empty(), "doors to nowhere: {astray:#?}");
    println!("{} paths: {} doors and attempts, {} excused", ways.len(), reached.len(), EXCUSED.len());
}

#[test]
fn there_is_no_other_way_in() {
    let source = include_str!("../../src/http.rs");
    let lines: Vec<&str> = source
        .lines()
        .map(str::trim)
        .filter(|line| [".service(", ".route(", ".configure("].iter().any(|start| line.starts_with(start)))
        .collect();
    let unknown: Vec<&&str> =
        lines.iter().filter(|line| !SERVICES.iter().any(|known| line.starts_with(known))).collect();
    assert!(unknown.is_empty() && lines.len() == SERVICES.len(), "{lines:#?}");
}
