//! StructureDefinitions that contradict what they are derived from.
//!
//! FHIR R4 profiling.html#limitations, elementdefinition.html, defining-extensions.html.

use super::{extension, holds, probes, profile};

fn on(element: &str) -> String {
    profile("p", "Patient", "Patient", "", element)
}

fn on_observation(element: &str) -> String {
    profile("p", "Observation", "Observation", "", element)
}

/// The first element of a differential.
const AT: &str = "StructureDefinition.differential.element[0]";

fn ext(more: &str, context: &str) -> String {
    let value = r#"{"id":"Extension.value[x]","path":"Extension.value[x]","min":1}"#;
    extension("x", context, more, value)
}

probes!(
    definitions,
    [
        profile(
            "male",
            "Patient",
            "Patient",
            "",
            r#"{"id":"Patient.gender","path":"Patient.gender","fixedCode":"male"}"#
        ),
        profile(
            "males",
            "Observation",
            "Observation",
            "",
            r#"{"id":"Observation.subject","path":"Observation.subject","type":[{"code":"Reference","targetProfile":["http://a/male"]}]}"#
        )
    ],
    &[],
    [
        ("nothing", on(r#"{"id":"Patient","path":"Patient"}"#), []),
        (
            "binding of what has no codes",
            on(
                r#"{"id":"Patient.name","path":"Patient.name","binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/administrative-gender"}}"#
            ),
            [("StructureDefinition.differential.element[0].binding", "HumanName")]
        ),
        (
            "binding of a choice",
            on_observation(
                r#"{"id":"Observation.value[x]","path":"Observation.value[x]","binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/administrative-gender"}}"#
            ),
            []
        ),
        (
            "binding of a url",
            on(
                r#"{"id":"Patient.photo.url","path":"Patient.photo.url","binding":{"strength":"extensible","valueSet":"http://hl7.org/fhir/ValueSet/administrative-gender"}}"#
            ),
            []
        ),
        (
            "a binding that is tighter",
            on(
                r#"{"id":"Patient.maritalStatus","path":"Patient.maritalStatus","binding":{"strength":"required","valueSet":"http://hl7.org/fhir/ValueSet/marital-status"}}"#
            ),
            []
        ),
        (
            "a binding that is looser",
            on(
                r#"{"id":"Patient.gender","path":"Patient.gender","binding":{"strength":"preferred","valueSet":"http://hl7.org/fhir/ValueSet/administrative-gender"}}"#
            ),
            [("StructureDefinition.differential.element[0].binding", "required")]
        ),
        (
            "a type nobody knows",
            on(r#"{"id":"Patient.name","path":"Patient.name","type":[{"code":"Foo"}]}"#),
            [("StructureDefinition.differential.element[0].type[0]", "Foo")]
        ),
        (
            "a type by its URL",
            on(
                r#"{"id":"Patient.name","path":"Patient.name","type":[{"code":"http://hl7.org/fhir/StructureDefinition/HumanName"}]}"#
            ),
            []
        ),
        (
            "a special type",
            on_observation(
                r#"{"id":"Observation.value[x]","path":"Observation.value[x]","type":[{"code":"Quantity"}]}"#
            ),
            []
        ),
        (
            "a type of a slice",
            on_observation(
                r#"{"id":"Observation.value[x]:x","path":"Observation.value[x]","sliceName":"x","type":[{"code":"HumanName"}]}"#
            ),
            [("StructureDefinition.differential.element[0].type[0]", "HumanName")]
        ),
        (
            "a target that is one",
            on_observation(
                r#"{"id":"Observation.subject","path":"Observation.subject","type":[{"code":"Reference","targetProfile":["http://a/male"]}]}"#
            ),
            []
        ),
        (
            "a target that is none",
            on_observation(
                r#"{"id":"Observation.subject","path":"Observation.subject","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Medication"]}]}"#
            ),
            [("StructureDefinition.differential.element[0].type[0]", "Medication")]
        ),
        (
            "a target that is wider",
            profile(
                "p",
                "Observation",
                "males",
                "",
                r#"{"id":"Observation.subject","path":"Observation.subject","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Patient"]}]}"#
            ),
            [("StructureDefinition.differential.element[0].type[0]", "male")]
        ),
        (
            "a target nobody knows",
            on_observation(
                r#"{"id":"Observation.subject","path":"Observation.subject","type":[{"code":"Reference","targetProfile":["http://a/unknown"]}]}"#
            ),
            []
        ),
        (
            "the short form of a choice",
            on_observation(r#"{"id":"Observation.valueQuantity","path":"Observation.valueQuantity","min":1}"#),
            []
        ),
        ("more than the base", on(r#"{"id":"Patient.name","path":"Patient.name","min":3,"max":"1"}"#), [(AT, "eld-2")]),
        (
            "two values",
            on(r#"{"id":"Patient.gender","path":"Patient.gender","fixedCode":"male","patternCode":"male"}"#),
            [(AT, "eld-8")]
        ),
        (
            "a base nobody knows",
            on(r#"{"id":"Patient","path":"Patient"}"#)
                .replace("http://hl7.org/fhir/StructureDefinition/Patient", "http://a/unknown"),
            [("StructureDefinition", "http://a/unknown")]
        ),
        ("an extension", ext("", r#"{"type":"element","expression":"Patient"}"#), []),
        (
            "an extension with a context that is no path",
            ext("", r#"{"type":"fhirpath","expression":"Patient.(("}"#),
            [("StructureDefinition.context[0].expression", "not FHIRPath")]
        ),
        (
            "an extension with an invariant that is no path",
            ext(r#""contextInvariant":["name.(("],"#, r#"{"type":"element","expression":"Patient"}"#),
            [("StructureDefinition.contextInvariant[0]", "not FHIRPath")]
        ),
    ]
);
