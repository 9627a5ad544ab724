//! Profiles of profiles, slices in unusual places, discriminators that walk far.

use super::{extension, holds, observation, patient, probes, profile};

probes!(
    discriminators_through_choices,
    [
        profile(
            "p",
            "Observation",
            "Observation",
            "",
            r#"
    {"path":"Observation.component","slicing":{"discriminator":[{"type":"value","path":"value.ofType(Quantity).code"}],"rules":"open"}},
    {"path":"Observation.component","sliceName":"mg","min":1,"max":"1"},
    {"path":"Observation.component.value[x]","min":1,"type":[{"code":"Quantity"}]},
    {"path":"Observation.component.value[x].code","min":1,"fixedCode":"mg"}"#
        ),
        profile(
            "t",
            "Observation",
            "Observation",
            "",
            r#"
    {"path":"Observation.component","slicing":{"discriminator":[{"type":"type","path":"value"}],"rules":"closed"}},
    {"path":"Observation.component","sliceName":"q"},
    {"path":"Observation.component.value[x]","min":1,"type":[{"code":"Quantity"}]},
    {"path":"Observation.component","sliceName":"s","max":"1"},
    {"path":"Observation.component.valueString","min":1}"#
        )
    ],
    &[],
    [
        (
            "good",
            observation(
                r#""meta":{"profile":["http://a/p"]},"component":[{"code":{"text":"x"},"valueString":"mg"},{"code":{"text":"x"},"valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"mg"}}]"#
            ),
            []
        ),
        (
            "missing",
            observation(
                r#""meta":{"profile":["http://a/p"]},"component":[{"code":{"text":"x"},"valueString":"mg"},{"code":{"text":"x"},"valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"g"}}]"#
            ),
            [("Observation", "'mg'")]
        ),
        (
            "types",
            observation(
                r#""meta":{"profile":["http://a/t"]},"component":[{"code":{"text":"x"},"valueString":"mg"},{"code":{"text":"x"},"valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"mg"}}]"#
            ),
            []
        ),
        (
            "types, two strings and a date",
            observation(
                r#""meta":{"profile":["http://a/t"]},"component":[{"code":{"text":"x"},"valueString":"a"},{"code":{"text":"x"},"valueString":"b"},{"code":{"text":"x"},"valueDateTime":"2020"}]"#
            ),
            [("Observation", "'s'"), ("Observation.component[2]", "not match any")]
        ),
    ]
);

probes!(
    discriminators_into_slices,
    [profile(
        "p",
        "Observation",
        "Observation",
        "",
        r#"
    {"id":"Observation.component","path":"Observation.component","slicing":{"discriminator":[{"type":"value","path":"code.coding.code"}],"rules":"open"}},
    {"id":"Observation.component:a","path":"Observation.component","sliceName":"a","min":1},
    {"id":"Observation.component:a.code.coding","path":"Observation.component.code.coding","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}},
    {"id":"Observation.component:a.code.coding:own","path":"Observation.component.code.coding","sliceName":"own","min":1},
    {"id":"Observation.component:a.code.coding:own.system","path":"Observation.component.code.coding.system","min":1,"fixedUri":"http://a/c"},
    {"id":"Observation.component:a.code.coding:own.code","path":"Observation.component.code.coding.code","min":1,"fixedCode":"a"}"#
    )],
    &["http://a/p"],
    [
        (
            "good",
            observation(
                r#""component":[{"code":{"coding":[{"system":"http://a/d","code":"z"},{"system":"http://a/c","code":"a"}]},"valueString":"x"}]"#
            ),
            []
        ),
        (
            "missing",
            observation(r#""component":[{"code":{"coding":[{"system":"http://a/c","code":"b"}]},"valueString":"x"}]"#),
            [("Observation", "'a'")]
        ),
    ]
);

probes!(
    slices_that_are_prohibited,
    [
        extension("no", r#"{"type":"element","expression":"Patient"}"#, "", ""),
        profile(
            "p",
            "Patient",
            "Patient",
            "",
            r#"
    {"path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}},
    {"path":"Patient.identifier","sliceName":"s","max":"0"},
    {"path":"Patient.identifier.system","min":1,"fixedUri":"http://a/s"},
    {"path":"Patient.extension","slicing":{"discriminator":[{"type":"value","path":"url"}],"rules":"open"}},
    {"path":"Patient.extension","sliceName":"n","max":"0","type":[{"code":"Extension","profile":["http://a/no"]}]}"#
        )
    ],
    &["http://a/p"],
    [
        ("good", patient(r#""identifier":[{"system":"http://a/t","value":"1"}]"#), []),
        ("bad", patient(r#""identifier":[{"system":"http://a/s","value":"1"}]"#), [("Patient", "'s'")]),
        ("extension", patient(r#""extension":[{"url":"http://a/no","valueString":"x"}]"#), [("Patient", "'n'")]),
    ]
);

// A slice of the base goes on in what is derived from it: constrained by its name alone, joined by others.
probes!(
    slices_go_on_in_derived_profiles,
    [
        profile(
            "base",
            "Patient",
            "Patient",
            "",
            r#"
    {"path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"system"}],"rules":"open"}},
    {"path":"Patient.identifier","sliceName":"s"},
    {"path":"Patient.identifier.system","min":1,"fixedUri":"http://a/s"},
    {"path":"Patient.identifier.value","min":1}"#
        ),
        profile(
            "p",
            "Patient",
            "base",
            "",
            r#"
    {"id":"Patient.identifier.use","path":"Patient.identifier.use","min":1},
    {"id":"Patient.identifier:s","path":"Patient.identifier","sliceName":"s","min":1},
    {"id":"Patient.identifier:s.value","path":"Patient.identifier.value","maxLength":2},
    {"id":"Patient.identifier:t","path":"Patient.identifier","sliceName":"t","min":1},
    {"id":"Patient.identifier:t.system","path":"Patient.identifier.system","min":1,"fixedUri":"http://a/t"}"#
        )
    ],
    &["http://a/p"],
    [
        (
            "good",
            patient(
                r#""identifier":[{"use":"usual","system":"http://a/s","value":"1"},{"use":"usual","system":"http://a/t"}]"#
            ),
            []
        ),
        (
            "both",
            patient(r#""identifier":[{"use":"usual","system":"http://a/s"},{"system":"http://a/t"}]"#),
            [("Patient.identifier[0]", "value"), ("Patient.identifier[1]", "use")]
        ),
        (
            "long",
            patient(
                r#""identifier":[{"use":"usual","system":"http://a/s","value":"123"},{"use":"usual","system":"http://a/t"}]"#
            ),
            [("Patient.identifier[0].value", "2")]
        ),
        (
            "missing",
            patient(r#""identifier":[{"use":"usual","system":"http://a/u"}]"#),
            [("Patient", "'s'"), ("Patient", "'t'")]
        ),
    ]
);

probes!(slices_of_contained_resources_and_parameters, [
    profile("c", "Patient", "Patient", "", r#"
    {"path":"Patient.contained","slicing":{"discriminator":[{"type":"type","path":"$this"}],"rules":"closed"}},
    {"path":"Patient.contained","sliceName":"o","min":1,"max":"1","type":[{"code":"Organization"}]},
    {"path":"Patient.contained.name","min":1}"#),
    profile("male", "Patient", "Patient", "", r#"{"path":"Patient.gender","min":1,"fixedCode":"male"}"#),
    profile("ps", "Parameters", "Parameters", "", r#"
    {"id":"Parameters.parameter","path":"Parameters.parameter","slicing":{"discriminator":[{"type":"value","path":"name"}],"rules":"closed"}},
    {"id":"Parameters.parameter:a","path":"Parameters.parameter","sliceName":"a","min":1,"max":"1"},
    {"id":"Parameters.parameter:a.name","path":"Parameters.parameter.name","fixedString":"a"},
    {"id":"Parameters.parameter:a.value[x]","path":"Parameters.parameter.value[x]","min":1,"type":[{"code":"string"}]},
    {"id":"Parameters.parameter:r","path":"Parameters.parameter","sliceName":"r"},
    {"id":"Parameters.parameter:r.name","path":"Parameters.parameter.name","fixedString":"r"},
    {"id":"Parameters.parameter:r.resource","path":"Parameters.parameter.resource","min":1,"type":[{"code":"Patient","profile":["http://a/male"]}]},
    {"id":"Parameters.parameter:g","path":"Parameters.parameter","sliceName":"g"},
    {"id":"Parameters.parameter:g.name","path":"Parameters.parameter.name","fixedString":"g"},
    {"id":"Parameters.parameter:g.part","path":"Parameters.parameter.part","slicing":{"discriminator":[{"type":"value","path":"name"}],"rules":"closed"}},
    {"id":"Parameters.parameter:g.part:i","path":"Parameters.parameter.part","sliceName":"i","min":1},
    {"id":"Parameters.parameter:g.part:i.name","path":"Parameters.parameter.part.name","fixedString":"i"},
    {"id":"Parameters.parameter:g.part:i.value[x]","path":"Parameters.parameter.part.value[x]","min":1,"type":[{"code":"integer"}]}"#)], &[], [
    ("contained", patient(r##""meta":{"profile":["http://a/c"]},"contained":[{"resourceType":"Organization","id":"o","name":"x"}],"managingOrganization":{"reference":"#o"}"##), []),
    ("contained, no name", patient(r##""meta":{"profile":["http://a/c"]},"contained":[{"resourceType":"Organization","id":"o","alias":["x"],"identifier":[{"value":"1"}]}],"managingOrganization":{"reference":"#o"}"##), [("Patient.contained[0]", "name")]),
    ("contained, other", patient(r##""meta":{"profile":["http://a/c"]},"contained":[{"resourceType":"Practitioner","id":"o"},{"resourceType":"Organization","id":"p","name":"x"}],"generalPractitioner":[{"reference":"#o"},{"reference":"#p"}]"##), [("Patient.contained[0]", "not match any")]),
    ("parameters", r#"{"resourceType":"Parameters","meta":{"profile":["http://a/ps"]},"parameter":[{"name":"a","valueString":"x"},{"name":"r","resource":{"resourceType":"Patient","gender":"male"}},{"name":"g","part":[{"name":"i","valueInteger":1}]}]}"#.to_owned(), []),
    ("parameters, bad", r#"{"resourceType":"Parameters","meta":{"profile":["http://a/ps"]},"parameter":[{"name":"a","valueInteger":1},{"name":"r","resource":{"resourceType":"Patient"}},{"name":"g","part":[{"name":"i","valueString":"1"}]},{"name":"z","valueString":"x"}]}"#.to_owned(),
        [("Parameters.parameter[0].value", "string"), ("Parameters.parameter[1].resource", "gender"), ("Parameters.parameter[2].part[0].value", "integer"), ("Parameters.parameter[3]", "not match any")]),
]);

probes!(
    slices_of_primitives,
    [
        extension(
            "time",
            r#"{"type":"element","expression":"Patient.birthDate"}"#,
            "",
            r#"{"path":"Extension.value[x]","min":1,"type":[{"code":"dateTime"}]}"#
        ),
        profile(
            "p",
            "Patient",
            "Patient",
            "",
            r#"
    {"id":"Patient.name.given","path":"Patient.name.given","slicing":{"discriminator":[{"type":"value","path":"$this"}],"rules":"open"}},
    {"id":"Patient.name.given:a","path":"Patient.name.given","sliceName":"a","min":1,"max":"1","fixedString":"A"}"#
        ),
        profile(
            "b",
            "Patient",
            "Patient",
            "",
            r#"
    {"id":"Patient.birthDate","path":"Patient.birthDate","min":1},
    {"id":"Patient.birthDate.extension","path":"Patient.birthDate.extension","slicing":{"discriminator":[{"type":"value","path":"url"}],"rules":"open"}},
    {"id":"Patient.birthDate.extension:t","path":"Patient.birthDate.extension","sliceName":"t","min":1,"max":"1","type":[{"code":"Extension","profile":["http://a/time"]}]}"#
        )
    ],
    &[],
    [
        ("good", patient(r#""meta":{"profile":["http://a/p"]},"name":[{"given":["B","A"]}]"#), []),
        ("bad", patient(r#""meta":{"profile":["http://a/p"]},"name":[{"given":["B"]}]"#), [("Patient.name[0]", "'a'")]),
        (
            "time",
            patient(
                r#""meta":{"profile":["http://a/b"]},"_birthDate":{"extension":[{"url":"http://a/time","valueDateTime":"2020-01-01"}]}"#
            ),
            []
        ),
        (
            "no time",
            patient(r#""meta":{"profile":["http://a/b"]},"birthDate":"2020-01-01""#),
            [("Patient.birthDate", "'t'")]
        ),
        ("no date", patient(r#""meta":{"profile":["http://a/b"]},"active":true"#), [("Patient", "birthDate")]),
    ]
);

probes!(
    slices_by_an_extension,
    [
        extension(
            "kind",
            r#"{"type":"element","expression":"Identifier"}"#,
            "",
            r#"{"path":"Extension.value[x]","min":1,"type":[{"code":"code"}]}"#
        ),
        profile(
            "p",
            "Patient",
            "Patient",
            "",
            r#"
    {"id":"Patient.identifier","path":"Patient.identifier","slicing":{"discriminator":[{"type":"value","path":"extension('http://a/kind').value"}],"rules":"open"}},
    {"id":"Patient.identifier:k","path":"Patient.identifier","sliceName":"k","min":1},
    {"id":"Patient.identifier:k.extension","path":"Patient.identifier.extension","slicing":{"discriminator":[{"type":"value","path":"url"}],"rules":"open"}},
    {"id":"Patient.identifier:k.extension:kind","path":"Patient.identifier.extension","sliceName":"kind","min":1,"type":[{"code":"Extension","profile":["http://a/kind"]}]},
    {"id":"Patient.identifier:k.extension:kind.value[x]","path":"Patient.identifier.extension.value[x]","fixedCode":"k"}"#
        )
    ],
    &["http://a/p"],
    [
        ("good", patient(r#""identifier":[{"value":"1","extension":[{"url":"http://a/kind","valueCode":"k"}]}]"#), []),
        (
            "bad",
            patient(r#""identifier":[{"value":"1","extension":[{"url":"http://a/kind","valueCode":"l"}]}]"#),
            [("Patient", "'k'")]
        ),
    ]
);

probes!(
    what_every_resource_has,
    [
        profile(
            "p",
            "Patient",
            "Patient",
            "",
            r#"
    {"path":"Patient.id","min":1},{"path":"Patient.meta","min":1},{"path":"Patient.meta.profile","min":1,"slicing":{"discriminator":[{"type":"value","path":"$this"}],"rules":"open"}},
    {"path":"Patient.meta.profile","sliceName":"own","min":1,"fixedCanonical":"http://a/p"},
    {"path":"Patient.implicitRules","max":"0"},{"path":"Patient.language","min":1,"patternCode":"ja"},
    {"path":"Patient.text","min":1},{"path":"Patient.text.status","patternCode":"generated"},{"path":"Patient.contained","max":"0"}"#
        ),
        profile("any", "DomainResource", "DomainResource", "", r#"{"path":"DomainResource.text","min":1}"#)
    ],
    &[],
    [
        (
            "good",
            patient(
                r#""id":"1","meta":{"profile":["http://a/p"]},"language":"ja","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}"#
            ),
            []
        ),
        (
            "bad",
            patient(
                r##""meta":{"profile":["http://a/p"]},"implicitRules":"http://a/r","language":"en","contained":[{"resourceType":"Organization","id":"o","name":"x"}],"managingOrganization":{"reference":"#o"}"##
            ),
            [
                ("Patient", "Patient.id"),
                ("Patient.implicitRules", "implicitRules"),
                ("Patient.language", "ja"),
                ("Patient", "Patient.text"),
                ("Patient.contained[0]", "contained")
            ]
        ),
        (
            "status",
            patient(
                r#""id":"1","meta":{"profile":["http://a/p"]},"language":"ja","text":{"status":"additional","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"}"#
            ),
            [("Patient.text.status", "generated")]
        ),
        ("of any", patient(r#""meta":{"profile":["http://a/any"]},"active":true"#), [("Patient", "text")]),
    ]
);

probes!(choices_with_slices_for_several_types, [
    r#"{"resourceType":"CodeSystem","url":"http://a/c","status":"active","content":"complete","concept":[{"code":"a","display":"A"},{"code":"b"}]}"#.to_owned(),
    r#"{"resourceType":"ValueSet","url":"http://a/v","status":"active","compose":{"include":[{"system":"http://a/c","concept":[{"code":"a"}]}]}}"#.to_owned(),
    profile("p", "Observation", "Observation", "", r#"
    {"path":"Observation.value[x]","min":1,"slicing":{"discriminator":[{"type":"type","path":"$this"}],"rules":"open"},"type":[{"code":"Quantity"},{"code":"CodeableConcept"}]},
    {"path":"Observation.value[x]","sliceName":"valueQuantity","type":[{"code":"Quantity"}]},
    {"path":"Observation.value[x].unit","min":1},
    {"path":"Observation.value[x]","sliceName":"valueCodeableConcept","type":[{"code":"CodeableConcept"}],"binding":{"strength":"required","valueSet":"http://a/v"}}"#),
    profile("m", "MedicationRequest", "MedicationRequest", "", r#"{"path":"MedicationRequest.medication[x]","type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Medication"]}]}"#)], &[], [
    ("good", observation(r#""meta":{"profile":["http://a/p"]},"valueCodeableConcept":{"coding":[{"system":"http://a/c","code":"a"}]}"#), []),
    ("concept", observation(r#""meta":{"profile":["http://a/p"]},"valueCodeableConcept":{"coding":[{"system":"http://a/c","code":"b"}]}"#), [("Observation.value", "http://a/v")]),
    ("quantity", observation(r#""meta":{"profile":["http://a/p"]},"valueQuantity":{"value":1}"#), [("Observation.value", "unit")]),
    ("other", observation(r#""meta":{"profile":["http://a/p"]},"valueString":"x""#), [("Observation.value", "CodeableConcept")]),
    ("none", observation(r#""meta":{"profile":["http://a/p"]},"dataAbsentReason":{"text":"x"}"#), [("Observation", "value")]),
    ("medication", r#"{"resourceType":"MedicationRequest","meta":{"profile":["http://a/m"]},"status":"active","intent":"order","subject":{"reference":"Patient/1"},"medicationReference":{"reference":"Medication/1"}}"#.to_owned(), []),
    ("medication as concept", r#"{"resourceType":"MedicationRequest","meta":{"profile":["http://a/m"]},"status":"active","intent":"order","subject":{"reference":"Patient/1"},"medicationCodeableConcept":{"text":"x"}}"#.to_owned(), [("MedicationRequest.medication", "Reference")]),
]);

// profiling.html: a document's sections, and what their entries lead to.
probes!(
    documents_by_sections,
    [
        profile("obs", "Observation", "Observation", "", r#"{"path":"Observation.subject","min":1}"#),
        profile(
            "comp",
            "Composition",
            "Composition",
            "",
            r#"
    {"id":"Composition.section","path":"Composition.section","slicing":{"discriminator":[{"type":"pattern","path":"code"}],"rules":"open"}},
    {"id":"Composition.section:v","path":"Composition.section","sliceName":"v","min":1,"max":"1"},
    {"id":"Composition.section:v.code","path":"Composition.section.code","min":1,"patternCodeableConcept":{"coding":[{"system":"http://a/c","code":"v"}]}},
    {"id":"Composition.section:v.entry","path":"Composition.section.entry","min":1,"slicing":{"discriminator":[{"type":"profile","path":"resolve()"}],"rules":"open"}},
    {"id":"Composition.section:v.entry:obs","path":"Composition.section.entry","sliceName":"obs","min":1,"type":[{"code":"Reference","targetProfile":["http://a/obs"]}]}"#
        )
    ],
    &[],
    [
        (
            "good",
            document(r#""coding":[{"system":"http://a/c","code":"v"}]"#, r#""subject":{"reference":"Patient/1"}"#),
            []
        ),
        (
            "no such observation",
            document(r#""coding":[{"system":"http://a/c","code":"v"}]"#, r#""performer":[{"reference":"Patient/1"}]"#),
            [("Bundle.entry[0].resource.section[0]", "'obs'")]
        ),
        (
            "no such section",
            document(r#""text":"v""#, r#""subject":{"reference":"Patient/1"}"#),
            [("Bundle.entry[0].resource", "'v'")]
        ),
    ]
);

fn document(code: &str, more: &str) -> String {
    let entry = |kind: &str, content: &str| {
        format!(r#"{{"fullUrl":"http://b/{kind}/1","resource":{{"resourceType":"{kind}","id":"1",{content}}}}}"#)
    };
    let composition = format!(
        r#""meta":{{"profile":["http://a/comp"]}},"status":"final","type":{{"text":"x"}},"date":"2020-01-01","author":[{{"reference":"Practitioner/1"}}],"title":"x",
        "section":[{{"title":"x","code":{{{code}}},"entry":[{{"reference":"Observation/1"}}]}}]"#
    );
    format!(
        r#"{{"resourceType":"Bundle","type":"document","timestamp":"2020-01-01T00:00:00Z","identifier":{{"system":"http://a/i","value":"1"}},"entry":[{},{},{},{}]}}"#,
        entry("Composition", &composition),
        entry("Practitioner", r#""active":true"#),
        entry("Observation", &format!(r#""status":"final","code":{{"text":"x"}},{more}"#)),
        entry("Patient", r#""active":true"#),
    )
}

// Slices told apart by what is in a resource that is referred to.
probes!(
    slices_by_values_of_what_is_referred_to,
    [
        profile(
            "p",
            "Observation",
            "Observation",
            "",
            r#"
    {"path":"Observation.hasMember","slicing":{"discriminator":[{"type":"value","path":"resolve().code"}],"rules":"open"}},
    {"path":"Observation.hasMember","sliceName":"a","min":1,"type":[{"code":"Reference","targetProfile":["http://a/member"]}]}"#
        ),
        profile(
            "member",
            "Observation",
            "Observation",
            "",
            r#"{"path":"Observation.code","patternCodeableConcept":{"text":"a"}}"#
        )
    ],
    &["http://a/p"],
    [
        (
            "good",
            observation(
                r##""contained":[{"resourceType":"Observation","id":"m","status":"final","code":{"text":"a"}}],"hasMember":[{"reference":"#m"}]"##
            ),
            []
        ),
        (
            "bad",
            observation(
                r##""contained":[{"resourceType":"Observation","id":"m","status":"final","code":{"text":"b"}}],"hasMember":[{"reference":"#m"}]"##
            ),
            [("Observation", "'a'")]
        ),
    ]
);

// An extension that is derived from another.
probes!(
    extensions_of_extensions,
    [
        extension(
            "open",
            r#"{"type":"element","expression":"Patient"}"#,
            "",
            r#"{"path":"Extension.value[x]","min":1,"type":[{"code":"string"},{"code":"integer"}]}"#
        ),
        extension(
            "parts",
            r#"{"type":"element","expression":"Patient"}"#,
            "",
            r#"
        {"id":"Extension.extension","path":"Extension.extension","slicing":{"discriminator":[{"type":"value","path":"url"}],"rules":"closed"},"min":1},
        {"id":"Extension.extension:o","path":"Extension.extension","sliceName":"o","max":"1","type":[{"code":"Extension","profile":["http://a/inner"]}]},
        {"id":"Extension.value[x]","path":"Extension.value[x]","max":"0"}"#
        ),
        extension(
            "inner",
            r#"{"type":"extension","expression":"http://a/parts"}"#,
            "",
            r#"{"path":"Extension.value[x]","min":1,"type":[{"code":"Reference","targetProfile":["http://hl7.org/fhir/StructureDefinition/Organization"]}]}"#
        )
    ],
    &[],
    [
        (
            "good",
            patient(
                r#""extension":[{"url":"http://a/open","valueInteger":1},{"url":"http://a/parts","extension":[{"url":"http://a/inner","valueReference":{"reference":"Organization/1"}}]}]"#
            ),
            []
        ),
        (
            "target",
            patient(
                r#""extension":[{"url":"http://a/parts","extension":[{"url":"http://a/inner","valueReference":{"reference":"Patient/1"}}]}]"#
            ),
            [("Patient.extension[0].extension[0].value", "Organization")]
        ),
        (
            "other part",
            patient(r#""extension":[{"url":"http://a/parts","extension":[{"url":"http://a/open","valueInteger":1}]}]"#),
            [("Patient.extension[0].extension[0]", "not match any"), ("Patient.extension[0].extension[0]", "Patient")]
        ),
    ]
);

// Expressions that ask terminology, profiles and other resources.
probes!(invariants_that_look_around, [
    r#"{"resourceType":"ValueSet","url":"http://a/v","status":"active","compose":{"include":[{"system":"http://hl7.org/fhir/administrative-gender","concept":[{"code":"male"}]}]}}"#.to_owned(),
    profile("male", "Patient", "Patient", "", r#"{"path":"Patient.gender","min":1,"fixedCode":"male"}"#),
    profile("p", "Observation", "Observation", "", r#"
    {"path":"Observation","constraint":[{"key":"a-1","severity":"error","human":"x","expression":"subject.resolve().conformsTo('http://a/male')"},
    {"key":"a-2","severity":"error","human":"x","expression":"subject.resolve().gender.memberOf('http://a/v')"}]},
    {"path":"Observation.subject","constraint":[{"key":"a-3","severity":"error","human":"x","expression":"resolve() is Patient"}]}"#)], &["http://a/p"], [
    ("good", observation(r##""contained":[{"resourceType":"Patient","id":"p","gender":"male"}],"subject":{"reference":"#p"}"##), []),
    ("bad", observation(r##""contained":[{"resourceType":"Patient","id":"p","gender":"female"}],"subject":{"reference":"#p"}"##), [("Observation", "a-1"), ("Observation", "a-2")]),
    ("group", observation(r##""contained":[{"resourceType":"Group","id":"p","type":"person","actual":true}],"subject":{"reference":"#p"}"##), [("Observation", "a-1"), ("Observation", "a-2"), ("Observation.subject", "a-3")]),
]);

// Only a snapshot, only a differential, a differential in another order.
probes!(definitions_written_in_other_ways, [
    profile("s", "Patient", "Patient", "", r#"{"id":"Patient","path":"Patient","min":0,"max":"*"},{"id":"Patient.name","path":"Patient.name","min":1,"max":"*","type":[{"code":"HumanName"}]}"#).replace("differential", "snapshot"),
    profile("d", "Patient", "s", "", r#"{"path":"Patient.name.family","min":1}"#),
    profile("o", "Patient", "Patient", "", r#"{"id":"Patient.name.family","path":"Patient.name.family","min":1},{"id":"Patient.gender","path":"Patient.gender","min":1},{"id":"Patient.name","path":"Patient.name","min":1},{"id":"Patient.active","path":"Patient.active","fixedBoolean":true}"#)], &[], [
    ("snapshot", patient(r#""meta":{"profile":["http://a/s"]},"active":true"#), [("Patient", "name")]),
    ("derived", patient(r#""meta":{"profile":["http://a/d"]},"name":[{"text":"x"}]"#), [("Patient.name[0]", "family")]),
    ("order", patient(r#""meta":{"profile":["http://a/o"]},"active":false,"name":[{"text":"x"}]"#), [("Patient.name[0]", "family"), ("Patient", "gender"), ("Patient.active", "true")]),
]);
