//! Extraction runs for every write: at most 15 µs for a typical Observation, and a million index
//! expressions a second on one core.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use renraku::fhirpath::{Item, compile_for};
use renraku::format::json::{self, Node};
use renraku::r4::definitions;
use renraku::search::extract::{ExtractOptions, extract};
use renraku::search::parse::{ParseOptions, parse_query};
use renraku::search::registry::registry;

static OPTIONS: LazyLock<ExtractOptions> = LazyLock::new(|| ExtractOptions {
    registry: Arc::clone(registry()),
    default_offset_seconds: 9 * 3600,
    full_text: renraku::search::text::FullText::Narrative,
    base_url: None,
});

fn shared(name: &str) -> Option<Vec<u8>> {
    let root = env!("CARGO_MANIFEST_DIR");
    let near = ["../shared", "../../shared"].map(|place| PathBuf::from(root).join(place));
    let given = std::env::var_os("RENRAKU_SHARED").map(PathBuf::from);
    let found = given.into_iter().chain(near).find_map(|folder| std::fs::read(folder.join(name)).ok());
    if found.is_none() {
        println!("skipped: {name} (set RENRAKU_SHARED)");
    }
    found
}

fn index(node: &Node<'_>) -> usize {
    let number = node.text("resourceType").and_then(|name| definitions().resource_number(name));
    number.map_or(0, |number| extract(number, black_box(node), &OPTIONS).tokens.len())
}

fn examples(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("extract");
    group.throughput(Throughput::Elements(1));
    for name in ["patient-example", "observation-example"] {
        let Some(bytes) = shared(&format!("suites/r4-examples/{name}.json")) else { continue };
        let node = json::parse(&bytes).unwrap();
        group.bench_function(name, |bencher| bencher.iter(|| index(&node)));
    }
    let Some(bytes) = shared("samples/synthea/synthea_transaction_bundle.json") else { return };
    let count = json::parse(&bytes).unwrap().list("entry").len();
    group.throughput(Throughput::Elements(u64::try_from(count).unwrap()));
    group.bench_function("synthea bundle, parse and extract", |bencher| {
        bencher.iter(|| {
            let bundle = json::parse(black_box(&bytes)).unwrap();
            bundle.list("entry").iter().filter_map(|entry| entry.get("resource")).map(index).sum::<usize>()
        });
    });
    let bundle = json::parse(&bytes).unwrap();
    group.bench_function("synthea bundle, extract", |bencher| {
        bencher
            .iter(|| bundle.list("entry").iter().filter_map(|entry| entry.get("resource")).map(index).sum::<usize>());
    });
}

fn expressions(criterion: &mut Criterion) {
    let Some(bytes) = shared("suites/r4-examples/observation-example.json") else { return };
    let node = json::parse(&bytes).unwrap();
    let id = definitions().resource("Observation").unwrap();
    let mut group = criterion.benchmark_group("fhirpath");
    group.throughput(Throughput::Elements(1));
    for expression in [
        "Observation.code | Observation.component.code",
        "(Observation.value as Quantity) | (Observation.value as SampledData)",
        "Observation.subject.where(resolve() is Patient)",
    ] {
        let compiled = compile_for(expression, id).unwrap();
        group.bench_function(expression, |bencher| {
            bencher.iter(|| compiled.evaluate(Item::new(id, black_box(&node))).unwrap().len());
        });
    }
}

fn queries(criterion: &mut Criterion) {
    let number = definitions().resource_number("Observation").unwrap();
    let options = ParseOptions {
        registry: Arc::clone(registry()),
        lenient: false,
        max_count: 1000,
        default_offset_seconds: 0,
        now_micros: 0,
        full_text: renraku::search::text::FullText::All,
        base_url: None,
        value_sets: None,
    };
    let pairs = [("subject", "Patient/1"), ("code", "http://loinc.org|8867-4"), ("date", "ge2024"), ("_sort", "-date")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    criterion.bench_function("parse query", |bencher| {
        bencher.iter(|| parse_query(number, black_box(&pairs), &options).unwrap().conditions.len());
    });
}

criterion_group! {
    name = search;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(2)).warm_up_time(std::time::Duration::from_millis(500));
    targets = examples, expressions, queries
}
criterion_main!(search);
