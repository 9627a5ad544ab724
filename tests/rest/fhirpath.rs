//! `$fhirpath`: an expression asked of a resource that is sent or stored.

use serde_json::{Value, json};

use crate::support::{on_each, refused, unique};

fn parameters(list: Value) -> Value {
    json!({ "resourceType": "Parameters", "parameter": list })
}

fn patient() -> Value {
    json!({ "resourceType": "Patient", "active": true, "birthDate": "1942-05",
        "name": [{ "family": "見本", "given": ["花子", "はなこ"] }, { "text": "見本 花子" }],
        "contact": [{ "gender": "male" }], "managingOrganization": { "reference": "Organization/nowhere" } })
}

fn parts(answer: &Value) -> Vec<(String, Value)> {
    let parts = answer["parameter"][0]["part"].as_array().cloned().unwrap_or_default();
    let value = |part: &Value| part.as_object().unwrap().iter().find(|(name, _)| *name != "name").unwrap().1.clone();
    parts.iter().map(|part| (part["name"].as_str().unwrap().to_owned(), value(part))).collect()
}

/// One part for each result, named by its type; system values, elements and backbone elements.
#[test]
fn results_have_their_type_and_value() {
    on_each(|server| {
        let ask = |expression: &str| {
            let list = json!([{ "name": "expression", "valueString": expression }, { "name": "resource", "resource": patient() }]);
            let answer = server.post("$fhirpath", &parameters(list));
            assert_eq!(answer.status, 200, "{}", answer.body);
            parts(&answer.body)
        };
        let one = |name: &str, value: Value| vec![(name.to_owned(), value)];
        assert_eq!(ask("name.given.first() & '!'"), one("string", json!("花子!")));
        assert_eq!(ask("active"), one("boolean", json!(true)));
        assert_eq!(ask("birthDate"), one("date", json!("1942-05")));
        assert_eq!(ask("name.given.count() / 4"), one("decimal", json!(0.5)));
        assert_eq!(ask("(4 'kg' + 500 'g').value.empty()"), one("boolean", json!(true)));
        assert_eq!(ask("4 'kg' + 500 'g'")[0].1["code"], "kg");
        assert_eq!(ask("name[0]"), one("HumanName", json!({ "family": "見本", "given": ["花子", "はなこ"] })));
        assert_eq!(ask("contact")[0].0, "Patient.contact");
        assert_eq!(ask("Patient")[0].1["resourceType"], "Patient");
        assert!(ask("deceased").is_empty());
        // What is not here has a type, and nothing to show.
        assert!(ask("managingOrganization.resolve()").is_empty());
        let list = json!([{ "name": "expression", "valueString": "name.trace('names', given).count()" },
            { "name": "resource", "resource": patient() }]);
        let traced = server.post("$fhirpath", &parameters(list)).body;
        assert_eq!(
            traced["parameter"][0]["part"],
            json!([{ "name": "integer", "valueInteger": 2 }, { "name": "trace", "valueString": "names", "part": [
                { "name": "string", "valueString": "花子" }, { "name": "string", "valueString": "はなこ" }] }])
        );
    });
}

/// The server's own terminology, profiles and definitions answer (FHIR R4 fhirpath.html#functions).
#[test]
fn expressions_ask_what_the_server_knows() {
    on_each(|server| {
        let bp = json!({ "resourceType": "Observation", "status": "final",
            "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs" }] }],
            "code": { "coding": [{ "system": "http://loinc.org", "code": "85354-9" }] },
            "subject": { "reference": "Patient/1" }, "effectiveDateTime": "2026-01-05",
            "component": [{ "code": { "coding": [{ "system": "http://loinc.org", "code": "8480-6" }] },
                "valueQuantity": { "value": 120, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]" } },
                { "code": { "coding": [{ "system": "http://loinc.org", "code": "8462-4" }] },
                "valueQuantity": { "value": 80, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]" } }] });
        let ask = |expression: &str| {
            let list =
                json!([{ "name": "expression", "valueString": expression }, { "name": "resource", "resource": bp }]);
            let answer = server.post("$fhirpath", &parameters(list));
            assert_eq!(answer.status, 200, "{expression}: {}", answer.body);
            parts(&answer.body)
        };
        let yes = vec![("boolean".to_owned(), json!(true))];
        let no = vec![("boolean".to_owned(), json!(false))];
        assert_eq!(ask("status.memberOf('http://hl7.org/fhir/ValueSet/observation-status')"), yes);
        assert_eq!(ask("status.memberOf(%`vs-administrative-gender`)"), no);
        assert_eq!(ask("conformsTo('http://hl7.org/fhir/StructureDefinition/bp')"), yes);
        assert_eq!(ask("conformsTo('http://hl7.org/fhir/StructureDefinition/bodyweight')"), no);
        let slice = "component.slice('http://hl7.org/fhir/StructureDefinition/bp', 'SystolicBP').value.value";
        assert_eq!(ask(slice), [("decimal".to_owned(), json!(120))]);
        assert_eq!(ask("component.value.elementDefinition().path.distinct()")[0].1, "Observation.component.value[x]");
        assert_eq!(ask("status.elementDefinition().min")[0].1, 1);
        assert_eq!(ask("checkModifiers('http://a').status")[0].1, "final");
        assert_eq!(ask("'http://hl7.org/fhir/ValueSet/observation-status'.resolve().name")[0].1, "ObservationStatus");
        let list = json!([{ "name": "expression", "valueString": "component.slice('http://nowhere', 'x')" },
            { "name": "resource", "resource": bp }]);
        let text = refused(&server.post("$fhirpath", &parameters(list)), 400);
        assert!(text.contains("there is no slice"), "{text}");
    });
}

/// On a stored resource by its URL, by GET or by a reference; references are followed to what is stored.
#[test]
fn stored_resources_are_asked_at_their_place() {
    on_each(|server| {
        let (organization, id) = (unique("org"), unique("fhirpath"));
        server.put(
            &format!("Organization/{organization}"),
            &json!({ "resourceType": "Organization", "id": organization, "name": "見本病院" }),
        );
        let mut body = patient();
        body["id"] = json!(id);
        body["managingOrganization"]["reference"] = json!(format!("Organization/{organization}"));
        server.put(&format!("Patient/{id}"), &body);
        let path = format!("Patient/{id}/$fhirpath?expression=managingOrganization.resolve().name");
        assert_eq!(parts(&server.get(&path).body), [("string".to_owned(), json!("見本病院"))]);
        let list = json!([{ "name": "expression", "valueString": "%limit + given.count()" },
            { "name": "reference", "valueString": format!("Patient/{id}") }, { "name": "context", "valueString": "name" },
            { "name": "variables", "part": [{ "name": "name", "valueString": "limit" }, { "name": "value", "valueInteger": 40 }] }]);
        let answer = server.post("$fhirpath", &parameters(list)).body;
        assert_eq!(answer["parameter"][0]["valueString"], "name[0]");
        assert_eq!(answer["parameter"][0]["part"][0]["valueInteger"], 42);
        assert_eq!(answer["parameter"][1]["part"][0]["valueInteger"], 40);
        refused(&server.get("Patient/nobody-here/$fhirpath?expression=name"), 404);
    });
}

/// An OperationOutcome says what is wrong, and where in the expression.
#[test]
fn what_cannot_be_evaluated_is_said_with_its_place() {
    on_each(|server| {
        let ask = |expression: &str| {
            let list = json!([{ "name": "expression", "valueString": expression }, { "name": "resource", "resource": patient() }]);
            refused(&server.post("Patient/$fhirpath", &parameters(list)), 400)
        };
        assert!(ask("name.famly").contains("at character 6"));
        assert!(ask("name.where(").contains("character"));
        assert!(ask("name.given.single()").contains("at character 12: \"single()\""));
        assert!(ask("%nobody").contains("%nobody"));
        assert!(ask("1.repeat($this + 1)").contains("too many steps"));
        let list =
            json!([{ "name": "expression", "valueString": "name" }, { "name": "resource", "resource": patient() }]);
        refused(&server.post("Observation/$fhirpath", &parameters(list)), 400);
        refused(&server.post("$fhirpath", &parameters(json!([]))), 400);
    });
}
