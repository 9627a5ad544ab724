//! Nonsense of every kind, well-formed as HTTP: whatever is asked, the answer is not 5xx (but 501 for
//! what is not supported), what is refused says why in an OperationOutcome, and nothing panics.
//! Seeded: `RENRAKU_FUZZ_SEED` and `RENRAKU_FUZZ_REQUESTS` ask for other and more requests.

use serde_json::{Value, json};

use crate::common::{Server, agent, exchange};
use crate::support::on_each_alone;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn one<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

const METHODS: &[&str] = &["GET", "GET", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "PROPFIND"];
const SEGMENTS: &[&str] = &[
    "Patient",
    "Observation",
    "Bundle",
    "ValueSet",
    "Binary",
    "Parameters",
    "patient",
    "Nonsense",
    "p1",
    "p2",
    "never",
    "_history",
    "_search",
    "1",
    "2",
    "0",
    "-1",
    "99999999999999999999",
    "$everything",
    "$validate",
    "$expand",
    "$nonsense",
    "$meta",
    "*",
    "metadata",
    "",
    ".",
    "%2e%2e",
    "%00",
    "%ff",
    "%e3%81%82",
    "a%20b",
    "%7B%7D",
    "..%2f",
    "_",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];
const NAMES: &[&str] = &[
    "_id",
    "_lastUpdated",
    "_tag",
    "_profile",
    "_sort",
    "_count",
    "_summary",
    "_elements",
    "_include",
    "_revinclude",
    "_include:iterate",
    "_total",
    "_cursor",
    "_format",
    "_pretty",
    "_since",
    "_at",
    "_list",
    "_type",
    "_text",
    "_content",
    "_filter",
    "_query",
    "_contained",
    "name",
    "family:exact",
    "family:contains",
    "identifier",
    "identifier:of-type",
    "identifier:not",
    "birthdate",
    "birthdate:missing",
    "gender:not",
    "gender:in",
    "code",
    "code:text",
    "code:above",
    "code:below",
    "subject:Patient",
    "subject.name",
    "subject:Patient.name",
    "subject.subject.subject",
    "_has:Observation:patient:code",
    "_has:Observation:patient:_has:Group:member:code",
    "_has:::",
    "_has",
    "value-quantity",
    "code-value-quantity",
    "component-code-value-quantity",
    "date",
    "url:below",
    "context-type-quantity",
    "link.link.link.name",
    "performer.name",
    "near",
    "%00",
    "%ff",
    "a%5B%5D",
    "",
    "x:y:z",
    ".",
    "..",
    "name:",
    ":name",
    "name.",
    ".name",
    "_sort:desc",
    "filter",
    "offset",
];
const VALUES: &[&str] = &[
    "",
    "1",
    "0",
    "-1",
    "1e400",
    "1e-400",
    "99999999999999999999",
    "0.0000000000000000000000001",
    "NaN",
    "true",
    "null",
    "2024",
    "2024-02-30",
    "2024-13",
    "0000-01-01",
    "9999-12-31T23:59:60Z",
    "ge2024",
    "ap2024-02-29T23:59:59.999999999%2B14:00",
    "sa",
    "eb9999",
    "ne0001-01-01",
    "a",
    "%E5%B1%B1",
    "%00",
    "%ff%fe",
    "%F0%9F%98%80",
    ",",
    ",,,",
    "%7C",
    "%7C%7C",
    "%7C%7C%7C",
    "a%7C",
    "%7Ca",
    "%5C",
    "%5C%5C%5C,",
    "$",
    "a$b$c$d",
    "5.4%7Chttp://unitsofmeasure.org%7Cmg",
    "5%7C%7Ckg",
    "1%7Chttp://unitsofmeasure.org%7C%7Bx%7D/0",
    "Patient/p1",
    "Patient/",
    "/",
    "http://",
    "urn:uuid:",
    "urn:oid:1.2.3",
    "http://a/b%7C1.0",
    "#x",
    "*",
    "Patient:link",
    "Patient:link:Patient",
    "Observation:*",
    "-birthdate,family",
    "-",
    "name,name,name,name,name",
    "count",
    "data",
    "text",
    "json",
    "xml",
    "application/fhir%2Bxml",
    "name eq a",
    "(((((((((((((((((((((((((",
    "name co %22x%22 and not(birthdate lt 2024)",
    "7b7d",
    "ff",
    "7b2273223a5b5d2c226b223a317d",
    "%27%20OR%201=1--",
    "%25",
    "_",
    "%25_%5C",
];
const ACCEPTS: &[&str] = &[
    "application/fhir+json",
    "application/fhir+xml",
    "*/*",
    "text/html",
    "application/json;q=0",
    "application/fhir+json; fhirVersion=5.0",
    ";;;",
    "",
    "image/png, */*;q=0.1",
    "application/fhir+json;q=banana",
];
const TYPES: &[&str] = &[
    "application/fhir+json",
    "application/fhir+json",
    "application/json-patch+json",
    "application/fhir+xml",
    "application/x-www-form-urlencoded",
    "text/plain",
    "",
    "application/fhir+json; charset=utf-16",
    "application/octet-stream",
];

fn path(random: &mut Random) -> String {
    let mut path: Vec<&str> = (0..random.below(5)).map(|_| random.one(SEGMENTS)).collect();
    if random.chance(60) && !path.is_empty() {
        path[0] = random.one(&["Patient", "Observation", "ValueSet", "Encounter", "Group"]);
    }
    let mut text = path.join("/");
    for place in 0..random.below(5) {
        text.push(if place == 0 { '?' } else { '&' });
        text.push_str(random.one(NAMES));
        if random.chance(97) {
            text.push('=');
            text.push_str(random.one(VALUES));
        }
        if random.chance(10) {
            text.push(',');
            text.push_str(random.one(VALUES));
        }
    }
    text
}

fn headers(random: &mut Random) -> Vec<(&'static str, String)> {
    let mut headers = vec![("content-type", random.one(TYPES).to_owned())];
    let mut add = |random: &mut Random, percent: usize, name: &'static str, values: &[&str]| {
        if random.chance(percent) {
            headers.push((name, random.one(values).to_owned()));
        }
    };
    add(random, 30, "accept", ACCEPTS);
    add(
        random,
        10,
        "if-match",
        &["W/\"1\"", "\"1\"", "*", "W/", "1", "W/\"99999999999999999999\"", "W/\"-1\", W/\"2\"", "\u{e9}"],
    );
    add(random, 10, "if-none-match", &["W/\"1\"", "*", "", "x"]);
    add(
        random,
        10,
        "if-none-exist",
        &["identifier=x", "", "name", "%ff", "_has:::=1", "identifier=a&identifier=b", "?_id=p1", "nonsense=1"],
    );
    add(random, 10, "if-modified-since", &["Sat, 29 Feb 2020 00:00:00 GMT", "yesterday", ""]);
    add(
        random,
        15,
        "prefer",
        &["return=minimal", "return=OperationOutcome", "handling=lenient", "respond-async", "return=;;,", "="],
    );
    add(random, 5, "x-request-id", &["a", "", "a b", "\u{e9}\u{e9}"]);
    add(random, 5, "x-forwarded-host", &["evil", "a b", ""]);
    add(random, 5, "content-encoding", &["gzip", "br", "nonsense"]);
    headers
}

fn body(random: &mut Random) -> Vec<u8> {
    let good = [
        json!({ "resourceType": "Patient", "id": "p1", "name": [{ "family": "見本" }], "birthDate": "1944-11-23" }),
        json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" }, "valueQuantity": { "value": 5.40 } }),
        json!({ "resourceType": "Bundle", "type": "batch", "entry": [{ "request": { "method": "GET", "url": "Patient?name=a" } }, { "request": { "method": "DELETE", "url": "Patient/p2" } }] }),
        json!({ "resourceType": "Bundle", "type": "transaction", "entry": [{ "fullUrl": "urn:uuid:1", "resource": { "resourceType": "Patient" }, "request": { "method": "POST", "url": "Patient", "ifNoneExist": "identifier=a" } }] }),
        json!({ "resourceType": "Parameters", "parameter": [{ "name": "operation", "part": [{ "name": "type", "valueCode": "add" }, { "name": "path", "valueString": "Patient" }] }] }),
        json!([{ "op": "replace", "path": "/birthDate", "value": "2000" }, { "op": "test", "path": "/name/0/family", "value": "見本" }]),
        json!({ "resourceType": "ValueSet", "status": "draft", "compose": { "include": [{ "system": "http://loinc.org", "filter": [{ "property": "a", "op": "regex", "value": "(" }] }] } }),
        json!({ "resourceType": "SearchParameter", "url": "http://a/b", "name": "x", "status": "active", "description": "x", "code": "x", "base": ["Patient"], "type": "string", "expression": "Patient.name.where(" }),
    ];
    let mut bytes = match random.below(12) {
        0 => Vec::new(),
        1 => b"name=a&birthdate=ge2000&&&=%ff".to_vec(),
        2 => br#"<Patient xmlns="http://hl7.org/fhir"><name><family value="a"/></name></Patient>"#.to_vec(),
        3 => vec![b'['; 20_000],
        _ => serde_json::to_vec(&good[random.below(good.len())]).unwrap(),
    };
    for _ in 0..random.below(4) {
        if bytes.is_empty() {
            break;
        }
        let place = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[place] = u8::try_from(random.below(256)).unwrap(),
            1 => drop(bytes.remove(place)),
            2 => bytes.truncate(place),
            3 => bytes.insert(place, random.one(b"{}[]\",:\\0-e\0<>&")),
            _ => {
                let part = bytes[place..(place + 30).min(bytes.len())].to_vec();
                bytes.splice(place..place, part);
            }
        }
    }
    bytes
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn nonsense_is_refused_with_a_reason() {
    let seed = setting("RENRAKU_FUZZ_SEED", 20_260_401);
    let requests = setting("RENRAKU_FUZZ_REQUESTS", 2500);
    on_each_alone(|server| {
        let mut random = Random(seed);
        let agent = agent();
        for id in ["p1", "p2"] {
            server.put(&format!("Patient/{id}"), &json!({ "resourceType": "Patient", "id": id }));
        }
        let mut refused = 0;
        for number in 0..requests {
            let (method, path, headers, body) =
                (random.one(METHODS), path(&mut random), headers(&mut random), body(&mut random));
            let pairs: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let body = (!matches!(method, "GET" | "HEAD" | "OPTIONS" | "DELETE")).then_some(body);
            let shown = body.as_deref().map(|body| String::from_utf8_lossy(body).chars().take(600).collect::<String>());
            let describe = || format!("request {number} of seed {seed}: {method} {path:?} {headers:?} {shown:?}");
            // What is no URI for the client was never sent.
            let Ok(answer) = exchange(&agent, &server.base, method, &path, &pairs, body.clone()) else {
                assert_eq!(server.get("metadata").status, 200, "the server is gone after {}", describe());
                continue;
            };
            let is_told = answer.status < 500 || answer.status == 501;
            assert!(
                is_told,
                "{} was answered {}: {}",
                describe(),
                answer.status,
                String::from_utf8_lossy(&answer.bytes)
            );
            if answer.status >= 400 && method != "HEAD" {
                refused += 1;
                assert!(
                    is_outcome(server, &answer.body, &answer.bytes),
                    "{} was answered {} with {:?}",
                    describe(),
                    answer.status,
                    String::from_utf8_lossy(&answer.bytes)
                );
            }
        }
        assert!(refused * 4 > requests, "{refused} of {requests} refused: too little nonsense");
        assert!(!server.log().contains("panicked"), "{}", server.log());
    });
}

/// An OperationOutcome in JSON, XML or as a page, with at least one issue.
fn is_outcome(_: &Server, body: &Value, bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let has_issues = body["issue"].as_array().is_some_and(|issues| !issues.is_empty());
    (body["resourceType"] == "OperationOutcome" && has_issues)
        || (text.contains("<OperationOutcome") && text.contains("<issue>"))
        || (text.contains("<title>OperationOutcome</title>") && text.contains("<li><b>error</b>"))
}
