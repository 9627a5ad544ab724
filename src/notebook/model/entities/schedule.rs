//! What is planned and done: visits, plans, goals.

use super::*;

/// Visit.
pub(super) const VISIT: Entity = Entity {
    name: "visit",
    ja: "受診・訪問",
    en: "Visit",
    profile: "",
    fields: &[
        needed("title", "内容", "What for", Text),
        indexed(needed("starts", "開始", "Starts", Date)),
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
};

/// Care plan.
pub(super) const PLAN: Entity = Entity {
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
};

/// Activity of a plan.
pub(super) const PLAN_ACTIVITY: Entity = Entity {
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
};

/// Goal.
pub(super) const GOAL: Entity = Entity {
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
};

/// Alarm.
pub(super) const ALARM: Entity = Entity {
    name: "alarm",
    ja: "注意",
    en: "Alarm",
    profile: "",
    fields: &[
        needed("title", "内容", "What", Text),
        field("code", "コード", "Code", Code),
        STATUS,
        field("severity", "重さ", "Severity", Code),
        STARTS,
        ENDS,
        field("text", "説明", "Description", Text),
        writer("author", "登録者", "Author"),
    ],
    sources: &[
        Source {
            resource: "Flag",
            citizen: "subject",
            defaults: &[("status", "active")],
            paths: &[
                ("title", "code.text"),
                ("code", "code.coding.code"),
                ("status", "status"),
                ("starts", "period.start"),
                ("ends", "period.end"),
                ("author", "author.reference"),
            ],
            ..SOURCE
        },
        Source {
            resource: "DetectedIssue",
            citizen: "patient",
            paths: &[
                ("title", "code.text"),
                ("code", "code.coding.code"),
                ("status", "status"),
                ("severity", "severity"),
                ("starts", "identifiedDateTime"),
                ("text", "detail"),
                ("author", "author.reference"),
            ],
            ..SOURCE
        },
    ],
};
