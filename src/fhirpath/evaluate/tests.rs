use crate::fhirpath::Item;
use crate::fhirpath::{FhirPathError, compile, compile_for};
use crate::format::json;
use crate::r4::definitions;

const PATIENT: &str = r##"{"resourceType":"Patient","active":true,"_birthDate":{"extension":[{"url":"u","valueCode":"x"}]},
    "name":[{"family":"A","given":["b","c"]},{"family":"D","given":[null,"e"],"_given":[{"extension":[{"url":"u"}]},null]}],
    "telecom":[{"system":"phone","value":"1"},{"system":"email","value":"2"}],"multipleBirthInteger":2,
    "generalPractitioner":[{"reference":"Organization/1"},{"reference":"#p"},{"type":"Practitioner","display":"x"}],
    "contained":[{"resourceType":"Practitioner","id":"p","active":false}]}"##;

fn evaluate(expression: &str) -> Vec<String> {
    let node = json::parse(PATIENT.as_bytes()).unwrap();
    let id = definitions().resource("Patient").unwrap();
    let forms = [compile_for(expression, id).unwrap(), compile(expression).unwrap()];
    let [typed, untyped] = forms.each_ref().map(|compiled| {
        let items = compiled.evaluate(Item::new(id, &node)).unwrap();
        items
            .iter()
            .map(|item| match (item.text(), item.boolean(), item.digits()) {
                (Some(text), ..) => text.to_owned(),
                (_, Some(value), _) => value.to_string(),
                (.., Some(digits)) => digits.to_owned(),
                _ => definitions().get(item.type_id).name.clone(),
            })
            .collect::<Vec<_>>()
    });
    assert_eq!(typed, untyped, "{expression}");
    typed
}

/// FHIRPath N1 sections "Path selection", "Filtering and projection", "Subsetting".
#[test]
fn paths_select_and_functions_filter() {
    assert_eq!(evaluate("Patient.name.family"), ["A", "D"]);
    assert_eq!(evaluate("name.given"), ["b", "c", "string", "e"]);
    assert_eq!(evaluate("name[1].family"), ["D"]);
    assert_eq!(evaluate("name.first().given.last()"), ["c"]);
    assert_eq!(evaluate("telecom.where(system = 'phone').value"), ["1"]);
    assert_eq!(evaluate("telecom.exists(system = 'fax')"), ["false"]);
    assert_eq!(evaluate("photo.empty()"), ["true"]);
    assert_eq!(evaluate("name.family | name.family | name.given.first()"), ["A", "D", "b"]);
    assert!(evaluate("Observation.code").is_empty());
}

/// FHIRPath N1 section "Types": choices are one element whose values have types.
#[test]
fn choices_are_cast_by_type() {
    assert_eq!(evaluate("Patient.multipleBirth"), ["2"]);
    assert_eq!(evaluate("(Patient.multipleBirth as integer)"), ["2"]);
    assert!(evaluate("Patient.multipleBirth.ofType(boolean)").is_empty());
    assert_eq!(evaluate("Patient.multipleBirth is integer"), ["true"]);
    assert_eq!(evaluate("contained.active"), ["false"]);
}

/// FHIRPath N1 section "Boolean logic": three values.
#[test]
fn logic_knows_the_empty_value() {
    assert_eq!(evaluate("active and active != false"), ["true"]);
    assert!(evaluate("deceased and true").is_empty());
    assert_eq!(evaluate("deceased or true"), ["true"]);
    assert_eq!(evaluate("Patient.deceased.exists() and Patient.deceased != false"), ["false"]);
    assert_eq!(evaluate("active.not()"), ["false"]);
}

/// FHIR R4 fhirpath.html#functions.
#[test]
fn fhir_functions() {
    assert_eq!(evaluate("generalPractitioner.where(resolve() is Organization)"), ["Reference"]);
    assert_eq!(evaluate("generalPractitioner.where(resolve() is Practitioner)").len(), 2);
    assert_eq!(evaluate("birthDate.extension('u').value"), ["x"]);
    assert_eq!(evaluate("birthDate.hasValue()"), ["false"]);
    assert_eq!(evaluate("active.hasValue()"), ["true"]);
    assert_eq!(evaluate("name.where(given.hasExtension('u')).family"), ["D"]);
}

#[test]
fn what_is_not_built_yet_is_said_when_compiling() {
    for expression in ["name.count()", "1 + 1", "name.select(family)", "%ucum", "@2015 = @2015"] {
        assert!(matches!(compile(expression), Err(FhirPathError::Unsupported(_))), "{expression}");
    }
    let id = definitions().resource("Patient").unwrap();
    assert!(matches!(compile_for("Patient.nmae", id), Err(FhirPathError::UnknownName { .. })));
    assert!(matches!(compile("x as Nmae"), Err(FhirPathError::UnknownType(_))));
}
