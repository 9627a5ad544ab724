//! FHIRPath: parsing, the compiled form that search uses, and conditions as invariants ask them.
//! Prints events a second; on one core each.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use renraku::fhirpath::{Environment, Item, Query, compile_for, parser};
use renraku::format::json;
use renraku::r4::definitions;

const PATIENT: &str = r##"{"resourceType":"Patient","id":"example","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},
    "identifier":[{"use":"usual","system":"urn:oid:1.2.36.146.595.217.0.1","value":"12345","period":{"start":"2001-05-06"}}],
    "active":true,"name":[{"use":"official","family":"見本","given":["花子"],"period":{"start":"2001-05-06","end":"2020-01-01"}}],
    "telecom":[{"system":"phone","value":"(03) 5555 6473","use":"work","rank":1},{"system":"email","value":"a@example.org"}],
    "gender":"female","birthDate":"1942-05-03","address":[{"use":"home","line":["見本町1-2"],"city":"見本市","postalCode":"000-0000"}],
    "contact":[{"name":{"family":"見本"},"telecom":[{"system":"phone","value":"1"}]}],"managingOrganization":{"reference":"Organization/1"}}"##;

fn parse(criterion: &mut Criterion) {
    let all = definitions();
    let expressions: Vec<&str> = all.parameters.iter().filter_map(|known| known.expression.as_deref()).collect();
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(expressions.len() as u64));
    group.bench_function("expressions of search parameters", |bencher| {
        bencher.iter(|| expressions.iter().filter(|text| parser::parse(black_box(text)).is_ok()).count());
    });
    group.finish();
}

fn search(criterion: &mut Criterion) {
    let all = definitions();
    let patient = all.resource("Patient").unwrap();
    let node = json::parse(PATIENT.as_bytes()).unwrap();
    let compiled: Vec<_> = all
        .parameters
        .iter()
        .filter(|known| known.base.iter().any(|base| base == "Patient"))
        .filter_map(|known| compile_for(known.expression.as_deref()?, patient).ok())
        .collect();
    let mut group = criterion.benchmark_group("search");
    group.throughput(Throughput::Elements(compiled.len() as u64));
    group.bench_function("parameters of Patient", |bencher| {
        let focus = Item::new(patient, &node);
        bencher.iter(|| compiled.iter().filter_map(|one| one.evaluate(black_box(focus)).ok()).count());
    });
    group.finish();
}

fn invariants(criterion: &mut Criterion) {
    let all = definitions();
    let patient = all.resource("Patient").unwrap();
    let node = json::parse(PATIENT.as_bytes()).unwrap();
    let focus = Item::new(patient, &node);
    let of_patient = all.get(patient).invariants.iter();
    let queries: Vec<_> = of_patient.filter_map(|found| Query::lenient(&found.expression).ok()).collect();
    let mut group = criterion.benchmark_group("invariants");
    group.throughput(Throughput::Elements(queries.len() as u64));
    group.bench_function("of Patient", |bencher| {
        let environment = Environment::default();
        bencher.iter(|| queries.iter().filter(|one| one.holds(black_box(focus), &environment).is_ok()).count());
    });
    let period = all.type_id("Period").unwrap();
    let period_node = node.path(&["name", "period"]).unwrap();
    for (name, text, item) in [
        ("per-1", "start.hasValue().not() or end.hasValue().not() or (start <= end)", Item::new(period, period_node)),
        ("ele-1", "hasValue() or (children().count() > id.count())", Item::new(period, period_node)),
        ("matches", "gender.matches('[a-z]([A-Za-z0-9_]){0,254}')", focus),
        ("where", "telecom.where(system = 'phone').exists() and name.all(family.exists() or given.exists())", focus),
    ] {
        let query = Query::lenient(text).unwrap();
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |bencher| {
            let environment = Environment::default();
            bencher.iter(|| query.holds(black_box(item), &environment));
        });
    }
    group.finish();
}

criterion_group!(benches, parse, search, invariants);
criterion_main!(benches);
