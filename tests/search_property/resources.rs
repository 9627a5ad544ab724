//! Random resources, few enough values that random queries meet some of them. All persons are made up.

use serde_json::{Map, Value, json};

use crate::random::Random;
use crate::special::{PLACES, TREE, TREE_CODES, terminology};

/// How many of each type there are in a world of 300.
const SHARES: &[(&str, usize)] = &[
    ("Organization", 8),
    ("Practitioner", 12),
    ("Location", 15),
    ("Patient", 40),
    ("Encounter", 35),
    ("Condition", 35),
    ("Observation", 80),
    ("MedicationRequest", 25),
    ("Communication", 15),
    ("DocumentReference", 20),
    ("RiskAssessment", 12),
    ("ValueSet", 18),
    ("List", 8),
];

const FAMILIES: &[&str] =
    &["見本", "髙橋", "高橋", "山﨑", "斎藤", "齋藤", "Muster", "van Dijk", "Lefèvre", "渡邊", "やまだ", "ﾔﾏﾀﾞ"];
const GIVENS: &[&str] = &["花子", "太郎", "ハナコ", "はなこ", "Jo-Anne", "Zoë", "一郎", "Erika"];
const CITIES: &[&str] = &["大府市", "東海市", "Zürich", "zurich", "名古屋市"];
const STATES: &[&str] = &["愛知県", "東京都", "ZH"];
const LINES: &[&str] = &["森岡町七丁目430番地", "本郷 7-3-1", "Main Street 1", "ﾓﾘｵｶ 1-2"];
const TEXTS: &[&str] = &[
    "大腿骨頚部骨折",
    "Fracture, closed",
    "fracture of hip",
    "a|b$c",
    "転倒・骨折",
    "ロコモティブ シンドローム",
    "a rather long text about a fall in the kitchen that goes on beyond what the index keeps in one piece, and further",
];
const SYSTEMS: &[&str] = &["http://loinc.org", "http://snomed.info/sct", "urn:oid:1.2.392.200119.4.504"];
const CODES: &[&str] = &["8480-6", "8462-4", "85354-9", "Abc", "abc", "A,1", "73211009"];
const DATES: &[&str] = &[
    "2024",
    "2023",
    "2024-02",
    "2024-03",
    "2024-02-29",
    "2024-02-28",
    "2023-12-31",
    "2024-01-01",
    "1948-07-05",
    "2024-02-29T23:30:00+09:00",
    "2024-02-29T14:30:00Z",
    "2024-02-29T14:30:00.250Z",
    "2023-12-31T20:00:00-05:00",
    "2024-01-01T00:00:00+09:00",
];
const INSTANTS: &[&str] =
    &["2024-02-29T23:30:00+09:00", "2024-02-29T14:30:00.250Z", "2023-12-31T20:00:00-05:00", "2024-03-01T00:00:00Z"];
const NUMBERS: &[&str] =
    &["0", "1", "5.4", "5.40", "5.35", "5.45", "99.5", "100", "100.4", "110", "-3", "0.001", "120", "36.55"];
const UNITS: &[(&str, &str, &str)] = &[
    ("mmHg", "http://unitsofmeasure.org", "mm[Hg]"),
    ("歳", "http://unitsofmeasure.org", "a"),
    ("kg", "http://unitsofmeasure.org", "kg"),
    ("グラム", "http://unitsofmeasure.org", "g"),
    ("錠", "urn:oid:1.2.392.100495.20.2.101", "TAB"),
];
const VALUE_SET_URLS: &[&str] = &[
    "http://example.org/fhir/ValueSet/falls",
    "http://example.org/fhir/ValueSet/falls/hip",
    "http://example.org/fhir/ValueSetX",
    "http://example.org/fhir",
    "urn:oid:1.2.3.4",
];

/// The resources of a world of about `size`, in an order in which not all references point back.
pub(crate) fn generate(random: &mut Random, size: usize) -> Vec<Value> {
    let total: usize = SHARES.iter().map(|(_, share)| share).sum();
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for (name, share) in SHARES {
        counts.push((name, (share * size / total).max(3)));
    }
    let mut maker = Maker { random, counts };
    let mut all = Vec::new();
    for (name, count) in maker.counts.clone() {
        for number in 0..count {
            all.push(maker.resource(name, &id(name, number)));
        }
    }
    all.extend(terminology().into_iter().filter(|resource| resource["resourceType"] == "ValueSet"));
    all
}

/// Another version of a resource: same id, other content.
pub(crate) fn again(random: &mut Random, resources: &[Value], resource: &Value) -> Value {
    let mut counts: Vec<(&'static str, usize)> = SHARES.iter().map(|(name, _)| (*name, 0)).collect();
    for (name, count) in &mut counts {
        *count = resources.iter().filter(|other| other["resourceType"] == **name).count();
    }
    let mut maker = Maker { random, counts };
    maker.resource(resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())
}

fn id(resource_type: &str, number: usize) -> String {
    // Some ids are the same at several types, so that a bare id is ambiguous.
    if number < 3 { format!("x{number}") } else { format!("{}-{number}", &resource_type[..3].to_lowercase()) }
}

struct Maker<'r> {
    random: &'r mut Random,
    counts: Vec<(&'static str, usize)>,
}

impl Maker<'_> {
    fn maybe(
        &mut self,
        target: &mut Map<String, Value>,
        name: &str,
        percent: usize,
        make: impl FnOnce(&mut Self) -> Value,
    ) {
        if self.random.chance(percent) {
            let value = make(self);
            target.insert(name.to_owned(), value);
        }
    }

    fn list(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> Value) -> Value {
        let count = 1 + self.random.below(most);
        (0..count).map(|_| make(self)).collect()
    }

    fn text(&mut self, list: &[&str]) -> Value {
        json!(self.random.pick(list))
    }

    fn number(&mut self) -> Value {
        serde_json::from_str(self.random.pick(NUMBERS)).unwrap()
    }

    fn coding(&mut self) -> Value {
        if self.random.chance(15) {
            return json!({ "system": TREE, "code": self.random.pick(TREE_CODES).0 });
        }
        let mut coding = json!({ "code": self.random.pick(CODES) });
        if self.random.chance(80) {
            coding["system"] = self.text(SYSTEMS);
        }
        if self.random.chance(15) {
            coding["display"] = self.text(TEXTS);
        }
        coding
    }

    fn concept(&mut self) -> Value {
        let mut concept = json!({});
        if self.random.chance(90) {
            concept["coding"] = self.list(2, Self::coding);
        }
        if self.random.chance(30) || concept.as_object().is_some_and(Map::is_empty) {
            concept["text"] = self.text(TEXTS);
        }
        concept
    }

    fn identifier(&mut self) -> Value {
        let mut identifier = json!({ "value": format!("{}", self.random.below(30)) });
        if self.random.chance(80) {
            identifier["system"] = self.text(SYSTEMS);
        }
        if self.random.chance(20) {
            identifier["type"] = self.concept();
        }
        identifier
    }

    fn quantity(&mut self) -> Value {
        let mut quantity = json!({ "value": self.number() });
        if self.random.chance(80) {
            let (unit, system, code) = self.random.pick(UNITS);
            quantity["unit"] = json!(unit);
            if self.random.chance(85) {
                quantity["system"] = json!(system);
                quantity["code"] = json!(code);
            }
        }
        if self.random.chance(8) {
            quantity["comparator"] = self.text(&["<", ">"]);
        }
        quantity
    }

    fn range(&mut self) -> Value {
        let (unit, system, code) = self.random.pick(UNITS);
        let end = |value: Value| json!({ "value": value, "unit": unit, "system": system, "code": code });
        match self.random.below(4) {
            0 => json!({ "low": end(self.number()) }),
            1 => json!({ "high": end(self.number()) }),
            _ => json!({ "low": end(json!(1)), "high": end(json!(100 + self.random.below(20))) }),
        }
    }

    fn date(&mut self) -> Value {
        self.text(DATES)
    }

    fn day(&mut self) -> Value {
        let days: Vec<&str> = DATES.iter().copied().filter(|date| !date.contains('T')).collect();
        self.text(&days)
    }

    fn instant(&mut self) -> Value {
        self.text(INSTANTS)
    }

    fn period(&mut self) -> Value {
        match self.random.below(4) {
            0 => json!({ "start": self.date() }),
            1 => json!({ "end": self.date() }),
            _ => {
                let (start, end) = (
                    self.text(&["2022-05", "2023-12-31", "2024-01-01T10:00:00Z"]),
                    self.text(&["2024-02-29", "2024-03", "2025"]),
                );
                json!({ "start": start, "end": end })
            }
        }
    }

    /// A reference to one of these types: mostly to what is here, sometimes to what is not, to
    /// another server, to a version, or by identifier alone.
    fn reference(&mut self, types: &[&str]) -> Value {
        let kind = self.random.pick(types);
        let count = self.counts.iter().find(|(name, _)| *name == kind).map_or(2, |(_, count)| *count);
        let id = id(kind, self.random.below(count + 1));
        match self.random.below(20) {
            0 => json!({ "reference": format!("http://elsewhere.example/fhir/{kind}/{id}") }),
            1 => json!({ "reference": format!("{kind}/{id}/_history/1") }),
            2 => json!({ "identifier": self.identifier() }),
            3 => json!({ "reference": format!("{kind}/{id}"), "identifier": self.identifier(), "display": "見本" }),
            _ => json!({ "reference": format!("{kind}/{id}") }),
        }
    }

    fn name(&mut self) -> Value {
        let mut name = Map::new();
        self.maybe(&mut name, "family", 90, |maker| maker.text(FAMILIES));
        self.maybe(&mut name, "given", 90, |maker| maker.list(2, |maker| maker.text(GIVENS)));
        self.maybe(&mut name, "prefix", 10, |_| json!(["Dr."]));
        self.maybe(&mut name, "text", 20, |maker| {
            json!(format!("{}　{}", maker.random.pick(FAMILIES), maker.random.pick(GIVENS)))
        });
        if name.is_empty() {
            name.insert("text".to_owned(), json!("名無し"));
        }
        Value::Object(name)
    }

    fn address(&mut self) -> Value {
        let mut address = Map::new();
        self.maybe(&mut address, "use", 60, |maker| maker.text(&["home", "work"]));
        self.maybe(&mut address, "line", 70, |maker| maker.list(2, |maker| maker.text(LINES)));
        self.maybe(&mut address, "city", 80, |maker| maker.text(CITIES));
        self.maybe(&mut address, "state", 70, |maker| maker.text(STATES));
        self.maybe(&mut address, "postalCode", 60, |maker| maker.text(&["474-8511", "113-8655", "8001"]));
        if address.is_empty() {
            address.insert("text".to_owned(), json!("愛知県大府市"));
        }
        Value::Object(address)
    }

    fn telecom(&mut self) -> Value {
        if self.random.chance(60) {
            json!({ "system": "phone", "value": self.random.pick(&["0562-46-2311", "(0562) 46 2311", "+81-562-46-0000"]) })
        } else {
            json!({ "system": "email", "value": self.random.pick(&["Hanako@example.org", "taro@example.org"]) })
        }
    }

    fn meta(&mut self) -> Value {
        let mut meta = Map::new();
        self.maybe(&mut meta, "profile", 30, |maker| {
            maker.list(2, |maker| {
                maker.text(&["http://example.org/p/a", "http://example.org/p/a|1.0", "http://example.org/p/b|2.0"])
            })
        });
        self.maybe(&mut meta, "tag", 30, |maker| maker.list(2, Self::coding));
        self.maybe(&mut meta, "security", 15, |maker| maker.list(1, Self::coding));
        self.maybe(&mut meta, "source", 20, |maker| maker.text(&["http://example.org/import", "urn:example:manual"]));
        Value::Object(meta)
    }

    fn resource(&mut self, name: &str, id: &str) -> Value {
        let mut resource = Map::new();
        resource.insert("resourceType".to_owned(), json!(name));
        resource.insert("id".to_owned(), json!(id));
        if self.random.chance(60) {
            let meta = self.meta();
            if meta.as_object().is_some_and(|meta| !meta.is_empty()) {
                resource.insert("meta".to_owned(), meta);
            }
        }
        let filled = &mut resource;
        self.maybe(filled, "text", 25, |maker| {
            let text = format!("{}, {}", maker.random.pick(TEXTS), maker.random.pick(TEXTS));
            json!({ "status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{text}</div>") })
        });
        match name {
            "Patient" => self.patient(filled),
            "Observation" => self.observation(filled),
            "Condition" => self.condition(filled),
            "Encounter" => self.encounter(filled),
            "MedicationRequest" => self.medication_request(filled),
            "Communication" => self.communication(filled),
            "ValueSet" => self.value_set(filled),
            "RiskAssessment" => self.risk_assessment(filled),
            "DocumentReference" => self.document_reference(filled),
            "List" => self.list_resource(filled),
            "Location" => {
                self.common(filled, &[("identifier", 40), ("telecom", 0)]);
                self.maybe(filled, "name", 80, |maker| maker.text(&["大府病院", "Ward 3", "ward three"]));
                self.maybe(filled, "alias", 30, |maker| maker.list(2, |maker| maker.text(&["南棟", "South"])));
                self.maybe(filled, "address", 50, Self::address);
                self.maybe(filled, "status", 60, |maker| maker.text(&["active", "suspended"]));
                self.maybe(filled, "operationalStatus", 30, Self::coding);
                self.maybe(filled, "position", 60, |maker| {
                    let (latitude, longitude) = maker.random.pick(PLACES);
                    json!({ "latitude": latitude, "longitude": longitude })
                });
                self.maybe(filled, "type", 50, |maker| maker.list(2, Self::concept));
                self.maybe(filled, "managingOrganization", 60, |maker| maker.reference(&["Organization"]));
                self.maybe(filled, "partOf", 40, |maker| maker.reference(&["Location"]));
            }
            "Practitioner" => {
                self.common(filled, &[("identifier", 60)]);
                self.maybe(filled, "name", 90, |maker| maker.list(2, Self::name));
                self.maybe(filled, "gender", 60, |maker| maker.text(&["male", "female"]));
            }
            _ => {
                self.common(filled, &[("identifier", 60)]);
                self.maybe(filled, "name", 90, |maker| maker.text(&["大府クリニック", "Klinik Süd", "klinik nord"]));
                self.maybe(filled, "alias", 20, |maker| maker.list(2, |maker| maker.text(&["OC", "oc"])));
                self.maybe(filled, "type", 50, |maker| maker.list(2, Self::concept));
                self.maybe(filled, "address", 50, |maker| maker.list(2, Self::address));
                self.maybe(filled, "partOf", 50, |maker| maker.reference(&["Organization"]));
            }
        }
        Value::Object(resource)
    }

    /// Lists that many types have.
    fn common(&mut self, target: &mut Map<String, Value>, shares: &[(&str, usize)]) {
        for (name, percent) in shares {
            self.maybe(target, name, *percent, |maker| match *name {
                "identifier" => maker.list(2, Self::identifier),
                "telecom" => maker.list(3, Self::telecom),
                "category" => maker.list(2, Self::concept),
                _ => maker.concept(),
            });
        }
    }

    fn patient(&mut self, target: &mut Map<String, Value>) {
        self.common(target, &[("identifier", 80), ("telecom", 50)]);
        self.maybe(target, "active", 50, |maker| json!(maker.random.chance(70)));
        self.maybe(target, "name", 90, |maker| maker.list(2, Self::name));
        self.maybe(target, "gender", 80, |maker| maker.text(&["male", "female", "unknown"]));
        self.maybe(target, "birthDate", 80, Self::day);
        match self.random.below(5) {
            0 => drop(target.insert("deceasedBoolean".to_owned(), json!(self.random.chance(50)))),
            1 => drop(target.insert("deceasedDateTime".to_owned(), self.date())),
            _ => {}
        }
        self.maybe(target, "address", 70, |maker| maker.list(2, Self::address));
        self.maybe(target, "communication", 30, |maker| maker.list(2, |maker| json!({ "language": maker.concept() })));
        self.maybe(target, "generalPractitioner", 50, |maker| {
            maker.list(2, |maker| maker.reference(&["Practitioner", "Organization"]))
        });
        self.maybe(target, "managingOrganization", 60, |maker| maker.reference(&["Organization"]));
        self.maybe(target, "link", 15, |maker| json!([{ "other": maker.reference(&["Patient"]), "type": "seealso" }]));
    }

    fn observation(&mut self, target: &mut Map<String, Value>) {
        self.common(target, &[("identifier", 40), ("category", 60), ("code", 100)]);
        target.insert("status".to_owned(), self.text(&["final", "preliminary", "amended"]));
        self.maybe(target, "subject", 90, |maker| maker.reference(&["Patient", "Patient", "Patient", "Location"]));
        self.maybe(target, "encounter", 50, |maker| maker.reference(&["Encounter"]));
        self.maybe(target, "performer", 50, |maker| {
            maker.list(2, |maker| maker.reference(&["Practitioner", "Organization", "Patient"]))
        });
        self.maybe(target, "hasMember", 20, |maker| maker.list(2, |maker| maker.reference(&["Observation"])));
        match self.random.below(6) {
            0 | 1 => drop(target.insert("effectiveDateTime".to_owned(), self.date())),
            2 => drop(target.insert("effectivePeriod".to_owned(), self.period())),
            3 => drop(target.insert("effectiveInstant".to_owned(), self.instant())),
            4 => drop(target.insert("effectiveTiming".to_owned(), json!({ "event": self.list(3, Self::date) }))),
            _ => {}
        }
        match self.random.below(8) {
            0..=2 => drop(target.insert("valueQuantity".to_owned(), self.quantity())),
            3 => drop(target.insert("valueCodeableConcept".to_owned(), self.concept())),
            4 => drop(target.insert("valueString".to_owned(), self.text(TEXTS))),
            5 => drop(target.insert("valueDateTime".to_owned(), self.date())),
            6 => drop(target.insert("valuePeriod".to_owned(), self.period())),
            _ => self.maybe(target, "dataAbsentReason", 70, Self::concept),
        }
        self.maybe(target, "component", 40, |maker| {
            maker.list(3, |maker| {
                let mut component = json!({ "code": maker.concept() });
                if maker.random.chance(70) {
                    component["valueQuantity"] = maker.quantity();
                } else {
                    component["valueCodeableConcept"] = maker.concept();
                }
                component
            })
        });
    }

    fn condition(&mut self, target: &mut Map<String, Value>) {
        self.common(
            target,
            &[("identifier", 30), ("category", 40), ("code", 80), ("severity", 30), ("clinicalStatus", 60)],
        );
        target.insert("subject".to_owned(), self.reference(&["Patient"]));
        self.maybe(target, "encounter", 40, |maker| maker.reference(&["Encounter"]));
        self.maybe(target, "asserter", 40, |maker| maker.reference(&["Practitioner", "Patient"]));
        self.maybe(target, "bodySite", 30, |maker| maker.list(2, Self::concept));
        self.maybe(target, "recordedDate", 50, Self::date);
        match self.random.below(6) {
            0 => drop(target.insert("onsetAge".to_owned(), self.age())),
            1 => drop(target.insert("onsetRange".to_owned(), self.range())),
            2 => drop(target.insert("onsetDateTime".to_owned(), self.date())),
            3 => drop(target.insert("onsetPeriod".to_owned(), self.period())),
            4 => drop(target.insert("onsetString".to_owned(), self.text(TEXTS))),
            _ => {}
        }
        match self.random.below(4) {
            0 => drop(target.insert("abatementDateTime".to_owned(), self.date())),
            1 => drop(target.insert("abatementPeriod".to_owned(), self.period())),
            2 => drop(target.insert("abatementString".to_owned(), self.text(TEXTS))),
            _ => {}
        }
    }

    fn age(&mut self) -> Value {
        json!({ "value": 60 + self.random.below(30), "unit": "歳", "system": "http://unitsofmeasure.org", "code": "a" })
    }

    fn encounter(&mut self, target: &mut Map<String, Value>) {
        self.common(target, &[("identifier", 30)]);
        target.insert("status".to_owned(), self.text(&["finished", "in-progress", "planned"]));
        target.insert("class".to_owned(), self.coding());
        self.maybe(target, "subject", 90, |maker| maker.reference(&["Patient"]));
        self.maybe(target, "period", 70, Self::period);
        self.maybe(target, "length", 40, |maker| json!({ "value": maker.number(), "unit": "min", "system": "http://unitsofmeasure.org", "code": "min" }));
        self.maybe(target, "reasonCode", 40, |maker| maker.list(2, Self::concept));
        self.maybe(target, "participant", 50, |maker| {
            maker.list(2, |maker| json!({ "individual": maker.reference(&["Practitioner"]) }))
        });
        self.maybe(target, "location", 50, |maker| {
            maker.list(2, |maker| {
                let mut location = json!({ "location": maker.reference(&["Location"]) });
                if maker.random.chance(60) {
                    location["period"] = maker.period();
                }
                location
            })
        });
        self.maybe(target, "serviceProvider", 50, |maker| maker.reference(&["Organization"]));
        self.maybe(target, "partOf", 30, |maker| maker.reference(&["Encounter"]));
    }

    fn medication_request(&mut self, target: &mut Map<String, Value>) {
        self.common(target, &[("identifier", 30), ("medicationCodeableConcept", 100)]);
        target.insert("status".to_owned(), self.text(&["active", "completed", "stopped"]));
        target.insert("intent".to_owned(), self.text(&["order", "plan"]));
        target.insert("subject".to_owned(), self.reference(&["Patient"]));
        self.maybe(target, "priority", 40, |maker| maker.text(&["routine", "urgent"]));
        self.maybe(target, "encounter", 40, |maker| maker.reference(&["Encounter"]));
        self.maybe(target, "authoredOn", 70, Self::date);
        self.maybe(target, "requester", 60, |maker| maker.reference(&["Practitioner", "Organization", "Patient"]));
        self.maybe(
            target,
            "dosageInstruction",
            40,
            |maker| json!([{ "timing": { "event": maker.list(2, Self::date) } }]),
        );
    }

    fn communication(&mut self, target: &mut Map<String, Value>) {
        self.common(target, &[("identifier", 30), ("category", 50)]);
        target.insert("status".to_owned(), self.text(&["completed", "in-progress"]));
        self.maybe(target, "medium", 40, |maker| maker.list(2, Self::concept));
        self.maybe(target, "subject", 80, |maker| maker.reference(&["Patient"]));
        self.maybe(target, "sender", 70, |maker| maker.reference(&["Practitioner", "Patient", "Organization"]));
        self.maybe(target, "recipient", 70, |maker| {
            maker.list(3, |maker| maker.reference(&["Practitioner", "Patient", "Organization"]))
        });
        self.maybe(target, "sent", 60, Self::date);
        self.maybe(target, "received", 60, Self::date);
        self.maybe(target, "partOf", 30, |maker| {
            maker.list(2, |maker| maker.reference(&["Communication", "Encounter"]))
        });
        self.maybe(target, "instantiatesUri", 30, |maker| maker.list(2, |maker| maker.text(VALUE_SET_URLS)));
        self.maybe(target, "instantiatesCanonical", 40, |maker| {
            maker.list(2, |maker| {
                maker.text(&["http://example.org/plan", "http://example.org/plan|1", "http://example.org/plan|2"])
            })
        });
    }

    fn value_set(&mut self, target: &mut Map<String, Value>) {
        target.insert("status".to_owned(), self.text(&["draft", "active"]));
        self.maybe(target, "url", 80, |maker| maker.text(VALUE_SET_URLS));
        self.maybe(target, "version", 60, |maker| maker.text(&["1.0", "2.0", "2024-A"]));
        self.maybe(target, "name", 60, |maker| maker.text(&["Falls", "FallsHip", "fallsaus"]));
        self.maybe(target, "title", 60, |maker| maker.text(TEXTS));
        self.maybe(target, "description", 50, |maker| maker.text(TEXTS));
        self.maybe(target, "publisher", 50, |maker| maker.text(&["Example Org", "example.org", "見本協会"]));
        self.maybe(target, "date", 60, Self::date);
        self.maybe(target, "jurisdiction", 40, |maker| maker.list(2, Self::concept));
        self.maybe(target, "useContext", 70, |maker| {
            maker.list(2, |maker| match maker.random.below(3) {
                0 => json!({ "code": maker.coding(), "valueCodeableConcept": maker.concept() }),
                1 => json!({ "code": maker.coding(), "valueQuantity": maker.quantity() }),
                _ => json!({ "code": maker.coding(), "valueRange": maker.range() }),
            })
        });
        self.maybe(
            target,
            "compose",
            60,
            |maker| json!({ "include": maker.list(2, |maker| json!({ "system": maker.text(SYSTEMS) })) }),
        );
    }

    fn risk_assessment(&mut self, target: &mut Map<String, Value>) {
        self.common(target, &[("identifier", 30), ("method", 40)]);
        target.insert("status".to_owned(), json!("final"));
        target.insert("subject".to_owned(), self.reference(&["Patient"]));
        self.maybe(target, "condition", 50, |maker| maker.reference(&["Condition"]));
        self.maybe(target, "occurrenceDateTime", 60, Self::date);
        self.maybe(target, "prediction", 85, |maker| {
            maker.list(3, |maker| {
                let mut prediction = json!({ "probabilityDecimal": maker.number() });
                if maker.random.chance(50) {
                    prediction["qualitativeRisk"] = maker.concept();
                }
                prediction
            })
        });
    }

    fn document_reference(&mut self, target: &mut Map<String, Value>) {
        self.common(target, &[("identifier", 40), ("category", 40), ("type", 70)]);
        target.insert("status".to_owned(), self.text(&["current", "superseded"]));
        self.maybe(target, "masterIdentifier", 40, Self::identifier);
        self.maybe(target, "subject", 80, |maker| maker.reference(&["Patient", "Practitioner"]));
        self.maybe(target, "date", 60, Self::instant);
        self.maybe(target, "author", 60, |maker| {
            maker.list(2, |maker| maker.reference(&["Practitioner", "Organization", "Patient"]))
        });
        self.maybe(target, "description", 50, |maker| maker.text(TEXTS));
        self.maybe(target, "securityLabel", 30, |maker| maker.list(2, Self::concept));
        self.maybe(target, "context", 40, |maker| json!({ "period": maker.period() }));
        self.maybe(target, "relatesTo", 60, |maker| {
            maker.list(2, |maker| json!({ "code": maker.text(&["replaces", "appends"]), "target": maker.reference(&["DocumentReference"]) }))
        });
        let content = self.list(2, |maker| {
            json!({ "attachment": { "contentType": maker.text(&["application/pdf", "text/plain"]), "url": maker.text(VALUE_SET_URLS) } })
        });
        target.insert("content".to_owned(), content);
    }

    fn list_resource(&mut self, target: &mut Map<String, Value>) {
        self.common(target, &[("code", 60)]);
        target.insert("status".to_owned(), self.text(&["current", "retired"]));
        target.insert("mode".to_owned(), json!("working"));
        self.maybe(target, "title", 50, |maker| maker.text(TEXTS));
        self.maybe(target, "date", 50, Self::date);
        self.maybe(target, "subject", 60, |maker| maker.reference(&["Patient"]));
        self.maybe(target, "entry", 90, |maker| {
            maker.list(
                6,
                |maker| json!({ "item": maker.reference(&["Patient", "Observation", "Condition", "Encounter"]) }),
            )
        });
    }
}
