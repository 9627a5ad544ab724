//! What parsing, structural validation and XML cost: a Patient, and a Synthea transaction Bundle.
//!
//! The inputs lie outside the repository (`RENRAKU_SHARED` or `../shared`); without them nothing
//! is measured.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr)]

use std::hint::black_box;
use std::path::{Path, PathBuf};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use renraku::format::json::parse;
use renraku::validation::structure::check_resource;
use renraku::xml::{parse_xml, write_xml};

fn shared(path: &str) -> Option<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let configured = std::env::var_os("RENRAKU_SHARED").map(PathBuf::from);
    let found = configured
        .into_iter()
        .chain([root.join("../shared"), root.join("../../shared")])
        .find_map(|folder| std::fs::read(folder.join(path)).ok());
    if found.is_none() {
        eprintln!("skipped: no shared {path}");
    }
    found
}

fn measure(criterion: &mut Criterion, name: &str, path: &str) {
    let Some(bytes) = shared(path) else { return };
    let node = parse(&bytes).unwrap();
    check_resource(&node, None).unwrap();
    let resources = node.list("entry").len().max(1) as u64;

    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("parse", |bencher| bencher.iter(|| parse(black_box(&bytes)).unwrap()));
    group.bench_function("parse and check", |bencher| {
        bencher.iter(|| check_resource(&parse(black_box(&bytes)).unwrap(), None).unwrap());
    });
    let mut xml = Vec::new();
    write_xml(&node, false, &mut xml).unwrap();
    group.throughput(Throughput::Bytes(xml.len() as u64));
    group.bench_function("read XML", |bencher| bencher.iter(|| parse_xml(black_box(&xml)).unwrap()));
    group.bench_function("write XML", |bencher| {
        bencher.iter(|| {
            let mut out = Vec::with_capacity(xml.len());
            write_xml(black_box(&node), false, &mut out).unwrap();
            out
        });
    });
    group.throughput(Throughput::Elements(resources));
    group.bench_function("check (resources)", |bencher| {
        bencher.iter(|| check_resource(black_box(&node), None).unwrap())
    });
    group.finish();
}

fn structure(criterion: &mut Criterion) {
    measure(criterion, "patient", "suites/r4-examples/patient-example.json");
    measure(criterion, "synthea", "samples/synthea/synthea_transaction_bundle.json");
}

criterion_group!(benches, structure);
criterion_main!(benches);
