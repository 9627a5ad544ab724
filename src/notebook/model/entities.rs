//! The table of the notebook's entities: what there is, what its fields are, and where each stands in
//! FHIR. The order of the entities is the order of their tables; fields are the columns.

use super::FieldKind::{self, Boolean, Code, Date, Decimal, Integer, Reference, References, Text};
use super::{Entity, Field, Source};

const fn field(name: &'static str, ja: &'static str, en: &'static str, kind: FieldKind) -> Field {
    Field { name, ja, en, kind, required: false }
}

/// A field that who writes must give.
const fn needed(name: &'static str, ja: &'static str, en: &'static str, kind: FieldKind) -> Field {
    Field { name, ja, en, kind, required: true }
}

const SOURCE: Source =
    Source { resource: "", citizen: "", per: "", fixed: &[], present: &[], absent: &[], defaults: &[], paths: &[] };

const WHO: FieldKind =
    Reference(&["Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Organization", "CareTeam", "Device"]);

const STATUS: Field = field("status", "状態", "Status", Code);
const STARTS: Field = field("starts", "開始", "Starts", Date);
const ENDS: Field = field("ends", "終了", "Ends", Date);
const NAME: Field = field("name", "名称", "Name", Text);
const NOTE: Field = field("note", "備考", "Note", Text);

macro_rules! observation {
    ($code:literal, $category:literal, $($path:expr),* $(,)?) => {
        Source {
            resource: "Observation",
            citizen: "subject",
            fixed: &[("code.coding{system=http://renraku.example/fhir/CodeSystem/observation-code}.code", $code)],
            defaults: &[
                ("status", "final"),
                ("category{coding.system=http://jpfhir.jp/fhir/core/CodeSystem/JP_SimpleObservationCategory_CS}.coding{system=http://jpfhir.jp/fhir/core/CodeSystem/JP_SimpleObservationCategory_CS}.code", $category),
            ],
            paths: &[$($path),*],
            ..SOURCE
        }
    };
}

/// All entities.
pub const ENTITIES: &[Entity] = &[
    Entity {
        name: "family",
        ja: "家族",
        en: "Family",
        profile: "",
        fields: &[
            needed("name", "氏名", "Name", Text),
            field("relationship", "続柄", "Relationship", Text),
            field("phone", "電話", "Telephone", Text),
            STARTS,
            ENDS,
        ],
        sources: &[Source {
            resource: "RelatedPerson",
            citizen: "patient",
            paths: &[
                ("name", "name.text"),
                ("relationship", "relationship.text"),
                ("phone", "telecom{system=phone}.value"),
                ("starts", "period.start"),
                ("ends", "period.end"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "member",
        ja: "職員",
        en: "Member",
        profile: "",
        fields: &[
            needed("name", "氏名", "Name", Text),
            field("phone", "電話", "Telephone", Text),
            field("active", "有効", "Active", Boolean),
        ],
        sources: &[Source {
            resource: "Practitioner",
            paths: &[("name", "name.text"), ("phone", "telecom{system=phone}.value"), ("active", "active")],
            ..SOURCE
        }],
    },
    Entity {
        name: "role",
        ja: "職種",
        en: "Profession",
        profile: "",
        fields: &[
            needed("member", "職員", "Member", Reference(&["Practitioner"])),
            needed("facility", "所属", "Facility", Reference(&["Organization"])),
            field("code", "職種コード", "Profession code", Code),
            field("name", "職種名", "Profession", Text),
            STARTS,
            ENDS,
        ],
        sources: &[Source {
            resource: "PractitionerRole",
            paths: &[
                ("member", "practitioner.reference"),
                ("facility", "organization.reference"),
                ("code", "code.coding.code"),
                ("name", "code.text"),
                ("starts", "period.start"),
                ("ends", "period.end"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "facility",
        ja: "機関・市町村",
        en: "Facility or municipality",
        profile: "",
        fields: &[
            needed("name", "名称", "Name", Text),
            field("kind", "種別", "Kind", Text),
            field("part_of", "上位の機関", "Part of", Reference(&["Organization"])),
            field("institution_no", "医療機関番号", "Institution number", Text),
            field("phone", "電話", "Telephone", Text),
        ],
        sources: &[Source {
            resource: "Organization",
            paths: &[
                ("name", "name"),
                ("kind", "type.text"),
                ("part_of", "partOf.reference"),
                (
                    "institution_no",
                    "identifier{system=http://jpfhir.jp/fhir/core/IdSystem/insurance-medical-institution-no}.value",
                ),
                ("phone", "telecom{system=phone}.value"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "team",
        ja: "患者チーム",
        en: "Care team",
        profile: "",
        fields: &[NAME, STATUS, STARTS, ENDS],
        sources: &[Source {
            resource: "CareTeam",
            citizen: "subject",
            defaults: &[("status", "active")],
            paths: &[("name", "name"), ("status", "status"), ("starts", "period.start"), ("ends", "period.end")],
            ..SOURCE
        }],
    },
    Entity {
        name: "team_member",
        ja: "チームのメンバー",
        en: "Member of a team",
        profile: "",
        fields: &[
            needed("member", "人・機関", "Who", WHO),
            field("code", "職種コード", "Profession code", Code),
            field("name", "職種", "Profession", Text),
            field("facility", "所属", "On behalf of", Reference(&["Organization"])),
            needed("starts", "参加日", "Joined", Date),
            ENDS,
        ],
        sources: &[Source {
            resource: "CareTeam",
            citizen: "subject",
            per: "participant*",
            paths: &[
                ("member", "member.reference"),
                ("code", "role.coding.code"),
                ("name", "role.text"),
                ("facility", "onBehalfOf.reference"),
                ("starts", "period.start"),
                ("ends", "period.end"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "article",
        ja: "記事",
        en: "Article",
        profile: "notebook-article",
        fields: &[
            needed("title", "題名", "Title", Text),
            needed("text", "本文", "Text", Text),
            field("category", "種別", "Category", Code),
            field("audience", "公開範囲", "Audience", Code),
            needed("sender", "投稿者", "Sender", WHO),
            field(
                "recipients",
                "宛先",
                "Recipients",
                References(&[
                    "CareTeam",
                    "Practitioner",
                    "PractitionerRole",
                    "Patient",
                    "RelatedPerson",
                    "Organization",
                    "Group",
                ]),
            ),
            needed("sent", "投稿日時", "Sent", Date),
            STATUS,
        ],
        sources: &[Source {
            resource: "Communication",
            citizen: "subject",
            absent: &["inResponseTo"],
            defaults: &[("status", "completed")],
            paths: &[
                ("title", "topic.text"),
                ("text", "payload.contentString"),
                (
                    "category",
                    "category{coding.system=http://renraku.example/fhir/CodeSystem/notebook-article-category}.coding{system=http://renraku.example/fhir/CodeSystem/notebook-article-category}.code",
                ),
                ("audience", "meta.security{system=http://renraku.example/fhir/CodeSystem/notebook-audience}.code"),
                ("sender", "sender.reference"),
                ("recipients", "recipient*"),
                ("sent", "sent"),
                ("status", "status"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "comment",
        ja: "コメント",
        en: "Comment",
        profile: "notebook-comment",
        fields: &[
            needed("parent", "返信先", "Answers", Reference(&["Communication"])),
            needed("text", "本文", "Text", Text),
            field("audience", "公開範囲", "Audience", Code),
            needed("sender", "投稿者", "Sender", WHO),
            field(
                "recipients",
                "宛先",
                "Recipients",
                References(&[
                    "CareTeam",
                    "Practitioner",
                    "PractitionerRole",
                    "Patient",
                    "RelatedPerson",
                    "Organization",
                    "Group",
                ]),
            ),
            needed("sent", "投稿日時", "Sent", Date),
            STATUS,
        ],
        sources: &[Source {
            resource: "Communication",
            citizen: "subject",
            present: &["inResponseTo"],
            defaults: &[("status", "completed")],
            paths: &[
                ("parent", "inResponseTo.reference"),
                ("text", "payload.contentString"),
                ("audience", "meta.security{system=http://renraku.example/fhir/CodeSystem/notebook-audience}.code"),
                ("sender", "sender.reference"),
                ("recipients", "recipient*"),
                ("sent", "sent"),
                ("status", "status"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "group",
        ja: "グループ",
        en: "Group",
        profile: "",
        fields: &[needed("name", "名称", "Name", Text), field("active", "有効", "Active", Boolean)],
        sources: &[Source {
            resource: "Group",
            fixed: &[("type", "practitioner")],
            paths: &[("name", "name"), ("active", "active")],
            ..SOURCE
        }],
    },
    Entity {
        name: "group_post",
        ja: "グループの記事",
        en: "Article in a group",
        profile: "",
        fields: &[
            needed("title", "題名", "Title", Text),
            needed("text", "本文", "Text", Text),
            needed("sender", "投稿者", "Sender", WHO),
            needed("recipients", "宛先", "Recipients", References(&["Group"])),
            needed("sent", "投稿日時", "Sent", Date),
            STATUS,
        ],
        sources: &[Source {
            resource: "Communication",
            absent: &["subject"],
            defaults: &[("status", "completed")],
            paths: &[
                ("title", "topic.text"),
                ("text", "payload.contentString"),
                ("sender", "sender.reference"),
                ("recipients", "recipient*"),
                ("sent", "sent"),
                ("status", "status"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "attachment",
        ja: "添付",
        en: "Attachment",
        profile: "",
        fields: &[
            field("title", "ファイル名", "File name", Text),
            needed("content_type", "形式", "Format", Code),
            field("url", "場所", "Address", Text),
            field("size", "大きさ（バイト）", "Size in bytes", Integer),
            field("hash", "SHA-1", "SHA-1", Text),
        ],
        sources: &[
            Source {
                resource: "DocumentReference",
                citizen: "subject",
                per: "content*",
                paths: &[
                    ("title", "attachment.title"),
                    ("content_type", "attachment.contentType"),
                    ("url", "attachment.url"),
                    ("size", "attachment.size"),
                    ("hash", "attachment.hash"),
                ],
                ..SOURCE
            },
            Source {
                resource: "Communication",
                citizen: "subject",
                per: "payload*",
                present: &["contentAttachment"],
                paths: &[
                    ("title", "contentAttachment.title"),
                    ("content_type", "contentAttachment.contentType"),
                    ("url", "contentAttachment.url"),
                    ("size", "contentAttachment.size"),
                    ("hash", "contentAttachment.hash"),
                ],
                ..SOURCE
            },
        ],
    },
    Entity {
        name: "read_mark",
        ja: "既読",
        en: "Read mark",
        profile: "",
        fields: &[needed("reader", "読んだ人", "Reader", WHO), needed("read_at", "読んだ日時", "Read at", Date)],
        sources: &[Source {
            resource: "Communication",
            citizen: "subject",
            per: "extension{url=http://renraku.example/fhir/StructureDefinition/read-receipt}*",
            paths: &[
                ("reader", "extension{url=who}.valueReference.reference"),
                ("read_at", "extension{url=when}.valueDateTime"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "visit",
        ja: "受診・訪問",
        en: "Visit",
        profile: "",
        fields: &[
            needed("title", "内容", "What for", Text),
            needed("starts", "開始", "Starts", Date),
            ENDS,
            STATUS,
            field("facility", "機関", "Facility", Reference(&["Organization"])),
            NOTE,
        ],
        sources: &[
            Source {
                resource: "Appointment",
                citizen: "participant*",
                defaults: &[("status", "booked")],
                paths: &[
                    ("title", "description"),
                    ("starts", "start"),
                    ("ends", "end"),
                    ("status", "status"),
                    ("note", "comment"),
                ],
                ..SOURCE
            },
            Source {
                resource: "Encounter",
                citizen: "subject",
                paths: &[
                    ("title", "type.text"),
                    ("starts", "period.start"),
                    ("ends", "period.end"),
                    ("status", "status"),
                    ("facility", "serviceProvider.reference"),
                ],
                ..SOURCE
            },
        ],
    },
    Entity {
        name: "medication",
        ja: "服薬",
        en: "Medication",
        profile: "",
        fields: &[
            needed("drug", "薬剤", "Medicine", Text),
            field("code", "薬剤コード", "Code", Code),
            field("usage", "用法", "Usage", Text),
            STATUS,
            STARTS,
            ENDS,
            field("adherence", "服薬状況", "Adherence", Code),
            field("next_dose", "次回投与予定日", "Next dose", Date),
            field("stop_reason", "中止の理由", "Reason for stopping", Text),
            field("asserted", "確認日", "Asserted", Date),
            field("informant", "情報源", "Informant", WHO),
        ],
        sources: &[
            Source {
                resource: "MedicationStatement",
                citizen: "subject",
                defaults: &[("status", "active")],
                paths: &[
                    ("drug", "medicationCodeableConcept.text"),
                    ("code", "medicationCodeableConcept.coding.code"),
                    ("usage", "dosage.text"),
                    ("status", "status"),
                    ("starts", "effectivePeriod.start"),
                    ("ends", "effectivePeriod.end"),
                    ("adherence", "extension{url=http://renraku.example/fhir/StructureDefinition/adherence}.valueCode"),
                    (
                        "next_dose",
                        "extension{url=http://renraku.example/fhir/StructureDefinition/next-dose-date}.valueDate",
                    ),
                    ("stop_reason", "statusReason.text"),
                    ("asserted", "dateAsserted"),
                    ("informant", "informationSource.reference"),
                ],
                ..SOURCE
            },
            Source {
                resource: "MedicationRequest",
                citizen: "subject",
                paths: &[
                    ("drug", "medicationCodeableConcept.text"),
                    ("code", "medicationCodeableConcept.coding.code"),
                    ("usage", "dosageInstruction.text"),
                    ("status", "status"),
                    ("starts", "authoredOn"),
                    (
                        "next_dose",
                        "extension{url=http://renraku.example/fhir/StructureDefinition/next-dose-date}.valueDate",
                    ),
                    ("stop_reason", "statusReason.text"),
                    ("informant", "requester.reference"),
                ],
                ..SOURCE
            },
            Source {
                resource: "MedicationDispense",
                citizen: "subject",
                paths: &[
                    ("drug", "medicationCodeableConcept.text"),
                    ("code", "medicationCodeableConcept.coding.code"),
                    ("usage", "dosageInstruction.text"),
                    ("status", "status"),
                    ("starts", "whenHandedOver"),
                ],
                ..SOURCE
            },
        ],
    },
    Entity {
        name: "injection",
        ja: "注射",
        en: "Injection",
        profile: "",
        fields: &[
            needed("drug", "薬剤", "Medicine", Text),
            field("code", "薬剤コード", "Code", Code),
            needed("given_at", "投与日", "Given", Date),
            STATUS,
            field("next_dose", "次回投与予定日", "Next dose", Date),
            field("performer", "実施者", "Performer", WHO),
            NOTE,
        ],
        sources: &[Source {
            resource: "MedicationAdministration",
            citizen: "subject",
            defaults: &[("status", "completed")],
            paths: &[
                ("drug", "medicationCodeableConcept.text"),
                ("code", "medicationCodeableConcept.coding.code"),
                ("given_at", "effectiveDateTime"),
                ("status", "status"),
                (
                    "next_dose",
                    "extension{url=http://renraku.example/fhir/StructureDefinition/next-dose-date}.valueDate",
                ),
                ("performer", "performer.actor.reference"),
                ("note", "note.text"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "nutrition",
        ja: "食事・栄養",
        en: "Diet and nutrition",
        profile: "",
        fields: &[
            needed("observed", "日時", "When", Date),
            field("amount", "摂取量（％）", "Amount eaten (%)", Decimal),
            field("meal", "食事", "Meal", Text),
            field("performer", "記録者", "Recorded by", WHO),
            NOTE,
        ],
        sources: &[
            Source {
                resource: "Observation",
                citizen: "subject",
                fixed: &[(
                    "code.coding{system=http://renraku.example/fhir/CodeSystem/observation-code}.code",
                    "meal-intake",
                )],
                defaults: &[
                    ("status", "final"),
                    (
                        "category{coding.system=http://jpfhir.jp/fhir/core/CodeSystem/JP_SimpleObservationCategory_CS}.coding{system=http://jpfhir.jp/fhir/core/CodeSystem/JP_SimpleObservationCategory_CS}.code",
                        "activity",
                    ),
                ],
                paths: &[
                    ("observed", "effectiveDateTime"),
                    ("amount", "valueQuantity.value"),
                    ("meal", "code.text"),
                    ("performer", "performer.reference"),
                    ("note", "note.text"),
                ],
                ..SOURCE
            },
            Source {
                resource: "NutritionOrder",
                citizen: "patient",
                paths: &[
                    ("observed", "dateTime"),
                    ("meal", "oralDiet.type.text"),
                    ("performer", "orderer.reference"),
                    ("note", "oralDiet.instruction"),
                ],
                ..SOURCE
            },
        ],
    },
    Entity {
        name: "exercise",
        ja: "運動",
        en: "Exercise",
        profile: "",
        fields: &[
            needed("observed", "日時", "When", Date),
            field("amount", "量", "Amount", Decimal),
            field("unit", "単位", "Unit", Text),
            field("kind", "種類", "Kind", Text),
            field("performer", "記録者", "Recorded by", WHO),
            NOTE,
        ],
        sources: &[observation!(
            "exercise-amount",
            "activity",
            ("observed", "effectiveDateTime"),
            ("amount", "valueQuantity.value"),
            ("unit", "valueQuantity.unit"),
            ("kind", "code.text"),
            ("performer", "performer.reference"),
            ("note", "note.text"),
        )],
    },
    Entity {
        name: "measurement",
        ja: "測定",
        en: "Measurement",
        profile: "",
        fields: &[
            field("system", "コード体系", "Code system", Text),
            needed("code", "項目コード", "Code", Code),
            field("name", "項目", "What", Text),
            needed("value", "値", "Value", Decimal),
            field("unit", "単位", "Unit", Text),
            field("ucum", "単位（UCUM）", "Unit (UCUM)", Code),
            needed("measured", "測定日時", "When", Date),
            field("site", "部位", "Site", Text),
            field("performer", "測定者", "Measured by", WHO),
            NOTE,
        ],
        sources: &[Source {
            resource: "Observation",
            citizen: "subject",
            present: &["valueQuantity.value"],
            defaults: &[("status", "final"), ("valueQuantity.system", "http://unitsofmeasure.org")],
            paths: &[
                ("system", "code.coding.system"),
                ("code", "code.coding.code"),
                ("name", "code.text"),
                ("value", "valueQuantity.value"),
                ("unit", "valueQuantity.unit"),
                ("ucum", "valueQuantity.code"),
                ("measured", "effectiveDateTime"),
                ("site", "bodySite.text"),
                ("performer", "performer.reference"),
                ("note", "note.text"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "adl",
        ja: "ADL",
        en: "Activities of daily living",
        profile: "",
        fields: &[
            field("system", "コード体系", "Code system", Text),
            field("code", "項目コード", "Code", Code),
            needed("name", "項目", "What", Text),
            field("score", "点数", "Score", Decimal),
            field("text", "所見", "Finding", Text),
            needed("assessed", "評価日", "When", Date),
            field("performer", "評価者", "Assessed by", WHO),
        ],
        sources: &[Source {
            resource: "Observation",
            citizen: "subject",
            fixed: &[(
                "category{coding.system=http://jpfhir.jp/fhir/core/CodeSystem/JP_SimpleObservationCategory_CS}.coding{system=http://jpfhir.jp/fhir/core/CodeSystem/JP_SimpleObservationCategory_CS}.code",
                "functional-status",
            )],
            defaults: &[("status", "final")],
            paths: &[
                ("system", "code.coding.system"),
                ("code", "code.coding.code"),
                ("name", "code.text"),
                ("score", "valueQuantity.value"),
                ("text", "note.text"),
                ("assessed", "effectiveDateTime"),
                ("performer", "performer.reference"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "fall",
        ja: "転倒",
        en: "Fall",
        profile: "fall-event",
        fields: &[
            needed("happened", "転倒した日時", "When", Date),
            field("text", "状況", "What happened", Text),
            needed("reporter", "報告者", "Reported by", WHO),
            NOTE,
        ],
        sources: &[observation!(
            "fall-event",
            "activity",
            ("happened", "effectiveDateTime"),
            ("text", "valueString"),
            ("reporter", "performer.reference"),
            ("note", "note.text"),
        )],
    },
    Entity {
        name: "home_hazard",
        ja: "住まいの危険",
        en: "Hazard in the home",
        profile: "home-hazard",
        fields: &[
            needed("hazard", "危険の種類", "Hazard", Code),
            field("text", "説明", "Description", Text),
            needed("seen", "確認日", "Seen", Date),
            needed("performer", "判断した人", "Judged by", WHO),
            field("media", "元の写真・動画", "Photo or video", Reference(&["Media"])),
            NOTE,
        ],
        sources: &[observation!(
            "home-hazard",
            "sdoh",
            ("hazard", "valueCodeableConcept.coding{system=http://renraku.example/fhir/CodeSystem/home-hazard}.code"),
            ("text", "valueCodeableConcept.text"),
            ("seen", "effectiveDateTime"),
            ("performer", "performer.reference"),
            ("media", "derivedFrom.reference"),
            ("note", "note.text"),
        )],
    },
    Entity {
        name: "care_level",
        ja: "要介護度",
        en: "Care level",
        profile: "care-level",
        fields: &[
            needed("level", "要介護状態区分", "Level", Code),
            needed("starts", "有効期間の開始", "Valid from", Date),
            field("ends", "有効期間の終了", "Valid until", Date),
            field("municipality", "認定した市町村", "Municipality", Reference(&["Organization"])),
            field("cause", "原因の傷病", "Cause", Reference(&["Condition"])),
        ],
        sources: &[observation!(
            "care-level",
            "disability-status",
            ("level", "valueCodeableConcept.coding{system=http://renraku.example/fhir/CodeSystem/care-level}.code"),
            ("starts", "effectivePeriod.start"),
            ("ends", "effectivePeriod.end"),
            ("municipality", "performer.reference"),
            (
                "cause",
                "extension{url=http://renraku.example/fhir/StructureDefinition/care-level-cause}.valueReference.reference"
            ),
        )],
    },
    Entity {
        name: "diagnosis",
        ja: "診断",
        en: "Diagnosis",
        profile: "",
        fields: &[
            needed("name", "病名", "Name", Text),
            field("code", "病名コード", "Code", Code),
            field("onset", "発症日", "Onset", Date),
            field("clinical_status", "状態", "Clinical status", Code),
            field("site", "部位", "Site", Text),
            field("side", "左右", "Side", Code),
            field("sequence", "初発・二次", "Sequence", Code),
        ],
        sources: &[Source {
            resource: "Condition",
            citizen: "subject",
            paths: &[
                ("name", "code.text"),
                ("code", "code.coding.code"),
                ("onset", "onsetDateTime"),
                (
                    "clinical_status",
                    "clinicalStatus.coding{system=http://terminology.hl7.org/CodeSystem/condition-clinical}.code",
                ),
                ("site", "bodySite.text"),
                (
                    "side",
                    "bodySite.extension{url=http://renraku.example/fhir/StructureDefinition/laterality}.valueCode",
                ),
                (
                    "sequence",
                    "extension{url=http://renraku.example/fhir/StructureDefinition/fracture-sequence}.valueCode",
                ),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "plan",
        ja: "計画",
        en: "Care plan",
        profile: "",
        fields: &[
            needed("title", "題名", "Title", Text),
            STATUS,
            field("category", "種別", "Category", Code),
            STARTS,
            ENDS,
        ],
        sources: &[Source {
            resource: "CarePlan",
            citizen: "subject",
            defaults: &[("status", "active"), ("intent", "plan")],
            paths: &[
                ("title", "title"),
                ("status", "status"),
                (
                    "category",
                    "category{coding.system=http://renraku.example/fhir/CodeSystem/care-plan-category}.coding{system=http://renraku.example/fhir/CodeSystem/care-plan-category}.code",
                ),
                ("starts", "period.start"),
                ("ends", "period.end"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "plan_activity",
        ja: "計画の活動",
        en: "Activity of a plan",
        profile: "",
        fields: &[
            field("code", "種類", "Kind", Code),
            field("name", "名称", "Name", Text),
            STATUS,
            STARTS,
            field("due", "期限", "Due", Date),
            field("owner", "担当", "Owner", WHO),
            field("text", "内容", "Text", Text),
        ],
        sources: &[Source {
            resource: "CarePlan",
            citizen: "subject",
            per: "activity*",
            present: &["detail"],
            paths: &[
                ("code", "detail.code.coding.code"),
                ("name", "detail.code.text"),
                ("status", "detail.status"),
                ("starts", "detail.scheduledPeriod.start"),
                ("due", "detail.scheduledPeriod.end"),
                ("owner", "detail.performer.reference"),
                ("text", "detail.description"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "goal",
        ja: "目標",
        en: "Goal",
        profile: "",
        fields: &[needed("text", "目標", "Goal", Text), STATUS, STARTS, field("due", "期限", "Due", Date)],
        sources: &[Source {
            resource: "Goal",
            citizen: "subject",
            defaults: &[("lifecycleStatus", "active")],
            paths: &[
                ("text", "description.text"),
                ("status", "lifecycleStatus"),
                ("starts", "startDate"),
                ("due", "target.dueDate"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "media",
        ja: "写真・動画",
        en: "Photo or video",
        profile: "",
        fields: &[
            field("title", "題名", "Title", Text),
            needed("kind", "種類", "Kind", Code),
            needed("content_type", "形式", "Format", Code),
            field("url", "場所", "Address", Text),
            field("size", "大きさ（バイト）", "Size in bytes", Integer),
            field("hash", "SHA-1", "SHA-1", Text),
            needed("created", "撮影日時", "Taken", Date),
            field("operator", "撮影者", "Taken by", WHO),
            field("width", "幅", "Width", Integer),
            field("height", "高さ", "Height", Integer),
            field("duration", "長さ（秒）", "Length in seconds", Decimal),
            NOTE,
        ],
        sources: &[Source {
            resource: "Media",
            citizen: "subject",
            defaults: &[("status", "completed")],
            paths: &[
                ("title", "content.title"),
                ("kind", "type.coding{system=http://terminology.hl7.org/CodeSystem/media-type}.code"),
                ("content_type", "content.contentType"),
                ("url", "content.url"),
                ("size", "content.size"),
                ("hash", "content.hash"),
                ("created", "createdDateTime"),
                ("operator", "operator.reference"),
                ("width", "width"),
                ("height", "height"),
                ("duration", "duration"),
                ("note", "note.text"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "summary",
        ja: "サマリー",
        en: "Summary",
        profile: "",
        fields: &[
            needed("title", "題名", "Title", Text),
            field("kind", "種別", "Kind", Code),
            STATUS,
            needed("written", "作成日", "Written", Date),
            field("author", "作成者", "Author", WHO),
        ],
        sources: &[Source {
            resource: "Composition",
            citizen: "subject",
            paths: &[
                ("title", "title"),
                ("kind", "type.coding.code"),
                ("status", "status"),
                ("written", "date"),
                ("author", "author.reference"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "consent",
        ja: "同意",
        en: "Consent",
        profile: "sharing-consent",
        fields: &[
            STATUS,
            needed("kind", "許可・拒否", "Permit or deny", Code),
            needed("given_at", "同意日", "Given", Date),
            needed("organization", "同意を得た機関", "Organization", Reference(&["Organization"])),
            needed("actor", "相手", "To whom", WHO),
            needed("starts", "開始", "Starts", Date),
            ENDS,
            field("purpose", "目的", "Purpose", Code),
        ],
        sources: &[Source {
            resource: "Consent",
            citizen: "patient",
            defaults: &[
                ("status", "active"),
                ("scope.coding{system=http://terminology.hl7.org/CodeSystem/consentscope}.code", "patient-privacy"),
                ("category.coding{system=http://loinc.org}.code", "59284-0"),
                ("policy.uri", "http://renraku.example/fhir/policy/notebook"),
                (
                    "provision.actor.role.coding{system=http://terminology.hl7.org/CodeSystem/v3-ParticipationType}.code",
                    "IRCP",
                ),
            ],
            paths: &[
                ("status", "status"),
                ("kind", "provision.type"),
                ("given_at", "dateTime"),
                ("organization", "organization.reference"),
                ("actor", "provision.actor.reference.reference"),
                ("starts", "provision.period.start"),
                ("ends", "provision.period.end"),
                ("purpose", "provision.purpose{system=http://renraku.example/fhir/CodeSystem/sharing-purpose}.code"),
            ],
            ..SOURCE
        }],
    },
    Entity {
        name: "agreement",
        ja: "広域連携協定",
        en: "Agreement between municipalities",
        profile: "",
        fields: &[
            needed("title", "名称", "Title", Text),
            STATUS,
            needed("parties", "当事者", "Parties", References(&["Organization"])),
            needed("starts", "開始", "Starts", Date),
            ENDS,
        ],
        sources: &[Source {
            resource: "Contract",
            present: &["authority"],
            defaults: &[("status", "executed")],
            paths: &[
                ("title", "title"),
                ("status", "status"),
                ("parties", "authority*"),
                ("starts", "applies.start"),
                ("ends", "applies.end"),
            ],
            ..SOURCE
        }],
    },
];
