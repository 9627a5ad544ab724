//! Search against a second opinion: random resources and random searches over HTTP, compared with an
//! evaluator that was written from R4's text alone and shares nothing with the server.
//!
//! Everything follows from a seed. A disagreement prints it with the search, both answers and the
//! resources on which they differ. More and other cases:
//!
//! ```text
//! RENRAKU_SEARCH_SEED=7 RENRAKU_SEARCH_QUERIES=5000 RENRAKU_SEARCH_RESOURCES=600 cargo test --test search_property
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;
mod filter;
mod maker;
mod naive;
mod parameters;
mod query;
mod random;
mod resources;
mod special;
mod values;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use common::{Server, databases};
use maker::Maker;
use naive::{World, address};
use query::Search;
use random::Random;

/// Disagreements shown in full.
const MOST_SHOWN: usize = 5;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn every_search_finds_what_the_rules_say() {
    let seed = setting("RENRAKU_SEARCH_SEED", 20_260_401);
    let queries = usize::try_from(setting("RENRAKU_SEARCH_QUERIES", 1200)).unwrap();
    let size = usize::try_from(setting("RENRAKU_SEARCH_RESOURCES", 300)).unwrap();
    for database in databases() {
        println!("on {}", database.kind());
        let server = Server::start(&database.url, &["--full-text=all"]);
        let mut world = World::default();
        fill(&server, &mut world, &mut Random::new(seed), size);
        let mut random = Random::new(seed ^ 0x5EA2_C400);
        let mut disagreements = Vec::new();
        let mut found = 0;
        for number in 0..queries {
            world.now = now();
            let search = Maker { random: &mut random, world: &world }.search();
            match compare(&server, &world, &search) {
                Ok(matches) => found += usize::from(matches > 0),
                Err(difference) => disagreements.push(format!("query {number} of seed {seed}\n{difference}")),
            }
        }
        println!("{queries} searches, {found} of them found something, {} differ", disagreements.len());
        let shown: Vec<&String> = disagreements.iter().take(MOST_SHOWN).collect();
        assert!(
            disagreements.is_empty(),
            "{} of {queries} differ on {}:\n{shown:#?}",
            disagreements.len(),
            database.kind()
        );
        assert!(found * 4 > queries, "only {found} of {queries} searches found anything: they test nothing");
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_micros()).unwrap()
}

/// Stores the resources in an order of its own, some of them twice, and deletes a few: the index
/// rows of a version must be gone with it.
fn fill(server: &Server, world: &mut World, random: &mut Random, size: usize) {
    let all = resources::generate(random, size);
    let mut writes: Vec<Value> = Vec::new();
    for resource in &all {
        if random.chance(25) {
            writes.push(resources::again(random, &all, resource));
        }
    }
    writes.extend(all.iter().cloned());
    for chunk in writes.chunks(50) {
        send(server, chunk.iter().map(put).collect());
    }
    let systems = special::terminology().into_iter().filter(|resource| resource["resourceType"] == "CodeSystem");
    send(server, systems.map(|resource| put(&resource)).collect());
    for resource in all {
        let kind = resource["resourceType"].as_str().unwrap().to_owned();
        world.resources.insert((kind, resource["id"].as_str().unwrap().to_owned()), resource);
    }
    let addresses: Vec<(String, String)> = world.resources.keys().cloned().collect();
    let mut deletes = Vec::new();
    for key in addresses {
        // Of the smallest types all stay, so that no type is empty.
        if random.chance(4) && world.of_type(&key.0).count() > 5 && !key.1.starts_with("vs-") {
            world.resources.remove(&key);
            deletes.push(json!({ "request": { "method": "DELETE", "url": format!("{}/{}", key.0, key.1) } }));
        }
    }
    send(server, deletes);
    know_times(server, world);
}

fn put(resource: &Value) -> Value {
    json!({ "resource": resource, "request": { "method": "PUT", "url": address(resource) } })
}

/// When a resource was stored only the server can say.
fn know_times(server: &Server, world: &mut World) {
    for kind in world.resources.keys().map(|(kind, _)| kind.clone()).collect::<BTreeSet<String>>() {
        let mut path = Some(format!("{kind}?_elements=id&_count=1000"));
        while let Some(page) = path.take() {
            let answer = server.get(&page);
            for entry in answer.body["entry"].as_array().into_iter().flatten() {
                let id = entry["resource"]["id"].as_str().unwrap().to_owned();
                if let Some(resource) = world.resources.get_mut(&(kind.clone(), id)) {
                    resource["meta"]["lastUpdated"] = entry["resource"]["meta"]["lastUpdated"].clone();
                }
            }
            path = next_page(server, &answer.body);
        }
    }
}

/// Path of the next page below the base.
fn next_page(server: &Server, bundle: &Value) -> Option<String> {
    let next = bundle["link"].as_array()?.iter().find(|link| link["relation"] == "next")?["url"].as_str()?;
    let rest = next.strip_prefix(&server.base).unwrap_or_else(|| panic!("next leads elsewhere: {next}"));
    Some(rest.trim_start_matches('/').to_owned())
}

fn send(server: &Server, entries: Vec<Value>) {
    let count = entries.len();
    let answer = server.post("", &json!({ "resourceType": "Bundle", "type": "batch", "entry": entries }));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answers = answer.body["entry"].as_array().unwrap();
    assert_eq!(answers.len(), count);
    for answer in answers {
        let status = answer["response"]["status"].as_str().unwrap();
        assert!(status.starts_with('2'), "a resource was refused: {answer}");
    }
}

/// What the pages of a search hold.
struct Found {
    matches: Vec<String>,
    included: Vec<String>,
    totals: BTreeSet<u64>,
}

/// All pages; the first by `POST …/_search` or by GET.
fn pages(server: &Server, first: &str, by_post: bool) -> Result<Found, String> {
    let mut by_post = by_post;
    let mut found = Found { matches: Vec::new(), included: Vec::new(), totals: BTreeSet::new() };
    let mut path = first.to_owned();
    for _ in 0..1000 {
        let answer = match path.split_once('?') {
            Some((place, form)) if by_post => {
                let place = format!("{}/_search", place.trim_end_matches('/'));
                let kind = [("Content-Type", "application/x-www-form-urlencoded")];
                common::exchange(&common::agent(), &server.base, "POST", &place, &kind, Some(form.to_owned().into()))
                    .map_err(|error| error.to_string())?
            }
            _ => server.get(&path),
        };
        by_post = false;
        if answer.status != 200 {
            return Err(format!("answered {}: {}", answer.status, answer.body));
        }
        for entry in answer.body["entry"].as_array().into_iter().flatten() {
            let list = match entry["search"]["mode"].as_str() {
                Some("match") => &mut found.matches,
                Some("include") => &mut found.included,
                other => return Err(format!("an entry of mode {other:?}: {entry}")),
            };
            list.push(address(&entry["resource"]));
        }
        found.totals.extend(answer.body["total"].as_u64());
        let Some(next) = next_page(server, &answer.body) else { return Ok(found) };
        path = next;
    }
    Err("it has no last page".to_owned())
}

/// The number of matches, or what differs.
fn compare(server: &Server, world: &World, search: &Search) -> Result<usize, String> {
    let path = search.path();
    let describe = |what: String| format!("GET {path}\n{search:?}\n{what}");
    // Compartments are searched by GET.
    let by_post = search.compartment.is_none() && path.len().is_multiple_of(4);
    let found = pages(server, &path, by_post).map_err(describe)?;
    let expected = world.search(search);
    let (wanted, have): (BTreeSet<&String>, BTreeSet<&String>) =
        (expected.iter().collect(), found.matches.iter().collect());
    if wanted != have {
        let mut text = String::new();
        for (what, one, other) in [("missing", &wanted, &have), ("too many", &have, &wanted)] {
            let difference: Vec<&&String> = one.difference(other).collect();
            let _ = writeln!(text, "{what}: {difference:?}");
            for address in difference.iter().take(2) {
                let (kind, id) = address.split_once('/').unwrap_or_default();
                let _ = writeln!(text, "  {}", world.get(kind, id).unwrap_or(&Value::Null));
            }
        }
        return Err(describe(text));
    }
    if have.len() != found.matches.len() {
        return Err(describe(format!("some are listed twice: {:?}", found.matches)));
    }
    let total = u64::try_from(expected.len()).unwrap();
    if found.totals.iter().any(|told| *told != total) || found.totals.is_empty() {
        return Err(describe(format!("{total} match, the totals say {:?}", found.totals)));
    }
    in_order(world, search, &found.matches).map_err(describe)?;
    if !search.includes.is_empty() {
        let wanted = world.included(&expected, &search.includes);
        let included: BTreeSet<String> = found.included.iter().cloned().collect();
        // Each page brings what its own matches refer to.
        let is_twice = included.len() != found.included.len() && expected.len() <= 1000;
        if wanted != included || is_twice {
            return Err(describe(format!("should include {wanted:?}, included {:?}", found.included)));
        }
    }
    Ok(expected.len())
}

/// Neighbours never stand in the wrong order; what has no value comes last.
fn in_order(world: &World, search: &Search, matches: &[String]) -> Result<(), String> {
    let keys = |address: &String| {
        let (kind, id) = address.split_once('/').unwrap_or_default();
        let resource = world.get(kind, id).unwrap_or(&Value::Null);
        let keys = search.sort.iter().map(|sort| (world.sort_value(resource, sort), sort.descending));
        keys.collect::<Vec<_>>()
    };
    for pair in matches.windows(2) {
        let [left, right] = pair else { continue };
        for ((one, descending), (other, _)) in keys(left).into_iter().zip(keys(right)) {
            let order = match (&one, &other) {
                (None, None) => std::cmp::Ordering::Equal,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(_), None) => std::cmp::Ordering::Less,
                (Some(one), Some(other)) if descending => other.cmp(one),
                (Some(one), Some(other)) => one.cmp(other),
            };
            if order == std::cmp::Ordering::Greater {
                return Err(format!("{left} ({one:?}) stands before {right} ({other:?})"));
            }
            if order == std::cmp::Ordering::Less {
                break;
            }
        }
    }
    Ok(())
}
