//! What validation beyond structure costs: a Patient against the standard and against JP Core, a whole Bundle.
//!
//! The inputs lie outside the repository (`RENRAKU_SHARED` or `../shared`); without them nothing
//! is measured.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr)]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use renraku::format::json::parse;
use renraku::r4::canonical::{Canonicals, Layers, standard};
use renraku::r4::loaded::LoadedPackages;
use renraku::terminology::Terminology;
use renraku::validation::{Options, Validator};

const JP_PATIENT: &str = "http://jpfhir.jp/fhir/core/StructureDefinition/JP_Patient";

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

fn validator() -> Validator {
    let mut packages = LoadedPackages::default();
    if let Some(package) = shared("samples/packages/jp-core.r4-1.1.2.tgz") {
        packages.load(package.as_slice()).unwrap();
    }
    let definitions: Arc<dyn Canonicals> = Arc::new(Layers(vec![standard(), Arc::new(packages)]));
    let terminology = Arc::new(Terminology::new(Arc::clone(&definitions)));
    Validator::new(definitions, terminology)
}

/// A collection of 1 MB: the entries of a real transaction until it is full, each under a URL of its own.
fn megabyte() -> Option<Vec<u8>> {
    let bytes = shared("samples/synthea/synthea_transaction_bundle.json")?;
    let source = parse(&bytes).unwrap();
    let resources = source.list("entry").iter().filter_map(|entry| entry.get("resource"));
    let mut text = br#"{"resourceType":"Bundle","type":"collection","entry":["#.to_vec();
    for (number, resource) in resources.cycle().enumerate() {
        if number > 0 {
            text.push(b',');
        }
        text.extend_from_slice(
            format!(r#"{{"fullUrl":"urn:uuid:00000000-0000-4000-8000-{number:012}","resource":"#).as_bytes(),
        );
        resource.write(&mut text);
        text.push(b'}');
        if text.len() >= 1_000_000 {
            break;
        }
    }
    text.extend_from_slice(b"]}");
    Some(text)
}

fn validate(criterion: &mut Criterion) {
    let validator = validator();
    let options = Options::default();
    let mut group = criterion.benchmark_group("validate");
    if let Some(bytes) = shared("suites/r4-examples/patient-example.json") {
        let patient = parse(&bytes).unwrap();
        group.throughput(Throughput::Elements(1));
        group.bench_function("Patient, standard", |bencher| {
            bencher.iter(|| validator.validate(black_box(&patient), &[], &options));
        });
        group.bench_function("Patient, JP Core", |bencher| {
            bencher.iter(|| validator.validate(black_box(&patient), &[JP_PATIENT], &options));
        });
    }
    if let Some(bytes) = megabyte() {
        let bundle = parse(&bytes).unwrap();
        group.throughput(Throughput::Elements(1));
        group.sample_size(20);
        group.bench_function("Bundle of 1 MB, standard", |bencher| {
            bencher.iter(|| validator.validate(black_box(&bundle), &[], &options));
        });
    }
    if let Some(bytes) = shared("samples/synthea/synthea_transaction_bundle.json") {
        let bundle = parse(&bytes).unwrap();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.sample_size(10);
        group.bench_function("Bundle, standard", |bencher| {
            bencher.iter(|| validator.validate(black_box(&bundle), &[], &options));
        });
    }
    group.finish();
}

criterion_group!(benches, validate);
criterion_main!(benches);
