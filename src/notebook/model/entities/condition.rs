//! How the citizen is: measurements, ADL, care level, diagnoses.

use super::*;

const SYSTOLIC: &str = "component{code.coding.system=http://loinc.org,code.coding.code=8480-6}.valueQuantity.value";
const SYSTOLIC_NAME: &str = "component{code.coding.system=http://loinc.org,code.coding.code=8480-6}.code.text";
const SYSTOLIC_UNIT: &str = "component{code.coding.system=http://loinc.org,code.coding.code=8480-6}.valueQuantity.unit";
const SYSTOLIC_SYSTEM: &str =
    "component{code.coding.system=http://loinc.org,code.coding.code=8480-6}.valueQuantity.system";
const SYSTOLIC_CODE: &str = "component{code.coding.system=http://loinc.org,code.coding.code=8480-6}.valueQuantity.code";
const DIASTOLIC: &str = "component{code.coding.system=http://loinc.org,code.coding.code=8462-4}.valueQuantity.value";
const DIASTOLIC_NAME: &str = "component{code.coding.system=http://loinc.org,code.coding.code=8462-4}.code.text";
const DIASTOLIC_UNIT: &str =
    "component{code.coding.system=http://loinc.org,code.coding.code=8462-4}.valueQuantity.unit";
const DIASTOLIC_SYSTEM: &str =
    "component{code.coding.system=http://loinc.org,code.coding.code=8462-4}.valueQuantity.system";
const DIASTOLIC_CODE: &str =
    "component{code.coding.system=http://loinc.org,code.coding.code=8462-4}.valueQuantity.code";

/// Measurement.
pub(super) const MEASUREMENT: Entity = Entity {
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
        writer("performer", "測定者", "Measured by"),
        NOTE,
    ],
    sources: &[Source {
        resource: "Observation",
        citizen: "subject",
        present: &["valueQuantity.value"],
        defaults: &[("status", "final"), ("valueQuantity.system", "http://unitsofmeasure.org")],
        is_measured: true,
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
};

/// Blood pressure: FHIR R4 observation-vitalsigns.html has both values in one Observation.
pub(super) const BLOOD_PRESSURE: Entity = Entity {
    name: "blood_pressure",
    ja: "血圧",
    en: "Blood pressure",
    profile: "",
    fields: &[
        needed("systolic", "収縮期血圧（mmHg）", "Systolic (mmHg)", Decimal),
        needed("diastolic", "拡張期血圧（mmHg）", "Diastolic (mmHg)", Decimal),
        needed("measured", "測定日時", "When", Date),
        field("site", "部位", "Site", Text),
        writer("performer", "測定者", "Measured by"),
        NOTE,
    ],
    sources: &[Source {
        resource: "Observation",
        citizen: "subject",
        fixed: &[("code.coding{system=http://loinc.org}.code", "85354-9")],
        defaults: &[
            ("status", "final"),
            (
                "category{coding.system=http://terminology.hl7.org/CodeSystem/observation-category}.coding{system=http://terminology.hl7.org/CodeSystem/observation-category}.code",
                "vital-signs",
            ),
            ("code.text", "血圧"),
            (SYSTOLIC_NAME, "収縮期血圧"),
            (SYSTOLIC_UNIT, "mmHg"),
            (SYSTOLIC_SYSTEM, "http://unitsofmeasure.org"),
            (SYSTOLIC_CODE, "mm[Hg]"),
            (DIASTOLIC_NAME, "拡張期血圧"),
            (DIASTOLIC_UNIT, "mmHg"),
            (DIASTOLIC_SYSTEM, "http://unitsofmeasure.org"),
            (DIASTOLIC_CODE, "mm[Hg]"),
        ],
        paths: &[
            ("systolic", SYSTOLIC),
            ("diastolic", DIASTOLIC),
            ("measured", "effectiveDateTime"),
            ("site", "bodySite.text"),
            ("performer", "performer.reference"),
            ("note", "note.text"),
        ],
        ..SOURCE
    }],
};

/// Activities of daily living.
pub(super) const ADL: Entity = Entity {
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
        writer("performer", "評価者", "Assessed by"),
    ],
    sources: &[Source {
        resource: "Observation",
        citizen: "subject",
        fixed: &[(CATEGORY, "functional-status")],
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
};

/// Care level.
pub(super) const CARE_LEVEL: Entity = Entity {
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
};

/// Diagnosis.
pub(super) const DIAGNOSIS: Entity = Entity {
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
            ("side", "bodySite.extension{url=http://renraku.example/fhir/StructureDefinition/laterality}.valueCode"),
            ("sequence", "extension{url=http://renraku.example/fhir/StructureDefinition/fracture-sequence}.valueCode"),
        ],
        ..SOURCE
    }],
};
