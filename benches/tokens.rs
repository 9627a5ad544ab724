//! What the check of an access token costs: the first time, by algorithm, and when it is remembered.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group, criterion_main};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use renraku::access::KnownTokens;
use renraku::access::claims::{Believed, Expected, believe};
use renraku::access::jwt::{Key, SigningKey, Unverified};
use serde_json::{Value, json};

const BASE: &str = "https://town.example/fhir";

fn check(token: &str, keys: &[Key]) -> Believed {
    let claims = Unverified::read(token).unwrap().verify(keys).unwrap();
    believe(&claims, &Expected { issuer: BASE, audience: BASE, now: 900, amr: &[] }).unwrap()
}

fn claims(number: usize) -> Value {
    json!({
        "iss": BASE, "aud": BASE, "sub": "a1b2c3d4e5f60718", "client_id": "01990000-0000-7000-8000-000000000000",
        "scope": "openid fhirUser launch/patient offline_access user/*.cruds patient/*.rs",
        "fhirUser": format!("{BASE}/Practitioner/p1"), "amr": ["pwd", "otp", "mfa"], "iat": 800, "exp": 1000,
        "jti": format!("01990000-0000-7000-8000-{number:012}"), "fam": "01990000-0000-7000-8000-000000000001", "login": "nurse1",
    })
}

fn rs256(key: &Rsa<openssl::pkey::Private>) -> (String, Vec<Key>) {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let jwk = json!({ "kty": "RSA", "kid": "r", "n": encode(&key.n().to_vec()), "e": encode(&key.e().to_vec()) });
    let header = json!({ "alg": "RS256", "kid": "r" }).to_string();
    let text = format!("{}.{}", encode(header.as_bytes()), encode(claims(0).to_string().as_bytes()));
    let private = PKey::from_rsa(key.clone()).unwrap();
    let signature = Signer::new(MessageDigest::sha256(), &private).unwrap().sign_oneshot_to_vec(text.as_bytes());
    (format!("{text}.{}", encode(&signature.unwrap())), Key::set(&json!({ "keys": [jwk] })))
}

fn tokens(criterion: &mut Criterion) {
    let key = SigningKey::generate("k".to_owned()).unwrap();
    let keys = Key::set(&json!({ "keys": [key.to_jwk().unwrap()] }));
    let token = key.sign("at+jwt", &claims(0)).unwrap();
    let mut group = criterion.benchmark_group("token");
    group.bench_function("ES256, the first time", |bencher| bencher.iter(|| check(black_box(&token), &keys)));
    let (rsa_token, rsa_keys) = rs256(&Rsa::generate(2048).unwrap());
    group.bench_function("RS256, the first time", |bencher| bencher.iter(|| check(black_box(&rsa_token), &rsa_keys)));

    // As in a town: ten thousand people are signed in, and some tokens were revoked.
    let known = KnownTokens::new((0..1000).map(|number| format!("jti:revoked-{number}")).collect());
    let own = check(&token, &keys);
    for number in 1..10_000 {
        known.keep(&format!("{token}{number}"), own.clone()).unwrap();
    }
    known.keep(&token, own).unwrap();
    group.bench_function("remembered", |bencher| {
        bencher.iter(|| {
            // As the gate does: every request gets a caller of its own.
            let believed = known.get(black_box(&token), 900).unwrap().unwrap();
            believed.caller.clone()
        });
    });
    group.finish();
}

criterion_group!(benches, tokens);
criterion_main!(benches);
