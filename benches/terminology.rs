//! What terminology costs: membership of a code, and the expansion of large value sets.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use renraku::format::json::parse;
use renraku::r4::canonical::standard;
use renraku::terminology::{ExpandOptions, Membership, Terminology, filter_words};

fn terminology(criterion: &mut Criterion) {
    let terminology = Arc::new(Terminology::new(standard()));
    let mut group = criterion.benchmark_group("membership");
    group.throughput(Throughput::Elements(1));
    let gender = "http://hl7.org/fhir/ValueSet/administrative-gender";
    group.bench_function("administrative-gender", |bencher| {
        bencher.iter(|| terminology.member(black_box(gender), "http://hl7.org/fhir/administrative-gender", "female"));
    });
    let act = "http://terminology.hl7.org/ValueSet/v3-ActIncidentCode";
    let codes = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    let in_hierarchy = terminology.expand(act, &ExpandOptions::default()).unwrap().contains[0].code.clone();
    assert_eq!(terminology.member(act, codes, &in_hierarchy), Membership::Member);
    group.bench_function("v3-ActCode, by hierarchy", |bencher| {
        bencher.iter(|| terminology.member(black_box(act), codes, &in_hierarchy));
    });

    let mut concepts = String::new();
    for number in 0..10_000 {
        let comma = if number == 0 { "" } else { "," };
        write!(concepts, r#"{comma}{{"code":"c{number}","display":"見本 {number} mg"}}"#).unwrap();
    }
    let set = format!(
        r#"{{"resourceType":"ValueSet","status":"active","compose":{{"include":[{{"system":"http://s","concept":[{concepts}]}}]}}}}"#
    );
    let set = terminology.read_value_set(parse(set.as_bytes()).unwrap().into_owned());
    group.bench_function("one of 10,000 listed", |bencher| {
        bencher.iter(|| terminology.member_of(&set, "http://s", None, black_box("c7777")));
    });
    group.finish();

    let mut group = criterion.benchmark_group("expansion");
    group.bench_function("10,000 codes", |bencher| {
        bencher.iter(|| terminology.expand_set(&set, &ExpandOptions::default()).unwrap());
    });
    let filtered = ExpandOptions { words: filter_words("みほん 77"), count: Some(20), ..ExpandOptions::default() };
    group.bench_function("10,000 codes, text filter", |bencher| {
        bencher.iter(|| terminology.expand_set(&set, &filtered).unwrap());
    });
    group.finish();
}

criterion_group!(benches, terminology);
criterion_main!(benches);
