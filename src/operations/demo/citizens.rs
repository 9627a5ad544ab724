//! Five citizens after a fracture, from a table.

use crate::format::json::Node;
use crate::operations::ingest::name_id;

const LOINC: &str = "http://loinc.org";
const UCUM: &str = "http://unitsofmeasure.org";
const ICD10: &str = "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full";
const DISEASE: &str = "http://medis.or.jp/CodeSystem/master-disease-exCode";
const LOCAL: &str = "http://renraku.example/fhir/CodeSystem/";
const REPRESENTATION: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";

struct Citizen {
    number: u8,
    given: &'static str,
    kana: &'static str,
    gender: &'static str,
    birth_date: &'static str,
    fracture: (&'static str, &'static str, &'static str),
    side: &'static str,
    fractured: &'static str,
    drug: &'static str,
    usage: &'static str,
    since: &'static str,
    measured: &'static str,
    grip: &'static str,
    up_and_go: &'static str,
    weight: &'static str,
    visit: (&'static str, &'static str),
}

const TROCHANTERIC: (&str, &str, &str) = ("大腿骨転子部骨折", "S0K6", "S72.1");
const NECK: (&str, &str, &str) = ("大腿骨頚部骨折", "BCRD", "S72.0");
const LUMBAR: (&str, &str, &str) = ("腰椎圧迫骨折", "BDPA", "S32");
const THORACIC: (&str, &str, &str) = ("胸椎圧迫骨折", "TLGJ", "S22");

const CITIZENS: [Citizen; 5] = [
    Citizen {
        number: 1,
        given: "太郎",
        kana: "タロウ",
        gender: "male",
        birth_date: "1940-01-15",
        fracture: NECK,
        side: "左",
        fractured: "2025-03-10",
        drug: "アレンドロン酸錠35mg",
        usage: "週1回 起床時",
        since: "2025-04-02",
        measured: "2025-06-24",
        grip: "24.0",
        up_and_go: "15.8",
        weight: "56.4",
        visit: ("2025-08-05T10:30:00+09:00", "2025-08-05T10:45:00+09:00"),
    },
    Citizen {
        number: 2,
        given: "梅子",
        kana: "ウメコ",
        gender: "female",
        birth_date: "1937-11-02",
        fracture: LUMBAR,
        side: "",
        fractured: "2025-02-01",
        drug: "デノタスチュアブル配合錠",
        usage: "1日1回 朝食後",
        since: "2025-02-20",
        measured: "2025-06-11",
        grip: "11.5",
        up_and_go: "24.2",
        weight: "38.9",
        visit: ("2025-08-21T14:00:00+09:00", "2025-08-21T14:30:00+09:00"),
    },
    Citizen {
        number: 3,
        given: "次郎",
        kana: "ジロウ",
        gender: "male",
        birth_date: "1948-07-30",
        fracture: THORACIC,
        side: "",
        fractured: "2024-12-18",
        drug: "エルデカルシトールカプセル0.75μg",
        usage: "1日1回 朝食後",
        since: "2025-01-08",
        measured: "2025-06-30",
        grip: "28.5",
        up_and_go: "11.9",
        weight: "61.2",
        visit: ("2025-09-02T09:00:00+09:00", "2025-09-02T09:15:00+09:00"),
    },
    Citizen {
        number: 4,
        given: "松子",
        kana: "マツコ",
        gender: "female",
        birth_date: "1934-04-08",
        fracture: TROCHANTERIC,
        side: "左",
        fractured: "2025-05-05",
        drug: "アレンドロン酸錠35mg",
        usage: "週1回 起床時",
        since: "2025-05-28",
        measured: "2025-07-03",
        grip: "9.8",
        up_and_go: "31.0",
        weight: "35.6",
        visit: ("2025-08-28T11:00:00+09:00", "2025-08-28T11:15:00+09:00"),
    },
    Citizen {
        number: 5,
        given: "竹子",
        kana: "タケコ",
        gender: "female",
        birth_date: "1952-09-19",
        fracture: NECK,
        side: "右",
        fractured: "2025-04-14",
        drug: "デノタスチュアブル配合錠",
        usage: "1日1回 朝食後",
        since: "2025-05-01",
        measured: "2025-07-10",
        grip: "17.2",
        up_and_go: "13.4",
        weight: "49.5",
        visit: ("2025-08-12T15:30:00+09:00", "2025-08-12T15:45:00+09:00"),
    },
];

/// One transaction Bundle a citizen.
pub(super) fn bundles() -> Vec<Node<'static>> {
    CITIZENS.iter().map(Citizen::bundle).collect()
}

fn text(value: impl Into<String>) -> Node<'static> {
    Node::string(value.into())
}

fn object(members: impl IntoIterator<Item = (&'static str, Node<'static>)>) -> Node<'static> {
    Node::object(members)
}

fn list(items: impl IntoIterator<Item = Node<'static>>) -> Node<'static> {
    Node::Array(items.into_iter().collect())
}

fn coding(system: &str, code: &str) -> Node<'static> {
    object([("system", text(system)), ("code", text(code))])
}

fn concept(words: &str, codings: impl IntoIterator<Item = Node<'static>>) -> Node<'static> {
    let codings = list(codings);
    let words = ("text", text(words));
    if codings.items().is_empty() { object([words]) } else { object([("coding", codings), words]) }
}

fn reference(type_name: &str, id: &str, display: &str) -> Node<'static> {
    object([("reference", text(format!("{type_name}/{id}"))), ("display", text(display))])
}

fn id(of: &str) -> String {
    name_id(&["demo", of])
}

fn put(type_name: &'static str, key: &str, members: Vec<(&'static str, Node<'static>)>) -> Node<'static> {
    let id = id(&format!("{type_name}/{key}"));
    let url = format!("{type_name}/{id}");
    let head = [("resourceType", text(type_name)), ("id", text(id.clone()))];
    object([
        ("fullUrl", text(format!("urn:uuid:{id}"))),
        ("resource", object(head.into_iter().chain(members))),
        ("request", object([("method", text("PUT")), ("url", text(url))])),
    ])
}

impl Citizen {
    fn key(&self, what: &str) -> String {
        format!("{}/{what}", self.number)
    }

    fn of(&self, type_name: &str, what: &str, display: &str) -> Node<'static> {
        reference(type_name, &id(&format!("{type_name}/{}", self.key(what))), display)
    }

    fn subject(&self) -> Node<'static> {
        self.of("Patient", "patient", &format!("見本 {}", self.given))
    }

    fn bundle(&self) -> Node<'static> {
        let entries = vec![
            self.patient(),
            self.condition(),
            self.medication(),
            self.observation("grip", ("握力（右）", "83174-3"), (self.grip, "kg", "kg"), "functional-status"),
            self.observation(
                "tug",
                ("Timed Up and Go テスト", "89423-8"),
                (self.up_and_go, "秒", "s"),
                "functional-status",
            ),
            self.observation("weight", ("体重", "29463-7"), (self.weight, "kg", "kg"), "body-measurement"),
            member("doctor", "見本 一郎"),
            member("care-manager", "見本 協子"),
            member("therapist", "見本 律子"),
            self.care_team(),
            self.care_plan(),
            self.appointment(),
        ];
        object([("resourceType", text("Bundle")), ("type", text("transaction")), ("entry", Node::Array(entries))])
    }

    fn patient(&self) -> Node<'static> {
        let name = |kind: &str, family: &str, given: &str| {
            object([
                ("extension", list([object([("url", text(REPRESENTATION)), ("valueCode", text(kind))])])),
                ("use", text("official")),
                ("text", text(format!("{family} {given}"))),
                ("family", text(family)),
                ("given", list([text(given)])),
            ])
        };
        let identifier = object([
            ("system", text("urn:oid:1.2.392.100495.20.3.51.12399999999")),
            ("value", text(format!("900000{}", self.number))),
        ]);
        let address = object([
            ("text", text(format!("見本県サンプル市見本町{}丁目", self.number))),
            ("city", text("サンプル市")),
            ("state", text("見本県")),
        ]);
        put(
            "Patient",
            &self.key("patient"),
            vec![
                ("identifier", list([identifier])),
                ("active", Node::Bool(true)),
                ("name", list([name("IDE", "見本", self.given), name("SYL", "ミホン", self.kana)])),
                ("gender", text(self.gender)),
                ("birthDate", text(self.birth_date)),
                ("address", list([address])),
            ],
        )
    }

    fn condition(&self) -> Node<'static> {
        let (name, exchange, icd) = self.fracture;
        let clinical = coding("http://terminology.hl7.org/CodeSystem/condition-clinical", "active");
        let verified = coding("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed");
        let name = format!("{}{name}", self.side);
        put(
            "Condition",
            &self.key("fracture"),
            vec![
                ("clinicalStatus", object([("coding", list([clinical]))])),
                ("verificationStatus", object([("coding", list([verified]))])),
                ("code", concept(&name, [coding(DISEASE, exchange), coding(ICD10, icd)])),
                ("subject", self.subject()),
                ("onsetDateTime", text(self.fractured)),
                ("recordedDate", text(self.fractured)),
            ],
        )
    }

    fn medication(&self) -> Node<'static> {
        let dosage = object([("text", text(self.usage)), ("timing", object([("code", concept(self.usage, []))]))]);
        put(
            "MedicationStatement",
            &self.key("drug"),
            vec![
                ("status", text("active")),
                ("medicationCodeableConcept", concept(self.drug, [])),
                ("subject", self.subject()),
                ("effectivePeriod", object([("start", text(self.since))])),
                ("dateAsserted", text(self.measured)),
                ("reasonReference", list([self.of("Condition", "fracture", self.fracture.0)])),
                ("dosage", list([dosage])),
            ],
        )
    }

    fn observation(
        &self,
        key: &str,
        (name, code): (&str, &str),
        (value, unit, ucum): (&'static str, &str, &str),
        of_japan: &str,
    ) -> Node<'static> {
        let system = "http://jpfhir.jp/fhir/core/CodeSystem/JP_SimpleObservationCategory_CS";
        let quantity = object([
            ("value", Node::Number(value.into())),
            ("unit", text(unit)),
            ("system", text(UCUM)),
            ("code", text(ucum)),
        ]);
        let category = |coding: Node<'static>| object([("coding", list([coding]))]);
        let mut categories = vec![category(coding(system, of_japan))];
        if of_japan == "body-measurement" {
            // What R4 calls a vital sign says so (observation-vitalsigns.html).
            let general = "http://terminology.hl7.org/CodeSystem/observation-category";
            categories.push(category(coding(general, "vital-signs")));
        }
        put(
            "Observation",
            &self.key(key),
            vec![
                ("status", text("final")),
                ("category", Node::Array(categories)),
                ("code", concept(name, [coding(LOINC, code)])),
                ("subject", self.subject()),
                ("effectiveDateTime", text(self.measured)),
                ("valueQuantity", quantity),
            ],
        )
    }

    fn care_team(&self) -> Node<'static> {
        let participant = |role: &str, key: &str, name: &str| {
            object([
                ("role", list([concept(role, [])])),
                ("member", reference("Practitioner", &id(&format!("Practitioner/{key}")), name)),
                ("period", object([("start", text(self.since))])),
            ])
        };
        put(
            "CareTeam",
            &self.key("team"),
            vec![
                ("status", text("active")),
                ("name", text(format!("見本 {}さんのチーム", self.given))),
                ("subject", self.subject()),
                ("period", object([("start", text(self.since))])),
                (
                    "participant",
                    list([
                        participant("医師", "doctor", "見本 一郎"),
                        participant("ケアマネジャー", "care-manager", "見本 協子"),
                        participant("理学療法士", "therapist", "見本 律子"),
                    ]),
                ),
            ],
        )
    }

    fn care_plan(&self) -> Node<'static> {
        let activity = |name: &str, code: &str, when: &str, description: &str| {
            let system = format!("{LOCAL}fls-activity");
            object([(
                "detail",
                object([
                    ("code", concept(name, [coding(&system, code)])),
                    ("status", text("in-progress")),
                    ("scheduledString", text(when)),
                    ("description", text(description)),
                ]),
            )])
        };
        let category = concept("二次性骨折予防", [coding(&format!("{LOCAL}care-plan-category"), "fls")]);
        put(
            "CarePlan",
            &self.key("plan"),
            vec![
                ("status", text("active")),
                ("intent", text("plan")),
                ("category", list([category])),
                ("title", text("二次性骨折予防計画")),
                ("subject", self.subject()),
                ("period", object([("start", text(self.since))])),
                ("careTeam", list([self.of("CareTeam", "team", "患者チーム")])),
                ("addresses", list([self.of("Condition", "fracture", self.fracture.0)])),
                (
                    "activity",
                    list([
                        activity("立ち座り体操", "exercise", "毎日", "椅子からの立ち座りを10回ずつ、朝夕に行います。"),
                        activity(
                            "たんぱく質とカルシウムの摂取",
                            "nutrition",
                            "毎食",
                            "牛乳・豆腐・魚を1品加えましょう。",
                        ),
                        activity(
                            "住まいの段差と照明の確認",
                            "home-check",
                            "3か月以内",
                            "廊下と浴室を家族と一緒に確認します。",
                        ),
                    ]),
                ),
            ],
        )
    }

    fn appointment(&self) -> Node<'static> {
        let participant = |actor: Node<'static>| object([("actor", actor), ("status", text("accepted"))]);
        put(
            "Appointment",
            &self.key("visit"),
            vec![
                ("status", text("booked")),
                ("description", text("整形外科外来")),
                ("start", text(self.visit.0)),
                ("end", text(self.visit.1)),
                (
                    "participant",
                    list([
                        participant(self.subject()),
                        participant(reference("Practitioner", &id("Practitioner/doctor"), "見本 一郎")),
                    ]),
                ),
            ],
        )
    }
}

fn member(key: &str, name: &str) -> Node<'static> {
    put("Practitioner", key, vec![("active", Node::Bool(true)), ("name", list([object([("text", text(name))])]))])
}
