//! The table of the notebook's entities: what there is, what its fields are, and where each stands in
//! FHIR. The order of the entities is the order of their tables; fields are the columns. Each room has a
//! theme; what they share is here.

mod agreement;
mod condition;
mod daily;
mod medication;
mod people;
mod schedule;
mod sharing;

use super::FieldKind::{self, Boolean, Code, Date, Decimal, Integer, Reference, References, Text};
use super::{Entity, Field, Fill, Source};

const fn field(name: &'static str, ja: &'static str, en: &'static str, kind: FieldKind) -> Field {
    Field { name, ja, en, kind, required: false, fill: Fill::Nothing, indexed: false }
}

/// A field that who writes must give.
const fn needed(name: &'static str, ja: &'static str, en: &'static str, kind: FieldKind) -> Field {
    Field { required: true, ..field(name, ja, en, kind) }
}

/// The member who writes, where nobody else is named.
const fn writer(name: &'static str, ja: &'static str, en: &'static str) -> Field {
    Field { fill: Fill::Member, ..field(name, ja, en, WHO) }
}

/// As [`writer`]; somebody must be named.
const fn needed_writer(name: &'static str, ja: &'static str, en: &'static str) -> Field {
    Field { required: true, ..writer(name, ja, en) }
}

/// When it is written, where nothing else is said.
const fn now(name: &'static str, ja: &'static str, en: &'static str) -> Field {
    Field { required: true, fill: Fill::Now, ..field(name, ja, en, Date) }
}

/// As the field; rows are looked up by it.
const fn indexed(field: Field) -> Field {
    Field { indexed: true, ..field }
}

const SOURCE: Source = Source {
    resource: "",
    citizen: "",
    per: "",
    fixed: &[],
    present: &[],
    absent: &[],
    defaults: &[],
    is_measured: false,
    paths: &[],
};

const WHO: FieldKind =
    Reference(&["Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Organization", "CareTeam", "Device"]);
const RECIPIENTS: FieldKind =
    References(&["CareTeam", "Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Organization", "Group"]);
/// What is shown along with an article.
const SHOWN: FieldKind = References(&["Media", "DocumentReference", "Observation", "Composition", "Binary"]);

const STATUS: Field = field("status", "状態", "Status", Code);
const STARTS: Field = field("starts", "開始", "Starts", Date);
const ENDS: Field = field("ends", "終了", "Ends", Date);
const NAME: Field = field("name", "名称", "Name", Text);
const NOTE: Field = field("note", "備考", "Note", Text);
const TITLE: Field = needed("title", "題名", "Title", Text);
const CONTENT: Field = needed("text", "本文", "Text", Text);
const SENDER: Field = needed_writer("sender", "投稿者", "Sender");
const SENT: Field = indexed(now("sent", "投稿日時", "Sent"));
const ADDRESSEES: Field = field("recipients", "宛先", "Recipients", RECIPIENTS);
const ATTACHMENTS: Field = field("attachments", "添付", "Attachments", SHOWN);

const PHONE: &str = "telecom{system=phone}.value";
const AUDIENCE: &str = "meta.security{system=http://renraku.example/fhir/CodeSystem/notebook-audience}.code";
const PAYLOAD: &str = "payload{contentString}.contentString";
const PAYLOAD_SHOWN: &str = "payload{contentReference}*.contentReference";
const DRUG: &str = "medicationCodeableConcept.text";
const DRUG_CODE: &str = "medicationCodeableConcept.coding.code";
const NEXT_DOSE: &str = "extension{url=http://renraku.example/fhir/StructureDefinition/next-dose-date}.valueDate";
const OWN_CODE: &str = "code.coding{system=http://renraku.example/fhir/CodeSystem/observation-code}.code";
const CATEGORY: &str = "category{coding.system=http://jpfhir.jp/fhir/core/CodeSystem/JP_SimpleObservationCategory_CS}.coding{system=http://jpfhir.jp/fhir/core/CodeSystem/JP_SimpleObservationCategory_CS}.code";
const READ_RECEIPT: &str = "extension{url=http://renraku.example/fhir/StructureDefinition/read-receipt}*";
const READER: &str = "extension{url=who}.valueReference.reference";
const READ_AT: &str = "extension{url=when}.valueDateTime";

/// An Observation of a code of our own and a category of JP Core's.
macro_rules! observation {
    ($code:literal, $category:literal, $($path:expr),* $(,)?) => {
        Source {
            resource: "Observation",
            citizen: "subject",
            fixed: &[(OWN_CODE, $code)],
            defaults: &[("status", "final"), (CATEGORY, $category)],
            paths: &[$($path),*],
            ..SOURCE
        }
    };
}
use observation;

/// The citizen: the one entity whose table is made by hand (`notebook_citizen`), for searches.
pub const CITIZEN: Entity = people::CITIZEN;

/// All entities with tables.
pub const ENTITIES: &[Entity] = &[
    people::FAMILY,
    people::MEMBER,
    people::ROLE,
    people::FACILITY,
    people::TEAM,
    people::TEAM_MEMBER,
    sharing::ARTICLE,
    sharing::COMMENT,
    people::GROUP,
    sharing::GROUP_POST,
    sharing::ATTACHMENT,
    sharing::READ_MARK,
    schedule::VISIT,
    medication::MEDICATION,
    medication::INJECTION,
    daily::NUTRITION,
    daily::EXERCISE,
    condition::MEASUREMENT,
    condition::ADL,
    daily::FALL,
    daily::HOME_HAZARD,
    condition::CARE_LEVEL,
    condition::DIAGNOSIS,
    schedule::PLAN,
    schedule::PLAN_ACTIVITY,
    schedule::GOAL,
    sharing::MEDIA,
    sharing::SUMMARY,
    agreement::CONSENT,
    agreement::AGREEMENT,
    people::GROUP_MEMBER,
    schedule::ALARM,
    condition::BLOOD_PRESSURE,
];
