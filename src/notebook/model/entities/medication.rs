//! What the citizen takes and is given.

use super::*;

/// Medication.
pub(super) const MEDICATION: Entity = Entity {
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
        writer("informant", "情報源", "Informant"),
    ],
    sources: &[
        Source {
            resource: "MedicationStatement",
            citizen: "subject",
            defaults: &[("status", "active")],
            paths: &[
                ("drug", DRUG),
                ("code", DRUG_CODE),
                ("usage", "dosage.text"),
                ("status", "status"),
                ("starts", "effectivePeriod.start"),
                ("ends", "effectivePeriod.end"),
                ("adherence", "extension{url=http://renraku.example/fhir/StructureDefinition/adherence}.valueCode"),
                ("next_dose", NEXT_DOSE),
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
                ("drug", DRUG),
                ("code", DRUG_CODE),
                ("usage", "dosageInstruction.text"),
                ("status", "status"),
                ("starts", "authoredOn"),
                ("next_dose", NEXT_DOSE),
                ("stop_reason", "statusReason.text"),
                ("informant", "requester.reference"),
            ],
            ..SOURCE
        },
        Source {
            resource: "MedicationDispense",
            citizen: "subject",
            paths: &[
                ("drug", DRUG),
                ("code", DRUG_CODE),
                ("usage", "dosageInstruction.text"),
                ("status", "status"),
                ("starts", "whenHandedOver"),
            ],
            ..SOURCE
        },
    ],
};

/// Injection.
pub(super) const INJECTION: Entity = Entity {
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
        writer("performer", "実施者", "Performer"),
        NOTE,
    ],
    sources: &[Source {
        resource: "MedicationAdministration",
        citizen: "subject",
        defaults: &[("status", "completed")],
        paths: &[
            ("drug", DRUG),
            ("code", DRUG_CODE),
            ("given_at", "effectiveDateTime"),
            ("status", "status"),
            ("next_dose", NEXT_DOSE),
            ("performer", "performer.actor.reference"),
            ("note", "note.text"),
        ],
        ..SOURCE
    }],
};
