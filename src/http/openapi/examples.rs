//! Bodies that work: a test sends each. All people are made up.

use serde_json::{Value, json};

/// A resource of a type that can be created as it is.
pub(super) fn example(name: &str) -> Option<Value> {
    let mut example = match name {
        "Patient" => json!({
            "identifier": [{ "system": "http://hospital.example/id", "value": "00001" }],
            "name": [{ "text": "見本　花子" }], "gender": "female", "birthDate": "1942-05-03"
        }),
        "Observation" => json!({
            "status": "final", "category": [{ "coding": [
                { "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs" }] }],
            "code": { "coding": [{ "system": "http://loinc.org", "code": "8302-2" }], "text": "身長" },
            "subject": { "display": "見本　花子" },
            "effectiveDateTime": "2025-07-14", "valueQuantity": { "value": 148.5, "unit": "cm", "system": "http://unitsofmeasure.org", "code": "cm" }
        }),
        "Condition" => json!({ "code": { "text": "骨粗鬆症" }, "subject": { "display": "見本　花子" } }),
        "Encounter" => json!({
            "status": "finished", "class": { "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP" },
            "period": { "start": "2025-06-01", "end": "2025-07-14" }
        }),
        "MedicationRequest" => json!({
            "status": "active", "intent": "order", "medicationCodeableConcept": { "text": "アセトアミノフェン錠200mg" },
            "subject": { "display": "見本　花子" }
        }),
        "Organization" => json!({ "name": "サンプル病院" }),
        "Practitioner" => json!({ "name": [{ "text": "見本　医師" }] }),
        "CarePlan" => json!({ "status": "active", "intent": "plan", "subject": { "display": "見本　花子" } }),
        "Bundle" => json!({ "type": "collection" }),
        "Parameters" => json!({ "parameter": [{ "name": "note", "valueString": "見本" }] }),
        _ => return None,
    };
    if let Some(members) = example.as_object_mut() {
        members.insert("resourceType".to_owned(), json!(name));
    }
    Some(example)
}
