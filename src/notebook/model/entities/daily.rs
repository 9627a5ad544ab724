//! Daily life: meals, exercise, falls, the home.

use super::*;

/// Diet and nutrition.
pub(super) const NUTRITION: Entity = Entity {
    name: "nutrition",
    ja: "食事・栄養",
    en: "Diet and nutrition",
    profile: "",
    fields: &[
        needed("observed", "日時", "When", Date),
        field("amount", "摂取量（％）", "Amount eaten (%)", Decimal),
        field("meal", "食事", "Meal", Text),
        writer("performer", "記録者", "Recorded by"),
        NOTE,
    ],
    sources: &[
        Source {
            resource: "Observation",
            citizen: "subject",
            fixed: &[(OWN_CODE, "meal-intake")],
            defaults: &[("status", "final"), (CATEGORY, "activity")],
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
};

/// Exercise.
pub(super) const EXERCISE: Entity = Entity {
    name: "exercise",
    ja: "運動",
    en: "Exercise",
    profile: "",
    fields: &[
        needed("observed", "日時", "When", Date),
        field("amount", "量", "Amount", Decimal),
        field("unit", "単位", "Unit", Text),
        field("kind", "種類", "Kind", Text),
        writer("performer", "記録者", "Recorded by"),
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
};

/// Fall.
pub(super) const FALL: Entity = Entity {
    name: "fall",
    ja: "転倒",
    en: "Fall",
    profile: "fall-event",
    fields: &[
        needed("happened", "転倒した日時", "When", Date),
        field("text", "状況", "What happened", Text),
        needed_writer("reporter", "報告者", "Reported by"),
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
};

/// Hazard in the home.
pub(super) const HOME_HAZARD: Entity = Entity {
    name: "home_hazard",
    ja: "住まいの危険",
    en: "Hazard in the home",
    profile: "home-hazard",
    fields: &[
        needed("hazard", "危険の種類", "Hazard", Code),
        field("text", "説明", "Description", Text),
        needed("seen", "確認日", "Seen", Date),
        needed_writer("performer", "判断した人", "Judged by"),
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
};
